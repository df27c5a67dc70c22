package momosim

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The fixed orders of what a signature covers (momo.md §2); accessKey comes from the account, not from the message.
const (
	createOrder = "accessKey amount extraData ipnUrl orderId orderInfo partnerCode redirectUrl requestId requestType"
	resultOrder = "accessKey amount extraData message orderId orderInfo orderType partnerCode payType requestId responseTime resultCode transId"
	queryOrder  = "accessKey orderId partnerCode requestId"
	refundOrder = "accessKey amount description orderId partnerCode requestId transId"
)

// raw is the text that is signed: values as they are, never encoded, an empty one for what is missing.
func raw(order, accessKey string, message map[string]string) string {
	parts := strings.Fields(order)
	for i, name := range parts {
		value := message[name]
		if name == "accessKey" {
			value = accessKey
		}
		parts[i] = name + "=" + value
	}
	return strings.Join(parts, "&")
}

// sign is HMAC-SHA256 in lower-case hex.
func sign(secretKey, data string) string {
	h := hmac.New(sha256.New, []byte(secretKey))
	h.Write([]byte(data))
	return hex.EncodeToString(h.Sum(nil))
}

// same compares two signatures on their bytes.
func same(a, b string) bool {
	x, errX := hex.DecodeString(a)
	y, errY := hex.DecodeString(b)
	return errX == nil && errY == nil && hmac.Equal(x, y)
}

// readMessage reads a JSON object, numbers by their digits and each name once. What is neither text, number nor truth
// value is not signed by any message and left out.
func readMessage(body []byte) (map[string]string, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	message := map[string]string{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		key, _ := name.(string)
		if _, twice := message[key]; twice {
			return nil, fmt.Errorf("%s comes twice", key)
		}
		switch v := value.(type) {
		case string:
			message[key] = v
		case json.Number:
			message[key] = v.String()
		case bool:
			message[key] = fmt.Sprint(v)
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return message, nil
}

// encodeJSON writes a body as MoMo does: & < > stay themselves.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
