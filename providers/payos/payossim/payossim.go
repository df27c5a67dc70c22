// Package payossim plays payOS's merchant API: payment links with a virtual account each, the payer's page, the webhook for each
// transfer into it, the look-up and the cancelling.
//
// It is written from the vendor's notes alone and shares no line with the adapter. Only cmd/simulator and tests import it.
package payossim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"feegate/providers/sim"
)

// Name of the provider in addresses.
const Name = "payos"

// Paths below the simulator's address; the adapter's base address is …/payos.
const (
	apiPath    = "/payos/v2/payment-requests"
	pagePath   = "/payos/web/"
	choicePath = "/payos/choice"
)

// bank of the virtual accounts.
const bank = "970422"

// Wire is payOS.
type Wire struct{}

// New makes the wire.
func New() sim.Wire { return Wire{} }

// Name of the provider.
func (Wire) Name() string { return Name }

// Credentials of a payment channel.
func (Wire) Credentials() []string { return []string{"clientId", "apiKey", "checksumKey"} }

// DeclineCode does not exist: a link that nobody pays is cancelled or runs out.
func (Wire) DeclineCode() string { return "" }

// Retries: payOS publishes no schedule, so nothing may rely on one.
func (Wire) Retries() (int, time.Duration) { return 1, 0 }

// Delivered: any 2xx.
func (Wire) Delivered(status int, _ []byte) bool { return status/100 == 2 }

// Settlement does not exist.
func (Wire) Settlement() sim.SettlementFormat { return sim.SettlementFormat{} }

// Callback is of payments; payOS tells of transfers.
func (Wire) Callback(sim.Account, sim.Payment, sim.Message) (sim.Outgoing, error) {
	return sim.Outgoing{}, errors.New("payOS tells of transfers alone")
}

// Announced: a link is made before it is paid.
func (Wire) Announced() bool { return true }

// Number is the account behind the virtual ones.
func (Wire) Number(a sim.Account) string {
	if a.BankAccount != "" {
		return a.BankAccount
	}
	return "12345678"
}

// Routes of the wire.
func (Wire) Routes(w *sim.World) map[string]http.HandlerFunc {
	s := server{w}
	return map[string]http.HandlerFunc{
		"POST " + apiPath:                  s.call(sim.Checkout, s.create),
		"GET " + apiPath + "/{id}":         s.call(sim.Lookup, s.get),
		"POST " + apiPath + "/{id}/cancel": s.call(sim.CancelOp, s.cancel),
		"GET " + pagePath + "{id}":         s.page,
		"POST " + choicePath:               s.choose,
	}
}

// Tells writes the webhook of a transfer into a link's virtual account.
func (s Wire) Tells(w *sim.World, a sim.Account, t sim.Transfer, m sim.Message) (sim.Outgoing, bool, error) {
	if t.Provider != Name || t.Terminal != a.Terminal || t.Link == "" || t.Out {
		return sim.Outgoing{}, false, nil
	}
	if a.CallbackURL == "" {
		return sim.Outgoing{}, false, errors.New("the account has no callback_url")
	}
	p, ok := w.Find(Name, a.Terminal, t.Link)
	if !ok {
		return sim.Outgoing{}, false, nil
	}
	data := transaction(t, s.Number(a), "2006-01-02 15:04:05")
	data["amount"], data["orderCode"], data["currency"], data["paymentLinkId"] = m.Amount, json.Number(p.Wire["orderCode"]), "VND", p.Wire["link"]
	data["code"], data["desc"] = "00", "success"
	key := a.Credentials["checksumKey"]
	if m.Forge {
		key = "not " + key
	}
	body, err := sealed(key, data)
	return sim.Outgoing{Method: http.MethodPost, URL: a.CallbackURL, ContentType: "application/json", Body: body}, true, err
}

// transaction is a transfer as webhooks and look-ups have it.
func transaction(t sim.Transfer, account, clock string) map[string]any {
	return map[string]any{"reference": t.Reference, "amount": t.Amount, "accountNumber": account, "description": t.Content,
		"transactionDateTime": t.At.In(sim.Zone()).Format(clock), "virtualAccountName": "", "virtualAccountNumber": t.Virtual,
		"counterAccountBankId": t.PayerBank, "counterAccountBankName": nil, "counterAccountName": t.PayerName, "counterAccountNumber": t.PayerAccount}
}

// link is a payment link's id: the order code is in it, so that it is found again by it.
func link(terminal string, orderCode uint64) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(terminal, "\x00", orderCode)))
	return fmt.Sprintf("%014x%s", orderCode, hex.EncodeToString(sum[:9]))
}

// virtual is the account that a link is paid into.
func virtual(terminal string, orderCode uint64) string {
	sum := sha256.Sum256([]byte(terminal))
	return "V3" + strings.ToUpper(hex.EncodeToString(sum[:2])) + strings.ToUpper(strconv.FormatUint(orderCode, 36))
}

// reference is the merchant's reference whose number is the order code: eight symbols in base 31 and two that check them. A number
// beyond is its own name.
func reference(orderCode uint64) string {
	const symbols = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
	rest, body := orderCode, make([]byte, 8)
	c1, c2 := uint64(0), uint64(0)
	for i := 8; i >= 1; i-- {
		v := rest % 31
		rest /= 31
		body[i-1] = symbols[v]
		c1 += uint64(i) * v
		c2 += uint64(i*i) * v
	}
	if rest > 0 {
		return strconv.FormatUint(orderCode, 10)
	}
	return "PHX" + string(body) + string([]byte{symbols[c1%31], symbols[c2%31]})
}
