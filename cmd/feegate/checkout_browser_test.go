package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"feegate/gateway/account"
	"feegate/gateway/identity"
)

// payWay is how a payer goes on from the checkout page to one provider.
type payWay struct {
	provider string
	account  account.Account
	terminal string         // at the simulator
	more     map[string]any // told to the simulator besides
	leaves   bool           // the payer is sent to the provider's page
	// arrives makes the money come, where the payer stays on the page; afterwards it does what the program does in the background.
	arrives, afterwards func(s *street, order string)
}

// newest is an order's newest payment as its portal sees it.
func (s *street) newest(order string) map[string]any {
	s.t.Helper()
	all, _ := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), http.StatusOK)["payments"].([]any)
	if len(all) == 0 {
		s.t.Fatal("no payment")
	}
	p, _ := all[len(all)-1].(map[string]any)
	return p
}

func payWays(clerk string) []payWay {
	scanned := func(s *street, order string) {
		redirect, _ := s.newest(order)["redirect"].(map[string]any)
		s.wired(map[string]any{"qr_payload": redirect["qr_payload"]})
	}
	zalopay := demoZaloPay(1)
	kho := account.Account{BeneficiaryBank: "970436", BeneficiaryAccount: "0011223344", BeneficiaryName: "KHO BAC"}
	bank := func(number string, credentials map[string]string) account.Account {
		return account.Account{Terminal: number, BeneficiaryBank: "970436", BeneficiaryAccount: number, BeneficiaryName: "UBND XA PHUONG", Credentials: credentials}
	}
	dvcqg := kho
	dvcqg.Credentials = map[string]string{"partner": "H10DEMO", "secret": "demo-secret"}
	payos := bank("1234567801", map[string]string{"clientId": "fake-client-id", "apiKey": "fake-api-key", "checksumKey": "FAKEchecksum"})
	payos.Terminal = ""
	return []payWay{
		{provider: "vnpay", leaves: true}, {provider: "momo", leaves: true}, // the street's own
		{provider: "zalopay", leaves: true, terminal: zalopay.terminal(), account: account.Account{Credentials: zalopay.Credentials}},
		{provider: "dvcqg", leaves: true, terminal: "H10DEMO", account: dvcqg, afterwards: func(s *street, _ string) { s.sweep() }},
		{provider: "sepay", terminal: "0101", account: bank("0101", map[string]string{"api_key": "K", "webhook_secret": "S", "api_token": "T"}), arrives: scanned},
		{provider: "casso", terminal: "0202", account: bank("0202", map[string]string{"webhook_key": "K", "api_key": "A"}), arrives: scanned},
		{provider: "payos", terminal: "fake-client-id", account: payos, more: map[string]any{"bank_account": "1234567801"}, arrives: func(s *street, order string) {
			s.decide("payos", s.reference(order), map[string]any{"outcome": "succeed"})
		}},
		{provider: "vietqr", account: bank("0303", map[string]string{}), arrives: func(s *street, order string) { // its statement alone tells
			reference := s.reference(order)
			s.ok(s.statementFile(clerk, "", stated("0303", 1000000, [3]string{"FT" + reference, "50000", "MBVCB." + reference + ".CT"})), http.StatusCreated)
		}},
	}
}

// everyWay opens an agency for each provider, so that each is what its payers are offered: to them VietQR is one way, whoever
// watches the account.
func (s *street) everyWay() []payWay {
	s.t.Helper()
	all := payWays(s.person("mai", []identity.Role{identity.Finance}))
	for n := range all {
		w := &all[n]
		agency := "H10.12"
		if w.account.Credentials != nil {
			agency = fmt.Sprintf("H10.%d", 20+n)
			if _, err := s.db.ExecContext(s.t.Context(), `INSERT INTO agencies (code, name) VALUES ($1, $2)`, agency, "UBND phường "+w.provider); err != nil {
				s.t.Fatal(err)
			}
			a := w.account
			a.ID, a.Provider, a.AgencyCode, a.Kinds, a.BaseURL = "acc_"+w.provider, w.provider, agency, []string{"phi", "le_phi"}, s.sim+"/"+w.provider
			if err := s.app.accounts.Create(s.t.Context(), a); err != nil {
				s.t.Fatal(err)
			}
		}
		w.account.AgencyCode = agency
		if w.terminal == "" {
			continue
		}
		put := map[string]any{"credentials": w.account.Credentials, "callback_url": s.api + "/callbacks/" + w.provider + "/acc_" + w.provider}
		for k, v := range w.more {
			put[k] = v
		}
		s.ok(s.send(http.MethodPut, s.sim+"/control/"+w.provider+"/accounts/"+w.terminal, put, nil), http.StatusOK)
	}
	return all
}

// withoutScripts makes the browser run none of a page's.
func (b *browser) withoutScripts() {
	b.t.Helper()
	b.run("no scripts", func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return chromedp.Void{}, err
	})
}

// fits holds a checkout page to what a thumb and an eye need: nothing to press is smaller than 44 pixels, no letter than 16, no code to
// scan than 240.
func (b *browser) fits(name string) {
	b.t.Helper()
	small := value(b, "sizes", chromedp.Evaluate[[]string](`(() => {
		const bad = [], seen = (e) => e.getClientRects().length > 0;
		for (const e of document.querySelectorAll("a, button, input:not([type=hidden]), select")) {
			const r = e.getBoundingClientRect();
			if (seen(e) && (r.width < 44 || r.height < 44)) bad.push(e.outerHTML.slice(0, 80) + " is " + Math.round(r.width) + " x " + Math.round(r.height));
		}
		const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		while (words.nextNode()) {
			const e = words.currentNode.parentElement;
			if (words.currentNode.data.trim() && seen(e) && !["SCRIPT", "NOSCRIPT"].includes(e.tagName) && parseFloat(getComputedStyle(e).fontSize) < 16)
				bad.push(words.currentNode.data.trim().slice(0, 60) + " has letters of " + getComputedStyle(e).fontSize);
		}
		for (const e of document.querySelectorAll("svg.qr")) if (e.getBoundingClientRect().width < 240) bad.push("the code is " + e.getBoundingClientRect().width + " wide");
		return bad;
	})()`))
	for _, s := range small {
		b.t.Errorf("%s at %d px: %s", name, b.width, s)
	}
}

// TestEveryProviderIsPaidOnAPhoneAndOnADesk pays by each provider, as a payer does, on a small phone and on a desk, and on a phone
// that runs no scripts.
func TestEveryProviderIsPaidOnAPhoneAndOnADesk(t *testing.T) {
	s := newStreet(t)
	ways, folder, n := s.everyWay(), pictures(t), 0
	for _, at := range []struct {
		name    string
		width   int
		scripts bool
	}{{"phone", phone, true}, {"desk", desk, true}, {"phone without scripts", phone, false}} {
		t.Run(at.name, func(t *testing.T) {
			defer func(whole *testing.T) { s.t = whole }(s.t)
			s.t = t
			payer := openBrowser(t, folder, at.width, host(t, s.api), host(t, s.sim))
			if !at.scripts {
				payer.withoutScripts()
			}
			for _, w := range ways {
				n++
				body := strings.NewReplacer("0007", fmt.Sprintf("%04d", 700+n), `"agency_code":"H10.12"`, `"agency_code":"`+w.account.AgencyCode+`"`).Replace(anOrder(fmt.Sprint("W", n)))
				o := s.ok(s.call(http.MethodPost, "/v1/orders", fmt.Sprint("w", n), body), http.StatusCreated)
				order, look := text(o["id"]), func(state string) {
					payer.fits(w.provider + " " + state)
					if at.scripts && at.width == phone && (w.provider == "dvcqg" || w.provider == "payos") { // the others' pages are as these
						payer.look("way-" + w.provider + "-" + state)
					}
				}
				payer.open(text(o["checkout_url"]))
				payer.until("Nộp 50.000 ₫")
				look("choose")
				button := "button[value^='acc_" + w.provider + "']"
				if w.leaves {
					payer.press(button, "mô phỏng")
					payer.press("button.main", "Hồ sơ") // pays, and comes back
				} else {
					payer.press(button, "Quét mã để nộp 50.000 ₫")
					look("code")
					w.arrives(s, order)
				}
				if w.afterwards != nil {
					w.afterwards(s, order)
				}
				switch {
				case at.scripts: // the page finds out by itself
				case w.leaves:
					payer.open(text(o["checkout_url"]))
				default:
					payer.press("form[action$='/ask'] button", "Đã nộp 50.000 ₫")
				}
				payer.until("Đã nộp 50.000 ₫")
				look("paid")
				if got := s.orderStatus(order); got != "paid" {
					t.Errorf("%s: the order is %s", w.provider, got)
				}
			}
		})
	}
}

// What a payer types is copied by one press, through the clipboard or as it was done before; and a page whose stream is refused asks
// instead.
func TestAPageCopiesAndAsks(t *testing.T) {
	s := newStreet(t)
	s.bank()
	order, payload, reference, visit := s.shown(1)
	payer := openBrowser(t, pictures(t), phone, host(t, s.api))
	payer.open(visit.page)
	payer.until("Quét mã để nộp 50.000 ₫")
	payer.until("Mã còn hiệu lực 23:5") // hours, minutes, seconds
	for _, way := range []string{`navigator.clipboard.writeText = async (text) => { window.taken = text; }`,
		`navigator.clipboard.writeText = () => Promise.reject(new Error("no")); document.addEventListener("copy", () => { window.taken = document.activeElement.value; })`} {
		value(payer, "clipboard", chromedp.Evaluate[bool](`(() => { window.taken = ""; `+way+`; return true; })()`))
		for name, want := range map[string]string{"Số tài khoản": ownBank, "Số tiền": "50000", "Nội dung chuyển khoản": reference, "Tên tài khoản": "UBND XA", "Ngân hàng": "Vietcombank"} {
			payer.press(`button[aria-label="Sao chép: `+name+`"]`, "Đã sao chép: "+name)
			if got := value(payer, "copied", chromedp.Evaluate[string](`window.taken`)); got != want {
				t.Errorf("%s: %q is copied, want %q", name, got, want)
			}
			value(payer, "forget", chromedp.Evaluate[bool](`(() => { document.getElementById("copied").textContent = ""; return true; })()`))
		}
	}
	s.app.endStreams()
	s.wired(map[string]any{"qr_payload": payload})
	payer.until("Đã nộp 50.000 ₫")
	if got := s.orderStatus(order); got != "paid" {
		t.Errorf("the order is %s", got)
	}
}
