package adoption

import (
	"context"
	"errors"
	"slices"
	"time"

	"feegate/gateway"
)

// kept is how long after its end a closed period is still looked through for what is known since, in days.
const kept = 400

// everies are the kinds of periods that are reported on.
func everies() []string { return []string{"month", "quarter", "half", "nine_months", "year"} }

func (s *ReportSchedule) check() error {
	var fields []gateway.FieldError
	if !slices.Contains(everies(), s.Every) {
		fields = append(fields, gateway.FieldError{Field: "every", Detail: "must be one of month, quarter, half, nine_months, year"})
	}
	if s.WorkingDays < 1 || s.WorkingDays > 60 {
		fields = append(fields, gateway.FieldError{Field: "working_days", Detail: "1 to 60"})
	}
	if _, err := time.Parse(time.DateOnly, s.Since); err != nil {
		fields = append(fields, gateway.FieldError{Field: "since", Detail: "must be a date like 2026-01-31"})
	}
	if len(fields) > 0 {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: fields}
	}
	return nil
}

// periodsOf are the periods of a kind that ended on or after since and before today, at most the last 400 days' worth.
func periodsOf(every string, since, today time.Time) []Period {
	months := map[string][]int{"month": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, "quarter": {3, 6, 9, 12}, "half": {6, 12}, "nine_months": {9}, "year": {12}}[every]
	length := map[string]int{"month": 1, "quarter": 3, "half": 6, "nine_months": 9, "year": 12}[every]
	if oldest := today.AddDate(0, 0, -kept); since.Before(oldest) {
		since = oldest
	}
	out := []Period{}
	for first := time.Date(since.Year(), since.Month(), 1, 0, 0, 0, 0, time.UTC); !first.After(today); first = first.AddDate(0, 1, 0) {
		last := first.AddDate(0, 1, -1)
		if !slices.Contains(months, int(last.Month())) || last.Before(since) || !last.Before(today) {
			continue
		}
		out = append(out, Period{first.AddDate(0, 1-length, 0).Format(time.DateOnly), last.Format(time.DateOnly)})
	}
	return out
}

// Produce closes what is due by its schedule, and, once a day, makes a new revision of each closed period of which more is known since. Any number of
// replicas may do it: what two make at once is made by one.
func (r *Reporter) Produce(ctx context.Context, limit int) (int, error) {
	schedules, err := r.Schedules(ctx)
	if err != nil {
		return 0, err
	}
	now := r.now().In(zone)
	day := now.Format(time.DateOnly)
	today, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, s := range schedules {
		since, err := time.Parse(time.DateOnly, s.Since)
		if err != nil {
			return n, err
		}
		due, err := r.due(ctx, s.Every, s.WorkingDays, periodsOf(s.Every, since, today))
		if err != nil {
			return n, err
		}
		for _, p := range due {
			if n == limit {
				return n, nil
			}
			if err := r.produce(ctx, p, bySchedule); err != nil {
				return n, err
			}
			n++
		}
	}
	done, err := r.lookedThrough(ctx, day)
	if err != nil || done {
		return n, err
	}
	closed, err := r.closedPeriods(ctx, today.AddDate(0, 0, -kept).Format(time.DateOnly))
	if err != nil {
		return n, err
	}
	made := 0
	for _, p := range closed {
		_, fresh, err := r.close(ctx, Closing{From: p.From, To: p.To}, byEvidence, System)
		if err != nil && !taken(err) {
			return n, err
		}
		if fresh {
			made++
		}
	}
	return n, r.lookedThroughNow(ctx, day, made)
}

func (r *Reporter) produce(ctx context.Context, p Period, source string) error {
	_, _, err := r.close(ctx, Closing{From: p.From, To: p.To}, source, System)
	if taken(err) {
		return nil
	}
	return err
}

// taken: another replica was there first.
func taken(err error) bool {
	var p *gateway.Problem
	return errors.As(err, &p) && p.Name == ProblemReportState
}
