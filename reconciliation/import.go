// Package reconciliation is the morning after: it imports what providers say they settled, matches it with what we recorded,
// and names every difference.
//
// It may touch its own tables (store*.go alone hold SQL) and read gateway's; money it changes only through gateway's one door.
package reconciliation

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/errgroup"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/providers"
)

// Limits of one settlement file.
const (
	MaxErrors   = 100
	MaxFindings = 1000
	MaxFile     = 256 << 20 // bytes of an upload
	chunk       = 1 << 20   // bytes staged per transaction
	maxAgain    = 10000     // keys of rows that came again, remembered one by one
)

// Reconciler imports and matches. It keeps no state of its own.
type Reconciler struct {
	db       *sqlx.DB
	accounts *account.Store
	gateway  *gateway.Gateway
	now      func() time.Time
	longWay  bool // for tests: every line and payment goes through the working set
}

// New makes the reconciler.
func New(db *sqlx.DB, accounts *account.Store, g *gateway.Gateway, now func() time.Time) *Reconciler {
	return &Reconciler{db: db, accounts: accounts, gateway: g, now: now}
}

// File is a settlement file as somebody hands it in.
type File struct {
	AccountID      string
	Date           string // the business day it settles, YYYY-MM-DD
	Format         string // "" or csv: the layout is the provider's
	Name           string
	By             string
	Replaces       string // the day's newest import, which this file takes the place of
	DryRun         bool   // say what would come of it, keep nothing
	ExpectedLines  *int64
	ExpectedAmount *vnd.Signed
	Body           io.Reader
}

// Finding is something odd in a file that can be read all the same.
type Finding struct {
	Line   int    `json:"line"`
	Kind   string `json:"kind"`
	Detail string `json:"detail"`
}

// Import is what became of a file. Amount is Σ signed (payments +, refunds −) over all rows.
type Import struct {
	ID           string     `json:"id"` // "" for a dry run
	AccountID    string     `json:"account_id"`
	Date         string     `json:"date"`
	Status       string     `json:"status"`
	FileName     string     `json:"file_name"`
	SHA256       string     `json:"sha256"`
	Lines        int64      `json:"lines"`
	Added        int64      `json:"added"` // rows that no earlier file of the day had
	Amount       vnd.Signed `json:"amount"`
	Fee          vnd.Amount `json:"fee"`
	Net          vnd.Signed `json:"net"`
	Findings     []Finding  `json:"findings"`
	Replaces     *string    `json:"replaces"`
	ImportedBy   string     `json:"imported_by"`
	RecordedAt   time.Time  `json:"recorded_at"`
	SupersededAt *time.Time `json:"superseded_at"`
	Known        bool       `json:"-"` // the very same file was imported before
}

// UnreadableError says line by line why a file was refused; nothing of it is kept.
type UnreadableError struct{ Lines []providers.LineError }

func (e *UnreadableError) Error() string {
	parts := make([]string, 0, len(e.Lines))
	for _, l := range e.Lines {
		parts = append(parts, l.Error())
	}
	return "the settlement file is refused: " + strings.Join(parts, "; ")
}

// BrokenError says that the file itself could not be read to its end.
type BrokenError struct{ Err error }

func (e *BrokenError) Error() string { return "reading the settlement file: " + e.Err.Error() }
func (e *BrokenError) Unwrap() error { return e.Err }

// Problems that this room gives, besides the gateway's.
const (
	ProblemConflict      = "conflicting-settlement"
	ProblemDayClosed     = "day-closed"
	ProblemResolution    = "resolution-state"
	conflictKnownAnother = "this very file was imported for another account or day"
)

// Settlement imports a settlement file: it is streamed into staging in short chunks, checked as a whole, made visible at once,
// and the account's day is matched. A file that cannot be read or does not add up leaves nothing behind.
func (r *Reconciler) Settlement(ctx context.Context, f File) (*Import, error) {
	imp, err := r.take(ctx, f)
	if err != nil || f.DryRun {
		return imp, err
	}
	return imp, r.Match(ctx, f.AccountID, f.Date)
}

// Settlements imports several files, each as by itself, and matches all their days together at the end: the same answer, sooner.
func (r *Reconciler) Settlements(ctx context.Context, files []File) ([]*Import, error) {
	imports := make([]*Import, len(files))
	var days []accountDay
	taking, together := errgroup.WithContext(ctx)
	taking.SetLimit(4)
	for n, f := range files {
		if !f.DryRun {
			days = append(days, accountDay{f.AccountID, f.Date})
		}
		taking.Go(func() (err error) {
			if imports[n], err = r.take(together, f); err != nil {
				err = fmt.Errorf("settlement file of %s for %s: %w", f.AccountID, f.Date, err)
			}
			return err
		})
	}
	if err := taking.Wait(); err != nil {
		return nil, err
	}
	return imports, r.matchAll(ctx, days)
}

// take is the import without the matching.
func (r *Reconciler) take(ctx context.Context, f File) (*Import, error) {
	entry, err := r.accepts(ctx, f)
	if err != nil {
		return nil, err
	}
	in := &reading{f: f, terminal: entry.Account.Terminal, account: &entry.Account, id: newID("imp_"), sum: sha256.New()}
	in.seen.references, in.seen.transactions = newTextSet(), newTextSet()
	in.imp = &Import{ID: in.id, AccountID: f.AccountID, Date: f.Date, Status: "visible", FileName: fileName(f.Name), ImportedBy: f.By, Findings: []Finding{}}
	if f.Replaces != "" {
		in.imp.Replaces = &f.Replaces
	}
	release, err := r.holdStaging(ctx, in)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := r.read(ctx, in, entry.Provider); err != nil {
		return nil, err
	}
	return r.makeVisible(ctx, in)
}

// accepts checks what is said about the file, before a byte of it is read.
func (r *Reconciler) accepts(ctx context.Context, f File) (*account.Entry, error) {
	if err := checkDate("date", f.Date); err != nil {
		return nil, err
	}
	if f.Format != "" && f.Format != "csv" {
		return nil, invalid("format", "settlement files are csv")
	}
	entry, err := r.accounts.Get(ctx, f.AccountID)
	if errors.Is(err, account.ErrNoAccount) {
		return nil, notFound("account")
	}
	if err != nil {
		return nil, err
	}
	return entry, entry.Err
}

func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

func invalid(field, detail string) error {
	return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: field, Detail: detail}}}
}

func notFound(what string) error {
	return &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such " + what}
}

func checkDate(field, value string) error {
	if _, err := time.Parse(time.DateOnly, value); err != nil {
		return invalid(field, "must be a date like 2026-01-31")
	}
	return nil
}
