package vietqr

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// What notifiers of banks share in how they tell of a transfer.

// Whole reads an amount that a notifier wrote as 2277000, 2277000.0 or "2277000.00". A part of a đồng is refused, and so is any
// other way to write a number.
func Whole(s string) (vnd.Signed, error) {
	whole, fraction, pointed := strings.Cut(s, ".")
	if pointed && (fraction == "" || strings.Trim(fraction, "0") != "") {
		return 0, fmt.Errorf("%w: an amount is not in whole đồng", providers.ErrMalformed)
	}
	n, err := vnd.ParseSigned(whole)
	if err != nil {
		return 0, fmt.Errorf("%w: an amount cannot be read", providers.ErrMalformed)
	}
	return n, nil
}

// Zone is Vietnamese time, which all notifiers write without saying so.
func Zone() *time.Location { return time.FixedZone("+07", 7*60*60) }

// LocalTime reads a time as notifiers write it: date and time, date alone, or with an offset.
func LocalTime(s string) (time.Time, error) {
	for _, layout := range []string{time.DateTime, time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, Zone()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: a time cannot be read", providers.ErrMalformed)
}

// Movement is one movement on the account, as every notifier knows it.
type Movement struct {
	ID            string // the notifier's
	Account       string // that it came into or left
	Virtual       string // the virtual account that the payer paid into; "" = none
	BankReference string
	Content       string
	Code          string // the reference as the notifier found it; "" = it looked for none
	Amount        vnd.Signed
	At            time.Time
	Payer         *providers.Payer
}

// Notice is a movement in our words. source makes a transaction of those that the bank gave no reference.
func (d Destination) Notice(source string, m Movement) (providers.Notice, error) {
	if m.Amount == 0 {
		return providers.Notice{}, fmt.Errorf("%w: a movement of nothing", providers.ErrMalformed)
	}
	amount, out := vnd.Amount(m.Amount), m.Amount < 0
	if out {
		amount = vnd.Amount(-m.Amount)
	}
	reference, ambiguous := Agree(m.Code, m.Content)
	account := m.Account
	if m.Virtual == d.number { // the payer was shown the virtual account
		account = m.Virtual
	}
	transaction := m.BankReference
	if transaction == "" {
		transaction = source + ":" + m.ID
	}
	n := providers.Notice{Reference: reference, Outcome: providers.Succeeded, Amount: amount, Transaction: transaction, PaidAt: m.At,
		Transfer: &providers.Transfer{ID: m.ID, Account: account, Reference: m.BankReference, Content: m.Content, Out: out, Ambiguous: ambiguous}}
	if !out {
		n.Payer = m.Payer
	}
	return n, nil
}

// BankPayer is the payer where a notifier names the account that the money came from.
func BankPayer(bank, number string) *providers.Payer {
	number = strings.TrimSpace(number)
	if number == "" {
		return nil
	}
	return &providers.Payer{Kind: "bank", Bank: bank, Account: number, Masked: "••••" + number[max(0, len(number)-4):]}
}

// AnswerJSON is what the notifiers expect: 200 and {"success":true} for whatever was authentic, whether or not we could use it.
func AnswerJSON(r providers.Result) providers.Reply {
	status := 503
	switch r.Verdict {
	case providers.VerdictRecorded, providers.VerdictDuplicate, providers.VerdictUnknownPayment, providers.VerdictAmountMismatch, providers.VerdictNothing:
		return providers.Reply{Status: 200, ContentType: "application/json", Body: []byte(`{"success":true}`)}
	case providers.VerdictForged:
		status = 401
	case providers.VerdictMalformed:
		status = 400
	case providers.VerdictWrongMethod:
		status = 405
	}
	return providers.Reply{Status: status, ContentType: "application/json", Body: []byte(`{"success":false}`)}
}

// ReadID checks a notifier's own number of a movement: digits. "0" is what it sends to try an address.
func ReadID(s string) (id string, trial bool, err error) {
	if s == "" || len(s) > 20 || !digits(s) {
		return "", false, fmt.Errorf("%w: the id is not a number", providers.ErrMalformed)
	}
	return s, s == "0", nil
}

// Fetched is an error of reading a list, with the status that says whose fault it is.
func Fetched(status int) error {
	switch {
	case status == 401 || status == 403:
		return &providers.RefusedError{Kind: providers.ErrConfig, Code: fmt.Sprint(status), Reason: providers.ReasonConfiguration}
	case status != 200:
		return fmt.Errorf("%w: HTTP status %d", providers.ErrUncertain, status)
	}
	return nil
}

// ErrNoToken says that the account has no secret to read the notifier's list with.
var ErrNoToken = errors.New("the account has no token to read the list of transactions with")
