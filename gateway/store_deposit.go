package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// RecordDeposit records a slip with which counter cash went to the bank. The same slip again is answered as it stands (known);
// another content under its number is refused.
func (g *Gateway) RecordDeposit(ctx context.Context, c Caller, in NewDeposit) (view *DepositView, known bool, err error) {
	if err := in.validate(g.now()); err != nil {
		return nil, false, err
	}
	in.DepositedAt = stored(in.DepositedAt)
	for range 2 {
		if view, err = g.slip(ctx, c, &in); err != nil || view != nil {
			return view, true, err
		}
		view = &DepositView{newID("dep_"), in.AgencyCode, in.BankAccount, in.SlipNumber, *in.DepositedAt, *in.Amount, in.CounterPayments, g.now()}
		err = transact(ctx, g.db, func(tx *sqlx.Tx) error { return writeDeposit(ctx, tx, c, &in, view) })
		switch violated(err) {
		case "deposits_bank_account_slip_number_key", "deposit_items_payment_id_key":
			continue // somebody was faster: look again
		case "deposits_agency_code_fkey":
			return nil, false, &Problem{Name: ProblemInvalid, Fields: []FieldError{{"agency_code", "is not in the catalogue"}}}
		}
		return view, false, err
	}
	return nil, false, err
}

// slip finds the slip by its number; nil where there is none.
func (g *Gateway) slip(ctx context.Context, c Caller, in *NewDeposit) (*DepositView, error) {
	v := &DepositView{BankAccount: in.BankAccount, SlipNumber: in.SlipNumber}
	err := g.db.QueryRowContext(ctx, `SELECT id, agency_code, deposited_at, amount, recorded_at,
		ARRAY(SELECT payment_id FROM deposit_items WHERE deposit_id = id ORDER BY payment_id COLLATE "C")
		FROM deposits WHERE bank_account = $1 AND slip_number = $2`, in.BankAccount, in.SlipNumber).
		Scan(&v.ID, &v.AgencyCode, &v.DepositedAt, &v.Amount, &v.RecordedAt, pq.Array(&v.CounterPayments))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading a deposit slip: %w", err)
	}
	asked := slices.Sorted(slices.Values(in.CounterPayments))
	if v.AgencyCode != in.AgencyCode || v.Amount != *in.Amount || !v.DepositedAt.Equal(*in.DepositedAt) || !slices.Equal(asked, v.CounterPayments) {
		return nil, &Problem{Name: ProblemSlipUsed, Detail: "this slip of the bank account was recorded with another content"}
	}
	items, err := slipItems(ctx, g.db, c, v.CounterPayments, "")
	if err == nil && len(items) < len(v.CounterPayments) { // somebody else's
		err = &Problem{Name: ProblemSlipUsed, Detail: "this slip of the bank account was recorded before"}
	}
	return v, err
}

// slipItems reads the counter payments that the caller may see; lock is "" or FOR UPDATE OF p, in the order of their ids.
func slipItems(ctx context.Context, x sqlx.QueryerContext, c Caller, ids []string, lock string) ([]slipItem, error) {
	source, agencies := c.sees()
	var items []slipItem
	err := sqlx.SelectContext(ctx, x, &items, `SELECT p.id, k.agency_code, p.channel, p.status, p.received_amount, p.paid_at,
		EXISTS (SELECT FROM deposit_items i WHERE i.payment_id = p.id) AS deposited
		FROM payments p JOIN counter_payments k ON k.payment_id = p.id JOIN orders o ON o.id = p.order_id
		WHERE p.id = ANY ($1) AND `+visible("o.", 2)+` ORDER BY p.id `+lock, pq.Array(ids), source, agencies)
	if err != nil {
		return nil, fmt.Errorf("reading a slip's counter payments: %w", err)
	}
	return items, nil
}

func writeDeposit(ctx context.Context, tx *sqlx.Tx, c Caller, in *NewDeposit, v *DepositView) error {
	items, err := slipItems(ctx, tx, c, in.CounterPayments, "FOR UPDATE OF p")
	if err != nil {
		return err
	}
	if err := in.check(items); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO deposits (id, agency_code, bank_account, slip_number, deposited_at, amount, recorded_by, recorded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, v.ID, v.AgencyCode, v.BankAccount, v.SlipNumber, v.DepositedAt, v.Amount, c.Actor, v.RecordedAt); err != nil {
		return fmt.Errorf("recording a deposit slip: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO deposit_items (deposit_id, payment_id, amount) SELECT $1, id, received_amount FROM payments WHERE id = ANY ($2)`,
		v.ID, pq.Array(v.CounterPayments)); err != nil {
		return fmt.Errorf("recording a deposit slip: %w", err)
	}
	return nil
}
