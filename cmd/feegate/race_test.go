package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"feegate/gateway/identity"
)

// crowd is many calls about one order, all let go at once. Every answer must be one that the contract knows: a refusal is fine, a
// failure of ours is not.
type crowd struct {
	s     *street
	gate  chan struct{}
	wg    sync.WaitGroup
	mu    sync.Mutex
	heard map[string]map[int]int // what was asked for -> status -> times
}

func (c *crowd) add(what string, do func() reply) {
	c.wg.Go(func() {
		<-c.gate
		r := do()
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.heard[what] == nil {
			c.heard[what] = map[int]int{}
		}
		if c.heard[what][r.status]++; r.status >= 500 || r.status == 400 {
			c.s.t.Errorf("%s: %d %s", what, r.status, r.body)
		}
	})
}

func (c *crowd) run() map[string]map[int]int {
	close(c.gate)
	c.wg.Wait()
	return c.heard
}

func newCrowd(s *street) *crowd {
	return &crowd{s: s, gate: make(chan struct{}), heard: map[string]map[int]int{}}
}

// staff are the people of the race: those who ask for money back, and those who decide.
type staff struct{ mai, hoa, lan, tam, an string }

func (s *street) staff() staff {
	f, a := []identity.Role{identity.Finance}, []identity.Role{identity.Approver}
	return staff{s.person("mai", f), s.person("hoa", f), s.person("lan", a), s.person("tam", a), s.person("an", a)}
}

// books holds what every order, payment and refund must add up to, whatever happened at once.
func (s *street) books() {
	s.t.Helper()
	for what, q := range map[string]string{
		"orders against their allocations": `SELECT count(*) FROM orders o WHERE paid_amount <> (SELECT coalesce(sum(amount), 0) FROM allocations a WHERE a.order_id = o.id
			AND NOT EXISTS (SELECT FROM reversals r WHERE r.payment_id = a.payment_id))`,
		"payments against their allocations": `SELECT count(*) FROM payments p WHERE allocated_amount <> (SELECT coalesce(sum(amount), 0) FROM allocations a WHERE a.payment_id = p.id)`,
		"more paid than asked for":           `SELECT count(*) FROM orders WHERE paid_amount > amount OR refunded_amount > paid_amount`,
		"more going back than came":          `SELECT count(*) FROM payments p WHERE received_amount < (SELECT coalesce(sum(amount), 0) FROM refunds r WHERE r.payment_id = p.id AND status <> 'rejected')`,
		"reserved is not what refunds ask": `SELECT count(*) FROM payments p WHERE reserved_amount <> (SELECT coalesce(sum(amount), 0) FROM refunds r WHERE r.payment_id = p.id AND status <> 'rejected')
			OR refunded_amount <> (SELECT coalesce(sum(amount), 0) FROM refunds r WHERE r.payment_id = p.id AND status = 'succeeded')`,
		"orders not in the state of their money": `SELECT count(*) FROM orders WHERE status <> 'cancelled' AND status <> 'superseded' AND status <> CASE WHEN paid_amount < amount THEN 'open'
			WHEN refunded_amount = 0 THEN 'paid' WHEN refunded_amount < paid_amount THEN 'partly_refunded' ELSE 'refunded' END`,
		"ended orders that hold money": `SELECT count(*) FROM orders WHERE status IN ('cancelled', 'superseded') AND paid_amount > refunded_amount`,
		"moves against what came":      `SELECT count(*) FROM payments p WHERE received_amount <> (SELECT coalesce(sum(amount), 0) FROM moves m WHERE cause_type = 'payment' AND cause_id = p.id)`,
		"moves against what went back": `SELECT count(*) FROM refunds r WHERE (SELECT coalesce(sum(amount), 0) FROM moves m WHERE cause_type = 'refund' AND cause_id = r.id AND leg = 'done')
			<> CASE status WHEN 'succeeded' THEN amount ELSE 0 END`,
		"an order told of twice as paid or ended":      `SELECT count(*) FROM (SELECT order_id FROM outbox WHERE type IN ('order.paid', 'order.cancelled', 'order.superseded') GROUP BY order_id, type HAVING count(*) > 1) x`,
		"payments that came and were not told of once": `SELECT count(*) FROM payments p WHERE received_amount > 0 AND 1 <> (SELECT count(*) FROM outbox WHERE type = 'payment.succeeded' AND body::jsonb #>> '{data,id}' = p.id)`,
		"refunds that were done and not told of once":  `SELECT count(*) FROM refunds r WHERE status = 'succeeded' AND 1 <> (SELECT count(*) FROM outbox WHERE type = 'refund.succeeded' AND body::jsonb #>> '{data,id}' = r.id)`,
		"refunds sent more than once":                  `SELECT count(*) FROM refunds WHERE sends > 1`,
		"a refund decided the same way twice":          `SELECT count(*) FROM (SELECT object_id FROM history WHERE to_status IN ('approved', 'rejected') GROUP BY object_id, to_status HAVING count(*) > 1) x`,
		"rejected and sent":                            `SELECT count(*) FROM refunds WHERE status = 'rejected' AND sends > 0`,
	} {
		if n := s.count(q); n != 0 {
			s.t.Errorf("%s: %d", what, n)
		}
	}
}

// attempts starts payments of one order at accounts, all before any of them is paid, and gives their ids and references.
func (s *street) attempts(n int, accounts ...string) (order string, ids, references []string) {
	s.t.Helper()
	o := s.ok(s.call(http.MethodPost, "/v1/orders", fmt.Sprint("c", n), strings.Replace(anOrder(fmt.Sprint("C", n)), "0007", fmt.Sprintf("7%03d", n), 1)), 201)
	order = o["id"].(string)
	for i, a := range accounts {
		p := s.ok(s.call(http.MethodPost, "/v1/orders/"+order+"/payments", fmt.Sprintf("cp-%d-%d", n, i), map[string]any{"account_id": a, "despite": true}), 201)
		ids, references = append(ids, p["id"].(string)), append(references, p["provider_reference"].(string))
	}
	return order, ids, references
}

func (s *street) pay(provider, reference string) reply {
	return s.send(http.MethodPost, s.sim+"/control/"+provider+"/payments/"+reference, map[string]any{"outcome": "succeed", "callback": map[string]any{"copies": 2}}, nil)
}

// One order is paid at two wallets and by transfer, paid for again, cancelled and replaced, all at the same moment.
func TestFiftyCallsOfOneOrderAtOnce(t *testing.T) {
	s := newStreet(t)
	s.zalopay()
	s.bank()
	s.moneyKey()
	who := s.staff()
	for n := range 3 {
		order, ids, refs := s.attempts(n, "acc_momo", "acc_momo", "acc_zalopay", "acc_sepay")
		c := newCrowd(s)
		for range 4 {
			c.add("momo tells", func() reply { return s.pay("momo", refs[0]) })
			c.add("momo tells of the second", func() reply { return s.pay("momo", refs[1]) })
			c.add("zalopay tells", func() reply { return s.pay("zalopay", refs[2]) })
			c.add("cancel", func() reply { return s.call(http.MethodPost, "/v1/orders/"+order+"/cancel", "", nil) })
		}
		c.add("a transfer, told of by two", func() reply {
			return s.send(http.MethodPost, s.sim+"/control/bank/transfers", map[string]any{"account": ownBank, "amount": 50000, "content": refs[3]}, nil)
		})
		for i := range 6 {
			c.add("another payment", func() reply {
				return s.call(http.MethodPost, "/v1/orders/"+order+"/payments", fmt.Sprintf("again-%d-%d", n, i), map[string]string{"provider": "momo"})
			})
			c.add("another order in its place", func() reply {
				body := strings.Replace(strings.Replace(anOrder(fmt.Sprint("S", n, "-", i)), "0007", fmt.Sprintf("7%03d", n), 1), `"amount":50000}`, `"amount":50000,"supersedes":"`+order+`"}`, 1)
				return s.call(http.MethodPost, "/v1/orders", fmt.Sprintf("over-%d-%d", n, i), body)
			})
			c.add("seen", func() reply { return s.call(http.MethodGet, "/v1/orders/"+order, "", nil) })
			for _, id := range ids[:2] {
				c.add("refund", func() reply {
					return s.as(who.mai, http.MethodPost, "/v1/payments/"+id+"/refunds", fmt.Sprintf("f-%d-%d-%s", n, i, id), asked(50000, 50000))
				})
			}
		}
		t.Log(c.run())
		s.books()
		if n := s.count(`SELECT count(*) FROM bank_transfers`); n == 0 {
			t.Error("the transfer is not there")
		}
	}
}

// Refunds of one payment: asked for, approved, rejected and put off at once. One wins where one may, and the provider pays each once.
func TestFiftyDecisionsOnOnePaymentAtOnce(t *testing.T) {
	s := newStreet(t)
	who := s.staff()
	for n := range 3 {
		order, ids, refs := s.attempts(n, "acc_momo")
		if r := s.pay("momo", refs[0]); r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		path := "/v1/payments/" + ids[0] + "/refunds"
		ask := newCrowd(s)
		for i := range 10 { // who all believe that 50,000 can be refunded: one of them is right
			ask.add("ask", func() reply {
				return s.as(who.mai, http.MethodPost, path, fmt.Sprintf("q-%d-%d", n, i), asked(20000, 50000))
			})
		}
		if got := ask.run()["ask"]; got[202] != 1 || got[412] != 9 {
			t.Errorf("of ten who asked for the same money: %v", got)
		}
		second := s.ok(s.as(who.hoa, http.MethodPost, path, fmt.Sprint("second", n), asked(30000, 30000)), 202)["id"].(string)
		first := s.one(`SELECT id FROM refunds WHERE payment_id = '` + ids[0] + `' AND requested_by <> (SELECT requested_by FROM refunds WHERE id = '` + second + `')`)
		c := newCrowd(s)
		for _, refund := range []string{first, second} {
			for range 4 {
				for _, p := range []string{who.lan, who.tam, who.an} {
					c.add("approve", func() reply { return s.as(p, http.MethodPost, "/v1/refunds/"+refund+"/approve", "", nil) })
				}
				if refund == first {
					c.add("reject", func() reply { return s.as(who.an, http.MethodPost, "/v1/refunds/"+refund+"/reject", "", nil) })
				}
				c.add("retry", func() reply { return s.as(who.tam, http.MethodPost, "/v1/refunds/"+refund+"/retry", "", nil) })
				c.add("sent later", func() reply {
					if _, err := s.app.gateway.SweepRefunds(t.Context(), 10); err != nil {
						t.Error(err)
					}
					return reply{}
				})
			}
		}
		for _, p := range []string{who.mai, who.hoa} {
			c.add("list", func() reply {
				return s.as(p, http.MethodPost, "/v1/refund-lists", fmt.Sprintf("rl-%d-%s", n, p), map[string]any{"agency_code": "H10.12"})
			})
		}
		t.Log(c.run())
		s.move(2 * time.Minute) // what waited for its turn
		if _, err := s.app.gateway.SweepRefunds(t.Context(), 10); err != nil {
			t.Error(err)
		}
		s.books()
		_, back := s.truth(refs[0])
		if done := s.count(`SELECT coalesce(sum(amount), 0) FROM refunds WHERE payment_id = $1 AND status = 'succeeded'`, ids[0]); int(back) != done || done < 30000 || done > 50000 {
			t.Errorf("MoMo gave back %d, here %d (order %s)", back, done, order)
		}
	}
}
