package adoption

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func moment(day int) time.Time { return epoch.AddDate(0, 0, day) }

// What random worlds seldom hold, written out.
func TestEdgesOfTheDefinition(t *testing.T) {
	x := newWorlds(t)
	closed := func(prefix string) []wDossier {
		at := moment(20)
		return []wDossier{{code: prefix + "d", status: "closed", agency: prefix + "1", procedure: "p1", closed: &at, at: at}}
	}
	order := func(prefix, n string, day int, states ...wState) wOrder {
		return wOrder{id: "ord_" + prefix + n, dossier: prefix + "d", agency: prefix + "1", procedure: "p1", lines: []wLine{{"a", "phi", 100}}, created: moment(day), states: states}
	}
	payment := func(prefix, n, channel, provider string, day int) wPayment {
		return wPayment{id: "pay_" + prefix + n, order: "ord_" + prefix + "1", channel: channel, provider: provider, paid: moment(day), recorded: moment(day), matches: []fact{{from: moment(day)}}}
	}
	expired, superseded := wState{"expired", moment(8)}, wState{"superseded", moment(12)}
	for name, c := range map[string]struct {
		world   func(prefix string) *world
		groupBy string
		group   string
		want    map[string]int64
	}{
		"an expired order counts as due": {func(p string) *world { return &world{dossiers: closed(p), orders: []wOrder{order(p, "1", 1, expired)}} },
			"", total, map[string]int64{"closed_unpaid": 1, "dossiers": 0, "dossiers.denominator": 1, "coverage": 0, "coverage.denominator": 1}},
		"unless a newer one has the fee": {func(p string) *world {
			return &world{dossiers: closed(p), orders: []wOrder{order(p, "1", 1, expired), order(p, "2", 9, wState{"paid", moment(10)}, wState{"refunded", moment(11)})}}
		}, "", total, map[string]int64{"closed_unpaid": 0, "coverage.denominator": 0}},
		"which one that is void has not": {func(p string) *world {
			return &world{dossiers: closed(p), orders: []wOrder{order(p, "1", 1, expired), order(p, "2", 9, superseded)}}
		}, "", total, map[string]int64{"closed_unpaid": 1, "coverage.denominator": 1}},
		"the largest payment is so before refunds": {func(p string) *world {
			return &world{orders: []wOrder{order(p, "1", 1, wState{"paid", moment(3)})}, payments: []wPayment{payment(p, "1", "portal_checkout", "momo", 2), payment(p, "2", "treasury_epay", "vnpay", 3)},
				allocations: []wAllocation{{"pay_" + p + "1", "ord_" + p + "1", 60, moment(2)}, {"pay_" + p + "2", "ord_" + p + "1", 40, moment(3)}},
				refunds:     []wRefund{{"pay_" + p + "1", "ord_" + p + "1", 50, true, moment(4)}}}
		}, "provider", "momo", map[string]int64{"transactions": 1, "amount": 50, "online": 1}},
		"a counter QR in part is not remote": {func(p string) *world {
			return &world{orders: []wOrder{order(p, "1", 1, wState{"paid", moment(3)})}, payments: []wPayment{payment(p, "1", "portal_checkout", "momo", 2), payment(p, "2", "qr_counter_self", "momo", 3)},
				allocations: []wAllocation{{"pay_" + p + "1", "ord_" + p + "1", 60, moment(2)}, {"pay_" + p + "2", "ord_" + p + "1", 40, moment(3)}}}
		}, "", total, map[string]int64{"transactions": 1, "transactions_remote": 0, "transactions_remote.denominator": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			prefix := x.prefix()
			s := &span{asOf: moment(30), from: moment(0), to: moment(29)}
			once := false
			rapid.Check(t, func(t *rapid.T) { // for its T alone
				if once {
					return
				}
				once = true
				w := c.world(prefix)
				w.write(t, x.owner, prefix, "live")
				got, said := counts(t, x.reporter, asked(prefix, c.groupBy), s)[c.group], w.count(s.asOf, s.from, s.to, c.groupBy)[c.group]
				for figure, want := range c.want {
					if got[figure] != want || said[figure] != want {
						t.Errorf("%s: counted %d, the definition says %d, want %d", figure, got[figure], said[figure], want)
					}
				}
			})
		})
	}
}

func TestPercentAndTargets(t *testing.T) {
	for _, c := range []struct {
		n, d int64
		want string
	}{{1, 3, "33.33"}, {2, 3, "66.67"}, {1, 8, "12.50"}, {1, 20000, "0.01"}, {1, 20001, "0.00"}, {5, 5, "100.00"}, {0, 7, "0.00"}, {1 << 60, 1 << 61, "50.00"}} {
		if got := rate(c.n, c.d).Percent; *got != c.want {
			t.Errorf("%d of %d: %s, want %s", c.n, c.d, *got, c.want)
		}
	}
	if rate(0, 0).Percent != nil {
		t.Error("nothing of nothing is no percentage")
	}
	for name, c := range map[string]struct {
		headline, coverage Rate
		want               string
	}{
		"exactly":           {rate(1, 2), rate(95, 100), Met},
		"a hair below":      {rate(499_999_999_999, 1_000_000_000_000), rate(1, 1), NotMet},
		"shown as 50.00":    {rate(49_999, 100_000), rate(1, 1), NotMet},
		"too few covered":   {rate(1, 2), rate(949, 1000), NotEnoughData},
		"none to cover":     {rate(1, 2), rate(0, 0), NotEnoughData},
		"nothing happened":  {rate(0, 0), rate(1, 1), NotEnoughData},
		"below, uncovered":  {rate(1, 3), rate(0, 9), NotMet},
		"very large counts": {rate(1<<61, 1<<62), rate(1<<62, 1<<62), Met},
	} {
		if got := judge(c.headline, c.coverage, 5000, 9500); got.Status != c.want {
			t.Errorf("%s: %s, want %s", name, got.Status, c.want)
		}
	}
	for h, want := range map[Hundredths]string{3000: "30", 6250: "62.5", 10000: "100", 33: "0.33"} {
		if got, err := h.MarshalJSON(); err != nil || string(got) != want {
			t.Errorf("%d: %s %v", h, got, err)
		}
	}
}
