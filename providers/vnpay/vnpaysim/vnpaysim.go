// Package vnpaysim plays VNPAY's PAY gateway 2.1.0 on its true wire: the payer's page, IPN and return, query and refund,
// and a settlement file of the layout that we assume.
//
// It is written from the vendor's notes alone and shares no line with the adapter. Only cmd/simulator and tests import it.
package vnpaysim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers/sim"
)

// Name of the provider in addresses.
const Name = "vnpay"

// Paths below the simulator's address; the adapter's base address is …/vnpay.
const (
	payPath         = "/vnpay/paymentv2/vpcpay.html"
	choicePath      = "/vnpay/paymentv2/Transaction/Choice"
	errorPath       = "/vnpay/paymentv2/Payment/Error.html"
	transactionPath = "/vnpay/merchant_webapi/api/transaction"
)

// Wire is VNPAY.
type Wire struct{}

// New makes the wire.
func New() sim.Wire { return Wire{} }

// Name of the provider.
func (Wire) Name() string { return Name }

// Credentials of a terminal.
func (Wire) Credentials() []string { return []string{"vnp_TmnCode", "hash_secret"} }

// DeclineCode 51 is "not enough balance".
func (Wire) DeclineCode() string { return "51" }

// Retries: ten calls, five minutes apart.
func (Wire) Retries() (int, time.Duration) { return 10, 5 * time.Minute }

// Delivered: only RspCode 00 and 02 end the calls.
func (Wire) Delivered(status int, body []byte) bool {
	answer, err := readBody(body)
	return status == http.StatusOK && err == nil && (answer["RspCode"] == "00" || answer["RspCode"] == "02")
}

// Routes of the wire.
func (Wire) Routes(w *sim.World) map[string]http.HandlerFunc {
	s := server{w, &limiter{last: map[string]time.Time{}}}
	return map[string]http.HandlerFunc{
		"GET " + payPath:          s.pay,
		"POST " + choicePath:      s.choose,
		"GET " + errorPath:        s.errorPage,
		"POST " + transactionPath: s.transaction,
	}
}

// codes are what IPN and return say (vnpay.md §7).
func codes(said sim.State, code string) (response, status string) {
	switch said {
	case sim.Succeeded:
		return "00", "00"
	case sim.Pending:
		return "00", "01"
	case sim.Expired:
		return "11", "08"
	case sim.Reversed:
		return "99", "02"
	}
	if code == "07" {
		return "07", "07"
	}
	return code, "02"
}

// outcome is the message of IPN and return.
func outcome(p sim.Payment, m sim.Message) map[string]string {
	response, status := codes(m.Said, m.Code)
	params := map[string]string{
		"vnp_TmnCode":           p.Account,
		"vnp_Amount":            hundredfold(m.Amount),
		"vnp_BankCode":          bank(p),
		"vnp_CardType":          cardType(p),
		"vnp_OrderInfo":         p.Wire["vnp_OrderInfo"],
		"vnp_PayDate":           stamped(m.At),
		"vnp_ResponseCode":      response,
		"vnp_TransactionNo":     p.Transaction,
		"vnp_TransactionStatus": status,
		"vnp_TxnRef":            p.Reference,
	}
	switch {
	case m.Said == sim.Succeeded, m.Said == sim.Reversed, response == "07":
		params["vnp_BankTranNo"] = "VNP" + p.Transaction
	case response == "24", m.Said == sim.Expired: // nothing was begun: no bank, no number
		params["vnp_BankCode"], params["vnp_TransactionNo"] = "VNPAY", "0"
	}
	return params
}

func bank(p sim.Payment) string {
	switch b := p.Wire["vnp_BankCode"]; b {
	case "", "VNPAYQR", "VNBANK":
		return "NCB"
	case "INTCARD":
		return "VISA"
	default:
		return b
	}
}

func cardType(p sim.Payment) string {
	switch p.Wire["vnp_BankCode"] {
	case "VNPAYQR":
		return "QRCODE"
	case "INTCARD":
		return "VISA"
	}
	return "ATM"
}

// Callback is the IPN: GET to the address registered for the terminal.
func (Wire) Callback(a sim.Account, p sim.Payment, m sim.Message) (sim.Outgoing, error) {
	if a.CallbackURL == "" {
		return sim.Outgoing{}, errors.New("the account has no callback_url")
	}
	secret := a.Credentials["hash_secret"]
	if m.Forge {
		secret = "not " + secret
	}
	return sim.Outgoing{Method: http.MethodGet, URL: withQuery(a.CallbackURL, signedQuery(secret, outcome(p, m)))}, nil
}

func withQuery(address, query string) string {
	if strings.Contains(address, "?") {
		return address + "&" + query
	}
	return address + "?" + query
}

// Settlement is the layout of vnpay.md §8.
func (Wire) Settlement() sim.SettlementFormat {
	return sim.SettlementFormat{
		Filename: func(terminal, day string) string { return fmt.Sprintf("vnpay-%s-%s.csv", terminal, day) },
		Header: strings.Split("txn_date,tmn_code,txn_ref,transaction_no,type,amount_vnd,fee_vnd,net_vnd,bank_code,card_type,"+
			"pay_time,status,settle_date,note", ","),
		Row: func(l sim.Line) []string {
			kind := "PAY"
			if l.Refund {
				kind = "REFUND"
			}
			return []string{sim.Day(l.Time), l.Payment.Account, l.Payment.Reference, l.Transaction, kind, l.Amount.String(), l.Fee.String(),
				l.Net().String(), bank(l.Payment), cardType(l.Payment), stamped(l.Time), "00", sim.Day(l.Time.AddDate(0, 0, 1)), ""}
		},
	}
}

type server struct {
	w      *sim.World
	limits *limiter
}

// Codes of VNPAY's own error page.
const (
	pageUsed    = "01"
	pageFormat  = "03"
	pageExpired = "15"
	pageSign    = "70"
	pageSite    = "72"
	pageOther   = "99"
)

// pay is the address that the gateway sends a payer to. Fetching it makes the payment known.
func (s server) pay(rw http.ResponseWriter, r *http.Request) {
	s.w.Serve(Name, sim.Checkout, rw, r, func(rw http.ResponseWriter) func(context.Context) {
		p, code := s.accept(r.URL.RawQuery)
		if code != "" {
			http.Redirect(rw, r, errorPath+"?code="+code, http.StatusFound)
			return nil
		}
		var after func(context.Context)
		if p.fresh { // the same address again, by a reload, is the same payment
			after = s.w.Accepted(r.Context(), p.Payment)
		}
		if now, ok := s.w.Find(Name, p.Account, p.Reference); ok {
			s.payerPage(rw, now)
		}
		return after
	})
}

type accepted struct {
	sim.Payment
	fresh bool
}

func (s server) accept(raw string) (accepted, string) {
	params, ok := readQuery(raw)
	if !ok {
		return accepted{}, pageFormat
	}
	a, ok := s.w.Account(Name, params["vnp_TmnCode"])
	if !ok {
		return accepted{}, pageSite
	}
	if !same(params["vnp_SecureHash"], mac(a.Credentials["hash_secret"], canonical(params))) {
		return accepted{}, pageSign
	}
	amount, okAmount := wholeDong(params["vnp_Amount"])
	_, errCreate := readStamp(params["vnp_CreateDate"])
	expires, errExpire := readStamp(params["vnp_ExpireDate"])
	if !okAmount || amount == 0 || errCreate != nil || errExpire != nil || !wellFormed(params) {
		return accepted{}, pageFormat
	}
	if _, known := s.w.Find(Name, a.Terminal, params["vnp_TxnRef"]); !known && s.w.Now().After(expires) {
		return accepted{}, pageExpired // the payer never got in: to the query there is no such transaction
	}
	p, fresh, err := s.w.Accept(sim.Payment{Provider: Name, Account: a.Terminal, Reference: params["vnp_TxnRef"], Amount: amount,
		ExpiresAt: expires, Wire: keep(params, "vnp_OrderInfo", "vnp_CreateDate", "vnp_ReturnUrl", "vnp_BankCode", "vnp_Locale", "vnp_SecureHash")})
	switch {
	case err != nil:
		return accepted{}, pageOther
	case !fresh && !strings.EqualFold(p.Wire["vnp_SecureHash"], params["vnp_SecureHash"]):
		return accepted{}, pageUsed // the same TxnRef for another payment
	}
	return accepted{p, fresh}, ""
}

// wellFormed holds the parameters to their lengths and fixed values (vnpay.md §2).
func wellFormed(p map[string]string) bool {
	for name, most := range map[string]int{"vnp_TxnRef": 100, "vnp_OrderInfo": 255, "vnp_OrderType": 100, "vnp_IpAddr": 45, "vnp_ReturnUrl": 255} {
		if p[name] == "" || len(p[name]) > most {
			return false
		}
	}
	u, err := url.Parse(p["vnp_ReturnUrl"])
	_, old := p["vnp_SecureHashType"] // of 2.0.x, must not be sent
	return err == nil && u.IsAbs() && !old && p["vnp_Version"] == "2.1.0" && p["vnp_Command"] == "pay" && p["vnp_CurrCode"] == "VND" &&
		(p["vnp_Locale"] == "vn" || p["vnp_Locale"] == "en")
}

func keep(params map[string]string, names ...string) map[string]string {
	kept := map[string]string{}
	for _, n := range names {
		if params[n] != "" {
			kept[n] = params[n]
		}
	}
	return kept
}

func lang(p sim.Payment) string {
	if p.Wire["vnp_Locale"] == "en" {
		return "en"
	}
	return "vi"
}

func (s server) payerPage(rw http.ResponseWriter, p sim.Payment) {
	en := lang(p) == "en"
	say := func(vi, english string) string {
		if en {
			return english
		}
		return vi
	}
	page := sim.Page{Lang: lang(p), Provider: "VNPAY", Title: say("Thanh toán ", "Pay ") + p.Amount.Format(),
		Lines: []sim.PageLine{{Name: say("Nội dung", "For"), Value: p.Wire["vnp_OrderInfo"]}, {Name: say("Mã giao dịch", "Reference"), Value: p.Reference},
			{Name: say("Đơn vị nhận", "Merchant"), Value: p.Account}}}
	switch p.State {
	case sim.Succeeded:
		page.Title = say("Giao dịch đã thanh toán", "Already paid")
	case sim.Expired:
		page.Title = say("Giao dịch đã hết hạn", "This payment has expired")
	default:
		page.Action, page.Hidden = choicePath, map[string]string{"account": p.Account, "reference": p.Reference}
		page.Choices = []sim.PageChoice{{Value: "pay", Label: say("Thanh toán", "Pay"), Main: true}, {Value: "24", Label: say("Hủy", "Cancel")},
			{Value: "13", Label: say("Sai OTP", "Wrong OTP")}, {Value: "51", Label: say("Tài khoản không đủ tiền", "Not enough money")}}
	}
	page.Write(rw, http.StatusOK)
}

// choose is a button of the payer's page: the IPN goes out, then the browser goes back to the merchant.
func (s server) choose(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, sim.MaxWireBody)
	choice := r.PostFormValue("choice")
	p, ok := s.w.Find(Name, r.PostFormValue("account"), r.PostFormValue("reference"))
	d := sim.Decision{Outcome: sim.OutcomeSucceed, Account: p.Account}
	switch choice {
	case "pay":
	case "24", "13", "51":
		d.Outcome, d.Code = sim.OutcomeDecline, choice
	default:
		ok = false
	}
	if !ok || p.State == sim.Expired {
		http.Redirect(rw, r, errorPath+"?code="+pageExpired, http.StatusSeeOther)
		return
	}
	if p.State != sim.Succeeded { // paid in another tab: only the way back is left
		// The payer may close the tab at once; what was decided must reach the gateway all the same.
		if _, err := s.w.Decide(context.WithoutCancel(r.Context()), Name, p.Reference, d); err != nil {
			http.Redirect(rw, r, errorPath+"?code="+pageOther, http.StatusSeeOther)
			return
		}
		p, _ = s.w.Find(Name, p.Account, p.Reference)
	}
	http.Redirect(rw, r, s.returnURL(p), http.StatusSeeOther)
}

// returnURL is where the browser goes, with the signed outcome.
func (s server) returnURL(p sim.Payment) string {
	a, _ := s.w.Account(Name, p.Account)
	return withQuery(p.Wire["vnp_ReturnUrl"], signedQuery(a.Credentials["hash_secret"], outcome(p, truth(p, s.w.Now()))))
}

// truth is a payment's state as a message.
func truth(p sim.Payment, now time.Time) sim.Message {
	m := sim.Message{Said: p.State, Code: p.Code, Amount: p.Amount, At: now}
	if p.State == sim.Succeeded || p.State == sim.Reversed {
		m.Amount, m.At = p.Taken, p.PaidAt
	}
	return m
}

func (s server) errorPage(rw http.ResponseWriter, r *http.Request) {
	code := r.URL.Query().Get("code")
	words := map[string]string{
		pageUsed: "Mã giao dịch đã được dùng", pageFormat: "Dữ liệu gửi sang không đúng định dạng", pageExpired: "Giao dịch đã hết hạn",
		pageSign: "Sai chữ ký", pageSite: "Không tìm thấy website", pageOther: "Lỗi không xác định",
	}[code]
	if words == "" {
		words, code = "Lỗi không xác định", pageOther
	}
	sim.Page{Lang: "vi", Provider: "VNPAY", Title: words, Lines: []sim.PageLine{{Name: "Mã lỗi", Value: code}},
		Note: "Chưa có khoản tiền nào bị trừ. Hãy quay lại trang của cơ quan thu và thử lại."}.Write(rw, http.StatusOK)
}

// amountOf is what the query and refund answers name.
func amountOf(p sim.Payment) vnd.Amount {
	if p.State == sim.Succeeded || p.State == sim.Reversed {
		return p.Taken
	}
	return p.Amount
}
