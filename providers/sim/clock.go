package sim

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Zone is Vietnamese time, as a fixed offset: no machine's zone data decides a business day.
func Zone() *time.Location { return time.FixedZone("+07", 7*60*60) }

// Day is the business day of a time, YYYY-MM-DD.
func Day(t time.Time) string { return t.In(Zone()).Format(time.DateOnly) }

// ErrBackwards says that the clock was asked to go back.
var ErrBackwards = errors.New("the clock moves forward only")

// Clock ticks with the machine's and can be moved forward.
type Clock struct {
	mu     sync.Mutex
	base   time.Time // simulated time at anchor
	anchor time.Time // with the machine's monotonic reading, so that a change of the machine's date moves nothing
	moved  chan struct{}
}

// NewClock starts at a time; zero = the machine's.
func NewClock(start time.Time) *Clock {
	now := time.Now()
	if start.IsZero() {
		start = now
	}
	return &Clock{base: start.Round(0), anchor: now, moved: make(chan struct{})}
}

// Now is the simulated time, in Vietnamese time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time { return c.base.Add(time.Since(c.anchor)).In(Zone()) }

// Set moves the clock to a later time; it ticks on from there.
func (c *Clock) Set(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.Before(c.now()) {
		return ErrBackwards
	}
	c.base, c.anchor = t.Round(0), time.Now()
	close(c.moved)
	c.moved = make(chan struct{})
	return nil
}

// Wait returns true when the simulated time has come, false when the context or wake ended it first.
func (c *Clock) Wait(ctx context.Context, t time.Time, wake <-chan struct{}) bool {
	for {
		c.mu.Lock()
		left, moved := t.Sub(c.now()), c.moved
		c.mu.Unlock()
		if left <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-moved:
			timer.Stop()
		case <-wake:
			timer.Stop()
			return false
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}
