package statement

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"feegate/gateway/vnd"
)

var asComputers = regexp.MustCompile(`^-?\d+(\.\d+)?([eE][+-]?\d+)?$`)

// spreadsheetNumber reads an amount as a person or as a spreadsheet wrote it.
func spreadsheetNumber(text string) (vnd.Signed, style, bool, error) {
	t := strings.TrimSpace(text)
	if asComputers.MatchString(t) && strings.ContainsAny(t, ".eE") && !grouped.MatchString(strings.TrimPrefix(t, "-")) {
		f, err := strconv.ParseFloat(t, 64)
		if err == nil {
			n, err := wholeOf(f)
			return n, plain, false, err
		}
	}
	return parseNumber(text)
}

// spreadsheetDate reads a day as text or as a spreadsheet's serial number.
func spreadsheetDate(text string) (day string, at time.Time, rest string, err error) {
	if asComputers.MatchString(strings.TrimSpace(text)) {
		if f, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
			day, at, err := excelDate(f, false)
			return day, at, "", err
		}
	}
	return parseDate(text)
}

// maxNarrative is how long a movement's text may grow by the rows below it.
const maxNarrative = 4000

// movement reads one row: a movement, with fee and tax beside it where the bank writes them into columns of their own, or the rest of the
// text of the one before.
func (t *table) movement(row []string, line int, date string) error {
	h := &t.head
	debit, isDebit, err := t.numbers.read(colDebit, h.cell(row, colDebit), line)
	if err != nil {
		return err
	}
	credit, isCredit, err := t.numbers.read(colCredit, h.cell(row, colCredit), line)
	if err != nil {
		return err
	}
	amount, isAmount, err := t.numbers.read(colAmount, h.cell(row, colAmount), line)
	if err != nil {
		return err
	}
	if _, has := h.at[colDebit]; has {
		isAmount = false // the single amount is a repetition of one of the two
	}
	narrative := h.cell(row, colNarrative)
	if debit == 0 && credit == 0 && (!isAmount || amount == 0) {
		if n := len(t.s.Lines); date == "" && n > 0 && narrative != "" && len(t.s.Lines[n-1].Narrative) < maxNarrative {
			l := &t.s.Lines[n-1]
			l.Narrative, l.Joined = l.Narrative+" "+narrative, l.Joined+narrative
		}
		return nil
	}
	if isDebit && debit != 0 && isCredit && credit != 0 {
		return refuse(line, "debit, credit", "both hold an amount")
	}
	if date == "" {
		return refuse(line, colDate, "is missing")
	}
	l := Line{No: line, Narrative: oneLine(narrative), Joined: strings.NewReplacer("\r", "", "\n", "").Replace(narrative), BankReference: unquote(h.cell(row, colReference)),
		PartyName: h.cell(row, colParty), PartyAccount: plainAccount(unquote(h.cell(row, colAccount))), PartyBank: h.cell(row, colBank), Raw: strings.Join(row, "|")}
	rest := ""
	if l.BookedOn, l.At, rest, err = spreadsheetDate(date); err != nil {
		return refuse(line, colDate, "%v", err)
	}
	if h.inDate {
		l.BankReference = rest
	}
	if v := h.cell(row, colValue); v != "" {
		if l.ValueOn, _, _, err = spreadsheetDate(v); err != nil {
			return refuse(line, colValue, "%v", err)
		}
	}
	switch {
	case isDebit && debit != 0: // some banks write what leaves below zero
		l.Amount = absolute(debit)
	case isCredit && credit != 0:
		l.In, l.Amount = credit > 0, absolute(credit)
		l.Candidate = credit < 0
	default:
		l.In, l.Amount = amount > 0, absolute(amount)
		if mark := Fold(h.cell(row, colMark)); mark != "" {
			l.In = slices.Contains([]string{"C", "CR", "CO", "IN", "VAO"}, mark)
		}
	}
	if b, has, err := t.numbers.read(colBalance, h.cell(row, colBalance), line); err != nil {
		return err
	} else if has {
		l.Balance = &b
	}
	lines := []Line{l}
	for _, of := range [][2]string{{colFee, "#fee"}, {colVAT, "#vat"}} { // in the same order each time
		col, suffix := of[0], of[1]
		n, has, err := t.numbers.read(col, h.cell(row, col), line)
		if err != nil {
			return err
		}
		if !has || n == 0 {
			continue
		}
		extra := l
		extra.In, extra.Amount, extra.Type, extra.BankReference = n > 0, absolute(n), "fee", l.BankReference+suffix
		lines[len(lines)-1].Balance, extra.Balance = nil, l.Balance // the balance is that after all of them
		lines = append(lines, extra)
	}
	t.s.Lines = append(t.s.Lines, lines...)
	return nil
}

func absolute(n vnd.Signed) vnd.Amount {
	if n < 0 {
		n = -n
	}
	return vnd.Amount(n)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// finish adds up: row by row where there is a running balance, else from opening to closing.
func (t *table) finish() error {
	s := t.s
	for _, l := range s.Lines {
		if l.In {
			t.credits += vnd.Signed(l.Amount)
		} else {
			t.debits += vnd.Signed(l.Amount)
		}
	}
	for _, sum := range t.totals {
		if absolute(*sum.debit) != vnd.Amount(t.debits) || absolute(*sum.credit) != vnd.Amount(t.credits) {
			return refuse(sum.line, "total", "says %s out and %s in, the rows make %s and %s", absAmount(*sum.debit), absAmount(*sum.credit), vnd.Amount(t.debits).Format(), vnd.Amount(t.credits).Format())
		}
	}
	opened, closed, broken := run(s.Lines, t.opening)
	if broken != nil { // perhaps the newest stands first
		backwards := slices.Clone(s.Lines)
		slices.Reverse(backwards)
		if o, c, again := run(backwards, t.opening); again == nil {
			s.Lines, opened, closed, broken = backwards, o, c, nil
		}
	}
	if broken != nil {
		return broken
	}
	switch {
	case closed != nil && t.closing != nil && *closed != *t.closing:
		return refuse(s.Lines[len(s.Lines)-1].No, colBalance, "the last row's balance is %s, the file says that it closes with %s", closed.Format(), t.closing.Format())
	}
	if opened == nil {
		opened = t.opening
	}
	if closed == nil {
		closed = t.closing
	}
	sum := t.credits - t.debits
	switch {
	case opened != nil && closed != nil:
		s.Opening, s.Closing = *opened, *closed
	case opened != nil:
		s.Opening, s.Closing = *opened, *opened+sum
	case closed != nil:
		s.Opening, s.Closing = *closed-sum, *closed
	default:
		s.Unchecked, s.Closing = true, sum
	}
	return nil
}

func absAmount(n vnd.Signed) string { return absolute(n).Format() }

// run follows the running balance, from the opening where the file says one; it gives what it opens and closes with, or the first row
// that breaks it. nil, nil, nil: no row has one.
func run(lines []Line, opening *vnd.Signed) (opened, closed *vnd.Signed, broken error) {
	var pending vnd.Signed
	if opening != nil && slices.ContainsFunc(lines, func(l Line) bool { return l.Balance != nil }) {
		first, now := *opening, *opening
		opened, closed = &first, &now
	}
	for i := range lines {
		l := &lines[i]
		pending += l.Signed()
		if l.Balance == nil {
			continue
		}
		if closed == nil {
			first := *l.Balance - pending
			opened = &first
		} else if *closed+pending != *l.Balance {
			return nil, nil, refuse(l.No, colBalance, "is %s, the row before and this movement make %s", l.Balance.Format(), (*closed + pending).Format())
		}
		now := *l.Balance
		closed, pending = &now, 0
	}
	if closed != nil && pending != 0 { // rows behind the last balance
		now := *closed + pending
		closed = &now
	}
	return opened, closed, nil
}
