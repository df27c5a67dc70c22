package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"
)

// movableClock is the demo's clock: it ticks like the machine's, some way off it, and moves forward only. How far off is
// kept in a file, so that over an old folder it goes on and never back.
type movableClock struct {
	file string

	mu  sync.Mutex
	off time.Duration
}

type savedClock struct {
	Off time.Duration `json:"off_ns"` // ahead of the machine's clock
}

// openClock reads the clock of a folder; a new folder's starts at the time given (the zero time: the machine's).
func openClock(file string, start time.Time) (*movableClock, error) {
	c := &movableClock{file: file}
	raw, err := os.ReadFile(file)
	switch {
	case err == nil:
		var s savedClock
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, fmt.Errorf("%s is damaged: %w", file, err)
		}
		c.off = s.Off
		return c, nil
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("the clock: %w", err)
	}
	if !start.IsZero() {
		c.off = time.Until(start)
	}
	return c, c.save()
}

func (c *movableClock) save() error {
	if err := writeWhole(c.file, savedClock{c.off}); err != nil {
		return fmt.Errorf("keeping the clock: %w", err)
	}
	return nil
}

func (c *movableClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *movableClock) set(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The simulator asks a moment before it moves itself: a second of difference is not a step back, and none is taken, or the
	// simulator, which ticked on meanwhile, would be ahead of us and could not be set to our time when both start again.
	if now := time.Now().Add(c.off); t.Before(now.Add(-time.Second)) {
		return fmt.Errorf("the clock moves forward only: it is %s", now.Format(time.RFC3339))
	} else if t.Before(now) {
		return nil
	}
	old := c.off
	c.off = time.Until(t)
	if err := c.save(); err != nil { // told as refused: the simulator does not move then either
		c.off = old
		return err
	}
	return nil
}

// ServeHTTP answers POST {"set": TIME}, for the simulator on this machine alone.
func (c *movableClock) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Set time.Time `json:"set"`
	}
	if r.Method != http.MethodPost || json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&in) != nil {
		http.Error(w, `POST {"set": a time}`, http.StatusBadRequest)
		return
	}
	if err := c.set(in.Set); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
