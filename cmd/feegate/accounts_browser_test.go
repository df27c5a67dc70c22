package main

import (
	"testing"

	"github.com/chromedp/chromedp"

	"feegate/gateway/identity"
)

// An admin opens an account on a phone's width, mends what was wrong, is overtaken by another admin, and asks the provider.
func TestOpeningAnAccountInABrowser(t *testing.T) {
	s := newStreet(t)
	s.person("ad", []identity.Role{identity.Admin})
	eve := s.officer("eve", []identity.Role{identity.Admin})
	b := openBrowser(t, pictures(t), phone, host(t, s.api))
	b.open(s.api + "/console/sign-in")
	b.fill("#name", "ad")
	b.fill("#password", password)
	b.press("button.main", "Đăng xuất")
	b.open(s.api + "/console/providers")
	b.press("a[href='/console/accounts/new']", "Mở ở nhà cung cấp nào?")
	b.look("account-new")
	b.press("a[href$='provider=momo']", "Mở tài khoản thu MoMo")
	for id, text := range map[string]string{"agency_code": "H10.12", "credentials.partnerCode": "MOMOTWO", "credentials.accessKey": "AKnew1AKnew1", "credentials.secretKey": "SKnew1SKnew1", "beneficiary.bank": "970436",
		"beneficiary.number": "0123456789", "beneficiary.name": "UBND XÃ", "min_amount": "hai mươi", "tariff.bps": "1,1", "base_url": s.sim + "/momo"} {
		b.fill(`[id="new-`+id+`"]`, text)
	}
	b.run("live, fees", chromedp.Click(chromedp.CSS("#new-mode-live")), chromedp.Click(chromedp.CSS("#new-kinds-phi")))
	b.press("form[action='/console/accounts/new'] button", "là số nguyên đồng")
	b.look("account-new-refused")
	if kept := value(b, "the secrets", chromedp.Evaluate[string](`[...document.querySelectorAll("input[type=password]")].map((i) => i.value).join("")`)); kept != "" {
		t.Error("a secret came back to the page")
	}
	b.run("to what is wrong", chromedp.Click(chromedp.CSS("[role='alert'] a")))
	if at := value(b, "the target", chromedp.Evaluate[string](`document.querySelector(":target").name`)); at != "min_amount" {
		t.Errorf("the summary leads to %q", at)
	}
	b.fill(`[id="new-min_amount"]`, "20.000")
	b.fill(`[id="new-credentials.accessKey"]`, "AKnew1AKnew1")
	b.fill(`[id="new-credentials.secretKey"]`, "SKnew1SKnew1")
	b.press("form[action='/console/accounts/new'] button", "Đã mở tài khoản")
	b.look("account-opened")
	id := s.one(`SELECT id FROM merchant_accounts WHERE terminal = 'MOMOTWO'`)
	b.press("a[href$='/edit']", "Đổi điều khoản của MoMo MOMOTWO")
	b.look("account-edit")
	eve.acted(eve.act("/console/providers/"+id+"/terms", termsForm("1")), "/console/providers/"+id+"?done=account-changed")
	b.fill("#terms-reason", "của tôi")
	b.press("form[action$='/terms'] button", "người khác vừa đổi tài khoản này")
	b.look("account-edit-overtaken")
	b.press("a[href='/console/providers/"+id+"']", "Thử kết nối")
	b.press("form[action$='/check'] button", "chưa hoạt động như đang thiết lập")
	b.look("account-check")
}
