package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/account"
	"feegate/migrations/dbtest"
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

const portalKey = "fgk_test_portal"

// street is the whole program and the simulator, over real HTTP.
type street struct {
	t         *testing.T
	db        *sqlx.DB // the test's
	own       *sqlx.DB // the program's
	world     *sim.World
	app       *app
	api       string
	sim       string
	simServer *httptest.Server
	logs      *lockedBuffer
	keys      *account.Keys
	keyFile   string
}

// lockedBuffer is a log that is read while servers still write it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newStreet(t *testing.T) *street {
	t.Helper()
	db := dbtest.New(t)
	service, _ := dbtest.URLs(t, db)
	return newStreetOn(t, db, service)
}

// newStreetOn is the street over a database of the test's own choice: db is the test's, service the program's address.
func newStreetOn(t *testing.T, db *sqlx.DB, service string) *street {
	t.Helper()
	s := &street{t: t, db: db, logs: &lockedBuffer{}}
	world, err := sim.New(sim.Options{Wires: []sim.Wire{vnpaysim.New(), momosim.New(), zalopaysim.New(), dvcqgsim.New(), vietqrsim.New(), sepaysim.New(), cassosim.New(), payossim.New()}, Start: time.Date(2026, 3, 10, 10, 0, 0, 0, sim.Zone())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = world.Close() })
	s.world = world
	simulator := httptest.NewServer(world.Handler())
	t.Cleanup(simulator.Close)
	s.sim, s.simServer = simulator.URL, simulator

	s.keyFile = filepath.Join(t.TempDir(), "master.json")
	keys, err := account.NewKeys(s.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	s.keys = keys
	front := httptest.NewUnstartedServer(nil)
	s.api = "http://" + front.Listener.Addr().String()
	if s.own, err = connect(t.Context(), service); err != nil { // the program's own way of connecting
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.own.Close() })
	if s.app, err = newApp(t.Context(), s.own, keys, s.api, world.Now, slog.New(slog.NewJSONHandler(s.logs, nil))); err != nil {
		t.Fatal(err)
	}
	front.Config.Handler = held(t, s.app.handler)
	front.Start()
	t.Cleanup(front.Close)
	s.seed()
	return s
}

func (s *street) seed() {
	s.t.Helper()
	now, hash := s.world.Now(), sha256.Sum256([]byte(portalKey))
	readOnly, other := sha256.Sum256([]byte("fgk_test_reader")), sha256.Sum256([]byte("fgk_test_other"))
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{`INSERT INTO source_systems (name) VALUES ('portal'), ('other')`, nil},
		{`INSERT INTO clients (id, name, source_system, created_at) VALUES ('cli_1', 'Portal', 'portal', $1), ('cli_2', 'Other', 'other', $1)`, []any{now}},
		{`INSERT INTO api_keys (id, client_id, secret_hash, scopes, created_at) VALUES ('key_1', 'cli_1', $1, '{orders:write,orders:read}', $4),
			('key_2', 'cli_1', $2, '{orders:read}', $4), ('key_3', 'cli_2', $3, '{orders:write,orders:read}', $4)`, []any{hash[:], readOnly[:], other[:], now}},
		{`INSERT INTO fields (code, name) VALUES ('HT', 'Hộ tịch')`, nil},
		{`INSERT INTO agencies (code, name) VALUES ('H10.12', 'UBND xã')`, nil},
		{`INSERT INTO procedures (code, name, field_code) VALUES ('1.001', 'Trích lục', 'HT')`, nil},
	} {
		if _, err := s.db.ExecContext(s.t.Context(), q.sql, q.args...); err != nil {
			s.t.Fatal(err)
		}
	}
	for provider, cred := range map[string]map[string]string{
		"momo":  {"partnerCode": "FEEGATEMOMO", "accessKey": "FEEGATEACCESSKEY", "secretKey": "SECRETKEYFORTESTVECTORS000000002"},
		"vnpay": {"vnp_TmnCode": "FEEGATE1", "hash_secret": "SECRETKEYFORTESTVECTORS000000001"},
	} {
		terminal := map[string]string{"momo": "FEEGATEMOMO", "vnpay": "FEEGATE1"}[provider]
		if err := s.app.accounts.Create(s.t.Context(), account.Account{ID: "acc_" + provider, Provider: provider, AgencyCode: "H10.12", Kinds: []string{"phi", "le_phi"},
			BaseURL: s.sim + "/" + provider, Credentials: cred}); err != nil {
			s.t.Fatal(err)
		}
		put := map[string]any{"credentials": cred, "callback_url": s.api + "/callbacks/" + provider + "/acc_" + provider}
		if r := s.send(http.MethodPut, s.sim+"/control/"+provider+"/accounts/"+terminal, put, nil); r.status != http.StatusOK {
			s.t.Fatalf("account at the simulator: %d %s", r.status, r.body)
		}
	}
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) get(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.body, &m); err != nil {
		t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
	return m
}

// send sends a body (text as it stands, anything else as JSON) and follows no redirect.
func (s *street) send(method, url string, body any, header map[string]string) reply {
	s.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			s.t.Fatal(err)
		}
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, url, r)
	if err != nil {
		s.t.Fatal(err)
	}
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range header {
		if v == "" {
			req.Header.Del(k)
			continue
		}
		req.Header.Set(k, v)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, raw}
}

func (s *street) call(method, path, key string, body any) reply {
	s.t.Helper()
	h := map[string]string{"Authorization": "Bearer " + portalKey}
	if key != "" {
		h["Idempotency-Key"] = key
	}
	return s.send(method, s.api+path, body, h)
}

func anOrder(reference string) string {
	return `{"reference":"` + reference + `","dossier_code":"H10.12-260310-0007","procedure_code":"1.001","agency_code":"H10.12",
		"payer":{"name":"Nguyễn Văn A"},"lines":[{"fee_code":"HT1","kind":"le_phi","name":"Lệ phí","quantity":2,"unit_amount":25000,"gross":50000,"net":50000}],"amount":50000}`
}

// started is an order with a payment under way at a provider.
func (s *street) started(provider string) (order, payment, reference string) {
	s.t.Helper()
	r := s.call(http.MethodPost, "/v1/orders", "o1", anOrder("R1"))
	if r.status != http.StatusCreated {
		s.t.Fatalf("order: %d %s\n%s", r.status, r.body, s.logs)
	}
	order, _ = r.get(s.t)["id"].(string)
	p := s.call(http.MethodPost, "/v1/orders/"+order+"/payments", "p1", map[string]string{"provider": provider})
	if p.status != http.StatusCreated {
		s.t.Fatalf("payment: %d %s\n%s", p.status, p.body, s.logs)
	}
	v := p.get(s.t)
	if v["redirect"] == nil || v["status"] != "pending" {
		s.t.Fatalf("payment: %s", p.body)
	}
	payment, _ = v["id"].(string)
	reference, _ = v["provider_reference"].(string)
	if provider == "vnpay" { // it knows a payment once its address was fetched
		to, _ := v["redirect"].(map[string]any)["url"].(string)
		if r := s.send(http.MethodGet, to, nil, nil); r.status >= 400 {
			s.t.Fatalf("pay page: %d", r.status)
		}
	}
	return order, payment, reference
}

// decide makes the payment's outcome true at the provider and gives the statuses that its callbacks got.
func (s *street) decide(provider, reference string, d map[string]any) []int {
	s.t.Helper()
	r := s.send(http.MethodPost, s.sim+"/control/"+provider+"/payments/"+reference, d, nil)
	if r.status != http.StatusOK {
		s.t.Fatalf("decision: %d %s", r.status, r.body)
	}
	var got struct{ Callbacks []struct{ Status int } }
	if err := json.Unmarshal(r.body, &got); err != nil {
		s.t.Fatal(err)
	}
	statuses := []int{}
	for _, c := range got.Callbacks {
		statuses = append(statuses, c.Status)
	}
	return statuses
}

// move moves the one clock of the simulators and the program.
func (s *street) move(by time.Duration) {
	s.t.Helper()
	if _, err := s.world.Move(s.t.Context(), func(now time.Time) time.Time { return now.Add(by) }); err != nil {
		s.t.Fatal(err)
	}
}

func (s *street) orderStatus(id string) string {
	s.t.Helper()
	r := s.call(http.MethodGet, "/v1/orders/"+id, "", nil)
	if r.status != http.StatusOK {
		s.t.Fatalf("%d %s", r.status, r.body)
	}
	status, _ := r.get(s.t)["status"].(string)
	return status
}

func (s *street) count(query string, args ...any) int {
	s.t.Helper()
	var n int
	if err := dbtest.Admin(s.t, s.db).GetContext(s.t.Context(), &n, query, args...); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func TestAPaymentFromOrderToPaid(t *testing.T) {
	for _, provider := range []string{"momo", "vnpay"} {
		t.Run(provider, func(t *testing.T) {
			s := newStreet(t)
			order, payment, reference := s.started(provider)
			if got := s.decide(provider, reference, map[string]any{"outcome": "succeed"}); len(got) != 1 || got[0]/100 != 2 {
				t.Errorf("callbacks: %v\n%s", got, s.logs)
			}
			if got := s.orderStatus(order); got != "paid" {
				t.Fatalf("order is %s\n%s", got, s.logs)
			}
			r := s.call(http.MethodGet, "/v1/payments/"+payment, "", nil)
			if v := r.get(t); v["status"] != "succeeded" || v["received_amount"] != 50000.0 {
				t.Errorf("%s", r.body)
			}
			moves := s.count(`SELECT count(*) FROM moves`)
			if got := s.decide(provider, reference, map[string]any{"outcome": "succeed", "callback": map[string]any{"copies": 2}}); len(got) != 2 {
				t.Errorf("copies: %v", got)
			}
			if again := s.count(`SELECT count(*) FROM moves`); again != moves || moves != 1 {
				t.Errorf("moves: %d, then %d", moves, again)
			}
			if n := s.count(`SELECT count(*) FROM allocations`); n != 1 {
				t.Errorf("allocations: %d", n)
			}
		})
	}
}

func TestALostCallbackIsFoundBySweeping(t *testing.T) {
	for _, provider := range []string{"momo", "vnpay"} {
		t.Run(provider, func(t *testing.T) {
			s := newStreet(t)
			order, _, reference := s.started(provider)
			s.decide(provider, reference, map[string]any{"outcome": "succeed", "callback": map[string]any{"send": false}})
			if got := s.orderStatus(order); got != "open" {
				t.Fatalf("before: %s", got)
			}
			if err := s.world.Clock().Set(s.world.Now().Add(25 * time.Minute)); err != nil {
				t.Fatal(err)
			}
			if n, err := s.app.gateway.Sweep(t.Context(), 10); err != nil || n != 1 {
				t.Fatalf("%d %v", n, err)
			}
			if got := s.orderStatus(order); got != "paid" {
				t.Errorf("after: %s", got)
			}
		})
	}
}

func TestAForgedCallbackChangesNothing(t *testing.T) {
	for _, provider := range []string{"momo", "vnpay"} {
		t.Run(provider, func(t *testing.T) {
			s := newStreet(t)
			order, _, reference := s.started(provider)
			s.decide(provider, reference, map[string]any{"outcome": "succeed", "callback": map[string]any{"forge": true}})
			if got := s.orderStatus(order); got != "open" {
				t.Errorf("order is %s", got)
			}
			if n := s.count(`SELECT count(*) FROM callbacks WHERE verdict = 'forged'`); n != 1 {
				t.Errorf("%d forged ones kept", n)
			}
			r := s.send(http.MethodGet, s.api+"/returns/"+provider+"/acc_"+provider+"?a=secretvalue", nil, nil)
			if r.status != http.StatusBadRequest {
				t.Errorf("return: %d", r.status)
			}
			if r := s.send(http.MethodPost, s.api+"/callbacks/"+provider+"/acc_nobody", "{}", nil); r.status != http.StatusNotFound {
				t.Errorf("nobody's account: %d", r.status)
			}
			if n := s.count(`SELECT count(*) FROM callbacks WHERE account_id = 'unknown:acc_nobody'`); n != 1 {
				t.Errorf("what came for nobody: %d kept", n)
			}
			s.send(http.MethodPost, s.api+"/callbacks/"+provider+"/acc_"+provider, strings.Repeat("x", 65<<10), nil)
			s.send(http.MethodDelete, s.api+"/callbacks/"+provider+"/acc_"+provider, nil, nil)
			if n := s.count(`SELECT count(*) FROM callbacks WHERE verdict = 'wrong_method'`); n != 1 {
				t.Errorf("%d of a wrong method kept", n)
			}
			if got := s.logs.String(); strings.Contains(got, "secretvalue") || strings.Contains(got, portalKey) {
				t.Error("the log holds a secret")
			}
		})
	}
}

func TestProgramUse(t *testing.T) {
	for args, want := range map[string]int{"": 2, "nonsense": 2, "serve": 2, "version": 0, "--help": 0, "serve --help": 0, "version extra": 2} {
		var out, errOut bytes.Buffer
		if got := run(context.Background(), strings.Fields(args), &out, &errOut); got != want {
			t.Errorf("feegate %s: %d, want %d\n%s", args, got, want, errOut.String())
		}
	}
}
