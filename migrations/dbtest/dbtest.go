// Package dbtest gives each test a PostgreSQL database of its own, migrated, in about ten milliseconds.
//
// One cluster per machine and user, with fsync off, serves all test packages and processes; the first that needs it
// starts it. It keeps a template database per state of the migrations and a few ready clones of the newest; a test takes
// one by renaming it, and its successor is cloned in the background. Nothing is remembered in the process: what exists is
// asked of the cluster, so that the packages of one "go test ./..." share it.
//
// The cluster goes on running between runs. "go run ./migrations/dbtest/stop" stops it when nobody uses it; make test
// does that at its end. Databases that a killed test left behind are dropped by the next one.
package dbtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver

	"feegate/migrations"
	"feegate/migrations/localdb"
)

// connections is how many a test's database handle opens at most, so that many tests fit into the cluster side by side.
const connections = 20

// New gives a fresh migrated database, connected as the service role, with the service's rights and no more. It is dropped
// at the end of the test.
func New(t testing.TB) *sqlx.DB {
	t.Helper()
	ctx := t.Context()
	base, err := cluster(ctx)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	name, err := take(ctx, base)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() {
		// Not t.Context(): that ended before the cleanups.
		if err := drop(context.Background(), base, name); err != nil {
			t.Errorf("dbtest: %v", err)
		}
	})
	return open(t, address(base, migrations.ServiceRole, name))
}

// Admin connects to the same database as its owner, who may do what the service may not: look at what grants hide, break
// what triggers guard.
func Admin(t testing.TB, db *sqlx.DB) *sqlx.DB {
	t.Helper()
	_, owner := URLs(t, db)
	return open(t, owner)
}

// URLs are the addresses of the database for the service role and for the owner, for programs under test.
func URLs(t testing.TB, db *sqlx.DB) (service, owner string) {
	t.Helper()
	var name string
	if err := db.GetContext(t.Context(), &name, "SELECT current_database()"); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	base, err := cluster(t.Context())
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	return address(base, migrations.ServiceRole, name), address(base, localdb.Superuser, name)
}

// DurableName is the database that Durable makes.
const DurableName = "feegate"

// Durable gives a server of the test's own with the settings of production, for tests that crash or restart it. It holds
// one migrated database, DurableName. It is destroyed at the end of the test.
func Durable(t testing.TB) *localdb.Server {
	t.Helper()
	// Not t.TempDir(): root's server could not enter it, and would lie elsewhere.
	dir, err := os.MkdirTemp("/var/tmp", "feegate-durable-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := localdb.Start(t.Context(), localdb.Options{Dir: dir, Log: func(m string) { t.Log("localdb: " + m) }})
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Destroy(ctx); err != nil {
			t.Errorf("dbtest: %v", err)
		}
	})
	maintenance := open(t, s.URL(localdb.Superuser, "postgres"))
	if _, err := maintenance.ExecContext(t.Context(), "CREATE DATABASE "+DurableName); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	db := open(t, s.URL(localdb.Superuser, DurableName))
	if _, err := migrations.Up(t.Context(), db.DB); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	return s
}

// Stop stops the shared cluster unless a test still uses it; it says what it did.
func Stop(ctx context.Context) (string, error) {
	dir, err := folder()
	if err != nil {
		return "", err
	}
	base, ok := running(ctx, dir)
	if !ok {
		return "the test cluster is not running", nil
	}
	db, err := connect(ctx, base)
	if err != nil {
		return "", err
	}
	idle, err := waitIdle(ctx, db)
	_ = db.Close()
	if err != nil {
		return "", err
	}
	if !idle {
		return "the test cluster is in use and goes on running", nil
	}
	s, err := start(ctx, dir, nil)
	if err != nil {
		return "", err
	}
	if err := s.Stop(ctx); err != nil {
		return "", err
	}
	return "the test cluster is stopped", nil
}

// waitIdle waits a little for the clones still in the making.
func waitIdle(ctx context.Context, db *sqlx.DB) (bool, error) {
	const q = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
	for end := time.Now().Add(3 * time.Second); ; {
		var users int
		if err := db.GetContext(ctx, &users, q); err != nil || users == 0 {
			return err == nil, err
		}
		if time.Now().After(end) {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func open(t testing.TB, address string) *sqlx.DB {
	t.Helper()
	db, err := sqlx.ConnectContext(t.Context(), "postgres", address)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections) // lib/pq's hand-shake costs more than what tests do
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// folder is the cluster's, one per user. In /var/tmp anyone could have made it: it must be ours.
func folder() (string, error) {
	dir := filepath.Join("/var/tmp", fmt.Sprintf("feegate-test-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); !ok || !fi.IsDir() || int(st.Uid) != os.Getuid() || fi.Mode().Perm()&0o022 != 0 {
		return "", fmt.Errorf("%s must be a folder of this user that nobody else may write: remove it", dir)
	}
	return dir, nil
}

// cluster gives the address of the shared cluster's maintenance database, for its owner; it starts it when it is not there.
func cluster(ctx context.Context) (string, error) {
	dir, err := folder()
	if err != nil {
		return "", err
	}
	if base, ok := running(ctx, dir); ok {
		return base, nil
	}
	s, err := start(ctx, dir, func(m string) { fmt.Fprintln(os.Stderr, "dbtest: "+m) })
	if err != nil {
		return "", err
	}
	base := s.URL(localdb.Superuser, "postgres")
	return base, writeWhole(filepath.Join(dir, "url"), base)
}

func start(ctx context.Context, dir string, log func(string)) (*localdb.Server, error) {
	return localdb.Start(ctx, localdb.Options{Dir: dir, NoSync: true, Shared: true,
		Settings: map[string]string{"max_connections": "400", "autovacuum": "off", "max_wal_size": "2GB"},
		Log:      log})
}

// running reads where the cluster was last seen and asks whether it is there.
func running(ctx context.Context, dir string) (string, bool) {
	b, err := os.ReadFile(filepath.Join(dir, "url"))
	if err != nil {
		return "", false
	}
	db, err := connect(ctx, string(b))
	if err != nil {
		return "", false
	}
	_ = db.Close()
	return string(b), true
}

func connect(ctx context.Context, address string) (*sqlx.DB, error) {
	db, err := sqlx.ConnectContext(ctx, "postgres", address)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// writeWhole replaces a file at once: another process may be reading it.
func writeWhole(name, content string) error {
	half := name + "." + random()
	if err := os.WriteFile(half, []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(half, name)
}

// address is base for another user and database.
func address(base, user, name string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base // localdb wrote it; connecting will say what is wrong
	}
	u.User, u.Path = url.User(user), "/"+name
	return u.String()
}

func random() string {
	b := make([]byte, 6)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// pidOf is the process that a test's database belongs to: test_PID_RANDOM.
func pidOf(name string) (int, bool) {
	var pid int
	var rest string
	n, err := fmt.Sscanf(strings.ReplaceAll(name, "_", " "), "test %d %s", &pid, &rest)
	return pid, n == 2 && err == nil
}
