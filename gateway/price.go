package gateway

import (
	"context"
	"fmt"
	"time"

	"feegate/gateway/catalogue"
	"feegate/gateway/vnd"
)

// Procedures lists the procedures and fees in force today, by code.
func (g *Gateway) Procedures(ctx context.Context, limit int, after string) ([]catalogue.Procedure, string, error) {
	return g.schedule.Procedures(ctx, g.now().In(vietnam).Format(time.DateOnly), limit, after)
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
	fees, known, err := g.schedule.FeesOf(ctx, in.ProcedureCode, on)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, &Problem{Name: ProblemInvalid, Fields: []FieldError{{"procedure_code", "is not in the catalogue"}}}
	}
	var e fieldErrors
	in.price(&e, fees, on)
	if len(e) > 0 {
		return nil, &Problem{Name: ProblemInvalid, Fields: e}
	}
	return &on, nil
}

// price fills every line, then the order's amount.
func (o *NewOrder) price(e *fieldErrors, fees map[string]catalogue.Fee, on string) {
	var sum vnd.Amount
	for i := range o.Lines {
		l, at := &o.Lines[i], fmt.Sprintf("lines[%d].", i)
		f, ok := fees[l.FeeCode]
		if !ok {
			e.add(at+"fee_code", "is not in the schedule of procedure %s on %s", o.ProcedureCode, on)
			continue
		}
		l.price(e, at, f, o.FilingMode == "online")
		if l.Net != nil {
			sum += *l.Net
		}
	}
	if len(*e) == 0 {
		fill(e, "amount", &o.Amount, sum)
	}
}

// price fills one line. The order of reductions is exemption, reduction, pilot: the last is taken off what the others leave.
func (l *NewLine) price(e *fieldErrors, at string, f catalogue.Fee, online bool) {
	if l.Kind == "" {
		l.Kind = f.Kind
	}
	if l.Kind != f.Kind {
		e.add(at+"kind", "is %s in the schedule", f.Kind)
	}
	if l.Name == "" {
		l.Name = f.Name
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
	gross := vnd.Amount(l.Quantity) * *l.UnitAmount
	if !gross.Valid() {
		e.add(at+"quantity", "makes more than %s", vnd.Max)
		return
	}
	fill(e, at+"gross", &l.Gross, gross)
	left, given := gross, -1
	for j, a := range l.Adjustments {
		if a.Type == "pilot" {
			if given >= 0 {
				e.add(fmt.Sprintf("%sadjustments[%d].type", at, j), "the pilot is taken off once")
			}
			given = j
			continue
		}
		left = max(0, left-a.Amount)
	}
	var pilot vnd.Amount
	if online && f.Online != nil && f.Kind != "nvtc" {
		pilot = f.Online.Of(left)
	}
	switch {
	case given >= 0 && l.Adjustments[given].Amount != pilot:
		e.add(fmt.Sprintf("%sadjustments[%d].amount", at, given), "is %s by the schedule", pilot)
	case given < 0 && pilot > 0:
		l.Adjustments = append(l.Adjustments, Adjustment{"pilot", pilot, f.Online.LegalBasis, "filing_mode online"})
	}
	fill(e, at+"net", &l.Net, left-pilot)
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
