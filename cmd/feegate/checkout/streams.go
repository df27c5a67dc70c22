package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"feegate/gateway"
)

// Open pages of one process, and of one order: whoever is beyond asks every few seconds instead.
const (
	mostStreams, mostOfOrder = 2000, 8
	streamFor                = 10 * time.Minute // then the browser comes again by itself
	lookEvery                = time.Second
	beatEvery                = 15 * time.Second // proxies close what is silent; time alone changes pages too
)

// streams are the pages that wait. The database alone knows how orders stand, whichever replica hears of a payment: while pages are
// open it is asked once every second for all of them together.
type streams struct {
	stands func(context.Context, []string) (map[string]string, error)
	log    *slog.Logger
	whole  int // of the process, for tests

	mu      sync.Mutex
	by      map[string]map[chan struct{}]bool // by order
	open    int
	looking bool
	ended   chan struct{}
	closed  bool
}

func newStreams(stands func(context.Context, []string) (map[string]string, error), log *slog.Logger) *streams {
	return &streams{stands: stands, log: log, whole: mostStreams, by: map[string]map[chan struct{}]bool{}, ended: make(chan struct{})}
}

// join gives a channel that is told when the order may stand otherwise than before, at first after the next look; false: there is no
// room.
func (s *streams) join(order string) (changed chan struct{}, leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.open >= s.whole || len(s.by[order]) >= mostOfOrder {
		return nil, nil, false
	}
	changed = make(chan struct{}, 1)
	if s.by[order] == nil {
		s.by[order] = map[chan struct{}]bool{}
	}
	s.by[order][changed] = true
	s.open++
	if !s.looking {
		s.looking = true
		go s.look()
	}
	return changed, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.by[order], changed)
		if len(s.by[order]) == 0 {
			delete(s.by, order)
		}
		s.open--
	}, true
}

// look asks as long as somebody waits.
func (s *streams) look() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	last := map[string]string{}
	for {
		select {
		case <-s.ended:
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		orders := slices.Collect(maps.Keys(s.by))
		if len(orders) == 0 {
			s.looking = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		now, err := s.stands(ctx, orders)
		cancel()
		if err != nil {
			s.log.Warn("looking how orders stand", "error", err)
			continue
		}
		s.tell(last, now)
		last = now
	}
}

// tell wakes those whose order stands otherwise, or is seen for the first time: it may have changed after they read it.
func (s *streams) tell(last, now map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for order, stand := range now {
		if was, seen := last[order]; seen && was == stand {
			continue
		}
		for c := range s.by[order] {
			select {
			case c <- struct{}{}:
			default: // told already
			}
		}
	}
}

// Close ends every stream and lets none begin: a server that stops waits for them.
func (p *Pages) Close() {
	s := p.streams
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.ended)
	}
}

// events tells an open page how its order stands, until that is a final word, or for some minutes.
func (p *Pages) events(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	order, _, err := p.Gateway.OrderByToken(r.Context(), token)
	switch {
	case gateway.ProblemName(err) == gateway.ProblemNotFound:
		w.WriteHeader(http.StatusNotFound)
		return
	case err != nil:
		p.Log.Error("a checkout page's stream", "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	changed, leave, ok := p.streams.join(order.ID)
	if !ok {
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep it back
	conn := http.NewResponseController(w)
	// A server's own limits are for answers that end at once; each line has one of its own instead. Where the connection knows no
	// deadlines the server's hold, and the browser comes again.
	_ = conn.SetReadDeadline(time.Time{})
	send := func(text string) error {
		_ = conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
		_, err := fmt.Fprint(w, text)
		return errors.Join(err, conn.Flush())
	}
	mark, final := p.markOf(order)
	if send(fmt.Sprintf("retry: 3000\nevent: state\ndata: %s\n\n", mark)) != nil || final {
		return
	}
	beat, over := time.NewTicker(beatEvery), time.NewTimer(streamFor)
	defer beat.Stop()
	defer over.Stop()
	for {
		line := ""
		select {
		case <-r.Context().Done():
			return
		case <-p.streams.ended:
			return
		case <-over.C:
			return
		case <-changed:
		case <-beat.C:
			line = ":\n\n"
		}
		if order, _, err = p.Gateway.OrderByToken(r.Context(), token); err != nil {
			return // the browser comes again
		}
		now, final := p.markOf(order)
		if now != mark {
			mark, line = now, fmt.Sprintf("event: state\ndata: %s\n\n", now)
		}
		if line != "" && send(line) != nil || final {
			return
		}
	}
}

// markOf says in one word what the page would show, and whether nothing is waited for.
func (p *Pages) markOf(order *gateway.OrderView) (mark string, final bool) {
	var v view
	v.fill(order, p.Now(), false)
	return v.Mark, v.State != stateWaiting && v.State != stateDoubt
}
