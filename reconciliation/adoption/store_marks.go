package adoption

import "strings"

// touched resolves marks (a relation of columns like report_marks) into the dossiers that may have changed, each with the last time at which
// anything of it was recorded, and whether more than a new order tells of it. It is a list of common table expressions whose last is touched.
func touched(marks string) string {
	day := `SELECT x.payment_id, d.at FROM of_day d JOIN settlement_lines l ON l.account_id = d.account_id AND l.date = d.date AND l.superseded_at IS @ NULL
			AND (d.after IS NULL OR l.key > d.after) AND (d.upto IS NULL OR l.key <= d.upto)
		JOIN matches x ON x.line_id = l.id AND x.ended_at IS NULL WHERE x.payment_id IS NOT NULL`
	return strings.NewReplacer("@marks", marks, "@current", strings.Replace(day, "@ ", "", 1), "@replaced", strings.Replace(day, "@", "NOT", 1)).Replace(`
marked AS MATERIALIZED (SELECT what, key, key2, after, upto, lo, hi, at FROM @marks),
of_day AS MATERIALIZED (
	SELECT key AS account_id, key2::date AS date, after, upto, at FROM marked WHERE what = 'a'
	UNION ALL SELECT d.account_id, d.date, NULL, NULL, greatest(m.at, y.recorded_at, y.ended_at)
		FROM marked m JOIN payouts y ON y.id = m.key JOIN payout_days d ON d.payout_id = y.id WHERE m.what = 'y'),
paid_by AS MATERIALIZED (
	SELECT key AS payment_id, at FROM marked WHERE what = 'p'
	UNION ALL SELECT x.payment_id, m.at FROM marked m JOIN matches x ON x.id BETWEEN m.lo AND m.hi WHERE m.what = 'm' AND x.payment_id IS NOT NULL
	UNION ALL @current
	UNION ALL @replaced
	UNION ALL SELECT p.id, m.at FROM marked m JOIN payments p ON p.transfer_id = m.key WHERE m.what = 'x'
	UNION ALL SELECT i.payment_id, greatest(m.at, u.recorded_at, u.ended_at)
		FROM marked m JOIN deposit_items i ON i.deposit_id = m.key LEFT JOIN bank_uses u ON u.deposit_id = m.key WHERE m.what = 's'
	UNION ALL SELECT p.id, m.at FROM marked m JOIN payments p ON p.payer_digest = decode(m.key, 'hex') WHERE m.what = 'g'),
of_order AS MATERIALIZED (
	SELECT key AS order_id, at FROM marked WHERE what = 'o'
	UNION ALL SELECT a.order_id, greatest(b.at, p.recorded_at, a.recorded_at,
			(SELECT max(greatest(s.recorded_at, s.ended_at)) FROM staff_accounts s WHERE s.digest = p.payer_digest), -- an end may be set for a day to come
			(SELECT max(greatest(s.recorded_at, s.ended_at)) FROM payer_flags s WHERE s.digest = p.payer_digest)) FROM paid_by b JOIN payments p ON p.id = b.payment_id JOIN allocations a ON a.payment_id = p.id),
touched AS MATERIALIZED (
	SELECT source_system, dossier_code, max(at) AS at, bool_or(told) AS told FROM (
		SELECT o.source_system, o.dossier_code, greatest(x.at, o.created_at) AS at, true AS told FROM of_order x JOIN orders o ON o.id = x.order_id
		UNION ALL SELECT key, key2, at, what = 'd' FROM marked WHERE what IN ('d', 'n')) t
	GROUP BY source_system, dossier_code)`)
}

// given is a batch of marks as a relation, from JSON in $1.
const given = `json_to_recordset($1) AS given(what "char", key text, key2 text, after text, upto text, lo bigint, hi bigint, at timestamptz)`

// factColumns are those of a row of facts, as report_facts keeps them.
const factColumns = `at, net, phi, le_phi, nvtc, due, day, at_counter, bank_proven, payer_unknown, closed, unpaid, all_online, doubtful, covered,
	subject, source_system, dossier_code, order_id, agency_code, procedure_code, provider, channel, bucket`

// storable is a row of facts as report_facts has it.
const storable = `at, net, phi, le_phi, nvtc, due, business_day(at) AS day, at_counter, bank_proven, payer_unknown, closed, unpaid, all_online, doubtful, covered,
	subject, source_system, dossier_code, coalesce(order_id, '') AS order_id, agency_code, procedure_code, provider, channel, bucket`
