package momo_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/breaker"
	"feegate/providers/momo"
	"feegate/providers/momo/momosim"
	"feegate/providers/sim"
)

// Adapter and simulator were written apart, from the same page: this holds them against each other over HTTP.
func TestAPaymentAndItsRefundAtTheSimulator(t *testing.T) {
	callbacks := make(chan providers.Callback, 10)
	gateway := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		rw.WriteHeader(http.StatusNoContent)
		callbacks <- providers.Callback{Method: r.Method, RawQuery: r.URL.RawQuery, Header: r.Header, Body: b}
	}))
	defer gateway.Close()
	w, err := sim.New(sim.Options{Wires: []sim.Wire{momosim.New()}, Start: time.Date(2026, 1, 15, 10, 30, 0, 0, sim.Zone())})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	cred := map[string]string{"partnerCode": "FEEGATEMOMO", "accessKey": "FEEGATEACCESSKEY", "secretKey": "SECRETKEYFORTESTVECTORS000000002"}
	if err := w.PutAccount(sim.Account{Provider: "momo", Terminal: "FEEGATEMOMO", Credentials: cred, Tariff: vnd.Tariff{BPS: 110}}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.Handler())
	defer server.Close()

	g := breaker.New(breaker.Settings{})
	p, err := providers.NewRegistry(momo.Registration()).New("momo", providers.Account{
		ID: "acc", Terminal: "FEEGATEMOMO", Credentials: []map[string]string{cred}, BaseURL: server.URL + "/momo",
		ReturnURL: "https://portal.example/returns/momo/acc", CallbackURL: gateway.URL,
	}, providers.Deps{HTTP: func(op providers.Operation) *http.Client { return g.Client("acc", op, 10*time.Second) }, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	pay := providers.Payment{Reference: "FGSIM1", Amount: 120000, Description: "Lệ phí hộ tịch & phí", Method: providers.MethodWallet, CreatedAt: w.Now(), ExpiresAt: w.Now().Add(time.Hour)}
	if n, err := p.Lookup(ctx, pay); err != nil || n.Outcome != providers.NotFound {
		t.Errorf("before: %+v %v", n, err)
	}
	r, err := p.Checkout(ctx, pay)
	if err != nil || r.URL == "" {
		t.Fatalf("%+v %v", r, err)
	}
	if again, err := p.Checkout(ctx, pay); err != nil || again != r {
		t.Errorf("sent again: %+v %v", again, err)
	}
	if n, err := p.Lookup(ctx, pay); err != nil || n.Outcome != providers.Pending {
		t.Errorf("opened: %+v %v", n, err)
	}
	resp, err := http.Post(server.URL+"/control/momo/payments/FGSIM1", "application/json", strings.NewReader(`{"outcome":"succeed"}`))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	ns, err := p.Verify(ctx, <-callbacks)
	if err != nil || ns[0].Outcome != providers.Succeeded || ns[0].Amount != 120000 || ns[0].Doubt {
		t.Fatalf("%+v %v", ns, err)
	}
	n, err := p.Lookup(ctx, pay)
	if err != nil || n.Outcome != providers.Succeeded || n.Transaction != ns[0].Transaction {
		t.Errorf("after: %+v %v", n, err)
	}
	pay.Transaction = n.Transaction
	refund := providers.Refund{Reference: "FGSIM1R1", Amount: 20000, Description: "Hoàn một phần", CreatedAt: w.Now()}
	rf := p.(providers.Refunder)
	if before, err := rf.LookupRefund(ctx, pay, refund); err != nil || before.Outcome == providers.Succeeded || before.Outcome == providers.Failed {
		t.Errorf("a refund never sent: %+v %v", before, err)
	}
	if done, err := rf.Refund(ctx, pay, refund); err != nil || done.Outcome != providers.Succeeded || done.Transaction == "" {
		t.Fatalf("refund: %+v %v", done, err)
	}
	if done, err := rf.LookupRefund(ctx, pay, refund); err != nil || done.Outcome != providers.Succeeded || done.Transaction == "" {
		t.Errorf("query of the refund: %+v %v", done, err)
	}
	resp, err = http.Get(server.URL + "/control/momo/settlement?account=FEEGATEMOMO&date=2026-01-15")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var lines []providers.SettlementLine
	for l, err := range p.ParseSettlement(resp.Body) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	if len(lines) != 3 || lines[0].Reference != "FGSIM1" || lines[0].Fee != 1320 || lines[1].Type != providers.LineRefund || lines[1].Reference != "FGSIM1R1" ||
		lines[1].Original != pay.Transaction || lines[2].Net != 120000-1320-20000 {
		t.Errorf("%+v", lines)
	}
}
