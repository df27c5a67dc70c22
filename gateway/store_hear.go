package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

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
	orders, err := lockOrders(ctx, tx, accounts, references)
	if err != nil {
		return batch, nil, err
	}
	parts, err := lockParts(ctx, tx, orders)
	if err != nil {
		return batch, nil, err
	}
	type name struct{ account, reference string }
	byName := map[name]*paymentRow{}
	for _, of := range parts {
		for i := range of.payments {
			if p := &of.payments[i]; p.AccountID != nil {
				byName[name{*p.AccountID, p.ProviderReference}] = p
			}
		}
	}
	e, at := &effects{}, g.now()
	taken := map[string]bool{}
	for _, w := range batch {
		word := w.work.word
		stored := byName[name{word.AccountID, word.Notice.Reference}]
		if stored == nil {
			w.work.verdict = providers.VerdictUnknownPayment
			if err := g.keepRaw(e, word, "", providers.VerdictUnknownPayment); err != nil {
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
		if word.Lookup != nil {
			e.lookups = append(e.lookups, *word.Lookup)
		}
		o, of, p := orders[stored.OrderID], parts[stored.OrderID], *stored
		var events []string
		if w.work.verdict, events, err = g.judged(ctx, tx, e, o, &p, word); err != nil {
			return batch, nil, err
		}
		if err := g.tell(e, o, &p, of.lines, of.payments, events, at); err != nil {
			return batch, nil, err
		}
	}
	return now, later, e.write(ctx, tx)
}

// orderParts are the lines and payments of one order.
type orderParts struct {
	lines    []lineRow
	payments []paymentRow
}

// lockOrders locks the orders of some payments, in the order of their ids.
func lockOrders(ctx context.Context, tx *sqlx.Tx, accounts, references []string) (map[string]*orderRow, error) {
	var rows []scannedOrder
	if err := tx.SelectContext(ctx, &rows, `SELECT `+orderColumns+` FROM orders WHERE id IN (SELECT p.order_id FROM unnest($1::text[], $2::text[]) AS w(account, reference)
		JOIN payments p ON p.account_id = w.account AND p.provider_reference = w.reference) ORDER BY id FOR UPDATE`, pq.Array(accounts), pq.Array(references)); err != nil {
		return nil, fmt.Errorf("locking orders: %w", err)
	}
	orders := make(map[string]*orderRow, len(rows))
	for i := range rows {
		o, err := rows[i].row()
		if err != nil {
			return nil, err
		}
		orders[o.ID] = o
	}
	return orders, nil
}

// lockParts locks the payments of locked orders and reads their lines.
func lockParts(ctx context.Context, tx *sqlx.Tx, orders map[string]*orderRow) (map[string]*orderParts, error) {
	ids, parts := make(pq.StringArray, 0, len(orders)), make(map[string]*orderParts, len(orders))
	for id := range orders {
		ids, parts[id] = append(ids, id), &orderParts{}
	}
	slices.Sort(ids)
	var payments []paymentRow
	if err := tx.SelectContext(ctx, &payments, `SELECT `+paymentColumns+` FROM payments WHERE order_id = ANY ($1) ORDER BY order_id, created_at, id FOR UPDATE`, ids); err != nil {
		return nil, fmt.Errorf("locking payments: %w", err)
	}
	for _, p := range payments {
		parts[p.OrderID].payments = append(parts[p.OrderID].payments, p)
	}
	var raw string
	if err := tx.QueryRowxContext(ctx, `SELECT coalesce(json_agg(l ORDER BY order_id, n), '[]')::text FROM order_lines l WHERE order_id = ANY ($1)`, ids).Scan(&raw); err != nil {
		return nil, fmt.Errorf("reading the lines of orders: %w", err)
	}
	var lines []lineRow
	if err := json.Unmarshal([]byte(raw), &lines); err != nil {
		return nil, fmt.Errorf("reading the lines of orders: %w", err)
	}
	for _, l := range lines {
		parts[l.OrderID].lines = append(parts[l.OrderID].lines, l)
	}
	return parts, nil
}
