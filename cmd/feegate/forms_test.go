package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

type formDocument struct {
	Form   string
	Head   map[string]any
	Tables []struct {
		Columns []struct{ Key, Name, Kind string }
		Rows    []map[string]any
		Total   map[string]any
	}
	Words []string
}

func (x *example) form(id, query string) formDocument {
	x.t.Helper()
	r := x.as(x.reporter, http.MethodGet, "/v1/reports/forms/"+id+march+query, "", nil)
	var f formDocument
	if err := json.Unmarshal(r.body, &f); err != nil || r.status != 200 {
		x.t.Fatalf("%s: %d %s %v\n%s", id, r.status, r.body, err, x.logs)
	}
	return f
}

// The forms say what the report says, in each of their shapes.
func TestFormsSayWhatTheReportSays(t *testing.T) {
	x := newExample(t, true, false)
	one := x.form("BM-01", "").Tables[0]
	total := one.Total
	rate, _ := total["rate"].(map[string]any)
	if total["transactions"] != 11.0 || total["online"] != 6.0 || total["cash"] != 1.0 || total["proxy"] != 1.0 || total["unproven"] != 1.0 || total["closed_unpaid"] != 1.0 || total["qr_counter"] != 1.0 || rate["percent"] != "54.55" || total["status"] != "Chưa đủ dữ liệu; Chưa đủ dữ liệu" {
		t.Errorf("BM-01: %v", total)
	}
	if total["change"] != nil || total["rate_before"].(map[string]any)["percent"] != nil {
		t.Errorf("nothing happened in February: %v", total)
	}
	kinds := x.form("BM-03", "").Tables[0]
	if sum := kinds.Total; sum["gross"] != 7720000.0 || sum["paid"] != 7720000.0 || sum["refunded"] != 380000.0 || sum["collected"] != 7340000.0 || sum["online"] != 6620000.0 || sum["rate"].(map[string]any)["percent"] != "90.19" {
		t.Errorf("BM-03: %v", sum)
	}
	report := x.report("")
	for _, row := range kinds.Rows {
		kind := map[string]string{"Phí": "phi", "Lệ phí": "le_phi", "Nghĩa vụ tài chính": "nvtc"}[row["kind"].(string)]
		if k := report.Total.ByKind[kind]; row["online"] != float64(k.Numerator) || row["collected"] != float64(k.Denominator) {
			t.Errorf("%s: %v, the report %+v", kind, row, k)
		}
	}
	days := x.form("BM-04", "").Tables[0]
	if days.Total["difference"] != 200000.0-380000.0 || days.Total["theirs_count"] != 9.0 { // T4's day and the refunds' have no file yet
		t.Errorf("BM-04: %v", days.Total)
	}
	refunds := x.form("BM-05", "").Tables[0]
	if len(refunds.Rows) != 1 || refunds.Rows[0]["status"] != "Đã hoàn" || refunds.Total["amount"] != 380000.0 {
		t.Errorf("BM-05: %v", refunds.Rows)
	}
	enabled := x.form("BM-02", "").Tables
	if len(enabled) != 2 || len(enabled[1].Rows) != 0 { // the example's procedure has no schedule: it charges nothing by itself
		t.Errorf("BM-02: %v", enabled)
	}
	if free := x.form("BM-06", "").Tables; free[0].Total["count"] != 1.0 || free[0].Total["forgone"] != 40000.0 || free[0].Rows[0]["type"] != "Miễn" {
		t.Errorf("BM-06: %v", free)
	}
	found := map[string]float64{}
	for _, row := range x.form("BM-07", "").Tables[0].Rows {
		found[row["rule"].(string)] = row["count"].(float64)
	}
	if len(found) != 15 || found["G1"] != 1 || found["G2"] != 1 || found["G4"] == 0 { // T6 by an officer, T11 typed in, D13 closed unpaid
		t.Errorf("BM-07: %v", found)
	}
	national := x.form("BM-08", "").Tables
	if i := national[0].Rows[2]; i["id"] != "3.6" || i["numerator"] != 4.0+1.0 { // with T12's dossier
		t.Errorf("BM-08: %v", national[0].Rows)
	}
	both := x.form("BM-09", "").Tables
	if both[0].Total["due"] != 11.0 || both[0].Total["confirmed"] != 5.0 || both[1].Total["sum"] != 2340000.0 {
		t.Errorf("BM-09: %v %v", both[0].Total, both[1].Total)
	}
	if f := x.form("BM-09", ""); len(f.Words) != 1 || f.Words[0] != "Tổng số phí, lệ phí bằng chữ: Hai triệu ba trăm bốn mươi nghìn đồng." {
		t.Errorf("in words: %q", f.Words)
	}
	if r := x.as(x.reporter, http.MethodGet, "/v1/reports/forms/BM-77"+march, "", nil); r.status != 404 {
		t.Errorf("a form that is not: %d", r.status)
	}
	if r := x.as(x.reporter, http.MethodGet, "/v1/reports/forms/BM-01.docx"+march, "", nil); r.status != 422 {
		t.Errorf("a shape that is not: %d", r.status)
	}

	// The report itself as a workbook: what its CSV says.
	book := x.as(x.reporter, http.MethodGet, "/v1/reports/adoption.xlsx"+march+"&group_by=agency", "", nil)
	sheet, err := excelize.OpenReader(bytes.NewReader(book.body))
	if book.status != 200 || err != nil {
		t.Fatalf("%d %v", book.status, err)
	}
	cells, err := sheet.GetRows(sheet.GetSheetList()[0], excelize.Options{RawCellValue: true})
	if err != nil || len(cells) != 3 {
		t.Fatalf("%v %v", cells, err)
	}
	for i, name := range cells[0] {
		if want := map[string]string{"transactions_numerator": "6", "transactions_denominator": "11", "transactions_percent": "0.5455"}[name]; want != "" && cells[2][i] != want {
			t.Errorf("%s: %s, want %s", name, cells[2][i], want)
		}
	}

	// CSV: the same cells.
	r := x.as(x.reporter, http.MethodGet, "/v1/reports/forms/BM-01.csv"+march, "", nil)
	lines, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(r.body), "\ufeff"))).ReadAll()
	if err != nil || len(lines) != len(one.Rows)+2 {
		t.Fatalf("%v %v", lines, err)
	}
	for i, c := range one.Columns {
		want := ""
		switch v := total[c.Key].(type) {
		case float64:
			want = strconv.FormatFloat(v, 'f', 0, 64)
		case string:
			want = v
		case map[string]any:
			want, _ = v["percent"].(string)
		}
		if got := lines[len(lines)-1][i]; got != want {
			t.Errorf("%s: CSV says %q, JSON %q", c.Key, got, want)
		}
	}
}

// One workbook with all forms opens in LibreOffice without a word, its totals calculate to the API's figures, and the PDF's text is Vietnamese text.
func TestTheWorkbookOpensAndThePDFCanBeRead(t *testing.T) {
	x := newExample(t, true, false)
	x.ok(x.as(x.reporter, http.MethodPost, "/v1/reports/adoption/closes", "", map[string]any{"from": "2026-03-01", "to": "2026-03-31"}), 201)
	x.ok(x.as(x.approver, http.MethodPost, "/v1/reports/adoption/revisions/1/approve"+march, "", nil), 200)
	book := x.as(x.reporter, http.MethodGet, "/v1/reports/forms.xlsx"+march+"&revision=1", "", nil)
	paper := x.as(x.reporter, http.MethodGet, "/v1/reports/forms.pdf"+march+"&revision=1", "", nil)
	if book.status != 200 || paper.status != 200 {
		t.Fatalf("%d %d %s", book.status, paper.status, x.logs)
	}
	dir := t.TempDir()
	for name, body := range map[string][]byte{"BM.xlsx": book.body, "BM.pdf": paper.body} {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// LibreOffice calculates everything anew on its way to another workbook.
	convert := exec.CommandContext(t.Context(), libreOffice(), "-env:UserInstallation=file://"+filepath.Join(dir, "profile"), "--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", filepath.Join(dir, "again"), filepath.Join(dir, "BM.xlsx"))
	convert.Env = append(os.Environ(), "HOME="+dir)
	said, err := convert.CombinedOutput()
	said = bytes.ReplaceAll(said, []byte("Warning: failed to launch javaldx - java may not function correctly"), nil) // of the machine: it needs no Java
	if err != nil || strings.Contains(strings.ToLower(string(said)), "warn") || strings.Contains(strings.ToLower(string(said)), "error") {
		t.Fatalf("LibreOffice: %v\n%s", err, said)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "again", "BM.xlsx"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := excelize.OpenReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Items []struct{ Form string } }
	if err := json.Unmarshal(x.as(x.reporter, http.MethodGet, "/v1/reports/forms", "", nil).body, &list); err != nil || len(list.Items) != len(again.GetSheetList()) {
		t.Fatalf("%v forms, %v sheets: %v", list, again.GetSheetList(), err)
	}
	for _, i := range list.Items {
		f := x.form(i.Form, "&revision=1")
		rows, err := again.GetRows(i.Form, excelize.Options{RawCellValue: true})
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for n, table := range f.Tables {
			for at < len(rows) && (len(rows[at]) < 2 || rows[at][0] != table.Columns[0].Name || rows[at][1] != table.Columns[1].Name) {
				at++
			}
			if at == len(rows) {
				t.Fatalf("%s: table %d is not in the workbook", i.Form, n)
			}
			lines := table.Rows
			if table.Total != nil && len(table.Rows) > 0 {
				lines = append(lines, table.Total)
			}
			for _, line := range lines {
				at++
				for col, c := range table.Columns {
					got := ""
					if col < len(rows[at]) {
						got = rows[at][col]
					}
					if want, number := cellOf(line[c.Key]); number {
						if g, err := strconv.ParseFloat(got, 64); err != nil || g-want > 1e-9 || want-g > 1e-9 {
							t.Errorf("%s, row %d, %s: LibreOffice has %q, the API %v", i.Form, at+1, c.Key, got, want)
						}
					}
				}
			}
		}
	}
	// The text of the PDF.
	out, err := exec.CommandContext(t.Context(), "pdftotext", "-layout", filepath.Join(dir, "BM.pdf"), "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "BM-01. TỶ LỆ THANH TOÁN TRỰC TUYẾN", "BM-09. BIỂU TƯƠNG THÍCH QUYẾT ĐỊNH 766", "Tổng số phí, lệ phí bằng chữ: Hai triệu ba trăm bốn mươi nghìn đồng.", "CHƯA ĐỦ DỮ LIỆU", "54,5", "NGƯỜI DUYỆT"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the PDF lacks %q", want)
		}
	}
	if strings.Contains(string(out), "BẢN NHÁP") {
		t.Error("a closed and approved form calls itself a draft")
	}
}

// libreOffice is its program: .ci/prepare got it where it was missing.
func libreOffice() string {
	if _, err := exec.LookPath("soffice"); err == nil {
		return "soffice"
	}
	return "/Applications/LibreOffice.app/Contents/MacOS/soffice"
}

// cellOf is what a number of the API is in a workbook.
func cellOf(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case map[string]any:
		if d, _ := x["denominator"].(float64); d > 0 {
			return x["numerator"].(float64) / d, true
		}
	}
	return 0, false
}
