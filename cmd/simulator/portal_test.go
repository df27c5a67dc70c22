package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"feegate/providers/momo/momosim"
	"feegate/providers/sim"
	"feegate/providers/vnpay/vnpaysim"
	"feegate/providers/zalopay/zalopaysim"
)

// gateway is what the portal needs of feegate.
type gateway struct {
	*httptest.Server
	mu        sync.Mutex
	endpoints []string
	orders    []map[string]any
	busy      int // so many calls are answered 503 first
}

func secretOf(n int) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf("secret number %020d", n)))
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer portal-key" {
			t.Errorf("%s without the key", r.URL)
		}
		if g.busy > 0 {
			g.busy--
			http.Error(rw, "starting", http.StatusServiceUnavailable)
			return
		}
		var body map[string]any
		if r.Method == http.MethodPost {
			if r.Header.Get("Idempotency-Key") == "" || json.NewDecoder(r.Body).Decode(&body) != nil {
				t.Errorf("%s without idempotency key or body", r.URL)
			}
		}
		rw.Header().Set("Content-Type", "application/json")
		switch r.Method + " " + r.URL.Path {
		case "GET /v1/catalogue/procedures":
			_, _ = io.WriteString(rw, `{"items":[{"code":"1.001","name":"Cấp <giấy phép>","field":"Xây dựng","agency_codes":["H10.12"],"fees":[
				{"fee_code":"LP1","kind":"le_phi","unit_amount":75000},{"fee_code":"P1","kind":"phi","unit_amount":null}]}],"next":null}`)
		case "POST /v1/webhook-endpoints":
			g.endpoints = append(g.endpoints, body["url"].(string))
			rw.WriteHeader(http.StatusCreated)
			_, _ = fmt.Fprintf(rw, `{"id":"whe_%d","secret":%q}`, len(g.endpoints), secretOf(len(g.endpoints)))
		case "POST /v1/orders":
			if body["amount"].(float64) == 0 {
				rw.WriteHeader(http.StatusUnprocessableEntity)
				_, _ = io.WriteString(rw, `{"title":"Invalid","title_vi":"Không hợp lệ","detail":"amount"}`)
				return
			}
			g.orders = append(g.orders, body)
			rw.WriteHeader(http.StatusCreated)
			_, _ = fmt.Fprintf(rw, `{"id":"ord_%d","status":"open","amount":%v,"checkout_url":"https://gateway.example/pay/t%d"}`, len(g.orders), body["amount"], len(g.orders))
		default:
			t.Errorf("unexpected %s %s", r.Method, r.URL)
		}
	}))
	t.Cleanup(g.Close)
	return g
}

func newTestPortal(t *testing.T, g *gateway, file string) (*portal, string, *http.Client) {
	t.Helper()
	world, err := sim.New(sim.Options{Wires: []sim.Wire{vnpaysim.New(), momosim.New(), zalopaysim.New()}, Start: time.Date(2026, 3, 10, 9, 0, 0, 0, sim.Zone())})
	if err != nil {
		t.Fatal(err)
	}
	if err := world.PutAccount(sim.Account{Provider: "vnpay", Terminal: "FEEGATE1", Credentials: map[string]string{"hash_secret": "s"}}); err != nil {
		t.Fatal(err)
	}
	mux := world.Handler()
	server := httptest.NewServer(mux)
	t.Cleanup(func() { server.Close(); _ = world.Close() })
	p, err := newPortal(world, portalOptions{Gateway: g.URL, Key: "portal-key", Public: "http://portal.test", File: file, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	p.routes(mux)
	return p, server.URL, &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func read(t *testing.T, resp *http.Response, err error) (int, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// tell sends a webhook as the gateway would.
func tell(t *testing.T, client *http.Client, address, secret string, at time.Time, typ, order, status string) int {
	t.Helper()
	body := fmt.Sprintf(`{"id":"evt_1","type":%q,"timestamp":%q,"version":1,"data":{"id":%q,"status":%q}}`, typ, at.Format(time.RFC3339Nano), order, status)
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature, err := wh.Sign("evt_1", now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/portal/webhooks", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("webhook-id", "evt_1")
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("webhook-signature", signature)
	resp, err := client.Do(req)
	code, _ := read(t, resp, err)
	return code
}

func TestDossierFromFormToPaid(t *testing.T) {
	g := newGateway(t)
	g.busy = 2
	file := filepath.Join(t.TempDir(), "portal.json")
	p, address, client := newTestPortal(t, g, file)
	if err := p.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.register(t.Context()); err != nil || len(g.endpoints) != 1 || g.endpoints[0] != "http://portal.test/portal/webhooks" {
		t.Errorf("endpoints %v, %v", g.endpoints, err)
	}
	resp, err := client.Get(address + "/portal")
	if _, page := read(t, resp, err); !strings.Contains(page, "Cấp &lt;giấy phép&gt;") || !strings.Contains(page, "Tải tệp đối soát") || !strings.Contains(page, "Sang ngày mai 07:30") ||
		strings.Contains(page, "<script") || strings.Contains(page, "style=") || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("home:\n%s", page)
	}
	resp, err = client.Get(address + "/portal/new?procedure=1.001")
	if _, page := read(t, resp, err); !strings.Contains(page, "75.000 ₫") || !strings.Contains(page, `name="amount-P1"`) {
		t.Errorf("form:\n%s", page)
	}
	form := url.Values{"procedure": {"1.001"}, "agency": {"H10.12"}, "payer": {"Nguyễn Văn An"}, "fee": {"LP1", "P1"}, "amount-P1": {"45.000"}}
	resp, err = client.PostForm(address+"/portal/orders", form)
	if code, page := read(t, resp, err); code != http.StatusSeeOther || resp.Header.Get("Location") != "https://gateway.example/pay/t1" {
		t.Fatalf("order: %d\n%s", code, page)
	}
	order := g.orders[0]
	code := order["dossier_code"].(string)
	if !strings.HasPrefix(code, "H10.12-260310-") || order["amount"].(float64) != 120000 || order["return_url"] != "http://portal.test/portal/orders/"+code || len(order["lines"].([]any)) != 2 {
		t.Errorf("order: %v", order)
	}
	seen := func(word string) bool {
		resp, err := client.Get(address + "/portal/orders/" + code)
		_, page := read(t, resp, err)
		return strings.Contains(page, word)
	}
	at := time.Date(2026, 3, 10, 9, 5, 0, 0, sim.Zone())
	if got := tell(t, client, address, secretOf(9), at, "order.paid", "ord_1", "paid"); got != http.StatusUnauthorized || seen("Đã nộp") {
		t.Errorf("a forged webhook: %d, believed %v", got, seen("Đã nộp"))
	}
	if got := tell(t, client, address, secretOf(1), at, "order.paid", "ord_1", "paid"); got != http.StatusNoContent || !seen("Đã nộp") {
		t.Errorf("a genuine webhook: %d, believed %v", got, seen("Đã nộp"))
	}
	if got := tell(t, client, address, secretOf(1), at.Add(-time.Minute), "order.created", "ord_1", "open"); got != http.StatusNoContent || !seen("Đã nộp") {
		t.Errorf("an older webhook undid a later one (%d)", got)
	}
	// After a restart the secret and the list are still there.
	again, _, _ := newTestPortal(t, g, file)
	if ds := again.dossiers(); len(ds) != 1 || ds[0].Status != "paid" || len(again.state.Secrets) != 1 {
		t.Errorf("after a restart: %+v", ds)
	}
}

func TestFormsSayWhatIsMissing(t *testing.T) {
	g := newGateway(t)
	_, address, client := newTestPortal(t, g, "")
	for want, form := range map[string]url.Values{
		"hãy chọn ít nhất một khoản": {"procedure": {"1.001"}, "agency": {"H10.12"}},
		"số nguyên đồng":             {"procedure": {"1.001"}, "agency": {"H10.12"}, "fee": {"P1"}, "amount-P1": {"5,5"}},
		"hãy chọn cơ quan thu":       {"procedure": {"1.001"}, "agency": {"X"}, "fee": {"LP1"}},
		"Không hợp lệ":               {"procedure": {"1.001"}, "agency": {"H10.12"}, "fee": {"P1"}, "amount-P1": {"0"}},
	} {
		resp, err := client.PostForm(address+"/portal/orders", form)
		if code, page := read(t, resp, err); code != http.StatusUnprocessableEntity || !strings.Contains(page, want) {
			t.Errorf("%s: %d\n%s", want, code, page)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/portal/clock", strings.NewReader("by=15m"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := client.Do(req)
	if code, _ := read(t, resp, err); code != http.StatusForbidden {
		t.Errorf("a page of another site moved the clock: %d", code)
	}
}

func TestClockButton(t *testing.T) {
	g := newGateway(t)
	p, address, client := newTestPortal(t, g, "")
	resp, err := client.PostForm(address+"/portal/clock", url.Values{"by": {"tomorrow"}})
	if code, _ := read(t, resp, err); code != http.StatusSeeOther {
		t.Fatal(code)
	}
	if got := p.world.Now().Format("2006-01-02 15:04"); got != "2026-03-11 07:30" {
		t.Errorf("it is %s", got)
	}
}

func TestRunServesUntilItsEndAndMovesTheGatewaysClock(t *testing.T) {
	var moved []string
	clock := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		moved = append(moved, string(body))
	}))
	defer clock.Close()
	ctx, cancel := context.WithCancel(t.Context())
	out, told := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, options{Listen: "127.0.0.1:0", DataDir: t.TempDir(), GatewayClock: clock.URL,
			Clock: clockTime{time.Date(2026, 3, 10, 9, 0, 0, 0, sim.Zone())}}, slog.New(slog.DiscardHandler), told)
	}()
	var address string
	if _, err := fmt.Fscanln(out, &address); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(address+"/control/clock", "application/json", strings.NewReader(`{"set":"2026-03-11T07:30:00+07:00"}`))
	if code, body := read(t, resp, err); code != http.StatusOK || !strings.Contains(body, "2026-03-11T07:30:0") || len(moved) != 1 || moved[0] != `{"set":"2026-03-11T07:30:00+07:00"}` {
		t.Errorf("%d %s, gateway %v", code, body, moved)
	}
	resp, err = http.Get(address + "/")
	if code, page := read(t, resp, err); code != http.StatusOK || !strings.Contains(page, "chưa được nối với feegate") {
		t.Errorf("portal alone: %d %s", code, page)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestATakenPortIsAClearError(t *testing.T) {
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	err := run(t.Context(), options{Listen: taken.Listener.Addr().String()}, slog.New(slog.DiscardHandler), io.Discard)
	if err == nil || !strings.Contains(err.Error(), taken.Listener.Addr().String()) {
		t.Errorf("%v", err)
	}
}
