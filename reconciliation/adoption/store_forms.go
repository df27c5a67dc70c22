package adoption

import (
	"context"
	"fmt"

	"github.com/lib/pq"
)

// KindAmounts is what one kind of money came to over the paid orders of a period, in đồng. What an order of several kinds was paid and paid back is theirs
// in the proportion of its lines, the rest of the division lệ phí's.
type KindAmounts struct {
	Kind      string
	Gross     int64 // by the schedule
	Reduced   int64 // exempt, reduced, pilot
	Net       int64 // what was asked for
	Paid      int64 // what of it was paid
	Refunded  int64
	Collected int64 // what is left: paid − refunded
	Online    int64 // of it by units that are online and confirmed
}

// Other is what was collected in other ways.
func (k *KindAmounts) Other() int64 { return k.Collected - k.Online }

// Amounts adds up a period's money by kind, over its counted units and the orders of which nothing is left.
func (r *Reporter) Amounts(ctx context.Context, q Question) ([]KindAmounts, error) {
	s, err := q.read(r.now())
	if err == nil {
		err = r.divide(ctx, &q, s)
	}
	if err != nil {
		return nil, err
	}
	tx, err := r.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // it wrote nothing
	rows, err := tx.QueryContext(ctx, facts+`,
		kinds AS (SELECT unnest(ARRAY['phi', 'le_phi', 'nvtc']) AS kind),
		-- Put together by keys, not joined: on tables that were never analysed a join would look through all payments for each order.
		counted AS MATERIALIZED (
			SELECT order_id, bool_or(online) AS online, max(phi) AS phi, max(le_phi) AS le_phi, max(nvtc) AS nvtc, max(net) AS net, (CASE WHEN bool_or(subject = 'unit') THEN sum(live) ELSE sum(every) END)::bigint AS paid FROM (
				SELECT f.order_id, f.subject, coalesce(f.bucket = 'online', false) AS online, f.phi, f.le_phi, f.nvtc, f.net, 0 AS live, 0 AS every FROM facts f WHERE f.subject IN ('unit', 'refunded')
				UNION ALL SELECT x.order_id, NULL, NULL, NULL, NULL, NULL, NULL, CASE WHEN x.net > 0 THEN x.gross ELSE 0 END, x.gross FROM paid x) z
			GROUP BY order_id HAVING count(subject) > 0),
		lines AS (SELECT c.order_id, l.kind::text AS kind, sum(l.gross::bigint)::bigint AS gross, sum(l.net::bigint)::bigint AS net FROM counted c JOIN order_lines l ON l.order_id = c.order_id GROUP BY 1, 2),
		shared AS (SELECT c.order_id, c.online, k.kind, coalesce(l.gross, 0) AS gross, coalesce(l.net, 0) AS asked, CASE k.kind WHEN 'phi' THEN c.phi WHEN 'nvtc' THEN c.nvtc ELSE c.le_phi END AS collected, c.paid,
				CASE WHEN l.net IS NULL THEN 0 WHEN k.kind = 'le_phi' THEN NULL ELSE div(c.paid::numeric * l.net, sum(l.net) OVER (PARTITION BY c.order_id))::bigint END AS part
			FROM counted c CROSS JOIN kinds k LEFT JOIN lines l ON l.order_id = c.order_id AND l.kind = k.kind),
		each AS (SELECT *, coalesce(part, paid - coalesce(sum(part) OVER (PARTITION BY order_id), 0))::bigint AS given FROM shared)
		SELECT k.kind, coalesce(sum(gross), 0)::bigint, coalesce(sum(gross - asked), 0)::bigint, coalesce(sum(asked), 0)::bigint, coalesce(sum(given), 0)::bigint, coalesce(sum(given - collected), 0)::bigint,
			coalesce(sum(collected), 0)::bigint, coalesce(sum(collected) FILTER (WHERE online), 0)::bigint
		FROM kinds k LEFT JOIN each e USING (kind) GROUP BY k.kind ORDER BY array_position(ARRAY['phi', 'le_phi', 'nvtc'], k.kind)`, s.asOf, s.from, s.to, pq.Array(s.agencies))
	if err != nil {
		return nil, fmt.Errorf("adding up by kind: %w", err)
	}
	defer rows.Close()
	out := []KindAmounts{}
	for rows.Next() {
		var k KindAmounts
		if err := rows.Scan(&k.Kind, &k.Gross, &k.Reduced, &k.Net, &k.Paid, &k.Refunded, &k.Collected, &k.Online); err != nil {
			return nil, fmt.Errorf("adding up by kind: %w", err)
		}
		out = append(out, k)
	}
	return out, rows.Err()
}

// AgencyDossiers is an agency's line in the layouts that officers know from Decision 766: dossiers by how they were paid, and amounts in đồng.
type AgencyDossiers struct {
	Code, Name  string
	Due         int64 // dossiers that had to pay
	National    int64 // paid whole, online and confirmed, through the national portal
	Online      int64 // the same through any gateway
	Provisional int64 // online, and not all of it settled yet
	Phi, LePhi  int64
	Nvtc        int64
}

// Direct is what was not paid online, or not provably.
func (a *AgencyDossiers) Direct() int64 { return a.Due - a.Online - a.Provisional }

// Dossiers766 counts a period's dossiers by agency as officers know it from Decision 766.
func (r *Reporter) Dossiers766(ctx context.Context, q Question) ([]AgencyDossiers, error) {
	s, err := q.read(r.now())
	if err == nil {
		err = r.divide(ctx, &q, s)
	}
	if err != nil {
		return nil, err
	}
	tx, err := r.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // it wrote nothing
	rows, err := tx.QueryContext(ctx, facts+`,
		told766 AS ( -- a dossier with its units, put together by its key
			SELECT source_system, dossier_code, max(agency_code) FILTER (WHERE counted) AS agency_code, bool_or(whole) AS whole, bool_or(covered) AS covered, bool_and(national) AS national, bool_and(online) AS online FROM (
				SELECT source_system, dossier_code, agency_code, true AS counted, all_online AND covered AS whole, covered, NULL::boolean AS national, NULL::boolean AS online FROM facts WHERE subject = 'dossier'
				UNION ALL SELECT source_system, dossier_code, NULL, false, NULL, NULL, provider = 'dvcqg', bucket IN ('online', 'online_provisional') FROM unit) z
			GROUP BY 1, 2 HAVING bool_or(counted)),
		cells AS (
			SELECT `+s.successors.code("agency")+` AS agency_code, 1 AS due, (whole AND coalesce(national, false))::int AS national, whole::int AS online, (coalesce(online, false) AND covered AND NOT whole)::int AS provisional, 0 AS phi, 0 AS le_phi, 0 AS nvtc FROM told766 f
			UNION ALL SELECT `+s.successors.code("agency")+`, 0, 0, 0, 0, f.phi, f.le_phi, f.nvtc FROM facts f WHERE f.subject = 'unit')
		SELECT c.agency_code, coalesce(a.name, c.agency_code), sum(due)::bigint, coalesce(sum(national), 0)::bigint, sum(online)::bigint, sum(provisional)::bigint, sum(phi)::bigint, sum(le_phi)::bigint, sum(nvtc)::bigint
		FROM cells c LEFT JOIN agencies a ON a.code = c.agency_code GROUP BY 1, 2 ORDER BY c.agency_code COLLATE "C"`, s.asOf, s.from, s.to, pq.Array(s.agencies))
	if err != nil {
		return nil, fmt.Errorf("counting dossiers by agency: %w", err)
	}
	defer rows.Close()
	out := []AgencyDossiers{}
	for rows.Next() {
		var a AgencyDossiers
		if err := rows.Scan(&a.Code, &a.Name, &a.Due, &a.National, &a.Online, &a.Provisional, &a.Phi, &a.LePhi, &a.Nvtc); err != nil {
			return nil, fmt.Errorf("counting dossiers by agency: %w", err)
		}
		out = append(out, a)
	}
	return out, rows.Err()
}

// RefundCount is how many refunds of a provider stand in a state, and what they come to.
type RefundCount struct {
	Provider, Status string
	Count, Amount    int64
}

// TraceCount is how many traces of a kind of discrepancy were asked, answered and are overdue.
type TraceCount struct {
	Kind                            string
	Asked, Answered, Overdue, Money int64
}

// Refunds counts the refunds asked for in a period by the state that they had at as_of, and the traces.
func (r *Reporter) Refunds(ctx context.Context, q Question) (refunds []RefundCount, traces []TraceCount, err error) {
	s, err := q.read(r.now())
	if err == nil {
		err = r.divide(ctx, &q, s)
	}
	if err != nil {
		return nil, nil, err
	}
	refunds, traces = []RefundCount{}, []TraceCount{}
	rows, err := r.db.QueryContext(ctx, `SELECT provider, status, count(*), sum(amount)::bigint FROM (
			SELECT p.provider, f.amount::bigint AS amount, coalesce((SELECT h.to_status FROM history h WHERE h.object_id = f.id AND h.recorded_at <= $1 ORDER BY h.id DESC LIMIT 1), 'requested') AS status
			FROM refunds f JOIN payments p ON p.id = f.payment_id JOIN orders o ON o.id = f.order_id
			WHERE f.requested_at >= $2 AND f.requested_at < $3 AND f.requested_at <= $1 AND p.mode = 'live' AND (cardinality($4::text[]) = 0 OR o.agency_code = ANY ($4))) x
		GROUP BY 1, 2 ORDER BY provider, array_position(ARRAY['requested', 'approved', 'rejected', 'submitted', 'failed', 'succeeded'], status)`, s.asOf, s.from, s.to, pq.Array(s.agencies))
	if err != nil {
		return nil, nil, fmt.Errorf("counting refunds: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c RefundCount
		if err := rows.Scan(&c.Provider, &c.Status, &c.Count, &c.Amount); err != nil {
			return nil, nil, fmt.Errorf("counting refunds: %w", err)
		}
		refunds = append(refunds, c)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("counting refunds: %w", err)
	}
	other, err := r.db.QueryContext(ctx, `SELECT d.kind, count(*), count(*) FILTER (WHERE t.answered_at <= $1), count(*) FILTER (WHERE coalesce(t.answered_at > $1, true) AND t.due < ($1 AT TIME ZONE 'UTC' + interval '7 hours')::date), sum(abs(d.amount::bigint))::bigint
		FROM discrepancy_traces t JOIN discrepancies d ON d.id = t.discrepancy_id JOIN merchant_accounts a ON a.id = d.account_id
		WHERE t.asked_at >= $2 AND t.asked_at < $3 AND t.asked_at <= $1 AND a.mode = 'live' AND (cardinality($4::text[]) = 0 OR a.agency_code = ANY ($4)) GROUP BY 1 ORDER BY 1`, s.asOf, s.from, s.to, pq.Array(s.agencies))
	if err != nil {
		return nil, nil, fmt.Errorf("counting traces: %w", err)
	}
	defer other.Close()
	for other.Next() {
		var c TraceCount
		if err := other.Scan(&c.Kind, &c.Asked, &c.Answered, &c.Overdue, &c.Money); err != nil {
			return nil, nil, fmt.Errorf("counting traces: %w", err)
		}
		traces = append(traces, c)
	}
	return refunds, traces, other.Err()
}
