package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
)

// Of an account of transfers the bank's statement is the other side: what it has only after the day was closed counts on an open day too.
func TestAStatementThatComesAfterTheClosing(t *testing.T) {
	s := newStreet(t)
	s.bank()
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})
	_, _, one, _ := s.shown(1)
	_, _, two, _ := s.shown(2)
	_, _, three, _ := s.shown(3)
	s.wired(map[string]any{"amount": 50000, "content": one, "reference": "FT77"})
	s.wired(map[string]any{"amount": 50000, "content": two, "reference": "FT78"})
	s.move(24 * time.Hour)
	const path, next = "/v1/days/acc_sepay/" + day, "2026-03-11"
	match := func() {
		t.Helper()
		if _, err := s.app.reconciler.HearStatements(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		s.ok(s.as(mai, http.MethodPost, "/v1/reconciliations", "", map[string]string{"date": day, "account_id": "acc_sepay"}), 200)
	}
	figures := func(date string) string {
		t.Helper()
		v := s.ok(s.as(mai, http.MethodGet, "/v1/reconciliations/"+date+"?account_id=acc_sepay", "", nil), 200)
		sub := func(of, f string) any { return v[of].(map[string]any)[f] }
		return fmt.Sprintf("%v %v, settled %v %v, bank %v, difference %v, unexplained %v, bank side %v %v", sub("payments", "count"), sub("payments", "amount"), sub("settled", "count"), sub("settled", "amount"), sub("bank", "amount"), v["difference"], v["unexplained_difference"],
			sub("bank_side", "difference"), sub("bank_side", "unexplained_difference"))
	}
	s.ok(s.statementFile(mai, "", stated(ownBank, 0, [3]string{"FT77", "50000", "ND " + one})), 201)
	match()
	for _, d := range s.list(mai, "account_id=acc_sepay&date="+day) {
		s.ok(s.as(mai, http.MethodPost, "/v1/discrepancies/"+text(d["id"])+"/resolutions", "c"+text(d["id"]), map[string]string{"action": "carry_forward", "note": "chờ sao kê"}), 201)
	}
	s.ok(s.as(mai, http.MethodPost, path+"/close", "", nil), 200)
	closed := figures(day)
	if closed != "2 100000, settled 1 50000, bank 50000, difference 50000, unexplained 0, bank side 0 0" {
		t.Errorf("%s", closed)
	}
	s.ok(s.statementFile(mai, "", stated(ownBank, 0, [3]string{"FT77", "50000", "ND " + one}, [3]string{"FT78", "50000", "ND " + two})), 201)
	match()
	if got := figures(next); got != "0 0, settled 1 50000, bank 50000, difference -50000, unexplained 0, bank side 0 0" {
		t.Errorf("what the statement has late: %s", got)
	}
	s.ok(s.statementFile(mai, "", stated(ownBank, 0, [3]string{"FT77", "50000", "ND " + one}, [3]string{"FT78", "50000", "ND " + two}, [3]string{"FT79", "50000", "ND " + three})), 201)
	match()
	if got := figures(next); got != "1 50000, settled 2 100000, bank 100000, difference -50000, unexplained 0, bank side 0 0" {
		t.Errorf("what was heard of late: %s", got)
	}
	landed := fmt.Sprint(s.ok(s.as(mai, http.MethodGet, "/v1/days/acc_sepay/"+next+"/adjustments", "", nil), 200)["landed"])
	if strings.Count(landed, "kind:late_line") != 1 || strings.Count(landed, "kind:late_payment") != 1 {
		t.Errorf("%s", landed)
	}
	s.ok(s.as(lan, http.MethodPost, path+"/sign", "", nil), 200)
	if got := figures(day); got != closed {
		t.Errorf("the closed day: %s, was %s", got, closed)
	}
	if n := s.count(`SELECT count(*) FROM moves WHERE cause_type = 'statement' AND leg = 'payment'`); n != 3 {
		t.Errorf("%d moves to the bank", n)
	}
	do, says := s.commands(), ""
	if says, _ = do.run(0, "day", "verify"); !strings.Contains(says, "intact") {
		t.Errorf("%s", says)
	}
	for range 2 { // by the clock nothing is left
		if n, err := s.app.reconciler.AdjustLate(t.Context(), 10); err != nil || n != 0 {
			t.Errorf("%d %v", n, err)
		}
	}
}
