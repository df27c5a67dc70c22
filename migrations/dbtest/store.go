package dbtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/migrations"
	"feegate/migrations/localdb"
)

// Names: tpl_HASH is the template of one state of the migrations, ready_HASH_RANDOM a clone that nobody has taken,
// test_PID_RANDOM a test's, and making_… what is not finished.

const (
	ready     = 3 // clones kept ready
	templates = 4 // states of the migrations kept; branches change them to and fro
	makeLock  = 0x6665656761746501
)

// fingerprint is the state of the migrations.
func fingerprint() (string, error) {
	h := sha256.New()
	err := fs.WalkDir(migrations.Files(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(migrations.Files(), path)
		fmt.Fprintf(h, "%s %d\n", path, len(b))
		h.Write(b)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)[:6]), err
}

// take gives a database to the test: a ready clone if there is one, else a new one.
func take(ctx context.Context, base string) (string, error) {
	hash, err := fingerprint()
	if err != nil {
		return "", err
	}
	db, err := connect(ctx, base)
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }()
	name := fmt.Sprintf("test_%d_%s", os.Getpid(), random())
	var clones []string
	const q = "SELECT datname FROM pg_database WHERE starts_with(datname, $1) ORDER BY random()"
	if err := db.SelectContext(ctx, &clones, q, "ready_"+hash+"_"); err != nil {
		return "", err
	}
	// The replacement is made while the test runs; when the process ends first, the server finishes it all the same.
	defer func() { go func() { _ = replenish(context.WithoutCancel(ctx), base, hash) }() }()
	for _, c := range clones {
		_, err := db.ExecContext(ctx, "ALTER DATABASE "+c+" RENAME TO "+name)
		if err == nil {
			return name, nil
		}
		if !isTaken(err) {
			return "", err
		}
	}
	if err := ensureTemplate(ctx, db, base, hash); err != nil {
		return "", err
	}
	return name, clone(ctx, db, hash, name)
}

// isTaken says that another process was faster.
func isTaken(err error) bool {
	var e *pq.Error
	// no such database, in use, duplicate, or changed under our hands
	return errors.As(err, &e) && (e.Code == "3D000" || e.Code == "55006" || e.Code == "42P04" || e.Code == "XX000")
}

// clone copies the template. FILE_COPY (15 and later, and what 14 does) takes half as long as going through the log.
func clone(ctx context.Context, db *sqlx.DB, hash, name string) error {
	var version int
	if err := db.GetContext(ctx, &version, "SELECT current_setting('server_version_num')::int"); err != nil {
		return err
	}
	strategy := ""
	if version >= 150000 {
		strategy = " STRATEGY FILE_COPY"
	}
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+name+" TEMPLATE tpl_"+hash+strategy); err != nil {
		return fmt.Errorf("cloning the template: %w", err)
	}
	return nil
}

func exists(ctx context.Context, db *sqlx.DB, name string) (bool, error) {
	var is bool
	err := db.GetContext(ctx, &is, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name)
	return is, err
}

// ensureTemplate makes the template once; the cluster's lock keeps others waiting meanwhile.
func ensureTemplate(ctx context.Context, db *sqlx.DB, base, hash string) error {
	name := "tpl_" + hash
	if is, err := exists(ctx, db, name); is || err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(makeLock)); err != nil {
		return err
	}
	defer func() {
		_, _ = db.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(makeLock))
	}()
	if is, err := exists(ctx, db, name); is || err != nil {
		return err
	}
	making := "making_" + hash
	if _, err := db.ExecContext(ctx, "DROP DATABASE IF EXISTS "+making+" WITH (FORCE)"); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+making); err != nil {
		return err
	}
	fresh, err := connect(ctx, address(base, localdb.Superuser, making))
	if err != nil {
		return err
	}
	fresh.SetMaxOpenConns(4) // goose may use more than one
	_, err = migrations.Up(ctx, fresh.DB)
	if err == nil {
		_, err = fresh.ExecContext(ctx, "VACUUM ANALYZE")
	}
	if err := errors.Join(err, fresh.Close()); err != nil {
		return fmt.Errorf("the template: %w", err)
	}
	// Nobody may connect to it: a template in use cannot be cloned.
	if _, err := db.ExecContext(ctx, "ALTER DATABASE "+making+" ALLOW_CONNECTIONS false"); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "ALTER DATABASE "+making+" RENAME TO "+name); err != nil {
		return err
	}
	return dropOld(ctx, db)
}

// dropOld drops the templates of old states of the migrations, and clones of such.
func dropOld(ctx context.Context, db *sqlx.DB) error {
	var old []string
	const q = `WITH kept AS (SELECT datname FROM pg_database WHERE starts_with(datname, 'tpl_') ORDER BY oid DESC LIMIT $1)
		SELECT datname FROM pg_database WHERE (starts_with(datname, 'tpl_') AND datname NOT IN (SELECT datname FROM kept))
		OR (starts_with(datname, 'ready_') AND 'tpl_' || split_part(datname, '_', 2) NOT IN (SELECT datname FROM kept))`
	if err := db.SelectContext(ctx, &old, q, templates); err != nil {
		return err
	}
	return dropAll(ctx, db, old)
}

// dropAll drops databases; one that another process takes or drops at this moment is left to it.
func dropAll(ctx context.Context, db *sqlx.DB, names []string) error {
	for _, name := range names {
		if _, err := db.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil && !isTaken(err) {
			return err
		}
	}
	return nil
}

// replenish makes clones until enough are ready, and drops the databases of test processes that died. One process at a
// time does it; the others leave it to that one.
func replenish(ctx context.Context, base, hash string) error {
	db, err := connect(ctx, base)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var mine bool
	if err := db.GetContext(ctx, &mine, "SELECT pg_try_advisory_lock($1)", int64(makeLock+1)); err != nil || !mine {
		return err
	}
	for {
		var n int
		if err := db.GetContext(ctx, &n, "SELECT count(*) FROM pg_database WHERE starts_with(datname, $1)", "ready_"+hash+"_"); err != nil {
			return err
		}
		if n >= ready {
			break
		}
		// Under another name until it is whole: CREATE DATABASE shows its name before the copy is done, and a rename would
		// fail on it.
		making := "making_clone_" + random()
		if err := clone(ctx, db, hash, making); err != nil {
			return err
		}
		if _, err := db.ExecContext(ctx, "ALTER DATABASE "+making+" RENAME TO ready_"+hash+"_"+random()); err != nil {
			return err
		}
	}
	return dropOrphans(ctx, db)
}

// dropOrphans drops databases whose process is gone, and clones that were cut short.
func dropOrphans(ctx context.Context, db *sqlx.DB) error {
	var names, orphans []string
	const q = "SELECT datname FROM pg_database WHERE starts_with(datname, 'test_') OR starts_with(datname, 'making_clone_')"
	if err := db.SelectContext(ctx, &names, q); err != nil {
		return err
	}
	for _, name := range names {
		pid, ok := pidOf(name)
		if !ok || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			orphans = append(orphans, name)
		}
	}
	return dropAll(ctx, db, orphans)
}

// drop ends the connections to a database and drops it.
func drop(ctx context.Context, base, name string) error {
	db, err := connect(ctx, base)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	return err
}
