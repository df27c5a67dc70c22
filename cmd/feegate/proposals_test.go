package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
)

func TestTargetsAreSetByTwoPeople(t *testing.T) {
	s := newStreet(t)
	admin, second, approver, limited := s.admins()
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO targets (id, percent, valid_from, source) VALUES ('tgt_1', 30, '2022-12-31', 'Chỉ thị, điểm 4')`); err != nil {
		t.Fatal(err)
	}
	propose := func(token, body string) reply { return s.as(token, http.MethodPost, "/v1/targets", "", body) }
	in := func(percent, from, more string) string {
		return fmt.Sprintf(`{"percent": %s, "valid_from": %q, "source": "QĐ 5"%s}`, percent, from, more)
	}
	for field, body := range map[string]string{"valid_from": in("60", "2026-03-09", ""), "percent": in("0", "2026-03-10", ""), "valid_to": in("60", "2026-03-10", `, "valid_to": "2026-03-10"`),
		"source": `{"percent": 60, "valid_from": "2026-03-10", "source": " "}`, "replaces": in("60", "2026-03-10", `, "replaces": "tgt_nobody"`)} {
		s.invalidField(propose(admin, body), field)
	}
	s.invalidField(propose(admin, in("100.5", "2026-03-10", "")), "percent")
	s.problem(propose(approver, in("60", "2026-03-10", "")), 403, "forbidden")
	s.problem(propose(limited, in("60", "2026-03-10", "")), 404, "not-found")
	made := s.ok(propose(admin, in("62.5", "2026-03-10", `, "replaces": "tgt_1"`)), http.StatusCreated)
	id, _ := made["id"].(string)
	s.problem(propose(admin, in("62.5", "2026-03-10", "")), 409, "proposal-exists")
	report := func() string {
		v := s.ok(s.as(approver, http.MethodGet, "/v1/reports/adoption?from=2026-03-01&to=2026-03-31", "", nil), http.StatusOK)
		return fmt.Sprint(v["total"].(map[string]any)["targets"])
	}
	if got := report(); !strings.Contains(got, "30") || strings.Contains(got, "62.5") {
		t.Errorf("a proposal counts: %s", got)
	}
	s.problem(s.as(admin, http.MethodPost, "/v1/targets/"+id+"/approve", "", nil), 403, "second-person-needed")
	s.problem(s.as(second, http.MethodPost, "/v1/targets/tgt_nobody/approve", "", nil), 404, "not-found")
	s.problem(s.as(limited, http.MethodPost, "/v1/targets/"+id+"/approve", "", nil), 404, "not-found")
	if v := s.ok(s.as(second, http.MethodPost, "/v1/targets/"+id+"/approve", "", `{"note": "đúng"}`), http.StatusOK); v["status"] != "approved" || v["note"] != "đúng" || v["percent"] != 62.5 {
		t.Errorf("%v", v)
	}
	s.problem(s.as(approver, http.MethodPost, "/v1/targets/"+id+"/reject", "", nil), 409, "proposal-state")
	if got := report(); strings.Contains(got, "30") || !strings.Contains(got, "62.5") {
		t.Errorf("what is approved counts, what it replaces has ended: %s", got)
	}
	later := s.ok(propose(second, in("70", "2026-03-12", "")), http.StatusCreated)["id"].(string)
	refused := s.ok(propose(second, in("71", "2026-03-12", "")), http.StatusCreated)["id"].(string)
	s.ok(s.as(approver, http.MethodPost, "/v1/targets/"+refused+"/reject", "", nil), http.StatusOK)
	s.ok(propose(second, in("71", "2026-03-12", "")), http.StatusCreated) // what was rejected may be proposed again
	s.move(3 * 24 * time.Hour)
	s.problem(s.as(approver, http.MethodPost, "/v1/targets/"+later+"/approve", "", nil), 409, "proposal-state") // its day has passed
	if v := s.ok(s.as(approver, http.MethodGet, "/v1/targets", "", nil), http.StatusOK); len(v["items"].([]any)) != 5 {
		t.Errorf("%v", v)
	}
	// The database holds it too.
	for _, q := range []string{`UPDATE targets SET status = 'approved', decided_by = proposed_by, decided_at = proposed_at WHERE id = '` + later + `'`,
		`UPDATE targets SET status = 'rejected' WHERE id = '` + id + `'`, `UPDATE targets SET valid_to = '2030-01-01' WHERE id = 'tgt_1'`} {
		if _, err := s.own.ExecContext(t.Context(), q); err == nil {
			t.Errorf("the database takes %s", q)
		}
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action LIKE 'target.%'`); n != 6 {
		t.Errorf("%d in the audit", n)
	}
}

func TestDefinitionsAreChangedByTwoPeople(t *testing.T) {
	s := newStreet(t)
	admin, second, approver, limited := s.admins()
	body := func(id, from string, gate int) string {
		return fmt.Sprintf(`{"id": %q, "valid_from": %q, "reason": "rà soát quý", "parameters": {"coverage_gate_percent": %d, "payer_dossiers": 4, "payer_days": 30, "provisional_working_days": 3, "payout_working_days": 3, "skew_hours": 24, "checkout_days": 30}}`, id, from, gate)
	}
	propose := func(token, b string) reply { return s.as(token, http.MethodPost, "/v1/definitions", "", b) }
	s.invalidField(propose(admin, body("opr", "2026-03-10", 90)), "id")
	s.invalidField(propose(admin, body("OPR-1.1", "2026-03-09", 90)), "valid_from")
	s.invalidField(propose(admin, body("OPR-1.1", "2026-03-10", 101)), "parameters.coverage_gate_percent")
	s.problem(propose(limited, body("OPR-1.1", "2026-03-10", 90)), 404, "not-found")
	if v := s.ok(propose(admin, body("OPR-1.1", "2026-03-20", 90)), http.StatusCreated); v["status"] != "proposed" || v["in_force"] != false {
		t.Errorf("%v", v)
	}
	s.problem(propose(second, body("OPR-1.1", "2026-04-20", 80)), 409, "proposal-exists")
	s.problem(s.as(admin, http.MethodPost, "/v1/definitions/OPR-1.1/approve", "", nil), 403, "second-person-needed")
	s.problem(s.as(approver, http.MethodPost, "/v1/definitions/OPR-9/approve", "", nil), 404, "not-found")
	s.ok(s.as(approver, http.MethodPost, "/v1/definitions/OPR-1.1/approve", "", nil), http.StatusOK)
	s.problem(s.as(second, http.MethodPost, "/v1/definitions/OPR-1.1/reject", "", nil), 409, "proposal-state")
	s.ok(propose(admin, body("OPR-2", "2026-03-11", 50)), http.StatusCreated)
	s.ok(s.as(approver, http.MethodPost, "/v1/definitions/OPR-2/reject", "", nil), http.StatusOK)
	for to, want := range map[string]string{"2026-03-19": "OPR-1 95 5", "2026-03-20": "OPR-1.1 90 4"} {
		for _, path := range []string{"", "/evidence"} {
			v := s.ok(s.as(approver, http.MethodGet, "/v1/reports/adoption"+path+"?from=2026-03-01&to="+to, "", nil), http.StatusOK)
			p := v["parameters"].(map[string]any)
			if got := fmt.Sprint(v["definition"], " ", p["coverage_gate_percent"], " ", p["payer_dossiers"]); got != want || v["cut"] != "filed" {
				t.Errorf("%s%s: %s, want %s", to, path, got, want)
			}
		}
	}
	r := s.as(approver, http.MethodGet, "/v1/reports/adoption.csv?from=2026-03-01&to=2026-03-20", "", nil)
	if !strings.Contains(string(r.body), "OPR-1.1") || !strings.Contains(string(r.body), `""coverage_gate_percent"":90`) {
		t.Errorf("%s", r.body)
	}
	if v := s.ok(s.as(approver, http.MethodGet, "/v1/definitions", "", nil), http.StatusOK); len(v["items"].([]any)) != 2 {
		t.Errorf("%v", v)
	}
}

func TestStaffAccountsAreDeclaredAndNotKept(t *testing.T) {
	s := newStreet(t)
	admin, second, approver, limited := s.admins()
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO agencies (code, name) VALUES ('H10.13', 'UBND xã khác')`); err != nil {
		t.Fatal(err)
	}
	put := func(token, body string) reply { return s.as(token, http.MethodPut, "/v1/staff-accounts", "", body) }
	two := `{"accounts": [{"agency_code": "H10.12", "bank": "970436", "number": "0071 000 123456"}, {"agency_code": "H10.13", "bank": "970436", "number": "0071000999999"}]}`
	if v := s.ok(put(admin, two), http.StatusOK); v["declared"] != 2.0 {
		t.Errorf("%v", v)
	}
	if v := s.ok(put(admin, two), http.StatusOK); v["declared"] != 0.0 || v["known"] != 2.0 {
		t.Errorf("%v", v)
	}
	// The digest is that of a payment's payer.
	want, err := s.keys.Digest("payer", []byte("bank\x00970436\x000071000123456"))
	if err != nil {
		t.Fatal(err)
	}
	if n := s.count(`SELECT count(*) FROM staff_accounts WHERE digest = $1 AND masked = '••••3456'`, want); n != 1 {
		t.Error("the digest is not a payer's")
	}
	for field, body := range map[string]string{
		"accounts[0].agency_code": `{"accounts": [{"agency_code": "H77", "bank": "970436", "number": "00710009"}]}`,
		"accounts[0].number":      `{"accounts": [{"agency_code": "H10.12", "bank": "970436", "number": "12"}]}`,
		"accounts[0].bank":        `{"accounts": [{"agency_code": "H10.12", "number": "00710009"}]}`,
		"accounts[0].digest":      `{"accounts": [{"agency_code": "H10.12", "digest": "xyz"}]}`,
		"accounts[1].number":      `{"accounts": [{"agency_code": "H10.12", "bank": "970436", "number": "00710009"}, {"agency_code": "H10.12", "bank": "970436", "number": "0071-0009"}]}`,
		"end[0]":                  `{"end": ["x"]}`,
		"accounts":                `{}`,
	} {
		s.invalidField(put(admin, body), field)
	}
	s.invalidField(put(limited, `{"accounts": [{"agency_code": "H10.13", "bank": "970436", "number": "00710009"}]}`), "accounts[0].agency_code")
	s.invalidField(put(admin, `{"accounts": [{"agency_code": "H10.12", "bank": "970436", "number": "0071000999999"}]}`), "accounts[0].agency_code")
	items := s.ok(s.as(limited, http.MethodGet, "/v1/staff-accounts", "", nil), http.StatusOK)["items"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["agency_code"] != "H10.12" || items[0].(map[string]any)["masked"] != "••••3456" {
		t.Errorf("%v", items)
	}
	var other, own string
	for _, x := range s.ok(s.as(approver, http.MethodGet, "/v1/staff-accounts", "", nil), http.StatusOK)["items"].([]any) {
		if v := x.(map[string]any); v["agency_code"] == "H10.13" {
			other = v["id"].(string)
		} else {
			own = v["id"].(string)
		}
	}
	s.problem(put(limited, `{"end": ["`+other+`"]}`), 404, "not-found")
	s.problem(put(second, `{"end": ["`+own+`", "sta_99999"]}`), 404, "not-found")
	if v := s.ok(put(second, `{"end": ["`+own+`"]}`), http.StatusOK); v["ended"] != 1.0 {
		t.Errorf("%v", v)
	}
	s.problem(put(second, `{"end": ["`+own+`"]}`), 404, "not-found")
	if v := s.ok(s.as(admin, http.MethodGet, "/v1/staff-accounts?ended=true", "", nil), http.StatusOK); len(v["items"].([]any)) != 2 {
		t.Errorf("%v", v)
	}
	s.invalidField(s.as(admin, http.MethodGet, "/v1/staff-accounts?ended=maybe", "", nil), "ended")
	if v := s.ok(put(admin, two), http.StatusOK); v["declared"] != 1.0 || v["known"] != 1.0 { // declared again
		t.Errorf("%v", v)
	}
	s.problem(put(approver, two), 403, "forbidden")
	for _, where := range []string{s.logs.String(), fmt.Sprint(s.count(`SELECT count(*) FROM audit WHERE detail::text LIKE '%0071000%'`) > 0)} {
		if strings.Contains(where, "0071000123456") || where == "true" {
			t.Error("a number was kept or logged")
		}
	}
}

func TestAllowancesAreDecidedByTwoPeople(t *testing.T) {
	s := newStreet(t)
	admin, second, approver, limited := s.admins()
	digest := strings.Repeat("ab", 32)
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO payer_flags (digest, from_at, definition, recorded_at) VALUES (decode($1, 'hex'), $2, 'OPR-1', $2)`, digest, s.world.Now()); err != nil {
		t.Fatal(err)
	}
	propose := func(token, body string) reply { return s.as(token, http.MethodPost, "/v1/payer-allowances", "", body) }
	body := `{"digest": "` + digest + `", "decision": "QĐ 12/2026, văn phòng công chứng A"}`
	s.invalidField(propose(admin, `{"digest": "`+digest+`", "decision": ""}`), "decision")
	s.invalidField(propose(admin, `{"decision": "QĐ 12"}`), "number")
	s.problem(propose(limited, body), 404, "not-found")
	id := s.ok(propose(admin, body), http.StatusCreated)["id"].(string)
	s.problem(propose(second, body), 409, "proposal-exists")
	path := "/v1/payer-allowances/" + id
	s.problem(s.as(admin, http.MethodPost, path+"/approve", "", nil), 403, "second-person-needed")
	s.problem(s.as(admin, http.MethodPost, path+"/end", "", nil), 409, "proposal-state")
	if n := s.count(`SELECT count(*) FROM payer_flags WHERE ended_at IS NULL`); n != 1 {
		t.Error("a proposal ends a flag")
	}
	s.move(time.Hour)
	if v := s.ok(s.as(approver, http.MethodPost, path+"/approve", "", nil), http.StatusOK); v["status"] != "approved" || v["digest"] != digest {
		t.Errorf("%v", v)
	}
	if n := s.count(`SELECT count(*) FROM payer_flags WHERE ended_at IS NULL`); n != 0 {
		t.Error("the flag stands")
	}
	if n := s.count(`SELECT count(*) FROM payer_allowances WHERE status = 'approved' AND approved_by <> proposed_by AND recorded_at > proposed_at AND ended_at IS NULL`); n != 1 {
		t.Error("the decision is not on record")
	}
	s.problem(s.as(approver, http.MethodPost, path+"/reject", "", nil), 409, "proposal-state")
	s.problem(s.as(approver, http.MethodPost, "/v1/payer-allowances/alw_nobody/end", "", nil), 404, "not-found")
	s.problem(s.as(approver, http.MethodPost, "/v1/payer-allowances/alw_nobody/approve", "", nil), 404, "not-found")
	if v := s.ok(s.as(approver, http.MethodPost, path+"/end", "", nil), http.StatusOK); v["ended_at"] == nil {
		t.Errorf("%v", v)
	}
	s.problem(s.as(approver, http.MethodPost, path+"/end", "", nil), 409, "proposal-state")
	s.ok(propose(admin, `{"bank": "970436", "number": "0071000123456", "decision": "QĐ 13"}`), http.StatusCreated)
	if v := s.ok(s.as(approver, http.MethodGet, "/v1/payer-allowances", "", nil), http.StatusOK); len(v["items"].([]any)) != 2 {
		t.Errorf("%v", v)
	}
}

// TestMergedAgenciesAreCutEitherWay: A and B were merged into C, and C was renamed D; what was filed keeps its code.
func TestMergedAgenciesAreCutEitherWay(t *testing.T) {
	s := newStreet(t)
	s.caseSystem()
	admin, _, approver, _ := s.admins()
	s.ok(s.as(admin, http.MethodPut, "/v1/catalogue", "", `{
		"communes": [{"code": "xa-a", "name": "Xã A"}, {"code": "xa-d", "name": "Xã D"}, {"code": "xa-e", "name": "Xã E"}],
		"agencies": [{"code": "A", "name": "UBND xã A", "commune_code": "xa-a"}, {"code": "B", "name": "UBND xã B", "commune_code": "xa-a"}, {"code": "C", "name": "UBND xã C", "commune_code": "xa-d"},
			{"code": "D", "name": "UBND xã D", "commune_code": "xa-d"}],
		"agency_aliases": [{"old_code": "A", "new_code": "C", "since": "2026-03-15", "legal_basis": "NQ"}, {"old_code": "B", "new_code": "C", "since": "2026-03-15", "legal_basis": "NQ"},
			{"old_code": "C", "new_code": "D", "since": "2026-03-20", "legal_basis": "NQ"}],
		"commune_aliases": [{"old_code": "xa-d", "new_code": "xa-e", "since": "2026-03-20", "legal_basis": "NQ"}]}`), http.StatusOK)
	for n, agency := range []string{"A", "A", "B", "C", "D", "H10.12"} {
		id := s.made(s.call(http.MethodPost, "/v1/orders", fmt.Sprint("m", n), fmt.Sprintf(`{"reference":"M%d","dossier_code":"H10.12-260310-%04d","procedure_code":"1.001","agency_code":%q,
			"lines":[{"fee_code":"f","kind":"le_phi","name":"Lệ phí","quantity":1,"unit_amount":1000,"gross":1000,"net":1000}],"amount":1000}`, n, n+1, agency)))
		s.made(s.as(caseKey, http.MethodPost, "/v1/orders/"+id+"/counter-payments", fmt.Sprint("c", n), counterMoney(1000, "cash", fmt.Sprintf("%04d", n), s.world.Now().Add(-time.Minute))))
	}
	ofD := s.person("cán bộ D", []identity.Role{identity.Reporter}, "D")
	ofA := s.person("cán bộ A", []identity.Role{identity.Reporter}, "A")
	rows := func(token, query string) string {
		v := s.ok(s.as(token, http.MethodGet, "/v1/reports/adoption?from=2026-03-01&"+query, "", nil), http.StatusOK)
		out := []string{}
		sum := 0.0
		count := func(row any) float64 {
			return row.(map[string]any)["rates"].(map[string]any)["transactions"].(map[string]any)["denominator"].(float64)
		}
		for _, row := range v["rows"].([]any) {
			code := row.(map[string]any)["group"].(map[string]any)["code"]
			out = append(out, fmt.Sprint(code, "=", count(row)))
			sum += count(row)
			e := s.ok(s.as(token, http.MethodGet, fmt.Sprintf("/v1/reports/adoption/evidence?from=2026-03-01&%s&group=%s", query, code), "", nil), http.StatusOK)
			if e["value"] != count(row) || len(e["items"].([]any)) != int(count(row)) || e["cut"] != v["cut"] {
				t.Errorf("%s %s: the list has %v of %v", query, code, e["value"], count(row))
			}
		}
		if total := count(v["total"]); total != sum {
			t.Errorf("%s: rows add up to %v of %v", query, sum, total)
		}
		return strings.Join(out, " ")
	}
	s.move(15 * 24 * time.Hour) // 2026-03-25: both steps are made
	for _, c := range []struct{ token, query, want string }{
		{approver, "to=2026-03-31&group_by=agency", "A=2 B=1 C=1 D=1 H10.12=1"},
		{approver, "to=2026-03-31&group_by=agency&cut=filed", "A=2 B=1 C=1 D=1 H10.12=1"},
		{approver, "to=2026-03-31&group_by=agency&cut=current", "D=5 H10.12=1"},
		{approver, "to=2026-03-16&group_by=agency&cut=current", "C=4 D=1 H10.12=1"}, // the second step comes later than the period
		{approver, "to=2026-03-14&group_by=agency&cut=current", "A=2 B=1 C=1 D=1 H10.12=1"},
		{approver, "to=2026-03-31&group_by=commune", "=1 xa-a=3 xa-d=2"},
		{approver, "to=2026-03-31&group_by=commune&cut=current", "=1 xa-e=5"},
		{ofD, "to=2026-03-31&group_by=agency", "A=2 B=1 C=1 D=1"}, // the successor sees what was filed before it was
		{ofD, "to=2026-03-31&group_by=agency&cut=current", "D=5"},
		{ofD, "to=2026-03-14&group_by=agency&cut=current", "A=2 B=1 C=1 D=1"},
		{ofA, "to=2026-03-31&group_by=agency", "A=2"}, // and not the other way round
		{ofA, "to=2026-03-31&group_by=agency&cut=current", "D=2"},
		{approver, "to=2026-03-31&group_by=agency&cut=current&as_of=2026-03-09", ""}, // as known before anything was said or paid
	} {
		if got := rows(c.token, c.query); got != c.want {
			t.Errorf("%s: %s, want %s", c.query, got, c.want)
		}
	}
	s.invalidField(s.as(approver, http.MethodGet, "/v1/reports/adoption?from=2026-03-01&to=2026-03-31&cut=sideways", "", nil), "cut")
	r := s.as(approver, http.MethodGet, "/v1/reports/adoption.csv?from=2026-03-01&to=2026-03-31&group_by=agency&cut=current", "", nil)
	if !strings.Contains(string(r.body), ",current,") {
		t.Errorf("%s", r.body)
	}
}
