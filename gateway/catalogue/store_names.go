package catalogue

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// Agencies gives the name of each agency by its code. There are few.
func (s *Store) Agencies(ctx context.Context) (map[string]string, error) {
	var rows []struct{ Code, Name string }
	if err := s.db.SelectContext(ctx, &rows, `SELECT code, name FROM agencies`); err != nil {
		return nil, fmt.Errorf("reading the agencies: %w", err)
	}
	names := make(map[string]string, len(rows))
	for _, r := range rows {
		names[r.Code] = r.Name
	}
	return names, nil
}

// ProcedureName is the name of a procedure, "" where there is none of that code.
func (s *Store) ProcedureName(ctx context.Context, code string) (string, error) {
	var name string
	err := s.db.GetContext(ctx, &name, `SELECT name FROM procedures WHERE code = $1`, code)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("reading procedure %s: %w", code, err)
	}
	return name, nil
}

// Places lists the agencies, those of earlier times too, each with who carries on for it on a day.
func (s *Store) Places(ctx context.Context, on string) ([]Agency, error) {
	var raw []byte
	if err := s.db.QueryRowContext(ctx, `SELECT coalesce(json_agg(json_build_object('code', a.code, 'name', a.name, 'commune_code', a.commune_code, 'commune', c.name,
			'valid_from', a.valid_from, 'valid_to', a.valid_to) ORDER BY a.position, a.code COLLATE "C"), '[]') FROM agencies a LEFT JOIN communes c ON c.code = a.commune_code`).Scan(&raw); err != nil {
		return nil, fmt.Errorf("reading the agencies: %w", err)
	}
	var out []Agency
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("reading the agencies: %w", err)
	}
	var aliases []struct {
		OldCode    string `db:"old_code"`
		NewCode    string `db:"new_code"`
		Since      string `db:"since"`
		LegalBasis string `db:"legal_basis"`
	}
	if err := s.db.SelectContext(ctx, &aliases, `SELECT old_code, new_code, since::text, legal_basis FROM agency_aliases WHERE ended_at IS NULL ORDER BY since, old_code`); err != nil {
		return nil, fmt.Errorf("reading the aliases: %w", err)
	}
	steps := map[string]string{}
	for _, a := range aliases {
		if a.Since <= on {
			steps[a.OldCode] = a.NewCode
		}
	}
	for i := range out {
		a := &out[i]
		a.Aliases, a.Carries, a.Current = []Alias{}, []Alias{}, a.Code
		for _, x := range aliases {
			if x.OldCode == a.Code {
				a.Aliases = append(a.Aliases, Alias(x))
			}
			if x.NewCode == a.Code {
				a.Carries = append(a.Carries, Alias(x))
			}
		}
		for range steps {
			next, more := steps[a.Current]
			if !more {
				break
			}
			a.Current = next
		}
	}
	return out, nil
}

// Communes lists the communes, those of earlier times too.
func (s *Store) Communes(ctx context.Context) ([]Commune, error) {
	var raw []byte
	if err := s.db.QueryRowContext(ctx, `SELECT coalesce(json_agg(json_build_object('code', c.code, 'name', c.name, 'valid_from', c.valid_from, 'valid_to', c.valid_to, 'aliases',
			coalesce((SELECT json_agg(json_build_object('old_code', old_code, 'new_code', new_code, 'since', since, 'legal_basis', legal_basis) ORDER BY since)
				FROM commune_aliases a WHERE a.old_code = c.code AND a.ended_at IS NULL), '[]')) ORDER BY c.code COLLATE "C"), '[]') FROM communes c`).Scan(&raw); err != nil {
		return nil, fmt.Errorf("reading the communes: %w", err)
	}
	var out []Commune
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("reading the communes: %w", err)
	}
	return out, nil
}
