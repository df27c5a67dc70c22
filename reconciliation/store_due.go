package reconciliation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// markStated marks the days that a statement's new lines, and the statement itself, say something of.
func (r *Reconciler) markStated(ctx context.Context, tx *sqlx.Tx, importID string, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO days_to_match (account_id, date, since) SELECT DISTINCT account_id, date, $2::timestamptz FROM (
			SELECT coalesce(l.hint_account, w.account_id) AS account_id, coalesce(CASE WHEN cardinality(l.hint_days) = 1 THEN l.hint_days[1] END, l.booked_on) AS date
				FROM (SELECT DISTINCT bank_account, hint_account, hint_days, booked_on FROM statement_lines WHERE import_id = $1 AND amount > 0) l LEFT JOIN bank_owners w ON w.bank_account = l.bank_account
			UNION ALL SELECT coalesce(l.hint_account, w.account_id), business_day($2) FROM (SELECT DISTINCT bank_account, hint_account FROM statement_lines WHERE import_id = $1 AND amount > 0) l LEFT JOIN bank_owners w ON w.bank_account = l.bank_account
			UNION ALL SELECT l.hint_account, d FROM statement_lines l, unnest(l.hint_days) d WHERE l.import_id = $1 AND l.hint_account IS NOT NULL
			UNION ALL SELECT b.account_id, l.booked_on - 1 FROM statement_lines l JOIN account_banks b ON b.bank_account = l.bank_account JOIN merchant_accounts a ON a.id = b.account_id AND a.provider = l.hint_provider WHERE l.import_id = $1
			UNION ALL SELECT l.hint_account, l.booked_on - 1 FROM statement_lines l WHERE l.import_id = $1 AND l.hint_account IS NOT NULL AND l.hint_days = '{}'
			UNION ALL SELECT b.account_id, d::date FROM bank_statements t JOIN account_banks b ON b.bank_account = t.bank_account JOIN merchant_accounts a ON a.id = b.account_id AND a.provider = ANY ($3),
				generate_series(greatest(t.from_day, t.to_day - 400), t.to_day, interval '1 day') d WHERE t.import_id = $1
			UNION ALL SELECT b.account_id, t.from_day FROM bank_statements t JOIN account_banks b ON b.bank_account = t.bank_account WHERE t.import_id = $1
			UNION ALL SELECT d.account_id, d.date FROM bank_statements t JOIN account_banks b ON b.bank_account = t.bank_account JOIN discrepancies d ON d.account_id = b.account_id AND d.kind = 'statement_gap' AND d.status <> 'resolved' WHERE t.import_id = $1) x
		WHERE account_id IS NOT NULL AND date IS NOT NULL ORDER BY 1, 2 ON CONFLICT DO NOTHING`, importID, now, r.transferProviders()); err != nil {
		return fmt.Errorf("marking the days of a statement: %w", err)
	}
	return nil
}

// leftFor is how long a day waits for whoever marked it to match it, before somebody else does.
const leftFor = 20 * time.Second

// MatchLeft is MatchDue for days that were left: whoever marked them should have matched them by now. While an import or a matching is under way nothing is left for sure.
func (r *Reconciler) MatchLeft(ctx context.Context, limit int) (int, error) {
	var idle bool
	if err := r.db.GetContext(ctx, &idle, `SELECT pg_try_advisory_xact_lock(7310002)`); err != nil {
		return 0, fmt.Errorf("looking whether a matching is under way: %w", err)
	}
	if !idle {
		return 0, nil
	}
	return r.matchDue(ctx, limit, r.now().Add(-leftFor))
}

// MatchDue matches days that something has happened to since they were matched, at most limit at once, and gives how many there were: what an import that was cut
// off has left is done here.
func (r *Reconciler) MatchDue(ctx context.Context, limit int) (int, error) {
	return r.matchDue(ctx, limit, r.now())
}

func (r *Reconciler) matchDue(ctx context.Context, limit int, until time.Time) (int, error) {
	var days []accountDay
	if err := r.db.SelectContext(ctx, &days, `SELECT account_id, date::text AS date FROM days_to_match WHERE since <= $2 ORDER BY since, account_id, date LIMIT $1`, limit, until); err != nil {
		return 0, fmt.Errorf("finding days to match: %w", err)
	}
	if len(days) == 0 {
		return 0, nil
	}
	// Slips first: a credit that brings a slip's cash pays nothing out.
	if _, err := r.MatchSlips(ctx, limit); err != nil {
		return 0, err
	}
	err := r.matchAll(ctx, days)
	if err == nil || ctx.Err() != nil {
		return len(days), err
	}
	var errs error // each by itself: one that fails keeps no other waiting, and waits for its next turn behind them
	for _, d := range days {
		err := r.matchAll(ctx, []accountDay{d})
		if ctx.Err() != nil {
			return len(days), errors.Join(errs, err)
		}
		if err == nil {
			continue
		}
		errs = errors.Join(errs, fmt.Errorf("the day %s of %s: %w", d.Date, d.AccountID, err))
		if _, err := r.db.ExecContext(ctx, `UPDATE days_to_match SET since = $3 WHERE account_id = $1 AND date = $2`, d.AccountID, d.Date, r.now()); err != nil {
			return len(days), errors.Join(errs, fmt.Errorf("putting a day off: %w", err))
		}
	}
	return len(days), errs
}

// dueWithin is how far back days are looked after by the clock.
const dueWithin = 45

// MarkDue marks the days whose file, statement or payout is missed by now, and nobody has said so yet. It gives how many there were.
func (r *Reconciler) MarkDue(ctx context.Context, limit int) (int, error) {
	now := r.now()
	res, err := r.db.ExecContext(ctx, `WITH pairs AS (SELECT a.id AS account, a.provider = ANY ($3) AS transfers, d::date AS date FROM merchant_accounts a, generate_series(business_day($1) - $2::int, business_day($1) - 1, interval '1 day') d
			WHERE NOT EXISTS (SELECT FROM days y WHERE y.account_id = a.id AND y.date = d::date AND y.status IN ('closed', 'signed')) AND NOT EXISTS (SELECT FROM days_to_match m WHERE m.account_id = a.id AND m.date = d::date)),
		late AS (SELECT account, date FROM pairs WHERE NOT EXISTS (SELECT FROM imports i WHERE i.account_id = pairs.account AND i.date = pairs.date AND i.status = 'visible')
				AND NOT EXISTS (SELECT FROM discrepancies n WHERE n.account_id = pairs.account AND n.date = pairs.date AND n.kind = 'file_missing' AND NOT n.healed)
				AND EXISTS (SELECT FROM payments p WHERE p.account_id = pairs.account AND p.status = 'succeeded' AND business_day(p.paid_at) = pairs.date)
				AND NOT (transfers AND EXISTS (SELECT FROM account_banks b JOIN bank_statements t ON t.bank_account = b.bank_account AND pairs.date BETWEEN t.from_day AND t.to_day AND business_day(t.recorded_at) > pairs.date WHERE b.account_id = pairs.account))
				AND $1 >= settlement_due(account, date)),
		unpaid AS (SELECT account, date FROM pairs WHERE NOT transfers AND EXISTS (SELECT FROM imports i WHERE i.account_id = pairs.account AND i.date = pairs.date AND i.status = 'visible' AND i.lines > 0)
				AND NOT EXISTS (SELECT FROM payout_days o WHERE o.account_id = pairs.account AND o.date = pairs.date AND o.ended_at IS NULL)
				AND NOT EXISTS (SELECT FROM discrepancies n WHERE n.account_id = pairs.account AND n.date = pairs.date AND n.kind IN ('bank_short', 'bank_over'))
				AND business_day($1) > working_day_after(pairs.date, $5))
		INSERT INTO days_to_match (account_id, date, since) SELECT account, date, $1::timestamptz FROM (SELECT * FROM late UNION SELECT * FROM unpaid) x ORDER BY date, account LIMIT $4 ON CONFLICT DO NOTHING`,
		now, dueWithin, r.transferProviders(), limit, overdueAfter)
	if err != nil {
		return 0, fmt.Errorf("looking for what is missed: %w", err)
	}
	n, err := res.RowsAffected()
	return int(n), err
}
