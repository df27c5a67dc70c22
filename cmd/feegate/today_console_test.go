package main

import (
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
)

// TestTheMorningShowsBothSides goes from a file that has not come to a day that agrees at the bank, and one that never does.
func TestTheMorningShowsBothSides(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	api := s.person("api", []identity.Role{identity.Finance})
	mai := s.officer("mai", []identity.Role{identity.Finance})
	mai.shows(mai.get("/console/today"), 200, "Chưa có ngày nào có giao dịch", "✓ Không có sai lệch nào đang mở", "0 đề xuất ghép")
	s.take("acc_vnpay_7", 0, 3)
	s.move(24 * time.Hour) // 11 March, 10:00: the file should have come by 7:30
	mai.shows(mai.get("/console/today"), 200, "◌ Chưa có tệp", "1 chưa có tệp")
	if _, err := s.app.reconciler.MarkDue(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := s.app.reconciler.MatchDue(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	mai.shows(mai.get("/console/today"), 200, "✕ Thiếu tệp, quá giờ", "1 chưa có tệp, 1 quá giờ")
	s.settled(api, "acc_vnpay_7", "FEEGATE7", "2026-03-10", "")
	mai.shows(mai.get("/console/today"), 200, "◌ Chờ tiền về ngân hàng", "Tải sao kê", "1 chờ tiền về", "0 ngày lệch")
	// Half of the money comes, in a layout that nobody has confirmed.
	s.ok(s.statementFile(api, "", stated(bank, 0, [3]string{"FT1", "100000", "VNPAY FEEGATE7 TT GD NGAY 10/03/2026"})), 201)
	mai.shows(mai.get("/console/today"), 200, "1 ngày lệch", "✕ Lệch, đã rõ lý do", "Mẫu sao kê chờ xác nhận", "Ghi có Tiền vào", "Đúng, xác nhận các cột này")
	s.move(30 * 24 * time.Hour)
	page := mai.get("/console/today?days=31")
	mai.shows(page, 200, "Quá hạn, xử lý trước", "○ chưa giao", "1 sai lệch mở, 1 quá hạn")
	if text := plainly(page); strings.Index(text, "Quá hạn, xử lý trước") > strings.Index(text, "31 ngày gần nhất") {
		t.Error("what is overdue does not stand first")
	}
	lan := s.officer("lan", []identity.Role{identity.Approver})
	lan.shows(lan.get("/console/today"), 200, "Chờ người đối soát xác nhận")
}
