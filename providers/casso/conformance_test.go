package casso

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"feegate/providers"
	"feegate/providers/providertest"
)

type vector struct {
	ID        string            `json:"id"`
	Key       string            `json:"key"`
	Body      json.RawMessage   `json:"body"`
	Headers   map[string]string `json:"headers"`
	Canonical *string           `json:"canonical"`
	Expect    string            `json:"expect"`
	ExpectRef []string          `json:"expect_ref"`
}

type vectors struct {
	Credentials map[string]string `json:"credentials"`
	Cases       []vector          `json:"cases"`
}

func readVectors(t testing.TB) (v vectors) {
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &v); err != nil || len(v.Cases) < 8 {
		t.Fatalf("%d vectors: %v", len(v.Cases), err)
	}
	return v
}

var headerParts = regexp.MustCompile(`^t=(\d+),v1=([0-9a-f]+)$`)

const testKey = "FAKEcassoKey_8c7b6a5948372615f0e1d2c3b4a59687"

func testAccount() providers.Account {
	return providers.Account{ID: "acc_test", Terminal: "0123456789", Beneficiary: providers.Beneficiary{Bank: "VPBank", Number: "0123456789", Name: "SO TAI CHINH"},
		Credentials: []map[string]string{{CredentialKey: testKey, CredentialAPI: "FAKE_CASSO_API_KEY"}}}
}

func testNow() time.Time { return time.UnixMilli(1772698000123) }

// signed makes a call of Webhook V2 as Casso does: names in order, signed with the time in milliseconds.
func signed(cred map[string]string, body any) providers.Callback {
	b, _ := providers.CompactJSON(body)
	stamp := strconv.FormatInt(testNow().UnixMilli(), 10)
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set(headerSignature, "t="+stamp+",v1="+hex.EncodeToString(mac(cred[CredentialKey], canonicals(stamp, b)[0])))
	return providers.Callback{Method: http.MethodPost, Header: h, Body: b}
}

func webhook(cred map[string]string, m map[string]any) providers.Callback {
	return signed(cred, map[string]any{"error": 0, "data": m})
}

func movement(over map[string]any) map[string]any {
	m := map[string]any{"id": 1000001, "reference": "FT26064000011", "description": "PHX22222223A4 chuyen tien", "amount": 1250000, "runningBalance": 25000000,
		"transactionDateTime": "2026-03-05 15:06:37", "accountNumber": "0123456789", "bankName": "VPBank", "bankAbbreviation": "VPB", "virtualAccountNumber": "",
		"virtualAccountName": "", "counterAccountName": "NGUYEN VAN A", "counterAccountNumber": "8888888888", "counterAccountBankId": "970415", "counterAccountBankName": "VietinBank"}
	for k, v := range over {
		m[k] = v
	}
	return m
}

func listed() []map[string]any {
	return []map[string]any{movement(nil), movement(map[string]any{"id": 1000002, "reference": "FT2", "amount": 5000, "description": "nop phi", "counterAccountNumber": ""}),
		movement(map[string]any{"id": 1000003, "reference": "FT3", "amount": -11000, "description": "PHI DICH VU"})}
}

// page is one page of Casso's list, which has the older names.
func page(number, pages int, rows ...map[string]any) []byte {
	out := []any{}
	for _, m := range rows {
		out = append(out, map[string]any{"id": m["id"], "tid": m["reference"], "description": m["description"], "amount": m["amount"], "cusum_balance": 1,
			"when": m["transactionDateTime"], "bankSubAccId": m["accountNumber"], "virtualAccount": m["virtualAccountNumber"],
			"corresponsiveAccount": m["counterAccountNumber"], "corresponsiveBankId": m["counterAccountBankId"]})
	}
	next := any(number + 1)
	if number == pages {
		next = nil
	}
	b, _ := providers.CompactJSON(map[string]any{"error": 0, "message": "success", "data": map[string]any{"page": number, "pageSize": pageSize, "nextPage": next,
		"prevPage": nil, "totalPages": pages, "totalRecords": len(rows), "records": out}})
	return b
}

func TestConformance(t *testing.T) {
	account, other := testAccount(), testAccount()
	other.ID, other.Terminal, other.Beneficiary.Number = "acc_other", "9876543210", "9876543210"
	v := readVectors(t)
	byID := map[string]vector{}
	cases := []map[string]any{}
	for _, c := range v.Cases {
		byID[c.ID] = c
		one := map[string]any{"id": c.ID, "kind": "webhook", "canonical": c.Canonical}
		if m := headerParts.FindStringSubmatch(c.Headers[headerSignature]); m != nil && c.Canonical != nil {
			one["signature"] = m[2]
		}
		cases = append(cases, one)
	}
	raw, _ := json.Marshal(map[string]any{"cases": cases})
	providertest.Run(t, providertest.Subject{
		Registration: Registration(), Account: account, Other: other, Now: testNow(),
		Payment:    providers.Payment{Reference: "PHX22222223A4", Amount: 1250000, CreatedAt: testNow(), ExpiresAt: testNow().Add(time.Hour)},
		NextSecret: map[string]string{CredentialKey: "THENEXTSECRETAFTERTHEROTATION", CredentialAPI: "THENEXTKEY"},
		Vectors:    raw,
		Vector: func(c providertest.VectorCase) (string, string, bool) {
			one := byID[c.ID]
			m := headerParts.FindStringSubmatch(one.Headers[headerSignature])
			if m == nil || c.Canonical == nil {
				return "", "", false
			}
			key := one.Key
			if key == "" {
				key = v.Credentials[CredentialKey]
			}
			text := canonicals(m[1], one.Body)[0]
			return text, hex.EncodeToString(mac(key, text)), true
		},
		Callback: func(cred map[string]string, s providertest.Say) providers.Callback {
			over := map[string]any{}
			if s.Amount != 0 {
				over["amount"] = s.Amount
			}
			if s.Text != "" {
				over["description"] = s.Text
			}
			return webhook(cred, movement(over))
		},
		SignedFields: []string{"id", "amount", "description", "reference", "accountNumber", "transactionDateTime", "counterAccountNumber", "virtualAccountNumber", "time", "signature"},
		Tamper: func(c providers.Callback, field string) providers.Callback {
			c.Header = c.Header.Clone()
			sig := c.Header.Get(headerSignature)
			switch field {
			case "time":
				c.Header.Set(headerSignature, strings.Replace(sig, "t=1772698000123", "t=1772698000124", 1))
			case "signature":
				c.Header.Set(headerSignature, sig[:len(sig)-1]+string("01"[1-strings.Count(sig[len(sig)-1:], "1")]))
			default:
				var m struct {
					Error int            `json:"error"`
					Data  map[string]any `json:"data"`
				}
				dec := json.NewDecoder(bytes.NewReader(c.Body))
				dec.UseNumber()
				_ = dec.Decode(&m)
				m.Data[field] = "1"
				c.Body, _ = providers.CompactJSON(m)
			}
			return c
		},
		Calls: []providertest.Via{providertest.Fetch},
		Answer: func(_ map[string]string, path string, _ []byte, _ providertest.Say) (int, []byte) {
			if path != listPath {
				return 404, nil
			}
			return 200, page(1, 1, listed()...)
		},
		Told: func(cred map[string]string) (all []providers.Callback) {
			for _, m := range listed() {
				all = append(all, webhook(cred, m))
			}
			return all
		},
		Lacks: providertest.Lacks{Calls: true, Codes: true, Settlement: true, Terminal: true},
	})
}
