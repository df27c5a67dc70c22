package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

const ofAgencies = `(cardinality($%[1]d::text[]) = 0 OR agency_code = ANY ($%[1]d))`

// StaffAccounts lists declarations, those that stand alone or all, the newest first. A person sees those of their agencies.
func (g *Gateway) StaffAccounts(ctx context.Context, by By, ended bool) ([]StaffAccount, error) {
	out := []StaffAccount{}
	err := g.db.SelectContext(ctx, &out, `SELECT 'sta_' || id AS id, agency_code, kind, bank, masked, declared_by, recorded_at, ended_by, ended_at FROM staff_accounts
		WHERE ($1 OR ended_at IS NULL) AND `+fmt.Sprintf(ofAgencies, 2)+` ORDER BY staff_accounts.id DESC`, ended, pq.Array(append([]string{}, by.Agencies...)))
	if err != nil {
		return nil, fmt.Errorf("reading the staff accounts: %w", err)
	}
	return out, nil
}

// PutStaffAccounts declares and ends, all or nothing. What is declared already stays as it is; what a person declared another ends.
func (g *Gateway) PutStaffAccounts(ctx context.Context, c StaffChange, by By) (*StaffOutcome, error) {
	agencies, err := g.Agencies(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := g.staffRows(&c, by, agencies)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(rows)
	if err != nil {
		return nil, fmt.Errorf("declaring staff accounts: %w", err)
	}
	out := &StaffOutcome{}
	now := g.now()
	return out, transact(ctx, g.db, func(tx *sqlx.Tx) error {
		var own []string
		if err := tx.SelectContext(ctx, &own, `SELECT 'sta_' || id FROM staff_accounts WHERE 'sta_' || id = ANY ($1) AND ended_at IS NULL AND declared_by = $2`, pq.Array(append([]string{}, c.End...)), by.ID); err != nil {
			return fmt.Errorf("reading staff accounts: %w", err)
		}
		if len(own) > 0 {
			return &Problem{Name: ProblemSecondPerson, Detail: "what was paid from the account would count as online again: another person than declared it ends the declaration"}
		}
		var ended []string
		ids := pq.Array(append([]string{}, c.End...))
		if err := tx.SelectContext(ctx, &ended, `UPDATE staff_accounts SET ended_at = $2, ended_by = $4 WHERE 'sta_' || id = ANY ($1) AND ended_at IS NULL AND `+fmt.Sprintf(ofAgencies, 3)+` RETURNING 'sta_' || id`,
			ids, now, pq.Array(append([]string{}, by.Agencies...)), by.ID); err != nil {
			return fmt.Errorf("ending staff accounts: %w", err)
		}
		if out.Ended = len(ended); len(ended) < len(c.End) {
			return &Problem{Name: ProblemNotFound, Detail: "end names a declaration that does not stand"}
		}
		// One that another agency declared stands as it is; a person limited to agencies learns no more than that.
		var foreign []int
		if err := tx.SelectContext(ctx, &foreign, `SELECT n.n FROM json_to_recordset($1) AS n(n int, digest bytea, agency_code text) JOIN staff_accounts s ON s.digest = n.digest AND s.ended_at IS NULL
			WHERE s.agency_code IS DISTINCT FROM n.agency_code ORDER BY n.n`, string(raw)); err != nil {
			return fmt.Errorf("reading staff accounts: %w", err)
		}
		if len(foreign) > 0 {
			var e fieldErrors
			for _, n := range foreign {
				e.add(fmt.Sprintf("accounts[%d].agency_code", n), "the account is declared otherwise: that declaration must end first")
			}
			return &Problem{Name: ProblemInvalid, Fields: e}
		}
		var added []struct {
			ID     string `db:"id"`
			Masked string `db:"masked"`
		}
		if err := tx.SelectContext(ctx, &added, `INSERT INTO staff_accounts (digest, agency_code, kind, bank, masked, declared_by, recorded_at)
			SELECT n.digest, n.agency_code, n.kind, n.bank, n.masked, $2, $3 FROM json_to_recordset($1) AS n(digest bytea, agency_code text, kind text, bank text, masked text)
			ON CONFLICT (digest) WHERE ended_at IS NULL DO NOTHING RETURNING 'sta_' || id AS id, masked`, string(raw), by.ID, now); err != nil {
			return fmt.Errorf("declaring staff accounts: %w", err)
		}
		out.Declared, out.Known = len(added), len(rows)-len(added)
		for _, a := range added {
			if err := by.Record(ctx, tx, "staff-account.declared", a.ID, map[string]any{"masked": a.Masked}); err != nil {
				return err
			}
		}
		for _, id := range ended {
			if err := by.Record(ctx, tx, "staff-account.ended", id, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

const selectAllowances = `SELECT id, encode(digest, 'hex') AS digest, masked, decision, status, proposed_by, proposed_at, approved_by, recorded_at, ended_at FROM payer_allowances `

// Allowances lists the decisions, the newest first.
func (g *Gateway) Allowances(ctx context.Context) ([]Allowance, error) {
	out := []Allowance{}
	if err := g.db.SelectContext(ctx, &out, selectAllowances+`ORDER BY recorded_at DESC, id DESC`); err != nil {
		return nil, fmt.Errorf("reading the allowances: %w", err)
	}
	return out, nil
}

// ProposeAllowance proposes that an account may pay for many.
func (g *Gateway) ProposeAllowance(ctx context.Context, n NewAllowance, by By) (*Allowance, error) {
	var e fieldErrors
	n.Decision = strings.TrimSpace(n.Decision)
	text(&e, "decision", n.Decision, 1, 500)
	digest, masked, _ := g.payerDigest(&e, "", n.PayerAccount)
	if len(e) > 0 {
		return nil, &Problem{Name: ProblemInvalid, Fields: e}
	}
	id := newID("alw_")
	return g.allowanceAfter(ctx, id, func(tx *sqlx.Tx, _ *Allowance) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO payer_allowances (id, digest, masked, decision, status, proposed_by, proposed_at, recorded_at) VALUES ($1, $2::text::bytea, $3, $4, 'proposed', $5, $6, $6)`,
			id, digest, masked, n.Decision, by.ID, g.now())
		if violated(err) == "payer_allowances_standing" {
			return &Problem{Name: ProblemProposalExists, Detail: "a decision on this account stands, or waits to be decided"}
		}
		if err != nil {
			return fmt.Errorf("proposing an allowance: %w", err)
		}
		return by.Record(ctx, tx, "allowance.proposed", id, map[string]any{"masked": masked, "decision": n.Decision})
	})
}

// DecideAllowance approves or rejects. An approved one ends the flag that stands on the account.
func (g *Gateway) DecideAllowance(ctx context.Context, id string, approve bool, by By) (*Allowance, error) {
	return g.allowanceAfter(ctx, id, func(tx *sqlx.Tx, a *Allowance) error {
		if a == nil {
			return &Problem{Name: ProblemNotFound, Detail: "there is no such decision"}
		}
		status, err := Decide(a.Status, a.ProposedBy, by.ID, approve, "", "", "")
		if err != nil {
			return err
		}
		now := g.now()
		if _, err := tx.ExecContext(ctx, `UPDATE payer_allowances SET status = $2, approved_by = $3, recorded_at = $4 WHERE id = $1 AND status = 'proposed'`, id, status, by.ID, now); err != nil {
			return fmt.Errorf("deciding on allowance %s: %w", id, err)
		}
		if status == Approved {
			if _, err := tx.ExecContext(ctx, `UPDATE payer_flags SET ended_at = greatest($2, recorded_at) WHERE digest = decode($1, 'hex') AND ended_at IS NULL`, a.Digest, now); err != nil {
				return fmt.Errorf("ending the flag of allowance %s: %w", id, err)
			}
		}
		return by.Record(ctx, tx, "allowance."+status, id, map[string]any{"masked": a.Masked, "decision": a.Decision})
	})
}

// EndAllowance ends one that stands: from now on the account is like any other.
func (g *Gateway) EndAllowance(ctx context.Context, id string, by By) (*Allowance, error) {
	return g.allowanceAfter(ctx, id, func(tx *sqlx.Tx, a *Allowance) error {
		if a == nil {
			return &Problem{Name: ProblemNotFound, Detail: "there is no such decision"}
		}
		if a.Status != Approved || a.EndedAt != nil {
			return &Problem{Name: ProblemProposalState, Detail: "it does not stand"}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE payer_allowances SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL`, id, g.now()); err != nil {
			return fmt.Errorf("ending allowance %s: %w", id, err)
		}
		return by.Record(ctx, tx, "allowance.ended", id, map[string]any{"masked": a.Masked, "decision": a.Decision})
	})
}

// allowanceAfter does one thing to an allowance, as it stands (nil where there is none yet), and gives it as it then stands.
func (g *Gateway) allowanceAfter(ctx context.Context, id string, do func(*sqlx.Tx, *Allowance) error) (*Allowance, error) {
	var a Allowance
	err := transact(ctx, g.db, func(tx *sqlx.Tx) error {
		var had []Allowance
		if err := tx.SelectContext(ctx, &had, selectAllowances+`WHERE id = $1 FOR UPDATE`, id); err != nil {
			return fmt.Errorf("reading allowance %s: %w", id, err)
		}
		var before *Allowance
		if len(had) > 0 {
			before = &had[0]
		}
		if err := do(tx, before); err != nil {
			return err
		}
		if err := tx.GetContext(ctx, &a, selectAllowances+`WHERE id = $1`, id); err != nil {
			return fmt.Errorf("reading allowance %s: %w", id, err)
		}
		return nil
	})
	return &a, err
}
