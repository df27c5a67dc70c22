package adoption

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

// Where a report's rows were read.
const (
	Primary = "primary"
	Replica = "replica"
)

// Source is where an answer was read, and how far behind what the service knows that is.
type Source struct {
	Source     string  `json:"source"`
	LagSeconds float64 `json:"lag_seconds"`
}

// pause is how long a replica that failed is left alone: while nobody answers there, every report would wait for it first.
const pause = 5 * time.Second

// replica is a copy of the database that reports are read from.
type replica struct {
	db *sqlx.DB

	mu     sync.Mutex
	failed time.Time // by the machine's clock
	why    error
}

// ReadFrom has reports read from a streaming replica of the database from now on. What it does not know yet is in no answer: as_of is cut to the
// last time that the folder told it (see NewFolder). While it does not answer, reports are read from the primary.
func (r *Reporter) ReadFrom(db *sqlx.DB) { r.replica = &replica{db: db} }

// here is the reporter that reads from the primary alone: for what is closed and signed.
func (r *Reporter) here() *Reporter {
	primary := *r
	primary.replica = nil
	return &primary
}

func (p *replica) usable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed.IsZero() || time.Since(p.failed) > pause
}

func (p *replica) judge(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why = err; err == nil {
		p.failed = time.Time{}
	} else {
		p.failed = time.Now()
	}
}

// ErrNoBeat says that a replica has not been told the clock yet: nobody can say what it knows.
var ErrNoBeat = errors.New("the replica does not know the time: is it a replica of this database, and does a feegate of this version run on the primary?")

// CheckReplica says whether reports are read from a replica, and what is wrong with it.
func (r *Reporter) CheckReplica(ctx context.Context) (configured bool, err error) {
	if r == nil || r.replica == nil {
		return false, nil
	}
	_, err = beat(ctx, r.replica.db)
	return true, err
}

// behindBy is what a replica that was told the clock at beat knows of a question at now: the time to which as_of is cut, and the lag. A beat of the
// future (two machines' clocks) is no lag.
func behindBy(beat, asOf, now time.Time) (time.Time, time.Duration) {
	lag := max(now.Sub(beat), 0)
	if asOf.After(beat) && lag > 0 {
		asOf = beat.In(zone)
	}
	return asOf, lag
}

// snapshot answers a question in one transaction: on the replica where there is one, on the primary where it cannot. It cuts the span to what
// was known there.
func (r *Reporter) snapshot(ctx context.Context, s *span, answer func(*sqlx.Tx, *span) error) error {
	if p := r.replica; p != nil && p.usable() {
		there := *s
		err := r.copied(ctx, &there, answer)
		if err == nil {
			*s = there
		}
		if ctx.Err() != nil {
			return err
		}
		if p.judge(err); err == nil {
			return nil
		}
	}
	tx, err := r.reading(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback() // it wrote nothing
	s.source = Source{Source: Primary}
	return answer(tx, s)
}

func (r *Reporter) copied(ctx context.Context, s *span, answer func(*sqlx.Tx, *span) error) error {
	first, cancel := context.WithTimeout(ctx, 2*time.Second) // whether it answers at all; the question itself may take longer
	defer cancel()
	if _, err := beat(first, r.replica.db); err != nil {
		return err
	}
	tx, err := readingFrom(ctx, r.replica.db)
	if err != nil {
		return err
	}
	defer tx.Rollback() // it wrote nothing
	at, err := beat(ctx, tx)
	if err != nil {
		return err
	}
	known, lag := behindBy(at, s.asOf, s.now)
	s.cut = s.cut || s.asked && known.Before(s.asOf)
	s.asOf, s.source = known, Source{Replica, float64(lag.Milliseconds()) / 1000}
	return answer(tx, s)
}
