package feed

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/account"
	"feegate/migrations/dbtest"
)

// world is a database with two clients of one source system and one of another, and a clock that only the test moves.
type world struct {
	t    *testing.T
	db   *sqlx.DB
	keys *account.Keys
	seq  *Sequencer
	at   atomic.Pointer[time.Time]
	n    atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	db := dbtest.New(t)
	keys, err := account.NewKeys(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: db, keys: keys, seq: NewSequencer(db, slog.New(slog.DiscardHandler))}
	start := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	w.at.Store(&start)
	if _, err := db.Exec("INSERT INTO source_systems (name) VALUES ('portal'), ('elsewhere')"); err != nil {
		t.Fatal(err)
	}
	const clients = "INSERT INTO clients (id, name, source_system, created_at) VALUES ('c1', 'c1', 'portal', $1), ('c2', 'c2', 'portal', $1), ('c3', 'c3', 'elsewhere', $1)"
	if _, err := db.Exec(clients, start); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) now() time.Time { return *w.at.Load() }

func (w *world) advance(d time.Duration) {
	at := w.now().Add(d)
	w.at.Store(&at)
}

const insertEvent = `INSERT INTO outbox (event_id, type, client_id, source_system, order_id, body, recorded_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`

// emit writes an event and gives its id.
func (w *world) emit(x sqlx.Execer, client, source, order, kind string) string {
	w.t.Helper()
	id := fmt.Sprintf("evt_%d", w.n.Add(1))
	if _, err := x.Exec(insertEvent, id, kind, client, source, order, `{"id":"`+id+`"}`, w.now()); err != nil {
		w.t.Error(err)
	}
	return id
}

// paid writes and sequences an order.paid of c1.
func (w *world) paid(order string) string {
	w.t.Helper()
	id := w.emit(w.db, "c1", "portal", order, "order.paid")
	w.sequence()
	return id
}

func (w *world) sequence() {
	w.t.Helper()
	if _, err := w.seq.Step(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func ids(events []Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.ID
	}
	return out
}

func TestEventsBySourceSystemTypeAndPage(t *testing.T) {
	w := newWorld(t)
	a := w.emit(w.db, "c1", "portal", "ord_1", "order.created")
	w.emit(w.db, "", "portal", "", "discrepancy.opened") // for people only
	b := w.emit(w.db, "c2", "portal", "ord_2", "payment.pending")
	w.emit(w.db, "c3", "elsewhere", "ord_3", "order.created")
	c := w.emit(w.db, "c1", "portal", "ord_1", "order.paid")
	w.sequence()
	r := NewReader(w.db)
	for _, tc := range []struct {
		types []string
		want  []string
	}{{nil, []string{a, b, c}}, {[]string{"order.*"}, []string{a, c}}, {[]string{"order.paid", "payment.pending"}, []string{b, c}}} {
		p, err := r.Events(t.Context(), "portal", 0, tc.types, 10)
		if err != nil || !slices.Equal(ids(p.Items), tc.want) || p.More {
			t.Errorf("%v: %v %v", tc.types, ids(p.Items), err)
		}
	}
	first, err := r.Events(t.Context(), "portal", 0, nil, 2)
	if err != nil || len(first.Items) != 2 || !first.More {
		t.Fatalf("%+v %v", first, err)
	}
	second, err := r.Events(t.Context(), "portal", first.Next, nil, 2)
	if err != nil || !slices.Equal(ids(second.Items), []string{c}) || second.More {
		t.Errorf("%+v %v", second, err)
	}
	last, err := r.Events(t.Context(), "portal", second.Next, nil, 2)
	if err != nil || len(last.Items) != 0 || last.Next != second.Next {
		t.Errorf("%+v %v", last, err)
	}
	if _, err := r.Events(t.Context(), "portal", 0, []string{"nonsense"}, 2); !errors.Is(err, ErrTypesRefused) {
		t.Error(err)
	}
}

func TestALateCommitIsNotLost(t *testing.T) {
	w := newWorld(t)
	tx, err := w.db.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	early := w.emit(tx, "c1", "portal", "ord_1", "order.created") // the smaller id, the later commit
	other := w.paid("ord_2")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	w.sequence()
	p, err := NewReader(w.db).Events(t.Context(), "portal", 0, nil, 10)
	if err != nil || !slices.Equal(ids(p.Items), []string{other, early}) {
		t.Errorf("%v %v", ids(p.Items), err)
	}
}

func TestASequencerIsAlone(t *testing.T) {
	w := newWorld(t)
	w.emit(w.db, "c1", "portal", "ord_1", "order.paid")
	tx, err := w.db.Beginx() // another one, at work
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("SELECT pg_advisory_xact_lock($1)", sequencerID); err != nil {
		t.Fatal(err)
	}
	if n, err := w.seq.Step(t.Context()); n != 0 || err != nil {
		t.Error(n, err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if n, err := w.seq.Step(t.Context()); n != 1 || err != nil {
		t.Error(n, err)
	}
}

// Writers that commit in any order, two sequencers and a reader, all at once: nothing is lost, doubled or, within an order, out
// of order, and the reader never has to look back.
func TestConcurrentSequencers(t *testing.T) {
	w := newWorld(t)
	const writers, orders, rounds = 4, 8, 40
	var locks [orders]sync.Mutex // an order's row lock
	var written [orders]int
	var writing, all sync.WaitGroup
	done := make(chan struct{})
	for i := range writers {
		writing.Go(func() {
			for r := range rounds {
				o := (r*(2*i+1) + i) % orders
				locks[o].Lock()
				tx, err := w.db.Beginx()
				if err != nil {
					t.Error(err)
					locks[o].Unlock()
					return
				}
				order := fmt.Sprintf("ord_%d", o)
				if _, err := tx.Exec(insertEvent, fmt.Sprintf("%s/%d", order, written[o]), "order.paid", "c1", "portal", order, "{}", w.now()); err != nil {
					t.Error(err)
				}
				if r%7 == 3 {
					err = tx.Rollback()
				} else {
					err = tx.Commit()
					written[o]++
				}
				if err != nil {
					t.Error(err)
				}
				locks[o].Unlock()
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for {
				ended := false
				select {
				case <-done:
					ended = true
				default:
				}
				if _, err := sequence(t.Context(), w.db, 3); err != nil {
					t.Error(err)
					return
				}
				if ended {
					return
				}
			}
		})
	}
	var seen []Event
	after := int64(0)
	read := func() {
		p, err := NewReader(w.db).Events(t.Context(), "portal", after, nil, 200)
		if err != nil {
			t.Error(err)
		}
		seen, after = append(seen, p.Items...), p.Next
	}
	all.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				read()
			}
		}
	})
	writing.Wait()
	close(done)
	all.Wait()
	w.sequence()
	for range 3 {
		read()
	}
	total := 0
	var next [orders]int
	for _, e := range seen {
		var o, n int
		if _, err := fmt.Sscanf(e.ID, "ord_%d/%d", &o, &n); err != nil || n != next[o] {
			t.Fatalf("%s came where ord_%d/%d was next", e.ID, o, next[o])
		}
		next[o]++
	}
	for _, n := range written {
		total += n
	}
	var left int
	if err := w.db.Get(&left, "SELECT count(*) FROM outbox"); err != nil || left != 0 || len(seen) != total {
		t.Errorf("%d seen of %d written, %d left: %v", len(seen), total, left, err)
	}
}
