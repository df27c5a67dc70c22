package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

const applicationColumns = `id, payment_id, order_id, amount, status, note, proposed_by, proposed_at, decided_by, decided_at`

// applicationsOf reads every proposal over the payments' surplus.
func applicationsOf(ctx context.Context, x sqlx.QueryerContext, paymentIDs []string) ([]applicationRow, error) {
	var rows []applicationRow
	err := sqlx.SelectContext(ctx, x, &rows, `SELECT `+applicationColumns+` FROM surplus_applications WHERE payment_id = ANY ($1) ORDER BY proposed_at, id`, pq.Array(paymentIDs))
	if err != nil {
		return nil, fmt.Errorf("reading proposals over surplus: %w", err)
	}
	return rows, nil
}

// visibleApplication reads a proposal whose order the caller may see.
func (g *Gateway) visibleApplication(ctx context.Context, c Caller, id string) (*applicationRow, error) {
	source, agencies := c.sees()
	var a applicationRow
	err := g.db.GetContext(ctx, &a, `SELECT `+applicationColumns+` FROM surplus_applications WHERE id = $1
		AND EXISTS (SELECT FROM orders o WHERE o.id = order_id AND `+visible("o.", 2)+`)`, id, source, agencies)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, &Problem{Name: ProblemNotFound, Detail: "there is no such proposal"}
	}
	if err != nil {
		return nil, fmt.Errorf("reading proposal %s: %w", id, err)
	}
	return &a, nil
}

// sealedPayer reads an order's payer; nil where none was named, or the personal data was erased.
func sealedPayer(ctx context.Context, x sqlx.QueryerContext, orderID string) ([]byte, error) {
	var sealed []byte
	err := x.QueryRowxContext(ctx, `SELECT sealed FROM payers WHERE order_id = $1`, orderID).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the payer of %s: %w", orderID, err)
	}
	return sealed, nil
}

// Surplus lists money that belongs to no order, oldest first: what waits longest comes first.
func (g *Gateway) Surplus(ctx context.Context, c Caller, agency string, limit int, after string) ([]SurplusView, string, error) {
	at, afterID, err := readCursor(after)
	if err != nil {
		return nil, "", err
	}
	source, agencies := c.sees()
	var rows []struct {
		paymentRow
		OrderStatus string `db:"order_status"`
		DossierCode string `db:"dossier_code"`
		AgencyCode  string `db:"agency_code"`
	}
	err = g.db.SelectContext(ctx, &rows, `SELECT `+strings.Replace(prefixed("p.", paymentColumns), "p.order_id", "coalesce(p.order_id, '') AS order_id", 1)+`,
			coalesce(o.status, '') AS order_status, coalesce(o.dossier_code, '') AS dossier_code, coalesce(o.agency_code, a.agency_code) AS agency_code
		FROM payments p LEFT JOIN orders o ON o.id = p.order_id LEFT JOIN merchant_accounts a ON a.id = p.account_id
		WHERE p.status = 'succeeded' AND p.received_amount > p.allocated_amount + p.refunded_surplus
			AND (o.id IS NOT NULL AND `+visible("o.", 1)+` OR o.id IS NULL AND $7 AND (cardinality($2::text[]) = 0 OR a.agency_code = ANY ($2)))
			AND ($3 = '' OR coalesce(o.agency_code, a.agency_code) = $3) AND ($4 = '' OR (p.recorded_at, p.id) > ($5, $4))
		ORDER BY p.recorded_at, p.id LIMIT $6`, source, agencies, agency, afterID, at, limit+1, c.Person)
	if err != nil {
		return nil, "", fmt.Errorf("listing surplus: %w", err)
	}
	next := ""
	if len(rows) > limit {
		rows = rows[:limit]
		last := &rows[limit-1]
		next = writeCursor(*last.RecordedAt, last.ID)
	}
	ids := make([]string, 0, len(rows))
	for i := range rows {
		ids = append(ids, rows[i].ID)
	}
	applications, err := applicationsOf(ctx, g.db, ids)
	if err != nil {
		return nil, "", err
	}
	out := make([]SurplusView, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		v := SurplusView{Payment: r.ID, Order: r.OrderID, OrderStatus: r.OrderStatus, DossierCode: r.DossierCode, AgencyCode: r.AgencyCode, Provider: r.Provider,
			AccountID: r.AccountID, SurplusAmount: r.ReceivedAmount - r.AllocatedAmount - r.RefundedSurplus, PaidAt: r.PaidAt, RecordedAt: r.RecordedAt,
			Applications: []ApplicationView{}}
		var mine []applicationRow
		for _, a := range applications {
			if a.PaymentID == r.ID {
				mine = append(mine, a)
				v.Applications = append(v.Applications, viewApplication(&a))
			}
		}
		v.AvailableAmount = freeSurplus(&r.paymentRow, mine, "")
		out = append(out, v)
	}
	return out, next, nil
}

// Filter narrows a list of orders; an empty field does not.
type Filter struct {
	DossierCode, Reference, Status string
	From, To                       *time.Time // of creation: from, and before to
}

// Orders lists the orders that the caller may see, newest first. What belongs to the page's orders is read at once.
func (g *Gateway) Orders(ctx context.Context, c Caller, f Filter, limit int, after string) ([]*OrderView, string, error) {
	at, afterID, err := readCursor(after)
	if err != nil {
		return nil, "", err
	}
	source, agencies := c.sees()
	var rows []scannedOrder
	err = g.db.SelectContext(ctx, &rows, `SELECT `+orderColumns+` FROM orders WHERE `+visible("", 1)+`
		AND ($3 = '' OR dossier_code = $3) AND ($4 = '' OR reference = $4) AND ($5 = '' OR status = $5)
		AND ($6::timestamptz IS NULL OR created_at >= $6) AND ($7::timestamptz IS NULL OR created_at < $7)
		AND ($8 = '' OR (created_at, id) < ($9, $8)) ORDER BY created_at DESC, id DESC LIMIT $10`,
		source, agencies, f.DossierCode, f.Reference, f.Status, f.From, f.To, afterID, at, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("listing orders: %w", err)
	}
	next := ""
	if len(rows) > limit {
		rows = rows[:limit]
		next = writeCursor(rows[limit-1].CreatedAt, rows[limit-1].ID)
	}
	ids := make([]string, 0, len(rows))
	for i := range rows {
		ids = append(ids, rows[i].ID)
	}
	belongs, err := partsOfAll(ctx, g.db, ids)
	if err != nil {
		return nil, "", err
	}
	out := make([]*OrderView, 0, len(rows))
	for i := range rows {
		o, err := rows[i].row()
		if err != nil {
			return nil, "", err
		}
		v, err := g.viewOrder(o, belongs[o.ID])
		if err != nil {
			return nil, "", err
		}
		out = append(out, v)
	}
	return out, next, nil
}
