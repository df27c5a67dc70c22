package gateway_test

import (
	"sync"
	"testing"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers"
)

// Everything that moves money on the same few orders at once: no deadlock, and the books hold.
func TestEverythingAtOnceOnFewOrders(t *testing.T) {
	s := newStreet(t)
	ctx := t.Context()
	var work []func() error
	refusable := func(err error) error {
		if gateway.ProblemName(err) != "" {
			return nil
		}
		return err
	}
	for n := 1; n <= 4; n++ {
		_, payment := s.surplus(n, 50000)
		target := s.named(n, 60000, gateway.Payer{Name: "A"}, anotherFee)
		attempt := s.pay(target, gateway.NewPayment{Provider: "momo"})
		spare, err := s.propose(payment, target, 30000)
		if err != nil {
			t.Fatal(err)
		}
		v, err := s.g.Payment(ctx, s.caller, payment)
		if err != nil {
			t.Fatal(err)
		}
		r := s.refund(payment, 10000)
		amount, left, cash, at := vnd.Amount(5000), vnd.Amount(40000), vnd.Amount(20000), s.world.Now()
		ask := gateway.NewRefund{Amount: &amount, Available: &left, Reason: "x"}
		take := gateway.NewCounterPayment{Amount: &cash, Method: "cash", ReceivedAt: &at, Officer: "o"}
		over := newOrder(n, 60000)
		over.Reference, over.Supersedes, over.Lines[0].FeeCode = over.Reference+"-c", target, "1.100001-phi"
		askKey, takeKey, overKey := s.key(ask), s.key(take), s.key(over)
		word := func(reference string, src gateway.Source, o providers.Outcome, a vnd.Amount) func() error {
			return func() error {
				_, err := s.g.Record(ctx, gateway.Word{AccountID: momoAccount, Source: src, Notice: providers.Notice{Reference: reference, Outcome: o, Amount: a}})
				return err
			}
		}
		for range 3 {
			work = append(work, word(attempt.ProviderReference, gateway.SourceCallback, providers.Succeeded, 60000))
		}
		work = append(work,
			func() error {
				_, err := s.g.DecideApplication(ctx, person("lan"), spare.ID, true)
				return refusable(err)
			},
			func() error { _, err := s.g.ApproveRefund(ctx, person("lan"), r.ID, ""); return refusable(err) },
			func() error {
				_, err := s.g.RequestRefund(ctx, person("mai"), askKey, payment, ask)
				return refusable(err)
			},
			func() error {
				_, err := s.g.RecordCounterPayment(ctx, s.caller, takeKey, target, take)
				return refusable(err)
			},
			func() error { _, err := s.g.CreateOrder(ctx, s.caller, overKey, over); return refusable(err) },
		)
		if n%2 == 0 {
			work = append(work, word(v.ProviderReference, gateway.SourceLookup, providers.Reversed, 0))
		}
	}
	var wg sync.WaitGroup
	began := time.Now()
	for _, f := range work {
		wg.Go(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Log(len(work), "at once in", time.Since(began), s.balances())
	var all int64
	for _, n := range s.balances() {
		all += n
	}
	for what, q := range map[string]string{
		"orders against allocations": `SELECT count(*) FROM orders o WHERE status <> 'refunded' AND paid_amount <> (SELECT coalesce(sum(a.amount), 0) FROM allocations a
			WHERE a.order_id = o.id AND NOT EXISTS (SELECT FROM reversals r WHERE r.payment_id = a.payment_id))`,
		"payments against allocations": `SELECT count(*) FROM payments p WHERE status = 'succeeded' AND allocated_amount <> (SELECT coalesce(sum(amount), 0) FROM allocations WHERE payment_id = p.id)`,
		"reservations": `SELECT count(*) FROM payments p WHERE reserved_amount <> (SELECT coalesce(sum(amount), 0) FROM refunds WHERE payment_id = p.id AND status <> 'rejected')
			OR refunded_amount <> (SELECT coalesce(sum(amount), 0) FROM refunds WHERE payment_id = p.id AND status = 'succeeded')`,
		"surplus accounts": `SELECT count(*) FROM payments p WHERE (SELECT coalesce(sum(CASE WHEN to_account = 'surplus:' || p.id THEN amount ELSE -amount END), 0) FROM moves
			WHERE 'surplus:' || p.id IN (from_account, to_account)) <> CASE status WHEN 'succeeded' THEN allocated_amount - received_amount ELSE 0 END
			+ coalesce((SELECT sum(surplus_part) FROM refunds WHERE payment_id = p.id AND status IN ('approved', 'submitted', 'succeeded', 'failed')), 0)`,
		"overpaid": `SELECT count(*) FROM orders WHERE paid_amount > amount`,
	} {
		if n := s.sum(q); n != 0 {
			t.Errorf("%s: %d", what, n)
		}
	}
	if all != 0 {
		t.Errorf("the books are off by %d", all)
	}
}
