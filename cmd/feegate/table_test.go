package main

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"feegate/gateway/identity"
)

// tableOf reads a list as a spreadsheet would, a map for each row, page by page.
func (s *street) tableOf(token, path string, pages int) []map[string]string {
	s.t.Helper()
	var out []map[string]string
	join := "?"
	if strings.Contains(path, "?") {
		join = "&"
	}
	for after := ""; ; pages-- {
		r := s.send(http.MethodGet, s.api+path+after, nil, map[string]string{"Authorization": "Bearer " + token, "Accept": "text/csv"})
		said, marked := strings.CutPrefix(string(r.body), "\uFEFF")
		rows, err := csv.NewReader(strings.NewReader(said)).ReadAll()
		if err != nil || r.status != http.StatusOK || !marked || r.header.Get("Content-Type") != "text/csv; charset=utf-8" {
			s.t.Fatalf("%s: %d %v %v\n%s", path, r.status, err, r.header, r.body)
		}
		for _, row := range rows[1:] {
			m := map[string]string{}
			for i, name := range rows[0] {
				m[name] = row[i]
			}
			out = append(out, m)
		}
		next := r.header.Get("Feegate-Next")
		if next == "" || pages == 0 {
			if pages != 1 {
				s.t.Errorf("%s: %d pages left when it ended", path, pages-1)
			}
			return out
		}
		after = join + "after=" + url.QueryEscape(next)
	}
}

func TestListsAsTables(t *testing.T) {
	s := newStreet(t)
	order, payment := s.paidByMoMo()
	// What a portal calls its order must not run as a formula in an officer's spreadsheet.
	second := strings.NewReplacer("0007", "0008", `"R9"`, `"=HYPERLINK(\"x\")"`).Replace(anOrder("R9"))
	s.ok(s.call(http.MethodPost, "/v1/orders", "o2", second), http.StatusCreated)
	rows := s.tableOf(portalKey, "/v1/orders?limit=1", 2)
	if len(rows) != 2 {
		t.Fatalf("%v", rows)
	}
	for i, want := range []map[string]string{
		{"reference": `'=HYPERLINK("x")`, "status": "open", "dossier_code": "H10.12-260310-0008", "amount": "50000", "paid_amount": "0", "filing_mode": "", "late": "false"},
		{"id": order, "reference": "R1", "status": "paid", "paid_amount": "50000", "agency_code": "H10.12"},
	} {
		for name, v := range want {
			if got, there := rows[i][name]; got != v || !there {
				t.Errorf("row %d, %s: %q, want %q", i, name, got, v)
			}
		}
	}
	if _, there := rows[0]["payments"]; there {
		t.Error("a list within an item has a column")
	}
	if !strings.HasPrefix(rows[1]["created_at"], "2026-03-10T03:") { // UTC
		t.Errorf("a time: %v", rows[1])
	}
	mai := s.person("mai", []identity.Role{identity.Finance})
	for path, columns := range map[string]string{
		"/v1/surplus": "payment available_amount", "/v1/discrepancies": "id kind effect deadline", "/v1/imports": "id sha256 net", "/v1/catalogue/procedures": "code name field",
		"/v1/orders/" + order + "/receipts": "series number",
	} {
		r := s.send(http.MethodGet, s.api+path, nil, map[string]string{"Authorization": "Bearer " + mai, "Accept": "text/csv"})
		head, _, _ := strings.Cut(strings.TrimPrefix(string(r.body), "\uFEFF"), "\n")
		for _, c := range strings.Fields(columns) {
			if r.status != http.StatusOK || !strings.Contains(","+head+",", ","+c+",") {
				t.Errorf("%s: %d, no column %s in %s", path, r.status, c, head)
			}
		}
	}
	evidence := s.tableOf(mai, "/v1/reports/adoption/evidence?from=2026-03-01&to=2026-03-31", 1)
	if len(evidence) != 1 || evidence[0]["payment"] != payment || evidence[0]["counts"] != "1" || evidence[0]["bucket"] != "online_provisional" {
		t.Errorf("evidence: %v", evidence)
	}
	if line, there := evidence[0]["settlement_line.import"]; line != "" || !there {
		t.Errorf("a line that is not there yet: %v", evidence)
	}
	if r := s.send(http.MethodGet, s.api+"/v1/orders", nil, map[string]string{"Authorization": "Bearer " + portalKey, "Accept": "application/json, text/csv;q=0.5"}); !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
		t.Errorf("who would rather have JSON: %v", r.header)
	}
}

func TestAnEndpointIsRotatedAndTakenAway(t *testing.T) {
	s := newStreet(t)
	if _, err := s.db.ExecContext(t.Context(), `UPDATE api_keys SET scopes = scopes || ARRAY['webhooks:write']`); err != nil {
		t.Fatal(err)
	}
	made := s.call(http.MethodPost, "/v1/webhook-endpoints", "", `{"url":"`+s.sim+`/x"}`).get(t)
	path := "/v1/webhook-endpoints/" + made["id"].(string)
	rotated := s.ok(s.call(http.MethodPost, path+"/rotate", "", nil), http.StatusOK)
	if rotated["secret"] == made["secret"] || !strings.HasPrefix(rotated["secret"].(string), "whsec_") {
		t.Errorf("%v after %v", rotated, made)
	}
	if r := s.call(http.MethodPost, path+"/replay", "", `{"from":1}`); r.status != http.StatusAccepted {
		t.Errorf("replay: %d %s", r.status, r.body)
	}
	if items := s.ok(s.call(http.MethodGet, path+"/deliveries?limit=5", "", nil), http.StatusOK)["items"].([]any); len(items) != 0 {
		t.Errorf("nothing was delivered yet: %v", items)
	}
	for _, c := range []struct{ method, path string }{{http.MethodDelete, path}, {http.MethodPost, path + "/rotate"}} {
		if r := s.as("fgk_test_other", c.method, c.path, "", nil); r.status != http.StatusNotFound {
			t.Errorf("another client, %s: %d %s", c.method, r.status, r.body)
		}
	}
	if r := s.call(http.MethodDelete, path, "", nil); r.status != http.StatusNoContent {
		t.Errorf("%d %s", r.status, r.body)
	}
	for _, c := range []struct{ method, path string }{{http.MethodDelete, path}, {http.MethodPost, path + "/rotate"}, {http.MethodGet, path + "/deliveries"},
		{http.MethodDelete, "/v1/webhook-endpoints/%00"}, {http.MethodGet, "/v1/webhook-endpoints/%00/deliveries"}} {
		if r := s.call(c.method, c.path, "", nil); r.status != http.StatusNotFound {
			t.Errorf("%s %s afterwards: %d %s", c.method, c.path, r.status, r.body)
		}
	}
	if items := s.ok(s.call(http.MethodGet, "/v1/webhook-endpoints", "", nil), http.StatusOK)["items"].([]any); len(items) != 0 {
		t.Errorf("%v", items)
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action IN ('webhook.rotated', 'webhook.deleted')`); n != 2 {
		t.Errorf("%d rows of the audit", n)
	}
}

func TestHEADIsGETWithoutABody(t *testing.T) {
	s := newStreet(t)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/docs": 200, "/openapi.yaml": 200, "/v1/orders": 200, "/v1/orders/ord_nobody": 404, "/v1/sessions": 405} {
		r := s.call(http.MethodHead, path, "", nil)
		if r.status != want || len(r.body) > 0 || r.header.Get("Content-Type") == "" {
			t.Errorf("HEAD %s: %d, %d bytes, want %d", path, r.status, len(r.body), want)
		}
	}
}
