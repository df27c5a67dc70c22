package paper

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// Orders of the signed fields: lists, never a map's order.
func payOrder() []string {
	return []string{"terminal", "reference", "amount", "text", "expires", "return"}
}

func queryOrder() []string { return []string{"terminal", "reference"} }

func callbackOrder() []string {
	return []string{"terminal", "reference", "amount", "code", "transaction", "paid_at", "text"}
}

// message is a message's fields as text; digits are as received.
type message map[string]string

// canonical is the signed text: name=value, each value encoded, joined by &.
func canonical(order []string, m message) string {
	parts := make([]string, len(order))
	for i, name := range order {
		parts[i] = name + "=" + url.QueryEscape(m[name])
	}
	return strings.Join(parts, "&")
}

func mac(data, secret string) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(data))
	return h.Sum(nil)
}

func sign(data, secret string) string { return hex.EncodeToString(mac(data, secret)) }

// signedWith tries every active secret, in constant time over decoded bytes.
func (m message) signedWith(secrets []string) bool {
	got, err := hex.DecodeString(m["mac"])
	if err != nil {
		return false
	}
	for _, secret := range secrets {
		if hmac.Equal(got, mac(canonical(callbackOrder(), m), secret)) {
			return true
		}
	}
	return false
}

func (p *provider) payFields(pay providers.Payment) message {
	return message{"terminal": p.terminal, "reference": pay.Reference, "amount": pay.Amount.String(), "text": pay.Description,
		"expires": pay.ExpiresAt.UTC().Format(time.RFC3339), "return": p.account.ReturnURL}
}

func (p *provider) queryBody(pay providers.Payment) ([]byte, error) {
	m := message{"terminal": p.terminal, "reference": pay.Reference}
	m["mac"] = sign(canonical(queryOrder(), m), p.secrets[0])
	return providers.CompactJSON(m)
}

// readMessage reads exactly the fields of a callback: each there, each once.
func readMessage(b []byte) (message, error) {
	o, err := providers.ParseObject(b, maxBody)
	if err != nil {
		return nil, err
	}
	m := message{}
	for _, name := range append(callbackOrder(), "mac") {
		if m[name], err = o.Text(name); err != nil {
			return nil, err
		}
		if _, there := o[name]; !there {
			return nil, fmt.Errorf("%w: %s is missing", providers.ErrMalformed, name)
		}
	}
	return m, nil
}

func readCallback(c providers.Callback) (message, error) {
	if c.Return || c.Method != http.MethodPost {
		return nil, providers.ErrWrongMethod
	}
	return readMessage(c.Body)
}

func (m message) notice() (providers.Notice, error) {
	amount, err := vnd.Parse(m["amount"])
	if err != nil || m["reference"] == "" {
		return providers.Notice{}, fmt.Errorf("%w: amount or reference", providers.ErrMalformed)
	}
	said := paymentMeaning(m["code"])
	paid, _ := time.Parse(time.RFC3339, m["paid_at"]) // the zero time where it is none: it decides nothing
	return providers.Notice{Reference: m["reference"], Outcome: said.outcome, Code: m["code"], Reason: said.reason, Amount: amount,
		Transaction: m["transaction"], PaidAt: paid}, nil
}

// readAnswer reads the answer to a query: signed as a callback is, and about what was asked.
func (p *provider) readAnswer(status int, b []byte, pay providers.Payment) (providers.Notice, error) {
	m, err := readMessage(b)
	switch {
	case err != nil:
		return providers.Notice{}, err
	case status != http.StatusOK:
		return providers.Notice{}, fmt.Errorf("%w: HTTP status %d", providers.ErrUncertain, status)
	case !m.signedWith(p.secrets):
		return providers.Notice{}, fmt.Errorf("%w: the answer's signature does not match", providers.ErrUncertain)
	case m["terminal"] != p.terminal || m["reference"] != pay.Reference:
		return providers.Notice{}, fmt.Errorf("%w: the answer is about another payment", providers.ErrUncertain)
	}
	return m.notice()
}
