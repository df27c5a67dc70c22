package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"feegate/gateway/feed"
	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
	"feegate/providers/sim"
)

// ids are those of a list's answer.
func (d *worklist) ids(query string) (out []string) {
	d.t.Helper()
	for _, i := range d.list(d.mai, query) {
		out = append(out, text(i["id"]))
	}
	return out
}

func (d *worklist) all(token, deed, key string, in body) reply {
	d.t.Helper()
	return d.as(token, http.MethodPost, "/v1/discrepancies/resolutions"+deed, key, in)
}

func (d *worklist) balance(account string) int {
	d.t.Helper()
	return d.count(`SELECT coalesce(sum(CASE WHEN to_account = $1 THEN amount::bigint ELSE -amount::bigint END), 0) FROM moves WHERE $1 IN (to_account, from_account)`, account)
}

func TestLikeIsResolvedWithLike(t *testing.T) {
	d := newWorklist(t, 8, sim.Changes{Lose: 3, Invent: 2, Seed: 3})
	lost, found := d.ids("kind=missing_at_provider"), d.ids("kind=missing_at_gateway")
	if len(lost) != 3 || len(found) != 2 {
		t.Fatal(lost, found)
	}
	claim := body{"ids": lost, "action": "claim_from_provider", "note": "cả ba khoản"}
	d.refused(d.all(d.mai, "", "", claim), http.StatusBadRequest, "idempotency-key-missing")
	for field, in := range map[string]body{"ids": {"ids": []string{}, "action": "explain", "note": "x"}, "ids[1]": {"ids": []string{lost[0], lost[0]}, "action": "explain", "note": "x"},
		"ids[3]": {"ids": append(append([]string{}, lost...), found[0]), "action": "explain", "note": "x"}, `ids[2]","detail":"there is no such`: {"ids": []string{lost[0], lost[1], "dis_none"}, "action": "explain", "note": "x"},
		"action": {"ids": lost, "action": "accept_match", "note": "x"}, "note": {"ids": lost, "action": "explain", "note": ""}, `ids[0]","detail":"record_payment is for`: {"ids": lost, "action": "record_payment", "note": "x"},
		"owner": {"ids": lost, "action": "explain", "note": "x", "owner": "usr_none"}, "deadline": {"ids": lost, "action": "explain", "note": "x", "deadline": "x"}} {
		d.refused(d.all(d.mai, "", fmt.Sprintf("%x", field), in), http.StatusUnprocessableEntity, `"field":"`+field)
	}
	if _, err := d.db.ExecContext(t.Context(), `INSERT INTO discrepancies (id, account_id, date, kind, subject, amount, effect, recorded_at) VALUES ('dis_vnpay', 'acc_vnpay', $1, 'missing_at_provider', 'x', 1, 1, $2)`,
		day, d.world.Now()); err != nil {
		t.Fatal(err)
	}
	d.refused(d.all(d.mai, "", "kin", body{"ids": []string{lost[0], "dis_vnpay"}, "action": "explain", "note": "x"}), http.StatusUnprocessableEntity, `"field":"ids[1]"`, "another provider or agency")
	if n := d.count(`SELECT count(*) FROM resolutions`); n != 0 {
		t.Fatalf("%d resolutions of what was refused", n)
	}
	var many []string
	for i := range 501 {
		many = append(many, fmt.Sprint("dis_", i))
	}
	d.refused(d.all(d.mai, "", "many", body{"ids": many, "action": "explain", "note": "x"}), http.StatusUnprocessableEntity, "1 to 500")
	d.refused(d.all(d.lan, "", "k", claim), http.StatusForbidden, "forbidden")
	far := d.person("nga", []identity.Role{identity.Finance, identity.Approver}, "H10.99")
	d.refused(d.all(far, "", "k", claim), http.StatusUnprocessableEntity, "there is no such discrepancy")

	first := d.all(d.mai, "", "c1", claim)
	items := d.ok(first, http.StatusCreated)["items"].([]any)
	for i, it := range items {
		if m := it.(map[string]any); len(items) != 3 || m["id"] != lost[i] || m["status"] != "proposed" || m["n"] != 1.0 {
			t.Errorf("%v", items)
		}
	}
	if r := d.all(d.mai, "", "c1", claim); r.header.Get("Idempotency-Replayed") != "true" || string(r.body) != string(first.body) {
		t.Errorf("the same again: %d %s", r.status, r.body)
	}
	d.refused(d.all(d.hoa, "", "c2", claim), http.StatusConflict, "resolution-state", "ids[0]", "waits for another person")
	if got := d.ids("proposed=true"); len(got) != 3 {
		t.Errorf("proposed: %v", got)
	}
	if g := d.get(lost[0]); g["owner"] != d.id("mai") || g["proposed"] != "claim_from_provider" || g["deadline"] != "2026-03-12" {
		t.Errorf("%v", g)
	}

	// Nothing of it where one is in the way; all of it by another person.
	both := d.person("vy", []identity.Role{identity.Finance, identity.Approver})
	d.refused(d.all(d.lan, "/approve", "", body{"ids": append(append([]string{}, lost...), found[0])}), http.StatusConflict, "ids[3]", "nothing is proposed")
	d.refused(d.all(d.lan, "/approve", "", body{"ids": []string{"dis_none"}}), http.StatusUnprocessableEntity, "ids[0]")
	d.refused(d.all(d.lan, "/approve", "", body{"ids": []string{}}), http.StatusUnprocessableEntity, "ids")
	d.refused(d.all(d.mai, "/approve", "", body{"ids": lost}), http.StatusForbidden, "forbidden")
	d.refused(d.all(far, "/approve", "", body{"ids": lost}), http.StatusUnprocessableEntity, "there is no such")
	if d.balance("claim:acc_momo") != 0 {
		t.Error("claimed before anybody agreed")
	}
	for range 2 { // saying it again is the same
		r := d.ok(d.all(d.lan, "/approve", "", body{"ids": lost}), http.StatusOK)["items"].([]any)
		if m := r[2].(map[string]any); len(r) != 3 || m["id"] != lost[2] || m["status"] != "done" || m["decided_by"] != d.id("lan") {
			t.Errorf("%v", r)
		}
	}
	if got := d.balance("claim:acc_momo"); got != 150000 {
		t.Errorf("claimed %d", got)
	}
	d.refused(d.all(both, "/approve", "", body{"ids": lost}), http.StatusConflict, "another person has decided")
	d.refused(d.all(both, "/reject", "", body{"ids": lost}), http.StatusConflict, "another person has decided")

	// Recorded together, each through the one door, and matched once.
	record := body{"ids": found, "action": "record_payment", "note": "theo sao kê"}
	d.ok(d.all(both, "", "r1", record), http.StatusCreated)
	d.refused(d.all(both, "/approve", "", body{"ids": found}), http.StatusForbidden, "second-person-needed", "ids[0]")
	d.ok(d.all(d.lan, "/reject", "", body{"ids": found[:1]}), http.StatusOK)
	d.ok(d.all(d.mai, "", "r2", body{"ids": found[:1], "action": "record_payment", "note": "lại"}), http.StatusCreated)
	d.ok(d.all(d.lan, "/approve", "", body{"ids": found}), http.StatusOK)
	if got := d.ids("kind=missing_at_gateway&status=resolved"); len(got) != 2 || len(d.ids("kind=surplus")) != 2 {
		t.Errorf("recorded: %v", got)
	}
	// One person's word is enough where no money moves.
	surplus := d.ids("kind=surplus")
	d.ok(d.all(d.mai, "", "s1", body{"ids": surplus, "action": "carry_forward", "note": "chờ", "owner": d.id("hoa")}), http.StatusCreated)
	if g := d.get(surplus[1]); g["action"] != "carry_forward" || g["owner"] != d.id("hoa") || g["deadline"] != "2026-03-17" || g["status"] != "open" {
		t.Errorf("%v", g)
	}
	d.ok(d.all(d.mai, "", "s2", body{"ids": surplus, "action": "explain", "note": "đã biết"}), http.StatusCreated)
	d.refused(d.all(d.mai, "", "s3", body{"ids": surplus, "action": "explain", "note": "đã biết"}), http.StatusConflict, "ids[1]", "resolved")
	if g := d.get(surplus[0]); g["status"] != "resolved" || g["owner"] != d.id("hoa") {
		t.Errorf("%v", g)
	}
	if n := d.count(`SELECT count(*) FROM (SELECT FROM discrepancy_history WHERE what IN ('proposed', 'approved') GROUP BY discrepancy_id, what, recorded_at HAVING count(*) > 1) x`); n != 0 {
		t.Errorf("%d deeds are written down twice", n)
	}
}

func TestEveryActionIsForItsKinds(t *testing.T) {
	d := newWorklist(t, 6, sim.Changes{Lose: 1, Invent: 1, Alter: 1, Double: 1, Seed: 3})
	for kind, bad := range map[string][]string{"missing_at_provider": {"record_payment", "refund_payer"}, "missing_at_gateway": {"refund_payer"}, "duplicate_line": {"record_payment", "refund_payer"}, "amount_mismatch": {"record_payment"}} {
		id := d.of(kind)
		for _, action := range bad {
			d.refused(d.as(d.mai, http.MethodPost, "/v1/discrepancies/"+id+"/resolutions", kind+action, body{"action": action, "note": "x"}), http.StatusUnprocessableEntity, `"field":"action"`)
		}
		d.refused(d.as(d.mai, http.MethodPost, "/v1/discrepancies/"+id+"/resolutions", kind+"owner", body{"action": "explain", "note": "x", "owner": "usr_none"}), http.StatusUnprocessableEntity, `"field":"owner"`)
	}
	// What differs at the bank alone is claimed by its effect there.
	put := func(id, kind string, amount, effect, bank int) {
		if _, err := d.db.ExecContext(t.Context(), `INSERT INTO discrepancies (id, account_id, date, kind, subject, amount, effect, bank_effect, recorded_at) VALUES ($1, 'acc_momo', $2, $3, $1, $4, $5, $6, $7)`,
			id, day, kind, amount, effect, bank, d.world.Now()); err != nil {
			t.Fatal(err)
		}
	}
	put("dis_short", "bank_short", 7000, 0, 7000)
	put("dis_over", "bank_over", 3000, 0, -3000)
	put("dis_gap", "statement_gap", 0, 0, 0)
	put("dis_fee", "fee_mismatch", 200, 0, 0)
	put("dis_reversed", "reversal", 900, 0, 0)
	put("dis_late", "late", 900, 900, 0)
	for id, bad := range map[string][]string{"dis_gap": {"claim_from_provider", "write_off", "refund_payer"}, "dis_late": {"write_off"}, "dis_reversed": {"claim_from_provider", "write_off"}} {
		for _, action := range bad {
			d.refused(d.as(d.mai, http.MethodPost, "/v1/discrepancies/"+id+"/resolutions", id+action, body{"action": action, "note": "x"}), http.StatusUnprocessableEntity, `"field":"action"`)
		}
	}
	for id, action := range map[string]string{"dis_short": "claim_from_provider", "dis_over": "claim_from_provider", "dis_fee": "write_off"} {
		d.ok(d.as(d.mai, http.MethodPost, "/v1/discrepancies/"+id+"/resolutions", id, body{"action": action, "note": "x"}), http.StatusCreated)
		d.ok(d.as(d.lan, http.MethodPost, "/v1/discrepancies/"+id+"/resolutions/1/approve", "", nil), http.StatusOK)
	}
	if c, w := d.balance("claim:acc_momo"), d.balance("written_off:acc_momo"); c != 4000 || w != 200 {
		t.Errorf("claimed %d, written off %d", c, w)
	}
}

func TestWhatWasDecidedIsTakenBack(t *testing.T) {
	d := newWorklist(t, 6, sim.Changes{Lose: 1, Invent: 1, Seed: 3})
	id := d.of("missing_at_provider")
	d.refused(d.do(d.mai, id, "reopen", body{"reason": "x"}), http.StatusConflict, "not resolved")
	d.ok(d.as(d.mai, http.MethodPost, "/v1/discrepancies/"+id+"/resolutions", "w1", body{"action": "write_off", "note": "nhỏ"}), http.StatusCreated)
	d.ok(d.as(d.lan, http.MethodPost, "/v1/discrepancies/"+id+"/resolutions/1/approve", "", nil), http.StatusOK)
	if d.balance("written_off:acc_momo") != 50000 {
		t.Fatal("nothing was written off")
	}
	d.refused(d.do(d.mai, id, "reopen", body{"reason": " "}), http.StatusUnprocessableEntity, `"field":"reason"`)
	d.refused(d.do(d.lan, id, "reopen", body{"reason": "x"}), http.StatusForbidden, "forbidden")
	d.refused(d.do(d.person("nga", []identity.Role{identity.Finance}, "H10.99"), id, "reopen", body{"reason": "x"}), http.StatusNotFound, "not-found")
	set := func(state string) { // as if all that leads to it had been done
		if _, err := dbtest.Admin(t, d.db).ExecContext(t.Context(), fmt.Sprintf(`SET session_replication_role = replica; UPDATE days SET status = '%s' WHERE account_id = 'acc_momo' AND date = '%s'; RESET session_replication_role`, state, day)); err != nil {
			t.Fatal(err)
		}
	}
	for _, state := range []string{"closed", "signed"} {
		set(state)
		d.refused(d.do(d.mai, id, "reopen", body{"reason": "x"}), http.StatusConflict, "day-closed")
	}
	set("matched")
	v := d.ok(d.do(d.mai, id, "reopen", body{"reason": "nhà cung cấp trả lời khác"}), http.StatusOK)
	if v["status"] != "open" || v["action"] != nil || v["resolved_at"] != nil || v["deadline"] != "2026-03-12" || d.balance("written_off:acc_momo") != 0 {
		t.Errorf("%v, written off %d", v, d.balance("written_off:acc_momo"))
	}
	// Again, and back again: each time the moves of that time.
	d.ok(d.as(d.mai, http.MethodPost, "/v1/discrepancies/"+id+"/resolutions", "w2", body{"action": "write_off", "note": "vẫn nhỏ"}), http.StatusCreated)
	d.ok(d.as(d.lan, http.MethodPost, "/v1/discrepancies/"+id+"/resolutions/2/approve", "", nil), http.StatusOK)
	if d.balance("written_off:acc_momo") != 50000 {
		t.Errorf("written off %d", d.balance("written_off:acc_momo"))
	}
	d.ok(d.do(d.mai, id, "reopen", body{"reason": "lần nữa"}), http.StatusOK)
	if d.balance("written_off:acc_momo") != 0 || d.balance("receivable:acc_momo") != d.count(`SELECT sum(net) FROM settlement_lines`) {
		t.Errorf("written off %d", d.balance("written_off:acc_momo"))
	}
	if got := strings.Join(d.what(id), " "); got != " proposed approved reopened proposed approved reopened" {
		t.Errorf("history: %q", got)
	}
	// What the facts healed is not there to be reopened.
	d.ok(d.upload(d.mai, "", "account_id", "acc_momo", "date", day, "replaces", d.one(`SELECT id FROM imports`), "file", d.settlement("momo", sim.Changes{})), http.StatusCreated)
	d.refused(d.do(d.mai, id, "reopen", body{"reason": "x"}), http.StatusConflict, "the records agree")
	if d.balance("written_off:acc_momo") != 0 {
		t.Errorf("what was taken back is taken back twice: %d", d.balance("written_off:acc_momo"))
	}
}

func TestDiscrepanciesAreEventsOfTheirSourceSystem(t *testing.T) {
	d := newWorklist(t, 6, sim.Changes{Lose: 1, Invent: 1, Alter: 1, Seed: 3})
	lost, invented := d.of("missing_at_provider"), d.of("missing_at_gateway")
	d.ok(d.do(d.mai, lost, "assign", body{"note": "của mai"}), http.StatusOK)
	d.ok(d.do(d.mai, lost, "notes", body{"note": "một lời"}), http.StatusCreated)
	d.ok(d.as(d.mai, http.MethodPost, "/v1/discrepancies/"+lost+"/resolutions", "e", body{"action": "explain", "note": "lý do"}), http.StatusCreated)
	d.ok(d.do(d.mai, lost, "reopen", body{"reason": "vì sao"}), http.StatusOK)
	d.ok(d.upload(d.mai, "", "account_id", "acc_momo", "date", day, "replaces", d.one(`SELECT id FROM imports`), "file", d.settlement("momo", sim.Changes{})), http.StatusCreated)
	read := func(key string) (types, raw []string, about map[string]int) {
		about = map[string]int{}
		d.sequence()
		r := d.as(key, http.MethodGet, "/v1/events?types=discrepancy.*&limit=200", "", nil)
		for _, i := range d.ok(r, http.StatusOK)["items"].([]any) {
			e := i.(map[string]any)
			data := e["data"].(map[string]any)
			about[text(data["id"])]++
			if data["id"] == lost {
				types = append(types, strings.TrimPrefix(text(e["type"]), "discrepancy."))
			}
			b, _ := json.Marshal(e)
			raw = append(raw, string(b))
			if data["order"] == nil || !strings.HasPrefix(text(data["payment_id"]), "pay_") {
				t.Errorf("%s", b)
			}
		}
		return types, raw, about
	}
	types, raw, about := read(portalKey)
	if got := strings.Join(types, " "); got != "opened changed resolved reopened resolved" {
		t.Errorf("events: %s", got)
	}
	if about[invented] != 0 || len(about) != 2 {
		t.Errorf("about: %v", about)
	}
	for _, word := range []string{"của mai", "một lời", "lý do", "vì sao", d.id("mai"), "owner"} {
		if strings.Contains(strings.Join(raw, "\n"), word) {
			t.Errorf("the feed says %q", word)
		}
	}
	if _, _, others := read("fgk_test_other"); len(others) != 0 {
		t.Errorf("another source system hears of %v", others)
	}
}

// sequence has the sequencer number all that waits.
func (s *street) sequence() {
	s.t.Helper()
	sequencer := feed.NewSequencer(s.own, slog.New(slog.DiscardHandler))
	for s.count(`SELECT count(*) FROM outbox`) > 0 {
		if _, err := sequencer.Step(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestTwoOfficersAtOnce lets many do the same to one discrepancy at the same moment: one result, and everybody else is told in a sentence.
func TestTwoOfficersAtOnce(t *testing.T) {
	d := newWorklist(t, 6, sim.Changes{Lose: 2, Seed: 3})
	const officers = 6
	var finance, approvers []string
	for i := range officers {
		finance = append(finance, d.person(fmt.Sprint("f", i), []identity.Role{identity.Finance}))
		approvers = append(approvers, d.person(fmt.Sprint("a", i), []identity.Role{identity.Approver}))
	}
	at := func(tokens []string, do func(token string, i int) reply) (won int, refusals []reply) {
		replies, gate := make([]reply, len(tokens)), make(chan struct{})
		var wg sync.WaitGroup
		for i, token := range tokens {
			wg.Go(func() {
				<-gate
				replies[i] = do(token, i)
			})
		}
		close(gate)
		wg.Wait()
		for _, r := range replies {
			if r.status < 300 {
				won++
			} else {
				refusals = append(refusals, r)
			}
		}
		return won, refusals
	}
	lost := d.ids("kind=missing_at_provider")
	hold := func(what string, won int, refusals []reply, says string) {
		t.Helper()
		if won != 1 || len(refusals) != officers-1 {
			t.Errorf("%s: %d won", what, won)
		}
		for _, r := range refusals {
			d.refused(r, http.StatusConflict, "resolution-state", says)
		}
	}
	won, no := at(finance, func(token string, _ int) reply { return d.do(token, lost[0], "assign", body{}) })
	hold("taking it up", won, no, "has taken it up")
	won, no = at(finance, func(token string, i int) reply {
		return d.as(token, http.MethodPost, "/v1/discrepancies/"+lost[0]+"/resolutions", fmt.Sprint("k", i), body{"action": "claim_from_provider", "note": "x"})
	})
	hold("proposing", won, no, "waits for another person's decision")
	won, no = at(approvers, func(token string, i int) reply {
		deed := []string{"approve", "reject"}[i%2]
		return d.as(token, http.MethodPost, "/v1/discrepancies/"+lost[0]+"/resolutions/1/"+deed, "", nil)
	})
	hold("deciding", won, no, "another person has decided")
	won, no = at(finance, func(token string, i int) reply {
		return d.do(token, lost[0], "trace", body{"asked_of": "MoMo", "question": "x"})
	})
	hold("asking", won, no, "waits for its answer")
	won, no = at(finance, func(token string, i int) reply {
		return d.all(token, "", fmt.Sprint("b", i), body{"ids": lost, "action": "explain", "note": "x"})
	})
	hold("explaining both", won, no, "is resolved")
	won, no = at(finance, func(token string, i int) reply { return d.do(token, lost[1], "reopen", body{"reason": "x"}) })
	hold("reopening", won, no, "is not resolved")
	if claimed, decided := d.balance("claim:acc_momo"), d.one(`SELECT status FROM resolutions WHERE n = 1 AND action = 'claim_from_provider'`); claimed != 0 && decided != "done" || claimed != 50000 && decided == "done" {
		t.Errorf("claimed %d, %s", claimed, decided)
	}
}

// TestACreditOfNobodysIsTracedAndClaimed: what the bank's statement alone knows has its line beside it, and is claimed by its effect there.
func TestACreditOfNobodysIsTracedAndClaimed(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	d := &worklist{s, s.person("mai", []identity.Role{identity.Finance}), s.person("hoa", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})}
	d.ok(d.statementFile(d.mai, "", stated(bank, 0, [3]string{"FT4", "50000", "NGUYEN VAN A chuyen"})), http.StatusCreated)
	id := d.of("bank_unmatched")
	v := d.get(id)
	if b, _ := v["bank"].(map[string]any); b == nil || b["amount"] != 50000.0 || b["reference"] != "FT4" || v["line"] != nil || v["deadline"] != "2026-03-13" {
		t.Errorf("%v", v)
	}
	d.ok(d.do(d.mai, id, "trace", body{"asked_of": "Ngân hàng", "question": "Ai chuyển?"}), http.StatusCreated)
	letter := d.as(d.lan, http.MethodGet, "/v1/discrepancies/"+id+"/trace-letter", "", nil)
	if l := string(letter.body); !strings.Contains(l, "Sao kê ngân hàng") || !strings.Contains(l, "FT4") || strings.Contains(l, "NGUYEN VAN A") {
		t.Errorf("%d %s", letter.status, l)
	}
	thu := d.officer("thu", []identity.Role{identity.Finance})
	thu.says(thu.get("/console/discrepancies/"+id), http.StatusOK, "Dòng sao kê ngân hàng", "FT4", "Làm chênh phía ngân hàng")
	d.ok(d.as(d.mai, http.MethodPost, "/v1/discrepancies/"+id+"/resolutions", "w", body{"action": "write_off", "note": "x"}), http.StatusCreated)
	d.ok(d.as(d.lan, http.MethodPost, "/v1/discrepancies/"+id+"/resolutions/1/approve", "", nil), http.StatusOK)
	account := text(v["account_id"])
	if got := d.balance("written_off:" + account); got != -50000 {
		t.Errorf("written off %d of %s", got, account)
	}
	d.ok(d.do(d.mai, id, "reopen", body{"reason": "đã rõ"}), http.StatusOK)
	if got := d.balance("written_off:" + account); got != 0 {
		t.Errorf("written off %d of %s", got, account)
	}
}
