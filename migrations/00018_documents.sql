-- +goose Up
-- A provider's own document on a payment (the platform's receipt, the treasury's document), as received. It may name the payer: sealed, and
-- it may go earlier than the amounts. next_at: when it is asked for again; NULL: it is here, or nobody asks any more.
CREATE TABLE payment_documents (
    payment_id   text PRIMARY KEY REFERENCES payments,
    account_id   text NOT NULL REFERENCES merchant_accounts,
    tries        int NOT NULL DEFAULT 0,
    next_at      timestamptz,
    content_type text NOT NULL DEFAULT '',
    sha256       text NOT NULL DEFAULT '',
    sealed       bytea,
    fetched_at   timestamptz,
    CHECK ((sealed IS NULL) = (fetched_at IS NULL))
);
CREATE INDEX payment_documents_due ON payment_documents (next_at) WHERE next_at IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON payment_documents TO feegate_service;
CREATE INDEX payments_succeeded_recently ON payments (account_id, recorded_at) WHERE status = 'succeeded';
