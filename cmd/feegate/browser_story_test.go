package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// pictures is where the test leaves what it saw: kept with go test -artifacts.
func pictures(t *testing.T) string {
	t.Helper()
	folder := t.ArtifactDir()
	t.Log("pictures of every page:", folder)
	return folder
}

// TestACitizenPaysAndFinanceReconciles goes the whole street as people do: a phone at the portal, at checkout and at both providers,
// then a desk the morning after.
func TestACitizenPaysAndFinanceReconciles(t *testing.T) {
	b := openBox(t, "--empty", "--clock", "2026-03-10T09:00:00+07:00")
	folder := pictures(t)
	citizen := openBrowser(t, folder, phone, host(t, b.ready.API), host(t, b.ready.Simulator))

	citizen.open(b.ready.Simulator + "/portal")
	citizen.until("Nộp hồ sơ mới")
	citizen.look("portal-empty")

	// MoMo: chosen, cancelled at the provider, chosen again, paid.
	citizen.fill("#procedure", "2.100003")
	citizen.press("form[action='/portal/new'] button", "Các khoản phải nộp")
	citizen.look("portal-form")
	citizen.received()
	citizen.press("button.main", "Chọn cách nộp")
	citizen.until("Nộp 50.000 ₫")
	if n := citizen.received(); n > 60_000 {
		t.Errorf("the first view of checkout is %.0f bytes", n)
	}
	citizen.look("checkout-choose")
	citizen.press("header a", "Pay 50,000 ₫")
	citizen.look("checkout-choose-en")
	citizen.press("header a", "Nộp 50.000 ₫")
	citizen.press("button[value^='acc_momo']", "Mã đơn hàng")
	citizen.look("provider-momo")
	citizen.press("button[value='1006']", "Chưa thu được tiền")
	citizen.until("Bạn đã hủy lần nộp này.")
	citizen.until("Tài khoản của bạn không bị trừ tiền.")
	citizen.look("checkout-declined")
	citizen.press("button[value^='acc_momo']", "Mã đơn hàng")
	citizen.press("button[value='pay']", "Đã nộp 50.000 ₫")
	citizen.look("checkout-paid")
	citizen.press(".button.main", "● Đã nộp")
	citizen.look("portal-order")

	// VNPAY: the payer leaves the provider's page open and looks back; the page there finds out by itself that it was paid.
	citizen.press("nav a", "Hồ sơ đã nộp")
	citizen.fill("#procedure", "1.100004")
	citizen.press("form[action='/portal/new'] button", "Các khoản phải nộp")
	citizen.press("button.main", "Chọn cách nộp")
	checkout := citizen.at()
	citizen.press("button[value^='acc_vnpay']", "Mã giao dịch")
	citizen.look("provider-vnpay")
	watching := openBrowser(t, folder, phone, host(t, b.ready.API))
	watching.open(checkout)
	watching.until("Đang chờ ngân hàng xác nhận")
	watching.until("14:5") // the countdown runs
	watching.look("checkout-waiting")
	citizen.press("button[value='pay']", "Đã nộp 75.000 ₫")
	watching.until("Đã nộp 75.000 ₫")
	citizen.press(".button.main", "● Đã nộp")
	citizen.press("nav a", "Hồ sơ đã nộp")
	citizen.look("portal-list")
	citizen.open(b.ready.API + "/pay/nobody.nothing")
	citizen.until("Không tìm thấy yêu cầu nộp phí")
	citizen.look("checkout-missing")

	// Two more that are paid at MoMo by phone calls, as it were: the day's file is to have something to lose and to alter.
	for n, reference := range []string{"B1", "B2", "B3"} {
		type made struct{ ID, Provider_reference string }
		o := get[made](b, http.StatusCreated, b.ready.APIKey, http.MethodPost, "/v1/orders", demoOrder(reference, 50+n, 120000))
		p := get[made](b, http.StatusCreated, b.ready.APIKey, http.MethodPost, "/v1/orders/"+o.ID+"/payments", map[string]string{"account_id": "acc_momo_1"})
		get[any](b, http.StatusOK, "", http.MethodPost, "/control/momo/payments/"+p.Provider_reference, map[string]any{"outcome": "succeed"})
	}
	finance(t, b, folder)
}

// finance is the morning after.
func finance(t *testing.T, b *box, folder string) {
	t.Helper()
	get[any](b, http.StatusOK, "", http.MethodPost, "/control/clock", map[string]string{"advance": "22h"})
	status, file := b.do("", http.MethodGet, "/control/momo/settlement?account=FEEGATEMOMO&date=2026-03-10&lose=1&invent=1&alter=1&seed=3", nil)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, file)
	}
	good, bad := filepath.Join(b.dir, "momo-2026-03-10.csv"), filepath.Join(b.dir, "bad.csv")
	for name, body := range map[string][]byte{good: file, bad: append(append([]byte{}, file...), "not,a,row\n"...)} {
		if err := os.WriteFile(name, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	password := map[string]string{}
	for _, u := range b.ready.Users {
		password[u.Name] = u.Password
	}
	signIn := func(name string, width int) *browser {
		p := openBrowser(t, folder, width, host(t, b.ready.API))
		p.open(b.ready.API + "/console")
		p.until("Đăng nhập")
		p.look("console-sign-in")
		p.fill("#name", name)
		p.fill("#password", "wrong")
		p.press("button.main", "Tên, mật khẩu hoặc mã xác thực không đúng.")
		p.fill("#password", password[name])
		p.press("button.main", "feegate")
		return p
	}
	clerk := signIn("finance", desk)
	clerk.until("Việc sáng nay, 11/03/2026")
	clerk.until("Chưa có tệp")
	clerk.look("console-today-before")

	clerk.press("a[href*='upload?date=2026-03-10&account=acc_momo_1']", "Tải tệp đối soát")
	clerk.run("choose a bad file", chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{bad}))
	clerk.press("button[formaction]", "Tệp chưa được nhập")
	clerk.until("dòng ")
	clerk.look("console-upload-refused")
	clerk.run("choose the file", chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{good}))
	clerk.press("button[formaction]", "Xem trước momo-2026-03-10.csv")
	clerk.look("console-upload-preview")
	clerk.press("form[data-preview] button.main", "Đã nhập momo-2026-03-10.csv") // the file is still chosen
	clerk.look("console-upload-done")
	clerk.press("#result a", "Ngày đối soát 10/03/2026")
	clerk.until("Lệch")
	clerk.until("Chưa giải thích được")
	if left := value(clerk, "what is unexplained", chromedp.Text(chromedp.CSS("tr.sum td[data-name='Còn lại']"))); left != "0\u00a0₫" {
		t.Errorf("%q is not explained", left)
	}
	clerk.look("console-day")
	clerk.open(b.ready.API + "/console/discrepancies")
	clerk.until("feegate không có")
	clerk.look("console-discrepancies")
	clerk.run("find it", chromedp.Click(chromedp.Search(`//a[text()="feegate không có"]`)))
	clerk.until("Hai bản ghi")
	clerk.fill("#action", "claim_from_provider")
	clerk.fill("#note", "Đã gọi nhà cung cấp <script>alert(1)</script>, họ sẽ kiểm tra.")
	clerk.look("console-discrepancy")
	clerk.press("form[action$='/resolutions'] button.main", "Chờ duyệt")
	clerk.until("cần một người duyệt khác")
	clerk.look("console-discrepancy-proposed")
	at := clerk.at()

	clerk.open(b.ready.API + "/console/search?q=H10.12-260310-0051")
	clerk.until("Tìm thấy theo mã hồ sơ")
	clerk.look("console-search")
	clerk.press("table a", "Giao dịch 120.000 ₫")
	clerk.fill("#reason", "Người dân nộp nhầm")
	clerk.press("form[action$='/refunds'] button.main", "Đã đề nghị hoàn tiền")
	clerk.look("console-payment")

	boss := signIn("approver", desk)
	boss.until("chờ tôi duyệt")
	boss.look("console-today-approver")
	boss.open(at)
	boss.press("form[action$='/approve'] button", "Đã duyệt.")
	boss.look("console-discrepancy-approved")
	boss.open(b.ready.API + "/console/today")
	boss.press("#waiting + table a", "Giao dịch 120.000 ₫")
	boss.press("form[action$='/approve'] button", "Đã duyệt.")
	boss.look("console-payment-refund")
	boss.open(b.ready.API + "/console/rate?from=2026-03-01&to=2026-03-11")
	boss.until("Tỷ lệ thanh toán trực tuyến")
	boss.look("console-rate")
	boss.press(".headline a[href*='transactions.denominator']", "Mọi lượt nộp")
	boss.look("console-evidence")
	boss.open(b.ready.API + "/console/upload")
	boss.until("Bạn không có quyền mở trang này")
	boss.look("console-problem")
	boss.press(".me button", "Đăng nhập")
	var notes struct {
		Resolutions []struct{ Note, Status string } `json:"resolutions"`
	}
	status, raw := b.do(b.signIn("finance"), http.MethodGet, "/v1/discrepancies/"+filepath.Base(at[:len(at)-len("?done=proposed")]), nil)
	if err := json.Unmarshal(raw, &notes); err != nil || status != http.StatusOK || len(notes.Resolutions) != 1 || notes.Resolutions[0].Status != "done" {
		t.Errorf("%d %s", status, raw)
	}
}
