package main

import (
	"net/http"
	"strings"
	"testing"

	"feegate/gateway/identity"
)

const password = "một mật khẩu đủ dài"

// person makes a user with the roles (of all agencies, or of those named) and signs them in.
func (s *street) person(name string, roles []identity.Role, agencies ...string) (token string) {
	s.t.Helper()
	if _, err := s.app.people.CreateUser(s.t.Context(), identity.Actor{Kind: identity.KindSystem, ID: "test"},
		identity.NewUser{Name: name, Password: password, Roles: roles, Agencies: agencies}); err != nil {
		s.t.Fatal(err)
	}
	r := s.send(http.MethodPost, s.api+"/v1/sessions", map[string]string{"name": name, "password": password}, nil)
	if r.status != http.StatusCreated {
		s.t.Fatalf("signing in: %d %s", r.status, r.body)
	}
	token, _ = r.get(s.t)["token"].(string)
	return token
}

// as sends a call with a bearer token; key "" sends no Idempotency-Key.
func (s *street) as(token, method, path, key string, body any) reply {
	s.t.Helper()
	h := map[string]string{"Authorization": "Bearer " + token}
	if key != "" {
		h["Idempotency-Key"] = key
	}
	return s.send(method, s.api+path, body, h)
}

func TestPeopleSignInAndSeeTheirAgencies(t *testing.T) {
	s := newStreet(t)
	order, payment, _ := s.started("momo")
	for name, c := range map[string]struct {
		token string
		want  int
	}{
		"finance":                 {s.person("mai", []identity.Role{identity.Finance}), 200},
		"finance, their agency":   {s.person("lan", []identity.Role{identity.Finance}, "H10.12"), 200},
		"finance, another agency": {s.person("hoa", []identity.Role{identity.Finance}, "H10.99"), 404},
		"auditor reads":           {s.person("tra", []identity.Role{identity.Auditor}), 200},
		"reporter":                {s.person("vy", []identity.Role{identity.Reporter}), 403},
		"nobody":                  {"fgs_nobody", 401},
	} {
		for _, path := range []string{"/v1/orders/" + order, "/v1/payments/" + payment} {
			if r := s.as(c.token, http.MethodGet, path, "", nil); r.status != c.want {
				t.Errorf("%s, %s: %d %s, want %d", name, path, r.status, r.body, c.want)
			}
		}
	}
	token := s.person("minh", []identity.Role{identity.Finance})
	if r := s.as(token, http.MethodPost, "/v1/orders", "k", anOrder("R9")); r.status != http.StatusForbidden {
		t.Errorf("a person creating an order: %d %s", r.status, r.body)
	}
	if r := s.as(token, http.MethodDelete, "/v1/sessions", "", nil); r.status != http.StatusNoContent {
		t.Errorf("signing out: %d %s", r.status, r.body)
	}
	if r := s.as(token, http.MethodGet, "/v1/orders/"+order, "", nil); r.status != http.StatusUnauthorized {
		t.Errorf("after signing out: %d %s", r.status, r.body)
	}
	wrong := map[string]string{"name": "minh", "password": "x"}
	for range 5 {
		if r := s.send(http.MethodPost, s.api+"/v1/sessions", wrong, nil); r.status != http.StatusUnauthorized {
			t.Fatalf("a wrong password: %d %s", r.status, r.body)
		}
	}
	if r := s.send(http.MethodPost, s.api+"/v1/sessions", wrong, nil); r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") == "" {
		t.Errorf("too many: %d %s", r.status, r.body)
	}
}

func TestMetricsTellWhatWaitsAndNameNobody(t *testing.T) {
	s := newStreet(t)
	order, payment, reference := s.started("momo")
	s.call(http.MethodGet, "/v1/orders/"+order, "", nil)
	r := s.send(http.MethodGet, s.api+"/metrics", nil, nil)
	said := string(r.body)
	for _, want := range []string{`feegate_waiting{what="pending"} 1`, `feegate_breaker_open{account="acc_momo",operation="checkout"} 0`,
		`feegate_http_requests_total{method="GET",route="/v1/orders/:id",status="200"} 1`, "feegate_http_request_seconds_bucket"} {
		if r.status != http.StatusOK || !strings.Contains(said, want) {
			t.Errorf("%d, no %s in\n%s", r.status, want, said)
		}
	}
	for _, never := range []string{order, payment, reference, "key_1"} {
		if strings.Contains(said, never) {
			t.Errorf("%s is told", never)
		}
	}
}
