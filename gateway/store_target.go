package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
)

const selectTargets = `SELECT id, percent::text, valid_from::text, valid_to::text, source, replaces, status, proposed_by, proposed_at, decided_by, decided_at, note FROM targets `

// Targets lists all that were ever proposed, by day and percentage.
func (g *Gateway) Targets(ctx context.Context) ([]Target, error) {
	out := []Target{}
	if err := g.db.SelectContext(ctx, &out, selectTargets+`ORDER BY valid_from, percent, id`); err != nil {
		return nil, fmt.Errorf("reading the targets: %w", err)
	}
	return out, nil
}

// ProposeTarget proposes a target. It counts for nothing until another person approves it.
func (g *Gateway) ProposeTarget(ctx context.Context, n NewTarget, by By) (*Target, error) {
	if err := n.check(g.today()); err != nil {
		return nil, err
	}
	id := newID("tgt_")
	return g.targetAfter(ctx, id, func(tx *sqlx.Tx) error {
		if n.Replaces != "" {
			if err := replaceable(ctx, tx, n.Replaces, n.ValidFrom); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO targets (id, percent, valid_from, valid_to, source, replaces, origin, status, proposed_by, proposed_at)
			VALUES ($1, $2, $3, nullif($4, '')::date, $5, nullif($6, ''), 'people', 'proposed', $7, $8)`, id, string(n.Percent), n.ValidFrom, n.ValidTo, n.Source, n.Replaces, by.ID, g.now())
		if violated(err) == "targets_standing" {
			return &Problem{Name: ProblemProposalExists, Detail: "there is such a target from that day on, or one waits to be decided"}
		}
		if err != nil {
			return fmt.Errorf("proposing a target: %w", err)
		}
		return by.Record(ctx, tx, "target.proposed", id, map[string]any{"percent": n.Percent, "valid_from": n.ValidFrom, "valid_to": n.ValidTo, "source": n.Source, "replaces": n.Replaces})
	})
}

// replaceable holds what is to end to what can: an approved target that has no end and began before.
func replaceable(ctx context.Context, tx *sqlx.Tx, id, from string) error {
	var can bool
	err := tx.GetContext(ctx, &can, `SELECT status = 'approved' AND valid_to IS NULL AND valid_from < $2 FROM targets WHERE id = $1 FOR UPDATE`, id, from)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("reading target %s: %w", id, err)
	}
	if !can {
		return &Problem{Name: ProblemInvalid, Fields: []FieldError{{"replaces", "must be an approved target without an end that began before valid_from"}}}
	}
	return nil
}

// DecideTarget approves or rejects a target, by another person than proposed it and before its day has passed.
func (g *Gateway) DecideTarget(ctx context.Context, id string, approve bool, note string, by By) (*Target, error) {
	return g.targetAfter(ctx, id, func(tx *sqlx.Tx) error {
		var t Target
		err := tx.GetContext(ctx, &t, selectTargets+`WHERE id = $1 FOR UPDATE`, id)
		if errors.Is(err, sql.ErrNoRows) {
			return &Problem{Name: ProblemNotFound, Detail: "there is no such target"}
		}
		if err != nil {
			return fmt.Errorf("reading target %s: %w", id, err)
		}
		proposer := ""
		if t.ProposedBy != nil {
			proposer = *t.ProposedBy
		}
		status, err := Decide(t.Status, proposer, by.ID, approve, note, t.ValidFrom, g.today())
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE targets SET status = $2, decided_by = $3, decided_at = $4, note = $5 WHERE id = $1 AND status = 'proposed'`, id, status, by.ID, g.now(), note); err != nil {
			return fmt.Errorf("deciding on target %s: %w", id, err)
		}
		if status == Approved && t.Replaces != nil {
			if err := replaceable(ctx, tx, *t.Replaces, t.ValidFrom); err != nil {
				return &Problem{Name: ProblemProposalState, Detail: "the target that it replaces has ended meanwhile: reject it, and propose it again"}
			}
			if _, err := tx.ExecContext(ctx, `UPDATE targets SET valid_to = $2 WHERE id = $1`, *t.Replaces, t.ValidFrom); err != nil {
				return fmt.Errorf("ending target %s: %w", *t.Replaces, err)
			}
		}
		return by.Record(ctx, tx, "target."+status, id, map[string]any{"percent": t.Percent, "valid_from": t.ValidFrom, "note": note, "replaces": t.Replaces})
	})
}

// targetAfter does one thing to a target and gives it as it then stands.
func (g *Gateway) targetAfter(ctx context.Context, id string, do func(*sqlx.Tx) error) (*Target, error) {
	var t Target
	err := transact(ctx, g.db, func(tx *sqlx.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		if err := tx.GetContext(ctx, &t, selectTargets+`WHERE id = $1`, id); err != nil {
			return fmt.Errorf("reading target %s: %w", id, err)
		}
		return nil
	})
	return &t, err
}
