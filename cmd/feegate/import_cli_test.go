package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
)

func (c *cli) kept(name, body string) string {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func TestImportsByCommands(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	c := s.commands()
	s.person("mai", []identity.Role{identity.Finance})
	s.person("lan", []identity.Role{identity.Approver})
	s.take("acc_vnpay_7", 0, 2)
	s.move(24 * time.Hour)
	settled := c.kept("vnpay-2026-03-10.csv", string(s.send(http.MethodGet, s.sim+"/control/vnpay/settlement?account=FEEGATE7&date=2026-03-10", nil, nil).body))
	spoilt := c.kept("vnpay-2026-03-11.csv", "no,settlement\n")
	c.run(2, "import", "settlement", settled)                                                 // of which account?
	c.run(2, "import", "settlement", c.kept("nameless.csv", "x"), "--account", "acc_vnpay_7") // of which day?
	c.run(1, "import", "settlement", settled, "--account", "acc_vnpay_7", "--as", "lan")      // not her work
	if said, v := c.run(0, "import", "settlement", settled, "--account", "acc_vnpay_7", "--dry-run", "--json"); v["lines"] != 2.0 || v["id"] != "" || s.count(`SELECT count(*) FROM imports`) != 0 {
		t.Errorf("%s", said)
	}
	said, _ := c.run(1, "import", "settlement", settled, spoilt, "--account", "acc_vnpay_7", "--as", "mai")
	if !strings.Contains(said, "2 rows, 2 new") || !strings.Contains(said, "vnpay-2026-03-11.csv is refused, nothing of it is kept:\n  line 1") {
		t.Errorf("%s", said)
	}
	if said, _ = c.run(0, "import", "settlement", settled, "--account", "acc_vnpay_7"); !strings.Contains(said, "imported before") {
		t.Errorf("%s", said)
	}
	statement := c.kept("sao-ke.xml", string(s.send(http.MethodGet, s.sim+"/control/bank/statement?format=camt053&account="+bank+"&date=2026-03-11", nil, nil).body))
	if said, v := c.run(0, "import", "statement", statement, "--as", "mai", "--json"); v["added"] != 1.0 || v["credits"] != 98900.0 {
		t.Errorf("%s", said)
	}
	c.run(2, "import", "statement", statement, "--format", "pdf")
	if said, _ := c.run(1, "import", "statement", c.kept("wrong.csv", stated("9999", 0, [3]string{"FT1", "1", "x"}))); !strings.Contains(said, "wrong.csv is refused") {
		t.Errorf("%s", said)
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action IN ('settlement.imported', 'statement.imported') AND actor IN (SELECT id FROM users WHERE name = 'mai')`); n != 2 {
		t.Errorf("the audit has %d imports of mai", n)
	}
	c.run(2, "reconcile")
	c.run(2, "reconcile", "--date", "soon")
	said, v := c.run(0, "reconcile", "--date", "2026-03-10", "--account", "acc_vnpay_7", "--json")
	if v["unexplained_difference"] != 0.0 || v["bank"].(map[string]any)["amount"] != 98900.0 || v["status"] != "matched" {
		t.Errorf("%s", said)
	}
	if said, _ = c.run(0, "reconcile", "--date", "2026-03-10"); !strings.Contains(said, "acc_vnpay_7          matched            100000          100000               0           98900               0") {
		t.Errorf("%s", said)
	}
}
