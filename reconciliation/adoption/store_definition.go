package adoption

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway"
)

// DefinitionOn gives the definition in force on a day: OPR-1 with its own numbers where no other is.
func (r *Reporter) DefinitionOn(ctx context.Context, day string) (InForce, error) {
	d := InForce{ID: Definition, Parameters: DefaultParameters()}
	var raw []byte
	var from time.Time
	err := r.db.QueryRowContext(ctx, `SELECT id, parameters, valid_from FROM definitions WHERE status = 'approved' AND valid_from <= $1
		ORDER BY valid_from DESC, decided_at DESC NULLS LAST, id DESC LIMIT 1`, day).Scan(&d.ID, &raw, &from)
	if errors.Is(err, sql.ErrNoRows) {
		return d, nil
	}
	if err != nil {
		return d, fmt.Errorf("reading the definition of %s: %w", day, err)
	}
	if err := json.Unmarshal(raw, &d.Parameters); err != nil { // what it does not name is as in OPR-1
		return d, fmt.Errorf("definition %s: %w", d.ID, err)
	}
	d.ValidFrom = &from
	return d, nil
}

const definitionColumns = `id, parameters, valid_from::text, reason, status, proposed_by, proposed_at, decided_by, decided_at, note`

type definitionRow struct {
	Proposed
	Raw []byte `db:"parameters"`
}

func (d *definitionRow) proposed() (Proposed, error) {
	d.Parameters = DefaultParameters()
	if err := json.Unmarshal(d.Raw, &d.Parameters); err != nil {
		return d.Proposed, fmt.Errorf("definition %s: %w", d.ID, err)
	}
	return d.Proposed, nil
}

// Definitions lists all that were ever proposed, the newest first.
func (r *Reporter) Definitions(ctx context.Context) ([]Proposed, error) {
	var rows []definitionRow
	if err := r.db.SelectContext(ctx, &rows, `SELECT `+definitionColumns+` FROM definitions ORDER BY valid_from DESC, proposed_at DESC NULLS LAST, id DESC`); err != nil {
		return nil, fmt.Errorf("reading the definitions: %w", err)
	}
	in, err := r.DefinitionOn(ctx, r.today())
	if err != nil {
		return nil, err
	}
	out := make([]Proposed, 0, len(rows))
	for i := range rows {
		d, err := rows[i].proposed()
		if err != nil {
			return nil, err
		}
		d.InForce = d.ID == in.ID
		out = append(out, d)
	}
	return out, nil
}

func (r *Reporter) today() string { return r.now().In(zone).Format(time.DateOnly) }

// ProposeDefinition proposes other numbers, under an id of their own, from a day on. Nothing changes until another person approves.
func (r *Reporter) ProposeDefinition(ctx context.Context, n NewDefinition, by gateway.By) (*Proposed, error) {
	if err := n.check(r.today()); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(n.Parameters)
	if err != nil {
		return nil, fmt.Errorf("definition %s: %w", n.ID, err)
	}
	return r.decided(ctx, n.ID, func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO definitions (id, parameters, valid_from, reason, origin, status, proposed_by, proposed_at)
			VALUES ($1, $2, $3, $4, 'people', 'proposed', $5, $6)`, n.ID, string(raw), n.ValidFrom, n.Reason, by.ID, r.now())
		var p *pq.Error
		if errors.As(err, &p) && p.Constraint == "definitions_pkey" {
			return &gateway.Problem{Name: gateway.ProblemProposalExists, Detail: "a definition has this id: a change has an id of its own"}
		}
		if err != nil {
			return fmt.Errorf("proposing definition %s: %w", n.ID, err)
		}
		return by.Record(ctx, tx, "definition.proposed", n.ID, map[string]any{"parameters": n.Parameters, "valid_from": n.ValidFrom, "reason": n.Reason})
	})
}

// DecideDefinition approves or rejects a proposal, by another person than proposed it and before its day has passed.
func (r *Reporter) DecideDefinition(ctx context.Context, id string, approve bool, note string, by gateway.By) (*Proposed, error) {
	return r.decided(ctx, id, func(tx *sqlx.Tx) error {
		var d definitionRow
		err := tx.GetContext(ctx, &d, `SELECT `+definitionColumns+` FROM definitions WHERE id = $1 FOR UPDATE`, id)
		if errors.Is(err, sql.ErrNoRows) {
			return &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such definition"}
		}
		if err != nil {
			return fmt.Errorf("reading definition %s: %w", id, err)
		}
		proposer := ""
		if d.ProposedBy != nil {
			proposer = *d.ProposedBy
		}
		status, err := gateway.Decide(d.Status, proposer, by.ID, approve, note, d.ValidFrom, r.today())
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE definitions SET status = $2, decided_by = $3, decided_at = $4, note = $5 WHERE id = $1 AND status = 'proposed'`,
			id, status, by.ID, r.now(), note); err != nil {
			return fmt.Errorf("deciding on definition %s: %w", id, err)
		}
		return by.Record(ctx, tx, "definition."+status, id, map[string]any{"note": note})
	})
}

// decided does one thing to a definition and gives it as it then stands.
func (r *Reporter) decided(ctx context.Context, id string, do func(*sqlx.Tx) error) (*Proposed, error) {
	tx, err := r.db.BeginTxx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("definition %s: %w", id, err)
	}
	defer tx.Rollback() // does nothing after the commit
	if err := do(tx); err != nil {
		return nil, err
	}
	var d definitionRow
	if err := tx.GetContext(ctx, &d, `SELECT `+definitionColumns+` FROM definitions WHERE id = $1`, id); err != nil {
		return nil, fmt.Errorf("reading definition %s: %w", id, err)
	}
	out, err := d.proposed()
	if err != nil {
		return nil, err
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("definition %s: %w", id, err)
	}
	in, err := r.DefinitionOn(ctx, r.today())
	out.InForce = in.ID == out.ID
	return &out, err
}
