package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// Heard is a message about a payment as it was received, and what was made of it.
type Heard struct {
	At      time.Time `db:"received_at"`
	Kind    string    `db:"kind"` // callback, return
	Verdict string    `db:"verdict"`
	Account string    `db:"account_id"`
	Sealed  []byte    `db:"sealed"`
	Raw     string    `db:"-"` // where it was asked for
}

// Asked is a question to a provider about a payment or one of its refunds, and its answer.
type Asked struct {
	At      time.Time `db:"asked_at"`
	Object  string    `db:"object_id"`
	Outcome string    `db:"outcome"`
	Code    string    `db:"code"`
	Detail  string    `db:"detail"`
	TookMS  int64     `db:"took_ms"`
}

// mostHeard bounds what a page shows of messages and of questions each: the newest.
const mostHeard = 200

// Said gives what was heard about a payment that the caller may see and what was asked about it and its refunds, newest first. With raw the
// messages are opened, which may name the payer: the caller notes who looks.
func (g *Gateway) Said(ctx context.Context, c Caller, p *PaymentView, raw bool) ([]Heard, []Asked, error) {
	if _, err := g.Payment(ctx, c, p.ID); err != nil {
		return nil, nil, err
	}
	var heard []Heard
	if err := g.db.SelectContext(ctx, &heard, `SELECT received_at, kind, verdict, account_id, sealed FROM callbacks WHERE payment_id = $1 ORDER BY received_at DESC LIMIT $2`, p.ID, mostHeard); err != nil {
		return nil, nil, fmt.Errorf("reading what was heard of %s: %w", p.ID, err)
	}
	for i := range heard {
		if !raw {
			continue
		}
		plain, err := g.keys.Open(heard[i].Sealed, "callback:"+heard[i].Account)
		if err != nil {
			return nil, nil, fmt.Errorf("opening what was heard of %s: %w", p.ID, err)
		}
		heard[i].Raw = string(plain)
	}
	ids := []string{p.ID}
	for i := range p.Refunds {
		ids = append(ids, p.Refunds[i].ID)
	}
	var asked []Asked
	if err := g.db.SelectContext(ctx, &asked, `SELECT asked_at, object_id, outcome, code, detail, took_ms FROM lookups WHERE object_id = ANY ($1) ORDER BY asked_at DESC LIMIT $2`, pq.Array(ids), mostHeard); err != nil {
		return nil, nil, fmt.Errorf("reading what was asked about %s: %w", p.ID, err)
	}
	return heard, asked, nil
}
