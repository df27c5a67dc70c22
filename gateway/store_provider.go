package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// changeProviderState writes a state that is another than the last known; what nobody has noted was closed.
func changeProviderState(ctx context.Context, tx *sqlx.Tx, s ProviderState) (was string, changed bool, err error) {
	if _, err := tx.ExecContext(ctx, `INSERT INTO provider_states (account_id, operation, state, since) VALUES ($1, $2, 'closed', $3) ON CONFLICT DO NOTHING`,
		s.AccountID, s.Operation, s.Since); err != nil {
		return "", false, fmt.Errorf("noting a provider's state: %w", err)
	}
	err = tx.GetContext(ctx, &was, `UPDATE provider_states n SET state = $3, since = $4 FROM (SELECT state FROM provider_states WHERE account_id = $1 AND operation = $2 FOR UPDATE) o
		WHERE n.account_id = $1 AND n.operation = $2 AND o.state <> $3 RETURNING o.state`, s.AccountID, s.Operation, s.State, s.Since)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("noting a provider's state: %w", err)
	}
	return was, true, nil
}

type portal struct {
	ClientID     string `db:"client_id"`
	SourceSystem string `db:"source_system"`
}

// portalsOf names one client of every source system of a mode, for what all of them are told.
func portalsOf(ctx context.Context, tx *sqlx.Tx, mode string) ([]portal, error) {
	var out []portal
	if err := tx.SelectContext(ctx, &out, `SELECT min(c.id) AS client_id, c.source_system FROM clients c JOIN source_systems s ON s.name = c.source_system
		WHERE s.mode = $1 GROUP BY c.source_system ORDER BY c.source_system`, mode); err != nil {
		return nil, fmt.Errorf("listing the portals: %w", err)
	}
	return out, nil
}
