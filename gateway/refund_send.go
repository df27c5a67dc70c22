package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/providers"
)

// SourceSubmission is the provider's answer to the sending of a refund.
const SourceSubmission Source = "submission"

// waitForTurn is how long an approved refund waits while another one of its payment is under way.
const waitForTurn = time.Minute

// sendRefund sends a refund once. The intent is written first, and a refund that is under way is never sent again, whatever became of
// the process or the answer: it is asked after. from is approved, or failed for a person's retry, who is by then. Somebody faster: nothing is done.
func (g *Gateway) sendRefund(ctx context.Context, id, from string, by *Caller) error {
	var refunder providers.Refunder
	var pay providers.Payment
	var sent *refundRow
	var asked providers.Refund
	err := g.retrying(ctx, "refund "+id, func(tx *sqlx.Tx) error {
		sent = nil
		m, r, err := lockRefund(ctx, tx, id)
		if err != nil || r.Status != from {
			return err
		}
		if refunder, err = g.refunderOf(ctx, r); err != nil {
			return err
		}
		now, p := g.now(), m.payment
		if p.Status != PaymentSucceeded {
			return &Problem{Name: ProblemPaymentState, Detail: "the payment is " + p.Status, Order: r.OrderID}
		}
		others, err := refundsOf(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		for _, other := range others {
			if other.Status != RefundSubmitted {
				continue
			}
			if from == RefundFailed {
				return &Problem{Name: ProblemRefundState, Detail: "another refund of this payment is under way: " + other.ID, Order: r.OrderID}
			}
			later := now.Add(waitForTurn)
			r.NextLookupAt = &later
			return (&effects{refundChanges: []refundChange{{*r, from}}}).write(ctx, tx)
		}
		detail := ""
		if from == RefundFailed { // the old reference's answer was final: a new one, so that no old word speaks of this sending
			detail = "before as " + r.ProviderReference
			r.ProviderReference, r.ProviderTransaction, r.Code = newReference(), "", ""
		}
		r.Status, r.SubmittedAt, r.InDoubt = RefundSubmitted, &now, false
		r.Sends++
		r.Lookups, r.LastLookupAt = 0, nil
		r.NextLookupAt = nextLookup(refunder.RefundPlan(), now, nil, nil, now)
		e := &effects{refundChanges: []refundChange{{*r, from}}, history: []historyRow{{r.ID, from, r.Status, string(SourceClock), "", detail, now}}}
		if by != nil {
			e.history[0].Source, e.history[0].Actor = string(SourcePerson), by.Actor
			e.audited(*by, "refund.retried", r.ID, now)
		}
		if err := g.announce(ctx, tx, e, ownOrder(m, r), r.public(), []string{"refund.submitted"}, now); err != nil {
			return err
		}
		sent, pay, asked = r, p.asked(), r.asked(p)
		return e.write(ctx, tx)
	})
	if err != nil || sent == nil {
		return err
	}
	notice, callErr := refunder.Refund(ctx, pay, asked)
	detail := ""
	if callErr != nil {
		notice, detail = refusedRefund(callErr), callErr.Error()
	}
	_, err = g.RecordRefund(ctx, RefundWord{AccountID: *sent.AccountID, Reference: sent.ProviderReference, Notice: notice, Source: SourceSubmission, Detail: detail})
	return err
}

// refusedRefund is what an error of a sending says. Only what certainly did not happen has failed; anything else is not known.
func refusedRefund(err error) providers.RefundNotice {
	n := providers.RefundNotice{Outcome: providers.Uncertain, Reason: providers.ReasonTechnical}
	if errors.Is(err, providers.ErrNotSent) || errors.Is(err, providers.ErrRefused) || errors.Is(err, providers.ErrConfig) {
		n.Outcome = providers.Failed
	}
	var refused *providers.RefusedError
	if errors.As(err, &refused) {
		n.Code, n.Reason = refused.Code, refused.Reason
	}
	return n
}

func (g *Gateway) refunderOf(ctx context.Context, r *refundRow) (providers.Refunder, error) {
	if r.AccountID == nil || r.Manual {
		return nil, &Problem{Name: ProblemRefundState, Detail: "no interface pays this refund back: people do, by transfer", Order: r.OrderID}
	}
	entry, err := g.accounts.Get(ctx, *r.AccountID)
	if err != nil {
		return nil, err
	}
	if entry.Err != nil {
		return nil, entry.Err
	}
	refunder, can := entry.Provider.(providers.Refunder)
	if !can {
		return nil, fmt.Errorf("refund %s: the provider of account %s no longer pays back", r.ID, *r.AccountID)
	}
	return refunder, nil
}

// asked is the refund as an adapter needs it: each sending has a reference of its own, so each is a first one.
func (r *refundRow) asked(p *paymentRow) providers.Refund {
	return providers.Refund{Reference: r.ProviderReference, Amount: r.Amount, Full: r.Amount == p.ReceivedAmount, Description: "Hoan tien phi le phi",
		By: r.RequestedBy, CreatedAt: *r.SubmittedAt, Transaction: r.ProviderTransaction}
}

// askRefund asks the provider after one refund under way. ErrTooSoon: not asked.
func (g *Gateway) askRefund(ctx context.Context, r *refundRow) error {
	if r.Status != RefundSubmitted {
		return nil
	}
	refunder, err := g.refunderOf(ctx, r)
	if err != nil {
		return err
	}
	if r.LastLookupAt != nil && g.now().Before(r.LastLookupAt.Add(refunder.RefundPlan().MinInterval)) {
		return ErrTooSoon
	}
	p, err := g.paymentRow(ctx, r.PaymentID)
	if err != nil {
		return err
	}
	began := time.Now()
	asked := r.asked(p)
	asked.SentBefore = true
	notice, err := refunder.LookupRefund(ctx, p.asked(), asked)
	row := &lookupRow{AskedAt: g.now(), ObjectID: r.ID, AccountID: *r.AccountID, TookMS: time.Since(began).Milliseconds()}
	if err != nil { // an error is about the question, never about the refund
		notice = providers.RefundNotice{Outcome: providers.Uncertain, Reason: providers.ReasonTechnical}
		row.Detail = err.Error()
	}
	row.Outcome, row.Code = string(notice.Outcome), notice.Code
	_, err = g.RecordRefund(context.WithoutCancel(ctx), RefundWord{AccountID: *r.AccountID, Reference: r.ProviderReference, Notice: notice, Source: SourceLookup, Lookup: row})
	return err
}

// RefundWord is something said about a refund, by the provider when it was sent or asked after, or by its settlement.
type RefundWord struct {
	AccountID, Reference string
	Notice               providers.RefundNotice
	Source               Source
	Detail               string // for the history, where the answer has no code
	Actor                string // the person, where one said it
	caller               *Caller
	Lookup               *lookupRow
}

// RefundDecision is what is to be done about one word.
type RefundDecision struct {
	To         string // the refund's new state, "" = unchanged
	InDoubt    bool
	Contradict bool // the provider takes its final no back
	Verdict    providers.Verdict
}

// JudgeRefund decides what a word does to a refund: a pure function. Unknown is not failed; a success stands; what was never sent
// cannot have been paid back by it, so such a word is left to the reconciliation.
func JudgeRefund(status string, n providers.RefundNotice) RefundDecision {
	d := RefundDecision{Verdict: providers.VerdictRecorded}
	switch status {
	case RefundSubmitted:
		switch n.Outcome {
		case providers.Succeeded:
			d.To = RefundSucceeded
		case providers.Declined, providers.Failed:
			d.To = RefundFailed
		case providers.Pending:
		default:
			d.InDoubt = true
		}
	case RefundFailed:
		if n.Outcome == providers.Succeeded {
			d.To, d.Contradict = RefundSucceeded, true
		}
	case RefundSucceeded:
		d.Verdict = providers.VerdictDuplicate
	default:
		d.Verdict = providers.VerdictUnknownPayment
	}
	return d
}

// RecordRefund is the one door for refunds: nothing else makes one succeed.
func (g *Gateway) RecordRefund(ctx context.Context, w RefundWord) (providers.Verdict, error) {
	id, err := g.refundByReference(ctx, w.AccountID, w.Reference)
	if err != nil {
		return providers.VerdictFailed, err
	}
	if id == "" {
		return providers.VerdictUnknownPayment, nil
	}
	var verdict providers.Verdict
	err = g.retrying(ctx, "refund "+id, func(tx *sqlx.Tx) error {
		m, r, err := lockRefund(ctx, tx, id)
		if err != nil {
			return err
		}
		d := JudgeRefund(r.Status, w.Notice)
		if r.ProviderReference != w.Reference { // sent again under another one meanwhile
			d = RefundDecision{Verdict: providers.VerdictUnknownPayment}
		}
		verdict = d.Verdict
		return g.carryOutRefund(ctx, tx, m, r, d, w)
	})
	if err != nil {
		return providers.VerdictFailed, fmt.Errorf("recording a %s about refund %s: %w", w.Source, w.Reference, err)
	}
	return verdict, nil
}

func (g *Gateway) carryOutRefund(ctx context.Context, tx *sqlx.Tx, m *money, r *refundRow, d RefundDecision, w RefundWord) error {
	now, from := g.now(), r.Status
	e := &effects{}
	if w.Lookup != nil {
		e.lookups = []lookupRow{*w.Lookup}
		r.LastLookupAt = &now
		r.Lookups++
	}
	if d.To == "" && from != RefundSubmitted {
		return e.write(ctx, tx) // kept that it was said, nothing changed by it
	}
	detail := w.Detail
	if detail == "" && w.Notice.Code != "" {
		detail = "code " + w.Notice.Code
	}
	if d.Contradict { // the states know no way from failed to succeeded but through submitted
		again := *r
		again.Status = RefundSubmitted
		first := &effects{refundChanges: []refundChange{{again, from}},
			history: []historyRow{{r.ID, from, again.Status, string(w.Source), "", "against the provider's earlier word", now}}}
		if err := first.write(ctx, tx); err != nil {
			return err
		}
		from = RefundSubmitted
	}
	r.InDoubt, r.Code = d.InDoubt, w.Notice.Code
	if w.Notice.Transaction != "" {
		r.ProviderTransaction = w.Notice.Transaction
	}
	kinds, o := []string{}, ownOrder(m, r)
	if w.caller != nil {
		e.audited(*w.caller, "refund."+string(w.Notice.Outcome), r.ID, now)
	}
	switch d.To {
	case RefundSucceeded:
		r.Status, r.NextLookupAt = RefundSucceeded, nil
		kinds = append(kinds, "refund.succeeded")
		if e.refunded(o, m.payment, r, w, now) {
			kinds = append(kinds, "order."+o.Status)
		}
	case RefundFailed:
		r.Status, r.NextLookupAt = RefundFailed, nil
		kinds = append(kinds, "refund.failed")
	default:
		refunder, err := g.refunderOf(ctx, r)
		if err != nil {
			return err
		}
		r.NextLookupAt = nextLookup(refunder.RefundPlan(), *r.SubmittedAt, nil, r.LastLookupAt, now)
		r.InDoubt = r.InDoubt || r.NextLookupAt == nil // the plan is used up: a person must decide
	}
	e.refundChanges = append(e.refundChanges, refundChange{*r, from})
	if r.Status != from {
		e.history = append(e.history, historyRow{r.ID, from, r.Status, string(w.Source), w.Actor, detail, now})
	}
	if err := g.announce(ctx, tx, e, o, r.public(), kinds, now); err != nil {
		return err
	}
	return e.write(ctx, tx)
}

// refunded lists what a refund that was done changes: the payment, the moves, and the order by its own part alone; surplus never moves
// an order. It reports whether the order's state speaks of it: an open or expired order stays what it is.
func (e *effects) refunded(o *orderRow, p *paymentRow, r *refundRow, w RefundWord, now time.Time) bool {
	at := w.Notice.At
	if at.IsZero() {
		at = now
	}
	r.EffectiveAt, r.RecordedAt = &at, &now
	p.RefundedAmount += r.Amount
	p.RefundedSurplus += r.SurplusPart
	e.paymentChanges = append(e.paymentChanges, paymentChange{*p, p.Status})
	e.moveRefund(r, "done", holder(p, o.AgencyCode), refundPayable, r.Amount, at, now)
	if r.AllocatedPart == 0 || p.Status != PaymentSucceeded { // a reversed payment pays no order: there is nothing to take off one
		return false
	}
	from := o.Status
	o.RefundedAmount += r.AllocatedPart
	if from == OrderPaid || from == OrderPartlyRefunded {
		o.Status = OrderPartlyRefunded
		if o.RefundedAmount == o.PaidAmount {
			o.Status = OrderRefunded
		}
	}
	e.changeOrder(o, from, w.Source, "", now)
	return o.Status == OrderPartlyRefunded || o.Status == OrderRefunded
}
