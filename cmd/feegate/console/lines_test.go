package console

import (
	"go/ast"
	"go/token"
	"strconv"
	"testing"
)

// TestWhatIsRefusedIsSaidInVietnamese finds every whole sentence with which the work list refuses, and holds each to have its own here.
func TestWhatIsRefusedIsSaidInVietnamese(t *testing.T) {
	said := 0
	hold := func(file string, e ast.Expr) {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return
		}
		text, err := strconv.Unquote(lit.Value)
		if err != nil || text == "" {
			return
		}
		said++
		if vietnamese.known(text) == "" {
			t.Errorf("%s: %q is said in English", file, text)
		}
	}
	for _, file := range []string{"resolve.go", "suits.go", "worklist.go", "bulk.go", "trace.go", "attachment.go", "store_resolve.go", "store_trace.go", "store_attachment.go"} {
		ast.Inspect(parsed(t, "reconciliation/"+file), func(n ast.Node) bool {
			switch v := n.(type) {
			case *ast.CallExpr:
				if f, ok := v.Fun.(*ast.Ident); ok && f.Name == "invalid" && len(v.Args) == 2 {
					hold(file, v.Args[1])
				}
			case *ast.KeyValueExpr:
				if k, ok := v.Key.(*ast.Ident); ok && k.Name == "Detail" {
					hold(file, v.Value)
				}
			}
			return true
		})
	}
	if said < 25 {
		t.Errorf("only %d sentences found", said)
	}
	for _, text := range []string{"refund_payer makes no sense for late", "write_off moves money, and there is none in this discrepancy: its effect is 0", "resolution 3 waits for another person's decision",
		"another person has decided: this resolution is done", "usr_1 has taken it up", "is of another kind than the first, which is late", "at most 5 MiB", "must name 1 to 500 discrepancies",
		"the day 2026-03-10 is closed: its discrepancies stay as they are", "must say something, in 1 to 2000 characters", "is not a person known here who may work on this account"} {
		if vietnamese.known(text) == "" {
			t.Errorf("%q is said in English", text)
		}
	}
}
