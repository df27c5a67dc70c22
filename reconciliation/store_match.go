package reconciliation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway/vnd"
)

// speaksOf is the payment or refund that a settlement line l speaks of: the one that a person said, else the one with the
// line's reference, else the one with its transaction (where one alone has it), else another account's of the same provider
// with that reference. Never one of the same amount. Every line speaks of one thing at most, whatever was imported when.
const speaksOf = `coalesce(
	(SELECT coalesce(m.payment_id, m.refund_id) FROM matches m WHERE m.line_id = l.id AND m.ended_at IS NULL AND m.rule = 'person'),
	CASE l.type WHEN 'payment' THEN coalesce(
		(SELECT p.id FROM payments p WHERE p.account_id = l.account_id AND p.provider_reference = l.reference),
		(SELECT min(p.id) FROM payments p WHERE p.account_id = l.account_id AND p.provider_transaction = l.transaction
			AND p.provider_transaction <> '' AND l.transaction <> '0' HAVING count(*) = 1),
		(SELECT min(p.id) FROM merchant_accounts o JOIN payments p ON p.account_id = o.id AND p.provider_reference = l.reference
			WHERE o.provider = (SELECT provider FROM merchant_accounts WHERE id = l.account_id) AND o.id <> l.account_id HAVING count(*) = 1))
	ELSE coalesce(
		(SELECT f.id FROM refunds f WHERE f.account_id = l.account_id AND f.provider_reference = l.reference),
		(SELECT min(f.id) FROM refunds f WHERE f.account_id = l.account_id AND f.provider_transaction = l.transaction
			AND f.provider_transaction <> '' AND l.transaction <> '0' HAVING count(*) = 1),
		(SELECT f.id FROM refunds f JOIN merchant_accounts o ON o.id = f.account_id WHERE f.provider_reference = l.reference
			AND o.provider = (SELECT provider FROM merchant_accounts WHERE id = l.account_id)))
	END)`

const gross = `(CASE l.type WHEN 'payment' THEN l.amount ELSE -l.amount END)::bigint`

// The working set of a matching, in tables of its transaction alone, so that every statement joins small, counted sets:
// the days it is about; their lines; the payments and refunds of these days or that the lines speak of or were paired with;
// and every line, of whatever day and account, that speaks of one of those, the first of each being the one that settles it.
// What pairs beyond doubt is kept out of it (store_pairs.go): it is nearly all of a day, and nothing is to be said of it.
// Their indexes keep a statement whose plan was made on old statistics from going through a table for each row of another.
const workingSet = `
CREATE TEMP TABLE day_scope (account_id text, date date, fresh boolean) ON COMMIT DROP;
CREATE TEMP TABLE day_lines (id bigint, account_id text, date date, own_date date, type text, key text, occurrence int, amount bigint, fee bigint,
	net bigint, gross bigint, live boolean, misdirected boolean, item_id text, transaction text) ON COMMIT DROP;
CREATE TEMP TABLE day_items (id text, type text, account_id text, provider text, reference text, transaction text, status text, done boolean, gross bigint, day date,
	by_line boolean, fresh boolean) ON COMMIT DROP;
CREATE TEMP TABLE day_ties (line_id bigint, account_id text, date date, key text, gross bigint, frozen boolean, item_id text, rule text, rank int) ON COMMIT DROP;
CREATE TEMP TABLE day_wanted (line_id bigint, item_id text, rule text, type text, account_id text) ON COMMIT DROP;
CREATE TEMP TABLE day_found (account_id text, date date, kind text, subject text, amount bigint, effect bigint, bank_effect bigint, type text, item_id text, line_id bigint,
	healed boolean) ON COMMIT DROP;
CREATE INDEX ON day_items (id);
CREATE INDEX ON day_ties (line_id);
CREATE INDEX ON day_ties (item_id);
CREATE INDEX ON day_wanted (line_id);
CREATE INDEX ON day_found (account_id, date, kind, subject)`

// A line that was replaced matters for what it spoke of, unless that pairs beyond doubt now.
const fillLines = `WITH past AS (SELECT l.id, p.id AS item_id FROM day_scope s JOIN settlement_lines l USING (account_id, date)
		JOIN payments p ON p.account_id = l.account_id AND p.provider_reference = l.reference JOIN day_pairs c ON c.item_id = p.id AND c.clean
		WHERE s.fresh AND l.superseded_at IS NOT NULL AND l.type = 'payment'),
	gone AS (SELECT id FROM past EXCEPT SELECT past.id FROM past JOIN matches m ON m.line_id = past.id AND m.ended_at IS NOT NULL AND m.payment_id IS DISTINCT FROM past.item_id),
	ids AS (SELECT line_id AS id FROM day_pairs WHERE NOT clean AND line_id IS NOT NULL
		UNION SELECT l.id FROM day_scope s JOIN settlement_lines l USING (account_id, date) WHERE s.fresh AND l.superseded_at IS NOT NULL AND l.id NOT IN (SELECT id FROM gone))
	INSERT INTO day_lines SELECT l.id, l.account_id, l.date, l.own_date, l.type, l.key, l.occurrence, l.amount, l.fee, l.net, ` + gross + `,
	l.success AND l.superseded_at IS NULL, l.misdirected, ` + speaksOf + `, l.transaction FROM ids JOIN settlement_lines l USING (id)`

const fillItems = `WITH ids AS (SELECT item_id AS id FROM day_lines WHERE item_id IS NOT NULL
		UNION SELECT coalesce(m.payment_id, m.refund_id) FROM day_lines l JOIN matches m ON m.line_id = l.id AND m.ended_at IS NULL
		UNION SELECT coalesce(m.payment_id, m.refund_id) FROM day_lines l JOIN matches m ON m.line_id = l.id AND m.ended_at IS NOT NULL
		UNION SELECT item_id FROM day_pairs WHERE NOT clean AND item_id IS NOT NULL
		UNION SELECT a.item_id FROM day_scope s JOIN day_adjustments a USING (account_id, date) WHERE s.fresh
		UNION SELECT f.id FROM day_scope s JOIN refunds f ON f.account_id = s.account_id AND f.status = 'succeeded' AND business_day(f.effective_at) = s.date WHERE s.fresh),
	fresh AS (SELECT id FROM ids EXCEPT SELECT id FROM day_items)
	INSERT INTO day_items SELECT p.id, 'payment', p.account_id, p.provider, p.provider_reference, p.provider_transaction, p.status, p.status = 'succeeded',
		CASE p.status WHEN 'succeeded' THEN p.received_amount ELSE 0 END, business_day(p.paid_at),
		coalesce((SELECT true FROM history h WHERE h.object_id = p.id AND h.to_status = 'succeeded' AND h.source = 'settlement' LIMIT 1), false), true FROM fresh JOIN payments p USING (id)
	UNION ALL SELECT f.id, 'refund', f.account_id, a.provider, f.provider_reference, f.provider_transaction, f.status, f.status = 'succeeded',
		CASE f.status WHEN 'succeeded' THEN -f.amount ELSE 0 END, business_day(f.effective_at), false, true FROM fresh JOIN refunds f USING (id) JOIN merchant_accounts a ON a.id = f.account_id`

// The order among the lines that speak of one thing is by what they say, never by when they came: so is the answer.
// Whom a line speaks of is asked of those alone that have an item's reference or transaction: the planner would ask all of a table.
const fillTies = `WITH near AS MATERIALIZED (
		SELECT l.id, i.id AS item_id, 'reference' AS rule FROM day_items i JOIN settlement_lines l ON l.reference = i.reference AND l.type = i.type
			JOIN merchant_accounts a ON a.id = l.account_id AND a.provider = i.provider WHERE i.fresh AND l.superseded_at IS NULL AND l.success
		UNION ALL SELECT l.id, i.id, 'transaction' FROM day_items i JOIN settlement_lines l ON l.account_id = i.account_id AND l.transaction = i.transaction AND l.type = i.type
			WHERE i.fresh AND l.superseded_at IS NULL AND l.success AND i.transaction <> '' AND l.reference <> i.reference),
	spoken AS MATERIALIZED (SELECT l.id, ` + speaksOf + ` AS item_id FROM (SELECT DISTINCT id FROM near) n JOIN settlement_lines l USING (id)),
	c AS (SELECT near.* FROM near JOIN spoken USING (id, item_id)
		UNION ALL SELECT l.id, i.id, 'person' FROM day_items i JOIN matches m ON i.id = coalesce(m.payment_id, m.refund_id) AND m.ended_at IS NULL AND m.rule = 'person'
			JOIN settlement_lines l ON l.id = m.line_id AND l.superseded_at IS NULL AND l.success WHERE i.fresh),
	one AS (SELECT DISTINCT ON (id) * FROM c ORDER BY id, rule),
	f AS (SELECT l.id AS line_id, l.account_id, l.date, l.key, ` + gross + ` AS gross, d.date IS NOT NULL AS frozen, i.id AS item_id, c.rule,
		l.occurrence, l.own_date, l.transaction <> i.transaction AS foreign_txn, i.account_id AS ours, i.gross AS owed, i.day
		FROM one c JOIN settlement_lines l ON l.id = c.id JOIN day_items i ON i.id = c.item_id
		LEFT JOIN days d ON d.account_id = l.account_id AND d.date = l.date AND d.status IN ('closed', 'signed'))
	INSERT INTO day_ties SELECT f.line_id, f.account_id, f.date, f.key, f.gross, f.frozen, f.item_id, f.rule, row_number() OVER (PARTITION BY f.item_id
		ORDER BY f.rule = 'person' DESC, (f.frozen AND m.id IS NOT NULL) DESC, f.account_id <> f.ours, f.foreign_txn, f.gross <> f.owed, f.date <> coalesce(f.day, f.own_date), f.date, f.occurrence, f.key COLLATE "C", f.account_id)
	FROM f LEFT JOIN matches m ON m.line_id = f.line_id AND m.ended_at IS NULL AND coalesce(m.payment_id, m.refund_id) = f.item_id`

// load adds days to the working set.
func (r *Reconciler) load(ctx context.Context, tx *sqlx.Tx, days []accountDay) error {
	ids, dates := columns(days)
	for _, step := range []string{`UPDATE day_scope SET fresh = false`, `UPDATE day_items SET fresh = false`} {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("loading %d days: %w", len(days), err)
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO day_scope SELECT *, true FROM unnest($1::text[], $2::date[])`, ids, dates); err != nil {
		return fmt.Errorf("loading %d days: %w", len(days), err)
	}
	if err := r.pairUp(ctx, tx, days); err != nil {
		return err
	}
	for _, step := range []string{`ANALYZE day_scope`, fillLines, `ANALYZE day_lines`, fillItems, statedOnly, atHome, `ANALYZE day_items`, fillTies, `ANALYZE day_ties`} {
		var args []any
		if step == statedOnly {
			args = []any{r.transferProviders()}
		}
		if _, err := tx.ExecContext(ctx, step, args...); err != nil {
			return fmt.Errorf("loading %d days: %w", len(days), err)
		}
	}
	return nil
}

// The pairs that the rows ask for: the first line of each payment or refund that succeeded, in its own account, of its
// amount. A closed day's pairs stay as they are.
const fillWanted = `INSERT INTO day_wanted SELECT t.line_id, t.item_id, t.rule, i.type, i.account_id FROM day_ties t JOIN day_items i ON i.id = t.item_id
	WHERE t.rank = 1 AND i.done AND t.account_id = i.account_id AND t.gross = i.gross AND NOT t.frozen`

// What stands and is not wanted ends with its un-match row; a person's tie and a closed day's pairs stay.
const endMatches = `WITH standing AS (
		SELECT m.* FROM matches m JOIN day_items i ON m.payment_id = i.id WHERE m.ended_at IS NULL AND i.type = 'payment'
		UNION SELECT m.* FROM matches m JOIN day_items i ON m.refund_id = i.id WHERE m.ended_at IS NULL AND i.type = 'refund'
		UNION SELECT m.* FROM matches m JOIN day_lines l ON m.line_id = l.id WHERE m.ended_at IS NULL)
	INSERT INTO unmatches (match_id, reason, actor, recorded_at) SELECT m.id, 'matched anew', 'matching', $1 FROM standing m
	JOIN settlement_lines l ON l.id = m.line_id
	LEFT JOIN day_wanted w ON w.line_id = m.line_id AND w.item_id = coalesce(m.payment_id, m.refund_id)
	LEFT JOIN days d ON d.account_id = l.account_id AND d.date = l.date AND d.status IN ('closed', 'signed')
	WHERE w.line_id IS NULL AND d.date IS NULL AND m.rule <> 'person' RETURNING match_id`

// pair brings the matches of the loaded day to what its rows ask for. What stands already is taken off the wanted ones first:
// a statement that looks into the table it fills would look through its own rows. The unique indexes of matches hold
// exclusiveness, whoever else runs.
func pair(ctx context.Context, tx *sqlx.Tx, now time.Time) error {
	for _, step := range []string{fillWanted, `ANALYZE day_wanted`} {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("matching: %w", err)
		}
	}
	var ended []int64
	if err := tx.SelectContext(ctx, &ended, endMatches, now); err != nil {
		return fmt.Errorf("ending matches: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE matches SET ended_at = $2 WHERE id = ANY ($1) AND ended_at IS NULL`, pq.Array(ended), now); err != nil {
		return fmt.Errorf("ending matches: %w", err)
	}
	for _, on := range []string{`m.line_id = w.line_id`, `m.payment_id = w.item_id`, `m.refund_id = w.item_id`} {
		if _, err := tx.ExecContext(ctx, `DELETE FROM day_wanted w USING matches m WHERE m.ended_at IS NULL AND `+on); err != nil {
			return fmt.Errorf("matching: %w", err)
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO matches (payment_id, refund_id, line_id, account_id, rule, recorded_at)
		SELECT CASE type WHEN 'payment' THEN item_id END, CASE type WHEN 'refund' THEN item_id END, line_id, account_id, rule, $1 FROM day_wanted ORDER BY line_id`, now); err != nil {
		return fmt.Errorf("matching: %w", err)
	}
	return insertPairs(ctx, tx, now)
}

// accountDay is one day of one account.
type accountDay struct {
	AccountID string `db:"account_id"`
	Date      string `db:"date"`
}

func columns(days []accountDay) (ids, dates pq.StringArray) {
	for _, d := range days {
		ids, dates = append(ids, d.AccountID), append(dates, d.Date)
	}
	return ids, dates
}

// match pairs some days and names what is left, on them and on the days that they touch. Where lines settle what is not paid or
// done here, it gives these instead and changes nothing, unless all has been heard.
func (r *Reconciler) match(ctx context.Context, days []accountDay, heard bool) (*unrecorded, error) {
	tx, err := r.db.BeginTxx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("matching: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := alone(ctx, tx); err != nil {
		return nil, fmt.Errorf("matching: %w", err)
	}
	own, err := r.begin(ctx, tx, days)
	if err != nil {
		return nil, err
	}
	if !heard && len(own) > 0 {
		if said, err := unrecordedOf(ctx, tx, days); err != nil || said != nil {
			return said, err
		}
	}
	if err := r.finish(ctx, tx, own); err != nil {
		return nil, err
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("matching: %w", err)
	}
	return nil, nil
}

// unrecorded is what the days' lines say of payments and refunds that are not paid or done here; nil: nothing.
func (r *Reconciler) unrecorded(ctx context.Context, days []accountDay) (*unrecorded, error) {
	tx, err := r.db.BeginTxx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("matching: %w", err)
	}
	defer tx.Rollback() // always: nothing is kept
	if err := alone(ctx, tx); err != nil {
		return nil, fmt.Errorf("matching: %w", err)
	}
	own, err := open(ctx, tx, days)
	if err != nil || len(own) == 0 {
		return nil, err
	}
	if err := r.loadFirst(ctx, tx, own); err != nil {
		return nil, err
	}
	return unrecordedOf(ctx, tx, own)
}

// matchIn is match within a transaction that is alone already.
func (r *Reconciler) matchIn(ctx context.Context, tx *sqlx.Tx, asked []accountDay) error {
	own, err := r.begin(ctx, tx, asked)
	if err != nil {
		return err
	}
	return r.finish(ctx, tx, own)
}

// begin adjusts for closed days and loads those that are open; none: there is nothing to match.
func (r *Reconciler) begin(ctx context.Context, tx *sqlx.Tx, asked []accountDay) ([]accountDay, error) {
	asked, err := adjust(ctx, tx, asked, r.now())
	if err != nil {
		return nil, err
	}
	// Before anything is read: what happens from here on marks the day anew.
	ids, dates := columns(asked)
	if _, err := tx.ExecContext(ctx, `DELETE FROM days_to_match m USING unnest($1::text[], $2::date[]) AS s (account_id, date) WHERE m.account_id = s.account_id AND m.date = s.date`, ids, dates); err != nil {
		return nil, fmt.Errorf("matching: %w", err)
	}
	own, err := open(ctx, tx, asked)
	if err != nil || len(own) == 0 {
		return nil, err
	}
	return own, r.loadFirst(ctx, tx, own)
}

// open leaves the days that are neither closed nor signed.
func open(ctx context.Context, tx *sqlx.Tx, asked []accountDay) ([]accountDay, error) {
	var own []accountDay
	for _, d := range asked {
		closed, err := frozen(ctx, tx, d.AccountID, d.Date)
		if err != nil {
			return nil, err
		}
		if !closed && !slices.Contains(own, d) {
			own = append(own, d)
		}
	}
	return own, nil
}

// loadFirst makes the working set and loads the days.
func (r *Reconciler) loadFirst(ctx context.Context, tx *sqlx.Tx, own []accountDay) error {
	if _, err := tx.ExecContext(ctx, workingSet); err != nil {
		return fmt.Errorf("matching: %w", err)
	}
	return r.load(ctx, tx, own)
}

// finish pairs the loaded days and names what is left.
func (r *Reconciler) finish(ctx context.Context, tx *sqlx.Tx, own []accountDay) error {
	if len(own) == 0 {
		return nil
	}
	now := r.now()
	if err := pair(ctx, tx, now); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, meetFrozen, now); err != nil {
		return fmt.Errorf("matching with closed days: %w", err)
	}
	paid, err := r.payOut(ctx, tx, own, now)
	if err != nil {
		return err
	}
	ids, dates := columns(paid)
	var touched []accountDay
	if err := tx.SelectContext(ctx, &touched, `SELECT account_id, date::text FROM (SELECT account_id, day AS date FROM day_items WHERE day IS NOT NULL UNION SELECT account_id, date FROM day_ties
			UNION SELECT m.account_id, m.date FROM (SELECT DISTINCT account_id, transaction, key FROM day_lines) l
				JOIN settlement_lines m USING (account_id, transaction, key) WHERE m.superseded_at IS NULL
			UNION SELECT * FROM unnest($1::text[], $2::date[])) t
		WHERE NOT EXISTS (SELECT FROM day_scope s WHERE s.account_id = t.account_id AND s.date = t.date)
		AND NOT EXISTS (SELECT FROM days d WHERE d.account_id = t.account_id AND d.date = t.date AND d.status IN ('closed', 'signed'))`, ids, dates); err != nil {
		return fmt.Errorf("finding the days it touches: %w", err)
	}
	if len(touched) > 0 {
		if err := r.load(ctx, tx, touched); err != nil {
			return err
		}
	}
	if err := r.name(ctx, tx, now); err != nil {
		return fmt.Errorf("naming the differences of %s: %w", own[0].Date, err)
	}
	ids, dates = columns(own)
	if _, err := tx.ExecContext(ctx, `WITH s AS (SELECT * FROM unnest($1::text[], $2::date[]) AS t (account_id, date))
		INSERT INTO days (account_id, date, status, matched_at)
		SELECT account_id, date, 'matched', $3 FROM s
		WHERE EXISTS (SELECT FROM imports i WHERE i.account_id = s.account_id AND i.date = s.date AND i.status = 'visible') OR EXISTS (SELECT FROM (`+statementsOf+`) c WHERE c.account_id = s.account_id AND c.date = s.date) ORDER BY 1, 2
		ON CONFLICT (account_id, date) DO UPDATE SET status = 'matched', matched_at = $3`, ids, dates, now); err != nil {
		return fmt.Errorf("marking the days: %w", err)
	}
	return nil
}

// unrecorded is what lines say of payments and refunds that are not paid or done here.
type unrecorded struct{ payments, refunds []unpaidLine }

// unrecordedOf gives the loaded days' lines that settle payments which are not recorded as paid here, and refunds which were sent and
// have not succeeded here, one for each. A refund's amount must be the line's: another stays a difference with a name.
func unrecordedOf(ctx context.Context, tx *sqlx.Tx, own []accountDay) (*unrecorded, error) {
	ids, dates := columns(own)
	var u unrecorded
	if err := tx.SelectContext(ctx, &u.payments, `SELECT account_id, reference, transaction, amount, at FROM (
			SELECT DISTINCT ON (p.id) o.n, l.account_id, p.provider_reference AS reference, l.transaction, l.amount, l.at, l.id FROM day_lines d
			JOIN unnest($1::text[], $2::date[]) WITH ORDINALITY o (account_id, date, n) ON o.account_id = d.account_id AND o.date = d.date
			JOIN settlement_lines l ON l.id = d.id JOIN payments p ON p.account_id = d.account_id AND p.id = d.item_id
			WHERE d.live AND d.type = 'payment' AND p.status IN ('created', 'pending', 'failed', 'expired')
			ORDER BY p.id, o.n, l.transaction <> p.provider_transaction, l.date <> l.own_date, l.occurrence, l.key COLLATE "C") x ORDER BY n, id`, ids, dates); err != nil {
		return nil, fmt.Errorf("finding settled payments that are not paid here: %w", err)
	}
	if err := tx.SelectContext(ctx, &u.refunds, `SELECT account_id, reference, transaction, amount, at FROM (
			SELECT DISTINCT ON (f.id) o.n, l.account_id, f.provider_reference AS reference, l.transaction, l.amount, l.at, l.id FROM day_lines d
			JOIN unnest($1::text[], $2::date[]) WITH ORDINALITY o (account_id, date, n) ON o.account_id = d.account_id AND o.date = d.date
			JOIN settlement_lines l ON l.id = d.id JOIN refunds f ON f.account_id = d.account_id AND f.amount = d.amount AND f.id = d.item_id
			WHERE d.live AND d.type = 'refund' AND f.status IN ('submitted', 'failed')
			ORDER BY f.id, o.n, l.transaction <> f.provider_transaction, l.date <> l.own_date, l.occurrence, l.key COLLATE "C") x ORDER BY n, id`, ids, dates); err != nil {
		return nil, fmt.Errorf("finding settled refunds that are not done here: %w", err)
	}
	if len(u.payments)+len(u.refunds) == 0 {
		return nil, nil
	}
	return &u, nil
}

type unpaidLine struct {
	AccountID   string     `db:"account_id"`
	Reference   string     `db:"reference"`
	Transaction string     `db:"transaction"`
	Amount      vnd.Amount `db:"amount"`
	At          time.Time  `db:"at"`
}
