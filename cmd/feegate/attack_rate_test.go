package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
	"feegate/reconciliation/adoption"
)

// The tricks of a hostile reader of the rate, each as it would be played, and what stops or shows it.

// A fee is told away, or its order is cancelled, and the dossier closed: it is in no denominator any more, so it is shown.
func TestG4AFeeThatIsToldAway(t *testing.T) {
	x := bare(t)
	x.feeBearing()
	x.order("A", 1, 60000, "phi", false)
	b := x.order("B", 2, 60000, "phi", false)
	c := x.order("C", 3, 40000, "phi", false)
	x.order("C2", 3, 90000, "phi", false)
	x.order("D", 4, 60000, "phi", false)
	x.order("E", 5, 60000, "phi", true)
	x.pay("f", x.order("F", 6, 60000, "phi", false), "momo", nil)
	x.pay("c", c, "momo", nil)
	x.move(2 * time.Minute)
	if r := x.call(http.MethodPost, "/v1/orders/"+b+"/cancel", "cancel-b", nil); r.status/100 != 2 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	was := x.world.Now()
	x.told(1, "closed", map[string]any{"amount_due": 0})     // the order still asks for 60,000
	x.told(2, "closed", nil)                                 // nothing is asked for any more
	x.told(3, "closed", map[string]any{"amount_due": 40000}) // of 130,000
	x.told(4, "withdrawn", nil)
	x.told(5, "closed", nil)                                 // exempt, with its order
	x.told(6, "closed", map[string]any{"amount_due": 60000}) // as the order says
	if rep := x.report(""); rep.Total.Rates.Coverage.Denominator != 2 {
		t.Errorf("%+v", rep.Total.Rates.Coverage)
	}
	want := []string{"told_away " + dossierOf(1), "closed_no_order " + dossierOf(2), "told_away " + dossierOf(3)}
	x.caught("G4", want...)
	x.move(time.Hour)
	x.told(1, "closed", nil) // told right
	x.caught("G4", "closed_unpaid "+dossierOf(1), "closed_no_order "+dossierOf(2), "told_away "+dossierOf(3))
	x.caughtIn("G4", inMarch+"&as_of="+was.Add(time.Minute).UTC().Format("2006-01-02T15:04:05Z"), want...)
}

// A paper of a period that is under way is a draft like any other.
func TestPapersOfAPeriodThatIsNotOver(t *testing.T) {
	x := bare(t)
	x.feeBearing()
	x.pay("a", x.order("A", 1, 60000, "phi", false), "momo", nil)
	if f := x.form("BM-02", ""); len(f.Tables) != 2 || len(f.Tables[1].Rows) != 1 {
		t.Errorf("%v", f.Tables)
	}
	for _, all := range []string{"forms.xlsx", "forms.pdf"} {
		if r := x.as(x.reporter, http.MethodGet, "/v1/reports/"+all+march, "", nil); r.status != 200 {
			t.Errorf("%s: %d %s", all, r.status, r.body)
		}
	}
	x.problem(x.as(x.reporter, http.MethodGet, "/v1/reports/enabled?on=2026-03-31", "", nil), 422, "invalid")
}

// The papers of a closed report say what was closed, whatever came later.
func TestPapersOfARevisionAreOfItsInstant(t *testing.T) {
	x := bare(t)
	x.feeBearing()
	x.pay("a", x.order("A", 1, 60000, "phi", false), "momo", nil)
	x.at("2026-04-01 09:00")
	x.ok(x.as(x.reporter, http.MethodPost, "/v1/reports/adoption/closes", "", map[string]any{"from": "2026-03-01", "to": "2026-03-31"}), 201)
	before := x.form("BM-02", "&revision=1").Tables
	x.at("2026-04-02 09:00")
	x.settle("acc_momo", "momo", "FEEGATEMOMO", "2026-03-10")
	if now := x.form("BM-02", "").Tables; now[1].Total["payments"] != 1.0 {
		t.Errorf("%v", now[1])
	}
	if again := x.form("BM-02", "&revision=1").Tables; again[1].Total["payments"] != before[1].Total["payments"] || again[1].Total["payments"] != 0.0 {
		t.Errorf("a closed paper says %v, said %v", again[1].Total, before[1].Total)
	}
}

// Who ends the declaration of a staff account makes online payments of what an officer paid: another person than declared it does, and it is shown.
func TestAStaffAccountIsEndedByAnotherPerson(t *testing.T) {
	x := bare(t)
	x.bank()
	admin, second := x.person("quản trị", []identity.Role{identity.Admin}), x.person("quản trị 2", []identity.Role{identity.Admin})
	x.wires("7777777777", 0, 3, func(int) string { return "" })
	put := func(token string, in map[string]any) reply {
		return x.as(token, http.MethodPut, "/v1/staff-accounts", "", in)
	}
	x.ok(put(admin, map[string]any{"accounts": []any{map[string]any{"agency_code": "H10.12", "bank": "970415", "number": "7777777777"}}}), 200)
	if rep := x.report(""); rep.Total.Buckets["proxy"] != 3 {
		t.Fatalf("%v", rep.Total.Buckets)
	}
	was := x.world.Now()
	x.move(time.Hour)
	id := x.one(`SELECT 'sta_' || id FROM staff_accounts`)
	x.problem(put(admin, map[string]any{"end": []string{id}}), 403, "second-person-needed")
	if _, err := dbtest.Admin(t, x.db).ExecContext(t.Context(), `UPDATE staff_accounts SET ended_at = $1, ended_by = declared_by`, x.world.Now()); err == nil {
		t.Error("the database lets one person do both")
	}
	if _, err := x.db.ExecContext(t.Context(), `UPDATE staff_accounts SET ended_at = $1`, x.world.Now()); err == nil {
		t.Error("the database lets nobody do it")
	}
	x.ok(put(second, map[string]any{"end": []string{id}}), 200)
	found := x.found("G1", inMarch)
	if len(found) != 1 || found[0].Kind != "staff_ended" || *found[0].Amount != 150000 || !strings.HasPrefix(found[0].Who, "usr_") {
		t.Errorf("%+v", found)
	}
	if found = x.found("G1", inMarch+"&as_of="+was.Add(time.Minute).UTC().Format("2006-01-02T15:04:05Z")); len(found) != 1 || found[0].Kind != "staff" {
		t.Errorf("%+v", found)
	}
	x.ok(put(admin, map[string]any{"accounts": []any{map[string]any{"agency_code": "H10.12", "bank": "970415", "number": "7777777777"}}}), 200)
	if found = x.found("G1", inMarch); len(found) != 1 || found[0].Kind != "staff" { // declared again
		t.Errorf("%+v", found)
	}
}

// Each revision says what is new in it, also where no figure of the province moves: a dossier of another procedure, an order put to another agency.
func TestADifferenceShowsWhatMovesElsewhere(t *testing.T) {
	x := bare(t)
	x.bank()
	x.exec(`INSERT INTO procedures (code, name, field_code) VALUES ('1.012', 'Khai sinh', 'HT')`)
	admin, second := x.person("quản trị", []identity.Role{identity.Admin}), x.person("quản trị 2", []identity.Role{identity.Admin})
	x.wires("7777777777", 0, 2, func(int) string { return "" })
	x.pay("a", x.order("A", 1, 60000, "phi", false), "momo", nil)
	x.move(2 * time.Minute)
	closed := map[string]any{"closed_at": x.world.Now().Add(-time.Minute).Format(time.RFC3339)}
	x.told(1, "closed", closed)
	x.ok(x.as(admin, http.MethodPut, "/v1/staff-accounts", "", map[string]any{"accounts": []any{map[string]any{"agency_code": "H10.12", "bank": "970415", "number": "7777777777"}}}), 200)
	x.at("2026-04-01 09:00")
	period := map[string]any{"from": "2026-03-01", "to": "2026-03-31"}
	x.ok(x.as(x.reporter, http.MethodPost, "/v1/reports/adoption/closes", "", period), 201)
	x.at("2026-04-02 09:00")
	closed["procedure_code"] = "1.012"
	x.told(1, "closed", closed)
	x.ok(x.as(x.reporter, http.MethodPost, "/v1/reports/adoption/closes", "", period), 201)
	diff := func(n string) (d adoption.Difference) {
		t.Helper()
		r := x.as(x.reporter, http.MethodGet, "/v1/reports/adoption/revisions/"+n+"/diff"+march, "", nil)
		if err := json.Unmarshal(r.body, &d); err != nil || r.status != 200 {
			t.Fatalf("%d %s %v", r.status, r.body, err)
		}
		return d
	}
	d := diff("2")
	if len(d.Items) != 1 || len(d.Figures) != 0 || d.Items[0].Subject != "dossier" || d.Items[0].Before.ProcedureCode != "1.001" || d.Items[0].After.ProcedureCode != "1.012" || len(d.Items[0].Because) != 1 || d.Items[0].Cause != "dossier_told" {
		t.Errorf("%+v", d)
	}
	x.at("2026-04-03 09:00")
	x.ok(x.as(second, http.MethodPut, "/v1/staff-accounts", "", map[string]any{"end": []string{x.one(`SELECT 'sta_' || id FROM staff_accounts`)}}), 200)
	x.ok(x.as(x.reporter, http.MethodPost, "/v1/reports/adoption/closes", "", period), 201)
	units := 0
	for _, i := range diff("3").Items {
		if i.Subject == "unit" {
			units++
			if i.Cause != "payer_cleared" || len(i.Because) != 1 || i.Because[0].Kind != "payer" || i.Because[0].ID != "ended" {
				t.Errorf("%+v", i)
			}
		}
	}
	if units != 2 {
		t.Errorf("%d units moved", units)
	}
	for _, n := range []string{"1", "2", "3"} {
		if v := x.ok(x.as(x.reporter, http.MethodGet, "/v1/reports/adoption/revisions/"+n+"/verify"+march, "", nil), 200); v["intact"] != true || v["repeatable"] != true {
			t.Errorf("revision %s: %v", n, v)
		}
	}
}

// Who sees some agencies is given their sum of a closed report, not nothing, and does not say when the province's reports are made.
func TestAClosedReportForWhoSeesSomeAgencies(t *testing.T) {
	x := newExample(t, false, false)
	x.ok(x.as(x.reporter, http.MethodPost, "/v1/reports/adoption/closes", "", map[string]any{"from": "2026-03-01", "to": "2026-03-31"}), 201)
	revision := func(token string) *adoption.Frozen {
		t.Helper()
		return read[adoption.Revision](x, token, "/v1/reports/adoption/revisions/1").Figures
	}
	whole, theirs := revision(x.reporter), revision(x.person("thống kê xã", []identity.Role{identity.Reporter}, "H10.12"))
	was, _ := json.Marshal(whole.Total)
	if is, _ := json.Marshal(theirs.Total); string(is) != string(was) || len(theirs.By["agency"]) != 1 || len(theirs.By) != 1 { // the example has one agency
		t.Errorf("%s\n%s", is, was)
	}
	if far := revision(x.person("xã khác", []identity.Role{identity.Reporter}, "H10.99")); far.Total.Rates.Transactions.Denominator != 0 || len(far.By["agency"]) != 0 || far.Total.Rates.Dossiers == nil {
		t.Errorf("%+v", far)
	}
	admin, commune := x.person("quản trị", []identity.Role{identity.Admin}), x.person("quản trị xã", []identity.Role{identity.Admin}, "H10.12")
	set := map[string]any{"working_days": 5, "since": "2026-01-01"}
	x.ok(x.as(admin, http.MethodPut, "/v1/reports/schedules/month", "", set), 200)
	x.problem(x.as(commune, http.MethodPut, "/v1/reports/schedules/year", "", set), 403, "province-only")
	x.problem(x.as(commune, http.MethodDelete, "/v1/reports/schedules/month", "", nil), 403, "province-only")
	if n := x.count(`SELECT count(*) FROM report_schedules`); n != 1 {
		t.Errorf("%d schedules", n)
	}
}

// What is being written bears a time from before its first row is written, an import's many seconds: a report that is closed meanwhile waits for it.
func TestAClosingWaitsForWhoHasItsTimeAlready(t *testing.T) {
	x := newExample(t, false, false)
	admin := dbtest.Admin(t, x.db)
	tx, err := x.own.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() // after the commit it does nothing
	var n int
	if err := tx.GetContext(t.Context(), &n, `SELECT count(*) FROM dossiers`); err != nil {
		t.Fatal(err)
	}
	known := x.world.Now()
	x.move(time.Second)
	closed := make(chan reply, 1)
	go func() {
		closed <- x.as(x.reporter, http.MethodPost, "/v1/reports/adoption/closes", "", map[string]any{"from": "2026-03-01", "to": "2026-03-31"})
	}()
	for asked := map[string]bool{}; len(asked) < 3; { // it asks again and again whether they are done
		select {
		case r := <-closed:
			t.Fatalf("closed while an import was under way: %d", r.status)
		default:
		}
		var at string
		if err := admin.GetContext(t.Context(), &at, `SELECT coalesce(max(query_start)::text, '') FROM pg_stat_activity WHERE query LIKE 'SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname%' AND pid <> pg_backend_pid()`); err != nil {
			t.Fatal(err)
		}
		if at != "" {
			asked[at] = true
		}
	}
	if _, err := tx.ExecContext(t.Context(), `INSERT INTO dossiers (source_system, dossier_code, n, status, procedure_code, agency_code, received_on, closed_at, amount_due, applicant_ref, service_level, mode, recorded_at)
		VALUES ('portal', $1, 1, 'closed', '1.001', 'H10.12', '2026-03-10', '2026-03-20', 50000, '', '', 'live', $2)`, dossierOf(77), known); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if r := <-closed; r.status != 201 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if rev := read[adoption.Revision](x, x.reporter, "/v1/reports/adoption/revisions/1"); *rev.Figures.Total.Side["closed_unpaid"] != 2 {
		t.Errorf("%d closed unpaid", *rev.Figures.Total.Side["closed_unpaid"])
	}
	if v := x.ok(x.as(x.reporter, http.MethodGet, "/v1/reports/adoption/revisions/1/verify"+march, "", nil), 200); v["intact"] != true || v["repeatable"] != true {
		t.Errorf("%v", v)
	}
}
