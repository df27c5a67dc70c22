// Package catalogue is what may be charged, by whom, since when: fields, communes, agencies and who carried on for whom, procedures with
// their versions and fee schedules, the reductions for filing online and the groups that pay less. Of orders it knows only whether a
// schedule row priced any: such a row is ended, never rewritten.
//
// It may touch fields, communes, agencies, the aliases, procedures, procedure_versions, procedure_agencies, fee_schedules,
// pilot_discounts and exemption_groups. A row is valid on the half-open days [valid_from, valid_to).
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
	ID         int64       `json:"-"`
	FeeCode    string      `json:"fee_code"`
	Kind       string      `json:"kind"`
	Name       string      `json:"name"`
	UnitAmount *vnd.Amount `json:"unit_amount"`
	Assessed   bool        `json:"assessed"`
	LegalBasis string      `json:"legal_basis,omitempty"`
	AgencyCode *string     `json:"agency_code,omitempty"` // of one agency alone
	FilingMode string      `json:"filing_mode"`
	ValidFrom  string      `json:"valid_from"`
	ValidTo    *string     `json:"valid_to"`
	Online     *Discount   `json:"online_discount,omitempty"`
}

// Discount is a pilot reduction for filing online, by a People's Council's resolution: a percentage, or a fixed sum of each unit.
type Discount struct {
	Percent    int        `json:"percent,omitempty"`
	Fixed      vnd.Amount `json:"fixed,omitempty"`
	LegalBasis string     `json:"legal_basis"`
}

// Of gives what the discount takes off what is left of so many units: never more than that.
func (d Discount) Of(left vnd.Amount, quantity int) vnd.Amount {
	if d.Percent == 0 {
		return min(left, d.Fixed*vnd.Amount(quantity)) // quantity ≤ 9,999: it stays in int64
	}
	return Share(left, d.Percent)
}

// Share is so many percent of an amount, rounded half up to the đồng.
func Share(amount vnd.Amount, percent int) vnd.Amount {
	whole, rest := amount/100, amount%100 // so that no product leaves int64
	return whole*vnd.Amount(percent) + (rest*vnd.Amount(percent)+50)/100
}

// Group is a group of persons that pays less on a day.
type Group struct {
	Code       string  `json:"code" db:"code"`
	Name       string  `json:"name" db:"name"`
	Kind       string  `json:"kind" db:"kind"`
	Percent    int     `json:"percent" db:"percent"`
	LegalBasis string  `json:"legal_basis" db:"legal_basis"`
	ValidFrom  string  `json:"valid_from" db:"valid_from"`
	ValidTo    *string `json:"valid_to" db:"valid_to"`
}

// Agency is a collecting agency, with who carried on for whom.
type Agency struct {
	Code        string  `json:"code"`
	Name        string  `json:"name"`
	CommuneCode *string `json:"commune_code"`
	Commune     *string `json:"commune"` // its name
	ValidFrom   string  `json:"valid_from"`
	ValidTo     *string `json:"valid_to"`
	Aliases     []Alias `json:"aliases"`      // who carries on for it, since when
	Carries     []Alias `json:"carries_on"`   // for whom it carries on
	Current     string  `json:"current_code"` // who carries on for it on the day, by however many steps; itself where nobody does
}

// Commune is a commune or ward, with who carries on for it.
type Commune struct {
	Code      string  `json:"code"`
	Name      string  `json:"name"`
	ValidFrom string  `json:"valid_from"`
	ValidTo   *string `json:"valid_to"`
	Aliases   []Alias `json:"aliases"`
}

// Alias is one step from a code to the next.
type Alias struct {
	OldCode    string `json:"old_code"`
	NewCode    string `json:"new_code"`
	Since      string `json:"since"`
	LegalBasis string `json:"legal_basis"`
}

// Store reads the catalogue.
type Store struct{ db *sqlx.DB }

// New makes a store over a database.
func New(db *sqlx.DB) *Store { return &Store{db} }
