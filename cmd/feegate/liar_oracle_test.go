package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"feegate/providers/sim"
)

// clear ends the faults, and moves the clock on in steps until every plan of looking up is used up; after each step all that is due
// is done before the next.
func (l *liar) clear() {
	l.t.Helper()
	for _, p := range append(wallets(), liarBanks()...) {
		if err := l.world.SetFault(p, sim.Fault{Operation: sim.Any, Fault: "none"}); err != nil {
			l.t.Fatal(err)
		}
	}
	if err := l.gw.again(); err != nil { // breakers and budgets are of a process
		l.t.Fatal(err)
	}
	for n, step := range []time.Duration{3 * time.Minute, 6 * time.Minute, 20 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour, 72 * time.Hour, 240 * time.Hour, 400 * time.Hour, 400 * time.Hour} {
		l.move(step)
		if l.count > 1000 && n%2 == 1 {
			if err := l.gw.again(); err != nil {
				l.t.Fatal(err)
			}
		}
		l.quiet()
	}
}

// quiet waits until nothing is due.
func (l *liar) quiet() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for still := 0; still < 2; {
		var due int
		now := l.world.Now()
		if err := l.db.GetContext(ctx, &due, `SELECT (SELECT count(*) FROM payments WHERE next_lookup_at <= $1) + (SELECT count(*) FROM refunds WHERE next_lookup_at <= $1)
			+ (SELECT count(*) FROM orders WHERE status = 'open' AND expires_at <= $1) + (SELECT count(*) FROM outbox)
			+ (SELECT count(*) FROM account_cursors c JOIN merchant_accounts a ON a.id = c.account_id WHERE a.provider IN ('sepay', 'casso') AND c.asked_at <= $2)
			+ (SELECT count(*) FROM bank_transfers t WHERE NOT EXISTS (SELECT FROM payments p WHERE p.transfer_id = t.id) AND NOT EXISTS (SELECT FROM discrepancies d WHERE d.transfer_id = t.id))`,
			now, now.Add(-10*time.Minute)); err != nil {
			l.t.Fatalf("waiting until nothing is due: %v (%d)\n%s", err, due, tail(l.gw.logs.String()))
		}
		if still++; due > 0 {
			still = 0
		}
		<-tick.C
	}
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// oursRow is a payment as the gateway has it.
type oursRow struct {
	ID, Provider, Status          string
	Order                         string  `db:"order_id"`
	Account                       *string `db:"account_id"`
	Reference                     string  `db:"provider_reference"`
	Received, Allocated, Refunded int64
	InDoubt                       bool    `db:"in_doubt"`
	Asked                         bool    `db:"asked"` // a look-up is still planned
	Transfer                      *string `db:"transfer_id"`
	found                         int
}

// liarBooks are the gateway's, read at the end.
type liarBooks struct {
	l        *liar
	payments []*oursRow
	wrong    map[string][]string // by order, "" = none
}

func (b *liarBooks) say(order, format string, args ...any) {
	b.wrong[order] = append(b.wrong[order], fmt.Sprintf(format, args...))
}

// judge holds the books against the truth and prints, for each wrong order, its plan and its history.
func (l *liar) judge() {
	l.t.Helper()
	b := &liarBooks{l: l, wrong: map[string][]string{}}
	if err := l.db.SelectContext(l.t.Context(), &b.payments, `SELECT id, coalesce(order_id, '') AS order_id, account_id, provider, provider_reference, status, received_amount AS received,
		allocated_amount AS allocated, refunded_amount AS refunded, in_doubt, next_lookup_at IS NOT NULL AS asked, transfer_id FROM payments ORDER BY created_at`); err != nil {
		l.t.Fatal(err)
	}
	truth, _ := l.world.Ledger()
	b.againstTruth(truth)
	b.againstThemselves()
	b.moves(truth)
	b.orders()
	b.events()
	b.surplus()
	if logs := l.gw.logs.String(); strings.Contains(logs, "DATA RACE") || strings.Contains(logs, "panic:") {
		b.say("", "the gateway raced or panicked\n%s", tail(logs))
	}
	kinds := map[string]int{}
	for _, p := range b.payments {
		kinds[p.Status]++
	}
	l.t.Logf("%d orders, %d payments %v, the providers took %d, %d wrong", len(l.runs), len(b.payments), kinds, len(truth), len(b.wrong))
	if kinds["succeeded"] < l.count/3 {
		b.say("", "only %v of %d orders: the storm proves nothing", kinds, l.count)
	}
	for n, order := range slices.Sorted(maps.Keys(b.wrong)) {
		if n == 6 {
			l.t.Errorf("… and %d orders more", len(b.wrong)-n)
			break
		}
		l.t.Errorf("order %s: %s\n%s", order, strings.Join(b.wrong[order], "\n  "), l.story(order))
	}
	if len(b.wrong) > 0 {
		tag := ""
		if strings.HasPrefix(l.t.Name(), "TestTorture") {
			tag = "-tags torture "
		}
		l.t.Errorf("the seed is %d; again: go test %s./cmd/feegate -run '^%s$' -liar.seed %d", l.seed, tag, l.t.Name(), l.seed)
	}
}

// story is the plan of an order, what was done, and what the gateway noted.
func (l *liar) story(order string) string {
	var out strings.Builder
	for _, r := range l.runs {
		if order != "" && (r.Order == order || r.Next == order) {
			fmt.Fprintf(&out, "plan: %+v\n  %s\n", r.liarOrder, strings.Join(r.said, "\n  "))
		}
	}
	var rows []string
	if err := l.db.SelectContext(context.Background(), &rows, `SELECT x FROM (
		SELECT recorded_at AS at, object_id || ': ' || from_status || ' > ' || to_status || ' by ' || source || ' ' || actor || ' ' || detail AS x FROM history
			WHERE object_id IN (SELECT $1 UNION SELECT id FROM payments WHERE order_id = $1 UNION SELECT id FROM refunds WHERE order_id = $1)
		UNION ALL SELECT asked_at, object_id || ' asked: ' || outcome || ' ' || code || ' ' || detail FROM lookups WHERE object_id IN (SELECT id FROM payments WHERE order_id = $1 UNION SELECT id FROM refunds WHERE order_id = $1)
		UNION ALL SELECT received_at, payment_id || ' ' || kind || ': ' || verdict FROM callbacks WHERE payment_id IN (SELECT id FROM payments WHERE order_id = $1)) h ORDER BY at`, order); err != nil {
		return err.Error()
	}
	fmt.Fprintf(&out, "history:\n  %s", strings.Join(rows, "\n  "))
	return out.String()
}
