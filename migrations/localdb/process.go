package localdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postmaster is a running server: our child (exited is closed when it ended), or one taken over (exited is nil).
type postmaster struct {
	pid    int
	exited chan struct{}
}

func (p *postmaster) gone() bool {
	if p.exited == nil {
		return !alive(p.pid)
	}
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

func (p *postmaster) waitGone(ctx context.Context) error {
	return poll(ctx, func() (bool, error) { return p.gone(), nil })
}

// stop asks for a fast shutdown; when the context ends first, for an immediate one, which loses nothing committed.
func (p *postmaster) stop(ctx context.Context) error {
	if err := p.signal(syscall.SIGINT); err != nil {
		return err
	}
	if p.waitGone(ctx) == nil {
		return nil
	}
	if err := p.signal(syscall.SIGQUIT); err != nil {
		return err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := p.waitGone(last); err != nil {
		return fmt.Errorf("PostgreSQL (process %d) does not stop: %w", p.pid, err)
	}
	return nil
}

// kill is SIGKILL; the server's other processes notice within milliseconds and end too.
func (p *postmaster) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return p.waitGone(ctx)
}

func (p *postmaster) signal(sig syscall.Signal) error {
	if p.gone() {
		return nil
	}
	if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signalling PostgreSQL (process %d): %w", p.pid, err)
	}
	return nil
}

// poll asks until the answer is yes, an error, or the context's end.
func poll(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// predecessor finds a running server of our data folder and waits until it answers; nil when there is none. It clears a
// postmaster.pid whose process number now belongs to something else, which PostgreSQL itself would take for a server.
func (s *Server) predecessor(ctx context.Context) (*postmaster, error) {
	file := filepath.Join(s.place.data(), "postmaster.pid")
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 0 || !isServerOf(pid, s.place.data()) {
		s.log("found the postmaster.pid of a server that ended without stopping: recovering")
		if err == nil && pid > 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return nil, nil // PostgreSQL handles this one, and looks after stray children by it
		}
		// The number is empty, or belongs to another program. Make sure that no child of the dead server still writes.
		if err := s.waitNoUsers(ctx); err != nil {
			return nil, err
		}
		return nil, removeIfThere(file)
	}
	p := &postmaster{pid: pid}
	err = poll(ctx, func() (bool, error) { return p.gone() || s.ping(ctx) == nil, nil })
	if err != nil {
		return nil, fmt.Errorf("the running PostgreSQL of %s (process %d) does not answer; end it, or read %s: %w", s.opts.Dir, pid, s.place.logFile(), err)
	}
	if p.gone() {
		return nil, nil
	}
	return p, nil
}

// launch starts the postmaster and waits until it answers. Children of a killed predecessor may hold its shared memory
// for a moment: then PostgreSQL refuses, and we try again.
func (s *Server) launch(ctx context.Context) error {
	for {
		p, from, err := s.spawn()
		if err != nil {
			return err
		}
		err = poll(ctx, func() (bool, error) { return p.gone() || s.ping(ctx) == nil, nil })
		if err == nil && !p.gone() {
			s.post = p
			return nil
		}
		tail := logTail(s.place.logFile(), from)
		if err != nil {
			_ = p.kill()
			return fmt.Errorf("PostgreSQL did not get ready: %w; its log says:\n%s", err, tail)
		}
		if !strings.Contains(tail, "still in use") {
			return fmt.Errorf("PostgreSQL did not start; its log (%s) says:\n%s", s.place.logFile(), tail)
		}
		if err := poll(ctx, waitTurns(10)); err != nil {
			return fmt.Errorf("processes of the old PostgreSQL do not end: %w", err)
		}
	}
}

// waitTurns is a condition that holds after n polls.
func waitTurns(n int) func() (bool, error) {
	return func() (bool, error) { n--; return n < 0, nil }
}

// spawn starts one postmaster and says where in the log its words begin.
func (s *Server) spawn() (*postmaster, int64, error) {
	name := s.place.logFile()
	if fi, err := os.Stat(name); err == nil && fi.Size() > 10<<20 {
		_ = os.Rename(name, name+".old")
	}
	log, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = log.Close() }() // the child has its own
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, 0, err
	}
	cmd := s.command(context.Background(), "postgres", s.arguments()...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr.Setsid = true // away from the terminal: its Ctrl-C is for us
	if err := cmd.Start(); err != nil {
		return nil, 0, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	p := &postmaster{pid: cmd.Process.Pid, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(p.exited)
	}()
	return p, from, nil
}

// command is one of PostgreSQL's programs, run as the server's user, in a folder that user can enter.
func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	cmd.Dir = s.place.home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=" + s.place.home}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if s.place.drop {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: s.place.as.uid, Gid: s.place.as.gid, Groups: []uint32{}}
	}
	return cmd
}

// initialise makes the cluster once. It is made beside its place and renamed, so that one cut short is not taken for whole.
func (s *Server) initialise(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(s.place.data(), "PG_VERSION")); err == nil {
		return nil
	}
	if names, err := os.ReadDir(s.place.data()); err == nil && len(names) > 0 {
		return fmt.Errorf("%s is there but is no PostgreSQL data folder: move it away", s.place.data())
	}
	fresh := s.place.data() + ".new"
	var last error
	// Upper and lower case of Vietnamese letters need a UTF-8 locale; C orders by bytes, everywhere alike.
	for _, ctype := range []string{"C.UTF-8", "en_US.UTF-8", "C"} {
		if err := os.RemoveAll(fresh); err != nil {
			return err
		}
		args := []string{"-D", fresh, "-U", Superuser, "-E", "UTF8", "--locale=C", "--lc-ctype=" + ctype,
			"--auth-local=trust", "--auth-host=reject"}
		if s.opts.NoSync {
			args = append(args, "--no-sync")
		}
		out, err := s.command(ctx, "initdb", args...).CombinedOutput()
		if err == nil {
			return os.Rename(fresh, s.place.data())
		}
		last = fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
		if ctx.Err() != nil {
			break
		}
	}
	return last
}

// logTail is the end of what the log says since an offset, at most 4 KiB.
func logTail(name string, from int64) string {
	f, err := os.Open(name)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	if end, err := f.Seek(0, io.SeekEnd); err == nil && end-from > 4096 {
		from = end - 4096
	}
	b := make([]byte, 4096)
	n, _ := f.ReadAt(b, from)
	return strings.TrimSpace(string(b[:n]))
}

// takeLock holds a lock file for as long as this process lives; the kernel gives it up with the process, so none is stale.
func takeLock(ctx context.Context, name string, limit time.Duration) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = poll(ctx, func() (bool, error) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 32))
		_ = f.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, fmt.Errorf("%w (process %s, lock %s): stop it, or give another folder", ErrInUse, bytes.TrimSpace(holder), name)
		}
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0) // only for people
	}
	return f, nil
}
