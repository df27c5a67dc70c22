package main

import (
	"path/filepath"
	"testing"
	"time"
)

// A time that has just passed is reached already: the clock neither refuses it nor goes back to it.
func TestTheDemosClockNeverGoesBack(t *testing.T) {
	start := time.Date(2026, 3, 10, 10, 0, 0, 0, time.UTC)
	file := filepath.Join(t.TempDir(), "clock.json")
	c, err := openClock(file, start)
	if err != nil {
		t.Fatal(err)
	}
	before := c.now()
	if err := c.set(before.Add(-500 * time.Millisecond)); err != nil {
		t.Error(err)
	}
	if after := c.now(); after.Before(before) {
		t.Errorf("it went from %v back to %v", before, after)
	}
	if err := c.set(before.Add(-time.Minute)); err == nil {
		t.Error("a minute back is taken")
	}
	if err := c.set(before.Add(36 * time.Hour)); err != nil || c.now().Before(before.Add(36*time.Hour)) {
		t.Errorf("%v %v", c.now(), err)
	}
	again, err := openClock(file, start)
	if err != nil || again.now().Before(before.Add(36*time.Hour)) {
		t.Errorf("over the old folder it is %v, %v", again.now(), err)
	}
}
