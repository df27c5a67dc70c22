package gateway

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// coalescer gathers what concurrent callers want written, so that many of them share one statement and one commit. A batch
// waits for nobody: it is whatever has come while the last one was being written. One caller alone is written at once.
type coalescer[T any] struct {
	flush    func(ctx context.Context, batch []*waiting[T])
	flushers int // batches under way at once
	most     int // of a batch

	mu      sync.Mutex
	queue   []*waiting[T]
	running int
}

// waiting is one caller's piece of work; flush finishes each, or hands it back by [coalescer.again].
type waiting[T any] struct {
	work T
	err  error
	done chan struct{}
}

func (w *waiting[T]) finish(err error) {
	w.err = err
	close(w.done)
}

func newCoalescer[T any](flushers, most int, flush func(context.Context, []*waiting[T])) *coalescer[T] {
	return &coalescer[T]{flush: flush, flushers: flushers, most: most}
}

// do has the work written with others' and gives its own error. When the context ends first the work may still be done: the
// caller cannot know, as after any broken connection.
func (c *coalescer[T]) do(ctx context.Context, work T) error {
	w := &waiting[T]{work: work, done: make(chan struct{})}
	c.enqueue(w)
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// again puts work back that must not share this batch, to be in the next.
func (c *coalescer[T]) again(w *waiting[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, w)
}

func (c *coalescer[T]) enqueue(w *waiting[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, w)
	if c.running < c.flushers {
		c.running++
		go c.run()
	}
}

func (c *coalescer[T]) run() {
	for batch := c.take(); batch != nil; batch = c.take() {
		c.guarded(batch)
	}
}

func (c *coalescer[T]) guarded(batch []*waiting[T]) {
	defer answerPanic(batch)
	c.flush(context.Background(), batch) // no one caller's context: the batch is everybody's
}

// alone does one piece of work by itself, without holding up the next batch.
func (w *waiting[T]) alone(ctx context.Context, do func(context.Context, T) error) {
	go func() {
		defer answerPanic([]*waiting[T]{w})
		w.finish(do(ctx, w.work))
	}()
}

// answerPanic makes a panic the error of each caller who waits, as it would be without the coalescer.
func answerPanic[T any](batch []*waiting[T]) {
	p := recover()
	if p == nil {
		return
	}
	err := fmt.Errorf("panic while writing: %v\n%s", p, debug.Stack())
	for _, w := range batch {
		select {
		case <-w.done:
		default:
			w.finish(err)
		}
	}
}

// take gives the next batch; nil ends its flusher, decided under the same lock as enqueue's, so that nobody is left waiting.
func (c *coalescer[T]) take() []*waiting[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		c.running--
		return nil
	}
	n := min(len(c.queue), c.most)
	batch := c.queue[:n:n]
	c.queue = append([]*waiting[T](nil), c.queue[n:]...)
	return batch
}
