package main

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// visitor is a browser without scripts on one order's page.
type visitor struct {
	s      *street
	page   string
	client *http.Client
}

func (s *street) visitor(checkoutURL any) *visitor {
	s.t.Helper()
	u, err := url.Parse(text(checkoutURL))
	if err != nil {
		s.t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &visitor{s, s.api + u.Path, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (p *visitor) do(ctx context.Context, method, path string, form url.Values) (int, http.Header, string) {
	p.s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, p.page+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.s.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := p.client.Do(req)
	if err != nil {
		p.s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.s.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// sees opens the page and wants each of the texts.
func (p *visitor) sees(path string, wants ...string) string {
	p.s.t.Helper()
	status, _, body := p.do(p.s.t.Context(), http.MethodGet, path, nil)
	for _, w := range wants {
		if !strings.Contains(body, w) {
			p.s.t.Errorf("%s, %d: no %q in\n%s", path, status, w, body)
		}
	}
	return body
}

var keyField = regexp.MustCompile(`name="key" value="([^"]+)"`)

// chooses presses the button of an account, on the page as it stands at path, and gives where it led.
func (p *visitor) chooses(path, account string) (int, string, string) {
	p.s.t.Helper()
	body := p.sees(path, `value="`+account+`"`)
	key := keyField.FindStringSubmatch(body)
	if key == nil {
		p.s.t.Fatalf("no form: %s", body)
	}
	form := url.Values{"key": {key[1]}, "account": {account}}
	if strings.Contains(body, `name="despite"`) {
		form.Set("despite", "yes")
	}
	status, head, body := p.do(p.s.t.Context(), http.MethodPost, "", form)
	return status, head.Get("Location"), body
}

// reference is the newest payment's at its provider.
func (s *street) reference(order string) string {
	s.t.Helper()
	var all []any
	all, _ = s.call(http.MethodGet, "/v1/orders/"+order, "", nil).get(s.t)["payments"].([]any)
	if len(all) == 0 {
		s.t.Fatal("no payment")
	}
	last, _ := all[len(all)-1].(map[string]any)
	return text(last["provider_reference"])
}

func TestWhatAPayerIsTold(t *testing.T) {
	s := newStreet(t)
	o := s.call(http.MethodPost, "/v1/orders", "k1", strings.Replace(anOrder("R-told"), `"amount":50000`, `"amount":50000,"return_url":"http://portal.example/d?a=1&b=2"`, 1)).get(t)
	order, p := text(o["id"]), s.visitor(o["checkout_url"])
	p.sees("", "<h1>Nộp 50.000\u00a0₫</h1>", "UBND xã", "Trích lục", "lệ phí", "giờ Việt Nam", order)
	p.sees("?lang=en", "<h1>Pay 50,000\u00a0₫</h1>", `lang="en"`)
	p.sees("", "<h1>Pay") // the choice is kept
	p.sees("?lang=vi", "<h1>Nộp")

	// Declined: the reason, the account, and the ways again.
	if status, to, body := p.chooses("", "acc_momo"); status != http.StatusSeeOther || !strings.HasPrefix(to, s.sim) {
		t.Fatalf("%d %s %s", status, to, body)
	}
	waiting := p.sees("", "Đang chờ ngân hàng xác nhận", "Bạn có thể đóng trang này", `<noscript><meta http-equiv="refresh"`, "data-left=", "Mở lại trang thanh toán")
	if !regexp.MustCompile(`<p class="note warn" data-after="1[12]\d" hidden>`).MatchString(waiting) {
		t.Errorf("told at once not to pay again: %s", waiting)
	}
	mark := regexp.MustCompile(`data-mark="([^"]+)"`).FindStringSubmatch(waiting)
	if _, head, body := p.do(t.Context(), http.MethodGet, "/status", nil); mark == nil || strings.TrimSpace(body) != `{"state":"`+mark[1]+`"}` || head.Get("Cache-Control") != "no-store" {
		t.Errorf("status %s, the page's mark %v", body, mark)
	}
	s.move(3 * time.Minute)
	if long := p.sees("", "Đừng nộp lại"); strings.Contains(long, `data-after="`) && strings.Contains(long, " hidden>!") {
		t.Errorf("after three minutes: %s", long)
	}
	s.decide("momo", s.reference(order), map[string]any{"outcome": "decline", "code": "1001"})
	p.sees("", "Chưa thu được tiền", "Số dư không đủ.", "Tài khoản của bạn không bị trừ tiền.", "Chọn cách nộp khác", `value="acc_vnpay"`)
	if _, _, body := p.do(t.Context(), http.MethodGet, "/status", nil); mark != nil && strings.Contains(body, mark[1]) {
		t.Errorf("declined, and the status is as before: %s", body)
	}

	// Paid, and paid at the provider a moment before the callback: asking again finds it.
	if status, _, body := p.chooses("", "acc_momo"); status != http.StatusSeeOther {
		t.Fatalf("%d %s", status, body)
	}
	s.decide("momo", s.reference(order), map[string]any{"outcome": "succeed", "callback": map[string]any{"send": false}})
	s.move(time.Minute)
	if status, head, body := p.do(t.Context(), http.MethodPost, "/ask", url.Values{}); status != http.StatusSeeOther || !strings.HasPrefix(head.Get("Location"), "/pay/") {
		t.Errorf("asking again: %d %s", status, body)
	}
	paid := p.sees("", "Đã nộp 50.000\u00a0₫", "Ví MoMo", "10/03/2026 10:", `href="http://portal.example/d?a=1&amp;b=2"`, "không phải là biên lai")
	if strings.Contains(paid, "<form") || strings.Contains(paid, "data-poll") {
		t.Errorf("something is left to do on a paid order: %s", paid)
	}
	if r := s.call(http.MethodPut, "/v1/orders/"+order+"/receipts", "", `{"kind":"le_phi","series":"1K26","number":"0000123"}`); r.status/100 != 2 {
		t.Fatalf("receipt: %d %s", r.status, r.body)
	}
	p.sees("", "ký hiệu 1K26, số 0000123")
	status, _, body := p.do(t.Context(), http.MethodPost, "", url.Values{"key": {"again"}, "account": {"acc_momo"}})
	if status != http.StatusConflict || !strings.Contains(body, "không còn chờ nộp") || !strings.Contains(body, "Đã nộp 50.000") {
		t.Errorf("paying a paid order: %d %s", status, body)
	}
}

func TestADoubtIsToldAndCanBePaidAllTheSame(t *testing.T) {
	s := newStreet(t)
	o := s.call(http.MethodPost, "/v1/orders", "k1", anOrder("R-doubt")).get(t)
	order, p := text(o["id"]), s.visitor(o["checkout_url"])
	_, to, _ := p.chooses("", "acc_vnpay")
	if r := s.send(http.MethodGet, to, nil, nil); r.status != http.StatusOK { // it knows a payment once its page was opened
		t.Fatalf("%d %s", r.status, r.body)
	}
	first := s.reference(order)
	if n := s.count(`WITH d AS (UPDATE payments SET in_doubt = true WHERE provider_reference = $1 RETURNING id) SELECT count(*) FROM d`, first); n != 1 {
		t.Fatal("no payment in doubt")
	}
	p.sees("", "Chưa có kết quả cuối cùng", "Đừng nộp lại ngay", "Vẫn nộp bằng cách khác", "khoản thừa được hoàn lại")
	p.sees("?again=1", `name="despite" value="yes"`)
	if status, to, body := p.chooses("?again=1", "acc_momo"); status != http.StatusSeeOther || !strings.HasPrefix(to, s.sim) {
		t.Fatalf("despite the doubt: %d %s %s", status, to, body)
	}
	s.decide("momo", s.reference(order), map[string]any{"outcome": "succeed"})
	s.decide("vnpay", first, map[string]any{"outcome": "succeed"})
	p.sees("", "Đã nộp 50.000\u00a0₫", "Bạn đã nộp thừa 50.000\u00a0₫", "hoàn về tài khoản đã nộp", "liên hệ UBND xã")
}

func TestAnOrderThatEndedSaysSo(t *testing.T) {
	s := newStreet(t)
	for name, c := range map[string]struct {
		end   func(id string)
		wants []string
	}{
		"cancelled": {func(id string) { s.call(http.MethodPost, "/v1/orders/"+id+"/cancel", "c", nil) }, []string{"Yêu cầu nộp phí đã bị hủy", "Bạn không phải nộp"}},
		"expired":   {func(string) { s.move(8 * 24 * time.Hour) }, []string{"Yêu cầu nộp phí đã hết hạn", "tiền vẫn được ghi nhận", "hãy mở lại hồ sơ"}},
	} {
		o := s.call(http.MethodPost, "/v1/orders", "k-"+name, strings.Replace(anOrder("R-"+name), "0007", map[string]string{"cancelled": "0008", "expired": "0009"}[name], 1)).get(t)
		p := s.visitor(o["checkout_url"])
		c.end(text(o["id"]))
		if body := p.sees("", c.wants...); strings.Contains(body, "<form") {
			t.Errorf("%s can be paid: %s", name, body)
		}
	}
}

func TestAWayThatDoesNotWorkSaysUntilWhen(t *testing.T) {
	s := newStreet(t)
	o := s.call(http.MethodPost, "/v1/orders", "k1", anOrder("R-down")).get(t)
	p := s.visitor(o["checkout_url"])
	s.simServer.Close()
	for range 8 { // until the breaker opens
		p.do(t.Context(), http.MethodPost, "", url.Values{"key": {time.Now().String()}, "account": {"acc_momo"}, "despite": {"yes"}})
	}
	body := p.sees("?again=1", "Tạm thời không dùng được, thử lại sau 1 phút")
	if !regexp.MustCompile(`value="acc_momo"[^>]* disabled>`).MatchString(body) || regexp.MustCompile(`value="acc_vnpay"[^>]* disabled>`).MatchString(body) {
		t.Errorf("%s", body)
	}
}

func TestTokensAreNotTriedWithoutEnd(t *testing.T) {
	s := newStreet(t)
	p := s.visitor("/pay/nobody.x")
	refused := false
	for range 2000 {
		status, _, _ := p.do(t.Context(), http.MethodGet, "", nil)
		if refused = status == http.StatusTooManyRequests; refused {
			break
		}
		if status != http.StatusNotFound {
			t.Fatalf("%d", status)
		}
	}
	if !refused {
		t.Error("2,000 guesses at once are let through")
	}
}
