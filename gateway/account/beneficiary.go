package account

import (
	"cmp"
	"slices"
	"time"
)

// What became of a proposed beneficiary.
const (
	BeneficiaryProposed = "proposed"
	BeneficiaryApproved = "approved"
	BeneficiaryRejected = "rejected"
)

// Payee is a bank account of the collecting agency, as a person writes it.
type Payee struct {
	Bank   string `json:"bank"`
	Number string `json:"number"`
	Name   string `json:"name"`
}

// Beneficiary is whose money an account takes, or is to take, from a time on. An approved one stays as history.
type Beneficiary struct {
	AccountID string `json:"-" db:"account_id"`
	ID        string `json:"id" db:"id"`
	Payee
	From        *string    `json:"from" db:"starts_on"` // a day, as proposed; null: at once
	Reason      string     `json:"reason" db:"reason"`
	Status      string     `json:"status" db:"status"`
	ProposedBy  *string    `json:"proposed_by" db:"proposed_by"` // null: it came with the set-up
	ProposedAt  time.Time  `json:"proposed_at" db:"proposed_at"`
	DecidedBy   *string    `json:"decided_by" db:"decided_by"`
	DecidedAt   *time.Time `json:"decided_at" db:"decided_at"`
	EffectiveAt *time.Time `json:"effective_at" db:"effective_at"`
	Note        string     `json:"note" db:"note"`
	InForce     bool       `json:"in_force" db:"-"`
}

// at gives the approved beneficiary in force at a time, of a list with the newest first; nil: none.
func at(all []Beneficiary, t time.Time) *Beneficiary {
	var best *Beneficiary
	for i := range all {
		b := &all[i]
		if b.Status != BeneficiaryApproved || b.EffectiveAt.After(t) {
			continue
		}
		if best == nil || cmp.Or(b.EffectiveAt.Compare(*best.EffectiveAt), b.DecidedAt.Compare(*best.DecidedAt)) > 0 {
			best = b
		}
	}
	return best
}

// settle says which beneficiary counts at a moment. Where none is in force yet, the adapter is made with the one that is to be, so
// that the account can be checked before anybody pays into it.
func (a *Account) settle(now time.Time) {
	b := at(a.Beneficiaries, now)
	a.Unapproved = b == nil
	if b != nil {
		b.InForce = true
	} else if i := slices.IndexFunc(a.Beneficiaries, func(b Beneficiary) bool { return b.Status != BeneficiaryRejected }); i >= 0 {
		b = &a.Beneficiaries[i]
	} else {
		return
	}
	a.BeneficiaryBank, a.BeneficiaryAccount, a.BeneficiaryName = b.Bank, b.Number, b.Name
}

// PaidRightly reports whether money of a business day that went into a bank account went to a beneficiary in force on that day. Of a
// day with none nothing can be said.
func (a *Account) PaidRightly(day, number string) bool {
	from, err := time.ParseInLocation(time.DateOnly, day, vietnam)
	if err != nil {
		return true
	}
	to := from.AddDate(0, 0, 1).Add(-time.Nanosecond)
	known := false
	check := func(b *Beneficiary) bool {
		known = known || b != nil && b.Number != ""
		return b != nil && b.Number == number
	}
	if check(at(a.Beneficiaries, from)) || check(at(a.Beneficiaries, to)) {
		return true
	}
	for i := range a.Beneficiaries { // one that was in force for hours only
		if e := a.Beneficiaries[i].EffectiveAt; e != nil && !e.Before(from) && !e.After(to) && check(at(a.Beneficiaries, *e)) {
			return true
		}
	}
	return !known
}
