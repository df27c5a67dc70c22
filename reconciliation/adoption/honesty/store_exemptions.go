package honesty

import (
	"context"
	"fmt"

	"github.com/lib/pq"

	"feegate/reconciliation/adoption"
)

// ours keeps what the asker's agencies, and the one asked for, have: $3 as in [adjusted], $4 the agencies, $5 the one.
const ours = `(cardinality($4::text[]) = 0 OR agency_code = ANY ($4)) AND ($5::text = '' OR agency_code = $5)`

func (q Question) limits(s *span) []any {
	return []any{s.asOf, s.from, s.to, pq.Array(append([]string{}, q.Agencies...)), q.Agency}
}

func (b *Book) exemptionGroups(ctx context.Context, q Question, s *span) ([]ExemptionGroup, error) {
	rows, err := b.db.QueryContext(ctx, `SELECT coalesce(nullif(exemption, ''), legal_basis) AS "group", type, count(DISTINCT order_id), sum(amount)::bigint, count(DISTINCT order_id) FILTER (WHERE evidence <> '')
		FROM (`+adjusted+`) x WHERE `+ours+` GROUP BY 1, 2 ORDER BY 1, 2`, q.limits(s)...)
	if err != nil {
		return nil, fmt.Errorf("counting exemptions: %w", err)
	}
	defer rows.Close()
	out := []ExemptionGroup{}
	for rows.Next() {
		var g ExemptionGroup
		var proven int64
		if err := rows.Scan(&g.Group, &g.Type, &g.Count, &g.Forgone, &proven); err != nil {
			return nil, fmt.Errorf("counting exemptions: %w", err)
		}
		g.Evidence = adoption.RateOf(proven, g.Count)
		out = append(out, g)
	}
	return out, rows.Err()
}

func (b *Book) exemptionUnits(ctx context.Context, q Question, s *span) ([]ExemptionUnit, error) {
	rows, err := b.db.QueryContext(ctx, `SELECT agency_code, (SELECT name FROM agencies WHERE code = agency_code), client_id, count(*) FILTER (WHERE amount = 0), count(*) FROM orders o
		WHERE created_at >= $2 AND created_at < $3 AND created_at <= $1 AND mode = 'live' AND status NOT IN ('cancelled', 'superseded') AND `+ours+`
		AND (amount > 0 OR EXISTS (SELECT FROM order_lines l WHERE l.order_id = o.id AND l.gross > 0)) GROUP BY agency_code, client_id ORDER BY agency_code, client_id`, q.limits(s)...)
	if err != nil {
		return nil, fmt.Errorf("counting exemptions by agency: %w", err)
	}
	defer rows.Close()
	out := []ExemptionUnit{}
	for rows.Next() {
		var u ExemptionUnit
		var exempt, all int64
		if err := rows.Scan(&u.Agency.Code, &u.Agency.Name, &u.By, &exempt, &all); err != nil {
			return nil, fmt.Errorf("counting exemptions by agency: %w", err)
		}
		u.Share = adoption.RateOf(exempt, all)
		out = append(out, u)
	}
	return out, rows.Err()
}

func (b *Book) sample(ctx context.Context, q Question, s *span, seed string, size int) ([]Sampled, error) {
	rows, err := b.db.QueryContext(ctx, `SELECT order_id, dossier_code, agency_code, type, amount, legal_basis, evidence, created_at FROM (`+adjusted+`) x WHERE `+ours+`
		ORDER BY md5($6::text || order_id), order_id, type, evidence LIMIT $7`, append(q.limits(s), seed, size)...)
	if err != nil {
		return nil, fmt.Errorf("drawing a sample of exemptions: %w", err)
	}
	defer rows.Close()
	out := []Sampled{}
	for rows.Next() {
		var x Sampled
		if err := rows.Scan(&x.Order, &x.Dossier, &x.Agency, &x.Type, &x.Amount, &x.LegalBasis, &x.Evidence, &x.CreatedAt); err != nil {
			return nil, fmt.Errorf("drawing a sample of exemptions: %w", err)
		}
		x.CreatedAt = x.CreatedAt.In(zone)
		out = append(out, x)
	}
	return out, rows.Err()
}
