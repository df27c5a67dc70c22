package account

import (
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// View is an account as people who look after it see it: whole, and without a secret.
type View struct {
	ID            string                      `json:"id"`
	Provider      string                      `json:"provider"`
	AgencyCode    string                      `json:"agency_code"`
	Terminal      string                      `json:"terminal"`
	Mode          string                      `json:"mode"`
	Kinds         []string                    `json:"kinds"`
	Methods       []string                    `json:"methods"`
	MinAmount     vnd.Amount                  `json:"min_amount"`
	MaxAmount     vnd.Amount                  `json:"max_amount"`
	Tariff        vnd.Tariff                  `json:"tariff"`  // in force today
	Tariffs       []Tariff                    `json:"tariffs"` // that came after the first, the newest first
	BaseURL       string                      `json:"base_url"`
	URLs          map[string]string           `json:"urls"`
	Settings      map[string]string           `json:"settings"`
	Timeouts      map[providers.Operation]int `json:"timeouts"`
	ValidFrom     string                      `json:"valid_from"`
	ValidTo       *string                     `json:"valid_to"`
	Cutoff        string                      `json:"cutoff"`
	Calendar      Calendar                    `json:"calendar"`
	Position      int                         `json:"position"`
	CallbackURL   string                      `json:"callback_url"` // to be registered at the provider
	Usable        bool                        `json:"usable"`
	Problems      []string                    `json:"problems"` // why it takes no payments today
	Secrets       []Secret                    `json:"secrets"`
	Beneficiaries []Beneficiary               `json:"beneficiaries"`
	Version       int                         `json:"version"`
	CreatedAt     time.Time                   `json:"created_at"`
	UpdatedAt     *time.Time                  `json:"updated_at"`
}

// View shows an account; now decides what is in force.
func (s *Store) View(e *Entry) View {
	a := &e.Account
	v := View{ID: a.ID, Provider: a.Provider, AgencyCode: a.AgencyCode, Terminal: a.Terminal, Mode: a.Mode, Kinds: a.Kinds, Methods: append([]string{}, a.Methods...),
		MinAmount: a.MinAmount, MaxAmount: a.MaxAmount, Tariff: a.Tariff, Tariffs: append([]Tariff{}, a.Tariffs...), BaseURL: a.BaseURL, URLs: nonNil(a.URLs), Settings: nonNil(a.Settings), Timeouts: nonNil(a.Timeouts),
		ValidFrom: a.ValidFrom, Cutoff: a.Cutoff, Calendar: a.Calendar, Position: a.Position, CallbackURL: s.CallbackURL(a.Provider, a.ID), Problems: e.Problems(s.now()),
		Secrets: append([]Secret{}, a.Secrets...), Beneficiaries: append([]Beneficiary{}, a.Beneficiaries...), Version: a.Version, CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt}
	if a.ValidTo != "" {
		v.ValidTo = &a.ValidTo
	}
	v.Usable = len(v.Problems) == 0
	return v
}

// Problems says in plain words why an account takes no payments; none: it does.
func (e *Entry) Problems(now time.Time) []string {
	a, day, out := &e.Account, now.In(vietnam).Format(time.DateOnly), []string{}
	if e.Err != nil {
		out = append(out, e.Err.Error())
	}
	if a.Unapproved {
		why := "no beneficiary is approved: an approver must approve the one proposed"
		for _, b := range a.Beneficiaries {
			if b.Status == BeneficiaryApproved && b.EffectiveAt.After(now) {
				why = "its beneficiary is in force from " + b.EffectiveAt.In(vietnam).Format(time.RFC3339) + " on"
			}
		}
		out = append(out, why)
	}
	switch {
	case day < a.ValidFrom:
		out = append(out, "it is in force from "+a.ValidFrom+" on")
	case a.ValidTo != "" && day >= a.ValidTo:
		out = append(out, "it ended: it was in force until before "+a.ValidTo)
	}
	return out
}
