package momosim

import (
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
	partner   = "FEEGATEMOMO"
	accessKey = "FEEGATEACCESSKEY"
	secretKey = "SECRETKEYFORTESTVECTORS000000002"
)

type world struct {
	*sim.World
	t       *testing.T
	url     string
	gateway string
	ipns    chan map[string]string
	client  *http.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, ipns: make(chan map[string]string, 100)}
	gateway := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		m, err := readMessage(body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json; charset=UTF-8" {
			t.Errorf("an IPN that cannot be read: %s %v", body, err)
		}
		rw.WriteHeader(http.StatusNoContent)
		w.ipns <- m
	}))
	t.Cleanup(gateway.Close)
	w.gateway = gateway.URL
	var err error
	w.World, err = sim.New(sim.Options{Wires: []sim.Wire{New()}, Start: time.Date(2026, 1, 15, 10, 30, 0, 0, sim.Zone())})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.PutAccount(sim.Account{Provider: Name, Terminal: partner, Tariff: vnd.Tariff{BPS: 110},
		Credentials: map[string]string{"partnerCode": partner, "accessKey": accessKey, "secretKey": secretKey}}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.Handler())
	t.Cleanup(func() { server.Close(); _ = w.Close() })
	w.url = server.URL
	w.client = &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return w
}

func (w *world) send(method, path, contentType, body string) (*http.Response, string) {
	w.t.Helper()
	address := path
	if strings.HasPrefix(path, "/") {
		address = w.url + path
	}
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

// call posts a signed message; numbers go as numbers.
func (w *world) call(name, order string, m map[string]string) (int, map[string]any) {
	w.t.Helper()
	m["partnerCode"], m["lang"] = partner, "vi"
	body := map[string]any{"signature": sign(secretKey, raw(order, accessKey, m))}
	for k, v := range m {
		body[k] = v
		if k == "amount" || k == "transId" {
			body[k] = json.Number(v)
		}
	}
	text, err := encodeJSON(body)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, said := w.send(http.MethodPost, apiPath+name, "application/json; charset=UTF-8", string(text))
	var a map[string]any
	dec := json.NewDecoder(strings.NewReader(said))
	dec.UseNumber()
	if err := dec.Decode(&a); err != nil {
		w.t.Fatalf("%s: %s", name, said)
	}
	if a["partnerCode"] != partner || a["requestId"] != m["requestId"] || a["orderId"] != m["orderId"] {
		w.t.Errorf("%s: echoes: %s", name, said)
	}
	return resp.StatusCode, a
}

func (w *world) createBody(order string) map[string]string {
	return map[string]string{"orderId": order, "requestId": order, "amount": "120000", "orderInfo": "Hồ sơ & phí", "extraData": "", "requestType": "captureWallet",
		"redirectUrl": "https://portal.example/returns/momo/acc_2?x=1", "ipnUrl": w.gateway + "/callbacks/momo/acc_2"}
}

func (w *world) create(order string) string {
	w.t.Helper()
	status, a := w.call("create", createOrder, w.createBody(order))
	if status != http.StatusOK || code(a) != "0" || fmt.Sprint(a["amount"]) != "120000" {
		w.t.Fatalf("create: %d %v", status, a)
	}
	return a["payUrl"].(string)
}

func code(a map[string]any) string { return fmt.Sprint(a["resultCode"]) }

func (w *world) query(order string) map[string]any {
	w.t.Helper()
	_, a := w.call("query", queryOrder, map[string]string{"orderId": order, "requestId": "q-" + order})
	return a
}

func (w *world) control(path, body string) string {
	w.t.Helper()
	resp, text := w.send(http.MethodPost, "/control/momo/"+path, "application/json", body)
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("control %s: %d %s", path, resp.StatusCode, text)
	}
	return text
}

func TestPayerPaysAndComesBack(t *testing.T) {
	w := newWorld(t)
	payURL := w.create("ORD1")
	if a := w.query("ORD1"); code(a) != "1000" {
		t.Errorf("pending: %v", a)
	}
	resp, page := w.send(http.MethodGet, payURL, "", "")
	if resp.StatusCode != http.StatusOK || !strings.Contains(page, "120.000 ₫") || !strings.Contains(page, "Hồ sơ &amp; phí") {
		t.Fatalf("page: %s", page)
	}
	u, _ := url.Parse(payURL)
	form := url.Values{"t": {u.Query().Get("t")}, "choice": {"pay"}}
	resp, _ = w.send(http.MethodPost, choicePath, "application/x-www-form-urlencoded", form.Encode())
	back, err := resp.Location()
	if err != nil || back.Query().Get("x") != "1" {
		t.Fatalf("the way back: %v %v", back, err)
	}
	ipn := <-w.ipns
	redirect := map[string]string{}
	for k := range back.Query() {
		redirect[k] = back.Query().Get(k)
	}
	for name, m := range map[string]map[string]string{"IPN": ipn, "redirect": redirect} {
		if !same(m["signature"], sign(secretKey, raw(resultOrder, accessKey, m))) || m["resultCode"] != "0" || m["amount"] != "120000" || m["requestId"] != "ORD1" {
			t.Errorf("%s: %v", name, m)
		}
	}
	a := w.query("ORD1")
	if code(a) != "0" || fmt.Sprint(a["transId"]) != ipn["transId"] || fmt.Sprint(a["lastUpdated"]) != ipn["responseTime"] {
		t.Errorf("query after: %v, IPN %v", a, ipn)
	}
	if resp, _ := w.send(http.MethodGet, payURL+"0", "", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a token with another end opens a page: %d", resp.StatusCode)
	}
}

func TestCreateIsIdempotentByRequestID(t *testing.T) {
	w := newWorld(t)
	first := w.create("ORD1")
	if again := w.create("ORD1"); again != first {
		t.Errorf("the same request, another address: %s %s", first, again)
	}
	changed := w.createBody("ORD1")
	changed["amount"] = "130000"
	if status, a := w.call("create", createOrder, changed); status != http.StatusBadRequest || code(a) != "40" {
		t.Errorf("another body: %d %v", status, a)
	}
	other := w.createBody("ORD1")
	other["requestId"] = "REQ2"
	if status, a := w.call("create", createOrder, other); status != http.StatusBadRequest || code(a) != "41" {
		t.Errorf("another request for the order: %d %v", status, a)
	}
}

func TestSameRequestInFlightIs7000(t *testing.T) {
	w := newWorld(t)
	body := w.createBody("ORD1")
	body["partnerCode"], body["lang"] = partner, "vi"
	body["signature"] = sign(secretKey, raw(createOrder, accessKey, body))
	text, _ := encodeJSON(body)
	s := server{w.World, &flights{under: map[string]bool{}}}
	begun := s.flights.begin(partner + "\x00ORD1")
	rec := httptest.NewRecorder()
	s.call(sim.Checkout, createOrder, s.create)(rec, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(text))))
	if !begun || rec.Code != http.StatusUnprocessableEntity || !strings.Contains(rec.Body.String(), `"resultCode":7000`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		change map[string]string
		code   string
	}{
		"too little":       {map[string]string{"amount": "999"}, "22"},
		"too much":         {map[string]string{"amount": "50000001"}, "22"},
		"card limit":       {map[string]string{"requestType": "payWithCC", "amount": "10000001"}, "22"},
		"ATM minimum":      {map[string]string{"requestType": "payWithATM", "amount": "9999"}, "22"},
		"unknown type":     {map[string]string{"requestType": "cash"}, "20"},
		"order id":         {map[string]string{"orderId": "-a", "requestId": "r"}, "20"},
		"relative address": {map[string]string{"ipnUrl": "/ipn"}, "20"},
		"no order info":    {map[string]string{"orderInfo": ""}, "20"},
	} {
		body := w.createBody("ORD1")
		for k, v := range c.change {
			body[k] = v
		}
		if status, a := w.call("create", createOrder, body); status != http.StatusBadRequest || code(a) != c.code {
			t.Errorf("%s: %d %v", name, status, a)
		}
	}
	forged := `{"partnerCode":"FEEGATEMOMO","requestId":"r","orderId":"o","lang":"vi","signature":"00"}`
	if resp, text := w.send(http.MethodPost, apiPath+"query", "application/json", forged); resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, `"resultCode":13`) {
		t.Errorf("forged: %d %s", resp.StatusCode, text)
	}
	if a := w.query("NOBODY"); code(a) != "42" {
		t.Errorf("unknown: %v", a)
	}
}

func TestOutcomesOnTheWire(t *testing.T) {
	w := newWorld(t)
	for i, c := range []struct{ body, ipn, query string }{
		{`{"outcome":"decline"}`, "1001", "1001"},
		{`{"outcome":"decline","code":"1006"}`, "1006", "1006"},
		{`{"outcome":"expire"}`, "1005", "1005"},
		{`{"outcome":"leave_pending","callback":{}}`, "7002", "1000"},
		{`{"outcome":"succeed","callback":{"amount":5000}}`, "0", "0"},
		{`{"outcome":"decline","code":"9000"}`, "9000", "9000"},
	} {
		order := fmt.Sprintf("ORD%d", i)
		w.create(order)
		w.control("payments/"+order, c.body)
		if ipn := <-w.ipns; ipn["resultCode"] != c.ipn || !same(ipn["signature"], sign(secretKey, raw(resultOrder, accessKey, ipn))) {
			t.Errorf("%s: %v", c.body, ipn)
		}
		if a := w.query(order); code(a) != c.query {
			t.Errorf("%s: query %v", c.body, a)
		}
	}
	w.create("LATE")
	if err := w.Clock().Set(w.Now().Add(101 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if a := w.query("LATE"); code(a) != "1005" {
		t.Errorf("after its time: %v", a)
	}
}

func TestRefunds(t *testing.T) {
	w := newWorld(t)
	w.create("ORD1")
	w.control("payments/ORD1", `{"outcome":"succeed"}`)
	trans := (<-w.ipns)["transId"]
	refund := func(order, request, amount string) map[string]any {
		t.Helper()
		_, a := w.call("refund", refundOrder, map[string]string{"orderId": order, "requestId": request, "amount": amount, "transId": trans, "description": ""})
		return a
	}
	a := refund("RF1", "R1", "50000")
	if code(a) != "0" || fmt.Sprint(a["transId"]) == trans || fmt.Sprint(a["transId"]) == "0" {
		t.Fatalf("refund: %v", a)
	}
	if again := refund("RF1", "R1", "50000"); fmt.Sprint(again["transId"]) != fmt.Sprint(a["transId"]) {
		t.Errorf("the same again: %v", again)
	}
	for want, a := range map[string]map[string]any{"40": refund("RF1", "R1", "40000"), "41": refund("RF1", "R2", "50000"),
		"1081": refund("RF2", "R3", "80000"), "22": refund("RF3", "R4", "999")} {
		if code(a) != want {
			t.Errorf("want %s: %v", want, a)
		}
	}
	if own := refund("ORD1", "R5", "10000"); code(own) != "41" {
		t.Errorf("with the payment's orderId: %v", own)
	}
	w.control("refunds/next", `{"outcome":"pending"}`)
	if a := refund("RF4", "R6", "10000"); code(a) != "7002" || fmt.Sprint(a["transId"]) != "0" {
		t.Errorf("pending: %v", a)
	}
	w.control("refunds/RF4", `{"outcome":"succeed"}`)
	_, q := w.call("refund/query", queryOrder, map[string]string{"orderId": "RF4", "requestId": "RQ1"})
	list, _ := json.Marshal(q["refundTrans"])
	if code(q) != "0" || !strings.Contains(string(list), `"orderId":"RF4"`) || !strings.Contains(string(list), `"orderId":"RF1"`) {
		t.Errorf("refund/query: %v", q)
	}
	w.control("refunds/next", `{"outcome":"decline","code":"1088"}`)
	if a := refund("RF5", "R7", "10000"); code(a) != "1088" {
		t.Errorf("declined: %v", a)
	}
	w.control("payments/ORD1/refunds", `{"amount":20000,"at":"2026-01-16T09:00:00+07:00"}`)
	paid, payouts := w.Ledger()
	if paid[0].Refunded != 80000 || len(payouts) != 2 || payouts[0].Amount != 120000-1320-60000 || payouts[1].Amount != -20000 {
		t.Errorf("ledger: %v %v", paid, payouts)
	}
	_, file := w.send(http.MethodGet, "/control/momo/settlement?account="+partner+"&date=2026-01-16", "", "")
	if !strings.Contains(file, ",REFUND,20000,0,-20000,qr,0,2026-01-17,"+trans+",") || !strings.HasSuffix(file, "TOTAL,1,-20000,0,-20000\n") {
		t.Errorf("settlement:\n%s", file)
	}
}
