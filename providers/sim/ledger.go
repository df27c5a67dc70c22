package sim

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"feegate/gateway/vnd"
)

// State is where a payment stands at its provider.
type State string

// States of a payment, and of a refund (pending, succeeded, declined).
const (
	Pending   State = "pending"
	Succeeded State = "succeeded"
	Declined  State = "declined"
	Expired   State = "expired"
	Reversed  State = "reversed"
)

// Payment is one payment as its provider knows it. Values are replaced, never changed in place, so that a copy may be
// read without the lock.
type Payment struct {
	Provider    string            `json:"provider"`
	Account     string            `json:"account"`
	Reference   string            `json:"reference"`
	Amount      vnd.Amount        `json:"amount"`          // asked
	Taken       vnd.Amount        `json:"taken,omitempty"` // truly taken
	Fee         vnd.Amount        `json:"fee,omitempty"`   // of the time it was taken: a later tariff changes no history
	State       State             `json:"state"`
	Code        string            `json:"code,omitempty"` // the provider's own, for a refusal
	Held        bool              `json:"held,omitempty"` // told to stay pending: does not expire by itself
	CreatedAt   time.Time         `json:"created_at"`
	ExpiresAt   time.Time         `json:"expires_at"`
	PaidAt      time.Time         `json:"paid_at"`
	Transaction string            `json:"transaction"`
	Wire        map[string]string `json:"wire,omitempty"` // what the provider's wire must remember; never written after Accept
	Refunds     []Refund          `json:"refunds,omitempty"`
}

// Refund is one repayment.
type Refund struct {
	Reference   string     `json:"reference"`
	RequestID   string     `json:"request_id"`
	Digest      string     `json:"digest"` // of the request, for the vendor's idempotency
	Amount      vnd.Amount `json:"amount"`
	State       State      `json:"state"`
	Code        string     `json:"code,omitempty"`
	Transaction string     `json:"transaction"`
	CreatedAt   time.Time  `json:"created_at"`
	At          time.Time  `json:"at"` // when the money went back
}

// Refunded is what truly went back.
func (p Payment) Refunded() vnd.Amount { return p.sumRefunds(Succeeded) }

// Reserved is what went back or may still go.
func (p Payment) Reserved() vnd.Amount { return p.sumRefunds(Succeeded) + p.sumRefunds(Pending) }

func (p Payment) sumRefunds(s State) (sum vnd.Amount) {
	for _, r := range p.Refunds {
		if r.State == s {
			sum += r.Amount
		}
	}
	return sum
}

// At is the payment as the provider sees it at a time: what nobody paid in time has expired.
func (p Payment) At(now time.Time) Payment {
	if p.State == Pending && !p.Held && !p.ExpiresAt.IsZero() && now.After(p.ExpiresAt) {
		p.State = Expired
	}
	return p
}

type paymentKey struct{ provider, account, reference string }

func (p Payment) key() paymentKey { return paymentKey{p.Provider, p.Account, p.Reference} }

// ledger is guarded by World.mu.
type ledger struct {
	payments     map[paymentKey]Payment
	order        []paymentKey          // as accepted
	byReference  map[string]paymentKey // provider/reference: the newest
	byRefund     map[string]paymentKey // provider/account/refund reference
	byRequest    map[string]paymentKey // provider/account/request id
	transactions map[string]paymentKey // provider/transaction, refunds' too
}

func newLedger() ledger {
	return ledger{map[paymentKey]Payment{}, nil, map[string]paymentKey{}, map[string]paymentKey{}, map[string]paymentKey{}, map[string]paymentKey{}}
}

func join(parts ...string) string { return strings.Join(parts, "\x00") }

// put stores a payment and its indexes.
func (l *ledger) put(p Payment) {
	k := p.key()
	if _, known := l.payments[k]; !known {
		l.order = append(l.order, k)
		l.byReference[join(p.Provider, p.Reference)] = k
		l.transactions[join(p.Provider, p.Transaction)] = k
		if id := p.Wire["requestId"]; id != "" {
			l.byRequest[join(p.Provider, p.Account, id)] = k
		}
	}
	l.payments[k] = p
	for _, r := range p.Refunds {
		l.byRefund[join(p.Provider, p.Account, r.Reference)] = k
		l.byRequest[join(p.Provider, p.Account, r.RequestID)] = k
		l.transactions[join(p.Provider, r.Transaction)] = k
	}
}

// put stores a payment, and whose virtual account its money comes into.
func (w *World) put(p Payment) {
	w.ledger.put(p)
	if v := p.Wire[WireVirtual]; v != "" {
		w.bank.virtual[v] = p.key()
	}
}

// number makes a transaction number of eleven digits from what it belongs to: the same in every run, whatever the order.
func (l *ledger) number(provider string, parts ...string) string {
	sum := sha256.Sum256([]byte(join(append([]string{provider}, parts...)...)))
	n := 10_000_000_000 + binary.BigEndian.Uint64(sum[:8])%80_000_000_000
	for l.numbered(provider, strconv.FormatUint(n, 10)) {
		n++
	}
	return strconv.FormatUint(n, 10)
}

func (l *ledger) numbered(provider, transaction string) bool {
	_, used := l.transactions[join(provider, transaction)]
	return used
}

// Accept makes a payment known. The very same reference again gives the payment that stands, and false.
func (w *World) Accept(p Payment) (Payment, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old, ok := w.ledger.payments[p.key()]; ok {
		return old, false, nil
	}
	if len(w.ledger.payments) >= MaxPayments {
		return Payment{}, false, ErrFull
	}
	p.State, p.CreatedAt = Pending, w.clock.Now()
	p.Transaction = w.ledger.number(p.Provider, p.Account, p.Reference)
	p.Wire = maps.Clone(p.Wire)
	w.put(p)
	w.changed()
	return p, true, nil
}

// Find gives a payment as it stands now.
func (w *World) Find(provider, account, reference string) (Payment, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.ledger.payments[paymentKey{provider, account, reference}]
	return p.At(w.clock.Now()), ok
}

// FindReference gives the newest payment of a provider with a reference, whatever the account.
func (w *World) FindReference(provider, reference string) (Payment, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.ledger.payments[w.ledger.byReference[join(provider, reference)]]
	return p.At(w.clock.Now()), ok
}

// FindRequest gives the payment that a request id belongs to: its own, or one of its refunds'.
func (w *World) FindRequest(provider, account, requestID string) (Payment, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.ledger.payments[w.ledger.byRequest[join(provider, account, requestID)]]
	return p.At(w.clock.Now()), ok
}

// FindRefund gives a refund by its reference, with its payment.
func (w *World) FindRefund(provider, account, reference string) (Payment, Refund, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.ledger.payments[w.ledger.byRefund[join(provider, account, reference)]]
	if !ok {
		return Payment{}, Refund{}, false
	}
	i := slices.IndexFunc(p.Refunds, func(r Refund) bool { return r.Reference == reference })
	return p, p.Refunds[i], true
}

// FindTransaction gives an account's payment by the provider's number.
func (w *World) FindTransaction(provider, account, transaction string) (Payment, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k, ok := w.ledger.transactions[join(provider, transaction)]
	if p := w.ledger.payments[k]; ok && k.account == account && p.Transaction == transaction {
		return p, true
	}
	return Payment{}, false
}

// Earlier is a payment of the past as a bulk call enters it.
type Earlier struct {
	Account     string      `json:"account"`
	Reference   string      `json:"reference"`
	Amount      vnd.Amount  `json:"amount"`
	PaidAt      time.Time   `json:"paid_at"`
	Transaction string      `json:"transaction,omitempty"`
	Fee         *vnd.Amount `json:"fee,omitempty"`
}

// Entered is what a bulk call answers for one row.
type Entered struct {
	Reference   string `json:"reference"`
	Transaction string `json:"transaction"`
}

// Enter puts succeeded payments of the past into the ledger, without callbacks: all of them or none. A row that stands
// there already, equal in amount and time, is left as it is, so that the call may be repeated.
func (w *World) Enter(provider string, rows []Earlier) ([]Entered, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fresh := make([]Payment, 0, len(rows))
	seen := map[paymentKey]bool{}
	numbers := map[string]bool{}
	out := make([]Entered, len(rows))
	for i, r := range rows {
		a, ok := w.accounts[accountKey{provider, r.Account}]
		switch {
		case !ok:
			return nil, fmt.Errorf("items[%d].account: %w: %q is not registered", i, ErrInvalid, r.Account)
		case r.Reference == "" || len(r.Reference) > 100:
			return nil, fmt.Errorf("items[%d].reference: %w: 1 to 100 characters", i, ErrInvalid)
		case r.Amount <= 0:
			return nil, fmt.Errorf("items[%d].amount: %w: must be above 0", i, ErrInvalid)
		case r.PaidAt.IsZero():
			return nil, fmt.Errorf("items[%d].paid_at: %w: missing", i, ErrInvalid)
		}
		p := Payment{Provider: provider, Account: r.Account, Reference: r.Reference, Amount: r.Amount, Taken: r.Amount,
			State: Succeeded, CreatedAt: r.PaidAt, ExpiresAt: r.PaidAt, PaidAt: r.PaidAt.In(Zone()), Transaction: r.Transaction}
		if p.Fee = a.Tariff.Fee(r.Amount); r.Fee != nil {
			p.Fee = *r.Fee
		}
		if old, stands := w.ledger.payments[p.key()]; stands || seen[p.key()] {
			if !stands || old.State != Succeeded || old.Taken != p.Taken || !old.PaidAt.Equal(p.PaidAt) {
				return nil, fmt.Errorf("items[%d].reference: %w: %q was entered with other figures", i, ErrConflict, r.Reference)
			}
			out[i] = Entered{old.Reference, old.Transaction}
			continue
		}
		seen[p.key()] = true
		if p.Transaction == "" {
			for n := 0; p.Transaction == "" || numbers[p.Transaction]; n++ {
				p.Transaction = w.ledger.number(provider, p.Account, p.Reference, strings.Repeat("+", n))
			}
		} else if numbers[p.Transaction] || w.ledger.numbered(provider, p.Transaction) {
			return nil, fmt.Errorf("items[%d].transaction: %w: %q is used already", i, ErrConflict, p.Transaction)
		}
		numbers[p.Transaction] = true
		fresh = append(fresh, p)
		out[i] = Entered{p.Reference, p.Transaction}
	}
	if len(w.ledger.payments)+len(fresh) > MaxPayments {
		return nil, ErrFull
	}
	for _, p := range fresh {
		w.ledger.put(p)
	}
	w.changed()
	return out, nil
}

// Truth is one payment as GET /control/ledger tells it.
type Truth struct {
	Provider    string     `json:"provider"`
	Account     string     `json:"account"`
	Reference   string     `json:"provider_reference"`
	Transaction string     `json:"transaction"`
	Amount      vnd.Amount `json:"amount"`
	Fee         vnd.Amount `json:"fee"`
	Refunded    vnd.Amount `json:"refunded"`
	PaidAt      time.Time  `json:"paid_at"`
}

// Payout is what a provider pays an account for one business day: Σ paid − fees − refunds of that day.
type Payout struct {
	Provider string     `json:"provider"`
	Account  string     `json:"account"`
	Date     string     `json:"date"`
	Count    int        `json:"count"` // payments and refunds
	Paid     vnd.Signed `json:"paid"`
	Refunded vnd.Signed `json:"refunded"`
	Fee      vnd.Signed `json:"fee"`
	Amount   vnd.Signed `json:"amount"` // net; below 0 where refunds were more
}

// Ledger is what was truly taken (not what was reversed), as accepted, and what is paid out for it.
func (w *World) Ledger() ([]Truth, []Payout) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ts []Truth
	days := map[[3]string]*Payout{}
	day := func(p Payment, t time.Time) *Payout {
		k := [3]string{p.Provider, p.Account, Day(t)}
		if days[k] == nil {
			days[k] = &Payout{Provider: k[0], Account: k[1], Date: k[2]}
		}
		days[k].Count++
		return days[k]
	}
	for _, k := range w.ledger.order {
		p := w.ledger.payments[k]
		if p.State != Succeeded {
			continue
		}
		ts = append(ts, Truth{p.Provider, p.Account, p.Reference, p.Transaction, p.Taken, p.Fee, p.Refunded(), p.PaidAt})
		d := day(p, p.PaidAt)
		d.Paid += vnd.Signed(p.Taken)
		d.Fee += vnd.Signed(p.Fee)
		for _, r := range p.Refunds {
			if r.State == Succeeded {
				day(p, r.At).Refunded += vnd.Signed(r.Amount)
			}
		}
	}
	for _, t := range w.bank.transfers { // no provider pays them out: they are on the account
		if !t.Out {
			ts = append(ts, Truth{t.Provider, t.Terminal, t.Ours, t.Reference, t.Amount, 0, 0, t.At})
		}
	}
	payouts := make([]Payout, 0, len(days))
	for _, d := range days {
		d.Amount = d.Paid - d.Fee - d.Refunded
		payouts = append(payouts, *d)
	}
	slices.SortFunc(payouts, func(a, b Payout) int {
		return cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Account, b.Account))
	})
	return ts, payouts
}

func (w *World) sortedAccounts() []Account {
	return slices.SortedFunc(maps.Values(w.accounts), func(a, b Account) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Terminal, b.Terminal))
	})
}
