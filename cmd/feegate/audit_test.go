package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"feegate/migrations/dbtest"
)

// Whoever touches one row of the audit, with whatever rights, is found out; who may not, may not.
func TestTheAuditIsSealed(t *testing.T) {
	s := newStreet(t)
	do := s.commands()
	seal := func(want int) {
		t.Helper()
		if n, err := s.app.people.Seal(t.Context(), 0); err != nil || n != want {
			t.Fatalf("%d rows sealed, want %d: %v", n, want, err)
		}
	}
	if out, _ := do.run(0, "audit", "verify"); !strings.Contains(out, "0 rows, 0 blocks, 0 rows not sealed yet\nintact") {
		t.Errorf("an empty audit: %s", out)
	}
	deeds := func(n int) {
		t.Helper()
		for i := range n {
			s.send(http.MethodPost, s.api+"/v1/sessions", map[string]string{"name": fmt.Sprint("nobody ", i), "password": "wrong"}, nil)
		}
	}
	deeds(3)
	n := s.count(`SELECT count(*) FROM audit`)
	if n < 3 {
		t.Fatalf("%d rows", n)
	}
	seal(n)
	seal(0)
	deeds(2)
	seal(s.count(`SELECT count(*) FROM audit`) - n)
	deeds(1)
	out, _ := do.run(0, "audit", "verify")
	if !strings.Contains(out, "2 blocks, 1 rows not sealed yet\nintact\nhead ") {
		t.Errorf("%s", out)
	}
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO audit_seals (audit_id, block) VALUES (1, 1)`); err == nil {
		t.Error("a row is sealed twice")
	}
	if _, err := s.own.ExecContext(t.Context(), `UPDATE audit SET actor = 'x'`); err == nil {
		t.Error("the service may change the audit")
	}
	admin := dbtest.Admin(t, s.db)
	for name, c := range map[string]struct{ do, undo, says string }{
		"a changed row":              {`UPDATE audit SET detail = detail || '{"x": 1}' WHERE id = (SELECT min(id) FROM audit)`, `UPDATE audit SET detail = detail - 'x' WHERE id = (SELECT min(id) FROM audit)`, "block 1: a row among ids"},
		"a removed row":              {`CREATE TABLE hidden AS SELECT * FROM audit WHERE id = (SELECT min(id) FROM audit); DELETE FROM audit WHERE id IN (SELECT id FROM hidden)`, `INSERT INTO audit OVERRIDING SYSTEM VALUE SELECT * FROM hidden`, "block 1: 1 of its"},
		"a row slipped into a block": {`INSERT INTO audit_seals (audit_id, block) SELECT max(id), 1 FROM audit`, `DELETE FROM audit_seals WHERE audit_id = (SELECT max(id) FROM audit)`, "rows were put into it"},
		"a block taken out":          {`CREATE TABLE kept AS SELECT * FROM audit_blocks WHERE n = 1; CREATE TABLE listed AS SELECT * FROM audit_seals WHERE block = 1; DELETE FROM audit_seals WHERE block = 1; DELETE FROM audit_blocks WHERE n = 1`, `INSERT INTO audit_blocks SELECT * FROM kept; INSERT INTO audit_seals SELECT * FROM listed`, "does not follow the block before it"},
	} {
		for _, q := range []string{"SET session_replication_role = replica; " + c.do} {
			if _, err := admin.ExecContext(t.Context(), q); err != nil {
				t.Fatal(name, err)
			}
		}
		if out, _ := do.run(1, "audit", "verify"); !strings.Contains(out, "BROKEN") || !strings.Contains(out, c.says) {
			t.Errorf("%s: %s", name, out)
		}
		if _, err := admin.ExecContext(t.Context(), "SET session_replication_role = replica; "+c.undo); err != nil {
			t.Fatal(name, err)
		}
		if out, _ := do.run(0, "audit", "verify"); !strings.Contains(out, "intact") {
			t.Errorf("%s undone: %s", name, out)
		}
	}
	// A deed of yesterday, written today.
	if _, err := admin.ExecContext(t.Context(), `INSERT INTO audit (recorded_at, actor_kind, actor, action) VALUES ('2026-03-01', 'user', 'usr_x', 'day.signed')`); err != nil {
		t.Fatal(err)
	}
	seal(2)
	if out, _ := do.run(1, "audit", "verify"); !strings.Contains(out, "was written after block 2 was sealed") {
		t.Errorf("a backdated row: %s", out)
	}
	if out, _ := do.run(0, "audit", "export", "--json"); strings.Count(out, `"action"`) != s.count(`SELECT count(*) FROM audit`) {
		t.Errorf("%s", out)
	}
	if out, _ := do.run(0, "audit", "export", "--from", "2026-03-01", "--to", "2026-03-01"); strings.Count(out, "\n") != 2 {
		t.Errorf("%s", out)
	}
}
