package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"feegate/migrations/dbtest"
)

// A service of one's own is set up by commands alone: the master key, the first key, the first person.
func TestAServiceIsSetUpByCommands(t *testing.T) {
	s := newStreet(t)
	service, owner := dbtest.URLs(t, s.db)
	do := func(want int, args ...string) (string, map[string]string) {
		t.Helper()
		var out, errOut bytes.Buffer
		if code := run(t.Context(), args, &out, &errOut); code != want {
			t.Fatalf("%v: %d, want %d\n%s%s", args, code, want, out.String(), errOut.String())
		}
		said := map[string]string{}
		_ = json.Unmarshal(out.Bytes(), &said) // not every answer is JSON
		return out.String() + errOut.String(), said
	}
	master := filepath.Join(t.TempDir(), "master.json")
	do(0, "key", "master", master)
	do(1, "key", "master", master) // never over another
	database := []string{"--database-url", service, "--json"}
	_, key := do(0, append([]string{"key", "create", "--client", "Cổng tỉnh", "--source-system", "province", "--scope", "orders:read"}, database...)...)
	if r := s.as(key["key"], http.MethodGet, "/v1/providers", "", nil); r.status != http.StatusOK {
		t.Errorf("the new key: %d %s", r.status, r.body)
	}
	do(1, append([]string{"key", "create", "--client", "Cổng tỉnh", "--scope", "everything"}, database...)...)
	do(2, "key", "create")
	_, person := do(0, append([]string{"user", "create", "Mai", "--role", "finance", "--agency", "H10.12"}, database...)...)
	if r := s.send(http.MethodPost, s.api+"/v1/sessions", map[string]string{"name": "Mai", "password": person["password"]}, nil); r.status != http.StatusCreated {
		t.Errorf("the new person: %d %s", r.status, r.body)
	}
	do(1, append([]string{"user", "create", "Mai", "--role", "finance"}, database...)...)
	_, again := do(0, append([]string{"user", "reset", "Mai"}, database...)...)
	if old, fresh := s.send(http.MethodPost, s.api+"/v1/sessions", map[string]string{"name": "Mai", "password": person["password"]}, nil), s.send(http.MethodPost, s.api+"/v1/sessions", map[string]string{"name": "Mai", "password": again["password"]}, nil); old.status != http.StatusUnauthorized || fresh.status != http.StatusCreated {
		t.Errorf("after a reset: the old password %d, the new one %d", old.status, fresh.status)
	}
	do(1, append([]string{"user", "reset", "Niemand"}, database...)...)
	do(0, append([]string{"key", "revoke", key["key_id"], "--client", key["client"]}, database...)...)
	if n := s.count(`SELECT count(*) FROM api_keys WHERE id = $1 AND revoked_at IS NOT NULL`, key["key_id"]); n != 1 {
		t.Error("the key is not revoked")
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE actor LIKE 'cli%' AND action IN ('key.created', 'key.revoked', 'user.created', 'client.created')`); n != 4 {
		t.Errorf("%d rows of audit", n)
	}
	// The doctor names each thing that is wrong, and how to mend it.
	said, _ := do(1, "doctor", "--database-url", service, "--public-url", "https://pay.example", "--master-key-file", master)
	if !strings.Contains(said, "another master key") || strings.Contains(said, "schema is this program's\n      →") {
		t.Errorf("%s", said)
	}
	if said, _ := do(1, "doctor", "--database-url", owner, "--public-url", "http://pay.example", "--master-key-file", filepath.Join(t.TempDir(), "none")); !strings.Contains(said, "feegate key master") ||
		!strings.Contains(said, "not as a superuser") || !strings.Contains(said, "https") {
		t.Errorf("%s", said)
	}
	if said, _ := do(1, "doctor", "--database-url", "postgres://nobody:geheim@127.0.0.1:1/x?sslmode=disable"); !strings.Contains(said, "PostgreSQL runs") || strings.Contains(said, "geheim") {
		t.Errorf("%s", said)
	}
	if code := run(t.Context(), []string{"doctor", "--help"}, io.Discard, io.Discard); code != 0 {
		t.Errorf("--help: %d", code)
	}
}
