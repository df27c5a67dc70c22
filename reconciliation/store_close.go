package reconciliation

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/reconciliation/document"
)

const stateColumns = `d.account_id, d.date::text AS date, d.status, d.version, d.closed_by, d.closed_at, d.signed_by, d.signed_at, d.figures_sha256, d.sha256, d.previous`

// dayState reads a day, one that nothing happened on too, and may lock it.
func dayState(ctx context.Context, x sqlx.QueryerContext, accountID, date string, lock bool) (*DayState, error) {
	s := DayState{AccountID: accountID, Date: date, Status: dayOpen}
	query := `SELECT ` + stateColumns + ` FROM days d WHERE account_id = $1 AND date = $2`
	if lock {
		query += ` FOR UPDATE`
	}
	if err := sqlx.GetContext(ctx, x, &s, query, accountID, date); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("reading the day %s of %s: %w", date, accountID, err)
	}
	if !s.Closed() { // what an earlier closing left stands in its version
		s.ClosedBy, s.ClosedAt, s.SignedBy, s.SignedAt, s.FiguresSHA256, s.SHA256, s.Previous = nil, nil, nil, nil, nil, nil, nil
	}
	return &s, nil
}

func nameOf(ctx context.Context, x sqlx.QueryerContext, user string) (string, error) {
	var name string
	err := sqlx.GetContext(ctx, x, &name, `SELECT name FROM users WHERE id = $1`, user)
	if errors.Is(err, sql.ErrNoRows) {
		return user, nil
	}
	return name, err
}

type unfinishedDiscrepancy struct {
	ID       string  `db:"id"`
	Kind     string  `db:"kind"`
	Owner    *string `db:"owner"`
	Deadline *string `db:"deadline"`
	Action   *string `db:"action"`
	Proposal *int    `db:"proposal"`
}

// unfinished are a day's open discrepancies that keep it from being closed.
func unfinished(ctx context.Context, x sqlx.QueryerContext, accountID, date string) ([]unfinishedDiscrepancy, error) {
	var out []unfinishedDiscrepancy
	if err := sqlx.SelectContext(ctx, x, &out, `SELECT * FROM (SELECT d.id, d.kind, d.owner, d.deadline::text AS deadline, d.action,
			(SELECT n FROM resolutions p WHERE p.discrepancy_id = d.id AND p.status = 'proposed') AS proposal
			FROM discrepancies d WHERE d.account_id = $1 AND d.date = $2 AND d.status <> 'resolved') o
		WHERE owner IS NULL OR deadline IS NULL OR action IS NULL OR proposal IS NOT NULL OR kind = 'statement_gap' ORDER BY id LIMIT 101`, accountID, date); err != nil {
		return nil, fmt.Errorf("reading open discrepancies: %w", err)
	}
	return out, nil
}

// freeze writes a closing: its items, its figures, and the day's new state.
func (r *Reconciler) freeze(ctx context.Context, tx *sqlx.Tx, s *DayState, day *Day, actor string, now time.Time) error {
	n, now := s.Version+1, now.UTC().Truncate(time.Microsecond)
	var f Figures
	f.of(day)
	if err := lists(ctx, tx, &f, now); err != nil {
		return err
	}
	// The items are taken as one set; money that came in since the day was added up begins it all again.
	if _, err := tx.ExecContext(ctx, `WITH i AS (
			SELECT id, status = 'succeeded' AS done, received_amount::bigint AS amount, by_transfer AS by_bank, by_transfer AND `+paymentStated+` AS stated FROM payments p
				WHERE account_id = $1 AND status IN ('succeeded', 'reversed') AND business_day(paid_at) = $2::date
			UNION ALL SELECT id, true, -amount::bigint, manual, manual AND `+refundStated+` FROM refunds f WHERE account_id = $1 AND status = 'succeeded' AND business_day(effective_at) = $2::date)
		INSERT INTO day_frozen (account_id, date, n, item_id, amount, stated, awaited)
		SELECT $1, $2::date, $3::int, id, CASE WHEN done THEN amount ELSE 0 END, CASE WHEN stated THEN amount ELSE 0 END, by_bank AND NOT stated FROM i WHERE done OR stated`, s.AccountID, s.Date, n); err != nil {
		return fmt.Errorf("closing the day %s: %w", s.Date, err)
	}
	digest, count, amount, err := frozenItems(ctx, tx, s.AccountID, s.Date, n)
	if err != nil {
		return err
	}
	landed, left, err := adjusted(ctx, tx, s.AccountID, s.Date)
	if err != nil {
		return err
	}
	if count+landed.Count-left.Count != day.Payments.Count || amount+landed.Amount-left.Amount != day.Payments.Amount {
		return errMoved
	}
	f.ItemsSHA256 = digest
	text, sum, err := document.Canonical(&f)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO day_versions (account_id, date, n, figures, figures_sha256, closed_by, closed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		s.AccountID, s.Date, n, text, sum, actor, now); err != nil {
		return fmt.Errorf("closing the day %s: %w", s.Date, err)
	}
	if s.Status != dayMatched { // a day without money has no file
		if _, err := tx.ExecContext(ctx, `INSERT INTO days (account_id, date, status, matched_at) VALUES ($1, $2, 'matched', $3)
			ON CONFLICT (account_id, date) DO UPDATE SET status = 'matched', matched_at = $3`, s.AccountID, s.Date, now); err != nil {
			return fmt.Errorf("closing the day %s: %w", s.Date, err)
		}
	}
	res, err := tx.ExecContext(ctx, `UPDATE days SET status = 'closed', version = $3, closed_by = $4, closed_at = $5, figures = $6, figures_sha256 = $7, signed_by = NULL, signed_at = NULL, sha256 = NULL, previous = NULL
		WHERE account_id = $1 AND date = $2 AND status = 'matched'`, s.AccountID, s.Date, n, actor, now, text, sum)
	return one(res, err, "closing the day "+s.Date)
}

// one holds a guarded update to its row.
func one(res sql.Result, err error, what string) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%s: %d rows: %w", what, n, err)
	}
	return nil
}

// frozenItems hashes the payments and refunds that a closing counted, row by row: a day may have a million.
func frozenItems(ctx context.Context, x sqlx.QueryerContext, accountID, date string, n int) (digest string, count int64, amount vnd.Signed, err error) {
	rows, err := x.QueryContext(ctx, `SELECT item_id, amount, stated FROM day_frozen WHERE account_id = $1 AND date = $2 AND n = $3 ORDER BY item_id COLLATE "C"`, accountID, date, n)
	if err != nil {
		return "", 0, 0, fmt.Errorf("reading the day's payments: %w", err)
	}
	defer rows.Close()
	sum := sha256.New()
	for rows.Next() {
		var id string
		var a, stated vnd.Signed
		if err := rows.Scan(&id, &a, &stated); err != nil {
			return "", 0, 0, fmt.Errorf("reading the day's payments: %w", err)
		}
		_, _ = sum.Write([]byte(id + " " + a.String() + " " + stated.String() + "\n"))
		if a != 0 {
			count++
		}
		amount += a
	}
	return hex.EncodeToString(sum.Sum(nil)), count, amount, rows.Err()
}

// lists fills in what the figures rest on, in a fixed order: files that came before a time.
func lists(ctx context.Context, x sqlx.QueryerContext, f *Figures, until time.Time) error {
	f.Imports, f.Discrepancies, f.Adjusted = []FiledImport{}, []NamedDifference{}, []Adjustment{}
	if err := sqlx.SelectContext(ctx, x, &f.Imports, `WITH s AS (SELECT $1::text AS account_id, $2::date AS date)
		SELECT kind, id, sha256, lines, amount FROM imports WHERE status = 'visible' AND recorded_at < $3 AND (account_id = $1 AND date = $2 OR id IN (SELECT import_id FROM (`+statementsOf+`) c)) ORDER BY recorded_at, id COLLATE "C"`,
		f.AccountID, f.Date, until); err != nil {
		return fmt.Errorf("listing the day's files: %w", err)
	}
	if err := sqlx.SelectContext(ctx, x, &f.Discrepancies, `SELECT id, kind, status, amount, effect, bank_effect, action, owner, deadline::text AS deadline FROM discrepancies
		WHERE account_id = $1 AND date = $2 AND (status <> 'resolved' OR effect <> 0 OR bank_effect <> 0) ORDER BY id COLLATE "C"`, f.AccountID, f.Date); err != nil {
		return fmt.Errorf("listing the day's discrepancies: %w", err)
	}
	var err error
	f.Adjusted, err = adjustments(ctx, x, `account_id = $1 AND date = $2`, f.AccountID, f.Date)
	return err
}

// noLonger says what of a closed day's figures its rows no longer tell.
func (r *Reconciler) noLonger(ctx context.Context, tx sqlx.QueryerContext, s *DayState) ([]gateway.FieldError, error) {
	var text string
	if err := sqlx.GetContext(ctx, tx, &text, `SELECT figures FROM day_versions WHERE account_id = $1 AND date = $2 AND n = $3`, s.AccountID, s.Date, s.Version); err != nil {
		return nil, fmt.Errorf("reading the closing of %s: %w", s.Date, err)
	}
	var was Figures
	if err := json.Unmarshal([]byte(text), &was); err != nil {
		return nil, fmt.Errorf("reading the closing of %s: %w", s.Date, err)
	}
	day, err := r.dayNow(ctx, tx, s.AccountID, s.Date)
	if err != nil {
		return nil, err
	}
	var is Figures
	is.of(day)
	if err := lists(ctx, tx, &is, *s.ClosedAt); err != nil {
		return nil, err
	}
	if is.ItemsSHA256, _, _, err = frozenItems(ctx, tx, s.AccountID, s.Date, s.Version); err != nil {
		return nil, err
	}
	// A line that was free may have met its payment since, one that had met may be reversed: that is no change of what was closed.
	if err := sqlx.GetContext(ctx, tx, &is.Matched, `SELECT count(*) AS count, coalesce(sum(amount), 0)::bigint AS amount FROM (
			SELECT CASE s.type WHEN 'payment' THEN s.amount ELSE -s.amount END AS amount FROM settlement_lines s JOIN matches m ON m.line_id = s.id AND m.ended_at IS NULL AND m.recorded_at <= $3
				WHERE s.account_id = $1 AND s.date = $2 AND s.superseded_at IS NULL
			UNION ALL SELECT stated FROM day_frozen WHERE account_id = $1 AND date = $2 AND n = $4 AND stated <> 0 AND amount <> 0) m`,
		s.AccountID, s.Date, s.ClosedAt, s.Version); err != nil {
		return nil, fmt.Errorf("counting the day's matches: %w", err)
	}
	before, _, err := document.Canonical(was.settledFacts())
	if err != nil {
		return nil, err
	}
	after, _, err := document.Canonical(is.settledFacts())
	if err != nil {
		return nil, err
	}
	changes, err := diff(before, after)
	return asErrors(changes), err
}

// seal writes a signature behind the account's last one, and tells the portals.
func (r *Reconciler) seal(ctx context.Context, tx *sqlx.Tx, s *DayState, actor string, now time.Time) error {
	doc := signedDocument{AccountID: s.AccountID, Date: s.Date, Version: s.Version, Seq: 1, ClosedBy: *s.ClosedBy, ClosedAt: s.ClosedAt.UTC(), SignedBy: actor, SignedAt: now.UTC().Truncate(time.Microsecond)}
	var last struct {
		Seq    int64  `db:"seq"`
		SHA256 string `db:"sha256"`
	}
	err := tx.GetContext(ctx, &last, `SELECT seq, sha256 FROM day_signatures WHERE account_id = $1 ORDER BY seq DESC LIMIT 1`, s.AccountID)
	if err == nil {
		doc.Seq, doc.Previous = last.Seq+1, &last.SHA256
	} else if !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("signing the day %s: %w", s.Date, err)
	}
	var figures string
	if err := tx.GetContext(ctx, &figures, `SELECT figures FROM day_versions WHERE account_id = $1 AND date = $2 AND n = $3`, s.AccountID, s.Date, s.Version); err != nil {
		return fmt.Errorf("signing the day %s: %w", s.Date, err)
	}
	doc.Figures = json.RawMessage(figures)
	text, sum, err := document.Canonical(&doc)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO day_signatures (account_id, seq, date, n, document, sha256, previous, closed_by, signed_by, signed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		s.AccountID, doc.Seq, s.Date, s.Version, text, sum, doc.Previous, doc.ClosedBy, actor, doc.SignedAt); err != nil {
		return fmt.Errorf("signing the day %s: %w", s.Date, err)
	}
	res, err := tx.ExecContext(ctx, `UPDATE days SET status = 'signed', signed_by = $3, signed_at = $4, sha256 = $5, previous = $6 WHERE account_id = $1 AND date = $2 AND status = 'closed'`,
		s.AccountID, s.Date, actor, doc.SignedAt, sum, doc.Previous)
	if err := one(res, err, "signing the day "+s.Date); err != nil {
		return err
	}
	return r.gateway.TellDaySigned(ctx, tx, gateway.DaySigned{AccountID: s.AccountID, Date: s.Date, Version: s.Version, SHA256: sum, Previous: doc.Previous, SignedAt: doc.SignedAt})
}

const reopeningColumns = `id, n, status, reason, asked_by, asked_as, asked_at, decided_by, decided_as, decided_at`

// reopening is the wish to open a day again that waits for a decision; nil where there is none.
func reopening(ctx context.Context, x sqlx.QueryerContext, accountID, date string) (*Reopening, error) {
	var o Reopening
	err := sqlx.GetContext(ctx, x, &o, `SELECT `+reopeningColumns+` FROM day_reopenings WHERE account_id = $1 AND date = $2 AND status = 'proposed'`, accountID, date)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading who wants the day %s opened: %w", date, err)
	}
	return &o, nil
}

func askReopening(ctx context.Context, tx *sqlx.Tx, s *DayState, actor, as, reason string, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO day_reopenings (account_id, date, n, reason, asked_by, asked_as, asked_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		s.AccountID, s.Date, s.Version, reason, actor, as, now); err != nil {
		return fmt.Errorf("asking for the day %s to be opened: %w", s.Date, err)
	}
	return nil
}

func decideReopening(ctx context.Context, tx *sqlx.Tx, s *DayState, o *Reopening, actor, as string, approve bool, now time.Time) error {
	to := "rejected"
	if approve {
		to = "approved"
	}
	res, err := tx.ExecContext(ctx, `UPDATE day_reopenings SET status = $2, decided_by = $3, decided_as = $4, decided_at = $5 WHERE id = $1 AND status = 'proposed'`, o.ID, to, actor, as, now)
	if err := one(res, err, "deciding on the day "+s.Date); err != nil || !approve {
		return err
	}
	res, err = tx.ExecContext(ctx, `UPDATE days SET status = 'reopened' WHERE account_id = $1 AND date = $2 AND status = $3`, s.AccountID, s.Date, s.Status)
	return one(res, err, "opening the day "+s.Date)
}
