package reconciliation

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"feegate/gateway/account"
)

// What others wrote stays text, wherever the workbook goes.
func TestNoCellOfTheMinutesIsAFormulaOfOthers(t *testing.T) {
	at, evil := time.Date(2026, 3, 11, 2, 0, 0, 0, time.UTC), `=HYPERLINK("http://x","y")`
	m := &Minutes{Account: &account.Account{ID: "acc_x", Provider: "momo", Terminal: "+1"}, Agency: "@cmd", From: "2026-03-10", To: "2026-03-10", AsOf: at, people: map[string]string{"usr_1": "-1+1"},
		Days:    []MinutesDay{{DayState: DayState{Date: "2026-03-10", Status: dayOpen}, Figures: Figures{Discrepancies: []NamedDifference{{ID: "dis_1", Kind: evil, Status: "open", Owner: new("usr_1")}}}}},
		Refunds: []RefundRow{{ID: "rfd_1", Payment: "pay_1", Amount: 5, Transaction: evil, EffectiveAt: at, RequestedBy: "usr_1"}}}
	raw, err := m.XLSX()
	if err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, sheet := range book.GetSheetList() {
		rows, err := book.GetRows(sheet)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			for _, c := range row {
				if strings.Contains(c, "HYPERLINK") || strings.Contains(c, "-1+1") {
					seen++
					if !strings.HasPrefix(c, "'") {
						t.Errorf("%s: %q", sheet, c)
					}
				}
			}
		}
	}
	if seen < 5 {
		t.Errorf("%d cells seen", seen)
	}
	if v, _ := book.GetCellValue(sheetRefunds, "A3"); v != "11/03/2026 09:00" {
		t.Errorf("the time of a refund is %q", v)
	}
	if kind, _ := book.GetCellType(sheetRefunds, "B3"); kind != excelize.CellTypeUnset && kind != excelize.CellTypeNumber {
		t.Errorf("an amount is %v", kind)
	}
	if _, err := m.PDF(); err != nil {
		t.Error(err)
	}
}
