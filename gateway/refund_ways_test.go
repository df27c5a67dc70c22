package gateway_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/sim"
)

// witness is a provider that remembers the refund it was asked after.
type witness struct {
	providers.Provider
	providers.Refunder
	asked *atomic.Pointer[providers.Refund]
}

func (w witness) LookupRefund(ctx context.Context, p providers.Payment, r providers.Refund) (providers.RefundNotice, error) {
	w.asked.Store(&r)
	return w.Refunder.LookupRefund(ctx, p, r)
}

// handmade is a provider without an interface to pay back.
type handmade struct{ providers.Provider }

// What no interface pays back waits, approved, for people, and can be taken back: money of the counter, and of a provider that has none.
func TestARefundThatPeopleMake(t *testing.T) {
	for name, c := range map[string]struct {
		holder string // of the money in the moves
		pay    func(s *street, order string) (payment string)
	}{
		"cash of the counter": {"cash", func(s *street, order string) string {
			amount, at := vnd.Amount(50000), s.world.Now()
			in := gateway.NewCounterPayment{Amount: &amount, Method: "cash", ReceivedAt: &at, Officer: "o"}
			a, err := s.g.RecordCounterPayment(s.t.Context(), s.caller, s.key(in), order, in)
			if err != nil {
				s.t.Fatal(err)
			}
			return decode[gateway.CounterPaymentView](s.t, a.Body).ID
		}},
		"a provider without an interface": {"clearing", func(s *street, order string) string {
			p := s.pay(order, gateway.NewPayment{Provider: "handmade"})
			s.say("acc_handmade", p.ProviderReference, gateway.SourceCallback, providers.Succeeded, 50000)
			return p.ID
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStreet(t)
			r := s.refund(c.pay(s, s.order(1, 50000).ID), 50000)
			if v := s.approve(r.ID); v.Status != gateway.RefundApproved || !v.Manual {
				t.Fatalf("%+v", v)
			}
			s.forward(time.Hour)
			if n, err := s.g.SweepRefunds(t.Context(), 10); n != 0 || err != nil {
				t.Errorf("swept %d: %v", n, err)
			}
			if b := s.balances(); b["refund_payable"] != -50000 || b["payer"] != 0 || b[c.holder] != 50000 {
				t.Errorf("%v", b)
			}
			if v, err := s.g.RejectRefund(t.Context(), person("lan"), r.ID, ""); err != nil || v.Status != gateway.RefundRejected {
				t.Errorf("%+v %v", v, err)
			}
			if b := s.balances(); b["refund_payable"] != 0 || b["payer"] != -50000 {
				t.Errorf("%v", b)
			}
		})
	}
}

// VNPAY's yes to a refund is not yet money: only its row says so, when it is asked.
func TestARefundAtVNPAYIsDoneByItsRow(t *testing.T) {
	for name, c := range map[string]struct {
		fault string // of the sending
		code  string // that the refund keeps meanwhile
	}{"answered": {"none", "00"}, "the answer is lost": {"reset_after_accept", ""}} {
		t.Run(name, func(t *testing.T) {
			s := newStreet(t)
			p := s.pay(s.order(1, 50000).ID, gateway.NewPayment{Provider: "vnpay"})
			if resp, err := http.Get(p.Address()); err != nil {
				t.Fatal(err)
			} else {
				_ = resp.Body.Close()
			}
			s.control("vnpay", p.ProviderReference, `{"outcome":"succeed","callback":{"send":false}}`)
			s.forward(20 * time.Minute)
			if err := s.g.LookUp(t.Context(), p.ID); err != nil {
				t.Fatal(err)
			}
			if err := s.world.SetFault("vnpay", sim.Fault{Operation: sim.RefundOp, Fault: c.fault}); err != nil {
				t.Fatal(err)
			}
			r := s.refund(p.ID, 20000)
			if v := s.approve(r.ID); v.Status != gateway.RefundSubmitted || v.Manual || v.Code != c.code || v.InDoubt != (c.code == "") {
				t.Fatalf("%+v", v)
			}
			s.forward(7 * time.Minute)
			if n, err := s.g.SweepRefunds(t.Context(), 10); n != 1 || err != nil {
				t.Errorf("swept %d: %v", n, err)
			}
			v, err := s.g.Refund(t.Context(), person("lan"), r.ID)
			if err != nil || v.Status != gateway.RefundSucceeded || v.ProviderTransaction == "" {
				t.Errorf("%+v %v", v, err)
			}
			// It is asked after by VNPAY's own number of it, where one was told.
			if asked := s.asked.Load(); asked == nil || (asked.Transaction == "") != (c.fault != "none") || !asked.SentBefore || asked.Reference != v.ProviderReference {
				t.Errorf("asked after %+v", asked)
			}
			if truth, _ := s.world.Ledger(); len(truth) != 1 || truth[0].Refunded != 20000 {
				t.Errorf("%+v", truth)
			}
			if n := s.sum(`SELECT sum(sends) FROM refunds`); n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}
