package feed

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// transact runs f in a transaction; f's error rolls it back.
func transact(ctx context.Context, db *sqlx.DB, f func(*sqlx.Tx) error) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing; a dead connection has rolled back by itself
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// sequence moves a batch. The lock is taken by a statement of its own: the next one's snapshot then has all that the
// sequencer before us did. PostgreSQL lets go of the lock after the commit is visible, so numbers come to light in order.
func sequence(ctx context.Context, db *sqlx.DB, limit int) (int, error) {
	moved := 0
	err := transact(ctx, db, func(tx *sqlx.Tx) error {
		var mine bool
		if err := tx.GetContext(ctx, &mine, "SELECT pg_try_advisory_xact_lock($1)", sequencerID); err != nil || !mine {
			return err
		}
		// A subquery with ORDER BY is not flattened, so numbers are drawn in the order of ids.
		r, err := tx.ExecContext(ctx, `
			WITH gone AS (
				DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT $1)
				RETURNING id, event_id, type, client_id, source_system, order_id, body, recorded_at)
			INSERT INTO feed (number, event_id, type, client_id, source_system, order_id, body, recorded_at)
			SELECT nextval('feed_numbers'), event_id, type, client_id, source_system, order_id, body, recorded_at
			FROM (SELECT * FROM gone ORDER BY id) g`, limit)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		moved = int(n)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("sequencing: %w", err)
	}
	return moved, nil
}

const eventColumns = "number, event_id, type, client_id, order_id, body, recorded_at"

func selectEvents(ctx context.Context, q sqlx.QueryerContext, sourceSystem string, after int64, types []string, limit int) ([]Event, error) {
	out := []Event{}
	err := sqlx.SelectContext(ctx, q, &out, `SELECT `+eventColumns+` FROM feed
		WHERE source_system = $1 AND number > $2 AND client_id <> ''
		AND (cardinality($3::text[]) = 0 OR type = ANY ($3) OR split_part(type, '.', 1) || '.*' = ANY ($3))
		ORDER BY number LIMIT $4`, sourceSystem, after, pq.StringArray(append([]string{}, types...)), limit)
	if err != nil {
		return nil, fmt.Errorf("reading the feed: %w", err)
	}
	return out, nil
}
