package main

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"feegate/gateway/identity"
	"feegate/providers/sim"
)

// officer is a person at the console with a browser that runs no script.
type officer struct {
	s      *street
	client *http.Client
}

// officer makes a person with roles and signs them in at the console.
func (s *street) officer(name string, roles []identity.Role, agencies ...string) *officer {
	s.t.Helper()
	s.person(name, roles, agencies...)
	return s.browser().in(name)
}

// browser is one that nobody has signed in at; it runs no script.
func (s *street) browser() *officer {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &officer{s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// in signs a person in who has the tests' password.
func (o *officer) in(name string) *officer {
	o.s.t.Helper()
	if r := o.post("/console/sign-in", url.Values{"name": {name}, "password": {password}}, nil); r.status != http.StatusSeeOther || r.header.Get("Location") != "/console" {
		o.s.t.Fatalf("%s signs in: %d %s", name, r.status, r.body)
	}
	return o
}

func (o *officer) do(method, path, contentType string, body io.Reader, header map[string]string) reply {
	o.s.t.Helper()
	req, err := http.NewRequestWithContext(o.s.t.Context(), method, o.s.api+path, body)
	if err != nil {
		o.s.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := o.client.Do(req)
	if err != nil {
		o.s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		o.s.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, raw}
}

func (o *officer) get(path string) reply { return o.do(http.MethodGet, path, "", nil, nil) }

func (o *officer) post(path string, form url.Values, header map[string]string) reply {
	return o.do(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()), header)
}

var tokenField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// token is the session's, from any page that the person may open.
func (o *officer) token() string {
	o.s.t.Helper()
	page := o.get("/console")
	if to := page.header.Get("Location"); to != "" {
		page = o.get(to)
	}
	m := tokenField.FindSubmatch(page.body)
	if m == nil {
		o.s.t.Fatalf("no token: %d %s", page.status, page.body)
	}
	return string(m[1])
}

// act posts a form with what a page of ours puts into each.
func (o *officer) act(path string, form url.Values) reply {
	o.s.t.Helper()
	form.Set("csrf", o.token())
	if !form.Has("key") {
		form.Set("key", "key-"+strings.ReplaceAll(path, "/", "-")[:10]+regexp.MustCompile(`\W`).ReplaceAllString(form.Get("action"), ""))
	}
	return o.post(path, form, nil)
}

// upload sends a file as the page's form does.
func (o *officer) upload(query, csrf string, fields map[string]string, name, file string) reply {
	o.s.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("csrf", csrf)
	for k, v := range fields {
		_ = w.WriteField(k, v)
	}
	p, err := w.CreateFormFile("file", name)
	if err == nil {
		_, err = io.WriteString(p, file)
	}
	if err != nil || w.Close() != nil {
		o.s.t.Fatal(err)
	}
	return o.do(http.MethodPost, "/console/upload"+query, w.FormDataContentType(), &b, nil)
}

// morning is a street with a day that does not agree, and what is found there.
func morning(t *testing.T) (s *street, mai *officer, discrepancy, payment string) {
	t.Helper()
	s = newStreet(t)
	s.paid("momo", 4, true)
	mai = s.officer("mai", []identity.Role{identity.Finance})
	file := s.settlement("momo", sim.Changes{Invent: 1, Seed: 3})
	r := mai.upload("", mai.token(), map[string]string{"account": "acc_momo", "date": day}, "<script>alert(1)</script>.csv", file)
	if r.status != http.StatusOK || !strings.Contains(string(r.body), "Đã nhập") {
		t.Fatalf("%d %s\n%s", r.status, r.body, s.logs)
	}
	read := s.person("reads", []identity.Role{identity.Finance})
	discrepancy = text(s.list(read, "kind=missing_at_gateway")[0]["id"])
	payment = s.one(`SELECT min(id) FROM payments WHERE status = 'succeeded'`)
	return s, mai, discrepancy, payment
}

// one gives one text of the database.
func (s *street) one(query string) (v string) {
	s.t.Helper()
	if err := s.db.GetContext(s.t.Context(), &v, query); err != nil {
		s.t.Fatal(err)
	}
	return v
}

func TestTheConsoleOpensItsPagesByRole(t *testing.T) {
	s, _, dis, pay := morning(t)
	people := map[string]*officer{}
	for _, r := range identity.Roles() {
		if r != identity.PortalAdmin {
			people[string(r)] = s.officer("a-"+string(r), []identity.Role{r})
		}
	}
	if _, err := s.app.people.CreateUser(t.Context(), identity.System(), identity.NewUser{Name: "a-portal", Password: password, Roles: []identity.Role{identity.PortalAdmin}, ClientID: "cli_1"}); err != nil {
		t.Fatal(err)
	}
	people["portal_admin"] = s.browser().in("a-portal")
	reading, reporting := []string{"finance", "approver", "auditor"}, []string{"finance", "approver", "auditor", "reporter"}
	stranger := &officer{s, &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	for path, may := range map[string][]string{"/console/today": reading, "/console/days/" + day: reading, "/console/days/" + day + "?account=acc_momo": reading,
		"/console/upload": {"finance", "auditor"}, "/console/discrepancies": reading, "/console/discrepancies/" + dis: reading, "/console/payments/" + pay: reading,
		"/console/search?q=H10.12-260310-0100": reading, "/console/rate": reporting, "/console/rate.csv": reporting, "/console/discrepancies.csv?status=": reading, "/console/help/discrepancies": reading, "/console/refunds": reading, "/console/ledger": reading, "/console/ledger.csv": reading, "/console/ledger/acc_momo": reading, "/console/ledger/acc_momo/clearing.csv": reading, "/console/bank": reading, "/console/discrepancies?select=all&sort=age": reading, "/console/rate/evidence?figure=transactions": reporting, "/console/outlook": reporting, "/console/papers/BM-05.pdf": reporting, "/console/reports": append([]string{"admin"}, reporting...), "/console/audit": {"admin", "auditor"}, "/console/users": {"admin", "auditor"}, "/console/keys": {"admin", "auditor", "portal_admin"}, "/console/account": {"admin", "auditor", "portal_admin", "operator", "finance", "approver", "reporter"}, "/console/exceptions": reporting, "/console/exceptions/G4": reporting} {
		if r := stranger.get(path); r.status != http.StatusSeeOther || r.header.Get("Location") != "/console/sign-in?next="+url.QueryEscape(path) {
			t.Errorf("nobody at %s: %d to %q", path, r.status, r.header.Get("Location"))
		}
		for role, o := range people {
			want := http.StatusForbidden
			for _, m := range may {
				if m == role {
					want = http.StatusOK
				}
			}
			r := o.get(path)
			if r.status != want {
				t.Errorf("%s at %s: %d, want %d", role, path, r.status, want)
			}
			csp := r.header.Get("Content-Security-Policy")
			if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "form-action 'self'") || r.header.Get("Cache-Control") != "no-store" ||
				r.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(csp, "frame-ancestors 'none'") {
				t.Errorf("%s at %s: headers %v", role, path, r.header)
			}
			if bytes.Contains(r.body, []byte("<script>")) {
				t.Errorf("%s: somebody's words became a script", path)
			}
		}
	}
	acts := map[string][]string{"/console/layouts/lay_none/confirm": {"finance"}, "/console/refunds/lists": {"finance"},
		"/console/discrepancies/" + dis + "/assign": {"finance"}, "/console/discrepancies/" + dis + "/notes": {"finance"}, "/console/discrepancies/" + dis + "/trace": {"finance"},
		"/console/discrepancies/" + dis + "/reopen": {"finance"}, "/console/days/" + day + "/match": {"finance"}, "/console/discrepancies/" + dis + "/resolutions": {"finance"},
		"/console/discrepancies/" + dis + "/resolutions/9/approve": {"approver"}, "/console/payments/" + pay + "/refunds": {"finance"}, "/console/refunds/rfd_none/approve": {"approver"}, "/console/reports/2026-01-01/2026-01-31/1/approve": {"approver"}}
	for path, may := range acts {
		if r := stranger.post(path, url.Values{"csrf": {"x"}}, nil); r.status != http.StatusSeeOther || r.header.Get("Location") != "/console/sign-in" {
			t.Errorf("nobody at %s: %d", path, r.status)
		}
		for role, o := range people {
			r := o.act(path, url.Values{})
			if forbidden := r.status == http.StatusForbidden; forbidden == (may[0] == role) && !strings.Contains(string(r.body), "Biểu mẫu đã cũ") {
				t.Errorf("%s at %s: %d %s", role, path, r.status, r.body)
			}
		}
	}
	if r := people["reporter"].get("/console"); r.header.Get("Location") != "/console/rate" {
		t.Errorf("a reporter begins at %q", r.header.Get("Location"))
	}
	if r := people["portal_admin"].get("/console"); r.header.Get("Location") != "/console/keys" {
		t.Errorf("a portal's admin begins at %q", r.header.Get("Location"))
	}
}

func TestAFormMustBeOurs(t *testing.T) {
	s, mai, dis, pay := morning(t)
	lan := s.officer("lan", []identity.Role{identity.Approver})
	before := s.count(`SELECT (SELECT count(*) FROM resolutions) + (SELECT count(*) FROM refunds) + (SELECT count(*) FROM imports) + (SELECT count(*) FROM sessions)`)
	file := s.settlement("vnpay", sim.Changes{Invent: 1, Seed: 5})
	for _, csrf := range []string{"", "x", mai.token()[1:], lan.token()} {
		for path, form := range map[string]url.Values{"/console/discrepancies/" + dis + "/resolutions": {"action": {"explain"}, "note": {"x"}, "key": {"12345678"}},
			"/console/payments/" + pay + "/refunds": {"amount": {"1"}, "available": {"50000"}, "reason": {"x"}, "key": {"12345678"}}, "/console/days/" + day + "/match": {"account": {"acc_momo"}}, "/console/sign-out": {}} {
			form.Set("csrf", csrf)
			if r := mai.post(path, form, nil); r.status != http.StatusForbidden || !strings.Contains(string(r.body), "Biểu mẫu đã cũ") {
				t.Errorf("%s with the token %q: %d", path, csrf, r.status)
			}
		}
		if r := mai.upload("", csrf, map[string]string{"account": "acc_vnpay", "date": day}, "f.csv", file); r.status != http.StatusForbidden {
			t.Errorf("an upload with the token %q: %d", csrf, r.status)
		}
	}
	for path, form := range map[string]url.Values{"/console/sign-in": {"name": {"mai"}, "password": {password}}, "/console/sign-out": {"csrf": {mai.token()}}} {
		for _, h := range []map[string]string{{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}} {
			if r := mai.post(path, form, h); r.status != http.StatusForbidden {
				t.Errorf("%s from elsewhere (%v): %d", path, h, r.status)
			}
		}
	}
	if after := s.count(`SELECT (SELECT count(*) FROM resolutions) + (SELECT count(*) FROM refunds) + (SELECT count(*) FROM imports) + (SELECT count(*) FROM sessions)`); after != before {
		t.Errorf("%d things, then %d", before, after)
	}

	u, _ := url.Parse(s.api + "/console")
	cookie := mai.client.Jar.Cookies(u)
	r := mai.post("/console/sign-in", url.Values{"name": {"mai"}, "password": {password}, "next": {"https://evil.example"}}, nil)
	set := r.header.Get("Set-Cookie")
	if r.header.Get("Location") != "/console" || !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Strict") || !strings.Contains(set, "Path=/console") {
		t.Errorf("%q to %q", set, r.header.Get("Location"))
	}
	if r := mai.act("/console/sign-out", url.Values{}); r.status != http.StatusSeeOther {
		t.Errorf("signing out: %d", r.status)
	}
	if len(cookie) != 1 {
		t.Fatalf("cookies: %v", cookie)
	}
	if r := mai.get("/console/today"); r.status != http.StatusSeeOther {
		t.Errorf("after signing out: %d", r.status)
	}
}

func TestAnotherAgencysThingsAreNotThere(t *testing.T) {
	s, _, dis, pay := morning(t)
	hoa := s.officer("hoa", []identity.Role{identity.Finance, identity.Approver}, "H10.99")
	for _, path := range []string{"/console/discrepancies/" + dis, "/console/payments/" + pay, "/console/days/" + day + "?account=acc_momo", "/console/discrepancies?account=acc_momo"} {
		if r := hoa.get(path); r.status != http.StatusNotFound || strings.Contains(string(r.body), "UBND xã") {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	for _, path := range []string{"/console/today?days=31", "/console/days/" + day, "/console/discrepancies?status=", "/console/search?q=H10.12-260310-0100", "/console/search?q=" + pay, "/console/upload", "/console/refunds", "/console/ledger", "/console/ledger.csv", "/console/bank",
		"/console/rate?from=2026-01-01", "/console/rate/evidence?from=2026-01-01", "/console/rate.csv?from=2026-01-01", "/console/discrepancies.csv?status="} {
		if r := hoa.get(path); r.status != http.StatusOK || strings.Contains(string(r.body), "UBND xã") || strings.Contains(string(r.body), "acc_momo") {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	if r := hoa.act("/console/discrepancies/"+dis+"/resolutions", url.Values{"action": {"explain"}, "note": {"x"}, "key": {"12345678"}}); r.status != http.StatusNotFound {
		t.Errorf("resolving: %d", r.status)
	}
	if r := hoa.act("/console/payments/"+pay+"/refunds", url.Values{"amount": {"1"}, "available": {"50000"}, "reason": {"x"}, "key": {"12345678"}}); r.status != http.StatusNotFound {
		t.Errorf("refunding: %d", r.status)
	}
	if r := hoa.upload("", hoa.token(), map[string]string{"account": "acc_momo", "date": day}, "f.csv", s.settlement("momo", sim.Changes{})); r.status != http.StatusUnprocessableEntity {
		t.Errorf("importing: %d", r.status)
	}
	if n := s.count(`SELECT (SELECT count(*) FROM resolutions) + (SELECT count(*) FROM refunds)`); n != 0 {
		t.Errorf("%d things were done", n)
	}
}

func TestAMorningAtTheConsole(t *testing.T) {
	s, mai, dis, pay := morning(t)
	s.move(24 * 3600e9)
	path := "/console/discrepancies/" + dis
	if r := mai.act(path+"/resolutions", url.Values{"action": {"explain"}, "note": {"  "}, "key": {"key-empty"}}); r.status != http.StatusUnprocessableEntity ||
		!strings.Contains(string(r.body), "phải ghi lý do") {
		t.Errorf("no reason: %d %s", r.status, r.body)
	}
	form := url.Values{"action": {"write_off"}, "note": {"Số nhỏ <script>alert(1)</script>"}, "key": {"key-write-off"}}
	for range 2 { // pressed twice
		if r := mai.act(path+"/resolutions", form); r.status != http.StatusSeeOther || r.header.Get("Location") != path+"?done=proposed" {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	if n := s.count(`SELECT count(*) FROM resolutions`); n != 1 {
		t.Errorf("%d proposals", n)
	}
	if page := string(mai.get(path).body); strings.Contains(page, "<script>") || !strings.Contains(page, "&lt;script&gt;") || !strings.Contains(page, "cần một người duyệt khác") || strings.Contains(page, "/approve") {
		t.Errorf("%s", page)
	}
	both := s.officer("both", []identity.Role{identity.Finance, identity.Approver})
	if page := string(both.get("/console/today").body); !strings.Contains(page, "<b>1</b> chờ tôi duyệt") || !strings.Contains(page, "✕</span> Lệch, chờ tiền về") {
		t.Errorf("%s", page)
	}
	if r := both.act(path+"/resolutions/1/approve", url.Values{}); r.status != http.StatusSeeOther {
		t.Errorf("approving: %d %s", r.status, r.body)
	}
	if r := both.act("/console/payments/"+pay+"/refunds", url.Values{"amount": {"20.000 ₫"}, "available": {"50000"}, "reason": {"nộp nhầm"}, "key": {"key-refund"}}); r.status != http.StatusSeeOther {
		t.Fatalf("%d %s", r.status, r.body)
	}
	refund := s.one(`SELECT id FROM refunds`)
	if r := both.act("/console/refunds/"+refund+"/approve", url.Values{}); r.status != http.StatusForbidden || !strings.Contains(string(r.body), "Cần người khác quyết định") {
		t.Errorf("approving one's own: %d %s", r.status, r.body)
	}
	lan := s.officer("lan", []identity.Role{identity.Approver})
	if page := string(lan.get("/console/payments/" + pay).body); !strings.Contains(page, "Duyệt hoàn 20.000\u00a0₫") {
		t.Errorf("%s", page)
	}
	if r := lan.act("/console/refunds/"+refund+"/reject", url.Values{"note": {"không có cơ sở"}}); r.status != http.StatusSeeOther {
		t.Errorf("rejecting: %d %s", r.status, r.body)
	}
	for q, want := range map[string]string{pay: "/console/payments/" + pay, dis: path, refund: "/console/payments/" + pay} {
		if r := mai.get("/console/search?q=" + q); r.header.Get("Location") != want {
			t.Errorf("searching %s leads to %q", q, r.header.Get("Location"))
		}
	}
	reference := s.one(`SELECT provider_reference FROM payments WHERE id = '` + pay + `'`)
	transaction := s.one(`SELECT provider_transaction FROM payments WHERE id = '` + pay + `'`)
	for _, q := range []string{reference, transaction, "N0", "H10.12-260310-0100", s.one(`SELECT order_id FROM payments WHERE id = '` + pay + `'`)} {
		if page := string(mai.get("/console/search?q=" + q).body); !strings.Contains(page, "/console/payments/pay_") {
			t.Errorf("searching %s: %s", q, page)
		}
	}
	for _, q := range []string{"nothing", "pay_none", "%00", strings.Repeat("x", 500)} {
		if r := mai.get("/console/search?q=" + q); r.status != http.StatusOK {
			t.Errorf("searching %.20s: %d", q, r.status)
		}
	}
	list := mai.get("/console/discrepancies.csv?status=")
	if rows := strings.Split(strings.TrimSpace(string(list.body)), "\n"); len(rows) != 1+s.count(`SELECT count(*) FROM discrepancies`) || !strings.HasPrefix(rows[0], "\ufeffMã,Ngày") ||
		!strings.Contains(list.header.Get("Content-Disposition"), "sai-lech.csv") {
		t.Errorf("%v %s", list.header, list.body)
	}
	if r := mai.get("/console/rate.csv?from=nonsense"); r.status != http.StatusUnprocessableEntity {
		t.Errorf("the rate of no day: %d", r.status)
	}
	for query, want := range map[string]int{"date=nonsense": 422, "kind=nonsense": 422, "after=x": 422, "status=": 200, "date=" + day: 200} {
		if r := mai.get("/console/discrepancies?" + query); r.status != want {
			t.Errorf("%s: %d, want %d", query, r.status, want)
		}
	}
	bad := mai.upload("?preview=1", mai.token(), map[string]string{"account": "acc_vnpay", "date": day}, "x.csv", "a,b\n1,2\n")
	if bad.status != http.StatusUnprocessableEntity || !strings.Contains(string(bad.body), "dòng 1") || !strings.Contains(string(bad.body), "dòng tiêu đề") {
		t.Errorf("a wrong file: %d %s", bad.status, bad.body)
	}
}

func TestAReturnAddressIsOfTheWeb(t *testing.T) {
	s := newStreet(t)
	for n, address := range []string{"javascript:alert(1)", "data:text/html,x", "//evil.example", "/relative", "ftp://x.example/", "http://user:pass@x.example/"} {
		body := strings.Replace(anOrder("R-return"), `"amount":50000`, `"amount":50000,"return_url":"`+address+`"`, 1)
		if r := s.call(http.MethodPost, "/v1/orders", "return-"+string(rune('a'+n)), body); r.status != http.StatusUnprocessableEntity || !strings.Contains(string(r.body), "return_url") {
			t.Errorf("%s: %d %s", address, r.status, r.body)
		}
	}
}
