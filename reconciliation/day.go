package reconciliation

import (
	"context"
	"errors"
	"slices"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/vnd"
)

// Day is what a day comes to, of one account or of several together. Difference = ours − settled, gross; what the named
// discrepancies do not explain of it is unexplained.
type Day struct {
	AccountID string      `json:"account_id,omitempty"`
	Date      string      `json:"date"`
	Status    string      `json:"status"`
	Payments  CountAmount `json:"payments"` // refunds counted and taken off
	Settled   Settled     `json:"settled"`
	Bank      CountAmount `json:"bank"`
	Matched   CountAmount `json:"matched"`
	// Adjustments are within Payments: money of closed days that was heard of, or taken back, after their closing.
	Adjustments CountAmount `json:"adjustments"`
	Sides
	BankSide      Sides          `json:"bank_side"`
	Discrepancies map[string]int `json:"discrepancies"` // the open ones
	Accounts      []Day          `json:"accounts,omitempty"`
	Files         int64          `json:"-"` // imports that stand; of an account of transfers the statements that cover the day
	active        bool           // it has payments, lines or a state
}

// Sides is a difference and what explains it.
type Sides struct {
	Difference  vnd.Signed `json:"difference"`
	Explained   vnd.Signed `json:"explained_difference"`
	Unexplained vnd.Signed `json:"unexplained_difference"`
}

// CountAmount is a number of rows and what they come to.
type CountAmount struct {
	Count  int64      `json:"count" db:"count"`
	Amount vnd.Signed `json:"amount" db:"amount"`
}

// Settled is what the provider's file says.
type Settled struct {
	Count  int64      `json:"count"`
	Amount vnd.Signed `json:"amount"`
	Fee    vnd.Amount `json:"fee"`
	Net    vnd.Signed `json:"net"`
}

// The states of a day, the least finished first.
var dayStates = []string{"open", "reopened", "matched", "closed", "signed"}

// add takes another account's day into the sum. Accounts on which nothing happened say nothing about the whole's state.
func (d *Day) add(o Day) {
	if o.active && (!d.active || slices.Index(dayStates, o.Status) < slices.Index(dayStates, d.Status)) {
		d.Status, d.active = o.Status, true
	}
	for _, p := range []struct{ sum, more *CountAmount }{{&d.Payments, &o.Payments}, {&d.Bank, &o.Bank}, {&d.Matched, &o.Matched}, {&d.Adjustments, &o.Adjustments}} {
		p.sum.Count += p.more.Count
		p.sum.Amount += p.more.Amount
	}
	d.Settled.Count += o.Settled.Count
	d.Settled.Amount += o.Settled.Amount
	d.Settled.Fee += o.Settled.Fee
	d.Settled.Net += o.Settled.Net
	for _, p := range []struct{ sum, more *Sides }{{&d.Sides, &o.Sides}, {&d.BankSide, &o.BankSide}} {
		p.sum.Difference += p.more.Difference
		p.sum.Explained += p.more.Explained
		p.sum.Unexplained += p.more.Unexplained
	}
	for kind, n := range o.Discrepancies {
		d.Discrepancies[kind] += n
	}
	d.Accounts = append(d.Accounts, o)
}

// Day gives the figures of an account's day: of a closed one as they were closed.
func (r *Reconciler) Day(ctx context.Context, accountID, date string) (*Day, error) {
	if d, err := frozenDay(ctx, r.db, accountID, date); err != nil || d != nil {
		return d, err
	}
	return r.dayNow(ctx, r.db, accountID, date)
}

// Account gives an account that the caller may work on; others do not exist.
func (r *Reconciler) Account(ctx context.Context, c gateway.Caller, id string) (*account.Entry, error) {
	e, err := r.accounts.Get(ctx, id)
	switch {
	case errors.Is(err, account.ErrNoAccount):
		return nil, notFound("account")
	case err != nil:
		return nil, err
	case !c.Person || len(c.Agencies) > 0 && !slices.Contains(c.Agencies, e.Account.AgencyCode):
		return nil, notFound("account")
	}
	return e, nil
}

// accountsOf lists the accounts that the caller may work on, or the one that is named.
func (r *Reconciler) accountsOf(ctx context.Context, c gateway.Caller, id string) ([]string, error) {
	if id != "" {
		_, err := r.Account(ctx, c, id)
		return []string{id}, err
	}
	if !c.Person {
		return nil, nil
	}
	entries, err := r.accounts.ForAgency(ctx, "")
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if len(c.Agencies) == 0 || slices.Contains(c.Agencies, e.Account.AgencyCode) {
			ids = append(ids, e.Account.ID)
		}
	}
	return ids, nil
}

// Reconcile matches a day again, of one account or of all that the caller may work on, and gives what it comes to.
func (r *Reconciler) Reconcile(ctx context.Context, c gateway.Caller, date, accountID string) (*Day, error) {
	if err := checkDate("date", date); err != nil {
		return nil, err
	}
	ids, err := r.accountsOf(ctx, c, accountID)
	if err != nil {
		return nil, err
	}
	days := make([]accountDay, 0, len(ids))
	for _, id := range ids {
		days = append(days, accountDay{id, date})
	}
	if err := r.matchAll(ctx, days); err != nil {
		return nil, err
	}
	return r.Days(ctx, c, date, accountID)
}

// Days gives what a day comes to: of the account that is named, or of all that the caller may see, summed and one by one.
func (r *Reconciler) Days(ctx context.Context, c gateway.Caller, date, accountID string) (*Day, error) {
	if err := checkDate("date", date); err != nil {
		return nil, err
	}
	ids, err := r.accountsOf(ctx, c, accountID)
	if err != nil {
		return nil, err
	}
	if accountID != "" {
		return r.Day(ctx, accountID, date)
	}
	sum := &Day{Date: date, Status: "open", Discrepancies: map[string]int{}, Accounts: []Day{}}
	days, err := r.figuresOf(ctx, r.db, ids, date, date)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		d := Day{AccountID: id, Date: date, Status: "open", Discrepancies: map[string]int{}}
		if n := slices.IndexFunc(days, func(d Day) bool { return d.AccountID == id }); n >= 0 {
			d = days[n]
		}
		sum.add(d)
	}
	return sum, nil
}
