// Package sepaysim plays SePay: it watches a bank account, calls for each movement on it, signed or with the key, and gives the
// list of movements.
//
// It is written from the vendor's notes alone and shares no line with the adapter. Only cmd/simulator and tests import it.
package sepaysim

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"feegate/providers/sim"
)

// Name of the provider in addresses.
const Name = "sepay"

const listPath = "/sepay/userapi/transactions/list"

// firstID is SePay's number of the bank's first movement.
const firstID = 92704

// Wire is SePay.
type Wire struct{}

// New makes the wire.
func New() sim.Wire { return Wire{} }

// Name of the provider.
func (Wire) Name() string { return Name }

// Credentials: api_key or webhook_secret, and api_token for the list; none of them is the terminal, which is the bank account.
func (Wire) Credentials() []string { return nil }

// DeclineCode does not exist: what is not paid is not told.
func (Wire) DeclineCode() string { return "" }

// Retries: eight calls in all.
func (Wire) Retries() (int, time.Duration) { return 8, time.Minute }

// After is the pause before the next of them.
func (Wire) After(sent int) time.Duration {
	pauses := []time.Duration{0, 1, 1, 2, 3, 5, 8, 13}
	return pauses[min(sent, len(pauses)-1)] * time.Minute
}

// Delivered: any 2xx.
func (Wire) Delivered(status int, _ []byte) bool { return status/100 == 2 }

// Settlement does not exist.
func (Wire) Settlement() sim.SettlementFormat { return sim.SettlementFormat{} }

// Callback is of payments, which SePay does not know.
func (Wire) Callback(sim.Account, sim.Payment, sim.Message) (sim.Outgoing, error) {
	return sim.Outgoing{}, errors.New("SePay tells of transfers alone")
}

// Number is the account that is watched.
func (Wire) Number(a sim.Account) string {
	if a.BankAccount != "" {
		return a.BankAccount
	}
	return a.Terminal
}

// code is what SePay's portal was told to look for: the merchant's prefix and ten letters or digits, in one piece.
var code = regexp.MustCompile(`\bPHX[A-Z0-9]{10}\b`)

// Tells writes the webhook.
func (s Wire) Tells(w *sim.World, a sim.Account, t sim.Transfer, m sim.Message) (sim.Outgoing, bool, error) {
	if t.Account != s.Number(a) {
		return sim.Outgoing{}, false, nil
	}
	if a.CallbackURL == "" {
		return sim.Outgoing{}, false, errors.New("the account has no callback_url")
	}
	kind := "in"
	if t.Out {
		kind = "out"
	}
	body, err := json.Marshal(struct {
		ID              int64   `json:"id"`
		Gateway         string  `json:"gateway"`
		TransactionDate string  `json:"transactionDate"`
		AccountNumber   string  `json:"accountNumber"`
		Code            *string `json:"code"`
		Content         string  `json:"content"`
		TransferType    string  `json:"transferType"`
		TransferAmount  int64   `json:"transferAmount"`
		Accumulated     int64   `json:"accumulated"`
		SubAccount      *string `json:"subAccount"`
		ReferenceCode   string  `json:"referenceCode"`
		Description     string  `json:"description"`
	}{firstID + t.Number, "Vietcombank", stamp(t.At), t.Account, found(t), t.Content, kind, int64(m.Amount), 0, nil, t.Reference, ""})
	out := sim.Outgoing{Method: http.MethodPost, URL: a.CallbackURL, ContentType: "application/json", Body: body}
	if m.Forge {
		forger := a
		forger.Credentials = map[string]string{}
		for name, v := range a.Credentials {
			forger.Credentials[name] = "not " + v
		}
		return s.Resign(forger, out, m.At), true, err
	}
	return s.Resign(a, out, m.At), true, err
}

// Resign signs with the time of the call, or sets the key where the account has no secret to sign with.
func (Wire) Resign(a sim.Account, out sim.Outgoing, now time.Time) sim.Outgoing {
	secret := a.Credentials["webhook_secret"]
	if secret == "" {
		out.Header = map[string]string{"Authorization": "Apikey " + a.Credentials["api_key"]}
		return out
	}
	at := strconv.FormatInt(now.Unix(), 10)
	h := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(h, "%s.%s", at, out.Body)
	out.Header = map[string]string{"X-SePay-Timestamp": at, "X-SePay-Signature": fmt.Sprintf("sha256=%x", h.Sum(nil))}
	return out
}

func found(t sim.Transfer) *string {
	if c := code.FindString(t.Content); c != "" {
		return &c
	}
	return nil
}

func stamp(t time.Time) string { return t.In(sim.Zone()).Format("2006-01-02 15:04:05") }

// Routes of the wire.
func (s Wire) Routes(w *sim.World) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{"GET " + listPath: func(rw http.ResponseWriter, r *http.Request) {
		w.Serve(Name, sim.Lookup, rw, r, func(rw http.ResponseWriter) func(context.Context) {
			s.list(w, rw, r)
			return nil
		})
	}}
}

// list answers the newest first, ids and amounts as texts.
func (s Wire) list(w *sim.World, rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	answer := func(status int, v any) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		_ = json.NewEncoder(rw).Encode(v)
	}
	account, ok := sim.Account{}, false
	for _, a := range w.Accounts() {
		if a.Provider == Name && a.Credentials["api_token"] != "" && r.Header.Get("Authorization") == "Bearer "+a.Credentials["api_token"] &&
			(q.Get("account_number") == "" || q.Get("account_number") == s.Number(a)) {
			account, ok = a, true
		}
	}
	if !ok {
		answer(http.StatusUnauthorized, map[string]any{"status": 401, "error": "Unauthorized", "messages": map[string]bool{"success": false}})
		return
	}
	since, _ := strconv.ParseInt(q.Get("since_id"), 10, 64)
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 || limit > 5000 {
		limit = 5000
	}
	rows := []map[string]any{}
	all := w.Transfers(s.Number(account))
	for i := len(all) - 1; i >= 0 && len(rows) < limit; i-- {
		t := all[i]
		at, id := stamp(t.At), firstID+t.Number
		if id < since || at < q.Get("transaction_date_min") || q.Get("transaction_date_max") != "" && at > q.Get("transaction_date_max") {
			continue
		}
		in, paid := strconv.FormatInt(int64(t.Amount), 10)+".00", "0.00"
		if t.Out {
			in, paid = paid, in
		}
		rows = append(rows, map[string]any{"id": strconv.FormatInt(id, 10), "bank_brand_name": "Vietcombank", "account_number": t.Account, "transaction_date": at,
			"amount_out": paid, "amount_in": in, "accumulated": "0.00", "transaction_content": t.Content, "reference_number": t.Reference, "code": found(t),
			"sub_account": nil, "bank_account_id": "1"})
	}
	answer(http.StatusOK, map[string]any{"status": 200, "error": nil, "messages": map[string]bool{"success": true}, "transactions": rows})
}
