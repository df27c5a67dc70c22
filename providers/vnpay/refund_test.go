package vnpay

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"feegate/providers"
	"feegate/providers/providertest"
)

func TestVectorsOfRefunds(t *testing.T) {
	p := testProvider(t)
	var f struct {
		Cases []struct {
			ID, Kind string
			Input    json.RawMessage
			Body     map[string]string
		}
	}
	if err := json.Unmarshal(file(t, "vectors.json"), &f); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range f.Cases {
		var in map[string]string
		_ = json.Unmarshal(c.Input, &in) // of other cases it is no flat map
		pay := testPayment()
		r := providers.Refund{Reference: in["vnp_RequestId"], Description: strings.TrimSuffix(in["vnp_OrderInfo"], " "+pay.Reference), By: in["vnp_CreateBy"],
			Full: in["vnp_TransactionType"] == typeRefund, CreatedAt: readTime(in["vnp_CreateDate"])}
		r.Amount, _ = readAmount(in["vnp_Amount"])
		switch c.Kind {
		case "refund_request":
			n++
			pay.Transaction = transaction(in["vnp_TransactionNo"])
			got, err := p.refundRequest(pay, r)
			want := c.Body
			if want == nil {
				t.Fatalf("%s has no body", c.ID)
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v %v\nwant %v", c.ID, got, err, want)
			}
		case "refund_response":
			n++
			req := map[string]string{"vnp_Command": "refund", "vnp_TmnCode": "FEEGATE1", "vnp_TxnRef": pay.Reference, "vnp_Amount": in["vnp_Amount"],
				"vnp_TransactionType": in["vnp_TransactionType"], "vnp_TransactionNo": "14226112"}
			got, err := p.refundAnswer(req, false, 200, c.Input)
			want := providers.RefundNotice{Outcome: providers.Pending, Code: in["vnp_ResponseCode"], Transaction: in["vnp_TransactionNo"]}
			if err != nil || got != want {
				t.Errorf("%s: %+v %v, want %+v", c.ID, got, err, want)
			}
		case "query_response":
			if c.ID != "querydr-response-refund-txn-05" {
				continue
			}
			n++
			v, _, err := p.readQuery(pay, 200, c.Input)
			if err != nil {
				t.Fatal(err)
			}
			// The row has the payment's own number and date: that it is on its way is believed, nothing else would be.
			if got := refundRow(v, pay, testRefund()); got.Outcome != providers.Pending || got.Code != "05" || got.Transaction != "" {
				t.Errorf("%s: %+v", c.ID, got)
			}
		}
	}
	if n != 5 {
		t.Errorf("%d vectors of refunds", n)
	}
}

// row is a querydr's row about a refund.
func row(over map[string]string) map[string]string {
	v := map[string]string{"vnp_TransactionType": "03", "vnp_Amount": "2500000", "vnp_TransactionStatus": "00", "vnp_TransactionNo": "14230001", "vnp_PayDate": "20260116090003"}
	maps.Copy(v, over)
	return v
}

// Of several refunds one row is told. Money counts as gone back only where the row is this refund's for certain.
func TestARowIsOursOrProvesNothing(t *testing.T) {
	part := providers.Refund{Reference: "RF1", Amount: 25000, CreatedAt: time.Date(2026, 1, 16, 2, 0, 0, 500, time.UTC)}
	numbered, whole := part, part
	numbered.Transaction = "14230001"
	whole.Full = true
	before, payments := "20260116085959", "20260115103112"
	for name, c := range map[string]struct {
		r    providers.Refund
		over map[string]string
		want providers.Outcome
	}{
		"written after ours was sent":           {part, nil, providers.Succeeded},
		"written in the same second":            {part, map[string]string{"vnp_PayDate": "20260116090000"}, providers.Succeeded},
		"written before":                        {part, map[string]string{"vnp_PayDate": before}, providers.Uncertain},
		"refused before":                        {part, map[string]string{"vnp_PayDate": before, "vnp_TransactionStatus": "09"}, providers.Uncertain},
		"dated as the payment":                  {part, map[string]string{"vnp_PayDate": payments}, providers.Uncertain},
		"without a date":                        {part, map[string]string{"vnp_PayDate": ""}, providers.Uncertain},
		"on its way, dated as the payment":      {part, map[string]string{"vnp_PayDate": payments, "vnp_TransactionStatus": "05"}, providers.Pending},
		"our number, dated as the payment":      {numbered, map[string]string{"vnp_PayDate": payments}, providers.Succeeded},
		"another number":                        {numbered, map[string]string{"vnp_TransactionNo": "14230002"}, providers.Uncertain},
		"the payment's number, written after":   {numbered, map[string]string{"vnp_TransactionNo": "14226112"}, providers.Succeeded},
		"the payment's number and date":         {numbered, map[string]string{"vnp_TransactionNo": "14226112", "vnp_PayDate": payments}, providers.Uncertain},
		"another amount":                        {numbered, map[string]string{"vnp_Amount": "2500100"}, providers.Uncertain},
		"an amount of a fraction":               {numbered, map[string]string{"vnp_Amount": "2500001"}, providers.Uncertain},
		"of everything, ours is of a part":      {part, map[string]string{"vnp_TransactionType": "02"}, providers.Uncertain},
		"of a part, ours is of everything":      {whole, nil, providers.Uncertain},
		"of everything, dated as the payment":   {whole, map[string]string{"vnp_TransactionType": "02", "vnp_PayDate": payments}, providers.Succeeded},
		"of everything, refused":                {whole, map[string]string{"vnp_TransactionType": "02", "vnp_TransactionStatus": "09"}, providers.Declined},
		"of everything, failed":                 {whole, map[string]string{"vnp_TransactionType": "02", "vnp_TransactionStatus": "02"}, providers.Failed},
		"a status that nobody knows":            {numbered, map[string]string{"vnp_TransactionStatus": "77"}, providers.Uncertain},
		"the payment's row: no refund is known": {part, map[string]string{"vnp_TransactionType": "01"}, providers.NotFound},
	} {
		n := refundRow(row(c.over), testPayment(), c.r)
		if n.Outcome != c.want {
			t.Errorf("%s: %+v, want %s", name, n, c.want)
		}
		if n.Outcome == providers.Succeeded && !n.At.IsZero() && n.At.Before(c.r.CreatedAt.Truncate(time.Second)) {
			t.Errorf("%s: paid back at %v, before it was asked for", name, n.At)
		}
	}
}

func TestRefundAnswersThatProveNothing(t *testing.T) {
	p := testProvider(t)
	cred := testAccount().Credentials[0]
	req, err := p.refundRequest(testPayment(), testRefund())
	if err != nil {
		t.Fatal(err)
	}
	_, good := sayRefund(cred, req, providertest.Say{})
	change := func(over map[string]string, again bool) []byte {
		var m map[string]string
		_ = json.Unmarshal(good, &m)
		maps.Copy(m, over)
		if again {
			m["vnp_SecureHash"] = sign(ordered(refundResponseOrder(), func(n string) string { return m[n] }), []byte(cred["hash_secret"]))
		}
		b, _ := json.Marshal(m)
		return b
	}
	for name, c := range map[string]struct {
		body []byte
		want string
	}{
		"the right answer":      {good, "pending"},
		"another reference":     {change(map[string]string{"vnp_TxnRef": "OTHER"}, true), "error"},
		"another terminal":      {change(map[string]string{"vnp_TmnCode": "FEEGATE2"}, true), "error"},
		"another amount":        {change(map[string]string{"vnp_Amount": "2500000"}, true), "error"},
		"another kind":          {change(map[string]string{"vnp_TransactionType": "03"}, true), "error"},
		"a query's answer":      {change(map[string]string{"vnp_Command": "querydr"}, true), "error"},
		"changed after signing": {change(map[string]string{"vnp_TransactionStatus": "09"}, false), "error"},
		"done, it says":         {change(map[string]string{"vnp_TransactionStatus": "00"}, true), "pending"},
		"refused, signed":       {change(map[string]string{"vnp_ResponseCode": "95"}, true), "failed"},
		"refused, unsigned":     {change(map[string]string{"vnp_ResponseCode": "95", "vnp_SecureHash": ""}, false), "uncertain"},
		"accepted, unsigned":    {change(map[string]string{"vnp_SecureHash": ""}, false), "uncertain"},
		"accepted, rejected":    {change(map[string]string{"vnp_TransactionStatus": "09"}, true), "declined"},
	} {
		n, err := p.refundAnswer(req, false, 200, c.body)
		got := string(n.Outcome)
		if err != nil {
			got = "error"
			if !errors.Is(err, providers.ErrUncertain) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got != c.want {
			t.Errorf("%s: %s %v, want %s", name, got, err, c.want)
		}
		if n, err := p.refundAnswer(req, true, 200, c.body); err == nil && (n.Outcome == providers.Failed || n.Outcome == providers.Declined) {
			t.Errorf("%s, of a second sending: %+v", name, n)
		}
	}
	if _, err := p.refundAnswer(req, false, 400, good); !errors.Is(err, providers.ErrUncertain) {
		t.Errorf("a success under status 400: %v", err)
	}
}

func TestARefundThatCannotBeSent(t *testing.T) {
	p := testProvider(t)
	for name, change := range map[string]func(*providers.Payment, *providers.Refund){
		"no reference":              func(_ *providers.Payment, r *providers.Refund) { r.Reference = "" },
		"a reference of 33":         func(_ *providers.Payment, r *providers.Refund) { r.Reference = strings.Repeat("A", 33) },
		"a reference with a sign":   func(_ *providers.Payment, r *providers.Refund) { r.Reference = "A|1" },
		"no amount":                 func(_ *providers.Payment, r *providers.Refund) { r.Amount = 0 },
		"an amount of eleven":       func(_ *providers.Payment, r *providers.Refund) { r.Amount = 10_000_000_000 },
		"a payment's long number":   func(p *providers.Payment, _ *providers.Refund) { p.Transaction = strings.Repeat("1", 16) },
		"a payment's odd reference": func(p *providers.Payment, _ *providers.Refund) { p.Reference = "a b" },
	} {
		pay, r := testPayment(), testRefund()
		change(&pay, &r)
		if _, err := p.Refund(context.Background(), pay, r); !errors.Is(err, providers.ErrNotSent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := testRefund()
	for in, want := range map[string]string{"usr_1": "usr_1", "": "feegate", "a|b c": "abc", "mẫu": "mu", strings.Repeat("x", 300): strings.Repeat("x", 64)} {
		r.By = in
		if req, err := p.refundRequest(testPayment(), r); err != nil || req["vnp_CreateBy"] != want {
			t.Errorf("by %q: %q %v", in, req["vnp_CreateBy"], err)
		}
	}
}

func TestTheLookUpOfARefundNamesItsRow(t *testing.T) {
	var asked []map[string]string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var m map[string]string
		if err := json.Unmarshal(b, &m); err != nil {
			t.Error(err)
		}
		asked = append(asked, m)
		_, answer := sayAnswer(testAccount().Credentials[0], r.URL.Path, b, providertest.Say{Channel: "refund_row", Code: "00"})
		_, _ = w.Write(answer)
	}))
	defer s.Close()
	p := testProvider(t, func(a *providers.Account) { a.BaseURL = s.URL })
	r := testRefund()
	r.SentBefore, r.Transaction = true, "14230001"
	for range 2 {
		n, err := p.LookupRefund(context.Background(), testPayment(), r)
		if err != nil || n.Outcome != providers.Succeeded || n.Transaction != "14230001" {
			t.Errorf("%+v %v", n, err)
		}
		r.Transaction = ""
	}
	if len(asked) != 2 || asked[0]["vnp_Command"] != "querydr" || asked[0]["vnp_TransactionNo"] != "14230001" || asked[1]["vnp_Command"] != "querydr" || asked[1]["vnp_TransactionNo"] != "" {
		t.Errorf("%v", asked)
	}
}

func FuzzRefundAnswer(f *testing.F) {
	p := testProvider(f)
	cred := testAccount().Credentials[0]
	req, _ := p.refundRequest(testPayment(), testRefund())
	_, good := sayRefund(cred, req, providertest.Say{})
	for _, s := range []string{string(good), "{}", "[]", "null", `{"vnp_ResponseCode":"95"}`, `{"vnp_ResponseCode":00}`, `{"a":{"b":[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := p.refundAnswer(req, false, 200, b)
		if err == nil && n.Outcome != providers.Uncertain && n.Code != "94" && string(b) != string(good) {
			o, _ := providers.ParseObject(b, maxAnswer)
			if s, _ := o.Text("vnp_SecureHash"); len(s) != 128 {
				t.Fatalf("an unsigned answer moved a refund: %s %+v", b, n)
			}
		}
	})
}
