package adoption

import (
	"context"
	"fmt"
	"time"
)

// aim finds the target to look at: the next to come into force, measured over the year of that day up to its end; where none is to come the highest in
// force, over this year.
func (r *Reporter) aim(ctx context.Context, today time.Time) (*Aim, error) {
	var rows []struct {
		Percent Hundredths `db:"percent"`
		Since   time.Time  `db:"valid_from"`
	}
	if err := r.db.SelectContext(ctx, &rows, `SELECT (percent * 100)::bigint AS percent, valid_from FROM targets WHERE status = 'approved' AND (valid_to IS NULL OR valid_to > $1) ORDER BY valid_from, percent`, today.Format(time.DateOnly)); err != nil {
		return nil, fmt.Errorf("reading the targets: %w", err)
	}
	var next, now *Aim
	for _, t := range rows {
		a := &Aim{Percent: t.Percent, From: fmt.Sprintf("%d-01-01", today.Year()), To: fmt.Sprintf("%d-12-31", today.Year())}
		switch {
		case !t.Since.After(today):
			if now == nil || a.Percent > now.Percent {
				now = a
			}
		case next == nil:
			a.From, a.To = fmt.Sprintf("%d-01-01", t.Since.Year()), fmt.Sprintf("%d-12-31", t.Since.Year())
			next = a
		}
	}
	if next != nil {
		return next, nil
	}
	return now, nil
}
