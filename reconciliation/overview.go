package reconciliation

import (
	"context"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

// Late is a day of an account with money and no file to hold against it.
func (d *Day) Late() bool { return d.Payments.Count > 0 && d.Files == 0 }

// Agrees says that both sides came to the same, and nothing is open.
func (d *Day) Agrees() bool {
	return !d.Late() && d.Difference == 0 && d.Unexplained == 0 && len(d.Discrepancies) == 0
}

// Open is how many discrepancies of a kind are open, what they come to, and since when.
type Open struct {
	Kind   string     `db:"kind"`
	Count  int        `db:"count"`
	Amount vnd.Signed `db:"amount"` // sizes added up, whichever way each goes
	Oldest string     `db:"oldest"` // the earliest business day
}

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
