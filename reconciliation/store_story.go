package reconciliation

import (
	"context"
	"fmt"
	"time"

	"feegate/gateway"
)

// Event is something that the reconciliation did about a payment.
type Event struct {
	At          time.Time `db:"at"`
	What        string    `db:"what"`   // matched, unmatched, found, resolved, healed, proposed, done, rejected
	Detail      string    `db:"detail"` // the rule of a match, a discrepancy's kind, a resolution's action
	By          string    `db:"by"`
	Note        string    `db:"note"`
	Import      string    `db:"import"`
	Line        int64     `db:"line"`
	Discrepancy string    `db:"discrepancy"`
}

// Story gives what the reconciliation did about a payment that the caller may see, oldest first: its matches with lines of files, what was found about it,
// and what was decided.
func (r *Reconciler) Story(ctx context.Context, c gateway.Caller, payment string) ([]Event, error) {
	if _, err := r.gateway.Payment(ctx, c, payment); err != nil {
		return nil, err
	}
	out := []Event{}
	if err := r.db.SelectContext(ctx, &out, `SELECT at, what, detail, by, note, import, line, discrepancy FROM (
			SELECT m.recorded_at AS at, 1 AS n, 'matched' AS what, m.rule AS detail, 'matching' AS by, '' AS note, l.import_id AS import, l.line_no AS line, '' AS discrepancy
				FROM matches m JOIN settlement_lines l ON l.id = m.line_id WHERE m.payment_id = $1
			UNION ALL SELECT u.recorded_at, 2, 'unmatched', m.rule, u.actor, u.reason, l.import_id, l.line_no, ''
				FROM matches m JOIN unmatches u ON u.match_id = m.id JOIN settlement_lines l ON l.id = m.line_id WHERE m.payment_id = $1
			UNION ALL SELECT recorded_at, 3, 'found', kind, 'matching', '', '', 0, id FROM discrepancies WHERE payment_id = $1
			UNION ALL SELECT s.proposed_at, 4, 'proposed', s.action, s.proposed_by, s.note, '', 0, d.id FROM discrepancies d JOIN resolutions s ON s.discrepancy_id = d.id WHERE d.payment_id = $1
			UNION ALL SELECT s.decided_at, 5, s.status, s.action, s.decided_by, '', '', 0, d.id FROM discrepancies d JOIN resolutions s ON s.discrepancy_id = d.id
				WHERE d.payment_id = $1 AND s.decided_at IS NOT NULL AND s.decided_by IS NOT NULL
			UNION ALL SELECT resolved_at, 6, CASE WHEN healed THEN 'healed' ELSE 'resolved' END, kind, '', '', '', 0, id FROM discrepancies WHERE payment_id = $1 AND resolved_at IS NOT NULL
		) e ORDER BY at, n`, payment); err != nil {
		return nil, fmt.Errorf("reading what the reconciliation did about %s: %w", payment, err)
	}
	return out, nil
}
