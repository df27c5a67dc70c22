package honesty

// The queries of the rules: $1 as_of, $2 and $3 the period [from, to), $4 the agencies, $5 the definition's parameters. Each gives, in this
// order: kind, agency, what it is about (kind and id), who and in what role, since when it was known, when it happened, the money, payment,
// order, dossier, and the particulars of its sentence.

// overdue are the days of the period whose term of so many working days is over at as_of, each with the moment from which it was.
func overdue(parameter string) string {
	return `(SELECT day, over FROM (SELECT d::date AS day, ((working_day_after(d::date, ($5::jsonb->>'` + parameter + `')::int) + 1)::timestamp - interval '7 hours') AT TIME ZONE 'UTC' AS over
		FROM generate_series(business_day($2)::timestamp, least(business_day($3), business_day($1))::timestamp, interval '1 day') d) t WHERE over <= $1)`
}

// payers: G1. Flags are found by a job and stay; staff accounts are declared, and what was paid from one before its declaration ended is shown with who
// ended it; an officer's payment from nowhere is so by its channel.
const payers = `
	SELECT 'many', agency_code, 'account', account, '', 'payer', greatest(flagged, first), last, amount, NULL::text, NULL::text, NULL::text, ARRAY[dossiers::text]
	FROM (SELECT o.agency_code, left(encode(f.digest, 'hex'), 12) AS account, max(f.recorded_at) AS flagged, min(p.recorded_at) AS first, max(p.paid_at) AS last, sum(a.amount)::bigint AS amount,
			count(DISTINCT (o.source_system, o.dossier_code)) AS dossiers
		FROM payer_flags f JOIN payments p ON p.payer_digest = f.digest AND p.paid_at >= f.from_at AND p.paid_at >= $2 AND p.paid_at < $3
		JOIN allocations a ON a.payment_id = p.id AND a.recorded_at <= $1 JOIN orders o ON o.id = a.order_id
		WHERE f.recorded_at <= $1 AND (f.ended_at IS NULL OR f.ended_at > $1) AND p.status = 'succeeded' AND p.mode = 'live' AND p.recorded_at <= $1 GROUP BY 1, 2) x
	UNION ALL SELECT 'staff', agency_code, 'account', account, '', 'officer', greatest(declared, first), last, amount, NULL, NULL, NULL, ARRAY[dossiers::text]
	FROM (SELECT o.agency_code, left(encode(f.digest, 'hex'), 12) AS account, max(f.recorded_at) AS declared, min(p.recorded_at) AS first, max(p.paid_at) AS last, sum(a.amount)::bigint AS amount,
			count(DISTINCT (o.source_system, o.dossier_code)) AS dossiers
		FROM staff_accounts f JOIN payments p ON p.payer_digest = f.digest AND p.paid_at >= $2 AND p.paid_at < $3
		JOIN allocations a ON a.payment_id = p.id AND a.recorded_at <= $1 JOIN orders o ON o.id = a.order_id
		WHERE f.recorded_at <= $1 AND (f.ended_at IS NULL OR f.ended_at > $1) AND p.status = 'succeeded' AND p.mode = 'live' AND p.recorded_at <= $1 GROUP BY 1, 2) x
	UNION ALL SELECT 'staff_ended', agency_code, 'account', account, who, 'officer', ended, last, amount, NULL, NULL, NULL, ARRAY[dossiers::text]
	FROM (SELECT o.agency_code, left(encode(f.digest, 'hex'), 12) AS account, max(coalesce(f.ended_by, '')) AS who, max(f.ended_at) AS ended, max(p.paid_at) AS last, sum(a.amount)::bigint AS amount,
			count(DISTINCT (o.source_system, o.dossier_code)) AS dossiers
		FROM (SELECT DISTINCT ON (digest) digest, ended_by, ended_at FROM staff_accounts WHERE recorded_at <= $1 ORDER BY digest, id DESC) f
		JOIN payments p ON p.payer_digest = f.digest AND p.paid_at < f.ended_at AND p.paid_at >= $2 AND p.paid_at < $3
		JOIN allocations a ON a.payment_id = p.id AND a.recorded_at <= $1 JOIN orders o ON o.id = a.order_id
		WHERE f.ended_at <= $1 AND p.status = 'succeeded' AND p.mode = 'live' AND p.recorded_at <= $1 GROUP BY 1, 2) x
	UNION ALL SELECT 'officer', o.agency_code, 'payment', p.id, '', 'officer', p.recorded_at, p.paid_at, p.received_amount::bigint, p.id, o.id, o.dossier_code, '{}'
	FROM payments p JOIN orders o ON o.id = p.order_id WHERE p.channel = 'officer_proxy' AND p.status = 'succeeded' AND p.mode = 'live' AND p.paid_at >= $2 AND p.paid_at < $3`

// typed: G2.
const typed = `
	SELECT 'typed', o.agency_code, 'payment', p.id, c.officer, 'counter', p.recorded_at, p.paid_at, p.received_amount::bigint, p.id, o.id, o.dossier_code, ARRAY[p.channel]
	FROM payments p JOIN counter_payments c ON c.payment_id = p.id JOIN orders o ON o.id = p.order_id
	WHERE p.paid_at >= $2 AND p.paid_at < $3 AND p.status IN ('succeeded', 'reversed') AND p.mode = 'live' AND c.receipt_number IS NULL AND p.recorded_at <= $1
	AND NOT EXISTS (SELECT FROM reversals v WHERE v.payment_id = p.id AND v.recorded_at <= $1)`

// split: G3. An order that can still be paid in full is no finding: somebody is paying in parts.
const split = `
	SELECT f.bucket, f.agency_code, 'order', f.order_id, coalesce(w.officer, ''), CASE WHEN w.officer IS NULL THEN 'payer' ELSE 'counter' END, w.since, f.at, f.net, NULL::text, f.order_id, f.dossier_code,
		ARRAY[CASE f.bucket WHEN 'mixed' THEN w.online ELSE w.due END::text]
	FROM facts f CROSS JOIN LATERAL (SELECT max(p.recorded_at) AS since, max(c.officer) AS officer, coalesce(sum(a.amount) FILTER (WHERE p.account_id IS NOT NULL), 0) AS online,
			(SELECT o.amount FROM orders o WHERE o.id = f.order_id) AS due
		FROM allocations a JOIN payments p ON p.id = a.payment_id LEFT JOIN counter_payments c ON c.payment_id = p.id WHERE a.order_id = f.order_id AND a.recorded_at <= $1) w
	WHERE f.subject = 'unit' AND (f.bucket = 'mixed' OR f.bucket = 'incomplete' AND ((SELECT status FROM orders o WHERE o.id = f.order_id) <> 'open'
		OR (SELECT d.status FROM dossiers d WHERE d.source_system = f.source_system AND d.dossier_code = f.dossier_code AND d.recorded_at <= $1 ORDER BY d.n DESC LIMIT 1) = 'closed'))
	UNION ALL SELECT 'split', f.agency_code, 'dossier', f.source_system || '/' || f.dossier_code || '/' || l.fee_code, '', 'program', max(o.created_at), max(f.at), sum(l.net)::bigint, NULL, NULL, f.dossier_code,
		ARRAY[l.fee_code, count(*)::text]
	FROM facts f JOIN orders o ON o.id = f.order_id JOIN order_lines l ON l.order_id = f.order_id WHERE f.subject = 'unit' AND l.kind <> 'nvtc'
	GROUP BY f.agency_code, f.source_system, f.dossier_code, l.fee_code HAVING count(DISTINCT f.order_id) > 1`

// unpaid: G4. What was told last of a dossier counts; a fee that was taken off by an order with its evidence is an order too, one that was cancelled
// is none. Less due than the orders ask for leaves the denominators without a word of why. A paid dossier that the case system never told of is open
// for ever, and no coverage misses it: counted for each agency.
var unpaid = `
	SELECT CASE WHEN EXISTS (SELECT FROM orders o WHERE o.source_system = f.source_system AND o.dossier_code = f.dossier_code AND o.mode = 'live' AND o.created_at <= $1) THEN 'closed_unpaid' ELSE 'closed_no_order' END,
		f.agency_code, 'dossier', f.source_system || '/' || f.dossier_code, '', 'case_system', ` + toldAt("f") + `, f.at, f.due, NULL::text, NULL::text, f.dossier_code, ARRAY[f.procedure_code]
	FROM facts f WHERE f.subject = 'dossier' AND f.unpaid
	UNION ALL SELECT 'closed_no_order', d.agency_code, 'dossier', d.source_system || '/' || d.dossier_code, '', 'case_system', ` + toldAt("d") + `, d.closed_at, NULL, NULL, NULL, d.dossier_code, ARRAY[d.procedure_code]
	FROM doc d WHERE d.status = 'closed' AND coalesce(d.amount_due, 0) = 0
	AND d.procedure_code IN (SELECT procedure_code FROM fee_bearing_on(business_day($1)) UNION SELECT procedure_code FROM fee_bearing_on(business_day($3) - 1))
	AND (d.source_system, d.dossier_code) NOT IN (SELECT o.source_system, o.dossier_code FROM state o WHERE o.status NOT IN ('cancelled', 'superseded')) -- a lookup, not a join: its size is hard to tell
	UNION ALL SELECT 'told_away', d.agency_code, 'dossier', d.source_system || '/' || d.dossier_code, '', 'case_system', ` + toldAt("d") + `, d.closed_at, d.asked - d.amount_due, NULL, NULL, d.dossier_code, ARRAY[d.amount_due::text, d.asked::text]
	FROM (SELECT source_system, dossier_code, max(agency_code) AS agency_code, max(closed_at) AS closed_at, max(amount_due) AS amount_due, sum(asked)::bigint AS asked FROM ( -- put together by its key: a join would be made row by row
			SELECT source_system, dossier_code, agency_code, closed_at, amount_due, 0::bigint AS asked FROM doc WHERE status = 'closed'
			UNION ALL SELECT source_system, dossier_code, NULL, NULL, NULL, amount FROM state WHERE status NOT IN ('cancelled', 'superseded', 'refunded', 'no_payment_needed')
			UNION ALL SELECT source_system, dossier_code, NULL, NULL, NULL, -net FROM ousted) y GROUP BY 1, 2) d
	WHERE d.amount_due < d.asked
	UNION ALL SELECT 'never_told', agency_code, 'agency', agency_code, '', 'case_system', max(over), max(at), sum(net)::bigint, NULL, NULL, NULL, ARRAY[count(DISTINCT (source_system, dossier_code))::text]
	FROM facts f JOIN ` + overdue("provisional_working_days") + ` w ON w.day = business_day(f.at) WHERE subject = 'unit'
	AND NOT EXISTS (SELECT FROM dossiers d WHERE d.source_system = f.source_system AND d.dossier_code = f.dossier_code AND d.recorded_at <= $1) GROUP BY agency_code`

// toldAt is when the case system last told of the dossier of a row.
func toldAt(row string) string {
	return `(SELECT max(t.recorded_at) FROM dossiers t WHERE t.source_system = ` + row + `.source_system AND t.dossier_code = ` + row + `.dossier_code AND t.recorded_at <= $1)`
}

// cash: G5. A number that a void used is used: the receipt exists, and says so. Numbers of electronic receipts fill gaps too.
var cash = `
	SELECT 'receipt_gap', agency_code, 'receipt', series || '/' || (before + 1)::text, '', 'counter', recorded_at, at, NULL::bigint, NULL::text, NULL::text, NULL::text,
		ARRAY[CASE series WHEN '' THEN '—' ELSE series END, (before + 1)::text, (number - 1)::text, (number - before - 1)::text]
	FROM (SELECT agency_code, series, number, recorded_at, at, lag(number) OVER (PARTITION BY agency_code, series ORDER BY number) AS before FROM (
			SELECT agency_code, series, number, min(recorded_at) AS recorded_at, min(at) AS at FROM (
				SELECT c.agency_code, coalesce(c.receipt_series, '') AS series, c.receipt_number::numeric AS number, p.recorded_at, p.paid_at AS at FROM counter_payments c JOIN payments p ON p.id = c.payment_id
				WHERE c.receipt_number ~ '^[0-9]{1,18}$' AND p.mode = 'live' AND p.recorded_at <= $1 AND p.paid_at >= $2::timestamptz - interval '92 days'
				UNION ALL SELECT o.agency_code, r.series, r.number::numeric, r.recorded_at, r.recorded_at FROM receipts r JOIN orders o ON o.id = r.order_id
				WHERE r.number ~ '^[0-9]{1,18}$' AND o.mode = 'live' AND r.recorded_at <= $1 AND r.recorded_at >= $2::timestamptz - interval '92 days') every_number
			GROUP BY agency_code, series, number) once) gaps WHERE number > before + 1
	UNION ALL SELECT 'undeposited', o.agency_code, 'payment', p.id, c.officer, 'counter', w.over, p.paid_at, p.received_amount::bigint, p.id, o.id, o.dossier_code,
		ARRAY[$5::jsonb->>'payout_working_days']
	FROM payments p JOIN ` + overdue("payout_working_days") + ` w ON w.day = business_day(p.paid_at) JOIN counter_payments c ON c.payment_id = p.id JOIN orders o ON o.id = p.order_id
	WHERE p.paid_at >= $2 AND p.paid_at < $3 AND p.status IN ('succeeded', 'reversed') AND p.mode = 'live' AND p.method = 'cash' AND p.recorded_at <= $1
	AND NOT EXISTS (SELECT FROM reversals v WHERE v.payment_id = p.id AND v.recorded_at <= $1)
	AND NOT EXISTS (SELECT FROM deposit_items i JOIN deposits d ON d.id = i.deposit_id WHERE i.payment_id = p.id AND d.recorded_at <= $1)
	UNION ALL SELECT 'coverage', agency_code, 'agency', agency_code, '', 'case_system', $1, max(at), NULL, NULL, NULL, NULL, ARRAY[count(*) FILTER (WHERE covered AND NOT doubtful)::text, count(*)::text]
	FROM facts WHERE subject = 'dossier' AND closed AND due > 0 GROUP BY agency_code
	HAVING 100 * count(*) FILTER (WHERE covered AND NOT doubtful) < ($5::jsonb->>'coverage_gate_percent')::int * count(*)`

// again: G6. A refund of surplus, or one after which nothing was taken for the fee, is none.
const again = `
	SELECT 'refund_then_cash', o.agency_code, 'payment', r.payment_id || '/' || r.id, coalesce(c.officer, ''), 'counter', greatest(r.recorded_at, p.recorded_at), p.paid_at, r.allocated_part::bigint, p.id, o.id, o.dossier_code,
		ARRAY[p.received_amount::text]
	FROM payments p JOIN counter_payments c ON c.payment_id = p.id JOIN orders o ON o.id = p.order_id
	JOIN orders was ON was.source_system = o.source_system AND was.dossier_code = o.dossier_code
	JOIN refunds r ON r.order_id = was.id AND r.status = 'succeeded' AND r.recorded_at <= $1 AND r.allocated_part > 0 AND r.account_id IS NOT NULL AND p.paid_at >= r.requested_at
	WHERE p.paid_at >= $2 AND p.paid_at < $3 AND p.status IN ('succeeded', 'reversed') AND p.mode = 'live' AND p.recorded_at <= $1
	AND NOT EXISTS (SELECT FROM reversals v WHERE v.payment_id = p.id AND v.recorded_at <= $1)
	AND EXISTS (SELECT FROM order_lines l JOIN order_lines m ON m.fee_code = l.fee_code AND m.purpose = l.purpose WHERE l.order_id = o.id AND m.order_id = was.id)`
