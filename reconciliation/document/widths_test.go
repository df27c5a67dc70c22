package document

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A number is one word: it stands on one line, whatever the columns ask for, and so does each word of the head; a table is no wider than its page.
func TestNoNumberIsBroken(t *testing.T) {
	columns := []Column{{"Đơn vị", 34, "L"}}
	row := []string{"Ủy ban nhân dân phường Đồng Xoài, tỉnh Đồng Nai"}
	for i := range 21 {
		columns = append(columns, Column{fmt.Sprintf("Tăng/giảm %d", i), 10, "R"})
		row = append(row, "1.234.567")
	}
	p := NewSheet(false, "x", "x", time.Now())
	p.Size = 6.5
	w := p.widths(columns, [][]string{row})
	var all float64
	for i := range columns {
		all += w[i]
		words := strings.Fields(columns[i].Name)
		if i > 0 {
			words = append(words, row[i])
		}
		p.SetFont("serif", "B", p.Size)
		for _, word := range words {
			if n := len(p.SplitText(word, w[i])); n != 1 {
				t.Errorf("column %d: %s stands on %d lines", i, word, n)
			}
		}
	}
	if all > p.Width+0.01 {
		t.Errorf("%.1f mm wide, the page has %.1f", all, p.Width)
	}
}
