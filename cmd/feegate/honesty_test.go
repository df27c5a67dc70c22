package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/reconciliation/adoption/honesty"
)

// bare is the street with the people and the case system of the worked example, and none of its payments.
func bare(t *testing.T) *example {
	t.Helper()
	x := &example{street: newStreet(t), payments: map[string]string{}}
	x.caseSystem()
	x.reporter = x.person("thống kê", []identity.Role{identity.Reporter})
	x.finance, x.approver = x.person("kế toán", []identity.Role{identity.Finance}), x.person("kế toán trưởng", []identity.Role{identity.Approver})
	return x
}

// caught holds a rule to what it found, by kind and subject or dossier, in any order; each finding says who, what and since when in both languages.
func (x *example) caught(rule string, want ...string) {
	x.t.Helper()
	x.caughtIn(rule, inMarch, want...)
}

func (x *example) caughtIn(rule, query string, want ...string) {
	x.t.Helper()
	got := []string{}
	for _, f := range x.found(rule, query) {
		id := f.Subject.ID
		if f.Dossier != nil {
			id = *f.Dossier
		}
		got = append(got, f.Kind+" "+id)
		if f.Rule != rule || f.What == "" || f.WhatVI == "" || strings.ContainsAny(f.What+f.WhatVI, "{}") || f.What == f.WhatVI || f.Since.IsZero() || f.Since.After(x.world.Now()) || f.Role == "" {
			x.t.Errorf("%+v", f)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		x.t.Errorf("%s found %q, want %q\n%s", rule, got, want, x.logs)
	}
	all := x.annex(query)
	for _, r := range all.Rules {
		if r.ID == rule && int(r.Count) != len(want) {
			x.t.Errorf("%s: the annex counts %d", rule, r.Count)
		}
	}
}

// annex is the exceptions as counted, several rules in one statement, held to what each rule by itself lists: by agency and role, for the province and for
// each agency alone.
func (x *example) annex(query string) honesty.Annex {
	x.t.Helper()
	var all honesty.Annex
	for _, agency := range []string{"H10.77", "H10.12", ""} {
		asked := query
		if agency != "" {
			asked += "&agency_code=" + agency
		}
		all = read[honesty.Annex](x, x.reporter, "/v1/exceptions/summary?"+asked)
		rows, sums := []honesty.Tally{}, map[string]honesty.Tally{}
		for _, name := range honesty.Names() {
			listed := map[[2]string]honesty.Tally{}
			for after := ""; ; {
				l := read[honesty.Findings](x, x.reporter, "/v1/exceptions?limit=200&rule="+name+"&"+asked+after)
				for _, f := range l.Items {
					of := listed[[2]string{f.Agency.Code, f.Role}]
					of.Rule, of.Agency, of.Role, of.Count = name, f.Agency, f.Role, of.Count+1
					if f.Amount != nil {
						of.Amount += *f.Amount
					}
					listed[[2]string{f.Agency.Code, f.Role}] = of
				}
				if l.Next == nil {
					break
				}
				after = "&after=" + *l.Next
			}
			sorted := slices.SortedFunc(maps.Values(listed), func(a, b honesty.Tally) int {
				return cmp.Or(strings.Compare(a.Agency.Code, b.Agency.Code), strings.Compare(a.Role, b.Role))
			})
			var sum honesty.Tally
			for _, r := range sorted {
				sum.Count, sum.Amount = sum.Count+r.Count, sum.Amount+r.Amount
			}
			rows, sums[name] = append(rows, sorted...), sum
		}
		if !slices.Equal(all.Rows, rows) {
			x.t.Errorf("%s: the annex counts %+v, the lists %+v", asked, all.Rows, rows)
		}
		if len(all.Rules) != len(sums) {
			x.t.Errorf("%d rules", len(all.Rules))
		}
		for _, r := range all.Rules {
			if s := sums[r.ID]; r.Count != s.Count || r.Amount != s.Amount {
				x.t.Errorf("%s %s: the annex counts %d and %d, the list %d and %d", asked, r.ID, r.Count, r.Amount, s.Count, s.Amount)
			}
		}
	}
	return all
}

// told tells of a dossier.
func (x *example) told(n int, status string, more map[string]any) {
	x.t.Helper()
	in := map[string]any{"status": status, "procedure_code": "1.001", "agency_code": "H10.12", "received_on": "2026-03-10"}
	if status == "closed" {
		in["closed_at"] = x.world.Now().Add(-time.Minute).Format(time.RFC3339)
	}
	for k, v := range more {
		in[k] = v
	}
	if r := x.as(caseKey, http.MethodPut, "/v1/dossiers/"+dossierOf(n), "", in); r.status/100 != 2 {
		x.t.Fatalf("%d %s", r.status, r.body)
	}
}

// lines makes an order of several lines, each as given.
func (x *example) lines(name string, dossier int, lines ...map[string]any) string {
	x.t.Helper()
	sum, all := 0, []any{}
	for _, l := range lines {
		line := map[string]any{"kind": "phi", "name": "Khoản thu", "quantity": 1, "fee_code": "f"}
		for k, v := range l {
			line[k] = v
		}
		line["unit_amount"] = line["gross"]
		if line["net"] == nil {
			line["net"] = line["gross"]
		}
		sum += line["net"].(int)
		all = append(all, line)
	}
	return x.made(x.call(http.MethodPost, "/v1/orders", name, map[string]any{"reference": name, "dossier_code": dossierOf(dossier), "procedure_code": "1.001", "agency_code": "H10.12", "lines": all, "amount": sum}))
}

// wires pays so many dossiers, from a number on, from one account.
func (x *example) wires(account string, first, n int, ref func(int) string) {
	x.t.Helper()
	for i := first; i < first+n; i++ {
		_, payload, _, _ := x.shown(i)
		in := map[string]any{"status": "open", "procedure_code": "1.001", "agency_code": "H10.12", "received_on": "2026-03-10"}
		if r := ref(i); r != "" {
			in["applicant_ref"] = r
		}
		if r := x.as(caseKey, http.MethodPut, fmt.Sprintf("/v1/dossiers/H10.12-260310-5%03d", i), "", in); r.status != 201 {
			x.t.Fatalf("%d %s", r.status, r.body)
		}
		x.wired(map[string]any{"qr_payload": payload, "payer_account": account})
	}
}

func TestG1OneAccountPaysForMany(t *testing.T) {
	x := bare(t)
	x.bank()
	own := func(i int) string { return fmt.Sprint("người ", i) }
	look := func(want int) {
		t.Helper()
		if n, err := x.app.book.FlagPayers(t.Context(), 100); n != want || err != nil {
			t.Errorf("%d flagged, want %d (%v)", n, want, err)
		}
	}
	x.wires("1111111111", 0, 4, own)                                        // four neighbours
	x.wires("2222222222", 10, 6, func(int) string { return "nhà họ Trần" }) // a family's six dossiers
	x.wires("3333333333", 20, 5, func(i int) string { return own(i % 3) })  // five dossiers of three
	look(0)
	x.caught("G1")
	x.wires("4444444444", 30, 5, own)
	x.wires("5555555555", 40, 5, func(int) string { return "" }) // who leaves the applicant out hides nobody
	look(2)
	look(0)
	found := x.found("G1", inMarch)
	if len(found) != 2 || found[0].Kind != "many" || found[0].Agency.Code != "H10.12" || *found[0].Amount != 250000 || !strings.Contains(found[0].WhatVI, "5 hồ sơ") {
		t.Errorf("%+v", found)
	}
	for _, f := range found {
		if strings.Contains(fmt.Sprint(f), "4444") || strings.Contains(fmt.Sprint(f), "5555") {
			t.Errorf("the account is told: %+v", f)
		}
	}
	if rep := x.report(""); rep.Total.Buckets["proxy"] != 10 || rep.Total.Buckets["online_provisional"]+rep.Total.Buckets["online"] != 15 {
		t.Errorf("%v", rep.Total.Buckets)
	}
	// A declared notary pays for many by a decision of two people; another person than who proposed it decides.
	notary := x.ok(x.as(x.person("quản trị", []identity.Role{identity.Admin}), http.MethodPost, "/v1/payer-allowances", "", map[string]string{"kind": "bank", "bank": "970415", "number": "8888888888", "decision": "QĐ 12/2026, Văn phòng công chứng A"}), 201)
	x.ok(x.as(x.approver, http.MethodPost, "/v1/payer-allowances/"+text(notary["id"])+"/approve", "", map[string]string{}), 200)
	x.wires("8888888888", 70, 6, own)
	look(0)
	// Over more than the window nobody is flagged.
	for i := range 5 {
		x.wires("6666666666", 50+i, 1, own)
		x.move(10 * 24 * time.Hour)
	}
	look(0)
	// Staff accounts need no flag: they are declared.
	x.wires("7777777777", 60, 5, own)
	x.exec(`INSERT INTO staff_accounts (digest, agency_code, recorded_at) SELECT DISTINCT payer_digest, 'H10.12', $1::timestamptz FROM payments WHERE payer_masked LIKE '%7777'`, x.world.Now())
	look(0)
	april := "from=2026-03-01&to=" + x.world.Now().Format("2006-01-02")
	kinds := []string{}
	for _, f := range x.found("G1", april) {
		kinds = append(kinds, f.Kind)
	}
	if slices.Sort(kinds); fmt.Sprint(kinds) != "[many many staff]" {
		t.Errorf("%v", kinds)
	}
	// A flag that people ended is not set again by what they decided on.
	x.exec(`UPDATE payer_flags SET ended_at = $1 WHERE digest IN (SELECT payer_digest FROM payments WHERE payer_masked LIKE '%4444')`, x.world.Now())
	x.exec(`DELETE FROM payer_scans`)
	look(0)
}

func TestG2TypedWithoutReceipt(t *testing.T) {
	x := bare(t)
	x.counter("a", x.order("A", 1, 50000, "phi", false), 50000, "transfer", "")
	x.counter("b", x.order("B", 2, 50000, "phi", false), 50000, "cash", "0001") // honest
	x.counter("c", x.order("C", 3, 50000, "phi", false), 50000, "cash", "")     // a slip of the pen, voided by another
	x.caught("G2", "typed "+dossierOf(1), "typed "+dossierOf(3))
	x.ok(x.as(x.approver, http.MethodPost, "/v1/counter-payments/"+x.payments["c"]+"/void", "v", map[string]string{"reason": "quên biên lai"}), 200)
	x.caught("G2", "typed "+dossierOf(1))
	if f := x.found("G2", inMarch)[0]; f.Who != "Trần Thị B" || f.Role != "counter" || *f.Payment != x.payments["a"] || *f.Amount != 50000 {
		t.Errorf("%+v", f)
	}
}

// taxAccount opens the account that takes land obligations.
func (x *example) taxAccount() {
	x.t.Helper()
	cred := map[string]string{"partnerCode": "FEEGATEMOMON", "accessKey": "AK2", "secretKey": "SK2"}
	if err := x.app.accounts.Create(x.t.Context(), account.Account{ID: "acc_nvtc", Provider: "momo", AgencyCode: "H10.12", Kinds: []string{"nvtc"}, BaseURL: x.sim + "/momo", Credentials: cred}); err != nil {
		x.t.Fatal(err)
	}
	x.ok(x.send(http.MethodPut, x.sim+"/control/momo/accounts/FEEGATEMOMON", map[string]any{"credentials": cred, "callback_url": x.api + "/callbacks/momo/acc_nvtc"}, nil), 200)
}

func TestG3SplitAndTokenParts(t *testing.T) {
	x := bare(t)
	token := x.order("A", 1, 300000, "phi", false)
	x.pay("a", token, "momo", map[string]any{"amount": 1000})
	x.counter("a2", token, 299000, "cash", "0001")
	x.pay("b", x.order("B", 2, 300000, "phi", false), "momo", map[string]any{"amount": 100000}) // closed with a part paid
	x.told(2, "closed", nil)
	for n, purpose := range []string{"lần 1", "lần 2"} {
		x.pay(fmt.Sprint("c", n), x.lines(fmt.Sprint("C", n), 3, map[string]any{"gross": 50000, "purpose": purpose}), "momo", nil)
	}
	// Honest: an order paid online in two parts, one that is still being paid, two fees of a dossier, two tax notices.
	parts := x.order("D", 4, 300000, "phi", false)
	x.pay("d1", parts, "momo", map[string]any{"amount": 100000})
	x.pay("d2", parts, "momo", nil)
	x.pay("e", x.order("E", 5, 300000, "phi", false), "momo", map[string]any{"amount": 100000})
	x.pay("f1", x.lines("F1", 6, map[string]any{"gross": 50000, "fee_code": "g"}), "momo", nil)
	x.pay("f2", x.lines("F2", 6, map[string]any{"gross": 50000, "fee_code": "h"}), "momo", nil)
	x.taxAccount()
	for i := range 2 {
		notice := fmt.Sprint("TB-", i)
		x.pay(notice, x.lines(notice, 7, map[string]any{"gross": 90000, "kind": "nvtc", "purpose": notice, "tax_notice": map[string]any{"number": notice}}), "momo", map[string]any{"account_id": "acc_nvtc"})
	}
	x.caught("G3", "mixed "+dossierOf(1), "incomplete "+dossierOf(2), "split "+dossierOf(3))
}

func TestG4ClosedUnpaid(t *testing.T) {
	x := bare(t)
	x.feeBearing()
	x.order("B", 2, 60000, "phi", false)
	x.order("C", 3, 60000, "phi", true) // exempt, with evidence
	x.pay("d", x.order("D", 4, 60000, "phi", false), "momo", nil)
	x.order("F", 6, 60000, "phi", false)
	x.move(time.Minute * 2)
	zero := map[string]any{"amount_due": 0}
	x.told(1, "closed", nil)
	x.told(2, "closed", nil)
	x.told(3, "closed", nil)
	x.told(4, "closed", nil)
	x.told(5, "closed", zero) // nothing due, says somebody, and no order says why
	x.told(6, "withdrawn", nil)
	x.exec(`INSERT INTO procedures (code, name, field_code) VALUES ('1.012', 'Khai sinh', 'HT')`)
	x.told(7, "closed", map[string]any{"procedure_code": "1.012"}) // charges nothing
	x.told(8, "open", nil)
	x.caught("G4", "closed_no_order "+dossierOf(1), "closed_unpaid "+dossierOf(2), "closed_no_order "+dossierOf(5))
	x.pay("g", x.order("G", 9, 70000, "phi", false), "momo", nil) // paid, and never told of
	// Paid the day after, it is none any more; as of the day before it was one.
	was := x.world.Now().Add(time.Minute).Format(time.RFC3339)
	x.move(24 * time.Hour)
	x.pay("b", x.one(`SELECT id FROM orders WHERE reference = 'B'`), "momo", nil)
	x.caught("G4", "closed_no_order "+dossierOf(1), "closed_no_order "+dossierOf(5))
	x.caughtIn("G4", inMarch+"&as_of="+strings.ReplaceAll(was, "+", "%2B"), "closed_no_order "+dossierOf(1), "closed_unpaid "+dossierOf(2), "closed_no_order "+dossierOf(5))
	x.at("2026-03-17 08:00")
	x.caught("G4", "closed_no_order "+dossierOf(1), "closed_no_order "+dossierOf(5), "never_told H10.12")
	x.told(9, "open", nil)
	x.caught("G4", "closed_no_order "+dossierOf(1), "closed_no_order "+dossierOf(5))
}

func TestG5CashThatIsNotThere(t *testing.T) {
	x := bare(t)
	for n, receipt := range []string{"0001", "0002", "0005"} {
		x.counter(receipt, x.order(receipt, n, 50000, "phi", false), 50000, "cash", receipt)
	}
	x.caught("G5", "receipt_gap K26/3")
	// A number that was spoilt and voided is used; so is one on an electronic receipt.
	spoilt := x.order("S", 7, 50000, "phi", false)
	x.counter("0003", spoilt, 50000, "cash", "0003")
	x.ok(x.as(x.approver, http.MethodPost, "/v1/counter-payments/"+x.payments["0003"]+"/void", "v", map[string]string{"reason": "viết nhầm"}), 200)
	x.caught("G5", "receipt_gap K26/4")
	x.counter("0004", spoilt, 50000, "cash", "0004")
	x.caught("G5")
	// The cash of two receipts goes to the bank, the rest stays in a drawer.
	x.ok(x.as(caseKey, http.MethodPost, "/v1/deposits", "", map[string]any{"agency_code": "H10.12", "bank_account": "123", "slip_number": "S1", "deposited_at": x.world.Now().Add(-time.Second).Format(time.RFC3339),
		"amount": 100000, "counter_payments": []string{x.payments["0001"], x.payments["0002"]}}), 201)
	x.at("2026-03-13 20:00") // three working days, and no more
	x.caught("G5")
	x.at("2026-03-16 08:00") // the weekend is none, Friday was the third
	x.caught("G5", "undeposited "+dossierOf(2), "undeposited "+dossierOf(7))
	// A dossier closed unpaid brings the coverage below the gate.
	due := 60000
	x.dossier(9, "closed", &due)
	x.caught("G5", "undeposited "+dossierOf(2), "undeposited "+dossierOf(7), "coverage H10.12")
}

func TestG6RefundThenCash(t *testing.T) {
	x := bare(t)
	for n, row := range []string{"a", "b", "c"} {
		x.pay(row, x.lines(strings.ToUpper(row), n, map[string]any{"gross": 80000}), "momo", nil)
	}
	mixed := x.lines("D", 3, map[string]any{"gross": 80000}) // cash first, the rest online, which goes back
	x.counter("d1", mixed, 30000, "cash", "0009")
	x.pay("d", mixed, "momo", nil)
	x.at("2026-03-12 09:00")
	x.refunded("d", 50000, "partly_refunded")
	x.refunded("a", 80000, "refunded")
	x.refunded("b", 80000, "refunded") // refused before work: nothing is taken again
	x.refunded("c", 80000, "refunded")
	x.move(time.Hour)
	x.counter("a2", x.lines("A2", 0, map[string]any{"gross": 80000}), 80000, "cash", "0001")
	x.pay("c2", x.lines("C2", 2, map[string]any{"gross": 80000}), "vnpay", nil) // paid online again
	x.counter("b2", x.lines("B2", 1, map[string]any{"gross": 20000, "fee_code": "ban-sao"}), 20000, "cash", "0002")
	x.caught("G6", "refund_then_cash "+dossierOf(0))
	if f := x.found("G6", inMarch)[0]; f.Who != "Trần Thị B" || *f.Amount != 80000 {
		t.Errorf("%+v", f)
	}
}

func TestG7Exemptions(t *testing.T) {
	x := bare(t)
	exempt := func(name string, dossier int, evidence string) string {
		return x.lines(name, dossier, map[string]any{"gross": 40000, "net": 0, "adjustments": []any{map[string]any{"type": "exempt", "amount": 40000, "legal_basis": "Luật 97/2015, điều 10", "evidence": evidence}}})
	}
	for i := range 4 { // a poor household's book, four of the family
		exempt(fmt.Sprint("H", i), i, "sổ hộ nghèo 12")
	}
	for i := range 6 { // one applicant's six dossiers
		x.told(20+i, "open", map[string]any{"applicant_ref": "một người"})
		exempt(fmt.Sprint("P", i), 20+i, "thẻ thương binh 7")
	}
	x.caught("G7")
	for i := range 5 {
		exempt(fmt.Sprint("R", i), 40+i, "Sổ hộ nghèo 99")
	}
	found := x.found("G7", inMarch)
	if len(found) != 1 || found[0].Kind != "repeated" || *found[0].Amount != 200000 || !strings.Contains(found[0].WhatVI, "5 hồ sơ") || strings.Contains(fmt.Sprint(found[0]), "99") {
		t.Errorf("%+v", found)
	}
	// Without evidence the door refuses; what came by another is found.
	bad := x.call(http.MethodPost, "/v1/orders", "bad", map[string]any{"reference": "bad", "dossier_code": dossierOf(60), "procedure_code": "1.001", "agency_code": "H10.12", "amount": 0, "lines": []any{map[string]any{"fee_code": "f", "kind": "phi",
		"name": "x", "quantity": 1, "unit_amount": 40000, "gross": 40000, "net": 0, "adjustments": []any{map[string]any{"type": "exempt", "amount": 40000, "legal_basis": "Luật", "evidence": ""}}}}})
	x.problem(bad, 422, "invalid")
	order := exempt("N", 61, "xx")
	x.exec(`UPDATE order_lines SET adjustments = jsonb_set(adjustments, '{0,evidence}', '""') WHERE order_id = $1`, order)
	x.caught("G7", "repeated "+found[0].Subject.ID, "no_evidence "+dossierOf(61))

	// An agency whose exemptions are out of line with the province's.
	x.exec(`INSERT INTO agencies (code, name) VALUES ('H10.13', 'UBND xã khác')`)
	for i := range 16 {
		x.made(x.call(http.MethodPost, "/v1/orders", fmt.Sprint("Z", i), map[string]any{"reference": fmt.Sprint("Z", i), "dossier_code": dossierOf(100 + i), "procedure_code": "1.001", "agency_code": "H10.13", "amount": 40000,
			"lines": []any{map[string]any{"fee_code": "f", "kind": "phi", "name": "x", "quantity": 1, "unit_amount": 40000, "gross": 40000, "net": 40000}}}))
	}
	x.caught("G7", "repeated "+found[0].Subject.ID, "no_evidence "+dossierOf(61), "share H10.12")

	e := read[honesty.Exemptions](x, x.reporter, "/v1/reports/exemptions?"+inMarch)
	if len(e.Rows) != 1 || e.Rows[0].Count != 16 || e.Rows[0].Forgone != 640000 || e.Rows[0].Evidence.Numerator != 15 || e.Units[0].Share.Numerator != 16 {
		t.Errorf("%+v", e)
	}
	draw := func(seed string) string {
		return string(x.as(x.finance, http.MethodGet, "/v1/exceptions/sample?"+inMarch+"&limit=3&seed="+seed, "", nil).body)
	}
	if one := draw("a"); one != draw("a") || one == draw("b") || strings.Count(one, `"order"`) != 3 {
		t.Errorf("%s", one)
	}
}
