package statement

import (
	"fmt"
	"slices"
	"strings"

	"feegate/gateway/vnd"
)

// columns by what they hold. No standard says how a Vietnamese bank lays its export out, and they change: so a column is known by the
// words above it, folded, in Vietnamese or English.
const (
	colDate      = "booking date"
	colValue     = "value date"
	colReference = "reference"
	colDebit     = "debit"
	colCredit    = "credit"
	colAmount    = "amount"
	colMark      = "mark"
	colBalance   = "balance"
	colNarrative = "narrative"
	colParty     = "counterparty"
	colAccount   = "counterparty account"
	colBank      = "counterparty bank"
	colFee       = "fee"
	colVAT       = "vat"
)

// aliases are the words of headers; of several date columns the one that stands first here counts.
var aliases = []struct {
	col   string
	words []string
}{
	{colDate, []string{"NGAY HACH TOAN", "POSTING DATE", "NGAY GIAO DICH", "NGAY GD", "TRANSACTION DATE", "TRANS DATE", "NGAY TNX DATE", "NGAY TNX", "TNX DATE", "THOI GIAN", "NGAY", "DATE"}},
	{colValue, []string{"NGAY HIEU LUC", "EFFECTIVE DATE", "VALUE DATE"}},
	{colReference, []string{"SO THAM CHIEU", "SO CT", "SO CHUNG TU", "MA GIAO DICH", "MA GD", "SO GD", "SO BUT TOAN", "REFERENCE NO", "REFERENCE NUMBER", "DOC NO", "TRANSACTION NO", "FT"}},
	{colDebit, []string{"SO TIEN GHI NO", "GHI NO", "PHAT SINH NO", "NO DEBIT", "PS NO", "NO", "DEBIT", "SO TIEN RUT RA", "RUT RA", "TIEN RA"}},
	{colCredit, []string{"SO TIEN GHI CO", "GHI CO", "PHAT SINH CO", "CO CREDIT", "PS CO", "CO", "CREDIT", "SO TIEN GUI VAO", "GUI VAO", "TIEN VAO"}},
	{colAmount, []string{"SO TIEN", "AMOUNT", "PHAT SINH"}},
	{colMark, []string{"LOAI", "C D", "DD"}},
	{colBalance, []string{"SO DU SAU GD", "SO DU", "BALANCE", "RUNNING BALANCE", "LUY KE"}},
	{colNarrative, []string{"NOI DUNG CHI TIET", "NOI DUNG GIAO DICH", "NOI DUNG", "DIEN GIAI", "MO TA", "TRANSACTIONS IN DETAIL", "TRANSACTION DESCRIPTION", "DESCRIPTION", "REMARK", "DETAIL"}},
	{colAccount, []string{"TAI KHOAN DOI UNG", "TK DOI UNG", "TAI KHOAN DICH", "REMITTER S ACCOUNT NUMBER"}},
	{colParty, []string{"NGUOI CHUYEN", "NGUOI HUONG", "DON VI THU HUONG", "TEN TAI KHOAN DOI UNG", "TEN DOI UNG", "REMITTER S ACCOUNT NAME", "PAYEE", "PAYER"}},
	{colBank, []string{"NGAN HANG DOI TAC", "REMITTER S BANK"}},
	{colFee, []string{"PHI LAI", "FEE INTEREST", "PHI", "FEE"}},
	{colVAT, []string{"THUE", "TRANSACTION VAT", "VAT"}},
}

// headerOf says what the column under a header cell holds: for each kind the rank of the alias that was found, the lower the better.
func headerOf(cell string) map[string]int {
	found := map[string]int{}
	best := 0
	for _, part := range strings.FieldsFunc(cell, func(r rune) bool { return r == '/' || r == '(' || r == ')' || r == '\n' }) {
		p := Fold(part)
		for _, a := range aliases {
			for rank, w := range a.words {
				score := 0
				switch {
				case p == w:
					score = 100 + len(w)
				case len(w) >= 5 && strings.HasPrefix(p, w+" "):
					score = len(w)
				}
				if score == 0 {
					continue
				}
				both := (a.col == colDate || a.col == colReference) && (found[colDate] > 0 || found[colReference] > 0)
				if score > best && !both {
					best = score
					clear(found)
				}
				if score >= best || both {
					if old := found[a.col]; old == 0 || rank+1 < old {
						found[a.col] = rank + 1
					}
				}
			}
		}
	}
	return found
}

// header is where a table's columns are.
type header struct {
	at        map[string]int
	inDate    bool // the reference stands behind the date in one cell
	row       int
	described string
}

// findHeader looks for a header from a row on; ok false: there is none within so many rows.
func findHeader(rows [][]string, from, within int) (h header, ok bool) {
	for r := from; r < len(rows) && r < from+within; r++ {
		h := header{at: map[string]int{}, row: r}
		rank := map[string]int{}
		var words []string
		for c, cell := range rows[r] {
			for col, n := range headerOf(cell) {
				if old, taken := rank[col]; !taken || n < old {
					rank[col], h.at[col] = n, c
				}
			}
		}
		_, date := h.at[colDate]
		_, value := h.at[colValue]
		if !date && value {
			h.at[colDate] = h.at[colValue]
			date = true
		}
		_, debit := h.at[colDebit]
		_, credit := h.at[colCredit]
		_, amount := h.at[colAmount]
		if !date || !(debit && credit || amount) {
			continue
		}
		if ref, has := h.at[colReference]; has && ref == h.at[colDate] {
			h.inDate = true
		}
		for _, a := range aliases {
			if c, has := h.at[a.col]; has {
				words = append(words, fmt.Sprintf("%s: %s", a.col, strings.Join(strings.Fields(rows[r][c]), " ")))
			}
		}
		h.described = strings.Join(words, "; ")
		return h, true
	}
	return header{}, false
}

// cell is the text of a column in a row, "" where there is none.
func (h *header) cell(row []string, col string) string {
	if c, has := h.at[col]; has && c < len(row) {
		return strings.TrimSpace(row[c])
	}
	return ""
}

// amounts reads numbers of a table and holds each column to one style.
type amounts struct {
	styles map[string]style
	from   map[string]int
}

func (a *amounts) read(col, text string, line int) (vnd.Signed, bool, error) {
	n, s, none, err := spreadsheetNumber(text)
	if err != nil {
		return 0, false, refuse(line, col, "%v", err)
	}
	if s != plain {
		if was, seen := a.styles[col]; seen && was != s {
			return 0, false, refuse(line, col, "%q writes thousands otherwise than line %d does: one of the two is not what it seems", text, a.from[col])
		}
		a.styles[col], a.from[col] = s, line
	}
	return n, !none, nil
}

// table is one account's section of a sheet on its way to a statement.
type table struct {
	rows            [][]string
	head            header
	numbers         amounts
	s               *Statement
	opening         *vnd.Signed
	closing         *vnd.Signed
	totals          []totals
	debits, credits vnd.Signed
}

type totals struct {
	line          int
	debit, credit *vnd.Signed
}

// readTable reads the sections of a sheet.
func readTable(rows [][]string) ([]Statement, error) {
	const within = 80
	var out []Statement
	from := 0
	for {
		h, ok := findHeader(rows, from, within)
		if !ok {
			break
		}
		t := &table{rows: rows, head: h, numbers: amounts{map[string]style{}, map[string]int{}}, s: &Statement{Layout: h.described}}
		if err := t.above(from); err != nil {
			return nil, err
		}
		next, err := t.body()
		if err != nil {
			return nil, err
		}
		if err := t.finish(); err != nil {
			return nil, err
		}
		out = append(out, *t.s)
		from = next
	}
	if len(out) == 0 {
		return nil, refuse(1, "header", "no row in the first %d names a date and either debit and credit or an amount", within)
	}
	return out, nil
}

// above reads what stands before the header: account, currency, balances.
func (t *table) above(from int) error {
	for r := from; r < t.head.row; r++ {
		if err := t.label(r); err != nil {
			return err
		}
	}
	return nil
}

// label reads a row that says something about the whole; it reports nothing about rows that do not.
func (t *table) label(r int) error {
	for c, cell := range t.rows[r] {
		name, value, _ := strings.Cut(cell, ":")
		words := Fold(name)
		if strings.TrimSpace(value) == "" {
			value = firstOf(t.rows[r][c+1:])
		}
		has := func(any ...string) bool {
			return slices.ContainsFunc(any, func(w string) bool { return strings.HasPrefix(words, w) || strings.Contains(words, " "+w) })
		}
		switch {
		case has("SO DU DAU", "DU DAU", "OPENING BALANCE"):
			return t.balance(&t.opening, r, c)
		case strings.HasPrefix(words, "TU NGAY") || words == "FROM" || words == "FROM DATE":
			if day, _, _, err := spreadsheetDate(value); err == nil {
				t.s.From = day
			}
		case strings.HasPrefix(words, "DEN NGAY") || words == "TO" || words == "TO DATE":
			if day, _, _, err := spreadsheetDate(value); err == nil {
				t.s.To = day
			}
		case has("SO DU CUOI", "DU CUOI", "CLOSING BALANCE"):
			return t.balance(&t.closing, r, c)
		case has("SO TAI KHOAN", "ACCOUNT NO", "ACCOUNT NUMBER", "TAI KHOAN ACCOUNT") && !has("CU", "OLD") && t.s.Account == "":
			if f := strings.Fields(unquote(value)); len(f) > 0 {
				t.s.Account = plainAccount(f[0])
			}
		case has("LOAI TIEN", "CURRENCY") && t.s.Currency == "":
			if f := strings.Fields(strings.ToUpper(value)); len(f) > 0 {
				t.s.Currency = f[0]
			}
		}
	}
	return nil
}

// balance is the last number of a row, from a cell on.
func (t *table) balance(into **vnd.Signed, r, from int) error {
	for c := len(t.rows[r]) - 1; c >= from; c-- {
		text := t.rows[r][c]
		if _, after, has := strings.Cut(text, ":"); has {
			text = after
		}
		if n, _, none, err := spreadsheetNumber(text); err == nil && !none {
			*into = &n
			return nil
		}
	}
	return nil
}

func firstOf(cells []string) string {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return c
		}
	}
	return ""
}

// unquote takes off what keeps a spreadsheet from eating leading zeros.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	if inner, ok := strings.CutPrefix(s, `="`); ok {
		return strings.TrimSuffix(inner, `"`)
	}
	return strings.TrimPrefix(s, "'")
}

// stopped: the row is none of movements.
func stopped(first string) bool {
	w := Fold(first)
	return slices.ContainsFunc([]string{"TONG", "TOTAL", "CONG PHAT SINH", "SO DU DAU", "SO DU CUOI", "DU DAU", "DU CUOI", "OPENING BALANCE", "CLOSING BALANCE"},
		func(p string) bool { return strings.HasPrefix(w, p) })
}

// body reads the movements below the header, and gives the row after them.
func (t *table) body() (next int, err error) {
	for r := t.head.row + 1; r < len(t.rows); r++ {
		row, line := t.rows[r], r+1
		if _, another := findHeader(t.rows, r, 1); another && len(t.s.Lines) > 0 {
			return t.sectionStart(r), nil
		}
		first := firstOf(row)
		if first == "" {
			continue
		}
		date := t.head.cell(row, colDate)
		if stopped(first) || date == "" && slices.ContainsFunc(row, stopped) {
			if err := t.label(r); err != nil {
				return 0, err
			}
			if err := t.total(row, line); err != nil {
				return 0, err
			}
			continue
		}
		if err := t.movement(row, line, date); err != nil {
			return 0, err
		}
	}
	return len(t.rows), nil
}

// sectionStart goes back over the labels of the next section.
func (t *table) sectionStart(r int) int {
	for r > t.head.row+1 && firstOf(t.rows[r-1]) != "" && t.head.cell(t.rows[r-1], colDate) == "" {
		r--
	}
	return r
}

func (t *table) total(row []string, line int) error {
	sum := totals{line: line}
	for col, into := range map[string]**vnd.Signed{colDebit: &sum.debit, colCredit: &sum.credit} {
		if n, _, none, err := spreadsheetNumber(t.head.cell(row, col)); err == nil && !none {
			*into = &n
		}
	}
	if sum.debit != nil && sum.credit != nil {
		t.totals = append(t.totals, sum)
	}
	return nil
}
