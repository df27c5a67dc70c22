package paper

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"feegate/providers/providertest"
)

// lines are a text's lines but for blank ones.
func lines(text string) []string {
	return slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
}

// The walk-through shows this package: each of its blocks is in the file that it names, and the files that make the adapter are on
// the page from their first line to their last, in order.
func TestTheDocumentShowsThisPackage(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/adding-a-provider.md")
	if err != nil {
		t.Fatal(err)
	}
	document := string(raw)
	shown := map[string][]string{}
	for _, m := range regexp.MustCompile("(?ms)^```(?:go|json) (\\S+)\n(.*?)^```$").FindAllStringSubmatch(document, -1) {
		name, block := m[1], m[2]
		text, err := os.ReadFile(name)
		if err != nil {
			t.Errorf("the document shows %s: %v", name, err)
			continue
		}
		if !strings.Contains(string(text), block) {
			t.Errorf("the document shows of %s what is not in it:\n%s", name, block)
		}
		shown[name] = append(shown[name], lines(block)...)
	}
	for _, name := range []string{"paper.go", "wire.go", "codes.go", "settlement.go", "conformance_test.go", "testdata/codes.json", "testdata/vectors.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(shown[name], lines(string(text))) {
			t.Errorf("the document does not show all of %s, from first to last: %d lines of %d", name, len(shown[name]), len(lines(string(text))))
		}
	}
	if len(shown["papersim/papersim.go"]) == 0 {
		t.Error("nothing of the simulator is shown")
	}
	// Go without a name would be held to nothing.
	if n := strings.Count(document, "```go\n"); n != 0 {
		t.Errorf("%d blocks of Go name no file", n)
	}
	_, table, _ := strings.Cut(document, "## Every check by name")
	for _, c := range providertest.Checks() {
		if !strings.Contains(table, "`"+c.Name+"`") {
			t.Errorf("the check %s is not on the page", c.Name)
		}
		if c.Asks == "" {
			t.Errorf("the check %s does not say what it asks", c.Name)
		}
	}
	for _, m := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(table, -1) {
		if !slices.ContainsFunc(providertest.Checks(), func(c providertest.Check) bool { return c.Name == m[1] }) {
			t.Errorf("the page names a check %s that there is not", m[1])
		}
	}
}
