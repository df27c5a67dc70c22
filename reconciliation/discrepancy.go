package reconciliation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

// Discrepancy is one named difference: what it is about and what it explains. Effect and bank effect are signed, + = we have
// more.
type Discrepancy struct {
	ID         string     `json:"id" db:"id"`
	AccountID  string     `json:"account_id" db:"account_id"`
	Date       string     `json:"date" db:"date"`
	Kind       string     `json:"kind" db:"kind"`
	Status     string     `json:"status" db:"status"`
	Amount     vnd.Signed `json:"amount" db:"amount"`
	Effect     vnd.Signed `json:"effect" db:"effect"`
	BankEffect vnd.Signed `json:"bank_effect" db:"bank_effect"`
	PaymentID  *string    `json:"payment_id" db:"payment_id"`
	RefundID   *string    `json:"refund_id" db:"refund_id"`
	TransferID *string    `json:"transfer_id" db:"transfer_id"`
	LineID     *int64     `json:"-" db:"line_id"`
	Owner      *string    `json:"owner" db:"owner"`
	Deadline   *string    `json:"deadline" db:"deadline"`
	Action     *string    `json:"action" db:"action"`
	RecordedAt time.Time  `json:"recorded_at" db:"recorded_at"`
	ResolvedAt *time.Time `json:"resolved_at" db:"resolved_at"`
}

// Case is a discrepancy with both records side by side and all that was done about it.
type Case struct {
	Discrepancy
	Line        *LineRecord           `json:"line"`
	Ours        *OurRecord            `json:"ours"`
	Transfer    *gateway.TransferView `json:"transfer"` // the bank transfer that belongs to nobody
	History     []Change              `json:"history"`
	Resolutions []Resolution          `json:"resolutions"`
}

// LineRecord is the provider's side: a row of its settlement.
type LineRecord struct {
	ImportID     string     `json:"import_id" db:"import_id"`
	AccountID    string     `json:"account_id" db:"account_id"`
	Date         string     `json:"date" db:"date"`
	LineNo       int64      `json:"line" db:"line_no"`
	Type         string     `json:"type" db:"type"`
	Reference    string     `json:"provider_reference" db:"reference"`
	Transaction  string     `json:"provider_transaction" db:"transaction"`
	Amount       vnd.Amount `json:"amount" db:"amount"`
	Fee          vnd.Amount `json:"fee" db:"fee"`
	Net          vnd.Signed `json:"net" db:"net"`
	At           time.Time  `json:"at" db:"at"`
	OwnDate      string     `json:"own_date" db:"own_date"`
	Status       string     `json:"status" db:"row_status"`
	SupersededAt *time.Time `json:"superseded_at" db:"superseded_at"`
}

// OurRecord is our side: a payment or a refund.
type OurRecord struct {
	ID          string     `json:"id" db:"id"`
	Type        string     `json:"type" db:"type"`
	OrderID     *string    `json:"order" db:"order_id"`
	AccountID   string     `json:"account_id" db:"account_id"`
	Status      string     `json:"status" db:"status"`
	Requested   vnd.Amount `json:"requested_amount" db:"requested"`
	Amount      vnd.Amount `json:"amount" db:"amount"`
	Reference   string     `json:"provider_reference" db:"reference"`
	Transaction string     `json:"provider_transaction" db:"transaction"`
	EffectiveAt *time.Time `json:"effective_at" db:"effective_at"`
}

// Change is one change of a discrepancy.
type Change struct {
	Status     string     `json:"status" db:"status"`
	Effect     vnd.Signed `json:"effect" db:"effect"`
	Actor      string     `json:"actor" db:"actor"`
	Note       string     `json:"note,omitempty" db:"note"`
	RecordedAt time.Time  `json:"recorded_at" db:"recorded_at"`
}

// Filter says which discrepancies are asked for; "" asks for any.
type Filter struct {
	Date, From, To, AccountID, Kind, Status, Owner string
	After                                          string // the next of an earlier answer
	Limit                                          int
}

// Kinds is the closed list of discrepancies.
func Kinds() []string {
	return []string{"missing_at_provider", "missing_at_gateway", "amount_mismatch", "status_mismatch", "duplicate_line", "fee_mismatch", "wrong_account",
		"refund_unmatched", "late", "surplus", "in_doubt", "reversal", "file_missing", "statement_gap", "bank_short", "bank_over", "bank_unmatched"}
}

var cursor = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}~dis_[a-z0-9]{1,60}$`)

// Discrepancies lists what the caller may see, by day; next is "" at the end.
func (r *Reconciler) Discrepancies(ctx context.Context, c gateway.Caller, f Filter) (items []Discrepancy, next string, err error) {
	for _, d := range []struct{ field, value string }{{"date", f.Date}, {"from", f.From}, {"to", f.To}} {
		if d.value != "" {
			if err := checkDate(d.field, d.value); err != nil {
				return nil, "", err
			}
		}
	}
	if err := oneOf("kind", f.Kind, Kinds()...); err != nil {
		return nil, "", err
	}
	if err := oneOf("status", f.Status, "open", "investigating", "resolved"); err != nil {
		return nil, "", err
	}
	if f.After != "" && !cursor.MatchString(f.After) {
		return nil, "", invalid("after", "must be the next of an earlier answer")
	}
	if f.After != "" && checkDate("after", f.After[:len(time.DateOnly)]) != nil {
		return nil, "", invalid("after", "must be the next of an earlier answer")
	}
	if f.AccountID != "" {
		if _, err := r.Account(ctx, c, f.AccountID); err != nil {
			return nil, "", err
		}
	}
	items, err = r.listDiscrepancies(ctx, c, f)
	if err != nil {
		return nil, "", fmt.Errorf("listing discrepancies: %w", err)
	}
	if len(items) > f.Limit {
		items = items[:f.Limit]
		last := items[f.Limit-1]
		next = last.Date + "~" + last.ID
	}
	return items, next, nil
}

// Discrepancy gives one with both records, its history and what was done about it.
func (r *Reconciler) Discrepancy(ctx context.Context, c gateway.Caller, id string) (*Case, error) {
	d, err := r.oneDiscrepancy(ctx, r.db, c, id, false)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("discrepancy")
	}
	if err != nil {
		return nil, fmt.Errorf("reading discrepancy %s: %w", id, err)
	}
	full := &Case{Discrepancy: *d}
	if err := r.fill(ctx, full); err != nil {
		return nil, fmt.Errorf("reading discrepancy %s: %w", id, err)
	}
	if d.TransferID != nil {
		if full.Transfer, err = r.gateway.Transfer(ctx, *d.TransferID); err != nil {
			return nil, fmt.Errorf("reading discrepancy %s: %w", id, err)
		}
	}
	if full.Ours != nil && full.Ours.AccountID != full.AccountID {
		if _, err := r.Account(ctx, c, full.Ours.AccountID); err != nil {
			full.Ours = nil // another agency's payment in this one's file: its number is all there is to see
		}
	}
	return full, nil
}

func oneOf(field, value string, allowed ...string) error {
	if value == "" {
		return nil
	}
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return invalid(field, "must be one of "+strings.Join(allowed, ", "))
}
