package honesty

import (
	"context"
	"strings"
	"time"

	"feegate/reconciliation/adoption"
)

// Enabled is which fee-bearing procedures could be paid online on a day, and which really were in a period (form BM-02).
type Enabled struct {
	Definition string          `json:"definition"`
	On         string          `json:"on"`
	Period     adoption.Period `json:"period"`
	AsOf       time.Time       `json:"as_of"`
	Rates      EnabledRates    `json:"rates"`
	Target     adoption.Target `json:"target"` // 100 %
	Items      []Procedure     `json:"items"`
}

// EnabledRates are A and A_live.
type EnabledRates struct {
	Enabled adoption.Rate `json:"enabled"`
	Live    adoption.Rate `json:"live"` // with at least one confirmed online payment in the period
}

// Procedure is a fee-bearing procedure.
type Procedure struct {
	Code      string    `json:"code"`
	Name      string    `json:"name"`
	Field     string    `json:"field"`
	Kinds     []string  `json:"kinds"`
	Agencies  int       `json:"agencies"`
	Enabled   bool      `json:"enabled"`
	Live      bool      `json:"live"`
	Payments  int64     `json:"payments"` // counted as online in the period
	Reasons   []Missing `json:"reasons"`  // why it is not enabled
	Because   string    `json:"because"`
	BecauseVI string    `json:"because_vi"`
}

// Missing is what an agency lacks for a kind.
type Missing struct {
	Agency string `json:"agency_code"`
	Kind   string `json:"kind"`
	Why    string `json:"why"` // no_agency, no_account, no_beneficiary, no_checkout
}

var whyWords = map[string]said{
	"no_agency":      {"no agency offers it", "chưa có đơn vị nào thực hiện"},
	"no_account":     {"no account in force takes this kind", "chưa có tài khoản nhận loại khoản thu này"},
	"no_beneficiary": {"no account of this kind has an approved beneficiary", "tài khoản chưa có người thụ hưởng được duyệt"},
	"no_checkout":    {"no checkout passed lately", "gần đây không có lần thanh toán nào được nhà cung cấp nhận"},
}

var kindWords = map[string]said{"phi": {"phí", "phí"}, "le_phi": {"lệ phí", "lệ phí"}, "nvtc": {"land obligations", "nghĩa vụ tài chính"}}

// tell writes why a procedure is not enabled: each reason once, with how many agencies it concerns.
func (p *Procedure) tell() {
	type key struct{ why, kind string }
	seen, order := map[key][]string{}, []key{}
	for _, m := range p.Reasons {
		k := key{m.Why, m.Kind}
		if seen[k] == nil {
			order = append(order, k)
		}
		seen[k] = append(seen[k], m.Agency)
	}
	var en, vi []string
	for _, k := range order {
		at, where := "", ""
		if agencies := strings.Join(seen[k][:min(len(seen[k]), 5)], ", "); agencies != "" {
			if len(seen[k]) > 5 {
				agencies += ", …"
			}
			at, where = " at "+agencies, " tại "+agencies
		}
		if k.kind != "" {
			at, where = " ("+kindWords[k.kind].en+")"+at, " ("+kindWords[k.kind].vi+")"+where
		}
		en, vi = append(en, whyWords[k.why].en+at), append(vi, whyWords[k.why].vi+where)
	}
	p.Because, p.BecauseVI = strings.Join(en, "; "), strings.Join(vi, "; ")
}

// Enabled answers which procedures can be paid online. on is a day, from and to the period in which payments are looked for; where absent
// today, and the month up to on. asOf is a time as in a Question; "" is now.
func (b *Book) Enabled(ctx context.Context, on, from, to, asOf string, agencies []string) (*Enabled, error) {
	now := b.now().In(zone)
	var bad faults
	if on == "" {
		on = now.Format(time.DateOnly)
	}
	day := dayOf(&bad, "on", on)
	if len(bad) == 0 && day.After(now) {
		bad.add("on", "lies in the future")
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	if to == "" {
		to = on
	}
	if from == "" {
		from = day.AddDate(0, 0, 1-day.Day()).Format(time.DateOnly)
	}
	q := Question{From: from, To: to, AsOf: asOf, Agencies: agencies}
	s, err := q.read(now)
	if err != nil {
		return nil, err
	}
	definition, p, err := b.definition(ctx, day)
	if err != nil {
		return nil, err
	}
	until := day.AddDate(0, 0, 1).Add(-time.Microsecond) // the day's end, or now
	if until.After(s.asOf) {
		until = s.asOf
	}
	e := &Enabled{Definition: definition, On: on, Period: adoption.Period{From: from, To: to}, AsOf: s.asOf}
	if e.Items, err = b.procedures(ctx, on, until, p.CheckoutDays, agencies); err != nil {
		return nil, err
	}
	rate, err := b.adoption.Adoption(ctx, adoption.Question{From: from, To: to, AsOf: s.asOf.Format(time.RFC3339Nano), GroupBy: "procedure", Agencies: agencies})
	if err != nil {
		return nil, err
	}
	paid := map[string]int64{}
	for _, r := range rate.Rows {
		paid[r.Group.Code] = r.Rates.Transactions.Numerator
	}
	var enabled, live int64
	for i := range e.Items {
		x := &e.Items[i]
		x.Payments, x.Enabled = paid[x.Code], len(x.Reasons) == 0
		x.Live = x.Payments > 0
		x.tell()
		if x.Enabled {
			enabled++
		}
		if x.Live {
			live++
		}
	}
	n := int64(len(e.Items))
	e.Rates = EnabledRates{adoption.RateOf(enabled, n), adoption.RateOf(live, n)}
	e.Target = adoption.Target{Percent: 10_000, Status: adoption.NotMet}
	switch {
	case n == 0:
		e.Target.Status = adoption.NotEnoughData
	case enabled == n:
		e.Target.Status = adoption.Met
	}
	return e, nil
}
