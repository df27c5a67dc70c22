package adoption

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"
)

// changes lists the facts of a period that count in another way in b than in a, both read from the rows as they were known then.
func (r *Reporter) changes(ctx context.Context, a, b *Revision, after string, limit int) ([]Change, error) {
	q := Question{From: b.From, To: b.To}
	s, err := q.read(r.now())
	if err != nil {
		return nil, err
	}
	tx, err := r.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // it wrote nothing
	if err := patient(ctx, tx); err != nil {
		return nil, err
	}
	side := func(asOf string) string {
		return `(` + strings.ReplaceAll(facts, "$1", asOf) + ` SELECT concat_ws('/', subject, source_system, dossier_code, coalesce(order_id, '')) COLLATE "C" AS key, subject, order_id, dossier_code,
			source_system, agency_code, procedure_code, provider, channel, bucket, net::bigint AS net, at, ` + vector() + ` AS adds FROM facts)`
	}
	rows, err := tx.QueryContext(ctx, `SELECT coalesce(b.key, a.key), coalesce(b.subject, a.subject), coalesce(b.order_id, a.order_id), coalesce(b.dossier_code, a.dossier_code), coalesce(b.agency_code, a.agency_code),
			coalesce(b.source_system, a.source_system), a.bucket, a.net, a.at, a.agency_code, a.procedure_code, a.channel, a.adds, b.bucket, b.net, b.at, b.agency_code, b.procedure_code, b.channel, b.adds
		FROM `+side("$1")+` a FULL JOIN `+side("$5")+` b ON a.key = b.key
		WHERE (a.bucket, a.net, a.at, a.adds, a.agency_code, a.procedure_code, a.provider, a.channel) IS DISTINCT FROM (b.bucket, b.net, b.at, b.adds, b.agency_code, b.procedure_code, b.provider, b.channel) AND coalesce(b.key, a.key) > $6 COLLATE "C"
		ORDER BY 1 LIMIT $7`, a.AsOf, s.from, s.to, pq.Array([]string{}), b.AsOf, after, limit)
	if err != nil {
		return nil, fmt.Errorf("comparing revisions: %w", err)
	}
	defer rows.Close()
	names, out := Figures(), []Change{}
	for rows.Next() {
		c := Change{Adds: map[string]int64{}}
		var left, right struct {
			bucket, channel   *string
			net               sql.NullInt64
			at                *time.Time
			agency, procedure sql.NullString
			adds              pq.Int64Array
		}
		if err := rows.Scan(&c.key, &c.Subject, &c.Order, &c.DossierCode, &c.AgencyCode, &c.source, &left.bucket, &left.net, &left.at, &left.agency, &left.procedure, &left.channel, &left.adds,
			&right.bucket, &right.net, &right.at, &right.agency, &right.procedure, &right.channel, &right.adds); err != nil {
			return nil, fmt.Errorf("comparing revisions: %w", err)
		}
		if left.at != nil {
			c.Before = &Side{left.bucket, left.net.Int64, left.at.In(zone), left.agency.String, left.procedure.String, left.channel}
		}
		if right.at != nil {
			c.After = &Side{right.bucket, right.net.Int64, right.at.In(zone), right.agency.String, right.procedure.String, right.channel}
		}
		for i, n := range names {
			var d int64
			if c.After != nil {
				d += right.adds[i]
			}
			if c.Before != nil {
				d -= left.adds[i]
			}
			if d != 0 {
				c.Adds[n] = d
			}
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// because finds what was recorded about the changes' orders and dossiers between the two instants.
func (r *Reporter) because(ctx context.Context, after, until time.Time, items []Change) error {
	orders, sources, codes, at := []string{}, []string{}, []string{}, map[string][]int{}
	for i := range items {
		items[i].Because = []Because{}
		key := "d:" + items[i].source + "/" + items[i].DossierCode // two case systems may use one code
		if o := items[i].Order; o != nil {
			key = "o:" + *o
			orders = append(orders, *o)
		} else {
			sources, codes = append(sources, items[i].source), append(codes, items[i].DossierCode)
		}
		at[key] = append(at[key], i)
	}
	rows, err := r.db.QueryContext(ctx, `WITH asked AS (SELECT DISTINCT s AS source_system, d AS dossier_code FROM unnest($4::text[], $5::text[]) AS a(s, d)),
		o AS (SELECT id, 'o:' || id AS key FROM orders WHERE id = ANY ($3) UNION ALL SELECT o.id, 'd:' || source_system || '/' || dossier_code FROM asked JOIN orders o USING (source_system, dossier_code) WHERE o.mode = 'live'),
		p AS (SELECT DISTINCT o.key, p.id, p.recorded_at, p.transfer_id, p.payer_digest FROM o JOIN allocations a ON a.order_id = o.id JOIN payments p ON p.id = a.payment_id),
		m AS (SELECT p.key, p.id AS payment, m.id, m.line_id, m.recorded_at, m.ended_at, l.account_id, l.date, l.import_id || ':' || l.line_no AS line FROM p JOIN matches m ON m.payment_id = p.id JOIN settlement_lines l ON l.id = m.line_id)
		SELECT key, kind, id, payment, recorded_at FROM (
			SELECT key, 'payment' AS kind, id, id AS payment, recorded_at FROM p
			UNION ALL SELECT key, 'settlement_line', line, payment, recorded_at FROM m
			UNION ALL SELECT key, 'match_ended', line, payment, ended_at FROM m WHERE ended_at IS NOT NULL
			UNION ALL SELECT m.key, 'payout', y.id, m.payment, y.recorded_at FROM m JOIN payout_days d ON d.account_id = m.account_id AND d.date = m.date JOIN payouts y ON y.id = d.payout_id
			UNION ALL SELECT p.key, 'statement', t.transfer_id, p.id, t.recorded_at FROM p JOIN statement_transfers t ON t.transfer_id = p.transfer_id
			UNION ALL SELECT p.key, 'deposit', i.deposit_id, p.id, u.recorded_at FROM p JOIN deposit_items i ON i.payment_id = p.id JOIN bank_uses u ON u.deposit_id = i.deposit_id
			UNION ALL SELECT p.key, 'refund', f.id, p.id, f.recorded_at FROM p JOIN refunds f ON f.payment_id = p.id WHERE f.status = 'succeeded'
			UNION ALL SELECT p.key, 'reversal', v.payment_id, p.id, v.recorded_at FROM p JOIN reversals v ON v.payment_id = p.id
			UNION ALL SELECT p.key, 'discrepancy', x.id, p.id, h.recorded_at FROM p JOIN discrepancies x ON x.payment_id = p.id JOIN discrepancy_history h ON h.discrepancy_id = x.id WHERE x.kind IN ('in_doubt', 'wrong_account', 'reversal')
			UNION ALL SELECT p.key, 'payer', 'staff', p.id, s.recorded_at FROM p JOIN staff_accounts s ON s.digest = p.payer_digest
			UNION ALL SELECT p.key, 'payer', 'ended', p.id, s.ended_at FROM p JOIN staff_accounts s ON s.digest = p.payer_digest
			UNION ALL SELECT p.key, 'payer', 'flagged', p.id, s.recorded_at FROM p JOIN payer_flags s ON s.digest = p.payer_digest
			UNION ALL SELECT p.key, 'payer', 'cleared', p.id, s.ended_at FROM p JOIN payer_flags s ON s.digest = p.payer_digest
			UNION ALL SELECT 'd:' || source_system || '/' || dossier_code, 'dossier', dossier_code || '#' || d.n, NULL, d.recorded_at FROM asked JOIN dossiers d USING (source_system, dossier_code) WHERE d.mode = 'live') x
		WHERE recorded_at > $1 AND recorded_at <= $2 GROUP BY key, kind, id, payment, recorded_at ORDER BY recorded_at, kind, id`, after, until, pq.Array(orders), pq.Array(sources), pq.Array(codes))
	if err != nil {
		return fmt.Errorf("reading what changed: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var b Because
		if err := rows.Scan(&key, &b.Kind, &b.ID, &b.Payment, &b.RecordedAt); err != nil {
			return fmt.Errorf("reading what changed: %w", err)
		}
		b.RecordedAt = b.RecordedAt.In(zone)
		for _, i := range at[key] {
			if len(items[i].Because) < maxBecause {
				items[i].Because = append(items[i].Because, b)
			}
			if b.Kind == "dossier" {
				items[i].Cause, items[i].CauseVI = "dossier_told", causes["dossier_told"]
			}
		}
	}
	return rows.Err()
}

// maxBecause is how many records are shown for one change; a dossier may have thousands.
const maxBecause = 50
