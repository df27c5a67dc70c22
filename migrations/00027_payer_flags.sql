-- +goose Up
-- Who pays for citizens. A staff account can be declared, ended and declared again: a digest has one declaration in force at a time.
ALTER TABLE staff_accounts DROP CONSTRAINT staff_accounts_pkey;
ALTER TABLE staff_accounts ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
CREATE UNIQUE INDEX staff_accounts_declared ON staff_accounts (digest) WHERE ended_at IS NULL;
CREATE INDEX staff_accounts_digest ON staff_accounts (digest);

-- Accounts that were found to pay for many applicants (rule G1): payments from from_at on are nobody's own, until the flag is ended, by a
-- decision that names who the account belongs to. What was flagged when stays readable.
CREATE TABLE payer_flags (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest      bytea NOT NULL,       -- HMAC of the account: never the number
    from_at     timestamptz NOT NULL, -- paid_at of the first payment of the finding
    definition  text NOT NULL,        -- the definition whose parameters found it
    recorded_at timestamptz NOT NULL,
    ended_at    timestamptz,
    CHECK (ended_at IS NULL OR ended_at >= recorded_at)
);
CREATE UNIQUE INDEX payer_flags_standing ON payer_flags (digest) WHERE ended_at IS NULL;
CREATE INDEX payer_flags_digest ON payer_flags (digest);
CREATE TRIGGER payer_flags_end BEFORE UPDATE OR DELETE ON payer_flags FOR EACH ROW EXECUTE FUNCTION only_end('ended_at');
CREATE TRIGGER payer_flags_no_truncate BEFORE TRUNCATE ON payer_flags FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON payer_flags TO feegate_service;
GRANT UPDATE (ended_at) ON payer_flags TO feegate_service;
REVOKE UPDATE ON staff_accounts FROM feegate_service;
GRANT UPDATE (ended_at) ON staff_accounts TO feegate_service;
