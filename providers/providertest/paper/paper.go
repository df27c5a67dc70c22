// Package paper speaks to Ví Giấy, a wallet that does not exist: a pay address with a signature, a callback and a query in JSON.
// It is the example of docs/adding-a-provider.md.
package paper

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"

	"feegate/providers"
)

// Names of the credentials that an account must have.
const (
	CredentialTerminal = "terminal"
	CredentialSecret   = "secret"
)

const (
	sandbox   = "https://sandbox.vigiay.example"
	queryPath = "/query"
	payPath   = "/pay"
	lifetime  = 15 * time.Minute
	maxBody   = 16 << 10
)

// Registration is the wallet's entry in the registry.
func Registration() providers.Registration {
	return providers.Registration{
		Name:  "paper",
		Title: "Ví Giấy",
		Capabilities: providers.Capabilities{
			Methods: []providers.Method{providers.MethodAny, providers.MethodWallet},
			Min:     1_000, Max: 50_000_000,
			Lifetime: lifetime,
			Redirect: true,
		},
		Credentials:   []string{CredentialTerminal, CredentialSecret},
		TerminalField: CredentialTerminal,
		DefaultURL:    sandbox,
		Timeouts:      map[providers.Operation]time.Duration{providers.OpLookup: 15 * time.Second},
		New:           New,
	}
}

type provider struct {
	account  providers.Account
	deps     providers.Deps
	terminal string
	secrets  []string // sign with the first, verify with any
}

// New makes the adapter of one terminal.
func New(a providers.Account, d providers.Deps) (providers.Provider, error) {
	p := &provider{account: a, deps: d, terminal: a.Terminal}
	for _, c := range a.Credentials {
		if c[CredentialTerminal] != a.Terminal {
			return nil, fmt.Errorf("%w: %s is not the account's terminal", providers.ErrConfig, CredentialTerminal)
		}
		p.secrets = append(p.secrets, c[CredentialSecret])
	}
	return p, nil
}

// Checkout makes the address that the payer opens; nothing is sent.
func (p *provider) Checkout(_ context.Context, pay providers.Payment) (providers.Redirect, error) {
	query := canonical(payOrder(), p.payFields(pay))
	return providers.Redirect{URL: p.account.URL("pay", payPath) + "?" + query + "&mac=" + sign(query, p.secrets[0])}, nil
}

// Lookup asks for the wallet's word on a payment.
func (p *provider) Lookup(ctx context.Context, pay providers.Payment) (providers.Notice, error) {
	body, err := p.queryBody(pay)
	if err != nil {
		return providers.Notice{}, fmt.Errorf("paper query: %w", err)
	}
	var n providers.Notice
	err = providers.PostJSON(ctx, p.deps.HTTP(providers.OpLookup), p.account.URL("query", queryPath), body, func(status int, b []byte) (err error) {
		n, err = p.readAnswer(status, b, pay)
		return err
	})
	if err != nil {
		return providers.Notice{}, fmt.Errorf("paper query: %w", err)
	}
	return n, nil
}

// LookupPlan asks early: the wallet knows a payment from when its page was opened.
func (p *provider) LookupPlan() providers.LookupPlan {
	return providers.LookupPlan{
		Early:       []time.Duration{2 * time.Minute, 5 * time.Minute, 10 * time.Minute},
		AfterExpiry: []time.Duration{5 * time.Minute},
		AfterReturn: time.Second,
		AfterDoubt:  time.Second,
		MinInterval: time.Minute,
		GiveUpAfter: 15 * time.Minute,
	}
}

// Verify authenticates the wallet's callback: the signature first, then whose it is, and only then what it says.
func (p *provider) Verify(_ context.Context, c providers.Callback) ([]providers.Notice, error) {
	m, err := readCallback(c)
	if err != nil {
		return nil, fmt.Errorf("paper callback: %w", err)
	}
	if !m.signedWith(p.secrets) || m["terminal"] != p.terminal {
		return nil, fmt.Errorf("paper callback: %w", providers.ErrForged)
	}
	n, err := m.notice()
	if err != nil {
		return nil, fmt.Errorf("paper callback: %w", err)
	}
	return []providers.Notice{n}, nil
}

// Answer tells the wallet whether to come again.
func (p *provider) Answer(r providers.Result) providers.Reply {
	reply := func(status int, body string) providers.Reply {
		return providers.Reply{Status: status, ContentType: "application/json", Body: []byte(body)}
	}
	switch r.Verdict {
	case providers.VerdictRecorded, providers.VerdictDuplicate, providers.VerdictUnknownPayment, providers.VerdictAmountMismatch, providers.VerdictNothing:
		return reply(http.StatusOK, `{"ok":true}`)
	case providers.VerdictForged, providers.VerdictMalformed:
		return reply(http.StatusBadRequest, `{"ok":false}`)
	case providers.VerdictWrongMethod:
		return reply(http.StatusMethodNotAllowed, `{"ok":false}`)
	}
	return reply(http.StatusInternalServerError, `{"ok":false}`)
}

// ParseSettlement reads the wallet's settlement file.
func (p *provider) ParseSettlement(r io.Reader) iter.Seq2[providers.SettlementLine, error] {
	return settlementFormat().Parse(r)
}
