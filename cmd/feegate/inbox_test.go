package main

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"feegate/gateway/identity"
)

func (s *street) inbox() *inbox {
	return &inbox{root: s.t.TempDir(), reconciler: s.app.reconciler, people: s.app.people, now: s.world.Now, log: slog.New(slog.NewJSONHandler(s.logs, nil))}
}

// drop lays a file down as one that nobody writes to any more.
func (b *inbox) drop(t *testing.T, name, body string) string {
	t.Helper()
	path := filepath.Join(b.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o770); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o660); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	return path
}

func (b *inbox) has(name string) bool {
	_, err := os.Stat(filepath.Join(b.root, name))
	return err == nil
}

func TestFilesDroppedByOthersAreTakenIn(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	s.take("acc_vnpay_7", 0, 2)
	s.move(24 * time.Hour)
	b := s.inbox()
	settled := string(s.send(http.MethodGet, s.sim+"/control/vnpay/settlement?account=FEEGATE7&date=2026-03-10", nil, nil).body)
	b.drop(t, "settlements/acc_vnpay_7/VNPAY_FEEGATE7_20260310.csv", settled)
	b.drop(t, "statements/sao-ke.sta", string(s.send(http.MethodGet, s.sim+"/control/bank/statement?format=mt940&account="+bank+"&date=2026-03-11", nil, nil).body))
	b.drop(t, "statements/"+bank+"/later.csv.part", "half")
	b.drop(t, "settlements/acc_vnpay_7/2026-03-09.csv", strings.Replace(settled, "49450", "49451", 1))
	b.drop(t, "settlements/acc_nobody/2026-03-10.csv", settled)
	b.drop(t, "settlements/stray.csv", settled)
	fresh := filepath.Join(b.root, "settlements", "acc_vnpay_7", "2026-03-11.csv")
	if err := os.WriteFile(fresh, []byte("still being writ"), 0o660); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup // two replicas look at once: each file is taken by one
	taken := make([]int, 2)
	for i := range taken {
		wg.Go(func() {
			var err error
			if taken[i], err = b.look(t.Context(), 100); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if taken[0]+taken[1] != 5 {
		t.Errorf("%v taken\n%s", taken, s.logs)
	}
	for name, want := range map[string]bool{"done/2026-03-11/VNPAY_FEEGATE7_20260310.csv": true, "done/2026-03-11/sao-ke.sta": true, "refused/2026-03-11/2026-03-09.csv": true, "refused/2026-03-11/2026-03-10.csv": true,
		"refused/2026-03-11/stray.csv.why.txt": true, "statements/" + bank + "/later.csv.part": true, "settlements/acc_vnpay_7/2026-03-11.csv": true, "settlements/acc_vnpay_7/VNPAY_FEEGATE7_20260310.csv": false} {
		if b.has(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE actor = 'inbox' AND action IN ('settlement.imported', 'statement.imported')`); n != 2 {
		t.Errorf("the audit has %d imports", n)
	}
	why, err := os.ReadFile(filepath.Join(b.root, "refused/2026-03-11/2026-03-09.csv.why.txt"))
	if err != nil || !strings.Contains(string(why), "line ") {
		t.Errorf("%q, %v", why, err)
	}
	mai := s.person("mai", []identity.Role{identity.Finance})
	if got, want := side(s.dayOf(mai, "acc_vnpay_7", "2026-03-10")), "0-0=0 bank 1/98900 0-0=0 map[]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// One that its taker died with is taken again, in time; it is the same import.
	held := b.drop(t, "settlements/acc_vnpay_7/"+claimedPrefix+"again-2026-03-10.csv", settled)
	if n, err := b.look(t.Context(), 100); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	old := time.Now().Add(-inboxAgain)
	if err := os.Chtimes(held, old, old); err != nil {
		t.Fatal(err)
	}
	if n, err := b.look(t.Context(), 100); n != 0 || err != nil { // it has its name again
		t.Errorf("%d, %v", n, err)
	}
	if n, err := b.look(t.Context(), 100); n != 1 || err != nil || !b.has("done/2026-03-11/again-2026-03-10.csv") || s.count(`SELECT count(*) FROM imports WHERE kind = 'settlement'`) != 1 {
		t.Errorf("%d, %v", n, err)
	}
}
