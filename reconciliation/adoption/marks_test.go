package adoption

import (
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Each kind of change that the definition can see, alone, on a dossier that is folded: it shows in the report from the aggregates at once, and still
// when it is folded. @ is the case's own prefix; what stands before is folded first, and the change must change a figure, or the case proves nothing.
func TestEachChangeIsSeen(t *testing.T) {
	const (
		open     = `INSERT INTO orders (id, client_id, source_system, mode, reference, dossier_code, procedure_code, agency_code, status, amount, kinds, created_at, expires_at) VALUES ('ord_@9', 'cli', 'portal', 'live', '@9', '@d', 'p1', '@1', 'open', 50, '{phi}', '2026-01-22', '2026-01-29')`
		alone    = `INSERT INTO orders (id, client_id, source_system, mode, reference, dossier_code, procedure_code, agency_code, status, amount, kinds, created_at, expires_at) VALUES ('ord_@8', 'cli', 'portal', 'live', '@8', '@e', 'p1', '@1', 'open', 50, '{phi}', '2026-01-22', '2026-01-29')`
		closed   = `INSERT INTO dossiers (source_system, dossier_code, n, status, procedure_code, agency_code, received_on, closed_at, mode, recorded_at) VALUES ('portal', '@e', 1, 'closed', 'p1', '@1', '2026-01-01', '2026-02-01', 'live', '2026-02-01')`
		nothing  = `INSERT INTO orders (id, client_id, source_system, mode, reference, dossier_code, procedure_code, agency_code, status, amount, kinds, created_at, expires_at) VALUES ('ord_@7', 'cli', 'portal', 'live', '@7', '@f', 'p1', '@1', 'no_payment_needed', 0, '{phi}', '2026-01-22', '2026-01-29')`
		another  = `INSERT INTO payments (id, order_id, provider, provider_reference, status, mode, requested_amount, received_amount, channel, created_at, paid_at, recorded_at) VALUES ('pay_@9', 'ord_@9', 'momo', '@9', 'succeeded', 'live', 50, 50, 'portal_checkout', '2026-01-23', '2026-01-23', '2026-01-23')`
		given    = `INSERT INTO allocations (payment_id, order_id, amount, recorded_at) VALUES ('pay_@9', 'ord_@9', 50, '2026-01-23')`
		receipt  = `INSERT INTO counter_payments (payment_id, agency_code, receipt_number, officer, recorded_by) VALUES ('pay_@9', 'x', '@', 'o', 'a')`
		line     = `INSERT INTO statement_lines (import_id, bank_account, booked_on, amount, reference, description, key, occurrence, recorded_at) VALUES ('ims', '1', '2026-01-01', 1, '', '', '@', 1, '2026-01-24')`
		slip     = `INSERT INTO deposits (id, agency_code, bank_account, slip_number, deposited_at, amount, recorded_by, recorded_at) VALUES ('dep_@', 'x', '1', '@', '2026-01-24', 1, 'x', '2026-01-24')`
		item     = `INSERT INTO deposit_items (deposit_id, payment_id, amount) VALUES ('dep_@', 'pay_@9', 50)`
		use      = `INSERT INTO bank_uses (line_id, deposit_id, rule, recorded_by, recorded_at) SELECT id, 'dep_@', 'x', 'x', '2026-01-25' FROM statement_lines WHERE key = '@'`
		transfer = `INSERT INTO bank_transfers (id, bank_account, account_id, direction, amount, content_digest, content_sealed, at, recorded_at) VALUES ('tr_@', '1', 'acc', 'in', 1, '', '', '2026-01-24', '2026-01-24')`
		tied     = `UPDATE payments SET transfer_id = 'tr_@' WHERE id = 'pay_@9'`
		stated   = `INSERT INTO statement_transfers (line_id, transfer_id, recorded_at) SELECT id, 'tr_@', '2026-01-25' FROM statement_lines WHERE key = '@'`
		known    = `UPDATE payments SET payer_digest = convert_to('@', 'UTF8') WHERE id = 'pay_@1'`
		payout   = `INSERT INTO payouts (id, bank_account, rule, proven, recorded_by, recorded_at) VALUES ('pyo_@', '1', 'named', true, 'x', '2026-01-25')`
		paid     = `INSERT INTO payout_days (payout_id, account_id, date, net, amount, counts_on) SELECT 'pyo_@', 'acc', date, 1, 1, date FROM settlement_lines WHERE key = 'pay_@1'`
		doubted  = `INSERT INTO discrepancies (id, account_id, date, kind, subject, amount, effect, payment_id, recorded_at) VALUES ('dis_@', 'acc', '2026-01-01', 'in_doubt', '@', 1, 0, 'pay_@1', '2026-01-25')`
		refund   = `INSERT INTO refunds (id, payment_id, order_id, status, amount, surplus_part, allocated_part, reason, provider_reference, requested_by, requested_at, decided_by, recorded_at) VALUES ('rfd_@', 'pay_@1', 'ord_@1', '#', 60, 0, 60, 'x', '@', 'a', '2026-01-25', 'b', '2026-01-25')`
		staff    = `INSERT INTO staff_accounts (digest, recorded_at) VALUES (convert_to('@', 'UTF8'), '2026-01-25')`
		flag     = `INSERT INTO payer_flags (digest, from_at, definition, recorded_at) VALUES (convert_to('@', 'UTF8'), '2026-01-01', 'OPR-1', '2026-01-25')`
		unmatch  = `INSERT INTO unmatches SELECT id, 'x', 'x', '2026-01-25' FROM matches WHERE payment_id = 'pay_@1'`
		rematch  = `INSERT INTO matches (payment_id, line_id, account_id, rule, recorded_at) SELECT 'pay_@1', line_id, 'acc', 'x', '2026-01-26' FROM matches WHERE payment_id = 'pay_@1'`
		ended    = `UPDATE matches SET ended_at = '2026-01-25' WHERE payment_id = 'pay_@1' AND ended_at IS NULL`
	)
	x, folder := aggregated(t)
	base := func(p string) *world {
		at := moment(20)
		return &world{orders: []wOrder{{id: "ord_" + p + "1", dossier: p + "d", agency: p + "1", procedure: "p1", lines: []wLine{{"a", "phi", 100}}, created: moment(1), states: []wState{{"paid", moment(2)}}}},
			payments:    []wPayment{{id: "pay_" + p + "1", order: "ord_" + p + "1", channel: "portal_checkout", provider: "momo", paid: moment(2), recorded: moment(2), known: true, matches: []fact{{from: moment(3)}}}},
			allocations: []wAllocation{{"pay_" + p + "1", "ord_" + p + "1", 100, moment(2)}},
			dossiers:    []wDossier{{code: p + "d", status: "closed", agency: p + "1", procedure: "p1", closed: &at, at: at}}}
	}
	for name, c := range map[string]struct {
		before []string
		change string
	}{
		"an allocation":                    {[]string{open, another}, given},
		"a payment that succeeds late":     {[]string{open, strings.Replace(strings.Replace(another, "'succeeded'", "'pending'", 1), "50, 50,", "50, 0,", 1), given}, `UPDATE payments SET status = 'succeeded', received_amount = 50 WHERE id = 'pay_@9'`},
		"a new order":                      {nil, open},
		"a line of an order":               {[]string{nothing}, `INSERT INTO order_lines (order_id, n, source_system, dossier_code, fee_code, kind, name, quantity, unit_amount, gross, net, live) VALUES ('ord_@7', 1, 'portal', '@f', 'a', 'phi', 'x', 1, 100, 100, 0, false)`},
		"an order's agency":                {nil, `UPDATE orders SET agency_code = '@2' WHERE id = 'ord_@1'`},
		"an order's state":                 {[]string{alone, closed, `INSERT INTO history (object_id, from_status, to_status, source, recorded_at) VALUES ('ord_@8', 'open', 'cancelled', 'x', '2026-01-24')`}, `UPDATE orders SET status = 'cancelled' WHERE id = 'ord_@8'`},
		"an order's history":               {[]string{open}, `INSERT INTO history (object_id, from_status, to_status, source, recorded_at) VALUES ('ord_@9', 'open', 'cancelled', 'x', '2026-01-24')`},
		"a line's kind":                    {nil, `UPDATE order_lines SET fee_code = 'b', gross = 200, unit_amount = 200, net = 50 WHERE order_id = 'ord_@1'; UPDATE orders SET kinds = '{phi,le_phi}' WHERE id = 'ord_@1'`},
		"a payment's channel":              {nil, `UPDATE payments SET channel = 'officer_proxy' WHERE id = 'pay_@1'`},
		"a receipt":                        {[]string{open, another, given}, receipt},
		"a reversal":                       {nil, `INSERT INTO reversals (payment_id, source, effective_at, recorded_at) VALUES ('pay_@1', 'x', '2026-01-25', '2026-01-25')`},
		"a refund that is done":            {nil, strings.Replace(refund, "#", "succeeded", 1)},
		"a refund that is done at last":    {[]string{strings.Replace(refund, "#", "submitted", 1)}, `UPDATE refunds SET status = 'succeeded' WHERE id = 'rfd_@'`},
		"a dossier that is closed":         {[]string{alone}, closed},
		"a dossier that is withdrawn":      {nil, strings.Replace(strings.Replace(closed, "'@e', 1,", "'@d', 9,", 1), "'closed'", "'withdrawn'", 1)},
		"a match":                          {[]string{unmatch, ended}, rematch},
		"the end of a match":               {[]string{unmatch}, ended},
		"a payout's day":                   {[]string{payout}, paid},
		"the end of a payout":              {[]string{payout, paid, `INSERT INTO payout_ends VALUES ('pyo_@', 'x', 'x', '2026-01-26')`}, `UPDATE payouts SET ended_at = '2026-01-26' WHERE id = 'pyo_@'`},
		"a slip's payment":                 {[]string{open, another, given, receipt, line, slip, use}, item},
		"a slip's credit":                  {[]string{open, another, given, receipt, line, slip, item}, use},
		"the end of a slip's credit":       {[]string{open, another, given, receipt, line, slip, item, use}, `UPDATE bank_uses SET ended_at = '2026-01-26' WHERE deposit_id = 'dep_@'`},
		"a transfer on the statement":      {[]string{open, strings.Replace(strings.Replace(another, "provider,", "account_id, provider,", 1), "'momo'", "'acc', 'momo'", 1), given, line, transfer, tied}, stated},
		"a payment's transfer":             {[]string{open, strings.Replace(strings.Replace(another, "provider,", "account_id, provider,", 1), "'momo'", "'acc', 'momo'", 1), given, line, transfer, stated}, tied},
		"a doubt":                          {nil, doubted},
		"a discrepancy that becomes one":   {[]string{strings.Replace(doubted, "in_doubt", "late", 1)}, `UPDATE discrepancies SET kind = 'wrong_account' WHERE id = 'dis_@'`},
		"the end of a doubt":               {[]string{doubted}, `INSERT INTO discrepancy_history (discrepancy_id, status, effect, actor, recorded_at) VALUES ('dis_@', 'resolved', 0, 'x', '2026-01-26')`},
		"an officer's account":             {[]string{known}, staff},
		"an officer's account no longer":   {[]string{known, staff}, `UPDATE staff_accounts SET ended_at = '2026-01-26' WHERE digest = convert_to('@', 'UTF8')`},
		"a flagged account":                {[]string{known}, flag},
		"a flagged account no longer":      {[]string{known, flag}, `UPDATE payer_flags SET ended_at = '2026-01-26' WHERE digest = convert_to('@', 'UTF8')`},
		"the payer of a payment":           {[]string{staff}, known},
		"what changes at once in a folder": {nil, open + `; ` + another + `; ` + given},
	} {
		t.Run(name, func(t *testing.T) {
			prefix := x.prefix()
			do := func(q string) {
				t.Helper()
				if _, err := x.owner.ExecContext(t.Context(), strings.ReplaceAll(q, "@", prefix)); err != nil {
					t.Fatal(q, err)
				}
			}
			once := false
			rapid.Check(t, func(r *rapid.T) { // for its T alone
				if once {
					return
				}
				once = true
				base(prefix).write(r, x.owner, prefix, "live")
				for _, q := range c.before {
					do(q)
				}
				if _, err := folder.FoldAll(r.Context()); err != nil {
					r.Fatal(err)
				}
				q, s := asked(prefix, "agency"), &span{asOf: epoch.AddDate(2, 0, 0), from: epoch, to: epoch.AddDate(0, 3, 0)}
				x.bothWays(r, q, s)
				before := counts(r, x.reporter, q, s)
				do(c.change)
				x.bothWays(r, q, s)
				after := counts(r, x.reporter, q, s)
				if len(before) == len(after) && maps.Equal(before[total], after[total]) && maps.Equal(before[prefix+"1"], after[prefix+"1"]) {
					r.Fatal("the change changed nothing")
				}
				if _, err := folder.FoldAll(r.Context()); err != nil {
					r.Fatal(err)
				}
				x.bothWays(r, q, s)
			})
		})
	}
}
