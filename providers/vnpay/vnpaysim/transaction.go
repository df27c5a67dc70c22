package vnpaysim

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"feegate/providers/sim"
)

// readBody reads a flat JSON object; numbers keep their digits, for the signature covers them as written.
func readBody(raw []byte) (map[string]string, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var values map[string]any
	if err := dec.Decode(&values); err != nil {
		return nil, err
	}
	body := make(map[string]string, len(values))
	for name, v := range values {
		switch v := v.(type) {
		case string:
			body[name] = v
		case json.Number:
			body[name] = v.String()
		case nil:
		default:
			return nil, fmt.Errorf("%s: not a text or number", name)
		}
	}
	return body, nil
}

// transaction is the one address of query and refund.
func (s server) transaction(rw http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, sim.MaxWireBody))
	if err != nil {
		http.Error(rw, "request too large", http.StatusRequestEntityTooLarge)
		return
	}
	body, err := readBody(raw)
	op, handle := sim.Lookup, s.query
	if body["vnp_Command"] == "refund" {
		op, handle = sim.RefundOp, s.refund
	}
	s.w.Serve(Name, op, rw, r, func(rw http.ResponseWriter) func(context.Context) {
		a, known := s.w.Account(Name, body["vnp_TmnCode"])
		switch {
		case err != nil, body["vnp_Version"] != "2.1.0", body["vnp_RequestId"] == "", len(body["vnp_RequestId"]) > 32,
			body["vnp_Command"] != "refund" && body["vnp_Command"] != "querydr":
			s.refuse(rw, body, "03", "Invalid format")
		case !known:
			s.refuse(rw, body, "02", "Invalid TmnCode")
		default:
			handle(rw, a, body)
		}
		return nil
	})
}

// refuse answers without a signature: before the terminal's word is believed there is no secret to sign with.
func (s server) refuse(rw http.ResponseWriter, body map[string]string, code, message string) {
	send(rw, map[string]string{"vnp_ResponseId": responseID(), "vnp_Command": body["vnp_Command"], "vnp_TmnCode": body["vnp_TmnCode"],
		"vnp_TxnRef": body["vnp_TxnRef"], "vnp_ResponseCode": code, "vnp_Message": message})
}

func responseID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

func send(rw http.ResponseWriter, answer map[string]string) {
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(answer)
}

// reply signs an answer; what is empty is left out of the body and is an empty slot of the signature.
func reply(rw http.ResponseWriter, a sim.Account, order string, answer map[string]string) {
	answer["vnp_ResponseId"], answer["vnp_TmnCode"] = responseID(), a.Terminal
	for name, v := range answer {
		if v == "" {
			delete(answer, name)
		}
	}
	answer["vnp_SecureHash"] = mac(a.Credentials["hash_secret"], piped(order, answer))
	send(rw, answer)
}

// query is querydr (vnpay.md §5).
//
// Which row it tells where a payment has refunds, the notes leave open. Here: vnp_TransactionNo names the row when it is
// given and known; without it the newest is told, which is the last refund's where there is one.
func (s server) query(rw http.ResponseWriter, a sim.Account, body map[string]string) {
	if !same(body["vnp_SecureHash"], mac(a.Credentials["hash_secret"], piped(queryRequest, body))) {
		s.refuse(rw, body, "97", "Invalid checksum")
		return
	}
	answer := map[string]string{"vnp_Command": "querydr", "vnp_TxnRef": body["vnp_TxnRef"]}
	p, ok := s.w.Find(Name, a.Terminal, body["vnp_TxnRef"])
	switch {
	case a.QueryLimit && !s.limits.free(a.Terminal+"/"+body["vnp_TxnRef"], s.w.Now()):
		answer["vnp_ResponseCode"], answer["vnp_Message"] = "94", "Duplicate request"
	case !ok, created(p) != body["vnp_TransactionDate"]:
		answer["vnp_ResponseCode"], answer["vnp_Message"] = "91", "Transaction not found"
	default:
		answer["vnp_ResponseCode"], answer["vnp_Message"] = "00", "QueryDR Success"
		answer["vnp_OrderInfo"], answer["vnp_BankCode"] = p.Wire["vnp_OrderInfo"], bank(p)
		row := len(p.Refunds) - 1
		if no := body["vnp_TransactionNo"]; no == p.Transaction {
			row = -1
		} else if i := slices.IndexFunc(p.Refunds, func(r sim.Refund) bool { return r.Transaction == no }); i >= 0 {
			row = i
		}
		if row >= 0 {
			refundRow(answer, p, p.Refunds[row])
		} else {
			paymentRow(answer, p)
		}
	}
	reply(rw, a, queryResponse, answer)
}

// created is the vnp_CreateDate of the pay request. A payment entered in bulk had none: its time paid stands for it.
func created(p sim.Payment) string {
	if c := p.Wire["vnp_CreateDate"]; c != "" {
		return c
	}
	return stamped(p.CreatedAt)
}

func paymentRow(answer map[string]string, p sim.Payment) {
	_, answer["vnp_TransactionStatus"] = codes(p.State, p.Code)
	answer["vnp_Amount"], answer["vnp_TransactionNo"], answer["vnp_TransactionType"] = hundredfold(amountOf(p)), p.Transaction, "01"
	if p.State == sim.Succeeded || p.State == sim.Reversed {
		answer["vnp_PayDate"] = stamped(p.PaidAt)
	}
}

// refundStatus: 05 VNPAY works on it, 00 done, 09 the bank said no.
func refundStatus(r sim.Refund) string {
	switch r.State {
	case sim.Succeeded:
		return "00"
	case sim.Declined:
		return "09"
	}
	return "05"
}

func refundRow(answer map[string]string, p sim.Payment, r sim.Refund) {
	answer["vnp_Amount"], answer["vnp_TransactionNo"], answer["vnp_TransactionType"] = hundredfold(r.Amount), r.Transaction, refundType(p, r)
	answer["vnp_TransactionStatus"], answer["vnp_PayDate"] = refundStatus(r), stamped(r.CreatedAt)
	if r.State == sim.Succeeded {
		answer["vnp_PayDate"] = stamped(r.At)
	}
}

func refundType(p sim.Payment, r sim.Refund) string {
	if r.Amount == p.Taken {
		return "02"
	}
	return "03"
}

// refund is §6: accepted means "VNPAY works on it" (status 05) whatever comes of it; the money has gone back at once
// unless a refund was told to wait or to fail.
func (s server) refund(rw http.ResponseWriter, a sim.Account, body map[string]string) {
	if !same(body["vnp_SecureHash"], mac(a.Credentials["hash_secret"], piped(refundRequest, body))) {
		s.refuse(rw, body, "97", "Invalid checksum")
		return
	}
	answer := map[string]string{"vnp_Command": "refund", "vnp_TxnRef": body["vnp_TxnRef"], "vnp_Amount": body["vnp_Amount"],
		"vnp_OrderInfo": body["vnp_OrderInfo"], "vnp_TransactionType": body["vnp_TransactionType"]}
	refuse := func(code, message string) {
		answer["vnp_ResponseCode"], answer["vnp_Message"] = code, message
		reply(rw, a, refundResponse, answer)
	}
	amount, ok := wholeDong(body["vnp_Amount"])
	full := body["vnp_TransactionType"] == "02"
	if !ok || amount == 0 || (!full && body["vnp_TransactionType"] != "03") || body["vnp_CreateBy"] == "" {
		refuse("03", "Invalid format")
		return
	}
	if _, again := s.w.FindRequest(Name, a.Terminal, body["vnp_RequestId"]); again {
		refuse("94", "Duplicate request")
		return
	}
	p, ok := s.w.Find(Name, a.Terminal, body["vnp_TxnRef"])
	no := body["vnp_TransactionNo"]
	switch {
	case !ok, created(p) != body["vnp_TransactionDate"], no != "" && no != "0" && no != p.Transaction:
		refuse("91", "Transaction not found")
		return
	case full && p.State == sim.Succeeded && amount != p.Taken:
		refuse("03", "A full refund is of the whole amount")
		return
	}
	p, r, err := s.w.Refund(Name, a.Terminal, p.Reference, sim.Refund{Reference: body["vnp_RequestId"], RequestID: body["vnp_RequestId"], Amount: amount})
	switch {
	case errors.Is(err, sim.ErrNotPaid):
		refuse("95", "The payment was not successful")
		return
	case errors.Is(err, sim.ErrTooMuch):
		refuse("02", "The refunds exceed the payment")
		return
	case err != nil:
		refuse("99", "Unknown error")
		return
	case r.State == sim.Declined && r.Code != "":
		refuse(r.Code, "Refund refused")
		return
	}
	answer["vnp_ResponseCode"], answer["vnp_Message"] = "00", "Refund success"
	answer["vnp_BankCode"], answer["vnp_PayDate"] = bank(p), stamped(r.CreatedAt)
	answer["vnp_TransactionNo"], answer["vnp_TransactionStatus"] = r.Transaction, "05"
	reply(rw, a, refundResponse, answer)
}

// limiter is the vendor's "not twice within five minutes" for one TxnRef, on the simulated clock.
type limiter struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func (l *limiter) free(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, asked := l.last[key]; asked && now.Sub(last) < 5*time.Minute {
		return false
	}
	if len(l.last) >= sim.MaxPayments {
		clear(l.last)
	}
	l.last[key] = now
	return true
}
