package payos

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/vietqr"
)

// orderCode is payOS's number of a payment of ours.
func orderCode(reference string) (uint64, error) {
	n, err := vietqr.Decode(reference)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%w: %q has no number that payOS takes", providers.ErrConfig, reference)
	}
	return n, nil
}

// referenceOf is the way back; "" where the number is not of ours.
func referenceOf(order string) string {
	n, err := strconv.ParseUint(order, 10, 64)
	if err != nil {
		return ""
	}
	reference, err := vietqr.Encode(n)
	if err != nil {
		return ""
	}
	return reference
}

// createRequest is the body of a create. Nothing of the payer or of what is bought is sent.
type createRequest struct {
	OrderCode   uint64     `json:"orderCode"`
	Amount      vnd.Amount `json:"amount"`
	Description string     `json:"description"`
	CancelURL   string     `json:"cancelUrl"`
	ReturnURL   string     `json:"returnUrl"`
	ExpiredAt   int64      `json:"expiredAt,omitempty"`
	Signature   string     `json:"signature"`
}

func (p *provider) createRequest(pay providers.Payment, order uint64, content string) createRequest {
	r := createRequest{OrderCode: order, Amount: pay.Amount, Description: content, CancelURL: p.account.ReturnURL, ReturnURL: p.account.ReturnURL}
	if !pay.ExpiresAt.IsZero() {
		r.ExpiredAt = pay.ExpiresAt.Unix()
	}
	r.Signature = sign(p.keys[0].checksum, r.canonical())
	return r
}

// canonical is what a create signs: these five, as they are.
func (r createRequest) canonical() string {
	return fmt.Sprintf("amount=%s&cancelUrl=%s&description=%s&orderCode=%d&returnUrl=%s", r.Amount, r.CancelURL, r.Description, r.OrderCode, r.ReturnURL)
}

type cancelRequest struct {
	Reason string `json:"cancellationReason"`
}

// canonicalData is what payOS signs: every field that is there, whatever it is, in the order of the names.
func canonicalData(data map[string]any) string {
	names := make([]string, 0, len(data))
	for name := range data {
		names = append(names, name)
	}
	slices.Sort(names)
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = name + "=" + signedValue(data[name])
	}
	return strings.Join(parts, "&")
}

func signedValue(v any) string {
	switch v := v.(type) {
	case string:
		if v == "null" || v == "undefined" {
			return ""
		}
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return providers.SortedJSON(v, providers.JavaScript)
	case map[string]any:
		return "[object Object]" // as JavaScript writes it; none is known to occur
	}
	return ""
}

func sign(key, text string) string { return hex.EncodeToString(mac(key, text)) }

func mac(key, text string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text))
	return h.Sum(nil)
}

// signed tries every active key.
func (p *provider) signed(data map[string]any, signature string) bool {
	got, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	text := canonicalData(data)
	for _, k := range p.keys {
		if hmac.Equal(got, mac(k.checksum, text)) {
			return true
		}
	}
	return false
}

// text gives a scalar of an object as text, "" for null and what is absent.
func text(o map[string]any, name string) (string, error) {
	switch v := o[name].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	}
	return "", fmt.Errorf("%w: %s is not a plain value", providers.ErrMalformed, name)
}

func texts(o map[string]any, names ...string) ([]string, error) {
	out := make([]string, len(names))
	for i, name := range names {
		v, err := text(o, name)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// message is the envelope of webhooks and answers.
type message struct {
	code, signature string
	data            map[string]any
}

func readMessage(b []byte, limit int) (message, error) {
	v, err := providers.ParseTree(b, limit)
	if err != nil {
		return message{}, err
	}
	o, ok := v.(map[string]any)
	if !ok {
		return message{}, fmt.Errorf("%w: not a JSON object", providers.ErrMalformed)
	}
	t, err := texts(o, "code", "signature")
	if err != nil {
		return message{}, err
	}
	m := message{code: t[0], signature: t[1]}
	m.data, _ = o["data"].(map[string]any)
	if m.data == nil && o["data"] != nil {
		return message{}, fmt.Errorf("%w: data is not an object", providers.ErrMalformed)
	}
	return m, nil
}

// answer is a message with its HTTP status.
type answer struct {
	message
	status int
}

// readAnswer holds an answer with data to its signature, where it has one.
func (p *provider) readAnswer(status int, b []byte) (answer, error) {
	m, err := readMessage(b, maxAnswer)
	if err != nil {
		return answer{}, err
	}
	if m.code == "" || len(m.code) > 8 {
		return answer{}, fmt.Errorf("%w: no code", providers.ErrMalformed)
	}
	if m.code == codeOK && (m.data == nil || status != http.StatusOK) {
		return answer{}, fmt.Errorf("%w: a success without data or HTTP status 200", providers.ErrMalformed)
	}
	if m.data != nil && m.signature != "" && !p.signed(m.data, m.signature) {
		return answer{}, fmt.Errorf("%w: the answer's signature is wrong", providers.ErrMalformed)
	}
	return answer{m, status}, nil
}

// movement is a bank transfer as a webhook and a row of a link's transactions tell it.
func (p *provider) movement(o map[string]any, link, order string) (providers.Notice, error) {
	t, err := texts(o, "amount", "reference", "description", "accountNumber", "virtualAccountNumber", "transactionDateTime", "counterAccountBankId", "counterAccountNumber")
	if err != nil {
		return providers.Notice{}, err
	}
	amount, err := vnd.Parse(t[0])
	if err != nil || amount == 0 || link == "" {
		return providers.Notice{}, fmt.Errorf("%w: a transfer without amount or link", providers.ErrMalformed)
	}
	at, err := vietqr.LocalTime(t[5])
	if err != nil {
		return providers.Notice{}, err
	}
	id := link + ":" + t[1]
	if t[1] == "" { // two of these are told apart by when they came
		id = fmt.Sprintf("%s:%s:%s", link, at.UTC().Format(time.RFC3339), amount)
	}
	transaction := t[1]
	if transaction == "" {
		transaction = Name + ":" + id
	}
	reference, ambiguous := vietqr.Agree(referenceOf(order), t[2])
	return providers.Notice{Reference: reference, Outcome: providers.Succeeded, Code: codeOK, Amount: amount, Transaction: transaction, PaidAt: at, Payer: vietqr.BankPayer(t[6], t[7]),
		Transfer: &providers.Transfer{ID: id, Account: p.into(t[3], t[4]), Reference: t[1], Content: t[2], Ambiguous: ambiguous}}, nil
}

// into is the account that the money came into, where we know ours: payOS may tell a virtual account, or the one behind it.
func (p *provider) into(account, virtual string) string {
	own := p.account.Beneficiary.Number
	switch {
	case own == "":
		return ""
	case virtual == own:
		return virtual
	}
	return account
}
