package identity

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
)

// User is a person who works with feegate.
type User struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Roles      []Role     `json:"roles"`
	Agencies   []string   `json:"agencies"`
	ClientID   string     `json:"client_id,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	DisabledAt *time.Time `json:"disabled_at"`
	OTP        bool       `json:"otp"`     // a second factor is enrolled
	Outside    bool       `json:"outside"` // signs in at the provider of identities
}

// NewUser is what is needed to make a person. Agencies empty: all. ClientID belongs to a portal_admin, who has no other role.
type NewUser struct {
	Name, Password string
	Roles          []Role
	Agencies       []string
	ClientID       string
	Change         bool // the password is to be changed at the first sign-in: another person knows it
}

// CreateUser makes a person.
func (s *Store) CreateUser(ctx context.Context, by Actor, n NewUser) (*User, error) {
	name, err := cleanName("name", n.Name)
	if err != nil {
		return nil, err
	}
	if err := s.checkPassword(n.Password, name); err != nil {
		return nil, err
	}
	if err := checkRoles(n.Roles, n.ClientID); err != nil {
		return nil, err
	}
	if n.Agencies == nil {
		n.Agencies = []string{}
	}
	hash, err := s.hasher.hash(ctx, n.Password)
	if err != nil {
		return nil, fmt.Errorf("creating a user: %w", err)
	}
	u := &User{ID: newID("usr_"), Name: name, Roles: n.Roles, Agencies: n.Agencies, ClientID: n.ClientID, CreatedAt: s.now()}
	err = s.inTx(ctx, func(tx *sqlx.Tx) error {
		if err := insertUser(ctx, tx, u, hash, by.ID, n.Change); err != nil {
			return err
		}
		return s.audit(ctx, tx, by, "user.created", u.ID, map[string]any{"roles": u.Roles, "agencies": u.Agencies})
	})
	if err != nil {
		return nil, fmt.Errorf("creating a user: %w", err)
	}
	return u, nil
}

// checkRoles: a portal_admin belongs to a client and is nothing else, since the other roles see every client.
func checkRoles(roles []Role, clientID string) error {
	if err := known("roles", roles, Roles()); err != nil {
		return err
	}
	portal := slices.Contains(roles, PortalAdmin)
	if portal && len(roles) > 1 {
		return &InvalidError{"roles", "portal_admin goes with no other role"}
	}
	if portal != (clientID != "") {
		return &InvalidError{"client_id", "a portal_admin has one, nobody else"}
	}
	return nil
}

// SetRoles changes what a person may do, and ends every session. Nobody changes to or from portal_admin. Nobody changes their own
// (ErrOwnRights), and the last admin stays one (ErrLastAdmin): both are held in the database.
func (s *Store) SetRoles(ctx context.Context, by Actor, userID string, roles []Role, agencies []string) error {
	u, err := s.User(ctx, userID)
	if err != nil {
		return err
	}
	if err := checkRoles(roles, u.ClientID); err != nil {
		return err
	}
	if agencies == nil {
		agencies = []string{}
	}
	return s.changeUser(ctx, by, userID, "user.roles-changed", map[string]any{"roles": roles, "agencies": agencies},
		func(tx *sqlx.Tx) (bool, error) { return setRoles(ctx, tx, userID, roles, agencies, by.ID) })
}

// DisableUser ends a person's access and every session, at once.
func (s *Store) DisableUser(ctx context.Context, by Actor, userID string) error {
	return s.changeUser(ctx, by, userID, "user.disabled", nil, func(tx *sqlx.Tx) (bool, error) {
		return disableUser(ctx, tx, userID, s.now())
	})
}

// EnableUser lets a person in again who was disabled. Their sessions stay ended.
func (s *Store) EnableUser(ctx context.Context, by Actor, userID string) error {
	return s.changeUser(ctx, by, userID, "user.enabled", nil, func(tx *sqlx.Tx) (bool, error) { return enableUser(ctx, tx, userID) })
}

// SetPassword gives a person another password and ends every session; they have to change it when they sign in with it.
func (s *Store) SetPassword(ctx context.Context, by Actor, userID, password string) error {
	return s.setPassword(ctx, by, userID, password, by.ID != userID)
}

// ChangePassword changes a person's own password, which they have to know, and ends every session. The error is ErrBadCredentials where
// the old one is wrong, *LockedError after too many of those.
func (s *Store) ChangePassword(ctx context.Context, by Actor, old, password string) error {
	if err := s.OwnPassword(ctx, by, old); err != nil {
		return err
	}
	if normal(old) == normal(password) {
		return &InvalidError{"password", "must be another than before"}
	}
	return s.setPassword(ctx, by, by.ID, password, false)
}

func (s *Store) setPassword(ctx context.Context, by Actor, userID, password string, change bool) error {
	u, err := s.User(ctx, userID)
	if err != nil {
		return err
	}
	if u.Outside {
		return ErrOutside
	}
	if err := s.checkPassword(password, u.Name); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return fmt.Errorf("changing a password: %w", err)
	}
	return s.changeUser(ctx, by, userID, "user.password-changed", nil, func(tx *sqlx.Tx) (bool, error) {
		return setPassword(ctx, tx, userID, hash, &change)
	})
}

// changeUser changes a person's row, ends the sessions, and notes it, all or nothing.
func (s *Store) changeUser(ctx context.Context, by Actor, userID, action string, detail map[string]any,
	change func(*sqlx.Tx) (bool, error)) error {
	err := s.inTx(ctx, func(tx *sqlx.Tx) error {
		hit, err := change(tx)
		if err != nil {
			return err
		}
		if !hit {
			return ErrNotFound
		}
		if err := deleteSessionsOf(ctx, tx, userID, nil); err != nil {
			return err
		}
		return s.audit(ctx, tx, by, action, userID, detail)
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", action, userID, err)
	}
	return nil
}
