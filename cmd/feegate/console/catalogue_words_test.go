package console

import (
	"encoding/json"
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"feegate/gateway/catalogue"
)

// TestEveryFaultOfTheCatalogueIsToldInVietnamese reads the room's sources for what it says of a document or a file.
func TestEveryFaultOfTheCatalogueIsToldInVietnamese(t *testing.T) {
	verbs := regexp.MustCompile(`%[a-z]`)
	seen := 0
	check := func(format string) {
		n := 0
		text := verbs.ReplaceAllStringFunc(format, func(v string) string {
			n++
			return map[string]string{"%d": strconv.Itoa(n), "%q": `"x"`, "%v": "x"}[v] + map[string]string{"%s": "x"}[v]
		})
		if text == "%s" || !strings.Contains(text, " ") {
			return
		}
		seen++
		if vietnamese.fault(text) == text {
			t.Errorf("%q has no words", text)
		}
	}
	literal := func(e ast.Expr) (string, bool) {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return "", false
		}
		s, err := strconv.Unquote(lit.Value)
		return s, err == nil
	}
	for _, file := range []string{"document", "plan", "alias", "whole", "sheet"} {
		ast.Inspect(parsed(t, "gateway/catalogue/"+file+".go"), func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.CallExpr:
				name := ""
				switch f := x.Fun.(type) {
				case *ast.Ident:
					name = f.Name
				case *ast.SelectorExpr:
					name = f.Sel.Name
				}
				at, known := map[string]int{"bad": 1, "refuse": 1, "add": 3}[name]
				if s, ok := "", false; known && len(x.Args) > at {
					if s, ok = literal(x.Args[at]); ok {
						check(s)
					}
				}
			case *ast.ReturnStmt: // of valueOf: a value, and what is wrong with it
				if len(x.Results) == 2 {
					if s, ok := literal(x.Results[1]); ok && s != "" {
						check(s)
					}
				}
			}
			return true
		})
	}
	if seen < 35 {
		t.Errorf("only %d faults found", seen)
	}
	if got := vietnamese.fault("row 3: must be 1 to 99"); got != "dòng 3: phải từ 1 đến 99" {
		t.Error(got)
	}
	for _, s := range catalogue.Sections() {
		if sectionWords()[s] == "" {
			t.Errorf("the section %s has no words", s)
		}
		for _, c := range catalogue.Columns(s) {
			if factWords()[c] == "" {
				t.Errorf("the column %s has no words", c)
			}
		}
	}
	if got := vietnamese.facts(json.RawMessage(`{"valid_from":"2026-01-31","unit_amount":75000,"name":"Phí","assessed":false,"agency_code":null}`)); got != "tên: Phí · mức thu: 75.000 ₫ · từ: 31/01/2026" {
		t.Error(got)
	}
}
