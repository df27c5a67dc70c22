package honesty

import (
	"context"
	"time"

	"feegate/reconciliation/adoption"
)

// Gap is the difference between our dossier rate and the official one by cause (form BM-08). What is not explained says so: each side's
// causes add up to the whole gap.
type Gap struct {
	Official *OfficialImport `json:"official"` // nil: nothing was imported for this period
	Rows     []GapRow        `json:"rows"`
	Total    GapRow          `json:"total"`
}

// GapRow is an agency's gap; no code: in all.
type GapRow struct {
	Agency      Agency   `json:"agency"`
	Numerator   GapSides `json:"numerator"`   // dossiers paid online
	Denominator GapSides `json:"denominator"` // dossiers with a fee
	Missing     int      `json:"missing"`     // official rows without a number: null is not 0
}

// GapSides are ours, by the time of payment, and theirs, with what lies between.
type GapSides struct {
	Ours   int64            `json:"ours"`
	Theirs *int64           `json:"theirs"`
	Gap    *int64           `json:"gap"`    // theirs − ours
	Causes map[string]int64 `json:"causes"` // of Causes; they add up to the gap where there is one
}

// Causes are the names of what a gap is made of, in their order.
func Causes() []string {
	return []string{"start_time", "provisional", "proxy", "mixed", "flag_sent_wrong", "exempt_not_zero", "not_explained"}
}

// OfficialImport is one import of official counts.
type OfficialImport struct {
	ID         string    `json:"id"`
	From       string    `json:"from"`
	To         string    `json:"to"`
	Source     string    `json:"source"`
	FetchedAt  time.Time `json:"fetched_at"`
	SHA256     string    `json:"sha256"`
	Rows       int       `json:"rows"`
	ImportedBy string    `json:"imported_by"`
	RecordedAt time.Time `json:"recorded_at"`
}

// official is what an agency's rows of an import come to.
type official struct {
	online, obliged *int64
	missing         int
}

// side puts a gap together: steps are the causes that we know; the rest of the way to theirs is not explained.
func side(ours int64, theirs *int64, known map[string]int64) GapSides {
	g := GapSides{Ours: ours, Theirs: theirs, Causes: known}
	if theirs == nil {
		return g
	}
	gap, rest := *theirs-ours, *theirs-ours
	for _, n := range known {
		rest -= n
	}
	g.Gap = &gap
	g.Causes["not_explained"] = rest
	return g
}

// row is a gap from what was counted. said: whether the case system told of any flag; where it never did, nothing is known of what was sent.
func gapRow(a Agency, ours adoption.Rate, c counts, o official, said bool) GapRow {
	n := map[string]int64{"start_time": c.flagged - ours.Numerator}
	d := map[string]int64{"start_time": c.obliged - ours.Denominator}
	if said {
		n["provisional"], n["proxy"], n["mixed"], n["flag_sent_wrong"] = c.provisional, c.proxy, c.mixed, c.wrong
		d["exempt_not_zero"] = c.notZero
	}
	return GapRow{Agency: a, Numerator: side(ours.Numerator, o.online, n), Denominator: side(ours.Denominator, o.obliged, d), Missing: o.missing}
}

func (b *Book) gap(ctx context.Context, q Question, s *span, total counts, rows []counts) (g Gap, err error) {
	rate, err := b.adoption.Adoption(ctx, adoption.Question{From: q.From, To: q.To, AsOf: s.asOf.Format(time.RFC3339Nano), GroupBy: "agency", Agencies: q.limited()})
	if err != nil {
		return g, err
	}
	var theirs map[string]official
	if g.Official, theirs, err = b.officialCounts(ctx, q, s); err != nil {
		return g, err
	}
	ours, names := map[string]adoption.Rate{}, map[string]string{}
	for _, r := range rate.Rows {
		ours[r.Group.Code], names[r.Group.Code] = *r.Rates.Dossiers, r.Group.Name
	}
	by := map[string]counts{}
	for _, r := range rows {
		by[r.agency.Code], names[r.agency.Code] = r, r.agency.Name
	}
	for code := range theirs {
		if _, known := names[code]; !known {
			names[code] = ""
		}
	}
	g.Rows = []GapRow{}
	all := official{}
	for _, o := range theirs {
		all.online, all.obliged, all.missing = plus(all.online, o.online), plus(all.obliged, o.obliged), all.missing+o.missing
	}
	for _, code := range sorted(names) {
		if code == "" { // an official row that is not divided stands in the total alone
			continue
		}
		g.Rows = append(g.Rows, gapRow(Agency{code, names[code]}, ours[code], by[code], theirs[code], total.told > 0))
	}
	g.Total = gapRow(Agency{}, *rate.Total.Rates.Dossiers, total, all, total.told > 0)
	return g, nil
}

// plus adds what is known; nothing known is nothing, not 0.
func plus(a, b *int64) *int64 {
	if a == nil || b == nil {
		if a == nil {
			return b
		}
		return a
	}
	sum := *a + *b
	return &sum
}

// limited are the agencies that a question is about: the one asked for, as far as the asker may see it.
func (q Question) limited() []string {
	if q.Agency == "" {
		return q.Agencies
	}
	for _, a := range q.Agencies {
		if a == q.Agency {
			return []string{a}
		}
	}
	if len(q.Agencies) > 0 {
		return []string{" "} // no agency's code: nothing
	}
	return []string{q.Agency}
}
