package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"feegate/gateway/identity"
)

// A redirect provider whose browser return is signed too: what the old key signed is money until the overlap ends.
func TestVNPAYsSecretIsRotatedWhileBothWork(t *testing.T) {
	s := newStreet(t)
	admin := s.person("ad", []identity.Role{identity.Admin})
	atVNPAY := func(secret string) {
		s.ok(s.send(http.MethodPut, s.sim+"/control/vnpay/accounts/FEEGATE1", map[string]any{"credentials": map[string]string{"vnp_TmnCode": "FEEGATE1", "hash_secret": secret},
			"callback_url": s.api + "/callbacks/vnpay/acc_vnpay"}, nil), 200)
	}
	opened := func(n int) (order, reference string) {
		v := s.ok(s.pays(n, "acc_vnpay"), 201)
		if r := s.send(http.MethodGet, v["redirect"].(map[string]any)["url"].(string), nil, nil); r.status >= 400 {
			t.Fatalf("the pay page: %d %s", r.status, r.body)
		}
		return v["order"].(string), v["provider_reference"].(string)
	}
	first, r1 := opened(1)
	second, r2 := opened(2)
	third, r3 := opened(3)
	const old, next = "SECRETKEYFORTESTVECTORS000000001", "ANOTHERSECRETKEY0000000000000001"
	s.ok(s.as(admin, http.MethodPost, "/v1/accounts/acc_vnpay/secrets", "", map[string]any{"credentials": map[string]string{"vnp_TmnCode": "FEEGATE1", "hash_secret": next}, "overlap_hours": 1}), 201)
	s.decide("vnpay", r1, map[string]any{"outcome": "succeed"})
	if got := s.orderStatus(first); got != "paid" {
		t.Errorf("signed with the old key: %s", got)
	}
	atVNPAY(next)
	s.decide("vnpay", r2, map[string]any{"outcome": "succeed"})
	if got := s.orderStatus(second); got != "paid" {
		t.Errorf("signed with the new key: %s", got)
	}
	opened(4) // our own signature is the new one: the provider's page takes it
	s.move(time.Hour)
	atVNPAY(old)
	s.decide("vnpay", r3, map[string]any{"outcome": "succeed"})
	if n := s.count(`SELECT count(*) FROM callbacks WHERE verdict = 'forged'`); n != 1 || s.orderStatus(third) == "paid" {
		t.Errorf("after the overlap: %d forged, the order is %s", n, s.orderStatus(third))
	}
}

// A bank's notifier: two of them tell of each transfer, one of which changes its key.
func TestANotifiersSecretIsRotatedWhileBothWork(t *testing.T) {
	s := newStreet(t)
	s.bank()
	admin := s.person("ad", []identity.Role{identity.Admin})
	atSePay := func(c map[string]string) {
		s.ok(s.send(http.MethodPut, s.sim+"/control/sepay/accounts/"+ownBank, map[string]any{"credentials": c, "callback_url": s.api + "/callbacks/sepay/acc_sepay"}, nil), 200)
	}
	old, next := map[string]string{"api_key": "K", "webhook_secret": "S", "api_token": "T"}, map[string]string{"api_key": "K2", "webhook_secret": "S2", "api_token": "T2"}
	s.ok(s.as(admin, http.MethodPost, "/v1/accounts/acc_sepay/secrets", "", map[string]any{"credentials": next, "overlap_hours": 2}), 201)
	say := func(n int, want string) { // Casso answers first, then SePay
		t.Helper()
		order, payload, _, _ := s.shown(n)
		if got := fmt.Sprint(s.wired(map[string]any{"qr_payload": payload})); got != want {
			t.Errorf("the notifiers were answered %s, want %s", got, want)
		}
		if got := s.orderStatus(order); got != "paid" { // the other notifier tells of it all the same
			t.Errorf("%s", got)
		}
	}
	say(1, "[200 200]")
	atSePay(next)
	say(2, "[200 200]")
	atSePay(old)
	s.move(2 * time.Hour)
	say(3, "[200 401]")
	atSePay(next)
	say(4, "[200 200]")
	if n := s.count(`SELECT count(*) FROM callbacks WHERE account_id = 'acc_sepay' AND verdict = 'forged'`); n != 1 {
		t.Errorf("%d forged", n)
	}
}
