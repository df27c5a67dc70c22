package dbtest

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"feegate/migrations"
	"feegate/migrations/localdb"
)

func TestNewIsMigratedAndTheServices(t *testing.T) {
	t.Parallel()
	db := New(t)
	var role string
	if err := db.Get(&role, "SELECT current_user"); err != nil || role != migrations.ServiceRole {
		t.Fatalf("connected as %q: %v", role, err)
	}
	pending, err := migrations.Pending(t.Context(), Admin(t, db).DB)
	if err != nil || pending {
		t.Errorf("migrations pending: %v %v", pending, err)
	}
	for _, forbidden := range []string{"CREATE TABLE mine ()", "DELETE FROM audit", "UPDATE audit SET actor = 'nobody'", "DROP TABLE orders"} {
		if _, err := db.Exec(forbidden); err == nil {
			t.Errorf("the service may: %s", forbidden)
		}
	}
}

func TestEachTestHasItsOwn(t *testing.T) {
	t.Parallel()
	names := make(chan string, 12)
	t.Run("side by side", func(t *testing.T) {
		for i := range cap(names) {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				db := New(t)
				if _, err := db.Exec("INSERT INTO source_systems (name) VALUES ('only-mine')"); err != nil {
					t.Error("somebody else's rows are here:", err)
				}
				owner := Admin(t, db)
				var n int
				if err := owner.Get(&n, "SELECT count(*) FROM source_systems WHERE name = 'only-mine'"); err != nil || n != 1 {
					t.Errorf("the owner is in another database: %d %v", n, err)
				}
				var name string
				if err := db.Get(&name, "SELECT current_database()"); err != nil {
					t.Error(err)
				}
				names <- name
			})
		}
	})
	close(names)
	seen := map[string]bool{}
	admin := maintenance(t)
	for name := range names {
		if seen[name] {
			t.Errorf("%s was given twice", name)
		}
		seen[name] = true
		if is, err := exists(t.Context(), admin, name); err != nil || is {
			t.Errorf("%s was not dropped: %v", name, err)
		}
	}
}

func maintenance(t *testing.T) *sqlx.DB {
	t.Helper()
	base, err := cluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return open(t, base)
}

func TestOrphansAreDropped(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	base, err := cluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	admin := open(t, base)
	dead, living := fmt.Sprintf("test_%d_%s", cmd.Process.Pid, random()), "test_1_"+random()
	for _, name := range []string{dead, living} {
		if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = drop(context.Background(), base, name) })
	}
	if err := dropOrphans(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	if is, err := exists(t.Context(), admin, dead); err != nil || is {
		t.Errorf("the dead process's database is still there: %v", err)
	}
	if is, err := exists(t.Context(), admin, living); err != nil || !is {
		t.Errorf("a living process's database was dropped: %v", err)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	service, owner := URLs(t, New(t))
	for address, role := range map[string]string{service: migrations.ServiceRole, owner: localdb.Superuser} {
		var got string
		if err := open(t, address).Get(&got, "SELECT current_user"); err != nil || got != role {
			t.Errorf("%s is %q: %v", address, got, err)
		}
	}
}

func TestPidOf(t *testing.T) {
	for name, want := range map[string]int{"test_42_ab12": 42, "test_42": -1, "ready_42_ab": -1, "making_clone_12": -1} {
		pid, ok := pidOf(name)
		if ok != (want >= 0) || (ok && pid != want) {
			t.Errorf("%s: %d %v", name, pid, ok)
		}
	}
}

func TestDurableSurvivesACrash(t *testing.T) {
	t.Parallel()
	s := Durable(t)
	service := s.URL(migrations.ServiceRole, DurableName)
	if _, err := open(t, service).Exec("INSERT INTO source_systems (name) VALUES ('kept')"); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := open(t, service)
	var sync, name string
	if err := db.QueryRow("SELECT current_setting('fsync'), name FROM source_systems").Scan(&sync, &name); err != nil || sync != "on" || name != "kept" {
		t.Errorf("fsync %s, %q: %v", sync, name, err)
	}
}

func TestStopLeavesAUsedClusterRunning(t *testing.T) {
	t.Parallel()
	db := New(t)
	said, err := Stop(t.Context())
	if err != nil || !strings.Contains(said, "in use") {
		t.Errorf("%q %v", said, err)
	}
	if err := db.Ping(); err != nil {
		t.Error(err)
	}
}
