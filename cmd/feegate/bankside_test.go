package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/gateway/vnd"
)

// paidOut is the street with a bank account that both its wallets pay out to.
func (s *street) paidOut() string {
	s.t.Helper()
	const bank = "1001000001"
	for provider, cred := range map[string]map[string]string{
		"momo":  {"partnerCode": "FEEGATEMOMO7", "accessKey": "FEEGATEACCESSKEY", "secretKey": "SECRETKEYFORTESTVECTORS000000007"},
		"vnpay": {"vnp_TmnCode": "FEEGATE7", "hash_secret": "SECRETKEYFORTESTVECTORS000000007"},
	} {
		id, terminal := "acc_"+provider+"_7", map[string]string{"momo": "FEEGATEMOMO7", "vnpay": "FEEGATE7"}[provider]
		if err := s.app.accounts.Create(s.t.Context(), account.Account{ID: id, Provider: provider, AgencyCode: "H10.12", Kinds: []string{"phi", "le_phi"}, BaseURL: s.sim + "/" + provider,
			Credentials: cred, BeneficiaryBank: "970436", BeneficiaryAccount: bank, BeneficiaryName: "UBND XA", Position: 7, Tariff: vnd.Tariff{BPS: 110}}); err != nil {
			s.t.Fatal(err)
		}
		s.ok(s.send(http.MethodPut, s.sim+"/control/"+provider+"/accounts/"+terminal, map[string]any{"credentials": cred, "callback_url": s.api + "/callbacks/" + provider + "/" + id,
			"tariff": map[string]int{"bps": 110}, "bank_account": bank}, nil), 200)
	}
	return bank
}

// take has n orders of 50,000 paid by an account, now.
func (s *street) take(accountID string, first, n int) {
	s.t.Helper()
	for i := first; i < first+n; i++ {
		order := s.ordered(fmt.Sprintf("%s-%d", accountID, i), fmt.Sprintf("H10.12-260310-%04d", 1000+i), 50000)
		p := s.ok(s.call(http.MethodPost, "/v1/orders/"+order+"/payments", "p-"+order, map[string]string{"account_id": accountID}), 201)
		provider := strings.Split(accountID, "_")[1]
		if url, _ := p["redirect"].(map[string]any)["url"].(string); provider == "vnpay" {
			s.send(http.MethodGet, url, nil, nil)
		}
		s.decide(provider, p["provider_reference"].(string), map[string]any{"outcome": "succeed"})
	}
}

// settled imports the simulator's settlement file of a day.
func (s *street) settled(token, accountID, terminal, date, more string) map[string]any {
	s.t.Helper()
	provider := strings.Split(accountID, "_")[1]
	file := s.send(http.MethodGet, s.sim+"/control/"+provider+"/settlement?account="+terminal+"&date="+date+more, nil, nil)
	return s.ok(s.uploadTo(token, "/v1/settlements", "account_id", accountID, "date", date, "file", string(file.body)), 201)
}

// statement imports the simulator's statement.
func (s *street) statement(token, query string) map[string]any {
	s.t.Helper()
	file := s.send(http.MethodGet, s.sim+"/control/bank/statement?"+query, nil, nil)
	if file.status != 200 {
		s.t.Fatalf("%d %s", file.status, file.body)
	}
	return s.ok(s.statementFile(token, "", string(file.body)), 201)
}

func (s *street) dayOf(token, accountID, date string) map[string]any {
	s.t.Helper()
	return s.ok(s.as(token, http.MethodGet, "/v1/reconciliations/"+date+"?account_id="+accountID, "", nil), 200)
}

func side(day map[string]any) string {
	b, bank := day["bank_side"].(map[string]any), day["bank"].(map[string]any)
	return fmt.Sprintf("%v-%v=%v bank %v/%v %v-%v=%v %v", day["difference"], day["explained_difference"], day["unexplained_difference"], bank["count"], bank["amount"], b["difference"], b["explained_difference"], b["unexplained_difference"], day["discrepancies"])
}

func TestAPayoutIsMatchedWithItsCredit(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	mai := s.person("mai", []identity.Role{identity.Finance})
	s.take("acc_vnpay_7", 0, 3)
	s.take("acc_momo_7", 10, 2)
	s.move(24 * time.Hour)
	const day = "2026-03-10"
	s.settled(mai, "acc_vnpay_7", "FEEGATE7", day, "")
	// The statement comes before MoMo's file: its credit belongs to nothing yet, and says so.
	s.statement(mai, "account="+bank+"&date=2026-03-11&format=camt053")
	if got, want := side(s.dayOf(mai, "acc_vnpay_7", day)), "0-0=0 bank 1/148350 0-0=0 map[]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := side(s.dayOf(mai, "acc_momo_7", day)), "100000-100000=0 bank 1/98900 -98900--98900=0 map[bank_unmatched:1 file_missing:1]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	s.settled(mai, "acc_momo_7", "FEEGATEMOMO7", day, "")
	if got, want := side(s.dayOf(mai, "acc_momo_7", day)), "0-0=0 bank 1/98900 0-0=0 map[]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for account, want := range map[string]int{"clearing:acc_vnpay_7": 0, "receivable:acc_vnpay_7": 0, "bank:acc_vnpay_7": 148350, "fee:acc_vnpay_7": 1650} {
		if got := s.count(`SELECT coalesce(sum(CASE WHEN to_account = $1 THEN amount ELSE -amount END), 0) FROM moves WHERE $1 IN (to_account, from_account)`, account); got != want {
			t.Errorf("%s holds %d, want %d", account, got, want)
		}
	}
	if n := s.count(`SELECT count(*) FROM evidence_at($1) WHERE bank_proven`, s.world.Now()); n != 5 {
		t.Errorf("%d payments are proven by the bank", n)
	}
}

func TestAPayoutThatIsNotWhatTheFileSays(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	mai := s.person("mai", []identity.Role{identity.Finance})
	s.take("acc_vnpay_7", 0, 4)
	s.move(24 * time.Hour)
	const day = "2026-03-10"
	s.settled(mai, "acc_vnpay_7", "FEEGATE7", day, "&lose=1&seed=3")
	s.statement(mai, "account="+bank+"&date=2026-03-11")
	if got, want := side(s.dayOf(mai, "acc_vnpay_7", day)), "50000-50000=0 bank 1/197800 -49450--49450=0 map[bank_over:1 missing_at_provider:1]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// Nothing at all from the other: after three working days it is short by all.
	s.take("acc_momo_7", 10, 1)
	s.move(24 * time.Hour)
	s.settled(mai, "acc_momo_7", "FEEGATEMOMO7", "2026-03-11", "")
	if got, want := side(s.dayOf(mai, "acc_momo_7", "2026-03-11")), "0-0=0 bank 0/0 49450-0=49450 map[]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	s.move(5 * 24 * time.Hour)
	if n, err := s.app.reconciler.MarkDue(t.Context(), 100); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if _, err := s.app.reconciler.MatchDue(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	if got, want := side(s.dayOf(mai, "acc_momo_7", "2026-03-11")), "0-0=0 bank 0/0 49450-49450=0 map[bank_short:1]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A credit pays two days, two credits pay one, a refund is taken off, and an unknown credit belongs to nothing.
func TestPayoutsOfSeveralDaysAndInParts(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	mai := s.person("mai", []identity.Role{identity.Finance})
	s.take("acc_vnpay_7", 0, 1)
	s.move(24 * time.Hour)
	s.take("acc_vnpay_7", 1, 2)
	s.take("acc_momo_7", 10, 2)
	s.move(24 * time.Hour)
	for _, d := range []string{"2026-03-10", "2026-03-11"} {
		s.settled(mai, "acc_vnpay_7", "FEEGATE7", d, "")
	}
	s.settled(mai, "acc_momo_7", "FEEGATEMOMO7", "2026-03-11", "")
	file := strings.ReplaceAll(stated(bank, 0, [3]string{"FT1", "148350", "VNPAY TT CHO FEEGATE7 tu 10/03/2026 den 11/03/2026"}, [3]string{"FT2", "50000", "MOMO FEEGATEMOMO7 dot 1 ngay 11/03/2026"},
		[3]string{"FT3", "48900", "MOMO FEEGATEMOMO7 dot 2 ngay 11/03/2026"}, [3]string{"FT4", "50000", "NGUYEN VAN A"}), "10/03/2026;FT", "12/03/2026;FT")
	s.ok(s.statementFile(mai, "", file), 201)
	for _, c := range []struct{ account, date, want string }{
		{"acc_vnpay_7", "2026-03-10", "0-0=0 bank 1/49450 0-0=0 map[]"},
		{"acc_vnpay_7", "2026-03-11", "0-0=0 bank 1/98900 0-0=0 map[]"},
		{"acc_momo_7", "2026-03-11", "0-0=0 bank 1/98900 0-0=0 map[]"},
		{"acc_momo_7", "2026-03-12", "0-0=0 bank 1/50000 -50000--50000=0 map[bank_unmatched:1]"},
	} {
		if got := side(s.dayOf(mai, c.account, c.date)); got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.account, c.date, got, c.want)
		}
	}
}

func TestASlipsCashIsConfirmedByItsCredit(t *testing.T) {
	s := newStreet(t)
	mai := s.person("mai", []identity.Role{identity.Finance})
	at := s.world.Now().Add(-time.Minute)
	order := s.ordered("R1", "H10.12-260310-0001", 50000)
	in := counterMoney(50000, "cash", "0001", at)
	delete(in, "officer")
	payment := s.made(s.as(mai, http.MethodPost, "/v1/orders/"+order+"/counter-payments", "c1", in))
	s.ok(s.as(mai, http.MethodPost, "/v1/deposits", "", map[string]any{"agency_code": "H10.12", "bank_account": "55 66", "slip_number": "GNT-17", "deposited_at": s.world.Now(), "amount": 50000, "counter_payments": []string{payment}}), 201)
	s.ok(s.statementFile(mai, "", stated("5566", 0, [3]string{"FT1", "50000", "NGUYEN VAN A"}, [3]string{"FT2", "50000", "NOP TIEN MAT GNT-17"})), 201)
	if got := s.ok(s.as(mai, http.MethodGet, "/v1/payments/"+payment, "", nil), 200)["evidence"]; got != "confirmed" {
		t.Errorf("the cash is %v", got)
	}
	if n := s.count(`SELECT coalesce(sum(CASE WHEN to_account = 'bank:H10.12' THEN amount ELSE -amount END), 0) FROM moves WHERE 'bank:H10.12' IN (to_account, from_account)`); n != 50000 {
		t.Errorf("at the bank: %d", n)
	}
	if items := s.list(mai, "kind=bank_unmatched"); len(items) != 1 {
		t.Errorf("%v", items)
	}
}

// What no rule dares to say is proposed, accepted once, and can be taken back; what could explain a difference is shown.
func TestProposalsAreAcceptedOnce(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Finance})
	far := s.person("xa", []identity.Role{identity.Finance}, "H10.99")
	s.take("acc_vnpay_7", 0, 3)
	s.move(24 * time.Hour)
	const day = "2026-03-10"
	s.settled(mai, "acc_vnpay_7", "FEEGATE7", day, "")
	imp := s.ok(s.statementFile(mai, "", strings.ReplaceAll(stated(bank, 0, [3]string{"FT1", "48350", "CHUYEN TIEN 1"}, [3]string{"FT2", "100000", "CHUYEN TIEN 2"}, [3]string{"FT3", "-11000", "PHI SMS"}), "10/03/2026;FT", "11/03/2026;FT")), 201)
	if got, want := side(s.dayOf(mai, "acc_vnpay_7", day)), "0-0=0 bank 0/0 148350-0=148350 map[]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	why := s.ok(s.as(mai, http.MethodGet, "/v1/reconciliations/"+day+"/explanations?account_id=acc_vnpay_7", "", nil), 200)
	if e := why["explanations"].([]any); len(e) != 1 || len(e[0].(map[string]any)["lines"].([]any)) != 2 || why["bank_side_unexplained_difference"] != 148350.0 {
		t.Errorf("%v", why)
	}
	items := s.ok(s.as(mai, http.MethodGet, "/v1/match-proposals?account_id=acc_vnpay_7", "", nil), 200)["items"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["kind"] != "payout" || items[0].(map[string]any)["amount"] != 148350.0 {
		t.Fatalf("%v", items)
	}
	path, in := "/v1/match-proposals/"+items[0].(map[string]any)["id"].(string)+"/accept", map[string]string{"account_id": "acc_vnpay_7", "note": "đã hỏi ngân hàng"}
	s.problem(s.as(far, http.MethodPost, path, "", in), 404, "not-found")
	s.problem(s.as(mai, http.MethodPost, path, "", map[string]string{"account_id": "acc_vnpay_7", "note": ""}), 422, "invalid")
	answers := make(chan reply, 2)
	for _, who := range []string{mai, lan} {
		go func() { answers <- s.as(who, http.MethodPost, path, "", in) }()
	}
	a, b := <-answers, <-answers
	if a.status == 409 {
		a, b = b, a
	}
	s.ok(a, 200)
	s.problem(b, 409, "resolution-state")
	if got, want := side(s.dayOf(mai, "acc_vnpay_7", day)), "0-0=0 bank 1/148350 0-0=0 map[]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// The database holds it, whoever would write.
	for _, twice := range []string{`INSERT INTO bank_uses (line_id, payout_id, rule, recorded_by, recorded_at) SELECT line_id, payout_id, 'person', 'x', recorded_at FROM bank_uses LIMIT 1`,
		`INSERT INTO payout_days SELECT 'pyo_other', account_id, date, net, amount, counts_on FROM payout_days LIMIT 1`} {
		if _, err := s.db.ExecContext(t.Context(), `INSERT INTO payouts (id, bank_account, rule, proven, recorded_by, recorded_at) VALUES ('pyo_other', '1', 'person', true, 'x', now()) ON CONFLICT DO NOTHING`); err != nil {
			t.Fatal(err)
		}
		if _, err := s.db.ExecContext(t.Context(), twice); err == nil || !strings.Contains(err.Error(), "_once") {
			t.Errorf("the database took a part of a payout twice: %v", err)
		}
	}
	lines := s.ok(s.as(mai, http.MethodGet, "/v1/imports/"+imp["id"].(string)+"/lines", "", nil), 200)["items"].([]any)
	roles := ""
	for _, l := range lines {
		roles += fmt.Sprint(l.(map[string]any)["role"], "/", l.(map[string]any)["standing"], " ")
	}
	if roles != "payout/matched payout/matched fee/explained " {
		t.Error(roles)
	}
	id := fmt.Sprint(int64(lines[0].(map[string]any)["id"].(float64)))
	credit := s.ok(s.as(mai, http.MethodGet, "/v1/bank/lines/"+id, "", nil), 200)
	if len(credit["lines"].([]any)) != 3 || credit["text"] != "CHUYEN TIEN 1" || len(credit["missing"].([]any)) != 0 {
		t.Errorf("%v", credit)
	}
	s.problem(s.as(far, http.MethodGet, "/v1/bank/lines/"+id, "", nil), 404, "not-found")
	if got := s.ok(s.as(mai, http.MethodGet, "/v1/bank/lines?role=fee&bank_account="+bank, "", nil), 200)["items"].([]any); len(got) != 1 {
		t.Errorf("%v", got)
	}
	payouts := s.ok(s.as(mai, http.MethodGet, "/v1/payouts?account_id=acc_vnpay_7&from="+day+"&to="+day, "", nil), 200)["items"].([]any)
	if len(payouts) != 1 {
		t.Fatalf("%v", payouts)
	}
	end := "/v1/payouts/" + payouts[0].(map[string]any)["id"].(string) + "/end"
	s.problem(s.as(far, http.MethodPost, end, "", map[string]string{"reason": "nhầm"}), 404, "not-found")
	s.ok(s.as(mai, http.MethodPost, end, "", map[string]string{"reason": "nhầm"}), 200)
	s.problem(s.as(mai, http.MethodPost, end, "", map[string]string{"reason": "nhầm"}), 409, "resolution-state")
	if n := s.count(`SELECT coalesce(sum(CASE WHEN to_account LIKE 'bank:%' THEN amount ELSE -amount END), 0) FROM moves WHERE 'bank:acc_vnpay_7' IN (to_account, from_account)`); n != 0 {
		t.Errorf("the bank holds %d", n)
	}
	if got := s.ok(s.as(mai, http.MethodGet, "/v1/payouts?account_id=acc_vnpay_7&ended=true&from="+day+"&to="+day, "", nil), 200)["items"].([]any); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// The clearing balance is the payments that are not settled, line by line, at any time.
func TestTheLedgerLineByLine(t *testing.T) {
	s := newStreet(t)
	s.paidOut()
	mai := s.person("mai", []identity.Role{identity.Finance})
	s.take("acc_vnpay_7", 0, 3)
	before := s.world.Now()
	s.move(24 * time.Hour)
	s.settled(mai, "acc_vnpay_7", "FEEGATE7", "2026-03-10", "&lose=1&invent=1&seed=2")
	at := func(when time.Time) (float64, map[string]float64) {
		v := s.ok(s.as(mai, http.MethodGet, "/v1/ledger/lines?account_id=acc_vnpay_7&at="+url.QueryEscape(when.Format(time.RFC3339Nano)), "", nil), 200)
		sums := map[string]float64{}
		for _, i := range v["items"].([]any) {
			l := i.(map[string]any)
			sums[l["type"].(string)] += l["amount"].(float64)
		}
		return v["balance"].(float64), sums
	}
	if sum, lines := at(before); sum != 150000 || lines["payment"] != 150000 {
		t.Errorf("before: %v %v", sum, lines)
	}
	sum, lines := at(s.world.Now())
	balance := float64(s.count(`SELECT sum(CASE WHEN to_account = 'clearing:acc_vnpay_7' THEN amount ELSE -amount END) FROM moves WHERE 'clearing:acc_vnpay_7' IN (to_account, from_account)`))
	if sum != balance || lines["payment"] != 50000 || lines["payment"]+lines["settlement_line"] != sum {
		t.Errorf("after: %v of %v, %v", sum, balance, lines)
	}
}

func TestHolidaysAreData(t *testing.T) {
	s := newStreet(t)
	root, mai := s.person("root", []identity.Role{identity.Admin}), s.person("mai", []identity.Role{identity.Finance})
	s.ok(s.as(root, http.MethodPut, "/v1/holidays/2026-03-11", "", map[string]string{"name": "Bầu cử"}), 200)
	s.problem(s.as(mai, http.MethodPut, "/v1/holidays/2026-03-11", "", map[string]string{"name": "Nghỉ"}), 403, "forbidden")
	s.problem(s.as(root, http.MethodPut, "/v1/holidays/soon", "", map[string]string{"name": "Nghỉ"}), 422, "invalid")
	if items := s.ok(s.as(mai, http.MethodGet, "/v1/holidays?from=2026-03-01&to=2026-03-31", "", nil), 200)["items"].([]any); len(items) != 1 {
		t.Errorf("%v", items)
	}
	if due := s.one(`SELECT (settlement_due('acc_momo', '2026-03-10') AT TIME ZONE 'UTC')::text`); due != "2026-03-12 00:30:00" {
		t.Error(due)
	}
	if r := s.as(root, http.MethodDelete, "/v1/holidays/2026-03-11", "", nil); r.status != 204 {
		t.Errorf("%d", r.status)
	}
	s.problem(s.as(root, http.MethodDelete, "/v1/holidays/2026-03-11", "", nil), 404, "not-found")
}

// A statement that does not go on where the one before ended is a gap, and so is a number that is missing; the missing one heals it.
func TestAGapBetweenStatements(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	mai := s.person("mai", []identity.Role{identity.Finance})
	s.move(5 * 24 * time.Hour)
	mt := func(number, day string, opening, in int) string {
		return fmt.Sprintf(":20:S%[1]s\n:25:%[2]s\n:28C:%[1]s/1\n:60F:C%[3]sVND%[4]d,\n:61:%[3]sC%[5]d,NTRFNONREF//FT%[1]s\n:86:LAI TIEN GUI\n:62F:C%[3]sVND%[6]d,\n-\n", number, bank, day, opening, in, opening+in)
	}
	gaps := func() string {
		out := ""
		for _, d := range s.list(mai, "kind=statement_gap&account_id=acc_momo_7") {
			out += fmt.Sprint(d["date"], " ", d["status"], " ")
		}
		return out
	}
	for _, c := range []struct{ file, want string }{
		{mt("64", "260310", 1000, 10), ""},
		{mt("66", "260312", 1020, 10), "2026-03-12 open "},                     // the numbers, and the balance
		{mt("67", "260313", 1030, 10), "2026-03-12 open "},                     // goes on
		{mt("65", "260311", 1010, 10), "2026-03-12 resolved "},                 // what was missing
		{mt("68", "260314", 1041, 10), "2026-03-12 resolved 2026-03-14 open "}, // one đồng from nowhere
	} {
		s.ok(s.statementFile(mai, "", c.file), 201)
		if got := gaps(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// The day's page has both sides, what could explain what nothing does, and one click to what a credit is made of.
func TestTheDaysPageHasTheBank(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	mai := s.person("mai", []identity.Role{identity.Finance})
	s.take("acc_vnpay_7", 0, 3)
	s.move(24 * time.Hour)
	const day = "2026-03-10"
	s.settled(mai, "acc_vnpay_7", "FEEGATE7", day, "&lose=1&seed=3")
	o := s.officer("lan", []identity.Role{identity.Finance})
	s.ok(s.statementFile(mai, "", strings.ReplaceAll(stated(bank, 0, [3]string{"FT1", "98900", "CHUYEN TIEN"}), "10/03/2026;FT", "11/03/2026;FT")), 201)
	page := "/console/days/" + day + "?account=acc_vnpay_7"
	if body := string(o.get(page).body); !strings.Contains(body, "Có thể giải thích phần chưa rõ") || !strings.Contains(body, "khoản về ngân hàng") {
		t.Errorf("%s", body)
	}
	list := string(o.get("/console/bank?from=2026-03-01").body)
	if !strings.Contains(list, "Có thể là một") || !strings.Contains(list, "số tiền bằng đúng thực nhận của những ngày này") || !strings.Contains(list, "Chưa rõ của ai") {
		t.Fatalf("%s", list)
	}
	proposal, csrf := between(list, `action="/console/bank/proposals/`, `"`), between(list, `name="csrf" value="`, `"`)
	if r := o.post("/console/bank/proposals/"+proposal, url.Values{"csrf": {csrf}, "account": {"acc_vnpay_7"}, "note": {"ngân hàng xác nhận"}}, nil); r.status != http.StatusSeeOther {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := o.post("/console/bank/proposals/"+proposal, url.Values{"csrf": {csrf}, "account": {"acc_vnpay_7"}, "note": {"lần nữa"}}, nil); r.status != http.StatusConflict {
		t.Errorf("%d %s", r.status, r.body)
	}
	body := string(o.get(page).body)
	line := between(body, `href="/console/bank/`, `"`)
	if strings.Contains(body, "Có thể giải thích phần chưa rõ") || line == "" {
		t.Fatalf("%s", body)
	}
	credit := string(o.get("/console/bank/" + line).body)
	for _, want := range []string{"Trả cho những ngày nào", "người đối soát chấp nhận", "Thiếu trong khoản này", "CHUYEN TIEN", "98.900"} {
		if !strings.Contains(credit, want) {
			t.Errorf("%q is not in\n%s", want, credit)
		}
	}
	if r := s.officer("xa", []identity.Role{identity.Finance}, "H10.99").get("/console/bank/" + line); r.status != http.StatusNotFound {
		t.Errorf("another agency: %d", r.status)
	}
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}
