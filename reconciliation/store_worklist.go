package reconciliation

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
)

// sortKeys are the orders of the list: what to sort by, and its type. Ties go by id.
var sortKeys = map[string]struct{ expr, as string }{
	"date":     {`d.date`, `date`},
	"age":      {`(extract(epoch FROM d.recorded_at) * 1000000)::bigint`, `bigint`},
	"amount":   {`-abs(d.amount)::bigint`, `bigint`},
	"deadline": {`(CASE d.status WHEN 'resolved' THEN 1000000 ELSE 0 END + coalesce(d.deadline - DATE '2000-01-01', 999999))`, `int`},
}

// filtered is what a filter asks for of discrepancies d and their accounts a; its parameters are those of [Filter.args].
var filtered = seen(1) + ` AND ($2 = '' OR d.date >= nullif($2, '')::date) AND ($3 = '' OR d.date <= nullif($3, '')::date)
	AND ($4 = '' OR d.account_id = $4) AND ($5 = '' OR d.kind = $5) AND ($6 = '' OR d.status = $6 OR $6 = 'unresolved' AND d.status <> 'resolved')
	AND ($7 = '' OR d.owner = $7 OR $7 = 'none' AND d.owner IS NULL) AND abs(d.amount) >= $8::bigint
	AND (NOT $9 OR d.status <> 'resolved' AND d.deadline < $10::date)
	AND (NOT $11 OR EXISTS (SELECT FROM resolutions x WHERE x.discrepancy_id = d.id AND x.status = 'proposed'))`

func (f *Filter) args(c gateway.Caller, now time.Time) []any {
	from, to := f.From, f.To
	if f.Date != "" {
		from, to = max(from, f.Date), f.Date
		if f.To != "" {
			to = min(f.To, f.Date)
		}
	}
	return []any{agencies(c), from, to, f.AccountID, f.Kind, f.Status, f.Owner, int64(f.MinAmount), f.Overdue, now.In(vietnam).Format(time.DateOnly), f.Proposed}
}

func (r *Reconciler) listDiscrepancies(ctx context.Context, c gateway.Caller, f Filter, afterKey, afterID string, now time.Time) ([]Discrepancy, error) {
	k := sortKeys[f.Sort]
	items := []Discrepancy{}
	err := r.db.SelectContext(ctx, &items, `SELECT `+discrepancyColumns+`, (`+k.expr+`)::text AS sort_key FROM discrepancies d JOIN merchant_accounts a ON a.id = d.account_id
		WHERE `+filtered+` AND ($13 = '' OR (`+k.expr+`, d.id) > (nullif($12, '')::`+k.as+`, $13)) ORDER BY `+k.expr+`, d.id LIMIT $14`,
		append(f.args(c, now), afterKey, afterID, f.Limit+1)...)
	return items, err
}

func (r *Reconciler) summarise(ctx context.Context, c gateway.Caller, f Filter, now time.Time) (*Summary, error) {
	out := &Summary{ByKind: []Heap{}, ByOwner: []Heap{}}
	var rows []struct {
		Heap
		Of string `db:"of"`
	}
	err := r.db.SelectContext(ctx, &rows, `SELECT CASE WHEN grouping(d.kind) = 0 THEN 'kind' WHEN grouping(coalesce(d.owner, '')) = 0 THEN 'owner' ELSE '' END AS of,
			coalesce(d.kind, coalesce(d.owner, ''), '') AS name, count(*) AS count, coalesce(sum(abs(d.amount)), 0)::bigint AS amount, coalesce(min(d.date)::text, '') AS oldest,
			count(*) FILTER (WHERE d.status <> 'resolved' AND d.deadline < $10::date) AS overdue
		FROM discrepancies d JOIN merchant_accounts a ON a.id = d.account_id WHERE `+filtered+`
		GROUP BY GROUPING SETS ((d.kind), (coalesce(d.owner, '')), ()) ORDER BY overdue DESC, oldest, name`, f.args(c, now)...)
	for _, h := range rows {
		switch h.Of {
		case "kind":
			out.ByKind = append(out.ByKind, h.Heap)
		case "owner":
			out.ByOwner = append(out.ByOwner, h.Heap)
		default:
			out.Total = h.Heap
		}
	}
	return out, err
}

// Person is somebody whose a discrepancy can be.
type Person struct {
	ID   string `db:"id"`
	Name string `db:"name"`
}

const owning = `u.disabled_at IS NULL AND u.roles && '{finance,approver}' AND (u.agencies = '{}' OR a.agency_code = ANY (u.agencies))`

// Owners are the people who may work on an account.
func (r *Reconciler) Owners(ctx context.Context, accountID string) ([]Person, error) {
	out := []Person{}
	if err := r.db.SelectContext(ctx, &out, `SELECT u.id, u.name FROM users u JOIN merchant_accounts a ON a.id = $1 WHERE `+owning+` ORDER BY u.name`, accountID); err != nil {
		return nil, fmt.Errorf("listing who may work on %s: %w", accountID, err)
	}
	return out, nil
}

func ownerFits(ctx context.Context, tx *sqlx.Tx, id, accountID string) (bool, error) {
	var fits bool
	if err := tx.GetContext(ctx, &fits, `SELECT EXISTS (SELECT FROM users u JOIN merchant_accounts a ON a.id = $2 WHERE u.id = $1 AND `+owning+`)`, id, accountID); err != nil {
		return false, fmt.Errorf("reading who %s is: %w", id, err)
	}
	return fits, nil
}

// inRow runs f in a transaction that locks the rows it reads and nothing else: an import under way keeps nobody from taking a note.
func (r *Reconciler) inRow(ctx context.Context, f func(*sqlx.Tx) error) error {
	tx, err := r.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// reopenDiscrepancy opens a resolved one again, with a deadline of its kind from today, and moves back what its resolutions moved.
func reopenDiscrepancy(ctx context.Context, tx *sqlx.Tx, d *Discrepancy, actor, reason string, now time.Time) error {
	res, err := tx.ExecContext(ctx, `WITH opened AS (
			UPDATE discrepancies d SET status = 'open', action = NULL, resolved_at = NULL,
				deadline = (SELECT working_day_after(business_day($2), t.working_days) FROM discrepancy_terms t WHERE t.kind = d.kind)
			WHERE d.id = $1 AND d.status = 'resolved' AND NOT d.healed RETURNING d.id, d.status, d.effect, d.owner, d.deadline),
		back AS (
			INSERT INTO moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
			SELECT 'resolution_undone', m.cause_id, m.leg, m.to_account, m.from_account, m.amount, m.account_id, $2, $2
			FROM opened o JOIN resolutions r ON r.discrepancy_id = o.id AND r.status = 'done'
			JOIN moves m ON m.cause_type = 'resolution' AND m.cause_id = r.discrepancy_id || '/' || r.n ON CONFLICT DO NOTHING)
		INSERT INTO discrepancy_history (discrepancy_id, status, effect, actor, note, recorded_at, what, owner, deadline)
		SELECT id, status, effect, $3, $4, $2, 'reopened', owner, deadline FROM opened`, d.ID, now, actor, reason)
	if err != nil {
		return fmt.Errorf("reopening discrepancy %s: %w", d.ID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("reopening discrepancy %s: %d rows: %w", d.ID, n, err)
	}
	return nil
}
