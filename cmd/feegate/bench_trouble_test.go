//go:build bench

package main

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"feegate/gateway/account"
	"feegate/providers"
	"feegate/providers/sim"
)

// The accounts of three providers in trouble at once.
const hungAccount, halfAccount, downAccount = "acc_hung", "acc_half", "acc_down"

// troubled opens three accounts: behind one nothing ever answers, behind the next half of the calls fail, the third refuses connections.
func (b *bench) troubled(keys *account.Keys) {
	b.t.Helper()
	over := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-over:
		}
	}))
	b.t.Cleanup(func() { close(over); hung.Close() })
	to, err := url.Parse(b.sim)
	if err != nil {
		b.t.Fatal(err)
	}
	well := httputil.NewSingleHostReverseProxy(to)
	half := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch rand.IntN(4) {
		case 0:
			rw.WriteHeader(http.StatusInternalServerError)
		case 1:
			panic(http.ErrAbortHandler) // the connection is cut
		default:
			well.ServeHTTP(rw, r)
		}
	}))
	b.t.Cleanup(half.Close)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	down := "http://" + nobody.Addr().String()
	_ = nobody.Close()
	a, err := newApp(b.t.Context(), b.db, keys, "http://127.0.0.1:1", time.Now, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		b.t.Fatal(err)
	}
	for i, id := range []string{hungAccount, halfAccount, downAccount} {
		terminal := fmt.Sprint("FEEGATEMOMO", i+2)
		cred := map[string]string{"partnerCode": terminal, "accessKey": "FEEGATEACCESSKEY", "secretKey": "SECRETKEYFORTESTVECTORS000000002"}
		if err := a.accounts.Create(b.t.Context(), account.Account{ID: id, Provider: "momo", AgencyCode: "H10.12", Kinds: []string{"phi", "le_phi"}, Position: 50 + i,
			BaseURL: []string{hung.URL, half.URL, down}[i] + "/momo", Credentials: cred, Timeouts: map[providers.Operation]int{providers.OpCheckout: 1000}}); err != nil {
			b.t.Fatal(err)
		}
		if err := b.world.PutAccount(sim.Account{Provider: "momo", Terminal: terminal, Credentials: cred}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// One provider hangs, one fails half of its calls, one is down, all at once: the payments of the others must not notice.
func TestBenchProvidersInTrouble(t *testing.T) {
	b := newBench(t)
	const healthy, each = 32, 12
	var table strings.Builder
	fmt.Fprintf(&table, "%-44s %10s %10s %7s %12s\n", "VNPAY's payments beside three in trouble", "calm/s", "trouble/s", "ratio", "turned/s")
	beside := func(patient bool) (ours, theirs float64) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		for _, a := range []string{hungAccount, halfAccount, downAccount} {
			wg.Go(func() {
				s := b.turnedAt(a, each, patient)
				mu.Lock()
				defer mu.Unlock()
				theirs += s.perSecond
			})
		}
		ours = b.flows("vnpay", healthy, 201).perSecond
		wg.Wait()
		return ours, theirs
	}
	b.flows("vnpay", healthy, 201) // warm
	beside(true)                   // finds out what is wrong
	for _, patient := range []bool{true, false} {
		var calm, trouble, ratios, turned []float64
		for range benchRounds {
			c := b.flows("vnpay", healthy, 201).perSecond
			ours, theirs := beside(patient)
			calm, trouble, ratios, turned = append(calm, c), append(trouble, ours), append(ratios, ours/c), append(turned, theirs)
		}
		name := map[bool]string{true: "payers come back when Retry-After says", false: "payers come back at once"}[patient]
		fmt.Fprintf(&table, "%-44s %10.0f %10.0f %7.2f %12.0f\n", name, median(calm), median(trouble), median(ratios), median(turned))
	}
	t.Log("\n" + table.String())
}
