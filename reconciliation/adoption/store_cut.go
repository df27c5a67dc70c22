package adoption

import (
	"context"
	"fmt"
	"time"
)

// divide completes a question: an asker limited to agencies also sees what was filed under those that came into them, and a current cut
// knows who carries on.
func (r *Reporter) divide(ctx context.Context, q *Question, s *span) error {
	s.agencies, s.successors = append([]string{}, q.Agencies...), successors{}
	if len(s.agencies) > 0 {
		now := r.now().In(zone)
		steps, err := r.steps(ctx, "agency_aliases", now.Format(time.DateOnly), now)
		if err != nil {
			return err
		}
		s.agencies = withPredecessors(s.agencies, steps)
	}
	if q.Cut != Current {
		return nil
	}
	agencies, err := r.steps(ctx, "agency_aliases", q.To, s.asOf)
	if err != nil {
		return err
	}
	communes, err := r.steps(ctx, "commune_aliases", q.To, s.asOf)
	s.successors = successors{followed(agencies), followed(communes)}
	return err
}

// steps are the aliases in force on a day, as known at a time: from a code to the next.
func (r *Reporter) steps(ctx context.Context, table, day string, asOf time.Time) (map[string]string, error) {
	var rows []struct {
		Old string `db:"old_code"`
		New string `db:"new_code"`
	}
	if err := r.db.SelectContext(ctx, &rows, `SELECT DISTINCT ON (old_code) old_code, new_code FROM `+table+`
		WHERE since <= $1 AND recorded_at <= $2 AND (ended_at IS NULL OR ended_at > $2) ORDER BY old_code, since DESC, id DESC`, day, asOf); err != nil {
		return nil, fmt.Errorf("reading the %s: %w", table, err)
	}
	out := make(map[string]string, len(rows))
	for _, row := range rows {
		out[row.Old] = row.New
	}
	return out, nil
}
