// Package momo speaks MoMo's payment gateway (AIO v2, documentation v3): create, IPN, redirect, query, refund, query of a
// refund, and the settlement file. Payments are captured at once; the two-step kind is not used.
package momo

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// Names of the credentials that an account must have.
const (
	CredentialPartner = "partnerCode"
	CredentialAccess  = "accessKey"
	CredentialSecret  = "secretKey"
)

// Purposes of an account's URL overrides.
const (
	PurposeCreate      = "create"
	PurposeQuery       = "query"
	PurposeRefund      = "refund"
	PurposeRefundQuery = "refund_query"
)

const (
	sandbox         = "https://test-payment.momo.vn"
	createPath      = "/v2/gateway/api/create"
	queryPath       = "/v2/gateway/api/query"
	refundPath      = "/v2/gateway/api/refund"
	refundQueryPath = "/v2/gateway/api/refund/query"

	maxCallback = 64 << 10
	maxAnswer   = 256 << 10 // a query's answer lists refunds and promotions
	lifetime    = 60 * time.Minute
)

// Registration is MoMo's entry in the registry.
func Registration() providers.Registration {
	return providers.Registration{
		Name:  "momo",
		Title: "MoMo",
		Capabilities: providers.Capabilities{
			Methods: []providers.Method{providers.MethodAny, providers.MethodQR, providers.MethodWallet, providers.MethodATM, providers.MethodCard},
			Min:     1_000, Max: 50_000_000,
			PerAsked: map[providers.Method]vnd.Amount{providers.MethodATM: 10_000},
			Lifetime: lifetime,
			Redirect: true,
		},
		Credentials:   []string{CredentialPartner, CredentialAccess, CredentialSecret},
		Purposes:      []string{PurposeCreate, PurposeQuery, PurposeRefund, PurposeRefundQuery},
		TerminalField: CredentialPartner,
		DefaultURL:    sandbox,
		Timeouts: map[providers.Operation]time.Duration{
			providers.OpCheckout: 35 * time.Second, providers.OpLookup: 35 * time.Second, providers.OpRefund: 45 * time.Second,
		},
		New: New,
	}
}

// keys are one active pair of keys.
type keys struct{ access, secret string }

type provider struct {
	account providers.Account
	deps    providers.Deps
	partner string
	keys    []keys // sign with the first, verify with any
}

// New makes the adapter of one partner code.
func New(a providers.Account, d providers.Deps) (providers.Provider, error) {
	p := &provider{account: a, deps: d, partner: a.Terminal}
	if p.account.BaseURL == "" {
		p.account.BaseURL = sandbox
	}
	for _, c := range a.Credentials {
		if c[CredentialPartner] == "" || c[CredentialAccess] == "" || c[CredentialSecret] == "" {
			return nil, fmt.Errorf("%w: %s, %s and %s are needed", providers.ErrConfig, CredentialPartner, CredentialAccess, CredentialSecret)
		}
		if p.partner == "" {
			p.partner = c[CredentialPartner]
		}
		if c[CredentialPartner] != p.partner {
			return nil, fmt.Errorf("%w: %s is not the account's terminal", providers.ErrConfig, CredentialPartner)
		}
		p.keys = append(p.keys, keys{c[CredentialAccess], c[CredentialSecret]})
	}
	if len(p.keys) == 0 {
		return nil, fmt.Errorf("%w: no active secret", providers.ErrConfig)
	}
	return p, nil
}

// kind is MoMo's requestType for a method, with its limits.
type kind struct {
	requestType string
	min, max    vnd.Amount
}

func kindOf(m providers.Method) (kind, bool) {
	switch m {
	case providers.MethodAny:
		return kind{"payWithMethod", 1_000, 50_000_000}, true
	case providers.MethodQR, providers.MethodWallet:
		return kind{"captureWallet", 1_000, 50_000_000}, true
	case providers.MethodATM:
		return kind{"payWithATM", 10_000, 50_000_000}, true
	case providers.MethodCard:
		return kind{"payWithCC", 1_000, 10_000_000}, true
	}
	return kind{}, false
}

// Checkout creates the payment at MoMo. The same payment makes the same bytes, requestId included: MoMo answers a second
// sending with the first one's answer, so a checkout whose answer was lost may simply be sent again.
func (p *provider) Checkout(ctx context.Context, pay providers.Payment) (providers.Redirect, error) {
	req, err := p.createRequest(pay)
	if err != nil {
		return providers.Redirect{}, fmt.Errorf("momo create: %w", err)
	}
	var r providers.Redirect
	err = p.post(ctx, providers.OpCheckout, PurposeCreate, createPath, req, func(status int, a answer) (err error) {
		r, err = readCreate(status, a, req)
		return err
	})
	if err != nil {
		return providers.Redirect{}, fmt.Errorf("momo create: %w", err)
	}
	return r, nil
}

// Lookup asks for a payment's state under a new requestId.
func (p *provider) Lookup(ctx context.Context, pay providers.Payment) (providers.Notice, error) {
	req, err := p.queryRequest(pay.Reference, newRequestID(), pay.Locale)
	if err != nil {
		return providers.Notice{}, fmt.Errorf("momo query: %w", err)
	}
	var n providers.Notice
	err = p.post(ctx, providers.OpLookup, PurposeQuery, queryPath, req, func(status int, a answer) (err error) {
		n, err = readQuery(status, a, req)
		return err
	})
	if err != nil {
		return providers.Notice{}, fmt.Errorf("momo query: %w", err)
	}
	return n, nil
}

// LookupPlan asks early, as MoMo knows a payment from its creation.
func (p *provider) LookupPlan() providers.LookupPlan {
	return providers.LookupPlan{
		Early:       []time.Duration{2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute},
		AfterExpiry: []time.Duration{5 * time.Minute},
		AfterReturn: time.Second, // at once; MinInterval may move it
		AfterDoubt:  time.Second,
		MinInterval: time.Minute,
		GiveUpAfter: 15 * time.Minute,
	}
}

// Verify authenticates an IPN (POST, JSON) or a payer's return (GET, query string).
func (p *provider) Verify(_ context.Context, c providers.Callback) ([]providers.Notice, error) {
	m, err := readCallback(c)
	if err != nil {
		return nil, fmt.Errorf("momo callback: %w", err)
	}
	if !m.signedWith(p.keys) {
		return nil, fmt.Errorf("momo callback: %w: signature", providers.ErrForged)
	}
	if m.text("partnerCode") != p.partner {
		return nil, fmt.Errorf("momo callback: %w: another partner", providers.ErrForged)
	}
	n, err := m.notice()
	if err != nil {
		return nil, fmt.Errorf("momo callback: %w", err)
	}
	return []providers.Notice{n}, nil
}

// Answer is 204 with no body for whatever was kept. What MoMo does when it hears something else is not published; 500 gives
// it the chance to come again.
func (p *provider) Answer(r providers.Result) providers.Reply {
	switch r.Verdict {
	case providers.VerdictRecorded, providers.VerdictDuplicate, providers.VerdictUnknownPayment, providers.VerdictAmountMismatch:
		return providers.Reply{Status: http.StatusNoContent}
	case providers.VerdictForged, providers.VerdictMalformed:
		return providers.Reply{Status: http.StatusBadRequest}
	case providers.VerdictWrongMethod:
		return providers.Reply{Status: http.StatusMethodNotAllowed}
	}
	return providers.Reply{Status: http.StatusInternalServerError}
}

// Refund sends one refund. Its orderId is our refund's reference, never the payment's, and the same on each sending.
func (p *provider) Refund(ctx context.Context, pay providers.Payment, r providers.Refund) (providers.RefundNotice, error) {
	req, err := p.refundRequest(pay, r)
	if err != nil {
		return providers.RefundNotice{}, fmt.Errorf("momo refund: %w", err)
	}
	var n providers.RefundNotice
	err = p.post(ctx, providers.OpRefund, PurposeRefund, refundPath, req, func(status int, a answer) (err error) {
		n, err = readRefund(status, a, req, r.SentBefore)
		return err
	})
	if err != nil {
		return providers.RefundNotice{}, fmt.Errorf("momo refund: %w", err)
	}
	return n, nil
}

// LookupRefund asks after a refund. Some of MoMo's integrations send a new requestId, others the refund's own: a new one
// is tried, and the refund's own where MoMo calls the new one a duplicate (40).
func (p *provider) LookupRefund(ctx context.Context, _ providers.Payment, r providers.Refund) (providers.RefundNotice, error) {
	var n providers.RefundNotice
	for _, id := range []string{newRequestID(), r.Reference} {
		req, err := p.queryRequest(r.Reference, id, "vi")
		if err != nil {
			return n, fmt.Errorf("momo query of a refund: %w", err)
		}
		err = p.post(ctx, providers.OpLookup, PurposeRefundQuery, refundQueryPath, req, func(status int, a answer) (err error) {
			n, err = readRefundQuery(status, a, req, r)
			return err
		})
		if err != nil {
			return providers.RefundNotice{}, fmt.Errorf("momo query of a refund: %w", err)
		}
		if n.Code != codeDuplicateRequest {
			break
		}
	}
	return n, nil
}

// RefundPlan asks after a refund that has no final word.
func (p *provider) RefundPlan() providers.LookupPlan {
	return providers.LookupPlan{
		Early:       []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 60 * time.Minute},
		AfterDoubt:  time.Minute,
		MinInterval: time.Minute,
	}
}

// ParseSettlement reads MoMo's settlement file.
func (p *provider) ParseSettlement(r io.Reader) iter.Seq2[providers.SettlementLine, error] {
	return settlementFormat().Parse(r)
}

// post sends a request and reads the JSON of the answer, whatever the status: MoMo's refusals come as 4xx with the same
// fields.
func (p *provider) post(ctx context.Context, op providers.Operation, purpose, path string, request any, read func(int, answer) error) error {
	body, err := providers.CompactJSON(request)
	if err != nil {
		return fmt.Errorf("%w: %w", providers.ErrConfig, err)
	}
	return providers.PostJSON(ctx, p.deps.HTTP(op), p.account.URL(purpose, path), body, func(status int, b []byte) error {
		a, err := readAnswer(b)
		if err != nil {
			return err
		}
		return read(status, a)
	})
}
