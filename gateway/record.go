package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// Word is something said about a payment, by whoever said it.
type Word struct {
	AccountID string
	Notice    providers.Notice
	Source    Source
	Actor     string     // the person, where one said it
	Raw       []byte     // the message as received, for callbacks and returns: kept sealed
	Lookup    *lookupRow // for look-ups: the row that records the asking
	Due       *time.Time // for look-ups: when the payment was to be looked up, as it stood when the question was sent
	Was       string     // for look-ups: the payment's state, as it stood when the question was sent

	payer    *payerEvidence // of the notice, digested
	transfer *string        // set: wants to know which bank transfer it was
}

// Record is the one door: every callback, return, look-up and settlement that speaks of a payment comes through here, and
// nothing else can make a payment succeed. It judges what is stored and what was said with the order locked before the
// payment, and writes payment, order, allocation, moves, history and events in one statement. Two words at once: the
// second sees what the first did.
func (g *Gateway) Record(ctx context.Context, w Word) (providers.Verdict, error) {
	if w.Notice.Transfer != nil {
		return g.recordTransfer(ctx, w)
	}
	h := &heard{word: w}
	err := g.hearing.do(ctx, h)
	if err != nil {
		return providers.VerdictFailed, err
	}
	return h.verdict, nil
}

// recordAlone takes one word in a transaction of its own, as often as somebody else was faster.
func (g *Gateway) recordAlone(ctx context.Context, w Word) (providers.Verdict, error) {
	var verdict providers.Verdict
	var also []string // orders to lock besides the payment's own
	for range 4 {
		err := transact(ctx, g.db, func(tx *sqlx.Tx) error {
			e, v, err := g.decide(ctx, tx, w, also)
			if err != nil {
				return err
			}
			verdict = v
			return e.write(ctx, tx)
		})
		var more *moreOrdersError
		switch {
		case err == nil:
			return verdict, nil
		case errors.As(err, &more):
			also = more.orders
		case IsStale(err):
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
func (g *Gateway) decide(ctx context.Context, tx *sqlx.Tx, w Word, also []string) (*effects, providers.Verdict, error) {
	e := &effects{}
	if w.Lookup != nil {
		e.lookups = []lookupRow{*w.Lookup}
	}
	others, err := lockOrdersByID(ctx, tx, also)
	if err != nil {
		return nil, "", err
	}
	o, p, err := lockPayment(ctx, tx, w.AccountID, w.Notice.Reference)
	if err != nil {
		return nil, "", err
	}
	if p == nil {
		return e, providers.VerdictUnknownPayment, g.keepRaw(e, w, "", providers.VerdictUnknownPayment)
	}
	v, events, err := g.judged(ctx, tx, e, o, p, others, w)
	if err != nil {
		return nil, "", err
	}
	return e, v, g.announce(ctx, tx, e, o, viewPayment(p), events, g.now())
}

// judged judges a word about a locked payment and lists what is to be written, but for the events, which it names.
func (g *Gateway) judged(ctx context.Context, tx *sqlx.Tx, e *effects, o *orderRow, p *paymentRow, others map[string]*orderRow, w Word) (providers.Verdict, []string, error) {
	entry, err := g.accounts.Get(ctx, w.AccountID)
	if err != nil {
		return "", nil, err
	}
	if entry.Err != nil {
		return "", nil, entry.Err
	}
	if w.payer, err = g.payerEvidence(w.Notice.Payer); err != nil {
		return "", nil, err
	}
	now, plan := g.now(), entry.Provider.LookupPlan()
	s := Stored{Status: p.Status, Requested: p.RequestedAmount, Received: p.ReceivedAmount, Transaction: p.ProviderTransaction,
		OrderStatus: o.Status, OrderAmount: o.Amount, OrderPaid: o.PaidAmount,
		ByTransfer: p.ByTransfer, Overtaken: w.Lookup != nil && w.Was != p.Status, PastGiveUp: p.ExpiresAt != nil && !now.Before(p.ExpiresAt.Add(plan.GiveUpAfter))}
	if o.Status == OrderExpired {
		if s.NewerLive, err = newerLive(ctx, tx, o.ID); err != nil {
			return "", nil, err
		}
	}
	d := Judge(s, w.Notice, w.Source)
	if err := g.keepRaw(e, w, p.ID, d.Verdict); err != nil {
		return "", nil, err
	}
	events, err := g.carryOut(ctx, tx, e, o, p, others, d, w, plan, now)
	return d.Verdict, events, err
}

// carryOut turns a decision into rows, and names the events that tell of it.
func (g *Gateway) carryOut(ctx context.Context, tx *sqlx.Tx, e *effects, o *orderRow, p *paymentRow, others map[string]*orderRow, d Decision, w Word,
	plan providers.LookupPlan, now time.Time) ([]string, error) {
	fromPayment, before := p.Status, len(e.orderChanges)
	if w.Lookup != nil {
		p.LastLookupAt, p.LastLookupOutcome, p.Lookups = &now, string(w.Notice.Outcome), p.Lookups+1
	}
	// Only a word that decides, or the provider's own when asked, ends a doubt; a browser or a kept claim does not.
	if d.InDoubt || d.To != "" || w.Source.authoritative() {
		p.InDoubt = d.InDoubt
	}
	if n := w.Notice; w.Source != SourceReturn && (d.To != "" || p.Status == PaymentPending && !d.Mismatch) {
		p.Code, p.Reason = n.Code, string(n.Reason)
		if n.Transaction != "" {
			p.ProviderTransaction = n.Transaction
		}
	}
	var events []string
	switch d.To {
	case PaymentSucceeded:
		g.succeed(e, o, p, d, w, now)
		events = append(events, "payment.succeeded")
	case PaymentReversed:
		if err := g.reverse(ctx, tx, e, o, p, others, w, now); err != nil {
			return nil, err
		}
		events = append(events, "payment.reversed")
	case "":
	default:
		p.Status = d.To
		if d.To != PaymentExpired {
			events = append(events, "payment."+d.To)
		}
	}
	due := p.NextLookupAt
	p.NextLookupAt = g.whenNext(p, d, plan, now)
	switch next := p.NextLookupAt; {
	case due == nil:
	case d.AskAgain && w.Lookup == nil && !due.After(*next): // who asks again and again does not put it off
		later := due.Add(time.Microsecond) // so that a question under way sees that somebody asked meanwhile
		p.NextLookupAt = &later
	case w.Lookup == nil && d.To == "" && ended(p.Status) && (next == nil || due.Before(*next)): // what was denied is asked about, whatever else is said
		p.NextLookupAt = due
	}
	if w.Lookup != nil && due != nil && (w.Due == nil || !due.Equal(*w.Due)) && p.Status != PaymentReversed {
		// A claim came while the question was under way: its answer may be older than the claim, and is not the last word on it.
		if again := soon(plan, p.LastLookupAt, now); p.NextLookupAt == nil || again.Before(*p.NextLookupAt) {
			p.NextLookupAt = again
		}
	}
	if p.NextLookupAt == nil && (p.Status == PaymentPending || p.Status == PaymentCreated) {
		p.InDoubt = true // the plan is used up: a person must decide
	}
	e.paymentChanges = append(e.paymentChanges, paymentChange{*p, fromPayment})
	if p.Status != fromPayment {
		e.history = append(e.history, historyRow{p.ID, fromPayment, p.Status, string(w.Source), w.Actor, detailOf(d, w), now})
	}
	for _, c := range e.orderChanges[before:] {
		if c.ID == o.ID {
			events = append(events, orderEvent(c))
			continue
		}
		if err := g.announce(ctx, tx, e, others[c.ID], nil, []string{orderEvent(c)}, now); err != nil {
			return nil, err
		}
	}
	if d.Surplus > 0 {
		events = append(events, "order.surplus")
	}
	return events, nil
}

// changeOrder lists an order as changed, with its history where the state is another.
func (e *effects) changeOrder(o *orderRow, from string, src Source, actor string, now time.Time) {
	e.orderChanges = append(e.orderChanges, orderChange{*o, from, liveStatus(o.Status)})
	if o.Status != from {
		e.history = append(e.history, historyRow{o.ID, from, o.Status, string(src), actor, "", now})
	}
}

// payInto lets an amount of a payment pay an order; n tells several allocations of the two apart. The order must be locked,
// and owe at least that much.
func (e *effects) payInto(o *orderRow, p *paymentRow, n int, amount vnd.Amount, now time.Time) {
	e.allocations = append(e.allocations, allocationRow{p.ID, o.ID, n, amount, now})
	p.AllocatedAmount += amount
	o.PaidAmount += amount
	if o.PaidAmount == o.Amount {
		o.Status, o.SettledAt = OrderPaid, &now
	}
}

// orderEvent names what a payment did to an order: its new state, or that another part of it is paid.
func orderEvent(c orderChange) string {
	if c.Status == OrderOpen || c.Status == c.From {
		return "order.partly_paid"
	}
	return "order." + c.Status
}

func detailOf(d Decision, w Word) string {
	switch {
	case d.Contradict:
		return "code " + w.Notice.Code + ", against its earlier word"
	case w.Notice.Code != "" && w.Notice.ReadBy != "":
		return "code " + w.Notice.Code + ", read by " + w.Notice.ReadBy
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
	fromOrder := o.Status
	channel, rule := channelOf(p, w.Notice.Payer != nil)
	p.Status, p.ReceivedAmount = PaymentSucceeded, d.Received
	p.PaidAt, p.RecordedAt, p.Channel, p.ChannelRule, p.InDoubt = &paidAt, &now, &channel, &rule, false
	if w.payer != nil {
		p.PayerKind, p.PayerBank, p.PayerMasked, p.PayerDigest = w.payer.kind, w.payer.bank, w.payer.masked, &w.payer.digest
	}
	move := func(leg, from string, m moveRow) {
		m.CauseType, m.CauseID, m.Leg, m.FromAccount, m.ToAccount = "payment", p.ID, leg, from, holder(p, o.AgencyCode)
		m.AccountID, m.EffectiveAt, m.RecordedAt = p.AccountID, paidAt, now
		e.moves = append(e.moves, m)
	}
	if d.Allocate > 0 {
		move("allocated", payerAccount, moveRow{Amount: d.Allocate})
		e.payInto(o, p, 0, d.Allocate, now)
		o.Late = o.Late || d.OrderTo != "" && (d.Late || paidAt.After(o.ExpiresAt))
		e.changeOrder(o, fromOrder, w.Source, w.Actor, now)
	}
	if d.Surplus > 0 {
		move("surplus", surplusOf(p.ID), moveRow{Amount: d.Surplus})
	}
}

// askedDaily is how often a question about an ended payment is asked again once the plan is used up.
const askedDaily = 24 * time.Hour

// whenNext says when the payment is looked up next; nil for an ended one unless more money may come of it or a claim contradicts it. That question stays until
// the provider answers it: a look-up that fails must not be the end of a denial, or of late money.
func (g *Gateway) whenNext(p *paymentRow, d Decision, plan providers.LookupPlan, now time.Time) *time.Time {
	if d.AskAgain {
		return soon(plan, p.LastLookupAt, now)
	}
	if plan.AfterPaid > 0 && p.Status == PaymentSucceeded && p.ExpiresAt != nil && !d.Unanswered {
		last := p.ExpiresAt.Add(plan.AfterPaid)
		if now.Before(last) {
			return &last
		}
		if p.LastLookupAt == nil || p.LastLookupAt.Before(last) { // the success itself came later than that
			return soon(plan, p.LastLookupAt, now)
		}
	}
	if !d.Unanswered && p.Status != PaymentPending && p.Status != PaymentCreated {
		return nil
	}
	next := nextLookup(plan, p.CreatedAt, p.ExpiresAt, p.LastLookupAt, now)
	if next == nil && d.Unanswered {
		daily := now.Add(askedDaily)
		next = &daily
	}
	return next
}

// announce writes the events, each holding its object as it stands after the change: an order's events the order, any other
// what it is about.
func (g *Gateway) announce(ctx context.Context, tx *sqlx.Tx, e *effects, o *orderRow, about any, kinds []string, now time.Time) error {
	var belongs *parts
	if slices.ContainsFunc(kinds, ofOrder) {
		var err error
		if belongs, err = partsOf(ctx, tx, o.ID); err != nil {
			return err
		}
	}
	return g.tell(e, o, about, belongs, kinds, now)
}

func ofOrder(kind string) bool { return strings.HasPrefix(kind, "order.") }

// tell writes the events where what belongs to the order is at hand (it may be nil where no event is the order's).
func (g *Gateway) tell(e *effects, o *orderRow, about any, belongs *parts, kinds []string, now time.Time) error {
	var view *OrderView
	for _, k := range kinds {
		data := about
		if ofOrder(k) {
			if view == nil {
				var err error
				if view, err = g.viewOrder(o, belongs.after(o, e)); err != nil {
					return err
				}
			}
			data = view.public()
		}
		row, err := event(k, o, data, now)
		if err != nil {
			return err
		}
		e.outbox = append(e.outbox, row)
	}
	return nil
}
