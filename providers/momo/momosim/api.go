package momosim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers/sim"
)

// request is one call that was read and whose signature holds.
type request struct {
	*http.Request
	account sim.Account
	fields  map[string]string
	digest  string // of the signed text: the same requestId with another one is another request
}

// amount reads a whole number of đồng above 0.
func (r request) amount() (vnd.Amount, bool) {
	a, err := vnd.Parse(r.fields["amount"])
	return a, err == nil && a > 0
}

// answer is a JSON object; errors come with HTTP 4xx and the same shape.
type answer map[string]any

// call reads, authenticates and answers one API call, under the fault that meets it.
func (s server) call(op sim.Operation, order string, handle func(request) (int, answer, func(context.Context))) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, sim.MaxWireBody))
		if err != nil {
			s.write(rw, nil, http.StatusRequestEntityTooLarge, codeFormat, nil)
			return
		}
		fields, err := readMessage(body)
		// The request is under way until its answer is out, a slow answer too.
		key := fields["partnerCode"] + "\x00" + fields["requestId"]
		if err == nil && fields["requestId"] != "" {
			if !s.flights.begin(key) {
				s.write(rw, fields, http.StatusUnprocessableEntity, codeInFlight, nil)
				return
			}
			defer s.flights.end(key)
		}
		s.w.Serve(Name, op, rw, r, func(rw http.ResponseWriter) func(context.Context) {
			if err != nil || fields["requestId"] == "" || len(fields["requestId"]) > 50 || !orderID.MatchString(fields["orderId"]) || len(fields["orderId"]) > 200 {
				s.write(rw, fields, http.StatusBadRequest, codeFormat, nil)
				return nil
			}
			a, known := s.w.Account(Name, fields["partnerCode"])
			text := raw(order, a.Credentials["accessKey"], fields)
			if !known || !same(fields["signature"], sign(a.Credentials["secretKey"], text)) {
				s.write(rw, fields, http.StatusBadRequest, codeAuth, nil)
				return nil
			}
			digest := sha256.Sum256([]byte(text))
			code, more, after := handle(request{r, a, fields, hex.EncodeToString(digest[:])})
			status := http.StatusOK
			if refusedByRequest(code) {
				status = http.StatusBadRequest
			}
			s.write(rw, fields, status, code, more)
			return after
		})
	}
}

// refusedByRequest tells codes about the call, which come with 4xx, from codes about a transaction.
func refusedByRequest(code int) bool { return code > codeOK && code < codeUnknown }

var orderID = regexp.MustCompile(`^[0-9a-zA-Z]([-_.]*[0-9a-zA-Z]+)*$`)

// write sends the fields that every answer has, and what the call adds.
func (s server) write(rw http.ResponseWriter, fields map[string]string, status, code int, more answer) {
	out := answer{"partnerCode": fields["partnerCode"], "requestId": fields["requestId"], "orderId": fields["orderId"],
		"resultCode": code, "message": message(code, fields["lang"]), "responseTime": s.w.Now().UnixMilli()}
	for name, v := range more {
		out[name] = v
	}
	body, err := encodeJSON(out)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/json; charset=UTF-8")
	rw.WriteHeader(status)
	_, _ = rw.Write(body)
}

// limits of one payment, by requestType (momo.md §3).
func limits(requestType string) (least, most vnd.Amount, ok bool) {
	switch requestType {
	case "captureWallet", "payWithMethod", "payWithVTS":
		return 1_000, 50_000_000, true
	case "payWithATM":
		return 10_000, 50_000_000, true
	case "payWithCC":
		return 1_000, 10_000_000, true
	}
	return 0, 0, false
}

func (s server) create(r request) (int, answer, func(context.Context)) {
	f := r.fields
	amount, ok := r.amount()
	least, most, known := limits(f["requestType"])
	if !ok || !known || f["orderInfo"] == "" || len([]rune(f["orderInfo"])) > 255 || !absolute(f["redirectUrl"]) || !absolute(f["ipnUrl"]) ||
		(f["lang"] != "vi" && f["lang"] != "en") {
		return codeFormat, nil, nil
	}
	if amount < least || amount > most {
		return codeRange, nil, nil
	}
	lasts := 100 * time.Minute
	if v := f["orderExpireTime"]; v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return codeFormat, nil, nil
		}
		lasts = time.Duration(n) * time.Minute
	}
	if p, used := s.w.FindRequest(Name, r.account.Terminal, f["requestId"]); used {
		if p.Wire["requestId"] == f["requestId"] && p.Wire["digest"] == r.digest {
			return codeOK, s.created(r, p), nil // the same again: the same answer, no second effect
		}
		return codeRequestUsed, nil, nil
	}
	if _, _, used := s.w.FindRefund(Name, r.account.Terminal, f["orderId"]); used {
		return codeOrderUsed, nil, nil
	}
	wire := map[string]string{"digest": r.digest}
	for _, name := range []string{"requestId", "orderInfo", "redirectUrl", "ipnUrl", "extraData", "requestType", "lang"} {
		wire[name] = f[name]
	}
	p, fresh, err := s.w.Accept(sim.Payment{Provider: Name, Account: r.account.Terminal, Reference: f["orderId"], Amount: amount,
		ExpiresAt: s.w.Now().Add(lasts), Wire: wire})
	switch {
	case err != nil:
		return codeUnknown, nil, nil
	case !fresh:
		return codeOrderUsed, nil, nil
	}
	return codeOK, s.created(r, p), s.w.Accepted(r.Context(), p)
}

func absolute(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.IsAbs() && u.Host != ""
}

// created names the addresses for the payer. The page is where the caller found the simulator.
func (s server) created(r request, p sim.Payment) answer {
	t := url.QueryEscape(token(r.account, p.Reference))
	return answer{"amount": p.Amount, "payUrl": "http://" + r.Host + payPath + "?t=" + t,
		"deeplink": "momo://app?action=payWithApp&t=" + t, "qrCodeUrl": "momo://app?action=payWithQR&t=" + t}
}

func (s server) query(r request) (int, answer, func(context.Context)) {
	p, ok := s.w.Find(Name, r.account.Terminal, r.fields["orderId"])
	if !ok {
		return codeNoOrder, nil, nil
	}
	more := answer{"extraData": p.Wire["extraData"], "amount": p.Amount, "transId": 0, "payType": "", "refundTrans": refunds(p),
		"paymentOption": "momo", "promotionInfo": nil, "signature": nil}
	if p.State == sim.Succeeded || p.State == sim.Reversed {
		more["amount"], more["transId"], more["payType"] = p.Taken, json.Number(p.Transaction), methodOf(p)
		more["lastUpdated"] = p.PaidAt.UnixMilli()
	}
	return resultCode(p.State, p.Code), more, nil
}

func refunds(p sim.Payment) []answer {
	list := []answer{}
	for _, r := range p.Refunds {
		list = append(list, answer{"orderId": r.Reference, "amount": r.Amount, "resultCode": refundCode(r),
			"transId": json.Number(r.Transaction), "createdTime": r.CreatedAt.UnixMilli()})
	}
	return list
}

// refundCode: 1002 "rejected by issuer" is the plain no.
func refundCode(r sim.Refund) int {
	switch r.State {
	case sim.Succeeded:
		return codeOK
	case sim.Declined:
		if n, err := strconv.Atoi(r.Code); err == nil {
			return n
		}
		return 1002
	}
	return codeProcessing
}

func (s server) refund(r request) (int, answer, func(context.Context)) {
	f := r.fields
	amount, ok := r.amount()
	if !ok || f["transId"] == "" {
		return codeFormat, nil, nil
	}
	if amount < 1_000 || amount > 50_000_000 {
		return codeRange, nil, nil
	}
	if p, used := s.w.FindRequest(Name, r.account.Terminal, f["requestId"]); used {
		for _, old := range p.Refunds {
			if old.RequestID == f["requestId"] && old.Digest == r.digest {
				return refunded(old)
			}
		}
		return codeRequestUsed, nil, nil
	}
	_, _, usedByRefund := s.w.FindRefund(Name, r.account.Terminal, f["orderId"])
	if _, usedByPayment := s.w.Find(Name, r.account.Terminal, f["orderId"]); usedByRefund || usedByPayment {
		return codeOrderUsed, nil, nil
	}
	p, ok := s.w.FindTransaction(Name, r.account.Terminal, f["transId"])
	if !ok {
		return codeNoRefund, nil, nil
	}
	_, done, err := s.w.Refund(Name, r.account.Terminal, p.Reference,
		sim.Refund{Reference: f["orderId"], RequestID: f["requestId"], Digest: r.digest, Amount: amount})
	switch {
	case errors.Is(err, sim.ErrNotPaid):
		return codeNoRefund, nil, nil
	case errors.Is(err, sim.ErrTooMuch):
		return codeTooMuch, nil, nil
	case err != nil:
		return codeUnknown, nil, nil
	}
	return refunded(done)
}

// refunded is the answer to a refund, as it stands; its number is there once it is done.
func refunded(r sim.Refund) (int, answer, func(context.Context)) {
	more := answer{"amount": r.Amount, "transId": 0}
	if r.State == sim.Succeeded {
		more["transId"] = json.Number(r.Transaction)
	}
	return refundCode(r), more, nil
}

// refundQuery asks by the refund's orderId; refundTrans lists every refund of the payment, as MoMo does.
func (s server) refundQuery(r request) (int, answer, func(context.Context)) {
	p, _, ok := s.w.FindRefund(Name, r.account.Terminal, r.fields["orderId"])
	if !ok {
		return codeNoOrder, nil, nil
	}
	return codeOK, answer{"amount": p.Taken, "transId": json.Number(p.Transaction), "refundTrans": refunds(p)}, nil
}
