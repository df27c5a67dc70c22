package payos

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/providertest"
	"feegate/providers/vietqr"
)

const linkID = "0123456789abcdef0123456789abcdef"

func file(t testing.TB, name string) []byte {
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type vector struct {
	ID        string          `json:"id"`
	Op        string          `json:"op"`
	Key       string          `json:"checksum_key"`
	Input     json.RawMessage `json:"input"`
	Canonical *string         `json:"canonical"`
	Signature *string         `json:"signature"`
	Expected  *string         `json:"signature_expected_by_verifier"`
	Expect    string          `json:"expect"`
}

type vectors struct {
	Credentials map[string]string `json:"credentials"`
	Cases       []vector          `json:"cases"`
}

func readVectors(t testing.TB) (v vectors) {
	if err := json.Unmarshal(file(t, "vectors.json"), &v); err != nil || len(v.Cases) < 11 {
		t.Fatalf("%d vectors: %v", len(v.Cases), err)
	}
	return v
}

func testReference() string {
	ref, _ := vietqr.Encode(260305001)
	return ref
}

func testAccount() providers.Account {
	return providers.Account{ID: "acc_test", Terminal: "fake-client-id", Beneficiary: providers.Beneficiary{Bank: "970422", Number: "12345678", Name: "SO TAI CHINH"},
		Credentials: []map[string]string{{CredentialClient: "fake-client-id", CredentialKey: "fake-api-key", CredentialChecksum: "FAKEchecksum_00112233445566778899aabbccddeeff"}},
		ReturnURL:   "https://portal.example/return?order=2&lang=vi", CallbackURL: "https://portal.example/callbacks/payos/acc_test"}
}

func testNow() time.Time { return time.Date(2026, 3, 5, 9, 30, 0, 0, time.UTC) }

func testPayment() providers.Payment {
	return providers.Payment{Reference: testReference(), Amount: 50000, Method: providers.MethodQR, CreatedAt: testNow(), ExpiresAt: testNow().Add(time.Hour)}
}

func transfer(over map[string]any) map[string]any {
	m := map[string]any{"amount": 50000, "description": "CSX1Y2Z3 " + testReference(), "accountNumber": "12345678", "reference": "FT26064000001",
		"transactionDateTime": "2026-03-05 16:21:05", "counterAccountBankId": "", "counterAccountBankName": "", "counterAccountName": nil, "counterAccountNumber": nil,
		"virtualAccountName": "", "virtualAccountNumber": "V3CAS0001"}
	maps.Copy(m, over)
	return m
}

// envelope signs data as payOS does.
func envelope(key, code string, data map[string]any) []byte {
	raw, _ := providers.CompactJSON(data)
	v, _ := providers.ParseTree(raw, maxAnswer)
	b, _ := providers.CompactJSON(map[string]any{"code": code, "desc": "x", "success": code == codeOK, "data": v, "signature": sign(key, canonicalData(v.(map[string]any)))})
	return b
}

func webhook(cred map[string]string, over map[string]any) providers.Callback {
	m := transfer(map[string]any{"orderCode": 260305001, "currency": "VND", "paymentLinkId": linkID, "code": "00", "desc": "success"})
	maps.Copy(m, over)
	return providers.Callback{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: envelope(cred[CredentialChecksum], codeOK, m)}
}

func sayWebhook(cred map[string]string, s providertest.Say) providers.Callback {
	over := map[string]any{}
	if s.Amount != 0 {
		over["amount"] = s.Amount
	}
	if s.Text != "" {
		over["description"] = s.Text
	}
	if s.Code != "" {
		over["code"] = s.Code
	}
	return webhook(cred, over)
}

// sayAnswer is payOS's answer to any call.
func sayAnswer(cred map[string]string, at string, request []byte, s providertest.Say) (int, []byte) {
	key, code := cred[CredentialChecksum], codeOK
	if s.Code != "" && s.Channel != "status" {
		code = s.Code
	}
	if code != codeOK {
		b, _ := providers.CompactJSON(map[string]any{"code": code, "desc": "no", "data": nil})
		return 200, b
	}
	switch {
	case at == path:
		var r map[string]any
		dec := json.NewDecoder(bytes.NewReader(request))
		dec.UseNumber()
		if dec.Decode(&r) != nil {
			return 404, nil
		}
		return 200, envelope(key, code, map[string]any{"bin": "970422", "accountNumber": "V3CAS0001", "accountName": "SO TAI CHINH", "amount": r["amount"],
			"description": "CSX1Y2Z3 " + r["description"].(string), "orderCode": r["orderCode"], "currency": "VND", "paymentLinkId": linkID, "status": "PENDING",
			"checkoutUrl": "https://pay.payos.vn/web/" + linkID, "qrCode": "00020101"})
	case at == path+"/260305001":
		amount, status := vnd.Amount(50000), "PAID"
		if s.Amount != 0 {
			amount = s.Amount
		}
		if s.Channel == "status" {
			status = s.Code
		}
		rows := []any{transfer(map[string]any{"amount": amount, "transactionDateTime": "2026-03-05T16:21:05+07:00"})}
		return 200, envelope(key, code, map[string]any{"id": linkID, "orderCode": 260305001, "amount": 50000, "amountPaid": amount, "amountRemaining": 0, "status": status,
			"createdAt": "2026-03-05T16:20:00+07:00", "transactions": rows, "canceledAt": nil, "cancellationReason": nil})
	case at == path+"/260305001/cancel":
		return 200, envelope(key, code, map[string]any{"id": linkID, "orderCode": 260305001, "amount": 50000, "amountPaid": 0, "amountRemaining": 50000, "status": "CANCELLED",
			"createdAt": "2026-03-05T16:20:00+07:00", "transactions": []any{}, "canceledAt": "2026-03-05T16:20:00+07:00", "cancellationReason": "x"})
	}
	return 404, []byte("<html>")
}

func known[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func TestConformance(t *testing.T) {
	account, other := testAccount(), testAccount()
	other.ID, other.Terminal, other.Beneficiary.Number = "acc_other", "another-client", "87654321"
	other.Credentials = []map[string]string{maps.Clone(account.Credentials[0])}
	other.Credentials[0][CredentialClient] = "another-client"
	next := maps.Clone(account.Credentials[0])
	next[CredentialKey], next[CredentialChecksum] = "the-next-api-key", "THENEXTCHECKSUMKEYAFTERTHEROTATION"
	v := readVectors(t)
	keyOf, cases := map[string]string{}, []map[string]any{}
	for _, c := range v.Cases {
		keyOf[c.ID] = c.Key
		if c.Signature == nil { // a changed message: what a verifier computes of it
			c.Signature = c.Expected
		}
		cases = append(cases, map[string]any{"id": c.ID, "kind": c.Op, "input": c.Input, "canonical": c.Canonical, "signature": c.Signature})
	}
	raw, _ := json.Marshal(map[string]any{"cases": cases})
	providertest.Run(t, providertest.Subject{
		Registration: Registration(), Account: account, Other: other, Payment: testPayment(), NextSecret: next, Now: testNow(),
		Vectors: raw,
		Vector: func(c providertest.VectorCase) (string, string, bool) {
			key := keyOf[c.ID]
			if key == "" {
				key = v.Credentials[CredentialChecksum]
			}
			text, ok := vectorText(c)
			return text, sign(key, text), ok
		},
		Callback:     sayWebhook,
		SignedFields: []string{"orderCode", "amount", "description", "reference", "accountNumber", "transactionDateTime", "paymentLinkId", "code", "virtualAccountNumber", "counterAccountNumber", "signature"},
		Tamper: func(c providers.Callback, field string) providers.Callback {
			var m map[string]any
			dec := json.NewDecoder(bytes.NewReader(c.Body))
			dec.UseNumber()
			_ = dec.Decode(&m)
			if field == "signature" {
				m[field] = "00" + m[field].(string)[2:]
			} else {
				m["data"].(map[string]any)[field] = "1"
			}
			c.Body, _ = providers.CompactJSON(m)
			return c
		},
		Calls:  []providertest.Via{providertest.Checkout, providertest.Lookup, providertest.Cancel},
		Answer: sayAnswer, Codes: file(t, "codes.json"),
		Channels: map[string]providertest.Channel{
			"webhook": {Via: providertest.Callback, Known: []string{codeOK}, Unknown: "99"},
			"create":  {Via: providertest.Checkout, Known: known(creations()), Unknown: "999"},
			"get":     {Via: providertest.Lookup, Known: gets(), Unknown: "999"},
			"status":  {Via: providertest.Lookup, Known: known(states()), Unknown: "REFUNDED"},
			"cancel":  {Via: providertest.Cancel, Known: []string{codeOK, codeSignature}, Unknown: "999"},
		},
		Lacks: providertest.Lacks{Settlement: true, Terminal: true},
	})
}

// vectorText is the signed text of a published case, by the adapter's own rules. The payout is not spoken: its rule stands here
// with the vectors.
func vectorText(c providertest.VectorCase) (string, bool) {
	v, err := providers.ParseTree(c.Input, maxAnswer)
	if err != nil {
		return "", false
	}
	o := v.(map[string]any)
	switch {
	case c.Kind == "create-payment-link":
		var r createRequest
		if json.Unmarshal(c.Input, &r) != nil {
			return "", false
		}
		return r.canonical(), true
	case strings.HasPrefix(c.Kind, "payout-create"):
		var parts []string
		for _, name := range known(o) {
			value, _ := o[name].(string)
			if n, ok := o[name].(json.Number); ok {
				value = n.String()
			}
			if list, ok := o[name].([]any); ok {
				value = providers.SortedJSON(list, providers.JavaScript)
			}
			parts = append(parts, name+"="+strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
		}
		return strings.Join(parts, "&"), true
	case c.Kind == "webhook-data":
		return canonicalData(o), true
	}
	data, ok := o["data"].(map[string]any)
	return canonicalData(data), ok
}
