package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/providers"
)

// checked is what the check of an account says, by operation.
func (s *street) checked(token, id string) (map[string]any, map[string]map[string]any) {
	s.t.Helper()
	v := s.ok(s.as(token, http.MethodPost, "/v1/accounts/"+id+"/check", "", nil), 200)
	by := map[string]map[string]any{}
	for _, f := range v["findings"].([]any) {
		f := f.(map[string]any)
		by[f["operation"].(string)] = f
		if f["said"] == "" || f["said_vi"] == "" || f["asked"] == "" || f["asked_vi"] == "" || f["said"] == f["said_vi"] && f["operation"] != "set_up" {
			s.t.Errorf("%s is not told in both languages: %v", id, f)
		}
	}
	return v, by
}

func TestACheckSaysWhatTheProviderAnswered(t *testing.T) {
	s := newStreet(t)
	s.bank()
	operator := s.person("op", []identity.Role{identity.Operator})
	demo := func(d demoAccount) string { // with the credentials that the simulator was told, and the account to check
		id := "acc_" + d.Provider
		if err := s.app.accounts.Create(t.Context(), account.Account{ID: id, Provider: d.Provider, AgencyCode: "H10.12", Kinds: []string{"phi"}, BaseURL: s.sim + "/" + d.Provider, Terminal: d.terminal(),
			Credentials: d.Credentials, BeneficiaryBank: d.Beneficiary.Bank, BeneficiaryAccount: d.Beneficiary.Number, BeneficiaryName: d.Beneficiary.Name}); err != nil {
			t.Fatal(err)
		}
		s.ok(s.send(http.MethodPut, s.sim+"/control/"+d.Provider+"/accounts/"+d.terminal(), map[string]any{"credentials": d.Credentials, "callback_url": s.api + "/callbacks/" + d.Provider + "/" + id}, nil), 200)
		return id
	}
	demo(demoZaloPay(1))
	demo(demoDVCQG(1))
	demo(demoPayOS(1))
	demo(demoVietQR("H10.12"))
	// Right keys: each provider that can be asked answers that they work.
	for id, operation := range map[string]string{"acc_momo": "lookup", "acc_vnpay": "lookup", "acc_zalopay": "lookup", "acc_dvcqg": "lookup", "acc_payos": "lookup", "acc_sepay": "transfers", "acc_casso": "transfers"} {
		v, by := s.checked(operator, id)
		if f := by[operation]; v["works"] != true || f["result"] != "works" || f["address"] != s.sim {
			t.Errorf("%s: %v", id, v)
		}
		if v["callback_url"] != s.api+"/callbacks/"+v["provider"].(string)+"/"+id {
			t.Errorf("%v", v)
		}
	}
	if _, by := s.checked(operator, "acc_vnpay"); by["checkout"]["result"] != "not_tried" || !strings.Contains(fmt.Sprint(by["checkout"]["said"]), "the check does not open it") || by["checkout"]["address"] != s.sim {
		t.Errorf("VNPAY's pay address: %v", by["checkout"])
	}
	if v, by := s.checked(operator, "acc_vietqr"); v["works"] != true || by["lookup"]["result"] != "not_tried" || !strings.Contains(fmt.Sprint(by["checkout"]["said"]), "••••4455") {
		t.Errorf("VietQR: %v", v)
	}
	// Wrong keys: the provider's own words, with its code.
	for _, q := range []string{"momo", "vnpay", "zalopay", "payos", "sepay", "casso"} {
		credentials := map[string]map[string]string{
			"momo":    {"partnerCode": "FEEGATEMOMO", "accessKey": "FEEGATEACCESSKEY", "secretKey": "geheim"},
			"vnpay":   {"vnp_TmnCode": "FEEGATE1", "hash_secret": "geheim"},
			"zalopay": {"app_id": "900001", "key1": "geheim", "key2": "geheim"},
			"payos":   {"clientId": "fake-client-id", "apiKey": "geheim", "checksumKey": "geheim"},
			"sepay":   {"api_key": "geheim", "webhook_secret": "geheim", "api_token": "geheim"},
			"casso":   {"webhook_key": "geheim", "api_key": "geheim"},
		}[q]
		if err := s.app.accounts.Rotate(t.Context(), "acc_"+q, credentials, 0, nobody()); err != nil {
			t.Fatal(err)
		}
		v, by := s.checked(operator, "acc_"+q)
		f := by["lookup"]
		if f == nil {
			f = by["transfers"]
		}
		if v["works"] != false || f["result"] != "wrong_keys" || f["code"] == nil || !strings.Contains(f["said"].(string), "our keys or terminal are wrong") || !strings.Contains(f["said_vi"].(string), "sai") {
			t.Errorf("%s with wrong keys: %v", q, f)
		}
		if strings.Contains(fmt.Sprint(v), "geheim") {
			t.Errorf("a secret in %v", v)
		}
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'account.checked'`); n != 16-1 {
		t.Errorf("%d rows of audit", n)
	}
	s.heldNowhere("geheim")
}

func TestACheckOfWhatDoesNotAnswer(t *testing.T) {
	s := newStreet(t)
	admin := s.person("ad", []identity.Role{identity.Admin})
	let := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-let }))
	defer hanging.Close()
	defer close(let)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	faulty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer faulty.Close()
	garbage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>geheim")) }))
	defer garbage.Close()
	for n, c := range []struct{ base, result, code, said string }{
		{hanging.URL, "no_clear_answer", "", "no answer in time"},
		{gone.URL, "not_reachable", "", "connection refused"},
		{"https://nobody.invalid", "not_reachable", "", "cannot be reached"},
		{faulty.URL, "no_clear_answer", "HTTP 502", "a fault of its own"},
		{garbage.URL, "no_clear_answer", "", "not what the provider's description says"},
	} {
		id := fmt.Sprint("acc_", n)
		if err := s.app.accounts.Create(t.Context(), account.Account{ID: id, Provider: "momo", AgencyCode: "H10.12", Kinds: []string{"phi"}, BaseURL: c.base, Timeouts: map[providers.Operation]int{"lookup": 300},
			Credentials: map[string]string{"partnerCode": id, "accessKey": "A", "secretKey": "topsecret"}}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		v, by := s.checked(admin, id)
		f := by["lookup"]
		if code, _ := f["code"].(string); v["works"] != false || f["result"] != c.result || code != c.code || !strings.Contains(f["said"].(string), c.said) {
			t.Errorf("%s: %v", c.base, f)
		}
		if strings.Contains(fmt.Sprint(v), "topsecret") || strings.Contains(fmt.Sprint(v), "geheim") || time.Since(began) > 10*time.Second {
			t.Errorf("%s: %v", c.base, v)
		}
		// What a check found stands in nobody's way.
		if w := s.way(admin, id); fmt.Sprint(w["circuits"]) != "[]" || w["available"] != true {
			t.Errorf("the check moved the breaker: %v", w)
		}
	}
	// One whose secret does not open says so, and is not asked.
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO account_secrets (account_id, sealed, valid_from, valid_to) SELECT 'acc_vnpay', sealed, valid_from, valid_from + interval '1 year' FROM account_secrets WHERE account_id = 'acc_momo'`); err != nil {
		t.Fatal(err)
	}
	if v, by := s.checked(admin, "acc_vnpay"); v["works"] != false || !strings.Contains(fmt.Sprint(by["set_up"]["said"]), "does not open under this master key") {
		t.Errorf("%v", v)
	}
	s.problem(s.as(admin, http.MethodPost, "/v1/accounts/acc_none/check", "", nil), 404, "not-found")
}

// nobody is a change that no person is asked about.
func nobody() account.By {
	return account.By{ID: "test", Record: func(context.Context, sqlx.ExtContext, string, string, map[string]any) error { return nil }}
}
