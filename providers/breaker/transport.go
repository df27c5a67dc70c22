package breaker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"feegate/providers"
)

// transport is the http.RoundTripper of one account's operation.
type transport struct {
	circuit *circuit
	base    http.RoundTripper
	timeout time.Duration // of the whole exchange, the body included; 0 = the caller's own
}

// RoundTrip sends once and reads the answer.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	leave, done, err := t.circuit.enter(providers.IsRepeated(req.Context()))
	if err != nil {
		closeBody(req) // a RoundTripper owes that also where it sends nothing
		return nil, err
	}
	defer leave()
	counted := false
	defer func() {
		if !counted { // only a panic of the transport comes here; a probe must not stay open for it
			done(reset)
		}
	}()

	ctx, cancel := req.Context(), context.CancelFunc(func() {})
	if t.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, t.timeout)
	}
	defer cancel()
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// The first header field put into the write buffer is taken as written: it may have left from here on.
		WroteHeaderField: func(string, []string) { wrote.Store(true) },
		WroteHeaders:     func() { wrote.Store(true) },
		WroteRequest:     func(i httptrace.WroteRequestInfo) { wrote.CompareAndSwap(false, i.Err == nil) },
	})
	once := req.Clone(ctx)
	once.GetBody = nil // Go's transport repeats a request on a stale connection if it can read the body again

	resp, err := t.base.RoundTrip(once)
	var content []byte
	if err == nil {
		wrote.Store(true)
		content, err = readBody(resp.Body)
	}
	counted = true
	switch {
	case errors.Is(err, errTooLong):
		done(unreadable)
		return nil, fmt.Errorf("%w: %w", providers.ErrUncertain, err)
	case err != nil:
		o := classify(req.Context(), err, wrote.Load())
		done(o)
		kind := providers.ErrUncertain
		if !wrote.Load() {
			kind = providers.ErrNotSent
		}
		return nil, fmt.Errorf("%w: %w", kind, err)
	}
	b := &body{Reader: bytes.NewReader(content), done: done}
	if resp.StatusCode >= 500 {
		done(serverError)
	}
	resp.Body, resp.ContentLength = b, int64(len(content))
	return resp, nil
}

var errTooLong = fmt.Errorf("the answer is longer than %d KiB", providers.MaxAnswer>>10)

func readBody(r io.ReadCloser) ([]byte, error) {
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(io.LimitReader(r, providers.MaxAnswer+1))
	if err == nil && len(b) > providers.MaxAnswer {
		return nil, errTooLong
	}
	return b, err
}

// classify says what an error counts as. caller is the context as the caller gave it: if that was cancelled, it was the
// caller who left, whatever the network said.
func classify(caller context.Context, err error, wrote bool) outcome {
	var n net.Error
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		return givenUp
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &n) && n.Timeout():
		return timedOut
	case !wrote:
		return unconnected
	}
	return reset
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// body is an answer that was read whole. Who finds that it cannot be understood calls Unreadable before Close; an answer
// closed without that has been understood.
type body struct {
	*bytes.Reader
	done func(outcome)
	mu   sync.Mutex
	bad  bool
}

// Unreadable reports that the answer is not what the provider's page describes.
func (b *body) Unreadable() {
	b.mu.Lock()
	b.bad = true
	b.mu.Unlock()
}

// Close counts the answer.
func (b *body) Close() error {
	b.mu.Lock()
	bad := b.bad
	b.mu.Unlock()
	if bad {
		b.done(unreadable)
	} else {
		b.done(answered)
	}
	return nil
}
