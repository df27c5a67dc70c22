package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"feegate/gateway/identity"
	"feegate/reconciliation/document"
)

// auditCommands are what an auditor does at the machine.
type auditCommands struct {
	Verify verifyAuditCommand `cmd:"" help:"Follow the audit's chain of blocks and hash every row again. Exit 1 where a row was changed, removed or slipped in, by whomever."`
	Export exportAuditCommand `cmd:"" help:"Write the audit of a period, the newest row first, as CSV or as one JSON object a line."`
}

type verifyAuditCommand struct{ accountFlags }

// Run verifies; it changes nothing.
func (c *verifyAuditCommand) Run(i *invocation) (err error) {
	d, err := c.open(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	v, err := d.people.Verify(i.ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(i.out).Encode(v)
	} else {
		var b strings.Builder
		fmt.Fprintf(&b, "%d rows, %d blocks, %d rows not sealed yet\n", v.Rows, v.Blocks, v.Unsealed)
		for _, x := range v.Breaks {
			fmt.Fprintf(&b, "BROKEN %s\n", x)
		}
		if v.Intact {
			b.WriteString("intact\n")
			if v.Head != nil {
				fmt.Fprintf(&b, "head %s\n", *v.Head)
			}
		}
		_, err = io.WriteString(i.out, b.String())
	}
	if err == nil && !v.Intact {
		err = errBroken
	}
	return err
}

type exportAuditCommand struct {
	accountFlags
	From   string `help:"From this day on, Vietnamese time." placeholder:"2026-01-01"`
	To     string `help:"To this day, inclusive." placeholder:"2026-01-31"`
	Object string `help:"About this alone: an id."`
	Actor  string `help:"By this person or key alone: an id."`
}

// Validate makes a wrong date a wrong use.
func (c *exportAuditCommand) Validate() error {
	for _, day := range []string{c.From, c.To} {
		if _, err := time.Parse(time.DateOnly, day); day != "" && err != nil {
			return fmt.Errorf("%q is no date like 2026-01-31", day)
		}
	}
	return nil
}

// Run exports; it reads page by page.
func (c *exportAuditCommand) Run(i *invocation) (err error) {
	d, err := c.open(i.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	f := identity.Filter{Object: c.Object, Actor: c.Actor, Limit: 200}
	if c.From != "" {
		if f.From, err = time.ParseInLocation(time.DateOnly, c.From, vietnam); err != nil {
			return err
		}
	}
	if c.To != "" {
		if f.To, err = time.ParseInLocation(time.DateOnly, c.To, vietnam); err != nil {
			return err
		}
		f.To = f.To.AddDate(0, 0, 1)
	}
	lines, table := json.NewEncoder(i.out), csv.NewWriter(i.out)
	if !c.JSON {
		_ = table.Write([]string{"id", "recorded_at", "actor_kind", "actor", "action", "object", "address", "request_id", "detail"}) // its failure stays for Error
	}
	for {
		rows, err := d.people.Records(i.ctx, f)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if c.JSON {
				if err := lines.Encode(r); err != nil {
					return err
				}
				continue
			}
			_ = table.Write([]string{strconv.FormatInt(r.ID, 10), r.RecordedAt.In(vietnam).Format(time.RFC3339Nano), string(r.ActorKind), document.Harmless(r.Actor), document.Harmless(r.Action), document.Harmless(r.Object), document.Harmless(r.Address), document.Harmless(r.RequestID), string(r.Detail)})
		}
		if len(rows) < f.Limit {
			break
		}
		f.After = rows[len(rows)-1].ID
	}
	table.Flush()
	return table.Error()
}
