package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/cmd/feegate/api"
	"feegate/gateway"
)

// store is what the wiring reads from the database for the edge; it writes nothing.
type store struct {
	db      *sqlx.DB
	gateway *gateway.Gateway
	now     func() time.Time
}

// authenticate finds the key that a bearer token is: the database knows SHA-256 digests alone, which is enough for secrets
// that are random and long.
func (s *store) authenticate(ctx context.Context, bearer string) (gateway.Caller, []string, error) {
	digest := sha256.Sum256([]byte(bearer))
	var c gateway.Caller
	var scopes []string
	err := s.db.QueryRowContext(ctx, `SELECT k.id, k.client_id, c.source_system, s.mode, k.scopes
		FROM api_keys k JOIN clients c ON c.id = k.client_id JOIN source_systems s ON s.name = c.source_system
		WHERE k.secret_hash = $1 AND (k.revoked_at IS NULL OR k.revoked_at > $2) AND (k.expires_at IS NULL OR k.expires_at > $2)`,
		digest[:], s.now()).Scan(&c.Actor, &c.ClientID, &c.SourceSystem, &c.Mode, pq.Array(&scopes))
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil, api.ErrUnauthorised
	}
	if err != nil {
		return c, nil, fmt.Errorf("reading a key: %w", err)
	}
	return c, scopes, nil
}

// pageOf gives the checkout page of the order that a provider's reference belongs to, "" where it belongs to none.
func (s *store) pageOf(ctx context.Context, accountID, reference string) (string, error) {
	var order string
	err := s.db.GetContext(ctx, &order, `SELECT order_id FROM payments WHERE account_id = $1 AND provider_reference = $2`, accountID, reference)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("finding the order of a payment: %w", err)
	}
	return s.gateway.CheckoutURL(order)
}
