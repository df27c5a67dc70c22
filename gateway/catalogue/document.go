package catalogue

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"feegate/gateway/vnd"
)

// Document is what an administrator sends: any of the sections, each with the rows that are to hold. What it does not name stays as it is.
type Document struct {
	Fields          []FieldRow     `json:"fields,omitempty"`
	Communes        []CommuneRow   `json:"communes,omitempty"`
	Agencies        []AgencyRow    `json:"agencies,omitempty"`
	AgencyAliases   []AliasRow     `json:"agency_aliases,omitempty"`
	CommuneAliases  []AliasRow     `json:"commune_aliases,omitempty"`
	Procedures      []ProcedureRow `json:"procedures,omitempty"`
	FeeSchedules    []ScheduleRow  `json:"fee_schedules,omitempty"`
	PilotDiscounts  []PilotRow     `json:"pilot_discounts,omitempty"`
	ExemptionGroups []GroupRow     `json:"exemption_groups,omitempty"`
}

// Sections are the names of a document's sections, in the order in which they are written.
func Sections() []string {
	return []string{"fields", "communes", "agencies", "agency_aliases", "commune_aliases", "procedures", "fee_schedules", "pilot_discounts", "exemption_groups"}
}

// MaxRows is the longest section.
const MaxRows = 20_000

// FieldRow is a sector (lĩnh vực).
type FieldRow struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

// CommuneRow is a commune or ward. What is absent stays, or is the default of a new one.
type CommuneRow struct {
	Code      string  `json:"code"`
	Name      string  `json:"name"`
	ValidFrom *string `json:"valid_from,omitempty"`
	ValidTo   *string `json:"valid_to,omitempty"`
}

// AgencyRow is a collecting agency.
type AgencyRow struct {
	Code        string  `json:"code"`
	Name        string  `json:"name"`
	CommuneCode *string `json:"commune_code,omitempty"`
	Position    *int    `json:"position,omitempty"`
	ValidFrom   *string `json:"valid_from,omitempty"`
	ValidTo     *string `json:"valid_to,omitempty"`
}

// AliasRow says who carries on since a day. What was filed keeps its code; reports can be cut either way.
type AliasRow struct {
	OldCode    string `json:"old_code"`
	NewCode    string `json:"new_code"`
	Since      string `json:"since"`
	LegalBasis string `json:"legal_basis"`
	Withdrawn  bool   `json:"withdrawn,omitempty"` // it was said in error
}

// ProcedureRow is a version of a procedure: what it is called and where it belongs, on [valid_from, valid_to).
type ProcedureRow struct {
	Code        string    `json:"code"`
	Name        string    `json:"name"`
	FieldCode   string    `json:"field_code"`
	LegalBasis  string    `json:"legal_basis"`
	ValidFrom   string    `json:"valid_from"`
	ValidTo     string    `json:"valid_to,omitempty"`
	AgencyCodes *[]string `json:"agency_codes,omitempty"` // who takes it; absent: as it is
}

// ScheduleRow is what a fee comes to on [valid_from, valid_to): for all agencies or one, however the dossier is filed or one way.
type ScheduleRow struct {
	FeeCode       string      `json:"fee_code"`
	ProcedureCode string      `json:"procedure_code"`
	Name          string      `json:"name"`
	Kind          string      `json:"kind"`
	UnitAmount    *vnd.Amount `json:"unit_amount"`
	Assessed      bool        `json:"assessed"` // no unit_amount: case by case, by a document
	LegalBasis    string      `json:"legal_basis"`
	AgencyCode    *string     `json:"agency_code,omitempty"`
	FilingMode    string      `json:"filing_mode,omitempty"` // any when absent
	ValidFrom     string      `json:"valid_from"`
	ValidTo       string      `json:"valid_to,omitempty"`
}

// PilotRow is a reduction for filing online: a percentage, or a fixed sum of each unit.
type PilotRow struct {
	FeeCode    string      `json:"fee_code"`
	Percent    *int        `json:"percent,omitempty"`
	Fixed      *vnd.Amount `json:"fixed,omitempty"`
	LegalBasis string      `json:"legal_basis"`
	ValidFrom  string      `json:"valid_from"`
	ValidTo    string      `json:"valid_to,omitempty"`
}

// GroupRow is a group of persons that the law lets pay less.
type GroupRow struct {
	Code       string `json:"code"`
	Name       string `json:"name"`
	Kind       string `json:"kind"` // exempt or reduced
	Percent    int    `json:"percent,omitempty"`
	LegalBasis string `json:"legal_basis"`
	ValidFrom  string `json:"valid_from"`
	ValidTo    string `json:"valid_to,omitempty"`
}

// FieldError names a field of the input and what is wrong with it.
type FieldError struct{ Field, Detail string }

// InvalidError is a document that cannot be taken; nothing of it was.
type InvalidError struct{ Fields []FieldError }

func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("the catalogue's document is not valid")
	for _, f := range e.Fields {
		b.WriteString("; " + f.Field + ": " + f.Detail)
	}
	return b.String()
}

// faults gathers what is wrong, up to a page of it.
type faults []FieldError

func (f *faults) add(section string, row int, field, format string, a ...any) {
	if len(*f) < 100 {
		*f = append(*f, FieldError{fmt.Sprintf("%s[%d].%s", section, row, field), fmt.Sprintf(format, a...)})
	}
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return &InvalidError{f}
}

var codeForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)

// at is the place of a row, whose fields it holds to their forms.
type at struct {
	f       *faults
	section string
	row     int
}

func (a at) bad(field, format string, v ...any) { a.f.add(a.section, a.row, field, format, v...) }

func (a at) code(field, v string) {
	if !codeForm.MatchString(v) {
		a.bad(field, "must be 1 to 40 letters, digits, dots, hyphens or underscores")
	}
}

func (a at) text(field, v string, least int) {
	switch n := utf8.RuneCountInString(v); {
	case !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl):
		a.bad(field, "holds a control character")
	case n < least:
		a.bad(field, "is missing")
	case n > 300 || strings.TrimSpace(v) != v:
		a.bad(field, "at most 300 characters, no blanks around them")
	}
}

func (a at) day(field, v string) {
	if t, err := time.Parse(time.DateOnly, v); err != nil || t.Year() < 1990 || t.Year() > 2200 {
		a.bad(field, "must be a date like 2026-01-31")
	}
}

// span checks [from, to); to "" has no end.
func (a at) span(from, to string) {
	a.day("valid_from", from)
	if to != "" {
		a.day("valid_to", to)
		if to <= from {
			a.bad("valid_to", "must lie after valid_from: it is the first day on which the row does not hold")
		}
	}
}

func (a at) oneOf(field, v string, allowed ...string) {
	if !slices.Contains(allowed, v) {
		a.bad(field, "must be one of %s", strings.Join(allowed, ", "))
	}
}

// check holds every row to its form and fills what is absent with its default. It needs no database.
func (d *Document) check() error {
	var f faults
	empty := true
	for _, s := range []struct {
		name string
		n    int
	}{{"fields", len(d.Fields)}, {"communes", len(d.Communes)}, {"agencies", len(d.Agencies)}, {"agency_aliases", len(d.AgencyAliases)}, {"commune_aliases", len(d.CommuneAliases)},
		{"procedures", len(d.Procedures)}, {"fee_schedules", len(d.FeeSchedules)}, {"pilot_discounts", len(d.PilotDiscounts)}, {"exemption_groups", len(d.ExemptionGroups)}} {
		empty = empty && s.n == 0
		if s.n > MaxRows {
			return &InvalidError{[]FieldError{{s.name, fmt.Sprintf("at most %d rows", MaxRows)}}}
		}
	}
	if empty {
		return &InvalidError{[]FieldError{{"", "no section holds a row: " + strings.Join(Sections(), ", ")}}}
	}
	for i, r := range d.Fields {
		a := at{&f, "fields", i}
		a.code("code", r.Code)
		a.text("name", r.Name, 1)
	}
	maybe := func(a at, from, to *string) {
		if from != nil {
			a.day("valid_from", *from)
		}
		if to != nil {
			a.day("valid_to", *to)
		}
		if from != nil && to != nil && *to <= *from {
			a.bad("valid_to", "must lie after valid_from")
		}
	}
	for i, r := range d.Communes {
		a := at{&f, "communes", i}
		a.code("code", r.Code)
		a.text("name", r.Name, 1)
		maybe(a, r.ValidFrom, r.ValidTo)
	}
	for i, r := range d.Agencies {
		a := at{&f, "agencies", i}
		a.code("code", r.Code)
		a.text("name", r.Name, 1)
		maybe(a, r.ValidFrom, r.ValidTo)
		if r.Position != nil && (*r.Position < 0 || *r.Position > 1_000_000) {
			a.bad("position", "must be 0 to 1,000,000")
		}
	}
	for section, rows := range map[string][]AliasRow{"agency_aliases": d.AgencyAliases, "commune_aliases": d.CommuneAliases} {
		for i, r := range rows {
			a := at{&f, section, i}
			a.code("old_code", r.OldCode)
			a.code("new_code", r.NewCode)
			a.day("since", r.Since)
			a.text("legal_basis", r.LegalBasis, 0)
			if r.OldCode == r.NewCode {
				a.bad("new_code", "is old_code itself")
			}
		}
	}
	for i, r := range d.Procedures {
		a := at{&f, "procedures", i}
		a.code("code", r.Code)
		a.text("name", r.Name, 1)
		a.text("legal_basis", r.LegalBasis, 0)
		a.span(r.ValidFrom, r.ValidTo)
	}
	for i := range d.FeeSchedules {
		d.FeeSchedules[i].check(at{&f, "fee_schedules", i})
	}
	for i, r := range d.PilotDiscounts {
		a := at{&f, "pilot_discounts", i}
		a.code("fee_code", r.FeeCode)
		a.text("legal_basis", r.LegalBasis, 1)
		a.span(r.ValidFrom, r.ValidTo)
		switch {
		case (r.Percent == nil) == (r.Fixed == nil):
			a.bad("percent", "either percent or fixed")
		case r.Percent != nil && (*r.Percent < 1 || *r.Percent > 100):
			a.bad("percent", "must be 1 to 100")
		case r.Fixed != nil && *r.Fixed < 1:
			a.bad("fixed", "must be above 0")
		}
	}
	for i := range d.ExemptionGroups {
		d.ExemptionGroups[i].check(at{&f, "exemption_groups", i})
	}
	return f.err()
}

func (r *ScheduleRow) check(a at) {
	a.code("fee_code", r.FeeCode)
	a.text("name", r.Name, 1)
	a.text("legal_basis", r.LegalBasis, 0)
	a.oneOf("kind", r.Kind, "phi", "le_phi", "nvtc")
	if r.FilingMode == "" {
		r.FilingMode = "any"
	}
	a.oneOf("filing_mode", r.FilingMode, "any", "online", "counter", "postal")
	if r.AgencyCode != nil && *r.AgencyCode == "" {
		r.AgencyCode = nil
	}
	switch {
	case r.UnitAmount == nil && !r.Assessed:
		a.bad("unit_amount", "is missing; a fee that is assessed case by case says assessed: true")
	case r.UnitAmount != nil && r.Assessed:
		a.bad("assessed", "a fee with a unit_amount is not assessed")
	case r.Kind == "nvtc" && r.UnitAmount != nil:
		a.bad("unit_amount", "nvtc comes from the notice alone: assessed: true")
	}
	a.span(r.ValidFrom, r.ValidTo)
}

func (r *GroupRow) check(a at) {
	a.code("code", r.Code)
	a.text("name", r.Name, 1)
	a.text("legal_basis", r.LegalBasis, 1)
	a.oneOf("kind", r.Kind, "exempt", "reduced")
	if r.Kind == "exempt" && r.Percent == 0 {
		r.Percent = 100
	}
	switch {
	case r.Kind == "exempt" && r.Percent != 100:
		a.bad("percent", "an exemption is of 100 percent; less is reduced")
	case r.Kind == "reduced" && (r.Percent < 1 || r.Percent > 99):
		a.bad("percent", "must be 1 to 99")
	}
	a.span(r.ValidFrom, r.ValidTo)
}

// said writes a row as it is compared and shown.
func said(v any) string {
	raw, _ := json.Marshal(v) // texts and numbers: it cannot fail
	return string(raw)
}
