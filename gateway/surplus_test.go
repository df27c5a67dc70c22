package gateway_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/sim"
)

func (s *street) cancel(order string) (*gateway.OrderView, error) {
	return s.g.Cancel(s.t.Context(), s.caller, order)
}

func TestCancellingAnOrder(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(*street, gateway.OrderView)
		problem string
		status  string
	}{
		"nothing happened": {func(*street, gateway.OrderView) {}, "", gateway.OrderCancelled},
		"a payment is clearly pending": {func(s *street, o gateway.OrderView) {
			s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
		}, "", gateway.OrderCancelled},
		"a payment failed": {func(s *street, o gateway.OrderView) {
			p := s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
			s.control("momo", p.ProviderReference, `{"outcome":"decline","callback":{"send":false}}`)
		}, "", gateway.OrderCancelled},
		"nobody told us that it was paid": {func(s *street, o gateway.OrderView) {
			p := s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
			s.control("momo", p.ProviderReference, `{"outcome":"succeed","callback":{"send":false}}`)
		}, gateway.ProblemOrderPartlyPaid, gateway.OrderPaid},
		"a part is paid": {func(s *street, o gateway.OrderView) {
			part := vnd.Amount(1000)
			p := s.pay(o.ID, gateway.NewPayment{Provider: "momo", Amount: &part})
			s.say(momoAccount, p.ProviderReference, gateway.SourceCallback, providers.Succeeded, part)
		}, gateway.ProblemOrderPartlyPaid, gateway.OrderOpen},
		"the provider cannot say": {func(s *street, o gateway.OrderView) {
			s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
			s.fault(sim.Lookup, "garbage")
		}, gateway.ProblemPaymentInDoubt, gateway.OrderOpen},
		"it expired": {func(s *street, _ gateway.OrderView) {
			s.forward(8 * 24 * time.Hour)
			if _, err := s.g.Expire(s.t.Context(), 10); err != nil {
				s.t.Fatal(err)
			}
		}, gateway.ProblemOrderState, gateway.OrderExpired},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStreet(t)
			o := s.order(1, 50000)
			c.happens(s, o)
			v, err := s.cancel(o.ID)
			if gateway.ProblemName(err) != c.problem || (c.problem == "") != (err == nil) {
				t.Fatalf("%v, want %q", err, c.problem)
			}
			if got := s.get(o.ID).Status; got != c.status {
				t.Errorf("order %s, want %s", got, c.status)
			}
			if err != nil {
				return
			}
			again, err := s.cancel(o.ID)
			if err != nil || again.Status != v.Status {
				t.Errorf("again: %+v %v", again, err)
			}
			if n := s.sum(`SELECT count(*) FROM outbox WHERE type = 'order.cancelled'`); n != 1 {
				t.Errorf("said %d times", n)
			}
			in := newOrder(1, 60000)
			in.Reference = "after"
			if _, err := s.g.CreateOrder(t.Context(), s.caller, s.key(in), in); err != nil {
				t.Errorf("the fee is not free: %v", err)
			}
		})
	}
}

func TestMoneyOnACancelledOrderIsSurplus(t *testing.T) {
	s := newStreet(t)
	o := s.order(1, 50000)
	p := s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
	if _, err := s.cancel(o.ID); err != nil {
		t.Fatal(err)
	}
	s.say(momoAccount, p.ProviderReference, gateway.SourceCallback, providers.Succeeded, 50000)
	if v := s.get(o.ID); v.Status != gateway.OrderCancelled || v.SurplusAmount != 50000 || v.PaidAmount != 0 {
		t.Errorf("%+v", v)
	}
}

// The one that takes another's place keeps to the same rule: what is under way on the old one is looked up first.
func TestSupersedingAsksFirst(t *testing.T) {
	s := newStreet(t)
	o := s.order(1, 50000)
	p := s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
	in := newOrder(1, 60000)
	in.Reference, in.Supersedes = "new", o.ID
	s.fault(sim.Lookup, "garbage")
	if _, err := s.g.CreateOrder(t.Context(), s.caller, s.key(in), in); gateway.ProblemName(err) != gateway.ProblemPaymentInDoubt {
		t.Fatalf("in doubt: %v", err)
	}
	s.fault(sim.Lookup, "none")
	s.forward(2 * time.Minute)
	s.control("momo", p.ProviderReference, `{"outcome":"succeed","callback":{"send":false}}`)
	if _, err := s.g.CreateOrder(t.Context(), s.caller, s.key(in), in); gateway.ProblemName(err) != gateway.ProblemOrderPartlyPaid {
		t.Fatalf("paid: %v", err)
	}
	in.Supersedes = "ord_nobody"
	if _, err := s.g.CreateOrder(t.Context(), s.caller, s.key(in), in); gateway.ProblemName(err) != gateway.ProblemInvalid {
		t.Fatalf("nobody's: %v", err)
	}
	if n := s.sum(`SELECT count(*) FROM orders`); n != 1 {
		t.Errorf("%d orders", n)
	}
}

func (s *street) propose(payment, order string, amount vnd.Amount) (*gateway.ApplicationView, error) {
	return s.g.ProposeApplication(s.t.Context(), person("mai"), payment, gateway.NewApplication{OrderID: order, Amount: &amount})
}

// named is an order of a named payer.
func (s *street) named(n int, amount vnd.Amount, payer gateway.Payer, change func(*gateway.NewOrder)) string {
	s.t.Helper()
	in := newOrder(n, amount)
	in.Payer = &payer
	if change != nil {
		change(&in)
	}
	a, err := s.g.CreateOrder(s.t.Context(), s.caller, s.key(in), in)
	if err != nil {
		s.t.Fatal(err)
	}
	return decode[gateway.OrderView](s.t, a.Body).ID
}

// twiceDossier makes an order for another fee of the same dossier as newOrder(n).
func anotherFee(in *gateway.NewOrder) {
	in.Reference += "-b"
	in.Lines[0].FeeCode = "1.100001-phi"
}

func TestSurplusPaysAnotherOrder(t *testing.T) {
	s := newStreet(t)
	first, payment := s.surplus(1, 50000)
	target := s.named(1, 60000, gateway.Payer{Name: "A"}, func(in *gateway.NewOrder) { anotherFee(in) })
	a, err := s.propose(payment, target, 40000)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.propose(payment, target, 40000); err != nil || again.ID != a.ID {
		t.Errorf("the same proposal twice: %+v %v", again, err)
	}
	if _, err := s.propose(payment, target, 20000); gateway.ProblemName(err) != gateway.ProblemInvalid {
		t.Errorf("more than is left beside the proposal: %v", err)
	}
	if v := s.get(target); v.PaidAmount != 0 {
		t.Errorf("a proposal moved money: %+v", v)
	}
	if _, err := s.g.DecideApplication(t.Context(), person("mai"), a.ID, true); gateway.ProblemName(err) != gateway.ProblemSecondPerson {
		t.Errorf("approving one's own: %v", err)
	}
	if _, err := s.g.DecideApplication(t.Context(), person("lan"), a.ID, true); err != nil {
		t.Fatal(err)
	}
	v := s.get(target)
	if v.Status != gateway.OrderOpen || v.PaidAmount != 40000 || len(v.Applied) != 1 || v.Applied[0].Payment != payment {
		t.Errorf("%+v", v)
	}
	if v := s.get(first); v.SurplusAmount != 10000 {
		t.Errorf("%+v", v)
	}
	b, err := s.propose(payment, target, 10000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.g.DecideApplication(t.Context(), person("lan"), b.ID, true); err != nil {
		t.Fatal(err)
	}
	ten := vnd.Amount(10000)
	rest := s.pay(target, gateway.NewPayment{Provider: "vnpay", Amount: &ten})
	s.say(vnpayAccount, rest.ProviderReference, gateway.SourceCallback, providers.Succeeded, ten)
	if v := s.get(target); v.Status != gateway.OrderPaid || v.PaidAmount != 60000 {
		t.Errorf("%+v", v)
	}
	if bal := s.balances(); bal["payer"] != -110000 || bal["surplus"] != 0 || bal["clearing"] != 110000 {
		t.Errorf("%v", bal)
	}
	// Money of the order it was applied to can be refunded, and moves that order alone.
	r := s.refund(payment, 20000)
	if r.Order != target {
		t.Fatalf("%+v", r)
	}
	if v := s.approve(r.ID); v.Status != gateway.RefundSucceeded {
		t.Fatalf("%+v", v)
	}
	if v := s.get(target); v.Status != gateway.OrderPartlyRefunded || v.RefundedAmount != 20000 {
		t.Errorf("%+v", v)
	}
	if v := s.get(first); v.Status != gateway.OrderPaid || v.RefundedAmount != 0 {
		t.Errorf("%+v", v)
	}
	// The provider takes the payment back: the order that its surplus paid owes again.
	s.reverse(payment)
	if v := s.get(target); v.Status != gateway.OrderOpen || v.PaidAmount != 10000 || v.RefundedAmount != 0 {
		t.Errorf("%+v", v)
	}
	if v := s.get(first); v.Status != gateway.OrderPaid || v.PaidAmount != 50000 {
		t.Errorf("%+v", v)
	}
	if bal := s.balances(); bal["payer"] != -60000+20000 || bal["surplus"] != 0 || bal["clearing"] != 60000-20000 {
		t.Errorf("%v", bal)
	}
}

func TestWhatSurplusMayNotPay(t *testing.T) {
	s := newStreet(t)
	payer := gateway.Payer{Name: "Nguyễn Văn A", IdentityNumber: "001"}
	own := s.named(1, 50000, payer, nil)
	p, second := s.pay(own, gateway.NewPayment{Provider: "momo"}), s.pay(own, gateway.NewPayment{Provider: "vnpay"})
	s.say(momoAccount, p.ProviderReference, gateway.SourceCallback, providers.Succeeded, 50000)
	s.say(vnpayAccount, second.ProviderReference, gateway.SourceCallback, providers.Succeeded, 50000)
	mine := s.named(2, 30000, gateway.Payer{Name: "NGUYỄN  VĂN A", IdentityNumber: "001"}, nil)
	cancelled := s.named(3, 30000, payer, nil)
	if _, err := s.cancel(cancelled); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO agencies (code, name) VALUES ('H10.13', 'UBND khác')`); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		payment, order string
		amount         vnd.Amount
		want           string
	}{
		"fine":                 {second.ID, mine, 10000, ""},
		"nothing":              {second.ID, mine, 0, gateway.ProblemInvalid},
		"more than is owed":    {second.ID, mine, 30001, gateway.ProblemInvalid},
		"more than is surplus": {second.ID, mine, 50001, gateway.ProblemInvalid},
		"money of an order":    {p.ID, mine, 1, gateway.ProblemInvalid},
		"an order that ended":  {second.ID, cancelled, 1000, gateway.ProblemOrderState},
		"somebody else":        {second.ID, s.named(4, 30000, gateway.Payer{Name: "Nguyễn Văn A", IdentityNumber: "002"}, nil), 1000, gateway.ProblemInvalid},
		"nobody named":         {second.ID, s.order(5, 30000).ID, 1000, gateway.ProblemInvalid},
		"another agency":       {second.ID, s.named(6, 30000, payer, func(in *gateway.NewOrder) { in.AgencyCode = "H10.13" }), 1000, gateway.ProblemInvalid},
		"no such order":        {second.ID, "ord_nobody", 1000, gateway.ProblemInvalid},
		"no such payment":      {"pay_nobody", mine, 1000, gateway.ProblemNotFound},
	} {
		if _, err := s.propose(c.payment, c.order, c.amount); gateway.ProblemName(err) != c.want || (c.want == "") != (err == nil) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if n := s.sum(`SELECT count(*) FROM surplus_applications`); n != 1 {
		t.Errorf("%d proposals", n)
	}
	// A refund may take what was only proposed; the approval then finds it gone.
	s.refund(second.ID, 45000)
	var id string
	if err := s.db.GetContext(t.Context(), &id, `SELECT id FROM surplus_applications`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.g.DecideApplication(t.Context(), person("lan"), id, true); gateway.ProblemName(err) != gateway.ProblemAvailableChanged {
		t.Errorf("approved over a refund: %v", err)
	}
	for range 2 {
		if v, err := s.g.DecideApplication(t.Context(), person("lan"), id, false); err != nil || v.Status != gateway.ApplicationRejected {
			t.Errorf("%+v %v", v, err)
		}
	}
	if _, err := s.g.DecideApplication(t.Context(), person("lan"), id, true); gateway.ProblemName(err) != gateway.ProblemApplicationState {
		t.Errorf("approved what was rejected: %v", err)
	}
}

// Refunds and applications race for one surplus; the books hold and nothing is given twice.
func TestRefundsAndApplicationsRace(t *testing.T) {
	s := newStreet(t)
	_, payment := s.surplus(1, 50000)
	target := s.named(1, 50000, gateway.Payer{Name: "A"}, func(in *gateway.NewOrder) { anotherFee(in) })
	var wg sync.WaitGroup
	amount := vnd.Amount(10000)
	known := func(err error) bool { return err == nil || gateway.ProblemName(err) != "" }
	for i := range 10 {
		wg.Go(func() {
			for left := vnd.Amount(50000); left > 0; left -= amount {
				in := gateway.NewRefund{Amount: &amount, Available: &left, Reason: "trùng"}
				k := gateway.Key{Principal: "mai", Method: "POST", Path: "/", Key: fmt.Sprint(i, left), BodyHash: []byte{1}}
				if _, err := s.g.RequestRefund(context.Background(), person("mai"), k, payment, in); !known(err) {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			a, err := s.g.ProposeApplication(context.Background(), person(fmt.Sprint("f", i)), payment, gateway.NewApplication{OrderID: target, Amount: &amount})
			if !known(err) {
				t.Error(err)
			}
			if err != nil {
				return
			}
			if _, err := s.g.DecideApplication(context.Background(), person("lan"), a.ID, true); !known(err) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.sum(`SELECT (SELECT coalesce(sum(surplus_part), 0) FROM refunds) + (SELECT coalesce(sum(amount), 0) FROM allocations a WHERE payment_id = $1)`, payment); n > 50000 {
		t.Errorf("%d of 50000 given away", n)
	}
	if n := s.sum(`SELECT sum(allocated_amount) - (SELECT sum(amount) FROM allocations) FROM payments`); n != 0 {
		t.Errorf("payments and allocations differ by %d", n)
	}
	if n := s.sum(`SELECT sum(paid_amount) - (SELECT sum(amount) FROM allocations) FROM orders`); n != 0 {
		t.Errorf("orders and allocations differ by %d", n)
	}
}
