package account

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway/vnd"
)

// By is who makes a change, and how it is written into the audit, in the change's own transaction.
type By struct {
	ID     string // of the person, or a word for who works at the machine
	Record func(ctx context.Context, tx sqlx.ExtContext, action, object string, detail map[string]any) error
}

func names(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

// transact does f in a transaction, and makes the next reader see what it wrote.
func (s *Store) transact(ctx context.Context, f func(tx *sqlx.Tx) error) error {
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("changing an account: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("changing an account: %w", err)
	}
	s.forget()
	return nil
}

// change does f on an account that is locked and freshly read: one change at a time.
func (s *Store) change(ctx context.Context, id string, f func(context.Context, *sqlx.Tx, *Entry) error) error {
	return s.transact(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `SELECT 1 FROM merchant_accounts WHERE id = $1 FOR UPDATE`, id); err != nil {
			return fmt.Errorf("account %s: %w", id, err)
		}
		entries, _, err := s.load(ctx, tx, id)
		if err != nil {
			return fmt.Errorf("account %s: %w", id, err)
		}
		if len(entries) == 0 {
			return ErrNoAccount
		}
		return f(ctx, tx, entries[0])
	})
}

// Create stores an account with its first secret, sealed, and its beneficiary in force: for the demo and for tests, which have nobody
// to ask. People open accounts by Open.
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
	for _, d := range []struct {
		field *string
		value string
	}{{&a.Mode, "live"}, {&a.ValidFrom, "2020-01-01"}, {&a.Cutoff, "00:00"}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if len(a.Calendar.Weekdays) == 0 {
		a.Calendar = EveryDay()
	}
	return s.transact(ctx, func(tx *sqlx.Tx) error {
		if err := s.insert(ctx, tx, &a, "setup"); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO account_beneficiaries (id, account_id, bank, number, name, origin, status, proposed_at, decided_at, effective_at)
			VALUES ($1, $2, $3, $4, $5, 'setup', 'approved', $6, $6, '2000-01-01T00:00:00Z')`, newID("bnf_"), a.ID, a.BeneficiaryBank, a.BeneficiaryAccount, a.BeneficiaryName, s.now()); err != nil {
			return fmt.Errorf("account %s: %w", a.ID, err)
		}
		return nil
	})
}

// prepare is the account that was asked for, held to every rule that needs no database.
func (s *Store) prepare(n NewAccount) (Account, error) {
	a, err := n.account(s.registry, s.now())
	if err != nil {
		return a, err
	}
	a.ID = newID("acc_")
	if _, err := s.adapter(&a, []map[string]string{a.Credentials}, s.client); err != nil {
		return a, setUp(err)
	}
	return a, nil
}

// Examine says what is wrong with an account that was asked for, as Open would, and opens none: for a form that is wrong already.
func (s *Store) Examine(n NewAccount) error {
	_, err := s.prepare(n)
	return err
}

// Open opens an account for people. It takes no payment until another person has approved its beneficiary.
func (s *Store) Open(ctx context.Context, n NewAccount, by By) (string, error) {
	a, err := s.prepare(n)
	if err != nil {
		return "", err
	}
	err = s.transact(ctx, func(tx *sqlx.Tx) error {
		if err := s.insert(ctx, tx, &a, by.ID); err != nil {
			return err
		}
		if err := by.Record(ctx, tx, "account.created", a.ID, map[string]any{"provider": a.Provider, "agency_code": a.AgencyCode, "terminal": a.Terminal, "mode": a.Mode, "kinds": a.Kinds,
			"credentials": names(a.Credentials), "base_url": a.BaseURL}); err != nil {
			return err
		}
		return s.propose(ctx, tx, &a, NewBeneficiary{Payee: Payee{a.BeneficiaryBank, a.BeneficiaryAccount, a.BeneficiaryName}, Reason: "mở tài khoản"}, newID("bnf_"), by)
	})
	return a.ID, err
}

func (s *Store) insert(ctx context.Context, tx *sqlx.Tx, a *Account, by string) error {
	sealed, err := s.sealCredentials(a.ID, a.Credentials)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		WITH a AS (INSERT INTO merchant_accounts (id, provider, agency_code, terminal, mode, kinds, methods, min_amount, max_amount,
			tariff, base_url, urls, timeouts, position, settings, valid_from, valid_to, cutoff, calendar, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, nullif($17, '')::date, $18, $19, $20) RETURNING id)
		INSERT INTO account_secrets (account_id, sealed, valid_from, set_by) SELECT id, $21, $20, $22 FROM a`,
		a.ID, a.Provider, a.AgencyCode, a.Terminal, a.Mode, pq.Array(a.Kinds), pq.Array(append([]string{}, a.Methods...)), a.MinAmount, a.MaxAmount,
		asJSON(a.Tariff), a.BaseURL, asJSON(nonNil(a.URLs)), asJSON(nonNil(a.Timeouts)), a.Position, asJSON(nonNil(a.Settings)), a.ValidFrom, a.ValidTo, a.Cutoff, asJSON(a.Calendar), s.now(), sealed, by)
	return known(fmt.Errorf("account %s: %w", a.ID, err), err)
}

// asJSON writes what is made of texts and numbers alone: it cannot fail.
func asJSON(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

// known is a broken rule of the database as what it means to who asked.
func known(wrapped, err error) error {
	if err == nil {
		return nil
	}
	var p *pq.Error
	if errors.As(err, &p) {
		switch p.Constraint {
		case "merchant_accounts_provider_terminal_key":
			return ErrTaken
		case "merchant_accounts_agency_code_fkey":
			return &InvalidError{[]FieldError{{"agency_code", "is not in the catalogue"}}}
		case "account_beneficiaries_open":
			return ErrOpenProposal
		case "account_beneficiaries_another_person":
			return ErrSamePerson
		}
	}
	return wrapped
}

// Change changes an account's terms; ErrChanged where somebody else was faster.
func (s *Store) Change(ctx context.Context, id string, c Change, by By) error {
	return s.change(ctx, id, func(ctx context.Context, tx *sqlx.Tx, e *Entry) error {
		a := &e.Account
		if c.Version < 1 {
			return &InvalidError{[]FieldError{{"version", "must be the version of the account as you read it"}}}
		}
		if a.Version != c.Version {
			return ErrChanged
		}
		if a.Registration.Name == "" {
			return unknownProvider(a)
		}
		before := terms(a)
		c.apply(a)
		var f faults
		a.checkTerms(&f)
		from := c.TariffFrom
		switch {
		case c.Tariff == nil && from != "":
			f.add("tariff_from", "says from when, but there is no tariff")
		case from != "" && !isDate(from):
			f.add("tariff_from", "must be a day, 2026-01-31 say")
		case from == "":
			from = s.now().In(vietnam).Format(time.DateOnly)
		}
		if err := f.err(); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE merchant_accounts SET kinds = $2, methods = $3, min_amount = $4, max_amount = $5, timeouts = $6, position = $7, valid_from = $8,
			valid_to = nullif($9, '')::date, cutoff = $10, calendar = $11, version = version + 1, updated_at = $12 WHERE id = $1 AND version = $13`,
			id, pq.Array(a.Kinds), pq.Array(append([]string{}, a.Methods...)), a.MinAmount, a.MaxAmount, asJSON(nonNil(a.Timeouts)), a.Position, a.ValidFrom,
			a.ValidTo, a.Cutoff, asJSON(a.Calendar), s.now(), c.Version)
		if err != nil {
			return fmt.Errorf("changing account %s: %w", id, err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return cmpErr(err, ErrChanged)
		}
		detail := changed(before, terms(a))
		if c.Tariff != nil {
			if err := s.addTariff(ctx, tx, id, from, *c.Tariff, by.ID); err != nil {
				return err
			}
			detail["tariff"], detail["tariff_from"] = *c.Tariff, from
		}
		return by.Record(ctx, tx, "account.changed", id, detail)
	})
}

func (s *Store) addTariff(ctx context.Context, tx *sqlx.Tx, id, from string, t vnd.Tariff, by string) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO account_tariffs (account_id, valid_from, tariff, actor, recorded_at) VALUES ($1, $2, $3, $4, $5)`, id, from, asJSON(t), by, s.now()); err != nil {
		return fmt.Errorf("the tariff of account %s: %w", id, err)
	}
	return nil
}

// terms is what may be changed, for the audit.
func terms(a *Account) map[string]any {
	return map[string]any{"kinds": a.Kinds, "methods": a.Methods, "min_amount": a.MinAmount, "max_amount": a.MaxAmount, "timeouts": a.Timeouts, "position": a.Position,
		"valid_from": a.ValidFrom, "valid_to": a.ValidTo, "cutoff": a.Cutoff, "calendar": a.Calendar}
}

// changed tells what differs, as it was and as it is.
func changed(before, after map[string]any) map[string]any {
	out := map[string]any{}
	for name, is := range after {
		if was := before[name]; string(asJSON(was)) != string(asJSON(is)) {
			out[name] = map[string]any{"was": was, "is": is}
		}
	}
	return out
}

// unknownProvider refuses to change an account that nothing here can make an adapter for.
func unknownProvider(a *Account) error {
	return &InvalidError{[]FieldError{{"provider", fmt.Sprintf("%q is not known to this program", a.Provider)}}}
}

// Tariff is what a provider charges from a day on.
type Tariff struct {
	From       string     `json:"from"`
	Tariff     vnd.Tariff `json:"tariff"`
	RecordedAt time.Time  `json:"recorded_at"`
}
