package account

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/jmoiron/sqlx"
)

// Secret is what may be told of a set of credentials: never a credential.
type Secret struct {
	Names      []string   `json:"names"`
	SetAt      time.Time  `json:"set_at"`
	SetBy      string     `json:"set_by"`
	ValidUntil *time.Time `json:"valid_until"` // null: without end
	Signs      bool       `json:"signs"`       // false: what it signed is accepted, nothing more
}

// MaxOverlap is how long an old secret may be accepted beside a new one.
const MaxOverlap = 90 * 24 * time.Hour

type sealedSecret struct {
	AccountID string     `db:"account_id"`
	Sealed    []byte     `db:"sealed"`
	ValidFrom time.Time  `db:"valid_from"`
	ValidTo   *time.Time `db:"valid_to"`
	SetBy     string     `db:"set_by"`
}

// loadSecrets gives the secrets in force, the newest of each account first, and when the first of them ends.
func (s *Store) loadSecrets(ctx context.Context, q sqlx.QueryerContext, id string, now time.Time) (map[string][]sealedSecret, time.Time, error) {
	var rows []sealedSecret
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT account_id, sealed, valid_from, valid_to, set_by FROM account_secrets
		WHERE $1 IN ('', account_id) AND (valid_to IS NULL OR valid_to > $2) ORDER BY account_id, id DESC`, id, now); err != nil {
		return nil, time.Time{}, err
	}
	out, ends := map[string][]sealedSecret{}, time.Time{}
	for _, r := range rows {
		out[r.AccountID] = append(out[r.AccountID], r)
		if r.ValidTo != nil {
			ends = sooner(ends, *r.ValidTo)
		}
	}
	return out, ends, nil
}

func (s *Store) sealCredentials(accountID string, credentials map[string]string) ([]byte, error) {
	raw, err := json.Marshal(nonNil(credentials))
	if err != nil {
		return nil, fmt.Errorf("account %s: %w", accountID, err)
	}
	sealed, err := s.keys.Seal(raw, "account:"+accountID)
	if err != nil {
		return nil, fmt.Errorf("account %s: sealing its secret: %w", accountID, err)
	}
	return sealed, nil
}

func (s *Store) unseal(accountID string, sealed []byte) (map[string]string, error) {
	raw, err := s.keys.Open(sealed, "account:"+accountID)
	if err != nil {
		return nil, fmt.Errorf("account %s: its secret does not open under this master key: %w", accountID, err)
	}
	var c map[string]string
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("account %s: its secret is damaged", accountID)
	}
	return c, nil
}

// Rotate gives an account new credentials, which sign at once; those until now are accepted for the overlap, and no longer, or not at
// all where they do not open. While one overlap lasts there is no other: ErrOverlap.
func (s *Store) Rotate(ctx context.Context, id string, credentials map[string]string, overlap time.Duration, by By) error {
	if overlap < 0 || overlap > MaxOverlap {
		return &InvalidError{[]FieldError{{"overlap_hours", fmt.Sprintf("must be 0 to %d", int(MaxOverlap.Hours()))}}}
	}
	return s.change(ctx, id, func(ctx context.Context, tx *sqlx.Tx, e *Entry) error {
		a, now := &e.Account, s.now()
		var f faults
		if a.Registration.Name == "" {
			return unknownProvider(a)
		}
		checkCredentials(&f, a, credentials)
		if err := f.err(); err != nil {
			return err
		}
		held, _, err := s.loadSecrets(ctx, tx, id, now)
		if err != nil {
			return fmt.Errorf("rotating the secret of account %s: %w", id, err)
		}
		active := []map[string]string{credentials}
		for _, h := range held[id] {
			if h.ValidTo != nil {
				return ErrOverlap
			}
			c, err := s.unseal(id, h.Sealed)
			if err != nil { // sealed under a lost master key: a new one mends that, and nothing can be accepted by what nobody can read
				overlap = 0
				continue
			}
			if maps.Equal(c, credentials) {
				return &InvalidError{[]FieldError{{"credentials", "are those that sign now"}}}
			}
			active = append(active, c)
		}
		if _, err := s.adapter(a, active, s.client); err != nil { // before anything is written
			return setUp(err)
		}
		sealed, err := s.sealCredentials(id, credentials)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE account_secrets SET valid_to = $2 WHERE account_id = $1 AND valid_to IS NULL`, id, now.Add(overlap)); err != nil {
			return fmt.Errorf("rotating the secret of account %s: %w", id, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO account_secrets (account_id, sealed, valid_from, set_by) VALUES ($1, $2, $3, $4)`, id, sealed, now, by.ID); err != nil {
			return fmt.Errorf("rotating the secret of account %s: %w", id, err)
		}
		return by.Record(ctx, tx, "account.secret.rotated", id, map[string]any{"names": names(credentials), "old_until": now.Add(overlap)})
	})
}

// RevokeOld ends an overlap now: only the newest secret is accepted. ErrNoOverlap where there is none.
func (s *Store) RevokeOld(ctx context.Context, id string, by By) error {
	return s.change(ctx, id, func(ctx context.Context, tx *sqlx.Tx, _ *Entry) error {
		res, err := tx.ExecContext(ctx, `UPDATE account_secrets SET valid_to = $2 WHERE account_id = $1 AND valid_to > $2`, id, s.now())
		if err != nil {
			return fmt.Errorf("revoking the old secret of account %s: %w", id, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return cmpErr(err, ErrNoOverlap)
		}
		return by.Record(ctx, tx, "account.secret.revoked", id, nil)
	})
}
