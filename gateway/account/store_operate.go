package account

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Override writes an operator's word over a breaker. Replicas hear of it within seconds.
func (s *Store) Override(ctx context.Context, o Override) error {
	if _, err := s.db.ExecContext(ctx, `INSERT INTO provider_overrides (account_id, operation, mode, reason, by_user, recorded_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		o.AccountID, o.Operation, o.Mode, o.Reason, o.By, o.RecordedAt); err != nil {
		return fmt.Errorf("overriding %s of account %s: %w", o.Operation, o.AccountID, err)
	}
	return nil
}

// Overrides gives the newest word over every operation, of one account or, with "", of all.
func (s *Store) Overrides(ctx context.Context, accountID string) ([]Override, error) {
	out := []Override{}
	if err := s.db.SelectContext(ctx, &out, `SELECT DISTINCT ON (account_id, operation) account_id, operation, mode, reason, by_user, recorded_at
		FROM provider_overrides WHERE $1 IN ('', account_id) ORDER BY account_id, operation, id DESC`, accountID); err != nil {
		return nil, fmt.Errorf("reading overrides: %w", err)
	}
	return out, nil
}

const windowColumns = `id, account_id, starts_at, ends_at, reason, by_user, recorded_at, ended_at, ended_by`

// Announce writes a maintenance window.
func (s *Store) Announce(ctx context.Context, w Window) error {
	if _, err := s.db.ExecContext(ctx, `INSERT INTO maintenance_windows (id, account_id, starts_at, ends_at, reason, by_user, recorded_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		w.ID, w.AccountID, w.From, w.To, w.Reason, w.By, w.RecordedAt); err != nil {
		return fmt.Errorf("announcing maintenance of account %s: %w", w.AccountID, err)
	}
	s.forget()
	return nil
}

// EndWindow ends a maintenance window early, once, for a reason or "", which the audit has in the same transaction; false: there is no such window that is not
// over.
func (s *Store) EndWindow(ctx context.Context, accountID, id string, by By, reason string, now time.Time) (ended bool, err error) {
	err = s.transact(ctx, func(tx *sqlx.Tx) error {
		ended, err = s.endWindow(ctx, tx, accountID, id, by.ID, now)
		if err != nil || !ended {
			return err
		}
		detail := map[string]any{"id": id}
		if reason != "" {
			detail["reason"] = reason
		}
		return by.Record(ctx, tx, "provider.maintenance.ended", accountID, detail)
	})
	return ended && err == nil, err
}

func (s *Store) endWindow(ctx context.Context, tx *sqlx.Tx, accountID, id, by string, now time.Time) (bool, error) {
	res, err := tx.ExecContext(ctx, `UPDATE maintenance_windows SET ended_at = $3, ended_by = $4 WHERE account_id = $1 AND id = $2 AND ended_at IS NULL AND ends_at > $3`, accountID, id, now, by)
	if err != nil {
		return false, fmt.Errorf("ending maintenance %s: %w", id, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("ending maintenance %s: %w", id, err)
	}
	return n == 1, nil
}

// WindowsOf lists an account's maintenance, the newest first.
func (s *Store) WindowsOf(ctx context.Context, accountID string) ([]Window, error) {
	out := []Window{}
	if err := s.db.SelectContext(ctx, &out, `SELECT `+windowColumns+` FROM maintenance_windows WHERE account_id = $1 ORDER BY starts_at DESC, id LIMIT 100`, accountID); err != nil {
		return nil, fmt.Errorf("reading maintenance of account %s: %w", accountID, err)
	}
	return out, nil
}

// loadWindows gives the accounts the windows that are not over.
func (s *Store) loadWindows(ctx context.Context, q sqlx.QueryerContext, entries []*Entry) error {
	var windows []Window
	if err := sqlx.SelectContext(ctx, q, &windows, `SELECT `+windowColumns+` FROM maintenance_windows WHERE ends_at > $1 AND ended_at IS NULL ORDER BY account_id, starts_at`, s.now()); err != nil {
		return err
	}
	for _, e := range entries {
		for _, w := range windows {
			if w.AccountID == e.Account.ID {
				e.Account.Windows = append(e.Account.Windows, w)
			}
		}
	}
	return nil
}

// forget makes the next reader see what was just written.
func (s *Store) forget() {
	s.mu.Lock()
	s.loaded = time.Time{}
	s.mu.Unlock()
}
