package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// PutDossier records what the case system says of a dossier of its source system. A telling that changes nothing adds nothing.
// created: it was not known before.
func (g *Gateway) PutDossier(ctx context.Context, c Caller, code string, d Dossier) (view *DossierView, created bool, err error) {
	if err := d.validate(code, g.now()); err != nil {
		return nil, false, err
	}
	d.StartedAt, d.ClosedAt = stored(d.StartedAt), stored(d.ClosedAt)
	for range 3 {
		known, err := g.dossier(ctx, c.SourceSystem, code)
		if err != nil {
			return nil, false, err
		}
		n := 1
		if known != nil {
			if known.same(&d) {
				return known, false, nil
			}
			n = known.Version + 1
		}
		_, err = g.db.ExecContext(ctx, `INSERT INTO dossiers (source_system, dossier_code, n, status, procedure_code, agency_code, received_on, started_at,
			closed_at, amount_due, applicant_ref, service_level, mode, recorded_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
			c.SourceSystem, code, n, d.Status, d.ProcedureCode, d.AgencyCode, d.ReceivedOn, d.StartedAt, d.ClosedAt, d.AmountDue, d.ApplicantRef,
			d.ServiceLevel, c.Mode, g.now())
		switch {
		case violated(err) == "dossiers_pkey":
			continue // somebody told at the same time: compare again
		case err != nil:
			return nil, false, refusedDossier(code, err)
		}
		view, err = g.dossier(ctx, c.SourceSystem, code)
		return view, n == 1, err
	}
	return nil, false, fmt.Errorf("recording dossier %s: it kept changing", code)
}

// Dossier gives a dossier of the caller's source system as it was told last.
func (g *Gateway) Dossier(ctx context.Context, c Caller, code string) (*DossierView, error) {
	v, err := g.dossier(ctx, c.SourceSystem, code)
	if err == nil && v == nil {
		err = &Problem{Name: ProblemNotFound, Detail: "there is no such dossier"}
	}
	return v, err
}

// dossier is nil where nothing was told of it.
func (g *Gateway) dossier(ctx context.Context, source, code string) (*DossierView, error) {
	v := &DossierView{DossierCode: code}
	err := g.db.QueryRowContext(ctx, `SELECT n, status, procedure_code, agency_code, received_on::text, started_at, closed_at, amount_due, applicant_ref,
		service_level, recorded_at FROM dossiers WHERE source_system = $1 AND dossier_code = $2 ORDER BY n DESC LIMIT 1`, source, code).
		Scan(&v.Version, &v.Status, &v.ProcedureCode, &v.AgencyCode, &v.ReceivedOn, &v.StartedAt, &v.ClosedAt, &v.AmountDue, &v.ApplicantRef, &v.ServiceLevel, &v.RecordedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading dossier %s: %w", code, err)
	}
	return v, nil
}
