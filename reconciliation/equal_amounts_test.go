package reconciliation_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"feegate/gateway/vnd"
)

// Ten thousand payments of one amount on one day, some of whose lines are lost, while as many of nothing here have the same amount:
// only the reference tells them apart, so every match is right and what is lost and invented is named one by one.
func TestTenThousandEqualAmountsAreMatchedByReference(t *testing.T) {
	const n, lost, invented = 10_000, 37, 37
	m := newMorning(t)
	for _, q := range []string{
		`INSERT INTO orders (id, client_id, source_system, mode, reference, dossier_code, procedure_code, agency_code, status, amount, paid_amount, kinds, created_at, expires_at)
			SELECT 'ord_' || i, 'cli', 'portal', 'live', 'E' || i, 'H10.12-260310-0001', '1.100001', 'H10.12', 'paid', 50000, 50000, '{le_phi}', '2026-03-10', '2026-03-20' FROM generate_series(1, $1::int) i`,
		`INSERT INTO payments (id, order_id, account_id, provider, provider_reference, provider_transaction, status, mode, requested_amount, received_amount, allocated_amount, channel, created_at, paid_at, recorded_at)
			SELECT 'pay_' || i, 'ord_' || i, '` + acc + `', 'momo', 'E' || i, CASE WHEN i % 3 > 0 THEN (9000000 + i)::text ELSE '' END, 'succeeded', 'live', 50000, 50000, 50000, 'portal_checkout', '2026-03-10 01:00Z', '2026-03-10 04:00Z', '2026-03-10 04:00Z'
			FROM generate_series(1, $1::int) i`,
	} {
		if _, err := m.db.ExecContext(t.Context(), q, n); err != nil {
			t.Fatal(err)
		}
	}
	// The lines come in any order, and the invented ones' transactions stand between the right ones.
	random := rand.New(rand.NewPCG(1, 2))
	order := random.Perm(n)
	gone := map[string]bool{}
	for _, i := range order[:lost] {
		gone[fmt.Sprint("payment:pay_", i+1)] = true
	}
	var lines []string
	line := func(reference string, transaction int) {
		lines = append(lines, fmt.Sprintf("2026-03-10T11:00:00+07:00,%s,,%s,,%d,PAYMENT,50000,%d,%d,qr,0,,,\n", terminal, reference, transaction, vnd.Tariff{BPS: 110}.Fee(50000), 50000-550))
	}
	for _, i := range order[lost:] {
		line(fmt.Sprint("E", i+1), 9000000+i+1)
	}
	made := map[string]bool{}
	for i := range invented {
		reference := fmt.Sprint("E", n+1+i)
		made[reference] = true
		line(reference, 9000000-i)
	}
	random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	file := "txn_time,partner_code,store_id,order_id,request_id,trans_id,type,amount_vnd,fee_vnd,net_vnd,pay_type,result_code,settle_date,original_trans_id,note\n" + strings.Join(lines, "")
	if _, err := m.in([]byte(file)); err != nil {
		t.Fatal(err)
	}
	held := func(when string) {
		t.Helper()
		if wrong := m.count(`SELECT count(*) FROM matches m JOIN payments p ON p.id = m.payment_id JOIN settlement_lines l ON l.id = m.line_id WHERE l.reference <> p.provider_reference OR m.ended_at IS NOT NULL`); wrong != 0 {
			t.Errorf("%s: %d matches are not by reference", when, wrong)
		}
		if all := m.count(`SELECT count(*) FROM matches`); all != n-lost {
			t.Errorf("%s: %d matches", when, all)
		}
		var named []struct{ Kind, Subject, Reference string }
		if err := m.db.SelectContext(t.Context(), &named, `SELECT d.kind, d.subject, coalesce(l.reference, '') AS reference FROM discrepancies d LEFT JOIN settlement_lines l ON l.id = d.line_id`); err != nil {
			t.Fatal(err)
		}
		ours, theirs := map[string]bool{}, map[string]bool{}
		for _, d := range named {
			switch d.Kind {
			case "missing_at_provider":
				ours[d.Subject] = true
			case "missing_at_gateway":
				theirs[d.Reference] = true
			default:
				t.Errorf("%s: %+v", when, d)
			}
		}
		if !maps.Equal(ours, gone) || !maps.Equal(theirs, made) || len(named) != lost+invented {
			t.Errorf("%s: lost %v, invented %v", when, slices.Sorted(maps.Keys(ours)), slices.Sorted(maps.Keys(theirs)))
		}
		if d := m.day(); d.Unexplained != 0 || d.Matched.Count != n-lost {
			t.Errorf("%s: %+v", when, d)
		}
	}
	held("once")
	if imp, err := m.in(bytes.Clone([]byte(file))); err != nil || !imp.Known {
		t.Errorf("the same file again: %+v %v", imp, err)
	}
	held("again")
	if err := m.r.TheLongWay().Match(t.Context(), acc, day); err != nil {
		t.Fatal(err)
	}
	held("the long way")
}
