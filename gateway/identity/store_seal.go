package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

const (
	sealLock   = 72_201  // one at a time, whatever the replica
	blockRows  = 1000    // of one block
	lookedBack = 100_000 // ids before the last sealed one among which a late row is still looked for
)

// Seal takes the audit's rows that no block holds into blocks, and gives how many. Any number of replicas may do it.
func (s *Store) Seal(ctx context.Context, _ int) (int, error) {
	var n int
	err := s.inTx(ctx, func(tx *sqlx.Tx) error {
		var mine bool
		if err := tx.GetContext(ctx, &mine, `SELECT pg_try_advisory_xact_lock($1)`, sealLock); err != nil || !mine {
			return err
		}
		return tx.GetContext(ctx, &n, `WITH last AS (SELECT n, sha256, last_id FROM audit_blocks ORDER BY n DESC LIMIT 1),
			taken AS MATERIALIZED (SELECT a.id, audit_line(a) AS line FROM audit a WHERE a.id > coalesce((SELECT last_id FROM last), 0) - $2::bigint
				AND NOT EXISTS (SELECT FROM audit_seals x WHERE x.audit_id = a.id) ORDER BY a.id LIMIT $3),
			block AS (INSERT INTO audit_blocks (n, rows, first_id, last_id, sha256, previous, sealed_at)
				SELECT coalesce((SELECT n FROM last), 0) + 1, count(*), min(id), greatest(max(id), (SELECT last_id FROM last)),
					encode(sha256(convert_to(coalesce((SELECT sha256 FROM last), '') || E'\n' || string_agg(line, E'\n' ORDER BY id), 'UTF8')), 'hex'), (SELECT sha256 FROM last), $1
				FROM taken HAVING count(*) > 0 RETURNING n),
			sealed AS (INSERT INTO audit_seals (audit_id, block) SELECT taken.id, block.n FROM taken, block RETURNING 1)
			SELECT count(*) FROM sealed`, s.now(), lookedBack, blockRows)
	})
	if err != nil {
		return 0, fmt.Errorf("sealing the audit: %w", err)
	}
	return n, nil
}

// Seals says whether the audit still is what was sealed.
type Seals struct {
	Blocks   int64    `json:"blocks"`
	Rows     int64    `json:"rows"`
	Unsealed int64    `json:"unsealed"` // written since the last block, a moment ago
	Head     *string  `json:"head"`     // the last block's hash: kept elsewhere it proves all of it
	Intact   bool     `json:"intact"`
	Breaks   []string `json:"breaks"`
}

// maxBreaks is how many are told.
const maxBreaks = 100

// Verify follows the chain and hashes every row again.
func (s *Store) Verify(ctx context.Context) (*Seals, error) {
	v := &Seals{Breaks: []string{}}
	err := s.inTx(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY`); err != nil {
			return err
		}
		if err := tx.QueryRowxContext(ctx, `SELECT (SELECT count(*) FROM audit_blocks), (SELECT count(*) FROM audit), (SELECT sha256 FROM audit_blocks ORDER BY n DESC LIMIT 1),
			(SELECT count(*) FROM audit a WHERE NOT EXISTS (SELECT FROM audit_seals x WHERE x.audit_id = a.id))`).Scan(&v.Blocks, &v.Rows, &v.Head, &v.Unsealed); err != nil {
			return err
		}
		if err := tx.SelectContext(ctx, &v.Breaks, `WITH held AS (
				SELECT b.n, b.rows, b.sha256, b.previous, lag(b.sha256) OVER (ORDER BY b.n) AS before, lag(b.n) OVER (ORDER BY b.n) AS n_before, count(a.id) AS have, count(x.audit_id) AS listed,
					encode(sha256(convert_to(coalesce(b.previous, '') || E'\n' || coalesce(string_agg(audit_line(a), E'\n' ORDER BY a.id), ''), 'UTF8')), 'hex') AS again, min(x.audit_id) AS first, max(x.audit_id) AS last
				FROM audit_blocks b LEFT JOIN audit_seals x ON x.block = b.n LEFT JOIN audit a ON a.id = x.audit_id GROUP BY b.n, b.rows, b.sha256, b.previous)
			SELECT says FROM (
				SELECT n, 1 AS k, 'block ' || n || ': ' || (rows - have) || ' of its ' || rows || ' rows are gone (ids ' || first || ' to ' || last || ')' AS says FROM held WHERE have < rows
				UNION ALL SELECT n, 2, 'block ' || n || ': a row among ids ' || first || ' to ' || last || ' was changed' FROM held WHERE have = rows AND listed = rows AND again <> sha256
				UNION ALL SELECT n, 3, 'block ' || n || ': rows were put into it' FROM held WHERE listed > rows
				UNION ALL SELECT n, 4, 'block ' || n || ' does not follow the block before it' FROM held WHERE previous IS DISTINCT FROM before OR n <> coalesce(n_before, 0) + 1
				UNION ALL SELECT b.n, 5, 'row ' || a.id || ' says it was recorded at ' || a.recorded_at || ', and was written after block ' || b.n || ' was sealed'
					FROM audit_seals x JOIN audit a ON a.id = x.audit_id JOIN audit_blocks c ON c.n = x.block JOIN LATERAL (SELECT b.n, b.sealed_at FROM audit_blocks b WHERE b.n < c.n ORDER BY b.n DESC LIMIT 1) b ON a.recorded_at < b.sealed_at - $2::interval
			) breaks ORDER BY n, k LIMIT $1`, maxBreaks, fmt.Sprintf("%d seconds", int64(written.Seconds()))); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("verifying the audit: %w", err)
	}
	v.Intact = len(v.Breaks) == 0
	return v, nil
}

// written is how long a deed's transaction may take from its time to its end: the longest import is far shorter.
const written = time.Hour
