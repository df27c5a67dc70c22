package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
)

// newMoMo is a MoMo account as a person asks for one.
func (s *street) newMoMo(terminal string) map[string]any {
	return map[string]any{"provider": "momo", "agency_code": "H10.12", "kinds": []string{"phi", "le_phi"}, "tariff": map[string]any{"bps": 110, "fixed": 0, "min": 0, "max": 0},
		"base_url": s.sim + "/momo", "beneficiary": map[string]any{"bank": "970436", "number": "0123456789", "name": "UBND XA"},
		"credentials": map[string]string{"partnerCode": terminal, "accessKey": "AKnew1", "secretKey": "SKnew1SKnew1SKnew1"}}
}

// atMoMo tells the simulator of an account's credentials.
func (s *street) atMoMo(id, terminal, access, secret string) {
	s.t.Helper()
	if r := s.send(http.MethodPut, s.sim+"/control/momo/accounts/"+terminal, map[string]any{"credentials": map[string]string{"partnerCode": terminal, "accessKey": access, "secretKey": secret},
		"callback_url": s.api + "/callbacks/momo/" + id}, nil); r.status != http.StatusOK {
		s.t.Fatalf("%d %s", r.status, r.body)
	}
}

// proposal is the id of the account's proposal that waits.
func proposal(t *testing.T, v map[string]any) string {
	t.Helper()
	for _, b := range v["beneficiaries"].([]any) {
		if b := b.(map[string]any); b["status"] == "proposed" {
			return b["id"].(string)
		}
	}
	t.Fatalf("no proposal: %v", v)
	return ""
}

// held looks for secrets wherever they must not be.
func (s *street) heldNowhere(secrets ...string) {
	s.t.Helper()
	for _, secret := range secrets {
		if strings.Contains(s.logs.String(), secret) {
			s.t.Errorf("the log holds %s", secret)
		}
		if n := s.count(`SELECT count(*) FROM audit WHERE detail::text || object LIKE '%' || $1 || '%'`, secret); n > 0 {
			s.t.Errorf("the audit holds %s", secret)
		}
	}
}

func TestAnAccountIsOpenedByTwoPeople(t *testing.T) {
	s := newStreet(t)
	both := s.person("both", []identity.Role{identity.Admin, identity.Approver})
	approver := s.person("lan", []identity.Role{identity.Approver})
	elsewhere := s.person("xa", []identity.Role{identity.Admin, identity.Approver}, "H10.99")
	s.problem(s.as(s.person("fin", []identity.Role{identity.Finance}), http.MethodPost, "/v1/accounts", "", s.newMoMo("T1")), 403, "forbidden")
	s.problem(s.as(elsewhere, http.MethodPost, "/v1/accounts", "", s.newMoMo("T1")), 422, "invalid")

	r := s.as(both, http.MethodPost, "/v1/accounts", "", s.newMoMo("MOMOTWO"))
	v := s.ok(r, 201)
	id := v["id"].(string)
	if !strings.HasPrefix(id, "acc_") || v["usable"] != false || v["cutoff"] != "00:00" || v["valid_from"] != "2026-03-10" || v["terminal"] != "MOMOTWO" ||
		!strings.Contains(fmt.Sprint(v["problems"]), "no beneficiary is approved") || strings.Contains(string(r.body), "SKnew1") || !strings.Contains(fmt.Sprint(v["secrets"]), "secretKey") {
		t.Errorf("%s", r.body)
	}
	s.atMoMo(id, "MOMOTWO", "AKnew1", "SKnew1SKnew1SKnew1")
	s.problem(s.pays(1, id), 422, "account-unsuited")
	if w := s.way(both, id); w["available"] != false || w["reason"] != "beneficiary_not_approved" {
		t.Errorf("%v", w)
	}
	path := "/v1/accounts/" + id + "/beneficiaries/" + proposal(t, v)
	s.problem(s.as(both, http.MethodPost, path+"/approve", "", nil), 403, "second-person-needed")
	s.problem(s.as(elsewhere, http.MethodPost, path+"/approve", "", nil), 404, "not-found")
	// The database refuses it too, whoever asks.
	if _, err := s.own.ExecContext(t.Context(), `UPDATE account_beneficiaries SET status = 'approved', decided_by = proposed_by, decided_at = proposed_at, effective_at = proposed_at
		WHERE status = 'proposed'`); err == nil || !strings.Contains(err.Error(), "another_person") {
		t.Errorf("the database lets the same person approve: %v", err)
	}
	if _, err := s.own.ExecContext(t.Context(), `INSERT INTO account_beneficiaries (id, account_id, bank, number, name, status, proposed_by, proposed_at, decided_by, decided_at, effective_at)
		SELECT 'bnf_x', account_id, bank, '999', name, 'approved', proposed_by, proposed_at, (SELECT id FROM users WHERE name = 'lan'), proposed_at, proposed_at FROM account_beneficiaries WHERE status = 'proposed'`); err == nil {
		t.Error("the database takes a beneficiary that was never proposed")
	}
	if v := s.ok(s.as(approver, http.MethodPost, path+"/approve", "", map[string]string{"note": "đã đối chiếu"}), 200); v["usable"] != true {
		t.Errorf("%v", v)
	}
	s.problem(s.as(approver, http.MethodPost, path+"/reject", "", nil), 409, "beneficiary-state")
	if r := s.pays(2, id); r.status != 201 {
		t.Errorf("approved: %d %s", r.status, r.body)
	}
	if p := s.problem(s.as(both, http.MethodPost, "/v1/accounts", "", s.newMoMo("MOMOTWO")), 409, "account-exists"); strings.Contains(fmt.Sprint(p), "SKnew1") {
		t.Errorf("%v", p)
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE object = $1 AND actor LIKE 'usr_%' AND action IN ('account.created', 'account.beneficiary.proposed', 'account.beneficiary.approved')`, id); n != 3 {
		t.Errorf("%d rows of audit", n)
	}
	s.heldNowhere("SKnew1", "AKnew1")
}

func TestABeneficiaryChangesFromADayOn(t *testing.T) {
	s := newStreet(t)
	admin, approver := s.person("ad", []identity.Role{identity.Admin}), s.person("lan", []identity.Role{identity.Approver})
	const path = "/v1/accounts/acc_momo/beneficiaries"
	next := map[string]any{"bank": "970415", "number": "113 366-9999", "name": "UBND XA MOI", "from": "2026-03-12", "reason": "Chuyển ngân hàng"}
	for field, change := range map[string]any{"number": "12", "bank": "", "name": "a\nb", "from": "2026-03-09", "reason": " "} {
		bad := maps.Clone(next)
		bad[field] = change
		if p := s.problem(s.as(admin, http.MethodPost, path, "", bad), 422, "invalid"); !strings.Contains(fmt.Sprint(p["errors"]), field) {
			t.Errorf("%s: %v", field, p)
		}
	}
	v := s.ok(s.as(admin, http.MethodPost, path, "", next), 201)
	s.problem(s.as(admin, http.MethodPost, path, "", next), 409, "beneficiary-state")
	s.ok(s.as(approver, http.MethodPost, path+"/"+proposal(t, v)+"/approve", "", nil), 200)
	inForce := func() string {
		for _, b := range s.ok(s.as(admin, http.MethodGet, "/v1/accounts/acc_momo", "", nil), 200)["beneficiaries"].([]any) {
			if b := b.(map[string]any); b["in_force"] == true {
				return b["number"].(string)
			}
		}
		return "none"
	}
	if got := inForce(); got != "" { // the street's accounts were set up without one
		t.Errorf("before its day: %q", got)
	}
	s.move(39 * time.Hour) // 2026-03-12 01:00
	if got := inForce(); got != "1133669999" {
		t.Errorf("on its day: %q", got)
	}
	if e, err := s.app.accounts.Get(t.Context(), "acc_momo"); err != nil || e.Account.BeneficiaryAccount != "1133669999" || !e.Account.PaidRightly("2026-03-12", "1133669999") ||
		e.Account.PaidRightly("2026-03-12", "5") || !e.Account.PaidRightly("2026-03-11", "5") {
		t.Errorf("%v %+v", err, e)
	}
	for _, change := range []string{`UPDATE account_beneficiaries SET number = '1' WHERE status = 'approved'`, `DELETE FROM account_beneficiaries`,
		`UPDATE account_beneficiaries SET effective_at = effective_at + interval '1 day' WHERE status = 'approved'`, `UPDATE account_beneficiaries SET status = 'rejected', effective_at = NULL WHERE status = 'approved'`} {
		if _, err := dbtest.Admin(t, s.db).ExecContext(t.Context(), change); err == nil {
			t.Errorf("history can be changed: %s", change)
		}
	}
	// Where the bank account is the merchant account, another number is another account; another name is not.
	s.bank()
	wrong := map[string]any{"bank": "970436", "number": "5555555555", "name": "UBND XA", "reason": "đổi số"}
	if p := s.problem(s.as(admin, http.MethodPost, "/v1/accounts/acc_sepay/beneficiaries", "", wrong), 422, "invalid"); !strings.Contains(fmt.Sprint(p["errors"]), "another merchant account") {
		t.Errorf("%v", p)
	}
}

func TestWhatIsNoAccount(t *testing.T) {
	s := newStreet(t)
	admin := s.person("ad", []identity.Role{identity.Admin})
	sepay := func() map[string]any {
		return map[string]any{"provider": "sepay", "agency_code": "H10.12", "kinds": []string{"phi"}, "tariff": map[string]any{"bps": 0, "fixed": 0, "min": 0, "max": 0},
			"beneficiary": map[string]any{"bank": "970436", "number": "0123456789", "name": "UBND XA"}, "credentials": map[string]string{"api_key": "K"}}
	}
	for name, c := range map[string]struct {
		field  string
		change func(m map[string]any)
	}{
		"unknown provider":    {"provider", func(m map[string]any) { m["provider"] = "paypal" }},
		"unknown agency":      {"agency_code", func(m map[string]any) { m["agency_code"] = "H99" }},
		"no kinds":            {"kinds", func(m map[string]any) { m["kinds"] = []string{} }},
		"a kind of nothing":   {"kinds", func(m map[string]any) { m["kinds"] = []string{"thue"} }},
		"nvtc with others":    {"kinds", func(m map[string]any) { m["kinds"] = []string{"nvtc", "phi"} }},
		"no such method":      {"methods", func(m map[string]any) { m["methods"] = []string{"transfer"} }},
		"min above max":       {"max_amount", func(m map[string]any) { m["min_amount"], m["max_amount"] = 90000, 20000 }},
		"above the provider":  {"max_amount", func(m map[string]any) { m["max_amount"] = 50_000_001 }},
		"below the provider":  {"min_amount", func(m map[string]any) { m["min_amount"] = 999 }},
		"credential missing":  {"credentials.secretKey", func(m map[string]any) { delete(m["credentials"].(map[string]string), "secretKey") }},
		"credential unknown":  {"credentials.apiToken", func(m map[string]any) { m["credentials"].(map[string]string)["apiToken"] = "geheim" }},
		"credential in lines": {"credentials.secretKey", func(m map[string]any) { m["credentials"].(map[string]string)["secretKey"] = "geheim\n" }},
		"another's terminal":  {"credentials.partnerCode", func(m map[string]any) { m["terminal"] = "OTHER" }},
		"plain http":          {"base_url", func(m map[string]any) { m["base_url"] = "http://api.example.vn" }},
		"a user in it":        {"base_url", func(m map[string]any) { m["base_url"] = "https://u:geheim@api.example.vn" }},
		"unknown purpose":     {"urls.pay", func(m map[string]any) { m["urls"] = map[string]string{"pay": "https://x.vn"} }},
		"unknown setting":     {"settings.x", func(m map[string]any) { m["settings"] = map[string]string{"x": "y"} }},
		"no bank account":     {"beneficiary.number", func(m map[string]any) { m["beneficiary"].(map[string]any)["number"] = "" }},
		"control characters":  {"beneficiary.name", func(m map[string]any) { m["beneficiary"].(map[string]any)["name"] = "a\u0007" }},
		"ends before it is":   {"valid_to", func(m map[string]any) { m["valid_from"], m["valid_to"] = "2026-05-01", "2026-05-01" }},
		"no day":              {"valid_from", func(m map[string]any) { m["valid_from"] = "2026-02-30" }},
		"cut-off":             {"cutoff", func(m map[string]any) { m["cutoff"] = "24:00" }},
		"no weekday": {"calendar.weekdays", func(m map[string]any) {
			m["calendar"] = map[string]any{"weekdays": []int{0}, "days": 1, "holidays": []string{}}
		}},
		"a holiday": {"calendar.holidays[0]", func(m map[string]any) {
			m["calendar"] = map[string]any{"weekdays": []int{1}, "days": 1, "holidays": []string{"30/4"}}
		}},
		"timeout": {"timeouts.lookup", func(m map[string]any) { m["timeouts"] = map[string]int{"lookup": 5} }},
		"mode":    {"mode", func(m map[string]any) { m["mode"] = "demo" }},
		"tariff":  {"tariff", func(m map[string]any) { m["tariff"] = map[string]any{"bps": 20000, "fixed": 0, "min": 0, "max": 0} }},
		"unknown bank": {"beneficiary.bank", func(m map[string]any) {
			clear(m)
			maps.Copy(m, sepay())
			m["beneficiary"].(map[string]any)["bank"] = "Ngân hàng Không Có"
		}},
		"no webhook key": {"credentials", func(m map[string]any) {
			clear(m)
			maps.Copy(m, sepay())
			m["credentials"] = map[string]string{"api_token": "geheim"}
		}},
		"a word for a number": {"credentials.app_id", func(m map[string]any) {
			m["provider"], m["credentials"] = "zalopay", map[string]string{"app_id": "abc", "key1": "geheim1", "key2": "geheim2"}
		}},
	} {
		in := s.newMoMo("T1")
		c.change(in)
		r := s.as(admin, http.MethodPost, "/v1/accounts", "", in)
		p := s.problem(r, 422, "invalid")
		if !strings.Contains(string(r.body), `"field":"`+c.field+`"`) || strings.Contains(string(r.body), "geheim") {
			t.Errorf("%s: want %s: %v", name, c.field, p["errors"])
		}
	}
	if n := s.count(`SELECT count(*) FROM merchant_accounts`); n != 2 {
		t.Errorf("%d accounts", n)
	}
	if v := s.ok(s.as(admin, http.MethodPost, "/v1/accounts", "", sepay()), 201); v["terminal"] != "0123456789" {
		t.Errorf("%v", v)
	}
	s.heldNowhere("geheim")
}

func TestTermsChangeAndTwoAdminsDoNotOverwrite(t *testing.T) {
	s := newStreet(t)
	admin := s.person("ad", []identity.Role{identity.Admin})
	const path = "/v1/accounts/acc_momo"
	version := s.ok(s.as(admin, http.MethodGet, path, "", nil), 200)["version"]
	if version != 1.0 {
		t.Fatalf("version %v", version)
	}
	s.problem(s.as(admin, http.MethodPatch, path, "", map[string]any{"version": 1, "max_amount": 99_000_000}), 422, "invalid")
	s.problem(s.as(admin, http.MethodPatch, path, "", map[string]any{"version": 1, "tariff_from": "2026-04-01"}), 422, "invalid")
	s.problem(s.as(admin, http.MethodPatch, path, "", map[string]any{"max_amount": 10_000}), 422, "invalid")
	// Many admins at once with the same version: one change.
	var wg sync.WaitGroup
	statuses := make([]int, 6)
	for n := range statuses {
		wg.Go(func() {
			statuses[n] = s.as(admin, http.MethodPatch, path, "", map[string]any{"version": 1, "max_amount": 30_000 + n, "position": n}).status
		})
	}
	wg.Wait()
	slices.Sort(statuses)
	if fmt.Sprint(statuses) != "[200 409 409 409 409 409]" {
		t.Errorf("%v", statuses)
	}
	s.problem(s.as(admin, http.MethodPatch, path, "", map[string]any{"version": 1, "position": 1}), 409, "account-changed")
	s.problem(s.pays(1, "acc_momo"), 422, "amount-outside-limits") // 50000 is too much now, at once
	v := s.ok(s.as(admin, http.MethodPatch, path, "", map[string]any{"version": 2, "max_amount": 0, "methods": []string{"qr"}, "valid_to": "2026-03-11", "cutoff": "17:30",
		"calendar": map[string]any{"weekdays": []int{5, 1, 2, 3, 4}, "days": 2, "holidays": []string{"2026-04-30"}}, "timeouts": map[string]int{"lookup": 900}}), 200)
	if v["version"] != 3.0 || v["cutoff"] != "17:30" || fmt.Sprint(v["calendar"]) != "map[days:2 holidays:[2026-04-30] weekdays:[1 2 3 4 5]]" || v["valid_to"] != "2026-03-11" {
		t.Errorf("%v", v)
	}
	if r := s.pays(2, "acc_momo"); r.status != 201 {
		t.Errorf("%d %s", r.status, r.body)
	}
	s.move(24 * time.Hour)
	s.problem(s.pays(3, "acc_momo"), 422, "account-unsuited")
	if v := s.ok(s.as(admin, http.MethodPatch, path, "", map[string]any{"version": 3, "valid_to": ""}), 200); v["valid_to"] != nil || v["usable"] != true {
		t.Errorf("%v", v)
	}
	// A tariff is in force from its day on.
	v = s.ok(s.as(admin, http.MethodPatch, path, "", map[string]any{"version": 4, "tariff": map[string]any{"bps": 90, "fixed": 0, "min": 0, "max": 0}, "tariff_from": "2026-03-20"}), 200)
	if v["tariff"].(map[string]any)["bps"] != 0.0 || v["tariffs"].([]any)[0].(map[string]any)["from"] != "2026-03-20" {
		t.Errorf("before its day: %v", v["tariff"])
	}
	if n := s.count(`SELECT (account_tariff('acc_momo', '2026-03-19')->>'bps')::int * 1000 + (account_tariff('acc_momo', '2026-03-20')->>'bps')::int`); n != 90 {
		t.Errorf("tariffs %d", n)
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'account.changed' AND object = 'acc_momo' AND detail <> '{}'`); n != 4 {
		t.Errorf("%d rows of audit", n)
	}
}

func TestASecretIsRotatedWhileBothWork(t *testing.T) {
	s := newStreet(t)
	admin := s.person("ad", []identity.Role{identity.Admin})
	const path, terminal = "/v1/accounts/acc_momo/secrets", "FEEGATEMOMO"
	const oldAccess, oldSecret, access, secret = "FEEGATEACCESSKEY", "SECRETKEYFORTESTVECTORS000000002", "AKrotated", "SKrotatedSKrotated"
	credentials := map[string]string{"partnerCode": terminal, "accessKey": access, "secretKey": secret}
	// Two payments are under way before, one after.
	reference := func(n int) (string, string) {
		p := s.pays(n, "acc_momo")
		v := s.ok(p, 201)
		return v["order"].(string), v["provider_reference"].(string)
	}
	first, r1 := reference(1)
	second, r2 := reference(2)
	fourth, r4 := reference(4)
	rotate := func(c map[string]string, hours int) reply {
		return s.as(admin, http.MethodPost, path, "", map[string]any{"credentials": c, "overlap_hours": hours})
	}
	s.problem(rotate(map[string]string{"partnerCode": terminal, "accessKey": "x"}, 1), 422, "invalid")
	s.problem(rotate(map[string]string{"partnerCode": "ANOTHER", "accessKey": access, "secretKey": secret}, 1), 422, "invalid")
	s.problem(rotate(map[string]string{"partnerCode": terminal, "accessKey": oldAccess, "secretKey": oldSecret}, 1), 422, "invalid")
	s.problem(rotate(credentials, 3000), 422, "invalid")
	s.problem(s.as(admin, http.MethodPost, path+"/revoke", "", nil), 409, "secret-state")
	v := s.ok(rotate(credentials, 48), 201)
	if held := v["secrets"].([]any); len(held) != 2 || held[0].(map[string]any)["signs"] != true || held[0].(map[string]any)["valid_until"] != nil ||
		held[1].(map[string]any)["valid_until"] != "2026-03-12T10:00:00+07:00" && !strings.HasPrefix(held[1].(map[string]any)["valid_until"].(string), "2026-03-12T") {
		t.Errorf("%v", held)
	}
	s.problem(rotate(map[string]string{"partnerCode": terminal, "accessKey": "AK3", "secretKey": "SK3"}, 1), 409, "secret-state")

	// The provider still signs with the old one: money is recorded.
	if got := s.decide("momo", r1, map[string]any{"outcome": "succeed"}); fmt.Sprint(got) != "[204]" || s.orderStatus(first) != "paid" {
		t.Errorf("old secret: %v, %s", got, s.orderStatus(first))
	}
	// It takes over the new one: what it signs is recorded, and our calls are signed so at once.
	s.atMoMo("acc_momo", terminal, access, secret)
	if got := s.decide("momo", r2, map[string]any{"outcome": "succeed"}); fmt.Sprint(got) != "[204]" || s.orderStatus(second) != "paid" {
		t.Errorf("new secret: %v, %s", got, s.orderStatus(second))
	}
	third, r3 := reference(3)
	s.decide("momo", r3, map[string]any{"outcome": "succeed"})
	if s.orderStatus(third) != "paid" {
		t.Error("a payment opened with the new secret is not paid")
	}
	// After the overlap the old one is refused, at once.
	s.move(48 * time.Hour)
	s.atMoMo("acc_momo", terminal, oldAccess, oldSecret)
	s.decide("momo", r4, map[string]any{"outcome": "succeed"})
	if n := s.count(`SELECT count(*) FROM callbacks WHERE account_id = 'acc_momo' AND verdict = 'forged'`); n != 1 || s.orderStatus(fourth) == "paid" {
		t.Errorf("%d forged; the order is %s", n, s.orderStatus(fourth))
	}
	// Another rotation, and its overlap ended by hand.
	s.ok(rotate(map[string]string{"partnerCode": terminal, "accessKey": "AK3", "secretKey": "SKthirdSKthird"}, 24), 201)
	if v := s.ok(s.as(admin, http.MethodPost, path+"/revoke", "", nil), 200); len(v["secrets"].([]any)) != 1 {
		t.Errorf("%v", v["secrets"])
	}
	s.atMoMo("acc_momo", terminal, access, secret)
	s.decide("momo", r4, map[string]any{"outcome": "succeed"})
	if n := s.count(`SELECT count(*) FROM callbacks WHERE account_id = 'acc_momo' AND verdict = 'forged'`); n != 2 {
		t.Errorf("revoked: %d forged", n)
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action IN ('account.secret.rotated', 'account.secret.revoked')`); n != 3 {
		t.Errorf("%d rows of audit", n)
	}
	if n := s.count(`SELECT count(*) FROM account_secrets WHERE encode(sealed, 'escape') LIKE '%SKrotated%'`); n != 0 {
		t.Error("a secret lies open in the database")
	}
	s.heldNowhere(secret, access, oldSecret, "SKthird")
}

func TestTwoRotationsAtOnceAreOne(t *testing.T) {
	s := newStreet(t)
	admin := s.person("ad", []identity.Role{identity.Admin})
	var wg sync.WaitGroup
	statuses := make([]int, 5)
	for n := range statuses {
		wg.Go(func() {
			statuses[n] = s.as(admin, http.MethodPost, "/v1/accounts/acc_momo/secrets", "", map[string]any{"credentials": map[string]string{
				"partnerCode": "FEEGATEMOMO", "accessKey": "A", "secretKey": fmt.Sprint("S", n)}}).status
		})
	}
	wg.Wait()
	slices.Sort(statuses)
	if n := s.count(`SELECT count(*) FROM account_secrets WHERE account_id = 'acc_momo'`); n != 2 || fmt.Sprint(statuses) != "[201 409 409 409 409]" {
		t.Errorf("%v, %d secrets", statuses, n)
	}
}

func TestAccountsAreListed(t *testing.T) {
	s := newStreet(t)
	auditor, elsewhere := s.person("au", []identity.Role{identity.Auditor}), s.person("xa", []identity.Role{identity.Admin}, "H10.99")
	var seen []string
	for next := "?limit=1"; next != ""; {
		v := s.ok(s.as(auditor, http.MethodGet, "/v1/accounts"+next, "", nil), 200)
		for _, item := range v["items"].([]any) {
			seen = append(seen, item.(map[string]any)["id"].(string))
		}
		if next = ""; v["next"] != nil {
			next = "?limit=1&after=" + v["next"].(string)
		}
	}
	if fmt.Sprint(seen) != "[acc_momo acc_vnpay]" {
		t.Errorf("%v", seen)
	}
	if v := s.ok(s.as(auditor, http.MethodGet, "/v1/accounts?provider=vnpay", "", nil), 200); len(v["items"].([]any)) != 1 {
		t.Errorf("%v", v)
	}
	if v := s.ok(s.as(elsewhere, http.MethodGet, "/v1/accounts", "", nil), 200); len(v["items"].([]any)) != 0 {
		t.Errorf("%v", v)
	}
	s.problem(s.as(elsewhere, http.MethodGet, "/v1/accounts/acc_momo", "", nil), 404, "not-found")
	s.problem(s.as(auditor, http.MethodGet, "/v1/accounts?after=acc_none", "", nil), 422, "invalid")
	csv := s.send(http.MethodGet, s.api+"/v1/accounts", nil, map[string]string{"Authorization": "Bearer " + auditor, "Accept": "text/csv"})
	if csv.status != 200 || !strings.Contains(string(csv.body), "acc_vnpay") || strings.Contains(string(csv.body), "SECRETKEY") {
		t.Errorf("%d %s", csv.status, csv.body)
	}
}
