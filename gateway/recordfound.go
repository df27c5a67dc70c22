package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// Found is a payment that the provider settled and that is not recorded as paid here, as two people decided to record it.
type Found struct {
	AccountID, Reference, Transaction string // as the settlement line has them
	Amount                            vnd.Amount
	PaidAt                            time.Time
	OrderID                           string // what it was for, "" where nobody knows: then it is surplus
	By                                string // the second of the two people
}

// ruleFound is the channel rule of a payment that has no order: a line of a settlement is all that is known of it.
const ruleFound = "found"

// RecordFound records a found payment in the caller's transaction, judged and written as every other word is: a payment that
// we have succeeds; one that we never had is written first and then succeeds, its money allocated to the order as far as
// that owes any. Saying it again changes nothing. It gives the payment and the reference that it is recorded under, which is
// the line's unless another transaction holds that.
func (g *Gateway) RecordFound(ctx context.Context, tx *sqlx.Tx, c Caller, f Found) (id, reference string, err error) {
	doing := func(err error) error {
		return fmt.Errorf("recording the payment %s that was found in a settlement: %w", f.Reference, err)
	}
	for _, reference := range []string{f.Reference, f.Reference + "~" + f.Transaction} {
		known, err := findPayment(ctx, tx, f.AccountID, reference)
		switch {
		case err != nil:
			return "", "", doing(err)
		case known == nil:
			id, err := g.makeFound(ctx, tx, c, f, reference)
			return id, reference, err
		case known.status == PaymentSucceeded && (known.transaction == f.Transaction || reference != f.Reference):
			return known.id, reference, nil
		case known.status == PaymentSucceeded || known.status == PaymentReversed:
			continue // another transaction under the same reference: the payer paid twice
		case f.OrderID != "" && f.OrderID != known.order:
			return "", "", &Problem{Name: ProblemInvalid, Fields: []FieldError{{"order_id", "the payment with this reference belongs to another order"}}, Order: known.order}
		}
		return known.id, reference, g.recordIn(ctx, tx, f, reference)
	}
	return "", "", &Problem{Name: ProblemOrderState, Detail: "the payment " + f.Reference + " was reversed: it cannot succeed again"}
}

// recordIn takes the word through judge and writer in the caller's transaction.
func (g *Gateway) recordIn(ctx context.Context, tx *sqlx.Tx, f Found, reference string) error {
	e, _, err := g.decide(ctx, tx, Word{AccountID: f.AccountID, Source: SourcePerson, Actor: f.By, Notice: f.notice(reference)}, nil)
	if err != nil {
		return err
	}
	return e.write(ctx, tx)
}

func (f *Found) notice(reference string) providers.Notice {
	return providers.Notice{Reference: reference, Outcome: providers.Succeeded, Amount: f.Amount, Transaction: f.Transaction, PaidAt: f.PaidAt, Code: "settled"}
}

// makeFound writes a payment that we never had, and makes it succeed.
func (g *Gateway) makeFound(ctx context.Context, tx *sqlx.Tx, c Caller, f Found, reference string) (string, error) {
	entry, err := g.accounts.Get(ctx, f.AccountID)
	if err != nil {
		return "", err
	}
	now := g.now()
	p := &paymentRow{ID: newID("pay_"), OrderID: f.OrderID, AccountID: &f.AccountID, Provider: entry.Account.Provider, ProviderReference: reference,
		ProviderTransaction: f.Transaction, Status: PaymentCreated, Mode: entry.Account.Mode, RequestedAmount: f.Amount, InitiatedBy: "payer", Place: "remote",
		Locale: "vi", CreatedAt: now, Description: "found in a settlement"}
	if f.OrderID == "" {
		return p.ID, g.writeOrderless(ctx, tx, p, f, now)
	}
	o, err := lockOrder(ctx, tx, c, f.OrderID)
	if err != nil {
		return "", err
	}
	if o.AgencyCode != entry.Account.AgencyCode || !entry.Account.Takes(o.Kinds) || o.Mode != entry.Account.Mode {
		return "", &Problem{Name: ProblemAccountUnsuited, Detail: "the money came into an account that may not take this order's fees", Order: o.ID}
	}
	if err := (&effects{payments: []paymentRow{*p}}).write(ctx, tx); err != nil {
		return "", err
	}
	return p.ID, g.recordIn(ctx, tx, f, reference)
}

// writeOrderless records money that nobody can tell the order of: judged as money for an order that asks for nothing, so all
// of it is surplus. No portal has part in it: its event is for people only.
func (g *Gateway) writeOrderless(ctx context.Context, tx *sqlx.Tx, p *paymentRow, f Found, now time.Time) error {
	none, e := &orderRow{}, &effects{}
	w := Word{AccountID: f.AccountID, Source: SourcePerson, Actor: f.By, Notice: f.notice(p.ProviderReference)}
	d := Judge(Stored{Status: p.Status, Requested: p.RequestedAmount}, w.Notice, w.Source)
	from, rule := p.Status, ruleFound
	g.succeed(e, none, p, d, w, now)
	p.ChannelRule, p.Code = &rule, w.Notice.Code
	succeeded, err := event("payment.succeeded", none, viewPayment(p), now)
	if err != nil {
		return err
	}
	e.payments = []paymentRow{*p}
	e.history = []historyRow{{p.ID, from, p.Status, string(w.Source), w.Actor, detailOf(d, w), now}}
	e.outbox = []outboxRow{succeeded}
	return e.write(ctx, tx)
}
