package reconciliation

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway/vnd"
)

type stagedRow struct {
	ImportID                         string
	LineNo                           int64
	Type                             string
	Reference, Transaction, Original string
	Amount, Fee                      vnd.Amount
	Net                              vnd.Signed
	At                               time.Time
	OwnDate, RowStatus               string
	Success                          bool
	Key                              string
}

// stage copies the rows read so far into the unlogged staging table: a short transaction, invisible to everybody.
func (r *Reconciler) stage(ctx context.Context, in *reading) error {
	if len(in.rows) == 0 || len(in.errs) > 0 {
		in.rows = in.rows[:0]
		return nil
	}
	tx, err := r.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("staging: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing
	stmt, err := tx.PrepareContext(ctx, `COPY settlement_staging (import_id, line_no, type, reference, transaction, original, amount, fee, net, at, own_date,
		row_status, success, key) FROM STDIN`)
	if err != nil {
		return fmt.Errorf("staging: %w", err)
	}
	for i := range in.rows {
		s := &in.rows[i]
		if _, err := stmt.ExecContext(ctx, s.ImportID, s.LineNo, s.Type, s.Reference, s.Transaction, s.Original, s.Amount, s.Fee, s.Net,
			s.At.Format(time.RFC3339Nano), s.OwnDate, s.RowStatus, s.Success, s.Key); err != nil {
			return fmt.Errorf("staging line %d: %w", s.LineNo, err)
		}
	}
	if _, err := stmt.ExecContext(ctx); err != nil {
		return fmt.Errorf("staging: %w", err)
	}
	if err := errors.Join(stmt.Close(), tx.Commit()); err != nil {
		return fmt.Errorf("staging: %w", err)
	}
	in.rows = in.rows[:0]
	return nil
}

// unstage empties the staging table of this import, whatever became of it.
func (r *Reconciler) unstage(ctx context.Context, id string) {
	// A failure leaves rows that nobody reads: their import id never becomes visible.
	_, _ = r.db.ExecContext(ctx, `DELETE FROM settlement_staging WHERE import_id = $1`, id)
}

// lockDay makes imports and matchings of one account follow each other; it is never taken by orders or callbacks.
func lockDay(ctx context.Context, tx *sqlx.Tx, accountID string) error {
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('settlement:' || $1, 0))`, accountID)
	return err
}

const staged = `WITH s AS (SELECT *, row_number() OVER (PARTITION BY key ORDER BY line_no)::int AS occurrence
	FROM settlement_staging WHERE import_id = $1) `

// makeVisible turns the staged rows into lines, in one transaction.
func (r *Reconciler) makeVisible(ctx context.Context, in *reading) (*Import, error) {
	tx, err := r.db.BeginTxx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := lockDay(ctx, tx, in.f.AccountID); err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	if known, err := knownImport(ctx, tx, in); err != nil || known != nil {
		return known, err
	}
	var conflicts int
	if err := tx.GetContext(ctx, &conflicts, staged+`SELECT count(*) FROM settlement_lines l LEFT JOIN s USING (key, occurrence)
		WHERE l.account_id = $2 AND l.date = $3 AND l.superseded_at IS NULL AND (s.key IS NULL
		OR (l.type, l.amount, l.fee, l.net, l.success, l.row_status, l.reference, l.transaction)
		IS DISTINCT FROM (s.type, s.amount, s.fee, s.net, s.success, s.row_status, s.reference, s.transaction))`, in.id, in.f.AccountID, in.f.Date); err != nil {
		return nil, fmt.Errorf("comparing with the day's earlier files: %w", err)
	}
	if conflicts > 0 {
		return nil, fmt.Errorf("%w (%d lines)", ErrConflict, conflicts)
	}
	findings, err := json.Marshal(in.imp.Findings)
	if err != nil {
		return nil, err
	}
	i := in.imp
	if _, err := tx.ExecContext(ctx, `INSERT INTO imports (id, kind, account_id, date, status, file_name, sha256, lines, amount, fee, net, findings, imported_by, recorded_at)
		VALUES ($1, 'settlement', $2, $3, 'visible', $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		i.ID, i.AccountID, i.Date, in.f.Name, i.SHA256, i.Lines, i.Amount, i.Fee, i.Net, findings, in.f.By, r.now()); err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	if _, err := tx.ExecContext(ctx, staged+`INSERT INTO settlement_lines (import_id, account_id, date, line_no, type, reference, transaction, original,
			amount, fee, net, at, own_date, row_status, success, key, occurrence)
		SELECT import_id, $2, $3, line_no, type, reference, transaction, original, amount, fee, net, at, own_date, row_status, success, key, occurrence
		FROM s WHERE NOT EXISTS (SELECT FROM settlement_lines l WHERE l.account_id = $2 AND l.date = $3 AND l.key = s.key
			AND l.occurrence = s.occurrence AND l.superseded_at IS NULL) ORDER BY line_no`, in.id, i.AccountID, i.Date); err != nil {
		return nil, fmt.Errorf("importing the lines: %w", err)
	}
	if _, err := tx.ExecContext(ctx, settlementMoves, in.id, i.AccountID, i.Date, r.now()); err != nil {
		return nil, fmt.Errorf("posting the settlement: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	return i, nil
}

// What a settlement moves, for the lines this import added: clearing → receivable (the other way where the net is negative)
// and clearing → fee.
const settlementMoves = `WITH t AS (SELECT coalesce(sum(net), 0)::bigint AS net, coalesce(sum(fee), 0)::bigint AS fee FROM settlement_lines WHERE import_id = $1 AND success)
	INSERT INTO moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
	SELECT 'settlement', $1, leg, f, t, amount, $2, $3::date::timestamp AT TIME ZONE 'Asia/Ho_Chi_Minh', $4 FROM (
		SELECT 'net' AS leg, CASE WHEN net > 0 THEN 'clearing:' ELSE 'receivable:' END || $2 AS f, CASE WHEN net > 0 THEN 'receivable:' ELSE 'clearing:' END || $2 AS t, abs(net) AS amount FROM t
		UNION ALL SELECT 'fee', 'clearing:' || $2, 'fee:' || $2, fee FROM t) m WHERE amount > 0`

// knownImport finds the import of the very same bytes, or of an empty file of this day.
func knownImport(ctx context.Context, tx *sqlx.Tx, in *reading) (*Import, error) {
	if in.imp.Lines == 0 {
		return nil, nil
	}
	k := &Import{Known: true}
	var findings []byte
	err := tx.QueryRowContext(ctx, `SELECT id, account_id, date::text, sha256, lines, amount, fee, net, findings FROM imports
		WHERE sha256 = $1 AND status = 'visible' AND lines > 0`, in.imp.SHA256).
		Scan(&k.ID, &k.AccountID, &k.Date, &k.SHA256, &k.Lines, &k.Amount, &k.Fee, &k.Net, &findings)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking for the same file: %w", err)
	case k.AccountID != in.f.AccountID || k.Date != in.f.Date:
		return nil, ErrSameBytes
	}
	return k, json.Unmarshal(findings, &k.Findings)
}

// unpaid gives the day's lines that settle payments which are not recorded as paid here.
func (r *Reconciler) unpaid(ctx context.Context, accountID, date string) ([]unpaidLine, error) {
	var out []unpaidLine
	err := r.db.SelectContext(ctx, &out, `SELECT l.reference, l.transaction, l.amount, l.at FROM settlement_lines l
		JOIN payments p ON p.account_id = l.account_id AND p.provider_reference = l.reference
		WHERE l.account_id = $1 AND l.date = $2 AND l.superseded_at IS NULL AND l.success AND l.type = 'payment' AND l.occurrence = 1
		AND p.status IN ('created', 'pending', 'failed', 'expired') ORDER BY l.id`, accountID, date)
	if err != nil {
		return nil, fmt.Errorf("finding settled payments that are not paid here: %w", err)
	}
	return out, nil
}

type unpaidLine struct {
	Reference   string     `db:"reference"`
	Transaction string     `db:"transaction"`
	Amount      vnd.Amount `db:"amount"`
	At          time.Time  `db:"at"`
}

// match pairs lines and payments by the provider's transaction, then by our reference, never by amount alone; a pair whose
// amounts differ is not a match. The unique indexes of matches hold exclusiveness, whoever else runs.
func (r *Reconciler) match(ctx context.Context, accountID, date string, healed []string) error {
	tx, err := r.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("matching: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := lockDay(ctx, tx, accountID); err != nil {
		return fmt.Errorf("matching: %w", err)
	}
	now := r.now()
	for _, rule := range []struct{ name, on string }{
		{"transaction", "p.provider_transaction = l.transaction AND l.transaction <> ''"}, {"reference", "p.provider_reference = l.reference"},
	} {
		if _, err := tx.ExecContext(ctx, `INSERT INTO matches (payment_id, line_id, account_id, rule, recorded_at)
			SELECT DISTINCT ON (p.id) p.id, l.id, $1, $3, $4 FROM settlement_lines l
			JOIN payments p ON p.account_id = l.account_id AND p.status = 'succeeded' AND p.received_amount = l.amount AND `+rule.on+`
			WHERE l.account_id = $1 AND l.date = $2 AND l.superseded_at IS NULL AND l.success AND l.type = 'payment' AND l.occurrence = 1
			AND NOT EXISTS (SELECT FROM matches m WHERE m.line_id = l.id AND m.ended_at IS NULL)
			AND NOT EXISTS (SELECT FROM matches m WHERE m.payment_id = p.id AND m.ended_at IS NULL)
			ORDER BY p.id, l.id`, accountID, date, rule.name, now); err != nil {
			return fmt.Errorf("matching by %s: %w", rule.name, err)
		}
	}
	var days []string
	if err := tx.SelectContext(ctx, &days, `SELECT DISTINCT business_day(p.paid_at)::text FROM settlement_lines l JOIN matches m ON m.line_id = l.id AND m.ended_at IS NULL
		JOIN payments p ON p.id = m.payment_id WHERE l.account_id = $1 AND l.date = $2 UNION SELECT $2::date::text`, accountID, date); err != nil {
		return fmt.Errorf("finding the days it touches: %w", err)
	}
	for _, day := range days {
		if err := r.name(ctx, tx, accountID, day, now, healed); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO days (account_id, date, status, matched_at) VALUES ($1, $2, 'matched', $3)
		ON CONFLICT (account_id, date) DO UPDATE SET status = CASE WHEN days.status IN ('open', 'reopened') THEN 'matched' ELSE days.status END, matched_at = $3`,
		accountID, date, now); err != nil {
		return fmt.Errorf("marking the day: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("matching: %w", err)
	}
	return nil
}

// name computes the day's discrepancies from the rows as they stand and brings the list to that: new ones are opened, changed
// ones updated, healed ones resolved. The same rows give the same list, whatever order they came in.
func (r *Reconciler) name(ctx context.Context, tx *sqlx.Tx, accountID, day string, now time.Time, healed []string) error {
	if _, err := tx.ExecContext(ctx, nameDiscrepancies, accountID, day, now, pq.Array(healed)); err != nil {
		return fmt.Errorf("naming the differences of %s: %w", day, err)
	}
	return nil
}
