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
	paid_amount, refunded_amount, late, return_url, supersedes, metadata::text AS metadata, array_to_json(kinds)::text AS kinds, created_at, expires_at, settled_at`

const paymentColumns = `id, order_id, account_id, provider, provider_reference, status, mode, requested_amount, received_amount,
	allocated_amount, reserved_amount, method, initiated_by, place, channel, channel_rule, locale, payer_ip, description, redirect,
	provider_transaction, code, reason, in_doubt, created_at, expires_at, paid_at, recorded_at, next_lookup_at, last_lookup_at,
	last_lookup_outcome, lookups`

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
	inFlightDead = 2 * time.Minute
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

// partsOf reads an order's lines and payments.
func partsOf(ctx context.Context, x sqlx.QueryerContext, orderID string) ([]lineRow, []paymentRow, error) {
	var raw string
	err := x.QueryRowxContext(ctx, `SELECT coalesce(json_agg(l ORDER BY n), '[]')::text FROM order_lines l WHERE order_id = $1`, orderID).Scan(&raw)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the lines of %s: %w", orderID, err)
	}
	var lines []lineRow
	if err := json.Unmarshal([]byte(raw), &lines); err != nil {
		return nil, nil, fmt.Errorf("reading the lines of %s: %w", orderID, err)
	}
	var payments []paymentRow
	if err := sqlx.SelectContext(ctx, x, &payments, `SELECT `+paymentColumns+` FROM payments WHERE order_id = $1 ORDER BY created_at, id`, orderID); err != nil {
		return nil, nil, fmt.Errorf("reading the payments of %s: %w", orderID, err)
	}
	return lines, payments, nil
}

// Order gives an order that the caller may see, with its lines and payments.
func (g *Gateway) Order(ctx context.Context, c Caller, id string) (*OrderView, error) {
	source, agencies := c.sees()
	o, err := oneOrder(ctx, g.db, `id = $1 AND `+visible("", 2), id, source, agencies)
	if err != nil {
		return nil, err
	}
	lines, payments, err := partsOf(ctx, g.db, id)
	if err != nil {
		return nil, err
	}
	return g.viewOrder(o, lines, payments)
}

// Payment gives a payment that the caller may see, with its history.
func (g *Gateway) Payment(ctx context.Context, c Caller, id string) (*PaymentView, error) {
	source, agencies := c.sees()
	var p paymentRow
	err := g.db.GetContext(ctx, &p, `SELECT `+paymentColumns+` FROM payments WHERE id = $1
		AND EXISTS (SELECT FROM orders o WHERE o.id = order_id AND `+visible("o.", 2)+`)`, id, source, agencies)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, &Problem{Name: ProblemNotFound, Detail: "there is no such payment"}
	}
	if err != nil {
		return nil, fmt.Errorf("reading payment %s: %w", id, err)
	}
	v := viewPayment(&p)
	if v.Evidence, err = evidenceOf(ctx, g.db, id, g.now()); err != nil {
		return nil, err
	}
	rows, err := g.db.QueryContext(ctx, `SELECT from_status, to_status, source, detail, recorded_at FROM history WHERE object_id = $1 ORDER BY id`, id)
	if err != nil {
		return nil, fmt.Errorf("reading the history of %s: %w", id, err)
	}
	defer rows.Close()
	for rows.Next() {
		var h HistoryView
		if err := rows.Scan(&h.From, &h.To, &h.Source, &h.Detail, &h.RecordedAt); err != nil {
			return nil, fmt.Errorf("reading the history of %s: %w", id, err)
		}
		v.History = append(v.History, h)
	}
	return &v, rows.Err()
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
