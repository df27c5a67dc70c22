package main

import (
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"feegate/gateway/identity"
)

// common are routes with a part in their address that names no agency's and no source system's thing, with what it is.
func common() map[string]string {
	return map[string]string{
		"/callbacks/:provider/:account": "a provider calls, by its own signature", "/returns/:provider/:account": "a payer comes back, by the provider's signature",
		"/v1/holidays/:date": "the country's", "/v1/reports/schedules/:every": "the province's", "/v1/reports/adoption/revisions/:n": "narrowed to the agencies of who looks", "/v1/reports/adoption/revisions/:n/diff": "the same",
		"/v1/reports/adoption/revisions/:n/verify": "the same", "/v1/reports/adoption/revisions/:n/approve": "the province's", "/v1/reports/forms/:form": "a kind of paper", "/v1/reconciliations/:date": "a day, narrowed",
		"/v1/reconciliations/:date/explanations": "a day, narrowed", "/v1/targets/:id/approve": "the province's", "/v1/targets/:id/reject": "the province's", "/v1/definitions/:id/approve": "the province's", "/v1/definitions/:id/reject": "the province's",
		"/v1/payer-allowances/:id/approve": "the province's", "/v1/payer-allowances/:id/reject": "the province's", "/v1/payer-allowances/:id/end": "the province's",
	}
}

// TestOthersThingsAreNotThere asks every route of a thing with the real id, as a person of another agency with every role and as a key of
// another source system with every scope: the answer is that of an id that nobody has, and nothing is done.
func TestOthersThingsAreNotThere(t *testing.T) {
	s := aFullMorning(t)
	s.caseSystem()
	s.ok(s.send(http.MethodPut, s.api+"/v1/dossiers/H10.12-260310-0100", `{"status":"open","procedure_code":"1.001","agency_code":"H10.12","received_on":"2026-03-10","amount_due":1000}`, map[string]string{"Authorization": "Bearer " + caseKey}), 201)
	one := func(q string) string { return s.one("SELECT coalesce((" + q + ")::text, 'none_0000')") } // what the morning has none of is not there for anybody
	things := map[string]string{
		"/v1/accounts/:id": "acc_vnpay_7", "/v1/orders/:id": one(`SELECT order_id FROM payments WHERE status = 'succeeded' LIMIT 1`), "/v1/payments/:id": one(`SELECT min(id) FROM payments WHERE status = 'succeeded'`),
		"/v1/webhook-endpoints/:id": one(`SELECT min(id) FROM webhook_endpoints`), "/v1/bank/lines/:line": one(`SELECT min(id)::text FROM statement_lines`), "/v1/bank/layouts/:id": one(`SELECT coalesce(min(id), 'lay_none') FROM statement_layouts`),
		"/v1/imports/:id": one(`SELECT min(id) FROM imports WHERE kind <> 'statement'`), "/v1/payouts/:id": one(`SELECT coalesce(min(id)::text, '999') FROM payouts`), "/v1/match-proposals/:id": "prp_none", "/v1/dossiers/:dossier": "H10.12-260310-0100",
		"/v1/counter-payments/:id": "cnt_none", "/v1/days/:account/:date": "acc_vnpay_7", "/v1/months/:account/:month": "acc_vnpay_7", "/v1/discrepancies/:id": one(`SELECT min(id) FROM discrepancies`),
		"/v1/refunds/:id": one(`SELECT min(id) FROM refunds`), "/v1/surplus/:id": one(`SELECT min(id) FROM payments WHERE status = 'succeeded'`), "/v1/surplus/applications/:id": "app_none", "/v1/providers/:id": "acc_vnpay_7",
		"/v1/users/:id": s.idOf("mai"), "/v1/keys/:id": "key_1", "/v1/refund-lists/:id": one(`SELECT min(id) FROM refund_lists`),
	}
	var every []identity.Role
	for _, r := range identity.Roles() {
		if r != identity.PortalAdmin {
			every = append(every, r)
		}
	}
	own, stranger := s.person("everything", every), s.person("elsewhere", every, "H10.99")
	by := identity.Actor{Kind: identity.KindSystem, ID: "test"}
	_, otherKey, err := s.app.people.CreateKey(t.Context(), by, "cli_2", "all", identity.Scopes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, ownKey, err := s.app.people.CreateKey(t.Context(), by, "cli_1", "all", identity.Scopes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	begin := s.everything()
	part, asked, there := regexp.MustCompile(`:[a-z]+`), 0, 0
	for _, route := range s.routes() {
		if !strings.Contains(route.Path, ":") || common()[route.Path] != "" {
			continue
		}
		id, longest := "", ""
		for start, v := range things {
			if strings.HasPrefix(route.Path, start) && len(start) > len(longest) {
				id, longest = v, start
			}
		}
		if id == "" {
			t.Errorf("%s %s: whose thing is it? It has no row here", route.Method, route.Path)
			continue
		}
		address := func(id string) string {
			n := 0
			return part.ReplaceAllStringFunc(route.Path, func(p string) string {
				if n++; n == 1 {
					return id
				}
				return map[string]string{":date": "2026-03-10", ":month": "2026-03", ":n": "1"}[p] + map[bool]string{true: "x"}[p != ":date" && p != ":month" && p != ":n"]
			})
		}
		ask := func(token, id string) reply {
			asked++
			return s.as(token, route.Method, address(id), "key-"+token[len(token)-6:], map[bool]any{true: nil, false: "{}"}[route.Method == http.MethodGet])
		}
		invented := regexp.MustCompile(`\d+$`).ReplaceAllString(id, "987654")
		if invented == id {
			invented = id[:len(id)-1] + "zz"
		}
		for _, token := range []string{stranger, otherKey} {
			real, none := ask(token, id), ask(token, invented)
			if real.status != none.status || real.status < 400 || real.status >= 500 || route.Method == http.MethodGet && real.status != http.StatusNotFound && real.status != http.StatusForbidden {
				t.Errorf("%s %s as a stranger: %d with %s, %d with %s: %.300s", route.Method, route.Path, real.status, id, none.status, invented, real.body)
			}
		}
		if route.Method == http.MethodGet && (ask(own, id).status == http.StatusOK || ask(ownKey, id).status == http.StatusOK) {
			there++
		}
	}
	if after := s.everything(); after != begin {
		t.Errorf("before %s\nafter %s", begin, after)
	}
	if asked < 200 || there < 12 {
		t.Errorf("%d calls, %d things are there for their own", asked, there)
	}
}

// patterns are all that the program's door lets through, read from the door itself: a page mounted anywhere is among them.
func (s *street) patterns() map[string]bool {
	s.t.Helper()
	mux, ok := s.app.handler.(*http.ServeMux)
	if !ok {
		s.t.Fatal("the program's handler is no mux")
	}
	index := reflect.ValueOf(mux).Elem().FieldByName("index")
	out := map[string]bool{}
	take := func(list reflect.Value) {
		for i := range list.Len() {
			out[list.Index(i).Elem().FieldByName("str").String()] = true
		}
	}
	for each := index.FieldByName("segments").MapRange(); each.Next(); {
		take(each.Value())
	}
	take(index.FieldByName("multis"))
	return out
}

// Besides the console's pages (testdata/console-rights.md) and the API's calls (the document says who may) there is only what stands here:
// for whoever comes, or for who holds an order's token.
func TestNoDoorIsForgotten(t *testing.T) {
	s := newStreet(t)
	anybody := map[string]bool{"/": true, "GET /{$}": true, "/console/": true, "GET /console/sign-in": true, "POST /console/sign-in": true, "GET /console/files/{version}/{name}": true, "GET /pay/files/{version}/{name}": true,
		"GET /console/oidc/start": true, "GET /console/oidc/callback": true}
	patterns := s.patterns()
	if len(patterns) < 60 {
		t.Fatalf("only %d doors are seen: has the mux changed?", len(patterns))
	}
	console := s.app.desk.Routes()
	order, _, _ := s.started("momo")
	address, err := s.app.gateway.CheckoutURL(order)
	if err != nil {
		t.Fatal(err)
	}
	token := address[strings.LastIndex(address, "/")+1:]
	var payers int
	for p := range patterns {
		switch {
		case anybody[p] || console[p] != nil:
		case strings.Contains(p, " /pay/{token}"):
			payers++
			method, path, _ := strings.Cut(p, " ")
			for _, wrong := range []string{"x", token[:len(token)-1] + "A", token[:len(token)-4], order, strings.Replace(token, ".", "..", 1), portalKey} {
				if wrong == token {
					continue
				}
				if r := s.send(method, s.api+strings.Replace(path, "{token}", wrong, 1), "", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}); r.status != http.StatusNotFound {
					t.Errorf("%s with a token that is none: %d", p, r.status)
				}
			}
		default:
			t.Errorf("%s: who may? It is no page of the console's table, and has no row here", p)
		}
	}
	if payers < 3 {
		t.Errorf("%d doors of payers", payers)
	}
	// A payer's token is good for paying alone; a key is none at the console, nor is the console's session in a cookie a key.
	officer := s.officer("mai", []identity.Role{identity.Finance})
	for _, path := range []string{"/v1/orders/" + order, "/v1/events", "/v1/discrepancies", "/v1/audit"} {
		for _, h := range []map[string]string{{"Authorization": "Bearer " + token}, {"Cookie": "feegate_console=" + token}, {"Cookie": "feegate_console=" + portalKey}} {
			if r := s.send(http.MethodGet, s.api+path, nil, h); r.status != http.StatusUnauthorized {
				t.Errorf("%s with %v: %d", path, h, r.status)
			}
		}
		if r := officer.get(path); r.status != http.StatusUnauthorized {
			t.Errorf("%s with the console's cookie: %d", path, r.status)
		}
	}
	for _, cookie := range []string{token, portalKey} {
		if r := s.send(http.MethodGet, s.api+"/console/today", nil, map[string]string{"Cookie": "feegate_console=" + cookie}); r.status != http.StatusSeeOther {
			t.Errorf("the console with %s: %d", cookie, r.status)
		}
	}
}
