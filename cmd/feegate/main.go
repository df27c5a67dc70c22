// Command feegate is the fee payment gateway: one binary, one command per task. This package alone chooses concrete types;
// everything below it takes what it is given.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/migrations"
)

type commands struct {
	Serve     serveCommand     `cmd:"" help:"Serve the API, callbacks and returns, and do the work in the background."`
	Migrate   migrateCommand   `cmd:"" help:"Bring the database to this program's schema. Needs the address of the database's owner."`
	Demo      demoCommand      `cmd:"" help:"Run the whole street on this machine: a private PostgreSQL, the gateway, the simulator."`
	Account   accountCommands  `cmd:"" help:"Merchant accounts: their terms, secrets and beneficiaries, and whether the provider takes them."`
	Key       keyCommands      `cmd:"" help:"The master key, and API keys."`
	User      userCommands     `cmd:"" help:"People who may sign in."`
	Import    importCommands   `cmd:"" help:"Take in settlement files and bank statements."`
	Reconcile reconcileCommand `cmd:"" help:"Match a day again, and tell what it comes to."`
	Day       dayCommands      `cmd:"" help:"The end of a day: close it, sign it, open it again, and see whether anybody has touched it since."`
	Report    reportCommands   `cmd:"" help:"The online payment rate: show it, close it, write its forms, and see whether closed reports still are what was closed."`
	Audit     auditCommands    `cmd:"" help:"What people and programs did: verify that nobody touched it, export it."`
	Doctor    doctorCommand    `cmd:"" help:"Say in plain words what is wrong with a set-up and how to mend it."`
	Version   versionCommand   `cmd:"" help:"Say which version this is."`
}

// invocation is what every command gets.
type invocation struct {
	ctx         context.Context
	out, errOut io.Writer
	log         *slog.Logger
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// exited carries kong's wish to end, for --help, out of the parser.
type exited int

// run is main with its surroundings given: 0 done, 1 failed, 2 wrong use.
func run(ctx context.Context, args []string, out, errOut io.Writer) (code int) {
	defer func() {
		if p := recover(); p != nil {
			e, ok := p.(exited)
			if !ok {
				panic(p)
			}
			code = int(e)
		}
	}()
	parser, err := kong.New(&commands{}, kong.Name("feegate"), kong.Description("The fee payment gateway of a province."), kong.Writers(out, errOut),
		kong.Exit(func(c int) { panic(exited(min(c, 1) * 2)) }))
	if err != nil {
		_, _ = fmt.Fprintln(errOut, err)
		return 1
	}
	command, err := parser.Parse(args)
	if err != nil {
		parser.Errorf("%v", err)
		return 2
	}
	log := slog.New(slog.NewJSONHandler(errOut, nil))
	if err := command.Run(&invocation{ctx, out, errOut, log}); err != nil {
		_, _ = fmt.Fprintln(errOut, "feegate:", err)
		return 1
	}
	return 0
}

type versionCommand struct{}

// Run prints the version that Go built in.
func (versionCommand) Run(i *invocation) error {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				version += " " + s.Value
			}
		}
	}
	_, err := fmt.Fprintln(i.out, "feegate", version)
	return err
}

type migrateCommand struct {
	DatabaseURL string `required:"" env:"FEEGATE_DATABASE_URL" help:"Address of the database, as its owner." placeholder:"URL"`
}

// Run migrates.
func (m *migrateCommand) Run(i *invocation) error {
	db, err := sqlx.ConnectContext(i.ctx, "postgres", m.DatabaseURL)
	if err != nil {
		return fmt.Errorf("the database cannot be reached: %w", err)
	}
	version, err := migrations.Up(i.ctx, db.DB)
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(i.out, "the database is at version %d\n", version)
	return err
}

type serveCommand struct {
	DatabaseURL    string    `required:"" env:"FEEGATE_DATABASE_URL" help:"Address of the database, as the service role." placeholder:"URL"`
	ReportDatabase string    `name:"report-database-url" env:"FEEGATE_REPORT_DATABASE_URL" help:"Address of a read replica of the database, from which reports are read." placeholder:"URL"`
	Listen         string    `default:"127.0.0.1:8080" env:"FEEGATE_LISTEN" help:"Address to listen on." placeholder:"ADDR"`
	PublicURL      string    `required:"" env:"FEEGATE_PUBLIC_URL" help:"Address under which payers and providers reach this." placeholder:"URL"`
	MasterKeyFile  string    `required:"" env:"FEEGATE_MASTER_KEY_FILE" help:"File with the master key, mode 0600." placeholder:"FILE"`
	TrustedProxies []string  `env:"FEEGATE_TRUSTED_PROXIES" help:"Addresses or networks of proxies whose X-Forwarded-For is believed." placeholder:"CIDR"`
	Inbox          string    `env:"FEEGATE_INBOX" type:"path" help:"Folder in which banks and providers drop their files (docs/morning.md)." placeholder:"DIR"`
	OIDC           oidcFlags `embed:"" prefix:"oidc-"`
	Breached       string    `name:"breached-passwords" env:"FEEGATE_BREACHED_PASSWORDS" type:"path" help:"List of stolen passwords that nobody may take: sorted SHA-1 in hex, a line each (docs/people.md)." placeholder:"FILE"`
	LogFormat      string    `env:"FEEGATE_LOG_FORMAT" enum:"json,text" default:"json" help:"json or text."`
}

// Run serves until the context ends, then lets what is under way finish.
func (s *serveCommand) Run(i *invocation) (err error) {
	keys, err := account.LoadKeys(s.MasterKeyFile)
	if err != nil {
		return err
	}
	db, err := connect(i.ctx, s.DatabaseURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s (is the port taken?): %w", s.Listen, err)
	}
	if s.LogFormat == "text" {
		i.log = slog.New(slog.NewTextHandler(i.errOut, nil))
	}
	a, err := newApp(i.ctx, db, keys, s.PublicURL, time.Now, i.log, s.TrustedProxies...)
	if err != nil {
		return err
	}
	if s.Breached != "" {
		leaked, err := identity.OpenLeaked(s.Breached)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, leaked.Close()) }()
		a.people.Refuse(leaked)
	}
	if err := s.OIDC.apply(a.desk); err != nil {
		return err
	}
	if s.ReportDatabase != "" {
		replica, err := open(s.ReportDatabase)
		if err != nil {
			return fmt.Errorf("FEEGATE_REPORT_DATABASE_URL: %w", err)
		}
		defer func() { _ = replica.Close() }() // nothing was written there
		a.readFrom(i.ctx, replica)
	}
	if err := a.checkAccounts(i.ctx); err != nil {
		return err
	}
	server := &http.Server{Handler: a.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 2 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(i.log.Handler(), slog.LevelWarn)}
	server.RegisterOnShutdown(a.endStreams)
	working, cancel := context.WithCancel(i.ctx)
	background := a.work(working, time.Second)
	if s.Inbox != "" {
		box := &inbox{root: s.Inbox, reconciler: a.reconciler, people: a.people, now: time.Now, log: i.log}
		a.every(working, background, job{"inbox", 5 * time.Second, 1, box.look})
	}
	defer func() {
		cancel()
		background.Wait()
		a.settle(i.ctx)
	}()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	i.log.Info("feegate is up", "address", listener.Addr().String())
	if _, err := fmt.Fprintln(i.out, "http://"+listener.Addr().String()); err != nil {
		i.log.Warn("address not told", "error", err)
	}
	select {
	case err := <-ended:
		return err
	case <-i.ctx.Done():
	}
	down, release := context.WithTimeout(context.WithoutCancel(i.ctx), 30*time.Second)
	defer release()
	if err := server.Shutdown(down); err != nil {
		return fmt.Errorf("stopping: %w", errors.Join(err, server.Close()))
	}
	return nil
}
