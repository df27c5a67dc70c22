package honesty

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/reconciliation/adoption"
)

// asked begins a statement. Every parameter is named with its type, whether the queries use it or not.
func asked(facts bool) string {
	with := "WITH"
	if facts {
		with = adoption.FactsOf("") + ","
	}
	return with + ` asked_for AS (SELECT $1::timestamptz, $2::timestamptz, $3::timestamptz, $4::text[], $5::jsonb)`
}

// raw puts a rule's query behind the names of its columns.
func (c check) raw(name string) string {
	return name + ` (kind, agency_code, subject_kind, subject, who, role, since, at, amount, payment_id, order_id, dossier_code, args) AS (` + c.query + `)`
}

// inQuestion holds for the rows of a rule that the question asked for.
const inQuestion = `at >= $2 AND at < $3 AND since <= $1 AND (agency_code = '' OR cardinality($4::text[]) = 0 OR agency_code = ANY ($4)) AND ($6::text = '' OR agency_code = $6)`

// found is what a rule found, each with its position.
func (c check) found() string {
	return asked(c.facts) + `, ` + c.raw("raw") + `,
		found AS MATERIALIZED (SELECT *, concat_ws('/', to_char(since AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS'), kind, agency_code, subject_kind, subject, order_id) COLLATE "C" AS position
			FROM raw WHERE ` + inQuestion + `)`
}

// counted is what several rules found, by rule, agency and role. The facts, which are most of the work, are made once for all of them.
func counted(names []string) string {
	facts := false
	var raws, each strings.Builder
	for i, n := range names {
		c := checks[n]
		facts = facts || c.facts
		raws.WriteString(`, ` + c.raw(n))
		if i > 0 {
			each.WriteString(` UNION ALL `)
		}
		each.WriteString(`SELECT '` + n + `' AS rule, agency_code, role, amount FROM ` + n + ` WHERE ` + inQuestion)
	}
	return asked(facts) + raws.String() + ` SELECT rule, agency_code, coalesce((SELECT name FROM agencies WHERE code = agency_code), ''), role, count(*), coalesce(sum(amount), 0)::bigint
		FROM (` + each.String() + `) found GROUP BY rule, agency_code, role ORDER BY rule COLLATE "C", agency_code COLLATE "C", role COLLATE "C"`
}

// reading begins a transaction for one large question.
func (b *Book) reading(ctx context.Context) (*sqlx.Tx, error) {
	tx, err := b.db.BeginTxx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("beginning to look: %w", err)
	}
	// A statement that has run five times on a connection may get a plan that forgets the period: counting a year by such a one did not end in its time.
	if _, err := tx.ExecContext(ctx, adoption.Looking+`; SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL statement_timeout = `+strconv.FormatInt(max(b.Within, 2*time.Minute).Milliseconds(), 10)); err != nil {
		_ = tx.Rollback() // the first error says more
		return nil, fmt.Errorf("beginning to look: %w", err)
	}
	return tx, nil
}

// arguments are a statement's, in the order of asked and inQuestion.
func arguments(q Question, s *span, p adoption.Parameters, more ...any) []any {
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
		payment_id, order_id, dossier_code, args, position FROM found WHERE position > $7 COLLATE "C" ORDER BY position LIMIT $8`, arguments(q, s, p, after, limit)...)
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

// tallies counts what rules found, by agency and role; none of them is named twice.
func (b *Book) tallies(ctx context.Context, names []string, q Question, s *span, p adoption.Parameters) (map[string][]Tally, error) {
	tx, err := b.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // it wrote nothing
	rows, err := tx.QueryContext(ctx, counted(names), arguments(q, s, p)...)
	if err != nil {
		return nil, fmt.Errorf("counting %s: %w", strings.Join(names, ", "), err)
	}
	defer rows.Close()
	out := map[string][]Tally{}
	for rows.Next() {
		var t Tally
		if err := rows.Scan(&t.Rule, &t.Agency.Code, &t.Agency.Name, &t.Role, &t.Count, &t.Amount); err != nil {
			return nil, fmt.Errorf("counting %s: %w", strings.Join(names, ", "), err)
		}
		out[t.Rule] = append(out[t.Rule], t)
	}
	return out, rows.Err()
}
