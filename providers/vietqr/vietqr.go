// Package vietqr is bank transfer by VietQR (NAPAS): the payload of the code, the reference that stands in the content of a
// transfer and is found there again, the banks, and the provider that has nothing but these. Money comes straight into the
// beneficiary's account; who tells of it is another matter: nobody but the bank's statement here, a notifier in the packages that
// build on this one.
package vietqr

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"feegate/providers"
)

// Name of the provider that hears of transfers by the bank's statement alone.
const Name = "vietqr"

// Title is for people, and the same whoever tells us of the transfer: a payer does not care.
const Title = "Chuyển khoản VietQR"

// Registration is the entry of the statement-only provider.
func Registration() providers.Registration {
	return providers.Registration{
		Name: Name, Title: Title, Capabilities: Capabilities(), Transfers: true, BuildsAddress: true, NewReference: NewReference, FindReference: Find,
		Timeouts: map[providers.Operation]time.Duration{providers.OpCheckout: time.Second, providers.OpLookup: time.Second}, // it never calls
		New: func(a providers.Account, _ providers.Deps) (providers.Provider, error) {
			d, err := NewDestination(a)
			if err != nil {
				return nil, err
			}
			return provider{d}, nil
		},
	}
}

// Capabilities of a transfer: the instant rail takes less than half a billion at a time.
func Capabilities() providers.Capabilities {
	return providers.Capabilities{
		Methods: []providers.Method{providers.MethodAny, providers.MethodQR, providers.MethodTransfer},
		Min:     1, Max: 499_999_999,
		Lifetime: 24 * time.Hour,
	}
}

// Destination is where the money of an account goes. It does what all providers of transfers share: they embed it.
type Destination struct {
	bank   Bank
	number string
	name   string
}

// NewDestination reads the account's beneficiary. The account's terminal is the number.
func NewDestination(a providers.Account) (Destination, error) {
	b := a.Beneficiary
	if strings.TrimSpace(b.Bank) == "" || strings.TrimSpace(b.Number) == "" {
		return Destination{}, &providers.SetUpError{Field: "beneficiary", Detail: "the account has no beneficiary: the bank and the account number that the money goes to"}
	}
	bank, err := FindBank(b.Bank)
	if err != nil {
		return Destination{}, &providers.SetUpError{Field: "beneficiary.bank", Detail: err.Error()}
	}
	d := Destination{bank: bank, number: strings.NewReplacer(" ", "", ".", "", "-", "").Replace(b.Number), name: strings.TrimSpace(b.Name)}
	if _, err := (Payload{BIN: bank.BIN, Number: d.number}).Build(); err != nil {
		return Destination{}, &providers.SetUpError{Field: "beneficiary.number", Detail: err.Error()}
	}
	if a.Terminal != "" && a.Terminal != d.number {
		return Destination{}, &providers.SetUpError{Field: "beneficiary.number", Detail: fmt.Sprintf("%q is not the account's terminal %q: another bank account is another merchant account", d.number, a.Terminal)}
	}
	return d, nil
}

// Number is the account number as banks write it.
func (d Destination) Number() string { return d.number }

// Checkout makes the code: no call is made. The content is the reference alone, for whatever stands beside it may be what a bank
// cuts it off for.
func (d Destination) Checkout(_ context.Context, pay providers.Payment) (providers.Redirect, error) {
	if pay.Amount <= 0 {
		return providers.Redirect{}, fmt.Errorf("vietqr: %w: an amount of %s cannot be transferred", providers.ErrConfig, pay.Amount)
	}
	if _, err := Decode(pay.Reference); err != nil {
		return providers.Redirect{}, fmt.Errorf("vietqr: %w: %w: %q", providers.ErrConfig, err, pay.Reference)
	}
	payload, err := Payload{BIN: d.bank.BIN, Number: d.number, Amount: pay.Amount, Purpose: pay.Reference}.Build()
	if err != nil {
		return providers.Redirect{}, fmt.Errorf("vietqr: %w: %w", providers.ErrConfig, err)
	}
	return providers.Redirect{QRPayload: payload, Transfer: &providers.TransferTo{BankBIN: d.bank.BIN, BankName: d.bank.Name,
		AccountNumber: d.number, AccountName: d.name, Amount: pay.Amount, Content: pay.Reference}}, nil
}

// Lookup knows nothing of a single payment, and says so without a call.
func (Destination) Lookup(_ context.Context, pay providers.Payment) (providers.Notice, error) {
	return providers.Notice{Reference: pay.Reference, Outcome: providers.NotFound}, nil
}

// LookupPlan lets our own clock end a payment: there is no word for "not paid" in a bank account. What comes later is money all
// the same.
func (Destination) LookupPlan() providers.LookupPlan {
	return providers.LookupPlan{
		AfterExpiry: []time.Duration{time.Minute},
		AfterReturn: time.Second, AfterDoubt: time.Second, MinInterval: time.Second,
		GiveUpAfter: 30 * time.Second,
	}
}

// ParseSettlement has nothing to read.
func (Destination) ParseSettlement(io.Reader) iter.Seq2[providers.SettlementLine, error] {
	return NoSettlement()
}

// NoSettlement refuses every settlement file: transfers have none.
func NoSettlement() iter.Seq2[providers.SettlementLine, error] {
	return func(yield func(providers.SettlementLine, error) bool) {
		yield(providers.SettlementLine{}, &providers.LineError{Line: 1, Detail: "transfers have no settlement file: the bank's statement is the proof, import that"})
	}
}

type provider struct{ Destination }

// Verify refuses everything: nobody calls for this provider, so who does is a stranger.
func (provider) Verify(context.Context, providers.Callback) ([]providers.Notice, error) {
	return nil, fmt.Errorf("vietqr: %w: this account has no callbacks", providers.ErrForged)
}

// Answer is 404 for everything, as nothing is here.
func (provider) Answer(r providers.Result) providers.Reply {
	switch r.Verdict {
	case providers.VerdictRecorded, providers.VerdictDuplicate, providers.VerdictUnknownPayment, providers.VerdictAmountMismatch, providers.VerdictNothing:
		return providers.Reply{Status: http.StatusNoContent} // cannot be: Verify lets nothing in
	}
	return providers.Reply{Status: http.StatusNotFound}
}
