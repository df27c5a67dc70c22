package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"feegate/providers/sim"
)

// keys presses keys, and nothing else.
func (b *browser) keys(keys string) {
	b.t.Helper()
	b.run("keys", chromedp.KeyEvent(keys))
}

// tab goes on with the Tab key until the element has the focus, and holds each stop on the way to a focus that is seen.
func (b *browser) tab(selector string) {
	b.t.Helper()
	for range 250 {
		b.keys(kb.Tab)
		at := value(b, "focus", chromedp.Evaluate[[]string](fmt.Sprintf(`(() => { const e = document.activeElement, s = getComputedStyle(e); return [String(e.matches(%q)), e === document.body ? "" : s.outlineStyle + " " + s.outlineWidth + " " + s.outlineColor, e.outerHTML.slice(0, 120)] })()`, selector)))
		if len(at) != 3 {
			b.t.Fatalf("the focus is %v", at)
		}
		if at[1] != "" && at[1] != "solid 3px rgb(255, 191, 71)" && b.own() {
			b.t.Errorf("the focus is not seen (%s) at %s", at[1], at[2])
		}
		if at[0] == "true" {
			return
		}
	}
	b.t.Fatalf("the Tab key does not come to %s\n%s", selector, b.body())
}

// enter presses Enter on an element that was come to by the Tab key, and waits for what comes.
func (b *browser) enter(selector, then string) {
	b.t.Helper()
	b.tab(selector)
	b.keys(kb.Enter)
	b.until(then)
}

// The main jobs with keys alone: pay, sign in, resolve a discrepancy, upload a file, close a day, find a payment, have it refunded, sign, sign out.
func TestTheMainJobsWithKeysAlone(t *testing.T) {
	s, api, _, _ := evening(t, sim.Changes{Lose: 1, Seed: 3})
	b := openBrowser(t, pictures(t), desk, host(t, s.api), host(t, s.sim))

	order := s.ok(s.call(http.MethodPost, "/v1/orders", "keys", strings.Replace(anOrder("KEYS"), "0007", "0777", 1)), 201)
	b.open(text(order["checkout_url"]))
	b.until("Nộp 50.000 ₫")
	b.enter("button[value^='acc_momo']", "Mã đơn hàng")
	b.enter("button[value='pay']", "Đã nộp 50.000 ₫")

	b.open(s.api + "/console")
	b.until("Đăng nhập")
	b.tab("#name")
	b.keys("mai")
	b.tab("#password")
	b.keys(password)
	b.keys(kb.Enter)
	b.until("Việc sáng nay")

	// The first stop of every page leads over the navigation.
	b.enter("nav a[href='/console/discrepancies']", "Sai lệch")
	b.keys(kb.Tab)
	b.keys(kb.Enter)
	if at := b.at(); !strings.HasSuffix(at, "#main") {
		t.Errorf("the first stop leads to %s", at)
	}
	dis := s.one(`SELECT min(id) FROM discrepancies WHERE kind = 'missing_at_provider'`)
	b.enter("main a[href*='"+dis+"']", "Hai bản ghi")
	b.tab("#action")
	for range 12 {
		if value(b, "chosen", chromedp.Evaluate[string](`document.activeElement.value`)) == "carry_forward" {
			break
		}
		b.keys(kb.ArrowDown)
	}
	b.tab("#note")
	b.keys("Chờ tệp của ngày sau.")
	b.enter("form[action$='/resolutions'] button.main", "Chờ tệp của ngày sau.")

	file := filepath.Join(t.TempDir(), "momo.csv")
	if err := os.WriteFile(file, []byte(s.settlement("momo", sim.Changes{Lose: 1, Seed: 3})), 0o600); err != nil {
		t.Fatal(err)
	}
	b.enter("nav a[href='/console/upload']", "Tải tệp đối soát")
	b.tab("#account")
	for range 12 {
		if value(b, "chosen", chromedp.Evaluate[string](`document.activeElement.value`)) == "acc_momo" {
			break
		}
		b.keys(kb.ArrowDown)
	}
	b.tab("#date")
	b.keys("03102026") // the browser's own order of a date's parts
	b.tab("#file")
	b.run("what the system's window for files gives", chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file}))
	b.enter("form:not(#statement)[data-preview] button.main", "Tệp này đã có từ trước, không nhập lại")

	s.readyToClose(api)
	b.enter("#result a[href^='/console/days/"+day+"']", "Ngày đối soát 10/03/2026")
	b.enter("form[action$='/close'] button", "Đã khóa sổ ngày này")
	b.look("keys-closed")

	// A refund is found by its payment's number, asked for by one person and approved by another, who signs the day too.
	payment := s.one(`SELECT min(id) FROM payments WHERE status = 'succeeded' AND account_id = 'acc_momo'`)
	b.keys("/")
	b.until("Mã hồ sơ, mã giao dịch")
	b.tab("#q")
	b.keys(payment)
	b.keys(kb.Enter)
	b.until("Diễn biến")
	b.tab("#reason")
	b.keys("Nộp nhầm hồ sơ.")
	b.enter("form[action$='/refunds'] button.main", "Người duyệt khác sẽ quyết định")
	b.enter(".me button", "Đăng nhập")
	b.tab("#name")
	b.keys("lan")
	b.tab("#password")
	b.keys(password)
	b.keys(kb.Enter)
	b.until("Việc sáng nay")
	b.enter("main a[href='/console/payments/"+payment+"']", "Diễn biến")
	b.enter("form[action$='/approve'] button.main", "Đã duyệt")
	b.enter("nav a[href='/console/closings']", "Khóa sổ")
	b.enter("main a[href*='/console/closings/"+day+"']", "Khóa sổ ngày 10/03/2026")
	b.enter("main a[href*='/console/days/"+day+"']", "Khóa sổ và ký")
	b.enter("form[action$='/sign'] button", "Đã ký")
	b.look("keys-signed")
	b.enter(".me button", "Đăng nhập")
	if n := s.count(`SELECT (SELECT count(*) FROM refunds WHERE status <> 'requested') + (SELECT count(*) FROM days WHERE status = 'signed')`); n != 2 {
		t.Errorf("%d of refund and signature were done", n)
	}
	if n := s.count(`SELECT (SELECT count(*) FROM resolutions WHERE note LIKE 'Chờ tệp%') + (SELECT count(*) FROM days WHERE status = 'signed')`); n != 2 {
		t.Errorf("%d of two deeds were done", n)
	}
}
