// Package reconciliation is the morning after: it imports what providers say they settled, matches it with what we recorded,
// and names every difference.
//
// It may touch its own tables (store*.go alone hold SQL) and read gateway's; money it changes only through gateway's one door.
package reconciliation

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
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
	chunk       = 5000      // rows staged per transaction
)

// Reconciler imports and matches. It keeps no state of its own.
type Reconciler struct {
	db       *sqlx.DB
	accounts *account.Store
	gateway  *gateway.Gateway
	now      func() time.Time
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

// reading is a file on its way in.
type reading struct {
	f        File
	terminal string
	account  *account.Account
	id       string
	conn     *sqlx.Conn // the import's own: it holds the lock that says that its staged rows are not abandoned
	sum      hash.Hash
	imp      *Import
	errs     []providers.LineError
	ownDay   int64
	total    bool
	rows     []stagedRow
}

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
	in.imp = &Import{ID: in.id, AccountID: f.AccountID, Date: f.Date, Status: "visible", FileName: f.Name, ImportedBy: f.By, Findings: []Finding{}}
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

// broken remembers that the file itself could not be read to its end, whatever the parser made of that.
type broken struct {
	r   io.Reader
	err error
}

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// read parses, checks and stages the whole file. After the first bad row nothing more is staged, only looked at; of a file
// that is refused no more is read than its errors need.
func (r *Reconciler) read(ctx context.Context, in *reading, p providers.Provider) error {
	source := &broken{r: in.f.Body}
	body := io.TeeReader(source, in.sum)
	for line, err := range p.ParseSettlement(body) {
		if err != nil {
			in.refuse(err)
		} else {
			in.take(line)
		}
		if len(in.errs) >= MaxErrors {
			break
		}
		if len(in.rows) >= chunk {
			if err := r.stage(ctx, in); err != nil {
				return err
			}
		}
	}
	if len(in.errs) == 0 { // the hash is over the whole file, whatever the parser left unread
		_, _ = io.Copy(io.Discard, body) // a failure is in source.err
	}
	if source.err != nil {
		return &BrokenError{source.err}
	}
	in.finish()
	if len(in.errs) > 0 {
		return &UnreadableError{in.errs}
	}
	return r.stage(ctx, in)
}

func (in *reading) refuse(err error) {
	var l *providers.LineError
	if !errors.As(err, &l) {
		l = &providers.LineError{Detail: err.Error()}
	}
	in.errs = append(in.errs, *l)
}

func (in *reading) finding(line int, kind, detail string) {
	if len(in.imp.Findings) < MaxFindings {
		in.imp.Findings = append(in.imp.Findings, Finding{line, kind, detail})
	}
}

func (in *reading) take(l providers.SettlementLine) {
	if l.Type == providers.LineTotal {
		in.total = true
		return
	}
	if l.Terminal != in.terminal {
		in.refuse(&providers.LineError{Line: l.Line, Field: "terminal", Detail: "is " + l.Terminal + ", this account's is " + in.terminal})
		return
	}
	if l.Date == in.f.Date {
		in.ownDay++
	} else {
		in.finding(l.Line, "late", "a row of "+l.Date)
	}
	if !l.Success {
		in.finding(l.Line, "status", "its status is "+l.Status+", no money moved")
	}
	misdirected := l.Success && l.PaidTo != "" && !in.account.PaidRightly(l.Date, l.PaidTo)
	if misdirected {
		in.finding(l.Line, "wrong_account", "it was paid into an account that is not this account's beneficiary")
	}
	in.imp.Lines++
	signed := vnd.Signed(l.Amount)
	if l.Type == providers.LineRefund {
		signed = -signed
	}
	in.imp.Amount += signed
	in.imp.Fee += l.Fee
	in.imp.Net += l.Net
	in.rows = append(in.rows, stagedRow{ImportID: in.id, LineNo: int64(l.Line), Type: string(l.Type), Reference: l.Reference, Transaction: l.Transaction,
		Original: l.Original, Amount: l.Amount, Fee: l.Fee, Net: l.Net, At: l.Time, OwnDate: l.Date, RowStatus: l.Status, Success: l.Success, Misdirected: misdirected, Key: l.Key})
}

// finish checks what only the whole file can tell.
func (in *reading) finish() {
	in.imp.SHA256 = hex.EncodeToString(in.sum.Sum(nil))
	if len(in.errs) > 0 {
		return
	}
	if e := in.f.ExpectedLines; e != nil && *e != in.imp.Lines {
		in.refuse(&providers.LineError{Field: "expected_lines", Detail: fmt.Sprintf("the file has %d rows", in.imp.Lines)})
	}
	if e := in.f.ExpectedAmount; e != nil && *e != in.imp.Amount {
		in.refuse(&providers.LineError{Field: "expected_amount", Detail: "the file's rows add up to " + in.imp.Amount.String()})
	}
	if in.imp.Lines == 0 && !in.total && (in.f.ExpectedLines == nil || *in.f.ExpectedLines != 0) {
		in.refuse(&providers.LineError{Line: 1, Detail: "the file has no rows: a day without payments needs TOTAL,0,0,0,0 or expected_lines=0"})
	}
	if in.imp.Lines > 0 && in.ownDay == 0 {
		in.refuse(&providers.LineError{Field: "date", Detail: "every row is of another day than " + in.f.Date})
	}
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
