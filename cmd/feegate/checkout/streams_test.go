package checkout

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"
)

// A process keeps so many streams and no more; who leaves makes room; an order asked about is told of at first and when it changes.
func TestStreamsAreCounted(t *testing.T) {
	asked := make(chan []string, 1)
	answer := make(chan map[string]string)
	s := newStreams(func(_ context.Context, orders []string) (map[string]string, error) {
		asked <- orders
		return <-answer, nil
	}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	s.whole = 2
	a, leaveA, ok := s.join("ord_a")
	if !ok {
		t.Fatal("the first is refused")
	}
	b, leaveB, ok := s.join("ord_a")
	if !ok {
		t.Fatal("the second is refused")
	}
	if _, _, ok := s.join("ord_b"); ok {
		t.Error("a third is let in")
	}
	if got := <-asked; len(got) != 1 || got[0] != "ord_a" { // one question for both
		t.Errorf("asked %q", got)
	}
	told := func(c <-chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(time.Minute): // never, or it would wait without end
			t.Fatal("not told")
		}
	}
	answer <- map[string]string{"ord_a": "open"}
	told(a)
	told(b)
	<-asked
	answer <- map[string]string{"ord_a": "open"}
	<-asked
	select {
	case <-a:
		t.Error("told of nothing new")
	default:
	}
	answer <- map[string]string{"ord_a": "paid"}
	told(a)
	leaveB()
	_, leaveC, ok := s.join("ord_c")
	if !ok {
		t.Error("no room where one has left")
	}
	(&Pages{streams: s}).Close()
	if _, _, ok := s.join("ord_a"); ok {
		t.Error("one begins after the end")
	}
	leaveA()
	leaveC()
	if s.open != 0 || len(s.by) != 0 {
		t.Errorf("%d are counted after all have left: %v", s.open, s.by)
	}
	select { // it may ask once more before it sees the end
	case <-asked:
		answer <- nil
	case <-s.ended:
	}
}
