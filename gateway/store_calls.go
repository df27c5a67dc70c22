package gateway

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lib/pq"

	"feegate/providers"
	"feegate/providers/breaker"
)

// callsKept is how long the counts of calls to providers are kept: a day is looked at, the day before is for who comes late.
const callsKept = 48 * time.Hour

// AddProviderCalls adds counts of calls to those of all processes, once for a batch's name however often it is said.
// Counts of an account that there is not are left out.
func (g *Gateway) AddProviderCalls(ctx context.Context, batch string, tallies []breaker.Tally) error {
	var accounts, operations, took []string
	var quarters []time.Time
	var failed []int64
	for _, t := range tallies {
		accounts, operations, quarters, failed = append(accounts, t.Account), append(operations, string(t.Operation)), append(quarters, t.Quarter), append(failed, t.Failed)
		// An array of arrays would be unnested to its last number, so each goes as its text.
		took = append(took, "{"+strings.Trim(strings.ReplaceAll(fmt.Sprint(t.Took), " ", ","), "[]")+"}")
	}
	// In one order, so that two processes never wait for each other.
	_, err := g.db.ExecContext(ctx, `WITH mine AS (INSERT INTO provider_call_writes (id, written_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id)
		INSERT INTO provider_calls AS t (account_id, operation, quarter, failed, took)
		SELECT a.id, n.operation, n.quarter, n.failed, n.took::bigint[]
		FROM mine, unnest($3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::text[]) AS n (account_id, operation, quarter, failed, took) JOIN merchant_accounts a ON a.id = n.account_id
		ORDER BY 1, 2, 3
		ON CONFLICT (account_id, operation, quarter) DO UPDATE SET failed = t.failed + excluded.failed,
			took = (SELECT array_agg(x.was + x.more ORDER BY x.step) FROM unnest(t.took, excluded.took) WITH ORDINALITY AS x (was, more, step))`,
		batch, g.now(), pq.Array(accounts), pq.Array(operations), pq.Array(quarters), pq.Array(failed), pq.Array(took))
	if err != nil {
		return fmt.Errorf("adding calls to providers: %w", err)
	}
	return nil
}

// maxTallies is the most that is read at once: a day of two hundred accounts with four operations each.
const maxTallies = 80000

// ProviderCalls lists what became of the calls of an account (of all accounts where it is empty) by quarters of an hour since a time,
// of all processes, as far as they have written it.
func (g *Gateway) ProviderCalls(ctx context.Context, accountID string, since time.Time) ([]breaker.Tally, error) {
	var rows []struct {
		AccountID string              `db:"account_id"`
		Operation providers.Operation `db:"operation"`
		Quarter   time.Time           `db:"quarter"`
		Failed    int64               `db:"failed"`
		Took      pq.Int64Array       `db:"took"`
	}
	if err := g.db.SelectContext(ctx, &rows, `SELECT account_id, operation, quarter, failed, took FROM provider_calls
		WHERE ($1 = '' OR account_id = $1) AND quarter >= $2 ORDER BY quarter DESC, account_id, operation LIMIT $3`, accountID, since, maxTallies); err != nil {
		return nil, fmt.Errorf("listing calls to providers: %w", err)
	}
	out := make([]breaker.Tally, 0, len(rows))
	for _, r := range rows {
		t := breaker.Tally{Account: r.AccountID, Operation: r.Operation, Quarter: r.Quarter.UTC(), Failed: r.Failed}
		copy(t.Took[:], r.Took)
		out = append(out, t)
	}
	return out, nil
}

// forgetCalls deletes at most limit old counts, and as many names of their batches. It gives how many of what there were more of.
func (g *Gateway) forgetCalls(ctx context.Context, limit int) (int, error) {
	most := int64(0)
	for _, q := range []string{
		`DELETE FROM provider_calls WHERE ctid = ANY (ARRAY(SELECT ctid FROM provider_calls WHERE quarter < $1 ORDER BY quarter LIMIT $2))`,
		`DELETE FROM provider_call_writes WHERE ctid = ANY (ARRAY(SELECT ctid FROM provider_call_writes WHERE written_at < $1 ORDER BY written_at LIMIT $2))`,
	} {
		done, err := g.db.ExecContext(ctx, q, g.now().Add(-callsKept), limit)
		if err != nil {
			return 0, fmt.Errorf("forgetting calls to providers: %w", err)
		}
		n, err := done.RowsAffected()
		if err != nil {
			return 0, fmt.Errorf("forgetting calls to providers: %w", err)
		}
		most = max(most, n)
	}
	return int(most), nil
}
