package sim_test

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers/casso/cassosim"
	"feegate/providers/momo/momosim"
	"feegate/providers/payos/payossim"
	"feegate/providers/sepay/sepaysim"
	"feegate/providers/sim"
	"feegate/providers/vietqr/vietqrsim"
)

const (
	watched   = "0123456789"
	unwatched = "1122334455"
	scanned   = "00020101021238540010A00000072701240006970436011001234567890208QRIBFTTA5303704540712500005802VN62170813PHX22222223A463048318"
)

// heard is what the notifiers told, by provider.
type heard struct {
	sync.Mutex
	bodies map[string][]string
}

func (h *heard) of(provider string) []string {
	h.Lock()
	defer h.Unlock()
	return slices.Clone(h.bodies[provider])
}

// bankWorld has one account that SePay and Casso watch, one that nobody does, and a channel of payOS.
func bankWorld(t *testing.T, dir string) (*sim.World, *heard) {
	t.Helper()
	h := &heard{bodies: map[string][]string{}}
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		h.Lock()
		defer h.Unlock()
		provider := strings.Trim(r.URL.Path, "/")
		h.bodies[provider] = append(h.bodies[provider], string(b))
	}))
	t.Cleanup(gateway.Close)
	w, err := sim.New(sim.Options{Wires: []sim.Wire{momosim.New(), vietqrsim.New(), sepaysim.New(), cassosim.New(), payossim.New()}, DataDir: dir, Start: start()})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []sim.Account{
		{Provider: "vietqr", Terminal: unwatched},
		{Provider: "sepay", Terminal: watched, Credentials: map[string]string{"webhook_secret": "s", "api_token": "t"}},
		{Provider: "casso", Terminal: watched, Credentials: map[string]string{"webhook_key": "k", "api_key": "a"}},
		{Provider: "payos", Terminal: "client", Credentials: map[string]string{"apiKey": "a", "checksumKey": "c"}, BankAccount: watched},
	} {
		a.CallbackURL = gateway.URL + "/" + a.Provider
		if err := w.PutAccount(a); err != nil {
			t.Fatal(err)
		}
	}
	return w, h
}

func TestOneTransferIsToldByEverybodyWhoWatchesTheAccount(t *testing.T) {
	w, h := bankWorld(t, "")
	_, call := server(t, w)
	status, said := call("POST", "/control/bank/transfers", `{"qr_payload":"`+scanned+`","payer_account":"8888888888","reference":"FT1"}`)
	if status != 200 || strings.Count(said, `"status":200`) != 2 || !strings.Contains(said, `"content":"PHX22222223A4"`) {
		t.Fatalf("%d %s", status, said)
	}
	for provider, want := range map[string][]string{
		"sepay": {`"transferAmount":1250000`, `"referenceCode":"FT1"`, `"code":"PHX22222223A4"`, `"transferType":"in"`},
		"casso": {`"amount":1250000`, `"reference":"FT1"`, `"description":"PHX22222223A4"`, `"counterAccountNumber":"8888888888"`},
	} {
		all := h.of(provider)
		if len(all) != 1 {
			t.Fatalf("%s told %d times", provider, len(all))
		}
		for _, part := range want {
			if !strings.Contains(all[0], part) {
				t.Errorf("%s: no %s in %s", provider, part, all[0])
			}
		}
	}
	// The same number of the bank is the same movement; money out is another.
	if status, said := call("POST", "/control/bank/transfers", `{"account":"`+watched+`","amount":5,"reference":"FT1"}`); status != 409 {
		t.Errorf("%d %s", status, said)
	}
	if status, said := call("POST", "/control/bank/transfers", `{"account":"`+watched+`","amount":5,"reference":"FT1","out":true,"notify":{"send":false}}`); status != 200 || !strings.Contains(said, `"callbacks":[]`) {
		t.Errorf("%d %s", status, said)
	}
	// Nobody hears of the other account.
	if status, said := call("POST", "/control/vietqr/payments/PHX22222224J6", `{"outcome":"succeed","amount":7000}`); status != 200 || !strings.Contains(said, `"callbacks":[]`) {
		t.Errorf("%d %s", status, said)
	}
	if len(h.of("sepay"))+len(h.of("casso"))+len(h.of("payos")) != 2 {
		t.Errorf("%v", h.bodies)
	}
	truths, payouts := w.Ledger()
	if len(truths) != 2 || len(payouts) != 0 || truths[0].Provider != "sepay" || truths[0].Account != watched || truths[0].Reference != "PHX22222223A4" || truths[0].Amount != 1250000 ||
		truths[1].Provider != "vietqr" || truths[1].Account != unwatched {
		t.Errorf("%+v %+v", truths, payouts)
	}
}

func TestAVirtualAccountIsTheAccountBehindIt(t *testing.T) {
	w, h := bankWorld(t, "")
	_, call := server(t, w)
	p, _, err := w.Accept(sim.Payment{Provider: "payos", Account: "client", Reference: "PHX22222225T8", Amount: 9000,
		Wire: map[string]string{"orderCode": "3", "link": "l", sim.WireVirtual: "V3ABC", sim.WireContent: "CS1 PHX22222225T8"}})
	if err != nil {
		t.Fatal(err)
	}
	if status, said := call("POST", "/control/bank/transfers", `{"account":"V3ABC","amount":9000,"content":"x"}`); status != 200 || !strings.Contains(said, `"account":"`+watched+`"`) {
		t.Errorf("%d %s", status, said)
	}
	if len(h.of("payos")) != 1 || len(h.of("sepay")) != 1 || len(h.of("casso")) != 1 || !strings.Contains(h.of("casso")[0], `"virtualAccountNumber":"V3ABC"`) {
		t.Errorf("%v", h.bodies)
	}
	if ts := w.TransfersOf(p); len(ts) != 1 || ts[0].Ours != "PHX22222225T8" {
		t.Errorf("%+v", ts)
	}
	if truths, _ := w.Ledger(); len(truths) != 1 || truths[0].Provider != "payos" || truths[0].Account != "client" {
		t.Errorf("%+v", truths)
	}
	// An armed decision comes true when the link is made, and is told after the answer.
	if err := w.Arm("payos", sim.Decision{Outcome: sim.OutcomeSucceed}); err != nil {
		t.Fatal(err)
	}
	q, _, err := w.Accept(sim.Payment{Provider: "payos", Account: "client", Reference: "PHX22222224J6", Amount: 500, Wire: map[string]string{"orderCode": "2", sim.WireVirtual: "V3DEF"}})
	if err != nil {
		t.Fatal(err)
	}
	w.Accepted(t.Context(), q)(t.Context())
	if ts := w.TransfersOf(q); len(ts) != 1 || ts[0].Amount != 500 {
		t.Errorf("%+v", ts)
	}
}

func statement(t *testing.T, file string) (rows [][]string) {
	t.Helper()
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(file, "\ufeff")))
	r.Comma, r.FieldsPerRecord = ';', -1
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range all {
		if len(row) == 7 && strings.Trim(row[0], "0123456789") == "" && row[0] != "" {
			rows = append(rows, row)
		}
	}
	return rows
}

func TestTheStatementHasEveryTransferAsTheBankWroteIt(t *testing.T) {
	w, _ := bankWorld(t, "")
	_, call := server(t, w)
	for _, body := range []string{
		`{"account":"` + watched + `","amount":3000,"content":"PHX22222223A4","mangle":"prefix","reference":"FT2","paid_at":"2026-03-05T09:00:00+07:00"}`,
		`{"account":"` + watched + `","amount":1000,"content":"PHI","out":true,"reference":"FT3","paid_at":"2026-03-05T10:00:00+07:00"}`,
		`{"account":"` + watched + `","amount":500,"content":"hom truoc","reference":"FT1","paid_at":"2026-03-04T10:00:00+07:00"}`,
		`{"account":"` + unwatched + `","amount":77,"content":"khac","paid_at":"2026-03-05T10:00:00+07:00"}`,
	} {
		if status, said := call("POST", "/control/bank/transfers", body); status != 200 {
			t.Fatalf("%d %s", status, said)
		}
	}
	status, file := call("GET", "/control/bank/statement?account="+watched+"&date="+day, "")
	rows := statement(t, file)
	if status != 200 || len(rows) != 2 || rows[0][2] != "FT2" || rows[0][4] != "3.000" || !strings.HasPrefix(rows[0][6], "MBVCB.") || !strings.Contains(rows[0][6], ".PHX22222223A4.CT tu") ||
		rows[1][3] != "1.000" || rows[1][5] != "10.002.500" || rows[0][1] != "05/03/2026 09:00:00" {
		t.Errorf("%d %q\n%s", status, rows, file)
	}
	if !strings.Contains(file, "Opening balance:;10.000.500;") || !strings.Contains(file, "account number:;"+watched) && !strings.Contains(file, watched) {
		t.Errorf("the day before is not in the opening balance:\n%s", file)
	}
	if _, file := call("GET", "/control/bank/statement?account="+unwatched+"&date="+day, ""); len(statement(t, file)) != 1 {
		t.Errorf("the other account:\n%s", file)
	}
	if _, file := call("GET", "/control/bank/statement?account=SOMETERMINAL&date="+day, ""); len(statement(t, file)) != 0 {
		t.Errorf("a terminal's payouts have transfers in them:\n%s", file)
	}
	if _, file := call("GET", "/control/bank/statement?date=2026-03-04", ""); len(statement(t, file)) != 2 {
		t.Errorf("the whole account, booked on the 5th:\n%s", file)
	}
	if _, text := call("GET", "/control/bank/statement?explain=true&seed=7&lose=1&invent=1&account="+watched+"&date="+day, ""); !strings.Contains(text, `"lost"`) || !strings.Contains(text, `"invented"`) {
		t.Error(text)
	}
	if status, text := call("GET", "/control/sepay/settlement?account="+watched+"&date="+day, ""); status != 422 || !strings.Contains(text, "statement") {
		t.Errorf("%d %s", status, text)
	}
}

func TestBankAccountsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	w, _ := bankWorld(t, dir)
	if _, _, err := w.Accept(sim.Payment{Provider: "payos", Account: "client", Reference: "PHX22222225T8", Amount: 9000, Wire: map[string]string{"orderCode": "3", sim.WireVirtual: "V3ABC"}}); err != nil {
		t.Fatal(err)
	}
	one, err := w.Pay(t.Context(), sim.TransferOrder{QRPayload: scanned})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := w.Ledger()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again, _ := bankWorld(t, dir)
	defer func() { _ = again.Close() }()
	if after, _ := again.Ledger(); len(after) != 1 || after[0].Transaction != before[0].Transaction || after[0].Amount != before[0].Amount || after[0].Reference != before[0].Reference || !after[0].PaidAt.Equal(before[0].PaidAt) {
		t.Errorf("%+v, before %+v", after, before)
	}
	amount, out := before[0].Amount, sim.TransferOrder{Account: watched, Reference: one.Reference}
	out.Amount = &amount
	if _, err := again.Pay(t.Context(), out); err == nil {
		t.Error("the bank has forgotten what it booked")
	}
	out.Reference, out.Account = "", "V3ABC"
	if done, err := again.Pay(t.Context(), out); err != nil || done.Account != watched || done.Reference == one.Reference {
		t.Errorf("the virtual account is forgotten: %+v %v", done, err)
	}
}

func TestTheBankSaysWhatIsWrong(t *testing.T) {
	w, _ := bankWorld(t, "")
	_, call := server(t, w)
	for _, c := range []struct {
		path, body, want string
		status           int
	}{
		{"/control/bank/transfers", `{"amount":5}`, "account", 422},
		{"/control/bank/transfers", `{"account":"` + watched + `"}`, "amount", 422},
		{"/control/bank/transfers", `{"account":"` + watched + `","amount":5,"mangle":"burn"}`, "prefix", 422},
		{"/control/bank/transfers", `{"account":"` + watched + `","amount":5,"notify":{"copies":101}}`, "copies", 422},
		{"/control/bank/transfers", `{"qr_payload":"` + scanned[:len(scanned)-1] + `9"}`, "checksum", 422},
		{"/control/bank/transfers", `{"qr_payload":"x"}`, "checksum", 422},
		{"/control/bank/transfers", `{"acount":"1"}`, "acount", 400},
		{"/control/sepay/payments/PHX22222223A4", `{"outcome":"succeed"}`, "amount", 422},
		{"/control/sepay/payments/PHX22222223A4", `{"outcome":"succeed","amount":5,"account":"999"}`, watched, 422},
		{"/control/sepay/payments/PHX22222223A4", `{"outcome":"reverse"}`, "out", 422},
		{"/control/sepay/payments/next", `{"outcome":"succeed","amount":5}`, "next", 422},
	} {
		if status, text := call("POST", c.path, c.body); status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %d %s", c.path, c.body, status, text)
		}
	}
	// What is not paid has not happened, and nobody is told.
	if status, text := call("POST", "/control/casso/payments/PHX22222223A4", `{"outcome":"decline"}`); status != 200 || !strings.Contains(text, `"callbacks":[]`) {
		t.Errorf("%d %s", status, text)
	}
	if truths, _ := w.Ledger(); len(truths) != 0 {
		t.Errorf("%+v", truths)
	}
}

func TestWhatABankDoesToAContent(t *testing.T) {
	w, _ := bankWorld(t, "")
	defer func() { _ = w.Close() }()
	amount, content := vnd.Amount(5), "PHX22222223A4"
	for asked, whole := range map[string]bool{"": true, "prefix": true, "words": true, "suffix": true, "upper": true, "lower": true, "spaces": true, "spaces|nospace": true, "name|dashes": true,
		"lower|spaces|prefix|suffix": true, "truncate": false, "damage": false} {
		done, err := w.Pay(t.Context(), sim.TransferOrder{Account: unwatched, Amount: &amount, Content: &content, Mangle: asked})
		if err != nil {
			t.Fatal(err)
		}
		folded := strings.ToUpper(strings.NewReplacer(" ", "", ".", "", "-", "").Replace(done.Content))
		if strings.Contains(folded, content) != whole || asked != "" && asked != "upper" && asked != "spaces|nospace" && done.Content == content {
			t.Errorf("%s: %q", asked, done.Content)
		}
	}
	if truths, _ := w.Ledger(); truths[len(truths)-1].Reference != content {
		t.Errorf("the truth is what the payer meant: %+v", truths)
	}
}

func TestThePastOfABankAccount(t *testing.T) {
	w, h := bankWorld(t, "")
	_, call := server(t, w)
	body := `[{"account":"` + watched + `","reference":"PHX22222223A4","amount":5000,"paid_at":"2026-03-01T09:00:00+07:00","transaction":"FT9"}]`
	for range 2 {
		if status, text := call("POST", "/control/sepay/bulk", body); status != 200 || !strings.Contains(text, `"FT9"`) {
			t.Errorf("%d %s", status, text)
		}
	}
	if status, text := call("POST", "/control/sepay/bulk", strings.Replace(body, "5000", "6000", 1)); status != 409 {
		t.Errorf("other figures: %d %s", status, text)
	}
	if truths, payouts := w.Ledger(); len(truths) != 1 || len(payouts) != 0 || len(h.of("sepay")) != 0 {
		t.Errorf("%+v %+v %v", truths, payouts, h.bodies)
	}
}

func TestAPersonPaysAtTheBank(t *testing.T) {
	w, _ := bankWorld(t, "")
	s, call := server(t, w)
	if status, page := call("GET", "/bank?qr="+scanned, ""); status != 200 || !strings.Contains(page, scanned) {
		t.Errorf("%d %s", status, page)
	}
	pay := func(form url.Values, origin string) (int, string) {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/bank/pay", strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	for _, c := range []struct {
		form   url.Values
		origin string
		status int
		want   string
	}{
		{url.Values{"qr": {scanned}}, "", 200, "1.250.000"},
		{url.Values{"qr": {scanned}, "amount": {"50.000"}, "content": {"chuyen tien"}}, "", 200, "chuyen tien"},
		{url.Values{"qr": {scanned}, "amount": {"nhiều"}}, "", 422, "số nguyên"},
		{url.Values{"qr": {"x"}}, "", 422, "checksum"},
		{url.Values{}, "", 422, "dán"},
		{url.Values{"account": {"0123456789"}, "amount": {"1.000"}}, "", 422, "nội dung chuyển khoản"},
		{url.Values{"qr": {scanned}}, "https://elsewhere.example", 403, ""},
	} {
		if status, page := pay(c.form, c.origin); status != c.status || !strings.Contains(page, c.want) {
			t.Errorf("%v from %q: %d %s", c.form, c.origin, status, page)
		}
	}
	var ledger struct {
		Payments []sim.Truth `json:"payments"`
	}
	if _, text := call("GET", "/control/ledger", ""); json.Unmarshal([]byte(text), &ledger) != nil || len(ledger.Payments) != 2 || ledger.Payments[1].Reference != "" {
		t.Errorf("%+v", ledger)
	}
}

func TestACallThatIsNotTakenComesAgainByThePlan(t *testing.T) {
	plan := sepaysim.New().(sim.Scheduler)
	var all time.Duration
	for sent := 1; sent < 8; sent++ {
		all += plan.After(sent)
	}
	if all != 33*time.Minute {
		t.Errorf("eight calls over %v", all)
	}
}
