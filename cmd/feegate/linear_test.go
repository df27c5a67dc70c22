package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"feegate/gateway/identity"
)

// The history of one order, as its clients saw it, must be that of some order in which their calls happened one after another: what
// was answered is checked against the sequential model below.

const (
	linearSlots = 3 // payments and refunds of one history
	linearOwed  = 50000
)

type linearPayment struct {
	status                                          string // "" = not started
	asked, received, allocated, reserved, ofSurplus int
}

type linearRefund struct {
	status          string // "" = not asked for
	payment         int
	amount, surplus int
}

// linearOrder is the model's state; it is compared by ==.
type linearOrder struct {
	status         string
	paid, refunded int
	payments       [linearSlots]linearPayment
	refunds        [linearSlots]linearRefund
}

// linearCall is what was asked, and linearSaid what was answered.
type linearCall struct {
	what              string
	payment, refund   int
	amount, available int
}

type linearSaid struct {
	status   int
	problem  string
	order    string // its state
	paid     int
	refunded int
	surplus  int
	back     int // what can be refunded, of all payments
}

func (o linearOrder) seen() (s linearSaid) {
	s.status, s.order, s.paid, s.refunded = 200, o.status, o.paid, o.refunded
	for _, p := range o.payments {
		s.surplus += p.received - p.allocated
		s.back += p.received - p.reserved
	}
	return s
}

// step says whether an answer fits the state, and what the state is then.
func (o linearOrder) step(c linearCall, said linearSaid) (bool, linearOrder) {
	status, problem := o.judge(c)
	if c.what == "see" {
		return said == o.seen(), o
	}
	if said.status != status || said.problem != problem {
		return false, o
	}
	if status < 300 {
		o = o.after(c)
	}
	return true, o
}

// judge is the answer that the state asks for.
func (o linearOrder) judge(c linearCall) (int, string) {
	p, r := o.payments[c.payment], o.refunds[c.refund]
	switch c.what {
	case "start":
		switch {
		case o.status != "open":
			return 409, "order-state"
		case c.amount > linearOwed-o.paid:
			return 422, "invalid"
		}
		return 201, ""
	case "cancel":
		switch {
		case o.status == "cancelled":
			return 200, ""
		case o.paid > o.refunded:
			return 409, "order-partly-paid"
		case o.status != "open":
			return 409, "order-state"
		}
	case "ask":
		switch available := p.received - p.reserved; {
		case p.status != "succeeded":
			return 409, "payment-state"
		case c.available != available:
			return 412, "available-changed"
		case c.amount > available:
			return 422, "invalid"
		}
		return 202, ""
	case "reject":
		if r.status != "requested" && r.status != "rejected" { // one person rejects: again is as it stands
			return 409, "refund-state"
		}
	}
	return 200, ""
}

func (o linearOrder) after(c linearCall) linearOrder {
	p, r := &o.payments[c.payment], &o.refunds[c.refund]
	switch c.what {
	case "start":
		*p = linearPayment{status: "pending", asked: c.amount}
	case "pay":
		if p.status != "pending" {
			break
		}
		p.status, p.received = "succeeded", p.asked
		if o.status == "open" {
			p.allocated = min(p.asked, linearOwed-o.paid)
			if o.paid += p.allocated; o.paid == linearOwed {
				o.status = "paid"
			}
		}
	case "cancel":
		o.status = "cancelled"
	case "ask":
		*r = linearRefund{"requested", c.payment, c.amount, min(c.amount, p.received-p.allocated-p.ofSurplus)}
		p.reserved += r.amount
		p.ofSurplus += r.surplus
	case "reject":
		if p := &o.payments[r.payment]; r.status == "requested" {
			r.status = "rejected"
			p.reserved -= r.amount
			p.ofSurplus -= r.surplus
		}
	}
	return o
}

var linearModel = porcupine.Model{
	Init: func() any { return linearOrder{status: "open"} },
	Step: func(state, in, out any) (bool, any) {
		return state.(linearOrder).step(in.(linearCall), out.(linearSaid))
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
}

// linear is one history being made.
type linear struct {
	s          *street
	n          int
	order      string
	mai, lan   string
	mu         sync.Mutex
	ids, refs  [linearSlots]string // of payments that were started
	refunds    [linearSlots]string
	operations []porcupine.Operation
	began      time.Time
}

func (l *linear) record(client int, c linearCall, do func() reply) reply {
	call := time.Since(l.began).Nanoseconds()
	r := do()
	back := time.Since(l.began).Nanoseconds()
	v, said := r.get(l.s.t), linearSaid{status: r.status}
	number := func(m map[string]any, k string) int { n, _ := m[k].(float64); return int(n) }
	switch {
	case r.status >= 300:
		said.problem = strings.TrimPrefix(text(v["type"]), "urn:feegate:problem:")
	case c.what == "see":
		said.order, said.paid, said.refunded, said.surplus = text(v["status"]), number(v, "paid_amount"), number(v, "refunded_amount"), number(v, "surplus_amount")
		for _, p := range v["payments"].([]any) {
			said.back += number(p.(map[string]any), "refundable_amount")
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.operations = append(l.operations, porcupine.Operation{ClientId: client, Input: c, Output: said, Call: call, Return: back})
	return r
}

func (l *linear) known(of *[linearSlots]string, i int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return of[i]
}

// client does a few things, drawn from its own source of chance.
func (l *linear) client(id int, chance *rand.Rand) {
	s := l.s
	see := func() {
		l.record(id, linearCall{what: "see"}, func() reply { return s.call(http.MethodGet, "/v1/orders/"+l.order, "", nil) })
	}
	if id < linearSlots { // each starts one payment, which all may know then
		c := linearCall{what: "start", payment: id, amount: []int{20000, 30000, 50000}[chance.IntN(3)]}
		r := l.record(id, c, func() reply {
			return s.call(http.MethodPost, "/v1/orders/"+l.order+"/payments", fmt.Sprintf("l-%d-%d", l.n, id), map[string]any{"provider": "momo", "amount": c.amount, "despite": true})
		})
		if v := r.get(s.t); r.status == 201 {
			l.mu.Lock()
			l.ids[id], l.refs[id] = text(v["id"]), text(v["provider_reference"])
			l.mu.Unlock()
		}
	}
	asked := false
	for range 5 {
		slot, refund := chance.IntN(linearSlots), chance.IntN(linearSlots)
		switch n := chance.IntN(12); {
		case n == 0:
			l.record(id, linearCall{what: "cancel"}, func() reply { return s.call(http.MethodPost, "/v1/orders/"+l.order+"/cancel", "", nil) })
		case n < 5 && l.known(&l.refs, slot) != "":
			l.record(id, linearCall{what: "pay", payment: slot}, func() reply { return s.pay("momo", l.known(&l.refs, slot)) })
		case n < 9 && id < linearSlots && !asked && l.known(&l.ids, slot) != "":
			c := linearCall{what: "ask", payment: slot, refund: id, amount: []int{10000, 20000, 30000}[chance.IntN(3)], available: []int{20000, 30000, 50000}[chance.IntN(3)]}
			r := l.record(id, c, func() reply {
				return s.as(l.mai, http.MethodPost, "/v1/payments/"+l.known(&l.ids, slot)+"/refunds", fmt.Sprintf("lf-%d-%d-%d", l.n, id, chance.IntN(1<<30)), asked2(c))
			})
			if r.status == 202 {
				asked = true
				l.mu.Lock()
				l.refunds[id] = text(r.get(s.t)["id"])
				l.mu.Unlock()
			}
		case n < 10 && l.known(&l.refunds, refund) != "":
			l.record(id, linearCall{what: "reject", refund: refund}, func() reply {
				return s.as(l.lan, http.MethodPost, "/v1/refunds/"+l.known(&l.refunds, refund)+"/reject", "", nil)
			})
		default:
			see()
		}
	}
	see()
}

func asked2(c linearCall) map[string]any { return asked(c.amount, c.available) }

// histories makes as many histories as said and has each checked.
func (s *street) histories(n int, seed uint64) {
	s.t.Helper()
	s.t.Logf("seed %d", seed)
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})
	for i := range n {
		order, _, _ := s.attempts(i)
		l := &linear{s: s, n: i, order: order, mai: mai, lan: lan, began: time.Now()}
		var wg sync.WaitGroup
		for id := range linearSlots + 2 {
			wg.Go(func() { l.client(id, rand.New(rand.NewPCG(seed+uint64(i), uint64(id)))) })
		}
		wg.Wait()
		if got := porcupine.CheckOperationsTimeout(linearModel, l.operations, 20*time.Second); got != porcupine.Ok {
			for _, op := range l.operations {
				s.t.Logf("%d: %d..%d %s", op.ClientId, op.Call/1000, op.Return/1000, linearModel.DescribeOperation(op.Input, op.Output))
			}
			s.t.Fatalf("history %d of seed %d: %s", i, seed, got)
		}
	}
	s.books()
}

func TestAnOrdersHistoryIsOneAfterAnother(t *testing.T) {
	newStreet(t).histories(25, rand.Uint64N(1<<32))
}
