package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
)

const (
	sessionPrefix = "fgs_"
	// IdleLimit ends a session that nobody uses, AbsoluteLimit every session, by the machine's clock.
	IdleLimit     = 30 * time.Minute
	AbsoluteLimit = 12 * time.Hour
	// seenNoted is how exactly the last use is kept: a page with ten pictures is one write, not eleven.
	seenNoted = time.Minute
)

// Failures allowed within failureWindow: by one address for one name; by one address for any name; for one name by any
// address. The last is high, since anybody can fail in another's name.
const (
	failureWindow = 15 * time.Minute
	pairLimit     = 5
	addressLimit  = 50
	nameLimit     = 100
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
}

// NewUser is what is needed to make a person. Agencies empty: all. ClientID belongs to a portal_admin, who has no other role.
type NewUser struct {
	Name, Password string
	Roles          []Role
	Agencies       []string
	ClientID       string
}

// CreateUser makes a person.
func (s *Store) CreateUser(ctx context.Context, by Actor, n NewUser) (*User, error) {
	name, err := cleanName("name", n.Name)
	if err != nil {
		return nil, err
	}
	if err := checkPassword(n.Password); err != nil {
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
		if err := insertUser(ctx, tx, u, hash); err != nil {
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

// SetRoles changes what a person may do, and ends every session. Nobody changes to or from portal_admin.
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
		func(tx *sqlx.Tx) (bool, error) { return setRoles(ctx, tx, userID, roles, agencies) })
}

// DisableUser ends a person's access and every session, at once.
func (s *Store) DisableUser(ctx context.Context, by Actor, userID string) error {
	return s.changeUser(ctx, by, userID, "user.disabled", nil, func(tx *sqlx.Tx) (bool, error) {
		return disableUser(ctx, tx, userID, s.now())
	})
}

// SetPassword changes a person's password and ends every session.
func (s *Store) SetPassword(ctx context.Context, by Actor, userID, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return fmt.Errorf("changing a password: %w", err)
	}
	return s.changeUser(ctx, by, userID, "user.password-changed", nil, func(tx *sqlx.Tx) (bool, error) {
		return setPassword(ctx, tx, userID, hash)
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
		if err := deleteSessionsOf(ctx, tx, userID); err != nil {
			return err
		}
		return s.audit(ctx, tx, by, action, userID, detail)
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", action, userID, err)
	}
	return nil
}

// Session is a person at work.
type Session struct {
	Principal Principal
	CSRF      string // forms of the console carry it
	ExpiresAt time.Time
}

// Login checks a name and a password and opens a session. The errors: ErrBadCredentials (whichever was wrong, in the same
// time), *LockedError, or the database's. address is where the request comes from.
func (s *Store) Login(ctx context.Context, name, password, address, requestID string) (token string, session *Session, err error) {
	now := s.machine()
	name, nameErr := cleanName("name", name)
	pair, wide := buckets(name, address)
	if err := s.admit(ctx, now, pair, wide); err != nil {
		return "", nil, err
	}
	u, hash, err := s.userByName(ctx, name)
	exists := err == nil && nameErr == nil && u.DisabledAt == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", nil, fmt.Errorf("logging in: %w", err)
	}
	if !exists {
		hash = s.nobody
	}
	ok, old, err := s.hasher.verify(ctx, password, hash)
	if err != nil {
		return "", nil, fmt.Errorf("logging in: %w", err)
	}
	by := Actor{Kind: KindUser, Address: address, RequestID: requestID}
	if exists {
		by.ID = u.ID
	}
	if !ok || !exists {
		return "", nil, s.refuse(ctx, by, now, wide)
	}
	if old {
		if hash, err = s.hasher.hash(ctx, password); err != nil {
			return "", nil, fmt.Errorf("logging in: %w", err)
		}
	}
	token = newSecret(sessionPrefix)
	row := sessionRow{TokenHash: secretHash(token), UserID: u.ID, CSRF: newSecret(""), CreatedAt: now, ExpiresAt: now.Add(AbsoluteLimit)}
	err = s.inTx(ctx, func(tx *sqlx.Tx) error {
		if old {
			if _, err := setPassword(ctx, tx, u.ID, hash); err != nil {
				return err
			}
		}
		if err := insertSession(ctx, tx, row); err != nil {
			return err
		}
		if err := forgetFailures(ctx, tx, pair); err != nil {
			return err
		}
		return s.audit(ctx, tx, by, "session.opened", u.ID, nil)
	})
	if err != nil {
		return "", nil, fmt.Errorf("logging in: %w", err)
	}
	session, err = s.Session(ctx, token)
	return token, session, err
}

// admit lets an attempt through unless there were too many failures. The attempt is written down as a failure of its pair
// before the password is looked at and forgotten on success, so that many attempts at once cannot all slip through.
func (s *Store) admit(ctx context.Context, now time.Time, pair string, wide map[string]int) error {
	limits := map[string]int{pair: pairLimit}
	maps.Copy(limits, wide)
	for b, limit := range limits {
		since, locked, err := s.failures(ctx, b, now.Add(-failureWindow), limit)
		if err != nil {
			return fmt.Errorf("logging in: %w", err)
		}
		if locked {
			return &LockedError{RetryAfter: since.Add(failureWindow).Sub(now)}
		}
	}
	if err := s.noteFailures(ctx, now, pair); err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	_, over, err := s.failures(ctx, pair, now.Add(-failureWindow), pairLimit+1)
	if err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	if over {
		return &LockedError{RetryAfter: failureWindow}
	}
	return nil
}

// refuse notes a failure and gives the one answer that all failures get.
func (s *Store) refuse(ctx context.Context, by Actor, now time.Time, wide map[string]int) error {
	if err := s.noteFailures(ctx, now, slices.Collect(maps.Keys(wide))...); err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	// The name as typed is not kept: people type passwords there.
	if err := s.audit(ctx, s.db, by, "session.refused", by.ID, nil); err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	return ErrBadCredentials
}

// buckets are what failures are counted by: name with address, and each alone with its limit. They are digests, since a
// table of addresses that failed is nobody's business.
func buckets(name, address string) (pair string, wide map[string]int) {
	from := network(address)
	digest := func(parts string) string {
		h := sha256.Sum256([]byte(parts))
		return hex.EncodeToString(h[:16])
	}
	return digest("pair\x00" + name + "\x00" + from),
		map[string]int{digest("address\x00" + from): addressLimit, digest("name\x00" + name): nameLimit}
}

// network is the address that one person cannot change at will: of IPv6 the first 64 bits.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// Session finds a session by its token and notes its use. The error is ErrUnauthenticated, or the database's.
func (s *Store) Session(ctx context.Context, token string) (*Session, error) {
	now := s.machine()
	hash := secretHash(token)
	session, seen, err := s.sessionByToken(ctx, hash, now)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrUnauthenticated
	}
	if err != nil {
		return nil, fmt.Errorf("looking a session up: %w", err)
	}
	if now.Sub(seen) >= seenNoted {
		if err := s.noteSeen(ctx, hash, now); err != nil {
			return nil, fmt.Errorf("looking a session up: %w", err)
		}
	}
	return session, nil
}

// Logout ends a session; one that is not there has ended already.
func (s *Store) Logout(ctx context.Context, by Actor, token string) error {
	err := s.inTx(ctx, func(tx *sqlx.Tx) error {
		userID, err := deleteSession(ctx, tx, secretHash(token))
		if err != nil || userID == "" {
			return err
		}
		return s.audit(ctx, tx, by, "session.closed", userID, nil)
	})
	if err != nil {
		return fmt.Errorf("logging out: %w", err)
	}
	return nil
}

// Sweep deletes sessions that ended and failures that no longer count; a job calls it now and then.
func (s *Store) Sweep(ctx context.Context) error {
	now := s.machine()
	if err := s.sweep(ctx, now, now.Add(-IdleLimit), now.Add(-failureWindow)); err != nil {
		return fmt.Errorf("sweeping sessions: %w", err)
	}
	return nil
}
