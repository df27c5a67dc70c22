// Command simulator plays every provider on its true wire, and a small portal, for development and tests. It is a program
// of its own and never linked into feegate.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"feegate/providers/casso/cassosim"
	"feegate/providers/dvcqg/dvcqgsim"
	"feegate/providers/momo/momosim"
	"feegate/providers/payos/payossim"
	"feegate/providers/sepay/sepaysim"
	"feegate/providers/sim"
	"feegate/providers/vietqr/vietqrsim"
	"feegate/providers/vnpay/vnpaysim"
	"feegate/providers/zalopay/zalopaysim"
)

// options of the command line.
type options struct {
	Listen        string        `help:"Address to listen on; port 0 picks a free one, told on the first line of standard output." default:"127.0.0.1:8090" placeholder:"ADDR"`
	DataDir       string        `help:"Directory for the state, so that it survives a restart." type:"path" placeholder:"DIR"`
	ParentStdin   bool          `help:"End when standard input closes, that is, when the parent is gone."`
	Clock         clockTime     `help:"Time to start a new state with (RFC 3339); an old one goes on from where it stood." placeholder:"TIME"`
	GatewayClock  string        `help:"Address that moves the gateway's clock: POST {\"set\": TIME}." placeholder:"URL"`
	Gateway       string        `help:"Base address of the gateway, for the portal." placeholder:"URL"`
	PortalKeyFile string        `help:"File with the portal's API key." type:"path" placeholder:"FILE"`
	PortalKey     string        `help:"The portal's API key itself." env:"FEEGATE_PORTAL_KEY" hidden:""`
	PublicURL     string        `help:"Address under which gateway and browsers reach the simulator, where it is not http://ADDR." placeholder:"URL"`
	GatewayWait   time.Duration `help:"How long to wait at the start for the gateway to answer." default:"2m"`
}

// clockTime is a time of the command line.
type clockTime struct{ time.Time }

// UnmarshalText reads RFC 3339.
func (c *clockTime) UnmarshalText(b []byte) (err error) {
	c.Time, err = time.Parse(time.RFC3339, string(b))
	return err
}

func main() {
	var o options
	parser := kong.Must(&o, kong.Name("simulator"), kong.Description("Every payment provider of feegate and a small portal, simulated: for development and tests, never for real money."),
		kong.Exit(func(code int) { os.Exit(min(code, 1) * 2) })) // 2 = wrong use
	if _, err := parser.Parse(os.Args[1:]); err != nil {
		parser.Errorf("%v", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.ParentStdin {
		var orphaned context.CancelFunc
		ctx, orphaned = context.WithCancel(ctx)
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			orphaned()
		}()
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(ctx, o, log, os.Stdout); err != nil {
		log.Error("simulator", "error", err)
		os.Exit(1)
	}
}

// wires are the providers that are played.
func wires() []sim.Wire {
	return []sim.Wire{vnpaysim.New(), momosim.New(), zalopaysim.New(), dvcqgsim.New(),
		vietqrsim.New(), sepaysim.New(), cassosim.New(), payossim.New()}
}

// run serves until the context ends.
func run(ctx context.Context, o options, log *slog.Logger, out io.Writer) (err error) {
	key := o.PortalKey
	if o.PortalKeyFile != "" {
		raw, err := os.ReadFile(o.PortalKeyFile)
		if err != nil {
			return fmt.Errorf("portal key: %w", err)
		}
		key = strings.TrimSpace(string(raw))
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s (is the port taken?): %w", o.Listen, err)
	}
	public := strings.TrimSuffix(o.PublicURL, "/")
	if public == "" {
		public = "http://" + listener.Addr().String()
	}
	var move func(context.Context, time.Time) error
	if o.GatewayClock != "" {
		move = gatewayClock(o.GatewayClock)
	}
	world, err := sim.New(sim.Options{Wires: wires(), DataDir: o.DataDir, Start: o.Clock.Time, Log: log, MoveGateway: move})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	file := ""
	if o.DataDir != "" {
		file = filepath.Join(o.DataDir, "portal.json")
	}
	portal, err := newPortal(world, portalOptions{Gateway: strings.TrimSuffix(o.Gateway, "/"), Key: key, Public: public, File: file, Log: log})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	mux := world.Handler()
	portal.routes(mux)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.Gateway != "" && key != "" {
		world.Go(func(ctx context.Context) {
			ctx, done := context.WithTimeout(ctx, o.GatewayWait)
			defer done()
			if err := portal.register(ctx); err != nil {
				log.Error("the portal has no webhook endpoint: its list will not learn what becomes of orders", "error", err)
			}
		})
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	if _, err := fmt.Fprintln(out, public); err != nil {
		log.Warn("address not told", "error", err)
	}
	log.Info("simulator is up", "address", public, "portal", public+"/portal")
	select {
	case err := <-ended:
		return err
	case <-serving.Done():
	}
	down, release := context.WithTimeout(context.Background(), 2*time.Second)
	defer release()
	if server.Shutdown(down) != nil { // a hanging call (that is what some faults are) is not waited for
		_ = server.Close()
	}
	return nil
}

// gatewayClock moves the gateway's clock by its own call.
func gatewayClock(address string) func(context.Context, time.Time) error {
	client := &http.Client{Timeout: 10 * time.Second}
	return func(ctx context.Context, t time.Time) error {
		body, err := json.Marshal(map[string]time.Time{"set": t})
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode/100 != 2 {
			said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
			return fmt.Errorf("it answered %s: %s", resp.Status, said)
		}
		return nil
	}
}
