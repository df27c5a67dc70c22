package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"feegate/gateway/feed"
	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
	"feegate/reconciliation/adoption"
)

const march = "?from=2026-03-01&to=2026-03-31"

// A report is closed by one person and approved by another; what is learnt later makes a revision that says what moved, payment by payment; both stay.
func TestAReportIsClosedForEverAndExplainsItself(t *testing.T) {
	x := newExample(t, false, false)
	both := x.person("vừa lập vừa duyệt", []identity.Role{identity.Reporter, identity.Approver})
	period := map[string]any{"from": "2026-03-01", "to": "2026-03-31", "reason": "báo cáo tháng"}
	if r := x.as(both, http.MethodPost, "/v1/reports/adoption/closes", "", map[string]any{"from": "2026-04-01", "to": "2026-04-30"}); r.status != 409 || !strings.Contains(string(r.body), "report-open") {
		t.Errorf("April is not over: %d %s", r.status, r.body)
	}
	first := x.ok(x.as(both, http.MethodPost, "/v1/reports/adoption/closes", "", period), 201)
	if first["revision"] != 1.0 || first["previous"] != nil {
		t.Errorf("%v", first)
	}
	if again := x.ok(x.as(both, http.MethodPost, "/v1/reports/adoption/closes", "", period), 200); again["id"] != first["id"] {
		t.Errorf("nothing was learnt, and yet %v", again["id"])
	}
	if r := x.as(both, http.MethodPost, "/v1/reports/adoption/revisions/1/approve"+march, "", nil); r.status != 403 || !strings.Contains(string(r.body), "second-person-needed") {
		t.Errorf("approved by who closed it: %d %s", r.status, r.body)
	}
	if _, err := dbtest.Admin(t, x.db).ExecContext(t.Context(), `INSERT INTO report_approvals (revision_id, approved_by, recorded_at) SELECT id, closed_by, recorded_at FROM report_revisions`); err == nil {
		t.Error("the database lets one person do both")
	}
	if v := x.ok(x.as(x.approver, http.MethodPost, "/v1/reports/adoption/revisions/1/approve"+march, "", nil), 200); v["approved_by"] == nil {
		t.Errorf("%v", v)
	}
	if r := x.as(both, http.MethodGet, "/v1/reports/adoption/revisions/2", "", nil); r.status != 404 {
		t.Errorf("a revision that is not: %d", r.status)
	}

	// T4's settlement file comes a month late.
	x.at("2026-04-12 09:00")
	x.settle("acc_momo", "momo", "FEEGATEMOMO", "2026-03-11")
	x.at("2026-04-15 09:00")
	second := x.ok(x.as(both, http.MethodPost, "/v1/reports/adoption/closes", "", period), 201)
	if second["revision"] != 2.0 || second["previous"] != first["sha256"] {
		t.Errorf("%v", second)
	}
	for n, want := range []int64{5, 6} {
		var rev adoption.Revision
		r := x.as(x.reporter, http.MethodGet, fmt.Sprintf("/v1/reports/adoption/revisions/%d", n+1), "", nil)
		if err := json.Unmarshal(r.body, &rev); err != nil || r.status != 200 {
			t.Fatalf("%d %s %v", r.status, r.body, err)
		}
		if got := rev.Figures.Total.Rates.Transactions; got.Numerator != want || got.Denominator != 10 {
			t.Errorf("revision %d: %+v", n+1, got)
		}
		if v := x.ok(x.as(x.reporter, http.MethodGet, fmt.Sprintf("/v1/reports/adoption/revisions/%d/verify", n+1)+march, "", nil), 200); v["intact"] != true || v["repeatable"] != true {
			t.Errorf("revision %d: %v", n+1, v)
		}
	}

	// The difference: one line for each fact that moved, adding up to what moved.
	var d adoption.Difference
	sums, causes, because, after := map[string]int64{}, map[string]int{}, 0, ""
	for page := 0; ; page++ {
		d = adoption.Difference{}
		r := x.as(x.reporter, http.MethodGet, "/v1/reports/adoption/revisions/2/diff"+march+"&limit=1"+after, "", nil)
		if err := json.Unmarshal(r.body, &d); err != nil || r.status != 200 || page > 5 {
			t.Fatalf("%d %s %v", r.status, r.body, err)
		}
		for _, i := range d.Items {
			causes[i.Subject+" "+i.Cause]++
			for f, n := range i.Adds {
				sums[f] += n
			}
			for _, b := range i.Because {
				if b.Kind == "settlement_line" && *b.Payment == x.payments["T4"] {
					because++
				}
			}
		}
		if d.Next == nil {
			break
		}
		after = "&after=" + *d.Next
	}
	if len(causes) != 2 || causes["unit confirmed"] != 1 || causes["dossier dossier_payments"] != 1 || because != 2 {
		t.Errorf("causes %v, %d times because of T4's line", causes, because)
	}
	if len(d.Figures) == 0 {
		t.Error("no figure moved")
	}
	for f, m := range d.Figures {
		if sums[f] != m.Difference {
			t.Errorf("%s moved by %d, its items add up to %d", f, m.Difference, sums[f])
		}
		delete(sums, f)
	}
	if len(sums) > 0 {
		t.Errorf("items move what did not: %v", sums)
	}
	if r := x.as(x.reporter, http.MethodGet, "/v1/reports/adoption/revisions/1/diff"+march, "", nil); r.status != 422 {
		t.Errorf("the first has none before it: %d", r.status)
	}

	// Nobody changes a closed report; who can by SQL is found out.
	admin := dbtest.Admin(t, x.db)
	if _, err := x.db.ExecContext(t.Context(), `UPDATE report_revisions SET figures = '{}'`); err == nil {
		t.Error("the service may change a closed report")
	}
	if _, err := admin.ExecContext(t.Context(), `ALTER TABLE report_revisions DISABLE TRIGGER ALL; UPDATE report_revisions SET figures = replace(figures, '"numerator":5', '"numerator":9') WHERE revision = 1; ALTER TABLE report_revisions ENABLE TRIGGER ALL`); err != nil {
		t.Fatal(err)
	}
	if v := x.ok(x.as(x.reporter, http.MethodGet, "/v1/reports/adoption/revisions/1/verify"+march, "", nil), 200); v["intact"] != false || v["repeatable"] != false {
		t.Errorf("changed by SQL: %v", v)
	}
	if n := x.count(`SELECT count(*) FROM audit WHERE action IN ('report.closed', 'report.approved')`); n != 3 {
		t.Errorf("%d rows in the audit", n)
	}
	if _, err := feed.NewSequencer(x.own, slog.New(slog.DiscardHandler)).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	heard := x.ok(x.as(portalKey, http.MethodGet, "/v1/events?after=0&types=report.closed", "", nil), 200)["items"].([]any)
	if len(heard) != 2 || heard[1].(map[string]any)["data"].(map[string]any)["sha256"] != second["sha256"] {
		t.Errorf("portals hear %v", heard)
	}
}

// Who reconciled does not close the report that is made of it, and who sees some agencies closes nothing and sees theirs alone.
func TestWhoReconciledDoesNotCloseTheReport(t *testing.T) {
	x := newExample(t, false, false)
	period := map[string]any{"from": "2026-03-01", "to": "2026-03-31"}
	me := x.count(`SELECT count(*) FROM users WHERE name = 'kế toán'`)
	if _, err := dbtest.Admin(t, x.db).ExecContext(t.Context(), `ALTER TABLE days DISABLE TRIGGER ALL; INSERT INTO days (account_id, date, status, closed_by, closed_at) SELECT 'acc_momo', '2026-03-10', 'closed', id, '2026-03-12' FROM users WHERE name = 'kế toán'
		ON CONFLICT (account_id, date) DO UPDATE SET status = 'closed', closed_by = excluded.closed_by; ALTER TABLE days ENABLE TRIGGER ALL`); err != nil || me != 1 {
		t.Fatal(err, me)
	}
	if r := x.as(x.finance, http.MethodPost, "/v1/reports/adoption/closes", "", period); r.status != 403 || !strings.Contains(string(r.body), "second-person-needed") {
		t.Errorf("%d %s", r.status, r.body)
	}
	x.ok(x.as(x.reporter, http.MethodPost, "/v1/reports/adoption/closes", "", period), 201)
	limited := x.person("thống kê phường", []identity.Role{identity.Reporter}, "H10.13")
	if r := x.as(limited, http.MethodPost, "/v1/reports/adoption/closes", "", period); r.status != 403 || !strings.Contains(string(r.body), "province-only") {
		t.Errorf("%d %s", r.status, r.body)
	}
	r := x.as(limited, http.MethodGet, "/v1/reports/adoption/revisions/1", "", nil)
	if r.status != 200 || strings.Contains(string(r.body), "H10.12") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := x.as(limited, http.MethodGet, "/v1/reports/adoption/revisions/1/diff", "", nil); r.status != 403 {
		t.Errorf("%d", r.status)
	}
}

// Reports are made by themselves some working days after their period, once; what is learnt later is looked for once a day.
func TestReportsAreMadeByThemselves(t *testing.T) {
	x := newExample(t, false, false)
	admin := x.person("quản trị", []identity.Role{identity.Admin})
	for _, every := range []string{"month", "quarter"} {
		x.ok(x.as(admin, http.MethodPut, "/v1/reports/schedules/"+every, "", map[string]any{"working_days": 5, "since": "2026-03-01"}), 200)
	}
	if r := x.as(admin, http.MethodPut, "/v1/reports/schedules/fortnight", "", map[string]any{"working_days": 99, "since": "soon"}); r.status != 422 || strings.Count(string(r.body), `"field"`) != 3 {
		t.Errorf("%d %s", r.status, r.body)
	}
	produce := func() {
		t.Helper()
		for range 2 { // two replicas, one after the other
			if _, err := x.app.reporter.Produce(t.Context(), 100); err != nil {
				t.Fatal(err)
			}
		}
	}
	list := func() string {
		t.Helper()
		var out []string
		for _, i := range x.ok(x.as(x.reporter, http.MethodGet, "/v1/reports/adoption/revisions", "", nil), 200)["items"].([]any) {
			v := i.(map[string]any)
			out = append(out, fmt.Sprintf("%s..%s #%v %s", v["from"], v["to"], v["revision"], v["source"]))
		}
		return strings.Join(out, "; ")
	}
	produce() // 2026-04-11, a Saturday: five working days after 31 March were 7 April
	if got, want := list(), "2026-03-01..2026-03-31 #1 schedule; 2026-01-01..2026-03-31 #1 schedule"; got != want {
		t.Errorf("made %s, want %s", got, want)
	}
	x.settle("acc_momo", "momo", "FEEGATEMOMO", "2026-03-11")
	produce() // looked through today already
	x.at("2026-04-12 09:00")
	produce()
	if got, want := list(), "2026-03-01..2026-03-31 #2 evidence; 2026-03-01..2026-03-31 #1 schedule; 2026-01-01..2026-03-31 #2 evidence; 2026-01-01..2026-03-31 #1 schedule"; got != want {
		t.Errorf("after the late file %s, want %s", got, want)
	}
	x.at("2026-04-13 09:00")
	produce()
	if n := x.count(`SELECT count(*) FROM report_revisions`); n != 4 {
		t.Errorf("%d revisions, and nothing new was learnt", n)
	}
	if r := x.as(admin, http.MethodDelete, "/v1/reports/schedules/month", "", nil); r.status != 204 {
		t.Errorf("%d", r.status)
	}
	if items := x.ok(x.as(admin, http.MethodGet, "/v1/reports/schedules", "", nil), 200)["items"].([]any); len(items) != 1 {
		t.Errorf("%v", items)
	}
}

// The same by the command line. It has the machine's clock, by which March is long over.
func TestReportsByTheCommandLine(t *testing.T) {
	x := newExample(t, false, false)
	do := x.commands()
	period := []string{"--from", "2026-03-01", "--to", "2026-03-31"}
	if out, _ := do.run(0, append([]string{"report", "adoption", "--group-by", "agency"}, period...)...); !strings.Contains(out, "5 of        10 online  50.00 %, coverage 77.78 %  30 %: not enough data") {
		t.Errorf("%s", out)
	}
	if out, _ := do.run(1, append([]string{"report", "close", "--as", "nobody"}, period...)...); !strings.Contains(out, "no such person") {
		t.Errorf("%s", out)
	}
	if out, _ := do.run(0, append([]string{"report", "close", "--as", "thống kê"}, period...)...); !strings.Contains(out, "closed as revision 1") {
		t.Errorf("%s", out)
	}
	if out, _ := do.run(0, append([]string{"report", "close", "--as", "thống kê"}, period...)...); !strings.Contains(out, "nothing was learnt since revision 1") {
		t.Errorf("%s", out)
	}
	if out, _ := do.run(0, "report", "verify"); !strings.Contains(out, "revision 1: intact") {
		t.Errorf("%s", out)
	}
	file := filepath.Join(t.TempDir(), "BM.pdf")
	do.run(0, append([]string{"report", "forms", "--revision", "1", "-o", file}, period...)...)
	if raw, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(raw), "%PDF") {
		t.Errorf("%v", err)
	}
	do.run(2, append([]string{"report", "forms", "-o", "BM.docx"}, period...)...)
	if n := x.count(`SELECT count(*) FROM audit WHERE action = 'report.closed'`); n != 1 {
		t.Errorf("%d rows in the audit", n)
	}
}
