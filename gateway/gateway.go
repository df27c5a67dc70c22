package gateway

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/account"
	"feegate/gateway/catalogue"
	"feegate/providers"
)

// Gateway is the record. It holds no state of its own besides its database handle: any number of replicas may share it.
type Gateway struct {
	db       *sqlx.DB
	accounts *account.Store
	schedule *catalogue.Store
	keys     *account.Keys
	public   string // our public address, without a trailing slash
	now      func() time.Time
	down     func(accountID string) bool
	creating *coalescer[*creation]
	hearing  *coalescer[*heard]
}

// New makes the gateway over a database, the merchant accounts and the master key; now is the one clock of facts.
func New(db *sqlx.DB, accounts *account.Store, keys *account.Keys, publicURL string, now func() time.Time) *Gateway {
	g := &Gateway{db: db, accounts: accounts, schedule: catalogue.New(db), keys: keys, public: publicURL, now: now}
	// Two batches of each kind at once: one is written while the next is gathered and its rows are made.
	g.creating = newCoalescer(2, 100, g.createTogether)
	g.hearing = newCoalescer(2, 100, g.hearTogether)
	return g
}

// AskBefore has down asked before a payment is started: whether the account's provider is known to be out of reach. It is set
// once, before the gateway is used.
func (g *Gateway) AskBefore(down func(accountID string) bool) { g.down = down }

// Caller is who asks: a program by its key, or a person. What a key may see goes by source system, its references and
// idempotency keys by client; what a person may see goes by agencies.
type Caller struct {
	ClientID     string   // of a key
	SourceSystem string   // of a key's client; "" for a person
	Mode         string   // live or test; a person's is live
	Actor        string   // for history: the key's or the person's id
	Person       bool     // a person's own id is Actor: "another person" is another Actor
	Agencies     []string // a person is limited to these; none: all
	Address      string   // where the call came from, for the audit
	RequestID    string
}

// Key is the idempotency key of a call; BodyHash is over the body in canonical form (RFC 8785).
type Key struct {
	Principal, Method, Path, Key string
	BodyHash                     []byte
}

// Answer is what a call answers, to the byte: a repeated call gets the same.
type Answer struct {
	Status   int
	Body     []byte
	Replayed bool
}

// newID makes an opaque id: 80 random bits after a time part of the machine's clock, which keeps indexes dense.
func newID(prefix string) string {
	var b [16]byte
	ms := time.Now().UnixMilli()
	for i := range 6 {
		b[i] = byte(ms >> (8 * (5 - i)))
	}
	rand.Read(b[6:]) // never fails: crypto/rand aborts the program instead
	return prefix + strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// newReference makes our reference of a payment at a provider: letters and digits alone, never used again.
func newReference() string { return "FG" + strings.ToUpper(newID("")) }

const tokenPurpose = "checkout"

// CheckoutURL is the address of an order's checkout page; its token says nothing of the order and fits no other.
func (g *Gateway) CheckoutURL(orderID string) (string, error) {
	mac, err := g.keys.Digest(tokenPurpose, []byte(orderID))
	if err != nil {
		return "", fmt.Errorf("checkout address: %w", err)
	}
	return g.public + "/pay/" + orderID[4:] + "." + base64.RawURLEncoding.EncodeToString(mac[:18]), nil
}

// liveStatus: the order holds its fees; no other order may ask for them.
func liveStatus(s string) bool { return s == OrderOpen || s == OrderPaid || s == OrderPartlyRefunded }

// channelOf derives the channel, once, when the money is recorded (definition OPR-1, domain of adoption). It is never an input.
func channelOf(p *paymentRow, payerKnown bool) (channel, rule string) {
	switch {
	case p.Channel != nil: // the counter's: it knows by itself
		channel = *p.Channel
	case p.InitiatedBy == "officer" && p.Place == "remote" && !payerKnown:
		channel = "officer_proxy"
	case p.Provider == "dvcqg":
		channel = "treasury_epay"
	case p.Place == "counter":
		channel = "qr_counter_self"
	case p.ByTransfer && p.Method == string(providers.MethodQR):
		channel = "qr_remote"
	case p.ByTransfer:
		channel = "transfer_ref"
	default:
		channel = "portal_checkout"
	}
	return channel, "OPR-1"
}

// Names of the accounts of the moves.
func clearing(accountID string) string  { return "clearing:" + accountID }
func surplusOf(paymentID string) string { return "surplus:" + paymentID }

const payerAccount = "payer"

// nextLookup says when a payment is asked after next: on the provider's plan, then hourly to a day, then daily to 35 days; nil
// when that is used up and a person must decide. It never falls within the plan's minimum interval of the last.
func nextLookup(plan providers.LookupPlan, created time.Time, expires, last *time.Time, now time.Time) *time.Time {
	var due []time.Time
	for _, d := range plan.Early {
		due = append(due, created.Add(d))
	}
	if expires != nil {
		for _, d := range plan.AfterExpiry {
			due = append(due, expires.Add(d))
		}
	}
	for h := 1; h <= 24; h++ {
		due = append(due, created.Add(time.Duration(h)*time.Hour))
	}
	for d := 2; d <= 35; d++ {
		due = append(due, created.AddDate(0, 0, d))
	}
	slices.SortFunc(due, func(a, b time.Time) int { return a.Compare(b) })
	earliest := now
	if last != nil && last.Add(plan.MinInterval).After(now) {
		earliest = last.Add(plan.MinInterval)
	}
	for _, t := range due {
		if t.After(now) {
			if t.Before(earliest) {
				t = earliest
			}
			return &t
		}
	}
	return nil
}

// soon is the earliest moment that the plan allows for asking again.
func soon(plan providers.LookupPlan, last *time.Time, now time.Time) *time.Time {
	t := now.Add(plan.AfterDoubt)
	if last != nil && last.Add(plan.MinInterval).After(t) {
		t = last.Add(plan.MinInterval)
	}
	return &t
}

// A business day is Asia/Ho_Chi_Minh, which has no daylight saving.
var vietnam = time.FixedZone("+07", 7*3600)

func prefixed(prefix, columns string) string {
	parts := strings.Split(columns, ",")
	for i, c := range parts {
		parts[i] = prefix + strings.TrimSpace(c)
	}
	return strings.Join(parts, ", ")
}
