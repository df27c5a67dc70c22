// Package zalopaysim plays ZaloPay's OpenAPI v2 on its true wire: create, query, refund, query_refund and cancel, the
// payer's page, callback and redirect, and a settlement file of the layout that we assume.
//
// It is written from the vendor's notes alone and shares no line with the adapter. Only cmd/simulator and tests import it.
// The ledger knows a payment and a refund by the merchant's own reference, which is the last part of their ids: so the
// control calls take what the gateway calls provider_reference.
package zalopaysim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"feegate/providers/sim"
)

// Name of the provider in addresses.
const Name = "zalopay"

// Paths below the simulator's address; the adapter's base address is …/zalopay.
const (
	apiPath    = "/zalopay/v2/"
	payPath    = "/zalopay/openinapp"
	choicePath = "/zalopay/openinapp/choice"
)

// Wire is ZaloPay.
type Wire struct{}

// New makes the wire.
func New() sim.Wire { return Wire{} }

// Name of the provider.
func (Wire) Name() string { return Name }

// Credentials of a merchant's app.
func (Wire) Credentials() []string { return []string{"app_id", "key1", "key2"} }

// DeclineCode -217 is "the bank said no".
func (Wire) DeclineCode() string { return strconv.Itoa(subBank) }

// Retries: the first call and three more. How far apart they are is not published.
func (Wire) Retries() (int, time.Duration) { return 4, 5 * time.Minute }

// Delivered: only a 0 asks for another call, and what was not answered.
func (Wire) Delivered(status int, body []byte) bool {
	var a struct {
		Code *int `json:"return_code"`
	}
	return status == http.StatusOK && json.Unmarshal(body, &a) == nil && a.Code != nil && *a.Code != 0
}

// Routes of the wire.
func (Wire) Routes(w *sim.World) map[string]http.HandlerFunc {
	s := server{w}
	return map[string]http.HandlerFunc{
		"POST " + apiPath + "create":       s.call(sim.Checkout, createOrder, s.create),
		"POST " + apiPath + "query":        s.call(sim.Lookup, queryOrder, s.query),
		"POST " + apiPath + "refund":       s.call(sim.RefundOp, refundOrder, s.refund),
		"POST " + apiPath + "query_refund": s.call(sim.Lookup, refundQueryOrder, s.refundQuery),
		"POST " + apiPath + "cancel":       s.call(sim.Lookup, queryOrder, s.cancel),
		"GET " + payPath:                   s.pay,
		"POST " + choicePath:               s.choose,
	}
}

// channel is the number of the way that the order was paid by.
func channel(p sim.Payment) int {
	switch {
	case strings.Contains(p.Wire["embed_data"], "international_card"):
		return 36
	case strings.Contains(p.Wire["embed_data"], "vietqr"):
		return 37
	case strings.Contains(p.Wire["embed_data"], "domestic_card"):
		return 39
	}
	return 38
}

// orderID is the payment's id on the wire. One that was entered in bulk had no create: its day stands for it.
func orderID(p sim.Payment, at time.Time) string {
	if id := p.Wire["app_trans_id"]; id != "" {
		return id
	}
	return day(at) + "_" + p.Reference
}

// Callback is the call to the address that the create named, after a success: of anything else ZaloPay tells nobody.
func (Wire) Callback(a sim.Account, p sim.Payment, m sim.Message) (sim.Outgoing, error) {
	if m.Said != sim.Succeeded {
		return sim.Outgoing{}, sim.ErrSilent
	}
	address := p.Wire["callback_url"]
	if address == "" {
		address = a.CallbackURL
	}
	if address == "" {
		return sim.Outgoing{}, errors.New("neither the create's callback_url nor the account's is known")
	}
	app, err := strconv.ParseInt(a.Terminal, 10, 64)
	if err != nil {
		return sim.Outgoing{}, fmt.Errorf("app_id: %w", err)
	}
	begun, _ := strconv.ParseInt(p.Wire["app_time"], 10, 64) // 0 for one that was entered in bulk
	user := "FAKE" + mac("user", p.Reference)[:12]
	data, err := encodeJSON(struct {
		App      int64       `json:"app_id"`
		Order    string      `json:"app_trans_id"`
		Time     int64       `json:"app_time"`
		User     string      `json:"app_user"`
		Amount   json.Number `json:"amount"`
		Embed    string      `json:"embed_data"`
		Item     string      `json:"item"`
		Trans    json.Number `json:"zp_trans_id"`
		Server   int64       `json:"server_time"`
		Channel  int         `json:"channel"`
		Merchant string      `json:"merchant_user_id"`
		Payer    string      `json:"zp_user_id"`
		UserFee  int64       `json:"user_fee_amount"`
		Discount int64       `json:"discount_amount"`
	}{app, orderID(p, m.At), begun, p.Wire["app_user"], json.Number(m.Amount.String()), p.Wire["embed_data"], p.Wire["item"], json.Number(p.Transaction),
		m.At.UnixMilli(), channel(p), user, user, 0, 0})
	if err != nil {
		return sim.Outgoing{}, err
	}
	key := a.Credentials["key2"]
	if m.Forge {
		key = "not " + key
	}
	body, err := encodeJSON(struct {
		Data string `json:"data"`
		Mac  string `json:"mac"`
		Type int    `json:"type"`
	}{string(data), mac(key, string(data)), 1})
	return sim.Outgoing{Method: http.MethodPost, URL: address, ContentType: "application/json", Body: body}, err
}

// Settlement is the layout of zalopay.md §9.
func (Wire) Settlement() sim.SettlementFormat {
	return sim.SettlementFormat{
		Filename: func(terminal, day string) string {
			return fmt.Sprintf("zalopay_%s_%s.csv", terminal, strings.ReplaceAll(day, "-", ""))
		},
		Header: strings.Split("trans_date,type,app_id,app_trans_id,zp_trans_id,m_refund_id,refund_id,amount,discount_amount,fee_amount,net_amount,status,channel", ","),
		Row: func(l sim.Line) []string {
			p := l.Payment
			kind, refund, transaction, back := "PAYMENT", "", l.Transaction, ""
			if l.Refund {
				kind, refund, transaction, back = "REFUND", refundID(l), p.Transaction, l.Transaction
			}
			paid := p.PaidAt
			if paid.IsZero() {
				paid = l.Time
			}
			return []string{l.Time.In(sim.Zone()).Format(time.DateTime), kind, p.Account, orderID(p, paid), transaction, refund, back, l.Amount.String(), "0",
				l.Fee.String(), l.Net().String(), "SUCCESS", strconv.Itoa(channel(p))}
		},
	}
}

// refundID is a refund's id on the wire; one made by hand in the merchant's portal is given one alike.
func refundID(l sim.Line) string {
	if i := slices.IndexFunc(l.Payment.Refunds, func(r sim.Refund) bool { return r.Reference == l.Reference }); i >= 0 && l.Payment.Refunds[i].RequestID != l.Reference {
		return l.Payment.Refunds[i].RequestID
	}
	return day(l.Time) + "_" + l.Payment.Account + "_" + l.Reference
}

type server struct{ w *sim.World }

// pay is the page behind order_url. The token keeps anybody from walking through orders.
func (s server) pay(rw http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("order")
	p, ok := s.byToken(token)
	if !ok {
		sim.Page{Lang: "vi", Provider: "ZaloPay", Title: "Không tìm thấy đơn hàng", Note: "Hãy quay lại trang của cơ quan thu và thử lại."}.Write(rw, http.StatusNotFound)
		return
	}
	page := sim.Page{Lang: "vi", Provider: "ZaloPay", Title: "Thanh toán " + p.Amount.Format(),
		Lines: []sim.PageLine{{Name: "Nội dung", Value: p.Wire["description"]}, {Name: "Mã đơn hàng", Value: p.Wire["app_trans_id"]},
			{Name: "Đơn vị nhận", Value: p.Account}}}
	switch p.State {
	case sim.Succeeded:
		page.Title = "Đơn hàng đã thanh toán"
	case sim.Expired:
		page.Title = "Đơn hàng đã hết hạn"
	default:
		page.Action, page.Hidden = choicePath, map[string]string{"order": token}
		page.Choices = []sim.PageChoice{{Value: "pay", Label: "Thanh toán", Main: true}, {Value: "back", Label: "Hủy"},
			{Value: strconv.Itoa(subPIN), Label: "Sai mật khẩu ví"}, {Value: strconv.Itoa(subNoFunds), Label: "Số dư không đủ"}}
	}
	page.Write(rw, http.StatusOK)
}

// choose is a button of the payer's page: after a payment the callback goes out, then the browser goes back to the
// merchant. Who leaves without paying changes nothing: the order can be paid until its end.
func (s server) choose(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, sim.MaxWireBody)
	choice := r.PostFormValue("choice")
	p, ok := s.byToken(r.PostFormValue("order"))
	d := sim.Decision{Outcome: sim.OutcomeSucceed, Account: p.Account}
	switch choice {
	case "pay", "back":
	case strconv.Itoa(subPIN), strconv.Itoa(subNoFunds):
		d.Outcome, d.Code = sim.OutcomeDecline, choice
	default:
		ok = false
	}
	if !ok {
		sim.Page{Lang: "vi", Provider: "ZaloPay", Title: "Không tìm thấy đơn hàng"}.Write(rw, http.StatusNotFound)
		return
	}
	if choice != "back" && p.State != sim.Succeeded && p.State != sim.Expired {
		// The payer may close the page at once; what was decided must reach the gateway all the same.
		if _, err := s.w.Decide(context.WithoutCancel(r.Context()), Name, p.Reference, d); err != nil {
			sim.Page{Lang: "vi", Provider: "ZaloPay", Title: "Có lỗi, hãy thử lại", Note: err.Error()}.Write(rw, http.StatusConflict)
			return
		}
		p, _ = s.w.Find(Name, p.Account, p.Reference)
	}
	http.Redirect(rw, r, s.redirectURL(p), http.StatusSeeOther)
}

// redirectURL is the way back, with what the browser saw.
func (s server) redirectURL(p sim.Payment) string {
	a, _ := s.w.Account(Name, p.Account)
	status, amount := "-49", p.Amount
	switch p.State {
	case sim.Succeeded:
		status, amount = "1", p.Taken
	case sim.Declined:
		status = p.Code
	}
	values := map[string]string{"appid": p.Account, "apptransid": p.Wire["app_trans_id"], "pmcid": strconv.Itoa(channel(p)), "bankcode": "",
		"amount": amount.String(), "discountamount": "0", "status": status}
	values["checksum"] = mac(a.Credentials["key2"], piped(redirectOrder, "", values))
	q := url.Values{}
	for name, v := range values {
		q.Set(name, v)
	}
	var embed struct {
		Back string `json:"redirecturl"`
	}
	_ = json.Unmarshal([]byte(p.Wire["embed_data"]), &embed) // an order without one leads nowhere
	if strings.Contains(embed.Back, "?") {
		return embed.Back + "&" + q.Encode()
	}
	return embed.Back + "?" + q.Encode()
}

// token of a pay address: app, order and a mac of both under the merchant's key.
func token(a sim.Account, reference string) string {
	return a.Terminal + "." + reference + "~" + mac(a.Credentials["key1"], "pay\x00"+a.Terminal+"\x00"+reference)[:32]
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
