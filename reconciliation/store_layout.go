package reconciliation

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
	"feegate/reconciliation/statement"
)

// Layout is how a bank account's tables are laid out, as their headers say: which column holds what.
type Layout struct {
	ID          string     `json:"id" db:"id"`
	BankAccount string     `json:"bank_account" db:"bank_account"`
	Described   string     `json:"columns" db:"described"`
	FirstBy     string     `json:"first_by" db:"first_by"`
	FirstAt     time.Time  `json:"first_at" db:"first_at"`
	ConfirmedBy *string    `json:"confirmed_by" db:"confirmed_by"`
	ConfirmedAt *time.Time `json:"confirmed_at" db:"confirmed_at"`
}

const layoutColumns = `id, bank_account, described, first_by, first_at, confirmed_by, confirmed_at`

func layoutDigest(described string) string {
	sum := sha256.Sum256([]byte(statement.Fold(described)))
	return hex.EncodeToString(sum[:])
}

// layoutOf keeps the layout of a table that is imported, and notes where nobody has confirmed it yet. An import that nobody watches needs one that is.
func layoutOf(ctx context.Context, tx *sqlx.Tx, imp *StatementImport, s *statement.Statement, unattended bool) error {
	if s.Layout == "" {
		return nil
	}
	var confirmed sql.NullString
	digest := layoutDigest(s.Layout)
	err := tx.GetContext(ctx, &confirmed, `SELECT confirmed_by FROM statement_layouts WHERE bank_account = $1 AND digest = $2`, s.Account, digest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("looking for a statement's layout: %w", err)
	}
	if confirmed.Valid {
		return nil
	}
	if unattended {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "layout", Detail: "nobody has confirmed these columns for this bank account yet: import the file by hand once and confirm them. " + s.Layout}}}
	}
	imp.Findings = append(imp.Findings, Finding{1, "layout_new", "its columns were read like this, which nobody has confirmed for this bank account yet: " + s.Layout})
	if errors.Is(err, sql.ErrNoRows) {
		if _, err := tx.ExecContext(ctx, `INSERT INTO statement_layouts (id, bank_account, described, digest, first_by, first_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			newID("lay_"), s.Account, s.Layout, digest, imp.ImportedBy, imp.RecordedAt); err != nil {
			return fmt.Errorf("keeping a statement's layout: %w", err)
		}
	}
	return nil
}

// Layouts lists the layouts of the bank accounts that the caller may work on, those that wait for a person first.
func (r *Reconciler) Layouts(ctx context.Context, c gateway.Caller) ([]Layout, error) {
	out := []Layout{}
	if err := r.db.SelectContext(ctx, &out, `SELECT `+layoutColumns+` FROM statement_layouts b WHERE `+bankSeen+` ORDER BY confirmed_at IS NOT NULL, bank_account, first_at LIMIT 1000`, agencies(c)); err != nil {
		return nil, fmt.Errorf("listing layouts: %w", err)
	}
	return out, nil
}

// ConfirmLayout says that a bank account's columns were read rightly. Saying it again changes nothing.
func (r *Reconciler) ConfirmLayout(ctx context.Context, c gateway.Caller, id string) (*Layout, error) {
	var l Layout
	err := r.db.GetContext(ctx, &l, `UPDATE statement_layouts b SET confirmed_by = coalesce(confirmed_by, $3), confirmed_at = coalesce(confirmed_at, $4) WHERE id = $2 AND `+bankSeen+` RETURNING `+layoutColumns, agencies(c), id, c.Actor, r.now())
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("layout")
	}
	if err != nil {
		return nil, fmt.Errorf("confirming a layout: %w", err)
	}
	return &l, nil
}
