package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/reconciliation/adoption"
	"feegate/reconciliation/adoption/forms"
)

// reporters close reports: who sees all agencies, and did not close the days that the report is made of.
var reporters = []identity.Role{identity.Reporter, identity.Finance, identity.Approver, identity.Admin}

// mountReports adds closed reports with their papers, and the looking ahead.
func (c *Console) mountReports(mux *http.ServeMux) {
	c.on(mux, "GET /console/reports", reporters, c.reports)
	c.on(mux, "POST /console/reports", reporters, c.closeReport)
	c.on(mux, "GET /console/reports/{from}/{to}/{n}", reporters, c.revision)
	c.on(mux, "POST /console/reports/{from}/{to}/{n}/approve", deciding, c.approveReport)
	c.on(mux, "GET /console/papers/{file}", reporting, c.papers)
	c.on(mux, "GET /console/outlook", reporting, c.outlook)
}

type revisionRow struct {
	adoption.Revision
	Closer, Approver string
}

type paper struct{ ID, Title string }

type reportsData struct {
	Rows     []revisionRow
	Next     string
	From, To string // the last month that is over
	MayClose bool
	Papers   []paper
}

func (c *Console) reports(v *visit) error {
	items, next, err := c.Adoption.Revisions(v.r.Context(), "", "", v.r.URL.Query().Get("after"), v.rows())
	if err != nil {
		return err
	}
	now := c.Now().In(vietnam)
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, vietnam).AddDate(0, -1, 0)
	d := reportsData{From: first.Format(time.DateOnly), To: first.AddDate(0, 1, -1).Format(time.DateOnly), MayClose: v.may(reporters...) && len(v.session.Principal.Agencies) == 0, Papers: v.papers()}
	for _, i := range items {
		d.Rows = append(d.Rows, v.revisionRow(i))
	}
	if next != "" {
		d.Next = "?after=" + url.QueryEscape(next)
	}
	definition, err := c.Adoption.DefinitionOn(v.r.Context(), now.Format(time.DateOnly))
	if err != nil {
		return err
	}
	v.known = &known{definition.ID, now}
	return v.show(http.StatusOK, "reports", "Báo cáo", d)
}

// papers are the forms that the person may take.
func (v *visit) papers() (out []paper) {
	if !v.may(append([]identity.Role{identity.Auditor}, reporting...)...) {
		return nil
	}
	for _, id := range v.c.Forms.IDs() {
		out = append(out, paper{id, v.c.Forms.Title(id)})
	}
	return out
}

func (v *visit) revisionRow(r adoption.Revision) revisionRow {
	row := revisionRow{Revision: r, Closer: v.closedBy(r.ClosedBy)}
	if r.ApprovedBy != nil {
		row.Approver = v.who(*r.ApprovedBy)
	}
	return row
}

// closedBy names who closed a report: a person, or the schedule.
func (v *visit) closedBy(id string) string {
	if id == adoption.System {
		return v.in.Say("Theo lịch")
	}
	return v.who(id)
}

func (c *Console) closeReport(v *visit) error {
	in := adoption.Closing{From: v.r.PostForm.Get("from"), To: v.r.PostForm.Get("to"), Reason: v.r.PostForm.Get("reason")}
	rev, made, err := c.Adoption.Close(v.r.Context(), v.caller(), in)
	if err != nil {
		return err
	}
	done := "report-same"
	if made {
		v.audit("report.closed", rev.ID)
		done = "report-closed"
	}
	return v.back("/console/reports/" + rev.From + "/" + rev.To + "/" + strconv.Itoa(rev.Revision) + "?done=" + done)
}

// revisionOf reads which revision an address means.
func (v *visit) revisionOf() (from, to string, n int, err error) {
	n, bad := strconv.Atoi(v.r.PathValue("n"))
	if bad != nil || n < 1 {
		return "", "", 0, &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	return v.r.PathValue("from"), v.r.PathValue("to"), n, nil
}

type revisionData struct {
	revisionRow
	Whole      bool // who looks sees all of it
	MayApprove bool
	Mine       bool
	Papers     []paper
	Diff       *adoption.Difference
	Moved      []movedRow
	Next       string
	Check      *adoption.Verification
	Query      string
}

type movedRow struct {
	Name text
	adoption.Moved
}

// revision shows a closed report: its figures, who stands behind it, what moved since the one before, and its papers.
func (c *Console) revision(v *visit) error {
	from, to, n, err := v.revisionOf()
	if err != nil {
		return err
	}
	ctx := v.r.Context()
	rev, err := c.Adoption.Revision(ctx, v.caller(), from, to, n)
	if err != nil {
		return err
	}
	d := revisionData{revisionRow: v.revisionRow(*rev), Whole: len(v.session.Principal.Agencies) == 0, Papers: v.papers(), Query: "from=" + from + "&to=" + to + "&revision=" + strconv.Itoa(n)}
	d.Mine = rev.ClosedBy == v.session.Principal.ID
	d.MayApprove = rev.ApprovedBy == nil && v.may(identity.Approver) && d.Whole
	if d.Whole && rev.Revision > 1 {
		if d.Diff, err = c.Adoption.Diff(ctx, v.caller(), from, to, n, 0, v.r.URL.Query().Get("after"), v.rows()); err != nil {
			return err
		}
		for _, name := range adoption.Figures() {
			if m, ok := d.Diff.Figures[name]; ok && figureWords[name] != "" {
				d.Moved = append(d.Moved, movedRow{figureWords[name], m})
			}
		}
		if d.Diff.Next != nil {
			d.Next = "?after=" + url.QueryEscape(*d.Diff.Next)
		}
	}
	if d.Whole && v.r.URL.Query().Has("check") {
		if d.Check, err = c.Adoption.Verify(ctx, v.caller(), from, to, n); err != nil {
			return err
		}
	}
	v.known = &known{rev.Definition, rev.AsOf}
	return v.show(http.StatusOK, "revision", text(v.in.Sayf("Báo cáo từ %s đến %s, lần %d", vietDate(from), vietDate(to), n)), d)
}

func vietDate(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.Format("02/01/2006")
}

func (c *Console) approveReport(v *visit) error {
	from, to, n, err := v.revisionOf()
	if err != nil {
		return err
	}
	rev, err := c.Adoption.Approve(v.r.Context(), v.caller(), from, to, n)
	if err != nil {
		return err
	}
	v.audit("report.approved", rev.ID)
	return v.back("/console/reports/" + from + "/" + to + "/" + strconv.Itoa(n) + "?done=report-approved")
}

// papers sends forms as a file: BM.xlsx, BM.pdf, BM-01.xlsx …
func (c *Console) papers(v *visit) error {
	name := v.r.PathValue("file")
	s, err := v.scope()
	if err != nil {
		return err
	}
	q := s.question()
	q.Agencies = s.limited // a form is of all that the person may see
	a := forms.Ask{Question: q, Caller: v.caller()}
	if r := v.r.URL.Query().Get("revision"); r != "" {
		n, err := strconv.Atoi(r)
		if err != nil || n < 1 {
			return &gateway.Problem{Name: gateway.ProblemNotFound}
		}
		a.Revision = n
	}
	for kind, write := range map[string]func([]*forms.Form) ([]byte, error){"xlsx": forms.XLSX, "pdf": forms.PDF} {
		id, ok := strings.CutSuffix(name, "."+kind)
		if !ok {
			continue
		}
		if id == "BM" {
			id = ""
		}
		made, err := c.Forms.Make(v.r.Context(), id, a)
		if err != nil {
			return err
		}
		raw, err := write(made)
		if err != nil {
			return err
		}
		mime := map[string]string{"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "pdf": "application/pdf"}[kind]
		return v.send(name[:len(name)-len(kind)-1]+"_"+made[0].Head.From+"_"+made[0].Head.To+"."+kind, mime, raw)
	}
	return &gateway.Problem{Name: gateway.ProblemNotFound}
}

func (c *Console) outlook(v *visit) error {
	o, err := c.Adoption.Outlook(v.r.Context(), v.caller())
	if err != nil {
		return err
	}
	v.known = &known{o.Definition, o.AsOf}
	return v.show(http.StatusOK, "outlook", "Nhìn tới", o)
}
