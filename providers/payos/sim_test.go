package payos_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"feegate/providers"
	"feegate/providers/breaker"
	"feegate/providers/payos"
	"feegate/providers/payos/payossim"
	"feegate/providers/sim"
	"feegate/providers/vietqr"
)

// Adapter and simulator were written apart, from the same page: this holds them against each other over HTTP.
func TestALinkAtTheSimulator(t *testing.T) {
	callbacks := make(chan providers.Callback, 10)
	gateway := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		callbacks <- providers.Callback{Method: r.Method, RawQuery: r.URL.RawQuery, Header: r.Header, Body: b}
		rw.WriteHeader(http.StatusOK)
	}))
	defer gateway.Close()
	w, err := sim.New(sim.Options{Wires: []sim.Wire{payossim.New()}, Start: time.Date(2026, 3, 5, 10, 30, 0, 0, sim.Zone())})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	cred := map[string]string{"clientId": "fake-client-id", "apiKey": "fake-api-key", "checksumKey": "FAKEchecksum_00112233445566778899aabbccddeeff"}
	if err := w.PutAccount(sim.Account{Provider: "payos", Terminal: "fake-client-id", Credentials: cred, CallbackURL: gateway.URL, BankAccount: "1234567801"}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.Handler())
	defer server.Close()
	g := breaker.New(breaker.Settings{})
	p, err := providers.NewRegistry(payos.Registration()).New("payos", providers.Account{ID: "acc", Terminal: "fake-client-id", Credentials: []map[string]string{cred}, BaseURL: server.URL + "/payos",
		ReturnURL: "https://portal.example/returns/payos/acc", Beneficiary: providers.Beneficiary{Number: "1234567801"}},
		providers.Deps{HTTP: func(op providers.Operation) *http.Client { return g.Client("acc", op, 10*time.Second) }, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	reference, err := vietqr.NewReference("", w.Now())
	if err != nil {
		t.Fatal(err)
	}
	pay := providers.Payment{Reference: reference, Amount: 120000, CreatedAt: w.Now(), ExpiresAt: w.Now().Add(time.Hour)}
	look := func(want providers.Outcome, code string, parts int) providers.Notice {
		t.Helper()
		n, err := p.Lookup(ctx, pay)
		if err != nil || n.Outcome != want || n.Code != code || len(n.Parts) != parts {
			t.Errorf("%+v %v, want %s %s and %d transfers", n, err, want, code, parts)
		}
		return n
	}
	post := func(path, body string) {
		t.Helper()
		resp, err := http.Post(server.URL+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("%s: %d %s", path, resp.StatusCode, said)
		}
	}
	told := func() providers.Notice {
		t.Helper()
		ns, err := p.Verify(ctx, <-callbacks)
		if err != nil || len(ns) != 1 {
			t.Fatalf("%+v %v", ns, err)
		}
		return ns[0]
	}
	look(providers.NotFound, "101", 0)
	r, err := p.Checkout(ctx, pay)
	if err != nil || r.URL == "" || r.Transfer.Amount != 120000 {
		t.Fatalf("%+v %v", r, err)
	}
	code, err := vietqr.Parse(r.QRPayload)
	if err != nil || code.Number != r.Transfer.AccountNumber || code.Amount != 120000 || code.Purpose != r.Transfer.Content || !strings.HasSuffix(code.Purpose, reference) {
		t.Errorf("%+v %v", code, err)
	}
	if _, err := p.Checkout(ctx, pay); err == nil { // 231
		t.Error("the same number is used twice")
	}
	look(providers.Pending, "PENDING", 0)
	// A payer scans and pays a part, then the rest by the control call, then once more.
	post("/control/bank/transfers", `{"qr_payload":"`+r.QRPayload+`","amount":20000,"mangle":"lower|prefix"}`)
	if n := told(); n.Reference != reference || n.Amount != 20000 || n.Transfer.Account != "1234567801" || n.Payer == nil {
		t.Errorf("%+v %+v", n, n.Transfer)
	}
	look(providers.Pending, "UNDERPAID", 1)
	for range 2 {
		post("/control/payos/payments/"+reference, `{"outcome":"succeed","amount":100000}`)
		told()
	}
	n := look(providers.Succeeded, "PAID", 3)
	if n.Amount != 220000 || n.Parts[1].Transfer.ID == n.Parts[2].Transfer.ID {
		t.Errorf("%+v", n)
	}
	if err := p.(providers.Canceller).Cancel(ctx, pay); err == nil {
		t.Error("a paid link is cancelled")
	}
	ledger, payouts := w.Ledger()
	if len(ledger) != 3 || len(payouts) != 0 || ledger[0].Provider != "payos" || ledger[0].Account != "fake-client-id" || ledger[0].Reference != reference {
		t.Errorf("%+v %+v", ledger, payouts)
	}
	// Another link: cancelled, and paid all the same.
	pay.Reference, _ = vietqr.NewReference("", w.Now())
	r, err = p.Checkout(ctx, pay)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if err := p.(providers.Canceller).Cancel(ctx, pay); err != nil {
		t.Error(err)
	}
	look(providers.Failed, "CANCELLED", 0)
	post("/control/payos/payments/"+pay.Reference, `{"outcome":"succeed","callback":{"forge":true}}`)
	if ns, err := p.Verify(ctx, <-callbacks); err == nil {
		t.Errorf("a forgery passes: %v", ns)
	}
	look(providers.Succeeded, "PAID", 1)
	// A third is paid on payOS's page, and the browser comes back.
	pay.Reference, _ = vietqr.NewReference("", w.Now())
	if r, err = p.Checkout(ctx, pay); err != nil {
		t.Fatal(err)
	}
	resp, err := client.PostForm(server.URL+"/payos/choice", url.Values{"id": {r.URL[strings.LastIndex(r.URL, "/")+1:]}, "choice": {"pay"}})
	if err != nil || resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	told()
	back, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	ns, err := p.Verify(ctx, providers.Callback{Method: "GET", Return: true, RawQuery: back.RawQuery})
	if err != nil || ns[0].Reference != pay.Reference || ns[0].Outcome != providers.Uncertain {
		t.Errorf("%+v %v", ns, err)
	}
	page, err := http.Get(r.URL)
	if err != nil || page.StatusCode != 200 {
		t.Fatalf("%v %v", page, err)
	}
	_ = page.Body.Close()
}
