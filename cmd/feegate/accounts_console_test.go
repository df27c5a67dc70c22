package main

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
)

// opening is what an admin types to open a MoMo account.
func (s *street) opening(terminal string) url.Values {
	return url.Values{"provider": {"momo"}, "agency_code": {"H10.12"}, "mode": {"live"}, "credentials.partnerCode": {terminal}, "credentials.accessKey": {"AKnew1AKnew1"}, "credentials.secretKey": {"SKnew1SKnew1"},
		"beneficiary.bank": {"970436"}, "beneficiary.number": {"0123456789"}, "beneficiary.name": {"UBND XÃ"}, "kinds": {"phi", "le_phi"}, "min_amount": {"20.000"}, "max_amount": {"5.000.000"},
		"tariff.bps": {"1,1"}, "tariff.fixed": {"1.500"}, "valid_from": {"2026-03-10"}, "valid_to": {""}, "cutoff": {"17:30"}, "base_url": {s.sim + "/momo"},
		"calendar.weekdays": {"1", "2", "3", "4", "5"}, "calendar.days": {"1"}, "calendar.holidays": {"30/04/2026\r\n01/05/2026"}, "timeouts.lookup": {"5000"}, "position": {"3"}}
}

// termsForm is what an admin types to change a MoMo account, by the version that was read.
func termsForm(version string) url.Values {
	return url.Values{"version": {version}, "kinds": {"phi"}, "min_amount": {"30.000"}, "max_amount": {""}, "tariff.bps": {"1,1"}, "tariff.fixed": {"1.500"}, "valid_from": {"2026-03-10"}, "valid_to": {"2027-01-01"},
		"cutoff": {"18:00"}, "calendar.weekdays": {"1", "2", "3", "4", "5"}, "calendar.days": {"2"}, "position": {"3"}, "reason": {"theo hợp đồng mới"}}
}

func with(form url.Values, pairs ...string) url.Values {
	out := maps.Clone(form)
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = []string{pairs[i+1]}
	}
	return out
}

// silent holds every answer to what it may not tell.
func (o *officer) silent(r reply, secrets ...string) {
	o.s.t.Helper()
	for _, secret := range secrets {
		if strings.Contains(string(r.body), secret) || strings.Contains(r.header.Get("Location"), secret) {
			o.s.t.Errorf("%s is in the answer: %s", secret, r.body)
		}
	}
}

// The life of an account on the pages: opened, approved by another, changed by two at once, its key rotated and the old one ended, its beneficiary changed.
func TestAnAccountLivesOnThePages(t *testing.T) {
	s := newStreet(t)
	ad, eve := s.officer("ad", []identity.Role{identity.Admin}), s.officer("eve", []identity.Role{identity.Admin}, "H10.12")
	lan := s.officer("lan", []identity.Role{identity.Approver})
	secrets := []string{"AKnew1AKnew1", "SKnew1SKnew1", "AKnew2AKnew2", "SKnew2SKnew2"}

	ad.says(ad.get("/console/providers"), 200, `href="/console/accounts/new"`)
	ad.says(ad.get("/console/accounts/new"), 200, "/console/accounts/new?provider=momo", "?provider=vietqr", "?provider=dvcqg")
	ad.says(ad.get("/console/accounts/new?provider=momo"), 200, `name="credentials.secretKey" type="password" autocomplete="off"`, `name="credentials.partnerCode"`, "UBND xã (H10.12)", "từ 1.000 ₫ đến 50.000.000 ₫")
	r := ad.act("/console/accounts/new", s.opening("MOMOTWO"))
	id := s.one(`SELECT id FROM merchant_accounts WHERE terminal = 'MOMOTWO'`)
	at := "/console/providers/" + id
	ad.acted(r, at+"?done=account-opened")
	ad.says(ad.get(at+"?done=account-opened"), 200, "Đã mở tài khoản", "chưa có tài khoản thụ hưởng được duyệt", "20.000 ₫ đến 5.000.000 ₫", "1,1 % &#43; 1.500 ₫", "17:30", s.api+"/callbacks/momo/"+id, s.sim+"/momo", "UBND XÃ", "chờ một người duyệt khác")
	if got := s.one(`SELECT concat_ws(' ', mode, kinds::text, position, calendar->>'holidays', timeouts->>'lookup') FROM merchant_accounts WHERE id = '` + id + `'`); got != `live {phi,le_phi} 3 ["2026-04-30", "2026-05-01"] 5000` {
		t.Errorf("stored: %s", got)
	}
	bnf := s.one(`SELECT id FROM account_beneficiaries WHERE account_id = '` + id + `'`)
	if r := ad.act(at+"/beneficiaries/"+bnf+"/approve", url.Values{}); r.status != http.StatusForbidden {
		t.Errorf("an admin approves: %d", r.status)
	}
	// The approver's morning tells that somebody waits for them, and why the account takes nothing yet.
	lan.says(lan.get("/console/today"), 200, "<b>1</b> chờ tôi duyệt", "Tài khoản thụ hưởng 0123456789 của MoMo", `href="`+at+`"`, "chưa có tài khoản thụ hưởng được duyệt")
	lan.acted(lan.act(at+"/beneficiaries/"+bnf+"/approve", url.Values{}), at+"?done=approved")
	lan.says(lan.get("/console/today"), 200, "<b>0</b> chờ tôi duyệt")
	lan.says(lan.act(at+"/beneficiaries/"+bnf+"/approve", url.Values{}), 409, "Đề nghị đã được quyết định")
	s.atMoMo(id, "MOMOTWO", "AKnew1AKnew1", "SKnew1SKnew1")
	if r := s.pays(1, id); r.status != http.StatusCreated {
		t.Errorf("opened and approved: %d %s", r.status, r.body)
	}

	// Two admins.
	edit := ad.get(at + "/edit")
	version := hidden(t, edit.body, "version")
	ad.says(edit, 200, `value="20.000"`, `value="1,1"`, `value="17:30"`, "30/04/2026", "Đổi điều khoản của MoMo MOMOTWO", "Thay khóa của MoMo MOMOTWO")
	eve.acted(eve.act(at+"/terms", termsForm(version)), at+"?done=account-changed")
	late := ad.act(at+"/terms", with(termsForm(version), "min_amount", "40.000", "kinds", "le_phi", "reason", "của tôi"))
	ad.says(late, 409, "người khác vừa đổi tài khoản này", `value="của tôi"`, "bạn ghi “40.000”; nay là “30.000”", "bạn ghi “lệ phí”; nay là “phí”", `value="30.000"`)
	if again := hidden(t, late.body, "version"); again == version {
		t.Errorf("the form is held to the version before still: %s", again)
	} else {
		ad.acted(ad.act(at+"/terms", with(termsForm(again), "min_amount", "40.000", "reason", "của tôi")), at+"?done=account-changed")
	}
	ad.says(ad.get(at), 200, "40.000 ₫ đến 50.000.000 ₫", "đến 01/01/2027", "18:00")
	if n := s.count(`SELECT count(*) FROM account_tariffs WHERE account_id = $1`, id); n != 0 {
		t.Errorf("%d tariffs where none was changed", n)
	}
	now := hidden(t, ad.get(at+"/edit").body, "version")
	ad.acted(ad.act(at+"/terms", with(termsForm(now), "tariff.bps", "0,95", "tariff_from", "2026-06-01")), at+"?done=account-changed")
	ad.says(ad.get(at+"/edit"), 200, "Đã đặt từ ngày 01/06/2026: 0,95 %", `value="1,1"`)

	// Another key, the old one for a while.
	next := url.Values{"credentials.accessKey": {"AKnew2AKnew2"}, "credentials.secretKey": {"SKnew2SKnew2"}, "overlap_hours": {"48"}, "reason": {"định kỳ"}}
	for name, c := range map[string]struct {
		form url.Values
		says string
	}{
		"no reason":   {with(next, "reason", " "), "Lý do</a>: hãy ghi vì sao"},
		"too long":    {with(next, "overlap_hours", "2161"), "phải từ 0 đến 2.160"},
		"one missing": {with(next, "credentials.secretKey", ""), "Khóa secretKey</a>: còn thiếu"},
		"the same":    {with(next, "credentials.accessKey", "AKnew1AKnew1", "credentials.secretKey", "SKnew1SKnew1"), "đang là khóa dùng để ký"},
	} {
		r := ad.act(at+"/secrets", c.form)
		ad.says(r, 422, c.says, "Thay khóa của")
		ad.silent(r, secrets...)
		if r.status == 303 {
			t.Errorf("%s: rotated", name)
		}
	}
	r = ad.act(at+"/secrets", next)
	ad.acted(r, at+"?done=secret-rotated")
	ad.silent(r, secrets...)
	edit = ad.get(at + "/edit")
	ad.says(edit, 200, "Kết thúc khóa cũ của MoMo MOMOTWO ngay", "Khóa cũ còn được nhận đến 12/03/2026")
	if strings.Contains(string(edit.body), "Thay khóa của") {
		t.Error("another rotation is offered while one lasts")
	}
	ad.says(ad.act(at+"/secrets", with(next, "credentials.secretKey", "SKnew3")), 409, "Khóa của tài khoản không còn như lúc mở trang")
	ad.says(ad.act(at+"/secrets/end", url.Values{"reason": {""}}), 422, "Lý do</a>: hãy ghi vì sao")
	ad.acted(ad.act(at+"/secrets/end", url.Values{"reason": {"đã đổi xong"}}), at+"?done=secret-ended")
	ad.says(ad.act(at+"/secrets/end", url.Values{"reason": {"lần nữa"}}), 409, "Khóa của tài khoản")
	if n := s.count(`SELECT count(*) FROM account_secrets WHERE account_id = $1 AND (valid_to IS NULL OR valid_to > $2)`, id, s.world.Now()); n != 1 {
		t.Errorf("%d keys are in force", n)
	}
	// Does it work? An operator may ask too.
	op := s.officer("vận", []identity.Role{identity.Operator})
	op.says(op.act(at+"/check", url.Values{}), 200, "chưa hoạt động như đang thiết lập", "Khóa hoặc thiết lập sai", "đơn vị thanh toán báo khóa")
	s.atMoMo(id, "MOMOTWO", "AKnew2AKnew2", "SKnew2SKnew2")
	r = op.act(at+"/check", url.Values{})
	op.says(r, 200, "Không thấy gì sai", "khóa và địa chỉ hoạt động", s.api+"/callbacks/momo/"+id)
	op.silent(r, secrets...)

	// Another beneficiary.
	payee := url.Values{"bank": {"970415"}, "number": {"113 366-9999"}, "name": {"UBND XÃ MỚI"}, "from": {"2026-03-12"}, "reason": {"đổi ngân hàng"}}
	ad.says(ad.act(at+"/beneficiaries", with(payee, "number", "12", "from", "2026-03-01")), 422, "Số tài khoản</a>: cần 4 đến 34 chữ cái", "phải từ hôm nay trở đi", `value="UBND XÃ MỚI"`)
	ad.acted(ad.act(at+"/beneficiaries", payee), at+"?done=proposed")
	ad.says(ad.get(at+"/edit"), 200, "Đề nghị tài khoản 1133669999 đang chờ")
	ad.says(ad.act(at+"/beneficiaries", payee), 409, "Trạng thái đề nghị thụ hưởng")
	bnf = s.one(`SELECT id FROM account_beneficiaries WHERE status = 'proposed'`)
	lan.says(lan.get(at), 200, "Duyệt tài khoản 1133669999", "đổi ngân hàng")
	lan.acted(lan.act(at+"/beneficiaries/"+bnf+"/approve", url.Values{}), at+"?done=approved")

	for _, page := range []string{at, at + "/edit", "/console/providers", "/console/audit"} {
		ad.silent(ad.get(page), secrets...)
	}
	for action, why := range map[string]string{"account.created": "", "account.changed": "theo hợp đồng mới", "account.secret.rotated": "định kỳ", "account.secret.revoked": "đã đổi xong", "account.beneficiary.proposed": "đổi ngân hàng", "account.checked": ""} {
		if s.count(`SELECT count(*) FROM audit WHERE object = $1 AND action = $2 AND actor LIKE 'usr_%' AND coalesce(detail->>'reason', '') = $3`, id, action, why) == 0 {
			t.Errorf("%s is not in the audit", action)
		}
	}
	s.heldNowhere(secrets...)
}

// A refused form says what is wrong with which field, and comes back as it was typed, but for the secrets.
func TestAnAccountThatIsWrong(t *testing.T) {
	s := newStreet(t)
	ad := s.officer("ad", []identity.Role{identity.Admin})
	before := s.count(`SELECT count(*) FROM merchant_accounts`)
	for name, c := range map[string]struct {
		field, typed string
		says         string
	}{
		"no agency":           {"agency_code", "", "Cơ quan thu</a>: hãy chọn một cơ quan của bạn"},
		"no such agency":      {"agency_code", "H99", "Cơ quan thu</a>: chưa có trong danh mục"},
		"no mode":             {"mode", "", "Chế độ</a>: hãy chọn thật hoặc thử"},
		"no terminal":         {"credentials.partnerCode", "", "Mã điểm thu (partnerCode)</a>: "},
		"no key":              {"credentials.secretKey", "", "Khóa secretKey</a>: còn thiếu"},
		"a key in lines":      {"credentials.accessKey", "geheim ", "Khóa accessKey</a>: phải trên một dòng"},
		"a bank number":       {"beneficiary.number", "1", "Số tài khoản</a>: cần 4 đến 34"},
		"no kind":             {"kinds", "thue", "Loại khoản thu</a>: hãy chọn trong danh sách"},
		"no amount":           {"min_amount", "hai mươi", "Mỗi lần nộp ít nhất (đồng)</a>: là số nguyên đồng"},
		"above the provider":  {"max_amount", "50.000.001", "phải trong giới hạn của nhà cung cấp, từ 1.000 đến 50.000.000 đồng"},
		"no percentage":       {"tariff.bps", "1,123", "Phần trăm của số tiền</a>: là phần trăm, ví dụ 1,1"},
		"above all":           {"tariff.bps", "101", "phần trăm phải từ 0 đến 100"},
		"ends before it is":   {"valid_to", "2026-03-10", "Hết hiệu lực từ ngày</a>: phải sau ngày bắt đầu"},
		"no time":             {"cutoff", "25:00", "phải là giờ trong ngày"},
		"plain http":          {"base_url", "http://api.example.vn", "phải bắt đầu bằng https"},
		"no holiday":          {"calendar.holidays", "hôm qua", "Ngày nghỉ, không quyết toán</a>: "},
		"no patience":         {"timeouts.lookup", "5", "phải từ 100 đến 120.000 mili giây"},
		"another's terminal":  {"credentials.partnerCode", "FEEGATEMOMO", "mã này đã có tài khoản thu"},
		"an unknown position": {"position", "x", "phải là số nguyên"},
	} {
		r := ad.act("/console/accounts/new", with(s.opening("MOMOTWO"), c.field, c.typed))
		want := http.StatusUnprocessableEntity
		if name == "another's terminal" {
			want = http.StatusConflict
		}
		ad.says(r, want, c.says, "Tài khoản chưa được mở", `role="alert"`, `value="UBND XÃ"`)
		ad.silent(r, "AKnew1AKnew1", "SKnew1SKnew1", "geheim")
		if strings.Contains(string(r.body), ": must ") || strings.Contains(string(r.body), ": is ") {
			t.Errorf("%s is told in English: %s", name, r.body)
		}
	}
	// All that is wrong at once, and the folded part opens where it is in there.
	r := ad.act("/console/accounts/new", with(s.opening("MOMOTWO"), "min_amount", "x", "beneficiary.number", "1", "cutoff", "nie", "position", "99999"))
	ad.says(r, 422, "là số nguyên đồng", "cần 4 đến 34", "phải là giờ trong ngày", "phải từ 0 đến 10.000", "<details open>", `href="#new-min_amount"`, `id="new-min_amount"`)
	// A provider's own set-up.
	qr := with(s.opening("x"), "provider", "vietqr", "beneficiary.bank", "Ngân hàng Không Có", "base_url", "", "timeouts.lookup", "")
	ad.says(ad.act("/console/accounts/new", qr), 422, "không có ngân hàng &#34;Ngân hàng Không Có&#34;")
	sepay := with(s.opening("x"), "provider", "sepay", "base_url", "", "timeouts.lookup", "")
	ad.says(ad.act("/console/accounts/new", sepay), 422, "Khóa api_key</a>: cần khóa")
	dvcqg := with(s.opening("x"), "provider", "dvcqg", "base_url", "", "timeouts.lookup", "", "credentials.partner", "P1", "credentials.secret", "geheim")
	ad.says(ad.act("/console/accounts/new", dvcqg), 422, "Địa chỉ của nhà cung cấp</a>: nền tảng không công bố địa chỉ")
	ad.says(ad.act("/console/accounts/new", with(dvcqg, "settings.mapping", "{")), 422, "Ánh xạ của nền tảng</a>: ", "<details open>")
	if r := ad.act("/console/accounts/new", with(s.opening("x"), "provider", "paypal")); r.status != http.StatusUnprocessableEntity {
		t.Errorf("an unknown provider: %d", r.status)
	}
	if n := s.count(`SELECT count(*) FROM merchant_accounts`); n != before {
		t.Errorf("%d accounts were opened", n-before)
	}
	s.heldNowhere("AKnew1AKnew1", "SKnew1SKnew1", "geheim")
}

// Where the bank account is the merchant account there is no terminal and no key to type, and another number is another account.
func TestAnAccountWithoutKeysOnThePages(t *testing.T) {
	s := newStreet(t)
	ad := s.officer("ad", []identity.Role{identity.Admin})
	page := ad.get("/console/accounts/new?provider=vietqr")
	if strings.Contains(string(page.body), `type="password"`) || strings.Contains(string(page.body), "Mã điểm thu") {
		t.Errorf("VietQR is asked for keys: %s", page.body)
	}
	r := ad.act("/console/accounts/new", with(s.opening(""), "provider", "vietqr", "base_url", ""))
	at := "/console/providers/" + s.one(`SELECT id FROM merchant_accounts WHERE provider = 'vietqr' AND terminal = '0123456789'`)
	ad.acted(r, at+"?done=account-opened")
	ad.says(ad.get(at), 200, "không gọi ra ngoài")
	edit := ad.get(at + "/edit")
	ad.says(edit, 200, "Đề nghị tài khoản 0123456789 đang chờ")
	if strings.Contains(string(edit.body), "Thay khóa") {
		t.Error("keys that are none can be changed")
	}
	lan := s.officer("lan", []identity.Role{identity.Approver})
	lan.acted(lan.act(at+"/beneficiaries/"+s.one(`SELECT id FROM account_beneficiaries WHERE status = 'proposed'`)+"/reject", url.Values{}), at+"?done=rejected")
	ad.says(ad.get(at+"/edit"), 200, "đổi số thì phải mở tài khoản thu mới")
	ad.says(ad.act(at+"/beneficiaries", url.Values{"bank": {"970436"}, "number": {"5555555555"}, "name": {"UBND XÃ"}, "reason": {"đổi số"}}), 422, "Số tài khoản</a>: &#34;5555555555&#34; khác số tài khoản", "số khác là một tài khoản thu khác")
	ad.says(ad.act(at+"/beneficiaries", url.Values{"bank": {"Không Có"}, "number": {"0123456789"}, "name": {"UBND XÃ"}, "reason": {"lại"}}), 422, "Ngân hàng</a>: không có ngân hàng")
	ad.acted(ad.act(at+"/beneficiaries", url.Values{"bank": {"970436"}, "number": {"0123456789"}, "name": {"UBND XÃ"}, "reason": {"lại"}}), at+"?done=proposed")
}

// An admin of another agency, an auditor, and who must change their password first.
func TestWhoMayNotTouchAnAccount(t *testing.T) {
	s := newStreet(t)
	far := s.officer("xa", []identity.Role{identity.Admin}, "H10.99")
	const at = "/console/providers/acc_momo"
	if r := far.get(at + "/edit"); r.status != http.StatusNotFound {
		t.Errorf("another agency's: %d", r.status)
	}
	for deed, form := range map[string]url.Values{"/terms": termsForm("1"), "/secrets": {"credentials.accessKey": {"A"}, "credentials.secretKey": {"S"}, "reason": {"x"}}, "/secrets/end": {"reason": {"x"}},
		"/beneficiaries": {"bank": {"970415"}, "number": {"1133669999"}, "name": {"X"}, "reason": {"x"}}, "/check": {}} {
		if r := far.act(at+deed, form); r.status != http.StatusNotFound {
			t.Errorf("another agency's %s: %d %s", deed, r.status, r.body)
		}
	}
	far.says(far.act("/console/accounts/new", s.opening("FAR")), 422, "hãy chọn một cơ quan của bạn")
	if r := far.get("/console/accounts/new?provider=momo"); strings.Contains(string(r.body), "H10.12") {
		t.Error("another agency is offered")
	}
	kim := s.officer("kim", []identity.Role{identity.Auditor})
	for _, page := range []string{"/console/accounts/new?provider=momo", at + "/edit", "/console/providers", at} {
		r := kim.get(page)
		kim.says(r, 200, "Giờ Việt Nam")
		for _, act := range []string{"accounts/new\"", "/terms", "/secrets", "/beneficiaries\"", "/check", "/edit\""} {
			if strings.Contains(string(r.body), "href=\""+at+act) || strings.Contains(string(r.body), "action=\""+at+act) {
				t.Errorf("an auditor is offered %s on %s", act, page)
			}
		}
	}
	if _, err := s.app.people.CreateUser(t.Context(), identity.System(), identity.NewUser{Name: "mới", Password: password, Roles: []identity.Role{identity.Admin}, Change: true}); err != nil {
		t.Fatal(err)
	}
	fresh := s.browser().in("mới")
	if r := fresh.get("/console/accounts/new"); r.status != http.StatusSeeOther || r.header.Get("Location") != "/console/account" {
		t.Errorf("who must change the password first opens accounts: %d", r.status)
	}
}

// Keys that were sealed under a master key that is lost are entered again, as the doctor says; the ones before, which nobody can read, are not waited for.
func TestKeysUnderALostMasterKeyAreEnteredAgain(t *testing.T) {
	s := newStreet(t)
	ad := s.officer("ad", []identity.Role{identity.Admin})
	const at = "/console/providers/acc_momo"
	if _, err := dbtest.Admin(t, s.db).ExecContext(t.Context(), `UPDATE account_secrets SET sealed = (SELECT sealed FROM account_secrets WHERE account_id = 'acc_vnpay') WHERE account_id = 'acc_momo'`); err != nil {
		t.Fatal(err)
	}
	ad.says(ad.get(at+"/edit"), 200, "Thay khóa của MoMo FEEGATEMOMO", `name="credentials.secretKey"`)
	ad.acted(ad.act(at+"/secrets", url.Values{"credentials.accessKey": {"FEEGATEACCESSKEY"}, "credentials.secretKey": {"SECRETKEYFORTESTVECTORS000000002"}, "overlap_hours": {"24"}, "reason": {"mất khóa chủ"}}), at+"?done=secret-rotated")
	ad.says(ad.act(at+"/check", url.Values{}), 200, "khóa và địa chỉ hoạt động")
	ad.says(ad.get(at), 200, "Dùng được")
}
