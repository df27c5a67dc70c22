package gateway

import (
	"context"
	"fmt"
	"strings"

	"feegate/gateway/vnd"

	"github.com/lib/pq"
)

// refundsSeen are the refunds that the caller may see, by their order or, of money without one, by their account: $1 and $2 are [Caller.sees], $3 whether it is a person.
var refundsSeen = `SELECT ` + strings.Replace(prefixed("r.", refundColumns), "r.order_id", "coalesce(r.order_id, '') AS order_id", 1) + ` FROM refunds r LEFT JOIN orders o ON o.id = r.order_id LEFT JOIN merchant_accounts a ON a.id = r.account_id
	WHERE (o.id IS NOT NULL AND ` + visible("o.", 1) + ` OR r.order_id IS NULL AND $3 AND (cardinality($2::text[]) = 0 OR a.agency_code = ANY ($2)))`

// RefundsIn lists refunds in any of the states, oldest first, that the caller may see: what waits for people.
func (g *Gateway) RefundsIn(ctx context.Context, c Caller, limit int, statuses ...string) ([]RefundView, error) {
	source, agencies := c.sees()
	var rows []refundRow
	err := g.db.SelectContext(ctx, &rows, refundsSeen+` AND r.status = ANY ($4) ORDER BY r.requested_at, r.id LIMIT $5`, source, agencies, c.Person, pq.Array(statuses), limit)
	if err != nil {
		return nil, fmt.Errorf("listing refunds: %w", err)
	}
	return viewRefunds(rows), nil
}

// RefundsCalled lists the refunds that a provider or a bank knows by a reference or a transaction number, exactly as given.
func (g *Gateway) RefundsCalled(ctx context.Context, c Caller, number string, limit int) ([]RefundView, error) {
	source, agencies := c.sees()
	var rows []refundRow
	err := g.db.SelectContext(ctx, &rows, refundsSeen+` AND r.id IN (SELECT id FROM refunds WHERE provider_reference = $4
			UNION SELECT f.id FROM merchant_accounts m JOIN refunds f ON f.account_id = m.id AND f.provider_transaction = $4 AND f.provider_transaction <> ''
			UNION SELECT i.refund_id FROM refund_list_items i WHERE i.reference = $4) ORDER BY r.requested_at DESC, r.id LIMIT $5`, source, agencies, c.Person, number, limit)
	if err != nil {
		return nil, fmt.Errorf("looking for a refund: %w", err)
	}
	return viewRefunds(rows), nil
}

// PaymentsCalled lists the payments that a provider knows by a reference or a transaction number, exactly as given.
func (g *Gateway) PaymentsCalled(ctx context.Context, c Caller, number string, limit int) ([]PaymentView, error) {
	source, agencies := c.sees()
	var rows []paymentRow
	// By account, since that is how both numbers are indexed.
	err := g.db.SelectContext(ctx, &rows, `SELECT `+strings.Replace(prefixed("p.", paymentColumns), "p.order_id", "coalesce(p.order_id, '') AS order_id", 1)+` FROM merchant_accounts a
		CROSS JOIN LATERAL (SELECT * FROM payments WHERE account_id = a.id AND provider_reference = $3
			UNION SELECT * FROM payments WHERE account_id = a.id AND provider_transaction = $3 AND provider_transaction <> '') p
		LEFT JOIN orders o ON o.id = p.order_id WHERE o.id IS NOT NULL AND `+visible("o.", 1)+` OR p.order_id IS NULL AND $5 AND (cardinality($2::text[]) = 0 OR a.agency_code = ANY ($2))
		ORDER BY p.created_at DESC, p.id LIMIT $4`, source, agencies, number, limit, c.Person)
	if err != nil {
		return nil, fmt.Errorf("looking for a payment: %w", err)
	}
	out := make([]PaymentView, 0, len(rows))
	for i := range rows {
		out = append(out, viewPayment(&rows[i]))
	}
	return out, nil
}

// PaymentsOf finds payments of a business day by their amount and, where digits are given, by the last digits of the payer's account or card as the
// provider told them: what is left to ask a citizen who has no number at hand. Those still open that were begun that day are found too.
func (g *Gateway) PaymentsOf(ctx context.Context, c Caller, day string, amount vnd.Amount, digits string, limit int) ([]PaymentView, error) {
	source, agencies := c.sees()
	var rows []paymentRow
	err := g.db.SelectContext(ctx, &rows, `SELECT `+strings.Replace(prefixed("p.", paymentColumns), "p.order_id", "coalesce(p.order_id, '') AS order_id", 1)+` FROM merchant_accounts a
		CROSS JOIN LATERAL (SELECT * FROM payments WHERE account_id = a.id AND business_day(paid_at) = $3::date AND status IN ('succeeded', 'reversed') AND received_amount = $4
			UNION SELECT * FROM payments WHERE account_id = a.id AND next_lookup_at IS NOT NULL AND business_day(created_at) = $3::date AND requested_amount = $4) p
		LEFT JOIN orders o ON o.id = p.order_id
		WHERE ($5 = '' OR right(regexp_replace(p.payer_masked, '\D', '', 'g'), length($5)) = $5)
			AND (o.id IS NOT NULL AND `+visible("o.", 1)+` OR p.order_id IS NULL AND $7 AND (cardinality($2::text[]) = 0 OR a.agency_code = ANY ($2)))
		ORDER BY p.created_at DESC, p.id LIMIT $6`, source, agencies, day, amount, digits, limit, c.Person)
	if err != nil {
		return nil, fmt.Errorf("looking for a payment by amount and day: %w", err)
	}
	out := make([]PaymentView, 0, len(rows))
	for i := range rows {
		out = append(out, viewPayment(&rows[i]))
	}
	return out, nil
}
