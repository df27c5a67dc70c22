// Command scaffold lays out the folder of a new provider: an adapter, a simulator and a conformance test that compile at once and
// name, check by check, what is still to be written. make provider NAME=x runs it.
package main

import (
	"embed"
	"errors"
	"fmt"
	"go/format"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed layout
var layout embed.FS

// files are what is laid out, by the template it is made from; NAME in a path is the provider's.
func files() [][2]string {
	return [][2]string{
		{"provider.go.txt", "NAME.go"}, {"wire.go.txt", "wire.go"}, {"codes.go.txt", "codes.go"}, {"settlement.go.txt", "settlement.go"},
		{"conformance_test.go.txt", "conformance_test.go"}, {"sim.go.txt", "NAMEsim/NAMEsim.go"},
		{"", "testdata/codes.json"}, {"", "testdata/vectors.json"},
	}
}

// empty is what a list of codes or vectors begins as.
var empty = map[string]string{
	"testdata/codes.json":   "{\n  \"callback\": {},\n  \"query\": {}\n}\n",
	"testdata/vectors.json": "{\n  \"cases\": []\n}\n",
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "scaffold:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("usage: scaffold PROVIDERS-FOLDER NAME (make provider NAME=x)")
	}
	dir, name := args[0], args[1]
	if err := check(name); err != nil {
		return err
	}
	if err := lay(filepath.Join(dir, name), name); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, `providers/%[1]s is laid out. Next:
  go test ./providers/%[1]s      names what is missing, check by check
  docs/adding-a-provider.md      walks through it with a small example
When it is green: one line each in cmd/feegate/app.go (registry), cmd/simulator/main.go (Wires) and cmd/feegate/demo_seed.go (demoAccounts),
and its own words (field names, hosts) in cmd/feegate/deps_rules_test.go (wire).
`, name)
	return err
}

// check holds a name to what can be a folder, a package and a part of an address.
func check(name string) error {
	shared := []string{"sim", "providertest", "breaker", "mapping", "main", "providers", "testdata", "internal", "vendor"}
	switch {
	case !regexp.MustCompile(`^[a-z][a-z0-9]{1,19}$`).MatchString(name):
		return fmt.Errorf("the name %q must be 2 to 20 lower-case letters and digits, a letter first", name)
	case token.IsKeyword(name), types.Universe.Lookup(name) != nil:
		return fmt.Errorf("the name %q is a word of Go", name)
	case slices.Contains(shared, name), strings.HasSuffix(name, "sim"), strings.HasSuffix(name, "test"):
		return fmt.Errorf("the name %q belongs to what all providers share", name)
	}
	return nil
}

// lay writes the files. A folder that is there already is left alone.
func lay(dir, name string) error {
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is there already: nothing was written", dir)
	}
	for _, f := range files() {
		path := filepath.Join(dir, filepath.FromSlash(strings.ReplaceAll(f[1], "NAME", name)))
		text := []byte(empty[f[1]])
		if f[0] != "" {
			raw, err := layout.ReadFile("layout/" + f[0])
			if err != nil {
				return err
			}
			if text, err = format.Source([]byte(strings.ReplaceAll(string(raw), "PROVIDER", name))); err != nil {
				return fmt.Errorf("%s: %w", f[0], err)
			}
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
