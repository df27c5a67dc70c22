package console

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"feegate/cmd/feegate/page"
)

// vietnamese is the console as it is without a catalogue.
var vietnamese = speech{&page.Tongue{Code: "vi"}}

// foreign reports letters that English has not: a sentence with one is Vietnamese.
func foreign(s string) bool {
	return strings.ContainsFunc(strings.ReplaceAll(s, "đồng", ""), func(r rune) bool { return r > unicode.MaxASCII && unicode.IsLetter(r) })
}

// sayings are the console's own sentences: all of the templates', and of the Go files' those that are plainly Vietnamese.
func sayings(t *testing.T) []string {
	t.Helper()
	var out []string
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	// These are the other way round: what the rooms say in English, with its Vietnamese.
	turned := []string{"merchant_words.go", "lines.go", "lines_statement.go", "catalogue_words.go", "bank.go"}
	for _, e := range entries {
		name := e.Name()
		switch {
		case strings.HasSuffix(name, ".html"):
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, page.Messages(string(raw))...)
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			skip := map[ast.Node]bool{}
			ast.Inspect(f, func(n ast.Node) bool {
				if slices.Contains(turned, name) {
					switch x := n.(type) {
					case *ast.CompositeLit: // a row: {`English`, `Vietnamese`}, {regexp, "Vietnamese"}
						if len(x.Elts) == 2 {
							if _, pair := x.Elts[0].(*ast.KeyValueExpr); !pair {
								skip[x.Elts[1]] = true
							}
						}
					case *ast.FuncDecl:
						if x.Name.Name == "matchReason" {
							return false
						}
					}
				}
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING || skip[n] {
					return true
				}
				if s, err := strconv.Unquote(lit.Value); err == nil && foreign(s) && !strings.ContainsAny(s, "^\\<") && strings.Trim(s, " ₫đ\u00a0") != "" {
					out = append(out, s)
				}
				return true
			})
		}
	}
	return out
}

// Every sentence of the console is in the catalogue, and every sentence of the catalogue is used: one that is missing is printed ready to be filled in.
func TestEverySentenceHasItsEnglish(t *testing.T) {
	raw, err := os.ReadFile("messages.en.json")
	if err != nil {
		t.Fatal(err)
	}
	english, err := page.ReadTongue("en", raw)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, s := range sayings(t) {
		if !used[s] && !english.Knows(s) {
			key, _ := json.Marshal(s)
			t.Errorf("  %s: \"\",", key)
		}
		used[s] = true
	}
	holes, verbs := regexp.MustCompile(`\{\d+\}`), regexp.MustCompile(`%(\[\d\])?[a-z%]`)
	for vi, en := range english.All() {
		if !used[strings.TrimPrefix(vi, "# ")] && !isWord(vi) {
			t.Errorf("%q is said nowhere", vi)
		}
		if strings.TrimSpace(en) == "" || strings.ContainsAny(en, `<>"`) {
			t.Errorf("%q cannot be %q", vi, en)
		}
		for _, of := range []*regexp.Regexp{holes, verbs} {
			a, b := of.FindAllString(vi, -1), of.FindAllString(en, -1)
			slices.Sort(a)
			slices.Sort(b)
			a, b = slices.Compact(a), slices.Compact(b)
			if !slices.Equal(a, b) && !strings.Contains(en, "%[") {
				t.Errorf("%q and %q are not filled alike", vi, en)
			}
		}
		if foreign(strings.NewReplacer("Tiếng Việt", "", "đồng", "").Replace(en)) {
			t.Errorf("%q is not English: %q", vi, en)
		}
	}
	if len(used) < 900 {
		t.Errorf("only %d sentences were found", len(used))
	}
}

// isWord says that a sentence of the catalogue is one that Go files hold and that has no letter of its own: Sai, Thu.
func isWord(vi string) bool { return !foreign(vi) }
