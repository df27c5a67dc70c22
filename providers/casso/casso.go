// Package casso speaks Casso: a notifier that watches a bank account and calls for each movement on it, and can be asked for the
// list of them. The code that a payer scans, and the money, are the beneficiary's bank's (see package vietqr).
package casso

import (
	"context"
	"fmt"
	"time"

	"feegate/providers"
	"feegate/providers/vietqr"
)

// Names of the credentials. One of the first two is needed: which one says which generation of Casso's calls is used. The third
// is only for reading the list.
const (
	CredentialKey   = "webhook_key"         // of Webhook V2, which signs
	CredentialToken = "legacy_secure_token" // of the older calls, which carry it
	CredentialAPI   = "api_key"
)

const (
	live       = "https://oauth.casso.vn"
	listPath   = "/v2/transactions"
	maxBody    = 256 << 10 // the older calls carry several movements
	tolerance  = 5 * time.Minute
	pageSize   = 100
	maxPages   = 100
	fetchEvery = 15 * time.Minute
)

// Name of the provider.
const Name = "casso"

// PurposeList is the account's URL override for reading the list.
const PurposeList = "transactions"

// Registration is Casso's entry in the registry.
func Registration() providers.Registration {
	return providers.Registration{
		Name: Name, Title: vietqr.Title, Capabilities: vietqr.Capabilities(), Transfers: true, BuildsAddress: true, NewReference: vietqr.NewReference, FindReference: vietqr.Find,
		Optional:   []string{CredentialKey, CredentialToken, CredentialAPI},
		Purposes:   []string{PurposeList},
		DefaultURL: live,
		Timeouts:   map[providers.Operation]time.Duration{providers.OpCheckout: time.Second, providers.OpLookup: 20 * time.Second},
		New:        New,
	}
}

// secret is one active set of credentials.
type secret struct{ key, token, api string }

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
		if c[CredentialKey] == "" && c[CredentialToken] == "" {
			return nil, &providers.SetUpError{Field: "credentials", Detail: "Casso's calls need " + CredentialKey + " (Webhook V2) or " + CredentialToken}
		}
		p.secrets = append(p.secrets, secret{c[CredentialKey], c[CredentialToken], c[CredentialAPI]})
	}
	if len(p.secrets) == 0 {
		return nil, fmt.Errorf("%w: no active secret", providers.ErrConfig)
	}
	return p, nil
}

// Verify authenticates a call and reads the movements that it tells of: one of Webhook V2, several of the older calls. The
// portal's trial call is authentic and tells of none.
func (p *provider) Verify(_ context.Context, c providers.Callback) ([]providers.Notice, error) {
	ms, err := p.read(c)
	if err != nil {
		return nil, fmt.Errorf("casso webhook: %w", err)
	}
	return p.notices(ms)
}

func (p *provider) notices(ms []vietqr.Movement) ([]providers.Notice, error) {
	var ns []providers.Notice
	for _, m := range ms {
		n, err := p.Notice(Name, m)
		if err != nil {
			return nil, fmt.Errorf("casso: %w", err)
		}
		ns = append(ns, n)
	}
	return ns, nil
}

// Answer is success for all that was authentic.
func (*provider) Answer(r providers.Result) providers.Reply { return vietqr.AnswerJSON(r) }

// FetchPlan reads the list regularly: how often Casso repeats a call is not published.
func (*provider) FetchPlan() (every, atLeast time.Duration) { return fetchEvery, time.Minute }
