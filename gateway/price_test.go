package gateway

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"feegate/gateway/catalogue"
	"feegate/gateway/vnd"
	"feegate/providers"
)

func TestPrice(t *testing.T) {
	amount := func(n vnd.Amount) *vnd.Amount { return &n }
	half := &catalogue.Discount{Percent: 50, LegalBasis: "NQ 1"}
	fees := map[string]catalogue.Fee{
		"fixed": {FeeCode: "fixed", Kind: "le_phi", Name: "Lệ phí", UnitAmount: amount(75000), Online: half},
		"odd":   {FeeCode: "odd", Kind: "phi", Name: "Phí", UnitAmount: amount(2001), Online: half},
		"free":  {FeeCode: "free", Kind: "le_phi", Name: "Lệ phí", UnitAmount: amount(100000), Online: &catalogue.Discount{Percent: 100, LegalBasis: "NQ 2"}},
		"less":  {FeeCode: "less", Kind: "phi", Name: "Phí", UnitAmount: amount(60000), Online: &catalogue.Discount{Fixed: 10000, LegalBasis: "NQ 5"}},
		"more":  {FeeCode: "more", Kind: "phi", Name: "Phí", UnitAmount: amount(60000), Online: &catalogue.Discount{Fixed: 70000, LegalBasis: "NQ 5"}},
		"tier":  {FeeCode: "tier", Kind: "phi", Name: "Phí thẩm định"},
		"tax":   {FeeCode: "tax", Kind: "nvtc", Name: "Trước bạ", Online: half},
	}
	groups := map[string]catalogue.Group{"ngheo": {Code: "ngheo", Kind: "exempt", Percent: 100, LegalBasis: "NQ 3"}, "cong": {Code: "cong", Kind: "reduced", Percent: 30, LegalBasis: "NQ 4"}}
	of := func(group string, n vnd.Amount, evidence string) []Adjustment {
		return []Adjustment{{Group: group, Amount: n, Evidence: evidence}}
	}
	exempt := func(n vnd.Amount) []Adjustment {
		return []Adjustment{{Type: "exempt", Amount: n, LegalBasis: "Luật 97", Evidence: "giấy xác nhận"}}
	}
	for name, c := range map[string]struct {
		line  NewLine
		mode  string
		total *vnd.Amount
		want  vnd.Amount // net, where no field is wrong
		wrong string
	}{
		"filled":                       {line: NewLine{FeeCode: "fixed", Quantity: 2}, want: 150000},
		"at the counter no pilot":      {line: NewLine{FeeCode: "fixed", Quantity: 1}, mode: "counter", want: 75000},
		"online":                       {line: NewLine{FeeCode: "fixed", Quantity: 1}, mode: "online", want: 37500},
		"half a đồng goes up":          {line: NewLine{FeeCode: "odd", Quantity: 1}, mode: "online", want: 1000}, // 1000.5 off
		"wholly free":                  {line: NewLine{FeeCode: "free", Quantity: 3}, mode: "online", want: 0},
		"exempted, then the pilot":     {line: NewLine{FeeCode: "fixed", Quantity: 1, Adjustments: exempt(25000)}, mode: "online", want: 25000},
		"never below nothing":          {line: NewLine{FeeCode: "fixed", Quantity: 1, Adjustments: exempt(80000)}, mode: "online", want: 0},
		"a group that pays nothing":    {line: NewLine{FeeCode: "fixed", Quantity: 1, Adjustments: of("ngheo", 0, "giấy")}, mode: "online", want: 0},
		"a group, then the pilot":      {line: NewLine{FeeCode: "odd", Quantity: 1, Adjustments: of("cong", 0, "giấy")}, mode: "online", want: 700}, // 2001 − 600 (600.3) = 1401, − 701 (700.5)
		"a group's own right amount":   {line: NewLine{FeeCode: "fixed", Quantity: 1, Adjustments: of("cong", 22500, "giấy")}, want: 52500},
		"a group's wrong amount":       {line: NewLine{FeeCode: "fixed", Quantity: 1, Adjustments: of("cong", 1, "giấy")}, wrong: "lines[0].adjustments[0].amount"},
		"nobody's group":               {line: NewLine{FeeCode: "fixed", Quantity: 1, Adjustments: of("ai", 0, "giấy")}, wrong: "lines[0].adjustments[0].group"},
		"a group without evidence":     {line: NewLine{FeeCode: "fixed", Quantity: 1, Adjustments: of("ngheo", 0, "")}, wrong: "lines[0].adjustments[0].evidence"},
		"a fixed pilot of each unit":   {line: NewLine{FeeCode: "less", Quantity: 2}, mode: "online", want: 100000},
		"a pilot larger than the fee":  {line: NewLine{FeeCode: "more", Quantity: 1}, mode: "online", want: 0},
		"assessed":                     {line: NewLine{FeeCode: "tier", Quantity: 1, UnitAmount: amount(8000000), Assessment: &Assessment{Document: "TB 12"}}, want: 8000000},
		"a notice has no pilot":        {line: NewLine{FeeCode: "tax", Quantity: 1, UnitAmount: amount(500)}, mode: "online", want: 500},
		"the caller's own right pilot": {line: NewLine{FeeCode: "fixed", Quantity: 1, Adjustments: []Adjustment{{Type: "pilot", Amount: 37500, LegalBasis: "NQ 1", Evidence: "x"}}}, mode: "online", want: 37500},
		"the caller's own wrong pilot": {line: NewLine{FeeCode: "fixed", Quantity: 1, Adjustments: []Adjustment{{Type: "pilot", Amount: 40000, LegalBasis: "NQ 1", Evidence: "x"}}}, mode: "online", wrong: "lines[0].adjustments[0].amount"},
		"a pilot where there is none":  {line: NewLine{FeeCode: "fixed", Quantity: 1, Adjustments: []Adjustment{{Type: "pilot", Amount: 1, LegalBasis: "NQ 1", Evidence: "x"}}}, wrong: "lines[0].adjustments[0].amount"},
		"given and right":              {line: NewLine{FeeCode: "fixed", Kind: "le_phi", Quantity: 1, UnitAmount: amount(75000), Gross: amount(75000), Net: amount(75000)}, total: amount(75000), want: 75000},
		"unknown":                      {line: NewLine{FeeCode: "nobody", Quantity: 1}, wrong: "lines[0].fee_code"},
		"another kind":                 {line: NewLine{FeeCode: "fixed", Kind: "phi", Quantity: 1}, wrong: "lines[0].kind"},
		"another unit":                 {line: NewLine{FeeCode: "fixed", Quantity: 1, UnitAmount: amount(1)}, wrong: "lines[0].unit_amount"},
		"another gross":                {line: NewLine{FeeCode: "fixed", Quantity: 2, Gross: amount(75000)}, wrong: "lines[0].gross"},
		"another net":                  {line: NewLine{FeeCode: "fixed", Quantity: 1, Net: amount(1)}, wrong: "lines[0].net"},
		"another total":                {line: NewLine{FeeCode: "fixed", Quantity: 1}, total: amount(1), wrong: "amount"},
		"assessed by nothing":          {line: NewLine{FeeCode: "tier", Quantity: 1, UnitAmount: amount(8000000)}, wrong: "lines[0].assessment.document"},
		"not assessed":                 {line: NewLine{FeeCode: "tier", Quantity: 1}, wrong: "lines[0].unit_amount"},
		"no quantity":                  {line: NewLine{FeeCode: "fixed"}, wrong: "lines[0].quantity"},
		"more than an amount can be":   {line: NewLine{FeeCode: "tier", Quantity: 9999, UnitAmount: amount(vnd.Max), Assessment: &Assessment{Document: "TB 12"}}, wrong: "lines[0].quantity"},
	} {
		o := NewOrder{ProcedureCode: "1", FilingMode: c.mode, Lines: []NewLine{c.line}, Amount: c.total}
		var e fieldErrors
		o.price(&e, fees, groups, "2026-03-10")
		if c.wrong != "" {
			if len(e) != 1 || e[0].Field != c.wrong {
				t.Errorf("%s: %v, want %s", name, e, c.wrong)
			}
			continue
		}
		l := o.Lines[0]
		if len(e) > 0 || *l.Net != c.want || *o.Amount != c.want || *l.Gross != vnd.Amount(l.Quantity)*(*l.UnitAmount) || l.Name == "" {
			t.Errorf("%s: %v %+v, amount %v, want %s", name, e, l, o.Amount, c.want)
		}
	}
}

// A refund takes what it says, surplus first, and never more of an order than refunds left there.
func TestSplitRefund(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		free := vnd.Amount(rapid.IntRange(0, 50).Draw(t, "surplus"))
		var pays []allocated
		for i := range rapid.IntRange(0, 3).Draw(t, "orders") {
			a := vnd.Amount(rapid.IntRange(1, 50).Draw(t, "allocated"))
			pays = append(pays, allocated{OrderID: string(rune('a' + i)), Amount: a, Reserved: min(a, vnd.Amount(rapid.IntRange(0, 50).Draw(t, "reserved")))})
		}
		asked := vnd.Amount(rapid.IntRange(1, 200).Draw(t, "asked"))
		surplus, part, order := splitRefund(asked, free, pays, "b")
		if surplus != min(asked, free) || surplus+part > asked {
			t.Fatalf("%d: %d of surplus, %d of %s", asked, surplus, part, order)
		}
		i := slices.IndexFunc(pays, func(a allocated) bool { return a.OrderID == order })
		if part > 0 && (i < 0 || part > pays[i].Amount-pays[i].Reserved) {
			t.Fatalf("%d of %s: %+v", part, order, pays)
		}
		own := slices.IndexFunc(pays, func(a allocated) bool { return a.OrderID == "b" && a.Amount > a.Reserved })
		if part > 0 && own >= 0 && order != "b" {
			t.Fatalf("%s before the payment's own order: %+v", order, pays)
		}
	})
}

func TestJudgeRefund(t *testing.T) {
	for _, c := range []struct {
		status  string
		outcome providers.Outcome
		want    RefundDecision
	}{
		{RefundSubmitted, providers.Succeeded, RefundDecision{To: RefundSucceeded}},
		{RefundSubmitted, providers.Declined, RefundDecision{To: RefundFailed}},
		{RefundSubmitted, providers.Failed, RefundDecision{To: RefundFailed}},
		{RefundSubmitted, providers.Pending, RefundDecision{}},
		{RefundSubmitted, providers.Uncertain, RefundDecision{InDoubt: true}},
		{RefundSubmitted, providers.NotFound, RefundDecision{InDoubt: true}}, // unknown is not failed
		{RefundSubmitted, "a new word", RefundDecision{InDoubt: true}},
		{RefundFailed, providers.Succeeded, RefundDecision{To: RefundSucceeded, Contradict: true}},
		{RefundFailed, providers.Failed, RefundDecision{}},
		{RefundSucceeded, providers.Failed, RefundDecision{Verdict: providers.VerdictDuplicate}},
		{RefundApproved, providers.Succeeded, RefundDecision{Verdict: providers.VerdictUnknownPayment}},
		{RefundRequested, providers.Succeeded, RefundDecision{Verdict: providers.VerdictUnknownPayment}},
		{RefundRejected, providers.Succeeded, RefundDecision{Verdict: providers.VerdictUnknownPayment}},
	} {
		if c.want.Verdict == "" {
			c.want.Verdict = providers.VerdictRecorded
		}
		if got := JudgeRefund(c.status, providers.RefundNotice{Outcome: c.outcome}); got != c.want {
			t.Errorf("%s, %s: %+v, want %+v", c.status, c.outcome, got, c.want)
		}
	}
}

func TestCursors(t *testing.T) {
	for _, s := range []string{"x", "!!!", "YQ", "MS4", writeCursor(vietnamNoon(), "ord_\x00"), writeCursor(vietnamNoon(), "")} {
		if _, _, err := readCursor(s); ProblemName(err) != ProblemInvalid {
			t.Errorf("%q: %v", s, err)
		}
	}
	at, id, err := readCursor(writeCursor(vietnamNoon(), "ord_1"))
	if err != nil || id != "ord_1" || !at.Equal(vietnamNoon()) {
		t.Errorf("%v %s %v", at, id, err)
	}
}

func TestWhatNewOrdersMayNotHold(t *testing.T) {
	for field, change := range map[string]func(*NewOrder){
		"supersedes":                   func(o *NewOrder) { o.Supersedes = "ord_\n" },
		"metadata.a":                   func(o *NewOrder) { o.Metadata = map[string]string{"a": "x\x1b[2J"} },
		"metadata.a\r":                 func(o *NewOrder) { o.Metadata = map[string]string{"a\r": "x"} },
		"lines[0].tax_notice.number":   func(o *NewOrder) { o.Lines[0].TaxNotice = &TaxNotice{Number: "1\n2"} },
		"lines[0].tax_notice.tax_code": func(o *NewOrder) { o.Lines[0].TaxNotice = &TaxNotice{Number: "1", TaxCode: "\x7f"} },
		"lines[0].tax_notice.chapter":  func(o *NewOrder) { o.Lines[0].TaxNotice = &TaxNotice{Number: "1", Chapter: "\t"} },
		"lines[0].tax_notice.sub_item": func(o *NewOrder) { o.Lines[0].TaxNotice = &TaxNotice{Number: "1", SubItem: "123456789012345678901"} },
	} {
		n := vnd.Amount(5)
		o := NewOrder{Reference: "R", DossierCode: "H10.12-260310-0007", ProcedureCode: "1", AgencyCode: "H10.12", Amount: &n,
			Lines: []NewLine{{FeeCode: "F", Kind: "phi", Name: "Phí", Quantity: 1, UnitAmount: &n, Gross: &n, Net: &n}}}
		if err := o.Validate(vietnamNoon()); err != nil {
			t.Fatal(err)
		}
		change(&o)
		var p *Problem
		if err := o.Validate(vietnamNoon()); !asProblem(err, &p) || len(p.Fields) != 1 || p.Fields[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func vietnamNoon() time.Time { return time.Date(2026, 3, 10, 12, 0, 0, 0, vietnam) }

func asProblem(err error, p **Problem) bool { return errors.As(err, p) }
