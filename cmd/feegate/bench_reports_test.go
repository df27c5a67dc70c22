//go:build bench

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/migrations"
	"feegate/migrations/localdb"
	"feegate/reconciliation/adoption"
)

// provinceYear is a year of orders in a database of its own, made by set-based statements with triggers and references aside, then folded as an
// existing database is.
type provinceYear struct {
	service, owner *sqlx.DB
	reporter       *adoption.Reporter
	folder         *adoption.Folder
	orders         int
}

var benchNow = time.Date(2027, 1, 15, 0, 0, 0, 0, time.UTC)

// made gives a province of n orders. FEEGATE_BENCH_DIR keeps it for the next time.
func made(t *testing.T, n int) *provinceYear {
	t.Helper()
	dir, keep := os.Getenv("FEEGATE_BENCH_DIR"), true
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("/var/tmp", "feegate-bench-"); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		keep = false
	}
	server, err := localdb.Start(t.Context(), localdb.Options{Dir: filepath.Join(dir, strconv.Itoa(n)), NoSync: true,
		Settings: map[string]string{"shared_buffers": "1GB", "max_wal_size": "8GB", "wal_level": "minimal", "max_wal_senders": "0", "checkpoint_timeout": "30min", "maintenance_work_mem": "256MB"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if keep {
			_ = server.Stop(context.Background())
			return
		}
		_ = server.Destroy(context.Background())
	})
	open := func(role, name string) *sqlx.DB {
		db, err := sqlx.ConnectContext(t.Context(), "postgres", server.URL(role, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	p := &provinceYear{orders: n}
	root := open(localdb.Superuser, "postgres")
	var there bool
	if err := root.GetContext(t.Context(), &there, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'made')`); err != nil {
		t.Fatal(err)
	}
	name := "made"
	if !there {
		name = "making"
		if _, err := root.ExecContext(t.Context(), `DROP DATABASE IF EXISTS making`); err != nil {
			t.Fatal(err)
		}
		if _, err := root.ExecContext(t.Context(), `CREATE DATABASE making`); err != nil {
			t.Fatal(err)
		}
	}
	p.owner = open(localdb.Superuser, name)
	if !there {
		p.make(t)
		if err := p.owner.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := root.ExecContext(t.Context(), `ALTER DATABASE making RENAME TO made`); err != nil {
			t.Fatal(err)
		}
		p.owner = open(localdb.Superuser, "made")
	}
	if p.service, err = connect(t.Context(), server.URL(migrations.ServiceRole, "made")); err != nil { // as the program does
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.service.Close() })
	p.reporter = adoption.New(p.service, func() time.Time { return benchNow })
	p.folder = adoption.NewFolder(p.service, func() time.Time { return benchNow })
	began := time.Now()
	dossiers, err := p.folder.FoldAll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if dossiers > 0 {
		t.Logf("%9d orders: %d dossiers folded in %.0f s", n, dossiers, time.Since(began).Seconds())
		if _, err := p.owner.ExecContext(t.Context(), `VACUUM ANALYZE report_facts, report_cubes, report_marks, report_changes`); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// make writes the year: 120 agencies in 95 communes, 60 procedures of 12 fields, three providers' accounts for each agency. Most orders are paid
// online and settled; the rest is cash, POS, exempt, unpaid, refunded or in doubt.
func (p *provinceYear) make(t *testing.T) {
	t.Helper()
	if _, err := migrations.Up(t.Context(), p.owner.DB); err != nil {
		t.Fatal(err)
	}
	conn, err := p.owner.Connx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), `SET session_replication_role = replica; SET synchronous_commit = off; SET work_mem = '256MB'`); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, q := range []string{
		`INSERT INTO source_systems (name) VALUES ('portal')`,
		`INSERT INTO clients (id, name, source_system, created_at) VALUES ('cli', 'x', 'portal', '2026-01-01')`,
		`INSERT INTO fields (code, name) SELECT 'F' || i, 'Lĩnh vực ' || i FROM generate_series(1, 12) i`,
		`INSERT INTO communes (code, name) SELECT 'C' || i, 'Xã ' || i FROM generate_series(1, 95) i`,
		`INSERT INTO procedures (code, name, field_code) SELECT '1.' || i, 'Thủ tục ' || i, 'F' || 1 + i % 12 FROM generate_series(1, 60) i`,
		`INSERT INTO agencies (code, name, commune_code) SELECT 'H10.' || i, 'Đơn vị ' || i, CASE WHEN i <= 95 THEN 'C' || i END FROM generate_series(1, 120) i`,
		`INSERT INTO merchant_accounts (id, provider, agency_code, terminal, kinds, base_url, created_at)
			SELECT 'acc_' || a || '_' || v.n, v.name, 'H10.' || a, 'T' || a, '{phi,le_phi,nvtc}', 'x', '2026-01-01' FROM generate_series(1, 120) a, (VALUES (0, 'vnpay'), (1, 'momo'), (2, 'zalopay')) v(n, name)`,
		`CREATE UNLOGGED TABLE plan AS SELECT i, lpad(i::text, 9, '0') AS no, h, timestamptz '2026-01-01 01:00Z' + (i::bigint * 365 * 86400 / $N) * interval '1 second' AS at,
				'H10.' || 1 + least(h % 150, 119) AS agency, 1 + least(h % 150, 119) AS a, '1.' || 1 + (h / 150) % 60 AS procedure, (h / 7) % 3 AS v, (h / 11) % 1000 AS way,
				CASE WHEN (h / 13) % 1000 < 30 THEN 0 ELSE 10000 * (1 + h % 40) END AS amount
			FROM (SELECT i, abs(hashint4(i)) AS h FROM generate_series(1, $N) i) x`,
		`ALTER TABLE plan ADD COLUMN dossier text GENERATED ALWAYS AS ('H10-' || CASE WHEN h % 10 = 0 THEN lpad((i - 1)::text, 9, '0') ELSE no END) STORED`,
		`INSERT INTO orders (id, client_id, source_system, mode, reference, dossier_code, procedure_code, agency_code, status, amount, paid_amount, kinds, created_at, expires_at)
			SELECT 'ord_' || no, 'cli', 'portal', 'live', no, dossier, procedure, agency, CASE WHEN amount = 0 THEN 'no_payment_needed' WHEN way < 900 THEN 'paid' ELSE 'expired' END, amount,
				CASE WHEN way < 900 THEN amount ELSE 0 END, CASE h % 3 WHEN 0 THEN '{phi}'::text[] WHEN 1 THEN '{le_phi}' ELSE '{phi,le_phi}' END, at, at + interval '7 days' FROM plan`,
		`INSERT INTO order_lines (order_id, n, source_system, dossier_code, fee_code, kind, name, quantity, unit_amount, gross, net, live)
			SELECT 'ord_' || no, l, 'portal', dossier, 'f' || l || no, (CASE WHEN h % 3 = 0 OR l = 2 THEN 'phi' ELSE 'le_phi' END)::fee_kind, 'Phí', 1, greatest(amount, 10000), greatest(amount, 10000), CASE WHEN h % 3 = 2 THEN amount / 2 ELSE amount END, false
			FROM plan, generate_series(1, CASE WHEN h % 3 = 2 THEN 2 ELSE 1 END) l`,
		`INSERT INTO history (object_id, from_status, to_status, source, recorded_at) SELECT 'ord_' || no, 'open', CASE WHEN way < 900 THEN 'paid' ELSE 'expired' END, 'x', at FROM plan WHERE h % 10 = 0 AND amount > 0`,
		`INSERT INTO payments (id, order_id, account_id, provider, provider_reference, status, mode, requested_amount, received_amount, allocated_amount, place, channel, payer_digest, created_at, paid_at, recorded_at)
			SELECT 'pay_' || no, 'ord_' || no, CASE WHEN way < 650 THEN 'acc_' || a || '_' || v END, CASE WHEN way >= 650 THEN 'counter' ELSE (ARRAY['vnpay', 'momo', 'zalopay'])[1 + v] END, no,
				CASE WHEN way = 1 THEN 'reversed' ELSE 'succeeded' END, 'live', amount, amount, amount, 'remote',
				CASE WHEN way < 500 THEN 'portal_checkout' WHEN way < 620 THEN 'qr_counter_self' WHEN way < 650 THEN 'officer_proxy' WHEN way < 830 THEN 'cash_counter' WHEN way < 880 THEN 'pos_counter' ELSE 'transfer_unref' END,
				CASE WHEN v = 2 AND way < 650 THEN decode(md5((h % 200000)::text), 'hex') END, at, at + interval '5 minutes', at + interval '5 minutes' FROM plan WHERE amount > 0 AND way < 900`,
		`INSERT INTO counter_payments (payment_id, agency_code, receipt_number, officer, recorded_by) SELECT 'pay_' || no, agency, CASE WHEN way % 10 > 0 THEN no END, 'o', 'u' FROM plan WHERE amount > 0 AND way BETWEEN 650 AND 899`,
		`INSERT INTO reversals (payment_id, source, effective_at, recorded_at) SELECT 'pay_' || no, 'x', at + interval '1 day', at + interval '1 day' FROM plan WHERE amount > 0 AND way = 1`,
		`INSERT INTO allocations (payment_id, order_id, amount, recorded_at) SELECT 'pay_' || no, 'ord_' || no, amount, at + interval '5 minutes' FROM plan WHERE amount > 0 AND way < 900`,
		`INSERT INTO refunds (id, payment_id, order_id, status, amount, surplus_part, allocated_part, reason, provider_reference, requested_by, requested_at, decided_by, recorded_at)
			SELECT 'rfd_' || no, 'pay_' || no, 'ord_' || no, 'succeeded', CASE way WHEN 2 THEN amount ELSE amount / 2 END, 0, CASE way WHEN 2 THEN amount ELSE amount / 2 END, 'x', no, 'a', at, 'b', at + interval '2 days' FROM plan WHERE amount > 0 AND way BETWEEN 2 AND 5`,
		`INSERT INTO settlement_lines (import_id, account_id, date, line_no, type, reference, transaction, original, amount, fee, net, at, own_date, row_status, success, key, occurrence)
			SELECT 'imp', 'acc_' || a || '_' || v, business_day(at), i, 'payment', no, no, '', amount, 0, amount, at, business_day(at), '', true, no, 1 FROM plan WHERE amount > 0 AND way < 620`,
		`INSERT INTO matches (payment_id, line_id, account_id, rule, recorded_at) SELECT 'pay_' || key, id, account_id, 'x', at + interval '1 day' FROM settlement_lines`,
		`INSERT INTO payouts (id, bank_account, rule, proven, recorded_by, recorded_at) SELECT 'pyo_' || account_id || date, '1', 'named', true, 'x', date + 2 FROM settlement_lines WHERE date < '2026-12-15' GROUP BY account_id, date`,
		`INSERT INTO payout_days (payout_id, account_id, date, net, amount, counts_on) SELECT 'pyo_' || account_id || date, account_id, date, 1, 1, date FROM settlement_lines WHERE date < '2026-12-15' GROUP BY account_id, date`,
		`INSERT INTO discrepancies (id, account_id, date, kind, subject, amount, effect, payment_id, recorded_at) SELECT 'dis_' || no, 'acc_' || a || '_' || v, business_day(at), 'in_doubt', no, amount, 0, 'pay_' || no, at FROM plan WHERE amount > 0 AND way = 6`,
		`INSERT INTO dossiers (source_system, dossier_code, n, status, procedure_code, agency_code, received_on, closed_at, mode, recorded_at)
			SELECT 'portal', 'H10-' || no, 1, 'closed', procedure, agency, business_day(at), at + interval '3 days', 'live', at + interval '3 days' FROM plan WHERE h % 10 BETWEEN 1 AND 8`,
		`INSERT INTO targets (percent, valid_from) VALUES (30, '2022-12-31'), (50, '2025-01-01') ON CONFLICT DO NOTHING`,
		`DROP TABLE plan`, `INSERT INTO report_marks (what) VALUES ('*')`, `VACUUM ANALYZE`,
	} {
		if _, err := conn.ExecContext(t.Context(), strings.ReplaceAll(q, "$N", strconv.Itoa(p.orders))); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	t.Logf("%9d orders written in %.0f s", p.orders, time.Since(began).Seconds())
}

// took is how long something took, over and over.
type took []time.Duration

func (d took) at(percent int) time.Duration {
	slices.Sort(d)
	return d[min(len(d)*percent/100, len(d)-1)]
}

func (p *provinceYear) times(t *testing.T, n int, do func(i int) error) took {
	t.Helper()
	var out took
	for i := range n + 3 {
		began := time.Now()
		if err := do(i); err != nil {
			t.Fatal(err)
		}
		if i >= 3 { // the first ones prepare and warm up
			out = append(out, time.Since(began))
		}
	}
	return out
}

// TestBenchReports tells what reports of a year take by every grouping, for the province and for one agency, and the first page of lists behind
// figures; what counting from the rows takes, and that it comes to the same; and how all that grows from the first size to the last.
// FEEGATE_BENCH_ORDERS names the sizes.
func TestBenchReports(t *testing.T) {
	sizes := []int{1_000_000, 2_000_000}
	if named := os.Getenv("FEEGATE_BENCH_ORDERS"); named != "" {
		sizes = nil
		for _, s := range strings.Split(named, ",") {
			n, err := strconv.Atoi(s)
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, n)
		}
	}
	var table strings.Builder
	medians := map[string][]float64{}
	for _, n := range sizes {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			p := made(t, n)
			fmt.Fprintf(&table, "%d orders%41s %9s %9s\n", n, "p50 ms", "p99 ms", "÷ raw")
			tell := func(what string, d took, raw time.Duration) {
				ratio := ""
				if raw > 0 {
					ratio = fmt.Sprintf("%9.4f", float64(d.at(50))/float64(raw))
				}
				fmt.Fprintf(&table, "  %-40s %9.2f %9.2f %s\n", what, ms(d.at(50)), ms(d.at(99)), ratio)
				medians[what] = append(medians[what], ms(d.at(50)))
			}
			p.reports(t, tell)
			p.lists(t, tell)
		})
	}
	if last := len(sizes) - 1; last > 0 {
		fmt.Fprintf(&table, "growth of the median from %d to %d orders, ÷\n", sizes[0], sizes[last])
		for what, m := range medians {
			if len(m) > last {
				fmt.Fprintf(&table, "  %-40s %9.2f\n", what, m[last]/m[0])
			}
		}
	}
	t.Log("\n" + table.String())
}

func (p *provinceYear) reports(t *testing.T, tell func(string, took, time.Duration)) {
	for _, period := range [][2]string{{"2026-01-01", "2026-12-31"}, {"2025-12-17", "2026-12-16"}} {
		for _, by := range append([]string{""}, adoption.Groupings()...) {
			for _, agencies := range [][]string{nil, {"H10.7"}} {
				q := adoption.Question{From: period[0], To: period[1], GroupBy: by, Agencies: agencies}
				var got *adoption.Report
				d := p.times(t, 100, func(int) (err error) { got, err = p.reporter.Adoption(t.Context(), q); return err })
				var raw time.Duration
				if by == "agency" && period[0] == "2026-01-01" { // long ago: the rows themselves are counted
					q.AsOf = benchNow.AddDate(0, 0, -1).Format(time.RFC3339)
					began := time.Now()
					want, err := adoption.New(p.owner, func() time.Time { return benchNow }).Adoption(t.Context(), q)
					if err != nil {
						t.Fatal(err)
					}
					raw, want.AsOf = time.Since(began), got.AsOf
					if !reflect.DeepEqual(got, want) {
						t.Errorf("the rows come to another report than the sums")
					}
				}
				name := "by " + by
				if agencies != nil {
					name += ", one agency"
				}
				if period[0] != "2026-01-01" {
					name += ", edges of days"
				}
				tell(name, d, raw)
			}
		}
	}
}

func (p *provinceYear) lists(t *testing.T, tell func(string, took, time.Duration)) {
	for _, c := range []struct{ figure, bucket, by, group string }{
		{"transactions", "", "", ""}, {"transactions.denominator", "", "", ""}, {"transactions.denominator", "proxy", "", ""}, {"transactions.denominator", "unproven", "agency", "H10.7"},
		{"transactions", "", "procedure", "1.7"}, {"amount.denominator", "cash", "field", "F3"}, {"dossiers", "", "month", "2026-05"}, {"coverage.denominator", "", "commune", "C9"},
		{"refunded", "", "", ""}, {"exempt", "", "procedure", "1.9"}, {"closed_unpaid", "", "agency", "H10.9"}, {"payer_unknown", "", "channel", "qr_counter_self"},
		{"transactions_upper", "online_provisional", "provider", "zalopay"}, {"bank_proven", "", "day", "2026-06-06"},
	} {
		for _, limit := range []int{50, 200} {
			b := adoption.Behind{Question: adoption.Question{From: "2026-01-01", To: "2026-12-31", GroupBy: c.by}, Figure: c.figure, Bucket: c.bucket, Group: c.group, Given: c.by != "", Limit: limit}
			var l *adoption.List
			d := p.times(t, 20, func(int) (err error) { l, err = p.reporter.Evidence(t.Context(), b); return err })
			if len(l.Items) == 0 {
				t.Errorf("nothing behind %+v", c)
			}
			tell(fmt.Sprintf("list %s %s %s, %d", c.figure, c.bucket, c.by, limit), d, 0)
		}
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// TestBenchUpkeep tells what the aggregates cost a callback: with their triggers and without, in turns.
func TestBenchUpkeep(t *testing.T) {
	b := newBench(t)
	var triggers []struct {
		Table, Name string
	}
	if err := b.db.SelectContext(t.Context(), &triggers, `SELECT c.relname AS table, t.tgname AS name FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc f ON f.oid = t.tgfoid WHERE f.proname LIKE 'mark\_%' AND NOT t.tgisinternal`); err != nil || len(triggers) == 0 {
		t.Fatal(err)
	}
	var with, without, ratios, orders []float64
	for round := range 2 * benchRounds {
		pair := map[string]pace{}
		order := map[string]pace{}
		turns := []string{"ENABLE", "DISABLE"}
		if round%2 == 1 { // what comes second finds the machine warm
			slices.Reverse(turns)
		}
		for _, what := range turns {
			for _, x := range triggers {
				b.exec(`ALTER TABLE ` + x.Table + ` ` + what + ` TRIGGER ` + x.Name)
			}
			pair[what], order[what] = b.callbacks(64), b.orders(64)
		}
		with, without = append(with, pair["ENABLE"].perSecond), append(without, pair["DISABLE"].perSecond)
		ratios, orders = append(ratios, pair["ENABLE"].perSecond/pair["DISABLE"].perSecond), append(orders, order["ENABLE"].perSecond/order["DISABLE"].perSecond)
	}
	t.Logf("callbacks at 64 clients: %.0f a second with the aggregates' upkeep, %.0f without: ratio %.3f (median of %d turns: %.2f); orders: ratio %.3f (%.2f)", median(with), median(without), median(slices.Clone(ratios)), len(ratios), ratios,
		median(slices.Clone(orders)), orders)
}
