// Package identity is who may do what: people with roles, programs with keys, sessions, and the audit of what they did.
//
// It may touch source_systems, clients, api_keys, users, recovery_codes, otp_roles, sessions, login_failures and audit. Secrets leave it once, when
// they are made; what it stores are hashes. Facts (a key's validity, the audit) go by feegate's clock; sessions and the
// limits on log-ins go by the machine's, so that a clock set forward logs nobody out.
package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/account"
)

// Kind says what a principal is.
type Kind string

// The kinds of principal. A system principal is feegate itself, in the audit alone.
const (
	KindUser   Kind = "user"
	KindClient Kind = "client"
	KindSystem Kind = "system"
)

// Scope is what a key may do.
type Scope string

// The closed list of scopes.
const (
	OrdersWrite    Scope = "orders:write"
	OrdersRead     Scope = "orders:read"
	RefundsRequest Scope = "refunds:request"
	WebhooksWrite  Scope = "webhooks:write"
	DossiersWrite  Scope = "dossiers:write"
	CounterWrite   Scope = "counter:write"
	CatalogueWrite Scope = "catalogue:write"
	ReportsRead    Scope = "reports:read"
)

// Scopes is the closed list of scopes, for messages and forms.
func Scopes() []Scope {
	return []Scope{OrdersWrite, OrdersRead, RefundsRequest, WebhooksWrite, DossiersWrite, CounterWrite, CatalogueWrite, ReportsRead}
}

// Role is what a person may do.
type Role string

// The closed list of roles.
const (
	Finance     Role = "finance"      // imports, reconciles, requests refunds, resolves, closes
	Approver    Role = "approver"     // approves refunds and resolutions, signs
	Reporter    Role = "reporter"     // reads reports
	Operator    Role = "operator"     // providers, deliveries, jobs
	Admin       Role = "admin"        // users, keys, accounts
	Auditor     Role = "auditor"      // reads all
	PortalAdmin Role = "portal_admin" // one client's own keys and endpoints
)

// Roles is the closed list of roles, for messages and forms.
func Roles() []Role {
	return []Role{Finance, Approver, Reporter, Operator, Admin, Auditor, PortalAdmin}
}

// Principal is who makes a request: a program by its key, or a person by a session. It is read-only: one may serve many
// requests.
type Principal struct {
	Kind         Kind
	ID           string // of the key or the user
	Name         string
	ClientID     string // a program's client; a portal_admin's
	SourceSystem string // the client's
	Mode         string // the source system's: live or test
	Scopes       []Scope
	Roles        []Role
	Agencies     []string // a person's; empty: all
	Held         Held     // what a person has to do before anything else
}

// Held says why a person who has signed in may do nothing yet but look after their own account.
type Held string

// The closed list of what holds people up.
const (
	HeldPassword Held = "password" // somebody else made it
	HeldOTP      Held = "otp"      // one of their roles needs a second factor
)

// HasScope reports whether a program's key has the scope. A person has none.
func (p *Principal) HasScope(s Scope) bool {
	return p.Kind == KindClient && slices.Contains(p.Scopes, s)
}

// HasRole reports whether a person has one of the roles. A program has none.
func (p *Principal) HasRole(any ...Role) bool {
	return p.Kind == KindUser && slices.ContainsFunc(any, func(r Role) bool { return slices.Contains(p.Roles, r) })
}

// InAgency reports whether the agency is one that the principal may work for. A program is limited by its source system
// instead.
func (p *Principal) InAgency(code string) bool {
	return p.Kind == KindClient || (p.Kind == KindUser && (len(p.Agencies) == 0 || slices.Contains(p.Agencies, code)))
}

// AllAgencies reports whether no agency is closed to the principal, which figures over the whole province need.
func (p *Principal) AllAgencies() bool {
	return p.Kind == KindClient || (p.Kind == KindUser && len(p.Agencies) == 0)
}

// Manages reports whether a person may make and revoke a client's keys: an admin any, a portal_admin its own client's.
func (p *Principal) Manages(clientID string) bool {
	return p.HasRole(Admin) || (p.HasRole(PortalAdmin) && clientID != "" && p.ClientID == clientID)
}

// Another reports whether p is a person other than the one with the id: the second of two people.
func (p *Principal) Another(userID string) bool {
	return p.Kind == KindUser && p.ID != "" && p.ID != userID
}

// The closed set of what can go wrong, besides the database.
var (
	ErrUnauthenticated = errors.New("no valid key or session")
	ErrBadCredentials  = errors.New("the name, the password or the one-time code is wrong")
	ErrNotFound        = errors.New("there is no such person, client or key")
	ErrTaken           = errors.New("the name is taken")
	ErrOwnRights       = errors.New("nobody changes their own rights: another admin does")
	ErrLastAdmin       = errors.New("the last admin of all agencies stays one: make another first")
	ErrOutside         = errors.New("this person signs in at the provider of identities, which keeps password and second factor")
	ErrNoRole          = errors.New("the provider of identities gives this person no role here")
	ErrEnded           = errors.New("the key has ended, or another follows it already")
)

// LockedError refuses a log-in after too many failures; it says nothing of whether the name exists.
type LockedError struct{ RetryAfter time.Duration }

func (e *LockedError) Error() string {
	return fmt.Sprintf("too many failed log-ins: try again in %s", e.RetryAfter.Round(time.Second))
}

// InvalidError names the field of the caller's input that is wrong.
type InvalidError struct{ Field, Detail string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Detail }

// Options of a Store; only Now is needed.
type Options struct {
	Now     func() time.Time // feegate's clock
	Machine func() time.Time // the machine's; time.Now when nil
	Hash    *Params          // of passwords; DefaultParams when nil
	Keys    *account.Keys    // seal second factors; without them nobody can enrol one
}

// Store keeps people, programs and the audit. It is safe for concurrent use.
type Store struct {
	db      *sqlx.DB
	now     func() time.Time
	machine func() time.Time
	hasher  *hasher
	cache   *keyCache
	nobody  string // a password hash that nothing fits, for names that do not exist
	keys    *account.Keys
	leaked  *Leaked // passwords that the world knows; nil knows none
	byKey   *sqlx.Stmt
	byToken *sqlx.Stmt
}

// New makes the store and prepares what every request asks.
func New(ctx context.Context, db *sqlx.DB, o Options) (*Store, error) {
	if o.Machine == nil {
		o.Machine = time.Now
	}
	if o.Hash == nil {
		p := DefaultParams()
		o.Hash = &p
	}
	s := &Store{db: db, now: o.Now, machine: o.Machine, hasher: newHasher(*o.Hash), cache: newKeyCache(o.Machine), keys: o.Keys}
	var err error
	if s.nobody, err = s.hasher.hash(ctx, rand.Text()); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if err := s.prepare(ctx); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return s, nil
}

// Close gives the prepared statements back.
func (s *Store) Close() error { return errors.Join(s.byKey.Close(), s.byToken.Close()) }

// Authenticate finds the principal of a bearer token: a key (fgk_…) or a session (fgs_…). The error is
// ErrUnauthenticated, or the database's.
func (s *Store) Authenticate(ctx context.Context, bearer string) (*Principal, error) {
	switch {
	case strings.HasPrefix(bearer, keyPrefix):
		return s.authenticateKey(ctx, bearer)
	case strings.HasPrefix(bearer, sessionPrefix):
		session, err := s.Session(ctx, bearer)
		if err != nil {
			return nil, err
		}
		return &session.Principal, nil
	}
	return nil, ErrUnauthenticated
}

// newSecret makes a token of 256 random bits. The prefix lets people and secret scanners know it.
func newSecret(prefix string) string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return prefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// secretHash is what is stored of a secret. With 256 random bits a plain hash cannot be reversed by trying.
func secretHash(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

// name checks a name for people, clients and keys; the form of its letters is one, however the keyboard makes them.
func cleanName(field, s string) (string, error) {
	s = normal(strings.TrimSpace(s))
	if n := len([]rune(s)); n < 1 || n > 100 {
		return "", &InvalidError{field, "1 to 100 characters are needed"}
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", &InvalidError{field, "control characters are not allowed"}
	}
	return s, nil
}

// known checks that every item is of a closed list, at least one, none twice.
func known[T ~string](field string, items, all []T) error {
	if len(items) == 0 {
		return &InvalidError{field, "at least one is needed"}
	}
	for i, it := range items {
		if !slices.Contains(all, it) {
			return &InvalidError{field, fmt.Sprintf("%q is not known", it)}
		}
		if slices.Contains(items[:i], it) {
			return &InvalidError{field, fmt.Sprintf("%q is there twice", it)}
		}
	}
	return nil
}
