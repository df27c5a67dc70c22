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
	"strings"
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

// Session is a person at work.
type Session struct {
	Principal Principal
	CSRF      string // forms of the console carry it
	ExpiresAt time.Time
}

// Attempt is what somebody offers to be let in. OTP is needed of who has enrolled a second factor: a code of the moment, or a
// recovery code. Address is where the request comes from.
type Attempt struct{ Name, Password, OTP, Address, RequestID string }

// Login checks an attempt and opens a session. The errors: ErrBadCredentials (whichever was wrong, in the same time: a guesser
// does not learn that a password is right), *LockedError, or the database's.
func (s *Store) Login(ctx context.Context, a Attempt) (token string, session *Session, err error) {
	now := s.machine()
	name, nameErr := cleanName("name", a.Name)
	pair, wide := buckets(name, a.Address)
	if err := s.admit(ctx, now, pair, wide); err != nil {
		return "", nil, err
	}
	u, hash, err := s.userByName(ctx, name)
	exists := err == nil && nameErr == nil && u.DisabledAt == nil && !u.Outside
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", nil, fmt.Errorf("logging in: %w", err)
	}
	if !exists {
		hash = s.nobody
	}
	ok, old, err := s.hasher.verify(ctx, a.Password, hash)
	if err != nil {
		return "", nil, fmt.Errorf("logging in: %w", err)
	}
	by := Actor{Kind: KindUser, Address: a.Address, RequestID: a.RequestID}
	if exists {
		by.ID = u.ID
	}
	if !ok || !exists {
		return "", nil, s.refuse(ctx, by, now, wide)
	}
	factor, err := s.second(ctx, u.ID, a.OTP, now)
	if err != nil {
		if errors.Is(err, ErrBadCredentials) {
			return "", nil, s.refuse(ctx, by, now, wide)
		}
		return "", nil, fmt.Errorf("logging in: %w", err)
	}
	if old {
		if hash, err = s.hasher.hash(ctx, a.Password); err != nil {
			return "", nil, fmt.Errorf("logging in: %w", err)
		}
	}
	token, row := newSession(u.ID, now)
	err = s.inTx(ctx, func(tx *sqlx.Tx) error {
		if err := factor(tx); err != nil {
			return err
		}
		if old {
			if _, err := setPassword(ctx, tx, u.ID, hash, nil); err != nil {
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
	if errors.Is(err, ErrBadCredentials) { // the code was taken by another sign-in meanwhile, or the person was disabled
		return "", nil, s.refuse(ctx, by, now, wide)
	}
	if err != nil {
		return "", nil, fmt.Errorf("logging in: %w", err)
	}
	session, err = s.Session(ctx, token)
	return token, session, err
}

// newSession makes a session's token, which is told once, and its row. A sign-in always makes a new one, so that no token that was
// known before is worth more after.
func newSession(userID string, now time.Time) (token string, row sessionRow) {
	token = newSecret(sessionPrefix)
	return token, sessionRow{TokenHash: secretHash(token), UserID: userID, CSRF: newSecret(""), CreatedAt: now, ExpiresAt: now.Add(AbsoluteLimit)}
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
	return bucket("pair", name, from), map[string]int{bucket("address", from): addressLimit, bucket("name", name): nameLimit}
}

func bucket(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(h[:16])
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

// Work is a session for its own person to see.
type Work struct {
	CreatedAt  time.Time `db:"created_at"`
	LastSeenAt time.Time `db:"last_seen_at"`
	Here       bool      `db:"here"` // the one that asks
}

// Sessions lists a person's sessions that are open, the last used first; token is that of the one who asks.
func (s *Store) Sessions(ctx context.Context, userID, token string) ([]Work, error) {
	now := s.machine()
	out, err := s.sessionsOf(ctx, userID, secretHash(token), now, now.Add(-IdleLimit))
	if err != nil {
		return nil, fmt.Errorf("listing sessions of %s: %w", userID, err)
	}
	return out, nil
}

// EndSessions ends a person's sessions: all, or all but the one with the token.
func (s *Store) EndSessions(ctx context.Context, by Actor, userID, but string) error {
	err := s.inTx(ctx, func(tx *sqlx.Tx) error {
		if err := deleteSessionsOf(ctx, tx, userID, secretHash(but)); err != nil {
			return err
		}
		return s.audit(ctx, tx, by, "session.all-closed", userID, nil)
	})
	if err != nil {
		return fmt.Errorf("ending sessions of %s: %w", userID, err)
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
