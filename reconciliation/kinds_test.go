package reconciliation_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"feegate/gateway"
	"feegate/providers"
	"feegate/providers/sim"
	"feegate/reconciliation"
)

var (
	finance  = gateway.Caller{Mode: "live", Actor: "usr_1", Person: true}
	approver = gateway.Caller{Mode: "live", Actor: "usr_2", Person: true}
)

func (m *morning) text(query string, args ...any) string {
	m.t.Helper()
	var s string
	if err := m.db.GetContext(m.t.Context(), &s, query, args...); err != nil {
		m.t.Fatal(query, err)
	}
	return s
}

func (m *morning) one(kind string) string {
	m.t.Helper()
	return m.text(`SELECT id FROM discrepancies WHERE kind = $1 AND status <> 'resolved'`, kind)
}

func (m *morning) resolve(id string, in reconciliation.NewResolution) (*reconciliation.Resolution, error) {
	m.t.Helper()
	if in.Note == "" {
		in.Note = "because"
	}
	a, err := m.r.Resolve(m.t.Context(), finance, gateway.Key{Principal: "usr_1", Method: "POST", Path: id, Key: fmt.Sprint(m.count(`SELECT count(*) FROM resolutions`), in)}, id, in)
	if err != nil {
		return nil, err
	}
	var r reconciliation.Resolution
	if err := json.Unmarshal(a.Body, &r); err != nil {
		m.t.Fatal(err)
	}
	return &r, nil
}

func TestAFoundPaymentPaysItsOrder(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 2, 50000, true)
	if _, err := m.in(m.file(sim.Changes{Invent: 2, Seed: 2})); err != nil {
		t.Fatal(err)
	}
	// An order that is open, of the agency and a kind that the account takes: the money pays it as far as it owes.
	amount := m.count(`SELECT min(amount) FROM discrepancies WHERE kind = 'missing_at_gateway'`)
	found := m.text(`SELECT id FROM discrepancies WHERE kind = 'missing_at_gateway' ORDER BY amount LIMIT 1`)
	m.order("late-comer", 9, int64(amount)-1000)
	order := m.text(`SELECT id FROM orders WHERE reference = 'late-comer'`)
	if _, err := m.resolve(found, reconciliation.NewResolution{Action: reconciliation.RecordPayment, OrderID: "ord_nobody"}); gateway.ProblemName(err) != gateway.ProblemInvalid {
		t.Errorf("an order that is none: %v", err)
	}
	if _, err := m.resolve(m.one2("missing_at_gateway", found), reconciliation.NewResolution{Action: reconciliation.AcceptMatch, PaymentID: m.text(`SELECT min(id) FROM payments`)}); gateway.ProblemName(err) != gateway.ProblemInvalid {
		t.Errorf("a payment of another amount: %v", err)
	}
	p, err := m.resolve(found, reconciliation.NewResolution{Action: reconciliation.RecordPayment, OrderID: order})
	if err != nil || p.Status != "proposed" {
		t.Fatalf("%+v %v", p, err)
	}
	if _, err := m.r.Decide(t.Context(), finance, found, 1, true); gateway.ProblemName(err) != gateway.ProblemSecondPerson {
		t.Errorf("the same person: %v", err)
	}
	if n := m.count(`SELECT count(*) FROM payments`); n != 2 {
		t.Errorf("%d payments before anybody agreed", n)
	}
	done, err := m.r.Decide(t.Context(), approver, found, 1, true)
	if err != nil || done.Status != "done" || done.PaymentID == nil {
		t.Fatalf("%+v %v", done, err)
	}
	if got := m.text(`SELECT o.status || ' ' || p.status || ' ' || p.allocated_amount || ' ' || (p.received_amount - p.allocated_amount) || ' ' || m.rule
		FROM payments p JOIN orders o ON o.id = p.order_id JOIN matches m ON m.payment_id = p.id WHERE p.id = $1`, *done.PaymentID); got != fmt.Sprintf("paid succeeded %d 1000 reference", amount-1000) {
		t.Errorf("%s", got)
	}
	if h := m.text(`SELECT source || ' ' || actor FROM history WHERE object_id = $1`, *done.PaymentID); h != "person usr_2" {
		t.Errorf("history: %s", h)
	}
	d := m.day()
	if !maps.Equal(d.Discrepancies, map[string]int{"missing_at_gateway": 1, "surplus": 1}) || d.Unexplained != 0 || m.clearing() != int(d.Difference) {
		t.Errorf("clearing %d, %+v", m.clearing(), d)
	}
	// The other one is rejected: nothing is recorded, and it may be proposed again.
	other := m.one("missing_at_gateway")
	if _, err := m.resolve(other, reconciliation.NewResolution{Action: reconciliation.RecordPayment}); err != nil {
		t.Fatal(err)
	}
	if r, err := m.r.Decide(t.Context(), approver, other, 1, false); err != nil || r.Status != "rejected" {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := m.r.Decide(t.Context(), approver, other, 1, true); gateway.ProblemName(err) != reconciliation.ProblemResolution {
		t.Errorf("approving what is rejected: %v", err)
	}
	if p, err := m.resolve(other, reconciliation.NewResolution{Action: reconciliation.RecordPayment}); err != nil || p.N != 2 {
		t.Errorf("%+v %v", p, err)
	}
	if n := m.count(`SELECT count(*) FROM payments`); n != 3 {
		t.Errorf("%d payments", n)
	}
}

// one2 is an open discrepancy of the kind that is not the one named.
func (m *morning) one2(kind, not string) string {
	m.t.Helper()
	return m.text(`SELECT id FROM discrepancies WHERE kind = $1 AND status <> 'resolved' AND id <> $2`, kind, not)
}

// The payer paid twice under one reference: the second transaction becomes a payment of its own, tied to its own line.
func TestASecondTransactionOfAReferenceIsRecordedBesides(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 1, 50000, true)
	file := strings.Split(string(m.file(sim.Changes{})), "\n")
	cells := strings.Split(file[1], ",")
	cells[5] += "7"
	if _, err := m.in([]byte(file[0] + "\n" + file[1] + "\n" + strings.Join(cells, ",") + "\n")); err != nil {
		t.Fatal(err)
	}
	id := m.one("missing_at_gateway")
	if _, err := m.resolve(id, reconciliation.NewResolution{Action: reconciliation.RecordPayment}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.r.Decide(t.Context(), approver, id, 1, true); err != nil {
		t.Fatal(err)
	}
	if d := m.day(); d.Difference != 0 || d.Unexplained != 0 || d.Matched.Count != 2 || !maps.Equal(d.Discrepancies, map[string]int{"surplus": 1}) {
		t.Errorf("%+v", d)
	}
}

func TestALineWithDamagedNumbersIsTiedByAPerson(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 2, 50000, true)
	file := strings.Split(string(m.file(sim.Changes{})), "\n")
	cells := strings.Split(file[1], ",")
	reference := cells[3]
	cells[3], cells[5] = "UNREADABLE", "1"
	file[1] = strings.Join(cells, ",")
	if _, err := m.in([]byte(strings.Join(file, "\n"))); err != nil {
		t.Fatal(err)
	}
	if d := m.day(); !maps.Equal(d.Discrepancies, map[string]int{"missing_at_gateway": 1, "missing_at_provider": 1}) || d.Unexplained != 0 {
		t.Errorf("equal amounts are not a match: %+v", d)
	}
	payment := m.text(`SELECT id FROM payments WHERE provider_reference = $1`, reference)
	r, err := m.resolve(m.one("missing_at_gateway"), reconciliation.NewResolution{Action: reconciliation.AcceptMatch, PaymentID: payment})
	if err != nil || r.Status != "done" {
		t.Fatalf("%+v %v", r, err)
	}
	for range 2 {
		if d := m.day(); d.Matched.Count != 2 || len(d.Discrepancies) != 0 || d.Unexplained != 0 {
			t.Errorf("%+v", d)
		}
		if err := m.r.Match(t.Context(), acc, day); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatPeopleDecideStandsWhileTheFactsDo(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 3, 50000, true)
	imp, err := m.in(m.file(sim.Changes{Lose: 1, Seed: 1}))
	if err != nil {
		t.Fatal(err)
	}
	id := m.one("missing_at_provider")
	if _, err := m.resolve(id, reconciliation.NewResolution{Action: reconciliation.CarryForward}); err != nil {
		t.Fatal(err)
	}
	if got := m.text(`SELECT status || ' ' || action || ' ' || owner || ' ' || deadline FROM discrepancies WHERE id = $1`, id); got != "open carry_forward usr_1 2026-03-17" {
		t.Errorf("%s", got)
	}
	if _, err := m.resolve(id, reconciliation.NewResolution{Action: reconciliation.WriteOff}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.r.Decide(t.Context(), approver, id, 2, true); err != nil {
		t.Fatal(err)
	}
	if err := m.r.Match(t.Context(), acc, day); err != nil {
		t.Fatal(err)
	}
	writtenOff := `SELECT coalesce(sum(CASE WHEN to_account LIKE 'written_off:%' THEN amount::bigint WHEN from_account LIKE 'written_off:%' THEN -amount::bigint ELSE 0 END), 0) FROM moves`
	if d := m.day(); m.text(`SELECT status FROM discrepancies WHERE id = $1`, id) != "resolved" || d.Explained != 50000 || d.Unexplained != 0 || m.count(writtenOff) != 50000 {
		t.Errorf("%+v", d)
	}
	if _, err := m.resolve(id, reconciliation.NewResolution{Action: reconciliation.Explain}); gateway.ProblemName(err) != reconciliation.ProblemResolution {
		t.Errorf("a resolved one: %v", err)
	}
	// The line comes after all: nothing is written off any more. Then it is lost again: what was decided was about other facts.
	f := reconciliation.File{AccountID: acc, Date: day, By: "u", Replaces: imp.ID, Body: strings.NewReader(string(m.file(sim.Changes{})))}
	if imp, err = m.r.Settlement(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if d := m.day(); d.Explained != 0 || d.Difference != 0 || m.count(writtenOff) != 0 {
		t.Errorf("%+v, written off %d", d, m.count(writtenOff))
	}
	f.Replaces, f.Body = imp.ID, strings.NewReader(string(m.file(sim.Changes{Lose: 1, Seed: 1})))
	if _, err := m.r.Settlement(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if m.one("missing_at_provider") != id || m.day().Unexplained != 0 || m.count(writtenOff) != 0 {
		t.Errorf("%+v", m.day())
	}
	if got := m.text(`SELECT coalesce(action, 'none') FROM discrepancies WHERE id = $1`, id); got != "none" {
		t.Errorf("an old decision stands: %s", got)
	}
}

func TestKindsWithoutALine(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 3, 50000, true)
	m.paid(4, 3, 50000, false)
	references := []string{}
	if err := m.db.SelectContext(t.Context(), &references, `SELECT provider_reference FROM payments WHERE status = 'pending' ORDER BY id`); err != nil {
		t.Fatal(err)
	}
	say := func(reference string, source gateway.Source, n providers.Notice) {
		n.Reference = reference
		w := gateway.Word{AccountID: acc, Source: source, Notice: n}
		if source == gateway.SourceCallback {
			w.Raw = []byte("as it came")
		}
		if _, err := m.g.Record(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	// A rightly signed callback of another amount, and a provider that will not say.
	say(references[0], gateway.SourceCallback, providers.Notice{Outcome: providers.Succeeded, Amount: 49000})
	say(references[1], gateway.SourceLookup, providers.Notice{Outcome: providers.Uncertain, Reason: providers.ReasonSuspicious, Code: "07"})
	// Two people's account of one that was reversed, and one whose order was cancelled: all surplus.
	say(m.text(`SELECT min(provider_reference) FROM payments WHERE status = 'succeeded'`), gateway.SourceLookup, providers.Notice{Outcome: providers.Reversed})
	m.exec(`UPDATE orders SET status = 'cancelled' WHERE id = (SELECT order_id FROM payments WHERE provider_reference = $1)`, references[2])
	say(references[2], gateway.SourceLookup, providers.Notice{Outcome: providers.Succeeded, Amount: 50000, PaidAt: m.world.Now()})

	if err := m.r.Match(t.Context(), acc, day); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"amount_mismatch": 1, "in_doubt": 1, "reversal": 1, "surplus": 1}
	if d := m.day(); !maps.Equal(d.Discrepancies, want) || d.Status != "open" {
		t.Errorf("before the file is due: %+v", d)
	}
	if err := m.world.Clock().Set(m.world.Now().Add(48 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := m.r.Match(t.Context(), acc, day); err != nil {
		t.Fatal(err)
	}
	want["file_missing"] = 1
	if d := m.day(); !maps.Equal(d.Discrepancies, want) || d.Unexplained != 0 || d.Difference != 150000 {
		t.Errorf("without a file: %+v", d)
	}
	// The provider is asked after the doubtful callback: cleared. Its file says what became of the rest.
	if err := m.g.LookUp(t.Context(), m.text(`SELECT id FROM payments WHERE provider_reference = $1`, references[0])); err != nil {
		t.Fatal(err)
	}
	if _, err := m.in(m.file(sim.Changes{})); err != nil {
		t.Fatal(err)
	}
	if d := m.day(); !maps.Equal(d.Discrepancies, map[string]int{"reversal": 1, "surplus": 1}) || d.Unexplained != 0 {
		t.Errorf("with the file: %+v", d)
	}
}
