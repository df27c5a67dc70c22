package main

import (
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"feegate/providers/sim"
)

// againstTruth: every payment that a provider took is exactly one of ours with that amount, and what went back went back; a transfer
// that nobody could read is exactly one row, named to people.
func (b *liarBooks) againstTruth(truth []sim.Truth) {
	byReference, byTransfer := map[string]*oursRow{}, map[string]*oursRow{}
	for _, p := range b.payments {
		byReference[p.Provider+" "+p.Reference] = p
		if p.Transfer != nil {
			byTransfer[*p.Transfer] = p
		}
	}
	for _, t := range truth {
		if isWallet(t.Provider) {
			p := byReference[t.Provider+" "+t.Reference]
			if p == nil {
				b.say("", "%s took %d for %s, which is no payment here", t.Provider, t.Amount, t.Reference)
				continue
			}
			if p.found++; p.Status != "succeeded" || p.Received != int64(t.Amount) || p.Refunded != int64(t.Refunded) {
				b.say(p.Order, "%s took %d for %s and gave %d back; %s is %s with %d, %d back", t.Provider, t.Amount, t.Reference, t.Refunded, p.ID, p.Status, p.Received, p.Refunded)
			}
			continue
		}
		b.transferred(t, byTransfer, byReference)
	}
	for _, p := range b.payments {
		if p.Status == "succeeded" && p.found != 1 {
			b.say(p.Order, "%s %s (%s) succeeded with %d; %d payments of the providers are that", p.Provider, p.Reference, p.ID, p.Received, p.found)
		}
	}
}

func (b *liarBooks) transferred(t sim.Truth, byTransfer, byReference map[string]*oursRow) {
	var rows []string
	if err := b.l.db.SelectContext(b.l.t.Context(), &rows, `SELECT id FROM bank_transfers WHERE bank_reference = $1 AND direction = 'in' AND amount = $2`, t.Transaction, t.Amount); err != nil {
		b.l.t.Fatal(err)
	}
	order := ""
	if p := byReference[t.Provider+" "+t.Reference]; p != nil {
		order = p.Order
	}
	if t.Provider == "vietqr" { // its statement alone tells
		if len(rows) != 0 {
			b.say(order, "nobody watches that account, and yet %s is known", t.Transaction)
		}
		return
	}
	if len(rows) != 1 {
		b.say(order, "the bank's %s of %d for %s at %s is %d transfers here", t.Transaction, t.Amount, t.Reference, t.Provider, len(rows))
		return
	}
	var named int
	if err := b.l.db.GetContext(b.l.t.Context(), &named, `SELECT count(*) FROM discrepancies WHERE transfer_id = $1 AND status <> 'resolved'`, rows[0]); err != nil {
		b.l.t.Fatal(err)
	}
	p := byTransfer[rows[0]]
	switch {
	case p == nil && named != 1:
		b.say(order, "the bank's %s of %d for %s pays nothing and is named %d times", t.Transaction, t.Amount, t.Reference, named)
	case p != nil:
		if p.found++; p.Status != "succeeded" || p.Received != int64(t.Amount) || named != 0 {
			b.say(p.Order, "the bank's %s of %d for %s: %s is %s with %d, and the transfer is named %d times", t.Transaction, t.Amount, t.Reference, p.ID, p.Status, p.Received, named)
		}
	}
}

// rowsOf are the texts of a query that must find nothing: each is an order and what is wrong with it.
func (b *liarBooks) nothing(query string) {
	var rows []struct{ Order, Wrong string }
	if err := b.l.db.SelectContext(b.l.t.Context(), &rows, query); err != nil {
		b.l.t.Fatalf("%v\n%s", err, query)
	}
	for _, r := range rows {
		b.say(r.Order, "%s", r.Wrong)
	}
}

// againstThemselves: what the rows say of each other.
func (b *liarBooks) againstThemselves() {
	for _, p := range b.payments {
		final := slices.Contains([]string{"succeeded", "failed", "expired", "reversed"}, p.Status)
		if !final && !(p.InDoubt && !p.Asked) {
			b.say(p.Order, "%s is %s for ever, in doubt: %v, asked after: %v", p.ID, p.Status, p.InDoubt, p.Asked)
		}
	}
	b.nothing(`SELECT coalesce(p.order_id, '') AS "order", p.id || ' allocates ' || p.allocated_amount || ', rows say ' || coalesce(sum(a.amount), 0) AS wrong FROM payments p
		LEFT JOIN allocations a ON a.payment_id = p.id WHERE p.status = 'succeeded' GROUP BY p.id HAVING p.allocated_amount <> coalesce(sum(a.amount), 0)`)
	b.nothing(`SELECT r.order_id AS "order", r.id || ' is ' || r.status || ', sent ' || r.sends || ' times' AS wrong FROM refunds r
		WHERE r.sends > 1 OR r.status = 'rejected' AND r.sends > 0 OR r.status IN ('approved', 'submitted') AND NOT r.manual AND NOT (r.in_doubt AND r.next_lookup_at IS NULL)
			AND NOT (r.status = 'approved' AND EXISTS (SELECT FROM refunds q WHERE q.payment_id = r.payment_id AND q.status = 'submitted' AND q.in_doubt))`)
	b.nothing(`SELECT p.order_id AS "order", p.id || ' has ' || p.refunded_amount || ' back, its refunds ' || coalesce(sum(r.amount), 0) AS wrong FROM payments p
		LEFT JOIN refunds r ON r.payment_id = p.id AND r.status = 'succeeded' WHERE p.order_id IS NOT NULL GROUP BY p.id HAVING p.refunded_amount <> coalesce(sum(r.amount), 0)`)
	b.nothing(`SELECT '' AS "order", 'a forged callback has a payment: ' || payment_id AS wrong FROM callbacks WHERE verdict = 'forged' AND payment_id IS NOT NULL AND payment_id <> ''`)
}

// moves: each account's clearing is what its provider took and has not given back, and the accounts of the records add up.
func (b *liarBooks) moves(truth []sim.Truth) {
	want := map[string]int64{}
	for _, p := range b.payments {
		if p.Status == "succeeded" {
			want["clearing:"+*p.Account] += p.Received - p.Refunded
			if s := p.Received - p.Allocated; s > 0 {
				want["surplus:"+p.ID] -= s
			}
			want["payer"] -= p.Allocated
		}
	}
	taken := map[string]int64{}
	for _, t := range truth {
		if isWallet(t.Provider) {
			taken[t.Provider] += int64(t.Amount - t.Refunded)
		}
	}
	for provider, sum := range taken {
		if got := want["clearing:acc_"+provider+"_1"]; got != sum {
			b.say("", "%s holds %d, our payments say %d", provider, sum, got)
		}
	}
	var refunds []struct {
		Payment, Status            string
		Amount, Surplus, Allocated int64
	}
	if err := b.l.db.SelectContext(b.l.t.Context(), &refunds, `SELECT payment_id AS payment, status, amount, surplus_part AS surplus, allocated_part AS allocated FROM refunds
		WHERE status IN ('approved', 'submitted', 'succeeded', 'failed')`); err != nil {
		b.l.t.Fatal(err)
	}
	for _, r := range refunds {
		want["payer"] += r.Allocated
		want["surplus:"+r.Payment] += r.Surplus
		if r.Status != "succeeded" {
			want["refund_payable"] -= r.Amount
		}
	}
	var balances []struct {
		Account string
		Amount  int64
	}
	if err := b.l.db.SelectContext(b.l.t.Context(), &balances, `SELECT account, sum(amount)::bigint AS amount FROM (SELECT to_account AS account, amount::bigint FROM moves
		UNION ALL SELECT from_account, -amount::bigint FROM moves) m GROUP BY account`); err != nil {
		b.l.t.Fatal(err)
	}
	var sum int64
	for _, a := range balances {
		if want[a.Account] != a.Amount {
			b.say("", "the moves leave %s at %d, it should be %d", a.Account, a.Amount, want[a.Account])
		}
		sum += a.Amount
		delete(want, a.Account)
	}
	for account, amount := range want {
		if amount != 0 {
			b.say("", "no move touches %s, which should be at %d", account, amount)
		}
	}
	if sum != 0 {
		b.say("", "the accounts of the records add up to %d", sum)
	}
}

// orders: no order has more than it asked for, and each one's state follows from its money.
func (b *liarBooks) orders() {
	b.nothing(`WITH paid AS (SELECT o.id, o.status, o.amount, o.paid_amount, o.refunded_amount,
			coalesce((SELECT sum(a.amount) FROM allocations a JOIN payments p ON p.id = a.payment_id WHERE a.order_id = o.id AND p.status = 'succeeded'), 0) AS allocated FROM orders o)
		SELECT id AS "order", status || ' of ' || amount || ' with ' || paid_amount || ' paid, ' || allocated || ' allocated, ' || refunded_amount || ' back' AS wrong FROM paid
		WHERE allocated > amount OR allocated <> paid_amount OR status NOT IN ('paid', 'partly_refunded', 'refunded', 'expired', 'cancelled', 'superseded')
			OR (paid_amount = amount) <> (status IN ('paid', 'partly_refunded', 'refunded'))
			OR (status = 'refunded') <> (paid_amount = amount AND refunded_amount = paid_amount) OR (status = 'partly_refunded') <> (paid_amount = amount AND refunded_amount BETWEEN 1 AND paid_amount - 1)`)
}

// read is a portal that reads its events page by page: it gets each of them, once, in the order of their numbers.
func (b *liarBooks) read() {
	var own []string
	met := 0
	stands := func() { // what the clock finds meanwhile is told meanwhile
		own = nil
		if err := b.l.db.SelectContext(b.l.t.Context(), &own, `SELECT event_id FROM feed WHERE source_system = 'province' ORDER BY number OFFSET $1`, met); err != nil {
			b.l.t.Fatal(err)
		}
	}
	stands()
	for id := range b.pages(b.l.key, "/v1/events?limit=100", "after") {
		if len(own) == 0 {
			stands()
		}
		if len(own) == 0 || own[0] != id {
			b.say("", "a reader of the feed meets %s where the feed has %v", id, own[:min(1, len(own))])
			return
		}
		own = own[1:]
		met++
	}
	if len(own) > 0 {
		b.say("", "a reader of the feed does not meet %d events", len(own))
	}
}

// surplus: the list that finance works from has every payment with money that belongs to no order.
func (b *liarBooks) surplus() {
	b.l.signIn()
	listed := map[string]bool{}
	for id := range b.pages(b.l.sessions["finance"], "/v1/surplus?limit=100", "after") {
		listed[id] = true
	}
	var due []string
	if err := b.l.db.SelectContext(b.l.t.Context(), &due, `SELECT id FROM payments WHERE status = 'succeeded' AND received_amount - allocated_amount > refunded_surplus`); err != nil {
		b.l.t.Fatal(err)
	}
	for _, id := range due {
		if !listed[id] {
			b.say("", "%s has surplus and is not on the list", id)
		}
	}
	if len(due) == 0 || len(listed) != len(due) {
		b.say("", "%d payments have surplus, %d are listed", len(due), len(listed))
	}
}

// pages are the ids of a list, page after page.
func (b *liarBooks) pages(token, path, next string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for at := ""; ; {
			where := path
			if at != "" {
				where += "&" + next + "=" + url.QueryEscape(at)
			}
			status, v := b.l.call(b.l.t.Context(), token, http.MethodGet, where, "", nil)
			items, ok := v["items"].([]any)
			if status != http.StatusOK || !ok {
				b.say("", "GET %s: %d %v", where, status, v)
				return
			}
			for _, i := range items {
				one, _ := i.(map[string]any)
				id, _ := one["id"].(string)
				if id == "" {
					id, _ = one["payment"].(string)
				}
				if !yield(id) {
					return
				}
			}
			switch n := v["next"].(type) {
			case string:
				at = n
			case float64:
				at = strconv.FormatInt(int64(n), 10)
			default:
				return
			}
			if len(items) == 0 {
				return
			}
		}
	}
}

// events: each is in the feed once, and every change that the record has is told as often as it was.
func (b *liarBooks) events() {
	b.nothing(`SELECT '' AS "order", 'the outbox holds ' || count(*) AS wrong FROM outbox HAVING count(*) > 0`)
	b.read()
	b.nothing(`SELECT max(order_id) AS "order", event_id || ' is there ' || count(*) || ' times' AS wrong FROM feed GROUP BY event_id HAVING count(*) > 1`)
	b.nothing(`WITH changes AS (SELECT object_id AS id, 'order.' || to_status AS type, count(*) AS n FROM history WHERE object_id LIKE 'ord\_%' AND to_status IN ('paid', 'cancelled', 'superseded', 'refunded') GROUP BY 1, 2),
		told AS (SELECT order_id AS id, type, count(*) AS n FROM feed WHERE type IN ('order.paid', 'order.cancelled', 'order.superseded', 'order.refunded') GROUP BY 1, 2)
		SELECT id AS "order", type || ' happened ' || coalesce(c.n, 0) || ' times and is told ' || coalesce(t.n, 0) AS wrong FROM changes c FULL JOIN told t USING (id, type) WHERE c.n IS DISTINCT FROM t.n`)
	b.nothing(`WITH changes AS (SELECT p.id, 'payment.' || h.to_status AS type, count(*) AS n FROM history h JOIN payments p ON p.id = h.object_id WHERE h.to_status IN ('succeeded', 'failed', 'reversed') GROUP BY 1, 2),
		told AS (SELECT body::jsonb #>> '{data,id}' AS id, type, count(*) AS n FROM feed WHERE type IN ('payment.succeeded', 'payment.failed', 'payment.reversed') GROUP BY 1, 2)
		SELECT '' AS "order", id || ': ' || type || ' happened ' || coalesce(c.n, 0) || ' times and is told ' || coalesce(t.n, 0) AS wrong FROM changes c FULL JOIN told t USING (id, type) WHERE c.n IS DISTINCT FROM t.n`)
	b.nothing(`WITH extra AS (SELECT order_id AS id, count(*) AS n FROM payments p WHERE status = 'succeeded' AND received_amount > allocated_amount GROUP BY 1),
		told AS (SELECT order_id AS id, count(*) AS n FROM feed WHERE type = 'order.surplus' GROUP BY 1)
		SELECT e.id AS "order", e.n || ' payments have surplus, told ' || coalesce(t.n, 0) AS wrong FROM extra e LEFT JOIN told t USING (id) WHERE coalesce(t.n, 0) < e.n`)
}
