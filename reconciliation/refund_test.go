package reconciliation_test

import (
	"strings"
	"testing"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/sim"
	"feegate/reconciliation"
)

// A refund whose answer was lost and that stands in the settlement is done; with another amount it stays what it is, and is named.
func TestASettledRefundInDoubtIsDone(t *testing.T) {
	for _, c := range []struct {
		name, status string
		change       bool
	}{{"equal", "succeeded", false}, {"another amount", "submitted", true}} {
		t.Run(c.name, func(t *testing.T) {
			m := newMorning(t)
			ctx := t.Context()
			m.paid(1, 1, 90000, true)
			payment := m.text(`SELECT id FROM payments`)
			amount, available := vnd.Amount(20000), vnd.Amount(90000)
			asker := gateway.Caller{Person: true, Actor: "usr_1", Mode: "live"}
			if _, err := m.g.RequestRefund(ctx, asker, gateway.Key{Principal: "usr_1", Method: "POST", Path: "/r", Key: "1"}, payment,
				gateway.NewRefund{Amount: &amount, Available: &available, Reason: "twice"}); err != nil {
				t.Fatal(err)
			}
			if err := m.world.SetFault("momo", sim.Fault{Operation: sim.RefundOp, Fault: "reset_after_accept"}); err != nil {
				t.Fatal(err)
			}
			v, err := m.g.ApproveRefund(ctx, gateway.Caller{Person: true, Actor: "usr_2", Mode: "live"}, m.text(`SELECT id FROM refunds`), "")
			if err != nil || v.Status != gateway.RefundSubmitted || !v.InDoubt {
				t.Fatalf("%+v %v", v, err)
			}
			if c.change {
				m.exec(`UPDATE refunds SET amount = 10000, allocated_part = 10000`)
			}
			if _, err := m.in(m.file(sim.Changes{})); err != nil {
				t.Fatal(err)
			}
			if got := m.text(`SELECT status FROM refunds`); got != c.status {
				t.Errorf("the refund is %s", got)
			}
			named := m.count(`SELECT count(*) FROM discrepancies WHERE kind = 'refund_unmatched' AND status <> 'resolved'`)
			matched := m.count(`SELECT count(*) FROM matches WHERE refund_id IS NOT NULL AND ended_at IS NULL`)
			if d := m.day(); (named == 1) != c.change || (matched == 0) != c.change || d.Unexplained != 0 {
				t.Errorf("named %d, matched %d, %+v", named, matched, d)
			}
		})
	}
}

// Money that nobody knows the order of can be looked at by whom its account concerns; what needs an order is refused in words, and
// words about it change nothing.
func TestMoneyWithoutAnOrder(t *testing.T) {
	m := newMorning(t)
	ctx := t.Context()
	m.paid(1, 1, 50000, true)
	file := strings.Split(string(m.file(sim.Changes{})), "\n")
	cells := strings.Split(file[1], ",")
	cells[5] += "7"
	if _, err := m.in([]byte(file[0] + "\n" + file[1] + "\n" + strings.Join(cells, ",") + "\n")); err != nil {
		t.Fatal(err)
	}
	id := m.one("missing_at_gateway")
	if _, err := m.resolve(id, reconciliation.NewResolution{Action: reconciliation.RecordPayment}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.r.Decide(ctx, approver, id, 1, true); err != nil {
		t.Fatal(err)
	}
	payment, reference := m.text(`SELECT id FROM payments WHERE order_id IS NULL`), m.text(`SELECT provider_reference FROM payments WHERE order_id IS NULL`)
	here := gateway.Caller{Person: true, Actor: "usr_1", Mode: "live", Agencies: []string{"H10.12"}}
	there := gateway.Caller{Person: true, Actor: "usr_3", Mode: "live", Agencies: []string{"H99"}}
	amount := vnd.Amount(50000)
	// It can be paid back by whoever works for its agency, and is not yet applied to an order.
	for _, x := range []struct {
		refund, apply string
		c             gateway.Caller
	}{{gateway.ProblemNotFound, gateway.ProblemNotFound, there}, {"", gateway.ProblemPaymentState, here}} {
		c := x.c
		_, err := m.g.RequestRefund(ctx, c, gateway.Key{Principal: c.Actor, Method: "POST", Path: "/r", Key: "1"}, payment,
			gateway.NewRefund{Amount: &amount, Available: &amount, Reason: "x"})
		_, other := m.g.ProposeApplication(ctx, c, payment, gateway.NewApplication{OrderID: m.text(`SELECT id FROM orders`), Amount: &amount})
		if gateway.ProblemName(err) != x.refund || gateway.ProblemName(other) != x.apply {
			t.Errorf("%s: %v, %v", c.Actor, err, other)
		}
	}
	if v, err := m.g.Payment(ctx, here, payment); err != nil || v.SurplusAmount != 50000 {
		t.Errorf("%+v %v", v, err)
	}
	if _, err := m.g.Payment(ctx, there, payment); gateway.ProblemName(err) != gateway.ProblemNotFound {
		t.Errorf("another agency's: %v", err)
	}
	verdict, err := m.g.Record(ctx, gateway.Word{AccountID: acc, Source: gateway.SourceCallback, Notice: providers.Notice{Reference: reference, Outcome: providers.Succeeded, Amount: 50000}})
	t.Log("a callback about it:", verdict, err)
	if err != nil {
		t.Error(err)
	}
	if err := m.g.LookUp(ctx, payment); gateway.ProblemName(err) != gateway.ProblemNotFound {
		t.Errorf("a look-up of it: %v", err)
	}
	if _, _, err := m.g.Surplus(ctx, here, "", 10, ""); err != nil {
		t.Error(err)
	}
}
