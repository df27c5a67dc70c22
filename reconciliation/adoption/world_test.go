package adoption

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"feegate/gateway"
	"feegate/migrations/dbtest"
)

var epoch = time.Date(2026, 1, 20, 0, 0, 0, 0, zone)

// dice are even: rapid's own numbers lean to the small, which makes poor worlds. It draws the seed.
type dice struct{ r *rand.Rand }

func throw(t *rapid.T) dice {
	return dice{rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))}
}

func (d dice) n(lo, hi int) int { return lo + d.r.IntN(hi-lo+1) }

func (d dice) yes(percent int) bool { return d.n(1, 100) <= percent }

func oneOf[T any](d dice, of ...T) T { return of[d.n(0, len(of)-1)] }

// at is one of few moments, so that they coincide, and often at the edge of a day.
func (d dice) at() time.Time {
	t := epoch.Add(time.Duration(d.n(0, 120)) * 12 * time.Hour)
	return oneOf(d, t, t.Add(-time.Microsecond), t)
}

// after is such a moment, not before another.
func (d dice) after(t time.Time) time.Time {
	return t.Add(time.Duration(d.n(0, 20)) * 36 * time.Hour)
}

func (d dice) maybe(percent int, from time.Time) *time.Time {
	if !d.yes(percent) {
		return nil
	}
	t := d.after(from)
	return &t
}

// facts are some that follow each other without overlapping; the last may stand.
func (d dice) facts(percent int, from time.Time) (out []fact) {
	for d.yes(percent) && len(out) < 3 {
		f := fact{d.after(from), d.maybe(30, from)}
		if f.to != nil && !f.to.After(f.from) {
			f.to = nil
		}
		out = append(out, f)
		if f.to == nil {
			break
		}
		from = *f.to
	}
	return out
}

// aWorld is a few dossiers with what may happen to them; its ids begin with a prefix of their own.
func aWorld(d dice, prefix string) *world {
	w := &world{staff: fact{epoch.AddDate(0, 0, 20), new(time.Time)}}
	*w.staff.to = epoch.AddDate(0, 0, 50)
	agencies := []string{prefix + "1", prefix + "2"}
	for i := range 6 {
		code := fmt.Sprintf("%s-d%d", prefix, i)
		for range d.n(0, 3) {
			d.order(w, prefix, code, agencies)
		}
		told := d.at()
		for range d.n(1, 3) {
			x := wDossier{code: code, status: oneOf(d, "open", "closed", "closed", "closed", "closed", "withdrawn"), agency: oneOf(d, agencies...), procedure: oneOf(d, "p1", "p2"), at: told}
			if x.status == "closed" {
				c := d.at()
				x.closed = &c
			}
			if d.yes(15) {
				due := int64(oneOf(d, 0, 50, 100, 200))
				x.due = &due
			}
			w.dossiers = append(w.dossiers, x)
			told = d.after(told)
		}
	}
	// Most orders are simply paid, so that one thing more or less decides about a dossier.
	for i := range w.orders {
		if d.yes(60) {
			d.payment(w, prefix, &w.orders[i], true)
		}
	}
	for range len(w.orders) {
		d.payment(w, prefix, &w.orders[d.n(0, len(w.orders)-1)], false)
	}
	for range len(w.payments) / 3 {
		p := w.payments[d.n(0, len(w.payments)-1)]
		var of []wAllocation
		for _, a := range w.allocations {
			if a.payment == p.id {
				of = append(of, a)
			}
		}
		r := wRefund{p.id, p.order, int64(oneOf(d, 0, 10, 50, 100, 300)), d.yes(80), d.after(p.recorded)}
		if len(of) > 0 && d.yes(50) {
			r.order, r.allocated, r.at = of[0].order, of[0].amount, d.after(of[0].at) // there is nothing to refund before
		}
		w.refunds = append(w.refunds, r)
	}
	return w
}

func (d dice) order(w *world, prefix, code string, agencies []string) {
	o := wOrder{id: fmt.Sprintf("ord_%s_%02d", prefix, len(w.orders)), dossier: code, agency: oneOf(d, agencies...), procedure: oneOf(d, "p1", "p2"), created: d.at()}
	for _, fee := range []string{"a", "b"}[:d.n(1, 2)] {
		kind := oneOf(d, "phi", "le_phi", "nvtc")
		if len(o.lines) > 0 && (kind == "nvtc" || o.lines[0].kind == "nvtc") {
			break // nvtc is an order of its own
		}
		o.lines = append(o.lines, wLine{fee, kind, int64(oneOf(d, 0, 50, 97, 100))})
	}
	if o.amount() > 0 {
		at := o.created
		for range d.n(0, 3) {
			at = d.after(at)
			var next []string
			for _, step := range gateway.OrderTransitions() {
				if step.From == o.status(at) {
					next = append(next, step.To)
				}
			}
			if len(next) > 0 {
				o.states = append(o.states, wState{oneOf(d, next...), at})
			}
		}
	}
	w.orders = append(w.orders, o)
}

func (d dice) payment(w *world, prefix string, o *wOrder, simply bool) {
	if o.amount() == 0 {
		return
	}
	p := wPayment{id: fmt.Sprintf("pay_%s_%02d", prefix, len(w.payments)), order: o.id, paid: d.at(), provider: oneOf(d, "momo", "vnpay")}
	p.recorded = d.after(o.created)
	if p.channel = oneOf(d, "portal_checkout", "portal_checkout", "portal_checkout", "qr_counter_self", "treasury_epay", "officer_proxy", "cash_counter", "pos_counter", "transfer_unref"); slices.Contains([]string{"cash", "noncash_other"}, classOf(p.channel)) {
		p.atCounter, p.receipt, p.provider = true, d.yes(70), "counter"
	} else {
		p.known, p.staff = d.yes(30), d.yes(30)
		p.matches, p.disputes = d.facts(85, p.recorded), d.facts(10, p.recorded)
		if len(p.matches) > 0 {
			p.payouts = d.facts(30, p.matches[0].from)
		}
	}
	p.reversed = d.maybe(10, p.recorded)
	if simply {
		p.recorded, p.channel, p.atCounter, p.provider = o.created, "portal_checkout", false, "vnpay"
		p.matches, p.payouts, p.reversed = d.facts(95, p.recorded), nil, nil
		if len(p.matches) > 0 {
			p.payouts = d.facts(30, p.matches[0].from)
		}
	}
	w.payments = append(w.payments, p)
	give := func(o *wOrder, at time.Time) {
		left := o.amount()
		for _, a := range w.allocations {
			if a.order == o.id {
				left -= a.amount
			}
		}
		if left > 0 {
			amount := left
			if !simply && d.yes(60) {
				amount = int64(d.n(1, int(left)))
			}
			w.allocations = append(w.allocations, wAllocation{p.id, o.id, amount, at})
		}
	}
	give(o, p.recorded)
	if d.yes(15) { // its surplus goes to another order, or to this one later
		other := &w.orders[d.n(0, len(w.orders)-1)]
		if at := d.after(p.recorded); other.amount() > 0 && !at.Before(other.created) {
			give(other, at)
		}
	}
}

// until is the world as it had been recorded at a time: what came later is not there, what ended later still stands.
func (w *world) until(asOf time.Time) *world {
	v := &world{staff: w.staff}
	known := func(at time.Time) bool { return !at.After(asOf) }
	facts := func(in []fact) (out []fact) {
		for _, f := range in {
			if !known(f.from) {
				continue
			}
			if f.to != nil && !known(*f.to) {
				f.to = nil
			}
			out = append(out, f)
		}
		return out
	}
	for _, o := range w.orders {
		o.states = slices.DeleteFunc(slices.Clone(o.states), func(s wState) bool { return !known(s.at) })
		if known(o.created) {
			v.orders = append(v.orders, o)
		}
	}
	for _, p := range w.payments {
		p.matches, p.payouts, p.disputes = facts(p.matches), facts(p.payouts), facts(p.disputes)
		if p.reversed != nil && !known(*p.reversed) {
			p.reversed = nil
		}
		if known(p.recorded) {
			v.payments = append(v.payments, p)
		}
	}
	for _, a := range w.allocations {
		if known(a.at) {
			v.allocations = append(v.allocations, a)
		}
	}
	for _, r := range w.refunds {
		if known(r.at) {
			v.refunds = append(v.refunds, r)
		}
	}
	for _, x := range w.dossiers {
		if known(x.at) {
			v.dossiers = append(v.dossiers, x)
		}
	}
	return v
}

// ground is the database that all worlds are written into, side by side: each has agencies of its own, and is asked about by them.
func ground(t *testing.T) (service, owner *sqlx.DB) {
	service = dbtest.New(t)
	owner = dbtest.Admin(t, service)
	level(t, owner)
	return service, owner
}

// level is what all worlds stand on.
func level(t *testing.T, owner *sqlx.DB) {
	for _, q := range []string{
		`INSERT INTO source_systems (name, mode) VALUES ('portal', 'live'), ('trial', 'test')`,
		`INSERT INTO clients (id, name, source_system, created_at) VALUES ('cli', 'x', 'portal', '2026-01-01')`,
		`INSERT INTO fields (code, name) VALUES ('f1', 'F1'), ('f2', 'F2')`, `INSERT INTO communes (code, name) VALUES ('c1', 'C1')`,
		`INSERT INTO procedures (code, name, field_code) VALUES ('p1', 'P1', 'f1'), ('p2', 'P2', 'f2')`, `INSERT INTO agencies (code, name) VALUES ('x', 'X')`,
		`INSERT INTO merchant_accounts (id, provider, agency_code, terminal, kinds, base_url, created_at) VALUES ('acc', 'momo', 'x', 'T', '{phi,le_phi,nvtc}', 'x', '2026-01-01')`,
		`INSERT INTO imports (id, kind, account_id, date, status, sha256, imported_by, recorded_at) VALUES ('imp', 'settlement', 'acc', '2026-01-01', 'visible', 'x', 'u', '2026-01-01')`,
		`INSERT INTO imports (id, kind, bank_account, status, sha256, imported_by, recorded_at) VALUES ('ims', 'statement', '1', 'visible', 'y', 'u', '2026-01-01')`,
		`INSERT INTO statement_lines (import_id, bank_account, booked_on, amount, reference, description, key, occurrence, recorded_at) VALUES ('ims', '1', '2026-01-01', 1, '', '', 'k', 1, '2026-01-01')`,
		fmt.Sprintf(`INSERT INTO staff_accounts (digest, recorded_at, ended_at) VALUES ('staff', '%s', '%s')`, epoch.AddDate(0, 0, 20).Format(time.RFC3339), epoch.AddDate(0, 0, 50).Format(time.RFC3339)),
	} {
		if _, err := owner.ExecContext(t.Context(), q); err != nil {
			t.Fatal(q, err)
		}
	}
}

type row = map[string]any

// write puts the world into the tables.
func (w *world) write(t *rapid.T, owner *sqlx.DB, prefix, mode string) {
	w.writeWith(t, owner, prefix, mode, func() {})
}

// writeWith does it table by table; between is called after each.
func (w *world) writeWith(t *rapid.T, owner *sqlx.DB, prefix, mode string, between func()) {
	rows := map[string][]row{"agencies": {{"code": prefix + "1", "name": "A1", "commune_code": "c1", "position": 0}, {"code": prefix + "2", "name": "A2", "position": 0}}}
	var days int // a payment's line stands on a day of its own: a payout pays whole days
	if err := owner.GetContext(t.Context(), &days, `SELECT count(*) FROM settlement_lines`); err != nil {
		t.Fatal(err)
	}
	put := func(table string, r row) {
		if table == "settlement_lines" {
			r["date"] = time.Date(1900, 1, 1+days+len(rows[table]), 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		}
		rows[table] = append(rows[table], r)
	}
	for _, o := range w.orders {
		status, paid, kinds := "open", int64(0), []string{}
		if o.amount() == 0 {
			status = "no_payment_needed"
		}
		for _, s := range o.states {
			put("history", row{"object_id": o.id, "from_status": status, "to_status": s.status, "source": "x", "actor": "", "detail": "", "recorded_at": s.at})
			status = s.status
		}
		if slices.Contains([]string{"paid", "refunded", "partly_refunded"}, status) {
			paid = o.amount()
		}
		for n, l := range o.lines {
			if !slices.Contains(kinds, l.kind) {
				kinds = append(kinds, l.kind)
			}
			put("order_lines", row{"order_id": o.id, "n": n, "source_system": "portal", "dossier_code": o.dossier, "fee_code": l.fee, "purpose": "", "kind": l.kind, "name": "x",
				"quantity": 1, "unit_amount": 100, "gross": 100, "net": l.net, "adjustments": []any{}, "live": false})
		}
		put("orders", row{"id": o.id, "client_id": "cli", "source_system": "portal", "mode": mode, "reference": o.id, "dossier_code": o.dossier, "procedure_code": o.procedure,
			"agency_code": o.agency, "status": status, "amount": o.amount(), "paid_amount": paid, "refunded_amount": 0, "late": false, "kinds": kinds, "return_url": "",
			"metadata": row{}, "created_at": o.created, "expires_at": o.created.AddDate(0, 0, 7)})
	}
	for _, p := range w.payments {
		w.writePayment(p, mode, put)
	}
	for i, a := range w.allocations {
		put("allocations", row{"payment_id": a.payment, "order_id": a.order, "n": i, "amount": a.amount, "recorded_at": a.at})
	}
	for i, r := range w.refunds {
		status := map[bool]string{true: "succeeded", false: "submitted"}[r.done]
		if !r.done && slices.ContainsFunc(w.refunds[:i], func(q wRefund) bool { return !q.done && q.payment == r.payment }) {
			status = "failed"
		}
		put("refunds", row{"id": fmt.Sprintf("rfd_%s_%d", prefix, i), "payment_id": r.payment, "order_id": r.order, "status": status, "amount": r.allocated + 1, "surplus_part": 1,
			"allocated_part": r.allocated, "reason": "x", "provider_reference": fmt.Sprintf("R%s%d", prefix, i), "provider_transaction": "", "code": "", "requested_by": "a",
			"requested_at": r.at, "decided_by": "b", "decided_at": r.at, "sends": 0, "in_doubt": false, "lookups": 0, "effective_at": r.at, "recorded_at": r.at})
	}
	told := map[string]int{}
	for _, x := range w.dossiers {
		told[x.code]++
		put("dossiers", row{"source_system": "portal", "dossier_code": x.code, "n": told[x.code], "status": x.status, "procedure_code": x.procedure, "agency_code": x.agency,
			"received_on": "2026-01-01", "closed_at": x.closed, "amount_due": x.due, "applicant_ref": "", "service_level": "", "mode": mode, "recorded_at": x.at})
	}
	for _, table := range []string{"agencies", "orders", "order_lines", "payments", "counter_payments", "allocations", "reversals", "refunds", "history", "dossiers",
		"settlement_lines", "discrepancies", "discrepancy_history"} {
		insert(t, owner, rows[table], "INSERT INTO "+table+" (%[1]s) SELECT %[1]s FROM json_populate_recordset(NULL::"+table+", $1)")
		between()
	}
	if strings.HasSuffix(prefix, "0-") { // as a server that runs for a while does by itself
		if _, err := owner.ExecContext(t.Context(), "ANALYZE"); err != nil {
			t.Fatal(err)
		}
	}
	const line = "(SELECT id FROM settlement_lines WHERE key = ref)"
	insert(t, owner, rows["matches"], `INSERT INTO matches (payment_id, line_id, account_id, rule, recorded_at, ended_at) SELECT ref, `+line+`, 'acc', 'x', recorded_at, ended_at
		FROM json_to_recordset($1) AS d(ref text, recorded_at timestamptz, ended_at timestamptz)`)
	between()
	insert(t, owner, rows["payouts"], `WITH d AS (SELECT 'pyo_' || ref || row_number() OVER () AS id, * FROM json_to_recordset($1) AS d(ref text, recorded_at timestamptz, ended_at timestamptz)),
		p AS (INSERT INTO payouts (id, bank_account, rule, proven, recorded_by, recorded_at, ended_at) SELECT id, '1', 'named', true, 'x', recorded_at, ended_at FROM d)
		INSERT INTO payout_days (payout_id, account_id, date, net, amount, counts_on, ended_at) SELECT d.id, 'acc', l.date, 1, 1, l.date, d.ended_at FROM d JOIN settlement_lines l ON l.key = d.ref`)
	between()
}

func (w *world) writePayment(p wPayment, mode string, put func(string, row)) {
	r := row{"id": p.id, "order_id": p.order, "account_id": "acc", "provider": p.provider, "provider_reference": p.id, "status": "succeeded", "mode": mode, "requested_amount": 1000,
		"received_amount": 1000, "allocated_amount": 1000, "reserved_amount": 0, "method": "", "initiated_by": "payer", "place": "remote", "channel": p.channel, "locale": "vi",
		"payer_ip": "", "description": "", "provider_transaction": "", "code": "", "reason": "", "in_doubt": false, "payer_kind": "", "payer_bank": "", "payer_masked": "",
		"created_at": p.recorded, "paid_at": p.paid, "recorded_at": p.recorded, "last_lookup_outcome": "", "lookups": 0}
	if p.known {
		r["payer_digest"] = map[bool]string{true: `\x7374616666`, false: `\x6f74686572`}[p.staff]
	}
	if p.atCounter {
		delete(r, "account_id")
		c := row{"payment_id": p.id, "agency_code": "x", "officer": "o", "recorded_by": "a", "postal": false}
		if p.receipt {
			c["receipt_number"] = p.id
		}
		put("counter_payments", c)
	}
	if p.reversed != nil {
		r["status"] = "reversed"
		put("reversals", row{"payment_id": p.id, "source": "x", "effective_at": p.reversed, "recorded_at": p.reversed})
	}
	put("payments", r)
	if len(p.matches) > 0 {
		put("settlement_lines", row{"import_id": "imp", "account_id": "acc", "line_no": 1, "type": "payment", "reference": "", "transaction": "", "original": "",
			"amount": 1, "fee": 0, "net": 1, "at": p.paid, "own_date": "2026-01-01", "row_status": "", "success": true, "key": p.id, "occurrence": 1})
	}
	for _, f := range p.matches {
		put("matches", row{"ref": p.id, "recorded_at": f.from, "ended_at": f.to})
	}
	for _, f := range p.payouts {
		put("payouts", row{"ref": p.id, "recorded_at": f.from, "ended_at": f.to})
	}
	for i, f := range p.disputes {
		id := fmt.Sprint("dis_", p.id, i)
		put("discrepancies", row{"id": id, "account_id": "acc", "date": "2026-01-01", "kind": []string{"in_doubt", "wrong_account", "reversal"}[i%3], "subject": id,
			"status": map[bool]string{true: "open", false: "resolved"}[f.to == nil], "amount": 1, "effect": 0, "bank_effect": 0, "payment_id": p.id, "detail": row{}, "recorded_at": f.from})
		put("discrepancy_history", row{"discrepancy_id": id, "status": "open", "effect": 0, "actor": "x", "note": "", "recorded_at": f.from})
		if f.to != nil {
			put("discrepancy_history", row{"discrepancy_id": id, "status": "resolved", "effect": 0, "actor": "x", "note": "", "recorded_at": f.to})
		}
	}
}

// insert writes rows by one statement; %[1]s in it is the list of the columns that any of the rows has.
func insert(t *rapid.T, owner *sqlx.DB, rows []row, statement string) {
	if len(rows) == 0 {
		return
	}
	columns := map[string]bool{}
	for _, r := range rows {
		for c := range r {
			columns[c] = true
		}
	}
	raw, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(statement, "%[1]s") {
		statement = fmt.Sprintf(statement, strings.Join(slices.Sorted(maps.Keys(columns)), ", "))
	}
	if _, err := owner.ExecContext(t.Context(), statement, string(raw)); err != nil {
		t.Fatalf("%s: %v\n%s", statement, err, raw)
	}
}

// renamed is the same world under other names.
func renamed(w *world, from, to string) *world {
	name := func(s string) string { return strings.Replace(s, from, to, 1) }
	v := &world{staff: w.staff}
	for _, o := range w.orders {
		o.id, o.dossier, o.agency = name(o.id), name(o.dossier), name(o.agency)
		v.orders = append(v.orders, o)
	}
	for _, p := range w.payments {
		p.id, p.order = name(p.id), name(p.order)
		v.payments = append(v.payments, p)
	}
	for _, a := range w.allocations {
		v.allocations = append(v.allocations, wAllocation{name(a.payment), name(a.order), a.amount, a.at})
	}
	for _, r := range w.refunds {
		r.payment, r.order = name(r.payment), name(r.order)
		v.refunds = append(v.refunds, r)
	}
	for _, x := range w.dossiers {
		x.code, x.agency = name(x.code), name(x.agency)
		v.dossiers = append(v.dossiers, x)
	}
	return v
}

// split pays an allocation by two payments of the same time and fate; the second may go another way.
func split(d dice, w *world) {
	if len(w.allocations) == 0 {
		return
	}
	a := &w.allocations[d.n(0, len(w.allocations)-1)]
	if a.amount < 2 {
		return
	}
	at := slices.IndexFunc(w.payments, func(p wPayment) bool { return p.id == a.payment })
	p := w.payments[at]
	p.id = fmt.Sprintf("%s-%d", p.id, len(w.payments))
	if d.yes(30) {
		p.channel = oneOf(d, "portal_checkout", "qr_counter_self", "treasury_epay")
		if p.atCounter {
			p.atCounter, p.provider, p.matches = false, "momo", []fact{{from: p.recorded}}
		}
	}
	part := int64(d.n(1, int(a.amount)-1))
	a.amount -= part
	w.payments = append(w.payments, p)
	w.allocations = append(w.allocations, wAllocation{p.id, a.order, part, a.at})
}
