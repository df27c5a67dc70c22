// Package dvcqgsim plays the national portal's payment platform as its notes tell it: INIT, QUERY, GET_BILL, the payer's page,
// the callback, what a payer brings back, and a reconciliation file of the layout that we assume.
//
// It reads the same mapping as the adapter, since there is no other description of that wire, and shares no line of code with
// it. Only cmd/simulator and tests import it.
package dvcqgsim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"feegate/providers/dvcqg/mapping"
	"feegate/providers/sim"
)

// Name of the provider in addresses.
const Name = "dvcqg"

// Paths of the payer's page; those of the functions are the mapping's.
const (
	payPath    = "/dvcqg/pay"
	choicePath = "/dvcqg/pay/choice"
)

// Codes of an INIT that the platform does not take. None is known: these stand for any.
const (
	initRefused = "12"
	declined    = "07"
)

// Wire is the platform under one mapping.
type Wire struct{ m *mapping.Mapping }

// New makes the wire of the version that the program brings along.
func New() sim.Wire {
	m, err := mapping.Load("")
	if err != nil {
		panic(err) // the mapping is part of the program: a test holds it
	}
	return Wire{m}
}

// NewWith makes the wire of another mapping.
func NewWith(m *mapping.Mapping) sim.Wire { return Wire{m} }

// Name of the provider.
func (Wire) Name() string { return Name }

// Credentials of a partner.
func (Wire) Credentials() []string { return []string{"partner", "secret"} }

// DeclineCode stands for "the bank said no": the real one is not known.
func (Wire) DeclineCode() string { return declined }

// Retries: none is published, so nothing may rely on one.
func (Wire) Retries() (int, time.Duration) { return 1, 0 }

// Delivered: a JSON answer whose code says that it was recorded.
func (w Wire) Delivered(status int, body []byte) bool {
	said, err := decode(body)
	return status == http.StatusOK && err == nil && said[w.m.Name(mapping.Code)] == w.m.Answers["recorded"].Code
}

// Routes of the wire.
func (w Wire) Routes(world *sim.World) map[string]http.HandlerFunc {
	s := server{world, w.m}
	path := func(function string) string { return "POST /dvcqg" + w.m.Functions[function].Path }
	return map[string]http.HandlerFunc{
		path(mapping.Init):   s.call(sim.Checkout, mapping.Init, s.init),
		path(mapping.Query):  s.call(sim.Lookup, mapping.Query, s.query),
		path(mapping.Bill):   s.call(sim.Lookup, mapping.Bill, s.bill),
		"GET " + payPath:     s.pay,
		"POST " + choicePath: s.choose,
	}
}

// codeOf is a code of a class; where the mapping has several, the first in order.
func codeOf(codes map[string]string, class, otherwise string) string {
	var found []string
	for code, c := range codes {
		if c == class {
			found = append(found, code)
		}
	}
	if len(found) == 0 {
		return otherwise
	}
	return slices.Min(found)
}

// status is what a QUERY says of a payment.
func (w Wire) status(p sim.Payment) string {
	class := map[sim.State]string{sim.Succeeded: mapping.Succeeded, sim.Pending: mapping.Pending}[p.State]
	if class == "" {
		class = mapping.Failed
	}
	return codeOf(w.m.Statuses, class, "2")
}

// told is the fields of a callback and of a return.
func (w Wire) told(a sim.Account, p sim.Payment, m sim.Message) map[string]string {
	code := m.Code
	switch {
	case m.Said == sim.Succeeded:
		code = codeOf(w.m.Codes.Callback, mapping.Succeeded, "")
	case code == "":
		code = declined
	}
	fields := map[string]string{}
	for role, v := range map[string]string{
		mapping.Type: w.m.Functions[mapping.Callback].Type, mapping.Code: code, mapping.Partner: p.Account, mapping.Reference: p.Reference,
		mapping.Amount: m.Amount.String(), mapping.Currency: w.m.Values[mapping.Currency], mapping.Transaction: p.Transaction, mapping.Bank: "VCB",
		mapping.Time: moment(m.At), mapping.Description: p.Wire["description"],
	} {
		fields[w.m.Name(role)] = v
	}
	secret := a.Credentials["secret"]
	if m.Forge {
		secret = "not " + secret
	}
	fields[w.m.Name(mapping.Digest)] = sum(w.m, mapping.Callback, fields, secret)
	return fields
}

// Callback is a POST of JSON to the address that the partner gave.
func (w Wire) Callback(a sim.Account, p sim.Payment, m sim.Message) (sim.Outgoing, error) {
	if a.CallbackURL == "" {
		return sim.Outgoing{}, errors.New("no callback_url is known")
	}
	body, err := encode(w.told(a, p, m))
	return sim.Outgoing{Method: http.MethodPost, URL: a.CallbackURL, ContentType: "application/json", Body: body}, err
}

// Settlement is the mapping's layout.
func (w Wire) Settlement() sim.SettlementFormat {
	s := w.m.Settlement
	return sim.SettlementFormat{
		Filename:  func(terminal, day string) string { return fmt.Sprintf("dvcqg-%s-%s.txt", terminal, day) },
		Separator: rune(s.Separator[0]), Header: s.Header(),
		Row: func(l sim.Line) []string {
			word := s.Payment
			if l.Refund {
				word = s.Refund
			}
			at := l.Time.In(sim.Zone())
			cell := map[string]string{"date": at.Format(s.DayLayout()), "partner": l.Payment.Account, "reference": l.Reference, "transaction": l.Transaction,
				"type": word, "amount": l.Amount.String(), "fee": l.Fee.String(), "net": l.Net().String(), "bank": "VCB", "paid_to": l.Payment.Wire["account"],
				"time": at.Format(s.TimeLayout()), "status": s.Success[0], "settled": at.AddDate(0, 0, 1).Format(s.DayLayout())}
			row := make([]string, len(s.Columns))
			for i, c := range s.Columns {
				row[i] = cell[c.Is]
			}
			return row
		},
	}
}

type server struct {
	w *sim.World
	m *mapping.Mapping
}

// pay is the payer's page: at the platform a payer chooses a bank, here what the bank will say.
func (s server) pay(rw http.ResponseWriter, r *http.Request) {
	p, ok := s.byToken(r.URL.Query().Get("t"))
	if !ok {
		lost(rw)
		return
	}
	page := sim.Page{Lang: "vi", Provider: "Cổng Dịch vụ công quốc gia", Title: "Thanh toán " + p.Amount.Format(),
		Lines: []sim.PageLine{{Name: "Nội dung", Value: p.Wire["description"]}, {Name: "Mã tham chiếu", Value: p.Reference}}}
	switch p.State {
	case sim.Succeeded:
		page.Title = "Giao dịch đã thanh toán"
	case sim.Expired:
		page.Title = "Giao dịch đã hết hạn"
	default:
		page.Action, page.Hidden = choicePath, map[string]string{"t": r.URL.Query().Get("t")}
		page.Choices = []sim.PageChoice{{Value: "pay", Label: "Thanh toán", Main: true}, {Value: "no", Label: "Ngân hàng từ chối"}, {Value: "later", Label: "Để sau"}}
	}
	page.Write(rw, http.StatusOK)
}

func lost(rw http.ResponseWriter) {
	sim.Page{Lang: "vi", Provider: "Cổng Dịch vụ công quốc gia", Title: "Không tìm thấy giao dịch", Note: "Hãy quay lại trang của cơ quan thu và thử lại."}.Write(rw, http.StatusNotFound)
}

// choose is a button: the callback goes out, then the browser goes back.
func (s server) choose(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, sim.MaxWireBody)
	p, ok := s.byToken(r.PostFormValue("t"))
	outcome := map[string]string{"pay": sim.OutcomeSucceed, "no": sim.OutcomeDecline, "later": sim.OutcomeLeave}[r.PostFormValue("choice")]
	if !ok || outcome == "" {
		lost(rw)
		return
	}
	if p.State != sim.Succeeded && p.State != sim.Expired {
		// The payer may close the page at once; what was decided must reach the gateway all the same.
		if _, err := s.w.Decide(context.WithoutCancel(r.Context()), Name, p.Reference, sim.Decision{Outcome: outcome, Account: p.Account}); err != nil {
			sim.Page{Lang: "vi", Provider: "Cổng Dịch vụ công quốc gia", Title: "Có lỗi, hãy thử lại", Note: err.Error()}.Write(rw, http.StatusConflict)
			return
		}
		p, _ = s.w.Find(Name, p.Account, p.Reference)
	}
	http.Redirect(rw, r, s.returnURL(p), http.StatusSeeOther)
}

// returnURL is where the payer goes back to. INIT names no address, so the partner must have registered one: feegate's stands
// beside the one for callbacks.
func (s server) returnURL(p sim.Payment) string {
	a, _ := s.w.Account(Name, p.Account)
	m := sim.Message{Said: p.State, Code: p.Code, Amount: p.Amount, At: s.w.Now()}
	if p.State == sim.Succeeded {
		m.Amount, m.At = p.Taken, p.PaidAt
	}
	q := url.Values{}
	for name, v := range (Wire{s.m}).told(a, p, m) {
		q.Set(name, v)
	}
	return strings.Replace(a.CallbackURL, "/callbacks/", "/returns/", 1) + "?" + q.Encode()
}

// token of a pay address, so that nobody walks through references.
func token(a sim.Account, reference string) string {
	return a.Terminal + "." + reference + "~" + plainSum("pay|" + a.Terminal + "|" + reference + "|" + a.Credentials["secret"])[:32]
}

func (s server) byToken(t string) (sim.Payment, bool) {
	name, _, _ := strings.Cut(t, "~")
	terminal, reference, _ := strings.Cut(name, ".")
	a, ok := s.w.Account(Name, terminal)
	if !ok || t != token(a, reference) {
		return sim.Payment{}, false
	}
	return s.w.Find(Name, terminal, reference)
}
