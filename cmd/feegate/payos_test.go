package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"feegate/gateway/account"
)

// payosStreet is the street with a payOS channel besides.
func payosStreet(t *testing.T) *street {
	t.Helper()
	s := newStreet(t)
	cred := map[string]string{"clientId": "fake-client-id", "apiKey": "fake-api-key", "checksumKey": "FAKEchecksum"}
	if err := s.app.accounts.Create(t.Context(), account.Account{ID: "acc_payos", Provider: "payos", AgencyCode: "H10.12", Kinds: []string{"phi", "le_phi"},
		BaseURL: s.sim + "/payos", Credentials: cred, BeneficiaryBank: "970422", BeneficiaryAccount: "1234567801", BeneficiaryName: "UBND XA"}); err != nil {
		t.Fatal(err)
	}
	put := map[string]any{"credentials": cred, "callback_url": s.api + "/callbacks/payos/acc_payos", "bank_account": "1234567801"}
	if r := s.send(http.MethodPut, s.sim+"/control/payos/accounts/fake-client-id", put, nil); r.status != http.StatusOK {
		t.Fatalf("account at the simulator: %d %s", r.status, r.body)
	}
	return s
}

// link is an order with a payOS link, and what its payer scans.
func (s *street) link(n int) (order, reference, payload string) {
	s.t.Helper()
	o := s.ok(s.call(http.MethodPost, "/v1/orders", fmt.Sprint("l", n), strings.Replace(anOrder(fmt.Sprint("L", n)), "0007", fmt.Sprintf("6%03d", n), 1)), 201)
	p := s.ok(s.call(http.MethodPost, "/v1/orders/"+o["id"].(string)+"/payments", fmt.Sprint("lp", n), map[string]string{"provider": "payos", "method": "qr"}), 201)
	redirect := p["redirect"].(map[string]any)
	if redirect["url"] == nil || redirect["transfer"] == nil {
		s.t.Errorf("%v", redirect)
	}
	return o["id"].(string), p["provider_reference"].(string), redirect["qr_payload"].(string)
}

func TestPayOSTellsOfEachTransfer(t *testing.T) {
	s := payosStreet(t)
	order, reference, _ := s.link(1)
	for n, amount := range []int{20000, 30000, 50000} {
		if got := s.decide("payos", reference, map[string]any{"outcome": "succeed", "amount": amount}); len(got) != 1 || got[0] != http.StatusOK {
			t.Errorf("transfer %d was answered %v\n%s", n, got, s.logs)
		}
	}
	v := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200)
	if v["status"] != "paid" || v["paid_amount"] != 50000.0 || v["surplus_amount"] != 50000.0 || len(v["payments"].([]any)) != 3 {
		t.Errorf("%v", v)
	}
	s.sweepUntilQuiet()
	if v := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200); v["surplus_amount"] != 50000.0 || len(v["payments"].([]any)) != 3 {
		t.Errorf("after the look-ups: %v", v)
	}
}

// Two transfers came, nobody told of them: the look-up finds both.
func TestPayOSIsAskedAboutTransfersThatWereNotTold(t *testing.T) {
	s := payosStreet(t)
	order, reference, _ := s.link(1)
	for _, amount := range []int{20000, 10000} {
		s.decide("payos", reference, map[string]any{"outcome": "succeed", "amount": amount, "callback": map[string]any{"send": false}})
	}
	s.move(3 * time.Minute)
	if _, err := s.app.gateway.Sweep(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	v := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200)
	if v["status"] != "open" || v["paid_amount"] != 30000.0 || len(v["payments"].([]any)) != 2 {
		t.Errorf("%v\n%s", v, s.logs)
	}
	if in, moved := s.count(`SELECT sum(amount) FROM bank_transfers`), s.count(`SELECT sum(amount) FROM moves`); in != 30000 || moved != 30000 {
		t.Errorf("%d came in, %d is in the books", in, moved)
	}
}

// A payer transfers twice and only one webhook comes: the link is asked after once more when its time is over.
func TestPayOSIsAskedAgainAboutWhatWasPaid(t *testing.T) {
	s := payosStreet(t)
	order, reference, _ := s.link(1)
	s.decide("payos", reference, map[string]any{"outcome": "succeed", "amount": 50000})
	s.decide("payos", reference, map[string]any{"outcome": "succeed", "amount": 50000, "callback": map[string]any{"send": false}})
	if v := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200); v["status"] != "paid" || v["surplus_amount"] != 0.0 {
		t.Fatalf("%v", v)
	}
	s.sweepUntilQuiet()
	if v := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200); v["surplus_amount"] != 50000.0 {
		t.Errorf("the second transfer is lost: %v", v)
	}
}

// A payer who chooses another way has the link cancelled: nobody can pay it any more by mistake.
func TestAnotherWayCancelsTheLink(t *testing.T) {
	s := payosStreet(t)
	order, _, _ := s.link(1)
	s.move(2 * time.Minute) // payOS is not asked twice within a minute
	if r := s.call(http.MethodPost, "/v1/orders/"+order+"/payments", "other", map[string]string{"provider": "momo"}); r.status != 201 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if got := s.one(`SELECT status || '/' || code FROM payments WHERE provider = 'payos'`); got != "failed/cancelled" {
		t.Errorf("the link's payment is %s\n%s", got, s.logs)
	}
}

// sweepUntilQuiet moves the clock on and does what is due, day by day, until nothing is.
func (s *street) sweepUntilQuiet() {
	s.t.Helper()
	for range 40 {
		s.move(24 * time.Hour)
		if _, err := s.app.gateway.Sweep(s.t.Context(), 100); err != nil {
			s.t.Fatal(err)
		}
	}
}
