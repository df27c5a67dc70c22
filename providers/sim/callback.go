package sim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// Outgoing is a request of the provider's server, ready to be sent any number of times.
type Outgoing struct {
	Method      string `json:"method"`
	URL         string `json:"url"`
	ContentType string `json:"content_type,omitempty"`
	Body        []byte `json:"body,omitempty"`

	Header map[string]string `json:"header,omitempty"`
}

// Delivery is what one call met: status 0 and the reason where nothing answered.
type Delivery struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
}

// retry is a message that the gateway has not taken, due again on the simulated clock.
type retry struct {
	Provider string    `json:"provider"`
	Terminal string    `json:"terminal,omitempty"`
	Out      Outgoing  `json:"out"`
	Sent     int       `json:"sent"`
	Due      time.Time `json:"due"`
}

// deliver sends what a decision asks for and tells what came back; a delayed message goes out later, by itself.
func (w *World) deliver(ctx context.Context, p Payment, m Message, d Decision) []Delivery {
	spec := CallbackSpec{}
	if d.Callback != nil {
		spec = *d.Callback
	}
	send := d.Outcome != OutcomeLeave || d.Callback != nil // nothing has happened: a provider says nothing unless told to
	if spec.Send != nil {
		send = *spec.Send
	}
	if !send {
		return []Delivery{}
	}
	if m.Forge = spec.Forge; m.Forge && m.Said == Pending {
		m.Said = Succeeded // who forges claims money
	}
	if spec.Amount != nil {
		m.Amount = *spec.Amount
	}
	a, _ := w.Account(p.Provider, p.Account)
	out, err := w.wires[p.Provider].Callback(a, p, m)
	if errors.Is(err, ErrSilent) {
		return []Delivery{}
	}
	if err != nil {
		return []Delivery{{Body: err.Error()}}
	}
	return w.post(ctx, p.Provider, p.Account, out, spec, m.Forge)
}

// post sends a message as often as was asked, at once or later.
func (w *World) post(ctx context.Context, provider, terminal string, out Outgoing, spec CallbackSpec, forged bool) []Delivery {
	copies := max(spec.Copies, 1)
	if spec.DelayMS == 0 {
		return w.sendAll(ctx, provider, terminal, out, copies, forged)
	}
	w.Go(func(ctx context.Context) {
		timer := time.NewTimer(time.Duration(spec.DelayMS) * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
			w.sendAll(ctx, provider, terminal, out, copies, forged)
		case <-ctx.Done():
		}
	})
	return []Delivery{}
}

func (w *World) sendAll(ctx context.Context, provider, terminal string, out Outgoing, copies int, forged bool) []Delivery {
	wire, all, taken := w.wires[provider], make([]Delivery, 0, copies), false
	for range copies {
		one := w.send(ctx, out)
		taken = taken || wire.Delivered(one.Status, []byte(one.Body))
		all = append(all, one)
	}
	// A forgery is not the provider's, so the provider does not repeat it.
	if calls, _ := wire.Retries(); !taken && !forged && calls > 1 {
		w.mu.Lock()
		w.retries = append(w.retries, retry{provider, terminal, out, 1, w.clock.Now().Add(pauseAfter(wire, 1))})
		w.changed()
		w.mu.Unlock()
		w.wakeRetries()
	}
	return all
}

// pauseAfter is how long a provider waits after so many calls that were not taken.
func pauseAfter(wire Wire, sent int) time.Duration {
	if s, ok := wire.(Scheduler); ok {
		return s.After(sent)
	}
	_, every := wire.Retries()
	return every
}

func (w *World) send(ctx context.Context, out Outgoing) Delivery {
	req, err := http.NewRequestWithContext(ctx, out.Method, out.URL, bytes.NewReader(out.Body))
	if err != nil {
		return Delivery{Body: err.Error()}
	}
	req.GetBody = nil // as in the gateway: the transport repeats nothing by itself
	if out.Body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	if out.ContentType != "" {
		req.Header.Set("Content-Type", out.ContentType)
	}
	for name, v := range out.Header {
		req.Header.Set(name, v)
	}
	resp, err := w.http.Do(req)
	if err != nil {
		return Delivery{Body: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Delivery{Body: err.Error()}
	}
	return Delivery{resp.StatusCode, string(body)}
}

func (w *World) wakeRetries() {
	select {
	case w.retryC <- struct{}{}:
	default:
	}
}

// retryLoop repeats what was not taken, in the order it falls due on the simulated clock.
func (w *World) retryLoop() {
	for {
		w.mu.Lock()
		next := -1
		for i, r := range w.retries {
			if next < 0 || r.Due.Before(w.retries[next].Due) {
				next = i
			}
		}
		due := w.clock.Now().Add(24 * time.Hour)
		if next >= 0 {
			due = w.retries[next].Due
		}
		w.mu.Unlock()
		if w.clock.Wait(w.stop, due, w.retryC) && next >= 0 {
			w.repeat(next)
		}
		if w.stop.Err() != nil {
			return
		}
	}
}

// repeat sends retries[i]. Only the loop takes from the list, others append: the index holds.
func (w *World) repeat(i int) {
	w.mu.Lock()
	r := w.retries[i]
	account := w.accounts[accountKey{r.Provider, r.Terminal}]
	w.mu.Unlock()
	if again, ok := w.wires[r.Provider].(Resigner); ok {
		r.Out = again.Resign(account, r.Out, w.clock.Now())
	}
	one := w.send(w.stop, r.Out)
	if w.stop.Err() != nil {
		return // not the gateway's answer: the message stays due for the next start
	}
	wire := w.wires[r.Provider]
	calls, _ := wire.Retries()
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Sent++; r.Sent >= calls || wire.Delivered(one.Status, []byte(one.Body)) {
		w.retries = append(w.retries[:i:i], w.retries[i+1:]...)
	} else {
		r.Due = r.Due.Add(pauseAfter(wire, r.Sent))
		w.retries[i] = r
	}
	w.changed()
}
