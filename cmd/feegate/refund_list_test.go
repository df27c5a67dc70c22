package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/providers"
)

func to(account string) map[string]any {
	return map[string]any{"bank": "Vietcombank", "account_number": account, "account_name": "NGUYEN VAN A", "evidence": "Ủy quyền trên đơn"}
}

// refunding is a paid order whose refund to another account is asked for by mai and approved by lan.
func (s *street) refunding(n int, mai, lan, account string) (refund, order string) {
	s.t.Helper()
	r := s.call(http.MethodPost, "/v1/orders", fmt.Sprint("ro", n), strings.Replace(anOrder(fmt.Sprint("RR", n)), "0007", fmt.Sprintf("4%03d", n), 1))
	order = s.ok(r, 201)["id"].(string)
	p := s.ok(s.call(http.MethodPost, "/v1/orders/"+order+"/payments", fmt.Sprint("rp", n), map[string]string{"provider": "momo"}), 201)
	s.decide("momo", p["provider_reference"].(string), map[string]any{"outcome": "succeed"})
	in := asked(20000, 50000)
	in["to"] = to(account)
	v := s.ok(s.as(mai, http.MethodPost, "/v1/payments/"+p["id"].(string)+"/refunds", fmt.Sprint("rk", n), in), 202)
	if v["manual"] != true || v["to_account"] != "••••"+account[len(account)-4:] || strings.Contains(fmt.Sprint(v), account) {
		s.t.Errorf("asked for: %v", v)
	}
	refund = v["id"].(string)
	if v := s.ok(s.as(lan, http.MethodPost, "/v1/refunds/"+refund+"/approve", "", nil), 200); v["status"] != "approved" {
		s.t.Errorf("approved: %v", v)
	}
	return refund, order
}

func TestRefundsThatNoInterfacePaysBackGoByAList(t *testing.T) {
	s := newStreet(t)
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})
	hoa, tam := s.person("hoa", []identity.Role{identity.Finance}), s.person("tam", []identity.Role{identity.Finance}, "H10.99")
	first, order := s.refunding(1, mai, lan, "0123456789")
	second, _ := s.refunding(2, mai, lan, "9876543210")
	if n, err := s.app.gateway.SweepRefunds(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("swept %d: %v", n, err)
	}
	s.problem(s.as(tam, http.MethodPost, "/v1/refund-lists", "l0", map[string]any{"agency_code": "H10.12"}), 404, "not-found")
	s.problem(s.as(hoa, http.MethodPost, "/v1/refund-lists", "l1", map[string]any{"agency_code": "H10.12", "refunds": []string{first, "rfd_none"}}), 422, "invalid")
	body := map[string]any{"agency_code": "H10.12"}
	list := s.ok(s.as(hoa, http.MethodPost, "/v1/refund-lists", "l1", body), 201)
	if list["count"] != 2.0 || list["amount"] != 40000.0 {
		t.Errorf("%v", list)
	}
	if again := s.ok(s.as(hoa, http.MethodPost, "/v1/refund-lists", "l1", body), 201); again["id"] != list["id"] {
		t.Errorf("the same call made another list: %v", again)
	}
	s.problem(s.as(hoa, http.MethodPost, "/v1/refund-lists", "l2", body), 409, "refund-state")

	one := "/v1/refund-lists/" + list["id"].(string)
	file := s.send(http.MethodGet, s.api+one, nil, map[string]string{"Authorization": "Bearer " + hoa, "Accept": "text/csv"})
	if text := string(file.body); file.status != 200 || !strings.Contains(text, "0123456789,NGUYEN VAN A") || strings.Count(text, "\n") != 3 {
		t.Errorf("the file: %d %s", file.status, file.body)
	}
	s.problem(s.as(tam, http.MethodGet, one, "", nil), 404, "not-found")
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'refund_list.read'`); n != 1 {
		t.Errorf("%d looks are in the audit", n)
	}
	items := s.ok(s.as(lan, http.MethodGet, one, "", nil), 200)["items"].([]any)
	content := items[0].(map[string]any)["content"].(string)

	done := map[string]any{"bank_reference": "FT26069", "paid_at": s.world.Now()}
	s.problem(s.as(hoa, http.MethodPost, "/v1/refunds/"+first+"/confirm", "", done), 403, "second-person-needed") // who listed it
	s.problem(s.as(mai, http.MethodPost, "/v1/refunds/"+first+"/confirm", "", done), 403, "second-person-needed") // who asked for it
	s.problem(s.as(lan, http.MethodPost, "/v1/refunds/"+first+"/confirm", "", map[string]any{"bank_reference": "", "paid_at": s.world.Now().Add(time.Hour)}), 422, "invalid")
	v := s.ok(s.as(lan, http.MethodPost, "/v1/refunds/"+first+"/confirm", "", done), 200)
	if v["status"] != "succeeded" || v["provider_transaction"] != "FT26069" {
		t.Errorf("confirmed: %v", v)
	}
	s.ok(s.as(lan, http.MethodPost, "/v1/refunds/"+first+"/confirm", "", done), 200)
	if got := s.orderStatus(order); got != "partly_refunded" {
		t.Errorf("the order is %s", got)
	}
	// The bank gave the second one back: it goes into another list, and its old reference means nothing any more.
	s.ok(s.as(lan, http.MethodPost, "/v1/refunds/"+second+"/returned", "", map[string]any{"note": "sai số tài khoản"}), 200)
	s.problem(s.as(hoa, http.MethodPost, "/v1/refund-lists", "l3", body), 409, "refund-state")
	next := s.ok(s.as(hoa, http.MethodPost, "/v1/refund-lists", "l4", map[string]any{"agency_code": "H10.12", "refunds": []string{second}}), 201)
	items = s.ok(s.as(lan, http.MethodGet, "/v1/refund-lists/"+next["id"].(string), "", nil), 200)["items"].([]any)
	if now := items[0].(map[string]any)["content"]; now == content || items[0].(map[string]any)["status"] != "submitted" {
		t.Errorf("listed again: %v", items[0])
	}
	twice := s.problem(s.as(lan, http.MethodPost, "/v1/refunds/"+second+"/confirm", "", done), 422, "invalid") // that debit paid the first
	if !strings.Contains(fmt.Sprint(twice["errors"]), first) {
		t.Errorf("%v", twice)
	}
	if n := s.count(`SELECT coalesce(sum(CASE WHEN to_account = 'refund_payable' THEN amount ELSE 0 END) - sum(CASE WHEN from_account = 'refund_payable' THEN amount ELSE 0 END), 0) FROM moves`); n != -20000 {
		t.Errorf("refunds approved and not done come to %d", n)
	}
	if lists := s.ok(s.as(lan, http.MethodGet, "/v1/refund-lists?agency_code=H10.12&limit=1", "", nil), 200); lists["next"] == nil || len(lists["items"].([]any)) != 1 {
		t.Errorf("the lists: %v", lists)
	}
	if n := s.count(`SELECT count(*) FROM outbox WHERE body LIKE '%0123456789%' OR body LIKE '%NGUYEN VAN A%' OR body LIKE '%Vietcombank%'`); n != 0 {
		t.Errorf("%d events name a person's account", n)
	}
}

func TestTwoListsAtOnceHoldEachRefundOnce(t *testing.T) {
	s := newStreet(t)
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})
	for n := range 6 {
		s.refunding(n, mai, lan, fmt.Sprint("012345678", n))
	}
	var wg sync.WaitGroup
	for n := range 6 {
		wg.Go(func() {
			s.as(mai, http.MethodPost, "/v1/refund-lists", fmt.Sprint("l", n), map[string]any{"agency_code": "H10.12"})
		})
	}
	wg.Wait()
	if items, refunds := s.count(`SELECT count(*) FROM refund_list_items`), s.count(`SELECT count(DISTINCT refund_id) FROM refund_list_items`); items != 6 || refunds != 6 {
		t.Errorf("%d transfers for %d refunds", items, refunds)
	}
}

// Money that nobody knows the order of goes back too, by a list alone.
func TestMoneyWithoutAnOrderGoesBack(t *testing.T) {
	s := newStreet(t)
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})
	tx, err := s.db.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	payment, _, err := s.app.gateway.RecordFound(context.Background(), tx, gateway.Caller{Person: true, Actor: "usr_x", Mode: "live"},
		gateway.Found{AccountID: "acc_momo", Reference: "LOST1", Transaction: "T1", Amount: 70000, PaidAt: s.world.Now(), By: "usr_x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	in := asked(70000, 70000)
	in["to"] = to("0123456789")
	path := "/v1/payments/" + payment + "/refunds"
	s.moneyKey()
	s.problem(s.as(refundKey, http.MethodPost, path, "k0", in), 404, "not-found")
	refund := s.ok(s.as(mai, http.MethodPost, path, "k1", in), 202)["id"].(string)
	s.ok(s.as(lan, http.MethodPost, "/v1/refunds/"+refund+"/approve", "", nil), 200)
	s.ok(s.as(mai, http.MethodPost, "/v1/refund-lists", "l1", map[string]any{"agency_code": "H10.12"}), 201)
	v := s.ok(s.as(lan, http.MethodPost, "/v1/refunds/"+refund+"/confirm", "", map[string]any{"bank_reference": "FT1", "paid_at": s.world.Now()}), 200)
	if v["status"] != "succeeded" || v["order"] != "" {
		t.Errorf("%v", v)
	}
	if n := s.count(`SELECT coalesce(sum(CASE WHEN to_account = 'clearing:acc_momo' THEN amount ELSE -amount END), 0) FROM moves WHERE 'clearing:acc_momo' IN (from_account, to_account)`); n != 0 {
		t.Errorf("clearing holds %d", n)
	}
}

// A notifier that tells of the debit confirms the refund that its content names.
func TestADebitThatIsToldConfirmsTheRefund(t *testing.T) {
	s := newStreet(t)
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})
	refund, _ := s.refunding(1, mai, lan, "0123456789")
	s.ok(s.as(mai, http.MethodPost, "/v1/refund-lists", "l1", map[string]any{"agency_code": "H10.12"}), 201)
	reference := s.ok(s.as(lan, http.MethodGet, "/v1/refunds/"+refund, "", nil), 200)["provider_reference"].(string)
	debit := func(id string, amount int) {
		t.Helper()
		if _, err := s.app.gateway.Record(t.Context(), gateway.Word{AccountID: "acc_momo", Source: gateway.SourceCallback, Notice: providers.Notice{Reference: reference, Outcome: providers.Succeeded,
			Amount: 20000, PaidAt: s.world.Now(), Transfer: &providers.Transfer{ID: id, Reference: "FT" + id, Content: "HOAN TIEN " + reference, Out: true}}}); err != nil {
			t.Fatal(err)
		}
	}
	debit("1", 20000)
	debit("1", 20000)
	v := s.ok(s.as(lan, http.MethodGet, "/v1/refunds/"+refund, "", nil), 200)
	if v["status"] != "succeeded" || v["provider_transaction"] != "FT1" {
		t.Errorf("%v", v)
	}
}
