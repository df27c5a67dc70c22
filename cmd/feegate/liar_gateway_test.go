package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"feegate/gateway/account"
)

// The gateway of the liar's test is this test's own program, run a second time: a true process that can be killed, with the race
// detector where the test has it, while the simulators live on and remember what they took.

const (
	liarChild = "FEEGATE_LIAR_GATEWAY" // its settings; where it is set, the test's program is a gateway and runs no test
	clockPath = "/liar-clock"
)

type liarSettings struct{ Service, Keys, Listen, Clock string }

// liarGateway is the child's main.
func liarGateway(raw string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serveLiar(ctx, raw); err != nil {
		fmt.Fprintln(os.Stderr, "the gateway under test:", err)
		return 1
	}
	return 0
}

func serveLiar(ctx context.Context, raw string) error {
	var in liarSettings
	if err := json.Unmarshal([]byte(raw), &in); err != nil {
		return err
	}
	clock, err := openClock(in.Clock, time.Time{})
	if err != nil {
		return err
	}
	keys, err := account.LoadKeys(in.Keys)
	if err != nil {
		return err
	}
	db, err := connect(ctx, in.Service)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	a, err := newApp(ctx, db, keys, "http://"+in.Listen, clock.now, log)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", in.Listen)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(clockPath, clock)
	mux.Handle("/", a.handler)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	working := a.work(ctx, 100*time.Millisecond)
	defer working.Wait()
	// Lists are read every quarter of a minute of the machine's time, which a clock that jumps cannot hurry.
	working.Go(func() {
		ticker := time.NewTicker(300 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if _, err := a.gateway.FetchTransfers(ctx, batch); err != nil && ctx.Err() == nil {
					log.Warn("reading lists", "error", err)
				}
			}
		}
	})
	fmt.Println("ready")
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

// liarProcess is the running child, from the test's side.
type liarProcess struct {
	settings liarSettings
	logs     *lockedBuffer

	mu    sync.RWMutex // held for reading by what must meet a living gateway, for writing while it is killed and started
	cmd   *exec.Cmd
	ended chan error
}

func (p *liarProcess) start() error {
	raw, err := json.Marshal(p.settings)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p.cmd = exec.Command(self)
	p.cmd.Env = append(os.Environ(), liarChild+"="+string(raw))
	p.cmd.Stderr = p.logs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.ended = make(chan error, 1)
	lines := bufio.NewScanner(out)
	up := false
	for !up && lines.Scan() {
		up = strings.TrimSpace(lines.Text()) == "ready"
	}
	cmd, ended := p.cmd, p.ended
	go func() {
		_, _ = io.Copy(io.Discard, out)
		ended <- cmd.Wait()
	}()
	if !up {
		return fmt.Errorf("the gateway under test did not come up: %w", <-ended)
	}
	return nil
}

// kill is kill -9 in the middle of whatever is going on.
func (p *liarProcess) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	p.cmd = nil
}

// again kills and starts it.
func (p *liarProcess) again() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kill()
	return p.start()
}

// setClock moves the gateway's clock, as the simulators ask; it waits while the gateway is started.
func (p *liarProcess) setClock(ctx context.Context, to time.Time) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	raw, err := json.Marshal(map[string]time.Time{"set": to})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.settings.Listen+clockPath, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusNoContent {
		said, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%d %s", resp.StatusCode, said)
	}
	return nil
}

// newLiarProcess settles where everything of the child lies; nothing runs yet.
func newLiarProcess(dir, service string, start time.Time) (*liarProcess, *account.Keys, *movableClock, error) {
	p := &liarProcess{logs: &lockedBuffer{}, settings: liarSettings{Service: service, Keys: filepath.Join(dir, "master.json"), Clock: filepath.Join(dir, "clock.json")}}
	keys, err := account.NewKeys(p.settings.Keys)
	if err != nil {
		return nil, nil, nil, err
	}
	clock, err := openClock(p.settings.Clock, start)
	if err != nil {
		return nil, nil, nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, nil, err
	}
	p.settings.Listen = l.Addr().String()
	return p, keys, clock, l.Close()
}
