package gateway

import (
	"encoding/json"
	"fmt"
	"time"

	"feegate/gateway/vnd"
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
	Lines          []lineView        `json:"lines"`
	Payments       []PaymentView     `json:"payments"`
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
	TaxNotice   *TaxNotice   `json:"tax_notice,omitempty"`
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
}

// HistoryView is one change of state.
type HistoryView struct {
	From       string    `json:"from"`
	To         string    `json:"to"`
	Source     string    `json:"source"`
	Detail     string    `json:"detail,omitempty"`
	RecordedAt time.Time `json:"recorded_at"`
}

func viewPayment(p *paymentRow) PaymentView {
	surplus := p.ReceivedAmount - p.AllocatedAmount
	refundable := p.ReceivedAmount - p.ReservedAmount
	if p.Status == PaymentReversed {
		surplus, refundable = 0, 0
	}
	return PaymentView{ID: p.ID, Order: p.OrderID, Status: p.Status, Amount: p.RequestedAmount, RequestedAmount: p.RequestedAmount,
		ReceivedAmount: p.ReceivedAmount, AllocatedAmount: p.AllocatedAmount, SurplusAmount: surplus, RefundableAmount: refundable,
		Provider: p.Provider, AccountID: p.AccountID, ProviderReference: p.ProviderReference, ProviderTransaction: p.ProviderTransaction,
		Channel: p.Channel, InDoubt: p.InDoubt, Reason: p.Reason, CreatedAt: p.CreatedAt, ExpiresAt: p.ExpiresAt, PaidAt: p.PaidAt,
		RecordedAt: p.RecordedAt, Redirect: p.Redirect}
}

func (g *Gateway) viewOrder(o *orderRow, lines []lineRow, payments []paymentRow) (*OrderView, error) {
	v := &OrderView{ID: o.ID, Status: o.Status, Reference: o.Reference, DossierCode: o.DossierCode, ProcedureCode: o.ProcedureCode,
		AgencyCode: o.AgencyCode, FilingMode: o.FilingMode, Amount: o.Amount, PaidAmount: o.PaidAmount, RefundedAmount: o.RefundedAmount,
		Late: o.Late, ReturnURL: o.ReturnURL, Supersedes: o.Supersedes, Metadata: o.Metadata, CreatedAt: o.CreatedAt, ExpiresAt: o.ExpiresAt,
		Lines: []lineView{}, Payments: []PaymentView{}}
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
	for _, l := range lines {
		v.Lines = append(v.Lines, lineView{l.FeeCode, l.Kind, l.Name, l.Quantity, l.UnitAmount, l.Gross, append([]Adjustment{}, l.Adjustments...),
			l.Net, l.Purpose, l.TaxNotice})
	}
	for i := range payments {
		p := viewPayment(&payments[i])
		v.SurplusAmount += p.SurplusAmount
		v.Payments = append(v.Payments, p)
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

// Address is where the payer goes next, "" where there is none.
func (v *PaymentView) Address() string {
	if v.Redirect == nil {
		return ""
	}
	var r struct {
		URL string `json:"url"`
	}
	if json.Unmarshal(*v.Redirect, &r) != nil {
		return ""
	}
	return r.URL
}
