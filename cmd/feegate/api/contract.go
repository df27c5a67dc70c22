package api

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/goccy/go-yaml"

	"feegate/gateway/identity"
)

//go:embed openapi.yaml docs.html docs.css
var contractFiles embed.FS

// contract is openapi.yaml, read: what the edge promises. The page of documentation is drawn from it, and it says which
// parameters a call takes.
type contract struct {
	raw        []byte
	root       yaml.MapSlice // in the document's order
	page       []byte
	policy     string              // the page's Content-Security-Policy
	parameters map[string][]string // of the query, by method and route as the router writes them
}

// theContract is the embedded document. It is read once: it cannot change while the program runs.
var theContract = sync.OnceValues(readContract)

func readContract() (*contract, error) {
	raw, err := contractFiles.ReadFile("openapi.yaml")
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	d := &contract{raw: raw, parameters: map[string][]string{}}
	if err := yaml.UnmarshalWithOptions(raw, &d.root, yaml.UseOrderedMap()); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	for _, item := range at(d.root, "paths") {
		path := fmt.Sprint(item.Key)
		for _, op := range mapping(item.Value) {
			method := strings.ToUpper(fmt.Sprint(op.Key))
			names := []string{}
			for _, p := range d.parametersOf(mapping(item.Value), mapping(op.Value)) {
				if text(p, "in") == "query" {
					names = append(names, text(p, "name"))
				}
			}
			d.parameters[method+" "+routeOf(path)] = names
		}
	}
	return d, d.draw()
}

// draw makes the page of documentation.
func (d *contract) draw() error {
	css, err := contractFiles.ReadFile("docs.css")
	if err != nil {
		return fmt.Errorf("docs.css: %w", err)
	}
	t, err := template.ParseFS(contractFiles, "docs.html")
	if err != nil {
		return fmt.Errorf("docs.html: %w", err)
	}
	page := d.docs()
	page.Style = template.CSS(css) // our own file
	var b bytes.Buffer
	if err := t.Execute(&b, page); err != nil {
		return fmt.Errorf("docs.html: %w", err)
	}
	digest := sha256.Sum256(css)
	d.page = b.Bytes()
	d.policy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return nil
}

// routeOf writes a path of the document as the router does: /v1/orders/{id} is /v1/orders/:id.
func routeOf(path string) string { return strings.NewReplacer("{", ":", "}", "").Replace(path) }

// parametersOf gives the parameters of an operation, those of its path first.
func (d *contract) parametersOf(item, op yaml.MapSlice) []yaml.MapSlice {
	var out []yaml.MapSlice
	for _, of := range []yaml.MapSlice{item, op} {
		for _, p := range sequence(value(of, "parameters")) {
			out = append(out, d.resolve(mapping(p)))
		}
	}
	return out
}

// resolve follows a $ref within the document.
func (d *contract) resolve(m yaml.MapSlice) yaml.MapSlice {
	ref, ok := strings.CutPrefix(text(m, "$ref"), "#/")
	if !ok {
		return m
	}
	return at(d.root, strings.Split(ref, "/")...)
}

// asked refuses a query parameter that the document does not name for the call: a filter misspelt is not no filter.
func (d *contract) asked(c *gin.Context) error {
	names, ok := d.parameters[c.Request.Method+" "+c.FullPath()]
	if !ok || c.Request.URL.RawQuery == "" {
		return nil
	}
	return known(c, names...)
}

// mountContract serves the document, and the page of it.
func (s *server) mountContract(r *gin.Engine) {
	r.GET("/openapi.yaml", func(c *gin.Context) {
		c.Header("Cache-Control", "public, max-age=300")
		c.Data(http.StatusOK, "application/yaml; charset=utf-8", s.contract.raw)
	})
	r.GET("/docs", func(c *gin.Context) {
		c.Header("Cache-Control", "public, max-age=300")
		c.Header("Content-Security-Policy", s.contract.policy)
		c.Header("Referrer-Policy", "no-referrer")
		c.Data(http.StatusOK, "text/html; charset=utf-8", s.contract.page)
	})
}

// heads answers HEAD as GET without the body, which net/http leaves out. Callbacks take every method for what it is.
type heads struct{ *gin.Engine }

func (h heads) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead && !strings.HasPrefix(r.URL.Path, "/callbacks/") {
		as := r.Clone(r.Context()) // net/http goes by its own
		as.Method = http.MethodGet
		r = as
	}
	h.Engine.ServeHTTP(w, r)
}

// value, at, text, mapping and sequence read a tree of YAML; what is not there is empty.
func value(m yaml.MapSlice, key string) any {
	for _, item := range m {
		if fmt.Sprint(item.Key) == key {
			return item.Value
		}
	}
	return nil
}

func at(m yaml.MapSlice, keys ...string) yaml.MapSlice {
	for _, k := range keys {
		m = mapping(value(m, k))
	}
	return m
}

func text(m yaml.MapSlice, key string) string {
	if v := value(m, key); v != nil {
		return strings.TrimSpace(fmt.Sprint(v))
	}
	return ""
}

func mapping(v any) yaml.MapSlice {
	m, _ := v.(yaml.MapSlice)
	return m
}

func sequence(v any) []any {
	l, _ := v.([]any)
	return l
}

// who says in words who may make a call.
func who(op yaml.MapSlice) (scopes []identity.Scope, roles []identity.Role) {
	for _, s := range sequence(value(op, "x-scopes")) {
		scopes = append(scopes, identity.Scope(fmt.Sprint(s)))
	}
	for _, r := range sequence(value(op, "x-roles")) {
		roles = append(roles, identity.Role(fmt.Sprint(r)))
	}
	return scopes, roles
}
