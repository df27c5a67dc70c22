package honesty

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/reconciliation/adoption"
)

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// started are the dossiers whose processing started in the period, as told at any time; what was told last decides below.
const started = `SELECT DISTINCT source_system, dossier_code FROM dossiers WHERE mode = 'live' AND dossier_started(started_at, received_on) >= $2 AND dossier_started(started_at, received_on) < $3`

// judged gives each dossier that started in the period the flag that it deserves: 1 where all that it owed is covered by confirmed online units
// through the national portal, 2 where through any gateway, else 0. A dossier counts when it carries a fee (of its own, or by the catalogue)
// and not every Gia of it is 0: an order refunded in full still had one.
func judged(candidates string) string {
	return adoption.FactsOf(candidates) + `,
	latest AS (SELECT DISTINCT ON (d.source_system, d.dossier_code) d.source_system, d.dossier_code, d.status, d.agency_code, d.procedure_code, d.amount_due::bigint,
			dossier_started(d.started_at, d.received_on) AS started_at
		FROM cand JOIN dossiers d USING (source_system, dossier_code) WHERE d.recorded_at <= $1 AND d.mode = 'live' ORDER BY d.source_system, d.dossier_code, d.n DESC),
	fee AS MATERIALIZED (SELECT f.procedure_code FROM fee_bearing_on(business_day($3) - 1) f
		WHERE cardinality($4::text[]) = 0 OR EXISTS (SELECT FROM procedure_agencies g WHERE g.procedure_code = f.procedure_code AND g.agency_code = ANY ($4))),
	telling AS MATERIALIZED (SELECT s.name FROM source_systems s WHERE EXISTS (SELECT FROM national_sent a WHERE a.source_system = s.name AND a.recorded_at <= $1)),
	parts AS ( -- everything about a dossier, to be put together by its key: joins of what the planner cannot estimate would be nested loops
		SELECT source_system, dossier_code, 'told' AS what, agency_code AS a, procedure_code AS b, status AS c, started_at AS at, amount_due AS n, false AS yes, false AS covered FROM latest
		UNION ALL SELECT source_system, dossier_code, 'judged', '', '', '', NULL, due, NOT unpaid AND all_online AND covered AND due > 0, covered FROM dossier
		UNION ALL SELECT source_system, dossier_code, 'order', '', '', '', NULL, 0, amount > 0, false FROM state WHERE status NOT IN ('cancelled', 'superseded')
		UNION ALL SELECT source_system, dossier_code, 'unit', bucket, provider, '', NULL, 0, false, false FROM unit),
	joined AS (SELECT source_system, dossier_code, max(a) FILTER (WHERE what = 'told') AS agency_code, max(b) FILTER (WHERE what = 'told') AS procedure_code, max(c) FILTER (WHERE what = 'told') AS status,
			max(at) AS started_at, max(n) FILTER (WHERE what = 'told') AS amount_due, coalesce(max(n) FILTER (WHERE what = 'judged'), 0) AS due,
			bool_or(yes) FILTER (WHERE what = 'judged') AS deserving, bool_or(covered) FILTER (WHERE what = 'judged') AS covered, count(*) FILTER (WHERE what = 'order') AS orders,
			coalesce(bool_or(yes) FILTER (WHERE what = 'order'), false) AS charged, count(*) FILTER (WHERE what = 'unit') AS units, bool_and(b = 'dvcqg') FILTER (WHERE what = 'unit') AS by_portal,
			bool_or(a = 'proxy') FILTER (WHERE what = 'unit') AS proxy, bool_or(a IN ('mixed', 'incomplete')) FILTER (WHERE what = 'unit') AS mixed, bool_or(a = 'online_provisional') FILTER (WHERE what = 'unit') AS provisional,
			bool_or(a IN ('online', 'online_provisional')) FILTER (WHERE what = 'unit') AS online, bool_or(a NOT IN ('online', 'online_provisional')) FILTER (WHERE what = 'unit') AS offline
		FROM parts GROUP BY source_system, dossier_code HAVING count(*) FILTER (WHERE what = 'told') > 0),
	weighed AS (SELECT source_system, dossier_code, agency_code, procedure_code, status, started_at, due, charged OR coalesce(amount_due, 0) > 0 AS charges,
			NOT charged AND coalesce(amount_due, 0) = 0 AND (orders > 0 OR amount_due = 0) AS exempt, CASE WHEN NOT coalesce(deserving, false) THEN 0 WHEN by_portal THEN 1 ELSE 2 END AS deserved,
			CASE WHEN proxy THEN 'proxy' WHEN mixed OR online AND offline OR online AND NOT covered THEN 'mixed' WHEN provisional THEN 'provisional' WHEN online THEN 'online' WHEN units > 0 THEN 'offline' END AS paid_how
		FROM joined WHERE started_at >= $2 AND started_at < $3 AND (cardinality($4::text[]) = 0 OR agency_code = ANY ($4))),
	flag AS MATERIALIZED (SELECT w.*, NOT w.exempt AND (w.charges OR w.procedure_code IN (SELECT procedure_code FROM fee)) AS counts,
			coalesce(w.paid_how, CASE WHEN w.exempt THEN 'exempt' WHEN w.charges OR w.procedure_code IN (SELECT procedure_code FROM fee) THEN 'unpaid' ELSE 'no_fee' END) AS why,
			t.flag AS sent, t.sent_at, t.all_zero, w.source_system IN (SELECT name FROM telling) AND coalesce(t.flag, 0) <> w.deserved AS differs
		FROM weighed w LEFT JOIN LATERAL (SELECT s.flag, s.sent_at, s.all_zero FROM national_sent s WHERE s.source_system = w.source_system AND s.dossier_code = w.dossier_code AND s.recorded_at <= $1
			ORDER BY s.id DESC LIMIT 1) t ON true)`
}

// counted counts the dossiers that started in the period, in all and by agency.
func (b *Book) counted(ctx context.Context, q Question, s *span) (total counts, rows []counts, err error) {
	tx, err := b.reading(ctx)
	if err != nil {
		return total, nil, err
	}
	defer tx.Rollback() // it wrote nothing
	found, err := tx.QueryContext(ctx, judged(started)+`
		SELECT grouping(agency_code) = 1, coalesce(agency_code, ''), coalesce((SELECT name FROM agencies a WHERE a.code = flag.agency_code), ''),
			count(*) FILTER (WHERE counts), count(*) FILTER (WHERE counts AND deserved > 0),
			count(DISTINCT procedure_code) FILTER (WHERE charges), count(DISTINCT procedure_code) FILTER (WHERE counts AND deserved > 0), count(DISTINCT procedure_code) FILTER (WHERE counts),
			(SELECT count(*) FROM (SELECT procedure_code FROM fee UNION SELECT procedure_code FROM flag f WHERE f.charges) p),
			count(*) FILTER (WHERE counts AND deserved = 0), count(*) FILTER (WHERE counts AND deserved = 1), count(*) FILTER (WHERE counts AND deserved = 2),
			count(*) FILTER (WHERE exempt), count(sent), count(*) FILTER (WHERE differs),
			count(*) FILTER (WHERE counts AND sent > 0 AND deserved = 0 AND why = 'provisional'), count(*) FILTER (WHERE counts AND sent > 0 AND deserved = 0 AND why = 'proxy'),
			count(*) FILTER (WHERE counts AND sent > 0 AND deserved = 0 AND why = 'mixed'),
			count(*) FILTER (WHERE sent > 0 AND deserved = 0 AND (NOT counts OR why NOT IN ('provisional', 'proxy', 'mixed'))) - count(*) FILTER (WHERE counts AND coalesce(sent, 0) = 0 AND deserved > 0),
			count(*) FILTER (WHERE exempt AND all_zero = false)
		FROM flag GROUP BY GROUPING SETS ((agency_code), ()) ORDER BY 1, 2`, s.asOf, s.from, s.to, pq.Array(append([]string{}, q.limited()...)))
	if err != nil {
		return total, nil, fmt.Errorf("counting for the national figure: %w", err)
	}
	defer found.Close()
	for found.Next() {
		var c counts
		var all bool
		if err := found.Scan(&all, &c.agency.Code, &c.agency.Name, &c.obliged, &c.flagged, &c.charging, &c.paying, &c.touched, &c.fee, &c.flags[0], &c.flags[1], &c.flags[2],
			&c.exempt, &c.told, &c.differing, &c.provisional, &c.proxy, &c.mixed, &c.wrong, &c.notZero); err != nil {
			return total, nil, fmt.Errorf("counting for the national figure: %w", err)
		}
		if all {
			total = c
		} else {
			rows = append(rows, c)
		}
	}
	return total, rows, found.Err()
}

// nationalDossiers fills a page from ever larger parts of the dossiers behind a position, so that the first is there soon.
func (b *Book) nationalDossiers(ctx context.Context, q Question, s *span, show, after string, limit int) ([]NationalDossier, error) {
	tx, err := b.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // it wrote nothing
	out := []NationalDossier{}
	for part := 500; ; part *= 4 {
		source, code, _ := strings.Cut(after, "/")
		n, last, found, err := flagsOf(ctx, tx, q, s, show, source, code, part)
		if err != nil {
			return nil, err
		}
		if out = append(out, found...); len(out) >= limit {
			return out[:limit], nil
		}
		if n < part {
			return out, nil
		}
		after = last
	}
}

// flagsOf judges the next part of the dossiers; n is how many it looked at, last the last of them.
func flagsOf(ctx context.Context, tx *sqlx.Tx, q Question, s *span, show, source, code string, part int) (n int, last string, out []NationalDossier, err error) {
	rows, err := tx.QueryContext(ctx, judged(started+` AND (source_system, dossier_code) > ($5, $6) AND ($9::text = '' OR source_system = $9) ORDER BY source_system, dossier_code LIMIT $8`)+`
		SELECT (SELECT count(*) FROM cand), (SELECT source_system || '/' || dossier_code FROM cand ORDER BY cand.source_system DESC, cand.dossier_code DESC LIMIT 1),
			f.source_system, f.dossier_code, f.agency_code, f.procedure_code, f.started_at, f.status, f.due, f.deserved, f.why, f.exempt, f.counts, f.sent, f.sent_at
		FROM (SELECT 1) always LEFT JOIN flag f ON CASE $7::text WHEN 'deserved' THEN deserved > 0 WHEN 'exempt' THEN exempt WHEN 'differing' THEN differs ELSE counts OR exempt END
		ORDER BY f.source_system, f.dossier_code`, s.asOf, s.from, s.to, pq.Array(append([]string{}, q.limited()...)), source, code, show, part, q.Source)
	if err != nil {
		return 0, "", nil, fmt.Errorf("listing flags: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var d NationalDossier
		var at, src, dossier, agency, procedure, status, why sql.NullString
		var began sql.NullTime
		var due, deserved sql.NullInt64
		var exempt, counts sql.NullBool
		if err := rows.Scan(&n, &at, &src, &dossier, &agency, &procedure, &began, &status, &due, &deserved, &why, &exempt, &counts, &d.Sent, &d.SentAt); err != nil {
			return 0, "", nil, fmt.Errorf("listing flags: %w", err)
		}
		last = at.String
		if !src.Valid { // none of this part is asked for
			continue
		}
		d.Source, d.DossierCode, d.Agency, d.Procedure, d.StartedAt = src.String, dossier.String, agency.String, procedure.String, began.Time.In(zone)
		d.Status, d.Due, d.Deserved, d.Why, d.Exempt, d.Counts = status.String, due.Int64, int(deserved.Int64), why.String, exempt.Bool, counts.Bool
		d.position = d.Source + "/" + d.DossierCode
		out = append(out, d)
	}
	return n, last, out, rows.Err()
}
