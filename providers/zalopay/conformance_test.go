package zalopay

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"feegate/providers"
	"feegate/providers/providertest"
)

const (
	testApp  = "900001"
	testKey1 = "FAKEkey1_4f1c2d3e5a6b7c8d9e0f1a2b"
	testKey2 = "FAKEkey2_9a8b7c6d5e4f3a2b1c0d9e8f"
)

func file(t testing.TB, name string) []byte {
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func credentials(app, key1, key2 string) map[string]string {
	return map[string]string{"app_id": app, "key1": key1, "key2": key2}
}

func testAccount() providers.Account {
	return providers.Account{
		ID: "acc_test", Terminal: testApp, Credentials: []map[string]string{credentials(testApp, testKey1, testKey2)},
		ReturnURL: "https://portal.example/returns/zalopay/acc_test", CallbackURL: "https://portal.example/callbacks/zalopay/acc_test", ServerIP: "203.0.113.10",
	}
}

func begun() time.Time { return time.Date(2026, 3, 5, 9, 0, 0, 0, time.UTC) }

func testPayment() providers.Payment {
	return providers.Payment{
		Reference: "PHX22222223A4", Amount: 50000, Description: "Thanh toán hồ sơ #1", PayerIP: "203.0.113.10", Locale: "vi",
		CreatedAt: begun(), ExpiresAt: begun().Add(15 * time.Minute), Transaction: "260305000000123",
	}
}

func testRefund() providers.Refund {
	return providers.Refund{Reference: "RF0000000001", Amount: 20000, Description: "Hoàn tiền hồ sơ 1", By: "usr_1", CreatedAt: begun().Add(-10 * time.Minute)}
}

// data is what a callback carries.
func data(over map[string]any) string {
	m := map[string]any{
		"app_id": 900001, "app_trans_id": "260305_PHX22222223A4", "app_time": begun().UnixMilli(), "app_user": "feegate", "amount": 50000, "embed_data": "{}",
		"item": "[]", "zp_trans_id": 260305000000123, "server_time": begun().Add(time.Minute).UnixMilli(), "channel": 38, "merchant_user_id": "FAKE-user-token",
		"zp_user_id": "FAKE-user-token", "user_fee_amount": 0, "discount_amount": 0,
	}
	maps.Copy(m, over)
	b, _ := providers.CompactJSON(m)
	return string(b)
}

func call(text, signature string) providers.Callback {
	b, _ := providers.CompactJSON(map[string]any{"data": text, "mac": signature, "type": 1})
	return providers.Callback{Method: http.MethodPost, Body: b, Header: http.Header{"Content-Type": {"application/json"}}}
}

func signedCall(cred map[string]string, over map[string]any) providers.Callback {
	text := data(over)
	return call(text, sign(text, cred["key2"]))
}

func signedReturn(cred map[string]string, over map[string]string) providers.Callback {
	q := url.Values{"appid": {testApp}, "apptransid": {"260305_PHX22222223A4"}, "pmcid": {"38"}, "bankcode": {""}, "amount": {"50000"}, "discountamount": {"0"}, "status": {"1"}}
	for k, v := range over {
		q.Set(k, v)
	}
	q.Set("checksum", sign(returnText(q.Get), cred["key2"]))
	return providers.Callback{Method: http.MethodGet, Return: true, RawQuery: q.Encode()}
}

func sayCallback(cred map[string]string, s providertest.Say) providers.Callback {
	if s.Channel == "return" {
		return signedReturn(cred, map[string]string{"status": s.Code})
	}
	over := map[string]any{}
	if s.Amount != 0 {
		over["amount"] = s.Amount
	}
	if s.Text != "" {
		over["app_user"] = s.Text
	}
	return signedCall(cred, over)
}

// tamper changes one thing of a callback after it was signed.
func tamper(c providers.Callback, field string) providers.Callback {
	var m map[string]any
	_ = json.Unmarshal(c.Body, &m)
	if field == "mac" {
		m["mac"] = strings.Map(func(r rune) rune { return '0' + ('9'-r)&7 }, m["mac"].(string))
	} else {
		var d map[string]json.RawMessage
		_ = json.Unmarshal([]byte(m["data"].(string)), &d)
		if text, isText := strings.CutPrefix(string(d[field]), `"`); isText {
			d[field] = json.RawMessage(`"x` + text)
		} else {
			d[field] = json.RawMessage("1" + string(d[field]))
		}
		b, _ := providers.CompactJSON(d)
		m["data"] = string(b)
	}
	c.Body, _ = providers.CompactJSON(m)
	return c
}

// sayAnswer is ZaloPay's answer to any request of ours: a code is "return/sub" or "return".
func sayAnswer(_ map[string]string, path string, request []byte, s providertest.Say) (int, []byte) {
	f, err := url.ParseQuery(string(request))
	if err != nil || f.Get("mac") == "" {
		return 404, []byte("<html>")
	}
	a := map[string]any{"return_code": 1, "return_message": "Giao dịch thành công", "sub_return_code": 1, "sub_return_message": "Giao dịch thành công"}
	if s.Code != "" {
		ret, sub, both := strings.Cut(s.Code, "/")
		a["return_code"] = json.Number(ret)
		delete(a, "sub_return_code")
		if both {
			a["sub_return_code"] = json.Number(sub)
		}
	}
	switch path {
	case createPath:
		a["order_url"], a["zp_trans_token"], a["order_token"], a["qr_code"] = "https://qcgateway.zalopay.vn/openinapp?order=T", "T", "T", "00020101021226..."
	case queryPath:
		a["is_processing"], a["amount"], a["discount_amount"], a["zp_trans_id"], a["server_time"] = false, 50000, 0, 260305000000123, begun().UnixMilli()
		if s.Amount != 0 {
			a["amount"] = s.Amount
		}
	case refundPath:
		a["refund_id"] = 260305000000900
	case refundQueryPath, "/v2/cancel":
	default:
		return 404, []byte("<html>")
	}
	b, _ := json.Marshal(a)
	return 200, b
}

const goodSettlement = "trans_date,type,app_id,app_trans_id,zp_trans_id,m_refund_id,refund_id,amount,discount_amount,fee_amount,net_amount,status,channel\n" +
	"2026-03-05 16:01:05,PAYMENT,900001,260305_PHX22222223A4,260305000000123,,,50000,0,550,49450,SUCCESS,38\n" +
	"2026-03-05 16:10:00,PAYMENT,900001,260305_PHX22222224J6,260305000000124,,,1250000,5000,13750,1236250,SUCCESS,36\n" +
	"2026-03-05 17:00:00,REFUND,900001,260305_PHX22222223A4,260305000000123,260305_900001_RF0000000001,260305000000900,20000,0,0,-20000,SUCCESS,38\n" +
	"TOTAL,3,1280000,14300,1265700\n"

func known[V any](m map[string]V) []string {
	var out []string
	for code := range m {
		out = append(out, "2/"+code)
	}
	return out
}

func subject(t testing.TB) providertest.Subject {
	account := testAccount()
	account.URLs = map[string]string{PurposeCancel: "/v2/cancel"}
	other := account
	other.ID, other.Terminal = "acc_other", "900002"
	other.Credentials = []map[string]string{credentials("900002", testKey1, testKey2)}
	replaceOnce := func(from, to string) string { return strings.Replace(goodSettlement, from, to, 1) }
	const unknown = "2/-77777"
	return providertest.Subject{
		Registration: Registration(), Account: account, Other: other, Payment: testPayment(), Refund: testRefund(),
		NextSecret: credentials(testApp, "THENEXTKEY1AFTERTHEROTATION00002", "THENEXTKEY2AFTERTHEROTATION00002"),
		Now:        begun().Add(5 * time.Minute),
		Vectors:    file(t, "vectors.json"), Vector: vector,
		Callback: sayCallback, Tamper: tamper,
		SignedFields: []string{"app_id", "app_trans_id", "app_time", "app_user", "amount", "embed_data", "item", "zp_trans_id", "server_time", "channel",
			"merchant_user_id", "zp_user_id", "user_fee_amount", "discount_amount", "mac"},
		Calls:  []providertest.Via{providertest.Checkout, providertest.Lookup, providertest.Refund, providertest.RefundLookup, providertest.Cancel},
		Answer: sayAnswer, Codes: file(t, "codes.json"),
		Channels: map[string]providertest.Channel{
			"return":              {Via: providertest.Callback, Unknown: "-77777"},
			"create":              {Via: providertest.Checkout, Known: known(creations()), Unknown: unknown},
			"create_return":       {Via: providertest.Checkout, Unknown: "7"},
			"create_short":        {Via: providertest.Checkout, Unknown: "-77777"},
			"query":               {Via: providertest.Lookup, Known: known(payments()), Unknown: unknown},
			"query_return":        {Via: providertest.Lookup, Unknown: "7"},
			"query_short":         {Via: providertest.Lookup, Unknown: "-77777"},
			"refund_first":        {Via: providertest.Refund, Known: known(refunds()), Unknown: unknown},
			"refund_resent":       {Via: providertest.Refund, Known: known(refunds()), Unknown: unknown, Resent: true},
			"refund_return":       {Via: providertest.Refund, Unknown: "7"},
			"refund_short":        {Via: providertest.Refund, Unknown: "-77777"},
			"refund_query":        {Via: providertest.RefundLookup, Known: known(refundStates()), Unknown: unknown},
			"refund_query_return": {Via: providertest.RefundLookup, Unknown: "7"},
			"refund_query_short":  {Via: providertest.RefundLookup, Unknown: "-77777"},
		},
		Settlement: goodSettlement,
		BadSettlements: map[string]string{
			"a time that is none → trans_date":            replaceOnce("2026-03-05 16:01:05", "05/03/2026 16:01"),
			"no app → app_id":                             replaceOnce("900001", ""),
			"no order → app_trans_id":                     replaceOnce("260305_PHX22222223A4", ""),
			"no transaction → zp_trans_id":                replaceOnce("260305000000123", ""),
			"no status → status":                          replaceOnce("SUCCESS", ""),
			"a refund without its id → m_refund_id":       replaceOnce("260305_900001_RF0000000001", ""),
			"a refund without ZaloPay's id → refund_id":   replaceOnce("260305000000900", ""),
			"a refund with a plus net → net_amount":       replaceOnce("-20000", "20000"),
			"a discount below nothing → discount_amount":  replaceOnce(",50000,0,550", ",50000,-1,550"),
			"a total of another fee → TOTAL fee":          replaceOnce("14300", "14301"),
			"a type that is none → type":                  replaceOnce("REFUND", "FEE"),
			"an amount that is none → amount":             replaceOnce(",1250000,", ",1.250.000,"),
			"a fee more than the net shows → net_amount":  replaceOnce(",550,", ",551,"),
			"a total of a row more → TOTAL rows":          replaceOnce("TOTAL,3", "TOTAL,4"),
			"a day of a month without it → trans_date":    replaceOnce("2026-03-05 16:10:00", "2026-02-30 16:10:00"),
			"an app with a letter → app_id":               replaceOnce("900001", "90000l"),
			"a sum that is not the rows' → TOTAL amount":  replaceOnce("TOTAL,3,1280000", "TOTAL,3,1280001"),
			"a net sum that is not the rows' → TOTAL net": replaceOnce("1265700", "1265701"),
		},
	}
}

func TestConformance(t *testing.T) { providertest.Run(t, subject(t)) }

// vector recomputes a case with the adapter's own texts.
func vector(c providertest.VectorCase) (text, signature string, handled bool) {
	var body struct {
		Body struct {
			Data string `json:"data"`
		} `json:"body"`
	}
	o, err := providers.ParseObject(c.Input, maxCallback)
	if err != nil {
		return "", "", false
	}
	get := func(name string) string {
		s, err := o.Text(name)
		if err != nil {
			panic(fmt.Sprintf("%s: %v", c.ID, err))
		}
		return s
	}
	key := testKey1
	switch c.Kind {
	case "create":
		text = createText(get)
	case "query", "cancel":
		text = orderText(get, testKey1)
	case "refund":
		text = refundText(get)
	case "query_refund":
		text = refundQueryText(get)
	case "redirect":
		text, key = returnText(get), testKey2
	case "callback":
		_ = json.Unmarshal(c.Input, &body)
		text, key = body.Body.Data, testKey2
	default:
		return "", "", false
	}
	return text, sign(text, key), true
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
