package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// prepare plans what every request asks: one statement, one round trip.
func (s *Store) prepare(ctx context.Context) error {
	var err error
	// The use of a key is noted in the same statement, now and then.
	if s.byKey, err = s.db.PreparexContext(ctx, `
		WITH used AS (
			UPDATE api_keys SET last_used_at = $2
			WHERE secret_hash = $1 AND revoked_at IS NULL AND (last_used_at IS NULL OR last_used_at < $3))
		SELECT k.id, k.name, k.scopes, k.expires_at, c.id, c.source_system, s.mode
		FROM api_keys k JOIN clients c ON c.id = k.client_id JOIN source_systems s ON s.name = c.source_system
		WHERE k.secret_hash = $1 AND k.revoked_at IS NULL`); err != nil {
		return err
	}
	s.byToken, err = s.db.PreparexContext(ctx, `
		SELECT u.id, u.name, u.roles, u.agencies, coalesce(c.id, ''), coalesce(c.source_system, ''), coalesce(s.mode, ''),
			CASE WHEN u.must_change THEN 'password' WHEN u.otp_confirmed_at IS NULL AND u.issuer IS NULL AND EXISTS (SELECT FROM otp_roles r WHERE r.role = ANY (u.roles)) THEN 'otp' ELSE '' END,
			t.csrf, t.expires_at, t.last_seen_at
		FROM sessions t JOIN users u ON u.id = t.user_id
		LEFT JOIN clients c ON c.id = u.client_id LEFT JOIN source_systems s ON s.name = c.source_system
		WHERE t.token_hash = $1 AND t.expires_at > $2 AND t.last_seen_at > $3 AND u.disabled_at IS NULL`)
	return err
}

// inTx runs f in a transaction.
func (s *Store) inTx(ctx context.Context, f func(*sqlx.Tx) error) error {
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// violation gives the name of the constraint that a statement broke, or "".
func violation(err error) string {
	var e *pq.Error
	if errors.As(err, &e) {
		return e.Constraint
	}
	return ""
}

// words reads an array of text into a slice of a kind of text, which pq.Array does not.
type words[T ~string] struct{ into *[]T }

func (w words[T]) Scan(src any) error {
	var a pq.StringArray
	if err := a.Scan(src); err != nil {
		return err
	}
	*w.into = make([]T, len(a))
	for i, s := range a {
		(*w.into)[i] = T(s)
	}
	return nil
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// hit says whether a statement changed a row.
func hit(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// ensureSourceSystem makes the source system when it is new and gives the mode that it has.
func ensureSourceSystem(ctx context.Context, tx *sqlx.Tx, name, mode string) (string, error) {
	const insert = `INSERT INTO source_systems (name, mode) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`
	if _, err := tx.ExecContext(ctx, insert, name, mode); err != nil {
		return "", err
	}
	var has string
	err := tx.GetContext(ctx, &has, `SELECT mode FROM source_systems WHERE name = $1`, name)
	return has, err
}

func insertClient(ctx context.Context, tx *sqlx.Tx, c *Client) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO clients (id, name, source_system, created_at) VALUES ($1, $2, $3, $4)`,
		c.ID, c.Name, c.SourceSystem, c.CreatedAt)
	return err
}

// Clients lists every client by name.
func (s *Store) Clients(ctx context.Context) ([]Client, error) {
	var cs []Client
	err := s.db.SelectContext(ctx, &cs, `
		SELECT c.id, c.name, c.source_system, s.mode, c.created_at
		FROM clients c JOIN source_systems s ON s.name = c.source_system ORDER BY c.name, c.id`)
	if err != nil {
		return nil, fmt.Errorf("listing clients: %w", err)
	}
	return cs, nil
}

func insertKey(ctx context.Context, tx *sqlx.Tx, k *Key, hash []byte) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO api_keys (id, client_id, name, secret_hash, scopes, created_at, expires_at, replaces) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		k.ID, k.ClientID, k.Name, hash, pq.Array(k.Scopes), k.CreatedAt, k.ExpiresAt, k.Replaces)
	switch violation(err) {
	case "api_keys_client_id_fkey":
		return ErrNotFound
	case "api_keys_replaces_key":
		return ErrEnded
	}
	return err
}

// revokeKey says whether the key was in force until now.
func revokeKey(ctx context.Context, tx *sqlx.Tx, clientID, keyID string, now time.Time) (bool, error) {
	fresh, err := hit(tx.ExecContext(ctx, `
		UPDATE api_keys SET revoked_at = $3 WHERE id = $1 AND ($2 = '' OR client_id = $2) AND revoked_at IS NULL`, keyID, clientID, now))
	if err != nil || fresh {
		return fresh, err
	}
	var id string
	err = tx.GetContext(ctx, &id, `SELECT id FROM api_keys WHERE id = $1 AND ($2 = '' OR client_id = $2)`, keyID, clientID)
	return false, notFound(err)
}

const keyColumns = `id, client_id, name, scopes, created_at, expires_at, revoked_at, last_used_at, replaces`

func scanKey(row interface{ Scan(...any) error }) (*Key, error) {
	k := &Key{}
	err := row.Scan(&k.ID, &k.ClientID, &k.Name, words[Scope]{&k.Scopes}, &k.CreatedAt, &k.ExpiresAt, &k.RevokedAt, &k.LastUsedAt, &k.Replaces)
	return k, notFound(err)
}

// lockKey holds a key of a client (any when clientID is empty) until the transaction ends.
func lockKey(ctx context.Context, tx *sqlx.Tx, clientID, keyID string) (*Key, error) {
	return scanKey(tx.QueryRowxContext(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE id = $1 AND ($2 = '' OR client_id = $2) FOR UPDATE`, keyID, clientID))
}

func endKey(ctx context.Context, tx *sqlx.Tx, keyID string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE api_keys SET expires_at = $2 WHERE id = $1`, keyID, at)
	return err
}

// Keys lists a client's keys, or every key when clientID is empty, newest first.
func (s *Store) Keys(ctx context.Context, clientID string) ([]Key, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE $1 = '' OR client_id = $1 ORDER BY created_at DESC, id`, clientID)
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	defer func() { _ = rows.Close() }()
	keys := []Key{}
	for rows.Next() {
		k, err := scanKey(rows)
		if err != nil {
			return nil, fmt.Errorf("listing keys: %w", err)
		}
		keys = append(keys, *k)
	}
	return keys, rows.Err()
}

func (s *Store) loadKey(ctx context.Context, hash []byte) (cachedKey, error) {
	p := &Principal{Kind: KindClient}
	var expires *time.Time
	now := s.now()
	err := s.byKey.QueryRowxContext(ctx, hash, now, now.Add(-keyUseNoted)).
		Scan(&p.ID, &p.Name, words[Scope]{&p.Scopes}, &expires, &p.ClientID, &p.SourceSystem, &p.Mode)
	return cachedKey{principal: p, expires: expires}, notFound(err)
}

func insertUser(ctx context.Context, tx *sqlx.Tx, u *User, hash, by string, change bool) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO users (id, name, password_hash, roles, agencies, client_id, created_at, roles_set_by, must_change) VALUES ($1, $2, $3, $4, $5, nullif($6, ''), $7, $8, $9)`,
		u.ID, u.Name, hash, pq.Array(u.Roles), pq.Array(u.Agencies), u.ClientID, u.CreatedAt, by, change)
	switch violation(err) {
	case "users_name_key":
		return ErrTaken
	case "users_client_id_fkey":
		return ErrNotFound
	}
	return err
}

const userColumns = `id, name, roles, agencies, coalesce(client_id, ''), created_at, disabled_at, otp_confirmed_at IS NOT NULL, issuer IS NOT NULL`

func scanUser(row interface{ Scan(...any) error }, more ...any) (*User, error) {
	u := &User{}
	err := row.Scan(append([]any{&u.ID, &u.Name, words[Role]{&u.Roles}, pq.Array(&u.Agencies), &u.ClientID, &u.CreatedAt, &u.DisabledAt, &u.OTP, &u.Outside}, more...)...)
	return u, notFound(err)
}

func (s *Store) userByName(ctx context.Context, name string) (*User, string, error) {
	var hash string
	u, err := scanUser(s.db.QueryRowxContext(ctx, `SELECT `+userColumns+`, password_hash FROM users WHERE name = $1`, name), &hash)
	return u, hash, err
}

func (s *Store) secretsOf(ctx context.Context, id string) (*User, string, error) {
	var hash string
	u, err := scanUser(s.db.QueryRowxContext(ctx, `SELECT `+userColumns+`, password_hash FROM users WHERE id = $1`, id), &hash)
	if err != nil {
		return nil, "", fmt.Errorf("user %s: %w", id, err)
	}
	return u, hash, nil
}

// User finds a person by id; ErrNotFound.
func (s *Store) User(ctx context.Context, id string) (*User, error) {
	u, err := scanUser(s.db.QueryRowxContext(ctx, `SELECT `+userColumns+` FROM users WHERE id = $1`, id))
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", id, err)
	}
	return u, nil
}

// Users lists everybody by name.
func (s *Store) Users(ctx context.Context) ([]User, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+userColumns+` FROM users ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("listing users: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var us []User
	for rows.Next() {
		u, err := scanUser(rows)
		if err != nil {
			return nil, fmt.Errorf("listing users: %w", err)
		}
		us = append(us, *u)
	}
	return us, rows.Err()
}

func disableUser(ctx context.Context, tx *sqlx.Tx, id string, now time.Time) (bool, error) {
	ok, err := hit(tx.ExecContext(ctx, `UPDATE users SET disabled_at = coalesce(disabled_at, $2) WHERE id = $1`, id, now))
	return ok, forbidden(err)
}

func enableUser(ctx context.Context, tx *sqlx.Tx, id string) (bool, error) {
	return hit(tx.ExecContext(ctx, `UPDATE users SET disabled_at = NULL WHERE id = $1`, id))
}

// setPassword replaces a hash; change says whether the person has to choose another, nil leaves that as it is.
func setPassword(ctx context.Context, tx *sqlx.Tx, id, hash string, change *bool) (bool, error) {
	return hit(tx.ExecContext(ctx, `UPDATE users SET password_hash = $2, must_change = coalesce($3, must_change) WHERE id = $1`, id, hash, change))
}

func setRoles(ctx context.Context, tx *sqlx.Tx, id string, roles []Role, agencies []string, by string) (bool, error) {
	ok, err := hit(tx.ExecContext(ctx, `UPDATE users SET roles = $2, agencies = $3, roles_set_by = $4 WHERE id = $1`, id, pq.Array(roles), pq.Array(agencies), by))
	return ok, forbidden(err)
}

// forbidden names what the database does not let anybody do to people.
func forbidden(err error) error {
	switch violation(err) {
	case "users_own_rights":
		return ErrOwnRights
	case "users_last_admin":
		return ErrLastAdmin
	}
	return err
}

type sessionRow struct {
	TokenHash            []byte
	UserID, CSRF         string
	CreatedAt, ExpiresAt time.Time
}

// insertSession opens a session unless the person was disabled meanwhile.
func insertSession(ctx context.Context, tx *sqlx.Tx, r sessionRow) error {
	ok, err := hit(tx.ExecContext(ctx, `
		INSERT INTO sessions (token_hash, user_id, csrf, created_at, last_seen_at, expires_at)
		SELECT $1, id, $3, $4, $4, $5 FROM users WHERE id = $2 AND disabled_at IS NULL FOR SHARE`,
		r.TokenHash, r.UserID, r.CSRF, r.CreatedAt, r.ExpiresAt))
	if err == nil && !ok {
		return ErrBadCredentials
	}
	return err
}

func (s *Store) sessionByToken(ctx context.Context, hash []byte, now time.Time) (*Session, time.Time, error) {
	v := &Session{Principal: Principal{Kind: KindUser}}
	p := &v.Principal
	var seen time.Time
	err := s.byToken.QueryRowxContext(ctx, hash, now, now.Add(-IdleLimit)).Scan(&p.ID, &p.Name, words[Role]{&p.Roles},
		pq.Array(&p.Agencies), &p.ClientID, &p.SourceSystem, &p.Mode, &p.Held, &v.CSRF, &v.ExpiresAt, &seen)
	return v, seen, notFound(err)
}

func (s *Store) noteSeen(ctx context.Context, hash []byte, now time.Time) error {
	_, err := s.db.ExecContext(ctx, `UPDATE sessions SET last_seen_at = $2 WHERE token_hash = $1 AND last_seen_at < $2`, hash, now)
	return err
}

// deleteSession gives the person whose session it was, "" when there was none.
func deleteSession(ctx context.Context, tx *sqlx.Tx, hash []byte) (string, error) {
	var userID string
	err := tx.GetContext(ctx, &userID, `DELETE FROM sessions WHERE token_hash = $1 RETURNING user_id`, hash)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return userID, err
}

func deleteSessionsOf(ctx context.Context, tx *sqlx.Tx, userID string, but []byte) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE user_id = $1 AND token_hash IS DISTINCT FROM $2`, userID, but)
	return err
}

func (s *Store) sessionsOf(ctx context.Context, userID string, here []byte, now, idle time.Time) ([]Work, error) {
	out := []Work{}
	err := s.db.SelectContext(ctx, &out, `SELECT created_at, last_seen_at, token_hash = $2 AS here FROM sessions
		WHERE user_id = $1 AND expires_at > $3 AND last_seen_at > $4 ORDER BY last_seen_at DESC`, userID, here, now, idle)
	return out, err
}

// failures says whether a bucket holds at least limit failures since a time, and when the one was that makes it so.
func (s *Store) failures(ctx context.Context, bucket string, since time.Time, limit int) (time.Time, bool, error) {
	var at time.Time
	err := s.db.GetContext(ctx, &at, `
		SELECT failed_at FROM login_failures WHERE bucket = $1 AND failed_at > $2 ORDER BY failed_at DESC OFFSET $3 - 1 LIMIT 1`,
		bucket, since, limit)
	if errors.Is(err, sql.ErrNoRows) {
		return at, false, nil
	}
	return at, err == nil, err
}

func (s *Store) noteFailures(ctx context.Context, now time.Time, buckets ...string) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO login_failures (bucket, failed_at) SELECT unnest($1::text[]), $2`, pq.Array(buckets), now)
	return err
}

func forgetFailures(ctx context.Context, tx *sqlx.Tx, bucket string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM login_failures WHERE bucket = $1`, bucket)
	return err
}

func (s *Store) sweep(ctx context.Context, expired, idle, forgotten time.Time) error {
	_, err := s.db.ExecContext(ctx, `DELETE FROM sessions WHERE expires_at <= $1 OR last_seen_at <= $2`, expired, idle)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx, `DELETE FROM login_failures WHERE failed_at <= $1`, forgotten)
	return err
}

func insertAudit(ctx context.Context, tx sqlx.ExtContext, r Record) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO audit (recorded_at, actor_kind, actor, action, object, address, request_id, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		r.RecordedAt, r.ActorKind, r.Actor, r.Action, r.Object, r.Address, r.RequestID, []byte(r.Detail))
	return err
}

func (s *Store) auditRows(ctx context.Context, f Filter) ([]Record, error) {
	null := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	rows := []Record{}
	err := s.db.SelectContext(ctx, &rows, `
		SELECT id, recorded_at, actor_kind, actor, action, object, address, request_id, detail FROM audit
		WHERE ($1 = '' OR object = $1) AND ($2 = '' OR actor = $2) AND ($3 = '' OR action = $3)
			AND ($4::timestamptz IS NULL OR recorded_at >= $4) AND ($5::timestamptz IS NULL OR recorded_at < $5)
			AND ($6 = 0 OR id < $6)
		ORDER BY id DESC LIMIT $7`,
		f.Object, f.Actor, f.Action, null(f.From), null(f.To), f.After, f.Limit)
	return rows, err
}

// Names gives people's names by their ids; ids of nobody are left out.
func (s *Store) Names(ctx context.Context, ids []string) (map[string]string, error) {
	var found []struct{ ID, Name string }
	if err := s.db.SelectContext(ctx, &found, `SELECT id, name FROM users WHERE id = ANY ($1)`, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("reading names: %w", err)
	}
	out := make(map[string]string, len(found))
	for _, f := range found {
		out[f.ID] = f.Name
	}
	return out, nil
}
