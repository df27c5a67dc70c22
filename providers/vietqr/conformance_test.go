package vietqr

import (
	"encoding/json"
	"testing"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers/providertest"
)

func TestConformance(t *testing.T) {
	type vector struct {
		ID        string          `json:"id"`
		Kind      string          `json:"kind"`
		Input     json.RawMessage `json:"input"`
		Canonical string          `json:"canonical"`
	}
	var file struct {
		Cases []vector `json:"cases"`
	}
	for _, c := range readVectors(t).QR {
		if c.Input != nil {
			input, _ := json.Marshal(c.Input)
			file.Cases = append(file.Cases, vector{c.ID, "payload", input, c.Payload})
		}
	}
	cases, _ := json.Marshal(file)
	providertest.Run(t, providertest.Subject{
		Registration: Registration(), Account: testAccount(), Other: testAccount(), Payment: testPayment(), Now: time.Date(2026, 3, 5, 7, 0, 0, 0, time.UTC),
		NextSecret: map[string]string{},
		Vectors:    cases,
		Vector: func(c providertest.VectorCase) (string, string, bool) {
			var in struct {
				BIN     string     `json:"bin"`
				Account string     `json:"account"`
				Service string     `json:"service"`
				Amount  vnd.Amount `json:"amount"`
				Bill    string     `json:"bill_number"`
				Purpose string     `json:"purpose"`
			}
			if json.Unmarshal(c.Input, &in) != nil {
				return "", "", false
			}
			s, err := Payload{BIN: in.BIN, Number: in.Account, Service: in.Service, Amount: in.Amount, Bill: in.Bill, Purpose: in.Purpose}.Build()
			return s, "", err == nil
		},
		Answer: func(map[string]string, string, []byte, providertest.Say) (int, []byte) { return 404, nil },
		Lacks:  providertest.Lacks{Callbacks: true, Calls: true, Codes: true, Settlement: true},
	})
}

func TestAmountsAndTimesAsNotifiersWriteThem(t *testing.T) {
	for s, want := range map[string]vnd.Signed{"2277000": 2277000, "2277000.0": 2277000, "18067000.00": 18067000, "-11000": -11000, "0": 0} {
		if got, err := Whole(s); err != nil || got != want {
			t.Errorf("%s: %d %v", s, got, err)
		}
	}
	for _, s := range []string{"", "1.5", "1.", ".0", "1e6", "1,000", " 1", "+1", "0x1", "99999999999999999999", "1.0.0"} {
		if got, err := Whole(s); err == nil {
			t.Errorf("%q is read as %d", s, got)
		}
	}
	for s, want := range map[string]string{"2026-03-05 14:02:37": "2026-03-05T14:02:37+07:00", "2026-03-05": "2026-03-05T00:00:00+07:00", "2026-03-05T16:21:05+07:00": "2026-03-05T16:21:05+07:00", "2026-03-05T09:21:05.123Z": "2026-03-05T16:21:05+07:00"} {
		if got, err := LocalTime(s); err != nil || got.In(Zone()).Format(time.RFC3339) != want {
			t.Errorf("%s: %v %v", s, got, err)
		}
	}
	for _, s := range []string{"", "05/03/2026", "2026-02-30", "now"} {
		if got, err := LocalTime(s); err == nil {
			t.Errorf("%q is read as %v", s, got)
		}
	}
}

func TestAMovementInOurWords(t *testing.T) {
	d, err := NewDestination(testAccount())
	if err != nil {
		t.Fatal(err)
	}
	n, err := d.Notice("bank", Movement{ID: "7", Account: "999", Virtual: "0123456789", Content: "PHX22222223A4 PHX22222224J6", Amount: 5, Payer: BankPayer("970415", "8888888888")})
	if err != nil || n.Transaction != "bank:7" || n.Reference != "" || !n.Transfer.Ambiguous || n.Transfer.Account != "0123456789" || n.Payer.Masked != "••••8888" || n.Transfer.Out {
		t.Errorf("%+v %+v %v", n, n.Transfer, err)
	}
	n, err = d.Notice("bank", Movement{ID: "8", Account: "999", Virtual: "VA1", BankReference: "FT1", Amount: -5, Payer: BankPayer("970415", "1")})
	if err != nil || n.Amount != 5 || !n.Transfer.Out || n.Payer != nil || n.Transaction != "FT1" || n.Transfer.Account != "999" {
		t.Errorf("%+v %+v %v", n, n.Transfer, err)
	}
	if n, err := d.Notice("bank", Movement{ID: "9"}); err == nil {
		t.Errorf("nothing moved, and yet %+v", n)
	}
	if BankPayer("970415", " ") != nil {
		t.Error("a payer without a number")
	}
}
