package localdb

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// What the operating system says about processes: /proc where there is one, ps elsewhere.

// alive says whether a process runs. A zombie does not: where nobody reaps orphans (a container without an init), a dead
// server would look alive for ever.
func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); err == syscall.ESRCH {
		return false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !os.IsNotExist(err) || !hasProc()
	}
	// pid (name) state …; the name may hold blanks and brackets
	rest := string(b[strings.LastIndexByte(string(b), ')')+1:])
	return !strings.HasPrefix(strings.TrimSpace(rest), "Z")
}

func hasProc() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}

// isServerOf says whether a living process is a PostgreSQL of this data folder: its working folder is the data folder.
func isServerOf(pid int, data string) bool {
	if !alive(pid) {
		return false
	}
	if hasProc() {
		cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		return err == nil && sameFolder(cwd, data)
	}
	out, err := exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), "postgres")
}

func sameFolder(a, b string) bool {
	fa, err1 := os.Stat(a)
	fb, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(fa, fb)
}

// waitNoUsers waits until no process has the data folder as its working folder.
func (s *Server) waitNoUsers(ctx context.Context) error {
	err := poll(ctx, func() (bool, error) {
		links, err := filepath.Glob("/proc/[0-9]*/cwd")
		if err != nil {
			return false, err
		}
		for _, l := range links {
			if cwd, err := os.Readlink(l); err == nil && cwd == s.place.data() {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("processes still use %s: %w", s.place.data(), err)
	}
	return nil
}
