package main

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"feegate/gateway/identity"
)

// Every page says at its foot, on paper too, what was known to it: its time, and where it counts, by which definition.
func TestEveryPageSaysWhatItKnows(t *testing.T) {
	s := aFullMorning(t)
	pages, o := pagesOf(s), s.browser().in(s.everybody())
	foot := regexp.MustCompile(`(?s)<footer class="small">(.*?)</footer>`)
	live, counted := regexp.MustCompile(`^Giờ Việt Nam; trang lập lúc \d\d/\d\d/\d{4} \d\d:\d\d, theo số liệu biết đến lúc đó\.$`), regexp.MustCompile(`^Giờ Việt Nam; định nghĩa <code>OPR-1</code>, số liệu biết đến \d\d/\d\d/\d{4} \d\d:\d\d; trang lập lúc \d\d/\d\d/\d{4} \d\d:\d\d\.$`)
	reports := []string{"GET /console/rate", "GET /console/rate/evidence", "GET /console/exceptions", "GET /console/exceptions/{rule}", "GET /console/outlook", "GET /console/reports", "GET /console/reports/{from}/{to}/{n}"}
	for _, pattern := range slices.Sorted(maps.Keys(pages)) {
		for _, address := range pages[pattern] {
			r := o.get(address)
			if r.status == http.StatusSeeOther {
				continue
			}
			want := live
			if slices.Contains(reports, pattern) {
				want = counted
			}
			if m := foot.FindSubmatch(r.body); m == nil || !want.Match(m[1]) {
				t.Errorf("%s: %s", address, m)
			}
		}
	}
	r := o.get("/console/rate?" + inMarch + "&as_of=2026-03-10T11:30")
	if m := foot.FindSubmatch(r.body); m == nil || !strings.Contains(string(m[1]), "số liệu biết đến 10/03/2026 11:30; trang lập lúc 11/03/2026") {
		t.Errorf("the rate as it was known: %s", m)
	}
}

// From the page of an account, a webhook, a person or a key leads a way to what was done with it, for who may open the audit alone.
func TestTheAuditOfAThing(t *testing.T) {
	s := newStreet(t)
	s.mayHook()
	if r := s.call(http.MethodPost, "/v1/webhook-endpoints", "", map[string]any{"url": s.sim + "/hook", "types": []string{"order.*"}}); r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	hook := s.one(`SELECT id FROM webhook_endpoints`)
	everybody := s.browser().in(s.everybody())
	mai := s.officer("mai", []identity.Role{identity.Finance})
	if _, err := s.app.people.CreateUser(t.Context(), identity.System(), identity.NewUser{Name: "mới", Password: password, Roles: []identity.Role{identity.Reporter}}); err != nil {
		t.Fatal(err)
	}
	everybody.acted(everybody.act("/console/webhooks/"+hook+"/replay", url.Values{"number": {"1"}, "reason": {"thử"}}), "/console/webhooks/"+hook+"?done=replay")
	everybody.acted(everybody.act("/console/providers/acc_momo/override", url.Values{"operation": {"checkout"}, "mode": {"automatic"}, "reason": {"xem"}}), "/console/providers/acc_momo?done=override")
	key := s.one(`SELECT min(id) FROM api_keys`)
	everybody.act("/console/keys/"+key+"/revoke", url.Values{"reason": {"x"}})
	const says = "Nhật ký của đối tượng này"
	for page, c := range map[string]struct{ object, done string }{"/console/providers/acc_momo": {"acc_momo", "đặt tay nhà cung cấp"}, "/console/webhooks/" + hook: {hook, "gửi lại webhook"},
		"/console/users/" + s.idOf("mới"): {s.idOf("mới"), "tạo người dùng"}, "/console/keys": {key, "thu hồi khóa"}} {
		to := "/console/audit?object=" + c.object
		if body := string(everybody.get(page).body); !strings.Contains(body, `href="`+to+`">`+says+`</a>`) {
			t.Errorf("%s leads to no %s", page, to)
			continue
		}
		everybody.shows(everybody.get(to), 200, c.done)
	}
	operator := s.officer("vận", []identity.Role{identity.Operator})
	few := s.officer("quản xã", []identity.Role{identity.Admin}, "H10.12")
	for o, pages := range map[*officer][]string{operator: {"/console/providers/acc_momo", "/console/webhooks/" + hook}, few: {"/console/providers/acc_momo"}, mai: {"/console/providers/acc_momo"}} {
		for _, page := range pages {
			if r := o.get(page); r.status == http.StatusOK && strings.Contains(string(r.body), "/console/audit?") {
				t.Errorf("%s leads to the audit for who may not open it", page)
			}
		}
	}
	if r := operator.get("/console/providers/acc_momo"); r.status != http.StatusOK {
		t.Errorf("an operator at the account: %d", r.status)
	}
	for _, text := range everybody.taken("/console/keys", "Việc")["csv"] {
		if strings.Contains(text, says) {
			t.Errorf("a way to go is in the file: %q", text)
		}
	}
}
