package momo

import (
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"feegate/providers"
	"feegate/providers/providertest"
)

const (
	testAccess = "FEEGATEACCESSKEY"
	testSecret = "SECRETKEYFORTESTVECTORS000000002"
)

func file(t testing.TB, name string) []byte {
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func testAccount() providers.Account {
	return providers.Account{
		ID: "acc_test", Terminal: "FEEGATEMOMO",
		Credentials: []map[string]string{{"partnerCode": "FEEGATEMOMO", "accessKey": testAccess, "secretKey": testSecret}},
		ReturnURL:   "https://portal.example/payments/momo/return", CallbackURL: "https://portal.example/ipn/momo", ServerIP: "203.0.113.10",
	}
}

func testPayment() providers.Payment {
	at := time.Date(2026, 1, 15, 3, 30, 0, 0, time.UTC)
	return providers.Payment{
		Reference: "FG202601150001", Amount: 125000, Description: "Thanh toan ho so FG202601150001", Method: providers.MethodWallet, PayerIP: "203.0.113.10",
		Locale: "vi", CreatedAt: at, ExpiresAt: at.Add(time.Hour), Transaction: "4088878653",
	}
}

func testRefund() providers.Refund {
	return providers.Refund{Reference: "FG202601150001RF1", Amount: 125000, Full: true, Description: "Hoàn tiền", By: "usr_1", CreatedAt: time.Date(2026, 1, 16, 3, 0, 0, 0, time.UTC)}
}

// signed fills in a message's signature.
func signed(cred map[string]string, m map[string]any) map[string]any {
	b, _ := json.Marshal(m)
	o, _ := providers.ParseObject(b, maxCallback)
	m["signature"] = sign(canonical(callbackOrder(), func(n string) string {
		if n == "accessKey" {
			return cred["accessKey"]
		}
		s, _ := o.Text(n)
		return s
	}), cred["secretKey"])
	return m
}

// ipn is MoMo's call.
func ipn(cred map[string]string, over map[string]any) providers.Callback {
	m := map[string]any{
		"partnerCode": cred["partnerCode"], "orderId": "FG202601150001", "requestId": "FG202601150001", "amount": 125000,
		"orderInfo": "Thanh toan ho so FG202601150001", "orderType": "momo_wallet", "transId": 4088878653, "resultCode": 0, "message": "Successful.",
		"payType": "qr", "responseTime": 1768447872954, "extraData": "",
	}
	maps.Copy(m, over)
	b, _ := providers.CompactJSON(signed(cred, m))
	return providers.Callback{Method: "POST", Body: b, Header: map[string][]string{"Content-Type": {"application/json; charset=UTF-8"}}}
}

func sayIPN(cred map[string]string, s providertest.Say) providers.Callback {
	over := map[string]any{}
	if s.Code != "" {
		over["resultCode"], _ = strconv.Atoi(s.Code)
	}
	if s.Amount != 0 {
		over["amount"] = s.Amount
	}
	if s.Text != "" {
		over["orderInfo"] = s.Text
	}
	return ipn(cred, over)
}

// sayAnswer is MoMo's answer to any request of ours.
func sayAnswer(_ map[string]string, path string, request []byte, s providertest.Say) (int, []byte) {
	var r map[string]any
	dec := json.NewDecoder(strings.NewReader(string(request)))
	dec.UseNumber()
	if dec.Decode(&r) != nil {
		return 404, nil
	}
	a := map[string]any{
		"partnerCode": r["partnerCode"], "orderId": r["orderId"], "requestId": r["requestId"], "amount": r["amount"], "resultCode": 0, "message": "Thành công.",
		"responseTime": 1768447990001,
	}
	code := 0
	if s.Code != "" {
		code, _ = strconv.Atoi(s.Code)
	}
	status := 200
	switch path {
	case createPath:
		a["payUrl"], a["deeplink"], a["qrCodeUrl"] = "https://test-payment.momo.vn/v2/gateway/pay?t=T", "momo://app?x=1", "momo://qr?x=1"
		a["resultCode"] = code
		if code != 0 {
			status = 400
			delete(a, "payUrl")
		}
	case queryPath:
		a["amount"], a["transId"], a["payType"], a["extraData"], a["refundTrans"], a["resultCode"] = 125000, 4088878653, "qr", "", []any{}, code
		a["signature"], a["lastUpdated"] = nil, 1768447872954
		if s.Amount != 0 {
			a["amount"] = s.Amount
		}
	case refundPath:
		a["transId"], a["resultCode"] = 4088900001, code
	case refundQueryPath:
		row := 0
		if s.Channel == "refund_row" {
			row = code
		} else {
			a["resultCode"] = code
		}
		delete(a, "amount")
		a["refundTrans"] = []any{
			map[string]any{"orderId": "SOMEBODYELSE", "amount": 125000, "resultCode": 1088, "transId": 1, "createdTime": 1},
			map[string]any{"orderId": r["orderId"], "amount": 125000, "resultCode": row, "transId": 4088900001, "createdTime": 1768534400123},
		}
	default:
		return 404, []byte("<html>")
	}
	b, _ := json.Marshal(a)
	return status, b
}

const goodSettlement = "txn_time,partner_code,store_id,order_id,request_id,trans_id,type,amount_vnd,fee_vnd,net_vnd,pay_type,result_code,settle_date,original_trans_id,note\n" +
	"2026-01-15T10:31:12+07:00,FEEGATEMOMO,,FG202601150001,FG202601150001,4088878653,PAYMENT,125000,1375,123625,qr,0,2026-01-16,,\n" +
	"2026-01-15T11:00:00+07:00,FEEGATEMOMO,,FG202601150002,FG202601150002,4088878654,PAYMENT,10000,110,9890,napas,0,2026-01-16,,\"Hồ sơ, số 2\"\n" +
	"2026-01-15T15:00:00+07:00,FEEGATEMOMO,,FG202601150001RF1,FG202601150001RF1,4088900001,REFUND,25000,0,-25000,qr,0,2026-01-16,4088878653,\n" +
	"TOTAL,3,110000,1485,108515\n"

func known[V any](m map[string]V) []string { return slices.Collect(maps.Keys(m)) }

func subject(t testing.TB) providertest.Subject {
	account := testAccount()
	other := account
	other.ID, other.Terminal = "acc_other", "OTHERPARTNER"
	other.Credentials = []map[string]string{{"partnerCode": "OTHERPARTNER", "accessKey": testAccess, "secretKey": testSecret}}
	replaceOnce := func(from, to string) string { return strings.Replace(goodSettlement, from, to, 1) }
	refundCodes := append(known(refunds()), refusedRefunds()...)
	return providertest.Subject{
		Registration: Registration(), Account: account, Other: other, Payment: testPayment(), Refund: testRefund(),
		NextSecret: map[string]string{"partnerCode": "FEEGATEMOMO", "accessKey": "THENEXTACCESSKEY", "secretKey": "THENEXTSECRETAFTERTHEROTATION002"},
		Now:        time.Date(2026, 1, 15, 4, 0, 0, 0, time.UTC),
		Vectors:    file(t, "vectors.json"), Vector: vector,
		Callback: sayIPN, SignedFields: callbackFields(),
		Tamper: func(c providers.Callback, field string) providers.Callback {
			m := map[string]any{}
			dec := json.NewDecoder(strings.NewReader(string(c.Body)))
			dec.UseNumber()
			_ = dec.Decode(&m)
			switch v := m[field].(type) {
			case json.Number:
				n, _ := v.Int64()
				m[field] = n + 1
			case string:
				m[field] = "a" + v
			}
			c.Body, _ = providers.CompactJSON(m)
			return c
		},
		Calls:  []providertest.Via{providertest.Checkout, providertest.Lookup, providertest.Refund, providertest.RefundLookup},
		Answer: sayAnswer, Codes: file(t, "codes.json"),
		Channels: map[string]providertest.Channel{
			"ipn":           {Via: providertest.Callback, Known: known(payments()), Unknown: "98765"},
			"query":         {Via: providertest.Lookup, Known: known(payments()), Unknown: "98765"},
			"create":        {Via: providertest.Checkout, Known: known(creations()), Unknown: "1006"},
			"refund_first":  {Via: providertest.Refund, Known: refundCodes, Unknown: "98765"},
			"refund_resent": {Via: providertest.Refund, Known: refundCodes, Unknown: "1000", Resent: true},
			"refund_row":    {Via: providertest.RefundLookup, Known: refundCodes, Unknown: "98765"},
			"refund_query":  {Via: providertest.RefundLookup, Unknown: "98765"},
		},
		Settlement: goodSettlement,
		BadSettlements: map[string]string{
			"a time without zone → txn_time":   replaceOnce("2026-01-15T10:31:12+07:00", "2026-01-15T10:31:12"),
			"no transaction → trans_id":        replaceOnce("4088878653", ""),
			"no order → order_id":              replaceOnce("FG202601150001", ""),
			"no partner → partner_code":        replaceOnce("FEEGATEMOMO", ""),
			"no result → result_code":          replaceOnce(",0,2026", ",,2026"),
			"no settle date → settle_date":     replaceOnce("2026-01-16", "soon"),
			"refund with a plus net → net_vnd": replaceOnce("-25000", "25000"),
			"total of another fee → TOTAL fee": replaceOnce("1485", "1486"),
		},
	}
}

func TestConformance(t *testing.T) { providertest.Run(t, subject(t)) }

// vector recomputes a published case with the adapter's own orders.
func vector(c providertest.VectorCase) (data, signature string, handled bool) {
	orders := map[string][]string{
		"create_request": createOrder(), "ipn": callbackOrder(), "redirect": callbackOrder(), "query_request": queryOrder(), "refund_query_request": queryOrder(),
		"refund_request": refundOrder(),
		// The two-step kind is not used; its order stands here with the vectors.
		"confirm_request": {"accessKey", "amount", "description", "orderId", "partnerCode", "requestId", "requestType"},
	}
	order, ok := orders[c.Kind]
	if !ok {
		return "", "", false
	}
	raw := c.Input
	var nested struct {
		Body  json.RawMessage `json:"body"`
		Query string          `json:"raw_query"`
	}
	_ = json.Unmarshal(c.Input, &nested)
	if nested.Body != nil {
		raw = nested.Body
	}
	o, err := providers.ParseObject(raw, maxCallback)
	if err != nil {
		return "", "", false
	}
	q, _ := url.ParseQuery(nested.Query)
	data = canonical(order, func(n string) string {
		if n == "accessKey" {
			return testAccess
		}
		if nested.Query != "" {
			return q.Get(n)
		}
		s, _ := o.Text(n)
		return s
	})
	return data, sign(data, testSecret), true
}
