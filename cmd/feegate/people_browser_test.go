package main

import (
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"feegate/gateway/identity"
)

// An officer enrols a second factor on a phone's width and signs in with it, in a real browser.
func TestSigningInWithACodeInABrowser(t *testing.T) {
	s := newStreet(t)
	s.person("mai", []identity.Role{identity.Finance})
	b := openBrowser(t, pictures(t), phone, host(t, s.api))
	in := func(otp, says string) {
		b.open(s.api + "/console/sign-in")
		b.fill("#name", "mai")
		b.fill("#password", password)
		if otp != "" {
			b.fill("#otp", otp)
		}
		b.press("button.main", says)
	}
	in("", "Việc sáng nay")
	b.open(s.api + "/console/account")
	b.press("form[action$='/otp'] button", "Nhập mã 6 số đang hiện trong ứng dụng")
	b.look("account-otp-scan")
	secret := value(b, "the key", chromedp.Evaluate[string](`document.querySelector("#otp li code").textContent`))
	code := func(at time.Time) string {
		c, err := totp.GenerateCode(secret, at)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	b.fill("#code", code(time.Now()))
	b.press("form[action$='/confirm'] button", "Giữ các mã này ở nơi an toàn")
	b.look("account-otp-codes")
	b.press(".me button", "Đăng nhập")
	in("", "mã xác thực không đúng")
	b.look("sign-in-code-refused")
	in(code(time.Now().Add(30*time.Second)), "Việc sáng nay")
	b.open(s.api + "/console/account")
	b.until("Đang bật. Còn 10 mã dự phòng")
	b.look("account-otp-on")
}

// An officer signs in by the province's provider of identities: the cookie that only our own pages send comes through.
func TestSigningInByTheProvinceInABrowser(t *testing.T) {
	s := newStreet(t)
	p := theProvince(t, s, "")
	p.give("id1", "doi-soat")
	issuer, err := url.Parse(p.issuer)
	if err != nil {
		t.Fatal(err)
	}
	b := openBrowser(t, pictures(t), desk, host(t, s.api), issuer.Host)
	b.open(s.api + "/console/refunds")
	b.until("Đăng nhập bằng tài khoản của tỉnh")
	b.look("sign-in-outside")
	b.press("a[href^='/console/oidc/start']", "Username")
	b.fill("input[name='username']", "mai.le")
	b.fill("input[name='password']", "ở tỉnh")
	b.press("button[type='submit'], input[type='submit']", "Hoàn tiền")
	b.until("mai.le")
	if at := b.at(); at != s.api+"/console/refunds" {
		t.Errorf("at %s", at)
	}
	// Out at the province too, by a page of ours, and back.
	b.press(".me button", "Đăng nhập bằng tài khoản của tỉnh")
	if at, ended := b.at(), p.endedFor(); at != s.api+"/console/sign-in" || len(ended) != 1 || ended[0] != "feegate-"+issuer.Port() {
		t.Errorf("at %s, signed out of %v", at, ended)
	}
}

// The stroke leads to the search from any page, and into its field; where somebody writes it is a stroke.
func TestTheStrokeLeadsToTheSearch(t *testing.T) {
	s := newStreet(t)
	s.person("mai", []identity.Role{identity.Finance})
	b := openBrowser(t, pictures(t), desk, host(t, s.api))
	b.open(s.api + "/console/sign-in")
	b.fill("#name", "mai")
	b.fill("#password", password)
	b.press("button.main", "Việc sáng nay")
	b.run("stroke", chromedp.KeyEvent("/"))
	b.until("Người dân hay ngân hàng đọc số nào cũng được")
	b.run("the field has the focus, which it takes a moment after the page", chromedp.WaitReady(chromedp.CSS("#q:focus")))
	b.run("write", chromedp.KeyEvent("FT/1"))
	if got := value(b, "field", chromedp.Evaluate[string](`document.querySelector("#q").value`)); got != "FT/1" {
		t.Errorf("the field holds %q", got)
	}
	value(b, "leave the field", chromedp.Evaluate[bool](`(document.activeElement.blur(), true)`))
	b.run("stroke", chromedp.KeyEvent("/"))
	if got := value(b, "focus", chromedp.Evaluate[string](`document.activeElement.id`)); got != "q" {
		t.Errorf("the focus is on %q", got)
	}
}
