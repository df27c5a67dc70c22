package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"feegate/gateway/account"
	"feegate/gateway/identity"
)

// stated is a statement of the account as a bank's CSV has it; each row is reference, amount and content.
func stated(account string, opening int, rows ...[3]string) string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "Số tài khoản:;%s\nSố dư đầu kỳ:;%d\nNgày giao dịch;Số tham chiếu;Ghi nợ;Ghi có;Số dư;Nội dung\n", account, opening)
	for _, r := range rows {
		var amount int
		_, _ = fmt.Sscan(r[1], &amount)
		opening += amount
		debit, credit := "", r[1]
		if amount < 0 {
			debit, credit = r[1][1:], ""
		}
		fmt.Fprintf(b, "10/03/2026;%s;%s;%s;%d;%s\n", r[0], debit, credit, opening, r[2])
	}
	return b.String()
}

func (s *street) statementFile(token, query, file string) reply {
	s.t.Helper()
	return s.uploadTo(token, "/v1/statements"+query, "file", file)
}

// An agency's account that nobody watches: its statement alone says who paid.
func TestTheStatementIsTheWordWhereNobodyNotifies(t *testing.T) {
	s := newStreet(t)
	const bank = "1122334455"
	if err := s.app.accounts.Create(t.Context(), account.Account{ID: "acc_vietqr", Provider: "vietqr", AgencyCode: "H10.12", Kinds: []string{"phi", "le_phi"},
		Terminal: bank, BeneficiaryBank: "970418", BeneficiaryAccount: bank, BeneficiaryName: "UBND XA", Credentials: map[string]string{}}); err != nil {
		t.Fatal(err)
	}
	mai, far := s.person("mai", []identity.Role{identity.Finance}), s.person("xa", []identity.Role{identity.Finance}, "H10.99")
	order := s.ok(s.call(http.MethodPost, "/v1/orders", "o1", anOrder("R1")), 201)["id"].(string)
	p := s.ok(s.call(http.MethodPost, "/v1/orders/"+order+"/payments", "p1", map[string]string{"provider": "vietqr", "method": "qr"}), 201)
	reference := p["provider_reference"].(string)
	file := stated(bank, 1000000, [3]string{"FT1", "50000", "MBVCB." + strings.ToLower(reference) + ".CT"}, [3]string{"FT2", "70000", "khong ro"}, [3]string{"FT3", "-11000", "PHI SMS"})

	s.problem(s.statementFile(far, "", file), 404, "not-found")
	if r := s.statementFile(mai, "", strings.Replace(file, "1050000", "1050001", 1)); r.status != 422 || !strings.Contains(string(r.body), `"line":4`) {
		t.Errorf("a balance that breaks: %d %s", r.status, r.body)
	}
	dry := s.ok(s.statementFile(mai, "?dry_run=true", file), 200)
	if dry["id"] != "" || dry["lines"] != 3.0 || dry["added"] != 3.0 || dry["credits"] != 120000.0 || s.count(`SELECT count(*) FROM statement_lines`)+s.count(`SELECT count(*) FROM imports`) != 0 {
		t.Errorf("dry run: %v", dry)
	}
	imp := s.ok(s.statementFile(mai, "", file), 201)
	if again := s.ok(s.statementFile(mai, "", file), 200); again["id"] != imp["id"] {
		t.Errorf("the same file again: %v", again)
	}
	if v := s.ok(s.as(mai, http.MethodGet, "/v1/imports/"+imp["id"].(string), "", nil), 200); v["added"] != 3.0 || v["debits"] != 11000.0 {
		t.Errorf("%v", v)
	}
	v := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200)
	if v["status"] != "paid" {
		t.Fatalf("%v\n%s", v, s.logs)
	}
	if got := s.ok(s.call(http.MethodGet, "/v1/payments/"+p["id"].(string), "", nil), 200); got["evidence"] != "confirmed" || got["provider_transaction"] != "FT1" {
		t.Errorf("%v", got)
	}
	// A longer statement with the same lines and one more adds the one.
	longer := stated(bank, 1000000, [3]string{"FT1", "50000", "MBVCB." + reference}, [3]string{"FT2", "70000", "khong ro"}, [3]string{"FT3", "-11000", "PHI SMS"}, [3]string{"FT4", "1000", reference})
	if more := s.ok(s.statementFile(mai, "", longer), 201); more["added"] != 1.0 || more["lines"] != 4.0 {
		t.Errorf("%v", more)
	}
	if v := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200); v["surplus_amount"] != 1000.0 || v["paid_amount"] != 50000.0 {
		t.Errorf("%v", v)
	}
	if _, err := s.app.reconciler.NameTransfers(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if items := s.list(mai, "kind=bank_unmatched"); len(items) != 1 || items[0]["amount"] != 70000.0 {
		t.Errorf("money of nobody: %v", items)
	}
	gapped := s.ok(s.statementFile(mai, "", strings.ReplaceAll(stated(bank, 5, [3]string{"FT9", "1", "x"}), "10/03/2026", "11/03/2026")), 201)
	if f := fmt.Sprint(gapped["findings"]); !strings.Contains(f, "statement_gap") {
		t.Errorf("it does not go on from the one before: %s", f)
	}
}

// A transfer that was told of by a notifier is confirmed by the statement, not counted again.
func TestTheStatementConfirmsWhatANotifierTold(t *testing.T) {
	s := newStreet(t)
	s.bank()
	mai := s.person("mai", []identity.Role{identity.Finance})
	order, _, reference, _ := s.shown(1)
	s.wired(map[string]any{"amount": 50000, "content": reference, "reference": "FT77"})
	payment := s.one(`SELECT id FROM payments`)
	evidence := func() any {
		return s.ok(s.call(http.MethodGet, "/v1/payments/"+payment, "", nil), 200)["evidence"]
	}
	if got := evidence(); got != "provisional" {
		t.Errorf("before the statement: %v", got)
	}
	s.ok(s.statementFile(mai, "", stated(ownBank, 0, [3]string{"FT77", "50000", "ND " + reference})), 201)
	v := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200)
	if v["surplus_amount"] != 0.0 || len(v["payments"].([]any)) != 1 || evidence() != "confirmed" {
		t.Errorf("%v, %v", evidence(), v)
	}
	if n := s.count(`SELECT count(*) FROM bank_transfers`); n != 1 {
		t.Errorf("%d movements", n)
	}
}

// The bank takes a transfer back: the statement says so for certain, and the order is open again.
func TestTheBankTakesATransferBack(t *testing.T) {
	s := newStreet(t)
	s.bank()
	mai := s.person("mai", []identity.Role{identity.Finance})
	order, _, reference, _ := s.shown(1)
	s.wired(map[string]any{"amount": 50000, "content": reference, "reference": "FT77"})
	mt := ":20:S1\n:25:" + ownBank + "\n:28C:1/1\n:60F:C260310VND0,\n:61:2603100310C50000,NTRFNONREF//FT77\n:86:" + reference +
		"\n:61:2603100310RC50000,NTRFNONREF//FT78\n:86:HOAN TRA GD FT77\n:62F:C260310VND0,\n-\n"
	s.ok(s.statementFile(mai, "", mt), 201)
	v := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200)
	if v["status"] != "open" || v["paid_amount"] != 0.0 || v["payments"].([]any)[0].(map[string]any)["status"] != "reversed" {
		t.Errorf("%v\n%s", v, s.logs)
	}
	if n := s.count(`SELECT coalesce(sum(CASE WHEN to_account LIKE 'clearing:%' THEN amount ELSE -amount END), 0) FROM moves`); n != 0 {
		t.Errorf("the books hold %d", n)
	}
	// A CSV says it in words alone: a person has to confirm, nothing is taken back by a text.
	other, _, reference, _ := s.shown(2)
	s.wired(map[string]any{"amount": 50000, "content": reference, "reference": "FT79"})
	said := s.ok(s.statementFile(mai, "", stated(ownBank, 0, [3]string{"FT79", "50000", reference}, [3]string{"FT80", "-50000", "HOAN TRA GD FT79 " + reference})), 201)
	if got := s.orderStatus(other); got != "paid" || !strings.Contains(fmt.Sprint(said["findings"]), "reversal_candidate") {
		t.Errorf("%s, %v", got, said["findings"])
	}
}

// The reversal may stand before what it takes back, and the same bytes may be two accounts' statement.
func TestTheStatementsOrderAndItsAccountMatter(t *testing.T) {
	s := newStreet(t)
	s.bank()
	mai := s.person("mai", []identity.Role{identity.Finance})
	order, _, reference, _ := s.shown(1)
	mt := ":20:S1\n:25:" + ownBank + "\n:28C:1/1\n:60F:C260310VND0,\n:61:2603100310RC50000,NTRFNONREF//FT78\n:86:HOAN TRA GD FT77\n" +
		":61:2603100310C50000,NTRFNONREF//FT77\n:86:" + reference + "\n:61:2603100310C0,NTRFNONREF//FT79\n:86:NOTHING\n:62F:C260310VND0,\n-\n"
	if imp := s.ok(s.statementFile(mai, "", mt), 201); imp["lines"] != 2.0 {
		t.Errorf("a movement of nothing is kept: %v", imp)
	}
	if v := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200); v["status"] != "open" || v["payments"].([]any)[0].(map[string]any)["status"] != "reversed" {
		t.Errorf("%v", v)
	}
	const bank = "1122334455"
	if err := s.app.accounts.Create(t.Context(), account.Account{ID: "acc_vietqr", Provider: "vietqr", AgencyCode: "H10.12", Kinds: []string{"phi", "le_phi"},
		Position: 20, Terminal: bank, BeneficiaryBank: "970418", BeneficiaryAccount: bank, BeneficiaryName: "UBND XA", Credentials: map[string]string{}}); err != nil {
		t.Fatal(err)
	}
	_, _, reference, _ = s.shown(2)
	file := "Ngày giao dịch;Số tham chiếu;Ghi nợ;Ghi có;Số dư;Nội dung\n10/03/2026;FT91;;50000;50000;" + reference + "\n"
	wrong := s.ok(s.uploadTo(mai, "/v1/statements", "bank_account", bank, "file", file), 201)
	right := s.ok(s.uploadTo(mai, "/v1/statements", "bank_account", ownBank, "file", file), 201)
	if wrong["id"] == right["id"] || right["added"] != 1.0 {
		t.Errorf("%v, %v", wrong, right)
	}
	if got := s.count(`SELECT count(*) FROM orders WHERE status = 'paid'`); got != 1 {
		t.Errorf("%d orders are paid", got)
	}
}

// The same statement in two formats, one without the bank's numbers, is one.
func TestTheStatementInTwoFormatsCountsOnce(t *testing.T) {
	s := newStreet(t)
	s.bank()
	mai := s.person("mai", []identity.Role{identity.Finance})
	order, _, reference, _ := s.shown(1)
	s.ok(s.statementFile(mai, "", stated(ownBank, 0, [3]string{"", "25000", reference}, [3]string{"", "25000", reference})), 201)
	mt := ":20:S1\n:25:" + ownBank + "\n:28C:1/1\n:60F:C260310VND0,\n:61:2603100310C25000,NTRFNONREF//FT1\n:86:" + reference +
		"\n:61:2603100310C25000,NTRFNONREF//FT2\n:86:" + reference + "\n:62F:C260310VND50000,\n-\n"
	s.ok(s.statementFile(mai, "", mt), 201)
	if v := s.ok(s.call(http.MethodGet, "/v1/orders/"+order, "", nil), 200); v["status"] != "paid" || v["surplus_amount"] != 0.0 || len(v["payments"].([]any)) != 2 {
		t.Errorf("%v", v)
	}
}

// A table's columns are found by their header; a person confirms them once, and what nobody watches waits for that.
func TestATablesColumnsAreConfirmedOnce(t *testing.T) {
	s := newStreet(t)
	s.bank()
	mai, far := s.person("mai", []identity.Role{identity.Finance}), s.person("xa", []identity.Role{identity.Finance}, "H10.99")
	b := s.inbox()
	b.drop(t, "statements/first.csv", stated(ownBank, 0, [3]string{"FT1", "1000", "x"}))
	if n, err := b.look(t.Context(), 10); n != 1 || err != nil || !b.has("refused/2026-03-10/first.csv.why.txt") {
		t.Fatalf("%d, %v\n%s", n, err, s.logs)
	}
	imp := s.ok(s.statementFile(mai, "", stated(ownBank, 0, [3]string{"FT1", "1000", "x"})), 201)
	if f := fmt.Sprint(imp["findings"]); !strings.Contains(f, "layout_new") || !strings.Contains(f, "Số tham chiếu") {
		t.Errorf("%s", f)
	}
	layouts := s.ok(s.as(mai, http.MethodGet, "/v1/bank/layouts", "", nil), 200)["items"].([]any)
	if len(layouts) != 1 || layouts[0].(map[string]any)["confirmed_by"] != nil {
		t.Fatalf("%v", layouts)
	}
	path := "/v1/bank/layouts/" + layouts[0].(map[string]any)["id"].(string) + "/confirm"
	s.problem(s.as(far, http.MethodPost, path, "", nil), 404, "not-found")
	first := s.ok(s.as(mai, http.MethodPost, path, "", nil), 200)
	if again := s.ok(s.as(mai, http.MethodPost, path, "", nil), 200); fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("%v, again %v", first, again)
	}
	if more := s.ok(s.statementFile(mai, "", stated(ownBank, 0, [3]string{"FT1", "1000", "x"}, [3]string{"FT2", "2000", "y"})), 201); strings.Contains(fmt.Sprint(more["findings"]), "layout_new") {
		t.Errorf("%v", more["findings"])
	}
	b.drop(t, "statements/second.csv", stated(ownBank, 0, [3]string{"FT1", "1000", "x"}, [3]string{"FT2", "2000", "y"}, [3]string{"FT3", "3000", "z"}))
	if n, err := b.look(t.Context(), 10); n != 1 || err != nil || !b.has("done/2026-03-10/second.csv") {
		t.Errorf("%d, %v\n%s", n, err, s.logs)
	}
}
