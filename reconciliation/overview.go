package reconciliation

import (
	"context"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

// Late is a day of an account with money and no file to hold against it.
func (d *Day) Late() bool { return d.Payments.Count > 0 && d.Files == 0 }

// Waits is a day whose money the bank has not told of yet, and need not have: what is overdue has a name.
func (d *Day) Waits() bool {
	return d.Bank.Count == 0 && d.Bank.Amount == 0 && d.Settled.Net != 0 && d.BankSide.Unexplained == d.Settled.Net
}

// GrossAgrees says that ours and settled came to the same, and nothing is open.
func (d *Day) GrossAgrees() bool {
	return !d.Late() && d.Sides == Sides{} && len(d.Discrepancies) == 0
}

// Agrees says that all three came to the same, ours and settled, settled net and bank, and nothing is open.
func (d *Day) Agrees() bool { return d.GrossAgrees() && d.BankSide == Sides{} }

// Proposal is a resolution that waits for another person.
type Proposal struct {
	Discrepancy string     `db:"discrepancy"`
	N           int        `db:"n"`
	AccountID   string     `db:"account_id"`
	Date        string     `db:"date"`
	Kind        string     `db:"kind"`
	Amount      vnd.Signed `db:"amount"`
	Action      string     `db:"action"`
	Note        string     `db:"note"`
	ProposedBy  string     `db:"proposed_by"`
	ProposedAt  time.Time  `db:"proposed_at"`
}

// Period gives every day of every account that the caller may see, from one date to another, on which anything happened; the newest
// day first.
func (r *Reconciler) Period(ctx context.Context, c gateway.Caller, from, to string) ([]Day, error) {
	for _, d := range []struct{ field, value string }{{"from", from}, {"to", to}} {
		if err := checkDate(d.field, d.value); err != nil {
			return nil, err
		}
	}
	return r.asClosed(ctx, c, from, to)
}
