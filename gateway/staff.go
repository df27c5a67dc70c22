package gateway

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"feegate/providers"
)

// StaffAccount is a declared account of an officer or an agency: what it pays for citizens is no payment of theirs. The number is not kept.
type StaffAccount struct {
	ID         string     `json:"id" db:"id"`
	AgencyCode *string    `json:"agency_code" db:"agency_code"` // null: of the province, no single agency
	Kind       string     `json:"kind" db:"kind"`
	Bank       string     `json:"bank" db:"bank"`
	Masked     string     `json:"masked" db:"masked"`
	DeclaredBy string     `json:"declared_by" db:"declared_by"`
	Since      time.Time  `json:"since" db:"recorded_at"`
	EndedBy    *string    `json:"ended_by" db:"ended_by"`
	EndedAt    *time.Time `json:"ended_at" db:"ended_at"`
}

// PayerAccount names an account by its number, as the notifiers name it, or by the digest of one.
type PayerAccount struct {
	Kind   string `json:"kind,omitempty"` // bank, or the wallet's provider; bank when absent
	Bank   string `json:"bank,omitempty"`
	Number string `json:"number,omitempty"`
	Digest string `json:"digest,omitempty"` // 64 hexadecimal digits
}

// NewStaffAccount declares an account.
type NewStaffAccount struct {
	AgencyCode string `json:"agency_code,omitempty"`
	PayerAccount
}

// StaffChange is one declaration: what is declared from now on, and which declarations end.
type StaffChange struct {
	Accounts []NewStaffAccount `json:"accounts,omitempty"`
	End      []string          `json:"end,omitempty"`
}

// StaffOutcome says what became of a change.
type StaffOutcome struct {
	Declared int `json:"declared"`
	Known    int `json:"known"` // were declared already
	Ended    int `json:"ended"`
}

// MaxStaff is how many declarations one call takes.
const MaxStaff = 1000

var (
	digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
	walletKind = regexp.MustCompile(`^[a-z0-9]{2,20}$`)
	staffID    = regexp.MustCompile(`^sta_[1-9][0-9]{0,17}$`)
)

// payerDigest digests an account that a person names, exactly as a payer's is. at is the field's place in the input. No error holds the number.
func (g *Gateway) payerDigest(e *fieldErrors, at string, a PayerAccount) (digest, masked string, ok bool) {
	before := len(*e)
	switch {
	case a.Digest != "" && (a.Number != "" || a.Bank != "" || a.Kind != ""):
		e.add(at+"digest", "stands instead of kind, bank and number")
	case a.Digest != "" && !digestForm.MatchString(a.Digest):
		e.add(at+"digest", "must be 64 hexadecimal digits")
	case a.Digest != "":
		return `\x` + a.Digest, "", true
	}
	if a.Kind == "" {
		a.Kind = "bank"
	}
	if !walletKind.MatchString(a.Kind) {
		e.add(at+"kind", "must be bank, or the name of a wallet's provider")
	}
	text(e, at+"bank", a.Bank, 0, 60)
	if a.Kind == "bank" && strings.TrimSpace(a.Bank) == "" {
		e.add(at+"bank", "is missing: the bank as the notifiers name it")
	}
	if n := len(plainAccount(a.Number)); n < 4 || n > 40 || len(a.Number) > 60 {
		e.add(at+"number", "must have 4 to 40 letters and digits")
	}
	if len(*e) > before {
		return "", "", false
	}
	p, err := g.payerEvidence(&providers.Payer{Kind: a.Kind, Bank: strings.TrimSpace(a.Bank), Account: a.Number})
	if err != nil || p == nil {
		e.add(at+"number", "cannot be digested")
		return "", "", false
	}
	return p.digest, p.masked, true
}

// staffRow is a declaration as the database takes it.
type staffRow struct {
	N          int     `json:"n"`
	Digest     string  `json:"digest"`
	AgencyCode *string `json:"agency_code"`
	Kind       string  `json:"kind"`
	Bank       string  `json:"bank"`
	Masked     string  `json:"masked"`
}

// staffRows reads a change. agencies are the codes that the catalogue knows.
func (g *Gateway) staffRows(c *StaffChange, by By, agencies map[string]string) ([]staffRow, error) {
	var e fieldErrors
	if len(c.Accounts)+len(c.End) == 0 || len(c.Accounts) > MaxStaff || len(c.End) > MaxStaff {
		e.add("accounts", "1 to %d to declare, or to end", MaxStaff)
	}
	rows, seen := []staffRow{}, map[string]int{}
	for i, a := range c.Accounts {
		at := fmt.Sprintf("accounts[%d].", i)
		row := staffRow{N: i, Kind: a.Kind, Bank: strings.TrimSpace(a.Bank)}
		if a.AgencyCode != "" {
			row.AgencyCode = &a.AgencyCode
		}
		if _, known := agencies[a.AgencyCode]; a.AgencyCode != "" && !known {
			e.add(at+"agency_code", "is not in the catalogue")
		} else if !by.in(a.AgencyCode) {
			e.add(at+"agency_code", "is not one of yours")
		}
		var ok bool
		if row.Digest, row.Masked, ok = g.payerDigest(&e, at, a.PayerAccount); !ok {
			continue
		}
		if row.Kind == "" && a.Digest == "" {
			row.Kind = "bank"
		}
		if first, twice := seen[row.Digest]; twice {
			e.add(at+"number", "is the account of accounts[%d]", first)
			continue
		}
		seen[row.Digest] = i
		rows = append(rows, row)
	}
	for i, id := range c.End {
		if !staffID.MatchString(id) || slices.Contains(c.End[:i], id) {
			e.add(fmt.Sprintf("end[%d]", i), "is not the id of a declaration, or stands twice")
		}
	}
	if len(e) > 0 {
		return nil, &Problem{Name: ProblemInvalid, Fields: e}
	}
	return rows, nil
}

// Allowance is a decision that an account may pay for many applicants: a notary, a declared agent.
type Allowance struct {
	ID         string     `json:"id" db:"id"`
	Digest     string     `json:"digest" db:"digest"`
	Masked     string     `json:"masked" db:"masked"`
	Decision   string     `json:"decision" db:"decision"`
	Status     string     `json:"status" db:"status"`
	ProposedBy string     `json:"proposed_by" db:"proposed_by"`
	ProposedAt *time.Time `json:"proposed_at" db:"proposed_at"`
	DecidedBy  *string    `json:"decided_by" db:"approved_by"`
	RecordedAt time.Time  `json:"recorded_at" db:"recorded_at"` // of an approved one, since when it counts
	EndedAt    *time.Time `json:"ended_at" db:"ended_at"`
}

// NewAllowance is what is proposed.
type NewAllowance struct {
	PayerAccount
	Decision string `json:"decision"` // number and date of the decision, and who the account belongs to
}
