package gateway

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// channelUnread is the channel of money whose reference nobody could read: a person says what it was for (OPR-1).
const channelUnread = "transfer_unref"

// TransferView is a bank transfer as finance sees it. Content is what people wrote: it may name them.
type TransferView struct {
	ID            string       `json:"id"`
	BankAccount   string       `json:"bank_account"`
	Amount        vnd.Amount   `json:"amount"`
	BankReference string       `json:"bank_reference"`
	Reference     string       `json:"reference"` // as read in the content
	Content       string       `json:"content"`
	Ambiguous     bool         `json:"ambiguous"`
	WrongAccount  bool         `json:"wrong_account"`
	PayerMasked   string       `json:"payer_masked"`
	At            time.Time    `json:"at"`
	RecordedAt    time.Time    `json:"recorded_at"`
	ToldBy        []string     `json:"told_by"` // the accounts whose sources told of it
	Suggestions   []Suggestion `json:"suggestions"`
}

// Suggestion is an order that the money may be for: of the same agency, owing the same amount, with a code shown lately. Nobody is
// credited by it: a person compares.
type Suggestion struct {
	Order       string     `json:"order" db:"order_id"`
	DossierCode string     `json:"dossier_code" db:"dossier_code"`
	Payment     string     `json:"payment" db:"payment_id"`
	Reference   string     `json:"reference" db:"reference"`
	Amount      vnd.Amount `json:"amount" db:"amount"`
	ShownAt     time.Time  `json:"shown_at" db:"shown_at"`
}

// RecordTransfer records a transfer whose reference could not be read as a payment, as two people decided: of the order that they
// name, or of none, and then all of it is surplus. Saying it again changes nothing. It gives the payment.
func (g *Gateway) RecordTransfer(ctx context.Context, tx *sqlx.Tx, c Caller, id, orderID string) (string, error) {
	t, err := transferByID(ctx, tx, id)
	if err != nil {
		return "", err
	}
	if err := lockBankAccount(ctx, tx, t.BankAccount); err != nil {
		return "", err
	}
	if t, err = transferByID(ctx, tx, id); err != nil { // somebody may have been faster
		return "", err
	}
	switch {
	case t.PaymentID != nil:
		return *t.PaymentID, nil
	case t.Owner == nil:
		return "", &Problem{Name: ProblemAccountUnsuited, Detail: "the money went into an account that is not the agency's: it is not the agency's to record"}
	}
	t.AccountID = *t.Owner
	entry, err := g.accounts.Get(ctx, t.AccountID)
	if err != nil {
		return "", err
	}
	channel, now := channelUnread, g.now()
	p := &paymentRow{ID: newID("pay_"), OrderID: orderID, AccountID: &t.AccountID, Provider: entry.Account.Provider, ProviderReference: t.ID,
		ProviderTransaction: or(t.BankReference, t.ID), Status: PaymentCreated, Mode: entry.Account.Mode, RequestedAmount: t.Amount, InitiatedBy: "payer", Place: "remote",
		Locale: "vi", CreatedAt: now, Description: "a transfer without a readable reference", Channel: &channel, ByTransfer: true, TransferID: &t.ID}
	f := Found{AccountID: t.AccountID, Reference: t.ID, Transaction: p.ProviderTransaction, Amount: t.Amount, PaidAt: t.At, OrderID: orderID, By: c.Actor}
	if orderID == "" {
		return p.ID, g.writeOrderless(ctx, tx, p, f, now)
	}
	o, err := lockOrder(ctx, tx, c, orderID)
	if err != nil {
		return "", err
	}
	if o.AgencyCode != entry.Account.AgencyCode || !entry.Account.Takes(o.Kinds) || o.Mode != entry.Account.Mode {
		return "", &Problem{Name: ProblemAccountUnsuited, Detail: "the money came into an account that may not take this order's fees", Order: o.ID}
	}
	n := f.notice(t.ID)
	n.Code, n.Transfer = "transfer", &providers.Transfer{ID: t.ID}
	e := &effects{}
	_, events, err := g.judged(ctx, tx, e, o, p, nil, Word{AccountID: t.AccountID, Source: SourcePerson, Actor: c.Actor, Notice: n})
	if err != nil {
		return "", err
	}
	e.payments, e.paymentChanges = append(e.payments, *p), nil // a new row is written as it ends up
	if err := g.announce(ctx, tx, e, o, viewPayment(p), events, now); err != nil {
		return "", err
	}
	return p.ID, e.write(ctx, tx)
}

// Transfer gives one bank transfer with the orders that it may be for. Whoever asks must have seen to it that the caller may.
func (g *Gateway) Transfer(ctx context.Context, id string) (*TransferView, error) {
	v, sealed, err := g.readTransfer(ctx, id)
	if err != nil {
		return nil, err
	}
	content, err := g.keys.Open(sealed, "transfer:"+id)
	if err != nil {
		return nil, err
	}
	v.Content = string(content)
	return v, nil
}
