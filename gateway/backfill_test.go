package gateway_test

import (
	"testing"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers"
)

// The past is recorded as a real day would have recorded it: half online and half in cash, refused and then paid, paid twice, never paid.
func TestThePastIsJudgedAsADayIs(t *testing.T) {
	s := newStreet(t)
	at := s.world.Now().AddDate(0, 0, -30).Truncate(time.Microsecond) // as fine as the database keeps it
	attempt := func(reference string, amount vnd.Amount, after time.Duration, outcome providers.Outcome) gateway.PastPayment {
		return gateway.PastPayment{AccountID: momoAccount, Reference: reference, Amount: amount, At: at.Add(after), HeardAt: at.Add(after + time.Minute),
			Notice: providers.Notice{Outcome: outcome, Amount: amount, Code: "0", Transaction: "T" + reference, PaidAt: at.Add(after + 30*time.Second)}}
	}
	half, taken := vnd.Amount(30000), at.Add(time.Hour)
	cash := gateway.PastCounter{Caller: s.caller, At: taken.Add(time.Minute), Money: gateway.NewCounterPayment{Amount: &half, Method: "cash", ReceivedAt: &taken, Officer: "Lan", ReceiptNumber: "1"}}
	past := []gateway.PastOrder{
		{Payments: []gateway.PastPayment{attempt("A", half, 0, providers.Succeeded)}, Counter: []gateway.PastCounter{cash}},
		{Payments: []gateway.PastPayment{attempt("B", 60000, 0, providers.Declined), attempt("C", 60000, time.Hour, providers.Succeeded)}},
		{Payments: []gateway.PastPayment{attempt("D", 60000, 0, providers.Succeeded), attempt("E", 60000, time.Hour, providers.Succeeded)}},
		{},
	}
	for i := range past {
		past[i].Caller, past[i].At, past[i].Order = s.caller, at, newOrder(i+1, 60000)
	}
	if err := s.g.Backfill(t.Context(), past); err != nil {
		t.Fatal(err)
	}
	for n, want := range []struct {
		status        string
		paid, surplus vnd.Amount
		payments      int
	}{{gateway.OrderPaid, 60000, 0, 2}, {gateway.OrderPaid, 60000, 0, 2}, {gateway.OrderPaid, 60000, 60000, 2}, {gateway.OrderOpen, 0, 0, 0}} {
		var id string
		if err := s.db.GetContext(t.Context(), &id, `SELECT id FROM orders WHERE reference = $1`, past[n].Order.Reference); err != nil {
			t.Fatal(err)
		}
		v, err := s.g.Order(t.Context(), s.caller, id)
		if err != nil {
			t.Fatal(err)
		}
		if v.Status != want.status || v.PaidAmount != want.paid || v.SurplusAmount != want.surplus || len(v.Payments) != want.payments || !v.CreatedAt.Equal(at) {
			t.Errorf("%d: %s, paid %d, surplus %d, %d payments, made %s; want %+v", n, v.Status, v.PaidAmount, v.SurplusAmount, len(v.Payments), v.CreatedAt, want)
		}
	}
	if moves := s.sum(`SELECT sum(amount) FROM moves`); moves != 60000*4 {
		t.Errorf("moves of %d", moves)
	}
	if told := s.sum(`SELECT count(*) FROM outbox WHERE type = 'order.paid'`); told != 3 {
		t.Errorf("paid told %d times", told)
	}
	if early := s.sum(`SELECT count(*) FROM payments WHERE recorded_at < paid_at OR recorded_at > now()`); early != 0 {
		t.Errorf("%d payments known before they were made", early)
	}
}
