package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

type knownPayment struct{ id, status, transaction, order string }

// findPayment finds a payment by its reference at the provider, nil where there is none.
func findPayment(ctx context.Context, tx *sqlx.Tx, accountID, reference string) (*knownPayment, error) {
	var k knownPayment
	err := tx.QueryRowContext(ctx, `SELECT id, status, provider_transaction, coalesce(order_id, '') FROM payments WHERE account_id = $1 AND provider_reference = $2`,
		accountID, reference).Scan(&k.id, &k.status, &k.transaction, &k.order)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &k, err
}

// orderless reads a payment without an order, which only people see, by the agency of its account.
func (g *Gateway) orderless(ctx context.Context, c Caller, id string) (*paymentRow, error) {
	none := &Problem{Name: ProblemNotFound, Detail: "there is no such payment"}
	if !c.Person {
		return nil, none
	}
	_, agencies := c.sees()
	var p paymentRow
	err := g.db.GetContext(ctx, &p, `SELECT `+strings.Replace(paymentColumns, "order_id", "'' AS order_id", 1)+` FROM payments WHERE id = $1 AND order_id IS NULL
		AND EXISTS (SELECT FROM merchant_accounts a WHERE a.id = account_id AND (cardinality($2::text[]) = 0 OR a.agency_code = ANY ($2)))`, id, agencies)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, none
	}
	if err != nil {
		return nil, fmt.Errorf("reading payment %s: %w", id, err)
	}
	return &p, nil
}

// Replay gives the first answer to a key again, for rooms whose objects are not the gateway's.
func (g *Gateway) Replay(ctx context.Context, k Key) (Answer, bool, error) { return g.replay(ctx, k) }

// KeepKey stores an answer under its key in the object's own transaction.
func KeepKey(ctx context.Context, tx *sqlx.Tx, k Key, object string, a Answer, now time.Time) error {
	if err := (&effects{keys: []keyRow{keyed(k, object, &a, now)}}).write(ctx, tx); err != nil {
		return fmt.Errorf("keeping the answer: %w", err)
	}
	return nil
}

// KeyTaken reports whether somebody else's call with the same key was faster.
func KeyTaken(err error) bool { return violated(err) == "idempotency_keys_pkey" }
