package console

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"feegate/gateway/identity"
)

// Outside is the province's provider of identities (OpenID Connect, authorization code with PKCE), and what its claims come to here.
type Outside struct {
	Issuer, ClientID, Secret string
	Label                    string                   // on the sign-in page
	RolesClaim               string                   // a text or a list of texts
	Roles                    map[string]identity.Role // by a value of the claim
	AgenciesClaim            string                   // "" where people are limited to no agency; else codes, or * for all
}

// outsider is the provider as this process knows it; it is asked for its addresses and keys when somebody first signs in by it.
type outsider struct {
	Outside
	back   string
	client *http.Client

	mu       sync.Mutex
	provider *oidc.Provider
}

const (
	outsideCookie = "feegate_oidc"
	outsidePath   = "/console/oidc"
	outsideTime   = 10 * time.Minute // for signing in there
)

// SignInBy has people sign in by a provider of identities besides their own passwords. It is called before serving.
func (c *Console) SignInBy(o Outside) error {
	switch {
	case o.Issuer == "" || o.ClientID == "" || o.Secret == "":
		return errors.New("signing in by OpenID Connect needs issuer, client id and client secret")
	case !believable(o.Issuer):
		return errors.New("the OpenID Connect issuer must be an https address")
	case o.RolesClaim == "" || len(o.Roles) == 0:
		return errors.New("signing in by OpenID Connect needs the claim with the roles, and what its values come to")
	}
	for value, role := range o.Roles {
		if role == identity.PortalAdmin || !slices.Contains(identity.Roles(), role) {
			return fmt.Errorf("OpenID Connect roles: %q comes to %q, which is no role that a claim can give", value, role)
		}
	}
	c.outside = &outsider{Outside: o, back: strings.TrimSuffix(c.PublicURL, "/") + outsidePath + "/callback", client: &http.Client{Timeout: 10 * time.Second}}
	return nil
}

// ask gives the provider and how to ask it; one that did not answer is asked again the next time.
func (o *outsider) ask(ctx context.Context) (context.Context, *oidc.Provider, *oauth2.Config, error) {
	ctx = oidc.ClientContext(ctx, o.client)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.provider == nil {
		p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), o.client), o.Issuer) // it keeps the context for its keys
		if err != nil {
			return ctx, nil, nil, fmt.Errorf("asking the provider of identities %s: %w", o.Issuer, err)
		}
		o.provider = p
	}
	return ctx, o.provider, &oauth2.Config{ClientID: o.ClientID, ClientSecret: o.Secret, Endpoint: o.provider.Endpoint(), RedirectURL: o.back, Scopes: []string{oidc.ScopeOpenID, "profile", "email"}}, nil
}

// errand is what a browser carries to the provider and back, for itself alone.
type errand struct {
	State, Nonce, Verifier, Next string
	Until                        int64
}

func (c *Console) errandCookie(value string, age int) *http.Cookie {
	// Lax: the browser comes back from another site.
	return &http.Cookie{Name: outsideCookie, Value: value, Path: outsidePath, MaxAge: age, HttpOnly: true, Secure: c.secure(), SameSite: http.SameSiteLaxMode}
}

// outsideStart sends the browser to the provider.
func (c *Console) outsideStart(w http.ResponseWriter, r *http.Request) {
	if !c.outsideOpen(w, r) {
		return
	}
	_, _, config, err := c.outside.ask(r.Context())
	if err != nil {
		c.Log.Error("console", "path", r.URL.Path, "error", err)
		c.showSignIn(w, r, http.StatusServiceUnavailable, signInData{Next: inside(r.URL.Query().Get("next")), Error: c.tongues[language(r)].Say("Hệ thống định danh không trả lời. Hãy thử lại sau ít phút, hoặc đăng nhập bằng mật khẩu.")})
		return
	}
	e := errand{rand.Text(), rand.Text(), oauth2.GenerateVerifier(), inside(r.URL.Query().Get("next")), time.Now().Add(outsideTime).Unix()}
	raw, err := json.Marshal(e)
	if err != nil {
		c.visit(w, r).refuse(err)
		return
	}
	http.SetCookie(w, c.errandCookie(base64.RawURLEncoding.EncodeToString(raw), int(outsideTime.Seconds())))
	http.Redirect(w, r, config.AuthCodeURL(e.State, oidc.Nonce(e.Nonce), oauth2.S256ChallengeOption(e.Verifier)), http.StatusSeeOther)
}

// outsideOpen says whether people can sign in by a provider, and may now.
func (c *Console) outsideOpen(w http.ResponseWriter, r *http.Request) bool {
	if c.outside == nil {
		http.NotFound(w, r)
		return false
	}
	if !c.Admit(c.Visitors.Address(r)) {
		http.Error(w, c.tongues[language(r)].Say(tooMany), http.StatusTooManyRequests)
		return false
	}
	return true
}

// errandOf is what this browser was sent for; nil where the answer is to somebody else's errand, or none.
func errandOf(r *http.Request) *errand {
	k, err := r.Cookie(outsideCookie)
	if err != nil || len(k.Value) > 4096 {
		return nil
	}
	var e errand
	raw, err := base64.RawURLEncoding.DecodeString(k.Value)
	if err != nil || json.Unmarshal(raw, &e) != nil || e.State == "" || time.Now().Unix() > e.Until ||
		subtle.ConstantTimeCompare([]byte(e.State), []byte(r.URL.Query().Get("state"))) != 1 {
		return nil
	}
	return &e
}

// outsideBack takes the provider's answer.
func (c *Console) outsideBack(w http.ResponseWriter, r *http.Request) {
	if !c.outsideOpen(w, r) {
		return
	}
	e := errandOf(r)
	http.SetCookie(w, c.errandCookie("", -1))
	fail := func(status int, said text) {
		next := "/console"
		if e != nil {
			next = inside(e.Next)
		}
		c.showSignIn(w, r, status, signInData{Next: next, Error: c.tongues[language(r)].Say(said)})
	}
	if e == nil {
		fail(http.StatusBadRequest, "Phiên đăng nhập này đã cũ, hoặc không bắt đầu từ trình duyệt này. Hãy đăng nhập lại.")
		return
	}
	if r.URL.Query().Get("error") != "" {
		fail(http.StatusUnauthorized, "Hệ thống định danh không cho đăng nhập, hoặc bạn đã hủy.")
		return
	}
	address := c.Visitors.Address(r)
	person, err := c.outside.vouched(r.Context(), r.URL.Query().Get("code"), e)
	if err != nil {
		c.Log.Warn("a sign-in by the provider of identities failed", "error", err)
		fail(http.StatusBadGateway, "Không kiểm tra được câu trả lời của hệ thống định danh. Hãy thử lại.")
		return
	}
	var unusable *identity.InvalidError
	token, _, err := c.Identity.LoginOutside(r.Context(), *person, address)
	switch {
	case errors.Is(err, identity.ErrNoRole):
		if err := c.Identity.RefusedOutside(r.Context(), person.Issuer, person.Subject, address); err != nil {
			c.Log.Error("console", "path", r.URL.Path, "error", err)
		}
		fail(http.StatusForbidden, "Hệ thống định danh chưa cho bạn vai trò nào ở feegate. Hãy liên hệ quản trị viên.")
	case errors.Is(err, identity.ErrTaken):
		fail(http.StatusForbidden, "Đã có người dùng khác tên này ở feegate. Hãy liên hệ quản trị viên.")
	case errors.Is(err, identity.ErrBadCredentials):
		fail(http.StatusForbidden, "Tài khoản của bạn ở feegate đã bị khóa. Hãy liên hệ quản trị viên.")
	case errors.Is(err, identity.ErrLastAdmin):
		fail(http.StatusForbidden, "Bạn là quản trị cuối cùng, nên vai trò chưa thể bị bỏ. Hãy thêm một quản trị khác.")
	case errors.As(err, &unusable):
		c.Log.Warn("a sign-in by the provider of identities failed", "error", err)
		fail(http.StatusBadGateway, "Hệ thống định danh không cho biết bạn là ai, hoặc tên của bạn không dùng được. Hãy liên hệ quản trị viên.")
	case err != nil:
		c.visit(w, r).refuse(err)
	default:
		http.SetCookie(w, c.cookie(token, int(identity.AbsoluteLimit.Seconds())))
		// A redirect from here would still count as coming from the other site, and the strict cookie would stay at home.
		w.Header().Set("Refresh", "0; url="+inside(e.Next))
		v := c.visit(w, r)
		if err := v.show(http.StatusOK, "welcome", "Đã đăng nhập", struct{ Next string }{inside(e.Next)}); err != nil {
			v.refuse(err)
		}
	}
}

// vouched exchanges a code for what the provider says of a person: the ID token's claims and, where it has the address, those of
// userinfo, which providers keep groups for.
func (o *outsider) vouched(ctx context.Context, code string, e *errand) (*identity.Outside, error) {
	ctx, provider, config, err := o.ask(ctx)
	if err != nil {
		return nil, err
	}
	tokens, err := config.Exchange(ctx, code, oauth2.VerifierOption(e.Verifier))
	if err != nil {
		return nil, fmt.Errorf("exchanging the code: %w", err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: o.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("verifying the ID token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(e.Nonce)) != 1 {
		return nil, errors.New("the ID token answers another errand")
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return nil, fmt.Errorf("reading the ID token: %w", err)
	}
	// OpenID Connect Core 1.0, 3.1.3.7: a token for several is for us only where it was made for us.
	if party, _ := claims["azp"].(string); party != o.ClientID && (claims["azp"] != nil || len(id.Audience) > 1) {
		return nil, errors.New("the ID token was made for another program")
	}
	if provider.UserInfoEndpoint() != "" {
		info, err := provider.UserInfo(ctx, config.TokenSource(ctx, tokens))
		if err != nil {
			return nil, fmt.Errorf("asking for userinfo: %w", err)
		}
		if info.Subject != id.Subject {
			return nil, errors.New("userinfo is of somebody else")
		}
		more := map[string]any{}
		if err := info.Claims(&more); err != nil {
			return nil, fmt.Errorf("reading userinfo: %w", err)
		}
		for name, value := range more {
			if _, ok := claims[name]; !ok {
				claims[name] = value
			}
		}
	}
	p := &identity.Outside{Issuer: id.Issuer, Subject: id.Subject}
	for _, name := range []string{"preferred_username", "email", "name"} {
		if p.Name == "" {
			p.Name, _ = claims[name].(string)
		}
	}
	o.mapped(claims, p)
	return p, nil
}

// mapped reads roles and agencies. Who is limited to agencies by rule and has none of them is given no role: no limit would be all.
func (o *outsider) mapped(claims map[string]any, p *identity.Outside) {
	for _, value := range texts(claims[o.RolesClaim]) {
		if role, ok := o.Roles[value]; ok && !slices.Contains(p.Roles, role) {
			p.Roles = append(p.Roles, role)
		}
	}
	if o.AgenciesClaim == "" {
		return
	}
	p.Agencies = texts(claims[o.AgenciesClaim])
	switch {
	case slices.Contains(p.Agencies, "*"):
		p.Agencies = nil
	case len(p.Agencies) == 0:
		p.Roles = nil
	}
}

// texts is a claim that is one text or a list of them.
func texts(claim any) (out []string) {
	switch v := claim.(type) {
	case string:
		return []string{v}
	case []any:
		for _, one := range v {
			if s, ok := one.(string); ok {
				out = append(out, s)
			}
		}
	}
	return out
}
