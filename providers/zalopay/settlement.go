package zalopay

import (
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// Columns of the settlement file. The vendor publishes no layout: this one is our assumption, one place to change.
const (
	colDate = iota
	colType
	colApp
	colOrder
	colTrans
	colMerchantRefund
	colRefund
	colAmount
	colDiscount
	colFee
	colNet
	colStatus
	colChannel
)

func settlementFormat() providers.SettlementFormat {
	return providers.SettlementFormat{
		Header: []string{"trans_date", "type", "app_id", "app_trans_id", "zp_trans_id", "m_refund_id", "refund_id", "amount", "discount_amount",
			"fee_amount", "net_amount", "status", "channel"},
		Type: "type", Amount: "amount", Fee: "fee_amount", Net: "net_amount", Payment: "PAYMENT", Refund: "REFUND",
		Row: settlementRow,
	}
}

func settlementRow(f []string, l *providers.SettlementLine) *providers.LineError {
	at, err := time.ParseInLocation(time.DateTime, f[colDate], zone())
	if err != nil {
		return &providers.LineError{Field: "trans_date", Detail: "is not a time as 2026-03-05 16:01:05"}
	}
	if !digits(f[colApp]) {
		return &providers.LineError{Field: "app_id", Detail: "is not a number"}
	}
	needed := []struct {
		col  int
		name string
	}{{colOrder, "app_trans_id"}, {colTrans, "zp_trans_id"}, {colStatus, "status"}}
	if l.Type == providers.LineRefund {
		needed = append(needed, []struct {
			col  int
			name string
		}{{colMerchantRefund, "m_refund_id"}, {colRefund, "refund_id"}}...)
	}
	for _, c := range needed {
		if f[c.col] == "" {
			return &providers.LineError{Field: c.name, Detail: "is empty"}
		}
	}
	if _, err := vnd.Parse(f[colDiscount]); err != nil && f[colDiscount] != "" {
		return &providers.LineError{Field: "discount_amount", Detail: "is not an amount of 0 or more"}
	}
	l.Time, l.Date, l.Terminal = at, at.Format(time.DateOnly), f[colApp]
	l.Status, l.Success = f[colStatus], f[colStatus] == "SUCCESS"
	l.Reference, l.Transaction = referenceOf(f[colOrder]), f[colTrans]
	if l.Type == providers.LineRefund {
		l.Reference, l.Transaction, l.Original = refundReferenceOf(l.Terminal, f[colMerchantRefund]), f[colRefund], f[colTrans]
	}
	l.Key = providers.MatchKey(l.Terminal, f[colType], l.Transaction)
	return nil
}
