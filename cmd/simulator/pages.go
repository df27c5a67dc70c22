package main

import (
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers/sim"
)

const defaultAmount = vnd.Amount(50_000) // offered where the schedule has no fixed amount

// routes adds the portal to the simulator's addresses. Its forms refuse posts from other origins: a page somewhere must
// not move a developer's clock.
func (p *portal) routes(mux *http.ServeMux) {
	guard := http.NewCrossOriginProtection()
	mux.HandleFunc("GET /{$}", func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/portal", http.StatusFound) })
	mux.HandleFunc("GET /portal", p.home)
	mux.HandleFunc("GET /portal/new", p.form)
	mux.HandleFunc("GET /portal/orders/{code}", p.one)
	mux.Handle("POST /portal/orders", guard.Handler(http.HandlerFunc(p.create)))
	mux.Handle("POST /portal/clock", guard.Handler(http.HandlerFunc(p.clock)))
	mux.HandleFunc("POST /portal/webhooks", p.webhook)
}

// view is what the templates see.
type view struct {
	Title    string
	Now      string
	Wide     bool
	Refresh  string // where the page goes by itself after 5 s; "" = nowhere
	Error    string
	Ready    bool
	Dossiers []dossier
	One      dossier
	Groups   []group
	Chosen   procedure
	Accounts []accountFiles
}

type group struct {
	Field      string
	Procedures []procedure
}

type accountFiles struct {
	sim.Account
	Today, Yesterday string
}

func (p *portal) page(rw http.ResponseWriter, status int, name string, v view) {
	now := p.world.Now()
	v.Now = now.Format("02/01/2006 15:04")
	v.Ready = p.Gateway != "" && p.Key != ""
	h := rw.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	// form-action is open since browsers hold the redirect after a form to it, and the payer goes on to the gateway.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' http: https:")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	t, err := template.New("").Funcs(template.FuncMap{"state": stateWords, "when": when, "kinds": func(p procedure) string {
		var s []string
		for _, f := range p.Fees {
			if !slices.Contains(s, f.KindName()) {
				s = append(s, f.KindName())
			}
		}
		return strings.Join(s, ", ")
	}, "offered": func() vnd.Amount { return defaultAmount }, "brand": brand}).Parse(templates)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.WriteHeader(status)
	if err := t.ExecuteTemplate(rw, name, v); err != nil {
		p.Log.Error("portal page", "page", name, "error", err)
	}
}

// stateWord is a state as a word with its shape.
type stateWord struct{ Class, Word string }

func stateWords(status string) stateWord {
	switch status {
	case "open":
		return stateWord{"wait", "○ Chưa nộp"}
	case "paid":
		return stateWord{"good", "● Đã nộp"}
	case "no_payment_needed":
		return stateWord{"good", "● Không phải nộp"}
	case "expired":
		return stateWord{"bad", "✕ Hết hạn"}
	case "cancelled":
		return stateWord{"bad", "✕ Đã hủy"}
	case "superseded":
		return stateWord{"bad", "✕ Đã thay bằng yêu cầu khác"}
	case "partly_refunded":
		return stateWord{"good", "◐ Đã hoàn một phần"}
	case "refunded":
		return stateWord{"wait", "◌ Đã hoàn toàn bộ"}
	}
	return stateWord{"wait", status}
}

// brand is a provider as people write it.
func brand(provider string) string {
	switch provider {
	case "momo":
		return "MoMo"
	case "zalopay":
		return "ZaloPay"
	case "dvcqg":
		return "Cổng DVCQG"
	}
	return strings.ToUpper(provider)
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(sim.Zone()).Format("02/01/2006 15:04")
}

func (p *portal) home(rw http.ResponseWriter, r *http.Request) {
	v := view{Title: "Cổng dịch vụ công (mô phỏng)", Wide: true, Dossiers: p.dossiers()}
	now := p.world.Now()
	for _, a := range p.world.Accounts() {
		if !p.world.Settles(a.Provider) {
			continue
		}
		v.Accounts = append(v.Accounts, accountFiles{a, sim.Day(now), sim.Day(now.AddDate(0, 0, -1))})
	}
	if p.Gateway != "" && p.Key != "" {
		all, err := p.catalogue(r.Context())
		if err != nil {
			v.Error = "Chưa lấy được danh mục thủ tục từ feegate: " + err.Error()
		}
		v.Groups = grouped(all)
	}
	p.page(rw, http.StatusOK, "home", v)
}

// grouped orders procedures by field; those without fees have nothing to pay.
func grouped(all []procedure) []group {
	var gs []group
	for _, proc := range all {
		if len(proc.Fees) == 0 || len(proc.Agencies) == 0 {
			continue
		}
		field := fieldName(proc.Field)
		i := slices.IndexFunc(gs, func(g group) bool { return g.Field == field })
		if i < 0 {
			gs = append(gs, group{Field: field})
			i = len(gs) - 1
		}
		gs[i].Procedures = append(gs[i].Procedures, proc)
	}
	return gs
}

// fieldName takes a field as a name or as {"code","name"}: the contract leaves it open.
func fieldName(f any) string {
	switch f := f.(type) {
	case string:
		return f
	case map[string]any:
		if name, ok := f["name"].(string); ok {
			return name
		}
	}
	return "Thủ tục"
}

func (p *portal) find(r *http.Request, code string) (procedure, error) {
	all, err := p.catalogue(r.Context())
	if err != nil {
		return procedure{}, err
	}
	i := slices.IndexFunc(all, func(c procedure) bool { return c.Code == code })
	if i < 0 {
		return procedure{}, fmt.Errorf("không có thủ tục %q", code)
	}
	return all[i], nil
}

func (p *portal) form(rw http.ResponseWriter, r *http.Request) {
	proc, err := p.find(r, r.URL.Query().Get("procedure"))
	if err != nil {
		p.page(rw, http.StatusNotFound, "message", view{Title: "Không mở được thủ tục", Error: err.Error()})
		return
	}
	p.page(rw, http.StatusOK, "form", view{Title: "Nộp hồ sơ", Chosen: proc})
}

func (p *portal) create(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, sim.MaxControlBody)
	if err := r.ParseForm(); err != nil {
		http.Error(rw, "form cannot be read", http.StatusBadRequest)
		return
	}
	proc, err := p.find(r, r.PostFormValue("procedure"))
	fail := func(err error) {
		p.page(rw, http.StatusUnprocessableEntity, "form", view{Title: "Nộp hồ sơ", Chosen: proc, Error: err.Error()})
	}
	if err != nil {
		p.page(rw, http.StatusNotFound, "message", view{Title: "Không mở được thủ tục", Error: err.Error()})
		return
	}
	fees, err := ticked(proc, r)
	if err != nil {
		fail(err)
		return
	}
	agency := r.PostFormValue("agency")
	if !slices.Contains(proc.Agencies, agency) {
		fail(fmt.Errorf("hãy chọn cơ quan thu"))
		return
	}
	d, err := p.order(r.Context(), proc, agency, strings.TrimSpace(r.PostFormValue("payer")), fees)
	if err != nil {
		fail(fmt.Errorf("feegate chưa nhận hồ sơ: %w", err))
		return
	}
	if d.Checkout == "" { // nothing to pay
		http.Redirect(rw, r, "/portal/orders/"+d.Code, http.StatusSeeOther)
		return
	}
	http.Redirect(rw, r, d.Checkout, http.StatusSeeOther)
}

func ticked(proc procedure, r *http.Request) ([]chosen, error) {
	var fees []chosen
	for _, f := range proc.Fees {
		if !slices.Contains(r.PostForm["fee"], f.Code) {
			continue
		}
		c := chosen{fee: f}
		if f.Amount != nil {
			c.unit = *f.Amount
		} else {
			typed := strings.NewReplacer(".", "", " ", "", "₫", "").Replace(r.PostFormValue("amount-" + f.Code))
			unit, err := vnd.Parse(typed)
			if err != nil {
				return nil, fmt.Errorf("số tiền của %s phải là số nguyên đồng, ví dụ 50.000", f.Title())
			}
			c.unit = unit
		}
		fees = append(fees, c)
	}
	if len(fees) == 0 {
		return nil, fmt.Errorf("hãy chọn ít nhất một khoản phải nộp")
	}
	return fees, nil
}

func (p *portal) one(rw http.ResponseWriter, r *http.Request) {
	all := p.dossiers()
	i := slices.IndexFunc(all, func(d dossier) bool { return d.Code == r.PathValue("code") })
	if i < 0 {
		p.page(rw, http.StatusNotFound, "message", view{Title: "Không tìm thấy hồ sơ", Error: "Hãy mở lại từ danh sách hồ sơ."})
		return
	}
	d := all[i]
	v := view{Title: "Hồ sơ " + d.Code, One: d}
	// While nothing is known yet the page asks again by itself, for two minutes.
	if n, _ := strconv.Atoi(r.URL.Query().Get("n")); d.Status == "open" && n >= 0 && n < 24 {
		v.Refresh = fmt.Sprintf("?n=%d", n+1)
	}
	p.page(rw, http.StatusOK, "one", v)
}

func (p *portal) clock(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, sim.MaxControlBody)
	to := func(now time.Time) time.Time { return now.Add(15 * time.Minute) }
	switch r.PostFormValue("by") {
	case "15m":
	case "tomorrow":
		to = func(now time.Time) time.Time {
			y, m, d := now.In(sim.Zone()).Date()
			return time.Date(y, m, d+1, 7, 30, 0, 0, sim.Zone())
		}
	default:
		http.Error(rw, "by is 15m or tomorrow", http.StatusUnprocessableEntity)
		return
	}
	if _, err := p.world.Move(r.Context(), to); err != nil {
		p.page(rw, http.StatusBadGateway, "message", view{Title: "Chưa chuyển được đồng hồ", Error: err.Error()})
		return
	}
	http.Redirect(rw, r, "/portal", http.StatusSeeOther)
}

const templates = `
{{define "top"}}<!doctype html>
<html lang="vi"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
{{if .Refresh}}<meta http-equiv="refresh" content="5;url={{.Refresh}}">{{end}}
<title>{{.Title}}</title><link rel="stylesheet" href="/sim/page.css"></head>
<body><header><span class="brand">Cổng dịch vụ công</span> <span class="tag">mô phỏng · {{.Now}} giờ Việt Nam</span><nav><a href="/portal">Danh sách hồ sơ</a></nav></header>
<main{{if .Wide}} class="wide"{{end}}><h1>{{.Title}}</h1>{{if .Error}}<p class="note" role="alert">{{.Error}}</p>{{end}}{{end}}
{{define "end"}}</main></body></html>{{end}}

{{define "message"}}{{template "top" .}}<p><a href="/portal">Về danh sách hồ sơ</a></p>{{template "end" .}}{{end}}

{{define "home"}}{{template "top" .}}
<p>Đây là một cổng dịch vụ công nhỏ, để thử: nộp một hồ sơ rồi nộp phí như một người dân. Tiền là tiền giả; mọi thứ khác, từ ngân hàng, ví đến chữ ký, chạy như thật.</p>
<h2>Nộp hồ sơ mới</h2>
{{if not .Ready}}<p class="note">Cổng này chưa được nối với feegate. Hãy chạy chương trình với --gateway và --portal-key-file.</p>
{{else if .Groups}}<form method="get" action="/portal/new"><label for="procedure">Thủ tục</label>
<select id="procedure" name="procedure">{{range .Groups}}<optgroup label="{{.Field}}">{{range .Procedures}}<option value="{{.Code}}">{{.Name}} ({{kinds .}})</option>{{end}}</optgroup>{{end}}</select>
<button class="main">Tiếp tục</button></form>
{{else}}<p>Danh mục chưa có thủ tục nào phải nộp phí. Hãy nạp danh mục vào feegate rồi mở lại trang này.</p>{{end}}

<h2>Hồ sơ đã nộp</h2>
{{if .Dossiers}}<table><thead><tr><th>Hồ sơ</th><th>Thủ tục</th><th>Số tiền</th><th>Trạng thái</th><th>Báo lúc</th></tr></thead><tbody>
{{range .Dossiers}}<tr><td data-name="Hồ sơ"><a href="/portal/orders/{{.Code}}">{{.Code}}</a></td><td data-name="Thủ tục">{{.Procedure}}</td>
<td class="num" data-name="Số tiền">{{.Amount.Format}}</td>{{with state .Status}}<td data-name="Trạng thái"><span class="{{.Class}}">{{.Word}}</span></td>{{end}}
<td data-name="Báo lúc">{{when .LearntAt}}</td></tr>{{end}}</tbody></table>
<p class="muted">Trạng thái là điều feegate đã báo bằng webhook có chữ ký.</p>
{{else}}<p>Chưa có hồ sơ nào. Hồ sơ nộp ở trên sẽ hiện ở đây cùng trạng thái nộp phí.</p>{{end}}

<h2>Đồng hồ mô phỏng</h2><p>Bây giờ là <strong>{{.Now}}</strong> (giờ Việt Nam). Đồng hồ chỉ đi tới.</p>
<div class="row"><form method="post" action="/portal/clock"><button name="by" value="15m">+15 phút</button></form>
<form method="post" action="/portal/clock"><button name="by" value="tomorrow">Sang ngày mai 07:30</button></form></div>

<h2>Tệp đối soát của nhà cung cấp</h2>
{{if .Accounts}}<table><thead><tr><th>Nhà cung cấp</th><th>Tài khoản</th><th>Hôm nay</th><th>Hôm qua</th></tr></thead><tbody>
{{range .Accounts}}<tr><td data-name="Nhà cung cấp">{{brand .Provider}}</td><td data-name="Tài khoản">{{.Terminal}}</td>
<td data-name="Hôm nay"><a href="/control/{{.Provider}}/settlement?account={{.Terminal}}&amp;date={{.Today}}">Tải tệp đối soát</a></td>
<td data-name="Hôm qua"><a href="/control/{{.Provider}}/settlement?account={{.Terminal}}&amp;date={{.Yesterday}}">Tải tệp đối soát</a></td></tr>{{end}}</tbody></table>
<p>Ngân hàng: <a href="/control/bank/statement?format=csv&amp;date={{(index .Accounts 0).Yesterday}}">Tải sao kê tiền nhà cung cấp trả cho ngày hôm qua</a></p>
{{else}}<p>Chưa có tài khoản nào được đăng ký với các nhà cung cấp mô phỏng.</p>{{end}}
<p>Chuyển khoản: <a href="/bank">Mở ứng dụng ngân hàng mô phỏng</a></p>
{{template "end" .}}{{end}}

{{define "form"}}{{template "top" .}}<p>{{.Chosen.Name}}</p>
<form method="post" action="/portal/orders"><input type="hidden" name="procedure" value="{{.Chosen.Code}}">
<label for="agency">Cơ quan thu</label><select id="agency" name="agency">{{range .Chosen.Agencies}}<option>{{.}}</option>{{end}}</select>
<label for="payer">Người nộp</label><input id="payer" name="payer" value="Nguyễn Văn An" maxlength="100" required>
<fieldset><legend>Các khoản phải nộp</legend>
{{range $i, $f := .Chosen.Fees}}<label class="tick"><input type="checkbox" name="fee" value="{{.Code}}"{{if eq $i 0}} checked{{end}}> {{.Title}} ({{.KindName}}){{if .Amount}}: {{.Amount.Format}}{{end}}</label>
{{if not .Amount}}<label for="a-{{.Code}}">Số tiền (₫)</label><input id="a-{{.Code}}" name="amount-{{.Code}}" value="{{offered}}" inputmode="numeric">{{end}}{{end}}
</fieldset><button class="main">Nộp hồ sơ và thanh toán</button></form>{{template "end" .}}{{end}}

{{define "one"}}{{template "top" .}}
{{with state .One.Status}}<p><strong class="{{.Class}}">{{.Word}}</strong></p>{{end}}
{{if eq .One.Status "open"}}<p>Nếu bạn vừa thanh toán, feegate đang xác nhận với ngân hàng. Bạn có thể đóng trang này: tiền đã nộp không bị mất.</p>{{end}}
<dl><div><dt>Thủ tục</dt><dd>{{.One.Procedure}}</dd></div><div><dt>Số tiền</dt><dd>{{.One.Amount.Format}}</dd></div>
<div><dt>Mã yêu cầu nộp phí</dt><dd>{{.One.Order}}</dd></div><div><dt>Nộp hồ sơ lúc</dt><dd>{{when .One.CreatedAt}}</dd></div>
{{if not .One.LearntAt.IsZero}}<div><dt>feegate báo lúc</dt><dd>{{when .One.LearntAt}}</dd></div>{{end}}</dl>
{{if and (eq .One.Status "open") .One.Checkout}}<p><a class="button main" href="{{.One.Checkout}}">Thanh toán</a></p>{{end}}
<p><a href="/portal">Về danh sách hồ sơ</a></p>{{template "end" .}}{{end}}
`
