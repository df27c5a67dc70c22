package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"feegate/gateway/account"
)

const (
	sendTimeout = 10 * time.Second
	lease       = 60 * time.Second // of the machine's clock: the demo's may leap
	turn        = 30 * time.Second // an endpoint's turn; with one more timeout it is well within the lease
	readAtMost  = 4 << 10
	pauseAfter  = 5 // failures in a row, of whatever events
	giveUpAfter = 72 * time.Hour
	maxProbe    = time.Hour
	workers     = 8
)

// schedule says how long after a failure an event is sent again; its last entry goes on until giveUpAfter.
var schedule = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour,
	4 * time.Hour, 8 * time.Hour, 12 * time.Hour, 24 * time.Hour}

// backOff is how long to wait after the n-th failure, n from 1.
func backOff(n int) time.Duration { return schedule[min(max(n, 1), len(schedule))-1] }

// Deliverer sends events to endpoints, at least once, those of one order in order. Any number may run: an endpoint is leased
// to one at a time.
type Deliverer struct {
	db   *sqlx.DB
	keys *account.Keys
	now  func() time.Time
	http *http.Client
	log  *slog.Logger
}

// NewDeliverer makes a deliverer. now is the clock of retries; signatures carry the machine's time, as receivers check it.
func NewDeliverer(db *sqlx.DB, keys *account.Keys, now func() time.Time, log *slog.Logger, o Options) *Deliverer {
	return &Deliverer{db, keys, now, guard{o.AllowLoopback}.client(sendTimeout), log}
}

// health is how an endpoint does.
type health struct {
	Status       string     `db:"status"`
	FailingSince *time.Time `db:"failing_since"`
	NextProbeAt  *time.Time `db:"next_probe_at"`
	Attempts     int        `db:"attempts"` // failures in a row
}

// after judges an attempt: a success heals; failures in a row pause, then probe ever more rarely, and after 3 days disable.
func (h health) after(ok, gone bool, now time.Time) health {
	if ok {
		return health{Status: Active}
	}
	h.Attempts++
	if h.FailingSince == nil {
		h.FailingSince = &now
	}
	switch {
	case gone || now.Sub(*h.FailingSince) >= giveUpAfter:
		h.Status, h.NextProbeAt = Disabled, nil
	case h.Attempts >= pauseAfter:
		at := now.Add(min(backOff(h.Attempts-pauseAfter+1), maxProbe))
		if end := h.FailingSince.Add(giveUpAfter); at.After(end) {
			at = end
		}
		h.Status, h.NextProbeAt = Paused, &at
	}
	return h
}

// Step serves every endpoint that has something due, one after another, and says how many attempts were made.
func (d *Deliverer) Step(ctx context.Context) (int, error) {
	total := 0
	for {
		n, found, err := d.serveOne(ctx)
		total += n
		if err != nil || !found {
			return total, err
		}
	}
}

// Run delivers until ctx ends.
func (d *Deliverer) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for range workers {
		all.Go(func() { d.work(ctx) })
	}
	all.Wait()
	return ctx.Err()
}

func (d *Deliverer) work(ctx context.Context) {
	wait := time.Duration(0)
	for ctx.Err() == nil {
		_, found, err := d.serveOne(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = min(max(2*wait, time.Second), 30*time.Second)
			d.log.ErrorContext(ctx, "delivering webhooks", "error", err, "again_in", wait)
		case found:
			wait = 0
			continue
		default:
			wait = 250 * time.Millisecond
		}
		if !pause(ctx, wait) {
			return
		}
	}
}

// serveOne gives one endpoint its turn.
func (d *Deliverer) serveOne(ctx context.Context) (attempts int, found bool, err error) {
	started := time.Now()
	e, err := claim(ctx, d.db, d.now(), lease)
	if err != nil || e == nil {
		return 0, false, err
	}
	secrets, err := unseal(d.keys, e.ID, e.Secrets, d.now())
	if err != nil {
		// It keeps its lease, so that it comes back in a minute and holds up nobody else.
		d.log.ErrorContext(ctx, "webhook endpoint cannot be served", "endpoint", e.ID, "error", err)
		return 0, true, nil
	}
	defer func() {
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if r := release(free, d.db, e); r != nil && err == nil {
			err = r
		}
	}()
	t := &turnOf{d: d, e: e, secrets: secrets, until: started.Add(turn)}
	if e.Status == Paused {
		err = t.probe(ctx)
	} else {
		err = t.deliver(ctx)
	}
	if errors.Is(err, errLeaseLost) {
		err = nil // replayed, deleted or taken over meanwhile: whoever has it now goes on
	}
	return t.attempts, true, err
}

// turnOf is one endpoint's turn.
type turnOf struct {
	d        *Deliverer
	e        *claimed
	secrets  []secret
	until    time.Time // machine clock
	attempts int
}

func (t *turnOf) over() bool { return t.e.Status != Active || !time.Now().Before(t.until) }

func (t *turnOf) deliver(ctx context.Context) error {
	for {
		due, err := dueRetries(ctx, t.d.db, t.e.ID, t.d.now(), MaxPage)
		if err != nil {
			return err
		}
		for i := range due {
			if t.over() {
				return nil
			}
			if err := t.attempt(ctx, &due[i].Event, due[i].Attempts, due[i].FirstAt); err != nil {
				return err
			}
		}
		if len(due) == 0 {
			break
		}
	}
	for !t.over() {
		more, err := t.walk(ctx, t.over)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// walk goes over a page of new events until stop; it says whether there may be more.
func (t *turnOf) walk(ctx context.Context, stop func() bool) (bool, error) {
	page, err := selectEvents(ctx, t.d.db, t.e.SourceSystem, t.e.Cursor, nil, MaxPage)
	if err != nil || len(page) == 0 {
		return false, err
	}
	waiting, err := waitingOrders(ctx, t.d.db, t.e.ID, page)
	if err != nil {
		return false, err
	}
	skipped := t.e.Cursor
	for i := range page {
		ev := &page[i]
		if stop() {
			break
		}
		switch {
		case ev.ClientID != t.e.ClientID || !wanted(t.e.Types, ev.Type):
			skipped = ev.Number
			continue
		case ev.OrderID != "" && waiting[ev.OrderID]:
			if err := park(ctx, t.d.db, t.e, ev, t.d.now()); err != nil {
				return false, err
			}
		default:
			if err := t.attempt(ctx, ev, 0, t.d.now()); err != nil {
				return false, err
			}
			if t.e.Attempts > 0 {
				waiting[ev.OrderID] = true
			}
		}
		skipped = t.e.Cursor
	}
	if skipped > t.e.Cursor {
		return true, moveCursor(ctx, t.d.db, t.e, skipped)
	}
	return true, nil
}

// probe makes one attempt: with a new event if there is one, so that one bad event does not hold up the rest, else with what
// was tried least recently. With nothing to send there is nothing against the endpoint.
func (t *turnOf) probe(ctx context.Context) error {
	tried := func() bool { return t.attempts > 0 || !time.Now().Before(t.until) }
	for more := true; more && !tried(); {
		var err error
		if more, err = t.walk(ctx, tried); err != nil {
			return err
		}
	}
	if tried() {
		return nil
	}
	r, err := nextRetry(ctx, t.d.db, t.e.ID)
	if err != nil {
		return err
	}
	if r == nil {
		return heal(ctx, t.d.db, t.e, t.d.now())
	}
	return t.attempt(ctx, &r.Event, r.Attempts, r.FirstAt)
}

// outcome is what an attempt leads to.
type outcome struct {
	event   *Event
	at      time.Time
	attempt int // from 1
	status  int
	detail  string
	took    time.Duration
	ok      bool
	firstAt time.Time
	retryAt *time.Time // nil: done, or given up
	next    health
	notice  string // body of the event that says that the endpoint is disabled
}

// attempt sends an event once and writes down what came of it. before is how often it was tried already.
func (t *turnOf) attempt(ctx context.Context, ev *Event, before int, firstAt time.Time) error {
	o := outcome{event: ev, at: t.d.now(), attempt: before + 1, firstAt: firstAt}
	started := time.Now()
	o.status, o.detail = t.send(ctx, ev)
	o.took = time.Since(started)
	if ctx.Err() != nil {
		return ctx.Err() // we broke it off: it says nothing of the endpoint, and is sent again
	}
	t.attempts++
	o.ok = o.status >= 200 && o.status < 300
	now := t.d.now()
	o.next = t.e.health.after(o.ok, o.status == http.StatusGone, now)
	if !o.ok && now.Sub(firstAt) < giveUpAfter {
		at := now.Add(backOff(o.attempt))
		if end := firstAt.Add(giveUpAfter); at.After(end) {
			at = end
		}
		o.retryAt = &at
	}
	if o.next.Status == Disabled {
		if o.retryAt == nil {
			o.retryAt = &now // kept for whoever makes the endpoint active again
		}
		id := newID("evt_")
		body, err := envelope(id, noticeType, now, map[string]any{"id": t.e.ID, "url": t.e.URL, "status": Disabled, "failing_since": o.next.FailingSince,
			"last_status": o.status, "last_detail": o.detail})
		if err != nil {
			return err
		}
		o.notice = body
		return t.settle(ctx, &o, id)
	}
	return t.settle(ctx, &o, "")
}

// noticeType is the event that tells a client, in its feed and at its other endpoints, that an endpoint is disabled.
const noticeType = "webhook_endpoint.disabled"

func (t *turnOf) settle(ctx context.Context, o *outcome, noticeID string) error {
	if err := record(ctx, t.d.db, t.e, o, noticeID); err != nil {
		return err
	}
	if o.next.Status != t.e.Status {
		t.d.log.WarnContext(ctx, "webhook endpoint", "endpoint", t.e.ID, "from", t.e.Status, "to", o.next.Status, "detail", o.detail)
	}
	if !o.ok && o.retryAt == nil {
		t.d.log.WarnContext(ctx, "webhook given up", "endpoint", t.e.ID, "event", o.event.ID, "attempts", o.attempt)
	}
	t.e.health = o.next
	t.e.Cursor = max(t.e.Cursor, o.event.Number)
	return nil
}

// send posts the event and gives the status, 0 where there was no answer, and a word for people.
func (t *turnOf) send(ctx context.Context, ev *Event) (int, string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.e.URL, strings.NewReader(ev.Body))
	if err != nil {
		return 0, "the address cannot be used"
	}
	// GetBody stays: the transport may take a new connection when an idle one proves closed before anything was written, and no more.
	at := time.Now()
	signatures := make([]string, 0, len(t.secrets))
	for _, s := range t.secrets {
		wh, err := standardwebhooks.NewWebhook(s.Secret)
		if err != nil {
			return 0, "the secret cannot be used"
		}
		signature, err := wh.Sign(ev.ID, at, []byte(ev.Body))
		if err != nil {
			return 0, "signing failed"
		}
		signatures = append(signatures, signature)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "feegate-webhooks")
	req.Header.Set(standardwebhooks.HeaderWebhookID, ev.ID)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	res, err := t.d.http.Do(req)
	if err != nil {
		return 0, explain(err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.CopyN(io.Discard, res.Body, readAtMost) // the answer's body means nothing; read, the connection can be used again
	return res.StatusCode, http.StatusText(res.StatusCode)
}

// explain says why there was no answer, without what it would tell of our network.
func explain(err error) string {
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	var op *net.OpError
	switch {
	case errors.Is(err, ErrURLRefused):
		return ErrURLRefused.Error() + ": not a public address"
	case errors.As(err, &dns):
		return "the name cannot be resolved"
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %s", sendTimeout)
	case errors.As(err, &op) && op.Op == "dial":
		return "no connection"
	}
	if msg := err.Error(); strings.Contains(msg, "tls: ") || strings.Contains(msg, "x509: ") {
		return "no TLS connection"
	}
	return "the connection broke"
}
