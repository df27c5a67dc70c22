package breaker

import (
	"sync"
	"time"
)

// Why these figures: under one fifth a provider that fails everything gets 1.2 calls for each that it got when it was well, which
// it can bear; the floor keeps a quiet account's few open questions being asked; the ceiling keeps a long quiet time from saving
// up a storm.
const (
	budgetShare   = 5  // one repetition for so many first calls
	budgetFloor   = 30 // repetitions a minute in any case
	budgetCeiling = 60 // repetitions saved up at most
)

// budget counts what may be repeated, in fifths of a call.
type budget struct {
	mu     sync.Mutex
	fifths float64
	at     time.Time
}

func (b *budget) fill(now time.Time) { b.fifths, b.at = budgetCeiling*budgetShare, now }

// take pays for a repetition, or saves up by a first call.
func (b *budget) take(repeated bool, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fifths = min(budgetCeiling*budgetShare, b.fifths+now.Sub(b.at).Minutes()*budgetFloor*budgetShare)
	b.at = now
	if !repeated {
		b.fifths = min(budgetCeiling*budgetShare, b.fifths+1)
		return true
	}
	if b.fifths < budgetShare {
		return false
	}
	b.fifths -= budgetShare
	return true
}
