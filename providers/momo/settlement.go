package momo

import (
	"time"

	"feegate/providers"
)

// Columns of the settlement file. The vendor publishes no layout: this one is our assumption, one place to change.
const (
	colTxnTime = iota
	colPartner
	colStore
	colOrder
	colRequest
	colTrans
	colType
	colAmount
	colFee
	colNet
	colPayType
	colResult
	colSettleDate
	colOriginal
	colNote
)

func settlementFormat() providers.SettlementFormat {
	return providers.SettlementFormat{
		Header: []string{"txn_time", "partner_code", "store_id", "order_id", "request_id", "trans_id", "type", "amount_vnd", "fee_vnd", "net_vnd",
			"pay_type", "result_code", "settle_date", "original_trans_id", "note"},
		Type: "type", Amount: "amount_vnd", Fee: "fee_vnd", Net: "net_vnd", Payment: "PAYMENT", Refund: "REFUND",
		Row: settlementRow,
	}
}

func settlementRow(f []string, l *providers.SettlementLine) *providers.LineError {
	at, err := time.Parse(time.RFC3339, f[colTxnTime])
	if err != nil {
		return &providers.LineError{Field: "txn_time", Detail: "is not a time as 2026-01-15T10:31:12+07:00"}
	}
	for _, c := range []struct {
		col  int
		name string
	}{{colPartner, "partner_code"}, {colOrder, "order_id"}, {colTrans, "trans_id"}, {colResult, "result_code"}} {
		if f[c.col] == "" {
			return &providers.LineError{Field: c.name, Detail: "is empty"}
		}
	}
	if _, err := time.Parse(time.DateOnly, f[colSettleDate]); f[colSettleDate] != "" && err != nil {
		return &providers.LineError{Field: "settle_date", Detail: "is not a date as 2026-01-16"}
	}
	// The business day is Vietnam's, whatever offset the file writes.
	l.Time, l.Date = at, at.In(time.FixedZone("+07", 7*60*60)).Format(time.DateOnly)
	l.Terminal, l.Reference, l.Transaction, l.Original = f[colPartner], f[colOrder], f[colTrans], f[colOriginal]
	l.Status, l.Success = f[colResult], f[colResult] == "0"
	// trans_id is MoMo's own and unique by type; 0, which a failed row may have, is not, so the order id stands behind it.
	order := ""
	if l.Transaction == "0" {
		order = l.Reference
	}
	l.Key = providers.MatchKey(l.Terminal, l.Transaction, f[colType], order)
	return nil
}
