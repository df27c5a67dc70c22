package console

import (
	"testing"

	"feegate/gateway/vnd"
	"feegate/reconciliation"
)

// TestBothSidesOfADayCount holds the word for a day to what both of its sides leave unexplained.
func TestBothSidesOfADayCount(t *testing.T) {
	day := func(files int64, left, bankLeft, net, bank vnd.Signed, kinds ...string) *reconciliation.Day {
		d := &reconciliation.Day{Files: files, Discrepancies: map[string]int{}, Payments: reconciliation.CountAmount{Count: 2, Amount: 100 + left}, Settled: reconciliation.Settled{Count: 2, Amount: 100, Net: net}}
		d.Unexplained, d.Difference = left, left
		d.Bank.Amount = bank
		if bank != 0 {
			d.Bank.Count = 1
		}
		d.BankSide = reconciliation.Sides{Difference: net - bank, Explained: net - bank - bankLeft, Unexplained: bankLeft}
		for _, k := range kinds {
			d.Discrepancies[k]++
		}
		return d
	}
	for want, d := range map[text]*reconciliation.Day{
		"Khớp": day(1, 0, 0, 99, 99), "Chưa có tệp": day(0, 0, 0, 0, 0), "Thiếu tệp, quá giờ": day(0, 0, 0, 0, 0, "file_missing"), "Chờ tiền về ngân hàng": day(1, 0, 99, 99, 0),
		"Lệch với ngân hàng": day(1, 0, 9, 99, 90), "Lệch với nhà cung cấp": day(1, 7, 0, 99, 99), "Lệch cả hai bên": day(1, 7, 9, 99, 90), "Lệch, đã rõ lý do": day(1, 0, 0, 99, 0, "bank_short")} {
		if got := verdict(d); got.Word != want {
			t.Errorf("%q, want %q", got.Word, want)
		}
	}
	if got := verdict(day(1, 7, 99, 99, 0)); got.Word != "Lệch với nhà cung cấp" { // the bank's money may still come
		t.Errorf("%q", got.Word)
	}
	if got := verdict(day(1, 0, 99, 99, 0, "missing_at_provider")); got.Word != "Lệch, chờ tiền về" {
		t.Errorf("%q", got.Word)
	}
	if d := day(1, 0, 0, 99, 98); d.Agrees() { // explained, and still a difference
		t.Error("a difference that is explained is none")
	}
}
