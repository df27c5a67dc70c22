package honesty

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/reconciliation/adoption"
)

// found puts a rule's query behind the names of its columns. Every parameter is named with its type, whether the query uses it or not.
func (c check) found() string {
	with := "WITH"
	if c.facts {
		with = adoption.FactsOf("") + ","
	}
	return with + ` asked_for AS (SELECT $1::timestamptz, $2::timestamptz, $3::timestamptz, $4::text[], $5::jsonb),
		raw (kind, agency_code, subject_kind, subject, who, role, since, at, amount, payment_id, order_id, dossier_code, args) AS (` + c.query + `),
		found AS MATERIALIZED (SELECT *, concat_ws('/', to_char(since AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS'), kind, agency_code, subject_kind, subject, order_id) COLLATE "C" AS position
			FROM raw WHERE at >= $2 AND at < $3 AND since <= $1 AND (agency_code = '' OR cardinality($4::text[]) = 0 OR agency_code = ANY ($4)) AND ($6::text = '' OR agency_code = $6))`
}

// reading begins a transaction for one large question.
func (b *Book) reading(ctx context.Context) (*sqlx.Tx, error) {
	tx, err := b.db.BeginTxx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("beginning to look: %w", err)
	}
	if _, err := tx.ExecContext(ctx, adoption.Looking+`; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL statement_timeout = '120s'`); err != nil {
		_ = tx.Rollback() // the first error says more
		return nil, fmt.Errorf("beginning to look: %w", err)
	}
	return tx, nil
}

func (c check) arguments(q Question, s *span, p adoption.Parameters, more ...any) []any {
	numbers, _ := json.Marshal(p) // whole numbers: it cannot fail
	return append([]any{s.asOf, s.from, s.to, pq.Array(append([]string{}, q.Agencies...)), numbers, q.Agency}, more...)
}

// find gives a page of a rule's findings behind a position.
func (b *Book) find(ctx context.Context, c check, q Question, s *span, p adoption.Parameters, after string, limit int) ([]Finding, error) {
	tx, err := b.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // it wrote nothing
	rows, err := tx.QueryContext(ctx, c.found()+` SELECT kind, agency_code, coalesce((SELECT name FROM agencies WHERE code = agency_code), ''), subject_kind, subject, who, role, since, amount,
		payment_id, order_id, dossier_code, args, position FROM found WHERE position > $7 COLLATE "C" ORDER BY position LIMIT $8`, c.arguments(q, s, p, after, limit)...)
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", c.title, err)
	}
	defer rows.Close()
	var out []Finding
	for rows.Next() {
		f, args := Finding{}, pq.StringArray{}
		if err := rows.Scan(&f.Kind, &f.Agency.Code, &f.Agency.Name, &f.Subject.Kind, &f.Subject.ID, &f.Who, &f.Role, &f.Since, &f.Amount, &f.Payment, &f.Order, &f.Dossier,
			&args, &f.position); err != nil {
			return nil, fmt.Errorf("looking for %s: %w", c.title, err)
		}
		f.Since = f.Since.In(zone)
		c.tell(&f, args)
		out = append(out, f)
	}
	return out, rows.Err()
}

// tally counts a rule's findings by agency and role.
func (b *Book) tally(ctx context.Context, c check, q Question, s *span, p adoption.Parameters) ([]Tally, error) {
	tx, err := b.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // it wrote nothing
	rows, err := tx.QueryContext(ctx, c.found()+` SELECT agency_code, coalesce((SELECT name FROM agencies WHERE code = agency_code), ''), role, count(*), coalesce(sum(amount), 0)::bigint
		FROM found GROUP BY agency_code, role ORDER BY agency_code COLLATE "C", role COLLATE "C"`, c.arguments(q, s, p)...)
	if err != nil {
		return nil, fmt.Errorf("counting %s: %w", c.title, err)
	}
	defer rows.Close()
	var out []Tally
	for rows.Next() {
		var t Tally
		if err := rows.Scan(&t.Agency.Code, &t.Agency.Name, &t.Role, &t.Count, &t.Amount); err != nil {
			return nil, fmt.Errorf("counting %s: %w", c.title, err)
		}
		out = append(out, t)
	}
	return out, rows.Err()
}
