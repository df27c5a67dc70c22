package reconciliation

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

// What became of a line of an import: every đồng of it is in exactly one of these.
const (
	StandingMatched   = "matched"
	StandingExplained = "explained" // a person explained it, or the bank's own code says what it is
	StandingOpen      = "open"
	StandingNone      = "no_money" // the row says itself that no money moved
)

// BankLine is a movement on a bank account, what it is, and how it stands. Role: payout, deposit, payment, refund, reversal; fee, interest; outflow: the
// agency's own use of its account; unmatched: it belongs to nothing.
type BankLine struct {
	ID          int64      `json:"id" db:"id"`
	ImportID    string     `json:"import_id" db:"import_id"`
	Line        int        `json:"line" db:"line_no"`
	BankAccount string     `json:"bank_account" db:"bank_account"`
	BookedOn    string     `json:"booked_on" db:"booked_on"`
	Amount      vnd.Signed `json:"amount" db:"amount"`
	Reference   string     `json:"bank_reference" db:"reference"`
	Role        string     `json:"role" db:"role"`
	Standing    string     `json:"standing" db:"standing"`
	PayoutID    *string    `json:"payout_id" db:"payout_id"`
	DepositID   *string    `json:"deposit_id" db:"deposit_id"`
	PaymentID   *string    `json:"payment_id" db:"payment_id"`
	Discrepancy *string    `json:"discrepancy" db:"discrepancy"`
	RecordedAt  time.Time  `json:"recorded_at" db:"recorded_at"`
	Agency      *string    `json:"-" db:"agency"` // whose it is; nil: nothing says so
}

// SettledLine is a row of a settlement file and how it stands.
type SettledLine struct {
	ID          int64      `json:"id" db:"id"`
	Line        int64      `json:"line" db:"line_no"`
	Type        string     `json:"type" db:"type"`
	Reference   string     `json:"provider_reference" db:"reference"`
	Transaction string     `json:"provider_transaction" db:"transaction"`
	Amount      vnd.Amount `json:"amount" db:"amount"`
	Fee         vnd.Amount `json:"fee" db:"fee"`
	Net         vnd.Signed `json:"net" db:"net"`
	At          time.Time  `json:"at" db:"at"`
	Standing    string     `json:"standing" db:"standing"`
	PaymentID   *string    `json:"payment_id" db:"payment_id"`
	RefundID    *string    `json:"refund_id" db:"refund_id"`
	Discrepancy *string    `json:"discrepancy" db:"discrepancy"`
}

// Payout is some credits of the bank and the days that they pay out.
type Payout struct {
	ID          string      `json:"id" db:"id"`
	BankAccount string      `json:"bank_account" db:"bank_account"`
	Rule        string      `json:"rule" db:"rule"`
	Reason      string      `json:"reason" db:"reason"`
	Proven      bool        `json:"proven" db:"proven"`
	RecordedBy  string      `json:"recorded_by" db:"recorded_by"`
	RecordedAt  time.Time   `json:"recorded_at" db:"recorded_at"`
	EndedAt     *time.Time  `json:"ended_at" db:"ended_at"`
	Days        []PayoutDay `json:"days" db:"-"`
	Credits     []BankLine  `json:"credits" db:"-"`
}

// PayoutDay is one day of a payout: what its files say net, and what of the credits is its own.
type PayoutDay struct {
	AccountID string     `json:"account_id" db:"account_id"`
	Date      string     `json:"date" db:"date"`
	Net       vnd.Signed `json:"net" db:"net"`
	Amount    vnd.Signed `json:"amount" db:"amount"`
	CountsOn  string     `json:"counts_on" db:"counts_on"`
}

// Credit is one movement of the bank with all that it is made of, and what is missing in it.
type Credit struct {
	BankLine
	Text    string         `json:"text"` // what the bank wrote: it may name people
	Payout  *Payout        `json:"payout"`
	Lines   []SettledLine  `json:"lines"`   // of the days that it pays, at most MaxCreditLines
	More    bool           `json:"more"`    // there are more lines than these
	Missing []MissingMoney `json:"missing"` // of ours on these days that no line has
}

// MissingMoney is a payment or refund of ours that a payout does not have.
type MissingMoney struct {
	Type      string     `json:"type" db:"type"`
	ID        string     `json:"id" db:"id"`
	Reference string     `json:"provider_reference" db:"reference"`
	Amount    vnd.Signed `json:"amount" db:"amount"`
	At        *time.Time `json:"at" db:"at"`
}

// MaxCreditLines bounds what a credit's page lists.
const MaxCreditLines = 1000

// BankFilter says which lines are asked for; "" asks for any.
type BankFilter struct {
	BankAccount, From, To, Standing, Role, ImportID string
	After                                           string // the id of the last line of an earlier answer
	Limit                                           int
}

var digits = regexp.MustCompile(`^\d{1,18}$`)

// BankLines lists the movements of the bank accounts that the caller's agencies have, the oldest first.
func (r *Reconciler) BankLines(ctx context.Context, c gateway.Caller, f BankFilter) (items []BankLine, next string, err error) {
	for _, d := range []struct{ field, value string }{{"from", f.From}, {"to", f.To}} {
		if d.value != "" {
			if err := checkDate(d.field, d.value); err != nil {
				return nil, "", err
			}
		}
	}
	if err := oneOf("standing", f.Standing, StandingMatched, StandingExplained, StandingOpen); err != nil {
		return nil, "", err
	}
	if err := oneOf("role", f.Role, "payout", "deposit", "payment", "refund", "reversal", "fee", "interest", "outflow", "unmatched"); err != nil {
		return nil, "", err
	}
	if f.After != "" && !digits.MatchString(f.After) {
		return nil, "", invalid("after", "must be the next of an earlier answer")
	}
	items, err = r.listBankLines(ctx, c, f)
	if err != nil {
		return nil, "", fmt.Errorf("listing the bank's lines: %w", err)
	}
	if len(items) > f.Limit {
		items = items[:f.Limit]
		next = strconv.FormatInt(items[f.Limit-1].ID, 10)
	}
	return items, next, nil
}

// SettledLines lists the rows of a settlement import with how each stands.
func (r *Reconciler) SettledLines(ctx context.Context, c gateway.Caller, importID, standing, after string, limit int) (items []SettledLine, next string, err error) {
	if err := oneOf("standing", standing, StandingMatched, StandingExplained, StandingOpen, StandingNone); err != nil {
		return nil, "", err
	}
	if after != "" && !digits.MatchString(after) {
		return nil, "", invalid("after", "must be the next of an earlier answer")
	}
	if _, err := r.Import(ctx, c, importID); err != nil {
		return nil, "", err
	}
	items, err = r.settledLines(ctx, `l.import_id = $1 AND ($2 = '' OR standing = $2) AND ($3 = '' OR l.id > nullif($3, '')::bigint)`, limit+1, importID, standing, after)
	if err != nil {
		return nil, "", fmt.Errorf("listing the lines of %s: %w", importID, err)
	}
	if len(items) > limit {
		items = items[:limit]
		next = strconv.FormatInt(items[limit-1].ID, 10)
	}
	return items, next, nil
}
