package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"feegate/gateway/identity"
)

var (
	toldSecret = regexp.MustCompile(`class="secret"><code>([^<]+)<`)
	typedKey   = regexp.MustCompile(`Nhập khóa: <code>([A-Z2-7]+)<`)
	toldCodes  = regexp.MustCompile(`<li><code>([a-z2-7-]{19})</code>`)
)

// find gives what a page shows, once, at a place.
func find(t *testing.T, r reply, at *regexp.Regexp) string {
	t.Helper()
	m := at.FindSubmatch(r.body)
	if m == nil {
		t.Fatalf("%d, nothing like %s: %s", r.status, at, r.body)
	}
	return string(m[1])
}

// A new officer's first morning: the password that the admin told, another of their own, a second factor, and in again with it.
func TestANewOfficersFirstSignIn(t *testing.T) {
	s := newStreet(t)
	root := s.officer("root", []identity.Role{identity.Admin})
	r := root.act("/console/users", url.Values{"name": {"Lê Thị Mai"}, "role": {"finance"}, "agencies": {"H10.12"}})
	first := find(t, r, toldSecret)
	if r := root.act("/console/users", url.Values{"name": {"x"}, "role": {"finance"}, "agencies": {"H10.12, nirgends"}}); r.status != http.StatusUnprocessableEntity || !strings.Contains(string(r.body), "không có cơ quan nirgends") {
		t.Errorf("an agency that is none: %d %s", r.status, r.body)
	}
	if r := root.act("/console/users", url.Values{"name": {"Lê Thị Mai"}, "role": {"finance"}}); r.status != http.StatusConflict || !strings.Contains(string(r.body), "Đã có người dùng tên này") {
		t.Errorf("a taken name: %d %s", r.status, r.body)
	}
	if r := root.act("/console/users/otp", url.Values{"role": {"finance"}}); r.status != http.StatusSeeOther {
		t.Fatalf("%d %s", r.status, r.body)
	}

	mai := s.browser()
	in := func(password, otp string) reply {
		return mai.post("/console/sign-in", url.Values{"name": {"Lê Thị Mai"}, "password": {password}, "otp": {otp}}, nil)
	}
	if r := in(first, ""); r.status != http.StatusSeeOther {
		t.Fatalf("%d %s", r.status, r.body)
	}
	held := func(why string) {
		t.Helper()
		for _, path := range []string{"/console/today", "/console", "/console/search?q=1"} {
			if r := mai.get(path); r.status != http.StatusSeeOther || r.header.Get("Location") != "/console/account" {
				t.Errorf("%s, %s: %d to %q", why, path, r.status, r.header.Get("Location"))
			}
		}
		if r := mai.get("/console/account"); r.status != http.StatusOK || !strings.Contains(string(r.body), why) {
			t.Errorf("%s: %d %s", why, r.status, r.body)
		}
	}
	held("do người khác đặt")
	own := "ba con mèo trắng leo rào"
	change := func(old, password, again string) reply {
		m := tokenField.FindSubmatch(mai.get("/console/account").body)
		return mai.post("/console/account/password", url.Values{"csrf": {string(m[1])}, "old": {old}, "password": {password}, "again": {again}}, nil)
	}
	for name, r := range map[string]reply{"two that differ": change(first, own, own+"!"), "a weak one": change(first, "aaaaaaaaaaaaa", "aaaaaaaaaaaaa"), "the same": change(first, first, first)} {
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(string(r.body), "Mật khẩu") && !strings.Contains(string(r.body), "mật khẩu") {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if r := change("không phải thế đâu", own, own); r.status != http.StatusConflict || !strings.Contains(string(r.body), "hiện tại không đúng") {
		t.Errorf("the old one wrong: %d %s", r.status, r.body)
	}
	if r := change(first, own, own); r.status != http.StatusSeeOther || r.header.Get("Location") != "/console/sign-in?done=password" {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := in(first, ""); r.status != http.StatusUnauthorized {
		t.Errorf("the first password still works: %d", r.status)
	}
	if r := in(own, ""); r.status != http.StatusSeeOther {
		t.Fatalf("%d %s", r.status, r.body)
	}
	held("cần mã xác thực")
	act := func(path string, form url.Values) reply {
		m := tokenField.FindSubmatch(mai.get("/console/account").body)
		form.Set("csrf", string(m[1]))
		return mai.post(path, form, nil)
	}
	if r := act("/console/account/otp", url.Values{}); r.status != http.StatusSeeOther {
		t.Fatalf("%d %s", r.status, r.body)
	}
	page := mai.get("/console/account")
	secret := find(t, page, typedKey)
	if !strings.Contains(string(page.body), `<svg class="qr"`) {
		t.Error("no code to scan")
	}
	code := func(at time.Time) string {
		c, err := totp.GenerateCode(secret, at)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if r := act("/console/account/otp/confirm", url.Values{"code": {"000000"}}); r.status != http.StatusUnprocessableEntity || !strings.Contains(string(r.body), "giờ trên điện thoại") {
		t.Errorf("a wrong code: %d %s", r.status, r.body)
	}
	r = act("/console/account/otp/confirm", url.Values{"code": {code(time.Now())}})
	recovery := find(t, r, toldCodes)
	if again := mai.get("/console/account"); toldCodes.Match(again.body) || strings.Contains(string(again.body), secret) {
		t.Error("secrets are shown again")
	}
	if r := mai.get("/console/today"); r.status != http.StatusOK {
		t.Errorf("held up still: %d", r.status)
	}
	if r := act("/console/sign-out", url.Values{}); r.status != http.StatusSeeOther {
		t.Fatal(r.status)
	}
	if r := in(own, ""); r.status != http.StatusUnauthorized || !strings.Contains(string(r.body), "hoặc mã xác thực không đúng") {
		t.Errorf("without the code: %d %s", r.status, r.body)
	}
	if r := in(own, recovery); r.status != http.StatusSeeOther {
		t.Errorf("a recovery code: %d %s", r.status, r.body)
	}
	// Elsewhere too, then from here everywhere else is out.
	other := s.browser()
	if r := other.post("/console/sign-in", url.Values{"name": {"Lê Thị Mai"}, "password": {own}, "otp": {code(time.Now().Add(30 * time.Second))}}, nil); r.status != http.StatusSeeOther {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := mai.get("/console/account"); strings.Count(string(r.body), "máy khác") != 1 {
		t.Errorf("the other session is not shown: %s", r.body)
	}
	if r := act("/console/account/sessions/end", url.Values{}); r.status != http.StatusSeeOther {
		t.Fatal(r.status)
	}
	if here, there := mai.get("/console/today"), other.get("/console/today"); here.status != http.StatusOK || !strings.HasPrefix(there.header.Get("Location"), "/console/sign-in") {
		t.Errorf("here %d, there %d", here.status, there.status)
	}
	if r := act("/console/account/otp/end", url.Values{"old": {"không phải thế đâu"}}); r.status != http.StatusConflict {
		t.Errorf("the second factor ended without the password: %d", r.status)
	}
	if r := act("/console/account/otp/end", url.Values{"old": {own}}); r.status != http.StatusSeeOther {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := in(own, ""); r.status != http.StatusSeeOther {
		t.Errorf("without a second factor: %d %s", r.status, r.body)
	}
	// What happened is in the audit, and none of the secrets.
	var told string
	if err := s.db.Get(&told, `SELECT string_agg(action || detail::text, ' ') FROM audit`); err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"user.created", "user.password-changed", "user.otp-enrolled", "user.otp-ended", "session.all-closed", "otp.roles-set", "session.refused"} {
		if !strings.Contains(told, action) {
			t.Errorf("%s is not in the audit", action)
		}
	}
	for _, hidden := range []string{first, own, secret, recovery, strings.ReplaceAll(recovery, "-", "")} {
		if strings.Contains(told, hidden) || strings.Contains(s.logs.String(), hidden) {
			t.Errorf("a secret is in the audit or the log")
		}
	}
}

// An admin's page of a person: rights, lost phone, forgotten password, gone.
func TestAnAdminLooksAfterPeopleOnThePages(t *testing.T) {
	s := newStreet(t)
	root := s.officer("root", []identity.Role{identity.Admin})
	mai := s.officer("mai", []identity.Role{identity.Finance})
	at := "/console/users/" + s.idOf("mai")
	if r := root.get("/console/users"); !strings.Contains(string(r.body), at) || !strings.Contains(string(r.body), "toàn tỉnh") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := root.get(at); r.status != http.StatusOK || !strings.Contains(string(r.body), "Khóa mai") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := root.act(at+"/roles", url.Values{"role": {"reporter"}, "agencies": {"H10.12"}}); r.status != http.StatusSeeOther {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := mai.get("/console/today"); !strings.HasPrefix(r.header.Get("Location"), "/console/sign-in") {
		t.Errorf("a session from before the change: %d", r.status)
	}
	if r := root.get(at); !strings.Contains(string(r.body), "xem báo cáo") || !strings.Contains(string(r.body), `value="H10.12"`) {
		t.Errorf("%s", r.body)
	}
	secret := find(t, root.act(at+"/password", url.Values{}), toldSecret)
	if r := mai.post("/console/sign-in", url.Values{"name": {"mai"}, "password": {secret}}, nil); r.status != http.StatusSeeOther {
		t.Errorf("%d", r.status)
	}
	if r := root.act(at+"/disable", url.Values{}); r.status != http.StatusSeeOther {
		t.Errorf("%d", r.status)
	}
	if r := mai.get("/console/account"); r.status != http.StatusSeeOther {
		t.Errorf("disabled: %d", r.status)
	}
	if r := root.act(at+"/enable", url.Values{}); r.status != http.StatusSeeOther {
		t.Errorf("%d", r.status)
	}
	for deed, want := range map[string]int{"/disable": http.StatusConflict, "/password": http.StatusConflict, "/roles": http.StatusConflict} {
		if r := root.act("/console/users/"+s.idOf("root")+deed, url.Values{"role": {"admin"}}); r.status != want {
			t.Errorf("one's own %s: %d", deed, r.status)
		}
	}
	if r := root.act(at+"/nothing", url.Values{}); r.status != http.StatusNotFound {
		t.Errorf("%d", r.status)
	}
	limited := s.officer("limited", []identity.Role{identity.Admin}, "H10.12")
	if r := limited.get("/console/users"); r.status != http.StatusForbidden {
		t.Errorf("an admin of one agency sees people: %d", r.status)
	}
	if r := limited.act(at+"/disable", url.Values{}); r.status != http.StatusForbidden {
		t.Errorf("an admin of one agency: %d", r.status)
	}

	// Keys.
	r := root.act("/console/keys", url.Values{"client": {"cli_1"}, "name": {"cổng"}, "scope": {"orders:read"}})
	key := find(t, r, toldSecret)
	if r := s.as(key, http.MethodGet, "/v1/events", "", nil); r.status != http.StatusOK {
		t.Errorf("the new key: %d %s", r.status, r.body)
	}
	var id string
	if err := s.db.Get(&id, `SELECT id FROM api_keys WHERE name = 'cổng'`); err != nil {
		t.Fatal(err)
	}
	if r := root.get("/console/keys"); r.status != http.StatusOK || strings.Contains(string(r.body), key) || !strings.Contains(string(r.body), id) {
		t.Errorf("%s %s", r.body, s.logs)
	}
	follower := find(t, root.act("/console/keys/"+id+"/rotate", url.Values{"overlap_hours": {"1"}}), toldSecret)
	if r := s.as(follower, http.MethodGet, "/v1/events", "", nil); r.status != http.StatusOK {
		t.Errorf("the key that follows: %d %s", r.status, r.body)
	}
	if r := root.act("/console/keys/"+id+"/rotate", url.Values{"overlap_hours": {"1"}}); r.status != http.StatusConflict || !strings.Contains(string(r.body), "đã có khóa khác thay") {
		t.Errorf("twice: %d %s", r.status, r.body)
	}
	if r := root.act("/console/keys/"+id+"/revoke", url.Values{}); r.status != http.StatusSeeOther {
		t.Errorf("%d", r.status)
	}
	if r := s.as(key, http.MethodGet, "/v1/events", "", nil); r.status != http.StatusUnauthorized {
		t.Errorf("revoked: %d", r.status)
	}
	if r := root.act("/console/clients", url.Values{"name": {"Một cửa"}, "source_system": {"một cửa"}, "mode": {"live"}}); r.status != http.StatusUnprocessableEntity || !strings.Contains(string(r.body), "chữ cái không dấu") {
		t.Errorf("%d %s", r.status, r.body)
	}
}
