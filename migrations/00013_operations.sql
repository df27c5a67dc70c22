-- +goose Up
-- What the programs last knew of an operation's breaker, so that a change is told once however many replicas see it.
CREATE TABLE provider_states (
    account_id text NOT NULL REFERENCES merchant_accounts,
    operation  text NOT NULL,
    state      text NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
    since      timestamptz NOT NULL,
    PRIMARY KEY (account_id, operation)
);
GRANT SELECT, INSERT, UPDATE ON provider_states TO feegate_service;
CREATE INDEX provider_overrides_newest ON provider_overrides (account_id, operation, id DESC);
-- When an account cannot be paid into, known beforehand. It may be ended early, once.
CREATE TABLE maintenance_windows (
    id          text PRIMARY KEY,
    account_id  text NOT NULL REFERENCES merchant_accounts,
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL,
    reason      text NOT NULL CHECK (reason <> ''),
    by_user     text NOT NULL REFERENCES users,
    recorded_at timestamptz NOT NULL,
    ended_at    timestamptz,
    ended_by    text REFERENCES users,
    CHECK (ends_at > starts_at),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX maintenance_windows_of ON maintenance_windows (account_id, ends_at);
GRANT SELECT, INSERT, UPDATE (ended_at, ended_by) ON maintenance_windows TO feegate_service;
