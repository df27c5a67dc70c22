package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"feegate/gateway/identity"
)

// pagesOf is every page of the console with where it is opened, by its pattern. A page that has no row here fails the tests.
func pagesOf(s *street) map[string][]string {
	id := func(query string) string { return s.one(query) }
	user, payment := s.idOf("mai"), id(`SELECT min(id) FROM payments WHERE status = 'succeeded'`)
	dis := id(`SELECT min(id) FROM discrepancies`)
	return map[string][]string{
		"GET /console":                         {"/console"},
		"GET /console/account":                 {"/console/account"},
		"GET /console/audit":                   {"/console/audit", "/console/audit?verify=1", "/console/audit?actor=niemand"},
		"GET /console/bank":                    {"/console/bank"},
		"GET /console/bank/{line}":             {"/console/bank/" + id(`SELECT min(id)::text FROM statement_lines`)},
		"GET /console/catalogue":               {"/console/catalogue", "/console/catalogue?show=agencies", "/console/catalogue?show=groups", "/console/catalogue?show=targets", "/console/catalogue?show=definitions"},
		"GET /console/closings":                {"/console/closings"},
		"GET /console/closings/{date}":         {"/console/closings/2026-03-10?account=acc_vnpay_7"},
		"GET /console/days/{date}":             {"/console/days/2026-03-10", "/console/days/2026-03-10?account=acc_vnpay_7"},
		"GET /console/discrepancies":           {"/console/discrepancies", "/console/discrepancies?kind=late"},
		"GET /console/discrepancies/{id}":      {"/console/discrepancies/" + dis},
		"GET /console/exceptions":              {"/console/exceptions"},
		"GET /console/exceptions/{rule}":       {"/console/exceptions/G4"},
		"GET /console/help/discrepancies":      {"/console/help/discrepancies"},
		"GET /console/imports/{id}":            {"/console/imports/" + id(`SELECT min(id) FROM imports WHERE kind = 'statement'`)},
		"GET /console/keys":                    {"/console/keys"},
		"GET /console/ledger":                  {"/console/ledger"},
		"GET /console/ledger/{account}":        {"/console/ledger/acc_vnpay_7"},
		"GET /console/outlook":                 {"/console/outlook"},
		"GET /console/payments/{id}":           {"/console/payments/" + payment},
		"GET /console/providers":               {"/console/providers"},
		"GET /console/providers/{id}":          {"/console/providers/acc_momo"},
		"GET /console/providers/{id}/messages": {"/console/providers/acc_momo/messages", "/console/providers/acc_momo/messages?raw=1"},
		"GET /console/accounts/new":            {"/console/accounts/new", "/console/accounts/new?provider=momo", "/console/accounts/new?provider=dvcqg"},
		"GET /console/providers/{id}/edit":     {"/console/providers/acc_momo/edit"},
		"GET /console/jobs":                    {"/console/jobs"},
		"GET /console/webhooks":                {"/console/webhooks"},
		"GET /console/webhooks/{id}":           {"/console/webhooks/" + id(`SELECT min(id) FROM webhook_endpoints`)},
		"GET /console/rate":                    {"/console/rate", "/console/rate?from=2025-01-01&to=2025-01-31"},
		"GET /console/rate/evidence":           {"/console/rate/evidence?figure=transactions"},
		"GET /console/refunds":                 {"/console/refunds"},
		"GET /console/refunds/lists/{id}":      {"/console/refunds/lists/" + id(`SELECT min(id) FROM refund_lists`)},
		"GET /console/reports":                 {"/console/reports"},
		"GET /console/reports/{from}/{to}/{n}": {"/console/reports/2026-02-01/2026-02-28/1"},
		"GET /console/search":                  {"/console/search?day=2026-03-10&amount=50000", "/console/search", "/console/search?q=H10.12-260310-1000", "/console/search?q=nirgends"},
		"GET /console/style":                   {"/console/style"},
		"GET /console/today":                   {"/console/today", "/console/today?days=7"},
		"GET /console/upload":                  {"/console/upload"},
		"GET /console/users":                   {"/console/users"},
		"GET /console/users/{id}":              {"/console/users/" + user},
	}
}

// files are what the console gives to keep, which are no pages.
func isFile(pattern string) bool {
	for _, end := range []string{".csv", ".xlsx", ".pdf", "/{file}", "/attachments/{n}", "/trace-letter"} {
		if strings.HasSuffix(pattern, end) {
			return true
		}
	}
	return false
}

// aFullMorning is a street with something of everything that the console shows.
func aFullMorning(t *testing.T) *street {
	s := newStreet(t)
	s.mayHook()
	bank := s.paidOut()
	api, lead := s.person("api", []identity.Role{identity.Finance}), s.person("lead", []identity.Role{identity.Approver})
	s.take("acc_vnpay_7", 0, 5)
	s.take("acc_momo_7", 10, 3)
	s.refunding(1, api, lead, "0123456789")
	s.move(24 * time.Hour)
	mai := s.officer("mai", []identity.Role{identity.Finance})
	settled := s.send(http.MethodGet, s.sim+"/control/vnpay/settlement?account=FEEGATE7&date=2026-03-10&lose=1&invent=1&alter=1&seed=3", nil, nil)
	if r := mai.upload("", mai.token(), map[string]string{"account": "acc_vnpay_7", "date": "2026-03-10"}, "f.csv", string(settled.body)); r.status != http.StatusOK || !strings.Contains(string(r.body), "Đã nhập") {
		t.Fatalf("%d %s", r.status, r.body)
	}
	statement := stated(bank, 1000000, [3]string{"FT26069001", "197800", "VNPAY FEEGATE7 TT GD NGAY 10/03/2026"}, [3]string{"FT26069002", "70000", "khong ro"}, [3]string{"FT26069003", "148350", "MOMO TRA TIEN"}, [3]string{"FT26069004", "-11000", "PHI SMS"})
	if r := mai.upload("", mai.token(), map[string]string{"kind": "statement"}, "s.csv", statement); r.status != http.StatusOK || !strings.Contains(string(r.body), "Đã nhập") {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := s.call(http.MethodPost, "/v1/webhook-endpoints", "", map[string]any{"url": s.sim + "/hook", "types": []string{"order.*"}}); r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	mai.acted(mai.act("/console/reports", url.Values{"from": {"2026-02-01"}, "to": {"2026-02-28"}}), "/console/reports/2026-02-01/2026-02-28/1?done=report-closed")
	lists := mai.act("/console/refunds/lists", url.Values{"agency": {"H10.12"}, "refund": {s.one(`SELECT min(id) FROM refunds`)}})
	if lists.status != http.StatusSeeOther {
		t.Fatalf("%d %s", lists.status, lists.body)
	}
	return s
}

// everybody is a person who may open every page; nobody should be, outside a test.
func (s *street) everybody() string {
	s.person("tất cả", []identity.Role{identity.Finance, identity.Approver, identity.Reporter, identity.Operator, identity.Admin, identity.Auditor})
	return "tất cả"
}

// Every page of the console, on a phone and at a desk, holds to every rule of axe-core and to its window; some in the dark too.
func TestEveryPageOfTheConsole(t *testing.T) {
	s := aFullMorning(t)
	pages := pagesOf(s)
	for pattern := range s.app.desk.Routes() {
		if strings.HasPrefix(pattern, "GET ") && !isFile(pattern) && pages[pattern] == nil {
			t.Errorf("%s has no row: where is it opened?", pattern)
		}
	}
	b := openBrowser(t, pictures(t), desk, host(t, s.api))
	b.open(s.api + "/console/sign-in")
	b.fill("#name", s.everybody())
	b.fill("#password", password)
	b.press("button.main", "Đăng xuất")
	dark := []string{"/console/style", "/console/today", "/console/rate", "/console/discrepancies", "/console/account", "/console/outlook", "/console/days/2026-03-10"}
	for _, pattern := range slices.Sorted(maps.Keys(pages)) {
		for n, address := range pages[pattern] {
			b.open(s.api + address)
			b.until("Giờ Việt Nam")
			if value(b, "which page", chromedp.Evaluate[string](`document.querySelector("main").className`)) == "problem" {
				t.Errorf("%s does not open", address)
			}
			name := strings.NewReplacer("GET /console", "every", "/", "-", "{", "", "}", "").Replace(pattern)
			b.look(fmt.Sprint(name, "-", n))
			if slices.Contains(dark, address) {
				b.scheme("dark", "")
				b.look(fmt.Sprint(name, "-", n, "-dark"))
				b.scheme("light", "")
			}
		}
	}
	b.open(s.api + "/console/today")
	b.press("a.tongue", "Tiếng Việt") // it turns the page, and what comes after, into English
	for n, address := range dark {
		b.open(s.api + address)
		b.until("Viet Nam time")
		b.look(fmt.Sprint("every-en-", n))
		b.scheme("dark", "")
		b.look(fmt.Sprint("every-en-", n, "-dark"))
		b.scheme("light", "")
	}
}

// What a leader takes to a meeting is one sheet, whatever the number of agencies.
func TestTheRatePrintsOnOneSheet(t *testing.T) {
	x := newExample(t, false, false)
	if _, err := x.db.ExecContext(t.Context(), `INSERT INTO agencies (code, name, position) SELECT 'H11.' || n, 'Ủy ban nhân dân xã có tên dài thứ ' || n, 100 + n FROM generate_series(1, 40) n`); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 40; n++ { // each has something of its own to show
		if _, err := x.db.ExecContext(t.Context(), `INSERT INTO dossiers (source_system, dossier_code, n, status, procedure_code, agency_code, received_on, closed_at, amount_due, applicant_ref, service_level, mode, recorded_at)
			SELECT 'portal', 'H11.' || $1::text, 1, 'closed', min(procedure_code), 'H11.' || $1::text, '2026-03-01', '2026-03-05', 1000, '', '', 'live', '2026-03-05' FROM orders`, n); err != nil {
			t.Fatal(err)
		}
	}
	b := openBrowser(t, pictures(t), desk, host(t, x.api))
	x.person("lãnh đạo", []identity.Role{identity.Reporter})
	b.open(x.api + "/console/sign-in")
	b.fill("#name", "lãnh đạo")
	b.fill("#password", password)
	b.press("button.main", "Tỷ lệ thanh toán trực tuyến")
	b.open(x.api + "/console/rate?from=2026-03-01&to=2026-03-31")
	b.until("thứ 40")
	raw := value(b, "print", func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		r, err := cdp.Call(ctx, t, page.PrintToPDF, page.PrintToPDFParams{PreferCSSPageSize: new(true), PrintBackground: new(true)})
		if err != nil {
			return nil, err
		}
		return r.Data, nil
	})
	file := filepath.Join(t.TempDir(), "rate.pdf")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := exec.Command("pdfinfo", file).Output()
	if err != nil || !regexp.MustCompile(`Pages:\s+1\n`).Match(info) || !strings.Contains(string(info), "A4") {
		t.Errorf("%v %s", err, info)
	}
	text, err := exec.Command("pdftotext", "-layout", file, "-").Output()
	for _, shown := range []string{"50,0 %", "Độ phủ dữ liệu", "Chỉ tiêu 30 %", "Mười hai tháng qua", "cơ quan khác", "OPR-1", "theo dữ liệu biết đến"} {
		if err != nil || !strings.Contains(strings.ReplaceAll(string(text), "\u00a0", " "), shown) {
			t.Errorf("%q is not on the sheet: %v", shown, err)
		}
	}
	if strings.Contains(string(text), "Đăng xuất") {
		t.Error("the navigation is on the sheet")
	}
}

// TestWhoMayOpenWhat holds the console to the table that people read: each page and act with the roles that it is for, asked as each role.
func TestWhoMayOpenWhat(t *testing.T) {
	const file = "testdata/console-rights.md"
	raw, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	table := map[string][]string{}
	for _, line := range strings.Split(string(raw), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) == 4 && (strings.HasPrefix(strings.TrimSpace(cells[1]), "GET ") || strings.HasPrefix(strings.TrimSpace(cells[1]), "POST ")) {
			table[strings.TrimSpace(cells[1])] = strings.Fields(cells[2])
		}
	}
	s, _, _, _ := morning(t)
	people := map[string]*officer{}
	for _, r := range identity.Roles() {
		n := identity.NewUser{Name: "one " + string(r), Password: password, Roles: []identity.Role{r}}
		if r == identity.PortalAdmin {
			n.ClientID = "cli_1"
		}
		if _, err := s.app.people.CreateUser(t.Context(), identity.System(), n); err != nil {
			t.Fatal(err)
		}
		people[string(r)] = s.browser().in(n.Name)
	}
	routes := s.app.desk.Routes()
	for pattern := range table {
		if routes[pattern] == nil {
			t.Errorf("%s has %s, which is no page or act", file, pattern)
		}
	}
	parts := regexp.MustCompile(`\{[^}]+\}`)
	for pattern := range routes {
		may, ok := table[pattern]
		if !ok {
			t.Errorf("%s has no row for %s", file, pattern)
			continue
		}
		method, path, _ := strings.Cut(pattern, " ")
		path = parts.ReplaceAllString(path, "x")
		if r := s.browser().do(method, path, "application/x-www-form-urlencoded", nil, nil); r.status != http.StatusSeeOther || !strings.HasPrefix(r.header.Get("Location"), "/console/sign-in") {
			t.Errorf("%s as nobody: %d", pattern, r.status)
		}
		for role, o := range people {
			if path == "/console/sign-out" {
				o = s.browser().in("one " + role)
			}
			r := o.do(method, path, "application/x-www-form-urlencoded", nil, nil)
			allowed := slices.Contains(may, role)
			switch { // an act without its form's token says so to who may do it, and nothing of it to others
			case r.status >= 500:
				t.Errorf("%s as %s: %d", pattern, role, r.status)
			case strings.Contains(string(r.body), "<code>forbidden</code>") == allowed:
				t.Errorf("%s as %s: %d, the table says %v", pattern, role, r.status, may)
			case method == http.MethodPost && allowed && r.status != http.StatusForbidden && r.status != http.StatusUnprocessableEntity && r.status != http.StatusBadRequest:
				t.Errorf("%s as %s without a token: %d", pattern, role, r.status)
			}
		}
	}
}
