package main

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/xuri/excelize/v2"

	"feegate/gateway/feed"
	"feegate/gateway/identity"
	"feegate/gateway/vnd"
	"feegate/providers/sim"
)

// evening is a street whose day is over and has been matched, and its people: finance, approver, admin.
func evening(t *testing.T, c sim.Changes) (s *street, mai, lan, an string) {
	t.Helper()
	s = newStreet(t)
	s.paid("momo", 4, true)
	mai = s.person("mai", []identity.Role{identity.Finance})
	s.ok(s.upload(mai, "", "account_id", "acc_momo", "date", day, "file", s.settlement("momo", c)), 201)
	s.move(9 * 24 * time.Hour) // sessions go by the machine's clock
	return s, mai, s.person("lan", []identity.Role{identity.Approver}), s.person("an", []identity.Role{identity.Admin})
}

const dayPath = "/v1/days/acc_momo/" + day

// readyToClose gives every open discrepancy a person, and the payout its name where no statement has it.
func (s *street) readyToClose(token string) {
	s.t.Helper()
	s.ok(s.as(token, http.MethodPost, "/v1/reconciliations", "", map[string]string{"date": day, "account_id": "acc_momo"}), 200)
	v := s.ok(s.as(token, http.MethodGet, "/v1/reconciliations/"+day+"?account_id=acc_momo", "", nil), 200)
	if left := v["bank_side"].(map[string]any)["unexplained_difference"].(float64); left != 0 {
		if _, err := s.db.ExecContext(s.t.Context(), `INSERT INTO discrepancies (id, account_id, date, kind, subject, amount, effect, bank_effect, recorded_at) VALUES ('dis_bank', 'acc_momo', $1, 'bank_short', 'test', $2, 0, $2, $3)
			ON CONFLICT (account_id, date, kind, subject) DO UPDATE SET bank_effect = discrepancies.bank_effect + $2`, day, int64(left), s.world.Now()); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, d := range s.list(token, "account_id=acc_momo&date="+day) {
		if d["status"] != "resolved" && d["action"] == nil {
			s.ok(s.as(token, http.MethodPost, "/v1/discrepancies/"+text(d["id"])+"/resolutions", fmt.Sprint("c", s.count(`SELECT count(*) FROM resolutions`), text(d["id"])), map[string]string{"action": "carry_forward", "note": "chờ tệp sau"}), 201)
		}
	}
}

func TestADayFromMatchedToSignedAndBack(t *testing.T) {
	s, mai, lan, an := evening(t, sim.Changes{Lose: 1, Invent: 1, Seed: 3})
	far, ha := s.person("xa", []identity.Role{identity.Finance, identity.Approver}, "H10.99"), s.person("ha", []identity.Role{identity.Finance, identity.Approver, identity.Admin})
	for _, r := range []reply{s.as(lan, http.MethodPost, dayPath+"/close", "", nil), s.as(mai, http.MethodPost, dayPath+"/sign", "", nil), s.as(mai, http.MethodPost, dayPath+"/reopen", "", map[string]string{"reason": "x"}),
		s.as(portalKey, http.MethodGet, dayPath, "", nil), s.as(an, http.MethodGet, dayPath+"/minutes.pdf", "", nil)} {
		s.problem(r, 403, "forbidden")
	}
	for _, r := range []reply{s.as(far, http.MethodGet, dayPath, "", nil), s.as(far, http.MethodPost, dayPath+"/close", "", nil), s.as(mai, http.MethodPost, "/v1/days/acc_nobody/"+day+"/close", "", nil),
		s.as(mai, http.MethodGet, dayPath+"/versions/1", "", nil), s.as(mai, http.MethodGet, dayPath+"/versions/x", "", nil)} {
		s.problem(r, 404, "not-found")
	}
	s.problem(s.as(mai, http.MethodPost, "/v1/days/acc_momo/gestern/close", "", nil), 422, "invalid")
	s.problem(s.as(mai, http.MethodGet, "/v1/months/acc_momo/2026-3/minutes.pdf", "", nil), 422, "invalid")
	s.problem(s.as(mai, http.MethodPost, "/v1/days/acc_momo/2026-04-10/close", "", nil), 409, "day-not-ready")

	refused := s.problem(s.as(mai, http.MethodPost, dayPath+"/close", "", map[string]string{}), 409, "day-not-ready")
	if f := fmt.Sprint(refused["errors"]); !strings.Contains(f, ".owner") || !strings.Contains(f, ".action") {
		t.Errorf("%s", f)
	}
	if v := s.ok(s.as(an, http.MethodGet, dayPath, "", nil), 200); v["status"] != "matched" || v["figures"] != nil || len(v["missing"].([]any)) != len(refused["errors"].([]any)) {
		t.Errorf("%v", v)
	}
	s.readyToClose(mai)
	s.problem(s.as(lan, http.MethodPost, dayPath+"/sign", "", nil), 409, "day-state")
	s.problem(s.as(lan, http.MethodPost, dayPath+"/reopen", "", map[string]string{"reason": "x"}), 409, "day-state")
	live := s.as(mai, http.MethodGet, "/v1/reconciliations/"+day+"?account_id=acc_momo", "", nil).get(t)
	closed := s.ok(s.as(mai, http.MethodPost, dayPath+"/close", "", nil), 200)
	if again := s.ok(s.as(mai, http.MethodPost, dayPath+"/close", "", nil), 200); fmt.Sprint(again) != fmt.Sprint(closed) {
		t.Errorf("said again: %v, was %v", again, closed)
	}
	if p := s.problem(s.as(ha, http.MethodPost, dayPath+"/close", "", nil), 409, "day-closed"); !strings.Contains(text(p["detail"]), "closed by mai at 2026-03-19T") {
		t.Errorf("%v", p)
	}
	s.problem(s.upload(mai, "", "account_id", "acc_momo", "date", day, "file", s.settlement("momo", sim.Changes{})), 409, "day-closed")
	s.problem(s.as(s.person("both", []identity.Role{identity.Finance, identity.Approver}), http.MethodPost, "/v1/discrepancies/"+text(s.list(mai, "kind=missing_at_gateway")[0]["id"])+"/resolutions", "z", map[string]string{"action": "record_payment", "note": "x"}), 409, "day-closed")
	signed := s.ok(s.as(lan, http.MethodPost, dayPath+"/sign", "", nil), 200)
	if signed["sha256"] == nil || signed["previous"] != nil || signed["status"] != "signed" || signed["version"] != 1.0 {
		t.Errorf("%v", signed)
	}
	s.problem(s.as(ha, http.MethodPost, dayPath+"/sign", "", nil), 409, "day-closed")
	frozen := s.as(mai, http.MethodGet, "/v1/reconciliations/"+day+"?account_id=acc_momo", "", nil).get(t)
	live["status"] = "signed"
	if fmt.Sprint(frozen) != fmt.Sprint(live) {
		t.Errorf("%v\nwas %v", frozen, live)
	}
	if _, err := feed.NewSequencer(s.own, slog.New(slog.DiscardHandler)).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{portalKey, "fgk_test_other"} {
		items := s.ok(s.as(key, http.MethodGet, "/v1/events?after=0&types=day.signed", "", nil), 200)["items"].([]any)
		if len(items) != 1 || items[0].(map[string]any)["data"].(map[string]any)["sha256"] != signed["sha256"] {
			t.Errorf("%s hears %v", key, items)
		}
	}
	if got := s.ok(s.as(mai, http.MethodGet, "/v1/days?status=signed&account_id=acc_momo&from="+day+"&to="+day, "", nil), 200); len(got["items"].([]any)) != 1 {
		t.Errorf("%v", got)
	}

	s.problem(s.as(an, http.MethodPost, dayPath+"/reopen", "", map[string]string{"reason": " "}), 422, "invalid")
	s.problem(s.as(lan, http.MethodPost, dayPath+"/reopen/approve", "", nil), 409, "day-state")
	s.ok(s.as(an, http.MethodPost, dayPath+"/reopen", "", map[string]string{"reason": "tệp sửa"}), 200)
	s.ok(s.as(lan, http.MethodPost, dayPath+"/reopen/reject", "", nil), 200)
	s.ok(s.as(an, http.MethodPost, dayPath+"/reopen", "", map[string]string{"reason": "tệp sửa"}), 200)
	s.problem(s.as(an, http.MethodPost, dayPath+"/reopen/approve", "", nil), 403, "second-person-needed")
	if v := s.ok(s.as(lan, http.MethodPost, dayPath+"/reopen/approve", "", nil), 200); v["status"] != "reopened" {
		t.Errorf("%v", v)
	}
	imp := text(closed["figures"].(map[string]any)["imports"].([]any)[0].(map[string]any)["id"])
	s.ok(s.upload(mai, "", "account_id", "acc_momo", "date", day, "replaces", imp, "file", s.settlement("momo", sim.Changes{})), 201)
	s.readyToClose(mai)
	s.ok(s.as(mai, http.MethodPost, dayPath+"/close", "", nil), 200)
	if v := s.ok(s.as(lan, http.MethodPost, dayPath+"/sign", "", nil), 200); v["version"] != 2.0 || v["previous"] != signed["sha256"] || len(v["versions"].([]any)) != 2 {
		t.Errorf("%v", v)
	}
	if v := s.ok(s.as(mai, http.MethodGet, dayPath+"/versions/2", "", nil), 200); v["against"] != 1.0 || len(v["diff"].([]any)) == 0 || v["reason"] != "tệp sửa" {
		t.Errorf("%v", v)
	}
	if v := s.ok(s.as(mai, http.MethodGet, dayPath+"/versions/1?against=2", "", nil), 200); v["against"] != 2.0 || v["sha256"] != signed["sha256"] {
		t.Errorf("%v", v)
	}
	s.problem(s.as(mai, http.MethodGet, dayPath+"/versions/1?against=0", "", nil), 422, "invalid")
	if n := s.count(`SELECT count(*) FROM audit WHERE object = 'acc_momo/' || $1 AND action IN ('day.closed', 'day.signed', 'day.reopen.asked', 'day.reopened', 'day.reopen.rejected')`, day); n < 8 {
		t.Errorf("%d rows of audit", n)
	}
}

// pdfText reads what a PDF of ours says: its texts are UTF-16, since every letter has its own number in the typeface.
func pdfText(t *testing.T, raw []byte) string {
	t.Helper()
	var out strings.Builder
	for _, m := range regexp.MustCompile(`(?s)/FlateDecode[^>]*>>\s*stream\r?\n(.*?)\r?\nendstream`).FindAllSubmatch(raw, -1) {
		z, err := zlib.NewReader(bytes.NewReader(m[1]))
		if err != nil {
			continue
		}
		page, err := io.ReadAll(z)
		if err != nil {
			continue
		}
		for _, s := range regexp.MustCompile(`(?s)\(((?:\\.|[^\\)])*)\) ?Tj`).FindAllSubmatch(page, -1) {
			b := regexp.MustCompile(`(?s)\\(.)`).ReplaceAllFunc(s[1], func(e []byte) []byte {
				if e[1] == 'r' {
					return []byte{'\r'}
				}
				return e[1:]
			})
			var units []uint16
			for i := 0; i+1 < len(b); i += 2 {
				units = append(units, uint16(b[i])<<8|uint16(b[i+1]))
			}
			out.WriteString(string(utf16.Decode(units)) + "\n")
		}
	}
	return out.String()
}

// The same figures stand in the API, in the workbook, where they are also the sums of what lies behind them, and in the document to print.
func TestTheMinutesSayWhatTheAPISays(t *testing.T) {
	s, mai, lan, _ := evening(t, sim.Changes{Lose: 1, Invent: 1, Alter: 1, Seed: 3})
	s.readyToClose(mai)
	for _, stage := range []string{"matched", "closed", "signed"} {
		switch stage {
		case "closed":
			s.ok(s.as(mai, http.MethodPost, dayPath+"/close", "", nil), 200)
		case "signed":
			s.ok(s.as(lan, http.MethodPost, dayPath+"/sign", "", nil), 200)
		}
		v := s.ok(s.as(mai, http.MethodGet, "/v1/reconciliations/"+day+"?account_id=acc_momo", "", nil), 200)
		state := s.ok(s.as(mai, http.MethodGet, dayPath, "", nil), 200)
		get := func(path ...string) int64 {
			x := any(v)
			for _, p := range path {
				x = x.(map[string]any)[p]
			}
			return int64(x.(float64))
		}
		want := map[string]int64{"Thu theo feegate (đã trừ hoàn tiền)": get("payments", "amount"), "Nhà cung cấp quyết toán": get("settled", "amount"), "Chênh lệch feegate − nhà cung cấp": get("difference"),
			"Đã giải thích": get("explained_difference"), "Chưa giải thích được": get("unexplained_difference"), "Đã khớp từng giao dịch": get("matched", "amount"), "Phí dịch vụ của nhà cung cấp": get("settled", "fee"),
			"Thực nhận theo quyết toán": get("settled", "net"), "Ngân hàng báo có": get("bank", "amount"), "Chênh lệch quyết toán − ngân hàng": get("bank_side", "difference"),
			"Đã giải thích phía ngân hàng": get("bank_side", "explained_difference"), "Chưa giải thích được phía ngân hàng": get("bank_side", "unexplained_difference")}
		for _, path := range []string{dayPath, "/v1/months/acc_momo/2026-03"} {
			x := s.as(mai, http.MethodGet, path+"/minutes.xlsx", "", nil)
			p := s.as(mai, http.MethodGet, path+"/minutes.pdf", "", nil)
			if x.status != 200 || p.status != 200 || !strings.Contains(x.header.Get("Content-Disposition"), "bien-ban-doi-soat-acc_momo-2026-03") {
				t.Fatalf("%d %d\n%s", x.status, p.status, s.logs)
			}
			if dir := os.Getenv("FEEGATE_TEST_MINUTES"); dir != "" { // to look at
				name := dir + "/" + stage + strings.ReplaceAll(path, "/", "-")
				_ = os.WriteFile(name+".xlsx", x.body, 0o600)
				_ = os.WriteFile(name+".pdf", p.body, 0o600)
			}
			book, err := excelize.OpenReader(bytes.NewReader(x.body))
			if err != nil {
				t.Fatal(err)
			}
			rows, err := book.GetRows("Biên bản", excelize.Options{RawCellValue: true})
			if err != nil {
				t.Fatal(err)
			}
			print, found := pdfText(t, p.body), 0
			for i, row := range rows {
				amount, ok := want[strings.TrimSpace(first(row))]
				if !ok {
					continue
				}
				found++
				cell := "D" + strconv.Itoa(i+1)
				alive, err := book.CalcCellValue("Biên bản", cell, excelize.Options{RawCellValue: true})
				if formula, _ := book.GetCellFormula("Biên bản", cell); err != nil || formula == "" || alive != strconv.FormatInt(amount, 10) || row[3] != alive {
					t.Errorf("%s, %s: %s is %q (%s), calculated %q, %v; the API has %d", stage, path, row[0], row[3], formula, alive, err, amount)
				}
				if kind, _ := book.GetCellType("Biên bản", cell); kind != excelize.CellTypeUnset && kind != excelize.CellTypeNumber && kind != excelize.CellTypeFormula {
					t.Errorf("%s is no number: %v", row[0], kind)
				}
				if shown := strings.TrimSuffix(vnd.Signed(amount).Format(), "\u00a0₫"); !strings.Contains(print, row[0]+"\n") || !strings.Contains(print, strings.TrimSuffix(shown, " ₫")+"\n") {
					t.Errorf("%s, %s: the document does not say %s %s", stage, path, row[0], shown)
				}
			}
			if found != len(want) {
				t.Errorf("%d of %d figures found in %s", found, len(want), path)
			}
			draft := strings.Contains(print, "BẢN NHÁP") && strings.Contains(fmt.Sprint(rows), "BẢN NHÁP")
			if draft != (stage != "signed") {
				t.Errorf("%s, %s: draft: %v", stage, path, draft)
			}
			if stage == "signed" && path == dayPath && (!strings.Contains(print, text(state["sha256"])) || !strings.Contains(fmt.Sprint(rows), text(state["sha256"])) || !strings.Contains(print, "mai, ") || !strings.Contains(print, "lan, ")) {
				t.Errorf("hash or people are missing:\n%s", print)
			}
			if words := vnd.Signed(get("payments", "amount")).Words(); !strings.Contains(fmt.Sprint(rows), words) {
				t.Errorf("not in words: %s", words)
			}
		}
	}
	raw, err := json.Marshal(s.ok(s.as(mai, http.MethodGet, dayPath+"/adjustments", "", nil), 200))
	if err != nil || string(raw) != `{"landed":[],"left":[]}` {
		t.Errorf("%s %v", raw, err)
	}
}

func first(row []string) string {
	if len(row) == 0 {
		return ""
	}
	return row[0]
}
