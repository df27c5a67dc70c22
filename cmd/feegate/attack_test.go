package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/gateway/vnd"
	"feegate/migrations/dbtest"
)

// shut closes an account's day, every open discrepancy of it carried forward.
func (s *street) shut(token, accountID, date string) {
	s.t.Helper()
	s.ok(s.as(token, http.MethodPost, "/v1/reconciliations", "", map[string]string{"date": date, "account_id": accountID}), 200)
	for _, d := range s.list(token, "account_id="+accountID+"&date="+date) {
		if d["status"] != "resolved" && d["action"] == nil {
			s.ok(s.as(token, http.MethodPost, "/v1/discrepancies/"+text(d["id"])+"/resolutions", fmt.Sprint("c", s.count(`SELECT count(*) FROM resolutions`), text(d["id"])), map[string]string{"action": "carry_forward", "note": "chờ"}), 201)
		}
	}
	s.ok(s.as(token, http.MethodPost, "/v1/days/"+accountID+"/"+date+"/close", "", nil), 200)
}

// intact holds the closed days to their rows.
func (s *street) intact() {
	s.t.Helper()
	if says, _ := s.commands().run(0, "day", "verify"); !strings.Contains(says, "intact") {
		s.t.Errorf("%s", says)
	}
}

func (s *street) holds(account string) int {
	s.t.Helper()
	return s.count(`SELECT coalesce(sum(CASE WHEN to_account = $1 THEN amount ELSE -amount END), 0) FROM moves WHERE $1 IN (to_account, from_account)`, account)
}

// A credit that a closed day counts as nobody's is used for nothing while that day is closed: it would be counted twice.
func TestACreditOfAClosedDayIsNotUsedAgain(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})
	s.take("acc_vnpay_7", 0, 3)
	s.move(24 * time.Hour)
	s.settled(mai, "acc_vnpay_7", "FEEGATE7", "2026-03-10", "")
	s.ok(s.statementFile(mai, "", strings.ReplaceAll(stated(bank, 0, [3]string{"FT1", "48350", "CHUYEN TIEN 1"}, [3]string{"FT2", "100000", "CHUYEN TIEN 2"}), "10/03/2026;FT", "11/03/2026;FT")), 201)
	s.move(9 * 24 * time.Hour)
	s.shut(mai, "acc_momo_7", "2026-03-11")
	before := side(s.dayOf(mai, "acc_momo_7", "2026-03-11"))
	for _, m := range s.ok(s.as(mai, http.MethodGet, "/v1/match-proposals?account_id=acc_vnpay_7", "", nil), 200)["items"].([]any) {
		s.as(mai, http.MethodPost, "/v1/match-proposals/"+text(m.(map[string]any)["id"])+"/accept", "", map[string]string{"account_id": "acc_vnpay_7", "note": "đã hỏi"})
	}
	if n := s.count(`SELECT count(*) FROM bank_uses`); n != 0 {
		t.Errorf("%d uses of what a closed day counts", n)
	}
	s.ok(s.as(lan, http.MethodPost, "/v1/days/acc_momo_7/2026-03-11/sign", "", nil), 200)
	if got := side(s.dayOf(mai, "acc_momo_7", "2026-03-11")); got != before {
		t.Errorf("%s, was %s", got, before)
	}
	s.intact()
}

// A payout that ends sets its credit free: where the day of its booking was closed meanwhile, it counts on an open day.
func TestACreditSetFreeAfterItsDayWasClosed(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	mai := s.person("mai", []identity.Role{identity.Finance})
	s.take("acc_vnpay_7", 0, 3)
	s.move(24 * time.Hour)
	s.settled(mai, "acc_vnpay_7", "FEEGATE7", "2026-03-10", "")
	s.ok(s.statementFile(mai, "", strings.ReplaceAll(stated(bank, 0, [3]string{"FT1", "148350", "CHUYEN TIEN 1"}), "10/03/2026;FT", "11/03/2026;FT")), 201)
	items := s.ok(s.as(mai, http.MethodGet, "/v1/match-proposals?account_id=acc_vnpay_7", "", nil), 200)["items"].([]any)
	s.ok(s.as(mai, http.MethodPost, "/v1/match-proposals/"+text(items[0].(map[string]any)["id"])+"/accept", "", map[string]string{"account_id": "acc_vnpay_7", "note": "đã hỏi"}), 200)
	s.move(9 * 24 * time.Hour)
	s.shut(mai, "acc_momo_7", "2026-03-11")
	payout := s.one(`SELECT id FROM payouts WHERE ended_at IS NULL`)
	s.ok(s.as(mai, http.MethodPost, "/v1/payouts/"+payout+"/end", "", map[string]string{"reason": "nhầm"}), 200)
	if _, err := s.app.reconciler.MatchDue(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	s.intact()
	if items := s.list(mai, "kind=bank_unmatched&status=open"); len(items) != 1 || items[0]["date"] != "2026-03-20" {
		t.Errorf("the credit is named nowhere: %v", items)
	}
}

// The bank takes a payment back on a day that is closed by then: the figures stay, the money is on an open day and in the books.
func TestABankTakesBackOnAClosedDay(t *testing.T) {
	s := newStreet(t)
	s.bank()
	mai := s.person("mai", []identity.Role{identity.Finance})
	_, _, reference, _ := s.shown(1)
	s.wired(map[string]any{"amount": 50000, "content": reference, "reference": "FT77"})
	s.move(24 * time.Hour)
	head, credit := ":20:S1\n:25:"+ownBank+"\n:28C:1/1\n:60F:C260310VND0,\n", ":61:2603100310C50000,NTRFNONREF//FT77\n:86:"+reference+"\n"
	s.ok(s.statementFile(mai, "", head+credit+":62F:C260310VND50000,\n-\n"), 201)
	s.shut(mai, "acc_sepay", day)
	before := side(s.dayOf(mai, "acc_sepay", day))
	s.ok(s.statementFile(mai, "", head+credit+":61:2603100310RC50000,NTRFNONREF//FT78\n:86:HOAN TRA GD FT77\n:62F:C260310VND0,\n-\n"), 201)
	for _, d := range []string{"2026-03-11", day} {
		s.ok(s.as(mai, http.MethodPost, "/v1/reconciliations", "", map[string]string{"date": d, "account_id": "acc_sepay"}), 200)
	}
	if got := side(s.dayOf(mai, "acc_sepay", day)); got != before {
		t.Errorf("%s, was %s", got, before)
	}
	if got := side(s.dayOf(mai, "acc_sepay", "2026-03-11")); !strings.Contains(got, "=0 bank ") || !strings.HasSuffix(strings.Split(got, " map")[0], "=0") || !strings.Contains(got, "reversal") {
		t.Errorf("the open day: %s", got)
	}
	for _, a := range []string{"clearing:acc_sepay", "bank:acc_sepay"} {
		if n := s.holds(a); n != 0 {
			t.Errorf("%s holds %d", a, n)
		}
	}
	s.intact()
}

// What is written off of a credit that belongs to nothing is the bank's: the provider owes nothing for it.
func TestWritingOffANobodysCredit(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})
	s.ok(s.statementFile(mai, "", stated(bank, 0, [3]string{"FT1", "33000", "NGUYEN VAN A"})), 201)
	d := s.list(mai, "kind=bank_unmatched")[0]
	path := "/v1/discrepancies/" + text(d["id"]) + "/resolutions"
	r := s.ok(s.as(mai, http.MethodPost, path, "w1", map[string]string{"action": "write_off", "note": "không rõ"}), 201)
	s.ok(s.as(lan, http.MethodPost, fmt.Sprint(path, "/", r["n"], "/approve"), "", nil), 200)
	if r, b := s.holds("receivable:"+text(d["account_id"])), s.holds("bank:"+text(d["account_id"])); r != 0 || b != 33000 {
		t.Errorf("receivable %d, bank %d", r, b)
	}
}

// A credit that names the provider alone is named at the bank account's first account until a file explains it: that one's day is matched with it.
func TestACreditNamedAtAnotherAccountIsHealedThere(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	mai := s.person("mai", []identity.Role{identity.Finance})
	s.take("acc_vnpay_7", 0, 3)
	s.move(24 * time.Hour)
	s.ok(s.statementFile(mai, "", strings.ReplaceAll(stated(bank, 0, [3]string{"FT1", "148350", "VNPAY TRA TIEN"}), "10/03/2026;FT", "11/03/2026;FT")), 201)
	if got := s.list(mai, "kind=bank_unmatched&status=open"); len(got) != 1 || got[0]["account_id"] != "acc_momo_7" {
		t.Errorf("%v", got)
	}
	s.settled(mai, "acc_vnpay_7", "FEEGATE7", "2026-03-10", "")
	if got, want := side(s.dayOf(mai, "acc_vnpay_7", "2026-03-10")), "0-0=0 bank 1/148350 0-0=0 map[]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := side(s.dayOf(mai, "acc_momo_7", "2026-03-11")), "0-0=0 bank 0/0 0-0=0 map[]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A movement that two files tell of, one with the bank's number and one without, is one nobody's credit.
func TestANobodysCreditInTwoFormatsIsOne(t *testing.T) {
	s := newStreet(t)
	s.bank()
	mai := s.person("mai", []identity.Role{identity.Finance})
	s.ok(s.statementFile(mai, "", stated(ownBank, 0, [3]string{"", "25000", "NGUYEN VAN A"})), 201)
	mt := ":20:S1\n:25:" + ownBank + "\n:28C:1/1\n:60F:C260310VND0,\n:61:2603100310C25000,NTRFNONREF//FT1\n:86:NGUYEN VAN A\n:62F:C260310VND25000,\n-\n"
	s.ok(s.statementFile(mai, "", mt), 201)
	if got, want := side(s.dayOf(mai, "acc_sepay", day)), "0-0=0 bank 1/25000 -25000--25000=0 map[bank_unmatched:1]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A payout that counts on a day that is closed stays, whatever becomes of the day that it pays.
func TestAPayoutThatCountsOnAClosedDayStays(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	mai, an, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("an", []identity.Role{identity.Admin}), s.person("lan", []identity.Role{identity.Approver})
	s.take("acc_vnpay_7", 0, 3)
	s.move(24 * time.Hour)
	const day = "2026-03-10"
	file := s.settled(mai, "acc_vnpay_7", "FEEGATE7", day, "")
	s.move(9 * 24 * time.Hour)
	s.shut(mai, "acc_vnpay_7", day)
	s.ok(s.statementFile(mai, "", strings.ReplaceAll(stated(bank, 0, [3]string{"FT1", "148350", "VNPAY FEEGATE7 NGAY 10/03/2026"}), "10/03/2026;FT", "19/03/2026;FT")), 201)
	if got, want := side(s.dayOf(mai, "acc_vnpay_7", "2026-03-20")), "0-0=0 bank 1/148350 -148350--148350=0 map[late:1]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	s.move(24 * time.Hour)
	s.shut(mai, "acc_vnpay_7", "2026-03-20")
	path := "/v1/days/acc_vnpay_7/" + day + "/reopen"
	s.ok(s.as(an, http.MethodPost, path, "", map[string]string{"reason": "tệp mới"}), 200)
	s.ok(s.as(lan, http.MethodPost, path+"/approve", "", nil), 200)
	other := s.send(http.MethodGet, s.sim+"/control/vnpay/settlement?account=FEEGATE7&date="+day+"&lose=1", nil, nil)
	s.ok(s.uploadTo(mai, "/v1/settlements", "account_id", "acc_vnpay_7", "date", day, "replaces", text(file["id"]), "file", string(other.body)), 201)
	s.intact()
	if got := side(s.dayOf(mai, "acc_vnpay_7", day)); !strings.Contains(got, "=0 bank 0/0") {
		t.Errorf("%s", got)
	}
}

// Two agencies share a bank account: neither sees the other's payouts, texts, discrepancies, nor what could explain its own with them.
func TestAgenciesThatShareABankAccount(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO agencies (code, name) VALUES ('H10.99', 'UBND xã khác')`); err != nil {
		t.Fatal(err)
	}
	if err := s.app.accounts.Create(t.Context(), account.Account{ID: "acc_momo_9", Provider: "momo", AgencyCode: "H10.99", Kinds: []string{"phi", "le_phi"}, BaseURL: s.sim + "/momo", Position: 9,
		Credentials:     map[string]string{"partnerCode": "FEEGATEMOMO9", "accessKey": "FEEGATEACCESSKEY", "secretKey": "SECRETKEYFORTESTVECTORS000000007"},
		BeneficiaryBank: "970436", BeneficiaryAccount: bank, BeneficiaryName: "UBND XA", Tariff: vnd.Tariff{BPS: 110}}); err != nil {
		t.Fatal(err)
	}
	mai, near, far := s.person("mai", []identity.Role{identity.Finance}), s.person("gan", []identity.Role{identity.Finance}, "H10.12"), s.person("xa", []identity.Role{identity.Finance}, "H10.99")
	s.take("acc_vnpay_7", 0, 3)
	s.move(24 * time.Hour)
	s.settled(mai, "acc_vnpay_7", "FEEGATE7", "2026-03-10", "")
	imp := s.ok(s.statementFile(mai, "", strings.ReplaceAll(stated(bank, 0, [3]string{"FT1", "148350", "VNPAY FEEGATE7 NGAY 10/03/2026"}, [3]string{"FT2", "70000", "MOMO FEEGATEMOMO9 NGAY 10/03/2026"}, [3]string{"FT3", "60000", "MOMO FEEGATEMOMO7 NGAY 10/03/2026"},
		[3]string{"FT4", "40000", "NGUYEN VAN A"}), "10/03/2026;FT", "11/03/2026;FT")), 201)
	for who, c := range map[string]struct{ token, want string }{"both": {mai, "148350 70000 60000 40000 "}, "near": {near, "148350 60000 40000 "}, "far": {far, "70000 40000 "}} {
		for _, path := range []string{"/v1/bank/lines?", "/v1/imports/" + text(imp["id"]) + "/lines?"} {
			got := ""
			for _, i := range s.ok(s.as(c.token, http.MethodGet, path+"limit=50", "", nil), 200)["items"].([]any) {
				l := i.(map[string]any)
				got += fmt.Sprint(l["amount"], " ")
				if l["discrepancy"] != nil {
					if r := s.as(c.token, http.MethodGet, "/v1/discrepancies/"+text(l["discrepancy"]), "", nil); r.status != 200 {
						t.Errorf("%s is shown a discrepancy that is not theirs: %v", who, l)
					}
				}
			}
			if got != c.want {
				t.Errorf("%s sees %s, want %s", who, got, c.want)
			}
		}
	}
	for _, id := range []string{"FT1", "FT3"} {
		s.problem(s.as(far, http.MethodGet, "/v1/bank/lines/"+s.one(`SELECT id::text FROM statement_lines WHERE reference = '`+id+`'`), "", nil), 404, "not-found")
	}
	lines, err := s.app.reconciler.ProposedMatches(t.Context(), gateway.Caller{Actor: "usr_x", Person: true, Agencies: []string{"H10.99"}}, "")
	if err != nil || len(lines) != 0 {
		t.Errorf("%v %v", lines, err)
	}
}

// A day that cannot be matched keeps neither others nor an import waiting.
func TestADayThatFailsKeepsNoOtherWaiting(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	mai := s.person("mai", []identity.Role{identity.Finance})
	if _, err := dbtest.Admin(t, s.db).ExecContext(t.Context(), `ALTER TABLE discrepancies ADD CONSTRAINT poison CHECK (date <> '2026-03-10')`); err != nil {
		t.Fatal(err)
	}
	s.move(24 * time.Hour)
	s.ok(s.statementFile(mai, "", stated(bank, 0, [3]string{"FT1", "33000", "NGUYEN VAN A"})), 201)
	s.ok(s.statementFile(mai, "", strings.ReplaceAll(stated(bank, 33000, [3]string{"FT2", "44000", "NGUYEN VAN B"}), "10/03/2026;FT", "11/03/2026;FT")), 201)
	if got := s.list(mai, "kind=bank_unmatched"); len(got) != 1 || got[0]["amount"] != 44000.0 {
		t.Errorf("%v", got)
	}
	if n := s.count(`SELECT count(*) FROM days_to_match`); n != 1 {
		t.Errorf("%d days wait", n)
	}
	s.move(time.Hour)
	if n, err := s.app.reconciler.MatchDue(t.Context(), 1); n != 1 || err == nil {
		t.Errorf("%d %v", n, err)
	}
	if _, err := dbtest.Admin(t, s.db).ExecContext(t.Context(), `ALTER TABLE discrepancies DROP CONSTRAINT poison`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.app.reconciler.MatchDue(t.Context(), 1); err != nil {
		t.Error(err)
	}
	if got := s.list(mai, "kind=bank_unmatched"); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// A payout that two files of the bank tell of, one with the bank's number and one without, pays once, whichever came first; two of one day, sum and
// text are two.
func TestAPayoutInTwoFormatsPaysOnce(t *testing.T) {
	for _, first := range []int{0, 1} {
		s := newStreet(t)
		bank := s.paidOut()
		mai := s.person("mai", []identity.Role{identity.Finance})
		s.take("acc_vnpay_7", 0, 3)
		s.move(24 * time.Hour)
		s.settled(mai, "acc_vnpay_7", "FEEGATE7", "2026-03-10", "")
		const text = "VNPAY FEEGATE7 NGAY 10/03/2026"
		csv := strings.ReplaceAll(stated(bank, 0, [3]string{"", "148350", text}, [3]string{"", "7000", "LA"}, [3]string{"", "7000", "LA"}), "10/03/2026;", "11/03/2026;")
		line := ":61:2603110311C%s,NTRFNONREF//%s\n:86:%s\n"
		mt := ":20:S1\n:25:" + bank + "\n:28C:1/1\n:60F:C260311VND0,\n" + fmt.Sprintf(line, "148350", "FT1", text) + fmt.Sprintf(line, "7000", "FT2", "LA") + fmt.Sprintf(line, "7000", "FT3", "LA") + ":62F:C260311VND162350,\n-\n"
		more := strings.Replace(strings.Replace(mt, ":62F:C260311VND162350,", fmt.Sprintf(line, "7000", "FT0", "LA")+":62F:C260311VND169350,", 1), ":20:S1", ":20:S2", 1)
		files := []string{csv, mt}
		for i, f := range []string{files[first], files[1-first], more, strings.Replace(more, ":20:S2", ":20:S3", 1), csv + "\n"} {
			imp := s.ok(s.statementFile(mai, "", f), 201)
			if want := []float64{3, 0, 1, 0, 0}[i]; imp["added"] != want {
				t.Errorf("file %d: %v lines, want %v", i, imp["added"], want)
			}
		}
		if got, want := side(s.dayOf(mai, "acc_vnpay_7", "2026-03-10")), "0-0=0 bank 1/148350 0-0=0 map[]"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if n := s.count(`SELECT sum(amount) FROM statement_lines`); n != 169350 {
			t.Errorf("the bank has %d", n)
		}
	}
}

// The details of a sum that pays a day out already, or that a closed day counts, are not counted besides it.
func TestTheDetailsOfASumThatIsUsed(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	mai := s.person("mai", []identity.Role{identity.Finance})
	s.take("acc_vnpay_7", 0, 3)
	s.move(24 * time.Hour)
	s.settled(mai, "acc_vnpay_7", "FEEGATE7", "2026-03-10", "")
	const text = "VNPAY FEEGATE7 NGAY 10/03/2026"
	s.ok(s.statementFile(mai, "", strings.ReplaceAll(stated(bank, 0, [3]string{"FT1", "148350", text}, [3]string{"FT2", "9000", "NGUYEN VAN A"}), "10/03/2026;", "11/03/2026;")), 201)
	s.move(9 * 24 * time.Hour)
	s.shut(mai, "acc_momo_7", "2026-03-11")
	before := side(s.dayOf(mai, "acc_vnpay_7", "2026-03-10"))
	details := func(ref, text string, amounts ...int) string {
		b, sum := "", 0
		for i, a := range amounts {
			b, sum = b+fmt.Sprintf(`<TxDtls><Refs><AcctSvcrRef>%s-%d</AcctSvcrRef></Refs><Amt Ccy="VND">%d</Amt><CdtDbtInd>CRDT</CdtDbtInd><RmtInf><Ustrd>%s</Ustrd></RmtInf></TxDtls>`, ref, i, a, text), sum+a
		}
		return fmt.Sprintf(`<Ntry><Amt Ccy="VND">%d</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-03-11</Dt></BookgDt><AcctSvcrRef>%s</AcctSvcrRef><NtryDtls>%s</NtryDtls></Ntry>`, sum, ref, b)
	}
	balance := func(code string, n int) string {
		return fmt.Sprintf(`<Bal><Tp><CdOrPrtry><Cd>%s</Cd></CdOrPrtry></Tp><Amt Ccy="VND">%d</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-11</Dt></Dt></Bal>`, code, n)
	}
	s.ok(s.statementFile(mai, "", `<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId><CreDtTm>2026-03-20T00:00:00+07:00</CreDtTm></GrpHdr><Stmt><Id>X</Id><Acct><Id><Othr><Id>`+bank+
		`</Id></Othr></Id><Ccy>VND</Ccy></Acct>`+balance("OPBD", 0)+balance("CLBD", 157350)+details("FT1", text, 100000, 48350)+details("FT2", "NGUYEN VAN A", 4000, 5000)+`</Stmt></BkToCstmrStmt></Document>`), 201)
	if got := side(s.dayOf(mai, "acc_vnpay_7", "2026-03-10")); got != before {
		t.Errorf("%s, was %s", got, before)
	}
	if items := s.list(mai, "kind=bank_unmatched"); len(items) != 1 {
		t.Errorf("%v", items)
	}
	s.intact()
}

// A day is not closed while lines of its statement wait to be taken in: what they pay would be counted twice, or not at all.
func TestADayIsNotClosedBeforeItsStatementIsTakenIn(t *testing.T) {
	s := newStreet(t)
	s.bank()
	mai := s.person("mai", []identity.Role{identity.Finance})
	s.move(24 * time.Hour)
	rows := make([][3]string, 0, 502)
	for i := range 502 {
		rows = append(rows, [3]string{fmt.Sprint("FT", i), "-1000", "CHI"})
	}
	s.ok(s.statementFile(mai, "", stated(ownBank, 1000000, rows...)), 201)
	refused := s.problem(s.as(mai, http.MethodPost, "/v1/days/acc_sepay/"+day+"/close", "", nil), 409, "day-not-ready")
	if f := fmt.Sprint(refused["errors"]); !strings.Contains(f, "statement") || !strings.Contains(f, "2 movements") {
		t.Errorf("%s", f)
	}
	if _, err := s.app.reconciler.HearStatements(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	s.shut(mai, "acc_sepay", day)
	s.intact()
}

// done does what needs two about a discrepancy.
func (s *street) done(one, other, id, action string) {
	s.t.Helper()
	path := "/v1/discrepancies/" + id + "/resolutions"
	r := s.ok(s.as(one, http.MethodPost, path, fmt.Sprint(action, s.count(`SELECT count(*) FROM resolutions`)), map[string]string{"action": action, "note": "xử lý"}), 201)
	s.ok(s.as(other, http.MethodPost, fmt.Sprint(path, "/", r["n"], "/approve"), "", nil), 200)
}

// What was claimed in vain and is written off then has moved once.
func TestWhatIsClaimedAndThenWrittenOffMovesOnce(t *testing.T) {
	s := newStreet(t)
	s.paidOut()
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})
	s.take("acc_vnpay_7", 0, 3)
	s.move(24 * time.Hour)
	s.settled(mai, "acc_vnpay_7", "FEEGATE7", "2026-03-10", "")
	s.move(9 * 24 * time.Hour)
	s.ok(s.as(mai, http.MethodPost, "/v1/reconciliations", "", map[string]string{"date": "2026-03-10", "account_id": "acc_vnpay_7"}), 200)
	id := text(s.list(mai, "kind=bank_short")[0]["id"])
	books := func() string {
		return fmt.Sprint(s.holds("receivable:acc_vnpay_7"), " ", s.holds("claim:acc_vnpay_7"), " ", s.holds("written_off:acc_vnpay_7"))
	}
	for _, c := range []struct{ action, want string }{{"claim_from_provider", "0 148350 0"}, {"claim_from_provider", "0 148350 0"}, {"write_off", "0 0 148350"}} {
		s.done(mai, lan, id, c.action)
		if got := books(); got != c.want {
			t.Errorf("%s: %s, want %s", c.action, got, c.want)
		}
	}
	s.ok(s.as(mai, http.MethodPost, "/v1/discrepancies/"+id+"/reopen", "", map[string]string{"reason": "nhầm"}), 200)
	if got := books(); got != "148350 0 0" {
		t.Errorf("reopened: %s", got)
	}
	s.done(mai, lan, id, "write_off")
	if got := books(); got != "0 0 148350" {
		t.Errorf("again: %s", got)
	}
}

// A payout that was claimed, of a day that is closed by then, comes after all: nobody owes it any more.
func TestAClaimedPayoutThatComesAfterTheClosing(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	mai, lan := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})
	s.take("acc_vnpay_7", 0, 3)
	s.move(24 * time.Hour)
	s.settled(mai, "acc_vnpay_7", "FEEGATE7", "2026-03-10", "")
	s.move(9 * 24 * time.Hour)
	s.ok(s.as(mai, http.MethodPost, "/v1/reconciliations", "", map[string]string{"date": "2026-03-10", "account_id": "acc_vnpay_7"}), 200)
	s.done(mai, lan, text(s.list(mai, "kind=bank_short")[0]["id"]), "claim_from_provider")
	s.shut(mai, "acc_vnpay_7", "2026-03-10")
	s.ok(s.statementFile(mai, "", strings.ReplaceAll(stated(bank, 0, [3]string{"FT1", "148350", "VNPAY FEEGATE7 NGAY 10/03/2026"}), "10/03/2026;FT", "20/03/2026;FT")), 201)
	if r, c, b := s.holds("receivable:acc_vnpay_7"), s.holds("claim:acc_vnpay_7"), s.holds("bank:acc_vnpay_7"); r != 0 || c != 0 || b != 148350 {
		t.Errorf("receivable %d, claim %d, bank %d", r, c, b)
	}
	s.intact()
}
