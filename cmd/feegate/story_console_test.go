package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
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
