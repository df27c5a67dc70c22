package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/vnd"
)

// States of a proposal to let surplus pay another order.
const (
	ApplicationProposed = "proposed"
	ApplicationDone     = "done"
	ApplicationRejected = "rejected"
)

// NewApplication proposes surplus for an order; it has the shape of the API's body.
type NewApplication struct {
	OrderID string      `json:"order_id"`
	Amount  *vnd.Amount `json:"amount"`
	Note    string      `json:"note,omitempty"`
}

// ApplicationView is a proposal as the API gives it.
type ApplicationView struct {
	ID         string     `json:"id"`
	Payment    string     `json:"payment"`
	Order      string     `json:"order"`
	Amount     vnd.Amount `json:"amount"`
	Status     string     `json:"status"`
	Note       string     `json:"note,omitempty"`
	ProposedBy string     `json:"proposed_by"`
	ProposedAt time.Time  `json:"proposed_at"`
	DecidedBy  *string    `json:"decided_by"`
	DecidedAt  *time.Time `json:"decided_at"`
}

func viewApplication(a *applicationRow) ApplicationView {
	return ApplicationView{a.ID, a.PaymentID, a.OrderID, a.Amount, a.Status, a.Note, a.ProposedBy, a.ProposedAt, a.DecidedBy, a.DecidedAt}
}

// SurplusView is money of a payment that belongs to no order.
type SurplusView struct {
	Payment         string            `json:"payment"`
	Order           string            `json:"order"`
	OrderStatus     string            `json:"order_status"`
	DossierCode     string            `json:"dossier_code"`
	AgencyCode      string            `json:"agency_code"`
	Provider        string            `json:"provider"`
	AccountID       *string           `json:"account_id"`
	SurplusAmount   vnd.Amount        `json:"surplus_amount"`
	AvailableAmount vnd.Amount        `json:"available_amount"` // neither in a refund nor proposed for an order
	PaidAt          *time.Time        `json:"paid_at"`
	RecordedAt      *time.Time        `json:"recorded_at"`
	Applications    []ApplicationView `json:"applications"`
}

// freeSurplus is what of a payment belongs to no order, no refund and, besides one, no proposal.
func freeSurplus(p *paymentRow, proposed []applicationRow, but string) vnd.Amount {
	free := p.ReceivedAmount - p.AllocatedAmount - p.ReservedSurplus
	for _, a := range proposed {
		if a.Status == ApplicationProposed && a.ID != but {
			free -= a.Amount
		}
	}
	return max(free, 0)
}

// ProposeApplication proposes to let surplus of a payment pay an order of the same payer. Nothing moves before another person
// approves. The same proposal of the same person again, while undecided, is the same one.
func (g *Gateway) ProposeApplication(ctx context.Context, c Caller, paymentID string, in NewApplication) (*ApplicationView, error) {
	var e fieldErrors
	text(&e, "order_id", in.OrderID, 1, 60)
	if in.Amount == nil || *in.Amount < 1 {
		e.add("amount", "must be at least 1")
	}
	text(&e, "note", in.Note, 0, 500)
	if len(e) > 0 {
		return nil, &Problem{Name: ProblemInvalid, Fields: e}
	}
	if err := g.orderedPayment(ctx, c, paymentID); err != nil {
		return nil, err
	}
	if _, err := g.Order(ctx, c, in.OrderID); err != nil {
		if ProblemName(err) == ProblemNotFound {
			return nil, &Problem{Name: ProblemInvalid, Fields: []FieldError{{"order_id", "there is no such order"}}}
		}
		return nil, err
	}
	var made *applicationRow
	err := g.retrying(ctx, "surplus of "+paymentID, func(tx *sqlx.Tx) error {
		m, err := lockMoney(ctx, tx, paymentID, in.OrderID)
		if err != nil {
			return err
		}
		proposed, err := applicationsOf(ctx, tx, []string{paymentID})
		if err != nil {
			return err
		}
		for i, a := range proposed {
			if a.Status == ApplicationProposed && a.OrderID == in.OrderID && a.Amount == *in.Amount && a.ProposedBy == c.Actor {
				made = &proposed[i]
				return nil
			}
		}
		if err := g.mayApply(ctx, tx, m, m.orders[in.OrderID], *in.Amount, freeSurplus(m.payment, proposed, "")); err != nil {
			return err
		}
		made = &applicationRow{ID: newID("sap_"), PaymentID: paymentID, OrderID: in.OrderID, Amount: *in.Amount, Status: ApplicationProposed, Note: in.Note,
			ProposedBy: c.Actor, ProposedAt: g.now()}
		e := &effects{applications: []applicationRow{*made}}
		e.audited(c, "surplus.proposed", made.ID, made.ProposedAt)
		return e.write(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	v := viewApplication(made)
	return &v, nil
}

// mayApply holds a proposal to the rules: money that came and is free, an open order that owes it, of the same payer, with kinds that
// the account which holds the money may take for that agency.
func (g *Gateway) mayApply(ctx context.Context, tx *sqlx.Tx, m *money, o *orderRow, amount, free vnd.Amount) error {
	p := m.payment
	if p.Status != PaymentSucceeded {
		return &Problem{Name: ProblemPaymentState, Detail: "the payment is " + p.Status, Order: p.OrderID}
	}
	if o.Status != OrderOpen {
		return &Problem{Name: ProblemOrderState, Detail: "the order is " + o.Status + ", only an open one can be paid", Order: o.ID}
	}
	var e fieldErrors
	if amount > free {
		e.add("amount", "at most the %s of surplus that nothing else asks for", free)
	}
	if owed := o.Amount - o.PaidAmount; amount > owed {
		e.add("amount", "at most the %s that the order owes", owed)
	}
	if o.SourceSystem != m.own.SourceSystem || o.Mode != p.Mode {
		e.add("order_id", "is an order of another source system")
	}
	same, err := g.samePayer(ctx, tx, m.own, o)
	if err != nil {
		return err
	}
	if !same {
		e.add("order_id", "is not known to be of the same payer")
	}
	if o.AgencyCode != m.own.AgencyCode {
		e.add("order_id", "is of another agency: the money lies on an account of %s", m.own.AgencyCode)
	}
	if p.AccountID != nil {
		entry, err := g.accounts.Get(ctx, *p.AccountID)
		if err != nil {
			return err
		}
		if !entry.Account.Takes(o.Kinds) {
			e.add("order_id", "has kinds that the account of the payment may not take")
		}
	}
	if len(e) > 0 {
		return &Problem{Name: ProblemInvalid, Fields: e}
	}
	return nil
}

// samePayer: the orders are of one dossier, or name the same person. Who is not named is not known to be the same.
func (g *Gateway) samePayer(ctx context.Context, tx *sqlx.Tx, a, b *orderRow) (bool, error) {
	if a.DossierCode == b.DossierCode {
		return true, nil
	}
	pa, err := g.payerOf(ctx, tx, a.ID)
	if err != nil || pa == nil {
		return false, err
	}
	pb, err := g.payerOf(ctx, tx, b.ID)
	if err != nil || pb == nil {
		return false, err
	}
	if pa.IdentityNumber != "" && pb.IdentityNumber != "" {
		return pa.IdentityNumber == pb.IdentityNumber, nil
	}
	plain := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }
	return plain(pa.Name) == plain(pb.Name) && (pa.Phone == pb.Phone || pa.Phone == "" || pb.Phone == ""), nil
}

func (g *Gateway) payerOf(ctx context.Context, tx *sqlx.Tx, orderID string) (*Payer, error) {
	sealed, err := sealedPayer(ctx, tx, orderID)
	if err != nil || sealed == nil {
		return nil, err
	}
	raw, err := g.keys.Open(sealed, "payer:"+orderID)
	if err != nil {
		return nil, fmt.Errorf("payer of %s: %w", orderID, err)
	}
	var p Payer
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("payer of %s: %w", orderID, err)
	}
	return &p, nil
}

// DecideApplication approves or rejects a proposal, by another person. An approval pays the order at once, as a payment would.
func (g *Gateway) DecideApplication(ctx context.Context, c Caller, id string, approve bool) (*ApplicationView, error) {
	seen, err := g.visibleApplication(ctx, c, id)
	if err != nil {
		return nil, err
	}
	to := ApplicationRejected
	if approve {
		to = ApplicationDone
	}
	var decided *applicationRow
	err = g.retrying(ctx, "surplus of "+seen.PaymentID, func(tx *sqlx.Tx) error {
		m, err := lockMoney(ctx, tx, seen.PaymentID, seen.OrderID)
		if err != nil {
			return err
		}
		all, err := applicationsOf(ctx, tx, []string{seen.PaymentID})
		if err != nil {
			return err
		}
		decided = &all[slices.IndexFunc(all, func(a applicationRow) bool { return a.ID == id })]
		switch {
		case !c.Person || decided.ProposedBy == c.Actor:
			return secondPerson(decided.OrderID)
		case decided.Status == to && *decided.DecidedBy == c.Actor:
			return nil
		case decided.Status != ApplicationProposed:
			return &Problem{Name: ProblemApplicationState, Detail: "the proposal is " + decided.Status, Order: decided.OrderID}
		}
		now := g.now()
		decided.Status, decided.DecidedBy, decided.DecidedAt = to, &c.Actor, &now
		e := &effects{applicationChanges: []applicationChange{{*decided, ApplicationProposed}}}
		e.audited(c, "surplus."+to, id, now)
		if approve {
			o, free := m.orders[decided.OrderID], freeSurplus(m.payment, all, id)
			if decided.Amount > free && m.payment.Status == PaymentSucceeded {
				return &Problem{Name: ProblemAvailableChanged, Detail: fmt.Sprintf("%s of surplus are left, %s were proposed", free, decided.Amount), Order: o.ID}
			}
			if err := g.mayApply(ctx, tx, m, o, decided.Amount, free); err != nil {
				return err
			}
			if err := g.apply(ctx, tx, e, m, o, decided, now); err != nil {
				return err
			}
		}
		return e.write(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	v := viewApplication(decided)
	return &v, nil
}

// apply lets surplus pay an order. The money lies in clearing since it came; what changes is whom it is owed to: no longer the
// surplus, as if the payer had paid the order with it.
func (g *Gateway) apply(ctx context.Context, tx *sqlx.Tx, e *effects, m *money, o *orderRow, a *applicationRow, now time.Time) error {
	from, p, n := o.Status, m.payment, 0
	for _, paid := range m.pays {
		if paid.OrderID == o.ID {
			n = paid.Count
		}
	}
	e.payInto(o, p, n, a.Amount, now)
	e.changeOrder(o, from, SourcePerson, *a.DecidedBy, now)
	e.paymentChanges = []paymentChange{{*p, p.Status}}
	e.moves = []moveRow{{CauseType: "surplus", CauseID: a.ID, Leg: "applied", FromAccount: payerAccount, ToAccount: surplusOf(p.ID), Amount: a.Amount,
		AccountID: p.AccountID, EffectiveAt: now, RecordedAt: now}}
	return g.announce(ctx, tx, e, o, nil, []string{orderEvent(e.orderChanges[0])}, now)
}
