package gateway

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"feegate/gateway/catalogue"
	"feegate/gateway/vnd"
)

// TestPricesHoldWhateverIsTakenOff prices lines of any schedule with any adjustments and computes them again with fractions: exemption
// before reduction before pilot, each half-up of what is left, never below nothing, and the sums hold.
func TestPricesHoldWhateverIsTakenOff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := vnd.Amount(rapid.Int64Range(0, 50_000_000).Draw(t, "unit"))
		f := catalogue.Fee{ID: 7, FeeCode: "f", Kind: rapid.SampledFrom([]string{"phi", "le_phi"}).Draw(t, "kind"), Name: "Phí", UnitAmount: &unit, LegalBasis: "NQ"}
		switch rapid.IntRange(0, 2).Draw(t, "pilot") {
		case 1:
			f.Online = &catalogue.Discount{Percent: rapid.IntRange(1, 100).Draw(t, "percent"), LegalBasis: "NQ"}
		case 2:
			f.Online = &catalogue.Discount{Fixed: vnd.Amount(rapid.Int64Range(1, 60_000_000).Draw(t, "fixed")), LegalBasis: "NQ"}
		}
		groups := map[string]catalogue.Group{"e": {Kind: "exempt", Percent: 100, LegalBasis: "L"}, "r": {Kind: "reduced", Percent: rapid.IntRange(1, 99).Draw(t, "share"), LegalBasis: "L"}}
		var given []Adjustment
		for range rapid.IntRange(0, 4).Draw(t, "adjustments") {
			a := Adjustment{Evidence: "giấy"}
			if rapid.Bool().Draw(t, "by group") {
				a.Group = rapid.SampledFrom([]string{"e", "r"}).Draw(t, "group")
			} else {
				a.Type, a.LegalBasis = rapid.SampledFrom([]string{"exempt", "reduced"}).Draw(t, "type"), "QĐ"
				a.Amount = vnd.Amount(rapid.Int64Range(0, 60_000_000).Draw(t, "amount"))
			}
			given = append(given, a)
		}
		online := rapid.Bool().Draw(t, "online")
		o := NewOrder{Reference: "R", DossierCode: "H10.12-260310-0007", ProcedureCode: "1", AgencyCode: "A", Lines: []NewLine{{FeeCode: "f", Quantity: rapid.IntRange(1, 20).Draw(t, "quantity"), Adjustments: given}}}
		if online {
			o.FilingMode = "online"
		}
		var e fieldErrors
		o.price(&e, map[string]catalogue.Fee{"f": f}, groups, "2026-03-10")
		if len(e) > 0 {
			t.Fatal(e)
		}
		l := o.Lines[0]
		if l.schedule == nil || *l.schedule != 7 || l.LegalBasis != "NQ" {
			t.Fatalf("%+v", l)
		}
		if err := o.Validate(vietnamNoon()); err != nil { // sums hold, every adjustment has its basis and evidence
			t.Fatal(err)
		}
		rank, last, left := map[string]int{"exempt": 0, "reduced": 1, "pilot": 2}, 0, *l.Gross
		pilots := 0
		for _, a := range l.Adjustments {
			if rank[a.Type] < last {
				t.Fatalf("out of order: %+v", l.Adjustments)
			}
			last = rank[a.Type]
			if a.Amount < 0 || a.Amount > left {
				t.Fatalf("%s of the %s that are left: %+v", a.Amount, left, l.Adjustments)
			}
			share := 0
			switch {
			case a.Group != "":
				share = groups[a.Group].Percent
			case a.Type == "pilot":
				pilots++
				share = f.Online.Percent
				if share == 0 && a.Amount != min(left, f.Online.Fixed*vnd.Amount(l.Quantity)) {
					t.Fatalf("fixed: %s of %s", a.Amount, left)
				}
			}
			if share > 0 { // half-up: floor(left·share/100 + 1/2)
				want := new(big.Int).Div(new(big.Int).Add(big.NewInt(2*int64(left)*int64(share)), big.NewInt(100)), big.NewInt(200)).Int64()
				if int64(a.Amount) != want {
					t.Fatalf("%d %% of %s is %d, not %s", share, left, want, a.Amount)
				}
			}
			left -= a.Amount
		}
		if left != *l.Net || *l.Net < 0 || pilots > 0 && !online || pilots > 1 {
			t.Fatalf("net %s, left %s, %d pilots: %+v", *l.Net, left, pilots, l.Adjustments)
		}
	})
}
