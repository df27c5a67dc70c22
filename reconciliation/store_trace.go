package reconciliation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
)

const traceColumns = `n, asked_of, question, due::text AS due, asked_by, asked_at, answer, answered_by, answered_at`

// insertTrace writes a trace request under the next number; the discrepancy's row is locked.
func insertTrace(ctx context.Context, tx *sqlx.Tx, id, by string, in NewTrace, now time.Time) (*Trace, error) {
	var t Trace
	err := tx.GetContext(ctx, &t, `INSERT INTO discrepancy_traces (discrepancy_id, n, asked_of, question, due, asked_by, asked_at)
		SELECT $1, (SELECT coalesce(max(n), 0) + 1 FROM discrepancy_traces WHERE discrepancy_id = $1), $2, $3,
			coalesce(nullif($4, '')::date, working_day_after(business_day($6), $7)), $5, $6
		WHERE NOT EXISTS (SELECT FROM discrepancy_traces WHERE discrepancy_id = $1 AND answer IS NULL) RETURNING `+traceColumns,
		id, in.AskedOf, in.Question, in.Due, by, now, answerInDays)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, &gateway.Problem{Name: ProblemResolution, Detail: "a trace request waits for its answer already"}
	}
	if err != nil {
		return nil, fmt.Errorf("asking about %s: %w", id, err)
	}
	return &t, nil
}

func answerTrace(ctx context.Context, tx *sqlx.Tx, id, by, answer string, now time.Time) (*Trace, error) {
	var t Trace
	err := tx.GetContext(ctx, &t, `UPDATE discrepancy_traces SET answer = $2, answered_by = $3, answered_at = $4 WHERE discrepancy_id = $1 AND answer IS NULL RETURNING `+traceColumns,
		id, answer, by, now)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoTrace
	}
	if err != nil {
		return nil, fmt.Errorf("answering about %s: %w", id, err)
	}
	return &t, nil
}

// letterNames are the agency that writes and the person who asks.
func (r *Reconciler) letterNames(ctx context.Context, agency, person string) (agencyName, personName string, err error) {
	err = r.db.QueryRowContext(ctx, `SELECT coalesce((SELECT name FROM agencies WHERE code = $1), $1), coalesce((SELECT name FROM users WHERE id = $2), '')`, agency, person).
		Scan(&agencyName, &personName)
	return agencyName, personName, err
}
