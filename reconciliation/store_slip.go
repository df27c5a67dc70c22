package reconciliation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/reconciliation/statement"
)

// A slip's credit is booked at most so many days before the slip was written (banks date what came after hours back), or after it.
const (
	slipBefore = 1
	slipAfter  = 7
)

const plainBank = `regexp_replace(upper(d.bank_account), '[^0-9A-Z]', '', 'g')`

// slipPair is a slip and a credit of its bank account with its sum.
type slipPair struct {
	Deposit   string     `db:"deposit_id"`
	Line      int64      `db:"line_id"`
	Bank      string     `db:"bank_account"`
	Slip      string     `db:"slip_number"`
	Agency    string     `db:"agency_code"`
	Amount    vnd.Amount `db:"amount"`
	Reference string     `db:"reference"`
	Sealed    []byte     `db:"content_sealed"`
	BookedOn  time.Time  `db:"booked_on"`
}

// slipPairs are the slips that no credit has brought yet, each with every free credit of the same sum on its bank account.
func slipPairs(ctx context.Context, x sqlx.QueryerContext) ([]slipPair, error) {
	var out []slipPair
	if err := sqlx.SelectContext(ctx, x, &out, `SELECT d.id AS deposit_id, l.id AS line_id, l.bank_account, d.slip_number, d.agency_code, d.amount, l.reference, l.content_sealed, l.booked_on
		FROM deposits d JOIN statement_lines l ON l.bank_account = `+plainBank+` AND l.amount = d.amount::bigint AND l.booked_on BETWEEN business_day(d.deposited_at) - $1::int AND business_day(d.deposited_at) + $2::int
		WHERE l.superseded_at IS NULL AND l.type IN ('transfer', 'other') AND l.hint_account IS NULL AND NOT frozen_line(l.id, (SELECT t.transfer_id FROM statement_transfers t WHERE t.line_id = l.id))
		AND NOT EXISTS (SELECT FROM bank_uses u WHERE u.deposit_id = d.id AND u.ended_at IS NULL) AND NOT EXISTS (SELECT FROM bank_uses u WHERE u.line_id = l.id AND u.ended_at IS NULL)
		AND NOT EXISTS (SELECT FROM statement_transfers t JOIN payments p ON p.transfer_id = t.transfer_id WHERE t.line_id = l.id)
		ORDER BY d.deposited_at, d.id, l.id LIMIT 10000`, slipBefore, slipAfter); err != nil {
		return nil, fmt.Errorf("finding slips and their credits: %w", err)
	}
	return out, nil
}

// MatchSlips pairs deposit slips with the credits that brought their cash: where the bank's text or number names the slip, else where the text says
// that it is cash and slip and credit have but each other. What is less than that is a proposal. It gives how many were paired.
func (r *Reconciler) MatchSlips(ctx context.Context, _ int) (int, error) {
	pairs, err := slipPairs(ctx, r.db)
	if err != nil {
		return 0, err
	}
	if certain, _, err := r.judgeSlips(pairs); err != nil || len(certain) == 0 {
		return 0, err
	}
	n := 0
	err = r.inLock(ctx, func(tx *sqlx.Tx) error {
		pairs, err := slipPairs(ctx, tx)
		if err != nil {
			return err
		}
		certain, _, err := r.judgeSlips(pairs)
		if err != nil {
			return err
		}
		n = len(certain)
		for _, p := range certain {
			if err := r.bringSlip(ctx, tx, p.slipPair, p.rule, "matching"); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// judgedSlip is a pair and what speaks for it.
type judgedSlip struct {
	slipPair
	rule  string
	score int // percent
}

// judgeSlips splits the pairs into those that are certain and those that a person must say.
func (r *Reconciler) judgeSlips(pairs []slipPair) (certain, open []judgedSlip, err error) {
	ofSlip, ofLine, named := map[string]int{}, map[int64]int{}, map[int]bool{}
	cash := map[int]bool{}
	namedSlip, namedLine := map[string]int{}, map[int64]int{}
	for n := range pairs {
		p := &pairs[n]
		text, err := r.gateway.OpenText("statement:"+p.Bank, p.Sealed)
		if err != nil {
			return nil, nil, err
		}
		words := " " + statement.Fold(text) + " "
		ofSlip[p.Deposit]++
		ofLine[p.Line]++
		slip := statement.Fold(p.Slip)
		if slip != "" && (strings.Contains(words, " "+slip+" ") || statement.Fold(p.Reference) == slip) {
			named[n] = true
			namedSlip[p.Deposit]++
			namedLine[p.Line]++
		}
		for _, w := range []string{"NOP TIEN", "TIEN MAT", "CASH", "NOP TM"} {
			cash[n] = cash[n] || strings.Contains(words, " "+w+" ")
		}
	}
	for n, p := range pairs {
		switch {
		case named[n] && namedSlip[p.Deposit] == 1 && namedLine[p.Line] == 1:
			certain = append(certain, judgedSlip{p, PayoutNamed, 100})
		case namedSlip[p.Deposit] > 0 && !named[n] || namedLine[p.Line] > 0 && !named[n]: // its own is another
		case cash[n] && ofSlip[p.Deposit] == 1 && ofLine[p.Line] == 1:
			certain = append(certain, judgedSlip{p, PayoutAmount, 90})
		case cash[n]:
			open = append(open, judgedSlip{p, PayoutPerson, 70})
		default:
			open = append(open, judgedSlip{p, PayoutPerson, 40})
		}
	}
	return certain, open, nil
}

// bringSlip ties a slip to its credit: cash → bank.
func (r *Reconciler) bringSlip(ctx context.Context, tx *sqlx.Tx, p slipPair, rule, actor string) error {
	now := r.now()
	if _, err := tx.ExecContext(ctx, `INSERT INTO bank_uses (line_id, deposit_id, rule, recorded_by, recorded_at) VALUES ($1, $2, $3, $4, $5)`, p.Line, p.Deposit, rule, actor, now); err != nil {
		return fmt.Errorf("tying a deposit slip: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
		SELECT 'deposit', $1 || '/' || $2::text, 'cash', 'cash:' || agency_code, 'bank:' || agency_code, amount, NULL, deposited_at, $3 FROM deposits WHERE id = $1`, p.Deposit, p.Line, now); err != nil {
		return fmt.Errorf("posting a deposit slip: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO days_to_match (account_id, date, since) SELECT account_id, date, $2::timestamptz FROM (SELECT n.account_id, n.date FROM discrepancies n WHERE n.bank_line_id = $1
		UNION SELECT n.account_id, n.date FROM discrepancies n JOIN statement_transfers x ON x.transfer_id = n.transfer_id WHERE x.line_id = $1) d ON CONFLICT DO NOTHING`, p.Line, now); err != nil {
		return fmt.Errorf("marking a slip's day: %w", err)
	}
	return nil
}

// slipsOf reports whether the caller's agencies take cash to a bank account.
func (r *Reconciler) slipsOf(ctx context.Context, c gateway.Caller, bankAccount string) (bool, error) {
	var is bool
	if !c.Person {
		return false, nil
	}
	err := r.db.GetContext(ctx, &is, `SELECT EXISTS (SELECT FROM deposits d WHERE `+plainBank+` = $1 AND (cardinality($2::text[]) = 0 OR d.agency_code = ANY ($2)))`, bankAccount, append(pq.StringArray{}, c.Agencies...))
	if err != nil {
		return false, fmt.Errorf("looking for slips of a bank account: %w", err)
	}
	return is, nil
}
