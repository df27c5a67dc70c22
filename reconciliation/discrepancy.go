package reconciliation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	BankLineID *int64     `json:"-" db:"bank_line_id"`
	Owner      *string    `json:"owner" db:"owner"`
	Deadline   *string    `json:"deadline" db:"deadline"`
	Action     *string    `json:"action" db:"action"`
	Proposed   *string    `json:"proposed" db:"proposed"` // the action that waits for another person
	Overdue    bool       `json:"overdue" db:"-"`         // not resolved, and its deadline is past
	AgeDays    int        `json:"age_days" db:"-"`        // days since it was opened, until it was resolved
	RecordedAt time.Time  `json:"recorded_at" db:"recorded_at"`
	ResolvedAt *time.Time `json:"resolved_at" db:"resolved_at"`
	Healed     bool       `json:"-" db:"healed"`
	Key        string     `json:"-" db:"sort_key"` // where it stands in a list
}

// see fills what depends on the time at which it is looked at.
func (d *Discrepancy) see(now time.Time) {
	until := now
	if d.ResolvedAt != nil {
		until = *d.ResolvedAt
	}
	d.AgeDays = max(0, int(dayOf(until).Sub(dayOf(d.RecordedAt)).Hours()/24))
	d.Overdue = d.Status != "resolved" && d.Deadline != nil && *d.Deadline < now.In(vietnam).Format(time.DateOnly)
}

// dayOf is the beginning of the business day that a moment lies in.
func dayOf(t time.Time) time.Time {
	y, m, d := t.In(vietnam).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, vietnam)
}

// Case is a discrepancy with both records side by side and all that was done about it.
type Case struct {
	Discrepancy
	Line        *LineRecord           `json:"line"`
	Ours        *OurRecord            `json:"ours"`
	Transfer    *gateway.TransferView `json:"transfer"` // the bank transfer that belongs to nobody
	Bank        *BankRecord           `json:"bank"`     // the statement's line that it is about
	History     []Change              `json:"history"`
	Resolutions []Resolution          `json:"resolutions"`
	Traces      []Trace               `json:"traces"`
	Attachments []Attachment          `json:"attachments"`
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

// BankRecord is the bank's side: a line of its statement. What people wrote on it is not here.
type BankRecord struct {
	ImportID    string     `json:"import_id" db:"import_id"`
	LineNo      int64      `json:"line" db:"line_no"`
	BankAccount string     `json:"bank_account" db:"bank_account"`
	BookedOn    string     `json:"booked_on" db:"booked_on"`
	Amount      vnd.Signed `json:"amount" db:"amount"`
	Reference   string     `json:"reference" db:"reference"`
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

// Change is one change of a discrepancy, and whose it was after it. What says which deed it was; "" is the matching's.
type Change struct {
	What       string     `json:"what" db:"what"`
	Status     string     `json:"status" db:"status"`
	Effect     vnd.Signed `json:"effect" db:"effect"`
	Actor      string     `json:"actor" db:"actor"`
	Note       string     `json:"note,omitempty" db:"note"`
	Owner      *string    `json:"owner" db:"owner"`
	Deadline   *string    `json:"deadline" db:"deadline"`
	RecordedAt time.Time  `json:"recorded_at" db:"recorded_at"`
}

// Kinds is the closed list of discrepancies.
func Kinds() []string {
	return []string{"missing_at_provider", "missing_at_gateway", "amount_mismatch", "status_mismatch", "duplicate_line", "fee_mismatch", "wrong_account",
		"refund_unmatched", "late", "surplus", "in_doubt", "reversal", "file_missing", "statement_gap", "bank_short", "bank_over", "bank_unmatched"}
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
	d.see(r.now())
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
	if full.Line != nil && full.Line.AccountID != full.AccountID {
		if _, err := r.Account(ctx, c, full.Line.AccountID); err != nil {
			full.Line = nil // nor the other way: a row of another agency's file
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
