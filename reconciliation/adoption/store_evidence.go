package adoption

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// behind gives each subject the payments that stand behind one of its facts (alias f).
var behind = map[subject]string{
	units:     `LEFT JOIN paid x ON x.order_id = f.order_id AND x.net > 0`,
	refunded:  `LEFT JOIN paid x ON x.order_id = f.order_id`,
	exemption: `LEFT JOIN paid x ON false`,
	dossiers:  `LEFT JOIN of_dossier x ON x.source_system = f.source_system AND x.dossier_code = f.dossier_code`,
}

// key is a line's place in the list: from day to day, agency to agency, dossier to dossier. No code of an agency has a blank in it or anything that
// sorts before one, so that days and agencies follow each other as the aggregates have them.
const factKey = `concat_ws(' ', business_day(f.at), f.agency_code, f.source_system, f.dossier_code, '')`

// lines fills in a page and the figure's value; last is the key of its last line where more follow. What of the aggregates leads to the page's
// dossiers is only where to look: each line is counted from the rows.
func (r *Reporter) lines(ctx context.Context, b Behind, f figure, s *span, after string, l *List) (last string, err error) {
	err = r.snapshot(ctx, s, func(tx *sqlx.Tx, s *span) error {
		last, err = r.looked(ctx, tx, b, f, s, after, l)
		return err
	})
	return last, err
}

// looked reads a page from where its lines are looked for with the least work.
func (r *Reporter) looked(ctx context.Context, tx *sqlx.Tx, b Behind, f figure, s *span, after string, l *List) (last string, err error) {
	o, err := r.readiness(ctx, tx, s)
	if err != nil {
		return "", err
	}
	args := []any{s.asOf, s.from, s.to, pq.Array(s.sees(b.Agencies)), b.Bucket, b.Given, b.Group, after, b.Limit + 1}
	broken, err := isBroken(ctx, tx, b.GroupBy, s)
	if err != nil {
		return "", err
	}
	if where, known := cellsOf(b, f, s.successors, broken, o.Touched > 0); known && !o.raw() {
		if err := quickly(ctx, tx); err != nil {
			return "", err
		}
		p, from, agency := stretched(s, byDays(b.GroupBy)), day(s.from), ""
		if at := strings.SplitN(after, " ", 3); len(at) == 3 && at[0] >= from {
			from, agency = at[0], at[1]
		}
		args = append(args, p.from, p.first, p.last, p.to, from, agency)
		return r.page(ctx, tx, b, f, s.successors, where.cand, where.value, args, l)
	}
	return r.page(ctx, tx, b, f, s.successors, inPeriod, `(SELECT coalesce(sum(counts), 0)::bigint FROM line)`, args, l)
}

// page reads a page of the list over the dossiers of cand.
func (r *Reporter) page(ctx context.Context, tx *sqlx.Tx, b Behind, f figure, of successors, cand, value string, args []any, l *List) (last string, err error) {
	counts := "coalesce(x.net, 0)"
	if f.weight != net { // what counts for the whole unit or dossier stands on its first line
		counts = `CASE row_number() OVER (PARTITION BY f.source_system, f.dossier_code, f.order_id ORDER BY x.order_id, x.payment_id) WHEN 1 THEN ` + column(f.weight) + ` ELSE 0 END`
	}
	rows, err := tx.QueryContext(ctx, `WITH `+cand+judged+`,
		of_dossier AS MATERIALIZED (SELECT y.*, o.source_system, o.dossier_code FROM paid y JOIN ord o ON o.id = y.order_id WHERE y.net > 0), -- once, not for each line
		picked AS (SELECT f.* FROM facts f WHERE `+f.condition()+` AND ($5 = '' OR f.bucket = $5) AND ($6 = false OR `+of.code(b.GroupBy)+` = $7)),
		line AS MATERIALIZED (SELECT concat(`+factKey+`, coalesce(x.order_id, f.order_id, ''), ' ', x.payment_id) COLLATE "C" AS key,
			x.payment_id, coalesce(x.order_id, f.order_id) AS order_id, f.dossier_code, coalesce(x.gross, 0) AS gross, coalesce(x.net, 0) AS net, x.channel, x.evidence, x.line_id, `+
		counts+` AS counts FROM picked f `+behind[f.of]+`)
		SELECT `+value+`, n.key, n.payment_id, n.order_id, n.dossier_code, n.gross, n.net, n.channel, n.evidence, u.bucket, u.unit_at,
			n.counts::bigint, t.id, t.import_id, t.date::text, t.line_no, t.transaction
		FROM (SELECT 1) always LEFT JOIN (SELECT * FROM line WHERE key > $8 COLLATE "C" ORDER BY key LIMIT $9) n ON true
		LEFT JOIN unit u ON u.order_id = n.order_id LEFT JOIN settlement_lines t ON t.id = n.line_id ORDER BY n.key`,
		args...)
	if err != nil {
		return "", fmt.Errorf("listing what is behind %s: %w", b.Figure, err)
	}
	defer rows.Close()
	l.Items = []Line{}
	keys := []string{}
	for rows.Next() {
		var key, dossier, imp, date, transaction sql.NullString
		var gross, left, adds, id, no sql.NullInt64
		var i Line
		if err := rows.Scan(&l.Value, &key, &i.Payment, &i.Order, &dossier, &gross, &left, &i.Channel, &i.Evidence, &i.Bucket, &i.UnitAt, &adds,
			&id, &imp, &date, &no, &transaction); err != nil {
			return "", fmt.Errorf("listing what is behind %s: %w", b.Figure, err)
		}
		if !key.Valid { // nothing is behind it, or the last page was read: the value stands alone
			continue
		}
		i.DossierCode, i.Amount, i.Net, i.Counts = dossier.String, gross.Int64, left.Int64, adds.Int64
		if id.Valid {
			i.SettlementLine = &SettlementLine{id.Int64, imp.String, date.String, no.Int64, transaction.String}
		}
		l.Items, keys = append(l.Items, i), append(keys, key.String)
	}
	if err := rows.Err(); err != nil {
		return "", fmt.Errorf("listing what is behind %s: %w", b.Figure, err)
	}
	if len(l.Items) > b.Limit {
		l.Items = l.Items[:b.Limit]
		return keys[b.Limit-1], nil
	}
	return "", nil
}

// column is the weight on a fact's row.
func column(w weight) string {
	if w == one {
		return "1"
	}
	return "f." + string(w)
}
