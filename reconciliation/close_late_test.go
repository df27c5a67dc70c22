package reconciliation_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/sim"
	"feegate/reconciliation"
)

// say is the provider's word on a payment.
func (m *morning) say(reference string, outcome providers.Outcome, amount int, at time.Time) {
	m.t.Helper()
	if _, err := m.g.Record(m.t.Context(), word(reference, outcome, amount, at)); err != nil {
		m.t.Fatal(err)
	}
}

func word(reference string, outcome providers.Outcome, amount int, at time.Time) gateway.Word {
	return gateway.Word{AccountID: acc, Source: gateway.SourceLookup,
		Notice: providers.Notice{Reference: reference, Outcome: outcome, Amount: vnd.Amount(amount), PaidAt: at, Transaction: "T" + reference}}
}

// started makes a payment under way and gives its reference.
func (m *morning) started(i, amount int) string {
	m.t.Helper()
	name := fmt.Sprint("R", i)
	m.order(name, i, int64(amount))
	order := m.text(`SELECT id FROM orders WHERE reference = $1`, name)
	if _, err := m.g.StartPayment(m.t.Context(), caller, gateway.Key{Principal: "cli", Method: "POST", Path: "/p", Key: fmt.Sprint(i)}, order, gateway.NewPayment{Provider: "momo"}); err != nil {
		m.t.Fatal(err)
	}
	return m.text(`SELECT provider_reference FROM payments WHERE order_id = $1`, order)
}

const momoHeader = "txn_time,partner_code,store_id,order_id,request_id,trans_id,type,amount_vnd,fee_vnd,net_vnd,pay_type,result_code,settle_date,original_trans_id,note\n"

// settled is a settlement file of a date with rows of payments: reference and amount.
func settled(date string, rows ...[2]any) string {
	return settledFor(date, date, rows...)
}

func settledFor(date, own string, rows ...[2]any) string {
	b := &strings.Builder{}
	b.WriteString(momoHeader)
	for _, r := range rows {
		amount, _ := r[1].(int)
		fee := (amount*110 + 5000) / 10000
		fmt.Fprintf(b, "%sT12:00:00+07:00,%s,S,%v,%v,T%v,PAYMENT,%d,%d,%d,qr,0,%s,,\n", own, terminal, r[0], r[0], r[0], amount, fee, amount-fee, date)
	}
	return b.String()
}

func (m *morning) import_(date, file string) {
	m.t.Helper()
	if _, err := m.r.Settlement(m.t.Context(), reconciliation.File{AccountID: acc, Date: date, By: "u", Body: strings.NewReader(file)}); err != nil {
		m.t.Fatal(err)
	}
}

func noon(date string) time.Time {
	t, _ := time.ParseInLocation(time.DateOnly, date, sim.Zone())
	return t.Add(12 * time.Hour)
}

func (m *morning) adjustments(date string) string {
	m.t.Helper()
	landed, _, err := m.r.Adjustments(m.t.Context(), finance, acc, date)
	if err != nil {
		m.t.Fatal(err)
	}
	var out []string
	for _, a := range landed {
		out = append(out, fmt.Sprintf("%s %s %d %d", a.Kind, a.ForDate, a.N, a.Amount))
	}
	return strings.Join(out, ", ")
}

// A payment of a closed day that is heard of afterwards counts on the next open day, where its line meets it.
func TestLateMoneyCountsOnTheNextOpenDayAndPointsBack(t *testing.T) {
	m := newMorning(t)
	a, b := m.started(1, 50000), m.started(2, 70000)
	m.say(a, providers.Succeeded, 50000, noon(day))
	m.import_(day, settled(day, [2]any{a, 50000}))
	before := m.close(day).Figures
	m.say(b, providers.Succeeded, 70000, noon(day)) // paid on the closed day, heard of now
	if n, err := m.r.AdjustLate(t.Context(), 10); err != nil || n != 1 {
		t.Fatalf("%d %v", n, err)
	}
	if n, err := m.r.AdjustLate(t.Context(), 10); err != nil || n != 0 {
		t.Errorf("again: %d %v", n, err)
	}
	if got := m.adjustments(next); got != "late_payment 2026-03-10 1 70000" {
		t.Fatalf("%s", got)
	}
	if d := m.of(day); d.Payments != before.Payments || d.Status != "closed" || d.Unexplained != 0 {
		t.Errorf("the closed day: %+v", d)
	}
	m.import_(next, settledFor(next, day, [2]any{b, 70000})+strings.TrimPrefix(settled(next, [2]any{"UNKNOWN1", 1000}), momoHeader))
	d := m.of(next)
	if d.Payments.Amount != 70000 || d.Payments.Count != 1 || d.Adjustments.Amount != 70000 || d.Matched.Count != 1 || d.Difference != -1000 || d.Discrepancies["late"] != 0 {
		t.Errorf("the open day: %+v", d)
	}
	m.counts(day, next)
	if s := m.sign(day); s.Figures.Payments != before.Payments { // what came since is no reason not to sign
		t.Errorf("%+v", s)
	}
	m.close(next)
	m.sign(next)
	m.counts(day, next)
	m.intact()

	// Taken back when both days are closed: the next one has it, with a name.
	m.say(b, providers.Reversed, 0, m.world.Now())
	m.say(a, providers.Reversed, 0, m.world.Now())
	if err := m.r.Match(t.Context(), acc, "2026-03-12"); err != nil {
		t.Fatal(err)
	}
	if got := m.adjustments("2026-03-12"); got != "reversal 2026-03-10 -1 -50000, reversal 2026-03-10 -1 -70000" && got != "reversal 2026-03-10 -1 -70000, reversal 2026-03-10 -1 -50000" {
		t.Errorf("%s", got)
	}
	if d := m.of("2026-03-12"); d.Discrepancies["reversal"] != 2 || d.Difference != -120000 {
		t.Errorf("%+v", d)
	}
	m.counts(day, next, "2026-03-12")
	m.intact()

	// A refund that the provider made on the closed day, heard of now.
	m.refunded(a, 20000, noon(day))
	if err := m.r.Match(t.Context(), acc, "2026-03-12"); err != nil {
		t.Fatal(err)
	}
	if got := m.adjustments("2026-03-12"); !strings.HasSuffix(got, ", late_refund 2026-03-10 1 -20000") {
		t.Errorf("%s", got)
	}
	m.counts(day, next, "2026-03-12")

	// The first day opened again: its payments are its own again, and what was moved goes back.
	m.reopen(day)
	if err := m.r.Match(t.Context(), acc, day); err != nil {
		t.Fatal(err)
	}
	m.counts(day, next, "2026-03-12")
	m.close(day)
	m.sign(day)
	m.counts(day, next, "2026-03-12")
	m.intact()
}

// A line that stood alone when its day was closed meets the payment that is heard of later; the closing's figures stay.
func TestAFrozenLineMeetsItsLatePayment(t *testing.T) {
	m := newMorning(t)
	b := m.started(1, 70000)
	m.import_(day, settled(day, [2]any{"ELSEWHERE", 70000}))
	closed := m.close(day)
	m.exec(`UPDATE payments SET provider_reference = 'ELSEWHERE' WHERE provider_reference = $1`, b)
	m.say("ELSEWHERE", providers.Succeeded, 70000, noon(day))
	if err := m.r.Match(t.Context(), acc, next); err != nil {
		t.Fatal(err)
	}
	if n := m.number(`SELECT count(*) FROM matches WHERE ended_at IS NULL`); n != 1 {
		t.Errorf("%d matches", n)
	}
	if d := m.of(next); d.Payments.Amount != 70000 || d.Discrepancies["late"] != 1 || d.Unexplained != 0 {
		t.Errorf("%+v", d)
	}
	if d := m.of(day); d.Matched.Count != 0 || d.Explained != closed.Figures.Explained {
		t.Errorf("%+v", d)
	}
	m.sign(day)
	m.counts(day, next)
	m.intact()
}

// Whatever comes, is taken back, closed and opened again in whatever order: the days come to the payments, each is explained, and what was
// closed stays as it was.
func TestDaysAlwaysComeToThePayments(t *testing.T) {
	m := newMorning(t) // one for all: each run has days of its own
	m.over("2026-03-20")
	first, orders := noon("2025-01-01"), 0
	run, broken := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if run++; run > 6 && !broken { // a broken one is looked at again, to be made small
			return
		}
		defer func() { broken = broken || rt.Failed() }()
		var dates, paid []string
		for i := range 5 {
			dates = append(dates, first.AddDate(0, 0, i).Format(time.DateOnly))
		}
		first = first.AddDate(0, 0, 10)
		filed := map[string]string{}
		frozen := map[string]string{}
		shut := func(date string) bool { d := m.of(date).Status; return d == "closed" || d == "signed" }
		for i := range rapid.IntRange(4, 12).Draw(rt, "steps") {
			date := rapid.SampledFrom(dates[:4]).Draw(rt, "date")
			switch rapid.SampledFrom([]string{"pay", "pay", "pay", "reverse", "refund", "file", "close", "close", "sign", "reopen", "match"}).Draw(rt, "step") {
			case "pay":
				orders++
				ref := m.started(orders, 1000*(i+1))
				m.say(ref, providers.Succeeded, 1000*(i+1), noon(date))
				paid = append(paid, ref)
			case "reverse":
				if len(paid) > 0 {
					m.say(rapid.SampledFrom(paid).Draw(rt, "which"), providers.Reversed, 0, m.world.Now())
				}
			case "refund":
				if len(paid) > 0 {
					m.refunded(rapid.SampledFrom(paid).Draw(rt, "of"), 100+i, noon(date))
				}
			case "file":
				if shut(date) || filed[date] != "" {
					continue
				}
				rows := [][2]any{{fmt.Sprint("INVENTED", date, i), 500}}
				for _, ref := range paid {
					if rapid.Bool().Draw(rt, "in it") {
						rows = append(rows, [2]any{ref, m.number(`SELECT requested_amount FROM payments WHERE provider_reference = $1`, ref)})
					}
				}
				filed[date] = settled(date, rows...)
				m.import_(date, filed[date])
			case "close":
				if !shut(date) && (filed[date] != "" || m.of(date).Payments.Count == 0) {
					m.close(date)
				}
			case "sign":
				if m.of(date).Status == "closed" {
					m.sign(date)
				}
			case "reopen":
				if shut(date) {
					m.reopen(date)
					delete(frozen, date)
				}
			case "match":
			}
			for _, d := range dates {
				if err := m.r.Match(t.Context(), acc, d); err != nil {
					t.Fatal(err)
				}
				now := fmt.Sprintf("%+v", *m.of(d))
				now = strings.Replace(now, "Status:signed", "Status:closed", 1)
				if was := frozen[d]; was != "" && was != now {
					rt.Fatalf("%s was %s\nis %s", d, was, now)
				}
				if shut(d) {
					frozen[d] = now
				}
			}
			m.counts(dates...)
		}
		if t.Failed() {
			rt.Fatal("see above")
		}
	})
	m.intact()
}

// refunded is a refund that succeeded at a time, and that we hear of now; of money that was taken back meanwhile nothing is left on the order.
func (m *morning) refunded(reference string, amount int, at time.Time) {
	m.t.Helper()
	m.exec(`WITH r AS (INSERT INTO refunds (id, payment_id, order_id, account_id, status, amount, surplus_part, allocated_part, reason, provider_reference, provider_transaction, requested_by, requested_at, decided_by, decided_at, effective_at, recorded_at)
		SELECT 'rfd_' || substr(md5(random()::text), 1, 20), id, order_id, account_id, 'succeeded', $2::bigint, 0, $2::bigint, 'x', 'RF' || md5(random()::text), '', 'usr_1', $4, 'usr_2', $4, $3, $4 FROM payments
			WHERE provider_reference = $1 RETURNING payment_id)
		UPDATE orders o SET refunded_amount = o.refunded_amount + $2::bigint FROM r JOIN payments p ON p.id = r.payment_id WHERE o.id = p.order_id AND p.status = 'succeeded'`,
		reference, amount, at, m.world.Now())
}

// Money that comes in at the very moment of a closing is in it or is late: never in both, never in none.
func TestMoneyThatComesWhileADayIsClosed(t *testing.T) {
	m := newMorning(t)
	m.over("2026-03-20")
	refs := []string{}
	for i := range 24 {
		refs = append(refs, m.started(i+1, 1000))
	}
	for round, first := range []string{"2026-02-01", "2026-02-03", "2026-02-05", "2026-02-07"} {
		after := noon(first).AddDate(0, 0, 1).Format(time.DateOnly)
		var wg sync.WaitGroup
		for _, ref := range refs[round*6 : round*6+6] {
			wg.Go(func() {
				if _, err := m.g.Record(t.Context(), word(ref, providers.Succeeded, 1000, noon(first))); err != nil {
					t.Error(err)
				}
			})
		}
		_, err := m.r.CloseDay(t.Context(), finance, acc, first)
		if err != nil && gateway.ProblemName(err) != reconciliation.ProblemDayNotReady {
			t.Error(err)
		}
		wg.Wait()
		if err := m.r.Match(t.Context(), acc, after); err != nil {
			t.Fatal(err)
		}
		if err := m.r.Match(t.Context(), acc, first); err != nil {
			t.Fatal(err)
		}
		m.counts(first, after)
	}
	m.intact()
}
