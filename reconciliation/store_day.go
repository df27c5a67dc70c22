package reconciliation

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

// figures are what the days of the accounts $1 from $2 to $3 come to, one row a day on which anything happened; $4: the providers that payers transfer to. Everything that
// shows a day's figures asks this.
const figures = `WITH
	s AS (SELECT a.id AS account_id, d::date AS date, a.provider = ANY ($4) AS transfers FROM merchant_accounts a, generate_series($2::date, $3::date, interval '1 day') d WHERE a.id = ANY ($1)),
	items AS (` + statedItems + `),
	covered AS (` + statementsOf + `),
	cells AS (
		SELECT p.account_id, business_day(p.paid_at) AS date, count(*) AS n, sum(p.received_amount) AS ours, 0 AS lines, 0 AS settled, 0 AS fee, 0 AS net, 0 AS matches, 0 AS matched, 0 AS credits, 0 AS bank,
				0 AS effect, 0 AS bank_effect, 0 AS files, NULL AS kind
			FROM payments p WHERE p.account_id = ANY ($1) AND p.status = 'succeeded' AND business_day(p.paid_at) BETWEEN $2 AND $3 GROUP BY 1, 2
		UNION ALL SELECT f.account_id, business_day(f.effective_at), count(*), -sum(f.amount), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL
			FROM refunds f WHERE f.account_id = ANY ($1) AND f.status = 'succeeded' AND business_day(f.effective_at) BETWEEN $2 AND $3 GROUP BY 1, 2
		UNION ALL SELECT j.account_id, j.date, j.n, j.amount, j.lines, j.settled, 0, j.settled, 0, 0, CASE j.type WHEN 'payment' THEN j.lines ELSE 0 END, j.settled, 0, 0, 0, NULL FROM day_adjustments j WHERE j.account_id = ANY ($1) AND j.date BETWEEN $2 AND $3
		UNION ALL SELECT j.account_id, j.for_date, -j.n, -j.amount, -j.lines, -j.settled, 0, -j.settled, 0, 0, CASE j.type WHEN 'payment' THEN -j.lines ELSE 0 END, -j.settled, 0, 0, 0, NULL FROM day_adjustments j WHERE j.account_id = ANY ($1) AND j.for_date BETWEEN $2 AND $3
		UNION ALL SELECT l.account_id, l.date, 0, 0, count(*), sum(CASE l.type WHEN 'payment' THEN l.amount ELSE -l.amount END), sum(l.fee), sum(l.net), count(m.id), coalesce(sum(CASE l.type WHEN 'payment' THEN l.amount ELSE -l.amount END) FILTER (WHERE m.id IS NOT NULL), 0), 0, 0, 0, 0, 0, NULL
			FROM settlement_lines l LEFT JOIN matches m ON m.line_id = l.id AND m.ended_at IS NULL WHERE l.account_id = ANY ($1) AND l.superseded_at IS NULL AND l.success AND l.date BETWEEN $2 AND $3 GROUP BY 1, 2
		UNION ALL SELECT account_id, date, 0, 0, count(*), sum(settled), 0, sum(settled), count(*) FILTER (WHERE status = 'succeeded'), coalesce(sum(settled) FILTER (WHERE status = 'succeeded'), 0), count(*) FILTER (WHERE type = 'payment'), sum(settled), 0, 0, 0, NULL
			FROM (SELECT *, CASE type WHEN 'payment' THEN amount ELSE -amount END AS settled FROM items WHERE confirmed) i GROUP BY 1, 2
		UNION ALL SELECT p.account_id, p.counts_on, 0, 0, 0, 0, 0, 0, 0, 0, count(*), sum(p.amount), 0, 0, 0, NULL
			FROM payout_days p WHERE p.account_id = ANY ($1) AND p.ended_at IS NULL AND p.counts_on BETWEEN $2 AND $3 GROUP BY 1, 2
		UNION ALL SELECT v.account_id, v.date, 0, 0, 0, 0, 0, 0, 0, 0, 0, sum(v.amount), 0, 0, 0, NULL
			FROM bank_reversals v WHERE v.account_id = ANY ($1) AND v.date BETWEEN $2 AND $3 GROUP BY 1, 2
		UNION ALL SELECT n.account_id, n.date, 0, 0, 0, 0, 0, 0, 0, 0, count(*), sum(n.amount), 0, 0, 0, NULL
			FROM nobodys_credits n WHERE n.account_id = ANY ($1) AND n.date BETWEEN $2 AND $3 AND (n.booked_on BETWEEN $2::date - 3 AND $3::date + 62 OR business_day(n.recorded_at) BETWEEN $2 AND $3
				OR n.line_id IN (SELECT u.line_id FROM bank_uses u WHERE business_day(u.ended_at) BETWEEN $2 AND $3)) GROUP BY 1, 2
		UNION ALL SELECT d.account_id, d.date, 0, 0, 0, 0, 0, 0, 0, 0, count(*), -sum(d.bank_effect), 0, 0, 0, NULL
			FROM discrepancies d JOIN days y USING (account_id, date) WHERE d.account_id = ANY ($1) AND d.date BETWEEN $2 AND $3 AND y.status IN ('closed', 'signed') AND d.kind = 'bank_unmatched' AND NOT d.healed AND d.bank_effect <> 0 GROUP BY 1, 2
		UNION ALL SELECT d.account_id, d.date, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, sum(d.effect), sum(d.bank_effect), 0, NULL
			FROM discrepancies d WHERE d.account_id = ANY ($1) AND d.date BETWEEN $2 AND $3 GROUP BY 1, 2
		UNION ALL SELECT d.account_id, d.date, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, d.kind
			FROM discrepancies d WHERE d.account_id = ANY ($1) AND d.status <> 'resolved' AND d.date BETWEEN $2 AND $3
		UNION ALL SELECT i.account_id, i.date, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, count(*), NULL
			FROM imports i WHERE i.account_id = ANY ($1) AND i.status = 'visible' AND i.superseded_at IS NULL AND i.date BETWEEN $2 AND $3 GROUP BY 1, 2
		UNION ALL SELECT c.account_id, c.date, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, count(*), NULL
			FROM covered c JOIN s USING (account_id, date) WHERE s.transfers AND EXISTS (SELECT FROM payments p WHERE p.account_id = c.account_id AND business_day(p.paid_at) = c.date AND p.status IN ('succeeded', 'reversed')) GROUP BY 1, 2
		UNION ALL SELECT y.account_id, y.date, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL FROM days y WHERE y.account_id = ANY ($1) AND y.date BETWEEN $2 AND $3)
	SELECT x.account_id, x.date::text, coalesce(y.status, 'open'), sum(n)::bigint, sum(ours)::bigint, sum(lines)::bigint, sum(settled)::bigint, sum(fee)::bigint, sum(net)::bigint, sum(matches)::bigint, sum(matched)::bigint,
		sum(credits)::bigint, sum(bank)::bigint, sum(effect)::bigint, sum(bank_effect)::bigint, sum(files)::bigint, coalesce(json_agg(kind) FILTER (WHERE kind IS NOT NULL), '[]')
	FROM cells x JOIN merchant_accounts a ON a.id = x.account_id LEFT JOIN days y ON y.account_id = x.account_id AND y.date = x.date
	GROUP BY x.account_id, x.date, y.status, a.position ORDER BY x.date DESC, a.position, x.account_id`

// figuresOf reads the days of some accounts.
func (r *Reconciler) figuresOf(ctx context.Context, x sqlx.QueryerContext, accounts []string, from, to string) ([]Day, error) {
	rows, err := x.QueryxContext(ctx, figures, pq.Array(accounts), from, to, r.transferProviders())
	if err != nil {
		return nil, fmt.Errorf("reading the days from %s to %s: %w", from, to, err)
	}
	defer rows.Close()
	out := []Day{}
	for rows.Next() {
		d := Day{Discrepancies: map[string]int{}, active: true}
		var kinds []byte
		if err := rows.Scan(&d.AccountID, &d.Date, &d.Status, &d.Payments.Count, &d.Payments.Amount, &d.Settled.Count, &d.Settled.Amount, &d.Settled.Fee, &d.Settled.Net,
			&d.Matched.Count, &d.Matched.Amount, &d.Bank.Count, &d.Bank.Amount, &d.Explained, &d.BankSide.Explained, &d.Files, &kinds); err != nil {
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
		d.BankSide.Difference = d.Settled.Net - d.Bank.Amount
		d.BankSide.Unexplained = d.BankSide.Difference - d.BankSide.Explained
		out = append(out, d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the days from %s to %s: %w", from, to, err)
	}
	return out, r.showAdjustments(ctx, x, accounts, from, to, out)
}

// liveDay adds up an account's day from its rows.
func (r *Reconciler) liveDay(ctx context.Context, x sqlx.QueryerContext, accountID, date string) (*Day, error) {
	days, err := r.figuresOf(ctx, x, []string{accountID}, date, date)
	if err != nil {
		return nil, err
	}
	if len(days) == 0 {
		return &Day{AccountID: accountID, Date: date, Status: "open", Discrepancies: map[string]int{}}, nil
	}
	return &days[0], nil
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
			FROM moves m LEFT JOIN merchant_accounts a ON a.id = m.account_id
			CROSS JOIN LATERAL (VALUES (m.from_account, -m.amount::bigint), (m.to_account, m.amount::bigint)) AS side (name, amount)
			WHERE m.recorded_at <= $1 AND (cardinality($2::text[]) = 0 OR a.agency_code = ANY ($2) OR m.account_id IS NULL AND (split_part(m.to_account, ':', 2) = ANY ($2) OR split_part(m.from_account, ':', 2) = ANY ($2)))) s
		GROUP BY account ORDER BY account`, at, append(pq.StringArray{}, c.Agencies...))
	if err != nil {
		return nil, fmt.Errorf("adding up the moves: %w", err)
	}
	return out, nil
}
