-- What a plain script would do with a settlement file: take it into a staging table, join it once with the payments, and insert the
-- results, into tables with the same primary and unique keys as the service's (schema plain, made by the benchmark) and the same
-- match rows. No checks, no hash, no second file of the day, no other day.
-- :file the path, :day the date
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET work_mem = '128MB';
SET jit = off;
BEGIN;
CREATE TEMP TABLE staged (txn_date date, tmn_code text, txn_ref text, transaction_no text, type text, amount_vnd bigint, fee_vnd bigint, net_vnd bigint,
    bank_code text, card_type text, pay_time text, status text, settle_date date, note text) ON COMMIT DROP;
\set copy '\\copy staged FROM ' :'file' ' WITH (FORMAT csv, HEADER)'
:copy
INSERT INTO plain.imports (id, account_id, date, sha256, lines) SELECT 'imp_' || :'day', 'acc_settled', :'day', md5(:'file'), count(*) FROM staged;
INSERT INTO plain.settlement_lines (import_id, account_id, date, line_no, type, reference, transaction, original, amount, fee, net, at, own_date, row_status, success, key, occurrence)
SELECT 'imp_' || :'day', 'acc_settled', :'day', row_number() OVER (), CASE type WHEN 'PAY' THEN 'payment' ELSE 'refund' END, txn_ref, transaction_no, '', amount_vnd, fee_vnd, net_vnd,
    to_timestamp(pay_time, 'YYYYMMDDHH24MISS'), txn_date, status, status = '00', tmn_code || '|' || txn_ref || '|' || type || '|' || transaction_no, 1 FROM staged;
CREATE TEMP TABLE joined ON COMMIT DROP AS SELECT l.id AS line_id, p.id AS payment_id, l.amount AS theirs, p.received_amount AS ours, coalesce(l.reference, p.provider_reference) AS reference
FROM (SELECT * FROM plain.settlement_lines WHERE account_id = 'acc_settled' AND date = :'day') l
FULL JOIN (SELECT * FROM payments WHERE account_id = 'acc_settled' AND business_day(paid_at) = :'day' AND status = 'succeeded') p ON p.provider_reference = l.reference;
INSERT INTO plain.matches (payment_id, line_id, account_id, rule, recorded_at)
SELECT payment_id, line_id, 'acc_settled', 'reference', now() FROM joined WHERE ours = theirs;
INSERT INTO plain.discrepancies (id, account_id, date, kind, subject, status, amount, effect, recorded_at)
SELECT gen_random_uuid()::text, 'acc_settled', :'day', CASE WHEN payment_id IS NULL THEN 'missing_at_gateway' WHEN line_id IS NULL THEN 'missing_at_provider' ELSE 'amount_mismatch' END,
    reference, 'open', coalesce(theirs, ours), coalesce(ours, 0) - coalesce(theirs, 0), now() FROM joined WHERE ours IS DISTINCT FROM theirs;
INSERT INTO plain.moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
SELECT 'settlement', 'imp_' || :'day', x.leg, 'clearing', x.leg, x.amount, 'acc_settled', now(), now()
FROM (SELECT sum(net) AS net, sum(fee) AS fee FROM plain.settlement_lines WHERE import_id = 'imp_' || :'day') s, LATERAL (VALUES ('net', s.net), ('fee', s.fee)) x (leg, amount);
COMMIT;
