// Package payos speaks payOS's merchant API (v2): a payment link with a page and a code of its own, its webhook for each bank
// transfer, the look-up and the cancelling of a link. payOS knows a payment by a number; ours is the number of the reference, so
// one is read from the other and no table is kept.
package payos

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"

	"feegate/providers"
	"feegate/providers/vietqr"
)

// Names of the credentials that an account must have.
const (
	CredentialClient   = "clientId"
	CredentialKey      = "apiKey"
	CredentialChecksum = "checksumKey" // signs, and is never sent
)

// Purposes of an account's URL overrides.
const (
	PurposeCreate = "create"
	PurposeGet    = "get" // the order code is appended, and /cancel for that
)

const (
	live      = "https://api-merchant.payos.vn"
	path      = "/v2/payment-requests"
	maxBody   = 64 << 10
	maxAnswer = 512 << 10
	timeout   = 30 * time.Second
)

// Name of the provider.
const Name = "payos"

// Registration is payOS's entry in the registry.
func Registration() providers.Registration {
	c := vietqr.Capabilities()
	c.Redirect = true
	return providers.Registration{
		Name: Name, Title: "payOS", Capabilities: c, Transfers: true, NewReference: vietqr.NewReference, FindReference: vietqr.Find,
		Credentials:   []string{CredentialClient, CredentialKey, CredentialChecksum},
		Purposes:      []string{PurposeCreate, PurposeGet},
		TerminalField: CredentialClient,
		DefaultURL:    live,
		Timeouts:      map[providers.Operation]time.Duration{providers.OpCheckout: timeout, providers.OpLookup: timeout, providers.OpCancel: timeout},
		New:           New,
	}
}

// keys are one active set of credentials.
type keys struct{ client, api, checksum string }

type provider struct {
	account providers.Account
	deps    providers.Deps
	keys    []keys
}

// New makes the adapter of one payment channel.
func New(a providers.Account, d providers.Deps) (providers.Provider, error) {
	p := &provider{account: a, deps: d}
	if p.account.BaseURL == "" {
		p.account.BaseURL = live
	}
	for _, c := range a.Credentials {
		k := keys{c[CredentialClient], c[CredentialKey], c[CredentialChecksum]}
		if k.client == "" || k.api == "" || k.checksum == "" {
			return nil, fmt.Errorf("%w: %s, %s and %s are needed", providers.ErrConfig, CredentialClient, CredentialKey, CredentialChecksum)
		}
		if a.Terminal != "" && k.client != a.Terminal {
			return nil, fmt.Errorf("%w: %s is not the account's terminal", providers.ErrConfig, CredentialClient)
		}
		p.keys = append(p.keys, k)
	}
	if len(p.keys) == 0 {
		return nil, fmt.Errorf("%w: no active secret", providers.ErrConfig)
	}
	return p, nil
}

// Checkout makes a link. The content that payers see is our reference; an account that is not linked through payOS takes nine
// characters and refuses it, so the eight of the number are tried then. A refusal made nothing, and were it otherwise, the second
// one would be told that the number is used.
func (p *provider) Checkout(ctx context.Context, pay providers.Payment) (providers.Redirect, error) {
	order, err := orderCode(pay.Reference)
	if err != nil {
		return providers.Redirect{}, fmt.Errorf("payos create: %w", err)
	}
	var r providers.Redirect
	for _, content := range []string{pay.Reference, pay.Reference[len(vietqr.Prefix) : len(vietqr.Prefix)+8]} {
		req := p.createRequest(pay, order, content)
		var refused string
		err = p.call(ctx, providers.OpCheckout, http.MethodPost, p.account.URL(PurposeCreate, path), req, func(a answer) (err error) {
			refused = a.code
			r, err = readCreate(a, req)
			return err
		})
		if refused != codeInvalid {
			break
		}
	}
	if err != nil {
		return providers.Redirect{}, fmt.Errorf("payos create: %w", err)
	}
	return r, nil
}

// Lookup gives the link's state, and every transfer that came for it.
func (p *provider) Lookup(ctx context.Context, pay providers.Payment) (providers.Notice, error) {
	order, err := orderCode(pay.Reference)
	if err != nil {
		return providers.Notice{}, fmt.Errorf("payos get: %w", err)
	}
	var n providers.Notice
	err = p.call(ctx, providers.OpLookup, http.MethodGet, p.link(order), nil, func(a answer) (err error) {
		n, err = p.readGet(a, pay.Reference, order)
		return err
	})
	if err != nil {
		return providers.Notice{}, fmt.Errorf("payos get: %w", err)
	}
	return n, nil
}

// Cancel ends a link that nobody has paid.
func (p *provider) Cancel(ctx context.Context, pay providers.Payment) error {
	order, err := orderCode(pay.Reference)
	if err != nil {
		return fmt.Errorf("payos cancel: %w", err)
	}
	err = p.call(ctx, providers.OpCancel, http.MethodPost, p.link(order)+"/cancel", cancelRequest{"Huy yeu cau thanh toan"}, func(a answer) error { return readCancel(a, order) })
	if err != nil {
		return fmt.Errorf("payos cancel: %w", err)
	}
	return nil
}

func (p *provider) link(order uint64) string {
	return p.account.URL(PurposeGet, path) + "/" + strconv.FormatUint(order, 10)
}

// LookupPlan asks as payOS's webhook may be lost: when it is repeated is not published.
func (*provider) LookupPlan() providers.LookupPlan {
	return providers.LookupPlan{
		Early:       []time.Duration{2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute},
		AfterExpiry: []time.Duration{time.Minute},
		AfterReturn: time.Second, // at once; MinInterval may move it
		AfterDoubt:  time.Second,
		MinInterval: time.Minute,
		GiveUpAfter: 15 * time.Minute,
		AfterPaid:   time.Minute, // a payer may transfer twice, and the webhook of either may be lost
	}
}

// Verify authenticates a webhook, or reads a payer's return, which nothing authenticates: that one only says whom to ask about.
func (p *provider) Verify(_ context.Context, c providers.Callback) ([]providers.Notice, error) {
	if c.Method == http.MethodGet && c.Return {
		n, err := readReturn(c.RawQuery)
		if err != nil {
			return nil, fmt.Errorf("payos return: %w", err)
		}
		return []providers.Notice{n}, nil
	}
	m, err := readWebhook(c)
	if err != nil {
		return nil, fmt.Errorf("payos webhook: %w", err)
	}
	if !p.signed(m.data, m.signature) {
		return nil, fmt.Errorf("payos webhook: %w: signature", providers.ErrForged)
	}
	if m.trial() {
		return nil, nil
	}
	n, err := p.notice(m)
	if err != nil {
		return nil, fmt.Errorf("payos webhook: %w", err)
	}
	return []providers.Notice{n}, nil
}

// Answer is success for all that was authentic; payOS takes an address only that answers so.
func (*provider) Answer(r providers.Result) providers.Reply { return vietqr.AnswerJSON(r) }

// ParseSettlement has nothing to read.
func (*provider) ParseSettlement(io.Reader) iter.Seq2[providers.SettlementLine, error] {
	return vietqr.NoSettlement()
}

// call sends a request and reads the envelope of its answer.
func (p *provider) call(ctx context.Context, op providers.Operation, method, address string, request any, read func(answer) error) error {
	req := providers.Request{Method: method, URL: address, Header: map[string]string{"x-client-id": p.keys[0].client, "x-api-key": p.keys[0].api}}
	if request != nil {
		body, err := providers.CompactJSON(request)
		if err != nil {
			return fmt.Errorf("%w: %w", providers.ErrConfig, err)
		}
		req.Body = body
	}
	return providers.Send(ctx, p.deps.HTTP(op), req, func(status int, h http.Header, body []byte) error {
		switch {
		case status == http.StatusUnauthorized || status == http.StatusForbidden:
			return &providers.RefusedError{Kind: providers.ErrConfig, Code: strconv.Itoa(status), Reason: providers.ReasonConfiguration}
		case status == http.StatusTooManyRequests && op == providers.OpCheckout:
			// It was sent, and turned away before anything was made: a refusal, not "nothing was sent".
			return &providers.RefusedError{Kind: providers.ErrRefused, Code: strconv.Itoa(status), Reason: providers.ReasonTechnical, RetryAfter: providers.RetryAfter(h, p.deps.Now())}
		case status == http.StatusTooManyRequests: // says nothing of the link
			return fmt.Errorf("%w: too many calls, come again in %v", providers.ErrUncertain, providers.RetryAfter(h, p.deps.Now()))
		}
		a, err := p.readAnswer(status, body)
		if err != nil {
			return err
		}
		return read(a)
	})
}
