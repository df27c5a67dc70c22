package main

import (
	"bytes"
	"encoding/csv"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"feegate/gateway/identity"
)

var (
	tables  = regexp.MustCompile(`(?s)<table[ >].*?</table>`)
	formula = regexp.MustCompile(`^[=+\-@\t\r\n]`)
	number  = regexp.MustCompile(`^-?\d+$`)
)

// What a page shows in tables is taken home as CSV and as a workbook: as many tables, as many rows, no formula, and by nobody who may not open the page.
func TestEveryTableIsTakenHome(t *testing.T) {
	s := aFullMorning(t)
	if _, err := s.db.ExecContext(t.Context(), `UPDATE agencies SET name = '=HYPERLINK("http://evil.example")' WHERE code = 'H10.12'`); err != nil {
		t.Fatal(err)
	}
	pages, o := pagesOf(s), s.browser().in(s.everybody())
	files, money := 0, 0
	for _, pattern := range slices.Sorted(maps.Keys(pages)) {
		for _, address := range pages[pattern] {
			shown := o.get(address)
			n := 0
			for _, table := range tables.FindAll(shown.body, -1) {
				if bytes.Count(table, []byte("<tr")) > 1 {
					n++
				}
			}
			link := "?"
			if strings.Contains(address, "?") {
				link = "&"
			}
			if n == 0 {
				continue
			}
			if !bytes.Contains(shown.body, []byte("as=xlsx")) {
				t.Errorf("%s has %d tables and no link to take them", address, n)
			}
			x := o.get(address + link + "as=xlsx")
			book, err := excelize.OpenReader(bytes.NewReader(x.body))
			if err != nil || !strings.Contains(x.header.Get("Content-Disposition"), ".xlsx") {
				t.Errorf("%s: %d %v %v", address, x.status, x.header, err)
				continue
			}
			files++
			if got := len(book.GetSheetList()); got != n {
				t.Errorf("%s: %d sheets of %d tables", address, got, n)
			}
			for _, sheet := range book.GetSheetList() {
				rows, err := book.GetRows(sheet)
				if err != nil || len(rows) < 2 {
					t.Errorf("%s, %s: %d rows %v", address, sheet, len(rows), err)
				}
				for r, row := range rows {
					for c, text := range row {
						cell, _ := excelize.CoordinatesToCellName(c+1, r+1)
						f, err := book.GetCellFormula(sheet, cell)
						kind, _ := book.GetCellType(sheet, cell)
						if isText := kind == excelize.CellTypeSharedString || kind == excelize.CellTypeInlineString; f != "" || err != nil || isText && formula.MatchString(text) {
							t.Errorf("%s, %s %s: %q is taken for a formula (%q, %v)", address, sheet, cell, text, f, err)
						} else if !isText && text != "" {
							money++
						}
					}
				}
			}
			_ = book.Close()
			c := o.get(address + link + "as=csv")
			r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(c.body, []byte("\ufeff"))))
			r.FieldsPerRecord = -1
			rows, err := r.ReadAll()
			if err != nil || !strings.HasPrefix(c.header.Get("Content-Type"), "text/csv") {
				t.Errorf("%s: %v %v", address, c.header, err)
			}
			for _, row := range rows {
				for _, text := range row {
					if formula.MatchString(text) && !number.MatchString(text) {
						t.Errorf("%s: %q is taken for a formula", address, text)
					}
				}
			}
		}
	}
	if files < 20 || money < 50 {
		t.Errorf("only %d files with %d numbers", files, money)
	}
	reporter := s.officer("chỉ báo cáo", []identity.Role{identity.Reporter})
	for _, as := range []string{"csv", "xlsx"} {
		if r := reporter.get("/console/discrepancies?as=" + as); r.status != http.StatusForbidden {
			t.Errorf("%s for who may not open the page: %d", as, r.status)
		}
		if r := s.browser().get("/console/users?as=" + as); r.status != http.StatusSeeOther {
			t.Errorf("%s for nobody: %d", as, r.status)
		}
	}
	if r := o.get("/console/upload?as=xlsx"); r.status != http.StatusNotFound {
		t.Errorf("a page without a table: %d", r.status)
	}
	if r := o.get("/console/discrepancies?as=exe"); r.status != http.StatusOK || !strings.Contains(r.header.Get("Content-Type"), "text/html") {
		t.Errorf("a kind that is none: %d", r.status)
	}
}
