package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// routesOfAPage are all that a token opens.
var routesOfAPage = []struct{ method, path string }{{http.MethodGet, ""}, {http.MethodPost, ""}, {http.MethodPost, "/ask"}, {http.MethodGet, "/status"},
	{http.MethodGet, "/events"}, {http.MethodGet, "/confirmation.pdf"}}

// A token opens its own order's page and nothing else; a changed one opens nothing, and no answer says whether an order is there.
func TestATokenIsGoodForPayingItsOrderOnly(t *testing.T) {
	s := newStreet(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a stream that opened would go on for long
	defer cancel()
	mine := s.call(http.MethodPost, "/v1/orders", "k1", anOrder("R-mine")).get(t)
	other := s.call(http.MethodPost, "/v1/orders", "k2", strings.Replace(anOrder("R-other"), "0007", "0008", 1)).get(t)
	token := func(o map[string]any) string {
		_, after, _ := strings.Cut(text(o["checkout_url"]), "/pay/")
		return after
	}
	a, b := token(mine), token(other)
	idA, macA, _ := strings.Cut(a, ".")
	idB, macB, _ := strings.Cut(b, ".")
	if idA == macA || macA == macB || len(macA) != 24 {
		t.Fatalf("%s %s", a, b)
	}
	bad := []string{idA + "." + macB, idB + "." + macA, idA, idA + ".", "." + macA, idA + "." + macA + "=", "ord_" + a, strings.ToUpper(a),
		text(mine["id"]), idA + "." + macA[:23], "nobody." + macA, a + "%00", a + "?x", strings.Repeat("x", 5000)}
	for i := range macA { // each letter counts
		c := "A"
		if macA[i] == 'A' {
			c = "B"
		}
		bad = append(bad, idA+"."+macA[:i]+c+macA[i+1:])
	}
	gone := s.visitor("/pay/nobody.nothing")
	_, _, nobody := gone.do(ctx, http.MethodGet, "", nil)
	for _, wrong := range bad {
		p := s.visitor("/pay/x")
		p.page = s.api + "/pay/" + strings.NewReplacer("?", "%3F", "=", "%3D").Replace(wrong)
		for _, r := range routesOfAPage {
			status, _, body := p.do(ctx, r.method, r.path, url.Values{"account": {"acc_momo"}, "key": {"k"}})
			if status != http.StatusNotFound || strings.Contains(body, "0007") || strings.Contains(body, idA) {
				t.Errorf("%s %s%s: %d %.200s", r.method, wrong, r.path, status, body)
			}
			if r.method == http.MethodGet && r.path == "" && body != nobody {
				t.Errorf("%s is told something else than a stranger", wrong)
			}
		}
	}
	if n := s.count(`SELECT count(*) FROM payments`); n != 0 {
		t.Errorf("%d payments were started", n)
	}
	// It is no key, no session, and no sign-in; and what the address is good for is no other method's business.
	for _, path := range []string{"/v1/orders", "/v1/orders/" + text(mine["id"]), "/v1/events", "/v1/discrepancies", "/v1/audit"} {
		if r := s.as(a, http.MethodGet, path, "", nil); r.status != http.StatusUnauthorized {
			t.Errorf("%s with a page's token: %d", path, r.status)
		}
	}
	if r := s.as(a, http.MethodPost, "/v1/orders/"+text(mine["id"])+"/cancel", "c", nil); r.status != http.StatusUnauthorized {
		t.Errorf("cancelled with a page's token: %d", r.status)
	}
	for _, cookie := range []string{"feegate", "feegate_session", "session"} {
		if r := s.send(http.MethodGet, s.api+"/console/today", nil, map[string]string{"Cookie": cookie + "=" + a}); r.status == http.StatusOK && strings.Contains(string(r.body), "Việc sáng nay") {
			t.Errorf("the console opens by a page's token as the cookie %s", cookie)
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
		if r := s.send(method, s.api+"/pay/"+a, nil, nil); r.status != http.StatusNotFound {
			t.Errorf("%s: %d", method, r.status)
		}
	}
	// The account is one that the page offers: another agency's, another's name, nothing at all start nothing.
	for _, account := range []string{"", "acc_nobody", "acc_momo/card", "acc_momo/nonsense", "../../x"} {
		p := s.visitor(mine["checkout_url"])
		if status, head, _ := p.do(ctx, http.MethodPost, "", url.Values{"account": {account}, "key": {"k" + account}}); status == http.StatusSeeOther && account != "acc_momo/card" {
			t.Errorf("%q was paid into: %v", account, head)
		}
	}
}

// Every answer under /pay/ is framed by nobody, kept by nobody, and tells nobody where the payer came from.
func TestNobodyFramesAPage(t *testing.T) {
	s := newStreet(t)
	o := s.call(http.MethodPost, "/v1/orders", "k1", anOrder("R-frame")).get(t)
	pages := []*visitor{s.visitor(o["checkout_url"]), s.visitor("/pay/nobody.x")}
	for _, p := range pages {
		for _, r := range routesOfAPage {
			if r.path == "/events" {
				continue // a stream; its head is the same
			}
			_, head, _ := p.do(t.Context(), r.method, r.path, url.Values{})
			csp := head.Get("Content-Security-Policy")
			if head.Get("X-Frame-Options") != "DENY" || !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "default-src 'none'") ||
				strings.Contains(csp, "unsafe") || head.Get("X-Content-Type-Options") != "nosniff" || head.Get("Referrer-Policy") != "no-referrer" || head.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: %v", r.method, r.path, head)
			}
		}
	}
	body := pages[0].sees("")
	if bad := regexp.MustCompile(`(?i)<script>|\son\w+=|style=|<style|javascript:`).FindString(body); bad != "" {
		t.Errorf("inline: %q", bad)
	}
}

// evil is what somebody writes who wants it to run, or to leave its place.
const evil = `"'><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}&amp;`

// What portals, agencies and providers write reaches the page as text.
func TestWhatOthersWroteIsText(t *testing.T) {
	s := newStreet(t)
	for _, q := range []string{`UPDATE agencies SET name = 'Agency ' || $1`, `UPDATE procedures SET name = 'Procedure ' || $1`} {
		if _, err := s.db.ExecContext(t.Context(), q, evil); err != nil {
			t.Fatal(err)
		}
	}
	word, err := json.Marshal(evil)
	if err != nil {
		t.Fatal(err)
	}
	in := func(of string) string { return `"` + of + " " + string(word[1:]) }
	body := strings.NewReplacer(`"name":"Lệ phí"`, `"name":`+in("Fee")+`,"purpose":`+in("Purpose"), `"Nguyễn Văn A"`, in("Payer"),
		`"amount":50000}`, `"amount":50000,"metadata":{"k":`+in("Meta")+`},"return_url":"https://portal.example/x?\"'><script>alert(3)</script>"}`).Replace(anOrder("Reference " + string(word[1:len(word)-1])))
	r := s.call(http.MethodPost, "/v1/orders", "k1", body)
	if r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	o := r.get(t)
	order, p := text(o["id"]), s.visitor(o["checkout_url"])
	clean := func(body string, wants ...string) {
		t.Helper()
		for _, w := range wants {
			if !strings.Contains(body, w+` &#34;&#39;&gt;&lt;script&gt;alert(1)`) {
				t.Errorf("%s is not there as text:\n%s", w, body)
			}
		}
		for _, never := range []string{"<script>", "<img", `"'>`, "Payer", "Meta", "Purpose"} {
			if strings.Contains(body, never) {
				t.Errorf("%q in\n%s", never, body)
			}
		}
	}
	clean(p.sees(""), "Agency", "Procedure", "Fee")
	for _, path := range []string{"?lang=" + url.QueryEscape(evil), "?again=" + url.QueryEscape(evil), "?asked=" + url.QueryEscape(evil), "?return_url=https://evil.example"} {
		body := p.sees(path)
		clean(body)
		if strings.Contains(body, "evil.example") {
			t.Error("an address of the asker's own is on the page")
		}
	}
	status, head, answer := p.do(t.Context(), http.MethodPost, "", url.Values{"account": {evil}, "key": {evil}})
	if status != http.StatusConflict || head.Get("Location") != "" {
		t.Errorf("%d %v", status, head)
	}
	clean(answer)
	p.chooses("", "acc_momo")
	clean(p.sees(""))
	s.decide("momo", s.reference(order), map[string]any{"outcome": "succeed"})
	receipt := `{"kind":"le_phi","series":` + `"S \"'><b>x"` + `,"number":"N <script>1"}`
	if r := s.call(http.MethodPut, "/v1/orders/"+order+"/receipts", "", receipt); r.status/100 != 2 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	paid := p.sees("", "S &#34;&#39;&gt;&lt;b&gt;x", "N &lt;script&gt;1", `href="https://portal.example/x?%22%27%3e%3cscript%3ealert%283%29%3c/script%3e"`)
	clean(paid, "Agency", "Procedure", "Fee")
	// On paper too, and its name in the head of the answer is of plain letters.
	status, head, pdf := p.do(t.Context(), http.MethodGet, "/confirmation.pdf", nil)
	if status != http.StatusOK || !regexp.MustCompile(`^attachment; filename="[A-Za-z0-9.-]+"$`).MatchString(head.Get("Content-Disposition")) {
		t.Errorf("%d %v", status, head)
	}
	if paper := printed(t, pdf); !strings.Contains(paper, "Fee \"'><script>") || strings.Contains(paper, "Payer") {
		t.Errorf("%s", paper)
	}
}

// The way back leads where the portal said when it made the order, and nowhere else.
func TestTheWayBackIsNoOpenDoor(t *testing.T) {
	s := newStreet(t)
	for n, bad := range []string{"javascript:alert(1)", "data:text/html,x", "//evil.example/x", "/console", "https:evil.example", "https:///x", "http://user:pass@evil.example/",
		"ftp://evil.example/", "https://a.example/\r\nSet-Cookie: x=1", "https://a.example/\nx", "https://a\\@evil.example/", "https://" + strings.Repeat("x", 600)} {
		raw, err := json.Marshal(bad)
		if err != nil {
			t.Fatal(err)
		}
		r := s.call(http.MethodPost, "/v1/orders", fmt.Sprint("k", n), strings.Replace(anOrder(fmt.Sprint("R", n)), `"amount":50000}`, `"amount":50000,"return_url":`+string(raw)+`}`, 1))
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(string(r.body), "return_url") {
			t.Errorf("%q: %d %s", bad, r.status, r.body)
		}
	}
	o := s.call(http.MethodPost, "/v1/orders", "k", anOrder("R-line")).get(t)
	p := s.visitor(o["checkout_url"])
	for _, path := range []string{"?lang=en%0d%0aX-Evil:1", "?again=1%0d%0aX-Evil:1", "/ask?lang=en%0d%0aX-Evil:1"} {
		method := http.MethodGet
		if strings.HasPrefix(path, "/ask") {
			method = http.MethodPost
		}
		_, head, _ := p.do(t.Context(), method, path, url.Values{})
		if head.Get("X-Evil") != "" || strings.ContainsAny(head.Get("Location")+head.Get("Set-Cookie"), "\r\n") || strings.Contains(head.Get("Location"), "vil") {
			t.Errorf("%s: %v", path, head)
		}
	}
}

var linked = regexp.MustCompile(`(?:href|src)="([^"]+)"`)

// firstView counts what a browser fetches to show the page the first time: bytes as they are and as they come.
func (p *visitor) firstView(path string) (plain, sent int) {
	p.s.t.Helper()
	get := func(address string) []byte {
		req, err := http.NewRequestWithContext(p.s.t.Context(), http.MethodGet, address, nil)
		if err != nil {
			p.s.t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "gzip")
		resp, err := p.client.Do(req)
		if err != nil {
			p.s.t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		raw, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			p.s.t.Fatalf("%s: %d %v", address, resp.StatusCode, err)
		}
		sent += len(raw)
		for k, values := range resp.Header {
			for _, v := range values {
				sent += len(k) + len(v) + 4
			}
		}
		if resp.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(strings.NewReader(string(raw)))
			if err != nil {
				p.s.t.Fatal(err)
			}
			if raw, err = io.ReadAll(z); err != nil {
				p.s.t.Fatal(err)
			}
		}
		plain += len(raw)
		return raw
	}
	html := string(get(p.page + path))
	head, _, _ := strings.Cut(html, "</head>")
	files := linked.FindAllStringSubmatch(head, -1)
	if len(files) < 3 || strings.Contains(html, "<img") || strings.Contains(html, "<iframe") {
		p.s.t.Errorf("%v", files)
	}
	for _, f := range files {
		if !strings.HasPrefix(f[1], "/pay/") {
			p.s.t.Errorf("the page asks a stranger: %s", f[1])
			continue
		}
		if css := string(get(p.s.api + f[1])); strings.Contains(css, "@import") || strings.Contains(css, "url(") || regexp.MustCompile(`https?://`).MatchString(css) {
			p.s.t.Errorf("%s fetches more", f[1])
		}
	}
	return plain, sent
}

// The first view of each page is light, even of an order of fifty lines with everything that can be paid by.
func TestTheFirstViewIsLight(t *testing.T) {
	s := newStreet(t)
	s.bank()
	s.zalopay()
	var lines []string
	for n := range 50 {
		lines = append(lines, fmt.Sprintf(`{"fee_code":"HT%d","kind":"le_phi","name":"Lệ phí số %d: %s","quantity":2,"unit_amount":25000,"gross":50000,"net":50000}`, n, n, strings.Repeat("chữ ", 20)))
	}
	most := `{"reference":"M","dossier_code":"H10.12-260310-0099","procedure_code":"1.001","agency_code":"H10.12","lines":[` + strings.Join(lines, ",") + `],"amount":2500000}`
	large := s.visitor(s.ok(s.call(http.MethodPost, "/v1/orders", "m", most), http.StatusCreated)["checkout_url"])
	small := s.visitor(s.ok(s.call(http.MethodPost, "/v1/orders", "o", anOrder("R1")), http.StatusCreated)["checkout_url"])
	check := func(name string, p *visitor) {
		t.Helper()
		plain, sent := p.firstView("")
		t.Logf("%s: %d bytes, %d as sent with heads", name, plain, sent)
		if plain >= 60_000 || sent >= 60_000 {
			t.Errorf("%s: %d bytes, %d as sent", name, plain, sent)
		}
	}
	check("choose", small)
	check("choose, fifty lines", large)
	small.chooses("", "acc_sepay/qr")
	large.chooses("", "acc_sepay/qr")
	check("code", small)
	check("code, fifty lines", large)
	small.chooses("?again=1", "acc_momo")
	check("waiting", small)
	if !slices.Contains([]string{"open"}, s.orderStatus(text(s.call(http.MethodGet, "/v1/orders?reference=R1", "", nil).get(t)["items"].([]any)[0].(map[string]any)["id"]))) {
		t.Error("it is not open any more")
	}
}
