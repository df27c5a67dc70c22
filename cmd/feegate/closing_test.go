package main

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
	"feegate/providers/sim"
)

func TestTheConsoleClosesSignsAndOpensAgain(t *testing.T) {
	s, mai, _, _ := evening(t, sim.Changes{Lose: 1, Seed: 3})
	finance, approver, admin := s.officer("thu", []identity.Role{identity.Finance}), s.officer("duyet", []identity.Role{identity.Approver}), s.officer("quan", []identity.Role{identity.Admin})
	page := "/console/days/" + day + "?account=acc_momo"
	has := func(o *officer, path string, want ...string) string {
		t.Helper()
		r := o.get(path)
		if r.status != http.StatusOK {
			t.Fatalf("%s: %d %s\n%s", path, r.status, r.body, s.logs)
		}
		for _, w := range want {
			if !strings.Contains(string(r.body), w) {
				t.Errorf("%s does not say %q:\n%s", path, w, r.body)
			}
		}
		return string(r.body)
	}
	account := url.Values{"account": {"acc_momo"}}
	act := func(o *officer, path string, more ...string) reply {
		t.Helper()
		form := url.Values{"account": {"acc_momo"}}
		for i := 0; i < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		return o.act(path, form)
	}
	went := func(r reply, to string) {
		t.Helper()
		if r.status != http.StatusSeeOther || !strings.Contains(r.header.Get("Location"), to) {
			t.Fatalf("%d to %q, want %s: %s\n%s", r.status, r.header.Get("Location"), to, r.body, s.logs)
		}
	}
	has(finance, page, "Chưa khóa sổ được", "chưa có người phụ trách, chưa có hướng xử lý", "Khóa sổ ngày 10/03/2026, 200.000\u00a0₫", "bản nháp, chưa ký")
	if r := act(finance, "/console/days/"+day+"/close"); r.status != http.StatusConflict || !strings.Contains(string(r.body), "Chưa khóa sổ được ngày này") || !strings.Contains(string(r.body), "chưa có người phụ trách, chưa có hướng xử lý") || strings.Contains(string(r.body), "has no owner") {
		t.Errorf("%d %s", r.status, r.body)
	}
	s.readyToClose(mai)
	if r := finance.post("/console/days/"+day+"/close", account, nil); r.status != http.StatusForbidden {
		t.Errorf("without the form's token: %d", r.status)
	}
	if r := act(approver, "/console/days/"+day+"/close"); r.status != http.StatusForbidden {
		t.Errorf("closed by an approver: %d", r.status)
	}
	went(act(finance, "/console/days/"+day+"/close"), page+"&done=closed")
	has(finance, page+"&done=closed", "Đã khóa sổ ngày này", "thu, 19/03/2026", "Chờ một người duyệt khác ký")
	has(approver, "/console/today", "Ký ngày 10/03/2026")
	has(approver, page, "Ký ngày 10/03/2026, 200.000\u00a0₫")
	went(act(approver, "/console/days/"+day+"/sign"), page+"&done=signed")
	if body := has(approver, page, "duyet, 19/03/2026", "SHA-256 bản ký", s.one(`SELECT sha256 FROM days WHERE status = 'signed'`)); strings.Contains(body, "bản nháp") || strings.Contains(body, "Đối soát lại") {
		t.Error("a signed day is still open on its page")
	}
	for path, kind := range map[string]string{"/console/days/" + day + "/minutes.pdf": "application/pdf", "/console/days/" + day + "/minutes.xlsx": "sheet", "/console/months/2026-03/minutes.pdf": "application/pdf",
		"/console/months/2026-03/minutes.xlsx": "sheet"} {
		if r := finance.get(path + "?account=acc_momo"); r.status != 200 || !strings.Contains(r.header.Get("Content-Type"), kind) || len(r.body) < 5000 {
			t.Errorf("%s: %d %s, %d bytes", path, r.status, r.header.Get("Content-Type"), len(r.body))
		}
	}

	closing := "/console/closings/" + day + "?account=acc_momo"
	if r := admin.get(page); r.status != http.StatusForbidden {
		t.Errorf("an admin at the day itself: %d", r.status)
	}
	has(admin, "/console/closings", "10/03/2026", "thu", "duyet")
	if body := has(finance, closing, "Lần 1"); strings.Contains(body, "Xin mở lại ngày") {
		t.Error("finance may not open a day again")
	}
	has(admin, closing, "Xin mở lại ngày 10/03/2026, 200.000\u00a0₫")
	went(act(admin, "/console/closings/"+day+"/reopen", "reason", "tệp <b>sửa</b>"), "reopen-asked")
	has(admin, closing, "cần một người duyệt đồng ý", "tệp &lt;b&gt;sửa&lt;/b&gt;")
	has(approver, "/console/today", "Mở lại ngày 10/03/2026")
	has(approver, closing, "Mở lại ngày 10/03/2026, 200.000\u00a0₫")
	went(act(approver, "/console/closings/"+day+"/reopen/approve"), "reopen-approve")
	went(act(finance, "/console/days/"+day+"/close"), page+"&done=closed")
	has(finance, closing, "Lần 2", "Mở lại vì: tệp")
	if r := act(approver, "/console/closings/"+day+"/reopen/perhaps"); r.status != http.StatusNotFound {
		t.Errorf("%d", r.status)
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action IN ('day.closed', 'day.signed', 'day.reopen.asked', 'day.reopened')`); n != 5 {
		t.Errorf("%d rows of audit", n)
	}
	if dir := os.Getenv("FEEGATE_TEST_MINUTES"); dir != "" { // to look at
		_ = os.WriteFile(dir+"/day.html", approver.get(page).body, 0o600)
	}
}

func TestDaysByCommands(t *testing.T) {
	s, mai, _, _ := evening(t, sim.Changes{})
	s.person("ha", []identity.Role{identity.Finance, identity.Approver})
	c := s.commands()
	do := func(want int, says string, args ...string) map[string]any {
		t.Helper()
		out, v := c.run(want, append([]string{"day"}, args...)...)
		if !strings.Contains(out, says) {
			t.Errorf("%v does not say %q: %s", args, says, out)
		}
		return v
	}
	do(2, "no date", "close", "acc_momo", "yesterday", "--as", "mai")
	do(2, "--as", "close", "acc_momo", day)
	do(1, "no such person", "close", "acc_momo", day, "--as", "lan")
	do(0, "missing", "show", "acc_momo", day)
	s.readyToClose(mai)
	if v := do(0, "", "close", "acc_momo", day, "--as", "mai", "--json"); v["status"] != "closed" {
		t.Errorf("%v", v)
	}
	do(1, "closed by mai", "close", "acc_momo", day, "--as", "ha")
	do(1, "no such person", "sign", "acc_momo", day, "--as", "mai")
	do(0, "signed by", "sign", "acc_momo", day, "--as", "lan")
	do(0, "intact", "verify")
	do(2, "", "reopen", "acc_momo", day, "--as", "an")
	do(0, "to be opened again", "reopen", "acc_momo", day, "--as", "an", "--reason", "tệp sửa")
	do(1, "second-person-needed", "reopen", "acc_momo", day, "--as", "an", "--approve")
	do(0, "reopened", "reopen", "acc_momo", day, "--as", "lan", "--approve")
	do(0, "closed", "close", "acc_momo", day, "--as", "ha")
	do(1, "second-person-needed", "sign", "acc_momo", day, "--as", "ha")
	do(0, "signed", "sign", "acc_momo", day, "--as", "lan")
	if v := do(0, "", "verify", "--json", "--account", "acc_momo"); v["intact"] != true || v["signatures"] != 2.0 {
		t.Errorf("%v", v)
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE object = 'acc_momo/' || $1 AND address LIKE 'cli:%' AND detail->>'by' = 'command line'`, day); n != 6 {
		t.Errorf("%d rows of audit", n)
	}
	if _, err := dbtest.Admin(t, s.db).ExecContext(t.Context(), `SET session_replication_role = replica; UPDATE day_signatures SET document = document || ' ' WHERE seq = 2`); err != nil {
		t.Fatal(err)
	}
	do(1, "BROKEN acc_momo, 2026-03-10 version 2, signature 2: the document does not have the hash", "verify")
}
