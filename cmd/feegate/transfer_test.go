package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/providers/vietqr"
)

const ownBank = "0123456789"

// bank opens an agency's bank account that two notifiers watch.
func (s *street) bank() {
	s.t.Helper()
	for n, a := range []account.Account{
		{ID: "acc_sepay", Provider: "sepay", Credentials: map[string]string{"api_key": "K", "webhook_secret": "S", "api_token": "T"}},
		{ID: "acc_casso", Provider: "casso", Credentials: map[string]string{"webhook_key": "K", "api_key": "A"}},
	} {
		a.AgencyCode, a.Kinds, a.BaseURL, a.Terminal, a.Position = "H10.12", []string{"phi", "le_phi"}, s.sim+"/"+a.Provider, ownBank, 10+n
		a.BeneficiaryBank, a.BeneficiaryAccount, a.BeneficiaryName = "970436", ownBank, "UBND XA"
		if err := s.app.accounts.Create(s.t.Context(), a); err != nil {
			s.t.Fatal(err)
		}
		put := map[string]any{"credentials": a.Credentials, "callback_url": s.api + "/callbacks/" + a.Provider + "/" + a.ID}
		if r := s.send(http.MethodPut, s.sim+"/control/"+a.Provider+"/accounts/"+ownBank, put, nil); r.status != http.StatusOK {
			s.t.Fatalf("account at the simulator: %d %s", r.status, r.body)
		}
	}
}

// wired is somebody transferring money into the account, as the simulated bank books it; it gives the statuses that the
// notifiers' calls got.
func (s *street) wired(in map[string]any) []int {
	s.t.Helper()
	if in["qr_payload"] == nil {
		in["account"] = ownBank
	}
	r := s.send(http.MethodPost, s.sim+"/control/bank/transfers", in, nil)
	if r.status != http.StatusOK {
		s.t.Fatalf("transfer: %d %s", r.status, r.body)
	}
	var statuses []int
	for _, c := range r.get(s.t)["callbacks"].([]any) {
		statuses = append(statuses, int(c.(map[string]any)["status"].(float64)))
	}
	return statuses
}

// shown is an order with a VietQR code on its page.
func (s *street) shown(n int) (order, payload, reference string, page *visitor) {
	s.t.Helper()
	o := s.ok(s.call(http.MethodPost, "/v1/orders", fmt.Sprint("t", n), strings.Replace(anOrder(fmt.Sprint("T", n)), "0007", fmt.Sprintf("5%03d", n), 1)), 201)
	order, page = o["id"].(string), s.visitor(o["checkout_url"])
	if status, to, body := page.chooses("", "acc_sepay/qr"); status != http.StatusSeeOther || !strings.Contains(to, "/pay/") {
		s.t.Fatalf("%d %s %s", status, to, body)
	}
	p := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200)["payments"].([]any)[0].(map[string]any)
	redirect := p["redirect"].(map[string]any)
	return order, redirect["qr_payload"].(string), p["provider_reference"].(string), page
}

func TestAPayerScansAndTheMoneyIsRecognised(t *testing.T) {
	s := newStreet(t)
	s.bank()
	order, payload, reference, page := s.shown(1)
	body := page.sees("", `<svg class="qr"`, "Quét mã để nộp 50.000", ownBank, "UBND XA", reference, "Vietcombank")
	if strings.Contains(body, "Đang chờ ngân hàng xác nhận") {
		t.Error("the page is that of a wallet")
	}
	if got := s.wired(map[string]any{"qr_payload": payload, "payer_account": "9988776655"}); fmt.Sprint(got) != "[200 200]" {
		t.Errorf("the two notifiers were answered %v", got)
	}
	page.sees("", "Đã nộp 50.000", "VietQR")
	v := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200)
	p := v["payments"].([]any)[0].(map[string]any)
	if v["status"] != "paid" || v["surplus_amount"] != 0.0 || len(v["payments"].([]any)) != 1 || p["channel"] != "qr_remote" || p["status"] != "succeeded" {
		t.Errorf("%v", v)
	}
	if n := s.count(`SELECT count(*) FROM bank_transfer_sources`); n != 2 {
		t.Errorf("%d sources told of it", n)
	}
	// Scanned again, a week later: money is money.
	s.move(7 * 24 * time.Hour)
	s.wired(map[string]any{"qr_payload": payload})
	if v := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200); v["surplus_amount"] != 50000.0 || v["status"] != "paid" {
		t.Errorf("paid twice: %v", v)
	}
	page.sees("", "nộp thừa 50.000")
}

func TestWhatBanksDoToTheContent(t *testing.T) {
	s := newStreet(t)
	s.bank()
	for n, mangle := range []string{"", "prefix", "upper|spaces", "prefix|suffix"} {
		order, payload, _, _ := s.shown(n)
		s.wired(map[string]any{"qr_payload": payload, "mangle": mangle})
		if got := s.orderStatus(order); got != "paid" {
			t.Errorf("%q: %s", mangle, got)
		}
	}
	s.wired(map[string]any{"amount": 70000, "content": "x"}) // nobody's
	if n := s.count(`SELECT count(*) FROM payments WHERE status = 'succeeded'`); n != 4 {
		t.Errorf("%d payments succeeded", n)
	}
}

func TestPartOfTheMoneyThenTheRest(t *testing.T) {
	s := newStreet(t)
	s.bank()
	order, _, reference, page := s.shown(1)
	s.wired(map[string]any{"amount": 20000, "content": reference})
	page.sees("", "Bạn đã nộp 20.000", "Nộp 30.000")
	if status, _, _ := page.chooses("", "acc_sepay/qr"); status != http.StatusSeeOther {
		t.Errorf("the rest: %d", status)
	}
	page.sees("", "Quét mã để nộp 30.000", "Đã nhận 20.000")
	next := s.reference(order)
	s.wired(map[string]any{"amount": 30000, "content": next})
	if got := s.orderStatus(order); got != "paid" || next == reference {
		t.Errorf("%s", got)
	}
}

// Both notifiers lose their calls: the payer's question reads the bank's list.
func TestATransferThatNobodyToldOfIsFoundOnTheList(t *testing.T) {
	s := newStreet(t)
	s.bank()
	order, payload, _, page := s.shown(1)
	s.wired(map[string]any{"qr_payload": payload, "notify": map[string]any{"send": false}})
	if got := s.orderStatus(order); got != "open" {
		t.Fatalf("told all the same: %s", got)
	}
	s.move(2 * time.Minute)
	if status, _, _ := page.do(t.Context(), http.MethodPost, "/ask", nil); status != http.StatusSeeOther {
		t.Errorf("asking: %d", status)
	}
	if got := s.orderStatus(order); got != "paid" {
		t.Errorf("after the question: %s\n%s", got, s.logs)
	}
	other, payload, _, _ := s.shown(2)
	s.wired(map[string]any{"qr_payload": payload, "notify": map[string]any{"send": false}})
	s.move(20 * time.Minute)
	if _, err := s.app.gateway.FetchTransfers(t.Context(), 0); err != nil {
		t.Error(err)
	}
	if got := s.orderStatus(other); got != "paid" {
		t.Errorf("after the regular reading: %s", got)
	}
}

// A transfer whose content lost the reference: finance sees it within seconds, with what it may be for, and two people tie it.
func TestMoneyWithoutAReferenceIsTiedByTwoPeople(t *testing.T) {
	s := newStreet(t)
	s.bank()
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})
	order, _, reference, _ := s.shown(1)
	damaged := reference[:len(reference)-1] + map[bool]string{true: "3", false: "2"}[strings.HasSuffix(reference, "2")]
	s.wired(map[string]any{"amount": 50000, "content": "NGUYEN VAN A NOP PHI " + damaged})
	if got := s.orderStatus(order); got != "open" {
		t.Fatalf("guessed: %s", got)
	}
	if n, err := s.app.reconciler.NameTransfers(t.Context(), 10); n != 1 || err != nil {
		t.Fatalf("named on %d days: %v", n, err)
	}
	if n, err := s.app.reconciler.NameTransfers(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("named again on %d days: %v", n, err)
	}
	items := s.list(mai, "kind=bank_unmatched&status=open")
	if len(items) != 1 || items[0]["amount"] != 50000.0 {
		t.Fatalf("%v", items)
	}
	one := "/v1/discrepancies/" + text(items[0]["id"])
	k := s.ok(s.as(mai, http.MethodGet, one, "", nil), 200)
	tr := k["transfer"].(map[string]any)
	if !strings.Contains(text(tr["content"]), damaged) || len(tr["told_by"].([]any)) != 2 || len(tr["suggestions"].([]any)) != 1 || tr["suggestions"].([]any)[0].(map[string]any)["order"] != order {
		t.Errorf("%v", tr)
	}
	office := s.officer("hoa", []identity.Role{identity.Finance})
	if page := string(office.get("/console/discrepancies/" + text(items[0]["id"])).body); !strings.Contains(page, damaged) || !strings.Contains(page, order) || strings.Contains(page, "Hai bản ghi") {
		t.Errorf("the console: %s", page)
	}
	s.ok(s.as(mai, http.MethodPost, one+"/resolutions", "r1", map[string]any{"action": "record_payment", "order_id": order, "note": "đúng mã hồ sơ, đúng số tiền"}), 201)
	s.ok(s.as(lan, http.MethodPost, one+"/resolutions/1/approve", "", nil), 200)
	v := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200)
	if v["status"] != "paid" || !strings.Contains(fmt.Sprint(v["payments"]), "transfer_unref") {
		t.Errorf("%v", v)
	}
	if again := s.ok(s.as(mai, http.MethodGet, one, "", nil), 200); again["status"] != "resolved" {
		t.Errorf("%v", again)
	}
	// And one that nobody can tell the order of: it is surplus, to be paid back.
	s.wired(map[string]any{"amount": 33000, "content": "chuyen tien"})
	if _, err := s.app.reconciler.NameTransfers(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	items = s.list(mai, "kind=bank_unmatched&status=open")
	if len(items) != 1 {
		t.Fatalf("%v", items)
	}
	one = "/v1/discrepancies/" + text(items[0]["id"])
	s.ok(s.as(mai, http.MethodPost, one+"/resolutions", "r2", map[string]any{"action": "record_payment", "note": "không rõ của ai"}), 201)
	s.ok(s.as(lan, http.MethodPost, one+"/resolutions/1/approve", "", nil), 200)
	if got := s.ok(s.as(mai, http.MethodGet, "/v1/surplus", "", nil), 200)["items"].([]any); len(got) != 1 || !strings.Contains(fmt.Sprint(got), "33000") {
		t.Errorf("surplus: %v", got)
	}
	if in, moved := s.count(`SELECT sum(amount) FROM bank_transfers`), s.count(`SELECT sum(amount) FROM moves WHERE cause_type = 'payment'`); in != moved {
		t.Errorf("%d came in, %d is in the books", in, moved)
	}
}

var wayButton = regexp.MustCompile(`<button name="account" value="([^"]+)"[^>]*?( disabled)?>`)

// Accounts that are one way to a payer are offered once, and the next of them when the first does not work.
func TestThePageOffersWhatWorks(t *testing.T) {
	s := newStreet(t)
	s.bank()
	operator := s.person("op", []identity.Role{identity.Operator})
	o := s.ok(s.call(http.MethodPost, "/v1/orders", "w1", anOrder("W1")), 201)
	page := s.visitor(o["checkout_url"])
	ways := func() (out string) {
		for _, b := range wayButton.FindAllStringSubmatch(page.sees("", "Chọn cách nộp"), -1) {
			out += " " + b[1] + b[2]
		}
		return out
	}
	if got := ways(); strings.Count(got, "acc_") != 3 || !strings.Contains(got, "acc_sepay/qr") || strings.Contains(got, "casso") {
		t.Errorf("offered:%s", got)
	}
	s.ok(s.as(operator, http.MethodPost, "/v1/providers/acc_sepay/overrides", "", map[string]string{"operation": "checkout", "mode": "open", "reason": "thử"}), 201)
	s.ok(s.as(operator, http.MethodPost, "/v1/providers/acc_momo/maintenance", "", map[string]any{"to": s.world.Now().Add(time.Hour), "reason": "nâng cấp"}), 201)
	if got := ways(); !strings.Contains(got, "acc_casso/qr") || strings.Contains(got, "sepay") || !strings.Contains(got, "acc_momo disabled") {
		t.Errorf("offered:%s", got)
	}
	page.sees("", "Đang bảo trì đến")
}

// An account whose beneficiary nobody has approved, and another agency's, can tell what they like: nobody is credited by it.
func TestOnlyAnApprovedAccountOfTheAgencyIsBelieved(t *testing.T) {
	s := newStreet(t)
	s.bank()
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO agencies (code, name) VALUES ('H10.99', 'Xã khác')`); err != nil {
		t.Fatal(err)
	}
	evil := s.person("evil", []identity.Role{identity.Admin}, "H10.99")
	order, _, reference, _ := s.shown(1)
	v := s.ok(s.as(evil, http.MethodPost, "/v1/accounts", "", map[string]any{"provider": "payos", "agency_code": "H10.99", "kinds": []string{"phi"}, "tariff": map[string]int{"bps": 0, "fixed": 0, "min": 0, "max": 0},
		"base_url": s.sim + "/payos", "beneficiary": map[string]any{"bank": "970436", "number": ownBank, "name": "UBND XA"},
		"credentials": map[string]string{"clientId": "evil", "apiKey": "k", "checksumKey": "MYOWNKEY"}}), 201)
	id := v["id"].(string)
	number, err := vietqr.Decode(reference)
	if err != nil {
		t.Fatal(err)
	}
	say := func(n int) {
		data := map[string]any{"orderCode": number, "amount": 25000, "description": reference, "accountNumber": ownBank, "reference": fmt.Sprint("FAKE", n), "transactionDateTime": "2026-03-10 09:00:00",
			"currency": "VND", "paymentLinkId": fmt.Sprint("x", n), "code": "00", "desc": "success"}
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(data)) {
			parts = append(parts, fmt.Sprintf("%s=%v", k, data[k]))
		}
		mac := hmac.New(sha256.New, []byte("MYOWNKEY"))
		mac.Write([]byte(strings.Join(parts, "&")))
		body := map[string]any{"code": "00", "desc": "success", "success": true, "data": data, "signature": hex.EncodeToString(mac.Sum(nil))}
		if r := s.send(http.MethodPost, s.api+"/callbacks/payos/"+id, body, nil); r.status != 200 {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	say(1)
	other := s.person("other", []identity.Role{identity.Approver}, "H10.99")
	proposal := s.one(`SELECT id FROM account_beneficiaries WHERE status = 'proposed'`)
	s.ok(s.as(other, http.MethodPost, "/v1/accounts/"+id+"/beneficiaries/"+proposal+"/approve", "", nil), 200)
	say(2)
	if o := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200); o["paid_amount"] != 0.0 || o["status"] != "open" {
		t.Errorf("an order is paid by an invented transfer: %v", o)
	}
}

// Money that leaves with a refund's reference and is not the one that the refund was paid by has a name.
func TestMoneyThatLeavesTwiceIsNamed(t *testing.T) {
	s := newStreet(t)
	s.bank()
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})
	refund, _ := s.refunding(1, mai, lan, "0123456789")
	s.ok(s.as(mai, http.MethodPost, "/v1/refund-lists", "l1", map[string]any{"agency_code": "H10.12"}), 201)
	content := s.ok(s.as(lan, http.MethodGet, "/v1/refunds/"+refund, "", nil), 200)["provider_reference"].(string)
	for range 2 {
		s.wired(map[string]any{"amount": 20000, "content": content, "out": true})
	}
	if v := s.ok(s.as(lan, http.MethodGet, "/v1/refunds/"+refund, "", nil), 200); v["status"] != "succeeded" {
		t.Errorf("%v\n%s", v, s.logs)
	}
	if _, err := s.app.reconciler.NameTransfers(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	items := s.list(mai, "kind=refund_unmatched&status=open")
	if len(items) != 1 || items[0]["amount"] != 20000.0 || items[0]["transfer_id"] == nil {
		t.Errorf("%v", items)
	}
}
