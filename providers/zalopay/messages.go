package zalopay

import (
	"fmt"
	"mime"
	"net/url"
	"strings"
	"time"

	"feegate/providers"
)

// answer is ZaloPay's JSON answer with its two codes as texts. No answer is signed: TLS is what vouches for it.
type answer struct {
	object   providers.Object
	ret, sub string
}

// readAnswer reads what every answer has. Some of ZaloPay's tables show the sub code in the place of the return code: what
// is negative there is one.
func readAnswer(b []byte) (answer, error) {
	o, err := providers.ParseObject(b, maxAnswer)
	if err != nil {
		return answer{}, err
	}
	t, err := o.Texts("return_code", "sub_return_code")
	if err != nil {
		return answer{}, err
	}
	if !integer(t[0]) || t[1] != "" && !integer(t[1]) {
		return answer{}, fmt.Errorf("%w: no return_code", providers.ErrMalformed)
	}
	if strings.HasPrefix(t[0], "-") {
		return answer{o, "2", t[0]}, nil
	}
	return answer{o, t[0], t[1]}, nil
}

// success is a clear yes to what was asked.
func (a answer) success() bool { return a.ret == "1" && (a.sub == "1" || a.sub == "") }

// code is what people see: the sub code of a failure, else the return code.
func (a answer) code() string {
	switch {
	case a.ret == "2" && a.sub != "":
		return a.sub
	case a.success() || a.sub == "" || a.sub == "1":
		return a.ret
	}
	return a.ret + "/" + a.sub
}

func (a answer) config() error {
	return &providers.RefusedError{Kind: providers.ErrConfig, Code: a.code(), Reason: providers.ReasonConfiguration}
}

func (a answer) uncertain() error {
	return fmt.Errorf("%w: code %s", providers.ErrUncertain, a.code())
}

// integer reports whether s is a whole number as short as ZaloPay's codes are.
func integer(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return digits(s) && len(s) <= 6 && (len(s) == 1 || s[0] != '0')
}

// readCreate gives the address to pay at. A yes says that an order exists, never that anything was paid.
func readCreate(a answer) (providers.Redirect, error) {
	if !a.success() {
		m := createMeaning(a)
		if m.err == providers.ErrUncertain {
			return providers.Redirect{}, a.uncertain()
		}
		return providers.Redirect{}, &providers.RefusedError{Kind: m.err, Code: a.code(), Reason: m.reason}
	}
	t, err := a.object.Texts("order_url", "qr_code")
	if err != nil {
		return providers.Redirect{}, err
	}
	u, err := url.Parse(t[0])
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return providers.Redirect{}, fmt.Errorf("%w: no address to pay at", providers.ErrMalformed)
	}
	return providers.Redirect{URL: t[0], QRPayload: t[1]}, nil
}

// readQuery reads a payment's state. The answer does not say whose state it is.
func readQuery(a answer, pay providers.Payment, now time.Time) (providers.Notice, error) {
	m := paymentMeaning(a, pay, now)
	switch {
	case m.reason == providers.ReasonConfiguration:
		return providers.Notice{}, a.config()
	case a.ret == "2" && unansweredCode(a.sub):
		return providers.Notice{}, a.uncertain()
	}
	n := providers.Notice{Reference: pay.Reference, Outcome: m.outcome, Code: a.code(), Reason: m.reason}
	if n.Outcome != providers.Succeeded {
		return n, nil // amount and transaction are of a success only
	}
	t, err := a.object.Texts("amount", "zp_trans_id", "server_time")
	if err != nil {
		return providers.Notice{}, err
	}
	if n.Amount, err = readAmount(t[0]); err != nil {
		return providers.Notice{}, err
	}
	if n.Transaction = transaction(t[1]); n.Transaction == "" {
		return providers.Notice{}, fmt.Errorf("%w: a success without a transaction", providers.ErrUncertain)
	}
	n.PaidAt = readMilliseconds(t[2])
	return n, nil
}

// transaction is ZaloPay's id of a payment or refund; "" for what is none.
func transaction(s string) string {
	if s == "0" || len(s) > 64 || !digits(s) {
		return ""
	}
	return s
}

// readRefund reads the answer to a refund.
func readRefund(a answer, before bool) (providers.RefundNotice, error) {
	m := refundMeaning(a, before)
	n := providers.RefundNotice{Outcome: m.outcome, Code: a.code(), Reason: m.reason}
	id, err := a.object.Text("refund_id")
	if err != nil {
		return providers.RefundNotice{}, err
	}
	if n.Outcome == providers.Pending {
		n.Transaction = transaction(id)
	}
	return n, nil
}

// readRefundQuery reads a refund's state.
func readRefundQuery(a answer, age time.Duration) (providers.RefundNotice, error) {
	m := refundStateMeaning(a, age)
	switch {
	case m.reason == providers.ReasonConfiguration:
		return providers.RefundNotice{}, a.config()
	case a.ret == "2" && unansweredCode(a.sub):
		return providers.RefundNotice{}, a.uncertain()
	}
	t, err := a.object.Texts("refund_id", "server_time")
	if err != nil {
		return providers.RefundNotice{}, err
	}
	n := providers.RefundNotice{Outcome: m.outcome, Code: a.code(), Reason: m.reason, At: readMilliseconds(t[1])}
	if n.Outcome == providers.Succeeded || n.Outcome == providers.Pending {
		n.Transaction = transaction(t[0])
	}
	return n, nil
}

// readCallback reads ZaloPay's call: the mac over the text of data as it came, before anything in it is believed. There
// are calls of success only.
func (p *provider) readCallback(c providers.Callback) ([]providers.Notice, error) {
	if kind := c.Header.Get("Content-Type"); kind != "" {
		if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/json" {
			return nil, fmt.Errorf("%w: not JSON", providers.ErrMalformed)
		}
	}
	o, err := providers.ParseObject(c.Body, maxCallback)
	if err != nil {
		return nil, err
	}
	if len(o["data"]) == 0 || o["data"][0] != '"' {
		return nil, fmt.Errorf("%w: no data", providers.ErrMalformed)
	}
	t, err := o.Texts("data", "mac", "type")
	if err != nil {
		return nil, err
	}
	if !p.verified(t[0], t[1]) {
		return nil, fmt.Errorf("%w: signature", providers.ErrForged)
	}
	if t[2] == "2" { // an agreement, not a payment
		return nil, nil
	}
	data, err := providers.ParseObject([]byte(t[0]), maxData)
	if err != nil {
		return nil, err
	}
	n, err := p.paid(data)
	if err != nil {
		return nil, err
	}
	return []providers.Notice{n}, nil
}

func (p *provider) paid(data providers.Object) (providers.Notice, error) {
	t, err := data.Texts("app_id", "app_trans_id", "amount", "zp_trans_id", "server_time", "zp_user_id")
	if err != nil {
		return providers.Notice{}, err
	}
	if t[0] != p.app {
		return providers.Notice{}, fmt.Errorf("%w: another app", providers.ErrForged)
	}
	if t[1] == "" || len(t[1]) > maxOrderID || len(t[3]) > 64 {
		return providers.Notice{}, fmt.Errorf("%w: an id is missing or too long", providers.ErrMalformed)
	}
	amount, err := readAmount(t[2]) // a discount is ZaloPay's own money: what was paid is the amount
	if err != nil {
		return providers.Notice{}, err
	}
	n := providers.Notice{Reference: referenceOf(t[1]), Outcome: providers.Succeeded, Code: "1", Amount: amount, Transaction: transaction(t[3]),
		PaidAt: readMilliseconds(t[4])}
	if t[5] != "" {
		n.Payer = &providers.Payer{Kind: "zalopay", Account: t[5], Masked: masked(t[5])}
	}
	return n, nil
}

// masked leaves as much of an account as its owner knows it by.
func masked(s string) string {
	if r := []rune(s); len(r) > 8 {
		return "…" + string(r[len(r)-4:])
	}
	return "…"
}

func returnFields() []string {
	return []string{"appid", "apptransid", "pmcid", "bankcode", "amount", "discountamount", "status", "checksum"}
}

// readReturn reads what the payer's browser brings. Its "paid" is a hint and never a success.
func (p *provider) readReturn(c providers.Callback) ([]providers.Notice, error) {
	if len(c.RawQuery) > maxCallback {
		return nil, fmt.Errorf("%w: too long", providers.ErrMalformed)
	}
	q, err := url.ParseQuery(c.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: not a query string", providers.ErrMalformed)
	}
	for _, name := range returnFields() {
		if len(q[name]) != 1 {
			return nil, fmt.Errorf("%w: %s is missing or occurs twice", providers.ErrMalformed, name)
		}
	}
	if !p.verified(returnText(q.Get), q.Get("checksum")) {
		return nil, fmt.Errorf("%w: signature", providers.ErrForged)
	}
	if q.Get("appid") != p.app {
		return nil, fmt.Errorf("%w: another app", providers.ErrForged)
	}
	amount, err := readAmount(q.Get("amount"))
	if err != nil {
		return nil, err
	}
	status := q.Get("status")
	if len(q.Get("apptransid")) > maxOrderID || q.Get("apptransid") == "" || !integer(status) {
		return nil, fmt.Errorf("%w: apptransid or status", providers.ErrMalformed)
	}
	n := providers.Notice{Reference: referenceOf(q.Get("apptransid")), Outcome: providers.Pending, Code: status, Amount: amount}
	if status != "1" {
		n.Outcome, n.Reason = providers.Uncertain, providers.ReasonUnknownCode
	}
	return []providers.Notice{n}, nil
}
