package identity

import (
	"context"

	"github.com/jmoiron/sqlx"
)

// lockOutside finds a person by who they are at the provider of identities, and holds them until the transaction ends.
func lockOutside(ctx context.Context, tx *sqlx.Tx, issuer, subject string) (*User, error) {
	return scanUser(tx.QueryRowxContext(ctx, `SELECT `+userColumns+` FROM users WHERE issuer = $1 AND subject = $2 FOR UPDATE`, issuer, subject))
}

func bindOutside(ctx context.Context, tx *sqlx.Tx, userID, issuer, subject string) error {
	_, err := tx.ExecContext(ctx, `UPDATE users SET issuer = $2, subject = $3 WHERE id = $1`, userID, issuer, subject)
	if violation(err) == "users_subject" { // the same person signs in twice at once, for the first time
		return ErrTaken
	}
	return err
}
