package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
)

// TestRefundsByListAtTheConsole asks, decides, lists, and says what the bank did, by four people.
func TestRefundsByListAtTheConsole(t *testing.T) {
	s := newStreet(t)
	s.paid("momo", 3, true)
	mai, lan := s.officer("mai", []identity.Role{identity.Finance}), s.officer("lan", []identity.Role{identity.Approver})
	hoa, far := s.officer("hoa", []identity.Role{identity.Finance}), s.officer("far", []identity.Role{identity.Finance, identity.Approver}, "H10.99")
	auditor := s.officer("kiem", []identity.Role{identity.Auditor})
	mai.shows(mai.get("/console/refunds"), 200, "Không có khoản hoàn nào chờ duyệt", "Không có khoản nào chờ", "Chưa có danh sách nào")
	payments := strings.Split(s.one(`SELECT string_agg(id, ' ' ORDER BY id) FROM payments WHERE status = 'succeeded'`), " ")
	form := func(n int, account string) url.Values {
		return url.Values{"amount": {"20.000"}, "available": {"50000"}, "reason": {"nộp nhầm"}, "key": {fmt.Sprint("refund-key-", n)}, "to_bank": {"Vietcombank"}, "to_account": {account}, "to_name": {"=NGUYEN VAN A"}, "to_evidence": {"Ủy quyền trên đơn"}}
	}
	if r := mai.act("/console/payments/"+payments[0]+"/refunds", form(0, "12")); r.status != 422 || !strings.Contains(plainly(r), "Số tài khoản nhận : gồm 4 đến 30 chữ in hoa và chữ số") {
		t.Errorf("%d %s", r.status, plainly(r))
	}
	for n, account := range []string{"0123 456789", "9876543210"} {
		if r := mai.act("/console/payments/"+payments[n]+"/refunds", form(n+1, account)); r.status != 303 {
			t.Fatalf("%d %s", r.status, plainly(r))
		}
	}
	lan.shows(lan.get("/console/refunds"), 200, "nộp nhầm mai Vietcombank ••••6789 20.000 ₫")
	page := lan.get("/console/payments/" + payments[0])
	lan.shows(page, 200, "Chuyển đến Vietcombank ••••6789", "Tên người nhận =NGUYEN VAN A", "Căn cứ Ủy quyền trên đơn", "Duyệt hoàn 20.000 ₫")
	if strings.Contains(string(page.body), "0123456789") {
		t.Error("the approver sees the whole account number")
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'refund_destination.read'`); n != 1 {
		t.Errorf("%d looks are noted", n)
	}
	refund := func(payment string) string {
		return s.one(`SELECT id FROM refunds WHERE payment_id = '` + payment + `'`)
	}
	for _, p := range payments[:2] {
		if r := lan.act("/console/refunds/"+refund(p)+"/approve", url.Values{}); r.status != 303 {
			t.Fatalf("%d %s", r.status, plainly(r))
		}
	}
	waiting := hoa.get("/console/refunds")
	hoa.shows(waiting, 200, "UBND xã: 2 khoản, 40.000 ₫", "Lập danh sách các khoản đã chọn")
	if n := strings.Count(string(waiting.body), " checked"); n != 2 {
		t.Errorf("%d are ticked", n)
	}
	if page := string(lan.get("/console/refunds").body); strings.Contains(page, "Lập danh sách các khoản") {
		t.Error("an approver is offered the list")
	}
	listing := url.Values{"agency": {"H10.12"}, "refund": {refund(payments[0]), refund(payments[1])}, "key": {"list-key-1"}}
	for _, refused := range []struct {
		o      *officer
		form   url.Values
		status int
	}{{lan, listing, 403}, {far, listing, 404}, {hoa, url.Values{"agency": {"H10.12"}, "key": {"list-key-2"}}, 422}, {hoa, url.Values{"agency": {"H10.12"}, "refund": {"rfd_none"}, "key": {"list-key-3"}}, 422}} {
		if r := refused.o.act("/console/refunds/lists", refused.form); r.status != refused.status {
			t.Errorf("%v: %d, want %d", refused.form, r.status, refused.status)
		}
	}
	made := hoa.act("/console/refunds/lists", listing)
	list := strings.TrimSuffix(made.header.Get("Location"), "?done=listed")
	if made.status != 303 || !strings.HasPrefix(list, "/console/refunds/lists/rfl_") {
		t.Fatalf("%d to %q: %s", made.status, list, plainly(made))
	}
	if r := hoa.act("/console/refunds/lists", listing); r.header.Get("Location") != list+"?done=listed" {
		t.Errorf("pressed twice: %d to %q", r.status, r.header.Get("Location"))
	}
	own := hoa.get(list)
	hoa.shows(own, 200, "Danh sách hoàn tiền: 2 khoản, 40.000 ₫", "Vietcombank ••••6789 =NGUYEN VAN A", "Bạn đã lập danh sách này")
	if strings.Contains(string(own.body), "0123456789") || strings.Contains(string(own.body), "/told") {
		t.Error("who listed it sees too much")
	}
	csv := hoa.get(list + "/list.csv")
	if text := string(csv.body); csv.status != 200 || !strings.Contains(text, "1,0123456789,'=NGUYEN VAN A,Vietcombank,20000,") || strings.Count(text, "\n") != 3 {
		t.Errorf("%d %s", csv.status, text)
	}
	auditor.shows(auditor.get(list), 200, "Danh sách hoàn tiền")
	for _, path := range []string{list, list + "/list.csv"} {
		if r := far.get(path); r.status != 404 {
			t.Errorf("another agency at %s: %d", path, r.status)
		}
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'refund_list.read'`); n != 3 {
		t.Errorf("%d looks at the list are noted", n)
	}

	id := strings.TrimPrefix(list, "/console/refunds/lists/")
	s.move(time.Hour)
	paid := url.Values{"outcome": {"paid"}, "bank_reference": {"FT26069"}, "paid_at": {"2026-03-10T10:30"}, "list": {id}}
	told := func(p string) string { return "/console/refunds/" + refund(p) + "/told" }
	for _, refused := range []struct {
		o      *officer
		form   url.Values
		status int
		says   string
	}{{hoa, paid, 403, "người khác với người đề nghị và người lập danh sách"}, {mai, paid, 403, "Cần người khác quyết định"}, {auditor, paid, 403, ""}, {far, paid, 404, ""},
		{lan, url.Values{"outcome": {"paid"}, "bank_reference": {"F"}, "paid_at": {"x"}}, 422, "phải là ngày và giờ"}, {lan, url.Values{"outcome": {"paid"}, "bank_reference": {"F"}, "paid_at": {"2030-03-10T10:30"}}, 422, "ở sau thời điểm hiện tại"},
		{lan, url.Values{"outcome": {"returned"}, "note": {" "}}, 422, "còn thiếu"}, {lan, url.Values{"outcome": {"x"}}, 404, ""}} {
		if r := refused.o.act(told(payments[0]), refused.form); r.status != refused.status || !strings.Contains(plainly(r), refused.says) {
			t.Errorf("%v: %d, want %d and %q: %s", refused.form, r.status, refused.status, refused.says, plainly(r))
		}
	}
	lan.shows(lan.get(list), 200, "Đã chuyển 20.000 ₫", "Ngân hàng trả lại 20.000 ₫")
	if r := lan.act(told(payments[0]), paid); r.header.Get("Location") != list+"?done=paid_back" {
		t.Errorf("%d %s", r.status, plainly(r))
	}
	if r := lan.act(told(payments[1]), url.Values{"outcome": {"returned"}, "note": {"sai số tài khoản"}, "list": {id}}); r.header.Get("Location") != list+"?done=returned" {
		t.Errorf("%d %s", r.status, plainly(r))
	}
	lan.shows(lan.get(list+"?done=returned"), 200, "1. ● Thành công", "2. ✕ Không thành công", "Đã ghi: ngân hàng trả lại")
	back := hoa.get("/console/refunds")
	hoa.shows(back, 200, "↩ Ngân hàng trả lại", "Danh sách đã lập")
	if strings.Contains(string(back.body), " checked") {
		t.Error("what came back is ticked by itself")
	}
	if r := hoa.act("/console/refunds/lists", url.Values{"agency": {"H10.12"}, "refund": {refund(payments[1])}, "key": {"list-key-4"}}); r.status != 303 {
		t.Errorf("listed again: %d %s", r.status, plainly(r))
	}
}
