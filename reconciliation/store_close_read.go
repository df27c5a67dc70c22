package reconciliation

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
)

func readFigures(raw []byte, f *Figures) error {
	if err := json.Unmarshal(raw, f); err != nil {
		return fmt.Errorf("reading figures: %w", err)
	}
	return nil
}

const versionColumns = `v.n, v.figures_sha256, v.closed_by, v.closed_at, s.seq, s.sha256, s.previous, s.signed_by, s.signed_at,
	(SELECT o.reason FROM day_reopenings o WHERE o.account_id = v.account_id AND o.date = v.date AND o.n = v.n - 1 AND o.status = 'approved' ORDER BY o.id DESC LIMIT 1) AS reason`

const versionsFrom = ` FROM day_versions v LEFT JOIN day_signatures s ON s.account_id = v.account_id AND s.date = v.date AND s.n = v.n WHERE v.account_id = $1 AND v.date = $2`

// detail reads all that a day's state shows.
func (r *Reconciler) detail(ctx context.Context, accountID, date string) (*DayDetail, error) {
	s, err := dayState(ctx, r.db, accountID, date, false)
	if err != nil {
		return nil, err
	}
	d := &DayDetail{DayState: *s, Versions: []DayVersion{}, Missing: []gateway.FieldError{}}
	if err := r.db.SelectContext(ctx, &d.Versions, `SELECT `+versionColumns+versionsFrom+` ORDER BY v.n`, accountID, date); err != nil {
		return nil, fmt.Errorf("reading the versions of %s: %w", date, err)
	}
	if d.Closed() {
		d.Figures = &Figures{}
		var raw []byte
		if err := r.db.GetContext(ctx, &raw, `SELECT figures FROM days WHERE account_id = $1 AND date = $2`, accountID, date); err != nil {
			return nil, fmt.Errorf("reading the day %s of %s: %w", date, accountID, err)
		}
		if err := readFigures(raw, d.Figures); err != nil {
			return nil, err
		}
		if d.Reopening, err = reopening(ctx, r.db, accountID, date); err != nil {
			return nil, err
		}
	} else {
		day, err := r.dayNow(ctx, r.db, accountID, date)
		if err != nil {
			return nil, err
		}
		if d.Missing, err = r.missing(ctx, r.db, day, r.now()); err != nil {
			return nil, err
		}
	}
	chain, err := r.chain(ctx, accountID, date)
	if err != nil {
		return nil, err
	}
	d.Chain = *chain
	return d, nil
}

// listStates reads days by date and account.
func (r *Reconciler) listStates(ctx context.Context, c gateway.Caller, f StateFilter) ([]DayState, error) {
	out := []DayState{}
	afterDate, afterID := "", ""
	if f.After != "" {
		afterDate, afterID = f.After[:10], f.After[11:]
	}
	err := r.db.SelectContext(ctx, &out, `SELECT `+stateColumns+` FROM days d JOIN merchant_accounts a ON a.id = d.account_id
		WHERE `+seen(1)+` AND ($2 = '' OR d.date >= nullif($2, '')::date) AND ($3 = '' OR d.date <= nullif($3, '')::date) AND ($4 = '' OR d.account_id = $4) AND ($5 = '' OR d.status = $5)
		AND ($6 = '' OR (d.date, d.account_id) > (nullif($6, '')::date, $7)) ORDER BY d.date, d.account_id LIMIT $8`, agencies(c), f.From, f.To, f.AccountID, f.Status, afterDate, afterID, f.Limit+1)
	return out, err
}

// version reads one closing with its figures.
func (r *Reconciler) version(ctx context.Context, accountID, date string, n int) (*DayVersion, string, error) {
	var v struct {
		DayVersion
		Text string `db:"figures"`
	}
	err := r.db.GetContext(ctx, &v, `SELECT v.figures, `+versionColumns+versionsFrom+` AND v.n = $3`, accountID, date, n)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, "", notFound("version")
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading version %d of %s: %w", n, date, err)
	}
	return &v.DayVersion, v.Text, nil
}

// link is one signature with what it must agree with.
type link struct {
	Seq       int64          `db:"seq"`
	Date      string         `db:"date"`
	N         int            `db:"n"`
	Document  string         `db:"document"`
	SHA256    string         `db:"sha256"`
	Previous  *string        `db:"previous"`
	ClosedBy  string         `db:"closed_by"`
	SignedBy  string         `db:"signed_by"`
	SignedAt  sql.NullTime   `db:"signed_at"`
	Figures   sql.NullString `db:"figures"`
	FiguresAt sql.NullString `db:"figures_sha256"`
	VersionBy sql.NullString `db:"version_by"`
	VersionAt sql.NullTime   `db:"version_at"`
	DayStatus sql.NullString `db:"day_status"`
	DayN      sql.NullInt64  `db:"day_n"`
	DaySHA    sql.NullString `db:"day_sha"`
	DayText   []byte         `db:"day_figures"`
}

// chain follows an account's signatures from the first on to where one does not hold. What versions and days tell is compared of one day, or
// of all (""): each is as long as its list of discrepancies.
func (r *Reconciler) chain(ctx context.Context, accountID, only string) (*ChainState, error) {
	rows, err := r.db.QueryxContext(ctx, `SELECT s.seq, s.date::text AS date, s.n, s.document, s.sha256, s.previous, s.closed_by, s.signed_by, s.signed_at,
			CASE WHEN $2 IN ('', s.date::text) THEN v.figures END AS figures, v.figures_sha256, v.closed_by AS version_by, v.closed_at AS version_at,
			d.status AS day_status, d.version AS day_n, d.sha256 AS day_sha, CASE WHEN $2 IN ('', s.date::text) THEN d.figures END AS day_figures
		FROM day_signatures s LEFT JOIN day_versions v ON v.account_id = s.account_id AND v.date = s.date AND v.n = s.n LEFT JOIN days d ON d.account_id = s.account_id AND d.date = s.date
		WHERE s.account_id = $1 ORDER BY s.seq`, accountID, only)
	if err != nil {
		return nil, fmt.Errorf("reading the signatures of %s: %w", accountID, err)
	}
	defer rows.Close()
	c := &ChainState{Intact: true}
	var last *string
	for rows.Next() {
		var l link
		if err := rows.StructScan(&l); err != nil {
			return nil, fmt.Errorf("reading the signatures of %s: %w", accountID, err)
		}
		c.Length++
		if what := l.broken(accountID, c.Length, last); what != "" && c.Intact {
			c.Intact, c.Break = false, &ChainBreak{accountID, l.Seq, l.Date, l.N, what}
		}
		last = &l.SHA256
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the signatures of %s: %w", accountID, err)
	}
	if !c.Intact {
		return c, nil
	}
	var unsigned struct {
		Date string `db:"date"`
		N    int    `db:"version"`
	}
	err = r.db.GetContext(ctx, &unsigned, `SELECT date::text AS date, version FROM days d WHERE account_id = $1 AND status = 'signed'
		AND NOT EXISTS (SELECT FROM day_signatures s WHERE s.account_id = d.account_id AND s.date = d.date AND s.n = d.version) ORDER BY date LIMIT 1`, accountID)
	if err == nil {
		c.Intact, c.Break = false, &ChainBreak{accountID, c.Length + 1, unsigned.Date, unsigned.N, "the day is signed and its signature is gone"}
		return c, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("reading the signatures of %s: %w", accountID, err)
	}
	return c, nil
}

// closedDays are an account's days whose figures stand, the oldest first.
func (r *Reconciler) closedDays(ctx context.Context, accountID string) ([]DayState, error) {
	var out []DayState
	if err := r.db.SelectContext(ctx, &out, `SELECT `+stateColumns+` FROM days d WHERE d.account_id = $1 AND d.status IN ('closed', 'signed') ORDER BY d.date`, accountID); err != nil {
		return nil, fmt.Errorf("listing closed days: %w", err)
	}
	return out, nil
}

// edited is a payment or refund of a closed day that is not what its closing counted, and nothing recorded since tells why; "" where
// there is none.
func edited(ctx context.Context, x sqlx.QueryerContext, s *DayState) (string, error) {
	var id string
	err := sqlx.GetContext(ctx, x, &id, `SELECT z.item_id FROM day_frozen z LEFT JOIN payments p ON p.id = z.item_id LEFT JOIN refunds f ON f.id = z.item_id
		WHERE z.account_id = $1 AND z.date = $2 AND z.n = $3 AND z.amount <> 0 AND z.amount <> coalesce(CASE WHEN p.status IN ('succeeded', 'reversed') THEN p.received_amount::bigint END, CASE f.status WHEN 'succeeded' THEN -f.amount::bigint END, 0)
		ORDER BY z.item_id LIMIT 1`, s.AccountID, s.Date, s.Version)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// WaitingDays lists what waits for a second person about days that the caller may see: a signature, or the word to open one again; the
// oldest first.
func (r *Reconciler) WaitingDays(ctx context.Context, c gateway.Caller, limit int) ([]WaitingDay, error) {
	out := []WaitingDay{}
	if err := r.db.SelectContext(ctx, &out, `SELECT * FROM (
			SELECT d.account_id, d.date::text AS date, 'sign' AS what, (d.figures->'payments'->>'amount')::bigint AS amount, d.closed_by AS by, d.closed_at AS at FROM days d WHERE d.status = 'closed'
			UNION ALL SELECT o.account_id, o.date::text, 'reopen', coalesce((d.figures->'payments'->>'amount')::bigint, 0), o.asked_by, o.asked_at FROM day_reopenings o
				JOIN days d ON d.account_id = o.account_id AND d.date = o.date WHERE o.status = 'proposed') w
		WHERE account_id IN (SELECT id FROM merchant_accounts a WHERE `+seen(1)+`) ORDER BY at, account_id, date LIMIT $2`, agencies(c), limit); err != nil {
		return nil, fmt.Errorf("listing days that wait: %w", err)
	}
	return out, nil
}
