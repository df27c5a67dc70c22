package console

import (
	"go/ast"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"feegate/gateway/vnd"
)

// filled is a format with something plausible in each place.
func filled(format string, args []ast.Expr) string {
	n := 0
	return regexp.MustCompile(`%[sdvq]`).ReplaceAllStringFunc(format, func(verb string) string {
		var arg ast.Expr
		if n < len(args) {
			arg = args[n]
		}
		n++
		if call, ok := arg.(*ast.CallExpr); ok {
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				if f.Sel.Name == "Format" {
					return vnd.Signed(-1000).Format()
				}
			case *ast.Ident:
				if f.Name == "absAmount" {
					return vnd.Amount(1000).Format()
				}
			}
		}
		switch verb {
		case "%q":
			return `"1,000.5"`
		case "%d":
			return "7"
		}
		if id, ok := arg.(*ast.Ident); ok && id.Name == "to" {
			return "2026-03-10"
		}
		return "x7"
	})
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// TestWhatAStatementIsRefusedForIsSaidInVietnamese finds every sentence with which a statement is refused, or that is noted about it, of the bank's side and of lists
// of refunds, and holds each to have its own here.
func TestWhatAStatementIsRefusedForIsSaidInVietnamese(t *testing.T) {
	said := 0
	hold := func(file, text string) {
		if text == "" || text == "%v" {
			return // another error's words
		}
		said++
		if vietnamese.known(text) == "" {
			t.Errorf("%s: %q is said in English", file, text)
		}
	}
	files := []string{"reconciliation/statements.go", "reconciliation/store_statement.go", "reconciliation/store_layout.go", "reconciliation/store_bankview.go", "reconciliation/bank.go", "reconciliation/proposal.go",
		"reconciliation/store_import.go", "gateway/refund_list.go", "gateway/store_refund_list.go"}
	all, err := os.ReadDir("../../../reconciliation/statement")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if name := f.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			files = append(files, "reconciliation/statement/"+name)
		}
	}
	for _, file := range files {
		own := strings.Contains(file, "/statement/")
		ast.Inspect(parsed(t, file), func(n ast.Node) bool {
			switch v := n.(type) {
			case *ast.CallExpr:
				name := ""
				switch f := v.Fun.(type) {
				case *ast.Ident:
					name = f.Name
				case *ast.SelectorExpr:
					name = f.Sel.Name
				}
				at := map[string]int{"refuse": 2, "add": 1}[name]
				switch {
				case name == "invalid" && len(v.Args) == 2:
					at = 1
				case own && (name == "Errorf" || name == "New"):
					at = 0
				case at == 0:
					return true
				}
				if len(v.Args) <= at {
					return true
				}
				if s, ok := literal(v.Args[at]); ok && s != "%v" && !strings.Contains(s, "%w") && !strings.HasPrefix(s, "the statement is") {
					hold(file, filled(s, v.Args[at+1:]))
				} else if c, ok := v.Args[at].(*ast.CallExpr); ok && len(c.Args) > 0 {
					if s, ok := literal(c.Args[0]); ok {
						hold(file, filled(s, c.Args[1:]))
					}
				}
			case *ast.CompositeLit:
				if typeName(v.Type) == "Finding" && len(v.Elts) == 3 {
					switch d := v.Elts[2].(type) {
					case *ast.BinaryExpr:
						hold(file, sample(d))
					case *ast.CallExpr:
						s, _ := literal(d.Args[0])
						hold(file, filled(s, d.Args[1:]))
					default:
						s, _ := literal(d)
						hold(file, s)
					}
				}
				if typeName(v.Type) == "FieldError" && len(v.Elts) == 2 {
					if s, ok := literal(v.Elts[1]); ok {
						hold(file, s)
					} else if b, ok := v.Elts[1].(*ast.BinaryExpr); ok {
						hold(file, sample(b))
					}
				}
			case *ast.KeyValueExpr:
				if k, ok := v.Key.(*ast.Ident); ok && k.Name == "Detail" {
					switch v.Value.(type) {
					case *ast.BasicLit, *ast.BinaryExpr:
						for _, how := range []string{"is changed", "is missing"} { // a row of a file says one of the two
							hold(file, strings.Replace(sample(v.Value), "of 7 7", "of imp_7 "+how, 1))
						}
					}
				}
			}
			return true
		})
	}
	if said < 80 {
		t.Errorf("only %d sentences found", said)
	}
	for en, vi := range map[string]string{
		"opens with 5 ₫, the statement up to 2026-03-10 closed with 1.108.000 ₫":                  "số dư đầu kỳ là 5 ₫, nhưng sao kê đến ngày 10/03/2026 kết thúc với 1.108.000 ₫: còn thiếu sao kê ở giữa",
		"opening 0 ₫ and the movements make −5.000 ₫, the file says 7 ₫: a difference of 5.007 ₫": "số dư đầu kỳ 0 ₫ cộng các khoản là −5.000 ₫, nhưng tệp ghi 7 ₫: lệch 5.007 ₫",
		`"1.2.3" is not an amount`: `"1.2.3" không phải số tiền`} {
		if got := vietnamese.line(en); got != vi {
			t.Errorf("%q is told as %q", en, got)
		}
	}
}

func TestAColumnIsNamedForPeople(t *testing.T) {
	got := columnsOf("booking date: Ngày GD; debit: Ghi nợ; PS; narrative: Nội dung: chi tiết")
	if len(got) != 3 || got[0] != (column{"Ngày hạch toán", "Ngày GD"}) || got[1].Words != "Ghi nợ; PS" || got[2].Words != "Nội dung: chi tiết" {
		t.Errorf("%v", got)
	}
	for _, name := range constantsOf(t, "reconciliation/statement/table.go", "col") {
		if columnNames[name] == "" {
			t.Errorf("the column %s has no words", name)
		}
	}
}

func constantsOf(t *testing.T, file, prefix string) []string {
	t.Helper()
	var out []string
	for _, v := range constants(t, file, prefix) {
		out = append(out, v)
	}
	return out
}
