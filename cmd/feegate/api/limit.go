package api

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"feegate/gateway"
)

// A runaway loop must not take the service from everybody else; nobody who works normally meets these. Per key or person, and
// per address for those who are not known yet. They run by the machine's clock, per replica.
const (
	knownPerSecond, knownBurst     = 5000, 10000
	unknownPerSecond, unknownBurst = 100, 500
	limitersKept                   = 10000
)

// limiter keeps a token bucket for each caller.
type limiter struct {
	perSecond rate.Limit
	burst     int

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

func newLimiter(perSecond rate.Limit, burst int) *limiter {
	return &limiter{perSecond: perSecond, burst: burst, buckets: map[string]*rate.Limiter{}}
}

func (l *limiter) of(who string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets[who]
	if !ok {
		if len(l.buckets) >= limitersKept { // rare, and cheaper than keeping an order: each starts with a full bucket again
			clear(l.buckets)
		}
		b = rate.NewLimiter(l.perSecond, l.burst)
		l.buckets[who] = b
	}
	return b
}

// Door limits visitors who are not known, by address, for pages beside this edge; false: come back later.
func Door() func(address string) bool {
	l := newLimiter(unknownPerSecond, unknownBurst)
	return func(address string) bool { return l.of(address).Allow() }
}

// admit takes one request off the caller's bucket and tells them where they stand (the RateLimit fields of the IETF draft);
// false: it was refused with 429.
func (s *server) admit(c *gin.Context, l *limiter, who string) bool {
	now := time.Now()
	b := l.of(who)
	ok := b.AllowN(now, 1)
	left := max(0, int(b.TokensAt(now)))
	c.Header("RateLimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d`, l.burst, int(math.Ceil(float64(l.burst)/float64(l.perSecond)))))
	c.Header("RateLimit", fmt.Sprintf(`"default";r=%d;t=1`, left))
	if !ok {
		retryAfter(c, 1)
		s.refuse(c, &gateway.Problem{Name: problemTooMany, Detail: "send fewer requests a second"})
	}
	return ok
}

// throttle limits requests of callers who are not known, by address: sign-ins, and pages that a token opens.
func (s *server) throttle(c *gin.Context) {
	if !s.admit(c, s.unknown, c.ClientIP()) {
		return
	}
	if err := s.contract.asked(c); err != nil {
		s.refuse(c, err)
	}
}
