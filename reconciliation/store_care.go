package reconciliation

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lib/pq"

	"feegate/gateway"
)

// Care is what became of an account's day besides its sums: what was named, what of it is resolved and what is overdue, and how long its money took to
// the beneficiary's account.
type Care struct {
	AccountID string
	Date      string
	Named     int64
	ByKind    map[string]int64
	Resolved  int64
	Overdue   int64
	PaidOut   int64  // đồng
	Hours     *int64 // from the end of the day to the end of the day of its last credit, by the bank's dates; nil: nothing came
}

// Cares gives them for the accounts that the caller may see, day by day; days of which there is nothing to say are left out.
func (r *Reconciler) Cares(ctx context.Context, c gateway.Caller, from, to string) ([]Care, error) {
	accounts, err := r.AccountIDs(ctx, c)
	if err != nil {
		return nil, err
	}
	rows, err := r.db.QueryContext(ctx, `WITH named AS (SELECT account_id, date, kind, count(*) AS n, count(*) FILTER (WHERE status = 'resolved') AS resolved, count(*) FILTER (WHERE status <> 'resolved' AND deadline < $4::date) AS overdue
			FROM discrepancies WHERE account_id = ANY ($1) AND date BETWEEN $2 AND $3 GROUP BY 1, 2, 3),
		came AS (SELECT d.account_id, d.date, sum(DISTINCT d.amount::bigint)::bigint AS amount, max(l.booked_on) AS last FROM payout_days d JOIN bank_uses u ON u.payout_id = d.payout_id AND u.ended_at IS NULL JOIN statement_lines l ON l.id = u.line_id
			WHERE d.account_id = ANY ($1) AND d.date BETWEEN $2 AND $3 AND d.ended_at IS NULL GROUP BY 1, 2)
		SELECT account_id, date::text, coalesce(sum(n), 0)::bigint, coalesce(sum(resolved), 0)::bigint, coalesce(sum(overdue), 0)::bigint, json_object_agg(kind, n) FILTER (WHERE kind IS NOT NULL), max(came.amount), max(24 * (came.last - date - 1) + 24)
		FROM named FULL JOIN came USING (account_id, date) GROUP BY 1, date ORDER BY date, account_id`, pq.Array(accounts), from, to, r.now().In(vietnam).Format(time.DateOnly))
	if err != nil {
		return nil, fmt.Errorf("reading what became of days: %w", err)
	}
	defer rows.Close()
	out := []Care{}
	for rows.Next() {
		var one Care
		var kinds []byte
		var paid *int64
		if err := rows.Scan(&one.AccountID, &one.Date, &one.Named, &one.Resolved, &one.Overdue, &kinds, &paid, &one.Hours); err != nil {
			return nil, fmt.Errorf("reading what became of days: %w", err)
		}
		if kinds != nil {
			if err := json.Unmarshal(kinds, &one.ByKind); err != nil {
				return nil, fmt.Errorf("reading what became of days: %w", err)
			}
		}
		if paid != nil {
			one.PaidOut = *paid
		}
		out = append(out, one)
	}
	return out, rows.Err()
}
