package breaker

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"feegate/providers"
)

func TestPercentilesAreReadAsBounds(t *testing.T) {
	ms := time.Millisecond
	for name, c := range map[string]struct {
		took  []time.Duration
		half  time.Duration
		most  time.Duration
		above bool // most lies beyond the last bound
	}{
		"none":             {nil, 0, 0, false},
		"one":              {[]time.Duration{150 * ms}, 200 * ms, 200 * ms, false},
		"on a bound":       {[]time.Duration{100 * ms}, 100 * ms, 100 * ms, false},
		"over the last":    {[]time.Duration{10*time.Second + 1}, 10 * time.Second, 10 * time.Second, true},
		"half and half":    {[]time.Duration{ms, 3 * time.Second}, 100 * ms, 5 * time.Second, false},
		"one slow of 20":   {append(make([]time.Duration, 19), time.Minute), 100 * ms, 100 * ms, false},
		"two slow of 21":   {append(make([]time.Duration, 19), 400*ms, time.Minute), 100 * ms, 500 * ms, false},
		"more than a half": {[]time.Duration{ms, 900 * ms, 900 * ms}, time.Second, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			var times Times
			for _, d := range c.took {
				times.count(d)
			}
			half, _ := times.Within(50)
			most, above := times.Within(95)
			if half != c.half || most != c.most || above != c.above || times.Sum() != int64(len(c.took)) {
				t.Errorf("%v: %s, %s %v", times, half, most, above)
			}
		})
	}
}

// Calls are counted under the quarter of an hour that they ended in, by the clock of facts, and each is given once.
func TestCallsAreCountedByQuarters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		facts := time.Date(2026, 3, 10, 17, 14, 59, 0, time.FixedZone("", 7*3600))
		f := &fake{next: answer(http.StatusOK, `{}`)}
		g := New(Settings{Transport: f, Failures: 2, Now: func() time.Time { return facts }})
		lookup, checkout := g.Client("acc", providers.OpLookup, time.Second), g.Client("acc", providers.OpCheckout, time.Second)
		_ = post(lookup)
		facts = facts.Add(time.Second)
		f.next = func(r *http.Request) (*http.Response, error) {
			time.Sleep(300 * time.Millisecond) // the bubble's clock: nothing waits
			return answer(http.StatusOK, `{}`)(r)
		}
		_ = post(lookup)
		f.next = answer(http.StatusBadGateway, ``)
		_, _, _ = post(checkout), post(checkout), post(checkout) // the third is refused: no call
		want := []Tally{
			{"acc", providers.OpCheckout, time.Date(2026, 3, 10, 10, 15, 0, 0, time.UTC), 2, Times{}},
			{"acc", providers.OpLookup, time.Date(2026, 3, 10, 10, 0, 0, 0, time.UTC), 0, Times{1}},
			{"acc", providers.OpLookup, time.Date(2026, 3, 10, 10, 15, 0, 0, time.UTC), 0, Times{2: 1}},
		}
		got := g.TakeTallies()
		if len(got) != len(want) {
			t.Fatalf("%+v", got)
		}
		for n, w := range want {
			if got[n] != w {
				t.Errorf("%+v, want %+v", got[n], w)
			}
		}
		if again := g.TakeTallies(); len(again) != 0 {
			t.Errorf("given twice: %+v", again)
		}
		if s := state(g, providers.OpLookup); s.Counts.Answered != 2 {
			t.Errorf("what is told of this process was forgotten: %+v", s)
		}
	})
}

// Who takes no tallies has two days of them, not more and more.
func TestTalliesThatNobodyTakesAreLimited(t *testing.T) {
	facts := time.Date(2026, 3, 10, 10, 0, 0, 0, time.UTC)
	c := newCircuit(Settings{InFlight: 1}, &account{id: "acc"}, providers.OpLookup)
	for n := range kept + 5 {
		c.tally(answered, 0, facts.Add(time.Duration(n)*Quarter))
	}
	c.tally(givenUp, 0, facts.Add(1000*Quarter))
	got := c.takeTallies()
	if len(got) != kept {
		t.Errorf("%d quarters", len(got))
	}
	for _, tally := range got {
		if tally.Quarter.Before(facts.Add(5 * Quarter)) {
			t.Errorf("an old one is kept: %s", tally.Quarter)
		}
	}
}
