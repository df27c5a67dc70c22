package reconciliation_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"feegate/gateway"
	"feegate/migrations/dbtest"
	"feegate/providers/sim"
	"feegate/reconciliation"
)

var (
	second = gateway.Caller{Actor: "usr_3", Person: true, Mode: "live"}
	chief  = gateway.Caller{Actor: "usr_4", Person: true, Mode: "live"}
)

const next = "2026-03-11"

// close brings a day to where it can be closed, whatever is found on it, and closes it: the working days in which a payout may still come
// are over, and every discrepancy is carried forward by somebody.
func (m *morning) close(date string) *reconciliation.DayDetail {
	m.t.Helper()
	m.ready(date)
	d, err := m.r.CloseDay(m.t.Context(), finance, acc, date)
	if err != nil {
		m.t.Fatal(err)
	}
	return d
}

func (m *morning) ready(date string) {
	m.t.Helper()
	m.over(date)
	if err := m.r.Match(m.t.Context(), acc, date); err != nil {
		m.t.Fatal(err)
	}
	d, err := m.r.Day(m.t.Context(), acc, date)
	if err != nil {
		m.t.Fatal(err)
	}
	if d.BankSide.Unexplained != 0 {
		m.exec(`INSERT INTO discrepancies (id, account_id, date, kind, subject, amount, effect, bank_effect, recorded_at)
			VALUES ('dis_b' || replace($2, '-', ''), $1, $2::date, 'bank_short', 'test', $3, 0, $3, $4) ON CONFLICT (account_id, date, kind, subject) DO UPDATE SET bank_effect = discrepancies.bank_effect + $3`, acc, date, int64(d.BankSide.Unexplained), m.world.Now())
	}
	m.carry(date)
}

// over moves the clock to where the day and the time for its payout have passed.
func (m *morning) over(date string) {
	m.t.Helper()
	end, _ := time.ParseInLocation(time.DateOnly, date, sim.Zone())
	if end = end.AddDate(0, 0, 9); m.world.Now().Before(end) {
		if err := m.world.Clock().Set(end); err != nil {
			m.t.Fatal(err)
		}
	}
}

// carry gives every open discrepancy of a day owner, deadline and action.
func (m *morning) carry(date string) {
	m.t.Helper()
	var ids []string
	if err := m.db.SelectContext(m.t.Context(), &ids, `SELECT id FROM discrepancies WHERE account_id = $1 AND date = $2 AND status <> 'resolved' AND action IS NULL`, acc, date); err != nil {
		m.t.Fatal(err)
	}
	for _, id := range ids {
		if _, err := m.resolve(id, reconciliation.NewResolution{Action: reconciliation.CarryForward, Note: "chuyển tiếp"}); err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *morning) sign(date string) *reconciliation.DayDetail {
	m.t.Helper()
	d, err := m.r.SignDay(m.t.Context(), approver, acc, date)
	if err != nil {
		m.t.Fatal(err)
	}
	return d
}

func (m *morning) reopen(date string) {
	m.t.Helper()
	if _, err := m.r.AskReopen(m.t.Context(), chief, []string{"admin"}, acc, date, "tệp sửa"); err != nil {
		m.t.Fatal(err)
	}
	if _, err := m.r.DecideReopen(m.t.Context(), approver, []string{"approver"}, acc, date, true); err != nil {
		m.t.Fatal(err)
	}
}

func (m *morning) of(date string) *reconciliation.Day {
	m.t.Helper()
	d, err := m.r.Day(m.t.Context(), acc, date)
	if err != nil {
		m.t.Fatal(err)
	}
	return d
}

// counts holds the days to the payments: every đồng is on one of them.
func (m *morning) counts(dates ...string) {
	m.t.Helper()
	var sum, n int
	for _, d := range dates {
		day := m.of(d)
		sum, n = sum+int(day.Payments.Amount), n+int(day.Payments.Count)
		if day.Unexplained != 0 {
			m.t.Errorf("%s: unexplained %d: %+v", d, day.Unexplained, day)
		}
	}
	const money = ` FROM payments WHERE status = 'succeeded' AND business_day(paid_at) BETWEEN $1 AND $2`
	const back = ` FROM refunds WHERE status = 'succeeded' AND business_day(effective_at) BETWEEN $1 AND $2`
	from, to := dates[0], dates[len(dates)-1]
	if want := m.number(`SELECT coalesce(sum(received_amount), 0)::bigint`+money, from, to) - m.number(`SELECT coalesce(sum(amount), 0)::bigint`+back, from, to); sum != want {
		m.t.Errorf("the days come to %d, the payments to %d", sum, want)
	}
	if want := m.number(`SELECT count(*)`+money, from, to) + m.number(`SELECT count(*)`+back, from, to); n != want {
		m.t.Errorf("the days count %d, there are %d", n, want)
	}
}

func (m *morning) intact() {
	m.t.Helper()
	v, err := m.r.VerifyDays(m.t.Context(), finance, "")
	if err != nil || !v.Intact {
		m.t.Errorf("%+v %v", v, err)
	}
}

func fields(err error) string {
	var p *gateway.Problem
	if !errors.As(err, &p) {
		return ""
	}
	var out []string
	for _, f := range p.Fields {
		out = append(out, f.Field)
	}
	return p.Name + " " + strings.Join(out, " ")
}

func TestADayIsClosedWhenNothingIsMissingAndSignedByAnother(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 4, 70000, true)
	if _, err := m.r.CloseDay(t.Context(), finance, acc, day); fields(err) != "day-not-ready date file unexplained_difference" {
		t.Errorf("before its end and its file: %v", err)
	}
	if _, err := m.in(m.file(sim.Changes{Lose: 1, Invent: 1, Seed: 5})); err != nil {
		t.Fatal(err)
	}
	m.over(day)
	if _, err := m.r.CloseDay(t.Context(), finance, acc, day); !strings.Contains(fields(err), ".owner") || !strings.Contains(fields(err), ".action") {
		t.Errorf("with discrepancies of nobody: %v", err)
	}
	invented := m.text(`SELECT id FROM discrepancies WHERE kind = 'missing_at_gateway'`)
	if _, err := m.resolve(invented, reconciliation.NewResolution{Action: reconciliation.ClaimFromProvider}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.r.CloseDay(t.Context(), finance, acc, day); !strings.Contains(fields(err), "discrepancies["+invented+"].resolution") {
		t.Errorf("with a proposal that waits: %v", err)
	}
	if _, err := m.r.Decide(t.Context(), approver, invented, 1, true); err != nil {
		t.Fatal(err)
	}
	if _, err := m.r.SignDay(t.Context(), approver, acc, day); gateway.ProblemName(err) != reconciliation.ProblemDayState {
		t.Errorf("signed before it was closed: %v", err)
	}
	d := m.close(day)
	if d.Status != "closed" || *d.ClosedBy != finance.Actor || d.Version != 1 || d.Figures.Payments.Amount != 280000 || d.SHA256 != nil || len(d.Figures.Imports) != 1 || len(d.Figures.Discrepancies) < 2 {
		t.Errorf("%+v", d)
	}
	if again, err := m.r.CloseDay(t.Context(), finance, acc, day); err != nil || *again.FiguresSHA256 != *d.FiguresSHA256 || !again.ClosedAt.Equal(*d.ClosedAt) {
		t.Errorf("said again: %+v %v", again, err)
	}
	if _, err := m.r.CloseDay(t.Context(), second, acc, day); gateway.ProblemName(err) != reconciliation.ProblemDayClosed || !strings.Contains(err.Error(), "closed by usr_1 at 2026-") {
		t.Errorf("by another: %v", err)
	}
	if _, err := m.r.SignDay(t.Context(), finance, acc, day); gateway.ProblemName(err) != gateway.ProblemSecondPerson {
		t.Errorf("signed by who closed: %v", err)
	}
	s := m.sign(day)
	if s.Status != "signed" || *s.SignedBy != approver.Actor || s.SHA256 == nil || s.Previous != nil || s.Chain.Length != 1 || !s.Chain.Intact {
		t.Errorf("%+v", s)
	}
	if _, err := m.r.SignDay(t.Context(), second, acc, day); gateway.ProblemName(err) != reconciliation.ProblemDayClosed || !strings.Contains(err.Error(), "signed by usr_2") {
		t.Errorf("signed by a third: %v", err)
	}
	if n := m.number(`SELECT count(*) FROM outbox WHERE type = 'day.signed'`); n != 1 {
		t.Errorf("%d events", n)
	}
	m.close(next)
	if n := m.sign(next); n.Previous == nil || *n.Previous != *s.SHA256 || n.Chain.Length != 2 {
		t.Errorf("the chain: %+v", n)
	}
	m.intact()
}

// The database itself holds the rules, whoever asks it.
func TestTheDatabaseHoldsWhatWasClosed(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 2, 70000, true)
	if _, err := m.in(m.file(sim.Changes{})); err != nil {
		t.Fatal(err)
	}
	m.ready(day)
	refused := func(what, query string) {
		t.Helper()
		if _, err := m.db.ExecContext(t.Context(), query); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	refused("a close without a version", `UPDATE days SET status = 'closed', closed_by = 'x'`)
	m.close(day)
	refused("a signature by who closed", `INSERT INTO day_signatures SELECT account_id, 1, date, n, 'x', 'x', NULL, closed_by, closed_by, closed_at FROM day_versions`)
	refused("signing without a signature", `UPDATE days SET status = 'signed', signed_by = 'x', sha256 = 'x'`)
	refused("other figures", `UPDATE days SET figures = '{}'`)
	refused("another closer", `UPDATE days SET closed_by = 'x'`)
	refused("reopening alone", `UPDATE days SET status = 'reopened'`)
	refused("an adjustment on it", `INSERT INTO day_adjustments (account_id, date, for_date, kind, item_id, type, n, amount, recorded_at) VALUES ('acc_momo', '2026-03-10', '2026-03-09', 'reversal', 'x', 'payment', -1, -1, '2026-03-10')`)
	refused("reopening by one person", `INSERT INTO day_reopenings (account_id, date, n, status, reason, asked_by, asked_as, asked_at, decided_by, decided_as, decided_at) VALUES ('acc_momo', '2026-03-10', 1, 'approved', 'x', 'a', 'admin', '2026-03-10', 'a', 'approver', '2026-03-10')`)
	refused("reopening by one role", `INSERT INTO day_reopenings (account_id, date, n, status, reason, asked_by, asked_as, asked_at, decided_by, decided_as, decided_at) VALUES ('acc_momo', '2026-03-10', 1, 'approved', 'x', 'a', 'admin', '2026-03-10', 'b', 'admin', '2026-03-10')`)
	refused("another version", `UPDATE day_versions SET figures = '{}'`)
	refused("a frozen payment gone", `DELETE FROM day_frozen`)
	m.sign(day)
	refused("a signature gone", `DELETE FROM day_signatures`)
	refused("a day gone", `DELETE FROM days`)
}

func TestTwoAtOnceGetOneResult(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 3, 70000, true)
	if _, err := m.in(m.file(sim.Changes{})); err != nil {
		t.Fatal(err)
	}
	m.ready(day)
	race := func(what string, do func(gateway.Caller) error, people ...gateway.Caller) {
		t.Helper()
		var wg sync.WaitGroup
		errs := make([]error, len(people))
		for i, p := range people {
			wg.Go(func() { errs[i] = do(p) })
		}
		wg.Wait()
		done := 0
		for _, err := range errs {
			switch {
			case err == nil:
				done++
			case gateway.ProblemName(err) != reconciliation.ProblemDayClosed || !strings.Contains(err.Error(), what+" by usr_"):
				t.Errorf("%s: %v", what, err)
			}
		}
		if done != 1 {
			t.Errorf("%s: %d of %d went through", what, done, len(people))
		}
	}
	race("closed", func(c gateway.Caller) error { _, err := m.r.CloseDay(t.Context(), c, acc, day); return err }, finance, second, chief)
	if n := m.number(`SELECT count(*) FROM day_versions`); n != 1 {
		t.Errorf("%d versions", n)
	}
	fourth, fifth := gateway.Caller{Actor: "usr_5", Person: true, Mode: "live"}, gateway.Caller{Actor: "usr_6", Person: true, Mode: "live"}
	race("signed", func(c gateway.Caller) error { _, err := m.r.SignDay(t.Context(), c, acc, day); return err }, approver, fourth, fifth)
	if n := m.number(`SELECT count(*) FROM day_signatures`) + m.number(`SELECT count(*) FROM outbox WHERE type = 'day.signed'`); n != 2 {
		t.Errorf("%d signatures and events", n)
	}
}

// Whoever may do anything in the database is found out.
func TestVerifyNamesTheFirstBreak(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 3, 70000, true)
	if _, err := m.in(m.file(sim.Changes{})); err != nil {
		t.Fatal(err)
	}
	m.close(day)
	m.sign(day)
	for _, d := range []string{next, "2026-03-12"} {
		m.close(d)
		m.sign(d)
	}
	m.intact()
	admin := dbtest.Admin(t, m.db)
	keep, undo := `CREATE SCHEMA kept;`, `SET session_replication_role = replica;`
	for _, table := range []string{"day_signatures", "day_versions", "day_frozen", "days", "settlement_lines", "payments", "discrepancies"} {
		keep += ` CREATE TABLE kept.` + table + ` AS SELECT * FROM ` + table + `;`
		undo += ` DELETE FROM ` + table + `; INSERT INTO ` + table + ` OVERRIDING SYSTEM VALUE SELECT * FROM kept.` + table + `;`
	}
	if _, err := admin.ExecContext(t.Context(), keep); err != nil {
		t.Fatal(err)
	}
	undo += ` SET session_replication_role = origin`
	for name, c := range map[string]struct {
		sql  string
		seq  int64
		says string
	}{
		"a document":             {`UPDATE day_signatures SET document = replace(document, '210000', '210001') WHERE seq = 1`, 1, "hash"},
		"a document and hash":    {`UPDATE day_signatures SET document = replace(document, 'usr_2', 'usr_9'), sha256 = encode(sha256(replace(document, 'usr_2', 'usr_9')::bytea), 'hex'), signed_by = 'usr_9' WHERE seq = 1`, 1, "shows other"},
		"a signer":               {`UPDATE day_signatures SET signed_by = 'usr_9' WHERE seq = 2`, 2, "row differs"},
		"a version":              {`UPDATE day_versions SET figures = replace(figures, '210000', '210001') WHERE date = '2026-03-10'`, 1, "version differs"},
		"what the day shows":     {`UPDATE days SET figures = jsonb_set(figures, '{payments,amount}', '1') WHERE date = '2026-03-10'`, 1, "shows other"},
		"a signature in between": {`DELETE FROM day_signatures WHERE seq = 2`, 3, "signature 2 is missing"},
		"the last signature":     {`DELETE FROM day_signatures WHERE seq = 3`, 3, "signature is gone"},
		"a settlement line":      {`UPDATE settlement_lines SET amount = amount + 1, net = net + 1 WHERE id = (SELECT min(id) FROM settlement_lines)`, 0, "207691"},
		"a payment":              {`UPDATE payments SET received_amount = received_amount + 1 WHERE id = (SELECT min(id) FROM payments)`, 0, "counted pay_"},
		"what a closing counted": {`UPDATE day_frozen SET item_id = 'pay_other' WHERE item_id = (SELECT min(item_id) FROM day_frozen)`, 0, ""},
		"a discrepancy":          {`UPDATE discrepancies SET bank_effect = bank_effect + 1 WHERE date = '2026-03-10'`, 0, "bank_side"},
	} {
		tx, err := admin.BeginTxx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), `SET LOCAL session_replication_role = replica; `+c.sql); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		v, err := m.r.VerifyDays(t.Context(), finance, "")
		if err != nil || v.Intact || v.Breaks[0].Seq != c.seq || !strings.Contains(v.Breaks[0].What, c.says) {
			t.Errorf("%s: %+v %v", name, v, err)
		}
		if _, err := admin.ExecContext(t.Context(), undo); err != nil {
			t.Fatal(err)
		}
		m.intact()
	}
}

func TestADayIsOpenedAgainByTwoRolesAndBothVersionsStay(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 3, 70000, true)
	imp, err := m.in(m.file(sim.Changes{Alter: 1, Seed: 2}))
	if err != nil {
		t.Fatal(err)
	}
	m.close(day)
	first := m.sign(day)
	if _, err := m.r.AskReopen(t.Context(), chief, []string{"admin"}, acc, day, " "); gateway.ProblemName(err) != gateway.ProblemInvalid {
		t.Errorf("without a reason: %v", err)
	}
	for range 2 { // saying it again is the same
		if d, err := m.r.AskReopen(t.Context(), chief, []string{"admin"}, acc, day, "tệp sửa"); err != nil || d.Reopening == nil || d.Status != "signed" {
			t.Fatalf("%+v %v", d, err)
		}
	}
	if _, err := m.r.AskReopen(t.Context(), approver, []string{"approver"}, acc, day, "cũng vậy"); gateway.ProblemName(err) != reconciliation.ProblemDayState || !strings.Contains(err.Error(), "usr_4 has asked") {
		t.Errorf("asked by another: %v", err)
	}
	for name, who := range map[string]struct {
		c     gateway.Caller
		roles []string
	}{"who asked": {chief, []string{"admin", "approver"}}, "another admin": {second, []string{"admin"}}} {
		if _, err := m.r.DecideReopen(t.Context(), who.c, who.roles, acc, day, true); gateway.ProblemName(err) != gateway.ProblemSecondPerson {
			t.Errorf("%s agreed: %v", name, err)
		}
	}
	d, err := m.r.DecideReopen(t.Context(), approver, []string{"approver"}, acc, day, true)
	if err != nil || d.Status != "reopened" || d.Figures != nil || d.Reopening != nil {
		t.Fatalf("%+v %v", d, err)
	}
	if _, err := m.r.DecideReopen(t.Context(), approver, []string{"approver"}, acc, day, true); gateway.ProblemName(err) != reconciliation.ProblemDayState {
		t.Errorf("again: %v", err)
	}
	if _, err := m.r.Settlement(t.Context(), reconciliation.File{AccountID: acc, Date: day, By: "u", Replaces: imp.ID, Body: strings.NewReader(string(m.file(sim.Changes{})))}); err != nil {
		t.Fatal(err)
	}
	m.ready(day)
	again, err := m.r.CloseDay(t.Context(), finance, acc, day)
	if err != nil {
		t.Fatal(err)
	}
	if again.Version != 2 || again.Figures.Settled.Amount != 210000 || len(again.Versions) != 2 || *again.Versions[1].Reason != "tệp sửa" {
		t.Errorf("%+v", again)
	}
	signed := m.sign(day)
	if *signed.Previous != *first.SHA256 {
		t.Errorf("%+v", signed)
	}
	v, err := m.r.DayVersion(t.Context(), finance, acc, day, 2, 0)
	if err != nil || v.Against != 1 || v.Figures.Difference != 0 {
		t.Fatalf("%+v %v", v, err)
	}
	told := map[string]bool{}
	for _, c := range v.Diff {
		told[c.Field] = true
	}
	if !told["difference"] || !told["settled.amount"] || !told["imports["+imp.ID+"].sha256"] || told["payments.amount"] {
		t.Errorf("%v", told)
	}
	if one, err := m.r.DayVersion(t.Context(), finance, acc, day, 1, 0); err != nil || one.Figures.Difference == 0 || len(one.Diff) != 0 || *one.SHA256 != *first.SHA256 {
		t.Errorf("%+v %v", one, err)
	}
	m.intact()
}

// number asks over the test's own connections: what is asked many times must not open one each time.
func (m *morning) number(query string, args ...any) int {
	m.t.Helper()
	var n int
	if err := m.db.GetContext(m.t.Context(), &n, query, args...); err != nil {
		m.t.Fatal(query, err)
	}
	return n
}
