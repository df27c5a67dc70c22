package sim_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"feegate/gateway/vnd"
	"feegate/providers/momo/momosim"
	"feegate/providers/sim"
	"feegate/providers/vnpay/vnpaysim"
)

const day = "2026-03-05"

func start() time.Time { return time.Date(2026, 3, 5, 8, 0, 0, 0, sim.Zone()) }

func newWorld(t interface {
	Helper()
	Fatal(...any)
}, dir string) *sim.World {
	t.Helper()
	w, err := sim.New(sim.Options{Wires: []sim.Wire{vnpaysim.New(), momosim.New()}, DataDir: dir, Start: start()})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func register(t interface {
	Helper()
	Fatal(...any)
}, w *sim.World) {
	t.Helper()
	for _, a := range []sim.Account{
		{Provider: "vnpay", Terminal: "FEEGATE1", Credentials: map[string]string{"hash_secret": "s"}, Tariff: vnd.Tariff{BPS: 110}},
		{Provider: "momo", Terminal: "FEEGATEMOMO", Credentials: map[string]string{"accessKey": "a", "secretKey": "s"}, Tariff: vnd.Tariff{BPS: 110, Fixed: 500}},
	} {
		if err := w.PutAccount(a); err != nil {
			t.Fatal(err)
		}
	}
}

// server is a world behind HTTP.
func server(t *testing.T, w *sim.World) (*httptest.Server, func(method, path, body string) (int, string)) {
	t.Helper()
	s := httptest.NewServer(w.Handler())
	t.Cleanup(func() { s.Close(); _ = w.Close() })
	return s, func(method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
}

func earlier(account string, n int, amount func(i int) vnd.Amount) []sim.Earlier {
	rows := make([]sim.Earlier, n)
	for i := range rows {
		rows[i] = sim.Earlier{Account: account, Reference: fmt.Sprintf("REF%06d", i), Amount: amount(i), PaidAt: start().Add(time.Duration(i) * time.Second)}
	}
	return rows
}

// numbers of a settlement row, by provider: type, amount, fee, net.
func columns(provider string) (kind, amount int) {
	if provider == "vnpay" {
		return 4, 5
	}
	return 6, 7
}

func TestSpoiltSettlementIsAValidFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, "")
		defer func() { _ = w.Close() }()
		register(t, w)
		provider, terminal := "vnpay", "FEEGATE1"
		if rapid.Bool().Draw(t, "momo") {
			provider, terminal = "momo", "FEEGATEMOMO"
		}
		n := rapid.IntRange(0, 30).Draw(t, "payments")
		rows := earlier(terminal, n, func(int) vnd.Amount { return vnd.Amount(rapid.IntRange(1_000, 9_000_000).Draw(t, "amount")) })
		if _, err := w.Enter(provider, rows); err != nil {
			t.Fatal(err)
		}
		refunds := 0
		for i := range n {
			if rapid.IntRange(0, 4).Draw(t, "refund") == 0 {
				at := start().Add(time.Hour)
				if _, err := w.RefundByHand(provider, rows[i].Reference, 1+rows[i].Amount/2, &at); err != nil {
					t.Fatal(err)
				}
				refunds++
			}
		}
		c := sim.Changes{Seed: rapid.Uint64().Draw(t, "seed"), Invent: rapid.IntRange(0, 5).Draw(t, "invent")}
		c.Alter = rapid.IntRange(0, n).Draw(t, "alter")
		c.Lose = rapid.IntRange(0, n+refunds-c.Alter).Draw(t, "lose")
		c.Double = rapid.IntRange(0, n+refunds-c.Alter-c.Lose).Draw(t, "double")
		_, file, changes, err := w.Settlement(provider, terminal, day, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, again, _, _ := w.Settlement(provider, terminal, day, c); !bytes.Equal(file, again) {
			t.Fatal("the same seed gives another file")
		}
		if counts := countKinds(changes); counts["lost"] != c.Lose || counts["altered"] != c.Alter || counts["doubled"] != c.Double || counts["invented"] != c.Invent {
			t.Fatalf("asked for %+v, got %v", c, counts)
		}
		reader := csv.NewReader(bytes.NewReader(file))
		reader.FieldsPerRecord = -1
		records, err := reader.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		lines, total := records[1:len(records)-1], records[len(records)-1]
		if want := n + refunds - c.Lose + c.Double + c.Invent; len(lines) != want || total[0] != "TOTAL" || total[1] != strconv.Itoa(want) {
			t.Fatalf("%d lines, want %d; %v", len(lines), want, total)
		}
		var gross, fees, net int64
		kind, at := columns(provider)
		for _, l := range lines {
			amount, fee, lineNet := number(t, l[at]), number(t, l[at+1]), number(t, l[at+2])
			if l[kind] == "REFUND" {
				amount = -amount
			} else if a, _ := w.Account(provider, terminal); a.Tariff.Fee(vnd.Amount(amount)) != vnd.Amount(fee) {
				t.Fatalf("fee not by tariff: %v", l)
			}
			if lineNet != amount-fee || len(l) != len(records[0]) {
				t.Fatalf("line does not add up: %v", l)
			}
			gross, fees, net = gross+amount, fees+fee, net+lineNet
		}
		if number(t, total[2]) != gross || number(t, total[3]) != fees || number(t, total[4]) != net {
			t.Fatalf("TOTAL %v, lines say %d %d %d", total, gross, fees, net)
		}
		// Without changes the file is the truth: its net is the payout.
		_, honest, _, _ := w.Settlement(provider, terminal, day, sim.Changes{})
		_, payouts := w.Ledger()
		var owed vnd.Signed
		for _, p := range payouts {
			owed += p.Amount
		}
		if !strings.HasSuffix(string(honest), ","+owed.String()+"\n") {
			t.Fatalf("the honest file ends otherwise than %d:\n%s", owed, honest)
		}
		truth, _ := w.Ledger()
		for _, ch := range changes {
			if known := slices.ContainsFunc(truth, func(p sim.Truth) bool { return p.Reference == ch.Reference }); known && ch.Kind == "invented" {
				t.Fatalf("invented a known reference: %v", ch)
			}
			if ch.Kind == "altered" && (ch.Is == ch.Was || ch.Is <= 0) {
				t.Fatalf("altered to %v", ch)
			}
		}
	})
}

func number(t *rapid.T, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func countKinds(changes []sim.Change) map[string]int {
	counts := map[string]int{}
	for _, c := range changes {
		counts[c.Kind]++
	}
	return counts
}

func TestAskingForMoreChangesThanLinesIsRefused(t *testing.T) {
	w := newWorld(t, "")
	register(t, w)
	_, call := server(t, w)
	if status, body := call("GET", "/control/vnpay/settlement?account=FEEGATE1&date="+day+"&lose=1", ""); status != http.StatusUnprocessableEntity || !strings.Contains(body, "0 payments") {
		t.Errorf("%d %s", status, body)
	}
	for _, bad := range []string{"date=05/03/2026", "date=" + day + "&lose=-1", "date=" + day + "&seed=x"} {
		if status, _ := call("GET", "/control/vnpay/settlement?account=FEEGATE1&"+bad, ""); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", bad, status)
		}
	}
}

func TestClockMovesForwardOnlyAndTicks(t *testing.T) {
	moved := []time.Time{}
	refuse := false
	w, err := sim.New(sim.Options{Wires: []sim.Wire{vnpaysim.New()}, Start: start(), MoveGateway: func(_ context, at time.Time) error {
		if refuse {
			return errors.New("no")
		}
		moved = append(moved, at)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, call := server(t, w)
	now := func() time.Time {
		t.Helper()
		var body struct{ Now time.Time }
		_, text := call("GET", "/control/clock", "")
		if err := json.Unmarshal([]byte(text), &body); err != nil {
			t.Fatal(text)
		}
		return body.Now
	}
	before := now()
	if before.Before(start()) {
		t.Fatalf("started at %s", before)
	}
	if status, text := call("POST", "/control/clock", `{"advance":"36h"}`); status != http.StatusOK || !strings.Contains(text, `"now":"2026-03-06T20:0`) {
		t.Errorf("%d %s", status, text)
	}
	if after := now(); after.Sub(before) < 36*time.Hour || len(moved) != 1 {
		t.Errorf("from %s to %s, gateway %v", before, after, moved)
	}
	stood := now()
	for body, want := range map[string]int{`{"set":"2026-03-05T08:00:00+07:00"}`: 409, `{"advance":"-1h"}`: 422, `{}`: 422, `{"advance":"1h","set":"2027-01-01T00:00:00Z"}`: 422,
		`{"advance":"soon"}`: 422, `{"back":"1h"}`: 400, `nonsense`: 400} {
		if status, text := call("POST", "/control/clock", body); status != want {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	refuse = true
	if status, _ := call("POST", "/control/clock", `{"advance":"1h"}`); status != http.StatusBadGateway {
		t.Errorf("the gateway refused: %d", status)
	}
	if moved := now().Sub(stood); moved > 30*time.Minute {
		t.Errorf("the clock moved by %s without the gateway's", moved)
	}
}

func TestStateSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, dir)
	register(t, w)
	if _, err := w.Enter("vnpay", earlier("FEEGATE1", 20, func(i int) vnd.Amount { return vnd.Amount(10_000 + i) })); err != nil {
		t.Fatal(err)
	}
	if _, err := w.RefundByHand("vnpay", "REF000003", 5_000, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Accept(sim.Payment{Provider: "momo", Account: "FEEGATEMOMO", Reference: "OPEN1", Amount: 9_000, Wire: map[string]string{"requestId": "OPEN1"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Arm("momo", sim.Decision{Outcome: sim.OutcomeDecline}); err != nil {
		t.Fatal(err)
	}
	if err := w.Clock().Set(start().Add(48 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	paid, payouts := w.Ledger()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "simulator.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v %v", info, err)
	}
	again := newWorld(t, dir)
	defer func() { _ = again.Close() }()
	paid2, payouts2 := again.Ledger()
	before, _ := json.Marshal([]any{paid, payouts})
	after, _ := json.Marshal([]any{paid2, payouts2})
	if !bytes.Equal(before, after) {
		t.Errorf("the ledger changed:\n%s\n%s", before, after)
	}
	if again.Now().Before(start().Add(48 * time.Hour)) {
		t.Errorf("the clock went back to %s", again.Now())
	}
	if _, ok := again.FindRequest("momo", "FEEGATEMOMO", "OPEN1"); !ok {
		t.Error("request ids are forgotten")
	}
	if p, _ := again.FindReference("momo", "OPEN1"); again.Accepted(t.Context(), p) == nil {
		t.Error("the armed decision is forgotten")
	}
	if p, _ := again.FindReference("momo", "OPEN1"); p.State != sim.Declined {
		t.Errorf("armed: %s", p.State)
	}
	if _, ok := again.Account("vnpay", "FEEGATE1"); !ok {
		t.Error("accounts are forgotten")
	}
}

func TestABrokenStateFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "simulator.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sim.New(sim.Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "simulator.json") {
		t.Errorf("%v", err)
	}
}

func TestBulkIsAllOrNothingAndRepeatable(t *testing.T) {
	w := newWorld(t, "")
	register(t, w)
	_, call := server(t, w)
	body := `[{"account":"FEEGATE1","reference":"A","amount":120000,"paid_at":"2026-03-01T08:00:00+07:00"},
		{"account":"FEEGATE1","reference":"B","amount":50000,"paid_at":"2026-03-01T09:00:00+07:00","transaction":"777","fee":100}]`
	status, first := call("POST", "/control/vnpay/bulk", body)
	if status != http.StatusOK || !strings.Contains(first, `"transaction":"777"`) {
		t.Fatalf("%d %s", status, first)
	}
	if _, again := call("POST", "/control/vnpay/bulk", `{"items":`+body+`}`); again != first {
		t.Errorf("repeated: %s, first %s", again, first)
	}
	for _, bad := range []string{
		`[{"account":"FEEGATE1","reference":"C","amount":1,"paid_at":"2026-03-01T08:00:00Z"},{"account":"NOBODY","reference":"D","amount":1,"paid_at":"2026-03-01T08:00:00Z"}]`,
		`[{"account":"FEEGATE1","reference":"C","amount":0,"paid_at":"2026-03-01T08:00:00Z"}]`,
		`[{"account":"FEEGATE1","reference":"C","amount":1}]`,
		`[{"account":"FEEGATE1","reference":"C","amount":1.5,"paid_at":"2026-03-01T08:00:00Z"}]`,
		`[{"account":"FEEGATE1","reference":"A","amount":1,"paid_at":"2026-03-01T08:00:00Z"}]`,
		`[{"account":"FEEGATE1","reference":"C","amount":1,"paid_at":"2026-03-01T08:00:00Z","transaction":"777"}]`,
	} {
		if status, text := call("POST", "/control/vnpay/bulk", bad); status/100 != 4 {
			t.Errorf("%s: %d %s", bad, status, text)
		}
	}
	paid, payouts := w.Ledger()
	if len(paid) != 2 || len(payouts) != 1 || payouts[0].Amount != 120000-1320+50000-100 {
		t.Errorf("%v %v", paid, payouts)
	}
}

func TestTooManyPaymentsAreRefused(t *testing.T) {
	w := newWorld(t, "")
	defer func() { _ = w.Close() }()
	register(t, w)
	at := start()
	for part := range sim.MaxPayments / sim.MaxBulk {
		rows := make([]sim.Earlier, sim.MaxBulk)
		for i := range rows {
			rows[i] = sim.Earlier{Account: "FEEGATE1", Reference: fmt.Sprintf("P%d-%d", part, i), Amount: 1_000, PaidAt: at}
		}
		if _, err := w.Enter("vnpay", rows); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := w.Accept(sim.Payment{Provider: "vnpay", Account: "FEEGATE1", Reference: "ONE-MORE", Amount: 1}); !errors.Is(err, sim.ErrFull) {
		t.Errorf("one more: %v", err)
	}
	_, payouts := w.Ledger()
	if payouts[0].Count != sim.MaxPayments || payouts[0].Amount != sim.MaxPayments*(1000-11) {
		t.Errorf("%+v", payouts[0])
	}
}

func TestStatementPaysTheLedger(t *testing.T) {
	w := newWorld(t, "")
	register(t, w)
	_, call := server(t, w)
	if _, err := w.Enter("vnpay", earlier("FEEGATE1", 10, func(int) vnd.Amount { return 100_000 })); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Enter("momo", earlier("FEEGATEMOMO", 1, func(int) vnd.Amount { return 50_000 })); err != nil {
		t.Fatal(err)
	}
	next := start().AddDate(0, 0, 1)
	if _, err := w.RefundByHand("momo", "REF000000", 50_000, &next); err != nil {
		t.Fatal(err)
	}
	status, file := call("GET", "/control/bank/statement?format=csv&date="+day, "")
	if status != http.StatusOK || !strings.HasPrefix(file, "\ufeffSAO KÊ TÀI KHOẢN") || !strings.Contains(file, ";989.000;") || !strings.Contains(file, "VNPAY FEEGATE1 TT GD NGAY 05/03/2026") {
		t.Errorf("%d\n%s", status, file)
	}
	if !strings.Contains(file, ";10.000.000;") || !strings.HasSuffix(file, "Closing balance:;11.037.950;;;;;\r\n") {
		t.Errorf("balances:\n%s", file)
	}
	_, file = call("GET", "/control/bank/statement?date=2026-03-06", "")
	if !strings.Contains(file, "Opening balance:;11.037.950;") || !strings.Contains(file, ";50.000;;10.987.950;MOMO FEEGATEMOMO THU HOI") {
		t.Errorf("the next day does not join, or the debit is not one:\n%s", file)
	}
	_, explained := call("GET", "/control/bank/statement?explain=true&seed=7&alter=1&invent=1&lose=1&date="+day, "")
	if !strings.Contains(explained, `"altered"`) || !strings.Contains(explained, `"lost"`) || !strings.Contains(explained, `"invented"`) {
		t.Error(explained)
	}
	for format, want := range map[string]string{"mt940": ":62F:C260306VND11037950,", "camt053": `<Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="VND">11037950</Amt>`} {
		if status, text := call("GET", "/control/bank/statement?format="+format+"&date="+day, ""); status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%d %s", status, text)
		}
	}
	if status, text := call("GET", "/control/bank/statement?format=pdf&date="+day, ""); status != http.StatusUnprocessableEntity || !strings.Contains(text, "camt053") {
		t.Errorf("%d %s", status, text)
	}
	// A terminal that is paid out elsewhere has a statement of its own, and stands on no other.
	if status, text := call("PUT", "/control/vnpay/accounts/FEEGATE1", `{"credentials":{"vnp_TmnCode":"FEEGATE1","hash_secret":"S"},"callback_url":"http://127.0.0.1:1/x","tariff":{"bps":110},"bank_account":"777"}`); status/100 != 2 {
		t.Fatalf("%d %s", status, text)
	}
	own, whole := "/control/bank/statement?account=FEEGATE1&date="+day, "/control/bank/statement?account=777&date=2026-03-06"
	_, file = call("GET", own, "")
	if _, same := call("GET", whole, ""); same != file || !strings.Contains(file, "Account number:;777;") || !strings.Contains(file, "Closing balance:;10.989.000;") {
		t.Errorf("%s\n%s", file, same)
	}
	if _, file = call("GET", "/control/bank/statement?date="+day, ""); strings.Contains(file, "VNPAY") {
		t.Error(file)
	}
}

func TestControlSaysWhatIsWrong(t *testing.T) {
	w := newWorld(t, "")
	register(t, w)
	_, call := server(t, w)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/control/zalopay/payments/next", `{"outcome":"succeed"}`, 404},
		{"POST", "/control/vnpay/payments/NOBODY", `{"outcome":"succeed"}`, 404},
		{"POST", "/control/vnpay/payments/next", `{"outcome":"win"}`, 422},
		{"POST", "/control/vnpay/payments/next", `{"outcome":"reverse"}`, 422},
		{"POST", "/control/vnpay/payments/next", `{"outcome":"succeed","callbacks":{}}`, 400},
		{"POST", "/control/vnpay/payments/next", `{"outcome":"succeed","callback":{"copies":101}}`, 422},
		{"POST", "/control/vnpay/payments/next", `{"outcome":"succeed","amount":"5"}`, 400},
		{"POST", "/control/vnpay/payments/next", `{"outcome":"decline","amount":5}`, 422},
		{"POST", "/control/vnpay/payments/next", `{"outcome":"` + strings.Repeat("x", sim.MaxControlBody) + `"}`, 413},
		{"POST", "/control/vnpay/faults", `{"operation":"pay","fault":"hang"}`, 422},
		{"POST", "/control/vnpay/faults", `{"operation":"*","fault":"fire"}`, 422},
		{"POST", "/control/vnpay/faults", `{"operation":"*","fault":"hang","probability":2}`, 422},
		{"PUT", "/control/vnpay/accounts/X", `{"credentials":{}}`, 422},
		{"PUT", "/control/vnpay/accounts/X", `{"credentials":{"vnp_TmnCode":"Y","hash_secret":"s"}}`, 422},
		{"POST", "/control/momo/refunds/NOBODY", `{"outcome":"succeed"}`, 404},
		{"GET", "/control/vnpay/settlement?account=NOBODY&date=" + day, "", 404},
	} {
		if status, text := call(c.method, c.path, c.body); status != c.status || !strings.Contains(text, `"type":"urn:feegate:simulator:problem:`) {
			t.Errorf("%s %s %.60s: %d %s", c.method, c.path, c.body, status, text)
		}
	}
	if status, text := call("GET", "/healthz", ""); status != 200 || !strings.Contains(text, "ok") {
		t.Errorf("%d %s", status, text)
	}
	if status, text := call("GET", "/control/ledger", ""); status != 200 || text != `{"payments":[],"payouts":[]}`+"\n" {
		t.Errorf("%d %s", status, text)
	}
}
