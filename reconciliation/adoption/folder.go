package adoption

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// Folder keeps the aggregates: it takes marks (what may have changed), counts the dossiers they speak of anew by the definition's own text,
// and carries the differences into the stored facts and their sums, all in one transaction. Any number of replicas may run one; one works
// at a time. A report needs no folder to be right: it counts what is still marked itself.
type Folder struct {
	db   *sqlx.DB
	now  func() time.Time
	beat bool
}

// NewFolder makes the folder; now is the one clock of facts.
func NewFolder(db *sqlx.DB, now func() time.Time) *Folder { return &Folder{db: db, now: now} }

// Beat has it tell the clock whenever it folds: where reports are read from a replica, so that the replica knows how old it is.
func (f *Folder) Beat() { f.beat = true }

const (
	marksAtOnce = 5_000  // marks that one fold takes
	chunk       = 20_000 // dossiers or matches that one fold takes of a mark that speaks of many
	keptFor     = 72 * time.Hour
)

// mark says that something may have changed; see report_marks.
type mark struct {
	At    string     `db:"place" json:"-"` // its row
	What  string     `db:"what" json:"what"`
	Key   string     `db:"key" json:"key"`
	Key2  string     `db:"key2" json:"key2"`
	After *string    `db:"after" json:"after"`
	Upto  *string    `db:"upto" json:"upto"`
	Lo    *int64     `db:"lo" json:"lo"`
	Hi    *int64     `db:"hi" json:"hi"`
	Known *time.Time `db:"at" json:"at"`
	lines *int64     // of an account's day: about so many, at most one more than a fold takes
}

// Fold takes what is marked, as much as one transaction should, and says how many dossiers it counted anew; limit is there so that it is a
// job like others: it gives back limit while more is marked.
func (f *Folder) Fold(ctx context.Context, limit int) (int, error) {
	more, _, err := f.fold(ctx)
	if err != nil || !more {
		return 0, err
	}
	return limit, nil
}

// FoldAll folds until nothing is marked: after a load, before a benchmark.
func (f *Folder) FoldAll(ctx context.Context) (dossiers int, err error) {
	for {
		more, n, err := f.fold(ctx)
		if dossiers += n; err != nil || !more {
			return dossiers, err
		}
	}
}

// share splits the marks into those to fold now and the rest of one that speaks of many: done is what of it is folded now.
func share(all []mark) (now []mark, large *mark) {
	var matches, lines int64
	for i := range all {
		m := &all[i]
		switch {
		case m.What == "a" && m.lines != nil && lines+*m.lines <= chunk: // a small day, with others
			lines += *m.lines
		case m.What == "*" || m.What == "a":
			large = m
			continue
		case m.What == "m":
			n := *m.Hi - *m.Lo + 1
			if matches+n > chunk {
				large = m
				continue
			}
			matches += n
		}
		now = append(now, *m)
	}
	if len(now) > 0 {
		return now, nil
	}
	return nil, large
}
