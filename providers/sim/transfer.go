package sim

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"feegate/gateway/vnd"
)

// Bank is what a wire adds whose provider does not take money itself, but tells of transfers into a bank account. There the truth
// is the bank account: whoever pays in, every provider that watches the account hears of it.
type Bank interface {
	Wire
	// Number is the bank account that a terminal's money comes into.
	Number(Account) string
	// Tells writes what the provider's server sends of a transfer; false: this provider does not hear of it.
	Tells(*World, Account, Transfer, Message) (Outgoing, bool, error)
}

// Resigner is a wire whose provider signs each repetition anew.
type Resigner interface {
	Resign(Account, Outgoing, time.Time) Outgoing
}

// Scheduler is a wire whose repetitions are not evenly apart: how long after so many calls the next one comes.
type Scheduler interface {
	After(sent int) time.Duration
}

// Transfer is one movement on a bank account, as the bank booked it. Never changed once booked.
type Transfer struct {
	Number       int64      `json:"number"` // runs through all accounts, from 1
	Account      string     `json:"account"`
	Virtual      string     `json:"virtual,omitempty"` // the virtual account that was paid into
	Amount       vnd.Amount `json:"amount"`
	Out          bool       `json:"out,omitempty"`
	Content      string     `json:"content"`        // as the bank tells it
	Ours         string     `json:"ours,omitempty"` // the merchant's reference that the payer meant, for the ledger
	Reference    string     `json:"reference"`      // the bank's
	PayerAccount string     `json:"payer_account,omitempty"`
	PayerBank    string     `json:"payer_bank,omitempty"`
	PayerName    string     `json:"payer_name,omitempty"`
	At           time.Time  `json:"at"`
	Provider     string     `json:"provider"`       // that the ledger counts it under; "bank" = nobody watches
	Terminal     string     `json:"terminal"`       // the provider's
	Link         string     `json:"link,omitempty"` // the reference of the payment whose virtual account it is
}

// TransferOrder is somebody paying in: the body of POST /control/bank/transfers.
type TransferOrder struct {
	Account      string        `json:"account,omitempty"`
	QRPayload    string        `json:"qr_payload,omitempty"`
	Amount       *vnd.Amount   `json:"amount,omitempty"`
	Content      *string       `json:"content,omitempty"`
	Reference    string        `json:"reference,omitempty"` // the bank's; absent = one is made
	PayerAccount string        `json:"payer_account,omitempty"`
	PayerBank    string        `json:"payer_bank,omitempty"`
	PaidAt       *time.Time    `json:"paid_at,omitempty"`
	Out          bool          `json:"out,omitempty"`    // money leaves instead
	Mangle       string        `json:"mangle,omitempty"` // what the bank does to the content: names of Mangles, with | between
	Notify       *CallbackSpec `json:"notify,omitempty"`
}

// Transferred is the answer.
type Transferred struct {
	Status    string     `json:"status"`
	Account   string     `json:"account"`
	Reference string     `json:"reference"` // the bank's
	Content   string     `json:"content"`   // as the bank tells it
	Callbacks []Delivery `json:"callbacks"`
}

// bankAccounts is guarded by World.mu.
type bankAccounts struct {
	transfers []Transfer
	booked    map[string]bool       // account/reference/direction
	virtual   map[string]paymentKey // virtual account → the payment it was made for
}

var accountNumber = regexp.MustCompile(`^[0-9A-Za-z]{1,19}$`)

// Pay books a transfer and has everybody who watches the account tell of it.
func (w *World) Pay(ctx context.Context, o TransferOrder) (Transferred, error) {
	t, err := w.book(o, "")
	if err != nil {
		return Transferred{}, err
	}
	return Transferred{Status: string(Succeeded), Account: t.Account, Reference: t.Reference, Content: t.Content, Callbacks: w.tell(ctx, t, o.Notify)}, nil
}

// book makes a transfer true. provider is that which the ledger counts it under; "" = the first that watches the account.
func (w *World) book(o TransferOrder, provider string) (Transfer, error) {
	invalid := func(field, why string) (Transfer, error) {
		return Transfer{}, fmt.Errorf("%s: %w: %s", field, ErrInvalid, why)
	}
	t := Transfer{Account: o.Account, Out: o.Out, PayerAccount: o.PayerAccount, PayerBank: o.PayerBank, Reference: o.Reference}
	content := ""
	if o.QRPayload != "" {
		code, err := readQR(o.QRPayload)
		if err != nil {
			return invalid("qr_payload", err.Error())
		}
		t.Account, t.Amount, content = code.account, code.amount, code.purpose
	}
	if o.Amount != nil {
		t.Amount = *o.Amount
	}
	if o.Content != nil {
		content = *o.Content
	}
	if !accountNumber.MatchString(t.Account) {
		return invalid("account", "a bank account of 1 to 19 letters and digits, or a qr_payload that names one")
	}
	if t.Amount <= 0 || !t.Amount.Valid() {
		return invalid("amount", "above 0, here or in the qr_payload")
	}
	if len(content) > 500 || len(t.Reference) > 100 {
		return invalid("content, reference", "at most 500 and 100 bytes")
	}
	if err := checkSpec("notify", o.Notify); err != nil {
		return Transfer{}, err
	}
	if t.PayerAccount == "" {
		t.PayerAccount, t.PayerBank, t.PayerName = payerOf(content), "970436", "NGUYEN VAN A"
	} else if t.PayerName = "NGUYEN VAN A"; t.PayerBank == "" {
		t.PayerBank = "970415"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.bank.transfers)+len(w.ledger.payments) >= MaxPayments {
		return Transfer{}, ErrFull
	}
	t.Number, t.At = int64(len(w.bank.transfers))+1, w.clock.Now().Truncate(time.Second)
	if o.PaidAt != nil {
		t.At = o.PaidAt.In(Zone()).Truncate(time.Second)
	}
	w.owner(&t, provider)
	if t.Reference == "" {
		t.Reference = bankReference(t.At, fmt.Sprint("transfer ", t.Account, t.Number))
	}
	if w.bank.booked[t.bookedAs()] {
		return Transfer{}, fmt.Errorf("reference: %w: the bank has booked %s already", ErrConflict, t.Reference)
	}
	if t.Ours == "" && !t.Out {
		t.Ours = meant(content)
	}
	var err error
	if t.Content, err = mangle(content, o.Mangle, t); err != nil {
		return Transfer{}, err
	}
	w.bank.add(t)
	w.changed()
	return t, nil
}

// owner says whose account the money went into. A virtual account is one payment's, and stands for the terminal's own.
func (w *World) owner(t *Transfer, provider string) {
	if k, ok := w.bank.virtual[t.Account]; ok {
		t.Virtual, t.Link, t.Ours, t.Provider, t.Terminal = t.Account, k.reference, k.reference, k.provider, k.account
		t.Account = w.wires[k.provider].(Bank).Number(w.accounts[accountKey{k.provider, k.account}])
		return
	}
	t.Provider, t.Terminal = "bank", t.Account
	for _, name := range w.names {
		bank, ok := w.wires[name].(Bank)
		if !ok || provider != "" && provider != name {
			continue
		}
		for _, a := range w.sortedAccounts() {
			if a.Provider == name && bank.Number(a) == t.Account {
				t.Provider, t.Terminal = name, a.Terminal
				return
			}
		}
	}
}

func (t Transfer) bookedAs() string { return join(t.Account, t.Reference, fmt.Sprint(t.Out)) }

func (b *bankAccounts) add(t Transfer) {
	b.transfers = append(b.transfers, t)
	b.booked[t.bookedAs()] = true
}

// Transfers are the movements on a bank account, as booked.
func (w *World) Transfers(number string) []Transfer {
	return w.transfers(func(t Transfer) bool { return t.Account == number })
}

// TransfersOf are those into the virtual account of a payment.
func (w *World) TransfersOf(p Payment) []Transfer {
	return w.transfers(func(t Transfer) bool {
		return t.Provider == p.Provider && t.Terminal == p.Account && t.Link == p.Reference && t.Link != ""
	})
}

func (w *World) transfers(which func(Transfer) bool) (found []Transfer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.bank.transfers {
		if which(t) {
			found = append(found, t)
		}
	}
	return found
}

// tell has every provider that watches the account send its message.
func (w *World) tell(ctx context.Context, t Transfer, asked *CallbackSpec) []Delivery {
	spec := CallbackSpec{}
	if asked != nil {
		spec = *asked
	}
	all := []Delivery{}
	if spec.Send != nil && !*spec.Send {
		return all
	}
	m := Message{Said: Succeeded, Amount: t.Amount, At: w.Now(), Forge: spec.Forge}
	if spec.Amount != nil {
		m.Amount = *spec.Amount
	}
	for _, a := range w.Accounts() {
		bank, ok := w.wires[a.Provider].(Bank)
		if !ok {
			continue
		}
		out, hears, err := bank.Tells(w, a, t, m)
		switch {
		case err != nil:
			all = append(all, Delivery{Body: err.Error()})
		case hears:
			all = append(all, w.post(ctx, a.Provider, a.Terminal, out, spec, m.Forge)...)
		}
	}
	return all
}

// decideTransfer is Decide where money comes by bank transfer: to succeed is to pay in, each time anew. Nothing else happens in a
// bank account: who declines or lets the time run out has not paid, and nobody is told.
func (w *World) decideTransfer(ctx context.Context, bank Bank, reference string, d Decision) (Decided, error) {
	if err := d.check(); err != nil {
		return Decided{}, err
	}
	name := bank.Name()
	p, known := w.FindReference(name, reference)
	switch d.Outcome {
	case OutcomeSucceed:
	case OutcomeReverse:
		return Decided{}, fmt.Errorf("outcome: %w: a bank transfer is taken back by a transfer out (POST /control/bank/transfers with \"out\")", ErrInvalid)
	default:
		if known {
			done, _, err := w.apply(name, reference, d)
			return Decided{Status: string(done.State), Callbacks: []Delivery{}}, err
		}
		return Decided{Status: string(Pending), Callbacks: []Delivery{}}, nil
	}
	o := TransferOrder{Account: d.Account, Amount: d.Amount, Content: &reference, PaidAt: d.PaidAt, PayerAccount: d.PayerAccount, Mangle: d.Mangle, Notify: d.Callback}
	if known {
		o.Account = p.Wire[WireVirtual]
		if content := p.Wire[WireContent]; content != "" {
			o.Content = &content
		}
		if o.Amount == nil {
			o.Amount = &p.Amount
		}
	} else {
		if o.Amount == nil {
			return Decided{}, fmt.Errorf("amount: %w: %s has never heard of %s, so it cannot know what is asked", ErrInvalid, name, reference)
		}
		if err := w.onlyAccount(bank, &o); err != nil {
			return Decided{}, err
		}
	}
	t, err := w.book(o, name)
	if err != nil {
		return Decided{}, err
	}
	return Decided{Status: string(Succeeded), Callbacks: w.tell(ctx, t, d.Callback)}, nil
}

// onlyAccount fills in the bank account where the provider has but one.
func (w *World) onlyAccount(bank Bank, o *TransferOrder) error {
	var numbers []string
	for _, a := range w.Accounts() {
		if a.Provider == bank.Name() {
			if o.Account == a.Terminal {
				o.Account = bank.Number(a)
			}
			numbers = append(numbers, bank.Number(a))
		}
	}
	switch {
	case o.Account == "" && len(numbers) == 1:
		o.Account = numbers[0]
	case !slices.Contains(numbers, o.Account):
		return fmt.Errorf("account: %w: %s watches these: %s", ErrInvalid, bank.Name(), strings.Join(numbers, ", "))
	}
	return nil
}

// enterTransfers is Enter for a bank account: the transfers stand on its statement, and nobody is told.
func (w *World) enterTransfers(bank Bank, rows []Earlier) ([]Entered, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var fresh []Transfer
	known := map[string]Transfer{}
	for _, t := range w.bank.transfers {
		known[join(t.Provider, t.Terminal, t.Ours)] = t
	}
	out := make([]Entered, len(rows))
	for i, r := range rows {
		a, ok := w.accounts[accountKey{bank.Name(), r.Account}]
		switch {
		case !ok:
			return nil, fmt.Errorf("items[%d].account: %w: %q is not registered", i, ErrInvalid, r.Account)
		case r.Reference == "" || len(r.Reference) > 100 || r.Amount <= 0 || r.PaidAt.IsZero():
			return nil, fmt.Errorf("items[%d]: %w: reference, amount above 0 and paid_at are needed", i, ErrInvalid)
		}
		t := Transfer{Number: int64(len(w.bank.transfers)+len(fresh)) + 1, Account: bank.Number(a), Amount: r.Amount, Content: r.Reference, Ours: r.Reference, Reference: r.Transaction,
			PayerAccount: payerOf(r.Reference), PayerBank: "970436", PayerName: "NGUYEN VAN A", At: r.PaidAt.In(Zone()).Truncate(time.Second), Provider: bank.Name(), Terminal: a.Terminal}
		if t.Reference == "" {
			t.Reference = bankReference(t.At, fmt.Sprint("entered ", t.Account, t.Ours))
		}
		key := join(t.Provider, t.Terminal, t.Ours)
		if old, stands := known[key]; stands {
			if old.Amount != t.Amount || !old.At.Equal(t.At) {
				return nil, fmt.Errorf("items[%d].reference: %w: %q was entered with other figures", i, ErrConflict, r.Reference)
			}
			out[i] = Entered{old.Ours, old.Reference}
			continue
		}
		if w.bank.booked[t.bookedAs()] {
			return nil, fmt.Errorf("items[%d].transaction: %w: the bank has booked %s already", i, ErrConflict, t.Reference)
		}
		known[key] = t
		fresh = append(fresh, t)
		out[i] = Entered{t.Ours, t.Reference}
	}
	if len(w.bank.transfers)+len(w.ledger.payments)+len(fresh) > MaxPayments {
		return nil, ErrFull
	}
	for _, t := range fresh {
		w.bank.add(t)
	}
	w.changed()
	return out, nil
}

// Names in Payment.Wire that the bank reads: the virtual account that a payment is paid into, and what the payer's code says.
const (
	WireVirtual = "virtual_account"
	WireContent = "content"
)

func (w *World) postTransfer(rw http.ResponseWriter, r *http.Request) error {
	var o TransferOrder
	if err := readJSON(rw, r, MaxControlBody, &o); err != nil {
		return err
	}
	done, err := w.Pay(r.Context(), o)
	if err != nil {
		return err
	}
	writeJSON(rw, http.StatusOK, done)
	return nil
}

// announced reports whether a provider of transfers is told of payments before they are paid: it has a virtual account for each.
func announced(b Bank) bool {
	v, ok := b.(interface{ Announced() bool })
	return ok && v.Announced()
}

// payerOf is whose account a transfer comes from where nobody says: another for each content, as citizens are.
func payerOf(content string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(content)) // a hash takes everything
	return fmt.Sprintf("00%011d", h.Sum64()%100_000_000_000)
}
