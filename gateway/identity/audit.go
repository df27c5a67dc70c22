package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Actor is who did something, from where, in which request.
type Actor struct {
	Kind      Kind
	ID        string
	Address   string
	RequestID string
}

// System is feegate itself, for what nobody asked for.
func System() Actor { return Actor{Kind: KindSystem, ID: "feegate"} }

// Actor is the principal as the audit names it.
func (p *Principal) Actor(address, requestID string) Actor {
	return Actor{Kind: p.Kind, ID: p.ID, Address: address, RequestID: requestID}
}

// Record is one row of the audit. Detail carries no secrets and no personal data.
type Record struct {
	ID         int64           `json:"id" db:"id"`
	RecordedAt time.Time       `json:"recorded_at" db:"recorded_at"`
	ActorKind  Kind            `json:"actor_kind" db:"actor_kind"`
	Actor      string          `json:"actor" db:"actor"`
	Action     string          `json:"action" db:"action"`
	Object     string          `json:"object" db:"object"`
	Address    string          `json:"address" db:"address"`
	RequestID  string          `json:"request_id" db:"request_id"`
	Detail     json.RawMessage `json:"detail" db:"detail"`
}

// Audit appends to the audit. Where the deed is a transaction, pass it: then there is neither deed without row nor row
// without deed. tx may be nil.
func (s *Store) Audit(ctx context.Context, tx sqlx.ExtContext, by Actor, action, object string, detail map[string]any) error {
	if tx == nil {
		tx = s.db
	}
	return s.audit(ctx, tx, by, action, object, detail)
}

func (s *Store) audit(ctx context.Context, tx sqlx.ExtContext, by Actor, action, object string, detail map[string]any) error {
	if by.Kind == "" || action == "" {
		return fmt.Errorf("audit: who did what is needed, not %+v %q", by, action)
	}
	if detail == nil {
		detail = map[string]any{}
	}
	b, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("audit of %s: %w", action, err)
	}
	err = insertAudit(ctx, tx, Record{RecordedAt: s.now(), ActorKind: by.Kind, Actor: by.ID, Action: action, Object: object,
		Address: by.Address, RequestID: by.RequestID, Detail: b})
	if err != nil {
		return fmt.Errorf("audit of %s: %w", action, err)
	}
	return nil
}

// Filter narrows a list of the audit; zero values do not narrow. After is the id of the last row of the page before.
type Filter struct {
	Object, Actor, Action string
	From, To              time.Time // half-open
	After                 int64
	Limit                 int // 1 … 200; 50 when 0
}

// Records lists the audit, newest first.
func (s *Store) Records(ctx context.Context, f Filter) ([]Record, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	f.Limit = min(f.Limit, 200)
	rows, err := s.auditRows(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("reading the audit: %w", err)
	}
	return rows, nil
}

// Look lists the audit for somebody who is then in it, with what they looked for; next is the Filter.After of the page that
// follows, 0 at the end.
func (s *Store) Look(ctx context.Context, by Actor, f Filter) (rows []Record, next int64, err error) {
	if rows, err = s.Records(ctx, f); err != nil {
		return nil, 0, err
	}
	if n := len(rows); n > 0 {
		older := f
		older.After, older.Limit = rows[n-1].ID, 1
		more, err := s.Records(ctx, older)
		if err != nil {
			return nil, 0, err
		}
		if len(more) > 0 {
			next = older.After
		}
	}
	sought := map[string]any{"rows": len(rows)}
	for name, v := range map[string]string{"object": f.Object, "actor": f.Actor, "action": f.Action} {
		if v != "" {
			sought[name] = v
		}
	}
	for name, t := range map[string]time.Time{"from": f.From, "to": f.To} {
		if !t.IsZero() {
			sought[name] = t.Format(time.RFC3339)
		}
	}
	return rows, next, s.Audit(ctx, nil, by, "audit.read", "", sought)
}
