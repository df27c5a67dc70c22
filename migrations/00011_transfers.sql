-- +goose Up
-- One movement on an agency's bank account, whoever told of it: notifiers, a provider's list, later the statement. Money that
-- came in belongs to one payment at most; one whose reference cannot be read belongs to none until two people say so.
CREATE TABLE bank_transfers (
    id             text PRIMARY KEY,
    bank_account   text NOT NULL, -- ours, letters and digits alone
    account_id     text NOT NULL REFERENCES merchant_accounts, -- whose source told first
    direction      text NOT NULL CHECK (direction IN ('in', 'out')),
    amount         vnd NOT NULL CHECK (amount > 0),
    bank_reference text NOT NULL DEFAULT '', -- the bank's id of it; '' = not told
    reference      text NOT NULL DEFAULT '', -- ours, as found in the content; '' = none
    ambiguous      boolean NOT NULL DEFAULT false,
    wrong_account  boolean NOT NULL DEFAULT false, -- it went where this agency's fees do not go
    content_digest bytea NOT NULL,  -- keyed, of the folded content: the same content in two sources
    content_sealed bytea NOT NULL,  -- it may name people
    payer_kind     text NOT NULL DEFAULT '',
    payer_bank     text NOT NULL DEFAULT '',
    payer_masked   text NOT NULL DEFAULT '',
    payer_digest   bytea,
    at             timestamptz NOT NULL, -- the bank's word
    recorded_at    timestamptz NOT NULL
);
CREATE UNIQUE INDEX bank_transfers_once ON bank_transfers (bank_account, bank_reference, direction, amount) WHERE bank_reference <> '';
CREATE INDEX bank_transfers_alike ON bank_transfers (bank_account, direction, amount, at);
CREATE INDEX bank_transfers_day ON bank_transfers (account_id, business_day(at));
CREATE INDEX bank_transfers_recorded ON bank_transfers (recorded_at);
-- Who told of a movement; each source tells of it once.
CREATE TABLE bank_transfer_sources (
    account_id  text NOT NULL REFERENCES merchant_accounts,
    source_id   text NOT NULL,
    transfer_id text NOT NULL REFERENCES bank_transfers,
    told_by     text NOT NULL CHECK (told_by IN ('callback', 'lookup')),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, source_id)
);
CREATE INDEX bank_transfer_sources_of ON bank_transfer_sources (transfer_id);
CREATE TRIGGER bank_transfers_append_only BEFORE UPDATE OR DELETE ON bank_transfers FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER bank_transfers_no_truncate BEFORE TRUNCATE ON bank_transfers FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER bank_transfer_sources_append_only BEFORE UPDATE OR DELETE ON bank_transfer_sources FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER bank_transfer_sources_no_truncate BEFORE TRUNCATE ON bank_transfer_sources FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON bank_transfers, bank_transfer_sources TO feegate_service;

-- A transfer's reference is found in what people and banks write: it must mean one payment, whatever account was shown.
ALTER TABLE payments ADD COLUMN by_transfer boolean NOT NULL DEFAULT false,
    ADD COLUMN transfer_id text REFERENCES bank_transfers;
CREATE UNIQUE INDEX payments_by_transfer ON payments (provider_reference) WHERE by_transfer;
CREATE INDEX payments_shown ON payments (account_id, created_at) WHERE by_transfer;
CREATE UNIQUE INDEX payments_transfer ON payments (transfer_id) WHERE transfer_id IS NOT NULL;
ALTER TABLE discrepancies ADD COLUMN transfer_id text REFERENCES bank_transfers;
CREATE INDEX discrepancies_transfer ON discrepancies (transfer_id) WHERE transfer_id IS NOT NULL;

-- How far a notifier's list was read.
CREATE TABLE account_cursors (
    account_id text PRIMARY KEY REFERENCES merchant_accounts,
    cursor     text NOT NULL DEFAULT '',
    asked_at   timestamptz NOT NULL -- also a lease: nobody asks again before the plan allows
);
GRANT SELECT, INSERT, UPDATE ON account_cursors TO feegate_service;
