package reconciliation

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"feegate/gateway/account"
)

// letters of a typeface, by the table that maps Unicode to its shapes (format 4).
func letters(t *testing.T, font []byte) map[rune]bool {
	t.Helper()
	at := func(b []byte, i int) int { return int(binary.BigEndian.Uint16(b[i:])) }
	for i := range at(font, 4) {
		entry := font[12+16*i:]
		if string(entry[:4]) != "cmap" {
			continue
		}
		cmap := font[binary.BigEndian.Uint32(entry[8:]):]
		for k := range at(cmap, 2) {
			sub := cmap[binary.BigEndian.Uint32(cmap[8+8*k:]):]
			if at(sub, 0) != 4 {
				continue
			}
			has, n := map[rune]bool{}, at(sub, 6)/2
			for s := range n {
				end, start, delta, offset := at(sub, 14+2*s), at(sub, 16+2*n+2*s), at(sub, 16+4*n+2*s), at(sub, 16+6*n+2*s)
				for c := start; c <= end && c < 0xffff; c++ {
					glyph := (c + delta) & 0xffff
					if offset != 0 {
						glyph = at(sub, 16+6*n+2*s+offset+2*(c-start))
					}
					if glyph != 0 {
						has[rune(c)] = true
					}
				}
			}
			return has
		}
	}
	t.Fatal("no table of letters")
	return nil
}

func TestTheTypefaceHasEveryVietnameseLetter(t *testing.T) {
	const marks = "\u0300\u0301\u0303\u0309\u0323"
	all := "ăâđêôơưĂÂĐÊÔƠƯ" + "àáảãạằắẳẵặầấẩẫậèéẻẽẹềếểễệìíỉĩịòóỏõọồốổỗộờớởỡợùúủũụừứửữựỳýỷỹỵ" + "₫−–…·“”" + marks
	all += strings.ToUpper(all)
	for c := rune(0x20); c < 0x7f; c++ {
		all += string(c)
	}
	for name, font := range map[string][]byte{"regular": serif, "bold": serifBold} {
		has := letters(t, font)
		for _, c := range all {
			if !has[c] {
				t.Errorf("%s has no %q (%U)", name, c, c)
			}
		}
	}
}

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
