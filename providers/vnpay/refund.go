package vnpay

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"feegate/providers"
)

// Values of vnp_TransactionType.
const (
	typePayment       = "01"
	typeRefund        = "02" // of the whole amount
	typePartialRefund = "03"
)

const maxRequestID = 32

// Refund sends one refund. Its request id is our refund's reference, so every sending is the same to VNPAY. A yes means that
// VNPAY works on it; only the query says that money went back.
func (p *provider) Refund(ctx context.Context, pay providers.Payment, r providers.Refund) (providers.RefundNotice, error) {
	req, err := p.refundRequest(pay, r)
	if err != nil {
		return providers.RefundNotice{}, fmt.Errorf("vnpay refund: %w", err)
	}
	body, err := providers.CompactJSON(req)
	if err != nil {
		return providers.RefundNotice{}, fmt.Errorf("vnpay refund: %w: %w", providers.ErrConfig, err)
	}
	var n providers.RefundNotice
	err = providers.PostJSON(ctx, p.deps.HTTP(providers.OpRefund), p.account.URL(PurposeQuery, queryPath), body, func(status int, b []byte) (err error) {
		n, err = p.refundAnswer(req, r.SentBefore, status, b)
		return err
	})
	if err != nil {
		return providers.RefundNotice{}, fmt.Errorf("vnpay refund: %w", err)
	}
	return n, nil
}

// LookupRefund asks by querydr, which tells of one row: of the number asked by, else of the newest.
func (p *provider) LookupRefund(ctx context.Context, pay providers.Payment, r providers.Refund) (providers.RefundNotice, error) {
	body, err := p.queryBody(pay, r.Transaction, rand.Text(), p.deps.Now())
	if err != nil {
		return providers.RefundNotice{}, fmt.Errorf("vnpay query of a refund: %w", err)
	}
	var n providers.RefundNotice
	err = providers.PostJSON(ctx, p.deps.HTTP(providers.OpLookup), p.account.URL(PurposeQuery, queryPath), body, func(status int, b []byte) error {
		v, rc, err := p.readQuery(pay, status, b)
		switch {
		case err != nil:
			return err
		case rc == codeNotFound:
			n = providers.RefundNotice{Outcome: providers.NotFound, Code: rc}
		default:
			n = refundRow(v, pay, r)
		}
		return nil
	})
	if err != nil {
		return providers.RefundNotice{}, fmt.Errorf("vnpay query of a refund: %w", err)
	}
	return n, nil
}

// RefundPlan asks after a refund that has no final word; a bank takes hours or days.
func (p *provider) RefundPlan() providers.LookupPlan {
	return providers.LookupPlan{
		Early:       []time.Duration{6 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour},
		AfterDoubt:  minInterval,
		MinInterval: minInterval,
	}
}

// Field orders of the refund's messages; the hash data are the values in this order with | between, raw.
func refundRequestOrder() []string {
	return []string{"vnp_RequestId", "vnp_Version", "vnp_Command", "vnp_TmnCode", "vnp_TransactionType", "vnp_TxnRef", "vnp_Amount", "vnp_TransactionNo",
		"vnp_TransactionDate", "vnp_CreateBy", "vnp_CreateDate", "vnp_IpAddr", "vnp_OrderInfo"}
}

func refundResponseOrder() []string {
	return []string{"vnp_ResponseId", "vnp_Command", "vnp_ResponseCode", "vnp_Message", "vnp_TmnCode", "vnp_TxnRef", "vnp_Amount", "vnp_BankCode",
		"vnp_PayDate", "vnp_TransactionNo", "vnp_TransactionType", "vnp_TransactionStatus", "vnp_OrderInfo"}
}

// refundRequest checks what can be known before sending; nothing was sent then, so the refund may be made anew. Everything
// in it is the refund's own, its time too: each sending has the same bytes.
func (p *provider) refundRequest(pay providers.Payment, r providers.Refund) (map[string]string, error) {
	not := func(why string) (map[string]string, error) { return nil, &providers.NotSentError{Why: why} }
	switch {
	case !validReference(pay.Reference):
		return not("the payment's reference is not 1 to 40 letters and digits")
	case !validReference(r.Reference) || len(r.Reference) > maxRequestID:
		return not(fmt.Sprintf("the refund's reference is not 1 to %d letters and digits", maxRequestID))
	case r.Amount <= 0 || r.Amount > maxAmount:
		return not("the amount does not fit the wire")
	case len(pay.Transaction) > 15:
		return not("VNPAY's number of the payment does not fit the wire")
	}
	req := map[string]string{
		"vnp_RequestId": r.Reference, "vnp_Version": version, "vnp_Command": "refund", "vnp_TmnCode": p.terminal, "vnp_TransactionType": refundType(r),
		"vnp_TxnRef": pay.Reference, "vnp_Amount": wireAmount(r.Amount), "vnp_TransactionNo": "0", "vnp_TransactionDate": wireTime(pay.CreatedAt),
		"vnp_CreateBy": createBy(r.By), "vnp_CreateDate": wireTime(r.CreatedAt), "vnp_IpAddr": address(p.account.ServerIP, "127.0.0.1"),
		"vnp_OrderInfo": sanitise(r.Description + " " + pay.Reference),
	}
	if pay.Transaction != "" {
		req["vnp_TransactionNo"] = pay.Transaction
	}
	req["vnp_SecureHash"] = sign(ordered(refundRequestOrder(), func(n string) string { return req[n] }), p.secrets[0])
	return req, nil
}

func refundType(r providers.Refund) string {
	if r.Full {
		return typeRefund
	}
	return typePartialRefund
}

// createBy is who asks, by an id without a meaning outside; what could tear the hash data apart is taken out.
func createBy(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, s)
	if s == "" {
		return "feegate"
	}
	return s[:min(len(s), 64)]
}

// refundAnswer reads the answer to a refund. A refusal frees the money for another refund, so only a signed one counts, and
// only of a first sending: a second one may be refused because the first went through.
func (p *provider) refundAnswer(req map[string]string, before bool, status int, body []byte) (providers.RefundNotice, error) {
	v, signed, err := p.readAnswer(refundResponseOrder(), body)
	if err != nil {
		return providers.RefundNotice{}, err
	}
	rc := v["vnp_ResponseCode"]
	m := refundAnswerMeaning(rc, v["vnp_TransactionStatus"])
	n := providers.RefundNotice{Outcome: m.outcome, Code: rc, Reason: m.reason}
	if !signed {
		if n.Outcome != providers.Pending || rc == "00" {
			n.Outcome = providers.Uncertain
		}
		return n, nil
	}
	echoes := []string{"vnp_Command", "vnp_TmnCode", "vnp_TxnRef"}
	if rc == "00" {
		echoes = append(echoes, "vnp_Amount", "vnp_TransactionType")
	}
	for _, name := range echoes {
		if v[name] != req[name] {
			return providers.RefundNotice{}, fmt.Errorf("%w: the answer is about something else: %s", providers.ErrUncertain, name)
		}
	}
	if status != http.StatusOK && rc == "00" {
		return providers.RefundNotice{}, fmt.Errorf("%w: HTTP status %d with a success", providers.ErrUncertain, status)
	}
	if before && (n.Outcome == providers.Failed || n.Outcome == providers.Declined) {
		n.Outcome = providers.Uncertain
	}
	if n.Outcome == providers.Pending {
		n.Transaction = refundNumber(v["vnp_TransactionNo"], req["vnp_TransactionNo"])
	}
	return n, nil
}

// refundNumber is a refund's own number; some answers carry the payment's in its place.
func refundNumber(no, payments string) string {
	if no == payments || len(no) > 15 {
		return ""
	}
	return transaction(no)
}

// refundRow reads the row of a query. It is ours for certain where it has our refund's number, where it is the payment's
// one refund of everything, or where it was written after ours was sent (one refund of a payment is under way at a time).
// Of any other row of our amount only "on its way" is believed, which changes nothing.
func refundRow(v map[string]string, pay providers.Payment, r providers.Refund) providers.RefundNotice {
	st := v["vnp_TransactionStatus"]
	n := providers.RefundNotice{Outcome: providers.Uncertain, Code: st}
	kind := v["vnp_TransactionType"]
	if kind == typePayment {
		return providers.RefundNotice{Outcome: providers.NotFound}
	}
	amount, err := readAmount(v["vnp_Amount"])
	no := refundNumber(v["vnp_TransactionNo"], pay.Transaction)
	if err != nil || kind != refundType(r) || amount != r.Amount || r.Transaction != "" && no != "" && no != r.Transaction {
		return n // another refund's row
	}
	m := refundStatusMeaning(st)
	written := readTime(v["vnp_PayDate"])
	ours := no != "" && no == r.Transaction || r.Full || !written.IsZero() && !written.Before(r.CreatedAt.Truncate(time.Second))
	if !ours && m.outcome != providers.Pending {
		return n
	}
	n.Outcome, n.Reason = m.outcome, m.reason
	if ours {
		n.Transaction = no
	}
	if n.Outcome == providers.Succeeded && !written.Before(r.CreatedAt.Truncate(time.Second)) {
		n.At = written // else the date is the payment's
	}
	return n
}

// readAnswer gives an answer's fields as texts, once its signature, where it has one, was found right.
func (p *provider) readAnswer(order []string, body []byte) (v map[string]string, signed bool, err error) {
	o, err := providers.ParseObject(body, maxAnswer)
	if err != nil {
		return nil, false, err
	}
	texts, err := o.Texts(append(slices.Clone(order), "vnp_SecureHash")...)
	if err != nil {
		return nil, false, err
	}
	v = map[string]string{}
	for i, name := range order {
		v[name] = texts[i]
	}
	if rc := v["vnp_ResponseCode"]; rc == "" || len(rc) > 8 { // a text of any length would go into errors and records
		return nil, false, fmt.Errorf("%w: no vnp_ResponseCode", providers.ErrMalformed)
	}
	signature := texts[len(order)]
	if signature == "" {
		return v, false, nil
	}
	if !verify(ordered(order, func(n string) string { return v[n] }), signature, p.secrets) {
		return nil, false, fmt.Errorf("%w: the answer's signature is wrong", providers.ErrUncertain)
	}
	return v, true, nil
}
