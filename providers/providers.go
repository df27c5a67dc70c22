// Package providers is what feegate knows of any bank or e-wallet: the interface that each adapter fulfils, the words
// they share (outcome, notice, settlement line), the closed set of errors, and the registry.
//
// A provider turns our payment into its wire and its wire into our words. It keeps no state and no clock of its own, never
// sees the database, and never decides: gateway's one door does. Only providers/<name> may name that provider's fields,
// codes, hosts and signatures.
package providers

import (
	"context"
	"crypto/sha256"
	"io"
	"iter"
	"net/http"
	"time"

	"feegate/gateway/vnd"
)

// Provider is one merchant account at one bank or e-wallet.
type Provider interface {
	// Checkout says where to send the payer. Errors: ErrNotSent (nothing was sent: the payment may fail), ErrRefused and
	// ErrConfig (the provider's clear no), ErrUncertain (anything else: the payment stays pending and is looked up).
	Checkout(context.Context, Payment) (Redirect, error)
	// Lookup asks for the provider's word on a payment. Errors: ErrNotSent, ErrUncertain, ErrConfig.
	Lookup(context.Context, Payment) (Notice, error)
	// LookupPlan says when to ask, and how often at most.
	LookupPlan() LookupPlan
	// Verify authenticates a callback or a payer's return. Errors: ErrForged, ErrMalformed.
	Verify(context.Context, Callback) ([]Notice, error)
	// Answer gives the exact bytes that the provider expects back, for errors too.
	Answer(Result) Reply
	// ParseSettlement reads a settlement file row by row; an error is a *LineError and reading goes on where it can.
	ParseSettlement(io.Reader) iter.Seq2[SettlementLine, error]
}

// Refunder is a provider that can pay back by its interface. One refund per payment is under way at a time.
type Refunder interface {
	// Refund submits once. ErrUncertain: it may have gone through, look it up, never send another.
	Refund(context.Context, Payment, Refund) (RefundNotice, error)
	LookupRefund(context.Context, Payment, Refund) (RefundNotice, error)
	RefundPlan() LookupPlan
}

// Canceller is a provider that can end a payment that nobody has paid yet. A cancelled payment may still be paid by what was
// under way: its success stays money.
type Canceller interface {
	// Cancel asks once. nil: the provider confirms that it cannot be paid any more. Any error: nothing is known by it.
	Cancel(context.Context, Payment) error
}

// ReceiptFetcher is a provider that keeps a document of its own on a payment. It is asked after the payment is recorded, on its
// own: whatever it answers, the payment stays as it is.
type ReceiptFetcher interface {
	// Receipt fetches the document. Errors: ErrNotSent, ErrUncertain, ErrConfig.
	Receipt(context.Context, Payment) (Receipt, error)
}

// Receipt is a provider's document on a payment, as received.
type Receipt struct {
	ContentType string
	Body        []byte
	SHA256      [sha256.Size]byte
}

// TransferFetcher is a bank's notifier that can be asked for the movements on its account: what a lost notification said.
type TransferFetcher interface {
	// Transfers gives what came since a cursor, oldest first, and the next cursor; "" = since yesterday. What came before may
	// be told again. Errors: ErrNotSent, ErrUncertain, ErrConfig.
	Transfers(ctx context.Context, cursor string) (found []Notice, next string, err error)
	// FetchPlan says how often to ask, and how often at most.
	FetchPlan() (every, atLeast time.Duration)
}

// Operation names a kind of call to a provider; breaker, bulkhead and timeout are per account and operation.
type Operation string

// The operations that exist.
const (
	OpCheckout Operation = "checkout"
	OpLookup   Operation = "lookup"
	OpRefund   Operation = "refund"
	OpCancel   Operation = "cancel"
	OpReceipt  Operation = "receipt"
)

// Method is a way to pay that a portal may ask for; "" leaves the choice to the provider's page.
type Method string

// Methods of the contract.
const (
	MethodAny      Method = ""
	MethodQR       Method = "qr"
	MethodWallet   Method = "wallet"
	MethodATM      Method = "atm"
	MethodCard     Method = "card"
	MethodTransfer Method = "transfer"
)

// Account is a merchant account as an adapter needs it.
type Account struct {
	ID          string              // ours, acc_…
	Terminal    string              // the provider's own id of the account
	Credentials []map[string]string // active secrets; sign with the first, verify with any
	BaseURL     string              // the provider's base address, without a trailing slash
	URLs        map[string]string   // overrides per purpose, where one base does not do (see each provider)
	CallbackURL string              // ours, where the provider calls
	ReturnURL   string              // ours, where the payer comes back
	ServerIP    string              // our address as the provider sees it
	Beneficiary Beneficiary         // whose money it is; a transfer goes there directly
	Settings    map[string]string   // what else this provider's wire needs to know and is no secret (see each provider)
}

// Beneficiary is the bank account of the collecting agency.
type Beneficiary struct {
	Bank   string // six digits (BIN), or a name or code by which the bank is known
	Number string
	Name   string // of the holder, as the bank has it
}

// URL is the account's address for a purpose: its override, else the base with path.
func (a Account) URL(purpose, path string) string {
	if u := a.URLs[purpose]; u != "" {
		return u
	}
	return a.BaseURL + path
}

// Deps is what an adapter gets from outside: a client per operation (with its timeout, breaker and bulkhead) and the clock.
type Deps struct {
	HTTP func(Operation) *http.Client
	Now  func() time.Time
}

// Payment is one attempt to pay, as an adapter needs it.
type Payment struct {
	Reference   string // ours at the provider, [A-Za-z0-9]{1,64}, unique for ever; the gateway's own draws have at most 40
	Amount      vnd.Amount
	Description string // Vietnamese, no personal data; the adapter reduces it to what its wire takes
	Method      Method
	PayerIP     string
	Locale      string // vi or en
	CreatedAt   time.Time
	ExpiresAt   time.Time
	Transaction string // the provider's id, once known

	// What is paid for, where a wire wants it told; each may be empty.
	DossierCode                  string
	ProcedureCode, ProcedureName string
	AgencyCode, AgencyName       string
	Lines                        []Line // of the order, in its order; what this payment pays of them makes its amount
}

// Line is one fee of an order.
type Line struct {
	Kind       string // phi, le_phi or nvtc
	Code, Name string
	Amount     vnd.Amount // net
}

// Redirect is where the payer goes next; at least one field is set.
type Redirect struct {
	URL       string      `json:"url,omitempty"`
	QRPayload string      `json:"qr_payload,omitempty"`
	DeepLink  string      `json:"deeplink,omitempty"`
	Transfer  *TransferTo `json:"transfer,omitempty"`
}

// TransferTo is what a payer types who cannot scan the code.
type TransferTo struct {
	BankBIN       string     `json:"bank_bin"`
	BankName      string     `json:"bank_name,omitempty"`
	AccountNumber string     `json:"account_number"`
	AccountName   string     `json:"account_name"`
	Amount        vnd.Amount `json:"amount"`
	Content       string     `json:"content"`
}

// Outcome is what a provider says about a payment or refund, in our words.
type Outcome string

// Outcomes. Only Succeeded, Declined, Failed, Expired and Reversed are a final word.
const (
	Succeeded Outcome = "succeeded"
	Pending   Outcome = "pending"   // a clear "not yet"
	Uncertain Outcome = "uncertain" // money may have moved: ask again, at last a person
	NotFound  Outcome = "not_found" // the provider knows no such payment (yet)
	Declined  Outcome = "declined"  // refused by bank or wallet; nothing taken
	Failed    Outcome = "failed"    // cancelled or technical; nothing taken
	Expired   Outcome = "expired"
	Reversed  Outcome = "reversed" // a recorded success was taken back
)

// Final reports whether the provider will not change this word by itself.
func (o Outcome) Final() bool {
	return o == Succeeded || o == Declined || o == Failed || o == Expired || o == Reversed
}

// Reason is a stable word for why: the pages have a sentence for each.
type Reason string

// Reasons known to the pages.
const (
	ReasonNone              Reason = ""
	ReasonPayerCancelled    Reason = "payer_cancelled"
	ReasonInsufficientFunds Reason = "insufficient_funds"
	ReasonLimitExceeded     Reason = "limit_exceeded"
	ReasonNotEnrolled       Reason = "not_enrolled"
	ReasonWrongDetails      Reason = "wrong_details"
	ReasonAccountLocked     Reason = "account_locked"
	ReasonAuthentication    Reason = "authentication_failed"
	ReasonBankMaintenance   Reason = "bank_maintenance"
	ReasonIssuerRejected    Reason = "issuer_rejected"
	ReasonAccountRestricted Reason = "account_restricted"
	ReasonExpired           Reason = "expired"
	ReasonSuspicious        Reason = "suspicious"    // under suspicion at the provider: in doubt
	ReasonConfiguration     Reason = "configuration" // our set-up or a bug of ours
	ReasonTechnical         Reason = "technical"
	ReasonUnknownCode       Reason = "unknown_code"
)

// Payer is evidence of who paid, where the wire has it.
type Payer struct {
	Kind, Bank, Masked string
	Account            string // as received; gateway keeps only its HMAC digest
}

// Notice is a provider's word on one payment.
type Notice struct {
	Reference   string // ours
	Outcome     Outcome
	Code        string // the provider's code, as received
	Reason      Reason
	Amount      vnd.Amount // what was or would be taken; 0 = the message names none
	Transaction string     // the provider's id
	PaidAt      time.Time  // the provider's word; zero = it gives none
	RequestID   string     // the provider's echo of our request id, where its wire has one and it was wrong: decides nothing
	Doubt       bool       // a claim that its signature does not prove (foreign request id, unkeyed hash …): keep, look up, change nothing
	ReadBy      string     // the version of the wire's description that it was read by; "" = the provider has one reading only
	Payer       *Payer
	Transfer    *Transfer // set: this notice is one bank transfer, money of its own
	Parts       []Notice  // of a look-up: the bank transfers that make it up, each with its Transfer
}

// Transfer is one movement on a bank account, as a notification or the provider's list tells of it. Several may come for one
// reference, each with its own amount, and each is a payment; one whose reference cannot be read (Notice.Reference "") is
// money all the same.
type Transfer struct {
	ID        string // the source's own id: the same whenever it tells of this movement
	Account   string // the account of ours that it came into or left, as the source has it; "" = not told
	Reference string // the bank's id of the movement, the same in every source; "" = not told
	Content   string // as received
	Out       bool   // money left
	Batch     string // of a statement: its import; the movements of one batch are different movements
	DayOnly   bool   // the source dates it by the day alone
	Ambiguous bool   // more than one of our references is in the content
}

// Callback is an incoming request, as received.
type Callback struct {
	Return   bool // true: the payer's browser; false: the provider's server
	Method   string
	RawQuery string
	Header   http.Header
	Body     []byte
}

// Verdict is what became of a callback.
type Verdict string

// Verdicts.
const (
	VerdictRecorded       Verdict = "recorded"  // stored, whatever it said
	VerdictDuplicate      Verdict = "duplicate" // the same was stored before
	VerdictUnknownPayment Verdict = "unknown_payment"
	VerdictAmountMismatch Verdict = "amount_mismatch"
	VerdictForged         Verdict = "forged" // signature or account wrong
	VerdictMalformed      Verdict = "malformed"
	VerdictWrongMethod    Verdict = "wrong_method"
	VerdictFailed         Verdict = "failed"  // our fault: ask the provider to come again
	VerdictNothing        Verdict = "nothing" // genuine, and tells of no money: a test call
)

// Result is what Answer is asked to answer.
type Result struct{ Verdict Verdict }

// Reply is an answer to the byte.
type Reply struct {
	Status      int
	ContentType string
	Body        []byte
}

// LookupPlan says when a payment is asked after. When Early and AfterExpiry are used up: hourly to a day, daily to 35
// days, then a person decides.
type LookupPlan struct {
	Early       []time.Duration // after creation
	AfterExpiry []time.Duration // after the payment's expiry
	AfterReturn time.Duration   // after a payer's return without a callback
	AfterPaid   time.Duration   // after the expiry of what was paid, once, where further money may have come untold; 0 = not asked
	AfterDoubt  time.Duration   // after a wrong amount or a word that asks for a look-up
	MinInterval time.Duration   // never ask twice within
	GiveUpAfter time.Duration   // a payment "not found" this long after its expiry is expired
}

// Refund is one repayment as an adapter needs it.
type Refund struct {
	Reference   string // ours at the provider, unique for ever; the same for each sending
	Amount      vnd.Amount
	Full        bool // the whole received amount
	Description string
	By          string    // who asks, an opaque id
	CreatedAt   time.Time // of the submission; the same for each sending
	Transaction string    // the provider's id of the refund, once known
	SentBefore  bool      // a sending was tried before: a refusal proves nothing
}

// RefundNotice is a provider's word on one refund. Outcome: Succeeded, Pending, Uncertain, NotFound, Declined or Failed.
type RefundNotice struct {
	Outcome     Outcome
	Code        string
	Reason      Reason
	Transaction string
	At          time.Time
}

// LineType is what a settlement row settles.
type LineType string

// Row types of a settlement file.
const (
	LinePayment LineType = "payment"
	LineRefund  LineType = "refund"
	LineTotal   LineType = "total" // the file's own control total, last
)

// SettlementLine is one row of a settlement file in our words. For LineTotal only Line, Rows, Gross, TotalFee, Net count.
type SettlementLine struct {
	Line        int // in the file, the header is 1
	Type        LineType
	Terminal    string
	Reference   string // ours
	Transaction string // the provider's
	Original    string // a refund's original transaction
	Amount, Fee vnd.Amount
	Net         vnd.Signed // ±amount − fee
	Time        time.Time  // of the transaction
	Date        string     // its business day, YYYY-MM-DD in Vietnamese time
	Status      string     // as received
	Success     bool       // the status says that money moved
	PaidTo      string     // the bank account that it was paid into, where the file tells; another than the account's is wrong_account
	// Key is the provider's match key, the same for the same transaction in every file. It holds Transaction, and Reference where there is none.
	Key string

	Rows     int64
	Gross    vnd.Signed
	TotalFee vnd.Amount
}
