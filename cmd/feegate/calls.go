package main

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"feegate/gateway"
	"feegate/providers/breaker"
)

// callBook carries what the breakers of this process counted into the database, beside the calls and never on their path. What was
// counted since the last turn is lost with a process that is killed.
type callBook struct {
	breakers *breaker.Group
	gateway  *gateway.Gateway

	mu      sync.Mutex // one write at a time
	batch   string     // the name under which pending is written
	pending []breaker.Tally
}

// write adds what was counted since the last time. What could not be written keeps its name and is written again the next time,
// first: whether the database had taken it the name tells.
func (b *callBook) write(ctx context.Context, _ int) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.put(ctx)
	if err != nil {
		return n, err
	}
	b.batch, b.pending = rand.Text(), b.breakers.TakeTallies()
	more, err := b.put(ctx)
	return n + more, err
}

// put writes what is pending; b.mu is held.
func (b *callBook) put(ctx context.Context) (int, error) {
	if len(b.pending) == 0 {
		return 0, nil
	}
	if err := b.gateway.AddProviderCalls(ctx, b.batch, b.pending); err != nil {
		return 0, err
	}
	n := len(b.pending)
	b.pending = nil
	return n, nil
}

// lastTurn is how long a program that stops waits for what it still has to write.
const lastTurn = 5 * time.Second

// settle writes what this process alone still knows. It is called when nothing calls a provider any more; the context may have ended.
func (a *app) settle(ctx context.Context) {
	ctx, release := context.WithTimeout(context.WithoutCancel(ctx), lastTurn)
	defer release()
	if _, err := a.calls.write(ctx, batch); err != nil {
		a.log.Error("the last counts of calls to providers are lost", "error", err)
	}
}
