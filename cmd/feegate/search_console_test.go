package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
)

// TestAnyNumberIsFound looks up what stands on a bank's paper, a slip, a file and a provider's row, as an officer and as another agency's.
func TestAnyNumberIsFound(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	s.bank()
	api := s.person("api", []identity.Role{identity.Finance})
	lead := s.person("lead", []identity.Role{identity.Approver})
	mai, far := s.officer("mai", []identity.Role{identity.Finance}), s.officer("far", []identity.Role{identity.Finance}, "H10.99")
	s.take("acc_vnpay_7", 0, 3)
	refund, _ := s.refunding(1, api, lead, "0123456789")
	s.ok(s.as(api, http.MethodPost, "/v1/refund-lists", "l1", map[string]any{"agency_code": "H10.12"}), 201)
	content := s.one(`SELECT provider_reference FROM refunds`)
	s.wired(map[string]any{"amount": 70000, "content": "khong ro", "reference": "FT900"})
	s.move(24 * time.Hour)
	s.settled(api, "acc_vnpay_7", "FEEGATE7", "2026-03-10", "&invent=1&seed=3")
	imp := s.ok(s.statementFile(api, "", stated(bank, 0, [3]string{"FT77/8", "148350", "VNPAY FEEGATE7 TT GD NGAY 10/03/2026"}, [3]string{"FT78", "70000", "khong ro"})), 201)
	if n := s.count(`WITH d AS (INSERT INTO deposits (id, agency_code, bank_account, slip_number, deposited_at, amount, recorded_by, recorded_at) VALUES ('dep_1', 'H10.12', $1, 'GNT-01', $2, 1000, 'usr_x', $2) RETURNING id) SELECT count(*) FROM d`, bank, s.world.Now()); n != 1 {
		t.Fatal(n)
	}
	line, payout := s.one(`SELECT id::text FROM statement_lines WHERE reference = 'FT77/8'`), s.one(`SELECT id FROM payouts`)
	invented := s.one(`SELECT l.reference FROM settlement_lines l JOIN discrepancies d ON d.line_id = l.id WHERE d.kind = 'missing_at_gateway'`)
	for q, want := range map[string][]string{
		"FT77/8":               {"Khoản trên sao kê", "mã của ngân hàng", `href="/console/bank/` + line + `"`},
		line:                   {"số thứ tự của khoản trên sao kê", `href="/console/bank/` + line + `"`},
		"FT900":                {"Chuyển khoản đã được báo", "70.000"},
		payout:                 {"Lần nhà cung cấp trả tiền", `href="/console/bank/` + line + `"`},
		"GNT-01":               {"Giấy nộp tiền mặt", "số giấy nộp tiền", "chưa có tiền về"},
		"dep_1":                {"Giấy nộp tiền mặt"},
		invented:               {"Dòng trong tệp của nhà cung cấp", "mã tham chiếu", `href="/console/discrepancies/dis_`},
		text(imp["id"]):        {"Sao kê ngân hàng", `href="/console/imports/` + text(imp["id"])},
		text(imp["file_name"]): {"tên tệp", `href="/console/imports/` + text(imp["id"])},
		bank:                   {"Tài khoản ngân hàng", "số tài khoản", "bank_account=" + bank},
		content:                {"Tìm thấy theo mã chuyển trả", "20.000", "••••6789"},
		"100%_x":               {"Không tìm thấy gì"},
	} {
		r := mai.get("/console/search?q=" + url.QueryEscape(q))
		for _, w := range want {
			if !strings.Contains(string(r.body), w) {
				t.Errorf("%q: %d, nothing of %q in\n%s", q, r.status, w, plainly(r))
			}
		}
		if r := far.get("/console/search?q=" + url.QueryEscape(q)); r.status != 200 || !strings.Contains(string(r.body), "Không tìm thấy gì") {
			t.Errorf("another agency finds %q: %d %s", q, r.status, plainly(r))
		}
	}
	if r := mai.get("/console/search?q=" + refund); !strings.HasPrefix(r.header.Get("Location"), "/console/payments/pay_") {
		t.Errorf("a refund leads to %q", r.header.Get("Location"))
	}
}

// A citizen who has no number at hand has the day, the amount, and perhaps the last digits of their account.
func TestAPaymentIsFoundByDayAndAmount(t *testing.T) {
	s := newStreet(t)
	s.paidOut()
	mai, far := s.officer("mai", []identity.Role{identity.Finance}), s.officer("far", []identity.Role{identity.Finance}, "H10.99")
	s.take("acc_vnpay_7", 0, 2)
	first, second := s.one(`SELECT min(id) FROM payments`), s.one(`SELECT max(id) FROM payments`)
	if _, err := s.db.ExecContext(t.Context(), `UPDATE payments SET payer_masked = CASE id WHEN $1 THEN '••••6789' ELSE '97041•••1234' END`, first); err != nil {
		t.Fatal(err)
	}
	waiting := s.ordered("waits", "H10.12-260310-0905", 50000)
	pending := text(s.ok(s.call(http.MethodPost, "/v1/orders/"+waiting+"/payments", "w", map[string]string{"account_id": "acc_momo"}), 201)["id"])
	for query, want := range map[string][]string{
		"day=2026-03-10&amount=50000":                 {first, second, pending},
		"day=2026-03-10&amount=50.000+₫":              {first, second, pending},
		"day=2026-03-10&amount=50000&digits=6789":     {first},
		"day=2026-03-10&amount=50000&digits=234":      {second},
		"day=2026-03-10&amount=50000&digits=9999":     nil,
		"day=2026-03-09&amount=50000":                 nil,
		"day=2026-03-10&amount=50001":                 nil,
		"day=2026-03-10&amount=50000&digits=041+1234": nil,
	} {
		r := mai.get("/console/search?" + strings.ReplaceAll(query, "₫", url.QueryEscape("₫")))
		if strings.Contains(query, "+1234") {
			if r.status != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d", query, r.status)
			}
			continue
		}
		for _, id := range []string{first, second, pending} {
			if found := strings.Contains(string(r.body), "/console/payments/"+id+`"`); found != slices.Contains(want, id) {
				t.Errorf("%s: %s found: %v\n%s", query, id, found, plainly(r))
			}
		}
		if says := strings.Contains(string(r.body), "Tìm thấy theo ngày, số tiền"); says != (len(want) > 0) || says == strings.Contains(string(r.body), "Không có khoản nào") {
			t.Errorf("%s: %s", query, plainly(r))
		}
		if r := far.get("/console/search?" + strings.ReplaceAll(query, "₫", url.QueryEscape("₫"))); strings.Contains(string(r.body), "/console/payments/pay_") {
			t.Errorf("another agency finds by %s", query)
		}
	}
	for _, wrong := range []string{"day=mai&amount=1", "day=2026-03-10&amount=-5", "day=2026-03-10&amount=", "amount=5"} {
		if r := mai.get("/console/search?" + wrong); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", wrong, r.status)
		}
	}
}
