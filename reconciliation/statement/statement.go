// Package statement reads bank statements: camt.053, MT940, and the CSV and XLSX exports of Vietnamese banks. Bytes come in, and
// statements whose balances add up go out, or the reasons why not, by line. It knows no account of ours, no payment and no
// database: what a line means is for others to say.
package statement

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"feegate/gateway/vnd"
)

// Formats that are read; "" finds out.
const (
	CAMT053 = "camt053"
	MT940   = "mt940"
	CSV     = "csv"
	XLSX    = "xlsx"
)

// Limits of one file.
const (
	MaxFile   = 50 << 20
	MaxLines  = 500_000
	MaxErrors = 100
)

// Statement is one account's movements as a bank tells them.
type Statement struct {
	ID, Account, Currency string
	Sequence              string // the bank's number of it, "" where it has none
	From, To              string // YYYY-MM-DD, of the movements where the file does not say
	Opening, Closing      vnd.Signed
	Unchecked             bool // the file has no balances: nothing could be added up
	Lines                 []Line
	Findings              []Finding
	Layout                string // of a table: the columns as they were found, for a person to confirm
}

// Line is one movement, in the file's order.
type Line struct {
	No                   int  // in the file: the row or line where it begins
	In                   bool // money came in; a reversal's effect, not what it reverses
	Amount               vnd.Amount
	Reversal             bool // it takes an earlier one back
	Batch                bool // a sum of several movements, whose details the file has not
	Candidate            bool // its text sounds as if it did: a person confirms
	BookedOn, ValueOn    string
	At                   time.Time // zero: the file tells the day alone
	BankReference        string
	EndToEnd             string
	CustomerReference    string
	PartyName, PartyBank string // the other side
	PartyAccount         string
	Narrative            string // its parts joined by blanks
	Joined               string // its parts joined by nothing: a reference broken over two lines is whole in it
	Type                 string // transfer, fee, interest, reversal, other
	Parent               string // of a detail of a batch: the entry's bank reference
	Balance              *vnd.Signed
	Raw                  string
}

// Signed is the line's effect on the account.
func (l *Line) Signed() vnd.Signed {
	if l.In {
		return vnd.Signed(l.Amount)
	}
	return -vnd.Signed(l.Amount)
}

// Finding is something odd that does not keep a statement from being read.
type Finding struct {
	Line         int
	Kind, Detail string
}

// LineError is a place that cannot be read or does not add up.
type LineError struct {
	Line          int
	Field, Detail string
}

func (e LineError) Error() string {
	where := fmt.Sprintf("line %d", e.Line)
	if e.Field != "" {
		where += ", " + e.Field
	}
	return where + ": " + e.Detail
}

// RefusedError says why nothing of a file is taken.
type RefusedError struct{ Lines []LineError }

func (e *RefusedError) Error() string {
	parts := make([]string, 0, len(e.Lines))
	for _, l := range e.Lines {
		parts = append(parts, l.Error())
	}
	return "the statement is refused: " + strings.Join(parts, "; ")
}

func refuse(line int, field, format string, args ...any) error {
	return &RefusedError{[]LineError{{line, field, fmt.Sprintf(format, args...)}}}
}

// ErrTooLarge says that a file is longer than MaxFile.
var ErrTooLarge = errors.New("the statement is too large")

// Read reads a file of a format, or of whichever it is. The error is a *RefusedError, ErrTooLarge, or the reader's.
func Read(r io.Reader, format string) ([]Statement, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the statement: %w", err)
	}
	if len(raw) > MaxFile {
		return nil, ErrTooLarge
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, refuse(1, "", "the file is empty")
	}
	if format == "" {
		if format, err = Detect(raw); err != nil {
			return nil, err
		}
	}
	var out []Statement
	switch format {
	case CAMT053:
		out, err = readCAMT(raw)
	case MT940:
		out, err = readMT940(raw)
	case CSV:
		out, err = readCSV(raw)
	case XLSX:
		out, err = readXLSX(raw)
	default:
		return nil, refuse(1, "format", "must be one of %s, %s, %s, %s", CAMT053, MT940, CSV, XLSX)
	}
	if err != nil {
		return nil, err
	}
	for i := range out {
		if err := out[i].check(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Detect says which format a file has by how it begins.
func Detect(raw []byte) (string, error) {
	switch {
	case bytes.HasPrefix(raw, []byte("PK\x03\x04")):
		return XLSX, nil
	case bytes.HasPrefix(raw, []byte{0xD0, 0xCF, 0x11, 0xE0}):
		return "", refuse(1, "", "this is an old Excel file (.xls): open it in Excel and save it as .xlsx or as CSV UTF-8")
	}
	text, err := decode(raw)
	if err != nil {
		return "", err
	}
	head := strings.TrimSpace(text[:min(len(text), 4096)])
	low := strings.ToLower(head)
	switch {
	case strings.HasPrefix(low, "<html"), strings.HasPrefix(low, "<table"), strings.HasPrefix(low, "<!doctype html"):
		return "", refuse(1, "", "this is a web page that is named .xls: open it in Excel and save it as .xlsx or as CSV UTF-8")
	case strings.HasPrefix(head, "<"):
		return CAMT053, nil
	case strings.HasPrefix(head, ":20:"), strings.HasPrefix(head, "{1:"), strings.Contains(head, "\n:20:"):
		return MT940, nil
	}
	return CSV, nil
}

// check adds up and fills in what follows from the lines.
func (s *Statement) check() error {
	if s.Currency == "" {
		s.Currency = "VND"
	}
	if s.Currency != "VND" {
		return refuse(1, "currency", "is %s: this program keeps đồng alone", s.Currency)
	}
	if len(s.Lines) > MaxLines {
		return refuse(s.Lines[MaxLines].No, "", "at most %d movements in one statement", MaxLines)
	}
	sum := s.Opening
	s.Lines = slices.DeleteFunc(s.Lines, func(l Line) bool { return l.Amount == 0 }) // a movement of nothing is none
	for i := range s.Lines {
		l := &s.Lines[i]
		sum += l.Signed()
		l.Narrative, l.Joined = norm.NFC.String(strings.TrimSpace(l.Narrative)), norm.NFC.String(l.Joined)
		if l.Type == "" {
			l.Type = typeOf(l)
		}
		if s.From == "" || l.BookedOn < s.From {
			s.From = l.BookedOn
		}
		if l.BookedOn > s.To {
			s.To = l.BookedOn
		}
	}
	if s.From == "" { // a statement without movements, that names its last day alone
		s.From = s.To
	}
	if !s.Unchecked && sum != s.Closing {
		line := 1
		if n := len(s.Lines); n > 0 {
			line = s.Lines[n-1].No
		}
		return refuse(line, "closing balance", "opening %s and the movements make %s, the file says %s: a difference of %s", s.Opening.Format(), sum.Format(), s.Closing.Format(), (s.Closing - sum).Format())
	}
	return nil
}

// Fold is a text without what banks change in it: marks, case, signs. Words stay apart by one blank.
func Fold(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFD.String(strings.NewReplacer("đ", "d", "Đ", "D").Replace(s)) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)), r >= utf8.RuneSelf && unicode.IsLetter(r):
			if gap && b.Len() > 0 {
				b.WriteByte(' ')
			}
			gap = false
			b.WriteRune(unicode.ToUpper(r))
		default:
			gap = true
		}
	}
	return b.String()
}

// typeOf reads what a line is from its words, where the bank gives no code.
func typeOf(l *Line) string {
	words := " " + Fold(l.Narrative) + " "
	has := func(any ...string) bool {
		for _, w := range any {
			if strings.Contains(words, " "+w+" ") {
				return true
			}
		}
		return false
	}
	switch {
	case l.Reversal:
		return "reversal"
	case has("HOAN TRA", "HUY GD", "REVERSAL", "DIEU CHINH", "TRA LAI"):
		l.Candidate = true
		return "reversal"
	case !l.In && has("PHI", "FEE", "VAT", "SMS"):
		return "fee"
	case has("LAI TIEN GUI", "TRA LAI TIEN GUI", "INTEREST"):
		return "interest"
	}
	return "transfer"
}
