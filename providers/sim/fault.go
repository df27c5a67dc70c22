package sim

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Operation is a kind of call to a provider.
type Operation string

// Operations that can be disturbed; Any stands for all of them.
const (
	Checkout Operation = "checkout"
	Lookup   Operation = "lookup"
	RefundOp Operation = "refund"
	CancelOp Operation = "cancel"
	Any      Operation = "*"
)

// Fault is a disturbance, the body of POST /control/{provider}/faults. Faults are of this run: a restart clears them.
//
//	fault               the request    the answer
//	none                done           sent
//	slow                done           sent after ms
//	reset_after_accept  done           the connection is reset
//	garbage             done           200 and bytes that nobody can read
//	status_500          not done       500
//	hang                not done       none until ms are over (0 = until the caller goes), then the connection closes
//	refuse              not done       the connection closes at once. The caller has written its headers by then: a true
//	                                   "connection refused" needs a port where nobody listens
type Fault struct {
	Operation   Operation `json:"operation"`
	Fault       string    `json:"fault"`
	MS          int64     `json:"ms,omitempty"`
	Probability *float64  `json:"probability,omitempty"` // absent = 1
	Seed        uint64    `json:"seed,omitempty"`
}

type faultKey struct {
	provider  string
	operation Operation
}

type injector struct {
	Fault
	mu  sync.Mutex
	rng *rand.Rand
}

// SetFault disturbs an operation from now on; for Any it replaces every fault of the provider.
func (w *World) SetFault(provider string, f Fault) error {
	switch f.Operation {
	case Checkout, Lookup, RefundOp, CancelOp, Any:
	default:
		return fmt.Errorf("operation: %w: one of checkout, lookup, refund, cancel, *", ErrInvalid)
	}
	switch f.Fault {
	case "none", "hang", "slow", "status_500", "reset_after_accept", "refuse", "garbage":
	default:
		return fmt.Errorf("fault: %w: one of none, hang, slow, status_500, reset_after_accept, refuse, garbage", ErrInvalid)
	}
	if f.MS < 0 || time.Duration(f.MS)*time.Millisecond > maxDelay {
		return fmt.Errorf("ms: %w: 0 to %d", ErrInvalid, maxDelay.Milliseconds())
	}
	if f.Probability != nil && (*f.Probability < 0 || *f.Probability > 1) {
		return fmt.Errorf("probability: %w: 0 to 1", ErrInvalid)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, op := range []Operation{Checkout, Lookup, RefundOp, CancelOp} {
		if f.Operation != Any && f.Operation != op {
			continue
		}
		name := fnv.New64a()
		_, _ = name.Write([]byte(provider + "/" + string(op))) // operations under one seed must not fail in step
		w.faults[faultKey{provider, op}] = &injector{Fault: f, rng: rand.New(rand.NewPCG(f.Seed, name.Sum64()))}
	}
	return nil
}

// draw gives the fault that meets the next call of an operation.
func (w *World) draw(provider string, op Operation) Fault {
	w.mu.Lock()
	in := w.faults[faultKey{provider, op}]
	w.mu.Unlock()
	if in == nil || in.Fault.Fault == "none" {
		return Fault{Fault: "none"}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.Probability != nil && in.rng.Float64() >= *in.Probability {
		return Fault{Fault: "none"}
	}
	return in.Fault
}

// answer is held back until it is known what becomes of it.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }
func (a *answer) WriteHeader(s int) {
	if a.status == 0 {
		a.status = s
	}
}
func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// Serve runs a call of the wire under the fault that meets it. What the handler returns runs after the answer is out.
func (w *World) Serve(provider string, op Operation, rw http.ResponseWriter, r *http.Request, handle func(http.ResponseWriter) func(context.Context)) {
	f := w.draw(provider, op)
	wait := time.Duration(f.MS) * time.Millisecond
	switch f.Fault {
	case "status_500":
		http.Error(rw, "Internal Server Error", http.StatusInternalServerError)
		return
	case "refuse":
		cut(rw)
		return
	case "hang":
		if wait == 0 {
			wait = maxDelay
		}
		// net/http notices that the caller has gone only once the body is read.
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(rw, r.Body, MaxWireBody))
		w.pause(r.Context(), wait)
		cut(rw)
		return
	}
	a := &answer{header: http.Header{}}
	after := handle(a)
	if after != nil {
		defer w.Go(after)
	}
	switch f.Fault {
	case "slow":
		w.pause(r.Context(), wait)
	case "reset_after_accept":
		cut(rw)
		return
	case "garbage":
		rw.Header().Set("Content-Type", "text/html")
		_, _ = rw.Write([]byte("\x00\xff<html>{\"resultCode\":0 ,,, \xfe\xfe 00|garbage"))
		return
	}
	for k, v := range a.header {
		rw.Header()[k] = v
	}
	rw.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	if a.status != 0 {
		rw.WriteHeader(a.status)
	}
	_, _ = rw.Write(a.body.Bytes())
	_ = http.NewResponseController(rw).Flush()
}

func (w *World) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-w.stop.Done():
	}
}

// cut ends the connection with a reset and without an answer.
func cut(rw http.ResponseWriter) {
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // net/http's own way to break off an answer
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
