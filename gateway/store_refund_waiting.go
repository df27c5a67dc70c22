package gateway

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ListableRefund is an approved refund that no interface pays back, or one that the bank gave back: it waits for a list of its agency.
type ListableRefund struct {
	RefundView
	AgencyCode string
}

// RefundsToList are the refunds that a list may have, the approved before those that came back, the oldest first.
func (g *Gateway) RefundsToList(ctx context.Context, c Caller, limit int) ([]ListableRefund, error) {
	source, agencies := c.sees()
	var rows []struct {
		refundRow
		Agency string `db:"agency"`
	}
	err := g.db.SelectContext(ctx, &rows, strings.Replace(refundsSeen, " FROM refunds r ", ", coalesce(o.agency_code, a.agency_code, '') AS agency FROM refunds r ", 1)+`
		AND r.manual AND r.status IN ('approved', 'failed') AND coalesce(NOT 'nvtc' = ANY (o.kinds), true) ORDER BY coalesce(o.agency_code, a.agency_code), r.status, r.requested_at, r.id LIMIT $4`, source, agencies, c.Person, limit)
	if err != nil {
		return nil, fmt.Errorf("listing refunds that wait for a list: %w", err)
	}
	out := make([]ListableRefund, 0, len(rows))
	for i := range rows {
		out = append(out, ListableRefund{viewRefund(&rows[i].refundRow), rows[i].Agency})
	}
	return out, nil
}

// RefundDestination tells where a refund is to go and what shows that the account is the payer's: the name in clear, of the account the last digits. nil: it goes
// back to where it came from, or the words have been destroyed. Whoever calls it is audited by the edge.
func (g *Gateway) RefundDestination(ctx context.Context, c Caller, id string) (*Destination, error) {
	if _, err := g.visibleRefund(ctx, c, id); err != nil {
		return nil, err
	}
	var sealed []byte
	err := g.db.GetContext(ctx, &sealed, `SELECT sealed FROM refund_destinations WHERE refund_id = $1`, id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading where refund %s goes: %w", id, err)
	}
	plain, err := g.keys.Open(sealed, "refund:"+id)
	if err != nil {
		return nil, fmt.Errorf("where refund %s goes: %w", id, err)
	}
	var d Destination
	if err := json.Unmarshal(plain, &d); err != nil {
		return nil, errors.New("where refund " + id + " goes is damaged")
	}
	d.AccountNumber = MaskedAccount(d.AccountNumber)
	return &d, nil
}

// MaskedAccount is an account number of which the last four digits are told.
func MaskedAccount(number string) string {
	if len(number) <= 4 {
		return "••••"
	}
	return "••••" + number[len(number)-4:]
}
