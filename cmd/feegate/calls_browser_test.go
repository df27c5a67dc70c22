package main

import (
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"feegate/gateway/identity"
)

// The strips of a day with calls, failures and a breaker switched by hand, at both widths; on a phone each operation's card has its account.
func TestTheDayOfProvidersInABrowser(t *testing.T) {
	s := newStreet(t)
	k := newShaky(s)
	op := s.officer("vận", []identity.Role{identity.Operator})
	for _, calls := range [][2]int{{3, 0}, {2, 1}, {0, 2}, {1, 0}} {
		k.pay(s, calls[0], calls[1])
		s.move(2 * time.Hour)
	}
	if err := s.writeCalls(); err != nil {
		t.Fatal(err)
	}
	const at = "/console/providers/" + shakyAccount
	op.acted(op.act(at+"/override", url.Values{"operation": {"checkout"}, "mode": {"open"}, "reason": {"MoMo báo sự cố"}}), at+"?done=override")
	stop := s.working()
	s.soon("the change is noted", func() bool { return s.count(`SELECT count(*) FROM provider_changes WHERE state = 'open'`) == 1 })
	stop()
	s.move(90 * time.Minute)
	b := openBrowser(t, pictures(t), desk, host(t, s.api))
	b.open(s.api + "/console/sign-in?next=/console/providers")
	b.fill("#name", "vận")
	b.fill("#password", password)
	b.press("button.main", "tài khoản thu đang dùng được")
	b.look("providers")
	again := `[...document.querySelectorAll("td.again")].filter(td => td.checkVisibility()).length`
	if n := value(b, "names beside names", chromedp.Evaluate[int](again)); n != 0 {
		t.Errorf("%d cells repeat the account at a desk", n)
	}
	b.run("a phone", chromedp.EmulateViewport(phone, 800))
	if n := value(b, "names on cards", chromedp.Evaluate[int](again)); n == 0 {
		t.Error("a card on a phone does not say whose operation it is")
	}
	b.run("a desk", chromedp.EmulateViewport(desk, 800))
	b.open(s.api + at)
	b.until("24 giờ qua, mọi tiến trình")
	b.look("provider")
}
