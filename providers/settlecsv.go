package providers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"feegate/gateway/vnd"
)

// MaxSettlementLine is how long one record of a settlement file may be; of a longer one no more than this is read.
const MaxSettlementLine = 64 << 10

// sumLimit keeps the running sums far from overflowing: no file of a day comes near it.
const sumLimit = math.MaxInt64 - 4*int64(vnd.Max)

// SettlementFormat is the CSV layout of one provider's settlement file: UTF-8, one separator, RFC 4180 quotes, one header
// line, and at the end, where the provider writes one, TOTAL,<rows>,<amount signed>,<fee>,<net>.
//
// The reader checks what is common to all: the header, the encoding, the length of lines, cells that a spreadsheet would
// run, net = ±amount − fee, and the TOTAL. Row fills in what only the provider knows.
type SettlementFormat struct {
	Header    []string // exactly these names in this order
	Separator byte     // between columns; 0 = a comma

	// Names of the columns that every layout has.
	Type, Amount, Fee, Net string
	// Words in the Type column.
	Payment, Refund string

	// Row fills the rest of the line from the fields in header order; Line, Type, Amount, Fee and Net are set already.
	// fields is reused for the next row, its strings are not. The reader sets the error's line.
	Row func(fields []string, l *SettlementLine) *LineError
}

// Parse reads the file row by row without holding it. An error is a *LineError; after it reading goes on with the next
// row, except where nothing sensible can follow: a wrong header, an endless line, a row after TOTAL, a broken reader.
// A file with a header only yields nothing: whether a day may be empty is the importer's to say.
func (f SettlementFormat) Parse(r io.Reader) iter.Seq2[SettlementLine, error] {
	return func(yield func(SettlementLine, error) bool) {
		if f.Separator == 0 {
			f.Separator = ','
		}
		p := settlementParser{format: f, records: recordReader{buf: bufio.NewReaderSize(r, MaxSettlementLine), separator: f.Separator}}
		p.run(yield)
	}
}

// MatchKey joins parts so that different parts never give the same key.
func MatchKey(parts ...string) string {
	if key := strings.Join(parts, "|"); !strings.Contains(key, `\`) && strings.Count(key, "|") == len(parts)-1 {
		return key // nearly always: nothing to escape
	}
	escape := strings.NewReplacer(`\`, `\\`, `|`, `\|`)
	escaped := make([]string, len(parts))
	for i, p := range parts {
		escaped[i] = escape.Replace(p)
	}
	return strings.Join(escaped, "|")
}

type settlementParser struct {
	format              SettlementFormat
	records             recordReader
	typ, amount         int
	fee, net            int
	rows                int64
	gross, fees, netSum int64
	unread              bool // a row was bad, so the sums say nothing
}

func (p *settlementParser) run(yield func(SettlementLine, error) bool) {
	fail := func(e *LineError) bool { return yield(SettlementLine{}, e) }
	if e := p.header(); e != nil {
		fail(e)
		return
	}
	blank, total := 0, 0 // line of a blank line still waiting for what follows it, and of the TOTAL
	for {
		rec, at, err := p.records.next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			p.unread = true
			p.rows++
			bad := asLineError(at, err)
			if !fail(bad) || !p.records.usable {
				return
			}
			continue
		}
		if len(rec) == 0 { // blank lines at the very end are an editor's habit, in between they are damage
			if blank == 0 {
				blank = at
			}
			continue
		}
		if blank != 0 {
			if !fail(&LineError{Line: blank, Detail: "a blank line between rows"}) {
				return
			}
			blank = 0
		}
		if total != 0 {
			fail(&LineError{Line: at, Detail: fmt.Sprintf("a row after the TOTAL of line %d", total)})
			return
		}
		fields, bad := splitRecord(rec, p.format.Separator, p.records.fields[:0])
		p.records.fields = fields
		var line SettlementLine
		if bad == nil && fields[0] == "TOTAL" {
			total = at
			line, bad = p.total(fields)
		} else if bad == nil {
			p.rows++
			line, bad = p.row(fields)
		} else {
			p.rows++
		}
		if bad != nil {
			p.unread = true
			bad.Line = at
			if !fail(bad) {
				return
			}
			continue
		}
		line.Line = at
		if !yield(line, nil) {
			return
		}
	}
}

// header reads the first line and finds the common columns.
func (p *settlementParser) header() *LineError {
	start, _ := p.records.buf.Peek(3)
	switch {
	case bytes.HasPrefix(start, []byte{0xEF, 0xBB, 0xBF}):
		_, _ = p.records.buf.Discard(3)
	case bytes.HasPrefix(start, []byte{0xFF, 0xFE}), bytes.HasPrefix(start, []byte{0xFE, 0xFF}):
		return &LineError{Line: 1, Detail: "the file is UTF-16, it must be UTF-8: export or save it as \"CSV UTF-8\""}
	case bytes.HasPrefix(start, []byte("PK\x03")):
		return &LineError{Line: 1, Detail: "the file is a ZIP or XLSX, it must be CSV in UTF-8"}
	}
	rec, at, err := p.records.next()
	if errors.Is(err, io.EOF) {
		return &LineError{Line: 1, Detail: "the file is empty: not even a header"}
	}
	if err != nil {
		return asLineError(at, err)
	}
	got, bad := splitRecord(rec, p.format.Separator, nil)
	if bad != nil {
		bad.Line = at
		return bad
	}
	want := p.format.Header
	hint := ""
	if len(got) == 1 && len(want) > 1 && strings.ContainsAny(got[0], ",;|\t") {
		hint = fmt.Sprintf(" (columns are separated by %q)", string(p.format.Separator))
	}
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return &LineError{Line: at, Field: want[i], Detail: fmt.Sprintf("the header has %d columns, column %d is missing%s", len(got), i+1, hint)}
		case i >= len(want):
			return &LineError{Line: at, Detail: fmt.Sprintf("the header has a column too many: %s", excerpt(got[i]))}
		case got[i] != want[i]:
			return &LineError{Line: at, Field: want[i], Detail: fmt.Sprintf("column %d of the header is %s%s", i+1, excerpt(got[i]), hint)}
		}
	}
	p.typ, p.amount = slices.Index(want, p.format.Type), slices.Index(want, p.format.Amount)
	p.fee, p.net = slices.Index(want, p.format.Fee), slices.Index(want, p.format.Net)
	return nil
}

func (p *settlementParser) row(fields []string) (SettlementLine, *LineError) {
	f := p.format
	if len(fields) != len(f.Header) {
		return SettlementLine{}, &LineError{Detail: fmt.Sprintf("%d fields, the header has %d", len(fields), len(f.Header))}
	}
	var l SettlementLine
	sign := int64(1)
	switch fields[p.typ] {
	case f.Payment:
		l.Type = LinePayment
	case f.Refund:
		l.Type, sign = LineRefund, -1
	default:
		return l, &LineError{Field: f.Type, Detail: fmt.Sprintf("%s is neither %s nor %s", excerpt(fields[p.typ]), f.Payment, f.Refund)}
	}
	var err error
	if l.Amount, err = vnd.Parse(fields[p.amount]); err != nil {
		return l, &LineError{Field: f.Amount, Detail: fmt.Sprintf("%s: %v", excerpt(fields[p.amount]), err)}
	}
	if l.Fee, err = vnd.Parse(fields[p.fee]); err != nil {
		return l, &LineError{Field: f.Fee, Detail: fmt.Sprintf("%s: %v", excerpt(fields[p.fee]), err)}
	}
	if l.Net, err = vnd.ParseSigned(fields[p.net]); err != nil {
		return l, &LineError{Field: f.Net, Detail: fmt.Sprintf("%s: %v (a minus sign is allowed)", excerpt(fields[p.net]), err)}
	}
	if want := vnd.Signed(sign*int64(l.Amount) - int64(l.Fee)); l.Net != want {
		return l, &LineError{Field: f.Net, Detail: fmt.Sprintf("is %s, but amount and fee make %s", l.Net, want)}
	}
	if bad := f.Row(fields, &l); bad != nil {
		return l, bad
	}
	if p.gross > sumLimit || p.gross < -sumLimit || p.fees > sumLimit || p.netSum < -sumLimit {
		return l, &LineError{Detail: "the sums of the file are beyond what can be counted"}
	}
	p.gross += sign * int64(l.Amount)
	p.fees += int64(l.Fee)
	p.netSum += int64(l.Net)
	return l, nil
}

// total reads the control total and holds it against the rows. With a bad row above, only the count can be compared:
// sums that differ then would blame the TOTAL for the row.
func (p *settlementParser) total(fields []string) (SettlementLine, *LineError) {
	if len(fields) != 5 {
		return SettlementLine{}, &LineError{Field: "TOTAL", Detail: fmt.Sprintf("%d fields, want TOTAL, rows, amount, fee and net", len(fields))}
	}
	names := [...]string{"", "rows", "amount", "fee", "net"}
	var got [5]int64
	for i := 1; i < 5; i++ {
		n, err := vnd.ParseSigned(fields[i])
		if err != nil || (n < 0 && (names[i] == "rows" || names[i] == "fee")) {
			return SettlementLine{}, &LineError{Field: "TOTAL " + names[i], Detail: fmt.Sprintf("%s: %v", excerpt(fields[i]), vnd.ErrAmount)}
		}
		got[i] = int64(n)
	}
	for i, sum := range [...]int64{0, p.rows, p.gross, p.fees, p.netSum} {
		if got[i] != sum && (i == 1 || !p.unread) {
			return SettlementLine{}, &LineError{Field: "TOTAL " + names[i], Detail: fmt.Sprintf("is %d, the rows above make %d", got[i], sum)}
		}
	}
	return SettlementLine{Type: LineTotal, Rows: got[1], Gross: vnd.Signed(got[2]), TotalFee: vnd.Amount(got[3]), Net: vnd.Signed(got[4])}, nil
}

// recordReader cuts a CSV file into records: a line, or several where a quoted field holds line breaks.
type recordReader struct {
	buf       *bufio.Reader
	separator byte
	line      int    // physical lines read
	long      []byte // a record of several lines
	fields    []string
	usable    bool // after an error: the next record can be read
}

// next gives the record without its line end, and the line it begins on. The bytes hold until the next call.
func (r *recordReader) next() (rec []byte, at int, err error) {
	r.long = r.long[:0]
	r.usable = true
	at = r.line + 1
	open := false
	for {
		part, err := r.buf.ReadSlice('\n')
		if len(part) > 0 {
			r.line++
		}
		if errors.Is(err, bufio.ErrBufferFull) || len(r.long)+len(part) > MaxSettlementLine {
			r.usable = false
			if open {
				return nil, at, fmt.Errorf("a quoted field does not end within %d KiB", MaxSettlementLine>>10)
			}
			return nil, at, fmt.Errorf("longer than %d KiB", MaxSettlementLine>>10)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			r.usable = false
			return nil, at, fmt.Errorf("cannot be read: %w", err)
		}
		ended := err != nil
		if ended && len(part) == 0 && !open {
			return nil, at, io.EOF
		}
		var bad bool
		if open, bad = scanQuotes(part, r.separator, open); bad {
			return nil, at, errors.New("a quote inside a field: a field with quotes is quoted whole and its quotes doubled")
		}
		if !open && len(r.long) == 0 {
			return trimLineEnd(part), at, nil
		}
		r.long = append(r.long, part...)
		if !open {
			return trimLineEnd(r.long), at, nil
		}
		if ended {
			r.usable = false
			return nil, at, errors.New("a quoted field does not end")
		}
	}
}

// scanQuotes follows the quotes through one line; open says whether a quoted field is open, before and after.
func scanQuotes(line []byte, separator byte, open bool) (stillOpen, bad bool) {
	if !open && bytes.IndexByte(line, '"') < 0 {
		return false, false
	}
	fieldStart, closed := !open, false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case open && c == '"' && i+1 < len(line) && line[i+1] == '"':
			i++
		case open && c == '"':
			open, closed = false, true
		case open:
		case c == separator:
			fieldStart, closed = true, false
		case c == '\n' || (c == '\r' && i+2 == len(line) && line[i+1] == '\n'):
		case c == '"' && fieldStart:
			open, fieldStart = true, false
		case c == '"' || closed: // a quote in a bare field, or text behind a closing quote
			return false, true
		default:
			fieldStart = false
		}
	}
	return open, false
}

func trimLineEnd(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
		if n > 1 && b[n-2] == '\r' {
			b = b[:n-2]
		}
	}
	return b
}

// splitRecord cuts a record whose quotes are known to be right into fields, and refuses what no honest cell holds.
func splitRecord(rec []byte, separator byte, fields []string) ([]string, *LineError) {
	if !utf8.Valid(rec) {
		return fields, &LineError{Detail: "not UTF-8 (an older encoding such as Windows-1258?): export or save the file as UTF-8"}
	}
	rest, comma := string(rec), string(separator) // one allocation a row; the fields are parts of it
	for {
		var field string
		var more bool
		if strings.HasPrefix(rest, `"`) {
			end := 1
			for end < len(rest) {
				if rest[end] != '"' {
					end++
				} else if end+1 < len(rest) && rest[end+1] == '"' {
					end += 2
				} else {
					break
				}
			}
			field = strings.ReplaceAll(rest[1:min(end, len(rest))], `""`, `"`)
			rest = rest[min(end+1, len(rest)):]
			rest, more = strings.CutPrefix(rest, comma)
		} else {
			field, rest, more = strings.Cut(rest, comma)
		}
		if why := badCell(field); why != "" {
			return fields, &LineError{Detail: fmt.Sprintf("field %d, %s: %s", len(fields)+1, excerpt(field), why)}
		}
		fields = append(fields, field)
		if !more {
			return fields, nil
		}
	}
}

// badCell says why a cell is refused. A spreadsheet runs a cell that begins with = + - or @ as a formula; these files go
// on to people who open them there, and no field of a settlement begins so, but for a negative number.
func badCell(s string) string {
	const formula = "would be run as a formula by a spreadsheet"
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\n' && c != '\r' || c == 0x7F {
			return "control characters are not allowed"
		}
	}
	t := strings.TrimLeft(s, " \r\n")
	if t == "" {
		return ""
	}
	switch t[0] {
	case '=', '@', '+':
		return formula
	case '-':
		for i := 1; i < len(t); i++ {
			if t[i] < '0' || t[i] > '9' {
				return formula
			}
		}
	}
	return ""
}

// excerpt quotes the start of a text for an error: enough to find it, never a whole cell.
func excerpt(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s[:min(len(s), 4*most)])[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

func asLineError(at int, err error) *LineError { return &LineError{Line: at, Detail: err.Error()} }
