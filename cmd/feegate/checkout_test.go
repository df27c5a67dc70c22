package main

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// A payer opens the checkout page, picks a way, and comes to the provider's page; nothing there needs a script.
func TestTheCheckoutPage(t *testing.T) {
	s := newStreet(t)
	order := s.call(http.MethodPost, "/v1/orders", "k-checkout", anOrder("R-checkout")).get(t)
	u, err := url.Parse(order["checkout_url"].(string))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	do := func(method, address string, form url.Values) (int, http.Header, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header, string(b)
	}
	page := s.api + u.Path
	status, head, body := do(http.MethodGet, page, nil)
	if status != http.StatusOK || !strings.Contains(body, "<h1>Nộp ") || !strings.Contains(body, order["dossier_code"].(string)) || strings.Contains(body, "<script>") {
		t.Fatalf("%d %s", status, body)
	}
	if csp := head.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("CSP %q", csp)
	}
	key := regexp.MustCompile(`name="key" value="([^"]+)"`).FindStringSubmatch(body)
	way := regexp.MustCompile(`name="account" value="([^"]+)"`).FindStringSubmatch(body)
	if key == nil || way == nil {
		t.Fatalf("no way to pay: %s", body)
	}
	form := url.Values{"key": {key[1]}, "account": {way[1]}}
	status, head, body = do(http.MethodPost, page, form)
	first := head.Get("Location")
	if status != http.StatusSeeOther || !strings.HasPrefix(first, s.sim) {
		t.Fatalf("%d to %q: %s", status, first, body)
	}
	if status, _, _ := do(http.MethodGet, first, nil); status != http.StatusOK {
		t.Errorf("the provider's page answers %d", status)
	}
	// The button pressed twice starts one payment.
	if _, head, _ := do(http.MethodPost, page, form); head.Get("Location") != first {
		t.Errorf("pressed twice: %q, then %q", first, head.Get("Location"))
	}
	if n := s.count(`SELECT count(*) FROM payments`); n != 1 {
		t.Errorf("%d payments", n)
	}
	if _, _, body := do(http.MethodGet, page, nil); !strings.Contains(body, "Đang chờ ngân hàng xác nhận") {
		t.Errorf("while it is pending: %s", body)
	}
	for _, token := range []string{"x", strings.Replace(u.Path[5:], ".", ".A", 1), u.Path[5:] + "A", strings.Replace(u.Path[5:], u.Path[5:8], "zzz", 1)} {
		if status, _, body := do(http.MethodGet, s.api+"/pay/"+token, nil); status != http.StatusNotFound || !strings.Contains(body, "Không tìm thấy") {
			t.Errorf("token %q: %d", token, status)
		}
	}
}
