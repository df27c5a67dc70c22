package gateway

import (
	"context"
	"fmt"
	"time"
)

// Backlog counts what waits, for an operator's watch.
type Backlog struct {
	Outbox  int64 `db:"outbox"`   // events that the sequencer has not numbered
	Pending int64 `db:"pending"`  // payments without a last word
	InDoubt int64 `db:"in_doubt"` // pending, and no look-up is planned any more
	Due     int64 `db:"due"`      // look-ups that are more than a minute late
}

// Backlog reads the counts; each rests on a partial index or a table that is nearly empty.
func (g *Gateway) Backlog(ctx context.Context) (Backlog, error) {
	var b Backlog
	err := g.db.GetContext(ctx, &b, `SELECT (SELECT count(*) FROM outbox) AS outbox,
		(SELECT count(*) FROM payments WHERE next_lookup_at IS NOT NULL AND status IN ('created', 'pending')) AS pending,
		(SELECT count(*) FROM payments WHERE status IN ('created', 'pending') AND next_lookup_at IS NULL) AS in_doubt,
		(SELECT count(*) FROM payments WHERE next_lookup_at < $1) AS due`, g.now().Add(-time.Minute))
	if err != nil {
		return b, fmt.Errorf("counting what waits: %w", err)
	}
	return b, nil
}
