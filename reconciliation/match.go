package reconciliation

import (
	"context"

	"feegate/gateway"
	"feegate/providers"
)

// Match brings a day of an account to what its rows say. A line for a payment that is not paid here makes it paid, one for a
// refund that was sent and has no success here ends it, each through the gateway's one door; then lines and payments are paired and what is left is named, on this day and on every other that its
// lines or payments touch. Running it again changes nothing; a closed day is left as it is.
func (r *Reconciler) Match(ctx context.Context, accountID, date string) error {
	return r.matchAll(ctx, []accountDay{{accountID, date}})
}

// matchAll is Match for several days at once: what they share is read once. What their lines say of payments and refunds is heard
// outside of the matching's transaction, as the gateway's door takes none but its own: where there is any, the days are read again.
func (r *Reconciler) matchAll(ctx context.Context, days []accountDay) error {
	for _, d := range days {
		if err := checkDate("date", d.Date); err != nil {
			return err
		}
	}
	said, err := r.match(ctx, days, false)
	if err != nil || said == nil {
		return err
	}
	if err := r.record(ctx, said); err != nil {
		return err
	}
	_, err = r.match(ctx, days, true)
	return err
}

// settle takes what the days' lines say of payments and refunds that have no success here through the gateway's door.
func (r *Reconciler) settle(ctx context.Context, days []accountDay) error {
	for _, d := range days {
		if err := checkDate("date", d.Date); err != nil {
			return err
		}
	}
	said, err := r.unrecorded(ctx, days)
	if err != nil || said == nil {
		return err
	}
	return r.record(ctx, said)
}

func (r *Reconciler) record(ctx context.Context, said *unrecorded) error {
	for _, l := range said.payments {
		if _, err := r.gateway.Record(ctx, gateway.Word{AccountID: l.AccountID, Source: gateway.SourceSettlement, Notice: l.notice()}); err != nil {
			return err
		}
	}
	for _, l := range said.refunds {
		if _, err := r.gateway.RecordRefund(ctx, gateway.RefundWord{AccountID: l.AccountID, Reference: l.Reference, Source: gateway.SourceSettlement,
			Notice: providers.RefundNotice{Outcome: providers.Succeeded, Transaction: l.Transaction, At: l.At, Code: "settled"}}); err != nil {
			return err
		}
	}
	return nil
}

// notice is what a settlement line says of a payment.
func (l *unpaidLine) notice() providers.Notice {
	return providers.Notice{Reference: l.Reference, Outcome: providers.Succeeded, Amount: l.Amount, Transaction: l.Transaction, PaidAt: l.At, Code: "settled"}
}
