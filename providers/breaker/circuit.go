package breaker

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"feegate/providers"
)

// outcome is what became of a call, as the breaker counts it.
type outcome int

const (
	answered outcome = iota
	unconnected
	timedOut
	reset
	serverError
	unreadable
	givenUp // by the caller: neither good nor bad
)

var (
	errFailed  = errors.New("failed")
	errGivenUp = errors.New("given up")
)

// circuit is bulkhead and breaker of one account's operation.
type circuit struct {
	settings Settings
	account  *account
	op       providers.Operation
	slots    chan struct{}
	cb       *gobreaker.TwoStepCircuitBreaker[struct{}]
	budget   budget

	mu       sync.Mutex
	mode     Mode
	reason   string
	since    time.Time
	openedAt time.Time
	counts   Counts
	took     []time.Duration // of the last calls that were answered, in no order
	changes  []change        // not yet told to Notify
	tallies  map[time.Time]*Tally

	telling sync.Mutex
}

type change struct{ from, to string }

func newCircuit(s Settings, a *account, op providers.Operation) *circuit {
	c := &circuit{settings: s, account: a, op: op, slots: make(chan struct{}, s.InFlight), since: time.Now()}
	c.budget.fill(time.Now())
	c.cb = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         a.id + " " + string(op),
		MaxRequests:  1, // one probe at a time
		Interval:     time.Minute,
		BucketPeriod: 10 * time.Second,
		Timeout:      s.OpenFor,
		ReadyToTrip: func(n gobreaker.Counts) bool {
			// In a row, or every second call of a busy minute: a provider that answers each other call is not well.
			return int(n.ConsecutiveFailures) >= s.Failures ||
				(int(n.Requests) >= 4*s.Failures && 2*n.TotalFailures >= n.Requests)
		},
		IsExcluded: func(err error) bool { return errors.Is(err, errGivenUp) },
		// Called under gobreaker's lock: only note it here, tell later.
		OnStateChange: func(_ string, from, to gobreaker.State) { c.changed(word(from), word(to), time.Now()) },
	})
	return c
}

func word(s gobreaker.State) string {
	switch s {
	case gobreaker.StateOpen:
		return Open
	case gobreaker.StateHalfOpen:
		return HalfOpen
	}
	return Closed
}

func (c *circuit) changed(from, to string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to == Open {
		c.openedAt = now
	}
	if c.mode == Auto {
		c.since = now
		c.changes = append(c.changes, change{from, to})
	}
}

// enter takes a slot and asks the breaker. On nil, leave must be called when the network is done, and done once with the
// outcome.
func (c *circuit) enter(repeated bool) (leave func(), done func(outcome), err error) {
	select {
	case c.slots <- struct{}{}:
	default:
		return nil, nil, c.refuse(fmt.Sprintf("%d calls are under way, that is all the room there is", cap(c.slots)), time.Second)
	}
	leave = func() { <-c.slots }
	if !c.budget.take(repeated, time.Now()) {
		leave()
		c.mu.Lock()
		c.counts.OverBudget++
		c.mu.Unlock()
		return nil, nil, c.refuse("the budget for repeated calls is used up", time.Minute/budgetFloor)
	}
	report, err := c.allow(time.Now())
	c.tell()
	if err != nil {
		leave()
		return nil, nil, err
	}
	var once sync.Once
	began := time.Now()
	return leave, func(o outcome) {
		once.Do(func() { c.count(o, time.Since(began)); report(o.asError()); c.lookedUp(o); c.tell() })
	}, nil
}

// allow asks override, probe rule and breaker, in this order.
func (c *circuit) allow(now time.Time) (report func(error), err error) {
	c.mu.Lock()
	mode, reason := c.mode, c.reason
	c.mu.Unlock()
	switch mode {
	case ForcedOpen:
		return nil, c.refuse("switched off by hand: "+reason, 0)
	case ForcedClosed:
		if report, err = c.cb.Allow(); err != nil {
			report = func(error) {}
		}
		return report, nil
	}
	if c.cb.State() != gobreaker.StateClosed {
		if at := c.nextProbe(); now.Before(at) {
			return nil, c.refuse("the breaker is open", at.Sub(now))
		}
		if c.op != providers.OpLookup && !c.closeOnLookup() {
			return nil, c.refuse("the breaker is open until a look-up is answered", time.Second)
		}
	}
	if report, err = c.cb.Allow(); err != nil {
		return nil, c.refuse("the breaker is open, another call is finding out", time.Second)
	}
	return report, nil
}

// nextProbe is when the breaker may close again at the earliest.
func (c *circuit) nextProbe() time.Time { return c.opened().Add(c.settings.OpenFor) }

func (c *circuit) opened() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.openedAt
}

// closeOnLookup closes a breaker whose time is over, if a look-up was answered since it opened. The look-up was the probe.
func (c *circuit) closeOnLookup() bool {
	if !c.account.lookedUpSince(c.opened()) {
		return false
	}
	if report, err := c.cb.Allow(); err == nil {
		report(nil)
	}
	return true
}

// waitsForLookup: the time is over, and nothing but a look-up's word is missing.
func (c *circuit) waitsForLookup(now time.Time) bool {
	c.mu.Lock()
	mode := c.mode
	c.mu.Unlock()
	return mode == Auto && c.cb.State() != gobreaker.StateClosed && !now.Before(c.nextProbe()) && !c.account.lookedUpSince(c.opened())
}

// shut: no call passes now.
func (c *circuit) shut(now time.Time) bool {
	c.mu.Lock()
	mode := c.mode
	c.mu.Unlock()
	switch mode {
	case ForcedOpen:
		return true
	case ForcedClosed:
		return false
	}
	return c.cb.State() != gobreaker.StateClosed && now.Before(c.nextProbe())
}

func (c *circuit) refuse(why string, after time.Duration) error {
	c.mu.Lock()
	c.counts.Refused++
	c.mu.Unlock()
	return &providers.NotSentError{Why: why, RetryAfter: after}
}

func (c *circuit) lookedUp(o outcome) {
	if c.op == providers.OpLookup && o == answered {
		c.account.noteLookup(time.Now())
	}
}

func (o outcome) asError() error {
	switch o {
	case answered:
		return nil
	case givenUp:
		return errGivenUp
	}
	return errFailed
}

// timed is of how many calls the times are kept.
const timed = 200

func (c *circuit) count(o outcome, took time.Duration) {
	ended := c.settings.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tally(o, took, ended)
	switch o {
	case answered:
		if len(c.took) < timed {
			c.took = append(c.took, took)
		} else {
			c.took[c.counts.Answered%timed] = took
		}
		c.counts.Answered++
	case unconnected:
		c.counts.Unconnected++
	case timedOut:
		c.counts.Timeouts++
	case reset:
		c.counts.Resets++
	case serverError:
		c.counts.ServerErrors++
	case unreadable:
		c.counts.Unreadable++
	case givenUp:
		c.counts.GivenUp++
	}
}

// tell hands noted changes to Notify, in order and under no lock that Notify could want. Who finds another telling leaves
// the rest to it; so Notify may itself ask for a snapshot.
func (c *circuit) tell() {
	for {
		if !c.telling.TryLock() {
			return
		}
		c.mu.Lock()
		changes := c.changes
		c.changes = nil
		c.mu.Unlock()
		if c.settings.Notify != nil {
			for _, ch := range changes {
				c.settings.Notify(c.account.id, c.op, ch.from, ch.to)
			}
		}
		c.telling.Unlock()
		c.mu.Lock()
		more := len(c.changes) > 0 // noted while the others were told
		c.mu.Unlock()
		if !more {
			return
		}
	}
}

func (c *circuit) override(mode Mode, reason string, now time.Time) {
	natural := word(c.cb.State())
	c.mu.Lock()
	before := effective(c.mode, natural)
	if mode == Auto {
		reason = ""
	}
	c.mode, c.reason, c.since = mode, reason, now
	if after := effective(mode, natural); after != before {
		c.changes = append(c.changes, change{before, after})
	}
	c.mu.Unlock()
	c.tell()
}

func effective(m Mode, natural string) string {
	switch m {
	case ForcedOpen:
		return Open
	case ForcedClosed:
		return Closed
	}
	return natural
}

func (c *circuit) snapshot(now time.Time) State {
	natural := word(c.cb.State())
	failures := int(c.cb.Counts().ConsecutiveFailures)
	c.tell()
	probe, shut := c.nextProbe(), c.shut(now) || c.op != providers.OpLookup && c.waitsForLookup(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	s := State{
		Account: c.account.id, Operation: c.op, State: effective(c.mode, natural), Mode: c.mode, Reason: c.reason,
		Since: c.since, Failures: failures, InFlight: len(c.slots), Limit: cap(c.slots), Counts: c.counts, Passing: !shut,
	}
	if n := len(c.took); n > 0 {
		sorted := slices.Sorted(slices.Values(c.took))
		s.Median, s.P95 = sorted[(n-1)/2], sorted[(n-1)*95/100]
	}
	if natural != Closed && c.mode == Auto {
		s.NextProbe = probe
		if natural == HalfOpen && now.Before(probe) {
			s.State = Open // the library's clock is over, our rule for probes is not
		}
	}
	return s
}
