package sepay

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"feegate/providers"
	"feegate/providers/providertest"
)

type vector struct {
	ID         string            `json:"id"`
	Auth       string            `json:"auth"`
	RawBody    string            `json:"raw_body"`
	Headers    map[string]string `json:"headers"`
	Now        int64             `json:"now"`
	Canonical  *string           `json:"canonical"`
	Expect     string            `json:"expect"`
	ExpectRef  []string          `json:"expect_ref"`
	Deliveries []string          `json:"deliveries"`
	Answer     *struct {
		Status int             `json:"status"`
		Body   json.RawMessage `json:"body"`
	} `json:"answer"`
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
	if err := json.Unmarshal(raw, &v); err != nil || len(v.Cases) < 11 {
		t.Fatalf("%d vectors: %v", len(v.Cases), err)
	}
	return v
}

const testSecret = "FAKEsepaySecret_0f1e2d3c4b5a69788796a5b4c3d2e1f0"

func testAccount() providers.Account {
	return providers.Account{ID: "acc_test", Terminal: "0123456789", Beneficiary: providers.Beneficiary{Bank: "970436", Number: "0123456789", Name: "SO TAI NGUYEN VA MOI TRUONG"},
		Credentials: []map[string]string{{CredentialSecret: testSecret, CredentialToken: "FAKE_SEPAY_API_TOKEN"}}}
}

func testNow() time.Time { return time.Unix(1772694170, 0) }

// webhook makes SePay's call.
func webhook(cred map[string]string, m map[string]any) providers.Callback {
	body, _ := providers.CompactJSON(m)
	stamp := strconv.FormatInt(testNow().Unix(), 10)
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set(headerTime, stamp)
	h.Set(headerSignature, "sha256="+hex.EncodeToString(mac(cred[CredentialSecret], stamp, body)))
	return providers.Callback{Method: http.MethodPost, Header: h, Body: body}
}

func movement(over map[string]any) map[string]any {
	m := map[string]any{"id": 92704, "gateway": "Vietcombank", "transactionDate": "2026-03-05 14:02:37", "accountNumber": "0123456789", "code": nil,
		"content": "PHX22222223A4 thanh toan", "transferType": "in", "transferAmount": 1250000, "accumulated": 19077000, "subAccount": nil,
		"referenceCode": "MBVCB.3278907687", "description": ""}
	for k, v := range over {
		m[k] = v
	}
	return m
}

// list is SePay's list of the movements, with ids and amounts as texts, the newest first.
func list(rows ...map[string]any) []byte {
	out := []any{}
	for i := len(rows) - 1; i >= 0; i-- {
		m := rows[i]
		in, paid := "0.00", "0.00"
		amount := strconv.Itoa(m["transferAmount"].(int)) + ".00"
		if m["transferType"] == "in" {
			in = amount
		} else {
			paid = amount
		}
		out = append(out, map[string]any{"id": strconv.Itoa(m["id"].(int)), "bank_brand_name": m["gateway"], "account_number": m["accountNumber"],
			"transaction_date": m["transactionDate"], "amount_out": paid, "amount_in": in, "accumulated": "19077000.00", "transaction_content": m["content"],
			"reference_number": m["referenceCode"], "code": m["code"], "sub_account": m["subAccount"], "bank_account_id": "19"})
	}
	b, _ := providers.CompactJSON(map[string]any{"status": 200, "error": nil, "messages": map[string]any{"success": true}, "transactions": out})
	return b
}

func listed() []map[string]any {
	return []map[string]any{movement(nil),
		movement(map[string]any{"id": 92705, "code": "PHX22222224J6", "content": "MBVCB.3278907688.PHX22222224J6.CT tu 0011002233445", "referenceCode": "MBVCB.3278907688"}),
		movement(map[string]any{"id": 92706, "transferType": "out", "transferAmount": 11000, "content": "PHI QUAN LY TK", "referenceCode": "FT26064999999"}),
		movement(map[string]any{"id": 92707, "referenceCode": nil, "content": "chuyen tien"})}
}

func TestConformance(t *testing.T) {
	account, other := testAccount(), testAccount()
	other.ID, other.Terminal, other.Beneficiary.Number = "acc_other", "9876543210", "9876543210"
	v := readVectors(t)
	byID := map[string]vector{}
	cases := []map[string]any{}
	for _, c := range v.Cases {
		byID[c.ID] = c
		cases = append(cases, map[string]any{"id": c.ID, "kind": c.Auth, "canonical": c.Canonical, "signature": nil})
		if c.Canonical != nil {
			cases[len(cases)-1]["signature"] = strings.TrimPrefix(c.Headers[headerSignature], "sha256=")
		}
	}
	raw, _ := json.Marshal(map[string]any{"cases": cases})
	providertest.Run(t, providertest.Subject{
		Registration: Registration(), Account: account, Other: other, Now: testNow(),
		Payment:    providers.Payment{Reference: "PHX22222223A4", Amount: 1250000, CreatedAt: testNow(), ExpiresAt: testNow().Add(time.Hour)},
		NextSecret: map[string]string{CredentialSecret: "THENEXTSECRETAFTERTHEROTATION", CredentialToken: "THENEXTTOKEN"},
		Vectors:    raw,
		Vector: func(c providertest.VectorCase) (string, string, bool) {
			one := byID[c.ID]
			stamp := one.Headers[headerTime]
			if c.Canonical == nil || stamp == "" {
				return "", "", false
			}
			return canonical(stamp, []byte(one.RawBody)), hex.EncodeToString(mac(v.Credentials[CredentialSecret], stamp, []byte(one.RawBody))), true
		},
		Callback: func(cred map[string]string, s providertest.Say) providers.Callback {
			over := map[string]any{}
			if s.Amount != 0 {
				over["transferAmount"] = s.Amount
			}
			if s.Text != "" {
				over["content"] = s.Text
			}
			return webhook(cred, movement(over))
		},
		SignedFields: []string{"id", "transferAmount", "transferType", "content", "referenceCode", "accountNumber", "transactionDate", "code", "timestamp", "signature"},
		Tamper: func(c providers.Callback, field string) providers.Callback {
			c.Header = c.Header.Clone()
			switch field {
			case "timestamp":
				c.Header.Set(headerTime, strconv.FormatInt(testNow().Unix()-1, 10))
			case "signature":
				c.Header.Set(headerSignature, strings.Replace(c.Header.Get(headerSignature), "sha256=", "sha256=0", 1))
			default:
				m := map[string]any{}
				_ = json.Unmarshal(c.Body, &m)
				m[field] = "1"
				c.Body, _ = providers.CompactJSON(m)
			}
			return c
		},
		Calls: []providertest.Via{providertest.Fetch},
		Answer: func(_ map[string]string, path string, _ []byte, _ providertest.Say) (int, []byte) {
			if path != listPath {
				return 404, nil
			}
			return 200, list(listed()...)
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
