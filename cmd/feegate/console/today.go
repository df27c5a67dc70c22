package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/reconciliation"
)

// vietnam has no daylight saving.
var vietnam = time.FixedZone("+07", 7*3600)

func (c *Console) date(daysAgo int) string {
	return c.Now().In(vietnam).AddDate(0, 0, -daysAgo).Format(time.DateOnly)
}

// place is an account as people call it.
type place struct{ ID, Provider, Terminal, AgencyCode, Agency string }

func (v *visit) place(a *account.Account, agencies map[string]string) place {
	p := place{a.ID, a.Provider, a.Terminal, a.AgencyCode, agencies[a.AgencyCode]}
	if p.Agency == "" {
		p.Agency = a.AgencyCode
	}
	return p
}

// places are the accounts that the person may work on, in the province's order.
func (v *visit) places() ([]place, error) {
	ids, err := v.c.Reconciler.AccountIDs(v.r.Context(), v.caller())
	if err != nil {
		return nil, err
	}
	agencies, err := v.c.Gateway.Agencies(v.r.Context())
	if err != nil {
		return nil, err
	}
	out := make([]place, 0, len(ids))
	for _, id := range ids {
		e, err := v.c.Reconciler.Account(v.r.Context(), v.caller(), id)
		if err != nil {
			return nil, err
		}
		out = append(out, v.place(&e.Account, agencies))
	}
	return out, nil
}

func find(all []place, id string) place {
	if i := slices.IndexFunc(all, func(p place) bool { return p.ID == id }); i >= 0 {
		return all[i]
	}
	return place{ID: id, Agency: id}
}

// dayRow is one account's day in a list.
type dayRow struct {
	reconciliation.Day
	Place place
	Says  word
	Open  int
}

func rows(days []reconciliation.Day, all []place) []dayRow {
	out := make([]dayRow, 0, len(days))
	for i := range days {
		r := dayRow{Day: days[i], Place: find(all, days[i].AccountID), Says: verdict(&days[i])}
		for _, n := range days[i].Discrepancies {
			r.Open += n
		}
		out = append(out, r)
	}
	return out
}

// waiting is something that a person must decide.
type waiting struct {
	Path, What string
	Amount     any
	By         string
	At         time.Time
	Mine       bool // proposed by who looks: another person must decide
}

// mostWaiting is how much a page shows of what waits.
const mostWaiting = 100

func (v *visit) waiting() ([]waiting, error) {
	me := v.session.Principal.ID
	proposals, err := v.c.Reconciler.Proposals(v.r.Context(), v.caller(), mostWaiting)
	if err != nil {
		return nil, err
	}
	var out []waiting
	for _, p := range proposals {
		out = append(out, waiting{"/console/discrepancies/" + p.Discrepancy, v.in.Say(text(actions[p.Action])) + ": " + v.in.guide(p.Kind).Name, p.Amount, v.who(p.ProposedBy), p.ProposedAt, p.ProposedBy == me})
	}
	days, err := v.c.Reconciler.WaitingDays(v.r.Context(), v.caller(), mostWaiting)
	if err != nil {
		return nil, err
	}
	for _, d := range days {
		w := waiting{"/console/days/" + d.Date + "?account=" + d.AccountID + "#closing", v.in.Sayf("Ký ngày %s", page.Day(d.Date)), d.Amount, v.who(d.By), d.At, d.By == me}
		if d.What == "reopen" {
			w.Path, w.What = "/console/closings/"+d.Date+"?account="+d.AccountID, v.in.Sayf("Mở lại ngày %s", page.Day(d.Date))
		}
		out = append(out, w)
	}
	refunds, err := v.c.Gateway.RefundsIn(v.r.Context(), v.caller(), mostWaiting, gateway.RefundRequested)
	if err != nil {
		return nil, err
	}
	for i := range refunds {
		r := &refunds[i]
		out = append(out, waiting{"/console/payments/" + r.Payment, v.in.Say("Hoàn tiền"), r.Amount, v.who(r.RequestedBy), r.RequestedAt, r.RequestedBy == me})
	}
	entries, err := v.c.Accounts.ForAgency(v.r.Context(), "")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		for _, b := range e.Account.Beneficiaries {
			if b.Status == account.BeneficiaryProposed && v.sees(e) {
				out = append(out, waiting{"/console/providers/" + url.PathEscape(e.Account.ID), v.in.Sayf("Tài khoản thụ hưởng %s của %s", b.Number, or(brands)(e.Account.Provider)), nil, v.who(given(b.ProposedBy)), b.ProposedAt, given(b.ProposedBy) == me})
			}
		}
	}
	return out, nil
}

// part is one line of what makes a difference.
type part struct {
	reconciliation.Discrepancy
	Left, LeftAtBank any // what is left unexplained after it, on both sides
}

type dayData struct {
	Date, Before, After string
	All                 []place
	Account             place
	Rows                []dayRow // of all accounts, where none is chosen
	Day                 *reconciliation.Day
	Says                word
	Parts               []part
	More, MoreAtBank    any // what discrepancies beyond the list explain
	Explains            []reconciliation.Explanation
	Payouts             []reconciliation.Payout
	Files               []fileRow
	Work                bool
	Closing             *closing
}

type fileRow struct {
	reconciliation.Import
	By string
}

// mostParts is how many discrepancies a day's page lists; a list of its own has them all.
const mostParts = 200

func (c *Console) day(v *visit) error {
	date, id := v.r.PathValue("date"), v.r.URL.Query().Get("account")
	at, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	d := dayData{Date: date, Before: at.AddDate(0, 0, -1).Format(time.DateOnly), After: at.AddDate(0, 0, 1).Format(time.DateOnly), Work: v.may(identity.Finance)}
	if d.All, err = v.places(); err != nil {
		return err
	}
	if id == "" {
		days, err := c.Reconciler.Period(v.r.Context(), v.caller(), date, date)
		if err != nil {
			return err
		}
		d.Rows = rows(days, d.All)
		return v.show(http.StatusOK, "day", text(v.in.Sayf("Ngày đối soát %s", at.Format("02/01/2006"))), d)
	}
	if d.Day, err = c.Reconciler.Days(v.r.Context(), v.caller(), date, id); err != nil {
		return err
	}
	d.Account = find(d.All, id)
	items, next, err := c.Reconciler.Discrepancies(v.r.Context(), v.caller(), reconciliation.Filter{Date: date, AccountID: id, Limit: mostParts})
	if err != nil {
		return err
	}
	left, atBank := d.Day.Difference, d.Day.BankSide.Difference
	for _, i := range items {
		if i.Effect != 0 || i.BankEffect != 0 || i.Status != "resolved" {
			left, atBank = left-i.Effect, atBank-i.BankEffect
			d.Parts = append(d.Parts, part{i, left, atBank})
		}
	}
	if next != "" {
		d.More, d.MoreAtBank = left-d.Day.Unexplained, atBank-d.Day.BankSide.Unexplained
	}
	if d.Day.Unexplained != 0 || d.Day.BankSide.Unexplained != 0 {
		if _, d.Explains, err = c.Reconciler.Explanations(v.r.Context(), v.caller(), id, date); err != nil {
			return err
		}
	}
	if d.Payouts, err = c.Reconciler.Payouts(v.r.Context(), v.caller(), id, date, date, false, mostParts); err != nil {
		return err
	}
	files, _, err := c.Reconciler.Imports(v.r.Context(), v.caller(), id, date, "", mostParts)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.SupersededAt == nil {
			d.Day.Files++
		}
		d.Files = append(d.Files, fileRow{f, v.who(f.ImportedBy)})
	}
	d.Says = verdict(d.Day)
	if d.Closing, err = v.closing(id, date); err != nil {
		return err
	}
	return v.show(http.StatusOK, "day", text(v.in.Sayf("Ngày đối soát %s", at.Format("02/01/2006"))), d)
}

// match reconciles an account's day again.
func (c *Console) match(v *visit) error {
	date, id := v.r.PathValue("date"), v.r.PostForm.Get("account")
	if id == "" {
		return &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	if _, err := c.Reconciler.Reconcile(v.r.Context(), v.caller(), date, id); err != nil {
		return err
	}
	return v.back("/console/days/" + date + "?account=" + id + "&done=matched")
}

// number reads a number of a path.
func number(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err == nil && (n < 1 || n > 1e6) {
		err = errors.New("out of range")
	}
	if err != nil {
		return 0, &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	return n, nil
}
