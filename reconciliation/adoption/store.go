package adoption

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// facts is the definition OPR-1 as rows: $1 as_of, $2 and $3 the period [from, to), $4 the agencies that the asker is limited
// to (none: all). It begins with the dossiers that have anything in the period.
const facts = `
WITH ` + inPeriod + judged

// inPeriod is the dossiers that have anything in the period.
const inPeriod = `cand AS MATERIALIZED (
	SELECT o.source_system, o.dossier_code FROM payments p JOIN allocations a ON a.payment_id = p.id JOIN orders o ON o.id = a.order_id
		WHERE p.status IN ('succeeded', 'reversed') AND p.paid_at >= $2 AND p.paid_at < $3 AND o.mode = 'live'
	UNION SELECT source_system, dossier_code FROM dossiers WHERE status = 'closed' AND closed_at >= $2 AND closed_at < $3 AND mode = 'live'
	UNION SELECT source_system, dossier_code FROM orders WHERE amount = 0 AND created_at >= $2 AND created_at < $3 AND mode = 'live')`

// judged are the facts of the dossiers in cand, whoever chose them: the report from the raw rows, the folder that keeps the aggregates,
// the report that puts those right, and the list behind a figure all have their facts from this text. It takes in all orders and payments
// of a dossier, also those outside the period: a dossier is judged by all its units and belongs to the period of its last.
//
// MATERIALIZED fences what must be computed once: on tables that were never analysed (just loaded) the planner takes every step
// for a few rows, and would compute the next for each of them.
const judged = `,
doc AS MATERIALIZED ( -- the dossier as it had been told last
	SELECT DISTINCT ON (d.source_system, d.dossier_code) d.source_system, d.dossier_code, d.status, d.agency_code, d.procedure_code, d.closed_at, d.amount_due::bigint
	FROM cand JOIN dossiers d USING (source_system, dossier_code) WHERE d.recorded_at <= $1 AND d.mode = 'live'
	ORDER BY d.source_system, d.dossier_code, d.n DESC),
ord AS MATERIALIZED (
	SELECT o.id, o.source_system, o.dossier_code, o.agency_code, o.procedure_code, o.amount::bigint, o.kinds, o.created_at, o.status AS status_now,
		count(*) OVER (PARTITION BY o.source_system, o.dossier_code) AS orders
	FROM cand JOIN orders o USING (source_system, dossier_code) WHERE o.mode = 'live' AND o.created_at <= $1),
given AS MATERIALIZED (
	SELECT a.order_id, a.payment_id, a.amount::bigint, ord.amount AS due FROM ord JOIN allocations a ON a.order_id = ord.id WHERE a.recorded_at <= $1),
pair AS MATERIALIZED ( -- a refund comes off the allocation to its own order, or off the payment's first where it has none to that order
	SELECT order_id, payment_id, max(due) AS due, sum(amount)::bigint AS gross, sum(back)::bigint AS back FROM (
		SELECT order_id, payment_id, due, amount, 0 AS back FROM given
		UNION ALL SELECT coalesce(
			(SELECT a.order_id FROM allocations a WHERE a.payment_id = r.payment_id AND a.order_id = r.order_id AND a.recorded_at <= $1 LIMIT 1),
			(SELECT a.order_id FROM allocations a WHERE a.payment_id = r.payment_id AND a.recorded_at <= $1 ORDER BY a.recorded_at, a.order_id LIMIT 1)),
			r.payment_id, NULL, 0, r.allocated_part
			FROM refunds r WHERE r.status = 'succeeded' AND r.recorded_at <= $1 AND r.allocated_part > 0 AND r.payment_id IN (SELECT payment_id FROM given)) g
	GROUP BY order_id, payment_id HAVING sum(amount) > 0),
paid AS MATERIALIZED (
	SELECT x.order_id, x.payment_id, x.due, x.gross, CASE e.evidence WHEN 'reversed' THEN 0 ELSE greatest(x.gross - x.back, 0) END AS net,
		p.paid_at, p.provider, p.channel, p.payer_digest IS NULL AS payer_unknown, e.evidence, e.line_id, e.bank_proven,
		CASE WHEN p.channel IN ('cash_counter', 'cash_postal') THEN 'cash' WHEN p.channel IN ('pos_counter', 'transfer_unref') THEN 'noncash_other'
			WHEN p.channel = 'officer_proxy' OR (p.payer_digest IS NOT NULL AND (
				EXISTS (SELECT FROM staff_accounts s WHERE s.digest = p.payer_digest AND s.recorded_at <= $1 AND (s.ended_at IS NULL OR s.ended_at > $1))
				OR EXISTS (SELECT FROM payer_flags s WHERE s.digest = p.payer_digest AND s.from_at <= p.paid_at AND s.recorded_at <= $1 AND (s.ended_at IS NULL OR s.ended_at > $1))))
			THEN 'proxy' ELSE 'online' END AS class
	FROM pair x JOIN payments p ON p.id = x.payment_id JOIN evidence_at($1) e ON e.payment_id = x.payment_id
	WHERE p.mode = 'live'),
step AS (
	SELECT *, sum(gross) OVER (PARTITION BY order_id ORDER BY paid_at, payment_id) AS running,
		row_number() OVER (PARTITION BY order_id ORDER BY gross DESC, paid_at, payment_id) AS size
	FROM paid WHERE net > 0),
summed AS MATERIALIZED (
	SELECT s.order_id, s.due, sum(s.net)::bigint AS net, sum(s.gross)::bigint AS gross,
		coalesce(min(s.paid_at) FILTER (WHERE s.running >= s.due), max(s.paid_at)) AS unit_at,
		bool_or(s.evidence = 'disputed') AS disputed, bool_or(s.channel = 'qr_counter_self') AS at_counter, bool_and(s.bank_proven) AS bank_proven,
		bool_or(s.payer_unknown) AS payer_unknown, max(s.provider) FILTER (WHERE s.size = 1) AS provider, max(s.channel) FILTER (WHERE s.size = 1) AS channel,
		CASE WHEN bool_or(s.class = 'proxy') THEN 'proxy'
			WHEN bool_or(s.evidence = 'none') THEN 'unproven'
			WHEN sum(s.gross) < s.due THEN 'incomplete'
			WHEN min(s.class) <> max(s.class) THEN 'mixed'
			WHEN min(s.class) <> 'online' THEN min(s.class)
			WHEN bool_and(s.evidence = 'confirmed') THEN 'online' ELSE 'online_provisional' END AS bucket
	FROM step s GROUP BY s.order_id, s.due),
unit AS MATERIALIZED ( -- what is left of an order of several kinds is theirs in the proportion of its lines, the rest of the division lệ phí's
	SELECT u.*, o.source_system, o.dossier_code, o.agency_code, o.procedure_code, k.phi, k.nvtc, u.net - k.phi - k.nvtc AS le_phi
	FROM summed u JOIN orders o ON o.id = u.order_id, LATERAL (
		SELECT CASE WHEN o.kinds = '{phi}' THEN u.net WHEN NOT 'phi' = ANY (o.kinds) THEN 0 ELSE
				(SELECT div(u.net::numeric * coalesce(sum(l.net::bigint), 0), u.due) FROM order_lines l WHERE l.order_id = u.order_id AND l.kind = 'phi') END::bigint AS phi,
			CASE WHEN o.kinds = '{nvtc}' THEN u.net WHEN NOT 'nvtc' = ANY (o.kinds) THEN 0 ELSE
				(SELECT div(u.net::numeric * coalesce(sum(l.net::bigint), 0), u.due) FROM order_lines l WHERE l.order_id = u.order_id AND l.kind = 'nvtc') END::bigint AS nvtc
		OFFSET 0) k),
state AS MATERIALIZED ( -- what an order was then. It is looked up only where the answer can matter: an order that may be void, or has others beside it
	SELECT o.id, o.source_system, o.dossier_code, o.amount, o.created_at, o.orders, CASE WHEN o.orders > 1 OR o.status_now IN ('cancelled', 'superseded', 'refunded')
		THEN coalesce((SELECT h.to_status FROM history h WHERE h.object_id = o.id AND h.recorded_at <= $1 ORDER BY h.id DESC LIMIT 1),
			CASE o.amount WHEN 0 THEN 'no_payment_needed' ELSE 'open' END) ELSE o.status_now END AS status
	FROM ord o),
ousted AS MATERIALIZED ( -- lines of expired orders whose fee a newer order asks for
	SELECT source_system, dossier_code, net FROM (
		SELECT s.source_system, s.dossier_code, s.status, l.net::bigint AS net, bool_or(s.status NOT IN ('cancelled', 'superseded')) OVER newer AS again
		FROM state s JOIN order_lines l ON l.order_id = s.id WHERE s.orders > 1
		WINDOW newer AS (PARTITION BY s.source_system, s.dossier_code, l.fee_code, l.purpose ORDER BY s.created_at DESC, s.id DESC GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) x
	WHERE status = 'expired' AND again),
told AS ( -- everything about a dossier, to be put together by its key
	SELECT source_system, dossier_code, 'doc' AS what, agency_code, procedure_code, closed_at AS at, '' AS order_id, amount_due AS due, 0::bigint AS gross, status = 'closed' AS good, false AS bad FROM doc
	UNION ALL SELECT source_system, dossier_code, 'unit', agency_code, procedure_code, unit_at, order_id, NULL, gross, bucket = 'online', disputed OR bucket IN ('unproven', 'incomplete') FROM unit
	UNION ALL SELECT source_system, dossier_code, 'owed', NULL, NULL, NULL, '', amount, 0, false, false FROM state WHERE status NOT IN ('cancelled', 'superseded', 'refunded', 'no_payment_needed')
	UNION ALL SELECT source_system, dossier_code, 'owed', NULL, NULL, NULL, '', -net, 0, false, false FROM ousted),
gathered AS (
	SELECT source_system, dossier_code, max(at) FILTER (WHERE what = 'unit') AS unit_at, max(at) FILTER (WHERE what = 'doc') AS closed_at,
		(array_agg(ARRAY[agency_code, procedure_code] ORDER BY what, at DESC, order_id DESC) FILTER (WHERE what <> 'owed'))[1:1] AS whose,
		coalesce(bool_or(good) FILTER (WHERE what = 'doc'), false) AS closed,
		coalesce(max(due) FILTER (WHERE what = 'doc'), sum(due) FILTER (WHERE what = 'owed'), 0)::bigint AS due,
		sum(gross)::bigint AS gross, coalesce(bool_and(good) FILTER (WHERE what = 'unit'), false) AS all_online, bool_or(bad) AS doubtful
	FROM told GROUP BY source_system, dossier_code),
dossier AS ( -- of the case system's agency and procedure ('doc' sorts first), else of its last unit's
	SELECT source_system, dossier_code, coalesce(unit_at, closed_at) AS at, whose[1][1] AS agency_code, whose[1][2] AS procedure_code, closed, due, unit_at IS NULL AS unpaid, all_online, doubtful, gross >= due AS covered
	FROM gathered),
every AS (
	SELECT 'unit' AS subject, order_id, source_system, dossier_code, agency_code, procedure_code, unit_at AS at, provider,
		CASE bucket WHEN 'mixed' THEN 'mixed' ELSE channel END AS channel, bucket, net, phi, le_phi, nvtc, at_counter, bank_proven, payer_unknown,
		false AS closed, 0 AS due, false AS unpaid, false AS all_online, false AS doubtful, false AS covered FROM unit
	UNION ALL SELECT 'dossier', NULL, source_system, dossier_code, agency_code, procedure_code, at, NULL, NULL, NULL, 0, 0, 0, 0, false, false, false,
		closed, due, unpaid, all_online, doubtful, covered FROM dossier WHERE NOT unpaid OR (closed AND due > 0)
	UNION ALL SELECT 'refunded', g.order_id, o.source_system, o.dossier_code, o.agency_code, o.procedure_code, g.at, g.provider, g.channel, NULL, 0, 0, 0, 0, false, false, false,
		false, 0, false, false, false, false
		FROM (SELECT order_id, max(paid_at) AS at, (array_agg(provider ORDER BY gross DESC, paid_at, payment_id))[1] AS provider,
			(array_agg(channel ORDER BY gross DESC, paid_at, payment_id))[1] AS channel FROM paid WHERE (order_id IN (SELECT order_id FROM paid WHERE net = 0)) IS TRUE -- a lookup, not a join: its size is hard to tell
			GROUP BY order_id HAVING max(net) = 0) g
		JOIN orders o ON o.id = g.order_id
	UNION ALL SELECT 'exempt', o.id, o.source_system, o.dossier_code, o.agency_code, o.procedure_code, o.created_at, NULL, NULL, NULL, 0, 0, 0, 0, false, false, false,
		false, 0, false, false, false, false
		FROM ord o WHERE o.amount = 0 AND EXISTS (SELECT FROM order_lines l WHERE l.order_id = o.id AND l.gross > 0)),
facts AS (SELECT * FROM every WHERE at >= $2 AND at < $3 AND (cardinality($4::text[]) = 0 OR agency_code = ANY ($4)))`

// groups gives each grouping its code on a row of facts (alias f) and its name (of the code c). The codes are those of the time of filing;
// [successors] turns f.agency_code into who carries on.
var groups = map[string]struct{ code, name string }{
	"":          {`''`, `''`},
	"agency":    {`f.agency_code`, `(SELECT name FROM agencies WHERE code = c)`},
	"procedure": {`f.procedure_code`, `(SELECT name FROM procedures WHERE code = c)`},
	"field": {`coalesce((SELECT v.field_code FROM procedure_versions v WHERE v.procedure_code = f.procedure_code AND v.valid_from <= business_day(f.at)
		AND (v.valid_to IS NULL OR v.valid_to > business_day(f.at))), (SELECT field_code FROM procedures WHERE code = f.procedure_code))`, `(SELECT name FROM fields WHERE code = c)`},
	"commune":  {`coalesce((SELECT commune_code FROM agencies WHERE code = f.agency_code), '')`, `(SELECT name FROM communes WHERE code = c)`},
	"provider": {`f.provider`, `c`},
	"channel":  {`f.channel`, `c`},
	"day":      {`to_char(f.at AT TIME ZONE 'UTC' + interval '7 hours', 'YYYY-MM-DD')`, `c`},
	"month":    {`to_char(f.at AT TIME ZONE 'UTC' + interval '7 hours', 'YYYY-MM')`, `c`},
	"quarter":  {`to_char(f.at AT TIME ZONE 'UTC' + interval '7 hours', 'YYYY-"Q"Q')`, `c`},
	"year":     {`to_char(f.at AT TIME ZONE 'UTC' + interval '7 hours', 'YYYY')`, `c`},
}

// condition is a figure's on a row of facts.
func (f figure) condition() string { return fmt.Sprintf("subject = '%s' AND %s", f.of, f.where) }

// reading begins a transaction for one large question: more memory for its sorts, and no compiling of a plan that runs once.
func (r *Reporter) reading(ctx context.Context) (*sqlx.Tx, error) { return readingFrom(ctx, r.db) }

func readingFrom(ctx context.Context, db *sqlx.DB) (*sqlx.Tx, error) {
	tx, err := db.BeginTxx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}) // one snapshot for all its statements
	if err != nil {
		return nil, fmt.Errorf("beginning a report: %w", err)
	}
	if _, err := tx.ExecContext(ctx, Looking+`; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'`); err != nil {
		_ = tx.Rollback() // the first error says more
		return nil, fmt.Errorf("beginning a report: %w", err)
	}
	return tx, nil
}

// raw counts every figure of every group and of all from the rows themselves, in one statement.
func (r *Reporter) raw(ctx context.Context, tx *sqlx.Tx, q Question, s *span) ([]counted, error) {
	// A plan that is kept for every period is good for none: the connection has prepared this statement before.
	if _, err := tx.ExecContext(ctx, `SET LOCAL plan_cache_mode = force_custom_plan`); err != nil {
		return nil, fmt.Errorf("counting from the rows: %w", err)
	}
	all, sums := reported(), []string{}
	for _, m := range all {
		sums = append(sums, fmt.Sprintf("coalesce(sum(%s) FILTER (WHERE %s), 0)::bigint", m.weight, m.condition()))
	}
	only := "true"
	if !ofDossiers(q.GroupBy) {
		only = "subject IN ('unit', 'refunded')"
	}
	rows, err := tx.QueryContext(ctx, facts+`,
		grouped AS (SELECT f.*, `+s.successors.code(q.GroupBy)+` AS c FROM facts f WHERE `+only+`)`+named(q.GroupBy, sums, "grouped"),
		s.asOf, s.from, s.to, pq.Array(s.sees(q.Agencies)))
	if err != nil {
		return nil, fmt.Errorf("counting the rate: %w", err)
	}
	return read(rows, all)
}

// named groups a relation by its column c and sums it, once for each group and once for all, and gives each group its name.
func named(groupBy string, sums []string, from string) string {
	list := `SELECT grouping(c) = 1 AS total, coalesce(c, '') AS c, ARRAY[` + strings.Join(sums, ", ") + `] AS sums FROM ` + from + ` GROUP BY GROUPING SETS ((c), ())`
	if groupBy == "" { // grouping() needs a grouping set that names its column
		list = `SELECT true AS total, '' AS c, ARRAY[` + strings.Join(sums, ", ") + `] AS sums FROM ` + from
	}
	return ` SELECT total, c, CASE WHEN total THEN '' ELSE coalesce(` + groups[groupBy].name + `, c) END, sums FROM (` + list + `) x ORDER BY total, c COLLATE "C"`
}

func read(rows *sql.Rows, all []measure) ([]counted, error) {
	defer rows.Close()
	at := map[figure]int{}
	for i, m := range all {
		at[m.figure] = i
	}
	var out []counted
	for rows.Next() {
		c, values := counted{values: map[string]int64{}}, pq.Int64Array{}
		if err := rows.Scan(&c.total, &c.code, &c.name, &values); err != nil {
			return nil, fmt.Errorf("counting the rate: %w", err)
		}
		some := c.total
		for _, v := range values {
			some = some || v != 0
		}
		if !some { // a sum to which nothing is left: every fact counts somewhere
			continue
		}
		for n, f := range figures {
			c.values[n] = values[at[f]]
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// beat is the time that a copy of the database was told last.
func beat(ctx context.Context, x sqlx.QueryerContext) (time.Time, error) {
	var at sql.NullTime
	if err := sqlx.GetContext(ctx, x, &at, `SELECT beat_at FROM report_state`); err != nil {
		return time.Time{}, fmt.Errorf("asking the replica what it knows: %w", err)
	}
	if !at.Valid {
		return time.Time{}, ErrNoBeat
	}
	return at.Time, nil
}

// targets are those in force at a day, the lowest first.
func (r *Reporter) targets(ctx context.Context, day string) ([]Hundredths, error) {
	var out []Hundredths
	if err := r.db.SelectContext(ctx, &out, `SELECT (percent * 100)::bigint FROM targets WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1)
		AND status = 'approved' GROUP BY percent ORDER BY percent`, day); err != nil {
		return nil, fmt.Errorf("reading the targets: %w", err)
	}
	return out, nil
}
