package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// versionRow is a procedure's version as its table has it.
type versionRow struct {
	ProcedureCode string `json:"procedure_code"`
	Name          string `json:"name"`
	FieldCode     string `json:"field_code"`
	LegalBasis    string `json:"legal_basis"`
	ValidFrom     string `json:"valid_from"`
	ValidTo       string `json:"valid_to,omitempty"`
}

// membership is who takes a procedure.
type membership struct {
	ProcedureCode string   `json:"procedure_code"`
	AgencyCodes   []string `json:"agency_codes"`
}

// state is the whole catalogue as it stands: a province's is some thousands of rows.
type state struct {
	Fields      map[string]FieldRow
	Communes    map[string]CommuneRow
	Agencies    map[string]AgencyRow
	OfAgencies  []alias
	OfCommunes  []alias
	Versions    []stored[versionRow]
	Memberships map[string]membership
	Schedules   []stored[ScheduleRow]
	Pilots      []stored[PilotRow]
	Groups      []stored[GroupRow]
}

// changeLock lets one change of the catalogue go on at a time: it is planned on what stands.
const changeLock = 7310028

// Put makes the document hold, all of it or nothing; a dry run says what it would do and does nothing. record writes the audit of a section
// in the same transaction.
func (s *Store) Put(ctx context.Context, d Document, dry bool, now time.Time, record func(context.Context, sqlx.ExtContext, SectionOutcome) error) (*Outcome, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("changing the catalogue: %w", err)
	}
	defer tx.Rollback() // does nothing after the commit
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, changeLock); err != nil {
		return nil, fmt.Errorf("changing the catalogue: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO procedure_versions (procedure_code, name, field_code, valid_from, valid_to)
		SELECT code, name, field_code, valid_from, valid_to FROM procedures p WHERE NOT EXISTS (SELECT FROM procedure_versions v WHERE v.procedure_code = p.code)`); err != nil {
		return nil, fmt.Errorf("completing the versions: %w", err)
	}
	st, err := load(ctx, tx)
	if err != nil {
		return nil, err
	}
	p, err := st.plan(&d)
	if err != nil {
		return nil, err
	}
	out := &Outcome{DryRun: dry, Sections: p.sections}
	for _, section := range p.sections {
		out.Changes += len(section.Items)
	}
	if dry || out.Changes == 0 {
		return out, nil
	}
	if err := p.write(ctx, tx, now); err != nil {
		return nil, err
	}
	for _, section := range p.sections {
		if len(section.Items) > 0 {
			if err := record(ctx, tx, section); err != nil {
				return nil, err
			}
		}
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("changing the catalogue: %w", err)
	}
	return out, nil
}

const catalogueNow = `SELECT json_build_object(
	'Fields', (SELECT json_object_agg(code, json_build_object('code', code, 'name', name)) FROM fields),
	'Communes', (SELECT json_object_agg(code, json_build_object('code', code, 'name', name, 'valid_from', valid_from, 'valid_to', valid_to)) FROM communes),
	'Agencies', (SELECT json_object_agg(code, json_build_object('code', code, 'name', name, 'commune_code', commune_code, 'position', position, 'valid_from', valid_from, 'valid_to', valid_to)) FROM agencies),
	'OfAgencies', (SELECT json_agg(json_build_object('ID', id, 'Row', json_build_object('old_code', old_code, 'new_code', new_code, 'since', since, 'legal_basis', legal_basis)) ORDER BY id)
		FROM agency_aliases WHERE ended_at IS NULL),
	'OfCommunes', (SELECT json_agg(json_build_object('ID', id, 'Row', json_build_object('old_code', old_code, 'new_code', new_code, 'since', since, 'legal_basis', legal_basis)) ORDER BY id)
		FROM commune_aliases WHERE ended_at IS NULL),
	'Versions', (SELECT json_agg(json_build_object('ID', id, 'Row', to_json(v)) ORDER BY valid_from) FROM procedure_versions v),
	'Memberships', (SELECT json_object_agg(procedure_code, json_build_object('procedure_code', procedure_code, 'agency_codes', codes))
		FROM (SELECT procedure_code, json_agg(agency_code ORDER BY agency_code COLLATE "C") AS codes FROM procedure_agencies GROUP BY 1) m),
	'Schedules', (SELECT json_agg(json_build_object('ID', id, 'Used', EXISTS (SELECT FROM order_lines l WHERE l.schedule_id = f.id), 'Row', to_jsonb(f) || jsonb_build_object('assessed', unit_amount IS NULL)) ORDER BY valid_from) FROM fee_schedules f),
	'Pilots', (SELECT json_agg(json_build_object('ID', id, 'Row', to_json(d)) ORDER BY valid_from) FROM pilot_discounts d),
	'Groups', (SELECT json_agg(json_build_object('ID', id, 'Row', to_json(g)) ORDER BY valid_from) FROM exemption_groups g))`

func load(ctx context.Context, tx *sqlx.Tx) (*state, error) {
	var raw []byte
	if err := tx.QueryRowContext(ctx, catalogueNow).Scan(&raw); err != nil {
		return nil, fmt.Errorf("reading the catalogue: %w", err)
	}
	st := &state{}
	if err := json.Unmarshal(raw, st); err != nil {
		return nil, fmt.Errorf("reading the catalogue: %w", err)
	}
	return st, nil
}

// step is one statement over rows as JSON.
type step struct {
	sql  string
	rows any
	n    int
}

// datedSteps: a rewritten row gets a new id, so that an order that is being priced by what it said before meets a row that is gone.
func datedSteps[T any](table, columns string, w writes[T]) (ends, rest []step) {
	const rows = ` FROM json_to_recordset($1) AS g(id bigint, "row" json), json_populate_record(NULL::%[1]s, g."row") n WHERE t.id = g.id`
	end := fmt.Sprintf(`UPDATE %[1]s t SET valid_to = n.valid_to`+rows, table)
	rewrite := fmt.Sprintf(`UPDATE %[1]s t SET (%[2]s) = ROW(n.%[3]s), id = DEFAULT`+rows, table, columns, joined(columns))
	add := fmt.Sprintf(`INSERT INTO %[1]s (%[2]s) SELECT %[2]s FROM json_populate_recordset(NULL::%[1]s, $1)`, table, columns)
	return []step{{end, w.ends, len(w.ends)}}, []step{{end, w.later, len(w.later)}, {rewrite, w.rewrites, len(w.rewrites)}, {add, w.adds, len(w.adds)}}
}

// write brings the plan into the database: places first, ends before what begins.
func (p *plan) write(ctx context.Context, tx *sqlx.Tx, now time.Time) error {
	e1, r1 := datedSteps("procedure_versions", "procedure_code, name, field_code, legal_basis, valid_from, valid_to", p.versions)
	e2, r2 := datedSteps("fee_schedules", "fee_code, procedure_code, name, kind, unit_amount, legal_basis, agency_code, filing_mode, valid_from, valid_to", p.schedules)
	e3, r3 := datedSteps("pilot_discounts", "fee_code, percent, fixed, legal_basis, valid_from, valid_to", p.pilots)
	e4, r4 := datedSteps("exemption_groups", "code, name, kind, percent, legal_basis, valid_from, valid_to", p.groups)
	aliases := func(table string, w aliasWrites) []step {
		return []step{{`UPDATE ` + table + ` SET ended_at = '` + now.Format(time.RFC3339Nano) + `' WHERE id IN (SELECT value::bigint FROM json_array_elements_text($1))`, w.withdrawn, len(w.withdrawn)},
			{`INSERT INTO ` + table + ` (old_code, new_code, since, legal_basis, recorded_at) SELECT old_code, new_code, since, legal_basis, '` + now.Format(time.RFC3339Nano) + `'
				FROM json_to_recordset($1) AS n(old_code text, new_code text, since date, legal_basis text)`, w.adds, len(w.adds)}}
	}
	steps := slices.Concat([]step{
		{`INSERT INTO fields (code, name) SELECT code, name FROM json_populate_recordset(NULL::fields, $1) ON CONFLICT (code) DO UPDATE SET name = excluded.name`, p.fields, len(p.fields)},
		{`INSERT INTO communes (code, name, valid_from, valid_to) SELECT code, name, valid_from, valid_to FROM json_populate_recordset(NULL::communes, $1)
			ON CONFLICT (code) DO UPDATE SET name = excluded.name, valid_from = excluded.valid_from, valid_to = excluded.valid_to`, p.communes, len(p.communes)},
		{`INSERT INTO agencies (code, name, commune_code, position, valid_from, valid_to) SELECT code, name, nullif(commune_code, ''), position, valid_from, valid_to FROM json_populate_recordset(NULL::agencies, $1)
			ON CONFLICT (code) DO UPDATE SET name = excluded.name, commune_code = excluded.commune_code, position = excluded.position, valid_from = excluded.valid_from, valid_to = excluded.valid_to`, p.agencies, len(p.agencies)},
		{`INSERT INTO procedures (code, name, field_code, valid_from) SELECT procedure_code, name, field_code, valid_from FROM json_to_recordset($1) AS n(procedure_code text, name text, field_code text, valid_from date)
			ON CONFLICT (code) DO NOTHING`, p.versions.adds, len(p.versions.adds)},
	}, aliases("agency_aliases", p.ofAgencies), aliases("commune_aliases", p.ofCommunes), e1, e2, e3, e4, r1, r2, r3, r4, []step{
		{`DELETE FROM procedure_agencies a USING json_to_recordset($1) AS n(procedure_code text, agency_codes json) WHERE a.procedure_code = n.procedure_code
			AND a.agency_code NOT IN (SELECT json_array_elements_text(n.agency_codes))`, p.members, len(p.members)},
		{`INSERT INTO procedure_agencies (procedure_code, agency_code) SELECT n.procedure_code, c FROM json_to_recordset($1) AS n(procedure_code text, agency_codes json),
			json_array_elements_text(n.agency_codes) c ON CONFLICT DO NOTHING`, p.members, len(p.members)},
	})
	for _, st := range steps {
		if st.n == 0 {
			continue
		}
		raw, err := json.Marshal(st.rows)
		if err != nil {
			return fmt.Errorf("changing the catalogue: %w", err)
		}
		if _, err := tx.ExecContext(ctx, st.sql, string(raw)); err != nil {
			return fmt.Errorf("changing the catalogue: %w", err)
		}
	}
	if len(p.procedures) == 0 {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE procedures p SET name = v.name, field_code = v.field_code, valid_from = v.begins, valid_to = v.valid_to FROM (
		SELECT DISTINCT ON (procedure_code) procedure_code, name, field_code, valid_to, min(valid_from) OVER (PARTITION BY procedure_code) AS begins
		FROM procedure_versions WHERE procedure_code = ANY ($1) ORDER BY procedure_code, valid_from DESC) v WHERE p.code = v.procedure_code`, pq.Array(p.procedures)); err != nil {
		return fmt.Errorf("bringing procedures to their newest version: %w", err)
	}
	return nil
}
