package feed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// errLeaseLost says that the endpoint is no longer ours: another replica has it, or a person changed it.
var errLeaseLost = errors.New("the lease is lost")

// claimed is an endpoint leased to us. LeaseUntil is also the proof of it: every write names it.
type claimed struct {
	ID           string         `db:"id"`
	ClientID     string         `db:"client_id"`
	SourceSystem string         `db:"source_system"`
	URL          string         `db:"url"`
	Types        pq.StringArray `db:"types"`
	Secrets      []byte         `db:"secrets"`
	Cursor       int64          `db:"cursor"`
	LeaseUntil   time.Time      `db:"lease_until"`
	health
}

// waitingEvent is an event to be sent again.
type waitingEvent struct {
	Event
	Attempts int       `db:"attempts"`
	FirstAt  time.Time `db:"first_at"`
}

// claim leases the endpoint that was served least recently of those with something due, or gives nil. A lease is no fact, and
// goes by the machines' clock: it is long enough for what these differ by, and does not leap when the demo's clock is moved.
func claim(ctx context.Context, db *sqlx.DB, now time.Time, lease time.Duration) (*claimed, error) {
	var e claimed
	machine := time.Now()
	err := db.GetContext(ctx, &e, `
		WITH c AS (
			SELECT e.id FROM webhook_endpoints e
			WHERE e.status <> 'disabled' AND (e.lease_until IS NULL OR e.lease_until <= $2)
			AND CASE e.status WHEN 'paused' THEN e.next_probe_at <= $1
				ELSE EXISTS (SELECT FROM feed f WHERE f.source_system = e.source_system AND f.number > e.cursor AND f.client_id <> '')
				OR EXISTS (SELECT FROM webhook_retries r WHERE r.endpoint_id = e.id AND r.next_at <= $1) END
			ORDER BY e.lease_until NULLS FIRST LIMIT 1 FOR UPDATE SKIP LOCKED)
		UPDATE webhook_endpoints w SET lease_until = $3 FROM c WHERE w.id = c.id
		RETURNING w.id, w.client_id, w.source_system, w.url, w.types, w.secrets, w.cursor, w.lease_until, w.status, w.failing_since,
			w.next_probe_at, w.attempts`, now, machine, machine.Add(lease))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("leasing a webhook endpoint: %w", err)
	}
	return &e, nil
}

// release ends the lease, if it is still ours, and puts the endpoint at the end of the line.
func release(ctx context.Context, db *sqlx.DB, e *claimed) error {
	const q = "UPDATE webhook_endpoints SET lease_until = $3 WHERE id = $1 AND lease_until = $2"
	if _, err := db.ExecContext(ctx, q, e.ID, e.LeaseUntil, time.Now().Truncate(time.Microsecond)); err != nil {
		return fmt.Errorf("releasing webhook endpoint %s: %w", e.ID, err)
	}
	return nil
}

const retryQuery = `SELECT f.number, f.event_id, f.type, f.client_id, f.order_id, f.body, f.recorded_at, r.attempts, r.first_at
	FROM webhook_retries r JOIN feed f ON f.number = r.number WHERE r.endpoint_id = $1 `

// dueRetries gives what is due, at most one event of an order: the others are parked with next_at = infinity.
func dueRetries(ctx context.Context, db *sqlx.DB, endpointID string, now time.Time, limit int) ([]waitingEvent, error) {
	var out []waitingEvent
	if err := db.SelectContext(ctx, &out, retryQuery+"AND r.next_at <= $2 ORDER BY r.number LIMIT $3", endpointID, now, limit); err != nil {
		return nil, fmt.Errorf("reading webhook retries: %w", err)
	}
	return out, nil
}

// nextRetry gives what waits longest, due or not, or nil.
func nextRetry(ctx context.Context, db *sqlx.DB, endpointID string) (*waitingEvent, error) {
	var out []waitingEvent
	if err := db.SelectContext(ctx, &out, retryQuery+"AND isfinite(r.next_at) ORDER BY r.next_at, r.number LIMIT 1", endpointID); err != nil {
		return nil, fmt.Errorf("reading webhook retries: %w", err)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return &out[0], nil
}

// waitingOrders says which orders of the events have something waiting.
func waitingOrders(ctx context.Context, db *sqlx.DB, endpointID string, events []Event) (map[string]bool, error) {
	ids := make(pq.StringArray, len(events))
	for i := range events {
		ids[i] = events[i].OrderID
	}
	var found []string
	err := db.SelectContext(ctx, &found, `SELECT DISTINCT order_id FROM webhook_retries
		WHERE endpoint_id = $1 AND order_id <> '' AND order_id = ANY ($2)`, endpointID, ids)
	if err != nil {
		return nil, fmt.Errorf("reading webhook retries: %w", err)
	}
	out := make(map[string]bool, len(found))
	for _, id := range found {
		out[id] = true
	}
	return out, nil
}

// hold changes the leased endpoint; errLeaseLost if it is not ours any more.
func hold(ctx context.Context, tx *sqlx.Tx, e *claimed, cursor int64, h health) error {
	r, err := tx.ExecContext(ctx, `UPDATE webhook_endpoints SET cursor = GREATEST(cursor, $3), status = $4, failing_since = $5,
		next_probe_at = $6, attempts = $7 WHERE id = $1 AND lease_until = $2`,
		e.ID, e.LeaseUntil, cursor, h.Status, h.FailingSince, h.NextProbeAt, h.Attempts)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errLeaseLost)
	}
	return nil
}

func moveCursor(ctx context.Context, db *sqlx.DB, e *claimed, number int64) error {
	err := transact(ctx, db, func(tx *sqlx.Tx) error { return hold(ctx, tx, e, number, e.health) })
	if err != nil {
		return fmt.Errorf("moving the cursor of %s: %w", e.ID, err)
	}
	e.Cursor = number
	return nil
}

// park puts an event behind its order's waiting one.
func park(ctx context.Context, db *sqlx.DB, e *claimed, ev *Event, now time.Time) error {
	err := transact(ctx, db, func(tx *sqlx.Tx) error {
		if err := hold(ctx, tx, e, ev.Number, e.health); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO webhook_retries (endpoint_id, number, order_id, first_at, next_at)
			VALUES ($1, $2, $3, $4, 'infinity') ON CONFLICT DO NOTHING`, e.ID, ev.Number, ev.OrderID, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("parking event %s: %w", ev.ID, err)
	}
	e.Cursor = ev.Number
	return nil
}

// healed makes everything that waits for an endpoint due: it answers again.
func healed(ctx context.Context, tx *sqlx.Tx, e *claimed, now time.Time) error {
	_, err := tx.ExecContext(ctx, "UPDATE webhook_retries SET next_at = $2 WHERE endpoint_id = $1 AND isfinite(next_at)", e.ID, now)
	return err
}

// heal makes a paused endpoint active.
func heal(ctx context.Context, db *sqlx.DB, e *claimed, now time.Time) error {
	err := transact(ctx, db, func(tx *sqlx.Tx) error {
		if err := hold(ctx, tx, e, e.Cursor, health{Status: Active}); err != nil {
			return err
		}
		return healed(ctx, tx, e, now)
	})
	if err != nil {
		return fmt.Errorf("making %s active: %w", e.ID, err)
	}
	return nil
}

// record writes an attempt and what follows from it. The attempt is kept even when the lease was lost meanwhile.
func record(ctx context.Context, db *sqlx.DB, e *claimed, o *outcome, noticeID string) error {
	lost := false
	err := transact(ctx, db, func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO deliveries (attempted_at, endpoint_id, number, event_id, attempt, status, detail, took_ms)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, o.at, e.ID, o.event.Number, o.event.ID, o.attempt, o.status, o.detail, o.took.Milliseconds())
		if err != nil {
			return err
		}
		if err := hold(ctx, tx, e, o.event.Number, o.next); err != nil {
			lost = errors.Is(err, errLeaseLost)
			if lost {
				return nil // the update hit no row: only the attempt is committed
			}
			return err
		}
		if o.retryAt != nil {
			_, err = tx.ExecContext(ctx, `INSERT INTO webhook_retries (endpoint_id, number, order_id, attempts, first_at, next_at)
				VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (endpoint_id, number) DO UPDATE SET attempts = $4, next_at = $6`,
				e.ID, o.event.Number, o.event.OrderID, o.attempt, o.firstAt, *o.retryAt)
		} else {
			err = done(ctx, tx, e, o)
		}
		if err != nil {
			return err
		}
		if o.ok && e.Status == Paused {
			if err := healed(ctx, tx, e, o.at); err != nil {
				return err
			}
		}
		if o.notice == "" {
			return nil
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO outbox (event_id, type, client_id, source_system, body, recorded_at)
			VALUES ($1, $2, $3, $4, $5, $6)`, noticeID, noticeType, e.ClientID, e.SourceSystem, o.notice, o.at)
		return err
	})
	if err == nil && lost {
		err = errLeaseLost
	}
	if err != nil {
		return fmt.Errorf("recording a delivery to %s: %w", e.ID, err)
	}
	return nil
}

// done takes the event off the waiting ones and wakes the next of its order.
func done(ctx context.Context, tx *sqlx.Tx, e *claimed, o *outcome) error {
	r, err := tx.ExecContext(ctx, "DELETE FROM webhook_retries WHERE endpoint_id = $1 AND number = $2", e.ID, o.event.Number)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 || o.event.OrderID == "" {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE webhook_retries SET first_at = $3, next_at = $3 WHERE endpoint_id = $1
		AND number = (SELECT min(number) FROM webhook_retries WHERE endpoint_id = $1 AND order_id = $2)`, e.ID, o.event.OrderID, o.at)
	return err
}
