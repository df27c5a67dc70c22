package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// OrderView is an order as the API gives it. It carries no personal data, so that events can hold it as it stands.
type OrderView struct {
	ID             string            `json:"id"`
	Status         string            `json:"status"`
	Reference      string            `json:"reference"`
	DossierCode    string            `json:"dossier_code"`
	ProcedureCode  string            `json:"procedure_code"`
	AgencyCode     string            `json:"agency_code"`
	FilingMode     *string           `json:"filing_mode"`
	Amount         vnd.Amount        `json:"amount"`
	PaidAmount     vnd.Amount        `json:"paid_amount"`
	RefundedAmount vnd.Amount        `json:"refunded_amount"`
	SurplusAmount  vnd.Amount        `json:"surplus_amount"`
	Late           bool              `json:"late"`
	CheckoutURL    string            `json:"checkout_url,omitempty"`
	ReturnURL      string            `json:"return_url,omitempty"`
	Supersedes     *string           `json:"supersedes,omitempty"`
	Metadata       map[string]string `json:"metadata"`
	CreatedAt      time.Time         `json:"created_at"`
	ExpiresAt      time.Time         `json:"expires_at"`
	PricedOn       *string           `json:"priced_on,omitempty"`
	Lines          []lineView        `json:"lines"`
	Payments       []PaymentView     `json:"payments"`
	Refunds        []RefundView      `json:"refunds"`
	Receipts       []ReceiptView     `json:"receipts"`
	Applied        []AppliedView     `json:"applied,omitempty"` // other orders' surplus that pays this one
}

// AppliedView is surplus of another order's payment that pays this order.
type AppliedView struct {
	Payment    string     `json:"payment"`
	Amount     vnd.Amount `json:"amount"`
	RecordedAt time.Time  `json:"recorded_at"`
}

// parts is what belongs to one order.
type parts struct {
	lines    []lineRow
	payments []paymentRow
	refunds  []refundRow
	receipts []receiptRow
	applied  []allocationRow
}

// after lays what is about to be written over what was read, so that an event holds its object as it will stand.
func (b *parts) after(o *orderRow, e *effects) *parts {
	for _, p := range e.payments {
		b.payments = lay(b.payments, p, p.OrderID == o.ID, func(q paymentRow) bool { return q.ID == p.ID })
	}
	for _, c := range e.paymentChanges {
		b.payments = lay(b.payments, c.paymentRow, c.OrderID == o.ID, func(q paymentRow) bool { return q.ID == c.ID })
	}
	for _, r := range e.refunds {
		b.refunds = lay(b.refunds, r, r.OrderID == o.ID, func(q refundRow) bool { return q.ID == r.ID })
	}
	for _, c := range e.refundChanges {
		b.refunds = lay(b.refunds, c.refundRow, c.OrderID == o.ID, func(q refundRow) bool { return q.ID == c.ID })
	}
	for _, r := range e.receipts {
		b.receipts = lay(b.receipts, r, r.OrderID == o.ID, func(q receiptRow) bool { return q == r })
	}
	for _, a := range e.allocations {
		foreign := a.OrderID == o.ID && !slices.ContainsFunc(b.payments, func(q paymentRow) bool { return q.ID == a.PaymentID })
		b.applied = lay(b.applied, a, foreign, func(q allocationRow) bool { return q == a })
	}
	return b
}

// lay puts a row in place of the one that is the same, or at the end.
func lay[T any](rows []T, row T, belongs bool, same func(T) bool) []T {
	if !belongs {
		return rows
	}
	if i := slices.IndexFunc(rows, same); i >= 0 {
		rows[i] = row
		return rows
	}
	return append(rows, row)
}

type lineView struct {
	FeeCode     string       `json:"fee_code"`
	Kind        string       `json:"kind"`
	Name        string       `json:"name"`
	Quantity    int          `json:"quantity"`
	UnitAmount  vnd.Amount   `json:"unit_amount"`
	Gross       vnd.Amount   `json:"gross"`
	Adjustments []Adjustment `json:"adjustments"`
	Net         vnd.Amount   `json:"net"`
	Purpose     string       `json:"purpose,omitempty"`
	LegalBasis  *string      `json:"legal_basis,omitempty"`
	ScheduleID  *int64       `json:"schedule_id,omitempty"` // the row of the schedule that it was priced by
	TaxNotice   *TaxNotice   `json:"tax_notice,omitempty"`
	Assessment  *Assessment  `json:"assessment,omitempty"`
}

// PaymentView is a payment as the API gives it.
type PaymentView struct {
	ID                  string           `json:"id"`
	Order               string           `json:"order"`
	Status              string           `json:"status"`
	Amount              vnd.Amount       `json:"amount"`
	RequestedAmount     vnd.Amount       `json:"requested_amount"`
	ReceivedAmount      vnd.Amount       `json:"received_amount"`
	AllocatedAmount     vnd.Amount       `json:"allocated_amount"`
	SurplusAmount       vnd.Amount       `json:"surplus_amount"`
	RefundedAmount      vnd.Amount       `json:"refunded_amount"`
	RefundableAmount    vnd.Amount       `json:"refundable_amount"`
	Provider            string           `json:"provider"`
	AccountID           *string          `json:"account_id"`
	ProviderReference   string           `json:"provider_reference"`
	ProviderTransaction string           `json:"provider_transaction"`
	Channel             *string          `json:"channel"`
	Evidence            *string          `json:"evidence"` // null but where one payment is asked for
	InDoubt             bool             `json:"in_doubt"`
	Reason              string           `json:"reason,omitempty"`
	CreatedAt           time.Time        `json:"created_at"`
	ExpiresAt           *time.Time       `json:"expires_at"`
	PaidAt              *time.Time       `json:"paid_at"`
	RecordedAt          *time.Time       `json:"recorded_at"`
	Redirect            *json.RawMessage `json:"redirect"`
	History             []HistoryView    `json:"history,omitempty"`
	Refunds             []RefundView     `json:"refunds,omitempty"`
}

// HistoryView is one change of state.
type HistoryView struct {
	From       string    `json:"from" db:"from_status"`
	To         string    `json:"to" db:"to_status"`
	Source     string    `json:"source" db:"source"`
	Detail     string    `json:"detail,omitempty" db:"detail"`
	RecordedAt time.Time `json:"recorded_at" db:"recorded_at"`
}

func viewPayment(p *paymentRow) PaymentView {
	surplus := p.ReceivedAmount - p.AllocatedAmount - p.RefundedSurplus
	refundable := p.ReceivedAmount - p.ReservedAmount
	if p.Status == PaymentReversed {
		surplus, refundable = 0, 0
	}
	return PaymentView{ID: p.ID, Order: p.OrderID, Status: p.Status, Amount: p.RequestedAmount, RequestedAmount: p.RequestedAmount,
		ReceivedAmount: p.ReceivedAmount, AllocatedAmount: p.AllocatedAmount, SurplusAmount: surplus, RefundedAmount: p.RefundedAmount, RefundableAmount: refundable,
		Provider: p.Provider, AccountID: p.AccountID, ProviderReference: p.ProviderReference, ProviderTransaction: p.ProviderTransaction,
		Channel: p.Channel, InDoubt: p.InDoubt, Reason: p.Reason, CreatedAt: p.CreatedAt, ExpiresAt: p.ExpiresAt, PaidAt: p.PaidAt,
		RecordedAt: p.RecordedAt, Redirect: p.Redirect}
}

func (g *Gateway) viewOrder(o *orderRow, b *parts) (*OrderView, error) {
	v := &OrderView{ID: o.ID, Status: o.Status, Reference: o.Reference, DossierCode: o.DossierCode, ProcedureCode: o.ProcedureCode,
		AgencyCode: o.AgencyCode, FilingMode: o.FilingMode, Amount: o.Amount, PaidAmount: o.PaidAmount, RefundedAmount: o.RefundedAmount,
		Late: o.Late, ReturnURL: o.ReturnURL, Supersedes: o.Supersedes, Metadata: o.Metadata, CreatedAt: o.CreatedAt, ExpiresAt: o.ExpiresAt,
		PricedOn: o.PricedOn, Lines: []lineView{}, Payments: []PaymentView{}, Refunds: viewRefunds(b.refunds), Receipts: viewReceipts(b.receipts)}
	if v.Metadata == nil {
		v.Metadata = map[string]string{}
	}
	if o.Status != OrderNoPaymentNeeded {
		u, err := g.CheckoutURL(o.ID)
		if err != nil {
			return nil, err
		}
		v.CheckoutURL = u
	}
	for _, l := range b.lines {
		v.Lines = append(v.Lines, lineView{l.FeeCode, l.Kind, l.Name, l.Quantity, l.UnitAmount, l.Gross, append([]Adjustment{}, l.Adjustments...),
			l.Net, l.Purpose, l.LegalBasis, l.ScheduleID, l.TaxNotice, l.Assessment})
	}
	for i := range b.payments {
		p := viewPayment(&b.payments[i])
		v.SurplusAmount += p.SurplusAmount
		v.Payments = append(v.Payments, p)
	}
	for _, a := range b.applied {
		v.Applied = append(v.Applied, AppliedView{a.PaymentID, a.Amount, a.RecordedAt})
	}
	return v, nil
}

// event makes an outbox row: the bytes to send, holding the object as GET gives it now.
func event(kind string, o *orderRow, data any, now time.Time) (outboxRow, error) {
	id := newID("evt_")
	body, err := json.Marshal(struct {
		ID        string    `json:"id"`
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Version   int       `json:"version"`
		Data      any       `json:"data"`
	}{id, kind, now, 1, data})
	if err != nil {
		return outboxRow{}, fmt.Errorf("event %s: %w", kind, err)
	}
	return outboxRow{EventID: id, Type: kind, ClientID: o.ClientID, SourceSystem: o.SourceSystem, OrderID: o.ID, Body: string(body), RecordedAt: now}, nil
}

// Transfer is what a payer has to transfer, nil where the payment is no transfer.
func (v *PaymentView) Transfer() *providers.TransferTo { return v.redirect().Transfer }

// QRPayload is what a bank's app scans, "" where there is none.
func (v *PaymentView) QRPayload() string { return v.redirect().QRPayload }

func (v *PaymentView) redirect() (r providers.Redirect) {
	if v.Redirect == nil || json.Unmarshal(*v.Redirect, &r) != nil {
		return providers.Redirect{}
	}
	return r
}

// Address is where the payer goes next, "" where there is none.
func (v *PaymentView) Address() string { return v.redirect().URL }

// public is the order as events hold it: without the reasons of refunds, which people wrote.
func (v *OrderView) public() *OrderView {
	w := *v
	w.Refunds = slices.Clone(v.Refunds)
	for i := range w.Refunds {
		w.Refunds[i] = w.Refunds[i].public()
	}
	return &w
}
