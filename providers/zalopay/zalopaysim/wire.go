package zalopaysim

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"feegate/providers/sim"
)

// The fixed orders of what a mac covers (zalopay.md §2 to §8). key1 stands in two of them as a value; a fee that was not
// sent is left out.
const (
	createOrder      = "app_id app_trans_id app_user amount app_time embed_data item"
	queryOrder       = "app_id app_trans_id key1"
	refundOrder      = "app_id zp_trans_id amount refund_fee_amount? description timestamp"
	refundQueryOrder = "app_id m_refund_id timestamp"
	redirectOrder    = "appid apptransid pmcid bankcode amount discountamount status"
)

// piped joins the raw values of an order with |.
func piped(order, key1 string, values map[string]string) string {
	var parts []string
	for name := range strings.FieldsSeq(order) {
		optional := strings.HasSuffix(name, "?")
		value := values[strings.TrimSuffix(name, "?")]
		if name == "key1" {
			value = key1
		}
		if optional && value == "" {
			continue
		}
		parts = append(parts, value)
	}
	return strings.Join(parts, "|")
}

// mac is HMAC-SHA256 in lower-case hex.
func mac(key, data string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(data))
	return hex.EncodeToString(h.Sum(nil))
}

// same compares two macs on their bytes.
func same(a, b string) bool {
	x, errX := hex.DecodeString(a)
	y, errY := hex.DecodeString(b)
	return errX == nil && errY == nil && hmac.Equal(x, y)
}

// readForm decodes a form once; a name that comes twice makes it unreadable.
func readForm(body []byte) (map[string]string, bool) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, false
	}
	form := make(map[string]string, len(values))
	for name, v := range values {
		if len(v) != 1 {
			return nil, false
		}
		form[name] = v[0]
	}
	return form, true
}

// encodeJSON writes a body as ZaloPay does: & < > stay themselves.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// day is how every id begins.
func day(t time.Time) string { return t.In(sim.Zone()).Format("060102") }

// millis reads a Unix time in milliseconds and holds it to the tolerance of a quarter of an hour.
func millis(s string, now time.Time) (fresh bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return false
	}
	d := now.Sub(time.UnixMilli(n))
	return d <= 15*time.Minute && d >= -15*time.Minute
}
