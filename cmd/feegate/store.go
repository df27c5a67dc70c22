package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
)

// store is what the wiring reads from the database for the edge; it writes nothing.
type store struct {
	db      *sqlx.DB
	gateway *gateway.Gateway
}

// pageOf gives the checkout page of the order that a provider's reference belongs to, "" where it belongs to none.
func (s *store) pageOf(ctx context.Context, accountID, reference string) (string, error) {
	var order string
	err := s.db.GetContext(ctx, &order, `SELECT order_id FROM payments WHERE account_id = $1 AND provider_reference = $2 AND order_id IS NOT NULL`, accountID, reference)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("finding the order of a payment: %w", err)
	}
	return s.gateway.CheckoutURL(order)
}

// superuser reports whether the connection may do everything, which the service must not.
func superuser(ctx context.Context, db *sqlx.DB) (bool, error) {
	var is bool
	err := db.GetContext(ctx, &is, `SELECT rolsuper OR pg_has_role(current_user, (SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename = 'moves'), 'MEMBER')
		FROM pg_roles WHERE rolname = current_user`)
	return is, err
}
