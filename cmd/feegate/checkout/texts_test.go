package checkout

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"feegate/gateway"
	"feegate/providers"
)

var fill = regexp.MustCompile(`%[sd]`)

func TestEveryTextIsThereInBothLanguages(t *testing.T) {
	for key, s := range texts {
		if s.vi == "" || s.en == "" || s.vi == s.en {
			t.Errorf("%s: %q, %q", key, s.vi, s.en)
		}
		if !slices.Equal(fill.FindAllString(s.vi, -1), fill.FindAllString(s.en, -1)) {
			t.Errorf("%s is filled otherwise: %q, %q", key, s.vi, s.en)
		}
	}
	html, err := fs.ReadFile(files, "checkout.html")
	if err != nil {
		t.Fatal(err)
	}
	used := regexp.MustCompile(`\bt "([^"]+)"`).FindAllStringSubmatch(string(html), -1)
	if len(used) < 40 {
		t.Fatalf("only %d texts found in the page", len(used))
	}
	for _, u := range used {
		if _, ok := texts[u[1]]; !ok {
			t.Errorf("the page says %q, which is no text", u[1])
		}
	}
	for _, state := range []string{stateExpired, stateCancelled, stateSuperseded, stateNothing} {
		for _, part := range []string{".title", ".what"} {
			if _, ok := texts[state+part]; !ok {
				t.Errorf("no text %s", state+part)
			}
		}
	}
}

// constants gives the values of a type's constants as a file declares them.
func constants(t *testing.T, file, typ string) (values []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		name, named := v.Type.(*ast.Ident)
		if lit, ok := v.Values[0].(*ast.BasicLit); ok && named && name.Name == typ {
			s, _ := strconv.Unquote(lit.Value)
			values = append(values, s)
		}
		return true
	})
	return values
}

func TestEveryResultHasASentence(t *testing.T) {
	known := constants(t, "../../../providers/providers.go", "Reason")
	if len(known) < 10 {
		t.Fatalf("only %q found", known)
	}
	for _, r := range known {
		if _, ok := texts["reason."+r]; !ok || !slices.Contains(reasons, providers.Reason(r)) {
			t.Errorf("no sentence for the reason %q", r)
		}
	}
	for _, s := range statuses {
		if _, ok := texts["status."+s]; !ok {
			t.Errorf("no sentence for the status %q", s)
		}
	}
	for _, p := range []string{gateway.ProblemPaymentInDoubt, gateway.ProblemUnavailable, gateway.ProblemAmountOutside, gateway.ProblemOrderExpiring,
		gateway.ProblemTooManyPayments, gateway.ProblemOrderState} {
		if _, ok := texts["problem."+p]; !ok {
			t.Errorf("no sentence for the problem %q", p)
		}
	}
	for _, lang := range languages {
		if got := words(lang)["reason"].(func(string) string)("of another world"); got != speak(lang)("reason.unknown_code") {
			t.Errorf("an unknown reason: %q", got)
		}
	}
}

func TestADeepLinkOpensAnAppAndRunsNothing(t *testing.T) {
	for link, want := range map[string]bool{"momo://app?action=pay": true, "https://test-payment.example/app": true, "javascript:alert(1)": false,
		"javascript://x/%0aalert(1)": false, "data:text/html,x": false, "JavaScript:alert(1)": false, "": false, "/relative": false, "://": false} {
		raw := json.RawMessage(fmt.Sprintf(`{"deeplink":%q}`, link))
		if got := app(&gateway.PaymentView{Redirect: &raw}); (got != "") != want || got != "" && string(got) != link {
			t.Errorf("%q: %q", link, got)
		}
	}
	if strings.Contains(string(app(&gateway.PaymentView{})), ":") {
		t.Error("an app without an address")
	}
}
