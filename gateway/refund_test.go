package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/sim"
)

func person(name string) gateway.Caller {
	return gateway.Caller{Mode: "live", Actor: name, Person: true}
}

// paid is an order that a payer paid through MoMo.
func (s *street) paid(n int, amount vnd.Amount) (order, payment string) {
	s.t.Helper()
	o := s.order(n, amount)
	p := s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
	s.control("momo", p.ProviderReference, `{"outcome":"succeed","callback":{"send":false}}`)
	if err := s.g.LookUp(s.t.Context(), p.ID); err != nil {
		s.t.Fatal(err)
	}
	if v := s.get(o.ID); v.Status != gateway.OrderPaid {
		s.t.Fatalf("not paid: %+v", v)
	}
	return o.ID, p.ID
}

// surplus is a payment of an order that another payment pays already: all of it is surplus.
func (s *street) surplus(n int, amount vnd.Amount) (order, payment string) {
	s.t.Helper()
	o := s.order(n, amount)
	second := s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
	first := s.pay(o.ID, gateway.NewPayment{Provider: "vnpay"})
	s.say(vnpayAccount, first.ProviderReference, gateway.SourceCallback, providers.Succeeded, amount)
	s.control("momo", second.ProviderReference, `{"outcome":"succeed","callback":{"send":false}}`)
	s.forward(2 * time.Minute) // it was asked after a moment ago
	if err := s.g.LookUp(s.t.Context(), second.ID); err != nil {
		s.t.Fatal(err)
	}
	return o.ID, second.ID
}

func (s *street) say(account, reference string, src gateway.Source, outcome providers.Outcome, amount vnd.Amount) {
	s.t.Helper()
	if _, err := s.g.Record(s.t.Context(), gateway.Word{AccountID: account, Source: src,
		Notice: providers.Notice{Reference: reference, Outcome: outcome, Amount: amount}}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *street) reverse(payment string) {
	s.t.Helper()
	v, err := s.g.Payment(s.t.Context(), s.caller, payment)
	if err != nil {
		s.t.Fatal(err)
	}
	s.say(*v.AccountID, v.ProviderReference, gateway.SourceLookup, providers.Reversed, 0)
}

func (s *street) refund(payment string, amount vnd.Amount) gateway.RefundView {
	s.t.Helper()
	v, err := s.g.Payment(s.t.Context(), s.caller, payment)
	if err != nil {
		s.t.Fatal(err)
	}
	in := gateway.NewRefund{Amount: &amount, Available: &v.RefundableAmount, Reason: "nộp thừa"}
	a, err := s.g.RequestRefund(s.t.Context(), person("mai"), s.key(in), payment, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return decode[gateway.RefundView](s.t, a.Body)
}

func (s *street) approve(refund string) *gateway.RefundView {
	s.t.Helper()
	v, err := s.g.ApproveRefund(s.t.Context(), person("lan"), refund, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// fault disturbs MoMo's refunds (or their look-ups) from now on.
func (s *street) fault(op sim.Operation, fault string) {
	s.t.Helper()
	if err := s.world.SetFault("momo", sim.Fault{Operation: op, Fault: fault}); err != nil {
		s.t.Fatal(err)
	}
}

// decideRefunds says what becomes of the next refund.
func (s *street) decideRefunds(outcome string) {
	s.t.Helper()
	res, err := http.Post(s.sim.URL+"/control/momo/refunds/next", "application/json", strings.NewReader(`{"outcome":"`+outcome+`"}`))
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		s.t.Fatalf("simulator: %d %s", res.StatusCode, b)
	}
}

// balances are what came in less what went out, by kind of account.
func (s *street) balances() map[string]int64 {
	s.t.Helper()
	rows, err := s.db.QueryContext(s.t.Context(), `SELECT split_part(account, ':', 1), sum(amount) FROM
		(SELECT to_account AS account, amount FROM moves UNION ALL SELECT from_account, -amount FROM moves) m GROUP BY 1`)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	got := map[string]int64{}
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			s.t.Fatal(err)
		}
		got[name] = n
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return got
}

// What each step of a refund's life does to the books, the payment and the order. payer and surplus are owed (below zero) what came
// and was not given back; clearing is what the provider holds; refund_payable is approved and not yet done.
func TestTheBooksOfRefunds(t *testing.T) {
	type books struct{ payer, surplus, clearing, payable int64 }
	type step struct {
		does  string
		books books
		left  vnd.Amount // refundable
		order string
	}
	for name, steps := range map[string][]step{
		"a part, then the rest": {
			{"pay", books{-50000, 0, 50000, 0}, 50000, "paid"},
			{"request 20000", books{-50000, 0, 50000, 0}, 30000, "paid"},
			{"approve", books{-30000, 0, 30000, 0}, 30000, "partly_refunded"},
			{"request 30000", books{-30000, 0, 30000, 0}, 0, "partly_refunded"},
			{"approve", books{0, 0, 0, 0}, 0, "refunded"},
		},
		"rejected before approval": {
			{"pay", books{-50000, 0, 50000, 0}, 50000, "paid"},
			{"request 50000", books{-50000, 0, 50000, 0}, 0, "paid"},
			{"reject", books{-50000, 0, 50000, 0}, 50000, "paid"},
		},
		"sent without an answer, found by asking": {
			{"pay", books{-50000, 0, 50000, 0}, 50000, "paid"},
			{"request 20000", books{-50000, 0, 50000, 0}, 30000, "paid"},
			{"approve unanswered", books{-30000, 0, 50000, -20000}, 30000, "paid"},
			{"sweep", books{-30000, 0, 30000, 0}, 30000, "partly_refunded"},
		},
		"not sent, then rejected": { // MoMo takes no refund below 1,000 đ
			{"pay", books{-50000, 0, 50000, 0}, 50000, "paid"},
			{"request 500", books{-50000, 0, 50000, 0}, 49500, "paid"},
			{"approve", books{-49500, 0, 50000, -500}, 49500, "paid"},
			{"retry", books{-49500, 0, 50000, -500}, 49500, "paid"},
			{"reject", books{-50000, 0, 50000, 0}, 50000, "paid"},
		},
		"surplus first, and it moves no order": {
			{"pay too much", books{-50000, -30000, 80000, 0}, 80000, "paid"},
			{"request 30000", books{-50000, -30000, 80000, 0}, 50000, "paid"},
			{"approve", books{-50000, 0, 50000, 0}, 50000, "paid"},
			{"request 10000", books{-50000, 0, 50000, 0}, 40000, "paid"},
			{"approve", books{-40000, 0, 40000, 0}, 40000, "partly_refunded"},
		},
		"one refund out of both": {
			{"pay too much", books{-50000, -30000, 80000, 0}, 80000, "paid"},
			{"request 70000", books{-50000, -30000, 80000, 0}, 10000, "paid"},
			{"approve", books{-10000, 0, 10000, 0}, 10000, "partly_refunded"},
		},
		"reversed after a refund: what was paid out stays paid out": {
			{"pay", books{-50000, 0, 50000, 0}, 50000, "paid"},
			{"request 20000", books{-50000, 0, 50000, 0}, 30000, "paid"},
			{"approve", books{-30000, 0, 30000, 0}, 30000, "partly_refunded"},
			{"reverse", books{20000, 0, -20000, 0}, 0, "open"},
		},
		"reversed after everything was refunded: the order has ended": {
			{"pay", books{-50000, 0, 50000, 0}, 50000, "paid"},
			{"request 50000", books{-50000, 0, 50000, 0}, 0, "paid"},
			{"approve", books{0, 0, 0, 0}, 0, "refunded"},
			{"reverse", books{50000, 0, -50000, 0}, 0, "refunded"},
		},
		"reversed with a request: it is void": {
			{"pay", books{-50000, 0, 50000, 0}, 50000, "paid"},
			{"request 20000", books{-50000, 0, 50000, 0}, 30000, "paid"},
			{"reverse", books{0, 0, 0, 0}, 0, "open"},
		},
		"reversed with a failed one: void, its moves back": {
			{"pay too much", books{-50000, -30000, 80000, 0}, 80000, "paid"},
			{"request 500", books{-50000, -30000, 80000, 0}, 79500, "paid"},
			{"approve", books{-50000, -29500, 80000, -500}, 79500, "paid"},
			{"reverse", books{0, 0, 0, 0}, 0, "open"},
		},
		"reversed with one under way: it comes to its own end": {
			{"pay", books{-50000, 0, 50000, 0}, 50000, "paid"},
			{"request 20000", books{-50000, 0, 50000, 0}, 30000, "paid"},
			{"approve unanswered", books{-30000, 0, 50000, -20000}, 30000, "paid"},
			{"reverse", books{20000, 0, 0, -20000}, 0, "open"},
			{"sweep", books{20000, 0, -20000, 0}, 0, "open"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStreet(t)
			var order, payment, refund string
			for _, st := range steps {
				verb, rest, _ := strings.Cut(st.does, " ")
				switch verb {
				case "pay":
					if rest == "" {
						order, payment = s.paid(1, 50000)
						break
					}
					o := s.order(1, 50000)
					p := s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
					s.control("momo", p.ProviderReference, `{"outcome":"succeed","amount":80000,"callback":{"send":false}}`)
					if err := s.g.LookUp(t.Context(), p.ID); err != nil {
						t.Fatal(err)
					}
					order, payment = o.ID, p.ID
				case "request":
					amount, err := vnd.Parse(rest)
					if err != nil {
						t.Fatal(err)
					}
					refund = s.refund(payment, amount).ID
				case "approve":
					if rest != "" {
						s.fault(sim.RefundOp, "reset_after_accept")
					}
					s.approve(refund)
					s.fault(sim.RefundOp, "none")
				case "reject":
					if _, err := s.g.RejectRefund(t.Context(), person("lan"), refund, "không đúng"); err != nil {
						t.Fatal(err)
					}
				case "retry":
					if _, err := s.g.RetryRefund(t.Context(), person("lan"), refund); err != nil {
						t.Fatal(err)
					}
				case "reverse":
					s.reverse(payment)
				case "sweep":
					s.forward(2 * time.Minute)
					if n, err := s.g.SweepRefunds(t.Context(), 10); n != 1 || err != nil {
						t.Fatalf("swept %d: %v", n, err)
					}
				}
				b := s.balances()
				if got := (books{b["payer"], b["surplus"], b["clearing"], b["refund_payable"]}); got != st.books {
					t.Errorf("%s: books %+v, want %+v", st.does, got, st.books)
				}
				v := s.get(order)
				if v.Status != st.order || v.Payments[0].RefundableAmount != st.left {
					t.Errorf("%s: order %s, %s left; want %s, %s", st.does, v.Status, v.Payments[0].RefundableAmount, st.order, st.left)
				}
			}
		})
	}
}

// A refund whose answer was lost is under way until the provider says what became of it: it is sent once, however often the sweep comes.
func TestARefundIsSentOnce(t *testing.T) {
	s := newStreet(t)
	order, payment := s.paid(1, 50000)
	r := s.refund(payment, 20000)
	s.fault(sim.RefundOp, "status_500") // not done, and nobody can know
	v := s.approve(r.ID)
	if v.Status != gateway.RefundSubmitted || !v.InDoubt {
		t.Fatalf("%+v", v)
	}
	s.fault(sim.RefundOp, "none")
	for range 5 {
		s.forward(2 * time.Hour)
		if _, err := s.g.SweepRefunds(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		if _, err := s.g.ApproveRefund(t.Context(), person("lan"), r.ID, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := s.g.RetryRefund(t.Context(), person("lan"), r.ID); gateway.ProblemName(err) != gateway.ProblemRefundState {
			t.Errorf("a retry of what is under way: %v", err)
		}
	}
	if n := s.sum(`SELECT sum(sends) FROM refunds`); n != 1 {
		t.Errorf("sent %d times", n)
	}
	if n := s.sum(`SELECT count(*) FROM lookups WHERE object_id = $1`, r.ID); n != 5 {
		t.Errorf("asked %d times", n)
	}
	if v := s.get(order); v.Status != gateway.OrderPaid || v.RefundedAmount != 0 || v.Refunds[0].Status != gateway.RefundSubmitted {
		t.Errorf("%+v", v)
	}
	// The settlement knows at last.
	for _, want := range []providers.Verdict{providers.VerdictRecorded, providers.VerdictDuplicate} {
		got, err := s.g.RecordRefund(t.Context(), gateway.RefundWord{AccountID: momoAccount, Reference: r.ProviderReference, Source: gateway.SourceSettlement,
			Notice: providers.RefundNotice{Outcome: providers.Succeeded, Transaction: "9", At: s.world.Now()}})
		if got != want || err != nil {
			t.Errorf("%s %v", got, err)
		}
	}
	if v := s.get(order); v.Status != gateway.OrderPartlyRefunded || v.RefundedAmount != 20000 {
		t.Errorf("%+v", v)
	}
}

// A provider's final no is an end: who sends again sends another refund, so that no old word can speak of it.
func TestARetryIsAnotherSending(t *testing.T) {
	s := newStreet(t)
	order, payment := s.paid(1, 50000)
	r := s.refund(payment, 20000)
	s.decideRefunds("decline")
	v := s.approve(r.ID)
	if v.Status != gateway.RefundFailed || v.Code == "" || v.ProviderReference != r.ProviderReference {
		t.Fatalf("%+v", v)
	}
	if n, err := s.g.SweepRefunds(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("a failed one was swept: %d %v", n, err)
	}
	if _, err := s.g.RetryRefund(t.Context(), person("mai"), r.ID); gateway.ProblemName(err) != gateway.ProblemSecondPerson {
		t.Errorf("retried by the requester: %v", err)
	}
	again, err := s.g.RetryRefund(t.Context(), person("hoa"), r.ID)
	if err != nil || again.Status != gateway.RefundSucceeded || again.ProviderReference == r.ProviderReference {
		t.Fatalf("%+v %v", again, err)
	}
	verdict, err := s.g.RecordRefund(t.Context(), gateway.RefundWord{AccountID: momoAccount, Reference: r.ProviderReference, Source: gateway.SourceSettlement,
		Notice: providers.RefundNotice{Outcome: providers.Succeeded, Transaction: "9"}})
	if verdict != providers.VerdictUnknownPayment || err != nil {
		t.Errorf("the old reference: %s %v", verdict, err)
	}
	if v := s.get(order); v.RefundedAmount != 20000 || v.Status != gateway.OrderPartlyRefunded {
		t.Errorf("%+v", v)
	}
}

// The provider's no, taken back by its settlement: what was paid back is recorded.
func TestASettledRefundThatHadFailed(t *testing.T) {
	s := newStreet(t)
	order, payment := s.paid(1, 50000)
	r := s.refund(payment, 20000)
	s.decideRefunds("decline")
	s.approve(r.ID)
	verdict, err := s.g.RecordRefund(t.Context(), gateway.RefundWord{AccountID: momoAccount, Reference: r.ProviderReference, Source: gateway.SourceSettlement,
		Notice: providers.RefundNotice{Outcome: providers.Succeeded, Transaction: "9"}})
	if verdict != providers.VerdictRecorded || err != nil {
		t.Fatalf("%s %v", verdict, err)
	}
	if v := s.get(order); v.RefundedAmount != 20000 || v.Status != gateway.OrderPartlyRefunded || v.Refunds[0].Status != gateway.RefundSucceeded {
		t.Errorf("%+v", v)
	}
	if b := s.balances(); b["payer"] != -30000 || b["clearing"] != 30000 || b["refund_payable"] != 0 {
		t.Errorf("%v", b)
	}
}

// A refund that the provider keeps pending is asked after on its plan, until it has an end.
func TestAPendingRefundIsAskedAfter(t *testing.T) {
	s := newStreet(t)
	_, payment := s.paid(1, 50000)
	r := s.refund(payment, 20000)
	s.decideRefunds("pending")
	if v := s.approve(r.ID); v.Status != gateway.RefundSubmitted || v.InDoubt {
		t.Fatalf("%+v", v)
	}
	s.forward(2 * time.Minute)
	for range 2 { // asked once; then it is not due
		if _, err := s.g.SweepRefunds(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.sum(`SELECT count(*) FROM lookups WHERE object_id = $1`, r.ID); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if _, err := s.world.DecideRefund("momo", r.ProviderReference, sim.RefundDecision{Outcome: "succeed"}); err != nil {
		t.Fatal(err)
	}
	s.forward(5 * time.Minute)
	if n, err := s.g.SweepRefunds(t.Context(), 10); n != 1 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if n := s.sum(`SELECT count(*) FROM refunds WHERE status = 'succeeded' AND effective_at IS NOT NULL AND recorded_at IS NOT NULL`); n != 1 {
		t.Error("not found succeeded")
	}
}

// One refund of a payment is at the provider at a time.
func TestTwoRefundsOfOnePaymentWaitForEachOther(t *testing.T) {
	s := newStreet(t)
	_, payment := s.paid(1, 50000)
	first, second := s.refund(payment, 20000), s.refund(payment, 30000)
	s.fault(sim.RefundOp, "reset_after_accept")
	if v := s.approve(first.ID); v.Status != gateway.RefundSubmitted {
		t.Fatalf("%+v", v)
	}
	s.fault(sim.RefundOp, "none")
	if v := s.approve(second.ID); v.Status != gateway.RefundApproved {
		t.Fatalf("two at once: %+v", v)
	}
	s.forward(2 * time.Minute)
	for range 2 { // the first is asked after, then the second is sent
		if _, err := s.g.SweepRefunds(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		s.forward(2 * time.Minute)
	}
	if n := s.sum(`SELECT count(*) FROM refunds WHERE status = 'succeeded'`); n != 2 {
		t.Errorf("%d succeeded", n)
	}
	if b := s.balances(); b["clearing"] != 0 || b["payer"] != 0 || b["refund_payable"] != 0 {
		t.Errorf("%v", b)
	}
}

// However many ask at once, what is reserved never exceeds what was received, and nothing that is free is refused for ever.
func TestFiftyRacingRefundRequests(t *testing.T) {
	s := newStreet(t)
	_, payment := s.paid(1, 50000)
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	amount := vnd.Amount(10000)
	for i := range 50 {
		wg.Go(func() {
			for left := vnd.Amount(50000); left > 0; left -= amount { // each tries every amount that can be left
				in := gateway.NewRefund{Amount: &amount, Available: &left, Reason: "trùng"}
				k := gateway.Key{Principal: "mai", Method: "POST", Path: "/", Key: fmt.Sprint(i, left), BodyHash: []byte{1}}
				_, err := s.g.RequestRefund(context.Background(), person("mai"), k, payment, in)
				name := gateway.ProblemName(err)
				if err != nil && name == "" {
					t.Error(err)
				}
				mu.Lock()
				got[name]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got[""] != 5 || len(got) > 2 || got[""]+got[gateway.ProblemAvailableChanged] != 250 {
		t.Errorf("%v", got)
	}
	if n, m := s.sum(`SELECT sum(amount) FROM refunds`), s.sum(`SELECT reserved_amount FROM payments`); n != m || n != int64(got[""])*10000 {
		t.Errorf("requested %d, reserved %d, accepted %d", n, m, got[""])
	}
}

// Fifty people approve at once: one refund, sent once.
func TestFiftyRacingApprovals(t *testing.T) {
	s := newStreet(t)
	_, payment := s.paid(1, 50000)
	r := s.refund(payment, 50000)
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for i := range 50 {
		wg.Go(func() {
			_, err := s.g.ApproveRefund(context.Background(), person(fmt.Sprint("p", i)), r.ID, "")
			if err != nil && gateway.ProblemName(err) == "" {
				t.Error(err)
			}
			mu.Lock()
			got[gateway.ProblemName(err)]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if got[""] != 1 || got[gateway.ProblemRefundState] != 49 {
		t.Errorf("%v", got)
	}
	if n := s.sum(`SELECT sum(sends) FROM refunds`); n != 1 {
		t.Errorf("sent %d times", n)
	}
	if b := s.balances(); b["clearing"] != 0 || b["payer"] != 0 {
		t.Errorf("%v", b)
	}
	for _, e := range []string{"refund.requested", "refund.approved", "refund.submitted", "refund.succeeded", "order.refunded"} {
		if n := s.sum(`SELECT count(*) FROM outbox WHERE type = $1 AND body NOT LIKE '%nộp thừa%'`, e); n != 1 {
			t.Errorf("%s was said %d times, or with the reason", e, n)
		}
	}
}
