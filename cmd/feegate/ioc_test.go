package main

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"feegate/gateway/identity"
	"feegate/reconciliation/adoption"
)

// reportingKey is a key that may read reports and nothing else.
func (s *street) reportingKey() string {
	s.t.Helper()
	_, secret, err := s.app.people.CreateKey(s.t.Context(), identity.Actor{Kind: identity.KindSystem, ID: "test"}, "cli_1", "IOC", []identity.Scope{identity.ReportsRead}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return secret
}

func TestTheCentreOfOperationsReadsTheHeadFigures(t *testing.T) {
	x := newExample(t, false, false)
	key := x.reportingKey()
	read := func() map[string]adoption.IOCPeriod {
		t.Helper()
		var feed adoption.IOC
		r := x.as(key, http.MethodGet, "/v1/ioc", "", nil)
		if err := json.Unmarshal(r.body, &feed); err != nil || r.status != 200 || feed.Schema != "feegate-ioc-1" || feed.AsOf.IsZero() {
			t.Fatalf("%d %s %v", r.status, r.body, err)
		}
		by := map[string]adoption.IOCPeriod{}
		for _, p := range feed.Periods {
			by[p.Name] = p
		}
		return by
	}
	periods := read()
	if last := periods["last_month"]; last.From != "2026-03-01" || last.To != "2026-03-31" || last.Transactions.Numerator != 5 || last.Transactions.Denominator != 10 || last.Coverage.Numerator != 7 || last.Enough || last.Revision != nil || last.ClosedUnpaid != 1 {
		t.Errorf("%+v", last)
	}
	if month := periods["month"]; month.From != "2026-04-01" || month.To != "2026-04-11" || month.Transactions.Denominator != 0 || month.Transactions.Percent != nil {
		t.Errorf("nothing happened in April: %+v", month)
	}
	if year := periods["year"]; year.Transactions.Numerator != 5 || year.From != "2026-01-01" {
		t.Errorf("%+v", year)
	}
	x.ok(x.as(x.reporter, http.MethodPost, "/v1/reports/adoption/closes", "", map[string]any{"from": "2026-03-01", "to": "2026-03-31"}), 201)
	if last := read()["last_month"]; last.Revision == nil || *last.Revision != 1 || last.SHA256 == nil {
		t.Errorf("closed: %+v", last)
	}
	r := x.as(key, http.MethodGet, "/v1/ioc/metrics", "", nil)
	for _, want := range []string{`feegate_adoption_ratio{period="last_month",rate="transactions"} 0.5`, `feegate_adoption_denominator{period="month",rate="transactions"} 0`,
		`feegate_adoption_target_met{percent="50",period="last_month"} -1`, `feegate_adoption_revision{period="last_month"} 1`, `feegate_adoption_paid_orders{bucket="cash",period="last_month"} 1`, "feegate_adoption_as_of_seconds 1.77"} {
		if r.status != 200 || !strings.Contains(string(r.body), want) {
			t.Errorf("no gauge %s in %d %s", want, r.status, r.body)
		}
	}
	// What the dashboard draws is there.
	raw, err := os.ReadFile("../../deploy/grafana/feegate-adoption.json")
	if err != nil || !json.Valid(raw) {
		t.Fatal(err)
	}
	drawn := regexp.MustCompile(`feegate_adoption_[a-z_]+`).FindAllString(string(raw), -1)
	if len(drawn) < 9 {
		t.Errorf("the dashboard draws %v", drawn)
	}
	for _, name := range drawn {
		if name != "feegate_adoption_agency_ratio" && !strings.Contains(string(r.body), "\n"+name) { // nothing was paid in April: no agency has a ratio
			t.Errorf("the dashboard draws %s, which is no gauge", name)
		}
	}
	if strings.Contains(string(r.body), `feegate_adoption_ratio{period="month",rate="transactions"}`) {
		t.Error("a ratio of nothing")
	}
	var o adoption.Outlook
	if r := x.as(key, http.MethodGet, "/v1/reports/outlook", "", nil); r.status != 200 || json.Unmarshal(r.body, &o) != nil {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if o.Target == nil || o.Target.Percent != 6000 || o.Target.To != "2030-12-31" || o.Province.Verdict != adoption.NotEnoughData || o.Province.Forecast != nil || len(o.Movers) != 1 || o.Movers[0].Offline != 4 {
		t.Errorf("%+v", o)
	}
}

// A key that may read reports reaches reports, and no payer by any route.
func TestAReportingKeyReachesNobodysName(t *testing.T) {
	x := newExample(t, false, false)
	planted := []string{"Nguyễn Thị Tuyệt Mật", "070099123456", "0912345678", "bimat@example.vn"}
	order := x.made(x.call(http.MethodPost, "/v1/orders", "planted", map[string]any{"reference": "planted", "dossier_code": dossierOf(77), "procedure_code": "1.001", "agency_code": "H10.12",
		"payer": map[string]any{"name": planted[0], "identity_number": planted[1], "phone": planted[2], "email": planted[3]},
		"lines": []any{map[string]any{"fee_code": "planted", "kind": "phi", "name": "Phí", "quantity": 1, "unit_amount": 9000, "gross": 9000, "net": 9000}}, "amount": 9000}))
	x.pay("planted", order, "momo", nil)
	if r := x.as(portalKey, http.MethodGet, "/v1/orders/"+order, "", nil); r.status != 200 {
		t.Fatalf("%d", r.status)
	}
	x.ok(x.as(x.reporter, http.MethodPost, "/v1/reports/adoption/closes", "", map[string]any{"from": "2026-03-01", "to": "2026-03-31"}), 201)
	key := x.reportingKey()
	ids := []string{order, x.payments["planted"], "acc_momo", dossierOf(77), "1", "BM-01", "month", "2026-03-10", "G1"}
	open := []string{"/v1/reports/", "/v1/ioc", "/v1/exceptions", "/v1/targets", "/v1/definitions", "/healthz", "/readyz", "/metrics", "/openapi.yaml", "/docs"}
	reached, asked := 0, 0
	for _, route := range x.routes() {
		if strings.HasPrefix(route.Path, "/callbacks/") || strings.HasPrefix(route.Path, "/returns/") || route.Path == "/v1/sessions" {
			continue // they take no key
		}
		for _, id := range ids {
			parts := strings.Split(route.Path, "/")
			for i, p := range parts {
				switch {
				case p == ":date":
					parts[i] = "2026-03-10"
				case p == ":account":
					parts[i] = "acc_momo"
				case strings.HasPrefix(p, ":") || strings.HasPrefix(p, "*"):
					parts[i] = id
				}
			}
			for _, query := range []string{"?from=2026-03-01&to=2026-04-30&on=2026-04-11", "?from=2026-04-01&to=2026-04-30&group_by=agency&group=H10.12&dossier_code=" + dossierOf(77) + "&q=" + order, ""} {
				r := x.as(key, route.Method, strings.Join(parts, "/")+query, "", nil)
				asked++
				if r.status/100 == 2 {
					reached++
					if !strings.HasPrefix(strings.Join(parts, "/")+"/", open[0]) && !hasPrefix(route.Path, open[1:]) {
						t.Errorf("a reporting key reaches %s %s: %d", route.Method, route.Path, r.status)
					}
				}
				for _, secret := range planted {
					if strings.Contains(string(r.body), secret) {
						t.Errorf("%s %s tells of %s", route.Method, route.Path, secret)
					}
				}
			}
			if len(parts) == len(strings.Split(route.Path, "/")) && !strings.ContainsAny(route.Path, ":*") {
				break // there is nothing to fill in
			}
		}
	}
	if reached < 15 || asked < 300 {
		t.Errorf("%d of %d calls answered: the test asks the wrong things", reached, asked)
	}
}

func hasPrefix(path string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}
