package document

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

// Book is a workbook being written; the first failure is kept. The numbers are its styles.
type Book struct {
	File                                                        *excelize.File
	Err                                                         error
	Plain, Title, Center, Head, Money, Sum, Date, Moment, Label int
}

// NewBook begins a workbook of these sheets; its owner closes it.
func NewBook(sheets ...string) *Book {
	b := &Book{File: excelize.NewFile()}
	b.styles()
	for i, s := range sheets {
		if i == 0 {
			b.Do(b.File.SetSheetName("Sheet1", s))
			continue
		}
		_, err := b.File.NewSheet(s)
		b.Do(err)
	}
	return b
}

// Bytes ends the workbook; at is its time.
func (b *Book) Bytes(title string, at time.Time) ([]byte, error) {
	b.Do(b.File.SetDocProps(&excelize.DocProperties{Title: title, Creator: "feegate", Language: "vi-VN", Created: at.UTC().Format(time.RFC3339), Modified: at.UTC().Format(time.RFC3339)}))
	var out bytes.Buffer
	if b.Err == nil {
		_, b.Err = b.File.WriteTo(&out)
	}
	if b.Err != nil {
		return nil, fmt.Errorf("writing a workbook: %w", b.Err)
	}
	return out.Bytes(), nil
}

// Close frees what the workbook holds.
func (b *Book) Close() { _ = b.File.Close() } // it has no files of its own

// Do keeps an error.
func (b *Book) Do(err error) { b.Err = errors.Join(b.Err, err) }

// Style makes a style of the house's typeface.
func (b *Book) Style(s excelize.Style) int {
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
	n, err := b.File.NewStyle(&s)
	b.Do(err)
	return n
}

func (b *Book) styles() {
	line := []excelize.Border{}
	for _, side := range []string{"left", "top", "right", "bottom"} {
		line = append(line, excelize.Border{Type: side, Color: "808080", Style: 1})
	}
	money, day, moment := `#,##0;-#,##0;0`, "dd/mm/yyyy", "dd/mm/yyyy hh:mm"
	b.Plain = b.Style(excelize.Style{Border: line})
	b.Label = b.Style(excelize.Style{})
	b.Title = b.Style(excelize.Style{Font: &excelize.Font{Bold: true, Size: 15}, Alignment: &excelize.Alignment{Horizontal: "center"}})
	b.Center = b.Style(excelize.Style{Font: &excelize.Font{Bold: true}, Alignment: &excelize.Alignment{Horizontal: "center"}})
	b.Head = b.Style(excelize.Style{Font: &excelize.Font{Bold: true}, Border: line, Alignment: &excelize.Alignment{Horizontal: "center"}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E8ECF0"}}})
	b.Money = b.Style(excelize.Style{Border: line, CustomNumFmt: &money, Alignment: &excelize.Alignment{Horizontal: "right"}})
	b.Sum = b.Style(excelize.Style{Font: &excelize.Font{Bold: true}, Border: line, CustomNumFmt: &money, Alignment: &excelize.Alignment{Horizontal: "right"}})
	b.Date = b.Style(excelize.Style{Border: line, CustomNumFmt: &day})
	b.Moment = b.Style(excelize.Style{Border: line, CustomNumFmt: &moment})
}

// Share is the style of a percentage with one decimal, whose value is a part of one.
func (b *Book) Share() int {
	percent := "0.0%"
	return b.Style(excelize.Style{CustomNumFmt: &percent, Alignment: &excelize.Alignment{Horizontal: "right"}})
}

// Cell names a cell by its column and row, from 1.
func Cell(col, row int) string {
	name, _ := excelize.CoordinatesToCellName(col, row) // both are positive
	return name
}

// Put writes a value with a style. A text that a spreadsheet could take for a formula once it is saved as CSV gets an apostrophe.
func (b *Book) Put(sheet string, col, row int, v any, style int) {
	at := Cell(col, row)
	switch x := v.(type) {
	case string:
		b.Do(b.File.SetCellStr(sheet, at, Harmless(x)))
	case vnd.Signed:
		b.Do(b.File.SetCellInt(sheet, at, int64(x)))
	case vnd.Amount:
		b.Do(b.File.SetCellInt(sheet, at, int64(x)))
	default:
		b.Do(b.File.SetCellValue(sheet, at, v))
	}
	b.Do(b.File.SetCellStyle(sheet, at, at, style))
}

// Harmless keeps a spreadsheet from taking a text for a formula: what begins like one gets an apostrophe.
func Harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}

// Formula writes a sum that stays alive, with what it comes to for programs that do not calculate.
func (b *Book) Formula(sheet string, col, row int, formula string, value int64, style int) {
	b.Put(sheet, col, row, value, style)
	b.Do(b.File.SetCellFormula(sheet, Cell(col, row), formula))
}

// Table heads a sheet and sets its widths; its rows begin at 3.
func (b *Book) Table(sheet, title string, columns ...string) {
	b.Put(sheet, 1, 1, title, b.Title)
	b.Do(b.File.MergeCell(sheet, Cell(1, 1), Cell(len(columns), 1)))
	for i, c := range columns {
		name, width, _ := strings.Cut(c, "|")
		w, err := strconv.ParseFloat(width, 64)
		b.Do(err)
		letter, _ := excelize.ColumnNumberToName(i + 1)
		b.Do(b.File.SetColWidth(sheet, letter, letter, w))
		b.Put(sheet, i+1, 2, name, b.Head)
	}
	b.Do(b.File.SetPanes(sheet, &excelize.Panes{Freeze: true, YSplit: 2, TopLeftCell: "A3", ActivePane: "bottomLeft"}))
	b.Do(b.File.SetDefinedName(&excelize.DefinedName{Name: "_xlnm.Print_Titles", RefersTo: "'" + sheet + "'!$1:$2", Scope: sheet}))
}

// Sums writes the last row: a formula under each of the columns, and gives the row.
func (b *Book) Sums(sheet string, last int, values map[int]int64) int {
	row := last + 1
	b.Put(sheet, 1, row, "Cộng", b.Head)
	for col, v := range values {
		letter, _ := excelize.ColumnNumberToName(col)
		formula := "SUM(" + letter + "3:" + letter + strconv.Itoa(max(last, 3)) + ")"
		if last < 3 { // no rows: the sum would be over itself
			formula = "0"
		}
		b.Formula(sheet, col, row, formula, v, b.Sum)
	}
	return row
}

// Print sets a sheet up for A4: the minutes upright, lists lying, as wide as the page.
func (b *Book) Print(sheet string, upright bool, foot string) {
	a4, wide, tall, fit, way := 9, 1, 0, true, "landscape"
	if upright {
		way = "portrait"
	}
	b.Do(b.File.SetPageLayout(sheet, &excelize.PageLayoutOptions{Size: &a4, Orientation: &way, FitToWidth: &wide, FitToHeight: &tall}))
	b.Do(b.File.SetSheetProps(sheet, &excelize.SheetPropsOptions{FitToPage: &fit}))
	margin, center := 0.6, true
	b.Do(b.File.SetPageMargins(sheet, &excelize.PageLayoutMarginsOptions{Left: &margin, Right: &margin, Top: &margin, Bottom: &margin, Horizontally: &center}))
	b.Do(b.File.SetHeaderFooter(sheet, &excelize.HeaderFooterOptions{OddFooter: "&L" + foot + "&CTrang &P/&N&R&A"}))
}
