package adoption

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway"
)

// Teller is told of a closed report in its transaction.
type Teller func(ctx context.Context, tx *sqlx.Tx, c gateway.ReportClosed) error

func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

// patience is how long a closing waits for what others are writing.
const patience = 30 * time.Second

// Looking names transactions that only read, while they run: nobody waits for them.
const Looking = `SET LOCAL application_name = 'feegate looking'`

// writers are the program's other transactions that have written something, or may yet: an import has its time before its first row is written.
const writers = `FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
	AND (backend_xid IS NOT NULL OR xact_start IS NOT NULL AND application_name <> 'feegate looking')`

// settled waits until everything that was being written is written or given up: it may bear a time before now, and the figures as known at that time
// must come out the same for ever.
func (r *Reporter) settled(ctx context.Context) error {
	var running pq.StringArray
	if err := r.db.GetContext(ctx, &running, `SELECT coalesce(array_agg(pid || ' ' || xact_start), '{}') `+writers); err != nil {
		return fmt.Errorf("waiting for writers: %w", err)
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var busy bool
		err := r.db.GetContext(ctx, &busy, `SELECT EXISTS (SELECT `+writers+` AND pid || ' ' || xact_start = ANY ($1))`, running)
		switch {
		case err == nil && !busy:
			return nil
		case err != nil && ctx.Err() == nil:
			return fmt.Errorf("waiting for writers: %w", err)
		}
		select {
		case <-ctx.Done():
			return &gateway.Problem{Name: ProblemReportBusy, Detail: "something long is being written, an import perhaps: ask again when it is in", RetryAfter: 10 * time.Second}
		case <-tick.C:
		}
	}
}

// vector is what a fact (alias f) adds to each figure, in the order of Figures.
func vector() string {
	cells := []string{}
	for _, n := range Figures() {
		f := figures[n]
		cells = append(cells, fmt.Sprintf("CASE WHEN %s THEN %s ELSE 0 END", f.condition(), f.weight))
	}
	return "ARRAY[" + strings.Join(cells, ", ") + "]::bigint[]"
}

// patient lets one statement read a large period to its end: a closing is no page that somebody waits for.
func patient(ctx context.Context, tx *sqlx.Tx) error {
	if _, err := tx.ExecContext(ctx, `SET LOCAL statement_timeout = '15min'`); err != nil {
		return fmt.Errorf("reading a closed period: %w", err)
	}
	return nil
}

// digest hashes every fact of a period as it was known.
func (r *Reporter) digest(ctx context.Context, q Question) (Digest, error) {
	s, err := q.read(r.now())
	if err != nil {
		return Digest{}, err
	}
	tx, err := r.reading(ctx)
	if err != nil {
		return Digest{}, err
	}
	defer tx.Rollback() // it wrote nothing
	if err := patient(ctx, tx); err != nil {
		return Digest{}, err
	}
	rows, err := tx.QueryContext(ctx, facts+`
		SELECT concat_ws('|', subject, source_system, dossier_code, coalesce(order_id, ''), agency_code, procedure_code, coalesce(provider, ''), coalesce(channel, ''), coalesce(bucket, ''),
			to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), `+vector()+`::text) AS line
		FROM facts ORDER BY subject COLLATE "C", source_system COLLATE "C", dossier_code COLLATE "C", coalesce(order_id, '') COLLATE "C"`, s.asOf, s.from, s.to, pq.Array([]string{}))
	if err != nil {
		return Digest{}, fmt.Errorf("reading the facts: %w", err)
	}
	defer rows.Close()
	var d Digest
	var sum hash.Hash = sha256.New()
	var line sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&line); err != nil {
			return Digest{}, fmt.Errorf("reading the facts: %w", err)
		}
		sum.Write(line)
		sum.Write([]byte{'\n'})
		d.Lines++
	}
	d.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return d, rows.Err()
}

const revisions = `SELECT v.id, v.period_from::text, v.period_to::text, v.revision, v.as_of, v.definition, v.sha256, v.previous, v.source, v.reason, v.closed_by, v.recorded_at,
	a.approved_by, a.recorded_at AS approved_at, NOT EXISTS (SELECT FROM report_revisions n WHERE n.period_from = v.period_from AND n.period_to = v.period_to AND n.revision > v.revision) AS latest`

// revision reads one with its figures; nil where there is none. n 0: the last. Without a period: the one that has such a revision, where it is one alone.
func (r *Reporter) revision(ctx context.Context, from, to string, n int) (*Revision, error) {
	if from != "" || to != "" {
		q := Question{From: from, To: to}
		if _, err := q.read(r.now()); err != nil {
			return nil, err
		}
	}
	rows, err := r.db.QueryxContext(ctx, revisions+`, v.figures FROM report_revisions v LEFT JOIN report_approvals a ON a.revision_id = v.id
		WHERE ($1 = '' OR v.period_from = nullif($1, '')::date AND v.period_to = nullif($2, '')::date) AND ($3 = 0 OR v.revision = $3) ORDER BY v.revision DESC LIMIT 2`, from, to, n)
	if err != nil {
		return nil, fmt.Errorf("reading a revision: %w", err)
	}
	defer rows.Close()
	var found []*Revision
	for rows.Next() {
		var row struct {
			Revision
			Text string `db:"figures"`
		}
		if err := rows.StructScan(&row); err != nil {
			return nil, fmt.Errorf("reading a revision: %w", err)
		}
		rev := row.Revision
		rev.text, rev.AsOf = row.Text, rev.AsOf.In(zone)
		if err := json.Unmarshal([]byte(row.Text), &rev.Figures); err != nil {
			return nil, fmt.Errorf("reading revision %s: %w", rev.ID, err)
		}
		found = append(found, &rev)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading a revision: %w", err)
	}
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1 && from == "":
		return nil, &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "from", Detail: "several periods have such a revision: say which with from and to"}}}
	}
	return found[0], nil
}

// Revisions lists closed reports, the newest period first; next is "" at the end.
func (r *Reporter) Revisions(ctx context.Context, from, to, after string, limit int) (items []Revision, next string, err error) {
	if from != "" || to != "" {
		q := Question{From: from, To: to}
		if _, err := q.read(r.now()); err != nil {
			return nil, "", err
		}
	}
	items = []Revision{}
	err = r.db.SelectContext(ctx, &items, revisions+` FROM report_revisions v LEFT JOIN report_approvals a ON a.revision_id = v.id
		WHERE ($1 = '' OR v.period_from = nullif($1, '')::date AND v.period_to = nullif($2, '')::date)
		AND ($3 = '' OR (v.period_to, v.period_from, v.revision) < (SELECT b.period_to, b.period_from, b.revision FROM report_revisions b WHERE b.id = $3))
		ORDER BY v.period_to DESC, v.period_from DESC, v.revision DESC LIMIT $4`, from, to, after, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("listing revisions: %w", err)
	}
	if len(items) > limit {
		items = items[:limit]
		next = items[limit-1].ID
	}
	for i := range items {
		items[i].AsOf = items[i].AsOf.In(zone)
	}
	return items, next, nil
}

// keep writes a revision and tells of it; another's that came first is the answer.
func (r *Reporter) keep(ctx context.Context, rev *Revision) (*Revision, bool, error) {
	tx, err := r.db.BeginTxx(ctx, nil)
	if err != nil {
		return nil, false, fmt.Errorf("closing a report: %w", err)
	}
	defer tx.Rollback() // after the commit it does nothing
	_, err = tx.ExecContext(ctx, `INSERT INTO report_revisions (id, period_from, period_to, revision, as_of, definition, figures, sha256, previous, source, reason, closed_by, recorded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`, rev.ID, rev.From, rev.To, rev.Revision, rev.AsOf, rev.Definition, rev.text, rev.SHA256, rev.Previous, rev.Source,
		rev.Reason, rev.ClosedBy, rev.ClosedAt)
	switch violated(err) {
	case "":
	case "report_revisions_another_person":
		return nil, false, &gateway.Problem{Name: gateway.ProblemSecondPerson, Detail: "who closed days of the period does not close its report: their work is what it is made of"}
	default:
		return nil, false, &gateway.Problem{Name: ProblemReportState, Detail: "another person closed the same period meanwhile: look at their revision"}
	}
	if err != nil {
		return nil, false, fmt.Errorf("closing a report: %w", err)
	}
	if r.tell != nil {
		headline := rev.Figures.Total.Rates.Transactions
		period := "?from=" + rev.From + "&to=" + rev.To + "&revision=" + fmt.Sprint(rev.Revision)
		if err := r.tell(ctx, tx, gateway.ReportClosed{ID: rev.ID, From: rev.From, To: rev.To, Revision: rev.Revision, AsOf: rev.AsOf, Definition: rev.Definition, SHA256: rev.SHA256, Previous: rev.Previous,
			Source: rev.Source, Numerator: headline.Numerator, Denominator: headline.Denominator, Workbook: "/v1/reports/forms.xlsx" + period, PDF: "/v1/reports/forms.pdf" + period, ClosedAt: rev.ClosedAt}); err != nil {
			return nil, false, err
		}
	}
	if err := tx.Commit(); err != nil {
		return nil, false, fmt.Errorf("closing a report: %w", err)
	}
	return rev, true, nil
}

func (r *Reporter) approve(ctx context.Context, id, by string) error {
	_, err := r.db.ExecContext(ctx, `INSERT INTO report_approvals (revision_id, approved_by, recorded_at) VALUES ($1, $2, $3)`, id, by, r.now())
	switch violated(err) {
	case "":
	case "report_approvals_another_person":
		return &gateway.Problem{Name: gateway.ProblemSecondPerson, Detail: "a report is approved by another person than who closed it"}
	default:
		return &gateway.Problem{Name: ProblemReportState, Detail: "the revision is approved already"}
	}
	if err != nil {
		return fmt.Errorf("approving a report: %w", err)
	}
	return nil
}

// violated is the constraint that refused a statement, or "".
func violated(err error) string {
	var e *pq.Error
	if errors.As(err, &e) {
		return e.Constraint
	}
	return ""
}
