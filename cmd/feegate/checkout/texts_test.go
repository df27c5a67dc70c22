package checkout

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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

// TestEveryWayAndEveryStateHasWords goes by what the rest of the program declares: a provider or a state that is new and has no words
// is found here.
func TestEveryWayAndEveryStateHasWords(t *testing.T) {
	folders, err := filepath.Glob("../../../providers/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	ways := 0
	for _, file := range folders {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		if strings.Contains(string(source), "func Registration(") {
			ways++
			if name := filepath.Base(filepath.Dir(file)); texts["way."+name].vi == "" {
				t.Errorf("no words for the way to pay %q", name)
			}
		}
		// A reason that is no constant of the list would have no sentence.
		if made := regexp.MustCompile(`providers\.Reason\(`).Find(source); made != nil {
			t.Errorf("%s makes a reason of its own", file)
		}
	}
	if ways < 8 {
		t.Errorf("only %d ways found", ways)
	}
	declared, err := parser.ParseFile(token.NewFileSet(), "../../../gateway/states.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	orders := 0
	ast.Inspect(declared, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Names) != 1 || len(v.Values) != 1 {
			return true
		}
		lit, ok := v.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		state, _ := strconv.Unquote(lit.Value)
		switch name := v.Names[0].Name; {
		case strings.HasPrefix(name, "Payment") && texts["status."+state].vi == "":
			t.Errorf("no sentence for a payment that is %q", state)
		case strings.HasPrefix(name, "Order"):
			orders++
			var w view
			o := &gateway.OrderView{Status: state, ExpiresAt: time.Unix(1, 0)}
			w.fill(o, time.Unix(0, 0), false)
			if (w.State == stateChoose) != (state == gateway.OrderOpen) {
				t.Errorf("an order that is %q is shown as %q", state, w.State)
			}
		}
		return true
	})
	if orders < 8 {
		t.Errorf("only %d states of orders found", orders)
	}
}

// TestNoSentenceIsLeftOver: what is said nowhere is not kept in good order.
func TestNoSentenceIsLeftOver(t *testing.T) {
	said := ""
	for _, name := range []string{"checkout.html", "checkout.go", "confirmation.go", "view.go", "streams.go"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		said += string(b)
	}
	for key := range texts {
		family, _, _ := strings.Cut(key, ".")
		if slices.Contains([]string{"reason", "way", "kind", "problem", "status"}, family) || strings.Contains(said, strconv.Quote(key)) {
			continue
		}
		if slices.Contains([]string{stateExpired, stateCancelled, stateSuperseded, stateNothing, stateMissing}, family) {
			continue
		}
		t.Errorf("%s is said nowhere", key)
	}
}
