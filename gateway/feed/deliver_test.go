package feed

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// receiver is a portal's endpoint: it keeps what it accepted, in order.
type receiver struct {
	mu     sync.Mutex
	server *httptest.Server
	calls  int
	got    []string
	answer func(id string) int
	last   http.Header
	body   []byte
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		id, status := q.Header.Get("webhook-id"), http.StatusNoContent
		r.calls++
		if r.answer != nil {
			status = r.answer(id)
		}
		if status < 300 {
			r.got = append(r.got, id)
		}
		r.last, r.body = q.Header.Clone(), body
		rw.Header().Set("Location", "/elsewhere")
		rw.WriteHeader(status)
	}))
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) answers(f func(id string) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func always(status int) func(string) int { return func(string) int { return status } }

func (r *receiver) expect(t *testing.T, calls int, got ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls != calls || !slices.Equal(r.got, got) {
		t.Fatalf("%d calls, got %v; want %d, %v", r.calls, r.got, calls, got)
	}
}

func (w *world) endpoints() *Endpoints {
	return NewEndpoints(w.db, w.keys, w.now, Options{AllowLoopback: true})
}

func (w *world) deliverer() *Deliverer {
	return NewDeliverer(w.db, w.keys, w.now, slog.New(slog.DiscardHandler), Options{AllowLoopback: true})
}

func (w *world) endpoint(r *receiver, types ...string) (Endpoint, string) {
	w.t.Helper()
	e, secret, err := w.endpoints().Create(w.t.Context(), "c1", r.server.URL, types)
	if err != nil {
		w.t.Fatal(err)
	}
	return e, secret
}

func (w *world) deliver() int {
	w.t.Helper()
	n, err := w.deliverer().Step(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) status(e Endpoint, want string) Endpoint {
	w.t.Helper()
	got, err := w.endpoints().Get(w.t.Context(), "c1", e.ID)
	if err != nil || got.Status != want {
		w.t.Fatalf("status %q, want %q: %v", got.Status, want, err)
	}
	return got
}

func verifies(r *receiver, secret string) error {
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	return wh.Verify(r.body, r.last)
}

func TestSignedAndVerified(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	w.paid("ord_0") // before the endpoint: not its business
	e, first := w.endpoint(r, "order.*")
	id := w.paid("ord_1")
	w.emit(w.db, "c2", "portal", "ord_2", "order.paid")        // another client's
	w.emit(w.db, "c1", "portal", "ord_1", "payment.succeeded") // another type
	w.sequence()
	w.deliver()
	r.expect(t, 1, id)
	if err := verifies(r, first); err != nil || string(r.body) != `{"id":"`+id+`"}` {
		t.Errorf("%s: %v", r.body, err)
	}
	second, err := w.endpoints().Rotate(t.Context(), "c1", e.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.paid("ord_1")
	w.deliver()
	if err := errors.Join(verifies(r, first), verifies(r, second)); err != nil {
		t.Error("both sign for a day:", err)
	}
	w.advance(24 * time.Hour)
	w.paid("ord_1")
	w.deliver()
	if verifies(r, first) == nil || verifies(r, second) != nil {
		t.Error("after a day the new secret alone signs")
	}
	var sealed []byte
	if err := w.db.Get(&sealed, "SELECT secrets FROM webhook_endpoints"); err != nil || strings.Contains(string(sealed), second) {
		t.Error("the secret lies open", err)
	}
	log, err := w.endpoints().Deliveries(t.Context(), "c1", e.ID, time.Time{}, 10)
	if err != nil || len(log) != 3 || log[2].EventID != id || log[2].Status != 204 || log[2].Attempt != 1 {
		t.Errorf("%+v %v", log, err)
	}
	if w.deliver() != 0 {
		t.Error("sent again")
	}
}

func TestOrderIsKeptUnderFailure(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	e, _ := w.endpoint(r)
	a1, b1, a2, a3, b2 := w.paid("ord_a"), w.paid("ord_b"), w.paid("ord_a"), w.paid("ord_a"), w.paid("ord_b")
	bad := a1
	r.answers(func(id string) int {
		if id == bad {
			return http.StatusFound // a redirect is not followed
		}
		return http.StatusOK
	})
	w.deliver()
	r.expect(t, 3, b1, b2) // a2 and a3 wait behind a1; b goes on
	w.advance(4 * time.Second)
	if w.deliver() != 0 {
		t.Fatal("sent before it was due")
	}
	bad = a2
	w.advance(time.Second)
	w.deliver()
	r.expect(t, 5, b1, b2, a1)
	bad = ""
	a4 := w.paid("ord_a")
	w.deliver()
	r.expect(t, 5, b1, b2, a1)
	w.advance(5 * time.Second)
	w.deliver()
	r.expect(t, 8, b1, b2, a1, a2, a3, a4)
	w.status(e, Active)
}

func TestPausedProbedAndHealed(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	r.answers(always(500))
	e, _ := w.endpoint(r)
	var all []string
	for _, o := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		all = append(all, w.paid("ord_"+o))
	}
	w.deliver()
	r.expect(t, pauseAfter)
	w.status(e, Paused)
	w.advance(5 * time.Second)
	w.deliver()
	r.expect(t, pauseAfter+1) // one probe
	r.answers(always(200))
	w.advance(30 * time.Second)
	w.deliver()
	r.mu.Lock()
	got := slices.Sorted(slices.Values(r.got))
	r.mu.Unlock()
	if !slices.Equal(got, all) {
		t.Errorf("got %v of %v", got, all)
	}
	w.status(e, Active)
}

func TestHealedSendsAllThatWaitsAtOnce(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	r.answers(always(500))
	e, _ := w.endpoint(r)
	old := w.paid("ord_a")
	for range 20 { // by now its own next attempt is hours away
		w.deliver()
		w.advance(time.Hour)
	}
	w.status(e, Paused)
	r.answers(always(200))
	fresh := w.paid("ord_b")
	calls := r.calls
	w.deliver()
	r.expect(t, calls+2, fresh, old)
}

func TestDisabledAfterThreeDaysThenReplayed(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	r.answers(always(500))
	e, _ := w.endpoint(r)
	a1, a2 := w.paid("ord_a"), w.paid("ord_a")
	start := w.now()
	for w.now().Sub(start) < giveUpAfter {
		w.deliver()
		if got, err := w.endpoints().Get(t.Context(), "c1", e.ID); err != nil || got.Status == Disabled {
			t.Fatalf("disabled after %s: %v", w.now().Sub(start), err)
		}
		var next time.Time
		const q = "SELECT COALESCE(next_probe_at, (SELECT min(next_at) FROM webhook_retries)) FROM webhook_endpoints"
		if err := w.db.Get(&next, q); err != nil || !next.After(w.now()) {
			t.Fatalf("nothing comes next: %s %v", next, err)
		}
		w.advance(next.Sub(w.now()))
	}
	w.deliver()
	w.status(e, Disabled)
	if w.now().Sub(start) != giveUpAfter {
		t.Error("disabled after", w.now().Sub(start))
	}
	w.sequence()
	p, err := NewReader(w.db).Events(t.Context(), "portal", 0, []string{noticeType}, 10)
	if err != nil || len(p.Items) != 1 || !strings.Contains(p.Items[0].Body, e.ID) {
		t.Fatalf("no notice: %+v %v", p, err)
	}
	w.advance(24 * time.Hour)
	if w.deliver() != 0 {
		t.Fatal("a disabled endpoint was sent something")
	}
	r.answers(always(200))
	calls := r.calls
	if err := w.endpoints().Replay(t.Context(), "c1", e.ID, 0); err != nil {
		t.Fatal(err)
	}
	w.deliver()
	r.expect(t, calls+3, a1, a2, p.Items[0].ID)
	w.status(e, Active)
	if err := w.endpoints().Replay(t.Context(), "c1", e.ID, p.Items[0].Number); err != nil {
		t.Fatal(err)
	}
	w.deliver()
	r.expect(t, calls+4, a1, a2, p.Items[0].ID, p.Items[0].ID)
}

func TestOneEventGivenUpLetsItsOrderGoOn(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	e, _ := w.endpoint(r)
	bad, after := w.paid("ord_a"), w.paid("ord_a")
	r.answers(func(id string) int {
		if id == bad {
			return 500
		}
		return 200
	})
	for range 80 { // others succeed meanwhile: the endpoint lives
		w.paid("ord_b")
		w.deliver()
		w.advance(time.Hour)
	}
	w.status(e, Active)
	if !slices.Contains(r.got, after) || slices.Contains(r.got, bad) {
		t.Error("the order is stuck")
	}
}

func TestGoneDisables(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	r.answers(always(http.StatusGone))
	e, _ := w.endpoint(r)
	w.paid("ord_a")
	w.deliver()
	w.status(e, Disabled)
}

func TestAnUnreadableSecretHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	bad, _ := w.endpoint(r)
	w.endpoint(r)
	if _, err := w.db.Exec("UPDATE webhook_endpoints SET secrets = 'x' WHERE id = $1", bad.ID); err != nil {
		t.Fatal(err)
	}
	id := w.paid("ord_a")
	w.deliver()
	r.expect(t, 1, id)
}

func TestOneReplicaAtATime(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	w.endpoint(r)
	var want []string
	for range 30 {
		want = append(want, w.paid("ord_a"))
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := w.deliverer().Step(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	w.deliver()
	r.expect(t, 30, want...)
}

func TestReplayDuringADelivery(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	e, _ := w.endpoint(r)
	id := w.paid("ord_a")
	r.answers(func(string) int {
		if err := w.endpoints().Replay(context.Background(), "c1", e.ID, 1); err != nil {
			t.Error(err)
		}
		return 200
	})
	w.deliver() // its lease is taken away meanwhile; the attempt is on record all the same
	r.answers(always(200))
	if w.deliver() != 0 {
		t.Error("the delivery under way has not ended for sure, and another began")
	}
	if _, err := w.db.Exec("UPDATE webhook_endpoints SET lease_until = NULL"); err != nil { // 12 s later
		t.Fatal(err)
	}
	w.deliver()
	r.expect(t, 2, id, id)
	log, err := w.endpoints().Deliveries(t.Context(), "c1", e.ID, time.Time{}, 10)
	if err != nil || len(log) != 2 {
		t.Errorf("%+v %v", log, err)
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	w.endpoint(r)
	ctx, stop := context.WithCancel(t.Context())
	r.answers(func(string) int { stop(); return 200 })
	w.emit(w.db, "c1", "portal", "ord_a", "order.paid")
	var all sync.WaitGroup
	for _, run := range []func(context.Context) error{w.seq.Run, w.deliverer().Run} {
		all.Go(func() {
			if err := run(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
