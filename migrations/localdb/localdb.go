// Package localdb runs a private PostgreSQL for one folder, so that feegate needs no set-up: it finds the server's
// programs or gets them, makes a cluster, starts it behind a unix socket that only this user can reach, and stops it.
//
// A server outlives a crash of the program that started it; the next Start on the same folder takes it over. It runs in a
// session of its own, so that the terminal's Ctrl-C reaches us first and we stop it in order. PostgreSQL refuses root:
// started by root it runs as the user postgres, else nobody (place.go says where its files then lie).
//
// Access: trust within a socket folder of mode 0700, no TCP at all. Whoever can open the socket is this user, the
// server's user, or root.
package localdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	_ "github.com/lib/pq" // the driver of ping
)

// Superuser owns every cluster that localdb makes.
const Superuser = "feegate_admin"

// ErrInUse says that another living program holds the folder.
var ErrInUse = errors.New("this folder's PostgreSQL is in use by another feegate")

// ErrNoPostgres says that no server programs were found and none could be installed.
var ErrNoPostgres = errors.New("PostgreSQL 14 or later was not found")

// Options say which cluster to run and how. The zero value of everything but Dir is the durable, exclusive one.
type Options struct {
	Dir      string            // the folder that the cluster belongs to; made when missing
	NoSync   bool              // fsync off: for tests alone, a power cut loses everything
	Shared   bool              // several programs may use the cluster at once; nobody holds the folder
	Settings map[string]string // further server settings, name to value
	Log      func(string)      // told what takes time or was mended; may be nil
}

// Server is a running private PostgreSQL.
type Server struct {
	opts  Options
	place place
	bin   string // the folder of initdb and postgres
	log   func(string)

	mu   sync.Mutex // guards what follows
	post *postmaster
	lock *os.File
}

// Limits of waiting. Crash recovery of a large cluster may take long; a lock is given back as soon as its holder stops.
const (
	startLimit = 2 * time.Minute
	lockLimit  = 5 * time.Second
	pollEvery  = 10 * time.Millisecond
)

// Start runs the cluster of opts.Dir: takes over one that runs, else starts it, else makes it first.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if opts.Log == nil {
		opts.Log = func(string) {}
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("the folder of the private PostgreSQL: %w", err)
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	opts.Dir = dir
	limit := lockLimit
	if opts.Shared {
		limit = startLimit // held only while somebody starts it
	}
	lock, err := takeLock(ctx, lockFile(dir), limit)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, log: opts.Log, lock: lock}
	if err := s.begin(ctx); err != nil {
		s.unlock()
		return nil, err
	}
	if opts.Shared {
		s.unlock()
	}
	return s, nil
}

// begin does Start's work under the folder's lock.
func (s *Server) begin(ctx context.Context) error {
	var err error
	if s.place, err = choosePlace(s.opts.Dir); err != nil {
		return err
	}
	if s.place.moved {
		s.log("PostgreSQL's files lie in " + s.place.home + ", because its user " + s.place.as.name +
			" may not enter " + s.opts.Dir)
	}
	if s.bin, err = findOrInstall(ctx, s.place, s.log); err != nil {
		return err
	}
	if err := s.initialise(ctx); err != nil {
		return err
	}
	return s.run(ctx)
}

// run takes over the running postmaster of the data folder or starts one. Callers hold the folder's lock or s.mu.
func (s *Server) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	running, err := s.predecessor(ctx)
	if err != nil {
		return err
	}
	if running != nil {
		same, err := s.sameSettings()
		if err != nil {
			return err
		}
		s.post = running
		if same {
			s.log(fmt.Sprintf("took over the running PostgreSQL (process %d)", running.pid))
			return nil
		}
		s.log("the running PostgreSQL has other settings: starting it again")
		if err := running.stop(ctx); err != nil {
			return err
		}
	}
	return s.launch(ctx)
}

// sameSettings says whether a running server can be used as it is: a durable one must not be found with fsync off. One
// that others share is theirs too, and stays as it is.
func (s *Server) sameSettings() (bool, error) {
	if s.opts.Shared {
		return true, nil
	}
	b, err := os.ReadFile(filepath.Join(s.place.data(), "postmaster.opts")) // the command line, each argument quoted
	if err != nil {
		return false, fmt.Errorf("how the running PostgreSQL was started: %w", err)
	}
	return strings.HasSuffix(strings.TrimSpace(string(b)), `"`+strings.Join(s.arguments(), `" "`)+`"`), nil
}

// settings are given on the command line at every start, so that an edited postgresql.conf cannot open a port.
func (s *Server) settings() map[string]string {
	m := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": s.place.socket,
		"max_connections":         "200",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		// The log must carry no personal data: neither the statements that failed nor the values in their details.
		"log_error_verbosity":     "terse",
		"log_min_error_statement": "panic",
		"log_checkpoints":         "off",
	}
	if s.opts.NoSync {
		m["fsync"], m["synchronous_commit"], m["full_page_writes"] = "off", "off", "off"
	} else {
		m["fsync"], m["synchronous_commit"], m["full_page_writes"] = "on", "on", "on"
	}
	maps.Copy(m, s.opts.Settings)
	return m
}

// arguments is the postmaster's command line.
func (s *Server) arguments() []string {
	args := []string{"-D", s.place.data()}
	set := s.settings()
	for _, name := range slices.Sorted(maps.Keys(set)) {
		args = append(args, "-c", name+"="+set[name])
	}
	return args
}

// URL is the address of a database for a user, in the form that lib/pq, psql and libpq's bindings read alike.
func (s *Server) URL(user, dbname string) string {
	u := url.URL{Scheme: "postgres", User: url.User(user), Path: "/" + dbname}
	return u.String() + "?host=" + escapeDir(s.place.socket)
}

// escapeDir escapes a path for a query but keeps its slashes, which people read.
func escapeDir(dir string) string {
	return (&url.URL{Path: dir}).EscapedPath()
}

// DataDir is the cluster's data folder; LogFile is the server's log.
func (s *Server) DataDir() string { return s.place.data() }

// LogFile is where the server writes its log.
func (s *Server) LogFile() string { return s.place.logFile() }

// Stop ends the server in order: clients are cut off, everything is written. A second call does nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.post == nil {
		s.unlock()
		return nil
	}
	if err := s.post.stop(ctx); err != nil {
		return err
	}
	s.post = nil
	s.unlock()
	return nil
}

// Kill ends the postmaster at once, as a crash would: nothing is written, the next start recovers from the log. The
// folder stays ours; Restart brings the server back, Stop gives the folder up.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.post == nil {
		return nil
	}
	err := s.post.kill()
	s.post = nil
	return err
}

// Restart stops the server if it runs and starts it again in the same place.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock == nil {
		lock, err := takeLock(ctx, lockFile(s.opts.Dir), lockLimit)
		if err != nil {
			return err
		}
		s.lock = lock
	}
	if s.opts.Shared {
		defer s.unlock()
	}
	if s.post != nil {
		if err := s.post.stop(ctx); err != nil {
			return err
		}
		s.post = nil
	}
	return s.run(ctx)
}

// Release leaves the server running and gives the folder up, for the next Start to take over.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlock()
}

// Destroy stops the server and deletes its files. The folder itself stays.
func (s *Server) Destroy(ctx context.Context) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(s.place.home), os.RemoveAll(s.place.socket),
		removeIfThere(s.place.pointer(s.opts.Dir)), removeIfThere(lockFile(s.opts.Dir)))
}

func lockFile(dir string) string { return filepath.Join(dir, "postgres.lock") }

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (s *Server) unlock() {
	if s.lock != nil {
		_ = s.lock.Close() // the kernel gives the lock up with the file
		s.lock = nil
	}
}

// ping asks the server once for an answer.
func (s *Server) ping(ctx context.Context) error {
	db, err := sql.Open("postgres", s.URL(Superuser, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return db.PingContext(ctx)
}
