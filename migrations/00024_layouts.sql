-- +goose Up
-- How a bank's tables are laid out, for each bank account: found by their headers, kept, and confirmed by a person once. What nobody watches
-- (the inbox) takes only what is confirmed.
CREATE TABLE statement_layouts (
    id           text PRIMARY KEY,
    bank_account text NOT NULL,
    described    text NOT NULL, -- each column: what it holds, and the words above it
    digest       text NOT NULL,
    first_by     text NOT NULL,
    first_at     timestamptz NOT NULL,
    confirmed_by text,
    confirmed_at timestamptz,
    UNIQUE (bank_account, digest),
    CHECK ((confirmed_by IS NULL) = (confirmed_at IS NULL))
);
GRANT SELECT, INSERT, UPDATE (confirmed_by, confirmed_at) ON statement_layouts TO feegate_service;
