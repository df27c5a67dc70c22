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

// Export is a moment at which a payment, or a refund of it, went into a paper or a file that leaves the house.
type Export struct {
	At      time.Time `db:"at"`
	What    string    `db:"what"` // listed, taken: a list of refunds for the bank, and its file; closed, signed: a day's minutes; reported, approved: a closed report
	By      string    `db:"by"`
	Refund  bool      `db:"refund"` // it was a refund of the payment alone
	Account string    `db:"account"`
	From    string    `db:"from_day"` // the day, or the report's first and last
	To      string    `db:"to_day"`
	N       int       `db:"n"`    // which closing of the day, which revision of the report
	List    string    `db:"list"` // of refunds
}

// mostExports bounds what a payment's page tells of its papers: the newest.
const mostExports = 200

// Exports gives the papers and files that a payment which the caller may see went into, newest first. A day's minutes hold what its closing counted; a report
// holds a payment of its period whose money had been allocated, as known at its time.
func (r *Reconciler) Exports(ctx context.Context, c gateway.Caller, payment string) ([]Export, error) {
	if _, err := r.gateway.Payment(ctx, c, payment); err != nil {
		return nil, err
	}
	out := []Export{}
	if err := r.db.SelectContext(ctx, &out, `WITH lists AS (
			SELECT DISTINCT l.id, l.created_by, l.created_at FROM refunds r JOIN refund_list_items i ON i.refund_id = r.id JOIN refund_lists l ON l.id = i.list_id WHERE r.payment_id = $1),
		closings AS (SELECT f.account_id, f.date, f.n, bool_and(f.item_id <> $1) AS refund FROM day_frozen f
			WHERE f.item_id = $1 OR f.item_id IN (SELECT id FROM refunds WHERE payment_id = $1) GROUP BY f.account_id, f.date, f.n),
		reports AS (SELECT v.id, v.closed_by, v.recorded_at, v.period_from, v.period_to, v.revision
			FROM payments p JOIN report_revisions v ON business_day(p.paid_at) BETWEEN v.period_from AND v.period_to
			WHERE p.id = $1 AND p.mode = 'live' AND EXISTS (SELECT FROM allocations a WHERE a.payment_id = p.id AND a.recorded_at <= v.as_of))
		SELECT at, what, by, refund, account, from_day, to_day, n, list FROM (
			SELECT created_at AS at, 1 AS o, 'listed' AS what, created_by AS by, true AS refund, '' AS account, '' AS from_day, '' AS to_day, 0 AS n, id AS list FROM lists
			UNION ALL SELECT a.recorded_at, 2, 'taken', a.actor, true, '', '', '', 0, l.id FROM lists l JOIN audit a ON a.object = l.id AND a.action = 'refund_list.read' AND a.detail ->> 'as' <> ''
			UNION ALL SELECT v.closed_at, 3, 'closed', v.closed_by, c.refund, c.account_id, c.date::text, '', c.n, '' FROM closings c JOIN day_versions v USING (account_id, date, n)
			UNION ALL SELECT s.signed_at, 4, 'signed', s.signed_by, c.refund, c.account_id, c.date::text, '', c.n, '' FROM closings c JOIN day_signatures s USING (account_id, date, n)
			UNION ALL SELECT recorded_at, 5, 'reported', closed_by, false, '', period_from::text, period_to::text, revision, '' FROM reports
			UNION ALL SELECT a.recorded_at, 6, 'approved', a.approved_by, false, '', v.period_from::text, v.period_to::text, v.revision, '' FROM reports v JOIN report_approvals a ON a.revision_id = v.id
		) e ORDER BY at DESC, o DESC, list, account, from_day, n LIMIT $2`, payment, mostExports); err != nil {
		return nil, fmt.Errorf("reading the papers that %s went into: %w", payment, err)
	}
	return out, nil
}
