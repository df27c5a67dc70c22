package reconciliation

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/reconciliation/statement"
)

// withoutTwins leaves out the lines that an earlier file has told of in another way: with the bank's number where this one has none, or the other way
// round, on the same day, with the same sum and the same words, one for one. Lines of accounts that payers transfer to go through the gateway's
// door, which knows a movement again by itself.
func (r *Reconciler) withoutTwins(ctx context.Context, tx *sqlx.Tx, lines []bookedLine) ([]bookedLine, error) {
	first, last := map[string]string{}, map[string]string{}
	for i := range lines {
		l := &lines[i]
		if d, ok := first[l.bankAccount]; !ok || l.BookedOn < d {
			first[l.bankAccount] = l.BookedOn
		}
		last[l.bankAccount] = max(last[l.bankAccount], l.BookedOn)
	}
	twins, known := map[string]int{}, map[string]bool{}
	for bank := range first {
		accounts, err := r.ofBank(ctx, bank)
		if err != nil {
			return nil, err
		}
		if len(accounts) > 0 && accounts[0].Account.Registration.Transfers {
			continue
		}
		if err := r.readTwins(ctx, tx, bank, first[bank], last[bank], lines, twins, known); err != nil {
			return nil, err
		}
	}
	if len(twins) == 0 {
		return lines, nil
	}
	var out []bookedLine
	for i := range lines {
		l := &lines[i]
		key := twinKey(l.bankAccount, l.BookedOn, l.Signed().String(), l.Narrative, l.BankReference == "")
		if !known[l.bankAccount+"|"+l.key+"#"+strconv.Itoa(l.occurrence)] && twins[key] > 0 {
			twins[key]--
			continue
		}
		out = append(out, *l)
	}
	return out, nil
}

// twinKey is what two files agree on about a movement; numbered: of a line with the bank's number.
func twinKey(bank, day, amount, text string, numbered bool) string {
	return fmt.Sprint(bank, "|", day, "|", amount, "|", statement.Fold(text), "|", numbered)
}

// readTwins reads what is kept of a bank account's days, of the sums that the file has and where the two do not both have the bank's numbers.
func (r *Reconciler) readTwins(ctx context.Context, tx *sqlx.Tx, bank, first, last string, lines []bookedLine, twins map[string]int, known map[string]bool) error {
	var bare, numbered bool
	seen := map[string]bool{}
	amounts := pq.Int64Array{}
	for i := range lines {
		l := &lines[i]
		if l.bankAccount != bank {
			continue
		}
		bare, numbered = bare || l.BankReference == "", numbered || l.BankReference != ""
		if a := l.Signed().String(); !seen[a] {
			seen[a] = true
			amounts = append(amounts, int64(l.Signed()))
		}
	}
	var mixed bool
	if err := tx.GetContext(ctx, &mixed, `SELECT EXISTS (SELECT FROM statement_lines WHERE bank_account = $1 AND booked_on BETWEEN $2 AND $3 AND superseded_at IS NULL AND (reference = '' AND $4 OR reference <> '' AND $5))`, bank, first, last, numbered, bare); err != nil {
		return fmt.Errorf("looking for the same movements: %w", err)
	}
	if !mixed {
		return nil
	}
	var kept []struct {
		BookedOn   string `db:"booked_on"`
		Amount     string `db:"amount"`
		Key        string `db:"key"`
		Occurrence int    `db:"occurrence"`
		Numbered   bool   `db:"numbered"`
		Sealed     []byte `db:"content_sealed"`
	}
	if err := tx.SelectContext(ctx, &kept, `SELECT booked_on::text AS booked_on, amount::bigint::text AS amount, key, occurrence, reference <> '' AS numbered, content_sealed FROM statement_lines
		WHERE bank_account = $1 AND booked_on BETWEEN $2 AND $3 AND superseded_at IS NULL AND amount = ANY ($4)`, bank, first, last, amounts); err != nil {
		return fmt.Errorf("looking for the same movements: %w", err)
	}
	for i := range kept {
		k := &kept[i]
		text := ""
		if len(k.Sealed) > 0 {
			var err error
			if text, err = r.gateway.OpenText("statement:"+bank, k.Sealed); err != nil {
				return err
			}
		}
		known[bank+"|"+k.Key+"#"+strconv.Itoa(k.Occurrence)] = true
		twins[twinKey(bank, k.BookedOn, k.Amount, text, k.Numbered)]++
	}
	return nil
}
