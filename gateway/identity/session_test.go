package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	u, err := h.s.CreateUser(ctx, System(), NewUser{Name: "Nguyễn Thị Lan", Password: goodPassword, Roles: []Role{Finance}, Agencies: []string{"H10.12"}})
	if err != nil {
		t.Fatal(err)
	}
	token, session := h.login("Nguyễn Thị Lan")
	if !strings.HasPrefix(token, "fgs_") || session.CSRF == "" || !session.ExpiresAt.Equal(h.machine.now().Add(AbsoluteLimit)) {
		t.Errorf("%q %+v", token, session)
	}
	p, err := h.s.Authenticate(ctx, token)
	if err != nil || p.Kind != KindUser || p.ID != u.ID || !p.HasRole(Finance) || !p.InAgency("H10.12") || p.InAgency("H10.13") {
		t.Errorf("%+v %v", p, err)
	}
	// A Mac types the name and the password with the marks apart.
	if _, _, err := h.s.Login(ctx, Attempt{Name: decomposed("Nguyễn Thị Lan"), Password: decomposed(goodPassword), Address: "192.0.2.1"}); err != nil {
		t.Errorf("letters and marks apart: %v", err)
	}
	if err := h.s.Logout(ctx, p.Actor("", ""), token); err != nil {
		t.Error(err)
	}
	if _, err := h.s.Authenticate(ctx, token); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("after logging out: %v", err)
	}
	if err := h.s.Logout(ctx, p.Actor("", ""), token); err != nil {
		t.Errorf("logging out twice: %v", err)
	}
	if got := h.actions(u.ID); got != "user.created session.opened session.opened session.closed" {
		t.Errorf("audit: %s", got)
	}
}

func TestRefusedLogins(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	lan, gone := h.user("lan", Finance), h.user("gone", Finance)
	if err := h.s.DisableUser(ctx, System(), gone.ID); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"lan", "sai mật khẩu rồi"}, {"nobody", goodPassword}, {"gone", goodPassword}, {"lan", ""}, {"", ""},
		{"lan", strings.Repeat("x", 1<<16)}, {"a\x01b", goodPassword}} {
		if _, _, err := h.s.Login(ctx, Attempt{Name: c[0], Password: c[1], Address: "192.0.2.1"}); !errors.Is(err, ErrBadCredentials) {
			t.Errorf("%.20q: %v", c, err)
		}
	}
	if got := h.actions(lan.ID); !strings.Contains(got, "session.refused") {
		t.Errorf("audit: %s", got)
	}
}

// A name that does not exist costs the same hash as one that does: there is nothing to measure.
func TestUnknownNamesCostTheSame(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p, _, _, err := parsePHC(h.s.nobody)
	if err != nil || p != cheap {
		t.Errorf("the hash for unknown names has other parameters: %+v %v", p, err)
	}
	gone := h.user("gone", Finance)
	if err := h.s.DisableUser(t.Context(), System(), gone.ID); err != nil {
		t.Fatal(err)
	}
	h.user("lan", Finance)
	for range cap(h.s.hasher.slots) {
		h.s.hasher.slots <- struct{}{}
	}
	// While nobody can hash, nobody is refused either: whoever is named waits for a turn at the same work.
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	said := map[string]chan error{"lan": nil, "gone": nil, "nobody": nil, "": nil, "a\x01b": nil}
	for name := range said {
		said[name] = make(chan error, 1)
		go func(answer chan error) {
			_, _, err := h.s.Login(ctx, Attempt{Name: name, Password: "sai mật khẩu rồi", Address: "192.0.2.7"})
			answer <- err
		}(said[name])
	}
	for name, answer := range said {
		if err := <-answer; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q was answered without a hash: %v", name, err)
		}
	}
}

func TestSessionLimits(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	h.user("lan", Finance)
	idle, _ := h.login("lan")
	busy, _ := h.login("lan")
	h.facts.advance(1000 * time.Hour) // feegate's clock logs nobody out
	for range 23 {                    // 11 h 30 min, used every half an hour but a second
		h.machine.advance(IdleLimit - time.Second)
		if _, err := h.s.Authenticate(ctx, busy); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.s.Authenticate(ctx, idle); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("idle: %v", err)
	}
	h.machine.advance(IdleLimit - time.Second)
	if _, err := h.s.Authenticate(ctx, busy); err != nil {
		t.Error(err)
	}
	h.machine.advance(time.Minute)
	if _, err := h.s.Authenticate(ctx, busy); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("after twelve hours: %v", err)
	}
	fresh, _ := h.login("lan")
	if err := h.s.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := h.db.Get(&n, "SELECT count(*) FROM sessions"); err != nil || n != 1 {
		t.Errorf("%d sessions after sweeping: %v", n, err)
	}
	if _, err := h.s.Authenticate(ctx, fresh); err != nil {
		t.Error(err)
	}
}

func TestChangesEndSessions(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	const other = "một mật khẩu khác hẳn"
	for name, change := range map[string]func(id string) error{
		"password": func(id string) error { return h.s.SetPassword(ctx, System(), id, other) },
		"roles":    func(id string) error { return h.s.SetRoles(ctx, System(), id, []Role{Reporter}, []string{"H10.12"}) },
		"disabled": func(id string) error { return h.s.DisableUser(ctx, System(), id) },
	} {
		u := h.user(name, Finance)
		token, _ := h.login(name)
		if err := change(u.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := h.s.Authenticate(ctx, token); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%s: the session goes on: %v", name, err)
		}
		if err := change("usr_none"); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s of nobody: %v", name, err)
		}
	}
	if _, _, err := h.s.Login(ctx, Attempt{Name: "password", Password: goodPassword, Address: "192.0.2.1"}); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("the old password: %v", err)
	}
	if _, _, err := h.s.Login(ctx, Attempt{Name: "password", Password: other, Address: "192.0.2.1"}); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if _, session, err := h.s.Login(ctx, Attempt{Name: "roles", Password: goodPassword, Address: "192.0.2.1"}); err != nil || !session.Principal.HasRole(Reporter) || session.Principal.HasRole(Finance) {
		t.Errorf("the new roles: %+v %v", session, err)
	}
	us, err := h.s.Users(ctx)
	if err != nil || len(us) != 3 || us[0].Name != "disabled" || us[0].DisabledAt == nil {
		t.Errorf("%+v %v", us, err)
	}
}

// Whoever disables a person by other means than ours ends the access too.
func TestDisabledByHand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	u := h.user("lan", Finance)
	token, _ := h.login("lan")
	if _, err := h.db.Exec("UPDATE users SET disabled_at = $2 WHERE id = $1", u.ID, h.facts.now()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.s.Authenticate(t.Context(), token); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("the session goes on: %v", err)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	c := h.client("portal", "live")
	portal, err := h.s.CreateUser(ctx, System(), NewUser{Name: "portal", Password: goodPassword, Roles: []Role{PortalAdmin}, ClientID: c.ID})
	if err != nil {
		t.Fatal(err)
	}
	_, session := h.login("portal")
	if p := session.Principal; !p.Manages(c.ID) || p.SourceSystem != "portal" || p.Mode != "live" {
		t.Errorf("%+v", p)
	}
	if err := h.s.SetRoles(ctx, System(), portal.ID, []Role{Admin}, nil); err == nil {
		t.Error("a portal's person must not become the province's")
	}
	var invalid *InvalidError
	for field, n := range map[string]NewUser{
		"name":      {Name: " ", Password: goodPassword, Roles: []Role{Finance}},
		"password":  {Name: "x", Password: "quá ngắn", Roles: []Role{Finance}},
		"roles":     {Name: "x", Password: goodPassword, Roles: []Role{"king"}},
		"client_id": {Name: "x", Password: goodPassword, Roles: []Role{PortalAdmin}},
	} {
		if _, err := h.s.CreateUser(ctx, System(), n); !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, n := range []NewUser{{Roles: []Role{Finance}, ClientID: c.ID}, {Roles: []Role{PortalAdmin, Finance}, ClientID: c.ID}, {}} {
		n.Name, n.Password = "x", goodPassword
		if _, err := h.s.CreateUser(ctx, System(), n); !errors.As(err, &invalid) {
			t.Errorf("%+v: %v", n.Roles, err)
		}
	}
	if _, err := h.s.CreateUser(ctx, System(), NewUser{Name: "portal", Password: goodPassword, Roles: []Role{Finance}}); !errors.Is(err, ErrTaken) {
		t.Errorf("a name twice: %v", err)
	}
	if _, err := h.s.CreateUser(ctx, System(), NewUser{Name: "y", Password: goodPassword, Roles: []Role{PortalAdmin}, ClientID: "cli_none"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("of no client: %v", err)
	}
	if u, err := h.s.User(ctx, portal.ID); err != nil || u.Name != "portal" || u.ClientID != c.ID {
		t.Errorf("%+v %v", u, err)
	}
}

func TestLockout(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	h.user("lan", Finance)
	fail := func(name, address string) error {
		_, _, err := h.s.Login(ctx, Attempt{Name: name, Password: "sai mật khẩu rồi", Address: address})
		return err
	}
	for range pairLimit {
		if err := fail("lan", "192.0.2.1"); !errors.Is(err, ErrBadCredentials) {
			t.Fatal(err)
		}
		h.machine.advance(time.Minute)
	}
	var locked *LockedError
	_, _, err := h.s.Login(ctx, Attempt{Name: "lan", Password: goodPassword, Address: "192.0.2.1"})
	if !errors.As(err, &locked) || locked.RetryAfter != failureWindow-pairLimit*time.Minute {
		t.Fatalf("the right password after %d failures: %v", pairLimit, err)
	}
	if err := fail("nobody", "192.0.2.1"); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("another name from there: %v", err)
	}
	if _, _, err := h.s.Login(ctx, Attempt{Name: "lan", Password: goodPassword, Address: "198.51.100.1"}); err != nil {
		t.Errorf("the person herself, from elsewhere: %v", err)
	}
	h.machine.advance(locked.RetryAfter)
	if _, _, err := h.s.Login(ctx, Attempt{Name: "lan", Password: goodPassword, Address: "192.0.2.1"}); err != nil {
		t.Errorf("when told to try again: %v", err)
	}
	for range pairLimit { // success forgot the failures
		if err := fail("lan", "192.0.2.1"); !errors.Is(err, ErrBadCredentials) {
			t.Fatal(err)
		}
	}
}

// One address that tries many names, and one name tried from many addresses, are stopped too.
func TestWideLockout(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	h.user("lan", Finance)
	for i := range addressLimit {
		if _, _, err := h.s.Login(ctx, Attempt{Name: fmt.Sprint("name", i), Password: "x", Address: fmt.Sprintf("2001:db8::%x", i+1)}); !errors.Is(err, ErrBadCredentials) {
			t.Fatal(err)
		}
	}
	var locked *LockedError
	if _, _, err := h.s.Login(ctx, Attempt{Name: "lan", Password: goodPassword, Address: "2001:db8::ffff:1"}); !errors.As(err, &locked) {
		t.Errorf("the same network of IPv6: %v", err)
	}
	if _, _, err := h.s.Login(ctx, Attempt{Name: "lan", Password: goodPassword, Address: "2001:db8:1::1"}); err != nil {
		t.Errorf("another network: %v", err)
	}
	for i := range nameLimit {
		if _, _, err := h.s.Login(ctx, Attempt{Name: "lan", Password: "x", Address: fmt.Sprintf("10.0.%d.1", i)}); !errors.Is(err, ErrBadCredentials) {
			t.Fatal(err)
		}
	}
	if _, _, err := h.s.Login(ctx, Attempt{Name: "lan", Password: goodPassword, Address: "10.1.0.1"}); !errors.As(err, &locked) {
		t.Errorf("one name from everywhere: %v", err)
	}
}

// Guesses sent all at once get no more tries than guesses sent one after another.
func TestLockoutHoldsAgainstManyAtOnce(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	h.user("lan", Finance)
	var tried atomic.Int32
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			_, _, err := h.s.Login(ctx, Attempt{Name: "lan", Password: "sai mật khẩu rồi", Address: "192.0.2.1"})
			var locked *LockedError
			switch {
			case errors.Is(err, ErrBadCredentials):
				tried.Add(1)
			case !errors.As(err, &locked):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := tried.Load(); n > pairLimit {
		t.Errorf("%d passwords were tried", n)
	}
}

func TestPassword(t *testing.T) {
	h, ctx := newHasher(cheap), t.Context()
	a, err := h.hash(ctx, goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.hash(ctx, goodPassword)
	if err != nil || a == b || !strings.HasPrefix(a, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("%q %q %v", a, b, err)
	}
	for password, want := range map[string]bool{goodPassword: true, decomposed(goodPassword): true, goodPassword + " ": false, "": false} {
		if ok, old, err := h.verify(ctx, password, a); ok != want || old || err != nil {
			t.Errorf("%q: %v %v %v", password, ok, old, err)
		}
	}
	if ok, old, err := newHasher(Params{Memory: 128, Time: 2, Threads: 1}).verify(ctx, goodPassword, a); !ok || !old || err != nil {
		t.Errorf("a hash of other parameters: %v %v %v", ok, old, err)
	}
	for _, bad := range []string{"", "plain", "$argon2i$v=19$m=64,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=99999999,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=1$!$AAAAAAAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAA$", "$argon2id$v=19$m=64,t=0,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		if ok, _, err := h.verify(ctx, goodPassword, bad); ok || !errors.Is(err, errHashFormat) {
			t.Errorf("%q: %v %v", bad, ok, err)
		}
	}
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := h.hash(stopped, goodPassword); !errors.Is(err, context.Canceled) {
		t.Errorf("no slot is free, and nobody waits: %v", err)
	}
}

func TestLoginRewritesOldHashes(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	h.user("lan", Finance)
	stronger := h.store(Params{Memory: 128, Time: 1, Threads: 1})
	for range 2 {
		if _, _, err := stronger.Login(ctx, Attempt{Name: "lan", Password: goodPassword, Address: "192.0.2.1"}); err != nil {
			t.Fatal(err)
		}
	}
	var hash string
	if err := h.db.Get(&hash, "SELECT password_hash FROM users"); err != nil || !strings.Contains(hash, "m=128") {
		t.Errorf("%s %v", hash, err)
	}
	h.login("lan") // and the replica with the old parameters understands it
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "unix": "unix"} {
		if got := network(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// decomposed writes each letter and its marks as characters of their own.
func decomposed(s string) string { return norm.NFD.String(s) }
