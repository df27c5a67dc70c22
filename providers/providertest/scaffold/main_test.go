package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"feegate/providers/providertest"
)

func TestNames(t *testing.T) {
	for name, right := range map[string]bool{
		"vipay": true, "bank24": true, "ab": true, "": false, "a": false, "ViPay": false, "vi-pay": false, "vi_pay": false, "9pay": false, "../x": false, "ví": false,
		"go": false, "select": false, "string": false, "sim": false, "providertest": false, "breaker": false, "vipaysim": false, "vipaytest": false, "abcdefghijklmnopqrstu": false,
	} {
		if err := check(name); (err == nil) != right {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, args := range [][]string{nil, {"x"}, {"a", "b", "c"}, {t.TempDir(), "Bad"}} {
		if err := run(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q passes", args)
		}
	}
}

func TestWhatIsThereIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "vipay", "mine.go")
	if err := os.MkdirAll(filepath.Dir(mine), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{dir, "vipay"}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "there already") {
		t.Error(err)
	}
	entries, err := os.ReadDir(filepath.Dir(mine))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
}

// module makes a folder that is this module to the go command, by links to its rooms, with a folder of providers that can be
// written into.
func module(t *testing.T) (providers string) {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	providers = filepath.Join(dir, "providers")
	if err := os.Mkdir(providers, 0o755); err != nil {
		t.Fatal(err)
	}
	link := func(from, to string) {
		entries, err := os.ReadDir(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() == "providers" || e.Name() == ".git" {
				continue
			}
			if err := os.Symlink(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	link(root, dir)
	link(filepath.Join(root, "providers"), providers)
	return providers
}

// What is laid out compiles as a part of this module, holds under vet, and its conformance test names every check, each with
// what it asks.
func TestWhatIsLaidOutCompilesAndNamesWhatIsMissing(t *testing.T) {
	providers := module(t)
	var said bytes.Buffer
	if err := run([]string{providers, "scaffolded"}, &said); err != nil || !strings.Contains(said.String(), "go test ./providers/scaffolded ") {
		t.Fatalf("%v %s", err, &said)
	}
	tool := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = filepath.Dir(providers)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := tool("vet", "./providers/scaffolded", "./providers/scaffolded/scaffoldedsim"); err != nil {
		t.Fatalf("vet: %v\n%s", err, out)
	}
	out, err := tool("test", "-count=1", "-v", "./providers/scaffolded")
	if err == nil || strings.Contains(out, "panic") || !strings.Contains(out, "--- PASS: TestWhatIsNotKnownHasNotFailed") {
		t.Errorf("%v\n%s", err, out)
	}
	// Of what says nothing no secret can be told, and who neither pays back nor lists transfers is not asked how.
	nothingYet := []string{"secrets", "refund-twice", "fetch"}
	for _, c := range providertest.Checks() {
		if red := strings.Contains(out, "--- FAIL: TestConformance/"+c.Name+" "); red == slices.Contains(nothingYet, c.Name) {
			t.Errorf("%s: red is %v", c.Name, red)
		} else if red && !strings.Contains(out, "what "+c.Name+" asks: "+c.Asks) {
			t.Errorf("%s does not say what it asks", c.Name)
		}
	}
}
