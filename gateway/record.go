package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/providers"
)

// Word is something said about a payment, by whoever said it.
type Word struct {
	AccountID string
	Notice    providers.Notice
	Source    Source
	Raw       []byte     // the message as received, for callbacks and returns: kept sealed
	Lookup    *lookupRow // for look-ups: the row that records the asking
}

// Record is the one door: every callback, return, look-up and settlement that speaks of a payment comes through here, and
// nothing else can make a payment succeed. It judges what is stored and what was said with the order locked before the
// payment, and writes payment, order, allocation, moves, history and events in one statement. Two words at once: the
// second sees what the first did.
func (g *Gateway) Record(ctx context.Context, w Word) (providers.Verdict, error) {
	var verdict providers.Verdict
	for range 3 {
		err := transact(ctx, g.db, func(tx *sqlx.Tx) error {
			e, v, err := g.decide(ctx, tx, w)
			if err != nil {
				return err
			}
			verdict = v
			return e.write(ctx, tx)
		})
		switch {
		case err == nil:
			return verdict, nil
		case errors.Is(err, errStale), violated(err) == "order_lines_live":
			continue // somebody was faster, or a newer order came: judge again
		default:
			return providers.VerdictFailed, fmt.Errorf("recording a %s about %s: %w", w.Source, w.Notice.Reference, err)
		}
	}
	return providers.VerdictFailed, fmt.Errorf("recording a %s about %s: the payment kept changing", w.Source, w.Notice.Reference)
}

// Keep stores a message that nothing could be made of: unknown, forged or unreadable. It changes no state.
func (g *Gateway) Keep(ctx context.Context, accountID string, isReturn bool, raw []byte, v providers.Verdict) error {
	e := &effects{}
	source := SourceCallback
	if isReturn {
		source = SourceReturn
	}
	if err := g.keepRaw(e, Word{AccountID: accountID, Source: source, Raw: raw}, "", v); err != nil {
		return err
	}
	return e.write(ctx, g.db)
}

func (g *Gateway) keepRaw(e *effects, w Word, paymentID string, v providers.Verdict) error {
	if w.Raw == nil {
		return nil
	}
	sealed, err := g.keys.Seal(w.Raw, "callback:"+w.AccountID)
	if err != nil {
		return fmt.Errorf("keeping a callback: %w", err)
	}
	digest := sha256.Sum256(w.Raw)
	e.callbacks = append(e.callbacks, callbackRow{ReceivedAt: g.now(), AccountID: w.AccountID, PaymentID: paymentID, Kind: string(w.Source),
		Verdict: string(v), Digest: `\x` + hex.EncodeToString(digest[:]), Sealed: `\x` + hex.EncodeToString(sealed)})
	return nil
}

// decide reads, judges and lists what is to be written.
func (g *Gateway) decide(ctx context.Context, tx *sqlx.Tx, w Word) (*effects, providers.Verdict, error) {
	e := &effects{}
	if w.Lookup != nil {
		e.lookups = []lookupRow{*w.Lookup}
	}
	o, p, err := lockPayment(ctx, tx, w.AccountID, w.Notice.Reference)
	if err != nil {
		return nil, "", err
	}
	if p == nil {
		return e, providers.VerdictUnknownPayment, g.keepRaw(e, w, "", providers.VerdictUnknownPayment)
	}
	entry, err := g.accounts.Get(ctx, w.AccountID)
	if err != nil {
		return nil, "", err
	}
	if entry.Err != nil {
		return nil, "", entry.Err
	}
	now, plan := g.now(), entry.Provider.LookupPlan()
	s := Stored{Status: p.Status, Requested: p.RequestedAmount, Received: p.ReceivedAmount, Transaction: p.ProviderTransaction,
		OrderStatus: o.Status, OrderAmount: o.Amount, OrderPaid: o.PaidAmount,
		PastGiveUp: p.ExpiresAt != nil && !now.Before(p.ExpiresAt.Add(plan.GiveUpAfter))}
	if o.Status == OrderExpired {
		if s.NewerLive, err = newerLive(ctx, tx, o.ID); err != nil {
			return nil, "", err
		}
	}
	d := Judge(s, w.Notice, w.Source)
	if err := g.keepRaw(e, w, p.ID, d.Verdict); err != nil {
		return nil, "", err
	}
	if err := g.carryOut(ctx, tx, e, o, p, d, w, plan, now); err != nil {
		return nil, "", err
	}
	return e, d.Verdict, nil
}

// carryOut turns a decision into rows.
func (g *Gateway) carryOut(ctx context.Context, tx *sqlx.Tx, e *effects, o *orderRow, p *paymentRow, d Decision, w Word, plan providers.LookupPlan, now time.Time) error {
	fromPayment, fromOrder, allocated := p.Status, o.Status, p.AllocatedAmount
	if w.Lookup != nil {
		p.LastLookupAt, p.LastLookupOutcome, p.Lookups = &now, string(w.Notice.Outcome), p.Lookups+1
	}
	// Only a word that decides, or the provider's own when asked, ends a doubt; a browser or a kept claim does not.
	if d.InDoubt || d.To != "" || w.Source.authoritative() {
		p.InDoubt = d.InDoubt
	}
	if n := w.Notice; w.Source != SourceReturn && !d.Mismatch && (d.To != "" || p.Status == PaymentPending) {
		p.Code, p.Reason = n.Code, string(n.Reason)
		if n.Transaction != "" {
			p.ProviderTransaction = n.Transaction
		}
	}
	var events []string
	orderMoved := false
	switch d.To {
	case PaymentSucceeded:
		g.succeed(e, o, p, d, w, now)
		orderMoved = d.Allocate > 0
		events = append(events, "payment.succeeded")
	case PaymentReversed:
		if err := g.reverse(ctx, tx, e, o, p, w, now); err != nil {
			return err
		}
		orderMoved = allocated > 0
		events = append(events, "payment.reversed")
	case "":
	default:
		p.Status = d.To
		if d.To != PaymentExpired {
			events = append(events, "payment."+d.To)
		}
	}
	p.NextLookupAt = g.whenNext(p, d, plan, now)
	if p.NextLookupAt == nil && (p.Status == PaymentPending || p.Status == PaymentCreated) {
		p.InDoubt = true // the plan is used up: a person must decide
	}
	e.paymentChanges = append(e.paymentChanges, paymentChange{*p, fromPayment})
	if p.Status != fromPayment {
		e.history = append(e.history, historyRow{p.ID, fromPayment, p.Status, string(w.Source), "", detailOf(d, w), now})
	}
	if orderMoved {
		e.orderChanges = append(e.orderChanges, orderChange{*o, fromOrder, liveStatus(o.Status)})
		if o.Status != fromOrder {
			e.history = append(e.history, historyRow{o.ID, fromOrder, o.Status, string(w.Source), "", "", now})
		}
		events = append(events, orderEvent(o.Status))
	}
	if d.Surplus > 0 {
		events = append(events, "order.surplus")
	}
	return g.announce(ctx, tx, e, o, p, events, now)
}

func orderEvent(status string) string {
	switch status {
	case OrderOpen:
		return "order.partly_paid"
	default:
		return "order." + status
	}
}

func detailOf(d Decision, w Word) string {
	switch {
	case d.Contradict:
		return "code " + w.Notice.Code + ", against its earlier word"
	case w.Notice.Code != "":
		return "code " + w.Notice.Code
	}
	return ""
}

func (g *Gateway) succeed(e *effects, o *orderRow, p *paymentRow, d Decision, w Word, now time.Time) {
	paidAt := w.Notice.PaidAt
	if paidAt.IsZero() {
		paidAt = now
	}
	channel, rule := channelOf(p, w.Notice.Payer != nil)
	p.Status, p.ReceivedAmount, p.AllocatedAmount = PaymentSucceeded, d.Received, d.Allocate
	p.PaidAt, p.RecordedAt, p.Channel, p.ChannelRule, p.InDoubt = &paidAt, &now, &channel, &rule, false
	move := func(leg, from string, m moveRow) {
		m.CauseType, m.CauseID, m.Leg, m.FromAccount, m.ToAccount = "payment", p.ID, leg, from, holder(p, o.AgencyCode)
		m.AccountID, m.EffectiveAt, m.RecordedAt = p.AccountID, paidAt, now
		e.moves = append(e.moves, m)
	}
	if d.Allocate > 0 {
		e.allocations = append(e.allocations, allocationRow{p.ID, o.ID, 0, d.Allocate, now})
		move("allocated", payerAccount, moveRow{Amount: d.Allocate})
		o.PaidAmount += d.Allocate
	}
	if d.Surplus > 0 {
		move("surplus", surplusOf(p.ID), moveRow{Amount: d.Surplus})
	}
	if d.OrderTo != "" {
		o.Status, o.Late, o.SettledAt = d.OrderTo, d.Late || paidAt.After(o.ExpiresAt), &now
	}
}

func (g *Gateway) reverse(ctx context.Context, tx *sqlx.Tx, e *effects, o *orderRow, p *paymentRow, w Word, now time.Time) error {
	e.reversals = append(e.reversals, reversalRow{p.ID, string(w.Source), now, now})
	back := func(leg, to string, m moveRow) {
		m.CauseType, m.CauseID, m.Leg, m.FromAccount, m.ToAccount = "reversal", p.ID, leg, holder(p, o.AgencyCode), to
		m.AccountID, m.EffectiveAt, m.RecordedAt = p.AccountID, now, now
		e.moves = append(e.moves, m)
	}
	if p.AllocatedAmount > 0 {
		back("allocated", payerAccount, moveRow{Amount: p.AllocatedAmount})
		o.PaidAmount -= p.AllocatedAmount
		if o.Status != OrderOpen && o.Status != OrderExpired {
			taken, err := newerLive(ctx, tx, o.ID)
			if err != nil {
				return err
			}
			o.Status = OrderOpen
			if taken || !now.Before(o.ExpiresAt) {
				o.Status = OrderExpired
			}
		}
		o.SettledAt, o.RefundedAmount = nil, 0
	}
	if s := p.ReceivedAmount - p.AllocatedAmount; s > 0 {
		back("surplus", surplusOf(p.ID), moveRow{Amount: s})
	}
	p.Status, p.AllocatedAmount = PaymentReversed, 0
	return nil
}

// whenNext says when the payment is looked up next; nil for a final one unless its success was denied.
func (g *Gateway) whenNext(p *paymentRow, d Decision, plan providers.LookupPlan, now time.Time) *time.Time {
	if d.AskAgain {
		return soon(plan, p.LastLookupAt, now)
	}
	if p.Status == PaymentPending || p.Status == PaymentCreated {
		return nextLookup(plan, p.CreatedAt, p.ExpiresAt, p.LastLookupAt, now)
	}
	return nil
}

// announce writes the events, each holding its object as it stands after the change.
func (g *Gateway) announce(ctx context.Context, tx *sqlx.Tx, e *effects, o *orderRow, p *paymentRow, kinds []string, now time.Time) error {
	if len(kinds) == 0 {
		return nil
	}
	lines, payments, err := partsOf(ctx, tx, o.ID)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(payments, func(q paymentRow) bool { return q.ID == p.ID }); i >= 0 {
		payments[i] = *p
	} else { // counter money is written in this very transaction
		payments = append(payments, *p)
	}
	view, err := g.viewOrder(o, lines, payments)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		var data any = view
		if k[:8] == "payment." {
			data = viewPayment(p)
		}
		row, err := event(k, o, data, now)
		if err != nil {
			return err
		}
		e.outbox = append(e.outbox, row)
	}
	return nil
}
