package account

import (
	"slices"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// Account is a merchant account: one provider's terminal of one agency.
type Account struct {
	ID                 string                      `json:"id"`
	Provider           string                      `json:"provider"`
	AgencyCode         string                      `json:"agency_code"`
	Terminal           string                      `json:"terminal"`
	Mode               string                      `json:"mode"`
	Kinds              []string                    `json:"kinds"`
	Methods            []string                    `json:"methods"` // empty: all that the provider has
	MinAmount          vnd.Amount                  `json:"min_amount"`
	MaxAmount          vnd.Amount                  `json:"max_amount"`
	Tariff             vnd.Tariff                  `json:"tariff"` // in force today
	Tariffs            []Tariff                    `json:"-"`      // that came after the first, the newest first
	BaseURL            string                      `json:"base_url"`
	URLs               map[string]string           `json:"urls,omitempty"`
	Settings           map[string]string           `json:"settings,omitempty"` // what else the provider's wire needs to know and is no secret
	Timeouts           map[providers.Operation]int `json:"timeouts,omitempty"` // milliseconds
	BeneficiaryAccount string                      `json:"beneficiary_account"`
	BeneficiaryName    string                      `json:"beneficiary_name"`
	BeneficiaryBank    string                      `json:"beneficiary_bank"`
	Beneficiaries      []Beneficiary               `json:"-"` // all that ever were, the newest first
	Unapproved         bool                        `json:"-"` // no beneficiary is in force: the account takes no payment
	ValidFrom          string                      `json:"valid_from"`
	ValidTo            string                      `json:"valid_to,omitempty"`
	Cutoff             string                      `json:"cutoff"` // HH:MM, Vietnamese time
	Calendar           Calendar                    `json:"calendar"`
	Version            int                         `json:"version"`
	CreatedAt          time.Time                   `json:"-"`
	UpdatedAt          *time.Time                  `json:"-"`
	Credentials        map[string]string           `json:"-"` // on creation; stored sealed
	Position           int                         `json:"position"`
	Capabilities       providers.Capabilities      `json:"-"`
	Registration       providers.Registration      `json:"-"`
	Windows            []Window                    `json:"-"` // of maintenance, those not over
	Secrets            []Secret                    `json:"-"` // what is in force, the one that signs first
	timeouts           map[providers.Operation]time.Duration
}

// Takes reports whether the account may take every one of the kinds.
func (a *Account) Takes(kinds []string) bool {
	for _, k := range kinds {
		if !slices.Contains(a.Kinds, k) {
			return false
		}
	}
	return true
}

// Limits gives the smallest and largest amount of one payment by a method: the provider's, narrowed by the account's.
func (a *Account) Limits(m providers.Method) (vnd.Amount, vnd.Amount) {
	lo, hi := a.Capabilities.Min, a.Capabilities.Max
	if p := a.Capabilities.PerAsked[m]; p > lo {
		lo = p
	}
	if a.MinAmount > lo {
		lo = a.MinAmount
	}
	if a.MaxAmount > 0 && a.MaxAmount < hi {
		hi = a.MaxAmount
	}
	return lo, hi
}

// Offers reports whether the account has the method.
func (a *Account) Offers(m providers.Method) bool {
	if m == providers.MethodAny {
		return true
	}
	return slices.Contains(a.Capabilities.Methods, m) && (len(a.Methods) == 0 || slices.Contains(a.Methods, string(m)))
}

// Valid reports whether the account is in force on a business day (YYYY-MM-DD); ValidTo is the first day it is not. One whose
// beneficiary nobody approved is not.
func (a *Account) Valid(day string) bool {
	return !a.Unapproved && a.ValidFrom <= day && (a.ValidTo == "" || day < a.ValidTo)
}

// vietnam has no daylight saving.
var vietnam = time.FixedZone("+07", 7*3600)
