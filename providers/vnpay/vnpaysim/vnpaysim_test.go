package vnpaysim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers/sim"
)

const (
	terminal = "FEEGATE1"
	secret   = "SECRETKEYFORTESTVECTORS000000001"
)

// world is a simulator with one terminal, and a gateway that answers IPNs and hands them to the test.
type world struct {
	*sim.World
	t      *testing.T
	url    string
	ipns   chan map[string]string
	answer func(n map[string]string) string
	client *http.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, ipns: make(chan map[string]string, 100), answer: func(map[string]string) string { return `{"RspCode":"00","Message":"Confirm Success"}` }}
	gateway := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		params, ok := readQuery(r.URL.RawQuery)
		if !ok || r.Method != http.MethodGet {
			t.Errorf("an IPN that cannot be read: %s %s", r.Method, r.URL)
		}
		_, _ = io.WriteString(rw, w.answer(params))
		w.ipns <- params
	}))
	t.Cleanup(gateway.Close)
	var err error
	w.World, err = sim.New(sim.Options{Wires: []sim.Wire{New()}, Start: time.Date(2026, 1, 15, 10, 30, 0, 0, sim.Zone())})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.PutAccount(sim.Account{Provider: Name, Terminal: terminal, Credentials: map[string]string{"hash_secret": secret},
		CallbackURL: gateway.URL + "/callbacks/vnpay/acc_1", Tariff: vnd.Tariff{BPS: 110}}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.Handler())
	t.Cleanup(func() { server.Close(); _ = w.Close() })
	w.url = server.URL
	w.client = &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return w
}

func payParams(ref string) map[string]string {
	return map[string]string{"vnp_Version": "2.1.0", "vnp_Command": "pay", "vnp_TmnCode": terminal, "vnp_CurrCode": "VND", "vnp_Locale": "vn",
		"vnp_OrderType": "other", "vnp_IpAddr": "203.0.113.10", "vnp_ReturnUrl": "https://portal.example/returns/vnpay/acc_1",
		"vnp_CreateDate": "20260115103000", "vnp_ExpireDate": "20260115104500", "vnp_TxnRef": ref, "vnp_OrderInfo": "Ho so H10.12", "vnp_Amount": "12000000"}
}

func (w *world) do(method, address, contentType, body string) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(text)
}

func (w *world) open(params map[string]string) (*http.Response, string) {
	w.t.Helper()
	return w.do(http.MethodGet, w.url+payPath+"?"+signedQuery(secret, params), "", "")
}

func (w *world) control(path, body string) sim.Decided {
	w.t.Helper()
	resp, text := w.do(http.MethodPost, w.url+"/control/vnpay/"+path, "application/json", body)
	var d sim.Decided
	if resp.StatusCode != http.StatusOK || json.Unmarshal([]byte(text), &d) != nil {
		w.t.Fatalf("control %s: %d %s", path, resp.StatusCode, text)
	}
	return d
}

// call posts a signed query or refund, and checks the signature of a signed answer.
func (w *world) call(order, answerOrder string, body map[string]string) map[string]string {
	w.t.Helper()
	body["vnp_SecureHash"] = mac(secret, piped(order, body))
	raw, _ := json.Marshal(body)
	_, text := w.do(http.MethodPost, w.url+transactionPath, "application/json", string(raw))
	a, err := readBody([]byte(text))
	if err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	if a["vnp_SecureHash"] != "" && !same(a["vnp_SecureHash"], mac(secret, piped(answerOrder, a))) {
		w.t.Errorf("the answer's signature is wrong: %s", text)
	}
	return a
}

func (w *world) query(ref, no string) map[string]string {
	w.t.Helper()
	return w.call(queryRequest, queryResponse, map[string]string{"vnp_RequestId": "q1", "vnp_Version": "2.1.0", "vnp_Command": "querydr",
		"vnp_TmnCode": terminal, "vnp_TxnRef": ref, "vnp_TransactionDate": "20260115103000", "vnp_CreateDate": "20260115103500",
		"vnp_IpAddr": "203.0.113.10", "vnp_OrderInfo": "Truy van", "vnp_TransactionNo": no})
}

func TestPayerPaysAndComesBack(t *testing.T) {
	w := newWorld(t)
	if a := w.query("REF1", ""); a["vnp_ResponseCode"] != "91" || a["vnp_SecureHash"] == "" {
		t.Errorf("before the page was opened: %v", a)
	}
	resp, page := w.open(payParams("REF1"))
	if resp.StatusCode != http.StatusOK || !strings.Contains(page, "120.000 ₫") || !strings.Contains(page, "Hủy") || !strings.Contains(page, "Ho so H10.12") {
		t.Fatalf("payer page: %d %s", resp.StatusCode, page)
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(page, "<script") || strings.Contains(page, "style=") {
		t.Errorf("page with script or inline style, or without CSP: %q", csp)
	}
	if a := w.query("REF1", ""); a["vnp_TransactionStatus"] != "01" || a["vnp_ResponseCode"] != "00" || a["vnp_PayDate"] != "" {
		t.Errorf("pending: %v", a)
	}
	form := url.Values{"account": {terminal}, "reference": {"REF1"}, "choice": {"pay"}}
	resp, _ = w.do(http.MethodPost, w.url+choicePath, "application/x-www-form-urlencoded", form.Encode())
	back, err := resp.Location()
	if err != nil || resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(back.String(), "https://portal.example/returns/vnpay/acc_1?") {
		t.Fatalf("the way back: %d %v %v", resp.StatusCode, back, err)
	}
	ipn := <-w.ipns
	params, _ := readQuery(back.RawQuery)
	for name, got := range map[string]map[string]string{"IPN": ipn, "return": params} {
		if !same(got["vnp_SecureHash"], mac(secret, canonical(got))) || got["vnp_ResponseCode"] != "00" || got["vnp_TransactionStatus"] != "00" ||
			got["vnp_Amount"] != "12000000" || got["vnp_TxnRef"] != "REF1" || len(got["vnp_TransactionNo"]) > 15 {
			t.Errorf("%s: %v", name, got)
		}
	}
	a := w.query("REF1", "")
	if a["vnp_TransactionStatus"] != "00" || a["vnp_TransactionNo"] != ipn["vnp_TransactionNo"] || a["vnp_PayDate"] != ipn["vnp_PayDate"] {
		t.Errorf("query after: %v", a)
	}
	paid, payouts := w.Ledger()
	if len(paid) != 1 || paid[0].Amount != 120000 || len(payouts) != 1 || payouts[0].Amount != 120000-1320 {
		t.Errorf("ledger: %v %v", paid, payouts)
	}
}

func TestPayerSaysNo(t *testing.T) {
	for _, c := range []struct{ code, bank, no string }{{"24", "VNPAY", "0"}, {"13", "NCB", ""}, {"51", "NCB", ""}} {
		w := newWorld(t)
		w.open(payParams("REF1"))
		form := url.Values{"account": {terminal}, "reference": {"REF1"}, "choice": {c.code}}
		w.do(http.MethodPost, w.url+choicePath, "application/x-www-form-urlencoded", form.Encode())
		ipn := <-w.ipns
		if ipn["vnp_ResponseCode"] != c.code || ipn["vnp_TransactionStatus"] != "02" || ipn["vnp_BankCode"] != c.bank || (c.no != "" && ipn["vnp_TransactionNo"] != c.no) {
			t.Errorf("%s: %v", c.code, ipn)
		}
		if paid, _ := w.Ledger(); len(paid) != 0 {
			t.Errorf("%s: money was taken: %v", c.code, paid)
		}
	}
}

func TestErrorPages(t *testing.T) {
	w := newWorld(t)
	w.open(payParams("REF1"))
	with := func(name, value string) map[string]string {
		p := payParams("REF2")
		p[name] = value
		return p
	}
	reused := payParams("REF1")
	reused["vnp_Amount"] = "100"
	for name, c := range map[string]struct {
		query, code string
	}{
		"wrong signature":   {signedQuery("other", payParams("REF2")), "70"},
		"unknown terminal":  {signedQuery(secret, with("vnp_TmnCode", "NOBODY01")), "72"},
		"wrong version":     {signedQuery(secret, with("vnp_Version", "2.0.0")), "03"},
		"fraction of dong":  {signedQuery(secret, with("vnp_Amount", "150")), "03"},
		"hash type sent":    {signedQuery(secret, payParams("REF2")) + "&vnp_SecureHashType=HMACSHA512", "03"},
		"no order info":     {signedQuery(secret, with("vnp_OrderInfo", "")), "03"},
		"reference used":    {signedQuery(secret, reused), "01"},
		"expired":           {signedQuery(secret, with("vnp_ExpireDate", "20260115100000")), "15"},
		"a parameter twice": {signedQuery(secret, payParams("REF2")) + "&vnp_Amount=1", "03"},
	} {
		resp, _ := w.do(http.MethodGet, w.url+payPath+"?"+c.query, "", "")
		if resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != errorPath+"?code="+c.code {
			t.Errorf("%s: %d %s, want code %s", name, resp.StatusCode, resp.Header.Get("Location"), c.code)
		}
	}
	if _, known := w.Find(Name, terminal, "REF2"); known {
		t.Error("a refused address made a payment known")
	}
	if resp, page := w.do(http.MethodGet, w.url+errorPath+"?code=70", "", ""); resp.StatusCode != http.StatusOK || !strings.Contains(page, "Sai chữ ký") {
		t.Errorf("error page: %s", page)
	}
}

func TestIPNIsRepeatedUntilTakenAtMostTenTimes(t *testing.T) {
	w := newWorld(t)
	w.answer = func(map[string]string) string { return `{"RspCode":"01","Message":"Order not found"}` }
	w.open(payParams("REF1"))
	d := w.control("payments/REF1", `{"outcome":"succeed"}`)
	if len(d.Callbacks) != 1 || !strings.Contains(d.Callbacks[0].Body, `"01"`) {
		t.Fatalf("%+v", d)
	}
	first := <-w.ipns
	for n := 2; n <= 10; n++ {
		if err := w.Clock().Set(w.Now().Add(5 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		if again := <-w.ipns; again["vnp_SecureHash"] != first["vnp_SecureHash"] {
			t.Errorf("call %d is another message: %v", n, again)
		}
	}
	// After the tenth call nothing is left: another payment's IPN is the next that arrives.
	w.answer = func(map[string]string) string { return `{"RspCode":"02","Message":"Order already confirmed"}` }
	if err := w.Clock().Set(w.Now().Add(24 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	next := payParams("REF2")
	next["vnp_ExpireDate"] = "20260120104500"
	w.open(next)
	w.control("payments/REF2", `{"outcome":"succeed"}`)
	if ipn := <-w.ipns; ipn["vnp_TxnRef"] != "REF2" {
		t.Errorf("an eleventh call: %v", ipn)
	}
}

func TestCallbackCopiesForgeryAndLies(t *testing.T) {
	w := newWorld(t)
	for i, c := range []struct {
		body   string
		copies int
		valid  bool
		amount string
	}{
		{`{"outcome":"succeed"}`, 1, true, "12000000"},
		{`{"outcome":"succeed","callback":{"copies":3}}`, 3, true, "12000000"},
		{`{"outcome":"succeed","callback":{"forge":true}}`, 1, false, "12000000"},
		{`{"outcome":"succeed","callback":{"amount":5000}}`, 1, true, "500000"},
		{`{"outcome":"succeed","amount":70000}`, 1, true, "7000000"},
		{`{"outcome":"succeed","callback":{"send":false}}`, 0, true, ""},
		{`{"outcome":"leave_pending"}`, 0, true, ""},
	} {
		ref := fmt.Sprintf("REF%d", i)
		w.open(payParams(ref))
		d := w.control("payments/"+ref, c.body)
		if len(d.Callbacks) != c.copies {
			t.Errorf("%s: %d callbacks", c.body, len(d.Callbacks))
		}
		for range c.copies {
			ipn := <-w.ipns
			if same(ipn["vnp_SecureHash"], mac(secret, canonical(ipn))) != c.valid || ipn["vnp_Amount"] != c.amount {
				t.Errorf("%s: %v", c.body, ipn)
			}
		}
	}
	truth := map[string]string{}
	for i := range 7 {
		ref := fmt.Sprintf("REF%d", i)
		truth[ref] = w.query(ref, "")["vnp_Amount"]
	}
	if truth["REF3"] != "12000000" || truth["REF4"] != "7000000" {
		t.Errorf("what the query says: %v", truth)
	}
}

func TestDenialOfATakenPaymentIsALieAndAReversalIsNot(t *testing.T) {
	w := newWorld(t)
	w.open(payParams("REF1"))
	w.control("payments/REF1", `{"outcome":"decline"}`)
	if ipn := <-w.ipns; ipn["vnp_ResponseCode"] != "51" {
		t.Errorf("declined: %v", ipn)
	}
	if d := w.control("payments/REF1", `{"outcome":"succeed"}`); d.Status != "succeeded" {
		t.Errorf("success after decline: %+v", d)
	}
	<-w.ipns
	if d := w.control("payments/REF1", `{"outcome":"decline"}`); d.Status != "succeeded" {
		t.Errorf("the truth changed: %+v", d)
	}
	if ipn := <-w.ipns; ipn["vnp_TransactionStatus"] != "02" {
		t.Errorf("the lie: %v", ipn)
	}
	if a := w.query("REF1", ""); a["vnp_TransactionStatus"] != "00" {
		t.Errorf("the query lies too: %v", a)
	}
	w.control("payments/REF1", `{"outcome":"reverse"}`)
	if a := w.query("REF1", ""); a["vnp_TransactionStatus"] != "02" {
		t.Errorf("reversed: %v", a)
	}
	if paid, payouts := w.Ledger(); len(paid)+len(payouts) != 0 {
		t.Errorf("reversed money is in the ledger: %v %v", paid, payouts)
	}
}

func TestNextIsArmed(t *testing.T) {
	w := newWorld(t)
	if d := w.control("payments/next", `{"outcome":"succeed","callback":{"before_answer":true}}`); d.Status != "armed" {
		t.Errorf("%+v", d)
	}
	resp, page := w.open(payParams("REF1"))
	if resp.StatusCode != http.StatusOK || !strings.Contains(page, "đã thanh toán") {
		t.Errorf("page: %s", page)
	}
	select {
	case ipn := <-w.ipns:
		if ipn["vnp_TxnRef"] != "REF1" {
			t.Error(ipn)
		}
	default:
		t.Error("the IPN did not come before the page")
	}
	w.control("payments/next", `{"outcome":"expire"}`)
	w.open(payParams("REF2"))
	if ipn := <-w.ipns; ipn["vnp_TxnRef"] != "REF2" || ipn["vnp_ResponseCode"] != "11" {
		t.Error(ipn)
	}
	w.open(payParams("REF3"))
	if a := w.query("REF3", ""); a["vnp_TransactionStatus"] != "01" {
		t.Errorf("armed twice: %v", a)
	}
}

func TestQueryLimitAndExpiry(t *testing.T) {
	w := newWorld(t)
	a, _ := w.Account(Name, terminal)
	a.QueryLimit = true
	if err := w.PutAccount(a); err != nil {
		t.Fatal(err)
	}
	w.open(payParams("REF1"))
	if a := w.query("REF1", ""); a["vnp_ResponseCode"] != "00" {
		t.Error(a)
	}
	if a := w.query("REF1", ""); a["vnp_ResponseCode"] != "94" {
		t.Errorf("asked twice: %v", a)
	}
	if err := w.Clock().Set(w.Now().Add(16 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if a := w.query("REF1", ""); a["vnp_ResponseCode"] != "00" || a["vnp_TransactionStatus"] != "08" {
		t.Errorf("after its time: %v", a)
	}
}

func TestRefunds(t *testing.T) {
	w := newWorld(t)
	refund := func(id, kind, amount string) map[string]string {
		t.Helper()
		return w.call(refundRequest, refundResponse, map[string]string{"vnp_RequestId": id, "vnp_Version": "2.1.0", "vnp_Command": "refund",
			"vnp_TmnCode": terminal, "vnp_TransactionType": kind, "vnp_TxnRef": "REF1", "vnp_Amount": amount, "vnp_TransactionNo": "0",
			"vnp_TransactionDate": "20260115103000", "vnp_CreateBy": "ops01", "vnp_CreateDate": "20260116090000", "vnp_IpAddr": "203.0.113.10", "vnp_OrderInfo": "Hoan tien"})
	}
	if a := refund("r0", "02", "12000000"); a["vnp_ResponseCode"] != "91" {
		t.Errorf("unknown: %v", a)
	}
	w.open(payParams("REF1"))
	if a := refund("r1", "02", "12000000"); a["vnp_ResponseCode"] != "95" {
		t.Errorf("not paid: %v", a)
	}
	w.control("payments/REF1", `{"outcome":"succeed"}`)
	number := w.query("REF1", "")["vnp_TransactionNo"]
	a := refund("r2", "03", "5000000")
	if a["vnp_ResponseCode"] != "00" || a["vnp_TransactionStatus"] != "05" || a["vnp_TransactionNo"] == "" {
		t.Fatalf("accepted: %v", a)
	}
	if q := w.query("REF1", a["vnp_TransactionNo"]); q["vnp_TransactionType"] != "03" || q["vnp_TransactionStatus"] != "00" || q["vnp_Amount"] != "5000000" {
		t.Errorf("the refund's row: %v", q)
	}
	if q := w.query("REF1", ""); q["vnp_TransactionType"] != "03" || q["vnp_TransactionNo"] != a["vnp_TransactionNo"] {
		t.Errorf("the newest row: %v", q)
	}
	if q := w.query("REF1", number); q["vnp_TransactionType"] != "01" || q["vnp_TransactionStatus"] != "00" {
		t.Errorf("the payment's row: %v", q)
	}
	if again := refund("r2", "03", "5000000"); again["vnp_ResponseCode"] != "94" {
		t.Errorf("sent twice: %v", again)
	}
	if more := refund("r3", "03", "8000000"); more["vnp_ResponseCode"] != "02" {
		t.Errorf("more than is left: %v", more)
	}
	w.control("refunds/next", `{"outcome":"pending"}`)
	refund("r4", "03", "7000000")
	if q := w.query("REF1", ""); q["vnp_TransactionType"] != "03" || q["vnp_TransactionStatus"] != "05" {
		t.Errorf("under way: %v", q)
	}
	w.control("refunds/r4", `{"outcome":"decline"}`)
	paid, payouts := w.Ledger()
	if paid[0].Refunded != 50000 || payouts[0].Amount != 120000-1320-50000 {
		t.Errorf("ledger: %v %v", paid, payouts)
	}
	resp, file := w.do(http.MethodGet, w.url+"/control/vnpay/settlement?account="+terminal+"&date=2026-01-15", "", "")
	if resp.StatusCode != http.StatusOK || !strings.Contains(file, ",REFUND,50000,0,-50000,") || !strings.Contains(file, ",PAY,120000,1320,118680,") ||
		!strings.HasSuffix(file, "TOTAL,2,70000,1320,68680\n") {
		t.Errorf("settlement:\n%s", file)
	}
}

func TestUnreadableAndUnsignedCalls(t *testing.T) {
	w := newWorld(t)
	for body, code := range map[string]string{
		`not json`: "03", `{}`: "03",
		`{"vnp_Version":"2.1.0","vnp_Command":"querydr","vnp_RequestId":"1","vnp_TmnCode":"NOBODY01"}`:                               "02",
		`{"vnp_Version":"2.1.0","vnp_Command":"querydr","vnp_RequestId":"1","vnp_TmnCode":"` + terminal + `","vnp_SecureHash":"ab"}`: "97",
	} {
		_, text := w.do(http.MethodPost, w.url+transactionPath, "application/json", body)
		if a, _ := readBody([]byte(text)); a["vnp_ResponseCode"] != code || a["vnp_SecureHash"] != "" {
			t.Errorf("%s: %s", body, text)
		}
	}
	resp, _ := w.do(http.MethodPost, w.url+transactionPath, "application/json", string(bytes.Repeat([]byte("x"), sim.MaxWireBody+1)))
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", resp.StatusCode)
	}
}
