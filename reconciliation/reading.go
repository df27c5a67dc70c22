package reconciliation

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/errgroup"

	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/providers"
)

// reading is a file on its way in.
type reading struct {
	f        File
	terminal string
	account  *account.Account
	id       string
	conn     *sqlx.Conn // the import's own, with its staged rows
	sum      hash.Hash
	imp      *Import
	errs     []providers.LineError
	ownDay   int64
	total    bool
	seen     struct{ references, transactions textSet }
	again    []string // keys of rows that may have come before
	rows     []byte   // read and not yet staged, as COPY takes them
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
// that is refused no more is read than its errors need. While the database takes one chunk the next is read.
func (r *Reconciler) read(ctx context.Context, in *reading, p providers.Provider) error {
	chunks := make(chan string, 1)
	staging, ctx := errgroup.WithContext(ctx)
	staging.Go(func() error {
		for rows := range chunks {
			if err := r.stage(ctx, in.conn, rows); err != nil {
				return err
			}
		}
		return nil
	})
	send := func() {
		if len(in.rows) == 0 || len(in.errs) > 0 {
			return
		}
		select {
		case chunks <- string(in.rows[:len(in.rows)-1]): // the driver ends the last row itself
		case <-ctx.Done():
		}
		in.rows = in.rows[:0]
	}
	err := in.parse(ctx, p, send)
	if err == nil {
		send()
	}
	close(chunks)
	return errors.Join(staging.Wait(), err)
}

// parse reads the file row by row; send is called when a chunk is full.
func (in *reading) parse(ctx context.Context, p providers.Provider, send func()) error {
	source := &broken{r: in.f.Body}
	body := io.TeeReader(source, in.sum)
	for line, err := range p.ParseSettlement(body) {
		if err != nil {
			in.refuse(err)
		} else {
			in.take(line)
		}
		if len(in.errs) >= MaxErrors || ctx.Err() != nil {
			break
		}
		if len(in.rows) >= chunk {
			send()
		}
	}
	if len(in.errs) == 0 && ctx.Err() == nil { // the hash is over the whole file, whatever the parser left unread
		_, _ = io.Copy(io.Discard, body) // a failure is in source.err
	}
	if source.err != nil {
		return &BrokenError{source.err}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	in.finish()
	if len(in.errs) > 0 {
		return &UnreadableError{in.errs}
	}
	return nil
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
	// The same row has the same transaction: a key holds it. It holds the reference where there is none, which then ties nothing.
	reference, transaction := in.seen.references.seen(l.Reference), in.seen.transactions.seen(l.Transaction) || !strings.Contains(l.Key, l.Transaction)
	if transaction && len(in.again) < maxAgain {
		in.again = append(in.again, strings.Clone(l.Key))
	}
	apart := !reference && (!transaction || l.Transaction == "")
	if len(in.errs) == 0 {
		in.rows = append(appendCopied(in.rows, &l, misdirected, apart), '\n')
	}
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
