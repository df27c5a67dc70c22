package console

import (
	"fmt"
	"html/template"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/providers"
)

// How a field is filled in.
const (
	fieldText   = "text"
	fieldDigits = "digits"
	fieldSecret = "password"
	fieldDay    = "date"
	fieldClock  = "time"
	fieldLong   = "area"
	fieldOne    = "radio"
	fieldSome   = "ticks"
	fieldChoice = "select"
)

// field is one field of a form about an account. Name is the one that the store's faults name too.
type field struct {
	Name, ID, Kind string
	Label, Hint    text
	Value          string // never of a secret
	Options        []option
	Required       bool
	Wrong          string // what is wrong with it
}

type option struct {
	Value string
	Label text
	On    bool
}

// Target is the id of what is filled in first.
func (f field) Target() string {
	if (f.Kind == fieldOne || f.Kind == fieldSome) && len(f.Options) > 0 {
		return f.ID + "-" + f.Options[0].Value
	}
	return f.ID
}

// About are the attributes of an input that say what its label does not: whether it is needed, and where hint and fault stand.
func (f field) About() template.HTMLAttr {
	var out, at []string
	if f.Required {
		out = append(out, "required")
	}
	if f.Hint != "" {
		at = append(at, f.ID+"-hint")
	}
	if f.Wrong != "" {
		at = append(at, f.ID+"-wrong")
		out = append(out, `aria-invalid="true"`)
	}
	if len(at) > 0 {
		out = append(out, `aria-describedby="`+template.HTMLEscapeString(strings.Join(at, " "))+`"`)
	}
	return template.HTMLAttr(" " + strings.Join(out, " ")) // our own names, escaped
}

// said is what stands in a field, for people.
func (f field) said(in speech) string {
	var on []string
	for _, o := range f.Options {
		if o.On {
			on = append(on, in.Say(o.Label))
		}
	}
	if len(f.Options) > 0 {
		return strings.Join(on, ", ")
	}
	if f.Kind == fieldDay {
		return page.Day(f.Value)
	}
	return f.Value
}

// group is fields that belong together; Rare ones are folded away unless something in them is wrong.
type group struct {
	Legend     text
	Rare, Open bool
	Fields     []field
}

// unfolded opens a group that is folded away where something in it is wrong.
func (g group) unfolded() group {
	g.Open = slices.ContainsFunc(g.Fields, func(f field) bool { return f.Wrong != "" })
	return g
}

// form is what stands in a form about an account, and what is wrong with it by field.
type form struct {
	in    speech
	id    string // of the form on its page
	typed url.Values
	wrong map[string]string
	reg   providers.Registration
}

func newForm(in speech, id string, reg providers.Registration, typed url.Values) *form {
	return &form{in: in, id: id, typed: typed, wrong: map[string]string{}, reg: reg}
}

// fault notes what is wrong with a field; of several the first is told.
func (f *form) fault(name, said string) {
	if f.wrong[name] == "" {
		f.wrong[name] = f.in.Say(text(said))
	}
}

// take notes the faults that the store found at the fields where people can mend them.
func (f *form) take(found []gateway.FieldError) {
	for _, at := range found {
		name := at.Field
		if m := holidayField.FindString(name); m != "" {
			name = "calendar.holidays"
		}
		switch name {
		case "terminal":
			name = "beneficiary.number" // the bank account is the account
			if f.reg.TerminalField != "" {
				name = "credentials." + f.reg.TerminalField
			}
		case "tariff":
			name = "tariff.bps"
		case "beneficiary":
			name = "beneficiary.number"
		case "credentials":
			if secrets := secretNames(&f.reg); len(secrets) > 0 {
				name = "credentials." + secrets[0]
			}
		}
		if f.id == formBeneficiary {
			name = strings.TrimPrefix(name, "beneficiary.")
		}
		f.fault(name, f.in.merchantFault(at.Detail))
	}
}

// field makes a field with what stands in it. Of a secret nothing is shown again.
func (f *form) field(kind, name string, label, hint text, options ...option) field {
	out := field{Name: name, ID: f.id + "-" + name, Label: label, Hint: hint, Kind: kind, Wrong: f.wrong[name], Options: options}
	if kind != fieldSecret {
		out.Value = f.typed.Get(name)
	}
	for i := range out.Options {
		out.Options[i].On = slices.Contains(f.typed[name], out.Options[i].Value)
	}
	return out
}

// says fills a sentence.
func (f *form) says(vi text, with ...any) text { return text(f.in.Sayf(vi, with...)) }

func (f field) needed() field {
	f.Required = true
	return f
}

// secretNames are the credentials of a provider that are secrets: all but the terminal, those that it must have first.
func secretNames(reg *providers.Registration) []string {
	return slices.DeleteFunc(slices.Concat(reg.Credentials, reg.Optional), func(name string) bool { return name == reg.TerminalField })
}

// secretFields are the secrets as the provider names them.
func (f *form) secretFields() (out []field) {
	for _, name := range secretNames(&f.reg) {
		at := f.field(fieldSecret, "credentials."+name, f.says("Khóa %s", name), "Nhập đúng như nhà cung cấp giao.")
		if at.Required = slices.Contains(f.reg.Credentials, name); !at.Required {
			at.Hint = "Nếu nhà cung cấp có giao; không thì để trống."
		}
		out = append(out, at)
	}
	return out
}

// credentials are the provider's own names with what was typed; what was left empty is left out.
func (f *form) credentials(terminal string) map[string]string {
	out := f.named("credentials.", secretNames(&f.reg))
	if f.reg.TerminalField != "" {
		out[f.reg.TerminalField] = terminal
	}
	return out
}

// named gives what was typed of fields that have a name of the provider's.
func (f *form) named(prefix string, names []string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		if s := f.typed.Get(prefix + name); s != "" {
			out[name] = s
		}
	}
	return out
}

// text is what was typed, without the blanks around it.
func (f *form) text(name string) string { return strings.TrimSpace(f.typed.Get(name)) }

// money reads an amount; empty is 0, which leaves it to the provider.
func (f *form) money(name string) vnd.Amount {
	s := f.text(name)
	if s == "" {
		return 0
	}
	a, err := typed(s)
	if err != nil {
		f.fault(name, "là số nguyên đồng, ví dụ 120.000")
		return 0
	}
	return *a
}

// number reads a whole number; empty is what else it is.
func (f *form) number(name string, otherwise int) int {
	s := f.text(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1_000_000 {
		f.fault(name, "phải là số nguyên, chỉ gồm chữ số")
		return otherwise
	}
	return n
}

// tariff reads the provider's fee: its part in percent as people write it.
func (f *form) tariff() vnd.Tariff {
	bps, ok := bpsOf(f.text("tariff.bps"))
	if !ok {
		f.fault("tariff.bps", "là phần trăm, ví dụ 1,1; 0 nếu không thu theo phần trăm")
	}
	return vnd.Tariff{BPS: bps, Fixed: f.money("tariff.fixed"), Min: f.money("tariff.min"), Max: f.money("tariff.max")}
}

// bpsOf reads a percentage with two decimals at most as ten-thousandths: 1,1 is 110.
func bpsOf(s string) (int64, bool) {
	m := percentText.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1]+(m[2] + "00")[:2], 10, 64)
	return n, err == nil
}

// percentOf writes ten-thousandths as a percentage: 110 is 1,1.
func percentOf(bps int64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%d,%02d", bps/100, bps%100), "0"), ",")
}

// calendar reads when the provider settles. What is no day is left to the store to refuse.
func (f *form) calendar() account.Calendar {
	c := account.Calendar{Days: f.number("calendar.days", 1), Holidays: strings.FieldsFunc(f.typed.Get("calendar.holidays"), func(r rune) bool { return r == ',' || r == ';' || r <= ' ' })}
	for _, day := range f.typed["calendar.weekdays"] {
		n, err := strconv.Atoi(day)
		if err != nil {
			n = 0 // no day of the week: the store says so
		}
		c.Weekdays = append(c.Weekdays, n)
	}
	for i, day := range c.Holidays {
		if t, err := time.Parse("2/1/2006", day); err == nil {
			c.Holidays[i] = t.Format(time.DateOnly)
		}
	}
	return c
}

func (f *form) timeouts() map[providers.Operation]int {
	out := map[providers.Operation]int{}
	for op := range f.reg.Timeouts {
		if ms := f.number("timeouts."+string(op), 0); f.text("timeouts."+string(op)) != "" {
			out[op] = ms
		}
	}
	return out
}

// blankIfNone writes an amount as people type it; none is an empty field.
func blankIfNone(a vnd.Amount) string {
	if a == 0 {
		return ""
	}
	return count(int64(a))
}

// standingTerms are an account's terms as its form holds them.
func standingTerms(a *account.Account) url.Values {
	t := url.Values{"version": {strconv.Itoa(a.Version)}, "kinds": a.Kinds, "methods": a.Methods, "min_amount": {blankIfNone(a.MinAmount)}, "max_amount": {blankIfNone(a.MaxAmount)},
		"tariff.bps": {percentOf(a.Tariff.BPS)}, "tariff.fixed": {blankIfNone(a.Tariff.Fixed)}, "tariff.min": {blankIfNone(a.Tariff.Min)}, "tariff.max": {blankIfNone(a.Tariff.Max)},
		"valid_from": {a.ValidFrom}, "valid_to": {a.ValidTo}, "cutoff": {a.Cutoff}, "calendar.days": {strconv.Itoa(a.Calendar.Days)}, "position": {strconv.Itoa(a.Position)}}
	for _, day := range a.Calendar.Weekdays {
		t.Add("calendar.weekdays", strconv.Itoa(day))
	}
	holidays := []string{}
	for _, day := range a.Calendar.Holidays {
		holidays = append(holidays, page.Day(day))
	}
	t.Set("calendar.holidays", strings.Join(holidays, "\n"))
	for op, ms := range a.Timeouts {
		t.Set("timeouts."+string(op), strconv.Itoa(ms))
	}
	return t
}

// termGroups are the fields of an account's terms, the same when it is opened and when they are changed.
func (f *form) termGroups(starts ...field) []group {
	c := &f.reg.Capabilities
	bounds := f.says("Để trống: theo nhà cung cấp, từ %s đến %s.", page.Money(c.Min), page.Money(c.Max))
	rare := []field{}
	var methods []option
	for _, m := range c.Methods {
		if m != providers.MethodAny {
			methods = append(methods, option{Value: string(m), Label: or(methodWords)(string(m))})
		}
	}
	if len(methods) > 0 {
		rare = append(rare, f.field(fieldSome, "methods", "Cách nộp", "Không chọn gì: mọi cách nhà cung cấp có.", methods...))
	}
	var week []option
	for i, name := range weekdayWords {
		week = append(week, option{Value: strconv.Itoa(i + 1), Label: name})
	}
	rare = append(rare, f.field(fieldSome, "calendar.weekdays", "Ngày nhà cung cấp quyết toán", "", week...),
		f.field(fieldDigits, "calendar.days", "Quyết toán sau mấy ngày quyết toán", "0 đến 10; 1 là ngày kế tiếp."),
		f.field(fieldLong, "calendar.holidays", "Ngày nghỉ, không quyết toán", "Mỗi dòng một ngày, ví dụ 30/04/2026."))
	for _, op := range slices.Sorted(maps.Keys(f.reg.Timeouts)) {
		usual := f.reg.Timeouts[op]
		rare = append(rare, f.field(fieldDigits, "timeouts."+string(op), f.says("Chờ trả lời khi %s (mili giây)", or(operationWords)(string(op))), f.says("Để trống: %s.", count(usual.Milliseconds()))))
	}
	rare = append(rare, f.field(fieldDigits, "position", "Thứ tự trên trang nộp tiền", "0 đến 10.000; số nhỏ đứng trước."))
	var kinds []option
	for _, k := range []string{"phi", "le_phi", "nvtc"} {
		kinds = append(kinds, option{Value: k, Label: kindNames[k]})
	}
	return []group{
		{Legend: "Thu gì, bao nhiêu", Fields: []field{f.field(fieldSome, "kinds", "Loại khoản thu", "Nghĩa vụ tài chính cần một tài khoản riêng.", kinds...),
			f.field(fieldDigits, "min_amount", "Mỗi lần nộp ít nhất (đồng)", bounds), f.field(fieldDigits, "max_amount", "Mỗi lần nộp nhiều nhất (đồng)", bounds)}},
		{Legend: "Phí dịch vụ của nhà cung cấp", Fields: append([]field{f.field(fieldText, "tariff.bps", "Phần trăm của số tiền", "Ví dụ 1,1. Không thu thì ghi 0.").needed(),
			f.field(fieldDigits, "tariff.fixed", "Cộng mỗi giao dịch (đồng)", "Để trống: không có."), f.field(fieldDigits, "tariff.min", "Phí ít nhất (đồng)", "Để trống: không có."),
			f.field(fieldDigits, "tariff.max", "Phí nhiều nhất (đồng)", "Để trống: không có.")}, starts...)},
		{Legend: "Hiệu lực", Fields: []field{f.field(fieldDay, "valid_from", "Từ ngày", "").needed(), f.field(fieldDay, "valid_to", "Hết hiệu lực từ ngày", "Ngày đầu tiên không còn hiệu lực. Để trống: không hẹn."),
			f.field(fieldClock, "cutoff", "Chốt ngày lúc (giờ Việt Nam)", "Sau giờ này của ngày quyết toán mà chưa có tệp thì coi là đến muộn.").needed()}},
		group{Legend: "Ít khi phải đổi", Rare: true, Fields: rare}.unfolded(),
	}
}
