package statement

import (
	"errors"
	"regexp"
	"strings"
	"time"

	"feegate/gateway/vnd"
)

// field is one tag of a message with its lines.
type field struct {
	tag   string
	lines []string
	line  int
}

var (
	mtTag     = regexp.MustCompile(`^:(\d{2}[A-Z]?):(.*)$`)
	mtLine    = regexp.MustCompile(`^(\d{6})(\d{4})?(RC|RD|EC|ED|C|D)([A-Z])?(\d[\d,]*)([SNF][A-Z0-9]{3})(.*)$`)
	mtBalance = regexp.MustCompile(`^([CD])(\d{6})([A-Z]{3})(\d[\d,]*)$`)
)

// mtMessages splits a file into messages of fields; a line that begins no field goes on with the last.
func mtMessages(text string) (messages [][]field) {
	var now []field
	flush := func() {
		if len(now) > 0 {
			messages = append(messages, now)
		}
		now = nil
	}
	for i, l := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if at := strings.Index(l, "{4:"); at >= 0 {
			l = l[at+3:]
		}
		switch m := mtTag.FindStringSubmatch(l); {
		case strings.TrimSpace(l) == "-" || strings.HasPrefix(l, "-}"):
			flush()
		case m != nil:
			if m[1] == "20" {
				flush()
			}
			now = append(now, field{m[1], []string{m[2]}, i + 1})
		case len(now) > 0 && l != "":
			f := &now[len(now)-1]
			f.lines = append(f.lines, l)
		}
	}
	flush()
	return messages
}

func readMT940(raw []byte) ([]Statement, error) {
	text, err := decode(raw)
	if err != nil {
		return nil, err
	}
	var out []Statement
	open := map[string]*Statement{} // pages of a statement that is not closed yet, by account and number
	messages := mtMessages(text)
	if len(messages) == 0 {
		return nil, refuse(1, ":20:", "no message begins")
	}
	for _, fields := range messages {
		s, more, err := mtStatement(fields)
		if err != nil {
			return nil, err
		}
		number, _, _ := strings.Cut(s.Sequence, "/")
		key := s.Account + " " + number
		if first := open[key]; first != nil {
			if first.Closing != s.Opening {
				return nil, refuse(fields[0].line, ":60M:", "this page opens with %s, the one before ends with %s", s.Opening.Format(), first.Closing.Format())
			}
			first.Lines, first.Closing, first.Findings = append(first.Lines, s.Lines...), s.Closing, append(first.Findings, s.Findings...)
			s = first
		}
		if more {
			open[key] = s
			continue
		}
		delete(open, key)
		s.Sequence = number
		out = append(out, *s)
	}
	for key := range open {
		return nil, refuse(1, ":62M:", "the statement %s has further pages: hand in the whole statement", key)
	}
	return out, nil
}

// mtStatement reads one message; more: another page follows.
func mtStatement(fields []field) (s *Statement, more bool, err error) {
	s = &Statement{}
	opened, closed := false, false
	for i := range fields {
		f := &fields[i]
		first := strings.TrimSpace(f.lines[0])
		switch f.tag {
		case "20":
			s.ID = first
		case "25", "25P":
			s.Account = plainAccount(first)
		case "28C", "28":
			s.Sequence, _, _ = strings.Cut(first, "/") // the statement, without its page
		case "60F", "60M", "62F", "62M":
			v, ccy, err := mtMoney(first)
			if err != nil {
				return nil, false, refuse(f.line, ":"+f.tag+":", "%v", err)
			}
			s.Currency = ccy
			if strings.HasPrefix(f.tag, "60") {
				s.Opening, opened = v, true
			} else {
				s.Closing, closed, more = v, true, f.tag == "62M"
				if len(first) >= 7 { // the day that it closes; what opens it may be dated by the statement before
					if at, err := time.Parse("060102", first[1:7]); err == nil {
						s.To = at.Format(time.DateOnly)
					}
				}
			}
		case "61":
			l, err := mtMovement(f)
			if err != nil {
				return nil, false, err
			}
			s.Lines = append(s.Lines, *l)
		case "86":
			if n := len(s.Lines); n > 0 && !closed && fields[i-1].tag == "61" { // one of each movement
				s.Lines[n-1].mtDetails(f.lines)
			}
		}
	}
	switch {
	case s.Account == "":
		return nil, false, refuse(fields[0].line, ":25:", "names no account")
	case !opened || !closed:
		return nil, false, refuse(fields[0].line, ":60F:", "opening or closing balance is missing")
	}
	return s, more, nil
}

func mtAmount(text string) (vnd.Amount, error) {
	whole, part, _ := strings.Cut(text, ",")
	if len(part) > 2 || strings.Trim(part, "0") != "" {
		return 0, errFraction
	}
	return vnd.Parse(whole)
}

var (
	errFraction = errors.New("is not a whole number of đồng")
	errBalance  = errors.New("is not a balance like C260305VND10000000,")
)

func mtMoney(text string) (vnd.Signed, string, error) {
	m := mtBalance.FindStringSubmatch(text)
	if m == nil {
		return 0, "", errBalance
	}
	a, err := mtAmount(m[4])
	if err != nil {
		return 0, "", err
	}
	v := vnd.Signed(a)
	if m[1] == "D" {
		v = -v
	}
	return v, m[3], nil
}

// mtMovement reads field 61.
func mtMovement(f *field) (*Line, error) {
	m := mtLine.FindStringSubmatch(strings.TrimSpace(f.lines[0]))
	if m == nil {
		return nil, refuse(f.line, ":61:", "is not a movement")
	}
	amount, err := mtAmount(m[5])
	if err != nil {
		return nil, refuse(f.line, ":61:", "the amount %q: %v", m[5], err)
	}
	value, err := time.ParseInLocation("060102", m[1], zone())
	if err != nil {
		return nil, refuse(f.line, ":61:", "the value date %q is none", m[1])
	}
	booked := value
	if m[2] != "" {
		month, day := number(m[2][:2]), number(m[2][2:])
		year := value.Year()
		switch { // the entry has no year: the nearest to the value date
		case month == 12 && value.Month() == 1:
			year--
		case month == 1 && value.Month() == 12:
			year++
		}
		if booked = time.Date(year, time.Month(month), day, 0, 0, 0, 0, zone()); booked.Day() != day || int(booked.Month()) != month {
			return nil, refuse(f.line, ":61:", "the entry date %q is none", m[2])
		}
	}
	if m[3] == "EC" || m[3] == "ED" {
		return nil, refuse(f.line, ":61:", "an expected movement: this is an interim report (MT942), not a statement")
	}
	l := &Line{No: f.line, Amount: amount, In: m[3] == "C" || m[3] == "RD", Reversal: strings.HasPrefix(m[3], "R"),
		BookedOn: booked.Format(time.DateOnly), ValueOn: value.Format(time.DateOnly), Raw: strings.Join(f.lines, "\n")}
	ours, bank, _ := strings.Cut(m[7], "//")
	l.BankReference = strings.TrimSpace(bank)
	if ours = strings.TrimSpace(ours); ours != "NONREF" {
		l.CustomerReference = ours
		if strings.HasPrefix(ours, "E2E") {
			l.EndToEnd = ours
		}
	}
	switch code := m[6]; {
	case l.Reversal, code == "NRTI":
		l.Type = "reversal"
	case code == "NCHG", code == "FCHG", code == "NCOM":
		l.Type = "fee"
	case code == "NINT":
		l.Type = "interest"
	}
	if len(f.lines) > 1 {
		l.PartyName = strings.TrimSpace(strings.Join(f.lines[1:], " "))
	}
	return l, nil
}

var (
	mtQuestion = regexp.MustCompile(`^\d{3}(.)00`)
	mtCode     = regexp.MustCompile(`/(EREF|REMI|ORDP|BENM|RREF|PREF|NAME|ACCT|BIC)/`)
)

// mtDetails reads field 86: numbered subfields, code words, or free text.
func (l *Line) mtDetails(lines []string) {
	l.Raw += "\n" + strings.Join(lines, "\n")
	joined := strings.Join(lines, "")
	switch {
	case mtQuestion.MatchString(joined):
		sep := mtQuestion.FindStringSubmatch(joined)[1]
		var text []string
		for _, part := range strings.Split(joined[3:], sep) {
			if len(part) < 2 {
				continue
			}
			code, value := part[:2], part[2:]
			switch {
			case code >= "20" && code <= "29", code >= "60" && code <= "63":
				text = append(text, value)
			case code == "30":
				l.PartyBank = value
			case code == "31":
				l.PartyAccount = plainAccount(value)
			case code == "32", code == "33":
				l.PartyName = strings.TrimSpace(l.PartyName + " " + value)
			}
		}
		l.Narrative, l.Joined = strings.Join(text, " "), strings.Join(text, "")
	case mtCode.MatchString(joined):
		at := mtCode.FindAllStringSubmatchIndex(joined, -1)
		for i, m := range at {
			end := len(joined)
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			value := strings.Trim(joined[m[1]:end], "/")
			switch joined[m[2]:m[3]] {
			case "EREF":
				l.EndToEnd = value
			case "REMI":
				l.Narrative, l.Joined = value, value
			case "NAME":
				l.PartyName = value
			case "ACCT":
				l.PartyAccount = plainAccount(value)
			}
		}
	default:
		var trimmed []string
		for _, t := range lines {
			trimmed = append(trimmed, strings.TrimSpace(t))
		}
		l.Narrative, l.Joined = strings.Join(trimmed, " "), strings.Join(trimmed, "")
	}
}
