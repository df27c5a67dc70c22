package main

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// printed is the text of a PDF.
func printed(t *testing.T, pdf string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.pdf")
	if err := os.WriteFile(file, []byte(pdf), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "pdftotext", "-layout", file, "-").Output()
	if err != nil {
		t.Fatalf("%v: %.40q", err, pdf)
	}
	return strings.ReplaceAll(string(out), "\u00a0", " ")
}

// The confirmation is a paper that says what the page says; its text can be copied, in Vietnamese.
func TestAConfirmationOfPaymentIsAPaper(t *testing.T) {
	s := newStreet(t)
	o := s.call(http.MethodPost, "/v1/orders", "k1", anOrder("R-paper")).get(t)
	order, p := text(o["id"]), s.visitor(o["checkout_url"])
	if status, _, body := p.do(t.Context(), http.MethodGet, "/confirmation.pdf", nil); status != http.StatusNotFound || strings.HasPrefix(body, "%PDF") || !strings.Contains(body, "Nộp 50.000") {
		t.Errorf("before anything is paid: %d %.300s", status, body)
	}
	p.chooses("", "acc_momo")
	s.decide("momo", s.reference(order), map[string]any{"outcome": "succeed"})
	p.sees("", `href="/pay/`+strings.TrimPrefix(p.page, s.api+"/pay/")+`/confirmation.pdf"`, "Bằng chữ", "Năm mươi nghìn đồng", "Số biên lai sẽ hiện ở đây")
	get := func() (http.Header, string) {
		status, head, body := p.do(t.Context(), http.MethodGet, "/confirmation.pdf", nil)
		if status != http.StatusOK || head.Get("Content-Type") != "application/pdf" || head.Get("Cache-Control") != "no-store" {
			t.Fatalf("%d %v %.300s", status, head, body)
		}
		return head, printed(t, body)
	}
	head, paper := get()
	if got := head.Get("Content-Disposition"); got != `attachment; filename="xac-nhan-thanh-toan-H10.12-260310-0007.pdf"` {
		t.Error(got)
	}
	for _, want := range []string{"XÁC NHẬN THANH TOÁN", "(không phải là biên lai)", "UBND xã", "H10.12-260310-0007", "Trích lục", order, "Lệ phí × 2", "Ví MoMo", "10/03/2026 10:",
		"50.000", "Bằng chữ: Năm mươi nghìn đồng.", "Cơ quan thu chưa gửi số biên lai.", "giờ Việt Nam", "Trang 1/1"} {
		if !strings.Contains(paper, want) {
			t.Errorf("no %q on\n%s", want, paper)
		}
	}
	if strings.Contains(paper, "Nguyễn Văn A") {
		t.Error("the paper names the payer")
	}
	if r := s.call(http.MethodPut, "/v1/orders/"+order+"/receipts", "", `{"kind":"le_phi","series":"1K26","number":"0000123"}`); r.status/100 != 2 {
		t.Fatalf("receipt: %d %s", r.status, r.body)
	}
	if _, paper := get(); !strings.Contains(paper, "ký hiệu 1K26, số 0000123") || strings.Contains(paper, "chưa gửi") {
		t.Errorf("no receipt on\n%s", paper)
	}
}

// listens opens the page's stream and gives what is said there, a line each; the channel closes with the stream.
func (p *visitor) listens(ctx context.Context) (int, <-chan string) {
	p.s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.page+"/events", nil)
	if err != nil {
		p.s.t.Fatal(err)
	}
	resp, err := p.client.Do(req) //nolint:bodyclose // closed below
	if err != nil {
		p.s.t.Fatal(err)
	}
	said := make(chan string, 100)
	go func() {
		defer close(said)
		defer func() { _ = resp.Body.Close() }()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				said <- data
			}
		}
	}()
	return resp.StatusCode, said
}

// A page that waits is told of news, which any replica may have heard, and its stream ends with the order's final word.
func TestAWaitingPageIsToldOfNews(t *testing.T) {
	s := newStreet(t)
	o := s.call(http.MethodPost, "/v1/orders", "k1", anOrder("R-told")).get(t)
	order, p := text(o["id"]), s.visitor(o["checkout_url"])
	p.chooses("", "acc_momo")
	mark := regexp.MustCompile(`data-mark="([^"]+)"`).FindStringSubmatch(p.sees("", "data-events=", "data-poll"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	status, said := p.listens(ctx)
	if first := <-said; status != http.StatusOK || mark == nil || first != mark[1] {
		t.Fatalf("%d %q, the page's mark is %v", status, first, mark)
	}
	var more []<-chan string
	for range 7 {
		status, c := p.listens(ctx)
		if status != http.StatusOK {
			t.Fatalf("%d", status)
		}
		<-c
		more = append(more, c)
	}
	if status, c := p.listens(ctx); status != http.StatusServiceUnavailable || <-c != "" {
		t.Errorf("a ninth stream of one order: %d", status)
	}
	// Another process hears of it: here as if by the database.
	if n := s.count(`WITH d AS (UPDATE payments SET in_doubt = true WHERE provider_reference = $1 RETURNING id) SELECT count(*) FROM d`, s.reference(order)); n != 1 {
		t.Fatal("no payment in doubt")
	}
	if got := <-said; !strings.HasPrefix(got, "doubt ") {
		t.Errorf("told %q", got)
	}
	s.decide("momo", s.reference(order), map[string]any{"outcome": "succeed"})
	if got := <-said; !strings.HasPrefix(got, "paid ") {
		t.Errorf("told %q", got)
	}
	for _, c := range append(more, said) {
		last := ""
		for l := range c { // it ends
			last = l
		}
		if c != said && !strings.HasPrefix(last, "paid ") {
			t.Errorf("another page was told %q at last", last)
		}
	}
	if ctx.Err() != nil {
		t.Error("the streams did not end")
	}
	if _, c := p.listens(ctx); !strings.HasPrefix(<-c, "paid ") || <-c != "" {
		t.Error("a paid order's stream does not end at once")
	}
	if status, _ := s.visitor("/pay/nobody.x").listens(ctx); status != http.StatusNotFound {
		t.Errorf("nobody's stream: %d", status)
	}
}

// A server that stops does not wait for pages that stay open.
func TestStreamsEndWithTheServer(t *testing.T) {
	s := newStreet(t)
	o := s.call(http.MethodPost, "/v1/orders", "k1", anOrder("R-stop")).get(t)
	p := s.visitor(o["checkout_url"])
	p.chooses("", "acc_momo")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, said := p.listens(ctx)
	<-said
	s.app.endStreams()
	for range said {
		t.Error("something was said")
	}
	if ctx.Err() != nil {
		t.Error("it did not end")
	}
	if status, _ := p.listens(ctx); status != http.StatusServiceUnavailable {
		t.Errorf("a new one: %d", status)
	}
}

// The chosen language stays over the redirects, where cookies are refused too.
func TestTheLanguageStays(t *testing.T) {
	s := newStreet(t)
	s.bank()
	o := s.call(http.MethodPost, "/v1/orders", "k1", anOrder("R-en")).get(t)
	p := s.visitor(o["checkout_url"])
	p.client.Jar = nil
	body := p.sees("?lang=en", `<html lang="en">`, `hreflang="vi"`, "<h1>Pay 50,000")
	key := keyField.FindStringSubmatch(body)
	action := regexp.MustCompile(`action="([^"]+)" class="ways"`).FindStringSubmatch(body)
	if key == nil || action == nil || !strings.HasSuffix(action[1], "?lang=en") {
		t.Fatalf("%v %v", key, action)
	}
	status, head, body := p.do(t.Context(), http.MethodPost, "?lang=en", url.Values{"key": {key[1]}, "account": {"acc_sepay/qr"}})
	if to := head.Get("Location"); status != http.StatusSeeOther || !strings.HasSuffix(to, "?lang=en") {
		t.Fatalf("%d %q %s", status, to, body)
	}
	p.sees("?lang=en", "Scan the code to pay 50,000", `href="?again=1&amp;lang=en"`, `/ask?lang=en"`, `data-copy="50000"`, "Copy", `lang="vi"`)
	if _, head, _ := p.do(t.Context(), http.MethodPost, "/ask?lang=en", url.Values{}); head.Get("Location") != strings.TrimPrefix(p.page, s.api)+"?asked=1&lang=en" {
		t.Errorf("asked: %q", head.Get("Location"))
	}
}
