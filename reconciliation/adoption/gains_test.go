package adoption

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// repaid takes an order that one payment paid whole, pays it back and has it paid again by a new order of the same dossier: the same way with the same proof or
// less, or over the counter. false: the world has no such order.
func repaid(d dice, w *world, at time.Time) bool {
	for i := range w.allocations {
		a := w.allocations[(i+d.n(0, len(w.allocations)-1))%len(w.allocations)]
		var of *wOrder
		for n := range w.orders {
			if w.orders[n].id == a.order {
				of = &w.orders[n]
			}
		}
		alone := of.amount() == a.amount
		for _, b := range w.allocations {
			if b != a && (b.order == a.order || b.payment == a.payment) {
				alone = false
			}
		}
		for _, r := range w.refunds {
			alone = alone && r.payment != a.payment
		}
		if !alone {
			continue
		}
		var first *wPayment
		for n := range w.payments {
			if w.payments[n].id == a.payment {
				first = &w.payments[n]
			}
		}
		o, p := *of, *first
		o.id, p.id = o.id+"r", p.id+"r"
		o.created, o.states = at, []wState{{"paid", at}}
		p.order, p.paid, p.recorded = o.id, at, at
		p.matches, p.disputes, p.payouts = nil, nil, nil
		proven := false
		for _, f := range first.matches {
			proven = proven || f.to == nil
		}
		if proven && len(first.disputes) == 0 && d.yes(70) { // what a dispute keeps back is less proof than the copy would have
			p.matches = []fact{{from: at}}
		}
		if classOf(p.channel) == "online" && d.yes(30) {
			p.channel, p.provider, p.atCounter, p.receipt, p.matches = "cash_counter", "counter", true, true, nil
		}
		w.refunds = append(w.refunds, wRefund{a.payment, a.order, a.amount, true, at})
		w.orders, w.payments = append(w.orders, o), append(w.payments, p)
		w.allocations = append(w.allocations, wAllocation{p.id, o.id, a.amount, at})
		return true
	}
	return false
}

// Paying back and paying again, with the same proof or less, never raises the headline; nor does what is told twice.
func TestPayingBackAndAgainGainsNothing(t *testing.T) {
	x := newWorlds(t)
	raised := 0
	x.check(t, func(t *rapid.T) {
		d, once, again := throw(t), x.prefix(), x.prefix()
		w := aWorld(d, once)
		late := epoch.AddDate(0, 0, 200) // after everything that a world holds
		v := renamed(w, once, again)
		for range d.n(1, 3) {
			if !repaid(d, v, late) {
				break
			}
			raised++
		}
		v.dossiers = append(v.dossiers, v.dossiers...) // each telling once more, after all
		for i := len(v.dossiers) / 2; i < len(v.dossiers); i++ {
			v.dossiers[i].at = v.dossiers[i].at.Add(time.Microsecond)
		}
		s := &span{asOf: late.AddDate(0, 0, 1), from: epoch.AddDate(0, 0, -30), to: late.AddDate(0, 0, 2)}
		w.write(t, x.owner, once, "live")
		v.write(t, x.owner, again, "live")
		one, more := counts(t, x.reporter, asked(once, ""), s)[total], counts(t, x.reporter, asked(again, ""), s)[total]
		for _, name := range []string{"transactions", "transactions_upper", "transactions_remote"} {
			a, b := one[name+Denominator], more[name+Denominator]
			if a == 0 || b == 0 {
				continue
			}
			if big.NewRat(more[name], b).Cmp(big.NewRat(one[name], a)) > 0 {
				t.Fatalf("%s was %d of %d, paid back and again it is %d of %d", name, one[name], a, more[name], b)
			}
		}
	})
	if raised < enough/2 {
		t.Errorf("only %d orders were paid back and again", raised)
	}
}
