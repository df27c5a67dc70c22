package honesty

import "fmt"

// adjusted is what was taken off orders of the period, one row for each adjustment.
const adjusted = `SELECT o.id AS order_id, o.source_system, o.dossier_code, o.agency_code, o.procedure_code, o.client_id, o.amount::bigint AS left_over, o.created_at, a->>'type' AS type, (a->>'amount')::bigint AS amount,
		coalesce(a->>'legal_basis', '') AS legal_basis, coalesce(a->>'group', '') AS exemption, btrim(coalesce(a->>'evidence', '')) AS evidence
	FROM orders o JOIN order_lines l ON l.order_id = o.id, jsonb_array_elements(l.adjustments) a
	WHERE o.created_at >= $2 AND o.created_at < $3 AND o.created_at <= $1 AND o.mode = 'live' AND o.status NOT IN ('cancelled', 'superseded') AND l.adjustments <> '[]' AND a->>'type' IN ('exempt', 'reduced')`

// exempted: G7. One proof may serve a household's few dossiers, or one applicant's many; not those of many applicants.
var exempted = fmt.Sprintf(`
	SELECT 'no_evidence', agency_code, 'order', order_id, client_id, 'program', min(created_at), min(created_at), sum(amount)::bigint, NULL::text, order_id, min(dossier_code), '{}'::text[]
	FROM (%[1]s) x WHERE evidence = '' GROUP BY agency_code, order_id, client_id
	UNION ALL SELECT 'repeated', agency_code, 'evidence', left(md5(lower(evidence)), 12), '', 'program', max(created_at), max(created_at), sum(amount)::bigint, NULL, NULL, NULL,
		ARRAY[count(DISTINCT (source_system, dossier_code))::text]
	FROM (SELECT x.*, coalesce(nullif((SELECT d.applicant_ref FROM dossiers d WHERE d.source_system = x.source_system AND d.dossier_code = x.dossier_code AND d.recorded_at <= $1 ORDER BY d.n DESC LIMIT 1), ''),
			'/' || x.dossier_code) AS applicant FROM (%[1]s) x WHERE evidence <> '') y
	GROUP BY agency_code, lower(evidence) HAVING count(DISTINCT (source_system, applicant)) >= %[2]d
	UNION ALL SELECT 'share', agency_code, 'agency', agency_code, '', 'agency', $1, last, forgone, NULL, NULL, NULL, ARRAY[exempt::text, n::text, all_exempt::text, all_n::text]
	FROM (SELECT agency_code, max(created_at) AS last, sum(forgone)::bigint AS forgone, count(*) FILTER (WHERE amount = 0) AS exempt, count(*) AS n,
			sum(count(*) FILTER (WHERE amount = 0)) OVER () AS all_exempt, sum(count(*)) OVER () AS all_n
		FROM (SELECT o.agency_code, o.created_at, o.amount::bigint AS amount, CASE WHEN o.amount > 0 THEN 0 ELSE (SELECT sum(l.gross - l.net) FROM order_lines l WHERE l.order_id = o.id) END AS forgone
			FROM orders o WHERE o.created_at >= $2 AND o.created_at < $3 AND o.created_at <= $1 AND o.mode = 'live' AND o.status NOT IN ('cancelled', 'superseded')
			AND (o.amount > 0 OR EXISTS (SELECT FROM order_lines l WHERE l.order_id = o.id AND l.gross > 0))) every_order GROUP BY agency_code) s
	WHERE exempt >= %[3]d AND exempt * all_n >= %[4]d * all_exempt * n`, adjusted, SharedProof, ExemptAtLeast, ExemptTimes)

// tiny: G8.
var tiny = fmt.Sprintf(`
	SELECT 'test', agency_code, 'agency', agency_code, '', 'program', last, at, amount, NULL::text, NULL::text, NULL::text, ARRAY[n::text]
	FROM (SELECT o.agency_code, max(p.recorded_at) AS last, max(p.paid_at) AS at, sum(p.received_amount)::bigint AS amount, count(*) AS n FROM payments p JOIN orders o ON o.id = p.order_id
		WHERE p.mode = 'test' AND p.status IN ('succeeded', 'reversed') AND p.paid_at >= $2 AND p.paid_at < $3 AND p.recorded_at <= $1 GROUP BY o.agency_code) t
	UNION ALL SELECT 'tiny', o.agency_code, 'payment', p.id, '', 'payer', p.recorded_at, p.paid_at, a.amount, p.id, o.id, o.dossier_code, ARRAY[o.amount::text]
	FROM payments p JOIN (SELECT payment_id, order_id, sum(amount)::bigint AS amount FROM allocations WHERE recorded_at <= $1 GROUP BY payment_id, order_id) a ON a.payment_id = p.id JOIN orders o ON o.id = a.order_id
	WHERE p.paid_at >= $2 AND p.paid_at < $3 AND p.status = 'succeeded' AND p.mode = 'live' AND p.recorded_at <= $1 AND p.account_id IS NOT NULL AND a.amount * 100 <= o.amount::bigint * %d
	AND ((SELECT coalesce(sum(g.amount), 0) FROM allocations g WHERE g.order_id = o.id AND g.recorded_at <= $1) < o.amount
		OR EXISTS (SELECT FROM allocations g JOIN payments q ON q.id = g.payment_id WHERE g.order_id = o.id AND g.recorded_at <= $1 AND q.account_id IS NULL))`, TinyPercent)

// unsettled: G9.
var unsettled = `
	SELECT 'provisional', o.agency_code, 'payment', p.id, p.provider, 'provider', w.over, p.paid_at, p.received_amount::bigint, p.id, o.id, o.dossier_code,
		ARRAY[to_char(business_day(p.paid_at), 'DD/MM/YYYY'), $5::jsonb->>'provisional_working_days']
	FROM payments p JOIN ` + overdue("provisional_working_days") + ` w ON w.day = business_day(p.paid_at) JOIN evidence_at($1) e ON e.payment_id = p.id JOIN orders o ON o.id = p.order_id
	WHERE p.paid_at >= $2 AND p.paid_at < $3 AND p.mode = 'live' AND p.account_id IS NOT NULL AND e.evidence = 'provisional'
	UNION ALL SELECT 'no_payout', a.agency_code, 'day', s.account_id || '/' || s.date, a.provider, 'provider', w.over, (s.date::timestamp - interval '7 hours') AT TIME ZONE 'UTC', s.net, NULL, NULL, NULL,
		ARRAY[to_char(s.date, 'DD/MM/YYYY'), $5::jsonb->>'payout_working_days']
	FROM (SELECT l.account_id, l.date, sum(l.net)::bigint AS net FROM settlement_lines l JOIN imports i ON i.id = l.import_id
		WHERE l.date >= business_day($2) AND l.date < business_day($3) AND i.recorded_at <= $1 AND (l.superseded_at IS NULL OR l.superseded_at > $1) GROUP BY l.account_id, l.date) s
	JOIN ` + overdue("payout_working_days") + ` w ON w.day = s.date JOIN merchant_accounts a ON a.id = s.account_id AND a.mode = 'live'
	WHERE s.net > 0 AND NOT EXISTS (SELECT FROM payout_days d JOIN payouts y ON y.id = d.payout_id
		WHERE d.account_id = s.account_id AND d.date = s.date AND y.recorded_at <= $1 AND (y.ended_at IS NULL OR y.ended_at > $1) AND (d.ended_at IS NULL OR d.ended_at > $1))`

// reopened: G10.
const reopened = `
	SELECT 'revision', '', 'report', id, closed_by, source, recorded_at, recorded_at, NULL::bigint, NULL::text, NULL::text, NULL::text,
		ARRAY[to_char(period_from, 'DD/MM/YYYY'), to_char(period_to, 'DD/MM/YYYY'), revision::text, reason, left(sha256, 12), left(previous, 12)]
	FROM report_revisions WHERE revision > 1 AND recorded_at <= $1
	UNION ALL SELECT 'day', a.agency_code, 'day', r.account_id || '/' || r.date || '/' || r.n, r.asked_by, r.asked_as, r.decided_at, r.decided_at, NULL, NULL, NULL, NULL,
		ARRAY[to_char(r.date, 'DD/MM/YYYY'), r.reason]
	FROM day_reopenings r JOIN merchant_accounts a ON a.id = r.account_id WHERE r.status = 'approved' AND r.decided_at <= $1`

// forged: G11. Providers repeat a message for a while of their own accord: only what comes again long after is a replay.
const forged = `
	SELECT verdict, coalesce((SELECT agency_code FROM merchant_accounts WHERE id = x.account_id), ''), 'callback', account_id || '/' || day, account_id, 'outside', last, first, NULL::bigint,
		NULL::text, NULL::text, NULL::text, ARRAY[n::text, to_char(day, 'DD/MM/YYYY')]
	FROM (SELECT verdict, account_id, business_day(received_at) AS day, min(received_at) AS first, max(received_at) AS last, count(*) AS n FROM (
			SELECT verdict, account_id, received_at FROM callbacks WHERE received_at >= $2 AND received_at < $3 AND received_at <= $1 AND verdict IN ('forged', 'amount_mismatch')
			UNION ALL SELECT 'replayed', c.account_id, c.received_at FROM callbacks c WHERE c.received_at >= $2 AND c.received_at < $3 AND c.received_at <= $1 AND c.verdict = 'duplicate' AND c.kind = 'callback'
			AND EXISTS (SELECT FROM callbacks o WHERE o.payment_id = c.payment_id AND o.payment_id <> '' AND o.digest = c.digest AND o.received_at < c.received_at - make_interval(hours => ($5::jsonb->>'skew_hours')::int))) y
		GROUP BY verdict, account_id, business_day(received_at)) x`

// backdated: G12. A late word is no trick where the provider's or the bank's own line puts the money on that day.
const backdated = `
	SELECT 'skew', o.agency_code, 'payment', p.id, coalesce(c.officer, p.provider), CASE WHEN c.officer IS NULL THEN 'provider' ELSE 'counter' END, p.recorded_at, p.paid_at, p.received_amount::bigint, p.id, o.id, o.dossier_code,
		ARRAY[to_char(p.paid_at AT TIME ZONE 'UTC' + interval '7 hours', 'DD/MM/YYYY HH24:MI'), to_char(p.recorded_at AT TIME ZONE 'UTC' + interval '7 hours', 'DD/MM/YYYY HH24:MI'),
			round(abs(extract(epoch FROM p.recorded_at - p.paid_at)) / 3600)::text]
	FROM payments p JOIN orders o ON o.id = p.order_id LEFT JOIN counter_payments c ON c.payment_id = p.id
	WHERE p.paid_at >= $2 AND p.paid_at < $3 AND p.status IN ('succeeded', 'reversed') AND p.mode = 'live' AND p.recorded_at <= $1
	AND abs(extract(epoch FROM p.recorded_at - p.paid_at)) > 3600 * ($5::jsonb->>'skew_hours')::int
	AND NOT EXISTS (SELECT FROM matches m JOIN settlement_lines l ON l.id = m.line_id WHERE m.payment_id = p.id AND m.recorded_at <= $1 AND (m.ended_at IS NULL OR m.ended_at > $1)
		AND (l.own_date = business_day(p.paid_at) OR business_day(l.at) = business_day(p.paid_at)))
	AND NOT EXISTS (SELECT FROM statement_transfers x JOIN statement_lines l ON l.id = x.line_id WHERE x.transfer_id = p.transfer_id AND x.recorded_at <= $1 AND l.booked_on BETWEEN business_day(p.paid_at) AND business_day(p.paid_at) + 3)`

// decided is who changed a definition or target, and when: two people, or whoever set the province up.
const decided = `coalesce(row->>'decided_by', '') AS who, coalesce(row->>'status', 'approved') = 'approved' AS approved, coalesce((row->>'decided_at')::timestamptz, (valid_from::timestamp - interval '7 hours') AT TIME ZONE 'UTC') AS at`

// changed: G13.
const changed = `
	SELECT 'definition', '', 'definition', id, who, 'definition', at, at, NULL::bigint, NULL::text, NULL::text, NULL::text, ARRAY[id, to_char(valid_from, 'DD/MM/YYYY'), parameters::text]
	FROM (SELECT id, valid_from, parameters, ` + decided + ` FROM definitions d CROSS JOIN LATERAL to_jsonb(d) j (row)) d WHERE approved
	UNION ALL SELECT 'target', '', 'target', percent || '/' || valid_from, who, 'target', at, at, NULL, NULL, NULL, NULL, ARRAY[trim_scale(percent)::text, to_char(valid_from, 'DD/MM/YYYY'), source]
	FROM (SELECT percent, valid_from, source, ` + decided + ` FROM targets t CROSS JOIN LATERAL to_jsonb(t) j (row)) t WHERE approved`

// flags: G14. As the last nightly comparison before as_of found it.
const flags = `
	SELECT CASE WHEN sent IS NULL THEN 'not_sent' ELSE 'sent' END, agency_code, 'dossier', source_system || '/' || dossier_code, source_system, 'case_system', since, started_at, NULL::bigint, NULL::text, NULL::text, dossier_code,
		ARRAY[coalesce(sent, 0)::text, deserved::text]
	FROM national_differences WHERE run_id = (SELECT id FROM national_runs WHERE recorded_at <= $1 ORDER BY id DESC LIMIT 1)`

// unusable: G15, as of the period's last day, or of as_of where that comes first.
const unusable = `
	SELECT CASE WHEN NOT payee THEN 'no_beneficiary' ELSE 'no_checkout' END, agency_code, 'account', id, provider, 'account', greatest(created_at, coalesce(proven + make_interval(days => days), created_at)), until - interval '1 microsecond',
		NULL::bigint, NULL::text, NULL::text, NULL::text, ARRAY[id, provider, days::text]
	FROM (SELECT a.id, a.agency_code, a.provider, a.created_at, u.until, u.days, u.payee, (` + lastProof + `) AS proven
		FROM merchant_accounts a CROSS JOIN LATERAL (SELECT least($3::timestamptz, $1::timestamptz) AS until, ($5::jsonb->>'checkout_days')::int AS days) w
		CROSS JOIN LATERAL (SELECT w.until, w.days, ` + payee + ` AS payee) u
		WHERE a.mode = 'live' AND a.created_at <= u.until AND a.valid_from <= business_day(u.until) AND (a.valid_to IS NULL OR a.valid_to > business_day(u.until))) x
	WHERE NOT payee OR proven IS NULL OR proven < until - make_interval(days => days)`
