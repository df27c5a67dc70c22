package adoption

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// figures counts every figure of every group and of all, over one snapshot: from the aggregates put right by what is not folded yet, or
// from the rows themselves where that is less work or the aggregates do not reach.
func (r *Reporter) figures(ctx context.Context, q Question, s *span) (out []counted, err error) {
	err = r.snapshot(ctx, s, func(tx *sqlx.Tx, s *span) error {
		o, err := r.readiness(ctx, tx, s)
		if err != nil {
			return err
		}
		if o.raw() {
			out, err = r.raw(ctx, tx, q, s)
		} else {
			out, err = r.summed(ctx, tx, q, s, o.Touched > 0)
		}
		return err
	})
	return out, err
}

// readiness is what the aggregates are good for now.
type readiness struct {
	Unfilled bool  `db:"unfilled"` // not all is counted yet
	TooOld   bool  `db:"too_old"`  // what changed since as_of is no longer told
	Touched  int64 `db:"touched"`  // about so many dossiers changed since as_of, or are not folded
	There    int64 `db:"there"`    // about so many facts are in the period
}

// raw: to count the whole period anew is less work than what has changed.
func (o *readiness) raw() bool { return o.Unfilled || o.TooOld || o.Touched > 1000+o.There/2 }

func (r *Reporter) readiness(ctx context.Context, tx *sqlx.Tx, s *span) (*readiness, error) {
	var o readiness
	if err := tx.GetContext(ctx, &o, `SELECT coalesce(m.unfilled, false) AS unfilled, $1 < s.complete_since AS too_old,
			coalesce(m.n, 0) + CASE WHEN m.days THEN coalesce((SELECT sum(i.lines) FROM imports i WHERE (i.account_id, i.date) IN (
				SELECT key, key2::date FROM report_marks WHERE what = 'a' UNION SELECT d.account_id, d.date FROM report_marks k JOIN payout_days d ON d.payout_id = k.key WHERE k.what = 'y')), 0) + 1 ELSE 0 END
			+ (SELECT count(*) FROM (SELECT FROM report_changes WHERE at > $1 LIMIT 1000000) c) AS touched,
			(SELECT coalesce(sum(units), 0) + coalesce(sum(dossiers_denominator), 0) FROM report_cubes WHERE grain = 'm' AND day > $2::date - 31 AND day < $3::date)::bigint AS there
		FROM report_state s, (SELECT bool_or(what = '*') AS unfilled, bool_or(what IN ('a', 'y')) AS days, sum(CASE what WHEN 'm' THEN hi - lo + 1 ELSE 1 END)::bigint AS n FROM report_marks) m`,
		s.asOf, day(s.from), day(s.to)); err != nil {
		return nil, fmt.Errorf("looking at the aggregates: %w", err)
	}
	return &o, nil
}

func day(t time.Time) string { return t.In(zone).Format(time.DateOnly) }

// grainOf is the columns that a grouping needs of the aggregates: a agency, p procedure, c provider and channel. On a row of them f.at is the
// beginning of its month, or of its day: a grouping whose code asks more of the time than its month goes by days (see byDays).
func grainOf(groupBy string, scoped bool) string {
	needs := map[string]string{"agency": "a", "commune": "a", "procedure": "p", "field": "p", "provider": "c", "channel": "c"}[groupBy]
	if scoped && needs != "a" {
		return "a" + needs
	}
	return needs
}

func byDays(groupBy string) bool { return groupBy == "day" }

// breaks are the days (as a query of one column d) on which a grouping's code of the same agency or procedure may change. Months that have one within
// are read by days.
var breaks = map[string]string{"field": `SELECT valid_from AS d FROM procedure_versions UNION SELECT valid_to FROM procedure_versions WHERE valid_to IS NOT NULL`}

// isBroken reports whether a grouping's code changes within a period. Where it does not, it is found once for all of it.
func isBroken(ctx context.Context, tx *sqlx.Tx, groupBy string, s *span) (broken bool, err error) {
	days := breaks[groupBy]
	if days == "" {
		return false, nil
	}
	if err := tx.GetContext(ctx, &broken, `SELECT EXISTS (SELECT FROM (`+days+`) b WHERE b.d > $1::date AND b.d < $2::date)`, day(s.from), day(s.to)); err != nil {
		return false, fmt.Errorf("looking for changes of the catalogue: %w", err)
	}
	return broken, nil
}

// quickly sets a transaction up for questions to the sums: to plan one takes longer than to answer it, and so does waking a second process.
func quickly(ctx context.Context, tx *sqlx.Tx) error {
	if _, err := tx.ExecContext(ctx, `SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL max_parallel_workers_per_gather = 0`); err != nil {
		return fmt.Errorf("asking the sums: %w", err)
	}
	return nil
}

// ofTime reports whether a grouping asks for the time of a row.
func ofTime(groupBy string) bool {
	return groupBy == "day" || groupBy == "month" || groupBy == "quarter" || groupBy == "year"
}

// stretch is a period as whole months between edges of days: [from, first) and [last, to) by days, [first, last) by months.
type stretch struct{ from, first, last, to string }

func stretched(s *span, byDays bool) stretch {
	from, to := s.from.In(zone), s.to.In(zone)
	first := time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, zone)
	if first.Before(from) {
		first = first.AddDate(0, 1, 0)
	}
	last := time.Date(to.Year(), to.Month(), 1, 0, 0, 0, 0, zone)
	if byDays || !first.Before(last) {
		return stretch{day(from), day(to), day(to), day(to)}
	}
	return stretch{day(from), day(first), day(last), day(to)}
}

// cubes is the aggregates' rows of a period as a relation: its dates are the parameters from $n on, the agencies, where it is scoped, $a.
func cubes(groupBy string, scoped, broken bool, n, a int) string {
	columns := []string{}
	for _, m := range reported() {
		columns = append(columns, m.column)
	}
	return cubesOf(groupBy, scoped, broken, n, a, columns)
}

func cubesOf(groupBy string, scoped, broken bool, n, a int, columns []string) string {
	only := ""
	if scoped {
		only = fmt.Sprintf(" AND agency_code = ANY ($%d::text[])", a)
	}
	part := func(grain string, from, to int, where string) string {
		return fmt.Sprintf(`SELECT day, agency_code, procedure_code, provider, channel, %s FROM report_cubes
			WHERE grain = '%s' AND day >= $%d::date AND day < $%d::date%s`, strings.Join(columns, ", "), grain+grainOf(groupBy, scoped), from, to, only+where)
	}
	days := ""
	if broken {
		days = breaks[groupBy]
	}
	all := part("d", n, n+1, "") + " UNION ALL " + part("d", n+2, n+3, "")
	if days == "" {
		all += " UNION ALL " + part("m", n+1, n+2, "")
	} else {
		within := ` EXISTS (SELECT FROM (` + days + `) b WHERE b.d > date_trunc('month', day::timestamp) AND b.d < date_trunc('month', day::timestamp) + interval '1 month')`
		all += " UNION ALL " + part("m", n+1, n+2, " AND NOT"+within) + " UNION ALL " + part("d", n+1, n+2, " AND"+within)
	}
	const at = `(day::timestamp - interval '7 hours') AT TIME ZONE 'UTC'`
	if ofTime(groupBy) || days != "" {
		return `SELECT ` + at + ` AS at, agency_code, procedure_code, provider, channel, ` + strings.Join(columns, ", ") + ` FROM (` + all + `) c`
	}
	sums := make([]string, len(columns)) // the code of an agency or a procedure is found once, not for each of its months
	for i, c := range columns {
		sums[i] = fmt.Sprintf("sum(%[1]s)::bigint AS %[1]s", c)
	}
	return `SELECT min(` + at + `) AS at, agency_code, procedure_code, provider, channel, ` + strings.Join(sums, ", ") + ` FROM (` + all + `) c GROUP BY agency_code, procedure_code, provider, channel`
}

// since are the dossiers whose stored facts are not those of $1: marked, or changed after it.
func since() string {
	return touched("report_marks") + `,
		cand AS MATERIALIZED (SELECT source_system, dossier_code FROM touched UNION SELECT source_system, dossier_code FROM report_changes WHERE at > $1)`
}

func (r *Reporter) summed(ctx context.Context, tx *sqlx.Tx, q Question, s *span, some bool) ([]counted, error) {
	if err := quickly(ctx, tx); err != nil {
		return nil, err
	}
	broken, err := isBroken(ctx, tx, q.GroupBy, s)
	if err != nil {
		return nil, err
	}
	all, scoped := reported(), len(q.Agencies) > 0
	var columns, sums, signed []string
	for _, m := range all {
		columns = append(columns, m.column)
		sums = append(sums, fmt.Sprintf("coalesce(sum(%s), 0)::bigint", m.column))
		signed = append(signed, fmt.Sprintf("(sum(sign * %s) FILTER (WHERE %s))::bigint", m.weight, m.condition()))
	}
	code, p := s.successors.code(q.GroupBy), stretched(s, byDays(q.GroupBy))
	args := []any{p.from, p.first, p.last, p.to}
	query := `WITH cubes AS (` + cubes(q.GroupBy, scoped, broken, 1, 5) + `), grouped AS (SELECT ` + code + ` AS c, f.* FROM cubes f)`
	if scoped {
		args = append(args, pq.Array(s.sees(q.Agencies)))
	}
	if some {
		only := ""
		if !ofDossiers(q.GroupBy) {
			only = "WHERE subject IN ('unit', 'refunded')"
		}
		args = []any{s.asOf, s.from, s.to, pq.Array(s.sees(q.Agencies)), p.from, p.first, p.last, p.to}
		query = `WITH ` + since() + judged + `, cubes AS (` + cubes(q.GroupBy, scoped, broken, 5, 4) + `),
			signed AS (SELECT 1 AS sign, ` + storable + ` FROM facts
				UNION ALL SELECT -1, ` + prefixed("f.", factColumns) + ` FROM cand JOIN report_facts f USING (source_system, dossier_code)
				WHERE f.at >= $2 AND f.at < $3 AND (cardinality($4::text[]) = 0 OR f.agency_code = ANY ($4))),
			grouped AS (SELECT ` + code + ` AS c, ` + strings.Join(columns, ", ") + ` FROM cubes f
				UNION ALL SELECT c, ` + strings.Join(signed, ", ") + ` FROM (SELECT f.*, ` + code + ` AS c FROM signed f ` + only + `) f GROUP BY c)`
	}
	rows, err := tx.QueryContext(ctx, query+named(q.GroupBy, sums, "grouped"), args...)
	if err != nil {
		return nil, fmt.Errorf("counting the rate: %w", err)
	}
	return read(rows, all)
}
