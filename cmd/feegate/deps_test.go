package main_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestLaws holds the tree to the import table and the layout of the architecture. A new rule goes into laws, with an
// example that breaks it below.
func TestLaws(t *testing.T) {
	tr, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.sources) < 50 {
		t.Fatalf("only %d files found: the rules would hold for want of anything to look at", len(tr.sources))
	}
	for _, law := range laws {
		t.Run(law.name, func(t *testing.T) {
			for _, bad := range law.check(tr) {
				t.Error(bad)
			}
		})
	}
}

// files makes a tree of texts. The line "package" may be left out.
func files(t *testing.T, texts map[string]string) *tree {
	t.Helper()
	tr := &tree{}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		text := texts[name]
		if !strings.Contains(text, "package ") {
			text = "package x\n" + text
		}
		if top, _, deep := strings.Cut(name, "/"); deep && !slices.Contains(tr.top, top) || !deep {
			tr.top = append(tr.top, top)
		}
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		s, err := parse(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		tr.sources = append(tr.sources, s)
	}
	return tr
}

// TestLawsCanFail proves each law on small trees: every line of breaks must be found, every line of keeps must not.
func TestLawsCanFail(t *testing.T) {
	type texts = map[string]string
	imp := func(p string) string { return "import _ " + `"` + p + `"` }
	cases := map[string]struct{ breaks, keeps texts }{
		"imports point from cmd to reconciliation to gateway to providers": {
			breaks: texts{"gateway/a.go": imp("feegate/reconciliation"), "providers/a.go": imp("feegate/gateway"),
				"reconciliation/a.go": imp("feegate/cmd/feegate/api"), "providers/vnpay/a_test.go": imp("feegate/gateway/account")},
			keeps: texts{"cmd/feegate/a.go": imp("feegate/gateway"), "reconciliation/a.go": imp("feegate/providers"),
				"providers/a.go": imp("feegate/gateway/vnd"), "gateway/feed/a.go": imp("feegate/gateway")},
		},
		"gateway/vnd and reconciliation/statement are leaves": {
			breaks: texts{"gateway/vnd/a.go": imp("feegate/providers"), "reconciliation/statement/a.go": imp("feegate/gateway")},
			keeps:  texts{"reconciliation/statement/a.go": imp("feegate/gateway/vnd"), "gateway/vnd/a_test.go": imp("feegate/gateway/vnd")},
		},
		"a provider imports no other provider": {
			breaks: texts{"providers/vnpay/a.go": imp("feegate/providers/momo"), "providers/a.go": imp("feegate/providers/momo"),
				"providers/sim/a.go": imp("feegate/providers/momo/momosim"), "providers/vnpay/a_test.go": imp("feegate/providers/momo"),
				"providers/breaker/a.go": imp("feegate/providers/vietqr"), "providers/sepay/sepaysim/a.go": imp("feegate/providers/vietqr"),
				"providers/vietqr/a.go": imp("feegate/providers/sepay")},
			keeps: texts{"providers/vnpay/a.go": imp("feegate/providers/breaker"), "providers/momo/a_test.go": imp("feegate/providers/momo/momosim"),
				"providers/sim/a_test.go": imp("feegate/providers/momo/momosim"), "providers/sepay/a.go": imp("feegate/providers/vietqr")},
		},
		"a simulator imports no adapter": {
			breaks: texts{"providers/momo/momosim/a.go": imp("feegate/providers/momo"), "providers/dvcqg/dvcqgsim/a.go": imp("feegate/providers/dvcqg"),
				"providers/dvcqg/mapping/a.go": imp("feegate/providers/dvcqg")},
			keeps: texts{"providers/dvcqg/dvcqgsim/a.go": imp("feegate/providers/dvcqg/mapping"), "providers/dvcqg/a.go": imp("feegate/providers/dvcqg/mapping"),
				"providers/momo/momosim/a_test.go": imp("feegate/providers/momo"), "providers/dvcqg/mapping/a_test.go": imp("feegate/gateway/vnd")},
		},
		"concrete providers are chosen in app.go": {
			breaks: texts{"gateway/a.go": imp("feegate/providers/momo"), "cmd/feegate/api/app.go": imp("feegate/providers/momo"),
				"cmd/feegate/serve.go": imp("feegate/providers/momo")},
			keeps: texts{"cmd/feegate/app.go": imp("feegate/providers/momo"), "cmd/feegate/demo_data.go": imp("feegate/providers/momo"),
				"cmd/simulator/a.go": imp("feegate/providers/momo/momosim"), "gateway/a_test.go": imp("feegate/providers/momo")},
		},
		"migrations are imported by cmd and tests": {
			breaks: texts{"gateway/a.go": imp("feegate/migrations"), "cmd/simulator/a.go": imp("feegate/migrations/localdb"),
				"migrations/a.go": imp("feegate/gateway/vnd")},
			keeps: texts{"cmd/feegate/a.go": imp("feegate/migrations/localdb"), "gateway/a_test.go": imp("feegate/migrations/dbtest")},
		},
		"test support is imported by tests": {
			breaks: texts{"cmd/feegate/a.go": imp("feegate/migrations/dbtest"), "gateway/a.go": imp("pgregory.net/rapid"),
				"providers/a.go": imp("feegate/providers/providertest"), "cmd/feegate/api/a.go": imp("net/http/httptest")},
			keeps: texts{"gateway/a_test.go": imp("pgregory.net/rapid"), "migrations/dbtest/stop/a.go": imp("feegate/migrations/dbtest")},
		},
		"simulators are linked into cmd/simulator and tests only": {
			breaks: texts{"cmd/feegate/app.go": imp("feegate/providers/momo/momosim"), "gateway/a.go": imp("feegate/providers/sim"),
				"providers/momo/a.go": imp("feegate/providers/momo/momosim")},
			keeps: texts{"cmd/simulator/a.go": imp("feegate/providers/sim"), "gateway/a_test.go": imp("feegate/providers/sim"),
				"providers/momo/momosim/a.go": imp("feegate/providers/sim")},
		},
		"web, flags and environment are in cmd": {
			breaks: texts{"gateway/a.go": imp("github.com/gin-gonic/gin"), "providers/sim/a.go": imp("github.com/gin-gonic/gin/binding"),
				"reconciliation/a.go": imp("html/template"), "providers/a.go": imp("github.com/alecthomas/kong"), "gateway/b.go": imp("flag"),
				"gateway/c.go":           "import \"net/http\"\nfunc f(w http.ResponseWriter) {}",
				"gateway/d.go":           "import \"os\"\nvar x = os.Getenv(\"X\")",
				"providers/vnpay/a.go":   "import h \"net/http\"\nvar x h.Handler",
				"migrations/dbtest/a.go": "import \"os\"\nvar x = os.Getenv(\"X\")"},
			keeps: texts{"cmd/feegate/a.go": imp("github.com/gin-gonic/gin"), "providers/vnpay/a.go": "import \"net/http\"\nvar x http.RoundTripper",
				"providers/momo/momosim/a.go": "import \"net/http\"\nvar x http.Handler", "providers/sim/a.go": imp("html/template"), "providers/a_test.go": "import \"net/http\"\nvar x http.Handler",
				"migrations/localdb/a.go": "import \"os\"\nvar x = os.Getenv(\"PATH\")"},
		},
		"SQL is in store files": {
			breaks: texts{"gateway/a.go": "var q = `\n SELECT 1`", "cmd/feegate/bench.go": `var q = "INSERT INTO orders VALUES (1)"`,
				"gateway/storekeeper.go": `var q = "UPDATE orders SET x = 1"`, "gateway/c.go": "var q = `WITH a AS (SELECT 1) SELECT`",
				"gateway/d.go": "func f(db D) { db.GetContext() }", "cmd/feegate/e.go": "func f(c C) { c.db.Queryx(x) }",
				"reconciliation/f.go": `var q = "DELETE FROM x"`},
			keeps: texts{"gateway/store.go": "var q = `SELECT 1`", "gateway/store_write.go": "func f(db D) { db.ExecContext() }",
				"migrations/dbtest/a.go": `var q = "DROP DATABASE x"`, "gateway/a_test.go": `var q = "SELECT 1"`,
				"gateway/a.go": "var e = `UPDATED`; var w = `WITHOUT`; func f(c C) { c.Query(`x`) }"},
		},
		"SQL asks no clock": {
			breaks: texts{"gateway/store.go": "var q = `SELECT now()`", "gateway/store_a.go": "var q = `WHERE d < CURRENT_DATE`"},
			keeps:  texts{"gateway/store.go": "var q = `SELECT known() FROM snow`", "gateway/a.go": "var q = `now()`"},
		},
		"gobreaker is in providers/breaker": {
			breaks: texts{"gateway/a.go": imp("github.com/sony/gobreaker/v2")},
			keeps:  texts{"providers/breaker/a.go": imp("github.com/sony/gobreaker/v2")},
		},
		"a provider's wire names stay in its folder": {
			breaks: texts{"gateway/a.go": `var x = "vnp_Amount"`, "providers/momo/a.go": `var x = "vnp_Amount"`,
				"cmd/feegate/demo.go": `var x = "vnp_TmnCode=1"`, "cmd/feegate/app.go": `var x = "vnp_TmnCode"`,
				"providers/a.go": "type a struct { B string `json:\"partnerCode\"` }", "cmd/simulator/a.go": `var x = "app_trans_id"`,
				"gateway/b.go": `var x = "https://sandbox.vnpayment.vn"`, "gateway/c.go": `var x = "MaXacThuc"`, "gateway/d.go": `var x = "A000000727"`},
			keeps: texts{"providers/vnpay/vnpaysim/a.go": `var x = "vnp_Amount"`, "gateway/a_test.go": `var x = "vnp_Amount"`,
				"cmd/feegate/demo.go": `var x = "vnp_TmnCode"`},
		},
		"no init functions": {
			breaks: texts{"gateway/a.go": "func init() {}", "gateway/a_test.go": "func init() {}"},
			keeps:  texts{"gateway/a.go": "type t struct{}\nfunc (t) init() {}"},
		},
		"no package without a subject": {
			breaks: texts{"gateway/utils/a.go": "package utils", "gateway/a.go": "package helpers"},
			keeps:  texts{"gateway/a.go": "package gateway"},
		},
		"Go lies in the known rooms": {
			breaks: texts{"pkg/a.go": "", "gateway/deep/a.go": "", "main.go": ""},
			keeps:  texts{"gateway/vnd/a.go": "", "providers/any/anysim/a.go": ""},
		},
		"nothing else at the top level": {
			breaks: texts{"internal/a.go": "", "Dockerfile": "", "notes.md": ""},
			keeps:  texts{"cmd/a.go": "", "Makefile": "", "docs/a.md": ""},
		},
		"no file over 600 lines": {
			breaks: texts{"gateway/a.go": strings.Repeat("\n", 600)},
			keeps:  texts{"gateway/a.go": strings.Repeat("\n", 599)},
		},
		"every package has a comment": {
			breaks: texts{"gateway/a.go": "package gateway", "providers/b.go": "// Of something else.\npackage providers",
				"cmd/feegate/main.go": "package main"},
			keeps: texts{"gateway/a.go": "// Package gateway is one.\npackage gateway", "gateway/b.go": "package gateway",
				"cmd/feegate/main.go": "// Feegate does.\npackage main", "providers/x_test.go": "package x"},
		},
	}
	for _, law := range laws {
		t.Run(law.name, func(t *testing.T) {
			c, ok := cases[law.name]
			if !ok {
				t.Fatal("no example breaks this law")
			}
			for name, text := range c.breaks {
				if bad := law.check(files(t, map[string]string{name: text})); len(bad) == 0 {
					t.Errorf("not found: %s: %.60s", name, text)
				}
			}
			for _, bad := range law.check(files(t, c.keeps)) {
				t.Errorf("found where nothing is wrong: %s", bad)
			}
		})
	}
	if len(cases) != len(laws) {
		t.Errorf("%d laws, %d examples", len(laws), len(cases))
	}
}
