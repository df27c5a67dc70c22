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
	client   func(accountID string, op providers.Operation, timeout time.Duration) *http.Client
	now      func() time.Time
	public   string // our public address

	mu     sync.Mutex
	loaded time.Time // machine clock
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
func NewStore(db *sqlx.DB, keys *Keys, registry providers.Registry, publicURL string, now func() time.Time,
	client func(string, providers.Operation, time.Duration) *http.Client) *Store {
	return &Store{db: db, keys: keys, registry: registry, client: client, now: now, public: publicURL}
}

// Create stores an account with its first secret, sealed.
func (s *Store) Create(ctx context.Context, a Account) error {
	reg, ok := s.registry[a.Provider]
	if !ok {
		return fmt.Errorf("account %s: provider %q is not known to this program", a.ID, a.Provider)
	}
	if a.Terminal == "" {
		a.Terminal = a.Credentials[reg.TerminalField]
	}
	if a.BaseURL == "" {
		a.BaseURL = reg.DefaultURL
	}
	secret, err := json.Marshal(a.Credentials)
	if err != nil {
		return fmt.Errorf("account %s: %w", a.ID, err)
	}
	sealed, err := s.keys.Seal(secret, "account:"+a.ID)
	if err != nil {
		return fmt.Errorf("account %s: sealing its secret: %w", a.ID, err)
	}
	tariff, _ := json.Marshal(a.Tariff)
	urls, _ := json.Marshal(nonNil(a.URLs))
	settings, _ := json.Marshal(nonNil(a.Settings))
	timeouts, _ := json.Marshal(nonNil(a.Timeouts))
	_, err = s.db.ExecContext(ctx, `
		WITH a AS (INSERT INTO merchant_accounts (id, provider, agency_code, terminal, kinds, methods, min_amount, max_amount,
			tariff, base_url, urls, timeouts, beneficiary_bank, beneficiary_account, beneficiary_name, position, settings, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) RETURNING id)
		INSERT INTO account_secrets (account_id, sealed, valid_from) SELECT id, $19, $18 FROM a`,
		a.ID, a.Provider, a.AgencyCode, a.Terminal, pq.Array(a.Kinds), pq.Array(append([]string{}, a.Methods...)), a.MinAmount, a.MaxAmount,
		tariff, a.BaseURL, urls, timeouts, a.BeneficiaryBank, a.BeneficiaryAccount, a.BeneficiaryName, a.Position, settings, s.now(), sealed)
	if err != nil {
		return fmt.Errorf("account %s: %w", a.ID, err)
	}
	s.forget()
	return nil
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
	if time.Since(s.loaded) < freshFor {
		return nil
	}
	entries, err := s.load(ctx)
	if err != nil {
		if s.byID != nil { // an old answer is better than none while the database restarts
			return nil
		}
		return fmt.Errorf("reading the merchant accounts: %w", err)
	}
	s.byID, s.order, s.loaded = map[string]*Entry{}, entries, time.Now()
	for _, e := range entries {
		s.byID[e.Account.ID] = e
	}
	return nil
}

func (s *Store) load(ctx context.Context) ([]*Entry, error) {
	rows, err := s.db.QueryContext(ctx, `
		SELECT a.id, a.provider, a.agency_code, a.terminal, a.mode, a.kinds, a.methods, a.min_amount, a.max_amount, a.tariff, a.base_url,
			a.urls, a.settings, a.timeouts, a.beneficiary_bank, a.beneficiary_account, a.beneficiary_name, a.position, a.valid_from::text,
			coalesce(a.valid_to::text, ''), array_agg(s.sealed ORDER BY s.id DESC)
		FROM merchant_accounts a JOIN account_secrets s ON s.account_id = a.id AND (s.valid_to IS NULL OR s.valid_to > $1)
		GROUP BY a.id ORDER BY a.position, a.id`, s.now())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []*Entry
	for rows.Next() {
		e := &Entry{}
		a := &e.Account
		var tariff, urls, settings, timeouts []byte
		var secrets pq.ByteaArray
		if err := rows.Scan(&a.ID, &a.Provider, &a.AgencyCode, &a.Terminal, &a.Mode, pq.Array(&a.Kinds), pq.Array(&a.Methods), &a.MinAmount,
			&a.MaxAmount, &tariff, &a.BaseURL, &urls, &settings, &timeouts, &a.BeneficiaryBank, &a.BeneficiaryAccount, &a.BeneficiaryName, &a.Position,
			&a.ValidFrom, &a.ValidTo, &secrets); err != nil {
			return nil, err
		}
		if err := errors.Join(json.Unmarshal(tariff, &a.Tariff), json.Unmarshal(urls, &a.URLs), json.Unmarshal(settings, &a.Settings), json.Unmarshal(timeouts, &a.Timeouts)); err != nil {
			return nil, fmt.Errorf("account %s: %w", a.ID, err)
		}
		e.Provider, e.Err = s.adapter(a, secrets)
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return out, s.loadWindows(ctx, out)
}

func (s *Store) adapter(a *Account, secrets [][]byte) (providers.Provider, error) {
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
	p := providers.Account{ID: a.ID, Terminal: a.Terminal, BaseURL: a.BaseURL, URLs: a.URLs, Settings: a.Settings, ServerIP: "127.0.0.1",
		Beneficiary: providers.Beneficiary{Bank: a.BeneficiaryBank, Number: a.BeneficiaryAccount, Name: a.BeneficiaryName},
		CallbackURL: s.CallbackURL(a.Provider, a.ID), ReturnURL: s.public + "/returns/" + a.Provider + "/" + a.ID}
	for _, sealed := range secrets {
		raw, err := s.keys.Open(sealed, "account:"+a.ID)
		if err != nil {
			return nil, fmt.Errorf("account %s: its secret does not open under this master key: %w", a.ID, err)
		}
		var c map[string]string
		if err := json.Unmarshal(raw, &c); err != nil {
			return nil, fmt.Errorf("account %s: its secret is damaged", a.ID)
		}
		p.Credentials = append(p.Credentials, c)
	}
	return s.registry.New(a.Provider, p, providers.Deps{Now: s.now, HTTP: func(op providers.Operation) *http.Client {
		return s.client(a.ID, op, a.timeouts[op])
	}})
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
