package gateway_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/migrations/dbtest"
	"feegate/providers"
	"feegate/providers/breaker"
	"feegate/providers/momo"
	"feegate/providers/momo/momosim"
	"feegate/providers/sim"
	"feegate/providers/vnpay"
	"feegate/providers/vnpay/vnpaysim"
)

// street is a gateway over a real database, with the simulated providers over real HTTP.
type street struct {
	t      *testing.T
	db     *sqlx.DB
	g      *gateway.Gateway
	world  *sim.World
	sim    *httptest.Server
	caller gateway.Caller
	n      int
	asked  atomic.Pointer[providers.Refund] // the last refund that VNPAY was asked after
}

const momoAccount, vnpayAccount = "acc_momo", "acc_vnpay"

func newStreet(t *testing.T) *street {
	t.Helper()
	ctx := t.Context()
	s := &street{t: t, db: dbtest.New(t), caller: gateway.Caller{ClientID: "cli_portal", SourceSystem: "portal", Mode: "live", Actor: "key_1"}}
	for _, q := range []string{
		`INSERT INTO source_systems (name) VALUES ('portal'), ('other')`,
		`INSERT INTO clients (id, name, source_system, created_at) VALUES ('cli_portal', 'Portal', 'portal', '2026-03-01'), ('cli_other', 'Other', 'other', '2026-03-01')`,
		`INSERT INTO fields (code, name) VALUES ('ht', 'Hộ tịch')`, `INSERT INTO agencies (code, name) VALUES ('H10.12', 'UBND')`,
		`INSERT INTO procedures (code, name, field_code) VALUES ('1.100001', 'Kết hôn', 'ht')`,
	} {
		if _, err := s.db.ExecContext(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	world, err := sim.New(sim.Options{Wires: []sim.Wire{vnpaysim.New(), momosim.New()}, Start: time.Date(2026, 3, 10, 9, 0, 0, 0, sim.Zone())})
	if err != nil {
		t.Fatal(err)
	}
	s.world = world
	t.Cleanup(func() { _ = world.Close() })
	s.sim = httptest.NewServer(world.Handler())
	t.Cleanup(s.sim.Close)
	keys, err := account.NewKeys(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	group := breaker.New(breaker.Settings{})
	byHand := momo.Registration()
	byHand.Name, byHand.New = "handmade", func(a providers.Account, d providers.Deps) (providers.Provider, error) {
		p, err := momo.New(a, d)
		return handmade{p}, err
	}
	watched := vnpay.Registration()
	watched.New = func(a providers.Account, d providers.Deps) (providers.Provider, error) {
		p, err := vnpay.New(a, d)
		return witness{p, p.(providers.Refunder), &s.asked}, err
	}
	registry := providers.NewRegistry(watched, momo.Registration(), byHand, notifier("bank_a"), notifier("bank_b"))
	accounts := account.NewStore(s.db, keys, registry, "http://127.0.0.1:1", world.Now, group.Client)
	for _, a := range []account.Account{
		{ID: momoAccount, Provider: "momo", Credentials: map[string]string{"partnerCode": "FEEGATEMOMO", "accessKey": "AK", "secretKey": "SK"}},
		{ID: vnpayAccount, Provider: "vnpay", Credentials: map[string]string{"vnp_TmnCode": "FEEGATE1", "hash_secret": "S"}},
		{ID: "acc_handmade", Provider: "handmade", Credentials: map[string]string{"partnerCode": "HANDMADE", "accessKey": "AK", "secretKey": "SK"}},
	} {
		a.AgencyCode, a.Kinds, a.BaseURL, a.Tariff = "H10.12", []string{"phi", "le_phi"}, s.sim.URL+"/"+a.Provider, vnd.Tariff{BPS: 110}
		played := a.Provider
		if played == byHand.Name { // MoMo without its refunds
			played, a.BaseURL = "momo", s.sim.URL+"/momo"
		}
		a.Terminal = a.Credentials[registry[a.Provider].TerminalField]
		if err := accounts.Create(ctx, a); err != nil {
			t.Fatal(err)
		}
		if err := world.PutAccount(sim.Account{Provider: played, Terminal: a.Terminal, Credentials: a.Credentials, Tariff: a.Tariff}); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range []account.Account{{ID: bankA, Provider: "bank_a"}, {ID: bankB, Provider: "bank_b"}} { // two notifiers of one bank account
		a.AgencyCode, a.Kinds, a.BaseURL, a.Terminal, a.BeneficiaryAccount = "H10.12", []string{"phi", "le_phi"}, "http://127.0.0.1:1", ownBankAccount, ownBankAccount
		a.Credentials = map[string]string{"key": "K"}
		if err := accounts.Create(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	if err := accounts.Create(ctx, account.Account{ID: bankC, Provider: "bank_b", AgencyCode: "H10.12", Kinds: []string{"phi", "le_phi"}, BaseURL: "http://127.0.0.1:1",
		Terminal: "555666777", BeneficiaryAccount: "555666777", Credentials: map[string]string{"key": "K"}}); err != nil { // another bank account at the same notifier
		t.Fatal(err)
	}
	s.g = gateway.New(s.db, accounts, keys, "http://127.0.0.1:1", world.Now)
	return s
}

func (s *street) key(body any) gateway.Key {
	s.n++
	raw, _ := json.Marshal(body)
	hash := sha256.Sum256(raw)
	return gateway.Key{Principal: s.caller.ClientID, Method: "POST", Path: "/", Key: fmt.Sprint(s.n), BodyHash: hash[:]}
}

func newOrder(n int, amount vnd.Amount) gateway.NewOrder {
	return gateway.NewOrder{Reference: fmt.Sprint("R", n), DossierCode: fmt.Sprintf("H10.12-260310-%04d", n), ProcedureCode: "1.100001", AgencyCode: "H10.12", Amount: &amount,
		Lines: []gateway.NewLine{{FeeCode: "1.100001-le_phi", Kind: "le_phi", Name: "Lệ phí", Quantity: 1, UnitAmount: &amount, Gross: &amount, Net: &amount}}}
}

func (s *street) order(n int, amount vnd.Amount) gateway.OrderView {
	s.t.Helper()
	in := newOrder(n, amount)
	a, err := s.g.CreateOrder(s.t.Context(), s.caller, s.key(in), in)
	if err != nil {
		s.t.Fatal(err)
	}
	return decode[gateway.OrderView](s.t, a.Body)
}

func (s *street) pay(order string, in gateway.NewPayment) gateway.PaymentView {
	s.t.Helper()
	a, err := s.g.StartPayment(s.t.Context(), s.caller, s.key(in), order, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return decode[gateway.PaymentView](s.t, a.Body)
}

// control tells the simulator what the payer does; no callback is sent.
func (s *street) control(provider, reference, body string) {
	s.t.Helper()
	res, err := http.Post(s.sim.URL+"/control/"+provider+"/payments/"+reference, "application/json", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		s.t.Fatalf("simulator: %d %s", res.StatusCode, b)
	}
}

func (s *street) get(id string) *gateway.OrderView {
	s.t.Helper()
	v, err := s.g.Order(s.t.Context(), s.caller, id)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s *street) sum(query string, args ...any) (n int64) {
	s.t.Helper()
	if err := s.db.QueryRowContext(s.t.Context(), query, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func decode[T any](t *testing.T, raw []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return v
}

func (s *street) forward(d time.Duration) {
	s.t.Helper()
	if _, err := s.world.Move(s.t.Context(), func(now time.Time) time.Time { return now.Add(d) }); err != nil {
		s.t.Fatal(err)
	}
}

// A lost callback: the payer paid, nobody told us, the sweep finds it; then the same word comes a hundred times at once.
func TestALostCallbackIsFoundAndADoubledOneChangesNothing(t *testing.T) {
	s := newStreet(t)
	o := s.order(1, 120000)
	p := s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
	if p.Status != gateway.PaymentPending || p.Redirect == nil {
		t.Fatalf("%+v", p)
	}
	s.control("momo", p.ProviderReference, `{"outcome":"succeed","callback":{"send":false}}`)
	s.forward(3 * time.Minute)
	if n, err := s.g.Sweep(t.Context(), 10); n != 1 || err != nil {
		t.Fatalf("swept %d: %v", n, err)
	}
	if v := s.get(o.ID); v.Status != gateway.OrderPaid || v.PaidAmount != 120000 || v.SurplusAmount != 0 {
		t.Fatalf("%+v", v)
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			v, err := s.g.Record(context.Background(), gateway.Word{AccountID: momoAccount, Source: gateway.SourceCallback, Raw: []byte("{}"),
				Notice: providers.Notice{Reference: p.ProviderReference, Outcome: providers.Succeeded, Amount: 120000}})
			if v != providers.VerdictDuplicate || err != nil {
				t.Errorf("%s %v", v, err)
			}
		})
	}
	wg.Wait()
	if n := s.sum(`SELECT sum(amount) FROM moves WHERE to_account = $1`, "clearing:"+momoAccount); n != 120000 {
		t.Errorf("moves hold %d", n)
	}
	if n := s.sum(`SELECT count(*) FROM outbox WHERE type = 'order.paid'`); n != 1 {
		t.Errorf("order.paid was said %d times", n)
	}
	if n := s.sum(`SELECT count(*) FROM callbacks`); n != 100 {
		t.Errorf("%d callbacks kept", n)
	}
}

// Racing first words: one pays, the rest see that it did.
func TestAHundredFirstCallbacksPayOnce(t *testing.T) {
	s := newStreet(t)
	o := s.order(1, 50000)
	p := s.pay(o.ID, gateway.NewPayment{Provider: "vnpay"})
	verdicts := make(chan providers.Verdict, 100)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			v, err := s.g.Record(context.Background(), gateway.Word{AccountID: vnpayAccount, Source: gateway.SourceCallback,
				Notice: providers.Notice{Reference: p.ProviderReference, Outcome: providers.Succeeded, Amount: 50000}})
			if err != nil {
				t.Error(err)
			}
			verdicts <- v
		})
	}
	wg.Wait()
	close(verdicts)
	count := map[providers.Verdict]int{}
	for v := range verdicts {
		count[v]++
	}
	if count[providers.VerdictRecorded] != 1 || count[providers.VerdictDuplicate] != 99 {
		t.Errorf("%v", count)
	}
	if v := s.get(o.ID); v.PaidAmount != 50000 || v.Status != gateway.OrderPaid {
		t.Errorf("%+v", v)
	}
}

func TestTwoPaymentsTheSecondIsSurplus(t *testing.T) {
	s := newStreet(t)
	o := s.order(1, 100000)
	first := s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
	second := s.pay(o.ID, gateway.NewPayment{Provider: "vnpay"})
	for i, p := range []gateway.PaymentView{first, second} {
		acc := []string{momoAccount, vnpayAccount}[i]
		if _, err := s.g.Record(t.Context(), gateway.Word{AccountID: acc, Source: gateway.SourceCallback,
			Notice: providers.Notice{Reference: p.ProviderReference, Outcome: providers.Succeeded, Amount: 100000}}); err != nil {
			t.Fatal(err)
		}
	}
	if v := s.get(o.ID); v.Status != gateway.OrderPaid || v.PaidAmount != 100000 || v.SurplusAmount != 100000 {
		t.Errorf("%+v", v)
	}
}

func TestLateMoneyPaysAnExpiredOrder(t *testing.T) {
	s := newStreet(t)
	o := s.order(1, 70000)
	p := s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
	s.control("momo", p.ProviderReference, `{"outcome":"succeed","callback":{"send":false}}`)
	s.forward(8 * 24 * time.Hour)
	if n, err := s.g.Expire(t.Context(), 10); n != 1 || err != nil {
		t.Fatalf("expired %d: %v", n, err)
	}
	if v := s.get(o.ID); v.Status != gateway.OrderExpired {
		t.Fatalf("%+v", v)
	}
	if _, err := s.g.Sweep(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if v := s.get(o.ID); v.Status != gateway.OrderPaid || !v.Late || v.PaidAmount != 70000 {
		t.Errorf("%+v", v)
	}
}

func TestFiftyRacingRequestsWithOneKeyMakeOneOrder(t *testing.T) {
	s := newStreet(t)
	in := newOrder(1, 90000)
	k := s.key(in)
	answers := make(chan string, 50)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			a, err := s.g.CreateOrder(context.Background(), s.caller, k, in)
			if err != nil {
				t.Error(err)
			}
			answers <- string(a.Body)
		})
	}
	wg.Wait()
	close(answers)
	first := <-answers
	for a := range answers {
		if a != first {
			t.Fatalf("two answers:\n%s\n%s", first, a)
		}
	}
	if n := s.sum(`SELECT count(*) FROM orders`); n != 1 {
		t.Errorf("%d orders", n)
	}
	k.BodyHash = make([]byte, 32)
	if _, err := s.g.CreateOrder(t.Context(), s.caller, k, in); gateway.ProblemName(err) != gateway.ProblemKeyReused {
		t.Errorf("another body under the key: %v", err)
	}
}

func TestWhatStandsInTheWayOfAnOrder(t *testing.T) {
	s := newStreet(t)
	s.order(1, 100000)
	for want, change := range map[string]func(*gateway.NewOrder){
		gateway.ProblemReferenceUsed:  func(o *gateway.NewOrder) { o.DossierCode = "H10.12-260310-9999" },
		gateway.ProblemFeeAlreadyOpen: func(o *gateway.NewOrder) { o.Reference = "new" },
		gateway.ProblemInvalid: func(o *gateway.NewOrder) {
			o.Reference, o.DossierCode, o.ProcedureCode = "n2", "H10.12-260310-9998", "9.9"
		},
		gateway.ProblemMixed: func(o *gateway.NewOrder) {
			o.Reference, o.Lines[0].Kind, o.Lines[0].TaxNotice = "n3", "nvtc", &gateway.TaxNotice{Number: "1"}
		},
	} {
		in := newOrder(1, 100000)
		change(&in)
		if _, err := s.g.CreateOrder(t.Context(), s.caller, s.key(in), in); gateway.ProblemName(err) != want {
			t.Errorf("%s: got %v", want, err)
		}
	}
	if n := s.sum(`SELECT count(*) FROM orders`); n != 1 {
		t.Errorf("%d orders: a refused one left something", n)
	}
	other := gateway.Caller{ClientID: "cli_other", SourceSystem: "other", Mode: "live"}
	var id string
	if err := s.db.GetContext(t.Context(), &id, `SELECT id FROM orders`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.g.Order(t.Context(), other, id); gateway.ProblemName(err) != gateway.ProblemNotFound {
		t.Errorf("another source system's order: %v", err)
	}
}

// What the provider said when asked takes a success back; the moves go back with it.
func TestAReversalTakesTheMoneyBack(t *testing.T) {
	s := newStreet(t)
	o := s.order(1, 100000)
	p := s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
	for _, w := range []gateway.Word{
		{Source: gateway.SourceCallback, Notice: providers.Notice{Outcome: providers.Succeeded, Amount: 100000}},
		{Source: gateway.SourceCallback, Notice: providers.Notice{Outcome: providers.Failed, Amount: 100000}},
	} {
		w.AccountID, w.Notice.Reference = momoAccount, p.ProviderReference
		if _, err := s.g.Record(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	if v := s.get(o.ID); v.Status != gateway.OrderPaid {
		t.Fatalf("a claim took a success back: %+v", v)
	}
	if _, err := s.g.Record(t.Context(), gateway.Word{AccountID: momoAccount, Source: gateway.SourceLookup,
		Notice: providers.Notice{Reference: p.ProviderReference, Outcome: providers.Failed}}); err != nil {
		t.Fatal(err)
	}
	if v := s.get(o.ID); v.Status != gateway.OrderOpen || v.PaidAmount != 0 || v.Payments[0].Status != gateway.PaymentReversed {
		t.Errorf("%+v", v)
	}
	if n := s.sum(`SELECT coalesce(sum(CASE WHEN to_account LIKE 'clearing:%' THEN amount ELSE -amount END), 0) FROM moves`); n != 0 {
		t.Errorf("clearing holds %d", n)
	}
}

// Evidence cannot be changed by the service's role, nor by the owner.
func TestEvidenceIsAppendOnly(t *testing.T) {
	s := newStreet(t)
	o := s.order(1, 100000)
	p := s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
	if _, err := s.g.Record(t.Context(), gateway.Word{AccountID: momoAccount, Source: gateway.SourceCallback,
		Notice: providers.Notice{Reference: p.ProviderReference, Outcome: providers.Succeeded, Amount: 100000}}); err != nil {
		t.Fatal(err)
	}
	owner := dbtest.Admin(t, s.db)
	for _, q := range []string{`UPDATE moves SET amount = 1`, `DELETE FROM allocations`, `UPDATE history SET detail = 'x'`, `TRUNCATE moves`} {
		for who, db := range map[string]*sqlx.DB{"service": s.db, "owner": owner} {
			if _, err := db.ExecContext(t.Context(), q); err == nil {
				t.Errorf("%s may %s", who, q)
			}
		}
	}
	if _, err := s.db.ExecContext(t.Context(), `UPDATE payments SET status = 'failed'`); err == nil {
		t.Error("a success became a failure by SQL")
	}
}

// A browser proves nothing: it does not make a doubtful payment clear either.
func TestAReturnDoesNotEndADoubt(t *testing.T) {
	s := newStreet(t)
	o := s.order(1, 100000)
	p := s.pay(o.ID, gateway.NewPayment{Provider: "momo"})
	for _, w := range []gateway.Word{
		{Source: gateway.SourceCallback, Notice: providers.Notice{Outcome: providers.Uncertain}},
		{Source: gateway.SourceReturn, Notice: providers.Notice{Outcome: providers.Succeeded, Amount: 100000}},
	} {
		w.AccountID, w.Notice.Reference = momoAccount, p.ProviderReference
		if _, err := s.g.Record(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		if v := s.get(o.ID).Payments[0]; !v.InDoubt || v.Status != gateway.PaymentPending {
			t.Errorf("after a %s: %+v", w.Source, v)
		}
	}
}

func TestHousekeepingForgetsOldKeysAndMakesRoom(t *testing.T) {
	s := newStreet(t)
	s.order(1, 50000)
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO idempotency_keys (principal, method, path, key, body_hash, object_id, created_at) VALUES ('p', 'POST', '/', 'flight', '\x00', 'pay_1', $1)`,
		s.world.Now()); err != nil {
		t.Fatal(err)
	}
	if n, err := s.g.Housekeep(t.Context(), 100); n != 0 || err != nil {
		t.Errorf("fresh keys: %d %v", n, err)
	}
	s.forward(36 * 24 * time.Hour)
	if n, err := s.g.Housekeep(t.Context(), 100); n != 1 || err != nil {
		t.Errorf("old keys: %d %v", n, err)
	}
	if n := s.sum(`SELECT count(*) FROM idempotency_keys WHERE key = 'flight'`); n != 1 {
		t.Error("a key in flight was forgotten")
	}
	if n := s.sum(`SELECT count(*) FROM pg_class WHERE relname = 'callbacks_` + s.world.Now().AddDate(0, 2, 0).UTC().Format("200601") + `'`); n != 1 {
		t.Error("no partition for the months to come")
	}
}

// One provider hangs when asked: the payments of the other are asked about all the same.
func TestASweepDoesNotWaitForAProviderThatHangs(t *testing.T) {
	s := newStreet(t)
	slow, quick := s.pay(s.order(1, 50000).ID, gateway.NewPayment{Provider: "momo"}), s.pay(s.order(2, 50000).ID, gateway.NewPayment{Provider: "vnpay"})
	if resp, err := http.Get(quick.Address()); err != nil { // VNPAY knows a payment once its address was fetched
		t.Fatal(err)
	} else if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	s.control("vnpay", quick.ProviderReference, `{"outcome":"succeed","callback":{"send":false}}`)
	s.fault(sim.Lookup, "hang")
	s.forward(20 * time.Minute)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := s.g.Sweep(ctx, 100)
		ended <- err
	}()
	deadline := time.After(20 * time.Second)
	for status := ""; status != gateway.PaymentSucceeded; {
		select {
		case <-deadline:
			t.Fatal("the other provider's payment was not asked about")
		case <-time.After(20 * time.Millisecond):
		}
		v, err := s.g.Payment(t.Context(), s.caller, quick.ID)
		if err != nil {
			t.Fatal(err)
		}
		status = v.Status
	}
	cancel()
	<-ended
	if v, err := s.g.Payment(t.Context(), s.caller, slow.ID); err != nil || v.Status != gateway.PaymentPending {
		t.Errorf("%+v %v", v, err)
	}
}
