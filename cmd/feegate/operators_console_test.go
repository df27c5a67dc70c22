package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
)

// An operator sees which provider is not well and for how long, switches it by hand with a reason, and announces maintenance; a payer feels it.
func TestAnOperatorLooksAfterProviders(t *testing.T) {
	s := newStreet(t)
	op := s.officer("vận", []identity.Role{identity.Operator})
	if r := op.get("/console"); r.header.Get("Location") != "/console/providers" {
		t.Errorf("an operator begins at %q", r.header.Get("Location"))
	}
	op.says(op.get("/console/providers"), 200, "2 / 2 tài khoản thu đang dùng được", "24 giờ qua: thông suốt")
	const at = "/console/providers/acc_momo"
	for name, form := range map[string]url.Values{"no reason": {"operation": {"checkout"}, "mode": {"open"}, "reason": {" "}}, "no operation": {"operation": {"x"}, "mode": {"open"}, "reason": {"y"}}, "no mode": {"operation": {"checkout"}, "mode": {"x"}, "reason": {"y"}}} {
		if r := op.act(at+"/override", form); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, r.status)
		}
	}
	op.acted(op.act(at+"/override", url.Values{"operation": {"checkout"}, "mode": {"open"}, "reason": {"<b>MoMo báo sự cố</b>"}}), at+"?done=override")
	op.says(op.get(at), 200, "ngắt bằng tay", "&lt;b&gt;MoMo báo sự cố&lt;/b&gt;", "Có thao tác bị ngắt", "vận")
	order := s.ordered("op-1", "H10.12-260310-0901", 50000)
	if r := s.call(http.MethodPost, "/v1/orders/"+order+"/payments", "op-p", map[string]string{"account_id": "acc_momo"}); r.status != http.StatusServiceUnavailable {
		t.Errorf("a payment while switched off: %d %s", r.status, r.body)
	}
	stop := s.working()
	s.soon("the change is noted", func() bool { return s.count(`SELECT count(*) FROM provider_changes WHERE state = 'open'`) == 1 })
	stop()
	s.move(90 * time.Minute)
	op.says(op.get("/console/providers"), 200, "1 / 2 tài khoản thu", "24 giờ qua: ngắt 1 lần, cộng 90 phút không thông")
	op.acted(op.act(at+"/override", url.Values{"operation": {"checkout"}, "mode": {"automatic"}, "reason": {"đã xong"}}), at+"?done=override")
	if r := s.call(http.MethodPost, "/v1/orders/"+order+"/payments", "op-q", map[string]string{"account_id": "acc_momo"}); r.status != http.StatusCreated {
		t.Errorf("a payment afterwards: %d %s", r.status, r.body)
	}
	// Maintenance.
	until := s.world.Now().Add(2 * time.Hour).In(time.FixedZone("", 7*3600)).Format("2006-01-02T15:04")
	for name, form := range map[string]url.Values{"no end": {"reason": {"x"}}, "the end before the beginning": {"from": {until}, "to": {until}, "reason": {"x"}}, "no moment": {"to": {"mai"}, "reason": {"x"}}, "no reason": {"to": {until}}} {
		if r := op.act(at+"/maintenance", form); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	op.acted(op.act(at+"/maintenance", url.Values{"to": {until}, "reason": {"nâng cấp"}}), at+"?done=maintenance")
	op.says(op.get(at), 200, "Bảo trì đến", "Kết thúc ngay", "nâng cấp")
	end := at + "/maintenance/" + s.one(`SELECT id FROM maintenance_windows`) + "/end"
	op.says(op.act(end, url.Values{"reason": {" "}}), 422, "Lý do", "hãy ghi vì sao")
	op.acted(op.act(end, url.Values{"reason": {"MoMo xong sớm"}}), at+"?done=maintenance-ended")
	if r := op.act(end, url.Values{"reason": {"lần nữa"}}); r.status != http.StatusNotFound || s.count(`SELECT count(*) FROM audit WHERE action = 'provider.maintenance.ended'`) != 1 ||
		s.one(`SELECT detail ->> 'reason' FROM audit WHERE action = 'provider.maintenance.ended'`) != "MoMo xong sớm" {
		t.Errorf("ended twice: %d, or its reason is not on record", r.status)
	}
	op.says(op.get(at), 200, "kết thúc sớm")
	for _, action := range []string{"provider.override", "provider.maintenance", "provider.maintenance.ended"} {
		if s.count(`SELECT count(*) FROM audit WHERE actor = '`+s.idOf("vận")+`' AND action = '`+action+`'`) == 0 {
			t.Errorf("%s is not in the audit", action)
		}
	}
	// Finance looks and touches nothing; another agency's account is not there.
	mai := s.officer("mai", []identity.Role{identity.Finance}, "H10.99")
	if r := mai.get(at); r.status != http.StatusNotFound {
		t.Errorf("another agency's: %d", r.status)
	}
	if r := mai.get("/console/providers"); strings.Contains(string(r.body), "acc_momo") {
		t.Error("another agency's account is listed")
	}
	far := s.officer("xa", []identity.Role{identity.Operator}, "H10.99")
	for _, deed := range []string{"/override", "/maintenance", "/maintenance/mnt_x/end"} {
		if r := far.act(at+deed, url.Values{"operation": {"checkout"}, "mode": {"open"}, "reason": {"x"}, "to": {until}}); r.status != http.StatusNotFound {
			t.Errorf("another agency's %s: %d", deed, r.status)
		}
	}
}

// mayHook gives the portal's keys the right to endpoints.
func (s *street) mayHook() {
	s.t.Helper()
	if _, err := s.db.ExecContext(s.t.Context(), `UPDATE api_keys SET scopes = scopes || ARRAY['webhooks:write']`); err != nil {
		s.t.Fatal(err)
	}
}

// working has the program do its work in the background until the end is called.
func (s *street) working() (end func()) {
	ctx, stop := context.WithCancel(s.t.Context())
	work := s.app.work(ctx, 20*time.Millisecond)
	return func() { stop(); work.Wait() }
}

// soon waits for what a program in the background does.
func (s *street) soon(what string, done func() bool) {
	s.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !done() {
		select {
		case <-limit:
			s.t.Fatalf("in vain: %s\n%s", what, s.logs)
		case <-tick.C:
		}
	}
}

// An operator sees what other programs were told and what they answered, and has it sent again.
func TestAnOperatorLooksAfterWebhooks(t *testing.T) {
	s := newStreet(t)
	hook := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	server := httptest.NewServer(hook)
	t.Cleanup(server.Close)
	receiver := server.URL
	s.mayHook()
	op := s.officer("vận", []identity.Role{identity.Operator})
	op.says(op.get("/console/webhooks"), 200, "Chưa phần mềm nào đăng ký")
	if r := s.call(http.MethodPost, "/v1/webhook-endpoints", "", map[string]any{"url": receiver + "/<script>", "types": []string{"order.*"}}); r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	stop := s.working()
	s.ordered("hook-1", "H10.12-260310-0902", 50000)
	s.soon("it was told", func() bool { return s.count(`SELECT count(*) FROM deliveries WHERE status = 204`) == 1 })
	at := "/console/webhooks/" + s.one(`SELECT id FROM webhook_endpoints`)
	op.says(op.get("/console/webhooks"), 200, "Nhận được", at)
	op.says(op.get(at), 200, "204", "order.*")
	if r := op.act(at+"/replay", url.Values{"number": {"x"}, "reason": {"y"}}); r.status != http.StatusUnprocessableEntity {
		t.Errorf("no number: %d", r.status)
	}
	op.acted(op.act(at+"/replay", url.Values{"number": {"1"}, "reason": {"cổng đã sửa"}}), at+"?done=replay")
	s.soon("it was told again", func() bool { return s.count(`SELECT count(*) FROM deliveries WHERE status = 204`) == 2 })
	stop()
	if s.count(`SELECT count(*) FROM audit WHERE action = 'webhook.replayed'`) != 1 {
		t.Error("the replay is not in the audit")
	}
	if r := op.get("/console/webhooks/whe_none"); r.status != http.StatusNotFound {
		t.Errorf("%d", r.status)
	}
	for name, client := range map[string]string{"cổng một": "cli_1", "cổng hai": "cli_2"} {
		if _, err := s.app.people.CreateUser(t.Context(), identity.System(), identity.NewUser{Name: name, Password: password, Roles: []identity.Role{identity.PortalAdmin}, ClientID: client}); err != nil {
			t.Fatal(err)
		}
		portal, own := s.browser().in(name), client == "cli_1"
		if r := portal.get("/console/webhooks"); r.status != http.StatusOK || strings.Contains(string(r.body), at) != own {
			t.Errorf("%s: %d %s", name, r.status, plainly(r))
		}
		want := map[bool]int{true: http.StatusOK, false: http.StatusNotFound}[own]
		if r := portal.get(at); r.status != want {
			t.Errorf("%s opens the portal's endpoint: %d", name, r.status)
		}
		for _, deed := range []string{"/replay", "/test"} {
			want := map[bool]int{true: http.StatusSeeOther, false: http.StatusNotFound}[own]
			if r := portal.act(at+deed, url.Values{"number": {"1"}, "reason": {"thử"}}); r.status != want {
				t.Errorf("%s, %s: %d", name, deed, r.status)
			}
		}
	}
	limited := s.officer("xã", []identity.Role{identity.Operator}, "H10.12")
	if r := limited.get("/console/webhooks"); r.status != http.StatusForbidden {
		t.Errorf("limited to an agency: %d", r.status)
	}
}

// Whose money an account takes is decided on its page, by another person than proposed it.
func TestABeneficiaryIsDecidedOnItsPage(t *testing.T) {
	s := newStreet(t)
	admin := s.person("quản trị", []identity.Role{identity.Admin})
	lan, op := s.officer("lan", []identity.Role{identity.Approver}), s.officer("vận", []identity.Role{identity.Operator})
	const at = "/console/providers/acc_momo"
	lan.says(lan.get(at), 200, "Chốt ngày lúc", "lệ phí", "Phí dịch vụ")
	for _, number := range []string{"1900000001", "1900000002"} {
		s.ok(s.as(admin, http.MethodPost, "/v1/accounts/acc_momo/beneficiaries", "", map[string]any{"bank": "970436", "number": number, "name": "UBND XA", "reason": "<b>đổi ngân hàng</b>"}), http.StatusCreated)
		id := s.one(`SELECT id FROM account_beneficiaries WHERE number = '` + number + `'`)
		lan.says(lan.get(at), 200, "Duyệt tài khoản "+number, "&lt;b&gt;đổi ngân hàng&lt;/b&gt;", "quản trị")
		if r := op.get(at); strings.Contains(string(r.body), "Duyệt tài khoản") || !strings.Contains(string(r.body), "chờ một người duyệt khác") {
			t.Error("an operator is offered to decide")
		}
		if number == "1900000001" {
			lan.acted(lan.act(at+"/beneficiaries/"+id+"/approve", url.Values{}), at+"?done=approved")
			lan.says(lan.get(at), 200, "đang có hiệu lực")
		} else {
			lan.acted(lan.act(at+"/beneficiaries/"+id+"/reject", url.Values{}), at+"?done=rejected")
		}
		if r := lan.act(at+"/beneficiaries/"+id+"/approve", url.Values{}); r.status != http.StatusConflict {
			t.Errorf("decided twice: %d", r.status)
		}
	}
	if got := s.one(`SELECT string_agg(status, ' ' ORDER BY number) FROM account_beneficiaries WHERE number LIKE '19%'`); got != "approved rejected" {
		t.Errorf("%s", got)
	}
	if r := lan.act(at+"/beneficiaries/bnf_none/approve", url.Values{}); r.status != http.StatusNotFound {
		t.Errorf("%d", r.status)
	}
}
