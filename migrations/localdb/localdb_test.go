package localdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// openDir is a temporary folder that the server's user can enter, unlike t.TempDir for root.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "feegate-localdb-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) add(s string) { l.mu.Lock(); defer l.mu.Unlock(); l.lines = append(l.lines, s) }
func (l *logged) has(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(strings.Join(l.lines, "\n"), part)
}

func start(t *testing.T, opts Options) (*Server, *logged) {
	t.Helper()
	l := &logged{}
	opts.Log = l.add
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := Start(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Destroy(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s, l
}

// value runs one query that gives one text.
func value(t *testing.T, s *Server, query string) string {
	t.Helper()
	db, err := sql.Open("postgres", s.URL(Superuser, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var v string
	if err := db.QueryRowContext(t.Context(), query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func exec1(t *testing.T, s *Server, stmt string) {
	t.Helper()
	db, err := sql.Open("postgres", s.URL(Superuser, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), stmt); err != nil {
		t.Fatalf("%s: %v", stmt, err)
	}
}

func TestStartStop(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Options{Dir: openDir(t)})
	for setting, want := range map[string]string{"fsync": "on", "synchronous_commit": "on", "listen_addresses": "",
		"TimeZone": "UTC", "server_encoding": "UTF8"} {
		if got := value(t, s, "SHOW "+setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if got := value(t, s, "SELECT upper('đồng ở huyện')"); got != "ĐỒNG Ở HUYỆN" {
		t.Errorf("upper case of Vietnamese: %s", got)
	}
	for _, dir := range []string{s.place.home, s.place.socket} {
		if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
			t.Errorf("%s must be 0700: %v %v", dir, fi.Mode(), err)
		}
	}
	exec1(t, s, "CREATE TABLE kept AS SELECT 'money' AS v")
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.ping(t.Context()); err == nil {
		t.Error("answers after Stop")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := value(t, s, "SELECT v FROM kept"); got != "money" {
		t.Errorf("after a restart: %q", got)
	}
}

// The address must work for other people's programs too.
func TestURLWithPsql(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Options{Dir: openDir(t), NoSync: true})
	if _, err := os.Stat(filepath.Join(s.bin, "psql")); err != nil {
		t.Logf("no psql beside the server: %v", err)
		return
	}
	out, err := exec.Command(filepath.Join(s.bin, "psql"), "-XAtc", "SELECT current_user", s.URL(Superuser, "postgres")).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != Superuser {
		t.Errorf("psql: %v: %s", err, out)
	}
}

func TestKillLosesNothingCommitted(t *testing.T) {
	t.Parallel()
	s, l := start(t, Options{Dir: openDir(t)})
	exec1(t, s, "CREATE TABLE kept AS SELECT n FROM generate_series(1, 1000) n")
	for range 3 {
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := value(t, s, "SELECT count(*) FROM kept"); got != "1000" {
			t.Errorf("after a kill: %s rows", got)
		}
	}
	if !l.has("recovering") {
		t.Error("nothing was said of the recovery")
	}
}

// A predecessor that crashed leaves its server running and its lock free.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	first, _ := start(t, Options{Dir: dir})
	exec1(t, first, "CREATE TABLE kept AS SELECT 1 AS n")
	pid := first.post.pid
	first.Release() // as the kernel does for the dead

	second, l := start(t, Options{Dir: dir})
	if second.post.pid != pid || !l.has("took over") {
		t.Errorf("process %d, want %d taken over", second.post.pid, pid)
	}
	if got := value(t, second, "SELECT n FROM kept"); got != "1" {
		t.Error(got)
	}
	second.Release()

	other, l := start(t, Options{Dir: dir, NoSync: true})
	if got := value(t, other, "SHOW fsync"); got != "off" || !l.has("other settings") {
		t.Errorf("a server with other settings must be started again: fsync %s", got)
	}
	if err := other.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !first.post.gone() {
		t.Error("the first server still runs")
	}
}

func TestInUse(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	start(t, Options{Dir: dir, NoSync: true})
	_, err := takeLock(t.Context(), lockFile(dir), 50*time.Millisecond)
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("a second holder: %v", err)
	}
}

func TestShared(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	var wg sync.WaitGroup
	servers := make([]*Server, 4)
	for i := range servers {
		wg.Go(func() {
			s, err := Start(t.Context(), Options{Dir: dir, NoSync: true, Shared: true})
			if err != nil {
				t.Error(err)
				return
			}
			servers[i] = s
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, s := range servers[1:] {
		if s.post.pid != servers[0].post.pid {
			t.Error("not the same server for all")
		}
	}
	if err := servers[0].Destroy(t.Context()); err != nil {
		t.Error(err)
	}
}

// After a power cut the number in postmaster.pid may belong to anything; PostgreSQL itself would refuse to start.
func TestStalePidFile(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"another program": strconv.Itoa(os.Getpid()) + "\n/nowhere\n1\n5432\n/nowhere\n",
		"nobody":          "4194303\n/nowhere\n1\n5432\n/nowhere\n",
		"empty":           "",
		"garbage":         "not a number",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, l := start(t, Options{Dir: openDir(t)})
			if err := s.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(s.DataDir(), "postmaster.pid")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(file, int(s.place.as.uid), int(s.place.as.gid)); err != nil {
				t.Fatal(err)
			}
			if err := s.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !l.has("recovering") {
				t.Error("nothing was said")
			}
		})
	}
}

func TestInterruptedInitdbIsMadeAgain(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	half := filepath.Join(dir, "postgres", "data.new")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _ := start(t, Options{Dir: dir, NoSync: true})
	if _, err := os.Stat(half); !os.IsNotExist(err) {
		t.Errorf("the half-made cluster is still there: %v", err)
	}
	value(t, s, "SELECT 1::text")
}

func TestStartFailureShowsTheLog(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	s, _ := start(t, Options{Dir: dir, NoSync: true})
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.opts.Settings = map[string]string{"max_connections": "many"}
	err := s.Restart(t.Context())
	if err == nil || !strings.Contains(err.Error(), "max_connections") {
		t.Errorf("the error must carry the server's own words: %v", err)
	}
}

// Root's server cannot enter a private folder: its files lie elsewhere, and the folder says where.
func TestPrivateFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openDir(t), "private")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, l := start(t, Options{Dir: dir, NoSync: true})
	value(t, s, "SELECT 1::text")
	named, err := os.ReadFile(filepath.Join(dir, "postgres.path"))
	if os.Geteuid() != 0 {
		if !os.IsNotExist(err) {
			t.Errorf("a user's own folder must do: %s, %v", named, err)
		}
		return
	}
	if strings.TrimSpace(string(named)) != s.place.home || !strings.HasPrefix(s.place.home, "/var/tmp/feegate-") || !l.has("may not enter") {
		t.Errorf("home %s, named %q, %v", s.place.home, named, err)
	}
}

// The terminal's Ctrl-C goes to the foreground process group; the server must not be in it, nor in our session.
func TestOwnSession(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Options{Dir: openDir(t), NoSync: true})
	group, err := syscall.Getpgid(s.post.pid)
	if err != nil || group == syscall.Getpgrp() {
		t.Errorf("the server is in our process group %d: %v", group, err)
	}
	if os.Geteuid() == 0 {
		fi, err := os.Stat(fmt.Sprintf("/proc/%d", s.post.pid))
		if err != nil {
			t.Fatal(err)
		}
		if st := fi.Sys().(*syscall.Stat_t); st.Uid == 0 {
			t.Error("the server runs as root")
		}
	}
}
