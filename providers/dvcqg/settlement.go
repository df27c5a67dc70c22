package dvcqg

import (
	"bufio"
	"encoding/base64"
	"io"
	"slices"
	"strings"
	"time"

	"feegate/providers"
)

// settlementFormat is the reconciliation file as the mapping lays it out. The platform's own layout is not published.
func (p *provider) settlementFormat() providers.SettlementFormat {
	s := p.m.Settlement
	header := s.Header()
	name := func(is string) string { return header[s.Column(is)] }
	return providers.SettlementFormat{
		Header: header, Separator: s.Separator[0], Payment: s.Payment, Refund: s.Refund,
		Type: name("type"), Amount: name("amount"), Fee: name("fee"), Net: name("net"),
		Row: p.settlementRow,
	}
}

func (p *provider) settlementRow(f []string, l *providers.SettlementLine) *providers.LineError {
	s := p.m.Settlement
	get := func(is string) string {
		if i := s.Column(is); i >= 0 {
			return f[i]
		}
		return ""
	}
	bad := func(is, detail string) *providers.LineError {
		return &providers.LineError{Field: s.Columns[s.Column(is)].Name, Detail: detail}
	}
	day, err := time.Parse(s.DayLayout(), get("date"))
	if err != nil {
		return bad("date", "is not a date as "+s.Date)
	}
	if l.Time, err = time.ParseInLocation(s.TimeLayout(), get("time"), zone()); err != nil {
		return bad("time", "is not a time as "+s.Time)
	}
	if v := get("settled"); v != "" {
		if _, err := time.Parse(s.DayLayout(), v); err != nil {
			return bad("settled", "is not a date as "+s.Date)
		}
	}
	for _, is := range []string{"partner", "reference", "status"} {
		if get(is) == "" {
			return bad(is, "is empty")
		}
	}
	l.Date, l.Terminal, l.Reference, l.Transaction = day.Format(time.DateOnly), get("partner"), get("reference"), get("transaction")
	l.Status, l.PaidTo = get("status"), get("paid_to")
	l.Success = slices.Contains(s.Success, l.Status)
	reference := ""
	if l.Transaction == "" { // then our reference is all that there is to know a row by
		reference = l.Reference
	}
	l.Key = providers.MatchKey(l.Terminal, l.Transaction, string(l.Type), reference)
	return nil
}

// unwrapped takes the Base64 off a file that has it: its first line is long and holds no separator.
func unwrapped(r io.Reader, separator string) io.Reader {
	buf := bufio.NewReader(r)
	start, _ := buf.Peek(32)
	text := strings.TrimRight(string(start), "\r\n")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
	if len(text) < 16 || strings.Contains(text, separator) || strings.Trim(text, alphabet+"\r\n") != "" {
		return buf
	}
	return base64.NewDecoder(base64.StdEncoding, buf)
}
