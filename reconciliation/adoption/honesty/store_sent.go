package honesty

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"

	"feegate/reconciliation/adoption"
)

func (b *Book) noteSent(ctx context.Context, source string, told []Sent) (int, error) {
	rows, err := json.Marshal(told)
	if err != nil {
		return 0, fmt.Errorf("noting flags sent: %w", err)
	}
	res, err := b.db.ExecContext(ctx, `INSERT INTO national_sent (source_system, dossier_code, flag, all_zero, sent_at, recorded_at)
		SELECT $1, t.dossier_code, t.flag, t.all_zero, t.sent_at, $3 FROM jsonb_to_recordset($2::jsonb) t (dossier_code text, flag smallint, all_zero boolean, sent_at timestamptz)
		LEFT JOIN LATERAL (SELECT s.flag, s.all_zero, s.sent_at FROM national_sent s WHERE s.source_system = $1 AND s.dossier_code = t.dossier_code ORDER BY s.id DESC LIMIT 1) was ON true
		WHERE (was.flag, was.all_zero, was.sent_at) IS DISTINCT FROM (t.flag, t.all_zero, t.sent_at)`, source, string(rows), b.now())
	if err != nil {
		return 0, fmt.Errorf("noting flags sent: %w", err)
	}
	n, err := res.RowsAffected()
	return int(n), err
}

func (b *Book) importOfficial(ctx context.Context, by, digest string, in Official) (*OfficialImport, bool, error) {
	rows := make([]map[string]any, len(in.Counts))
	for i, c := range in.Counts {
		rows[i] = map[string]any{"a": c.Agency, "p": c.Procedure, "n1": c.OnlineDossiers, "n2": c.ObligedDossiers, "n3": c.OnlineProcedures, "n4": c.FeeDistinct, "n5": c.FeeDossiers, "n6": c.FeeProcedures}
	}
	counts, err := json.Marshal(rows)
	if err != nil {
		return nil, false, fmt.Errorf("importing official counts: %w", err)
	}
	var n int
	err = b.db.GetContext(ctx, &n, `WITH i AS (INSERT INTO national_official (id, period_from, period_to, source, fetched_at, raw, sha256, imported_by, recorded_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (period_from, period_to, sha256) DO NOTHING RETURNING id),
		c AS (INSERT INTO national_official_counts (import_id, agency_code, procedure_code, online_dossiers, obliged_dossiers, online_procedures, fee_procedures_distinct, fee_procedures_dossiers, fee_procedures)
			SELECT i.id, t.a, t.p, t.n1, t.n2, t.n3, t.n4, t.n5, t.n6 FROM i, jsonb_to_recordset($10::jsonb) t (a text, p text, n1 bigint, n2 bigint, n3 bigint, n4 bigint, n5 bigint, n6 bigint))
		SELECT count(*) FROM i`, "off_"+strings.ToLower(rand.Text()), in.From, in.To, strings.TrimSpace(in.Source), *in.FetchedAt, in.Raw, digest, by, b.now(), string(counts))
	if err != nil {
		return nil, false, fmt.Errorf("importing official counts: %w", err)
	}
	o, err := b.official(ctx, `period_from = $1 AND period_to = $2 AND sha256 = $3`, in.From, in.To, digest)
	return o, n == 1, err
}

// official is the newest import that meets a condition; nil where there is none.
func (b *Book) official(ctx context.Context, where string, args ...any) (*OfficialImport, error) {
	var o OfficialImport
	err := b.db.QueryRowContext(ctx, `SELECT id, period_from::text, period_to::text, source, fetched_at, sha256, imported_by, recorded_at,
		(SELECT count(*) FROM national_official_counts c WHERE c.import_id = o.id) FROM national_official o WHERE `+where+` ORDER BY recorded_at DESC, id DESC LIMIT 1`, args...).
		Scan(&o.ID, &o.From, &o.To, &o.Source, &o.FetchedAt, &o.SHA256, &o.ImportedBy, &o.RecordedAt, &o.Rows)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading official counts: %w", err)
	}
	o.FetchedAt, o.RecordedAt = o.FetchedAt.In(zone), o.RecordedAt.In(zone)
	return &o, nil
}

// officialCounts are the newest import for exactly the period, as known then, by agency.
func (b *Book) officialCounts(ctx context.Context, q Question, s *span) (*OfficialImport, map[string]official, error) {
	o, err := b.official(ctx, `period_from = $1 AND period_to = $2 AND recorded_at <= $3`, q.From, q.To, s.asOf)
	if o == nil || err != nil {
		return nil, nil, err
	}
	rows, err := b.db.QueryContext(ctx, `SELECT agency_code, sum(online_dossiers)::bigint, sum(obliged_dossiers)::bigint, count(*) FILTER (WHERE online_dossiers IS NULL OR obliged_dossiers IS NULL)
		FROM national_official_counts WHERE import_id = $1 AND (cardinality($2::text[]) = 0 OR agency_code = ANY ($2)) GROUP BY agency_code`, o.ID, pq.Array(append([]string{}, q.limited()...)))
	if err != nil {
		return nil, nil, fmt.Errorf("reading official counts: %w", err)
	}
	defer rows.Close()
	out := map[string]official{}
	for rows.Next() {
		var code string
		var c official
		if err := rows.Scan(&code, &c.online, &c.obliged, &c.missing); err != nil {
			return nil, nil, fmt.Errorf("reading official counts: %w", err)
		}
		out[code] = c
	}
	return o, out, rows.Err()
}

func (b *Book) compareFlags(ctx context.Context, now time.Time) (int, error) {
	today := now.Format(time.DateOnly)
	last, err := b.run(ctx, "")
	if err != nil || last != nil && last.Date >= today {
		return 0, err
	}
	day, _ := time.ParseInLocation(time.DateOnly, today, zone)
	since := day.AddDate(0, 0, -window)
	tx, err := b.db.BeginTxx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("comparing flags: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing
	if _, err := tx.ExecContext(ctx, `SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL statement_timeout = '600s'`); err != nil {
		return 0, fmt.Errorf("comparing flags: %w", err)
	}
	res, err := tx.ExecContext(ctx, judged(started)+`,
		made AS (INSERT INTO national_runs (date, since, dossiers, differences, definition, recorded_at)
			SELECT $5::date, $6::date, count(*), count(*) FILTER (WHERE differs), $7, $1 FROM flag ON CONFLICT (date) DO NOTHING RETURNING id),
		before AS (SELECT max(id) AS id FROM national_runs WHERE date < $5::date),
		listed AS (INSERT INTO national_differences (run_id, source_system, dossier_code, agency_code, procedure_code, started_at, deserved, sent, since)
			SELECT made.id, f.source_system, f.dossier_code, f.agency_code, f.procedure_code, f.started_at, f.deserved, f.sent,
				coalesce((SELECT d.since FROM national_differences d WHERE d.run_id = before.id AND d.source_system = f.source_system AND d.dossier_code = f.dossier_code
					AND d.deserved = f.deserved AND d.sent IS NOT DISTINCT FROM f.sent), $1)
			FROM made, before, flag f WHERE f.differs)
		SELECT id FROM made`, now.Truncate(time.Microsecond), since, day.AddDate(0, 0, 1), pq.Array([]string{}), today, since.Format(time.DateOnly), adoption.Definition)
	if err != nil {
		return 0, fmt.Errorf("comparing flags: %w", err)
	}
	n, err := res.RowsAffected()
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return 0, fmt.Errorf("comparing flags: %w", err)
	}
	return int(n), nil
}

// run is the comparison of a day, or the last; nil where there is none.
func (b *Book) run(ctx context.Context, date string) (*Run, error) {
	var r Run
	err := b.db.QueryRowxContext(ctx, `SELECT date::text, since::text, dossiers, differences, definition, recorded_at FROM national_runs WHERE $1 = '' OR date = nullif($1, '')::date ORDER BY id DESC LIMIT 1`, date).
		Scan(&r.Date, &r.Since, &r.Dossiers, &r.Differences, &r.Definition, &r.RecordedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a comparison of flags: %w", err)
	}
	r.RecordedAt = r.RecordedAt.In(zone)
	return &r, nil
}

func (b *Book) differences(ctx context.Context, date, source string, agencies []string, after string, limit int) ([]Difference, error) {
	rows, err := b.db.QueryContext(ctx, `SELECT position, source_system, dossier_code, agency_code, procedure_code, started_at, deserved, sent, since
		FROM (SELECT d.*, (d.source_system || '/' || d.dossier_code) COLLATE "C" AS position FROM national_differences d JOIN national_runs r ON r.id = d.run_id WHERE r.date = $1) d
		WHERE position > $2 COLLATE "C" AND ($3::text = '' OR source_system = $3) AND (cardinality($4::text[]) = 0 OR agency_code = ANY ($4)) ORDER BY position LIMIT $5`,
		date, after, source, pq.Array(append([]string{}, agencies...)), limit)
	if err != nil {
		return nil, fmt.Errorf("listing differences of flags: %w", err)
	}
	defer rows.Close()
	out := []Difference{}
	for rows.Next() {
		var d Difference
		if err := rows.Scan(&d.position, &d.Source, &d.DossierCode, &d.Agency, &d.Procedure, &d.StartedAt, &d.Deserved, &d.Sent, &d.Since); err != nil {
			return nil, fmt.Errorf("listing differences of flags: %w", err)
		}
		d.StartedAt, d.Since = d.StartedAt.In(zone), d.Since.In(zone)
		out = append(out, d)
	}
	return out, rows.Err()
}
