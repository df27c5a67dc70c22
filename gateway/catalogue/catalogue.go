// Package catalogue is what may be charged, by whom, since when: procedures with their agencies and fee schedules, and the reductions
// for filing online. It knows nothing of orders and payments.
//
// It may touch fields, agencies, procedures, procedure_agencies, fee_schedules and pilot_discounts. A schedule is valid on the
// half-open days [valid_from, valid_to).
package catalogue

import (
	"github.com/jmoiron/sqlx"

	"feegate/gateway/vnd"
)

// Procedure is an administrative procedure with the fees that can be charged for it.
type Procedure struct {
	Code        string   `json:"code"`
	Name        string   `json:"name"`
	Field       string   `json:"field"` // its name, for people
	FieldCode   string   `json:"field_code"`
	AgencyCodes []string `json:"agency_codes"`
	Fees        []Fee    `json:"fees"`
}

// Fee is one row of the schedule. No UnitAmount: it is assessed case by case.
type Fee struct {
	FeeCode    string      `json:"fee_code"`
	Kind       string      `json:"kind"`
	Name       string      `json:"name"`
	UnitAmount *vnd.Amount `json:"unit_amount"`
	LegalBasis string      `json:"legal_basis,omitempty"`
	Online     *Discount   `json:"online_discount,omitempty"`
}

// Discount is a pilot reduction for filing online, by a People's Council's resolution.
type Discount struct {
	Percent    int    `json:"percent"`
	LegalBasis string `json:"legal_basis"`
}

// Of gives what the discount takes off an amount, rounded half up to the đồng.
func (d Discount) Of(amount vnd.Amount) vnd.Amount {
	whole, rest := amount/100, amount%100 // so that no product leaves int64
	return whole*vnd.Amount(d.Percent) + (rest*vnd.Amount(d.Percent)+50)/100
}

// Store reads the catalogue.
type Store struct{ db *sqlx.DB }

// New makes a store over a database.
func New(db *sqlx.DB) *Store { return &Store{db} }
