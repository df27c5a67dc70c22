package gateway

import (
	"fmt"
	"time"

	"feegate/gateway/vnd"
)

// States of a dossier, as the case system tells them. A dossier that was never told of counts as open.
const (
	DossierOpen      = "open"
	DossierClosed    = "closed"
	DossierWithdrawn = "withdrawn"
)

// Dossier is what the case system says of a dossier; it has the shape of the API's body. Each telling that changes something
// is a new row: the earlier ones stay, so that a figure as of an earlier day can be computed again.
type Dossier struct {
	Status        string      `json:"status"`
	ProcedureCode string      `json:"procedure_code"`
	AgencyCode    string      `json:"agency_code"`
	ReceivedOn    string      `json:"received_on"`
	StartedAt     *time.Time  `json:"started_at,omitempty"`
	ClosedAt      *time.Time  `json:"closed_at,omitempty"`
	AmountDue     *vnd.Amount `json:"amount_due,omitempty"`
	ApplicantRef  string      `json:"applicant_ref,omitempty"`
	ServiceLevel  string      `json:"service_level,omitempty"`
}

// DossierView is a dossier as the API gives it.
type DossierView struct {
	DossierCode   string      `json:"dossier_code"`
	Status        string      `json:"status"`
	ProcedureCode string      `json:"procedure_code"`
	AgencyCode    string      `json:"agency_code"`
	ReceivedOn    string      `json:"received_on"`
	StartedAt     *time.Time  `json:"started_at"`
	ClosedAt      *time.Time  `json:"closed_at"`
	AmountDue     *vnd.Amount `json:"amount_due"`
	ApplicantRef  string      `json:"applicant_ref,omitempty"`
	ServiceLevel  string      `json:"service_level,omitempty"`
	Version       int         `json:"version"` // how many times something was told
	RecordedAt    time.Time   `json:"recorded_at"`
}

// validate checks everything that needs no database.
func (d *Dossier) validate(code string, now time.Time) error {
	var e fieldErrors
	if err := CheckDossierCode(code); err != nil {
		e.add("dossier_code", "%v", err)
	}
	oneOf(&e, "status", d.Status, DossierOpen, DossierClosed, DossierWithdrawn)
	text(&e, "procedure_code", d.ProcedureCode, 1, 40)
	text(&e, "agency_code", d.AgencyCode, 1, 40)
	text(&e, "applicant_ref", d.ApplicantRef, 0, 100)
	oneOf(&e, "service_level", d.ServiceLevel, "", "full", "partial", "info")
	received, err := time.ParseInLocation(time.DateOnly, d.ReceivedOn, vietnam)
	switch {
	case err != nil:
		e.add("received_on", "must be a date like 2026-01-31")
	case received.After(now):
		e.add("received_on", "lies in the future")
	}
	for _, t := range []struct {
		field string
		at    *time.Time
	}{{"started_at", d.StartedAt}, {"closed_at", d.ClosedAt}} {
		switch {
		case t.at == nil:
		case t.at.After(now):
			e.add(t.field, "lies in the future")
		case err == nil && t.at.Before(received):
			e.add(t.field, "lies before received_on")
		}
	}
	if d.Status == DossierClosed && d.ClosedAt == nil {
		e.add("closed_at", "is required for a closed dossier")
	}
	if d.Status == DossierOpen && d.ClosedAt != nil {
		e.add("closed_at", "an open dossier has none")
	}
	if len(e) > 0 {
		return &Problem{Name: ProblemInvalid, Fields: e}
	}
	return nil
}

// stored is a time as the database keeps it: it would round what is finer, and the same telling would look like another.
func stored(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	kept := t.Truncate(time.Microsecond)
	return &kept
}

// same reports whether the telling repeats what is known.
func (v *DossierView) same(d *Dossier) bool {
	at := func(a, b *time.Time) bool {
		return (a == nil) == (b == nil) && (a == nil || a.Equal(*b))
	}
	due := (v.AmountDue == nil) == (d.AmountDue == nil) && (d.AmountDue == nil || *v.AmountDue == *d.AmountDue)
	return due && v.Status == d.Status && v.ProcedureCode == d.ProcedureCode && v.AgencyCode == d.AgencyCode && v.ReceivedOn == d.ReceivedOn &&
		at(v.StartedAt, d.StartedAt) && at(v.ClosedAt, d.ClosedAt) && v.ApplicantRef == d.ApplicantRef && v.ServiceLevel == d.ServiceLevel
}

// refusedDossier says what a violated constraint means to the caller.
func refusedDossier(code string, err error) error {
	switch violated(err) {
	case "dossiers_procedure_code_fkey":
		return &Problem{Name: ProblemInvalid, Fields: []FieldError{{"procedure_code", "is not in the catalogue"}}}
	case "dossiers_agency_code_fkey":
		return &Problem{Name: ProblemInvalid, Fields: []FieldError{{"agency_code", "is not in the catalogue"}}}
	}
	return fmt.Errorf("recording dossier %s: %w", code, err)
}
