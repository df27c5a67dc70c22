package console

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/reconciliation"
	"feegate/reconciliation/adoption"
)

func parsed(t *testing.T, file string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../../../"+file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// constants gives the text constants of a file whose names begin with a prefix.
func constants(t *testing.T, file, prefix string) map[string]string {
	t.Helper()
	out := map[string]string{}
	ast.Inspect(parsed(t, file), func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		for i := 0; ok && i < len(v.Names) && i < len(v.Values); i++ {
			if lit, isLit := v.Values[i].(*ast.BasicLit); isLit && lit.Kind == token.STRING && strings.HasPrefix(v.Names[i].Name, prefix) {
				out[v.Names[i].Name], _ = strconv.Unquote(lit.Value)
			}
		}
		return true
	})
	if len(out) < 3 {
		t.Fatalf("%s: only %v found", file, out)
	}
	return out
}

func TestEveryWordOfTheRoomsIsSpokenHere(t *testing.T) {
	for _, k := range reconciliation.Kinds() {
		if w := kinds[k]; w.Name == "" || w.Means == "" || w.Usual == "" {
			t.Errorf("the discrepancy %s has no words", k)
		}
	}
	for _, a := range []string{reconciliation.RecordPayment, reconciliation.CarryForward, reconciliation.RefundPayer, reconciliation.ClaimFromProvider,
		reconciliation.WriteOff, reconciliation.AcceptMatch, reconciliation.Explain} {
		if actions[a] == "" {
			t.Errorf("the action %s has no words", a)
		}
	}
	for _, prefix := range []string{"Payment", "Refund"} {
		for name, s := range constants(t, "gateway/states.go", prefix) {
			if _, ok := states[s]; !ok {
				t.Errorf("the state %s = %q has no words", name, s)
			}
		}
	}
	for name, s := range constants(t, "gateway/states.go", "Order") {
		if w := orderState(s); w.Word == text(s) {
			t.Errorf("the state %s = %q has no words", name, s)
		}
	}
	for name, s := range constants(t, "gateway/judge.go", "Source") {
		if sources[s] == "" {
			t.Errorf("the source %s = %q has no words", name, s)
		}
	}
	for name, r := range constants(t, "providers/providers.go", "Reason") {
		if r != "" && reasons[r] == "" {
			t.Errorf("the reason %s = %q has no words", name, r)
		}
	}
	for _, b := range adoption.Buckets() {
		if bucketWords[b] == "" {
			t.Errorf("the bucket %s has no words", b)
		}
	}
	for _, s := range []string{adoption.Met, adoption.NotMet, adoption.NotEnoughData} {
		if state(s).Word == text(s) {
			t.Errorf("the target's state %s has no words", s)
		}
	}
	for _, p := range []string{gateway.ProblemNotFound, gateway.ProblemInvalid, gateway.ProblemSecondPerson, reconciliation.ProblemConflict, reconciliation.ProblemDayClosed,
		reconciliation.ProblemResolution, gateway.ProblemAvailableChanged, gateway.ProblemRefundState, gateway.ProblemPaymentState} {
		if _, ok := meanings[p]; !ok {
			t.Errorf("the problem %s has no words", p)
		}
	}
}

// sample makes a text that the expression could be.
func sample(e ast.Expr) string {
	switch v := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(v.Value); err == nil && v.Kind == token.STRING {
			return s
		}
	case *ast.BinaryExpr:
		return sample(v.X) + sample(v.Y)
	case *ast.Ident:
		switch v.Name {
		case "why":
			return "control characters are not allowed"
		case "hint":
			return ""
		case "err":
			return vnd.ErrAmount.Error()
		}
	case *ast.SelectorExpr:
		if v.Sel.Name == "ErrAmount" {
			return vnd.ErrAmount.Error()
		}
	case *ast.CallExpr:
		name := ""
		if s, ok := v.Fun.(*ast.SelectorExpr); ok {
			name = s.Sel.Name
		} else if i, ok := v.Fun.(*ast.Ident); ok {
			name = i.Name
		}
		switch name {
		case "Sprintf":
			args := v.Args[1:]
			return regexp.MustCompile(`%[sdv]`).ReplaceAllStringFunc(sample(v.Args[0]), func(string) string {
				s := sample(args[0])
				args = args[1:]
				return s
			})
		case "excerpt":
			return `"x\"y"`
		case "Error":
			return ""
		}
	}
	return "7"
}

func TestEveryFaultOfAFileIsToldInVietnamese(t *testing.T) {
	n := 0
	for _, file := range []string{"providers/settlecsv.go", "providers/vnpay/settlement.go", "providers/momo/settlement.go", "reconciliation/import.go"} {
		ast.Inspect(parsed(t, file), func(node ast.Node) bool {
			var details []ast.Expr
			switch v := node.(type) {
			case *ast.CompositeLit:
				if !strings.HasSuffix(fmt.Sprint(typeName(v.Type)), "LineError") {
					return true
				}
				for _, el := range v.Elts {
					if kv, ok := el.(*ast.KeyValueExpr); ok && fmt.Sprint(kv.Key) == "Detail" {
						details = append(details, kv.Value)
					}
				}
			case *ast.CallExpr:
				if s, ok := v.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "finding" && len(v.Args) == 3 {
					details = append(details, v.Args[2])
				}
			}
			for _, d := range details {
				en := sample(d)
				if en == "" {
					continue // another error's words
				}
				if n++; vietnamese.line(en) == en {
					t.Errorf("%s says %q, which is told as it stands", file, en)
				}
			}
			return true
		})
	}
	if n < 25 {
		t.Errorf("only %d faults found", n)
	}
	for en, vi := range map[string]string{"a row after the TOTAL of line 6": "có dòng sau dòng TOTAL (dòng 6)", "something new": "something new",
		`field 3, "=cmd": would be run as a formula by a spreadsheet`: `ô thứ 3, "=cmd": bảng tính sẽ chạy nội dung này như công thức`} {
		if got := vietnamese.line(en); got != vi {
			t.Errorf("%q is told as %q", en, got)
		}
	}
	for note, vi := range map[string]string{"proposed write_off: hết hạn: thôi": "đề nghị: Xóa khoản lệch. hết hạn: thôi", "approved write_off": "duyệt: Xóa khoản lệch",
		"explain: tệp sửa": "Giải thích. tệp sửa", "anything": "anything"} {
		if got := vietnamese.noted(note); got != vi {
			t.Errorf("%q is told as %q", note, got)
		}
	}
}

func typeName(e ast.Expr) string {
	switch v := e.(type) {
	case *ast.Ident:
		return v.Name
	case *ast.SelectorExpr:
		return v.Sel.Name
	}
	return ""
}

func TestPagesHoldNothingInline(t *testing.T) {
	names, err := fs.Glob(files, "*.html")
	if err != nil || len(names) < 10 {
		t.Fatal(names, err)
	}
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script>|javascript:|https?://`)
	for _, name := range names {
		html, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		if found := inline.FindString(string(html)); found != "" {
			t.Errorf("%s has %q", name, found)
		}
	}
}

func TestNextLeadsNowhereElse(t *testing.T) {
	for next, want := range map[string]string{"/console/days/2026-03-10?account=acc_1": "/console/days/2026-03-10?account=acc_1", "": "/console", "https://evil.example/": "/console",
		"//evil.example/console/": "/console", "/console/../../evil": "/console", "/console/..//evil.example": "/console", "/\\evil.example": "/console", "/v1/orders": "/console", "javascript:alert(1)": "/console",
		"/console/\r\nSet-Cookie: a=b": "/console", "////evil.example/../console/x": "/console", "///evil.example/..//console/today": "/console"} {
		if got := inside(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestFractionsForPeople(t *testing.T) {
	for _, c := range []struct {
		n, d        int64
		want, width string
	}{{0, 0, "—", "0"}, {1, 3, "33,3\u00a0%", "33.33"}, {432, 1000, "43,2\u00a0%", "43.20"}, {1, 1, "100,0\u00a0%", "100.00"}, {-5, 10, "-50,0\u00a0%", "0"}} {
		r := adoption.Rate{Numerator: c.n, Denominator: c.d}
		if got := percent(&r); got != c.want || width(r) != c.width {
			t.Errorf("%d/%d: %s and %s", c.n, c.d, got, width(r))
		}
	}
}

func TestTheCookieGoesOverTLSAloneWhereThereIsTLS(t *testing.T) {
	for address, want := range map[string]bool{"https://feegate.example": true, "http://127.0.0.1:8080": false} {
		c := Console{Deps: Deps{PublicURL: address}}
		if k := c.cookie("x", 1); k.Secure != want || !k.HttpOnly {
			t.Errorf("%s: %v", address, k)
		}
	}
}

func TestAnEstimateIsRounded(t *testing.T) {
	for in, want := range map[string][2]string{"48.57": {"48.6", "49"}, "1652.71": {"1652.7", "1653"}, "0.00": {"0.0", "0"}, "99.95": {"100.0", "100"}, "": {"", ""}} {
		if a, b := rounded(in, 1), rounded(in, 0); a != want[0] || b != want[1] {
			t.Errorf("%s: %s, %s", in, a, b)
		}
	}
}
