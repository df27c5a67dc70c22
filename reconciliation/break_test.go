package reconciliation_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"feegate/gateway"
	"feegate/migrations/dbtest"
	"feegate/providers/sim"
	"feegate/reconciliation"
)

func (m *morning) count(query string, args ...any) int {
	m.t.Helper()
	var n int
	if err := dbtest.Admin(m.t, m.db).GetContext(m.t.Context(), &n, query, args...); err != nil {
		m.t.Fatal(err)
	}
	return n
}

func (m *morning) exec(query string, args ...any) {
	m.t.Helper()
	if _, err := dbtest.Admin(m.t, m.db).ExecContext(m.t.Context(), query, args...); err != nil {
		m.t.Fatal(err)
	}
}

// clearing holds the differences of the account's days, whatever was imported and replaced.
func (m *morning) clearing() int {
	m.t.Helper()
	return m.count(`SELECT coalesce(sum(CASE WHEN to_account = 'clearing:' || $1 THEN amount::bigint ELSE -amount::bigint END), 0) FROM moves
		WHERE 'clearing:' || $1 IN (from_account, to_account)`, acc)
}

func TestTheSameFileTwiceAtOnceIsOneImport(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 4, 70000, true)
	file := m.file(sim.Changes{Lose: 1})
	ids, errs := make([]string, 6), make([]error, 6)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			imp, err := m.in(file)
			if errs[i] = err; err == nil {
				ids[i] = imp.ID
			}
		})
	}
	wg.Wait()
	for i := range ids {
		if errs[i] != nil || ids[i] != ids[0] {
			t.Errorf("%s %v", ids[i], errs[i])
		}
	}
	if n := m.count(`SELECT count(*) FROM settlement_lines`); n != 3 || m.count(`SELECT count(*) FROM imports`) != 1 {
		t.Errorf("%d lines", n)
	}
	if d := m.day(); m.clearing() != int(d.Difference) || d.Unexplained != 0 || d.Discrepancies["missing_at_provider"] != 1 {
		t.Errorf("clearing %d, %+v", m.clearing(), d)
	}
}

func TestTwoFilesOfOneDayAtOnce(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 6, 70000, true)
	files := [][]byte{m.file(sim.Changes{Alter: 1, Seed: 1}), m.file(sim.Changes{Alter: 2, Seed: 2})}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i := range files {
		wg.Go(func() { _, errs[i] = m.in(files[i]) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if gateway.ProblemName(err) != reconciliation.ProblemConflict {
			t.Error(err)
		}
	}
	if d := m.day(); won != 1 || d.Settled.Count != 6 || d.Unexplained != 0 || m.clearing() != int(d.Difference) {
		t.Errorf("%d won, %+v", won, d)
	}
}

// dying is a file whose sender goes away in the middle.
type dying struct {
	r    io.Reader
	stop func()
}

func (d *dying) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if errors.Is(err, io.EOF) {
		d.stop()
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

func TestAnImportThatDiesLeavesNothing(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 3, 70000, true)
	file := m.file(sim.Changes{})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := m.r.Settlement(ctx, reconciliation.File{AccountID: acc, Date: day, By: "u", Body: &dying{bytes.NewReader(file), cancel}})
	var broken *reconciliation.BrokenError
	if !errors.As(err, &broken) {
		t.Errorf("%v", err)
	}
	if n := m.count(`SELECT (SELECT count(*) FROM imports) + (SELECT count(*) FROM settlement_lines)`); n != 0 {
		t.Errorf("%d rows left", n)
	}
	if _, err := m.in(file); err != nil {
		t.Fatal(err)
	}
	if locks := m.count(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`); locks != 0 {
		t.Errorf("%d locks are held", locks)
	}
}

func TestAClosedDayStaysAsItIs(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 4, 70000, true)
	imp, err := m.in(m.file(sim.Changes{Lose: 1, Seed: 5}))
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []string{"closed", "signed"} {
		if status == "closed" {
			m.close(day)
		} else {
			m.sign(day)
		}
		before := m.count(`SELECT hashtext(string_agg(d::text, ',' ORDER BY id)) FROM discrepancies d`)
		for name, f := range map[string]reconciliation.File{
			"more":      {Body: bytes.NewReader(m.file(sim.Changes{}))},
			"a replace": {Body: bytes.NewReader(m.file(sim.Changes{Alter: 1})), Replaces: imp.ID},
		} {
			f.AccountID, f.Date, f.By = acc, day, "u"
			if _, err := m.r.Settlement(t.Context(), f); gateway.ProblemName(err) != reconciliation.ProblemDayClosed {
				t.Errorf("%s, %s: %v", status, name, err)
			}
		}
		if err := m.r.Match(t.Context(), acc, day); err != nil {
			t.Error(err)
		}
		if after := m.count(`SELECT hashtext(string_agg(d::text, ',' ORDER BY id)) FROM discrepancies d`); after != before || m.day().Status != status {
			t.Errorf("%s: the discrepancies changed", status)
		}
	}
	// The lost line comes in the next day's file: that day has it as late, the closed one keeps its name for it.
	first, whole := string(m.file(sim.Changes{Lose: 1, Seed: 5})), strings.Split(string(m.file(sim.Changes{})), "\n")
	next := whole[0] + "\n"
	for _, row := range whole[1:] {
		if row != "" && !strings.HasPrefix(row, "TOTAL") && !strings.Contains(first, row) {
			next += row + "\n" + strings.Replace(strings.Replace(row, day, "2026-03-11", 1), "FG", "XX", 1) + "\n"
		}
	}
	next = strings.Replace(next, ",PAYMENT,", "1,PAYMENT,", 2)
	next = strings.Replace(next, "1,PAYMENT,", ",PAYMENT,", 1)
	before := m.day()
	if _, err := m.r.Settlement(t.Context(), reconciliation.File{AccountID: acc, Date: "2026-03-11", By: "u", Body: strings.NewReader(next)}); err != nil {
		t.Fatal(err)
	}
	d, err := m.r.Day(t.Context(), acc, "2026-03-11")
	if err != nil || d.Unexplained != 0 || d.Discrepancies["late"] != 1 || d.Discrepancies["missing_at_gateway"] != 1 || d.Matched.Count != 1 {
		t.Errorf("%+v %v", d, err)
	}
	if after := m.day(); after.Explained != before.Explained || after.Matched != before.Matched || after.Unexplained != 0 {
		t.Errorf("the closed day: %+v, was %+v", after, before)
	}
}

func TestReplacedFilesMoveTheirMoneyBack(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 5, 70000, true)
	var last string
	for seed := range uint64(4) {
		f := reconciliation.File{AccountID: acc, Date: day, By: "u", Replaces: last, Body: bytes.NewReader(m.file(sim.Changes{Lose: 1, Alter: 1, Seed: seed + 1}))}
		imp, err := m.r.Settlement(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if last == imp.ID {
			continue // the same bytes as before
		}
		if last = imp.ID; m.clearing() != int(m.day().Difference) || m.day().Unexplained != 0 {
			t.Errorf("file %d: clearing %d, %+v", seed, m.clearing(), m.day())
		}
	}
	stale := reconciliation.File{AccountID: acc, Date: day, By: "u", Replaces: "imp_x", Body: bytes.NewReader(m.file(sim.Changes{}))}
	if _, err := m.r.Settlement(t.Context(), stale); gateway.ProblemName(err) != gateway.ProblemInvalid {
		t.Errorf("%v", err)
	}
	if n := m.count(`SELECT count(*) FROM imports WHERE status = 'visible'`); n != 1 {
		t.Errorf("%d imports stand", n)
	}
}
