package reconciliation

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// overdueAfter is how many working days after a day its payout is missed (domain notes §6.2, bank_short).
const overdueAfter = 3

// statedItems are the payments and refunds that the bank's statement alone proves, of the days of s (account_id, date): money that came by bank transfer, and refunds that the
// bank paid from a list. confirmed: a line of a statement has it.
const statedItems = `SELECT s.account_id, s.date, 'payment' AS type, p.id, p.status, p.received_amount::bigint AS amount, CASE p.status WHEN 'succeeded' THEN p.received_amount ELSE 0 END::bigint AS gross,
		` + paymentStated + ` AS confirmed
		FROM s JOIN payments p ON p.account_id = s.account_id AND p.status IN ('succeeded', 'reversed') AND business_day(p.paid_at) = s.date WHERE p.by_transfer
	UNION ALL SELECT s.account_id, s.date, 'refund', f.id, f.status, f.amount::bigint, -f.amount::bigint,
		` + refundStated + `
		FROM s JOIN refunds f ON f.account_id = s.account_id AND f.status = 'succeeded' AND business_day(f.effective_at) = s.date WHERE f.manual`

// A line of a statement has payment p, or refund f.
const (
	paymentStated = `EXISTS (SELECT FROM statement_transfers x JOIN statement_lines l ON l.id = x.line_id AND l.superseded_at IS NULL WHERE x.transfer_id = p.transfer_id)`
	refundStated  = `(EXISTS (SELECT FROM bank_transfers t JOIN statement_transfers x ON x.transfer_id = t.id JOIN statement_lines l ON l.id = x.line_id AND l.superseded_at IS NULL
			WHERE t.direction = 'out' AND t.id = f.provider_transaction)
		OR f.provider_transaction <> '' AND EXISTS (SELECT FROM bank_transfers t JOIN statement_transfers x ON x.transfer_id = t.id JOIN statement_lines l ON l.id = x.line_id AND l.superseded_at IS NULL
			WHERE t.direction = 'out' AND t.bank_reference = f.provider_transaction))`
)

// statementsOf are the days of s that a statement covers which was written after they were over.
const statementsOf = `SELECT DISTINCT s.account_id, s.date, t.import_id FROM s JOIN account_banks b ON b.account_id = s.account_id JOIN bank_statements t ON t.bank_account = b.bank_account
	AND s.date BETWEEN t.from_day AND t.to_day AND business_day(t.recorded_at) > s.date`

// statedOnly takes what the statement alone proves out of the working set of the settlement files.
const statedOnly = `DELETE FROM day_items i WHERE i.type = 'payment' AND EXISTS (SELECT FROM merchant_accounts a WHERE a.id = i.account_id AND a.provider = ANY ($1)) AND EXISTS (SELECT FROM payments p WHERE p.id = i.id AND p.by_transfer)
	OR i.type = 'refund' AND EXISTS (SELECT FROM refunds f WHERE f.id = i.id AND f.manual)`

// The kinds that the bank's side has, as rows of day_found over the loaded days:
//
//	a transfer's payment that no statement has    +ours        missing_at_provider; file_missing where no statement covers the day
//	a refund by a list that no statement has      −amount      refund_unmatched
//	a reversed payment whose credit stands        −amount      reversal
//	the bank's debit that takes it back           bank +amount reversal (on the day it is booked)
//	a credit that belongs to nothing              bank −amount bank_unmatched, wrong_account
//	a payout of a day that was closed             bank −amount late (on the day it was heard of)
//	a statement that does not go on               statement_gap
//
// $1 now, $2 the providers that payers transfer to.
const fillBank = `
WITH s AS (SELECT d.account_id, d.date, a.provider = ANY ($2) AS transfers FROM day_scope d JOIN merchant_accounts a ON a.id = d.account_id),
covered AS (SELECT DISTINCT account_id, date FROM (` + statementsOf + `) c),
items AS (` + statedItems + `),
i AS (SELECT items.*, s.transfers, c.account_id IS NOT NULL AS covered, $1 >= settlement_due(s.account_id, s.date) AS due FROM items JOIN s USING (account_id, date) LEFT JOIN covered c USING (account_id, date)),
free AS (SELECT n.* FROM s JOIN nobodys_credits n ON n.account_id = s.account_id AND n.date = s.date
	WHERE n.booked_on BETWEEN (SELECT min(date) - 3 FROM s) AND (SELECT max(date) + 62 FROM s) OR business_day(n.recorded_at) IN (SELECT date FROM s)
		OR n.line_id IN (SELECT u.line_id FROM bank_uses u WHERE business_day(u.ended_at) IN (SELECT date FROM s))),
gaps AS (SELECT DISTINCT s.account_id, s.date, t.bank_account FROM s JOIN account_banks b ON b.account_id = s.account_id JOIN bank_statements t ON t.bank_account = b.bank_account AND t.from_day = s.date AND NOT t.unchecked
	WHERE EXISTS (SELECT FROM bank_statements o WHERE o.bank_account = t.bank_account AND NOT o.unchecked AND o.to_day < t.from_day)
	AND NOT EXISTS (SELECT FROM bank_statements o WHERE o.bank_account = t.bank_account AND o.from_day < t.from_day AND o.to_day >= t.from_day)
	AND (NOT EXISTS (SELECT FROM bank_statements o WHERE o.bank_account = t.bank_account AND NOT o.unchecked AND o.to_day < t.from_day AND o.closing = t.opening
			AND NOT EXISTS (SELECT FROM bank_statements x WHERE x.bank_account = t.bank_account AND NOT x.unchecked AND x.to_day < t.from_day AND x.to_day > o.to_day))
		OR t.sequence ~ '^[0-9]{1,9}$' AND EXISTS (SELECT FROM bank_statements o WHERE o.bank_account = t.bank_account AND o.sequence ~ '^[0-9]{1,9}$' AND o.to_day < t.from_day
			AND extract(year FROM o.to_day) = extract(year FROM t.from_day) AND o.sequence::int < t.sequence::int)
			AND NOT EXISTS (SELECT FROM bank_statements o WHERE o.bank_account = t.bank_account AND o.sequence ~ '^[0-9]{1,9}$' AND o.sequence::int IN (t.sequence::int - 1)))),
found AS (
	SELECT account_id, date, CASE type WHEN 'payment' THEN 'missing_at_provider' ELSE 'refund_unmatched' END AS kind, type || ':' || id AS subject, amount, gross AS effect, 0::bigint AS bank_effect, type, id AS item_id
		FROM i WHERE status = 'succeeded' AND NOT confirmed AND (covered OR NOT transfers)
	UNION ALL SELECT account_id, date, 'file_missing', 'day', abs(sum(gross)), sum(gross), 0, 'day', NULL FROM i WHERE status = 'succeeded' AND NOT confirmed AND transfers AND NOT covered AND due GROUP BY account_id, date
	UNION ALL SELECT account_id, date, 'reversal', 'payment:' || id, amount, CASE WHEN confirmed THEN -amount ELSE 0 END, 0, 'payment', id FROM i WHERE status = 'reversed'
	UNION ALL SELECT s.account_id, s.date, 'reversal', 'bank:' || v.line_id, -v.amount, 0, -v.amount, 'bank', v.line_id::text
		FROM s JOIN bank_reversals v USING (account_id, date) WHERE s.transfers
	UNION ALL SELECT account_id, date, 'bank_unmatched', CASE WHEN transfer_id IS NULL OR hinted THEN 'bank:' || line_id ELSE 'transfer:' || transfer_id END, amount, 0, -amount,
		CASE WHEN transfer_id IS NULL OR hinted THEN 'bank' ELSE 'transfer' END, CASE WHEN transfer_id IS NULL OR hinted THEN line_id::text ELSE transfer_id END FROM free
	UNION ALL SELECT s.account_id, s.date, CASE WHEN t.direction = 'out' THEN 'refund_unmatched' WHEN ` + ownsNone + ` THEN 'wrong_account' ELSE 'bank_unmatched' END, 'transfer:' || t.id, t.amount, 0, 0, 'transfer', t.id
		FROM s JOIN bank_transfers t ON business_day(t.at) = s.date OR business_day(t.recorded_at) = s.date
		WHERE ` + ownerOf + ` = s.account_id AND s.date = ` + namedOn + ` AND ` + nobodys + `
		AND NOT EXISTS (SELECT FROM free f WHERE f.transfer_id = t.id)
	UNION ALL SELECT s.account_id, s.date, 'late', 'payout:' || p.date, abs(p.amount), 0, -p.amount, 'day', NULL FROM s JOIN payout_days p ON p.account_id = s.account_id AND p.counts_on = s.date AND p.date <> p.counts_on AND p.ended_at IS NULL
	UNION ALL SELECT account_id, date, 'statement_gap', 'bank account:' || bank_account, 0, 0, 0, 'day', NULL FROM gaps)
INSERT INTO day_found (account_id, date, kind, subject, amount, effect, bank_effect, type, item_id, line_id, healed) SELECT account_id, date, kind, subject, amount, effect, bank_effect, type, item_id, NULL, false FROM found`

// What is left of a paid day's net after the other kinds, or of one whose payout is missed: bank_short, bank_over. $1 now.
const fillShort = `WITH s AS (SELECT d.account_id, d.date, (SELECT sum(p.amount) FROM payout_days p WHERE p.account_id = d.account_id AND p.date = d.date AND p.counts_on = p.date AND p.ended_at IS NULL) AS paid,
		business_day($1) > working_day_after(d.date, $3) AS overdue FROM day_scope d JOIN merchant_accounts a ON a.id = d.account_id WHERE NOT a.provider = ANY ($2)),
	r AS (SELECT s.account_id, s.date, coalesce((SELECT sum(l.net) FROM settlement_lines l WHERE l.account_id = s.account_id AND l.date = s.date AND l.superseded_at IS NULL AND l.success), 0) - coalesce(paid, 0)
		- coalesce((SELECT sum(f.bank_effect) FROM day_found f WHERE f.account_id = s.account_id AND f.date = s.date AND f.kind IN ('duplicate_line', 'wrong_account') AND f.line_id IS NOT NULL), 0) AS left_over
		FROM s WHERE paid IS NOT NULL OR overdue)
	INSERT INTO day_found (account_id, date, kind, subject, amount, effect, bank_effect, type, healed)
	SELECT account_id, date, CASE WHEN left_over > 0 THEN 'bank_short' ELSE 'bank_over' END, 'day', abs(left_over), 0, left_over, 'day', false FROM r WHERE left_over <> 0`

// postStated moves what the statement proves, once for each transfer, refund and reversal of the loaded days: clearing → bank, and back. $1 now.
const postStated = `WITH s AS (SELECT account_id, date FROM day_scope)
	INSERT INTO moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
	SELECT 'statement', p.transfer_id, 'payment', 'clearing:' || p.account_id, 'bank:' || p.account_id, p.received_amount, p.account_id, p.paid_at, $1::timestamptz
		FROM s JOIN payments p ON p.account_id = s.account_id AND p.status IN ('succeeded', 'reversed') AND business_day(p.paid_at) = s.date
		WHERE p.by_transfer AND EXISTS (SELECT FROM statement_transfers x JOIN statement_lines l ON l.id = x.line_id AND l.superseded_at IS NULL WHERE x.transfer_id = p.transfer_id)
	UNION ALL SELECT 'statement', f.id, 'refund', 'bank:' || f.account_id, 'clearing:' || f.account_id, f.amount, f.account_id, f.effective_at, $1::timestamptz
		FROM (` + statedItems + `) i JOIN refunds f ON f.id = i.id WHERE i.type = 'refund' AND i.confirmed
	UNION ALL SELECT 'statement', p.id, 'reversal', 'bank:' || p.account_id, 'clearing:' || p.account_id, p.received_amount, p.account_id, v.booked_on::timestamp AT TIME ZONE 'Asia/Ho_Chi_Minh', $1::timestamptz
		FROM s JOIN bank_reversals v USING (account_id, date) JOIN payments p ON p.id = v.payment_id
	ON CONFLICT DO NOTHING`

// nameBank adds what the bank's side has to what was found.
func (r *Reconciler) nameBank(ctx context.Context, tx *sqlx.Tx, now time.Time) error {
	transfers := r.transferProviders()
	if _, err := tx.ExecContext(ctx, fillBank, now, transfers); err != nil {
		return fmt.Errorf("the bank's side: %w", err)
	}
	if _, err := tx.ExecContext(ctx, postStated, now); err != nil {
		return fmt.Errorf("posting what the statement proves: %w", err)
	}
	// A long day's lines are added up as they lie, not in the order of an index.
	for _, step := range []struct {
		sql  string
		args []any
	}{{`SET LOCAL enable_indexscan = off`, nil}, {fillShort, []any{now, transfers, overdueAfter}}, {`SET LOCAL enable_indexscan = on`, nil}} {
		if _, err := tx.ExecContext(ctx, step.sql, step.args...); err != nil {
			return fmt.Errorf("what the bank did not pay: %w", err)
		}
	}
	return nil
}

// transferProviders are those whose money payers transfer themselves.
func (r *Reconciler) transferProviders() pq.StringArray {
	return append(pq.StringArray{}, r.accounts.TransferProviders()...)
}
