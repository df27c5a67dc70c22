-- +goose Up
-- Money that belongs to no order can go back too: to whom is a person's word.
ALTER TABLE refunds ALTER COLUMN order_id DROP NOT NULL,
    ADD COLUMN to_bank text NOT NULL DEFAULT '',   -- where it goes; '' = to the account that it came from
    ADD COLUMN to_masked text NOT NULL DEFAULT '',
    ADD COLUMN listed_by text,                     -- who exported it last
    ADD CONSTRAINT refunds_confirmed_by_another CHECK (listed_by IS NULL OR manual);
-- Account and holder that a payer named for the refund: personal data, sealed, and it may go earlier than the amounts.
CREATE TABLE refund_destinations (
    refund_id text PRIMARY KEY REFERENCES refunds,
    sealed    bytea NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON refund_destinations TO feegate_service;
-- A list is what finance hands to the bank: refunds that no interface pays back, each once under way.
CREATE TABLE refund_lists (
    id          text PRIMARY KEY,
    agency_code text NOT NULL REFERENCES agencies,
    count       int NOT NULL CHECK (count > 0),
    amount      vnd NOT NULL,
    created_by  text NOT NULL REFERENCES users,
    created_at  timestamptz NOT NULL
);
CREATE INDEX refund_lists_of ON refund_lists (created_at, id);
CREATE TABLE refund_list_items (
    list_id   text NOT NULL REFERENCES refund_lists,
    n         int NOT NULL,
    refund_id text NOT NULL REFERENCES refunds,
    reference text NOT NULL, -- as the transfer's content has it
    amount    vnd NOT NULL,
    PRIMARY KEY (list_id, n)
);
CREATE INDEX refund_list_items_of ON refund_list_items (refund_id);
CREATE TRIGGER refund_lists_append_only BEFORE UPDATE OR DELETE ON refund_lists FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER refund_lists_no_truncate BEFORE TRUNCATE ON refund_lists FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER refund_list_items_append_only BEFORE UPDATE OR DELETE ON refund_list_items FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER refund_list_items_no_truncate BEFORE TRUNCATE ON refund_list_items FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON refund_lists, refund_list_items TO feegate_service;
