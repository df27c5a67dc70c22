package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/reconciliation"
)

// importCommands take files in by the command line: the same imports as by HTTP. One that is refused leaves nothing, the others are taken; the
// command then ends with 1.
type importCommands struct {
	Settlement importSettlementCommand `cmd:"" help:"Import providers' settlement files and match their days."`
	Statement  importStatementCommand  `cmd:"" help:"Import bank statements: camt.053, MT940, CSV, XLSX."`
}

// asFlag names the person who imports; who sits at the machine where nobody is named.
type asFlag struct {
	As string `help:"Name of the person who does it, with the role finance; whoever sits at the machine when absent." placeholder:"NAME"`
}

// caller is who imports, for the account where one is named.
func (d *dayDesk) importer(ctx context.Context, as, accountID string) (gateway.Caller, error) {
	if as == "" {
		return gateway.Caller{Mode: "live", Actor: d.machine.ID, Person: true, Address: d.machine.ID}, nil
	}
	if accountID != "" {
		_, c, err := d.person(ctx, as, accountID, identity.Finance)
		return c, err
	}
	_, c, err := d.named(ctx, as, "", identity.Finance)
	return c, err
}

// progress tells how far a long work is, once a second, on standard error; a short work says nothing.
type progress struct {
	r    io.Reader
	read atomic.Int64
	stop func()
}

func watchReading(out io.Writer, name string, size int64, r io.Reader) *progress {
	p := &progress{r: r}
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if n := p.read.Load(); n < size {
				_, _ = fmt.Fprintf(out, "%s: %d %% of %d KiB read\n", name, 100*n/max(size, 1), size>>10)
			} else {
				_, _ = fmt.Fprintf(out, "%s: read; matching\n", name)
			}
		}
	}()
	p.stop = func() { close(done); <-ended }
	return p
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.read.Add(int64(n))
	return n, err
}

// opened is a file with the telling of how far it is read.
func opened(i *invocation, path string, do func(io.Reader) error) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", path)
	}
	p := watchReading(i.errOut, filepath.Base(path), info.Size(), f)
	defer p.stop()
	return do(p)
}

// refusal tells why a file was not taken, line by line.
func refusal(out io.Writer, path string, err error) {
	var u *reconciliation.UnreadableError
	var p *gateway.Problem
	switch {
	case errors.As(err, &u):
		_, _ = fmt.Fprintf(out, "%s is refused, nothing of it is kept:\n", path)
		for _, l := range u.Lines {
			_, _ = fmt.Fprintln(out, "  "+l.Error())
		}
	case errors.As(err, &p):
		_, _ = fmt.Fprintf(out, "%s is refused, nothing of it is kept: %s %s\n", path, p.Name, p.Detail)
		for _, f := range p.Fields {
			_, _ = fmt.Fprintf(out, "  %s: %s\n", f.Field, f.Detail)
		}
	default:
		_, _ = fmt.Fprintf(out, "%s: %v\n", path, err)
	}
}

var errSomeRefused = errors.New("not every file was taken")

func tellFindings(out io.Writer, all []reconciliation.Finding) {
	for _, f := range all {
		_, _ = fmt.Fprintf(out, "  line %d, %s: %s\n", f.Line, f.Kind, f.Detail)
	}
}

// taken is what became of a file.
type taken struct {
	answer       any // for --json
	id, deed, by string
	known        bool
	sums         string
	findings     []reconciliation.Finding
}

// each takes the files one by one, tells what became of each, and notes in the audit who did it and that it came by the command line. One that is refused
// keeps no other from being taken.
func (d *dayDesk) each(i *invocation, files []string, asJSON, dry bool, take func(string, io.Reader) (*taken, error)) (err error) {
	for _, path := range files {
		var done *taken
		if one := opened(i, path, func(r io.Reader) (err error) {
			done, err = take(path, r)
			return err
		}); one != nil {
			refusal(i.errOut, path, one)
			err = errSomeRefused
			continue
		}
		said := "imported as " + done.id
		switch {
		case done.known:
			said = "imported before, as " + done.id
		case dry:
			said = "would be imported"
		default:
			who := identity.Actor{Kind: identity.KindUser, ID: done.by, Address: d.machine.ID}
			if done.by == d.machine.ID {
				who = d.machine
			}
			if err := d.people.Audit(i.ctx, nil, who, done.deed, done.id, map[string]any{"by": "command line"}); err != nil {
				return err
			}
		}
		if asJSON {
			if err := json.NewEncoder(i.out).Encode(done.answer); err != nil {
				return err
			}
			continue
		}
		_, _ = fmt.Fprintf(i.out, "%s: %s; %s\n", path, said, done.sums)
		tellFindings(i.out, done.findings)
	}
	return err
}

type importSettlementCommand struct {
	accountFlags
	asFlag
	Files         []string `arg:"" type:"existingfile" help:"The files."`
	Account       string   `required:"" help:"The account (acc_…)." placeholder:"ID"`
	Date          string   `help:"The business day, like 2026-01-31; found in each file's name when absent." placeholder:"DATE"`
	Replaces      string   `help:"The day's newest import, which this file takes the place of." placeholder:"IMPORT"`
	ExpectedLines *int64   `help:"Refuse a file with another number of rows." placeholder:"N"`
	DryRun        bool     `help:"Say what would come of it, keep nothing."`
}

// Validate makes a wrong date a wrong use.
func (c *importSettlementCommand) Validate() error {
	for _, f := range c.Files {
		if c.Date == "" && dayOf(filepath.Base(f)) == "" {
			return fmt.Errorf("%s: say --date, its name has no day like 2026-01-31", f)
		}
	}
	if _, err := time.Parse(time.DateOnly, c.Date); c.Date != "" && err != nil {
		return fmt.Errorf("%q is no date like 2026-01-31", c.Date)
	}
	if c.Replaces != "" && len(c.Files) > 1 {
		return errors.New("--replaces goes with one file")
	}
	return nil
}

// Run imports each file by itself.
func (c *importSettlementCommand) Run(i *invocation) (err error) {
	d, err := c.openDays(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	who, err := d.importer(i.ctx, c.As, c.Account)
	if err != nil {
		return err
	}
	return d.each(i, c.Files, c.JSON, c.DryRun, func(path string, r io.Reader) (*taken, error) {
		f := reconciliation.File{AccountID: c.Account, Date: c.Date, Name: filepath.Base(path), By: who.Actor, Replaces: c.Replaces, ExpectedLines: c.ExpectedLines, DryRun: c.DryRun, Body: r}
		if f.Date == "" {
			f.Date = dayOf(f.Name)
		}
		imp, err := d.reconciler.Settlement(i.ctx, f)
		if err != nil {
			return nil, err
		}
		return &taken{imp, imp.ID, "settlement.imported", who.Actor, imp.Known, fmt.Sprintf("%d rows, %d new, %s, fee %s, net %s", imp.Lines, imp.Added, imp.Amount.Format(), imp.Fee.Format(), imp.Net.Format()), imp.Findings}, nil
	})
}

type importStatementCommand struct {
	accountFlags
	asFlag
	Files       []string `arg:"" type:"existingfile" help:"The files."`
	BankAccount string   `help:"The bank account, where the file does not name it." placeholder:"NUMBER"`
	Format      string   `help:"camt053, mt940, csv or xlsx; found out when absent." enum:",camt053,mt940,csv,xlsx" default:""`
	DryRun      bool     `help:"Say what would come of it, keep nothing."`
}

// Run imports each file by itself.
func (c *importStatementCommand) Run(i *invocation) (err error) {
	d, err := c.openDays(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	who, err := d.importer(i.ctx, c.As, "")
	if err != nil {
		return err
	}
	return d.each(i, c.Files, c.JSON, c.DryRun, func(path string, r io.Reader) (*taken, error) {
		imp, err := d.reconciler.Statement(i.ctx, who, reconciliation.StatementFile{BankAccount: c.BankAccount, Format: c.Format, Name: filepath.Base(path), DryRun: c.DryRun, Body: r})
		if err != nil {
			return nil, err
		}
		return &taken{imp, imp.ID, "statement.imported", who.Actor, imp.Known, fmt.Sprintf("%d movements, %d new, %s in, %s out", imp.Lines, imp.Added, imp.Credits.Format(), imp.Debits.Format()), imp.Findings}, nil
	})
}

// reconcileCommand matches a day again.
type reconcileCommand struct {
	accountFlags
	asFlag
	Date    string `required:"" help:"The business day, like 2026-01-31." placeholder:"DATE"`
	Account string `help:"This account alone." placeholder:"ID"`
}

// Validate makes a wrong date a wrong use.
func (c *reconcileCommand) Validate() error {
	if _, err := time.Parse(time.DateOnly, c.Date); err != nil {
		return fmt.Errorf("%q is no date like 2026-01-31", c.Date)
	}
	return nil
}

// Run matches, and tells what the day comes to: exit 0 also where something differs.
func (c *reconcileCommand) Run(i *invocation) (err error) {
	d, err := c.openDays(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	who, err := d.importer(i.ctx, c.As, c.Account)
	if err != nil {
		return err
	}
	day, err := d.reconciler.Reconcile(i.ctx, who, c.Date, c.Account)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(i.out).Encode(day)
	}
	each := day.Accounts
	if c.Account != "" {
		each = []reconciliation.Day{*day}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-20s %-9s %15s %15s %15s %15s %15s\n", "account", "status", "ours", "settled", "unexplained", "bank", "unexplained")
	for _, a := range each {
		if a.Payments.Count+a.Settled.Count+a.Bank.Count == 0 && len(a.Discrepancies) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%-20s %-9s %15d %15d %15d %15d %15d", a.AccountID, a.Status, a.Payments.Amount, a.Settled.Amount, a.Unexplained, a.Bank.Amount, a.BankSide.Unexplained)
		for _, kind := range reconciliation.Kinds() {
			if n := a.Discrepancies[kind]; n > 0 {
				fmt.Fprintf(&b, " %s:%d", kind, n)
			}
		}
		b.WriteByte('\n')
	}
	_, err = io.WriteString(i.out, b.String())
	return err
}
