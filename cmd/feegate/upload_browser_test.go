package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"feegate/gateway/identity"
)

// TestAFinanceOfficersMorningInABrowser uploads a provider's file and the bank's statement as people do, at a desk and on a phone, and looks at the pages of the morning.
func TestAFinanceOfficersMorningInABrowser(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	api, lead := s.person("api", []identity.Role{identity.Finance}), s.person("lead", []identity.Role{identity.Approver})
	s.person("mai", []identity.Role{identity.Finance})
	s.person("lan", []identity.Role{identity.Approver})
	s.take("acc_vnpay_7", 0, 5)
	s.take("acc_momo_7", 10, 3)
	s.refunding(1, api, lead, "0123456789")
	in := asked(10000, 30000)
	in["to"] = to("9876543210")
	s.ok(s.as(api, http.MethodPost, "/v1/payments/"+s.one(`SELECT payment_id FROM refunds`)+"/refunds", "asked-too", in), 202)
	s.move(24 * time.Hour)
	folder := pictures(t)
	write := func(name, body string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	settled := s.send(http.MethodGet, s.sim+"/control/vnpay/settlement?account=FEEGATE7&date=2026-03-10&lose=1&seed=3", nil, nil)
	vnpay := write("vnpay 2026-03-10.csv", string(settled.body))
	statement := stated(bank, 1000000, [3]string{"FT26069001", "197800", "VNPAY FEEGATE7 TT GD NGAY 10/03/2026"}, [3]string{"FT26069002", "70000", "khong ro"}, [3]string{"FT26069003", "148350", "MOMO TRA TIEN"}, [3]string{"FT26069004", "-11000", "PHI SMS"})
	good, bad := write("Sao kê 10-03.csv", statement), write("Sao kê hỏng.csv", strings.Replace(statement, "1197800", "1197801", 1))

	signIn := func(name string, width int) *browser {
		b := openBrowser(t, folder, width, host(t, s.api))
		b.open(s.api + "/console/sign-in")
		b.fill("#name", name)
		b.fill("#password", password)
		b.press("button.main", "Việc sáng nay")
		return b
	}
	for _, width := range []int{phone, desk} {
		o := signIn("mai", width)
		name := func(what string) string { return fmt.Sprintf("%s-on-%d", what, width) }
		o.look(name("today-before"))
		o.open(s.api + "/console/upload")
		o.until("Kéo tệp thả vào đây")
		o.look(name("upload"))
		value(o, "drop a file", chromedp.Evaluate[bool](`(() => { const d = new DataTransfer(); d.items.add(new File(["x"], "thả.csv")); return document.querySelector("#statement .drop").dispatchEvent(new DragEvent("drop", { dataTransfer: d, bubbles: true, cancelable: true })); })()`))
		o.until("thả.csv, 1 kB")
		o.run("choose a broken statement", chromedp.SetUploadFiles(chromedp.CSS("#statement-file"), []string{bad}))
		o.until("Sao kê hỏng.csv, 1 kB")
		o.press("#statement button[formaction]", "Tệp chưa được nhập")
		o.until("dòng 4, Số dư: ghi 1.197.801 ₫, nhưng dòng trước cộng khoản này là 1.197.800 ₫")
		o.look(name("statement-refused"))
		o.run("choose the statement", chromedp.SetUploadFiles(chromedp.CSS("#statement-file"), []string{good}))
		o.press("#statement button[formaction]", "Xem trước Sao kê 10-03.csv: 4 dòng")
		o.look(name("statement-preview"))
		if width == desk {
			continue // a phone's owner has imported both by now
		}
		o.press("#statement button.main", "Đã nhập Sao kê 10-03.csv")
		o.until("Đúng, xác nhận các cột này")
		o.look(name("statement-done"))
		o.run("choose the account", chromedp.SetValue(chromedp.CSS("#account"), "acc_vnpay_7"))
		o.fill("#date", "2026-03-10")
		o.run("choose the file", chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{vnpay}))
		o.press("form:not(#statement)[data-preview] button.main", "Đã nhập vnpay 2026-03-10.csv")
		o.look(name("settlement-done"))
		o.open(s.api + "/console/imports/" + s.one(`SELECT id FROM imports WHERE kind = 'statement'`))
		o.until("Trả cho những ngày")
		o.look(name("import"))
		o.press("form[action$='/confirm'] button", "Đã xác nhận cách đọc các cột")
	}
	if n := s.count(`SELECT count(*) FROM imports`); n != 2 {
		t.Errorf("%d imports", n)
	}
	o := signIn("mai", desk)
	o.until("Lệch, đã rõ lý do") // the line that is lost is named
	o.look("today")
	for path, says := range map[string]string{"today?days=7": "7 ngày gần nhất", "search?q=FT26069001": "mã của ngân hàng", "search?q=x": "Không tìm thấy", "ledger": "Phải thu nhà cung cấp", "ledger/acc_vnpay_7": "Chờ quyết toán", "refunds": "Lập danh sách các khoản"} {
		o.open(s.api + "/console/" + path)
		o.until(says)
		o.look("page-" + strings.Map(func(r rune) rune {
			if strings.ContainsRune("?/=", r) {
				return '-'
			}
			return r
		}, path))
	}
	o.open(s.api + "/console/refunds")
	o.press("form[action$='/lists'] button.main", "Đã lập danh sách")
	o.look("refund-list-own")
	list := strings.TrimSuffix(o.at(), "?done=listed")
	boss := signIn("lan", desk)
	boss.open(list)
	boss.run("open the form", chromedp.Click(chromedp.CSS("summary")))
	boss.fill("input[name='bank_reference']", "FT26069009")
	boss.look("refund-list")
	boss.press("form[action$='/told'] button.main", "Đã ghi: ngân hàng đã chuyển")
	boss.open(s.api + "/console/payments/" + s.one(`SELECT payment_id FROM refunds LIMIT 1`))
	boss.until("Căn cứ")
	boss.look("payment-destination")
}
