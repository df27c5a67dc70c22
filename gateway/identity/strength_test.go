package identity

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A list of any length, with counts and either kind of line's end, tells what is on it and nothing else.
func TestTheListOfStolenPasswords(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "lines")
		end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end")
		lines := []string{}
		for i := range n {
			line := fmt.Sprintf("%X", sha1.Sum(fmt.Appendf(nil, "stolen %d", i)))
			if rapid.Bool().Draw(t, "count") {
				line += fmt.Sprint(":", rapid.IntRange(0, 9_999_999).Draw(t, "times"))
			}
			lines = append(lines, line)
		}
		slices.Sort(lines)
		text := strings.Join(lines, end)
		if rapid.Bool().Draw(t, "last") {
			text += end
		}
		name := filepath.Join(dir, "list")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := OpenLeaked(name)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		for i := range n + 5 {
			if has, err := l.has(fmt.Sprint("stolen ", i)); err != nil || has != (i < n) {
				t.Fatalf("stolen %d of %d: %t %v", i, n, has, err)
			}
		}
	})
	for text, wrong := range map[string]string{"": "no SHA-1", "password\n": "no SHA-1"} {
		name := filepath.Join(dir, "no list")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenLeaked(name); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A password on the list is refused, however strong it looks.
func TestAStolenPasswordIsRefused(t *testing.T) {
	h := newHouse(t)
	name := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(name, fmt.Appendf(nil, "%X:3\n", sha1.Sum([]byte(goodPassword))), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := OpenLeaked(name)
	if err != nil {
		t.Fatal(err)
	}
	h.s.Refuse(l)
	_, err = h.s.CreateUser(t.Context(), System(), NewUser{Name: "mai", Password: goodPassword, Roles: []Role{Finance}})
	var wrong *InvalidError
	if !errors.As(err, &wrong) || !strings.Contains(wrong.Detail, "stolen") {
		t.Errorf("%v", err)
	}
	if _, err := h.s.CreateUser(t.Context(), System(), NewUser{Name: "mai", Password: goodPassword + " nữa", Roles: []Role{Finance}}); err != nil {
		t.Error(err)
	}
}
