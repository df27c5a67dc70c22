package gateway

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/vnd"
)

// moreOrdersError says that the word changes more orders than its payment's own: all must be locked, in order, before the payment.
type moreOrdersError struct{ orders []string }

func (e *moreOrdersError) Error() string {
	return fmt.Sprintf("%d orders must be locked first", len(e.orders))
}

// reverse takes a success back, by the provider's or the bank's own evidence. Every đồng that the payment pays leaves its
// orders, those paid from its surplus too, and the moves of the success go back.
//
// Refunds of it: one that succeeded is a fact and stays, with its moves; the books then show what it is, money paid out of
// money that never came (clearing below zero by it). One not yet sent will not be, and its reservation is void. One under
// way is looked up to its end all the same; it no longer touches an order.
func (g *Gateway) reverse(ctx context.Context, tx *sqlx.Tx, e *effects, o *orderRow, p *paymentRow, others map[string]*orderRow, w Word, now time.Time) error {
	paid, err := allocationsOf(ctx, tx, p.ID)
	if err != nil {
		return err
	}
	var ids []string
	missing := false
	for _, a := range paid {
		ids = append(ids, a.OrderID)
		missing = missing || a.OrderID != o.ID && others[a.OrderID] == nil
	}
	if missing {
		if !slices.Contains(ids, o.ID) {
			ids = append(ids, o.ID)
		}
		return &moreOrdersError{ids}
	}
	e.reversals = append(e.reversals, reversalRow{p.ID, string(w.Source), now, now})
	back := func(leg, to string, amount vnd.Amount) {
		e.moves = append(e.moves, moveRow{CauseType: "reversal", CauseID: p.ID, Leg: leg, FromAccount: holder(p, o.AgencyCode), ToAccount: to,
			Amount: amount, AccountID: p.AccountID, EffectiveAt: now, RecordedAt: now})
	}
	for _, a := range paid {
		t := o
		if a.OrderID != o.ID {
			t = others[a.OrderID]
		}
		from := t.Status
		taken := false
		if from == OrderPaid || from == OrderPartlyRefunded {
			if taken, err = newerLive(ctx, tx, t.ID); err != nil {
				return err
			}
		}
		if takeBack(t, a.Amount, a.Refunded, taken, now) {
			e.changeOrder(t, from, w.Source, "", now)
		}
	}
	if p.AllocatedAmount > 0 {
		back("allocated", payerAccount, p.AllocatedAmount)
	}
	if s := p.ReceivedAmount - p.AllocatedAmount; s > 0 {
		back("surplus", surplusOf(p.ID), s)
	}
	if err := g.voidRefunds(ctx, tx, e, o, p, now); err != nil {
		return err
	}
	p.Status, p.AllocatedAmount = PaymentReversed, 0
	return nil
}

// takeBack takes a reversed payment's money off an order, and what was refunded of it. An order that was refunded in full has
// ended: nothing of it is owed again, so it keeps its figures. It reports whether the order changed.
func takeBack(o *orderRow, allocated, refunded vnd.Amount, taken bool, now time.Time) bool {
	if allocated == 0 || o.Status == OrderRefunded {
		return false
	}
	o.PaidAmount -= allocated
	o.RefundedAmount -= refunded
	if o.Status == OrderPaid || o.Status == OrderPartlyRefunded {
		o.Status, o.SettledAt = OrderOpen, nil
		if taken || !now.Before(o.ExpiresAt) {
			o.Status = OrderExpired
		}
	}
	return true
}

// voidRefunds ends the refunds of a reversed payment that were not sent.
func (g *Gateway) voidRefunds(ctx context.Context, tx *sqlx.Tx, e *effects, o *orderRow, p *paymentRow, now time.Time) error {
	refunds, err := refundsOf(ctx, tx, p.ID)
	if err != nil {
		return err
	}
	for i := range refunds {
		r := &refunds[i]
		if r.Status != RefundRequested && r.Status != RefundApproved && r.Status != RefundFailed {
			continue
		}
		e.rejectRefund(r, p, "system", "the payment was reversed", now)
		if err := g.announce(ctx, tx, e, o, r.public(), []string{"refund.rejected"}, now); err != nil {
			return err
		}
	}
	return nil
}
