package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway/vnd"
)

type listRow struct {
	ID         string     `json:"id"`
	AgencyCode string     `json:"agency_code"`
	Count      int        `json:"count"`
	Amount     vnd.Amount `json:"amount"`
	CreatedBy  string     `json:"created_by"`
	CreatedAt  time.Time  `json:"created_at"`
}

type listItemRow struct {
	ListID    string     `json:"list_id"`
	N         int        `json:"n"`
	RefundID  string     `json:"refund_id"`
	Reference string     `json:"reference"`
	Amount    vnd.Amount `json:"amount"`
}

type destinationRow struct {
	RefundID string `json:"refund_id"`
	Sealed   string `json:"sealed"` // \x…
}

// waitingRefunds are the approved refunds of an agency that people pay back, or, where some are named, the named ones, which may
// also have come back from the bank. The agency of money without an order is that of its account.
func waitingRefunds(ctx context.Context, tx *sqlx.Tx, agency string, named []string) ([]string, error) {
	var ids []string
	err := tx.SelectContext(ctx, &ids, `SELECT r.id FROM refunds r LEFT JOIN orders o ON o.id = r.order_id LEFT JOIN merchant_accounts a ON a.id = r.account_id
		WHERE (r.status = 'approved' OR r.status = 'failed' AND r.id = ANY ($2)) AND r.manual AND coalesce(o.agency_code, a.agency_code) = $1 AND coalesce(NOT 'nvtc' = ANY (o.kinds), true)
		AND (cardinality($2::text[]) = 0 OR r.id = ANY ($2)) ORDER BY r.id LIMIT $3`, agency, pq.Array(append([]string{}, named...)), MaxRefundList)
	if err != nil {
		return nil, fmt.Errorf("finding refunds for a list: %w", err)
	}
	return ids, nil
}

func (g *Gateway) readLists(ctx context.Context, c Caller, agency, after string, limit int) ([]RefundList, error) {
	_, agencies := c.sees()
	out := []RefundList{}
	if !c.Person {
		return out, nil
	}
	err := g.db.SelectContext(ctx, &out, `SELECT id, agency_code, count, amount, created_by, created_at FROM refund_lists WHERE (cardinality($1::text[]) = 0 OR agency_code = ANY ($1))
		AND $2 IN ('', agency_code) AND ($3 = '' OR (created_at, id) < (SELECT created_at, id FROM refund_lists WHERE id = $3)) ORDER BY created_at DESC, id DESC LIMIT $4`, agencies, agency, after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing the lists of refunds: %w", err)
	}
	return out, nil
}

// readList reads a list that a person may see, and the sealed destinations by refund.
func (g *Gateway) readList(ctx context.Context, c Caller, id string) (*RefundList, map[string][]byte, error) {
	_, agencies := c.sees()
	var l RefundList
	err := sql.ErrNoRows
	if c.Person {
		err = g.db.GetContext(ctx, &l, `SELECT id, agency_code, count, amount, created_by, created_at FROM refund_lists WHERE id = $1 AND (cardinality($2::text[]) = 0 OR agency_code = ANY ($2))`, id, agencies)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, &Problem{Name: ProblemNotFound, Detail: "there is no such list"}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the list %s: %w", id, err)
	}
	if err := g.db.SelectContext(ctx, &l.Items, `SELECT i.n, i.refund_id, r.status, i.amount, r.to_bank, i.reference, r.payment_id, coalesce(o.dossier_code, '') AS dossier_code,
		p.provider_transaction AS source_reference, p.payer_masked AS source_account, p.payer_bank AS source_bank, p.paid_at
		FROM refund_list_items i JOIN refunds r ON r.id = i.refund_id JOIN payments p ON p.id = r.payment_id LEFT JOIN orders o ON o.id = r.order_id WHERE i.list_id = $1 ORDER BY i.n`, id); err != nil {
		return nil, nil, fmt.Errorf("reading the list %s: %w", id, err)
	}
	rows, err := g.db.QueryContext(ctx, `SELECT d.refund_id, d.sealed FROM refund_list_items i JOIN refund_destinations d ON d.refund_id = i.refund_id WHERE i.list_id = $1`, id)
	if err != nil {
		return nil, nil, fmt.Errorf("reading where refunds of %s go: %w", id, err)
	}
	defer rows.Close()
	sealed := map[string][]byte{}
	for rows.Next() {
		var refund string
		var raw []byte
		if err := rows.Scan(&refund, &raw); err != nil {
			return nil, nil, fmt.Errorf("reading where refunds of %s go: %w", id, err)
		}
		sealed[refund] = raw
	}
	return &l, sealed, rows.Err()
}
