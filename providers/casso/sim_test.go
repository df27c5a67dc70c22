package casso_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"feegate/providers"
	"feegate/providers/breaker"
	"feegate/providers/casso"
	"feegate/providers/casso/cassosim"
	"feegate/providers/sim"
)

// Adapter and simulator were written apart, from the same page: this holds them against each other over HTTP.
func TestTransfersAtTheSimulator(t *testing.T) {
	for name, cred := range map[string]map[string]string{
		"signature": {"webhook_key": "FAKEcassoKey_8c7b6a5948372615f0e1d2c3b4a59687", "api_key": "T"}, "token": {"legacy_secure_token": "FAKE_SECURE_TOKEN", "api_key": "T"},
	} {
		t.Run(name, func(t *testing.T) { transfers(t, cred) })
	}
}

func transfers(t *testing.T, cred map[string]string) {
	callbacks := make(chan providers.Callback, 20)
	status := http.StatusOK
	gateway := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		callbacks <- providers.Callback{Method: r.Method, RawQuery: r.URL.RawQuery, Header: r.Header, Body: b}
		rw.WriteHeader(status)
	}))
	defer gateway.Close()
	w, err := sim.New(sim.Options{Wires: []sim.Wire{cassosim.New()}, Start: time.Date(2026, 3, 5, 10, 30, 0, 0, sim.Zone())})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if err := w.PutAccount(sim.Account{Provider: "casso", Terminal: "0123456789", Credentials: cred, CallbackURL: gateway.URL}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.Handler())
	defer server.Close()
	g := breaker.New(breaker.Settings{})
	p, err := providers.NewRegistry(casso.Registration()).New("casso", providers.Account{ID: "acc", Terminal: "0123456789", Credentials: []map[string]string{cred}, BaseURL: server.URL + "/casso",
		Beneficiary: providers.Beneficiary{Bank: "970436", Number: "0123456789", Name: "SO TAI CHINH"}}, providers.Deps{HTTP: func(op providers.Operation) *http.Client { return g.Client("acc", op, 10*time.Second) }, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	pay := providers.Payment{Reference: "PHX22222223A4", Amount: 120000, CreatedAt: w.Now(), ExpiresAt: w.Now().Add(time.Hour)}
	r, err := p.Checkout(ctx, pay)
	if err != nil {
		t.Fatal(err)
	}
	control := func(path, body string) sim.Transferred {
		resp, err := http.Post(server.URL+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var done sim.Transferred
		raw, _ := io.ReadAll(resp.Body)
		if err := json.Unmarshal(raw, &done); err != nil || resp.StatusCode != 200 || done.Status != "succeeded" {
			t.Fatalf("%s: %d %s", path, resp.StatusCode, raw)
		}
		return done
	}
	told := func() providers.Notice {
		ns, err := p.Verify(ctx, <-callbacks)
		if err != nil || len(ns) != 1 {
			t.Fatalf("%+v %v", ns, err)
		}
		return ns[0]
	}
	// The payer scans; another has a bank that writes the content its own way; a third pays by the control call, twice.
	done := control("/control/bank/transfers", `{"qr_payload":"`+r.QRPayload+`","reference":"FT1"}`)
	if n := told(); n.Reference != pay.Reference || n.Amount != pay.Amount || n.Transaction != "FT1" || n.Transfer.Account != "0123456789" || n.Transfer.Out || len(done.Callbacks) != 1 {
		t.Errorf("%+v %+v", n, n.Transfer)
	}
	control("/control/bank/transfers", `{"qr_payload":"`+r.QRPayload+`","mangle":"lower|spaces|prefix|suffix","amount":5000,"notify":{"copies":2}}`)
	if one, again := told(), told(); one.Reference != pay.Reference || one.Amount != 5000 || one.Transfer.ID != again.Transfer.ID {
		t.Errorf("%+v %+v", one, again)
	}
	for range 2 {
		control("/control/casso/payments/PHX22222224J6", `{"outcome":"succeed","amount":7000}`)
	}
	if a, b := told(), told(); a.Reference != "PHX22222224J6" || a.Transfer.ID == b.Transfer.ID || a.Transaction == b.Transaction {
		t.Errorf("%+v %+v", a, b)
	}
	control("/control/bank/transfers", `{"account":"0123456789","amount":9000,"content":"PHX22222223A4","mangle":"truncate"}`)
	if n := told(); n.Reference != "" || n.Amount != 9000 {
		t.Errorf("a damaged reference: %+v", n)
	}
	control("/control/bank/transfers", `{"account":"0123456789","amount":11000,"content":"PHI QUAN LY","out":true}`)
	if n := told(); !n.Transfer.Out {
		t.Errorf("money out: %+v", n.Transfer)
	}
	control("/control/bank/transfers", `{"account":"0123456789","amount":1,"content":"x","notify":{"forge":true}}`)
	if ns, err := p.Verify(ctx, <-callbacks); err == nil {
		t.Errorf("a forgery passes: %v", ns)
	}
	// A call that is not taken comes again on the simulated clock, signed anew.
	status = http.StatusServiceUnavailable
	control("/control/bank/transfers", `{"account":"0123456789","amount":2000,"content":"PHX22222223A4"}`)
	first := <-callbacks
	status = http.StatusOK
	if _, err := w.Move(ctx, func(now time.Time) time.Time { return now.Add(10 * time.Minute) }); err != nil {
		t.Fatal(err)
	}
	again := <-callbacks
	a, err := p.Verify(ctx, again)
	if err != nil || string(first.Body) != string(again.Body) || a[0].Amount != 2000 {
		t.Errorf("repeated: %v %v", a, err)
	}
	// The list tells the same once more.
	f := p.(providers.TransferFetcher)
	list, next, err := f.Transfers(ctx, "")
	if err != nil || len(list) != 8 || list[0].Transaction != "FT1" || list[7].Transfer.ID != a[0].Transfer.ID || !list[5].Transfer.Out {
		t.Errorf("%+v %q %v", list, next, err)
	}
	if list[0].Payer == nil || len(list[0].Payer.Account) != 13 || list[5].Payer != nil {
		t.Errorf("payers: %+v %+v", list[0].Payer, list[5].Payer)
	}
	if rest, _, err := f.Transfers(ctx, next); err != nil || len(rest) != 8 {
		t.Errorf("from %q: %+v %v", next, rest, err)
	}
}
