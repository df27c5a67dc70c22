// Package cassosim plays Casso: it watches a bank account, calls for each movement on it (Webhook V2, or the older calls where
// the account has only their token), and gives the list of movements.
//
// It is written from the vendor's notes alone and shares no line with the adapter. Only cmd/simulator and tests import it.
package cassosim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"feegate/providers/sim"
)

// Name of the provider in addresses.
const Name = "casso"

const listPath = "/casso/v2/transactions"

// firstID is Casso's number of the bank's first movement.
const firstID = 1_000_000

// Wire is Casso.
type Wire struct{}

// New makes the wire.
func New() sim.Wire { return Wire{} }

// Name of the provider.
func (Wire) Name() string { return Name }

// Credentials: webhook_key or legacy_secure_token, and api_key for the list; none of them is the terminal, which is the bank account.
func (Wire) Credentials() []string { return nil }

// DeclineCode does not exist: what is not paid is not told.
func (Wire) DeclineCode() string { return "" }

// Retries: Casso publishes no schedule; it is known to come again.
func (Wire) Retries() (int, time.Duration) { return 5, 2 * time.Minute }

// Delivered: 200.
func (Wire) Delivered(status int, _ []byte) bool { return status == http.StatusOK }

// Settlement does not exist.
func (Wire) Settlement() sim.SettlementFormat { return sim.SettlementFormat{} }

// Callback is of payments, which Casso does not know.
func (Wire) Callback(sim.Account, sim.Payment, sim.Message) (sim.Outgoing, error) {
	return sim.Outgoing{}, errors.New("Casso tells of transfers alone")
}

// Number is the account that is watched.
func (Wire) Number(a sim.Account) string {
	if a.BankAccount != "" {
		return a.BankAccount
	}
	return a.Terminal
}

// Tells writes the webhook.
func (s Wire) Tells(_ *sim.World, a sim.Account, t sim.Transfer, m sim.Message) (sim.Outgoing, bool, error) {
	if t.Account != s.Number(a) {
		return sim.Outgoing{}, false, nil
	}
	if a.CallbackURL == "" {
		return sim.Outgoing{}, false, errors.New("the account has no callback_url")
	}
	amount := int64(m.Amount)
	if t.Out {
		amount = -amount
	}
	body := map[string]any{"error": 0, "data": map[string]any{
		"id": firstID + t.Number, "reference": t.Reference, "description": t.Content, "amount": amount, "runningBalance": 0, "transactionDateTime": stamp(t.At),
		"accountNumber": t.Account, "bankName": "Vietcombank", "bankAbbreviation": "VCB", "virtualAccountNumber": t.Virtual, "virtualAccountName": "",
		"counterAccountName": t.PayerName, "counterAccountNumber": t.PayerAccount, "counterAccountBankId": t.PayerBank, "counterAccountBankName": ""}}
	if a.Credentials["webhook_key"] == "" {
		body["data"] = []any{record(t, amount)}
	}
	raw, err := compact(body)
	out := sim.Outgoing{Method: http.MethodPost, URL: a.CallbackURL, ContentType: "application/json", Body: raw}
	if m.Forge {
		forger := a
		forger.Credentials = map[string]string{}
		for name, v := range a.Credentials {
			forger.Credentials[name] = "not " + v
		}
		a = forger
	}
	return s.Resign(a, out, m.At), true, err
}

// Resign signs with the time of the call, in milliseconds, or sets the older token.
func (Wire) Resign(a sim.Account, out sim.Outgoing, now time.Time) sim.Outgoing {
	key := a.Credentials["webhook_key"]
	if key == "" {
		out.Header = map[string]string{"Secure-Token": a.Credentials["legacy_secure_token"]}
		return out
	}
	// Maps are written in the order of their names, so the body is the text that is signed.
	h := hmac.New(sha512.New, []byte(key))
	_, _ = fmt.Fprintf(h, "%d.%s", now.UnixMilli(), out.Body)
	out.Header = map[string]string{"X-Casso-Signature": fmt.Sprintf("t=%d,v1=%x", now.UnixMilli(), h.Sum(nil))}
	return out
}

// compact writes JSON as JavaScript does: nothing escaped that need not be.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	out := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	out = bytes.ReplaceAll(out, []byte(`\\`), []byte("\x00")) // a backslash of the text itself keeps what stands behind it
	out = bytes.ReplaceAll(bytes.ReplaceAll(out, []byte(`\u2028`), []byte("\u2028")), []byte(`\u2029`), []byte("\u2029"))
	return bytes.ReplaceAll(out, []byte("\x00"), []byte(`\\`)), err
}

// record is a movement with the older names.
func record(t sim.Transfer, amount int64) map[string]any {
	return map[string]any{"id": firstID + t.Number, "tid": t.Reference, "description": t.Content, "amount": amount, "cusum_balance": 0, "when": stamp(t.At),
		"bank_sub_acc_id": t.Account, "subAccId": t.Account, "bankSubAccId": t.Account, "virtualAccount": t.Virtual, "virtualAccountName": "",
		"corresponsiveName": t.PayerName, "corresponsiveAccount": t.PayerAccount, "corresponsiveBankId": t.PayerBank, "corresponsiveBankName": ""}
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

// list answers one page, the oldest first. The key is of a business, which may have several accounts.
func (s Wire) list(w *sim.World, rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	answer := func(status int, v any) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		_ = json.NewEncoder(rw).Encode(v)
	}
	var all []sim.Transfer
	known := false
	for _, a := range w.Accounts() {
		if a.Provider == Name && a.Credentials["api_key"] != "" && r.Header.Get("Authorization") == "Apikey "+a.Credentials["api_key"] {
			known = true
			all = append(all, w.Transfers(s.Number(a))...)
		}
	}
	if !known {
		answer(http.StatusUnauthorized, map[string]any{"error": 401, "message": "Unauthorized"})
		return
	}
	from := q.Get("fromDate")
	if from == "" {
		from = sim.Day(w.Now().AddDate(0, 0, -7))
	}
	page, size := number(q.Get("page"), 1, 1<<30), number(q.Get("pageSize"), 10, 100)
	records, total := []any{}, 0
	for _, t := range all {
		if day := sim.Day(t.At); day < from || q.Get("toDate") != "" && day > q.Get("toDate") {
			continue
		}
		if total/size == page-1 {
			amount := int64(t.Amount)
			if t.Out {
				amount = -amount
			}
			records = append(records, record(t, amount))
		}
		total++
	}
	pages := (total + size - 1) / size
	next := any(nil)
	if page < pages {
		next = page + 1
	}
	answer(http.StatusOK, map[string]any{"error": 0, "message": "success", "data": map[string]any{"page": page, "pageSize": size, "nextPage": next, "prevPage": nil,
		"totalPages": pages, "totalRecords": total, "records": records}})
}

func number(s string, otherwise, most int) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return otherwise
	}
	return n
}
