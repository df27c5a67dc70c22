package reconciliation

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

// What a closed day's payments and refunds come to now, less what its closing counted and less what was adjusted before, lands on the first
// day after it that is open. Of a day that was opened again nothing is to be adjusted: what was goes back. The sum over all days is always
// the sum over all payments. What may differ is little, and found without looking at the rest: what was recorded on a later business day
// than its own, what was taken back after the closing, and what was adjusted before. $1 accounts, $2 now.
const adjustLate = `WITH closed AS (SELECT account_id, date, version, closed_at FROM days WHERE account_id = ANY ($1) AND status IN ('closed', 'signed')),
	late AS (
		SELECT p.id, 'payment' AS type, c.account_id, c.date FROM closed c JOIN payments p ON p.account_id = c.account_id AND business_day(p.paid_at) = c.date
			WHERE p.status IN ('succeeded', 'reversed') AND heard_on(p.recorded_at) > business_day(p.paid_at) AND p.recorded_at > c.closed_at - interval '15 minutes'
		UNION SELECT f.id, 'refund', c.account_id, c.date FROM closed c JOIN refunds f ON f.account_id = c.account_id AND business_day(f.effective_at) = c.date
			WHERE f.status = 'succeeded' AND heard_on(f.recorded_at) > business_day(f.effective_at) AND f.recorded_at > c.closed_at - interval '15 minutes'
		UNION SELECT p.id, 'payment', c.account_id, c.date FROM reversals v JOIN payments p ON p.id = v.payment_id JOIN closed c ON c.account_id = p.account_id AND c.date = business_day(p.paid_at)
			WHERE v.recorded_at > c.closed_at - interval '15 minutes'
		UNION SELECT z.item_id, CASE WHEN p.id IS NULL THEN 'refund' ELSE 'payment' END, c.account_id, c.date FROM closed c JOIN day_frozen z ON z.account_id = c.account_id AND z.date = c.date AND z.n = c.version
			LEFT JOIN payments p ON p.id = z.item_id WHERE z.awaited
		UNION SELECT item_id, type, account_id, for_date FROM day_adjustments WHERE account_id = ANY ($1)),
	sums AS (
		SELECT l.*, c.date IS NOT NULL AS shut, coalesce(CASE WHEN p.status = 'succeeded' THEN p.received_amount::bigint END, CASE WHEN f.status = 'succeeded' THEN -f.amount::bigint END, 0) AS is_now,
			CASE WHEN p.by_transfer AND ` + paymentStated + ` THEN p.received_amount::bigint WHEN f.manual AND ` + refundStated + ` THEN -f.amount::bigint ELSE 0 END AS stated_now,
			coalesce(z.amount, 0)::bigint AS counted, coalesce(z.stated, 0)::bigint AS stated, coalesce(a.amount, 0)::bigint AS moved, coalesce(a.n, 0)::int AS moved_n, coalesce(a.settled, 0)::bigint AS moved_stated, coalesce(a.lines, 0)::int AS moved_lines
		FROM late l LEFT JOIN closed c USING (account_id, date) LEFT JOIN payments p ON p.id = l.id AND l.type = 'payment' LEFT JOIN refunds f ON f.id = l.id AND l.type = 'refund'
		LEFT JOIN day_frozen z ON z.item_id = l.id AND z.date = c.date AND z.n = c.version
		LEFT JOIN LATERAL (SELECT sum(amount) AS amount, sum(n) AS n, sum(settled) AS settled, sum(lines) AS lines FROM day_adjustments a WHERE a.item_id = l.id AND a.for_date = l.date) a ON true),
	due AS (SELECT *, CASE WHEN shut THEN is_now - counted ELSE 0 END - moved AS amount, CASE WHEN shut THEN (is_now <> 0)::int - (counted <> 0)::int ELSE 0 END - moved_n AS n,
		CASE WHEN shut THEN stated_now - stated ELSE 0 END - moved_stated AS settled, CASE WHEN shut THEN (stated_now <> 0)::int - (stated <> 0)::int ELSE 0 END - moved_lines AS lines FROM sums)
	INSERT INTO day_adjustments (account_id, date, for_date, kind, item_id, type, n, amount, settled, lines, recorded_at)
	SELECT account_id, (SELECT d.date + g FROM generate_series(1, 4000) g WHERE NOT EXISTS (SELECT FROM closed c WHERE c.account_id = d.account_id AND c.date = d.date + g) ORDER BY g LIMIT 1), date,
		CASE WHEN NOT shut THEN 'reopened' WHEN amount = 0 THEN 'late_line' WHEN type = 'refund' THEN 'late_refund' WHEN amount > 0 THEN 'late_payment' ELSE 'reversal' END, id, type, n, amount, settled, lines, $2
	FROM due d WHERE amount <> 0 OR settled <> 0 ORDER BY account_id, date, id RETURNING account_id, date::text AS date`

// adjust writes what is due on the days given and all others of their accounts, and gives the days with what landed on any besides.
func adjust(ctx context.Context, tx *sqlx.Tx, asked []accountDay, now time.Time) ([]accountDay, error) {
	ids, _ := columns(asked)
	var landed []accountDay
	if err := tx.SelectContext(ctx, &landed, adjustLate, pq.StringArray(ids), now); err != nil {
		return nil, fmt.Errorf("adjusting for closed days: %w", err)
	}
	seen := map[accountDay]bool{}
	var out []accountDay
	for _, d := range append(append([]accountDay{}, asked...), landed...) {
		if !seen[d] {
			seen[d] = true
			out = append(out, d)
		}
	}
	return out, nil
}

// atHome gives what moved out of its closed day the day that counts it, so that it is matched and named there.
const atHome = `UPDATE day_items i SET day = h.date FROM (
		SELECT DISTINCT ON (a.item_id) a.item_id, a.date FROM day_items x JOIN day_adjustments a ON a.item_id = x.id AND a.n = 1
		JOIN days d ON d.account_id = a.account_id AND d.date = a.for_date AND d.status IN ('closed', 'signed')
		WHERE NOT EXISTS (SELECT FROM day_frozen z WHERE z.item_id = a.item_id AND z.date = d.date AND z.n = d.version)
		ORDER BY a.item_id, a.id DESC) h
	WHERE h.item_id = i.id`

// meetFrozen pairs what was heard of late with the line that stood alone when its day was closed. The closing's own count of matches is of
// the time before.
const meetFrozen = `INSERT INTO matches (payment_id, refund_id, line_id, account_id, rule, recorded_at)
	SELECT CASE i.type WHEN 'payment' THEN i.id END, CASE i.type WHEN 'refund' THEN i.id END, t.line_id, i.account_id, t.rule, greatest($1::timestamptz, d.closed_at + interval '1 microsecond')
	FROM day_ties t JOIN day_items i ON i.id = t.item_id JOIN days d ON d.account_id = t.account_id AND d.date = t.date
	WHERE t.rank = 1 AND t.frozen AND i.done AND t.account_id = i.account_id AND t.gross = i.gross
	AND NOT EXISTS (SELECT FROM matches m WHERE m.line_id = t.line_id AND m.ended_at IS NULL)
	AND NOT EXISTS (SELECT FROM matches m WHERE m.ended_at IS NULL AND (m.payment_id = i.id OR m.refund_id = i.id)) ORDER BY t.line_id`

// nameLate names what an adjustment brings that no payment of the day itself explains: a success taken back after its day was closed, what
// goes back because a day was opened again, and of what the bank's statement alone proves all that it has not, or had too late. Surplus of
// what moved here is named here too.
const nameLate = `INSERT INTO day_found (account_id, date, kind, subject, amount, effect, bank_effect, type, item_id, line_id, healed)
	WITH landed AS (SELECT a.account_id, a.date, a.item_id, a.type, sum(a.amount)::bigint AS net, sum(a.settled)::bigint AS settled FROM day_scope s JOIN day_adjustments a USING (account_id, date) GROUP BY 1, 2, 3, 4),
	x AS (SELECT n.*, coalesce(p.status, f.status) AS status, p.status = 'succeeded' AS paid, i.day IS NOT DISTINCT FROM n.date AS home,
			CASE WHEN coalesce(p.by_transfer, f.manual) THEN n.net - n.settled ELSE n.net - CASE WHEN i.day = n.date THEN i.gross ELSE 0 END END AS rest, coalesce(p.by_transfer, f.manual) AND n.settled = 0 AND n.net <> 0 AS unproven
		FROM landed n LEFT JOIN day_items i ON i.id = n.item_id LEFT JOIN payments p ON p.id = n.item_id AND n.type = 'payment' LEFT JOIN refunds f ON f.id = n.item_id AND n.type = 'refund')
	SELECT account_id, date, CASE WHEN status = 'reversed' THEN 'reversal' WHEN NOT unproven THEN 'late' WHEN type = 'payment' THEN 'missing_at_provider' ELSE 'refund_unmatched' END,
		type || ':' || item_id, abs(rest), rest, 0, type, item_id, NULL::bigint, false FROM x WHERE rest <> 0
	UNION ALL SELECT account_id, date, 'surplus', 'payment:' || item_id, extra, 0, 0, 'payment', item_id, NULL, false FROM (
		SELECT x.account_id, x.date, x.item_id, p.received_amount - p.allocated_amount - coalesce((SELECT sum(surplus_part) FROM refunds f WHERE f.payment_id = p.id AND f.status = 'succeeded'), 0) AS extra
		FROM x JOIN payments p ON p.id = x.item_id WHERE x.paid AND x.net > 0 AND p.received_amount > p.allocated_amount) s WHERE extra > 0`

// postLate moves what the statement proves of what moved to the loaded days. $1 now.
const postLate = `INSERT INTO moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
	SELECT 'statement', p.transfer_id, 'payment', 'clearing:' || p.account_id, 'bank:' || p.account_id, p.received_amount, p.account_id, p.paid_at, $1::timestamptz
		FROM day_scope s JOIN day_adjustments a USING (account_id, date) JOIN payments p ON p.id = a.item_id WHERE a.type = 'payment' AND a.settled > 0 AND p.transfer_id IS NOT NULL
	UNION ALL SELECT 'statement', f.id, 'refund', 'bank:' || f.account_id, 'clearing:' || f.account_id, f.amount, f.account_id, f.effective_at, $1::timestamptz
		FROM day_scope s JOIN day_adjustments a USING (account_id, date) JOIN refunds f ON f.id = a.item_id WHERE a.type = 'refund' AND a.settled < 0
	ON CONFLICT DO NOTHING`

// adjusted is what adjustments brought to a day, and what they took off it.
func adjusted(ctx context.Context, x sqlx.QueryerContext, accountID, date string) (landed, left CountAmount, err error) {
	err = x.QueryRowxContext(ctx, `SELECT coalesce(sum(n) FILTER (WHERE date = $2), 0), coalesce(sum(amount) FILTER (WHERE date = $2), 0)::bigint,
		coalesce(sum(n) FILTER (WHERE for_date = $2), 0), coalesce(sum(amount) FILTER (WHERE for_date = $2), 0)::bigint
		FROM day_adjustments WHERE account_id = $1 AND (date = $2 OR for_date = $2)`, accountID, date).Scan(&landed.Count, &landed.Amount, &left.Count, &left.Amount)
	if err != nil {
		return landed, left, fmt.Errorf("reading the adjustments of %s: %w", date, err)
	}
	return landed, left, nil
}

// adjustments lists some, in the order in which they were made.
func adjustments(ctx context.Context, x sqlx.QueryerContext, where string, args ...any) ([]Adjustment, error) {
	out := []Adjustment{}
	if err := sqlx.SelectContext(ctx, x, &out, `SELECT id, date::text AS date, for_date::text AS for_date, kind, type, item_id, n, amount, settled, lines, recorded_at FROM day_adjustments WHERE `+where+` ORDER BY id`, args...); err != nil {
		return nil, fmt.Errorf("listing adjustments: %w", err)
	}
	for i := range out {
		out[i].RecordedAt = out[i].RecordedAt.UTC()
	}
	return out, nil
}

// dayNow is what the rows say of a day, whatever was closed: its own payments and refunds, and with them what adjustments brought and took.
func (r *Reconciler) dayNow(ctx context.Context, x sqlx.QueryerContext, accountID, date string) (*Day, error) {
	return r.liveDay(ctx, x, accountID, date)
}

// showAdjustments says of days how much of their payments is of closed ones.
func (r *Reconciler) showAdjustments(ctx context.Context, x sqlx.QueryerContext, accounts []string, from, to string, days []Day) error {
	var sums []struct {
		accountDay
		CountAmount
	}
	if err := sqlx.SelectContext(ctx, x, &sums, `SELECT account_id, date::text AS date, count(*) AS count, sum(amount)::bigint AS amount FROM day_adjustments
		WHERE account_id = ANY ($1) AND date BETWEEN $2 AND $3 GROUP BY 1, 2`, pq.Array(accounts), from, to); err != nil {
		return fmt.Errorf("reading the adjustments from %s to %s: %w", from, to, err)
	}
	at := map[accountDay]CountAmount{}
	for _, s := range sums {
		at[s.accountDay] = s.CountAmount
	}
	for i := range days {
		days[i].Adjustments = at[accountDay{days[i].AccountID, days[i].Date}]
	}
	return nil
}

// unadjusted are closed days, one for each account, where something has come that no matching has met yet.
func (r *Reconciler) unadjusted(ctx context.Context, since time.Time) ([]accountDay, error) {
	var out []accountDay
	if err := r.db.SelectContext(ctx, &out, `SELECT account_id, max(date)::text AS date FROM (SELECT d.account_id, d.date FROM days d WHERE d.status IN ('closed', 'signed') AND d.closed_at > $1::timestamptz - interval '60 days' AND (
			EXISTS (SELECT FROM payments p WHERE p.account_id = d.account_id AND p.status IN ('succeeded', 'reversed') AND business_day(p.paid_at) = d.date AND heard_on(p.recorded_at) > business_day(p.paid_at)
				AND p.recorded_at > greatest($1, d.closed_at - interval '15 minutes') AND NOT EXISTS (SELECT FROM day_adjustments a WHERE a.item_id = p.id)
				AND NOT EXISTS (SELECT FROM day_frozen z WHERE z.item_id = p.id AND z.date = d.date AND z.n = d.version))
			OR EXISTS (SELECT FROM refunds f WHERE f.account_id = d.account_id AND f.status = 'succeeded' AND business_day(f.effective_at) = d.date AND heard_on(f.recorded_at) > business_day(f.effective_at)
				AND f.recorded_at > greatest($1, d.closed_at - interval '15 minutes') AND NOT EXISTS (SELECT FROM day_adjustments a WHERE a.item_id = f.id)
				AND NOT EXISTS (SELECT FROM day_frozen z WHERE z.item_id = f.id AND z.date = d.date AND z.n = d.version)))
		UNION SELECT d.account_id, d.date FROM days d JOIN day_frozen z ON z.account_id = d.account_id AND z.date = d.date AND z.n = d.version AND z.awaited LEFT JOIN payments p ON p.id = z.item_id LEFT JOIN refunds f ON f.id = z.item_id
			WHERE d.status IN ('closed', 'signed') AND d.closed_at > $1::timestamptz - interval '60 days' AND CASE WHEN p.id IS NULL THEN `+refundStated+` ELSE `+paymentStated+` END
			AND NOT EXISTS (SELECT FROM day_adjustments a WHERE a.item_id = z.item_id AND a.for_date = d.date AND a.lines = 1)
		UNION SELECT p.account_id, d.date FROM reversals v JOIN payments p ON p.id = v.payment_id JOIN days d ON d.account_id = p.account_id AND d.date = business_day(p.paid_at) AND d.status IN ('closed', 'signed')
			JOIN day_frozen z ON z.item_id = p.id AND z.date = d.date AND z.n = d.version
			WHERE v.recorded_at > $1 AND NOT EXISTS (SELECT FROM day_adjustments a WHERE a.item_id = p.id AND a.for_date = d.date AND a.kind = 'reversal' AND a.recorded_at >= v.recorded_at)) x GROUP BY account_id ORDER BY account_id`, since); err != nil {
		return nil, fmt.Errorf("looking for what came late: %w", err)
	}
	return out, nil
}

// frozenDay gives a closed day's figures as they were closed; nil where the day is open.
func frozenDay(ctx context.Context, x sqlx.QueryerContext, accountID, date string) (*Day, error) {
	days, err := frozenDays(ctx, x, `d.account_id = $1 AND d.date = $2`, accountID, date)
	if err != nil || len(days) == 0 {
		return nil, err
	}
	return &days[0], nil
}

func frozenDays(ctx context.Context, x sqlx.QueryerContext, where string, args ...any) ([]Day, error) {
	var rows []struct {
		Status  string `db:"status"`
		Figures []byte `db:"figures"`
	}
	if err := sqlx.SelectContext(ctx, x, &rows, `SELECT d.status, d.figures FROM days d WHERE d.status IN ('closed', 'signed') AND `+where, args...); err != nil {
		return nil, fmt.Errorf("reading closed days: %w", err)
	}
	out := make([]Day, 0, len(rows))
	for _, row := range rows {
		var f Figures
		if err := readFigures(row.Figures, &f); err != nil {
			return nil, err
		}
		out = append(out, f.day(row.Status))
	}
	return out, nil
}

// signedOf adds up signed amounts.
func signedOf(all []Adjustment) (sum vnd.Signed) {
	for _, a := range all {
		sum += a.Amount
	}
	return sum
}

// asClosed gives the days of a period, those that are closed as they were closed.
func (r *Reconciler) asClosed(ctx context.Context, c gateway.Caller, from, to string) ([]Day, error) {
	days, err := r.period(ctx, c, from, to)
	if err != nil {
		return nil, err
	}
	shut, err := frozenDays(ctx, r.db, `d.date BETWEEN $1 AND $2`, from, to)
	if err != nil {
		return nil, err
	}
	at := map[accountDay]*Day{}
	for i := range shut {
		at[accountDay{shut[i].AccountID, shut[i].Date}] = &shut[i]
	}
	for i := range days {
		if d := at[accountDay{days[i].AccountID, days[i].Date}]; d != nil {
			days[i] = *d
		}
	}
	return days, nil
}
