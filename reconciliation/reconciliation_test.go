package reconciliation_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"strings"
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
	"feegate/reconciliation"
)

const (
	acc      = "acc_momo"
	terminal = "FEEGATEMOMO"
	day      = "2026-03-10"
)

type morning struct {
	t     *testing.T
	db    *sqlx.DB
	g     *gateway.Gateway
	r     *reconciliation.Reconciler
	world *sim.World

	accounts *account.Store
}

var caller = gateway.Caller{ClientID: "cli", SourceSystem: "portal", Mode: "live"}

func newMorning(t *testing.T) *morning {
	t.Helper()
	m := &morning{t: t, db: dbtest.New(t)}
	for _, q := range []string{
		`INSERT INTO source_systems (name) VALUES ('portal')`,
		`INSERT INTO clients (id, name, source_system, created_at) VALUES ('cli', 'Portal', 'portal', '2026-03-01')`,
		`INSERT INTO fields (code, name) VALUES ('ht', 'Hộ tịch')`, `INSERT INTO agencies (code, name) VALUES ('H10.12', 'UBND')`,
		`INSERT INTO procedures (code, name, field_code) VALUES ('1.100001', 'Kết hôn', 'ht')`,
	} {
		if _, err := m.db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	world, err := sim.New(sim.Options{Wires: []sim.Wire{momosim.New()}, Start: time.Date(2026, 3, 10, 9, 0, 0, 0, sim.Zone())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = world.Close() })
	server := httptest.NewServer(world.Handler())
	t.Cleanup(server.Close)
	keys, err := account.NewKeys(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	cred := map[string]string{"partnerCode": terminal, "accessKey": "AK", "secretKey": "SK"}
	accounts := account.NewStore(m.db, keys, providers.NewRegistry(momo.Registration()), "http://127.0.0.1:1", world.Now, breaker.New(breaker.Settings{}).Client)
	tariff := vnd.Tariff{BPS: 110}
	if err := accounts.Create(t.Context(), account.Account{ID: acc, Provider: "momo", Terminal: terminal, AgencyCode: "H10.12", Kinds: []string{"le_phi"},
		BaseURL: server.URL + "/momo", Tariff: tariff, Credentials: cred}); err != nil {
		t.Fatal(err)
	}
	if err := world.PutAccount(sim.Account{Provider: "momo", Terminal: terminal, Credentials: cred, Tariff: tariff}); err != nil {
		t.Fatal(err)
	}
	m.world, m.g = world, gateway.New(m.db, accounts, keys, "http://127.0.0.1:1", world.Now)
	m.accounts = accounts
	m.r = reconciliation.New(m.db, accounts, m.g, world.Now)
	return m
}

// order makes an order of one fee.
func (m *morning) order(reference string, i int, sum int64) {
	m.t.Helper()
	amount := vnd.Amount(sum)
	in := gateway.NewOrder{Reference: reference, DossierCode: fmt.Sprintf("H10.12-260310-%04d", i), ProcedureCode: "1.100001", AgencyCode: "H10.12", Amount: &amount,
		Lines: []gateway.NewLine{{FeeCode: "f", Kind: "le_phi", Name: "Lệ phí", Quantity: 1, UnitAmount: &amount, Gross: &amount, Net: &amount}}}
	if _, err := m.g.CreateOrder(m.t.Context(), caller, gateway.Key{Principal: "cli", Method: "POST", Path: "/o", Key: reference}, in); err != nil {
		m.t.Fatal(err)
	}
}

// paid makes n orders of one amount and pays them at the provider; told says whether we hear of it.
func (m *morning) paid(from, n int, amount vnd.Amount, told bool) {
	m.t.Helper()
	ctx := m.t.Context()
	for i := from; i < from+n; i++ {
		name := fmt.Sprint("R", i)
		m.order(name, i, int64(amount))
		var order, reference string
		if err := m.db.GetContext(ctx, &order, `SELECT id FROM orders WHERE reference = $1`, name); err != nil {
			m.t.Fatal(err)
		}
		if _, err := m.g.StartPayment(ctx, caller, gateway.Key{Principal: "cli", Method: "POST", Path: "/p", Key: fmt.Sprint(i)}, order, gateway.NewPayment{Provider: "momo"}); err != nil {
			m.t.Fatal(err)
		}
		if err := m.db.GetContext(ctx, &reference, `SELECT provider_reference FROM payments WHERE order_id = $1`, order); err != nil {
			m.t.Fatal(err)
		}
		d := sim.Decision{Outcome: "succeed", Callback: &sim.CallbackSpec{Send: new(bool)}}
		if _, err := m.world.Decide(ctx, "momo", reference, d); err != nil {
			m.t.Fatal(err)
		}
		if told {
			var id string
			if err := m.db.GetContext(ctx, &id, `SELECT id FROM payments WHERE order_id = $1`, order); err != nil {
				m.t.Fatal(err)
			}
			if err := m.g.LookUp(ctx, id); err != nil {
				m.t.Fatal(err)
			}
		}
	}
}

func (m *morning) file(c sim.Changes) []byte {
	m.t.Helper()
	_, file, _, err := m.world.Settlement("momo", terminal, day, c)
	if err != nil {
		m.t.Fatal(err)
	}
	return file
}

func (m *morning) in(file []byte) (*reconciliation.Import, error) {
	return m.r.Settlement(m.t.Context(), reconciliation.File{AccountID: acc, Date: day, By: "usr_1", Body: bytes.NewReader(file)})
}

func (m *morning) day() *reconciliation.Day {
	m.t.Helper()
	d, err := m.r.Day(m.t.Context(), acc, day)
	if err != nil {
		m.t.Fatal(err)
	}
	return d
}

func TestACleanMorningAgrees(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 5, 50000, true) // equal amounts: only the reference tells them apart
	file := m.file(sim.Changes{})
	imp, err := m.in(file)
	if err != nil {
		t.Fatal(err)
	}
	d := m.day()
	if d.Matched.Count != 5 || d.Difference != 0 || d.Unexplained != 0 || len(d.Discrepancies) != 0 || d.Status != "matched" || imp.Lines != 5 || imp.Amount != 250000 {
		t.Errorf("%+v %+v", imp, d)
	}
	again, err := m.in(file)
	if err != nil || again.ID != imp.ID || !again.Known {
		t.Errorf("the same file again: %+v %v", again, err)
	}
	if n := m.day().Settled.Count; n != 5 {
		t.Errorf("%d lines after the same file twice", n)
	}
	// 1.1 % of 50,000 is 550: the fee leaves clearing with the net.
	var clearing int64
	if err := m.db.GetContext(t.Context(), &clearing, `SELECT sum(CASE WHEN to_account LIKE 'clearing:%' THEN amount ELSE 0 END - CASE WHEN from_account LIKE 'clearing:%' THEN amount ELSE 0 END) FROM moves`); err != nil || clearing != 0 {
		t.Errorf("clearing holds %d, %v", clearing, err)
	}
}

func TestEveryDifferenceIsNamedAndExplained(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 8, 120000, true)
	if _, err := m.in(m.file(sim.Changes{Lose: 1, Invent: 1, Alter: 1, Double: 1, Seed: 7})); err != nil {
		t.Fatal(err)
	}
	d := m.day()
	want := map[string]int{"missing_at_provider": 1, "missing_at_gateway": 1, "amount_mismatch": 1, "duplicate_line": 1}
	if !maps.Equal(d.Discrepancies, want) || d.Unexplained != 0 || d.Difference == 0 {
		t.Errorf("%+v", d)
	}
	if err := m.r.Match(t.Context(), acc, day); err != nil {
		t.Fatal(err)
	}
	if again := m.day(); !maps.Equal(again.Discrepancies, want) || again.Explained != d.Explained || again.Matched != d.Matched {
		t.Errorf("matching again: %+v", again)
	}
	if _, err := m.in(m.file(sim.Changes{})); gateway.ProblemName(err) != reconciliation.ProblemConflict {
		t.Errorf("another file with changed lines: %v", err)
	}
}

// The settlement knows of a payment whose callback was lost: the line makes it succeed, and the difference is kept as resolved.
func TestASettledPaymentThatWeDidNotKnowIsPaid(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 1, 90000, false)
	if _, err := m.in(m.file(sim.Changes{})); err != nil {
		t.Fatal(err)
	}
	d := m.day()
	var kept, paid int
	if err := m.db.GetContext(t.Context(), &kept, `SELECT count(*) FROM discrepancies WHERE kind = 'status_mismatch' AND status = 'resolved' AND effect = 0`); err != nil {
		t.Fatal(err)
	}
	if err := m.db.GetContext(t.Context(), &paid, `SELECT count(*) FROM orders WHERE status = 'paid'`); err != nil {
		t.Fatal(err)
	}
	if kept != 1 || paid != 1 || d.Difference != 0 || len(d.Discrepancies) != 0 {
		t.Errorf("kept %d, paid %d, %+v", kept, paid, d)
	}
}

func TestBadFilesLeaveNothing(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 2, 60000, true)
	good := string(m.file(sim.Changes{}))
	header := good[:strings.Index(good, "\n")+1]
	for name, file := range map[string]string{
		"empty": "", "header only": header, "another terminal": strings.ReplaceAll(good, terminal, "SOMEBODY"), "wrong encoding": header + "\xff\xfe\n",
		"total": strings.Replace(good, "TOTAL,2,", "TOTAL,3,", 1), "formula": strings.Replace(good, ",PAYMENT,", ",=cmd,", 1), "cut": good[:len(good)/2],
		"a long line": header + strings.Repeat("x", 1<<20),
	} {
		var u *reconciliation.UnreadableError
		if _, err := m.in([]byte(file)); !errors.As(err, &u) || len(u.Lines) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	var n int
	if err := m.db.GetContext(t.Context(), &n, `SELECT (SELECT count(*) FROM imports) + (SELECT count(*) FROM settlement_lines) + (SELECT count(*) FROM discrepancies)`); err != nil || n != 0 {
		t.Errorf("%d rows left, %v", n, err)
	}
	if _, err := m.in([]byte(header + "TOTAL,0,0,0,0\n")); err != nil {
		t.Errorf("an empty day with its total: %v", err)
	}
	if d := m.day(); d.Discrepancies["missing_at_provider"] != 2 || d.Unexplained != 0 {
		t.Errorf("%+v", d)
	}
}
