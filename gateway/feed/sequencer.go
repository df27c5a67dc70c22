package feed

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jmoiron/sqlx"
)

const (
	batch       = 500
	maxBackOff  = 5 * time.Second
	sequencerID = 7310002 // the advisory lock; 7310001 is that of ensure_partitions
)

// Sequencer numbers events. Any number may run: one at a time works, the others find the lock taken and come back.
type Sequencer struct {
	db  *sqlx.DB
	log *slog.Logger
}

// NewSequencer makes a sequencer.
func NewSequencer(db *sqlx.DB, log *slog.Logger) *Sequencer { return &Sequencer{db, log} }

// Step moves one batch and says how many events it moved; 0 also when another sequencer is at work.
//
// Outbox ids are given before commit, so an event may come to light after one with a greater id was moved. That is fine:
// numbers are given here. Of one order, ids follow commits (they are given under the order's row lock), so its events are
// never visible out of order and never moved so.
func (s *Sequencer) Step(ctx context.Context) (int, error) { return sequence(ctx, s.db, batch) }

// Run sequences until ctx ends: at once while there is a full batch, else every 20–50 ms, slower while the database fails.
func (s *Sequencer) Run(ctx context.Context) error {
	backOff := time.Duration(0)
	for {
		n, err := s.Step(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			backOff = min(max(2*backOff, 100*time.Millisecond), maxBackOff)
			s.log.ErrorContext(ctx, "sequencing events", "error", err, "again_in", backOff)
			if !pause(ctx, backOff) {
				return ctx.Err()
			}
			continue
		case n == batch:
			backOff = 0
			continue
		}
		backOff = 0
		if !pause(ctx, 20*time.Millisecond+rand.N(30*time.Millisecond)) {
			return ctx.Err()
		}
	}
}
