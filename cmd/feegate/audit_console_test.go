package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
)

// The page of the audit says who did what in Vietnamese, is narrowed by its address, verifies, goes on to older rows, and is no way
// for words of somebody else to become a page's.
func TestTheConsoleShowsTheAudit(t *testing.T) {
	s := newStreet(t)
	tra := s.officer("tra", []identity.Role{identity.Auditor})
	s.person("mai", []identity.Role{identity.Finance})
	if err := s.app.people.Audit(t.Context(), nil, identity.Actor{Kind: identity.KindUser, ID: s.one(`SELECT id FROM users WHERE name = 'mai'`), Address: "10.1.2.3"}, "provider.override", "pay_1",
		map[string]any{"reason": "<script>alert(1)</script>"}); err != nil {
		t.Fatal(err)
	}
	says := func(path string, want, never []string) {
		t.Helper()
		r := tra.get(path)
		for _, w := range want {
			if r.status != http.StatusOK || !strings.Contains(string(r.body), w) {
				t.Errorf("%s: %d, no %q in\n%s", path, r.status, w, r.body)
			}
		}
		for _, w := range never {
			if strings.Contains(string(r.body), w) {
				t.Errorf("%s: has %q", path, w)
			}
		}
	}
	says("/console/audit?actor=mai", []string{"đặt tay nhà cung cấp", "10.1.2.3", `href="/console/payments/pay_1"`, "&lt;script&gt;alert(1)", "đăng nhập<br>"}, []string{"<script>alert", "xem nhật ký<br>"})
	says("/console/audit?actor=mai&action=provider.override", []string{"10.1.2.3"}, []string{"đăng nhập<br>"})
	says("/console/audit?object=pay_1", []string{"10.1.2.3"}, []string{"đăng nhập<br>"})
	says("/console/audit?from=2026-03-11", []string{"Không có dòng nào theo bộ lọc này"}, []string{"10.1.2.3"})
	says("/console/audit?actor="+url.QueryEscape(`"><script>x</script>`), []string{"Không có dòng nào"}, []string{"<script>x"})
	if r := tra.get("/console/audit?to=x"); r.status != http.StatusUnprocessableEntity {
		t.Errorf("no day: %d", r.status)
	}
	for range 60 {
		tra.get("/console/audit?action=none")
	}
	says("/console/audit?action=audit.read", []string{"Cũ hơn", "after="}, nil)
	if r := s.officer("hoa", []identity.Role{identity.Auditor}, "H10.12").get("/console/audit"); r.status != http.StatusForbidden {
		t.Errorf("limited to an agency: %d", r.status)
	}
	if _, err := s.app.people.Seal(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	says("/console/audit?verify=1", []string{"Nhật ký còn nguyên"}, nil)
	if _, err := dbtest.Admin(t, s.db).ExecContext(t.Context(), `SET session_replication_role = replica; DELETE FROM audit WHERE id = (SELECT min(id) FROM audit)`); err != nil {
		t.Fatal(err)
	}
	says("/console/audit?verify=1", []string{"Nhật ký đã bị can thiệp", "block 1: 1 of its"}, []string{"còn nguyên"})
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'audit.verified'`); n != 2 {
		t.Errorf("%d verifications in the audit", n)
	}
}
