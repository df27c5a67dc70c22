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
	"time"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/reconciliation/adoption"
	"feegate/reconciliation/adoption/forms"
	"feegate/reconciliation/adoption/honesty"
)

// reportCommands are the online payment rate by the command line.
type reportCommands struct {
	Adoption adoptionCommand     `cmd:"" help:"Show the rate of a period, divided as asked; --json and --csv give what the API gives."`
	Forms    formsCommand        `cmd:"" help:"Write the forms BM-01 … as one workbook or PDF."`
	Close    closeReportCommand  `cmd:"" help:"Freeze a period's report as it is known now. A person who sees all agencies does it, and who closed none of its days."`
	Verify   verifyReportCommand `cmd:"" help:"Count every closed report again from the rows. Exit 1 where one is not what was closed."`
}

// reportFlags name a period.
type reportFlags struct {
	accountFlags
	From string `required:"" help:"The first day, inclusive." placeholder:"2026-01-01"`
	To   string `required:"" help:"The last day, inclusive." placeholder:"2026-01-31"`
}

// reportDesk is the reports, opened for one command.
type reportDesk struct {
	*dayDesk
	reporter *adoption.Reporter
	papers   *forms.Maker
}

func (f *accountFlags) openReports(ctx context.Context) (*reportDesk, error) {
	d, err := f.openDays(ctx)
	if err != nil {
		return nil, err
	}
	reporter := adoption.New(d.db, time.Now)
	g := gateway.New(d.db, d.accounts, d.keys, strings.TrimSuffix(f.PublicURL, "/"), time.Now)
	reporter.TellClosed(g.TellReportClosed)
	book := honesty.New(d.db, reporter, time.Now)
	book.Within = time.Hour // no browser waits
	return &reportDesk{d, reporter, forms.New(reporter, d.reconciler, d.accounts, book, d.people.Names, time.Now)}, nil
}

type adoptionCommand struct {
	reportFlags
	AsOf    string `help:"As it was known then: a date or a time." placeholder:"TIME"`
	GroupBy string `help:"Divide by agency, procedure, field, commune, provider, channel, day, month, quarter or year." placeholder:"GROUP"`
	CSV     bool   `help:"As the API's CSV."`
}

// Run shows; it changes nothing.
func (c *adoptionCommand) Run(i *invocation) (err error) {
	d, err := c.openReports(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	report, err := d.reporter.Adoption(i.ctx, adoption.Question{From: c.From, To: c.To, AsOf: c.AsOf, GroupBy: c.GroupBy})
	switch {
	case err != nil:
		return err
	case c.CSV:
		return report.WriteCSV(i.out)
	case c.JSON:
		return json.NewEncoder(i.out).Encode(report)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s to %s, as known at %s\n", report.Definition, c.From, c.To, report.AsOf.Format(time.RFC3339))
	for _, row := range append(report.Rows, report.Total) {
		name, percent, coverage := "total", "nothing happened", ""
		if row.Group != nil {
			name = row.Group.Code + " " + row.Group.Name
		}
		if p := row.Rates.Transactions.Percent; p != nil {
			percent = *p + " %"
		}
		if k := row.Rates.Coverage; k != nil && k.Percent != nil {
			coverage = ", coverage " + *k.Percent + " %"
		}
		fmt.Fprintf(&b, "%-40s %9d of %9d online  %s%s", name, row.Rates.Transactions.Numerator, row.Rates.Transactions.Denominator, percent, coverage)
		for _, t := range row.Targets {
			h, _ := t.Percent.MarshalJSON() // digits: it cannot fail
			fmt.Fprintf(&b, "  %s %%: %s", h, strings.ReplaceAll(t.Status, "_", " "))
		}
		b.WriteString("\n")
	}
	_, err = io.WriteString(i.out, b.String())
	return err
}

type formsCommand struct {
	reportFlags
	Form     string `help:"One form alone, like BM-01." placeholder:"ID"`
	Revision int    `help:"Of a closed report." placeholder:"N"`
	Out      string `short:"o" required:"" help:"The file to write: .xlsx or .pdf." placeholder:"FILE" type:"path"`
}

// Validate makes a wrong kind of file a wrong use.
func (c *formsCommand) Validate() error {
	if kind := filepath.Ext(c.Out); kind != ".xlsx" && kind != ".pdf" {
		return fmt.Errorf("--out %s: .xlsx or .pdf", c.Out)
	}
	return nil
}

// Run writes the file; what stands there is replaced when it is whole.
func (c *formsCommand) Run(i *invocation) (err error) {
	d, err := c.openReports(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	made, err := d.papers.Make(i.ctx, c.Form, forms.Ask{Question: adoption.Question{From: c.From, To: c.To}, Revision: c.Revision, Caller: gateway.Caller{Mode: "live", Actor: d.machine.ID, Person: true}})
	if err != nil {
		return err
	}
	write := forms.XLSX
	if filepath.Ext(c.Out) == ".pdf" {
		write = forms.PDF
	}
	raw, err := write(made)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.Out+".part", raw, 0o600); err != nil {
		return fmt.Errorf("writing the forms: %w", err)
	}
	if err := os.Rename(c.Out+".part", c.Out); err != nil {
		return fmt.Errorf("writing the forms: %w", err)
	}
	if c.JSON {
		return json.NewEncoder(i.out).Encode(map[string]any{"file": c.Out, "forms": len(made), "bytes": len(raw)})
	}
	_, err = fmt.Fprintf(i.out, "%d forms in %s\n", len(made), c.Out)
	return err
}

type closeReportCommand struct {
	reportFlags
	As     string `required:"" help:"Name of the person who closes it." placeholder:"NAME"`
	Reason string `help:"Why, or what the report is called."`
}

// Run closes.
func (c *closeReportCommand) Run(i *invocation) (err error) {
	d, err := c.openReports(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	who, caller, err := d.named(i.ctx, c.As, "", identity.Reporter, identity.Finance, identity.Approver, identity.Admin)
	if err != nil {
		return err
	}
	rev, made, err := d.reporter.Close(i.ctx, caller, adoption.Closing{From: c.From, To: c.To, Reason: c.Reason})
	if err != nil {
		return err
	}
	if made {
		if err := d.people.Audit(i.ctx, nil, identity.Actor{Kind: identity.KindUser, ID: who.ID, Address: d.machine.ID}, "report.closed", rev.ID, map[string]any{"by": "command line"}); err != nil {
			return err
		}
	}
	if c.JSON {
		return json.NewEncoder(i.out).Encode(rev)
	}
	said := "closed as revision"
	if !made {
		said = "nothing was learnt since revision"
	}
	_, err = fmt.Fprintf(i.out, "%s to %s: %s %d, sha256 %s\n", rev.From, rev.To, said, rev.Revision, rev.SHA256)
	return err
}

type verifyReportCommand struct{ accountFlags }

// Run verifies; it changes nothing.
func (c *verifyReportCommand) Run(i *invocation) (err error) {
	d, err := c.openReports(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	who := gateway.Caller{Mode: "live", Actor: d.machine.ID, Person: true}
	broken := false
	checks := []*adoption.Verification{}
	for after := ""; ; {
		items, next, err := d.reporter.Revisions(i.ctx, "", "", after, 200)
		if err != nil {
			return err
		}
		for _, r := range items {
			v, err := d.reporter.Verify(i.ctx, who, r.From, r.To, r.Revision)
			if err != nil {
				return err
			}
			checks = append(checks, v)
			ok := v.Intact && v.Repeatable
			broken = broken || !ok
			if !c.JSON {
				if _, err := fmt.Fprintf(i.out, "%s to %s, revision %d: %s\n", r.From, r.To, r.Revision, map[bool]string{true: "intact", false: "BROKEN: " + strings.Join(v.Findings, "; ")}[ok]); err != nil {
					return err
				}
			}
		}
		if after = next; next == "" {
			break
		}
	}
	if c.JSON {
		if err := json.NewEncoder(i.out).Encode(checks); err != nil {
			return err
		}
	}
	if broken {
		return errBroken
	}
	return nil
}
