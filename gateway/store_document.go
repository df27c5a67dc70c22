package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// dueDocument is a payment whose document is asked for now.
type dueDocument struct{ paymentRow }

// claimDocuments takes payments whose document is due, and writes when each is asked for next should this try fail: replicas share
// the work, and one that dies loses a try and nothing else.
func (g *Gateway) claimDocuments(ctx context.Context, accounts []string, limit int) ([]dueDocument, error) {
	now := g.now()
	if _, err := g.db.ExecContext(ctx, `INSERT INTO payment_documents (payment_id, account_id, next_at) SELECT id, account_id, $2 FROM payments p
		WHERE p.account_id = ANY ($1) AND p.status = 'succeeded' AND p.recorded_at > $3 AND NOT EXISTS (SELECT FROM payment_documents d WHERE d.payment_id = p.id)
		ORDER BY p.recorded_at LIMIT $4 ON CONFLICT DO NOTHING`, pq.Array(accounts), now, now.AddDate(0, 0, -7), limit); err != nil {
		return nil, fmt.Errorf("finding payments without their document: %w", err)
	}
	var waits pq.Int64Array
	for _, d := range documentTries {
		waits = append(waits, int64(d/time.Second))
	}
	var due []dueDocument
	if err := g.db.SelectContext(ctx, &due, `WITH due AS (SELECT payment_id FROM payment_documents WHERE next_at <= $1 ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED),
		taken AS (UPDATE payment_documents d SET tries = d.tries + 1, next_at = $1::timestamptz + ($3::bigint[])[d.tries + 1] * interval '1 second'
			FROM due WHERE d.payment_id = due.payment_id RETURNING d.payment_id)
		SELECT `+orderOrNone(paymentColumns)+` FROM payments WHERE id IN (SELECT payment_id FROM taken)`, now, limit, waits); err != nil {
		return nil, fmt.Errorf("claiming documents: %w", err)
	}
	return due, nil
}

func (g *Gateway) keepDocument(ctx context.Context, paymentID, contentType, sum string, sealed []byte) error {
	if _, err := g.db.ExecContext(ctx, `UPDATE payment_documents SET content_type = $2, sha256 = $3, sealed = $4, fetched_at = $5, next_at = NULL WHERE payment_id = $1 AND sealed IS NULL`,
		paymentID, contentType, sum, sealed, g.now()); err != nil {
		return fmt.Errorf("keeping the document of %s: %w", paymentID, err)
	}
	return nil
}

func (g *Gateway) readDocument(ctx context.Context, paymentID string) (*Document, []byte, error) {
	var d Document
	var sealed []byte
	err := g.db.QueryRowContext(ctx, `SELECT content_type, sha256, sealed FROM payment_documents WHERE payment_id = $1 AND sealed IS NOT NULL`, paymentID).Scan(&d.ContentType, &d.SHA256, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, &Problem{Name: ProblemNotFound, Detail: "the provider has given no document on this payment"}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the document of %s: %w", paymentID, err)
	}
	return &d, sealed, nil
}
