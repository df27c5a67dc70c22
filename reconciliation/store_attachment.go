package reconciliation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
)

const attachmentColumns = `n, name, type, size, sha256, recorded_by, recorded_at`

// insertAttachment writes a paper under the next number; the discrepancy's row is locked.
func insertAttachment(ctx context.Context, tx *sqlx.Tx, id string, a *Attachment, sealed []byte) error {
	err := tx.GetContext(ctx, a, `SELECT `+attachmentColumns+` FROM discrepancy_attachments WHERE discrepancy_id = $1 AND sha256 = $2`, id, a.SHA256)
	if a.Known = err == nil; a.Known {
		return nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("reading the attachments of %s: %w", id, err)
	}
	if err := tx.GetContext(ctx, &a.N, `SELECT count(*) + 1 FROM discrepancy_attachments WHERE discrepancy_id = $1`, id); err != nil {
		return fmt.Errorf("counting the attachments of %s: %w", id, err)
	}
	if a.N > maxAttachments {
		return &gateway.Problem{Name: ProblemResolution, Detail: fmt.Sprintf("it has %d attachments, and may have no more", maxAttachments)}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO discrepancy_attachments (discrepancy_id, n, name, type, size, sha256, content_sealed, recorded_by, recorded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, id, a.N, a.Name, a.Type, a.Size, a.SHA256, sealed, a.RecordedBy, a.RecordedAt); err != nil {
		return fmt.Errorf("attaching to %s: %w", id, err)
	}
	return nil
}

func (r *Reconciler) readAttachment(ctx context.Context, c gateway.Caller, id string, n int) (*Attachment, []byte, error) {
	var row struct {
		Attachment
		Sealed []byte `db:"content_sealed"`
	}
	err := r.db.GetContext(ctx, &row, `SELECT t.n, t.name, t.type, t.size, t.sha256, t.recorded_by, t.recorded_at, t.content_sealed FROM discrepancy_attachments t
		JOIN discrepancies d ON d.id = t.discrepancy_id JOIN merchant_accounts a ON a.id = d.account_id WHERE t.discrepancy_id = $1 AND t.n = $2 AND `+seen(3), id, n, agencies(c))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, notFound("attachment")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading attachment %d of %s: %w", n, id, err)
	}
	return &row.Attachment, row.Sealed, nil
}
