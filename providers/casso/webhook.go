package casso

import (
	"crypto/hmac"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"feegate/providers"
	"feegate/providers/vietqr"
)

// Headers of a call.
const (
	headerSignature = "X-Casso-Signature"
	headerToken     = "Secure-Token"
)

// read authenticates and reads a call.
func (p *provider) read(c providers.Callback) ([]vietqr.Movement, error) {
	if c.Method != http.MethodPost || c.Return {
		return nil, providers.ErrWrongMethod
	}
	if len(c.Body) > maxBody {
		return nil, fmt.Errorf("%w: too long", providers.ErrMalformed)
	}
	if !p.authentic(c) {
		return nil, fmt.Errorf("%w: neither signature nor token", providers.ErrForged)
	}
	if kind := c.Header.Get("Content-Type"); kind != "" {
		if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/json" {
			return nil, fmt.Errorf("%w: not JSON", providers.ErrMalformed)
		}
	}
	o, err := providers.ParseObject(c.Body, maxBody)
	if err != nil {
		return nil, err
	}
	if code, err := o.Text("error"); err != nil || code != "0" {
		return nil, fmt.Errorf("%w: error is not 0", providers.ErrMalformed)
	}
	data := o["data"]
	rows := []json.RawMessage{data}
	if len(data) > 0 && data[0] == '[' {
		if err := json.Unmarshal(data, &rows); err != nil {
			return nil, fmt.Errorf("%w: data", providers.ErrMalformed)
		}
	}
	var ms []vietqr.Movement
	for _, raw := range rows {
		m, trial, err := readMovement(raw)
		if err != nil {
			return nil, err
		}
		if !trial {
			ms = append(ms, m)
		}
	}
	return ms, nil
}

// readMovement reads a movement in either generation's names, which the list uses too.
func readMovement(raw []byte) (m vietqr.Movement, trial bool, err error) {
	o, err := providers.ParseObject(raw, maxBody)
	if err != nil {
		return m, false, err
	}
	first := func(names ...string) string {
		for _, name := range names {
			s, bad := o.Text(name)
			if bad != nil {
				err = bad
			}
			if s != "" {
				return s
			}
		}
		return ""
	}
	id, amount, at := first("id"), first("amount"), first("transactionDateTime", "when")
	m.BankReference, m.Content = first("reference", "tid"), first("description")
	m.Account, m.Virtual = first("accountNumber", "bank_sub_acc_id", "bankSubAccId", "subAccId"), first("virtualAccountNumber", "virtualAccount")
	m.Payer = vietqr.BankPayer(first("counterAccountBankId", "corresponsiveBankId"), first("counterAccountNumber", "corresponsiveAccount"))
	if err != nil {
		return m, false, err
	}
	if m.ID, trial, err = vietqr.ReadID(id); err != nil || trial {
		return m, trial, err
	}
	if m.Amount, err = vietqr.Whole(amount); err != nil {
		return m, false, err
	}
	m.At, err = vietqr.LocalTime(at)
	return m, false, err
}

// authentic holds a call to what the account has. Where the signature's header is there, it decides.
func (p *provider) authentic(c providers.Callback) bool {
	signature, token := c.Header.Get(headerSignature), c.Header.Get(headerToken)
	right := false
	for _, s := range p.secrets {
		switch {
		case signature != "":
			right = right || s.key != "" && p.signed(s.key, signature, c.Body)
		case s.token != "":
			right = right || subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 1
		}
	}
	return right
}

var signatureHeader = regexp.MustCompile(`^t=(\d{10}|\d{13}),\s*v1=([0-9a-f]{128})$`)

// signed checks a signature of Webhook V2. What is proven of the signed text is the order of its names; how Casso escapes is
// not, so each of the ways that it may is tried. All of them need the key.
func (p *provider) signed(key, header string, body []byte) bool {
	m := signatureHeader.FindStringSubmatch(header)
	if m == nil {
		return false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return false
	}
	at := time.UnixMilli(n)
	if len(m[1]) == 10 {
		at = time.Unix(n, 0)
	}
	if off := p.deps.Now().Sub(at); off.Abs() > tolerance {
		return false
	}
	got, err := hex.DecodeString(m[2])
	if err != nil {
		return false
	}
	for _, text := range canonicals(m[1], body) {
		if hmac.Equal(got, mac(key, text)) {
			return true
		}
	}
	return false
}

// canonicals are the texts that may have been signed, the likeliest first: names in order as JavaScript writes JSON, the same as
// PHP does, and the body as it came.
func canonicals(stamp string, body []byte) []string {
	v, err := providers.ParseTree(body, maxBody)
	if err != nil {
		return nil // what cannot be read tells of nothing, however signed
	}
	return []string{stamp + "." + providers.SortedJSON(v, providers.JavaScript), stamp + "." + providers.SortedJSON(v, providers.PHP), stamp + "." + string(body)}
}

func mac(key, text string) []byte {
	h := hmac.New(sha512.New, []byte(key))
	h.Write([]byte(text))
	return h.Sum(nil)
}
