package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"feegate/gateway/account"
)

// Every provider pays, is called with forged messages, answers rubbish that repeats its own keys, and is not there: no key of any account
// stands in a log line, an answer or a page.
func TestNoSecretIsInALogLine(t *testing.T) {
	s := newStreet(t)
	var secrets []string
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_, _ = fmt.Fprint(w, "<html>", strings.Join(secrets, " "))
	}))
	t.Cleanup(echo.Close)
	seen := map[string]bool{}
	n := 0
	for _, d := range demoAccounts() {
		if seen[d.Provider] {
			continue
		}
		seen[d.Provider] = true
		id := d.terminal()
		for _, v := range d.Credentials {
			if v != id && len(v) > 6 {
				secrets = append(secrets, v)
			}
		}
		for _, base := range []string{s.sim + "/" + d.Provider, echo.URL, "http://127.0.0.1:1"} {
			n++
			a := account.Account{ID: fmt.Sprint("acc_all_", n), Provider: d.Provider, AgencyCode: "H10.12", Kinds: []string{"le_phi"}, BaseURL: base, Credentials: d.Credentials,
				Terminal: id, BeneficiaryBank: d.Beneficiary.Bank, BeneficiaryAccount: d.Beneficiary.Number, BeneficiaryName: d.Beneficiary.Name}
			if n%3 != 1 { // (provider, terminal) is unique: the broken copies take another one of their own
				a.Terminal, a.Credentials = other(d, n)
				a.BeneficiaryAccount = or(map[bool]string{true: a.Terminal}[d.Terminal != ""], a.BeneficiaryAccount)
			}
			if err := s.app.accounts.Create(t.Context(), a); err != nil {
				if !errors.Is(err, account.ErrTaken) { // the street has it already
					t.Fatal(err)
				}
				a.ID = "acc_" + d.Provider
			}
			r := s.pays(100+n, a.ID)
			for _, secret := range secrets {
				if strings.Contains(string(r.body), secret) || strings.Contains(fmt.Sprint(r.header), secret) {
					t.Errorf("%s at %s: a secret is in the answer", d.Provider, base)
				}
			}
			header := map[string]string{"Authorization": "Apikey " + secrets[0], "Secure-Token": secrets[0]}
			s.send(http.MethodPost, s.api+"/callbacks/"+d.Provider+"/"+a.ID, `{"signature":"`+strings.Join(secrets, " ")+`"}`, header)
			s.send(http.MethodGet, s.api+"/callbacks/"+d.Provider+"/"+a.ID+"?vnp_SecureHash="+secrets[0], nil, header)
		}
	}
	s.sweepUntilQuiet()
	logs := s.logs.String()
	if len(secrets) < 10 || len(logs) < 1000 {
		t.Fatalf("%d secrets, %d bytes of log: nothing is shown by that", len(secrets), len(logs))
	}
	for _, secret := range secrets {
		if strings.Contains(logs, secret) {
			t.Errorf("a secret of %d characters is in the log", len(secret))
		}
		var kept int
		if err := s.db.GetContext(t.Context(), &kept, `SELECT (SELECT count(*) FROM lookups WHERE position($1 IN detail) > 0) + (SELECT count(*) FROM history WHERE position($1 IN detail) > 0)`, secret); err != nil || kept != 0 {
			t.Errorf("a secret is kept in clear %d times: %v", kept, err)
		}
	}
}

// other is an account of the same provider with a terminal of its own and the same keys.
func other(d demoAccount, n int) (terminal string, credentials map[string]string) {
	terminal = fmt.Sprint(d.terminal(), n)
	if d.Provider == "zalopay" {
		terminal = fmt.Sprint(910000 + n)
	}
	credentials = map[string]string{}
	for name, v := range d.Credentials {
		if v == d.terminal() {
			v = terminal
		}
		credentials[name] = v
	}
	return terminal, credentials
}
