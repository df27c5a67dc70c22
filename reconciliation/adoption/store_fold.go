package adoption

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// folderLock is held by the folder that works.
const folderLock = 7310029

// fold takes a batch of marks. One transaction over one snapshot: what it counts, what it replaces and which marks it deletes belong together,
// and one that dies half way has done nothing.
func (f *Folder) fold(ctx context.Context) (more bool, dossiers int, err error) {
	conn, err := f.db.Connx(ctx)
	if err != nil {
		return false, 0, fmt.Errorf("folding: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var mine bool
	if err := conn.GetContext(ctx, &mine, `SELECT pg_try_advisory_lock($1)`, int64(folderLock)); err != nil || !mine {
		return false, 0, err // another replica folds
	}
	defer func() { // also where the work was told to stop
		_, e := conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(folderLock))
		err = errors.Join(err, e)
	}()
	if err := f.keep(ctx, conn); err != nil {
		return false, 0, fmt.Errorf("folding: %w", err)
	}
	var some bool
	if err := conn.GetContext(ctx, &some, `SELECT EXISTS (SELECT FROM report_marks)`); err != nil || !some {
		return false, 0, err
	}
	for _, q := range []string{
		`CREATE TEMP TABLE IF NOT EXISTS fold_touched (source_system text, dossier_code text, at timestamptz, told boolean) ON COMMIT DELETE ROWS`,
		`CREATE TEMP TABLE IF NOT EXISTS fold_delta (sign int, LIKE report_facts) ON COMMIT DELETE ROWS`,
	} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return false, 0, fmt.Errorf("folding: %w", err)
		}
	}
	tx, err := conn.BeginTxx(ctx, nil)
	if err != nil {
		return false, 0, fmt.Errorf("folding: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing
	if more, dossiers, err = f.batch(ctx, tx); err != nil {
		return false, 0, fmt.Errorf("folding: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return false, 0, fmt.Errorf("folding: %w", err)
	}
	return more, dossiers, nil
}

// keep tells the clock and lets old changes go.
func (f *Folder) keep(ctx context.Context, conn *sqlx.Conn) error {
	now := f.now()
	if f.beat {
		if _, err := conn.ExecContext(ctx, `UPDATE report_state SET beat_at = $1 WHERE beat_at IS NULL OR beat_at <> $1`, now); err != nil {
			return err
		}
	}
	_, err := conn.ExecContext(ctx, `WITH far AS (UPDATE report_state SET complete_since = $1::timestamptz - interval '1 hour' * $2::int
			WHERE complete_since < $1::timestamptz - interval '1 hour' * ($2::int + 1) RETURNING complete_since)
		DELETE FROM report_changes USING far WHERE at < far.complete_since`, now, int(keptFor.Hours()))
	return err
}

func (f *Folder) batch(ctx context.Context, tx *sqlx.Tx) (more bool, dossiers int, err error) {
	for _, q := range []string{`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`, `SET LOCAL jit = off`, `SET LOCAL work_mem = '64MB'`, `SET LOCAL plan_cache_mode = force_generic_plan`,
		`SET LOCAL statement_timeout = '5min'`} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return false, 0, err
		}
	}
	var all []mark
	if err := tx.SelectContext(ctx, &all, `SELECT ctid::text AS place, what::text, key, key2, after, upto, lo, hi, at FROM report_marks m
		WHERE NOT (what = 'p' AND EXISTS (SELECT FROM payments p WHERE p.id = m.key AND p.status NOT IN ('succeeded', 'reversed'))) LIMIT $1`, marksAtOnce); err != nil {
		return false, 0, err
	}
	found := len(all)
	all, gone, err := payoutsAsDays(ctx, tx, all)
	if err != nil {
		return false, 0, err
	}
	if err := sized(ctx, tx, all); err != nil {
		return false, 0, err
	}
	now, large := share(all)
	more = found == marksAtOnce || len(now) < len(all) || len(gone) > 0
	for _, m := range now {
		gone = append(gone, m.At)
	}
	if large != nil {
		part, done, err := f.part(ctx, tx, large)
		if err != nil {
			return false, 0, err
		}
		if now = part; done {
			gone = append(gone, large.At)
		} else {
			more = true
		}
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM report_marks WHERE ctid = ANY ($1::text[]::tid[])`, pq.Array(gone)); err != nil {
		return false, 0, err
	}
	if large != nil && large.What == "*" {
		dossiers, err = f.next(ctx, tx, large)
	} else if len(now) > 0 {
		raw, err := json.Marshal(now)
		if err != nil {
			return false, 0, err
		}
		dossiers, err = affected(tx.ExecContext(ctx, `WITH `+touched(given)+` INSERT INTO fold_touched SELECT * FROM touched`, string(raw)))
		if err != nil {
			return false, 0, err
		}
	}
	if err != nil || dossiers == 0 {
		return more, 0, err
	}
	return more, dossiers, carry(ctx, tx)
}

// payoutsAsDays turns the marks of payouts into marks of the days that they pay, each once, to be taken by the next fold. gone are the places of those it
// turned.
func payoutsAsDays(ctx context.Context, tx *sqlx.Tx, all []mark) (rest []mark, gone []string, err error) {
	var keys []string
	known := []*time.Time{}
	for _, m := range all {
		if m.What != "y" {
			rest = append(rest, m)
			continue
		}
		gone, keys, known = append(gone, m.At), append(keys, m.Key), append(known, m.Known)
	}
	if len(keys) == 0 {
		return rest, nil, nil
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO report_marks (what, key, key2, at) SELECT 'a', d.account_id, d.date::text, max(greatest(k.at, y.recorded_at, y.ended_at))
		FROM unnest($1::text[], $2::timestamptz[]) AS k(id, at) JOIN payouts y ON y.id = k.id JOIN payout_days d ON d.payout_id = y.id GROUP BY d.account_id, d.date`, pq.Array(keys), pq.Array(known)); err != nil {
		return nil, nil, fmt.Errorf("resolving payouts: %w", err)
	}
	return rest, gone, nil
}

// sized tells how many lines the marked days have, so that small ones are folded together.
func sized(ctx context.Context, tx *sqlx.Tx, all []mark) error {
	at := map[string]int{}
	var places, accounts, dates, after []string
	for i, m := range all {
		if m.What == "a" {
			at[m.At], places, accounts, dates = i, append(places, m.At), append(accounts, m.Key), append(dates, m.Key2)
			from := ""
			if m.After != nil {
				from = *m.After
			}
			after = append(after, from)
		}
	}
	if len(places) == 0 {
		return nil
	}
	rows, err := tx.QueryContext(ctx, `SELECT k.place, (SELECT count(*) FROM (SELECT FROM settlement_lines l WHERE l.account_id = k.account AND l.date = k.day AND l.superseded_at IS NULL AND l.key > k.after LIMIT $5) x)
		FROM unnest($1::text[], $2::text[], $3::date[], $4::text[]) AS k(place, account, day, after)`, pq.Array(places), pq.Array(accounts), pq.Array(dates), pq.Array(after), chunk+1)
	if err != nil {
		return fmt.Errorf("measuring marked days: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var place string
		var n int64
		if err := rows.Scan(&place, &n); err != nil {
			return fmt.Errorf("measuring marked days: %w", err)
		}
		all[at[place]].lines = &n
	}
	return rows.Err()
}

// part takes a bite of a mark that speaks of many; the rest stays marked. done: nothing is left of it.
func (f *Folder) part(ctx context.Context, tx *sqlx.Tx, m *mark) (now []mark, done bool, err error) {
	switch m.What {
	case "m":
		bite := *m
		end := min(*m.Lo+chunk-1, *m.Hi)
		if bite.Hi = &end; end == *m.Hi {
			return []mark{bite}, true, nil
		}
		_, err := tx.ExecContext(ctx, `UPDATE report_marks SET lo = $2 WHERE ctid = $1::tid`, m.At, end+1)
		return []mark{bite}, false, err
	case "a":
		bite := *m
		if err := tx.GetContext(ctx, &bite.Upto, `SELECT max(key) FROM (SELECT key FROM settlement_lines WHERE account_id = $1 AND date = $2::date AND superseded_at IS NULL
			AND key > coalesce($3, '') ORDER BY key LIMIT $4) x HAVING count(*) = $4`, m.Key, m.Key2, m.After, chunk); err != nil && !isNoRows(err) {
			return nil, false, err
		}
		if bite.Upto == nil {
			return []mark{bite}, true, nil
		}
		_, err := tx.ExecContext(ctx, `UPDATE report_marks SET after = $2 WHERE ctid = $1::tid`, m.At, bite.Upto)
		return []mark{bite}, false, err
	}
	return nil, false, nil
}

// next takes the dossiers that follow in order, for a mark of everything.
func (f *Folder) next(ctx context.Context, tx *sqlx.Tx, m *mark) (int, error) {
	n, err := affected(tx.ExecContext(ctx, `INSERT INTO fold_touched (source_system, dossier_code, told) SELECT source_system, dossier_code, true FROM (
			(SELECT DISTINCT source_system, dossier_code FROM orders WHERE (source_system, dossier_code) > ($1, $2) ORDER BY 1, 2 LIMIT $3)
			UNION (SELECT DISTINCT source_system, dossier_code FROM dossiers WHERE (source_system, dossier_code) > ($1, $2) ORDER BY 1, 2 LIMIT $3)) x
		ORDER BY 1, 2 LIMIT $3`, m.Key, m.Key2, chunk))
	if err != nil || n == 0 { // all is counted; what was before is not told in changes
		if err == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM report_marks WHERE ctid = $1::tid`, m.At)
		}
		if err == nil {
			_, err = tx.ExecContext(ctx, `UPDATE report_state SET complete_since = greatest(complete_since, $1)`, f.now())
		}
		return 0, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE report_marks SET (key, key2) = (SELECT source_system, dossier_code FROM fold_touched ORDER BY 1 DESC, 2 DESC LIMIT 1) WHERE ctid = $1::tid`, m.At)
	return n, err
}

// carry counts the touched dossiers anew and carries the differences into facts and cubes.
func carry(ctx context.Context, tx *sqlx.Tx) error {
	if _, err := tx.ExecContext(ctx, `WITH cand AS MATERIALIZED (SELECT source_system, dossier_code FROM fold_touched)`+judged+`,
		fresh AS MATERIALIZED (SELECT `+storable+` FROM facts),
		stale AS MATERIALIZED (SELECT `+prefixed("f.", factColumns)+` FROM fold_touched t JOIN report_facts f USING (source_system, dossier_code))
		INSERT INTO fold_delta SELECT -1, x.* FROM (SELECT * FROM stale EXCEPT ALL SELECT * FROM fresh) x
			UNION ALL SELECT 1, x.* FROM (SELECT * FROM fresh EXCEPT ALL SELECT * FROM stale) x`,
		"infinity", "-infinity", "infinity", pq.Array([]string{})); err != nil {
		return fmt.Errorf("counting: %w", err)
	}
	for _, q := range []string{
		`INSERT INTO report_changes SELECT at, source_system, dossier_code FROM fold_touched t WHERE at > (SELECT complete_since FROM report_state)
			AND (told OR EXISTS (SELECT FROM fold_delta d WHERE d.source_system = t.source_system AND d.dossier_code = t.dossier_code)
				OR EXISTS (SELECT FROM report_facts f WHERE f.source_system = t.source_system AND f.dossier_code = t.dossier_code))`,
		`DELETE FROM report_facts f USING fold_delta d WHERE d.sign < 0 AND f.source_system = d.source_system AND f.dossier_code = d.dossier_code
			AND f.subject = d.subject AND f.order_id = d.order_id`,
		`INSERT INTO report_facts (` + factColumns + `) SELECT ` + factColumns + ` FROM fold_delta WHERE sign > 0`,
		addUp(),
	} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("carrying: %w", err)
		}
	}
	return nil
}

// addUp is the statement that carries fold_delta into the cubes: first by the finest cuts of a day, then all the coarser from those.
func addUp() string {
	var sums, up, columns, carried []string
	for _, m := range measures() {
		sums = append(sums, fmt.Sprintf("sum(sign * %s) FILTER (WHERE %s) AS %s", m.weight, m.condition(), m.column))
		up = append(up, fmt.Sprintf("nullif(sum(%s), 0)::bigint", m.column))
		columns = append(columns, m.column)
		carried = append(carried, fmt.Sprintf("%[1]s = nullif(coalesce(t.%[1]s, 0) + coalesce(excluded.%[1]s, 0), 0)", m.column))
	}
	all, added := strings.Join(columns, ", "), strings.Join(up, ", ")
	return `WITH by_procedure AS MATERIALIZED (SELECT day, procedure_code, '' AS provider, '' AS channel, agency_code, ` + strings.Join(sums, ", ") + `
			FROM fold_delta GROUP BY day, procedure_code, agency_code),
		by_channel AS MATERIALIZED (SELECT day, '' AS procedure_code, provider, channel, agency_code, ` + strings.Join(sums, ", ") + `
			FROM fold_delta WHERE subject IN ('unit', 'refunded') GROUP BY day, provider, channel, agency_code),
		rolled AS (
			SELECT g.grain, CASE WHEN g.monthly THEN date_trunc('month', d.day::timestamp)::date ELSE d.day END AS day, CASE WHEN g.cut THEN d.procedure_code ELSE '' END AS procedure_code,
				'' AS provider, '' AS channel, CASE WHEN g.agency THEN d.agency_code ELSE '' END AS agency_code, ` + added + `
			FROM by_procedure d CROSS JOIN (VALUES ('d', false, false, false), ('m', true, false, false), ('da', false, true, false), ('ma', true, true, false),
				('dp', false, false, true), ('mp', true, false, true), ('dap', false, true, true), ('map', true, true, true)) g(grain, monthly, agency, cut) GROUP BY 1, 2, 3, 4, 5, 6
			UNION ALL
			SELECT g.grain, CASE WHEN g.monthly THEN date_trunc('month', d.day::timestamp)::date ELSE d.day END, '', d.provider, d.channel, CASE WHEN g.agency THEN d.agency_code ELSE '' END, ` + added + `
			FROM by_channel d CROSS JOIN (VALUES ('dc', false, false), ('mc', true, false), ('dac', false, true), ('mac', true, true)) g(grain, monthly, agency) GROUP BY 1, 2, 3, 4, 5, 6)
		INSERT INTO report_cubes AS t (grain, day, procedure_code, provider, channel, agency_code, ` + all + `) SELECT * FROM rolled
		ON CONFLICT (grain, day, procedure_code, provider, channel, agency_code) DO UPDATE SET ` + strings.Join(carried, ", ")
}

func affected(r interface{ RowsAffected() (int64, error) }, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

func isNoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// prefixed puts a table's alias before each column.
func prefixed(alias, columns string) string {
	names := strings.Split(columns, ",")
	for i, n := range names {
		names[i] = alias + strings.TrimSpace(n)
	}
	return strings.Join(names, ", ")
}
