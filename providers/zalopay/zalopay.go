// Package zalopay speaks ZaloPay's OpenAPI v2: create, callback, redirect, query, refund, query of a refund, cancel where
// the account asks for it, and the settlement file.
//
// ZaloPay knows a payment as yymmdd_<reference> and a refund as yymmdd_<app>_<reference>, the day being Vietnam's. Both are
// made here and taken apart here: outside this folder only our own reference is known.
package zalopay

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"feegate/providers"
)

// Names of the credentials that an account must have.
const (
	CredentialApp  = "app_id"
	CredentialKey1 = "key1" // signs what we send
	CredentialKey2 = "key2" // signs callback and redirect
)

// Purposes of an account's URL overrides. PurposeCancel also turns cancelling on: its address is not published for certain.
const (
	PurposeCreate      = "create"
	PurposeQuery       = "query"
	PurposeRefund      = "refund"
	PurposeRefundQuery = "query_refund"
	PurposeCancel      = "cancel"
)

const (
	sandbox         = "https://sb-openapi.zalopay.vn"
	createPath      = "/v2/create"
	queryPath       = "/v2/query"
	refundPath      = "/v2/refund"
	refundQueryPath = "/v2/query_refund"

	maxCallback = 64 << 10
	maxData     = 32 << 10 // of a callback: its own limit is 4096 characters, escaped JSON within JSON
	maxAnswer   = 64 << 10
	lifetime    = 15 * time.Minute
	timeout     = 30 * time.Second
)

// zone is Vietnam's, fixed: the day in an id must not depend on the machine.
func zone() *time.Location { return time.FixedZone("+07", 7*60*60) }

// Registration is ZaloPay's entry in the registry. The vendor publishes no limits of an amount: these are what every
// method behind it carries (a NAPAS transfer ends below 500 million), and an account narrows them.
func Registration() providers.Registration {
	return providers.Registration{
		Name:  "zalopay",
		Title: "ZaloPay",
		Capabilities: providers.Capabilities{
			Methods: []providers.Method{providers.MethodAny, providers.MethodQR, providers.MethodWallet, providers.MethodATM, providers.MethodCard},
			Min:     1_000, Max: 499_999_999,
			Lifetime: lifetime,
			Redirect: true,
		},
		Credentials:   []string{CredentialApp, CredentialKey1, CredentialKey2},
		Purposes:      []string{PurposeCreate, PurposeQuery, PurposeRefund, PurposeRefundQuery, PurposeCancel},
		TerminalField: CredentialApp,
		DefaultURL:    sandbox,
		Timeouts: map[providers.Operation]time.Duration{
			providers.OpCheckout: timeout, providers.OpLookup: timeout, providers.OpRefund: timeout, providers.OpCancel: timeout,
		},
		New: New,
	}
}

// keys are one active pair of keys.
type keys struct{ key1, key2 string }

type provider struct {
	duplicate string // the code that answers a repeated callback
	account   providers.Account
	deps      providers.Deps
	app       string
	keys      []keys // sign with the first, verify with any
}

// SettingDuplicate is the account's setting for the code that a repeated callback is answered with: 2, or 1 where ZaloPay wants it so; its
// documents do not agree.
const SettingDuplicate = "duplicate_return_code"

// New makes the adapter of one app.
func New(a providers.Account, d providers.Deps) (providers.Provider, error) {
	p := &provider{account: a, deps: d, app: a.Terminal}
	if p.account.BaseURL == "" {
		p.account.BaseURL = sandbox
	}
	for _, c := range a.Credentials {
		if c[CredentialApp] == "" || c[CredentialKey1] == "" || c[CredentialKey2] == "" {
			return nil, fmt.Errorf("%w: %s, %s and %s are needed", providers.ErrConfig, CredentialApp, CredentialKey1, CredentialKey2)
		}
		if p.app == "" {
			p.app = c[CredentialApp]
		}
		if c[CredentialApp] != p.app {
			return nil, fmt.Errorf("%w: %s is not the account's terminal", providers.ErrConfig, CredentialApp)
		}
		p.keys = append(p.keys, keys{c[CredentialKey1], c[CredentialKey2]})
	}
	if len(p.keys) == 0 {
		return nil, fmt.Errorf("%w: no active secret", providers.ErrConfig)
	}
	switch p.duplicate = a.Settings[SettingDuplicate]; p.duplicate {
	case "":
		p.duplicate = "2"
	case "1", "2":
	default:
		return nil, fmt.Errorf("%w: the setting %s is neither 1 nor 2", providers.ErrConfig, SettingDuplicate)
	}
	if !digits(p.app) || len(p.app) > 9 {
		return nil, &providers.SetUpError{Field: "credentials." + CredentialApp, Detail: "is not a number of at most nine digits"}
	}
	return p, nil
}

// Checkout creates the order at ZaloPay. The same payment makes the same bytes; a second sending is answered "duplicate",
// which says nothing of the first one and is therefore uncertain.
func (p *provider) Checkout(ctx context.Context, pay providers.Payment) (providers.Redirect, error) {
	form, err := p.createForm(pay, p.deps.Now())
	if err != nil {
		return providers.Redirect{}, fmt.Errorf("zalopay create: %w", err)
	}
	var r providers.Redirect
	err = p.post(ctx, providers.OpCheckout, p.account.URL(PurposeCreate, createPath), form, func(a answer) (err error) {
		r, err = readCreate(a)
		return err
	})
	if err != nil {
		return providers.Redirect{}, fmt.Errorf("zalopay create: %w", err)
	}
	return r, nil
}

// Lookup asks for a payment's state. What some answers mean depends on how old the payment is.
func (p *provider) Lookup(ctx context.Context, pay providers.Payment) (providers.Notice, error) {
	form, err := p.orderForm(pay)
	if err != nil {
		return providers.Notice{}, fmt.Errorf("zalopay query: %w", err)
	}
	var n providers.Notice
	err = p.post(ctx, providers.OpLookup, p.account.URL(PurposeQuery, queryPath), form, func(a answer) (err error) {
		n, err = readQuery(a, pay, p.deps.Now())
		return err
	})
	if err != nil {
		return providers.Notice{}, fmt.Errorf("zalopay query: %w", err)
	}
	return n, nil
}

// LookupPlan asks once a minute while the payment lives, as ZaloPay wishes, and twice after.
func (p *provider) LookupPlan() providers.LookupPlan {
	plan := providers.LookupPlan{
		AfterExpiry: []time.Duration{time.Minute, finalWord},
		AfterReturn: time.Second, // at once; MinInterval may move it
		AfterDoubt:  time.Second,
		MinInterval: time.Minute,
		GiveUpAfter: finalWord,
	}
	for m := time.Minute; m <= lifetime; m += time.Minute {
		plan.Early = append(plan.Early, m)
	}
	return plan
}

// Verify authenticates a callback (POST, JSON) or a payer's return (GET, query string).
func (p *provider) Verify(_ context.Context, c providers.Callback) ([]providers.Notice, error) {
	var ns []providers.Notice
	var err error
	switch {
	case c.Method == http.MethodPost && !c.Return:
		ns, err = p.readCallback(c)
	case c.Method == http.MethodGet && c.Return:
		ns, err = p.readReturn(c)
	default:
		err = providers.ErrWrongMethod
	}
	if err != nil {
		return nil, fmt.Errorf("zalopay callback: %w", err)
	}
	return ns, nil
}

// Answer is JSON under status 200: another status is "not delivered" to ZaloPay. 0 asks for another call, which may or may
// not come; nothing depends on it. A payment that is not ours was kept and is not asked for again.
func (p *provider) Answer(r providers.Result) providers.Reply {
	status, body := http.StatusOK, `{"return_code":0,"return_message":"temporary error, call again"}`
	switch r.Verdict {
	case providers.VerdictRecorded, providers.VerdictUnknownPayment, providers.VerdictAmountMismatch, providers.VerdictNothing:
		body = `{"return_code":1,"return_message":"success"}`
	case providers.VerdictDuplicate:
		body = `{"return_code":` + p.duplicate + `,"return_message":"duplicate"}`
	case providers.VerdictForged:
		body = `{"return_code":-1,"return_message":"mac not equal"}`
	case providers.VerdictMalformed:
		body = `{"return_code":-1,"return_message":"invalid data"}`
	case providers.VerdictWrongMethod:
		status, body = http.StatusMethodNotAllowed, `{"return_code":-1,"return_message":"wrong method"}`
	}
	return providers.Reply{Status: status, ContentType: "application/json", Body: []byte(body)}
}

// Refund sends one refund under an id that is the same for each sending. ZaloPay pays back later: a yes to the sending is
// never more than "pending".
func (p *provider) Refund(ctx context.Context, pay providers.Payment, r providers.Refund) (providers.RefundNotice, error) {
	form, err := p.refundForm(pay, r, p.deps.Now())
	if err != nil {
		return providers.RefundNotice{}, fmt.Errorf("zalopay refund: %w", err)
	}
	var n providers.RefundNotice
	err = p.post(ctx, providers.OpRefund, p.account.URL(PurposeRefund, refundPath), form, func(a answer) (err error) {
		n, err = readRefund(a, r.SentBefore)
		return err
	})
	if err != nil {
		return providers.RefundNotice{}, fmt.Errorf("zalopay refund: %w", err)
	}
	return n, nil
}

// LookupRefund asks after a refund by its id.
func (p *provider) LookupRefund(ctx context.Context, _ providers.Payment, r providers.Refund) (providers.RefundNotice, error) {
	now := p.deps.Now()
	form, err := p.refundQueryForm(r, now)
	if err != nil {
		return providers.RefundNotice{}, fmt.Errorf("zalopay query of a refund: %w", err)
	}
	var n providers.RefundNotice
	err = p.post(ctx, providers.OpLookup, p.account.URL(PurposeRefundQuery, refundQueryPath), form, func(a answer) (err error) {
		n, err = readRefundQuery(a, now.Sub(r.CreatedAt))
		return err
	})
	if err != nil {
		return providers.RefundNotice{}, fmt.Errorf("zalopay query of a refund: %w", err)
	}
	return n, nil
}

// RefundPlan asks after a refund that has no final word.
func (p *provider) RefundPlan() providers.LookupPlan {
	return providers.LookupPlan{
		Early:       []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute},
		AfterDoubt:  time.Minute,
		MinInterval: time.Minute,
	}
}

// Cancel ends an unpaid order, where the account gives the address to ask at. Only a clear yes is one: after any other
// answer the payment may still be paid.
func (p *provider) Cancel(ctx context.Context, pay providers.Payment) error {
	if p.account.URLs[PurposeCancel] == "" {
		return fmt.Errorf("zalopay cancel: %w", &providers.NotSentError{Why: `cancelling is off for this account: its address list has none for "` + PurposeCancel + `"`})
	}
	form, err := p.orderForm(pay)
	if err != nil {
		return fmt.Errorf("zalopay cancel: %w", err)
	}
	err = p.post(ctx, providers.OpCancel, p.account.URLs[PurposeCancel], form, func(a answer) error {
		if !a.success() {
			return fmt.Errorf("%w: code %s", providers.ErrUncertain, a.code())
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("zalopay cancel: %w", err)
	}
	return nil
}

// ParseSettlement reads ZaloPay's settlement file.
func (p *provider) ParseSettlement(r io.Reader) iter.Seq2[providers.SettlementLine, error] {
	return settlementFormat().Parse(r)
}

// post sends a form and reads the answer, which says something under HTTP status 200 only.
func (p *provider) post(ctx context.Context, op providers.Operation, address string, form url.Values, read func(answer) error) error {
	return providers.PostForm(ctx, p.deps.HTTP(op), address, form, func(status int, b []byte) error {
		a, err := readAnswer(b)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("%w: HTTP status %d", providers.ErrUncertain, status)
		}
		return read(a)
	})
}
