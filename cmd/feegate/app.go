package main

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/cmd/feegate/api"
	"feegate/cmd/feegate/checkout"
	"feegate/cmd/feegate/console"
	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/feed"
	"feegate/gateway/identity"
	"feegate/providers"
	"feegate/providers/breaker"
	"feegate/providers/casso"
	"feegate/providers/dvcqg"
	"feegate/providers/momo"
	"feegate/providers/payos"
	"feegate/providers/sepay"
	"feegate/providers/vietqr"
	"feegate/providers/vnpay"
	"feegate/providers/zalopay"
	"feegate/reconciliation"
	"feegate/reconciliation/adoption"
	"feegate/reconciliation/adoption/forms"
	"feegate/reconciliation/adoption/honesty"
)

// app is the whole program, wired: the only place where concrete types meet.
type app struct {
	handler    http.Handler
	gateway    *gateway.Gateway
	accounts   *account.Store
	people     *identity.Store
	reconciler *reconciliation.Reconciler
	reporter   *adoption.Reporter
	book       *honesty.Book
	folder     *adoption.Folder
	desk       *console.Console
	duty       *watch
	calls      *callBook
	jobs       *jobBook
	endStreams func()                        // a server that stops waits for them
	feeding    []func(context.Context) error // the sequencer and the deliverer
	log        *slog.Logger
}

// newApp wires the program over its database and master key; now is the one clock of facts.
func newApp(ctx context.Context, db *sqlx.DB, keys *account.Keys, publicURL string, now func() time.Time, log *slog.Logger, trusted ...string) (*app, error) {
	publicURL = strings.TrimSuffix(publicURL, "/")
	changes := make(chan gateway.ProviderState, 256)
	breakers := breaker.New(breaker.Settings{Now: now, Notify: func(account string, op providers.Operation, from, to string) {
		log.Warn("breaker", "account", account, "operation", string(op), "from", from, "to", to)
		select { // told from inside a call: it must not wait
		case changes <- gateway.ProviderState{AccountID: account, Operation: string(op), State: to}:
		default:
			log.Error("a breaker's change is not told: too many at once", "account", account, "operation", string(op))
		}
	}})
	accounts := account.NewStore(db, keys, registry(), publicURL, now, breakers.Client)
	g := gateway.New(db, accounts, keys, publicURL, now)
	g.AskBefore(func(accountID string) bool {
		_, down := checkoutDown(breakers, accountID)
		return down
	})
	// Webhooks to this machine itself are for a program that serves this machine alone.
	options := feed.Options{AllowLoopback: strings.HasPrefix(publicURL, "http://127.0.0.1:")}
	s := store{db: db, gateway: g}
	people, err := identity.New(ctx, db, identity.Options{Now: now, Keys: keys})
	if err != nil {
		return nil, err
	}
	reconciler, reporter := reconciliation.New(db, accounts, g, now), adoption.New(db, now)
	reporter.TellClosed(g.TellReportClosed)
	book := honesty.New(db, reporter, now)
	papers := forms.New(reporter, reconciler, accounts, book, people.Names, now)
	duty := &watch{breakers: breakers, accounts: accounts, gateway: g, changes: changes, log: log}
	endpoints := feed.NewEndpoints(db, keys, now, options)
	handler, err := api.New(api.Deps{Gateway: g, Accounts: accounts, Breakers: breakers, Identity: people, ApplyOverrides: duty.applyOverrides,
		Reconciler: reconciler, Adoption: reporter, Forms: papers, Honesty: book, PageOf: s.pageOf,
		Feed: feed.NewReader(db), Endpoints: endpoints, Ready: db.PingContext, Now: now, Log: log, TrustedProxies: trusted})
	if err != nil {
		return nil, err
	}
	visitors, err := page.NewVisitors(trusted)
	if err != nil {
		return nil, err
	}
	pages, err := checkout.New(checkout.Deps{Gateway: g, Visitors: visitors, Admit: api.Door(), Now: now, Log: log,
		Down: func(accountID string) (time.Time, bool) { return checkoutDown(breakers, accountID) }})
	if err != nil {
		return nil, err
	}
	jobs := &jobBook{past: map[string]console.Job{}}
	desk, err := console.New(console.Deps{Gateway: g, Reconciler: reconciler, Adoption: reporter, Forms: papers, Honesty: book, Identity: people, Accounts: accounts, Breakers: breakers,
		Endpoints: endpoints, Jobs: jobs, ApplyOverrides: duty.applyOverrides, Visitors: visitors, Admit: api.Door(), PublicURL: publicURL, CountWithin: 2 * time.Second, Now: now, Log: log})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.Handle("GET /{$}", http.RedirectHandler("/console", http.StatusSeeOther)) // who types the bare address is a person
	pages.Mount(mux)
	desk.Mount(mux)
	a := &app{jobs: jobs, handler: mux, gateway: g, accounts: accounts, people: people, reconciler: reconciler, reporter: reporter, book: book, desk: desk, folder: adoption.NewFolder(db, now), duty: duty, calls: &callBook{breakers: breakers, gateway: g}, endStreams: pages.Close, log: log,
		feeding: []func(context.Context) error{feed.NewSequencer(db, log).Run, feed.NewDeliverer(db, keys, now, log, options).Run}}
	jobs.set(a.jobsEvery(time.Second))
	return a, nil
}

// readFrom has reports read from a replica of the database. One that does not answer now may do so later: meanwhile the primary does.
func (a *app) readFrom(ctx context.Context, replica *sqlx.DB) {
	a.folder.Beat()
	a.reporter.ReadFrom(replica)
	if _, err := a.reporter.CheckReplica(ctx); err != nil {
		a.log.WarnContext(ctx, "reports are read from the primary: the replica does not answer", "error", err)
	}
}

// checkAccounts says at the start which accounts cannot be used, and why: a payer would find out too late. One bad account stops
// nobody else's payments.
func (a *app) checkAccounts(ctx context.Context) error {
	entries, err := a.accounts.ForAgency(ctx, "")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Err != nil {
			a.log.ErrorContext(ctx, "an account cannot be used", "account", e.Account.ID, "error", e.Err)
		} else if e.Account.Unapproved {
			a.log.WarnContext(ctx, "an account takes no payments: no beneficiary is approved and in force", "account", e.Account.ID)
		}
	}
	return nil
}

// registry is every provider that this program speaks to.
func registry() providers.Registry {
	return providers.NewRegistry(vnpay.Registration(), momo.Registration(), zalopay.Registration(), dvcqg.Registration(),
		vietqr.Registration(), sepay.Registration(), casso.Registration(), payos.Registration())
}

// checkoutDown says until when no payment can be started at an account, no time where a person must open it again; false: one can.
// When the time is over one call is let through to find out.
func checkoutDown(g *breaker.Group, accountID string) (time.Time, bool) {
	for _, s := range g.Snapshot(accountID) {
		if s.Operation == providers.OpCheckout && !s.Passing {
			return s.NextProbe, true
		}
	}
	return time.Time{}, false
}

// batch is how much of each kind of due work one tick takes on.
const batch = 100

// work does what is due, each kind every so often, until the context ends. Any number of replicas may do it.
func (a *app) work(ctx context.Context, every time.Duration) *sync.WaitGroup {
	var wg sync.WaitGroup
	for _, run := range a.feeding {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("the feed stopped", "error", err)
			}
		})
	}
	wg.Go(func() { a.duty.tell(ctx) })
	for _, j := range a.jobs.set(a.jobsEvery(every)) {
		a.every(ctx, &wg, j)
	}
	return &wg
}

// jobsEvery is the work in the background; what is due soonest is looked for every so often.
func (a *app) jobsEvery(every time.Duration) []job {
	return []job{
		{"sweep", every, 3, a.gateway.Sweep}, {"refunds", every, 2, a.gateway.SweepRefunds}, {"expire", every, 1, a.gateway.Expire},
		{"documents", 10 * time.Second, 1, a.gateway.FetchDocuments},
		{"statements", 5 * time.Second, 1, a.reconciler.HearStatements},
		{"transfers", 15 * time.Second, 1, a.gateway.FetchTransfers}, {"unmatched", 2 * every, 1, a.reconciler.NameTransfers},
		{"slips", 2 * every, 1, a.reconciler.MatchSlips}, {"missed", 30 * every, 1, a.reconciler.MarkDue}, {"days", 2 * every, 1, a.reconciler.MatchLeft},
		{"late", time.Minute, 1, a.reconciler.AdjustLate}, {"reports", 2 * every, 1, a.reporter.Produce},
		{"payers", 5 * time.Second, 1, a.book.FlagPayers}, {"flags", time.Minute, 1, a.book.CompareFlags},
		{"aggregates", every, 1, a.folder.Fold}, {"sums", time.Hour, 1, a.reporter.CheckAggregates},
		{"overrides", every, 1, func(ctx context.Context, _ int) (int, error) { return 0, a.duty.applyOverrides(ctx) }},
		{"probes", every, 1, a.duty.probe},
		{"calls", 15 * every, 1, a.calls.write},
		{"housekeeping", time.Hour, 1, a.gateway.Housekeep},
		{"audit", 2 * every, 1, a.people.Seal},
		{"sessions", time.Hour, 1, func(ctx context.Context, _ int) (int, error) { return 0, a.people.Sweep(ctx) }},
	}
}

// every does a job until the context ends.
func (a *app) every(ctx context.Context, wg *sync.WaitGroup, j job) {
	for range j.alike {
		wg.Go(func() {
			ticker := time.NewTicker(j.every)
			defer ticker.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
				}
				for n := batch; n == batch && ctx.Err() == nil; { // a full batch: there is more
					var err error
					if n, err = a.jobs.once(ctx, j); err != nil && ctx.Err() == nil {
						a.log.Error("work in the background", "job", j.name, "error", err)
						break
					}
				}
			}
		})
	}
}
