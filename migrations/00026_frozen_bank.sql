-- +goose Up
-- What a closed day counts of the bank stays on it, whatever becomes of the bank's line afterwards, and what becomes free after a closing counts on an
-- open day: neither is in two days, nor in none.

-- A line that a closed day names as nobody's, or as a reversal: it is that day's until the day is opened again.
CREATE FUNCTION frozen_line(line bigint, transfer text) RETURNS boolean LANGUAGE sql STABLE SET enable_seqscan = off AS $$
    SELECT EXISTS (SELECT FROM discrepancies n JOIN days c ON c.account_id = n.account_id AND c.date = n.date AND c.status IN ('closed', 'signed')
            WHERE n.bank_line_id = line AND n.kind = 'bank_unmatched' AND NOT n.healed AND n.bank_effect <> 0)
        OR EXISTS (SELECT FROM discrepancies n JOIN days c ON c.account_id = n.account_id AND c.date = n.date AND c.status IN ('closed', 'signed')
            WHERE n.transfer_id = transfer AND n.kind = 'bank_unmatched' AND NOT n.healed AND n.bank_effect <> 0)
$$;
CREATE INDEX discrepancies_nobodys ON discrepancies (account_id, date) WHERE kind = 'bank_unmatched' AND NOT healed;

-- Whose a bank account's credits are that nobody's name is on, once for each bank account.
CREATE VIEW bank_owners AS SELECT DISTINCT ON (bank_account) bank_account, account_id FROM (
        SELECT b.bank_account, a.id AS account_id, 0 AS rank, a.position FROM account_banks b JOIN merchant_accounts a ON a.id = b.account_id
        UNION ALL SELECT d.bank_account, a.id, 1, a.position FROM (SELECT DISTINCT regexp_replace(upper(bank_account), '[^0-9A-Z]', '', 'g') AS bank_account, agency_code FROM deposits) d
            JOIN merchant_accounts a ON a.agency_code = d.agency_code) x
    ORDER BY bank_account, rank, position, account_id;
GRANT SELECT ON bank_owners TO feegate_service;
CREATE INDEX statement_lines_import ON statement_lines (import_id);
CREATE INDEX statement_lines_parent ON statement_lines (bank_account, parent) WHERE parent <> '';

-- As before, and: without what a closed day has; since when it is free; a transfer once, in however many lines the bank's files tell of it.
CREATE OR REPLACE VIEW nobodys_credits AS
    SELECT x.line_id, x.bank_account, x.amount, x.transfer_id, x.hinted, x.account_id, x.booked_on, x.recorded_at,
        CASE WHEN EXISTS (SELECT FROM days c WHERE c.account_id = x.account_id AND c.date = x.own_day AND c.status IN ('closed', 'signed') AND c.closed_at <= x.since)
            THEN business_day(x.since) ELSE x.own_day END AS date
    FROM (SELECT l.id AS line_id, l.bank_account, l.amount::bigint AS amount, t.id AS transfer_id, l.hint_account IS NOT NULL AS hinted, l.booked_on, l.recorded_at, v.since,
            coalesce(l.hint_account, v.teller, w.account_id) AS account_id,
            coalesce(CASE WHEN l.hint_account IS NOT NULL AND cardinality(l.hint_days) = 1 THEN l.hint_days[1] END, CASE WHEN l.hint_account IS NULL THEN business_day(t.at) END, l.booked_on) AS own_day
        FROM statement_lines l LEFT JOIN statement_transfers x ON x.line_id = l.id LEFT JOIN bank_transfers t ON t.id = x.transfer_id LEFT JOIN bank_owners w ON w.bank_account = l.bank_account
        CROSS JOIN LATERAL (SELECT greatest(l.recorded_at, (SELECT max(u.ended_at) FROM bank_uses u WHERE u.line_id = l.id)) AS since,
            (SELECT s.account_id FROM bank_transfer_sources s WHERE s.transfer_id = t.id AND s.owns ORDER BY s.recorded_at, s.account_id LIMIT 1) AS teller OFFSET 0) v
        WHERE l.superseded_at IS NULL AND l.amount > 0 AND l.type IN ('transfer', 'other', 'batch')
        AND NOT EXISTS (SELECT FROM bank_uses u WHERE u.line_id = l.id AND u.ended_at IS NULL)
        AND NOT EXISTS (SELECT FROM payments p WHERE p.transfer_id = t.id)
        AND NOT EXISTS (SELECT FROM statement_transfers y JOIN statement_lines o ON o.id = y.line_id AND o.superseded_at IS NULL WHERE y.transfer_id = t.id AND y.line_id < l.id)
        AND l.id NOT IN (SELECT n.bank_line_id FROM discrepancies n JOIN days c ON c.account_id = n.account_id AND c.date = n.date AND c.status IN ('closed', 'signed') WHERE n.kind = 'bank_unmatched' AND NOT n.healed AND n.bank_effect <> 0 AND n.bank_line_id IS NOT NULL)
        AND (t.id IS NULL OR t.id NOT IN (SELECT n.transfer_id FROM discrepancies n JOIN days c ON c.account_id = n.account_id AND c.date = n.date AND c.status IN ('closed', 'signed') WHERE n.kind = 'bank_unmatched' AND NOT n.healed AND n.bank_effect <> 0 AND n.transfer_id IS NOT NULL))) x
    WHERE x.account_id IS NOT NULL;

DROP FUNCTION bank_owner; -- bank_owners is asked now

-- The bank's debits that take payments back, each on the day that counts it.
CREATE VIEW bank_reversals AS
    SELECT l.id AS line_id, p.id AS payment_id, p.account_id, l.amount::bigint AS amount, l.booked_on, coalesce(
        (SELECT n.date FROM discrepancies n JOIN days c ON c.account_id = n.account_id AND c.date = n.date AND c.status IN ('closed', 'signed')
            WHERE n.bank_line_id = l.id AND n.kind = 'reversal' AND NOT n.healed AND n.account_id = p.account_id ORDER BY n.date LIMIT 1),
        CASE WHEN EXISTS (SELECT FROM days c WHERE c.account_id = p.account_id AND c.date = l.booked_on AND c.status IN ('closed', 'signed') AND c.closed_at <= x.recorded_at)
            THEN business_day(x.recorded_at) ELSE l.booked_on END) AS date
    FROM statement_transfers x JOIN payments p ON p.id = x.reverses JOIN statement_lines l ON l.id = x.line_id WHERE x.reverses IS NOT NULL;
GRANT SELECT ON bank_reversals TO feegate_service;
GRANT EXECUTE ON FUNCTION frozen_line TO feegate_service;
-- A day whose matching fails is put off behind the others.
GRANT UPDATE (since) ON days_to_match TO feegate_service;
