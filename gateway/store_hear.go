package gateway

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/providers"
)

// heard is one word on its way into a batch, and its verdict.
type heard struct {
	word    Word
	verdict providers.Verdict
}

// hearTogether takes the words of many callers in one transaction: the orders are locked in the order of their ids, then the
// payments, each word is judged by itself, and everything is written by one statement. Of the words about one order only the
// first is taken, so that each sees what the one before it did. Where the batch fails, each word goes alone.
func (g *Gateway) hearTogether(ctx context.Context, batch []*waiting[*heard]) {
	if len(batch) == 1 {
		batch[0].finish(g.hearAlone(ctx, batch[0].work))
		return
	}
	now, later := batch, []*waiting[*heard](nil)
	err := transact(ctx, g.db, func(tx *sqlx.Tx) (err error) {
		now, later, err = g.hearBatch(ctx, tx, batch)
		return err
	})
	for _, w := range later {
		g.hearing.again(w)
	}
	for _, w := range now {
		if err != nil {
			w.alone(ctx, g.hearAlone)
			continue
		}
		w.finish(nil)
	}
}

func (g *Gateway) hearAlone(ctx context.Context, h *heard) (err error) {
	h.verdict, err = g.recordAlone(ctx, h.word)
	return err
}

// hearBatch judges and writes; it gives the words that it took and those that have to wait for the next batch.
func (g *Gateway) hearBatch(ctx context.Context, tx *sqlx.Tx, batch []*waiting[*heard]) (now, later []*waiting[*heard], err error) {
	var accounts, references []string
	for _, w := range batch {
		accounts, references = append(accounts, w.work.word.AccountID), append(references, w.work.word.Notice.Reference)
	}
	orders, ids, err := ordersOf(ctx, tx, accounts, references)
	if err != nil {
		return batch, nil, err
	}
	belongs, err := partsOfAll(ctx, tx, ids)
	if err != nil {
		return batch, nil, err
	}
	type name struct{ account, reference string }
	byName := map[name]*paymentRow{}
	for _, of := range belongs {
		for i := range of.payments {
			if p := &of.payments[i]; p.AccountID != nil {
				byName[name{*p.AccountID, p.ProviderReference}] = p
			}
		}
	}
	all, at := &effects{}, g.now()
	taken := map[string]bool{}
	for _, w := range batch {
		word := w.work.word
		stored := byName[name{word.AccountID, word.Notice.Reference}]
		if stored == nil {
			w.work.verdict = providers.VerdictUnknownPayment
			if err := g.keepRaw(all, word, "", providers.VerdictUnknownPayment); err != nil {
				return batch, nil, err
			}
			now = append(now, w)
			continue
		}
		if taken[stored.OrderID] {
			later = append(later, w)
			continue
		}
		taken[stored.OrderID] = true
		now = append(now, w)
		e := &effects{}
		if word.Lookup != nil {
			e.lookups = append(e.lookups, *word.Lookup)
		}
		o, p := orders[stored.OrderID], *stored
		var events []string
		if w.work.verdict, events, err = g.judged(ctx, tx, e, o, &p, nil, word); err != nil {
			return batch, nil, err
		}
		if err := g.tell(e, o, viewPayment(&p), belongs[o.ID], events, at); err != nil {
			return batch, nil, err
		}
		all.add(e)
	}
	return now, later, all.write(ctx, tx)
}

// ordersOf locks the orders of some payments, in the order of their ids, then all payments of those orders.
func ordersOf(ctx context.Context, tx *sqlx.Tx, accounts, references []string) (map[string]*orderRow, []string, error) {
	var rows []scannedOrder
	if err := tx.SelectContext(ctx, &rows, `SELECT `+orderColumns+` FROM orders WHERE id IN (SELECT p.order_id FROM unnest($1::text[], $2::text[]) AS w(account, reference)
		JOIN payments p ON p.account_id = w.account AND p.provider_reference = w.reference) ORDER BY id FOR UPDATE`, pq.Array(accounts), pq.Array(references)); err != nil {
		return nil, nil, fmt.Errorf("locking orders: %w", err)
	}
	orders, ids := make(map[string]*orderRow, len(rows)), make([]string, 0, len(rows))
	for i := range rows {
		o, err := rows[i].row()
		if err != nil {
			return nil, nil, err
		}
		orders[o.ID], ids = o, append(ids, o.ID)
	}
	if _, err := tx.ExecContext(ctx, `SELECT FROM payments WHERE order_id = ANY ($1) ORDER BY id FOR UPDATE`, pq.Array(ids)); err != nil {
		return nil, nil, fmt.Errorf("locking payments: %w", err)
	}
	return orders, ids, nil
}
