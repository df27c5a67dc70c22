package honesty

import (
	"context"
	"fmt"
	"time"
)

// overlap is how far back a scan looks again: a payment is committed a little after it was recorded, and dossiers are told of late.
const overlap = 15 * time.Minute

// allowed are the digests (alias p) of accounts that may pay for many by a decision of two people.
const allowed = `EXISTS (SELECT FROM payer_allowances w WHERE w.digest = p.payer_digest AND w.status = 'approved' AND w.recorded_at <= $1 AND (w.ended_at IS NULL OR w.ended_at > $1))`

// FlagPayers looks for accounts that pay for many (G1) among those that paid since the last look, and flags them from their first payment of
// the window on. Who a dossier is for says its applicant_ref; a dossier without one has an applicant of its own, so that leaving the
// reference out never hides anybody. A family's dossiers of one applicant are one. What lies before the end of an earlier flag was
// decided on, and counts no more. It gives how many were flagged.
func (b *Book) FlagPayers(ctx context.Context, limit int) (int, error) {
	now := b.now()
	id, p, err := b.definition(ctx, now)
	if err != nil {
		return 0, err
	}
	res, err := b.db.ExecContext(ctx, `WITH heard AS MATERIALIZED (
			SELECT DISTINCT p.payer_digest AS digest FROM payments p WHERE p.payer_digest IS NOT NULL AND p.status IN ('succeeded', 'reversed') AND p.mode = 'live'
			AND p.recorded_at > coalesce((SELECT upto FROM payer_scans), '-infinity') AND p.recorded_at <= $1
			AND NOT EXISTS (SELECT FROM payer_flags f WHERE f.digest = p.payer_digest AND f.ended_at IS NULL)
			AND NOT EXISTS (SELECT FROM staff_accounts s WHERE s.digest = p.payer_digest AND s.ended_at IS NULL)
			AND NOT (`+allowed+`)),
		paid AS MATERIALIZED (
			SELECT h.digest, p.paid_at, coalesce(o.source_system || ' ' || nullif(d.applicant_ref, ''), o.source_system || '/' || o.dossier_code) AS applicant
			FROM heard h JOIN payments p ON p.payer_digest = h.digest AND p.status = 'succeeded' AND p.mode = 'live' JOIN orders o ON o.id = p.order_id
			LEFT JOIN LATERAL (SELECT applicant_ref FROM dossiers d WHERE d.source_system = o.source_system AND d.dossier_code = o.dossier_code ORDER BY n DESC LIMIT 1) d ON true
			WHERE p.paid_at > coalesce(greatest((SELECT max(f.ended_at) FROM payer_flags f WHERE f.digest = h.digest), (SELECT max(w.ended_at) FROM payer_allowances w WHERE w.digest = h.digest)), '-infinity')),
		many AS MATERIALIZED (SELECT p.* FROM paid p JOIN (SELECT digest FROM paid GROUP BY digest HAVING count(DISTINCT applicant) >= $2) m ON m.digest = p.digest),
		found AS (SELECT digest, min(paid_at) AS from_at FROM (SELECT a.digest, a.paid_at FROM many a JOIN many b ON b.digest = a.digest AND b.paid_at >= a.paid_at AND b.paid_at < a.paid_at + make_interval(days => $3)
			GROUP BY a.digest, a.paid_at HAVING count(DISTINCT b.applicant) >= $2) w GROUP BY digest ORDER BY 2 LIMIT $5)
		INSERT INTO payer_flags (digest, from_at, definition, recorded_at) SELECT digest, from_at, $4, $1 FROM found ON CONFLICT DO NOTHING`,
		now, p.PayerDossiers, p.PayerDays, id, limit)
	if err != nil {
		return 0, fmt.Errorf("flagging accounts that pay for many: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("flagging accounts that pay for many: %w", err)
	}
	if int(n) == limit { // there is more: the mark stays
		return limit, nil
	}
	if _, err := b.db.ExecContext(ctx, `INSERT INTO payer_scans (id, upto) VALUES (true, $1) ON CONFLICT (id) DO UPDATE SET upto = greatest(payer_scans.upto, EXCLUDED.upto)`, now.Add(-overlap)); err != nil {
		return 0, fmt.Errorf("noting how far accounts were looked at: %w", err)
	}
	return int(n), nil
}
