// Package sepay speaks SePay: a notifier that watches a bank account and calls for each movement on it, and can be asked for the
// list of them. The code that a payer scans, and the money, are the beneficiary's bank's (see package vietqr).
package sepay

import (
	"context"
	"fmt"
	"time"

	"feegate/providers"
	"feegate/providers/vietqr"
)

// Names of the credentials. One of the first two is needed: which one says how SePay authenticates its calls. The third is only
// for reading the list.
const (
	CredentialKey    = "api_key"
	CredentialSecret = "webhook_secret"
	CredentialToken  = "api_token"
)

const (
	live       = "https://my.sepay.vn"
	listPath   = "/userapi/transactions/list"
	maxBody    = 64 << 10
	tolerance  = 5 * time.Minute
	Name       = "sepay"
	pageSize   = 1000 // SePay gives up to 5000, which is more than we read of one answer
	maxPages   = 20
	fetchEvery = 15 * time.Minute
)

// PurposeList is the account's URL override for reading the list.
const PurposeList = "transactions"

// Registration is SePay's entry in the registry.
func Registration() providers.Registration {
	return providers.Registration{
		Name: Name, Title: vietqr.Title, Capabilities: vietqr.Capabilities(), Transfers: true, BuildsAddress: true, NewReference: vietqr.NewReference, FindReference: vietqr.Find,
		Optional:   []string{CredentialKey, CredentialSecret, CredentialToken},
		Purposes:   []string{PurposeList},
		DefaultURL: live,
		Timeouts:   map[providers.Operation]time.Duration{providers.OpCheckout: time.Second, providers.OpLookup: 20 * time.Second},
		New:        New,
	}
}

// secret is one active set of credentials.
type secret struct{ key, hmac, token string }

type provider struct {
	vietqr.Destination
	account providers.Account
	deps    providers.Deps
	secrets []secret
}

// New makes the adapter of one bank account.
func New(a providers.Account, d providers.Deps) (providers.Provider, error) {
	to, err := vietqr.NewDestination(a)
	if err != nil {
		return nil, err
	}
	p := &provider{Destination: to, account: a, deps: d}
	if p.account.BaseURL == "" {
		p.account.BaseURL = live
	}
	for _, c := range a.Credentials {
		if c[CredentialKey] == "" && c[CredentialSecret] == "" {
			return nil, &providers.SetUpError{Field: "credentials", Detail: "SePay's calls need " + CredentialSecret + " (recommended) or " + CredentialKey}
		}
		p.secrets = append(p.secrets, secret{c[CredentialKey], c[CredentialSecret], c[CredentialToken]})
	}
	if len(p.secrets) == 0 {
		return nil, fmt.Errorf("%w: no active secret", providers.ErrConfig)
	}
	return p, nil
}

// Verify authenticates a call and reads the movement that it tells of.
func (p *provider) Verify(_ context.Context, c providers.Callback) ([]providers.Notice, error) {
	m, trial, err := p.read(c)
	if err != nil {
		return nil, fmt.Errorf("sepay webhook: %w", err)
	}
	if trial {
		return nil, nil
	}
	n, err := p.Notice(Name, m)
	if err != nil {
		return nil, fmt.Errorf("sepay webhook: %w", err)
	}
	return []providers.Notice{n}, nil
}

// Answer is success for all that was authentic: SePay repeats what is not in 200 … 299, and repeating mends nothing of it.
func (*provider) Answer(r providers.Result) providers.Reply { return vietqr.AnswerJSON(r) }

// FetchPlan reads the list regularly: SePay stops repeating a call after half an hour.
func (*provider) FetchPlan() (every, atLeast time.Duration) { return fetchEvery, time.Minute }
