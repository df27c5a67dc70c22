package reconciliation

import (
	"context"
	"fmt"

	"feegate/gateway"
)

// period reads the figures of many days at once.
func (r *Reconciler) period(ctx context.Context, c gateway.Caller, from, to string) ([]Day, error) {
	ids, err := r.accountsOf(ctx, c, "")
	if err != nil {
		return nil, err
	}
	return r.figuresOf(ctx, r.db, ids, from, to)
}

// Proposals lists the resolutions that wait for another person, the oldest first.
func (r *Reconciler) Proposals(ctx context.Context, c gateway.Caller, limit int) ([]Proposal, error) {
	out := []Proposal{}
	err := r.db.SelectContext(ctx, &out, `SELECT d.id AS discrepancy, x.n, d.account_id, d.date::text AS date, d.kind, d.amount, x.action, x.note, x.proposed_by, x.proposed_at
		FROM resolutions x JOIN discrepancies d ON d.id = x.discrepancy_id JOIN merchant_accounts a ON a.id = d.account_id
		WHERE x.status = 'proposed' AND `+seen(1)+` ORDER BY x.proposed_at, d.id LIMIT $2`, agencies(c), limit)
	if err != nil {
		return nil, fmt.Errorf("listing proposals: %w", err)
	}
	return out, nil
}

// AccountIDs lists the accounts that the caller may work on, in the province's order.
func (r *Reconciler) AccountIDs(ctx context.Context, c gateway.Caller) ([]string, error) {
	return r.accountsOf(ctx, c, "")
}
