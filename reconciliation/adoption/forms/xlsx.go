package forms

import (
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"feegate/reconciliation/adoption"
	"feegate/reconciliation/document"
)

// XLSX writes forms as a workbook, a sheet each: numbers are numbers, dates are dates, totals are formulas over their rows, and every sheet prints on A4.
func XLSX(forms []*Form) ([]byte, error) {
	if len(forms) == 0 {
		return nil, errNone
	}
	names := make([]string, len(forms))
	for i, f := range forms {
		names[i] = f.ID
	}
	b := &book{Book: document.NewBook(names...)}
	defer b.Close()
	b.percents()
	for _, f := range forms {
		b.sheet(f)
		b.Print(f.ID, false, strings.ReplaceAll(f.foot(), "&", "&&"))
	}
	title := forms[0].Title
	if len(forms) > 1 {
		title = "Biểu mẫu báo cáo"
	}
	return b.Bytes(title, forms[0].Head.MadeAt)
}

// book is the workbook with the styles that forms have besides.
type book struct {
	*document.Book
	percent, percentSum, points, pointsSum int
}

func (b *book) percents() {
	line := []excelize.Border{}
	for _, side := range []string{"left", "top", "right", "bottom"} {
		line = append(line, excelize.Border{Type: side, Color: "808080", Style: 1})
	}
	right := func() *excelize.Alignment { return &excelize.Alignment{Horizontal: "right"} }
	percent, points := "0.0%", "+0.0;-0.0;0.0"
	b.percent = b.Style(excelize.Style{Border: line, CustomNumFmt: &percent, Alignment: right()})
	b.percentSum = b.Style(excelize.Style{Font: &excelize.Font{Bold: true}, Border: line, CustomNumFmt: &percent, Alignment: right()})
	b.points = b.Style(excelize.Style{Border: line, CustomNumFmt: &points, Alignment: right()})
	b.pointsSum = b.Style(excelize.Style{Font: &excelize.Font{Bold: true}, Border: line, CustomNumFmt: &points, Alignment: right()})
}

func (b *book) sheet(f *Form) {
	width := 6
	for _, t := range f.Tables {
		width = max(width, len(t.Columns))
		for i, c := range t.Columns {
			letter, _ := excelize.ColumnNumberToName(i + 1)
			if now, err := b.File.GetColWidth(f.ID, letter); err == nil && c.Width > now || t == f.Tables[0] {
				b.Do(b.File.SetColWidth(f.ID, letter, letter, c.Width))
			}
		}
	}
	row := 0
	across := func(text string, style int) {
		row++
		b.Put(f.ID, 1, row, text, style)
		b.Do(b.File.MergeCell(f.ID, document.Cell(1, row), document.Cell(width, row)))
	}
	across("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", b.Center)
	across("Độc lập – Tự do – Hạnh phúc", b.Center)
	row++
	across(f.ID+". "+f.Title, b.Title)
	if !f.Final() {
		across(Draft, b.Center)
	}
	row++
	for _, x := range f.facts() {
		row++
		b.Put(f.ID, 1, row, x.Name, b.Label)
		b.Do(b.File.MergeCell(f.ID, document.Cell(1, row), document.Cell(3, row)))
		b.Put(f.ID, 4, row, x.Value, b.Label)
		b.Do(b.File.MergeCell(f.ID, document.Cell(4, row), document.Cell(width, row)))
	}
	for _, t := range f.Tables {
		row += 2
		if t.Title != "" {
			b.Put(f.ID, 1, row, t.Title, b.Label)
			b.Do(b.File.MergeCell(f.ID, document.Cell(1, row), document.Cell(width, row)))
			row++
		}
		row = b.tableAt(f.ID, t, row)
	}
	row++
	for _, w := range append(append([]string{}, f.Words...), f.Notes...) {
		across(w, b.Label)
		b.Do(b.File.SetRowHeight(f.ID, row, 32))
	}
	row += 2
	for i, who := range []string{"NGƯỜI LẬP BIỂU", "NGƯỜI DUYỆT", "THỦ TRƯỞNG ĐƠN VỊ"} {
		first := 1 + i*(width/3)
		b.Put(f.ID, first, row, who, b.Center)
		b.Do(b.File.MergeCell(f.ID, document.Cell(first, row), document.Cell(first+max(width/3, 1)-1, row)))
	}
}

// tableAt writes a table whose head stands in a row, and gives its last row.
func (b *book) tableAt(sheet string, t *Table, head int) int {
	for i, c := range t.Columns {
		b.Put(sheet, i+1, head, c.Name, b.Head)
	}
	b.Do(b.File.SetRowHeight(sheet, head, 48))
	row := head
	for _, cells := range t.Rows {
		row++
		lines := 1
		for i, v := range cells {
			b.cell(sheet, i+1, row, t.Columns[i].Kind, v, false)
			if text, ok := v.(string); ok { // a workbook does not measure its letters: so many to a line
				lines = max(lines, (len([]rune(text))-1)/max(int(t.Columns[i].Width), 1)+1)
			}
		}
		if lines > 1 {
			b.Do(b.File.SetRowHeight(sheet, row, float64(min(lines, 8))*16.5))
		}
	}
	if len(t.Rows) == 0 && t.Empty != "" {
		row++
		b.Put(sheet, 1, row, t.Empty, b.Label)
		b.Do(b.File.MergeCell(sheet, document.Cell(1, row), document.Cell(len(t.Columns), row)))
	}
	if t.Total == nil {
		return row
	}
	last := row
	row++
	for i, v := range t.Total {
		n, whole := v.(int64)
		if t.Columns[i].Sum && whole && last > head && len(t.Rows) > 0 {
			letter, _ := excelize.ColumnNumberToName(i + 1)
			b.Formula(sheet, i+1, row, "SUM("+letter+strconv.Itoa(head+1)+":"+letter+strconv.Itoa(last)+")", n, b.Sum)
			continue
		}
		b.cell(sheet, i+1, row, t.Columns[i].Kind, v, true)
	}
	return row
}

func (b *book) cell(sheet string, col, row int, kind Kind, v any, strong bool) {
	text, number, percent, points := b.Plain, b.Money, b.percent, b.points
	if strong {
		text, number, percent, points = b.Head, b.Sum, b.percentSum, b.pointsSum
	}
	switch x := v.(type) {
	case adoption.Rate:
		if x.Denominator == 0 {
			b.Put(sheet, col, row, NothingHappened, text)
			return
		}
		b.Put(sheet, col, row, float64(x.Numerator)/float64(x.Denominator), percent)
	case int64:
		if kind == Points {
			b.Put(sheet, col, row, float64(x)/100, points)
			return
		}
		b.Put(sheet, col, row, x, number)
	case string:
		if kind == Date {
			b.Put(sheet, col, row, document.AsDate(x), b.Date)
			return
		}
		b.Put(sheet, col, row, x, text)
	default:
		b.Put(sheet, col, row, "", text)
	}
}
