package reconciliation

import (
	"context"
	"encoding/json"
	"fmt"

	"feegate/gateway"
)

// period reads the figures of [Reconciler.Day] for many days at once.
func (r *Reconciler) period(ctx context.Context, c gateway.Caller, from, to string) ([]Day, error) {
	rows, err := r.db.QueryContext(ctx, `WITH
		a AS MATERIALIZED (SELECT id, position FROM merchant_accounts a WHERE `+seen(1)+`),
		cells AS (
			SELECT p.account_id, business_day(p.paid_at) AS date, count(*) AS n, sum(p.received_amount) AS ours, 0 AS lines, 0 AS settled, 0 AS fee, 0 AS net, 0 AS effect, 0 AS files, NULL AS kind
				FROM payments p JOIN a ON a.id = p.account_id WHERE p.status = 'succeeded' AND business_day(p.paid_at) BETWEEN $2 AND $3 GROUP BY 1, 2
			UNION ALL SELECT f.account_id, business_day(f.effective_at), count(*), -sum(f.amount), 0, 0, 0, 0, 0, 0, NULL
				FROM refunds f JOIN a ON a.id = f.account_id WHERE f.status = 'succeeded' AND business_day(f.effective_at) BETWEEN $2 AND $3 GROUP BY 1, 2
			UNION ALL SELECT l.account_id, l.date, 0, 0, count(*), sum(CASE l.type WHEN 'payment' THEN l.amount ELSE -l.amount END), sum(l.fee), sum(l.net), 0, 0, NULL
				FROM settlement_lines l JOIN a ON a.id = l.account_id WHERE l.superseded_at IS NULL AND l.success AND l.date BETWEEN $2 AND $3 GROUP BY 1, 2
			UNION ALL SELECT d.account_id, d.date, 0, 0, 0, 0, 0, 0, sum(d.effect), 0, NULL
				FROM discrepancies d JOIN a ON a.id = d.account_id WHERE d.date BETWEEN $2 AND $3 GROUP BY 1, 2
			UNION ALL SELECT d.account_id, d.date, 0, 0, 0, 0, 0, 0, 0, 0, d.kind
				FROM discrepancies d JOIN a ON a.id = d.account_id WHERE d.status <> 'resolved' AND d.date BETWEEN $2 AND $3
			UNION ALL SELECT i.account_id, i.date, 0, 0, 0, 0, 0, 0, 0, count(*), NULL
				FROM imports i JOIN a ON a.id = i.account_id WHERE i.status = 'visible' AND i.superseded_at IS NULL AND i.date BETWEEN $2 AND $3 GROUP BY 1, 2)
		SELECT x.account_id, x.date::text, coalesce(s.status, 'open'), sum(n)::bigint, sum(ours)::bigint, sum(lines)::bigint, sum(settled)::bigint, sum(fee)::bigint, sum(net)::bigint,
			sum(effect)::bigint, sum(files)::bigint, coalesce(json_agg(kind) FILTER (WHERE kind IS NOT NULL), '[]')
		FROM cells x JOIN a ON a.id = x.account_id LEFT JOIN days s ON s.account_id = x.account_id AND s.date = x.date
		GROUP BY x.account_id, x.date, s.status, a.position ORDER BY x.date DESC, a.position, x.account_id`, agencies(c), from, to)
	if err != nil {
		return nil, fmt.Errorf("reading the days from %s to %s: %w", from, to, err)
	}
	defer rows.Close()
	out := []Day{}
	for rows.Next() {
		d := Day{Discrepancies: map[string]int{}, active: true}
		var kinds []byte
		if err := rows.Scan(&d.AccountID, &d.Date, &d.Status, &d.Payments.Count, &d.Payments.Amount, &d.Settled.Count, &d.Settled.Amount, &d.Settled.Fee, &d.Settled.Net,
			&d.Explained, &d.Files, &kinds); err != nil {
			return nil, fmt.Errorf("reading the days from %s to %s: %w", from, to, err)
		}
		var each []string
		if err := json.Unmarshal(kinds, &each); err != nil {
			return nil, fmt.Errorf("reading the days from %s to %s: %w", from, to, err)
		}
		for _, k := range each {
			d.Discrepancies[k]++
		}
		d.Difference = d.Payments.Amount - d.Settled.Amount
		d.Unexplained = d.Difference - d.Explained
		out = append(out, d)
	}
	return out, rows.Err()
}

// OpenKinds counts the open discrepancies that the caller may see, by kind, the oldest first.
func (r *Reconciler) OpenKinds(ctx context.Context, c gateway.Caller) ([]Open, error) {
	out := []Open{}
	err := r.db.SelectContext(ctx, &out, `SELECT d.kind, count(*) AS count, sum(abs(d.amount))::bigint AS amount, min(d.date)::text AS oldest
		FROM discrepancies d JOIN merchant_accounts a ON a.id = d.account_id WHERE d.status <> 'resolved' AND `+seen(1)+` GROUP BY d.kind ORDER BY min(d.date), d.kind`, agencies(c))
	if err != nil {
		return nil, fmt.Errorf("counting open discrepancies: %w", err)
	}
	return out, nil
}

// Proposals lists the resolutions that wait for another person, the oldest first.
func (r *Reconciler) Proposals(ctx context.Context, c gateway.Caller, limit int) ([]Proposal, error) {
	out := []Proposal{}
	err := r.db.SelectContext(ctx, &out, `SELECT d.id AS discrepancy, x.n, d.account_id, d.date::text AS date, d.kind, d.amount, x.action, x.note, x.proposed_by, x.proposed_at
		FROM resolutions x JOIN discrepancies d ON d.id = x.discrepancy_id JOIN merchant_accounts a ON a.id = d.account_id
		WHERE x.status = 'proposed' AND `+seen(1)+` ORDER BY x.proposed_at, d.id LIMIT $2`, agencies(c), limit)
	if err != nil {
		return nil, fmt.Errorf("listing proposals: %w", err)
	}
	return out, nil
}

// AccountIDs lists the accounts that the caller may work on, in the province's order.
func (r *Reconciler) AccountIDs(ctx context.Context, c gateway.Caller) ([]string, error) {
	return r.accountsOf(ctx, c, "")
}
