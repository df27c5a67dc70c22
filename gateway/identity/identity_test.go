package identity

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/migrations/dbtest"
)

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }
func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// house is a store over a real database with two clocks far apart: what uses the wrong one shows.
type house struct {
	t              *testing.T
	s              *Store
	db             *sqlx.DB
	facts, machine *clock
}

var cheap = Params{Memory: 64, Time: 1, Threads: 1}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, db: dbtest.New(t),
		facts:   &clock{t: time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC)},
		machine: &clock{t: time.Date(2031, 7, 1, 12, 0, 0, 0, time.UTC)}}
	h.s = h.store(cheap)
	return h
}

// store is another replica over the same database.
func (h *house) store(p Params) *Store {
	h.t.Helper()
	s, err := New(h.t.Context(), h.db, Options{Now: h.facts.now, Machine: h.machine.now, Hash: &p})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = s.Close() })
	return s
}

func (h *house) client(source, mode string) *Client {
	h.t.Helper()
	c, err := h.s.CreateClient(h.t.Context(), System(), "Cổng "+source, source, mode)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *house) key(clientID string, expires *time.Time, scopes ...Scope) (*Key, string) {
	h.t.Helper()
	k, secret, err := h.s.CreateKey(h.t.Context(), System(), clientID, "khoá", scopes, expires)
	if err != nil {
		h.t.Fatal(err)
	}
	return k, secret
}

const goodPassword = "một mật khẩu đủ dài"

func (h *house) user(name string, roles ...Role) *User {
	h.t.Helper()
	u, err := h.s.CreateUser(h.t.Context(), System(), NewUser{Name: name, Password: goodPassword, Roles: roles})
	if err != nil {
		h.t.Fatal(err)
	}
	return u
}

func (h *house) login(name string) (string, *Session) {
	h.t.Helper()
	token, session, err := h.s.Login(h.t.Context(), Attempt{Name: name, Password: goodPassword, Address: "192.0.2.1", RequestID: "req"})
	if err != nil {
		h.t.Fatal(err)
	}
	return token, session
}

// actions is the audit of an object, oldest first.
func (h *house) actions(object string) string {
	h.t.Helper()
	rs, err := h.s.Records(h.t.Context(), Filter{Object: object})
	if err != nil {
		h.t.Fatal(err)
	}
	var as []string
	for _, r := range rs {
		as = append([]string{r.Action}, as...)
	}
	return strings.Join(as, " ")
}

func TestWhoMayDoWhat(t *testing.T) {
	key := &Principal{Kind: KindClient, ID: "key_1", ClientID: "cli_1", Scopes: []Scope{OrdersRead}, Roles: []Role{Admin}}
	chief := &Principal{Kind: KindUser, ID: "usr_1", Roles: []Role{Approver, Finance}, Scopes: []Scope{OrdersWrite}}
	local := &Principal{Kind: KindUser, ID: "usr_2", Roles: []Role{Reporter}, Agencies: []string{"H10.12"}}
	portal := &Principal{Kind: KindUser, ID: "usr_3", Roles: []Role{PortalAdmin}, ClientID: "cli_1"}
	admin := &Principal{Kind: KindUser, ID: "usr_4", Roles: []Role{Admin}}
	for name, c := range map[string]struct{ got, want bool }{
		"key has its scope":                     {key.HasScope(OrdersRead), true},
		"key has no other":                      {key.HasScope(OrdersWrite), false},
		"key has no roles":                      {key.HasRole(Admin), false},
		"key sees all agencies":                 {key.InAgency("H10.99") && key.AllAgencies(), true},
		"person has no scopes":                  {chief.HasScope(OrdersWrite), false},
		"person has one of several":             {chief.HasRole(Admin, Finance), true},
		"person has no other":                   {chief.HasRole(Admin, Auditor), false},
		"person without agencies sees all":      {chief.InAgency("H10.99") && chief.AllAgencies(), true},
		"person sees own agency":                {local.InAgency("H10.12"), true},
		"person sees no other agency":           {local.InAgency("H10.13"), false},
		"person with agencies lacks the whole":  {local.AllAgencies(), false},
		"nobody sees nothing":                   {(&Principal{}).InAgency("H10.12") || (&Principal{}).AllAgencies(), false},
		"portal_admin manages its client":       {portal.Manages("cli_1"), true},
		"portal_admin manages no other":         {portal.Manages("cli_2"), false},
		"portal_admin manages not the nameless": {(&Principal{Kind: KindUser, Roles: []Role{PortalAdmin}}).Manages(""), false},
		"admin manages any":                     {admin.Manages("cli_2"), true},
		"a key manages none":                    {key.Manages("cli_1"), false},
		"another person":                        {chief.Another("usr_2"), true},
		"the same person":                       {chief.Another("usr_1"), false},
		"a key is no second person":             {key.Another("usr_1"), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v", name, c.got)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	c := h.client("portal", "test")
	k, secret := h.key(c.ID, nil, OrdersWrite, OrdersRead)
	if !strings.HasPrefix(secret, "fgk_") || len(secret) < 50 {
		t.Errorf("secret %q", secret)
	}
	for range 2 { // from the database, then from memory
		p, err := h.s.Authenticate(ctx, secret)
		if err != nil {
			t.Fatal(err)
		}
		want := Principal{Kind: KindClient, ID: k.ID, Name: "khoá", ClientID: c.ID, SourceSystem: "portal", Mode: "test", Scopes: []Scope{OrdersWrite, OrdersRead}}
		if fmt.Sprintf("%+v", *p) != fmt.Sprintf("%+v", want) {
			t.Errorf("%+v, want %+v", *p, want)
		}
	}
	for _, wrong := range []string{"", "fgk_", "fgk_" + strings.Repeat("a", 52), secret + "a", secret[:len(secret)-1], strings.ToUpper(secret), "fgs_" + secret[4:], secret[4:]} {
		if _, err := h.s.Authenticate(ctx, wrong); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	ks, err := h.s.Keys(ctx, c.ID)
	if err != nil || len(ks) != 1 || ks[0].LastUsedAt == nil || !ks[0].LastUsedAt.Equal(h.facts.now()) {
		t.Errorf("listed %+v, %v", ks, err)
	}
	if ks, err := h.s.Keys(ctx, "cli_other"); err != nil || len(ks) != 0 {
		t.Errorf("another client's keys: %+v %v", ks, err)
	}
	if got := h.actions(k.ID); got != "key.created" {
		t.Errorf("audit: %s", got)
	}
}

// Nothing that is stored may contain a secret.
func TestNoSecretIsStored(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, secret := h.key(h.client("portal", "live").ID, nil, OrdersRead)
	h.user("lan", Finance)
	token, _ := h.login("lan")
	var rows [][]byte
	err := h.db.Select(&rows, `SELECT convert_to(k::text, 'UTF8') FROM api_keys k UNION ALL SELECT convert_to(u::text, 'UTF8') FROM users u
		UNION ALL SELECT convert_to(s::text, 'UTF8') FROM sessions s UNION ALL SELECT convert_to(a::text, 'UTF8') FROM audit a`)
	if err != nil || len(rows) < 6 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	for _, row := range rows {
		for _, s := range []string{secret, secret[4:], token, token[4:], goodPassword} {
			if bytes.Contains(row, []byte(s)) {
				t.Errorf("a secret is stored: %s", row)
			}
		}
	}
}

func TestKeyExpiryGoesByFeegatesClock(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	c := h.client("portal", "live")
	ends := h.facts.now().Add(time.Hour)
	_, secret := h.key(c.ID, &ends, OrdersRead)
	if _, err := h.s.Authenticate(ctx, secret); err != nil {
		t.Fatal(err)
	}
	h.facts.advance(time.Hour - time.Second)
	if _, err := h.s.Authenticate(ctx, secret); err != nil {
		t.Errorf("a second before: %v", err)
	}
	h.facts.advance(time.Second) // still fresh in memory, by the machine's clock
	if _, err := h.s.Authenticate(ctx, secret); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("expired: %v", err)
	}
	past := h.facts.now()
	if _, _, err := h.s.CreateKey(ctx, System(), c.ID, "", []Scope{OrdersRead}, &past); err == nil {
		t.Error("a key that has expired already")
	}
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	c, other := h.client("portal", "live"), h.client("other", "live")
	k, secret := h.key(c.ID, nil, OrdersRead)
	replica := h.store(cheap)
	for _, s := range []*Store{h.s, replica} {
		if _, err := s.Authenticate(ctx, secret); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.s.RevokeKey(ctx, System(), other.ID, k.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("another client's key: %v", err)
	}
	for range 2 {
		if err := h.s.RevokeKey(ctx, System(), c.ID, k.ID); err != nil {
			t.Error(err)
		}
	}
	if got := h.actions(k.ID); got != "key.created key.revoked" {
		t.Errorf("audit: %s", got)
	}
	if _, err := h.s.Authenticate(ctx, secret); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("here a revocation holds at once: %v", err)
	}
	h.machine.advance(keyFresh - time.Second)
	if _, err := replica.Authenticate(ctx, secret); err != nil {
		t.Errorf("another replica remembers the key for a while: %v", err)
	}
	h.machine.advance(time.Second)
	if _, err := replica.Authenticate(ctx, secret); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("after %s it knows: %v", keyFresh, err)
	}
}

// A read that began before a revocation must not bring the key back into memory after it.
func TestKeyCacheForgetsWhatWasReadBefore(t *testing.T) {
	c := newKeyCache((&clock{t: time.Now()}).now)
	var hash [32]byte
	k := cachedKey{principal: &Principal{ID: "key_1"}}
	began := c.generation()
	c.forget("key_1")
	c.put(hash, k, began)
	if _, ok := c.get(hash); ok {
		t.Error("the key is back")
	}
	c.put(hash, k, c.generation())
	if _, ok := c.get(hash); !ok {
		t.Error("nothing is ever kept")
	}
	for i := range 3 * keyCacheSize {
		c.put([32]byte{byte(i), byte(i >> 8), 1}, k, c.generation())
	}
	if len(c.keys) > keyCacheSize {
		t.Errorf("%d keys are kept", len(c.keys))
	}
}

func TestClients(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	h.client("shared", "live")
	h.client("shared", "live") // a portal and its procedure-handling system
	var invalid *InvalidError
	if _, err := h.s.CreateClient(ctx, System(), "x", "shared", "test"); !errors.As(err, &invalid) || invalid.Field != "mode" {
		t.Errorf("one source system has one mode: %v", err)
	}
	for _, bad := range []struct{ name, source, mode, field string }{{"", "a", "live", "name"}, {"x", "a b", "live", "source_system"}, {"x", "a", "prod", "mode"}, {"a\nb", "a", "live", "name"}} {
		if _, err := h.s.CreateClient(ctx, System(), bad.name, bad.source, bad.mode); !errors.As(err, &invalid) || invalid.Field != bad.field {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if cs, err := h.s.Clients(ctx); err != nil || len(cs) != 2 || cs[0].Mode != "live" {
		t.Errorf("%+v %v", cs, err)
	}
	if _, _, err := h.s.CreateKey(ctx, System(), "cli_none", "", []Scope{OrdersRead}, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("a key of no client: %v", err)
	}
	for _, scopes := range [][]Scope{nil, {"orders:all"}, {OrdersRead, OrdersRead}} {
		if _, _, err := h.s.CreateKey(ctx, System(), "cli_none", "", scopes, nil); !errors.As(err, &invalid) || invalid.Field != "scopes" {
			t.Errorf("%v: %v", scopes, err)
		}
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	by := (&Principal{Kind: KindUser, ID: "usr_1"}).Actor("192.0.2.7", "req_1")
	tx, err := h.db.BeginTxx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.s.Audit(ctx, tx, by, "day.closed", "day_1", nil); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got := h.actions("day_1"); got != "" {
		t.Errorf("no deed, but a row: %s", got)
	}
	for i := range 3 {
		if err := h.s.Audit(ctx, nil, by, "day.closed", "day_1", map[string]any{"n": i}); err != nil {
			t.Fatal(err)
		}
		h.facts.advance(time.Hour)
	}
	page, err := h.s.Records(ctx, Filter{Actor: "usr_1", Limit: 2})
	if err != nil || len(page) != 2 {
		t.Fatalf("%+v %v", page, err)
	}
	rest, err := h.s.Records(ctx, Filter{Actor: "usr_1", After: page[1].ID})
	if err != nil || len(rest) != 1 || string(rest[0].Detail) != `{"n": 0}` || rest[0].Address != "192.0.2.7" || rest[0].RequestID != "req_1" {
		t.Errorf("%+v %v", rest, err)
	}
	first := rest[0].RecordedAt
	if rs, err := h.s.Records(ctx, Filter{From: first, To: first.Add(time.Hour)}); err != nil || len(rs) != 1 {
		t.Errorf("one hour of it: %+v %v", rs, err)
	}
	if err := h.s.Audit(ctx, nil, Actor{}, "day.closed", "day_1", nil); err == nil {
		t.Error("a deed of nobody")
	}
	for _, q := range []string{"UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"} {
		if _, err := h.db.Exec(q); err == nil {
			t.Errorf("the audit can be changed: %s", q)
		}
	}
}
