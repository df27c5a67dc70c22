package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// module is the import path of the tree.
const module = "feegate"

// source is one parsed Go file; path is relative to the tree's top, with slashes.
type source struct {
	path  string
	file  *ast.File
	fset  *token.FileSet
	lines int
}

func (s *source) dir() string  { return path.Dir(s.path) }
func (s *source) name() string { return path.Base(s.path) }
func (s *source) test() bool   { return strings.HasSuffix(s.path, "_test.go") }
func (s *source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(n.Pos()).Line)
}

// tree is what the rules look at.
type tree struct {
	sources []*source
	top     []string // names at the top level
}

func parse(name string, text []byte) (*source, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &source{path: name, file: f, fset: fset, lines: strings.Count(string(text), "\n")}, nil
}

// load reads the working tree: no dotted folders, no testdata, none of what .gitignore names.
func load(root string) (*tree, error) {
	t := &tree{}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	ignored := []string{"bin", "screenshots"}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(ignored, e.Name()) {
			t.top = append(t.top, e.Name())
		}
	}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || slices.Contains(ignored, rel)) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		s, err := parse(rel, text)
		if err != nil {
			return err
		}
		t.sources = append(t.sources, s)
		return nil
	})
	return t, err
}

// within says whether a folder is one of rooms or lies in one.
func within(dir string, rooms ...string) bool {
	for _, r := range rooms {
		if dir == r || strings.HasPrefix(dir, r+"/") {
			return true
		}
	}
	return false
}

// imports calls f with every import of every file, as written, and local "" or the path within the module.
func (t *tree) imports(f func(s *source, at ast.Node, imported, local string)) {
	for _, s := range t.sources {
		for _, spec := range s.file.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue
			}
			local, _ := strings.CutPrefix(p, module+"/")
			if local == p {
				local = ""
			}
			f(s, spec, p, local)
		}
	}
}

// texts calls f with every string literal, tags of struct fields too.
func (t *tree) texts(f func(s *source, at ast.Node, text string)) {
	for _, s := range t.sources {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					f(s, lit, text)
				}
			}
			return true
		})
	}
}

// selectors calls f with every x.Name where x is a plain identifier, and the path that x is imported from, if it is.
func (t *tree) selectors(f func(s *source, at ast.Node, from, name string)) {
	for _, s := range t.sources {
		names := map[string]string{}
		for _, spec := range s.file.Imports {
			p, _ := strconv.Unquote(spec.Path.Value)
			name := path.Base(p)
			if spec.Name != nil {
				name = spec.Name.Name
			}
			names[name] = p
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				from := ""
				if x, ok := sel.X.(*ast.Ident); ok {
					from = names[x.Name]
				}
				f(s, sel, from, sel.Sel.Name)
			}
			return true
		})
	}
}

// rule is one law of the house; it gives what breaks it.
type rule struct {
	name  string
	check func(*tree) []string
}

// rooms in the order in which imports may point: each may import itself and what comes after it.
var order = []string{"cmd", "reconciliation", "gateway", "providers"}

func rank(dir string) int {
	return slices.IndexFunc(order, func(room string) bool { return within(dir, room) })
}

var (
	simDir      = regexp.MustCompile(`^providers/(sim|[a-z0-9]+/[a-z0-9]+sim)(/|$)`)
	providerDir = regexp.MustCompile(`^providers/([a-z0-9]+)(/|$)`)
	storeFile   = regexp.MustCompile(`^store(_[a-z0-9_]+)?\.go$`)
	statement   = regexp.MustCompile(`^\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s|DELETE\s+FROM\s|WITH\s+(RECURSIVE\s+)?[a-z_]+(\s*\([^)]*\))?\s+AS\s|LOCK\s+TABLE\s|COPY\s|MERGE\s+INTO\s|TRUNCATE\s|CREATE\s|ALTER\s|DROP\s)`)
	sqlClock    = regexp.MustCompile(`(?i)\bnow\(\)|\bcurrent_(timestamp|date|time)\b|\b(clock|statement|transaction)_timestamp\(|\blocaltime(stamp)?\b`)
	poorName    = regexp.MustCompile(`^(utils?|helpers?|commons?|misc|shared|tools|lib)$`)
)

// shared are the folders of providers that are no provider.
var shared = []string{"sim", "providertest", "breaker"}

// provider is the provider that a folder belongs to, or "".
func provider(dir string) string {
	if m := providerDir.FindStringSubmatch(dir); m != nil && !slices.Contains(shared, m[1]) {
		return m[1]
	}
	return ""
}

// wire is how each provider's own names are known in a text. Hosts count too.
var wire = map[string]*regexp.Regexp{
	"vnpay":   regexp.MustCompile(`vnp_|vnpayment\.vn`),
	"momo":    regexp.MustCompile(`\b(partnerCode|accessKey|captureWallet|payWithMethod)\b|momo\.vn`),
	"zalopay": regexp.MustCompile(`\b(app_trans_id|zp_trans_id|zp_trans_token|m_refund_id|embed_data|zp_user_id)\b|zalopay\.(com\.)?vn`),
	"dvcqg":   regexp.MustCompile(`\b(TrangThaiGD|MaXacThuc|MaThamChieu|UrlThanhToan|ThoiGianGD|ThongTinBienLai)\b|dichvucong\.gov\.vn`),
	"vietqr":  regexp.MustCompile(`A000000727`),
	"sepay":   regexp.MustCompile(`\bX-SePay-|sepay\.vn`),
	"casso":   regexp.MustCompile(`\b(X-Casso-Signature|Secure-Token|legacy_secure_token)\b|casso\.vn`),
	"payos":   regexp.MustCompile(`\b(checksumKey|paymentLinkId)\b|payos\.vn`),
}

// demoFile may name a provider's credentials, each as a whole text: that is the demo's data, as an administrator would type.
var demoFile = regexp.MustCompile(`^cmd/feegate/demo[a-z0-9_]*\.go$`)

// rooms is the closed list of folders that hold Go; providers may grow.
var rooms = []string{"cmd/feegate", "cmd/feegate/api", "cmd/feegate/checkout", "cmd/feegate/console", "cmd/feegate/page", "cmd/simulator",
	"gateway", "gateway/vnd", "gateway/account", "gateway/catalogue", "gateway/feed", "gateway/identity",
	"reconciliation", "reconciliation/statement", "reconciliation/document", "reconciliation/adoption", "reconciliation/adoption/honesty", "reconciliation/adoption/forms",
	"migrations", "migrations/dbtest", "migrations/dbtest/stop", "migrations/localdb"}

// topLevel is the closed list of what stands at the top, dotted names aside.
var topLevel = []string{"cmd", "gateway", "providers", "reconciliation", "migrations", "docs", "deploy", "go.mod", "go.sum",
	"Makefile", "README.md", "LICENSE", "CHANGELOG.md"}

// laws is the import table and the layout of the architecture.
var laws = []rule{
	{"imports point from cmd to reconciliation to gateway to providers", direction},
	{"gateway/vnd and reconciliation/statement are leaves", leaves},
	{"a provider imports no other provider", strangers},
	{"a simulator imports no adapter", apart},
	{"concrete providers are chosen in app.go", concrete},
	{"migrations are imported by cmd and tests", migrationsOnly},
	{"test support is imported by tests", testSupport},
	{"simulators are linked into cmd/simulator and tests only", sims},
	{"web, flags and environment are in cmd", web},
	{"SQL is in store files", sqlInStores},
	{"SQL asks no clock", noSQLClock},
	{"gobreaker is in providers/breaker", breaker},
	{"a provider's wire names stay in its folder", wireNames},
	{"no init functions", noInit},
	{"no package without a subject", named},
	{"Go lies in the known rooms", knownRooms},
	{"nothing else at the top level", topOnly},
	{"no file over 600 lines", short},
	{"every package has a comment", commented},
}

func direction(t *tree) (bad []string) {
	t.imports(func(s *source, at ast.Node, _, local string) {
		from, to := rank(s.dir()), rank(local)
		if from < 0 || to < 0 || within(local, "gateway/vnd") {
			return
		}
		if to < from {
			bad = append(bad, fmt.Sprintf("%s: %s must not import %s", s.at(at), order[from], local))
		}
	})
	return bad
}

func leaves(t *tree) (bad []string) {
	t.imports(func(s *source, at ast.Node, _, local string) {
		leaf := within(s.dir(), "gateway/vnd", "reconciliation/statement")
		if leaf && local != "" && local != "gateway/vnd" && !within(local, s.dir()) {
			bad = append(bad, fmt.Sprintf("%s: a leaf must not import %s", s.at(at), local))
		}
	})
	return bad
}

// transfers is the provider that those of bank transfers build on: the code, the reference and the beneficiary are the same,
// whoever tells of the money.
const transfers = "vietqr"

// strangers: what the providers share may be tested with any of them.
func strangers(t *tree) (bad []string) {
	t.imports(func(s *source, at ast.Node, _, local string) {
		own, other := provider(s.dir()), provider(local)
		if within(s.dir(), "providers") && other != "" && own != other && !(own == "" && s.test()) && !(own != "" && local == "providers/"+transfers && !simDir.MatchString(s.dir())) {
			bad = append(bad, fmt.Sprintf("%s: imports the provider %s", s.at(at), other))
		}
	})
	return bad
}

// apart: a simulator is a second reading of the wire. A mapping is the wire's description, not its reading: both may use it, and it
// uses neither.
func apart(t *tree) (bad []string) {
	t.imports(func(s *source, at ast.Node, _, local string) {
		own := provider(local)
		if own == "" {
			return
		}
		adapter := local == "providers/"+own
		if adapter && !s.test() && simDir.MatchString(s.dir()) {
			bad = append(bad, fmt.Sprintf("%s: a simulator must not import the adapter %s", s.at(at), local))
		}
		if path.Base(s.dir()) == "mapping" && provider(s.dir()) != "" {
			bad = append(bad, fmt.Sprintf("%s: a mapping must not import %s", s.at(at), local))
		}
	})
	return bad
}

// concrete: gateway and the pages know the interface; only the wiring, and the demo's data, know who fulfils it.
func concrete(t *tree) (bad []string) {
	t.imports(func(s *source, at ast.Node, _, local string) {
		if provider(local) == "" || within(s.dir(), "providers", "cmd/simulator") || s.test() {
			return
		}
		if !(s.dir() == "cmd/feegate" && (strings.HasPrefix(s.name(), "app") || demoFile.MatchString(s.path))) {
			bad = append(bad, fmt.Sprintf("%s: imports %s", s.at(at), local))
		}
	})
	return bad
}

func migrationsOnly(t *tree) (bad []string) {
	t.imports(func(s *source, at ast.Node, _, local string) {
		if within(local, "migrations") && !within(s.dir(), "cmd/feegate", "migrations") && !s.test() {
			bad = append(bad, fmt.Sprintf("%s: imports %s", s.at(at), local))
		}
		if within(s.dir(), "migrations") && local != "" && !within(local, "migrations") {
			bad = append(bad, fmt.Sprintf("%s: migrations know nothing of %s", s.at(at), local))
		}
	})
	return bad
}

func testSupport(t *tree) (bad []string) {
	t.imports(func(s *source, at ast.Node, imported, local string) {
		support := within(local, "migrations/dbtest", "providers/providertest") || strings.HasPrefix(imported, "pgregory.net/rapid") ||
			strings.HasPrefix(imported, "github.com/anishathalye/porcupine") || strings.HasPrefix(imported, "github.com/makiuchi-d/gozxing") || imported == "net/http/httptest"
		if support && !s.test() && !within(s.dir(), "migrations/dbtest", "providers/providertest") {
			bad = append(bad, fmt.Sprintf("%s: imports %s", s.at(at), imported))
		}
	})
	return bad
}

func sims(t *tree) (bad []string) {
	t.imports(func(s *source, at ast.Node, _, local string) {
		sim := simDir.MatchString(local) || within(local, "cmd/simulator")
		allowed := s.test() || within(s.dir(), "cmd/simulator", "providers/providertest") || simDir.MatchString(s.dir())
		if sim && !allowed {
			bad = append(bad, fmt.Sprintf("%s: imports %s", s.at(at), local))
		}
	})
	return bad
}

// web: providers are clients, so net/http itself is no sign; what serves is. A simulator may serve, payers' pages too, but
// never by gin.
func web(t *tree) (bad []string) {
	edge := []string{"github.com/gin-gonic/gin", "github.com/alecthomas/kong", "html/template", "text/template", "flag"}
	t.imports(func(s *source, at ast.Node, imported, _ string) {
		if within(s.dir(), "cmd") {
			return
		}
		for _, e := range edge {
			if e == "html/template" && simDir.MatchString(s.dir()) {
				continue
			}
			if imported == e || strings.HasPrefix(imported, e+"/") {
				bad = append(bad, fmt.Sprintf("%s: imports %s", s.at(at), imported))
			}
		}
	})
	serving := []string{"Handler", "HandlerFunc", "ResponseWriter", "ServeMux", "NewServeMux", "Server", "ListenAndServe", "HandleFunc", "Handle"}
	environment := []string{"Getenv", "LookupEnv", "Environ", "Setenv"}
	t.selectors(func(s *source, at ast.Node, from, name string) {
		if within(s.dir(), "cmd") || s.test() {
			return
		}
		if from == "net/http" && slices.Contains(serving, name) && !simDir.MatchString(s.dir()) && !within(s.dir(), "providers/providertest") {
			bad = append(bad, fmt.Sprintf("%s: http.%s", s.at(at), name))
		}
		// localdb hands PATH on to the programs that it starts.
		if from == "os" && slices.Contains(environment, name) && !within(s.dir(), "migrations/localdb") {
			bad = append(bad, fmt.Sprintf("%s: os.%s", s.at(at), name))
		}
	})
	return bad
}

// mayHoldSQL: a room's store files, what makes schemas and databases, and tests.
func mayHoldSQL(s *source) bool {
	return storeFile.MatchString(s.name()) || within(s.dir(), "migrations") || s.test()
}

// sqlInStores looks at texts and at the calls that only a database has; plain Query and Exec are names of too many things.
func sqlInStores(t *tree) (bad []string) {
	t.texts(func(s *source, at ast.Node, text string) {
		if !mayHoldSQL(s) && statement.MatchString(text) {
			bad = append(bad, fmt.Sprintf("%s: %.40q", s.at(at), text))
		}
	})
	calls := []string{"ExecContext", "QueryContext", "QueryRowContext", "QueryxContext", "QueryRowxContext", "GetContext",
		"SelectContext", "NamedExecContext", "NamedQueryContext", "PrepareContext", "PreparexContext", "PrepareNamedContext",
		"MustExec", "NamedExec", "NamedQuery", "Queryx", "QueryRowx", "Preparex"}
	t.selectors(func(s *source, at ast.Node, _, name string) {
		if !mayHoldSQL(s) && slices.Contains(calls, name) {
			bad = append(bad, fmt.Sprintf("%s: calls %s", s.at(at), name))
		}
	})
	return bad
}

// noSQLClock: every fact has a time that was passed in; the database's clock is not the demo's.
// noSQLClock: facts go by the clock that is passed in. A lease is no fact: it goes by the clock that all replicas share.
func noSQLClock(t *tree) (bad []string) {
	t.texts(func(s *source, at ast.Node, text string) {
		if strings.Contains(text, "lease_until") {
			return
		}
		if storeFile.MatchString(s.name()) && !within(s.dir(), "migrations") && sqlClock.MatchString(text) {
			bad = append(bad, fmt.Sprintf("%s: %s", s.at(at), sqlClock.FindString(text)))
		}
	})
	return bad
}

func breaker(t *tree) (bad []string) {
	t.imports(func(s *source, at ast.Node, imported, _ string) {
		if strings.HasPrefix(imported, "github.com/sony/gobreaker") && !within(s.dir(), "providers/breaker") {
			bad = append(bad, fmt.Sprintf("%s: imports %s", s.at(at), imported))
		}
	})
	return bad
}

// wireNames: tests are free, and the conformance suite, whose lying provider speaks every wire at once. In the demo's files a text that is one credential's name and nothing else is allowed.
func wireNames(t *tree) (bad []string) {
	credential := regexp.MustCompile(`^(vnp_TmnCode|vnp_HashSecret|partnerCode|accessKey|checksumKey|legacy_secure_token)$`)
	t.texts(func(s *source, at ast.Node, text string) {
		if s.test() || within(s.dir(), "providers/providertest") || (demoFile.MatchString(s.path) && credential.MatchString(text)) {
			return
		}
		for name, words := range wire {
			if name == transfers && simDir.MatchString(s.dir()) { // a simulated bank reads the national code, and writes it
				continue
			}
			if provider(s.dir()) != name && words.MatchString(text) {
				bad = append(bad, fmt.Sprintf("%s: %s is a word of %s", s.at(at), words.FindString(text), name))
			}
		}
	})
	return bad
}

func noInit(t *tree) (bad []string) {
	for _, s := range t.sources {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				bad = append(bad, s.at(f))
			}
		}
	}
	return bad
}

func named(t *tree) (bad []string) {
	for _, s := range t.sources {
		for _, n := range []string{s.file.Name.Name, path.Base(s.dir())} {
			if poorName.MatchString(n) {
				bad = append(bad, s.path+": says nothing of what it is about: "+n)
			}
		}
	}
	return bad
}

func knownRooms(t *tree) (bad []string) {
	for _, s := range t.sources {
		if !slices.Contains(rooms, s.dir()) && !within(s.dir(), "providers") {
			bad = append(bad, s.path)
		}
	}
	return bad
}

func topOnly(t *tree) (bad []string) {
	for _, name := range t.top {
		if !slices.Contains(topLevel, name) {
			bad = append(bad, name)
		}
	}
	return bad
}

func short(t *tree) (bad []string) {
	for _, s := range t.sources {
		if s.lines > 600 {
			bad = append(bad, fmt.Sprintf("%s has %d lines", s.path, s.lines))
		}
	}
	return bad
}

func commented(t *tree) (bad []string) {
	state := map[string]bool{}
	for _, s := range t.sources {
		if s.test() {
			continue
		}
		doc := s.file.Doc.Text()
		good := strings.HasPrefix(doc, "Package "+s.file.Name.Name+" ") || (s.file.Name.Name == "main" && doc != "")
		state[s.dir()] = state[s.dir()] || good
	}
	for dir, good := range state {
		if !good {
			bad = append(bad, dir)
		}
	}
	slices.Sort(bad)
	return bad
}
