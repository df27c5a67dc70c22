package adoption

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"pgregory.net/rapid"
)

// aggregated are worlds with a folder whose clock stands at the epoch, so that no change is let go.
func aggregated(t *testing.T) (*worlds, *Folder) {
	x := newWorlds(t)
	return x, NewFolder(x.service, func() time.Time { return epoch })
}

// bothWays counts from the rows and from the aggregates, and fails where they differ.
func (x *worlds) bothWays(t *rapid.T, q Question, s *span) {
	tx, err := x.reporter.reading(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	o, err := x.reporter.readiness(t.Context(), tx, s)
	if err != nil || o.Unfilled || o.TooOld {
		t.Fatalf("%+v %v", o, err)
	}
	want, err := x.reporter.raw(t.Context(), tx, q, s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := x.reporter.summed(t.Context(), tx, q, s, o.Touched > 0)
	if err != nil {
		t.Fatal(err)
	}
	show := func(all []counted) (out []string) {
		for _, c := range all {
			out = append(out, fmt.Sprint(c.total, " ", c.code, " ", c.name, " ", plain(c.values)))
		}
		return out
	}
	if !slices.Equal(show(got), show(want)) {
		t.Fatalf("by %q as of %s, %d touched:\n the rows %v\nthe sums %v", q.GroupBy, s.asOf, o.Touched, strings.Join(show(want), "\n"), strings.Join(show(got), "\n"))
	}
}

// listed reads a whole list, page by page; from the rows alone, or from wherever is less work.
func (x *worlds) listed(t *rapid.T, b Behind, s *span, raw bool) (out []string) {
	f := figures[b.Figure]
	for after := ""; ; {
		var l List
		var err error
		if raw {
			tx, e := x.reporter.reading(t.Context())
			if e != nil {
				t.Fatal(e)
			}
			after, err = x.reporter.page(t.Context(), tx, b, f, successors{}, inPeriod, `(SELECT coalesce(sum(counts), 0)::bigint FROM line)`,
				[]any{s.asOf, s.from, s.to, pq.Array(append([]string{}, b.Agencies...)), b.Bucket, b.Given, b.Group, after, b.Limit + 1}, &l)
			_ = tx.Rollback()
		} else {
			after, err = x.reporter.lines(t.Context(), b, f, s, after, &l)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range l.Items {
			raw, _ := json.Marshal(i)
			out = append(out, fmt.Sprint(l.Value, " ", string(raw)))
		}
		if after == "" {
			return append(out, fmt.Sprint(l.Value))
		}
	}
}

// theSameList compares the list behind a figure from the aggregates with that from the rows.
func (x *worlds) theSameList(t *rapid.T, d dice, q Question, s *span) {
	b := Behind{Question: q, Figure: oneOf(d, Figures()...), Limit: oneOf(d, 1, 2, 5)}
	f := figures[b.Figure]
	if f.of == units && d.yes(30) {
		b.Bucket = oneOf(d, Buckets()...)
	}
	if !ofDossiers(b.GroupBy) && (f.of == dossiers || f.of == exemption) {
		b.GroupBy = ""
	}
	if b.GroupBy != "" {
		b.Given = true
		for group := range counts(t, x.reporter, b.Question, s) {
			if group != total {
				b.Group = group
			}
		}
	}
	if got, want := x.listed(t, b, s, false), x.listed(t, b, s, true); !slices.Equal(got, want) {
		t.Fatalf("%s, bucket %q, by %q %q, as of %s:\n the rows %s\nthe cells %s", b.Figure, b.Bucket, b.GroupBy, b.Group, s.asOf, strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
}

// Whatever is written, and whenever it is folded, the report from the aggregates is the report from the rows: after every step, folded or
// not, in every grouping, as of now and as of any time before.
func TestTheAggregatesAreTheRows(t *testing.T) { theAggregatesAreTheRows(t, 6) }

func theAggregatesAreTheRows(t *testing.T, worlds int) {
	x, folder := aggregated(t)
	x.checkSome(t, worlds, func(t *rapid.T) {
		d, prefix := throw(t), x.prefix()
		w := aWorld(d, prefix)
		look := func() {
			if d.yes(30) {
				if _, _, err := folder.fold(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			s := d.span()
			if d.yes(50) {
				s.asOf = epoch.AddDate(2, 0, 0)
			}
			q := asked(prefix, oneOf(d, append(Groupings(), "")...))
			if d.yes(20) {
				q.Agencies = nil // the whole province
			}
			x.bothWays(t, q, s)
			if d.yes(40) {
				x.theSameList(t, d, q, s)
			}
		}
		w.writeWith(t, x.owner, prefix, "live", look)
		for range 12 {
			x.stir(t, d, w, prefix)
			look()
		}
	})
}

// stir changes something of the world as it is written, in one of the ways in which rows change.
func (x *worlds) stir(t *rapid.T, d dice, w *world, prefix string) {
	do := func(q string, args ...any) {
		if _, err := x.owner.ExecContext(t.Context(), q, args...); err != nil {
			t.Fatal(q, err)
		}
	}
	at := d.at().AddDate(0, 0, d.n(0, 40))
	payment, order := "", ""
	if len(w.payments) > 0 {
		payment = w.payments[d.n(0, len(w.payments)-1)].id
	}
	if len(w.orders) > 0 {
		order = w.orders[d.n(0, len(w.orders)-1)].id
	}
	x.n++
	n := fmt.Sprint(prefix, "s", x.n)
	code := fmt.Sprintf("%s-d%d", prefix, d.n(0, 5))
	switch d.n(1, 15) {
	case 1: // a match ends
		do(`WITH m AS (SELECT id FROM matches WHERE payment_id = $1 AND ended_at IS NULL), u AS (INSERT INTO unmatches SELECT id, 'x', 'x', $2 FROM m) SELECT 1`, payment, at)
		do(`UPDATE matches SET ended_at = $2 WHERE payment_id = $1 AND ended_at IS NULL`, payment, at)
	case 2: // a payout ends
		do(`WITH p AS (SELECT y.id FROM payouts y WHERE y.id LIKE 'pyo_' || $1 || '%' AND y.ended_at IS NULL LIMIT 1) INSERT INTO payout_ends SELECT id, 'x', 'x', $2 FROM p ON CONFLICT DO NOTHING`, payment, at)
		do(`UPDATE payouts y SET ended_at = $1 WHERE ended_at IS NULL AND EXISTS (SELECT FROM payout_ends e WHERE e.payout_id = y.id)`, at)
	case 3: // a payment is taken back
		do(`UPDATE payments SET status = 'reversed' WHERE id = $1 AND status = 'succeeded'`, payment)
		do(`INSERT INTO reversals (payment_id, source, effective_at, recorded_at) SELECT $1, 'x', $2, $2 WHERE $1 <> '' ON CONFLICT DO NOTHING`, payment, at)
	case 4: // an order goes on
		do(`WITH o AS (UPDATE orders SET status = CASE status WHEN 'open' THEN 'expired' WHEN 'expired' THEN 'superseded' ELSE status END WHERE id = $1 AND status IN ('open', 'expired') RETURNING id, status)
			INSERT INTO history (object_id, from_status, to_status, source, recorded_at) SELECT id, 'open', status, 'x', $2 FROM o`, order, at)
	case 5: // an account is declared, or no longer
		do(`UPDATE staff_accounts SET ended_at = $1 WHERE digest = 'other' AND ended_at IS NULL AND recorded_at <= $1`, at)
		do(`INSERT INTO staff_accounts (digest, recorded_at) SELECT 'other', $1 WHERE NOT EXISTS (SELECT FROM staff_accounts WHERE digest = 'other' AND (ended_at IS NULL OR ended_at > $1))`, at)
	case 6: // an account is flagged, or no longer
		do(`UPDATE payer_flags SET ended_at = $1 WHERE digest = 'other' AND ended_at IS NULL AND recorded_at <= $1`, at)
		do(`INSERT INTO payer_flags (digest, from_at, definition, recorded_at) SELECT 'other', $1, 'OPR-1', $1 ON CONFLICT DO NOTHING`, at)
	case 7: // a transfer is found on a statement
		do(`INSERT INTO bank_transfers (id, bank_account, account_id, direction, amount, content_digest, content_sealed, at, recorded_at) VALUES ($1, '1', 'acc', 'in', 1, '', '', $2, $2)`, n, at)
		steps := []func(){
			func() {
				do(`UPDATE payments SET transfer_id = $1 WHERE id = $2 AND transfer_id IS NULL`, n, payment)
			},
			func() {
				do(`WITH l AS (INSERT INTO statement_lines (import_id, bank_account, booked_on, amount, reference, description, key, occurrence, recorded_at) VALUES ('ims', '1', '2026-01-01', 1, '', '', $1, 1, $2) RETURNING id)
					INSERT INTO statement_transfers (line_id, transfer_id, recorded_at) SELECT id, $1, $2 FROM l`, n, at)
			},
		}
		i := d.n(0, 1)
		steps[i]()
		x.bothWays(t, asked(prefix, ""), &span{asOf: at, from: epoch, to: epoch.AddDate(0, 3, 0)})
		steps[1-i]()
	case 8, 9: // a slip's cash is at the bank, and then not
		do(`WITH l AS (INSERT INTO statement_lines (import_id, bank_account, booked_on, amount, reference, description, key, occurrence, recorded_at) VALUES ('ims', '1', '2026-01-01', 1, '', '', $1, 1, $2) RETURNING id),
				s AS (INSERT INTO deposits (id, agency_code, bank_account, slip_number, deposited_at, amount, recorded_by, recorded_at) VALUES ($1, 'x', '1', $1, $2, 1, 'x', $2) RETURNING id)
			INSERT INTO bank_uses (line_id, deposit_id, rule, recorded_by, recorded_at) SELECT l.id, s.id, 'x', 'x', $2 FROM l, s`, n, at)
		do(`INSERT INTO deposit_items (deposit_id, payment_id, amount) SELECT $1, id, 1 FROM payments WHERE account_id IS NULL AND order_id LIKE 'ord_' || $2 || '%'
			AND NOT EXISTS (SELECT FROM deposit_items i WHERE i.payment_id = payments.id) LIMIT 2`, n, prefix)
		if d.yes(40) {
			do(`UPDATE bank_uses SET ended_at = $2 WHERE deposit_id = $1`, n, at.AddDate(0, 0, d.n(1, 9)))
		}
	case 10: // a refund comes true
		do(`UPDATE refunds SET status = 'succeeded', recorded_at = $2 WHERE payment_id = $1 AND status = 'submitted'`, payment, at)
	case 11, 12: // the case system tells more of a dossier
		do(`INSERT INTO dossiers (source_system, dossier_code, n, status, procedure_code, agency_code, received_on, closed_at, mode, recorded_at)
			SELECT 'portal', $1, coalesce(max(n), 0) + 1, $2, 'p2', $3, '2026-01-01', $4, 'live', greatest($5, max(recorded_at)) FROM dossiers WHERE dossier_code = $1`,
			code, oneOf(d, "closed", "closed", "open", "withdrawn"), prefix+oneOf(d, "1", "2"), d.at(), at)
	case 13: // a new order of a dossier, its lines a little later
		amount := oneOf(d, 0, 50)
		do(`INSERT INTO orders (id, client_id, source_system, mode, reference, dossier_code, procedure_code, agency_code, status, amount, kinds, created_at, expires_at)
			VALUES ('ord_' || $1, 'cli', 'portal', 'live', $1, $2, 'p1', $3, CASE WHEN $4::int = 0 THEN 'no_payment_needed' ELSE 'open' END, $4, '{phi}', $5, $5)`, n, code, prefix+"1", amount, at)
		x.bothWays(t, asked(prefix, ""), &span{asOf: at, from: epoch, to: epoch.AddDate(0, 3, 0)})
		do(`INSERT INTO order_lines (order_id, n, source_system, dossier_code, fee_code, kind, name, quantity, unit_amount, gross, net, live)
			VALUES ('ord_' || $1, 0, 'portal', $2, 'a', 'phi', 'x', 1, 100, 100, $3, false)`, n, code, amount)
	case 14: // money in doubt, and what becomes of it
		if payment == "" {
			return
		}
		do(`INSERT INTO discrepancies (id, account_id, date, kind, subject, amount, effect, payment_id, recorded_at) VALUES ($1, 'acc', '2026-01-01', $4, $1, 1, 0, $2, $3)`,
			n, payment, at, oneOf(d, "in_doubt", "late"))
		if d.yes(50) {
			do(`INSERT INTO discrepancy_history (discrepancy_id, status, effect, actor, recorded_at) VALUES ($1, 'resolved', 0, 'x', $2)`, n, at.AddDate(0, 0, d.n(0, 9)))
		}
		do(`UPDATE discrepancies SET kind = 'wrong_account' WHERE id = $1`, n)
	case 15: // surplus pays another order
		if payment != "" && order != "" {
			do(`INSERT INTO allocations (payment_id, order_id, n, amount, recorded_at) SELECT $1, $2, $3, 10, $4 WHERE EXISTS (SELECT FROM orders WHERE id = $2 AND amount > 0)`, payment, order, 1000+x.n, at.AddDate(1, 0, 0)) // after all that was recorded of the payment
		}
	}
}

// Two folders at once, reports beside them, and folders that die between any two of their statements: the sums are those of the rows.
func TestFoldersThatMeetAndDie(t *testing.T) {
	x, folder := aggregated(t)
	x.checkSome(t, 6, func(t *rapid.T) {
		d, prefix := throw(t), x.prefix()
		aWorld(d, prefix).write(t, x.owner, prefix, "live")
		q, s := asked(prefix, "month"), &span{asOf: epoch.AddDate(2, 0, 0), from: epoch, to: epoch.AddDate(0, 4, 0)}
		for i := range 3 { // dies before its i-th look
			ctx, cancel := context.WithCancel(t.Context())
			dying := NewFolder(x.service, func() time.Time { return epoch })
			go func() { time.AfterFunc(time.Duration(i*d.n(1, 5))*time.Millisecond, cancel) }()
			if _, _, err := dying.fold(ctx); err != nil && !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "cancel") && !strings.Contains(err.Error(), "bad connection") && !strings.Contains(err.Error(), "closed") {
				t.Fatal(err)
			}
			cancel()
			x.bothWays(t, q, s)
		}
		var wg sync.WaitGroup
		errs := make([]error, 3)
		for i := range errs {
			wg.Go(func() { _, errs[i] = folder.FoldAll(context.WithoutCancel(t.Context())) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		x.bothWays(t, q, s)
	})
}

// A database that had orders before the aggregates were there is filled by a mark of everything; until then the rows are counted.
func TestTheFirstFilling(t *testing.T) {
	x, folder := aggregated(t)
	x.checkSome(t, 3, func(t *rapid.T) {
		d, prefix := throw(t), x.prefix()
		aWorld(d, prefix).write(t, x.owner, prefix, "live")
		for _, q := range []string{`TRUNCATE report_marks, report_facts, report_cubes, report_changes`, `INSERT INTO report_marks (what) VALUES ('*')`} {
			if _, err := x.owner.ExecContext(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		s := &span{asOf: epoch.AddDate(2, 0, 0), from: epoch, to: epoch.AddDate(0, 4, 0)}
		before := counts(t, x.reporter, asked(prefix, "agency"), s)
		if _, err := folder.FoldAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		x.bothWays(t, asked(prefix, "agency"), s)
		for group, figures := range counts(t, x.reporter, asked(prefix, "agency"), s) {
			if !maps.Equal(before[group], figures) {
				t.Fatalf("%s: before %v, then %v", group, before[group], figures)
			}
		}
	})
}

// Every table that the definition reads marks what changes in it.
func TestEveryTableThatIsReadIsMarked(t *testing.T) {
	_, owner := ground(t)
	read := tablesOf(t, owner, `WITH `+inPeriod+judged+` SELECT * FROM facts`)
	never := map[string]string{ // what of it is read cannot change, or counts through a row that is marked
		"settlement_lines INSERT": "a line counts through its match",
		"settlement_lines UPDATE": "its account and day stay",
		"payments INSERT":         "a payment counts through its allocations",
		"payout_days UPDATE":      "its end is not read: its payout's is",
	}
	for _, table := range read {
		var events []string
		if err := owner.SelectContext(t.Context(), &events, `SELECT DISTINCT event_manipulation FROM information_schema.triggers WHERE event_object_table = $1 AND action_statement LIKE '%mark_%'`, table); err != nil {
			t.Fatal(err)
		}
		var append bool
		if err := owner.GetContext(t.Context(), &append, `SELECT EXISTS (SELECT FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid WHERE t.tgrelid = $1::regclass AND f.proname = 'forbid_change')
			AND NOT has_any_column_privilege('feegate_service', $1, 'UPDATE')`, table); err != nil {
			t.Fatal(err)
		}
		for _, event := range []string{"INSERT", "UPDATE"} {
			if never[table+" "+event] == "" && !slices.Contains(events, event) && !(event == "UPDATE" && append) {
				t.Errorf("%s is read by the definition, and %s of it is not marked", table, event)
			}
		}
	}
	if len(read) < 18 {
		t.Errorf("read are only %v", read)
	}
}

// tablesOf lists the tables that a query reads: those that it is planned over, with its functions inlined.
func tablesOf(t *testing.T, owner *sqlx.DB, query string) []string {
	tx, err := owner.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	query = strings.NewReplacer("$1", "'infinity'::timestamptz", "$2", "'-infinity'::timestamptz", "$3", "'infinity'::timestamptz", "$4", "'{}'").Replace(query)
	if _, err := tx.ExecContext(t.Context(), `EXPLAIN `+query); err != nil {
		t.Fatal(err)
	}
	var tables []string
	if err := tx.SelectContext(t.Context(), &tables, `SELECT DISTINCT c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = pg_backend_pid() AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1`); err != nil {
		t.Fatal(err)
	}
	return tables
}

// Every figure of the catalogue has its column in the cubes.
func TestEveryFigureHasItsColumn(t *testing.T) {
	_, owner := ground(t)
	var columns []string
	if err := owner.SelectContext(t.Context(), &columns, `SELECT column_name FROM information_schema.columns WHERE table_name = 'report_cubes' AND data_type = 'bigint'`); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range measures() {
		want = append(want, m.column)
	}
	slices.Sort(columns)
	slices.Sort(want)
	if !slices.Equal(columns, want) {
		t.Errorf("report_cubes has %v, the catalogue of figures wants %v: a migration adds the column, and a mark '*' fills it", columns, want)
	}
}
