package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
	"feegate/providers/sim"
)

// A payment's page tells all that was heard, asked, matched and found, in order; what was received stands there only for who asks for it, which is on record.
func TestAPaymentsWholeStory(t *testing.T) {
	s, mai, _, _ := morning(t)
	id := s.one(`SELECT min(payment_id) FROM matches WHERE payment_id IS NOT NULL`)
	path := "/console/payments/" + id
	page := mai.get(path)
	mai.shows(page, 200, "Nhà cung cấp báo: ✓ Xác thực, đã ghi", "của tệp đối soát ● Khớp theo mã", "đối soát tự động")
	if text := plainly(page); strings.Index(text, "Nhà cung cấp báo:") > strings.LastIndex(text, "● Thành công nhà cung cấp báo") || strings.Index(text, "Nhà cung cấp báo") > strings.Index(text, "của tệp đối soát") || strings.Contains(text, "partnerCode") {
		t.Error("out of order, or a message is shown to who did not ask for it")
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'callback.read'`); n != 0 {
		t.Errorf("%d looks that nobody took", n)
	}
	mai.shows(mai.get(path+"?raw=1"), 200, "partnerCode", "đã vào nhật ký")
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'callback.read' AND object = '` + id + `'`); n != 1 {
		t.Errorf("%d looks are on record", n)
	}

	_, pending, _ := s.started("momo")
	s.move(10 * time.Minute)
	if n, err := s.app.gateway.Sweep(t.Context(), 10); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	mai.shows(mai.get("/console/payments/"+pending), 200, "feegate hỏi lại:")
	elsewhere := s.officer("hoa", []identity.Role{identity.Finance}, "H10.99")
	if r := elsewhere.get(path + "?raw=1"); r.status != http.StatusNotFound {
		t.Errorf("another agency's: %d", r.status)
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'callback.read'`); n != 1 {
		t.Errorf("%d looks, one was refused", n)
	}
}

// A payment's page tells into which papers and files it went: its day's minutes, closed reports, and of its refund the list for the bank with its file; of
// each who, when, and where it is. A payment that went into none has none.
func TestAPaymentsPapers(t *testing.T) {
	s, token, lanToken, _ := evening(t, sim.Changes{Seed: 3})
	paid := s.one(`SELECT min(id) FROM payments WHERE status = 'succeeded'`)
	path := "/console/payments/" + paid
	mai, thu, duyet, thong := s.browser().in("mai"), s.officer("thu", []identity.Role{identity.Finance}), s.officer("duyet", []identity.Role{identity.Approver}), s.officer("thong", []identity.Role{identity.Reporter})
	if text := plainly(mai.get(path)); strings.Contains(text, "Khóa sổ ngày") || strings.Contains(text, "Chốt báo cáo") || strings.Contains(text, "danh sách hoàn") {
		t.Errorf("it is in papers that nobody made: %s", text)
	}
	s.readyToClose(token)
	account := url.Values{"account": {"acc_momo"}}
	if r := thu.act("/console/days/"+day+"/close", account); r.status != http.StatusSeeOther {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := duyet.act("/console/days/"+day+"/sign", account); r.status != http.StatusSeeOther {
		t.Fatalf("%d %s", r.status, r.body)
	}
	in := asked(20000, 50000)
	in["to"] = to("0123456789")
	refund := text(s.ok(s.as(token, http.MethodPost, "/v1/payments/"+paid+"/refunds", "rk", in), 202)["id"])
	s.ok(s.as(lanToken, http.MethodPost, "/v1/refunds/"+refund+"/approve", "", nil), 200)
	list := strings.TrimSuffix(strings.TrimPrefix(thu.act("/console/refunds/lists", url.Values{"agency": {"H10.12"}, "refund": {refund}}).header.Get("Location"), "/console/refunds/lists/"), "?done=listed")
	mai.shows(mai.get("/console/refunds/lists/"+list), 200, "Danh sách") // a look takes nothing away
	if text := plainly(mai.get(path)); strings.Contains(text, "Tải tệp danh sách hoàn") || !strings.Contains(text, "Khoản hoàn vào danh sách gửi ngân hàng thu") {
		t.Errorf("a look at the list is told as a file of it: %s", text)
	}
	if r := mai.get("/console/refunds/lists/" + list + "/list.csv"); r.status != 200 {
		t.Fatal(r.status)
	}
	s.move(20 * 24 * time.Hour)
	const report = "/console/reports/2026-03-01/2026-03-31/1"
	thong.acted(thong.act("/console/reports", url.Values{"from": {"2026-03-01"}, "to": {"2026-03-31"}, "reason": {"tháng 3"}}), report+"?done=report-closed")
	duyet.acted(duyet.act(report+"/approve", url.Values{}), report+"?done=report-approved")

	page := mai.get(path)
	mai.shows(page, 200, "Khóa sổ ngày 10/03/2026 thu lần 1; trong số đã khóa có khoản này", "Ký biên bản ngày 10/03/2026 duyet lần 1", "Khoản hoàn vào danh sách gửi ngân hàng thu", "Tải tệp danh sách hoàn gửi ngân hàng mai",
		"Chốt báo cáo 01/03/2026 đến 31/03/2026, lần 1 thong ngày nộp thuộc kỳ này, và khoản này đã được ghi nhận lúc chốt", "Duyệt báo cáo 01/03/2026 đến 31/03/2026, lần 1 duyet")
	text, at := plainly(page), -1
	for _, moment := range []string{"Khóa sổ ngày", "Ký biên bản", "Khoản hoàn vào", "Tải tệp danh sách", "Chốt báo cáo", "Duyệt báo cáo"} {
		if i := strings.Index(text, moment); i <= at {
			t.Errorf("%s is out of order", moment)
		} else {
			at = i
		}
	}
	for _, link := range []string{"/console/days/2026-03-10?account=acc_momo", "/console/refunds/lists/" + list, report} {
		if !strings.Contains(string(page.body), `<a href="`+link+`">`) {
			t.Errorf("no link to %s", link)
		}
		if r := mai.get(link); r.status != http.StatusOK {
			t.Errorf("%s: %d", link, r.status)
		}
	}
	s.paid("momo", 1, true) // in April: it was in nothing yet
	other := s.one(`SELECT max(id) FROM payments WHERE status = 'succeeded' AND paid_at > '2026-03-31'`)
	if text := plainly(mai.get("/console/payments/" + other)); !strings.Contains(text, "Thành công") || strings.Contains(text, "Khóa sổ ngày") || strings.Contains(text, "Chốt báo cáo") || strings.Contains(text, "danh sách hoàn") {
		t.Errorf("%s", text)
	}
	if _, err := dbtest.Admin(t, s.db).ExecContext(t.Context(), `UPDATE payments SET paid_at = '2026-03-20 10:00+07' WHERE id = $1`, other); err != nil {
		t.Fatal(err)
	}
	if text := plainly(mai.get("/console/payments/" + other)); !strings.Contains(text, "Thời gian nộp 20/03/2026") || strings.Contains(text, "Chốt báo cáo") {
		t.Errorf("money of March that was learnt after the report was closed is told to be in it: %s", text)
	}
}
