package main

import (
	"bytes"
	"encoding/csv"
	"html"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
)

// columns are those of a kind of type that hold words which people or other programs wrote: the ones that a value may be put in
// front of. What a check, a key or a digest holds stays as it is.
func (s *street) columns() (out [][2]string) {
	s.t.Helper()
	var rows []struct{ Table, Column string }
	err := dbtest.Admin(s.t, s.db).SelectContext(s.t.Context(), &rows, `SELECT c.table_name AS table, c.column_name AS column FROM information_schema.columns c
		JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.table_type = 'BASE TABLE'
		WHERE c.table_schema = 'public' AND c.data_type = 'text' AND c.table_name NOT LIKE 'goose%' AND c.table_name NOT LIKE 'river%'
			AND c.column_name ~ '(name|note|reason|detail|description|content|remark|officer|title|legal_basis|source|message|comment|purpose|evidence|reference|transaction|from_account|counterparty|label|why|text|words)$'
		ORDER BY 1, 2`)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range rows {
		out = append(out, [2]string{r.Table, r.Column})
	}
	return out
}

// plant puts a text in front of every column of words that takes it, as somebody could who found one way in that checks nothing.
func (s *street) plant(text string) (planted int) {
	s.t.Helper()
	db := dbtest.Admin(s.t, s.db)
	for _, c := range s.columns() {
		tx, err := db.BeginTxx(s.t.Context(), nil)
		if err != nil {
			s.t.Fatal(err)
		}
		n := int64(0)
		if _, err = tx.ExecContext(s.t.Context(), `ALTER TABLE "`+c[0]+`" DISABLE TRIGGER USER`); err == nil {
			r, failed := tx.ExecContext(s.t.Context(), `UPDATE "`+c[0]+`" SET "`+c[1]+`" = $1 || "`+c[1]+`" WHERE "`+c[1]+`" <> ''`, text)
			if err = failed; err == nil {
				n, _ = r.RowsAffected()
			}
		}
		if err == nil {
			_, err = tx.ExecContext(s.t.Context(), `ALTER TABLE "`+c[0]+`" ENABLE TRIGGER USER`)
		}
		if err != nil || n == 0 {
			_ = tx.Rollback() // it has a closed list of values, or is a reference: nobody's words
			continue
		}
		if err := tx.Commit(); err != nil {
			s.t.Fatal(err)
		}
		planted++
	}
	return planted
}

// everyAddress is every page of the console that is opened somewhere, in order.
func everyAddress(s *street) (out []string) {
	pages := pagesOf(s)
	for _, pattern := range slices.Sorted(maps.Keys(pages)) {
		out = append(out, pages[pattern]...)
	}
	return out
}

// What stands in any field, whoever wrote it and however it came in, is a text on a page and never markup, and in a file never a formula.
func TestNobodysWordsBecomeMarkup(t *testing.T) {
	s := aFullMorning(t)
	mai, all := s.browser().in("mai"), s.browser().in(s.everybody())
	dis := s.one(`SELECT min(id) FROM discrepancies`)
	const script = `"'><img src=x onerror=alert(1)><script>alert(1)</script>{{.}}`
	// By the doors: forms, addresses, files' names.
	for path, form := range map[string]url.Values{
		"/console/discrepancies/" + dis + "/notes":                                                           {"note": {script}},
		"/console/discrepancies/" + dis + "/assign":                                                          {"owner": {script}, "deadline": {script}},
		"/console/discrepancies/" + dis + "/resolutions":                                                     {"action": {"explain"}, "note": {script}},
		"/console/payments/" + s.one(`SELECT min(id) FROM payments WHERE status = 'succeeded'`) + "/refunds": {"amount": {"1.000"}, "available": {"10000"}, "reason": {script}},
	} {
		if r := mai.act(path, form); marked(r.body) {
			t.Errorf("%s: markup in the answer", path)
		}
	}
	if r := mai.upload("", mai.token(), map[string]string{"account": script, "date": script, "expected_lines": script}, script+".csv", script); marked(r.body) {
		t.Error("an upload's answer has markup")
	}
	for _, query := range []string{"q", "kind", "status", "account", "from", "to", "owner", "actor", "action", "object", "next", "done", "show", "on", "after", "figure", "bucket", "group", "group_by", "cut", "as_of", "standing", "role", "bank_account", "days", "date"} {
		for _, path := range []string{"/console/search", "/console/discrepancies", "/console/bank", "/console/audit", "/console/catalogue", "/console/rate", "/console/rate/evidence", "/console/today", "/console/refunds", "/console/closings", "/console/reports", "/console/exceptions/" + url.PathEscape(script), "/console/" + url.PathEscape(script)} {
			for _, value := range []string{script, "javascript:alert(1)"} {
				if r := all.get(path + "?" + query + "=" + url.QueryEscape(value)); marked(r.body) || r.status >= 500 {
					t.Errorf("%s?%s=%s: %d", path, query, value, r.status)
				}
			}
		}
	}
	if r := s.browser().get("/console/sign-in?next=" + url.QueryEscape("javascript:alert(1)")); marked(r.body) {
		t.Error("signing in leads to a script")
	}
	// And by no door at all: in the database itself.
	addresses := everyAddress(s)
	if n := s.plant(script); n < 20 {
		t.Fatalf("only %d columns took it", n)
	}
	shown := 0
	for _, address := range addresses {
		r := all.get(address)
		if marked(r.body) || r.status >= 500 {
			t.Errorf("%s: %d, markup: %v", address, r.status, marked(r.body))
		}
		if bytes.Contains(r.body, []byte("&lt;script&gt;alert(1)")) {
			shown++
		}
	}
	if shown < 10 {
		t.Errorf("only %d pages show any of it", shown)
	}
	orders := 0
	for _, order := range s.checkouts() {
		r := s.send(http.MethodGet, order, nil, nil)
		if orders++; marked(r.body) || r.status >= 500 || strings.Contains(r.header.Get("Content-Security-Policy"), "unsafe") {
			t.Errorf("%s: %d, %v", order, r.status, r.header)
		}
	}
	if orders == 0 {
		t.Error("no checkout page was looked at")
	}
}

// checkouts are the checkout pages of a few orders.
func (s *street) checkouts() (out []string) {
	s.t.Helper()
	var ids []string
	if err := s.db.SelectContext(s.t.Context(), &ids, `SELECT id FROM orders ORDER BY id LIMIT 5`); err != nil {
		s.t.Fatal(err)
	}
	for _, id := range ids {
		address, err := s.app.gateway.CheckoutURL(id)
		if err != nil {
			s.t.Fatal(err)
		}
		out = append(out, address)
	}
	return out
}

// marked says that what was planted is markup, or leads to a script.
func marked(body []byte) bool {
	return bytes.Contains(body, []byte("<img src=x")) || bytes.Contains(body, []byte("<script>alert")) || regexp.MustCompile(`(?i)(href|action|src)="\s*javascript:`).Match(body)
}

// No cell of any CSV begins as a formula does, whatever stands in the database.
func TestNoCellIsAFormula(t *testing.T) {
	s := aFullMorning(t)
	all := s.browser().in(s.everybody())
	account, list, month := "acc_vnpay_7", s.one(`SELECT min(id) FROM refund_lists`), "2026-03"
	files := map[string]string{
		"GET /console/discrepancies.csv":             "/console/discrepancies.csv?status=",
		"GET /console/ledger.csv":                    "/console/ledger.csv",
		"GET /console/ledger/{account}/clearing.csv": "/console/ledger/" + account + "/clearing.csv",
		"GET /console/rate.csv":                      "/console/rate.csv?from=" + month + "-01",
		"GET /console/refunds/lists/{id}/list.csv":   "/console/refunds/lists/" + list + "/list.csv",
	}
	if n := s.plant(`=HYPERLINK("http://evil.example")`); n < 20 {
		t.Fatalf("only %d columns took it", n)
	}
	for pattern := range s.app.desk.Routes() {
		if strings.HasSuffix(pattern, ".csv") && files[pattern] == "" {
			t.Errorf("%s has no row: where is it got?", pattern)
		}
	}
	said := 0
	for _, address := range files {
		r := all.get(address)
		rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(r.body, []byte("\ufeff")))).ReadAll()
		if err != nil || r.status != http.StatusOK || len(rows) == 0 {
			t.Errorf("%s: %d, %d rows, %v", address, r.status, len(rows), err)
		}
		for n, row := range rows {
			for _, cell := range row {
				if strings.Contains(cell, "HYPERLINK") {
					said++
				}
				if cell != "" && (strings.ContainsAny(cell[:1], "=+@\t\r") || cell[0] == '-' && !regexp.MustCompile(`^-\d+([.,]\d+)?$`).MatchString(cell)) {
					t.Errorf("%s, row %d: %q would be run", address, n, cell)
				}
			}
		}
	}
	if said == 0 {
		t.Error("no file holds what was planted: nothing is shown by that")
	}
}

// every table's rows, counted, but what a mere look leaves behind.
func (s *street) everything() string {
	s.t.Helper()
	return s.one(`SELECT string_agg(table_name || '=' || (xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM "' || table_name || '"', false, true, '')))[1]::text, ' ' ORDER BY table_name)
		FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT LIKE 'audit%' AND table_name NOT LIKE 'river%'`)
}

// Every act of the console, with no token, with another session's, with half of one's own, or from another site, is refused and does nothing.
func TestNoActOfAnotherSite(t *testing.T) {
	s := aFullMorning(t)
	all, other := s.browser().in(s.everybody()), s.browser().in("mai")
	own, foreign := all.token(), other.token()
	if own == foreign {
		t.Fatal("two sessions have one token")
	}
	before := s.everything()
	acts := 0
	for pattern := range s.app.desk.Routes() {
		method, path, _ := strings.Cut(pattern, " ")
		if method != http.MethodPost {
			continue
		}
		acts++
		path = regexp.MustCompile(`\{[^}]+\}`).ReplaceAllString(path, "x")
		for _, token := range []string{"", foreign, own[1:], own + "x"} {
			form := all.post(path, url.Values{"csrf": {token}, "key": {"key-of-a-form"}, "note": {"x"}}, nil)
			parts := all.parts(path, map[string]string{"csrf": token, "key": "key-of-a-form"})
			if old := "Biểu mẫu đã cũ"; !strings.Contains(string(form.body), old) && !strings.Contains(string(parts.body), old) || form.status < 400 || parts.status < 400 {
				t.Errorf("%s with the token %q: %d, %d", pattern, token, form.status, parts.status)
			}
		}
		for _, h := range []map[string]string{{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}} {
			if r := all.post(path, url.Values{"csrf": {own}}, h); r.status != http.StatusForbidden {
				t.Errorf("%s from elsewhere (%v): %d", pattern, h, r.status)
			}
		}
	}
	if after := s.everything(); after != before || acts < 30 {
		t.Errorf("%d acts; before %s\nafter %s", acts, before, after)
	}
}

// parts posts a form that may hold a file.
func (o *officer) parts(path string, fields map[string]string) reply {
	o.s.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, v := range fields {
		_ = w.WriteField(name, v)
	}
	f, err := w.CreateFormFile("file", "../../x.csv")
	if err == nil {
		_, err = io.WriteString(f, "x")
	}
	if err != nil || w.Close() != nil {
		o.s.t.Fatal(err)
	}
	return o.do(http.MethodPost, path, w.FormDataContentType(), &b, nil)
}

// The cookie that a browser brings to the sign-in is not the session's afterwards, and each sign-in has a cookie of its own.
func TestNobodyFixesASession(t *testing.T) {
	s := newStreet(t)
	s.person("mai", []identity.Role{identity.Finance})
	seen := map[string]bool{}
	brought := "fgs_chosen_by_somebody_else"
	for n := range 3 {
		r := s.browser().post("/console/sign-in", url.Values{"name": {"mai"}, "password": {password}}, map[string]string{"Cookie": "feegate_console=" + brought})
		set := (&http.Response{Header: r.header}).Cookies()
		if r.status != http.StatusSeeOther || len(set) != 1 || seen[set[0].Value] || set[0].Value == brought || len(set[0].Value) < 30 {
			t.Fatalf("%d %v", r.status, set)
		}
		if c := set[0]; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/console" || c.Domain != "" {
			t.Errorf("%v", c)
		}
		seen[set[0].Value] = true
		if r := s.browser().do(http.MethodGet, "/console/account", "", nil, map[string]string{"Cookie": "feegate_console=" + brought}); n == 0 && r.status != http.StatusSeeOther { // later it is a session that was opened before
			t.Errorf("the cookie that was brought is a session: %d", r.status)
		}
		brought = set[0].Value
	}
}

var (
	unseen    = regexp.MustCompile(`(?s)<(script|style|code|title|head|textarea)\b.*?</(script|style|code|title|head|textarea)>|<p [^>]*lang="en".*?</p>|<span [^>]*lang="en".*?</span>`)
	tag       = regexp.MustCompile(`<[^>]*>`)
	isoDate   = regexp.MustCompile(`\b20\d\d-\d\d-\d\d\b`)
	ungrouped = regexp.MustCompile(`\b\d{4,}[ \x{a0}]?(₫|đồng|VND)`)
	comma     = regexp.MustCompile(`\b\d{1,3}(,\d{3})+[ \x{a0}]?(₫|đồng|VND)?\b`)
	made      = regexp.MustCompile(`\b[a-z]+_[a-z2-7]{26}\b`) // an id: one in some hundred has no digit and would look like a code
	rawCode   = regexp.MustCompile(`\b[a-z]+(_[a-z]+)+\b`)
	english   = regexp.MustCompile(`\b(succeeded|pending|open|failed|closed|signed|proposed|matched|resolved|investigating|submitted|approved|rejected|expired|cancelled|refunded|reversed|created|online|closed|confirmed|provisional|checkout|lookup|refund)\b`)
)

// shownText is what a person reads on a page, without the codes that stand small below their sentence.
func shownText(body []byte) string {
	return made.ReplaceAllString(html.UnescapeString(tag.ReplaceAllString(unseen.ReplaceAllString(string(body), " "), " ")), "…")
}

// Every page writes dates and money as people here do, and says what a state is in words.
func TestEveryPageSpeaksVietnamese(t *testing.T) {
	s := aFullMorning(t)
	all := s.browser().in(s.everybody())
	looked := 0
	for _, address := range everyAddress(s) {
		r := all.get(address)
		if r.status != http.StatusOK {
			continue // a way to another page, or one that the browser's test complains of
		}
		looked++
		text := shownText(r.body)
		for what, bad := range map[string]*regexp.Regexp{"a date that is not dd/MM/yyyy": isoDate, "an amount without points": ungrouped, "an amount with commas": comma, "a code without a sentence": rawCode, "a state in English": english} {
			for _, at := range bad.FindAllStringIndex(text, 5) {
				t.Errorf("%s: %s: …%s…", address, what, strings.Join(strings.Fields(text[max(0, at[0]-60):min(len(text), at[1]+30)]), " "))
			}
		}
		if !bytes.Contains(r.body, []byte(`<html lang="vi">`)) {
			t.Errorf("%s does not say its language", address)
		}
	}
	for _, address := range s.checkouts() {
		for lang, bad := range map[string][]*regexp.Regexp{"vi": {isoDate, ungrouped, comma, rawCode, english}, "en": {isoDate, ungrouped, rawCode}} {
			looked++
			text := shownText(s.send(http.MethodGet, address+"?lang="+lang, nil, nil).body)
			for _, b := range bad {
				if m := b.FindString(text); m != "" {
					t.Errorf("%s in %s: %q", address, lang, m)
				}
			}
		}
	}
	if looked < 40 {
		t.Errorf("only %d pages", looked)
	}
}
