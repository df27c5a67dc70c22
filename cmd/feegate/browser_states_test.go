package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// scheme makes the browser prefer a colour scheme, and a medium ("" is the screen).
func (b *browser) scheme(scheme, medium string) {
	b.t.Helper()
	b.run("scheme", func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: medium, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return chromedp.Void{}, err
	})
}

// focused goes through the page by the tab key: what has the focus shows it.
func (b *browser) focused(name string) {
	b.t.Helper()
	for range 3 {
		b.run("tab", chromedp.KeyEvent("\t"))
		got := value(b, "focus", chromedp.Evaluate[string](`(() => { const e = document.activeElement, s = getComputedStyle(e);
			return e === document.body ? "" : s.outlineStyle + " " + s.outlineWidth + " " + s.outlineColor + " " + (s.boxShadow !== "none"); })()`))
		if got != "" && got != "solid 3px rgb(255, 191, 71) true" {
			b.t.Errorf("%s: the focus is shown as %q", name, got)
		}
	}
}

// TestEveryEndOfAnOrderHasItsPage looks at the checkout pages that the story does not come by.
func TestEveryEndOfAnOrderHasItsPage(t *testing.T) {
	s := newStreet(t)
	n := 0
	order := func(more string) (id string) {
		n++
		body := strings.Replace(strings.Replace(anOrder(fmt.Sprint("E", n)), "0007", fmt.Sprintf("%04d", 300+n), 1), `"amount":50000`, `"amount":50000`+more, 1)
		r := s.call(http.MethodPost, "/v1/orders", fmt.Sprint("e", n), body)
		if r.status != http.StatusCreated {
			t.Fatalf("%d %s", r.status, r.body)
		}
		return text(r.get(t)["id"])
	}
	pay := func(id, provider string, more map[string]any) (reference string) {
		n++
		in := map[string]any{"provider": provider}
		for k, v := range more {
			in[k] = v
		}
		p := s.call(http.MethodPost, "/v1/orders/"+id+"/payments", fmt.Sprint("p", n), in)
		if p.status != http.StatusCreated {
			t.Fatalf("%d %s", p.status, p.body)
		}
		return text(p.get(t)["provider_reference"])
	}
	succeed := map[string]any{"outcome": "succeed"}

	partly := order("")
	s.decide("momo", pay(partly, "momo", map[string]any{"amount": 20000}), succeed)
	twice := order(`,"return_url":"http://portal.example/dossier"`)
	first := pay(twice, "momo", nil)
	second := pay(twice, "momo", nil)
	s.decide("momo", first, succeed)
	s.decide("momo", second, succeed)
	doubt := order("")
	inDoubt := pay(doubt, "momo", nil)
	s.count(`WITH d AS (UPDATE payments SET in_doubt = true WHERE provider_reference = $1 RETURNING id) SELECT count(*) FROM d`, inDoubt)
	cancelled, expired := order(""), order(`,"expires_at":"2026-03-10T11:00:00+07:00"`)
	s.call(http.MethodPost, "/v1/orders/"+cancelled+"/cancel", "cancel", nil)
	slow := order("")
	pay(slow, "momo", nil)
	exempt := strings.NewReplacer("0007", "0399", `"net":50000`, `"adjustments":[{"type":"exempt","amount":50000,"legal_basis":"NQ 1","evidence":"GCN 1"}],"net":0`, `"amount":50000`, `"amount":0`).
		Replace(strings.Replace(anOrder("E-exempt"), `}],"amount":50000`, `}],"amount":0`, 1))
	exempt = strings.Replace(exempt, `{"type":"exempt","amount":0`, `{"type":"exempt","amount":50000`, 1)
	free := s.call(http.MethodPost, "/v1/orders", "exempt", exempt)
	if free.status != http.StatusCreated {
		t.Fatalf("%d %s", free.status, free.body)
	}
	nothing := text(free.get(t)["id"])
	declined := order("")
	s.decide("momo", pay(declined, "momo", nil), map[string]any{"outcome": "decline", "code": "1001"})
	back := order(`,"return_url":"http://portal.example/dossier"`)
	backPaid := pay(back, "momo", nil)
	s.decide("momo", backPaid, succeed)
	s.ok(s.call(http.MethodPut, "/v1/orders/"+back+"/receipts", "", `{"kind":"le_phi","series":"1K26","number":"0000123"}`), http.StatusOK)
	old := order("")
	again := strings.NewReplacer("0007", "0300", `"amount":50000}`, `"amount":50000,"supersedes":"`+old+`"}`).Replace(anOrder("E-again"))
	again = strings.Replace(again, "0300", fmt.Sprintf("%04d", 300+n), 1)
	s.ok(s.call(http.MethodPost, "/v1/orders", "again", again), http.StatusCreated)
	s.move(5 * time.Minute) // whoever waits waits for long

	payer := openBrowser(t, pictures(t), phone, host(t, s.api))
	open := func(id, name, says string) {
		t.Helper()
		address, err := s.app.gateway.CheckoutURL(id)
		if err != nil {
			t.Fatal(err)
		}
		payer.open(address)
		payer.until(says)
		payer.fits(name)
		payer.focused(name)
		payer.look("checkout-" + name)
		payer.open(address + "?lang=en")
		payer.until("Fee payment")
		payer.fits(name + " in English")
		if name == "twice" || name == "doubt" || name == "waiting" || name == "declined" || name == "expired" { // the longest
			payer.look("checkout-" + name + "-en")
		}
		payer.open(address + "?lang=vi")
	}
	open(partly, "partly", "Bạn đã nộp 20.000 ₫.")
	open(twice, "twice", "Bạn đã nộp thừa 50.000 ₫.")
	payer.scheme("dark", "")
	payer.look("checkout-twice-dark")
	payer.scheme("light", "print")
	payer.look("checkout-twice-print")
	payer.scheme("light", "")
	open(doubt, "doubt", "Chưa có kết quả cuối cùng")
	payer.press("a[href='?again=1']", "Nộp 50.000 ₫")
	payer.look("checkout-despite")
	open(cancelled, "cancelled", "Yêu cầu nộp phí đã bị hủy")
	open(slow, "waiting-long", "Đừng nộp lại.")
	payer.scheme("dark", "")
	payer.look("checkout-waiting-long-dark")
	payer.scheme("light", "")
	open(nothing, "nothing", "Hồ sơ này không phải nộp phí")
	open(declined, "declined", "Số dư không đủ.")
	open(back, "paid-receipt", "ký hiệu 1K26, số 0000123")
	open(old, "superseded", "Yêu cầu này đã được thay bằng yêu cầu khác")
	now := order("")
	pay(now, "momo", nil)
	open(now, "waiting", "Thường mất dưới 1 phút.")
	if app := value(payer, "app", chromedp.Evaluate[string](`document.querySelector("a.phone").href`)); !strings.HasPrefix(app, "momo://app?") {
		t.Errorf("the wallet's app is opened by %q", app)
	}
	payer.run("desk", chromedp.EmulateViewport(desk, 800))
	if shown := value(payer, "app at a desk", chromedp.Evaluate[bool](`document.querySelector("a.phone").getClientRects().length > 0`)); shown {
		t.Error("a desk is offered an app")
	}
	payer.run("phone", chromedp.EmulateViewport(phone, 800))
	s.move(time.Hour)
	open(expired, "expired", "Yêu cầu nộp phí đã hết hạn")
	open(slow, "attempt-over", "Thời gian của lần nộp này đã hết.")
	s.simServer.Close()
	address, _ := s.app.gateway.CheckoutURL(partly)
	for range 6 { // MoMo is down: the first says so, the breaker soon does
		payer.open(address)
		if down := value(payer, "down", chromedp.Evaluate[bool](`document.querySelector("button[value=acc_momo]").disabled`)); down {
			break
		}
		payer.press("button[value='acc_momo']", "tạm thời không dùng được")
	}
	payer.open(address)
	payer.until("Tạm thời không dùng được, thử lại sau 1 phút")
	payer.look("checkout-down")
}
