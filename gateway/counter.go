package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// Problems of money at the counter.
const (
	ProblemReceiptUsed = "receipt-used"
	ProblemSlipUsed    = "slip-used"
)

// CounterProvider stands where a payment names its provider.
const CounterProvider = "counter"

// NewCounterPayment is money taken at the one-stop counter; it has the shape of the API's body. Officer is who took it: the
// edge puts the signed-in person there, a program vouches for a name.
type NewCounterPayment struct {
	Amount        *vnd.Amount `json:"amount"`
	Method        string      `json:"method"`
	Postal        bool        `json:"postal,omitempty"`
	ReceiptSeries string      `json:"receipt_series,omitempty"`
	ReceiptNumber string      `json:"receipt_number,omitempty"`
	ReceivedAt    *time.Time  `json:"received_at"`
	Officer       string      `json:"officer,omitempty"`
}

// CounterPaymentView is a payment with what the counter knows of it.
type CounterPaymentView struct {
	PaymentView
	Method        string    `json:"method"`
	Postal        bool      `json:"postal"`
	ReceiptSeries string    `json:"receipt_series"`
	ReceiptNumber string    `json:"receipt_number"`
	ReceivedAt    time.Time `json:"received_at"`
	Officer       string    `json:"officer"`
}

// counterRow and voidRow are the tables' rows.
type counterRow struct {
	PaymentID     string  `json:"payment_id"`
	AgencyCode    string  `json:"agency_code"`
	ReceiptSeries *string `json:"receipt_series"`
	ReceiptNumber *string `json:"receipt_number"`
	Officer       string  `json:"officer"`
	RecordedBy    string  `json:"recorded_by"`
	Postal        bool    `json:"postal"`
}

type voidRow struct {
	PaymentID  string    `json:"payment_id"`
	ByActor    string    `json:"by_actor"`
	Reason     string    `json:"reason"`
	RecordedAt time.Time `json:"recorded_at"`
}

func (in *NewCounterPayment) validate(now time.Time) error {
	var e fieldErrors
	switch {
	case in.Amount == nil:
		e.add("amount", "is missing")
	case *in.Amount < 1:
		e.add("amount", "must be above 0")
	}
	oneOf(&e, "method", in.Method, "cash", "pos", "transfer")
	if in.Postal && in.Method != "cash" {
		e.add("postal", "only cash comes by post")
	}
	text(&e, "receipt_series", in.ReceiptSeries, 0, 40)
	text(&e, "receipt_number", in.ReceiptNumber, 0, 40)
	if in.ReceiptSeries != "" && in.ReceiptNumber == "" {
		e.add("receipt_number", "is missing beside a series")
	}
	text(&e, "officer", in.Officer, 1, 100)
	switch {
	case in.ReceivedAt == nil:
		e.add("received_at", "is missing")
	case in.ReceivedAt.After(now):
		e.add("received_at", "lies in the future")
	}
	if len(e) > 0 {
		return &Problem{Name: ProblemInvalid, Fields: e}
	}
	return nil
}

// channel is what the definition OPR-1 calls money that came this way.
func (in *NewCounterPayment) channel() string {
	switch {
	case in.Method == "pos":
		return "pos_counter"
	case in.Method == "transfer":
		return "transfer_unref"
	case in.Postal:
		return "cash_postal"
	}
	return "cash_counter"
}

// holder is the account of the moves that holds a payment's money: the provider's clearing; for cash the agency's till, until a
// deposit slip takes it to the bank. Card and transfer money at the counter goes to the agency's own bank account past both: it
// stays under a name of its own, so that the till is never expected to hold it.
func holder(p *paymentRow, agency string) string {
	switch {
	case p.AccountID != nil:
		return clearing(*p.AccountID)
	case p.Method == "cash":
		return "cash:" + agency
	}
	return "counter:" + agency
}

// RecordCounterPayment records money that the counter says it took. The one judge decides what it pays, the one writer writes
// it: what is not owed is surplus. Only an open or expired order takes money here: for another, nobody should have taken it.
func (g *Gateway) RecordCounterPayment(ctx context.Context, c Caller, k Key, orderID string, in NewCounterPayment) (Answer, error) {
	if a, found, err := g.replay(ctx, k); err != nil || found {
		return a, err
	}
	if err := in.validate(g.now()); err != nil {
		return Answer{}, err
	}
	for range 3 {
		var answer Answer
		err := transact(ctx, g.db, func(tx *sqlx.Tx) (err error) {
			answer, err = g.takeAtCounter(ctx, tx, c, k, orderID, in)
			return err
		})
		switch {
		case err == nil:
			return answer, nil
		case IsStale(err):
			continue // a newer order came meanwhile: judge again
		case violated(err) == "idempotency_keys_pkey":
			a, found, err := g.replay(ctx, k)
			if err == nil && !found {
				err = errors.New("idempotency key written and gone")
			}
			return a, err
		case violated(err) == "counter_payments_receipt":
			return Answer{}, &Problem{Name: ProblemReceiptUsed, Detail: "this agency's receipt " + in.ReceiptSeries + " " + in.ReceiptNumber + " was recorded before"}
		default:
			return Answer{}, fmt.Errorf("recording counter money on %s: %w", orderID, err)
		}
	}
	return Answer{}, fmt.Errorf("recording counter money on %s: the order kept changing", orderID)
}

func (g *Gateway) takeAtCounter(ctx context.Context, tx *sqlx.Tx, c Caller, k Key, orderID string, in NewCounterPayment) (Answer, error) {
	o, err := lockOrder(ctx, tx, c, orderID)
	if err != nil {
		return Answer{}, err
	}
	if o.Status != OrderOpen && o.Status != OrderExpired {
		return Answer{}, &Problem{Name: ProblemOrderState, Detail: "the order is " + o.Status + ", only an open or expired one takes money at the counter", Order: o.ID}
	}
	s := Stored{Status: PaymentCreated, Requested: *in.Amount, OrderStatus: o.Status, OrderAmount: o.Amount, OrderPaid: o.PaidAmount}
	if o.Status == OrderExpired {
		if s.NewerLive, err = newerLive(ctx, tx, o.ID); err != nil {
			return Answer{}, err
		}
	}
	now, e := g.now(), &effects{}
	p, events, err := g.judgeCounter(e, o, s, c, in, now)
	if err != nil {
		return Answer{}, err
	}
	e.keys = []keyRow{keyed(k, p.ID, nil, now)}
	if err := g.announce(ctx, tx, e, o, viewPayment(p), events, now); err != nil {
		return Answer{}, err
	}
	if err := e.write(ctx, tx); err != nil {
		return Answer{}, err
	}
	v := CounterPaymentView{viewPayment(p), in.Method, in.Postal, in.ReceiptSeries, in.ReceiptNumber, *in.ReceivedAt, in.Officer}
	if v.Evidence, err = evidenceOf(ctx, tx, p.ID, now); err != nil {
		return Answer{}, err
	}
	body, err := json.Marshal(v)
	if err != nil {
		return Answer{}, fmt.Errorf("counter payment %s: %w", p.ID, err)
	}
	a := Answer{Status: http.StatusCreated, Body: body}
	return a, finishKey(ctx, tx, k, a, false)
}

// judgeCounter has the one judge decide what counter money pays, and lists its rows; it names the events.
func (g *Gateway) judgeCounter(e *effects, o *orderRow, s Stored, c Caller, in NewCounterPayment, now time.Time) (*paymentRow, []string, error) {
	channel := in.channel()
	p := &paymentRow{ID: newID("pay_"), OrderID: o.ID, Provider: CounterProvider, ProviderReference: newReference(), Status: PaymentCreated, Mode: o.Mode,
		RequestedAmount: *in.Amount, Method: in.Method, InitiatedBy: "officer", Place: "counter", Channel: &channel, Locale: "vi", CreatedAt: now}
	w := Word{Source: SourcePerson, Actor: c.Actor, Notice: providers.Notice{Outcome: providers.Succeeded, Amount: *in.Amount, PaidAt: *in.ReceivedAt}}
	d := Judge(s, w.Notice, w.Source)
	if d.To != PaymentSucceeded {
		return nil, nil, fmt.Errorf("money in hand judged %q", d.To)
	}
	g.succeed(e, o, p, d, w, now)
	e.payments = []paymentRow{*p}
	e.counters = []counterRow{{p.ID, o.AgencyCode, nullable(in.ReceiptSeries), nullable(in.ReceiptNumber), in.Officer, c.Actor, in.Postal}}
	e.history = append(e.history, historyRow{p.ID, PaymentCreated, p.Status, string(w.Source), c.Actor, "", now})
	events := []string{"payment.succeeded"}
	for _, change := range e.orderChanges {
		events = append(events, orderEvent(change))
	}
	if d.Surplus > 0 {
		events = append(events, "order.surplus")
	}
	return p, events, nil
}

// VoidCounterPayment takes a counter payment back that was recorded in error: a new record by another person than who recorded
// it. Money that stands on a deposit slip, or is being refunded, is no error any more.
func (g *Gateway) VoidCounterPayment(ctx context.Context, c Caller, paymentID, reason string) (*PaymentView, error) {
	var e fieldErrors
	if text(&e, "reason", reason, 1, 500); len(e) > 0 {
		return nil, &Problem{Name: ProblemInvalid, Fields: e}
	}
	var view PaymentView
	for range 3 {
		err := transact(ctx, g.db, func(tx *sqlx.Tx) error {
			o, p, err := lockCounterPayment(ctx, tx, c, paymentID)
			if err != nil {
				return err
			}
			now, w := g.now(), Word{Source: SourcePerson, Actor: c.Actor}
			e := &effects{voids: []voidRow{{p.ID, c.Actor, reason, now}}}
			if err := g.reverse(ctx, tx, e, o, p, nil, w, now); err != nil {
				var more *moreOrdersError
				if errors.As(err, &more) {
					return &Problem{Name: ProblemPaymentState, Detail: "money of it pays another order by now", Order: o.ID}
				}
				return err
			}
			e.paymentChanges = []paymentChange{{*p, PaymentSucceeded}}
			e.history = append(e.history, historyRow{p.ID, PaymentSucceeded, p.Status, string(w.Source), c.Actor, "voided: " + reason, now})
			events := []string{"payment.reversed"}
			for _, change := range e.orderChanges {
				events = append(events, orderEvent(change))
			}
			if err := g.announce(ctx, tx, e, o, viewPayment(p), events, now); err != nil {
				return err
			}
			if err := e.write(ctx, tx); err != nil {
				return err
			}
			view = viewPayment(p)
			view.Evidence, err = evidenceOf(ctx, tx, p.ID, now)
			return err
		})
		switch {
		case IsStale(err):
			continue
		case violated(err) == "voids_another_person":
			return nil, &Problem{Name: ProblemSecondPerson, Detail: "who recorded the money may not void it"}
		}
		return &view, err
	}
	return nil, fmt.Errorf("voiding %s: it kept changing", paymentID)
}

func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
