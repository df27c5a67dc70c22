package gateway

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway/account"
)

type accountEntry = account.Entry

// visible is the condition on an order's row for whom it exists: two parameters from the n-th on, given by [Caller.sees].
func visible(order string, n int) string {
	return fmt.Sprintf("($%[2]d = '' OR %[1]ssource_system = $%[2]d) AND (cardinality($%[3]d::text[]) = 0 OR %[1]sagency_code = ANY ($%[3]d))", order, n, n+1)
}

func (c Caller) sees() (source string, agencies any) {
	if !c.Person && c.SourceSystem == "" {
		return "!", pq.StringArray{} // nobody sees nothing: an empty Caller is a defect, never a key to everything
	}
	return c.SourceSystem, append(pq.StringArray{}, c.Agencies...)
}

const orderColumns = `id, client_id, source_system, mode, reference, dossier_code, procedure_code, agency_code, filing_mode, status, amount,
	paid_amount, refunded_amount, late, return_url, supersedes, metadata::text AS metadata, array_to_json(kinds)::text AS kinds,
	to_char(priced_on, 'YYYY-MM-DD') AS priced_on, created_at, expires_at, settled_at`

const paymentColumns = `id, order_id, account_id, provider, provider_reference, status, mode, requested_amount, received_amount,
	allocated_amount, reserved_amount, reserved_surplus, refunded_amount, refunded_surplus, method, initiated_by, place, channel, channel_rule, locale, payer_ip, description, redirect,
	provider_transaction, code, reason, in_doubt, created_at, expires_at, paid_at, recorded_at, next_lookup_at, last_lookup_at,
	last_lookup_outcome, lookups, by_transfer`

func keyed(k Key, object string, a *Answer, now time.Time) keyRow {
	r := keyRow{Principal: k.Principal, Method: k.Method, Path: k.Path, Key: k.Key, BodyHash: `\x` + hex.EncodeToString(k.BodyHash),
		ObjectID: object, CreatedAt: now}
	if a != nil {
		body := string(a.Body)
		r.Status, r.Response = &a.Status, &body
	}
	return r
}

// A call in flight is waited for this long before its twin is told so; one this old has died.
const (
	inFlightWait = 5 * time.Second
	inFlightDead = time.Minute // longer than any provider is waited for
)

// replay gives the first answer to a key again; another body under the key is a problem. A call still in flight is waited for; one
// that died half way is answered from its object as it stands.
func (g *Gateway) replay(ctx context.Context, k Key) (Answer, bool, error) {
	for until := time.Now().Add(inFlightWait); ; {
		var hash []byte
		var status sql.NullInt64
		var response sql.NullString
		var object string
		var created time.Time
		err := g.db.QueryRowContext(ctx, `SELECT body_hash, status, response, object_id, created_at FROM idempotency_keys
			WHERE principal = $1 AND method = $2 AND path = $3 AND key = $4`, k.Principal, k.Method, k.Path, k.Key).Scan(&hash, &status, &response, &object, &created)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return Answer{}, false, nil
		case err != nil:
			return Answer{}, false, fmt.Errorf("reading an idempotency key: %w", err)
		case !bytes.Equal(hash, k.BodyHash):
			return Answer{}, false, &Problem{Name: ProblemKeyReused, Detail: "this Idempotency-Key was used with another body"}
		case status.Valid:
			return Answer{Status: int(status.Int64), Body: []byte(response.String), Replayed: true}, true, nil
		case g.now().Sub(created) > inFlightDead:
			a, err := g.asItStands(ctx, object)
			return a, err == nil, err
		case time.Now().After(until):
			return Answer{}, false, &Problem{Name: ProblemKeyInFlight, Detail: "a call with this Idempotency-Key is still in flight"}
		}
		select {
		case <-ctx.Done():
			return Answer{}, false, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// asItStands answers a payment's call that died half way: its outcome is what the record says by now.
func (g *Gateway) asItStands(ctx context.Context, paymentID string) (Answer, error) {
	var p paymentRow
	if err := g.db.GetContext(ctx, &p, `SELECT `+paymentColumns+` FROM payments WHERE id = $1`, paymentID); err != nil {
		return Answer{}, fmt.Errorf("reading payment %s: %w", paymentID, err)
	}
	body, err := json.Marshal(viewPayment(&p))
	if err != nil {
		return Answer{}, err
	}
	status := http.StatusCreated
	if p.Redirect == nil {
		status = http.StatusAccepted
	}
	return Answer{Status: status, Body: body, Replayed: true}, nil
}

type scannedOrder struct {
	orderRow
	KindsJSON    string `db:"kinds"`
	MetadataJSON string `db:"metadata"`
}

func (s *scannedOrder) row() (*orderRow, error) {
	if err := errors.Join(json.Unmarshal([]byte(s.KindsJSON), &s.Kinds), json.Unmarshal([]byte(s.MetadataJSON), &s.Metadata)); err != nil {
		return nil, fmt.Errorf("order %s: %w", s.ID, err)
	}
	return &s.orderRow, nil
}

func oneOrder(ctx context.Context, x sqlx.QueryerContext, where string, args ...any) (*orderRow, error) {
	var s scannedOrder
	err := sqlx.GetContext(ctx, x, &s, `SELECT `+orderColumns+` FROM orders WHERE `+where, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, &Problem{Name: ProblemNotFound, Detail: "there is no such order"}
	}
	if err != nil {
		return nil, fmt.Errorf("reading an order: %w", err)
	}
	return s.row()
}

// lockOrder locks an order that the caller may see; what belongs to others does not exist.
func lockOrder(ctx context.Context, tx *sqlx.Tx, c Caller, id string) (*orderRow, error) {
	source, agencies := c.sees()
	return oneOrder(ctx, tx, `id = $1 AND `+visible("", 2)+` FOR UPDATE`, id, source, agencies)
}

// partsOf reads what belongs to an order.
func partsOf(ctx context.Context, x sqlx.QueryerContext, orderID string) (*parts, error) {
	all, err := partsOfAll(ctx, x, []string{orderID})
	if err != nil {
		return nil, err
	}
	return all[orderID], nil
}

// partsOfAll reads what belongs to each of the orders, in one round trip however many they are.
func partsOfAll(ctx context.Context, x sqlx.QueryerContext, orderIDs []string) (map[string]*parts, error) {
	all := make(map[string]*parts, len(orderIDs))
	for _, id := range orderIDs {
		all[id] = &parts{}
	}
	var raw rawParts
	err := x.QueryRowxContext(ctx, `SELECT `+selectParts, pq.Array(orderIDs)).Scan(raw.into()...)
	if err == nil {
		err = raw.deal(all)
	}
	if err != nil {
		return nil, fmt.Errorf("reading what belongs to an order: %w", err)
	}
	return all, nil
}

// selectParts reads what belongs to the orders $1.
const selectParts = `(SELECT json_agg(l ORDER BY n) FROM order_lines l WHERE order_id = ANY ($1)),
	(SELECT json_agg(p ORDER BY created_at, id) FROM payments p WHERE order_id = ANY ($1)),
	(SELECT json_agg(r ORDER BY requested_at, id) FROM refunds r WHERE order_id = ANY ($1)),
	(SELECT json_agg(r ORDER BY recorded_at, kind, series, number) FROM receipts r WHERE order_id = ANY ($1)),
	(SELECT json_agg(a ORDER BY a.recorded_at, a.n) FROM allocations a JOIN payments p ON p.id = a.payment_id
		WHERE a.order_id = ANY ($1) AND p.order_id <> a.order_id)`

// rawParts are the columns of selectParts.
type rawParts struct{ lines, payments, refunds, receipts, applied []byte }

func (r *rawParts) into() []any {
	return []any{&r.lines, &r.payments, &r.refunds, &r.receipts, &r.applied}
}

func (r *rawParts) deal(all map[string]*parts) error {
	return errors.Join(
		deal(r.lines, func(l lineRow) string { return l.OrderID }, func(id string, r lineRow) { all[id].lines = append(all[id].lines, r) }),
		deal(r.payments, func(r paymentRow) string { return r.OrderID }, func(id string, r paymentRow) { all[id].payments = append(all[id].payments, r) }),
		deal(r.refunds, func(r refundRow) string { return r.OrderID }, func(id string, r refundRow) { all[id].refunds = append(all[id].refunds, r) }),
		deal(r.receipts, func(r receiptRow) string { return r.OrderID }, func(id string, r receiptRow) { all[id].receipts = append(all[id].receipts, r) }),
		deal(r.applied, func(r allocationRow) string { return r.OrderID }, func(id string, r allocationRow) { all[id].applied = append(all[id].applied, r) }))
}

// deal hands the rows of a JSON list out to their orders; no list is no rows.
func deal[T any](raw []byte, order func(T) string, give func(string, T)) error {
	if raw == nil {
		return nil
	}
	var rows []T
	if err := json.Unmarshal(raw, &rows); err != nil {
		return err
	}
	for _, r := range rows {
		give(order(r), r)
	}
	return nil
}

// historyOf reads every change of state of an object.
func historyOf(ctx context.Context, x sqlx.QueryerContext, id string) ([]HistoryView, error) {
	var h []HistoryView
	if err := sqlx.SelectContext(ctx, x, &h, `SELECT from_status, to_status, source, detail, recorded_at FROM history WHERE object_id = $1 ORDER BY id`, id); err != nil {
		return nil, fmt.Errorf("reading the history of %s: %w", id, err)
	}
	return h, nil
}

// Order gives an order that the caller may see, with its lines and payments.
func (g *Gateway) Order(ctx context.Context, c Caller, id string) (*OrderView, error) {
	source, agencies := c.sees()
	// One statement sees one moment: an order read apart from its payments could show money that the other half does not know.
	var row []byte
	var raw rawParts
	err := g.db.QueryRowxContext(ctx, `SELECT (SELECT row_to_json(o) FROM orders o
		WHERE o.id = ANY ($1) AND `+visible("o.", 2)+`), `+selectParts, pq.Array([]string{id}), source, agencies).Scan(append([]any{&row}, raw.into()...)...)
	if err != nil {
		return nil, fmt.Errorf("reading order %s: %w", id, err)
	}
	if row == nil {
		return nil, &Problem{Name: ProblemNotFound, Detail: "there is no such order"}
	}
	var o orderRow
	all := map[string]*parts{id: {}}
	if err := errors.Join(json.Unmarshal(row, &o), raw.deal(all)); err != nil {
		return nil, fmt.Errorf("order %s: %w", id, err)
	}
	return g.viewOrder(&o, all[id])
}

// Payment gives a payment that the caller may see, with its history.
func (g *Gateway) Payment(ctx context.Context, c Caller, id string) (*PaymentView, error) {
	p, err := g.visiblePayment(ctx, c, id)
	if ProblemName(err) == ProblemNotFound {
		p, err = g.orderless(ctx, c, id)
	}
	if err != nil {
		return nil, err
	}
	v := viewPayment(p)
	if v.Evidence, err = evidenceOf(ctx, g.db, id, g.now()); err != nil {
		return nil, err
	}
	if v.History, err = historyOf(ctx, g.db, id); err != nil {
		return nil, err
	}
	refunds, err := refundsOf(ctx, g.db, id)
	if err != nil {
		return nil, err
	}
	v.Refunds = viewRefunds(refunds)
	return &v, nil
}

func (g *Gateway) orderByReference(ctx context.Context, client, reference string) (string, error) {
	var id string
	err := g.db.GetContext(ctx, &id, `SELECT id FROM orders WHERE client_id = $1 AND reference = $2`, client, reference)
	return id, err
}

// orderHolding finds the live order that asks for one of the fees already.
func (g *Gateway) orderHolding(ctx context.Context, source, dossier string, lines []NewLine) (id, status string, err error) {
	fees, err := json.Marshal(lines)
	if err != nil {
		return "", "", err
	}
	err = g.db.QueryRowContext(ctx, `SELECT o.id, o.status FROM order_lines l JOIN orders o ON o.id = l.order_id
		JOIN json_to_recordset($3) AS f(fee_code text, purpose text) ON f.fee_code = l.fee_code AND coalesce(f.purpose, '') = l.purpose
		WHERE l.live AND l.source_system = $1 AND l.dossier_code = $2 LIMIT 1`, source, dossier, string(fees)).Scan(&id, &status)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", nil // it ended meanwhile: the caller may try again
	}
	return id, status, err
}

// newerLive reports whether another live order asks for a fee of this one.
func newerLive(ctx context.Context, x sqlx.QueryerContext, orderID string) (bool, error) {
	var found bool
	err := x.QueryRowxContext(ctx, `SELECT EXISTS (SELECT FROM order_lines mine JOIN order_lines l USING (source_system, dossier_code, fee_code, purpose)
		WHERE mine.order_id = $1 AND l.order_id <> $1 AND l.live)`, orderID).Scan(&found)
	return found, err
}

// receivedOn is the day a dossier was received as the procedure-handling system told it; "" where it told none.
func (g *Gateway) receivedOn(ctx context.Context, source, dossier string) (string, error) {
	var day string
	err := g.db.GetContext(ctx, &day, `SELECT to_char(received_on, 'YYYY-MM-DD') FROM dossiers WHERE source_system = $1 AND dossier_code = $2 ORDER BY n DESC LIMIT 1`,
		source, dossier)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading dossier %s: %w", dossier, err)
	}
	return day, nil
}
