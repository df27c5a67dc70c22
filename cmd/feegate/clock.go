package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// movableClock is the demo's clock: it ticks like the machine's, some way off it, and moves forward only.
type movableClock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *movableClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *movableClock) set(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The simulator asks a moment before it moves itself: a second of difference is not a step back.
	if now := time.Now().Add(c.off); t.Before(now.Add(-time.Second)) {
		return fmt.Errorf("the clock moves forward only: it is %s", now.Format(time.RFC3339))
	}
	c.off = time.Until(t)
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
