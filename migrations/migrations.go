// Package migrations is the schema: numbered SQL, embedded, applied by goose in order, each in its own transaction.
//
// It is run by the owner of the database; the program itself works as the role feegate_service, which may only do what
// 00007_guards.sql grants. cmd and tests of any room may import it.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed *.sql
var files embed.FS

// ServiceRole is the database role with least rights that the program connects as.
const ServiceRole = "feegate_service"

// Files is the schema as it stands in the binary, for fingerprints.
func Files() fs.FS { return files }

// Up brings the database of db to the newest schema and returns the version reached. It takes a session lock, so that two
// starting replicas do not run it twice.
func Up(ctx context.Context, db *sql.DB) (int64, error) {
	p, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return 0, fmt.Errorf("reading the migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return 0, fmt.Errorf("migrating: %w", err)
	}
	return p.GetDBVersion(ctx)
}

// Pending reports whether the database lacks migrations of this binary.
func Pending(ctx context.Context, db *sql.DB) (bool, error) {
	p, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return false, fmt.Errorf("reading the migrations: %w", err)
	}
	return p.HasPending(ctx)
}
