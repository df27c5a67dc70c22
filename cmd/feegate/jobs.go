package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"feegate/cmd/feegate/console"
)

// job is a kind of work that is due every so often.
type job struct {
	name  string
	every time.Duration
	alike int // workers: while one waits for a provider that hangs, another takes what is due meanwhile
	do    func(context.Context, int) (int, error)
}

// jobBook knows the work in the background of this process: what there is, when it was last done, and what went wrong. Work that failed is
// taken up again at its next turn: what is due stands in the database.
type jobBook struct {
	jobs []job
	mu   sync.Mutex
	past map[string]console.Job
}

// set says what work there is.
func (b *jobBook) set(jobs []job) []job {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.jobs = jobs
	return jobs
}

// note writes down that a job was done.
func (b *jobBook) note(j job, at time.Time, took time.Duration, n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.past[j.name]
	p.Runs, p.LastAt, p.Took = p.Runs+1, at, took
	if p.Done += int64(n); n > 0 {
		p.WorkedAt = at
	}
	if err != nil {
		p.Failures, p.FailedAt, p.Error = p.Failures+1, at, err.Error()
	}
	p.Failing = err != nil
	b.past[j.name] = p
}

// Jobs lists the work.
func (b *jobBook) Jobs() []console.Job {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]console.Job, 0, len(b.jobs))
	for _, j := range b.jobs {
		p := b.past[j.name]
		p.Name, p.Every, p.Workers = j.name, j.every, j.alike
		out = append(out, p)
	}
	return out
}

// Run does one batch of a job now; false: there is no such job.
func (b *jobBook) Run(ctx context.Context, name string) (int, bool, error) {
	b.mu.Lock()
	all := b.jobs
	b.mu.Unlock()
	for _, j := range all {
		if j.name == name {
			n, err := b.once(ctx, j)
			return n, true, err
		}
	}
	return 0, false, nil
}

// once does a batch and notes it. The times are the machine's, as the turns are.
func (b *jobBook) once(ctx context.Context, j job) (int, error) {
	began := time.Now()
	n, err := j.do(ctx, batch)
	if ctx.Err() == nil {
		b.note(j, began, time.Since(began), n, err)
	}
	if err != nil {
		return n, fmt.Errorf("doing %s: %w", j.name, err)
	}
	return n, nil
}
