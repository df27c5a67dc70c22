package adoption

import (
	"context"
	"fmt"
	"time"

	"github.com/lib/pq"

	"feegate/gateway"
)

// ReportSchedule says that a report is made by itself.
type ReportSchedule struct {
	Every       string    `json:"every" db:"every"`
	WorkingDays int       `json:"working_days" db:"working_days"` // after the period's end
	Since       string    `json:"since" db:"since"`               // for periods that end on this day or later
	SetBy       string    `json:"set_by" db:"set_by"`
	RecordedAt  time.Time `json:"recorded_at" db:"recorded_at"`
}

// Schedules lists what is made by itself.
func (r *Reporter) Schedules(ctx context.Context) ([]ReportSchedule, error) {
	out := []ReportSchedule{}
	err := r.db.SelectContext(ctx, &out, `SELECT every, working_days, since::text, set_by, recorded_at FROM report_schedules ORDER BY every`)
	if err != nil {
		return nil, fmt.Errorf("reading the reports' schedule: %w", err)
	}
	return out, nil
}

// PutSchedule sets when a kind of report is made by itself; DropSchedule ends that.
func (r *Reporter) PutSchedule(ctx context.Context, c gateway.Caller, s ReportSchedule) (*ReportSchedule, error) {
	if err := r.unlimited(c); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	s.SetBy, s.RecordedAt = c.Actor, r.now()
	_, err := r.db.ExecContext(ctx, `INSERT INTO report_schedules (every, working_days, since, set_by, recorded_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (every) DO UPDATE SET working_days = excluded.working_days, since = excluded.since, set_by = excluded.set_by, recorded_at = excluded.recorded_at`, s.Every, s.WorkingDays, s.Since, s.SetBy, s.RecordedAt)
	if err != nil {
		return nil, fmt.Errorf("setting the reports' schedule: %w", err)
	}
	return &s, nil
}

// DropSchedule ends the making of a kind of report by itself.
func (r *Reporter) DropSchedule(ctx context.Context, c gateway.Caller, every string) error {
	if err := r.unlimited(c); err != nil {
		return err
	}
	if _, err := r.db.ExecContext(ctx, `DELETE FROM report_schedules WHERE every = $1`, every); err != nil {
		return fmt.Errorf("setting the reports' schedule: %w", err)
	}
	return nil
}

// due says which of these days are the last of a period whose report is due by now and was not closed.
func (r *Reporter) due(ctx context.Context, every string, workingDays int, periods []Period) ([]Period, error) {
	from, to := make([]string, len(periods)), make([]string, len(periods))
	for i, p := range periods {
		from[i], to[i] = p.From, p.To
	}
	out := []Period{}
	rows, err := r.db.QueryContext(ctx, `SELECT f::text, t::text FROM unnest($1::date[], $2::date[]) AS p(f, t) WHERE working_day_after(t, $3) <= $4::date
		AND NOT EXISTS (SELECT FROM report_revisions v WHERE v.period_from = f AND v.period_to = t) ORDER BY t, f`, pq.Array(from), pq.Array(to), workingDays, r.now().In(zone).Format(time.DateOnly))
	if err != nil {
		return nil, fmt.Errorf("looking for %s reports that are due: %w", every, err)
	}
	defer rows.Close()
	for rows.Next() {
		var p Period
		if err := rows.Scan(&p.From, &p.To); err != nil {
			return nil, fmt.Errorf("looking for %s reports that are due: %w", every, err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// lookedThrough says that today's look through the closed reports is done.
func (r *Reporter) lookedThrough(ctx context.Context, day string) (bool, error) {
	var done bool
	if err := r.db.GetContext(ctx, &done, `SELECT EXISTS (SELECT FROM report_runs WHERE date = $1)`, day); err != nil {
		return false, fmt.Errorf("reading when reports were looked through: %w", err)
	}
	return done, nil
}

func (r *Reporter) lookedThroughNow(ctx context.Context, day string, revisions int) error {
	if _, err := r.db.ExecContext(ctx, `INSERT INTO report_runs (date, revisions, recorded_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, day, revisions, r.now()); err != nil {
		return fmt.Errorf("writing that reports were looked through: %w", err)
	}
	return nil
}

// closedPeriods are those with a revision that end on or after a day.
func (r *Reporter) closedPeriods(ctx context.Context, since string) ([]Period, error) {
	out := []Period{}
	rows, err := r.db.QueryContext(ctx, `SELECT DISTINCT period_from::text, period_to::text FROM report_revisions WHERE period_to >= $1 ORDER BY 2, 1`, since)
	if err != nil {
		return nil, fmt.Errorf("listing closed periods: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var p Period
		if err := rows.Scan(&p.From, &p.To); err != nil {
			return nil, fmt.Errorf("listing closed periods: %w", err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}
