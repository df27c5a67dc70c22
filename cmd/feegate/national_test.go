package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
	"feegate/reconciliation/adoption/honesty"
)

// read gets a report of March into v.
func read[T any](x *example, token, path string) T {
	x.t.Helper()
	var v T
	r := x.as(token, http.MethodGet, path, "", nil)
	if err := json.Unmarshal(r.body, &v); r.status != 200 || err != nil {
		x.t.Fatalf("%s: %d %s %v\n%s", path, r.status, r.body, err, x.logs)
	}
	return v
}

const inMarch = "from=2026-03-01&to=2026-03-31"

func (x *example) exec(query string, args ...any) {
	x.t.Helper()
	if _, err := dbtest.Admin(x.t, x.db).ExecContext(x.t.Context(), query, args...); err != nil {
		x.t.Fatal(err)
	}
}

// feeBearing makes the procedure of all the example's orders one that charges.
func (x *example) feeBearing() {
	x.t.Helper()
	x.exec(`INSERT INTO fee_schedules (fee_code, procedure_code, name, kind, unit_amount) VALUES ('1.001-phi', '1.001', 'Phí', 'phi', 10000), ('1.001-le_phi', '1.001', 'Lệ phí', 'le_phi', 5000)`)
	x.exec(`INSERT INTO procedure_agencies (procedure_code, agency_code) VALUES ('1.001', 'H10.12')`)
}

func (x *example) sends(flags map[int]int, more map[string]any) map[string]any {
	x.t.Helper()
	rows := []any{}
	for n, flag := range flags {
		row := map[string]any{"dossier_code": dossierOf(n), "flag": flag, "sent_at": x.world.Now().Add(-time.Minute).Format(time.RFC3339)}
		for k, v := range more {
			row[k] = v
		}
		rows = append(rows, row)
	}
	return x.ok(x.as(caseKey, http.MethodPut, "/v1/reports/national/sent", "", map[string]any{"dossiers": rows}), 200)
}

// TestTheNationalFigure is the rows of Decision 766 in the worked example, the flags that a careless system would send, and the gap that
// they make.
func TestTheNationalFigure(t *testing.T) {
	x := newExample(t, false, false)
	x.dossier(4, "open", nil)
	// A catalogue that forgets a fee hides no dossier that carries one.
	if n := read[honesty.National](x, x.reporter, "/v1/reports/national?"+inMarch); n.Indicators[2].Rate.Denominator != 11 || n.Indicators[0].Rate.Denominator != 1 {
		t.Errorf("without a catalogue: %+v", n.Indicators)
	}
	x.feeBearing()
	n := read[honesty.National](x, x.reporter, "/v1/reports/national?"+inMarch)
	for i, want := range []struct {
		id, points string
		n, d       int64
		percent    string
	}{{"3.5a", "2.00", 1, 1, "100.00"}, {"3.5b", "2.00", 1, 1, "100.00"}, {"3.6", "2.18", 4, 11, "36.36"}} {
		if got := n.Indicators[i]; got.ID != want.id || got.Points != want.points || got.Rate.Numerator != want.n || got.Rate.Denominator != want.d || *got.Rate.Percent != want.percent {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if n.Points != "6.18" || n.Exempt != 1 || n.Flags["2"] != 4 || n.Flags["1"] != 0 || n.Flags["0"] != 7 || n.Told != 0 || n.Gap.Official != nil || n.Gap.Total.Numerator.Theirs != nil {
		t.Errorf("%+v", n)
	}
	// Before the evidence was there nobody deserved anything.
	if before := read[honesty.National](x, x.reporter, "/v1/reports/national?"+inMarch+"&as_of=2026-03-10"); before.Indicators[2].Rate.Numerator != 0 {
		t.Errorf("%+v", before.Indicators[2])
	}

	// Each dossier with its flag, page by page.
	why, after := map[string]string{}, ""
	for pages := 0; pages < 10; pages++ {
		l := read[honesty.NationalDossiers](x, x.reporter, "/v1/reports/national/dossiers?"+inMarch+"&limit=5"+after)
		for _, d := range l.Items {
			why[d.DossierCode] = fmt.Sprint(d.Deserved, " ", d.Why, " ", d.Counts)
		}
		if l.Next == nil {
			break
		}
		after = "&after=" + *l.Next
	}
	for d, want := range map[int]string{1: "2 online true", 2: "2 online true", 3: "0 offline true", 4: "0 provisional true", 5: "2 online true", 6: "0 proxy true", 7: "0 mixed true", 8: "0 unpaid true",
		9: "0 exempt false", 10: "2 online true", 11: "0 offline true", 13: "0 unpaid true"} {
		if got := why[dossierOf(d)]; got != want {
			t.Errorf("D%d: %q, want %q", d, got, want)
		}
	}

	// The careless flag: all that was marked online. Nine of eleven, 81.8 %.
	careless := map[int]int{1: 2, 2: 2, 3: 0, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 10: 2, 11: 2, 13: 0}
	if v := x.sends(careless, nil); v["news"] != 11.0 {
		t.Errorf("%v", v)
	}
	if v := x.sends(careless, nil); v["told"] != 11.0 || v["news"] != 0.0 {
		t.Errorf("told again: %v", v)
	}
	x.sends(map[int]int{9: 0}, map[string]any{"all_zero": false})
	finance := x.finance
	nine, twelve := 9, 12
	in := map[string]any{"from": "2026-03-01", "to": "2026-03-31", "source": "Cổng DVCQG, thống kê", "fetched_at": x.world.Now().Add(-time.Hour).Format(time.RFC3339),
		"raw":    base64.StdEncoding.EncodeToString([]byte(`{"totalDossierOnlinePaymentSuccess": 10}`)),
		"counts": []any{map[string]any{"agency_code": "H10.12", "procedure_code": "1.001", "totalDossierOnlinePaymentSuccess": nine + 1, "totalDossierFinancialObligation": twelve + 1, "totalFeeFormality": nil}}}
	first := x.as(finance, http.MethodPut, "/v1/reports/national/official", "", in)
	if first.status != 201 || first.get(t)["rows"] != 1.0 {
		t.Fatalf("%d %s", first.status, first.body)
	}
	if again := x.as(finance, http.MethodPut, "/v1/reports/national/official", "", in); again.status != 200 || again.get(t)["id"] != first.get(t)["id"] {
		t.Errorf("%d %s", again.status, again.body)
	}
	for _, row := range []string{"Rows", "Total"} {
		n = read[honesty.National](x, x.reporter, "/v1/reports/national?"+inMarch)
		g := n.Gap.Total
		if row == "Rows" {
			g = n.Gap.Rows[0]
		}
		// Ours by payment are 4 of 10 dossiers (D4 unsettled, D8 refunded, D9 exempt), theirs 10 of 13.
		want := map[string]int64{"start_time": 0, "provisional": 1, "proxy": 1, "mixed": 1, "flag_sent_wrong": 2, "not_explained": 1}
		sum := int64(0)
		for _, v := range g.Numerator.Causes {
			sum += v
		}
		if fmt.Sprint(g.Numerator.Causes) != fmt.Sprint(want) || g.Numerator.Ours != 4 || *g.Numerator.Gap != 6 || sum != 6 {
			t.Errorf("%s: %+v", row, g.Numerator)
		}
		want, sum = map[string]int64{"start_time": 1, "exempt_not_zero": 1, "not_explained": 1}, 0
		for _, v := range g.Denominator.Causes {
			sum += v
		}
		if fmt.Sprint(g.Denominator.Causes) != fmt.Sprint(want) || g.Denominator.Ours != 10 || *g.Denominator.Gap != 3 || sum != 3 {
			t.Errorf("%s: %+v", row, g.Denominator)
		}
	}

	// A number that the portal does not give is no 0, and a newer answer takes nothing away.
	in["raw"], in["counts"] = base64.StdEncoding.EncodeToString([]byte("null")), []any{map[string]any{"agency_code": "H10.12", "procedure_code": "1.001"}}
	x.at("2026-04-11 10:00")
	if r := x.as(finance, http.MethodPut, "/v1/reports/national/official", "", in); r.status != 201 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	n = read[honesty.National](x, x.reporter, "/v1/reports/national?"+inMarch)
	if g := n.Gap.Total; g.Numerator.Theirs != nil || g.Missing != 1 {
		t.Errorf("%+v", g)
	}
	if n := x.count(`SELECT count(*) FROM national_official WHERE encode(sha256(raw), 'hex') = sha256`); n != 2 {
		t.Errorf("%d answers kept", n)
	}
	if _, err := x.own.ExecContext(t.Context(), `UPDATE national_official SET source = 'x'`); err == nil {
		t.Error("an import was rewritten")
	}

	// At night what differs is listed: the five flags that nobody deserves.
	x.at("2026-04-12 00:30")
	if n, err := x.app.book.CompareFlags(t.Context(), 1); n != 0 || err != nil {
		t.Errorf("too early: %d %v", n, err)
	}
	x.at("2026-04-12 02:00")
	for want := 1; want >= 0; want-- {
		if n, err := x.app.book.CompareFlags(t.Context(), 1); n != want || err != nil {
			t.Fatalf("%d %v, want %d", n, err, want)
		}
	}
	d := read[honesty.Differences](x, caseKey, "/v1/reports/national/differences")
	if d.Run == nil || d.Run.Differences != 5 || len(d.Items) != 5 || d.Items[0].DossierCode != dossierOf(4) || *d.Items[0].Sent != 2 || d.Items[0].Deserved != 0 {
		t.Errorf("%+v", d)
	}
	if found := x.found("G14", inMarch); len(found) != 5 || found[0].Agency.Code != "H10.12" {
		t.Errorf("%+v", found)
	}
	// Sent again as deserved, the night after finds nothing; the earlier night stays.
	x.sends(map[int]int{4: 0, 6: 0, 7: 0, 8: 0, 11: 0}, nil)
	x.at("2026-04-13 02:00")
	if _, err := x.app.book.CompareFlags(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if found := x.found("G14", inMarch); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	if found := x.found("G14", inMarch+"&as_of=2026-04-12"); len(found) != 5 {
		t.Errorf("as of the night before: %+v", found)
	}
	if d := read[honesty.Differences](x, x.reporter, "/v1/reports/national/differences?date=2026-04-12&limit=2"); len(d.Items) != 2 || d.Next == nil {
		t.Errorf("%+v", d)
	}
	// The flag is computed: it cannot be told otherwise.
	for field, row := range map[string]map[string]any{"dossiers[0].flag": {"dossier_code": dossierOf(1), "flag": 3}, "dossiers[0].sent_at": {"dossier_code": dossierOf(1), "flag": 1}, "dossiers[0].dossier_code": {"dossier_code": "x", "flag": 1}} {
		v := x.problem(x.as(caseKey, http.MethodPut, "/v1/reports/national/sent", "", map[string]any{"dossiers": []any{row}}), 422, "invalid")
		if raw, _ := json.Marshal(v["errors"]); !containsField(raw, field) {
			t.Errorf("%s: %s", field, raw)
		}
	}
	x.person("xã khác", []identity.Role{identity.Reporter}, "H10.99")
	if n := read[honesty.National](x, x.signedIn("xã khác"), "/v1/reports/national?"+inMarch); n.Indicators[2].Rate.Denominator != 0 || len(n.Gap.Rows) != 0 {
		t.Errorf("another agency sees %+v", n)
	}
}

// found is what a rule found, all pages.
func (x *example) found(rule, query string) (out []honesty.Finding) {
	x.t.Helper()
	for after, pages := "", 0; pages < 50; pages++ {
		l := read[honesty.Findings](x, x.reporter, "/v1/exceptions?rule="+rule+"&limit=2&"+query+after)
		out = append(out, l.Items...)
		if l.Next == nil {
			return out
		}
		after = "&after=" + *l.Next
	}
	x.t.Fatal("pages without end")
	return nil
}
