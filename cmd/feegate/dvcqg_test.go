package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/providers/sim"
	"feegate/reconciliation"
)

// dvcqgStreet is the street with an account at the national portal's platform besides.
func dvcqgStreet(t *testing.T) *street {
	t.Helper()
	s := newStreet(t)
	cred := map[string]string{"partner": "H10DEMO", "secret": "demo-secret"}
	if err := s.app.accounts.Create(t.Context(), account.Account{ID: "acc_dvcqg", Provider: "dvcqg", AgencyCode: "H10.12", Kinds: []string{"phi", "le_phi"},
		BaseURL: s.sim + "/dvcqg", Credentials: cred, BeneficiaryBank: "970436", BeneficiaryAccount: "0011223344", BeneficiaryName: "KHO BAC"}); err != nil {
		t.Fatal(err)
	}
	put := map[string]any{"credentials": cred, "callback_url": s.api + "/callbacks/dvcqg/acc_dvcqg"}
	if r := s.send(http.MethodPut, s.sim+"/control/dvcqg/accounts/H10DEMO", put, nil); r.status != http.StatusOK {
		t.Fatalf("account at the simulator: %d %s", r.status, r.body)
	}
	return s
}

// sweep does what is due a moment later.
func (s *street) sweep() {
	s.t.Helper()
	s.move(2 * time.Second)
	if _, err := s.app.gateway.Sweep(s.t.Context(), 10); err != nil {
		s.t.Fatal(err)
	}
}

// The platform's callback has an unkeyed hash: what it says makes us ask at once, and the answer decides.
func TestTheNationalPortalsCallbackOnlyMakesUsAsk(t *testing.T) {
	s := dvcqgStreet(t)
	order, payment, reference := s.started("dvcqg")
	if got := s.decide("dvcqg", reference, map[string]any{"outcome": "succeed"}); len(got) != 1 || got[0] != http.StatusOK {
		t.Errorf("callbacks: %v\n%s", got, s.logs)
	}
	if got := s.orderStatus(order); got != "open" {
		t.Fatalf("by the callback alone the order is %s", got)
	}
	if n := s.count(`SELECT count(*) FROM callbacks WHERE payment_id = $1 AND verdict = 'recorded'`, payment); n != 1 {
		t.Errorf("%d callbacks kept", n)
	}
	if n := s.count(`SELECT count(*) FROM payments WHERE id = $1 AND status = 'pending' AND NOT in_doubt AND next_lookup_at <= $2`, payment, s.world.Now().Add(2*time.Second)); n != 1 {
		t.Error("it is not looked up at once")
	}
	s.sweep()
	if got := s.orderStatus(order); got != "paid" {
		t.Fatalf("after the look-up the order is %s\n%s", got, s.logs)
	}
	if v := s.call(http.MethodGet, "/v1/payments/"+payment, "", nil).get(t); v["status"] != "succeeded" || v["received_amount"] != 50000.0 || v["channel"] != "treasury_epay" {
		t.Errorf("%v", v)
	}
	// What the word was read by is kept with the word.
	if n := s.count(`SELECT count(*) FROM lookups WHERE object_id = $1 AND code = '00/1' AND detail LIKE 'read by 1.0.6+%'`, payment); n != 1 {
		t.Error("the look-up does not say by which mapping it was read")
	}
	// The same again, and a denial: nothing changes.
	s.decide("dvcqg", reference, map[string]any{"outcome": "succeed", "callback": map[string]any{"copies": 2}})
	s.decide("dvcqg", reference, map[string]any{"outcome": "decline"})
	s.sweep()
	if got := s.orderStatus(order); got != "paid" || s.count(`SELECT count(*) FROM moves`) != 1 {
		t.Errorf("after repetition and denial: %s", got)
	}
}

// A callback that says "paid" of what nobody paid: rightly signed or not, no money comes of it.
func TestAForgerOfTheNationalPortalGetsNothing(t *testing.T) {
	s := dvcqgStreet(t)
	order, payment, reference := s.started("dvcqg")
	// All that is public: the partner's code, the order of the fields, the reference of the payer's own payment. Not the secret.
	fields := []string{"CONFIRM", "00", "H10DEMO", reference, "50000", "VND", "GD1", "VCB", "20260310100500", "x"}
	names := []string{"LoaiBanTin", "MaLoi", "MaDoiTac", "MaThamChieu", "SoTien", "MaTienTe", "MaGiaoDich", "MaNganHang", "ThoiGianGD", "ThongTinGiaoDich"}
	post := func(secret string) string {
		text := strings.Join(fields, "|")
		if secret != "" {
			text += "|" + secret
		}
		sum := sha256.Sum256([]byte(text))
		body := map[string]string{"MaXacThuc": hex.EncodeToString(sum[:])}
		for i, n := range names {
			body[n] = fields[i]
		}
		r := s.send(http.MethodPost, s.api+"/callbacks/dvcqg/acc_dvcqg", body, nil)
		return fmt.Sprint(r.status, " ", r.get(t)["MaLoi"])
	}
	for _, secret := range []string{"", "H10DEMO", "secret"} {
		if got := post(secret); got != "200 97" {
			t.Errorf("a forgery with %q is answered %s", secret, got)
		}
	}
	if n := s.count(`SELECT count(*) FROM callbacks WHERE verdict = 'forged' AND account_id = 'acc_dvcqg'`); n != 3 {
		t.Errorf("%d forgeries kept", n)
	}
	s.sweep()
	if n := s.count(`SELECT count(*) FROM lookups WHERE object_id = $1`, payment); n != 0 {
		t.Errorf("a forger made us ask %d times", n)
	}
	// And one who has the secret: asked after, and the platform knows of no money.
	if got := post("demo-secret"); got != "200 00" {
		t.Errorf("rightly signed: %s", got)
	}
	s.sweep()
	if n := s.count(`SELECT count(*) FROM lookups WHERE object_id = $1 AND outcome = 'pending'`, payment); n != 1 {
		t.Errorf("looked up %d times", n)
	}
	if got := s.orderStatus(order); got != "open" || s.count(`SELECT count(*) FROM moves`) != 0 {
		t.Errorf("the order is %s", got)
	}
}

// No list of the platform's codes is known: what is not known stays pending, and is asked about.
func TestAnUnknownCodeOfTheNationalPortalFailsNothing(t *testing.T) {
	s := dvcqgStreet(t)
	order, payment, reference := s.started("dvcqg")
	s.decide("dvcqg", reference, map[string]any{"outcome": "leave_pending", "callback": map[string]any{"send": true}})
	s.sweep()
	if n := s.count(`SELECT count(*) FROM payments WHERE id = $1 AND status = 'pending' AND code = '00/3'`, payment); n != 1 || s.orderStatus(order) != "open" {
		t.Errorf("after an unknown code: %v", s.call(http.MethodGet, "/v1/payments/"+payment, "", nil).get(t))
	}
	// Another amount, rightly signed: kept, named, and only what the look-up finds is recorded.
	if got := s.decide("dvcqg", reference, map[string]any{"outcome": "succeed", "callback": map[string]any{"amount": 5000}}); len(got) != 1 || got[0] != http.StatusOK {
		t.Errorf("%v", got)
	}
	if n := s.count(`SELECT count(*) FROM callbacks WHERE payment_id = $1 AND verdict = 'amount_mismatch'`, payment); n != 1 || s.orderStatus(order) != "open" {
		t.Errorf("another amount: %d kept", n)
	}
	s.move(6 * time.Minute) // the platform is asked at most every five minutes
	s.sweep()
	if v := s.call(http.MethodGet, "/v1/payments/"+payment, "", nil).get(t); v["status"] != "succeeded" || v["received_amount"] != 50000.0 || s.orderStatus(order) != "paid" {
		t.Errorf("%v", v)
	}
}

// The settings of an account reach its adapter: a faulty mapping is said at once, with every fault, and nobody can pay there.
func TestAFaultyMappingIsNamed(t *testing.T) {
	s := newStreet(t)
	cred := map[string]string{"partner": "H99", "secret": "x"}
	if err := s.app.accounts.Create(t.Context(), account.Account{ID: "acc_bad", Provider: "dvcqg", AgencyCode: "H10.12", Kinds: []string{"phi"}, BaseURL: s.sim + "/dvcqg",
		Credentials: cred, Settings: map[string]string{"mapping": `{"version": "2.0"}`}}); err != nil {
		t.Fatal(err)
	}
	e, err := s.app.accounts.Get(t.Context(), "acc_bad")
	if err != nil || e.Err == nil || !strings.Contains(e.Err.Error(), "- hashes.callback: is missing") || !strings.Contains(e.Err.Error(), "- settlement.columns: no column is net") {
		t.Errorf("%v %v", err, e)
	}
	if err := s.app.checkAccounts(t.Context()); err != nil || !strings.Contains(s.logs.String(), "hashes.callback: is missing") {
		t.Errorf("%v\n%s", err, s.logs)
	}
}

// The beneficiary stands in a block that no hash covers, so the file's account is held against ours; in Base64 as in plain text.
func TestTheNationalPortalsFileSettlesAndNamesAWrongAccount(t *testing.T) {
	s := dvcqgStreet(t)
	_, payment, reference := s.started("dvcqg")
	s.decide("dvcqg", reference, map[string]any{"outcome": "succeed"})
	s.sweep()
	day := s.world.Now().Format(time.DateOnly)
	_, file, _, err := s.world.Settlement("dvcqg", "H10DEMO", day, sim.Changes{})
	if err != nil {
		t.Fatal(err)
	}
	s.move(24 * time.Hour)
	r := reconciliation.New(s.own, s.app.accounts, s.app.gateway, s.world.Now)
	wrong := strings.Replace(string(file), "|0011223344|", "|9999999999|", 1)
	for text, findings := range map[string]int{string(file): 0, wrong: 1, base64.StdEncoding.EncodeToString(file): 0} {
		imp, err := r.Settlement(t.Context(), reconciliation.File{AccountID: "acc_dvcqg", Date: day, By: "usr_1", Body: strings.NewReader(text), DryRun: true})
		if err != nil || imp.Lines != 1 || len(imp.Findings) != findings || findings == 1 && imp.Findings[0].Kind != "wrong_account" {
			t.Errorf("%+v %v\n%s", imp, err, text)
		}
	}
	if _, err := r.Settlement(t.Context(), reconciliation.File{AccountID: "acc_dvcqg", Date: day, By: "usr_1", Body: strings.NewReader(string(file))}); err != nil {
		t.Fatal(err)
	}
	if n := s.count(`SELECT count(*) FROM matches WHERE payment_id = $1 AND ended_at IS NULL`, payment); n != 1 {
		t.Errorf("%d matches", n)
	}
	// The corrected file says that it went elsewhere: a difference that somebody has to see to, and no proof while it is open.
	first := s.one(`SELECT id FROM imports WHERE status = 'visible'`)
	if _, err := r.Settlement(t.Context(), reconciliation.File{AccountID: "acc_dvcqg", Date: day, By: "usr_1", Body: strings.NewReader(wrong), Replaces: first}); err != nil {
		t.Fatal(err)
	}
	mai := s.person("mai", []identity.Role{identity.Finance})
	if items := s.list(mai, "kind=wrong_account&status=open"); len(items) != 1 || items[0]["payment_id"] != payment || items[0]["effect"] != 0.0 {
		t.Errorf("%v", items)
	}
	if v := s.ok(s.call(http.MethodGet, "/v1/payments/"+payment, "", nil), 200); v["evidence"] != "disputed" {
		t.Errorf("its evidence is %v", v["evidence"])
	}
}

// The platform's own receipt is fetched after the payment is recorded, a few times, and its failing touches nothing.
func TestTheNationalPortalsReceiptIsKept(t *testing.T) {
	s := dvcqgStreet(t)
	order, payment, reference := s.started("dvcqg")
	s.decide("dvcqg", reference, map[string]any{"outcome": "succeed"})
	s.sweep()
	path := "/v1/payments/" + payment + "/document"
	s.problem(s.call(http.MethodGet, path, "", nil), 404, "not-found")
	fault := map[string]any{"operation": "*", "fault": "status_500", "probability": 1}
	if r := s.send(http.MethodPost, s.sim+"/control/dvcqg/faults", fault, nil); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if n, err := s.app.gateway.FetchDocuments(t.Context(), 10); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	fault["fault"] = "none"
	s.send(http.MethodPost, s.sim+"/control/dvcqg/faults", fault, nil)
	if n, err := s.app.gateway.FetchDocuments(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("asked again at once: %d, %v", n, err)
	}
	s.move(2 * time.Minute)
	for _, want := range []int{1, 0} {
		if n, err := s.app.gateway.FetchDocuments(t.Context(), 10); n != want || err != nil {
			t.Errorf("%d, %v, want %d", n, err, want)
		}
	}
	r := s.call(http.MethodGet, path, "", nil)
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'document.read' AND object = $1`, payment); n != 1 {
		t.Errorf("%d looks at the receipt are in the audit", n)
	}
	sum := sha256.Sum256(r.body)
	if r.status != 200 || r.header.Get("Content-Type") != "application/pdf" || r.header.Get("Digest") != "sha-256="+hex.EncodeToString(sum[:]) || !strings.HasPrefix(string(r.body), "%PDF") {
		t.Errorf("%d %v %.60s", r.status, r.header, r.body)
	}
	if got := s.orderStatus(order); got != "paid" {
		t.Errorf("the order is %s", got)
	}
}

// overhears puts somebody between an account and its provider, who does once what is put into during, when an answer is on its way.
func (s *street) overhears(account, path string) (during *func()) {
	s.t.Helper()
	during = new(func())
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			s.t.Error(err)
		}
		answer := s.send(r.Method, s.sim+r.URL.RequestURI(), json.RawMessage(body), map[string]string{"Content-Type": r.Header.Get("Content-Type")})
		if meanwhile := *during; meanwhile != nil {
			*during = nil
			meanwhile()
		}
		w.Header().Set("Content-Type", answer.header.Get("Content-Type"))
		w.WriteHeader(answer.status)
		_, _ = w.Write(answer.body)
	}))
	s.t.Cleanup(proxy.Close)
	if _, err := s.db.ExecContext(s.t.Context(), `UPDATE merchant_accounts SET base_url = $1 WHERE id = $2`, proxy.URL+path, account); err != nil {
		s.t.Fatal(err)
	}
	return during
}

// A payer who was refused and paid at the second try: an answer of before, that comes after the success, takes nothing back.
func TestAnOldAnswerTakesNoSuccessBack(t *testing.T) {
	s := newStreet(t)
	during := s.overhears("acc_momo", "/momo")
	order, payment, reference := s.started("momo")
	s.decide("momo", reference, map[string]any{"outcome": "decline", "callback": map[string]any{"send": false}})
	*during = func() {
		s.decide("momo", reference, map[string]any{"outcome": "succeed"})
		if got := s.orderStatus(order); got != "paid" {
			t.Errorf("by the callback the order is %s", got)
		}
	}
	asked := func(want string) {
		s.move(time.Hour)
		if _, err := s.app.gateway.Sweep(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		if got := s.call(http.MethodGet, "/v1/payments/"+payment, "", nil).get(t)["status"]; got != want || *during != nil {
			t.Fatalf("the payment is %v, want %s", got, want)
		}
	}
	asked("succeeded")
	if n := s.count(`SELECT count(*) FROM payments WHERE id = $1 AND next_lookup_at IS NOT NULL`, payment); n != 1 {
		t.Error("the provider is not asked what it means")
	}
	asked("succeeded")
	if n := s.count(`SELECT count(*) FROM payments WHERE id = $1 AND next_lookup_at IS NOT NULL`, payment); n != 0 {
		t.Error("answered, and still asked")
	}
	// What is asked after the success is believed, as ever.
	s.decide("momo", reference, map[string]any{"outcome": "reverse"})
	asked("reversed")
}

// A claim that comes while a question is under way is asked after by itself: the answer on its way is to a question from before it.
func TestAClaimDuringAQuestionIsNotLost(t *testing.T) {
	s := dvcqgStreet(t)
	during := s.overhears("acc_dvcqg", "/dvcqg")
	order, payment, reference := s.started("dvcqg")
	s.decide("dvcqg", reference, map[string]any{"outcome": "decline"})
	*during = func() {
		s.decide("dvcqg", reference, map[string]any{"outcome": "succeed"})
		s.sweep() // another program's
		if n := s.count(`SELECT count(*) FROM lookups WHERE object_id = $1`, payment); n != 0 {
			t.Error("a claim made two programs ask at once")
		}
	}
	s.sweep()
	if *during != nil {
		t.Fatal("nothing was asked")
	}
	if n := s.count(`SELECT count(*) FROM payments WHERE id = $1 AND status = 'failed' AND next_lookup_at IS NOT NULL`, payment); n != 1 {
		t.Errorf("after the old answer: %s", s.one(`SELECT status || ' ' || coalesce(next_lookup_at::text, 'never asked again') FROM payments WHERE id = '`+payment+`'`))
	}
	s.move(10 * time.Minute)
	s.sweep()
	if got := s.orderStatus(order); got != "paid" {
		t.Errorf("the order is %s", got)
	}
	// Once answered, it is asked no more.
	s.move(10 * time.Minute)
	s.sweep()
	if n := s.count(`SELECT count(*) FROM lookups WHERE object_id = $1`, payment); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

// Claims that keep coming do not keep a question from being asked: whoever can send them cannot hold back the answer.
func TestClaimsThatKeepComingHoldNothingBack(t *testing.T) {
	s := dvcqgStreet(t)
	order, payment, reference := s.started("dvcqg")
	s.decide("dvcqg", reference, map[string]any{"outcome": "succeed"})
	for range 20 {
		s.move(100 * time.Millisecond)
		s.decide("dvcqg", reference, map[string]any{"outcome": "succeed"})
	}
	if _, err := s.app.gateway.Sweep(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if got := s.orderStatus(order); got != "paid" {
		t.Errorf("two seconds after the first claim the order is %s, the payment is asked about at %s, and now it is %s", got, s.one(`SELECT next_lookup_at::text FROM payments WHERE id = '`+payment+`'`), s.world.Now())
	}
}
