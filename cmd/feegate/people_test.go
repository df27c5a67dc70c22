package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"feegate/gateway/identity"
)

// An admin lets somebody in: the password that is told works once, for choosing another.
func TestAnAdminLetsPeopleIn(t *testing.T) {
	s := newStreet(t)
	admin := s.person("root", []identity.Role{identity.Admin})
	r := s.as(admin, http.MethodPost, "/v1/users", "", map[string]any{"name": "Lê Thị Mai", "roles": []string{"finance"}, "agencies": []string{"H10.12"}})
	made := r.get(t)
	id, first := made["id"].(string), made["password"].(string)
	if r.status != http.StatusCreated || len(first) < identity.MinPassword {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := s.as(admin, http.MethodPost, "/v1/users", "", map[string]any{"name": "Lê Thị Mai", "roles": []string{"finance"}}); r.status != http.StatusConflict || problemOf(t, r) != "people-state" {
		t.Errorf("a taken name: %d %s", r.status, r.body)
	}
	in := s.signInAs("Lê Thị Mai", first, "")
	if r := s.as(in, http.MethodGet, "/v1/reconciliations/2026-01-02", "", nil); r.status != http.StatusForbidden || !strings.Contains(string(r.body), "change it first") {
		t.Errorf("with a password that another knows: %d %s", r.status, r.body)
	}
	if r := s.as(in, http.MethodDelete, "/v1/sessions", "", nil); r.status != http.StatusNoContent {
		t.Errorf("signing out is always possible: %d %s", r.status, r.body)
	}
	by := identity.Actor{Kind: identity.KindUser, ID: id}
	if err := s.app.people.ChangePassword(t.Context(), by, first, "ba con mèo trắng leo rào"); err != nil {
		t.Fatal(err)
	}
	in = s.signInAs("Lê Thị Mai", "ba con mèo trắng leo rào", "")
	if r := s.as(in, http.MethodGet, "/v1/discrepancies", "", nil); r.status != http.StatusOK {
		t.Errorf("after the change: %d %s", r.status, r.body)
	}
	// Rights change: sessions end at once, and the new rights hold.
	if r := s.as(admin, http.MethodPut, "/v1/users/"+id+"/roles", "", map[string]any{"roles": []string{"reporter"}}); r.status != http.StatusOK || r.get(t)["agencies"] == nil {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := s.as(in, http.MethodGet, "/v1/discrepancies", "", nil); r.status != http.StatusUnauthorized {
		t.Errorf("a session from before: %d", r.status)
	}
	in = s.signInAs("Lê Thị Mai", "ba con mèo trắng leo rào", "")
	if r := s.as(in, http.MethodGet, "/v1/discrepancies", "", nil); r.status != http.StatusForbidden {
		t.Errorf("the old role: %d", r.status)
	}
	if r := s.as(admin, http.MethodPost, "/v1/users/"+id+"/disable", "", nil); r.status != http.StatusOK {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := s.as(in, http.MethodDelete, "/v1/sessions", "", nil); r.status != http.StatusUnauthorized {
		t.Errorf("disabled: %d", r.status)
	}
	if r := s.send(http.MethodPost, s.api+"/v1/sessions", map[string]string{"name": "Lê Thị Mai", "password": "ba con mèo trắng leo rào"}, nil); r.status != http.StatusUnauthorized {
		t.Errorf("disabled: %d", r.status)
	}
	if r := s.as(admin, http.MethodPost, "/v1/users/"+id+"/enable", "", nil); r.status != http.StatusOK {
		t.Errorf("%d %s", r.status, r.body)
	}
	r = s.as(admin, http.MethodPost, "/v1/users/"+id+"/password", "", nil)
	if again, _ := r.get(t)["password"].(string); r.status != http.StatusOK || s.signInAs("Lê Thị Mai", again, "") == "" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := s.as(admin, http.MethodGet, "/v1/users", "", nil); strings.Count(string(r.body), `"id"`) != 2 || strings.Contains(string(r.body), "argon2") {
		t.Errorf("%s", r.body)
	}
}

// Nobody gives rights to themselves, whoever asks the database; the last admin stays, also when two end each other at once.
func TestRightsThatNobodyHasOverThemselves(t *testing.T) {
	s := newStreet(t)
	one := s.person("one", []identity.Role{identity.Admin})
	me := s.idOf("one")
	if r := s.as(one, http.MethodPut, "/v1/users/"+me+"/roles", "", map[string]any{"roles": []string{"admin", "finance"}}); r.status != http.StatusForbidden || problemOf(t, r) != "second-person-needed" {
		t.Errorf("own rights: %d %s", r.status, r.body)
	}
	for _, path := range []string{"POST /disable", "POST /password", "DELETE /otp"} {
		method, tail, _ := strings.Cut(path, " ")
		if r := s.as(one, method, "/v1/users/"+me+tail, "", nil); r.status != http.StatusForbidden || problemOf(t, r) != "second-person-needed" {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	if _, err := s.db.Exec(`UPDATE users SET roles = '{admin,finance}', roles_set_by = id WHERE id = $1`, me); err == nil || !strings.Contains(err.Error(), "users_own_rights") {
		t.Errorf("in the database: %v", err)
	}
	limited := s.person("limited", []identity.Role{identity.Admin}, "H10.12")
	if r := s.as(limited, http.MethodGet, "/v1/users", "", nil); r.status != http.StatusForbidden || problemOf(t, r) != "province-only" {
		t.Errorf("limited to agencies: %d %s", r.status, r.body)
	}
	if r := s.as(limited, http.MethodPost, "/v1/users/"+me+"/disable", "", nil); r.status != http.StatusForbidden {
		t.Errorf("limited to agencies: %d %s", r.status, r.body)
	}
	two := s.person("two", []identity.Role{identity.Admin})
	other := s.idOf("two")
	answers := make(chan int, 2)
	go func() { answers <- s.as(one, http.MethodPost, "/v1/users/"+other+"/disable", "", nil).status }()
	go func() { answers <- s.as(two, http.MethodPost, "/v1/users/"+me+"/disable", "", nil).status }()
	a, b := <-answers, <-answers
	left := 0
	if err := s.db.Get(&left, `SELECT count(*) FROM users WHERE 'admin' = ANY (roles) AND agencies = '{}' AND disabled_at IS NULL`); err != nil || left != 1 {
		t.Errorf("%d admins are left after %d and %d: %v", left, a, b, err)
	}
	if _, err := s.db.Exec(`UPDATE users SET roles = '{reporter}', roles_set_by = 'x' WHERE 'admin' = ANY (roles) AND agencies = '{}' AND disabled_at IS NULL`); err == nil || !strings.Contains(err.Error(), "last admin") {
		t.Errorf("the last admin, in the database: %v", err)
	}
}

// A key is followed by another: both work until the overlap is over.
func TestKeysAreRotatedWithoutABreak(t *testing.T) {
	s := newStreet(t)
	admin := s.person("root", []identity.Role{identity.Admin})
	ends := s.world.Now().Add(90 * 24 * time.Hour).Format(time.RFC3339)
	r := s.as(admin, http.MethodPost, "/v1/keys", "", map[string]any{"client_id": "cli_1", "name": "cổng", "scopes": []string{"orders:read"}, "expires_at": ends})
	old, oldID := r.get(t)["key"].(string), r.get(t)["id"].(string)
	works := func(key string, want int) {
		t.Helper()
		if r := s.as(key, http.MethodGet, "/v1/events", "", nil); r.status != want {
			t.Errorf("%d %s, want %d", r.status, r.body, want)
		}
	}
	works(old, http.StatusOK)
	r = s.as(admin, http.MethodPost, "/v1/keys/"+oldID+"/rotate", "", map[string]any{"overlap_hours": 2})
	if r.status != http.StatusCreated || r.get(t)["replaces"] != oldID || r.get(t)["expires_at"] == nil {
		t.Fatalf("%d %s", r.status, r.body)
	}
	fresh := r.get(t)["key"].(string)
	works(old, http.StatusOK)
	works(fresh, http.StatusOK)
	if r := s.as(admin, http.MethodPost, "/v1/keys/"+oldID+"/rotate", "", map[string]any{}); r.status != http.StatusConflict || problemOf(t, r) != "people-state" {
		t.Errorf("twice: %d %s", r.status, r.body)
	}
	if _, err := s.world.Move(t.Context(), func(now time.Time) time.Time { return now.Add(2*time.Hour + time.Second) }); err != nil {
		t.Fatal(err)
	}
	works(old, http.StatusUnauthorized)
	works(fresh, http.StatusOK)
	for _, wrong := range []int{-1, 721} {
		if r := s.as(admin, http.MethodPost, "/v1/keys/"+oldID+"/rotate", "", map[string]any{"overlap_hours": wrong}); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%d hours: %d %s", wrong, r.status, r.body)
		}
	}

	// A portal's own admin sees and ends what is theirs, and nothing else is there.
	if _, err := s.app.people.CreateUser(t.Context(), identity.System(), identity.NewUser{Name: "cổng", Password: password, Roles: []identity.Role{identity.PortalAdmin}, ClientID: "cli_1"}); err != nil {
		t.Fatal(err)
	}
	r = s.as(admin, http.MethodPost, "/v1/clients", "", map[string]any{"name": "khác", "source_system": "khac", "mode": "live"})
	stranger := r.get(t)["id"].(string)
	r = s.as(admin, http.MethodPost, "/v1/keys", "", map[string]any{"client_id": stranger, "scopes": []string{"orders:read"}})
	foreign := r.get(t)["id"].(string)
	portal := s.signedIn("cổng")
	if r := s.as(portal, http.MethodGet, "/v1/keys", "", nil); strings.Contains(string(r.body), foreign) || !strings.Contains(string(r.body), oldID) || strings.Contains(string(r.body), fresh) {
		t.Errorf("%s", r.body)
	}
	for _, c := range []struct{ method, path string }{{"GET", "/v1/keys?client_id=" + stranger}, {"DELETE", "/v1/keys/" + foreign}, {"POST", "/v1/keys/" + foreign + "/rotate"}} {
		var body any
		if c.method == "POST" {
			body = map[string]any{}
		}
		if r := s.as(portal, c.method, c.path, "", body); r.status != http.StatusNotFound {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.status, r.body)
		}
	}
	if r := s.as(portal, http.MethodPost, "/v1/keys", "", map[string]any{"client_id": stranger, "scopes": []string{"orders:read"}}); r.status != http.StatusNotFound {
		t.Errorf("a key for another client: %d %s", r.status, r.body)
	}
	r = s.as(portal, http.MethodPost, "/v1/keys", "", map[string]any{"scopes": []string{"orders:read"}})
	own := r.get(t)["key"].(string)
	works(own, http.StatusOK)
	if r := s.as(portal, http.MethodDelete, "/v1/keys/"+r.get(t)["id"].(string), "", nil); r.status != http.StatusNoContent {
		t.Errorf("%d %s", r.status, r.body)
	}
	works(own, http.StatusUnauthorized)
}

// A second factor: its code is needed and works once, whoever is first; recovery codes too; what was wrong is not said.
func TestASecondFactor(t *testing.T) {
	s := newStreet(t)
	s.person("mai", []identity.Role{identity.Finance})
	me := identity.Actor{Kind: identity.KindUser, ID: s.idOf("mai")}
	people := s.app.people
	e, err := people.EnrolOTP(t.Context(), me)
	if err != nil {
		t.Fatal(err)
	}
	code := func(at time.Time) string {
		c, err := totp.GenerateCode(e.Secret, at)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	s.signInAs("mai", password, "") // not confirmed yet
	if _, err := people.ConfirmOTP(t.Context(), me, "000000", ""); err == nil {
		t.Fatal("confirmed by a wrong code")
	}
	first := code(time.Now())
	recovery, err := people.ConfirmOTP(t.Context(), me, first, "")
	if err != nil || len(recovery) != 10 {
		t.Fatal(recovery, err)
	}
	var sealed []byte
	if err := s.db.Get(&sealed, `SELECT otp_sealed FROM users WHERE id = $1`, me.ID); err != nil || strings.Contains(string(sealed), e.Secret) {
		t.Fatal("the secret is not sealed")
	}
	try := func(password, otp string) reply {
		return s.send(http.MethodPost, s.api+"/v1/sessions", map[string]string{"name": "mai", "password": password, "otp": otp}, nil)
	}
	none, wrong, used, guess := try(password, ""), try(password, "123456"), try(password, first), try("sai mật khẩu rồi", "")
	for name, r := range map[string]reply{"no code": none, "a wrong code": wrong, "the code that confirmed": used} {
		if r.status != http.StatusUnauthorized || r.get(t)["detail"] != guess.get(t)["detail"] {
			t.Errorf("%s: %d %s; a wrong password: %s", name, r.status, r.body, guess.body)
		}
	}
	// Many at once with one code: one gets in. The failures before are forgotten, or the place itself would be locked.
	if _, err := s.db.Exec(`DELETE FROM login_failures`); err != nil {
		t.Fatal(err)
	}
	next := code(time.Now().Add(30 * time.Second))
	answers := make(chan int, 4)
	for range 4 {
		go func() { answers <- try(password, next).status }()
	}
	in := 0
	for range 4 {
		if <-answers == http.StatusCreated {
			in++
		}
	}
	if in != 1 {
		t.Errorf("one code opened %d sessions", in)
	}
	if r := try(password, strings.ToUpper(strings.ReplaceAll(recovery[3], "-", " "))); r.status != http.StatusCreated {
		t.Errorf("a recovery code: %d %s", r.status, r.body)
	}
	if r := try(password, recovery[3]); r.status != http.StatusUnauthorized {
		t.Errorf("a recovery code again: %d %s", r.status, r.body)
	}
	if n, err := people.RecoveryLeft(t.Context(), me.ID); err != nil || n != 9 {
		t.Errorf("%d recovery codes are left: %v", n, err)
	}
	// An admin ends it for who lost the phone.
	admin := s.person("root", []identity.Role{identity.Admin})
	if r := s.as(admin, http.MethodDelete, "/v1/users/"+me.ID+"/otp", "", nil); r.status != http.StatusOK || r.get(t)["otp"] != false {
		t.Errorf("%d %s", r.status, r.body)
	}
	token := s.signInAs("mai", password, "")
	// A role that needs one holds its people up.
	if err := people.SetOTPRoles(t.Context(), identity.Actor{Kind: identity.KindUser, ID: s.idOf("root")}, []identity.Role{identity.Finance}); err != nil {
		t.Fatal(err)
	}
	if r := s.as(token, http.MethodGet, "/v1/discrepancies", "", nil); r.status != http.StatusForbidden || !strings.Contains(string(r.body), "second factor") {
		t.Errorf("held: %d %s", r.status, r.body)
	}
}

// Who tries codes with the right password is stopped from wherever they come, and nobody else is.
func TestTriesAtASecondFactorAreFew(t *testing.T) {
	s := newStreet(t)
	s.person("mai", []identity.Role{identity.Finance})
	s.person("lan", []identity.Role{identity.Finance})
	me := identity.Actor{Kind: identity.KindUser, ID: s.idOf("mai")}
	e, err := s.app.people.EnrolOTP(t.Context(), me)
	if err != nil {
		t.Fatal(err)
	}
	code, err := totp.GenerateCode(e.Secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.app.people.ConfirmOTP(t.Context(), me, code, ""); err != nil {
		t.Fatal(err)
	}
	locked := 0
	for i := range 12 {
		_, _, err := s.app.people.Login(t.Context(), identity.Attempt{Name: "mai", Password: password, OTP: "000000", Address: "10.9." + string(rune('0'+i%10)) + ".1"})
		var l *identity.LockedError
		if errors.As(err, &l) {
			locked++
		} else if err == nil {
			t.Fatal("000000 let somebody in")
		}
	}
	if locked == 0 {
		t.Error("twelve wrong codes from as many places were all heard")
	}
	s.signInAs("lan", password, "")
}

// Passwords that are guessed are refused, with what to do instead; the list of stolen ones is asked.
func TestPasswordsThatAreGuessed(t *testing.T) {
	s := newStreet(t)
	for _, weak := range []string{"ngắn", "aaaaaaaaaaaaaaaa", "password12345", "qwertyuiop123", "feegatefeegate", "mai.tran.1990!"} {
		_, err := s.app.people.CreateUser(t.Context(), identity.System(), identity.NewUser{Name: "mai.tran", Password: weak, Roles: []identity.Role{identity.Finance}})
		var wrong *identity.InvalidError
		if !errors.As(err, &wrong) || wrong.Field != "password" {
			t.Errorf("%q: %v", weak, err)
		}
	}
}

// idOf is the id of the person with a name.
func (s *street) idOf(name string) (id string) {
	s.t.Helper()
	if err := s.db.Get(&id, `SELECT id FROM users WHERE name = $1`, name); err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *street) signInAs(name, password, otp string) string {
	s.t.Helper()
	r := s.send(http.MethodPost, s.api+"/v1/sessions", map[string]string{"name": name, "password": password, "otp": otp}, nil)
	token, _ := r.get(s.t)["token"].(string)
	if r.status != http.StatusCreated || token == "" {
		s.t.Fatalf("signing in: %d %s", r.status, r.body)
	}
	return token
}

// problemOf is the name of a problem.
func problemOf(t *testing.T, r reply) string {
	t.Helper()
	name, _ := r.get(t)["type"].(string)
	return strings.TrimPrefix(name, "urn:feegate:problem:")
}
