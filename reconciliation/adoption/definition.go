package adoption

import "time"

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
