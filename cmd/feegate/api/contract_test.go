package api

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"

	"feegate/gateway/identity"
	"feegate/reconciliation"
	"feegate/reconciliation/adoption"
)

// readDocument gives openapi.yaml as another program reads it.
func readDocument(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func newEdge(t *testing.T) http.Handler {
	t.Helper()
	h, err := New(Deps{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestTheDocumentIsValid(t *testing.T) {
	if err := readDocument(t).Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
}

// anyMethod is how many methods the router registers for a route that takes any.
const anyMethod = 9

// differences compares what the router serves with what the document says, by method and path.
func differences(routes gin.RoutesInfo, doc *openapi3.T) []string {
	var out []string
	served, anyway := map[string]bool{}, map[string]int{}
	for _, r := range routes {
		served[r.Method+" "+r.Path] = true
		anyway[r.Path]++
	}
	said := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		route := routeOf(path)
		if item.Extensions["x-any-method"] == true {
			if anyway[route] != anyMethod {
				out = append(out, path+" does not take every method")
			}
			for _, m := range []string{"GET", "POST", "PUT", "PATCH", "HEAD", "OPTIONS", "DELETE", "CONNECT", "TRACE"} {
				said[m+" "+route] = true
			}
			continue
		}
		for method := range item.Operations() {
			said[method+" "+route] = true
			if !served[method+" "+route] {
				out = append(out, "not served: "+method+" "+path)
			}
		}
	}
	for route := range served {
		if !said[route] {
			out = append(out, "not in openapi.yaml: "+route)
		}
	}
	slices.Sort(out)
	return out
}

func TestEveryRouteIsInTheDocumentAndEveryPathIsServed(t *testing.T) {
	h, ok := newEdge(t).(interface{ Routes() gin.RoutesInfo })
	if !ok {
		t.Fatal("the edge does not list its routes")
	}
	doc := readDocument(t)
	for _, d := range differences(h.Routes(), doc) {
		t.Error(d)
	}
	if got := differences(h.Routes()[1:], doc); len(got) != 1 {
		t.Errorf("a route that is gone is not missed: %v", got)
	}
	if got := differences(append(h.Routes(), gin.RouteInfo{Method: "GET", Path: "/v1/new/:id"}), doc); len(got) != 1 {
		t.Errorf("a new route is not noticed: %v", got)
	}
}

// plain makes values of the document comparable with those of the program.
func plain[T any](values []T) []string {
	out := []string{}
	for _, v := range values {
		if s := fmt.Sprint(v); s != "<nil>" {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}

func TestClosedListsAreTheProgramsOwn(t *testing.T) {
	doc := readDocument(t)
	names := slices.Collect(maps.Keys(problems))
	urns := []string{}
	for _, n := range names {
		urns = append(urns, "urn:feegate:problem:"+n)
	}
	about, _ := doc.Extensions["x-problems"].(map[string]any)
	types, _ := about["types"].(map[string]any)
	enum := func(name string) []string { return plain(doc.Components.Schemas[name].Value.Enum) }
	for what, c := range map[string]struct{ said, is []string }{
		"problem types":        {enum("ProblemType"), plain(urns)},
		"problems described":   {plain(slices.Collect(maps.Keys(types))), plain(names)},
		"kinds of discrepancy": {enum("DiscrepancyKind"), plain(reconciliation.Kinds())},
		"figures":              {enum("Figure"), plain(adoption.Figures())},
		"buckets":              {enum("Bucket"), plain(adoption.Buckets())},
		"groupings":            {plain(doc.Components.Parameters["GroupBy"].Value.Schema.Value.Enum), plain(adoption.Groupings())},
		"roles":                {plain(doc.Paths.Value("/v1/sessions").Delete.Extensions["x-roles"].([]any)), plain(identity.Roles())},
	} {
		if !slices.Equal(c.said, c.is) {
			t.Errorf("%s:\nopenapi.yaml %v\nthe program  %v", what, c.said, c.is)
		}
	}
	for name, v := range types {
		d, _ := v.(map[string]any)
		if fmt.Sprint(d["status"]) != fmt.Sprint(problems[name].status) || d["en"] == "" || d["vi"] == "" || d["en"] == d["vi"] {
			t.Errorf("%s: openapi.yaml says %v, the program %d", name, d, problems[name].status)
		}
	}
}

// TestEveryCallNamesItsProblems: each is a known one, and each known one is some call's.
func TestEveryCallNamesItsProblems(t *testing.T) {
	doc := readDocument(t)
	about, _ := doc.Extensions["x-problems"].(map[string]any)
	given := map[string]bool{}
	note := func(where string, list any) {
		names, ok := list.([]any)
		if !ok {
			t.Errorf("%s has no list of problems", where)
		}
		for _, n := range names {
			if _, known := problems[fmt.Sprint(n)]; !known {
				t.Errorf("%s gives %v, which is no problem", where, n)
			}
			given[fmt.Sprint(n)] = true
		}
	}
	for _, group := range []string{"everywhere", "body", "key"} {
		note(group, about[group])
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			note(method+" "+path, op.Extensions["x-problems"])
			keyed := slices.ContainsFunc(op.Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.Name == "Idempotency-Key" })
			replayed := false
			for status, r := range op.Responses.Map() {
				replayed = replayed || status < "3" && r.Value.Headers["Idempotency-Replayed"] != nil
			}
			if keyed != replayed {
				t.Errorf("%s %s: takes an Idempotency-Key: %v, tells of a replay: %v", method, path, keyed, replayed)
			}
		}
	}
	for name := range problems {
		if !given[name] {
			t.Errorf("no call gives %s", name)
		}
	}
}

// TestRequestsAreClosed: what the document does not name in a request is refused, by the document too.
func TestRequestsAreClosed(t *testing.T) {
	var closed func(where string, s *openapi3.Schema)
	closed = func(where string, s *openapi3.Schema) {
		if s.Type.Is("object") && (s.AdditionalProperties.Has == nil || *s.AdditionalProperties.Has) && s.AdditionalProperties.Schema == nil {
			t.Errorf("%s takes any field", where)
		}
		for name, p := range s.Properties {
			closed(where+"."+name, p.Value)
		}
		if s.Items != nil {
			closed(where+"[]", s.Items.Value)
		}
	}
	seen := 0
	for path, item := range readDocument(t).Paths.Map() {
		for method, op := range item.Operations() {
			if op.RequestBody == nil {
				continue
			}
			for media, m := range op.RequestBody.Value.Content {
				if media == "*/*" { // a provider's own form
					continue
				}
				seen++
				closed(method+" "+path, m.Schema.Value)
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d bodies found", seen)
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	h := newEdge(t)
	get := func(method, path string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
		return rec
	}
	file, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if r := get(http.MethodGet, "/openapi.yaml"); r.Code != http.StatusOK || r.Body.String() != string(file) {
		t.Errorf("%d, %d bytes of %d", r.Code, r.Body.Len(), len(file))
	}
	r := get(http.MethodGet, "/docs")
	page := r.Body.String()
	if csp := r.Header().Get("Content-Security-Policy"); r.Code != http.StatusOK || !strings.HasPrefix(csp, "default-src 'none'; style-src 'sha256-") {
		t.Errorf("%d %s", r.Code, csp)
	}
	for _, want := range []string{`id="startPayment"`, `<code>/v1/orders/{id}/payments</code>`, "DVC-2026-000123", `&#34;fee_code&#34;: &#34;HT1&#34;`, `href="#schema-NewPayment"`,
		`id="problem-payment-in-doubt"`, "Giao dịch trước chưa có kết quả cuối cùng", "khóa với orders:write", "<code>errors[].field</code>", "<li>Ask an administrator"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile(`id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if anchors[m[1]] {
			t.Errorf("two places are called %s", m[1])
		}
		anchors[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if !anchors[m[1]] {
			t.Errorf("a link to %s, which is not there", m[1])
		}
	}
	for _, tag := range []string{"strong", "code", "p", "table", "article", "ol", "li"} {
		if open, shut := strings.Count(page, "<"+tag+">")+strings.Count(page, "<"+tag+" "), strings.Count(page, "</"+tag+">"); open != shut {
			t.Errorf("%s is opened %d times and closed %d times", tag, open, shut)
		}
	}
	if !strings.Contains(page, "<strong>503 <code>provider-unavailable</code></strong>: nothing was taken") {
		t.Error("bold over code is not bold")
	}
	if m := regexp.MustCompile(`(?i)<script|src=|href="https?:|url\(|@import`).FindString(page); m != "" {
		t.Errorf("the page asks for more: %s", m)
	}
	for path, want := range map[string]int{"/healthz": 200, "/docs": 200, "/v1/orders": 401, "/nowhere": 404} {
		if r := get(http.MethodHead, path); r.Code != want {
			t.Errorf("HEAD %s: %d, want %d", path, r.Code, want)
		}
	}
}
