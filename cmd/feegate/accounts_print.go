package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/providers"
)

// asked is the change that the flags ask for; now is the account as it stands.
func (c *setAccountCommand) asked(now *account.Account) account.Change {
	ch := account.Change{Version: c.Version, ValidFrom: c.ValidFrom, ValidTo: c.ValidTo, Cutoff: c.Cutoff, Position: c.Position, TariffFrom: c.TariffFrom}
	if ch.Version == 0 {
		ch.Version = now.Version
	}
	if c.Kinds != nil {
		ch.Kinds = &c.Kinds
	}
	if c.Methods != nil {
		ch.Methods = &c.Methods
		if len(c.Methods) == 1 && c.Methods[0] == "all" {
			ch.Methods = &[]string{}
		}
	}
	if c.Min != nil {
		ch.MinAmount = new(vnd.Amount)
		*ch.MinAmount = vnd.Amount(*c.Min)
	}
	if c.Max != nil {
		ch.MaxAmount = new(vnd.Amount)
		*ch.MaxAmount = vnd.Amount(*c.Max)
	}
	if c.TariffBps != nil {
		ch.Tariff = &vnd.Tariff{BPS: *c.TariffBps, Fixed: vnd.Amount(c.TariffFixed), Min: vnd.Amount(c.TariffMin), Max: vnd.Amount(c.TariffMax)}
	}
	if c.ValidTo != nil && *c.ValidTo == "never" {
		ch.ValidTo = new(string)
	}
	if c.Weekdays != nil || c.Days != nil || c.Holidays != nil {
		calendar := now.Calendar
		if c.Weekdays != nil {
			calendar.Weekdays = c.Weekdays
		}
		if c.Days != nil {
			calendar.Days = *c.Days
		}
		if c.Holidays != nil {
			calendar.Holidays = c.Holidays
			if len(c.Holidays) == 1 && c.Holidays[0] == "none" {
				calendar.Holidays = nil
			}
		}
		ch.Calendar = &calendar
	}
	if c.Timeout != nil {
		timeouts := map[providers.Operation]int{}
		for op, ms := range now.Timeouts {
			timeouts[op] = ms
		}
		for op, ms := range c.Timeout {
			timeouts[providers.Operation(op)] = ms
		}
		ch.Timeouts = &timeouts
	}
	return ch
}

func printAccounts(out io.Writer, views []account.View) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ACCOUNT\tPROVIDER\tAGENCY\tTERMINAL\tKINDS\tSTATE")
	for _, v := range views {
		state := "takes payments"
		if !v.Usable {
			state = strings.Join(v.Problems, "; ")
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.ID, v.Provider, v.AgencyCode, v.Terminal, strings.Join(v.Kinds, ","), state)
	}
	return w.Flush()
}

func printAccount(out io.Writer, v *account.View) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	line := func(name, format string, a ...any) { _, _ = fmt.Fprintf(w, name+"\t"+format+"\n", a...) }
	line("account", "%s (%s, %s)", v.ID, v.Provider, v.Mode)
	line("agency", "%s", v.AgencyCode)
	line("terminal", "%s", v.Terminal)
	line("state", "%s", or(strings.Join(v.Problems, "; "), "takes payments"))
	line("kinds", "%s", strings.Join(v.Kinds, ", "))
	line("methods", "%s", or(strings.Join(v.Methods, ", "), "all of the provider's"))
	line("limits", "%s to %s", limit(v.MinAmount), limit(v.MaxAmount))
	line("tariff now", "%d/10000 + %s, %s to %s", v.Tariff.BPS, v.Tariff.Fixed, v.Tariff.Min, limit(v.Tariff.Max))
	for _, t := range v.Tariffs {
		line("tariff from", "%s: %d/10000 + %s, %s to %s", t.From, t.Tariff.BPS, t.Tariff.Fixed, t.Tariff.Min, limit(t.Tariff.Max))
	}
	end := "without end"
	if v.ValidTo != nil {
		end = "before " + *v.ValidTo
	}
	line("in force", "%s, %s", v.ValidFrom, end)
	line("settled", "%d settling days later, on weekdays %v, but for %d holidays; here by %s", v.Calendar.Days, v.Calendar.Weekdays, len(v.Calendar.Holidays), v.Cutoff)
	line("address", "%s", v.BaseURL)
	line("callbacks", "%s", v.CallbackURL)
	line("version", "%d", v.Version)
	for _, s := range v.Secrets {
		until := "without end"
		if s.ValidUntil != nil {
			until = "accepted until " + when(*s.ValidUntil)
		}
		line("secret", "%s: set %s by %s, %s", strings.Join(s.Names, ", "), when(s.SetAt), s.SetBy, until)
	}
	for _, b := range v.Beneficiaries {
		state := b.Status
		switch {
		case b.InForce:
			state = "in force"
		case b.EffectiveAt != nil:
			state = "approved, from " + when(*b.EffectiveAt)
		}
		line("beneficiary", "%s: %s %s %s, %s", b.ID, b.Bank, b.Number, b.Name, state)
	}
	return w.Flush()
}

func printReport(out io.Writer, r *account.Report) error {
	verdict := "the account works as far as it can be asked · tài khoản hoạt động trong phạm vi kiểm tra được"
	if !r.Works {
		verdict = "something is wrong · có lỗi, xem dưới đây"
	}
	_, err := fmt.Fprintf(out, "%s (%s): %s\n", r.AccountID, r.Provider, verdict)
	for _, f := range r.Findings {
		at := ""
		if f.Address != "" {
			at = " (" + f.Address + ")"
		}
		_, err = fmt.Fprintf(out, "\n%s%s: %s\n  asked: %s\n  said:  %s\n  hỏi:   %s\n  đáp:   %s\n", f.Operation, at, f.Result, f.Asked, f.Said, f.AskedVI, f.SaidVI)
	}
	if err == nil {
		_, err = fmt.Fprintf(out, "\ncallbacks of the provider go to %s\n", r.CallbackURL)
	}
	return err
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func limit(a vnd.Amount) string {
	if a == 0 {
		return "the provider's"
	}
	return a.String()
}

func when(t time.Time) string { return t.In(time.FixedZone("+07", 7*3600)).Format(time.RFC3339) }
