package reconciliation

import (
	"context"
	"fmt"
	"time"

	"github.com/lib/pq"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

// Day gives the figures of an account's day.
func (r *Reconciler) Day(ctx context.Context, accountID, date string) (*Day, error) {
	d := &Day{AccountID: accountID, Date: date, Discrepancies: map[string]int{}}
	err := r.db.QueryRowContext(ctx, `
		WITH p AS (SELECT count(*) AS n, coalesce(sum(received_amount), 0) AS amount FROM payments WHERE account_id = $1 AND status = 'succeeded' AND business_day(paid_at) = $2),
		f AS (SELECT count(*) AS n, coalesce(sum(amount), 0) AS amount FROM refunds WHERE account_id = $1 AND status = 'succeeded' AND business_day(effective_at) = $2),
		l AS (SELECT count(*) AS n, coalesce(sum(CASE type WHEN 'payment' THEN amount ELSE -amount END), 0) AS amount, coalesce(sum(fee), 0) AS fee, coalesce(sum(net), 0) AS net
			FROM settlement_lines WHERE account_id = $1 AND date = $2 AND superseded_at IS NULL AND success),
		m AS (SELECT count(*) AS n, coalesce(sum(CASE s.type WHEN 'payment' THEN s.amount ELSE -s.amount END), 0) AS amount
			FROM settlement_lines s JOIN matches m ON m.line_id = s.id AND m.ended_at IS NULL WHERE s.account_id = $1 AND s.date = $2 AND s.superseded_at IS NULL),
		e AS (SELECT coalesce(sum(effect), 0) AS effect, coalesce(sum(bank_effect), 0) AS bank FROM discrepancies WHERE account_id = $1 AND date = $2),
		s AS (SELECT (SELECT status FROM days WHERE account_id = $1 AND date = $2) AS status)
		SELECT coalesce(s.status, 'open'), p.n + f.n, p.amount - f.amount, l.n, l.amount, l.fee, l.net, m.n, m.amount, e.effect, e.bank,
			s.status IS NOT NULL OR p.n + f.n + l.n > 0 FROM p, f, l, m, e, s`, accountID, date).
		Scan(&d.Status, &d.Payments.Count, &d.Payments.Amount, &d.Settled.Count, &d.Settled.Amount, &d.Settled.Fee,
			&d.Settled.Net, &d.Matched.Count, &d.Matched.Amount, &d.Explained, &d.BankSide.Explained, &d.active)
	if err != nil {
		return nil, fmt.Errorf("reading the day %s of %s: %w", date, accountID, err)
	}
	d.Difference = d.Payments.Amount - d.Settled.Amount
	d.Unexplained = d.Difference - d.Explained
	d.BankSide.Difference = d.Settled.Net - d.Bank.Amount
	d.BankSide.Unexplained = d.BankSide.Difference - d.BankSide.Explained
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

// Balance is what an account of the records holds.
type Balance struct {
	Account string     `json:"account" db:"account"`
	Balance vnd.Signed `json:"balance" db:"balance"`
}

// Balances sums the moves recorded up to a time, over the accounts that the caller may see; they add up to 0. The surplus of
// single payments is shown together for each merchant account.
func (r *Reconciler) Balances(ctx context.Context, c gateway.Caller, at time.Time) ([]Balance, error) {
	out := []Balance{}
	if !c.Person {
		return out, nil
	}
	err := r.db.SelectContext(ctx, &out, `SELECT account, sum(amount)::bigint AS balance FROM (
			SELECT CASE WHEN side.name LIKE 'surplus:%' THEN 'surplus:' || m.account_id ELSE side.name END AS account, side.amount
			FROM moves m JOIN merchant_accounts a ON a.id = m.account_id
			CROSS JOIN LATERAL (VALUES (m.from_account, -m.amount::bigint), (m.to_account, m.amount::bigint)) AS side (name, amount)
			WHERE m.recorded_at <= $1 AND (cardinality($2::text[]) = 0 OR a.agency_code = ANY ($2))) s
		GROUP BY account ORDER BY account`, at, append(pq.StringArray{}, c.Agencies...))
	if err != nil {
		return nil, fmt.Errorf("adding up the moves: %w", err)
	}
	return out, nil
}
