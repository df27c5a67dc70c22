package reconciliation

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/providers"
)

// The staged rows lie in a temporary table of the import's own connection: nobody sees them, no log is written of them, and
// they are gone with the connection, whatever becomes of the process.
const (
	staging = `CREATE TEMP TABLE staged_lines (line_no bigint, type text, reference text, transaction text, original text, amount bigint, fee bigint, net bigint,
		at timestamptz, own_date date, row_status text, success boolean, misdirected boolean, told_apart boolean, key text, occurrence int DEFAULT 1)`
	stagingCopy = `COPY staged_lines (line_no, type, reference, transaction, original, amount, fee, net, at, own_date, row_status, success, misdirected, told_apart, key) FROM STDIN`
)

// holdStaging gives the import a connection of its own with an empty staging table, until release.
func (r *Reconciler) holdStaging(ctx context.Context, in *reading) (release func(), err error) {
	if in.conn, err = r.db.Connx(ctx); err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	release = func() {
		if _, err := in.conn.ExecContext(context.WithoutCancel(ctx), `DROP TABLE IF EXISTS pg_temp.staged_lines`); err != nil {
			_ = in.conn.Raw(func(any) error { return driver.ErrBadConn }) // never back into the pool with its rows
		}
		_ = in.conn.Close()
	}
	if _, err = in.conn.ExecContext(ctx, staging); err != nil {
		release()
		return nil, fmt.Errorf("importing: %w", err)
	}
	return release, nil
}

// stage copies encoded rows into the staging table. The driver's own door is used: through database/sql each of a row's values
// would be looked at three times, which took longer than all the server does.
func (r *Reconciler) stage(ctx context.Context, conn *sqlx.Conn, rows string) error {
	tx, err := conn.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("staging: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing
	err = conn.Raw(func(dc any) error {
		c, ok := dc.(driver.ConnPrepareContext)
		if !ok {
			return fmt.Errorf("%T prepares no statements", dc)
		}
		stmt, err := c.PrepareContext(ctx, stagingCopy)
		if err != nil {
			return err
		}
		raw, ok := stmt.(interface {
			CopyData(ctx context.Context, line string) (driver.Result, error)
		})
		if !ok {
			return errors.Join(fmt.Errorf("%T copies no rows", stmt), stmt.Close())
		}
		_, err = raw.CopyData(ctx, rows)
		return errors.Join(err, stmt.Close()) // closing waits for the server's word
	})
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("staging: %w", err)
	}
	return nil
}

// appendCopied appends a row of COPY's text format, without its end.
func appendCopied(b []byte, l *providers.SettlementLine, misdirected, apart bool) []byte {
	b = strconv.AppendInt(b, int64(l.Line), 10)
	b = appendText(append(b, '\t'), string(l.Type))
	b = appendText(append(b, '\t'), l.Reference)
	b = appendText(append(b, '\t'), l.Transaction)
	b = appendText(append(b, '\t'), l.Original)
	b = strconv.AppendInt(append(b, '\t'), int64(l.Amount), 10)
	b = strconv.AppendInt(append(b, '\t'), int64(l.Fee), 10)
	b = strconv.AppendInt(append(b, '\t'), int64(l.Net), 10)
	b = l.Time.AppendFormat(append(b, '\t'), time.RFC3339Nano)
	b = appendText(append(b, '\t'), l.Date)
	b = appendText(append(b, '\t'), l.Status)
	b = strconv.AppendBool(append(b, '\t'), l.Success)
	b = strconv.AppendBool(append(b, '\t'), misdirected)
	b = strconv.AppendBool(append(b, '\t'), apart)
	return appendText(append(b, '\t'), l.Key)
}

// appendText appends a text, what COPY reads as its own escaped.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\':
			b = append(b, '\\', '\\')
		case '\t':
			b = append(b, '\\', 't')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		default:
			b = append(b, c)
		}
	}
	return b
}
