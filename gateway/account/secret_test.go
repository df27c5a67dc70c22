package account

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newKeys(t *testing.T) (*Keys, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "master.key")
	k, err := NewKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	return k, file
}

func TestSealOpensUnderItsContextAlone(t *testing.T) {
	k, _ := newKeys(t)
	plain := []byte("khoá bí mật")
	sealed, err := k.Seal(plain, "account:acc_1")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, plain) {
		t.Error("the sealed text holds the plain one")
	}
	if again, err := k.Seal(plain, "account:acc_1"); err != nil || bytes.Equal(again, sealed) {
		t.Errorf("sealed twice it looks the same: %v", err)
	}
	if got, err := k.Open(sealed, "account:acc_1"); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%q %v", got, err)
	}
	other, _ := newKeys(t)
	broken := bytes.Clone(sealed)
	broken[len(broken)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another context": func() ([]byte, error) { return k.Open(sealed, "account:acc_2") },
		"another key":     func() ([]byte, error) { return other.Open(sealed, "account:acc_1") },
		"one bit changed": func() ([]byte, error) { return k.Open(broken, "account:acc_1") },
		"cut short":       func() ([]byte, error) { return k.Open(sealed[:len(sealed)-1], "account:acc_1") },
		"nothing":         func() ([]byte, error) { return k.Open(nil, "account:acc_1") },
	} {
		if got, err := open(); err == nil {
			t.Errorf("%s: opened %q", name, got)
		}
	}
}

func TestKeysSurviveTheFile(t *testing.T) {
	k, file := newKeys(t)
	sealed, err := k.Seal([]byte("x"), "c")
	if err != nil {
		t.Fatal(err)
	}
	digest, err := k.Digest("payer", []byte("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	for _, load := range []func(string) (*Keys, error){LoadKeys, EnsureKeys} {
		again, err := load(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := again.Open(sealed, "c"); err != nil || string(got) != "x" {
			t.Errorf("%q %v", got, err)
		}
		if d, err := again.Digest("payer", []byte("0123456789")); err != nil || !bytes.Equal(d, digest) {
			t.Errorf("another digest: %x %v", d, err)
		}
	}
}

func TestDigest(t *testing.T) {
	k, _ := newKeys(t)
	other, _ := newKeys(t)
	digest := func(k *Keys, purpose, data string) string {
		d, err := k.Digest(purpose, []byte(data))
		if err != nil || len(d) != 32 {
			t.Fatalf("%x %v", d, err)
		}
		return string(d)
	}
	base := digest(k, "payer", "0123456789")
	if digest(k, "payer", "0123456789") != base {
		t.Error("not the same twice")
	}
	for name, d := range map[string]string{
		"other data":              digest(k, "payer", "0123456788"),
		"other purpose":           digest(k, "checkout", "0123456789"),
		"other key":               digest(other, "payer", "0123456789"),
		"the border moved":        digest(k, "payer0", "123456789"),
		"no purpose, all of data": digest(k, "", "payer0123456789"),
	} {
		if d == base {
			t.Errorf("%s: the same digest", name)
		}
	}
}

func TestKeyFile(t *testing.T) {
	_, file := newKeys(t)
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", fi.Mode(), err)
	}
	if _, err := NewKeys(file); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an existing key must not be overwritten: %v", err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKeys(file); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("readable by others: %v", err)
	}
	if _, err := LoadKeys(file + ".none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	fresh := filepath.Join(filepath.Dir(file), "fresh.key")
	if _, err := EnsureKeys(fresh); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{"empty": "", "not JSON": "x", "no keys": "{}", "half": `{"seal":{"primaryKeyId":1,"key":[]},"digest":{}}`} {
		bad := filepath.Join(filepath.Dir(file), "bad.key")
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKeys(bad); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}
