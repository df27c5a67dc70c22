package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
)

// The audit is read page by page to its end, narrowed, as a table; who looked stands in it; who is limited to agencies, or has
// another role, does not look.
func TestTheAuditIsReadOverHTTP(t *testing.T) {
	s := newStreet(t)
	tra := s.person("tra", []identity.Role{identity.Auditor})
	for range 5 {
		s.send(http.MethodPost, s.api+"/v1/sessions", map[string]string{"name": "nobody", "password": "wrong"}, nil)
	}
	ids, after := map[string]bool{}, ""
	for range 10 {
		r := s.as(tra, http.MethodGet, "/v1/audit?action=session.refused&limit=2&after="+after, "", nil)
		if r.status != http.StatusOK {
			t.Fatalf("%d %s", r.status, r.body)
		}
		items, _ := r.get(t)["items"].([]any)
		for _, i := range items {
			row, _ := i.(map[string]any)
			ids[fmt.Sprint(row["id"])] = true
			if row["action"] != "session.refused" || row["address"] != "127.0.0.1" || row["request_id"] == "" {
				t.Errorf("%v", row)
			}
		}
		if after, _ = r.get(t)["next"].(string); after == "" {
			break
		}
	}
	if len(ids) != 5 || after != "" {
		t.Errorf("%d rows, then %q", len(ids), after)
	}
	looks := `SELECT count(*) FROM audit WHERE action = 'audit.read' AND detail->>'action' = 'session.refused'`
	if n := s.count(looks); n != 3 {
		t.Errorf("%d looks in the audit", n)
	}
	me := s.one(`SELECT id FROM users WHERE name = 'tra'`)
	for query, want := range map[string]int{"object=" + me + "&action=user.created": 1, "actor=" + me + "&action=session.opened": 1, "actor=usr_none": 0, "action=user.created&to=2026-03-09": 0, "action=user.created&from=2026-03-10&to=2026-03-10": 1,
		"action=user.created&from=2026-03-11": 0} {
		r := s.as(tra, http.MethodGet, "/v1/audit?"+query, "", nil)
		if items, _ := r.get(t)["items"].([]any); r.status != http.StatusOK || len(items) != want {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
	r := s.send(http.MethodGet, s.api+"/v1/audit?actor="+me+"&limit=1", nil, map[string]string{"Authorization": "Bearer " + tra, "Accept": "text/csv"})
	if said := string(r.body); r.header.Get("Feegate-Next") == "" || !strings.Contains(said, ",tra,audit.read,") || !strings.HasSuffix(strings.SplitN(said, "\n", 2)[0], "request_id,detail") {
		t.Errorf("%v %s", r.header, said)
	}
	for _, query := range []string{"after=x", "after=-1", "from=yesterday", "to=2026-02-30", "limit=0"} {
		if r := s.as(tra, http.MethodGet, "/v1/audit?"+query, "", nil); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
	hoa := s.person("hoa", []identity.Role{identity.Auditor, identity.Admin}, "H10.12")
	lan := s.person("lan", []identity.Role{identity.Finance, identity.Approver, identity.Operator, identity.Reporter})
	before := s.count(`SELECT count(*) FROM audit`)
	for _, path := range []string{"/v1/audit", "/v1/audit/verify"} {
		if r := s.as(hoa, http.MethodGet, path, "", nil); r.status != http.StatusNotFound {
			t.Errorf("limited to an agency, %s: %d", path, r.status)
		}
		if r := s.as(lan, http.MethodGet, path, "", nil); r.status != http.StatusForbidden {
			t.Errorf("another role, %s: %d", path, r.status)
		}
	}
	if n := s.count(`SELECT count(*) FROM audit`); n != before {
		t.Errorf("%d rows, then %d", before, n)
	}
	if _, err := s.app.people.Seal(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if r := s.as(tra, http.MethodGet, "/v1/audit/verify", "", nil); r.get(t)["intact"] != true || r.get(t)["blocks"] != 1.0 {
		t.Errorf("%s", r.body)
	}
	if _, err := dbtest.Admin(t, s.db).ExecContext(t.Context(), `SET session_replication_role = replica; UPDATE audit SET address = '10.0.0.1' WHERE id = (SELECT min(id) FROM audit)`); err != nil {
		t.Fatal(err)
	}
	if r := s.as(tra, http.MethodGet, "/v1/audit/verify", "", nil); r.get(t)["intact"] != false || !strings.Contains(string(r.body), "block 1: a row among ids") {
		t.Errorf("%s", r.body)
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'audit.verified'`); n != 2 {
		t.Errorf("%d verifications in the audit", n)
	}
}
