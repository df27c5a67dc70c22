package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

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
	if err == nil {
		_, err = tx.ExecContext(ctx, `INSERT INTO provider_changes (account_id, operation, state, reason, since) VALUES ($1, $2, $3, $4, $5)`, s.AccountID, s.Operation, s.State, s.Reason, s.Since)
	}
	if err != nil {
		return "", false, fmt.Errorf("noting a provider's state: %w", err)
	}
	return was, true, nil
}

// ProviderChange is when an operation's breaker changed to a state.
type ProviderChange struct {
	AccountID string    `db:"account_id"`
	Operation string    `db:"operation"`
	State     string    `db:"state"`
	Reason    string    `db:"reason"`
	Since     time.Time `db:"since"`
}

// ProviderChanges lists the changes of an account's breakers (of all accounts where it is empty) since a time, the oldest first, with the
// last one of each operation before: what held when the time began.
func (g *Gateway) ProviderChanges(ctx context.Context, accountID string, since time.Time) ([]ProviderChange, error) {
	out := []ProviderChange{}
	err := g.db.SelectContext(ctx, &out, `(SELECT DISTINCT ON (account_id, operation) account_id, operation, state, reason, since FROM provider_changes
			WHERE ($1 = '' OR account_id = $1) AND since < $2 ORDER BY account_id, operation, since DESC)
		UNION ALL SELECT account_id, operation, state, reason, since FROM provider_changes WHERE ($1 = '' OR account_id = $1) AND since >= $2 ORDER BY account_id, operation, since LIMIT 10000`, accountID, since)
	if err != nil {
		return nil, fmt.Errorf("listing providers' states: %w", err)
	}
	return out, nil
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
