package vnpay

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// profile is a way to write a value into the hash data; run-times differ in the characters they leave alone.
type profile int

const (
	profileP profile = iota // PHP urlencode: ours
	profileJ                // Java URLEncoder, URLSearchParams: keeps *
	profileG                // Go, Python quote_plus: keeps ~
	profileN                // encodeURIComponent with + for blank: keeps ! ~ * ' ( )
)

func encode(s string, p profile) string {
	s = url.QueryEscape(s)
	switch p {
	case profileP:
		s = strings.ReplaceAll(s, "~", "%7E")
	case profileJ:
		s = strings.NewReplacer("~", "%7E", "%2A", "*").Replace(s)
	case profileN:
		s = strings.NewReplacer("%21", "!", "%2A", "*", "%27", "'", "%28", "(", "%29", ")").Replace(s)
	}
	return s
}

// canonical is the hash data of an address, IPN or return.
func canonical(params map[string]string, p profile, keepEmpty bool) string {
	names := make([]string, 0, len(params))
	for name, value := range params {
		if strings.HasPrefix(name, "vnp_") && !isHash(name) && (value != "" || keepEmpty) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(encode(name, p))
		b.WriteByte('=')
		b.WriteString(encode(params[name], p))
	}
	return b.String()
}

func isHash(name string) bool { return name == "vnp_SecureHash" || name == "vnp_SecureHashType" }

func signedQuery(params map[string]string, secret []byte) string {
	data := canonical(params, profileP, false)
	return data + "&vnp_SecureHash=" + sign(data, secret)
}

func mac(data string, secret []byte) []byte {
	h := hmac.New(sha512.New, secret)
	h.Write([]byte(data))
	return h.Sum(nil)
}

func sign(data string, secret []byte) string { return hex.EncodeToString(mac(data, secret)) }

// verify compares decoded bytes, so the case of the hexadecimal digits does not matter, in constant time.
func verify(data, signature string, secrets [][]byte) bool {
	got, err := hex.DecodeString(signature)
	if err != nil || len(got) != sha512.Size {
		return false
	}
	for _, s := range secrets {
		if hmac.Equal(got, mac(data, s)) {
			return true
		}
	}
	return false
}

// query is an incoming query string.
type query struct {
	raw    []pair            // vnp_ pairs as they came, without the two hash ones, by name
	values map[string]string // all vnp_ values, decoded once
}

type pair struct{ name, text string } // text is "name=value" as it came

// parseQuery reads the raw query itself: a framework's parser decodes too early, drops pairs it dislikes and keeps the
// first of two. A vnp_ name that occurs twice, or that hides behind percent signs, is refused: signature and reading
// might each see another one.
func parseQuery(raw string) (query, error) {
	q := query{values: map[string]string{}}
	if len(raw) > maxQuery {
		return q, fmt.Errorf("%w: the query is too long", providers.ErrMalformed)
	}
	for part := range strings.SplitSeq(raw, "&") {
		rawName, rawValue, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			name = rawName
		}
		if !strings.HasPrefix(name, "vnp_") {
			continue // utm_source, fbclid and the like are not VNPAY's and are not signed
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil || name != rawName {
			return q, fmt.Errorf("%w: the encoding of a field", providers.ErrMalformed)
		}
		if _, twice := q.values[name]; twice {
			return q, fmt.Errorf("%w: a field occurs twice", providers.ErrMalformed)
		}
		q.values[name] = value
		if !isHash(name) {
			q.raw = append(q.raw, pair{name, part})
		}
	}
	if len(q.values) == 0 {
		return q, fmt.Errorf("%w: no field of VNPAY's", providers.ErrMalformed)
	}
	slices.SortFunc(q.raw, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	return q, nil
}

// signedWith tries the forms in which the same values may have been signed: as on the wire, then written anew by each
// known encoder; empty values left out, then kept. Each is an injective picture of the values and needs the secret, so
// trying several gives nothing away.
func (q query) signedWith(secrets [][]byte) bool {
	signature := q.values["vnp_SecureHash"]
	for _, keepEmpty := range []bool{false, true} {
		var wire []string
		for _, p := range q.raw {
			if q.values[p.name] != "" || keepEmpty {
				wire = append(wire, p.text)
			}
		}
		if verify(strings.Join(wire, "&"), signature, secrets) {
			return true
		}
		for _, p := range []profile{profileP, profileJ, profileG, profileN} {
			if verify(canonical(q.values, p, keepEmpty), signature, secrets) {
				return true
			}
		}
	}
	return false
}

// limit is how long a field may be, as VNPAY's page gives it.
func limit(name string) int {
	switch name {
	case "vnp_Amount":
		return 12
	case "vnp_TransactionNo":
		return 15
	case "vnp_ResponseCode", "vnp_TransactionStatus":
		return 2
	case "vnp_TxnRef":
		return 100
	}
	return 255
}

// notice reads a query whose signature was right.
func (q query) notice() (providers.Notice, error) {
	for _, name := range []string{"vnp_TxnRef", "vnp_Amount", "vnp_ResponseCode", "vnp_TransactionStatus"} {
		if q.values[name] == "" {
			return providers.Notice{}, fmt.Errorf("%w: %s is missing", providers.ErrMalformed, name)
		}
	}
	for name, v := range q.values {
		if !isHash(name) && len(v) > limit(name) {
			return providers.Notice{}, fmt.Errorf("%w: a field is too long", providers.ErrMalformed)
		}
	}
	amount, err := readAmount(q.values["vnp_Amount"])
	if err != nil {
		return providers.Notice{}, err
	}
	rc, st := q.values["vnp_ResponseCode"], q.values["vnp_TransactionStatus"]
	outcome, reason := combine(rc, st)
	return providers.Notice{
		Reference: q.values["vnp_TxnRef"], Outcome: outcome, Code: code(rc, st), Reason: reason, Amount: amount,
		Transaction: transaction(q.values["vnp_TransactionNo"]), PaidAt: readTime(q.values["vnp_PayDate"]),
	}, nil
}

// code is what people see: the response code, with the status where the two do not say the same.
func code(rc, st string) string {
	if (rc == "00") != (st == "00") {
		return rc + "/" + st
	}
	return rc
}

func transaction(no string) string {
	if no == "0" { // VNPAY's way to say that there is none
		return ""
	}
	return no
}

func wireAmount(a vnd.Amount) string { return a.String() + "00" }

// readAmount reads đồng × 100; part of a đồng is nothing that VNPAY could have taken.
func readAmount(s string) (vnd.Amount, error) {
	a, err := vnd.Parse(s)
	if err != nil || a%100 != 0 {
		return 0, fmt.Errorf("%w: vnp_Amount is not whole đồng × 100", providers.ErrMalformed)
	}
	return a / 100, nil
}

func wireTime(t time.Time) string { return t.In(zone()).Format(timeLayout) }

// readTime gives the zero time for what is no time: it decides nothing, so it must not stop a payment.
func readTime(s string) time.Time {
	t, err := time.ParseInLocation(timeLayout, s, zone())
	if err != nil {
		return time.Time{}
	}
	return t
}

func validReference(s string) bool {
	if len(s) < 1 || len(s) > 40 {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}

// sanitise reduces a text to what VNPAY takes and every encoder writes alike: no diacritics, no specials, 255 long.
func sanitise(s string) string {
	var b strings.Builder
	blank := false
	for _, r := range norm.NFD.String(strings.NewReplacer("đ", "d", "Đ", "D").Replace(s)) {
		switch {
		case r == ' ':
			blank = b.Len() > 0
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(".,:_-", r):
			if blank {
				b.WriteByte(' ')
				blank = false
			}
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String()[:min(b.Len(), 255)])
}

// Field orders of the JSON messages; the hash data are the values in this order with | between, raw.
func queryRequestOrder() []string {
	return []string{"vnp_RequestId", "vnp_Version", "vnp_Command", "vnp_TmnCode", "vnp_TxnRef", "vnp_TransactionDate", "vnp_CreateDate", "vnp_IpAddr", "vnp_OrderInfo"}
}

func queryResponseOrder() []string {
	return []string{"vnp_ResponseId", "vnp_Command", "vnp_ResponseCode", "vnp_Message", "vnp_TmnCode", "vnp_TxnRef", "vnp_Amount", "vnp_BankCode",
		"vnp_PayDate", "vnp_TransactionNo", "vnp_TransactionType", "vnp_TransactionStatus", "vnp_OrderInfo", "vnp_PromotionCode", "vnp_PromotionAmount"}
}

// ordered is the hash data of a JSON message; an absent value leaves its slot empty.
func ordered(order []string, value func(string) string) string {
	parts := make([]string, len(order))
	for i, name := range order {
		parts[i] = value(name)
	}
	return strings.Join(parts, "|")
}

// queryRequest is the body of a querydr; every value is a string, as in VNPAY's own Java sample.
type queryRequest struct {
	RequestID       string `json:"vnp_RequestId"`
	Version         string `json:"vnp_Version"`
	Command         string `json:"vnp_Command"`
	TmnCode         string `json:"vnp_TmnCode"`
	TxnRef          string `json:"vnp_TxnRef"`
	TransactionNo   string `json:"vnp_TransactionNo,omitempty"` // which row is meant; not signed
	TransactionDate string `json:"vnp_TransactionDate"`
	CreateDate      string `json:"vnp_CreateDate"`
	IPAddr          string `json:"vnp_IpAddr"`
	OrderInfo       string `json:"vnp_OrderInfo"`
	SecureHash      string `json:"vnp_SecureHash"`
}

func (r queryRequest) canonical() string {
	values := map[string]string{
		"vnp_RequestId": r.RequestID, "vnp_Version": r.Version, "vnp_Command": r.Command, "vnp_TmnCode": r.TmnCode, "vnp_TxnRef": r.TxnRef,
		"vnp_TransactionDate": r.TransactionDate, "vnp_CreateDate": r.CreateDate, "vnp_IpAddr": r.IPAddr, "vnp_OrderInfo": r.OrderInfo,
	}
	return ordered(queryRequestOrder(), func(n string) string { return values[n] })
}

// queryBody asks after a payment; number names the row that is meant, a refund's for one, "" = as VNPAY likes.
func (p *provider) queryBody(pay providers.Payment, number, requestID string, now time.Time) ([]byte, error) {
	if !validReference(pay.Reference) {
		return nil, fmt.Errorf("%w: the reference is not 1 to 40 letters and digits", providers.ErrConfig)
	}
	ip := address(p.account.ServerIP, "127.0.0.1")
	r := queryRequest{
		RequestID: requestID, Version: version, Command: "querydr", TmnCode: p.terminal, TxnRef: pay.Reference, TransactionNo: number,
		TransactionDate: wireTime(pay.CreatedAt), // VNPAY finds the payment by reference and the date it was created with
		CreateDate:      wireTime(now), IPAddr: ip, OrderInfo: "Truy van GD " + pay.Reference,
	}
	r.SecureHash = sign(r.canonical(), p.secrets[0])
	return providers.CompactJSON(r)
}

// readQuery reads a querydr's answer: signature first, then whose answer it is, and only then what it says. rc is 00 with a
// row's fields, or 91: there is no such transaction. An answer about the call itself moves no money whether signed or not:
// at most it says "not found", which may let a payment expire that can still succeed later.
func (p *provider) readQuery(pay providers.Payment, status int, body []byte) (v map[string]string, rc string, err error) {
	v, signed, err := p.readAnswer(queryResponseOrder(), body)
	if err != nil {
		return nil, "", err
	}
	uncertain := func(why string) error { return fmt.Errorf("%w: %s", providers.ErrUncertain, why) }
	rc = v["vnp_ResponseCode"]
	switch {
	case signed && (v["vnp_Command"] != "querydr" || v["vnp_TmnCode"] != p.terminal || v["vnp_TxnRef"] != pay.Reference),
		!signed && v["vnp_TxnRef"] != "" && v["vnp_TxnRef"] != pay.Reference:
		return nil, "", uncertain("the answer is about something else")
	case callOf(rc) == callNotFound:
		return v, codeNotFound, nil
	case callOf(rc) == callConfig:
		return nil, "", misconfigured(rc)
	case rc != "00" || !signed:
		return nil, "", uncertain(fmt.Sprintf("response code %q", rc))
	case status != http.StatusOK:
		return nil, "", uncertain(fmt.Sprintf("HTTP status %d with a success", status))
	}
	return v, rc, nil
}

// queryAnswer reads what a querydr says of a payment.
func (p *provider) queryAnswer(pay providers.Payment, status int, body []byte) (providers.Notice, error) {
	v, rc, err := p.readQuery(pay, status, body)
	if err != nil {
		return providers.Notice{}, err
	}
	if rc == codeNotFound {
		return providers.Notice{Reference: pay.Reference, Outcome: providers.NotFound, Code: rc}, nil
	}
	if v["vnp_TransactionType"] != typePayment {
		return providers.Notice{}, fmt.Errorf("%w: the answer describes a refund, not the payment", providers.ErrUncertain)
	}
	amount, err := readAmount(v["vnp_Amount"])
	if err != nil || amount == 0 {
		return providers.Notice{}, fmt.Errorf("%w: the answer's amount cannot be read", providers.ErrUncertain)
	}
	outcome, reason := statusOf(v["vnp_TransactionStatus"])
	return providers.Notice{
		Reference: pay.Reference, Outcome: outcome, Code: v["vnp_TransactionStatus"], Reason: reason, Amount: amount,
		Transaction: transaction(v["vnp_TransactionNo"]), PaidAt: readTime(v["vnp_PayDate"]),
	}, nil
}
