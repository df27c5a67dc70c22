package feed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

const endpointColumns = "id, client_id, url, types, status, cursor, failing_since, next_probe_at, created_at"

// insertEndpoint sets e.Cursor to the feed's end; the client's row is locked, so that its endpoints can be counted.
func insertEndpoint(ctx context.Context, db *sqlx.DB, e *Endpoint, sealed []byte) error {
	err := transact(ctx, db, func(tx *sqlx.Tx) error {
		var source string
		err := tx.GetContext(ctx, &source, "SELECT source_system FROM clients WHERE id = $1 FOR UPDATE", e.ClientID)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoClient
		}
		if err != nil {
			return err
		}
		var n int
		if err := tx.GetContext(ctx, &n, "SELECT count(*) FROM webhook_endpoints WHERE client_id = $1", e.ClientID); err != nil {
			return err
		}
		if n >= maxEndpoints {
			return ErrTooMany
		}
		return tx.GetContext(ctx, &e.Cursor, `
			INSERT INTO webhook_endpoints (id, client_id, source_system, url, types, secrets, status, cursor, created_at)
			SELECT $1, $2, $3, $4, $5, $6, $7, COALESCE((SELECT max(number) FROM feed), 0), $8 RETURNING cursor`,
			e.ID, e.ClientID, source, e.URL, e.Types, sealed, e.Status, e.CreatedAt)
	})
	if err != nil {
		return fmt.Errorf("creating a webhook endpoint: %w", err)
	}
	return nil
}

func changeSecrets(ctx context.Context, db *sqlx.DB, clientID, id string, change func([]byte) ([]byte, error)) error {
	err := transact(ctx, db, func(tx *sqlx.Tx) error {
		var sealed []byte
		err := tx.GetContext(ctx, &sealed, "SELECT secrets FROM webhook_endpoints WHERE id = $1 AND client_id = $2 FOR UPDATE", id, clientID)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoEndpoint
		}
		if err != nil {
			return err
		}
		if sealed, err = change(sealed); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE webhook_endpoints SET secrets = $2 WHERE id = $1", id, sealed)
		return err
	})
	if err != nil {
		return fmt.Errorf("rotating a webhook secret: %w", err)
	}
	return nil
}

func selectEndpoints(ctx context.Context, db *sqlx.DB, clientID string) ([]Endpoint, error) {
	out := []Endpoint{}
	const q = "SELECT " + endpointColumns + " FROM webhook_endpoints WHERE client_id = $1 ORDER BY created_at, id"
	if err := db.SelectContext(ctx, &out, q, clientID); err != nil {
		return nil, fmt.Errorf("reading webhook endpoints: %w", err)
	}
	return out, nil
}

func selectStandings(ctx context.Context, db *sqlx.DB) ([]Standing, error) {
	out := []Standing{}
	err := db.SelectContext(ctx, &out, `SELECT e.id, e.client_id, e.url, e.types, e.status, e.cursor, e.failing_since, e.next_probe_at, e.created_at, c.name AS client,
			greatest(coalesce((SELECT max(number) FROM feed), 0) - e.cursor, 0) AS behind, (SELECT count(*) FROM webhook_retries r WHERE r.endpoint_id = e.id) AS waiting,
			d.attempted_at AS last_at, d.status AS last_status
		FROM webhook_endpoints e JOIN clients c ON c.id = e.client_id
		LEFT JOIN LATERAL (SELECT attempted_at, status FROM deliveries WHERE endpoint_id = e.id ORDER BY attempted_at DESC LIMIT 1) d ON true
		ORDER BY e.status = 'active' AND e.failing_since IS NULL, c.name, e.created_at, e.id`)
	if err != nil {
		return nil, fmt.Errorf("reading webhook endpoints: %w", err)
	}
	return out, nil
}

func selectEndpoint(ctx context.Context, db *sqlx.DB, clientID, id string) (Endpoint, error) {
	var e Endpoint
	err := db.GetContext(ctx, &e, "SELECT "+endpointColumns+" FROM webhook_endpoints WHERE id = $1 AND client_id = $2", id, clientID)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoEndpoint
	}
	if err != nil {
		return Endpoint{}, fmt.Errorf("reading a webhook endpoint: %w", err)
	}
	return e, nil
}

// deleteEndpoint locks the endpoint before its retries go: a delivery under way then adds none.
func deleteEndpoint(ctx context.Context, db *sqlx.DB, clientID, id string) error {
	err := transact(ctx, db, func(tx *sqlx.Tx) error {
		var one int
		err := tx.GetContext(ctx, &one, "SELECT 1 FROM webhook_endpoints WHERE id = $1 AND client_id = $2 FOR UPDATE", id, clientID)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoEndpoint
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM webhook_retries WHERE endpoint_id = $1", id); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM webhook_endpoints WHERE id = $1", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("deleting a webhook endpoint: %w", err)
	}
	return nil
}

func selectDeliveries(ctx context.Context, db *sqlx.DB, id string, last Delivery, limit int) ([]Delivery, error) {
	out := []Delivery{}
	err := db.SelectContext(ctx, &out, `SELECT attempted_at, number, event_id, attempt, status, detail, took_ms FROM deliveries
		WHERE endpoint_id = $1 AND ($2::timestamptz IS NULL OR (attempted_at, number, attempt) < ($2, $4, $5))
		ORDER BY attempted_at DESC, number DESC, attempt DESC LIMIT $3`, id, sql.NullTime{Time: last.AttemptedAt, Valid: !last.AttemptedAt.IsZero()}, limit, last.Number, last.Attempt)
	if err != nil {
		return nil, fmt.Errorf("reading deliveries: %w", err)
	}
	return out, nil
}

// replay takes the lease away, so that a delivery under way cannot move the cursor forward again; nobody else gets one before
// that delivery has ended.
func replay(ctx context.Context, db *sqlx.DB, clientID, id string, from int64, now time.Time) error {
	machine := time.Now() // the clock of leases
	err := transact(ctx, db, func(tx *sqlx.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE webhook_endpoints SET cursor = LEAST(cursor, $3 - 1), status = 'active', attempts = 0,
			failing_since = NULL, next_probe_at = NULL,
			lease_until = CASE WHEN lease_until > $4 THEN $5::timestamptz END WHERE id = $1 AND client_id = $2`,
			id, clientID, from, machine, machine.Add(sendTimeout+2*time.Second))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNoEndpoint)
		}
		// What waits from there on is met again on the way.
		if _, err := tx.ExecContext(ctx, "DELETE FROM webhook_retries WHERE endpoint_id = $1 AND number >= $2", id, from); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE webhook_retries SET attempts = 0, first_at = $2, next_at = $2
			WHERE endpoint_id = $1 AND isfinite(next_at)`, id, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("replaying: %w", err)
	}
	return nil
}

func sealedSecrets(ctx context.Context, db *sqlx.DB, id string) (sealed []byte, err error) {
	if err := db.GetContext(ctx, &sealed, "SELECT secrets FROM webhook_endpoints WHERE id = $1", id); err != nil {
		return nil, fmt.Errorf("reading the secrets of %s: %w", id, err)
	}
	return sealed, nil
}

func insertDelivery(ctx context.Context, db *sqlx.DB, id string, d *Delivery) error {
	if _, err := db.ExecContext(ctx, `INSERT INTO deliveries (attempted_at, endpoint_id, number, event_id, attempt, status, detail, took_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		d.AttemptedAt, id, d.Number, d.EventID, d.Attempt, d.Status, d.Detail, d.TookMS); err != nil {
		return fmt.Errorf("recording a test delivery to %s: %w", id, err)
	}
	return nil
}
