package api

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// docsPage is the document as the page shows it.
type docsPage struct {
	Title, Version string
	Style          template.CSS
	Intro          template.HTML
	Tags           []docsTag
	Problems       []docsProblem
	Problem        string // an example
	Schemas        []docsSchema
}

type docsTag struct {
	Name, Text string
	Calls      []docsCall
}

type docsCall struct {
	ID, Method, Path, Summary string
	Text                      template.HTML
	Who                       string
	Parameters                []docsField
	Bodies                    []docsContent
	Answers                   []docsAnswer
	Problems                  []string
}

type docsField struct {
	Name, In string
	Required bool
	Type     template.HTML
	Text     template.HTML
}

type docsContent struct {
	Media   string
	Type    template.HTML
	Fields  []docsField
	Example string
}

type docsAnswer struct {
	Status   string
	Text     template.HTML
	Headers  []string
	Contents []docsContent
}

type docsProblem struct {
	Name, Status, Title, TitleVI, Text, TextVI string
}

type docsSchema struct {
	Name   string
	Type   template.HTML
	Text   template.HTML
	Fields []docsField
}

func (d *contract) docs() *docsPage {
	info := at(d.root, "info")
	p := &docsPage{Title: text(info, "title"), Version: text(info, "version"), Intro: prose(text(info, "description"))}
	for _, tag := range sequence(value(d.root, "tags")) {
		p.Tags = append(p.Tags, d.docsTag(mapping(tag)))
	}
	p.Problem = pretty(value(at(d.root, "components", "responses", "Problem", "content", "application/problem+json"), "example"), "")
	for _, item := range at(d.root, "x-problems", "types") {
		name, v := fmt.Sprint(item.Key), mapping(item.Value)
		m := problems[name]
		p.Problems = append(p.Problems, docsProblem{name, text(v, "status"), m.title, m.viet, text(v, "en"), text(v, "vi")})
	}
	for _, item := range at(d.root, "components", "schemas") {
		s := mapping(item.Value)
		p.Schemas = append(p.Schemas, docsSchema{fmt.Sprint(item.Key), d.typeOf(s), prose(text(s, "description")), d.fields("", s)})
	}
	return p
}

func (d *contract) docsTag(tag yaml.MapSlice) docsTag {
	t := docsTag{Name: text(tag, "name"), Text: text(tag, "description")}
	for _, item := range at(d.root, "paths") {
		for _, op := range mapping(item.Value) {
			o := mapping(op.Value)
			if !slices.Contains(sequence(value(o, "tags")), any(t.Name)) {
				continue
			}
			t.Calls = append(t.Calls, d.docsCall(fmt.Sprint(item.Key), strings.ToUpper(fmt.Sprint(op.Key)), mapping(item.Value), o))
		}
	}
	return t
}

func (d *contract) docsCall(path, method string, item, op yaml.MapSlice) docsCall {
	c := docsCall{ID: text(op, "operationId"), Method: method, Path: path, Summary: text(op, "summary"), Text: prose(text(op, "description")), Who: whoText(op)}
	for _, p := range d.parametersOf(item, op) {
		required := text(p, "required") == "true"
		s := mapping(value(p, "schema"))
		says := text(p, "description")
		if says == "" {
			says = text(d.resolve(s), "description")
		}
		c.Parameters = append(c.Parameters, docsField{text(p, "name"), text(p, "in"), required, d.typeOf(s), prose(says)})
	}
	c.Bodies = d.contents(d.resolve(at(op, "requestBody")))
	for _, a := range at(op, "responses") {
		r := d.resolve(mapping(a.Value))
		answer := docsAnswer{Status: fmt.Sprint(a.Key), Text: prose(text(r, "description")), Contents: d.contents(r)}
		for i := range answer.Contents {
			if answer.Status == "default" { // the same everywhere, and shown once
				answer.Contents[i].Example = ""
			}
		}
		for _, h := range at(r, "headers") {
			answer.Headers = append(answer.Headers, fmt.Sprint(h.Key))
		}
		c.Answers = append(c.Answers, answer)
	}
	for _, name := range sequence(value(op, "x-problems")) {
		c.Problems = append(c.Problems, fmt.Sprint(name))
	}
	return c
}

func whoText(op yaml.MapSlice) string {
	scopes, roles := who(op)
	var by []string
	for _, s := range scopes {
		by = append(by, "khóa với "+string(s))
	}
	for _, r := range roles {
		by = append(by, string(r))
	}
	if len(by) == 0 {
		return "không cần đăng nhập · nobody need sign in"
	}
	return strings.Join(by, ", ")
}

// contents are the bodies of a request or an answer. A schema without a name is shown where it stands.
func (d *contract) contents(of yaml.MapSlice) []docsContent {
	var out []docsContent
	for _, item := range at(of, "content") {
		m := mapping(item.Value)
		s := mapping(value(m, "schema"))
		c := docsContent{Media: fmt.Sprint(item.Key), Type: d.typeOf(s)}
		if text(s, "$ref") == "" {
			c.Fields = d.fields("", s)
		}
		if e := value(m, "example"); e != nil {
			c.Example = pretty(e, "")
		}
		out = append(out, c)
	}
	return out
}

// fields are the members of an object, with those of objects that stand within it.
func (d *contract) fields(prefix string, s yaml.MapSlice) []docsField {
	var out []docsField
	for _, part := range sequence(value(s, "allOf")) {
		if text(mapping(part), "$ref") == "" {
			out = append(out, d.fields(prefix, mapping(part))...)
		}
	}
	required := sequence(value(s, "required"))
	for _, item := range at(s, "properties") {
		name, f := fmt.Sprint(item.Key), mapping(item.Value)
		out = append(out, docsField{prefix + name, "", slices.Contains(required, any(name)), d.typeOf(f), prose(text(f, "description"))})
		inner, within := f, prefix+name+"."
		if text(f, "type") == "array" {
			inner, within = mapping(value(f, "items")), prefix+name+"[]."
		}
		if text(inner, "$ref") == "" {
			out = append(out, d.fields(within, inner)...)
		}
	}
	return out
}

// typeOf says in a few words what a value is; a named schema is a link.
func (d *contract) typeOf(s yaml.MapSlice) template.HTML {
	if name, ok := strings.CutPrefix(text(s, "$ref"), "#/components/schemas/"); ok {
		escaped := template.HTMLEscapeString(name)
		return template.HTML(`<a href="#schema-` + escaped + `">` + escaped + `</a>`)
	}
	for _, joined := range []struct{ key, by string }{{"allOf", " + "}, {"oneOf", " | "}} {
		var parts []string
		for _, p := range sequence(value(s, joined.key)) {
			parts = append(parts, string(d.typeOf(mapping(p))))
		}
		if len(parts) > 0 {
			return template.HTML(strings.Join(parts, joined.by))
		}
	}
	switch kind := text(s, "type"); kind {
	case "array":
		return d.typeOf(mapping(value(s, "items"))) + "[]"
	case "":
		return ""
	default:
		return template.HTML(template.HTMLEscapeString(kind + limitsOf(s)))
	}
}

func limitsOf(s yaml.MapSlice) string {
	var b strings.Builder
	for _, l := range []struct{ key, says string }{{"format", ", %s"}, {"minimum", ", ≥ %s"}, {"maximum", ", ≤ %s"}, {"minLength", ", at least %s characters"}, {"maxLength", ", at most %s characters"},
		{"pattern", ", %s"}, {"default", ", %s when absent"}} {
		if v := text(s, l.key); v != "" {
			fmt.Fprintf(&b, l.says, v)
		}
	}
	var values []string
	for _, v := range sequence(value(s, "enum")) {
		if v != nil {
			values = append(values, fmt.Sprint(v))
		}
	}
	if len(values) > 0 {
		b.WriteString(": " + strings.Join(values, " | "))
	}
	if text(s, "nullable") == "true" {
		b.WriteString(", or null")
	}
	return b.String()
}

var listItem = regexp.MustCompile(`(?m)^\d+\. `)

// prose writes the little of Markdown that the document uses: paragraphs, headings, numbered lists, bold and code.
func prose(s string) template.HTML {
	var b strings.Builder
	for block := range strings.SplitSeq(strings.TrimSpace(s), "\n\n") {
		block = strings.TrimSpace(block)
		heading, isHeading := strings.CutPrefix(block, "## ")
		switch {
		case block == "":
		case isHeading:
			b.WriteString("<h2>" + inline(heading) + "</h2>")
		case strings.HasPrefix(block, "1. "):
			b.WriteString("<ol>")
			for _, item := range listItem.Split(block, -1)[1:] {
				b.WriteString("<li>" + inline(item) + "</li>")
			}
			b.WriteString("</ol>")
		default:
			b.WriteString("<p>" + inline(block) + "</p>")
		}
	}
	return template.HTML(b.String())
}

// inline escapes a text and sets what stands in backticks as code, between double asterisks as bold.
func inline(s string) string {
	var b strings.Builder
	bold := false // it may stretch over code
	for i, part := range strings.Split(s, "`") {
		if i%2 == 1 {
			b.WriteString("<code>" + template.HTMLEscapeString(part) + "</code>")
			continue
		}
		for j, piece := range strings.Split(part, "**") {
			if j > 0 {
				bold = !bold
				b.WriteString(map[bool]string{true: "<strong>", false: "</strong>"}[bold])
			}
			b.WriteString(template.HTMLEscapeString(piece))
		}
	}
	return b.String()
}

// pretty writes an example as JSON, in the document's order.
func pretty(v any, indent string) string {
	var parts []string
	brackets := "[]"
	inner := indent + "  "
	switch x := v.(type) {
	case yaml.MapSlice:
		brackets = "{}"
		for _, item := range x {
			parts = append(parts, inner+quoted(fmt.Sprint(item.Key))+": "+pretty(item.Value, inner))
		}
	case []any:
		for _, e := range x {
			parts = append(parts, inner+pretty(e, inner))
		}
	default:
		return quoted(x)
	}
	if len(parts) == 0 {
		return brackets
	}
	return brackets[:1] + "\n" + strings.Join(parts, ",\n") + "\n" + indent + brackets[1:]
}

func quoted(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return http.StatusText(http.StatusInternalServerError) // scalars of YAML: it cannot fail
	}
	return strings.TrimSpace(b.String())
}
