package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/providers/breaker"
)

// defaultOverlap is how many hours an old secret is accepted where nothing is said.
const defaultOverlap = 24

// latest is the account of the address as it is stored now: a form is held to its version.
func (v *visit) latest() (*account.Entry, error) {
	return v.found(v.c.Accounts.Latest(v.r.Context(), v.r.PathValue("id")))
}

func (c *Console) editMerchant(v *visit) error {
	e, err := v.latest()
	if err != nil {
		return err
	}
	return v.showEdit(http.StatusOK, e, nil, "", nil)
}

// The forms of the page that changes an account, by their ids.
const (
	formTerms       = "terms"
	formSecret      = "secret"
	formEnd         = "end"
	formBeneficiary = "payee"
)

// showEdit shows what may be changed of an account; refused is the form that came and is shown again as it was typed, but for its secrets.
func (v *visit) showEdit(status int, e *account.Entry, refused *form, said text, mend []toMend) error {
	a := &e.Account
	agencies, err := v.c.Gateway.Agencies(v.r.Context())
	if err != nil {
		return err
	}
	at := v.place(a, agencies)
	d := merchantData{Heading: "Đổi tài khoản thu", Place: &at, Refused: said, Mend: mend, Manages: v.may(managing...)}
	called := string(or(brands)(a.Provider)) + " " + a.Terminal
	shown := func(id string, blank url.Values) *form {
		if refused != nil && refused.id == id {
			return refused
		}
		return newForm(v.in, id, a.Registration, blank)
	}
	base := "/console/providers/" + url.PathEscape(a.ID)
	why := func(f *form) group {
		return group{Fields: []field{f.field(fieldText, "reason", "Lý do", "").needed()}}
	}
	add := func(f *form, one merchantForm) {
		one.ID, one.Groups = f.id, append(one.Groups, why(f))
		if refused == f {
			d.Mend = append(d.Mend, f.mend(one.Groups)...)
		}
		d.Forms = append(d.Forms, one)
	}

	if a.Registration.Name == "" {
		d.Refused = "Chương trình này không biết nhà cung cấp của tài khoản: chưa đổi được gì."
		return v.show(status, "merchant", d.Heading, d)
	}
	f := shown(formTerms, standingTerms(a))
	terms := merchantForm{Heading: "Điều khoản", Action: base + "/terms", Button: v.says("Đổi điều khoản của %s", called), Class: "main",
		Groups: f.termGroups(f.field(fieldDay, "tariff_from", "Mức phí mới từ ngày", "Để trống: từ hôm nay, nếu mức phí được đổi.")),
		Hidden: []field{{Name: "version", Value: f.typed.Get("version")}}}
	for _, t := range a.Tariffs {
		if t.From > v.c.date(0) {
			terms.Notes = append(terms.Notes, v.says("Đã đặt từ ngày %s: %s %% và %s mỗi giao dịch.", page.Day(t.From), percentOf(t.Tariff.BPS), page.Money(t.Tariff.Fixed)))
		}
	}
	add(f, terms)

	old := slices.IndexFunc(a.Secrets, func(s account.Secret) bool { return !s.Signs })
	switch secrets := secretNames(&a.Registration); {
	case len(secrets) == 0:
	case old >= 0:
		f = shown(formEnd, url.Values{})
		end := merchantForm{Heading: "Khóa cũ", Action: base + "/secrets/end", Button: v.says("Kết thúc khóa cũ của %s ngay", called), Class: "danger",
			Notes: []text{v.says("Khóa cũ còn được nhận đến %s. Chỉ thay khóa lần nữa được khi khóa cũ đã hết.", page.Time(a.Secrets[old].ValidUntil)), "Kết thúc ngay thì tin ký bằng khóa cũ bị từ chối: chỉ làm khi đã đổi xong ở nhà cung cấp, hoặc khi khóa cũ bị lộ."}}
		add(f, end)
	default:
		f = shown(formSecret, url.Values{"overlap_hours": {strconv.Itoa(defaultOverlap)}})
		add(f, merchantForm{Heading: "Thay khóa", Action: base + "/secrets", Button: v.says("Thay khóa của %s", called), Class: "danger",
			Notes: []text{"Nhập đủ mọi khóa, kể cả khóa không đổi. Khóa mới ký ngay; khóa cũ còn được nhận trong số giờ dưới đây, để kịp đổi ở nhà cung cấp."},
			Groups: []group{{Fields: append(f.secretFields(), f.field(fieldDigits, "overlap_hours", "Khóa cũ còn được nhận thêm (giờ)",
				v.says("0 đến %s. Ghi 0 khi khóa cũ bị lộ.", count(int64(account.MaxOverlap.Hours())))).needed())}}})
	}

	if i := slices.IndexFunc(a.Beneficiaries, func(b account.Beneficiary) bool { return b.Status == account.BeneficiaryProposed }); i >= 0 {
		d.Forms = append(d.Forms, merchantForm{ID: formBeneficiary, Heading: "Tài khoản thụ hưởng", Notes: []text{v.says("Đề nghị tài khoản %s đang chờ một người duyệt khác. Mỗi lúc chỉ một đề nghị.", a.Beneficiaries[i].Number)}})
		return v.show(status, "merchant", d.Heading, d)
	}
	f = shown(formBeneficiary, url.Values{})
	payee := merchantForm{Heading: "Tài khoản thụ hưởng", Action: base + "/beneficiaries", Button: v.says("Đề nghị tài khoản thụ hưởng của %s", called), Class: "main",
		Notes: []text{"Chưa có gì đổi cho đến khi một người duyệt khác đồng ý."},
		Groups: []group{{Fields: []field{f.field(fieldText, "bank", "Ngân hàng", "Mã sáu chữ số, tên viết tắt hoặc tên.").needed(), f.field(fieldText, "number", "Số tài khoản", "").needed(),
			f.field(fieldText, "name", "Tên chủ tài khoản", "Như ngân hàng ghi.").needed(), f.field(fieldDay, "from", "Có hiệu lực từ ngày", "Để trống: ngay khi được duyệt.")}}}}
	if a.Registration.TerminalField == "" {
		payee.Notes = append(payee.Notes, "Số tài khoản ngân hàng chính là tài khoản thu này: đổi số thì phải mở tài khoản thu mới, và đặt ngày hết hiệu lực cho tài khoản này.")
	}
	add(f, payee)
	return v.show(status, "merchant", d.Heading, d)
}

// says fills a sentence.
func (v *visit) says(vi text, with ...any) text { return text(v.in.Sayf(vi, with...)) }

// entered reads a form of the page that changes an account, with its reason.
func (v *visit) entered(e *account.Entry, id string) (*form, string) {
	f := newForm(v.in, id, e.Account.Registration, v.r.PostForm)
	why, err := v.why()
	if err != nil {
		f.fault("reason", "hãy ghi vì sao, tối đa 500 ký tự trên một dòng")
	}
	return f, why
}

// done ends an act on an account: on its page, or with the form again where something in it is wrong.
func (v *visit) done(e *account.Entry, f *form, err error, notice string) error {
	status, err := f.judge(err)
	if err != nil {
		return err
	}
	if len(f.wrong) > 0 {
		return v.showEdit(status, e, f, "Chưa có gì thay đổi. Hãy sửa những chỗ sau; khóa đã nhập không được giữ lại.", nil)
	}
	return v.back("/console/providers/" + url.PathEscape(e.Account.ID) + "?done=" + notice)
}

// changeTerms changes an account's terms. Who comes second sees what stands now beside what they typed, and decides anew.
func (c *Console) changeTerms(v *visit) error {
	e, err := v.latest()
	if err != nil {
		return err
	}
	f, why := v.entered(e, formTerms)
	to := f.change(&e.Account)
	if len(f.wrong) == 0 {
		err = c.Accounts.Change(v.r.Context(), e.Account.ID, to, v.by(why))
	}
	if errors.Is(err, account.ErrChanged) {
		if e, err = v.latest(); err != nil {
			return err
		}
		now := newForm(v.in, formTerms, e.Account.Registration, standingTerms(&e.Account))
		now.typed.Set("reason", why)
		return v.showEdit(http.StatusConflict, e, now, "Chưa có gì thay đổi: người khác vừa đổi tài khoản này. Dưới đây là điều khoản hiện nay, và những chỗ biểu mẫu của bạn ghi khác; hãy xem rồi đổi lại.", differing(f, now))
	}
	return v.done(e, f, err, "account-changed")
}

// change is what was typed, as a change of the account. The tariff is given where it is another than today's, or a day is named.
func (f *form) change(a *account.Account) account.Change {
	kinds, methods, lo, hi, timeouts, calendar, position := f.typed["kinds"], f.typed["methods"], f.money("min_amount"), f.money("max_amount"), f.timeouts(), f.calendar(), f.number("position", 0)
	from, to, cutoff, tariff := f.text("valid_from"), f.text("valid_to"), f.text("cutoff"), f.tariff()
	out := account.Change{Version: f.number("version", 0), Kinds: &kinds, Methods: &methods, MinAmount: &lo, MaxAmount: &hi, ValidFrom: &from, ValidTo: &to, Timeouts: &timeouts, Cutoff: &cutoff,
		Calendar: &calendar, Position: &position, TariffFrom: f.text("tariff_from")}
	if tariff != a.Tariff || out.TariffFrom != "" {
		out.Tariff = &tariff
	}
	return out
}

// differing tells where what a person typed is not what stands now.
func differing(typed, now *form) (out []toMend) {
	was, is := typed.termGroups(), now.termGroups()
	for i := range is {
		for n, at := range is[i].Fields {
			if mine := was[i].Fields[n].said(now.in); mine != at.said(now.in) {
				out = append(out, toMend{at.Target(), at.Label, now.in.Sayf("bạn ghi %s; nay là %s", quoted(mine), quoted(at.said(now.in)))})
			}
		}
	}
	return out
}

// quoted is what stands in a field, in a sentence.
func quoted(s string) text {
	if s == "" {
		return "không gì"
	}
	return text("“" + s + "”")
}

func (c *Console) rotateSecret(v *visit) error {
	e, err := v.latest()
	if err != nil {
		return err
	}
	f, why := v.entered(e, formSecret)
	hours, longest := f.number("overlap_hours", defaultOverlap), int(account.MaxOverlap.Hours())
	if hours > longest { // a duration could overflow
		f.fault("overlap_hours", f.in.Sayf("phải từ 0 đến %s", count(longest)))
	}
	if len(f.wrong) == 0 {
		err = c.Accounts.Rotate(v.r.Context(), e.Account.ID, f.credentials(e.Account.Terminal), time.Duration(hours)*time.Hour, v.by(why))
	}
	return v.done(e, f, err, "secret-rotated")
}

func (c *Console) endOldSecret(v *visit) error {
	e, err := v.latest()
	if err != nil {
		return err
	}
	f, why := v.entered(e, formEnd)
	if len(f.wrong) == 0 {
		err = c.Accounts.RevokeOld(v.r.Context(), e.Account.ID, v.by(why))
	}
	return v.done(e, f, err, "secret-ended")
}

func (c *Console) proposeBeneficiary(v *visit) error {
	e, err := v.latest()
	if err != nil {
		return err
	}
	f, why := v.entered(e, formBeneficiary)
	if len(f.wrong) == 0 {
		n := account.NewBeneficiary{Payee: account.Payee{Bank: f.typed.Get("bank"), Number: f.typed.Get("number"), Name: f.typed.Get("name")}, From: f.text("from"), Reason: why}
		_, err = c.Accounts.Propose(v.r.Context(), e.Account.ID, n, v.by(""))
	}
	return v.done(e, f, err, "proposed")
}

// checkedRow is what a check found of one operation, for people.
type checkedRow struct {
	account.Finding
	Word word
	Next text
}

type checkData struct {
	Place place
	*account.Report
	Rows []checkedRow
}

// checkMerchant asks the provider now. Its calls are not those of payments: they trip no breaker, and none stops them.
func (c *Console) checkMerchant(v *visit) error {
	e, err := v.entry()
	if err != nil {
		return err
	}
	ctx := v.r.Context()
	report, err := c.Accounts.Check(ctx, e.Account.ID, breaker.New(breaker.Settings{}).Client)
	if err == nil {
		err = v.deed("account.checked", e.Account.ID, map[string]any{"works": report.Works})
	}
	if err != nil {
		return gateway.AccountProblem(err)
	}
	agencies, err := c.Gateway.Agencies(ctx)
	if err != nil {
		return err
	}
	d := checkData{Place: v.place(&e.Account, agencies), Report: report}
	for _, f := range report.Findings {
		d.Rows = append(d.Rows, checkedRow{f, resultWords[f.Result], resultNext[f.Result]})
	}
	return v.show(http.StatusOK, "merchant-check", "Thử kết nối", d)
}
