package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"feegate/gateway/catalogue"
	"feegate/gateway/vnd"
)

// Procedures lists the procedures and fees in force on a day ("": today), by code; those alone whose code, name or fee code holds a text,
// where one is given.
func (g *Gateway) Procedures(ctx context.Context, on, holding string, limit int, after string) ([]catalogue.Procedure, string, error) {
	on, err := g.dayOrToday(on)
	if err != nil {
		return nil, "", err
	}
	return g.schedule.Procedures(ctx, on, holding, limit, after)
}

// Agencies gives the name of each agency by its code.
func (g *Gateway) Agencies(ctx context.Context) (map[string]string, error) {
	return g.schedule.Agencies(ctx)
}

// ProcedureName is the name of a procedure, "" where the catalogue has none of that code.
func (g *Gateway) ProcedureName(ctx context.Context, code string) (string, error) {
	return g.schedule.ProcedureName(ctx, code)
}

// priceOrder fills an order in that asks for it, from the schedule valid on the day the dossier was received, and gives that day. What
// the caller gave besides must be what the schedule says. An order that does not ask stays as it is.
func (g *Gateway) priceOrder(ctx context.Context, c Caller, in *NewOrder) (*string, error) {
	if in.Price != "from_schedule" || CheckDossierCode(in.DossierCode) != nil { // Validate says what is wrong with the code
		return nil, nil
	}
	received, err := time.Parse("060102", dossierCode.FindStringSubmatch(in.DossierCode)[1])
	if err != nil {
		return nil, fmt.Errorf("dossier code %s: %w", in.DossierCode, err)
	}
	on := received.Format(time.DateOnly)
	told, err := g.receivedOn(ctx, c.SourceSystem, in.DossierCode)
	if err != nil {
		return nil, err
	}
	if told != "" {
		on = told
	}
	fees, known, err := g.schedule.FeesOf(ctx, in.ProcedureCode, in.AgencyCode, in.FilingMode, on)
	if err != nil {
		return nil, err
	}
	groups, err := g.groupsOf(ctx, in, on)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, &Problem{Name: ProblemInvalid, Fields: []FieldError{{"procedure_code", "is not in the catalogue"}}}
	}
	var e fieldErrors
	in.price(&e, fees, groups, on)
	if len(e) > 0 {
		return nil, &Problem{Name: ProblemInvalid, Fields: e}
	}
	return &on, nil
}

// groupsOf reads the exemption groups of a day where the order names any.
func (g *Gateway) groupsOf(ctx context.Context, in *NewOrder, on string) (map[string]catalogue.Group, error) {
	names := false
	for _, l := range in.Lines {
		for _, a := range l.Adjustments {
			names = names || a.Group != ""
		}
	}
	if !names {
		return nil, nil
	}
	all, err := g.schedule.Groups(ctx, on)
	if err != nil {
		return nil, err
	}
	out := make(map[string]catalogue.Group, len(all))
	for _, x := range all {
		out[x.Code] = x
	}
	return out, nil
}

// price fills every line, then the order's amount.
func (o *NewOrder) price(e *fieldErrors, fees map[string]catalogue.Fee, groups map[string]catalogue.Group, on string) {
	var sum vnd.Amount
	for i := range o.Lines {
		l, at := &o.Lines[i], fmt.Sprintf("lines[%d].", i)
		f, ok := fees[l.FeeCode]
		if !ok {
			e.add(at+"fee_code", "is not in the schedule of procedure %s on %s for this agency and filing mode", o.ProcedureCode, on)
			continue
		}
		l.price(e, at, f, groups, o.FilingMode == "online")
		if l.Net != nil {
			sum += *l.Net
		}
	}
	if len(*e) == 0 {
		fill(e, "amount", &o.Amount, sum)
	}
}

// price fills one line: what the row of the schedule says, then what is taken off.
func (l *NewLine) price(e *fieldErrors, at string, f catalogue.Fee, groups map[string]catalogue.Group, online bool) {
	l.schedule = &f.ID
	if l.Kind == "" {
		l.Kind = f.Kind
	}
	if l.Kind != f.Kind {
		e.add(at+"kind", "is %s in the schedule", f.Kind)
	}
	if l.Name == "" {
		l.Name = f.Name
	}
	if l.LegalBasis == "" {
		l.LegalBasis = f.LegalBasis
	} else if f.LegalBasis != "" && l.LegalBasis != f.LegalBasis {
		e.add(at+"legal_basis", "is %s in the schedule", f.LegalBasis)
	}
	if l.Quantity < 1 || l.Quantity > 9999 {
		e.add(at+"quantity", "1 to 9,999")
		return
	}
	if f.UnitAmount != nil {
		fill(e, at+"unit_amount", &l.UnitAmount, *f.UnitAmount)
	}
	if l.UnitAmount == nil {
		e.add(at+"unit_amount", "is assessed case by case: give the assessed amount")
		return
	}
	if f.UnitAmount == nil && f.Kind != "nvtc" && l.Assessment == nil { // nvtc has its notice
		e.add(at+"assessment.document", "is required: the document by which the amount was assessed")
	}
	gross := vnd.Amount(l.Quantity) * *l.UnitAmount
	if !gross.Valid() {
		e.add(at+"quantity", "makes more than %s", vnd.Max)
		return
	}
	fill(e, at+"gross", &l.Gross, gross)
	fill(e, at+"net", &l.Net, l.adjust(e, at, f, groups, online))
}

// adjust takes off what the line is let off, in this order: exemption, reduction, pilot; each of what the others leave, never below nothing.
// What a group comes to is computed; what is let off on another legal basis is as given. It gives what is left.
func (l *NewLine) adjust(e *fieldErrors, at string, f catalogue.Fee, groups map[string]catalogue.Group, online bool) vnd.Amount {
	type placed struct {
		Adjustment
		field string
	}
	all := make([]placed, 0, len(l.Adjustments)+1)
	for j, a := range l.Adjustments {
		p := placed{a, fmt.Sprintf("%sadjustments[%d].", at, j)}
		if g, known := groups[a.Group]; known {
			p.Type, p.LegalBasis = cmp.Or(p.Type, g.Kind), cmp.Or(p.LegalBasis, g.LegalBasis)
			if p.Type != g.Kind {
				e.add(p.field+"type", "the group is %s", g.Kind)
			}
		} else if a.Group != "" {
			e.add(p.field+"group", "is no exemption group in force on that day")
		}
		if p.Type != "pilot" && a.Evidence == "" {
			e.add(p.field+"evidence", "is missing: without it nothing is taken off")
		}
		all = append(all, p)
	}
	rank := map[string]int{"exempt": 0, "reduced": 1, "pilot": 2}
	slices.SortStableFunc(all, func(a, b placed) int { return rank[a.Type] - rank[b.Type] })
	left, given := *l.Gross, false
	for i := range all {
		a := &all[i]
		var comes vnd.Amount
		switch g, known := groups[a.Group]; {
		case a.Type == "pilot":
			if given {
				e.add(a.field+"type", "the pilot is taken off once")
				continue
			}
			given = true
			if comes = pilotOf(f, left, l.Quantity, online); a.Amount != comes {
				e.add(a.field+"amount", "is %s by the schedule", comes)
			}
		case known:
			if comes = catalogue.Share(left, g.Percent); a.Amount != 0 && a.Amount != comes {
				e.add(a.field+"amount", "is %s by the group", comes)
			}
		default:
			comes = min(a.Amount, left)
		}
		a.Amount = comes
		left -= comes
	}
	l.Adjustments = l.Adjustments[:0:0]
	for _, a := range all {
		l.Adjustments = append(l.Adjustments, a.Adjustment)
	}
	if pilot := pilotOf(f, left, l.Quantity, online); !given && pilot > 0 {
		l.Adjustments = append(l.Adjustments, Adjustment{Type: "pilot", Amount: pilot, LegalBasis: f.Online.LegalBasis, Evidence: "filing_mode online"})
		left -= pilot
	}
	return left
}

// pilotOf is what filing online takes off what is left.
func pilotOf(f catalogue.Fee, left vnd.Amount, quantity int, online bool) vnd.Amount {
	if !online || f.Online == nil || f.Kind == "nvtc" {
		return 0
	}
	return f.Online.Of(left, quantity)
}

// fill puts the schedule's amount where none was given; another one was given in error.
func fill(e *fieldErrors, field string, into **vnd.Amount, amount vnd.Amount) {
	if *into == nil {
		*into = &amount
		return
	}
	if **into != amount {
		e.add(field, "is %s by the schedule", amount)
	}
}
