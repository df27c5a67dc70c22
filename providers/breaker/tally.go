package breaker

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"feegate/providers"
)

// Quarter is the time that one tally is of.
const Quarter = 15 * time.Minute

// kept is how many quarters of an operation wait to be taken at most: two days, as long as anybody looks back. The oldest goes first.
const kept = 192

// slices of time that answered calls are counted in, and one more for what took longer than the last.
const steps = 8

// Times counts answered calls by how long they took: the first holds those up to the first of Bounds, the last those over all of them.
type Times [steps]int64

// Bounds are the upper ends of Times, each within its own.
func Bounds() [steps - 1]time.Duration {
	return [...]time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second}
}

func (t *Times) count(took time.Duration) {
	bounds := Bounds()
	n, _ := slices.BinarySearch(bounds[:], took)
	t[n]++
}

// Sum is how many there are.
func (t *Times) Sum() (n int64) {
	for _, one := range t {
		n += one
	}
	return n
}

// Add adds others.
func (t *Times) Add(more Times) {
	for n := range t {
		t[n] += more[n]
	}
}

// Within reads a percentile as the upper bound of where it lies: so many percent of the calls took no longer. over: it lies beyond
// the last bound, which is given; of no calls it is 0.
func (t *Times) Within(percent int64) (bound time.Duration, over bool) {
	bounds, sum, seen := Bounds(), t.Sum(), int64(0)
	if sum == 0 {
		return 0, false
	}
	for n, bound := range bounds {
		if seen += t[n]; 100*seen >= percent*sum {
			return bound, false
		}
	}
	return bounds[len(bounds)-1], true
}

// Tally is what became of the calls of an account's operation that ended in one quarter of an hour. What was not sent at all because
// the breaker or the bulkhead refused it is no call, and one whose caller gave up is neither answered nor failed.
type Tally struct {
	Account   string
	Operation providers.Operation
	Quarter   time.Time // its beginning, UTC
	Failed    int64
	Took      Times // of those answered
}

// Calls is how many there were.
func (t *Tally) Calls() int64 { return t.Took.Sum() + t.Failed }

// TakeTallies gives what was counted since the last time, in order of account, operation and time, and forgets it: who takes it keeps it.
func (g *Group) TakeTallies() (out []Tally) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.accounts {
		for _, c := range a.circuits {
			out = append(out, c.takeTallies()...)
		}
	}
	slices.SortFunc(out, func(x, y Tally) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Operation, y.Operation), x.Quarter.Compare(y.Quarter))
	})
	return out
}

func (c *circuit) takeTallies() (out []Tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.tallies {
		out = append(out, *t)
	}
	c.tallies = nil
	return out
}

// tally counts a call under the quarter that it ended in; c.mu is held.
func (c *circuit) tally(o outcome, took time.Duration, ended time.Time) {
	if o == givenUp {
		return
	}
	quarter := ended.UTC().Truncate(Quarter)
	t := c.tallies[quarter]
	if t == nil {
		if c.tallies == nil {
			c.tallies = map[time.Time]*Tally{}
		}
		if len(c.tallies) == kept {
			delete(c.tallies, slices.MinFunc(slices.Collect(maps.Keys(c.tallies)), time.Time.Compare))
		}
		t = &Tally{Account: c.account.id, Operation: c.op, Quarter: quarter}
		c.tallies[quarter] = t
	}
	if o == answered {
		t.Took.count(took)
	} else {
		t.Failed++
	}
}
