package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Widths that every page is looked at: a small phone and a desk.
const phone, desk = 360, 1280

// browser is one person's Chromium. It fails the test for a page that is wider than its window, asks a stranger for anything, or
// breaks its own content security policy.
type browser struct {
	t      *testing.T
	ctx    context.Context
	folder string
	width  int
	shots  int

	mu     sync.Mutex
	hosts  []string // that may be asked
	bytes  float64  // received since the last reset
	errors []string
}

// openBrowser starts a fresh Chromium with a window of the width; hosts are the only ones that its pages may ask.
func openBrowser(t *testing.T, folder string, width int, hosts ...string) *browser {
	t.Helper()
	profile, err := os.MkdirTemp("", "feegate-browser-")
	if err != nil {
		t.Fatal(err)
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.NoSandbox, chromedp.UserDataDir(profile),
		chromedp.WindowSize(width, 800), chromedp.WSURLReadTimeout(time.Minute))
	for _, flag := range []string{"disable-gpu", "disable-quic", "disable-background-networking", "disable-component-update", "disable-sync"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, done := chromedp.NewContext(allocator)
	limited, release := context.WithTimeout(ctx, 3*time.Minute)
	started := false
	t.Cleanup(func() {
		if started { // what never started would be waited for without end
			_ = chromedp.Cancel(ctx) // it waits until Chromium has ended
		}
		release()
		done()
		stop()
		_ = os.RemoveAll(profile)
	})
	b := &browser{t: t, ctx: limited, folder: folder, width: width, hosts: hosts}
	if err := chromedp.Listen(limited, b.hear); err != nil {
		t.Fatalf("Chromium (the package chromium) does not start: %v", err)
	}
	started = true
	b.run("size", chromedp.EmulateViewport(int64(width), 800))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, e := range b.errors {
			t.Error(e)
		}
	})
	return b
}

func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err == nil && u.Scheme != "data" && u.Host != "" && !slices.Contains(b.hosts, u.Host) {
			b.errors = append(b.errors, "a page asks a stranger: "+e.Request.URL)
		}
	case *network.EventLoadingFinished:
		b.bytes += e.EncodedDataLength
	case *log.EventEntryAdded:
		if strings.Contains(e.Entry.Text, "Content Security Policy") {
			b.errors = append(b.errors, e.Entry.URL+": "+e.Entry.Text)
		}
	}
}

func (b *browser) run(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v\n%s", what, err, b.body())
	}
}

// value is what an action gives.
func value[T any](b *browser, what string, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", what, err, b.body())
	}
	return v
}

// at is the page's address.
func (b *browser) at() string { return value(b, "where", chromedp.Location()) }

// body is the text of the page as it stands, for messages.
func (b *browser) body() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + (document.body ? document.body.innerText : "")`))
	return text
}

func (b *browser) open(address string) {
	b.t.Helper()
	b.run("open "+address, chromedp.Navigate(address))
}

// until waits until the page says the text, whatever pages come and go meanwhile.
func (b *browser) until(text string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	says := chromedp.Evaluate[bool](fmt.Sprintf(`document.readyState === "complete" && document.body.innerText.replaceAll("\u00a0", " ").includes(%q)`, text))
	for {
		if said, err := chromedp.Run(ctx, says); err == nil && said { // an error: the page is just changing
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("in vain for %q\n%s", text, b.body())
		case <-tick.C:
		}
	}
}

// press clicks and waits until the next page says the text.
func (b *browser) press(selector, then string) {
	b.t.Helper()
	b.run("press "+selector, chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
	b.until(then)
}

func (b *browser) fill(selector, text string) {
	b.t.Helper()
	b.run("fill "+selector, chromedp.SetValue(chromedp.CSS(selector), text))
}

// look keeps a picture of the page at both widths and holds it to its window.
func (b *browser) look(name string) {
	b.t.Helper()
	b.shots++
	for _, width := range []int{phone, desk} {
		b.run("look at "+name, chromedp.EmulateViewport(int64(width), 800))
		wide := value(b, "width", chromedp.Evaluate[[]int](`[document.documentElement.scrollWidth, innerWidth]`))
		picture := value(b, "picture", chromedp.FullScreenshot(100))
		if len(wide) != 2 || wide[0] > wide[1] || wide[1] != width {
			b.t.Errorf("%s at %d px: the page is %v wide", name, width, wide)
		}
		if b.own() {
			b.accessible(fmt.Sprintf("%s at %d px", name, width))
			b.pressable(fmt.Sprintf("%s at %d px", name, width))
		}
		file := filepath.Join(b.folder, fmt.Sprintf("%s-%d.png", name, width))
		if err := os.WriteFile(file, picture, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	b.run("back to size", chromedp.EmulateViewport(int64(b.width), 800))
}

// pressable holds what stands for itself, and not within a line of text, to the size of a thumb: 44 pixels high.
func (b *browser) pressable(name string) {
	b.t.Helper()
	small := value(b, "sizes", chromedp.Evaluate[[]string](`[...document.querySelectorAll("button, header a, .bar a, nav a, .figure, summary, select, input:not([type=hidden]):not([type=checkbox]):not([type=radio]), textarea")]
		.filter(e => e.getClientRects().length && e.getBoundingClientRect().height < 44).map(e => e.outerHTML.slice(0, 100) + " is " + Math.round(e.getBoundingClientRect().height) + " high")`))
	for _, s := range small {
		b.t.Errorf("%s: %s", name, s)
	}
}

// own says that the page is ours, and not the simulator's of a provider or portal.
func (b *browser) own() bool {
	at := b.at()
	return strings.Contains(at, "/console") || strings.Contains(at, "/pay/")
}

// received resets and gives what came over the wire since the last call.
func (b *browser) received() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.bytes
	b.bytes = 0
	return n
}

func host(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
