package adoption

import "strings"

// cells is where the lines of a page are looked for: the dossiers, as the expression cand, and the figure's value.
type cells struct{ cand, value string }

// cellsOf finds a page's dossiers without reading the period: the sums by day tell on which days, and then at which agencies, there is anything of
// the figure, and so many of those cells are read as hold a page. Dossiers that are not folded are taken in whole. Its parameters are those
// of a page, then the period's dates ($10 to $13), and the day and agency ($14, $15) at which the page before ended. known is false where no sum counts
// the figure's part in the bucket.
func cellsOf(b Behind, f figure, of successors, broken, some bool) (c cells, known bool) {
	part, none, known := f.within(b.Bucket)
	if !known {
		return c, false
	}
	if none {
		return cells{`cand AS (SELECT '' AS source_system, '' AS dossier_code WHERE coalesce($10::date, $11::date, $12::date, $13::date, $14::date) IS NULL AND $15::text IS NULL)`, `0::bigint`}, true
	}
	all, one := measures(), figure{part.of, part.where, one}
	number, known := columnOf(all, one)
	sum, also := columnOf(all, part)
	if !known || !also {
		return c, false
	}
	scoped, group, ofFacts := len(b.Agencies) > 0, "", ""
	keys := ""
	if b.Given {
		group = " AND " + of.code(b.GroupBy) + " = $7"
		ofFacts = group
		if by := map[string]string{"a": "agency_code", "p": "procedure_code"}[grainOf(b.GroupBy, false)]; by != "" && !broken { // which they are is found once
			keys = `keys AS MATERIALIZED (SELECT code AS ` + by + ` FROM (SELECT DISTINCT ` + by + ` AS code FROM report_cubes WHERE grain = 'm` + grainOf(b.GroupBy, false) + `' AND day > $10::date - 31 AND day < $13::date) k,
				LATERAL (SELECT ($10::timestamp - interval '7 hours') AT TIME ZONE 'UTC' AS at, k.code AS ` + by + `) f WHERE true` + group + `),
			`
			ofFacts = ` AND f.` + by + ` IN (SELECT ` + by + ` FROM keys)`
		}
	}
	only := ""
	if scoped {
		only = " AND agency_code = ANY ($4)"
	}
	coarse := grainOf(b.GroupBy, scoped)
	fine := coarse
	if !strings.HasPrefix(fine, "a") {
		fine = "a" + fine
	}
	start, out, stale, signed := keys, "", "0", "0"
	if some {
		start = since() + `,
		` + keys + `unfolded AS MATERIALIZED (SELECT f.* FROM cand JOIN report_facts f USING (source_system, dossier_code)),
		`
		start = strings.Replace(start, "cand AS MATERIALIZED (", "due AS MATERIALIZED (", 1)
		start = strings.Replace(start, "FROM cand JOIN", "FROM due JOIN", 1)
		out = ` AND NOT EXISTS (SELECT FROM due d WHERE d.source_system = f.source_system AND d.dossier_code = f.dossier_code)`
		stale = `(SELECT count(*) FROM unfolded)`
		weight := column(part.weight)
		if part.weight != "1" {
			weight = string(part.weight)
		}
		within := ` FILTER (WHERE ` + part.condition() + strings.ReplaceAll(group, " AND ", " AND ") + `)`
		signed = `coalesce((SELECT sum(` + weight + `)` + within + ` FROM facts f WHERE (f.source_system, f.dossier_code) IN (SELECT source_system, dossier_code FROM due)), 0)
			- coalesce((SELECT sum(` + weight + `)` + within + ` FROM unfolded f WHERE f.at >= $2 AND f.at < $3 AND (cardinality($4::text[]) = 0 OR f.agency_code = ANY ($4))), 0)`
	}
	columns := `(day::timestamp - interval '7 hours') AT TIME ZONE 'UTC' AS at, day, procedure_code, provider, channel, agency_code, ` + number + ` AS n`
	c.cand = start + `
		days AS MATERIALIZED (SELECT * FROM (SELECT ` + columns + ` FROM report_cubes WHERE grain = 'd` + coarse + `' AND day >= $14::date AND day < $13::date` + only + ` AND ` + number + ` <> 0) f WHERE true` + ofFacts + `),
		some_days AS MATERIALIZED (SELECT * FROM (SELECT *, coalesce(sum(n) OVER (ORDER BY day GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
				- CASE WHEN day > $14::date THEN coalesce(sum(n) FILTER (WHERE day = $14::date) OVER (), 0) ELSE 0 END AS before FROM days) d WHERE before < $9::bigint + ` + stale + `),
		cells AS MATERIALIZED (SELECT f.day, f.agency_code, sum(f.` + number + `) AS n FROM some_days d JOIN report_cubes f ON f.grain = 'd` + fine + `' AND f.day = d.day AND f.procedure_code = d.procedure_code
				AND f.provider = d.provider AND f.channel = d.channel` + map[bool]string{true: ` AND f.agency_code = d.agency_code`, false: ``}[coarse == fine] + `
			WHERE f.` + number + ` <> 0 AND (f.day > $14::date OR f.agency_code COLLATE "C" >= $15) GROUP BY f.day, f.agency_code),
		some_cells AS MATERIALIZED (SELECT day, agency_code FROM (SELECT day, agency_code, coalesce(sum(CASE WHEN day = $14::date AND agency_code = $15 THEN 0 ELSE n END)
				OVER (ORDER BY day, agency_code COLLATE "C" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before FROM cells) c WHERE before < $9::bigint + ` + stale + `),
		chosen AS MATERIALIZED (SELECT f.source_system, f.dossier_code FROM some_cells c JOIN report_facts f ON f.day = c.day AND f.agency_code = c.agency_code
			WHERE ` + part.condition() + ofFacts + out + ` AND (` + factKey + ` || f.order_id || CASE f.order_id WHEN '' THEN '~' ELSE ' ~' END) COLLATE "C" > $8
			ORDER BY ` + factKey + ` COLLATE "C", f.order_id COLLATE "C" LIMIT $9::bigint + 1 + ` + stale + `), -- one more: the first may have ended with the page before
		cand AS MATERIALIZED (SELECT source_system, dossier_code FROM chosen` + map[bool]string{true: ` UNION SELECT source_system, dossier_code FROM due`, false: ` GROUP BY 1, 2`}[some] + `)`
	c.value = `((SELECT coalesce(sum(` + sum + `), 0) FROM (` + cubesOf(b.GroupBy, scoped, broken, 10, 4, []string{sum}) + `) f WHERE true` + group + `) + ` + signed + `)::bigint`
	return c, true
}
