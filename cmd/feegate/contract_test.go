package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// contract is openapi.yaml as the tests hold the program to it: objects have the fields that it names, and no others.
type contract struct {
	doc    *openapi3.T
	router routers.Router
}

var theContract = sync.OnceValues(func() (*contract, error) {
	doc, err := openapi3.NewLoader().LoadFromFile("api/openapi.yaml")
	if err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, err
	}
	c := &contract{doc, router}
	seen := map[*openapi3.Schema]bool{}
	for _, s := range doc.Components.Schemas {
		closeSchema(s.Value, seen)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, r := range op.Responses.Map() {
				for _, m := range r.Value.Content {
					if m.Schema != nil {
						closeSchema(m.Schema.Value, seen)
					}
				}
			}
		}
	}
	return c, nil
})

// closeSchema makes an object made of several parts one object, and forbids fields that the document does not name: a reader of
// the API must allow them, the program may not have them.
func closeSchema(s *openapi3.Schema, seen map[*openapi3.Schema]bool) {
	if seen[s] {
		return
	}
	seen[s] = true
	if len(s.AllOf) > 0 && s.AllOf[0].Value.Type.Is("object") {
		parts := s.AllOf
		s.AllOf, s.Type, s.Properties = nil, &openapi3.Types{"object"}, openapi3.Schemas{}
		for _, p := range parts {
			for name, f := range p.Value.Properties {
				s.Properties[name] = f
			}
			s.Required = append(s.Required, p.Value.Required...)
		}
	}
	for _, list := range []openapi3.SchemaRefs{s.AllOf, s.OneOf, s.AnyOf} {
		for _, p := range list {
			closeSchema(p.Value, seen)
		}
	}
	for _, p := range s.Properties {
		closeSchema(p.Value, seen)
	}
	if s.Items != nil {
		closeSchema(s.Items.Value, seen)
	}
	if s.Type.Is("object") && len(s.Properties) > 0 && s.AdditionalProperties.Has == nil && s.AdditionalProperties.Schema == nil {
		no := false
		s.AdditionalProperties.Has = &no
	}
}

// watched is the most of a body that is held to the document.
const watched = 4 << 20

// capped keeps the beginning of what is written to it.
type capped struct {
	bytes.Buffer
	more bool
}

func (c *capped) Write(p []byte) (int, error) {
	room := watched - c.Len()
	if room < len(p) {
		c.more = true
	}
	c.Buffer.Write(p[:min(room, len(p))])
	return len(p), nil
}

// overheard is an answer on its way out.
type overheard struct {
	http.ResponseWriter
	status int
	body   capped
}

func (o *overheard) WriteHeader(status int) {
	if o.status == 0 && status >= 200 {
		o.status = status
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *overheard) Write(p []byte) (int, error) {
	if o.status == 0 {
		o.status = http.StatusOK
	}
	_, _ = o.body.Write(p)
	return o.ResponseWriter.Write(p)
}

// Unwrap lets deadlines through to the connection.
func (o *overheard) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// held holds every request that the handler takes, and every answer, to the document, and fails the test that causes a difference.
func held(t *testing.T, next http.Handler) http.Handler {
	t.Helper()
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.Clone(r.Context())
		var sent capped
		if r.Body != nil {
			r.Body = struct {
				io.Reader
				io.Closer
			}{io.TeeReader(r.Body, &sent), r.Body}
		}
		o := &overheard{ResponseWriter: w}
		next.ServeHTTP(o, r)
		if err := c.check(asked, &sent, o); err != nil {
			t.Errorf("openapi.yaml and the program differ: %s %s, answered %d: %v", r.Method, r.URL.Path, o.status, err)
		}
	})
}

func (c *contract) check(r *http.Request, sent *capped, o *overheard) error {
	if r.URL.Path == "/" || strings.HasPrefix(r.URL.Path, "/pay/") || strings.HasPrefix(r.URL.Path, "/console") || strings.HasPrefix(r.URL.Path, "/assets/") { // pages for people, no part of the API
		return nil
	}
	if o.status == 0 {
		o.status = http.StatusOK
	}
	headless := r.Method == http.MethodHead
	if headless { // is GET without the body
		r.Method = http.MethodGet
	}
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		return c.checkElsewhere(r, o, headless)
	}
	r.Body = io.NopCloser(bytes.NewReader(sent.Bytes()))
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true,
			RejectWhenRequestBodyNotSpecified: true, ExcludeRequestBody: sent.more}}
	if o.status < 400 {
		if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
			return fmt.Errorf("the request was taken: %w", err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: o.status, Header: o.Header(),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: o.body.more || headless}}
	out.SetBodyBytes(o.body.Bytes())
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		return fmt.Errorf("%w\n%s", err, o.body.Bytes())
	}
	if headless {
		return nil
	}
	return c.checkProblem(route.Operation, o)
}

// checkElsewhere holds what is answered where the document has no call: a problem, or a provider's callback by a method of its own.
func (c *contract) checkElsewhere(r *http.Request, o *overheard, headless bool) error {
	if strings.HasPrefix(r.URL.Path, "/callbacks/") {
		return nil
	}
	if o.status != http.StatusNotFound && o.status != http.StatusMethodNotAllowed {
		return fmt.Errorf("the document has no such call")
	}
	if headless {
		return nil
	}
	var body any
	if err := json.Unmarshal(o.body.Bytes(), &body); err != nil {
		return fmt.Errorf("no problem document: %w", err)
	}
	return c.doc.Components.Schemas["Problem"].Value.VisitJSON(body)
}

// checkProblem holds a problem to those that the call may give.
func (c *contract) checkProblem(op *openapi3.Operation, o *overheard) error {
	if !strings.HasPrefix(o.Header().Get("Content-Type"), "application/problem+json") {
		return nil
	}
	var p struct {
		Type   string `json:"type"`
		Status int    `json:"status"`
	}
	if err := json.Unmarshal(o.body.Bytes(), &p); err != nil {
		return fmt.Errorf("no problem document: %w", err)
	}
	if p.Status != o.status {
		return fmt.Errorf("the problem says %d", p.Status)
	}
	about, _ := c.doc.Extensions["x-problems"].(map[string]any)
	own, _ := op.Extensions["x-problems"].([]any)
	lists := []any{own, about["everywhere"]}
	if op.RequestBody != nil {
		lists = append(lists, about["body"])
	}
	if slices.ContainsFunc(op.Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.Name == "Idempotency-Key" }) {
		lists = append(lists, about["key"])
	}
	name := strings.TrimPrefix(p.Type, "urn:feegate:problem:")
	for _, l := range lists {
		if names, _ := l.([]any); slices.Contains(names, any(name)) {
			return nil
		}
	}
	return fmt.Errorf("the call does not name the problem %s\n%s", name, o.body.Bytes())
}
