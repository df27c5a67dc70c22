// Package breaker keeps one provider's trouble from becoming everybody's: an HTTP client per merchant account and
// operation with a bulkhead, a circuit breaker and a timeout.
//
// A call passes in this order. The bulkhead comes first, because it is the cheapest and shares nothing: with all slots
// taken the call is refused at once, never queued. Then the breaker. Then the provider, once: nothing here or in Go's
// transport repeats a request. The answer's body is read before the client returns, so that the timeout covers it.
//
// What is refused here, and what fails before any header was written, is providers.ErrNotSent; every other failure is
// providers.ErrUncertain. Failures that count are timeout, reset, refused connection, 5xx and unreadable answers; a
// decline, or a 4xx with a body, is an answer. A caller that gave up counts as neither.
//
// An open breaker probes by look-ups alone, which change nothing: a look-up's breaker lets one through as soon as OpenFor is
// over. Checkout, refund and cancel never find out by themselves whether the provider is back, for that would be done with
// somebody's money: theirs close, after OpenFor, on a look-up of the same account that was answered since. Where none is due,
// [Group.WaitForLookup] names the accounts that wait for one, and the program asks after a payment that does not exist.
//
// A call may be marked as the repetition of one whose outcome is not known (providers.Repeated). Repetitions live on a budget
// per account and operation: a fifth of the first calls, and a few a minute always. A provider in trouble is not buried under
// questions about what it did not answer.
//
// The package runs by the machine's clock. State is per process: each replica finds out for itself. What became of the calls is
// counted by quarters of an hour besides, for who keeps it (TakeTallies); these are named by the clock of facts.
package breaker

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"feegate/providers"
)

// Settings of a group; the zero value is ready for use.
type Settings struct {
	InFlight  int               // calls under way per account and operation; 32
	Failures  int               // failures in a row that open; 5
	OpenFor   time.Duration     // from opening to the first probe; 10 s
	Transport http.RoundTripper // what really sends; nil = one made here
	Now       func() time.Time  // the clock of facts, for tallies alone; nil = the machine's

	// Notify hears of every change of state, in order per account and operation, outside all locks.
	Notify func(account string, op providers.Operation, from, to string)
}

// The words for a state.
const (
	Closed   = "closed"
	Open     = "open"
	HalfOpen = "half_open"
)

// Mode is a manual override.
type Mode string

// Modes. Forced states hold until Auto is set; the bulkhead and the counting go on.
const (
	Auto         Mode = ""
	ForcedOpen   Mode = "forced_open"
	ForcedClosed Mode = "forced_closed"
)

// Counts is what became of the calls since the process started.
type Counts struct {
	Answered, Refused, OverBudget, Unconnected, Timeouts, Resets, ServerErrors, Unreadable, GivenUp int64
}

// State is a snapshot of one account's operation.
type State struct {
	Account   string
	Operation providers.Operation
	State     string // closed, open, half_open: as it works now, an override included
	Mode      Mode
	Reason    string    // of the override
	Since     time.Time // of the state
	Failures  int       // in a row
	InFlight  int
	Limit     int
	Counts    Counts
	Median    time.Duration // of the last 200 calls that were answered; 0 where there was none
	P95       time.Duration
	NextProbe time.Time // while open by itself: when a call may pass again
	Passing   bool      // a call is let through now
}

// Group holds the breakers of all accounts.
type Group struct {
	settings Settings
	mu       sync.Mutex
	accounts map[string]*account
}

// account is what the operations of one account share.
type account struct {
	id       string
	circuits map[providers.Operation]*circuit

	mu       sync.Mutex
	lookedUp time.Time // when a look-up was last answered
	probed   time.Time // when WaitForLookup last named the account
}

// New makes a group.
func New(s Settings) *Group {
	if s.InFlight <= 0 {
		s.InFlight = 32
	}
	if s.Failures <= 0 {
		s.Failures = 5
	}
	if s.OpenFor <= 0 {
		s.OpenFor = 10 * time.Second
	}
	if s.Transport == nil {
		s.Transport = newTransport(s.InFlight)
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	return &Group{settings: s, accounts: map[string]*account{}}
}

// newTransport keeps enough idle connections for a full bulkhead, and drops them soon: a connection that the provider has
// closed meanwhile costs an uncertain payment.
func newTransport(inFlight int) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          0,
		MaxIdleConnsPerHost:   inFlight,
		IdleConnTimeout:       20 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// Client is the client for one account's operation; all clients of the same two share bulkhead and breaker. It follows
// no redirect. Close the answer's body: that is when the answer counts as read.
func (g *Group) Client(accountID string, op providers.Operation, timeout time.Duration) *http.Client {
	return &http.Client{
		Transport:     &transport{circuit: g.circuit(accountID, op), base: g.settings.Transport, timeout: timeout},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Snapshot tells the state of every operation of an account that had a client, by name of the operation.
func (g *Group) Snapshot(accountID string) []State {
	g.mu.Lock()
	a := g.accounts[accountID]
	var circuits []*circuit
	if a != nil {
		for _, c := range a.circuits {
			circuits = append(circuits, c)
		}
	}
	g.mu.Unlock()
	states := make([]State, 0, len(circuits))
	for _, c := range circuits {
		states = append(states, c.snapshot(time.Now()))
	}
	slices.SortFunc(states, func(x, y State) int { return strings.Compare(string(x.Operation), string(y.Operation)) })
	return states
}

// WaitForLookup names the accounts with an operation that can only close on a look-up's word, when it may be asked for now.
// Each is named once in OpenFor.
func (g *Group) WaitForLookup() []string {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	var ids []string
	for id, a := range g.accounts {
		waits := false
		for op, c := range a.circuits {
			waits = waits || op != providers.OpLookup && c.waitsForLookup(now)
		}
		if lookup := a.circuits[providers.OpLookup]; waits && (lookup == nil || !lookup.shut(now)) && a.mayProbe(now, g.settings.OpenFor) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// mayProbe takes the account's turn to be named, once in a while.
func (a *account) mayProbe(now time.Time, every time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.probed) < every {
		return false
	}
	a.probed = now
	return true
}

// Override forces an operation open or closed, or lets it go with Auto; reason is shown to people.
func (g *Group) Override(accountID string, op providers.Operation, mode Mode, reason string) {
	g.circuit(accountID, op).override(mode, reason, time.Now())
}

func (g *Group) circuit(accountID string, op providers.Operation) *circuit {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := g.accounts[accountID]
	if a == nil {
		a = &account{id: accountID, circuits: map[providers.Operation]*circuit{}}
		g.accounts[accountID] = a
	}
	c := a.circuits[op]
	if c == nil {
		c = newCircuit(g.settings, a, op)
		a.circuits[op] = c
	}
	return c
}

func (a *account) noteLookup(now time.Time) {
	a.mu.Lock()
	a.lookedUp = now
	a.mu.Unlock()
}

func (a *account) lookedUpSince(t time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lookedUp.After(t)
}
