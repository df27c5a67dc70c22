package reconciliation

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway/vnd"
)

// payoutReach is how many days around the days of a matching are looked at: a payout of one of them reaches no further.
const payoutReach = 31

// payOut brings the payouts of the loaded days' accounts to what the bank's lines say, and gives the days that changed by it. What a person
// said stays, and so do payouts of closed days.
func (r *Reconciler) payOut(ctx context.Context, tx *sqlx.Tx, scope []accountDay, now time.Time) ([]accountDay, error) {
	ids, dates := columns(scope)
	w, err := loadPayouts(ctx, tx, ids, dates)
	if err != nil || w == nil {
		return nil, err
	}
	wanted := map[string]payout{}
	for _, p := range payoutsOf(w.days, w.credits) {
		wanted[p.identity()] = p
	}
	touched := map[accountDay]bool{}
	var gone []string
	var lines []int64
	for id, p := range w.standing {
		if _, ok := wanted[p.identity()]; ok {
			delete(wanted, p.identity())
			continue
		}
		gone = append(gone, id)
		for _, d := range p.Days {
			touched[d.key()] = true
		}
		lines = append(lines, p.lines()...)
	}
	if err := endPayouts(ctx, tx, gone, "matched anew", "matching", now); err != nil {
		return nil, err
	}
	for _, p := range wanted {
		if err := insertPayout(ctx, tx, &p, "", "matching", now); err != nil {
			return nil, err
		}
		for _, d := range p.Days {
			touched[d.key()] = true
			if d.Closed { // it counts on the day on which it was heard of
				touched[accountDay{d.AccountID, now.In(vietnam).Format(time.DateOnly)}] = true
			}
		}
		lines = append(lines, p.lines()...)
	}
	out, err := creditDays(ctx, tx, lines)
	if err != nil {
		return nil, err
	}
	for d := range touched {
		out = append(out, d)
	}
	return out, nil
}

// payoutWork is what a matching of payouts looks at.
type payoutWork struct {
	days     []settledDay
	credits  []bankCredit
	standing map[string]payout // found by rule, by id
}

// loadPayouts reads the lines that speak of the accounts' payouts and the days they may pay; nil where no line does.
func loadPayouts(ctx context.Context, tx *sqlx.Tx, ids, dates pq.StringArray) (*payoutWork, error) {
	w := &payoutWork{standing: map[string]payout{}}
	var lines []struct {
		bankCredit
		Named  pq.StringArray `db:"hint_days"`
		Payout *string        `db:"payout_id"`
	}
	if err := tx.SelectContext(ctx, &lines, `WITH s AS (SELECT DISTINCT account_id FROM unnest($1::text[]) AS t (account_id)), span AS (SELECT min(d) - $3::int AS first, max(d) + $3::int AS last FROM unnest($2::date[]) AS t (d)),
		mine AS (SELECT l.id FROM span CROSS JOIN s JOIN statement_lines l ON l.hint_account = s.account_id WHERE l.booked_on BETWEEN span.first AND span.last + 30
			UNION SELECT l.id FROM span CROSS JOIN s JOIN merchant_accounts a ON a.id = s.account_id JOIN account_banks b ON b.account_id = a.id
				JOIN statement_lines l ON l.bank_account = b.bank_account AND l.booked_on BETWEEN span.first AND span.last + 30 AND l.hint_account IS NULL AND l.hint_provider = a.provider)
		SELECT l.id, l.bank_account, l.amount::bigint AS amount, l.booked_on::text AS booked_on, coalesce(l.hint_account, '') AS hint_account, l.hint_provider, l.hint_days::text[] AS hint_days, u.payout_id
		FROM mine JOIN statement_lines l USING (id) LEFT JOIN bank_uses u ON u.line_id = l.id AND u.ended_at IS NULL
		WHERE l.superseded_at IS NULL AND l.type IN ('transfer', 'other', 'batch') AND u.deposit_id IS NULL
		AND (u.payout_id IS NOT NULL OR NOT frozen_line(l.id, (SELECT t.transfer_id FROM statement_transfers t WHERE t.line_id = l.id)))
		AND NOT EXISTS (SELECT FROM statement_transfers x JOIN payments p ON p.transfer_id = x.transfer_id WHERE x.line_id = l.id) ORDER BY l.id`, ids, dates, payoutReach); err != nil {
		return nil, fmt.Errorf("reading the bank's lines of payouts: %w", err)
	}
	if len(lines) == 0 {
		return nil, nil
	}
	var accounts, first, last = map[string]bool{}, "9999-12-31", ""
	span := func(d string) { first, last = min(first, d), max(last, d) }
	for _, d := range dates {
		span(d)
	}
	for _, id := range ids {
		accounts[id] = true
	}
	for i := range lines {
		if lines[i].Account != "" {
			accounts[lines[i].Account] = true
		}
		for _, d := range lines[i].Named {
			span(d)
		}
	}
	var all pq.StringArray
	for id := range accounts {
		all = append(all, id)
	}
	if err := tx.SelectContext(ctx, &w.days, `WITH d AS (
			SELECT i.account_id, i.date FROM imports i WHERE i.account_id = ANY ($1) AND i.date BETWEEN $2::date - $4::int AND $3::date + $4::int AND i.status = 'visible' AND i.kind = 'settlement'
			UNION SELECT p.account_id, business_day(p.paid_at) FROM payments p WHERE p.account_id = ANY ($1) AND p.status = 'succeeded' AND NOT p.by_transfer AND business_day(p.paid_at) BETWEEN $2::date - $4::int AND $3::date + $4::int)
		SELECT d.account_id, a.provider, d.date::text AS date, coalesce((SELECT sum(l.net) FROM settlement_lines l WHERE l.account_id = d.account_id AND l.date = d.date AND l.superseded_at IS NULL AND l.success), 0)::bigint AS net,
			EXISTS (SELECT FROM days y WHERE y.account_id = d.account_id AND y.date = d.date AND y.status IN ('closed', 'signed')) AS closed,
			NOT EXISTS (SELECT FROM imports i WHERE i.account_id = d.account_id AND i.date = d.date AND i.status = 'visible') AS waits
		FROM d JOIN merchant_accounts a ON a.id = d.account_id ORDER BY d.account_id, d.date`, all, first, last, payoutReach); err != nil {
		return nil, fmt.Errorf("reading what is to be paid out: %w", err)
	}
	var standing []struct {
		ID   string `db:"id"`
		Rule string `db:"rule"`
		Bank string `db:"bank_account"`
		settledDay
		Shut bool `db:"shut"`
		Uses int  `db:"uses"`
	}
	if err := tx.SelectContext(ctx, &standing, `SELECT o.id, o.rule, o.bank_account, p.account_id, a.provider, p.date::text AS date, p.net::bigint AS net, false AS closed, false AS waits,
			EXISTS (SELECT FROM payout_days z JOIN days y ON y.account_id = z.account_id AND y.date IN (z.date, z.counts_on) AND y.status IN ('closed', 'signed') WHERE z.payout_id = o.id) AS shut,
			(SELECT count(*) FROM bank_uses u WHERE u.payout_id = o.id) AS uses
		FROM payouts o JOIN payout_days p ON p.payout_id = o.id JOIN merchant_accounts a ON a.id = p.account_id
		WHERE o.ended_at IS NULL AND o.id IN (SELECT z.payout_id FROM payout_days z WHERE z.account_id = ANY ($1) AND z.ended_at IS NULL AND z.date BETWEEN $2::date - $4::int AND $3::date + $4::int)`, all, first, last, payoutReach); err != nil {
		return nil, fmt.Errorf("reading the payouts that stand: %w", err)
	}
	read := map[string]int{}
	for i := range lines {
		if lines[i].Payout != nil {
			read[*lines[i].Payout]++
		}
	}
	settled := map[accountDay]bool{} // a day that a person or a closing has settled is not looked at again, nor one whose credits are beyond the reach
	fixed := map[string]bool{}
	for _, s := range standing {
		if s.Rule == PayoutPerson || s.Shut || read[s.ID] != s.Uses {
			settled[s.key()], fixed[s.ID] = true, true
			continue
		}
		p := w.standing[s.ID]
		p.Rule, p.Bank = s.Rule, s.Bank
		p.Days = append(p.Days, s.settledDay)
		w.standing[s.ID] = p
	}
	for i := range lines {
		l := &lines[i]
		l.Days = l.Named
		if l.Payout != nil {
			if fixed[*l.Payout] {
				continue
			}
			p, ok := w.standing[*l.Payout]
			if !ok { // its days are beyond the reach of these
				continue
			}
			p.Credits = append(p.Credits, l.bankCredit)
			w.standing[*l.Payout] = p
		}
		w.credits = append(w.credits, l.bankCredit)
	}
	open := w.days[:0]
	for _, d := range w.days {
		if !settled[d.key()] {
			open = append(open, d)
		}
	}
	w.days = open
	for id, p := range w.standing {
		p.sort()
		w.standing[id] = p
	}
	return w, nil
}

// creditDays are the days on which credits of the bank are named, or are to be named now: whosever they are.
func creditDays(ctx context.Context, x sqlx.QueryerContext, lines []int64) (days []accountDay, err error) {
	if len(lines) == 0 {
		return nil, nil
	}
	if err := sqlx.SelectContext(ctx, x, &days, `SELECT account_id, date::text AS date FROM (SELECT account_id, date FROM discrepancies WHERE bank_line_id = ANY ($1)
		UNION SELECT n.account_id, n.date FROM statement_transfers t JOIN discrepancies n ON n.transfer_id = t.transfer_id WHERE t.line_id = ANY ($1)
		UNION SELECT account_id, date FROM nobodys_credits WHERE line_id = ANY ($1)) d`, pq.Array(lines)); err != nil {
		return nil, fmt.Errorf("finding where credits are named: %w", err)
	}
	return days, nil
}

// endPayouts ends payouts with all that hangs on them, and moves the money back.
func endPayouts(ctx context.Context, tx *sqlx.Tx, ids []string, reason, actor string, now time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{`INSERT INTO payout_ends (payout_id, reason, actor, recorded_at) SELECT unnest($1::text[]), $3, $4, $2`, []any{pq.Array(ids), now, reason, actor}},
		{`UPDATE payouts SET ended_at = $2 WHERE id = ANY ($1) AND ended_at IS NULL`, []any{pq.Array(ids), now}},
		{`UPDATE payout_days SET ended_at = $2 WHERE payout_id = ANY ($1) AND ended_at IS NULL`, []any{pq.Array(ids), now}},
		{`UPDATE bank_uses SET ended_at = $2 WHERE payout_id = ANY ($1) AND ended_at IS NULL`, []any{pq.Array(ids), now}},
		{`INSERT INTO moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
			SELECT 'payout_ended', cause_id, leg, to_account, from_account, amount, account_id, effective_at, $2 FROM moves WHERE cause_type = 'payout' AND cause_id = ANY ($1)`, []any{pq.Array(ids), now}},
	} {
		if _, err := tx.ExecContext(ctx, step.sql, step.args...); err != nil {
			return fmt.Errorf("ending payouts: %w", err)
		}
	}
	return nil
}

// insertPayout writes a payout: its days share its money, each what its files say, the last one what is left; receivable → bank.
func insertPayout(ctx context.Context, tx *sqlx.Tx, p *payout, reason, actor string, now time.Time) error {
	id, left := newID("pyo_"), p.sum()
	if _, err := tx.ExecContext(ctx, `INSERT INTO payouts (id, bank_account, rule, reason, proven, recorded_by, recorded_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		id, p.Bank, p.Rule, reason, p.sum() >= p.net(), actor, now); err != nil {
		return fmt.Errorf("recording a payout: %w", err)
	}
	for i, d := range p.Days {
		amount, counts := d.Net, d.Date
		if i == len(p.Days)-1 {
			amount = left
		}
		left -= amount
		if d.Closed {
			counts = now.In(vietnam).Format(time.DateOnly)
			if err := cameAfterAll(ctx, tx, d.key(), now); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO payout_days (payout_id, account_id, date, net, amount, counts_on) VALUES ($1, $2, $3, $4, $5, $6)`, id, d.AccountID, d.Date, d.Net, amount, counts); err != nil {
			return fmt.Errorf("recording a payout: %w", err)
		}
		from, to := "receivable:"+d.AccountID, "bank:"+d.AccountID
		if amount < 0 {
			from, to, amount = to, from, -amount
		}
		if amount == 0 {
			continue
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
			VALUES ('payout', $1, $2, $3, $4, $5, $6, $7::date::timestamp AT TIME ZONE 'Asia/Ho_Chi_Minh', $8)`, id, d.AccountID+" "+d.Date, from, to, vnd.Amount(amount), d.AccountID, p.Credits[0].BookedOn, now); err != nil {
			return fmt.Errorf("posting a payout: %w", err)
		}
	}
	for _, c := range p.Credits {
		if _, err := tx.ExecContext(ctx, `INSERT INTO bank_uses (line_id, payout_id, rule, recorded_by, recorded_at) VALUES ($1, $2, $3, $4, $5)`, c.ID, id, p.Rule, actor, now); err != nil {
			return fmt.Errorf("recording a payout's credit: %w", err)
		}
	}
	return nil
}

// cameAfterAll takes back what was claimed or written off because a closed day's payout had not come: of an open day the matching does so, as
// nothing is short any more.
func cameAfterAll(ctx context.Context, tx *sqlx.Tx, d accountDay, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
		SELECT 'resolution_undone', m.cause_id, m.leg, m.to_account, m.from_account, m.amount, m.account_id, $3, $3 FROM discrepancies n JOIN resolutions r ON r.discrepancy_id = n.id AND r.status = 'done'
		JOIN moves m ON m.cause_type = 'resolution' AND m.cause_id = r.discrepancy_id || '/' || r.n
		WHERE n.account_id = $1 AND n.date = $2 AND n.kind IN ('bank_short', 'bank_over') ON CONFLICT DO NOTHING`, d.AccountID, d.Date, now); err != nil {
		return fmt.Errorf("posting a payout: %w", err)
	}
	return nil
}
