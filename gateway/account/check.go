package account

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"feegate/providers"
)

// What a check found of one operation.
const (
	ResultWorks        = "works"
	ResultWrongKeys    = "wrong_keys"      // the provider says so, or the set-up lacks something
	ResultNotReachable = "not_reachable"   // nothing was sent
	ResultUnclear      = "no_clear_answer" // something was sent; what came back says nothing
	ResultNotTried     = "not_tried"
)

// Finding is what was asked of one operation and what the provider answered, in plain words. It holds no secret.
type Finding struct {
	Operation string `json:"operation"`
	Result    string `json:"result"`
	Code      string `json:"code,omitempty"`    // the provider's, or the HTTP status
	Address   string `json:"address,omitempty"` // that was asked, or is opened
	Asked     string `json:"asked"`
	AskedVI   string `json:"asked_vi"`
	Said      string `json:"said"`
	SaidVI    string `json:"said_vi"`
}

// Report is a live check of an account.
type Report struct {
	AccountID   string    `json:"account_id"`
	Provider    string    `json:"provider"`
	Works       bool      `json:"works"`
	At          time.Time `json:"at"`
	CallbackURL string    `json:"callback_url"` // to be registered at the provider
	Findings    []Finding `json:"findings"`
}

// checkWithin bounds one question of a check: a person waits.
const checkWithin = 20 * time.Second

// NobodysPayment is a payment that the provider cannot know: to look it up asks a harmless question, and any answer says that the
// provider is there and takes our keys.
func (a *Account) NobodysPayment(now time.Time) providers.Payment {
	reference := "PROBE" + rand.Text()[:15]
	if draw := a.Registration.NewReference; draw != nil { // a wire may want a form of its own
		if drawn, err := draw("H10.00-"+now.In(vietnam).Format("060102")+"-9999", now); err == nil {
			reference = drawn
		}
	}
	return providers.Payment{Reference: reference, Amount: 10_000, Description: "Kiem tra ket noi", PayerIP: "127.0.0.1", Locale: "vi", CreatedAt: now, ExpiresAt: now.Add(15 * time.Minute)}
}

// Check asks the provider harmless questions with the account's keys as they are stored now, and says in plain words what it
// answered. client is not the one of payments: a check neither trips a breaker nor is stopped by one.
func (s *Store) Check(ctx context.Context, id string, client Client) (*Report, error) {
	e, active, err := s.fresh(ctx, id)
	if err != nil {
		return nil, err
	}
	a, now := &e.Account, s.now()
	r := &Report{AccountID: id, Provider: a.Provider, At: now, CallbackURL: s.CallbackURL(a.Provider, id), Findings: []Finding{}}
	heard := &ear{}
	provider, err := providers.Provider(nil), e.Err
	if err == nil {
		provider, err = s.adapter(a, active, heard.on(client))
	}
	if err != nil {
		r.Findings = append(r.Findings, Finding{Operation: "set_up", Result: ResultWrongKeys, Asked: "to make ready for calls", AskedVI: "chuẩn bị kết nối",
			Said: "the account cannot be used: " + err.Error(), SaidVI: "tài khoản chưa dùng được: " + err.Error()})
		return r, nil
	}
	answer, err := provider.Lookup(ctx, a.NobodysPayment(now))
	lookup := heard.finding("lookup", err)
	lookup.Asked, lookup.AskedVI = "what became of a payment that does not exist", "kết quả của một giao dịch không tồn tại"
	if lookup.Result == ResultWorks {
		lookup.Said, lookup.SaidVI = "it answered that it knows no such payment, or that nothing was paid: keys and address work", "đã trả lời không có giao dịch hoặc chưa có tiền: khóa và địa chỉ hoạt động"
		if answer.Outcome == providers.Uncertain { // some say so of a payment that they do not know, others of a fault
			lookup.Code = answer.Code
			lookup.Said = "it answered, and took our keys, with code " + answer.Code + ", which says nothing certain of a payment: see that its document means a payment that it does not know"
			lookup.SaidVI = "đã trả lời và nhận khóa, với mã " + answer.Code + " chưa nói chắc điều gì: hãy xem tài liệu để biết mã này là “không có giao dịch”"
		}
	}
	lister, lists := provider.(providers.TransferFetcher)
	if lookup.Result != ResultNotTried || !lists {
		r.Findings = append(r.Findings, lookup)
	}
	if lists {
		heard.forget()
		_, _, err := lister.Transfers(ctx, "")
		list := heard.finding("transfers", err)
		list.Asked, list.AskedVI = "which transfers came in since yesterday", "các khoản chuyển đến từ hôm qua"
		if list.Result == ResultWorks {
			list.Said, list.SaidVI = "it gave the list: the key for reading and the address work; the key of its notifications is proved by the first notification only",
				"đã trả danh sách: khóa đọc và địa chỉ hoạt động; khóa của thông báo chỉ được kiểm chứng khi có thông báo đầu tiên"
		}
		r.Findings = append(r.Findings, list)
	}
	heard.forget()
	r.Findings = append(r.Findings, checkout(ctx, a, provider, now))
	r.Works = true
	for _, f := range r.Findings {
		r.Works = r.Works && (f.Result == ResultWorks || f.Result == ResultNotTried)
	}
	return r, nil
}

// checkout says what a check cannot know of opening a payment.
func checkout(ctx context.Context, a *Account, p providers.Provider, now time.Time) Finding {
	f := Finding{Operation: string(providers.OpCheckout), Result: ResultNotTried, Asked: "nothing: to open a payment would make one", AskedVI: "không hỏi: mở thử sẽ tạo giao dịch thật",
		Said: "not tried; it uses the same keys", SaidVI: "không thử; dùng cùng bộ khóa"}
	if !a.Registration.BuildsAddress {
		return f
	}
	to, err := p.Checkout(ctx, a.NobodysPayment(now))
	switch {
	case err != nil:
		f.Result, f.Said, f.SaidVI = ResultWrongKeys, "no payment can be opened: "+err.Error(), "không mở được giao dịch: "+err.Error()
	case to.URL != "":
		f.Address = hostOf(to.URL)
		f.Said = "not checked: the pay address is built here and opened by the payer alone; the check does not open it. Pay a small sum once to be sure"
		f.SaidVI = "chưa kiểm tra: địa chỉ thanh toán được tạo tại đây và chỉ người nộp mở; lệnh này không mở. Hãy nộp thử một khoản nhỏ"
	default:
		f.Said = "not checked: the code is made here; payers pay straight into " + a.BeneficiaryBank + " " + masked(a.BeneficiaryAccount) + ", " + a.BeneficiaryName
		f.SaidVI = "chưa kiểm tra: mã được tạo tại đây; người nộp chuyển thẳng vào " + a.BeneficiaryBank + " " + masked(a.BeneficiaryAccount) + ", " + a.BeneficiaryName
	}
	return f
}

// ear overhears where a call went and what status it got.
type ear struct {
	mu      sync.Mutex
	address string
	status  int
}

func (h *ear) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.address, h.status = "", 0
}

func (h *ear) on(client Client) Client {
	return func(id string, op providers.Operation, timeout time.Duration) *http.Client {
		c := *client(id, op, min(timeout, checkWithin))
		if c.Transport == nil {
			c.Transport = http.DefaultTransport
		}
		c.Transport = overhearing{c.Transport, h}
		return &c
	}
}

type overhearing struct {
	next http.RoundTripper
	ear  *ear
}

// RoundTrip passes the call on.
func (o overhearing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := o.next.RoundTrip(r)
	o.ear.mu.Lock()
	defer o.ear.mu.Unlock()
	o.ear.address, o.ear.status = r.URL.Scheme+"://"+r.URL.Host, 0
	if err == nil {
		o.ear.status = resp.StatusCode
	}
	return resp, err
}

// finding says what a call's end means.
func (h *ear) finding(operation string, err error) Finding {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := Finding{Operation: operation, Address: h.address}
	var refused *providers.RefusedError
	switch {
	case h.address == "" && err == nil:
		f.Result = ResultNotTried
		f.Said, f.SaidVI = "nothing was asked: this provider has nobody to ask; the bank's notification or statement tells", "không hỏi: kênh này không có nơi tra cứu; chỉ thông báo hoặc sao kê của ngân hàng cho biết"
	case err == nil:
		f.Result = ResultWorks
	case errors.As(err, &refused):
		f.Result, f.Code = ResultWrongKeys, refused.Code
		f.Said = "the provider says that our keys or terminal are wrong (code " + refused.Code + ")"
		f.SaidVI = "đơn vị thanh toán báo khóa hoặc mã điểm thu của ta sai (mã " + refused.Code + ")"
		if !errors.Is(refused.Kind, providers.ErrConfig) {
			f.Result, f.Said, f.SaidVI = ResultUnclear, "the provider refused the question (code "+refused.Code+")", "đơn vị thanh toán từ chối câu hỏi (mã "+refused.Code+")"
		}
	case errors.Is(err, providers.ErrConfig) && h.address == "":
		f.Result = ResultWrongKeys
		f.Said, f.SaidVI = "nothing was asked: "+err.Error(), "chưa hỏi được: "+err.Error()
	case errors.Is(err, providers.ErrConfig):
		f.Result, f.Code = ResultWrongKeys, "HTTP "+strconv.Itoa(h.status)
		f.Said, f.SaidVI = "the provider says that our keys or terminal are wrong ("+f.Code+")", "đơn vị thanh toán báo khóa hoặc mã điểm thu của ta sai ("+f.Code+")"
	case errors.Is(err, providers.ErrNotSent):
		f.Result = ResultNotReachable
		f.Said, f.SaidVI = "the address cannot be reached: "+why(err)+"; nothing was sent", "không kết nối được địa chỉ: "+why(err)+"; chưa gửi gì"
	default:
		f.Result = ResultUnclear
		f.Said, f.SaidVI = "it was sent, but the answer broke off, or is not what the provider's description says", "đã gửi, nhưng câu trả lời bị ngắt hoặc không đúng mô tả của đơn vị thanh toán"
		switch {
		case late(err):
			f.Said, f.SaidVI = "it was sent, and there was no answer in time", "đã gửi nhưng không có trả lời trong thời gian cho phép"
		case h.status >= 400:
			f.Code = "HTTP " + strconv.Itoa(h.status)
			f.Said, f.SaidVI = "the provider answers with a fault of its own ("+f.Code+")", "phía đơn vị thanh toán đang lỗi ("+f.Code+")"
		}
	}
	return f
}

// late reports whether an error is one of waiting.
func late(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// why is the innermost word on a call that did not go out: the name that is not known, the port where nobody listens. The outer ones
// hold whole addresses.
func why(err error) string {
	var n *providers.NotSentError
	if errors.As(err, &n) {
		return n.Why
	}
	for {
		var inner error
		switch e := err.(type) { // walks down by hand
		case interface{ Unwrap() []error }:
			if all := e.Unwrap(); len(all) > 0 {
				inner = all[len(all)-1]
			}
		case interface{ Unwrap() error }:
			inner = e.Unwrap()
		}
		if inner == nil {
			break
		}
		err = inner
	}
	return strings.TrimSpace(err.Error())
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
