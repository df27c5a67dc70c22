package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"feegate/providers/sim"
)

// In whatever order files come, however often a provider, a portal or an officer says the same thing: the rate is what each thing said once makes of it, and never more.
func TestNothingSaidTwiceOrInAnotherOrderRaisesTheRate(t *testing.T) {
	worlds := 0
	rapid.Check(t, func(rt *rapid.T) {
		if worlds++; worlds > 4 { // each is a street of its own
			return
		}
		x := newStage(t)
		type want struct{ online, all int }
		var w want
		x.at("2026-03-10 10:30")
		for n := range rapid.IntRange(2, 5).Draw(rt, "orders") {
			name := fmt.Sprint("O", n)
			x.order(name, n+1, "phi", 50000, false, "")
			w.all++
			if rapid.Bool().Draw(rt, "in cash") {
				for range rapid.IntRange(1, 3).Draw(rt, "times said") { // the same receipt, the same key
					r := x.as(caseKey, http.MethodPost, "/v1/orders/"+x.orders[name]+"/counter-payments", "c"+name, counterMoney(50000, "cash", "1"+fmt.Sprint(n), x.world.Now().Truncate(1e9)))
					if r.status != 201 {
						t.Fatalf("%d %s", r.status, r.body)
					}
				}
				continue
			}
			by := rapid.SampledFrom([]string{"momo", "vnpay"}).Draw(rt, "by")
			x.start(name, by, nil)
			x.decide(by, x.started[name+" "+by], map[string]any{"outcome": "succeed", "callback": map[string]any{"send": true, "copies": rapid.IntRange(1, 3).Draw(rt, "copies")}})
			w.online++
		}
		x.at("2026-03-11 09:00")
		files := []string{"momo", "vnpay"}
		if rapid.Bool().Draw(rt, "the other way round") {
			slices.Reverse(files)
		}
		for range rapid.IntRange(1, 2).Draw(rt, "imports") {
			for _, name := range files {
				provider, id, terminal := accountNamed(name)
				_, file, _, err := x.world.Settlement(provider, terminal, "2026-03-10", sim.Changes{})
				if err != nil {
					t.Fatal(err)
				}
				if r := x.upload(x.finance, "", "account_id", id, "date", "2026-03-10", "file", string(file)); r.status/100 != 2 {
					t.Fatalf("%d %s", r.status, r.body)
				}
			}
		}
		for range 2 {
			if r := x.as(x.finance, http.MethodPost, "/v1/reconciliations", "", map[string]any{"date": "2026-03-10"}); r.status != 200 {
				t.Fatalf("%d %s", r.status, r.body)
			}
		}
		got := flat(x.report("").Total)
		if got["transactions"] != int64(w.online) || got["transactions.denominator"] != int64(w.all) || got["amount.denominator"] != int64(50000*w.all) {
			t.Errorf("%d of %d, want %+v: %v", got["transactions"], got["transactions.denominator"], w, slices.Sorted(maps.Keys(got)))
		}
	})
}
