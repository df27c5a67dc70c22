//go:build bench

package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestBenchCheckout tells how long the server takes for each of a payer's pages, alone and with sixteen payers at once, beside an
// answer that asks the database for nothing.
func TestBenchCheckout(t *testing.T) {
	s := newStreet(t)
	s.bank()
	made := func(n int) *visitor {
		return s.visitor(s.ok(s.call(http.MethodPost, "/v1/orders", fmt.Sprint("b", n), strings.Replace(anOrder(fmt.Sprint("B", n)), "0007", fmt.Sprintf("%04d", n), 1)), http.StatusCreated)["checkout_url"])
	}
	choose, code, waiting, paid := made(1), made(2), made(3), made(4)
	code.chooses("", "acc_sepay/qr")
	waiting.chooses("", "acc_momo")
	paid.chooses("", "acc_momo")
	id, _, _ := strings.Cut(strings.TrimPrefix(paid.page, s.api+"/pay/"), ".")
	s.decide("momo", s.reference("ord_"+id), map[string]any{"outcome": "succeed"})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	fmt.Printf("| page | p50 | p99 | p50, 16 at once | p99, 16 at once | bytes |\n|---|---|---|---|---|---|\n")
	for _, page := range []struct{ name, address string }{{"nothing asked", s.api + "/pay/files/x/checkout.css"}, {"choose", choose.page}, {"code", code.page}, {"waiting", waiting.page},
		{"paid", paid.page}, {"status", waiting.page + "/status"}, {"PDF", paid.page + "/confirmation.pdf"}} {
		ask := func(times int) (took []time.Duration, size int) {
			for range times {
				for {
					began := time.Now()
					resp, err := client.Get(page.address)
					if err != nil {
						t.Error(err)
						return took, size
					}
					raw, err := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					if resp.StatusCode == http.StatusTooManyRequests { // the door's limit of one address
						time.Sleep(50 * time.Millisecond) // a benchmark waits for its own turn
						continue
					}
					if err != nil || resp.StatusCode != http.StatusOK {
						t.Errorf("%s: %d %v", page.name, resp.StatusCode, err)
						return took, size
					}
					took = append(took, time.Since(began))
					size = len(raw)
					break
				}
			}
			return took, size
		}
		at := func(all []time.Duration, share float64) string {
			slices.Sort(all)
			return fmt.Sprintf("%.1f ms", float64(all[int(float64(len(all)-1)*share)])/float64(time.Millisecond))
		}
		_, _ = ask(5)
		alone, bytes := ask(100)
		var mu sync.Mutex
		var together []time.Duration
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				took, _ := ask(15)
				mu.Lock()
				defer mu.Unlock()
				together = append(together, took...)
			})
		}
		wg.Wait()
		fmt.Printf("| %s | %s | %s | %s | %s | %d |\n", page.name, at(alone, 0.5), at(alone, 0.99), at(together, 0.5), at(together, 0.99), bytes)
	}
}
