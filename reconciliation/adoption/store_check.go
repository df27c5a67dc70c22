package adoption

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jmoiron/sqlx"
)

// ErrAggregates says that the stored sums were not what the rows come to. They are made again from the rows; until then reports count the rows themselves.
var ErrAggregates = errors.New("the stored sums of a day are not what its rows come to: they are made again")

// CheckAggregates counts one day again from the rows, by agency, and compares it with the stored sums, put right by what is not folded: they are the same by
// construction, and whoever wrote into them by hand is found. The day changes from hour to hour, so that in time all are looked at.
func (r *Reporter) CheckAggregates(ctx context.Context, _ int) (int, error) {
	h := r.here()
	s := &span{asOf: h.now().In(zone).Truncate(time.Microsecond)}
	var differs bool
	err := h.snapshot(ctx, s, func(tx *sqlx.Tx, s *span) error {
		var date string
		err := tx.GetContext(ctx, &date, `SELECT day::text FROM (SELECT DISTINCT day FROM report_cubes WHERE grain = 'da') d ORDER BY md5(day::text || $1) LIMIT 1`, s.asOf.Format("2006-01-02T15"))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("choosing a day to check: %w", err)
		}
		if s.from, err = time.ParseInLocation(time.DateOnly, date, zone); err != nil {
			return err
		}
		s.to = s.from.AddDate(0, 0, 1)
		q := Question{From: date, To: date, GroupBy: "agency", Cut: Filed}
		o, err := h.readiness(ctx, tx, s)
		if err != nil || o.Unfilled {
			return err
		}
		rows, err := h.raw(ctx, tx, q, s)
		if err != nil {
			return err
		}
		sums, err := h.summed(ctx, tx, q, s, true)
		if err != nil {
			return err
		}
		differs = !sameCounts(rows, sums)
		return nil
	})
	if err != nil || !differs {
		return 0, err
	}
	if err := h.remake(ctx); err != nil {
		return 0, err
	}
	return 0, ErrAggregates
}

// remake throws the aggregates away and has them made again; the folder waits meanwhile, and reports count the rows.
func (r *Reporter) remake(ctx context.Context) error {
	tx, err := r.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("having the sums made again: %w", err)
	}
	defer tx.Rollback() // after the commit it does nothing
	for _, q := range []string{fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, int64(folderLock)), `SET LOCAL statement_timeout = '15min'`, `DELETE FROM report_cubes`, `DELETE FROM report_facts`,
		`INSERT INTO report_marks (what) SELECT '*' WHERE NOT EXISTS (SELECT FROM report_marks WHERE what = '*' AND key = '')`} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("having the sums made again: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("having the sums made again: %w", err)
	}
	return nil
}

func sameCounts(a, b []counted) bool {
	of := func(all []counted) map[string]map[string]int64 {
		out := map[string]map[string]int64{}
		for _, c := range all {
			key := c.code
			if c.total {
				key = "\x00" // no agency's
			}
			out[key] = c.values
		}
		return out
	}
	return maps.EqualFunc(of(a), of(b), maps.Equal[map[string]int64, map[string]int64])
}
