package reconciliation

import (
	"context"

	"feegate/gateway"
	"feegate/providers"
)

// Match brings a day of an account to what its rows say. A line for a payment that is not paid here makes it paid, through the
// gateway's one door; then lines and payments are paired and what is left is named. Running it again changes nothing.
func (r *Reconciler) Match(ctx context.Context, accountID, date string) error {
	lines, err := r.unpaid(ctx, accountID, date)
	if err != nil {
		return err
	}
	healed := []string{}
	for _, l := range lines {
		_, err := r.gateway.Record(ctx, gateway.Word{AccountID: accountID, Source: gateway.SourceSettlement, Notice: providers.Notice{
			Reference: l.Reference, Outcome: providers.Succeeded, Amount: l.Amount, Transaction: l.Transaction, PaidAt: l.At, Code: "settled"}})
		if err != nil {
			return err
		}
		healed = append(healed, l.Reference)
	}
	return r.match(ctx, accountID, date, healed)
}
