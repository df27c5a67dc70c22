package account

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/providers"
)

// ErrNoAccount says that there is no such account.
var ErrNoAccount = errors.New("no such merchant account")

// Store reads and writes merchant accounts and makes their adapters. Accounts are few and read on every payment, so they are
// kept in memory for freshFor.
type Store struct {
	db       *sqlx.DB
	keys     *Keys
	registry providers.Registry
	client   Client
	now      func() time.Time
	public   string // our public address

	mu     sync.Mutex
	loaded time.Time // machine clock
	until  time.Time // clock of facts: when a secret ends or a beneficiary begins; zero: nothing is known to come
	byID   map[string]*Entry
	order  []*Entry
}

// Entry is an account with its adapter; Err says why the adapter could not be made.
type Entry struct {
	Account  Account
	Provider providers.Provider
	Err      error
}

const freshFor = 5 * time.Second

// NewStore makes the store. client gives the HTTP client of an account's operation, with breaker and timeout.
func NewStore(db *sqlx.DB, keys *Keys, registry providers.Registry, publicURL string, now func() time.Time, client Client) *Store {
	return &Store{db: db, keys: keys, registry: registry, client: client, now: now, public: publicURL}
}

func nonNil[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return m
}

// Get gives one account; ErrNoAccount where there is none.
func (s *Store) Get(ctx context.Context, id string) (*Entry, error) {
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.byID[id]
	if !ok {
		return nil, ErrNoAccount
	}
	return e, nil
}

// Latest reads one account past what is kept in memory, for a form that is held to the account's version; ErrNoAccount where there is none.
func (s *Store) Latest(ctx context.Context, id string) (*Entry, error) {
	entries, _, err := s.load(ctx, s.db, id)
	if err != nil {
		return nil, fmt.Errorf("account %s: %w", id, err)
	}
	if len(entries) == 0 {
		return nil, ErrNoAccount
	}
	return entries[0], nil
}

// Providers gives the providers that an account may be opened at, by name.
func (s *Store) Providers() (out []providers.Registration) {
	for _, name := range slices.Sorted(maps.Keys(s.registry)) {
		out = append(out, s.registry[name])
	}
	return out
}

// ForAgency gives the agency's accounts in the province's order.
func (s *Store) ForAgency(ctx context.Context, agency string) ([]*Entry, error) {
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*Entry
	for _, e := range s.order {
		if agency == "" || e.Account.AgencyCode == agency {
			out = append(out, e)
		}
	}
	return out, nil
}

func (s *Store) refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.loaded) < freshFor && (s.until.IsZero() || s.now().Before(s.until)) {
		return nil
	}
	entries, until, err := s.load(ctx, s.db, "")
	if err != nil {
		if s.byID != nil { // an old answer is better than none while the database restarts
			return nil
		}
		return fmt.Errorf("reading the merchant accounts: %w", err)
	}
	s.byID, s.order, s.loaded, s.until = map[string]*Entry{}, entries, time.Now(), until
	for _, e := range entries {
		s.byID[e.Account.ID] = e
	}
	return nil
}

// load reads the accounts, or the one with the id, and says when what it read will not hold any more.
func (s *Store) load(ctx context.Context, q sqlx.ExtContext, id string) ([]*Entry, time.Time, error) {
	now := s.now()
	rows, err := q.QueryContext(ctx, `
		SELECT a.id, a.provider, a.agency_code, a.terminal, a.mode, a.kinds, a.methods, a.min_amount, a.max_amount, account_tariff(a.id, business_day($1)), a.base_url,
			a.urls, a.settings, a.timeouts, a.position, a.valid_from::text, coalesce(a.valid_to::text, ''), to_char(a.cutoff, 'HH24:MI'), a.calendar,
			a.version, a.created_at, a.updated_at, coalesce((SELECT jsonb_agg(jsonb_build_object('from', t.valid_from, 'tariff', t.tariff, 'recorded_at', t.recorded_at)
				ORDER BY t.valid_from DESC, t.id DESC) FROM account_tariffs t WHERE t.account_id = a.id), '[]')
		FROM merchant_accounts a WHERE $2 IN ('', a.id) ORDER BY a.position, a.id`, now, id)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer func() { _ = rows.Close() }()
	var out []*Entry
	byID := map[string]*Entry{}
	for rows.Next() {
		e := &Entry{}
		a := &e.Account
		var tariff, urls, settings, timeouts, calendar, tariffs []byte
		if err := rows.Scan(&a.ID, &a.Provider, &a.AgencyCode, &a.Terminal, &a.Mode, pq.Array(&a.Kinds), pq.Array(&a.Methods), &a.MinAmount,
			&a.MaxAmount, &tariff, &a.BaseURL, &urls, &settings, &timeouts, &a.Position, &a.ValidFrom, &a.ValidTo, &a.Cutoff, &calendar,
			&a.Version, &a.CreatedAt, &a.UpdatedAt, &tariffs); err != nil {
			return nil, time.Time{}, err
		}
		if err := errors.Join(json.Unmarshal(tariff, &a.Tariff), json.Unmarshal(urls, &a.URLs), json.Unmarshal(settings, &a.Settings), json.Unmarshal(timeouts, &a.Timeouts),
			json.Unmarshal(calendar, &a.Calendar), json.Unmarshal(tariffs, &a.Tariffs)); err != nil {
			return nil, time.Time{}, fmt.Errorf("account %s: %w", a.ID, err)
		}
		out, byID[a.ID] = append(out, e), e
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, time.Time{}, err
	}
	until, err := s.loadBeneficiaries(ctx, q, byID, now)
	if err != nil {
		return nil, time.Time{}, err
	}
	secrets, ends, err := s.loadSecrets(ctx, q, id, now)
	if err != nil {
		return nil, time.Time{}, err
	}
	for _, e := range out {
		e.Account.settle(now)
		e.Provider, e.Err = s.open(&e.Account, secrets[e.Account.ID])
	}
	return out, sooner(until, ends), s.loadWindows(ctx, q, out)
}

// sooner is the earlier of two times, either of which may be unknown.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// open makes the adapter of a stored account with its secrets, which it notes without what they say.
func (s *Store) open(a *Account, secrets []sealedSecret) (providers.Provider, error) {
	if reg, known := s.registry[a.Provider]; known { // also where the secret does not open: it is what another one mends
		a.Registration, a.Capabilities = reg, reg.Capabilities
	}
	var active []map[string]string
	for _, sealed := range secrets {
		c, err := s.unseal(a.ID, sealed.Sealed)
		if err != nil {
			return nil, err
		}
		active = append(active, c)
		a.Secrets = append(a.Secrets, Secret{Names: slices.Sorted(maps.Keys(c)), SetAt: sealed.ValidFrom, ValidUntil: sealed.ValidTo, SetBy: sealed.SetBy, Signs: len(active) == 1})
	}
	return s.adapter(a, active, s.client)
}

// fresh reads one account as it is now, with its active credentials.
func (s *Store) fresh(ctx context.Context, id string) (*Entry, []map[string]string, error) {
	e, err := s.Latest(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	secrets, _, err := s.loadSecrets(ctx, s.db, id, s.now())
	if err != nil {
		return nil, nil, fmt.Errorf("account %s: %w", id, err)
	}
	var active []map[string]string
	for _, sealed := range secrets[id] {
		if c, err := s.unseal(id, sealed.Sealed); err == nil { // where it does not open, the entry says so
			active = append(active, c)
		}
	}
	return e, active, nil
}

// Client gives the HTTP client of an account's operation.
type Client = func(accountID string, op providers.Operation, timeout time.Duration) *http.Client

// adapter makes the adapter of an account with these credentials, the signing ones first.
func (s *Store) adapter(a *Account, credentials []map[string]string, client Client) (providers.Provider, error) {
	reg, ok := s.registry[a.Provider]
	if !ok {
		return nil, fmt.Errorf("account %s: provider %q is not known to this program", a.ID, a.Provider)
	}
	a.Registration, a.Capabilities, a.timeouts = reg, reg.Capabilities, map[providers.Operation]time.Duration{}
	for op, d := range reg.Timeouts {
		a.timeouts[op] = d
	}
	for op, ms := range a.Timeouts {
		a.timeouts[op] = time.Duration(ms) * time.Millisecond
	}
	p := providers.Account{ID: a.ID, Terminal: a.Terminal, Credentials: credentials, BaseURL: a.BaseURL, URLs: a.URLs, Settings: a.Settings, ServerIP: "127.0.0.1",
		Beneficiary: providers.Beneficiary{Bank: a.BeneficiaryBank, Number: a.BeneficiaryAccount, Name: a.BeneficiaryName},
		CallbackURL: s.CallbackURL(a.Provider, a.ID), ReturnURL: s.public + "/returns/" + a.Provider + "/" + a.ID}
	timeouts := a.timeouts
	id := a.ID
	return s.registry.New(a.Provider, p, providers.Deps{Now: s.now, HTTP: func(op providers.Operation) *http.Client {
		return client(id, op, timeouts[op])
	}})
}

// TransferProviders names the providers whose money payers transfer themselves: the bank's statement settles them.
func (s *Store) TransferProviders() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.registry)) {
		if s.registry[name].Transfers {
			out = append(out, name)
		}
	}
	return out
}

// TransferReference is how references of bank transfers are drawn; nil where no provider of this program has any.
func (s *Store) TransferReference() func(dossierCode string, at time.Time) (string, error) {
	for _, name := range slices.Sorted(maps.Keys(s.registry)) {
		if r := s.registry[name]; r.Transfers && r.NewReference != nil {
			return r.NewReference
		}
	}
	return nil
}

// Exists reports whether any account is stored.
func (s *Store) Exists(ctx context.Context) (bool, error) {
	var one int
	err := s.db.QueryRowContext(ctx, `SELECT 1 FROM merchant_accounts LIMIT 1`).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// CallbackURL is where a provider calls for an account.
func (s *Store) CallbackURL(provider, id string) string {
	return s.public + "/callbacks/" + provider + "/" + id
}
