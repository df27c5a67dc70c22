package honesty

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// payee is whether an account (alias a) had an approved beneficiary in force at u.until (here w.until).
const payee = `coalesce((SELECT b.number <> '' FROM account_beneficiaries b WHERE b.account_id = a.id AND b.status = 'approved' AND b.effective_at <= w.until ORDER BY b.effective_at DESC, b.n DESC LIMIT 1), false)`

// lastProof is when an account (alias a) last showed before u.until that its checkout works: the provider's own word on a live payment (a
// redirect that we make ourselves proves nothing), or a check of the account that was recorded.
const lastProof = `SELECT max(at) FROM (
		(SELECT p.recorded_at AS at FROM payments p WHERE p.account_id = a.id AND p.mode = 'live' AND p.status = 'succeeded' AND p.recorded_at <= u.until ORDER BY p.recorded_at DESC LIMIT 1)
		UNION ALL SELECT max(p.created_at) FROM payments p WHERE p.account_id = a.id AND p.mode = 'live' AND p.status IN ('failed', 'expired') AND p.redirect IS NOT NULL
			AND p.created_at <= u.until AND p.created_at >= u.until - make_interval(days => u.days) AND (p.status = 'failed' OR p.last_lookup_outcome IN ('pending', 'declined', 'failed', 'expired'))
		UNION ALL SELECT max(c.recorded_at) FROM audit c WHERE c.object = a.id AND c.action = 'account.checked' AND c.detail->>'works' = 'true' AND c.recorded_at <= u.until
			AND c.recorded_at >= u.until - make_interval(days => u.days)) proof`

// procedures are the fee-bearing procedures of a day with what each agency lacks for each kind that can be charged, as known at until.
func (b *Book) procedures(ctx context.Context, on string, until time.Time, days int, agencies []string) ([]Procedure, error) {
	tx, err := b.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // it wrote nothing
	rows, err := tx.QueryContext(ctx, `WITH usable AS MATERIALIZED (SELECT a.id, a.agency_code, a.kinds, u.payee,
				coalesce((`+lastProof+`) >= u.until - make_interval(days => u.days), false) AS proven
			FROM merchant_accounts a CROSS JOIN LATERAL (SELECT $2::timestamptz AS until, $3::int AS days) w CROSS JOIN LATERAL (SELECT w.until, w.days, `+payee+` AS payee) u
			WHERE a.mode = 'live' AND a.created_at <= $2 AND a.valid_from <= $1::date AND (a.valid_to IS NULL OR a.valid_to > $1::date)),
		wanted AS (SELECT f.procedure_code, f.kinds, p.name, x.name AS field, g.agency_code FROM fee_bearing_on($1::date) f JOIN procedures p ON p.code = f.procedure_code
			JOIN fields x ON x.code = p.field_code LEFT JOIN procedure_agencies g ON g.procedure_code = f.procedure_code AND (cardinality($4::text[]) = 0 OR g.agency_code = ANY ($4))
			WHERE cardinality($4::text[]) = 0 OR g.agency_code IS NOT NULL),
		lacking AS (SELECT w.procedure_code, coalesce(w.agency_code, '') AS agency_code, CASE WHEN w.agency_code IS NULL THEN '' ELSE k.kind END AS kind,
				CASE WHEN w.agency_code IS NULL THEN 'no_agency' WHEN NOT has.any_account THEN 'no_account' WHEN NOT has.any_payee THEN 'no_beneficiary' ELSE 'no_checkout' END AS why
			FROM wanted w CROSS JOIN LATERAL unnest(w.kinds) k (kind)
			CROSS JOIN LATERAL (SELECT count(*) > 0 AS any_account, coalesce(bool_or(payee), false) AS any_payee, coalesce(bool_or(payee AND proven), false) AS works
				FROM usable u WHERE u.agency_code = w.agency_code AND k.kind = ANY (u.kinds)) has WHERE NOT has.works)
		SELECT w.procedure_code, w.name, w.field, w.kinds, count(w.agency_code)::int,
			coalesce((SELECT json_agg(DISTINCT jsonb_build_object('agency_code', l.agency_code, 'kind', l.kind, 'why', l.why)) FROM lacking l WHERE l.procedure_code = w.procedure_code), '[]')
		FROM wanted w GROUP BY w.procedure_code, w.name, w.field, w.kinds ORDER BY w.procedure_code COLLATE "C"`, on, until, days, pq.Array(append([]string{}, agencies...)))
	if err != nil {
		return nil, fmt.Errorf("listing what is enabled: %w", err)
	}
	defer rows.Close()
	out := []Procedure{}
	for rows.Next() {
		var p Procedure
		var reasons []byte
		if err := rows.Scan(&p.Code, &p.Name, &p.Field, (*pq.StringArray)(&p.Kinds), &p.Agencies, &reasons); err != nil {
			return nil, fmt.Errorf("listing what is enabled: %w", err)
		}
		if err := json.Unmarshal(reasons, &p.Reasons); err != nil {
			return nil, fmt.Errorf("listing what is enabled: %w", err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}
