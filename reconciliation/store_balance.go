package reconciliation

import (
	"context"
	"fmt"
	"time"

	"github.com/lib/pq"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

// AccountBalance is what a merchant account, or an agency's counter where there is none, holds under one heading of the records: clearing, receivable, bank,
// fee, refund_payable, surplus, claim, written_off, payer; cash, counter.
type AccountBalance struct {
	AccountID string     `db:"account_id"` // "" of the counter
	Agency    string     `db:"agency"`     // of the counter
	Heading   string     `db:"heading"`
	Balance   vnd.Signed `db:"balance"`
}

// AccountBalances sums the moves recorded up to a time by merchant account and heading: the sums of Balances, told by whose they are.
func (r *Reconciler) AccountBalances(ctx context.Context, c gateway.Caller, at time.Time) ([]AccountBalance, error) {
	out := []AccountBalance{}
	if !c.Person {
		return out, nil
	}
	const till = `'^(cash|counter|bank):'`
	// Added up by the pair of accounts first: a million moves are a few dozen pairs, once the surplus of single payments is one.
	err := r.db.SelectContext(ctx, &out, `WITH pairs AS (
			SELECT account_id, CASE WHEN from_account LIKE 'surplus:%' THEN 'surplus' ELSE from_account END AS from_account, CASE WHEN to_account LIKE 'surplus:%' THEN 'surplus' ELSE to_account END AS to_account, sum(amount::bigint)::bigint AS amount
			FROM moves WHERE recorded_at <= $1 GROUP BY 1, 2, 3)
		SELECT account_id, agency, heading, sum(amount)::bigint AS balance FROM (
			SELECT coalesce(m.account_id, '') AS account_id, CASE WHEN m.account_id IS NOT NULL THEN '' WHEN m.to_account ~ `+till+` THEN split_part(m.to_account, ':', 2) WHEN m.from_account ~ `+till+` THEN split_part(m.from_account, ':', 2) ELSE '' END AS agency,
				split_part(side.name, ':', 1) AS heading, side.amount
			FROM pairs m LEFT JOIN merchant_accounts a ON a.id = m.account_id
			CROSS JOIN LATERAL (VALUES (m.from_account, -m.amount), (m.to_account, m.amount)) AS side (name, amount)
			WHERE cardinality($2::text[]) = 0 OR a.agency_code = ANY ($2) OR m.account_id IS NULL AND (split_part(m.to_account, ':', 2) = ANY ($2) OR split_part(m.from_account, ':', 2) = ANY ($2))) s
		GROUP BY account_id, agency, heading HAVING sum(amount) <> 0 ORDER BY account_id, agency, heading`, at, append(pq.StringArray{}, c.Agencies...))
	if err != nil {
		return nil, fmt.Errorf("adding up the moves by account: %w", err)
	}
	return out, nil
}
