package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/migrations"
	"feegate/migrations/localdb"
	"feegate/providers/momo"
	"feegate/providers/vnpay"
)

// demoCommand runs the street on one machine: a private PostgreSQL, the gateway, the simulator.
type demoCommand struct {
	DataDir         string    `required:"" type:"path" help:"Folder for database, keys and the simulator's state." placeholder:"DIR"`
	Listen          string    `default:"127.0.0.1:8080" help:"Address of the gateway; port 0 picks a free one." placeholder:"ADDR"`
	SimulatorListen string    `default:"127.0.0.1:8090" help:"Address of the simulator; port 0 picks a free one." placeholder:"ADDR"`
	ReadyFile       string    `required:"" type:"path" help:"Written when all is up." placeholder:"FILE"`
	Clock           time.Time `format:"2006-01-02T15:04:05Z07:00" help:"Time to start a new folder with (RFC 3339)." placeholder:"TIME"`
	SimulatorBin    string    `type:"path" help:"The simulator's program; beside this one when absent." placeholder:"FILE"`
}

// demoSecrets are the demo's keys; they stay the same over restarts (demo.json, mode 0600).
type demoSecrets struct {
	APIKey    string    `json:"api_key"`
	CaseKey   string    `json:"case_key"`
	OtherKey  string    `json:"other_key"`
	Reporting string    `json:"reporting_key"`
	Begun     time.Time `json:"begun"` // the clock's time at the first start
}

type demoAccount struct {
	ID          string            `json:"id"`
	Provider    string            `json:"provider"`
	AgencyCode  string            `json:"agency_code"`
	Kinds       []string          `json:"kinds"`
	Credentials map[string]string `json:"credentials"`
}

// Run starts everything, tells where it is, and stops everything when the context ends.
func (d *demoCommand) Run(i *invocation) (err error) {
	if err := os.Remove(d.ReadyFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("ready file: %w", err)
	}
	if err := os.MkdirAll(d.DataDir, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	clock := &movableClock{}
	if !d.Clock.IsZero() {
		clock.off = time.Until(d.Clock)
	}
	listener, err := net.Listen("tcp", d.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s (is the port taken?): %w", d.Listen, err)
	}
	defer func() { _ = listener.Close() }()
	server, err := localdb.Start(i.ctx, localdb.Options{Dir: d.DataDir, Log: func(s string) { i.log.Info("postgres", "says", s) }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(context.WithoutCancel(i.ctx))) }()
	db, err := demoDatabase(i.ctx, server)
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

	simulator, err := d.startSimulator(i, "http://"+clockListener.Addr().String(), clock.now())
	if err != nil {
		return err
	}
	defer simulator.stop()
	accounts, err := seedDemo(i.ctx, db, a.accounts, secrets, simulator.url, clock.now())
	if err != nil {
		return err
	}
	working, cancel := context.WithCancel(i.ctx)
	background := a.work(working, time.Second)
	defer background.Wait()
	defer cancel()
	if err := writeWhole(d.ReadyFile, map[string]any{"api": public, "console": public, "simulator": simulator.url, "database_url": server.URL(migrations.ServiceRole, demoName),
		"api_key": secrets.APIKey, "case_key": secrets.CaseKey, "other_key": secrets.OtherKey, "reporting_key": secrets.Reporting, "users": []any{}, "accounts": accounts}); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(i.out, "feegate is ready.\n  API        %s  (key %s)\n  simulator  %s\nCtrl-C stops everything.\n", public, secrets.APIKey, simulator.url); err != nil {
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

const demoName = "feegate"

func demoDatabase(ctx context.Context, server *localdb.Server) (*sqlx.DB, error) {
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

func loadDemoSecrets(name string, now time.Time) (demoSecrets, error) {
	var s demoSecrets
	raw, err := os.ReadFile(name)
	if err == nil {
		if err := json.Unmarshal(raw, &s); err != nil {
			return s, fmt.Errorf("%s is damaged: %w", name, err)
		}
		return s, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return s, err
	}
	key := func() string { return "fgk_" + strings.ToLower(rand.Text()+rand.Text()) }
	s = demoSecrets{key(), key(), key(), key(), now}
	return s, writeWhole(name, s)
}

// writeWhole writes a file that nobody ever sees half of.
func writeWhole(name string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// demoAccounts are one VNPAY and one MoMo account for each of the first agencies; the first two have the credentials of the
// published test vectors.
func demoAccounts() []demoAccount {
	var out []demoAccount
	for n, agency := range demoAgencies() {
		suffix, secret := "1", "000000001"
		momoCode := "FEEGATEMOMO"
		if n > 0 {
			suffix, secret = fmt.Sprint(n+1), fmt.Sprintf("%09d", 10+n)
			momoCode += suffix
		}
		out = append(out,
			demoAccount{"acc_vnpay_" + suffix, "vnpay", agency.code, []string{"phi", "le_phi"}, map[string]string{
				vnpay.CredentialTerminal: "FEEGATE" + suffix, vnpay.CredentialSecret: "SECRETKEYFORTESTVECTORS" + secret}},
			demoAccount{"acc_momo_" + suffix, "momo", agency.code, []string{"phi", "le_phi"}, map[string]string{
				momo.CredentialPartner: momoCode, momo.CredentialAccess: "FEEGATEACCESSKEY", momo.CredentialSecret: "SECRETKEYFORTESTVECTORS" + strings.Replace(secret, "000000001", "000000002", 1)}})
	}
	return append(out, demoAccount{"acc_momo_nvtc", "momo", demoAgencies()[0].code, []string{"nvtc"}, map[string]string{
		momo.CredentialPartner: "FEEGATEMOMONVTC", momo.CredentialAccess: "FEEGATEACCESSKEY", momo.CredentialSecret: "SECRETKEYFORTESTVECTORS000000099"}})
}

// seedDemo fills an empty database with catalogue, clients, keys and accounts, and tells the simulator of the accounts.
func seedDemo(ctx context.Context, db *sqlx.DB, accounts *account.Store, s demoSecrets, simulator string, now time.Time) ([]demoAccount, error) {
	if err := seedRows(ctx, db, s, now); err != nil {
		return nil, err
	}
	exists, err := accounts.Exists(ctx)
	if err != nil {
		return nil, err
	}
	tariff := vnd.Tariff{BPS: 110}
	all := demoAccounts()
	for n, d := range all {
		terminal := d.Credentials[map[string]string{"vnpay": vnpay.CredentialTerminal, "momo": momo.CredentialPartner}[d.Provider]]
		if !exists {
			if err := accounts.Create(ctx, account.Account{ID: d.ID, Provider: d.Provider, AgencyCode: d.AgencyCode, Terminal: terminal, Kinds: d.Kinds,
				BaseURL: simulator + "/" + d.Provider, Tariff: tariff, Credentials: d.Credentials, Position: n}); err != nil {
				return nil, err
			}
		}
		if err := put(ctx, simulator+"/control/"+d.Provider+"/accounts/"+terminal, map[string]any{"credentials": d.Credentials, "tariff": tariff,
			"callback_url": accounts.CallbackURL(d.Provider, d.ID)}); err != nil {
			return nil, fmt.Errorf("telling the simulator of %s: %w", d.ID, err)
		}
	}
	if exists { // the simulator may have another port than last time
		return all, moveAccounts(ctx, db, simulator)
	}
	return all, nil
}

func put(ctx context.Context, address string, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, address, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)); resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", resp.Status, said)
	}
	return nil
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

func (d *demoCommand) startSimulator(i *invocation, clockURL string, now time.Time) (*child, error) {
	bin := d.SimulatorBin
	if bin == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		bin = filepath.Join(filepath.Dir(self), "simulator")
	}
	cmd := exec.Command(bin, "--listen", d.SimulatorListen, "--data-dir", filepath.Join(d.DataDir, "simulator"), "--parent-stdin",
		"--gateway-clock", clockURL, "--clock", now.Format(time.RFC3339Nano))
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
