package paper_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/breaker"
	"feegate/providers/providertest/paper"
	"feegate/providers/providertest/paper/papersim"
	"feegate/providers/sim"
)

// Adapter and simulator were written apart, from the same description: this holds them against each other over HTTP.
func TestAPaymentAtTheSimulator(t *testing.T) {
	callbacks := make(chan providers.Callback, 10)
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		callbacks <- providers.Callback{Method: r.Method, Header: r.Header, Body: b}
	}))
	defer gateway.Close()
	w, err := sim.New(sim.Options{Wires: []sim.Wire{papersim.New()}, Start: time.Date(2026, 3, 10, 14, 0, 0, 0, sim.Zone())})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	cred := map[string]string{"terminal": "T1", "secret": "the-first-secret"}
	if err := w.PutAccount(sim.Account{Provider: "paper", Terminal: "T1", Credentials: cred, Tariff: vnd.Tariff{BPS: 110}, CallbackURL: gateway.URL}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.Handler())
	defer server.Close()
	g := breaker.New(breaker.Settings{})
	p, err := providers.NewRegistry(paper.Registration()).New("paper", providers.Account{
		ID: "acc", Terminal: "T1", Credentials: []map[string]string{cred}, BaseURL: server.URL + "/paper", ReturnURL: "https://fees.example/returns/paper/acc",
	}, providers.Deps{HTTP: func(op providers.Operation) *http.Client { return g.Client("acc", op, 10*time.Second) }, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	pay := providers.Payment{Reference: "FG1", Amount: 120000, Description: "Lệ phí & phí", CreatedAt: w.Now(), ExpiresAt: w.Now().Add(15 * time.Minute)}
	look := func(want providers.Outcome) {
		t.Helper()
		if n, err := p.Lookup(t.Context(), pay); err != nil || n.Outcome != want {
			t.Errorf("%+v %v, want %s", n, err, want)
		}
	}
	look(providers.NotFound)
	to, err := p.Checkout(t.Context(), pay)
	if err != nil {
		t.Fatal(err)
	}
	page, err := http.Get(to.URL)
	if err != nil || page.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", page, err)
	}
	_ = page.Body.Close()
	look(providers.Pending)
	resp, err := http.Post(server.URL+"/control/paper/payments/FG1", "application/json", strings.NewReader(`{"outcome":"succeed"}`))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	ns, err := p.Verify(t.Context(), <-callbacks)
	if err != nil || ns[0].Outcome != providers.Succeeded || ns[0].Amount != 120000 || ns[0].Reference != "FG1" {
		t.Fatalf("%+v %v", ns, err)
	}
	look(providers.Succeeded)
	_, file, _, err := w.Settlement("paper", "T1", "2026-03-10", sim.Changes{})
	if err != nil {
		t.Fatal(err)
	}
	for l, err := range p.ParseSettlement(strings.NewReader(string(file))) {
		if err != nil || l.Type == providers.LinePayment && (l.Reference != "FG1" || l.Fee != 1320 || !l.Success) {
			t.Errorf("%+v %v", l, err)
		}
	}
}
