-- +goose Up
-- What became of the calls to providers, of all processes together, by quarters of an hour; kept for two days.
CREATE TABLE provider_calls (
    account_id text NOT NULL REFERENCES merchant_accounts,
    operation  text NOT NULL,
    quarter    timestamptz NOT NULL, -- its beginning
    failed     bigint NOT NULL CHECK (failed >= 0),
    took       bigint[] NOT NULL CHECK (cardinality(took) = 8), -- answered calls by how long they took: within 100, 200, 500 ms, 1, 2, 5, 10 s, longer
    PRIMARY KEY (account_id, operation, quarter)
);
CREATE INDEX provider_calls_quarter ON provider_calls (quarter);
-- Which counts are in it already: a process that did not hear whether they were written writes them again.
CREATE TABLE provider_call_writes (
    id         text PRIMARY KEY,
    written_at timestamptz NOT NULL
);
CREATE INDEX provider_call_writes_written ON provider_call_writes (written_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON provider_calls TO feegate_service;
GRANT SELECT, INSERT, DELETE ON provider_call_writes TO feegate_service;
