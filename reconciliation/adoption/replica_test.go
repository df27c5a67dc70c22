package adoption

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"feegate/migrations"
	"feegate/migrations/localdb"
)

// pair is a primary and a streaming replica of it: a copy of its files that follows its log. A commit on the primary returns when the replica has
// it, unless the connection says otherwise.
type pair struct{ primary, replica *localdb.Server }

func newPair(t *testing.T) *pair {
	t.Helper()
	base, err := os.MkdirTemp("/var/tmp", "feegate-pair-") // not t.TempDir(): root's server could not enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	start := func(name string, settings map[string]string) *localdb.Server {
		s, err := localdb.Start(t.Context(), localdb.Options{Dir: filepath.Join(base, name), Settings: settings})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = s.Kill() // a primary that waits for a replica that is gone does not stop in order
			if err := s.Destroy(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	first := start("primary", nil)
	exec1(t, open(t, first.URL(localdb.Superuser, "postgres")), `CREATE DATABASE twin`)
	owner := open(t, first.URL(localdb.Superuser, "twin"))
	if _, err := migrations.Up(t.Context(), owner.DB); err != nil {
		t.Fatal(err)
	}
	level(t, owner)
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", filepath.Join(base, "primary"), filepath.Join(base, "replica")).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	data, err := filepath.Rel(filepath.Join(base, "primary"), first.DataDir())
	if err != nil {
		t.Fatal(err)
	}
	data = filepath.Join(base, "replica", data)
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", filepath.Join(data, "PG_VERSION"), filepath.Join(data, "standby.signal")).CombinedOutput(); err != nil { // of the same owner
		t.Fatalf("%v %s", err, out)
	}
	socket := filepath.Join(filepath.Dir(first.DataDir()), "run")
	p := &pair{primary: start("primary", nil)}
	p.replica = start("replica", map[string]string{"primary_conninfo": "host=" + socket + " user=" + localdb.Superuser + " application_name=twin", "hot_standby": "on"})
	root := open(t, p.primary.URL(localdb.Superuser, "postgres"))
	for _, q := range []string{`ALTER SYSTEM SET synchronous_standby_names = 'twin'`, `SELECT pg_reload_conf()`} {
		exec1(t, root, q)
	}
	return p
}

func open(t *testing.T, address string) *sqlx.DB {
	t.Helper()
	db, err := sqlx.ConnectContext(t.Context(), "postgres", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func exec1(t *testing.T, db *sqlx.DB, q string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), q, args...); err != nil {
		t.Fatal(q, err)
	}
}

// Reports are read from the replica, say how old it is and cut as_of to what it knows; when it is gone they are read from the primary.
func TestReportsFromAReplica(t *testing.T) {
	p := newPair(t)
	applied, local := "&synchronous_commit=remote_apply", "&synchronous_commit=local"
	service, owner := p.primary.URL(migrations.ServiceRole, "twin"), p.primary.URL(localdb.Superuser, "twin")
	copied := open(t, p.replica.URL(migrations.ServiceRole, "twin"))
	now := epoch.AddDate(0, 6, 0)
	clock := func() time.Time { return now }
	fromPrimary, fromReplica := New(open(t, service+applied), clock), New(open(t, service+applied), clock)
	fromReplica.ReadFrom(copied)
	q := Question{From: "2026-01-01", To: "2026-12-31", GroupBy: "agency"}
	ask := func(r *Reporter) *Report {
		t.Helper()
		got, err := r.Adoption(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := ask(fromReplica); got.Source.Source != Primary { // nobody has told the replica the time
		t.Fatalf("%+v", got.Source)
	}
	if _, err := fromReplica.CheckReplica(t.Context()); err == nil {
		t.Fatal("a replica that does not know the time is not well")
	}
	write := func(prefix, how string) {
		once := false
		rapid.Check(t, func(r *rapid.T) { // for its T alone
			if !once {
				once = true
				aWorld(throw(r), prefix).write(r, open(t, owner+how), prefix, "live")
			}
		})
	}
	fold := func(how string) {
		t.Helper()
		f := NewFolder(open(t, service+how), clock)
		f.Beat()
		if _, err := f.FoldAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	same := func(a, b *Report) bool {
		return reflect.DeepEqual(a.Rows, b.Rows) && reflect.DeepEqual(a.Total, b.Total)
	}

	fresh := New(open(t, service+applied), clock) // the other leaves the replica alone for a while
	fresh.ReadFrom(copied)
	write("r1-", applied)
	fold(applied)
	before := ask(fresh)
	if before.Source != (Source{Replica, 0}) || !same(before, ask(fromPrimary)) || len(before.Rows) == 0 || !before.AsOf.Equal(now) {
		t.Fatalf("%+v %s", before.Source, before.AsOf)
	}

	// It falls behind.
	exec1(t, open(t, p.replica.URL(localdb.Superuser, "twin")), `SELECT pg_wal_replay_pause()`)
	told := now
	now = now.Add(90 * time.Second)
	write("r2-", local)
	fold(local)
	late := ask(fresh)
	if late.Source != (Source{Replica, 90}) || !late.AsOf.Equal(told) || late.AsOfCut || !same(late, before) {
		t.Fatalf("%+v as of %s, cut %t", late.Source, late.AsOf, late.AsOfCut)
	}
	q.AsOf = now.Format(time.RFC3339)
	if late = ask(fresh); !late.AsOf.Equal(told) || !late.AsOfCut {
		t.Fatalf("as of %s, cut %t", late.AsOf, late.AsOfCut)
	}
	q.AsOf = ""
	if same(ask(fromPrimary), late) {
		t.Fatal("the primary knows more")
	}
	list, err := fresh.Evidence(t.Context(), Behind{Question: Question{From: q.From, To: q.To}, Limit: 1})
	if err != nil || list.Source.LagSeconds != 90 || !list.AsOf.Equal(told) || list.Value != before.Total.Rates.Transactions.Denominator {
		t.Fatalf("%+v %v", list, err)
	}

	// It has caught up.
	exec1(t, open(t, p.replica.URL(localdb.Superuser, "twin")), `SELECT pg_wal_replay_resume()`)
	now = now.Add(time.Second) // the same time told again writes nothing, and so waits for nobody
	fold(applied)
	if got := ask(fresh); got.Source != (Source{Replica, 0}) || !same(got, ask(fromPrimary)) || same(got, before) {
		t.Fatalf("%+v", got.Source)
	}

	// It is gone.
	if err := p.replica.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(fresh); got.Source != (Source{Primary, 0}) || !same(got, ask(fromPrimary)) {
		t.Fatalf("%+v", got.Source)
	}
	if there, err := fresh.CheckReplica(t.Context()); !there || err == nil {
		t.Fatal("nothing was said of a replica that is gone")
	}
}

func TestLag(t *testing.T) {
	now := epoch
	for name, c := range map[string]struct {
		beat, asOf, want time.Time
		lag              time.Duration
	}{
		"up to date":                     {now, now, now, 0},
		"a minute behind":                {now.Add(-time.Minute), now, now.Add(-time.Minute), time.Minute},
		"asked of earlier":               {now.Add(-time.Minute), now.Add(-time.Hour), now.Add(-time.Hour), time.Minute},
		"its clock is another machine's": {now.Add(time.Second), now, now, 0},
	} {
		if got, lag := behindBy(c.beat, c.asOf, now); !got.Equal(c.want) || lag != c.lag {
			t.Errorf("%s: as of %s, lag %s", name, got, lag)
		}
	}
}
