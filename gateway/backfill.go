package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/providers"
)

// PastOrder is an order of the past with what was done about it, oldest first.
type PastOrder struct {
	Caller   Caller
	At       time.Time
	Order    NewOrder
	Payments []PastPayment
	Counter  []PastCounter
	Dossier  *Dossier // as told last
	ToldAt   time.Time
}

// PastPayment is an attempt to pay and the provider's word on it.
type PastPayment struct {
	AccountID, Reference, Method, Place, InitiatedBy string
	Amount                                           vnd.Amount
	At                                               time.Time
	HeardAt                                          time.Time // when the word came; the zero time: never
	Notice                                           providers.Notice
}

// PastCounter is money taken at the counter.
type PastCounter struct {
	Caller Caller
	At     time.Time
	Money  NewCounterPayment
}

// MaxBackfill bounds one call of Backfill.
const MaxBackfill = 500

// Backfill records a batch of the past in one transaction and few statements: the orders with their attempts, then what was
// heard first of each, then what second. It makes the same rows by the same checks, judge and writer as the calls of a real day, each at its own time.
func (g *Gateway) Backfill(ctx context.Context, batch []PastOrder) error {
	if len(batch) > MaxBackfill {
		return fmt.Errorf("backfill: at most %d orders in one call", MaxBackfill)
	}
	return transact(ctx, g.db, func(tx *sqlx.Tx) error {
		asked, heard := &effects{}, []*effects{}
		for i := range batch {
			if err := g.backfillOne(ctx, tx, asked, &heard, &batch[i]); err != nil {
				return fmt.Errorf("backfill of %s: %w", batch[i].Order.Reference, err)
			}
		}
		if err := asked.write(ctx, tx); err != nil {
			return err
		}
		for _, e := range heard {
			if err := e.write(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

func (g *Gateway) backfillOne(ctx context.Context, tx *sqlx.Tx, asked *effects, heard *[]*effects, past *PastOrder) error {
	at := past.At
	then := *g // the same gateway with the clock of the fact
	then.now = func() time.Time { return at }
	key := Key{Principal: past.Caller.ClientID, Method: "POST", Path: "/v1/orders", Key: "past-" + past.Order.Reference, BodyHash: []byte{}}
	_, e, err := then.prepareOrder(ctx, past.Caller, key, &past.Order)
	if err != nil {
		return err
	}
	e.keys = nil // nobody will send a call of the past again
	asked.add(e)
	o, n := e.orders[0], 0
	hear := func(own *effects) {
		if n == len(*heard) {
			*heard = append(*heard, &effects{})
		}
		(*heard)[n].add(own)
		n++
	}
	belongs := &parts{lines: e.lines}
	for _, attempt := range past.Payments {
		entry, err := g.accounts.Get(ctx, attempt.AccountID)
		if err = errors.Join(err, entryErr(entry)); err != nil {
			return err
		}
		p := paymentRow{ID: newID("pay_"), OrderID: o.ID, ProviderReference: attempt.Reference, Status: PaymentPending, RequestedAmount: attempt.Amount, Method: attempt.Method,
			InitiatedBy: or(attempt.InitiatedBy, "payer"), Place: or(attempt.Place, "remote"), Locale: "vi", PayerIP: "127.0.0.1", CreatedAt: attempt.At}
		p.intoAccount(&o, entry, attempt.At)
		asked.payments = append(asked.payments, p)
		asked.history = append(asked.history, historyRow{p.ID, PaymentCreated, PaymentPending, string(SourceCheckout), past.Caller.Actor, "", attempt.At})
		belongs.payments = append(belongs.payments, p)
		if attempt.HeardAt.IsZero() {
			continue
		}
		at = attempt.HeardAt
		attempt.Notice.Reference = attempt.Reference
		own := &effects{}
		_, events, err := then.judged(ctx, tx, own, &o, &p, nil, Word{AccountID: attempt.AccountID, Source: SourceCallback, Notice: attempt.Notice})
		if err != nil {
			return err
		}
		if err := then.tell(own, &o, viewPayment(&p), belongs, events, at); err != nil {
			return err
		}
		hear(own)
	}
	for _, c := range past.Counter {
		own := &effects{}
		s := Stored{Status: PaymentCreated, Requested: *c.Money.Amount, OrderStatus: o.Status, OrderAmount: o.Amount, OrderPaid: o.PaidAmount}
		p, events, err := then.judgeCounter(own, &o, s, c.Caller, c.Money, c.At)
		if err != nil {
			return err
		}
		if err := then.tell(own, &o, viewPayment(p), belongs, events, c.At); err != nil {
			return err
		}
		hear(own)
	}
	if d := past.Dossier; d != nil {
		if err := d.validate(past.Order.DossierCode, past.ToldAt); err != nil {
			return err
		}
		asked.dossiers = append(asked.dossiers, dossierRow{past.Caller.SourceSystem, past.Order.DossierCode, 1, d.Status, d.ProcedureCode, d.AgencyCode, d.ReceivedOn,
			d.StartedAt, d.ClosedAt, d.AmountDue, d.ApplicantRef, d.ServiceLevel, past.Caller.Mode, past.ToldAt})
	}
	return nil
}

func entryErr(e *account.Entry) error {
	if e == nil {
		return nil
	}
	return e.Err
}

type dossierRow struct {
	SourceSystem  string      `json:"source_system"`
	DossierCode   string      `json:"dossier_code"`
	N             int         `json:"n"`
	Status        string      `json:"status"`
	ProcedureCode string      `json:"procedure_code"`
	AgencyCode    string      `json:"agency_code"`
	ReceivedOn    string      `json:"received_on"`
	StartedAt     *time.Time  `json:"started_at"`
	ClosedAt      *time.Time  `json:"closed_at"`
	AmountDue     *vnd.Amount `json:"amount_due"`
	ApplicantRef  string      `json:"applicant_ref"`
	ServiceLevel  string      `json:"service_level"`
	Mode          string      `json:"mode"`
	RecordedAt    time.Time   `json:"recorded_at"`
}
