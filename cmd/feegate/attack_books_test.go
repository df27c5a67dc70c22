package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
)

// Whatever files, statements, claims, closings and changes of mind come in whatever order: clearing is the days' differences, what the providers owe is
// what the files say less what the bank has paid and what was claimed or written off, and closed days stay.
func TestTheBooksAreTheFactsAfterALongStory(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { longStory(t, rand.New(rand.NewPCG(seed, 5))) })
	}
}

func longStory(t *testing.T, rnd *rand.Rand) {
	s := newStreet(t)
	bank := s.paidOut()
	mai, lan, an := s.person("mai", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver}), s.person("an", []identity.Role{identity.Admin})
	accounts := map[string]string{"acc_vnpay_7": "FEEGATE7", "acc_momo_7": "FEEGATEMOMO7"}
	ids := []string{"acc_momo_7", "acc_vnpay_7"}
	taken, credits, balance, first := 0, 0, 0, time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	today := func() time.Time { return s.world.Now().Add(7 * time.Hour).UTC().Truncate(24 * time.Hour) }
	var story []string
	all := dbtest.Admin(t, s.db) // one connection: each step asks for much
	count := func(query string, args ...any) (n int) {
		t.Helper()
		if err := all.GetContext(t.Context(), &n, query, args...); err != nil {
			t.Fatal(err)
		}
		return n
	}
	pick := func(items []any) map[string]any { v, _ := items[rnd.IntN(len(items))].(map[string]any); return v }
	for step := range 70 {
		id := ids[rnd.IntN(2)]
		days := int(today().Sub(first).Hours() / 24)
		date := first.AddDate(0, 0, rnd.IntN(max(days, 1))).Format(time.DateOnly)
		does := rnd.IntN(14)
		if days == 0 {
			does = 0
		}
		switch does {
		case 0, 1:
			s.take(id, taken, 1+rnd.IntN(3))
			taken += 3
			if rnd.IntN(2) == 0 || days == 0 {
				s.move(24 * time.Hour)
			}
		case 2, 3, 4:
			file := s.send(http.MethodGet, s.sim+"/control/"+strings.Split(id, "_")[1]+"/settlement?account="+accounts[id]+"&date="+date+fmt.Sprintf("&lose=%d&invent=%d&double=%d&alter=%d&seed=%d", rnd.IntN(2), rnd.IntN(2), rnd.IntN(2), rnd.IntN(2), step), nil, nil)
			fields := []string{"account_id", id, "date", date}
			if old := s.one(`SELECT coalesce((SELECT id FROM imports WHERE account_id = '` + id + `' AND date = '` + date + `' AND superseded_at IS NULL AND status = 'visible' ORDER BY recorded_at DESC, id LIMIT 1), '')`); old != "" {
				fields = append(fields, "replaces", old)
			}
			r := s.uploadTo(mai, "/v1/settlements", append(fields, "file", string(file.body))...)
			story = append(story, fmt.Sprint("file ", id, date, r.status))
		case 5, 6, 7:
			net := count(`SELECT coalesce(sum(net), 0) FROM settlement_lines WHERE account_id = '` + id + `' AND date = '` + date + `' AND superseded_at IS NULL AND success`)
			if net <= 1000 {
				continue
			}
			texts := []string{"NGUYEN VAN A", strings.ToUpper(strings.Split(id, "_")[1]) + " TRA TIEN", accounts[id] + " NGAY " + date[8:] + "/" + date[5:7] + "/" + date[:4]}
			net += []int{0, 0, -500, 700}[rnd.IntN(4)]
			credits++
			file := strings.ReplaceAll(stated(bank, balance, [3]string{fmt.Sprint("FT", credits), fmt.Sprint(net), texts[rnd.IntN(3)]}), "10/03/2026;FT", today().Format("02/01/2006")+";FT")
			balance += net
			s.ok(s.statementFile(mai, "", file), 201)
			story = append(story, fmt.Sprint("statement of ", id, date, " ", net))
		case 8:
			if items := s.ok(s.as(mai, http.MethodGet, "/v1/match-proposals?account_id="+id, "", nil), 200)["items"].([]any); len(items) > 0 {
				m := pick(items)
				r := s.as(mai, http.MethodPost, "/v1/match-proposals/"+text(m["id"])+"/accept", "", map[string]string{"account_id": id, "note": "đúng"})
				story = append(story, fmt.Sprint("accept ", m["kind"], r.status))
			}
		case 9:
			if p := s.one(`SELECT coalesce((SELECT id FROM payouts WHERE ended_at IS NULL AND rule = 'person' ORDER BY random() LIMIT 1), '')`); p != "" {
				r := s.as(mai, http.MethodPost, "/v1/payouts/"+p+"/end", "", map[string]string{"reason": "nhầm"})
				story = append(story, fmt.Sprint("end ", r.status))
			}
		case 10, 11:
			if open := s.list(mai, "account_id="+id+"&status=open"); len(open) > 0 {
				d := open[rnd.IntN(len(open))]
				action := []string{"claim_from_provider", "write_off"}[rnd.IntN(2)]
				path := "/v1/discrepancies/" + text(d["id"]) + "/resolutions"
				if r := s.as(mai, http.MethodPost, path, fmt.Sprint("r", step), map[string]string{"action": action, "note": "xử lý"}); r.status == 201 {
					s.ok(s.as(lan, http.MethodPost, fmt.Sprint(path, "/", r.get(t)["n"], "/approve"), "", nil), 200)
					story = append(story, fmt.Sprint(action, " ", d["kind"], d["date"]))
				}
			}
		case 12:
			if d := s.list(mai, "account_id="+id+"&status=resolved"); len(d) > 0 {
				r := s.as(mai, http.MethodPost, "/v1/discrepancies/"+text(d[rnd.IntN(len(d))]["id"])+"/reopen", "", map[string]string{"reason": "xem lại"})
				story = append(story, fmt.Sprint("reopen ", r.status))
			}
		case 13:
			path := "/v1/days/" + id + "/" + date
			if s.ok(s.as(mai, http.MethodGet, path, "", nil), 200)["status"] == "closed" {
				s.ok(s.as(an, http.MethodPost, path+"/reopen", "", map[string]string{"reason": "sửa"}), 200)
				s.ok(s.as(lan, http.MethodPost, path+"/reopen/approve", "", nil), 200)
				story = append(story, fmt.Sprint("open day ", id, date))
				break
			}
			s.as(mai, http.MethodPost, "/v1/reconciliations", "", map[string]string{"date": date, "account_id": id})
			for _, d := range s.list(mai, "account_id="+id+"&date="+date) {
				if d["status"] != "resolved" && d["action"] == nil {
					s.as(mai, http.MethodPost, "/v1/discrepancies/"+text(d["id"])+"/resolutions", fmt.Sprint("c", step, text(d["id"])), map[string]string{"action": "carry_forward", "note": "chờ"})
				}
			}
			r := s.as(mai, http.MethodPost, path+"/close", "", nil)
			story = append(story, fmt.Sprint("close ", id, date, r.status))
		}
		if _, err := s.app.reconciler.MatchDue(t.Context(), 1000); err != nil {
			t.Fatalf("%v after %v", err, story)
		}
		s.booksAreFacts(count, ids, first, today())
		if t.Failed() {
			t.Fatalf("after %s", strings.Join(story, "\n"))
		}
	}
	s.intact()
	if t.Failed() {
		t.Log(strings.Join(story, "\n"))
	}
}

func (s *street) booksAreFacts(count func(string, ...any) int, ids []string, first, last time.Time) {
	s.t.Helper()
	holds := func(account string) int {
		return count(`SELECT coalesce(sum(CASE WHEN to_account = $1 THEN amount ELSE -amount END), 0) FROM moves WHERE $1 IN (to_account, from_account)`, account)
	}
	for _, id := range ids {
		diff := 0
		for d := first; !d.After(last); d = d.AddDate(0, 0, 1) {
			day, err := s.app.reconciler.Day(s.t.Context(), id, d.Format(time.DateOnly))
			if err != nil {
				s.t.Fatal(err)
			}
			diff += int(day.Difference)
			if day.Files > 0 && day.Unexplained != 0 {
				s.t.Errorf("%s of %s: %d unexplained", day.Date, id, day.Unexplained)
			}
		}
		if got := holds("clearing:" + id); got != diff {
			s.t.Errorf("clearing of %s holds %d, the days differ by %d", id, got, diff)
		}
		net := count(`SELECT coalesce(sum(net), 0) FROM settlement_lines WHERE account_id = $1 AND superseded_at IS NULL AND success`, id)
		paid := count(`SELECT coalesce(sum(amount), 0) FROM payout_days WHERE account_id = $1 AND ended_at IS NULL`, id)
		off := count(`SELECT coalesce(sum(CASE WHEN from_account = 'receivable:' || $1 THEN amount ELSE -amount END), 0) FROM moves WHERE cause_type IN ('resolution', 'resolution_undone') AND 'receivable:' || $1 IN (from_account, to_account)`, id)
		if got := holds("receivable:" + id); got != net-paid-off {
			s.t.Errorf("receivable of %s holds %d: settled %d, paid out %d, moved off %d", id, got, net, paid, off)
		}
		stands := count(`SELECT coalesce(sum(CASE WHEN d.effect <> 0 THEN d.effect WHEN d.kind = 'fee_mismatch' THEN d.amount ELSE d.bank_effect END), 0) FROM discrepancies d WHERE account_id = $1 AND NOT healed AND kind <> 'bank_unmatched' AND action IN ('claim_from_provider', 'write_off')`, id)
		if off != stands {
			s.t.Errorf("%d of %s is claimed or written off, the discrepancies say %d", off, id, stands)
		}
		if n := count(`SELECT count(*) FROM bank_uses u JOIN statement_lines l ON l.id = u.line_id WHERE u.ended_at IS NULL AND l.superseded_at IS NOT NULL`); n != 0 {
			s.t.Errorf("%d replaced lines are used", n)
		}
		lines := count(`SELECT coalesce(sum(l.amount), 0) FROM statement_lines l JOIN bank_uses u ON u.line_id = l.id AND u.ended_at IS NULL JOIN payout_days p ON p.payout_id = u.payout_id AND p.account_id = $1 AND p.date = (SELECT min(date) FROM payout_days WHERE payout_id = u.payout_id)`, id)
		if lines != paid {
			s.t.Errorf("the lines of the payouts of %s come to %d, the days' shares to %d", id, lines, paid)
		}
	}
}
