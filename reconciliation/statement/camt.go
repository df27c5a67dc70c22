package statement

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"feegate/gateway/vnd"
)

// maxDepth is how deep elements may lie in one another; the message's own structure has less than twenty levels.
const (
	maxDepth = 40
	maxNodes = 3_000_000
)

// node is an element by its local name: versions 02 to 08 and later differ in namespace and in a few levels, not in what a name means.
type node struct {
	name string
	attr map[string]string // nil where there is none
	said []byte
	text string
	kids []*node
	line int
}

// at follows names down from a node; nil where there is none.
func (n *node) at(names ...string) *node {
	for _, name := range names {
		if n == nil {
			return nil
		}
		var next *node
		for _, k := range n.kids {
			if k.name == name {
				next = k
				break
			}
		}
		n = next
	}
	return n
}

func (n *node) all(name string) (out []*node) {
	if n == nil {
		return nil
	}
	for _, k := range n.kids {
		if k.name == name {
			out = append(out, k)
		}
	}
	return out
}

// say is the text below a path, "" where there is none.
func (n *node) say(names ...string) string {
	if f := n.at(names...); f != nil {
		return strings.TrimSpace(f.text)
	}
	return ""
}

// either is the first text that one of several paths has.
func (n *node) either(paths ...[]string) string {
	for _, p := range paths {
		if s := n.say(p...); s != "" {
			return s
		}
	}
	return ""
}

// parseXML reads a document without DTD and entities of its own: the standard's messages have none, and they are how small files become large.
func parseXML(raw []byte) (*node, error) {
	var in io.Reader = bytes.NewReader(raw)
	if bytes.HasPrefix(raw, []byte{0xFF, 0xFE}) || bytes.HasPrefix(raw, []byte{0xFE, 0xFF}) {
		in = transform.NewReader(in, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder())
	}
	dec := xml.NewDecoder(in)
	dec.CharsetReader = func(label string, r io.Reader) (io.Reader, error) {
		if l := strings.ToLower(label); l == "utf-8" || l == "utf-16" || l == "us-ascii" {
			return r, nil // what it was is decoded already
		}
		return nil, fmt.Errorf("the encoding %s is not read here", label)
	}
	nodes := 0
	root := &node{}
	stack := []*node{root}
	for {
		tok, err := dec.Token()
		line, _ := dec.InputPos()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, refuse(line, "", "is not XML: %v", err)
		}
		switch t := tok.(type) {
		case xml.Directive:
			return nil, refuse(line, "", "has a document type definition, which bank messages have not")
		case xml.StartElement:
			if len(stack) > maxDepth {
				return nil, refuse(line, "", "its elements lie more than %d deep", maxDepth)
			}
			n := &node{name: t.Name.Local, line: line}
			if nodes++; nodes > maxNodes {
				return nil, refuse(line, "", "has more than %d elements", maxNodes)
			}
			if len(t.Attr) > 0 {
				n.attr = map[string]string{}
			}
			for _, a := range t.Attr {
				n.attr[a.Name.Local] = a.Value
			}
			top := stack[len(stack)-1]
			top.kids = append(top.kids, n)
			stack = append(stack, n)
		case xml.EndElement:
			top := stack[len(stack)-1]
			top.text, top.said = string(top.said), nil
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top := stack[len(stack)-1]
			if len(top.kids) == 0 {
				top.said = append(top.said, t...)
			}
		}
	}
	return root, nil
}

func readCAMT(raw []byte) ([]Statement, error) {
	root, err := parseXML(raw)
	if err != nil {
		return nil, err
	}
	body := root.at("Document", "BkToCstmrStmt")
	if body == nil {
		return nil, refuse(1, "Document", "is not a bank to customer statement (camt.053)")
	}
	statements := body.all("Stmt")
	if len(statements) == 0 {
		return nil, refuse(body.line, "Stmt", "is missing")
	}
	var out []Statement
	for _, n := range statements {
		for _, p := range []*node{n.at("StmtPgntn"), body.at("GrpHdr", "MsgPgntn")} {
			if p != nil && (p.say("LastPgInd") == "false" || p.say("PgNb") != "" && p.say("PgNb") != "1") {
				return nil, refuse(p.line, "page", "is page %s of several: hand in the whole statement", p.say("PgNb"))
			}
		}
		s, err := camtStatement(n)
		if err != nil {
			return nil, err
		}
		out = append(out, *s)
	}
	return out, nil
}

func camtStatement(n *node) (*Statement, error) {
	s := &Statement{ID: n.say("Id"), Sequence: n.either([]string{"ElctrncSeqNb"}, []string{"LglSeqNb"}), Currency: n.say("Acct", "Ccy"),
		Account: plainAccount(n.either([]string{"Acct", "Id", "IBAN"}, []string{"Acct", "Id", "Othr", "Id"}))}
	if s.Account == "" {
		return nil, refuse(n.line, "Acct", "names no account")
	}
	for field, into := range map[string]*string{"FrDtTm": &s.From, "ToDtTm": &s.To} {
		if text := n.say("FrToDt", field); text != "" {
			day, _, err := isoDay(text)
			if err != nil {
				return nil, refuse(n.line, field, "%v", err)
			}
			*into = day
		}
	}
	if err := s.camtBalances(n); err != nil {
		return nil, err
	}
	var sum vnd.Signed
	var credits, debits, entries int
	for _, e := range n.all("Ntry") {
		status := e.either([]string{"Sts", "Cd"}, []string{"Sts", "Prtry"}, []string{"Sts"})
		if status != "" && status != "BOOK" {
			if status == "PDNG" {
				s.Findings = append(s.Findings, Finding{e.line, "pending", "a movement that is not booked yet is left out"})
			}
			continue
		}
		lines, amount, err := s.camtEntry(e)
		if err != nil {
			return nil, err
		}
		s.Lines = append(s.Lines, lines...)
		sum += amount
		entries++
		if amount > 0 {
			credits++
		} else {
			debits++
		}
	}
	for path, have := range map[string]int{"TtlNtries": entries, "TtlCdtNtries": credits, "TtlDbtNtries": debits} {
		if want := n.say("TxsSummry", path, "NbOfNtries"); want != "" && want != fmt.Sprint(have) {
			return nil, refuse(n.line, "TxsSummry", "%s says %s entries, there are %d", path, want, have)
		}
	}
	return s, nil
}

// camtBalances reads opening and closing; where the opening is absent the previous closing is it.
func (s *Statement) camtBalances(n *node) error {
	found := map[string]bool{}
	for _, b := range n.all("Bal") {
		code := b.say("Tp", "CdOrPrtry", "Cd")
		amount, err := camtAmount(b.at("Amt"))
		if err != nil {
			return refuse(b.line, "Bal", "%v", err)
		}
		v := vnd.Signed(amount)
		if b.say("CdtDbtInd") == "DBIT" {
			v = -v
		}
		switch {
		case code == "OPBD", code == "PRCD" && !found["OPBD"]:
			s.Opening = v
		case code == "CLBD":
			s.Closing = v
		case code == "ITBD":
			return refuse(b.line, "Bal", "an interim balance: this is one page of several, hand in the whole statement")
		default:
			continue
		}
		found[code] = true
	}
	if !found["CLBD"] || !found["OPBD"] && !found["PRCD"] {
		return refuse(n.line, "Bal", "opening or closing booked balance is missing")
	}
	return nil
}

func camtAmount(n *node) (vnd.Amount, error) {
	if n == nil {
		return 0, errors.New("the amount is missing")
	}
	if ccy := n.attr["Ccy"]; ccy != "" && ccy != "VND" {
		return 0, fmt.Errorf("the amount is in %s", ccy)
	}
	text := strings.TrimSpace(n.text)
	if whole, part, has := strings.Cut(text, "."); has && strings.Trim(part, "0") == "" {
		text = whole
	}
	a, err := vnd.Parse(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number of đồng", n.text)
	}
	return a, nil
}

// camtEntry reads one entry: one line, or a batch's details where they add up to it.
func (s *Statement) camtEntry(e *node) ([]Line, vnd.Signed, error) {
	amount, err := camtAmount(e.at("Amt"))
	if err != nil {
		return nil, 0, refuse(e.line, "Ntry", "%v", err)
	}
	l := Line{No: e.line, Amount: amount, In: e.say("CdtDbtInd") == "CRDT", Reversal: e.say("RvslInd") == "true", BankReference: e.say("AcctSvcrRef"), Type: camtType(e)}
	if d := e.say("CdtDbtInd"); d != "CRDT" && d != "DBIT" {
		return nil, 0, refuse(e.line, "CdtDbtInd", "is neither CRDT nor DBIT")
	}
	booked := e.either([]string{"BookgDt", "Dt"}, []string{"BookgDt", "DtTm"}, []string{"ValDt", "Dt"}, []string{"ValDt", "DtTm"})
	if l.BookedOn, l.At, err = isoDay(booked); err != nil {
		return nil, 0, refuse(e.line, "BookgDt", "%v", err)
	}
	if l.ValueOn, _, err = isoDay(e.either([]string{"ValDt", "Dt"}, []string{"ValDt", "DtTm"})); err != nil {
		l.ValueOn = l.BookedOn
	}
	var details []*node
	batch := false
	for _, d := range e.all("NtryDtls") {
		batch = batch || d.at("Btch") != nil
		details = append(details, d.all("TxDtls")...)
	}
	if len(details) > 1 {
		lines, sum, err := camtDetails(details, l)
		if err == nil && sum == l.Signed() {
			return lines, sum, nil
		}
		s.Findings = append(s.Findings, Finding{e.line, "batch_mismatch", "the details of this entry do not add up to it: it is taken as one movement"})
		details = nil
	}
	if l.Batch = batch && len(details) == 0; l.Batch {
		s.Findings = append(s.Findings, Finding{e.line, "batch_without_details", "a sum of several movements: ask the bank for the details"})
	}
	if len(details) == 1 {
		l.camtParties(details[0])
	}
	if l.Narrative == "" {
		l.Narrative = e.say("AddtlNtryInf")
		l.Joined = l.Narrative
	}
	return []Line{l}, l.Signed(), nil
}

func camtDetails(details []*node, entry Line) (lines []Line, sum vnd.Signed, err error) {
	for i, d := range details {
		l := entry
		l.Parent, l.No = entry.BankReference, d.line
		n := d.at("Amt")
		if n == nil {
			n = d.at("AmtDtls", "TxAmt", "Amt")
		}
		if n == nil {
			n = d.at("AmtDtls", "InstdAmt", "Amt")
		}
		if l.Amount, err = camtAmount(n); err != nil {
			return nil, 0, err
		}
		if ind := d.say("CdtDbtInd"); ind != "" {
			l.In = ind == "CRDT"
		}
		l.BankReference = ""
		l.camtParties(d)
		if l.BankReference == "" || l.BankReference == entry.BankReference {
			l.BankReference = fmt.Sprintf("%s#%d", entry.BankReference, i+1)
		}
		sum += l.Signed()
		lines = append(lines, l)
	}
	return lines, sum, nil
}

// camtParties reads references, the other side and the text of one transaction.
func (l *Line) camtParties(d *node) {
	if ref := d.either([]string{"Refs", "AcctSvcrRef"}, []string{"Refs", "AcctSvcrTxId"}); ref != "" && (l.BankReference == "" || l.Parent != "") {
		l.BankReference = ref
	}
	if e := d.say("Refs", "EndToEndId"); e != "NOTPROVIDED" {
		l.EndToEnd = e
	}
	l.CustomerReference = d.either([]string{"Refs", "TxId"}, []string{"Refs", "InstrId"}, []string{"RmtInf", "Strd", "CdtrRefInf", "Ref"})
	side := "Dbtr"
	if !l.In {
		side = "Cdtr"
	}
	l.PartyName = d.either([]string{"RltdPties", side, "Nm"}, []string{"RltdPties", side, "Pty", "Nm"})
	l.PartyAccount = plainAccount(d.either([]string{"RltdPties", side + "Acct", "Id", "IBAN"}, []string{"RltdPties", side + "Acct", "Id", "Othr", "Id"}))
	l.PartyBank = d.either([]string{"RltdAgts", side + "Agt", "FinInstnId", "BICFI"}, []string{"RltdAgts", side + "Agt", "FinInstnId", "BIC"})
	var parts []string
	for _, u := range d.at("RmtInf").all("Ustrd") {
		parts = append(parts, strings.TrimSpace(u.text))
	}
	if len(parts) == 0 {
		if t := d.say("AddtlTxInf"); t != "" {
			parts = []string{t}
		}
	}
	l.Narrative, l.Joined = strings.Join(parts, " "), strings.Join(parts, "")
	if d.at("RtrInf", "Rsn") != nil {
		l.Reversal = true
	}
}

// camtType reads the bank's transaction code.
func camtType(e *node) string {
	family, sub := e.say("BkTxCd", "Domn", "Fmly", "Cd"), e.say("BkTxCd", "Domn", "Fmly", "SubFmlyCd")
	switch {
	case e.say("RvslInd") == "true", sub == "RRTN", sub == "RPCR":
		return "reversal"
	case sub == "CHRG", family == "CHRG":
		return "fee"
	case sub == "INTR":
		return "interest"
	}
	return ""
}

// isoDay is the Vietnamese day of an ISO date or time, and the time where it is told.
func isoDay(text string) (day string, at time.Time, err error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		t = t.In(zone())
		return t.Format(time.DateOnly), t, nil
	}
	if t, err := time.ParseInLocation("2006-01-02T15:04:05", text, zone()); err == nil {
		return t.Format(time.DateOnly), t, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, strings.TrimSuffix(text, "+07:00"), zone()); err == nil {
		return t.Format(time.DateOnly), time.Time{}, nil
	}
	return "", time.Time{}, fmt.Errorf("%q is not a date", text)
}

// plainAccount is an account number without blanks and without the bank before it.
func plainAccount(s string) string {
	if i := strings.LastIndex(s, "/"); i >= 0 {
		s = s[i+1:]
	}
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '.' || r == '-' || r == '\u00a0' || r == '\'' {
			return -1
		}
		return r
	}, strings.TrimSpace(s))
}
