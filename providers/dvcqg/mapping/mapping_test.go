package mapping

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheVersionOfTheProgramIsRight(t *testing.T) {
	for _, setting := range append(Known(), "", " 1.0.6 ", string(version106)) {
		m, err := Load(setting)
		if err != nil {
			t.Fatalf("%.20s: %v", setting, err)
		}
		if m.Version != "1.0.6" || !strings.HasPrefix(m.ID(), "1.0.6+") || len(m.ID()) != 14 || m.Interval() != 5*time.Minute || !m.Confirm() || m.Settlement.Column("net") != 7 {
			t.Errorf("%.20s: %+v", setting, m)
		}
	}
}

// Nothing was checked against the platform: what no public source shows must say so.
func TestWhatIsAssumedIsMarkedSo(t *testing.T) {
	m, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	for entry, want := range map[string]string{
		"hashes.init": "verified", "hashes.callback": "verified", "hashes.query": "verified", "hash.algorithm": "verified", "fields.digest": "verified",
		"statuses.1": "verified", "statuses.2": "assumed", "codes.callback.00": "verified", "hashes.answer": "assumed", "functions.init.type": "verified",
		"functions.init.path": "assumed", "functions.callback.type": "assumed", "settlement.columns": "assumed", "settlement.cut_off": "assumed",
		"receipt.kinds.phi": "assumed", "answers.recorded.code": "verified", "answers.forged.code": "assumed", "times.query": "assumed", "return": "assumed",
	} {
		if got := m.Mark(entry); got != want {
			t.Errorf("%s is marked %q, want %q", entry, got, want)
		}
	}
}

func TestTwoTextsOfOneVersionAreTwoMappings(t *testing.T) {
	a, errA := Load("")
	b, errB := Load(strings.Replace(string(version106), `"5m"`, `"6m"`, 1))
	if errA != nil || errB != nil || a.ID() == b.ID() || a.Version != b.Version {
		t.Errorf("%v %v", errA, errB)
	}
}

// Each case spoils the right text; the faults are the whole list.
func TestEveryFaultNamesItsEntry(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string
		want     []string
	}{
		"no address":             {`"path": "/payment/init"`, `"path": "payment/init"`, []string{"functions.init.path: must be a path such as /payment/init"}},
		"an address of its own":  {`{"type": "CONFIRM"}`, `{"type": "CONFIRM", "path": "/x"}`, []string{"functions.callback.path: the platform calls our address: it has no path here"}},
		"a field of nobody":      {`"ip": "Ip",`, `"ip": "Ip", "colour": "Mau",`, []string{"fields.colour: is not a word that this program knows"}},
		"one name for two":       {`"status": "TrangThaiGD"`, `"status": "MaLoi"`, []string{`fields.status: "MaLoi" is the name of code already`}},
		"an empty name":          {`"status": "TrangThaiGD"`, `"status": ""`, []string{"fields.status: is empty"}},
		"a constant with a |":    {`"bank": "PAYMENT"`, `"bank": "PAY|MENT"`, []string{"values.bank: holds the hash's separator, a control character or a line break"}},
		"no algorithm":           {`"algorithm": "sha256"`, `"algorithm": "md5"`, []string{`hash.algorithm: "md5" is none of sha256, sha512, hmac-sha256, hmac-sha512`}},
		"a letter between":       {`{"algorithm": "sha256", "separator": "|"}`, `{"algorithm": "sha256", "separator": "x"}`, nil},
		"a hash without amount":  {`"MaThamChieu", "SoTien", "MaTienTe",`, `"MaThamChieu", "MaTienTe",`, []string{"hashes.callback: leaves out SoTien: what no hash covers, anybody can change"}},
		"a hash of a stranger":   {`"answer": ["MaLoi",`, `"answer": ["MaLoi", "Xyz",`, []string{`hashes.answer: "Xyz" is the name of no field`}},
		"a hash of elsewhere":    {`"answer": ["MaLoi",`, `"answer": ["MaLoi", "SoTien",`, []string{`hashes.answer: "SoTien" is no field of this message`}},
		"a field hashed twice":   {`"answer": ["MaLoi",`, `"answer": ["MaLoi", "MaLoi",`, []string{`hashes.answer: "MaLoi" occurs twice`}},
		"kinds that are one":     {`"phi": "1", "le_phi": "2"`, `"phi": "1", "le_phi": "1"`, []string{"receipt.kinds: phi and le_phi have one value: nobody could tell a fee from a charge"}},
		"a class of nobody":      {`"2": "uncertain"`, `"2": "held"`, []string{`statuses.2: "held" is none of succeeded, pending, declined, failed, expired, reversed, uncertain`}},
		"nothing is ever paid":   {`{"00": "succeeded"}`, `{"00": "failed"}`, []string{"codes.callback: no code is succeeded: nothing would ever be paid"}},
		"a code with a newline":  {`{"0": "accepted"}`, `{"0": "accepted", "a\n": "refused"}`, []string{`codes.init: "a\n" is no code`}},
		"thanks to a forger":     {`"code": "97"`, `"code": "00"`, []string{"answers.forged.code: is what we answer when we have recorded the message: the platform would not come again"}},
		"no time of a query":     {`"query": "init", "bill"`, `"query": "later", "bill"`, []string{`times.query: "later" is neither init (the time of the INIT) nor call (the time of the call)`}},
		"no pause":               {`"5m"`, `"0s"`, []string{"min_interval: must be a duration from 1s to 24h, such as 5m"}},
		"no return":              {`"return": "signed"`, `"return": ""`, []string{`return: "" is none of signed, reference, none`}},
		"a column twice":         {`{"name": "phi", "is": "fee"}`, `{"name": "so_tien", "is": "fee"}`, []string{`settlement.columns[6]: "so_tien" occurs twice`}},
		"a column missing":       {`{"name": "phi", "is": "fee"},`, ``, []string{"settlement.columns: no column is fee"}},
		"two columns of one":     {`{"name": "phi", "is": "fee"}`, `{"name": "phi", "is": "fee"}, {"name": "phi2", "is": "fee"}`, []string{"settlement.columns[7]: a column with fee stands before it already"}},
		"no day":                 {`"yyyyMMdd"`, `"ddMM"`, []string{`settlement.date: "ddMM" is none of dd/MM/yyyy, yyyy-MM-dd, yyyyMMdd`}},
		"a cut-off of 25":        {`"24:00"`, `"25:00"`, []string{"settlement.cut_off: must be a time of day such as 16:30, or 24:00 for midnight"}},
		"one word for two":       {`"refund": "REFUND"`, `"refund": "PAY"`, []string{"settlement.payment: payment and refund need two different words"}},
		"an entry unmarked":      {`"times": "assumed",`, ``, []string{"times.bill: is marked neither verified nor assumed", "times.query: is marked neither verified nor assumed"}},
		"a mark of nothing":      {`"times": "assumed",`, `"times": "assumed", "tides": "assumed",`, []string{"marks.tides: marks no entry"}},
		"a mark of another word": {`"times": "assumed",`, `"times": "probably",`, []string{`marks.times: "probably" is neither verified nor assumed`}},
		"an entry twice":         {`"min_interval": "5m",`, `"min_interval": "5m", "min_interval": "6m",`, []string{"it is not JSON, or broken off: min_interval occurs twice"}},
		"an unknown entry":       {`"min_interval": "5m",`, `"min_interval": "5m", "max_interval": "6m",`, []string{`unknown field "max_interval"`}},
		"a number for a text":    {`"min_interval": "5m",`, `"min_interval": 5,`, nil},
		"something behind it":    {`"settlement": "assumed"` + "\n  }\n}", `"settlement": "assumed"}} {}`, []string{"something follows the JSON object"}},
	} {
		if !strings.Contains(string(version106), c.from) {
			t.Fatalf("%s: the mapping has no %s", name, c.from)
		}
		_, err := Parse([]byte(strings.Replace(string(version106), c.from, c.to, 1)))
		var f Faults
		if !errors.As(err, &f) || c.want != nil && !slices.Equal(f, c.want) {
			t.Errorf("%s: %q", name, err)
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := Parse([]byte(`{}`))
	var f Faults
	if !errors.As(err, &f) || len(f) < 60 {
		t.Fatalf("%d faults: %v", len(f), err)
	}
	for _, want := range []string{"version: must be", "functions.init: is missing", "fields.digest: is missing", "settlement.columns: no column is net", "answers.forged: is missing"} {
		if !slices.ContainsFunc(f, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("%q is not among them", want)
		}
	}
}

func TestUnhashable(t *testing.T) {
	for v, want := range map[string]bool{"": false, "Nộp tiền, đợt 1": false, "a|b": true, "a\n": true, "\r": true, "\x00": true, "\u0085": true, "\u2028": true, "\u2029": true, "\xff": true, "a;b": false} {
		if Unhashable(v, "|") != want {
			t.Errorf("%q: %v", v, !want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(version106)
	f.Add([]byte(`{}`))
	f.Add([]byte(`[[[[[[[[[[1]]]]]]]]]]`))
	f.Add([]byte(strings.Replace(string(version106), `"|"`, `""`, -1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			var faults Faults
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatal(err)
			}
			return
		}
		if m.ID() == "" || m.Interval() <= 0 || !json.Valid(b) {
			t.Fatalf("%+v", m)
		}
	})
}
