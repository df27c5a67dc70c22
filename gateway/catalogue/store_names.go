package catalogue

import (
	"context"
	"database/sql"
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
