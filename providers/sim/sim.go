// Package sim is the machinery that the simulated providers share: a movable clock, accounts, the ledger of what was
// truly taken, faults from a seed, callbacks with their copies, forgeries and retries, settlement files and bank
// statements, the control calls, and the state on disk.
//
// Only cmd/simulator and tests import it. It never imports the adapters (providers/vnpay, …): the simulators write each
// wire a second time, so that two independent readings of the vendor's page check each other. It is not gin: the gateway
// must never be able to pull a simulator in by way of a shared web framework.
//
// Truth and word are kept apart. The ledger holds what happened to money; a callback may say something else (another
// amount, a forged signature, a refusal of a payment that was taken), for that is what the gateway must survive.
package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"feegate/gateway/vnd"
)

// Limits. A simulator on a developer's machine says no early and clearly instead of growing without an end.
const (
	MaxPayments    = 200_000
	MaxBulk        = 50_000
	MaxAccounts    = 1_000
	MaxArmed       = 1_000
	MaxCopies      = 100
	MaxControlBody = 64 << 10
	MaxBulkBody    = 16 << 20
	MaxWireBody    = 64 << 10
	maxDelay       = 10 * time.Minute
	maxAnswer      = 64 << 10
)

// Errors of the ledger; the control calls and the wires turn them into their own words.
var (
	ErrFull     = fmt.Errorf("the simulator keeps at most %d payments: start it with an empty data directory", MaxPayments)
	ErrUnknown  = errors.New("no such payment")
	ErrConflict = errors.New("this cannot be done to the payment as it stands")
	ErrInvalid  = errors.New("not valid")
	// ErrSilent is a wire's word that its vendor sends no such message.
	ErrSilent = errors.New("the provider tells of this nobody")
)

// Wire is what one provider adds to the machinery: its paths, its messages, its file.
type Wire interface {
	Name() string
	// Credentials names what an account must bring; the first is the terminal's own id and may be left out.
	Credentials() []string
	// Routes are patterns of net/http below /{name}/.
	Routes(*World) map[string]http.HandlerFunc
	// Callback writes what the provider's server would send; ErrSilent = nothing.
	Callback(Account, Payment, Message) (Outgoing, error)
	// Delivered reports whether the answer ends the vendor's retries.
	Delivered(status int, body []byte) bool
	// Retries is the vendor's schedule: so many calls in all, so far apart. One call means none.
	Retries() (calls int, every time.Duration)
	// DeclineCode is the code of a plain "the bank said no".
	DeclineCode() string
	// Settlement describes the provider's file.
	Settlement() SettlementFormat
}

// Options of a world.
type Options struct {
	Wires   []Wire
	DataDir string       // "" keeps nothing on disk
	Start   time.Time    // of the clock in a new world; zero = the machine's time
	HTTP    *http.Client // for callbacks; nil = a plain one with 15 s
	Log     *slog.Logger
	// MoveGateway moves the gateway's clock too; nil = there is none to move. It runs before the simulator's own move, so
	// that a refusal leaves both where they were.
	MoveGateway func(context.Context, time.Time) error
}

// World is one simulated country: every provider, its accounts and what it took. Safe for concurrent use.
type World struct {
	clock *Clock
	wires map[string]Wire
	names []string
	http  *http.Client
	log   *slog.Logger
	move  func(context.Context, time.Time) error

	mu       sync.Mutex
	accounts map[accountKey]Account
	ledger   ledger
	bank     bankAccounts
	armed    map[string][]Decision
	armedRef map[string][]RefundDecision
	retries  []retry
	faults   map[faultKey]*injector

	moving sync.Mutex // one move of the two clocks at a time
	disk   *disk
	retryC chan struct{}
	stop   context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// New makes a world, with the state found in the data directory where there is one.
func New(o Options) (*World, error) {
	w := &World{
		wires: map[string]Wire{}, http: o.HTTP, log: o.Log, move: o.MoveGateway,
		accounts: map[accountKey]Account{}, ledger: newLedger(), bank: bankAccounts{booked: map[string]bool{}, virtual: map[string]paymentKey{}}, armed: map[string][]Decision{},
		armedRef: map[string][]RefundDecision{}, faults: map[faultKey]*injector{}, retryC: make(chan struct{}, 1),
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if w.http == nil {
		w.http = &http.Client{Timeout: 15 * time.Second}
	}
	client := *w.http
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.http = &client
	for _, wire := range o.Wires {
		w.wires[wire.Name()] = wire
		w.names = append(w.names, wire.Name())
	}
	start := o.Start
	if o.DataDir != "" {
		d, saved, err := openDisk(o.DataDir)
		if err != nil {
			return nil, fmt.Errorf("simulator state: %w", err)
		}
		w.disk = d
		if saved != nil {
			if err := w.restore(saved); err != nil {
				return nil, fmt.Errorf("simulator state in %s: %w", d.path, err)
			}
			if saved.Now.After(start) {
				start = saved.Now
			}
		}
	}
	w.clock = NewClock(start)
	w.stop, w.cancel = context.WithCancel(context.Background())
	w.wg.Go(w.retryLoop)
	if w.disk != nil {
		w.wg.Go(w.saveLoop)
		w.changed()
	}
	return w, nil
}

// Close stops the work in the background and writes the state a last time.
func (w *World) Close() error {
	w.cancel()
	w.wg.Wait()
	if w.disk == nil {
		return nil
	}
	return w.disk.write(w.snapshot())
}

// Now is the simulated time.
func (w *World) Now() time.Time { return w.clock.Now() }

// Clock is the simulated clock.
func (w *World) Clock() *Clock { return w.clock }

// Go runs work that Close waits for; its context ends with the world.
func (w *World) Go(f func(context.Context)) { w.wg.Go(func() { f(w.stop) }) }

type accountKey struct{ provider, terminal string }

// Account is a merchant's terminal at a provider.
type Account struct {
	Provider    string            `json:"provider"`
	Terminal    string            `json:"terminal"`
	Credentials map[string]string `json:"credentials"`
	CallbackURL string            `json:"callback_url"`
	Tariff      vnd.Tariff        `json:"tariff"`
	// QueryLimit turns on the vendor's "not twice within five minutes". It is off unless asked for: tests move the clock
	// at will and most of them are about something else.
	QueryLimit bool `json:"query_limit,omitempty"`
	// BankAccount is where the money comes into, where the terminal's id does not say so.
	BankAccount string `json:"bank_account,omitempty"`
}

// Account finds a terminal.
func (w *World) Account(provider, terminal string) (Account, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, ok := w.accounts[accountKey{provider, terminal}]
	return a, ok
}

// Accounts lists all terminals, by provider and id.
func (w *World) Accounts() []Account {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sortedAccounts()
}

// PutAccount registers a terminal or replaces its set-up.
func (w *World) PutAccount(a Account) error {
	wire, ok := w.wires[a.Provider]
	if !ok {
		return fmt.Errorf("provider %q: %w: not simulated", a.Provider, ErrInvalid)
	}
	if a.Credentials == nil {
		a.Credentials = map[string]string{}
	}
	for i, name := range wire.Credentials() {
		v := a.Credentials[name]
		switch {
		case i == 0 && v == "":
			a.Credentials[name] = a.Terminal
		case i == 0 && v != a.Terminal:
			return fmt.Errorf("credentials.%s: %w: %q is not the terminal %q of the address", name, ErrInvalid, v, a.Terminal)
		case v == "":
			return fmt.Errorf("credentials.%s: %w: missing", name, ErrInvalid)
		}
	}
	if a.Tariff.BPS < 0 || a.Tariff.BPS > 10_000 || !a.Tariff.Fixed.Valid() || !a.Tariff.Min.Valid() || !a.Tariff.Max.Valid() {
		return fmt.Errorf("tariff: %w: bps is 0 to 10000", ErrInvalid)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key := accountKey{a.Provider, a.Terminal}
	if _, known := w.accounts[key]; !known && len(w.accounts) >= MaxAccounts {
		return fmt.Errorf("%w: at most %d accounts", ErrInvalid, MaxAccounts)
	}
	w.accounts[key] = a
	w.changed()
	return nil
}
