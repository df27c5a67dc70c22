package sim_test

import (
	stdcontext "context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"feegate/providers/sim"
)

// context keeps sim_test.go readable where only the type is needed.
type context = stdcontext.Context

// disturbed serves one operation under the world's faults and counts what was accepted.
func disturbed(t *testing.T, w *sim.World) (call func(context) (string, error), accepted *atomic.Int64) {
	t.Helper()
	accepted = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.Serve("vnpay", sim.Lookup, rw, r, func(rw http.ResponseWriter) func(context) {
			accepted.Add(1)
			_, _ = io.WriteString(rw, "fine")
			return nil
		})
	}))
	t.Cleanup(func() { s.Close(); _ = w.Close() })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return func(ctx context) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		return fmt.Sprintf("%d %s", resp.StatusCode, body), err
	}, accepted
}

func TestEachFaultDoesWhatItSays(t *testing.T) {
	for _, c := range []struct {
		fault    sim.Fault
		answer   string // begins with; "" = no answer
		accepted int64
	}{
		{sim.Fault{Fault: "none"}, "200 fine", 1},
		{sim.Fault{Fault: "slow", MS: 20}, "200 fine", 1},
		{sim.Fault{Fault: "reset_after_accept"}, "", 1},
		{sim.Fault{Fault: "garbage"}, "200 \x00", 1},
		{sim.Fault{Fault: "status_500"}, "500 ", 0},
		{sim.Fault{Fault: "refuse"}, "", 0},
		{sim.Fault{Fault: "hang", MS: 20}, "", 0},
	} {
		w := newWorld(t, "")
		call, accepted := disturbed(t, w)
		c.fault.Operation = sim.Lookup
		if err := w.SetFault("vnpay", c.fault); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		got, err := call(t.Context())
		if (err != nil) != (c.answer == "") || !strings.HasPrefix(got, c.answer) || accepted.Load() != c.accepted {
			t.Errorf("%s: %q, %v, accepted %d", c.fault.Fault, got, err, accepted.Load())
		}
		if took := time.Since(begun); took < time.Duration(c.fault.MS)*time.Millisecond {
			t.Errorf("%s: after %s", c.fault.Fault, took)
		}
	}
}

func TestHangLastsUntilTheCallerGoes(t *testing.T) {
	w := newWorld(t, "")
	call, accepted := disturbed(t, w)
	if err := w.SetFault("vnpay", sim.Fault{Operation: sim.Any, Fault: "hang"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := stdcontext.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := call(ctx); !errors.Is(err, stdcontext.DeadlineExceeded) || accepted.Load() != 0 {
		t.Errorf("%v, accepted %d", err, accepted.Load())
	}
}

func TestFaultsFollowTheSeed(t *testing.T) {
	run := func(seed uint64) string {
		w := newWorld(t, "")
		call, _ := disturbed(t, w)
		half := 0.5
		if err := w.SetFault("vnpay", sim.Fault{Operation: sim.Any, Fault: "status_500", Probability: &half, Seed: seed}); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for range 40 {
			got, err := call(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			b.WriteByte(got[0])
		}
		return b.String()
	}
	first := run(1)
	if again := run(1); again != first {
		t.Errorf("seed 1: %s, then %s", first, again)
	}
	if other := run(2); other == first {
		t.Errorf("seeds 1 and 2 give the same: %s", first)
	}
	if !strings.Contains(first, "5") || !strings.Contains(first, "2") {
		t.Errorf("half of the calls: %s", first)
	}
}

func TestAnyReplacesEveryFault(t *testing.T) {
	w := newWorld(t, "")
	call, _ := disturbed(t, w)
	for _, f := range []sim.Fault{{Operation: sim.Lookup, Fault: "status_500"}, {Operation: sim.Any, Fault: "none"}} {
		if err := w.SetFault("vnpay", f); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := call(t.Context()); got != "200 fine" {
		t.Errorf("%q %v", got, err)
	}
}
