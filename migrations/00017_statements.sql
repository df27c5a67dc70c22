-- +goose Up
-- What a bank's statement says as a whole, and its lines as they were told. A line's text may name people: it is sealed.
CREATE TABLE bank_statements (
    import_id    text NOT NULL REFERENCES imports,
    n            int NOT NULL,
    bank_account text NOT NULL,
    statement_id text NOT NULL DEFAULT '',
    sequence     text NOT NULL DEFAULT '',
    from_day     date,
    to_day       date,
    opening      signed_vnd NOT NULL,
    closing      signed_vnd NOT NULL,
    unchecked    boolean NOT NULL, -- the file had no balances to add up
    layout       text NOT NULL DEFAULT '',
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (import_id, n)
);
CREATE INDEX bank_statements_of ON bank_statements (bank_account, to_day);
CREATE TRIGGER bank_statements_append_only BEFORE UPDATE OR DELETE ON bank_statements FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER bank_statements_no_truncate BEFORE TRUNCATE ON bank_statements FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON bank_statements TO feegate_service;

ALTER TABLE statement_lines ALTER COLUMN description SET DEFAULT '',
    ADD COLUMN line_no int NOT NULL DEFAULT 0,
    ADD COLUMN value_on date,
    ADD COLUMN at timestamptz,
    ADD COLUMN parent text NOT NULL DEFAULT '', -- of a batch's detail: the batch's own reference
    ADD COLUMN type text NOT NULL DEFAULT 'transfer' CHECK (type IN ('transfer', 'fee', 'interest', 'reversal', 'other')),
    ADD COLUMN content_sealed bytea,
    ADD COLUMN superseded_at timestamptz; -- the batch was told in its details later
DROP TRIGGER statement_lines_append_only ON statement_lines;
CREATE TRIGGER statement_lines_end BEFORE UPDATE OR DELETE ON statement_lines FOR EACH ROW EXECUTE FUNCTION only_end('superseded_at');
GRANT UPDATE (superseded_at) ON statement_lines TO feegate_service;
CREATE INDEX statement_lines_day ON statement_lines (bank_account, booked_on);

-- Which transfer a line is: the bank's own proof of it.
CREATE TABLE statement_transfers (
    line_id     bigint PRIMARY KEY REFERENCES statement_lines,
    transfer_id text NOT NULL REFERENCES bank_transfers,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX statement_transfers_of ON statement_transfers (transfer_id);
CREATE TRIGGER statement_transfers_append_only BEFORE UPDATE OR DELETE ON statement_transfers FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER statement_transfers_no_truncate BEFORE TRUNCATE ON statement_transfers FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON statement_transfers TO feegate_service;
ALTER TABLE bank_transfer_sources DROP CONSTRAINT bank_transfer_sources_told_by_check, ADD CONSTRAINT bank_transfer_sources_told_by_check CHECK (told_by IN ('callback', 'lookup', 'statement'));

-- A transfer is confirmed by a line of the bank's statement, which proves that the money is at the bank too.
CREATE OR REPLACE FUNCTION evidence_at(as_of timestamptz)
    RETURNS TABLE (payment_id text, evidence text, line_id bigint, bank_proven boolean)
    LANGUAGE sql STABLE AS $$
    SELECT p.id,
        CASE WHEN v.payment_id IS NOT NULL THEN 'reversed'
             WHEN p.account_id IS NULL AND c.receipt_number IS NULL THEN 'none'
             WHEN d.payment_id IS NOT NULL THEN 'disputed'
             WHEN m.line_id IS NOT NULL OR t.transfer_id IS NOT NULL THEN 'confirmed'
             ELSE 'provisional' END,
        m.line_id, o.line_id IS NOT NULL OR t.transfer_id IS NOT NULL
    FROM payments p
    LEFT JOIN reversals v ON v.payment_id = p.id AND v.recorded_at <= as_of
    LEFT JOIN counter_payments c ON c.payment_id = p.id
    LEFT JOIN matches m ON m.payment_id = p.id AND m.recorded_at <= as_of AND (m.ended_at IS NULL OR m.ended_at > as_of)
    LEFT JOIN payouts o ON o.line_id = m.line_id AND o.recorded_at <= as_of AND (o.ended_at IS NULL OR o.ended_at > as_of)
    LEFT JOIN (SELECT DISTINCT x.transfer_id FROM statement_transfers x WHERE x.recorded_at <= as_of) t ON t.transfer_id = p.transfer_id
    LEFT JOIN (
        SELECT DISTINCT x.payment_id FROM discrepancies x
        WHERE x.kind IN ('in_doubt', 'wrong_account', 'reversal') AND x.payment_id IS NOT NULL AND x.recorded_at <= as_of
        AND coalesce((SELECT h.status FROM discrepancy_history h WHERE h.discrepancy_id = x.id AND h.recorded_at <= as_of ORDER BY h.id DESC LIMIT 1), 'open') <> 'resolved'
    ) d ON d.payment_id = p.id
    WHERE p.recorded_at <= as_of AND p.status IN ('succeeded', 'reversed')
$$;
