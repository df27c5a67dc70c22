package reconciliation

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"feegate/gateway/vnd"
)

// The workbook's sheets: the minutes themselves, and what their figures are the sums of.
const (
	sheetMain    = "Biên bản"
	sheetDays    = "Từng ngày"
	sheetReasons = "Giải thích chênh lệch"
	sheetOpen    = "Chênh lệch còn mở"
	sheetRefunds = "Hoàn tiền"
	sheetLate    = "Điều chỉnh"
	sheetFiles   = "Tệp"
)

// book is a workbook being written; the first failure is kept.
type book struct {
	f                                                           *excelize.File
	err                                                         error
	plain, title, center, head, money, sum, date, moment, label int
}

// XLSX writes the minutes as a workbook: numbers are numbers, dates are dates, and every sum is a formula over the sheets behind it, so that
// who receives it can check it.
func (m *Minutes) XLSX() ([]byte, error) {
	b := &book{f: excelize.NewFile()}
	defer func() { _ = b.f.Close() }()
	b.styles()
	b.do(b.f.SetSheetName("Sheet1", sheetMain))
	for _, s := range []string{sheetDays, sheetReasons, sheetOpen, sheetRefunds, sheetLate, sheetFiles} {
		_, err := b.f.NewSheet(s)
		b.do(err)
	}
	days := b.days(m)
	reasons := b.reasons(m)
	b.open(m)
	refunds := b.refunds(m)
	late := b.late(m)
	b.files(m)
	b.main(m, days, reasons, refunds, late)
	for _, s := range b.f.GetSheetList() {
		b.print(s, s == sheetMain)
	}
	b.do(b.f.SetDocProps(&excelize.DocProperties{Title: m.title() + " " + m.period(), Creator: "feegate", Language: "vi-VN", Created: m.AsOf.UTC().Format(time.RFC3339), Modified: m.AsOf.UTC().Format(time.RFC3339)}))
	var out bytes.Buffer
	if b.err == nil {
		_, b.err = b.f.WriteTo(&out)
	}
	if b.err != nil {
		return nil, fmt.Errorf("writing the minutes: %w", b.err)
	}
	return out.Bytes(), nil
}

func (b *book) do(err error) { b.err = errors.Join(b.err, err) }

func (b *book) style(s excelize.Style) int {
	if s.Font == nil {
		s.Font = &excelize.Font{}
	}
	s.Font.Family = "Times New Roman"
	if s.Font.Size == 0 {
		s.Font.Size = 12
	}
	if s.Alignment == nil {
		s.Alignment = &excelize.Alignment{}
	}
	s.Alignment.Vertical, s.Alignment.WrapText = "center", true
	n, err := b.f.NewStyle(&s)
	b.do(err)
	return n
}

func (b *book) styles() {
	line := []excelize.Border{}
	for _, side := range []string{"left", "top", "right", "bottom"} {
		line = append(line, excelize.Border{Type: side, Color: "808080", Style: 1})
	}
	money, day, moment := `#,##0;-#,##0;0`, "dd/mm/yyyy", "dd/mm/yyyy hh:mm"
	b.plain = b.style(excelize.Style{Border: line})
	b.label = b.style(excelize.Style{})
	b.title = b.style(excelize.Style{Font: &excelize.Font{Bold: true, Size: 15}, Alignment: &excelize.Alignment{Horizontal: "center"}})
	b.center = b.style(excelize.Style{Font: &excelize.Font{Bold: true}, Alignment: &excelize.Alignment{Horizontal: "center"}})
	b.head = b.style(excelize.Style{Font: &excelize.Font{Bold: true}, Border: line, Alignment: &excelize.Alignment{Horizontal: "center"}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E8ECF0"}}})
	b.money = b.style(excelize.Style{Border: line, CustomNumFmt: &money, Alignment: &excelize.Alignment{Horizontal: "right"}})
	b.sum = b.style(excelize.Style{Font: &excelize.Font{Bold: true}, Border: line, CustomNumFmt: &money, Alignment: &excelize.Alignment{Horizontal: "right"}})
	b.date = b.style(excelize.Style{Border: line, CustomNumFmt: &day})
	b.moment = b.style(excelize.Style{Border: line, CustomNumFmt: &moment})
}

func cell(col, row int) string {
	name, _ := excelize.CoordinatesToCellName(col, row) // both are positive
	return name
}

// put writes a value with a style. A text that a spreadsheet could take for a formula once it is saved as CSV gets an apostrophe.
func (b *book) put(sheet string, col, row int, v any, style int) {
	at := cell(col, row)
	switch x := v.(type) {
	case string:
		b.do(b.f.SetCellStr(sheet, at, harmless(x)))
	case vnd.Signed:
		b.do(b.f.SetCellInt(sheet, at, int64(x)))
	case vnd.Amount:
		b.do(b.f.SetCellInt(sheet, at, int64(x)))
	default:
		b.do(b.f.SetCellValue(sheet, at, v))
	}
	b.do(b.f.SetCellStyle(sheet, at, at, style))
}

func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}

// formula writes a sum that stays alive, with what it comes to for programs that do not calculate.
func (b *book) formula(sheet string, col, row int, formula string, value int64, style int) {
	b.put(sheet, col, row, value, style)
	b.do(b.f.SetCellFormula(sheet, cell(col, row), formula))
}

// table heads a sheet and sets its widths; its rows begin at 3.
func (b *book) table(sheet, title string, columns ...string) {
	b.put(sheet, 1, 1, title, b.title)
	b.do(b.f.MergeCell(sheet, cell(1, 1), cell(len(columns), 1)))
	for i, c := range columns {
		name, width, _ := strings.Cut(c, "|")
		w, err := strconv.ParseFloat(width, 64)
		b.do(err)
		letter, _ := excelize.ColumnNumberToName(i + 1)
		b.do(b.f.SetColWidth(sheet, letter, letter, w))
		b.put(sheet, i+1, 2, name, b.head)
	}
	b.do(b.f.SetPanes(sheet, &excelize.Panes{Freeze: true, YSplit: 2, TopLeftCell: "A3", ActivePane: "bottomLeft"}))
	b.do(b.f.SetDefinedName(&excelize.DefinedName{Name: "_xlnm.Print_Titles", RefersTo: "'" + sheet + "'!$1:$2", Scope: sheet}))
}

// sums writes the last row: a formula under each of the columns, and gives the row.
func (b *book) sums(sheet string, last int, values map[int]int64) int {
	row := last + 1
	b.put(sheet, 1, row, "Cộng", b.head)
	for col, v := range values {
		letter, _ := excelize.ColumnNumberToName(col)
		formula := "SUM(" + letter + "3:" + letter + strconv.Itoa(max(last, 3)) + ")"
		if last < 3 { // no rows: the sum would be over itself
			formula = "0"
		}
		b.formula(sheet, col, row, formula, v, b.sum)
	}
	return row
}

// main is the sheet that is printed and signed.
func (b *book) main(m *Minutes, days, reasons, refunds, late int) {
	for letter, width := range map[string]float64{"A": 26, "B": 22, "C": 20, "D": 24} {
		b.do(b.f.SetColWidth(sheetMain, letter, letter, width))
	}
	row := 0
	across := func(text string, style int) {
		row++
		b.put(sheetMain, 1, row, text, style)
		b.do(b.f.MergeCell(sheetMain, cell(1, row), cell(4, row)))
	}
	across("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", b.center)
	across("Độc lập – Tự do – Hạnh phúc", b.center)
	row++
	across(m.title(), b.title)
	across(m.period(), b.center)
	if !m.Signed() {
		across(Draft, b.title)
	}
	row++
	for _, f := range m.head() {
		row++
		b.put(sheetMain, 1, row, f.name, b.label)
		b.put(sheetMain, 2, row, f.value, b.label)
		b.do(b.f.MergeCell(sheetMain, cell(2, row), cell(4, row)))
		if len(f.value) > 50 {
			b.do(b.f.SetRowHeight(sheetMain, row, 32))
		}
	}
	row += 2
	for i, h := range []string{"Chỉ tiêu", "", "Số giao dịch", "Số tiền (đ)"} {
		b.put(sheetMain, i+1, row, h, b.head)
	}
	b.do(b.f.MergeCell(sheetMain, cell(1, row), cell(2, row)))
	first := row + 1
	at := func(n int) string { return "D" + strconv.Itoa(first+n) } // the amount of the n-th figure
	of := func(sheet, col string, row int) string { return "'" + sheet + "'!" + col + strconv.Itoa(row) }
	counts := []string{of(sheetDays, "C", days), "", of(sheetDays, "F", days), "", "", "", of(sheetDays, "J", days), "", "", of(sheetDays, "L", days), "", "", ""}
	amounts := []string{of(sheetDays, "D", days), of(sheetLate, "E", late), of(sheetDays, "G", days), at(0) + "-" + at(2), of(sheetReasons, "E", reasons), at(3) + "-" + at(4), of(sheetDays, "K", days), of(sheetDays, "H", days),
		of(sheetDays, "I", days), of(sheetDays, "M", days), at(8) + "-" + at(9), of(sheetReasons, "F", reasons), at(10) + "-" + at(11)}
	for i, f := range m.rows() {
		row++
		style, text := b.money, b.plain
		if f.strong {
			style, text = b.sum, b.head
		}
		b.put(sheetMain, 1, row, strings.TrimSpace(f.name), text)
		b.put(sheetMain, 2, row, "", text)
		b.do(b.f.MergeCell(sheetMain, cell(1, row), cell(2, row)))
		switch {
		case f.count == nil:
			b.put(sheetMain, 3, row, "", style)
		case counts[i] == "":
			b.put(sheetMain, 3, row, *f.count, style)
		default:
			b.formula(sheetMain, 3, row, counts[i], *f.count, style)
		}
		b.formula(sheetMain, 4, row, amounts[i], int64(f.amount), style)
	}
	row++
	across("Tổng thu theo feegate bằng chữ: "+m.Total.Payments.Amount.Words()+".", b.label)
	across("Thực nhận theo quyết toán bằng chữ: "+m.Total.Settled.Net.Words()+".", b.label)
	b.do(b.f.SetRowHeight(sheetMain, row-1, 32))
	b.do(b.f.SetRowHeight(sheetMain, row, 32))
	row++
	b.put(sheetMain, 1, row, "Hoàn tiền trong kỳ (đ)", b.label)
	b.formula(sheetMain, 4, row, of(sheetRefunds, "B", refunds), int64(m.refunded()), b.money)
	row += 3
	for i, who := range signatureBlocks() {
		b.put(sheetMain, i+1, row, who, b.center)
		b.put(sheetMain, i+1, row+1, "(ký, ghi rõ họ tên)", b.label)
	}
	if d := m.Days; len(d) == 1 {
		b.put(sheetMain, 1, row+6, m.name(d[0].ClosedBy), b.center)
		b.put(sheetMain, 2, row+6, m.name(d[0].SignedBy), b.center)
	}
}

// refunded is what was paid back in the period.
func (m *Minutes) refunded() (sum vnd.Signed) {
	for _, f := range m.Refunds {
		sum += vnd.Signed(f.Amount)
	}
	return sum
}

// print sets a sheet up for A4: the minutes upright, lists lying, as wide as the page.
func (b *book) print(sheet string, upright bool) {
	a4, wide, tall, fit, way := 9, 1, 0, true, "landscape"
	if upright {
		way = "portrait"
	}
	b.do(b.f.SetPageLayout(sheet, &excelize.PageLayoutOptions{Size: &a4, Orientation: &way, FitToWidth: &wide, FitToHeight: &tall}))
	b.do(b.f.SetSheetProps(sheet, &excelize.SheetPropsOptions{FitToPage: &fit}))
	margin, center := 0.6, true
	b.do(b.f.SetPageMargins(sheet, &excelize.PageLayoutMarginsOptions{Left: &margin, Right: &margin, Top: &margin, Bottom: &margin, Horizontally: &center}))
	b.do(b.f.SetHeaderFooter(sheet, &excelize.HeaderFooterOptions{OddFooter: "&L" + MinutesDefinition + "&CTrang &P/&N&R&A"}))
}

func itoa(n int) string { return strconv.Itoa(n) }
