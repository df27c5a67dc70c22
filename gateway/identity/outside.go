package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
)

// Outside is a person as the province's provider of identities (OpenID Connect) vouches for them, with what its claims come to
// here. A person is known by issuer and subject: a name may change, or belong to somebody else tomorrow.
type Outside struct {
	Issuer, Subject, Name string
	Roles                 []Role
	Agencies              []string // empty: all
}

// LoginOutside opens a session for somebody whom the provider of identities has let in. Who is new is made; roles and agencies are
// those of this moment's claims, and where they changed every other session ends. The errors: ErrNoRole; ErrTaken where a person of
// feegate's own has the name: nobody takes over another's account by a name; ErrBadCredentials where they are disabled; ErrLastAdmin.
func (s *Store) LoginOutside(ctx context.Context, o Outside, address string) (token string, session *Session, err error) {
	name, err := cleanName("name", o.Name)
	if err != nil {
		return "", nil, err
	}
	if o.Issuer == "" || o.Subject == "" {
		return "", nil, &InvalidError{"subject", "the provider of identities does not say who this is"}
	}
	slices.Sort(o.Roles)
	slices.Sort(o.Agencies)
	by := Actor{Kind: KindUser, Address: address}
	var row sessionRow
	err = s.inTx(ctx, func(tx *sqlx.Tx) error {
		u, err := lockOutside(ctx, tx, o.Issuer, o.Subject)
		known := err == nil
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if len(o.Roles) == 0 {
			return ErrNoRole
		}
		if err := checkRoles(o.Roles, ""); err != nil {
			return err
		}
		switch {
		case !known:
			if u, err = s.newOutside(ctx, tx, o, name); err != nil {
				return err
			}
			by.ID = u.ID
			if err := s.audit(ctx, tx, System(), "user.created", u.ID, map[string]any{"roles": o.Roles, "agencies": o.Agencies, "issuer": o.Issuer}); err != nil {
				return err
			}
		case u.DisabledAt != nil:
			return ErrBadCredentials
		default:
			by.ID = u.ID
			if !slices.Equal(slices.Sorted(slices.Values(u.Roles)), o.Roles) || !slices.Equal(slices.Sorted(slices.Values(u.Agencies)), o.Agencies) {
				if _, err := setRoles(ctx, tx, u.ID, o.Roles, append([]string{}, o.Agencies...), o.Issuer); err != nil {
					return err
				}
				if err := deleteSessionsOf(ctx, tx, u.ID, nil); err != nil {
					return err
				}
				if err := s.audit(ctx, tx, System(), "user.roles-changed", u.ID, map[string]any{"roles": o.Roles, "agencies": o.Agencies, "issuer": o.Issuer}); err != nil {
					return err
				}
			}
		}
		token, row = newSession(u.ID, s.machine())
		if err := insertSession(ctx, tx, row); err != nil {
			return err
		}
		return s.audit(ctx, tx, by, "session.opened", u.ID, map[string]any{"issuer": o.Issuer})
	})
	if err != nil {
		return "", nil, fmt.Errorf("signing in from outside: %w", err)
	}
	session, err = s.Session(ctx, token)
	return token, session, err
}

// newOutside makes a person without a password: what stands in its place fits nothing.
func (s *Store) newOutside(ctx context.Context, tx *sqlx.Tx, o Outside, name string) (*User, error) {
	hash, err := s.hasher.hash(ctx, rand.Text())
	if err != nil {
		return nil, err
	}
	u := &User{ID: newID("usr_"), Name: name, Roles: o.Roles, Agencies: append([]string{}, o.Agencies...), CreatedAt: s.now(), Outside: true}
	if err := insertUser(ctx, tx, u, hash, o.Issuer, false); err != nil {
		return nil, err
	}
	return u, bindOutside(ctx, tx, u.ID, o.Issuer, o.Subject)
}

// RefusedOutside ends the sessions of a person whom the provider of identities no longer gives a role, and notes it.
func (s *Store) RefusedOutside(ctx context.Context, issuer, subject, address string) error {
	err := s.inTx(ctx, func(tx *sqlx.Tx) error {
		u, err := lockOutside(ctx, tx, issuer, subject)
		id := ""
		switch {
		case err == nil:
			id = u.ID
			if err := deleteSessionsOf(ctx, tx, id, nil); err != nil {
				return err
			}
		case !errors.Is(err, ErrNotFound):
			return err
		}
		return s.audit(ctx, tx, Actor{Kind: KindUser, ID: id, Address: address}, "session.refused", id, map[string]any{"issuer": issuer})
	})
	if err != nil {
		return fmt.Errorf("noting a refused sign-in: %w", err)
	}
	return nil
}
