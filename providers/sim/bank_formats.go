package sim

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"time"

	"feegate/gateway/vnd"
)

// writeMT940 writes the statement as SWIFT MT940: one message, the text of each movement in field 86, 65 characters a line.
func writeMT940(account string, from, to time.Time, opening vnd.Signed, lines []bankLine) ([]byte, error) {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	mark := func(s vnd.Signed) string {
		if s < 0 {
			return "D"
		}
		return "C"
	}
	line(":20:%s", "FG"+from.Format("060102"))
	line(":25:%s", account)
	line(":28C:1/1")
	line(":60F:%s%sVND%d,", mark(opening), from.Format("060102"), magnitude(opening))
	balance := opening
	for _, l := range lines {
		balance += l.amount
		line(":61:%s%s%sD%d,NTRFNONREF//%s", l.at.Format("060102"), l.at.Format("0102"), mark(l.amount), magnitude(l.amount), l.reference)
		text, field := l.narrative, ":86:"
		for len(text) > 65 {
			line("%s%s", field, text[:65])
			text, field = text[65:], ""
		}
		line("%s%s", field, text)
	}
	line(":62F:%s%sVND%d,", mark(balance), to.Format("060102"), magnitude(balance))
	line("-")
	return b.Bytes(), nil
}

// writeCAMT writes the statement as ISO 20022 camt.053.001.08.
func writeCAMT(account string, from, to time.Time, opening vnd.Signed, lines []bankLine) ([]byte, error) {
	var b strings.Builder
	esc := func(s string) string {
		var e bytes.Buffer
		_ = xml.EscapeText(&e, []byte(s)) // a buffer takes all
		return e.String()
	}
	sign := func(s vnd.Signed) string {
		if s < 0 {
			return "DBIT"
		}
		return "CRDT"
	}
	balance := func(code string, s vnd.Signed, day time.Time) {
		fmt.Fprintf(&b, `<Bal><Tp><CdOrPrtry><Cd>%s</Cd></CdOrPrtry></Tp><Amt Ccy="VND">%d</Amt><CdtDbtInd>%s</CdtDbtInd><Dt><Dt>%s</Dt></Dt></Bal>`, code, magnitude(s), sign(s), day.Format(time.DateOnly))
	}
	id := "FG" + account + from.Format("20060102")
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>`)
	fmt.Fprintf(&b, `<GrpHdr><MsgId>%s</MsgId><CreDtTm>%s</CreDtTm></GrpHdr><Stmt><Id>%s</Id><FrToDt><FrDtTm>%sT00:00:00+07:00</FrDtTm><ToDtTm>%sT23:59:59+07:00</ToDtTm></FrToDt><Acct><Id><Othr><Id>%s</Id></Othr></Id><Ccy>VND</Ccy></Acct>`,
		id, to.Format("2006-01-02T15:04:05-07:00"), id, from.Format(time.DateOnly), to.Format(time.DateOnly), esc(account))
	balance("OPBD", opening, from)
	closing := opening
	for _, l := range lines {
		closing += l.amount
	}
	balance("CLBD", closing, to)
	for i, l := range lines {
		fmt.Fprintf(&b, `<Ntry><NtryRef>%s</NtryRef><Amt Ccy="VND">%d</Amt><CdtDbtInd>%s</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><DtTm>%s</DtTm></BookgDt><ValDt><Dt>%s</Dt></ValDt><AcctSvcrRef>%s</AcctSvcrRef><BkTxCd><Domn><Cd>PMNT</Cd></Domn></BkTxCd><NtryDtls><TxDtls><RmtInf><Ustrd>%s</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>`,
			strconv.Itoa(i+1), magnitude(l.amount), sign(l.amount), l.at.Format("2006-01-02T15:04:05-07:00"), l.at.Format(time.DateOnly), esc(l.reference), esc(l.narrative))
	}
	b.WriteString(`</Stmt></BkToCstmrStmt></Document>`)
	return []byte(b.String()), nil
}
