package reconciliation

import (
	"context"
	"fmt"
	"time"
)

// namedWithin bounds how far back transfers that belong to nobody are looked for by the clock; a matching of their day names
// older ones too.
const namedWithin = 45 * 24 * time.Hour

// NameTransfers matches the days on which a bank transfer belongs to nobody and is not named, or is named and has found its
// payment meanwhile: finance sees it within seconds, not on the next morning. It gives how many days there were.
func (r *Reconciler) NameTransfers(ctx context.Context, limit int) (int, error) {
	var days []accountDay
	if err := r.db.SelectContext(ctx, &days, `SELECT account_id, date::text FROM (
			SELECT `+ownerOf+` AS account_id, `+namedOn+` AS date FROM bank_transfers t WHERE t.recorded_at >= $1 AND `+nobodys+`
				AND NOT EXISTS (SELECT FROM discrepancies n WHERE n.transfer_id = t.id)
			UNION SELECT n.account_id, n.date FROM discrepancies n JOIN bank_transfers t ON t.id = n.transfer_id WHERE n.status <> 'resolved' AND NOT `+nobodys+`) x
		WHERE NOT EXISTS (SELECT FROM days d WHERE d.account_id = x.account_id AND d.date = x.date AND d.status IN ('closed', 'signed'))
		ORDER BY date, account_id LIMIT $2`, r.now().Add(-namedWithin), limit); err != nil {
		return 0, fmt.Errorf("finding transfers that belong to nobody: %w", err)
	}
	if len(days) == 0 {
		return 0, nil
	}
	return len(days), r.matchAll(ctx, days)
}
