package sim

import (
	"context"
	"html/template"
	"net/http"
	"strings"

	"feegate/gateway/vnd"
)

const bankPath = "/bank"

// banking is a person's banking app: a payload is pasted where a phone would scan it.
func (w *World) banking(mux *http.ServeMux) {
	guard := http.NewCrossOriginProtection()
	mux.HandleFunc("GET "+bankPath, func(rw http.ResponseWriter, r *http.Request) {
		bankPage{Payload: r.URL.Query().Get("qr")}.write(rw, http.StatusOK)
	})
	mux.Handle("POST "+bankPath+"/pay", guard.Handler(http.HandlerFunc(w.payAtBank)))
}

func (w *World) payAtBank(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, MaxControlBody)
	if err := r.ParseForm(); err != nil {
		http.Error(rw, "form cannot be read", http.StatusBadRequest)
		return
	}
	page := bankPage{Payload: strings.TrimSpace(r.PostFormValue("qr")), Amount: strings.TrimSpace(r.PostFormValue("amount")), Content: r.PostFormValue("content"), Account: strings.TrimSpace(r.PostFormValue("account"))}
	o := TransferOrder{QRPayload: page.Payload, Account: page.Account, Mangle: r.PostFormValue("mangle")}
	if page.Payload == "" && (page.Account == "" || page.Amount == "" || page.Content == "") {
		page.Error = "Hãy dán nội dung mã QR, hoặc nhập số tài khoản, số tiền và nội dung chuyển khoản như trang nộp tiền ghi."
		page.write(rw, http.StatusUnprocessableEntity)
		return
	}
	if page.Amount != "" {
		a, err := vnd.Parse(strings.NewReplacer(".", "", " ", "", "₫", "").Replace(page.Amount))
		if err != nil {
			page.Error = "Số tiền phải là số nguyên đồng, ví dụ 50.000."
			page.write(rw, http.StatusUnprocessableEntity)
			return
		}
		o.Amount = &a
	}
	if page.Content != "" {
		o.Content = &page.Content
	}
	t, err := w.book(o, "")
	if err != nil {
		page.Error = err.Error()
		page.write(rw, http.StatusUnprocessableEntity)
		return
	}
	w.Go(func(ctx context.Context) { w.tell(ctx, t, nil) }) // the payer's app does not wait for whoever watches the account
	Page{Lang: "vi", Provider: "Ngân hàng", Title: "Đã chuyển " + t.Amount.Format(), Note: "Có thể đóng trang này.", Lines: []PageLine{
		{"Tới tài khoản", t.Account}, {"Nội dung", t.Content}, {"Số tham chiếu", t.Reference}, {"Lúc", t.At.Format("02/01/2006 15:04:05")}}}.Write(rw, http.StatusOK)
}

type bankPage struct{ Payload, Account, Amount, Content, Error string }

// Banks offers what banks do to a content.
func (bankPage) Banks() []string { return Mangles() }

func (p bankPage) write(rw http.ResponseWriter, status int) {
	h := rw.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	t, err := template.New("bank").Parse(bankTemplate)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.WriteHeader(status)
	_ = t.Execute(rw, p)
}

const bankTemplate = `<!doctype html>
<html lang="vi"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chuyển khoản – Ngân hàng</title><link rel="stylesheet" href="` + stylePath + `"></head>
<body><header><span class="brand">Ngân hàng</span> <span class="tag">mô phỏng, không phải tiền thật</span></header>
<main><h1>Chuyển khoản</h1><p>Dán nội dung mã VietQR, hoặc nhập những gì trang nộp tiền cho sao chép: số tài khoản, số tiền, nội dung.</p>{{if .Error}}<p class="note" role="alert">{{.Error}}</p>{{end}}
<form method="post" action="` + bankPath + `/pay">
<label for="qr">Nội dung mã QR</label><input id="qr" name="qr" value="{{.Payload}}" autocomplete="off">
<label for="account">Hoặc: số tài khoản nhận</label><input id="account" name="account" value="{{.Account}}" autocomplete="off">
<label for="amount">Số tiền (để trống: theo mã)</label><input id="amount" name="amount" value="{{.Amount}}" inputmode="numeric" autocomplete="off">
<label for="content">Nội dung chuyển khoản (để trống: theo mã)</label><input id="content" name="content" value="{{.Content}}" autocomplete="off">
<label for="mangle">Ngân hàng ghi nội dung</label><select id="mangle" name="mangle"><option value="">nguyên văn</option>{{range .Banks}}<option>{{.}}</option>{{end}}</select>
<button class="main">Chuyển tiền</button></form></main></body></html>
`
