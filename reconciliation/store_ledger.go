package reconciliation

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

// LedgerLine is what one thing leaves on an account's clearing: a payment that nothing settles yet, a line that settles nothing of ours, or what is
// left between the two.
type LedgerLine struct {
	Type        string     `json:"type" db:"type"` // payment, refund, settlement_line
	ID          string     `json:"id" db:"id"`
	Amount      vnd.Signed `json:"amount" db:"amount"`
	Reference   string     `json:"provider_reference" db:"reference"`
	EffectiveAt time.Time  `json:"effective_at" db:"effective_at"`
	RecordedAt  time.Time  `json:"recorded_at" db:"recorded_at"`
}

// ledgerCursor is what a next of ClearingLines looks like.
var ledgerCursor = regexp.MustCompile(`^(payment|refund|settlement_line):[!-~]{1,100}$`)

// ClearingLines are the lines that a merchant account's clearing is made of at a time: they add up to its balance by the moves. What is settled, and
// nothing is left of, is not among them. after is the id of the last line of an earlier answer.
func (r *Reconciler) ClearingLines(ctx context.Context, c gateway.Caller, accountID string, at time.Time, after string, limit int) (items []LedgerLine, next string, sum vnd.Signed, err error) {
	if _, err := r.Account(ctx, c, accountID); err != nil {
		return nil, "", 0, err
	}
	if after != "" && !ledgerCursor.MatchString(after) {
		return nil, "", 0, invalid("after", "must be the next of an earlier answer")
	}
	const open = `WITH m AS (SELECT cause_type, cause_id, CASE to_account WHEN 'clearing:' || $1 THEN amount ELSE -amount END::bigint AS amount, effective_at, recorded_at
			FROM moves WHERE account_id = $1 AND recorded_at <= $2 AND 'clearing:' || $1 IN (to_account, from_account)),
		things AS (
			SELECT CASE WHEN cause_type IN ('payment', 'reversal') THEN 'payment' WHEN cause_type = 'refund' THEN 'refund' WHEN f.id IS NOT NULL THEN 'refund' ELSE 'payment' END AS type,
				CASE WHEN cause_type = 'statement' THEN coalesce(f.id, p.id, cause_id) ELSE cause_id END AS id, m.amount, m.effective_at, m.recorded_at
				FROM m LEFT JOIN payments p ON cause_type = 'statement' AND (p.transfer_id = cause_id OR p.id = cause_id) LEFT JOIN refunds f ON cause_type = 'statement' AND f.id = cause_id
				WHERE cause_type IN ('payment', 'reversal', 'refund', 'statement')),
		ours AS (SELECT type, id, sum(amount)::bigint AS amount, min(effective_at) AS effective_at, min(recorded_at) AS recorded_at FROM things GROUP BY 1, 2),
		lines AS (SELECT l.id, CASE l.type WHEN 'payment' THEN -l.amount ELSE l.amount END::bigint AS amount, l.reference, l.at, i.recorded_at FROM settlement_lines l JOIN imports i ON i.id = l.import_id
			WHERE l.account_id = $1 AND l.success AND i.recorded_at <= $2 AND (l.superseded_at IS NULL OR l.superseded_at > $2)),
		pairs AS (SELECT line_id, coalesce(payment_id, refund_id) AS id FROM matches WHERE account_id = $1 AND recorded_at <= $2 AND (ended_at IS NULL OR ended_at > $2)),
		open AS (
			SELECT o.type, o.id, o.amount + coalesce(l.amount, 0) AS amount, o.effective_at, o.recorded_at FROM ours o LEFT JOIN pairs USING (id) LEFT JOIN lines l ON l.id = pairs.line_id
			UNION ALL SELECT 'settlement_line', l.id::text, l.amount, l.at, l.recorded_at FROM lines l LEFT JOIN pairs ON pairs.line_id = l.id LEFT JOIN ours o ON o.id = pairs.id WHERE o.id IS NULL) `
	items = []LedgerLine{}
	if err := r.db.SelectContext(ctx, &items, open+`SELECT o.type, o.id, o.amount, coalesce(p.provider_reference, f.provider_reference, l.reference, '') AS reference, o.effective_at, o.recorded_at
		FROM open o LEFT JOIN payments p ON o.type = 'payment' AND p.id = o.id LEFT JOIN refunds f ON o.type = 'refund' AND f.id = o.id LEFT JOIN lines l ON o.type = 'settlement_line' AND l.id::text = o.id
		WHERE o.amount <> 0 AND ($3 = '' OR o.type || ':' || o.id > $3) ORDER BY o.type || ':' || o.id LIMIT $4`, accountID, at, after, limit+1); err != nil {
		return nil, "", 0, fmt.Errorf("reading what is not settled: %w", err)
	}
	if err := r.db.GetContext(ctx, &sum, open+`SELECT coalesce(sum(amount), 0)::bigint FROM open`, accountID, at); err != nil {
		return nil, "", 0, fmt.Errorf("adding up what is not settled: %w", err)
	}
	if len(items) > limit {
		items = items[:limit]
		next = items[limit-1].Type + ":" + items[limit-1].ID
	}
	return items, next, sum, nil
}
