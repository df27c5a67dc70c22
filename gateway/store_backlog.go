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

// keysKept is how long the first answer to an Idempotency-Key is kept; the contract promises 30 days.
const keysKept = 35 * 24 * time.Hour

// Housekeep makes the partitions of the months to come and forgets at most limit old idempotency keys, and of the counts of calls to
// providers as many. It gives how many of what there were more of: at the limit there may be more yet.
func (g *Gateway) Housekeep(ctx context.Context, limit int) (int, error) {
	if _, err := g.db.ExecContext(ctx, `SELECT ensure_partitions($1)`, g.now()); err != nil {
		return 0, fmt.Errorf("making partitions: %w", err)
	}
	done, err := g.db.ExecContext(ctx, `DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
		SELECT ctid FROM idempotency_keys WHERE created_at < $1 AND status IS NOT NULL ORDER BY created_at LIMIT $2))`, g.now().Add(-keysKept), limit)
	if err != nil {
		return 0, fmt.Errorf("forgetting old keys: %w", err)
	}
	keys, err := done.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("forgetting old keys: %w", err)
	}
	calls, err := g.forgetCalls(ctx, limit)
	return max(int(keys), calls), err
}
