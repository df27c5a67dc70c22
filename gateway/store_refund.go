package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway/vnd"
)

const refundColumns = `id, payment_id, order_id, account_id, status, amount, surplus_part, allocated_part, reason, manual, provider_reference,
	provider_transaction, code, requested_by, requested_at, decided_by, decided_at, submitted_at, sends, in_doubt, effective_at,
	recorded_at, next_lookup_at, lookups, last_lookup_at, to_bank, to_masked, listed_by`

// allocated is what a payment pays of one order, and what refunds take of that.
type allocated struct {
	OrderID  string     `db:"order_id"`
	Count    int        `db:"count"` // of allocations
	Amount   vnd.Amount `db:"amount"`
	Reserved vnd.Amount `db:"reserved"` // refunds asked for and not rejected
	Refunded vnd.Amount `db:"refunded"` // of it, paid back
}

// allocationsOf sums a payment's allocations by order, oldest first.
func allocationsOf(ctx context.Context, x sqlx.QueryerContext, paymentID string) ([]allocated, error) {
	var rows []allocated
	err := sqlx.SelectContext(ctx, x, &rows, `SELECT a.order_id, count(*) AS count, sum(a.amount)::bigint AS amount,
		coalesce((SELECT sum(allocated_part) FROM refunds r WHERE r.payment_id = $1 AND r.order_id = a.order_id AND r.status <> 'rejected'), 0)::bigint AS reserved,
		coalesce((SELECT sum(allocated_part) FROM refunds r WHERE r.payment_id = $1 AND r.order_id = a.order_id AND r.status = 'succeeded'), 0)::bigint AS refunded
		FROM allocations a WHERE a.payment_id = $1 GROUP BY a.order_id ORDER BY min(a.recorded_at), a.order_id`, paymentID)
	if err != nil {
		return nil, fmt.Errorf("reading what payment %s pays: %w", paymentID, err)
	}
	return rows, nil
}

func refundsOf(ctx context.Context, x sqlx.QueryerContext, paymentID string) ([]refundRow, error) {
	var rows []refundRow
	if err := sqlx.SelectContext(ctx, x, &rows, `SELECT `+orderOrNone(refundColumns)+` FROM refunds WHERE payment_id = $1 ORDER BY requested_at, id`, paymentID); err != nil {
		return nil, fmt.Errorf("reading the refunds of %s: %w", paymentID, err)
	}
	return rows, nil
}

// lockOrdersByID locks orders in the order of their ids, so that two who need several cannot block each other.
func lockOrdersByID(ctx context.Context, tx *sqlx.Tx, ids []string) (map[string]*orderRow, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []scannedOrder
	if err := tx.SelectContext(ctx, &rows, `SELECT `+orderColumns+` FROM orders WHERE id = ANY ($1) ORDER BY id FOR UPDATE`, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("locking orders: %w", err)
	}
	orders := make(map[string]*orderRow, len(rows))
	for i := range rows {
		o, err := rows[i].row()
		if err != nil {
			return nil, err
		}
		orders[o.ID] = o
	}
	return orders, nil
}

// money is a payment and the orders it pays, all locked.
type money struct {
	payment *paymentRow
	own     *orderRow // the payment's own order
	orders  map[string]*orderRow
	pays    []allocated
}

// lockMoney locks a payment, after every order it pays and those named besides. errStale: it began to pay another order meanwhile.
func lockMoney(ctx context.Context, tx *sqlx.Tx, paymentID string, also ...string) (*money, error) {
	var ids []string
	err := tx.SelectContext(ctx, &ids, `SELECT order_id FROM payments WHERE id = $1 AND order_id IS NOT NULL UNION SELECT order_id FROM allocations WHERE payment_id = $1`, paymentID)
	if err != nil {
		return nil, fmt.Errorf("reading the orders of payment %s: %w", paymentID, err)
	}
	m := &money{payment: &paymentRow{}}
	if m.orders, err = lockOrdersByID(ctx, tx, append(ids, also...)); err != nil {
		return nil, err
	}
	if err := tx.GetContext(ctx, m.payment, `SELECT `+orderOrNone(paymentColumns)+` FROM payments WHERE id = $1 FOR UPDATE`, paymentID); err != nil {
		return nil, fmt.Errorf("locking payment %s: %w", paymentID, err)
	}
	if m.pays, err = allocationsOf(ctx, tx, paymentID); err != nil {
		return nil, err
	}
	for _, a := range m.pays {
		if m.orders[a.OrderID] == nil {
			return nil, errStale
		}
	}
	if m.own = m.orders[m.payment.OrderID]; m.own == nil {
		m.own = &orderRow{}
	}
	return m, nil
}

// orderOrNone reads columns of rows that may have no order.
func orderOrNone(columns string) string {
	return strings.Replace(columns, "order_id", "coalesce(order_id, '') AS order_id", 1)
}

// lockRefund locks a refund, after its payment and that one's orders.
func lockRefund(ctx context.Context, tx *sqlx.Tx, id string) (*money, *refundRow, error) {
	var paymentID string
	if err := tx.GetContext(ctx, &paymentID, `SELECT payment_id FROM refunds WHERE id = $1`, id); err != nil {
		return nil, nil, fmt.Errorf("reading refund %s: %w", id, err)
	}
	m, err := lockMoney(ctx, tx, paymentID)
	if err != nil {
		return nil, nil, err
	}
	var r refundRow
	if err := tx.GetContext(ctx, &r, `SELECT `+orderOrNone(refundColumns)+` FROM refunds WHERE id = $1 FOR UPDATE`, id); err != nil {
		return nil, nil, fmt.Errorf("locking refund %s: %w", id, err)
	}
	return m, &r, nil
}

// visibleRefund reads a refund that the caller may see.
func (g *Gateway) visibleRefund(ctx context.Context, c Caller, id string) (*refundRow, error) {
	source, agencies := c.sees()
	var r refundRow
	err := g.db.GetContext(ctx, &r, `SELECT `+orderOrNone(refundColumns)+` FROM refunds WHERE id = $1
		AND (EXISTS (SELECT FROM orders o WHERE o.id = order_id AND `+visible("o.", 2)+`) OR order_id IS NULL AND $4
			AND EXISTS (SELECT FROM merchant_accounts a WHERE a.id = account_id AND (cardinality($3::text[]) = 0 OR a.agency_code = ANY ($3))))`, id, source, agencies, c.Person)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, &Problem{Name: ProblemNotFound, Detail: "there is no such refund"}
	}
	if err != nil {
		return nil, fmt.Errorf("reading refund %s: %w", id, err)
	}
	return &r, nil
}

// Refund gives a refund that the caller may see, with its history.
func (g *Gateway) Refund(ctx context.Context, c Caller, id string) (*RefundView, error) {
	r, err := g.visibleRefund(ctx, c, id)
	if err != nil {
		return nil, err
	}
	v := viewRefund(r)
	if v.History, err = historyOf(ctx, g.db, id); err != nil {
		return nil, err
	}
	return &v, nil
}

// refundByReference finds the refund that an account's provider means by a reference of ours.
func (g *Gateway) refundByReference(ctx context.Context, accountID, reference string) (string, error) {
	var id string
	err := g.db.GetContext(ctx, &id, `SELECT id FROM refunds WHERE account_id = $1 AND provider_reference = $2`, accountID, reference)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("finding refund %s: %w", reference, err)
	}
	return id, nil
}

// livePayments are an order's attempts under way.
func livePayments(ctx context.Context, x sqlx.QueryerContext, orderID string) ([]paymentRow, error) {
	var rows []paymentRow
	err := sqlx.SelectContext(ctx, x, &rows, `SELECT `+paymentColumns+` FROM payments WHERE order_id = $1 AND status IN ('created', 'pending')`, orderID)
	if err != nil {
		return nil, fmt.Errorf("reading the payments under way of %s: %w", orderID, err)
	}
	return rows, nil
}

// SweepRefunds sends at most limit approved refunds and asks after those sent that have no final word. Replicas share the work by
// leases, as [Gateway.Sweep] does; that a refund is sent once does not hang on them.
func (g *Gateway) SweepRefunds(ctx context.Context, limit int) (int, error) {
	const leaseFor = 2 * time.Minute
	now := g.now()
	var due []refundRow
	err := g.db.SelectContext(ctx, &due, `WITH due AS (SELECT id FROM refunds WHERE next_lookup_at <= $1 AND status IN ('approved', 'submitted')
			AND (lookup_lease_until IS NULL OR lookup_lease_until <= $1) ORDER BY next_lookup_at LIMIT $3 FOR UPDATE SKIP LOCKED)
		UPDATE refunds r SET lookup_lease_until = $2 FROM due WHERE r.id = due.id RETURNING `+strings.Replace(prefixed("r.", refundColumns), "r.order_id", "coalesce(r.order_id, '') AS order_id", 1), now, now.Add(leaseFor), limit)
	if err != nil {
		return 0, fmt.Errorf("claiming due refunds: %w", err)
	}
	slices.SortFunc(due, func(a, b refundRow) int { return a.RequestedAt.Compare(b.RequestedAt) })
	return len(due), eachAccount(due, func(r *refundRow) string { return or(deref(r.AccountID), "none") }, func(r *refundRow) error {
		if r.Status == RefundApproved {
			return g.sendRefund(ctx, r.ID, RefundApproved, nil)
		}
		return g.askRefund(ctx, r)
	})
}

func (g *Gateway) paymentRow(ctx context.Context, id string) (*paymentRow, error) {
	var p paymentRow
	if err := g.db.GetContext(ctx, &p, `SELECT `+paymentColumns+` FROM payments WHERE id = $1`, id); err != nil {
		return nil, fmt.Errorf("reading payment %s: %w", id, err)
	}
	return &p, nil
}

// visiblePayment reads a payment that the caller may see.
func (g *Gateway) visiblePayment(ctx context.Context, c Caller, id string) (*paymentRow, error) {
	source, agencies := c.sees()
	var p paymentRow
	err := g.db.GetContext(ctx, &p, `SELECT `+paymentColumns+` FROM payments WHERE id = $1
		AND EXISTS (SELECT FROM orders o WHERE o.id = order_id AND `+visible("o.", 2)+`)`, id, source, agencies)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, &Problem{Name: ProblemNotFound, Detail: "there is no such payment"}
	}
	if err != nil {
		return nil, fmt.Errorf("reading payment %s: %w", id, err)
	}
	return &p, nil
}

// orderedPayment is a payment that the caller may see, for what needs its order; money without one has no such path, and says so.
func (g *Gateway) orderedPayment(ctx context.Context, c Caller, id string) error {
	_, err := g.visiblePayment(ctx, c, id)
	if ProblemName(err) != ProblemNotFound {
		return err
	}
	if _, err := g.orderless(ctx, c, id); err != nil {
		return err
	}
	return &Problem{Name: ProblemPaymentState, Detail: "the payment belongs to no order: its money can be refunded, and not yet applied to an order"}
}
