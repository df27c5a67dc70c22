// Package papersim plays Ví Giấy, the wallet of docs/adding-a-provider.md, on its wire.
//
// It is written from the wallet's description alone and shares no line with the adapter. Only tests import it.
package papersim

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers/sim"
)

// Name of the provider in addresses.
const Name = "paper"

// The orders of what is signed.
const (
	payOrder   = "terminal reference amount text expires return"
	queryOrder = "terminal reference"
	toldOrder  = "terminal reference amount code transaction paid_at text"
)

// Wire is Ví Giấy.
type Wire struct{}

// New makes the wire.
func New() sim.Wire { return Wire{} }

// Name of the provider.
func (Wire) Name() string { return Name }

// Credentials of a terminal.
func (Wire) Credentials() []string { return []string{"terminal", "secret"} }

// DeclineCode is "not enough money".
func (Wire) DeclineCode() string { return "no_money" }

// Retries: three calls, a minute apart.
func (Wire) Retries() (int, time.Duration) { return 3, time.Minute }

// Delivered: status 200.
func (Wire) Delivered(status int, _ []byte) bool { return status == http.StatusOK }

func sum(order string, m map[string]string, secret string) string {
	h := hmac.New(sha256.New, []byte(secret))
	for i, name := range strings.Fields(order) {
		if i > 0 {
			h.Write([]byte("&"))
		}
		h.Write([]byte(name + "=" + url.QueryEscape(m[name])))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Routes are the payer's page, its button, and the query.
func (Wire) Routes(w *sim.World) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /paper/pay":    func(rw http.ResponseWriter, r *http.Request) { pay(w, rw, r) },
		"POST /paper/pay":   func(rw http.ResponseWriter, r *http.Request) { choose(w, rw, r) },
		"POST /paper/query": func(rw http.ResponseWriter, r *http.Request) { query(w, rw, r) },
	}
}

// signedQuery reads a pay address; false where its signature does not hold.
func signedQuery(w *sim.World, q url.Values) (map[string]string, bool) {
	m := map[string]string{}
	for name := range q {
		m[name] = q.Get(name)
	}
	a, known := w.Account(Name, m["terminal"])
	return m, known && hmac.Equal([]byte(m["mac"]), []byte(sum(payOrder, m, a.Credentials["secret"])))
}

// pay opens a payment: the wallet knows of it from here on.
func pay(w *sim.World, rw http.ResponseWriter, r *http.Request) {
	w.Serve(Name, sim.Checkout, rw, r, func(rw http.ResponseWriter) func(context.Context) {
		m, ok := signedQuery(w, r.URL.Query())
		amount, err := vnd.Parse(m["amount"])
		expires, errTime := time.Parse(time.RFC3339, m["expires"])
		if !ok || errors.Join(err, errTime) != nil {
			http.Error(rw, "sai chữ ký", http.StatusBadRequest)
			return nil
		}
		p, fresh, err := w.Accept(sim.Payment{Provider: Name, Account: m["terminal"], Reference: m["reference"], Amount: amount, ExpiresAt: expires,
			Wire: map[string]string{"text": m["text"]}})
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return nil
		}
		sim.Page{Lang: "vi", Provider: "Ví Giấy", Title: "Thanh toán " + p.Amount.Format(), Action: "/paper/pay", Hidden: map[string]string{"q": r.URL.RawQuery},
			Choices: []sim.PageChoice{{Value: sim.OutcomeSucceed, Label: "Thanh toán", Main: true}, {Value: sim.OutcomeDecline, Label: "Không đủ tiền"}}}.Write(rw, http.StatusOK)
		if !fresh {
			return nil
		}
		return w.Accepted(r.Context(), p)
	})
}

// choose is a button: the callback goes out, then the browser goes back.
func choose(w *sim.World, rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, sim.MaxWireBody)
	q, _ := url.ParseQuery(r.PostFormValue("q"))
	m, ok := signedQuery(w, q)
	if !ok {
		http.Error(rw, "sai chữ ký", http.StatusBadRequest)
		return
	}
	d := sim.Decision{Outcome: r.PostFormValue("choice"), Account: m["terminal"]}
	if _, err := w.Decide(context.WithoutCancel(r.Context()), Name, m["reference"], d); err != nil {
		http.Error(rw, err.Error(), http.StatusConflict)
		return
	}
	http.Redirect(rw, r, m["return"], http.StatusSeeOther)
}

func query(w *sim.World, rw http.ResponseWriter, r *http.Request) {
	w.Serve(Name, sim.Lookup, rw, r, func(rw http.ResponseWriter) func(context.Context) {
		body, _ := io.ReadAll(http.MaxBytesReader(rw, r.Body, sim.MaxWireBody))
		var m map[string]string
		_ = json.Unmarshal(body, &m)
		a, known := w.Account(Name, m["terminal"])
		if !known || m["mac"] != sum(queryOrder, m, a.Credentials["secret"]) {
			http.Error(rw, `{"error":"mac"}`, http.StatusForbidden)
			return nil
		}
		p, found := w.Find(Name, m["terminal"], m["reference"])
		said := sim.Message{Said: p.State, Code: p.Code, Amount: p.Amount}
		if p.State == sim.Succeeded {
			said.Amount, said.At = p.Taken, p.PaidAt
		}
		if !found {
			p.Account, p.Reference, said.Code = m["terminal"], m["reference"], "unknown"
		}
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write(told(a, p, said))
		return nil
	})
}

// told is what the wallet says of a payment, in a callback and in an answer.
func told(a sim.Account, p sim.Payment, m sim.Message) []byte {
	code := map[sim.State]string{sim.Succeeded: "paid", sim.Pending: "waiting", sim.Expired: "expired", sim.Reversed: "cancelled"}[m.Said]
	if code == "" {
		code = m.Code
	}
	fields := map[string]string{"terminal": p.Account, "reference": p.Reference, "amount": m.Amount.String(), "code": code, "transaction": p.Transaction,
		"paid_at": m.At.In(sim.Zone()).Format(time.RFC3339), "text": p.Wire["text"]}
	secret := a.Credentials["secret"]
	if m.Forge {
		secret = "not " + secret
	}
	fields["mac"] = sum(toldOrder, fields, secret)
	out := map[string]any{}
	for name, v := range fields {
		out[name] = v
	}
	out["amount"] = m.Amount // a number
	body, _ := json.Marshal(out)
	return body
}

// Callback posts to the address that the terminal was registered with.
func (Wire) Callback(a sim.Account, p sim.Payment, m sim.Message) (sim.Outgoing, error) {
	if a.CallbackURL == "" {
		return sim.Outgoing{}, errors.New("no callback_url is known")
	}
	return sim.Outgoing{Method: http.MethodPost, URL: a.CallbackURL, ContentType: "application/json", Body: told(a, p, m)}, nil
}

// Settlement is the wallet's file.
func (Wire) Settlement() sim.SettlementFormat {
	return sim.SettlementFormat{
		Filename: func(terminal, day string) string { return "vigiay-" + terminal + "-" + day + ".csv" },
		Header:   strings.Fields("time terminal reference transaction type amount fee net status"),
		Row: func(l sim.Line) []string {
			kind := "PAYMENT"
			if l.Refund {
				kind = "REFUND"
			}
			return []string{l.Time.In(sim.Zone()).Format(time.RFC3339), l.Payment.Account, l.Reference, l.Transaction, kind, l.Amount.String(), l.Fee.String(), l.Net().String(), "ok"}
		},
	}
}
