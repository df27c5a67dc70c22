package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"feegate/cmd/feegate/console"
	"feegate/gateway/identity"
)

// province is an OpenID provider: the certified library's own server, whose people are the test's, with the groups that userinfo tells.
type province struct {
	*storage.Storage
	mu     sync.Mutex
	users  map[string]*storage.User
	groups map[string][]string
	issuer string
	back   string   // where it lets people go after signing out
	ended  []string // the clients that people signed out of
}

// leavable is a client with an address to come back to after signing out, which the library's own clients lack.
type leavable struct {
	op.Client
	back string
}

func (l leavable) PostLogoutRedirectURIs() []string { return []string{l.back} }

func (p *province) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := p.Storage.GetClientByClientID(ctx, id)
	return leavable{c, p.back}, err
}

// TerminateSession notes who was signed out of what.
func (p *province) TerminateSession(ctx context.Context, user, client string) error {
	p.mu.Lock()
	p.ended = append(p.ended, client)
	p.mu.Unlock()
	return p.Storage.TerminateSession(ctx, user, client)
}

func (p *province) endedFor() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.ended)
}

func (p *province) GetUserByID(id string) *storage.User {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.users[id]
}

func (p *province) GetUserByUsername(name string) *storage.User {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.users {
		if u.Username == name {
			return u
		}
	}
	return nil
}

func (p *province) ExampleClientID() string { return "service" }

// SetUserinfoFromToken tells the groups at userinfo, where many providers have them alone.
func (p *province) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	err := p.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin)
	p.mu.Lock()
	defer p.mu.Unlock()
	info.AppendClaims("groups", p.groups[subject])
	return err
}

func (p *province) give(id string, groups ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.groups[id] = groups
}

// theProvince runs the provider and has the street's console know it.
func theProvince(t *testing.T, s *street, agencies string) *province {
	t.Helper()
	p := &province{users: map[string]*storage.User{}, groups: map[string][]string{}}
	for id, name := range map[string]string{"id1": "mai.le", "id2": "lan.tran"} {
		p.users[id] = &storage.User{ID: id, Username: name, Password: "ở tỉnh", Email: name + "@tinh.example"}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	issuer := "http://localhost:" + port + "/"
	storage.RegisterClients(storage.WebClient("feegate-"+port, "bí mật chung", s.api+"/console/oidc/callback"))
	p.Storage = storage.NewStorage(p)
	p.issuer, p.back = issuer, s.api+"/console/sign-in"
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: exampleop.SetupServer(issuer, p, nil, false)}}
	server.Start()
	t.Cleanup(server.Close)
	if err := s.app.desk.SignInBy(console.Outside{Issuer: issuer, ClientID: "feegate-" + port, Secret: "bí mật chung", Label: "tài khoản của tỉnh", RolesClaim: "groups",
		Roles: map[string]identity.Role{"doi-soat": identity.Finance, "duyet": identity.Approver}, AgenciesClaim: agencies}); err != nil {
		t.Fatal(err)
	}
	return p
}

var authRequest = regexp.MustCompile(`name="id" value="([^"]+)"`)

// signInThere follows the browser from the console's button to the provider and back; the answer is what the console says.
func signInThere(t *testing.T, s *street, name, next string) (*officer, reply) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar} // follows redirects, as a browser does
	at, err := client.Get(s.api + "/console/oidc/start?next=" + url.QueryEscape(next))
	if err != nil {
		t.Fatal(err)
	}
	form := whole(t, at)
	id := authRequest.FindSubmatch(form.body)
	if id == nil {
		t.Fatalf("no form at the provider: %d %s", form.status, form.body)
	}
	back, err := client.PostForm(at.Request.URL.ResolveReference(&url.URL{Path: "/login/username"}).String(), url.Values{"username": {name}, "password": {"ở tỉnh"}, "id": {string(id[1])}})
	if err != nil {
		t.Fatal(err)
	}
	return &officer{s, client}, whole(t, back)
}

// whole reads an answer.
func whole(t *testing.T, resp *http.Response) reply {
	t.Helper()
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, raw}
}

// Officers sign in by the province's own provider: roles follow its groups at each sign-in, and nobody gets in by a name.
func TestSigningInByTheProvince(t *testing.T) {
	s := newStreet(t)
	p := theProvince(t, s, "")
	if r := s.browser().get("/console/sign-in"); !strings.Contains(string(r.body), "Đăng nhập bằng tài khoản của tỉnh") {
		t.Errorf("no button: %s", r.body)
	}
	if _, r := signInThere(t, s, "mai.le", "/console/refunds"); r.status != http.StatusForbidden || !strings.Contains(string(r.body), "chưa cho bạn vai trò nào") {
		t.Errorf("without a group: %d %s", r.status, r.body)
	}
	p.give("id1", "doi-soat", "bóng đá")
	mai, r := signInThere(t, s, "mai.le", "/console/refunds")
	if r.status != http.StatusOK || r.header.Get("Refresh") != "0; url=/console/refunds" {
		t.Fatalf("%d %v %s", r.status, r.header, r.body)
	}
	if r := mai.get("/console/today"); r.status != http.StatusOK || !strings.Contains(string(r.body), "mai.le") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := mai.get("/console/account"); !strings.Contains(string(r.body), "hệ thống định danh của tỉnh") || strings.Contains(string(r.body), `name="old"`) {
		t.Errorf("%s", r.body)
	}
	// Where to go next is a page of ours, whatever was asked.
	for _, next := range []string{"https://evil.example/", "////evil.example/../console/x"} { // a browser takes many slashes for two
		if _, r := signInThere(t, s, "mai.le", next); r.header.Get("Refresh") != "0; url=/console" || strings.Contains(string(r.body), "evil") {
			t.Errorf("next %s: %v", next, r.header)
		}
	}
	// Other groups: other roles, and the sessions with the old ones are over.
	p.give("id1", "duyet")
	again, _ := signInThere(t, s, "mai.le", "/console")
	if r := mai.get("/console/upload"); !strings.Contains(string(r.body), "Đăng nhập") {
		t.Errorf("a session with the old role: %d", r.status)
	}
	if r := again.get("/console/upload"); r.status != http.StatusForbidden {
		t.Errorf("the old role: %d", r.status)
	}
	if r := again.get("/console/today"); r.status != http.StatusOK {
		t.Errorf("the new role: %d", r.status)
	}
	if n := s.one(`SELECT count(*)::text FROM users WHERE issuer IS NOT NULL`); n != "1" {
		t.Errorf("%s people", n)
	}
	// A password opens nothing for them, and a reset gives them none.
	if r := s.send(http.MethodPost, s.api+"/v1/sessions", map[string]string{"name": "mai.le", "password": "ở tỉnh"}, nil); r.status != http.StatusUnauthorized {
		t.Errorf("by password: %d", r.status)
	}
	root := s.person("root", []identity.Role{identity.Admin})
	if r := s.as(root, http.MethodPost, "/v1/users/"+s.idOf("mai.le")+"/password", "", nil); r.status != http.StatusConflict {
		t.Errorf("a password for who has none: %d %s", r.status, r.body)
	}
	// A name of feegate's own people is theirs.
	s.person("lan.tran", []identity.Role{identity.Finance})
	p.give("id2", "duyet")
	if _, r := signInThere(t, s, "lan.tran", "/console"); r.status != http.StatusForbidden || !strings.Contains(string(r.body), "người dùng khác tên này") {
		t.Errorf("another's name: %d %s", r.status, r.body)
	}
	// Disabled here is disabled; no group any more is out at once.
	if r := s.as(root, http.MethodPost, "/v1/users/"+s.idOf("mai.le")+"/disable", "", nil); r.status != http.StatusOK {
		t.Errorf("%d %s", r.status, r.body)
	}
	if _, r := signInThere(t, s, "mai.le", "/console"); r.status != http.StatusForbidden || !strings.Contains(string(r.body), "đã bị khóa") {
		t.Errorf("disabled: %d %s", r.status, r.body)
	}
	if r := s.as(root, http.MethodPost, "/v1/users/"+s.idOf("mai.le")+"/enable", "", nil); r.status != http.StatusOK {
		t.Errorf("%d %s", r.status, r.body)
	}
	in, _ := signInThere(t, s, "mai.le", "/console")
	p.give("id1")
	if _, r := signInThere(t, s, "mai.le", "/console"); r.status != http.StatusForbidden {
		t.Errorf("no group any more: %d", r.status)
	}
	if r := in.get("/console/today"); !strings.Contains(string(r.body), "Đăng nhập") {
		t.Errorf("a session of who has no group any more: %d", r.status)
	}
}

// Who is limited to agencies by the claim, and has none there, gets in nowhere.
func TestAgenciesByTheProvince(t *testing.T) {
	s := newStreet(t)
	p := theProvince(t, s, "groups") // one claim for both will do here
	p.give("id1", "doi-soat", "H10.12")
	if _, r := signInThere(t, s, "mai.le", "/console"); r.status != http.StatusOK {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if got := s.one(`SELECT array_to_string(agencies, ' ') FROM users WHERE issuer IS NOT NULL`); got != "H10.12 doi-soat" {
		t.Errorf("%q", got)
	}
}

// An answer to nobody's errand, or another browser's, opens nothing.
func TestAnswersToNobodysErrand(t *testing.T) {
	s := newStreet(t)
	p := theProvince(t, s, "")
	p.give("id1", "doi-soat")
	mai, _ := signInThere(t, s, "mai.le", "/console")
	stranger := s.browser()
	for _, path := range []string{"/console/oidc/callback", "/console/oidc/callback?code=x&state=y", "/console/oidc/callback?error=access_denied"} {
		if r := stranger.get(path); r.status != http.StatusBadRequest || strings.Contains(strings.Join(r.header.Values("Set-Cookie"), " "), "feegate_console=fgs_") {
			t.Errorf("%s: %d %v", path, r.status, r.header)
		}
	}
	started := s.browser()
	start := started.get("/console/oidc/start")
	to, err := url.Parse(start.header.Get("Location"))
	if err != nil || to.Query().Get("code_challenge_method") != "S256" || to.Query().Get("nonce") == "" {
		t.Fatalf("%s %v", to, err)
	}
	state := to.Query().Get("state")
	if r := stranger.get("/console/oidc/callback?code=x&state=" + state); r.status != http.StatusBadRequest {
		t.Errorf("another browser's state: %d", r.status)
	}
	if r := started.get("/console/oidc/callback?code=x&state=" + state); r.status != http.StatusBadGateway {
		t.Errorf("a code that is none: %d %s", r.status, r.body)
	} else if strings.Contains(string(r.body), state) || !strings.Contains(string(r.body), `href="/console?lang=en"`) { // an answer is heard once: in English it would be another, and code and state are no part of a page
		t.Errorf("the other language: %s", r.body)
	}
	if r := started.get("/console/oidc/callback?code=x&state=" + state); r.status != http.StatusBadRequest {
		t.Errorf("an errand twice: %d", r.status)
	}
	cookie := strings.Join(start.header.Values("Set-Cookie"), " ")
	if !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") || !strings.Contains(cookie, "Path=/console/oidc") {
		t.Errorf("%s", cookie)
	}
	if r := mai.get("/console/today"); r.status != http.StatusOK {
		t.Errorf("%d", r.status)
	}
}
