package reconciliation

import (
	"fmt"
	"strconv"
	"strings"

	"feegate/gateway/vnd"
	"feegate/reconciliation/document"
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

// book is the workbook being written.
type book struct{ *document.Book }

// XLSX writes the minutes as a workbook: numbers are numbers, dates are dates, and every sum is a formula over the sheets behind it, so that
// who receives it can check it.
func (m *Minutes) XLSX() ([]byte, error) {
	b := &book{document.NewBook(sheetMain, sheetDays, sheetReasons, sheetOpen, sheetRefunds, sheetLate, sheetFiles)}
	defer b.Close()
	days := b.days(m)
	reasons := b.reasons(m)
	b.open(m)
	refunds := b.refunds(m)
	late := b.late(m)
	b.files(m)
	b.main(m, days, reasons, refunds, late)
	for _, s := range b.File.GetSheetList() {
		b.Print(s, s == sheetMain, MinutesDefinition)
	}
	raw, err := b.Bytes(m.title()+" "+m.period(), m.AsOf)
	if err != nil {
		return nil, fmt.Errorf("writing the minutes: %w", err)
	}
	return raw, nil
}

// main is the sheet that is printed and signed.
func (b *book) main(m *Minutes, days, reasons, refunds, late int) {
	for letter, width := range map[string]float64{"A": 26, "B": 22, "C": 20, "D": 24} {
		b.Do(b.File.SetColWidth(sheetMain, letter, letter, width))
	}
	row := 0
	across := func(text string, style int) {
		row++
		b.Put(sheetMain, 1, row, text, style)
		b.Do(b.File.MergeCell(sheetMain, document.Cell(1, row), document.Cell(4, row)))
	}
	across("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", b.Center)
	across("Độc lập – Tự do – Hạnh phúc", b.Center)
	row++
	across(m.title(), b.Title)
	across(m.period(), b.Center)
	if !m.Signed() {
		across(Draft, b.Title)
	}
	row++
	for _, f := range m.head() {
		row++
		b.Put(sheetMain, 1, row, f.Name, b.Label)
		b.Put(sheetMain, 2, row, f.Value, b.Label)
		b.Do(b.File.MergeCell(sheetMain, document.Cell(2, row), document.Cell(4, row)))
		if len(f.Value) > 50 {
			b.Do(b.File.SetRowHeight(sheetMain, row, 32))
		}
	}
	row += 2
	for i, h := range []string{"Chỉ tiêu", "", "Số giao dịch", "Số tiền (đ)"} {
		b.Put(sheetMain, i+1, row, h, b.Head)
	}
	b.Do(b.File.MergeCell(sheetMain, document.Cell(1, row), document.Cell(2, row)))
	first := row + 1
	at := func(n int) string { return "D" + strconv.Itoa(first+n) } // the amount of the n-th figure
	of := func(sheet, col string, row int) string { return "'" + sheet + "'!" + col + strconv.Itoa(row) }
	counts := []string{of(sheetDays, "C", days), "", of(sheetDays, "F", days), "", "", "", of(sheetDays, "J", days), "", "", of(sheetDays, "L", days), "", "", ""}
	amounts := []string{of(sheetDays, "D", days), of(sheetLate, "E", late), of(sheetDays, "G", days), at(0) + "-" + at(2), of(sheetReasons, "E", reasons), at(3) + "-" + at(4), of(sheetDays, "K", days), of(sheetDays, "H", days),
		of(sheetDays, "I", days), of(sheetDays, "M", days), at(8) + "-" + at(9), of(sheetReasons, "F", reasons), at(10) + "-" + at(11)}
	for i, f := range m.rows() {
		row++
		style, text := b.Money, b.Plain
		if f.strong {
			style, text = b.Sum, b.Head
		}
		b.Put(sheetMain, 1, row, strings.TrimSpace(f.name), text)
		b.Put(sheetMain, 2, row, "", text)
		b.Do(b.File.MergeCell(sheetMain, document.Cell(1, row), document.Cell(2, row)))
		switch {
		case f.count == nil:
			b.Put(sheetMain, 3, row, "", style)
		case counts[i] == "":
			b.Put(sheetMain, 3, row, *f.count, style)
		default:
			b.Formula(sheetMain, 3, row, counts[i], *f.count, style)
		}
		b.Formula(sheetMain, 4, row, amounts[i], int64(f.amount), style)
	}
	row++
	across("Tổng thu theo feegate bằng chữ: "+m.Total.Payments.Amount.Words()+".", b.Label)
	across("Thực nhận theo quyết toán bằng chữ: "+m.Total.Settled.Net.Words()+".", b.Label)
	b.Do(b.File.SetRowHeight(sheetMain, row-1, 32))
	b.Do(b.File.SetRowHeight(sheetMain, row, 32))
	row++
	b.Put(sheetMain, 1, row, "Hoàn tiền trong kỳ (đ)", b.Label)
	b.Formula(sheetMain, 4, row, of(sheetRefunds, "B", refunds), int64(m.refunded()), b.Money)
	row += 3
	for i, who := range signatureBlocks() {
		b.Put(sheetMain, i+1, row, who, b.Center)
		b.Put(sheetMain, i+1, row+1, "(ký, ghi rõ họ tên)", b.Label)
	}
	if d := m.Days; len(d) == 1 {
		b.Put(sheetMain, 1, row+6, m.name(d[0].ClosedBy), b.Center)
		b.Put(sheetMain, 2, row+6, m.name(d[0].SignedBy), b.Center)
	}
}

// refunded is what was paid back in the period.
func (m *Minutes) refunded() (sum vnd.Signed) {
	for _, f := range m.Refunds {
		sum += vnd.Signed(f.Amount)
	}
	return sum
}

func itoa(n int) string { return strconv.Itoa(n) }
