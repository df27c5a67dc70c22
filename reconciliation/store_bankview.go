package reconciliation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway"
)

// bankLines are the lines that stand, with what each is; of bank accounts whose agencies are $1 (all where it is empty). Where agencies share a bank account,
// each sees its own lines and those that nobody's name is on.
const bankLines = `SELECT b.* FROM (
	SELECT l.id, l.import_id, l.line_no, l.bank_account, l.booked_on::text AS booked_on, l.amount::bigint AS amount, l.reference, l.recorded_at, u.payout_id, u.deposit_id, coalesce(p.id, x.reverses) AS payment_id, CASE WHEN cardinality($1::text[]) = 0 OR d.agency_code = ANY ($1) THEN d.id END AS discrepancy,
		coalesce((SELECT a.agency_code FROM payout_days o JOIN merchant_accounts a ON a.id = o.account_id WHERE o.payout_id = u.payout_id LIMIT 1), (SELECT o.agency_code FROM deposits o WHERE o.id = u.deposit_id),
			(SELECT a.agency_code FROM payments o JOIN merchant_accounts a ON a.id = o.account_id WHERE o.id = coalesce(p.id, x.reverses)), (SELECT a.agency_code FROM merchant_accounts a WHERE a.id = l.hint_account),
			(SELECT a.agency_code FROM bank_transfer_sources o JOIN merchant_accounts a ON a.id = o.account_id WHERE o.transfer_id = x.transfer_id AND o.owns ORDER BY o.recorded_at, o.account_id LIMIT 1)) AS agency,
		v.role, CASE WHEN v.role IN ('payout', 'deposit', 'payment', 'refund', 'reversal') THEN 'matched' WHEN v.role <> 'unmatched' OR d.status = 'resolved' AND NOT d.healed THEN 'explained' ELSE 'open' END AS standing
	FROM statement_lines l LEFT JOIN bank_uses u ON u.line_id = l.id AND u.ended_at IS NULL LEFT JOIN statement_transfers x ON x.line_id = l.id LEFT JOIN payments p ON p.transfer_id = x.transfer_id AND l.amount > 0
	LEFT JOIN LATERAL (SELECT n.id, n.status, n.healed, a.agency_code FROM discrepancies n JOIN merchant_accounts a ON a.id = n.account_id WHERE n.kind IN ('bank_unmatched', 'wrong_account') AND (n.bank_line_id = l.id OR n.transfer_id = x.transfer_id AND l.hint_account IS NULL) AND NOT n.healed ORDER BY n.id LIMIT 1) d ON true
	CROSS JOIN LATERAL (SELECT CASE WHEN u.payout_id IS NOT NULL THEN 'payout' WHEN u.deposit_id IS NOT NULL THEN 'deposit' WHEN p.id IS NOT NULL THEN 'payment' WHEN x.reverses IS NOT NULL THEN 'reversal'
		WHEN l.amount < 0 AND EXISTS (SELECT FROM bank_transfers t JOIN refunds f ON f.manual AND f.status = 'succeeded' AND f.provider_transaction <> '' AND f.provider_transaction IN (t.id, t.bank_reference) WHERE t.id = x.transfer_id) THEN 'refund'
		WHEN l.type IN ('fee', 'interest') THEN l.type WHEN l.amount < 0 THEN 'outflow' ELSE 'unmatched' END AS role) v
	WHERE l.superseded_at IS NULL) b
	WHERE ` + bankSeen + ` AND (cardinality($1::text[]) = 0 OR b.agency IS NULL OR b.agency = ANY ($1))`

// bankSeen is the condition that a person may see what b (bank_account) is about: one array parameter, no agency meaning all.
const bankSeen = `(cardinality($1::text[]) = 0 OR EXISTS (SELECT FROM account_banks k JOIN merchant_accounts a ON a.id = k.account_id WHERE k.bank_account = b.bank_account AND a.agency_code = ANY ($1))
		OR EXISTS (SELECT FROM deposits d WHERE regexp_replace(upper(d.bank_account), '[^0-9A-Z]', '', 'g') = b.bank_account AND d.agency_code = ANY ($1)))`

func (r *Reconciler) listBankLines(ctx context.Context, c gateway.Caller, f BankFilter) ([]BankLine, error) {
	items := []BankLine{}
	err := r.db.SelectContext(ctx, &items, bankLines+` AND ($2 = '' OR b.bank_account = $2) AND ($3 = '' OR b.booked_on >= $3) AND ($4 = '' OR b.booked_on <= $4) AND ($5 = '' OR b.standing = $5) AND ($6 = '' OR b.role = $6)
		AND ($7 = '' OR b.import_id = $7) AND ($8 = '' OR b.id > nullif($8, '')::bigint) ORDER BY b.id LIMIT $9`, agencies(c), plain(f.BankAccount), f.From, f.To, f.Standing, f.Role, f.ImportID, f.After, f.Limit+1)
	return items, err
}

// settledLines reads rows of settlement files by a condition on l and standing.
func (r *Reconciler) settledLines(ctx context.Context, where string, limit int, args ...any) ([]SettledLine, error) {
	items := []SettledLine{}
	args = append(args, limit)
	err := r.db.SelectContext(ctx, &items, `SELECT l.id, l.line_no, l.type, l.reference, l.transaction, l.amount, l.fee, l.net, l.at, m.payment_id, m.refund_id, d.id AS discrepancy, v.standing
		FROM settlement_lines l LEFT JOIN matches m ON m.line_id = l.id AND m.ended_at IS NULL
		LEFT JOIN LATERAL (SELECT n.id, n.status FROM discrepancies n WHERE n.line_id = l.id AND n.account_id = l.account_id AND NOT n.healed AND n.kind <> 'fee_mismatch' ORDER BY n.status = 'resolved', n.id LIMIT 1) d ON true
		CROSS JOIN LATERAL (SELECT CASE WHEN NOT l.success THEN 'no_money' WHEN m.id IS NOT NULL THEN 'matched' WHEN d.status = 'resolved' THEN 'explained' ELSE 'open' END AS standing) v
		WHERE l.superseded_at IS NULL AND `+where+` ORDER BY l.id LIMIT $`+strconv.Itoa(len(args)), args...)
	return items, err
}

// Credit gives one movement of the bank: which payments make it up, and which are missing.
func (r *Reconciler) Credit(ctx context.Context, c gateway.Caller, id int64) (*Credit, error) {
	k := &Credit{Lines: []SettledLine{}, Missing: []MissingMoney{}}
	err := r.db.GetContext(ctx, &k.BankLine, bankLines+` AND b.id = $2`, agencies(c), id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("movement of the bank")
	}
	if err != nil {
		return nil, fmt.Errorf("reading a movement of the bank: %w", err)
	}
	var sealed []byte
	if err := r.db.GetContext(ctx, &sealed, `SELECT content_sealed FROM statement_lines WHERE id = $1`, id); err != nil {
		return nil, fmt.Errorf("reading a movement of the bank: %w", err)
	}
	if len(sealed) > 0 {
		if k.Text, err = r.gateway.OpenText("statement:"+k.BankAccount, sealed); err != nil {
			return nil, err
		}
	}
	if k.PayoutID == nil {
		return k, nil
	}
	if k.Payout, err = r.onePayout(ctx, r.db, *k.PayoutID); err != nil {
		return nil, err
	}
	if k.Lines, err = r.settledLines(ctx, `(l.account_id, l.date) IN (SELECT account_id, date FROM payout_days WHERE payout_id = $1) AND l.success`, MaxCreditLines+1, *k.PayoutID); err != nil {
		return nil, fmt.Errorf("reading what a credit is made of: %w", err)
	}
	if k.More = len(k.Lines) > MaxCreditLines; k.More {
		k.Lines = k.Lines[:MaxCreditLines]
	}
	if err := r.db.SelectContext(ctx, &k.Missing, `WITH s AS (SELECT account_id, date FROM payout_days WHERE payout_id = $1)
		SELECT 'payment' AS type, p.id, p.provider_reference AS reference, p.received_amount::bigint AS amount, p.paid_at AS at FROM s JOIN payments p ON p.account_id = s.account_id AND p.status = 'succeeded' AND business_day(p.paid_at) = s.date
			WHERE NOT p.by_transfer AND NOT EXISTS (SELECT FROM matches m WHERE m.payment_id = p.id AND m.ended_at IS NULL)
		UNION ALL SELECT 'refund', f.id, f.provider_reference, -f.amount::bigint, f.effective_at FROM s JOIN refunds f ON f.account_id = s.account_id AND f.status = 'succeeded' AND business_day(f.effective_at) = s.date
			WHERE NOT f.manual AND NOT EXISTS (SELECT FROM matches m WHERE m.refund_id = f.id AND m.ended_at IS NULL) ORDER BY 5, 2 LIMIT $2`, *k.PayoutID, MaxCreditLines); err != nil {
		return nil, fmt.Errorf("reading what a credit is missing: %w", err)
	}
	return k, nil
}

const payoutColumns = `id, bank_account, rule, reason, proven, recorded_by, recorded_at, ended_at`

// onePayout reads a payout with its days and credits.
func (r *Reconciler) onePayout(ctx context.Context, x sqlx.QueryerContext, id string) (*Payout, error) {
	all, err := r.readPayouts(ctx, x, `id = $1`, id)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, notFound("payout")
	}
	return &all[0], nil
}

func (r *Reconciler) readPayouts(ctx context.Context, x sqlx.QueryerContext, where string, args ...any) ([]Payout, error) {
	out := []Payout{}
	if err := sqlx.SelectContext(ctx, x, &out, `SELECT `+payoutColumns+` FROM payouts o WHERE `+where, args...); err != nil {
		return nil, fmt.Errorf("reading payouts: %w", err)
	}
	at, ids := map[string]*Payout{}, pq.StringArray{}
	for i := range out {
		out[i].Days, out[i].Credits = []PayoutDay{}, []BankLine{}
		at[out[i].ID] = &out[i]
		ids = append(ids, out[i].ID)
	}
	var days []struct {
		PayoutDay
		PayoutID string `db:"payout_id"`
	}
	if err := sqlx.SelectContext(ctx, x, &days, `SELECT payout_id, account_id, date::text AS date, net, amount, counts_on::text AS counts_on FROM payout_days WHERE payout_id = ANY ($1) ORDER BY date, account_id`, ids); err != nil {
		return nil, fmt.Errorf("reading the days of payouts: %w", err)
	}
	for _, d := range days {
		at[d.PayoutID].Days = append(at[d.PayoutID].Days, d.PayoutDay)
	}
	var credits []struct {
		BankLine
		Of string `db:"of"`
	}
	if err := sqlx.SelectContext(ctx, x, &credits, `SELECT u.payout_id AS of, u.payout_id, l.id, l.import_id, l.line_no, l.bank_account, l.booked_on::text AS booked_on, l.amount::bigint AS amount, l.reference, l.recorded_at, 'payout' AS role, 'matched' AS standing
		FROM bank_uses u JOIN statement_lines l ON l.id = u.line_id WHERE u.payout_id = ANY ($1) ORDER BY l.id`, ids); err != nil {
		return nil, fmt.Errorf("reading the credits of payouts: %w", err)
	}
	for _, k := range credits {
		at[k.Of].Credits = append(at[k.Of].Credits, k.BankLine)
	}
	return out, nil
}

// Payouts lists the payouts of an account's days that the caller may see, the newest day first; ended ones too where all is asked for.
func (r *Reconciler) Payouts(ctx context.Context, c gateway.Caller, accountID, from, to string, all bool, limit int) ([]Payout, error) {
	for _, d := range []struct{ field, value string }{{"from", from}, {"to", to}} {
		if err := checkDate(d.field, d.value); err != nil {
			return nil, err
		}
	}
	ids, err := r.accountsOf(ctx, c, accountID)
	if err != nil {
		return nil, err
	}
	return r.readPayouts(ctx, r.db, `EXISTS (SELECT FROM payout_days p WHERE p.payout_id = o.id AND p.account_id = ANY ($1) AND p.date BETWEEN $2 AND $3) AND ($4 OR o.ended_at IS NULL) ORDER BY o.recorded_at DESC, o.id LIMIT $5`, pq.Array(ids), from, to, all, limit)
}

// EndPayout takes a payout back that was found wrongly, with a reason; what it paid is open again. One of a closed day stays.
func (r *Reconciler) EndPayout(ctx context.Context, c gateway.Caller, id, reason string) (*Payout, error) {
	if n := len([]rune(reason)); n < 1 || n > maxNote {
		return nil, invalid("reason", fmt.Sprintf("must say why, in 1 to %d characters", maxNote))
	}
	var out *Payout
	err := r.inLock(ctx, func(tx *sqlx.Tx) error {
		p, err := r.onePayout(ctx, tx, id)
		if err != nil {
			return err
		}
		var days []accountDay
		for _, d := range p.Days {
			if _, err := r.Account(ctx, c, d.AccountID); err != nil {
				return notFound("payout")
			}
			for _, date := range []string{d.Date, d.CountsOn} {
				if closed, err := frozen(ctx, tx, d.AccountID, date); err != nil {
					return err
				} else if closed {
					return &gateway.Problem{Name: ProblemDayClosed, Detail: "the day " + date + " is closed: its payout stays as it is"}
				}
				days = append(days, accountDay{d.AccountID, date})
			}
		}
		switch {
		case p.EndedAt != nil:
			return &gateway.Problem{Name: ProblemResolution, Detail: "the payout has ended already"}
		case p.Rule != PayoutPerson:
			return &gateway.Problem{Name: ProblemResolution, Detail: "the bank's own text says that this is the payout: a matching would find it again"}
		}
		if err := endPayouts(ctx, tx, []string{id}, reason, c.Actor, r.now()); err != nil {
			return err
		}
		var lines []int64
		for _, k := range p.Credits {
			lines = append(lines, k.ID)
		}
		free, err := creditDays(ctx, tx, lines)
		if err != nil {
			return err
		}
		if err := r.matchIn(ctx, tx, append(days, free...)); err != nil {
			return err
		}
		out, err = r.onePayout(ctx, tx, id)
		return err
	})
	return out, err
}
