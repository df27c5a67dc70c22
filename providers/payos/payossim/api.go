package payossim

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers/sim"
)

type server struct{ w *sim.World }

// Codes of the envelope.
const (
	codeInvalid   = "20"
	codeNoLink    = "101"
	codeSignature = "201"
	codeUsed      = "231"
	codeClosed    = "232" // of our own making: what payOS says of a paid link that is to be cancelled is not published
)

// request is a call of a known channel.
type request struct {
	*http.Request
	account sim.Account
	fields  map[string]string
}

// reply is a code, with data where it is success, and what happens after the answer.
type reply struct {
	code  string
	data  map[string]any
	after func(context.Context)
}

// call reads, authenticates and answers one API call, under the fault that meets it.
func (s server) call(op sim.Operation, handle func(request) reply) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, sim.MaxWireBody))
		if err != nil {
			http.Error(rw, "too long", http.StatusRequestEntityTooLarge)
			return
		}
		s.w.Serve(Name, op, rw, r, func(rw http.ResponseWriter) func(context.Context) {
			rw.Header().Set("Content-Type", "application/json")
			a, known := s.w.Account(Name, r.Header.Get("x-client-id"))
			if !known || r.Header.Get("x-api-key") != a.Credentials["apiKey"] {
				rw.WriteHeader(http.StatusUnauthorized)
				_, _ = rw.Write([]byte(`{"code":"401","desc":"Unauthorized"}`))
				return nil
			}
			done := handle(request{r, a, plain(body)})
			raw, err := encode(map[string]any{"code": done.code, "desc": "failed", "data": nil})
			if done.data != nil {
				raw, err = sealed(a.Credentials["checksumKey"], done.data)
			}
			if err != nil {
				http.Error(rw, err.Error(), http.StatusInternalServerError)
				return nil
			}
			_, _ = rw.Write(raw)
			return done.after
		})
	}
}

// plain reads the scalars of a JSON object; what is none gives nothing.
func plain(body []byte) map[string]string {
	var o map[string]json.RawMessage
	m := map[string]string{}
	if json.Unmarshal(body, &o) != nil {
		return m
	}
	for name, raw := range o {
		var text string
		if json.Unmarshal(raw, &text) == nil {
			m[name] = text
		} else {
			m[name] = string(raw)
		}
	}
	return m
}

func (s server) create(r request) reply {
	f := r.fields
	order, err := strconv.ParseUint(f["orderCode"], 10, 64)
	amount, bad := vnd.Parse(f["amount"])
	if err != nil || order < 1 || order > 9007199254740991 || bad != nil || amount <= 0 || f["description"] == "" || len(f["description"]) > 25 || !absolute(f["returnUrl"]) || !absolute(f["cancelUrl"]) {
		return reply{code: codeInvalid}
	}
	if !hmac.Equal([]byte(f["signature"]), []byte(hash(r.account.Credentials["checksumKey"], signedCreate(f)))) {
		return reply{code: codeSignature}
	}
	var expires time.Time
	if f["expiredAt"] != "" {
		n, err := strconv.ParseInt(f["expiredAt"], 10, 64)
		if err != nil {
			return reply{code: codeInvalid}
		}
		expires = time.Unix(n, 0)
	}
	id := link(r.account.Terminal, order)
	content := "CS" + strings.ToUpper(id[14:22]) + " " + f["description"]
	content = content[:min(len(content), 25)]
	p, fresh, err := s.w.Accept(sim.Payment{Provider: Name, Account: r.account.Terminal, Reference: reference(order), Amount: amount, ExpiresAt: expires, Wire: map[string]string{
		"orderCode": f["orderCode"], "link": id, "returnUrl": f["returnUrl"], "cancelUrl": f["cancelUrl"], sim.WireVirtual: virtual(r.account.Terminal, order), sim.WireContent: content}})
	switch {
	case err != nil:
		return reply{code: codeInvalid}
	case !fresh:
		return reply{code: codeUsed}
	}
	data := map[string]any{"bin": bank, "accountNumber": p.Wire[sim.WireVirtual], "accountName": "payOS", "amount": amount, "description": content,
		"orderCode": json.Number(f["orderCode"]), "currency": "VND", "paymentLinkId": id, "status": "PENDING",
		"checkoutUrl": "http://" + r.Host + pagePath + id, "qrCode": sim.WriteQR(bank, p.Wire[sim.WireVirtual], amount, content)}
	if !expires.IsZero() {
		data["expiredAt"] = expires.Unix()
	}
	return reply{"00", data, s.w.Accepted(r.Context(), p)}
}

func absolute(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.IsAbs() && u.Host != ""
}

// find takes an order code or a link's id.
func (s server) find(terminal, id string) (sim.Payment, bool) {
	order, err := strconv.ParseUint(id, 10, 64)
	if len(id) == 32 {
		order, err = strconv.ParseUint(id[:14], 16, 64)
	}
	if err != nil {
		return sim.Payment{}, false
	}
	p, ok := s.w.Find(Name, terminal, reference(order))
	return p, ok && (len(id) != 32 || p.Wire["link"] == id)
}

func (s server) get(r request) reply {
	p, ok := s.find(r.account.Terminal, r.PathValue("id"))
	if !ok {
		return reply{code: codeNoLink}
	}
	return reply{code: "00", data: s.shown(r.account, p)}
}

// shown is a link as it stands: what was paid is what came into its virtual account.
func (s server) shown(a sim.Account, p sim.Payment) map[string]any {
	rows, paid := []any{}, vnd.Amount(0)
	for _, t := range s.w.TransfersOf(p) {
		rows = append(rows, transaction(t, Wire{}.Number(a), time.RFC3339))
		paid += t.Amount
	}
	return map[string]any{"id": p.Wire["link"], "orderCode": json.Number(p.Wire["orderCode"]), "amount": p.Amount, "amountPaid": paid,
		"amountRemaining": max(0, p.Amount-paid), "status": status(p, paid), "createdAt": p.CreatedAt.Format(time.RFC3339), "transactions": rows, "canceledAt": nil, "cancellationReason": nil}
}

func status(p sim.Payment, paid vnd.Amount) string {
	switch {
	case paid >= p.Amount:
		return "PAID"
	case p.State == sim.Declined:
		return "CANCELLED"
	case p.State == sim.Expired:
		return "EXPIRED"
	case paid > 0:
		return "UNDERPAID"
	}
	return "PENDING"
}

func (s server) cancel(r request) reply {
	p, ok := s.find(r.account.Terminal, r.PathValue("id"))
	if !ok {
		return reply{code: codeNoLink}
	}
	if st := s.shown(r.account, p)["status"]; st == "PAID" || st == "EXPIRED" {
		return reply{code: codeClosed}
	}
	if !s.end(r.Context(), p) {
		return reply{code: codeInvalid}
	}
	p, _ = s.find(r.account.Terminal, r.PathValue("id"))
	return reply{code: "00", data: s.shown(r.account, p)}
}

func (s server) end(ctx context.Context, p sim.Payment) bool {
	_, err := s.w.Decide(ctx, Name, p.Reference, sim.Decision{Outcome: sim.OutcomeDecline, Account: p.Account})
	return err == nil
}

// byLink finds a link for the payer's page, whosever it is.
func (s server) byLink(id string) (sim.Account, sim.Payment, bool) {
	for _, a := range s.w.Accounts() {
		if a.Provider == Name && len(id) == 32 {
			if p, ok := s.find(a.Terminal, id); ok {
				return a, p, true
			}
		}
	}
	return sim.Account{}, sim.Payment{}, false
}

// page of the payer.
func (s server) page(rw http.ResponseWriter, r *http.Request) {
	a, p, ok := s.byLink(r.PathValue("id"))
	if !ok {
		sim.Page{Lang: "vi", Provider: "payOS", Title: "Không tìm thấy liên kết thanh toán", Note: "Hãy quay lại trang của cơ quan thu và thử lại."}.Write(rw, http.StatusNotFound)
		return
	}
	page := sim.Page{Lang: "vi", Provider: "payOS", Title: "Chuyển khoản " + p.Amount.Format(), Lines: []sim.PageLine{{Name: "Số tài khoản", Value: p.Wire[sim.WireVirtual]},
		{Name: "Nội dung", Value: p.Wire[sim.WireContent]}}}
	switch s.shown(a, p)["status"] {
	case "PAID":
		page.Title = "Giao dịch đã thanh toán"
	case "CANCELLED":
		page.Title = "Giao dịch đã hủy"
	case "EXPIRED":
		page.Title = "Giao dịch đã hết hạn"
	default:
		page.Action, page.Hidden = choicePath, map[string]string{"id": p.Wire["link"]}
		page.Choices = []sim.PageChoice{{Value: "pay", Label: "Chuyển khoản", Main: true}, {Value: "cancel", Label: "Hủy"}}
	}
	page.Write(rw, http.StatusOK)
}

// choose is a button of the page; the browser goes back to the merchant with a query that nobody signed.
func (s server) choose(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, sim.MaxWireBody)
	a, p, ok := s.byLink(r.PostFormValue("id"))
	choice := r.PostFormValue("choice")
	if !ok || choice != "pay" && choice != "cancel" {
		sim.Page{Lang: "vi", Provider: "payOS", Title: "Không tìm thấy liên kết thanh toán"}.Write(rw, http.StatusNotFound)
		return
	}
	ctx := context.WithoutCancel(r.Context()) // the payer may close the page at once
	if st := s.shown(a, p)["status"]; st == "PENDING" || st == "UNDERPAID" {
		if choice == "cancel" {
			s.end(ctx, p)
		} else if _, err := s.w.Decide(ctx, Name, p.Reference, sim.Decision{Outcome: sim.OutcomeSucceed}); err != nil {
			sim.Page{Lang: "vi", Provider: "payOS", Title: "Có lỗi, hãy thử lại", Note: err.Error()}.Write(rw, http.StatusConflict)
			return
		}
		p, _ = s.w.Find(Name, a.Terminal, p.Reference)
	}
	st, _ := s.shown(a, p)["status"].(string)
	back := p.Wire["returnUrl"]
	if st == "CANCELLED" {
		back = p.Wire["cancelUrl"]
	}
	q := url.Values{"code": {"00"}, "id": {p.Wire["link"]}, "cancel": {strconv.FormatBool(st == "CANCELLED")}, "status": {st}, "orderCode": {p.Wire["orderCode"]}}
	glue := "?"
	if strings.Contains(back, "?") {
		glue = "&"
	}
	http.Redirect(rw, r, back+glue+q.Encode(), http.StatusSeeOther)
}
