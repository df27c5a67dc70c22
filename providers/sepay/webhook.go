package sepay

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"feegate/providers"
	"feegate/providers/vietqr"
)

// Headers of a call.
const (
	headerTime      = "X-SePay-Timestamp"
	headerSignature = "X-SePay-Signature"
	scheme          = "apikey"
)

// read authenticates first: nobody's body is parsed who does not have a secret. trial: SePay tries the address.
func (p *provider) read(c providers.Callback) (m vietqr.Movement, trial bool, err error) {
	if c.Method != http.MethodPost || c.Return {
		return m, false, providers.ErrWrongMethod
	}
	if len(c.Body) > maxBody {
		return m, false, fmt.Errorf("%w: too long", providers.ErrMalformed)
	}
	if !p.authentic(c) {
		return m, false, fmt.Errorf("%w: neither signature nor key", providers.ErrForged)
	}
	if kind := c.Header.Get("Content-Type"); kind != "" {
		if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/json" {
			return m, false, fmt.Errorf("%w: not JSON: choose application/json at SePay", providers.ErrMalformed)
		}
	}
	o, err := providers.ParseObject(c.Body, maxBody)
	if err != nil {
		return m, false, err
	}
	t, err := o.Texts("id", "accountNumber", "code", "content", "transferType", "transferAmount", "subAccount", "referenceCode", "transactionDate")
	if err != nil {
		return m, false, err
	}
	if m.ID, trial, err = vietqr.ReadID(t[0]); err != nil || trial {
		return m, trial, err
	}
	m.Account, m.Code, m.Content, m.Virtual, m.BankReference = t[1], t[2], t[3], t[6], t[7]
	if m.Amount, err = vietqr.Whole(t[5]); err != nil {
		return m, false, err
	}
	if m.Amount <= 0 {
		return m, false, fmt.Errorf("%w: transferAmount is not above 0", providers.ErrMalformed)
	}
	switch t[4] {
	case "in":
	case "out":
		m.Amount = -m.Amount
	default:
		return m, false, fmt.Errorf("%w: transferType is neither in nor out", providers.ErrMalformed)
	}
	m.At, err = vietqr.LocalTime(t[8])
	return m, false, err
}

// authentic holds a call to what the account has. Where the signature's header is there, or no key is set up, the signature
// decides, and a wrong one is not mended by a right key; a call without it may come with the key, where the account has one.
func (p *provider) authentic(c providers.Callback) bool {
	signature := c.Header.Get(headerSignature)
	right := false
	for _, s := range p.secrets {
		switch {
		case signature != "":
			right = right || s.hmac != "" && p.fresh(c.Header.Get(headerTime)) && signed(s.hmac, c.Header.Get(headerTime), c.Body, signature)
		case s.key != "":
			name, key, _ := strings.Cut(c.Header.Get("Authorization"), " ")
			right = right || strings.EqualFold(name, scheme) && subtle.ConstantTimeCompare([]byte(key), []byte(s.key)) == 1
		}
	}
	return right
}

// fresh holds the time of signing to five minutes, either way. A repeated call is signed anew.
func (p *provider) fresh(stamp string) bool {
	n, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return false
	}
	off := p.deps.Now().Sub(time.Unix(n, 0))
	return off.Abs() <= tolerance
}

// signed checks sha256=<hex> of the time, a dot and the body to the byte.
func signed(key, stamp string, body []byte, header string) bool {
	text, ok := strings.CutPrefix(header, "sha256=")
	got, err := hex.DecodeString(text)
	return ok && err == nil && hmac.Equal(got, mac(key, stamp, body))
}

func mac(key, stamp string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(canonical(stamp, body)))
	return h.Sum(nil)
}

func canonical(stamp string, body []byte) string { return stamp + "." + string(body) }
