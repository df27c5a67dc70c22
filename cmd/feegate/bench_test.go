//go:build bench

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/gateway/vnd"
	"feegate/migrations"
	"feegate/migrations/localdb"
	"feegate/providers"
	"feegate/providers/momo/momosim"
	"feegate/providers/sim"
	"feegate/providers/vnpay/vnpaysim"
)

// The benchmarks run the built program in a process of its own over a durable private PostgreSQL, and pgbench over the very
// same database, in turns. An absolute figure means little on a shared machine: read the ratios.

const (
	benchKey    = "fgk_bench"
	benchRounds = 5
	benchFor    = 2 * time.Second
)

type bench struct {
	t        *testing.T
	url      string // of the database, as its owner
	db       *sqlx.DB
	api      string
	stop     func()
	accounts map[string]sim.Account
	world    *sim.World
	sim      string
	used     int // numbers of prepared payments given out
	client   *http.Client
	pid      int // of the program
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, accounts: map[string]sim.Account{}}
	dir := t.TempDir()
	server, err := localdb.Start(t.Context(), localdb.Options{Dir: filepath.Join(dir, "pg"), Settings: map[string]string{"shared_buffers": "512MB", "max_wal_size": "4GB"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Destroy(context.Background()) })
	if err := ensureDatabase(t.Context(), server.URL(localdb.Superuser, "postgres"), "bench"); err != nil {
		t.Fatal(err)
	}
	b.url = server.URL(localdb.Superuser, "bench")
	if b.db, err = sqlx.ConnectContext(t.Context(), "postgres", b.url); err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Up(t.Context(), b.db.DB); err != nil {
		t.Fatal(err)
	}
	world, err := sim.New(sim.Options{Wires: []sim.Wire{vnpaysim.New(), momosim.New()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = world.Close() })
	simulator := httptest.NewServer(world.Handler())
	t.Cleanup(simulator.Close)
	b.world, b.sim = world, simulator.URL
	keyFile := filepath.Join(dir, "master.key")
	keys, err := account.NewKeys(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	b.seed(keys)
	b.troubled(keys)
	b.serve(server.URL(migrations.ServiceRole, "bench"), keyFile, filepath.Join(dir, "feegate"))
	b.client = &http.Client{Transport: &http.Transport{MaxIdleConns: 600, MaxIdleConnsPerHost: 600}}
	return b
}

func (b *bench) exec(query string, args ...any) {
	b.t.Helper()
	if _, err := b.db.ExecContext(b.t.Context(), query, args...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) seed(keys *account.Keys) {
	b.t.Helper()
	hash := sha256.Sum256([]byte(benchKey))
	b.exec(`INSERT INTO source_systems (name) VALUES ('bench')`)
	b.exec(`INSERT INTO clients (id, name, source_system, created_at) VALUES ('cli_bench', 'Bench', 'bench', '2026-01-01')`)
	b.exec(`INSERT INTO api_keys (id, client_id, secret_hash, scopes, created_at) VALUES ('key_b', 'cli_bench', $1, '{orders:write,orders:read}', '2026-01-01')`, hash[:])
	b.exec(`INSERT INTO fields (code, name) VALUES ('HT', 'Hộ tịch')`)
	b.exec(`INSERT INTO agencies (code, name) VALUES ('H10.12', 'UBND xã')`)
	b.exec(`INSERT INTO procedures (code, name, field_code) VALUES ('1.001', 'Trích lục', 'HT')`)
	a, err := newApp(b.t.Context(), b.db, keys, "http://127.0.0.1:1", time.Now, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		b.t.Fatal(err)
	}
	// What the settlement's bench settles: an account of its own.
	if err := a.accounts.Create(b.t.Context(), account.Account{ID: "acc_settled", Provider: "vnpay", AgencyCode: "H10.12", Kinds: []string{"le_phi"}, BaseURL: b.sim + "/vnpay", Tariff: vnd.Tariff{BPS: 110},
		Credentials: map[string]string{"vnp_TmnCode": "FEEGATE2", "hash_secret": "SECRETKEYFORTESTVECTORS000000003"}}); err != nil {
		b.t.Fatal(err)
	}
	if _, err := a.people.CreateUser(b.t.Context(), identity.Actor{Kind: identity.KindSystem, ID: "bench"},
		identity.NewUser{Name: "finance", Password: settlementPassword, Roles: []identity.Role{identity.Finance}}); err != nil {
		b.t.Fatal(err)
	}
	for provider, cred := range map[string]map[string]string{
		"momo":  {"partnerCode": "FEEGATEMOMO", "accessKey": "FEEGATEACCESSKEY", "secretKey": "SECRETKEYFORTESTVECTORS000000002"},
		"vnpay": {"vnp_TmnCode": "FEEGATE1", "hash_secret": "SECRETKEYFORTESTVECTORS000000001"},
	} {
		terminal := map[string]string{"momo": "FEEGATEMOMO", "vnpay": "FEEGATE1"}[provider]
		if err := a.accounts.Create(b.t.Context(), account.Account{ID: "acc_" + provider, Provider: provider, AgencyCode: "H10.12", Kinds: []string{"phi", "le_phi"},
			BaseURL: b.sim + "/" + provider, Credentials: cred, Timeouts: map[providers.Operation]int{providers.OpCheckout: 1000}}); err != nil {
			b.t.Fatal(err)
		}
		b.accounts[provider] = sim.Account{Provider: provider, Terminal: terminal, Credentials: cred, Tariff: vnd.Tariff{BPS: 110}}
		if err := b.world.PutAccount(b.accounts[provider]); err != nil {
			b.t.Fatal(err)
		}
	}
}

// serve builds the program and runs it in a process of its own.
func (b *bench) serve(database, keyFile, bin string) {
	b.t.Helper()
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		b.t.Fatalf("building: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(b.t.Context(), bin, "serve", "--listen", "127.0.0.1:0", "--public-url", "http://127.0.0.1:1", "--master-key-file", keyFile)
	cmd.Env = append(os.Environ(), "FEEGATE_DATABASE_URL="+database)
	logs, err := os.Create(filepath.Join(b.t.TempDir(), "log"))
	if err != nil {
		b.t.Fatal(err)
	}
	cmd.Stderr = logs
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.pid = cmd.Process.Pid
	line := make([]byte, 64)
	n, err := out.Read(line)
	if err != nil {
		b.t.Fatalf("the program did not come up: %v", err)
	}
	b.api = strings.TrimSpace(string(line[:n]))
	b.t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() })
}

// pace is what one of the two did within the time.
type pace struct {
	perSecond float64
	p50, p99  time.Duration
}

// load has clients call do until the time is over; do gives the status expected or a failure.
func (b *bench) load(clients int, d time.Duration, do func(client, n int) error) pace {
	b.t.Helper()
	var mu sync.Mutex
	var all []time.Duration
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	began := time.Now()
	end := began.Add(d)
	for c := range clients {
		wg.Go(func() {
			var mine []time.Duration
			for n := 0; time.Now().Before(end); n++ {
				at := time.Now()
				if err := do(c, n); err != nil {
					failed.Store(&err)
					break
				}
				mine = append(mine, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
		})
	}
	wg.Wait()
	took := time.Since(began)
	if err := failed.Load(); err != nil {
		b.t.Fatal(*err)
	}
	slices.Sort(all)
	if len(all) == 0 {
		b.t.Fatal("nothing was done")
	}
	return pace{float64(len(all)) / took.Seconds(), all[len(all)/2], all[len(all)*99/100]}
}

func (b *bench) call(method, url, key string, body []byte, want ...int) error {
	req, err := http.NewRequestWithContext(b.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+benchKey)
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	said, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err == nil && !slices.Contains(want, resp.StatusCode) {
		err = fmt.Errorf("%s %s: %d %s", method, url, resp.StatusCode, said)
	}
	return err
}

func (b *bench) orders(clients int) pace { return b.ordersFor(clients, benchFor) }

func (b *bench) ordersFor(clients int, d time.Duration) pace {
	salt := rand.Uint64()
	return b.load(clients, d, func(c, n int) error {
		id := fmt.Sprintf("%x-%d-%d", salt, c, n)
		return b.call(http.MethodPost, b.api+"/v1/orders", id, []byte(benchOrder(id)), 201)
	})
}

// pending prepares n orders with a pending VNPAY payment each and gives the first one's number.
func (b *bench) pending(n int) int {
	b.t.Helper()
	from := b.used + 1
	b.used += n
	b.exec(`INSERT INTO orders (id, client_id, source_system, mode, reference, dossier_code, procedure_code, agency_code, status, amount, kinds, created_at, expires_at)
		SELECT 'ord_b' || i, 'cli_bench', 'bench', 'live', 'B' || i, 'H10.12-260310-' || i, '1.001', 'H10.12', 'open', 50000, '{le_phi}', now(), now() + interval '7 days'
		FROM generate_series($1::int, $2::int) i`, from, b.used)
	b.exec(`INSERT INTO order_lines (order_id, n, source_system, dossier_code, fee_code, kind, name, quantity, unit_amount, gross, net, live)
		SELECT 'ord_b' || i, 1, 'bench', 'H10.12-260310-' || i, 'HT1', 'le_phi', 'Lệ phí', 2, 25000, 50000, 50000, true FROM generate_series($1::int, $2::int) i`, from, b.used)
	b.exec(`INSERT INTO payments (id, order_id, account_id, provider, provider_reference, status, mode, requested_amount, created_at, expires_at, next_lookup_at)
		SELECT 'pay_b' || i, 'ord_b' || i, 'acc_vnpay', 'vnpay', 'FGB' || i, 'pending', 'live', 50000, now(), now() + interval '1 hour', now() + interval '1 hour' FROM generate_series($1::int, $2::int) i`, from, b.used)
	return from
}

const enough = 30000 // more callbacks than any side manages within the time

func (b *bench) callbacks(clients int) pace {
	from := b.pending(enough)
	calls := make([]sim.Outgoing, enough)
	a := b.accounts["vnpay"]
	a.CallbackURL = b.api + "/callbacks/vnpay/acc_vnpay"
	for i := range calls {
		p := sim.Payment{Provider: "vnpay", Account: a.Terminal, Reference: "FGB" + strconv.Itoa(from+i), Amount: 50000, Taken: 50000, State: sim.Succeeded,
			CreatedAt: time.Now(), PaidAt: time.Now(), Transaction: strconv.Itoa(10000000 + from + i)}
		var err error
		if calls[i], err = vnpaysim.New().Callback(a, p, sim.Message{Said: sim.Succeeded, Code: "00", Amount: 50000, At: time.Now()}); err != nil {
			b.t.Fatal(err)
		}
	}
	var next atomic.Int64
	got := b.load(clients, benchFor, func(int, int) error {
		c := calls[next.Add(1)-1]
		return b.call(c.Method, c.URL, "", c.Body, 200)
	})
	var paid int64
	if err := b.db.GetContext(b.t.Context(), &paid, `SELECT count(*) FROM payments WHERE id LIKE 'pay_b%' AND status = 'succeeded' AND provider_reference IN
		(SELECT 'FGB' || i FROM generate_series($1::int, $2::int) i)`, from, from+enough-1); err != nil || paid != next.Load() {
		b.t.Fatalf("%d callbacks, %d payments succeeded, %v", next.Load(), paid, err)
	}
	return got
}

var (
	pgbenchTPS = regexp.MustCompile(`tps = ([0-9.]+)`)
	failedTx   = regexp.MustCompile(`number of failed transactions: ([1-9][0-9]*)`)
)

// naive runs pgbench with a script of the comparator.
func (b *bench) naive(script string, clients int) float64 {
	b.t.Helper()
	args := []string{"-n", "-M", "prepared", "-c", strconv.Itoa(clients), "-j", "2", "-T", strconv.Itoa(int(benchFor.Seconds())), "-f", "testdata/bench/" + script}
	if script == "callback.sql" {
		args = append(args, "-D", "i=-1", "-D", "clients="+strconv.Itoa(clients), "-D", "base="+strconv.Itoa(b.pending(enough)))
	}
	out, err := exec.Command("pgbench", append(args, b.url)...).CombinedOutput()
	m := pgbenchTPS.FindSubmatch(out)
	if err != nil || m == nil || failedTx.Match(out) {
		b.t.Fatalf("pgbench: %v\n%s", err, out)
	}
	tps, _ := strconv.ParseFloat(string(m[1]), 64)
	return tps
}

// best is the comparator's best client count.
func (b *bench) best(script string) int {
	at, best := 0, 0.0
	for _, c := range []int{4, 16, 32, 64} {
		if tps := b.naive(script, c); tps > best {
			at, best = c, tps
		}
	}
	return at
}

func median[T float64 | time.Duration](xs []T) T {
	slices.Sort(xs)
	return xs[len(xs)/2]
}

func TestBenchOrdersAndCallbacks(t *testing.T) {
	if _, err := exec.LookPath("pgbench"); err != nil {
		t.Fatal("the comparator is pgbench: install PostgreSQL's client programs")
	}
	b := newBench(t)
	var table strings.Builder
	fmt.Fprintf(&table, "%-10s %8s %12s %12s %8s %9s %9s\n", "what", "clients", "feegate/s", "naive/s", "ratio", "p50", "p99")
	for _, kind := range []struct {
		name, script string
		run          func(int) pace
	}{{"order", "order.sql", b.orders}, {"callback", "callback.sql", b.callbacks}} {
		best := b.best(kind.script)
		for _, clients := range []int{1, 8, 64, 256} {
			var ratios, ours, theirs []float64
			var p50, p99 []time.Duration
			for range benchRounds {
				r, n := kind.run(clients), b.naive(kind.script, best)
				ratios, ours, theirs = append(ratios, r.perSecond/n), append(ours, r.perSecond), append(theirs, n)
				p50, p99 = append(p50, r.p50), append(p99, r.p99)
			}
			fmt.Fprintf(&table, "%-10s %8d %12.0f %12.0f %8.2f %9s %9s\n", kind.name, clients, median(ours), median(theirs), median(ratios),
				median(p50).Round(100*time.Microsecond), median(p99).Round(100*time.Microsecond))
		}
		fmt.Fprintf(&table, "(naive: pgbench -M prepared at its best of 4, 16, 32, 64 clients: %d)\n", best)
	}
	t.Log("\n" + table.String())
}

// flows has clients make an order and start its payment at a provider, over and over.
func (b *bench) flows(provider string, clients int, want ...int) pace {
	salt := rand.Uint64()
	return b.load(clients, benchFor, func(c, n int) error {
		id := fmt.Sprintf("%s-%x-%d-%d", provider, salt, c, n)
		order, err := b.order(id)
		if err != nil {
			return err
		}
		return b.call(http.MethodPost, b.api+"/v1/orders/"+order+"/payments", id, []byte(`{"provider":"`+provider+`"}`), want...)
	})
}

func benchOrder(id string) string {
	return fmt.Sprintf(`{"reference":%[1]q,"dossier_code":"H10.12-260310-%06[2]d","procedure_code":"1.001","agency_code":"H10.12","lines":[{"fee_code":"HT1","purpose":%[1]q,`+
		`"kind":"le_phi","name":"Lệ phí","quantity":2,"unit_amount":25000,"gross":50000,"net":50000}],"amount":50000}`, id, rand.IntN(1000000))
}

func (b *bench) order(id string) (string, error) {
	status, raw, err := try(b.t.Context(), benchKey, http.MethodPost, b.api+"/v1/orders", id, benchOrder(id))
	if err != nil || status != http.StatusCreated {
		return "", fmt.Errorf("order: %d %s %w", status, raw, err)
	}
	var o struct {
		ID string `json:"id"`
	}
	return o.ID, json.Unmarshal(raw, &o)
}

// turned has payers try one order after another at a provider that hangs: who is told 503 comes back to the same order, at once or when
// Retry-After says.
func (b *bench) turned(clients int, patient bool) pace {
	return b.turnedAt("acc_momo", clients, patient)
}

func (b *bench) turnedAt(account string, clients int, patient bool) pace {
	salt := rand.Uint64()
	orders := make([]string, clients)
	return b.load(clients, benchFor, func(c, n int) (err error) {
		id := fmt.Sprintf("hung-%x-%d-%d", salt, c, n)
		if orders[c] == "" {
			if orders[c], err = b.order(id); err != nil {
				return err
			}
		}
		req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.api+"/v1/orders/"+orders[c]+"/payments", strings.NewReader(`{"account_id":"`+account+`"}`))
		if err != nil {
			return err
		}
		req.Header = http.Header{"Authorization": {"Bearer " + benchKey}, "Content-Type": {"application/json"}, "Idempotency-Key": {id}}
		resp, err := b.client.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusServiceUnavailable:
			if wait, _ := strconv.Atoi(resp.Header.Get("Retry-After")); patient {
				select {
				case <-b.t.Context().Done():
				case <-time.After(min(time.Duration(wait)*time.Second, benchFor)):
				}
			}
		case http.StatusCreated, http.StatusAccepted, http.StatusConflict: // it worked, or is in doubt: this payer waits, another comes
			orders[c] = ""
		default:
			err = errors.Join(err, fmt.Errorf("a hung provider's payment: %d", resp.StatusCode))
		}
		return err
	})
}

// One of two providers hangs: the other must not notice.
func TestBenchHungProvider(t *testing.T) {
	b := newBench(t)
	const clients = 32
	beside := func(other func() pace) (healthy, its pace) {
		var wg sync.WaitGroup
		wg.Go(func() { its = other() })
		healthy = b.flows("vnpay", clients, 201)
		wg.Wait()
		return healthy, its
	}
	b.flows("vnpay", clients, 201) // warm
	ratio := func(other func() pace) (m float64, p50, p99 time.Duration) {
		var ratios []float64
		var p50s, p99s []time.Duration
		for range benchRounds {
			alone := b.flows("vnpay", clients, 201)
			healthy, its := beside(other)
			ratios, p50s, p99s = append(ratios, healthy.perSecond/alone.perSecond), append(p50s, its.p50), append(p99s, its.p99)
		}
		return median(ratios), median(p50s), median(p99s)
	}
	fair, _, _ := ratio(func() pace { return b.flows("momo", clients, 201) })
	if status, raw, err := try(t.Context(), "", http.MethodPost, b.sim+"/control/momo/faults", "", map[string]any{"operation": "*", "fault": "hang", "probability": 1}); err != nil || status/100 != 2 {
		t.Fatalf("%d %s %v", status, raw, err)
	}
	b.turned(clients, true) // finds out that it hangs
	patient, _, _ := ratio(func() pace { return b.turned(clients, true) })
	hasty, p50, p99 := ratio(func() pace { return b.turned(clients, false) })
	t.Logf("\nVNPAY's payments, %d clients, ÷ alone, beside %d payers of MoMo: healthy %.2f; hung, payers come back when told %.2f; hung, payers come back at once %.2f"+
		"\na hung MoMo's payment is refused in p50 %s, p99 %s", clients, clients, fair, patient, hasty, p50.Round(time.Millisecond), p99.Round(time.Millisecond))
}
