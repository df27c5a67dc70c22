package reconciliation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway/vnd"
)

// within is the condition that a credit n may be of the accounts $1: one that is another agency's by its text or its transfer is not theirs to see.
const within = `(NOT n.hinted AND n.transfer_id IS NULL OR EXISTS (SELECT FROM merchant_accounts o JOIN merchant_accounts m ON m.agency_code = o.agency_code WHERE o.id = n.account_id AND m.id = ANY ($1)))`

// unpaidDays are the days with files that no payout has, and the free credits of their bank accounts.
func (r *Reconciler) unpaidDays(ctx context.Context, x sqlx.QueryerContext, ids []string, from, to string) (days []settledDay, credits []bankCredit, err error) {
	if err := sqlx.SelectContext(ctx, x, &credits, `SELECT l.id, l.bank_account, l.amount::bigint AS amount, l.booked_on::text AS booked_on, coalesce(l.hint_account, '') AS hint_account, l.hint_provider
		FROM nobodys_credits n JOIN statement_lines l ON l.id = n.line_id WHERE l.booked_on BETWEEN $2::date AND $3::date
		AND l.bank_account IN (SELECT bank_account FROM account_banks WHERE account_id = ANY ($1)) AND `+within+` ORDER BY l.booked_on DESC, l.id LIMIT $4`, pq.Array(ids), from, to, maxFree); err != nil {
		return nil, nil, fmt.Errorf("reading free credits: %w", err)
	}
	if len(credits) == 0 {
		return nil, nil, nil
	}
	err = sqlx.SelectContext(ctx, x, &days, `SELECT i.account_id, a.provider, i.date::text AS date, coalesce((SELECT sum(l.net) FROM settlement_lines l WHERE l.account_id = i.account_id AND l.date = i.date AND l.superseded_at IS NULL AND l.success), 0)::bigint AS net, false AS waits,
			EXISTS (SELECT FROM days y WHERE y.account_id = i.account_id AND y.date = i.date AND y.status IN ('closed', 'signed')) AS closed
		FROM (SELECT DISTINCT account_id, date FROM imports WHERE kind = 'settlement' AND status = 'visible' AND account_id = ANY ($1) AND date BETWEEN $2::date - 10 AND $3::date) i JOIN merchant_accounts a ON a.id = i.account_id
		WHERE NOT EXISTS (SELECT FROM payout_days p WHERE p.account_id = i.account_id AND p.date = i.date AND p.ended_at IS NULL) ORDER BY i.account_id, i.date`, pq.Array(ids), from, to)
	if err != nil {
		return nil, nil, fmt.Errorf("reading days that are not paid out: %w", err)
	}
	return days, credits, nil
}

// paymentProposals are the lines that nothing here has and the payments that no line has, of one account and sum, at nearly the same time.
func (r *Reconciler) paymentProposals(ctx context.Context, x sqlx.QueryerContext, ids []string) ([]Match, error) {
	var rows []struct {
		Discrepancy string     `db:"discrepancy"`
		Line        int64      `db:"line_id"`
		Account     string     `db:"account_id"`
		Payment     string     `db:"payment_id"`
		Amount      vnd.Signed `db:"amount"`
		Minutes     int        `db:"minutes"`
		Others      int        `db:"others"`
	}
	if err := sqlx.SelectContext(ctx, x, &rows, `SELECT d.id AS discrepancy, d.line_id, d.account_id, p.id AS payment_id, l.amount::bigint AS amount, (abs(extract(epoch FROM p.paid_at - l.at)) / 60)::int AS minutes, (count(*) OVER (PARTITION BY d.id))::int AS others
		FROM discrepancies d JOIN settlement_lines l ON l.id = d.line_id AND l.superseded_at IS NULL AND l.type = 'payment'
		JOIN discrepancies o ON o.account_id = d.account_id AND o.kind = 'missing_at_provider' AND o.status <> 'resolved' AND o.date BETWEEN d.date - 2 AND d.date + 2
		JOIN payments p ON p.id = o.payment_id AND p.status = 'succeeded' AND p.received_amount = l.amount
		WHERE d.account_id = ANY ($1) AND d.kind = 'missing_at_gateway' AND d.status <> 'resolved' AND NOT EXISTS (SELECT FROM matches m WHERE m.ended_at IS NULL AND (m.line_id = l.id OR m.payment_id = p.id))
		ORDER BY d.date DESC, d.id, 6 LIMIT $2`, pq.Array(ids), maxProposals); err != nil {
		return nil, fmt.Errorf("finding payments that may be a line's: %w", err)
	}
	var out []Match
	for _, w := range rows {
		m := Match{Kind: MatchPayment, AccountID: w.Account, Score: 40, Amount: w.Amount, PaymentID: w.Payment, LineID: w.Line, Discrepancy: w.Discrepancy, Reason: "the same sum; the numbers differ"}
		if w.Minutes <= 10 {
			m.Score, m.Reason = m.Score+30, m.Reason+"; within ten minutes"
		}
		if w.Others == 1 {
			m.Score, m.Reason = m.Score+10, m.Reason+"; no other payment has this sum"
		}
		out = append(out, m)
	}
	return out, nil
}

// firstAccount is the first merchant account of an agency, "" where it has none: whose morning its slips are.
func firstAccount(ctx context.Context, x sqlx.QueryerContext, agency string) (id string, err error) {
	err = sqlx.GetContext(ctx, x, &id, `SELECT id FROM merchant_accounts WHERE agency_code = $1 ORDER BY position, id LIMIT 1`, agency)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("finding an agency's account: %w", err)
	}
	return id, nil
}

// freeGross are what could explain ours − settled: payments and refunds that no line has, and lines that nothing has, near the day.
func (r *Reconciler) freeGross(ctx context.Context, accountID, date string) (out []ExplainingLine, err error) {
	if err := r.db.SelectContext(ctx, &out, `SELECT * FROM (
		SELECT 'payment' AS type, p.id, business_day(p.paid_at)::text AS date, p.received_amount::bigint AS amount FROM payments p WHERE p.account_id = $1 AND p.status = 'succeeded' AND business_day(p.paid_at) BETWEEN $2::date - 3 AND $2::date + 3
			AND NOT EXISTS (SELECT FROM matches m WHERE m.payment_id = p.id AND m.ended_at IS NULL)
		UNION ALL SELECT 'refund', f.id, business_day(f.effective_at)::text, -f.amount::bigint FROM refunds f WHERE f.account_id = $1 AND f.status = 'succeeded' AND business_day(f.effective_at) BETWEEN $2::date - 3 AND $2::date + 3
			AND NOT EXISTS (SELECT FROM matches m WHERE m.refund_id = f.id AND m.ended_at IS NULL)
		UNION ALL SELECT 'settlement_line', l.id::text, l.date::text, CASE l.type WHEN 'payment' THEN -l.amount ELSE l.amount END::bigint FROM settlement_lines l WHERE l.account_id = $1 AND l.date BETWEEN $2::date - 3 AND $2::date + 3 AND l.superseded_at IS NULL AND l.success
			AND NOT EXISTS (SELECT FROM matches m WHERE m.line_id = l.id AND m.ended_at IS NULL)) x ORDER BY abs(date::date - $2::date), type, id LIMIT $3`, accountID, date, maxFree); err != nil {
		return nil, fmt.Errorf("reading what could explain a difference: %w", err)
	}
	return out, nil
}

// freeBank are what could explain settled − bank: credits of the account's bank that belong to nothing, and other days that nothing has paid out.
func (r *Reconciler) freeBank(ctx context.Context, accountID, date string) (out []ExplainingLine, err error) {
	if err := r.db.SelectContext(ctx, &out, `SELECT * FROM (
		SELECT 'bank_line' AS type, n.line_id::text AS id, n.booked_on::text AS date, n.amount::bigint AS amount FROM nobodys_credits n WHERE n.bank_account IN (SELECT bank_account FROM account_banks WHERE account_id = ANY ($1)) AND `+within+` AND n.booked_on BETWEEN $2::date - 3 AND $2::date + 14
		UNION ALL SELECT 'day', i.account_id, i.date::text, -coalesce((SELECT sum(l.net) FROM settlement_lines l WHERE l.account_id = i.account_id AND l.date = i.date AND l.superseded_at IS NULL AND l.success), 0)::bigint
			FROM (SELECT DISTINCT account_id, date FROM imports WHERE kind = 'settlement' AND status = 'visible' AND account_id = ANY ($1) AND date BETWEEN $2::date - 7 AND $2::date + 7 AND date <> $2::date) i
			WHERE NOT EXISTS (SELECT FROM payout_days p WHERE p.account_id = i.account_id AND p.date = i.date AND p.ended_at IS NULL)) x WHERE amount <> 0 ORDER BY abs(date::date - $2::date), type, id LIMIT $3`, pq.Array([]string{accountID}), date, maxFree); err != nil {
		return nil, fmt.Errorf("reading what could explain a difference: %w", err)
	}
	return out, nil
}
