package gateway

import (
	"context"

	"github.com/jmoiron/sqlx"
)

// Cancel ends an open order that holds no money. Payments under way are looked up first: one in doubt forbids it. One that is
// clearly pending does not; should it succeed later, its money is surplus. A cancelled order is cancelled once: asking again gives it
// as it stands.
func (g *Gateway) Cancel(ctx context.Context, c Caller, orderID string) (*OrderView, error) {
	v, err := g.Order(ctx, c, orderID)
	if err != nil {
		return nil, err
	}
	if v.Status == OrderOpen {
		if err := g.settleEarlier(ctx, c, orderID, false); err != nil {
			return nil, err
		}
	}
	err = transact(ctx, g.db, func(tx *sqlx.Tx) error {
		o, err := lockOrder(ctx, tx, c, orderID)
		if err != nil || o.Status == OrderCancelled {
			return err
		}
		if err := mayEnd(ctx, tx, o, "cancelled", OrderOpen); err != nil {
			return err
		}
		return g.endOrder(ctx, tx, o, OrderCancelled, c, "")
	})
	if err != nil {
		return nil, err
	}
	return g.Order(ctx, c, orderID)
}

// settleSuperseded looks up what is under way on the order that a new one will take the place of.
func (g *Gateway) settleSuperseded(ctx context.Context, c Caller, oldID string) error {
	if oldID == "" {
		return nil
	}
	return noSuperseded(g.settleEarlier(ctx, c, oldID, false))
}

// noSuperseded says which field an order that is not there stood in.
func noSuperseded(err error) error {
	if ProblemName(err) == ProblemNotFound {
		return &Problem{Name: ProblemInvalid, Fields: []FieldError{{"supersedes", "there is no such order"}}}
	}
	return err
}

// supersede ends the old order in the new one's transaction; money on it forbids that.
func (g *Gateway) supersede(ctx context.Context, tx *sqlx.Tx, c Caller, oldID, newID string) error {
	old, err := lockOrder(ctx, tx, c, oldID)
	if err != nil {
		return noSuperseded(err)
	}
	if err := mayEnd(ctx, tx, old, "superseded", OrderOpen, OrderExpired); err != nil {
		return err
	}
	return g.endOrder(ctx, tx, old, OrderSuperseded, c, "superseded by "+newID)
}

// mayEnd holds a locked order to what an order must be that ends without money: none on it that was not given back, none in
// doubt, and one of the states.
func mayEnd(ctx context.Context, tx *sqlx.Tx, o *orderRow, how string, states ...string) error {
	if o.PaidAmount > o.RefundedAmount {
		return &Problem{Name: ProblemOrderPartlyPaid, Detail: "money has been paid on the order: it cannot be " + how, Order: o.ID}
	}
	allowed := false
	for _, s := range states {
		allowed = allowed || o.Status == s
	}
	if !allowed {
		return &Problem{Name: ProblemOrderState, Detail: "an order that is " + o.Status + " cannot be " + how, Order: o.ID}
	}
	live, err := livePayments(ctx, tx, o.ID)
	if err != nil {
		return err
	}
	for _, p := range live {
		if p.InDoubt {
			return &Problem{Name: ProblemPaymentInDoubt, Detail: "a payment has no final result yet: " + p.ID, Order: o.ID}
		}
	}
	return nil
}

// endOrder moves an order to a state without money, with its event.
func (g *Gateway) endOrder(ctx context.Context, tx *sqlx.Tx, o *orderRow, to string, c Caller, detail string) error {
	now, from := g.now(), o.Status
	o.Status = to
	source := SourcePerson
	if c.Actor == "clock" {
		source = SourceClock
	}
	e := &effects{orderChanges: []orderChange{{*o, from, liveStatus(to)}},
		history: []historyRow{{o.ID, from, to, string(source), c.Actor, detail, now}}}
	if err := g.announce(ctx, tx, e, o, nil, []string{"order." + to}, now); err != nil {
		return err
	}
	return e.write(ctx, tx)
}
