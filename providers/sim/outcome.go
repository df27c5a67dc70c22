package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"feegate/gateway/vnd"
)

// Decision is what becomes of a payment: the body of POST /control/{provider}/payments/{reference}, and what a button of
// the payer's page means.
type Decision struct {
	Outcome      string        `json:"outcome"`
	Amount       *vnd.Amount   `json:"amount,omitempty"`        // take another amount than asked
	PaidAt       *time.Time    `json:"paid_at,omitempty"`       // absent = now
	PayerAccount string        `json:"payer_account,omitempty"` // neither VNPAY nor MoMo has it on the wire: told of transfers alone
	Account      string        `json:"account,omitempty"`       // the terminal, where two use one reference; the bank account of a transfer
	Mangle       string        `json:"mangle,omitempty"`        // of a transfer: what the bank does to its content
	Code         string        `json:"code,omitempty"`          // the provider's own code of a refusal; absent = its plainest
	Callback     *CallbackSpec `json:"callback,omitempty"`
}

// CallbackSpec is how the provider tells the gateway.
type CallbackSpec struct {
	Send         *bool       `json:"send,omitempty"` // absent = true
	DelayMS      int64       `json:"delay_ms,omitempty"`
	Copies       int         `json:"copies,omitempty"` // absent or 0 = 1; one after the other
	Amount       *vnd.Amount `json:"amount,omitempty"` // a rightly signed lie
	Forge        bool        `json:"forge,omitempty"`  // a wrong signature; where nothing is decided it claims success
	BeforeAnswer bool        `json:"before_answer,omitempty"`
}

// Decided is the answer to a decision.
type Decided struct {
	Status    string     `json:"status"`
	Callbacks []Delivery `json:"callbacks"`
}

// Message is what a callback says, which need not be the truth.
type Message struct {
	Said   State
	Code   string
	Amount vnd.Amount
	At     time.Time // of the payment, else of the message
	Forge  bool
}

// The outcomes of the contract.
const (
	OutcomeSucceed = "succeed"
	OutcomeDecline = "decline"
	OutcomeExpire  = "expire"
	OutcomeLeave   = "leave_pending"
	OutcomeReverse = "reverse"
)

func (d Decision) check() error {
	switch d.Outcome {
	case OutcomeSucceed, OutcomeDecline, OutcomeExpire, OutcomeLeave, OutcomeReverse:
	default:
		return fmt.Errorf("outcome: %w: one of succeed, decline, expire, leave_pending, reverse", ErrInvalid)
	}
	if d.Amount != nil && (d.Outcome != OutcomeSucceed || *d.Amount <= 0) {
		return fmt.Errorf("amount: %w: above 0, and only with outcome succeed", ErrInvalid)
	}
	if d.Code != "" && d.Outcome != OutcomeDecline {
		return fmt.Errorf("code: %w: only with outcome decline", ErrInvalid)
	}
	return checkSpec("callback", d.Callback)
}

func checkSpec(field string, c *CallbackSpec) error {
	switch {
	case c == nil:
	case c.Copies < 0 || c.Copies > MaxCopies:
		return fmt.Errorf("%s.copies: %w: 0 to %d", field, ErrInvalid, MaxCopies)
	case c.DelayMS < 0 || time.Duration(c.DelayMS)*time.Millisecond > maxDelay:
		return fmt.Errorf("%s.delay_ms: %w: 0 to %d", field, ErrInvalid, maxDelay.Milliseconds())
	}
	return nil
}

// Decide makes a payment's outcome true, as far as it can be, and sends the callback.
//
// Once money was taken, decline, expire and leave_pending change nothing of the truth: only the callback denies it (the
// lie that the gateway must look through). Taking it back is `reverse`.
func (w *World) Decide(ctx context.Context, provider, reference string, d Decision) (Decided, error) {
	if bank, ok := w.wires[provider].(Bank); ok {
		return w.decideTransfer(ctx, bank, reference, d)
	}
	p, m, err := w.apply(provider, reference, d)
	if err != nil {
		return Decided{}, err
	}
	return Decided{Status: string(p.State), Callbacks: w.deliver(ctx, p, m, d)}, nil
}

func (w *World) apply(provider, reference string, d Decision) (Payment, Message, error) {
	if err := d.check(); err != nil {
		return Payment{}, Message{}, err
	}
	wire := w.wires[provider]
	w.mu.Lock()
	defer w.mu.Unlock()
	key := w.ledger.byReference[join(provider, reference)]
	if d.Account != "" {
		key = paymentKey{provider, d.Account, reference}
	}
	p, ok := w.ledger.payments[key]
	if !ok {
		return Payment{}, Message{}, fmt.Errorf("%s %s: %w (VNPAY knows a payment once its pay address was fetched)", provider, reference, ErrUnknown)
	}
	now := w.clock.Now()
	m := Message{Amount: p.Amount, At: now, Code: d.Code}
	taken := p.State == Succeeded
	switch d.Outcome {
	case OutcomeSucceed:
		amount := p.Amount
		if taken {
			amount = p.Taken
		}
		if d.Amount != nil {
			amount = *d.Amount
		}
		if taken && amount != p.Taken {
			return Payment{}, Message{}, fmt.Errorf("%s: %w: %s was taken already", reference, ErrConflict, p.Taken.Format())
		}
		if !taken {
			p.State, p.Code, p.Held, p.Taken, p.PaidAt = Succeeded, "", false, amount, now
			if d.PaidAt != nil {
				p.PaidAt = d.PaidAt.In(Zone())
			}
			p.Fee = w.accounts[accountKey{p.Provider, p.Account}].Tariff.Fee(amount)
		}
		m.Said, m.Amount, m.At = Succeeded, p.Taken, p.PaidAt
	case OutcomeDecline:
		if m.Said = Declined; m.Code == "" {
			m.Code = wire.DeclineCode()
		}
		if !taken {
			p.State, p.Code, p.Held = Declined, m.Code, false
		}
	case OutcomeExpire:
		if m.Said = Expired; !taken {
			p.State, p.Code, p.Held = Expired, "", false
		}
	case OutcomeLeave:
		if m.Said = Pending; !taken {
			p.State, p.Code, p.Held = Pending, "", true
		}
	case OutcomeReverse:
		if !taken || p.Reserved() > 0 {
			return Payment{}, Message{}, fmt.Errorf("%s: %w: only a succeeded payment without refunds is reversed", reference, ErrConflict)
		}
		m.Said, m.Amount = Reversed, p.Taken
		p.State = Reversed
	}
	w.ledger.put(p)
	w.changed()
	return p, m, nil
}

// Arm keeps a decision for the next payment that the provider accepts.
func (w *World) Arm(provider string, d Decision) error {
	if err := d.check(); err != nil {
		return err
	}
	if b, ok := w.wires[provider].(Bank); ok && !announced(b) {
		return fmt.Errorf("next: %w: %s hears of a payment only when the money comes", ErrInvalid, provider)
	}
	if d.Outcome == OutcomeReverse {
		return fmt.Errorf("outcome: %w: nothing to reverse in a payment to come", ErrInvalid)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.armed[provider]) >= MaxArmed {
		return fmt.Errorf("%w: at most %d decisions wait for a next payment", ErrInvalid, MaxArmed)
	}
	w.armed[provider] = append(w.armed[provider], d)
	w.changed()
	return nil
}

// Accepted is for a wire to call when it has just accepted a payment, before it answers: an armed decision comes true
// now. The returned work, if any, sends the callback and belongs after the answer (see Serve).
func (w *World) Accepted(ctx context.Context, p Payment) func(context.Context) {
	w.mu.Lock()
	var d Decision
	waiting := w.armed[p.Provider]
	if len(waiting) > 0 {
		d, w.armed[p.Provider] = waiting[0], waiting[1:]
	}
	w.mu.Unlock()
	if len(waiting) == 0 {
		return nil
	}
	if bank, ok := w.wires[p.Provider].(Bank); ok {
		decide := func(ctx context.Context) {
			if _, err := w.decideTransfer(ctx, bank, p.Reference, d); err != nil {
				w.log.Error("armed decision", "provider", p.Provider, "error", err)
			}
		}
		if d.Callback != nil && d.Callback.BeforeAnswer {
			decide(ctx)
			return nil
		}
		return decide
	}
	d.Account = p.Account
	p, m, err := w.apply(p.Provider, p.Reference, d)
	if err != nil {
		w.log.Error("armed decision", "provider", p.Provider, "error", err)
		return nil
	}
	if d.Callback != nil && d.Callback.BeforeAnswer {
		w.deliver(ctx, p, m, d)
		return nil
	}
	return func(ctx context.Context) { w.deliver(ctx, p, m, d) }
}

// Errors of a refund, for the wires to name by their codes.
var (
	ErrNotPaid = fmt.Errorf("%w: the payment was not taken", ErrConflict)
	ErrTooMuch = fmt.Errorf("%w: more than is left to pay back", ErrConflict)
)

// RefundDecision is what becomes of a refund: the body of POST /control/{provider}/refunds/{reference}.
type RefundDecision struct {
	Outcome string `json:"outcome"` // succeed, decline, pending
	Code    string `json:"code,omitempty"`
}

func (d RefundDecision) state() (State, error) {
	switch d.Outcome {
	case "succeed":
		return Succeeded, nil
	case "decline":
		return Declined, nil
	case "pending":
		return Pending, nil
	}
	return "", fmt.Errorf("outcome: %w: one of succeed, decline, pending", ErrInvalid)
}

// Refund pays back, or does what was armed for the next refund; with a time (At) it was done by hand at that time. The
// amount is held against what is left in the same step.
func (w *World) Refund(provider, account, reference string, r Refund) (Payment, Refund, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.ledger.payments[paymentKey{provider, account, reference}]
	switch {
	case !ok:
		return Payment{}, Refund{}, ErrUnknown
	case p.State != Succeeded:
		return p, Refund{}, ErrNotPaid
	case r.Amount <= 0 || r.Amount > p.Taken-p.Reserved():
		return p, Refund{}, ErrTooMuch
	}
	r.State, r.CreatedAt = Succeeded, w.clock.Now()
	if waiting := w.armedRef[provider]; len(waiting) > 0 && r.At.IsZero() {
		r.State, _ = waiting[0].state()
		r.Code = waiting[0].Code
		w.armedRef[provider] = waiting[1:]
	}
	if r.State == Succeeded && r.At.IsZero() {
		r.At = r.CreatedAt
	}
	r.Transaction = w.ledger.number(provider, account, reference, r.Reference)
	p.Refunds = append(slices.Clone(p.Refunds), r)
	w.ledger.put(p)
	w.changed()
	return p, r, nil
}

// RefundByHand is what finance does in the provider's own merchant portal: the money goes back, no API call is made, the
// next settlement shows it.
func (w *World) RefundByHand(provider, reference string, amount vnd.Amount, at *time.Time) (Refund, error) {
	p, ok := w.FindReference(provider, reference)
	if !ok {
		return Refund{}, fmt.Errorf("%s %s: %w", provider, reference, ErrUnknown)
	}
	r := Refund{Reference: fmt.Sprintf("%sR%d", reference, len(p.Refunds)+1), Amount: amount, At: w.Now()}
	if at != nil {
		r.At = at.In(Zone())
	}
	r.RequestID = r.Reference
	_, r, err := w.Refund(provider, p.Account, reference, r)
	return r, err
}

// DecideRefund settles a refund that was left pending. The reference is the refund's, or its payment's for the newest.
func (w *World) DecideRefund(provider, reference string, d RefundDecision) (Refund, error) {
	state, err := d.state()
	if err != nil {
		return Refund{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p, i := w.locateRefund(provider, reference)
	if i < 0 {
		return Refund{}, fmt.Errorf("refund %s: %w", reference, ErrUnknown)
	}
	p.Refunds = slices.Clone(p.Refunds)
	r := &p.Refunds[i]
	if r.State == state {
		return *r, nil
	}
	if r.State != Pending {
		return Refund{}, fmt.Errorf("refund %s: %w: it has %s", reference, ErrConflict, r.State)
	}
	r.State, r.Code = state, d.Code
	if state == Succeeded {
		r.At = w.clock.Now()
	}
	w.ledger.put(p)
	w.changed()
	return *r, nil
}

func (w *World) locateRefund(provider, reference string) (Payment, int) {
	for k := range w.accounts {
		if k.provider != provider {
			continue
		}
		if p, ok := w.ledger.payments[w.ledger.byRefund[join(provider, k.terminal, reference)]]; ok {
			return p, slices.IndexFunc(p.Refunds, func(r Refund) bool { return r.Reference == reference })
		}
	}
	p := w.ledger.payments[w.ledger.byReference[join(provider, reference)]]
	return p, len(p.Refunds) - 1
}

// ArmRefund keeps a decision for the provider's next refund.
func (w *World) ArmRefund(provider string, d RefundDecision) error {
	if _, err := d.state(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.armedRef[provider]) >= MaxArmed {
		return fmt.Errorf("%w: at most %d decisions wait for a next refund", ErrInvalid, MaxArmed)
	}
	w.armedRef[provider] = append(w.armedRef[provider], d)
	w.changed()
	return nil
}
