package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/gateway/vnd"
	"feegate/reconciliation"
)

// dayCommands are what two people do at the end of a day, by the command line. Each deed is a person's: --as says whose, and the same rules
// hold as on the pages.
type dayCommands struct {
	Close  closeDayCommand  `cmd:"" help:"Match a day a last time and freeze what it comes to. A person with the role finance does it."`
	Sign   signDayCommand   `cmd:"" help:"Sign a closed day, as another person than closed it, with the role approver."`
	Reopen reopenDayCommand `cmd:"" help:"Ask for a closed day to be opened again, or agree to it: an admin and an approver together."`
	Show   showDayCommand   `cmd:"" help:"Show a day's state, figures and versions, and what keeps it from being closed."`
	Verify verifyDayCommand `cmd:"" help:"Follow the chain of signatures and add up every closed day again. Exit 1 and the first break where something was changed."`
}

// dayDesk is the reconciliation, opened for one command.
type dayDesk struct {
	*accountDesk
	reconciler *reconciliation.Reconciler
}

func (f *accountFlags) openDays(ctx context.Context) (*dayDesk, error) {
	d, err := f.open(ctx)
	if err != nil {
		return nil, err
	}
	g := gateway.New(d.db, d.accounts, d.keys, strings.TrimSuffix(f.PublicURL, "/"), time.Now)
	return &dayDesk{d, reconciliation.New(d.db, d.accounts, g, time.Now)}, nil
}

// person finds who has the name and one of the roles, and may work on the account.
func (d *dayDesk) person(ctx context.Context, name, accountID string, roles ...identity.Role) (*identity.User, gateway.Caller, error) {
	e, err := d.accounts.Get(ctx, accountID)
	if err != nil {
		return nil, gateway.Caller{}, err
	}
	return d.named(ctx, name, e.Account.AgencyCode, roles...)
}

// named finds who has the name and one of the roles, and, where an agency is given, may work for it.
func (d *dayDesk) named(ctx context.Context, name, agency string, roles ...identity.Role) (*identity.User, gateway.Caller, error) {
	all, err := d.people.Users(ctx)
	if err != nil {
		return nil, gateway.Caller{}, err
	}
	n := slices.IndexFunc(all, func(u identity.User) bool { return u.Name == name && u.DisabledAt == nil })
	if n < 0 || !slices.ContainsFunc(roles, func(r identity.Role) bool { return slices.Contains(all[n].Roles, r) }) ||
		agency != "" && len(all[n].Agencies) > 0 && !slices.Contains(all[n].Agencies, agency) {
		return nil, gateway.Caller{}, fmt.Errorf("--as %s: there is no such person with the role %s for this", name, roles)
	}
	return &all[n], gateway.Caller{Mode: "live", Actor: all[n].ID, Person: true, Agencies: all[n].Agencies, Address: d.machine.ID}, nil
}

// dayFlags name a day.
type dayFlags struct {
	accountFlags
	Account string `arg:"" help:"The account (acc_…)."`
	Date    string `arg:"" help:"The business day, like 2026-01-31."`
}

// Validate makes a wrong date a wrong use.
func (f *dayFlags) Validate() error {
	if _, err := time.Parse(time.DateOnly, f.Date); err != nil {
		return fmt.Errorf("%q is no date like 2026-01-31", f.Date)
	}
	return nil
}

// do does something to the day as a person, tells the audit that it came by the command line, and shows what became of it.
func (f *dayFlags) do(i *invocation, as, deed string, act func(*reconciliation.Reconciler, gateway.Caller, []identity.Role) (*reconciliation.DayDetail, error), roles ...identity.Role) (err error) {
	d, err := f.openDays(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	who, c, err := d.person(i.ctx, as, f.Account, roles...)
	if err != nil {
		return err
	}
	day, err := act(d.reconciler, c, who.Roles)
	if err != nil {
		return err
	}
	if err := d.people.Audit(i.ctx, nil, identity.Actor{Kind: identity.KindUser, ID: who.ID, Address: d.machine.ID}, deed, f.Account+"/"+f.Date, map[string]any{"by": "command line"}); err != nil {
		return err
	}
	return f.print(i.out, day)
}

func (f *dayFlags) print(out io.Writer, d *reconciliation.DayDetail) error {
	if f.JSON {
		return json.NewEncoder(out).Encode(d)
	}
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "%-22s %s\n", name, value) }
	line("day", d.Date+" of "+d.AccountID)
	line("status", d.Status)
	said := func(name string, by *string, at *time.Time) {
		if by != nil {
			line(name, *by+" at "+at.In(time.FixedZone("+07", 7*3600)).Format(time.RFC3339))
		}
	}
	said("closed by", d.ClosedBy, d.ClosedAt)
	said("signed by", d.SignedBy, d.SignedAt)
	for _, h := range []struct {
		name string
		v    *string
	}{{"figures' sha256", d.FiguresSHA256}, {"sha256", d.SHA256}, {"previous", d.Previous}} {
		if h.v != nil {
			line(h.name, *h.v)
		}
	}
	if g := d.Figures; g != nil {
		for _, a := range []struct {
			name string
			v    vnd.Signed
		}{{"payments", g.Payments.Amount}, {"settled", g.Settled.Amount}, {"net", g.Settled.Net}, {"bank", g.Bank.Amount}, {"difference", g.Difference}, {"unexplained", g.Unexplained},
			{"unexplained, bank side", g.BankSide.Unexplained}} {
			line(a.name, a.v.Format())
		}
	}
	for _, v := range d.Versions {
		line(fmt.Sprint("version ", v.N), "closed by "+v.ClosedBy+", figures "+v.FiguresSHA256)
	}
	if o := d.Reopening; o != nil {
		line("to be opened again", o.AskedBy+" asked as "+o.AskedAs+": "+o.Reason)
	}
	for _, m := range d.Missing {
		line("missing", m.Field+": "+m.Detail)
	}
	if d.Chain.Break != nil {
		line("CHAIN BROKEN", d.Chain.Break.What)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

type closeDayCommand struct {
	dayFlags
	As string `required:"" help:"Name of the person who closes it." placeholder:"NAME"`
}

// Run closes.
func (c *closeDayCommand) Run(i *invocation) error {
	return c.do(i, c.As, "day.closed", func(r *reconciliation.Reconciler, who gateway.Caller, _ []identity.Role) (*reconciliation.DayDetail, error) {
		return r.CloseDay(i.ctx, who, c.Account, c.Date)
	}, identity.Finance)
}

type signDayCommand struct {
	dayFlags
	As string `required:"" help:"Name of the person who signs it." placeholder:"NAME"`
}

// Run signs.
func (c *signDayCommand) Run(i *invocation) error {
	return c.do(i, c.As, "day.signed", func(r *reconciliation.Reconciler, who gateway.Caller, _ []identity.Role) (*reconciliation.DayDetail, error) {
		return r.SignDay(i.ctx, who, c.Account, c.Date)
	}, identity.Approver)
}

type reopenDayCommand struct {
	dayFlags
	As      string `required:"" help:"Name of the person who asks or decides." placeholder:"NAME"`
	Reason  string `help:"Why: asks for it." xor:"deed" required:""`
	Approve bool   `help:"Agree to it, as a person in the other role than asked." xor:"deed" required:""`
	Reject  bool   `help:"Reject it, or take it back." xor:"deed" required:""`
}

// Run asks or decides.
func (c *reopenDayCommand) Run(i *invocation) error {
	deed := "day.reopen.asked"
	switch {
	case c.Approve:
		deed = "day.reopened"
	case c.Reject:
		deed = "day.reopen.rejected"
	}
	return c.do(i, c.As, deed, func(r *reconciliation.Reconciler, who gateway.Caller, roles []identity.Role) (*reconciliation.DayDetail, error) {
		as := reconciliation.ReopenRoles(roles)
		if c.Approve || c.Reject {
			return r.DecideReopen(i.ctx, who, as, c.Account, c.Date, c.Approve)
		}
		return r.AskReopen(i.ctx, who, as, c.Account, c.Date, c.Reason)
	}, identity.Admin, identity.Approver)
}

type showDayCommand struct{ dayFlags }

// Run shows; whoever sits at the machine may look.
func (c *showDayCommand) Run(i *invocation) (err error) {
	d, err := c.openDays(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	day, err := d.reconciler.DayDetail(i.ctx, gateway.Caller{Mode: "live", Actor: d.machine.ID, Person: true}, c.Account, c.Date)
	if err != nil {
		return err
	}
	return c.print(i.out, day)
}

type verifyDayCommand struct {
	accountFlags
	Account string `help:"Of this account alone." placeholder:"ID"`
}

var errBroken = errors.New("what was closed or signed has been changed since")

// Run verifies; it changes nothing.
func (c *verifyDayCommand) Run(i *invocation) (err error) {
	d, err := c.openDays(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	v, err := d.reconciler.VerifyDays(i.ctx, gateway.Caller{Mode: "live", Actor: d.machine.ID, Person: true}, c.Account)
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(i.out).Encode(v)
	} else {
		var b strings.Builder
		fmt.Fprintf(&b, "%d signatures of %d accounts, %d closed days\n", v.Signatures, v.Accounts, v.Days)
		for _, x := range v.Breaks {
			fmt.Fprintf(&b, "BROKEN %s, %s version %d, signature %d: %s\n", x.AccountID, x.Date, x.Version, x.Seq, x.What)
		}
		if v.Intact {
			b.WriteString("intact\n")
		}
		_, err = io.WriteString(i.out, b.String())
	}
	if err == nil && !v.Intact {
		err = errBroken
	}
	return err
}
