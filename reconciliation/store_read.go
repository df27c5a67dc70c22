package reconciliation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway"
)

// seen is the condition that a person may see the merchant account a: one array parameter, no agency meaning all.
func seen(n int) string {
	return fmt.Sprintf("(cardinality($%[1]d::text[]) = 0 OR a.agency_code = ANY ($%[1]d))", n)
}

// agencies is the parameter of seen; who is no person sees nothing.
func agencies(c gateway.Caller) pq.StringArray {
	if !c.Person {
		return pq.StringArray{"!"}
	}
	return append(pq.StringArray{}, c.Agencies...)
}

// Import gives one import that the caller may see.
func (r *Reconciler) Import(ctx context.Context, c gateway.Caller, id string) (*Import, error) {
	k, err := oneImport(ctx, r.db, `i.id = $1 AND `+seen(2), id, agencies(c))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("import")
	}
	if err != nil {
		return nil, fmt.Errorf("reading import %s: %w", id, err)
	}
	return k, nil
}

// Imports lists what was imported, the newest first, of an account and a day or of any ("").
func (r *Reconciler) Imports(ctx context.Context, c gateway.Caller, accountID, date, after string, limit int) (items []Import, next string, err error) {
	if date != "" {
		if err := checkDate("date", date); err != nil {
			return nil, "", err
		}
	}
	if accountID != "" {
		if _, err := r.Account(ctx, c, accountID); err != nil {
			return nil, "", err
		}
	}
	items, err = readImports(ctx, r.db, seen(1)+` AND ($2 = '' OR i.account_id = $2) AND ($3 = '' OR i.date = nullif($3, '')::date)
		AND ($4 = '' OR (i.recorded_at, i.id) < (SELECT recorded_at, id FROM imports WHERE id = $4)) ORDER BY i.recorded_at DESC, i.id DESC LIMIT $5`,
		agencies(c), accountID, date, after, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("listing imports: %w", err)
	}
	if len(items) > limit {
		items = items[:limit]
		next = items[limit-1].ID
	}
	return items, next, nil
}

const discrepancyColumns = `d.id, d.account_id, d.date::text AS date, d.kind, d.status, d.amount, d.effect, d.bank_effect, d.payment_id, d.refund_id, d.transfer_id, d.line_id, d.bank_line_id,
	d.owner, d.deadline::text AS deadline, d.action, d.recorded_at, d.resolved_at, d.healed,
	(SELECT x.action FROM resolutions x WHERE x.discrepancy_id = d.id AND x.status = 'proposed') AS proposed`

// oneDiscrepancy reads a discrepancy that the caller may see, and may lock it.
func (r *Reconciler) oneDiscrepancy(ctx context.Context, x sqlx.QueryerContext, c gateway.Caller, id string, lock bool) (*Discrepancy, error) {
	query := `SELECT ` + discrepancyColumns + ` FROM discrepancies d JOIN merchant_accounts a ON a.id = d.account_id WHERE d.id = $1 AND ` + seen(2)
	if lock {
		query += ` FOR UPDATE OF d`
	}
	var d Discrepancy
	err := sqlx.GetContext(ctx, x, &d, query, id, agencies(c))
	return &d, err
}

// fill reads what a case shows besides the discrepancy itself.
func (r *Reconciler) fill(ctx context.Context, k *Case) error {
	if k.LineID != nil {
		k.Line = &LineRecord{}
		if err := r.db.GetContext(ctx, k.Line, `SELECT import_id, account_id, date::text AS date, line_no, type, reference, transaction, amount, fee, net, at,
			own_date::text AS own_date, row_status, superseded_at FROM settlement_lines WHERE id = $1`, *k.LineID); err != nil {
			return err
		}
	}
	if k.BankLineID != nil {
		k.Bank = &BankRecord{}
		if err := r.db.GetContext(ctx, k.Bank, `SELECT import_id, line_no, bank_account, booked_on::text AS booked_on, amount, reference FROM statement_lines WHERE id = $1`, *k.BankLineID); err != nil {
			return err
		}
	}
	query, id := "", ""
	switch {
	case k.PaymentID != nil:
		id, query = *k.PaymentID, `SELECT id, 'payment' AS type, order_id, account_id, status, requested_amount AS requested, received_amount AS amount,
			provider_reference AS reference, provider_transaction AS transaction, paid_at AS effective_at FROM payments WHERE id = $1`
	case k.RefundID != nil:
		id, query = *k.RefundID, `SELECT id, 'refund' AS type, order_id, account_id, status, amount AS requested, amount,
			provider_reference AS reference, provider_transaction AS transaction, effective_at FROM refunds WHERE id = $1`
	}
	if query != "" {
		k.Ours = &OurRecord{}
		if err := r.db.GetContext(ctx, k.Ours, query, id); err != nil {
			return err
		}
	}
	k.History, k.Resolutions, k.Traces, k.Attachments = []Change{}, []Resolution{}, []Trace{}, []Attachment{}
	if err := r.db.SelectContext(ctx, &k.Traces, `SELECT `+traceColumns+` FROM discrepancy_traces WHERE discrepancy_id = $1 ORDER BY n`, k.ID); err != nil {
		return err
	}
	if err := r.db.SelectContext(ctx, &k.Attachments, `SELECT `+attachmentColumns+` FROM discrepancy_attachments WHERE discrepancy_id = $1 ORDER BY n`, k.ID); err != nil {
		return err
	}
	if err := r.db.SelectContext(ctx, &k.History, `SELECT what, status, effect, actor, note, owner, deadline::text AS deadline, recorded_at
		FROM discrepancy_history WHERE discrepancy_id = $1 ORDER BY id`, k.ID); err != nil {
		return err
	}
	return r.db.SelectContext(ctx, &k.Resolutions, `SELECT `+resolutionColumns+` FROM resolutions WHERE discrepancy_id = $1 ORDER BY n`, k.ID)
}
