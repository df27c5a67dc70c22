package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// evidenceOf gives what proves a payment as of a time; nil where no success was known then.
func evidenceOf(ctx context.Context, x sqlx.QueryerContext, paymentID string, at time.Time) (*string, error) {
	var evidence string
	err := x.QueryRowxContext(ctx, `SELECT evidence FROM evidence_at($2) WHERE payment_id = $1`, paymentID, at).Scan(&evidence)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the evidence of %s: %w", paymentID, err)
	}
	return &evidence, nil
}

// lockCounterPayment locks the order, then the counter payment, of which nothing may hang yet.
func lockCounterPayment(ctx context.Context, tx *sqlx.Tx, c Caller, id string) (*orderRow, *paymentRow, error) {
	source, agencies := c.sees()
	o, err := oneOrder(ctx, tx, `id = (SELECT order_id FROM payments WHERE id = $1 AND account_id IS NULL) AND `+visible("", 2)+` FOR UPDATE`, id, source, agencies)
	if ProblemName(err) == ProblemNotFound {
		return nil, nil, &Problem{Name: ProblemNotFound, Detail: "there is no such counter payment"}
	}
	if err != nil {
		return nil, nil, err
	}
	var p paymentRow
	if err := tx.GetContext(ctx, &p, `SELECT `+paymentColumns+` FROM payments WHERE id = $1 FOR UPDATE`, id); err != nil {
		return nil, nil, fmt.Errorf("locking counter payment %s: %w", id, err)
	}
	var deposited, refunding, applied bool
	if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM deposit_items WHERE payment_id = $1),
		EXISTS (SELECT FROM refunds WHERE payment_id = $1 AND status <> 'rejected'),
		EXISTS (SELECT FROM allocations WHERE payment_id = $1 AND order_id <> $2)`, id, o.ID).Scan(&deposited, &refunding, &applied); err != nil {
		return nil, nil, fmt.Errorf("reading what hangs on counter payment %s: %w", id, err)
	}
	switch {
	case p.Status != PaymentSucceeded:
		return nil, nil, &Problem{Name: ProblemPaymentState, Detail: "the counter payment is " + p.Status, Order: o.ID}
	case deposited:
		return nil, nil, &Problem{Name: ProblemPaymentState, Detail: "the counter payment stands on a deposit slip", Order: o.ID}
	case refunding:
		return nil, nil, &Problem{Name: ProblemPaymentState, Detail: "a refund of the counter payment was asked for", Order: o.ID}
	case applied:
		return nil, nil, &Problem{Name: ProblemPaymentState, Detail: "surplus of the counter payment was applied to another order", Order: o.ID}
	}
	return o, &p, nil
}
