package breaker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"feegate/providers"
)

// fake is a provider in place of the network; each call takes the next answer, the last one again and again.
type fake struct {
	mu    sync.Mutex
	calls int
	next  func(*http.Request) (*http.Response, error)
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.calls++
	next := f.next
	f.mu.Unlock()
	return next(r)
}

func (f *fake) count() int { f.mu.Lock(); defer f.mu.Unlock(); return f.calls }

func answer(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// post is a call as an adapter makes it: an answer that is no JSON object is unreadable.
func post(c *http.Client) error {
	return providers.PostJSON(context.Background(), c, "http://provider.test/api", []byte(`{}`), func(status int, b []byte) error {
		_, err := providers.ParseObject(b, providers.MaxAnswer)
		return err
	})
}

func state(g *Group, op providers.Operation) State {
	for _, s := range g.Snapshot("acc") {
		if s.Operation == op {
			return s
		}
	}
	return State{}
}

func TestFailuresOpenAndDeclinesDoNot(t *testing.T) {
	for name, c := range map[string]struct {
		next  func(*http.Request) (*http.Response, error)
		opens bool
		count func(Counts) int64
	}{
		"fine":              {answer(200, `{}`), false, func(c Counts) int64 { return c.Answered }},
		"4xx with a body":   {answer(400, `{"resultCode":20}`), false, func(c Counts) int64 { return c.Answered }},
		"4xx of HTML":       {answer(403, `<html>`), true, func(c Counts) int64 { return c.Unreadable }},
		"5xx":               {answer(502, `{}`), true, func(c Counts) int64 { return c.ServerErrors }},
		"HTML":              {answer(200, `<html>`), true, func(c Counts) int64 { return c.Unreadable }},
		"truncated":         {answer(200, `{"a":`), true, func(c Counts) int64 { return c.Unreadable }},
		"too long":          {answer(200, strings.Repeat("x", providers.MaxAnswer+1)), true, func(c Counts) int64 { return c.Unreadable }},
		"redirect":          {answer(302, ``), true, func(c Counts) int64 { return c.Unreadable }},
		"hang":              {hang, true, func(c Counts) int64 { return c.Timeouts }},
		"no connection":     {func(*http.Request) (*http.Response, error) { return nil, errors.New("dial") }, true, func(c Counts) int64 { return c.Unconnected }},
		"body never ending": {func(r *http.Request) (*http.Response, error) { return slowBody(r), nil }, true, func(c Counts) int64 { return c.Timeouts }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := New(Settings{Transport: &fake{next: c.next}, Failures: 3})
				client := g.Client("acc", providers.OpLookup, time.Second)
				for range 3 {
					_ = post(client)
				}
				s := state(g, providers.OpLookup)
				if (s.State == Open) != c.opens || c.count(s.Counts) != 3 {
					t.Errorf("%+v", s)
				}
				if s.InFlight != 0 {
					t.Errorf("%d slots were not given back", s.InFlight)
				}
			})
		})
	}
}

// slowBody answers with headers and then never ends its body.
func slowBody(r *http.Request) *http.Response {
	pr, pw := io.Pipe()
	context.AfterFunc(r.Context(), func() { _ = pw.CloseWithError(r.Context().Err()) })
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: pr, Request: r}
}

// time.Sleep in these tests moves the clock of the synctest bubble; nothing really waits.
func TestTheOpenBreakerSendsNothingAndSaysWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{next: answer(500, "")}
		g := New(Settings{Transport: f, Failures: 2, OpenFor: 10 * time.Second})
		client := g.Client("acc", providers.OpLookup, time.Second)
		_, _ = post(client), post(client)
		time.Sleep(4 * time.Second) // the bubble's clock: nothing waits
		err := post(client)
		var not *providers.NotSentError
		if !errors.Is(err, providers.ErrNotSent) || !errors.As(err, &not) || not.RetryAfter != 6*time.Second {
			t.Errorf("open: %v", err)
		}
		if f.count() != 2 {
			t.Errorf("%d calls were sent", f.count())
		}
		s := state(g, providers.OpLookup)
		if s.State != Open || !s.NextProbe.Equal(time.Now().Add(6*time.Second)) || !s.Since.Equal(time.Now().Add(-4*time.Second)) || s.Counts.Refused != 1 {
			t.Errorf("%+v", s)
		}
		if other := g.Client("acc2", providers.OpLookup, time.Second); !errors.Is(post(other), providers.ErrUncertain) || f.count() != 3 {
			t.Error("another account was refused too")
		}
	})
}

func TestALookupProbesWithOneCallAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		f := &fake{next: answer(500, "")}
		g := New(Settings{Transport: f, Failures: 1, OpenFor: 10 * time.Second})
		g.settings.Notify = func(a string, op providers.Operation, from, to string) {
			told = append(told, from+">"+to)
			_ = g.Snapshot(a) // a hook may look
		}
		client := g.Client("acc", providers.OpLookup, 5*time.Second)
		_ = post(client)
		time.Sleep(10*time.Second + 1) // the bubble's clock: nothing waits
		f.next = hang
		done := make(chan error)
		go func() { done <- post(client) }()
		synctest.Wait()
		if err := post(client); !errors.Is(err, providers.ErrNotSent) || f.count() != 2 {
			t.Errorf("a second call beside the probe: %v, %d calls", err, f.count())
		}
		if err := <-done; !errors.Is(err, providers.ErrUncertain) && !errors.Is(err, providers.ErrNotSent) {
			t.Errorf("probe: %v", err)
		}
		if s := state(g, providers.OpLookup); s.State != Open {
			t.Errorf("after a failed probe: %s", s.State)
		}
		time.Sleep(10*time.Second + 1) // the bubble's clock: nothing waits
		f.next = answer(200, "{}")
		if err := post(client); err != nil {
			t.Errorf("second probe: %v", err)
		}
		if s := state(g, providers.OpLookup); s.State != Closed || s.Failures != 0 || !s.NextProbe.IsZero() {
			t.Errorf("%+v", s)
		}
		if got := fmt.Sprint(told); got != "[closed>open open>half_open half_open>open open>half_open half_open>closed]" {
			t.Errorf("told %s", got)
		}
	})
}

func TestCheckoutAndRefundWaitForALookup(t *testing.T) {
	for _, op := range []providers.Operation{providers.OpCheckout, providers.OpRefund} {
		t.Run(string(op), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{next: answer(500, "")}
				g := New(Settings{Transport: f, Failures: 1, OpenFor: 10 * time.Second})
				client, lookup := g.Client("acc", op, time.Second), g.Client("acc", providers.OpLookup, time.Second)
				_ = post(client)
				f.next = answer(200, "{}")
				time.Sleep(11 * time.Second) // the bubble's clock: nothing waits
				if err := post(client); !errors.Is(err, providers.ErrNotSent) || f.count() != 1 {
					t.Errorf("%s probed by itself: %v", op, err)
				}
				if s := state(g, op); s.State == Closed {
					t.Errorf("said to be %s", s.State)
				}
				if ids := fmt.Sprint(g.WaitForLookup(), g.WaitForLookup()); ids != "[acc] []" {
					t.Errorf("waiting for a look-up, once in a while: %s", ids)
				}
				if err := post(lookup); err != nil {
					t.Fatal(err)
				}
				time.Sleep(11 * time.Second) // the bubble's clock: nothing waits
				if ids := g.WaitForLookup(); len(ids) != 0 {
					t.Errorf("still waiting for a look-up: %s", ids)
				}
				if err := post(client); err != nil {
					t.Errorf("after a good look-up: %v", err)
				}
				if s := state(g, op); s.State != Closed {
					t.Errorf("%+v", s)
				}
				f.next = answer(500, "")
				_ = post(client)
				f.next = answer(200, "{}")
				calls := f.count()
				time.Sleep(time.Hour) // the bubble's clock: nothing waits
				if err := post(client); !errors.Is(err, providers.ErrNotSent) || f.count() != calls {
					t.Errorf("an old look-up opened the door: %v", err)
				}
				f.next = answer(500, "")
				_ = post(lookup)
				if err := post(client); !errors.Is(err, providers.ErrNotSent) || f.count() != calls+1 {
					t.Errorf("a look-up that failed opened the door: %v", err)
				}
			})
		})
	}
}

func TestRepetitionsLiveOnABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{next: answer(200, "{}")}
		g := New(Settings{Transport: f})
		client := g.Client("acc", providers.OpLookup, time.Second)
		again := func() error {
			return providers.PostJSON(providers.Repeated(t.Context()), client, "http://provider.test", []byte("{}"), func(int, []byte) error { return nil })
		}
		count := func() (n int) {
			for again() == nil {
				n++
			}
			return n
		}
		if n := count(); n != budgetCeiling {
			t.Errorf("%d repetitions at the start", n)
		}
		if err := again(); !errors.Is(err, providers.ErrNotSent) {
			t.Errorf("over the budget: %v", err)
		}
		for range 10 * budgetShare {
			if err := post(client); err != nil {
				t.Fatalf("a first call: %v", err)
			}
		}
		if n := count(); n != 10 {
			t.Errorf("%d repetitions for %d first calls", n, 10*budgetShare)
		}
		time.Sleep(20 * time.Second) // the bubble's clock: nothing waits
		if n := count(); n != budgetFloor/3 {
			t.Errorf("%d repetitions in 20 seconds without a first call", n)
		}
		time.Sleep(time.Hour) // the bubble's clock: nothing waits
		if n := count(); n != budgetCeiling {
			t.Errorf("%d repetitions saved up", n)
		}
		if s := state(g, providers.OpLookup); s.Counts.OverBudget != 5 || s.State != Closed {
			t.Errorf("%+v", s)
		}
	})
}

func TestTheBulkheadRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{next: hang}
		g := New(Settings{Transport: f, InFlight: 4})
		client := g.Client("acc", providers.OpCheckout, time.Minute)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { _ = post(client) })
		}
		synctest.Wait()
		start := time.Now()
		if err := post(client); !errors.Is(err, providers.ErrNotSent) || time.Since(start) != 0 || f.count() != 4 {
			t.Errorf("the fifth of four: %v", err)
		}
		if s := state(g, providers.OpCheckout); s.InFlight != 4 || s.Limit != 4 || s.Counts.Refused != 1 {
			t.Errorf("%+v", s)
		}
		if err := post(g.Client("acc", providers.OpLookup, time.Second)); errors.Is(err, providers.ErrNotSent) && f.count() != 5 {
			t.Error("a full checkout stopped look-ups")
		}
		wg.Wait()
		if s := state(g, providers.OpCheckout); s.InFlight != 0 || s.State != Closed {
			t.Errorf("after all: %+v", s)
		}
	})
}

func TestACallerThatGivesUpIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Settings{Transport: &fake{next: hang}, Failures: 1})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_ = providers.PostJSON(ctx, g.Client("acc", providers.OpLookup, time.Minute), "http://provider.test", nil, nil)
		if s := state(g, providers.OpLookup); s.State != Closed || s.Counts.GivenUp != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestOverride(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{next: answer(200, "{}")}
		var told []string
		g := New(Settings{Transport: f, Failures: 1, Notify: func(_ string, _ providers.Operation, from, to string) { told = append(told, from+">"+to) }})
		client := g.Client("acc", providers.OpCheckout, time.Second)
		g.Override("acc", providers.OpCheckout, ForcedOpen, "maintenance at the bank")
		err := post(client)
		if !errors.Is(err, providers.ErrNotSent) || !strings.Contains(err.Error(), "maintenance at the bank") || f.count() != 0 {
			t.Errorf("forced open: %v", err)
		}
		if s := state(g, providers.OpCheckout); s.State != Open || s.Mode != ForcedOpen || s.Reason != "maintenance at the bank" || !s.NextProbe.IsZero() {
			t.Errorf("%+v", s)
		}
		f.next = answer(500, "")
		g.Override("acc", providers.OpCheckout, ForcedClosed, "we know better")
		for range 3 {
			if err := post(client); !errors.Is(err, providers.ErrUncertain) {
				t.Errorf("forced closed: %v", err)
			}
		}
		if s := state(g, providers.OpCheckout); s.State != Closed || s.Counts.ServerErrors != 3 {
			t.Errorf("%+v", s)
		}
		g.Override("acc", providers.OpCheckout, Auto, "")
		if s := state(g, providers.OpCheckout); s.State != Open || s.Mode != Auto || s.Reason != "" {
			t.Errorf("let go: what was counted meanwhile must hold: %+v", s)
		}
		if got := fmt.Sprint(told); got != "[closed>open open>closed closed>open]" {
			t.Errorf("told %s", got)
		}
	})
}

func TestManyCallersAtOnce(t *testing.T) {
	f := &fake{next: answer(500, "")}
	g := New(Settings{Transport: f, InFlight: 3, OpenFor: time.Nanosecond, Notify: func(string, providers.Operation, string, string) {}})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			op := []providers.Operation{providers.OpCheckout, providers.OpLookup, providers.OpRefund}[i%3]
			client := g.Client("acc", op, time.Second)
			for range 100 {
				_ = post(client)
				_ = g.Snapshot("acc")
			}
		})
	}
	wg.Wait()
	for _, s := range g.Snapshot("acc") {
		if s.InFlight != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// How long answers take is told of the last calls that were answered; those that never came do not count as quick or slow.
func TestHowLongAnswersTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		f := &fake{next: func(r *http.Request) (*http.Response, error) {
			n++
			time.Sleep(time.Duration(n) * time.Millisecond) // the bubble's clock: nothing waits
			return answer(http.StatusOK, `{}`)(r)
		}}
		g := New(Settings{Transport: f})
		c := g.Client("acc", providers.OpLookup, time.Second)
		if s := state(g, providers.OpLookup); s.Median != 0 || s.P95 != 0 {
			t.Errorf("before any call: %+v", s)
		}
		for range 100 {
			if err := post(c); err != nil {
				t.Fatal(err)
			}
		}
		if s := state(g, providers.OpLookup); s.Median != 50*time.Millisecond || s.P95 != 95*time.Millisecond {
			t.Errorf("of 1 to 100 ms: %s, %s", s.Median, s.P95)
		}
		for range 200 { // the first are forgotten
			if err := post(c); err != nil {
				t.Fatal(err)
			}
		}
		if s := state(g, providers.OpLookup); s.Median != 200*time.Millisecond || s.P95 != 290*time.Millisecond {
			t.Errorf("of 101 to 300 ms: %s, %s", s.Median, s.P95)
		}
	})
}
