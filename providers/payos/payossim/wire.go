package payossim

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// hash is HMAC-SHA256 in lower-case hex.
func hash(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

// encode writes JSON as JavaScript does; the names of a map come in order.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// sealed is an envelope with data and its signature: name=value of all that is there, by name.
func sealed(key string, data map[string]any) ([]byte, error) {
	names := make([]string, 0, len(data))
	for name := range data {
		names = append(names, name)
	}
	slices.Sort(names)
	var parts []string
	for _, name := range names {
		value := ""
		switch v := data[name].(type) {
		case nil:
		case string:
			if value = v; v == "null" || v == "undefined" {
				value = ""
			}
		default: // numbers as they are, lists as JSON with the names of each element in order
			raw, err := encode(v)
			if err != nil {
				return nil, err
			}
			value = string(raw)
		}
		parts = append(parts, name+"="+value)
	}
	return encode(map[string]any{"code": "00", "desc": "success", "success": true, "data": data, "signature": hash(key, strings.Join(parts, "&"))})
}

// signedCreate is what a create signs.
func signedCreate(m map[string]string) string {
	return fmt.Sprintf("amount=%s&cancelUrl=%s&description=%s&orderCode=%s&returnUrl=%s", m["amount"], m["cancelUrl"], m["description"], m["orderCode"], m["returnUrl"])
}
