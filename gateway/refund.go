package gateway

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// NewRefund asks for money back; it has the shape of the API's body. Available is what the caller believes can be refunded: who
// looks at an old page is told so, and nothing is paid twice.
type NewRefund struct {
	Amount    *vnd.Amount `json:"amount"`
	Available *vnd.Amount `json:"available"`
	Reason    string      `json:"reason"`
	// To sends it to another account than the one it came from: people pay it back then.
	To *Destination `json:"to,omitempty"`
}

// RefundView is a refund as the API gives it. Reason is a person's words: it may name somebody, so no event holds it.
type RefundView struct {
	ID                  string        `json:"id"`
	Payment             string        `json:"payment"`
	Order               string        `json:"order"`
	Status              string        `json:"status"`
	Amount              vnd.Amount    `json:"amount"`
	Parts               []RefundPart  `json:"parts"`
	Reason              string        `json:"reason,omitempty"`
	Manual              bool          `json:"manual"` // no interface pays it back: people do, by transfer
	ToBank              string        `json:"to_bank,omitempty"`
	ToAccount           string        `json:"to_account,omitempty"` // its last digits
	ListedBy            *string       `json:"listed_by,omitempty"`  // who put it into a list for the bank
	InDoubt             bool          `json:"in_doubt"`
	AccountID           *string       `json:"account_id"`
	ProviderReference   string        `json:"provider_reference"`
	ProviderTransaction string        `json:"provider_transaction"`
	Code                string        `json:"code,omitempty"`
	RequestedBy         string        `json:"requested_by"`
	RequestedAt         time.Time     `json:"requested_at"`
	DecidedBy           *string       `json:"decided_by"`
	DecidedAt           *time.Time    `json:"decided_at"`
	SubmittedAt         *time.Time    `json:"submitted_at"`
	EffectiveAt         *time.Time    `json:"effective_at"`
	RecordedAt          *time.Time    `json:"recorded_at"`
	History             []HistoryView `json:"history,omitempty"`
}

// RefundPart says where a part of a refund comes from: surplus, or what the payment pays of an order.
type RefundPart struct {
	From   string     `json:"from"` // surplus or order
	Order  string     `json:"order,omitempty"`
	Amount vnd.Amount `json:"amount"`
}

func viewRefund(r *refundRow) RefundView {
	v := RefundView{ID: r.ID, Payment: r.PaymentID, Order: r.OrderID, Status: r.Status, Amount: r.Amount, Parts: []RefundPart{}, Reason: r.Reason, Manual: r.Manual,
		InDoubt: r.InDoubt, AccountID: r.AccountID, ProviderReference: r.ProviderReference, ProviderTransaction: r.ProviderTransaction, Code: r.Code,
		RequestedBy: r.RequestedBy, RequestedAt: r.RequestedAt, DecidedBy: r.DecidedBy, DecidedAt: r.DecidedAt, SubmittedAt: r.SubmittedAt,
		EffectiveAt: r.EffectiveAt, RecordedAt: r.RecordedAt, ToBank: r.ToBank, ToAccount: r.ToMasked, ListedBy: r.ListedBy}
	if r.SurplusPart > 0 {
		v.Parts = append(v.Parts, RefundPart{From: "surplus", Amount: r.SurplusPart})
	}
	if r.AllocatedPart > 0 {
		v.Parts = append(v.Parts, RefundPart{"order", r.OrderID, r.AllocatedPart})
	}
	return v
}

func viewRefunds(rows []refundRow) []RefundView {
	out := make([]RefundView, 0, len(rows))
	for i := range rows {
		out = append(out, viewRefund(&rows[i]))
	}
	return out
}

// public is the refund as events hold it.
func (r *refundRow) public() RefundView { return viewRefund(r).public() }

func (v RefundView) public() RefundView {
	v.Reason, v.ToBank, v.ToAccount = "", "", ""
	return v
}

func (in *NewRefund) validate() error {
	var e fieldErrors
	switch {
	case in.Amount == nil:
		e.add("amount", "is missing")
	case *in.Amount < 1:
		e.add("amount", "must be at least 1")
	}
	if in.Available == nil {
		e.add("available", "is missing: say what you believe can be refunded")
	}
	text(&e, "reason", in.Reason, 1, 500)
	if in.To != nil {
		in.To.validate(&e)
	}
	if len(e) > 0 {
		return &Problem{Name: ProblemInvalid, Fields: e}
	}
	return nil
}

// RequestRefund reserves money of a payment until the refund is rejected or done: surplus first, then what pays an order.
func (g *Gateway) RequestRefund(ctx context.Context, c Caller, k Key, paymentID string, in NewRefund) (Answer, error) {
	if a, found, err := g.replay(ctx, k); err != nil || found {
		return a, err
	}
	if err := in.validate(); err != nil {
		return Answer{}, err
	}
	if _, err := g.visiblePayment(ctx, c, paymentID); ProblemName(err) == ProblemNotFound { // people may pay back what belongs to no order
		if _, err := g.orderless(ctx, c, paymentID); err != nil {
			return Answer{}, err
		}
	} else if err != nil {
		return Answer{}, err
	}
	var answer Answer
	err := g.retrying(ctx, "refund of "+paymentID, func(tx *sqlx.Tx) error {
		m, err := lockMoney(ctx, tx, paymentID)
		if err != nil {
			return err
		}
		e, a, err := g.requested(ctx, tx, c, k, m, in)
		if err != nil {
			return err
		}
		answer = a
		return e.write(ctx, tx)
	})
	if violated(err) == "idempotency_keys_pkey" {
		a, found, again := g.replay(ctx, k)
		if again != nil || found {
			return a, again
		}
	}
	return answer, err
}

func (g *Gateway) requested(ctx context.Context, tx *sqlx.Tx, c Caller, k Key, m *money, in NewRefund) (*effects, Answer, error) {
	p, now := m.payment, g.now()
	if p.Status != PaymentSucceeded {
		return nil, Answer{}, &Problem{Name: ProblemPaymentState, Detail: "the payment is " + p.Status + ": only money that came can go back", Order: p.OrderID}
	}
	available := p.ReceivedAmount - p.ReservedAmount
	if *in.Available != available {
		return nil, Answer{}, &Problem{Name: ProblemAvailableChanged, Detail: fmt.Sprintf("%s can be refunded, not %s", available, *in.Available), Order: p.OrderID}
	}
	if *in.Amount > available {
		return nil, Answer{}, &Problem{Name: ProblemInvalid, Fields: []FieldError{{"amount", fmt.Sprintf("at most the %s that can be refunded", available)}}}
	}
	surplus, part, order := splitRefund(*in.Amount, p.ReceivedAmount-p.AllocatedAmount-p.ReservedSurplus, m.pays, p.OrderID)
	if surplus+part != *in.Amount {
		return nil, Answer{}, &Problem{Name: ProblemInvalid, Fields: []FieldError{{"amount",
			fmt.Sprintf("the payment pays several orders: at most %s in this refund, the rest in another", surplus+part)}}}
	}
	o := m.orders[order]
	if o == nil {
		o = &orderRow{}
	}
	manual, err := g.manual(ctx, p, o)
	if err != nil {
		return nil, Answer{}, err
	}
	r := refundRow{ID: newID("rfd_"), PaymentID: p.ID, OrderID: order, AccountID: p.AccountID, Status: RefundRequested, Amount: *in.Amount, SurplusPart: surplus,
		AllocatedPart: part, Reason: in.Reason, Manual: manual || in.To != nil, ProviderReference: newReference(), RequestedBy: c.Actor, RequestedAt: now}
	p.ReservedAmount += r.Amount
	p.ReservedSurplus += r.SurplusPart
	sentTo, err := g.sealDestination(&r, in.To)
	if err != nil {
		return nil, Answer{}, err
	}
	body, err := json.Marshal(viewRefund(&r))
	if err != nil {
		return nil, Answer{}, fmt.Errorf("refund %s: %w", r.ID, err)
	}
	a := Answer{Status: http.StatusAccepted, Body: body}
	e := &effects{refunds: []refundRow{r}, sentTo: sentTo, keys: []keyRow{keyed(k, r.ID, &a, now)}, paymentChanges: []paymentChange{{*p, p.Status}},
		history: []historyRow{{r.ID, "", r.Status, string(SourcePerson), c.Actor, "", now}}}
	e.audited(c, "refund.requested", r.ID, now)
	return e, a, g.announce(ctx, tx, e, o, r.public(), []string{"refund.requested"}, now)
}

// sealDestination keeps where a refund goes: what people may see beside it, and the rest sealed.
func (g *Gateway) sealDestination(r *refundRow, to *Destination) ([]destinationRow, error) {
	if to == nil {
		return nil, nil
	}
	plain, err := json.Marshal(to)
	if err != nil {
		return nil, fmt.Errorf("refund %s: %w", r.ID, err)
	}
	sealed, err := g.keys.Seal(plain, "refund:"+r.ID)
	if err != nil {
		return nil, fmt.Errorf("sealing where refund %s goes: %w", r.ID, err)
	}
	r.ToBank, r.ToMasked = to.Bank, "••••"+to.AccountNumber[len(to.AccountNumber)-4:]
	return []destinationRow{{r.ID, `\x` + hex.EncodeToString(sealed)}}, nil
}

// splitRefund says where a refund comes from: free surplus first, then the payment's own order, then the next order it pays. A refund
// takes the money of one order at most, so that each order's figures follow from its own refunds; what is left needs another refund.
func splitRefund(amount, freeSurplus vnd.Amount, pays []allocated, own string) (surplus, part vnd.Amount, order string) {
	surplus = min(amount, freeSurplus)
	rest := amount - surplus
	if rest == 0 {
		return surplus, 0, own
	}
	ordered := slices.Clone(pays)
	slices.SortStableFunc(ordered, func(a, b allocated) int {
		switch {
		case a.OrderID == own && b.OrderID != own:
			return -1
		case b.OrderID == own && a.OrderID != own:
			return 1
		}
		return 0
	})
	for _, a := range ordered {
		if free := a.Amount - a.Reserved; free > 0 {
			return surplus, min(rest, free), a.OrderID
		}
	}
	return surplus, 0, own
}

// manual: nobody but people can pay this back. Money of a tax notice goes back through the tax authority.
func (g *Gateway) manual(ctx context.Context, p *paymentRow, o *orderRow) (bool, error) {
	if p.AccountID == nil || slices.Contains(o.Kinds, "nvtc") {
		return true, nil
	}
	entry, err := g.accounts.Get(ctx, *p.AccountID)
	if err != nil {
		return false, err
	}
	if entry.Err != nil {
		return false, entry.Err
	}
	_, can := entry.Provider.(providers.Refunder)
	return !can, nil
}

// ApproveRefund lets another person than the requester approve, and sends what can be sent at once. Approving again what one has
// approved gives it as it stands.
func (g *Gateway) ApproveRefund(ctx context.Context, c Caller, id, note string) (*RefundView, error) {
	r, err := g.decideRefund(ctx, c, id, RefundApproved, note)
	if err != nil {
		return nil, err
	}
	if r.Status == RefundApproved && !r.Manual {
		// The approval stands whatever becomes of the sending: what went wrong here, the sweep meets again and reports. The caller may
		// go; an intent that was written is followed by its sending.
		_ = g.sendRefund(context.WithoutCancel(ctx), id, RefundApproved, nil)
	}
	return g.Refund(ctx, c, id)
}

// RejectRefund ends a refund that is not under way and frees its money: one requested, one approved and not sent, one failed.
func (g *Gateway) RejectRefund(ctx context.Context, c Caller, id, note string) (*RefundView, error) {
	if _, err := g.decideRefund(ctx, c, id, RefundRejected, note); err != nil {
		return nil, err
	}
	return g.Refund(ctx, c, id)
}

// RetryRefund sends a failed refund again, under a new reference: the old one's answer was final.
func (g *Gateway) RetryRefund(ctx context.Context, c Caller, id string) (*RefundView, error) {
	r, err := g.visibleRefund(ctx, c, id)
	if err != nil {
		return nil, err
	}
	switch {
	case !c.Person || r.RequestedBy == c.Actor:
		return nil, secondPerson(r.OrderID)
	case r.Status != RefundFailed:
		return nil, &Problem{Name: ProblemRefundState, Detail: "a refund that is " + r.Status + " is not sent again", Order: r.OrderID}
	}
	if err := g.sendRefund(context.WithoutCancel(ctx), id, RefundFailed, &c); err != nil {
		return nil, err
	}
	return g.Refund(ctx, c, id)
}

// audited adds who did it, from where; the program's own deeds are in the history alone.
func (e *effects) audited(c Caller, action, object string, now time.Time) {
	kind := "client"
	if c.Person {
		kind = "user"
	}
	e.audit = append(e.audit, auditRow{now, kind, c.Actor, action, object, c.Address, c.RequestID, map[string]string{}})
}

func secondPerson(order string) error {
	return &Problem{Name: ProblemSecondPerson, Detail: "another person than the one who asked must decide", Order: order}
}

func (g *Gateway) decideRefund(ctx context.Context, c Caller, id, to, note string) (*refundRow, error) {
	if _, err := g.visibleRefund(ctx, c, id); err != nil {
		return nil, err
	}
	var decided *refundRow
	err := g.retrying(ctx, "refund "+id, func(tx *sqlx.Tx) error {
		m, r, err := lockRefund(ctx, tx, id)
		if err != nil {
			return err
		}
		decided = r
		from, now, p := r.Status, g.now(), m.payment
		if !c.Person || r.RequestedBy == c.Actor {
			return secondPerson(r.OrderID)
		}
		if decidedBefore(r, to, c.Actor) {
			return nil
		}
		if !slices.Contains(RefundTransitions(), Transition{from, to}) {
			return &Problem{Name: ProblemRefundState, Detail: "a refund that is " + from + " cannot be " + to, Order: r.OrderID}
		}
		e := &effects{}
		if to == RefundApproved {
			if p.Status != PaymentSucceeded {
				return &Problem{Name: ProblemPaymentState, Detail: "the payment is " + p.Status, Order: r.OrderID}
			}
			e.approveRefund(r, p, c.Actor, note, now)
		} else {
			e.rejectRefund(r, p, c.Actor, note, now)
			e.paymentChanges = []paymentChange{{*p, p.Status}}
		}
		e.audited(c, "refund."+to, r.ID, now)
		if err := g.announce(ctx, tx, e, ownOrder(m, r), r.public(), []string{"refund." + to}, now); err != nil {
			return err
		}
		return e.write(ctx, tx)
	})
	return decided, err
}

// decidedBefore: the same person says the same again.
func decidedBefore(r *refundRow, to, actor string) bool {
	if r.DecidedBy == nil || *r.DecidedBy != actor {
		return false
	}
	return (r.Status == RefundRejected) == (to == RefundRejected) && (to == RefundRejected || r.Status != RefundRequested)
}

// The moves of a refund, cause "refund". The reading of the table "Money as moves" that they keep, with a balance being what came in
// less what went out:
//
//   - clearing: what the provider holds for us and has not settled. A payment puts its amount in, a refund done takes its own out.
//   - refund_payable: below zero by what is approved and neither done nor rejected. Approval takes it out for those it is owed to,
//     the payer or the surplus; being done pays it in from clearing.
//   - payer: below zero by what paid orders and was not refunded. surplus:<payment>: below zero by what came beyond and is still owed.
//
// So at every moment payer + surplus + clearing + refund_payable = 0, and with no refund open, clearing = received − refunded.
const refundPayable = "refund_payable"

func (e *effects) moveRefund(r *refundRow, leg, from, to string, amount vnd.Amount, effective, now time.Time) {
	if amount == 0 {
		return
	}
	e.moves = append(e.moves, moveRow{CauseType: "refund", CauseID: r.ID, Leg: leg, FromAccount: from, ToAccount: to, Amount: amount, AccountID: r.AccountID,
		EffectiveAt: effective, RecordedAt: now})
}

func (e *effects) approveRefund(r *refundRow, p *paymentRow, actor, note string, now time.Time) {
	from := r.Status
	r.Status, r.DecidedBy, r.DecidedAt = RefundApproved, &actor, &now
	if !r.Manual {
		r.NextLookupAt = &now
	}
	e.moveRefund(r, "approved_allocated", refundPayable, payerAccount, r.AllocatedPart, now, now)
	e.moveRefund(r, "approved_surplus", refundPayable, surplusOf(p.ID), r.SurplusPart, now, now)
	e.refundChanges = append(e.refundChanges, refundChange{*r, from})
	e.history = append(e.history, historyRow{r.ID, from, r.Status, string(SourcePerson), actor, note, now})
}

// rejectRefund ends a refund and frees its money; after an approval its moves go back. The payment's change is the caller's to write.
func (e *effects) rejectRefund(r *refundRow, p *paymentRow, actor, note string, now time.Time) {
	from := r.Status
	r.Status, r.DecidedBy, r.DecidedAt, r.NextLookupAt, r.InDoubt = RefundRejected, &actor, &now, nil, false
	p.ReservedAmount -= r.Amount
	p.ReservedSurplus -= r.SurplusPart
	if from != RefundRequested {
		e.moveRefund(r, "rejected_allocated", payerAccount, refundPayable, r.AllocatedPart, now, now)
		e.moveRefund(r, "rejected_surplus", surplusOf(p.ID), refundPayable, r.SurplusPart, now, now)
	}
	e.refundChanges = append(e.refundChanges, refundChange{*r, from})
	e.history = append(e.history, historyRow{r.ID, from, r.Status, string(SourcePerson), actor, note, now})
}

// retrying runs f in a transaction, and again when somebody was faster.
func (g *Gateway) retrying(ctx context.Context, what string, f func(*sqlx.Tx) error) error {
	for range 3 {
		if err := transact(ctx, g.db, f); !IsStale(err) {
			return err
		}
	}
	return fmt.Errorf("%s kept changing", what)
}
