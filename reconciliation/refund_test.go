package reconciliation_test

import (
	"testing"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers/sim"
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
