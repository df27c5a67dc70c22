package catalogue

import (
	"context"
	"encoding/json"
	"fmt"

	"feegate/gateway/vnd"
)

// A fee in force on day $1, with the reduction for filing online of that day.
const feesOn = `SELECT f.procedure_code, f.id, f.fee_code, f.kind, f.name, f.unit_amount, f.legal_basis, f.agency_code, f.filing_mode, f.valid_from, f.valid_to,
		d.percent, d.fixed, d.legal_basis AS pilot_basis
	FROM fee_schedules f LEFT JOIN LATERAL (SELECT percent, fixed, legal_basis FROM pilot_discounts WHERE fee_code = f.fee_code
		AND valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1) ORDER BY valid_from DESC, id DESC LIMIT 1) d ON true
	WHERE f.valid_from <= $1 AND (f.valid_to IS NULL OR f.valid_to > $1)`

type feeRow struct {
	ProcedureCode string      `json:"procedure_code"`
	ID            int64       `json:"id"`
	FeeCode       string      `json:"fee_code"`
	Kind          string      `json:"kind"`
	Name          string      `json:"name"`
	UnitAmount    *vnd.Amount `json:"unit_amount"`
	LegalBasis    string      `json:"legal_basis"`
	AgencyCode    *string     `json:"agency_code"`
	FilingMode    string      `json:"filing_mode"`
	ValidFrom     string      `json:"valid_from"`
	ValidTo       *string     `json:"valid_to"`
	Percent       *int        `json:"percent"`
	Fixed         *vnd.Amount `json:"fixed"`
	PilotBasis    string      `json:"pilot_basis"`
}

func (r *feeRow) fee() Fee {
	f := Fee{ID: r.ID, FeeCode: r.FeeCode, Kind: r.Kind, Name: r.Name, UnitAmount: r.UnitAmount, Assessed: r.UnitAmount == nil, LegalBasis: r.LegalBasis,
		AgencyCode: r.AgencyCode, FilingMode: r.FilingMode, ValidFrom: r.ValidFrom, ValidTo: r.ValidTo}
	switch {
	case r.Percent != nil:
		f.Online = &Discount{Percent: *r.Percent, LegalBasis: r.PilotBasis}
	case r.Fixed != nil:
		f.Online = &Discount{Fixed: *r.Fixed, LegalBasis: r.PilotBasis}
	}
	return f
}

// Procedures lists what is in force on a day, by code; next is "" at the end. holding narrows it to what holds a text.
func (s *Store) Procedures(ctx context.Context, on, holding string, limit int, after string) (items []Procedure, next string, err error) {
	var raw []byte
	err = s.db.QueryRowContext(ctx, `WITH fees AS (`+feesOn+`), page AS (SELECT p.code, coalesce(v.name, p.name) AS name, f.name AS field, f.code AS field_code FROM procedures p
			LEFT JOIN procedure_versions v ON v.procedure_code = p.code AND v.valid_from <= $1 AND (v.valid_to IS NULL OR v.valid_to > $1)
			JOIN fields f ON f.code = coalesce(v.field_code, p.field_code) WHERE p.valid_from <= $1 AND (p.valid_to IS NULL OR p.valid_to > $1) AND p.code > $2
			AND ($4 = '' OR strpos(lower(p.code || ' ' || coalesce(v.name, p.name)), lower($4)) > 0 OR EXISTS (SELECT FROM fees WHERE fees.procedure_code = p.code AND strpos(lower(fees.fee_code), lower($4)) > 0))
			ORDER BY p.code LIMIT $3)
		SELECT json_agg(json_build_object('code', code, 'name', name, 'field', field, 'field_code', field_code,
			'agency_codes', coalesce((SELECT json_agg(agency_code ORDER BY agency_code) FROM procedure_agencies a WHERE a.procedure_code = page.code), '[]'),
			'rows', coalesce((SELECT json_agg(fees ORDER BY fee_code, agency_code NULLS FIRST, filing_mode) FROM fees WHERE fees.procedure_code = page.code), '[]')) ORDER BY code) FROM page`,
		on, after, limit+1, holding).Scan(&raw)
	if err != nil {
		return nil, "", fmt.Errorf("listing procedures: %w", err)
	}
	var rows []struct {
		Procedure
		Rows []feeRow `json:"rows"`
	}
	if raw != nil {
		if err := json.Unmarshal(raw, &rows); err != nil {
			return nil, "", fmt.Errorf("listing procedures: %w", err)
		}
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = rows[limit-1].Code
	}
	items = make([]Procedure, 0, len(rows))
	for _, r := range rows {
		p := r.Procedure
		p.Fees = make([]Fee, 0, len(r.Rows))
		for i := range r.Rows {
			p.Fees = append(p.Fees, r.Rows[i].fee())
		}
		items = append(items, p)
	}
	return items, next, nil
}

// FeesOf gives the fees of a procedure for a dossier, by fee code: of the rows in force on the day the one of its agency before the one of
// all, then the one of its filing mode before the one of any. known: the catalogue has the procedure.
func (s *Store) FeesOf(ctx context.Context, procedure, agency, filingMode, on string) (fees map[string]Fee, known bool, err error) {
	var raw []byte
	err = s.db.QueryRowContext(ctx, `WITH fees AS (`+feesOn+` AND f.procedure_code = $2 AND (f.agency_code IS NULL OR f.agency_code = $3) AND f.filing_mode IN ('any', $4)),
		best AS (SELECT DISTINCT ON (fee_code) * FROM fees ORDER BY fee_code, agency_code NULLS LAST, filing_mode = 'any')
		SELECT EXISTS (SELECT FROM procedures WHERE code = $2), (SELECT json_agg(best) FROM best)`, on, procedure, agency, filingMode).Scan(&known, &raw)
	if err != nil {
		return nil, false, fmt.Errorf("reading the fees of procedure %s: %w", procedure, err)
	}
	var rows []feeRow
	if raw != nil {
		if err := json.Unmarshal(raw, &rows); err != nil {
			return nil, false, fmt.Errorf("reading the fees of procedure %s: %w", procedure, err)
		}
	}
	fees = make(map[string]Fee, len(rows))
	for i := range rows {
		fees[rows[i].FeeCode] = rows[i].fee()
	}
	return fees, known, nil
}

// Groups gives the groups that pay less on a day, by code.
func (s *Store) Groups(ctx context.Context, on string) ([]Group, error) {
	out := []Group{}
	if err := s.db.SelectContext(ctx, &out, `SELECT code, name, kind, percent, legal_basis, valid_from::text, valid_to::text FROM exemption_groups
		WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1) ORDER BY code COLLATE "C"`, on); err != nil {
		return nil, fmt.Errorf("reading the exemption groups: %w", err)
	}
	return out, nil
}
