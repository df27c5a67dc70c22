package console

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/providers"
)

// checking may ask a provider now whether an account works.
var checking = []identity.Role{identity.Admin, identity.Operator}

// mountMerchants adds how merchant accounts are opened, changed and checked, each act by the store method that the API calls. No answer holds a secret.
func (c *Console) mountMerchants(mux *http.ServeMux) {
	c.on(mux, "GET /console/accounts/new", managing, c.newMerchant)
	c.on(mux, "POST /console/accounts/new", managing, c.openMerchant)
	c.on(mux, "GET /console/providers/{id}/edit", managing, c.editMerchant)
	c.on(mux, "POST /console/providers/{id}/terms", managing, c.changeTerms)
	c.on(mux, "POST /console/providers/{id}/secrets", managing, c.rotateSecret)
	c.on(mux, "POST /console/providers/{id}/secrets/end", managing, c.endOldSecret)
	c.on(mux, "POST /console/providers/{id}/beneficiaries", managing, c.proposeBeneficiary)
	c.on(mux, "POST /console/providers/{id}/check", checking, c.checkMerchant)
}

// by is the person, with the audit that a change writes in its own transaction; the reason, where one was asked for, stands in it.
func (v *visit) by(reason string) account.By {
	return account.By{ID: v.session.Principal.ID, Record: func(ctx context.Context, tx sqlx.ExtContext, action, object string, detail map[string]any) error {
		if reason != "" {
			with := maps.Clone(detail)
			if with == nil {
				with = map[string]any{}
			}
			with["reason"] = reason
			detail = with
		}
		return v.c.Identity.Audit(ctx, tx, v.actor(), action, object, detail)
	}}
}

// merchantForm is a form as its page shows it.
type merchantForm struct {
	ID, Action, Class string
	Heading, Button   text
	Notes             []text
	Hidden            []field
	Groups            []group
}

// toMend is what is wrong, for the summary above the forms; Target is the field to mend, "" where it is none.
type toMend struct {
	Target string
	Label  text
	Said   string
}

type merchantData struct {
	Heading, Refused text
	Mend             []toMend
	Place            *place // of an account that exists
	Choose           []providers.Registration
	Forms            []merchantForm
	Manages          bool
}

// mend lists what is wrong with a form in the order of its fields.
func (f *form) mend(groups []group) (out []toMend) {
	left := maps.Clone(f.wrong)
	for _, g := range groups {
		for _, at := range g.Fields {
			if at.Wrong != "" {
				out = append(out, toMend{at.Target(), at.Label, at.Wrong})
				delete(left, at.Name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		out = append(out, toMend{"", text(name), left[name]})
	}
	return out
}

// registration is a provider that this program knows.
func (c *Console) registration(name string) (providers.Registration, bool) {
	all := c.Accounts.Providers()
	i := slices.IndexFunc(all, func(r providers.Registration) bool { return r.Name == name })
	if i < 0 {
		return providers.Registration{}, false
	}
	return all[i], true
}

// newMerchant asks for the provider first, then for what that provider needs.
func (c *Console) newMerchant(v *visit) error {
	reg, known := c.registration(v.r.URL.Query().Get("provider"))
	if !known {
		return v.show(http.StatusOK, "merchant", "Mở tài khoản thu", merchantData{Heading: "Mở tài khoản thu mới", Choose: c.Accounts.Providers(), Manages: v.may(managing...)})
	}
	blank := standingTerms(&account.Account{ValidFrom: c.Now().In(vietnam).Format(time.DateOnly), Cutoff: "00:00", Calendar: account.EveryDay()})
	blank.Set("tariff.bps", "")
	blank.Set("base_url", reg.DefaultURL)
	return v.showNew(http.StatusOK, newForm(v.in, "new", reg, blank), "")
}

// showNew shows the form of a new account. Its secrets are never filled in.
func (v *visit) showNew(status int, f *form, refused text) error {
	agencies, err := v.c.Gateway.Agencies(v.r.Context())
	if err != nil {
		return err
	}
	var own []option
	for _, code := range slices.Sorted(maps.Keys(agencies)) {
		if v.session.Principal.InAgency(code) {
			own = append(own, option{Value: code, Label: text(agencies[code] + " (" + code + ")")})
		}
	}
	brand := or(brands)(f.reg.Name)
	whose := []field{f.field(fieldChoice, "agency_code", "Cơ quan thu", "", own...).needed(),
		f.field(fieldOne, "mode", "Chế độ", "Tài khoản thử không vào báo cáo.", option{Value: "test", Label: "thử"}, option{Value: "live", Label: "thật"}).needed()}
	if name := f.reg.TerminalField; name != "" {
		whose = append(whose, f.field(fieldText, "credentials."+name, f.says("Mã điểm thu (%s)", name), "Mã nhà cung cấp đặt cho điểm thu này. Không đổi được về sau.").needed())
	}
	to := group{Legend: "Tài khoản thụ hưởng", Fields: []field{f.field(fieldText, "beneficiary.bank", "Ngân hàng", "Mã sáu chữ số, tên viết tắt hoặc tên.").needed(),
		f.field(fieldText, "beneficiary.number", "Số tài khoản", "").needed(), f.field(fieldText, "beneficiary.name", "Tên chủ tài khoản", "Như ngân hàng ghi.").needed()}}
	groups := []group{{Legend: "Điểm thu", Fields: whose}, to}
	if secrets := f.secretFields(); len(secrets) > 0 {
		groups = append(groups, group{Legend: "Khóa của nhà cung cấp", Fields: secrets})
	}
	groups = append(groups, f.termGroups()...)
	groups = append(groups, f.addressGroups()...)
	d := merchantData{Heading: f.says("Mở tài khoản thu %s", brand), Refused: refused, Mend: f.mend(groups), Manages: v.may(managing...)}
	d.Forms = []merchantForm{{ID: f.id, Heading: "Tài khoản mới", Action: "/console/accounts/new", Button: f.says("Mở tài khoản %s", brand), Class: "main", Groups: groups,
		Hidden: []field{{Name: "provider", Value: f.reg.Name}},
		Notes:  []text{"Tài khoản mới chưa thu tiền: một người duyệt khác phải duyệt tài khoản thụ hưởng trước."}}}
	return v.show(status, "merchant", d.Heading, d)
}

// addressGroups are where a provider is called, and what else its wire needs to know.
func (f *form) addressGroups() []group {
	to := group{Legend: "Nơi gọi đến", Fields: []field{f.field(fieldText, "base_url", "Địa chỉ của nhà cung cấp", "Điền sẵn là địa chỉ feegate biết, thường là nơi thử. Tài khoản thật: ghi địa chỉ trong hợp đồng.")}}
	own := group{Legend: "Địa chỉ riêng, thiết lập riêng", Rare: true}
	for _, purpose := range f.reg.Purposes {
		own.Fields = append(own.Fields, f.field(fieldText, "urls."+purpose, f.says("Địa chỉ riêng để %s", or(purposeWords)(purpose)), "Để trống: theo địa chỉ chung."))
	}
	for _, name := range f.reg.Settings {
		own.Fields = append(own.Fields, f.field(fieldLong, "settings."+name, or(settingWords)(name), "Để trống nếu không được yêu cầu."))
	}
	if len(own.Fields) == 0 {
		return []group{to}
	}
	return []group{to, own.unfolded()}
}

// asked is the account that was asked for.
func (f *form) asked() account.NewAccount {
	calendar := f.calendar()
	n := account.NewAccount{Provider: f.reg.Name, AgencyCode: f.text("agency_code"), Mode: f.text("mode"), Kinds: f.typed["kinds"], Methods: f.typed["methods"],
		MinAmount: f.money("min_amount"), MaxAmount: f.money("max_amount"), Tariff: f.tariff(), BaseURL: f.text("base_url"), URLs: f.named("urls.", f.reg.Purposes), Timeouts: f.timeouts(),
		Settings: f.named("settings.", f.reg.Settings), Beneficiary: account.Payee{Bank: f.typed.Get("beneficiary.bank"), Number: f.typed.Get("beneficiary.number"), Name: f.typed.Get("beneficiary.name")},
		ValidFrom: f.text("valid_from"), ValidTo: f.text("valid_to"), Cutoff: f.text("cutoff"), Calendar: &calendar, Position: f.number("position", 0)}
	n.Credentials = f.credentials(f.text("credentials." + f.reg.TerminalField))
	if n.Mode == "" { // the store would take it for real money
		f.fault("mode", "hãy chọn thật hoặc thử")
	}
	return n
}

func (c *Console) openMerchant(v *visit) error {
	reg, known := c.registration(v.r.PostForm.Get("provider"))
	if !known {
		return wrong("Nhà cung cấp", "hãy chọn trong danh sách")
	}
	f := newForm(v.in, "new", reg, v.r.PostForm)
	n := f.asked()
	if n.AgencyCode == "" || !v.session.Principal.InAgency(n.AgencyCode) {
		f.fault("agency_code", "hãy chọn một cơ quan của bạn")
	}
	id, err := "", error(nil)
	if len(f.wrong) > 0 { // the rest that is wrong is told in the same breath
		err = c.Accounts.Examine(n)
	} else {
		id, err = c.Accounts.Open(v.r.Context(), n, v.by(""))
	}
	status, err := f.judge(err)
	if err != nil {
		return err
	}
	if len(f.wrong) > 0 {
		return v.showNew(status, f, "Tài khoản chưa được mở. Hãy sửa những chỗ sau; khóa đã nhập không được giữ lại, hãy nhập lại.")
	}
	return v.back("/console/providers/" + url.PathEscape(id) + "?done=account-opened")
}

// merchantProblem is what stands in the way of a change, with its fields told as people read them.
func (t speech) merchantProblem(err error) error {
	var p *gateway.Problem
	if err = gateway.AccountProblem(err); errors.As(err, &p) {
		for i := range p.Fields {
			p.Fields[i].Detail = t.merchantFault(p.Fields[i].Detail)
		}
	}
	return err
}

// judge notes at their fields what the store found wrong, and gives the status of the form that is shown again; any other error stays.
func (f *form) judge(err error) (int, error) {
	status := http.StatusUnprocessableEntity
	var p *gateway.Problem
	if err = gateway.AccountProblem(err); errors.As(err, &p) {
		switch p.Name {
		case gateway.ProblemInvalid:
			f.take(p.Fields)
			return status, nil
		case gateway.ProblemAccountExists:
			f.take([]gateway.FieldError{{Field: "terminal", Detail: p.Detail}})
			return http.StatusConflict, nil
		}
	}
	return status, err
}
