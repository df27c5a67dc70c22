package reconciliation

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// The kinds that need no bank statement, as sets of rows over the loaded days: subject, the money it is about, and what it
// explains of ours − settled (domain notes §6.2). Every payment and refund of the day adds its gross to that difference and
// every line takes its own off; a pair of one amount on one day cancels out, and whatever does not is given to exactly one
// kind on each side:
//
//	line   of nothing here                −line   missing_at_gateway, refund_unmatched, duplicate_line
//	line   besides the one that settles   −line   duplicate_line, missing_at_gateway, wrong_account
//	line   of what did not succeed here   −line   status_mismatch, reversal, refund_unmatched
//	line   that settles another day's     −ours   late (on the line's day), and amount_mismatch for the rest
//	line   paid into another bank account than the agency's: wrong_account, without effect on this side
//	line   that settles another account's −ours   wrong_account, and amount_mismatch for the rest
//	line   that settles another amount    ours − line   amount_mismatch
//	ours   settled on another day         +ours   late (on the payment's day)
//	ours   settled in another account     +ours   wrong_account
//	ours   that no line settles           +ours   missing_at_provider, refund_unmatched; file_missing where there is no file
//
// $1 now.
const fillFound = `
WITH filed AS MATERIALIZED (SELECT s.account_id, s.date, $1 >= settlement_due(s.account_id, s.date) AS due, EXISTS (SELECT FROM imports i
		WHERE i.account_id = s.account_id AND i.date = s.date AND i.status = 'visible') AS yes FROM day_scope s),
firsts AS (SELECT DISTINCT ON (m.account_id, m.key) m.account_id, m.key, m.date <> m.own_date AS moved, m.date, m.occurrence
	FROM (SELECT DISTINCT account_id, transaction, key FROM day_lines WHERE live) k JOIN settlement_lines m USING (account_id, transaction, key) WHERE m.superseded_at IS NULL AND m.success
	ORDER BY m.account_id, m.key, m.date <> m.own_date, m.date, m.occurrence),
earlier AS (SELECT d.id FROM day_lines d JOIN firsts f USING (account_id, key) WHERE (f.moved, f.date, f.occurrence) < (d.date <> d.own_date, d.date, d.occurrence)),
l AS (SELECT d.*, 'line:' || d.key || '#' || d.occurrence AS subject, t.rank, i.account_id AS ours_at, i.status AS ours_status, i.done, i.gross AS ours, i.day AS ours_on, i.by_line,
	CASE WHEN t.rank = 1 THEN false ELSE (f.key = d.key AND f.account_id = d.account_id) IS TRUE OR d.id IN (SELECT id FROM earlier) END AS again
	FROM day_lines d LEFT JOIN day_ties t ON t.line_id = d.id LEFT JOIN day_items i ON i.id = t.item_id
	LEFT JOIN day_ties f ON f.item_id = t.item_id AND f.rank = 1 WHERE d.live),
p AS (SELECT i.id, i.type, i.account_id, i.day AS date, i.status, i.done, i.gross, i.type || ':' || i.id AS subject, t.line_id, t.account_id AS line_at, t.date AS line_on, filed.yes, filed.due
	FROM day_items i JOIN filed ON filed.account_id = i.account_id AND filed.date = i.day LEFT JOIN day_ties t ON t.item_id = i.id AND t.rank = 1),
tariff AS (SELECT id, on_day, (tariff->>'bps')::numeric AS bps, (tariff->>'fixed')::numeric AS fixed, (tariff->>'min')::numeric AS lo, (tariff->>'max')::numeric AS hi
	FROM (SELECT account_id AS id, own_date AS on_day, account_tariff(account_id, own_date) AS tariff FROM (SELECT DISTINCT account_id, own_date FROM day_lines) d) t),
found AS (
	SELECT account_id, date, CASE WHEN again THEN 'duplicate_line' WHEN rank > 1 AND ours_at <> account_id THEN 'wrong_account'
			WHEN type = 'payment' THEN 'missing_at_gateway' ELSE 'refund_unmatched' END AS kind,
		subject, amount, -gross AS effect, CASE WHEN again OR (rank > 1 AND ours_at <> account_id) THEN net ELSE 0 END AS bank_effect, type, item_id, id AS line_id
		FROM l WHERE rank IS DISTINCT FROM 1
	UNION ALL SELECT account_id, date, 'wrong_account', subject, amount, CASE WHEN done THEN -ours ELSE -gross END, net, type, item_id, id FROM l WHERE rank = 1 AND ours_at <> account_id
	UNION ALL SELECT account_id, date, 'wrong_account', subject, amount, 0, net, type, item_id, id FROM l WHERE rank = 1 AND ours_at = account_id AND misdirected
	UNION ALL SELECT account_id, date, CASE WHEN type = 'refund' THEN 'refund_unmatched' WHEN ours_status = 'reversed' THEN 'reversal' ELSE 'status_mismatch' END,
		subject, amount, -gross, 0, type, item_id, id FROM l WHERE rank = 1 AND ours_at = account_id AND NOT done
	UNION ALL SELECT account_id, date, 'late', subject, amount, -ours, 0, type, item_id, id FROM l WHERE rank = 1 AND ours_at = account_id AND done AND ours_on <> date
	UNION ALL SELECT account_id, date, 'amount_mismatch', subject, amount, ours - gross, 0, type, item_id, id FROM l WHERE rank = 1 AND done AND ours <> gross
	UNION ALL SELECT account_id, date, 'fee_mismatch', subject, fee - due, 0, 0, type, item_id, line_id FROM (SELECT l.account_id, date, subject, fee, type, item_id, l.id AS line_id,
			least(greatest(floor(amount * bps / 10000 + 0.5) + fixed, lo), CASE WHEN hi > 0 THEN hi ELSE 1e12 END)::bigint AS due FROM l JOIN tariff ON tariff.id = l.account_id AND tariff.on_day = l.own_date
			WHERE type = 'payment' AND rank = 1 AND ours_at = account_id AND done) x WHERE fee <> due
	UNION ALL SELECT account_id, date, CASE type WHEN 'payment' THEN 'missing_at_provider' ELSE 'refund_unmatched' END, subject, abs(gross), gross, 0, type, id, NULL
		FROM p WHERE done AND line_id IS NULL AND yes
	UNION ALL SELECT account_id, date, 'late', subject, abs(gross), gross, 0, type, id, line_id FROM p WHERE done AND line_at = account_id AND line_on <> date
	UNION ALL SELECT account_id, date, 'wrong_account', subject, abs(gross), gross, 0, type, id, line_id FROM p WHERE done AND line_at <> account_id
	UNION ALL SELECT account_id, date, 'reversal', subject, (SELECT received_amount FROM payments x WHERE x.id = p.id), 0, 0, type, id, NULL FROM p WHERE status = 'reversed' AND line_id IS NULL
	UNION ALL SELECT account_id, date, 'file_missing', 'day', sum(gross), sum(gross), 0, 'day', NULL, NULL FROM p WHERE done AND line_id IS NULL AND NOT yes AND due GROUP BY account_id, date
	UNION ALL SELECT account_id, date, 'surplus', 'payment:' || id, extra, 0, 0, 'payment', id, NULL FROM (SELECT s.account_id, s.date, x.id, x.received_amount - x.allocated_amount
			- coalesce((SELECT sum(surplus_part) FROM refunds f WHERE f.payment_id = x.id AND f.status = 'succeeded'), 0) AS extra
			FROM day_scope s JOIN payments x ON x.account_id = s.account_id AND x.status = 'succeeded' AND business_day(x.paid_at) = s.date
			WHERE x.received_amount > x.allocated_amount + x.refunded_surplus) s WHERE extra > 0
	UNION ALL SELECT s.account_id, s.date, 'in_doubt', 'payment:' || x.id, requested_amount, 0, 0, 'payment', x.id, NULL FROM day_scope s
		JOIN payments x ON x.account_id = s.account_id AND x.status = 'pending' AND x.in_doubt AND business_day(x.created_at) = s.date
		WHERE x.next_lookup_at IS NULL OR x.reason = 'suspicious'
	UNION ALL SELECT DISTINCT s.account_id, s.date, 'amount_mismatch', 'payment:' || x.id, x.requested_amount, 0, 0, 'payment', x.id, NULL::bigint FROM day_scope s
		JOIN callbacks c ON c.account_id = s.account_id AND c.verdict = 'amount_mismatch' AND c.received_at >= (s.date - 1)::timestamp AT TIME ZONE 'UTC'
			AND c.received_at < (s.date + 1)::timestamp AT TIME ZONE 'UTC' AND business_day(c.received_at) = s.date
		JOIN payments x ON x.id = c.payment_id
		WHERE NOT EXISTS (SELECT FROM lookups k WHERE k.object_id = x.id AND k.asked_at >= c.received_at AND k.outcome <> 'uncertain')
		AND NOT EXISTS (SELECT FROM matches m WHERE m.payment_id = x.id AND m.ended_at IS NULL)),
-- A payment that a line made succeed: kept, healed from the start.
healed AS (SELECT l.account_id, l.date, 'status_mismatch', l.subject, l.amount, 0, 0, l.type, l.item_id, l.id FROM l WHERE rank = 1 AND done AND type = 'payment' AND ours_at = account_id AND by_line)
INSERT INTO day_found SELECT *, false FROM found UNION ALL SELECT *, true FROM healed`

// ownerOf is the account whose bank transfer t is: one that tells of it and whose own bank account it is on; ownsNone: there is none.
const (
	ownerOf  = `coalesce((SELECT x.account_id FROM bank_transfer_sources x WHERE x.transfer_id = t.id AND x.owns ORDER BY x.recorded_at, x.account_id LIMIT 1), t.account_id)`
	ownsNone = `NOT EXISTS (SELECT FROM bank_transfer_sources x WHERE x.transfer_id = t.id AND x.owns)`
)

// nobodys: bank transfer t came in and pays nothing (a provider's payout and a slip's cash do), or left with the reference of a refund and is not the one that refund was paid by.
const nobodys = `(t.direction = 'in' AND NOT EXISTS (SELECT FROM payments p WHERE p.transfer_id = t.id)
		AND NOT EXISTS (SELECT FROM statement_transfers x JOIN statement_lines l ON l.id = x.line_id WHERE x.transfer_id = t.id
			AND (l.hint_account IS NOT NULL OR EXISTS (SELECT FROM bank_uses u WHERE u.line_id = l.id AND u.ended_at IS NULL)))
	OR t.direction = 'out' AND EXISTS (SELECT FROM refund_list_items i WHERE i.reference = t.reference)
		AND NOT EXISTS (SELECT FROM refunds f WHERE f.status = 'succeeded' AND f.provider_reference = t.reference AND f.amount = t.amount AND f.provider_transaction IN (t.bank_reference, t.id)))`

// namedOn is the day on which a bank transfer t that belongs to nobody is named: its own, or, where that was closed before it
// was heard of, the day it was heard on. Named once, it stays where it is.
const namedOn = `coalesce((SELECT min(n.date) FROM discrepancies n WHERE n.transfer_id = t.id), CASE WHEN EXISTS (SELECT FROM days c
	WHERE c.account_id = ` + ownerOf + ` AND c.date = business_day(t.at) AND c.status IN ('closed', 'signed')) THEN business_day(t.recorded_at) ELSE business_day(t.at) END)`

// nameDiscrepancies brings the days' lists to what was found: new ones are opened, changed ones updated, and what no longer
// differs is resolved with effect 0, the money of its claims and write-offs moved back. One that a person explained or wrote
// off stays resolved while its facts stay the same; when they change it is open again.
const nameDiscrepancies = `WITH upserted AS (
	INSERT INTO discrepancies AS d (id, account_id, date, kind, subject, amount, effect, bank_effect, payment_id, refund_id, transfer_id, bank_line_id, line_id, recorded_at)
	SELECT 'dis_' || replace(gen_random_uuid()::text, '-', ''), account_id, date, kind, subject, amount, effect, bank_effect,
		CASE type WHEN 'payment' THEN item_id END, CASE type WHEN 'refund' THEN item_id END, CASE type WHEN 'transfer' THEN item_id END, CASE type WHEN 'bank' THEN item_id::bigint END, line_id, $1 FROM day_found WHERE NOT healed
	ON CONFLICT (account_id, date, kind, subject) DO UPDATE SET amount = EXCLUDED.amount, effect = EXCLUDED.effect, bank_effect = EXCLUDED.bank_effect,
		payment_id = EXCLUDED.payment_id, refund_id = EXCLUDED.refund_id, line_id = EXCLUDED.line_id, healed = false,
		status = CASE WHEN d.status = 'resolved' AND ` + newFacts + ` THEN 'open' ELSE d.status END,
		resolved_at = CASE WHEN ` + newFacts + ` THEN NULL ELSE d.resolved_at END,
		action = CASE WHEN ` + newFacts + ` THEN NULL ELSE d.action END
		WHERE d.healed OR (d.amount, d.effect, d.bank_effect, d.payment_id, d.refund_id, d.line_id)
		IS DISTINCT FROM (EXCLUDED.amount, EXCLUDED.effect, EXCLUDED.bank_effect, EXCLUDED.payment_id, EXCLUDED.refund_id, EXCLUDED.line_id)
	RETURNING id, status, effect, action),
kept AS (
	INSERT INTO discrepancies (id, account_id, date, kind, subject, status, amount, effect, payment_id, line_id, recorded_at, resolved_at, healed)
	SELECT 'dis_' || replace(gen_random_uuid()::text, '-', ''), account_id, date, kind, subject, 'resolved', amount, 0, item_id, line_id, $1, $1, true FROM day_found WHERE healed
	ON CONFLICT (account_id, date, kind, subject) DO NOTHING RETURNING id, status, effect),
gone AS (
	UPDATE discrepancies d SET status = 'resolved', effect = 0, bank_effect = 0, resolved_at = $1, healed = true
	FROM day_scope s WHERE d.account_id = s.account_id AND d.date = s.date AND NOT d.healed
	AND NOT EXISTS (SELECT FROM day_found f WHERE NOT f.healed AND f.account_id = d.account_id AND f.date = d.date AND f.kind = d.kind AND f.subject = d.subject) RETURNING d.id, d.status, d.effect),
back AS (
	INSERT INTO moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
	SELECT 'resolution_undone', m.cause_id, m.leg, m.to_account, m.from_account, m.amount, m.account_id, $1, $1
	FROM (SELECT id FROM gone UNION ALL SELECT id FROM upserted WHERE action IS NULL) u JOIN resolutions r ON r.discrepancy_id = u.id AND r.status = 'done'
	JOIN moves m ON m.cause_type = 'resolution' AND m.cause_id = r.discrepancy_id || '/' || r.n ON CONFLICT DO NOTHING)
INSERT INTO discrepancy_history (discrepancy_id, status, effect, actor, recorded_at)
SELECT id, status, effect, 'matching', $1 FROM (SELECT id, status, effect FROM upserted UNION ALL SELECT * FROM kept UNION ALL SELECT * FROM gone) c`

// newFacts: what was decided about discrepancy d was decided about other facts.
const newFacts = `(d.healed OR (d.amount, d.effect, d.bank_effect) IS DISTINCT FROM (EXCLUDED.amount, EXCLUDED.effect, EXCLUDED.bank_effect))`

// name computes the loaded days' discrepancies from the rows as they stand and brings the list to that. The same rows give the
// same list, whatever order they came in.
func (r *Reconciler) name(ctx context.Context, tx *sqlx.Tx, now time.Time) error {
	if _, err := tx.ExecContext(ctx, fillFound, now); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, nameLate); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, postLate, now); err != nil {
		return err
	}
	if err := r.nameBank(ctx, tx, now); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `ANALYZE day_found`); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, nameDiscrepancies, now)
	return err
}
