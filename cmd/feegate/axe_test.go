package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
)

// axeVersion is the one that .ci/prepare gets.
const axeVersion = "4.14.1"

// axe is axe-core's script, read once.
var axe = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	raw, err := os.ReadFile(filepath.Join(cache, "feegate", "axe-core-"+axeVersion, "package", "axe.min.js"))
	if err != nil {
		return "", fmt.Errorf("axe-core is not there: .ci/prepare gets it: %w", err)
	}
	return string(raw), nil
})

// violation is what axe-core finds against a rule.
type violation struct {
	ID, Help string
	Nodes    []string
}

const axeRun = `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v => ({ID: v.id, Help: v.help, Nodes: v.nodes.map(n => n.html.slice(0, 200) + " | " + n.any.concat(n.all, n.none).map(c => c.message).join("; "))})))`

// accessible holds the page as it is shown now to every rule of axe-core: WCAG 2 and good practice.
func (b *browser) accessible(name string) {
	b.t.Helper()
	script, err := axe()
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	// The pages' policy lets no foreign script in; what the protocol evaluates does not ask it.
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`typeof axe === "object" ? true : (() => {`+script+`; return true})()`)); err != nil {
		b.t.Fatalf("axe-core on %s: %v", name, err)
	}
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]violation](axeRun, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("axe-core on %s: %v", name, err)
	}
	for _, v := range found {
		b.t.Errorf("%s: %s: %s\n  %s", name, v.ID, v.Help, strings.Join(v.Nodes, "\n  "))
	}
}
