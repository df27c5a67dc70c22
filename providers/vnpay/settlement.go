package vnpay

import (
	"io"
	"iter"
	"time"

	"feegate/providers"
)

// ParseSettlement reads VNPAY's settlement file. The vendor publishes no layout: this one is our assumption, one place to
// change.
func (p *provider) ParseSettlement(r io.Reader) iter.Seq2[providers.SettlementLine, error] {
	return settlementFormat().Parse(r)
}

// Columns of the file.
const (
	colTxnDate = iota
	colTmnCode
	colTxnRef
	colTransactionNo
	colType
	colAmount
	colFee
	colNet
	colBankCode
	colCardType
	colPayTime
	colStatus
	colSettleDate
	colNote
)

func settlementFormat() providers.SettlementFormat {
	return providers.SettlementFormat{
		Header: []string{"txn_date", "tmn_code", "txn_ref", "transaction_no", "type", "amount_vnd", "fee_vnd", "net_vnd", "bank_code",
			"card_type", "pay_time", "status", "settle_date", "note"},
		Type: "type", Amount: "amount_vnd", Fee: "fee_vnd", Net: "net_vnd", Payment: "PAY", Refund: "REFUND",
		Row: settlementRow,
	}
}

func settlementRow(f []string, l *providers.SettlementLine) *providers.LineError {
	if _, err := time.Parse(time.DateOnly, f[colTxnDate]); err != nil {
		return &providers.LineError{Field: "txn_date", Detail: "is not a date as 2026-01-15"}
	}
	for _, c := range []struct {
		col  int
		name string
	}{{colTmnCode, "tmn_code"}, {colTxnRef, "txn_ref"}, {colTransactionNo, "transaction_no"}, {colStatus, "status"}} {
		if f[c.col] == "" {
			return &providers.LineError{Field: c.name, Detail: "is empty"}
		}
	}
	if l.Time = readTime(f[colPayTime]); l.Time.IsZero() {
		return &providers.LineError{Field: "pay_time", Detail: "is not a time as 20260115103112"}
	}
	if _, err := time.Parse(time.DateOnly, f[colSettleDate]); f[colSettleDate] != "" && err != nil {
		return &providers.LineError{Field: "settle_date", Detail: "is not a date as 2026-01-16"}
	}
	l.Date, l.Terminal, l.Reference, l.Transaction = f[colTxnDate], f[colTmnCode], f[colTxnRef], f[colTransactionNo]
	l.Status, l.Success = f[colStatus], f[colStatus] == "00"
	l.Key = providers.MatchKey(l.Terminal, l.Reference, f[colType], l.Transaction)
	return nil
}
