package statement

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/unicode/norm"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t *testing.T, raw []byte) Statement {
	t.Helper()
	all, err := Read(bytes.NewReader(raw), "")
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %d statements", err, len(all))
	}
	return all[0]
}

func summary(lines []Line) string {
	var out []string
	for _, l := range lines {
		mark := ""
		if l.Reversal {
			mark = " reversal"
		}
		if l.Candidate {
			mark = " candidate"
		}
		out = append(out, fmt.Sprintf("%d %s %s %s%s", l.Signed(), l.BankReference, l.BookedOn, l.Type, mark))
	}
	return strings.Join(out, "\n")
}

const day = "2026-03-05"

// The three samples tell of one account and day.
func TestTheSamplesOfEachFormat(t *testing.T) {
	common := "1250000 FT26064000001 2026-03-05 transfer\n500000 FT26064000002 2026-03-05 transfer\n500000 FT26064000003 2026-03-05 transfer\n-11000 FT26064000004 2026-03-05 fee\n"
	for name, want := range map[string]string{
		"camt053.xml": common + "1200000 FT26064000005-1 2026-03-05 transfer\n800000 FT26064000005-2 2026-03-05 transfer\n-500000 FT26064000006 2026-03-05 reversal reversal",
		"mt940.sta":   common + "2000000 FT26064000005 2026-03-05 transfer\n-500000 FT26064000006 2026-03-05 reversal reversal",
		"bank.csv":    common + "2000000 FT26064000005 2026-03-05 transfer\n-500000 FT26064000006 2026-03-05 reversal candidate",
	} {
		s := read(t, sample(t, name))
		if got := summary(s.Lines); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
		if s.Account != "0123456789" || s.Opening != 10_000_000 || s.Closing != 13_739_000 || s.From != day || s.To != day || s.Unchecked || s.Currency != "VND" {
			t.Errorf("%s: %+v", name, s)
		}
		// The reference of the second is broken over two lines, in small letters.
		if j := strings.ToUpper(strings.ReplaceAll(s.Lines[1].Joined, " ", "")); !strings.Contains(j, "PHX22222224J6") {
			t.Errorf("%s: %q", name, s.Lines[1].Joined)
		}
	}
	camt := read(t, sample(t, "camt053.xml"))
	if l := camt.Lines[0]; l.PartyAccount != "0011002233445" || l.PartyName != "NGUYEN VAN A" || l.At.IsZero() || camt.Sequence != "64" {
		t.Errorf("%+v", l)
	}
	if camt.Lines[4].Parent != "FT26064000005" || camt.Lines[5].Parent != "FT26064000005" {
		t.Errorf("the batch: %+v", camt.Lines[4:6])
	}
	if l := read(t, sample(t, "mt940.sta")).Lines[4]; l.ValueOn != "2026-03-06" || l.BookedOn != day {
		t.Errorf("funds code and value date: %+v", l)
	}
}

// refusedAt reads a file that must be refused, and wants the words in the reason.
func refusedAt(t *testing.T, what string, raw []byte, words ...string) {
	t.Helper()
	all, err := Read(bytes.NewReader(raw), "")
	var r *RefusedError
	if !errors.As(err, &r) || len(all) != 0 || r.Lines[0].Line < 1 {
		t.Errorf("%s: %d statements, %v", what, len(all), err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %v does not say %q", what, err, w)
		}
	}
}

func TestWhatDoesNotAddUpIsRefused(t *testing.T) {
	csv, mt, camt := string(sample(t, "bank.csv")), string(sample(t, "mt940.sta")), string(sample(t, "camt053.xml"))
	one := func(s, from, to string) []byte {
		if !strings.Contains(s, from) {
			t.Fatalf("no %q in the sample", from)
		}
		return []byte(strings.Replace(s, from, to, 1))
	}
	for what, c := range map[string]struct {
		raw   []byte
		words []string
	}{
		"a running balance that breaks": {one(csv, "12.250.000", "12.260.000"), []string{"line 12", "12.260.000"}},
		"another closing balance":       {one(csv, "Closing balance:;13.739.000", "Closing balance:;13.739.001"), []string{"closes with"}},
		"another total":                 {one(csv, "511.000;4.250.000", "511.000;4.260.000"), []string{"total"}},
		"thousands in two styles":       {one(csv, ";;500.000;11.750.000", ";;500,000;11.750.000"), []string{"thousands otherwise"}},
		"a fraction of a đồng":          {one(csv, "1.250.000;11.250.000", "1250000,5;11.250.000"), []string{"credit", "whole number"}},
		"month before day":              {one(csv, "05/03/2026 09:02:11", "03/25/2026 09:02:11"), []string{"day, month and year"}},
		"no header":                     {one(csv, "Ngày giao dịch", "Cột A"), []string{"header"}},
		"MT940 that closes otherwise":   {one(mt, ":62F:C260305VND13739000", ":62F:C260305VND13739001"), []string{"closing balance"}},
		"MT940 in another currency":     {[]byte(strings.ReplaceAll(mt, "VND", "USD")), []string{"USD"}},
		"MT940 with a fraction":         {one(mt, "C1250000,N", "C1250000,50N"), []string{":61:"}},
		"MT940 page one of two":         {one(mt, ":62F:", ":62M:"), []string{"further pages"}},
		"MT940 without closing":         {one(mt, ":62F:", ":99F:"), []string{"missing"}},
		"camt that closes otherwise":    {one(camt, `<Amt Ccy="VND">13739000</Amt>`, `<Amt Ccy="VND">13739001</Amt>`), []string{"closing balance"}},
		"camt with other counts":        {one(camt, "<NbOfNtries>6</NbOfNtries>", "<NbOfNtries>7</NbOfNtries>"), []string{"TxsSummry"}},
		"camt with entities":            {one(camt, "<Document", `<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx">]><Document`), []string{"document type"}},
		"camt cut short":                {[]byte(camt[:len(camt)*2/3]), []string{"XML"}},
		"camt page one of two":          {one(camt, "<LastPgInd>true", "<LastPgInd>false"), []string{"page"}},
		"an old Excel file":             {append([]byte{0xD0, 0xCF, 0x11, 0xE0}, make([]byte, 100)...), []string{".xlsx"}},
		"a web page named .xls":         {[]byte("<html><table><tr><td>Ngày</td></tr></table></html>"), []string{"web page"}},
		"nothing":                       {[]byte(" \n"), []string{"empty"}},
		"a zip that is no spreadsheet":  {[]byte("PK\x03\x04 and nothing more"), []string{"spreadsheet"}},
		"a table of something else":     {[]byte("a;b;c\n1;2;3\n"), []string{"header"}},
		"elements without end":          {[]byte(strings.Repeat("<a>", 1000)), []string{"deep"}},
		"debit and credit in one row":   {one(csv, "FT26064000003;;500.000", "FT26064000003;1.000;500.000"), []string{"both"}},
		"UTF-16 without its mark":       {utf16(t, csv)[2:], []string{"UTF-8"}},
	} {
		t.Run(what, func(t *testing.T) { refusedAt(t, what, c.raw, c.words...) })
	}
}

func utf16(t *testing.T, s string) []byte {
	t.Helper()
	b, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Bytes([]byte(strings.TrimPrefix(s, "\ufeff")))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEncodingsSayTheSame(t *testing.T) {
	csv := strings.TrimPrefix(string(sample(t, "bank.csv")), "\ufeff")
	want := summary(read(t, []byte(csv)).Lines)
	old, err := charmap.Windows1258.NewEncoder().Bytes([]byte(half(csv)))
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{"UTF-8 with a mark": []byte("\ufeff" + csv), "UTF-16": utf16(t, csv), "tabs": []byte(strings.ReplaceAll(csv, ";", "\t")),
		"Windows-1258": old, "decomposed": []byte(norm.NFD.String(csv)), "CRLF": []byte(strings.ReplaceAll(strings.ReplaceAll(csv, "\r", ""), "\n", "\r\n"))} {
		if got := summary(read(t, raw).Lines); got != want {
			t.Errorf("%s:\n%s", name, got)
		}
	}
	refusedAt(t, "TCVN3", []byte("Ng\xb5y giao d\xdech;S\xe8 ti\xd2n ghi n\xee;S\xe8 ti\xd2n ghi c\xe3;S\xe8 d\xad;N\xe9i dung chi ti\xd5t\n05/03/2026;;1.000;1.000;N\xe9p ph\xdd\n"), "TCVN3")
}

// half writes Vietnamese as Windows-1258 keeps it: the letter with its shape in one, the tone behind it.
func half(s string) string {
	var b strings.Builder
	for _, r := range s {
		d := []rune(norm.NFD.String(string(r)))
		tone := ""
		shape := string(d[0])
		for _, m := range d[1:] {
			if strings.ContainsRune("\u0300\u0301\u0303\u0309\u0323", m) {
				tone += string(m)
			} else {
				shape += string(m)
			}
		}
		b.WriteString(norm.NFC.String(shape) + tone)
	}
	return b.String()
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]int64{"1.234.567": 1234567, "1,234,567": 1234567, "1 234 567": 1234567, "1234567": 1234567, "1.234.567,00": 1234567, "1,234,567.00": 1234567,
		"+1.250.000": 1250000, "1.250.000 VND": 1250000, "1.250.000đ": 1250000, "(11.000)": -11000, "-11.000": -11000, "11.000-": -11000, "11.000 DR": -11000, "11.000 CR": 11000,
		"1.500": 1500, "1,500": 1500, "2277000.0000000001": 2277000, "1.25E6": 1250000, "1,234,567.00 VND": 1234567, "1\u00a0234\u00a0567": 1234567, "0": 0} {
		if n, _, none, err := spreadsheetNumber(text); err != nil || none || int64(n) != want {
			t.Errorf("%q: %d %v %v", text, n, none, err)
		}
	}
	for _, text := range []string{"1.5", "1,25", "1.234,567.00", "12.34.567", "abc", "1..000", "9999999999999", "1.234.567,50", "--5", "1 23"} {
		if n, _, _, err := spreadsheetNumber(text); err == nil {
			t.Errorf("%q is taken for %d", text, n)
		}
	}
	for _, text := range []string{"", "-", " "} {
		if _, _, none, err := spreadsheetNumber(text); !none || err != nil {
			t.Errorf("%q holds an amount: %v", text, err)
		}
	}
}

func TestDates(t *testing.T) {
	for text, want := range map[string]string{"05/03/2026": day, "5/3/2026": day, "05-03-2026 08:15": day, "05/03/26": day, "2026-03-05T08:15:30": day, "05/03/2026\n08:15:30": day, "46086": day, "46086.5": day, "05/03/2026 FT26064": day} {
		if got, _, _, err := spreadsheetDate(text); err != nil || got != want {
			t.Errorf("%q: %s %v", text, got, err)
		}
	}
	for _, text := range []string{"03/25/2026", "31/02/2026", "2026/03/05", "5 March", "", "1", "05/03/2026 25:00"} {
		if got, _, _, err := spreadsheetDate(text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}

// sheet builds a spreadsheet of rows.
func sheet(t *testing.T, name string, rows [][]any) []byte {
	t.Helper()
	f := excelize.NewFile()
	if err := f.SetSheetName("Sheet1", name); err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		if err := f.SetSheetRow(name, fmt.Sprint("A", i+1), &row); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLayoutsOfBanks(t *testing.T) {
	for name, c := range map[string]struct {
		rows [][]any
		want string
	}{
		"Vietcombank: date and number in one cell": {[][]any{{"SAO KÊ TÀI KHOẢN"}, {"Số tài khoản", "0011000111222"}, {"Loại tiền: VND"}, {"Số dư đầu kỳ/ Opening balance", 1000000},
			{"Ngày TNX Date / Số CT Doc No", "Ngày hiệu lực/ Effective date", "Số tiền ghi nợ/ Debit", "Số tiền ghi có/ Credit", "Số dư/ Balance", "Nội dung chi tiết/ Transactions in detail"},
			{"05/03/2026\n5091 - 12345", "05/03/2026", "", "250,000", "1,250,000", "PHX22222223A4"}, {"05/03/2026\n5091 - 12346", "05/03/2026", "50,000", "", "1,200,000", "RUT TIEN"}},
			"250000 5091 - 12345 2026-03-05 transfer\n-50000 5091 - 12346 2026-03-05 transfer"},
		"Techcombank: debits below zero, fee and tax in columns": {[][]any{{"TRUY VẤN GIAO DỊCH / TRANSACTION ENQUIRY"}, {"Số tài khoản/ Account number", "19031234567890"}, {"Số dư đầu ngày/ Opening balance", 1000000}, {"Số dư cuối ngày/ Closing balance", 1145600},
			{"Ngày KH thực hiện/ Requesting date", "Ngày giao dịch/ Transaction date", "Số bút toán/ Reference number", "Ngân hàng đối tác/ Remitter's bank", "Tài khoản đích/ Remitter's account number", "Tên tài khoản đối ứng/ Remitter's account name", "Diễn giải/ Description", "Nợ/ Debit", "Có/ Credit", "Phí/Lãi/ Fee/Interest", "Thuế/ Transaction VAT", "Số dư/ Running balance"},
			{"05/03/2026", "05/03/2026", "FT1", "VCB", "00112233", "NGUYEN VAN A", "PHX22222223A4", "", 250000, "", "", 1250000},
			{"05/03/2026", "05/03/2026", "FT2", "", "", "", "CHUYEN DI", -100000, "", -4000, -400, 1145600}},
			"250000 FT1 2026-03-05 transfer\n-100000 FT2 2026-03-05 transfer\n-4000 FT2#fee 2026-03-05 fee\n-400 FT2#vat 2026-03-05 fee"},
		"ACB: newest first, a serial number as date": {[][]any{{"BẢNG SAO KÊ GIAO DỊCH"}, {"Số dư đầu", 0},
			{"Ngày hiệu lực", "Ngày giao dịch", "Số GD", "Nội dung giao dịch", "Số tiền rút ra", "Số tiền gửi vào", "Số dư"},
			{46086, 46086.5, "2", "B", "", "200.000", "300.000"}, {46085, 46085, "1", "A", "", "100.000", "100.000"}},
			"100000 1 2026-03-04 transfer\n200000 2 2026-03-05 transfer"},
		"MSB: rows of balances among the movements": {[][]any{{"Ngày giao dịch/ Transaction date", "Số bút toán/ Reference no", "Người hưởng/ Người chuyển (Payee/Payer)", "Diễn giải/ Transaction description", "Nợ/ Debit", "Có/ Credit"},
			{"Số dư đầu kỳ", "", "", "", "", "500,000"}, {"05/03/2026", "R1", "A", "x", "", "100,000"}, {"", "", "", "and more of it", "", ""}, {"Tổng phát sinh", "", "", "", "0", "100,000"}, {"Số dư cuối kỳ", "", "", "", "", "600,000"}},
			"100000 R1 2026-03-05 transfer"},
		"MB: posting date before transaction date, no balances": {[][]any{{"SAO KÊ CHI TIẾT TÀI KHOẢN / ACCOUNT STATEMENT"}, {"Tài khoản/Account No: 9999 888 777"},
			{"Ngày giao dịch/ Transaction date", "Ngày hạch toán/ Posting date", "Phát sinh nợ/ Debit", "Phát sinh có/ Credit", "Nội dung/ Description"},
			{"04/03/2026", "05/03/2026", "", "1,234,567.00 VND", "PHX"}},
			"1234567  2026-03-05 transfer"},
		"one signed amount": {[][]any{{"Ngày", "Số tham chiếu", "Số tiền", "Nội dung"}, {"05/03/2026", "A", "+1.000", "x"}, {"05/03/2026", "B", "-500", "PHI SMS"}}, "1000 A 2026-03-05 transfer\n-500 B 2026-03-05 fee"},
	} {
		t.Run(name, func(t *testing.T) {
			s := read(t, sheet(t, "Sao kê", c.rows))
			if got := summary(s.Lines); got != c.want {
				t.Errorf("\n%s\nwant\n%s\n%s", got, c.want, s.Layout)
			}
			if s.Layout == "" {
				t.Error("the layout is not described")
			}
		})
	}
}

// A small file that unpacks to a very large one is refused before it does.
func TestBombs(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{"[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte(" "), 60<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	refusedAt(t, "a zip bomb", b.Bytes(), "spreadsheet")
	if _, err := Read(bytes.NewReader(make([]byte, MaxFile+1)), CSV); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too long: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"bank.csv", "camt053.xml", "mt940.sta"} {
		f.Add(sample(f, name))
	}
	f.Add([]byte("Ngày,Nợ,Có\n05/03/2026,,1"))
	f.Add([]byte(":20:A\n:25:1\n:60F:C260305VND0,\n:62F:C260305VND0,\n-"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, err := Read(bytes.NewReader(raw), "")
		if err != nil {
			return
		}
		for _, s := range all {
			sum := s.Opening
			for _, l := range s.Lines {
				sum += l.Signed()
				if l.Amount < 0 || l.BookedOn == "" {
					t.Errorf("%+v", l)
				}
			}
			if sum != s.Closing {
				t.Errorf("%d and the movements make %d, not %d", s.Opening, sum, s.Closing)
			}
		}
	})
}
