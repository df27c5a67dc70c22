package providers

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"feegate/gateway/vnd"
)

func testFormat() SettlementFormat {
	return SettlementFormat{
		Header: []string{"ref", "type", "amount", "fee", "net", "note"},
		Type:   "type", Amount: "amount", Fee: "fee", Net: "net", Payment: "PAY", Refund: "REFUND",
		Row: func(f []string, l *SettlementLine) *LineError {
			l.Reference = f[0]
			l.Status = f[5]
			if f[0] == "" {
				return &LineError{Field: "ref", Detail: "is empty"}
			}
			return nil
		},
	}
}

const testHeader = "ref,type,amount,fee,net,note\n"

func readAll(r io.Reader) (lines []SettlementLine, errs []string) {
	for l, err := range testFormat().Parse(r) {
		if err != nil {
			var le *LineError
			if !errors.As(err, &le) {
				err = fmt.Errorf("NOT A LINE ERROR: %w", err)
			}
			errs = append(errs, err.Error())
			continue
		}
		lines = append(lines, l)
	}
	return lines, errs
}

func TestSettlementRowsAndTotalAreRead(t *testing.T) {
	file := "\uFEFFref,type,amount,fee,net,note\r\n" +
		"A1,PAY,120000,1320,118680,\"Hồ sơ \"\"số 5\"\", lệ phí\"\r\n" +
		"A2,REFUND,20000,0,-20000,\"hai\ndòng\"\n" +
		"A3,PAY,0,0,0,\n" +
		"TOTAL,3,100000,1320,98680\n\n\n"
	lines, errs := readAll(strings.NewReader(file))
	if len(errs) != 0 || len(lines) != 4 {
		t.Fatalf("%d lines, errors %q", len(lines), errs)
	}
	if l := lines[0]; l.Line != 2 || l.Type != LinePayment || l.Amount != 120000 || l.Fee != 1320 || l.Net != 118680 || l.Status != `Hồ sơ "số 5", lệ phí` {
		t.Errorf("first row: %+v", l)
	}
	if l := lines[1]; l.Line != 3 || l.Type != LineRefund || l.Net != -20000 || l.Status != "hai\ndòng" {
		t.Errorf("second row: %+v", l)
	}
	if l := lines[2]; l.Line != 5 {
		t.Errorf("a row after a field of two lines is said to be on line %d, want 5", l.Line)
	}
	if l := lines[3]; l.Type != LineTotal || l.Rows != 3 || l.Gross != 100000 || l.TotalFee != 1320 || l.Net != 98680 {
		t.Errorf("total: %+v", l)
	}
}

func TestSettlementErrorsNameLineAndFieldAndReadingGoesOn(t *testing.T) {
	good := "G,PAY,1000,11,989,\n"
	for name, c := range map[string]struct {
		file  string
		lines int
		errs  []string // each error must contain its text
	}{
		"empty file":                     {"", 0, []string{"line 1: the file is empty"}},
		"mark only":                      {"\uFEFF", 0, []string{"line 1: the file is empty"}},
		"header only":                    {testHeader, 0, nil},
		"header without line end":        {strings.TrimSpace(testHeader), 0, nil},
		"header with another name":       {"ref,type,sum,fee,net,note\n" + good, 0, []string{`line 1, amount: column 3 of the header is "sum"`}},
		"header too short":               {"ref,type,amount\n" + good, 0, []string{"line 1, fee: the header has 3 columns"}},
		"header too long":                {"ref,type,amount,fee,net,note,x\n" + good, 0, []string{`a column too many: "x"`}},
		"semicolons":                     {"ref;type;amount\n", 0, []string{"column 1 of the header"}},
		"header in capitals":             {strings.ToUpper(testHeader) + good, 0, []string{`line 1, ref: column 1 of the header is "REF"`}},
		"UTF-16":                         {"\xff\xfer\x00e\x00f\x00", 0, []string{"UTF-16"}},
		"a workbook":                     {"PK\x03\x04xxxxx", 0, []string{"XLSX"}},
		"old encoding, reading goes on":  {testHeader + "A,PAY,1000,11,989,H\xf4 s\xee\n" + good, 1, []string{"line 2: not UTF-8"}},
		"a NUL":                          {testHeader + "A\x00,PAY,1000,11,989,\n" + good, 1, []string{"line 2: field 1"}},
		"net that does not add up":       {testHeader + "A,PAY,1000,11,990,\n" + good, 1, []string{"line 2, net: is 990, but amount and fee make 989"}},
		"refund net with the wrong sign": {testHeader + "A,REFUND,1000,11,989,\n" + good, 1, []string{"line 2, net: is 989, but amount and fee make -1011"}},
		"amount with a point":            {testHeader + "A,PAY,1.000,11,989,\n" + good, 1, []string{`line 2, amount: "1.000"`}},
		"amount in exponents":            {testHeader + "A,PAY,1e3,11,989,\n" + good, 1, []string{`line 2, amount: "1e3"`}},
		"negative fee":                   {testHeader + "A,PAY,1000,-11,1011,\n" + good, 1, []string{`line 2, fee: "-11"`}},
		"unknown type":                   {testHeader + "A,FEE,1000,11,989,\n" + good, 1, []string{`line 2, type: "FEE" is neither PAY nor REFUND`}},
		"too few fields":                 {testHeader + "A,PAY,1000\n" + good, 1, []string{"line 2: 3 fields, the header has 6"}},
		"the provider's own check":       {testHeader + ",PAY,1000,11,989,\n" + good, 1, []string{"line 2, ref: is empty"}},
		"two bad rows are both named":    {testHeader + "A,PAY,x,11,989,\nB,PAY,1,1,1,\n" + good, 1, []string{"line 2, amount", "line 3, net"}},
		"a bare quote":                   {testHeader + "A,PAY,1000,11,989,5\" pipe\n" + good, 1, []string{"line 2: a quote inside a field"}},
		"text behind a closing quote":    {testHeader + "A,PAY,1000,11,989,\"x\"y\n" + good, 1, []string{"line 2: a quote inside a field"}},
		"a quote that never ends":        {testHeader + "A,PAY,1000,11,989,\"x\n" + good, 0, []string{"line 2: a quoted field does not end"}},
		"a blank line between":           {testHeader + good + "\n" + good, 2, []string{"line 3: a blank line"}},
		"formula =":                      {testHeader + "A,PAY,1000,11,989,=cmd|' /C calc'!A0\n" + good, 1, []string{"line 2: field 6"}},
		"formula = quoted":               {testHeader + "A,PAY,1000,11,989,\"=HYPERLINK(\"\"x\"\")\"\n" + good, 1, []string{"formula"}},
		"formula after blanks":           {testHeader + "A,PAY,1000,11,989, =1\n" + good, 1, []string{"formula"}},
		"formula +":                      {testHeader + "A,PAY,1000,11,989,+SUM(A1)\n" + good, 1, []string{"formula"}},
		"formula -":                      {testHeader + "A,PAY,1000,11,989,-2+3+cmd\n" + good, 1, []string{"formula"}},
		"formula - letters":              {testHeader + "A,PAY,1000,11,989,-cmd\n" + good, 1, []string{"formula"}},
		"formula @ in the first field":   {testHeader + "@A,PAY,1000,11,989,\n" + good, 1, []string{"line 2: field 1"}},
		"total: rows":                    {testHeader + good + "TOTAL,2,1000,11,989\n", 1, []string{"line 3, TOTAL rows: is 2, the rows above make 1"}},
		"total: amount":                  {testHeader + good + "TOTAL,1,1001,11,989\n", 1, []string{"line 3, TOTAL amount: is 1001, the rows above make 1000"}},
		"total: fee":                     {testHeader + good + "TOTAL,1,1000,12,989\n", 1, []string{"line 3, TOTAL fee"}},
		"total: net":                     {testHeader + good + "TOTAL,1,1000,11,988\n", 1, []string{"line 3, TOTAL net"}},
		"total: too few fields":          {testHeader + good + "TOTAL,1,1000\n", 1, []string{"line 3, TOTAL: 3 fields"}},
		"total: not a number":            {testHeader + good + "TOTAL,one,1000,11,989\n", 1, []string{"line 3, TOTAL rows"}},
		"total of nothing":               {testHeader + "TOTAL,0,0,0,0\n", 1, nil},
		"total blames no bad row":        {testHeader + "A,PAY,x,1,1,\n" + good + "TOTAL,2,5,5,5\n", 2, []string{"line 2, amount"}},
		"a row after the total":          {testHeader + good + "TOTAL,1,1000,11,989\n" + good + good, 2, []string{"line 4: a row after the TOTAL of line 3"}},
		"a second total":                 {testHeader + "TOTAL,0,0,0,0\nTOTAL,0,0,0,0\n", 1, []string{"line 3: a row after the TOTAL"}},
	} {
		t.Run(name, func(t *testing.T) {
			lines, errs := readAll(strings.NewReader(c.file))
			if len(lines) != c.lines || len(errs) != len(c.errs) {
				t.Fatalf("%d lines, errors %q; want %d lines and %q", len(lines), errs, c.lines, c.errs)
			}
			for i := range errs {
				if !strings.Contains(errs[i], c.errs[i]) {
					t.Errorf("error %q, want %q in it", errs[i], c.errs[i])
				}
			}
		})
	}
}

// endless is a reader that counts what is taken from it and never ends.
type endless struct {
	head string
	fill byte
	read int
}

func (e *endless) Read(b []byte) (int, error) {
	n := copy(b, e.head)
	e.head = e.head[n:]
	for i := n; i < len(b); i++ {
		b[i] = e.fill
	}
	e.read += len(b)
	return len(b), nil
}

func TestAnEndlessLineIsNotRead(t *testing.T) {
	for name, head := range map[string]string{"header": "", "row": testHeader + "A,PAY,", "quoted": testHeader + "A,PAY,1000,11,989,\""} {
		for _, fill := range []byte{'x', '\n'} {
			if name != "quoted" && fill == '\n' {
				continue // many blank lines are many lines, not one
			}
			r := &endless{head: head, fill: fill}
			_, errs := readAll(r)
			if len(errs) != 1 || !strings.Contains(errs[0], "64 KiB") {
				t.Errorf("%s of %q: errors %q", name, fill, errs)
			}
			if r.read > 2*MaxSettlementLine+len(head) {
				t.Errorf("%s of %q: %d bytes were read", name, fill, r.read)
			}
		}
	}
}

func TestALineOfTheLimitIsStillRead(t *testing.T) {
	row := "A,PAY,1000,11,989,"
	row += strings.Repeat("x", MaxSettlementLine-len(row)-1) + "\n"
	if lines, errs := readAll(strings.NewReader(testHeader + row)); len(lines) != 1 || errs != nil {
		t.Errorf("%d lines, %q", len(lines), errs)
	}
	if lines, errs := readAll(strings.NewReader(testHeader + "x" + row)); len(lines) != 0 || len(errs) != 1 {
		t.Errorf("one byte more: %d lines, %q", len(lines), errs)
	}
}

type brokenReader struct{ s string }

func (b *brokenReader) Read(p []byte) (int, error) {
	if b.s == "" {
		return 0, errors.New("connection lost")
	}
	n := copy(p, b.s)
	b.s = b.s[n:]
	return n, nil
}

func TestABrokenReaderIsAnErrorNotAnEnd(t *testing.T) {
	lines, errs := readAll(&brokenReader{testHeader + "A,PAY,1000,11,989,\nB,PAY"})
	if len(lines) != 1 || len(errs) != 1 || !strings.Contains(errs[0], "line 3: cannot be read: connection lost") {
		t.Errorf("%d lines, %q", len(lines), errs)
	}
}

func TestReadingStopsWhenTheCallerDoes(t *testing.T) {
	n := 0
	for range testFormat().Parse(strings.NewReader(testHeader + strings.Repeat("A,PAY,1,0,1,\n", 10))) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d rows", n)
	}
}

func TestMatchKeyIsInjective(t *testing.T) {
	if MatchKey("a|b", "c") == MatchKey("a", "b|c") || MatchKey(`a\`, "b") == MatchKey(`a\|b`) || MatchKey("a", "") == MatchKey("a") {
		t.Error("different parts give one key")
	}
}

func TestSumsOfRandomFilesAgreeWithTheirTotal(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var b strings.Builder
		b.WriteString(testHeader)
		var gross, fees, net vnd.Signed
		n := rnd.IntN(40)
		for i := range n {
			a, f := vnd.Signed(rnd.Int64N(int64(vnd.Max)/100)), vnd.Signed(rnd.Int64N(5000))
			typ, sign := "PAY", vnd.Signed(1)
			if rnd.IntN(3) == 0 {
				typ, sign = "REFUND", -1
			}
			fmt.Fprintf(&b, "R%d,%s,%d,%d,%d,\n", i, typ, a, f, sign*a-f)
			gross, fees, net = gross+sign*a, fees+f, net+sign*a-f
		}
		fmt.Fprintf(&b, "TOTAL,%d,%d,%d,%d", n, gross, fees, net)
		if lines, errs := readAll(strings.NewReader(b.String())); errs != nil || len(lines) != n+1 {
			t.Fatalf("%d of %d lines, %q in\n%s", len(lines), n+1, errs, b.String())
		}
	}
}

func FuzzSettlement(f *testing.F) {
	for _, s := range []string{"", testHeader, testHeader + "A,PAY,1000,11,989,x\nTOTAL,1,1000,11,989\n", testHeader + "\"A\",REFUND,1,1,-2,\"a\"\"b\nc\"\n",
		testHeader + "\"", "\xff\xfe", testHeader + "\r\n,,,,,\r", testHeader + "A,PAY,1,0,1,\"\"\"\"\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		last := 0
		for l, err := range testFormat().Parse(strings.NewReader(string(b))) {
			var le *LineError
			if err != nil && (!errors.As(err, &le) || le.Line < 1) {
				t.Fatalf("error %v", err)
			}
			if err == nil {
				if l.Line <= last {
					t.Fatalf("line %d after line %d", l.Line, last)
				}
				last = l.Line
				if l.Type == LinePayment && l.Net != vnd.Signed(l.Amount)-vnd.Signed(l.Fee) {
					t.Fatalf("does not add up: %+v", l)
				}
			}
		}
	})
}

func BenchmarkSettlement(b *testing.B) {
	file := testHeader + strings.Repeat("FG202601150001,PAY,120000,1320,118680,\n", 10000)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range testFormat().Parse(strings.NewReader(file)) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
}

func TestASettlementFileWithAnotherSeparator(t *testing.T) {
	f := testFormat()
	f.Separator = '|'
	read := func(file string) (lines []SettlementLine, errs []string) {
		for l, err := range f.Parse(strings.NewReader(file)) {
			if err != nil {
				errs = append(errs, err.Error())
				continue
			}
			lines = append(lines, l)
		}
		return lines, errs
	}
	lines, errs := read("ref|type|amount|fee|net|note\nA1|PAY|1000|10|990|lệ phí, đợt 1\nA2|REFUND|500|0|-500|\"a | b\"\nTOTAL|2|500|10|490\n")
	if len(errs) > 0 || len(lines) != 3 || lines[0].Status != "lệ phí, đợt 1" || lines[1].Status != "a | b" || lines[2].Net != 490 {
		t.Errorf("%+v %v", lines, errs)
	}
	if _, errs := read(testHeader + "A1,PAY,1000,10,990,\n"); len(errs) != 1 || !strings.Contains(errs[0], `columns are separated by "|"`) {
		t.Errorf("%v", errs)
	}
	if lines, errs := read("ref|type|amount|fee|net|note\nA1|PAY|1000|10|990|x\"y\n"); len(errs) != 1 || len(lines) != 0 {
		t.Errorf("%+v %v", lines, errs)
	}
}
