package main

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"feegate/gateway/account"
)

// A provider that turns a call away and says until when is left alone until then: who asked for the payment hears it.
func TestWhenToComeAgainIsTheProvidersWord(t *testing.T) {
	s := newStreet(t)
	busy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "77")
		rw.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(busy.Close)
	d := demoPayOS(1)
	if err := s.app.accounts.Create(t.Context(), account.Account{ID: "acc_payos", Provider: d.Provider, AgencyCode: "H10.12", Kinds: []string{"phi", "le_phi"}, BaseURL: busy.URL,
		Credentials: d.Credentials, BeneficiaryBank: d.Beneficiary.Bank, BeneficiaryAccount: d.Beneficiary.Number, BeneficiaryName: d.Beneficiary.Name}); err != nil {
		t.Fatal(err)
	}
	r := s.pays(1, "acc_payos")
	s.problem(r, http.StatusServiceUnavailable, "provider-unavailable")
	if got, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || got != 77 {
		t.Errorf("come again in %q, the provider said 77", r.header.Get("Retry-After"))
	}
}
