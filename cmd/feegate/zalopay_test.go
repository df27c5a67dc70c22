package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"feegate/gateway/account"
	"feegate/gateway/identity"
)

// zalopay opens the agency's account at ZaloPay.
func (s *street) zalopay() {
	s.t.Helper()
	d := demoZaloPay(1)
	if err := s.app.accounts.Create(s.t.Context(), account.Account{ID: "acc_zalopay", Provider: d.Provider, AgencyCode: "H10.12", Kinds: []string{"phi", "le_phi"},
		BaseURL: s.sim + "/zalopay", Credentials: d.Credentials}); err != nil {
		s.t.Fatal(err)
	}
	put := map[string]any{"credentials": d.Credentials, "callback_url": s.api + "/callbacks/zalopay/acc_zalopay"}
	s.ok(s.send(http.MethodPut, s.sim+"/control/zalopay/accounts/"+d.terminal(), put, nil), http.StatusOK)
}

// truth is what the simulated provider took for a payment, and what of it went back.
func (s *street) truth(reference string) (amount, refunded int64) {
	s.t.Helper()
	var ledger struct {
		Payments []struct {
			Reference string `json:"provider_reference"`
			Amount    int64
			Refunded  int64
		}
	}
	if err := json.Unmarshal(s.send(http.MethodGet, s.sim+"/control/ledger", nil, nil).body, &ledger); err != nil {
		s.t.Fatal(err)
	}
	for _, p := range ledger.Payments {
		if p.Reference == reference {
			return p.Amount, p.Refunded
		}
	}
	return 0, 0
}

func TestZaloPayFromOrderToARefundOfAPart(t *testing.T) {
	s := newStreet(t)
	s.zalopay()
	s.moneyKey()
	order, payment, reference := s.started("zalopay")
	if got := s.decide("zalopay", reference, map[string]any{"outcome": "succeed", "callback": map[string]any{"copies": 2}}); len(got) != 2 || got[0] != 200 || got[1] != 200 {
		t.Errorf("callbacks: %v\n%s", got, s.logs)
	}
	if got := s.orderStatus(order); got != "paid" {
		t.Fatalf("order is %s\n%s", got, s.logs)
	}
	if n := s.count(`SELECT count(*) FROM moves`); n != 1 {
		t.Errorf("%d moves of one payment", n)
	}
	lan := s.person("lan", []identity.Role{identity.Approver})
	refund, _ := s.ok(s.as(refundKey, http.MethodPost, "/v1/payments/"+payment+"/refunds", "k1", asked(20000, 50000)), http.StatusAccepted)["id"].(string)
	// ZaloPay pays back later: its yes to the sending is not yet money.
	v := s.ok(s.as(lan, http.MethodPost, "/v1/refunds/"+refund+"/approve", "", nil), http.StatusOK)
	if v["status"] != "submitted" || v["manual"] != false || v["provider_transaction"] == "" {
		t.Fatalf("%v\n%s", v, s.logs)
	}
	if got := s.orderStatus(order); got != "paid" {
		t.Errorf("before ZaloPay's word the order is %s", got)
	}
	s.move(time.Minute + time.Second)
	if n, err := s.app.gateway.SweepRefunds(t.Context(), 10); n != 1 || err != nil {
		t.Fatalf("%d %v", n, err)
	}
	if v := s.ok(s.as(lan, http.MethodGet, "/v1/refunds/"+refund, "", nil), http.StatusOK); v["status"] != "succeeded" || v["amount"] != 20000.0 {
		t.Errorf("%v\n%s", v, s.logs)
	}
	if got := s.orderStatus(order); got != "partly_refunded" {
		t.Errorf("order is %s", got)
	}
	amount, back := s.truth(reference)
	if kept := s.count(`SELECT refunded_amount FROM payments WHERE id = $1`, payment); amount != 50000 || back != 20000 || kept != 20000 {
		t.Errorf("ZaloPay took %d and gave back %d; here %d went back", amount, back, kept)
	}
	if n := s.count(`SELECT sum(sends) FROM refunds`); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

// ZaloPay tells of successes only, and a lost one is found by asking; so is the end of what nobody paid.
func TestZaloPaysSilenceIsAskedInto(t *testing.T) {
	s := newStreet(t)
	s.zalopay()
	order, payment, reference := s.started("zalopay")
	s.decide("zalopay", reference, map[string]any{"outcome": "succeed", "callback": map[string]any{"send": false}})
	s.move(2 * time.Minute)
	if n, err := s.app.gateway.Sweep(t.Context(), 10); err != nil || n != 1 {
		t.Fatalf("%d %v", n, err)
	}
	if got := s.orderStatus(order); got != "paid" {
		t.Errorf("order is %s\n%s", got, s.logs)
	}
	if v := s.ok(s.call(http.MethodGet, "/v1/payments/"+payment, "", nil), http.StatusOK); v["status"] != "succeeded" {
		t.Errorf("%v", v)
	}
	body := strings.Replace(anOrder("R2"), "H10.12-260310-0007", "H10.12-260310-0008", 1)
	other, _ := s.ok(s.call(http.MethodPost, "/v1/orders", "o2", body), http.StatusCreated)["id"].(string)
	second, _ := s.ok(s.call(http.MethodPost, "/v1/orders/"+other+"/payments", "p2", map[string]string{"provider": "zalopay"}), http.StatusCreated)["id"].(string)
	s.move(17 * time.Minute)
	if _, err := s.app.gateway.Sweep(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if v := s.ok(s.call(http.MethodGet, "/v1/payments/"+second, "", nil), http.StatusOK); v["status"] != "expired" {
		t.Errorf("%v\n%s", v, s.logs)
	}
}

// A create whose answer was lost is not sent again: it is asked after, and what the payer pays there counts.
func TestAZaloPayCreateWhoseAnswerWasLost(t *testing.T) {
	s := newStreet(t)
	s.zalopay()
	s.ok(s.send(http.MethodPost, s.sim+"/control/zalopay/faults", map[string]any{"operation": "checkout", "fault": "reset_after_accept"}, nil), http.StatusOK)
	order, _ := s.ok(s.call(http.MethodPost, "/v1/orders", "o1", anOrder("R1")), http.StatusCreated)["id"].(string)
	p := s.ok(s.call(http.MethodPost, "/v1/orders/"+order+"/payments", "p1", map[string]string{"provider": "zalopay"}), http.StatusAccepted)
	reference, _ := p["provider_reference"].(string)
	s.decide("zalopay", reference, map[string]any{"outcome": "succeed", "callback": map[string]any{"send": false}})
	s.move(2 * time.Minute)
	if _, err := s.app.gateway.Sweep(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if got := s.orderStatus(order); got != "paid" {
		t.Errorf("order is %s\n%s", got, s.logs)
	}
}
