package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"

	"feegate/gateway/identity"
)

// routes are those of the running program's edge.
func (s *street) routes() gin.RoutesInfo {
	s.t.Helper()
	mux, ok := s.app.handler.(*http.ServeMux)
	if !ok {
		s.t.Fatal("the program's handler is no mux")
	}
	edge, _ := mux.Handler(httptest.NewRequest(http.MethodGet, "/v1/orders", nil))
	listed, ok := edge.(interface{ Routes() gin.RoutesInfo })
	if !ok {
		s.t.Fatal("the edge does not list its routes")
	}
	return listed.Routes()
}

// callers are one person of each role, one key of each scope, and nobody, by name.
func (s *street) callers() map[string]string {
	s.t.Helper()
	by := identity.Actor{Kind: identity.KindSystem, ID: "test"}
	tokens := map[string]string{"nobody": ""}
	for _, role := range identity.Roles() {
		n := identity.NewUser{Name: "one " + string(role), Password: password, Roles: []identity.Role{role}}
		if role == identity.PortalAdmin {
			n.ClientID = "cli_1"
		}
		if _, err := s.app.people.CreateUser(s.t.Context(), by, n); err != nil {
			s.t.Fatal(err)
		}
		tokens[string(role)] = s.signedIn(n.Name)
	}
	for _, scope := range identity.Scopes() {
		_, secret, err := s.app.people.CreateKey(s.t.Context(), by, "cli_1", string(scope), []identity.Scope{scope}, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		tokens[string(scope)] = secret
	}
	return tokens
}

func (s *street) signedIn(name string) string {
	s.t.Helper()
	r := s.send(http.MethodPost, s.api+"/v1/sessions", map[string]string{"name": name, "password": password}, nil)
	token, _ := r.get(s.t)["token"].(string)
	if r.status != http.StatusCreated || token == "" {
		s.t.Fatalf("signing in: %d %s", r.status, r.body)
	}
	return token
}

// operations gives the document's calls by method and route as the router writes them.
func operations(doc *openapi3.T) map[string]*openapi3.Operation {
	out := map[string]*openapi3.Operation{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			out[method+" "+strings.NewReplacer("{", ":", "}", "").Replace(path)] = op
		}
	}
	return out
}

// allowed says whom the document lets through: everybody where the call needs no key or session.
func allowed(op *openapi3.Operation, caller string) bool {
	if op.Security != nil && len(*op.Security) == 0 {
		return true
	}
	for _, list := range []string{"x-scopes", "x-roles"} {
		names, _ := op.Extensions[list].([]any)
		if slices.Contains(names, any(caller)) {
			return true
		}
	}
	return false
}

// TestTheDocumentSaysWhoMay asks every route as each role, each scope and nobody. Who may is answered anything but 401 or 403.
func TestTheDocumentSaysWhoMay(t *testing.T) {
	s := newStreet(t)
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	calls, tokens := operations(c.doc), s.callers()
	asked := 0
	for _, route := range s.routes() {
		name := route.Method + " " + route.Path
		op := calls[name]
		if op == nil {
			if !strings.HasPrefix(route.Path, "/callbacks/") {
				t.Errorf("the document does not say who may %s", name)
			}
			continue
		}
		keyed, session := security(op)
		for _, caller := range slices.Sorted(maps.Keys(tokens)) {
			if got, want := s.admitted(route, tokens[caller], caller), allowed(op, caller); got.ok != want {
				t.Errorf("%s as %s: %d, the document allows it: %v", name, caller, got.status, want)
			}
			asked++
			if isScope := strings.Contains(caller, ":"); caller != "nobody" && op.Security != nil && allowed(op, caller) && len(*op.Security) > 0 && (isScope && !keyed || !isScope && !session) {
				t.Errorf("%s: the document allows %s, but names no such security", name, caller)
			}
		}
	}
	if asked < 40*len(tokens) {
		t.Errorf("only %d calls made", asked)
	}
}

// security says by what a call's own entry lets callers in.
func security(op *openapi3.Operation) (key, session bool) {
	if op.Security == nil {
		return true, true
	}
	for _, way := range *op.Security {
		_, k := way["key"]
		_, p := way["session"]
		key, session = key || k, session || p
	}
	return key, session
}

type admission struct {
	status int
	ok     bool
}

// admitted makes a call with nothing in it.
func (s *street) admitted(route gin.RouteInfo, token, caller string) admission {
	s.t.Helper()
	path := route.Path
	for _, part := range []string{":id", ":n", ":date", ":dossier", ":provider", ":account"} {
		path = strings.Replace(path, part, "x", 1)
	}
	header := map[string]string{"Idempotency-Key": "k", "Authorization": "Bearer " + token}
	if route.Path == "/v1/sessions" && route.Method == http.MethodDelete && !strings.Contains(caller, ":") && token != "" {
		header["Authorization"] = "Bearer " + s.signedIn("one "+caller) // it ends the session
	}
	if token == "" {
		header["Authorization"] = ""
	}
	var body any
	if route.Method != http.MethodGet {
		body = "{}"
	}
	r := s.send(route.Method, s.api+path, body, header)
	if route.Path == "/v1/sessions" && route.Method == http.MethodPost {
		return admission{r.status, r.status != http.StatusForbidden} // nobody with no password: 401 is the answer, not the door
	}
	return admission{r.status, r.status != http.StatusUnauthorized && r.status != http.StatusForbidden}
}

// TestUnknownParametersAreRefusedEverywhere asks every call of a portal or person with a parameter that it does not have, and twice
// with one that it has.
func TestUnknownParametersAreRefusedEverywhere(t *testing.T) {
	s := newStreet(t)
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	calls, tokens := operations(c.doc), s.callers()
	asked := 0
	for _, route := range s.routes() {
		op := calls[route.Method+" "+route.Path]
		if op == nil || !strings.HasPrefix(route.Path, "/v1/") || route.Path == "/v1/sessions" && route.Method == http.MethodDelete {
			continue
		}
		caller := "nobody"
		for _, name := range slices.Sorted(maps.Keys(tokens)) {
			if name != "nobody" && allowed(op, name) {
				caller = name
			}
		}
		queries := []string{"nonsense=1"}
		for _, p := range op.Parameters {
			if p.Value.In == openapi3.ParameterInQuery {
				queries = append(queries, fmt.Sprintf("%[1]s=1&%[1]s=1", p.Value.Name))
			}
		}
		for _, query := range queries {
			asked++
			named, _, _ := strings.Cut(query, "=")
			if r := s.send(route.Method, s.api+strings.NewReplacer(":id", "x", ":n", "1", ":date", "2026-03-10", ":dossier", "x").Replace(route.Path)+"?"+query, nil,
				map[string]string{"Authorization": "Bearer " + tokens[caller]}); r.status != http.StatusUnprocessableEntity || !strings.Contains(string(r.body), `"field":"`+named+`"`) {
				t.Errorf("%s %s?%s as %s: %d %s", route.Method, route.Path, query, caller, r.status, r.body)
			}
		}
	}
	if asked < 60 {
		t.Errorf("only %d calls made", asked)
	}
}
