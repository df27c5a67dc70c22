package zalopay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"feegate/gateway/vnd"
	"feegate/providers"
)

const (
	maxOrderID  = 40
	maxRefundID = 45
	maxEmbed    = 1024
	maxInfo     = 256
	maxRefund   = 100 // characters of a refund's description

	minExpire = 300 * time.Second
	maxExpire = 2_592_000 * time.Second

	// tolerance is how far a request's time may lie back, with a little left for its way.
	tolerance = 14 * time.Minute

	// appUser is who pays, as far as ZaloPay must be told: no payer's name leaves the house.
	appUser = "feegate"
)

func mac(data, key string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(data))
	return h.Sum(nil)
}

func sign(data, key string) string { return hex.EncodeToString(mac(data, key)) }

// canonical is the signed text: raw values with | between, before any encoding.
func canonical(values ...string) string { return strings.Join(values, "|") }

// verified tries key2 of every active pair, in constant time over decoded bytes.
func (p *provider) verified(data, signature string) bool {
	got, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	for _, k := range p.keys {
		if hmac.Equal(got, mac(data, k.key2)) {
			return true
		}
	}
	return false
}

// dated is ZaloPay's way to begin an id: the day in Vietnam.
func dated(t time.Time) string { return t.In(zone()).Format("060102") }

// orderID is a payment's id at ZaloPay; its date is frozen at the payment's creation.
func orderID(pay providers.Payment) string { return dated(pay.CreatedAt) + "_" + pay.Reference }

// referenceOf takes our reference out of an order's id. An id that we never make is given whole: it is nobody's here.
func referenceOf(orderID string) string {
	day, reference, _ := strings.Cut(orderID, "_")
	if len(day) != 6 || !digits(day) || !validReference(reference, maxOrderID-7) {
		return orderID
	}
	return reference
}

// refundID is a refund's id at ZaloPay: of its first submission, so that each sending has the same.
func (p *provider) refundID(r providers.Refund) string {
	return dated(r.CreatedAt) + "_" + p.app + "_" + r.Reference
}

// refundReferenceOf takes our reference out of a refund's id, as referenceOf does.
func refundReferenceOf(app, id string) string {
	day, rest, _ := strings.Cut(id, "_")
	reference, ours := strings.CutPrefix(rest, app+"_")
	if len(day) != 6 || !digits(day) || !ours || !validReference(reference, maxRefundID) {
		return id
	}
	return reference
}

// embedData goes as a text within the form; ZaloPay signs and echoes its bytes.
type embedData struct {
	Redirect string   `json:"redirecturl"`
	Methods  []string `json:"preferred_payment_method"`
}

func methods(m providers.Method) ([]string, bool) {
	switch m {
	case providers.MethodAny:
		return []string{}, true // all that the app has
	case providers.MethodWallet:
		return []string{"zalopay_wallet"}, true
	case providers.MethodQR:
		return []string{"vietqr"}, true
	case providers.MethodATM:
		return []string{"domestic_card", "account"}, true
	case providers.MethodCard:
		return []string{"international_card"}, true
	}
	return nil, false
}

// createForm is the request of a create. Its time is the payment's own, so that the same payment makes the same bytes.
//
// ZaloPay takes neither an id of another day nor a time long past. A payment that waited that long, or over midnight, is
// not sent under another id of the same reference: it was not sent, has failed, and the payer's next try is a new one.
func (p *provider) createForm(pay providers.Payment, now time.Time) (url.Values, error) {
	ways, ok := methods(pay.Method)
	expire := expiry(pay).Sub(pay.CreatedAt)
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: ZaloPay has no method %q", providers.ErrRefused, pay.Method)
	case pay.Amount <= 0:
		return nil, fmt.Errorf("%w: no amount", providers.ErrRefused)
	case !validReference(pay.Reference, maxOrderID-7):
		return nil, fmt.Errorf("%w: the reference is not 1 to %d letters and digits", providers.ErrRefused, maxOrderID-7)
	case p.account.ReturnURL == "" || p.account.CallbackURL == "":
		return nil, fmt.Errorf("%w: the addresses for return and callback are needed", providers.ErrConfig)
	case dated(now) != dated(pay.CreatedAt):
		return nil, &providers.NotSentError{Why: "the payment is of another day: begin a new one"}
	case now.Sub(pay.CreatedAt) > tolerance || pay.CreatedAt.Sub(now) > tolerance:
		return nil, &providers.NotSentError{Why: "the payment was begun too long ago: begin a new one"}
	case !now.Before(pay.ExpiresAt):
		return nil, fmt.Errorf("%w: no time is left to pay", providers.ErrRefused)
	}
	embed, err := providers.CompactJSON(embedData{p.account.ReturnURL, ways})
	if err != nil || len(embed) > maxEmbed {
		return nil, fmt.Errorf("%w: the return address is too long", providers.ErrConfig)
	}
	info := sanitise(pay.Description, maxInfo)
	if info == "" {
		info = "Thanh toán " + pay.Reference
	}
	f := url.Values{
		"app_id": {p.app}, "app_trans_id": {orderID(pay)}, "app_user": {appUser}, "app_time": {milliseconds(pay.CreatedAt)}, "amount": {pay.Amount.String()},
		"item": {"[]"}, "embed_data": {string(embed)}, "description": {info}, "bank_code": {""}, "callback_url": {p.account.CallbackURL},
		"expire_duration_seconds": {strconv.FormatInt(int64(expire/time.Second), 10)},
	}
	f.Set("mac", sign(createText(f.Get), p.keys[0].key1))
	return f, nil
}

func createText(v func(string) string) string {
	return canonical(v("app_id"), v("app_trans_id"), v("app_user"), v("amount"), v("app_time"), v("embed_data"), v("item"))
}

// expiry is when ZaloPay ends the order. It knows no life below five minutes: an order with less left lives on there a
// little longer than here, and what is paid then is late money.
func expiry(pay providers.Payment) time.Time {
	return pay.CreatedAt.Add(min(max(pay.ExpiresAt.Sub(pay.CreatedAt), minExpire), maxExpire))
}

// orderForm is the request of a query and of a cancel; both sign the key itself as their third value.
func (p *provider) orderForm(pay providers.Payment) (url.Values, error) {
	if !validReference(pay.Reference, maxOrderID-7) {
		return nil, fmt.Errorf("%w: the reference is not 1 to %d letters and digits", providers.ErrConfig, maxOrderID-7)
	}
	f := url.Values{"app_id": {p.app}, "app_trans_id": {orderID(pay)}}
	f.Set("mac", sign(orderText(f.Get, p.keys[0].key1), p.keys[0].key1))
	return f, nil
}

func orderText(v func(string) string, key1 string) string {
	return canonical(v("app_id"), v("app_trans_id"), key1)
}

// refundForm checks what can be known before sending; nothing was sent then, so the refund may be made anew.
func (p *provider) refundForm(pay providers.Payment, r providers.Refund, now time.Time) (url.Values, error) {
	not := func(why string) (url.Values, error) { return nil, &providers.NotSentError{Why: why} }
	id := p.refundID(r)
	switch {
	case !digits(pay.Transaction) || len(pay.Transaction) > 15:
		return not("ZaloPay's transaction of the payment is not known")
	case !validReference(r.Reference, maxRefundID) || len(id) > maxRefundID || r.Reference == pay.Reference:
		return not("a refund needs a reference of its own, of letters and digits")
	case r.Amount <= 0:
		return not("no amount")
	case dated(now) != dated(r.CreatedAt):
		return not("the refund is of another day, which ZaloPay does not take: send it anew")
	}
	info := sanitise(r.Description, maxRefund)
	if info == "" {
		info = "Hoàn tiền"
	}
	f := url.Values{
		"app_id": {p.app}, "m_refund_id": {id}, "zp_trans_id": {pay.Transaction}, "amount": {r.Amount.String()}, "timestamp": {milliseconds(now)},
		"description": {info},
	}
	f.Set("mac", sign(refundText(f.Get), p.keys[0].key1))
	return f, nil
}

// refundText leaves the refund's id out, as ZaloPay does; the fee stands in it only where one is sent, which we never do.
func refundText(v func(string) string) string {
	values := []string{v("app_id"), v("zp_trans_id"), v("amount")}
	if fee := v("refund_fee_amount"); fee != "" {
		values = append(values, fee)
	}
	return canonical(append(values, v("description"), v("timestamp"))...)
}

func (p *provider) refundQueryForm(r providers.Refund, now time.Time) (url.Values, error) {
	id := p.refundID(r)
	if !validReference(r.Reference, maxRefundID) || len(id) > maxRefundID {
		return nil, fmt.Errorf("%w: the refund's reference does not fit the wire", providers.ErrConfig)
	}
	f := url.Values{"app_id": {p.app}, "m_refund_id": {id}, "timestamp": {milliseconds(now)}}
	f.Set("mac", sign(refundQueryText(f.Get), p.keys[0].key1))
	return f, nil
}

func refundQueryText(v func(string) string) string {
	return canonical(v("app_id"), v("m_refund_id"), v("timestamp"))
}

func returnText(v func(string) string) string {
	return canonical(v("appid"), v("apptransid"), v("pmcid"), v("bankcode"), v("amount"), v("discountamount"), v("status"))
}

func milliseconds(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// readMilliseconds gives the zero time for what is none: it decides nothing, so it must not stop a payment.
func readMilliseconds(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > 1<<43 { // 2248: beyond lies no payment
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

// readAmount reads đồng; 0 is no amount of a payment.
func readAmount(s string) (vnd.Amount, error) {
	a, err := vnd.Parse(s)
	if err != nil || a <= 0 {
		return 0, fmt.Errorf("%w: amount", providers.ErrMalformed)
	}
	return a, nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func validReference(s string, most int) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != "" && len(s) <= most
}

// sanitise keeps Vietnamese as it is and takes out what breaks lines; most counts characters.
func sanitise(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		s = strings.TrimSpace(string(r[:most]))
	}
	return s
}
