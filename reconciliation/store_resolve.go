package reconciliation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

const resolutionColumns = `n, action, status, order_id, payment_id, note, proposed_by, proposed_at, decided_by, decided_at`

// inLock runs f alone among imports, matchings and resolutions: the lock comes first, then rows, so that none waits crosswise.
func (r *Reconciler) inLock(ctx context.Context, f func(*sqlx.Tx) error) error {
	tx, err := r.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := alone(ctx, tx); err != nil {
		return fmt.Errorf("waiting for the matching: %w", err)
	}
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// openDiscrepancy locks a discrepancy that something can be done about.
func (r *Reconciler) openDiscrepancy(ctx context.Context, tx *sqlx.Tx, c gateway.Caller, id string) (*Discrepancy, error) {
	d, err := r.oneDiscrepancy(ctx, tx, c, id, true)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("discrepancy")
	}
	if err != nil {
		return nil, fmt.Errorf("reading discrepancy %s: %w", id, err)
	}
	if d.Status == "resolved" {
		return nil, &gateway.Problem{Name: ProblemResolution, Detail: "the discrepancy is resolved"}
	}
	var waiting int
	err = tx.GetContext(ctx, &waiting, `SELECT n FROM resolutions WHERE discrepancy_id = $1 AND status = 'proposed'`, id)
	if err == nil {
		return nil, &gateway.Problem{Name: ProblemResolution, Detail: "resolution " + strconv.Itoa(waiting) + " waits for another person's decision"}
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("reading discrepancy %s: %w", id, err)
	}
	return d, nil
}

// insertResolution writes a proposal under the discrepancy's next number.
func insertResolution(ctx context.Context, tx *sqlx.Tx, id string, p *Resolution) error {
	err := tx.GetContext(ctx, &p.N, `INSERT INTO resolutions (discrepancy_id, n, action, status, order_id, payment_id, note, proposed_by, proposed_at)
		SELECT $1, coalesce(max(n), 0) + 1, $2, $3, $4, $5, $6, $7, $8 FROM resolutions WHERE discrepancy_id = $1 RETURNING n`,
		id, p.Action, p.Status, p.OrderID, p.PaymentID, p.Note, p.ProposedBy, p.ProposedAt)
	if err != nil {
		return fmt.Errorf("proposing a resolution: %w", err)
	}
	return nil
}

// finishResolution is a guarded update: a proposal is decided once.
func finishResolution(ctx context.Context, tx *sqlx.Tx, id string, p *Resolution) error {
	res, err := tx.ExecContext(ctx, `UPDATE resolutions SET status = $3, payment_id = $4, decided_by = $5, decided_at = $6
		WHERE discrepancy_id = $1 AND n = $2 AND status = 'proposed'`, id, p.N, p.Status, p.PaymentID, p.DecidedBy, p.DecidedAt)
	if err != nil {
		return fmt.Errorf("deciding on a resolution: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("deciding on resolution %d of %s: %d rows: %w", p.N, id, n, err)
	}
	return nil
}

func oneResolution(ctx context.Context, tx *sqlx.Tx, id string, n int) (*Resolution, error) {
	var p Resolution
	err := tx.GetContext(ctx, &p, `SELECT `+resolutionColumns+` FROM resolutions WHERE discrepancy_id = $1 AND n = $2 FOR UPDATE`, id, n)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("resolution")
	}
	if err != nil {
		return nil, fmt.Errorf("reading resolution %d of %s: %w", n, id, err)
	}
	return &p, nil
}

// decided is what a person's word changes of a discrepancy; "" leaves a field as it is.
type decided struct {
	What, Status, Action, Owner, Deadline, Payment string
	Actor, Note                                    string
	At                                             time.Time
}

func changeDiscrepancy(ctx context.Context, tx *sqlx.Tx, d *Discrepancy, s decided) error {
	if s.Status == "" || (s.Status == "investigating" && d.Status != "open") {
		s.Status = d.Status
	}
	res, err := tx.ExecContext(ctx, `WITH changed AS (
			UPDATE discrepancies SET status = $3, action = coalesce(nullif($4, ''), action), owner = coalesce(nullif($5, ''), owner),
				deadline = coalesce(nullif($6, '')::date, deadline), payment_id = coalesce(nullif($10, ''), payment_id), resolved_at = CASE WHEN $3 = 'resolved' THEN $9 ELSE resolved_at END
			WHERE id = $1 AND status = $2 RETURNING id, status, effect, owner, deadline)
		INSERT INTO discrepancy_history (discrepancy_id, status, effect, actor, note, recorded_at, what, owner, deadline)
		SELECT id, status, effect, $7, $8, $9, $11, owner, deadline FROM changed`,
		d.ID, d.Status, s.Status, s.Action, s.Owner, s.Deadline, s.Actor, s.Note, s.At, s.Payment, s.What)
	if err != nil {
		return fmt.Errorf("changing discrepancy %s: %w", d.ID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("changing discrepancy %s: %d rows: %w", d.ID, n, err)
	}
	return nil
}

// moveOff moves what is claimed or written off out of what the provider owes us; the other way where it paid us too much. What was claimed or written
// off of it before goes back: the money is in one place.
func (r *Reconciler) moveOff(ctx context.Context, tx *sqlx.Tx, d *Discrepancy, p *Resolution) error {
	sum := d.movable()
	if sum == 0 {
		return nil
	}
	holder := "receivable:" // what the provider owes; a credit that belongs to nothing is money of the bank that nobody owed
	if d.Kind == "bank_unmatched" {
		holder = "bank:"
	}
	from, to := holder+d.AccountID, map[string]string{ClaimFromProvider: "claim:", WriteOff: "written_off:"}[p.Action]+d.AccountID
	if sum < 0 {
		from, to, sum = to, from, -sum
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
		SELECT 'resolution_undone', m.cause_id, m.leg, m.to_account, m.from_account, m.amount, m.account_id, $2, $2 FROM resolutions r JOIN moves m ON m.cause_type = 'resolution' AND m.cause_id = r.discrepancy_id || '/' || r.n
		WHERE r.discrepancy_id = $1 AND r.status = 'done' AND r.n <> $3 ON CONFLICT DO NOTHING`, d.ID, *p.DecidedAt, p.N); err != nil {
		return fmt.Errorf("posting a resolution: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
		VALUES ('resolution', $1, $2, $3, $4, $5, $6, $7, $7)`, d.ID+"/"+strconv.Itoa(p.N), p.Action, from, to, vnd.Amount(sum), d.AccountID, *p.DecidedAt); err != nil {
		return fmt.Errorf("posting a resolution: %w", err)
	}
	return nil
}

type foundLine struct {
	Reference   string     `db:"reference"`
	Transaction string     `db:"transaction"`
	Amount      vnd.Amount `db:"amount"`
	At          time.Time  `db:"at"`
}

// liveLine reads a line that stands and is matched with nothing.
func liveLine(ctx context.Context, tx *sqlx.Tx, id int64) (*foundLine, error) {
	var l foundLine
	err := tx.GetContext(ctx, &l, `SELECT reference, transaction, amount, at FROM settlement_lines l WHERE id = $1 AND superseded_at IS NULL AND success
		AND type = 'payment' AND NOT EXISTS (SELECT FROM matches m WHERE m.line_id = l.id AND m.ended_at IS NULL)`, id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, &gateway.Problem{Name: ProblemResolution, Detail: "the settlement line stands no more, or is matched"}
	}
	if err != nil {
		return nil, fmt.Errorf("reading a settlement line: %w", err)
	}
	return &l, nil
}

// payable says what keeps a payment from being the one that a discrepancy's line settles.
func payable(ctx context.Context, tx *sqlx.Tx, d *Discrepancy, paymentID string) error {
	l, err := liveLine(ctx, tx, *d.LineID)
	if err != nil {
		return err
	}
	var p struct {
		Status  string     `db:"status"`
		Amount  vnd.Amount `db:"received_amount"`
		Matched bool       `db:"matched"`
	}
	err = tx.GetContext(ctx, &p, `SELECT status, received_amount, EXISTS (SELECT FROM matches m WHERE m.payment_id = p.id AND m.ended_at IS NULL) AS matched
		FROM payments p WHERE id = $1 AND account_id = $2`, paymentID, d.AccountID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return invalid("payment_id", "there is no such payment into this account")
	case err != nil:
		return fmt.Errorf("reading payment %s: %w", paymentID, err)
	case p.Status != gateway.PaymentSucceeded:
		return invalid("payment_id", "the payment is "+p.Status)
	case p.Matched:
		return invalid("payment_id", "the payment is matched with another line")
	case p.Amount != l.Amount:
		return invalid("payment_id", "the payment is of "+p.Amount.String()+", the line of "+l.Amount.String())
	}
	return nil
}

// insertPersonsMatch ties a discrepancy's line to the payment that a person chose.
func insertPersonsMatch(ctx context.Context, tx *sqlx.Tx, d *Discrepancy, paymentID string, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO matches (payment_id, line_id, account_id, rule, recorded_at) VALUES ($1, $2, $3, 'person', $4)`,
		paymentID, *d.LineID, d.AccountID, now); err != nil {
		return fmt.Errorf("matching by hand: %w", err)
	}
	return nil
}

func (r *Reconciler) tie(ctx context.Context, tx *sqlx.Tx, d *Discrepancy, paymentID string) error {
	if err := insertPersonsMatch(ctx, tx, d, paymentID, r.now()); err != nil {
		return err
	}
	return r.matchIn(ctx, tx, []accountDay{{d.AccountID, d.Date}})
}
