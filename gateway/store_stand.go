package gateway

import (
	"context"
	"fmt"

	"github.com/lib/pq"
)

// Stands tells how orders stand, each in a text that changes with whatever a payer is shown of it: one question for all whose
// pages are open, however many. An order that is not there has none.
func (g *Gateway) Stands(ctx context.Context, orders []string) (map[string]string, error) {
	var rows []struct{ ID, Stand string }
	if err := g.db.SelectContext(ctx, &rows, `SELECT o.id, concat_ws(' ', o.status, o.paid_amount, o.refunded_amount,
			(SELECT string_agg(concat_ws('/', p.id, p.status, p.in_doubt, p.received_amount, p.redirect IS NOT NULL), ' ' ORDER BY p.id) FROM payments p WHERE p.order_id = o.id)) AS stand
		FROM orders o WHERE o.id = ANY ($1)`, pq.StringArray(orders)); err != nil {
		return nil, fmt.Errorf("how orders stand: %w", err)
	}
	out := make(map[string]string, len(rows))
	for _, r := range rows {
		out[r.ID] = r.Stand
	}
	return out, nil
}
