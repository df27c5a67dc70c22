package paper

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"feegate/providers"
	"feegate/providers/providertest"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func testAccount() providers.Account {
	return providers.Account{
		ID: "acc_test", Terminal: "T1", Credentials: []map[string]string{{CredentialTerminal: "T1", CredentialSecret: "the-first-secret"}},
		CallbackURL: "https://fees.example/callbacks/paper/acc_test", ReturnURL: "https://fees.example/returns/paper/acc_test",
	}
}

func testPayment() providers.Payment {
	at := time.Date(2026, 3, 10, 7, 0, 0, 0, time.UTC)
	return providers.Payment{Reference: "FG1", Amount: 120000, Description: "Lệ phí hồ sơ", Locale: "vi", PayerIP: "203.0.113.10",
		CreatedAt: at, ExpiresAt: at.Add(15 * time.Minute), Transaction: "TX1"}
}

// told is a message of the wallet's, signed.
func told(credentials map[string]string, s providertest.Say) []byte {
	m := map[string]any{"terminal": credentials[CredentialTerminal], "reference": "FG1", "amount": 120000, "code": "paid", "transaction": "TX1",
		"paid_at": "2026-03-10T14:02:00+07:00", "text": s.Text}
	if s.Code != "" {
		m["code"] = s.Code
	}
	if s.Amount != 0 {
		m["amount"] = s.Amount
	}
	b, _ := providers.CompactJSON(m)
	o, _ := providers.ParseObject(b, maxBody)
	fields := message{}
	for _, name := range callbackOrder() {
		fields[name], _ = o.Text(name)
	}
	m["mac"] = sign(canonical(callbackOrder(), fields), credentials[CredentialSecret])
	b, _ = providers.CompactJSON(m)
	return b
}

const goodSettlement = "time,terminal,reference,transaction,type,amount,fee,net,status\n" +
	"2026-03-10T14:02:00+07:00,T1,FG1,TX1,PAYMENT,120000,1320,118680,ok\n" +
	"2026-03-10T16:00:00+07:00,T1,FG1R,TX2,REFUND,20000,0,-20000,ok\n" +
	"TOTAL,2,100000,1320,98680\n"

func subject(t testing.TB) providertest.Subject {
	t.Helper()
	other := testAccount()
	other.ID, other.Terminal = "acc_other", "T2"
	other.Credentials = []map[string]string{{CredentialTerminal: "T2", CredentialSecret: "the-first-secret"}}
	known := slices.Collect(maps.Keys(payments()))
	replaceOnce := func(from, to string) string { return strings.Replace(goodSettlement, from, to, 1) }
	return providertest.Subject{
		Registration: Registration(), Account: testAccount(), Other: other, Payment: testPayment(),
		NextSecret: map[string]string{CredentialTerminal: "T1", CredentialSecret: "the-second-secret"},
		Now:        time.Date(2026, 3, 10, 7, 5, 0, 0, time.UTC),
		Vectors:    file(t, "vectors.json"), Vector: vector,
		Callback: func(credentials map[string]string, s providertest.Say) providers.Callback {
			return providers.Callback{Method: "POST", Body: told(credentials, s)}
		},
		SignedFields: append(callbackOrder(), "mac"),
		Tamper: func(c providers.Callback, field string) providers.Callback {
			var m map[string]any
			_ = json.Unmarshal(c.Body, &m)
			if text, ok := m[field].(string); ok {
				m[field] = "a" + text
			} else {
				m[field] = 7
			}
			c.Body, _ = providers.CompactJSON(m)
			return c
		},
		Calls: []providertest.Via{providertest.Lookup}, // Checkout sends nothing
		Answer: func(credentials map[string]string, _ string, _ []byte, s providertest.Say) (int, []byte) {
			return 200, told(credentials, s)
		},
		Codes: file(t, "codes.json"),
		Channels: map[string]providertest.Channel{
			"callback": {Via: providertest.Callback, Known: known, Unknown: "??"},
			"query":    {Via: providertest.Lookup, Known: known, Unknown: "??"},
		},
		Settlement: goodSettlement,
		BadSettlements: map[string]string{
			"a time without zone → time":   replaceOnce("+07:00", ""),
			"no transaction → transaction": replaceOnce("TX1", ""),
			"another fee → TOTAL fee":      replaceOnce("TOTAL,2,100000,1320", "TOTAL,2,100000,1321"),
		},
	}
}

func vector(c providertest.VectorCase) (canonicalText, signature string, handled bool) {
	order := map[string][]string{"pay": payOrder(), "query": queryOrder(), "callback": callbackOrder()}[c.Kind]
	o, err := providers.ParseObject(c.Input, maxBody)
	if err != nil || order == nil {
		return "", "", false
	}
	m := message{}
	for _, name := range order {
		m[name], _ = o.Text(name)
	}
	text := canonical(order, m)
	return text, sign(text, "the-first-secret"), true
}

func TestConformance(t *testing.T) { providertest.Run(t, subject(t)) }

func FuzzReadMessage(f *testing.F) {
	f.Add(told(testAccount().Credentials[0], providertest.Say{}))
	f.Add([]byte(`{"terminal":"T1","terminal":"T2"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readMessage(b)
		if err != nil {
			return
		}
		if n, err := m.notice(); err == nil && (n.Reference == "" || !n.Amount.Valid() || n.Outcome == "") {
			t.Fatalf("%+v", n)
		}
	})
}
