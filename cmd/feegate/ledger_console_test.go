package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"feegate/gateway"
	"feegate/gateway/identity"
)

// TestTheLedgerAtAnyInstant follows money from the payer to the bank, and looks back.
func TestTheLedgerAtAnyInstant(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	api := s.person("api", []identity.Role{identity.Finance})
	lead := s.person("lead", []identity.Role{identity.Approver})
	mai, far := s.officer("mai", []identity.Role{identity.Finance}), s.officer("far", []identity.Role{identity.Finance}, "H10.99")
	mai.shows(mai.get("/console/ledger"), 200, "Chưa có khoản tiền nào")
	s.take("acc_vnpay_7", 0, 3)
	s.refunding(1, api, lead, "0123456789")
	s.move(time.Minute)
	mai.shows(mai.get("/console/ledger"), 200, "VNPAY · UBND xã FEEGATE7 150.000 ₫ 0 ₫ 0 ₫ 0 ₫ 0 ₫ 0 ₫", "FEEGATEMOMO 50.000 ₫ 0 ₫ 0 ₫ 0 ₫ 20.000 ₫", "Cộng 200.000 ₫")
	list := mai.get("/console/ledger/acc_vnpay_7")
	mai.shows(list, 200, "Chờ quyết toán: 150.000 ₫", "Khoản nộp chưa quyết toán", "Cộng mọi trang")
	if n := strings.Count(string(list.body), `href="/console/payments/pay_`); n != 3 {
		t.Errorf("%d payments wait to be settled", n)
	}
	before := s.world.Now()
	s.move(24 * time.Hour)
	s.settled(api, "acc_vnpay_7", "FEEGATE7", "2026-03-10", "&lose=1&seed=3")
	mai.shows(mai.get("/console/ledger"), 200, "FEEGATE7 50.000 ₫ 98.900 ₫ 0 ₫ 1.100 ₫")
	s.ok(s.statementFile(api, "", stated(bank, 0, [3]string{"FT1", "98900", "VNPAY FEEGATE7 TT GD NGAY 10/03/2026"})), 201)
	mai.shows(mai.get("/console/ledger"), 200, "FEEGATE7 50.000 ₫ 0 ₫ 98.900 ₫ 1.100 ₫")
	mai.shows(mai.get("/console/ledger/acc_vnpay_7"), 200, "Chờ quyết toán: 50.000 ₫")

	at := "?at=" + url.QueryEscape(before.In(time.FixedZone("", 7*3600)).Format("2006-01-02T15:04:05"))
	mai.shows(mai.get("/console/ledger"+at), 200, "FEEGATE7 150.000 ₫ 0 ₫ 0 ₫")
	mai.shows(mai.get("/console/ledger/acc_vnpay_7"+at), 200, "Chờ quyết toán: 150.000 ₫")
	for path, want := range map[string][]string{"/console/ledger.csv": {"VNPAY,FEEGATE7,UBND xã,50000,0,98900,1100,0,0,0,0", "Chờ quyết toán,Phải thu nhà cung cấp"}, "/console/ledger/acc_vnpay_7/clearing.csv": {"Khoản nộp chưa quyết toán,pay_", "Cộng,,,,,50000"},
		"/console/ledger/acc_vnpay_7/clearing.csv" + at: {"Cộng,,,,,150000"}} {
		r := mai.get(path)
		for _, w := range want {
			if r.status != 200 || !strings.Contains(string(r.body), w) || !strings.HasPrefix(r.header.Get("Content-Type"), "text/csv") {
				t.Errorf("%s: %d, nothing of %q in %s", path, r.status, w, r.body)
			}
		}
	}
	// The page's headings add up to the API's balances.
	total := map[string]float64{}
	for _, b := range s.ok(s.as(api, http.MethodGet, "/v1/ledger/balances", "", nil), 200)["items"].([]any) {
		b := b.(map[string]any)
		total[strings.Split(b["account"].(string), ":")[0]] += b["balance"].(float64)
	}
	items, err := s.app.reconciler.AccountBalances(t.Context(), gateway.Caller{Person: true, Actor: "usr_x", Mode: "live"}, s.world.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range items {
		total[b.Heading] -= float64(b.Balance)
	}
	for heading, left := range total {
		if left != 0 {
			t.Errorf("%s differs by %v", heading, left)
		}
	}
	mai.shows(mai.get("/console/ledger?at=x"), 422, "phải là ngày và giờ")
	mai.shows(mai.get("/console/ledger?at=2030-01-01T00:00"), 422, "ở sau thời điểm hiện tại")
	mai.shows(mai.get("/console/ledger/acc_vnpay_7?after=%00"), 422)
	far.shows(far.get("/console/ledger"), 200, "Chưa có khoản tiền nào")
	for _, path := range []string{"/console/ledger/acc_vnpay_7", "/console/ledger/acc_vnpay_7/clearing.csv", "/console/ledger/acc_none"} {
		if r := far.get(path); r.status != 404 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
}
