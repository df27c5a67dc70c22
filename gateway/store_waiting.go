package gateway

import (
	"context"
	"fmt"

	"github.com/lib/pq"
)

// RefundsIn lists refunds in any of the states, oldest first, of the orders that the caller may see: what waits for people.
func (g *Gateway) RefundsIn(ctx context.Context, c Caller, limit int, statuses ...string) ([]RefundView, error) {
	source, agencies := c.sees()
	var rows []refundRow
	err := g.db.SelectContext(ctx, &rows, `SELECT `+prefixed("r.", refundColumns)+` FROM refunds r JOIN orders o ON o.id = r.order_id
		WHERE r.status = ANY ($3) AND `+visible("o.", 1)+` ORDER BY r.requested_at, r.id LIMIT $4`, source, agencies, pq.Array(statuses), limit)
	if err != nil {
		return nil, fmt.Errorf("listing refunds: %w", err)
	}
	return viewRefunds(rows), nil
}

// PaymentsCalled lists the payments that a provider knows by a reference or a transaction number, exactly as given.
func (g *Gateway) PaymentsCalled(ctx context.Context, c Caller, number string, limit int) ([]PaymentView, error) {
	source, agencies := c.sees()
	var rows []paymentRow
	// By account, since that is how both numbers are indexed.
	err := g.db.SelectContext(ctx, &rows, `SELECT `+prefixed("p.", paymentColumns)+` FROM merchant_accounts a
		CROSS JOIN LATERAL (SELECT * FROM payments WHERE account_id = a.id AND provider_reference = $3
			UNION SELECT * FROM payments WHERE account_id = a.id AND provider_transaction = $3 AND provider_transaction <> '') p
		JOIN orders o ON o.id = p.order_id WHERE `+visible("o.", 1)+` ORDER BY p.created_at DESC, p.id LIMIT $4`, source, agencies, number, limit)
	if err != nil {
		return nil, fmt.Errorf("looking for a payment: %w", err)
	}
	out := make([]PaymentView, 0, len(rows))
	for i := range rows {
		out = append(out, viewPayment(&rows[i]))
	}
	return out, nil
}
