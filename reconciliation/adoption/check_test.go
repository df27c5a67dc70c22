package adoption

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whoever writes into the sums by hand is found out, and the sums are made again from the rows.
func TestSumsWrittenByHandAreFoundAndMadeAgain(t *testing.T) {
	x := newWorlds(t)
	prefix, done := x.prefix(), false
	rapid.Check(t, func(t *rapid.T) { // for its T alone
		if !done {
			done = true
			aWorld(throw(t), prefix).write(t, x.owner, prefix, "live")
		}
	})
	folder := NewFolder(x.service, x.reporter.now)
	fold := func() {
		t.Helper()
		if _, err := folder.FoldAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	fold()
	hour := 0 // each hour another day, until all were looked at
	clock := x.reporter.now()
	x.reporter.now = func() time.Time { return clock.Add(time.Duration(hour) * time.Hour) }
	for hour = range 40 {
		if _, err := x.reporter.CheckAggregates(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := x.service.ExecContext(t.Context(), `UPDATE report_cubes SET online = coalesce(online, 0) + 1 WHERE ctid = (SELECT ctid FROM report_cubes WHERE grain = 'da' LIMIT 1)`); err != nil {
		t.Fatal(err)
	}
	found := false
	for hour = range 2000 {
		_, err := x.reporter.CheckAggregates(t.Context(), 0)
		if found = errors.Is(err, ErrAggregates); found || err != nil {
			break
		}
	}
	if !found {
		t.Fatal("a sum written by hand is not found")
	}
	fold()
	for hour = range 40 {
		if _, err := x.reporter.CheckAggregates(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
}
