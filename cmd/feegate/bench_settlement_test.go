//go:build bench

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lib/pq"

	"feegate/gateway/vnd"
)

// A small run: go test -tags bench -run TestBenchSettlement ./cmd/feegate -args -settlement-lines 100000
var (
	settlementLines  = flag.Int("settlement-lines", 1_000_000, "lines of the large settlement file; the small one has a fifth")
	settlementRounds = flag.Int("settlement-rounds", 5, "how often each side takes its turn")
)

const (
	settledLarge, settledSmall = "2026-03-10", "2026-03-11"
	settlementPassword         = "a long password of the bench"
)

// settled is a day of payments and the file that settles them; one in a thousand is missing there, one is of another amount, and
// one line in a thousand is of nothing here.
type settled struct {
	day, file    string
	lines, pairs int
}

func (b *bench) settledDay(day string, n int) settled {
	b.t.Helper()
	b.exec(`INSERT INTO orders (id, client_id, source_system, mode, reference, dossier_code, procedure_code, agency_code, status, amount, paid_amount, kinds, created_at, expires_at)
		VALUES ('ord_settled' || $1, 'cli_bench', 'bench', 'live', 'S' || $1, 'H10.12-260310-1', '1.001', 'H10.12', 'paid', 50000, 50000, '{le_phi}', now(), now() + interval '7 days')`, day)
	b.exec(`INSERT INTO payments (id, order_id, account_id, provider, provider_reference, provider_transaction, status, mode, requested_amount, received_amount, allocated_amount, channel, created_at, paid_at, recorded_at)
		SELECT 'pay_' || substr(md5($1 || 'p' || i), 1, 26), 'ord_settled' || $1, 'acc_settled', 'vnpay', 'FG' || upper(substr(md5($1 || i), 1, 26)), right(replace($1, '-', ''), 4) || i, 'succeeded', 'live', a, a, a,
			'portal_checkout', t, t, t FROM (SELECT i, 50000 + i % 7 * 1000 AS a, ($1 || ' 00:00+07')::timestamptz + i * interval '50 milliseconds' AS t FROM generate_series(1, $2::int) i) s`, day, n)
	rows, err := b.db.QueryContext(b.t.Context(), `SELECT provider_reference, provider_transaction, received_amount, to_char(paid_at AT TIME ZONE 'Asia/Ho_Chi_Minh', 'YYYYMMDDHH24MISS') FROM payments
		WHERE account_id = 'acc_settled' AND business_day(paid_at) = $1 ORDER BY paid_at`, day)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	s := settled{day: day, file: filepath.Join(b.t.TempDir(), day+".csv")}
	f, err := os.Create(s.file)
	if err != nil {
		b.t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "txn_date,tmn_code,txn_ref,transaction_no,type,amount_vnd,fee_vnd,net_vnd,bank_code,card_type,pay_time,status,settle_date,note")
	line := func(reference, transaction string, amount vnd.Amount, at string) {
		fee := vnd.Tariff{BPS: 110}.Fee(amount)
		fmt.Fprintf(w, "%s,FEEGATE2,%s,%s,PAY,%d,%d,%d,NCB,ATM,%s,00,,\n", day, reference, transaction, amount, fee, int64(amount)-int64(fee), at)
		s.lines++
	}
	for i := 0; rows.Next(); i++ {
		var reference, transaction, at string
		var amount vnd.Amount
		if err := rows.Scan(&reference, &transaction, &amount, &at); err != nil {
			b.t.Fatal(err)
		}
		switch i % 1000 {
		case 100: // missing
		case 200:
			line(reference, transaction, amount+500, at)
		case 300:
			line("FGNOTHING"+strconv.Itoa(i), "77"+strconv.Itoa(i), amount, at)
			fallthrough
		default:
			line(reference, transaction, amount, at)
			s.pairs++
		}
	}
	if err := w.Flush(); err != nil {
		b.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.t.Fatal(err)
	}
	return s
}

// plain makes the tables of the comparator: the service's columns, primary and unique keys, and no more.
func (b *bench) plain() {
	b.t.Helper()
	for _, q := range []string{
		`CREATE SCHEMA plain`,
		`CREATE TABLE plain.imports (id text PRIMARY KEY, account_id text NOT NULL, date date NOT NULL, sha256 text UNIQUE, lines bigint)`,
		`CREATE TABLE plain.settlement_lines (LIKE settlement_lines INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (id))`,
		`CREATE UNIQUE INDEX ON plain.settlement_lines (account_id, date, key, occurrence) WHERE superseded_at IS NULL`,
		`CREATE TABLE plain.matches (LIKE matches INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (id))`,
		`CREATE UNIQUE INDEX ON plain.matches (payment_id) WHERE ended_at IS NULL AND payment_id IS NOT NULL`,
		`CREATE UNIQUE INDEX ON plain.matches (refund_id) WHERE ended_at IS NULL AND refund_id IS NOT NULL`,
		`CREATE UNIQUE INDEX ON plain.matches (line_id) WHERE ended_at IS NULL`,
		`CREATE TABLE plain.discrepancies (LIKE discrepancies INCLUDING DEFAULTS, PRIMARY KEY (id), UNIQUE (account_id, date, kind, subject))`,
		`CREATE TABLE plain.moves (LIKE moves INCLUDING DEFAULTS, PRIMARY KEY (cause_type, cause_id, leg))`,
	} {
		b.exec(q)
	}
}

// afresh takes back what either side did.
func (b *bench) afresh() {
	b.t.Helper()
	for {
		_, err := b.db.ExecContext(b.t.Context(), `SET session_replication_role = replica; TRUNCATE plain.imports, plain.settlement_lines, plain.matches, plain.discrepancies, plain.moves;
			TRUNCATE imports, settlement_lines, matches, unmatches, discrepancies, days CASCADE; DELETE FROM moves WHERE cause_type = 'settlement'; SET session_replication_role = DEFAULT`)
		if pqErr := (*pq.Error)(nil); errors.As(err, &pqErr) && pqErr.Code == "40P01" {
			continue // the service's work in the background locks these tables in another order
		}
		if err != nil {
			b.t.Fatal(err)
		}
		break
	}
	b.exec(`CHECKPOINT`)
}

// script runs the comparator over a day and gives the seconds it took.
func (b *bench) script(s settled) float64 {
	b.t.Helper()
	began := time.Now()
	if out, err := exec.Command("psql", "-X", "-q", "-v", "file="+s.file, "-v", "day="+s.day, "-f", "testdata/bench/settlement.sql", b.url).CombinedOutput(); err != nil {
		b.t.Fatalf("psql: %v\n%s", err, out)
	}
	took := time.Since(began).Seconds()
	b.counts("plain.matches", s)
	return took
}

func (b *bench) counts(table string, s settled) {
	b.t.Helper()
	var n int
	if err := b.db.GetContext(b.t.Context(), &n, `SELECT count(*) FROM `+table); err != nil || n != s.pairs {
		b.t.Fatalf("%d rows in %s for %d pairs, %v", n, table, s.pairs, err)
	}
}

// settle sends a day's file to the service and gives the seconds it took to its answer.
func (b *bench) settle(session string, s settled) float64 {
	b.t.Helper()
	took, err := b.upload(session, s)
	if err != nil {
		b.t.Fatal(err)
	}
	b.counts("matches", s)
	return took
}

func (b *bench) upload(session string, s settled) (float64, error) {
	f, err := os.Open(s.file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	body, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() {
		err := form.WriteField("account_id", "acc_settled")
		if err == nil {
			err = form.WriteField("date", s.day)
		}
		var part io.Writer
		if err == nil {
			part, err = form.CreateFormFile("file", s.day+".csv")
		}
		if err == nil {
			_, err = io.Copy(part, f)
		}
		if err == nil {
			err = form.Close()
		}
		_ = w.CloseWithError(err)
	}()
	return b.finance(session, http.MethodPost, "/v1/settlements", form.FormDataContentType(), body, http.StatusCreated)
}

// finance does a call of the finance officer's and gives the seconds it took.
func (b *bench) finance(session, method, path, contentType string, body io.Reader, want int) (float64, error) {
	began := time.Now()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.api+path, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+session)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Idempotency-Key", strconv.FormatInt(began.UnixNano(), 36))
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != want {
		err = fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, said)
	}
	return time.Since(began).Seconds(), err
}

// signIn gives a session of the finance officer.
func (b *bench) signIn() string {
	b.t.Helper()
	status, raw, err := try(b.t.Context(), "", http.MethodPost, b.api+"/v1/sessions", "s", map[string]string{"name": "finance", "password": settlementPassword})
	var s struct{ Token string }
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil || status != http.StatusCreated {
		b.t.Fatalf("signing in: %d %s %v", status, raw, err)
	}
	return s.Token
}

// peak is the most memory the service had resident so far, in MiB.
func (b *bench) peak() float64 {
	b.t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.pid))
	if err != nil {
		b.t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(raw)
	if m == nil {
		b.t.Fatalf("%s", raw)
	}
	kb, _ := strconv.ParseFloat(string(m[1]), 64)
	return kb / 1024
}

// TestBenchSettlement has a day's settlement file imported and matched, in turns with a script of psql; then a fifth of it; then while
// orders come in.
func TestBenchSettlement(t *testing.T) {
	if _, err := exec.LookPath("psql"); err != nil {
		t.Fatal("the comparator is psql: install PostgreSQL's client programs")
	}
	b := newBench(t)
	large, small := b.settledDay(settledLarge, *settlementLines), b.settledDay(settledSmall, *settlementLines/5)
	b.plain()
	b.exec(`VACUUM ANALYZE`)
	session := b.signIn()
	var ours, theirs, fifth, ratios, growth, again []float64
	for range *settlementRounds {
		b.afresh()
		plain := b.script(large)
		b.afresh()
		whole := b.settle(session, large)
		rerun, err := b.finance(session, http.MethodPost, "/v1/reconciliations", "application/json", strings.NewReader(`{"date":"`+large.day+`","account_id":"acc_settled"}`), http.StatusOK)
		if err != nil {
			t.Fatal(err)
		}
		b.afresh()
		part := b.settle(session, small)
		ours, theirs, fifth, ratios, growth, again = append(ours, whole), append(theirs, plain), append(fifth, part), append(ratios, whole/plain), append(growth, whole/part), append(again, rerun)
		t.Logf("%d lines: %.1f s, psql script %.1f s, ratio %.2f; matched again %.1f s; %d lines: %.1f s, growth %.2f", large.lines, whole, plain, whole/plain, rerun, small.lines, part, whole/part)
	}
	memory := b.peak()
	const clients, measured = 64, 8 * time.Second
	var kept []float64
	for range *settlementRounds {
		b.afresh()
		alone := b.ordersFor(clients, measured)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.upload(session, large); err != nil {
				t.Error(err)
			}
		})
		beside := b.ordersFor(clients, measured)
		wg.Wait()
		kept = append(kept, beside.perSecond/alone.perSecond)
	}
	t.Logf("\n%d lines against %d payments, over HTTP, in and matched: %.1f s, psql script %.1f s, ratio %.2f; matched again %.1f s; %d lines: %.1f s, growth %.2f"+
		"\nthe process at its peak: %.0f MiB; orders beside an import ÷ alone, %d clients: %.2f",
		large.lines, *settlementLines, median(ours), median(theirs), median(ratios), median(again), small.lines, median(fifth), median(growth), memory, clients, median(kept))
}
