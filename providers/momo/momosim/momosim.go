// Package momosim plays MoMo's payment gateway (AIO v2) on its true wire: create, query, refund and refund/query, the
// payer's page, IPN and redirect, and a settlement file of the layout that we assume.
//
// It is written from the vendor's notes alone and shares no line with the adapter. Only cmd/simulator and tests import it.
package momosim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"feegate/providers/sim"
)

// Name of the provider in addresses.
const Name = "momo"

// Paths below the simulator's address; the adapter's base address is …/momo.
const (
	apiPath    = "/momo/v2/gateway/api/"
	payPath    = "/momo/v2/gateway/pay"
	choicePath = "/momo/v2/gateway/pay/choice"
)

// Wire is MoMo.
type Wire struct{}

// New makes the wire.
func New() sim.Wire { return Wire{} }

// Name of the provider.
func (Wire) Name() string { return Name }

// Credentials of a merchant.
func (Wire) Credentials() []string { return []string{"partnerCode", "accessKey", "secretKey"} }

// DeclineCode 1001 is "not enough money".
func (Wire) DeclineCode() string { return strconv.Itoa(codeNoFunds) }

// Retries: MoMo publishes no schedule, so nothing may rely on one.
func (Wire) Retries() (int, time.Duration) { return 1, 0 }

// Delivered: 204.
func (Wire) Delivered(status int, _ []byte) bool { return status == http.StatusNoContent }

// Routes of the wire.
func (Wire) Routes(w *sim.World) map[string]http.HandlerFunc {
	s := server{w, &flights{under: map[string]bool{}}}
	return map[string]http.HandlerFunc{
		"POST " + apiPath + "create":       s.call(sim.Checkout, createOrder, s.create),
		"POST " + apiPath + "query":        s.call(sim.Lookup, queryOrder, s.query),
		"POST " + apiPath + "refund":       s.call(sim.RefundOp, refundOrder, s.refund),
		"POST " + apiPath + "refund/query": s.call(sim.Lookup, queryOrder, s.refundQuery),
		"GET " + payPath:                   s.pay,
		"POST " + choicePath:               s.choose,
	}
}

// Result codes used here (momo.md §6).
const (
	codeOK          = 0
	codeAuth        = 13
	codeFormat      = 20
	codeRange       = 22
	codeRequestUsed = 40
	codeOrderUsed   = 41
	codeNoOrder     = 42
	codeUnknown     = 99
	codeWaiting     = 1000
	codeNoFunds     = 1001
	codeTakenBack   = 1003
	codeExpired     = 1005
	codeRefused     = 1006
	codeTooMuch     = 1081
	codeNoRefund    = 1088
	codeInFlight    = 7000
	codeProcessing  = 7002
)

func message(code int, lang string) string {
	vi, en := "Lỗi không xác định.", "Unknown error."
	switch code {
	case codeOK:
		vi, en = "Thành công.", "Successful."
	case codeAuth:
		vi, en = "Xác thực doanh nghiệp thất bại.", "Merchant authentication failed."
	case codeFormat:
		vi, en = "Yêu cầu sai định dạng.", "Bad format request."
	case codeRange:
		vi, en = "Số tiền giao dịch không hợp lệ.", "Invalid transaction amount."
	case codeRequestUsed:
		vi, en = "RequestId bị trùng.", "Duplicated requestId."
	case codeOrderUsed:
		vi, en = "OrderId bị trùng.", "Duplicated orderId."
	case codeNoOrder:
		vi, en = "OrderId không hợp lệ hoặc không được tìm thấy.", "Invalid orderId or orderId is not found."
	case codeWaiting:
		vi, en = "Giao dịch đã được khởi tạo, chờ người dùng xác nhận thanh toán.", "Transaction is initiated, waiting for user confirmation."
	case codeNoFunds:
		vi, en = "Giao dịch thất bại do tài khoản người dùng không đủ tiền.", "Transaction failed due to insufficient funds."
	case codeTakenBack:
		vi, en = "Giao dịch đã bị hủy.", "Transaction cancelled."
	case codeExpired:
		vi, en = "Giao dịch thất bại do url hoặc QR code đã hết hạn.", "Transaction failed because the url or QR code expired."
	case codeRefused:
		vi, en = "Giao dịch bị từ chối bởi người dùng.", "Transaction denied by user."
	case codeTooMuch:
		vi, en = "Giao dịch hoàn tiền bị từ chối.", "Refund rejected."
	case codeNoRefund:
		vi, en = "Giao dịch không được hoàn tiền.", "Transaction is not eligible for refund."
	case codeInFlight, codeProcessing:
		vi, en = "Giao dịch đang được xử lý.", "Transaction is being processed."
	}
	if lang == "en" {
		return en
	}
	return vi
}

// resultCode is the code of what is said of a payment.
func resultCode(said sim.State, code string) int {
	switch said {
	case sim.Succeeded:
		return codeOK
	case sim.Expired:
		return codeExpired
	case sim.Reversed:
		return codeTakenBack
	case sim.Declined:
		if n, err := strconv.Atoi(code); err == nil {
			return n
		}
		return codeNoFunds
	}
	return codeWaiting
}

// result is the message of IPN and redirect, unsigned.
func result(p sim.Payment, m sim.Message) map[string]string {
	code := resultCode(m.Said, m.Code)
	if m.Said == sim.Pending {
		code = codeProcessing // what is only waiting for the payer is not told; this is "at the bank"
	}
	trans, payType := strconv.FormatInt(m.At.UnixMilli(), 10), "" // a failed payment carries a time for a number
	if m.Said == sim.Succeeded || m.Said == sim.Reversed || m.Said == sim.Pending {
		trans, payType = p.Transaction, methodOf(p)
	}
	return map[string]string{
		"partnerCode": p.Account, "orderId": p.Reference, "requestId": p.Wire["requestId"], "amount": m.Amount.String(),
		"orderInfo": p.Wire["orderInfo"], "orderType": "momo_wallet", "transId": trans, "resultCode": strconv.Itoa(code),
		"message": message(code, p.Wire["lang"]), "payType": payType, "responseTime": strconv.FormatInt(m.At.UnixMilli(), 10),
		"extraData": p.Wire["extraData"],
	}
}

func methodOf(p sim.Payment) string {
	switch p.Wire["requestType"] {
	case "payWithATM":
		return "napas"
	case "payWithCC":
		return "credit"
	}
	return "qr"
}

func signed(a sim.Account, m map[string]string, forge bool) map[string]string {
	secret := a.Credentials["secretKey"]
	if forge {
		secret = "not " + secret
	}
	m["signature"] = sign(secret, raw(resultOrder, a.Credentials["accessKey"], m))
	return m
}

// Callback is the IPN: POST to the address that the create request named.
func (Wire) Callback(a sim.Account, p sim.Payment, m sim.Message) (sim.Outgoing, error) {
	address := p.Wire["ipnUrl"]
	if address == "" {
		address = a.CallbackURL // a payment that was entered in bulk had no create
	}
	if address == "" {
		return sim.Outgoing{}, errors.New("neither an ipnUrl nor a callback_url is known")
	}
	r := signed(a, result(p, m), m.Forge)
	body, err := encodeJSON(struct {
		PartnerCode  string      `json:"partnerCode"`
		OrderID      string      `json:"orderId"`
		RequestID    string      `json:"requestId"`
		Amount       json.Number `json:"amount"`
		OrderInfo    string      `json:"orderInfo"`
		OrderType    string      `json:"orderType"`
		TransID      json.Number `json:"transId"`
		ResultCode   json.Number `json:"resultCode"`
		Message      string      `json:"message"`
		PayType      string      `json:"payType"`
		ResponseTime json.Number `json:"responseTime"`
		ExtraData    string      `json:"extraData"`
		Signature    string      `json:"signature"`
	}{r["partnerCode"], r["orderId"], r["requestId"], json.Number(r["amount"]), r["orderInfo"], r["orderType"], json.Number(r["transId"]),
		json.Number(r["resultCode"]), r["message"], r["payType"], json.Number(r["responseTime"]), r["extraData"], r["signature"]})
	return sim.Outgoing{Method: http.MethodPost, URL: address, ContentType: "application/json; charset=UTF-8", Body: body}, err
}

// Settlement is the layout of momo.md §10.
func (Wire) Settlement() sim.SettlementFormat {
	return sim.SettlementFormat{
		Filename: func(terminal, day string) string { return fmt.Sprintf("momo-%s-%s.csv", terminal, day) },
		Header: strings.Split("txn_time,partner_code,store_id,order_id,request_id,trans_id,type,amount_vnd,fee_vnd,net_vnd,pay_type,"+
			"result_code,settle_date,original_trans_id,note", ","),
		Row: func(l sim.Line) []string {
			kind, original, request := "PAYMENT", "", l.Payment.Wire["requestId"]
			if l.Refund {
				kind, original, request = "REFUND", l.Payment.Transaction, l.Reference
			}
			if request == "" {
				request = l.Reference
			}
			return []string{l.Time.In(sim.Zone()).Format("2006-01-02T15:04:05-07:00"), l.Payment.Account, "", l.Reference, request, l.Transaction, kind,
				l.Amount.String(), l.Fee.String(), l.Net().String(), methodOf(l.Payment), "0", sim.Day(l.Time.AddDate(0, 0, 1)), original, ""}
		},
	}
}

type server struct {
	w       *sim.World
	flights *flights
}

// flights are the requests under way, by partner and requestId: the same one again meanwhile is answered 7000.
type flights struct {
	mu    sync.Mutex
	under map[string]bool
}

func (f *flights) begin(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.under[key] {
		return false
	}
	f.under[key] = true
	return true
}

func (f *flights) end(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.under, key)
}

// page of the payer. The token keeps anybody from walking through order ids.
func (s server) pay(rw http.ResponseWriter, r *http.Request) {
	p, ok := s.byToken(r.URL.Query().Get("t"))
	if !ok {
		sim.Page{Lang: "vi", Provider: "MoMo", Title: "Không tìm thấy giao dịch", Note: "Hãy quay lại trang của cơ quan thu và thử lại."}.Write(rw, http.StatusNotFound)
		return
	}
	say := func(vi, en string) string {
		if p.Wire["lang"] == "en" {
			return en
		}
		return vi
	}
	page := sim.Page{Lang: say("vi", "en"), Provider: "MoMo", Title: say("Thanh toán ", "Pay ") + p.Amount.Format(),
		Lines: []sim.PageLine{{Name: say("Nội dung", "For"), Value: p.Wire["orderInfo"]}, {Name: say("Mã đơn hàng", "Order"), Value: p.Reference},
			{Name: say("Đơn vị nhận", "Merchant"), Value: p.Account}}}
	switch p.State {
	case sim.Succeeded:
		page.Title = say("Giao dịch đã thanh toán", "Already paid")
	case sim.Expired:
		page.Title = say("Giao dịch đã hết hạn", "This payment has expired")
	default:
		page.Action, page.Hidden = choicePath, map[string]string{"t": r.URL.Query().Get("t")}
		page.Choices = []sim.PageChoice{{Value: "pay", Label: say("Thanh toán", "Pay"), Main: true}, {Value: "1006", Label: say("Hủy", "Cancel")},
			{Value: "4010", Label: say("Sai OTP", "Wrong OTP")}, {Value: "1001", Label: say("Tài khoản không đủ tiền", "Not enough money")}}
	}
	page.Write(rw, http.StatusOK)
}

// choose is a button of the payer's page: the IPN goes out, then the browser goes back to the merchant.
func (s server) choose(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, sim.MaxWireBody)
	choice := r.PostFormValue("choice")
	p, ok := s.byToken(r.PostFormValue("t"))
	d := sim.Decision{Outcome: sim.OutcomeSucceed, Account: p.Account}
	switch choice {
	case "pay":
	case "1006", "4010", "1001":
		d.Outcome, d.Code = sim.OutcomeDecline, choice
	default:
		ok = false
	}
	if !ok {
		sim.Page{Lang: "vi", Provider: "MoMo", Title: "Không tìm thấy giao dịch"}.Write(rw, http.StatusNotFound)
		return
	}
	if p.State != sim.Succeeded && p.State != sim.Expired {
		// The payer may close the page at once; what was decided must reach the gateway all the same.
		if _, err := s.w.Decide(context.WithoutCancel(r.Context()), Name, p.Reference, d); err != nil {
			sim.Page{Lang: "vi", Provider: "MoMo", Title: "Có lỗi, hãy thử lại", Note: err.Error()}.Write(rw, http.StatusConflict)
			return
		}
		p, _ = s.w.Find(Name, p.Account, p.Reference)
	}
	http.Redirect(rw, r, s.redirectURL(p), http.StatusSeeOther)
}

func (s server) redirectURL(p sim.Payment) string {
	a, _ := s.w.Account(Name, p.Account)
	m := sim.Message{Said: p.State, Code: p.Code, Amount: p.Amount, At: s.w.Now()}
	if p.State == sim.Succeeded || p.State == sim.Reversed {
		m.Amount, m.At = p.Taken, p.PaidAt
	}
	q := url.Values{}
	for name, v := range signed(a, result(p, m), false) {
		q.Set(name, v)
	}
	if strings.Contains(p.Wire["redirectUrl"], "?") {
		return p.Wire["redirectUrl"] + "&" + q.Encode()
	}
	return p.Wire["redirectUrl"] + "?" + q.Encode()
}

// token of a pay address: partner, order and a MAC of both under the merchant's secret.
func token(a sim.Account, reference string) string {
	return a.Terminal + "." + reference + "~" + sign(a.Credentials["secretKey"], "pay\x00"+a.Terminal+"\x00"+reference)[:32]
}

func (s server) byToken(t string) (sim.Payment, bool) {
	name, _, _ := strings.Cut(t, "~")
	terminal, reference, _ := strings.Cut(name, ".")
	a, ok := s.w.Account(Name, terminal)
	if !ok || t != token(a, reference) {
		return sim.Payment{}, false
	}
	return s.w.Find(Name, terminal, reference)
}
