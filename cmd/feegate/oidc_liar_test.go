package main

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"feegate/cmd/feegate/console"
	"feegate/gateway/identity"
)

const (
	liarsClient = "feegate"
	liarsSecret = "bí mật chung, dài đủ để ký HS256"
)

// falseProvince is an OpenID provider that says what a test has it say. What the console sends it is held to the protocol.
type falseProvince struct {
	t      *testing.T
	server *httptest.Server
	key    *rsa.PrivateKey

	mu       sync.Mutex
	metadata map[string]any                      // over what is true
	nonce    string                              // of the errand
	proof    string                              // its PKCE challenge
	codes    map[string]bool                     // given out, and whether they were used
	token    func(claims map[string]any) string  // the ID token
	twice    bool                                // a code is taken again and again
	userinfo func(w http.ResponseWriter, s bool) // nil: there is none
}

func newFalseProvince(t *testing.T) *falseProvince {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &falseProvince{t: t, key: key, codes: map[string]bool{}, metadata: map[string]any{}}
	p.token = p.signed(key)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.say(w, map[string]any{"keys": []any{map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": b64(key.N.Bytes()), "e": "AQAB"}}})
	})
	mux.HandleFunc("POST /token", p.exchange)
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.userinfo(w, r.Header.Get("Authorization") == "Bearer access")
	})
	p.server = httptest.NewServer(mux)
	t.Cleanup(p.server.Close)
	return p
}

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

func (p *falseProvince) say(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(what); err != nil {
		p.t.Error(err)
	}
}

func (p *falseProvince) discovery(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.server.URL
	says := map[string]any{"issuer": at, "authorization_endpoint": at + "/authorize", "token_endpoint": at + "/token", "jwks_uri": at + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}}
	if p.userinfo != nil {
		says["userinfo_endpoint"] = at + "/userinfo"
	}
	for name, value := range p.metadata {
		says[name] = value
	}
	p.say(w, says)
}

// exchange gives the ID token for a code, once, to who proves to have asked for it.
func (p *falseProvince) exchange(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name, secret, _ := r.BasicAuth()
	if name, _ = url.QueryUnescape(name); name == "" {
		name, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	} else {
		secret, _ = url.QueryUnescape(secret)
	}
	proof := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	code := r.PostFormValue("code")
	used, given := p.codes[code]
	if name != liarsClient || secret != liarsSecret || b64(proof[:]) != p.proof || !given || used && !p.twice {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
		return
	}
	p.codes[code] = true
	now := time.Now()
	claims := map[string]any{"iss": p.server.URL, "sub": "id1", "aud": liarsClient, "exp": now.Add(time.Minute).Unix(), "iat": now.Unix(), "nonce": p.nonce, "name": "mai.le", "groups": "doi-soat"}
	p.say(w, map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": p.token(claims)})
}

// header and claims as a token's first two parts.
func unsigned(header, claims map[string]any) string {
	h, _ := json.Marshal(header) // texts and numbers: it cannot fail
	c, _ := json.Marshal(claims)
	return b64(h) + "." + b64(c)
}

// signed signs claims by a key; whoever asks for the key is told the province's own.
func (p *falseProvince) signed(key *rsa.PrivateKey) func(map[string]any) string {
	return func(claims map[string]any) string {
		text := unsigned(map[string]any{"alg": "RS256", "kid": "1"}, claims)
		digest := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		if err != nil {
			p.t.Error(err)
		}
		return text + "." + b64(signature)
	}
}

// with is a true token but for some claims; nil takes one out.
func (p *falseProvince) with(pairs ...any) func(map[string]any) string {
	return func(claims map[string]any) string {
		for i := 0; i < len(pairs); i += 2 {
			if claims[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
				delete(claims, pairs[i].(string))
			}
		}
		return p.signed(p.key)(claims)
	}
}

// known has a program's console know the province.
func (p *falseProvince) known(s *street) {
	s.t.Helper()
	if err := s.app.desk.SignInBy(console.Outside{Issuer: p.server.URL, ClientID: liarsClient, Secret: liarsSecret, Label: "tài khoản của tỉnh", RolesClaim: "groups",
		Roles: map[string]identity.Role{"doi-soat": identity.Finance}}); err != nil {
		s.t.Fatal(err)
	}
}

// start sends a browser to the province, and gives the address that the province sends it back to.
func (p *falseProvince) start(o *officer) (back string) {
	o.s.t.Helper()
	to, err := url.Parse(o.get("/console/oidc/start").header.Get("Location"))
	if err != nil || to.Path != "/authorize" {
		o.s.t.Fatalf("sent to %s: %v", to, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	code := rand.Text()
	p.nonce, p.proof, p.codes[code] = to.Query().Get("nonce"), to.Query().Get("code_challenge"), false
	return "/console/oidc/callback?" + url.Values{"code": {code}, "state": {to.Query().Get("state")}}.Encode()
}

// letIn says whether an answer lets somebody in.
func letIn(r reply) bool {
	return strings.Contains(strings.Join(r.header.Values("Set-Cookie"), " "), "feegate_console=fgs_")
}

// refusedPlainly holds an answer to a page in plain words, with nothing of the reason in it, that let nobody in.
func refusedPlainly(t *testing.T, s *street, r reply, status int, says string) {
	t.Helper()
	page := plainly(r)
	if r.status != status || letIn(r) || !strings.Contains(page, says) || !strings.Contains(string(r.body), "Đăng nhập bằng tài khoản của tỉnh") {
		t.Errorf("%d %v\n%s", r.status, r.header, page)
	}
	for _, inner := range []string{"oidc", "jwt", "token", "issuer", "nonce", "http://"} {
		if strings.Contains(strings.ToLower(page), inner) {
			t.Errorf("the page says %q:\n%s", inner, page)
		}
	}
	if n := s.count(`SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM users)`); n != 0 {
		t.Errorf("%d sessions and people", n)
	}
}

// A provider that lies, or somebody between, lets nobody in.
func TestAProviderOfIdentitiesThatLies(t *testing.T) {
	s := newStreet(t)
	p := newFalseProvince(t)
	p.known(s)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	const unchecked = "Không kiểm tra được câu trả lời của hệ thống định danh"
	const nobody = "không cho biết bạn là ai"
	past := time.Now().Add(-time.Minute).Unix()
	for name, c := range map[string]struct {
		token func(map[string]any) string
		says  string
	}{
		"wrong nonce":                  {p.with("nonce", "khác"), unchecked},
		"no nonce":                     {p.with("nonce", nil), unchecked},
		"wrong audience":               {p.with("aud", "another"), unchecked},
		"no audience":                  {p.with("aud", nil), unchecked},
		"among audiences, for another": {p.with("aud", []string{liarsClient, "another"}, "azp", "another"), unchecked},
		"among audiences, for nobody":  {p.with("aud", []string{liarsClient, "another"}), unchecked},
		"made for another":             {p.with("azp", "another"), unchecked},
		"made for a number":            {p.with("azp", 7), unchecked},
		"wrong issuer":                 {p.with("iss", "https://another.example"), unchecked},
		"no issuer":                    {p.with("iss", nil), unchecked},
		"expired":                      {p.with("exp", past), unchecked},
		"without an end":               {p.with("exp", nil), unchecked},
		"not yet":                      {p.with("nbf", time.Now().Add(time.Hour).Unix()), unchecked},
		"another's key":                {p.signed(stranger), unchecked},
		"alg none": {func(claims map[string]any) string {
			return unsigned(map[string]any{"alg": "none"}, claims) + "."
		}, unchecked},
		"signed by our secret": {func(claims map[string]any) string {
			text := unsigned(map[string]any{"alg": "HS256"}, claims)
			mac := hmac.New(sha256.New, []byte(liarsSecret))
			_, _ = mac.Write([]byte(text)) // never fails
			return text + "." + b64(mac.Sum(nil))
		}, unchecked},
		"changed after it was signed": {func(claims map[string]any) string {
			good := strings.Split(p.signed(p.key)(claims), ".")
			claims["groups"] = []string{"doi-soat", "duyet"}
			return unsigned(map[string]any{"alg": "RS256", "kid": "1"}, claims) + "." + good[2]
		}, unchecked},
		"no token":    {func(map[string]any) string { return "" }, unchecked},
		"no subject":  {p.with("sub", nil), nobody},
		"no name":     {p.with("name", nil), nobody},
		"a long name": {p.with("name", strings.Repeat("x", 10000)), nobody},
	} {
		t.Run(name, func(t *testing.T) {
			browser := s.browser()
			back := p.start(browser)
			p.mu.Lock()
			p.token = c.token
			p.mu.Unlock()
			refusedPlainly(t, s, browser.get(back), http.StatusBadGateway, c.says)
		})
	}
	p.mu.Lock()
	p.token = p.signed(p.key)
	p.mu.Unlock()

	t.Run("a code again", func(t *testing.T) {
		browser := s.browser()
		back := p.start(browser)
		errand := browser.client.Jar.Cookies(mustURL(t, s.api+"/console/oidc/"))
		p.mu.Lock()
		p.codes[mustURL(t, back).Query().Get("code")] = true // somebody else was quicker
		p.mu.Unlock()
		refusedPlainly(t, s, browser.get(back), http.StatusBadGateway, unchecked)
		refusedPlainly(t, s, browser.get(back), http.StatusBadRequest, "Phiên đăng nhập này đã cũ")
		// With what the browser carried it is the provider that refuses; one that takes a code twice is not asked by a browser of ours.
		thief := s.browser()
		thief.client.Jar.SetCookies(mustURL(t, s.api+"/console/oidc/"), errand)
		refusedPlainly(t, s, thief.get(back), http.StatusBadGateway, unchecked)
		p.mu.Lock()
		p.twice = true
		p.mu.Unlock()
		refusedPlainly(t, s, browser.get(back), http.StatusBadRequest, "Phiên đăng nhập này đã cũ")
	})

	t.Run("userinfo of another", func(t *testing.T) {
		p.mu.Lock()
		p.userinfo = func(w http.ResponseWriter, _ bool) { p.say(w, map[string]any{"sub": "id2", "groups": "doi-soat"}) }
		p.mu.Unlock()
		fresh := s.another() // it asks anew what there is
		p.known(fresh)
		browser := fresh.browser()
		refusedPlainly(t, s, browser.get(p.start(browser)), http.StatusBadGateway, unchecked)
	})

	t.Run("another's metadata", func(t *testing.T) {
		p.mu.Lock()
		p.metadata["issuer"] = "https://another.example"
		p.mu.Unlock()
		fresh := s.another()
		p.known(fresh)
		refusedPlainly(t, s, fresh.browser().get("/console/oidc/start"), http.StatusServiceUnavailable, "Hệ thống định danh không trả lời")
	})

	// The same provider, telling the truth: what was refused above was refused for the lie alone.
	browser := s.browser()
	if r := browser.get(p.start(browser)); r.status != http.StatusOK || !letIn(r) {
		t.Errorf("the truth: %d %s", r.status, r.body)
	}
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Who came by the provider leaves by it, where it has a place for that; anybody else, and everybody where it has none, as ever.
func TestSigningOutAtTheProvider(t *testing.T) {
	s := newStreet(t)
	const theirs = `SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.issuer IS NOT NULL`
	for name, c := range map[string]struct {
		metadata map[string]any
		leads    string // what the address begins with, "" for none
	}{
		"a place":                    {map[string]any{"end_session_endpoint": "https://id.tinh.example/logout"}, "https://id.tinh.example/logout?client_id=feegate&post_logout_redirect_uri="},
		"a place with a query":       {map[string]any{"end_session_endpoint": "https://id.tinh.example/logout?realm=tinh"}, "https://id.tinh.example/logout?client_id=feegate&post_logout_redirect_uri="},
		"no place":                   {nil, ""},
		"a script":                   {map[string]any{"end_session_endpoint": "javascript:alert(1)"}, ""},
		"in the clear":               {map[string]any{"end_session_endpoint": "http://id.tinh.example/logout"}, ""},
		"as if on this machine":      {map[string]any{"end_session_endpoint": "http://127.0.0.1.evil.example/logout"}, ""},
		"what looks like one host":   {map[string]any{"end_session_endpoint": "https://id.tinh.example@evil.example/logout"}, ""},
		"nothing that is an address": {map[string]any{"end_session_endpoint": 7}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFalseProvince(t)
			who := "mai, " + name // each province's own: a name belongs to one
			p.metadata, p.token = c.metadata, p.with("name", who)
			program := s.another()
			p.known(program)
			mai := program.browser()
			if r := mai.get(p.start(mai)); !letIn(r) {
				t.Fatalf("%d %s", r.status, r.body)
			}
			r := mai.act("/console/sign-out", url.Values{})
			if csp := r.header.Get("Content-Security-Policy"); c.leads != "" && !strings.Contains(csp, "form-action 'self'") {
				t.Errorf("the policy: %q", csp)
			}
			if c.leads == "" {
				mai.acted(r, "/console/sign-in")
			} else {
				to, _ := strings.CutPrefix(r.header.Get("Refresh"), "0; url=")
				q := mustURL(t, to).Query()
				if r.status != http.StatusOK || !strings.HasPrefix(to, c.leads) || q.Get("client_id") != liarsClient || q.Get("post_logout_redirect_uri") != program.api+"/console/sign-in" || q.Has("id_token_hint") {
					t.Errorf("%d to %q\n%s", r.status, to, r.body)
				}
				if (q.Get("realm") == "tinh") != (name == "a place with a query") {
					t.Errorf("its own query: %s", to)
				}
				mai.says(r, 200, "Đã đăng xuất khỏi feegate", "Đăng xuất khỏi tài khoản của tỉnh")
				if strings.Contains(string(r.body), who) || strings.Contains(string(r.body), "csrf") {
					t.Errorf("the page is somebody's: %s", r.body)
				}
			}
			if n := s.count(theirs); n != 0 {
				t.Errorf("%d sessions", n)
			}
			if r := mai.get("/console/today"); r.status != http.StatusSeeOther {
				t.Errorf("afterwards: %d", r.status)
			}
			// Feegate's own people leave as ever.
			own := program.officer("người của feegate "+name, []identity.Role{identity.Finance})
			own.acted(own.act("/console/sign-out", url.Values{}), "/console/sign-in")
			// A program that never asked the provider, and cannot any more, ends its own session.
			again := program.browser()
			if r := again.get(p.start(again)); !letIn(r) {
				t.Fatalf("%d %s", r.status, r.body)
			}
			fresh := s.another()
			p.known(fresh)
			p.server.Close()
			later := fresh.browser()
			later.client.Jar.SetCookies(mustURL(t, fresh.api+"/console"), again.client.Jar.Cookies(mustURL(t, program.api+"/console")))
			later.acted(later.act("/console/sign-out", url.Values{}), "/console/sign-in")
			if n := s.count(theirs); n != 0 {
				t.Errorf("%d sessions while the provider does not answer", n)
			}
		})
	}
}
