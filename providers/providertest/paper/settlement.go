package paper

import (
	"time"

	"feegate/providers"
)

// Columns of the settlement file.
const (
	colTime = iota
	colTerminal
	colReference
	colTransaction
	colType
	colAmount
	colFee
	colNet
	colStatus
)

func settlementFormat() providers.SettlementFormat {
	return providers.SettlementFormat{
		Header: []string{"time", "terminal", "reference", "transaction", "type", "amount", "fee", "net", "status"},
		Type:   "type", Amount: "amount", Fee: "fee", Net: "net", Payment: "PAYMENT", Refund: "REFUND",
		Row: settlementRow,
	}
}

// settlementRow fills in what only this file knows; amount, fee and net have been read and held against each other.
func settlementRow(f []string, l *providers.SettlementLine) *providers.LineError {
	at, err := time.Parse(time.RFC3339, f[colTime])
	if err != nil {
		return &providers.LineError{Field: "time", Detail: "is not a time as 2026-03-10T14:05:00+07:00"}
	}
	for col, name := range map[int]string{colTerminal: "terminal", colReference: "reference", colTransaction: "transaction", colStatus: "status"} {
		if f[col] == "" {
			return &providers.LineError{Field: name, Detail: "is empty"}
		}
	}
	// The business day is Vietnam's, whatever offset the file writes.
	l.Time, l.Date = at, at.In(time.FixedZone("+07", 7*60*60)).Format(time.DateOnly)
	l.Terminal, l.Reference, l.Transaction = f[colTerminal], f[colReference], f[colTransaction]
	l.Status, l.Success = f[colStatus], f[colStatus] == "ok"
	l.Key = providers.MatchKey(l.Terminal, l.Transaction, f[colType])
	return nil
}
