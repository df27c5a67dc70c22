package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/migrations"
	"feegate/migrations/localdb"
	"feegate/reconciliation/adoption"
)

// demoCommand runs the street on one machine: a private PostgreSQL, the gateway, the simulator.
type demoCommand struct {
	DataDir         string    `required:"" type:"path" help:"Folder for database, keys and the simulator's state." placeholder:"DIR"`
	Listen          string    `default:"127.0.0.1:8080" help:"Address of the gateway; port 0 picks a free one." placeholder:"ADDR"`
	SimulatorListen string    `default:"127.0.0.1:8090" help:"Address of the simulator; port 0 picks a free one." placeholder:"ADDR"`
	ReadyFile       string    `required:"" type:"path" help:"Written when all is up." placeholder:"FILE"`
	Clock           time.Time `format:"2006-01-02T15:04:05Z07:00" help:"Time to start a new folder with (RFC 3339)." placeholder:"TIME"`
	Empty           bool      `help:"Catalogue, accounts and users, but no history."`
	SimulatorBin    string    `type:"path" help:"The simulator's program; beside this one when absent." placeholder:"FILE"`
}

// Run starts everything, tells where it is, and stops everything when the context ends.
func (d *demoCommand) Run(i *invocation) (err error) {
	if err := os.MkdirAll(d.DataDir, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	clock, err := openClock(filepath.Join(d.DataDir, "clock.json"), d.Clock)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", d.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s (is the port taken?): %w", d.Listen, err)
	}
	defer func() { _ = listener.Close() }()
	// Not before the address is ours: the file may be that of a program that runs already.
	if err := os.Remove(d.ReadyFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("ready file: %w", err)
	}
	server, err := localdb.Start(i.ctx, localdb.Options{Dir: d.DataDir, Log: func(s string) { i.log.Info("postgres", "says", s) }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(context.WithoutCancel(i.ctx))) }()
	past, err := readPast(d.DataDir)
	if err != nil {
		return err
	}
	anew := past.State == "begun"
	if anew {
		i.log.Info("the demo's past was not finished: it is made anew")
		if err := os.RemoveAll(filepath.Join(d.DataDir, "simulator")); err != nil {
			return fmt.Errorf("the simulator's old state: %w", err)
		}
	}
	// As root the cluster lies outside the folder and outlives it; without the folder's keys nothing in it can be read.
	if _, err := os.Stat(filepath.Join(d.DataDir, "demo.json")); errors.Is(err, os.ErrNotExist) {
		anew = true
	}
	db, err := demoDatabase(i.ctx, server, anew)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	keys, err := account.EnsureKeys(filepath.Join(d.DataDir, "master.key"))
	if err != nil {
		return err
	}
	secrets, err := loadDemoSecrets(filepath.Join(d.DataDir, "demo.json"), clock.now())
	if err != nil {
		return err
	}
	public := "http://" + listener.Addr().String()
	a, err := newApp(i.ctx, db, keys, public, clock.now, i.log)
	if err != nil {
		return err
	}
	gatewayServer := &http.Server{Handler: a.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 2 * time.Minute}
	clockListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("clock: %w", err)
	}
	clockServer := &http.Server{Handler: clock, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- gatewayServer.Serve(listener) }()
	go func() { ended <- clockServer.Serve(clockListener) }()
	defer func() { _ = clockServer.Close(); _ = gatewayServer.Close() }()

	if err := seedPeople(i.ctx, db, a, secrets, clock.now()); err != nil { // before the simulator: its portal calls at once
		return err
	}
	portalKey := filepath.Join(d.DataDir, "portal.key")
	if err := os.WriteFile(portalKey, []byte(secrets.Portal), 0o600); err != nil {
		return fmt.Errorf("the portal's key: %w", err)
	}
	simulator, err := d.startSimulator(i, "http://"+clockListener.Addr().String(), clock.now(), "--gateway", public, "--portal-key-file", portalKey)
	if err != nil {
		return err
	}
	defer simulator.stop()
	accounts, err := seedAccounts(i.ctx, db, a.accounts, simulator.url)
	if err != nil {
		return err
	}
	if past.State != "done" && past.State != "none" {
		if err := d.past(i, db, a, accounts, server.URL(localdb.Superuser, demoName), simulator.url, clock.now()); err != nil {
			return err
		}
	}
	if err := simulator.agree(i.ctx, clock.now()); err != nil {
		return err
	}
	working, cancel := context.WithCancel(i.ctx)
	background := a.work(working, time.Second)
	defer func() {
		cancel()
		background.Wait()
		a.settle(i.ctx)
	}()
	if err := writeWhole(d.ReadyFile, map[string]any{"api": public, "console": public + "/console", "simulator": simulator.url, "database_url": server.URL(migrations.ServiceRole, demoName),
		"api_key": secrets.APIKey, "case_key": secrets.CaseKey, "other_key": secrets.OtherKey, "reporting_key": secrets.Reporting, "users": secrets.Users, "accounts": accounts}); err != nil {
		return err
	}
	if err := d.tell(i.out, public, simulator.url, secrets); err != nil {
		return err
	}
	select {
	case err := <-ended:
		return fmt.Errorf("the gateway stopped: %w", err)
	case err := <-simulator.ended:
		return fmt.Errorf("the simulator stopped: %w", err)
	case <-i.ctx.Done():
	}
	down, release := context.WithTimeout(context.WithoutCancel(i.ctx), 10*time.Second)
	defer release()
	return gatewayServer.Shutdown(down)
}

// tour is where the demo leads people who sign in, between the citizen's portal and the developer's document.
func tour() []struct {
	what, path string
	role       identity.Role
} {
	return []struct {
		what, path string
		role       identity.Role
	}{{"an officer's morning", "/console/today", identity.Finance}, {"a leader's rate", "/console/rate", identity.Reporter}, {"an operator's watch", "/console/providers", identity.Operator}}
}

// tell says where everything is and how to get in.
func (d *demoCommand) tell(out io.Writer, public, simulator string, s demoSecrets) error {
	login := map[identity.Role]demoUser{}
	for _, u := range s.Users {
		if _, ok := login[u.Role]; !ok {
			login[u.Role] = u
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "feegate is ready. A tour of five addresses, each of which says what it is:\n\n")
	fmt.Fprintf(w, "  1  a citizen pays\t%s/portal\t\n", simulator)
	for n, stop := range tour() {
		u := login[stop.role]
		fmt.Fprintf(w, "  %d  %s\t%s%s?tour=1\t%s / %s\n", n+2, stop.what, public, stop.path, u.Name, u.Password)
	}
	fmt.Fprintf(w, "  5  a developer calls\t%s/docs\tkey %s\n\n  all log-ins (name, password), at %s/console:\n", public, s.APIKey, public)
	for _, u := range s.Users {
		fmt.Fprintf(w, "  %s\t%s\n", u.Name, u.Password)
	}
	fmt.Fprintf(w, "\n  all of it is in %s; Ctrl-C stops everything.\n", d.ReadyFile)
	return w.Flush()
}

const demoName = "feegate"

// past makes the demo's history, once for a folder; --empty has none.
func (d *demoCommand) past(i *invocation, db *sqlx.DB, a *app, accounts []demoAccount, owner, simulator string, now time.Time) error {
	if d.Empty {
		return writePast(d.DataDir, "none")
	}
	if err := writePast(d.DataDir, "begun"); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(i.out, "Making three months of invented history, once: about %d orders …\n", historyOrders); err != nil {
		return err
	}
	if err := makeHistory(i.ctx, db, a, accounts, simulator, now); err != nil {
		return err
	}
	if err := analyse(i.ctx, owner); err != nil { // three months came in seconds: the planner must know before the first report
		return err
	}
	if err := scheduleReports(i.ctx, a, now); err != nil {
		return err
	}
	return writePast(d.DataDir, "done")
}

// scheduleReports has the reports of the whole months and quarters of the invented past made by themselves.
func scheduleReports(ctx context.Context, a *app, now time.Time) error {
	begun := now.In(vietnam).AddDate(0, 0, -historyDays)
	since := time.Date(begun.Year(), begun.Month()+1, 1, 0, 0, 0, 0, vietnam).Format(time.DateOnly)
	for _, every := range []string{"month", "quarter"} {
		if _, err := a.reporter.PutSchedule(ctx, gateway.Caller{Actor: adoption.System}, adoption.ReportSchedule{Every: every, WorkingDays: 5, Since: since}); err != nil {
			return err
		}
	}
	return nil
}

func demoDatabase(ctx context.Context, server *localdb.Server, anew bool) (*sqlx.DB, error) {
	if anew {
		if err := dropDatabase(ctx, server.URL(localdb.Superuser, "postgres"), demoName); err != nil {
			return nil, err
		}
	}
	if err := ensureDatabase(ctx, server.URL(localdb.Superuser, "postgres"), demoName); err != nil {
		return nil, err
	}
	owner, err := sqlx.ConnectContext(ctx, "postgres", server.URL(localdb.Superuser, demoName))
	if err != nil {
		return nil, fmt.Errorf("the demo's database: %w", err)
	}
	_, err = migrations.Up(ctx, owner.DB)
	if err = errors.Join(err, owner.Close()); err != nil {
		return nil, err
	}
	return connect(ctx, server.URL(migrations.ServiceRole, demoName))
}

// child is the running simulator; it ends when its standard input closes, that is, also when this program is killed.
type child struct {
	url   string
	stdin io.Closer
	ended chan error
}

func (c *child) stop() {
	_ = c.stdin.Close()
	select {
	case <-c.ended:
	case <-time.After(5 * time.Second):
	}
}

// agree moves the simulator's clock to the gateway's: it stood still while the simulator was down.
func (c *child) agree(ctx context.Context, now time.Time) error {
	if err := send(ctx, http.MethodPost, c.url+"/control/clock", map[string]time.Time{"set": now}); err != nil {
		return fmt.Errorf("setting the simulator's clock: %w", err)
	}
	return nil
}

func (d *demoCommand) startSimulator(i *invocation, clockURL string, now time.Time, more ...string) (*child, error) {
	bin := d.SimulatorBin
	if bin == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		bin = filepath.Join(filepath.Dir(self), "simulator")
	}
	args := []string{"--listen", d.SimulatorListen, "--data-dir", filepath.Join(d.DataDir, "simulator"), "--parent-stdin",
		"--gateway-clock", clockURL, "--clock", now.Format(time.RFC3339Nano)}
	cmd := exec.Command(bin, append(args, more...)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the simulator %s: %w", bin, err)
	}
	c := &child{stdin: stdin, ended: make(chan error, 1)}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	go func() { c.ended <- cmd.Wait() }()
	if err != nil {
		return nil, errors.Join(errors.New("the simulator did not come up"), <-c.ended)
	}
	c.url = strings.TrimSpace(line)
	return c, nil
}
