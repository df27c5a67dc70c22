package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/identity"
	"feegate/gateway/vnd"
	"feegate/migrations"
	"feegate/migrations/localdb"
	"feegate/providers/sim"
)

// settlementForm is an upload of a settlement file: its type, and its body.
func settlementForm(t *testing.T, accountID, file string) (string, []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range [][2]string{{"account_id", accountID}, {"date", day}} {
		if err := w.WriteField(f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", "settlement.csv")
	if err == nil {
		_, err = io.WriteString(part, file)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

// put sends an upload; the answer of one whose server dies is an error.
func put(ctx context.Context, api, token, contentType string, body io.Reader) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, api+"/v1/settlements", body)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, raw, err
}

// The program is killed while a file comes in, before it is visible, while its lines are written, while they are matched, while the
// differences are named: each time the import stands whole or has never begun, and so does the matching; the same file, sent again,
// ends the same.
func TestKilledDuringAnImportNothingIsHalf(t *testing.T) {
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		return l.Addr().String()
	}
	args := []string{"--empty", "--clock", "2026-03-10T22:00:00+07:00", "--listen", free(), "--simulator-listen", free()}
	b := openBox(t, args...)
	account := b.account("vnpay")
	terminal := ""
	for _, a := range b.ready.Accounts {
		if a.ID == account {
			terminal = a.Credentials["vnp_TmnCode"]
		}
	}
	// Its owner: the service may lock no tables.
	db, err := connect(t.Context(), strings.Replace(b.ready.DatabaseURL, migrations.ServiceRole+"@", localdb.Superuser+"@", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	const n = 3000 // one in ten is not in the file, one in ten of the lines is of nothing here
	for _, q := range []string{
		`INSERT INTO orders (id, client_id, source_system, mode, reference, dossier_code, procedure_code, agency_code, status, amount, paid_amount, kinds, created_at, expires_at)
			SELECT 'ord_killed', c.id, c.source_system, 'live', 'K', 'H10.12-260310-0001', p.code, a.agency_code, 'paid', 50000, 50000, '{le_phi}', '2026-03-10', '2026-03-20'
			FROM merchant_accounts a, (SELECT id, source_system FROM clients LIMIT 1) c, (SELECT code FROM procedures LIMIT 1) p WHERE a.id = $1 AND $2::int > 0`,
		`INSERT INTO payments (id, order_id, account_id, provider, provider_reference, provider_transaction, status, mode, requested_amount, received_amount, allocated_amount, channel, created_at, paid_at, recorded_at)
			SELECT 'pay_k' || i, 'ord_killed', $1, 'vnpay', 'KILLED' || i, (14000000 + i)::text, 'succeeded', 'live', 50000, 50000, 50000, 'portal_checkout', '2026-03-10 01:00Z', '2026-03-10 04:00Z', '2026-03-10 04:00Z'
			FROM generate_series(1, $2::int) i`,
	} {
		if _, err := db.ExecContext(t.Context(), q, account, n); err != nil {
			t.Fatal(err)
		}
	}
	var file strings.Builder
	file.WriteString("txn_date,tmn_code,txn_ref,transaction_no,type,amount_vnd,fee_vnd,net_vnd,bank_code,card_type,pay_time,status,settle_date,note\n")
	for i := 1; i <= n; i++ {
		reference := fmt.Sprint("KILLED", i)
		if i%10 == 0 {
			reference = fmt.Sprint("NOTHING", i)
		}
		fee := vnd.Tariff{BPS: 110}.Fee(50000)
		fmt.Fprintf(&file, "%s,%s,%s,%d,PAY,50000,%d,%d,NCB,ATM,20260310110000,00,,\n", day, terminal, reference, 15000000-i, fee, 50000-int64(fee))
	}
	contentType, body := settlementForm(t, account, file.String())

	state := func() []int {
		t.Helper()
		got := make([]int, 6)
		if err := db.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM imports), (SELECT count(*) FROM settlement_lines), (SELECT count(*) FROM moves WHERE cause_type = 'settlement'),
			(SELECT count(*) FROM matches), (SELECT count(*) FROM discrepancies WHERE status <> 'resolved' AND account_id = $1), (SELECT count(*) FROM days WHERE account_id = $1 AND status = 'matched')`, account).
			Scan(&got[0], &got[1], &got[2], &got[3], &got[4], &got[5]); err != nil {
			t.Fatal(err)
		}
		return got
	}
	none, imported, whole := []int{0, 0, 0, 0, 0, 0}, []int{1, n, 2, 0, 0, 0}, []int{1, n, 2, n - n/10, 2 * n / 10, 1}

	// killAt kills the program where it waits for a table that is locked, "" in the middle of the upload.
	killAt := func(table string) {
		t.Helper()
		session := b.signIn("finance")
		var held *sqlx.Tx
		if table != "" {
			var err error
			if held, err = db.BeginTxx(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = held.Rollback() }()
			if _, err := held.ExecContext(t.Context(), `LOCK TABLE `+table+` IN SHARE MODE`); err != nil {
				t.Fatal(err)
			}
		}
		r, w := io.Pipe()
		var sending sync.WaitGroup
		sending.Go(func() {
			if status, raw, err := put(t.Context(), b.ready.API, session, contentType, r); err == nil {
				t.Errorf("an answer although it was killed at %q: %d %s", table, status, raw)
			}
			_ = r.Close()
		})
		_, _ = w.Write(body[:len(body)/2])
		if table != "" {
			_, _ = w.Write(body[len(body)/2:])
			_ = w.Close()
			b.until("it waits for "+table, func() bool {
				var waits bool
				if err := db.GetContext(t.Context(), &waits, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass)`, table); err != nil {
					t.Fatal(err)
				}
				return waits
			})
		}
		b.kill()
		_ = w.Close()
		sending.Wait()
		if held != nil {
			_ = held.Rollback()
		}
		b.start(args...)
		b.until("the dead one's connections are gone", func() bool {
			var left bool
			if err := db.GetContext(t.Context(), &left, `SELECT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.objid = 7310002)`); err != nil {
				t.Fatal(err)
			}
			return !left
		})
	}
	for _, at := range []struct {
		table string
		want  []int
	}{{"", none}, {"imports", none}, {"moves", none}, {"settlement_lines", none}, {"matches", imported}, {"discrepancies", imported}, {"days", imported}} {
		killAt(at.table)
		if slices.Equal(at.want, imported) { // what is imported and not matched is written down, for whoever is next
			var left, matched int
			if err := db.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM days_to_match WHERE account_id = $1), (SELECT count(*) FROM days WHERE account_id = $1 AND status = 'matched')`, account).Scan(&left, &matched); err != nil {
				t.Fatal(err)
			}
			if left+matched == 0 {
				t.Errorf("killed at %q: nobody will match the day", at.table)
			}
		}
		// An import whose matching died is matched by the next program on its own after a while: whole, or not yet.
		if got := state(); !slices.Equal(got, at.want) && !(slices.Equal(at.want, imported) && slices.Equal(got, whole)) {
			t.Errorf("killed at %q: imports, lines, moves, matches, differences, days %v, want %v", at.table, got, at.want)
		}
	}
	session := b.signIn("finance")
	for _, want := range []int{http.StatusOK, http.StatusOK} { // the import stands since it was killed at the matches
		if status, raw, err := put(t.Context(), b.ready.API, session, contentType, bytes.NewReader(body)); err != nil || status != want {
			t.Fatalf("%d %s %v", status, raw, err)
		}
		if got := state(); !slices.Equal(got, whole) {
			t.Errorf("at the end: imports, lines, moves, matches, differences, days %v, want %v", got, whole)
		}
	}
}

// Two officers send the same file at once: one import, and both are told of it.
func TestTheSameFileFromTwoOfficersAtOnceIsOneImport(t *testing.T) {
	s := newStreet(t)
	s.paid("momo", 6, true)
	file := s.settlement("momo", sim.Changes{})
	officers := []string{s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Finance})}
	replies := make([]reply, len(officers))
	var sending sync.WaitGroup
	for i, token := range officers {
		sending.Go(func() {
			replies[i] = s.upload(token, "", "account_id", "acc_momo", "date", day, "file", file)
		})
	}
	sending.Wait()
	statuses := []int{replies[0].status, replies[1].status}
	slices.Sort(statuses)
	if !slices.Equal(statuses, []int{http.StatusOK, http.StatusCreated}) || replies[0].get(t)["id"] != replies[1].get(t)["id"] {
		t.Errorf("%d %s; %d %s", replies[0].status, replies[0].body, replies[1].status, replies[1].body)
	}
	if n, m := s.count(`SELECT count(*) FROM imports`), s.count(`SELECT count(*) FROM matches WHERE ended_at IS NULL`); n != 1 || m != 6 {
		t.Errorf("%d imports, %d matches", n, m)
	}
}
