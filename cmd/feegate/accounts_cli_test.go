package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
)

// cli runs the program's commands in this process. They go by the machine's clock, the street by its own.
type cli struct {
	t        *testing.T
	database []string
}

// commands is the command line over the street's database and master key.
func (s *street) commands() *cli {
	s.t.Helper()
	service, _ := dbtest.URLs(s.t, s.db)
	return &cli{s.t, []string{"--database-url", service, "--master-key-file", s.keyFile, "--public-url", s.api}}
}

// do runs "account …" and gives what it said, and read as JSON where that was asked for.
func (c *cli) do(want int, args ...string) (string, map[string]any) {
	c.t.Helper()
	return c.run(want, append([]string{"account"}, args...)...)
}

func (c *cli) run(want int, args ...string) (string, map[string]any) {
	c.t.Helper()
	var out, errOut bytes.Buffer
	all := append(append([]string{}, args...), c.database...)
	if code := run(c.t.Context(), all, &out, &errOut); code != want {
		c.t.Fatalf("%v: %d, want %d\n%s%s", args, code, want, out.String(), errOut.String())
	}
	v := map[string]any{}
	_ = json.Unmarshal(out.Bytes(), &v) // not every answer is an object
	return out.String() + errOut.String(), v
}

func (c *cli) file(v any) string {
	c.t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		c.t.Fatal(err)
	}
	name := filepath.Join(c.t.TempDir(), "in.json")
	if err := os.WriteFile(name, raw, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return name
}

func TestAccountsByCommands(t *testing.T) {
	s := newStreet(t)
	c := s.commands()
	s.person("mai", []identity.Role{identity.Admin, identity.Approver})
	s.person("lan", []identity.Role{identity.Approver})
	s.person("xa", []identity.Role{identity.Admin, identity.Approver}, "H10.99")
	in := s.newMoMo("MOMOCLI")
	credentials := in["credentials"]
	delete(in, "credentials")
	in["valid_from"] = "2020-01-01"
	c.do(2, "create", c.file(in), "--credentials", c.file(credentials)) // nobody proposes the beneficiary
	c.do(1, "create", c.file(in), "--credentials", c.file(credentials), "--by", "lan")
	c.do(1, "create", c.file(in), "--credentials", c.file(credentials), "--by", "xa")
	if said, _ := c.do(1, "create", c.file(in), "--by", "mai"); !strings.Contains(said, "credentials.secretKey: is missing") {
		t.Errorf("%s", said)
	}
	misspelt := maps.Clone(in)
	misspelt["max"] = 5
	c.do(1, "create", c.file(misspelt), "--by", "mai")
	said, v := c.do(0, "create", c.file(in), "--credentials", c.file(credentials), "--by", "mai", "--json")
	id, _ := v["id"].(string)
	if v["usable"] != false || v["callback_url"] != s.api+"/callbacks/momo/"+id || strings.Contains(said, "SKnew1") {
		t.Fatalf("%s", said)
	}
	// The doctor names it and how to mend it.
	doctor := func() string {
		var out bytes.Buffer
		run(t.Context(), append([]string{"doctor"}, c.database...), &out, &out)
		return out.String()
	}
	if said := doctor(); !strings.Contains(said, "WRONG account "+id+": no beneficiary is approved") || !strings.Contains(said, "feegate account beneficiary approve "+id+" bnf_") ||
		!strings.Contains(said, "ok    account acc_momo") {
		t.Errorf("%s", said)
	}
	waiting := proposal(t, v)
	if said, _ := c.do(1, "beneficiary", "approve", id, waiting, "--by", "mai"); !strings.Contains(said, "another person must") {
		t.Errorf("%s", said)
	}
	c.do(1, "beneficiary", "approve", id, waiting, "--by", "nobody")
	if _, v := c.do(0, "beneficiary", "approve", id, waiting, "--by", "lan", "--json"); v["usable"] != true {
		t.Errorf("%v", v)
	}
	if said := doctor(); strings.Contains(said, "WRONG account "+id) {
		t.Errorf("%s", said)
	}
	// The account that a command opened works for payers, within seconds.
	if _, err := s.world.Move(t.Context(), func(now time.Time) time.Time { // to where the commands live, or later
		return time.UnixMilli(max(now.UnixMilli(), time.Now().Add(time.Second).UnixMilli()))
	}); err != nil {
		t.Fatal(err)
	}
	s.ok(s.as(s.signedIn("mai"), http.MethodPatch, "/v1/accounts/acc_vnpay", "", map[string]any{"version": 1, "position": 5}), 200) // whoever writes reads anew
	s.atMoMo(id, "MOMOCLI", "AKnew1", "SKnew1SKnew1SKnew1")
	if r := s.pays(1, id); r.status != 201 {
		t.Errorf("%d %s", r.status, r.body)
	}

	c.do(2, "set", id, "--max", "-5")
	c.do(2, "set", id, "--tariff-from", "2026-05-01")
	c.do(1, "set", id, "--kinds", "nvtc,phi")
	c.do(1, "set", id, "--version", "7", "--max", "10000")
	_, v = c.do(0, "set", id, "--version", "1", "--kinds", "phi", "--methods", "qr,wallet", "--min", "2000", "--max", "30000", "--tariff-bps", "90", "--cutoff", "17:00", "--weekdays", "1,2,3,4,5",
		"--days", "2", "--holidays", "2027-01-01", "--position", "9", "--timeout", "lookup=5000", "--valid-to", "2099-01-01", "--by", "mai", "--json")
	for field, want := range map[string]string{"kinds": "[phi]", "methods": "[qr wallet]", "min_amount": "2000", "max_amount": "30000", "cutoff": "17:00", "position": "9", "valid_to": "2099-01-01",
		"timeouts": "map[lookup:5000]", "calendar": "map[days:2 holidays:[2027-01-01] weekdays:[1 2 3 4 5]]", "version": "2", "tariff": "map[bps:90 fixed:0 max:0 min:0]"} {
		if got := fmt.Sprint(v[field]); got != want {
			t.Errorf("%s is %s, want %s", field, got, want)
		}
	}
	_, v = c.do(0, "set", id, "--valid-to", "never", "--methods", "all", "--holidays", "none", "--json")
	if v["valid_to"] != nil || fmt.Sprint(v["methods"]) != "[]" || fmt.Sprint(v["calendar"]) != "map[days:2 holidays:[] weekdays:[1 2 3 4 5]]" {
		t.Errorf("%v", v)
	}

	// Rotation: whole, by file, and no secret in what it says.
	next := map[string]string{"partnerCode": "MOMOCLI", "accessKey": "AKnew2", "secretKey": "SKnew2SKnew2"}
	c.do(2, "rotate", id)
	c.do(1, "rotate", id, "--credentials", c.file(map[string]any{"partnerCode": "MOMOCLI", "accessKey": "A", "secretKey": 12345678}))
	said, v = c.do(0, "rotate", id, "--credentials", c.file(next), "--overlap", "2h", "--by", "mai", "--json")
	if len(v["secrets"].([]any)) != 2 || strings.Contains(said, "SKnew2") {
		t.Errorf("%s", said)
	}
	if said, _ := c.do(1, "rotate", id, "--credentials", c.file(credentials)); !strings.Contains(said, "still accepted") {
		t.Errorf("%s", said)
	}
	if _, v := c.do(0, "revoke", id, "--json"); len(v["secrets"].([]any)) != 1 {
		t.Errorf("%v", v)
	}
	c.do(1, "revoke", id)

	_, v = c.do(0, "beneficiary", "propose", id, "--bank", "970415", "--number", "99887766", "--name", "UBND", "--reason", "đổi", "--by", "mai", "--json")
	if _, v := c.do(0, "beneficiary", "reject", id, proposal(t, v), "--by", "lan", "--note", "sai tên", "--json"); v["usable"] != true || !strings.Contains(fmt.Sprint(v["beneficiaries"]), "rejected") {
		t.Errorf("%v", v)
	}
	for _, args := range [][]string{{"show", id}, {"list"}, {"list", "--agency", "H10.12", "--json"}} {
		if said, _ := c.do(0, args...); !strings.Contains(said, id) || strings.Contains(said, "SKnew") || strings.Contains(said, "AKnew") {
			t.Errorf("%v: %s", args, said)
		}
	}
	c.do(1, "show", "acc_none")
	if n := s.count(`SELECT count(*) FROM audit WHERE object = $1 AND address LIKE 'cli:%' AND actor LIKE 'usr_%'`, id); n != 7 {
		t.Errorf("%d rows of audit name a person", n)
	}
	s.heldNowhere("SKnew1", "SKnew2", "AKnew2")
}

func TestTheBuiltProgramChecksAnAccountAndReadsSecretsFromStandardInput(t *testing.T) {
	if err := built(); err != nil {
		t.Fatal(err)
	}
	s := newStreet(t)
	c := s.commands()
	do := func(want int, in string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(binaries, "feegate"), append(append([]string{"account"}, args...), c.database...)...)
		cmd.Stdin = strings.NewReader(in)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Fatalf("%v: %d, want %d\n%s", args, code, want, out)
		}
		return string(out)
	}
	if said := do(0, "", "check", "acc_momo"); !strings.Contains(said, "keys and address work") || !strings.Contains(said, "khóa và địa chỉ hoạt động") || !strings.Contains(said, s.sim) {
		t.Errorf("%s", said)
	}
	said := do(0, `{"partnerCode":"FEEGATEMOMO","accessKey":"FEEGATEACCESSKEY","secretKey":"wrongwrong"}`, "rotate", "acc_momo", "--credentials", "-", "--overlap", "0s")
	if strings.Contains(said, "wrongwrong") {
		t.Errorf("%s", said)
	}
	if said := do(1, "", "check", "acc_momo"); !strings.Contains(said, "our keys or terminal are wrong (code") || strings.Contains(said, "wrongwrong") {
		t.Errorf("%s", said)
	}
	var r account.Report
	if err := json.Unmarshal([]byte(do(0, "", "check", "acc_vnpay", "--json")), &r); err != nil || !r.Works || len(r.Findings) != 2 {
		t.Errorf("%v %+v", err, r)
	}
	s.simServer.Close()
	if said := do(1, "", "check", "acc_vnpay"); !strings.Contains(said, "cannot be reached") || !strings.Contains(said, "connection refused") {
		t.Errorf("%s", said)
	}
	do(1, "", "check", "acc_none")
	do(2, "", "check")
	do(2, "", "nonsense")
	for _, sub := range []string{"", "list", "show", "create", "set", "rotate", "revoke", "beneficiary", "check"} {
		var out bytes.Buffer
		if code := run(t.Context(), strings.Fields("account "+sub+" --help"), &out, &out); code != 0 || !strings.Contains(out.String(), "Usage: feegate account") {
			t.Errorf("%s --help: %d %s", sub, code, out.String())
		}
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'account.checked' AND actor LIKE 'cli:%'`); n != 4 {
		t.Errorf("%d rows of audit", n)
	}
	if r := s.as("nobody", http.MethodGet, "/v1/accounts", "", nil); r.status != http.StatusUnauthorized {
		t.Errorf("%d", r.status)
	}
}
