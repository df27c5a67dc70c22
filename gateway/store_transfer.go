package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway/account"
	"feegate/providers"
)

// lockBankAccount lets the transfers of one bank account be judged one after the other: two sources tell of the same one at the
// same moment, and without the bank's reference only a look at what is there says that they do.
func lockBankAccount(ctx context.Context, tx *sqlx.Tx, account string) error {
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('bank account ' || $1, 0))`, account); err != nil {
		return fmt.Errorf("locking a bank account: %w", err)
	}
	return nil
}

// knownMovement is a transfer that is recorded already, and the payment that has its money.
type knownMovement struct {
	transferRow
	PaymentID *string `db:"payment_id"`
	Owner     *string `db:"owner"` // an account that tells of it and whose own it is
}

const transferColumns = `t.id, t.bank_account, t.account_id, t.direction, t.amount, t.bank_reference, t.reference, t.ambiguous, t.wrong_account,
	t.payer_kind, t.payer_bank, t.payer_masked, t.at, t.recorded_at`

// knownTransfer finds the movement that a source tells of, among what was told before: by the source's own id; by the bank's reference;
// else as told by another source, with the same amount at nearly the same time and the same words. The
// bank's statement is a source beside every notifier: it confirms what they told, by the same reference of ours or words
// around the payer's, even where the bank gives it other numbers there. told:
// this source has told it.
func (g *Gateway) knownTransfer(ctx context.Context, tx *sqlx.Tx, t *transferRow, w *Word) (known *knownMovement, told bool, err error) {
	var rows []struct {
		knownMovement
		Rank      int    `db:"rank"`
		Sealed    []byte `db:"content_sealed"`
		SameWords bool   `db:"same_words"`
		Stated    bool   `db:"stated"` // told by the bank's statement
	}
	m, statement := w.Notice.Transfer, w.Source == SourceStatement
	within := alikeWithin
	if m.DayOnly {
		within = 12 * time.Hour
	}
	if statement {
		within = 36 * time.Hour // booked the next day, or dated by the day alone
	}
	err = tx.SelectContext(ctx, &rows, `WITH same AS (SELECT transfer_id, 1 AS rank FROM bank_transfer_sources WHERE account_id = $1 AND source_id = $2
			UNION ALL SELECT id, 2 FROM bank_transfers WHERE $4 <> '' AND bank_account = $3 AND bank_reference = $4 AND direction = $5 AND amount = $6
			UNION ALL (SELECT b.id, 3 FROM bank_transfers b WHERE b.bank_account = $3 AND b.direction = $5 AND b.amount = $6
				AND CASE WHEN $10 THEN
						b.at BETWEEN $7 AND $8 AND NOT EXISTS (SELECT FROM statement_transfers x JOIN statement_lines l ON l.id = x.line_id
							WHERE x.transfer_id = b.id AND (l.import_id = $11 OR l.reference <> '' AND $4 <> ''))
					WHEN EXISTS (SELECT FROM bank_transfer_sources s WHERE s.transfer_id = b.id AND s.told_by = 'statement') THEN b.at BETWEEN $7::timestamptz - interval '36 hours' AND $8::timestamptz + interval '36 hours'
					ELSE b.at BETWEEN $7 AND $8 AND (b.bank_reference = '' OR $4 = '') END
				AND ($10 OR NOT EXISTS (SELECT FROM bank_transfer_sources s JOIN merchant_accounts a ON a.id = s.account_id JOIN merchant_accounts me ON me.id = $1
					WHERE s.transfer_id = b.id AND a.provider = me.provider AND s.told_by <> 'statement')) ORDER BY b.at, b.id LIMIT 20))
		SELECT `+transferColumns+`, p.id AS payment_id, same.rank, t.content_sealed, t.content_digest = $9::text::bytea AS same_words,
			EXISTS (SELECT FROM bank_transfer_sources s WHERE s.transfer_id = t.id AND s.told_by = 'statement') AS stated
		FROM same JOIN bank_transfers t ON t.id = same.transfer_id LEFT JOIN payments p ON p.transfer_id = t.id ORDER BY rank, t.at, t.id`,
		t.AccountID, m.ID, t.BankAccount, t.BankReference, t.Direction, t.Amount, t.At.Add(-within), t.At.Add(within), t.ContentDigest, statement, m.Batch)
	if err != nil {
		return nil, false, fmt.Errorf("finding a transfer told before: %w", err)
	}
	for i := range rows {
		r := &rows[i]
		alike := r.Rank < 3 || r.SameWords
		switch {
		case alike:
		case !statement && !r.Stated: // two notifiers pass on the same words: two equal amounts of one reference are two movements
			continue
		case r.Reference != "" && t.Reference != "":
			alike = r.Reference == t.Reference
		default: // banks put words around what the payer wrote
			text, err := g.keys.Open(r.Sealed, "transfer:"+r.ID)
			if err != nil {
				return nil, false, fmt.Errorf("reading a transfer told before: %w", err)
			}
			alike = oneInTheOther(folded(string(text)), folded(m.Content))
		}
		if alike && (r.Rank < 3 || r.Reference == "" || t.Reference == "" || r.Reference == t.Reference) {
			return &r.knownMovement, r.Rank == 1, nil
		}
	}
	return nil, false, nil
}

// accountOfTransfer is the account whose payment has a transfer's reference, "" where none has.
func accountOfTransfer(ctx context.Context, tx *sqlx.Tx, reference string) (string, error) {
	var id string
	err := tx.GetContext(ctx, &id, `SELECT account_id FROM payments WHERE provider_reference = $1 AND by_transfer AND order_id IS NOT NULL`, reference)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("finding the payment of a transfer: %w", err)
	}
	return id, nil
}

// transferOf is the transfer whose money a payment has, "" where none is known.
func transferOf(ctx context.Context, tx *sqlx.Tx, paymentID string) (string, error) {
	var id string
	if err := tx.GetContext(ctx, &id, `SELECT coalesce(transfer_id, '') FROM payments WHERE id = $1`, paymentID); err != nil {
		return "", fmt.Errorf("reading the transfer of %s: %w", paymentID, err)
	}
	return id, nil
}

// refundOfDebit is the word for the refund that a debit names, where its amount is the refund's; nil where none is named.
func refundOfDebit(ctx context.Context, tx *sqlx.Tx, t *transferRow, teller *account.Account) (*RefundWord, error) {
	var r refundRow
	err := tx.GetContext(ctx, &r, `SELECT `+orderOrNone(refundColumns)+` FROM refunds WHERE provider_reference = $1 AND manual AND amount = $2 AND status IN ('submitted', 'failed')
		AND coalesce((SELECT agency_code FROM orders o WHERE o.id = order_id), (SELECT agency_code FROM merchant_accounts a WHERE a.id = account_id)) = $3`, t.Reference, t.Amount, teller.AgencyCode)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding the refund of a debit: %w", err)
	}
	return &RefundWord{AccountID: deref(r.AccountID), Reference: r.ProviderReference, Source: SourceCallback,
		Notice: providers.RefundNotice{Outcome: providers.Succeeded, Transaction: or(t.BankReference, t.ID), At: t.At}}, nil
}

// confirmedBy is a refund of the same agency and another list that was confirmed by the same reference of the bank, "" where there is none.
// Within a list it may come again: some banks debit a list in one sum.
func confirmedBy(ctx context.Context, tx *sqlx.Tx, r *refundRow, bankReference string) (string, error) {
	var id string
	err := tx.GetContext(ctx, &id, `SELECT f.id FROM refunds f JOIN refund_list_items fi ON fi.refund_id = f.id AND fi.reference = f.provider_reference JOIN refund_lists fl ON fl.id = fi.list_id
		JOIN refund_list_items i ON i.refund_id = $1 AND i.reference = $2 JOIN refund_lists l ON l.id = i.list_id
		WHERE f.manual AND f.status = 'succeeded' AND f.provider_transaction = $3 AND fl.agency_code = l.agency_code AND fl.id <> l.id LIMIT 1`,
		r.ID, r.ProviderReference, bankReference)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("finding what %q confirmed already: %w", bankReference, err)
	}
	return id, nil
}

// claimCursor takes the turn to read an account's list, if its last reading is long enough ago.
func (g *Gateway) claimCursor(ctx context.Context, accountID string, every time.Duration) (cursor string, mine bool, err error) {
	now := g.now()
	err = g.db.GetContext(ctx, &cursor, `INSERT INTO account_cursors AS c (account_id, asked_at) VALUES ($1, $2)
		ON CONFLICT (account_id) DO UPDATE SET asked_at = $2 WHERE c.asked_at <= $3 RETURNING cursor`, accountID, now, now.Add(-every))
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("taking the turn to read transfers: %w", err)
	}
	return cursor, true, nil
}

// moveCursor notes how far a list was read, unless somebody has read on meanwhile.
func (g *Gateway) moveCursor(ctx context.Context, accountID, from, to string) error {
	if to == from {
		return nil
	}
	if _, err := g.db.ExecContext(ctx, `UPDATE account_cursors SET cursor = $3 WHERE account_id = $1 AND cursor = $2`, accountID, from, to); err != nil {
		return fmt.Errorf("noting how far transfers were read: %w", err)
	}
	return nil
}

// transferByID reads a transfer and the payment that has its money.
func transferByID(ctx context.Context, tx *sqlx.Tx, id string) (*knownMovement, error) {
	var t knownMovement
	if err := tx.GetContext(ctx, &t, `SELECT `+transferColumns+`, p.id AS payment_id,
		(SELECT s.account_id FROM bank_transfer_sources s WHERE s.transfer_id = t.id AND s.owns ORDER BY s.recorded_at, s.account_id LIMIT 1) AS owner
		FROM bank_transfers t LEFT JOIN payments p ON p.transfer_id = t.id WHERE t.id = $1`, id); err != nil {
		return nil, fmt.Errorf("reading transfer %s: %w", id, err)
	}
	return &t, nil
}

// readTransfer reads a transfer with who told of it and what it may be for; its content comes sealed.
func (g *Gateway) readTransfer(ctx context.Context, id string) (*TransferView, []byte, error) {
	v := &TransferView{ToldBy: []string{}, Suggestions: []Suggestion{}}
	var sealed []byte
	err := g.db.QueryRowContext(ctx, `SELECT id, bank_account, amount, bank_reference, reference, ambiguous, NOT EXISTS (SELECT FROM bank_transfer_sources s WHERE s.transfer_id = t.id AND s.owns), payer_masked, at, recorded_at, content_sealed,
		ARRAY(SELECT account_id FROM bank_transfer_sources s WHERE s.transfer_id = t.id ORDER BY recorded_at, account_id) FROM bank_transfers t WHERE id = $1`, id).
		Scan(&v.ID, &v.BankAccount, &v.Amount, &v.BankReference, &v.Reference, &v.Ambiguous, &v.WrongAccount, &v.PayerMasked, &v.At, &v.RecordedAt, &sealed, pq.Array(&v.ToldBy))
	if err != nil {
		return nil, nil, fmt.Errorf("reading transfer %s: %w", id, err)
	}
	if err := g.db.SelectContext(ctx, &v.Suggestions, `SELECT o.id AS order_id, o.dossier_code, p.id AS payment_id, p.provider_reference AS reference, o.amount - o.paid_amount AS amount, p.created_at AS shown_at
		FROM bank_transfers t JOIN merchant_accounts own ON own.id = t.account_id JOIN merchant_accounts a ON a.agency_code = own.agency_code
		JOIN payments p ON p.account_id = a.id AND p.by_transfer AND p.status IN ('pending', 'expired') AND p.created_at BETWEEN t.at - interval '3 days' AND t.recorded_at
		JOIN orders o ON o.id = p.order_id AND o.status IN ('open', 'expired') AND o.amount - o.paid_amount = t.amount
		WHERE t.id = $1 AND EXISTS (SELECT FROM bank_transfer_sources s WHERE s.transfer_id = t.id AND s.owns) ORDER BY p.created_at DESC LIMIT 10`, id); err != nil {
		return nil, nil, fmt.Errorf("finding what transfer %s may be for: %w", id, err)
	}
	return v, sealed, nil
}

// takenPayment is a payment that a bank's reversal may speak of.
type takenPayment struct {
	ID        string `db:"id"`
	Account   string `db:"account_id"`
	Reference string `db:"provider_reference"`
	Status    string `db:"status"`
}

// takenBack finds the payment that a bank's reversal speaks of; nil where it names none, or several. One that was taken back already and whose debit is
// not known is it too: the work was cut off between the two.
func (g *Gateway) takenBack(ctx context.Context, bankAccount string, n providers.Notice) (*takenPayment, error) {
	var found []takenPayment
	if err := g.db.SelectContext(ctx, &found, `SELECT p.id, p.account_id, p.provider_reference, p.status FROM bank_transfers t JOIN payments p ON p.transfer_id = t.id
		WHERE t.bank_account = $1 AND t.direction = 'in' AND t.amount = $2 AND t.at BETWEEN $3 AND $4 AND p.order_id IS NOT NULL
		AND (p.status = 'succeeded' OR p.status = 'reversed' AND NOT EXISTS (SELECT FROM statement_transfers x WHERE x.reverses = p.id))
		AND (t.bank_reference <> '' AND position(t.bank_reference IN $5) > 0 OR t.reference <> '' AND t.reference = $6) ORDER BY p.status DESC LIMIT 2`,
		bankAccount, n.Amount, n.PaidAt.AddDate(0, 0, -5), n.PaidAt.Add(12*time.Hour), n.Transfer.Content, n.Reference); err != nil {
		return nil, fmt.Errorf("finding the transfer that the bank took back: %w", err)
	}
	if len(found) == 1 || len(found) == 2 && found[0].Status != found[1].Status {
		return &found[0], nil
	}
	return nil, nil
}
