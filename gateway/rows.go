package gateway

import (
	"encoding/json"
	"time"

	"feegate/gateway/vnd"
)

// The rows of the record, as the tables have them. Their JSON names are the column names: the writer hands them to the
// database as JSON recordsets, one statement for everything that one decision changes.

type orderRow struct {
	ID             string            `json:"id" db:"id"`
	ClientID       string            `json:"client_id" db:"client_id"`
	SourceSystem   string            `json:"source_system" db:"source_system"`
	Mode           string            `json:"mode" db:"mode"`
	Reference      string            `json:"reference" db:"reference"`
	DossierCode    string            `json:"dossier_code" db:"dossier_code"`
	ProcedureCode  string            `json:"procedure_code" db:"procedure_code"`
	AgencyCode     string            `json:"agency_code" db:"agency_code"`
	FilingMode     *string           `json:"filing_mode" db:"filing_mode"`
	Status         string            `json:"status" db:"status"`
	Amount         vnd.Amount        `json:"amount" db:"amount"`
	PaidAmount     vnd.Amount        `json:"paid_amount" db:"paid_amount"`
	RefundedAmount vnd.Amount        `json:"refunded_amount" db:"refunded_amount"`
	Late           bool              `json:"late" db:"late"`
	Kinds          []string          `json:"kinds" db:"-"`
	ReturnURL      string            `json:"return_url" db:"return_url"`
	Supersedes     *string           `json:"supersedes" db:"supersedes"`
	Metadata       map[string]string `json:"metadata" db:"-"`
	PricedOn       *string           `json:"priced_on" db:"priced_on"`
	CreatedAt      time.Time         `json:"created_at" db:"created_at"`
	ExpiresAt      time.Time         `json:"expires_at" db:"expires_at"`
	SettledAt      *time.Time        `json:"settled_at" db:"settled_at"`
}

type lineRow struct {
	OrderID      string       `json:"order_id"`
	N            int          `json:"n"`
	SourceSystem string       `json:"source_system"`
	DossierCode  string       `json:"dossier_code"`
	FeeCode      string       `json:"fee_code"`
	Purpose      string       `json:"purpose"`
	Kind         string       `json:"kind"`
	Name         string       `json:"name"`
	Quantity     int          `json:"quantity"`
	UnitAmount   vnd.Amount   `json:"unit_amount"`
	Gross        vnd.Amount   `json:"gross"`
	Net          vnd.Amount   `json:"net"`
	Adjustments  []Adjustment `json:"adjustments"`
	TaxNotice    *TaxNotice   `json:"tax_notice"`
	Live         bool         `json:"live"`
	ScheduleID   *int64       `json:"schedule_id"`
	LegalBasis   *string      `json:"legal_basis"`
	Assessment   *Assessment  `json:"assessment"`
}

type payerRow struct {
	OrderID  string `json:"order_id"`
	Sealed   string `json:"sealed"` // \x…
	Relation string `json:"relation"`
}

type keyRow struct {
	Principal string    `json:"principal"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Key       string    `json:"key"`
	BodyHash  string    `json:"body_hash"` // \x…
	ObjectID  string    `json:"object_id"`
	Status    *int      `json:"status"`
	Response  *string   `json:"response"`
	CreatedAt time.Time `json:"created_at"`
}

type paymentRow struct {
	ID                  string           `json:"id" db:"id"`
	OrderID             string           `json:"order_id" db:"order_id"`
	AccountID           *string          `json:"account_id" db:"account_id"`
	Provider            string           `json:"provider" db:"provider"`
	ProviderReference   string           `json:"provider_reference" db:"provider_reference"`
	Status              string           `json:"status" db:"status"`
	Mode                string           `json:"mode" db:"mode"`
	RequestedAmount     vnd.Amount       `json:"requested_amount" db:"requested_amount"`
	ReceivedAmount      vnd.Amount       `json:"received_amount" db:"received_amount"`
	AllocatedAmount     vnd.Amount       `json:"allocated_amount" db:"allocated_amount"`
	ReservedAmount      vnd.Amount       `json:"reserved_amount" db:"reserved_amount"`   // refunds asked for and not rejected
	ReservedSurplus     vnd.Amount       `json:"reserved_surplus" db:"reserved_surplus"` // of it, out of surplus
	RefundedAmount      vnd.Amount       `json:"refunded_amount" db:"refunded_amount"`
	RefundedSurplus     vnd.Amount       `json:"refunded_surplus" db:"refunded_surplus"`
	Method              string           `json:"method" db:"method"`
	InitiatedBy         string           `json:"initiated_by" db:"initiated_by"`
	Place               string           `json:"place" db:"place"`
	Channel             *string          `json:"channel" db:"channel"`
	ChannelRule         *string          `json:"channel_rule" db:"channel_rule"`
	Locale              string           `json:"locale" db:"locale"`
	PayerIP             string           `json:"payer_ip" db:"payer_ip"`
	Description         string           `json:"description" db:"description"`
	Redirect            *json.RawMessage `json:"redirect" db:"redirect"`
	ProviderTransaction string           `json:"provider_transaction" db:"provider_transaction"`
	Code                string           `json:"code" db:"code"`
	Reason              string           `json:"reason" db:"reason"`
	InDoubt             bool             `json:"in_doubt" db:"in_doubt"`
	CreatedAt           time.Time        `json:"created_at" db:"created_at"`
	ExpiresAt           *time.Time       `json:"expires_at" db:"expires_at"`
	PaidAt              *time.Time       `json:"paid_at" db:"paid_at"`
	RecordedAt          *time.Time       `json:"recorded_at" db:"recorded_at"`
	NextLookupAt        *time.Time       `json:"next_lookup_at" db:"next_lookup_at"`
	LastLookupAt        *time.Time       `json:"last_lookup_at" db:"last_lookup_at"`
	LastLookupOutcome   string           `json:"last_lookup_outcome" db:"last_lookup_outcome"`
	Lookups             int              `json:"lookups" db:"lookups"`
	ByTransfer          bool             `json:"by_transfer" db:"by_transfer"` // the payer's bank sends to the agency's account directly

	// Written with a success and not read back with the row.
	TransferID  *string `json:"transfer_id" db:"-"`
	PayerKind   string  `json:"payer_kind" db:"-"`
	PayerBank   string  `json:"payer_bank" db:"-"`
	PayerMasked string  `json:"payer_masked" db:"-"`
	PayerDigest *string `json:"payer_digest" db:"-"` // \x…
}

// transferRow is one movement on a bank account of ours.
type transferRow struct {
	ID            string     `json:"id" db:"id"`
	BankAccount   string     `json:"bank_account" db:"bank_account"`
	AccountID     string     `json:"account_id" db:"account_id"`
	Direction     string     `json:"direction" db:"direction"`
	Amount        vnd.Amount `json:"amount" db:"amount"`
	BankReference string     `json:"bank_reference" db:"bank_reference"`
	Reference     string     `json:"reference" db:"reference"`
	Ambiguous     bool       `json:"ambiguous" db:"ambiguous"`
	WrongAccount  bool       `json:"wrong_account" db:"wrong_account"`
	ContentDigest string     `json:"content_digest" db:"-"` // \x…
	ContentSealed string     `json:"content_sealed" db:"-"` // \x…
	PayerKind     string     `json:"payer_kind" db:"payer_kind"`
	PayerBank     string     `json:"payer_bank" db:"payer_bank"`
	PayerMasked   string     `json:"payer_masked" db:"payer_masked"`
	PayerDigest   *string    `json:"payer_digest" db:"-"` // \x…
	At            time.Time  `json:"at" db:"at"`
	RecordedAt    time.Time  `json:"recorded_at" db:"recorded_at"`
}

// tellingRow says that a source told of a movement.
type tellingRow struct {
	AccountID  string    `json:"account_id"`
	SourceID   string    `json:"source_id"`
	TransferID string    `json:"transfer_id"`
	ToldBy     string    `json:"told_by"`
	Owns       bool      `json:"owns"` // the movement is on the teller's own account
	RecordedAt time.Time `json:"recorded_at"`
}

type refundRow struct {
	ID                  string     `json:"id" db:"id"`
	PaymentID           string     `json:"payment_id" db:"payment_id"`
	OrderID             string     `json:"order_id" db:"order_id"` // whose allocated money it takes; the payment's own where it takes none
	AccountID           *string    `json:"account_id" db:"account_id"`
	Status              string     `json:"status" db:"status"`
	Amount              vnd.Amount `json:"amount" db:"amount"`
	SurplusPart         vnd.Amount `json:"surplus_part" db:"surplus_part"`
	AllocatedPart       vnd.Amount `json:"allocated_part" db:"allocated_part"`
	Reason              string     `json:"reason" db:"reason"`
	Manual              bool       `json:"manual" db:"manual"`
	ProviderReference   string     `json:"provider_reference" db:"provider_reference"`
	ProviderTransaction string     `json:"provider_transaction" db:"provider_transaction"`
	Code                string     `json:"code" db:"code"`
	RequestedBy         string     `json:"requested_by" db:"requested_by"`
	RequestedAt         time.Time  `json:"requested_at" db:"requested_at"`
	DecidedBy           *string    `json:"decided_by" db:"decided_by"`
	DecidedAt           *time.Time `json:"decided_at" db:"decided_at"`
	SubmittedAt         *time.Time `json:"submitted_at" db:"submitted_at"`
	Sends               int        `json:"sends" db:"sends"`
	InDoubt             bool       `json:"in_doubt" db:"in_doubt"`
	EffectiveAt         *time.Time `json:"effective_at" db:"effective_at"`
	RecordedAt          *time.Time `json:"recorded_at" db:"recorded_at"`
	NextLookupAt        *time.Time `json:"next_lookup_at" db:"next_lookup_at"`
	Lookups             int        `json:"lookups" db:"lookups"`
	LastLookupAt        *time.Time `json:"last_lookup_at" db:"last_lookup_at"`
	ToBank              string     `json:"to_bank" db:"to_bank"`
	ToMasked            string     `json:"to_masked" db:"to_masked"`
	ListedBy            *string    `json:"listed_by" db:"listed_by"`
}

// applicationRow is surplus proposed for another order.
type applicationRow struct {
	ID         string     `json:"id" db:"id"`
	PaymentID  string     `json:"payment_id" db:"payment_id"`
	OrderID    string     `json:"order_id" db:"order_id"`
	Amount     vnd.Amount `json:"amount" db:"amount"`
	Status     string     `json:"status" db:"status"`
	Note       string     `json:"note" db:"note"`
	ProposedBy string     `json:"proposed_by" db:"proposed_by"`
	ProposedAt time.Time  `json:"proposed_at" db:"proposed_at"`
	DecidedBy  *string    `json:"decided_by" db:"decided_by"`
	DecidedAt  *time.Time `json:"decided_at" db:"decided_at"`
}

// receiptRow is what the agency's own e-receipt service issued; feegate issues none.
type receiptRow struct {
	OrderID    string    `json:"order_id" db:"order_id"`
	Kind       string    `json:"kind" db:"kind"`
	Series     string    `json:"series" db:"series"`
	Number     string    `json:"number" db:"number"`
	PDFSHA256  string    `json:"pdf_sha256" db:"pdf_sha256"`
	RecordedBy string    `json:"recorded_by" db:"recorded_by"`
	RecordedAt time.Time `json:"recorded_at" db:"recorded_at"`
}

type allocationRow struct {
	PaymentID  string     `json:"payment_id"`
	OrderID    string     `json:"order_id"`
	N          int        `json:"n"`
	Amount     vnd.Amount `json:"amount"`
	RecordedAt time.Time  `json:"recorded_at"`
}

type reversalRow struct {
	PaymentID   string    `json:"payment_id"`
	Source      string    `json:"source"`
	EffectiveAt time.Time `json:"effective_at"`
	RecordedAt  time.Time `json:"recorded_at"`
}

// auditRow is what a person did about money, written with the deed: neither is there without the other.
type auditRow struct {
	RecordedAt time.Time         `json:"recorded_at"`
	ActorKind  string            `json:"actor_kind"`
	Actor      string            `json:"actor"`
	Action     string            `json:"action"`
	Object     string            `json:"object"`
	Address    string            `json:"address"`
	RequestID  string            `json:"request_id"`
	Detail     map[string]string `json:"detail"`
}

type historyRow struct {
	ObjectID   string    `json:"object_id"`
	FromStatus string    `json:"from_status"`
	ToStatus   string    `json:"to_status"`
	Source     string    `json:"source"`
	Actor      string    `json:"actor"`
	Detail     string    `json:"detail"`
	RecordedAt time.Time `json:"recorded_at"`
}

type moveRow struct {
	CauseType   string     `json:"cause_type"`
	CauseID     string     `json:"cause_id"`
	Leg         string     `json:"leg"`
	FromAccount string     `json:"from_account"`
	ToAccount   string     `json:"to_account"`
	Amount      vnd.Amount `json:"amount"`
	AccountID   *string    `json:"account_id"`
	EffectiveAt time.Time  `json:"effective_at"`
	RecordedAt  time.Time  `json:"recorded_at"`
}

type outboxRow struct {
	EventID      string    `json:"event_id"`
	Type         string    `json:"type"`
	ClientID     string    `json:"client_id"`
	SourceSystem string    `json:"source_system"`
	OrderID      string    `json:"order_id"`
	Body         string    `json:"body"`
	RecordedAt   time.Time `json:"recorded_at"`
}

type callbackRow struct {
	ReceivedAt time.Time `json:"received_at"`
	AccountID  string    `json:"account_id"`
	PaymentID  string    `json:"payment_id"`
	Kind       string    `json:"kind"`
	Verdict    string    `json:"verdict"`
	Digest     string    `json:"digest"` // \x…
	Sealed     string    `json:"sealed"` // \x…
}

type lookupRow struct {
	AskedAt   time.Time `json:"asked_at"`
	ObjectID  string    `json:"object_id"`
	AccountID string    `json:"account_id"`
	Outcome   string    `json:"outcome"`
	Code      string    `json:"code"`
	Detail    string    `json:"detail"`
	TookMS    int64     `json:"took_ms"`
}

// orderChange and paymentChange are guarded updates: they hit their row only while it still has the state From.
type orderChange struct {
	orderRow
	From string `json:"from_status"`
	Live bool   `json:"live"`
}

type paymentChange struct {
	paymentRow
	From string `json:"from_status"`
}

type refundChange struct {
	refundRow
	From string `json:"from_status"`
}

type applicationChange struct {
	applicationRow
	From string `json:"from_status"`
}
