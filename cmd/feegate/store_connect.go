package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// maxConnections is what one replica takes of PostgreSQL. Few: database/sql hands connections out unfairly when more calls
// wait than it has, and writing is gathered into batches anyway.
const maxConnections = 40

// connect opens the database; every statement with parameters is prepared once per connection and used again, which saves
// a round trip and a plan each time.
func connect(ctx context.Context, raw string) (*sqlx.DB, error) {
	db, err := open(raw)
	if err != nil {
		return nil, err
	}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("the database cannot be reached: %w", err), db.Close())
	}
	return db, nil
}

// open is connect for a database that need not be there yet.
func open(raw string) (*sqlx.DB, error) {
	address, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("the database's address cannot be read: it must look like postgres://user@host/name") // it may hold a password
	}
	if q := address.Query(); !q.Has("jit") {
		q.Set("jit", "off") // compiling a report's plan takes longer than the report
		address.RawQuery = q.Encode()
	}
	connector, err := pq.NewConnector(address.String())
	if err != nil {
		return nil, fmt.Errorf("the database's address cannot be read: %w", err)
	}
	db := sqlx.NewDb(sql.OpenDB(preparing{connector}), "postgres")
	db.SetMaxOpenConns(maxConnections)
	db.SetMaxIdleConns(maxConnections)
	return db, nil
}

type preparing struct{ driver.Connector }

func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := c.(pqConn)
	if !ok {
		return nil, errors.Join(errors.New("lib/pq's connection lacks a method"), c.Close())
	}
	return &preparedConn{pqConn: inner, statements: map[string]pqStmt{}}, nil
}

// pqConn is what lib/pq's connection is to database/sql; the wrapper must be no less.
type pqConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.QueryerContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type pqStmt interface {
	driver.Stmt
	driver.StmtQueryContext
	driver.StmtExecContext
}

// statementsKept bounds a connection's prepared statements. The program has far fewer texts; more would mean that values are
// written into them.
const statementsKept = 300

type preparedConn struct {
	pqConn
	statements map[string]pqStmt
}

func (c *preparedConn) prepared(ctx context.Context, query string) (pqStmt, error) {
	if s, ok := c.statements[query]; ok {
		return s, nil
	}
	if len(c.statements) >= statementsKept {
		for text := range c.statements {
			if err := c.forget(text); err != nil {
				return nil, err
			}
		}
	}
	s, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	p, ok := s.(pqStmt)
	if !ok {
		return nil, errors.Join(errors.New("lib/pq's statement lacks a method"), s.Close())
	}
	c.statements[query] = p
	return p, nil
}

func (c *preparedConn) forget(query string) error {
	s := c.statements[query]
	delete(c.statements, query)
	return s.Close()
}

// stale: the schema has changed under the statement (a migration while this program runs); the next use prepares it anew.
func stale(err error) bool {
	var e *pq.Error
	return errors.As(err, &e) && (e.Code == "0A000" || e.Code == "26000")
}

func (c *preparedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 0 {
		return c.pqConn.QueryContext(ctx, query, args)
	}
	s, err := c.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args)
	if stale(err) {
		err = errors.Join(err, c.forget(query))
	}
	return rows, err
}

func (c *preparedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 {
		return c.pqConn.ExecContext(ctx, query, args)
	}
	s, err := c.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := s.ExecContext(ctx, args)
	if stale(err) {
		err = errors.Join(err, c.forget(query))
	}
	return result, err
}
