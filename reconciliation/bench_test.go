//go:build bench

package reconciliation_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"feegate/gateway/vnd"
	"feegate/migrations/dbtest"
	"feegate/reconciliation"
)

// TestBenchImport imports a day of 100,000 lines against as many payments, a tenth of them with something wrong, then matches it
// again, and then puts the right file in its place. It prints what each took.
func TestBenchImport(t *testing.T) {
	const n = 100_000
	m := newMorning(t)
	admin := dbtest.Admin(t, m.db)
	for _, q := range []string{
		`INSERT INTO orders (id, client_id, source_system, mode, reference, dossier_code, procedure_code, agency_code, status, amount, paid_amount, kinds, created_at, expires_at)
			SELECT 'ord_' || i, 'cli', 'portal', 'live', 'B' || i, 'H10.12-260310-0001', '1.100001', 'H10.12', 'paid', 50000, 50000, '{le_phi}', '2026-03-10', '2026-03-20' FROM generate_series(1, 100000) i`,
		`INSERT INTO payments (id, order_id, account_id, provider, provider_reference, provider_transaction, status, mode, requested_amount, received_amount, allocated_amount, channel, created_at, paid_at, recorded_at)
			SELECT 'pay_' || i, 'ord_' || i, '` + acc + `', 'momo', 'B' || i, (9000000 + i)::text, 'succeeded', 'live', 50000, 50000, 50000, 'portal_checkout', '2026-03-10 01:00Z', '2026-03-10 04:00Z', '2026-03-10 04:00Z'
			FROM generate_series(1, 100000) i`,
		`ANALYZE`,
	} {
		if _, err := admin.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	file := func(spoilt bool) []byte {
		var b bytes.Buffer
		b.WriteString("txn_time,partner_code,store_id,order_id,request_id,trans_id,type,amount_vnd,fee_vnd,net_vnd,pay_type,result_code,settle_date,original_trans_id,note\n")
		for i := 1; i <= n; i++ {
			amount := vnd.Amount(50000)
			if spoilt && i%20 == 0 {
				continue
			}
			if spoilt && i%20 == 1 {
				amount += 1000
			}
			fee := vnd.Tariff{BPS: 110}.Fee(amount)
			fmt.Fprintf(&b, "2026-03-10T11:00:00+07:00,%s,,B%d,,%d,PAYMENT,%d,%d,%d,qr,0,,,\n", terminal, i, 9000000+i, amount, fee, int64(amount)-int64(fee))
		}
		return b.Bytes()
	}
	timed := func(what string, f func() error) {
		began := time.Now()
		if err := f(); err != nil {
			t.Fatal(what, err)
		}
		t.Logf("%-40s %6.2f s", what, time.Since(began).Seconds())
	}
	var first string
	timed("importing and matching 95,000 lines", func() error {
		imp, err := m.in(file(true))
		if err == nil {
			first = imp.ID
		}
		return err
	})
	timed("matching again", func() error { return m.r.Match(t.Context(), acc, day) })
	if d := m.day(); d.Unexplained != 0 || d.Discrepancies["missing_at_provider"] != n/20 || d.Discrepancies["amount_mismatch"] != n/20 {
		t.Errorf("%+v", d)
	}
	timed("replacing it by 100,000 lines", func() error {
		_, err := m.r.Settlement(t.Context(), reconciliation.File{AccountID: acc, Date: day, By: "usr_1", Replaces: first, Body: bytes.NewReader(file(false))})
		return err
	})
	if d := m.day(); d.Difference != 0 || d.Matched.Count != n || len(d.Discrepancies) != 0 {
		t.Errorf("%+v", d)
	}
}
