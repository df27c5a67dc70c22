package reconciliation

import (
	"context"
	"fmt"

	"feegate/gateway/vnd"
)

// The kinds that need no bank statement, as sets of rows: subject, the money it is about, and what it explains of
// ours − settled (domain notes §6.2). $1 account, $2 day, $3 now, $4 references healed by a settlement line just now.
const nameDiscrepancies = `
WITH tariff AS (SELECT (tariff->>'bps')::numeric AS bps, (tariff->>'fixed')::numeric AS fixed, (tariff->>'min')::numeric AS lo, (tariff->>'max')::numeric AS hi
	FROM merchant_accounts WHERE id = $1),
filed AS (SELECT EXISTS (SELECT FROM imports WHERE account_id = $1 AND date = $2 AND status = 'visible') AS yes),
lines AS (SELECT l.*, m.payment_id AS matched, p.paid_at AS paid_at, b.id AS beside, b.received_amount AS ours, b.status AS beside_status
	FROM settlement_lines l
	LEFT JOIN matches m ON m.line_id = l.id AND m.ended_at IS NULL
	LEFT JOIN payments p ON p.id = m.payment_id
	LEFT JOIN payments b ON b.account_id = l.account_id AND b.provider_reference = l.reference
	WHERE l.account_id = $1 AND l.date = $2 AND l.superseded_at IS NULL AND l.success),
pays AS (SELECT p.*, m.line_id, l.date AS line_date FROM payments p
	LEFT JOIN matches m ON m.payment_id = p.id AND m.ended_at IS NULL
	LEFT JOIN settlement_lines l ON l.id = m.line_id
	WHERE p.account_id = $1 AND p.status = 'succeeded' AND business_day(p.paid_at) = $2),
found AS (
	SELECT 'duplicate_line' AS kind, 'line:' || id AS subject, amount::bigint AS amount,
		(CASE type WHEN 'payment' THEN -amount ELSE amount END)::bigint AS effect, net::bigint AS bank_effect, beside AS payment_id, id AS line_id
		FROM lines WHERE occurrence > 1
	UNION ALL SELECT 'missing_at_gateway', 'line:' || id, amount, -amount, 0, NULL, id FROM lines
		WHERE type = 'payment' AND occurrence = 1 AND matched IS NULL AND beside IS NULL
	UNION ALL SELECT 'status_mismatch', 'line:' || id, amount, -amount, 0, beside, id FROM lines
		WHERE type = 'payment' AND occurrence = 1 AND matched IS NULL AND beside_status <> 'succeeded'
	UNION ALL SELECT 'amount_mismatch', 'line:' || l.id, l.amount, coalesce(p.received_amount, 0) - l.amount, 0, l.beside, l.id FROM lines l
		LEFT JOIN pays p ON p.id = l.beside WHERE l.type = 'payment' AND l.occurrence = 1 AND l.matched IS NULL AND l.beside_status = 'succeeded'
	UNION ALL SELECT 'refund_unmatched', 'line:' || id, amount, amount, 0, beside, id FROM lines
		WHERE type = 'refund' AND occurrence = 1 AND NOT EXISTS (SELECT FROM matches m WHERE m.line_id = lines.id AND m.ended_at IS NULL)
	UNION ALL SELECT 'late', 'line:' || id, amount, -amount, 0, matched, id FROM lines WHERE matched IS NOT NULL AND business_day(paid_at) <> $2
	UNION ALL SELECT 'late', 'payment:' || id, received_amount, received_amount, 0, id, line_id FROM pays WHERE line_date <> $2
	UNION ALL SELECT 'fee_mismatch', 'line:' || id, fee, 0, 0, matched, id FROM lines, tariff
		WHERE type = 'payment' AND occurrence = 1 AND matched IS NOT NULL
		AND fee <> least(greatest(floor(amount * bps / 10000 + 0.5) + fixed, lo), CASE WHEN hi > 0 THEN hi ELSE 1e12 END)
	UNION ALL SELECT 'missing_at_provider', 'payment:' || p.id, received_amount, received_amount, 0, p.id, NULL FROM pays p, filed
		WHERE filed.yes AND line_id IS NULL AND NOT EXISTS (SELECT FROM lines l WHERE l.beside = p.id AND l.occurrence = 1 AND l.type = 'payment')
	UNION ALL SELECT 'surplus', 'payment:' || id, received_amount - allocated_amount, 0, 0, id, NULL FROM pays WHERE received_amount > allocated_amount
	UNION ALL SELECT 'in_doubt', 'payment:' || id, requested_amount, 0, 0, id, NULL FROM payments
		WHERE account_id = $1 AND status = 'pending' AND in_doubt AND next_lookup_at IS NULL AND business_day(created_at) = $2),
healed AS (SELECT 'status_mismatch' AS kind, 'line:' || id AS subject, amount, matched, id FROM lines WHERE reference = ANY ($4) AND matched IS NOT NULL),
upserted AS (
	INSERT INTO discrepancies (id, account_id, date, kind, subject, amount, effect, bank_effect, payment_id, line_id, recorded_at)
	SELECT 'dis_' || replace(gen_random_uuid()::text, '-', ''), $1, $2, kind, subject, amount, effect, bank_effect, payment_id, line_id, $3 FROM found
	ON CONFLICT (account_id, date, kind, subject) DO UPDATE SET amount = EXCLUDED.amount, effect = EXCLUDED.effect, bank_effect = EXCLUDED.bank_effect,
		status = CASE WHEN discrepancies.status = 'resolved' AND discrepancies.action IS NULL THEN 'open' ELSE discrepancies.status END,
		resolved_at = CASE WHEN discrepancies.status = 'resolved' AND discrepancies.action IS NULL THEN NULL ELSE discrepancies.resolved_at END
		WHERE (discrepancies.amount, discrepancies.effect, discrepancies.bank_effect) IS DISTINCT FROM (EXCLUDED.amount, EXCLUDED.effect, EXCLUDED.bank_effect)
		OR (discrepancies.status = 'resolved' AND discrepancies.action IS NULL)
	RETURNING id, status, effect),
kept AS (
	INSERT INTO discrepancies (id, account_id, date, kind, subject, status, amount, effect, payment_id, line_id, recorded_at, resolved_at)
	SELECT 'dis_' || replace(gen_random_uuid()::text, '-', ''), $1, $2, kind, subject, 'resolved', amount, 0, matched, id, $3, $3 FROM healed
	ON CONFLICT (account_id, date, kind, subject) DO NOTHING RETURNING id, status, effect),
gone AS (
	UPDATE discrepancies d SET status = 'resolved', effect = 0, bank_effect = 0, resolved_at = $3
	WHERE d.account_id = $1 AND d.date = $2 AND d.status <> 'resolved'
	AND d.kind IN ('duplicate_line','missing_at_gateway','status_mismatch','amount_mismatch','refund_unmatched','late','fee_mismatch','missing_at_provider','surplus','in_doubt')
	AND NOT EXISTS (SELECT FROM found f WHERE f.kind = d.kind AND f.subject = d.subject) RETURNING id, status, effect)
INSERT INTO discrepancy_history (discrepancy_id, status, effect, actor, recorded_at)
SELECT id, status, effect, 'matching', $3 FROM (SELECT * FROM upserted UNION ALL SELECT * FROM kept UNION ALL SELECT * FROM gone) c`

// Day is what a day of an account comes to. Difference = ours − settled, gross; what the named discrepancies do not explain of it
// is unexplained.
type Day struct {
	AccountID     string         `json:"account_id"`
	Date          string         `json:"date"`
	Status        string         `json:"status"`
	Payments      CountAmount    `json:"payments"`
	Settled       Settled        `json:"settled"`
	Matched       CountAmount    `json:"matched"`
	Difference    vnd.Signed     `json:"difference"`
	Explained     vnd.Signed     `json:"explained_difference"`
	Unexplained   vnd.Signed     `json:"unexplained_difference"`
	Discrepancies map[string]int `json:"discrepancies"` // the open ones
}

// CountAmount is a number of rows and what they come to.
type CountAmount struct {
	Count  int64      `json:"count"`
	Amount vnd.Signed `json:"amount"`
}

// Settled is what the provider's file says.
type Settled struct {
	Count  int64      `json:"count"`
	Amount vnd.Signed `json:"amount"`
	Fee    vnd.Amount `json:"fee"`
	Net    vnd.Signed `json:"net"`
}

// Day gives the figures of an account's day.
func (r *Reconciler) Day(ctx context.Context, accountID, date string) (*Day, error) {
	d := &Day{AccountID: accountID, Date: date, Discrepancies: map[string]int{}}
	err := r.db.QueryRowContext(ctx, `
		WITH p AS (SELECT count(*) AS n, coalesce(sum(received_amount), 0) AS amount FROM payments WHERE account_id = $1 AND status = 'succeeded' AND business_day(paid_at) = $2),
		f AS (SELECT count(*) AS n, coalesce(sum(amount), 0) AS amount FROM refunds WHERE account_id = $1 AND status = 'succeeded' AND business_day(effective_at) = $2),
		l AS (SELECT count(*) AS n, coalesce(sum(CASE type WHEN 'payment' THEN amount ELSE -amount END), 0) AS amount, coalesce(sum(fee), 0) AS fee, coalesce(sum(net), 0) AS net
			FROM settlement_lines WHERE account_id = $1 AND date = $2 AND superseded_at IS NULL AND success),
		m AS (SELECT count(*) AS n, coalesce(sum(CASE s.type WHEN 'payment' THEN s.amount ELSE -s.amount END), 0) AS amount
			FROM settlement_lines s JOIN matches m ON m.line_id = s.id AND m.ended_at IS NULL WHERE s.account_id = $1 AND s.date = $2),
		e AS (SELECT coalesce(sum(effect), 0) AS effect FROM discrepancies WHERE account_id = $1 AND date = $2)
		SELECT coalesce((SELECT status FROM days WHERE account_id = $1 AND date = $2), 'open'), p.n, p.amount - f.amount, l.n, l.amount, l.fee, l.net, m.n, m.amount, e.effect
		FROM p, f, l, m, e`, accountID, date).Scan(&d.Status, &d.Payments.Count, &d.Payments.Amount, &d.Settled.Count, &d.Settled.Amount, &d.Settled.Fee,
		&d.Settled.Net, &d.Matched.Count, &d.Matched.Amount, &d.Explained)
	if err != nil {
		return nil, fmt.Errorf("reading the day %s of %s: %w", date, accountID, err)
	}
	d.Difference = d.Payments.Amount - d.Settled.Amount
	d.Unexplained = d.Difference - d.Explained
	rows, err := r.db.QueryContext(ctx, `SELECT kind, count(*) FROM discrepancies WHERE account_id = $1 AND date = $2 AND status <> 'resolved' GROUP BY kind`, accountID, date)
	if err != nil {
		return nil, fmt.Errorf("reading the discrepancies: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var kind string
		var n int
		if err := rows.Scan(&kind, &n); err != nil {
			return nil, fmt.Errorf("reading the discrepancies: %w", err)
		}
		d.Discrepancies[kind] = n
	}
	return d, rows.Err()
}
