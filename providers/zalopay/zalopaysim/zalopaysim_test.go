package zalopaysim

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
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
	app  = "900001"
	key1 = "FAKEkey1_4f1c2d3e5a6b7c8d9e0f1a2b"
	key2 = "FAKEkey2_9a8b7c6d5e4f3a2b1c0d9e8f"
)

type world struct {
	*sim.World
	t       *testing.T
	url     string
	gateway string
	calls   chan map[string]any // data of genuine callbacks
	forged  chan string
	answer  func() (int, string)
	client  *http.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, calls: make(chan map[string]any, 100), forged: make(chan string, 100), answer: func() (int, string) { return 200, `{"return_code":1,"return_message":"success"}` }}
	gateway := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var m struct {
			Data, Mac string
			Type      int
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &m); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || m.Type != 1 {
			t.Errorf("a callback that cannot be read: %s %v", body, err)
		}
		status, said := w.answer()
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, said)
		if m.Mac != mac(key2, m.Data) {
			w.forged <- m.Data
			return
		}
		var data map[string]any
		dec := json.NewDecoder(strings.NewReader(m.Data))
		dec.UseNumber()
		if err := dec.Decode(&data); err != nil {
			t.Errorf("%s: %v", m.Data, err)
		}
		w.calls <- data
	}))
	t.Cleanup(gateway.Close)
	w.gateway = gateway.URL
	var err error
	w.World, err = sim.New(sim.Options{Wires: []sim.Wire{New()}, Start: time.Date(2026, 3, 5, 16, 0, 0, 0, sim.Zone())})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.PutAccount(sim.Account{Provider: Name, Terminal: app, Tariff: vnd.Tariff{BPS: 110}, CallbackURL: w.gateway,
		Credentials: map[string]string{"app_id": app, "key1": key1, "key2": key2}}); err != nil {
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

const formType = "application/x-www-form-urlencoded"

// call posts a signed form and gives "return/sub" with the answer.
func (w *world) call(name, order string, m map[string]string) (string, map[string]any) {
	w.t.Helper()
	m = maps.Clone(m)
	m["app_id"] = app
	f := url.Values{"mac": {mac(key1, piped(order, key1, m))}}
	for k, v := range m {
		f.Set(k, v)
	}
	resp, text := w.send(http.MethodPost, apiPath+name, formType, f.Encode())
	var a map[string]any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&a); err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %d %s", name, resp.StatusCode, text)
	}
	return fmt.Sprintf("%v/%v", a["return_code"], a["sub_return_code"]), a
}

func (w *world) millis() string { return fmt.Sprint(w.Now().UnixMilli()) }

func (w *world) order(reference string) map[string]string {
	return map[string]string{"app_trans_id": "260305_" + reference, "app_user": "feegate", "app_time": w.millis(), "amount": "120000", "item": "[]",
		"embed_data": `{"redirecturl":"https://portal.example/returns?x=1","preferred_payment_method":[]}`, "description": "Hồ sơ & phí", "bank_code": "",
		"callback_url": w.gateway, "expire_duration_seconds": "900"}
}

func (w *world) create(reference string) string {
	w.t.Helper()
	code, a := w.call("create", createOrder, w.order(reference))
	if code != "1/1" || a["qr_code"] == "" {
		w.t.Fatalf("create: %s %v", code, a)
	}
	return a["order_url"].(string)
}

func (w *world) query(reference string) (string, map[string]any) {
	w.t.Helper()
	return w.call("query", queryOrder, map[string]string{"app_trans_id": "260305_" + reference})
}

func (w *world) control(path, body string) string {
	w.t.Helper()
	resp, text := w.send(http.MethodPost, "/control/zalopay/"+path, "application/json", body)
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("control %s: %d %s", path, resp.StatusCode, text)
	}
	return text
}

func (w *world) forward(d time.Duration) {
	w.t.Helper()
	if err := w.Clock().Set(w.Now().Add(d)); err != nil {
		w.t.Fatal(err)
	}
}

func TestPayerPaysAndComesBack(t *testing.T) {
	w := newWorld(t)
	payURL := w.create("ORD1")
	if code, _ := w.query("ORD1"); code != "3/1" {
		t.Errorf("not paid yet: %s", code)
	}
	resp, page := w.send(http.MethodGet, payURL, "", "")
	if resp.StatusCode != http.StatusOK || !strings.Contains(page, "120.000 ₫") || !strings.Contains(page, "Hồ sơ &amp; phí") {
		t.Fatalf("page: %s", page)
	}
	u, _ := url.Parse(payURL)
	choose := func(choice string) url.Values {
		t.Helper()
		resp, text := w.send(http.MethodPost, choicePath, formType, url.Values{"order": {u.Query().Get("order")}, "choice": {choice}}.Encode())
		back, err := resp.Location()
		if err != nil || back.Query().Get("x") != "1" {
			t.Fatalf("the way back: %v %v %s", back, err, text)
		}
		q := back.Query()
		values := map[string]string{}
		for k := range q {
			values[k] = q.Get(k)
		}
		if q.Get("checksum") != mac(key2, piped(redirectOrder, "", values)) || q.Get("apptransid") != "260305_ORD1" || q.Get("amount") != "120000" {
			t.Errorf("%v", q)
		}
		return q
	}
	if q := choose("back"); q.Get("status") == "1" {
		t.Errorf("left without paying: %v", q)
	}
	if code, _ := w.query("ORD1"); code != "3/1" {
		t.Errorf("after leaving: %s", code)
	}
	if q := choose("pay"); q.Get("status") != "1" {
		t.Errorf("paid: %v", q)
	}
	data := <-w.calls
	code, a := w.query("ORD1")
	if code != "1/1" || fmt.Sprint(a["zp_trans_id"]) != fmt.Sprint(data["zp_trans_id"]) || fmt.Sprint(a["server_time"]) != fmt.Sprint(data["server_time"]) ||
		fmt.Sprint(data["amount"]) != "120000" || data["app_trans_id"] != "260305_ORD1" || fmt.Sprint(data["app_id"]) != app || data["zp_user_id"] == "" {
		t.Errorf("query %s %v, callback %v", code, a, data)
	}
	if resp, _ := w.send(http.MethodGet, payURL+"0", "", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a token with another end opens a page: %d", resp.StatusCode)
	}
}

func TestCreatesThatAreRefused(t *testing.T) {
	w := newWorld(t)
	w.create("ORD1")
	for name, c := range map[string]struct {
		change func(map[string]string)
		want   string
	}{
		"the same again":       {func(map[string]string) {}, "2/-68"},
		"of yesterday":         {func(m map[string]string) { m["app_trans_id"] = "260304_ORD2" }, "2/-92"},
		"without a day":        {func(m map[string]string) { m["app_trans_id"] = "ORD2" }, "2/-92"},
		"of 41 characters":     {func(m map[string]string) { m["app_trans_id"] = "260305_" + strings.Repeat("A", 34) }, "2/-92"},
		"twenty minutes old":   {func(m map[string]string) { m["app_time"] = fmt.Sprint(w.Now().Add(-20 * time.Minute).UnixMilli()) }, "2/-401"},
		"no user":              {func(m map[string]string) { m["app_user"] = "" }, "2/-401"},
		"no description":       {func(m map[string]string) { m["description"] = "" }, "2/-401"},
		"amount 0":             {func(m map[string]string) { m["amount"] = "0" }, "2/-401"},
		"four minutes to live": {func(m map[string]string) { m["expire_duration_seconds"] = "240" }, "2/-401"},
		"item that is no list": {func(m map[string]string) { m["item"] = "{}" }, "2/-401"},
		"data that is no object": {func(m map[string]string) {
			m["embed_data"] = "[]"
		}, "2/-401"},
		"too much data": {func(m map[string]string) { m["embed_data"] = `{"a":"` + strings.Repeat("x", 1024) + `"}` }, "2/-401"},
	} {
		m := w.order("ORD1")
		c.change(m)
		if code, a := w.call("create", createOrder, m); code != c.want {
			t.Errorf("%s: %s %v, want %s", name, code, a, c.want)
		}
	}
	for name, c := range map[string]struct{ contentType, body, want string }{
		"another key":    {formType, "app_id=" + app + "&app_trans_id=260305_ORD1&mac=" + mac(key2, app+"|260305_ORD1|"+key1), `"sub_return_code":-402`},
		"nobody's app":   {formType, "app_id=1&app_trans_id=260305_ORD1", `"sub_return_code":-2`},
		"a name twice":   {formType, "app_id=1&app_id=1", `"sub_return_code":-401`},
		"JSON as a form": {"application/json", "{}", `"sub_return_code":-401`},
	} {
		if _, text := w.send(http.MethodPost, apiPath+"query", c.contentType, c.body); !strings.Contains(text, c.want) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestOnlyASuccessIsToldAndUntilItIsTaken(t *testing.T) {
	w := newWorld(t)
	for i, outcome := range []string{"decline", "expire", "leave_pending"} {
		reference := fmt.Sprint("ORD", i)
		w.create(reference)
		if said := w.control("payments/"+reference, `{"outcome":"`+outcome+`","callback":{"send":true}}`); !strings.Contains(said, `"callbacks":[]`) {
			t.Errorf("%s: %s", outcome, said)
		}
	}
	for i, want := range []string{"2/-217", "2/-54", "3/1"} {
		if code, _ := w.query(fmt.Sprint("ORD", i)); code != want {
			t.Errorf("query %d: %s, want %s", i, code, want)
		}
	}
	w.create("FORGED")
	w.control("payments/FORGED", `{"outcome":"succeed","callback":{"forge":true}}`)
	if got := <-w.forged; !strings.Contains(got, "FORGED") {
		t.Error(got)
	}
	replies := make(chan string, 10)
	w.answer = func() (int, string) { return 200, <-replies }
	for _, r := range []string{`{"return_code":0}`, `{"return_code":0}`, `nonsense`, `{"return_code":0}`, `{"return_code":1}`} {
		replies <- r
	}
	w.create("AGAIN")
	w.control("payments/AGAIN", `{"outcome":"succeed","callback":{"amount":5000}}`)
	for n := range 4 { // the first and three more, whatever they met
		if data := <-w.calls; data["app_trans_id"] != "260305_AGAIN" || fmt.Sprint(data["amount"]) != "5000" {
			t.Errorf("call %d: %v", n, data)
		}
		w.forward(5 * time.Minute)
	}
	w.forward(time.Hour) // the days' end is far: a fifth call would come before the next payment's
	w.create("NEXT")
	w.control("payments/NEXT", `{"outcome":"succeed"}`)
	if data := <-w.calls; data["app_trans_id"] != "260305_NEXT" {
		t.Errorf("a fifth call: %v", data)
	}
}

func TestDelivered(t *testing.T) {
	for body, want := range map[string]bool{`{"return_code":1}`: true, `{"return_code":2}`: true, `{"return_code":-1}`: true, `{"return_code":0}`: false, `{}`: false, ``: false} {
		if (Wire{}).Delivered(200, []byte(body)) != want {
			t.Errorf("%s: %v", body, !want)
		}
	}
	if (Wire{}).Delivered(500, []byte(`{"return_code":1}`)) {
		t.Error("a 500 counts as taken")
	}
}

func TestCancelEndsWhatIsUnpaid(t *testing.T) {
	w := newWorld(t)
	w.create("ORD1")
	w.create("ORD2")
	cancel := func(reference string) string {
		code, _ := w.call("cancel", queryOrder, map[string]string{"app_trans_id": "260305_" + reference})
		return code
	}
	if got := cancel("ORD1"); got != "1/1" {
		t.Errorf("unpaid: %s", got)
	}
	if code, _ := w.query("ORD1"); code != "2/-54" {
		t.Errorf("cancelled: %s", code)
	}
	w.control("payments/ORD2", `{"outcome":"succeed"}`)
	if got := cancel("ORD2"); got == "1/1" {
		t.Error("a paid order was cancelled")
	}
	if got := cancel("ORD3"); got != "2/-101" {
		t.Errorf("unknown: %s", got)
	}
	w.create("ORD4")
	w.forward(16 * time.Minute)
	if code, _ := w.query("ORD4"); code != "2/-54" {
		t.Errorf("after its time: %s", code)
	}
}

func TestRefunds(t *testing.T) {
	w := newWorld(t)
	w.create("ORD1")
	w.control("payments/ORD1", `{"outcome":"succeed"}`)
	trans := fmt.Sprint((<-w.calls)["zp_trans_id"])
	refund := func(reference, amount string, change ...func(map[string]string)) (string, map[string]any) {
		t.Helper()
		m := map[string]string{"m_refund_id": "260305_" + app + "_" + reference, "zp_trans_id": trans, "amount": amount, "timestamp": w.millis(), "description": "Hoàn tiền"}
		for _, c := range change {
			c(m)
		}
		return w.call("refund", refundOrder, m)
	}
	ask := func(reference string) string {
		t.Helper()
		code, _ := w.call("query_refund", refundQueryOrder, map[string]string{"m_refund_id": "260305_" + app + "_" + reference, "timestamp": w.millis()})
		return code
	}
	if got := ask("R1"); got != "2/-101" {
		t.Errorf("never sent: %s", got)
	}
	for name, c := range map[string]struct {
		change func(map[string]string)
		want   string
	}{
		"of yesterday":       {func(m map[string]string) { m["m_refund_id"] = "260304_" + app + "_R1" }, "2/-25"},
		"of another app":     {func(m map[string]string) { m["m_refund_id"] = "260305_1_R1" }, "2/-26"},
		"of no form":         {func(m map[string]string) { m["m_refund_id"] = "R1" }, "2/-24"},
		"twenty minutes old": {func(m map[string]string) { m["timestamp"] = fmt.Sprint(w.Now().Add(-20 * time.Minute).UnixMilli()) }, "2/-13"},
		"of nobody":          {func(m map[string]string) { m["zp_trans_id"] = "1" }, "2/-101"},
		"too much":           {func(m map[string]string) { m["amount"] = "120001" }, "2/-14"},
		"no description":     {func(m map[string]string) { m["description"] = "" }, "2/-401"},
	} {
		if code, _ := refund("R1", "20000", c.change); code != c.want {
			t.Errorf("%s: %s, want %s", name, code, c.want)
		}
	}
	code, a := refund("R1", "20000")
	if code != "1/1" || a["refund_id"] == nil {
		t.Errorf("accepted: %s %v", code, a)
	}
	if code, _ := refund("R1", "20000"); code != "2/-23" {
		t.Errorf("sent twice: %s", code)
	}
	if code, _ := refund("R2", "20000", func(m map[string]string) { m["refund_fee_amount"] = "1000" }); code != "1/1" {
		t.Errorf("with a fee in the mac: %s", code)
	}
	w.control("refunds/next", `{"outcome":"pending"}`)
	refund("R3", "30000")
	if got := ask("R1") + " " + ask("R3"); got != "1/1 3/2" {
		t.Errorf("done and under way: %s", got)
	}
	w.control("refunds/R3", `{"outcome":"decline"}`)
	if got := ask("R3"); got != "2/0" {
		t.Errorf("failed: %s", got)
	}
	w.control("refunds/next", `{"outcome":"decline","code":"-63"}`)
	if code, _ := refund("R4", "1000"); code != "2/-63" {
		t.Errorf("refused: %s", code)
	}
	w.control("payments/ORD1/refunds", `{"amount":5000}`)
	paid, _ := w.Ledger()
	if len(paid) != 1 || paid[0].Reference != "ORD1" || paid[0].Refunded != 45000 {
		t.Errorf("ledger: %+v", paid)
	}
	resp, file := w.send(http.MethodGet, "/control/zalopay/settlement?account="+app+"&date=2026-03-05", "", "")
	if !strings.Contains(resp.Header.Get("Content-Disposition"), "zalopay_900001_20260305.csv") ||
		!strings.Contains(file, ",PAYMENT,900001,260305_ORD1,"+trans+",,,120000,0,1320,118680,SUCCESS,38\n") ||
		!strings.Contains(file, ",REFUND,900001,260305_ORD1,"+trans+",260305_900001_R1,"+fmt.Sprint(a["refund_id"])+",20000,0,0,-20000,SUCCESS,38\n") ||
		!strings.Contains(file, ",260305_900001_ORD1R5,") || !strings.HasSuffix(file, "TOTAL,4,75000,1320,73680\n") {
		t.Errorf("settlement:\n%s", file)
	}
}
