//go:build bench

package main

import (
	"os"
	"strconv"
	"testing"
	"time"

	"feegate/reconciliation/adoption/honesty"
)

// TestBenchExceptions tells what counting the exceptions of a month, a quarter and a year takes; FEEGATE_BENCH_ORDERS names the size.
func TestBenchExceptions(t *testing.T) {
	n := 200_000
	if named := os.Getenv("FEEGATE_BENCH_ORDERS"); named != "" {
		var err error
		if n, err = strconv.Atoi(named); err != nil {
			t.Fatal(err)
		}
	}
	p := made(t, n)
	book := honesty.New(p.service, p.reporter, func() time.Time { return benchNow })
	for _, period := range [][2]string{{"2026-06-01", "2026-06-30"}, {"2026-04-01", "2026-06-30"}, {"2026-01-01", "2026-12-31"}} {
		for range 2 { // the first one warms up
			began := time.Now()
			a, err := book.Annex(t.Context(), honesty.Question{From: period[0], To: period[1]})
			if err != nil {
				t.Errorf("%v after %.1f s: %v", period, time.Since(began).Seconds(), err)
				continue
			}
			var found int64
			for _, r := range a.Rules {
				found += r.Count
			}
			t.Logf("%d orders, %v: %d exceptions in %.1f s", n, period, found, time.Since(began).Seconds())
		}
	}
}
