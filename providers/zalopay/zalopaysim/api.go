package zalopaysim

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"feegate/gateway/vnd"
	"feegate/providers/sim"
)

// Sub codes used here (zalopay.md §7).
const (
	subOK            = 1
	subAppInvalid    = -2
	subRefundFormat  = -24
	subRefundDate    = -25
	subRefundApp     = -26
	subRefundExpired = -13
	subRefundAmount  = -14
	subRefundTwice   = -23
	subNotPaid       = -5
	subTimeInvalid   = -54
	subNoFunds       = -63
	subDuplicate     = -68
	subOrderID       = -92
	subNotExist      = -101
	subPIN           = -117
	subBank          = -217
	subIllegalData   = -401
	subSignature     = -402
	subSystem        = -500
)

// answer is one JSON answer; sub 0 beside return code 2 is a refund that failed.
type answer struct {
	ret, sub int
	more     map[string]any
}

func yes(more map[string]any) answer { return answer{1, subOK, more} }
func no(sub int) answer              { return answer{2, sub, nil} }

// request is one call that was read and whose mac holds.
type request struct {
	*http.Request
	account sim.Account
	form    map[string]string
}

func (r request) amount() (vnd.Amount, bool) {
	a, err := vnd.Parse(r.form["amount"])
	return a, err == nil && a > 0
}

// call reads, authenticates and answers one API call, under the fault that meets it.
func (s server) call(op sim.Operation, order string, handle func(request) (answer, func(context.Context))) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, sim.MaxWireBody))
		if err != nil {
			http.Error(rw, "request too large", http.StatusRequestEntityTooLarge)
			return
		}
		s.w.Serve(Name, op, rw, r, func(rw http.ResponseWriter) func(context.Context) {
			form, readable := readForm(body)
			a, known := s.w.Account(Name, form["app_id"])
			kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
			switch {
			case !readable || kind != "application/x-www-form-urlencoded":
				write(rw, no(subIllegalData))
			case !known:
				write(rw, no(subAppInvalid))
			case !same(form["mac"], mac(a.Credentials["key1"], piped(order, a.Credentials["key1"], form))):
				write(rw, no(subSignature))
			default:
				said, after := handle(request{r, a, form})
				write(rw, said)
				return after
			}
			return nil
		})
	}
}

func message(ret, sub int) string {
	switch {
	case ret == 1:
		return "Giao dịch thành công"
	case ret == 3:
		return "Giao dịch đang được xử lý"
	case sub == subNoFunds:
		return "Số dư không đủ"
	case sub == subSignature:
		return "Chữ ký không hợp lệ"
	}
	return "Giao dịch thất bại"
}

func write(rw http.ResponseWriter, a answer) {
	out := map[string]any{"return_code": a.ret, "return_message": message(a.ret, a.sub), "sub_return_code": a.sub, "sub_return_message": message(a.ret, a.sub)}
	for name, v := range a.more {
		out[name] = v
	}
	body, err := encodeJSON(out)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_, _ = rw.Write(body)
}

var (
	orderForm  = regexp.MustCompile(`^\d{6}_(\w{1,33})$`)
	refundForm = regexp.MustCompile(`^(\d{6})_(\d+)_(\w+)$`)
)

// reference is the merchant's own part of an order's id.
func reference(orderID string) string {
	if m := orderForm.FindStringSubmatch(orderID); m != nil {
		return m[1]
	}
	return ""
}

// between reports whether a text has a length that the page allows, in characters.
func between(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	return n >= least && n <= most
}

func absolute(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.IsAbs() && u.Host != ""
}

// create is §2. The same id again is a duplicate, whatever else it says.
func (s server) create(r request) (answer, func(context.Context)) {
	f, now := r.form, s.w.Now()
	amount, ok := r.amount()
	var embed map[string]any
	var items []any
	lasts := 15 * time.Minute
	if v := f["expire_duration_seconds"]; v != "" {
		n, err := strconv.Atoi(v)
		ok = ok && err == nil && n >= 300 && n <= 2_592_000
		lasts = time.Duration(n) * time.Second
	}
	switch {
	case !ok, !between(f["app_user"], 1, 50), !between(f["description"], 1, 256), len(f["embed_data"]) > 1024, len(f["item"]) > 2048, len(f["bank_code"]) > 20,
		json.Unmarshal([]byte(f["embed_data"]), &embed) != nil, embed == nil, json.Unmarshal([]byte(f["item"]), &items) != nil, items == nil,
		f["callback_url"] != "" && !absolute(f["callback_url"]), !millis(f["app_time"], now):
		return no(subIllegalData), nil
	case reference(f["app_trans_id"]) == "", !strings.HasPrefix(f["app_trans_id"], day(now)+"_"):
		return no(subOrderID), nil
	}
	wire := map[string]string{}
	for _, name := range []string{"app_trans_id", "app_user", "app_time", "embed_data", "item", "description", "callback_url"} {
		wire[name] = f[name]
	}
	p, fresh, err := s.w.Accept(sim.Payment{Provider: Name, Account: r.account.Terminal, Reference: reference(f["app_trans_id"]), Amount: amount,
		ExpiresAt: now.Add(lasts), Wire: wire})
	switch {
	case err != nil:
		return no(subSystem), nil
	case !fresh:
		return no(subDuplicate), nil
	}
	t := token(r.account, p.Reference)
	return yes(map[string]any{"order_url": "http://" + r.Host + payPath + "?order=" + url.QueryEscape(t), "zp_trans_token": t, "order_token": t,
		"qr_code": "00020101021226530010vn.zalopay" + p.Transaction}), s.w.Accepted(r.Context(), p)
}

// find gives the payment of an order's id, the day included.
func (s server) find(r request) (sim.Payment, bool) {
	p, ok := s.w.Find(Name, r.account.Terminal, reference(r.form["app_trans_id"]))
	return p, ok && orderID(p, p.PaidAt) == r.form["app_trans_id"]
}

// query is §5.
func (s server) query(r request) (answer, func(context.Context)) {
	if reference(r.form["app_trans_id"]) == "" {
		return no(subOrderID), nil
	}
	p, ok := s.find(r)
	if !ok {
		return no(subNotExist), nil
	}
	more := map[string]any{"is_processing": p.State == sim.Pending && p.Held, "amount": p.Amount, "discount_amount": 0, "zp_trans_id": 0, "server_time": s.w.Now().UnixMilli()}
	switch p.State {
	case sim.Succeeded:
		more["amount"], more["zp_trans_id"], more["server_time"] = p.Taken, json.Number(p.Transaction), p.PaidAt.UnixMilli()
		return yes(more), nil
	case sim.Pending:
		return answer{3, subOK, more}, nil
	case sim.Expired:
		return answer{2, subTimeInvalid, more}, nil
	case sim.Declined:
		if n, err := strconv.Atoi(p.Code); err == nil {
			return answer{2, n, more}, nil
		}
	}
	return answer{2, subBank, more}, nil // taken back, as far as ZaloPay has a word for it
}

// refund is §6: a yes means that ZaloPay works on it, whatever comes of it.
func (s server) refund(r request) (answer, func(context.Context)) {
	f, now := r.form, s.w.Now()
	id := refundForm.FindStringSubmatch(f["m_refund_id"])
	amount, ok := r.amount()
	switch {
	case id == nil, len(f["m_refund_id"]) > 45:
		return no(subRefundFormat), nil
	case id[1] != day(now):
		return no(subRefundDate), nil
	case id[2] != r.account.Terminal:
		return no(subRefundApp), nil
	case !millis(f["timestamp"], now):
		return no(subRefundExpired), nil
	case !between(f["description"], 1, 100), f["zp_trans_id"] == "", len(f["zp_trans_id"]) > 15:
		return no(subIllegalData), nil
	case !ok:
		return no(subRefundAmount), nil
	}
	if _, _, used := s.w.FindRefund(Name, r.account.Terminal, id[3]); used {
		return no(subRefundTwice), nil
	}
	p, found := s.w.FindTransaction(Name, r.account.Terminal, f["zp_trans_id"])
	if !found {
		return no(subNotExist), nil
	}
	_, done, err := s.w.Refund(Name, r.account.Terminal, p.Reference, sim.Refund{Reference: id[3], RequestID: f["m_refund_id"], Amount: amount})
	switch {
	case errors.Is(err, sim.ErrNotPaid):
		return no(subNotPaid), nil
	case errors.Is(err, sim.ErrTooMuch):
		return no(subRefundAmount), nil
	case err != nil:
		return no(subSystem), nil
	}
	if n, err := strconv.Atoi(done.Code); err == nil && done.State == sim.Declined {
		return no(n), nil
	}
	return yes(map[string]any{"refund_id": json.Number(done.Transaction)}), nil
}

// refundQuery is §6.
func (s server) refundQuery(r request) (answer, func(context.Context)) {
	f := r.form
	id := refundForm.FindStringSubmatch(f["m_refund_id"])
	if id == nil || !millis(f["timestamp"], s.w.Now()) {
		return no(subIllegalData), nil
	}
	_, done, ok := s.w.FindRefund(Name, r.account.Terminal, id[3])
	switch {
	case !ok, done.RequestID != f["m_refund_id"]:
		return no(subNotExist), nil
	case done.State == sim.Succeeded:
		return yes(map[string]any{"refund_id": json.Number(done.Transaction)}), nil
	case done.State == sim.Pending:
		return answer{3, 2, nil}, nil
	}
	n, _ := strconv.Atoi(done.Code) // 0 is "failed", and what no code stands for
	return no(n), nil
}

// cancel is §8: an order that nobody has paid cannot be paid any more.
func (s server) cancel(r request) (answer, func(context.Context)) {
	p, ok := s.find(r)
	switch {
	case !ok:
		return no(subNotExist), nil
	case p.State != sim.Pending:
		return no(subTimeInvalid), nil
	}
	if _, err := s.w.Decide(r.Context(), Name, p.Reference, sim.Decision{Outcome: sim.OutcomeExpire, Account: p.Account}); err != nil {
		return no(subSystem), nil
	}
	return yes(nil), nil
}
