package momo

import (
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// callback is an IPN's or return's fields as text; digits are as received.
type callback struct{ fields map[string]string }

func (c callback) text(name string) string { return c.fields[name] }

// callbackFields are the fields that must be there: the signed ones without accessKey, and the signature.
func callbackFields() []string { return append(callbackOrder()[1:], "signature") }

func numeric(name string) bool {
	return name == "amount" || name == "transId" || name == "resultCode" || name == "responseTime"
}

// readCallback reads the message that belongs to the method: a POST's JSON, or a GET's query string.
func readCallback(c providers.Callback) (callback, error) {
	var get func(name string) (value string, there bool, err error)
	switch {
	case c.Method == http.MethodPost && !c.Return:
		if kind := c.Header.Get("Content-Type"); kind != "" {
			if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/json" {
				return callback{}, fmt.Errorf("%w: not JSON", providers.ErrMalformed)
			}
		}
		o, err := providers.ParseObject(c.Body, maxCallback)
		if err != nil {
			return callback{}, err
		}
		get = func(name string) (string, bool, error) {
			_, there := o[name]
			s, err := o.Text(name)
			return s, there, err
		}
	case c.Method == http.MethodGet && c.Return:
		if len(c.RawQuery) > maxCallback {
			return callback{}, fmt.Errorf("%w: too long", providers.ErrMalformed)
		}
		q, err := url.ParseQuery(c.RawQuery)
		if err != nil {
			return callback{}, fmt.Errorf("%w: not a query string", providers.ErrMalformed)
		}
		get = func(name string) (string, bool, error) {
			if len(q[name]) > 1 {
				return "", true, fmt.Errorf("%w: %s occurs twice", providers.ErrMalformed, name)
			}
			return q.Get(name), q.Has(name), nil
		}
	default:
		return callback{}, providers.ErrWrongMethod
	}
	m := callback{fields: map[string]string{}}
	for _, name := range callbackFields() {
		v, there, err := get(name)
		switch {
		case err != nil:
			return m, err
		case !there:
			return m, fmt.Errorf("%w: %s is missing", providers.ErrMalformed, name)
		case numeric(name) && !integer(v):
			return m, fmt.Errorf("%w: %s is not a whole number", providers.ErrMalformed, name)
		}
		m.fields[name] = v
	}
	return m, nil
}

// signedWith tries every active pair of keys, in constant time over decoded bytes.
func (c callback) signedWith(all []keys) bool {
	got, err := hex.DecodeString(c.fields["signature"])
	if err != nil {
		return false
	}
	for _, k := range all {
		data := canonical(callbackOrder(), func(name string) string {
			if name == "accessKey" {
				return k.access
			}
			return c.fields[name]
		})
		if hmac.Equal(got, mac(data, k.secret)) {
			return true
		}
	}
	return false
}

func (c callback) notice() (providers.Notice, error) {
	amount, err := vnd.Parse(c.fields["amount"])
	if err != nil || c.fields["orderId"] == "" {
		return providers.Notice{}, fmt.Errorf("%w: amount or orderId", providers.ErrMalformed)
	}
	code := c.fields["resultCode"]
	m := paymentMeaning(code)
	n := providers.Notice{
		Reference: c.fields["orderId"], Outcome: m.outcome, Code: code, Reason: m.reason, Amount: amount, PaidAt: milliseconds(c.fields["responseTime"]),
	}
	n.Transaction = transaction(n.Outcome, c.fields["transId"])
	if n.Outcome == providers.NotFound { // an IPN about a payment that MoMo does not know contradicts itself
		n.Outcome = providers.Uncertain
	}
	if c.fields["requestId"] != n.Reference { // ours has the orderId's: somebody else's attempt under our order
		n.Doubt, n.RequestID = true, c.fields["requestId"]
	}
	if code == codeAuthorised {
		n.Doubt = true // held but not taken: decides nothing, and asks for a look-up at once
	}
	return n, nil
}

// transaction is MoMo's id of a payment that took or may take money. A failed one carries a number like a time there.
func transaction(o providers.Outcome, id string) string {
	if (o != providers.Succeeded && o != providers.Pending && o != providers.Uncertain) || id == "0" || strings.HasPrefix(id, "-") {
		return ""
	}
	return id
}

// answer is MoMo's JSON answer with its result code.
type answer struct {
	object providers.Object
	code   string
}

// readAnswer reads what every answer has. No answer is signed: TLS and the echoes are what vouches for it.
func readAnswer(b []byte) (answer, error) {
	o, err := providers.ParseObject(b, maxAnswer)
	if err != nil {
		return answer{}, err
	}
	a := answer{object: o}
	if a.code, err = o.Text("resultCode"); err != nil || !integer(a.code) || len(a.code) > 6 {
		return answer{}, fmt.Errorf("%w: no resultCode", providers.ErrMalformed)
	}
	return a, nil
}

// echoes holds the answer against what was asked. A refusal may leave an echo out; it may never have another one.
func (a answer) echoes(strict bool, want map[string]string) error {
	for name, v := range want {
		got, err := a.object.Text(name)
		if err != nil {
			return err
		}
		if got != v && (strict || got != "") {
			return fmt.Errorf("%w: the answer's %s is not what was asked", providers.ErrUncertain, name)
		}
	}
	return nil
}

func uncertainCode(code string) error {
	return fmt.Errorf("%w: result code %s", providers.ErrUncertain, code)
}

// readCreate gives the address to pay at. Code 0 says that a link exists, never that anything was paid.
func readCreate(status int, a answer, req createRequest) (providers.Redirect, error) {
	echo := map[string]string{"partnerCode": req.PartnerCode, "requestId": req.RequestID, "orderId": req.OrderID, "amount": req.Amount.String()}
	if a.code != "0" {
		delete(echo, "amount") // refusals carry 0 there
	}
	if err := a.echoes(a.code == "0", echo); err != nil {
		return providers.Redirect{}, err
	}
	m := createMeaning(a.code)
	switch {
	case m.err == providers.ErrUncertain:
		return providers.Redirect{}, uncertainCode(a.code)
	case m.err != nil:
		return providers.Redirect{}, &providers.RefusedError{Kind: m.err, Code: a.code, Reason: m.reason}
	case status != http.StatusOK:
		return providers.Redirect{}, fmt.Errorf("%w: HTTP status %d with code 0", providers.ErrUncertain, status)
	}
	texts, err := a.object.Texts("payUrl", "deeplink", "qrCodeUrl")
	if err != nil {
		return providers.Redirect{}, err
	}
	u, err := url.Parse(texts[0])
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return providers.Redirect{}, fmt.Errorf("%w: no address to pay at", providers.ErrMalformed)
	}
	return providers.Redirect{URL: texts[0], DeepLink: texts[1], QRPayload: texts[2]}, nil
}

// readQuery reads a payment's state.
func readQuery(status int, a answer, req queryRequest) (providers.Notice, error) {
	m := paymentMeaning(a.code)
	if m.reason == providers.ReasonConfiguration { // the query was refused: that says nothing of the payment
		return providers.Notice{}, &providers.RefusedError{Kind: providers.ErrConfig, Code: a.code, Reason: m.reason}
	}
	if err := a.echoes(true, map[string]string{"partnerCode": req.PartnerCode, "requestId": req.RequestID, "orderId": req.OrderID}); err != nil {
		return providers.Notice{}, err
	}
	n := providers.Notice{Reference: req.OrderID, Outcome: m.outcome, Code: a.code, Reason: m.reason}
	texts, err := a.object.Texts("amount", "transId", "lastUpdated", "responseTime")
	if err != nil {
		return providers.Notice{}, err
	}
	if texts[0] != "" {
		if n.Amount, err = vnd.Parse(texts[0]); err != nil {
			return providers.Notice{}, fmt.Errorf("%w: amount", providers.ErrMalformed)
		}
	}
	if integer(texts[1]) {
		n.Transaction = transaction(n.Outcome, texts[1])
	}
	if n.PaidAt = milliseconds(texts[2]); n.PaidAt.IsZero() {
		n.PaidAt = milliseconds(texts[3])
	}
	if n.Outcome == providers.Succeeded && (status != http.StatusOK || n.Amount == 0 || n.Transaction == "") {
		return providers.Notice{}, fmt.Errorf("%w: a success without amount, transaction or HTTP status 200", providers.ErrUncertain)
	}
	return n, nil
}

// readRefund reads the answer to a refund. before: a sending was tried earlier, so a refusal may be of the repetition only.
func readRefund(status int, a answer, req refundRequest, before bool) (providers.RefundNotice, error) {
	m := refundMeaning(a.code, before)
	echo := map[string]string{"partnerCode": req.PartnerCode, "orderId": req.OrderID, "requestId": req.RequestID, "amount": req.Amount.String()}
	if m.outcome != providers.Succeeded {
		delete(echo, "amount")
	}
	if err := a.echoes(m.outcome == providers.Succeeded, echo); err != nil {
		return providers.RefundNotice{}, err
	}
	texts, err := a.object.Texts("transId", "responseTime")
	if err != nil {
		return providers.RefundNotice{}, err
	}
	n := providers.RefundNotice{Outcome: m.outcome, Code: a.code, Reason: m.reason, At: milliseconds(texts[1])}
	if integer(texts[0]) {
		n.Transaction = transaction(n.Outcome, texts[0])
	}
	if n.Outcome == providers.Succeeded && (status != http.StatusOK || n.Transaction == "") {
		return providers.RefundNotice{}, fmt.Errorf("%w: a success without transaction or HTTP status 200", providers.ErrUncertain)
	}
	return n, nil
}

// readRefundQuery looks for our refund in the list: by its orderId and amount, exactly. The answer's own code is about the
// question, not about the refund.
func readRefundQuery(status int, a answer, req queryRequest, r providers.Refund) (providers.RefundNotice, error) {
	unclear := providers.RefundNotice{Outcome: providers.Uncertain, Code: a.code, Reason: providers.ReasonTechnical}
	switch m := paymentMeaning(a.code); {
	case m.reason == providers.ReasonConfiguration:
		return providers.RefundNotice{}, &providers.RefusedError{Kind: providers.ErrConfig, Code: a.code, Reason: m.reason}
	case a.code == codeDuplicateRequest:
		return unclear, nil
	}
	if err := a.echoes(true, map[string]string{"partnerCode": req.PartnerCode, "requestId": req.RequestID, "orderId": req.OrderID}); err != nil {
		return providers.RefundNotice{}, err
	}
	if a.code == codeNotFound {
		return providers.RefundNotice{Outcome: providers.NotFound, Code: a.code}, nil
	}
	if a.code != "0" || status != http.StatusOK {
		return unclear, nil
	}
	var rows []json.RawMessage
	if raw := a.object["refundTrans"]; len(raw) > 0 {
		if err := json.Unmarshal(raw, &rows); err != nil {
			return providers.RefundNotice{}, fmt.Errorf("%w: refundTrans", providers.ErrMalformed)
		}
	}
	found := unclear
	hits := 0
	for _, raw := range rows {
		o, err := providers.ParseObject(raw, maxAnswer)
		if err != nil {
			return providers.RefundNotice{}, err
		}
		t, err := o.Texts("orderId", "amount", "resultCode", "transId", "createdTime")
		if err != nil {
			return providers.RefundNotice{}, err
		}
		if t[0] != r.Reference {
			continue
		}
		hits++
		if t[1] != r.Amount.String() || !integer(t[2]) || len(t[2]) > 6 {
			continue
		}
		m := refundMeaning(t[2], true)
		found = providers.RefundNotice{Outcome: m.outcome, Code: t[2], Reason: m.reason, At: milliseconds(t[4])}
		if integer(t[3]) {
			found.Transaction = transaction(found.Outcome, t[3])
		}
		if found.Outcome == providers.Succeeded && found.Transaction == "" {
			found = unclear
		}
	}
	if hits > 1 { // two rows for one refund say nothing together
		return unclear, nil
	}
	return found, nil
}
