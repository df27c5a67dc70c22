package vnpay_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/breaker"
	"feegate/providers/sim"
	"feegate/providers/vnpay"
	"feegate/providers/vnpay/vnpaysim"
)

// Adapter and simulator were written apart, from the same page: this holds them against each other over HTTP.
func TestAPaymentAtTheSimulator(t *testing.T) {
	callbacks := make(chan providers.Callback, 10)
	gateway := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		callbacks <- providers.Callback{Method: r.Method, RawQuery: r.URL.RawQuery, Header: r.Header}
		_, _ = io.WriteString(rw, `{"RspCode":"00","Message":"Confirm Success"}`)
	}))
	defer gateway.Close()
	w, err := sim.New(sim.Options{Wires: []sim.Wire{vnpaysim.New()}, Start: time.Date(2026, 1, 15, 10, 30, 0, 0, sim.Zone())})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	cred := map[string]string{"vnp_TmnCode": "FEEGATE1", "hash_secret": "SECRETKEYFORTESTVECTORS000000001"}
	if err := w.PutAccount(sim.Account{Provider: "vnpay", Terminal: "FEEGATE1", Credentials: cred, CallbackURL: gateway.URL, Tariff: vnd.Tariff{BPS: 110}}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.Handler())
	defer server.Close()

	g := breaker.New(breaker.Settings{})
	p, err := providers.NewRegistry(vnpay.Registration()).New("vnpay", providers.Account{
		ID: "acc", Terminal: "FEEGATE1", Credentials: []map[string]string{cred}, BaseURL: server.URL + "/vnpay", ReturnURL: "https://portal.example/returns/vnpay/acc",
		ServerIP: "203.0.113.10",
	}, providers.Deps{HTTP: func(op providers.Operation) *http.Client { return g.Client("acc", op, 10*time.Second) }, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	pay := providers.Payment{Reference: "FGSIM1", Amount: 120000, Description: "Lệ phí hộ tịch", PayerIP: "203.0.113.9", CreatedAt: w.Now(), ExpiresAt: w.Now().Add(15 * time.Minute)}
	if n, err := p.Lookup(ctx, pay); err != nil || n.Outcome != providers.NotFound {
		t.Errorf("before: %+v %v", n, err)
	}
	r, err := p.Checkout(ctx, pay)
	if err != nil {
		t.Fatal(err)
	}
	get(t, r.URL)
	if n, err := p.Lookup(ctx, pay); err != nil || n.Outcome != providers.Pending {
		t.Errorf("opened: %+v %v", n, err)
	}
	resp, err := http.Post(server.URL+"/control/vnpay/payments/FGSIM1", "application/json", strings.NewReader(`{"outcome":"succeed"}`))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	ns, err := p.Verify(ctx, <-callbacks)
	if err != nil || ns[0].Outcome != providers.Succeeded || ns[0].Amount != 120000 || ns[0].Reference != "FGSIM1" {
		t.Fatalf("%+v %v", ns, err)
	}
	n, err := p.Lookup(ctx, pay)
	if err != nil || n.Outcome != providers.Succeeded || n.Amount != 120000 || n.Transaction != ns[0].Transaction || !n.PaidAt.Equal(ns[0].PaidAt) {
		t.Errorf("after: %+v %v", n, err)
	}
	pay.Transaction = n.Transaction
	refunder := p.(providers.Refunder)
	refund := providers.Refund{Reference: "FGSIM1R1", Amount: 20000, Description: "Hoan tien", By: "usr_1", CreatedAt: w.Now()}
	if n, err := refunder.LookupRefund(ctx, pay, refund); err != nil || n.Outcome != providers.NotFound {
		t.Errorf("a refund never sent: %+v %v", n, err)
	}
	sent, err := refunder.Refund(ctx, pay, refund)
	if err != nil || sent.Outcome != providers.Pending || sent.Transaction == "" {
		t.Fatalf("refund: %+v %v", sent, err)
	}
	refund.SentBefore = true
	if n, err := refunder.Refund(ctx, pay, refund); err != nil || n.Outcome != providers.Pending || n.Code != "94" {
		t.Errorf("refund sent again: %+v %v", n, err)
	}
	for _, number := range []string{"", sent.Transaction} { // as after a lost answer, and as after one that came
		refund.Transaction = number
		if n, err := refunder.LookupRefund(ctx, pay, refund); err != nil || n.Outcome != providers.Succeeded || n.Transaction != sent.Transaction || n.At.IsZero() {
			t.Errorf("query of the refund by %q: %+v %v", number, n, err)
		}
	}
	if n, err := p.Lookup(ctx, pay); err != nil || n.Outcome != providers.Succeeded || n.Amount != 120000 {
		t.Errorf("the payment beside its refund: %+v %v", n, err)
	}
	file := get(t, server.URL+"/control/vnpay/settlement?account=FEEGATE1&date=2026-01-15")
	var lines []providers.SettlementLine
	for l, err := range p.ParseSettlement(strings.NewReader(file)) {
		if err != nil {
			t.Fatalf("%v in\n%s", err, file)
		}
		lines = append(lines, l)
	}
	if len(lines) != 3 || lines[1].Type != providers.LineRefund || lines[1].Transaction != sent.Transaction || lines[0].Reference != "FGSIM1" || lines[0].Fee != 1320 || lines[0].Transaction != n.Transaction || lines[2].Type != providers.LineTotal {
		t.Errorf("%+v", lines)
	}
	if states := g.Snapshot("acc"); len(states) != 2 || states[0].Counts.Answered != 7 || states[1].Counts.Answered != 2 {
		b, _ := json.Marshal(states)
		t.Errorf("%s", b)
	}
}

func get(t *testing.T, url string) string {
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %d %s %v", url, resp.StatusCode, b, err)
	}
	return string(b)
}
