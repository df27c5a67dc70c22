package reconciliation

import (
	"strconv"
	"time"

	"feegate/gateway/vnd"
)

// figure columns of the days' sheet, in order.
const (
	colPaidCount = iota + 3
	colPaid
	colLateAmount
	colSettledCount
	colSettled
	colFee
	colNet
	colMatchedCount
	colMatched
	colBankCount
	colBank
	colDifference
	colExplained
	colUnexplained
	colBankDifference
	colBankExplained
	colBankUnexplained
	colHash
)

func (b *book) days(m *Minutes) (total int) {
	b.table(sheetDays, "TỪNG NGÀY", "Ngày|12", "Trạng thái|16", "Số GD feegate|10", "feegate (đ)|16", "Trong đó điều chỉnh (đ)|14", "Số GD NCC|10", "Nhà cung cấp (đ)|16", "Phí (đ)|13", "Thực nhận (đ)|16", "Số GD khớp|10", "Đã khớp (đ)|16",
		"Số báo có|10", "Ngân hàng (đ)|16", "Chênh lệch (đ)|14", "Đã giải thích (đ)|14", "Chưa giải thích (đ)|14", "Chênh lệch phía NH (đ)|14", "Đã giải thích phía NH (đ)|14", "Chưa giải thích phía NH (đ)|14", "SHA-256|68")
	row := 2
	for i := range m.Days {
		d := &m.Days[i]
		row++
		at := strconv.Itoa(row)
		b.put(sheetDays, 1, row, asDate(d.DayState.Date), b.date)
		b.put(sheetDays, 2, row, statusName(d.Status), b.plain)
		for col, v := range map[int]int64{colPaidCount: d.Payments.Count, colPaid: int64(d.Payments.Amount), colLateAmount: int64(d.Adjustments.Amount), colSettledCount: d.Settled.Count, colSettled: int64(d.Settled.Amount), colFee: int64(d.Settled.Fee),
			colNet: int64(d.Settled.Net), colMatchedCount: d.Matched.Count, colMatched: int64(d.Matched.Amount), colBankCount: d.Bank.Count, colBank: int64(d.Bank.Amount), colExplained: int64(d.Explained), colBankExplained: int64(d.BankSide.Explained)} {
			b.put(sheetDays, col, row, v, b.money)
		}
		b.formula(sheetDays, colDifference, row, "D"+at+"-G"+at, int64(d.Difference), b.money)
		b.formula(sheetDays, colUnexplained, row, "N"+at+"-O"+at, int64(d.Unexplained), b.money)
		b.formula(sheetDays, colBankDifference, row, "I"+at+"-M"+at, int64(d.BankSide.Difference), b.money)
		b.formula(sheetDays, colBankUnexplained, row, "Q"+at+"-R"+at, int64(d.BankSide.Unexplained), b.money)
		sum := ""
		if d.SHA256 != nil {
			sum = *d.SHA256
		}
		b.put(sheetDays, colHash, row, sum, b.plain)
	}
	t := &m.Total
	return b.sums(sheetDays, row, map[int]int64{colPaidCount: t.Payments.Count, colPaid: int64(t.Payments.Amount), colLateAmount: int64(t.Adjustments.Amount), colSettledCount: t.Settled.Count, colSettled: int64(t.Settled.Amount),
		colFee: int64(t.Settled.Fee), colNet: int64(t.Settled.Net), colMatchedCount: t.Matched.Count, colMatched: int64(t.Matched.Amount), colBankCount: t.Bank.Count, colBank: int64(t.Bank.Amount), colDifference: int64(t.Difference),
		colExplained: int64(t.Explained), colUnexplained: int64(t.Unexplained), colBankDifference: int64(t.BankSide.Difference), colBankExplained: int64(t.BankSide.Explained), colBankUnexplained: int64(t.BankSide.Unexplained)})
}

func asDate(date string) any {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return t
}

// asTime is a time as Vietnamese clocks show it: a workbook knows no zones.
func asTime(t time.Time) time.Time {
	v := t.In(vietnam)
	return time.Date(v.Year(), v.Month(), v.Day(), v.Hour(), v.Minute(), v.Second(), 0, time.UTC)
}

// reasons lists what explains the differences, all of it: the sums of its columns are the minutes' explained differences.
func (b *book) reasons(m *Minutes) (total int) {
	b.table(sheetReasons, "GIẢI THÍCH CHÊNH LỆCH", "Ngày|12", "Sai lệch|26", "Tình trạng|14", "Số tiền (đ)|16", "Tác động feegate − NCC (đ)|18", "Tác động phía ngân hàng (đ)|18", "Hướng xử lý|24", "Mã|40")
	row := 2
	var effect, bank vnd.Signed
	for _, d := range m.Days {
		for _, n := range d.Discrepancies {
			row++
			b.put(sheetReasons, 1, row, asDate(d.DayState.Date), b.date)
			b.put(sheetReasons, 2, row, kindName(n.Kind), b.plain)
			b.put(sheetReasons, 3, row, map[bool]string{true: "Đã xử lý", false: "Còn mở"}[n.Status == "resolved"], b.plain)
			b.put(sheetReasons, 4, row, n.Amount, b.money)
			b.put(sheetReasons, 5, row, n.Effect, b.money)
			b.put(sheetReasons, 6, row, n.BankEffect, b.money)
			b.put(sheetReasons, 7, row, actionName(n.Action), b.plain)
			b.put(sheetReasons, 8, row, n.ID, b.plain)
			effect, bank = effect+n.Effect, bank+n.BankEffect
		}
	}
	return b.sums(sheetReasons, row, map[int]int64{5: int64(effect), 6: int64(bank)})
}

func (b *book) open(m *Minutes) {
	b.table(sheetOpen, "CHÊNH LỆCH CÒN MỞ", "Ngày|12", "Sai lệch|26", "Số tiền (đ)|16", "Hướng xử lý|24", "Người phụ trách|24", "Hạn|12", "Mã|40")
	row := 2
	var sum vnd.Signed
	for _, n := range m.Open() {
		row++
		b.put(sheetOpen, 1, row, asDate(n.Date), b.date)
		b.put(sheetOpen, 2, row, kindName(n.Kind), b.plain)
		b.put(sheetOpen, 3, row, n.Amount, b.money)
		b.put(sheetOpen, 4, row, actionName(n.Action), b.plain)
		b.put(sheetOpen, 5, row, m.name(n.Owner), b.plain)
		due := any("")
		if n.Deadline != nil {
			due = asDate(*n.Deadline)
		}
		b.put(sheetOpen, 6, row, due, b.date)
		b.put(sheetOpen, 7, row, n.ID, b.plain)
		sum += n.Amount
	}
	b.sums(sheetOpen, row, map[int]int64{3: int64(sum)})
}

func (b *book) refunds(m *Minutes) (total int) {
	b.table(sheetRefunds, "HOÀN TIỀN", "Lúc hoàn|18", "Số tiền (đ)|16", "Mã hoàn tiền|34", "Khoản nộp|34", "Mã giao dịch NCC|24", "Người đề nghị|22", "Người duyệt|22")
	row := 2
	var sum vnd.Signed
	for i := range m.Refunds {
		f := &m.Refunds[i]
		row++
		b.put(sheetRefunds, 1, row, asTime(f.EffectiveAt), b.moment)
		b.put(sheetRefunds, 2, row, f.Amount, b.money)
		b.put(sheetRefunds, 3, row, f.ID, b.plain)
		b.put(sheetRefunds, 4, row, f.Payment, b.plain)
		b.put(sheetRefunds, 5, row, f.Transaction, b.plain)
		b.put(sheetRefunds, 6, row, m.name(&f.RequestedBy), b.plain)
		b.put(sheetRefunds, 7, row, m.name(f.DecidedBy), b.plain)
		sum += vnd.Signed(f.Amount)
	}
	return b.sums(sheetRefunds, row, map[int]int64{2: int64(sum)})
}

func (b *book) late(m *Minutes) (total int) {
	b.table(sheetLate, "ĐIỀU CHỈNH CỦA NGÀY ĐÃ KHÓA SỔ", "Tính vào ngày|14", "Của ngày|14", "Lý do|28", "Số giao dịch|12", "Số tiền (đ)|16", "Giao dịch|34", "Ghi nhận lúc|18")
	row := 2
	all := m.Adjusted()
	for _, a := range all {
		row++
		b.put(sheetLate, 1, row, asDate(a.Date), b.date)
		b.put(sheetLate, 2, row, asDate(a.ForDate), b.date)
		b.put(sheetLate, 3, row, adjustmentName(a.Kind), b.plain)
		b.put(sheetLate, 4, row, a.N, b.money)
		b.put(sheetLate, 5, row, a.Amount, b.money)
		b.put(sheetLate, 6, row, a.Item, b.plain)
		b.put(sheetLate, 7, row, asTime(a.RecordedAt), b.moment)
	}
	return b.sums(sheetLate, row, map[int]int64{5: int64(signedOf(all))})
}

func (b *book) files(m *Minutes) {
	b.table(sheetFiles, "TỆP", "Ngày|12", "Của|16", "Số dòng|12", "Tổng tiền (đ)|16", "Mã nhập|34", "SHA-256|68")
	row := 2
	for _, d := range m.Days {
		for _, i := range d.Imports {
			row++
			b.put(sheetFiles, 1, row, asDate(d.DayState.Date), b.date)
			b.put(sheetFiles, 2, row, map[string]string{"statement": "Ngân hàng", "settlement": "Nhà cung cấp"}[i.Kind], b.plain)
			b.put(sheetFiles, 3, row, i.Lines, b.money)
			b.put(sheetFiles, 4, row, i.Amount, b.money)
			b.put(sheetFiles, 5, row, i.ID, b.plain)
			b.put(sheetFiles, 6, row, i.SHA256, b.plain)
		}
	}
}
