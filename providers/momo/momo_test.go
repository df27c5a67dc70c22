package momo

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/providertest"
)

func testProvider(t testing.TB, change ...func(*providers.Account)) *provider {
	a := testAccount()
	for _, c := range change {
		c(&a)
	}
	p, err := New(a, providers.Deps{Now: time.Now, HTTP: func(providers.Operation) *http.Client { return http.DefaultClient }})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*provider)
}

type vectorFile struct {
	Cases []struct {
		providertest.VectorCase
		Body json.RawMessage
	}
}

func vectors(t testing.TB) vectorFile {
	var f vectorFile
	if err := json.Unmarshal(file(t, "vectors.json"), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestVectorsOfIncomingCalls(t *testing.T) {
	p := testProvider(t)
	outcome := map[string]providers.Outcome{
		"ipn-user-denied-1006": providers.Failed, "ipn-expired-1005": providers.Expired, "ipn-processing-7002": providers.Pending, "ipn-authorized-9000": providers.Pending,
	}
	n := 0
	for _, c := range vectors(t).Cases {
		if c.Kind != "ipn" && c.Kind != "redirect" {
			continue
		}
		n++
		var in struct {
			Body  json.RawMessage `json:"body"`
			Query string          `json:"raw_query"`
		}
		_ = json.Unmarshal(c.Input, &in)
		cb := providers.Callback{Method: "POST", Body: in.Body}
		if c.Kind == "redirect" {
			cb = providers.Callback{Method: "GET", RawQuery: in.Query, Return: true}
		}
		ns, err := p.Verify(context.Background(), cb)
		status := p.Answer(providers.Result{Verdict: providers.VerdictRecorded}).Status
		if err != nil {
			if !errors.Is(err, providers.ErrForged) || len(ns) != 0 {
				t.Errorf("%s: %v %v", c.ID, ns, err)
			}
			status = p.Answer(providers.Result{Verdict: providers.VerdictForged}).Status
		}
		if c.Expect.HTTPStatus != 0 && status != c.Expect.HTTPStatus {
			t.Errorf("%s: answered %d, want %d (%v)", c.ID, status, c.Expect.HTTPStatus, err)
		}
		if err != nil {
			continue
		}
		want := providers.Succeeded
		if o, ok := outcome[c.ID]; ok {
			want = o
		}
		if ns[0].Outcome != want || ns[0].Doubt != (c.ID == "ipn-authorized-9000") || ns[0].Reference != "FG202601150001" {
			t.Errorf("%s: %+v", c.ID, ns[0])
		}
	}
	if n < 13 {
		t.Errorf("only %d vectors of incoming calls", n)
	}
}

func TestVectorsOfRequestBodies(t *testing.T) {
	p := testProvider(t)
	for _, c := range vectors(t).Cases {
		var body []byte
		var err error
		switch c.Kind {
		case "create_request":
			var r createRequest
			_ = json.Unmarshal(c.Input, &r)
			r.Signature = p.signature(createOrder(), r.values())
			body, err = providers.CompactJSON(r)
		case "query_request", "refund_query_request":
			var r queryRequest
			_ = json.Unmarshal(c.Input, &r)
			r.Signature = p.signature(queryOrder(), r.values())
			body, err = providers.CompactJSON(r)
		case "refund_request":
			var r refundRequest
			_ = json.Unmarshal(c.Input, &r)
			r.Signature = p.signature(refundOrder(), r.values())
			body, err = providers.CompactJSON(r)
		default:
			continue
		}
		var got, want map[string]any
		if err != nil || json.Unmarshal(body, &got) != nil || json.Unmarshal(c.Body, &want) != nil {
			t.Errorf("%s: %v", c.ID, err)
			continue
		}
		for _, unsent := range []string{"partnerName", "storeId"} { // unsigned, never sent by us
			delete(want, unsent)
		}
		if _, ok := want["autoCapture"]; !ok {
			delete(got, "autoCapture") // we always say it
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", c.ID, got, want)
		}
		if strings.Contains(string(body), `\u0026`) {
			t.Errorf("%s: the body is HTML-escaped", c.ID)
		}
	}
}

func TestTheFirstVectorIsOurWholeCreate(t *testing.T) {
	p := testProvider(t)
	r, err := p.createRequest(testPayment())
	if err != nil || r.Signature != *vectors(t).Cases[0].Signature {
		t.Errorf("%+v %v", r, err)
	}
}

func TestCreateByMethod(t *testing.T) {
	p := testProvider(t)
	for _, c := range []struct {
		method providers.Method
		amount vnd.Amount
		want   string // requestType, or "" = refused
		expire int
	}{
		{providers.MethodAny, 1_000, "payWithMethod", 60}, {providers.MethodAny, 999, "", 0}, {providers.MethodAny, 50_000_001, "", 0},
		{providers.MethodQR, 50_000_000, "captureWallet", 0}, {providers.MethodWallet, 1_000, "captureWallet", 0},
		{providers.MethodATM, 10_000, "payWithATM", 0}, {providers.MethodATM, 9_999, "", 0},
		{providers.MethodCard, 10_000_000, "payWithCC", 0}, {providers.MethodCard, 10_000_001, "", 0},
		{providers.MethodTransfer, 10_000, "", 0},
	} {
		pay := testPayment()
		pay.Method, pay.Amount = c.method, c.amount
		r, err := p.createRequest(pay)
		if c.want == "" {
			if !errors.Is(err, providers.ErrRefused) {
				t.Errorf("%q of %d: %+v %v", c.method, c.amount, r, err)
			}
			continue
		}
		if err != nil || r.RequestType != c.want || r.OrderExpireTime != c.expire || !r.AutoCapture || r.RequestID != r.OrderID {
			t.Errorf("%q of %d: %+v %v", c.method, c.amount, r, err)
		}
	}
	pay := testPayment()
	pay.Method, pay.ExpiresAt = providers.MethodAny, pay.CreatedAt.Add(7*time.Minute+50*time.Second)
	if r, _ := p.createRequest(pay); r.OrderExpireTime != 7 {
		t.Errorf("never past the order: %d minutes", r.OrderExpireTime)
	}
	for name, change := range map[string]func(*providers.Account){
		"no callback address": func(a *providers.Account) { a.CallbackURL = "" },
		"no return address":   func(a *providers.Account) { a.ReturnURL = "" },
	} {
		if _, err := testProvider(t, change).createRequest(testPayment()); !errors.Is(err, providers.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSanitiseKeepsVietnameseAndTakesSeparatorsOut(t *testing.T) {
	for in, want := range map[string]string{
		"Lệ phí hộ tịch – xã Đắk Lắk 100%": "Lệ phí hộ tịch – xã Đắk Lắk 100%",
		"a&amount=1":             "a amount 1",
		"a\r\nb\x00c":            "a b c",
		strings.Repeat("ệ", 250): strings.Repeat("ệ", 200),
		"\xffabc":                "abc",
	} {
		if got := sanitise(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestCallbacksThatAreRefused(t *testing.T) {
	p := testProvider(t)
	cred := testAccount().Credentials[0]
	good := string(ipn(cred, nil).Body)
	without := func(field string) string {
		m := map[string]any{}
		_ = json.Unmarshal([]byte(good), &m)
		delete(m, field)
		b, _ := json.Marshal(m)
		return string(b)
	}
	post := func(body string) providers.Callback { return providers.Callback{Method: "POST", Body: []byte(body)} }
	all := map[string]struct {
		c    providers.Callback
		want error
	}{
		"fine":                       {post(good), nil},
		"fine, with blanks":          {post(" " + good + "\n"), nil},
		"an unsigned field more":     {post(strings.Replace(good, "{", `{"paymentOption":"momo",`, 1)), nil},
		"a name twice":               {post(strings.Replace(good, "{", `{"amount":125000,`, 1)), providers.ErrMalformed},
		"a name twice by escape":     {post(strings.Replace(good, "{", `{"\u0061mount":125000,`, 1)), providers.ErrMalformed},
		"two objects":                {post(good + good), providers.ErrMalformed},
		"an array":                   {post("[" + good + "]"), providers.ErrMalformed},
		"more than 64 KiB":           {post(strings.Replace(good, "{", `{"x":"`+strings.Repeat("x", 64<<10)+`",`, 1)), providers.ErrMalformed},
		"not UTF-8":                  {post(strings.Replace(good, "Successful", "Success\xff", 1)), providers.ErrMalformed},
		"amount with a point":        {post(strings.Replace(good, "125000", "125000.0", 1)), providers.ErrMalformed},
		"amount in exponents":        {post(strings.Replace(good, "125000", "125e3", 1)), providers.ErrMalformed},
		"a negative amount":          {ipn(cred, map[string]any{"amount": -125000}), providers.ErrMalformed},
		"a nested orderId":           {post(strings.Replace(good, `"orderId":"FG202601150001"`, `"orderId":{"a":1}`, 1)), providers.ErrMalformed},
		"an empty orderId":           {ipn(cred, map[string]any{"orderId": ""}), providers.ErrMalformed},
		"a form":                     {providers.Callback{Method: "POST", Body: []byte(good), Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}, providers.ErrMalformed},
		"a GET where an IPN belongs": {providers.Callback{Method: "GET", RawQuery: "a=b"}, providers.ErrWrongMethod},
		"a POST where a return does": {providers.Callback{Method: "POST", Body: []byte(good), Return: true}, providers.ErrWrongMethod},
		"a signature in capitals":    {post(upperSignature(good)), nil},
		"half a signature":           {post(strings.Replace(good, `"signature":"`, `"signature":"zz`, 1)), providers.ErrForged},
	}
	for _, field := range callbackFields() {
		all["without "+field] = struct {
			c    providers.Callback
			want error
		}{post(without(field)), providers.ErrMalformed}
	}
	for name, c := range all {
		_, err := p.Verify(context.Background(), c.c)
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func upperSignature(body string) string {
	i := strings.Index(body, `"signature":"`) + len(`"signature":"`)
	return body[:i] + strings.ToUpper(body[i:i+64]) + body[i+64:]
}

func TestAForeignRequestIDIsDoubtful(t *testing.T) {
	p := testProvider(t)
	ns, err := p.Verify(context.Background(), ipn(testAccount().Credentials[0], map[string]any{"requestId": "SOMEBODY"}))
	if err != nil || !ns[0].Doubt || ns[0].RequestID != "SOMEBODY" || ns[0].Reference != "FG202601150001" {
		t.Errorf("%+v %v", ns, err)
	}
}

func TestReturnParametersOnce(t *testing.T) {
	p := testProvider(t)
	for _, c := range vectors(t).Cases {
		if c.Kind != "redirect" {
			continue
		}
		var in struct {
			Query string `json:"raw_query"`
		}
		_ = json.Unmarshal(c.Input, &in)
		_, err := p.Verify(context.Background(), providers.Callback{Method: "GET", Return: true, RawQuery: in.Query + "&amount=125000"})
		if !errors.Is(err, providers.ErrMalformed) {
			t.Errorf("a parameter twice: %v", err)
		}
	}
}

// server plays MoMo with a function and gives the adapter on it.
func server(t *testing.T, h func(path string, request map[string]any) (int, string)) *provider {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		m := map[string]any{}
		_ = json.Unmarshal(b, &m)
		status, body := h(r.URL.Path, m)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return testProvider(t, func(a *providers.Account) { a.BaseURL = s.URL })
}

func TestEchoesAreHeld(t *testing.T) {
	for _, field := range []string{"partnerCode", "orderId", "requestId", "amount"} {
		for _, via := range []string{createPath, queryPath, refundPath} {
			if field == "amount" && via == queryPath {
				continue // another amount is what a query may tell
			}
			p := server(t, func(path string, request map[string]any) (int, string) {
				b, _ := json.Marshal(request)
				_, answer := sayAnswer(nil, path, b, providertest.Say{})
				m := map[string]any{}
				_ = json.Unmarshal(answer, &m)
				m[field] = "7"
				answer, _ = json.Marshal(m)
				return 200, string(answer)
			})
			var err error
			switch via {
			case createPath:
				_, err = p.Checkout(context.Background(), testPayment())
			case queryPath:
				_, err = p.Lookup(context.Background(), testPayment())
			case refundPath:
				_, err = p.Refund(context.Background(), testPayment(), testRefund())
			}
			if !errors.Is(err, providers.ErrUncertain) {
				t.Errorf("%s with another %s: %v", via, field, err)
			}
		}
	}
}

func TestARefundIsFoundByReferenceAndAmount(t *testing.T) {
	row := func(ref string, amount, code int) map[string]any {
		return map[string]any{"orderId": ref, "amount": amount, "resultCode": code, "transId": 4088900001, "createdTime": 1768534400123}
	}
	ours := testRefund().Reference
	for name, c := range map[string]struct {
		rows []map[string]any
		want providers.Outcome
	}{
		"ours":              {[]map[string]any{row("X", 125000, 0), row(ours, 125000, 0)}, providers.Succeeded},
		"another amount":    {[]map[string]any{row(ours, 125001, 0)}, providers.Uncertain},
		"another reference": {[]map[string]any{row("X", 125000, 0)}, providers.Uncertain},
		"none":              {nil, providers.Uncertain},
		"twice":             {[]map[string]any{row(ours, 125000, 0), row(ours, 125000, 1088)}, providers.Uncertain},
		"not eligible":      {[]map[string]any{row(ours, 125000, 1088)}, providers.Failed},
		"running":           {[]map[string]any{row(ours, 125000, 7002)}, providers.Pending},
	} {
		p := server(t, func(_ string, r map[string]any) (int, string) {
			b, _ := json.Marshal(map[string]any{"partnerCode": r["partnerCode"], "orderId": r["orderId"], "requestId": r["requestId"], "resultCode": 0, "refundTrans": c.rows})
			return 200, string(b)
		})
		n, err := p.LookupRefund(context.Background(), testPayment(), testRefund())
		if err != nil || n.Outcome != c.want {
			t.Errorf("%s: %+v %v, want %s", name, n, err, c.want)
		}
	}
}

func TestTheQueryOfARefundFallsBackToItsOwnRequestID(t *testing.T) {
	var ids []any
	p := server(t, func(path string, r map[string]any) (int, string) {
		ids = append(ids, r["requestId"])
		b, _ := json.Marshal(r)
		if r["requestId"] != testRefund().Reference {
			return 400, `{"resultCode":40}`
		}
		_, answer := sayAnswer(nil, path, b, providertest.Say{})
		return 200, string(answer)
	})
	n, err := p.LookupRefund(context.Background(), testPayment(), testRefund())
	if err != nil || n.Outcome != providers.Succeeded || len(ids) != 2 || ids[1] != testRefund().Reference {
		t.Errorf("%+v %v after %v", n, err, ids)
	}
}

func TestARefundThatCannotBeSent(t *testing.T) {
	p := testProvider(t)
	for name, change := range map[string]func(*providers.Payment, *providers.Refund){
		"no transaction":          func(p *providers.Payment, _ *providers.Refund) { p.Transaction = "" },
		"the payment's reference": func(p *providers.Payment, r *providers.Refund) { r.Reference = p.Reference },
		"999 đ":                   func(_ *providers.Payment, r *providers.Refund) { r.Amount = 999 },
		"50,000,001 đ":            func(_ *providers.Payment, r *providers.Refund) { r.Amount = 50_000_001 },
	} {
		pay, r := testPayment(), testRefund()
		change(&pay, &r)
		if _, err := p.Refund(context.Background(), pay, r); !errors.Is(err, providers.ErrNotSent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVectorsOfAnswers(t *testing.T) {
	p := testProvider(t)
	for _, c := range vectors(t).Cases {
		var err error
		a, readErr := readAnswer(c.Input)
		switch c.ID {
		case "create-response-ok":
			req, _ := p.createRequest(testPayment())
			var r providers.Redirect
			if r, err = readCreate(200, a, req); r.URL != "https://test-payment.momo.vn/v2/gateway/pay?t=TESTTOKEN" || r.QRPayload == "" || r.DeepLink == "" {
				t.Errorf("%s: %+v", c.ID, r)
			}
		case "query-response-paid", "query-response-pending", "query-response-amount-mismatch":
			req, _ := p.queryRequest("FG202601150001", "FG-Q-0001", "vi")
			n, e := readQuery(200, a, req)
			want := map[string]providers.Notice{
				"query-response-paid":            {Outcome: providers.Succeeded, Amount: 125000, Transaction: "4088878653"},
				"query-response-pending":         {Outcome: providers.Pending, Amount: 125000},
				"query-response-amount-mismatch": {Outcome: providers.Succeeded, Amount: 1250, Transaction: "4088878653"},
			}[c.ID]
			if err = e; n.Outcome != want.Outcome || n.Amount != want.Amount || n.Transaction != want.Transaction || n.PaidAt.UnixMilli() != 1768447990001 {
				t.Errorf("%s: %+v", c.ID, n)
			}
		case "refund-response-ok", "refund-response-7002":
			req := refundRequest{PartnerCode: "FEEGATEMOMO", OrderID: "FG202601150001-RF1", RequestID: "FG-RF-0001", Amount: 125000}
			want := providers.Succeeded
			if c.ID == "refund-response-7002" {
				req.OrderID, req.RequestID, req.Amount, want = "FG202601150001-RF2", "FG-RF-0002", 25000, providers.Pending
			}
			n, e := readRefund(200, a, req, false)
			if err = e; n.Outcome != want {
				t.Errorf("%s: %+v", c.ID, n)
			}
		default:
			continue
		}
		if err != nil || readErr != nil {
			t.Errorf("%s: %v %v", c.ID, err, readErr)
		}
	}
}

func TestReferences(t *testing.T) {
	for s, want := range map[string]bool{
		"FG202601150001": true, "FG-2026.01_15-3": true, "a": true, "": false, "-a": false, "a-": false, "a b": false, "ạ": false,
		strings.Repeat("a", 50): true, strings.Repeat("a", 51): false, "a@b": false, "[": false, "`a": false,
	} {
		if validID(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	p := testProvider(f)
	f.Add(ipn(testAccount().Credentials[0], nil).Body, "")
	for _, s := range []string{"", "{}", "null", `{"amount":1e9}`, `{"a":{"b":[]}}`, "{\"a\":\"\xff\"}"} {
		f.Add([]byte(s), s)
	}
	f.Add([]byte(nil), "amount=1&amount=2&signature=%zz")
	f.Fuzz(func(t *testing.T, body []byte, query string) {
		for _, c := range []providers.Callback{{Method: "POST", Body: body}, {Method: "GET", Return: true, RawQuery: query}} {
			ns, err := p.Verify(context.Background(), c)
			if err == nil && (len(ns) != 1 || !ns[0].Amount.Valid() || ns[0].Reference == "") {
				t.Fatalf("%+v", ns)
			}
			if err != nil && !errors.Is(err, providers.ErrForged) && !errors.Is(err, providers.ErrMalformed) {
				t.Fatal(err)
			}
		}
	})
}

func FuzzAnswers(f *testing.F) {
	p := testProvider(f)
	for _, c := range vectors(f).Cases {
		f.Add([]byte(c.Input))
	}
	pay := testPayment()
	create, _ := p.createRequest(pay)
	query, _ := p.queryRequest(pay.Reference, "FG-Q-0001", "vi")
	refund, _ := p.refundRequest(pay, testRefund())
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := readAnswer(b)
		if err != nil {
			return
		}
		if r, err := readCreate(200, a, create); err == nil && r.URL == "" {
			t.Fatalf("no address: %+v", r)
		}
		if n, err := readQuery(200, a, query); err == nil && n.Outcome == providers.Succeeded && (a.code != "0" || n.Amount == 0) {
			t.Fatalf("%+v", n)
		}
		if n, err := readRefund(200, a, refund, false); err == nil && n.Outcome == providers.Succeeded && a.code != "0" {
			t.Fatalf("%+v", n)
		}
		_, _ = readRefundQuery(200, a, query, testRefund())
	})
}

func FuzzSettlement(f *testing.F) {
	p := testProvider(f)
	f.Add([]byte(goodSettlement))
	f.Fuzz(func(t *testing.T, b []byte) {
		for l, err := range p.ParseSettlement(strings.NewReader(string(b))) {
			if err == nil && l.Type != providers.LineTotal && (l.Key == "" || l.Date == "" || !l.Amount.Valid()) {
				t.Fatalf("%+v", l)
			}
		}
	})
}
