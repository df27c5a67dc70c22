package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/providers"
)

// ErrTooSoon says that the provider's minimum interval between look-ups has not passed: the last answer stands.
var ErrTooSoon = errors.New("asked a moment ago")

// lockPayment locks the order, then its payment: always in this order, so that two words cannot block each other. nil: there
// is no such payment.
func lockPayment(ctx context.Context, tx *sqlx.Tx, accountID, reference string) (*orderRow, *paymentRow, error) {
	o, err := oneOrder(ctx, tx, `id = (SELECT order_id FROM payments WHERE account_id = $1 AND provider_reference = $2) FOR UPDATE`, accountID, reference)
	if ProblemName(err) == ProblemNotFound {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var p paymentRow
	if err := tx.GetContext(ctx, &p, `SELECT `+paymentColumns+` FROM payments WHERE account_id = $1 AND provider_reference = $2 FOR UPDATE`, accountID, reference); err != nil {
		return nil, nil, fmt.Errorf("locking a payment: %w", err)
	}
	return o, &p, nil
}

// finishKey stores the answer under the key of an intent, or frees the key after a 503.
func finishKey(ctx context.Context, tx *sqlx.Tx, k Key, a Answer, free bool) error {
	query, args := `UPDATE idempotency_keys SET status = $5, response = $6 WHERE principal = $1 AND method = $2 AND path = $3 AND key = $4`,
		[]any{k.Principal, k.Method, k.Path, k.Key, a.Status, string(a.Body)}
	if free {
		query, args = `DELETE FROM idempotency_keys WHERE principal = $1 AND method = $2 AND path = $3 AND key = $4`, args[:4]
	}
	if _, err := tx.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("keeping the answer: %w", err)
	}
	return nil
}

// LookUp asks the provider after one payment and records its word through the one door. ErrTooSoon: not asked.
func (g *Gateway) LookUp(ctx context.Context, paymentID string) error {
	var p paymentRow
	err := g.db.GetContext(ctx, &p, `SELECT `+paymentColumns+` FROM payments WHERE id = $1 AND account_id IS NOT NULL AND order_id IS NOT NULL`, paymentID)
	if errors.Is(err, sql.ErrNoRows) {
		return &Problem{Name: ProblemNotFound, Detail: "there is no such payment"}
	}
	if err != nil {
		return fmt.Errorf("reading payment %s: %w", paymentID, err)
	}
	return g.ask(ctx, &p)
}

func (g *Gateway) ask(ctx context.Context, p *paymentRow) error {
	entry, err := g.accounts.Get(ctx, *p.AccountID)
	if err != nil {
		return err
	}
	if entry.Err != nil {
		return entry.Err
	}
	if p.LastLookupAt != nil && g.now().Before(p.LastLookupAt.Add(entry.Provider.LookupPlan().MinInterval)) {
		return ErrTooSoon
	}
	if p.LastLookupOutcome == string(providers.Uncertain) {
		ctx = providers.Repeated(ctx)
	}
	began := time.Now()
	notice, err := g.wordOf(ctx, entry, p)
	row := &lookupRow{AskedAt: g.now(), ObjectID: p.ID, AccountID: *p.AccountID, TookMS: time.Since(began).Milliseconds()}
	if err != nil {
		notice = providers.Notice{Outcome: providers.Uncertain, Reason: providers.ReasonTechnical}
		row.Detail = err.Error()
	} else if notice.ReadBy != "" {
		row.Detail = "read by " + notice.ReadBy
	}
	notice.Reference = p.ProviderReference
	row.Outcome, row.Code = string(notice.Outcome), notice.Code
	for _, part := range notice.Parts { // single transfers, each a payment; the whole comes after them
		if _, err := g.Record(context.WithoutCancel(ctx), Word{AccountID: *p.AccountID, Notice: part, Source: SourceLookup}); err != nil {
			return err
		}
	}
	_, err = g.Record(context.WithoutCancel(ctx), Word{AccountID: *p.AccountID, Notice: notice, Source: SourceLookup, Lookup: row, Due: p.NextLookupAt, Was: p.Status})
	return err
}

// Sweep looks up at most limit payments that are due. Replicas share the work by leases: a claimed payment is not claimed by
// another for leaseFor, and one whose claimer died becomes due again.
func (g *Gateway) Sweep(ctx context.Context, limit int) (int, error) {
	const leaseFor = 2 * time.Minute
	now := g.now()
	var due []paymentRow
	err := g.db.SelectContext(ctx, &due, `WITH due AS (SELECT id FROM payments WHERE next_lookup_at <= $1
			AND (lookup_lease_until IS NULL OR lookup_lease_until <= $1) ORDER BY next_lookup_at LIMIT $3 FOR UPDATE SKIP LOCKED)
		UPDATE payments p SET lookup_lease_until = $2 FROM due WHERE p.id = due.id RETURNING `+prefixed("p.", paymentColumns), now, now.Add(leaseFor), limit)
	if err != nil {
		return 0, fmt.Errorf("claiming due look-ups: %w", err)
	}
	return len(due), eachAccount(due, func(p *paymentRow) string { return *p.AccountID }, func(p *paymentRow) error { return g.ask(ctx, p) })
}

// eachAccount does the work of each account by itself, all accounts at once: a provider that hangs keeps nobody else waiting.
func eachAccount[T any](rows []T, account func(*T) string, do func(*T) error) error {
	mine := map[string][]*T{}
	for i := range rows {
		mine[account(&rows[i])] = append(mine[account(&rows[i])], &rows[i])
	}
	var mu sync.Mutex
	var errs error
	var wg sync.WaitGroup
	for _, group := range mine {
		wg.Go(func() {
			for _, row := range group {
				if err := do(row); err != nil && !errors.Is(err, ErrTooSoon) {
					mu.Lock()
					errs = errors.Join(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return errs
}

// Expire ends open orders whose time is over. Money that comes later still pays them.
func (g *Gateway) Expire(ctx context.Context, limit int) (int, error) {
	var due []struct {
		ID     string `db:"id"`
		Source string `db:"source_system"`
	}
	if err := g.db.SelectContext(ctx, &due, `SELECT id, source_system FROM orders WHERE status = 'open' AND expires_at <= $1 ORDER BY expires_at LIMIT $2`, g.now(), limit); err != nil {
		return 0, fmt.Errorf("finding orders to expire: %w", err)
	}
	n := 0
	for _, d := range due {
		err := transact(ctx, g.db, func(tx *sqlx.Tx) error {
			c := Caller{SourceSystem: d.Source, Actor: "clock"}
			o, err := lockOrder(ctx, tx, c, d.ID)
			if err != nil {
				return err
			}
			if o.Status != OrderOpen || g.now().Before(o.ExpiresAt) {
				return nil
			}
			n++
			return g.endOrder(ctx, tx, o, OrderExpired, c, "")
		})
		if err != nil {
			return n, fmt.Errorf("expiring %s: %w", d.ID, err)
		}
	}
	return n, nil
}
