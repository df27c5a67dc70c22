package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
)

const caseKey = "fgk_test_case"

// caseSystem gives the procedure-handling system its key, in the portal's source system.
func (s *street) caseSystem() {
	s.t.Helper()
	digest := sha256.Sum256([]byte(caseKey))
	if _, err := s.db.ExecContext(s.t.Context(), `WITH c AS (INSERT INTO clients (id, name, source_system, created_at) VALUES ('cli_case', 'Một cửa', 'portal', $2) RETURNING id)
		INSERT INTO api_keys (id, client_id, secret_hash, scopes, created_at) SELECT 'key_case', id, $1, '{dossiers:write,counter:write,orders:read}', $2 FROM c`, digest[:], s.world.Now()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *street) made(r reply) string {
	s.t.Helper()
	if r.status != http.StatusCreated {
		s.t.Fatalf("%d %s\n%s", r.status, r.body, s.logs)
	}
	id, _ := r.get(s.t)["id"].(string)
	return id
}

// ordered makes an order of one line and gives its id.
func (s *street) ordered(reference, dossier string, amount int) string {
	s.t.Helper()
	return s.made(s.call(http.MethodPost, "/v1/orders", "o-"+reference, fmt.Sprintf(`{"reference":%q,"dossier_code":%q,"procedure_code":"1.001","agency_code":"H10.12",
		"lines":[{"fee_code":"f","kind":"le_phi","name":"Lệ phí","quantity":1,"unit_amount":%[3]d,"gross":%[3]d,"net":%[3]d}],"amount":%[3]d}`, reference, dossier, amount)))
}

func counterMoney(amount int, method, receipt string, at time.Time) map[string]any {
	m := map[string]any{"amount": amount, "method": method, "received_at": at.Format(time.RFC3339), "officer": "Trần Thị B"}
	if receipt != "" {
		m["receipt_series"], m["receipt_number"] = "K26", receipt
	}
	return m
}

func TestMoneyAtTheCounter(t *testing.T) {
	s := newStreet(t)
	s.caseSystem()
	at := s.world.Now().Add(-time.Minute)
	order := s.ordered("R1", "H10.12-260310-0001", 50000)
	path := "/v1/orders/" + order + "/counter-payments"
	first := s.as(caseKey, http.MethodPost, path, "c1", counterMoney(20000, "cash", "0001", at))
	v := first.get(t)
	if first.status != 201 || v["status"] != "succeeded" || v["channel"] != "cash_counter" || v["evidence"] != "provisional" || v["allocated_amount"] != 20000.0 ||
		v["account_id"] != nil || v["provider"] != "counter" || v["officer"] != "Trần Thị B" {
		t.Fatalf("%d %s", first.status, first.body)
	}
	if again := s.as(caseKey, http.MethodPost, path, "c1", counterMoney(20000, "cash", "0001", at)); string(again.body) != string(first.body) || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again: %d %s", again.status, again.body)
	}
	if got := s.orderStatus(order); got != "open" {
		t.Errorf("partly paid: %s", got)
	}
	s.problem(s.as(caseKey, http.MethodPost, path, "c2", counterMoney(30000, "cash", "0001", at)), 409, "receipt-used")
	second := s.as(caseKey, http.MethodPost, path, "c3", counterMoney(35000, "transfer", "", at)) // 5,000 more than is owed
	if w := second.get(t); second.status != 201 || w["evidence"] != "none" || w["channel"] != "transfer_unref" || w["allocated_amount"] != 30000.0 || w["surplus_amount"] != 5000.0 {
		t.Errorf("%d %s", second.status, second.body)
	}
	if got := s.orderStatus(order); got != "paid" {
		t.Errorf("paid: %s", got)
	}
	s.problem(s.as(caseKey, http.MethodPost, path, "c4", counterMoney(1000, "cash", "0002", at)), 409, "order-state")
	r := s.call(http.MethodGet, "/v1/payments/"+fmt.Sprint(v["id"]), "", nil).get(t)
	if r["evidence"] != "provisional" || r["paid_at"] == nil {
		t.Errorf("%v", r)
	}
	for account, want := range map[string]int{"cash:H10.12": 20000, "counter:H10.12": 35000, "payer": -50000} {
		if got := s.count(`SELECT coalesce(sum(CASE WHEN to_account = $1 THEN amount ELSE -amount END), 0) FROM moves WHERE $1 IN (to_account, from_account)`, account); got != want {
			t.Errorf("%s holds %d, want %d", account, got, want)
		}
	}
	if n := s.count(`SELECT (SELECT count(*) FROM outbox WHERE type IN ('payment.succeeded', 'order.partly_paid', 'order.paid', 'order.surplus')) + (SELECT count(*) FROM feed)`); n != 5 {
		t.Errorf("%d events", n)
	}
	if body := s.count(`SELECT count(*) FROM outbox WHERE type = 'order.paid' AND json_array_length(body::json #> '{data,payments}') = 2`); body != 1 {
		t.Error("the event of the paid order does not show both payments")
	}
}

func TestACounterPaymentIsVoidedByAnother(t *testing.T) {
	s := newStreet(t)
	at := s.world.Now().Add(-time.Minute)
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Finance})
	elsewhere := s.person("hoa", []identity.Role{identity.Approver}, "H10.99")
	order := s.ordered("R1", "H10.12-260310-0001", 50000)
	in := counterMoney(50000, "cash", "0001", at)
	s.problem(s.as(mai, http.MethodPost, "/v1/orders/"+order+"/counter-payments", "c1", in), 422, "invalid") // another officer's name
	delete(in, "officer")
	r := s.as(mai, http.MethodPost, "/v1/orders/"+order+"/counter-payments", "c1", in)
	payment := s.made(r)
	if r.get(t)["officer"] != "mai" {
		t.Errorf("%s", r.body)
	}
	path, why := "/v1/counter-payments/"+payment+"/void", map[string]string{"reason": "nhầm hồ sơ"}
	s.problem(s.as(mai, http.MethodPost, path, "", why), 403, "second-person-needed")
	s.problem(s.as(elsewhere, http.MethodPost, path, "", why), 404, "not-found")
	s.problem(s.as(lan, http.MethodPost, path, "", map[string]string{"reason": ""}), 422, "invalid")
	s.problem(s.as(portalKey, http.MethodPost, path, "", why), 403, "forbidden")
	if got := s.orderStatus(order); got != "paid" {
		t.Errorf("before: %s", got)
	}
	if r := s.as(lan, http.MethodPost, path, "", why); r.status != 200 || r.get(t)["status"] != "reversed" || r.get(t)["evidence"] != "reversed" {
		t.Errorf("%d %s\n%s", r.status, r.body, s.logs)
	}
	if got := s.orderStatus(order); got != "open" {
		t.Errorf("after: %s", got)
	}
	s.problem(s.as(lan, http.MethodPost, path, "", why), 409, "payment-state")
	if n := s.count(`SELECT coalesce(sum(CASE WHEN to_account = 'cash:H10.12' THEN amount ELSE -amount END), 0) FROM moves`); n != 0 {
		t.Errorf("the till holds %d", n)
	}
	// The database holds the rule too.
	second := s.made(s.as(mai, http.MethodPost, "/v1/orders/"+order+"/counter-payments", "c2", counterMoneyOf("mai", 50000, "0002", at)))
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO voids SELECT payment_id, recorded_by, 'x', $2 FROM counter_payments WHERE payment_id = $1`, second, at); err == nil {
		t.Error("the database took a void by who recorded the money")
	}
	if n := s.count(`SELECT count(*) FROM voids`); n != 1 {
		t.Errorf("%d voids", n)
	}
}

func counterMoneyOf(officer string, amount int, receipt string, at time.Time) map[string]any {
	m := counterMoney(amount, "cash", receipt, at)
	m["officer"] = officer
	return m
}

func TestCounterMoneyAgainstALateSuccess(t *testing.T) {
	s := newStreet(t)
	s.caseSystem()
	at := s.world.Now()
	order := s.ordered("R1", "H10.12-260310-0001", 50000)
	if err := s.world.Clock().Set(at.Add(8 * 24 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.app.gateway.Expire(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	newer := s.ordered("R2", "H10.12-260310-0001", 50000)
	r := s.as(caseKey, http.MethodPost, "/v1/orders/"+order+"/counter-payments", "c1", counterMoney(50000, "cash", "0001", at))
	if v := r.get(t); r.status != 201 || v["surplus_amount"] != 50000.0 || v["allocated_amount"] != 0.0 {
		t.Errorf("on an expired order with a newer one: %d %s", r.status, r.body)
	}
	if a, b := s.orderStatus(order), s.orderStatus(newer); a != "expired" || b != "open" {
		t.Errorf("%s, %s", a, b)
	}
	other := s.ordered("R3", "H10.12-260310-0002", 70000)
	if err := s.world.Clock().Set(at.Add(16 * 24 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.app.gateway.Expire(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	s.made(s.as(caseKey, http.MethodPost, "/v1/orders/"+other+"/counter-payments", "c2", counterMoney(70000, "pos", "0002", at.Add(time.Hour))))
	if v := s.call(http.MethodGet, "/v1/orders/"+other, "", nil).get(t); v["status"] != "paid" || v["late"] != true {
		t.Errorf("late: %v", v)
	}
	// 20 counters at once: one order is paid once.
	race := s.ordered("R4", "H10.12-260310-0003", 10000)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if r := s.as(caseKey, http.MethodPost, "/v1/orders/"+race+"/counter-payments", fmt.Sprint("r", i), counterMoney(10000, "cash", fmt.Sprint("1", i), at)); r.status != 201 && r.status != 409 {
				t.Errorf("%d %s", r.status, r.body)
			}
		})
	}
	wg.Wait()
	if n := s.count(`SELECT count(*) FROM payments WHERE order_id = $1`, race); n != 1 {
		t.Errorf("%d payments", n)
	}
}

func TestWhatTheCounterMayNotSay(t *testing.T) {
	s := newStreet(t)
	s.caseSystem()
	at := s.world.Now().Add(-time.Minute)
	order := s.ordered("R1", "H10.12-260310-0001", 50000)
	path := "/v1/orders/" + order + "/counter-payments"
	for name, change := range map[string]map[string]any{
		"amount":         {"amount": 0},
		"method":         {"method": "cheque"},
		"received_at":    {"received_at": s.world.Now().Add(time.Hour).Format(time.RFC3339)},
		"officer":        {"officer": ""},
		"receipt_number": {"receipt_series": "K26", "receipt_number": ""},
		"postal":         {"postal": true, "method": "pos"},
		"channel":        {"channel": "portal_checkout"},
		"evidence":       {"evidence": "confirmed"},
	} {
		in := counterMoney(50000, "cash", "1", at)
		for k, v := range change {
			in[k] = v
		}
		v := s.problem(s.as(caseKey, http.MethodPost, path, "k", in), 422, "invalid")
		if raw, _ := json.Marshal(v["errors"]); !containsField(raw, name) {
			t.Errorf("%s: %s", name, raw)
		}
	}
	s.problem(s.as(caseKey, http.MethodPost, path, "", counterMoney(50000, "cash", "1", at)), 400, "idempotency-key-missing")
	s.problem(s.as(portalKey, http.MethodPost, path, "k", counterMoney(50000, "cash", "1", at)), 403, "forbidden")
	s.problem(s.as(caseKey, http.MethodPost, "/v1/orders/ord_nobody/counter-payments", "k", counterMoney(50000, "cash", "1", at)), 404, "not-found")
	if n := s.count(`SELECT count(*) FROM payments`); n != 0 {
		t.Errorf("%d payments", n)
	}
}

func containsField(raw []byte, field string) bool {
	var errs []struct{ Field string }
	_ = json.Unmarshal(raw, &errs)
	for _, e := range errs {
		if e.Field == field {
			return true
		}
	}
	return false
}

func TestADepositSlip(t *testing.T) {
	s := newStreet(t)
	s.caseSystem()
	at := s.world.Now().Add(-time.Hour)
	taken := func(n int, method string) string {
		order := s.ordered(fmt.Sprint("R", n), fmt.Sprintf("H10.12-260310-%04d", n), 10000)
		return s.made(s.as(caseKey, http.MethodPost, "/v1/orders/"+order+"/counter-payments", fmt.Sprint("c", n), counterMoney(10000, method, fmt.Sprint(n), at)))
	}
	a, b, card := taken(1, "cash"), taken(2, "cash"), taken(3, "pos")
	slip := func(number string, amount int, items ...string) map[string]any {
		return map[string]any{"agency_code": "H10.12", "bank_account": "1020", "slip_number": number, "deposited_at": s.world.Now().Add(-time.Minute).Format(time.RFC3339), "amount": amount, "counter_payments": items}
	}
	for name, in := range map[string]map[string]any{
		"amount":              slip("1", 19999, a, b),
		"counter_payments[1]": slip("1", 20000, a, card),
		"counter_payments[0]": slip("1", 10000, "pay_nobody"),
		"counter_payments":    slip("1", 10000),
	} {
		v := s.problem(s.as(caseKey, http.MethodPost, "/v1/deposits", "", in), 422, "invalid")
		if raw, _ := json.Marshal(v["errors"]); !containsField(raw, name) {
			t.Errorf("%s: %s", name, raw)
		}
	}
	in := slip("1", 20000, b, a)
	first := s.as(caseKey, http.MethodPost, "/v1/deposits", "", in)
	id := s.made(first)
	if again := s.as(caseKey, http.MethodPost, "/v1/deposits", "", in); again.status != 200 || again.get(t)["id"] != id {
		t.Errorf("the same slip again: %d %s", again.status, again.body)
	}
	s.problem(s.as(caseKey, http.MethodPost, "/v1/deposits", "", slip("1", 10000, a)), 409, "slip-used")
	s.problem(s.as(caseKey, http.MethodPost, "/v1/deposits", "", slip("2", 10000, a)), 422, "invalid")
	s.problem(s.as(s.person("mai", []identity.Role{identity.Finance}), http.MethodPost, "/v1/counter-payments/"+a+"/void", "", map[string]string{"reason": "x"}), 409, "payment-state")
	if n := s.count(`SELECT count(*) FROM deposit_items`); n != 2 {
		t.Errorf("%d items", n)
	}
}

func TestDossiersAreToldAndNeverForgotten(t *testing.T) {
	s := newStreet(t)
	s.caseSystem()
	path := "/v1/dossiers/H10.12-260310-0007"
	in := map[string]any{"status": "open", "procedure_code": "1.001", "agency_code": "H10.12", "received_on": "2026-03-10", "amount_due": 0}
	s.problem(s.as(caseKey, http.MethodGet, path, "", nil), 404, "not-found")
	if r := s.as(caseKey, http.MethodPut, path, "", in); r.status != 201 || r.get(t)["version"] != 1.0 || r.get(t)["amount_due"] != 0.0 {
		t.Fatalf("%d %s\n%s", r.status, r.body, s.logs)
	}
	if r := s.as(caseKey, http.MethodPut, path, "", in); r.status != 200 || r.get(t)["version"] != 1.0 {
		t.Errorf("the same again: %d %s", r.status, r.body)
	}
	in["status"] = "closed"
	s.problem(s.as(caseKey, http.MethodPut, path, "", in), 422, "invalid")
	in["closed_at"] = s.world.Now().Format(time.RFC3339Nano) // finer than the database keeps
	for range 2 {
		if r := s.as(caseKey, http.MethodPut, path, "", in); r.status != 200 || r.get(t)["version"] != 2.0 || r.get(t)["status"] != "closed" {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	delete(in, "amount_due")
	if r := s.as(caseKey, http.MethodPut, path, "", in); r.get(t)["version"] != 3.0 || r.get(t)["amount_due"] != nil {
		t.Errorf("%s", r.body)
	}
	if r := s.as(caseKey, http.MethodGet, path, "", nil); r.status != 200 || r.get(t)["version"] != 3.0 {
		t.Errorf("%s", r.body)
	}
	for field, c := range map[string]struct{ key, value string }{
		"status":         {"status", "done"},
		"procedure_code": {"procedure_code", "9.999"},
		"agency_code":    {"agency_code", "H99"},
		"received_on":    {"received_on", "2026-02-30"},
		"closed_at":      {"closed_at", "2030-01-01T00:00:00+07:00"},
		"service_level":  {"service_level", "FULL"},
		"flag":           {"flag", "1"},
	} {
		bad := map[string]any{}
		for k, v := range in {
			bad[k] = v
		}
		bad[c.key] = c.value
		v := s.problem(s.as(caseKey, http.MethodPut, path, "", bad), 422, "invalid")
		if raw, _ := json.Marshal(v["errors"]); !containsField(raw, field) {
			t.Errorf("%s: %s", field, raw)
		}
	}
	for _, code := range []string{"H10.12-260231-0007", "x", "H10.12-260310-0007'--"} {
		s.problem(s.as(caseKey, http.MethodPut, "/v1/dossiers/"+code, "", in), 422, "invalid")
	}
	s.problem(s.as(portalKey, http.MethodPut, path, "", in), 403, "forbidden")
	if _, err := dbtest.Admin(t, s.db).ExecContext(t.Context(), `UPDATE dossiers SET status = 'open'`); err == nil {
		t.Error("a dossier's row was changed")
	}
}
