package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/providers"
	"feegate/providers/breaker"
)

// way is the account as GET /v1/providers has it.
func (s *street) way(token, id string) map[string]any {
	s.t.Helper()
	for _, item := range s.ok(s.as(token, http.MethodGet, "/v1/providers", "", nil), 200)["items"].([]any) {
		if v := item.(map[string]any); v["id"] == id {
			return v
		}
	}
	s.t.Fatalf("no account %s", id)
	return nil
}

// pays tries to pay a new order at an account.
func (s *street) pays(n int, account string) reply {
	s.t.Helper()
	order := s.call(http.MethodPost, "/v1/orders", fmt.Sprint("o", n), strings.Replace(anOrder(fmt.Sprint("R", n)), "0007", fmt.Sprintf("3%03d", n), 1)).get(s.t)["id"].(string)
	return s.call(http.MethodPost, "/v1/orders/"+order+"/payments", fmt.Sprint("p", n), map[string]string{"account_id": account})
}

// tellNow tells of the next change of a breaker, as the work in the background does.
func (s *street) tellNow() {
	s.t.Helper()
	if err := s.app.duty.note(s.t.Context(), <-s.app.duty.changes); err != nil {
		s.t.Fatal(err)
	}
}

func TestAnOperatorSwitchesAnOperationByHand(t *testing.T) {
	s := newStreet(t)
	operator, finance := s.person("op", []identity.Role{identity.Operator}), s.person("fin", []identity.Role{identity.Finance})
	elsewhere := s.person("op2", []identity.Role{identity.Operator}, "H10.99")
	const path = "/v1/providers/acc_momo/overrides"
	open := map[string]string{"operation": "checkout", "mode": "open", "reason": "MoMo báo sự cố"}
	s.problem(s.as(finance, http.MethodPost, path, "", open), 403, "forbidden")
	s.problem(s.as(elsewhere, http.MethodPost, path, "", open), 404, "not-found")
	for _, bad := range []map[string]string{{"operation": "pay", "mode": "open", "reason": "x"}, {"operation": "checkout", "mode": "off", "reason": "x"}, {"operation": "checkout", "mode": "open", "reason": " "}} {
		s.problem(s.as(operator, http.MethodPost, path, "", bad), 422, "invalid")
	}
	s.ok(s.as(operator, http.MethodPost, path, "", open), 201)
	s.tellNow()
	r := s.pays(1, "acc_momo")
	p := s.problem(r, 503, "provider-unavailable")
	if r.header.Get("Retry-After") == "" || !strings.Contains(fmt.Sprint(p["accounts"]), "acc_vnpay") || strings.Contains(fmt.Sprint(p["accounts"]), "acc_momo") {
		t.Errorf("%v, %s", r.header, r.body)
	}
	v := s.way(operator, "acc_momo")
	if v["available"] != false || v["reason"] != "provider_not_reachable" || !strings.Contains(fmt.Sprint(v["circuits"]), "MoMo báo sự cố") || v["operations"].(map[string]any)["checkout"] != "open" {
		t.Errorf("%v", v)
	}
	if m := string(s.send(http.MethodGet, s.api+"/metrics", nil, nil).body); !strings.Contains(m, `feegate_breaker_open{account="acc_momo",operation="checkout"} 1`) {
		t.Error("the metrics do not tell")
	}
	s.ok(s.as(operator, http.MethodPost, path, "", map[string]string{"operation": "checkout", "mode": "automatic", "reason": "đã ổn"}), 201)
	if r := s.pays(2, "acc_momo"); r.status != 201 {
		t.Errorf("let go: %d %s", r.status, r.body)
	}
	s.tellNow()
	var events []string
	if err := s.db.SelectContext(t.Context(), &events, `SELECT concat_ws(' ', d->>'operation', d->>'was', d->>'state', d->>'provider', d->>'reason') FROM (SELECT id, body::jsonb->'data' AS d FROM outbox
		WHERE type = 'provider.state' AND source_system = 'other') x ORDER BY id`); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(events); got != "[checkout closed open momo MoMo báo sự cố checkout open closed momo]" {
		t.Errorf("the other portal is told %s", got)
	}
	if err := s.app.duty.note(t.Context(), gateway.ProviderState{AccountID: "acc_momo", Operation: "checkout", State: "closed"}); err != nil { // a replica sees it too
		t.Fatal(err)
	}
	if n := s.count(`SELECT count(*) FROM outbox WHERE type = 'provider.state'`); n != 4 {
		t.Errorf("two changes told to two portals are %d events", n)
	}
	items := s.ok(s.as(finance, http.MethodGet, path, "", nil), 200)["items"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["mode"] != "automatic" {
		t.Errorf("the newest word: %v", items)
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'provider.override'`); n != 2 {
		t.Errorf("%d rows of the audit", n)
	}
}

func TestAnOverrideReachesTheOtherReplicas(t *testing.T) {
	s := newStreet(t)
	operator := s.person("op", []identity.Role{identity.Operator})
	other := &watch{breakers: breaker.New(breaker.Settings{}), accounts: s.app.accounts, gateway: s.app.gateway, log: s.app.log}
	for _, mode := range []string{"open", "closed", "automatic"} {
		s.ok(s.as(operator, http.MethodPost, "/v1/providers/acc_vnpay/overrides", "", map[string]string{"operation": "refund", "mode": mode, "reason": "r"}), 201)
		if err := other.applyOverrides(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := map[string]breaker.Mode{"open": breaker.ForcedOpen, "closed": breaker.ForcedClosed, "automatic": breaker.Auto}[mode]
		if st := other.breakers.Snapshot("acc_vnpay"); len(st) != 1 || st[0].Mode != want {
			t.Errorf("%s: %+v", mode, st)
		}
	}
}

func TestMaintenanceIsAnnouncedAndEnds(t *testing.T) {
	s := newStreet(t)
	operator := s.person("op", []identity.Role{identity.Operator})
	const path = "/v1/providers/acc_momo/maintenance"
	now := s.world.Now()
	for _, bad := range []map[string]any{{"reason": "x"}, {"to": now.Add(-time.Hour), "reason": "x"}, {"to": now.Add(40 * 24 * time.Hour), "reason": "x"},
		{"from": now.Add(2 * time.Hour), "to": now.Add(time.Hour), "reason": "x"}, {"to": now.Add(time.Hour), "reason": ""}} {
		s.problem(s.as(operator, http.MethodPost, path, "", bad), 422, "invalid")
	}
	first := s.ok(s.as(operator, http.MethodPost, path, "", map[string]any{"to": now.Add(3 * time.Hour), "reason": "nâng cấp"}), 201)
	s.ok(s.as(operator, http.MethodPost, path, "", map[string]any{"from": now.Add(10 * time.Hour), "to": now.Add(12 * time.Hour), "reason": "nâng cấp lần hai"}), 201)
	s.problem(s.pays(1, "acc_momo"), 503, "provider-unavailable")
	if v := s.way(operator, "acc_momo"); v["reason"] != "maintenance" || v["until"] == nil {
		t.Errorf("%v", v)
	}
	if n := s.count(`SELECT count(*) FROM payments`); n != 0 {
		t.Errorf("%d payments were written", n)
	}
	if r := s.as(operator, http.MethodPost, path+"/"+first["id"].(string)+"/end", "", nil); r.status != 204 {
		t.Errorf("ending it: %d %s", r.status, r.body)
	}
	s.problem(s.as(operator, http.MethodPost, path+"/"+first["id"].(string)+"/end", "", nil), 404, "not-found")
	if r := s.pays(2, "acc_momo"); r.status != 201 {
		t.Errorf("ended early: %d %s", r.status, r.body)
	}
	s.move(11 * time.Hour)
	s.problem(s.pays(3, "acc_momo"), 503, "provider-unavailable")
	s.move(2 * time.Hour)
	if r := s.pays(4, "acc_momo"); r.status != 201 {
		t.Errorf("over by the clock: %d %s", r.status, r.body)
	}
}

// A checkout that was shut by failures opens on the answer to a question about a payment that does not exist, and no payer's money
// finds out.
func TestAProviderThatIsBackIsFoundByAHarmlessQuestion(t *testing.T) {
	s := newStreet(t)
	var broken atomic.Bool
	var asked atomic.Int64
	broken.Store(true)
	to := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if broken.Load() {
			w.WriteHeader(500)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/create") {
			t.Error("a charge found out")
		}
		_, _ = w.Write([]byte(`{"partnerCode":"P","resultCode":42,"message":"not found"}`))
	}))
	t.Cleanup(to.Close)
	keys, group := s.keys, breaker.New(breaker.Settings{Failures: 1, OpenFor: time.Nanosecond})
	accounts := account.NewStore(s.own, keys, registry(), s.api, s.world.Now, group.Client)
	if err := accounts.Create(t.Context(), account.Account{ID: "acc_back", Provider: "momo", AgencyCode: "H10.12", Kinds: []string{"phi"}, BaseURL: to.URL,
		Credentials: map[string]string{"partnerCode": "P", "accessKey": "A", "secretKey": "S"}}); err != nil {
		t.Fatal(err)
	}
	e, err := accounts.Get(t.Context(), "acc_back")
	if err != nil {
		t.Fatal(err)
	}
	now := s.world.Now()
	if _, err := e.Provider.Checkout(t.Context(), providers.Payment{Reference: "A1", Amount: 10000, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}); err == nil {
		t.Fatal("the broken provider answered")
	}
	w := &watch{breakers: group, accounts: accounts, gateway: s.app.gateway, log: s.app.log}
	passing := func() bool {
		return slices.ContainsFunc(group.Snapshot("acc_back"), func(st breaker.State) bool { return st.Operation == providers.OpCheckout && st.Passing })
	}
	for _, back := range []bool{false, true} {
		broken.Store(!back)
		before := asked.Load()
		if _, err := w.probe(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if asked.Load() != before+1 || passing() != back {
			t.Errorf("back %t: asked %d times, passing %t", back, asked.Load()-before, passing())
		}
	}
	if _, err := w.probe(t.Context(), 0); err != nil || asked.Load() != 3 {
		t.Errorf("asked on, %d times: %v", asked.Load(), err)
	}
}
