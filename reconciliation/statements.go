package reconciliation

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/reconciliation/statement"
)

// MaxStatement is how many bytes of a statement are read.
const MaxStatement = statement.MaxFile

// StatementFile is a bank statement as somebody hands it in.
type StatementFile struct {
	BankAccount string // whose it is; "" where the file says so itself
	Format      string // "" finds out
	Name        string
	DryRun      bool
	Unattended  bool // nobody looks at what it says: a table's columns must have been confirmed
	Body        io.Reader
}

// StatementImport is what became of a statement.
type StatementImport struct {
	ID         string          `json:"id"` // "" for a dry run
	SHA256     string          `json:"sha256"`
	FileName   string          `json:"file_name"`
	Lines      int64           `json:"lines"`
	Added      int64           `json:"added"` // lines that no earlier statement had
	Credits    vnd.Amount      `json:"credits"`
	Debits     vnd.Amount      `json:"debits"`
	Statements []StatementPart `json:"statements"`
	Findings   []Finding       `json:"findings"`
	ImportedBy string          `json:"imported_by"`
	RecordedAt time.Time       `json:"recorded_at"`
	Known      bool            `json:"-"`
}

// StatementPart is one account's statement within a file.
type StatementPart struct {
	BankAccount string     `json:"bank_account" db:"bank_account"`
	From        *string    `json:"from" db:"from_day"`
	To          *string    `json:"to" db:"to_day"`
	Opening     vnd.Signed `json:"opening" db:"opening"`
	Closing     vnd.Signed `json:"closing" db:"closing"`
	Unchecked   bool       `json:"unchecked" db:"unchecked"`
	Layout      string     `json:"layout" db:"layout"`
	Lines       int64      `json:"-" db:"-"` // these three of a file that is just read, 0 of one that is known
	Credits     vnd.Amount `json:"-" db:"-"`
	Debits      vnd.Amount `json:"-" db:"-"`
}

// bookedLine is a line on its way into the database.
type bookedLine struct {
	statement.Line
	bankAccount, key string
	occurrence       int
	sealed           []byte
	hint             hint
}

// Statement imports a bank statement: read as a whole, added up, its lines kept once however often and in whatever format they come.
// What came into an account of transfers goes through the gateway's door: told of before, it is confirmed by it; not told of, it is
// money all the same.
func (r *Reconciler) Statement(ctx context.Context, c gateway.Caller, f StatementFile) (*StatementImport, error) {
	sum := sha256.New()
	all, err := statement.Read(io.TeeReader(f.Body, sum), f.Format)
	var refused *statement.RefusedError
	switch {
	case errors.As(err, &refused):
		u := &UnreadableError{}
		for _, l := range refused.Lines {
			u.Lines = append(u.Lines, providers.LineError{Line: l.Line, Field: l.Field, Detail: l.Detail})
		}
		return nil, u
	case errors.Is(err, statement.ErrTooLarge):
		return nil, invalid("file", fmt.Sprintf("at most %d MiB", statement.MaxFile>>20))
	case err != nil:
		return nil, &BrokenError{err}
	}
	imp := &StatementImport{SHA256: hex.EncodeToString(sum.Sum(nil)), FileName: fileName(f.Name), ImportedBy: c.Actor, RecordedAt: r.now(), Findings: []Finding{}, Statements: []StatementPart{}}
	var lines []bookedLine
	for i := range all {
		s := &all[i]
		if err := r.whose(ctx, c, s, f.BankAccount); err != nil {
			return nil, err
		}
		imp.add(s)
		booked := keyed(s)
		accounts, err := r.ofBank(ctx, s.Account)
		if err != nil {
			return nil, err
		}
		for n := range booked {
			booked[n].hint = hintOf(booked[n].Narrative, booked[n].BookedOn, accounts)
		}
		lines = append(lines, booked...)
	}
	for i := range lines {
		if lines[i].sealed, err = r.gateway.SealText("statement:"+lines[i].bankAccount, lines[i].Narrative); err != nil {
			return nil, err
		}
	}
	if !f.DryRun {
		imp.ID = "imp_" + strings.ToLower(rand.Text())
	}
	if err := r.keepStatement(ctx, imp, all, lines, &f); err != nil || f.DryRun {
		return imp, err
	}
	// What this file's lines say is taken in at once, as far as it goes; what fails, of this file or another, the work in the background meets
	// again and reports. The import stands.
	_, _ = r.HearStatements(ctx, heardAtOnce)
	_, _ = r.MatchDue(ctx, matchedAtOnce)
	return imp, ctx.Err()
}

// whose holds a statement to an account of ours that the caller may work on.
func (r *Reconciler) whose(ctx context.Context, c gateway.Caller, s *statement.Statement, asked string) error {
	asked = plain(asked)
	switch {
	case s.Account == "" && asked == "":
		return invalid("bank_account", "is required: the file does not name its account")
	case s.Account == "":
		s.Account = asked
	case asked != "" && plain(s.Account) != asked:
		return invalid("bank_account", "the file is of another account")
	}
	s.Account = plain(s.Account)
	accounts, err := r.ofBank(ctx, s.Account)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(accounts, func(e *account.Entry) bool {
		return c.Person && (len(c.Agencies) == 0 || slices.Contains(c.Agencies, e.Account.AgencyCode))
	}) {
		return nil
	}
	if taken, err := r.slipsOf(ctx, c, s.Account); err != nil || taken {
		return err
	}
	return notFound("bank account")
}

// ofBank are the merchant accounts whose money comes into a bank account; those of transfers first.
func (r *Reconciler) ofBank(ctx context.Context, bankAccount string) ([]*account.Entry, error) {
	entries, err := r.accounts.ForAgency(ctx, "")
	if err != nil {
		return nil, err
	}
	var out []*account.Entry
	for _, transfers := range []bool{true, false} {
		for _, e := range entries {
			if e.Account.Registration.Transfers == transfers && plain(e.Account.BeneficiaryAccount) == bankAccount {
				out = append(out, e)
			}
		}
	}
	return out, nil
}

// plain is an account number as all sources agree on it.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, strings.ToUpper(s))
}

func (imp *StatementImport) add(s *statement.Statement) {
	part := StatementPart{BankAccount: s.Account, Opening: s.Opening, Closing: s.Closing, Unchecked: s.Unchecked, Layout: s.Layout, Lines: int64(len(s.Lines))}
	if s.From != "" {
		part.From, part.To = &s.From, &s.To
	}
	imp.Lines += int64(len(s.Lines))
	for _, l := range s.Lines {
		if l.Candidate {
			imp.Findings = append(imp.Findings, Finding{l.No, "reversal_candidate", "its text sounds as if it took an earlier movement back: a person has to say so"})
		}
		if l.In {
			part.Credits += l.Amount
		} else {
			part.Debits += l.Amount
		}
	}
	imp.Credits += part.Credits
	imp.Debits += part.Debits
	imp.Statements = append(imp.Statements, part)
	for _, f := range s.Findings {
		imp.Findings = append(imp.Findings, Finding{f.Line, f.Kind, f.Detail})
	}
	if s.Unchecked {
		imp.Findings = append(imp.Findings, Finding{1, "unchecked", "the file has no balances: nothing could be added up"})
	}
}

// keyed names each line so that it is known again, in another file or format: by the bank's reference, else by what it says and how
// often it has been said in this file.
func keyed(s *statement.Statement) []bookedLine {
	count := map[string]int{}
	out := make([]bookedLine, 0, len(s.Lines))
	for _, l := range s.Lines {
		key := fmt.Sprintf("ref|%s|%d|%s", l.BankReference, l.Signed(), l.BookedOn)
		if l.BankReference == "" {
			balance := ""
			if l.Balance != nil {
				balance = l.Balance.String()
			}
			digest := sha256.Sum256([]byte(strings.Join([]string{l.BookedOn, l.ValueOn, l.Signed().String(), statement.Fold(l.Joined), balance}, "\x00")))
			key = "hash|" + hex.EncodeToString(digest[:])
		}
		count[key]++
		out = append(out, bookedLine{Line: l, bankAccount: s.Account, key: key, occurrence: count[key]})
	}
	return out
}

// matchedAtOnce is how many days are matched by the call that imports a statement; the rest follow within seconds.
const matchedAtOnce = 200

// heardAtOnce is how many lines are taken in by the call that imports them; the rest follow within seconds.
const heardAtOnce = 500

// askedAgainFor is how long a reversal waits for what it takes back.
const askedAgainFor = 24 * time.Hour

// HearStatements takes lines that nobody has taken through the gateway's door, each by itself: an import that was cut off between its
// lines and the door goes on here. It gives how many there were.
func (r *Reconciler) HearStatements(ctx context.Context, limit int) (int, error) {
	lines, err := r.unheard(ctx, limit)
	if err != nil {
		return 0, err
	}
	var errs error
	for i := range lines { // one that fails keeps no other waiting
		if err := r.hear(ctx, &lines[i]); err != nil {
			errs = errors.Join(errs, fmt.Errorf("line %d of the statements of %s: %w", lines[i].ID, lines[i].BankAccount, err))
		}
	}
	return len(lines), errs
}

func (r *Reconciler) hear(ctx context.Context, l *heardLine) error {
	accounts, err := r.ofBank(ctx, l.BankAccount)
	if err != nil {
		return err
	}
	if len(accounts) == 0 || !accounts[0].Account.Registration.Transfers {
		return nil
	}
	text, err := r.gateway.OpenText("statement:"+l.BankAccount, l.Sealed)
	if err != nil {
		return err
	}
	n := providers.Notice{Outcome: providers.Succeeded, Amount: vnd.Amount(max(l.Amount, -l.Amount)), PaidAt: l.when(), Code: "statement", Transaction: l.Reference,
		Transfer: &providers.Transfer{ID: "statement:" + l.Key + "#" + fmt.Sprint(l.Occurrence), Account: l.BankAccount, Reference: l.Reference, Content: text, Out: l.Amount < 0, Batch: l.ImportID, DayOnly: l.At == nil}}
	n.Reference, n.Transfer.Ambiguous = accounts[0].Account.Registration.FindReference(text)
	transfer, err := r.gateway.RecordStatementLine(ctx, accounts[0].Account.ID, n)
	if err != nil {
		return err
	}
	reversed := ""
	if l.Type == "reversal" && l.Amount < 0 { // before the line is tied: cut off here, it is taken back all the same
		if reversed, err = r.gateway.ReverseTransfer(ctx, l.BankAccount, n); err != nil {
			return err
		}
		if reversed == "" && r.now().Sub(l.RecordedAt) < askedAgainFor { // what it takes back may be heard of later
			return nil
		}
	}
	return r.tieLine(ctx, l.ID, transfer, reversed)
}
