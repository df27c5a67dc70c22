package vnpaysim

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers/sim"
)

// stamp is VNPAY's time: yyyyMMddHHmmss, GMT+7.
const stamp = "20060102150405"

func stamped(t time.Time) string { return t.In(sim.Zone()).Format(stamp) }

func readStamp(s string) (time.Time, error) { return time.ParseInLocation(stamp, s, sim.Zone()) }

// mac is HMAC-SHA512 in lower-case hex.
func mac(secret, data string) string {
	h := hmac.New(sha512.New, []byte(secret))
	h.Write([]byte(data))
	return hex.EncodeToString(h.Sum(nil))
}

// same compares two MACs on their bytes, whatever the case of the hex.
func same(a, b string) bool {
	x, errX := hex.DecodeString(a)
	y, errY := hex.DecodeString(b)
	return errX == nil && errY == nil && hmac.Equal(x, y)
}

// encode is form encoding as PHP's urlencode writes it: letters, digits, - _ . stay, a space is +, the rest is %XX.
func encode(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
			b.WriteByte(c)
		case c == ' ':
			b.WriteByte('+')
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}

// canonical is what the signature of a query covers: vnp_ parameters that have a value, without the hash itself, by name.
func canonical(params map[string]string) string {
	names := make([]string, 0, len(params))
	for name, v := range params {
		if strings.HasPrefix(name, "vnp_") && name != "vnp_SecureHash" && name != "vnp_SecureHashType" && v != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = encode(name) + "=" + encode(params[name])
	}
	return strings.Join(names, "&")
}

// signedQuery is the canonical string with its signature last, as VNPAY sends IPN and return.
func signedQuery(secret string, params map[string]string) string {
	q := canonical(params)
	return q + "&vnp_SecureHash=" + mac(secret, q)
}

// readQuery decodes a raw query once; a name that comes twice cannot be trusted and makes it unreadable.
func readQuery(raw string) (map[string]string, bool) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, false
	}
	params := make(map[string]string, len(values))
	for name, v := range values {
		if strings.HasPrefix(name, "vnp_") && len(v) != 1 {
			return nil, false
		}
		params[name] = v[0]
	}
	return params, true
}

// The fixed field orders of the server calls (vnpay.md §5 and §6), each name without its vnp_.
const (
	queryRequest   = "RequestId Version Command TmnCode TxnRef TransactionDate CreateDate IpAddr OrderInfo"
	queryResponse  = "ResponseId Command ResponseCode Message TmnCode TxnRef Amount BankCode PayDate TransactionNo TransactionType TransactionStatus OrderInfo PromotionCode PromotionAmount"
	refundRequest  = "RequestId Version Command TmnCode TransactionType TxnRef Amount TransactionNo TransactionDate CreateBy CreateDate IpAddr OrderInfo"
	refundResponse = "ResponseId Command ResponseCode Message TmnCode TxnRef Amount BankCode PayDate TransactionNo TransactionType TransactionStatus OrderInfo"
)

// piped joins the values of a field order with |, an empty slot for what is missing.
func piped(order string, body map[string]string) string {
	parts := strings.Fields(order)
	for i, name := range parts {
		parts[i] = body["vnp_"+name]
	}
	return strings.Join(parts, "|")
}

// hundredfold is an amount as VNPAY writes it: đồng × 100.
func hundredfold(a vnd.Amount) string {
	if a == 0 {
		return "0"
	}
	return a.String() + "00"
}

// wholeDong reads an amount × 100; a fraction of a đồng is not an amount.
func wholeDong(s string) (vnd.Amount, bool) {
	digits, ok := strings.CutSuffix(s, "00")
	if !ok {
		return 0, false
	}
	a, err := vnd.Parse(digits)
	return a, err == nil
}
