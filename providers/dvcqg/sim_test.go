package dvcqg_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/breaker"
	"feegate/providers/dvcqg"
	"feegate/providers/dvcqg/dvcqgsim"
	"feegate/providers/dvcqg/mapping"
	"feegate/providers/sim"
)

// Adapter and simulator share the mapping and no code: this holds them against each other over HTTP, under the program's own
// mapping and under one of a version that does everything another way.
func TestAPaymentAtTheSimulator(t *testing.T) {
	text, err := os.ReadFile("mapping/mapping-1.0.6.json")
	if err != nil {
		t.Fatal(err)
	}
	other := strings.NewReplacer(`"sha256"`, `"hmac-sha256"`, `"MaThamChieu"`, `"RefId"`, `"/payment/`, `"/v9/`, `"query_answer": []`, `"query_answer": ["RefId", "SoTien", "TrangThaiGD"]`,
		`"1": "succeeded"`, `"PAID": "succeeded"`, `"separator": "|"`, `"separator": ";"`, `"yyyyMMdd"`, `"dd/MM/yyyy"`, `"so_tien"`, `"tien"`).Replace(string(text))
	for name, setting := range map[string]string{"of the program": "", "of another version": other} {
		t.Run(name, func(t *testing.T) {
			m, err := mapping.Load(setting)
			if err != nil {
				t.Fatal(err)
			}
			payAndSettle(t, setting, m)
		})
	}
}

func payAndSettle(t *testing.T, setting string, m *mapping.Mapping) {
	callbacks := make(chan providers.Callback, 10)
	gateway := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		callbacks <- providers.Callback{Method: r.Method, RawQuery: r.URL.RawQuery, Header: r.Header, Body: b}
	}))
	defer gateway.Close()
	w, err := sim.New(sim.Options{Wires: []sim.Wire{dvcqgsim.NewWith(m)}, Start: time.Date(2026, 3, 10, 14, 15, 0, 0, sim.Zone())})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	cred := map[string]string{"partner": "H10DEMO", "secret": "demo-secret"}
	if err := w.PutAccount(sim.Account{Provider: "dvcqg", Terminal: "H10DEMO", Credentials: cred, Tariff: vnd.Tariff{BPS: 110}, CallbackURL: gateway.URL + "/callbacks/dvcqg/acc"}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.Handler())
	defer server.Close()
	g := breaker.New(breaker.Settings{})
	p, err := providers.NewRegistry(dvcqg.Registration()).New("dvcqg", providers.Account{
		ID: "acc", Terminal: "H10DEMO", Credentials: []map[string]string{cred}, BaseURL: server.URL + "/dvcqg", Settings: map[string]string{"mapping": setting},
		Beneficiary: providers.Beneficiary{Bank: "970436", Number: "0011223344", Name: "UBND XA"},
	}, providers.Deps{HTTP: func(op providers.Operation) *http.Client { return g.Client("acc", op, 10*time.Second) }, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	reference, err := dvcqg.Registration().NewReference("H10.12-260310-0007", w.Now())
	if err != nil {
		t.Fatal(err)
	}
	pay := providers.Payment{Reference: reference, Amount: 2_500_000_000, Description: "Lệ phí hồ sơ", CreatedAt: w.Now(), ExpiresAt: w.Now().Add(15 * time.Minute),
		Lines: []providers.Line{{Kind: "phi", Name: "Phí", Amount: 2_000_000_000}, {Kind: "nvtc", Name: "Tiền sử dụng đất", Amount: 500_000_000}}}
	if n, err := p.Lookup(ctx, pay); n.Outcome != providers.Uncertain && !errors.Is(err, providers.ErrUncertain) {
		t.Errorf("before: %+v %v", n, err)
	}
	r, err := p.Checkout(ctx, pay)
	if err != nil || r.URL == "" {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := p.Checkout(ctx, pay); !errors.Is(err, providers.ErrUncertain) {
		t.Errorf("sent again: %v", err)
	}
	if n, err := p.Lookup(ctx, pay); err != nil || n.Outcome != providers.Pending {
		t.Errorf("opened: %+v %v", n, err)
	}
	fetcher := p.(providers.ReceiptFetcher)
	if _, err := fetcher.Receipt(ctx, pay); !errors.Is(err, providers.ErrUncertain) {
		t.Errorf("a receipt of nothing: %v", err)
	}
	page, err := http.Get(r.URL)
	if err != nil || page.StatusCode != 200 {
		t.Fatalf("the payer's page: %v %v", page, err)
	}
	_ = page.Body.Close()
	if err := w.Clock().Set(w.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(server.URL+"/control/dvcqg/payments/"+reference, "application/json", strings.NewReader(`{"outcome":"succeed"}`))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	ns, err := p.Verify(ctx, <-callbacks)
	if err != nil || ns[0].Outcome != providers.Uncertain || !ns[0].Doubt || ns[0].Amount != pay.Amount || ns[0].Code != "00" {
		t.Fatalf("%+v %v", ns, err)
	}
	n, err := p.Lookup(ctx, pay)
	if err != nil || n.Outcome != providers.Succeeded || n.Amount != pay.Amount || n.Transaction != ns[0].Transaction || n.PaidAt.IsZero() || n.ReadBy != m.ID() {
		t.Errorf("after: %+v %v", n, err)
	}
	if bill, err := fetcher.Receipt(ctx, pay); err != nil || !strings.Contains(string(bill.Body), reference) {
		t.Errorf("%v", err)
	}
	settle(t, server.URL, p, reference)
}

func settle(t *testing.T, simulator string, p providers.Provider, reference string) {
	resp, err := http.Get(simulator + "/control/dvcqg/settlement?account=H10DEMO&date=2026-03-10")
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
	if len(lines) != 2 || lines[0].Reference != reference || lines[0].Fee != 27_500_000 || lines[0].Date != "2026-03-10" || lines[0].PaidTo != "0011223344" || !lines[0].Success {
		t.Errorf("%+v", lines)
	}
}

// The platform's answer to our answer: a message that was not taken is not thought to be delivered.
func TestOurAnswersAreUnderstood(t *testing.T) {
	p, err := dvcqg.New(providers.Account{ID: "acc", Terminal: "H10DEMO", BaseURL: "http://127.0.0.1:1", Credentials: []map[string]string{{"partner": "H10DEMO", "secret": "demo-secret"}}},
		providers.Deps{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for v, want := range map[providers.Verdict]bool{
		providers.VerdictRecorded: true, providers.VerdictDuplicate: true, providers.VerdictAmountMismatch: true,
		providers.VerdictForged: false, providers.VerdictMalformed: false, providers.VerdictUnknownPayment: false, providers.VerdictFailed: false, providers.VerdictWrongMethod: false,
	} {
		a := p.Answer(providers.Result{Verdict: v})
		if got := dvcqgsim.New().Delivered(a.Status, a.Body); got != want {
			t.Errorf("%s: %d %s", v, a.Status, a.Body)
		}
	}
	if _, err := p.Lookup(context.Background(), providers.Payment{Reference: "a b"}); !errors.Is(err, providers.ErrConfig) {
		t.Error(err)
	}
}
