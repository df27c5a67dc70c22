package reconciliation

import (
	"context"
	"fmt"

	"github.com/lib/pq"
)

// closedFigures reads the figures of the closing that stands.
func (r *Reconciler) closedFigures(ctx context.Context, s *DayState, f *Figures) error {
	var raw []byte
	if err := r.db.GetContext(ctx, &raw, `SELECT figures FROM days WHERE account_id = $1 AND date = $2`, s.AccountID, s.Date); err != nil {
		return fmt.Errorf("reading the day %s of %s: %w", s.Date, s.AccountID, err)
	}
	return readFigures(raw, f)
}

// busyDays are the days of a period on which anything happened at an account, the oldest first.
func (r *Reconciler) busyDays(ctx context.Context, accountID, from, to string) ([]string, error) {
	out := []string{}
	if err := r.db.SelectContext(ctx, &out, `WITH span AS (SELECT $2::date + g AS date FROM generate_series(0, $3::date - $2::date) g)
		SELECT s.date::text FROM span s WHERE EXISTS (SELECT FROM days d WHERE d.account_id = $1 AND d.date = s.date)
		OR EXISTS (SELECT FROM payments p WHERE p.account_id = $1 AND p.status IN ('succeeded', 'reversed') AND business_day(p.paid_at) = s.date)
		OR EXISTS (SELECT FROM refunds f WHERE f.account_id = $1 AND f.status = 'succeeded' AND business_day(f.effective_at) = s.date)
		OR EXISTS (SELECT FROM discrepancies n WHERE n.account_id = $1 AND n.date = s.date)
		OR EXISTS (SELECT FROM day_adjustments a WHERE a.account_id = $1 AND a.date = s.date) ORDER BY s.date`, accountID, from, to); err != nil {
		return nil, fmt.Errorf("finding the days from %s to %s: %w", from, to, err)
	}
	return out, nil
}

// refundsOf lists what was paid back in a period.
func (r *Reconciler) refundsOf(ctx context.Context, accountID, from, to string) ([]RefundRow, error) {
	out := []RefundRow{}
	if err := r.db.SelectContext(ctx, &out, `SELECT id, payment_id, amount, provider_transaction, effective_at, requested_by, decided_by FROM refunds
		WHERE account_id = $1 AND status = 'succeeded' AND business_day(effective_at) BETWEEN $2 AND $3 ORDER BY effective_at, id`, accountID, from, to); err != nil {
		return nil, fmt.Errorf("listing refunds from %s to %s: %w", from, to, err)
	}
	return out, nil
}

// namePeople finds the names of whom the minutes speak of.
func (r *Reconciler) namePeople(ctx context.Context, m *Minutes) error {
	var ids pq.StringArray
	add := func(id *string) {
		if id != nil {
			ids = append(ids, *id)
		}
	}
	for _, d := range m.Days {
		add(d.ClosedBy)
		add(d.SignedBy)
		for i := range d.Discrepancies {
			add(d.Discrepancies[i].Owner)
		}
	}
	for i := range m.Refunds {
		add(&m.Refunds[i].RequestedBy)
		add(m.Refunds[i].DecidedBy)
	}
	var found []struct {
		ID   string `db:"id"`
		Name string `db:"name"`
	}
	if err := r.db.SelectContext(ctx, &found, `SELECT id, name FROM users WHERE id = ANY ($1)`, ids); err != nil {
		return fmt.Errorf("reading names: %w", err)
	}
	for _, f := range found {
		m.people[f.ID] = f.Name
	}
	return nil
}
