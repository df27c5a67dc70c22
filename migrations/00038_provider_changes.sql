-- +goose Up
-- When an operation's breaker changed, so that a day can be shown; provider_states has the last word alone.
CREATE TABLE provider_changes (
    account_id text NOT NULL REFERENCES merchant_accounts,
    operation  text NOT NULL,
    state      text NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
    reason     text NOT NULL DEFAULT '', -- an operator's, where one switched it by hand
    since      timestamptz NOT NULL
);
CREATE INDEX provider_changes_account ON provider_changes (account_id, since);
CREATE TRIGGER provider_changes_forbid BEFORE UPDATE OR DELETE ON provider_changes FOR EACH ROW EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON provider_changes TO feegate_service;
