package reconciliation

import (
	"context"
	"fmt"
	"strings"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

// Found is something of this room that has the number or the name that was looked for. Why: id, bank_reference, reference, transaction, slip_number,
// file_name, bank_account, number.
type Found struct {
	Type        string     `db:"type"` // bank_line, transfer, payout, deposit, settlement_line, settlement, statement, bank_account
	ID          string     `db:"id"`
	Why         string     `db:"why"`
	Date        string     `db:"date"`
	AccountID   string     `db:"account_id"`
	BankAccount string     `db:"bank_account"`
	Amount      vnd.Signed `db:"amount"`
	Name        string     `db:"name"` // of a file
	BankLine    string     `db:"bank_line"`
	PaymentID   string     `db:"payment_id"`
	Discrepancy string     `db:"discrepancy"`
}

// shortestName is how much of a file's name must be given.
const shortestName = 3

// found is the query of Find: $1 agencies, $2 what is looked for, $3 the pattern of a file's name, $4 how many of each, $5 it without signs.
var found = `
	(SELECT 'bank_line' AS type, b.id::text AS id, 'bank_reference' AS why, b.booked_on::text AS date, '' AS account_id, b.bank_account, b.amount::bigint AS amount, '' AS name,
			b.id::text AS bank_line, '' AS payment_id, '' AS discrepancy
		FROM statement_lines b WHERE b.superseded_at IS NULL AND b.reference <> '' AND b.reference IN ($2, $2 || '#1') AND ` + bankSeen + ` ORDER BY b.id DESC LIMIT $4)
	UNION ALL (SELECT 'bank_line', b.id::text, 'number', b.booked_on::text, '', b.bank_account, b.amount::bigint, '', b.id::text, '', ''
		FROM statement_lines b WHERE $2 ~ '^[0-9]{1,18}$' AND b.id = CASE WHEN $2 ~ '^[0-9]{1,18}$' THEN $2 END::bigint AND b.reference NOT IN ($2, $2 || '#1') AND b.superseded_at IS NULL AND ` + bankSeen + `)
	UNION ALL (SELECT 'transfer', t.id, CASE t.id WHEN $2 THEN 'id' ELSE 'bank_reference' END, business_day(t.at)::text, t.account_id, t.bank_account, CASE t.direction WHEN 'in' THEN t.amount ELSE -t.amount END::bigint, '', '',
			coalesce(p.id, ''), coalesce(d.id, '')
		FROM bank_transfers t JOIN merchant_accounts a ON a.id = t.account_id LEFT JOIN payments p ON p.transfer_id = t.id
		LEFT JOIN LATERAL (SELECT n.id FROM discrepancies n WHERE n.transfer_id = t.id AND NOT n.healed ORDER BY n.status = 'resolved', n.id LIMIT 1) d ON true
		WHERE (t.id = $2 OR t.id IN (SELECT o.id FROM (SELECT DISTINCT bank_account FROM account_banks) k JOIN bank_transfers o ON o.bank_account = k.bank_account AND o.bank_reference = $2 AND o.bank_reference <> ''))
		AND NOT EXISTS (SELECT FROM statement_transfers x WHERE x.transfer_id = t.id) AND ` + seen(1) + ` ORDER BY t.at DESC LIMIT $4)
	UNION ALL (SELECT 'payout', o.id, 'id', '', '', b.bank_account, b.amount::bigint, '', b.id::text, '', ''
		FROM payouts o JOIN bank_uses u ON u.payout_id = o.id JOIN statement_lines b ON b.id = u.line_id WHERE o.id = $2 AND ` + bankSeen + ` ORDER BY b.id LIMIT 1)
	UNION ALL (SELECT 'deposit', s.id, CASE s.id WHEN $2 THEN 'id' ELSE 'slip_number' END, business_day(s.deposited_at)::text, '', s.bank_account, s.amount::bigint, s.slip_number, coalesce(u.line_id::text, ''), '', ''
		FROM deposits s LEFT JOIN bank_uses u ON u.deposit_id = s.id AND u.ended_at IS NULL
		WHERE (s.id = $2 OR s.slip_number = $2) AND (cardinality($1::text[]) = 0 OR s.agency_code = ANY ($1)) ORDER BY s.deposited_at DESC LIMIT $4)
	UNION ALL (SELECT 'settlement_line', l.id::text, CASE l.reference WHEN $2 THEN 'reference' ELSE 'transaction' END, l.date::text, l.account_id, '', CASE l.type WHEN 'payment' THEN l.amount ELSE -l.amount END::bigint, '', '',
			coalesce(m.payment_id, ''), coalesce(d.id, '')
		FROM merchant_accounts a CROSS JOIN LATERAL (SELECT * FROM settlement_lines WHERE account_id = a.id AND reference = $2 AND superseded_at IS NULL
			UNION SELECT * FROM settlement_lines WHERE account_id = a.id AND transaction = $2 AND superseded_at IS NULL) l
		LEFT JOIN matches m ON m.line_id = l.id AND m.ended_at IS NULL
		LEFT JOIN LATERAL (SELECT n.id FROM discrepancies n WHERE n.line_id = l.id AND NOT n.healed ORDER BY n.status = 'resolved', n.id LIMIT 1) d ON true
		WHERE ` + seen(1) + ` ORDER BY l.date DESC, l.id LIMIT $4)
	UNION ALL (SELECT b.kind, b.id, CASE b.id WHEN $2 THEN 'id' ELSE 'file_name' END, coalesce(b.date, business_day(b.recorded_at))::text, coalesce(b.account_id, ''), coalesce(b.bank_account, ''), b.amount::bigint, b.file_name, '', '', ''
		FROM imports b LEFT JOIN merchant_accounts a ON a.id = b.account_id WHERE b.status <> 'staged' AND (b.id = $2 OR $3 <> '' AND b.file_name ILIKE $3)
		AND (b.kind = 'settlement' AND ` + seen(1) + ` OR b.kind = 'statement' AND ` + bankSeen + `) ORDER BY b.recorded_at DESC, b.id LIMIT $4)
	UNION ALL (SELECT 'bank_account', b.bank_account, 'bank_account', '', min(b.account_id), b.bank_account, 0, '', '', '', ''
		FROM account_banks b WHERE b.bank_account = $5 AND $5 <> '' AND ` + bankSeen + ` GROUP BY b.bank_account)`

// Find looks for whatever the caller may see that has a number or a name: movements of the bank and of transfers by the bank's reference, payouts, slips,
// rows of settlement files, imports by their file's name. At most limit of each.
func (r *Reconciler) Find(ctx context.Context, c gateway.Caller, what string, limit int) ([]Found, error) {
	out := []Found{}
	what = strings.TrimSpace(what)
	if what == "" {
		return out, nil
	}
	pattern := ""
	if len([]rune(what)) >= shortestName {
		pattern = "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(what) + "%"
	}
	if err := r.db.SelectContext(ctx, &out, found, agencies(c), what, pattern, limit, plain(what)); err != nil {
		return nil, fmt.Errorf("looking for %q: %w", what, err)
	}
	return out, nil
}
