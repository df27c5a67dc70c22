package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// The black box: the built programs, run as a user runs them, and spoken to by HTTP alone.

// binaries is the folder of the built programs; TestMain makes and removes it.
var binaries string

// built builds the programs, once for all tests that run them.
var built = sync.OnceValue(func() error {
	if out, err := exec.Command("go", "build", "-o", binaries, "feegate/cmd/feegate", "feegate/cmd/simulator").CombinedOutput(); err != nil {
		return fmt.Errorf("building: %w\n%s", err, out)
	}
	return nil
})

func TestMain(m *testing.M) {
	if raw := os.Getenv(liarChild); raw != "" {
		os.Exit(liarGateway(raw))
	}
	var err error
	if binaries, err = os.MkdirTemp("", "feegate-bin-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(binaries)
	os.Exit(code)
}

// ready is what the demo's ready file says.
type ready struct {
	API          string     `json:"api"`
	Console      string     `json:"console"`
	Simulator    string     `json:"simulator"`
	DatabaseURL  string     `json:"database_url"`
	APIKey       string     `json:"api_key"`
	CaseKey      string     `json:"case_key"`
	OtherKey     string     `json:"other_key"`
	ReportingKey string     `json:"reporting_key"`
	Users        []demoUser `json:"users"`
	Accounts     []struct {
		ID          string            `json:"id"`
		Provider    string            `json:"provider"`
		AgencyCode  string            `json:"agency_code"`
		Kinds       []string          `json:"kinds"`
		Credentials map[string]string `json:"credentials"`
	} `json:"accounts"`
}

// box is a running demo.
type box struct {
	t     *testing.T
	dir   string
	ready ready
	cmd   *exec.Cmd
	ended chan error
	logs  *lockedBuffer
	n     int
	told  string // what it said when it was ready
}

// openBox starts the demo in a folder of the test's own.
func openBox(t *testing.T, args ...string) *box {
	t.Helper()
	// Not t.TempDir(): root's PostgreSQL could not enter it, and would lie elsewhere.
	dir, err := os.MkdirTemp("/var/tmp", "feegate-box-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if elsewhere, err := os.ReadFile(filepath.Join(dir, "data", "postgres.path")); err == nil { // as root the cluster lies outside
			_ = os.RemoveAll(strings.TrimSpace(string(elsewhere)))
		}
		_ = os.RemoveAll(dir)
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b := &box{t: t, dir: dir, logs: &lockedBuffer{}}
	b.start(args...)
	return b
}

// start runs the demo until its ready line, and reads the ready file.
func (b *box) start(args ...string) {
	b.t.Helper()
	if err := built(); err != nil {
		b.t.Fatal(err)
	}
	file := filepath.Join(b.dir, "ready.json")
	b.cmd = exec.Command(filepath.Join(binaries, "feegate"), append([]string{"demo", "--data-dir", filepath.Join(b.dir, "data"), "--listen", "127.0.0.1:0",
		"--simulator-listen", "127.0.0.1:0", "--ready-file", file}, args...)...)
	b.cmd.Stderr = b.logs
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.ended = make(chan error, 1)
	b.t.Cleanup(b.stop)
	lines := bufio.NewScanner(out)
	up := false
	for !up && lines.Scan() {
		up = strings.Contains(lines.Text(), "feegate is ready")
	}
	if up { // to the end of what it tells
		b.told = lines.Text()
		for !strings.Contains(b.told, "Ctrl-C stops everything") && lines.Scan() {
			b.told += "\n" + lines.Text()
		}
	}
	go func() {
		_, _ = io.Copy(io.Discard, out)
		b.ended <- b.cmd.Wait()
	}()
	if !up {
		b.t.Fatalf("the demo did not come up: %v\n%s", <-b.ended, b.logs)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	b.ready = ready{}
	if err := json.Unmarshal(raw, &b.ready); err != nil {
		b.t.Fatal(err)
	}
}

// stop ends the demo as Ctrl-C does.
func (b *box) stop() { b.end(os.Interrupt) }

// kill is kill -9.
func (b *box) kill() { b.end(os.Kill) }

// end sends a signal, once, and waits.
func (b *box) end(s os.Signal) {
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Signal(s)
	select {
	case <-b.ended:
	case <-time.After(time.Minute):
		_ = b.cmd.Process.Kill()
		b.t.Errorf("the demo did not end\n%s", b.logs)
	}
	b.cmd = nil
}

// do sends a call with a bearer token and gives status and body; each has an Idempotency-Key of its own.
func (b *box) do(token, method, path string, body any) (int, []byte) {
	b.t.Helper()
	b.n++
	status, raw, err := try(b.t.Context(), token, method, b.address(path), fmt.Sprint("box-", b.n), body)
	if err != nil {
		b.t.Fatalf("%s %s: %v\n%s", method, path, err, b.logs)
	}
	return status, raw
}

func (b *box) address(path string) string {
	switch {
	case strings.HasPrefix(path, "http"):
		return path
	case strings.HasPrefix(path, "/control/"):
		return b.ready.Simulator + path
	}
	return b.ready.API + path
}

// try sends a call; a string body goes as it stands, anything else as JSON.
func try(ctx context.Context, token, method, url, key string, body any) (int, []byte, error) {
	var r io.Reader
	switch v := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(v)
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			return 0, nil, err
		}
		r = strings.NewReader(string(raw))
	}
	req, err := http.NewRequestWithContext(ctx, method, url, r)
	if err != nil {
		return 0, nil, err
	}
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Idempotency-Key", key)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, raw, err
}

// get sends a call and decodes its answer, which must have the status wanted.
func get[T any](b *box, want int, token, method, path string, body any) T {
	b.t.Helper()
	status, raw := b.do(token, method, path, body)
	var v T
	if status != want {
		b.t.Fatalf("%s %s: %d %s, want %d", method, path, status, raw, want)
	}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &v); err != nil {
			b.t.Fatalf("%s %s: %s: %v", method, path, raw, err)
		}
	}
	return v
}

// until asks again until the condition holds; the test fails after a minute.
func (b *box) until(what string, holds func() bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			b.t.Fatalf("in vain: %s\n%s", what, b.logs)
		case <-tick.C:
		}
	}
}

// signIn gives a session of the named person.
func (b *box) signIn(name string) string {
	b.t.Helper()
	for _, u := range b.ready.Users {
		if u.Name == name {
			return get[struct{ Token string }](b, http.StatusCreated, "", http.MethodPost, "/v1/sessions", map[string]string{"name": u.Name, "password": u.Password}).Token
		}
	}
	b.t.Fatalf("nobody is called %s", name)
	return ""
}

// account is the first agency's account at a provider.
func (b *box) account(provider string) string {
	b.t.Helper()
	for _, a := range b.ready.Accounts {
		if a.Provider == provider {
			return a.ID
		}
	}
	b.t.Fatalf("no account at %s", provider)
	return ""
}

// demoOrder is an order of the first agency, in the shape that a portal sends.
func demoOrder(reference string, n, amount int) string {
	return fmt.Sprintf(`{"reference":%q,"dossier_code":"H10.12-260310-%04d","procedure_code":"1.100001","agency_code":"H10.12","payer":{"name":"Nguyễn Văn A","identity_number":"079000000001"},
		"lines":[{"fee_code":"1.100001-le_phi","kind":"le_phi","name":"Lệ phí","quantity":1,"unit_amount":%d,"gross":%d,"net":%d}],"amount":%d}`, reference, n, amount, amount, amount, amount)
}

func TestDemoStartsEmptyAndGoesOn(t *testing.T) {
	b := openBox(t, "--empty", "--clock", "2026-03-10T09:00:00+07:00")
	if len(b.ready.Users) != 8 || len(b.ready.Accounts) < 13 {
		t.Fatalf("%d users, %d accounts", len(b.ready.Users), len(b.ready.Accounts))
	}
	session := b.signIn("finance")
	if status, raw := b.do(session, http.MethodGet, "/v1/providers", nil); status != http.StatusOK {
		t.Errorf("finance asks for providers: %d %s", status, raw)
	}
	moved := get[struct{ Now time.Time }](b, http.StatusOK, "", http.MethodPost, "/control/clock", map[string]string{"advance": "36h"})
	type made struct {
		CreatedAt time.Time `json:"created_at"`
	}
	before := get[made](b, http.StatusCreated, b.ready.APIKey, http.MethodPost, "/v1/orders", demoOrder("D1", 1, 120000))
	if before.CreatedAt.Before(moved.Now) {
		t.Errorf("made at %s, the clock stood at %s", before.CreatedAt, moved.Now)
	}
	old := b.ready
	b.kill()
	b.start("--empty", "--clock", "2026-01-01T00:00:00+07:00") // over an old folder the clock goes on
	if b.ready.APIKey != old.APIKey || b.ready.Users[0] != old.Users[0] {
		t.Error("other keys or users over an old folder")
	}
	b.n += 100 // the keys of before the kill are used
	after := get[made](b, http.StatusCreated, b.ready.APIKey, http.MethodPost, "/v1/orders", demoOrder("D2", 2, 120000))
	if after.CreatedAt.Before(before.CreatedAt) || after.CreatedAt.Sub(before.CreatedAt) > 10*time.Minute {
		t.Errorf("the clock went from %s to %s", before.CreatedAt, after.CreatedAt)
	}
	other := filepath.Join(b.dir, "other.json")
	if err := os.WriteFile(other, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := os.Stat(other); err != nil {
			t.Errorf("one that cannot start takes away what the running one wrote: %v", err)
		}
	}()
	var taken lockedBuffer
	if code := run(t.Context(), []string{"demo", "--data-dir", filepath.Join(b.dir, "other"), "--listen", strings.TrimPrefix(b.ready.API, "http://"), "--ready-file",
		other}, io.Discard, &taken); code != 1 || !strings.Contains(taken.String(), "taken") {
		t.Errorf("a taken port: %d %s", code, taken.String())
	}
}

// Without --empty the demo has a past: settled but for yesterday, with a rate that adds up and a few differences to look into.
func TestDemoHasAPast(t *testing.T) {
	b := openBox(t, "--clock", "2026-03-10T09:00:00+07:00")
	b.tour()
	session := b.signIn("finance")
	report := get[struct {
		Rows  []storyRow
		Total storyRow
	}](b, http.StatusOK, b.ready.ReportingKey, http.MethodGet, "/v1/reports/adoption?from=2025-12-01&to=2026-03-09&group_by=agency", nil)
	var numerator, denominator int64
	for _, r := range report.Rows {
		numerator, denominator = numerator+r.Rates["transactions"].Numerator, denominator+r.Rates["transactions"].Denominator
	}
	total := report.Total.Rates["transactions"]
	if len(report.Rows) != 6 || total.Numerator != numerator || total.Denominator != denominator || denominator < 15000 || numerator*2 > denominator {
		t.Errorf("%d agencies, %d of %d; the total says %+v", len(report.Rows), numerator, denominator, total)
	}
	kinds := map[string]int{}
	for _, d := range get[struct{ Items []struct{ Kind string } }](b, http.StatusOK, session, http.MethodGet, "/v1/discrepancies?limit=200&status=open", nil).Items {
		kinds[d.Kind]++
	}
	for _, kind := range []string{"missing_at_provider", "missing_at_gateway", "amount_mismatch", "duplicate_line"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s among %v", kind, kinds)
		}
	}
	friday := get[storyDay](b, http.StatusOK, session, http.MethodGet, "/v1/reconciliations/2026-03-06", nil)
	if friday.Settled.Count == 0 || friday.Unexplained != 0 {
		t.Errorf("a settled day: %+v", friday)
	}
	if yesterday := get[storyDay](b, http.StatusOK, session, http.MethodGet, "/v1/reconciliations/2026-03-09", nil); yesterday.Payments.Count == 0 || yesterday.Settled.Count != 0 {
		t.Errorf("yesterday, which is for the morning: %+v", yesterday)
	}
}

// tour follows the addresses that the demo told, with the log-ins beside them: each page says what it is.
func (b *box) tour() {
	b.t.Helper()
	stops := regexp.MustCompile(`(?m)^ +[1-5] +.*?(http://\S+)(?: +(\S+) / (\S+))?`).FindAllStringSubmatch(b.told, -1)
	if len(stops) != 5 {
		b.t.Fatalf("%d stops: %s", len(stops), b.told)
	}
	says := []string{"Đây là một cổng dịch vụ công nhỏ", "Đây là buổi sáng của người đối soát", "Đây là tỷ lệ nộp trực tuyến", "Đây là nơi người vận hành", "openapi.yaml"}
	for i, stop := range stops {
		jar, err := cookiejar.New(nil)
		if err != nil {
			b.t.Fatal(err)
		}
		c := &http.Client{Jar: jar, Timeout: time.Minute}
		get := func(r *http.Response, err error) string {
			b.t.Helper()
			if err != nil {
				b.t.Fatal(err)
			}
			defer func() { _ = r.Body.Close() }()
			raw, err := io.ReadAll(r.Body)
			if err != nil || r.StatusCode != http.StatusOK {
				b.t.Fatalf("%s: %d %v", stop[1], r.StatusCode, err)
			}
			return string(raw)
		}
		page := get(c.Get(stop[1]))
		if stop[2] != "" { // it asks who comes, and goes on to where it was
			u, err := url.Parse(stop[1])
			if err != nil {
				b.t.Fatal(err)
			}
			if !strings.Contains(page, "Mật khẩu") {
				b.t.Errorf("%s does not ask who comes", stop[1])
			}
			page = get(c.PostForm("http://"+u.Host+"/console/sign-in", url.Values{"name": {stop[2]}, "password": {stop[3]}, "next": {u.RequestURI()}}))
		}
		if !strings.Contains(page, says[i]) {
			b.t.Errorf("%s does not say what it is: %.600s", stop[1], page)
		}
	}
}
