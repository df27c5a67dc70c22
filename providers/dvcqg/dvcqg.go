// Package dvcqg speaks to the payment platform of the national public service portal (PaymentPlatform): INIT, callback, QUERY,
// GET_BILL and the reconciliation file.
//
// Nothing of that wire is published, so this package holds no field name, code or address: all of it is a mapping (see
// providers/dvcqg/mapping), which a province replaces by what its access documents say. What the mapping does not know decides
// nothing: the payment stays pending and is looked up.
package dvcqg

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/dvcqg/mapping"
)

// Names of the credentials of an account. The token is for platforms that want a bearer token besides the hash.
const (
	CredentialPartner = "partner"
	CredentialSecret  = "secret"
	CredentialToken   = "token"
)

// Names of an account's settings, all optional: the mapping (a version known to this program, or a mapping's text), and the
// treasury and its account for the receipt block.
const (
	SettingMapping         = "mapping"
	SettingTreasury        = "treasury"
	SettingTreasuryAccount = "treasury_account"
)

const (
	maxCallback = 64 << 10
	maxAnswer   = 256 << 10
	lifetime    = 15 * time.Minute
	patience    = 30 * time.Second
)

// Registration is the platform's entry in the registry.
func Registration() providers.Registration {
	return providers.Registration{
		Name:  "dvcqg",
		Title: "Cổng Dịch vụ công quốc gia",
		Capabilities: providers.Capabilities{
			Methods: []providers.Method{providers.MethodAny}, // the payer chooses the bank there
			Min:     1, Max: vnd.Max,
			Lifetime: lifetime,
			Redirect: true,
		},
		Credentials:   []string{CredentialPartner, CredentialSecret},
		Optional:      []string{CredentialToken},
		Purposes:      []string{mapping.Init, mapping.Query},
		Settings:      []string{SettingMapping, SettingTreasury, SettingTreasuryAccount},
		TerminalField: CredentialPartner,
		Timeouts: map[providers.Operation]time.Duration{
			providers.OpCheckout: patience, providers.OpLookup: patience, providers.OpReceipt: patience,
		},
		NewReference: newReference,
		Itemised:     true,
		New:          New,
	}
}

type provider struct {
	account providers.Account
	deps    providers.Deps
	m       *mapping.Mapping
	partner string
	secrets []string // sign with the first, verify with any
	token   string
}

// New makes the adapter of one partner code. A faulty mapping is ErrConfig with every fault named.
func New(a providers.Account, d providers.Deps) (providers.Provider, error) {
	m, err := mapping.Load(a.Settings[SettingMapping])
	if err != nil {
		return nil, &providers.SetUpError{Field: "settings." + SettingMapping, Detail: err.Error()}
	}
	p := &provider{account: a, deps: d, m: m, partner: a.Terminal}
	for _, c := range a.Credentials {
		if c[CredentialPartner] == "" || c[CredentialSecret] == "" {
			return nil, fmt.Errorf("%w: %s and %s are needed", providers.ErrConfig, CredentialPartner, CredentialSecret)
		}
		if p.partner == "" {
			p.partner = c[CredentialPartner]
		}
		if c[CredentialPartner] != p.partner {
			return nil, fmt.Errorf("%w: %s is not the account's terminal", providers.ErrConfig, CredentialPartner)
		}
		p.secrets = append(p.secrets, c[CredentialSecret])
	}
	switch {
	case len(p.secrets) == 0:
		return nil, fmt.Errorf("%w: no active secret", providers.ErrConfig)
	case mapping.Unhashable(p.partner, m.Hash.Separator):
		return nil, &providers.SetUpError{Field: "credentials." + CredentialPartner, Detail: CredentialPartner + " holds a character that no hashed value may hold"}
	case a.BaseURL == "" && (a.URLs[mapping.Init] == "" || a.URLs[mapping.Query] == ""):
		return nil, &providers.SetUpError{Field: "base_url", Detail: "the platform publishes no address: the account needs a base address, or one each for " +
			mapping.Init + " and " + mapping.Query}
	}
	p.token = a.Credentials[0][CredentialToken]
	return p, nil
}

// Checkout opens the payment at the platform (INIT) and gives the address to pay at. It is sent once: a second one might open a
// second payment, as nothing says that the platform tells them apart.
func (p *provider) Checkout(ctx context.Context, pay providers.Payment) (providers.Redirect, error) {
	body, err := p.initBody(pay)
	if err != nil {
		return providers.Redirect{}, fmt.Errorf("dvcqg INIT: %w", err)
	}
	var r providers.Redirect
	err = p.post(ctx, providers.OpCheckout, mapping.Init, body, func(status int, b []byte) (err error) {
		r, err = p.readInit(status, b)
		return err
	})
	if err != nil {
		return providers.Redirect{}, fmt.Errorf("dvcqg INIT: %w", err)
	}
	return r, nil
}

// Lookup asks for the platform's word (QUERY): the one that decides.
func (p *provider) Lookup(ctx context.Context, pay providers.Payment) (providers.Notice, error) {
	at := p.timeOf(mapping.Query, pay)
	body, err := p.askBody(mapping.Query, pay, at)
	if err != nil {
		return providers.Notice{}, fmt.Errorf("dvcqg QUERY: %w", err)
	}
	var n providers.Notice
	err = p.post(ctx, providers.OpLookup, mapping.Query, body, func(status int, b []byte) (err error) {
		n, err = p.readQuery(status, b, pay, at)
		return err
	})
	if err != nil {
		return providers.Notice{}, fmt.Errorf("dvcqg QUERY: %w", err)
	}
	return n, nil
}

// Receipt fetches the platform's own receipt (GET_BILL), a PDF.
func (p *provider) Receipt(ctx context.Context, pay providers.Payment) (providers.Receipt, error) {
	body, err := p.askBody(mapping.Bill, pay, p.timeOf(mapping.Bill, pay))
	if err != nil {
		return providers.Receipt{}, fmt.Errorf("dvcqg GET_BILL: %w", err)
	}
	var r providers.Receipt
	err = p.post(ctx, providers.OpReceipt, mapping.Bill, body, func(status int, b []byte) error {
		if status != http.StatusOK || !isPDF(b) {
			return fmt.Errorf("%w: not a PDF", providers.ErrMalformed)
		}
		r = providers.Receipt{ContentType: "application/pdf", Body: b, SHA256: sha256.Sum256(b)}
		return nil
	})
	if err != nil {
		return providers.Receipt{}, fmt.Errorf("dvcqg GET_BILL: %w", err)
	}
	return r, nil
}

// LookupPlan asks at times from the INIT, and at once after a callback; the platform's own minimum interval is in the mapping.
func (p *provider) LookupPlan() providers.LookupPlan {
	return providers.LookupPlan{
		Early:       []time.Duration{5 * time.Minute, 15 * time.Minute, 30 * time.Minute},
		AfterReturn: 2 * time.Minute,
		AfterDoubt:  time.Second,
		MinInterval: p.m.Interval(),
		GiveUpAfter: 24 * time.Hour, // no code for "not found" is known: a mapping may name one
	}
}

// Verify authenticates a callback (POST, JSON) or what a payer brings back (GET). Its hash is weak, so a callback only makes us
// ask (see claim).
func (p *provider) Verify(_ context.Context, c providers.Callback) ([]providers.Notice, error) {
	n, err := p.read(c)
	if err != nil {
		return nil, fmt.Errorf("dvcqg callback: %w", err)
	}
	return []providers.Notice{n}, nil
}

// Answer is a signed JSON object under status 200; its code says what became of the message.
func (p *provider) Answer(r providers.Result) providers.Reply {
	name, status := "failed", http.StatusOK
	switch r.Verdict {
	case providers.VerdictRecorded, providers.VerdictDuplicate, providers.VerdictAmountMismatch, providers.VerdictNothing:
		name = "recorded"
	case providers.VerdictUnknownPayment:
		name = "unknown_payment"
	case providers.VerdictForged:
		name = "forged"
	case providers.VerdictMalformed:
		name = "malformed"
	case providers.VerdictWrongMethod:
		name, status = "malformed", http.StatusMethodNotAllowed
	}
	said := p.m.Answers[name]
	body, err := p.signed(mapping.Answer, map[string]string{
		mapping.Code: said.Code, mapping.Text: said.Text, mapping.Partner: p.partner, mapping.Time: wireTime(p.deps.Now()),
	}, nil)
	if err != nil { // the mapping's own texts were checked when it was read
		return providers.Reply{Status: http.StatusInternalServerError}
	}
	return providers.Reply{Status: status, ContentType: "application/json; charset=utf-8", Body: body}
}

// ParseSettlement reads the reconciliation file, plain or wrapped in Base64.
func (p *provider) ParseSettlement(r io.Reader) iter.Seq2[providers.SettlementLine, error] {
	return p.settlementFormat().Parse(unwrapped(r, p.m.Settlement.Separator))
}

// post sends a message to its function's address.
func (p *provider) post(ctx context.Context, op providers.Operation, function string, body []byte, read func(int, []byte) error) error {
	client := p.deps.HTTP(op)
	if p.token != "" {
		with := *client
		with.Transport = bearer{p.token, client.Transport}
		client = &with
	}
	return providers.PostJSON(ctx, client, p.account.URL(function, p.m.Functions[function].Path), body, read)
}

// bearer adds a token to each request.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	next := b.next
	if next == nil {
		next = http.DefaultTransport
	}
	return next.RoundTrip(r)
}
