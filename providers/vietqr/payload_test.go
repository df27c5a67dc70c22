package vietqr

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"feegate/gateway/vnd"
)

type vectors struct {
	CRC struct {
		Input string `json:"check_input"`
		Check string `json:"check"`
	} `json:"crc"`
	QR []struct {
		ID    string `json:"id"`
		Input *struct {
			BIN     string     `json:"bin"`
			Account string     `json:"account"`
			Service string     `json:"service"`
			Amount  vnd.Amount `json:"amount"`
			Bill    string     `json:"bill_number"`
			Purpose string     `json:"purpose"`
		} `json:"input"`
		Payload string `json:"payload"`
		Expect  string `json:"expect"`
	} `json:"qr"`
	Reference struct {
		Alphabet string `json:"alphabet"`
		Prefix   string `json:"prefix"`
		Encode   []struct {
			N   json.Number `json:"n"`
			Ref string      `json:"ref"`
		} `json:"encode"`
		Extract []struct {
			Content string   `json:"content"`
			Note    string   `json:"note"`
			Expect  []string `json:"expect"`
		} `json:"extract"`
	} `json:"reference"`
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.QR) < 16 || len(v.Reference.Encode) < 7 || len(v.Reference.Extract) < 16 {
		t.Fatal("vectors are missing")
	}
	return v
}

func TestPayloadVectors(t *testing.T) {
	v := readVectors(t)
	if got := crc(v.CRC.Input); got != 0x29B1 || v.CRC.Check != "29B1" {
		t.Errorf("checksum %04X", got)
	}
	for _, c := range v.QR {
		t.Run(c.ID, func(t *testing.T) {
			got, err := Parse(c.Payload)
			if strings.HasPrefix(c.Expect, "invalid") {
				if !errors.Is(err, ErrPayload) {
					t.Errorf("%+v %v", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.Input == nil { // only that it is valid
				return
			}
			want := Payload{BIN: c.Input.BIN, Number: c.Input.Account, Service: c.Input.Service, Amount: c.Input.Amount, Bill: c.Input.Bill, Purpose: c.Input.Purpose}
			if built, err := want.Build(); err != nil || built != c.Payload {
				t.Errorf("built %s %v\n want %s", built, err, c.Payload)
			}
			if want.Service == "" {
				want.Service = ToAccount
			}
			if got != want {
				t.Errorf("parsed %+v, want %+v", got, want)
			}
		})
	}
}

// sealed appends the right checksum, so that what is tried is not refused for its checksum.
func sealed(body string) string {
	body += "6304"
	const hex = "0123456789ABCDEF"
	n := crc(body)
	return body + string([]byte{hex[n>>12], hex[n>>8&15], hex[n>>4&15], hex[n&15]})
}

func TestWhatIsNoPayloadIsRefusedInWords(t *testing.T) {
	const head, account, tail = "000201010212", "38540010A00000072701240006970436011001234567890208QRIBFTTA", "53037045802VN"
	for body, want := range map[string]string{
		"010212" + account + tail:                                         "format indicator",
		"000201" + account + tail:                                         "01 (point of initiation) is missing",
		"000201010213" + account + tail:                                   "11 or 12",
		head + tail:                                                       "38 (account) is missing",
		head + account + "5802VN":                                         "53 (currency) is missing",
		head + account + "5303704":                                        "58 (country) is missing",
		head + account + "53038405802VN":                                  "704",
		head + account + "53037045802US":                                  "VN",
		head + account + tail + "53037045802VN":                           "comes twice",
		head + account + tail + "5400":                                    "is empty",
		head + account + tail + "54041.50":                                "whole đồng",
		head + account + tail + "540401.5":                                "zero in front",
		head + account + tail + "5402-1":                                  "whole đồng",
		head + account + tail + "541412345678901234":                      "13 digits",
		head + account + tail + "99":                                      "two digits of identifier",
		head + account + tail + "6299":                                    "99 characters, 0 are left",
		head + account + tail + "62050812X":                               "62-08",
		head + "38080004ABCD" + tail:                                      "another network",
		head + "38140010A000000727" + tail:                                "six digits",
		head + "38220010A00000072701040000" + tail:                        "38-01-00",
		head + account + tail + "62300826" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ": "25 plain",
	} {
		if p, err := Parse(sealed(body)); !errors.Is(err, ErrPayload) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", body, p, err, want)
		}
	}
	for s, want := range map[string]string{"": "checksum", "6304": "checksum", "000201\xff63041234": "ASCII", strings.Repeat("0", 600): "512", "00020163041234": "computed"} {
		if _, err := Parse(s); !errors.Is(err, ErrPayload) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", s, err, want)
		}
	}
	// Any order between first and last, and objects that nobody knows.
	if p, err := Parse(sealed("000201" + "5802VN" + "9905hello" + account + "5303704" + "5204" + "9399" + "010212")); err != nil || p.Number != "0123456789" {
		t.Errorf("%+v %v", p, err)
	}
}

func TestWhatCannotStandInAPayloadIsNotBuilt(t *testing.T) {
	good := Payload{BIN: "970436", Number: "0123456789", Amount: 1000, Purpose: "PHX22222223A4"}
	for name, change := range map[string]func(*Payload){
		"bank": func(p *Payload) { p.BIN = "97043" }, "letters as bank": func(p *Payload) { p.BIN = "97043A" },
		"no number": func(p *Payload) { p.Number = "" }, "long number": func(p *Payload) { p.Number = strings.Repeat("1", 20) },
		"spaces": func(p *Payload) { p.Number = "012 345" }, "minus": func(p *Payload) { p.Amount = -1 },
		"long purpose": func(p *Payload) { p.Purpose = strings.Repeat("A", 26) }, "diacritics": func(p *Payload) { p.Purpose = "Nộp phí" },
		"service": func(p *Payload) { p.Service = "QR IBFT" }, "bill": func(p *Payload) { p.Bill = "Số 1" },
	} {
		p := good
		change(&p)
		if s, err := p.Build(); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %s %v", name, s, err)
		}
	}
}

func anyPayload(t *rapid.T) Payload {
	text := rapid.StringMatching(`[ -~]{0,25}`)
	return Payload{BIN: rapid.StringMatching(`[0-9]{6}`).Draw(t, "bin"), Number: rapid.StringMatching(`[0-9A-Za-z]{1,19}`).Draw(t, "number"),
		Service: rapid.SampledFrom([]string{ToAccount, ToCard, "QRPUSH"}).Draw(t, "service"), Amount: vnd.Amount(rapid.Int64Range(0, 999_999_999_999).Draw(t, "amount")),
		Bill: text.Draw(t, "bill"), Purpose: text.Draw(t, "purpose")}
}

func TestWhatIsBuiltIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPayload(t)
		s, err := p.Build()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Parse(s); err != nil || got != p {
			t.Fatalf("%s: %+v %v", s, got, err)
		}
		if got, err := Parse(s[:len(s)-4] + strings.ToLower(s[len(s)-4:])); err != nil || got != p {
			t.Fatalf("lower case: %+v %v", got, err)
		}
	})
}

func TestOneWrongCharacterOfAPayloadIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPayload(t)
		s, err := p.Build()
		if err != nil {
			t.Fatal(err)
		}
		i := rapid.IntRange(0, len(s)-1).Draw(t, "at")
		c := rapid.StringMatching(`[ -~]`).Draw(t, "instead")
		if strings.EqualFold(c, s[i:i+1]) && i >= len(s)-4 || c == s[i:i+1] {
			return
		}
		if got, err := Parse(s[:i] + c + s[i+1:]); err == nil {
			t.Fatalf("%s with %q at %d: %+v", s, c, i, got)
		}
	})
}

func FuzzParse(f *testing.F) {
	good, _ := Payload{BIN: "970436", Number: "0123456789", Amount: 1250000, Purpose: "PHX22222223A4"}.Build()
	f.Add(good)
	f.Add("")
	f.Add("6304FFFF")
	f.Add(good[:40])
	f.Add(sealed("000201010212380200"))
	f.Add(sealed("00020101021238540010A00000072701240006970436011001234567890208QRIBFTTA53037045802VN5499"))
	f.Fuzz(func(t *testing.T, s string) {
		for _, s := range []string{s, sealed(s)} {
			p, err := Parse(s)
			if err != nil {
				if !errors.Is(err, ErrPayload) {
					t.Fatalf("%q: %v", s, err)
				}
				continue
			}
			again, err := p.Build()
			if err != nil {
				t.Fatalf("%q is read as %+v, which cannot be built: %v", s, p, err)
			}
			if q, err := Parse(again); err != nil || q != p {
				t.Fatalf("%q: %+v, then %+v %v", s, p, q, err)
			}
		}
	})
}
