package catalogue

import (
	"slices"
	"strings"
)

// plan is what a document does to the whole catalogue.
type plan struct {
	sections   []SectionOutcome
	fields     []FieldRow
	communes   []CommuneRow
	agencies   []AgencyRow
	ofAgencies aliasWrites
	ofCommunes aliasWrites
	versions   writes[versionRow]
	members    []membership
	procedures []string // those whose versions change
	schedules  writes[ScheduleRow]
	pilots     writes[PilotRow]
	groups     writes[GroupRow]
}

func joined(columns string) string { return strings.ReplaceAll(columns, ", ", ", n.") }

// codes are those of what stands and what the document adds.
func codes[T, R any](have map[string]T, want []R, code func(R) string) map[string]bool {
	out := map[string]bool{}
	for c := range have {
		out[c] = true
	}
	for _, r := range want {
		out[code(r)] = true
	}
	return out
}

// or is a where it says something, else b, else a default.
func or(a, b *string, otherwise string) *string {
	switch {
	case a != nil:
		return a
	case b != nil:
		return b
	case otherwise == "":
		return nil
	}
	return &otherwise
}

// always is since when a place is taken to have been where nothing is said.
const always = "2020-01-01"

// plan says what the document does to what stands, or everything that is wrong with it.
func (st *state) plan(d *Document) (*plan, error) {
	var f faults
	p := &plan{}
	communes := codes(st.Communes, d.Communes, func(r CommuneRow) string { return r.Code })
	agencies := codes(st.Agencies, d.Agencies, func(r AgencyRow) string { return r.Code })
	fields := codes(st.Fields, d.Fields, func(r FieldRow) string { return r.Code })
	procedures, feeCodes := map[string]bool{}, map[string]bool{}
	for _, v := range st.Versions {
		procedures[v.Row.ProcedureCode] = true
	}
	for _, r := range d.Procedures {
		procedures[r.Code] = true
	}
	for _, s := range st.Schedules {
		feeCodes[s.Row.FeeCode] = true
	}
	for _, r := range d.FeeSchedules {
		feeCodes[r.FeeCode] = true
	}
	known := func(section string, row int, field, code string, in map[string]bool) {
		if !in[code] {
			f.add(section, row, field, "is not in the catalogue, nor in the document")
		}
	}
	for i, r := range d.Agencies {
		if r.CommuneCode != nil && *r.CommuneCode != "" {
			known("agencies", i, "commune_code", *r.CommuneCode, communes)
		}
	}
	for i, r := range d.Procedures {
		known("procedures", i, "field_code", r.FieldCode, fields)
		if r.AgencyCodes != nil {
			for _, c := range *r.AgencyCodes {
				known("procedures", i, "agency_codes", c, agencies)
			}
		}
	}
	for i, r := range d.FeeSchedules {
		known("fee_schedules", i, "procedure_code", r.ProcedureCode, procedures)
		if r.AgencyCode != nil {
			known("fee_schedules", i, "agency_code", *r.AgencyCode, agencies)
		}
	}
	for i, r := range d.PilotDiscounts {
		known("pilot_discounts", i, "fee_code", r.FeeCode, feeCodes)
	}
	ends := func(had, has *string) bool { return has != nil && *has != "" && (had == nil || *has < *had) }
	add := func(s SectionOutcome, n int) {
		if n > 0 {
			p.sections = append(p.sections, s)
		}
	}
	var s SectionOutcome
	s, p.fields = planSimple(&f, "fields", st.Fields, d.Fields, func(r FieldRow) string { return r.Code },
		func(_ *FieldRow, r FieldRow) FieldRow { return r }, func(FieldRow, FieldRow) bool { return false })
	add(s, len(d.Fields))
	s, p.communes = planSimple(&f, "communes", st.Communes, d.Communes, func(r CommuneRow) string { return r.Code }, func(had *CommuneRow, r CommuneRow) CommuneRow {
		if had == nil {
			had = &CommuneRow{}
		}
		r.ValidFrom, r.ValidTo = or(r.ValidFrom, had.ValidFrom, always), or(r.ValidTo, had.ValidTo, "")
		return r
	}, func(had, r CommuneRow) bool { return ends(had.ValidTo, r.ValidTo) })
	add(s, len(d.Communes))
	s, p.agencies = planSimple(&f, "agencies", st.Agencies, d.Agencies, func(r AgencyRow) string { return r.Code }, func(had *AgencyRow, r AgencyRow) AgencyRow {
		if had == nil {
			had = &AgencyRow{Position: new(int)}
		}
		r.ValidFrom, r.ValidTo, r.CommuneCode = or(r.ValidFrom, had.ValidFrom, always), or(r.ValidTo, had.ValidTo, ""), or(r.CommuneCode, had.CommuneCode, "")
		if r.CommuneCode != nil && *r.CommuneCode == "" {
			r.CommuneCode = nil
		}
		if r.Position == nil {
			r.Position = had.Position
		}
		return r
	}, func(had, r AgencyRow) bool { return ends(had.ValidTo, r.ValidTo) })
	add(s, len(d.Agencies))
	for i, r := range p.agencies { // what a row does not say may contradict what it says
		if r.ValidTo != nil && *r.ValidTo <= *r.ValidFrom {
			f.add("agencies", slices.IndexFunc(d.Agencies, func(a AgencyRow) bool { return a.Code == p.agencies[i].Code }), "valid_to", "must lie after valid_from")
		}
	}
	for i, r := range p.communes {
		if r.ValidTo != nil && *r.ValidTo <= *r.ValidFrom {
			f.add("communes", slices.IndexFunc(d.Communes, func(a CommuneRow) bool { return a.Code == p.communes[i].Code }), "valid_to", "must lie after valid_from")
		}
	}
	s, p.ofAgencies = planAliases(&f, "agency_aliases", st.OfAgencies, d.AgencyAliases, agencies)
	add(s, len(d.AgencyAliases))
	s, p.ofCommunes = planAliases(&f, "commune_aliases", st.OfCommunes, d.CommuneAliases, communes)
	add(s, len(d.CommuneAliases))
	add(st.planProcedures(&f, d.Procedures, p), len(d.Procedures))
	s, p.schedules = planDated(&f, "fee_schedules", st.Schedules, d.FeeSchedules)
	add(s, len(d.FeeSchedules))
	s, p.pilots = planDated(&f, "pilot_discounts", st.Pilots, d.PilotDiscounts)
	add(s, len(d.PilotDiscounts))
	s, p.groups = planDated(&f, "exemption_groups", st.Groups, d.ExemptionGroups)
	add(s, len(d.ExemptionGroups))
	return p, f.err()
}

// planProcedures lays versions, and beside them who takes each procedure: the last row of a procedure that says so counts.
func (st *state) planProcedures(f *faults, want []ProcedureRow, p *plan) SectionOutcome {
	versions, takers := make([]versionRow, 0, len(want)), map[string]int{}
	for i, r := range want {
		versions = append(versions, versionRow{r.Code, r.Name, r.FieldCode, r.LegalBasis, r.ValidFrom, r.ValidTo})
		if r.AgencyCodes != nil {
			takers[r.Code] = i
		}
		p.procedures = append(p.procedures, r.Code)
	}
	s, w := planDated(f, "procedures", st.Versions, versions)
	p.versions = w
	for i, r := range want {
		if r.AgencyCodes == nil || takers[r.Code] != i {
			continue
		}
		has := slices.Clone(*r.AgencyCodes)
		slices.Sort(has)
		m := membership{r.Code, slices.Compact(has)}
		had, known := st.Memberships[r.Code]
		if known && slices.Equal(had.AgencyCodes, m.AgencyCodes) || !known && len(m.AgencyCodes) == 0 {
			continue
		}
		if known {
			s.note(Changed, r.Code, i, had, m)
		} else {
			s.note(Added, r.Code, i, nil, m)
		}
		p.members = append(p.members, m)
	}
	return s
}
