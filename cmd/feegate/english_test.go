package main

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"feegate/gateway/identity"
)

// data are the words that people and the catalogue have written: they are shown as they were, in any language.
func (s *street) data() []string {
	out := strings.Split(s.one(`SELECT string_agg(DISTINCT w, E'\n') FROM (SELECT name w FROM agencies UNION SELECT name FROM procedures UNION SELECT name FROM fields UNION SELECT name FROM communes
		UNION SELECT name FROM users UNION SELECT name FROM clients UNION SELECT legal_basis FROM fee_schedules UNION SELECT name FROM order_lines) d WHERE w ~ '[^ -~]'`), "\n")
	slices.SortFunc(out, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return out
}

// vietnameseIn gives what a page says in Vietnamese: texts, and what attributes tell. What says of itself that it is Vietnamese may be.
func vietnameseIn(t *testing.T, body []byte, data []string) (out []string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	check := func(said string) {
		left := said
		for _, d := range data {
			left = strings.ReplaceAll(left, d, "")
		}
		left = strings.NewReplacer("đồng", "", "đ)", "").Replace(left)
		if strings.ContainsFunc(left, func(r rune) bool { return r > unicode.MaxASCII && unicode.IsLetter(r) }) {
			out = append(out, strings.TrimSpace(said))
		}
	}
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		for _, a := range n.Attr {
			if a.Key == "lang" && a.Val == "vi" {
				return
			}
			if slices.Contains([]string{"title", "aria-label", "placeholder", "alt", "data-name"}, a.Key) || strings.HasPrefix(a.Key, "data-say") {
				check(a.Val)
			}
		}
		if n.Type == html.TextNode {
			check(n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(root)
	return out
}

// Whoever wants English gets all of it, on every page, with one click: nothing but what people and the catalogue have written stays.
func TestTheConsoleInEnglish(t *testing.T) {
	s := aFullMorning(t)
	all := s.officer("all", []identity.Role{identity.Finance, identity.Approver, identity.Reporter, identity.Operator, identity.Admin, identity.Auditor})
	first := all.get("/console/today")
	if !strings.Contains(string(first.body), `href="/console/today?lang=en"`) || !strings.Contains(string(first.body), `<html lang="vi">`) {
		t.Fatalf("no way to English: %s", first.body)
	}
	if r := all.get("/console/today?days=7&lang=en"); r.status != http.StatusSeeOther || r.header.Get("Location") != "/console/today?days=7" {
		t.Fatalf("%d %v", r.status, r.header)
	}
	// The same page, whatever its address holds: what was written as a part of a path is not taken for a query or for another path.
	for _, path := range []string{"/console/providers/a%3Fas=csv", "/console/providers/a%2Fb%25", "/console/providers/..%2F..%2F%2Fevil.example", "/console/providers/%0D%0ASet-Cookie:%20a=b"} {
		if r := all.get(path + "?lang=en"); r.status != http.StatusSeeOther || r.header.Get("Location") != path || len(r.header.Values("Set-Cookie")) != 1 {
			t.Errorf("%s: %d %v", path, r.status, r.header)
		}
	}
	data, pages, n := s.data(), pagesOf(s), 0
	for _, pattern := range slices.Sorted(maps.Keys(pages)) {
		for _, address := range pages[pattern] {
			r := all.get(address)
			if r.status == http.StatusSeeOther {
				continue
			}
			n++
			if r.status != http.StatusOK || !strings.Contains(string(r.body), `<html lang="en">`) {
				t.Errorf("%s: %d", address, r.status)
			}
			for _, said := range vietnameseIn(t, r.body, data) {
				t.Errorf("%s says %q", address, said)
			}
		}
	}
	// What is refused is refused in English too: a page that is not there, a page that is not for them, fields that are wrong, an old form.
	refused := map[string]reply{
		"no such page": all.get("/console/payments/pay_none"), "no such number": all.get("/console/search?q=nirgends"), "a wrong day": all.get("/console/audit?from=x"), "a wrong amount": all.get("/console/search?day=2026-03-10&amount=viel"),
		"a short reason": all.act("/console/providers/acc_momo/override", url.Values{"operation": {"checkout"}, "mode": {"open"}, "reason": {""}}), "a weak password": all.act("/console/account/password", url.Values{"old": {password}, "password": {"abc"}, "again": {"abc"}}),
		"no file": all.upload("", all.token(), map[string]string{"kind": "statement"}, "s.csv", "x"), "an old form": all.post("/console/users", url.Values{"csrf": {"x"}}, nil), "nothing chosen": all.act("/console/discrepancies/bulk", url.Values{"do": {"propose"}}),
		"no such user": all.act("/console/users", url.Values{"name": {""}}), "signed out": s.browser().get("/console/sign-in?next=%2Fconsole%2Ftoday"),
	}
	for what, page := range map[string]string{"a short reason": "/console/providers/acc_momo", "an old form": "/console/users", "a weak password": "/console/account"} {
		if !strings.Contains(string(refused[what].body), `href="`+page+`?lang=vi"`) { // of what a form answers, the other language leads to the form's page
			t.Errorf("%s: the other language does not lead to %s", what, page)
		}
	}
	for what, r := range refused {
		if what == "signed out" {
			if !strings.Contains(string(r.body), "lang=en") {
				t.Error("who is signed out cannot have English")
			}
			continue
		}
		if !strings.Contains(string(r.body), `<html lang="en">`) {
			t.Errorf("%s: %d %s", what, r.status, r.body)
		}
		for _, said := range vietnameseIn(t, r.body, data) {
			t.Errorf("%s: %q", what, said)
		}
	}
	if n < 40 {
		t.Errorf("only %d pages", n)
	}
	if r := all.get("/console/today?lang=vi"); r.status != http.StatusSeeOther {
		t.Fatal(r.status)
	}
	if r := all.get("/console/today"); !strings.Contains(string(r.body), "Việc sáng nay") {
		t.Error("there is no way back to Vietnamese")
	}
}

// What people have written is theirs in any language: nobody's name is taken for a sentence of ours.
func TestNamesAreNotTranslated(t *testing.T) {
	s := newStreet(t)
	ad := s.officer("ad", []identity.Role{identity.Admin})
	s.person("Hoàn tiền", []identity.Role{identity.Finance})
	if _, err := s.db.ExecContext(t.Context(), `UPDATE agencies SET name = 'Sổ tiền' WHERE code = 'H10.12'`); err != nil {
		t.Fatal(err)
	}
	if r := ad.get("/console/users?lang=en"); r.status != http.StatusSeeOther {
		t.Fatal(r.status)
	}
	for address, name := range map[string]string{"/console/users/" + s.idOf("Hoàn tiền"): "Hoàn tiền", "/console/providers/acc_momo": "Sổ tiền"} {
		r := ad.get(address)
		title := regexp.MustCompile(`<title>(.*)</title>`).FindSubmatch(r.body)
		if title == nil || !strings.Contains(string(title[1]), name) {
			t.Errorf("%s: %d %s", address, r.status, title)
		}
	}
}
