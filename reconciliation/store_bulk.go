package reconciliation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway"
)

// lockAll locks those of the discrepancies that the caller may see, in one order, so that two who do the same never wait crosswise.
func (r *Reconciler) lockAll(ctx context.Context, tx *sqlx.Tx, c gateway.Caller, ids []string) (map[string]*Discrepancy, error) {
	var rows []Discrepancy
	if err := tx.SelectContext(ctx, &rows, `SELECT `+discrepancyColumns+` FROM discrepancies d JOIN merchant_accounts a ON a.id = d.account_id
		WHERE d.id = ANY ($2) AND `+seen(1)+` ORDER BY d.id FOR UPDATE OF d`, agencies(c), pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("reading %d discrepancies: %w", len(ids), err)
	}
	by := make(map[string]*Discrepancy, len(rows))
	for i := range rows {
		by[rows[i].ID] = &rows[i]
	}
	return by, nil
}

// insertResolutions proposes, or does, one thing for all of them at once.
func insertResolutions(ctx context.Context, tx *sqlx.Tx, c gateway.Caller, ids []string, by map[string]*Discrepancy, in NewResolution, now time.Time) ([]Done, error) {
	resolution, what, status, said := in.becomes()
	note := strings.TrimSpace(in.Note)
	var rows []struct {
		Of string `db:"of"`
		Resolution
	}
	if err := tx.SelectContext(ctx, &rows, `INSERT INTO resolutions (discrepancy_id, n, action, status, note, proposed_by, proposed_at)
		SELECT i.id, (SELECT coalesce(max(n), 0) + 1 FROM resolutions x WHERE x.discrepancy_id = i.id), $2, $3, $4, $5, $6 FROM unnest($1::text[]) AS i (id)
		RETURNING discrepancy_id AS of, `+resolutionColumns, pq.Array(ids), in.Action, resolution, note, c.Actor, now); err != nil {
		return nil, fmt.Errorf("proposing %d resolutions: %w", len(ids), err)
	}
	action := ""
	if resolution == resolutionDone {
		action = in.Action
	}
	deadline := in.Deadline
	if deadline == "" && in.Action == CarryForward {
		deadline = week(now)
	}
	res, err := tx.ExecContext(ctx, `WITH changed AS (
			UPDATE discrepancies SET status = coalesce(nullif($2, ''), status), action = coalesce(nullif($3, ''), action), owner = coalesce(nullif($4, ''), owner, $6),
				deadline = coalesce(nullif($5, '')::date, deadline, $9::date), resolved_at = CASE WHEN $2 = 'resolved' THEN $7 ELSE resolved_at END
			WHERE id = ANY ($1) AND status <> 'resolved' RETURNING id, status, effect, owner, deadline)
		INSERT INTO discrepancy_history (discrepancy_id, status, effect, actor, note, recorded_at, what, owner, deadline)
		SELECT id, status, effect, $6, $8, $7, $10, owner, deadline FROM changed ORDER BY id`,
		pq.Array(ids), status, action, in.Owner, deadline, c.Actor, now, said+note, week(now), what)
	if err != nil {
		return nil, fmt.Errorf("changing %d discrepancies: %w", len(ids), err)
	}
	if n, err := res.RowsAffected(); err != nil || int(n) != len(by) {
		return nil, fmt.Errorf("changing %d discrepancies: %d changed: %w", len(by), n, err)
	}
	of := make(map[string]*Resolution, len(rows))
	for i := range rows {
		of[rows[i].Of] = &rows[i].Resolution
	}
	done := make([]Done, 0, len(ids))
	for _, id := range ids {
		done = append(done, Done{id, of[id]})
	}
	return done, nil
}

// lastResolutions reads the latest of each: the one that waits, where one does. They are locked: a proposal is decided once.
func lastResolutions(ctx context.Context, tx *sqlx.Tx, ids []string) (map[string]*Resolution, error) {
	var rows []struct {
		Of string `db:"of"`
		Resolution
	}
	if err := tx.SelectContext(ctx, &rows, `SELECT discrepancy_id AS of, `+resolutionColumns+` FROM resolutions r WHERE discrepancy_id = ANY ($1)
		AND n = (SELECT max(n) FROM resolutions x WHERE x.discrepancy_id = r.discrepancy_id) ORDER BY discrepancy_id FOR UPDATE`, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("reading %d resolutions: %w", len(ids), err)
	}
	by := make(map[string]*Resolution, len(rows))
	for i := range rows {
		by[rows[i].Of] = &rows[i].Resolution
	}
	return by, nil
}
