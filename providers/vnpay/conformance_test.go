package vnpay

import (
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"feegate/providers"
	"feegate/providers/providertest"
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
		ID: "acc_test", Terminal: "FEEGATE1",
		Credentials: []map[string]string{{"vnp_TmnCode": "FEEGATE1", "hash_secret": "SECRETKEYFORTESTVECTORS000000001"}},
		ReturnURL:   "https://portal.example/payments/vnpay/return", CallbackURL: "https://portal.example/ipn", ServerIP: "203.0.113.10",
	}
}

func testPayment() providers.Payment {
	at := time.Date(2026, 1, 15, 3, 30, 0, 0, time.UTC)
	return providers.Payment{
		Reference: "FG202601150001", Amount: 125000, Description: "Thanh toán hồ sơ FG202601150001", PayerIP: "203.0.113.10", Locale: "vi",
		CreatedAt: at, ExpiresAt: at.Add(15 * time.Minute), Transaction: "14226112",
	}
}

// ipn is a callback as VNPAY writes it, signed by profile P.
func ipn(secret string, over map[string]string) providers.Callback {
	params := map[string]string{
		"vnp_Amount": "12500000", "vnp_BankCode": "NCB", "vnp_BankTranNo": "VNP14226112", "vnp_CardType": "ATM", "vnp_OrderInfo": "Thanh toan ho so",
		"vnp_PayDate": "20260115103112", "vnp_ResponseCode": "00", "vnp_TmnCode": "FEEGATE1", "vnp_TransactionNo": "14226112",
		"vnp_TransactionStatus": "00", "vnp_TxnRef": "FG202601150001",
	}
	maps.Copy(params, over)
	return providers.Callback{Method: "GET", RawQuery: signedQuery(params, []byte(secret))}
}

func sayIPN(cred map[string]string, s providertest.Say) providers.Callback {
	over := map[string]string{}
	switch s.Channel {
	case "response":
		over["vnp_ResponseCode"], over["vnp_TransactionStatus"] = s.Code, "02"
	case "both":
		over["vnp_ResponseCode"], over["vnp_TransactionStatus"], _ = strings.Cut(s.Code, "/")
	}
	if s.Amount != 0 {
		over["vnp_Amount"] = wireAmount(s.Amount)
	}
	if s.Text != "" {
		over["vnp_OrderInfo"] = s.Text
	}
	return ipn(cred["hash_secret"], over)
}

func testRefund() providers.Refund {
	return providers.Refund{Reference: "FG202601150001RF1", Amount: 125000, Full: true, Description: "Hoàn tiền GD", By: "usr_1",
		CreatedAt: time.Date(2026, 1, 16, 2, 0, 0, 0, time.UTC)}
}

// sayRefund is VNPAY's answer to a refund.
func sayRefund(cred, r map[string]string, s providertest.Say) (int, []byte) {
	a := map[string]string{
		"vnp_ResponseId": "5b0f6f9d6c374a1f9c5e0a7c1d2e3f40", "vnp_Command": "refund", "vnp_ResponseCode": "00", "vnp_Message": "Refund success",
		"vnp_TmnCode": r["vnp_TmnCode"], "vnp_TxnRef": r["vnp_TxnRef"], "vnp_Amount": r["vnp_Amount"], "vnp_OrderInfo": r["vnp_OrderInfo"], "vnp_BankCode": "NCB",
		"vnp_PayDate": "20260116090003", "vnp_TransactionNo": "14230001", "vnp_TransactionType": r["vnp_TransactionType"], "vnp_TransactionStatus": "05",
	}
	switch s.Channel {
	case "refund_accepted":
		a["vnp_TransactionStatus"] = s.Code
	case "refund_first", "refund_resent", "refund_unsigned":
		if a["vnp_ResponseCode"] = s.Code; s.Code != "00" {
			for _, name := range []string{"vnp_BankCode", "vnp_PayDate", "vnp_TransactionNo", "vnp_TransactionStatus"} {
				delete(a, name)
			}
		}
	}
	if s.Channel != "refund_unsigned" {
		a["vnp_SecureHash"] = sign(ordered(refundResponseOrder(), func(n string) string { return a[n] }), []byte(cred["hash_secret"]))
	}
	b, _ := json.Marshal(a)
	return 200, b
}

// sayAnswer is VNPAY's answer to a querydr or a refund.
func sayAnswer(cred map[string]string, path string, request []byte, s providertest.Say) (int, []byte) {
	var r map[string]string
	if path != queryPath || json.Unmarshal(request, &r) != nil {
		return 404, []byte("<html>")
	}
	if r["vnp_Command"] == "refund" {
		return sayRefund(cred, r, s)
	}
	a := map[string]string{
		"vnp_ResponseId": "9f1c2ab37d4e4b0e8d5a6c7b8a901234", "vnp_Command": "querydr", "vnp_ResponseCode": "00", "vnp_Message": "QueryDR Success",
		"vnp_TmnCode": r["vnp_TmnCode"], "vnp_TxnRef": r["vnp_TxnRef"], "vnp_Amount": "12500000", "vnp_OrderInfo": "Thanh toan", "vnp_BankCode": "NCB",
		"vnp_PayDate": "20260115103112", "vnp_TransactionNo": "14226112", "vnp_TransactionType": "01", "vnp_TransactionStatus": "00",
	}
	if s.Amount != 0 {
		a["vnp_Amount"] = wireAmount(s.Amount)
	}
	switch s.Channel {
	case "status":
		a["vnp_TransactionStatus"] = s.Code
	case "refund_row":
		a["vnp_TransactionType"], a["vnp_TransactionStatus"], a["vnp_TransactionNo"] = typeRefund, s.Code, "14230001"
	case "call", "call_unsigned", "refund_call":
		a["vnp_ResponseCode"] = s.Code
	}
	if s.Channel != "call_unsigned" {
		a["vnp_SecureHash"] = sign(ordered(queryResponseOrder(), func(n string) string { return a[n] }), []byte(cred["hash_secret"]))
	}
	b, _ := json.Marshal(a)
	return 200, b
}

const goodSettlement = "txn_date,tmn_code,txn_ref,transaction_no,type,amount_vnd,fee_vnd,net_vnd,bank_code,card_type,pay_time,status,settle_date,note\n" +
	"2026-01-15,FEEGATE1,FG202601150001,14226112,PAY,125000,1375,123625,NCB,ATM,20260115103112,00,2026-01-16,\n" +
	"2026-01-15,FEEGATE1,FG202601150002,14226113,PAY,10000,110,9890,VIETCOMBANK,QRCODE,20260115110000,00,2026-01-16,\"Hồ sơ, số 2\"\n" +
	"2026-01-15,FEEGATE1,FG202601150001,14230001,REFUND,25000,0,-25000,NCB,ATM,20260115150000,00,2026-01-16,\n" +
	"TOTAL,3,110000,1485,108515\n"

func subject(t testing.TB) providertest.Subject {
	account := testAccount()
	next := map[string]string{"vnp_TmnCode": "FEEGATE1", "hash_secret": "THENEXTSECRETAFTERTHEROTATION002"}
	other := account
	other.ID, other.Terminal = "acc_other", "FEEGATE2"
	other.Credentials = []map[string]string{{"vnp_TmnCode": "FEEGATE2", "hash_secret": account.Credentials[0]["hash_secret"]}}
	known := func(m map[string]meaning) []string { return slices.Collect(maps.Keys(m)) }
	replaceOnce := func(from, to string) string { return strings.Replace(goodSettlement, from, to, 1) }
	return providertest.Subject{
		Registration: Registration(), Account: account, NextSecret: next, Other: other, Payment: testPayment(), Refund: testRefund(),
		Now:     time.Date(2026, 1, 15, 4, 0, 0, 0, time.UTC),
		Vectors: file(t, "vectors.json"), Vector: vector,
		Callback: sayIPN,
		SignedFields: []string{"vnp_Amount", "vnp_BankCode", "vnp_BankTranNo", "vnp_CardType", "vnp_OrderInfo", "vnp_PayDate", "vnp_ResponseCode", "vnp_TmnCode",
			"vnp_TransactionNo", "vnp_TransactionStatus", "vnp_TxnRef", "vnp_SecureHash"},
		Tamper: func(c providers.Callback, field string) providers.Callback {
			q, _ := url.ParseQuery(c.RawQuery)
			v := []byte(q.Get(field))
			v[len(v)-1] ^= 1
			q.Set(field, string(v))
			c.RawQuery = q.Encode()
			return c
		},
		Calls: []providertest.Via{providertest.Lookup, providertest.Refund, providertest.RefundLookup}, Answer: sayAnswer,
		Codes: file(t, "codes.json"),
		Channels: map[string]providertest.Channel{
			"response":        {Via: providertest.Callback, Known: known(responseCodes()), Unknown: "42"},
			"both":            {Via: providertest.Callback, Unknown: "00/98"},
			"status":          {Via: providertest.Lookup, Known: known(transactionStatuses()), Unknown: "77"},
			"call":            {Via: providertest.Lookup, Known: slices.Collect(maps.Keys(callCodes())), Unknown: "55"},
			"call_unsigned":   {Via: providertest.Lookup, Unknown: "55"},
			"refund_first":    {Via: providertest.Refund, Known: known(refundCodes()), Unknown: "55"},
			"refund_resent":   {Via: providertest.Refund, Known: known(refundCodes()), Unknown: "55", Resent: true},
			"refund_unsigned": {Via: providertest.Refund, Known: known(refundCodes()), Unknown: "55"},
			"refund_accepted": {Via: providertest.Refund, Known: known(refundStatuses()), Unknown: "77"},
			"refund_row":      {Via: providertest.RefundLookup, Known: known(refundStatuses()), Unknown: "77"},
			"refund_call":     {Via: providertest.RefundLookup, Known: slices.Collect(maps.Keys(callCodes())), Unknown: "55"},
		},
		Settlement: goodSettlement,
		BadSettlements: map[string]string{
			"a date that is none → txn_date":      replaceOnce("2026-01-15,FEEGATE1", "2026-02-30,FEEGATE1"),
			"no time → pay_time":                  replaceOnce("20260115103112", "15/01/2026 10:31"),
			"no transaction → transaction_no":     replaceOnce("14226112", ""),
			"no reference → txn_ref":              replaceOnce("FG202601150001", ""),
			"no terminal → tmn_code":              replaceOnce("FEEGATE1", ""),
			"no status → status":                  replaceOnce(",00,", ",,"),
			"a settle date that is none → settle": replaceOnce("2026-01-16", "soon"),
			"refund with a plus net → net_vnd":    replaceOnce("-25000", "25000"),
			"total of another fee → TOTAL fee":    replaceOnce("1485", "1486"),
		},
	}
}

func TestConformance(t *testing.T) { providertest.Run(t, subject(t)) }

// vector recomputes a published case.
func vector(c providertest.VectorCase) (data, signature string, handled bool) {
	secret := []byte("SECRETKEYFORTESTVECTORS000000001")
	var in struct {
		Params  map[string]string `json:"params"`
		Decoded map[string]string `json:"decoded_params"`
	}
	_ = json.Unmarshal(c.Input, &in)
	switch {
	case in.Params != nil:
		data = canonical(in.Params, profileP, false)
		return data, sign(data, secret), true
	case in.Decoded != nil:
		p, ok := map[string]profile{"J": profileJ, "G": profileG, "N": profileN}[c.ID[strings.LastIndex(c.ID, "-")+1:]]
		if !ok {
			p = profileP
		}
		data = canonical(in.Decoded, p, false)
		return data, sign(data, secret), true
	}
	var order []string
	switch c.Kind {
	case "query_request":
		var r queryRequest
		_ = json.Unmarshal(c.Input, &r)
		return r.canonical(), sign(r.canonical(), secret), true
	case "query_response":
		order = queryResponseOrder()
	case "refund_request":
		order = refundRequestOrder()
	case "refund_response":
		order = refundResponseOrder()
	default:
		return "", "", false
	}
	o, err := providers.ParseObject(c.Input, maxAnswer)
	if err != nil {
		return "", "", false
	}
	data = ordered(order, func(n string) string { s, _ := o.Text(n); return s })
	return data, sign(data, secret), true
}
