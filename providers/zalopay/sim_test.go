package zalopay_test

import (
	"context"
	"errors"
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
	"feegate/providers/zalopay"
	"feegate/providers/zalopay/zalopaysim"
)

// pair is adapter and simulator over HTTP. They were written apart, from the same page: this holds them against each other.
type pair struct {
	t         *testing.T
	w         *sim.World
	url       string
	p         providers.Provider
	callbacks chan providers.Callback
}

func newPair(t *testing.T) *pair {
	t.Helper()
	s := &pair{t: t, callbacks: make(chan providers.Callback, 10)}
	gateway := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(rw, `{"return_code":1,"return_message":"success"}`)
		s.callbacks <- providers.Callback{Method: r.Method, RawQuery: r.URL.RawQuery, Header: r.Header, Body: b}
	}))
	t.Cleanup(gateway.Close)
	var err error
	// Half past midnight in Vietnam: another day than UTC's.
	if s.w, err = sim.New(sim.Options{Wires: []sim.Wire{zalopaysim.New()}, Start: time.Date(2026, 3, 6, 0, 30, 0, 0, sim.Zone())}); err != nil {
		t.Fatal(err)
	}
	cred := map[string]string{"app_id": "900001", "key1": "FAKEkey1_4f1c2d3e5a6b7c8d9e0f1a2b", "key2": "FAKEkey2_9a8b7c6d5e4f3a2b1c0d9e8f"}
	if err := s.w.PutAccount(sim.Account{Provider: "zalopay", Terminal: "900001", Credentials: cred, Tariff: vnd.Tariff{BPS: 110}}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.w.Handler())
	t.Cleanup(func() { server.Close(); _ = s.w.Close() })
	s.url = server.URL
	g := breaker.New(breaker.Settings{})
	s.p, err = providers.NewRegistry(zalopay.Registration()).New("zalopay", providers.Account{
		ID: "acc", Terminal: "900001", Credentials: []map[string]string{cred}, BaseURL: server.URL + "/zalopay",
		URLs:      map[string]string{zalopay.PurposeCancel: server.URL + "/zalopay/v2/cancel"},
		ReturnURL: "https://portal.example/returns/zalopay/acc", CallbackURL: gateway.URL,
	}, providers.Deps{HTTP: func(op providers.Operation) *http.Client { return g.Client("acc", op, 10*time.Second) }, Now: func() time.Time { return s.w.Now().UTC() }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *pair) control(path, body string) {
	s.t.Helper()
	resp, err := http.Post(s.url+"/control/zalopay/"+path, "application/json", strings.NewReader(body))
	if err != nil || resp.StatusCode != 200 {
		s.t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
}

func (s *pair) payment(reference string, m providers.Method) providers.Payment {
	now := s.w.Now().UTC()
	return providers.Payment{Reference: reference, Amount: 120000, Description: "Lệ phí hộ tịch & phí", Method: m, CreatedAt: now, ExpiresAt: now.Add(15 * time.Minute)}
}

func TestAPaymentAndItsRefundAtTheSimulator(t *testing.T) {
	s := newPair(t)
	ctx := context.Background()
	pay := s.payment("FGSIM1", providers.MethodQR)
	if n, err := s.p.Lookup(ctx, pay); err != nil || n.Outcome != providers.Uncertain {
		t.Errorf("before: %+v %v", n, err)
	}
	r, err := s.p.Checkout(ctx, pay)
	if err != nil || r.URL == "" || r.QRPayload == "" {
		t.Fatalf("%+v %v", r, err)
	}
	if again, err := s.p.Checkout(ctx, pay); !errors.Is(err, providers.ErrUncertain) {
		t.Errorf("sent again: %+v %v", again, err)
	}
	if n, err := s.p.Lookup(ctx, pay); err != nil || n.Outcome != providers.Pending {
		t.Errorf("opened: %+v %v", n, err)
	}
	s.control("payments/FGSIM1", `{"outcome":"succeed"}`)
	ns, err := s.p.Verify(ctx, <-s.callbacks)
	if err != nil || ns[0].Outcome != providers.Succeeded || ns[0].Amount != 120000 || ns[0].Reference != "FGSIM1" || ns[0].Payer == nil {
		t.Fatalf("%+v %v", ns, err)
	}
	n, err := s.p.Lookup(ctx, pay)
	if err != nil || n.Outcome != providers.Succeeded || n.Transaction != ns[0].Transaction || !n.PaidAt.Equal(ns[0].PaidAt) {
		t.Errorf("after: %+v %v", n, err)
	}
	pay.Transaction = n.Transaction
	refund := providers.Refund{Reference: "FGSIM1R1", Amount: 20000, Description: "Hoàn một phần", CreatedAt: s.w.Now().UTC()}
	rf := s.p.(providers.Refunder)
	if before, err := rf.LookupRefund(ctx, pay, refund); err != nil || before.Outcome != providers.Uncertain {
		t.Errorf("a refund never sent: %+v %v", before, err)
	}
	sent, err := rf.Refund(ctx, pay, refund)
	if err != nil || sent.Outcome != providers.Pending || sent.Transaction == "" {
		t.Fatalf("refund: %+v %v", sent, err)
	}
	refund.SentBefore = true
	if again, err := rf.Refund(ctx, pay, refund); err != nil || again.Outcome != providers.Uncertain {
		t.Errorf("refund sent again: %+v %v", again, err)
	}
	if done, err := rf.LookupRefund(ctx, pay, refund); err != nil || done.Outcome != providers.Succeeded || done.Transaction != sent.Transaction {
		t.Errorf("query of the refund: %+v %v", done, err)
	}
	resp, err := http.Get(s.url + "/control/zalopay/settlement?account=900001&date=2026-03-06")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var lines []providers.SettlementLine
	for l, err := range s.p.ParseSettlement(resp.Body) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	if len(lines) != 3 || lines[0].Reference != "FGSIM1" || lines[0].Fee != 1320 || lines[1].Type != providers.LineRefund || lines[1].Reference != "FGSIM1R1" ||
		lines[1].Transaction != sent.Transaction || lines[1].Original != pay.Transaction || lines[2].Net != 120000-1320-20000 {
		t.Errorf("%+v", lines)
	}
}

func TestACancelledOrderAtTheSimulator(t *testing.T) {
	s := newPair(t)
	ctx := context.Background()
	canceller := s.p.(providers.Canceller)
	open, paid := s.payment("FGOPEN", providers.MethodAny), s.payment("FGPAID", providers.MethodWallet)
	for _, pay := range []providers.Payment{open, paid} {
		if _, err := s.p.Checkout(ctx, pay); err != nil {
			t.Fatal(err)
		}
	}
	s.control("payments/FGPAID", `{"outcome":"succeed","callback":{"send":false}}`)
	if err := canceller.Cancel(ctx, open); err != nil {
		t.Errorf("open: %v", err)
	}
	if n, err := s.p.Lookup(ctx, open); err != nil || n.Outcome != providers.Expired {
		t.Errorf("cancelled: %+v %v", n, err)
	}
	if err := canceller.Cancel(ctx, paid); !errors.Is(err, providers.ErrUncertain) {
		t.Errorf("paid: %v", err)
	}
	if n, err := s.p.Lookup(ctx, paid); err != nil || n.Outcome != providers.Succeeded {
		t.Errorf("paid: %+v %v", n, err)
	}
}
