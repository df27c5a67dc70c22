package reconciliation

import (
	"context"
	"fmt"

	"github.com/lib/pq"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

// Outcome is what came of a statement's own lines: how many there are of each role, what they come to, and the days that they pay out.
type Outcome struct {
	Roles  []RoleSum
	Days   []PayoutDay
	Open   []BankLine // what belongs to nothing, at most mostOpen of it
	Layout []Layout   // columns that a person has to confirm
}

// RoleSum is how many lines have a role, and what they come to.
type RoleSum struct {
	Role   string     `db:"role"`
	Count  int64      `db:"count"`
	Amount vnd.Signed `db:"amount"`
}

// mostOpen bounds what is listed of what belongs to nothing, and the days that are paid out.
const mostOpen = 20

// Outcome tells what a statement that was imported has settled so far. Lines that an earlier statement had count with that one.
func (r *Reconciler) Outcome(ctx context.Context, c gateway.Caller, imp *StatementImport) (*Outcome, error) {
	o := &Outcome{Roles: []RoleSum{}, Days: []PayoutDay{}}
	err := r.db.SelectContext(ctx, &o.Roles, `SELECT role, count(*) AS count, sum(amount)::bigint AS amount FROM (`+bankLines+` AND b.import_id = $2) b GROUP BY role ORDER BY role`, agencies(c), imp.ID)
	if err != nil {
		return nil, fmt.Errorf("adding up what a statement settled: %w", err)
	}
	ids, err := r.accountsOf(ctx, c, "")
	if err != nil {
		return nil, err
	}
	if err := r.db.SelectContext(ctx, &o.Days, `SELECT DISTINCT p.account_id, p.date::text AS date, p.net, p.amount, p.counts_on::text AS counts_on
		FROM statement_lines l JOIN bank_uses u ON u.line_id = l.id AND u.ended_at IS NULL JOIN payout_days p ON p.payout_id = u.payout_id AND p.ended_at IS NULL
		WHERE l.import_id = $1 AND p.account_id = ANY ($2) ORDER BY 2 DESC, 1 LIMIT $3`, imp.ID, pq.Array(ids), 5*mostOpen); err != nil {
		return nil, fmt.Errorf("reading the days that a statement pays out: %w", err)
	}
	if o.Open, err = r.listBankLines(ctx, c, BankFilter{ImportID: imp.ID, Standing: StandingOpen, Limit: mostOpen}); err != nil {
		return nil, fmt.Errorf("reading what of a statement belongs to nothing: %w", err)
	}
	var digests []string
	for _, s := range imp.Statements {
		if s.Layout != "" {
			digests = append(digests, layoutDigest(s.Layout))
		}
	}
	if len(digests) > 0 {
		err = r.db.SelectContext(ctx, &o.Layout, `SELECT `+layoutColumns+` FROM statement_layouts b WHERE `+bankSeen+` AND confirmed_at IS NULL AND digest = ANY ($2)
			AND bank_account IN (SELECT bank_account FROM bank_statements WHERE import_id = $3) ORDER BY id`, agencies(c), pq.Array(digests), imp.ID)
		if err != nil {
			return nil, fmt.Errorf("reading layouts to confirm: %w", err)
		}
	}
	return o, nil
}
