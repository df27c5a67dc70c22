package reconciliation

import (
	"context"
	"fmt"
	"unicode/utf8"

	"feegate/gateway"
)

// Holiday is a day on which nobody works, besides the weekends.
type Holiday struct {
	Date string `json:"date" db:"date"`
	Name string `json:"name" db:"name"`
}

// Holidays lists the holidays from one day to another; "" leaves an end open.
func (r *Reconciler) Holidays(ctx context.Context, from, to string) ([]Holiday, error) {
	for _, d := range []struct{ field, value string }{{"from", from}, {"to", to}} {
		if d.value != "" {
			if err := checkDate(d.field, d.value); err != nil {
				return nil, err
			}
		}
	}
	out := []Holiday{}
	if err := r.db.SelectContext(ctx, &out, `SELECT date::text AS date, name FROM holidays WHERE ($1 = '' OR date >= nullif($1, '')::date) AND ($2 = '' OR date <= nullif($2, '')::date) ORDER BY date LIMIT 1000`, from, to); err != nil {
		return nil, fmt.Errorf("listing holidays: %w", err)
	}
	return out, nil
}

// PutHoliday names a holiday. What was missed or due by the calendar as it was stays as it was named.
func (r *Reconciler) PutHoliday(ctx context.Context, date, name string) error {
	if err := checkDate("date", date); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(name); n < 1 || n > 100 {
		return invalid("name", "must be 1 to 100 characters")
	}
	if _, err := r.db.ExecContext(ctx, `INSERT INTO holidays (date, name) VALUES ($1, $2) ON CONFLICT (date) DO UPDATE SET name = EXCLUDED.name`, date, name); err != nil {
		return fmt.Errorf("setting a holiday: %w", err)
	}
	return nil
}

// DeleteHoliday makes a day a working day again.
func (r *Reconciler) DeleteHoliday(ctx context.Context, date string) error {
	if checkDate("date", date) != nil {
		return notFound("holiday")
	}
	res, err := r.db.ExecContext(ctx, `DELETE FROM holidays WHERE date = $1`, date)
	if err != nil {
		return fmt.Errorf("removing a holiday: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil {
		return fmt.Errorf("removing a holiday: %w", err)
	} else if n == 0 {
		return &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "this day is no holiday"}
	}
	return nil
}
