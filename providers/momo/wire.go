package momo

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// Orders of the signed fields. They are lists, never a map's order: another order is another signature.
func createOrder() []string {
	return []string{"accessKey", "amount", "extraData", "ipnUrl", "orderId", "orderInfo", "partnerCode", "redirectUrl", "requestId", "requestType"}
}

func callbackOrder() []string {
	return []string{"accessKey", "amount", "extraData", "message", "orderId", "orderInfo", "orderType", "partnerCode", "payType", "requestId",
		"responseTime", "resultCode", "transId"}
}

func queryOrder() []string { return []string{"accessKey", "orderId", "partnerCode", "requestId"} }

func refundOrder() []string {
	return []string{"accessKey", "amount", "description", "orderId", "partnerCode", "requestId", "transId"}
}

// canonical is the signed text: raw values, never encoded, escaped or normalised.
func canonical(order []string, value func(string) string) string {
	parts := make([]string, len(order))
	for i, name := range order {
		parts[i] = name + "=" + value(name)
	}
	return strings.Join(parts, "&")
}

func mac(data, secret string) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(data))
	return h.Sum(nil)
}

func sign(data, secret string) string { return hex.EncodeToString(mac(data, secret)) }

// signature signs what a request says, with the first keys.
func (p *provider) signature(order []string, values map[string]string) string {
	return sign(canonical(order, func(name string) string {
		if name == "accessKey" { // travels in the signature only
			return p.keys[0].access
		}
		return values[name]
	}), p.keys[0].secret)
}

// createRequest is the body of a create, in the order of MoMo's samples.
type createRequest struct {
	PartnerCode     string     `json:"partnerCode"`
	RedirectURL     string     `json:"redirectUrl"`
	IPNURL          string     `json:"ipnUrl"`
	Lang            string     `json:"lang"`
	ExtraData       string     `json:"extraData"`
	RequestType     string     `json:"requestType"`
	RequestID       string     `json:"requestId"`
	OrderID         string     `json:"orderId"`
	Amount          vnd.Amount `json:"amount"`
	OrderInfo       string     `json:"orderInfo"`
	AutoCapture     bool       `json:"autoCapture"`
	OrderExpireTime int        `json:"orderExpireTime,omitempty"`
	Signature       string     `json:"signature"`
}

func (r createRequest) values() map[string]string {
	return map[string]string{
		"amount": r.Amount.String(), "extraData": r.ExtraData, "ipnUrl": r.IPNURL, "orderId": r.OrderID, "orderInfo": r.OrderInfo,
		"partnerCode": r.PartnerCode, "redirectUrl": r.RedirectURL, "requestId": r.RequestID, "requestType": r.RequestType,
	}
}

func (p *provider) createRequest(pay providers.Payment) (createRequest, error) {
	k, ok := kindOf(pay.Method)
	switch {
	case !ok:
		return createRequest{}, fmt.Errorf("%w: MoMo has no method %q", providers.ErrRefused, pay.Method)
	case pay.Amount < k.min || pay.Amount > k.max:
		return createRequest{}, fmt.Errorf("%w: %s takes %s to %s đ", providers.ErrRefused, k.requestType, k.min, k.max)
	case !validID(pay.Reference):
		return createRequest{}, fmt.Errorf("%w: the reference is no orderId", providers.ErrRefused)
	case p.account.ReturnURL == "" || p.account.CallbackURL == "":
		return createRequest{}, fmt.Errorf("%w: the addresses for return and callback are needed", providers.ErrConfig)
	}
	info := sanitise(pay.Description)
	if info == "" {
		info = "Thanh toán " + pay.Reference
	}
	r := createRequest{
		PartnerCode: p.partner, RedirectURL: p.account.ReturnURL, IPNURL: p.account.CallbackURL, Lang: lang(pay.Locale), RequestType: k.requestType,
		RequestID: pay.Reference, OrderID: pay.Reference, // one reference to carry; create's requestId is its orderId
		Amount: pay.Amount, OrderInfo: info, AutoCapture: true,
	}
	if pay.Method == providers.MethodAny { // the collection link alone has a clock at MoMo; never past our own
		r.OrderExpireTime = int(min(pay.ExpiresAt.Sub(pay.CreatedAt), lifetime) / time.Minute)
		if r.OrderExpireTime < 1 {
			return createRequest{}, fmt.Errorf("%w: less than a minute is left to pay", providers.ErrRefused)
		}
	}
	r.Signature = p.signature(createOrder(), r.values())
	return r, nil
}

// queryRequest is the body of a query of a payment or of a refund.
type queryRequest struct {
	PartnerCode string `json:"partnerCode"`
	RequestID   string `json:"requestId"`
	OrderID     string `json:"orderId"`
	Lang        string `json:"lang"`
	Signature   string `json:"signature"`
}

func (r queryRequest) values() map[string]string {
	return map[string]string{"orderId": r.OrderID, "partnerCode": r.PartnerCode, "requestId": r.RequestID}
}

func (p *provider) queryRequest(orderID, requestID, locale string) (queryRequest, error) {
	if !validID(orderID) {
		return queryRequest{}, fmt.Errorf("%w: the reference is no orderId", providers.ErrConfig)
	}
	r := queryRequest{PartnerCode: p.partner, RequestID: requestID, OrderID: orderID, Lang: lang(locale)}
	r.Signature = p.signature(queryOrder(), r.values())
	return r, nil
}

// refundRequest is the body of a refund.
type refundRequest struct {
	PartnerCode string     `json:"partnerCode"`
	OrderID     string     `json:"orderId"`
	RequestID   string     `json:"requestId"`
	Amount      vnd.Amount `json:"amount"`
	TransID     int64      `json:"transId"`
	Lang        string     `json:"lang"`
	Description string     `json:"description"`
	Signature   string     `json:"signature"`
}

func (r refundRequest) values() map[string]string {
	return map[string]string{
		"amount": r.Amount.String(), "description": r.Description, "orderId": r.OrderID, "partnerCode": r.PartnerCode, "requestId": r.RequestID,
		"transId": strconv.FormatInt(r.TransID, 10),
	}
}

// refundRequest checks what can be known before sending; nothing was sent then, so the refund may be made anew.
func (p *provider) refundRequest(pay providers.Payment, r providers.Refund) (refundRequest, error) {
	not := func(why string) (refundRequest, error) {
		return refundRequest{}, &providers.NotSentError{Why: why}
	}
	trans, err := strconv.ParseInt(pay.Transaction, 10, 64)
	switch {
	case err != nil || trans <= 0:
		return not("MoMo's transaction of the payment is not known")
	case !validID(r.Reference) || r.Reference == pay.Reference:
		return not("a refund needs a reference of its own")
	case r.Amount < 1_000 || r.Amount > 50_000_000:
		return not("MoMo refunds 1000 to 50000000 đ at a time")
	}
	req := refundRequest{
		PartnerCode: p.partner, OrderID: r.Reference, RequestID: r.Reference, Amount: r.Amount, TransID: trans, Lang: "vi",
		Description: sanitise(r.Description),
	}
	req.Signature = p.signature(refundOrder(), req.values())
	return req, nil
}

func newRequestID() string { return "Q" + rand.Text() }

func lang(locale string) string {
	if locale == "en" {
		return "en"
	}
	return "vi"
}

// validID holds to ^[0-9a-zA-Z]([-_.]*[0-9a-zA-Z]+)*$ and 50 characters.
func validID(s string) bool {
	if s == "" || len(s) > 50 {
		return false
	}
	letter := false
	for i := range len(s) {
		c := s[i]
		letter = c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("-_.", rune(c))) {
			return false
		}
	}
	return letter
}

// sanitise keeps Vietnamese as it is, and takes out what would make the signed text ambiguous: & and = separate its
// fields and nothing escapes them.
func sanitise(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '&' || r == '=' || r == utf8.RuneError || unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 200 {
		s = strings.TrimSpace(string(r[:200]))
	}
	return s
}

// milliseconds reads MoMo's clock; the zero time for what is none.
func milliseconds(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > 1<<43 { // 2248: beyond lies no payment
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

// integer reports whether s is a whole number in plain decimal, as MoMo's long and int are.
func integer(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(digits) > 19 || (len(digits) > 1 && digits[0] == '0') {
		return false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}
