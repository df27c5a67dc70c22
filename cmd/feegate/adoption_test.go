package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
	"feegate/providers/sim"
	"feegate/reconciliation/adoption"
)

// example is the worked example of the definition OPR-1 (period 2026-03), made through the API.
type example struct {
	*street
	reporter, finance, approver string
	payments                    map[string]string // row -> payment
}

func dossierOf(n int) string { return fmt.Sprintf("H10.12-260310-%04d", n) }

// at moves the clock to a time of Vietnam.
func (s *street) at(text string) {
	s.t.Helper()
	to, err := time.ParseInLocation("2006-01-02 15:04", text, sim.Zone())
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.world.Clock().Set(to); err != nil {
		s.t.Fatal(err)
	}
}

// order makes an order of one line; exempted takes all of it off.
func (x *example) order(name string, dossier, amount int, kind string, exempted bool) string {
	x.t.Helper()
	line := map[string]any{"fee_code": name, "kind": kind, "name": "Khoản thu", "quantity": 1, "unit_amount": amount, "gross": amount, "net": amount}
	if kind == "nvtc" {
		line["tax_notice"] = map[string]any{"number": "TB-1"}
	}
	if exempted {
		line["adjustments"] = []any{map[string]any{"type": "exempt", "amount": amount, "legal_basis": "Luật 97/2015, điều 10", "evidence": "sổ hộ nghèo 12"}}
		line["net"], amount = 0, 0
	}
	return x.made(x.call(http.MethodPost, "/v1/orders", name, map[string]any{"reference": name, "dossier_code": dossierOf(dossier), "procedure_code": "1.001",
		"agency_code": "H10.12", "lines": []any{line}, "amount": amount}))
}

// pay pays an order at a provider; its callback comes at once.
func (x *example) pay(row, order, provider string, more map[string]any) {
	x.t.Helper()
	in := map[string]any{"provider": provider}
	maps.Copy(in, more)
	if in["account_id"] != nil {
		delete(in, "provider")
	}
	r := x.call(http.MethodPost, "/v1/orders/"+order+"/payments", "pay-"+row, in)
	x.payments[row] = x.made(r)
	v := r.get(x.t)
	if provider == "vnpay" {
		to, _ := v["redirect"].(map[string]any)["url"].(string)
		x.send(http.MethodGet, to, nil, nil)
	}
	reference, _ := v["provider_reference"].(string)
	if got := x.decide(provider, reference, map[string]any{"outcome": "succeed"}); len(got) != 1 || got[0]/100 != 2 {
		x.t.Fatalf("%s: callbacks %v\n%s", row, got, x.logs)
	}
}

func (x *example) counter(row, order string, amount int, method, receipt string) {
	x.t.Helper()
	x.payments[row] = x.made(x.as(caseKey, http.MethodPost, "/v1/orders/"+order+"/counter-payments", "counter-"+row,
		counterMoney(amount, method, receipt, x.world.Now().Add(-time.Second))))
}

func (x *example) dossier(n int, status string, due *int) {
	x.t.Helper()
	in := map[string]any{"status": status, "procedure_code": "1.001", "agency_code": "H10.12", "received_on": "2026-03-10"}
	if status == "closed" {
		in["closed_at"] = x.world.Now().Add(-time.Minute).Format(time.RFC3339)
	}
	if due != nil {
		in["amount_due"] = *due
	}
	if r := x.as(caseKey, http.MethodPut, "/v1/dossiers/"+dossierOf(n), "", in); r.status != 201 {
		x.t.Fatalf("%d %s", r.status, r.body)
	}
}

// settle uploads the day's file of an account as the provider wrote it.
func (x *example) settle(accountID, provider, terminal, day string) {
	x.t.Helper()
	_, file, _, err := x.world.Settlement(provider, terminal, day, sim.Changes{})
	if err != nil {
		x.t.Fatal(err)
	}
	if r := x.upload(x.finance, "", "account_id", accountID, "date", day, "file", string(file)); r.status != http.StatusCreated {
		x.t.Fatalf("%d %s", r.status, r.body)
	}
}

// refunded has a payment paid back: asked for, approved by another person, sent, and its success learnt from the provider.
func (x *example) refunded(row string, amount int, orderTo string) {
	x.t.Helper()
	available := x.as(x.finance, http.MethodGet, "/v1/payments/"+x.payments[row], "", nil).get(x.t)["refundable_amount"]
	asked := x.as(x.finance, http.MethodPost, "/v1/payments/"+x.payments[row]+"/refunds", "refund-"+row, map[string]any{"amount": amount, "available": available, "reason": "nộp thừa"})
	if asked.status != http.StatusAccepted {
		x.t.Fatalf("%d %s", asked.status, asked.body)
	}
	refund, _ := asked.get(x.t)["id"].(string)
	if r := x.as(x.approver, http.MethodPost, "/v1/refunds/"+refund+"/approve", "", nil); r.status != http.StatusOK {
		x.t.Fatalf("%d %s", r.status, r.body)
	}
	v := x.as(x.finance, http.MethodGet, "/v1/refunds/"+refund, "", nil).get(x.t)
	if order, _ := v["order"].(string); v["status"] != "succeeded" || x.orderStatus(order) != orderTo {
		x.t.Fatalf("%v", v)
	}
}

// newExample makes T1 to T13 and stands at 2026-04-11. nvtc adds T12 (variant 1), token pays O3 online by 1,000 (variant 3).
func newExample(t *testing.T, nvtc, token bool) *example {
	t.Helper()
	x := &example{street: newStreet(t), payments: map[string]string{}}
	x.caseSystem()
	x.reporter = x.person("thống kê", []identity.Role{identity.Reporter})
	x.finance, x.approver = x.person("kế toán", []identity.Role{identity.Finance}), x.person("kế toán trưởng", []identity.Role{identity.Approver})
	if _, err := x.db.ExecContext(t.Context(), `INSERT INTO targets (percent, valid_from) VALUES (30, '2022-12-31'), (50, '2025-12-31'), (60, '2030-01-01')`); err != nil {
		t.Fatal(err)
	}
	cred := map[string]string{"partnerCode": "FEEGATEMOMON", "accessKey": "AK2", "secretKey": "SK2"}
	if err := x.app.accounts.Create(t.Context(), account.Account{ID: "acc_nvtc", Provider: "momo", AgencyCode: "H10.12", Kinds: []string{"nvtc"}, BaseURL: x.sim + "/momo", Credentials: cred}); err != nil {
		t.Fatal(err)
	}
	put := map[string]any{"credentials": cred, "callback_url": x.api + "/callbacks/momo/acc_nvtc"}
	if r := x.send(http.MethodPut, x.sim+"/control/momo/accounts/FEEGATEMOMON", put, nil); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}

	x.pay("T1", x.order("O1", 1, 120000, "phi", false), "vnpay", nil)
	x.pay("T2", x.order("O2", 2, 50000, "le_phi", false), "momo", map[string]any{"method": "qr", "place": "counter"})
	o3 := x.order("O3", 3, 300000, "phi", false)
	if token {
		x.pay("T3a", o3, "momo", map[string]any{"amount": 1000})
		x.counter("T3", o3, 299000, "cash", "0003")
	} else {
		x.counter("T3", o3, 300000, "cash", "0003")
	}
	o5 := x.order("O5", 5, 600000, "phi", false)
	x.pay("T5a", o5, "vnpay", map[string]any{"amount": 400000})
	x.pay("T5b", o5, "momo", nil)
	x.pay("T6", x.order("O6", 6, 100000, "le_phi", false), "momo", map[string]any{"initiated_by": "officer"})
	x.pay("T7a", x.order("O7a", 7, 150000, "phi", false), "momo", nil)
	x.counter("T7b", x.order("O7b", 7, 50000, "le_phi", false), 50000, "pos", "0007")
	x.pay("T8", x.order("O8", 8, 80000, "phi", false), "momo", nil)
	x.order("O9", 9, 40000, "le_phi", true)
	x.pay("T10", x.order("O10", 10, 1000000, "phi", false), "momo", nil)
	x.counter("T11", x.order("O11", 11, 70000, "phi", false), 70000, "transfer", "")
	if nvtc {
		x.pay("T12", x.order("O14", 14, 5000000, "nvtc", false), "momo", map[string]any{"account_id": "acc_nvtc"})
	}
	x.at("2026-03-11 09:00")
	x.settle("acc_momo", "momo", "FEEGATEMOMO", "2026-03-10")
	x.settle("acc_vnpay", "vnpay", "FEEGATE1", "2026-03-10")
	if nvtc {
		x.settle("acc_nvtc", "momo", "FEEGATEMOMON", "2026-03-10")
	}
	x.pay("T4", x.order("O4", 4, 200000, "phi", false), "momo", nil)
	x.at("2026-03-12 09:00")
	x.refunded("T8", 80000, "refunded")
	x.refunded("T10", 300000, "partly_refunded")
	x.at("2026-03-20 09:00")
	for _, n := range []int{1, 2, 3, 5, 6, 7, 9, 10, 11} {
		x.dossier(n, "closed", nil)
	}
	due := 60000
	x.dossier(13, "closed", &due)
	x.dossier(8, "withdrawn", nil)
	if nvtc {
		x.dossier(14, "closed", nil)
	}
	x.at("2026-04-11 09:00")
	return x
}

func (x *example) report(query string) adoption.Report {
	x.t.Helper()
	return x.reportOf("?from=2026-03-01&to=2026-03-31" + query)
}

func (x *example) reportOf(query string) adoption.Report {
	x.t.Helper()
	r := x.as(x.reporter, http.MethodGet, "/v1/reports/adoption"+query, "", nil)
	if r.status != 200 {
		x.t.Fatalf("%d %s\n%s", r.status, r.body, x.logs)
	}
	var rep adoption.Report
	if err := json.Unmarshal(r.body, &rep); err != nil {
		x.t.Fatalf("%s: %v", r.body, err)
	}
	return rep
}

// flat names every number of a row as the evidence list names its figures.
func flat(r adoption.Row) map[string]int64 {
	m := map[string]int64{}
	put := func(name string, x *adoption.Rate) {
		if x != nil {
			m[name], m[name+adoption.Denominator] = x.Numerator, x.Denominator
		}
	}
	put("transactions", &r.Rates.Transactions)
	put("transactions_upper", &r.Rates.TransactionsUpper)
	put("transactions_remote", &r.Rates.TransactionsRemote)
	put("dossiers", r.Rates.Dossiers)
	put("amount", &r.Rates.Amount)
	put("coverage", r.Rates.Coverage)
	put("bank_proven", &r.Rates.BankProven)
	for k, v := range r.ByKind {
		put(k, &v)
	}
	maps.Copy(m, r.Buckets)
	for k, v := range r.Side {
		if v != nil {
			m[k] = *v
		}
	}
	return m
}

type fraction struct {
	n, d    int64
	percent string
}

func (x *example) rates(r adoption.Row, want map[string]fraction) {
	x.t.Helper()
	for name, f := range want {
		got := map[string]*adoption.Rate{"transactions": &r.Rates.Transactions, "transactions_upper": &r.Rates.TransactionsUpper, "transactions_remote": &r.Rates.TransactionsRemote,
			"dossiers": r.Rates.Dossiers, "amount": &r.Rates.Amount, "coverage": r.Rates.Coverage, "bank_proven": &r.Rates.BankProven}[name]
		if got == nil {
			if k, ok := r.ByKind[name]; ok {
				got = &k
			}
		}
		if got == nil || got.Numerator != f.n || got.Denominator != f.d || (got.Percent == nil) != (f.percent == "") || (got.Percent != nil && *got.Percent != f.percent) {
			x.t.Errorf("%s: %+v, want %+v", name, got, f)
		}
	}
}

var base = map[string]fraction{
	"transactions": {5, 10, "50.00"}, "transactions_upper": {6, 10, "60.00"}, "transactions_remote": {4, 10, "40.00"}, "dossiers": {4, 10, "40.00"},
	"amount": {1620000, 2340000, "69.23"}, "coverage": {7, 9, "77.78"}, "bank_proven": {0, 10, "0.00"},
	"phi": {1570000, 2140000, "73.36"}, "le_phi": {50000, 200000, "25.00"}, "nvtc": {0, 0, ""},
}

func TestTheWorkedExample(t *testing.T) {
	x := newExample(t, false, false)
	rep := x.report("&as_of=2026-04-10")
	x.rates(rep.Total, base)
	if want := map[string]int64{"online": 5, "online_provisional": 1, "mixed": 0, "incomplete": 0, "proxy": 1, "unproven": 1, "noncash_other": 1, "cash": 1}; !maps.Equal(rep.Total.Buckets, want) {
		t.Errorf("buckets %v", rep.Total.Buckets)
	}
	for side, want := range map[string]int64{"closed_unpaid": 1, "refunded": 1, "exempt": 1, "payer_unknown": 5} {
		if got := rep.Total.Side[side]; got == nil || *got != want {
			t.Errorf("%s: %v, want %d", side, got, want)
		}
	}
	if got := fmt.Sprint(rep.Total.Targets); got != "[{3000 not_enough_data} {5000 not_enough_data}]" {
		t.Errorf("targets %s", got)
	}
	if rep.Definition != "OPR-1" || rep.AsOfCut || rep.AsOf.Format(time.RFC3339) != "2026-04-10T23:59:59+07:00" || len(rep.Rows) != 0 {
		t.Errorf("%+v", rep)
	}
	for row, want := range map[string]string{"T1": "confirmed", "T3": "provisional", "T4": "provisional", "T6": "confirmed", "T11": "none"} {
		if v := x.call(http.MethodGet, "/v1/payments/"+x.payments[row], "", nil).get(t); v["evidence"] != want {
			t.Errorf("%s: %v, want %s", row, v["evidence"], want)
		}
	}
	x.addsUp("&as_of=2026-04-10", rep, "")
	for _, by := range adoption.Groupings() {
		x.addsUp("&as_of=2026-04-10&group_by="+by, x.report("&as_of=2026-04-10&group_by="+by), by)
	}

	// Variant 2: the file of T4's day comes a month late. Both answers stay.
	x.at("2026-04-12 09:00")
	x.settle("acc_momo", "momo", "FEEGATEMOMO", "2026-03-11")
	x.at("2026-04-15 09:00")
	later := map[string]fraction{"transactions": {6, 10, "60.00"}, "dossiers": {5, 10, "50.00"}, "transactions_upper": {6, 10, "60.00"}}
	for range 2 {
		x.rates(x.report("&as_of=2026-04-10").Total, base)
		x.rates(x.report("&as_of=2026-04-15").Total, later)
	}
	if rep := x.report("&as_of=2026-05-01"); !rep.AsOfCut || rep.AsOf.After(x.world.Now()) {
		t.Errorf("as of the future: %+v", rep)
	}
	// Before anything was known there was nothing.
	x.rates(x.report("&as_of=2026-03-09").Total, map[string]fraction{"transactions": {0, 0, ""}, "coverage": {0, 0, ""}, "amount": {0, 0, ""}})
	// Before the settlement and the refunds: everything online provisional, nothing refunded, no dossier closed.
	early := x.report("&as_of=" + url.QueryEscape("2026-03-10T23:00:00+07:00"))
	x.rates(early.Total, map[string]fraction{"transactions": {0, 10, "0.00"}, "transactions_upper": {6, 10, "60.00"}, "coverage": {0, 0, ""}, "amount": {0, 2520000, "0.00"}})
	if got := fmt.Sprint(early.Total.Targets); got != "[{3000 not_met} {5000 not_met}]" {
		t.Errorf("targets %s", got)
	}
}

func TestTheWorkedExampleWithLandTax(t *testing.T) {
	x := newExample(t, true, false)
	x.rates(x.report("&as_of=2026-04-10").Total, map[string]fraction{"transactions": {6, 11, "54.55"}, "dossiers": {5, 11, "45.45"}, "amount": {6620000, 7340000, "90.19"},
		"coverage": {8, 10, "80.00"}, "phi": base["phi"], "le_phi": base["le_phi"], "nvtc": {5000000, 5000000, "100.00"}})
}

func TestATokenPaymentOnlineGainsNothing(t *testing.T) {
	x := newExample(t, false, true)
	rep := x.report("&as_of=2026-04-10")
	x.rates(rep.Total, base)
	if rep.Total.Buckets["mixed"] != 1 || rep.Total.Buckets["cash"] != 0 {
		t.Errorf("buckets %v", rep.Total.Buckets)
	}
	by := x.report("&as_of=2026-04-10&group_by=channel")
	found := false
	for _, row := range by.Rows {
		found = found || (row.Group.Code == "mixed" && row.Rates.Transactions.Denominator == 1)
	}
	if !found {
		t.Errorf("no mixed channel: %+v", by.Rows)
	}
	x.addsUp("&as_of=2026-04-10&group_by=channel", by, "channel")
}

// behind reads the whole list behind a figure, page by page, and gives what its lines add up to.
func (x *example) behind(query string) (value, sum int64, payments []string) {
	x.t.Helper()
	for after, pages := "", 0; ; pages++ {
		r := x.as(x.reporter, http.MethodGet, "/v1/reports/adoption/evidence?from=2026-03-01&to=2026-03-31&limit=4"+query+after, "", nil)
		var l adoption.List
		if err := json.Unmarshal(r.body, &l); r.status != 200 || err != nil || pages > 20 {
			x.t.Fatalf("%s: %d %s %v\n%s", query, r.status, r.body, err, x.logs)
		}
		for _, i := range l.Items {
			sum += i.Counts
			if i.Payment != nil {
				payments = append(payments, *i.Payment)
			}
			if i.Evidence != nil && (*i.Evidence == "confirmed") != (i.SettlementLine != nil) {
				x.t.Errorf("%s: evidence and line of %+v", query, i)
			}
		}
		if value = l.Value; l.Next == nil {
			return value, sum, payments
		}
		after = "&after=" + *l.Next
	}
}

// addsUp checks that the groups add up to the total and every list to its figure.
func (x *example) addsUp(query string, rep adoption.Report, by string) {
	x.t.Helper()
	sums := map[string]int64{}
	for _, row := range rep.Rows {
		for name, want := range flat(row) {
			sums[name] += want
			if value, sum, _ := x.behind(query + "&figure=" + name + "&group=" + url.QueryEscape(row.Group.Code)); value != want || sum != want {
				x.t.Errorf("%s, %s of %s: value %d, lines %d, report %d", by, name, row.Group.Code, value, sum, want)
			}
		}
	}
	total := flat(rep.Total)
	if by != "" {
		if !maps.Equal(sums, total) {
			x.t.Errorf("%s: rows add up to %v, total %v", by, sums, total)
		}
		return
	}
	for name, want := range total {
		value, sum, payments := x.behind(query + "&figure=" + name)
		if value != want || sum != want {
			x.t.Errorf("%s: value %d, lines %d, report %d", name, value, sum, want)
		}
		if name == "transactions" && len(payments) != 6 {
			x.t.Errorf("6 payments make the headline's 5 units: %v", payments)
		}
	}
	for _, b := range adoption.Buckets() {
		if value, sum, _ := x.behind(query + "&bucket=" + b); value != rep.Total.Buckets[b] || sum != value {
			x.t.Errorf("bucket %s: value %d, lines %d, report %d", b, value, sum, rep.Total.Buckets[b])
		}
		value, sum, _ := x.behind(query + "&figure=amount.denominator&bucket=" + b)
		if sum != value || (b == "online" && value != 1620000) {
			x.t.Errorf("amount of %s: value %d, lines %d", b, value, sum)
		}
	}
}

func TestWhoSeesWhichFigures(t *testing.T) {
	x := newExample(t, false, false)
	here, elsewhere := x.person("ở xã", []identity.Role{identity.Finance}, "H10.12"), x.person("ở xã khác", []identity.Role{identity.Reporter}, "H10.99")
	path := "/v1/reports/adoption?from=2026-03-01&to=2026-03-31"
	for token, want := range map[string]int64{here: 10, elsewhere: 0} {
		var rep adoption.Report
		if r := x.as(token, http.MethodGet, path, "", nil); r.status != 200 || json.Unmarshal(r.body, &rep) != nil || rep.Total.Rates.Transactions.Denominator != want || *rep.Total.Side["exempt"] != want/10 {
			t.Errorf("%d %s", r.status, r.body)
		}
		var l adoption.List
		if r := x.as(token, http.MethodGet, strings.Replace(path, "?", "/evidence?", 1), "", nil); r.status != 200 || json.Unmarshal(r.body, &l) != nil || l.Value != want {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	x.problem(x.as(portalKey, http.MethodGet, path, "", nil), 403, "forbidden")
	x.problem(x.as(x.person("vận hành", []identity.Role{identity.Operator}), http.MethodGet, path, "", nil), 403, "forbidden")
	x.problem(x.send(http.MethodGet, x.api+path, nil, nil), 401, "unauthorised")
	for query, field := range map[string]string{
		"from=2026-03-01&to=2026-02-31": "to", "from=x&to=2026-03-31": "from", "from=2026-03-02&to=2026-03-01": "to", "": "from",
		"from=2026-03-01&to=2026-03-31&group_by=district": "group_by", "from=2026-03-01&to=2026-03-31&as_of=soon": "as_of",
		"from=2026-03-01&to=2026-03-31&grup_by=agency": "grup_by", "from=2026-03-01&from=2026-03-01&to=2026-03-31": "from",
	} {
		v := x.problem(x.as(x.reporter, http.MethodGet, "/v1/reports/adoption?"+query, "", nil), 422, "invalid")
		if raw, _ := json.Marshal(v["errors"]); !containsField(raw, field) {
			t.Errorf("%s: %s", query, raw)
		}
	}
	for query, field := range map[string]string{"figure=none": "figure", "bucket=x": "bucket", "figure=dossiers&bucket=online": "bucket", "group=x": "group", "group_by=agency": "group",
		"after=x": "after", "limit=201": "limit", "figure=coverage&group_by=channel&group=mixed": "group_by"} {
		v := x.problem(x.as(x.reporter, http.MethodGet, "/v1/reports/adoption/evidence?from=2026-03-01&to=2026-03-31&"+query, "", nil), 422, "invalid")
		if raw, _ := json.Marshal(v["errors"]); !containsField(raw, field) {
			t.Errorf("%s: %s", query, raw)
		}
	}
	// Nobody can set what is computed.
	if _, err := x.db.ExecContext(t.Context(), `INSERT INTO evidence_at('2026-04-10') VALUES ('x')`); err == nil {
		t.Error("evidence was written")
	}
}

func TestTheReportAsATable(t *testing.T) {
	x := newExample(t, false, false)
	if _, err := dbtest.Admin(t, x.db).ExecContext(t.Context(), `UPDATE agencies SET name = '=cmd|'' /C calc''!A0'`); err != nil {
		t.Fatal(err)
	}
	path := "/v1/reports/adoption.csv?from=2026-03-01&to=2026-03-31&as_of=2026-04-10&group_by=agency"
	r := x.as(x.reporter, http.MethodGet, path, "", nil)
	again := x.send(http.MethodGet, x.api+strings.Replace(path, ".csv", "", 1), nil, map[string]string{"Authorization": "Bearer " + x.reporter, "Accept": "text/csv"})
	if r.status != 200 || !bytes.Equal(r.body, again.body) || r.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Fatalf("%d %v\n%s\n%s", r.status, r.header, r.body, again.body)
	}
	text, marked := strings.CutPrefix(string(r.body), "\uFEFF")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || !marked || len(rows) != 3 {
		t.Fatalf("%v\n%s", err, text)
	}
	cell := func(row int, name string) string {
		for i, h := range rows[0] {
			if h == name {
				return rows[row][i]
			}
		}
		t.Fatalf("no column %s", name)
		return ""
	}
	if cell(1, "name") != `'=cmd|' /C calc'!A0` || cell(1, "code") != "H10.12" || cell(2, "name") != "TOTAL" {
		t.Errorf("%v", rows)
	}
	if cell(2, "transactions_numerator") != "5" || cell(2, "transactions_percent") != "50.00" || cell(2, "nvtc_percent") != "" || cell(2, "targets") != "30 not_enough_data; 50 not_enough_data" {
		t.Errorf("%v", rows[2])
	}
}
