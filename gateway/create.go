package gateway

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/vnd"
)

// CreateOrder records a fee order, its lines, the idempotency key and the event in one transaction. Errors are *Problem for
// what the caller can mend.
func (g *Gateway) CreateOrder(ctx context.Context, c Caller, k Key, in NewOrder) (Answer, error) {
	a, e, err := g.prepareOrder(ctx, c, k, &in)
	if err != nil { // what was right when it was first sent is answered as it was then, whatever has become of it
		if a, found, again := g.replay(ctx, k); again != nil || found {
			return a, again
		}
		return Answer{}, err
	}
	if in.Supersedes == "" {
		w := &creation{caller: c, key: k, in: &in, effects: e, answer: a}
		err := g.creating.do(ctx, w)
		return w.answer, err
	}
	return g.createAlone(ctx, &creation{caller: c, key: k, in: &in, effects: e, answer: a})
}

// createAlone writes one order in a transaction of its own.
func (g *Gateway) createAlone(ctx context.Context, w *creation) (Answer, error) {
	if a, found, err := g.replay(ctx, w.key); err != nil || found {
		return a, err
	}
	if err := g.settleSuperseded(ctx, w.caller, w.in.Supersedes); err != nil {
		return Answer{}, err
	}
	write := func(tx *sqlx.Tx) error {
		if w.in.Supersedes != "" {
			if err := g.supersede(ctx, tx, w.caller, w.in.Supersedes, w.effects.orders[0].ID); err != nil {
				return err
			}
		}
		return w.effects.write(ctx, tx)
	}
	err := transact(ctx, g.db, write)
	for n := 0; n < 3 && deadlocked(err); n++ { // a batch held what this one needed, the other way round
		err = transact(ctx, g.db, write)
	}
	if err == nil {
		return w.answer, nil
	}
	return g.refusedOrder(ctx, w.caller, w.key, w.in, err)
}

// prepareOrder checks the order and makes its rows and its answer, writing nothing.
func (g *Gateway) prepareOrder(ctx context.Context, c Caller, k Key, in *NewOrder) (Answer, *effects, error) {
	now := g.now()
	pricedOn, err := g.priceOrder(ctx, c, in)
	if err != nil {
		return Answer{}, nil, err
	}
	if err := in.Validate(now); err != nil {
		return Answer{}, nil, err
	}
	kinds := in.Kinds()
	if err := g.checkKinds(ctx, in.AgencyCode, kinds); err != nil {
		return Answer{}, nil, err
	}
	o := orderRow{ID: newID("ord_"), ClientID: c.ClientID, SourceSystem: c.SourceSystem, Mode: c.Mode, Reference: in.Reference,
		DossierCode: in.DossierCode, ProcedureCode: in.ProcedureCode, AgencyCode: in.AgencyCode, Status: OrderOpen, Amount: *in.Amount,
		Kinds: kinds, ReturnURL: in.ReturnURL, Metadata: in.Metadata, PricedOn: pricedOn, CreatedAt: now, ExpiresAt: now.Add(DefaultLifetime)}
	if o.Metadata == nil {
		o.Metadata = map[string]string{}
	}
	if in.FilingMode != "" {
		o.FilingMode = &in.FilingMode
	}
	if in.ExpiresAt != nil {
		o.ExpiresAt = *in.ExpiresAt
	}
	if in.Supersedes != "" {
		o.Supersedes = &in.Supersedes
	}
	if o.Amount == 0 {
		o.Status = OrderNoPaymentNeeded
	}
	e := &effects{orders: []orderRow{o}, lines: linesOf(&o, in.Lines)}
	view, err := g.viewOrder(&o, &parts{lines: e.lines})
	if err != nil {
		return Answer{}, nil, err
	}
	if in.Payer != nil {
		row, err := g.sealPayer(o.ID, in.Payer)
		if err != nil {
			return Answer{}, nil, err
		}
		e.payers = []payerRow{row}
	}
	created, err := event("order.created", &o, view, now)
	if err != nil {
		return Answer{}, nil, err
	}
	e.outbox = []outboxRow{created}
	body, err := json.Marshal(view)
	if err != nil {
		return Answer{}, nil, fmt.Errorf("order %s: %w", o.ID, err)
	}
	a := Answer{Status: http.StatusCreated, Body: body}
	e.keys = []keyRow{keyed(k, o.ID, &a, now)}
	return a, e, nil
}

// refusedOrder says what a violated constraint means to the caller.
func (g *Gateway) refusedOrder(ctx context.Context, c Caller, k Key, in *NewOrder, err error) (Answer, error) {
	switch violated(err) {
	case "idempotency_keys_pkey":
		a, found, again := g.replay(ctx, k)
		if again != nil || found {
			return a, again
		}
		return Answer{}, fmt.Errorf("idempotency key written and gone: %w", err)
	case "orders_client_id_reference_key":
		id, again := g.orderByReference(ctx, c.ClientID, in.Reference)
		return Answer{}, errors.Join(&Problem{Name: ProblemReferenceUsed, Detail: "this reference was used before", Order: id}, again)
	case "order_lines_live":
		id, status, again := g.orderHolding(ctx, c.SourceSystem, in.DossierCode, in.Lines)
		if again != nil {
			return Answer{}, again
		}
		if status == OrderOpen || status == "" {
			return Answer{}, &Problem{Name: ProblemFeeAlreadyOpen, Detail: "another open order asks for this fee of this dossier", Order: id}
		}
		return Answer{}, &Problem{Name: ProblemFeeAlreadyPaid, Detail: "this fee of this dossier is paid", Order: id}
	case "orders_procedure_code_fkey":
		return Answer{}, &Problem{Name: ProblemInvalid, Fields: []FieldError{{"procedure_code", "is not in the catalogue"}}}
	case "order_lines_schedule_id_fkey":
		return Answer{}, &Problem{Name: ProblemInvalid, Fields: []FieldError{{"price", "the schedule has changed this very moment: send the order again"}}}
	case "orders_agency_code_fkey":
		return Answer{}, &Problem{Name: ProblemInvalid, Fields: []FieldError{{"agency_code", "is not in the catalogue"}}}
	}
	return Answer{}, fmt.Errorf("creating an order: %w", err)
}

// checkKinds refuses an order whose kinds no single account of the agency can take: its money would need two beneficiaries.
func (g *Gateway) checkKinds(ctx context.Context, agency string, kinds []string) error {
	mixed := slices.Contains(kinds, "nvtc") && len(kinds) > 1
	entries, err := g.accounts.ForAgency(ctx, agency)
	if err != nil {
		return err
	}
	if !mixed && slices.ContainsFunc(entries, func(e *accountEntry) bool { return e.Account.Takes(kinds) }) {
		return nil
	}
	if !mixed && len(entries) == 0 {
		return nil // counter money alone; the catalogue decides whether the agency exists
	}
	fees := slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k == "nvtc" })
	groups := []string{}
	if len(fees) > 0 {
		groups = append(groups, strings.Join(fees, "+"))
	}
	if len(fees) < len(kinds) {
		groups = append(groups, "nvtc")
	}
	return &Problem{Name: ProblemMixed, Detail: "no single account of the agency takes these kinds; make one order for each of: " + strings.Join(groups, ", ")}
}

func linesOf(o *orderRow, in []NewLine) []lineRow {
	out := make([]lineRow, 0, len(in))
	for i, l := range in {
		var basis *string
		if l.LegalBasis != "" {
			basis = &l.LegalBasis
		}
		out = append(out, lineRow{ScheduleID: l.schedule, LegalBasis: basis, Assessment: l.Assessment, OrderID: o.ID, N: i + 1, SourceSystem: o.SourceSystem, DossierCode: o.DossierCode, FeeCode: l.FeeCode,
			Purpose: l.Purpose, Kind: l.Kind, Name: l.Name, Quantity: l.Quantity, UnitAmount: *l.UnitAmount, Gross: *l.Gross, Net: *l.Net,
			Adjustments: append([]Adjustment{}, l.Adjustments...), TaxNotice: l.TaxNotice, Live: liveStatus(o.Status)})
	}
	return out
}

func (g *Gateway) sealPayer(orderID string, p *Payer) (payerRow, error) {
	raw, err := json.Marshal(p)
	if err != nil {
		return payerRow{}, fmt.Errorf("payer: %w", err)
	}
	sealed, err := g.keys.Seal(raw, "payer:"+orderID)
	if err != nil {
		return payerRow{}, fmt.Errorf("payer: %w", err)
	}
	relation := p.Relation
	if relation == "" {
		relation = "self"
	}
	return payerRow{OrderID: orderID, Sealed: `\x` + hex.EncodeToString(sealed), Relation: relation}, nil
}

// checkAmount holds a payment's amount to what is owed.
func checkAmount(asked *vnd.Amount, owed vnd.Amount) (vnd.Amount, error) {
	if asked == nil {
		return owed, nil
	}
	if *asked < 1 || *asked > owed {
		return 0, &Problem{Name: ProblemInvalid, Fields: []FieldError{{"amount", fmt.Sprintf("must lie between 1 and the %s still owed", owed)}}}
	}
	return *asked, nil
}
