package reconciliation

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway"
)

// alone makes imports and matchings follow each other. One lock for all: a line may speak of another account's payment, so
// that two accounts' mornings can meet. No order, callback or look-up ever takes it. What is done under it may take its time;
// compiling its statements would take longer than running them.
func alone(ctx context.Context, tx *sqlx.Tx) error {
	_, err := tx.ExecContext(ctx, `SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '5min'; SET LOCAL jit = off`)
	if err == nil {
		_, err = tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(7310002)`)
	}
	return err
}

// frozen reports whether a day is closed or signed: nothing of it may change.
func frozen(ctx context.Context, x sqlx.QueryerContext, accountID, date string) (bool, error) {
	var is bool
	err := x.QueryRowxContext(ctx, `SELECT EXISTS (SELECT FROM days WHERE account_id = $1 AND date = $2 AND status IN ('closed', 'signed'))`, accountID, date).Scan(&is)
	return is, err
}

// makeVisible turns the staged rows into lines, in one transaction; a dry run is rolled back at the end of it.
func (r *Reconciler) makeVisible(ctx context.Context, in *reading) (*Import, error) {
	tx, err := in.conn.BeginTxx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := alone(ctx, tx); err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	if known, err := knownImport(ctx, tx, in); err != nil || known != nil {
		return known, err
	}
	if closed, err := frozen(ctx, tx, in.f.AccountID, in.f.Date); err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	} else if closed {
		return nil, &gateway.Problem{Name: ProblemDayClosed, Detail: "the day " + in.f.Date + " is closed: no file can be added to it"}
	}
	in.imp.RecordedAt = r.now()
	if in.f.Replaces != "" {
		if err := r.supersede(ctx, tx, in); err != nil {
			return nil, err
		}
	}
	if err := doubled(ctx, tx, in); err != nil {
		return nil, err
	}
	earlier, err := conflicts(ctx, tx, in)
	if err != nil {
		return nil, err
	}
	if err := insertImport(ctx, tx, in, earlier); err != nil {
		return nil, err
	}
	if in.f.DryRun {
		in.imp.ID, in.imp.Status = "", "dry_run"
		return in.imp, nil
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	return in.imp, nil
}

// insertImport adds the import, those of its lines that no earlier file of the day has, and what they move.
func insertImport(ctx context.Context, tx *sqlx.Tx, in *reading, earlier bool) error {
	i := in.imp
	findings, err := json.Marshal(i.Findings)
	if err != nil {
		return err
	}
	i.Added = i.Lines
	if earlier {
		if err := tx.GetContext(ctx, &i.Added, `WITH gone AS (DELETE FROM staged_lines s USING settlement_lines l WHERE l.account_id = $1 AND l.date = $2 AND l.key = s.key
			AND l.occurrence = s.occurrence AND l.superseded_at IS NULL RETURNING s.line_no) SELECT $3 - count(*) FROM gone`, i.AccountID, i.Date, i.Lines); err != nil {
			return fmt.Errorf("finding the new lines: %w", err)
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO imports (id, kind, account_id, date, status, file_name, sha256, lines, added, amount, fee, net, findings, replaces, imported_by, recorded_at)
		VALUES ($1, 'settlement', $2, $3, 'visible', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		i.ID, i.AccountID, i.Date, i.FileName, i.SHA256, i.Lines, i.Added, i.Amount, i.Fee, i.Net, findings, i.Replaces, i.ImportedBy, i.RecordedAt); err != nil {
		return fmt.Errorf("importing: %w", err)
	}
	if _, err := tx.ExecContext(ctx, settlementMoves, i.ID, i.AccountID, i.Date, i.RecordedAt); err != nil {
		return fmt.Errorf("posting the settlement: %w", err)
	}
	if in.f.DryRun { // all has been said
		return nil
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO settlement_lines (import_id, account_id, date, line_no, type, reference, transaction, original,
			amount, fee, net, at, own_date, row_status, success, misdirected, told_apart, key, occurrence)
		SELECT $1, $2, $3, line_no, type, reference, transaction, original, amount, fee, net, at, own_date, row_status, success, misdirected, told_apart AND NOT $4, key, occurrence
		FROM staged_lines`, i.ID, i.AccountID, i.Date, earlier); err != nil {
		return fmt.Errorf("importing the lines: %w", err)
	}
	// Whatever becomes of this process before the day is matched: another will.
	if _, err := tx.ExecContext(ctx, `INSERT INTO days_to_match (account_id, date, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, i.AccountID, i.Date, i.RecordedAt); err != nil {
		return fmt.Errorf("marking the day: %w", err)
	}
	return nil
}

// What a settlement moves, for the lines this import adds: clearing → receivable (the other way where the net is negative)
// and clearing → fee.
const settlementMoves = `WITH t AS (SELECT coalesce(sum(net), 0)::bigint AS net, coalesce(sum(fee), 0)::bigint AS fee FROM staged_lines WHERE success)
	INSERT INTO moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
	SELECT 'settlement', $1, leg, f, t, amount, $2, $3::date::timestamp AT TIME ZONE 'Asia/Ho_Chi_Minh', $4 FROM (
		SELECT 'net' AS leg, CASE WHEN net > 0 THEN 'clearing:' ELSE 'receivable:' END || $2 AS f, CASE WHEN net > 0 THEN 'receivable:' ELSE 'clearing:' END || $2 AS t, abs(net) AS amount FROM t
		UNION ALL SELECT 'fee', 'clearing:' || $2, 'fee:' || $2, fee FROM t) m WHERE amount > 0
	ON CONFLICT DO NOTHING`

// supersede takes the place of the day's files so far: their lines stand no more, their matches end, their moves go back.
// Each file is the whole day, so the newest must be named and all that came before it goes with it; naming an older one says
// that somebody has corrected the day meanwhile.
func (r *Reconciler) supersede(ctx context.Context, tx *sqlx.Tx, in *reading) error {
	var ids []string
	if err := tx.SelectContext(ctx, &ids, `SELECT id FROM imports WHERE account_id = $1 AND date = $2 AND kind = 'settlement' AND status = 'visible'
		ORDER BY recorded_at DESC, id DESC`, in.f.AccountID, in.f.Date); err != nil {
		return fmt.Errorf("finding what is replaced: %w", err)
	}
	switch at := slices.Index(ids, in.f.Replaces); {
	case at < 0:
		return invalid("replaces", "is not an import that stands for this account and day")
	case at > 0:
		return &gateway.Problem{Name: ProblemConflict, Detail: "the day's newest import is " + ids[0] + ": replace that one"}
	}
	const ofDay = `l.account_id = $3 AND l.date = $4`
	now, gone := in.imp.RecordedAt, pq.Array(ids)
	for _, step := range []struct {
		what, sql string
		args      []any
	}{
		{"ending the matches", `INSERT INTO unmatches (match_id, reason, actor, recorded_at) SELECT m.id, 'superseded', $5, $2 FROM settlement_lines l
			JOIN matches m ON m.line_id = l.id AND m.ended_at IS NULL WHERE ` + ofDay + ` AND l.import_id = ANY ($1) AND l.superseded_at IS NULL`, []any{gone, now, in.f.AccountID, in.f.Date, in.f.By}},
		{"ending the matches", `UPDATE matches m SET ended_at = $2 FROM settlement_lines l WHERE m.line_id = l.id AND m.ended_at IS NULL
			AND ` + ofDay + ` AND l.import_id = ANY ($1) AND l.superseded_at IS NULL`, []any{gone, now, in.f.AccountID, in.f.Date}},
		{"superseding the lines", `UPDATE settlement_lines l SET superseded_at = $2 WHERE ` + ofDay + ` AND import_id = ANY ($1) AND superseded_at IS NULL`, []any{gone, now, in.f.AccountID, in.f.Date}},
		{"superseding the import", `UPDATE imports SET status = 'superseded', superseded_at = $2 WHERE id = ANY ($1) AND status = 'visible'`, []any{gone, now}},
		{"taking its moves back", `INSERT INTO moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
			SELECT 'settlement_superseded', cause_id, leg, to_account, from_account, amount, account_id, effective_at, $2 FROM moves
			WHERE cause_type = 'settlement' AND cause_id = ANY ($1) ON CONFLICT DO NOTHING`, []any{gone, now}},
	} {
		if _, err := tx.ExecContext(ctx, step.sql, step.args...); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// conflicts refuses a file that changes or lacks lines of the day's files so far, and says whether there are any.
func conflicts(ctx context.Context, tx *sqlx.Tx, in *reading) (earlier bool, err error) {
	if err := tx.GetContext(ctx, &earlier, `SELECT EXISTS (SELECT FROM settlement_lines WHERE account_id = $1 AND date = $2 AND superseded_at IS NULL)`,
		in.f.AccountID, in.f.Date); err != nil || !earlier {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, `ANALYZE staged_lines`); err != nil {
		return false, fmt.Errorf("comparing with the day's earlier files: %w", err)
	}
	var found []struct {
		ImportID string `db:"import_id"`
		Key      string `db:"key"`
		Gone     bool   `db:"gone"`
		Count    int    `db:"count"`
	}
	if err := tx.SelectContext(ctx, &found, `SELECT l.import_id, l.reference || ' ' || l.transaction AS key, s.key IS NULL AS gone, count(*) OVER () AS count
		FROM settlement_lines l LEFT JOIN staged_lines s USING (key, occurrence)
		WHERE l.account_id = $1 AND l.date = $2 AND l.superseded_at IS NULL AND (s.key IS NULL
		OR (l.type, l.amount, l.fee, l.net, l.success, l.misdirected, l.row_status, l.reference, l.transaction, l.original, l.at, l.own_date)
		IS DISTINCT FROM (s.type, s.amount, s.fee, s.net, s.success, s.misdirected, s.row_status, s.reference, s.transaction, s.original, s.at, s.own_date))
		ORDER BY l.line_no LIMIT 100`, in.f.AccountID, in.f.Date); err != nil {
		return false, fmt.Errorf("comparing with the day's earlier files: %w", err)
	}
	if len(found) == 0 {
		return true, nil
	}
	var newest string
	if err := tx.GetContext(ctx, &newest, `SELECT id FROM imports WHERE account_id = $1 AND date = $2 AND kind = 'settlement' AND status = 'visible'
		ORDER BY recorded_at DESC, id DESC LIMIT 1`, in.f.AccountID, in.f.Date); err != nil {
		return false, fmt.Errorf("comparing with the day's earlier files: %w", err)
	}
	p := &gateway.Problem{Name: ProblemConflict, Detail: fmt.Sprintf("%d rows of the day's earlier files are changed or missing in this one; to put it in their place say replaces=%s", found[0].Count, newest)}
	for _, f := range found {
		detail := "is changed"
		if f.Gone {
			detail = "is missing"
		}
		p.Fields = append(p.Fields, gateway.FieldError{Field: "file", Detail: "row " + f.Key + " of " + f.ImportID + " " + detail})
	}
	return false, p
}

// doubled numbers the rows that stand in the file more than once, and names them. Which keys may have come again, hashes
// told while the file was read; only of very many all keys are looked at.
func doubled(ctx context.Context, tx *sqlx.Tx, in *reading) error {
	if len(in.again) == 0 {
		return nil
	}
	var again []int
	if err := tx.SelectContext(ctx, &again, `UPDATE staged_lines s SET occurrence = o.n FROM (
			SELECT line_no, row_number() OVER (PARTITION BY key ORDER BY line_no) AS n FROM staged_lines WHERE $2 OR key = ANY ($1)) o
		WHERE o.line_no = s.line_no AND o.n > 1 RETURNING s.line_no`, pq.Array(in.again), len(in.again) >= maxAgain); err != nil {
		return fmt.Errorf("looking for doubled rows: %w", err)
	}
	slices.Sort(again)
	again = again[:min(len(again), MaxFindings)]
	for _, line := range again {
		in.finding(line, "duplicate_line", "the same row stands in this file before")
	}
	slices.SortStableFunc(in.imp.Findings, func(a, b Finding) int { return a.Line - b.Line })
	return nil
}

// knownImport finds the import of the very same bytes. The same file without rows is the same import only on the same day: such
// files are all alike.
func knownImport(ctx context.Context, tx *sqlx.Tx, in *reading) (*Import, error) {
	known, err := oneImport(ctx, tx, `i.sha256 = $1 AND i.status = 'visible' AND (i.lines > 0 OR (i.account_id = $2 AND i.date = $3))`, in.imp.SHA256, in.f.AccountID, in.f.Date)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking for the same file: %w", err)
	case known.AccountID != in.f.AccountID || known.Date != in.f.Date:
		return nil, &gateway.Problem{Name: ProblemConflict, Detail: conflictKnownAnother}
	}
	known.Known = true
	return known, nil
}

// oneImport reads one import; sql.ErrNoRows where there is none.
func oneImport(ctx context.Context, x sqlx.QueryerContext, where string, args ...any) (*Import, error) {
	rows, err := readImports(ctx, x, where+` LIMIT 1`, args...)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, sql.ErrNoRows
	}
	return &rows[0], nil
}

func readImports(ctx context.Context, x sqlx.QueryerContext, where string, args ...any) ([]Import, error) {
	rows, err := x.QueryxContext(ctx, `SELECT i.id, i.account_id, i.date::text, i.status, i.file_name, i.sha256, i.lines,
			i.added, i.amount, i.fee, i.net, i.findings, i.replaces, i.imported_by, i.recorded_at, i.superseded_at
		FROM imports i JOIN merchant_accounts a ON a.id = i.account_id WHERE i.kind = 'settlement' AND `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []Import{}
	for rows.Next() {
		var k Import
		var findings []byte
		if err := rows.Scan(&k.ID, &k.AccountID, &k.Date, &k.Status, &k.FileName, &k.SHA256, &k.Lines, &k.Added, &k.Amount, &k.Fee, &k.Net, &findings,
			&k.Replaces, &k.ImportedBy, &k.RecordedAt, &k.SupersededAt); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(findings, &k.Findings); err != nil {
			return nil, fmt.Errorf("import %s: %w", k.ID, err)
		}
		out = append(out, k)
	}
	return out, rows.Err()
}
