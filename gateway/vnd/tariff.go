package vnd

import "github.com/shopspring/decimal"

// Tariff is what a provider charges for one payment: bps ten-thousandths of the amount plus a fixed part, rounded
// half-up to whole đồng, then held between Min and Max (Max 0 = no upper bound).
type Tariff struct {
	BPS   int64  `json:"bps"`
	Fixed Amount `json:"fixed"`
	Min   Amount `json:"min"`
	Max   Amount `json:"max"`
}

// Fee is the tariff's fee for an amount.
func (t Tariff) Fee(a Amount) Amount {
	fee := decimal.NewFromInt(int64(a)).Mul(decimal.NewFromInt(t.BPS)).Div(decimal.NewFromInt(10_000)).Round(0).IntPart()
	f := Amount(fee) + t.Fixed
	if f < t.Min {
		f = t.Min
	}
	if t.Max > 0 && f > t.Max {
		f = t.Max
	}
	return f
}
