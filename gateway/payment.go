package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/providers"
)

// MaxLivePayments is how many attempts of one order may be under way.
const MaxLivePayments = 5

// NewPayment is what starts an attempt to pay; it has the shape of the API's body.
type NewPayment struct {
	AccountID   string      `json:"account_id,omitempty"`
	Provider    string      `json:"provider,omitempty"`
	Amount      *vnd.Amount `json:"amount,omitempty"`
	Method      string      `json:"method,omitempty"`
	InitiatedBy string      `json:"initiated_by,omitempty"`
	Place       string      `json:"place,omitempty"`
	PayerIP     string      `json:"payer_ip,omitempty"`
	Locale      string      `json:"locale,omitempty"`
	Despite     bool        `json:"despite,omitempty"`
}

// StartPayment writes the intent first, calls the provider outside any transaction, then records the answer: a process that
// dies in between leaves a payment that the sweep looks up.
func (g *Gateway) StartPayment(ctx context.Context, c Caller, k Key, orderID string, in NewPayment) (Answer, error) {
	if a, found, err := g.replay(ctx, k); err != nil || found {
		return a, err
	}
	if err := in.validate(); err != nil {
		return Answer{}, err
	}
	if err := g.settleEarlier(ctx, c, orderID, in.Despite); err != nil {
		return Answer{}, err
	}
	p, entry, err := g.intend(ctx, c, k, orderID, in)
	for n := 0; n < 3 && slices.Contains([]string{"payments_by_transfer", "payments_account_id_provider_reference_key"}, violated(err)); n++ {
		p, entry, err = g.intend(ctx, c, k, orderID, in) // the reference that was drawn is another payment's
	}
	if err != nil {
		if violated(err) == "idempotency_keys_pkey" {
			a, found, err := g.replay(ctx, k)
			if err == nil && !found { // its call ended with a 503 and freed the key
				err = &Problem{Name: ProblemKeyInFlight, Detail: "a call with this Idempotency-Key has just failed; send it again"}
			}
			return a, err
		}
		return Answer{}, err
	}
	asked := p.asked()
	if entry.Account.Registration.Itemised {
		if err := g.itemise(ctx, &asked, orderID); err != nil {
			return Answer{}, err // written and not sent: the sweep ends it, and the same call goes on from it
		}
	}
	redirect, callErr := entry.Provider.Checkout(ctx, asked)
	// The caller may have gone; what the provider said must be kept all the same.
	return g.started(context.WithoutCancel(ctx), c, k, p, redirect, callErr)
}

func (in *NewPayment) validate() error {
	var e fieldErrors
	if (in.AccountID == "") == (in.Provider == "") {
		e.add("account_id", "give either account_id or provider")
	}
	oneOf(&e, "method", in.Method, "", "qr", "wallet", "atm", "card", "transfer")
	oneOf(&e, "initiated_by", in.InitiatedBy, "", "payer", "officer")
	oneOf(&e, "place", in.Place, "", "remote", "counter")
	oneOf(&e, "locale", in.Locale, "", "vi", "en")
	if len(e) > 0 {
		return &Problem{Name: ProblemInvalid, Fields: e}
	}
	return nil
}

// settleEarlier looks earlier live payments up before another starts, so that nobody pays twice because we did not ask; what is
// clearly not paid is cancelled at the provider, where it can be.
func (g *Gateway) settleEarlier(ctx context.Context, c Caller, orderID string, despite bool) error {
	under, err := livePayments(ctx, g.db, orderID)
	if err != nil || len(under) == 0 {
		return err
	}
	if _, err := g.Order(ctx, c, orderID); err != nil { // nobody makes us ask about another's payments
		return err
	}
	for _, p := range under {
		if err := g.LookUp(ctx, p.ID); err != nil && !errors.Is(err, ErrTooSoon) {
			return err
		}
		after, err := g.Payment(ctx, c, p.ID)
		if err != nil {
			return err
		}
		if after.InDoubt && !despite && (after.Status == PaymentCreated || after.Status == PaymentPending) {
			return &Problem{Name: ProblemPaymentInDoubt, Detail: "an earlier payment has no final result yet: " + p.ID, Order: orderID}
		}
		if after.Status == PaymentPending && !after.InDoubt {
			if err := g.cancelAtProvider(ctx, &p); err != nil {
				return err
			}
		}
	}
	return nil
}

// cancelAtProvider asks the provider to let nobody pay a payment any more. Only its clear yes ends the payment; any other answer
// changes nothing, and money that comes all the same is money.
func (g *Gateway) cancelAtProvider(ctx context.Context, p *paymentRow) error {
	entry, err := g.accounts.Get(ctx, *p.AccountID)
	if err != nil || entry.Err != nil {
		return err
	}
	canceller, can := entry.Provider.(providers.Canceller)
	if !can || canceller.Cancel(ctx, p.asked()) != nil {
		return nil
	}
	_, err = g.Record(context.WithoutCancel(ctx), Word{AccountID: *p.AccountID, Source: SourceLookup,
		Notice: providers.Notice{Reference: p.ProviderReference, Outcome: providers.Failed, Code: "cancelled", Reason: providers.ReasonPayerCancelled}})
	return err
}

// intend writes the payment before anything is sent.
func (g *Gateway) intend(ctx context.Context, c Caller, k Key, orderID string, in NewPayment) (*paymentRow, *account.Entry, error) {
	now := g.now()
	p := &paymentRow{ID: newID("pay_"), OrderID: orderID, ProviderReference: newReference(), Status: PaymentCreated, Method: in.Method,
		InitiatedBy: or(in.InitiatedBy, "payer"), Place: or(in.Place, "remote"), Locale: or(in.Locale, "vi"), PayerIP: or(in.PayerIP, "127.0.0.1"), CreatedAt: now}
	var entry *account.Entry
	err := transact(ctx, g.db, func(tx *sqlx.Tx) error {
		o, err := lockOrder(ctx, tx, c, orderID)
		if err != nil {
			return err
		}
		if o.Status != OrderOpen || !now.Before(o.ExpiresAt) {
			return &Problem{Name: ProblemOrderState, Detail: "the order is " + o.Status + ", only an open one can be paid", Order: o.ID}
		}
		if o.ExpiresAt.Sub(now) < 5*time.Minute {
			return &Problem{Name: ProblemOrderExpiring, Detail: "the order ends in less than five minutes", Order: o.ID}
		}
		if p.RequestedAmount, err = checkAmount(in.Amount, o.Amount-o.PaidAmount); err != nil {
			return err
		}
		if entry, err = g.choose(ctx, o, in, p.RequestedAmount, now); err != nil {
			return err
		}
		if until, yes := entry.Account.UnderMaintenance(now); yes {
			return &Problem{Name: ProblemUnavailable, Detail: "the account is under maintenance until " + until.In(vietnam).Format(time.RFC3339) + ": nothing was sent", Order: o.ID}
		}
		if g.down != nil && g.down(entry.Account.ID) { // known before anything is written: there is no attempt to record
			return &Problem{Name: ProblemUnavailable, Detail: "the provider is not reachable just now: nothing was sent", Order: o.ID}
		}
		under, err := livePayments(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		if live := len(under); live >= MaxLivePayments {
			return &Problem{Name: ProblemTooManyPayments, Detail: fmt.Sprintf("%d payments of this order are under way", live), Order: o.ID}
		}
		if draw := entry.Account.Registration.NewReference; draw != nil {
			if p.ProviderReference, err = draw(o.DossierCode, now); err != nil {
				return fmt.Errorf("drawing a reference: %w", err)
			}
		}
		p.intoAccount(o, entry, now)
		e := &effects{payments: []paymentRow{*p}, keys: []keyRow{keyed(k, p.ID, nil, now)}}
		return e.write(ctx, tx)
	})
	return p, entry, err
}

// intoAccount says where an attempt's money is to go, until when it may come, and when it is asked after first.
func (p *paymentRow) intoAccount(o *orderRow, entry *account.Entry, now time.Time) {
	expires := now.Add(entry.Account.Capabilities.Lifetime)
	if expires.After(o.ExpiresAt) {
		expires = o.ExpiresAt
	}
	p.AccountID, p.Provider, p.Mode, p.ExpiresAt = &entry.Account.ID, entry.Account.Provider, o.Mode, &expires
	p.ByTransfer = entry.Account.Registration.Transfers
	p.Description = "Phi le phi ho so " + o.DossierCode
	p.NextLookupAt = nextLookup(entry.Provider.LookupPlan(), now, &expires, nil, now)
}

// choose finds the account to pay into and holds the amount to its limits, before any call.
func (g *Gateway) choose(ctx context.Context, o *orderRow, in NewPayment, amount vnd.Amount, now time.Time) (*account.Entry, error) {
	entries, err := g.accounts.ForAgency(ctx, o.AgencyCode)
	if err != nil {
		return nil, err
	}
	day := now.In(vietnam).Format(time.DateOnly)
	var outside error
	for _, e := range entries {
		if (in.AccountID != "" && e.Account.ID != in.AccountID) || (in.Provider != "" && e.Account.Provider != in.Provider) {
			continue
		}
		if e.Err != nil || !e.Account.Valid(day) || !e.Account.Takes(o.Kinds) || !e.Account.Offers(providers.Method(in.Method)) || e.Account.Mode != o.Mode {
			continue
		}
		if lo, hi := e.Account.Limits(providers.Method(in.Method)); amount < lo || amount > hi {
			outside = &Problem{Name: ProblemAmountOutside, Detail: fmt.Sprintf("account %s takes %s to %s in one payment", e.Account.ID, lo, hi)}
			continue
		}
		return e, nil
	}
	if outside != nil {
		return nil, outside
	}
	return nil, &Problem{Name: ProblemAccountUnsuited, Detail: "no such account of this agency takes these kinds by this method"}
}

// started records what the provider answered to the checkout.
func (g *Gateway) started(ctx context.Context, c Caller, k Key, p *paymentRow, redirect providers.Redirect, callErr error) (Answer, error) {
	now := g.now()
	unavailable := errors.Is(callErr, providers.ErrNotSent) || errors.Is(callErr, providers.ErrRefused) || errors.Is(callErr, providers.ErrConfig)
	status := http.StatusCreated
	var answer Answer
	for range 3 {
		err := transact(ctx, g.db, func(tx *sqlx.Tx) error {
			o, cur, err := lockPayment(ctx, tx, *p.AccountID, p.ProviderReference)
			if err != nil || cur == nil {
				return errors.Join(err, errIf(cur == nil, "the payment is gone"))
			}
			from := cur.Status
			e := &effects{}
			if callErr == nil {
				raw, err := json.Marshal(redirect)
				if err != nil {
					return err
				}
				msg := json.RawMessage(raw)
				cur.Redirect = &msg
			} else if !unavailable {
				status = http.StatusAccepted
			}
			switch { // a callback may have been faster: then only the redirect is added
			case from != PaymentCreated:
			case unavailable:
				cur.Status, cur.NextLookupAt = PaymentFailed, nil
				var r *providers.RefusedError
				if cur.Reason = string(providers.ReasonTechnical); errors.As(callErr, &r) {
					cur.Code, cur.Reason = r.Code, string(r.Reason)
				}
			default:
				cur.Status, cur.InDoubt = PaymentPending, callErr != nil
			}
			e.paymentChanges = []paymentChange{{*cur, from}}
			if cur.Status != from {
				e.history = []historyRow{{cur.ID, from, cur.Status, string(SourceCheckout), c.Actor, "", now}}
				if err := g.announce(ctx, tx, e, o, viewPayment(cur), []string{"payment." + cur.Status}, now); err != nil {
					return err
				}
			}
			body, err := json.Marshal(viewPayment(cur))
			if err != nil {
				return err
			}
			answer = Answer{Status: status, Body: body}
			if err := e.write(ctx, tx); err != nil {
				return err
			}
			return finishKey(ctx, tx, k, answer, unavailable)
		})
		if IsStale(err) {
			continue
		}
		if err == nil && unavailable {
			err = &Problem{Name: ProblemUnavailable, Detail: "the provider could not be reached or refused: nothing was taken", Order: p.OrderID, RetryAfter: comeAgain(callErr)}
		}
		return answer, err
	}
	return Answer{}, fmt.Errorf("payment %s kept changing", p.ID)
}

// comeAgain is how long a provider that took nothing wants to be left alone, 0 where that is not known.
func comeAgain(callErr error) time.Duration {
	var refused *providers.RefusedError
	var unsent *providers.NotSentError
	switch {
	case errors.As(callErr, &refused):
		return refused.RetryAfter
	case errors.As(callErr, &unsent):
		return unsent.RetryAfter
	}
	return 0
}

// itemise tells what is paid for: the order's lines, less what is paid of them already, from the first on.
func (g *Gateway) itemise(ctx context.Context, pay *providers.Payment, orderID string) error {
	o, err := oneOrder(ctx, g.db, `id = $1`, orderID)
	if err != nil {
		return err
	}
	belongs, err := partsOf(ctx, g.db, orderID)
	if err != nil {
		return err
	}
	agencies, err := g.Agencies(ctx)
	if err != nil {
		return err
	}
	pay.DossierCode, pay.ProcedureCode, pay.AgencyCode, pay.AgencyName = o.DossierCode, o.ProcedureCode, o.AgencyCode, agencies[o.AgencyCode]
	if pay.ProcedureName, err = g.ProcedureName(ctx, o.ProcedureCode); err != nil {
		return err
	}
	before, left := o.PaidAmount, pay.Amount
	for _, l := range belongs.lines {
		amount := l.Net - min(l.Net, before)
		before -= min(l.Net, before)
		if amount = min(amount, left); amount > 0 {
			pay.Lines = append(pay.Lines, providers.Line{Kind: l.Kind, Code: l.FeeCode, Name: l.Name, Amount: amount})
			left -= amount
		}
	}
	return nil
}

// asked is the payment as an adapter needs it.
func (p *paymentRow) asked() providers.Payment {
	a := providers.Payment{Reference: p.ProviderReference, Amount: p.RequestedAmount, Description: p.Description, Method: providers.Method(p.Method),
		PayerIP: p.PayerIP, Locale: p.Locale, CreatedAt: p.CreatedAt, Transaction: p.ProviderTransaction}
	if p.ExpiresAt != nil {
		a.ExpiresAt = *p.ExpiresAt
	}
	return a
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func errIf(cond bool, text string) error {
	if cond {
		return errors.New(text)
	}
	return nil
}
