package adoption

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A list ends with its last line and not before, wherever its pages end: within an order that was paid in parts, within a dossier of many orders, on the
// period's first day.
func TestPagesOfAListEndAnywhere(t *testing.T) {
	x, folder := aggregated(t)
	x.checkSome(t, 4, func(t *rapid.T) {
		d, prefix := throw(t), x.prefix()
		w := &world{staff: fact{epoch.AddDate(0, 0, 20), nil}}
		for n := range d.n(5, 8) {
			o := wOrder{id: fmt.Sprintf("ord_%s_%02d", prefix, n), dossier: fmt.Sprint(prefix, "-d", d.n(0, 1)), agency: prefix + oneOf(d, "1", "1", "1", "2"), procedure: "p1", created: epoch}
			parts := d.n(1, 3)
			o.lines = []wLine{{"f" + o.id, oneOf(d, "phi", "le_phi"), int64(10 * parts)}}
			w.orders = append(w.orders, o)
			paid := epoch.AddDate(0, 0, d.n(0, 1))
			for i := range parts {
				p := wPayment{id: fmt.Sprintf("pay_%s_%02d_%d", prefix, n, i), order: o.id, channel: "portal_checkout", provider: "vnpay", paid: paid, recorded: paid}
				w.payments = append(w.payments, p)
				w.allocations = append(w.allocations, wAllocation{p.id, o.id, 10, paid})
			}
		}
		w.write(t, x.owner, prefix, "live")
		if _, err := folder.FoldAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := &span{from: epoch, to: epoch.AddDate(0, 0, 30), asOf: epoch.AddDate(2, 0, 0)}
		for _, by := range []string{"", "channel", "agency"} {
			for _, figure := range []string{"transactions.denominator", "le_phi.denominator", "dossiers.denominator"} {
				b := Behind{Question: asked(prefix, by), Figure: figure}
				if by == "channel" {
					if figure == "dossiers.denominator" {
						continue
					}
					b.Given, b.Group = true, "portal_checkout"
				}
				if by == "agency" {
					b.Given, b.Group = true, prefix+"1"
				}
				b.Limit = 200
				want := x.listed(t, b, s, true)
				for _, limit := range []int{1, 2, 3} {
					b.Limit = limit
					if got := x.listed(t, b, s, false); !slices.Equal(got, want) {
						t.Fatalf("%s by %q, pages of %d:\nthe rows %s\nthe cells %s", figure, by, limit, strings.Join(want, "\n"), strings.Join(got, "\n"))
					}
				}
			}
		}
	})
}
