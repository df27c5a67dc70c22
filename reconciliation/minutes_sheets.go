package reconciliation

import (
	"strconv"

	"feegate/gateway/vnd"
	"feegate/reconciliation/document"
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
	b.Table(sheetDays, "TỪNG NGÀY", "Ngày|12", "Trạng thái|16", "Số GD feegate|10", "feegate (đ)|16", "Trong đó điều chỉnh (đ)|14", "Số GD NCC|10", "Nhà cung cấp (đ)|16", "Phí (đ)|13", "Thực nhận (đ)|16", "Số GD khớp|10", "Đã khớp (đ)|16",
		"Số báo có|10", "Ngân hàng (đ)|16", "Chênh lệch (đ)|14", "Đã giải thích (đ)|14", "Chưa giải thích (đ)|14", "Chênh lệch phía NH (đ)|14", "Đã giải thích phía NH (đ)|14", "Chưa giải thích phía NH (đ)|14", "SHA-256|68")
	row := 2
	for i := range m.Days {
		d := &m.Days[i]
		row++
		at := strconv.Itoa(row)
		b.Put(sheetDays, 1, row, document.AsDate(d.DayState.Date), b.Date)
		b.Put(sheetDays, 2, row, statusName(d.Status), b.Plain)
		for col, v := range map[int]int64{colPaidCount: d.Payments.Count, colPaid: int64(d.Payments.Amount), colLateAmount: int64(d.Adjustments.Amount), colSettledCount: d.Settled.Count, colSettled: int64(d.Settled.Amount), colFee: int64(d.Settled.Fee),
			colNet: int64(d.Settled.Net), colMatchedCount: d.Matched.Count, colMatched: int64(d.Matched.Amount), colBankCount: d.Bank.Count, colBank: int64(d.Bank.Amount), colExplained: int64(d.Explained), colBankExplained: int64(d.BankSide.Explained)} {
			b.Put(sheetDays, col, row, v, b.Money)
		}
		b.Formula(sheetDays, colDifference, row, "D"+at+"-G"+at, int64(d.Difference), b.Money)
		b.Formula(sheetDays, colUnexplained, row, "N"+at+"-O"+at, int64(d.Unexplained), b.Money)
		b.Formula(sheetDays, colBankDifference, row, "I"+at+"-M"+at, int64(d.BankSide.Difference), b.Money)
		b.Formula(sheetDays, colBankUnexplained, row, "Q"+at+"-R"+at, int64(d.BankSide.Unexplained), b.Money)
		sum := ""
		if d.SHA256 != nil {
			sum = *d.SHA256
		}
		b.Put(sheetDays, colHash, row, sum, b.Plain)
	}
	t := &m.Total
	return b.Sums(sheetDays, row, map[int]int64{colPaidCount: t.Payments.Count, colPaid: int64(t.Payments.Amount), colLateAmount: int64(t.Adjustments.Amount), colSettledCount: t.Settled.Count, colSettled: int64(t.Settled.Amount),
		colFee: int64(t.Settled.Fee), colNet: int64(t.Settled.Net), colMatchedCount: t.Matched.Count, colMatched: int64(t.Matched.Amount), colBankCount: t.Bank.Count, colBank: int64(t.Bank.Amount), colDifference: int64(t.Difference),
		colExplained: int64(t.Explained), colUnexplained: int64(t.Unexplained), colBankDifference: int64(t.BankSide.Difference), colBankExplained: int64(t.BankSide.Explained), colBankUnexplained: int64(t.BankSide.Unexplained)})
}

// reasons lists what explains the differences, all of it: the sums of its columns are the minutes' explained differences.
func (b *book) reasons(m *Minutes) (total int) {
	b.Table(sheetReasons, "GIẢI THÍCH CHÊNH LỆCH", "Ngày|12", "Sai lệch|26", "Tình trạng|14", "Số tiền (đ)|16", "Tác động feegate − NCC (đ)|18", "Tác động phía ngân hàng (đ)|18", "Hướng xử lý|24", "Mã|40")
	row := 2
	var effect, bank vnd.Signed
	for _, d := range m.Days {
		for _, n := range d.Discrepancies {
			row++
			b.Put(sheetReasons, 1, row, document.AsDate(d.DayState.Date), b.Date)
			b.Put(sheetReasons, 2, row, kindName(n.Kind), b.Plain)
			b.Put(sheetReasons, 3, row, map[bool]string{true: "Đã xử lý", false: "Còn mở"}[n.Status == "resolved"], b.Plain)
			b.Put(sheetReasons, 4, row, n.Amount, b.Money)
			b.Put(sheetReasons, 5, row, n.Effect, b.Money)
			b.Put(sheetReasons, 6, row, n.BankEffect, b.Money)
			b.Put(sheetReasons, 7, row, actionName(n.Action), b.Plain)
			b.Put(sheetReasons, 8, row, n.ID, b.Plain)
			effect, bank = effect+n.Effect, bank+n.BankEffect
		}
	}
	return b.Sums(sheetReasons, row, map[int]int64{5: int64(effect), 6: int64(bank)})
}

func (b *book) open(m *Minutes) {
	b.Table(sheetOpen, "CHÊNH LỆCH CÒN MỞ", "Ngày|12", "Sai lệch|26", "Số tiền (đ)|16", "Hướng xử lý|24", "Người phụ trách|24", "Hạn|12", "Mã|40")
	row := 2
	var sum vnd.Signed
	for _, n := range m.Open() {
		row++
		b.Put(sheetOpen, 1, row, document.AsDate(n.Date), b.Date)
		b.Put(sheetOpen, 2, row, kindName(n.Kind), b.Plain)
		b.Put(sheetOpen, 3, row, n.Amount, b.Money)
		b.Put(sheetOpen, 4, row, actionName(n.Action), b.Plain)
		b.Put(sheetOpen, 5, row, m.name(n.Owner), b.Plain)
		due := any("")
		if n.Deadline != nil {
			due = document.AsDate(*n.Deadline)
		}
		b.Put(sheetOpen, 6, row, due, b.Date)
		b.Put(sheetOpen, 7, row, n.ID, b.Plain)
		sum += n.Amount
	}
	b.Sums(sheetOpen, row, map[int]int64{3: int64(sum)})
}

func (b *book) refunds(m *Minutes) (total int) {
	b.Table(sheetRefunds, "HOÀN TIỀN", "Lúc hoàn|18", "Số tiền (đ)|16", "Mã hoàn tiền|34", "Khoản nộp|34", "Mã giao dịch NCC|24", "Người đề nghị|22", "Người duyệt|22")
	row := 2
	var sum vnd.Signed
	for i := range m.Refunds {
		f := &m.Refunds[i]
		row++
		b.Put(sheetRefunds, 1, row, document.AsTime(f.EffectiveAt), b.Moment)
		b.Put(sheetRefunds, 2, row, f.Amount, b.Money)
		b.Put(sheetRefunds, 3, row, f.ID, b.Plain)
		b.Put(sheetRefunds, 4, row, f.Payment, b.Plain)
		b.Put(sheetRefunds, 5, row, f.Transaction, b.Plain)
		b.Put(sheetRefunds, 6, row, m.name(&f.RequestedBy), b.Plain)
		b.Put(sheetRefunds, 7, row, m.name(f.DecidedBy), b.Plain)
		sum += vnd.Signed(f.Amount)
	}
	return b.Sums(sheetRefunds, row, map[int]int64{2: int64(sum)})
}

func (b *book) late(m *Minutes) (total int) {
	b.Table(sheetLate, "ĐIỀU CHỈNH CỦA NGÀY ĐÃ KHÓA SỔ", "Tính vào ngày|14", "Của ngày|14", "Lý do|28", "Số giao dịch|12", "Số tiền (đ)|16", "Giao dịch|34", "Ghi nhận lúc|18")
	row := 2
	all := m.Adjusted()
	for _, a := range all {
		row++
		b.Put(sheetLate, 1, row, document.AsDate(a.Date), b.Date)
		b.Put(sheetLate, 2, row, document.AsDate(a.ForDate), b.Date)
		b.Put(sheetLate, 3, row, adjustmentName(a.Kind), b.Plain)
		b.Put(sheetLate, 4, row, a.N, b.Money)
		b.Put(sheetLate, 5, row, a.Amount, b.Money)
		b.Put(sheetLate, 6, row, a.Item, b.Plain)
		b.Put(sheetLate, 7, row, document.AsTime(a.RecordedAt), b.Moment)
	}
	return b.Sums(sheetLate, row, map[int]int64{5: int64(signedOf(all))})
}

func (b *book) files(m *Minutes) {
	b.Table(sheetFiles, "TỆP", "Ngày|12", "Của|16", "Số dòng|12", "Tổng tiền (đ)|16", "Mã nhập|34", "SHA-256|68")
	row := 2
	for _, d := range m.Days {
		for _, i := range d.Imports {
			row++
			b.Put(sheetFiles, 1, row, document.AsDate(d.DayState.Date), b.Date)
			b.Put(sheetFiles, 2, row, map[string]string{"statement": "Ngân hàng", "settlement": "Nhà cung cấp"}[i.Kind], b.Plain)
			b.Put(sheetFiles, 3, row, i.Lines, b.Money)
			b.Put(sheetFiles, 4, row, i.Amount, b.Money)
			b.Put(sheetFiles, 5, row, i.ID, b.Plain)
			b.Put(sheetFiles, 6, row, i.SHA256, b.Plain)
		}
	}
}
