package adoption

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"feegate/gateway"
)

// Parameters are the numbers of the definition that may be changed by two people, with an effective date; a change is a definition with
// an id of its own. They are printed on every report.
type Parameters struct {
	CoverageGate    int `json:"coverage_gate_percent"`    // below it no target may be called met
	PayerDossiers   int `json:"payer_dossiers"`           // G1: so many dossiers of different applicants …
	PayerDays       int `json:"payer_days"`               // … paid from one account within so many days
	ProvisionalDays int `json:"provisional_working_days"` // G9: success without settlement is a finding after so many working days
	PayoutDays      int `json:"payout_working_days"`      // G9: a settlement without payout too
	SkewHours       int `json:"skew_hours"`               // G12: paid_at and recorded_at differ by more
	CheckoutDays    int `json:"checkout_days"`            // enabled: a checkout passed in the last so many days
}

// DefaultParameters are those of OPR-1.
func DefaultParameters() Parameters {
	return Parameters{CoverageGate: CoverageGate, PayerDossiers: 5, PayerDays: 30, ProvisionalDays: 3, PayoutDays: 3, SkewHours: 24, CheckoutDays: 30}
}

// InForce is a definition as it stands on a day.
type InForce struct {
	ID         string     `json:"id"`
	Parameters Parameters `json:"parameters"`
	ValidFrom  *time.Time `json:"valid_from,omitempty"`
}

// Proposed is a definition with who proposed and who decided it. One that came with the set-up has nobody.
type Proposed struct {
	ID         string     `json:"id" db:"id"`
	Parameters Parameters `json:"parameters" db:"-"`
	ValidFrom  string     `json:"valid_from" db:"valid_from"`
	Reason     string     `json:"reason" db:"reason"`
	Status     string     `json:"status" db:"status"`
	InForce    bool       `json:"in_force" db:"-"` // today
	ProposedBy *string    `json:"proposed_by" db:"proposed_by"`
	ProposedAt *time.Time `json:"proposed_at" db:"proposed_at"`
	DecidedBy  *string    `json:"decided_by" db:"decided_by"`
	DecidedAt  *time.Time `json:"decided_at" db:"decided_at"`
	Note       string     `json:"note" db:"note"`
}

// NewDefinition is what is proposed: all the numbers, so that a definition never depends on another.
type NewDefinition struct {
	ID         string     `json:"id"`
	Parameters Parameters `json:"parameters"`
	ValidFrom  string     `json:"valid_from"`
	Reason     string     `json:"reason"`
}

var definitionID = regexp.MustCompile(`^[A-Z][A-Z0-9]{1,9}(-[0-9]{1,4}(\.[0-9]{1,4})?)$`)

// check holds a proposal to what a definition can be.
func (n *NewDefinition) check(today string) error {
	var fields []gateway.FieldError
	bad := func(field, detail string) { fields = append(fields, gateway.FieldError{Field: field, Detail: detail}) }
	if !definitionID.MatchString(n.ID) {
		bad("id", "must look like OPR-1.1 or OPR-2")
	}
	if day, err := time.ParseInLocation(time.DateOnly, n.ValidFrom, zone); err != nil || day.Year() > 2200 {
		bad("valid_from", "must be a date like 2026-01-31")
	} else if n.ValidFrom < today {
		bad("valid_from", "must not lie in the past: what was reported is not changed")
	}
	if n.Reason = strings.TrimSpace(n.Reason); n.Reason == "" || utf8.RuneCountInString(n.Reason) > 500 || strings.ContainsFunc(n.Reason, unicode.IsControl) {
		bad("reason", "must be 1 to 500 characters on one line")
	}
	p := n.Parameters
	for _, v := range []struct {
		field             string
		value, least, max int
	}{{"coverage_gate_percent", p.CoverageGate, 0, 100}, {"payer_dossiers", p.PayerDossiers, 2, 1000}, {"payer_days", p.PayerDays, 1, 366},
		{"provisional_working_days", p.ProvisionalDays, 1, 60}, {"payout_working_days", p.PayoutDays, 1, 60}, {"skew_hours", p.SkewHours, 1, 720},
		{"checkout_days", p.CheckoutDays, 1, 366}} {
		if v.value < v.least || v.value > v.max {
			bad("parameters."+v.field, fmt.Sprintf("must be %d to %d", v.least, v.max))
		}
	}
	if len(fields) > 0 {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: fields}
	}
	return nil
}
