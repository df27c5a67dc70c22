package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
)

// shaky is a MoMo account whose provider answers as MoMo's simulator does, or 500.
type shaky struct {
	fails atomic.Bool
	n     int
}

const shakyAccount = "acc_shaky"

func newShaky(s *street) *shaky {
	s.t.Helper()
	to, err := url.Parse(s.sim)
	if err != nil {
		s.t.Fatal(err)
	}
	k, well := &shaky{}, httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if k.fails.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		well.ServeHTTP(w, r)
	}))
	s.t.Cleanup(server.Close)
	cred := map[string]string{"partnerCode": "FEEGATESHAKY", "accessKey": "FEEGATEACCESSKEY", "secretKey": "SECRETKEYFORTESTVECTORS000000004"}
	if r := s.send(http.MethodPut, s.sim+"/control/momo/accounts/FEEGATESHAKY", map[string]any{"credentials": cred}, nil); r.status != http.StatusOK {
		s.t.Fatalf("account at the simulator: %d %s", r.status, r.body)
	}
	if err := s.app.accounts.Create(s.t.Context(), account.Account{ID: shakyAccount, Provider: "momo", AgencyCode: "H10.12", Kinds: []string{"le_phi"}, BaseURL: server.URL + "/momo", Credentials: cred}); err != nil {
		s.t.Fatal(err)
	}
	return k
}

// pay starts payments through a program of the street; those that fail are uncertain to it.
func (k *shaky) pay(s *street, well, failing int) {
	s.t.Helper()
	for n := range well + failing {
		k.n++
		k.fails.Store(n >= well)
		key := fmt.Sprintf("shaky-%d", k.n)
		order := s.ordered(key, fmt.Sprintf("H10.12-260310-7%03d", k.n), 50000)
		want := map[bool]int{false: http.StatusCreated, true: http.StatusAccepted}[n >= well]
		if r := s.call(http.MethodPost, "/v1/orders/"+order+"/payments", key+"-p", map[string]string{"account_id": shakyAccount}); r.status != want {
			s.t.Fatalf("payment %d: %d %s\n%s", n, r.status, r.body, s.logs)
		}
	}
}

// writeCalls has a program write what it counted, as its turn comes.
func (s *street) writeCalls() error {
	_, _, err := s.app.jobs.Run(s.t.Context(), "calls")
	return err
}

// counted is what stands in the database of the shaky account: answered and failed.
func (s *street) counted() string {
	s.t.Helper()
	return s.one(`SELECT coalesce(sum((SELECT sum(n) FROM unnest(took) n)), 0) || ' ' || coalesce(sum(failed), 0) FROM provider_calls WHERE account_id = 'acc_shaky' AND operation = 'checkout'`)
}

// another is a second program on the street's database.
func (s *street) another() *street {
	s.t.Helper()
	front := httptest.NewUnstartedServer(nil)
	two := *s
	two.api = "http://" + front.Listener.Addr().String()
	var err error
	if two.app, err = newApp(s.t.Context(), s.own, s.keys, two.api, s.world.Now, slog.New(slog.NewJSONHandler(s.logs, nil))); err != nil {
		s.t.Fatal(err)
	}
	front.Config.Handler = two.app.handler
	front.Start()
	s.t.Cleanup(front.Close)
	return &two
}

// What became of the calls over a day is of all processes together, and still there when they began anew.
func TestTheShareOfFailuresIsOfAllProcesses(t *testing.T) {
	s := newStreet(t)
	k, two := newShaky(s), s.another()
	const at = "/console/providers/" + shakyAccount
	op := two.officer("vận", []identity.Role{identity.Operator})
	op.says(op.get("/console/providers"), 200, "tạo giao dịch: 24 giờ qua: thông suốt; chưa gọi lần nào", "Tỷ lệ lỗi")
	k.pay(s, 2, 1)
	k.pay(two, 3, 2)
	if got := s.counted(); got != "0 0" {
		t.Errorf("written on the path of a call: %s", got)
	}
	for range 2 { // what was written is not written again
		for _, program := range []*street{s, two} {
			if err := program.writeCalls(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := s.counted(); got != "5 3" {
		t.Errorf("%s", got)
	}
	s.move(16 * time.Minute)
	k.pay(s, 1, 0)
	if err := s.writeCalls(); err != nil {
		t.Fatal(err)
	}
	third := s.another() // knows of no call itself
	op = third.officer("hành", []identity.Role{identity.Operator})
	for _, page := range []string{"/console/providers", at} {
		op.says(op.get(page), 200, "tạo giao dịch: 24 giờ qua: thông suốt; gọi 9 lần, lỗi 3 lần (33,3 %)", `data-name="Gọi">9<`, `data-name="Lỗi">3<`, `data-name="Tỷ lệ lỗi">33,3 %<`,
			"<title>Từ 10:00, 15 phút: gọi 8 lần, lỗi 3 lần (37,5 %)</title>", `<rect class="answered"`, `<rect class="none"`)
	}
	op.says(op.get(at), 200, `data-name="95 % trong (ms)">≤ `)
	r := op.get(at + "?as=csv")
	op.says(r, 200, "33,3 %")
	s.move(24 * time.Hour)
	op.says(op.get("/console/providers"), 200, "thông suốt; chưa gọi lần nào")
	tidy := func() {
		t.Helper()
		op.acted(op.act("/console/jobs/run", url.Values{"job": {"housekeeping"}, "reason": {"thử"}}), "/console/jobs?done=ran")
	}
	tidy()
	if got := s.counted(); got != "6 3" {
		t.Errorf("forgotten within two days: %s", got)
	}
	s.move(24 * time.Hour)
	tidy()
	if rows, names := s.count(`SELECT count(*) FROM provider_calls`), s.count(`SELECT count(*) FROM provider_call_writes`); rows+names != 0 {
		t.Errorf("after two days: %d counts, %d names", rows, names)
	}
}

// A write that the database breaks off is made again the next time, with what was counted meanwhile.
func TestABrokenWriteOfCallsIsNotLost(t *testing.T) {
	s := newStreet(t)
	k := newShaky(s)
	k.pay(s, 1, 1)
	admin := dbtest.Admin(t, s.db)
	lock, err := admin.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Rollback() }()
	if _, err := lock.ExecContext(t.Context(), `LOCK TABLE provider_calls`); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() { wrote <- s.writeCalls() }()
	const waiting = `FROM pg_locks WHERE NOT granted AND relation = 'provider_calls'::regclass`
	s.soon("the write waits", func() bool { return s.count(`SELECT count(*) `+waiting) == 1 })
	if n := s.count(`SELECT count(*) FROM (SELECT pg_terminate_backend(pid) ` + waiting + `) t`); n != 1 {
		t.Fatalf("%d ended", n)
	}
	if err := <-wrote; err == nil {
		t.Error("a write that was broken off is taken for done")
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got := s.counted(); got != "0 0" {
		t.Errorf("%s", got)
	}
	k.pay(s, 1, 0)
	for range 2 {
		if err := s.writeCalls(); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.counted(); got != "2 1" {
		t.Errorf("%s", got)
	}
}

// line is a way to PostgreSQL that can be cut whenever it says that an INSERT is done: it is done, and nobody hears of it.
type line struct{ cut atomic.Bool }

// through gives the address of the database by way of the line.
func (l *line) through(t *testing.T, service string) string {
	t.Helper()
	at, err := url.Parse(service)
	if err != nil {
		t.Fatal(err)
	}
	q := at.Query()
	const socket = ".s.PGSQL.5432"
	real := filepath.Join(q.Get("host"), socket)
	dir := t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); open.Wait() })
	open.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			far, err := net.Dial("unix", real)
			if err != nil {
				_ = near.Close()
				continue
			}
			end := func() { _, _ = near.Close(), far.Close() }
			open.Go(func() { _, _ = io.Copy(far, near); end() })
			open.Go(func() { l.tell(near, far); end() })
		}
	})
	q.Set("host", dir)
	at.RawQuery = q.Encode()
	return at.String()
}

// tell passes on what the database says, until that is an answer that nobody is to hear.
func (l *line) tell(near io.Writer, far io.Reader) {
	said := make([]byte, 64<<10)
	for {
		n, err := far.Read(said)
		if err == nil && l.cut.Load() && bytes.Contains(said[:n], []byte("INSERT 0 ")) {
			return
		}
		if err == nil {
			_, err = near.Write(said[:n])
		}
		if err != nil {
			return
		}
	}
}

// A write that was done, though nobody heard of it, is not done twice.
func TestAWriteOfCallsThatNobodyHeardOfIsNotDoubled(t *testing.T) {
	db := dbtest.New(t)
	service, _ := dbtest.URLs(t, db)
	l := &line{}
	s := newStreetOn(t, db, l.through(t, service))
	k := newShaky(s)
	k.pay(s, 1, 1)
	l.cut.Store(true)
	if err := s.writeCalls(); err == nil {
		t.Error("a write that nobody heard of is taken for done")
	}
	l.cut.Store(false)
	s.soon("it was done", func() bool { return s.counted() == "1 1" })
	k.pay(s, 1, 0)
	for range 2 {
		if err := s.writeCalls(); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.counted(); got != "2 1" {
		t.Errorf("%s", got)
	}
}

// A program that is told to stop writes what it alone knows.
func TestTheLastCountsAreWrittenAtTheEnd(t *testing.T) {
	s := newStreet(t)
	k := newShaky(s)
	service, _ := dbtest.URLs(t, s.db)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, []string{"serve", "--database-url", service, "--listen", "127.0.0.1:0", "--public-url", "https://pay.example", "--master-key-file", s.keyFile}, in, s.logs)
		_ = in.Close() // whoever waits for the address learns that none comes
		ended <- code
	}()
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no address: %v\n%s", err, s.logs)
	}
	program := *s
	program.api = strings.TrimSpace(address)
	k.pay(&program, 2, 1)
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("stopped: %d\n%s", code, s.logs)
	}
	if got := s.counted(); got != "2 1" {
		t.Errorf("%s", got)
	}
}
