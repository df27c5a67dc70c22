package main

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"feegate/migrations"
	"feegate/migrations/localdb"
)

// The program is killed while a day is closed, and while it is signed: it is closed or it is not, signed or not; done again it is done, once.
func TestKilledDuringACloseNothingIsHalf(t *testing.T) {
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		return l.Addr().String()
	}
	args := []string{"--empty", "--clock", "2026-03-11T08:00:00+07:00", "--listen", free(), "--simulator-listen", free()}
	b := openBox(t, args...)
	db, err := connect(t.Context(), strings.Replace(b.ready.DatabaseURL, migrations.ServiceRole+"@", localdb.Superuser+"@", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	path := "/v1/days/" + b.account("vnpay") + "/2026-03-10"
	act := func(session, deed string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.ready.API+path+"/"+deed, nil)
		if err != nil {
			return 0, err
		}
		req.Header.Set("Authorization", "Bearer "+session)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	status := func() (s string) {
		if err := db.GetContext(t.Context(), &s, `SELECT coalesce((SELECT status FROM days WHERE date = '2026-03-10'), 'open') || ' ' || (SELECT count(*) FROM day_versions) || ' ' || (SELECT count(*) FROM day_signatures)`); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct{ role, deed, table, before, after string }{
		{"finance", "close", "day_versions", "open 0 0", "closed 1 0"}, {"approver", "sign", "day_signatures", "closed 1 0", "signed 1 1"},
	} {
		session := b.signIn(c.role)
		held, err := db.BeginTxx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := held.ExecContext(t.Context(), `LOCK TABLE `+c.table+` IN SHARE MODE`); err != nil {
			t.Fatal(err)
		}
		var sending sync.WaitGroup
		sending.Go(func() {
			if got, err := act(session, c.deed); err == nil {
				t.Errorf("%s: an answer although it was killed: %d", c.deed, got)
			}
		})
		b.until("it waits for "+c.table, func() bool {
			var waits bool
			if err := db.GetContext(t.Context(), &waits, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass)`, c.table); err != nil {
				t.Fatal(err)
			}
			return waits
		})
		b.kill()
		sending.Wait()
		_ = held.Rollback()
		b.start(args...)
		if got := status(); got != c.before && !(c.deed == "close" && got == "matched 0 0") {
			t.Errorf("killed in %s: %s, want %s", c.deed, got, c.before)
		}
		if got, err := act(b.signIn(c.role), c.deed); got != http.StatusOK || err != nil || status() != c.after {
			t.Errorf("%s again: %d %v, %s, want %s", c.deed, got, err, status(), c.after)
		}
	}
	if got, err := act(b.signIn("approver"), "sign"); got != http.StatusOK || err != nil || status() != "signed 1 1" { // said again, it is the same
		t.Errorf("signed again: %d %v, %s", got, err, status())
	}
}
