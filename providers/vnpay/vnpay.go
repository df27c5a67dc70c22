// Package vnpay speaks VNPAY's PAY gateway 2.1.0: the signed address that a payer is sent to, the IPN and the return, the
// query (querydr), the refund, and the settlement file. What its page leaves open is decided in shared wire notes; a comment
// here says why where the reason is not plain.
package vnpay

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// Names of the credentials that an account must have.
const (
	CredentialTerminal = "vnp_TmnCode"
	CredentialSecret   = "hash_secret"
)

// Purposes of an account's URL overrides: the hosts of production differ from one another, unlike the sandbox's. Query and
// refund have one address.
const (
	PurposePay   = "pay"
	PurposeQuery = "query"
)

const (
	sandbox   = "https://sandbox.vnpayment.vn"
	payPath   = "/paymentv2/vpcpay.html"
	queryPath = "/merchant_webapi/api/transaction"
	version   = "2.1.0"

	maxAmount  = vnd.Amount(9_999_999_999) // × 100 in twelve digits
	maxQuery   = 8 << 10                   // of a callback; all its fields at their limits are shorter
	maxAnswer  = 64 << 10
	timeLayout = "20060102150405"

	// minInterval is a little more than the five minutes within which VNPAY answers 94 to the same question.
	minInterval = 5*time.Minute + 10*time.Second
)

// zone is Vietnam's, fixed: the machine's zone and its database have no say in a signed field.
func zone() *time.Location { return time.FixedZone("+07", 7*60*60) }

// Registration is VNPAY's entry in the registry.
func Registration() providers.Registration {
	return providers.Registration{
		Name:  "vnpay",
		Title: "VNPAY",
		Capabilities: providers.Capabilities{
			Methods:  []providers.Method{providers.MethodAny, providers.MethodQR, providers.MethodATM, providers.MethodCard},
			Min:      5_000,
			Max:      999_999_999,
			Lifetime: 15 * time.Minute,
			Redirect: true,
		},
		Credentials:   []string{CredentialTerminal, CredentialSecret},
		Purposes:      []string{PurposePay, PurposeQuery},
		TerminalField: CredentialTerminal,
		BuildsAddress: true,
		DefaultURL:    sandbox,
		Timeouts: map[providers.Operation]time.Duration{providers.OpCheckout: 30 * time.Second, providers.OpLookup: 30 * time.Second,
			providers.OpRefund: 30 * time.Second},
		New: New,
	}
}

type provider struct {
	account  providers.Account
	deps     providers.Deps
	terminal string
	secrets  [][]byte // sign with the first, verify with any
}

// New makes the adapter of one terminal.
func New(a providers.Account, d providers.Deps) (providers.Provider, error) {
	p := &provider{account: a, deps: d, terminal: a.Terminal}
	if p.account.BaseURL == "" {
		p.account.BaseURL = sandbox
	}
	for _, c := range a.Credentials {
		if c[CredentialTerminal] == "" || c[CredentialSecret] == "" {
			return nil, fmt.Errorf("%w: %s and %s are needed", providers.ErrConfig, CredentialTerminal, CredentialSecret)
		}
		if p.terminal == "" {
			p.terminal = c[CredentialTerminal]
		}
		if c[CredentialTerminal] != p.terminal {
			return nil, fmt.Errorf("%w: %s is not the account's terminal", providers.ErrConfig, CredentialTerminal)
		}
		p.secrets = append(p.secrets, []byte(c[CredentialSecret]))
	}
	if len(p.secrets) == 0 {
		return nil, fmt.Errorf("%w: no active secret", providers.ErrConfig)
	}
	return p, nil
}

// Checkout builds the signed address; it makes no call, so a hung VNPAY cannot delay it.
func (p *provider) Checkout(_ context.Context, pay providers.Payment) (providers.Redirect, error) {
	params, err := p.payParams(pay)
	if err != nil {
		return providers.Redirect{}, fmt.Errorf("vnpay checkout: %w", err)
	}
	return providers.Redirect{URL: p.account.URL(PurposePay, payPath) + "?" + signedQuery(params, p.secrets[0])}, nil
}

func (p *provider) payParams(pay providers.Payment) (map[string]string, error) {
	if !validReference(pay.Reference) {
		return nil, fmt.Errorf("%w: the reference is not 1 to 40 letters and digits", providers.ErrRefused)
	}
	if pay.Amount <= 0 || pay.Amount > maxAmount {
		return nil, fmt.Errorf("%w: the amount does not fit the wire", providers.ErrRefused)
	}
	bank, err := bankCode(pay.Method)
	if err != nil {
		return nil, err
	}
	// Characters that the known encoders treat differently would make the signature depend on VNPAY's run-time.
	if r := p.account.ReturnURL; len(r) < 10 || len(r) > 255 || strings.ContainsAny(r, "~*!'()") {
		return nil, fmt.Errorf("%w: the return address must have 10 to 255 characters and none of ~*!'()", providers.ErrConfig)
	}
	ip := address(pay.PayerIP, p.account.ServerIP)
	if ip == "" {
		return nil, fmt.Errorf("%w: neither the payer's nor the server's address is known", providers.ErrConfig)
	}
	info := sanitise(pay.Description)
	if info == "" {
		info = "Thanh toan " + pay.Reference
	}
	locale := "vn"
	if pay.Locale == "en" {
		locale = "en"
	}
	return map[string]string{
		"vnp_Version":    version,
		"vnp_Command":    "pay",
		"vnp_TmnCode":    p.terminal,
		"vnp_Amount":     wireAmount(pay.Amount),
		"vnp_CurrCode":   "VND",
		"vnp_CreateDate": wireTime(pay.CreatedAt),
		"vnp_ExpireDate": wireTime(pay.ExpiresAt),
		"vnp_IpAddr":     ip,
		"vnp_Locale":     locale,
		"vnp_OrderInfo":  info,
		"vnp_OrderType":  "other",
		"vnp_ReturnUrl":  p.account.ReturnURL,
		"vnp_TxnRef":     pay.Reference,
		"vnp_BankCode":   bank,
	}, nil
}

func bankCode(m providers.Method) (string, error) {
	switch m {
	case providers.MethodAny:
		return "", nil
	case providers.MethodQR:
		return "VNPAYQR", nil
	case providers.MethodATM:
		return "VNBANK", nil
	case providers.MethodCard:
		return "INTCARD", nil
	}
	return "", fmt.Errorf("%w: VNPAY has no method %q", providers.ErrRefused, m)
}

// address gives the first that is an IP address, without port and zone.
func address(candidates ...string) string {
	for _, c := range candidates {
		if ap, err := netip.ParseAddrPort(c); err == nil {
			return ap.Addr().Unmap().WithZone("").String()
		}
		if a, err := netip.ParseAddr(c); err == nil {
			return a.Unmap().WithZone("").String()
		}
	}
	return ""
}

// LookupPlan asks after expiry, as VNPAY knows no payment whose page was not opened, and answers 94 within five minutes.
func (p *provider) LookupPlan() providers.LookupPlan {
	return providers.LookupPlan{
		AfterExpiry: []time.Duration{time.Minute, 7 * time.Minute, 17 * time.Minute, 32 * time.Minute},
		AfterReturn: 2 * time.Minute,
		AfterDoubt:  time.Second, // at once; MinInterval may move it
		MinInterval: minInterval,
		GiveUpAfter: 15 * time.Minute,
	}
}

// Lookup asks by querydr. Only a signed answer tells of money; an unsigned 91 says no more than "not found".
func (p *provider) Lookup(ctx context.Context, pay providers.Payment) (providers.Notice, error) {
	body, err := p.queryBody(pay, pay.Transaction, rand.Text(), p.deps.Now())
	if err != nil {
		return providers.Notice{}, fmt.Errorf("vnpay lookup: %w", err)
	}
	var n providers.Notice
	err = providers.PostJSON(ctx, p.deps.HTTP(providers.OpLookup), p.account.URL(PurposeQuery, queryPath), body, func(status int, b []byte) (err error) {
		n, err = p.queryAnswer(pay, status, b)
		return err
	})
	if err != nil {
		return providers.Notice{}, fmt.Errorf("vnpay lookup: %w", err)
	}
	return n, nil
}

// Verify authenticates an IPN or a return. It does not know our payments: whether the reference is ours and the amount
// the one we asked for is the gateway's question.
func (p *provider) Verify(_ context.Context, c providers.Callback) ([]providers.Notice, error) {
	if c.Method != http.MethodGet {
		return nil, fmt.Errorf("vnpay callback: %w", providers.ErrWrongMethod)
	}
	params, err := parseQuery(c.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("vnpay callback: %w", err)
	}
	if !params.signedWith(p.secrets) {
		return nil, fmt.Errorf("vnpay callback: %w: signature", providers.ErrForged)
	}
	if params.values["vnp_TmnCode"] != p.terminal {
		return nil, fmt.Errorf("vnpay callback: %w: another terminal", providers.ErrForged)
	}
	n, err := params.notice()
	if err != nil {
		return nil, fmt.Errorf("vnpay callback: %w", err)
	}
	return []providers.Notice{n}, nil
}

// Answer is what VNPAY wants to hear. RspCode 00 and 02 end its repeating; every other makes it come again, ten times at
// most.
func (p *provider) Answer(r providers.Result) providers.Reply {
	code, message := "99", "Unknown error"
	status := http.StatusOK
	switch r.Verdict {
	case providers.VerdictRecorded:
		code, message = "00", "Confirm Success"
	case providers.VerdictDuplicate:
		code, message = "02", "Order already confirmed"
	case providers.VerdictUnknownPayment:
		code, message = "01", "Order not found"
	case providers.VerdictAmountMismatch:
		code, message = "04", "Invalid amount"
	case providers.VerdictForged:
		code, message = "97", "Invalid signature"
	case providers.VerdictWrongMethod:
		status = http.StatusMethodNotAllowed // VNPAY only ever comes by GET; this is somebody else
	}
	return providers.Reply{Status: status, ContentType: "application/json", Body: []byte(`{"RspCode":"` + code + `","Message":"` + message + `"}`)}
}

// misconfigured is ErrConfig with the answer's code.
func misconfigured(code string) error {
	return &providers.RefusedError{Kind: providers.ErrConfig, Code: code, Reason: providers.ReasonConfiguration}
}
