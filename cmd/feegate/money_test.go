package main

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
)

const refundKey = "fgk_test_refunds"

// moneyKey is a key of the portal that may ask for refunds and record receipts, and of another source system, which may not see them.
func (s *street) moneyKey() {
	s.t.Helper()
	mine := sha256.Sum256([]byte(refundKey))
	if _, err := s.db.ExecContext(s.t.Context(), `INSERT INTO api_keys (id, client_id, secret_hash, scopes, created_at)
		VALUES ('key_refunds', 'cli_1', $1, '{refunds:request,counter:write,orders:read}', $2)`, mine[:], s.world.Now()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *street) paidByMoMo() (order, payment string) {
	s.t.Helper()
	order, payment, reference := s.started("momo")
	s.decide("momo", reference, map[string]any{"outcome": "succeed"})
	if got := s.orderStatus(order); got != "paid" {
		s.t.Fatalf("order is %s\n%s", got, s.logs)
	}
	return order, payment
}

// ok is an answer that must have the status.
func (s *street) ok(r reply, status int) map[string]any {
	s.t.Helper()
	if r.status != status {
		s.t.Fatalf("%d %s, want %d\n%s", r.status, r.body, status, s.logs)
	}
	return r.get(s.t)
}

func asked(amount, available int) map[string]any {
	return map[string]any{"amount": amount, "available": available, "reason": "Nguyễn Văn A nộp thừa"}
}

func TestARefundFromRequestToPaidBack(t *testing.T) {
	s := newStreet(t)
	s.moneyKey()
	order, payment := s.paidByMoMo()
	mai, lan := s.person("mai", []identity.Role{identity.Finance, identity.Approver}), s.person("lan", []identity.Role{identity.Approver})
	far := s.person("xa", []identity.Role{identity.Approver}, "H10.99")
	path := "/v1/payments/" + payment + "/refunds"

	s.problem(s.as(refundKey, http.MethodPost, path, "k1", asked(20000, 49999)), 412, "available-changed")
	s.problem(s.as(refundKey, http.MethodPost, path, "k1", asked(50001, 50000)), 422, "invalid")
	s.problem(s.as(refundKey, http.MethodPost, path, "k1", asked(0, 50000)), 422, "invalid")
	s.problem(s.as(refundKey, http.MethodPost, path, "k1", map[string]any{"amount": 1, "reason": "x"}), 422, "invalid")
	s.problem(s.as(refundKey, http.MethodPost, path, "k1", `{"amount":5e4,"available":50000,"reason":"x"}`), 422, "invalid")
	s.problem(s.as(refundKey, http.MethodPost, path, "", asked(20000, 50000)), 400, "idempotency-key-missing")
	s.problem(s.as(portalKey, http.MethodPost, path, "k1", asked(20000, 50000)), 403, "forbidden")
	s.problem(s.as(lan, http.MethodPost, path, "k1", asked(20000, 50000)), 403, "forbidden")
	s.problem(s.as(refundKey, http.MethodPost, "/v1/payments/pay_nobody/refunds", "k1", asked(20000, 50000)), 404, "not-found")

	first := s.as(refundKey, http.MethodPost, path, "k1", asked(20000, 50000))
	v := s.ok(first, http.StatusAccepted)
	refund, _ := v["id"].(string)
	if v["status"] != "requested" || v["manual"] != false || v["reason"] != "Nguyễn Văn A nộp thừa" {
		t.Errorf("%s", first.body)
	}
	if again := s.as(refundKey, http.MethodPost, path, "k1", asked(20000, 50000)); string(again.body) != string(first.body) || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%d %s", again.status, again.body)
	}
	s.problem(s.as(refundKey, http.MethodPost, "/v1/refunds/"+refund+"/approve", "", nil), 403, "forbidden")
	s.problem(s.as(far, http.MethodPost, "/v1/refunds/"+refund+"/approve", "", nil), 404, "not-found")
	s.problem(s.as(far, http.MethodGet, "/v1/refunds/"+refund, "", nil), 404, "not-found")
	s.problem(s.as("fgk_test_other", http.MethodGet, "/v1/refunds/"+refund, "", nil), 404, "not-found")
	s.problem(s.as(lan, http.MethodPost, "/v1/refunds/"+refund+"/approve", "", `{"x":1}`), 422, "invalid")

	v = s.ok(s.as(lan, http.MethodPost, "/v1/refunds/"+refund+"/approve", "", map[string]string{"note": "đồng ý"}), http.StatusOK)
	if v["status"] != "succeeded" || v["provider_transaction"] == "" || v["effective_at"] == nil || len(v["history"].([]any)) != 4 {
		t.Errorf("%v\n%s", v, s.logs)
	}
	s.ok(s.as(lan, http.MethodPost, "/v1/refunds/"+refund+"/approve", "", nil), http.StatusOK) // again: as it stands
	s.problem(s.as(lan, http.MethodPost, "/v1/refunds/"+refund+"/reject", "", nil), 409, "refund-state")
	s.problem(s.as(lan, http.MethodPost, "/v1/refunds/"+refund+"/retry", "", nil), 409, "refund-state")
	o := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), http.StatusOK)
	if o["status"] != "partly_refunded" || o["refunded_amount"] != 20000.0 || len(o["refunds"].([]any)) != 1 {
		t.Errorf("%v", o)
	}

	second := s.ok(s.as(mai, http.MethodPost, path, "k2", asked(30000, 30000)), http.StatusAccepted)["id"].(string)
	s.problem(s.as(mai, http.MethodPost, "/v1/refunds/"+second+"/approve", "", nil), 403, "second-person-needed")
	s.problem(s.as(mai, http.MethodPost, "/v1/refunds/"+second+"/reject", "", nil), 403, "second-person-needed")
	s.ok(s.as(lan, http.MethodPost, "/v1/refunds/"+second+"/approve", "", nil), http.StatusOK)
	if got := s.orderStatus(order); got != "refunded" {
		t.Errorf("order is %s", got)
	}
	s.problem(s.as(mai, http.MethodPost, path, "k3", asked(1, 0)), 422, "invalid")
	p := s.ok(s.call(http.MethodGet, "/v1/payments/"+payment, "", nil), http.StatusOK)
	if p["refundable_amount"] != 0.0 || p["refunded_amount"] != 50000.0 || len(p["refunds"].([]any)) != 2 {
		t.Errorf("%v", p)
	}
	// What the provider truly gave back is what was recorded.
	ledger := s.send(http.MethodGet, s.sim+"/control/ledger", nil, nil)
	if !strings.Contains(string(ledger.body), `"refunded":50000`) {
		t.Errorf("%s", ledger.body)
	}
	// The fee is free again: the order that had it has ended.
	s.ok(s.call(http.MethodPost, "/v1/orders", "o2", anOrder("R2")), http.StatusCreated)
	for action, want := range map[string]int{"refund.requested": 2, "refund.approved": 2} {
		if n := s.count(`SELECT count(*) FROM audit WHERE action = $1 AND actor <> '' AND address <> '' AND request_id <> ''`, action); n != want {
			t.Errorf("%s audited %d times, want %d", action, n, want)
		}
	}
	if n := s.count(`SELECT count(*) FROM outbox WHERE body LIKE '%nộp thừa%'`); n != 0 {
		t.Errorf("%d events hold a person's words", n)
	}
}

func TestARejectedRefundLeavesTheMoneyWhereItIs(t *testing.T) {
	s := newStreet(t)
	_, payment := s.paidByMoMo()
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})
	path := "/v1/payments/" + payment + "/refunds"
	refund := s.ok(s.as(mai, http.MethodPost, path, "k1", asked(20000, 50000)), http.StatusAccepted)["id"].(string)
	if v := s.ok(s.as(lan, http.MethodPost, "/v1/refunds/"+refund+"/reject", "", map[string]string{"note": "chưa đủ hồ sơ"}), http.StatusOK); v["status"] != "rejected" {
		t.Errorf("%v", v)
	}
	if v := s.ok(s.call(http.MethodGet, "/v1/payments/"+payment, "", nil), http.StatusOK); v["refundable_amount"] != 50000.0 {
		t.Errorf("%v", v)
	}
}

func TestAnApprovedRefundIsSentByTheSweep(t *testing.T) {
	s := newStreet(t)
	_, payment := s.paidByMoMo()
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})
	refund, _ := s.ok(s.as(mai, http.MethodPost, "/v1/payments/"+payment+"/refunds", "k", asked(50000, 50000)), http.StatusAccepted)["id"].(string)
	// The process died between the approval and the sending.
	if _, err := s.db.ExecContext(t.Context(), `UPDATE refunds SET status = 'approved', decided_by = 'x', next_lookup_at = $1`, s.world.Now()); err != nil {
		t.Fatal(err)
	}
	if n, err := s.app.gateway.SweepRefunds(t.Context(), 10); n != 1 || err != nil {
		t.Fatalf("%d %v", n, err)
	}
	if v := s.ok(s.as(lan, http.MethodGet, "/v1/refunds/"+refund, "", nil), http.StatusOK); v["status"] != "succeeded" {
		t.Errorf("%v", v)
	}
}

func TestCancelOverHTTP(t *testing.T) {
	s := newStreet(t)
	order := s.ok(s.call(http.MethodPost, "/v1/orders", "o1", anOrder("R1")), http.StatusCreated)["id"].(string)
	s.problem(s.as("fgk_test_reader", http.MethodPost, "/v1/orders/"+order+"/cancel", "", nil), 403, "forbidden")
	s.problem(s.as("fgk_test_other", http.MethodPost, "/v1/orders/"+order+"/cancel", "", nil), 404, "not-found")
	s.problem(s.call(http.MethodPost, "/v1/orders/"+order+"/cancel", "", `{"why":1}`), 422, "invalid")
	first := s.call(http.MethodPost, "/v1/orders/"+order+"/cancel", "", nil)
	if v := s.ok(first, http.StatusOK); v["status"] != "cancelled" {
		t.Errorf("%s", first.body)
	}
	if again := s.call(http.MethodPost, "/v1/orders/"+order+"/cancel", "", `{}`); again.status != http.StatusOK || string(again.body) != string(first.body) {
		t.Errorf("%d %s\n%s", again.status, again.body, first.body)
	}
	paid, _ := s.paidByMoMoAs("R2", "H10.12-260310-0008")
	s.problem(s.call(http.MethodPost, "/v1/orders/"+paid+"/cancel", "", nil), 409, "order-partly-paid")
}

func (s *street) paidByMoMoAs(reference, dossier string) (order, payment string) {
	s.t.Helper()
	body := strings.Replace(anOrder(reference), "H10.12-260310-0007", dossier, 1)
	order, _ = s.ok(s.call(http.MethodPost, "/v1/orders", "o-"+reference, body), http.StatusCreated)["id"].(string)
	p := s.ok(s.call(http.MethodPost, "/v1/orders/"+order+"/payments", "p-"+reference, map[string]string{"provider": "momo"}), http.StatusCreated)
	payment, _ = p["id"].(string)
	ref, _ := p["provider_reference"].(string)
	s.decide("momo", ref, map[string]any{"outcome": "succeed"})
	return order, payment
}

func TestListingOrders(t *testing.T) {
	s := newStreet(t)
	paid, _ := s.paidByMoMo()
	for i := 2; i <= 5; i++ {
		if err := s.world.Clock().Set(s.world.Now().Add(24 * time.Hour)); err != nil {
			t.Fatal(err)
		}
		body := strings.Replace(anOrder(fmt.Sprint("R", i)), "0007", fmt.Sprintf("000%d", i), 1)
		s.ok(s.call(http.MethodPost, "/v1/orders", fmt.Sprint("k", i), body), http.StatusCreated)
	}
	references := func(query string) (got []string) {
		t.Helper()
		for after := ""; ; {
			v := s.ok(s.call(http.MethodGet, "/v1/orders?"+query+after, "", nil), http.StatusOK)
			for _, item := range v["items"].([]any) {
				got = append(got, item.(map[string]any)["reference"].(string))
			}
			next, more := v["next"].(string)
			if !more {
				return got
			}
			if after = "&after=" + next; len(got) > 10 {
				t.Fatalf("%s: the pages do not end: %v", query, got)
			}
		}
	}
	for query, want := range map[string]string{
		"limit=2": "R5 R4 R3 R2 R1", "": "R5 R4 R3 R2 R1", "limit=1": "R5 R4 R3 R2 R1", "limit=5": "R5 R4 R3 R2 R1",
		"reference=R3": "R3", "status=paid": "R1", "status=open&limit=3": "R5 R4 R3 R2", "dossier_code=H10.12-260310-0004": "R4",
		"from=2026-03-12&to=2026-03-13": "R4 R3", "to=2026-03-10": "R1", "from=2026-03-14T00:00:00%2B07:00": "R5", "reference=none": "",
	} {
		if got := strings.Join(references(query), " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	one := s.ok(s.call(http.MethodGet, "/v1/orders?status=paid", "", nil), http.StatusOK)["items"].([]any)[0].(map[string]any)
	alone := s.ok(s.call(http.MethodGet, "/v1/orders/"+paid, "", nil), http.StatusOK)
	if fmt.Sprint(one) != fmt.Sprint(alone) || len(one["payments"].([]any)) != 1 || len(one["lines"].([]any)) != 1 {
		t.Errorf("in the list %v\nalone %v", one, alone)
	}
	for query, field := range map[string]string{"limit=0": "limit", "limit=201": "limit", "limit=x": "limit", "after=x": "after", "status=gone": "status",
		"from=yesterday": "from", "to=2026-02-30": "to", "dossier=1": "dossier", "limit=1&limit=2": "limit", "reference=%00": "reference"} {
		v := s.problem(s.call(http.MethodGet, "/v1/orders?"+query, "", nil), 422, "invalid")
		if errs, _ := v["errors"].([]any); len(errs) != 1 || errs[0].(map[string]any)["field"] != field {
			t.Errorf("%s: %v", query, v)
		}
	}
	for token, want := range map[string]int{"fgk_test_other": 0, s.person("mai", []identity.Role{identity.Finance}): 5,
		s.person("xa", []identity.Role{identity.Finance}, "H10.99"): 0} {
		if v := s.ok(s.as(token, http.MethodGet, "/v1/orders", "", nil), http.StatusOK); len(v["items"].([]any)) != want || v["next"] != nil {
			t.Errorf("%s sees %d, want %d", token, len(v["items"].([]any)), want)
		}
	}
	s.problem(s.as(refundKey, http.MethodGet, "/v1/orders", "", nil), 401, "unauthorised")
}

func TestSurplusOverHTTP(t *testing.T) {
	s := newStreet(t)
	order, payment, reference := s.started("momo")
	s.ok(s.call(http.MethodPost, "/v1/orders/"+order+"/cancel", "", nil), http.StatusOK)
	s.decide("momo", reference, map[string]any{"outcome": "succeed"})
	target := s.ok(s.call(http.MethodPost, "/v1/orders", "o2", anOrder("R2")), http.StatusCreated)["id"].(string)
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})

	for query, want := range map[string]int{"": 1, "?agency_code=H10.12&limit=1": 1, "?agency_code=H10.13": 0} {
		v := s.ok(s.as(lan, http.MethodGet, "/v1/surplus"+query, "", nil), http.StatusOK)
		if items := v["items"].([]any); len(items) != want || want == 1 && items[0].(map[string]any)["surplus_amount"] != 50000.0 {
			t.Errorf("%s: %v", query, v)
		}
	}
	s.problem(s.call(http.MethodGet, "/v1/surplus", "", nil), 403, "forbidden")
	apply := "/v1/surplus/" + payment + "/apply"
	s.problem(s.as(lan, http.MethodPost, apply, "", map[string]any{"order_id": target, "amount": 50000}), 403, "forbidden")
	s.problem(s.as(mai, http.MethodPost, apply, "", map[string]any{"order_id": target, "amount": 50001}), 422, "invalid")
	s.problem(s.as(mai, http.MethodPost, apply, "", map[string]any{"order_id": target}), 422, "invalid")
	idle := s.ok(s.as(mai, http.MethodPost, apply, "", map[string]any{"order_id": target, "amount": 1}), http.StatusCreated)["id"].(string)
	if v := s.ok(s.as(lan, http.MethodPost, "/v1/surplus/applications/"+idle+"/reject", "", nil), http.StatusOK); v["status"] != "rejected" {
		t.Errorf("%v", v)
	}
	made := s.ok(s.as(mai, http.MethodPost, apply, "", map[string]any{"order_id": target, "amount": 50000, "note": "cùng hồ sơ"}), http.StatusCreated)
	id, _ := made["id"].(string)
	v := s.ok(s.as(lan, http.MethodGet, "/v1/surplus", "", nil), http.StatusOK)
	if item := v["items"].([]any)[0].(map[string]any); item["available_amount"] != 0.0 || len(item["applications"].([]any)) != 2 {
		t.Errorf("%v", item)
	}
	s.problem(s.as(lan, http.MethodPost, "/v1/surplus/applications/sap_nobody/approve", "", nil), 404, "not-found")
	if v := s.ok(s.as(lan, http.MethodPost, "/v1/surplus/applications/"+id+"/approve", "", nil), http.StatusOK); v["status"] != "done" {
		t.Errorf("%v", v)
	}
	s.ok(s.as(lan, http.MethodPost, "/v1/surplus/applications/"+id+"/approve", "", nil), http.StatusOK)
	s.problem(s.as(lan, http.MethodPost, "/v1/surplus/applications/"+id+"/reject", "", nil), 409, "application-state")
	if got := s.orderStatus(target); got != "paid" {
		t.Errorf("order is %s", got)
	}
	if v := s.ok(s.as(lan, http.MethodGet, "/v1/surplus", "", nil), http.StatusOK); len(v["items"].([]any)) != 0 {
		t.Errorf("%v", v)
	}
	if n := s.count(`SELECT count(*) FROM outbox WHERE type = 'order.paid' AND order_id = $1`, target); n != 1 {
		t.Errorf("order.paid was said %d times", n)
	}
}

func TestReceiptsAreRecordedOnce(t *testing.T) {
	s := newStreet(t)
	s.moneyKey()
	order, _ := s.paidByMoMo()
	path := "/v1/orders/" + order + "/receipts"
	digest := strings.Repeat("ab", 32)
	receipt := func(kind, number, pdf string) map[string]string {
		return map[string]string{"kind": kind, "series": "K26TPH", "number": number, "pdf_sha256": pdf}
	}
	s.problem(s.as(refundKey, http.MethodPut, path, "", receipt("phi", "1", "")), 422, "invalid")
	s.problem(s.as(refundKey, http.MethodPut, path, "", receipt("le_phi", "", "")), 422, "invalid")
	s.problem(s.as(refundKey, http.MethodPut, path, "", receipt("le_phi", "1", "xyz")), 422, "invalid")
	s.problem(s.as("fgk_test_other", http.MethodPut, path, "", receipt("le_phi", "1", "")), 404, "not-found")
	s.problem(s.as("fgk_test_reader", http.MethodPut, path, "", receipt("le_phi", "1", "")), 403, "forbidden")
	for range 2 {
		if v := s.ok(s.as(refundKey, http.MethodPut, path, "", receipt("le_phi", "0000001", digest)), http.StatusOK); len(v["receipts"].([]any)) != 1 {
			t.Errorf("%v", v)
		}
	}
	s.problem(s.as(refundKey, http.MethodPut, path, "", receipt("le_phi", "0000001", strings.Repeat("cd", 32))), 409, "receipt-recorded")
	s.ok(s.call(http.MethodPut, path, "", receipt("le_phi", "0000002", "")), http.StatusOK)
	if v := s.ok(s.call(http.MethodGet, path, "", nil), http.StatusOK); len(v["items"].([]any)) != 2 {
		t.Errorf("%v", v)
	}
}

func TestPricesFromTheSchedule(t *testing.T) {
	s := newStreet(t)
	for _, q := range []string{
		`INSERT INTO procedures (code, name, field_code) VALUES ('1.002', 'Cấp phép', 'HT'), ('1.003', 'Đã bãi bỏ', 'HT')`,
		`UPDATE procedures SET valid_to = '2026-01-01' WHERE code = '1.003'`,
		`INSERT INTO procedure_agencies SELECT code, 'H10.12' FROM procedures`,
		`INSERT INTO fee_schedules (fee_code, procedure_code, name, kind, unit_amount, valid_from, valid_to) VALUES ('LP', '1.002', 'Lệ phí', 'le_phi', 60000, '2020-01-01', '2026-03-01'),
			('LP', '1.002', 'Lệ phí', 'le_phi', 75000, '2026-03-01', NULL), ('TD', '1.002', 'Phí thẩm định', 'phi', NULL, '2020-01-01', NULL), ('X', '1.001', 'Khác', 'phi', 1, '2020-01-01', NULL)`,
		`INSERT INTO pilot_discounts (fee_code, percent, legal_basis, valid_from) VALUES ('LP', 50, 'NQ 05/2026/NQ-HĐND', '2026-03-01')`,
	} {
		if _, err := s.db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	list := s.ok(s.call(http.MethodGet, "/v1/catalogue/procedures", "", nil), http.StatusOK)
	items := list["items"].([]any)
	if len(items) != 2 || list["next"] != nil {
		t.Fatalf("%v", list)
	}
	second := items[1].(map[string]any)
	fees := second["fees"].([]any)
	if second["code"] != "1.002" || second["field"] != "Hộ tịch" || fmt.Sprint(second["agency_codes"]) != "[H10.12]" || len(fees) != 2 ||
		fees[0].(map[string]any)["unit_amount"] != 75000.0 || fees[1].(map[string]any)["unit_amount"] != nil {
		t.Errorf("%v", second)
	}
	page := s.ok(s.call(http.MethodGet, "/v1/catalogue/procedures?limit=1", "", nil), http.StatusOK)
	if page["next"] != "1.001" || len(page["items"].([]any)) != 1 {
		t.Errorf("%v", page)
	}
	s.problem(s.call(http.MethodGet, "/v1/catalogue/procedures?limit=1000", "", nil), 422, "invalid")

	order := func(n int, dossier, mode, lines string) string {
		return fmt.Sprintf(`{"reference":"P%d","dossier_code":%q,"procedure_code":"1.002","agency_code":"H10.12","filing_mode":%q,"price":"from_schedule","lines":[%s]}`, n, dossier, mode, lines)
	}
	n := 0
	for name, c := range map[string]struct {
		dossier, mode, lines string
		amount               float64
		field                string
	}{
		"online":                 {"H10.12-260310-0001", "online", `{"fee_code":"LP","quantity":1}`, 37500, ""},
		"at the counter":         {"H10.12-260310-0002", "counter", `{"fee_code":"LP","quantity":2}`, 150000, ""},
		"received under the old": {"H10.12-260228-0003", "online", `{"fee_code":"LP","quantity":1}`, 60000, ""},
		"assessed":               {"H10.12-260310-0004", "counter", `{"fee_code":"TD","quantity":1,"unit_amount":8000000,"assessment":{"document":"TB 12"}},{"fee_code":"LP","quantity":1}`, 8075000, ""},
		"not assessed":           {"H10.12-260310-0005", "counter", `{"fee_code":"TD","quantity":1}`, 0, "lines[0].unit_amount"},
		"of another procedure":   {"H10.12-260310-0006", "counter", `{"fee_code":"X","quantity":1}`, 0, "lines[0].fee_code"},
		"another amount":         {"H10.12-260310-0007", "counter", `{"fee_code":"LP","quantity":1,"unit_amount":60000}`, 0, "lines[0].unit_amount"},
		"a net of one's own":     {"H10.12-260310-0008", "online", `{"fee_code":"LP","quantity":1,"net":75000}`, 0, "lines[0].net"},
		"a code of no dossier":   {"H10", "online", `{"fee_code":"LP","quantity":1}`, 0, "dossier_code"},
		"no lines":               {"H10.12-260310-0009", "online", ``, 0, "lines"},
	} {
		n++
		r := s.call(http.MethodPost, "/v1/orders", fmt.Sprint("price", n), order(n, c.dossier, c.mode, c.lines))
		if c.field != "" {
			found := false
			errs, _ := s.problem(r, 422, "invalid")["errors"].([]any)
			for _, e := range errs {
				found = found || e.(map[string]any)["field"] == c.field
			}
			if !found {
				t.Errorf("%s: %s, want %s", name, r.body, c.field)
			}
			continue
		}
		v := s.ok(r, http.StatusCreated)
		if v["amount"] != c.amount || v["priced_on"] == nil {
			t.Errorf("%s: %s, want %v", name, r.body, c.amount)
		}
	}
	if got := s.count(`SELECT count(*) FROM orders WHERE priced_on = '2026-02-28'`); got != 1 {
		t.Errorf("%d orders priced on the day of the dossier", got)
	}
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO dossiers (source_system, dossier_code, n, status, procedure_code, agency_code, received_on, mode, recorded_at)
		VALUES ('portal', 'H10.12-260310-0010', 1, 'open', '1.002', 'H10.12', '2026-02-27', 'live', $1)`, s.world.Now()); err != nil {
		t.Fatal(err)
	}
	if v := s.ok(s.call(http.MethodPost, "/v1/orders", "told", order(99, "H10.12-260310-0010", "counter", `{"fee_code":"LP","quantity":1}`)), http.StatusCreated); v["amount"] != 60000.0 || v["priced_on"] != "2026-02-27" {
		t.Errorf("the day that was told: %v", v)
	}
}
