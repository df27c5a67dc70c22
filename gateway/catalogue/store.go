package catalogue

import (
	"context"
	"encoding/json"
	"fmt"

	"feegate/gateway/vnd"
)

// A fee in force on day $1, with the reduction for filing online of that day; the newest where several are in force.
const feesOn = `SELECT f.procedure_code, f.fee_code, f.kind, f.name, f.unit_amount, f.legal_basis, d.percent, d.legal_basis AS pilot_basis
	FROM fee_schedules f LEFT JOIN LATERAL (SELECT percent, legal_basis FROM pilot_discounts WHERE fee_code = f.fee_code
		AND valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1) ORDER BY valid_from DESC, id DESC LIMIT 1) d ON true
	WHERE f.valid_from <= $1 AND (f.valid_to IS NULL OR f.valid_to > $1)
		AND NOT EXISTS (SELECT FROM fee_schedules newer WHERE newer.fee_code = f.fee_code AND newer.valid_from > f.valid_from
			AND newer.valid_from <= $1 AND (newer.valid_to IS NULL OR newer.valid_to > $1))`

type feeRow struct {
	ProcedureCode string      `json:"procedure_code"`
	FeeCode       string      `json:"fee_code"`
	Kind          string      `json:"kind"`
	Name          string      `json:"name"`
	UnitAmount    *vnd.Amount `json:"unit_amount"`
	LegalBasis    string      `json:"legal_basis"`
	Percent       *int        `json:"percent"`
	PilotBasis    string      `json:"pilot_basis"`
}

func (r *feeRow) fee() Fee {
	f := Fee{FeeCode: r.FeeCode, Kind: r.Kind, Name: r.Name, UnitAmount: r.UnitAmount, LegalBasis: r.LegalBasis}
	if r.Percent != nil {
		f.Online = &Discount{*r.Percent, r.PilotBasis}
	}
	return f
}

// Procedures lists what is in force on a day, by code; next is "" at the end.
func (s *Store) Procedures(ctx context.Context, on string, limit int, after string) (items []Procedure, next string, err error) {
	var raw []byte
	err = s.db.QueryRowContext(ctx, `WITH fees AS (`+feesOn+`), page AS (SELECT p.code, p.name, f.name AS field, f.code AS field_code FROM procedures p
			JOIN fields f ON f.code = p.field_code WHERE p.valid_from <= $1 AND (p.valid_to IS NULL OR p.valid_to > $1) AND p.code > $2 ORDER BY p.code LIMIT $3)
		SELECT json_agg(json_build_object('code', code, 'name', name, 'field', field, 'field_code', field_code,
			'agency_codes', coalesce((SELECT json_agg(agency_code ORDER BY agency_code) FROM procedure_agencies a WHERE a.procedure_code = page.code), '[]'),
			'rows', coalesce((SELECT json_agg(fees ORDER BY fee_code) FROM fees WHERE fees.procedure_code = page.code), '[]')) ORDER BY code) FROM page`,
		on, after, limit+1).Scan(&raw)
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

// FeesOf gives the fees of a procedure that are in force on a day, by fee code. known: the catalogue has the procedure.
func (s *Store) FeesOf(ctx context.Context, procedure, on string) (fees map[string]Fee, known bool, err error) {
	var raw []byte
	err = s.db.QueryRowContext(ctx, `WITH fees AS (`+feesOn+`) SELECT EXISTS (SELECT FROM procedures WHERE code = $2),
		(SELECT json_agg(fees) FROM fees WHERE procedure_code = $2)`, on, procedure).Scan(&known, &raw)
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
