package localdb

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// account is the operating system's user that the server runs as.
type account struct {
	name     string
	uid, gid uint32
}

// place says where a cluster's files lie and who owns them. home holds data, log and the socket's folder; it belongs to
// the server's user, mode 0700.
type place struct {
	home   string
	socket string
	as     account
	drop   bool // the server's user is not ours: we are root
	moved  bool // home lies outside the folder it belongs to
}

func (p place) data() string              { return filepath.Join(p.home, "data") }
func (p place) logFile() string           { return filepath.Join(p.home, "log") }
func (p place) pointer(dir string) string { return filepath.Join(dir, "postgres.path") }

// socketLimit is the longest socket folder: the kernel allows 103 bytes (macOS) for folder + "/.s.PGSQL.5432".
const socketLimit = 88

// choosePlace decides where the cluster of dir lives, makes the folders, and gives them to the server's user.
func choosePlace(dir string) (place, error) {
	p := place{as: account{name: "this user", uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}}
	inside := filepath.Join(dir, "postgres")
	named, err := os.ReadFile(filepath.Join(dir, "postgres.path"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	if os.Geteuid() == 0 {
		p.drop = true
		owner, known := ownerOf(inside)
		if home := strings.TrimSpace(string(named)); home != "" {
			owner, known = ownerOf(home)
		}
		if p.as, err = serverUser(owner, known, user.Lookup); err != nil {
			return p, err
		}
	}
	p.home, p.moved = homeFor(dir, strings.TrimSpace(string(named)), passable(dir, p.as, statMode))
	if p.moved {
		if err := os.WriteFile(p.pointer(dir), []byte(p.home+"\n"), 0o644); err != nil {
			return p, err
		}
	}
	p.socket = socketFor(p.home)
	for _, d := range []string{p.home, p.socket} {
		if err := ownFolder(d, p.as); err != nil {
			return p, err
		}
	}
	return p, nil
}

// homeFor is where the files of dir's cluster lie: where an earlier start put them, else inside dir if the server's user
// can get there, else under /var/tmp.
func homeFor(dir, named string, reachable bool) (home string, moved bool) {
	if named != "" && filepath.IsAbs(named) {
		return filepath.Clean(named), true
	}
	if reachable {
		return filepath.Join(dir, "postgres"), false
	}
	return filepath.Join("/var/tmp", "feegate-"+shortHash(dir)), true
}

// socketFor is the socket's folder: inside home where the kernel's limit allows, else a short one beside the other
// temporary files.
func socketFor(home string) string {
	if s := filepath.Join(home, "run"); len(s) <= socketLimit {
		return s
	}
	return filepath.Join("/tmp", "feegate-"+shortHash(home))
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}

// serverUser is whom root runs the server as: the owner of the files that are there already, else postgres, else nobody.
func serverUser(owner account, known bool, lookup func(string) (*user.User, error)) (account, error) {
	if known && owner.uid != 0 {
		return owner, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil && uid != 0 {
			return account{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
		}
	}
	return account{}, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody: make one, or start feegate as an ordinary user")
}

// ownerOf is the owner of a folder, if it exists.
func ownerOf(dir string) (account, bool) {
	fi, err := os.Stat(dir)
	if err != nil {
		return account{}, false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return account{}, false
	}
	a := account{name: strconv.Itoa(int(st.Uid)), uid: st.Uid, gid: st.Gid}
	if u, err := user.LookupId(a.name); err == nil {
		a.name = u.Username
	}
	return a, true
}

// entry is what decides whether a user may pass a folder.
type entry struct {
	mode     fs.FileMode
	uid, gid uint32
}

func statMode(path string) (entry, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return entry{}, err
	}
	e := entry{mode: fi.Mode()}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		e.uid, e.gid = st.Uid, st.Gid
	}
	return e, nil
}

// passable says whether a user may enter path and every folder above it, by the mode bits.
func passable(path string, as account, stat func(string) (entry, error)) bool {
	if as.uid == 0 {
		return true
	}
	for {
		e, err := stat(path)
		if err != nil {
			return false
		}
		bit := fs.FileMode(0o001)
		switch {
		case e.uid == as.uid:
			bit = 0o100
		case e.gid == as.gid:
			bit = 0o010
		}
		if e.mode.Perm()&bit == 0 {
			return false
		}
		up := filepath.Dir(path)
		if up == path {
			return true
		}
		path = up
	}
}

// ownFolder makes a folder of mode 0700 that belongs to a user. One that somebody else made (in /var/tmp anyone can) is
// refused, unless it is root's and we are root.
func ownFolder(dir string, as account) error {
	err := os.Mkdir(dir, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("a folder for PostgreSQL: %w", err)
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || !fi.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	if st.Uid != as.uid {
		if st.Uid != uint32(os.Geteuid()) {
			return fmt.Errorf("%s belongs to user %d, not to %s (%d): move it away, or start feegate as its owner", dir, st.Uid, as.name, as.uid)
		}
		if err := os.Lchown(dir, int(as.uid), int(as.gid)); err != nil {
			return err
		}
	}
	if fi.Mode().Perm() != 0o700 {
		return os.Chmod(dir, 0o700)
	}
	return nil
}
