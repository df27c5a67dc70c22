package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/providers/sim"
	"feegate/reconciliation/adoption/honesty"
)

func TestG8TestMoneyAndTinyParts(t *testing.T) {
	x := bare(t)
	tiny := x.order("A", 1, 300000, "phi", false)
	x.pay("a", tiny, "momo", map[string]any{"amount": 1000})
	x.counter("a2", tiny, 299000, "cash", "0001")
	x.pay("b", x.order("B", 2, 300000, "phi", false), "momo", map[string]any{"amount": 2000})
	whole := x.order("C", 3, 300000, "phi", false) // in two parts, both online
	x.pay("c1", whole, "momo", map[string]any{"amount": 10000})
	x.pay("c2", whole, "momo", nil)
	x.pay("d", x.order("D", 4, 2000, "phi", false), "momo", nil) // a small fee
	x.caught("G8", "tiny "+dossierOf(1), "tiny "+dossierOf(2))
	x.exec(`UPDATE payments SET mode = 'test' WHERE id = $1`, x.payments["d"])
	x.caught("G8", "tiny "+dossierOf(1), "tiny "+dossierOf(2), "test H10.12")
}

func TestG9SuccessThatNeverSettles(t *testing.T) {
	x := bare(t)
	x.pay("a", x.order("A", 1, 80000, "phi", false), "vnpay", nil)
	x.pay("b", x.order("B", 2, 80000, "phi", false), "momo", nil)
	x.at("2026-03-11 09:00")
	x.settle("acc_momo", "momo", "FEEGATEMOMO", "2026-03-10")
	x.at("2026-03-13 20:00")
	x.caught("G9")
	x.at("2026-03-16 08:00")
	x.caught("G9", "provisional "+dossierOf(1), "no_payout acc_momo/2026-03-10")
	x.settle("acc_vnpay", "vnpay", "FEEGATE1", "2026-03-10")
	x.caught("G9", "no_payout acc_momo/2026-03-10", "no_payout acc_vnpay/2026-03-10")
	x.caughtIn("G9", inMarch+"&as_of=2026-03-13")
}

func TestG10OpenedAgain(t *testing.T) {
	s, mai, lan, an := evening(t, sim.Changes{})
	x := &example{street: s, reporter: s.person("thống kê", []identity.Role{identity.Reporter}), finance: mai, approver: lan, payments: map[string]string{}}
	s.readyToClose(mai)
	s.ok(s.as(mai, http.MethodPost, dayPath+"/close", "", nil), 200)
	s.ok(s.as(lan, http.MethodPost, dayPath+"/sign", "", nil), 200)
	x.caught("G10")
	s.ok(s.as(an, http.MethodPost, dayPath+"/reopen", "", map[string]string{"reason": "tệp sửa"}), 200)
	x.caught("G10") // asked for is not opened
	s.ok(s.as(lan, http.MethodPost, dayPath+"/reopen/approve", "", nil), 200)
	x.caught("G10", "day acc_momo/2026-03-10/1")
	if f := x.found("G10", inMarch)[0]; !strings.Contains(f.WhatVI, "tệp sửa") || f.Role != "admin" || f.Who == "" {
		t.Errorf("%+v", f)
	}
	// A report closed once is no finding; closed again after something was learnt it is, with who and why.
	x.at("2026-04-02 09:00")
	april := "from=2026-04-01&to=2026-04-30"
	again := func(status int) {
		t.Helper()
		s.ok(s.as(x.reporter, http.MethodPost, "/v1/reports/adoption/closes", "", map[string]string{"from": "2026-03-01", "to": "2026-03-31", "reason": "bổ sung chứng cứ"}), status)
	}
	again(201)
	again(200) // nothing was learnt
	x.caughtIn("G10", april)
	x.pay("late", x.order("L", 9, 50000, "phi", false), "momo", nil)
	x.exec(`UPDATE payments SET paid_at = '2026-03-30T10:00:00+07:00' WHERE id = $1`, x.payments["late"])
	again(201)
	if f := x.found("G10", april); len(f) != 1 || f[0].Kind != "revision" || f[0].Role != "person" || !strings.Contains(f[0].WhatVI, "bản số 2") || !strings.Contains(f[0].WhatVI, "bổ sung chứng cứ") {
		t.Errorf("%+v", f)
	}
}

func TestG11ForgedAndReplayed(t *testing.T) {
	x := bare(t)
	order := x.order("A", 1, 50000, "phi", false)
	p := x.call(http.MethodPost, "/v1/orders/"+order+"/payments", "p", map[string]string{"provider": "momo"}).get(t)
	reference, _ := p["provider_reference"].(string)
	x.decide("momo", reference, map[string]any{"outcome": "leave_pending", "callback": map[string]any{"send": false}})
	x.caught("G11")
	x.decide("momo", reference, map[string]any{"outcome": "succeed", "callback": map[string]any{"forge": true}})
	x.caught("G11", "forged acc_momo/2026-03-10")
	x.decide("momo", reference, map[string]any{"outcome": "succeed", "callback": map[string]any{"copies": 3}}) // a provider repeats itself
	x.caught("G11", "forged acc_momo/2026-03-10")
	if got := x.orderStatus(order); got != "paid" {
		t.Fatal(got)
	}
	moves := x.count(`SELECT count(*) FROM moves`)
	// The same bytes a week later are a replay, and change nothing.
	x.move(7 * 24 * time.Hour)
	x.decide("momo", reference, map[string]any{"outcome": "succeed"})
	x.caught("G11", "forged acc_momo/2026-03-10", "replayed acc_momo/2026-03-17")
	if n := x.count(`SELECT count(*) FROM moves`); n != moves {
		t.Errorf("%d moves, then %d", moves, n)
	}
}

func TestG12Backdated(t *testing.T) {
	x := bare(t)
	lost := x.call(http.MethodPost, "/v1/orders/"+x.order("B", 2, 50000, "phi", false)+"/payments", "p", map[string]string{"provider": "momo"}).get(t)
	reference, _ := lost["provider_reference"].(string)
	x.decide("momo", reference, map[string]any{"outcome": "succeed", "callback": map[string]any{"send": false}})
	x.move(5 * time.Hour)
	x.pay("c", x.order("C", 3, 50000, "phi", false), "momo", nil)
	x.at("2026-03-13 09:00")
	x.settle("acc_momo", "momo", "FEEGATEMOMO", "2026-03-10") // the file alone knew of B, days later: its own line says when
	if n := x.count(`SELECT count(*) FROM payments WHERE status = 'succeeded' AND recorded_at > paid_at + interval '24 hours'`); n != 1 {
		t.Fatalf("%d late", n)
	}
	x.caught("G12")
	order := x.order("A", 1, 50000, "phi", false)
	x.ok(x.as(caseKey, http.MethodPost, "/v1/orders/"+order+"/counter-payments", "c", counterMoney(50000, "cash", "0001", x.world.Now().AddDate(0, 0, -2))), 201)
	x.ok(x.as(caseKey, http.MethodPost, "/v1/orders/"+x.order("D", 4, 50000, "phi", false)+"/counter-payments", "d", counterMoney(50000, "cash", "0002", x.world.Now().Add(-20*time.Hour))), 201)
	x.caught("G12", "skew "+dossierOf(1))
}

func TestG13TheRulesOfTheGame(t *testing.T) {
	x := bare(t)
	x.caught("G13")
	x.exec(`INSERT INTO targets (percent, valid_from, source) VALUES (30, '2022-12-31', 'Chỉ thị'), (55.5, '2026-03-05', 'Quyết định mới')`)
	x.caught("G13", "target 55.50/2026-03-05")
	x.caughtIn("G13", "from=2026-03-06&to=2026-03-31")
}

func TestG15EnabledWithoutAWorkingChannel(t *testing.T) {
	x := bare(t)
	x.feeBearing()
	x.exec(`INSERT INTO procedures (code, name, field_code) VALUES ('1.012', 'Khai sinh', 'HT'), ('1.013', 'Đất đai', 'HT')`)
	x.exec(`INSERT INTO fee_schedules (fee_code, procedure_code, name, kind, unit_amount) VALUES ('1.012-phi', '1.012', 'Phí', 'phi', 0), ('1.013-nvtc', '1.013', 'Thuế', 'nvtc', NULL)`)
	x.exec(`INSERT INTO procedure_agencies (procedure_code, agency_code) VALUES ('1.013', 'H10.12')`)
	enabled := func(query string) honesty.Enabled {
		t.Helper()
		return read[honesty.Enabled](x, x.reporter, "/v1/reports/enabled"+query)
	}
	// Accounts that nobody's beneficiary stands behind are no channel, whatever they say of themselves.
	e := enabled("")
	if e.Rates.Enabled.Numerator != 0 || e.Rates.Enabled.Denominator != 2 || e.Items[0].Code != "1.001" || e.Items[0].Reasons[0].Why != "no_beneficiary" || e.Items[1].Reasons[0].Why != "no_account" || e.Target.Status != "not_met" {
		t.Errorf("%+v", e)
	}
	x.caught("G15", "no_beneficiary acc_momo", "no_beneficiary acc_vnpay")
	cred := map[string]string{"partnerCode": "FEEGATEMOMOX", "accessKey": "AKX", "secretKey": "SKX"}
	if err := x.app.accounts.Create(t.Context(), account.Account{ID: "acc_good", Provider: "momo", AgencyCode: "H10.12", Kinds: []string{"phi", "le_phi"}, BaseURL: x.sim + "/momo", Credentials: cred,
		BeneficiaryBank: "970436", BeneficiaryAccount: "0451000000001", BeneficiaryName: "UBND XA"}); err != nil {
		t.Fatal(err)
	}
	x.ok(x.send(http.MethodPut, x.sim+"/control/momo/accounts/FEEGATEMOMOX", map[string]any{"credentials": cred, "callback_url": x.api + "/callbacks/momo/acc_good"}, nil), 200)
	if e = enabled(""); e.Items[0].Reasons[0].Why != "no_checkout" || e.Items[0].BecauseVI == "" || e.Items[0].Because == e.Items[0].BecauseVI {
		t.Errorf("%+v", e)
	}
	x.caught("G15", "no_beneficiary acc_momo", "no_beneficiary acc_vnpay", "no_checkout acc_good")
	// A pay address that we make ourselves proves nothing; the provider's word does.
	x.ok(x.as(x.person("vận hành", []identity.Role{identity.Operator}), http.MethodPost, "/v1/accounts/acc_good/check", "", nil), 200)
	if e = enabled(""); e.Rates.Enabled.Numerator != 1 || !e.Items[0].Enabled || e.Items[0].Live || e.Rates.Live.Numerator != 0 || len(e.Items[0].Reasons) != 0 {
		t.Errorf("%+v", e)
	}
	x.caught("G15", "no_beneficiary acc_momo", "no_beneficiary acc_vnpay")
	x.pay("a", x.order("A", 1, 50000, "phi", false), "momo", map[string]any{"account_id": "acc_good"})
	x.at("2026-03-11 09:00")
	x.settle("acc_good", "momo", "FEEGATEMOMOX", "2026-03-10")
	if e = enabled("?on=2026-03-11"); e.Rates.Live.Numerator != 1 || e.Rates.Live.Denominator != 2 || *e.Rates.Enabled.Percent != "50.00" || e.Items[0].Payments != 1 {
		t.Errorf("%+v", e)
	}
	rows := x.tableOf(x.reporter, "/v1/reports/enabled", 1)
	if len(rows) != 2 || rows[1]["because_vi"] == "" {
		t.Errorf("%v", rows)
	}
	// Thirty days without a word, and it is none again; on the day it was.
	x.at("2026-04-20 09:00")
	if e, was := enabled(""), enabled("?on=2026-03-11"); e.Rates.Enabled.Numerator != 0 || was.Rates.Enabled.Numerator != 1 {
		t.Errorf("%+v\n%+v", e, was)
	}
	x.problem(x.as(x.reporter, http.MethodGet, "/v1/reports/enabled?on=2027-01-01", "", nil), 422, "invalid")
}

func TestThePageOfExceptions(t *testing.T) {
	x := bare(t)
	x.counter("a", x.order("A", 1, 50000, "phi", false), 50000, "transfer", "")
	for _, role := range []identity.Role{identity.Reporter, identity.Finance} {
		o := x.officer("người "+string(role), []identity.Role{role})
		page := string(o.get("/console/exceptions?" + inMarch).body)
		for _, want := range append([]string{`href="/console/exceptions/G2?from=2026-03-01&amp;to=2026-03-31">1</a>`, "Theo đơn vị và vai trò", "quầy một cửa", "50.000"}, honesty.Names()...) {
			if !strings.Contains(page, want) {
				t.Errorf("no %s in\n%s", want, page)
			}
		}
		for _, r := range honesty.Rules() {
			if page := string(o.get("/console/exceptions/" + r.ID + "?" + inMarch).body); !strings.Contains(page, r.TitleVI) || !strings.Contains(page, "Từ khi") == (r.ID == "G2" || r.ID == "G15") {
				t.Errorf("%s: %s", r.ID, page)
			}
		}
		page = string(o.get("/console/exceptions/G2?" + inMarch).body)
		if links := strings.Contains(page, `href="/console/payments/`+x.payments["a"]); links != (role == identity.Finance) || !strings.Contains(page, "Trần Thị B") {
			t.Errorf("%s: %s", role, page)
		}
		if r := o.get("/console/exceptions/G16"); r.status != http.StatusNotFound {
			t.Errorf("G16: %d", r.status)
		}
		if page := string(o.get("/console/rate?" + inMarch).body); !strings.Contains(page, `href="/console/exceptions?from=2026-03-01&amp;to=2026-03-31`) {
			t.Error("the rate's page does not lead to the exceptions")
		}
	}
	far := x.officer("xa", []identity.Role{identity.Reporter}, "H10.99")
	if page := string(far.get("/console/exceptions/G2?" + inMarch).body); strings.Contains(page, x.payments["a"]) {
		t.Error("another agency's findings are shown")
	}
	rows := x.tableOf(x.reporter, "/v1/exceptions?rule=G2&"+inMarch, 1)
	if len(rows) != 1 || rows[0]["who"] != "Trần Thị B" || rows[0]["agency.code"] != "H10.12" {
		t.Errorf("%v", rows)
	}
	for query, field := range map[string]string{"rule=G16": "rule", "after=x": "after", "as_of=x": "as_of", "limit=0": "limit"} {
		v := x.problem(x.as(x.reporter, http.MethodGet, "/v1/exceptions?"+inMarch+"&"+query, "", nil), 422, "invalid")
		if !strings.Contains(fmt.Sprint(v["errors"]), field) {
			t.Errorf("%s: %v", query, v["errors"])
		}
	}
}

// The rules that share a statement count on the worked example, which finds something by several of them, what each lists by itself.
func TestTheAnnexOfTheWorkedExample(t *testing.T) {
	x := newExample(t, false, true)
	found := map[string]bool{}
	for _, r := range x.annex(inMarch).Rows {
		found[r.Rule] = true
	}
	for _, rule := range []string{"G3", "G4", "G5"} {
		if !found[rule] {
			t.Errorf("%s found nothing: this proves nothing of it", rule)
		}
	}
}

// However often a connection has counted the exceptions, each count is planned for its own period: a plan for any period is a bad one for a year.
func TestEachCountOfExceptionsIsPlannedForItself(t *testing.T) {
	x := bare(t)
	x.own.SetMaxOpenConns(1) // it counts on one connection, and tells of it
	for range 7 {
		if _, err := x.app.book.Annex(t.Context(), honesty.Question{From: "2026-03-01", To: "2026-03-31"}); err != nil {
			t.Fatal(err)
		}
	}
	var own, any int
	if err := x.own.QueryRowxContext(t.Context(), `SELECT sum(custom_plans), sum(generic_plans) FROM pg_prepared_statements WHERE statement LIKE 'WITH%asked_for%' OR statement LIKE '%WITH%cand%asked_for%'`).Scan(&own, &any); err != nil || own < 7*13 || any > 0 {
		t.Errorf("%d plans of their own, %d for any period: %v", own, any, err)
	}
}

// A question that takes longer than an answer may is told what to do, in both languages, and is no failure.
func TestExceptionsOfTooLongAPeriod(t *testing.T) {
	x := bare(t)
	x.app.book.Within = time.Nanosecond
	for _, path := range []string{"/v1/exceptions/summary?", "/v1/exceptions?", "/v1/exceptions?rule=G4&"} {
		v := x.problem(x.as(x.reporter, http.MethodGet, path+inMarch, "", nil), 422, "invalid")
		if said := fmt.Sprint(v["errors"]); !strings.Contains(said, "to") || !strings.Contains(said, "choose a shorter period") {
			t.Errorf("%s: %s", path, said)
		}
	}
	boss := x.officer("lãnh đạo", []identity.Role{identity.Reporter})
	for _, path := range []string{"/console/exceptions?", "/console/exceptions/G4?"} {
		boss.shows(boss.get(path+inMarch), 422, "Đến ngày : kỳ dài quá, xem không kịp: hãy chọn kỳ ngắn hơn")
	}
	boss.get("/console/rate?lang=en&" + inMarch)
	boss.shows(boss.get("/console/exceptions?"+inMarch), 422, "To : takes too long to look through: choose a shorter period")
	x.app.book.Within = time.Minute
	boss.shows(boss.get("/console/exceptions?"+inMarch), 200, "Exceptions")
}

// A link to a table of what is shown asks what is shown.
func TestTheTableOfAFilteredListAsksTheSame(t *testing.T) {
	_, mai, _, _ := morning(t)
	if page := string(mai.get("/console/discrepancies?kind=missing_at_gateway&status=").body); !strings.Contains(page, `href="/console/discrepancies.csv?kind=missing_at_gateway&amp;status="`) {
		t.Error(page)
	}
}
