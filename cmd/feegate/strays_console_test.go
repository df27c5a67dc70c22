package main

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"feegate/gateway/identity"
)

// What came to an account and belongs to no payment is kept, and can be looked at: all of it, page by page, as received by who says so.
func TestMessagesThatBelongToNoPayment(t *testing.T) {
	s := newStreet(t)
	op, other := s.officer("vận", []identity.Role{identity.Operator}), s.officer("khác", []identity.Role{identity.Finance}, "H10.99")
	const at = "/console/providers/acc_momo/messages"
	op.says(op.get(at), 200, "Chưa có tin nào như vậy")
	const all = 120
	for n := range all {
		if r := s.send(http.MethodPost, s.api+"/callbacks/momo/acc_momo", map[string]any{"orderId": fmt.Sprintf("lạ-%03d-<b>", n), "amount": 1}, nil); r.status >= 500 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	marks, next := regexp.MustCompile(`lạ-(\d{3})-`), regexp.MustCompile(`href="([^"]+)" rel="next"`)
	if r := op.get(at); marks.Match(r.body) || !strings.Contains(string(r.body), "bỏ qua") {
		t.Errorf("what was received is shown to who did not ask for it, or not judged: %s", r.body)
	}
	before := s.count(`SELECT count(*) FROM audit WHERE action = 'callback.read'`)
	seen, pages := map[string]int{}, 0
	for to := "?raw=1"; to != ""; pages++ {
		r := op.get(at + to)
		if r.status != 200 || strings.Contains(string(r.body), "<b>") && strings.Contains(string(r.body), "-<b>") {
			t.Fatalf("%d %s", r.status, r.body)
		}
		for _, m := range marks.FindAllSubmatch(r.body, -1) {
			seen[string(m[1])]++
		}
		to = ""
		if m := next.FindSubmatch(r.body); m != nil {
			to = html.UnescapeString(string(m[1]))
		}
	}
	if len(seen) != all || pages != 3 {
		t.Errorf("%d of %d messages on %d pages", len(seen), all, pages)
	}
	for n, times := range seen {
		if times != 1 {
			t.Errorf("message %s is shown %d times", n, times)
		}
	}
	if looks := s.count(`SELECT count(*) FROM audit WHERE action = 'callback.read'`) - before; looks != pages {
		t.Errorf("%d looks in the audit, want %d", looks, pages)
	}
	if r := op.get(at + "?after=x"); r.status != http.StatusUnprocessableEntity {
		t.Errorf("a made-up page: %d", r.status)
	}
	if r := other.get(at); r.status != http.StatusNotFound {
		t.Errorf("another agency's account: %d", r.status)
	}
}
