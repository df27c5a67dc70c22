package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// factor is a person's second factor as it is kept.
type factor struct {
	Name        string     `db:"name"`
	Sealed      []byte     `db:"otp_sealed"`
	ConfirmedAt *time.Time `db:"otp_confirmed_at"`
}

func (s *Store) otpOf(ctx context.Context, userID string) (*factor, error) {
	var f factor
	if err := s.db.GetContext(ctx, &f, `SELECT name, otp_sealed, otp_confirmed_at FROM users WHERE id = $1`, userID); err != nil {
		return nil, fmt.Errorf("reading a second factor: %w", notFound(err))
	}
	return &f, nil
}

func (s *Store) keepOTP(ctx context.Context, userID string, sealed []byte) error {
	ok, err := hit(s.db.ExecContext(ctx, `UPDATE users SET otp_sealed = $2 WHERE id = $1 AND otp_confirmed_at IS NULL`, userID, sealed))
	if err == nil && !ok {
		err = &InvalidError{"otp", "a second factor is enrolled: end that one first"}
	}
	if err != nil {
		return fmt.Errorf("keeping a second factor: %w", err)
	}
	return nil
}

// confirmOTP takes a secret into use, if it still is the one that was asked about, with its recovery codes.
func confirmOTP(ctx context.Context, tx *sqlx.Tx, userID string, sealed []byte, step int64, codes [][]byte, now time.Time) (bool, error) {
	ok, err := hit(tx.ExecContext(ctx, `UPDATE users SET otp_confirmed_at = $3, otp_step = $4 WHERE id = $1 AND otp_sealed = $2 AND otp_confirmed_at IS NULL`, userID, sealed, now, step))
	if err != nil || !ok {
		return ok, err
	}
	_, err = tx.ExecContext(ctx, `WITH old AS (DELETE FROM recovery_codes WHERE user_id = $1)
		INSERT INTO recovery_codes (user_id, hash, created_at) SELECT $1, unnest($2::bytea[]), $3`, userID, pq.Array(codes), now)
	return true, err
}

func dropOTP(ctx context.Context, tx *sqlx.Tx, userID string) (bool, error) {
	if _, err := tx.ExecContext(ctx, `DELETE FROM recovery_codes WHERE user_id = $1`, userID); err != nil {
		return false, err
	}
	return hit(tx.ExecContext(ctx, `UPDATE users SET otp_sealed = NULL, otp_confirmed_at = NULL WHERE id = $1`, userID))
}

// useStep takes a step's code: false where it, or a later one, was taken.
func useStep(ctx context.Context, tx *sqlx.Tx, userID string, step int64) (bool, error) {
	return hit(tx.ExecContext(ctx, `UPDATE users SET otp_step = $2 WHERE id = $1 AND otp_step < $2 AND otp_confirmed_at IS NOT NULL`, userID, step))
}

func useRecoveryCode(ctx context.Context, tx *sqlx.Tx, userID string, hash []byte, now time.Time) (bool, error) {
	return hit(tx.ExecContext(ctx, `UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND hash = $2 AND used_at IS NULL`, userID, hash, now))
}

// RecoveryLeft is how many of a person's recovery codes are unused.
func (s *Store) RecoveryLeft(ctx context.Context, userID string) (n int, err error) {
	if err := s.db.GetContext(ctx, &n, `SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL`, userID); err != nil {
		return 0, fmt.Errorf("counting recovery codes: %w", err)
	}
	return n, nil
}

func (s *Store) otpRoles(ctx context.Context, out *[]Role) error {
	return s.db.SelectContext(ctx, out, `SELECT role FROM otp_roles ORDER BY role`)
}

func setOTPRoles(ctx context.Context, tx *sqlx.Tx, roles []Role, by string, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM otp_roles WHERE NOT role = ANY ($1)`, pq.Array(append([]Role{}, roles...))); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO otp_roles (role, set_by, recorded_at) SELECT unnest($1::text[]), $2, $3 ON CONFLICT DO NOTHING`, pq.Array(append([]Role{}, roles...)), by, now)
	return err
}
