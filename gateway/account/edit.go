package account

import (
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// NewAccount is what a person says to open an account.
type NewAccount struct {
	Provider    string                      `json:"provider"`
	AgencyCode  string                      `json:"agency_code"`
	Terminal    string                      `json:"terminal,omitempty"` // where no credential names it
	Mode        string                      `json:"mode,omitempty"`     // live or test; live when empty
	Kinds       []string                    `json:"kinds"`
	Methods     []string                    `json:"methods,omitempty"`    // empty: all that the provider has
	MinAmount   vnd.Amount                  `json:"min_amount,omitempty"` // 0: the provider's
	MaxAmount   vnd.Amount                  `json:"max_amount,omitempty"`
	Tariff      vnd.Tariff                  `json:"tariff"`
	BaseURL     string                      `json:"base_url,omitempty"` // empty: the provider's sandbox, or its only address
	URLs        map[string]string           `json:"urls,omitempty"`
	Timeouts    map[providers.Operation]int `json:"timeouts,omitempty"` // milliseconds
	Settings    map[string]string           `json:"settings,omitempty"`
	Beneficiary Payee                       `json:"beneficiary"`
	ValidFrom   string                      `json:"valid_from,omitempty"` // today when empty
	ValidTo     string                      `json:"valid_to,omitempty"`   // the first day on which it is not in force
	Cutoff      string                      `json:"cutoff,omitempty"`     // 00:00 when empty
	Calendar    *Calendar                   `json:"calendar,omitempty"`   // every day, the next day, when absent
	Credentials map[string]string           `json:"credentials"`
	Position    int                         `json:"position,omitempty"`
}

// Change is what a person changes of an account that exists; nil: it stays. Version is the one that the person saw.
type Change struct {
	Version    int                          `json:"version"`
	Kinds      *[]string                    `json:"kinds,omitempty"`
	Methods    *[]string                    `json:"methods,omitempty"`
	MinAmount  *vnd.Amount                  `json:"min_amount,omitempty"`
	MaxAmount  *vnd.Amount                  `json:"max_amount,omitempty"`
	Tariff     *vnd.Tariff                  `json:"tariff,omitempty"`
	TariffFrom string                       `json:"tariff_from,omitempty"` // a day; today when empty
	ValidFrom  *string                      `json:"valid_from,omitempty"`
	ValidTo    *string                      `json:"valid_to,omitempty"` // "": without end
	Timeouts   *map[providers.Operation]int `json:"timeouts,omitempty"`
	Cutoff     *string                      `json:"cutoff,omitempty"`
	Calendar   *Calendar                    `json:"calendar,omitempty"`
	Position   *int                         `json:"position,omitempty"`
}

// account is the account that was asked for, with what was left out filled in; what is wrong is an *InvalidError.
func (n NewAccount) account(registry providers.Registry, now time.Time) (Account, error) {
	a := Account{Provider: n.Provider, AgencyCode: strings.TrimSpace(n.AgencyCode), Terminal: strings.TrimSpace(n.Terminal), Mode: n.Mode, Kinds: n.Kinds, Methods: n.Methods,
		MinAmount: n.MinAmount, MaxAmount: n.MaxAmount, Tariff: n.Tariff, BaseURL: strings.TrimSuffix(n.BaseURL, "/"), URLs: n.URLs, Timeouts: n.Timeouts, Settings: n.Settings,
		ValidFrom: n.ValidFrom, ValidTo: n.ValidTo, Cutoff: n.Cutoff, Calendar: EveryDay(), Credentials: n.Credentials, Position: n.Position}
	if n.Calendar != nil {
		a.Calendar = *n.Calendar
	}
	payee, f := n.Beneficiary.clean("beneficiary.")
	a.BeneficiaryBank, a.BeneficiaryAccount, a.BeneficiaryName = payee.Bank, payee.Number, payee.Name
	for _, d := range []struct {
		field *string
		value string
	}{{&a.Mode, "live"}, {&a.ValidFrom, now.In(vietnam).Format(time.DateOnly)}, {&a.Cutoff, "00:00"}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	reg, known := registry[a.Provider]
	if !known {
		f.add("provider", "must be one of %s", strings.Join(slices.Sorted(maps.Keys(registry)), ", "))
		return a, f.err()
	}
	a.Registration, a.Capabilities = reg, reg.Capabilities
	if a.Terminal == "" && reg.TerminalField != "" {
		a.Terminal = a.Credentials[reg.TerminalField]
	}
	if a.Terminal == "" && reg.TerminalField == "" {
		a.Terminal = a.BeneficiaryAccount // the bank account is the account
	}
	if a.BaseURL == "" {
		a.BaseURL = reg.DefaultURL
	}
	text(&f, "agency_code", a.AgencyCode, 1, 40)
	text(&f, "terminal", a.Terminal, 1, 100)
	if a.Mode != "live" && a.Mode != "test" {
		f.add("mode", "must be live or test")
	}
	address(&f, "base_url", a.BaseURL)
	for _, purpose := range slices.Sorted(maps.Keys(a.URLs)) {
		if !slices.Contains(reg.Purposes, purpose) {
			f.add("urls."+purpose, "is none of this provider's: %s", orNone(reg.Purposes))
			continue
		}
		address(&f, "urls."+purpose, a.URLs[purpose])
	}
	for _, name := range slices.Sorted(maps.Keys(a.Settings)) {
		if !slices.Contains(reg.Settings, name) {
			f.add("settings."+name, "is none of this provider's: %s", orNone(reg.Settings))
		}
	}
	a.checkTerms(&f)
	checkCredentials(&f, &a, a.Credentials)
	return a, f.err()
}

// checkTerms holds to the rules what may be changed later.
func (a *Account) checkTerms(f *faults) {
	once := func(field string, values, allowed []string) {
		for i, v := range values {
			if !slices.Contains(allowed, v) || slices.Contains(values[:i], v) {
				f.add(field, "must be of %s, each once", strings.Join(allowed, ", "))
				return
			}
		}
	}
	if len(a.Kinds) == 0 {
		f.add("kinds", "must name at least one of phi, le_phi, nvtc")
	}
	once("kinds", a.Kinds, []string{"phi", "le_phi", "nvtc"})
	if len(a.Kinds) > 1 && slices.Contains(a.Kinds, "nvtc") {
		f.add("kinds", "nvtc goes to another beneficiary than phí and lệ phí: an account that takes it takes nothing else")
	}
	var methods []string
	for _, m := range a.Capabilities.Methods {
		if m != providers.MethodAny {
			methods = append(methods, string(m))
		}
	}
	if len(methods) == 0 && len(a.Methods) > 0 {
		f.add("methods", "this provider lets the payer choose: leave them out")
	} else {
		once("methods", a.Methods, methods)
	}
	lo, hi := a.Capabilities.Min, a.Capabilities.Max
	if a.MinAmount != 0 && (a.MinAmount < lo || a.MinAmount > hi) {
		f.add("min_amount", "must be 0 or within the provider's limits, %s to %s", lo, hi)
	}
	if a.MaxAmount != 0 && (a.MaxAmount < lo || a.MaxAmount > hi) {
		f.add("max_amount", "must be 0 or within the provider's limits, %s to %s", lo, hi)
	}
	if a.MaxAmount != 0 && a.MinAmount > a.MaxAmount {
		f.add("max_amount", "is less than min_amount")
	}
	if t := a.Tariff; t.BPS < 0 || t.BPS > 10_000 || t.Max != 0 && t.Min > t.Max {
		f.add("tariff", "bps must be 0 to 10000, and min not above max")
	}
	if !isDate(a.ValidFrom) {
		f.add("valid_from", "must be a day, 2026-01-31 say")
	}
	switch {
	case a.ValidTo != "" && !isDate(a.ValidTo):
		f.add("valid_to", "must be a day, 2026-01-31 say, or empty")
	case a.ValidTo != "" && a.ValidTo <= a.ValidFrom:
		f.add("valid_to", "must be after valid_from: it is the first day on which the account is not in force")
	}
	if !clockTime.MatchString(a.Cutoff) {
		f.add("cutoff", "must be a time of day, 17:30 say")
	}
	a.Calendar.check(f)
	if a.Position < 0 || a.Position > 10_000 {
		f.add("position", "must be 0 to 10000")
	}
	for _, op := range slices.Sorted(maps.Keys(a.Timeouts)) {
		if _, has := a.Registration.Timeouts[op]; !has {
			f.add("timeouts."+string(op), "is no operation of this provider")
		} else if ms := a.Timeouts[op]; ms < 100 || ms > 120_000 {
			f.add("timeouts."+string(op), "must be 100 to 120000 milliseconds")
		}
	}
}

// checkCredentials holds names and form of credentials to what the provider knows; the adapter judges the rest.
func checkCredentials(f *faults, a *Account, given map[string]string) {
	reg := a.Registration
	for _, name := range reg.Credentials {
		if given[name] == "" {
			f.add("credentials."+name, "is missing")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := given[name]
		switch {
		case !slices.Contains(reg.Credentials, name) && !slices.Contains(reg.Optional, name):
			f.add("credentials."+plainName(name), "is none of this provider's: %s", orNone(slices.Concat(reg.Credentials, reg.Optional)))
		case value == "" && !slices.Contains(reg.Credentials, name):
			f.add("credentials."+name, "is empty: leave it out")
		case len(value) > 4096 || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) || value != strings.TrimSpace(value):
			f.add("credentials."+name, "must be on one line, without blanks around it")
		case name == reg.TerminalField && value != a.Terminal:
			f.add("credentials."+name, "is not the account's terminal")
		}
	}
}

// plainName keeps a secret that was written in the place of a name out of the answer.
func plainName(s string) string {
	if len(s) > 24 || strings.ContainsFunc(s, func(r rune) bool { return r != '_' && !(r < utf8.RuneSelf && unicode.IsLetter(r)) }) {
		return "?"
	}
	return s
}

// clean trims what a person wrote of a bank account.
func (p Payee) clean(prefix string) (Payee, faults) {
	var f faults
	p = Payee{strings.TrimSpace(p.Bank), strings.NewReplacer(" ", "", ".", "", "-", "").Replace(p.Number), strings.TrimSpace(p.Name)}
	text(&f, prefix+"bank", p.Bank, 1, 100)
	text(&f, prefix+"name", p.Name, 1, 140)
	if len(p.Number) < 4 || len(p.Number) > 34 || strings.ContainsFunc(p.Number, func(r rune) bool { return !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') }) {
		f.add(prefix+"number", "must be 4 to 34 letters and digits")
	}
	return p, f
}

func text(f *faults, field, s string, lo, hi int) {
	if n := utf8.RuneCountInString(s); n < lo || n > hi || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		f.add(field, "must be %d to %d characters on one line", lo, hi)
	}
}

// address takes https, and http to this machine itself, where a simulator or a proxy of the house listens.
func address(f *faults, field, s string) {
	if s == "" {
		return
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(s) > 500 || strings.ContainsFunc(s, unicode.IsControl):
		f.add(field, "must be an address such as https://api.example.vn, without a user, query or fragment")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
	default:
		f.add(field, "must be https")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "it has none"
	}
	return strings.Join(names, ", ")
}

// apply makes the change to an account that was just read.
func (c *Change) apply(a *Account) {
	set(&a.Kinds, c.Kinds)
	set(&a.Methods, c.Methods)
	set(&a.MinAmount, c.MinAmount)
	set(&a.MaxAmount, c.MaxAmount)
	set(&a.Tariff, c.Tariff)
	set(&a.ValidFrom, c.ValidFrom)
	set(&a.ValidTo, c.ValidTo)
	set(&a.Timeouts, c.Timeouts)
	set(&a.Cutoff, c.Cutoff)
	set(&a.Calendar, c.Calendar)
	set(&a.Position, c.Position)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
