package reconciliation

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Nearly every line of a day and nearly every payment are one pair that nobody could take for anything else: the line has the
// payment's reference in the payment's own account, its amount and day, the fee that is due, and the payment is no transfer's, made by no line and moved by no closing; no other line has its reference or
// its transaction; neither is tied to anything else. Nothing is to be named of such a pair. These are found by a few joins over
// the whole day, and what remains goes through the working set, by the same rules as if there were no short way: a pair is only
// taken here if the long way, too, would make it and name nothing.
//
// The same row in another day's file has the same transaction, or, where it has none, the same reference: a provider's key holds them.

// Lines of the days that share their reference or transaction with another line. $1 accounts, $2 dates.
const fillShared = `CREATE TEMP TABLE day_shared ON COMMIT DROP AS
	SELECT l.id FROM unnest($1::text[], $2::date[]) s (account_id, date) JOIN settlement_lines l USING (account_id, date) WHERE ` + inScope + `
		AND EXISTS (SELECT FROM settlement_lines o WHERE o.reference = l.reference AND o.superseded_at IS NULL AND o.id <> l.id)
	UNION ALL SELECT l.id FROM unnest($1::text[], $2::date[]) s (account_id, date) JOIN settlement_lines l USING (account_id, date) WHERE ` + inScope + `
		AND l.transaction <> '' AND EXISTS (SELECT FROM settlement_lines o WHERE o.account_id = l.account_id AND o.transaction = l.transaction AND o.superseded_at IS NULL AND o.id <> l.id)`

const inScope = `l.account_id = ANY ($1) AND l.date = ANY ($2) AND l.superseded_at IS NULL`

// The same of one day, whose lines know of each other: of two that share something one at least is not told apart. $1 its account,
// $2 its date.
const fillSharedOfOne = `CREATE TEMP TABLE day_shared ON COMMIT DROP AS WITH
	l AS NOT MATERIALIZED (SELECT id, account_id, reference, transaction, told_apart FROM settlement_lines WHERE account_id = $1 AND date = $2 AND superseded_at IS NULL),
	o AS NOT MATERIALIZED (SELECT reference, transaction, account_id FROM settlement_lines WHERE (account_id <> $1 OR date <> $2) AND superseded_at IS NULL),
	f AS MATERIALIZED (SELECT reference, transaction FROM l WHERE NOT told_apart),
	r AS MATERIALIZED (SELECT id, reference FROM l WHERE reference IN (SELECT reference FROM f)),
	t AS MATERIALIZED (SELECT id, transaction FROM l WHERE transaction <> '' AND transaction IN (SELECT transaction FROM f))
	SELECT l.id FROM l WHERE EXISTS (SELECT FROM o WHERE o.reference = l.reference)
	UNION ALL SELECT l.id FROM l WHERE transaction <> '' AND EXISTS (SELECT FROM o WHERE o.account_id = l.account_id AND o.transaction = l.transaction)
	UNION ALL SELECT unnest(array_agg(id)) FROM r GROUP BY reference HAVING count(*) > 1
	UNION ALL SELECT unnest(array_agg(id)) FROM t GROUP BY transaction HAVING count(*) > 1`

// The days' lines and payments, side by side where they have one reference; clean: a pair beyond doubt; stands: it is matched.
// $1 accounts, $2 dates, $3 … $6 the tariff of each, $7 whether to look for clean pairs at all.
const fillPairs = `CREATE TEMP TABLE day_pairs ON COMMIT DROP AS
	SELECT l.id AS line_id, p.id AS item_id, l.account_id, ml.id IS NOT NULL AS stands,
		$7 AND coalesce(l.type = 'payment' AND l.success AND NOT l.misdirected AND l.own_date = l.date AND p.status = 'succeeded' AND p.date = l.date AND p.received_amount = l.amount
			AND l.fee = least(greatest((l.amount * l.bps + 5000) / 10000 + l.fixed, l.lo), l.hi) AND p.provider_transaction IN ('', l.transaction)
			AND ml.id IS NOT DISTINCT FROM mp.id AND ml.rule IS DISTINCT FROM 'person' AND d.id IS NULL AND h.object_id IS NULL AND a.item_id IS NULL AND NOT p.by_transfer, false) AS clean
	FROM (SELECT l.*, s.bps, s.fixed, s.lo, s.hi FROM unnest($1::text[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) s (account_id, date, bps, fixed, lo, hi)
		JOIN settlement_lines l USING (account_id, date) WHERE ` + inScope + `) l
	FULL JOIN (SELECT p.id, p.account_id, p.provider_reference, p.provider_transaction, p.status, p.received_amount, p.by_transfer, s.date FROM unnest($1::text[], $2::date[]) s (account_id, date)
		JOIN payments p ON p.account_id = s.account_id AND business_day(p.paid_at) = s.date
		WHERE p.account_id = ANY ($1) AND business_day(p.paid_at) = ANY ($2) AND p.status IN ('succeeded', 'reversed')) p
		ON p.account_id = l.account_id AND p.provider_reference = l.reference
	LEFT JOIN matches ml ON ml.line_id = l.id AND ml.ended_at IS NULL
	LEFT JOIN matches mp ON mp.payment_id = p.id AND mp.ended_at IS NULL
	LEFT JOIN (SELECT DISTINCT id FROM day_shared) d ON d.id = l.id
	LEFT JOIN (SELECT DISTINCT object_id FROM history WHERE source = 'settlement' AND to_status = 'succeeded') h ON h.object_id = p.id
	LEFT JOIN (SELECT DISTINCT item_id FROM day_adjustments WHERE account_id = ANY ($1)) a ON a.item_id = p.id`

// The days' lines are joined as a whole, unless the table is so many times as long, and not short anyway: then each is looked up.
const (
	farLonger  = 30
	shortTable = 20000
)

// pairUp finds the pairs beyond doubt of the days that are loaded.
func (r *Reconciler) pairUp(ctx context.Context, tx *sqlx.Tx, days []accountDay) error {
	ids, dates := columns(days)
	var lines, all int64
	if err := tx.QueryRowContext(ctx, `SELECT (SELECT coalesce(sum(lines), 0) FROM imports i JOIN day_scope s ON s.account_id = i.account_id AND s.date = i.date WHERE i.status = 'visible'),
		pg_relation_size('settlement_lines') / 300`).Scan(&lines, &all); err != nil {
		return fmt.Errorf("loading %d days: %w", len(days), err)
	}
	var bps, fixed, lo, hi pq.Int64Array
	if err := tx.QueryRowContext(ctx, `SELECT array_agg(coalesce((t->>'bps')::bigint, 0) ORDER BY n), array_agg(coalesce((t->>'fixed')::bigint, 0) ORDER BY n), array_agg(coalesce((t->>'min')::bigint, 0) ORDER BY n),
		array_agg(coalesce(nullif((t->>'max')::bigint, 0), 1000000000000) ORDER BY n)
		FROM (SELECT n, account_tariff(account_id, date) AS t FROM unnest($1::text[], $2::date[]) WITH ORDINALITY d (account_id, date, n)) x`, ids, dates).Scan(&bps, &fixed, &lo, &hi); err != nil {
		return fmt.Errorf("reading the tariffs: %w", err)
	}
	plan := `SET LOCAL work_mem = '128MB'; SET LOCAL random_page_cost = 1.1; SET LOCAL max_parallel_workers_per_gather = 0` // the other cores are for orders
	if all <= max(farLonger*lines, shortTable) {
		// The statistics do not know yet what has just been imported: with them, rows would be looked up one by one,
		// and where it takes the table for empty, each time by going through all of it.
		plan += `; SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off`
	}
	shared, of := fillShared, []any{ids, dates}
	if len(days) == 1 {
		shared, of = fillSharedOfOne, []any{days[0].AccountID, days[0].Date}
	}
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{plan, nil}, {`DROP TABLE IF EXISTS pg_temp.day_shared, pg_temp.day_pairs`, nil}, {shared, of}, {`ANALYZE day_shared`, nil},
		{fillPairs, []any{ids, dates, bps, fixed, lo, hi, !r.longWay}}, {`ANALYZE day_pairs`, nil},
		{`SET LOCAL enable_nestloop = on; SET LOCAL enable_mergejoin = on; SET LOCAL enable_indexscan = on; SET LOCAL enable_indexonlyscan = on`, nil},
	} {
		if _, err := tx.ExecContext(ctx, step.sql, step.args...); err != nil {
			return fmt.Errorf("pairing %d days: %w", len(days), err)
		}
	}
	return nil
}

// insertPairs matches the pairs beyond doubt that are not matched yet.
func insertPairs(ctx context.Context, tx *sqlx.Tx, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO matches (payment_id, line_id, account_id, rule, recorded_at)
		SELECT item_id, line_id, account_id, 'reference', $1 FROM day_pairs WHERE clean AND NOT stands`, now); err != nil {
		return fmt.Errorf("matching: %w", err)
	}
	return nil
}
