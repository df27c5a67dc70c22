package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"

	"feegate/providers"
)

// NewBeneficiary is a proposal to pay an account's money out to another bank account.
type NewBeneficiary struct {
	Payee
	From   string `json:"from,omitempty"` // a day; at once when empty
	Reason string `json:"reason"`
}

const beneficiaryColumns = `account_id, id, bank, number, name, starts_on::text, reason, status, proposed_by, proposed_at, decided_by, decided_at, effective_at, note`

// loadBeneficiaries gives the accounts theirs, and says when the next one comes into force.
func (s *Store) loadBeneficiaries(ctx context.Context, q sqlx.QueryerContext, accounts map[string]*Entry, now time.Time) (next time.Time, err error) {
	one := ""
	if len(accounts) == 1 {
		for one = range accounts {
		}
	}
	var all []Beneficiary
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT `+beneficiaryColumns+` FROM account_beneficiaries WHERE $1 IN ('', account_id) ORDER BY n DESC`, one); err != nil {
		return next, err
	}
	for _, b := range all {
		if e := accounts[b.AccountID]; e != nil {
			e.Account.Beneficiaries = append(e.Account.Beneficiaries, b)
			if b.EffectiveAt != nil && b.EffectiveAt.After(now) {
				next = sooner(next, *b.EffectiveAt)
			}
		}
	}
	return next, nil
}

// Propose proposes another beneficiary; it changes nothing until another person approves.
func (s *Store) Propose(ctx context.Context, id string, n NewBeneficiary, by By) (string, error) {
	payee, f := n.Payee.clean("")
	n.Payee, n.Reason = payee, strings.TrimSpace(n.Reason)
	text(&f, "reason", n.Reason, 1, 500)
	today := s.now().In(vietnam).Format(time.DateOnly)
	if n.From != "" && (!isDate(n.From) || n.From < today) {
		f.add("from", "must be a day from today on; what was is not changed")
	}
	if err := f.err(); err != nil {
		return "", err
	}
	beneficiary := newID("bnf_")
	return beneficiary, s.change(ctx, id, func(ctx context.Context, tx *sqlx.Tx, e *Entry) error {
		a := e.Account
		if now := at(a.Beneficiaries, s.now()); now != nil && now.Payee == n.Payee {
			return &InvalidError{[]FieldError{{"number", "is the beneficiary in force"}}}
		}
		a.BeneficiaryBank, a.BeneficiaryAccount, a.BeneficiaryName = n.Bank, n.Number, n.Name
		secrets, _, err := s.loadSecrets(ctx, tx, id, s.now())
		if err != nil {
			return fmt.Errorf("account %s: %w", id, err)
		}
		a.Secrets = nil
		if _, err := s.open(&a, secrets[id]); err != nil && (e.Err == nil || ofBeneficiary(err)) { // with this beneficiary the account could not be used
			return setUp(err)
		}
		return s.propose(ctx, tx, &a, n, beneficiary, by)
	})
}

// ofBeneficiary reports whether it is the beneficiary that an adapter would not be made with, whatever else an account lacks.
func ofBeneficiary(err error) bool {
	var at *providers.SetUpError
	return errors.As(err, &at) && strings.HasPrefix(at.Field, "beneficiary")
}

func (s *Store) propose(ctx context.Context, tx *sqlx.Tx, a *Account, n NewBeneficiary, id string, by By) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO account_beneficiaries (id, account_id, bank, number, name, starts_on, reason, status, proposed_by, proposed_at)
		VALUES ($1, $2, $3, $4, $5, nullif($6, '')::date, $7, 'proposed', $8, $9)`, id, a.ID, n.Bank, n.Number, n.Name, n.From, n.Reason, by.ID, s.now())
	if err != nil {
		return known(fmt.Errorf("proposing a beneficiary of account %s: %w", a.ID, err), err)
	}
	return by.Record(ctx, tx, "account.beneficiary.proposed", a.ID, map[string]any{"beneficiary": id, "bank": n.Bank, "number": masked(n.Number), "from": n.From, "reason": n.Reason})
}

// masked shows the end of a number, so that people know which is meant.
func masked(number string) string { return "••••" + number[max(0, len(number)-4):] }

// Decide approves or rejects a proposal, by another person than proposed it. An approved one is in force from the day proposed, and
// never before now.
func (s *Store) Decide(ctx context.Context, id, beneficiary string, approve bool, note string, by By) error {
	note = strings.TrimSpace(note)
	if utf8.RuneCountInString(note) > 500 || strings.ContainsFunc(note, unicode.IsControl) {
		return &InvalidError{[]FieldError{{"note", "must be at most 500 characters on one line"}}}
	}
	return s.change(ctx, id, func(ctx context.Context, tx *sqlx.Tx, e *Entry) error {
		var b *Beneficiary
		for i := range e.Account.Beneficiaries {
			if e.Account.Beneficiaries[i].ID == beneficiary {
				b = &e.Account.Beneficiaries[i]
			}
		}
		switch {
		case b == nil:
			return ErrNoBeneficiary
		case b.Status != BeneficiaryProposed:
			return ErrDecided
		case b.ProposedBy != nil && *b.ProposedBy == by.ID:
			return ErrSamePerson
		}
		now := s.now()
		status, action := BeneficiaryRejected, "account.beneficiary.rejected"
		var effective *time.Time
		if approve {
			status, action, effective = BeneficiaryApproved, "account.beneficiary.approved", &now
			if b.From != nil {
				if day, err := time.ParseInLocation(time.DateOnly, *b.From, vietnam); err == nil && day.After(now) {
					effective = &day
				}
			}
		}
		res, err := tx.ExecContext(ctx, `UPDATE account_beneficiaries SET status = $3, decided_by = $4, decided_at = $5, effective_at = $6, note = $7
			WHERE id = $1 AND account_id = $2 AND status = 'proposed'`, beneficiary, id, status, by.ID, now, effective, note)
		if err != nil {
			return known(fmt.Errorf("deciding on beneficiary %s: %w", beneficiary, err), err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return cmpErr(err, ErrDecided)
		}
		return by.Record(ctx, tx, action, id, map[string]any{"beneficiary": beneficiary, "number": masked(b.Number), "effective_at": effective, "note": note})
	})
}
