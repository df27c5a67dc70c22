package vnpay

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

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

func cases(t testing.TB) []providertest.VectorCase {
	var f struct{ Cases []providertest.VectorCase }
	if err := json.Unmarshal(file(t, "vectors.json"), &f); err != nil {
		t.Fatal(err)
	}
	return f.Cases
}

func TestVectorsOfIncomingCalls(t *testing.T) {
	p := testProvider(t)
	verdict := map[string]providers.Verdict{
		"00": providers.VerdictRecorded, "01": providers.VerdictUnknownPayment, "02": providers.VerdictDuplicate,
		"04": providers.VerdictAmountMismatch, "97": providers.VerdictForged,
	}
	outcome := map[string]providers.Outcome{
		"ipn-cancelled-by-customer": providers.Failed, "ipn-rc00-but-status01": providers.Pending, "ipn-suspicious-07": providers.Uncertain,
	}
	n := 0
	for _, c := range cases(t) {
		if c.Kind != "ipn" && c.Kind != "return_url" {
			continue
		}
		var in map[string]any
		_ = json.Unmarshal(c.Input, &in)
		for _, field := range []string{"raw_query", "raw_query_dropped_hash", "raw_query_kept_hash"} {
			raw, ok := in[field].(string)
			if !ok {
				continue
			}
			n++
			ns, err := p.Verify(context.Background(), providers.Callback{Method: "GET", RawQuery: raw, Return: c.Kind == "return_url"})
			valid := c.Expect.SignatureValid == nil || *c.Expect.SignatureValid
			if valid != (err == nil) || (!valid && !errors.Is(err, providers.ErrForged)) {
				t.Errorf("%s: %v", c.ID, err)
				continue
			}
			if valid {
				want := providers.Succeeded
				if o, ok := outcome[c.ID]; ok {
					want = o
				}
				if ns[0].Outcome != want || ns[0].Doubt {
					t.Errorf("%s: %+v, want %s", c.ID, ns[0], want)
				}
			}
		}
		var body struct{ RspCode string }
		if json.Unmarshal(c.Expect.Body, &body) == nil && body.RspCode != "" {
			r := p.Answer(providers.Result{Verdict: verdict[body.RspCode]})
			if !sameJSON(r.Body, c.Expect.Body) || r.Status != c.Expect.HTTPStatus {
				t.Errorf("%s: answered %d %s", c.ID, r.Status, r.Body)
			}
		}
	}
	if n < 18 {
		t.Errorf("only %d vectors of incoming calls", n)
	}
}

func sameJSON(a, b []byte) bool {
	var x, y map[string]any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil || len(x) != len(y) {
		return false
	}
	for k := range x {
		if x[k] != y[k] {
			return false
		}
	}
	return true
}

func TestVectorsOfAddresses(t *testing.T) {
	for _, c := range cases(t) {
		if c.Kind != "checkout_url" {
			continue
		}
		var full struct {
			Input struct {
				Amount int64 `json:"amount_vnd"`
				Params map[string]string
			}
			Alt map[string]string
		}
		_ = json.Unmarshal(c.Input, &full.Input)
		q := full.Input.Params
		p := testProvider(t, func(a *providers.Account) { a.ReturnURL = q["vnp_ReturnUrl"] })
		pay := testPayment()
		pay.Reference, pay.PayerIP, pay.Description = q["vnp_TxnRef"], q["vnp_IpAddr"], q["vnp_OrderInfo"]
		pay.Amount, _ = readAmount(q["vnp_Amount"])
		pay.Locale = map[string]string{"vn": "vi", "en": "en"}[q["vnp_Locale"]]
		pay.Method = map[string]providers.Method{"VNPAYQR": providers.MethodQR, "INTCARD": providers.MethodCard}[q["vnp_BankCode"]]
		got, err := p.payParams(pay)
		if err != nil {
			t.Errorf("%s: %v", c.ID, err)
			continue
		}
		for name, want := range q {
			switch {
			case name == "vnp_OrderType": // ours is always "other"
			case name == "vnp_OrderInfo" && c.ID == "create-encoder-torture":
				if got[name] != "Ho so 5: 100 phi le phi thue da 2 on 50k" {
					t.Errorf("%s: OrderInfo %q", c.ID, got[name])
				}
			case got[name] != want:
				t.Errorf("%s: %s is %q, want %q", c.ID, name, got[name], want)
			}
		}
	}
}

func TestTheBasicVectorIsOurWholeAddress(t *testing.T) {
	p := testProvider(t)
	pay := testPayment()
	r, err := p.Checkout(context.Background(), pay)
	var want struct{ Query string }
	var raw struct{ Cases []json.RawMessage }
	_ = json.Unmarshal(file(t, "vectors.json"), &raw)
	_ = json.Unmarshal(raw.Cases[0], &want)
	if err != nil || r.URL != "https://sandbox.vnpayment.vn/paymentv2/vpcpay.html?"+want.Query {
		t.Errorf("%s\n%v", r.URL, err)
	}
	p = testProvider(t, func(a *providers.Account) { a.URLs = map[string]string{"pay": "https://pay.example/vpcpay.html"} })
	if r, _ := p.Checkout(context.Background(), pay); !strings.HasPrefix(r.URL, "https://pay.example/vpcpay.html?vnp_Amount=") {
		t.Errorf("with an override: %s", r.URL)
	}
}

func TestCheckoutRefusesWhatTheWireCannotCarry(t *testing.T) {
	ok := func(*providers.Account, *providers.Payment) {}
	for name, c := range map[string]struct {
		change func(*providers.Account, *providers.Payment)
		want   error
	}{
		"fine":                          {ok, nil},
		"an IPv6 with port":             {func(_ *providers.Account, p *providers.Payment) { p.PayerIP = "[2001:db8::1]:443" }, nil},
		"no payer address":              {func(_ *providers.Account, p *providers.Payment) { p.PayerIP = "" }, nil},
		"no address at all":             {func(a *providers.Account, p *providers.Payment) { p.PayerIP, a.ServerIP = "unknown", "" }, providers.ErrConfig},
		"amount 0":                      {func(_ *providers.Account, p *providers.Payment) { p.Amount = 0 }, providers.ErrRefused},
		"amount of eleven digits":       {func(_ *providers.Account, p *providers.Payment) { p.Amount = 10_000_000_000 }, providers.ErrRefused},
		"reference with a sign":         {func(_ *providers.Account, p *providers.Payment) { p.Reference = "A-1" }, providers.ErrRefused},
		"reference of 41":               {func(_ *providers.Account, p *providers.Payment) { p.Reference = strings.Repeat("A", 41) }, providers.ErrRefused},
		"a method of others":            {func(_ *providers.Account, p *providers.Payment) { p.Method = providers.MethodWallet }, providers.ErrRefused},
		"a return address with a tilde": {func(a *providers.Account, _ *providers.Payment) { a.ReturnURL = "https://x.example/~me" }, providers.ErrConfig},
		"no return address":             {func(a *providers.Account, _ *providers.Payment) { a.ReturnURL = "" }, providers.ErrConfig},
	} {
		t.Run(name, func(t *testing.T) {
			pay := testPayment()
			p := testProvider(t, func(a *providers.Account) { c.change(a, &pay) })
			if _, err := p.Checkout(context.Background(), pay); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestNewRefusesAHalfAccount(t *testing.T) {
	for name, change := range map[string]func(*providers.Account){
		"no secret":                   func(a *providers.Account) { a.Credentials = nil },
		"an empty secret":             func(a *providers.Account) { a.Credentials[0]["hash_secret"] = "" },
		"credentials of another code": func(a *providers.Account) { a.Terminal = "FEEGATE9" },
	} {
		a := testAccount()
		change(&a)
		if _, err := New(a, providers.Deps{}); !errors.Is(err, providers.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSanitise(t *testing.T) {
	for in, want := range map[string]string{
		"Đóng phí đường bộ":      "Dong phi duong bo",
		"  nhiều   khoảng  ":     "nhieu khoang",
		"H\u00f4\u0300 so\u031b": "Ho so",
		"a&b=c#d/e\nf":           "abcdef",
		"漢字 🎉":                   "",
		strings.Repeat("ă", 300): strings.Repeat("a", 255),
		"\xff\xfeabc":            "abc",
	} {
		if got := sanitise(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestQueriesThatTwoReadersWouldReadDifferently(t *testing.T) {
	p := testProvider(t)
	good := ipn("SECRETKEYFORTESTVECTORS000000001", nil).RawQuery
	for name, c := range map[string]struct {
		raw  string
		want error
	}{
		"foreign fields are let be":       {"utm_source=x&utm_source=y&" + good + "&fbclid=%zz", nil},
		"another order":                   {good[strings.LastIndex(good, "&")+1:] + "&" + good[:strings.LastIndex(good, "&")], nil},
		"a field twice":                   {good + "&vnp_Amount=1", providers.ErrMalformed},
		"a field twice, the same":         {good + "&vnp_TxnRef=FG202601150001", providers.ErrMalformed},
		"a hidden name":                   {good + "&vnp%5FAmount=1", providers.ErrMalformed},
		"a hidden name before":            {"%76np_Amount=100&" + good, providers.ErrMalformed},
		"a hidden name of its own":        {good + "&vnp%5FExtra=1", providers.ErrMalformed},
		"hash type twice":                 {good + "&vnp_SecureHashType=a&vnp_SecureHashType=b", providers.ErrMalformed},
		"bad percent sign":                {good + "&vnp_X=%zz", providers.ErrMalformed},
		"a field more":                    {good + "&vnp_Extra=1", providers.ErrForged},
		"no hash":                         {good[:strings.LastIndex(good, "&")], providers.ErrForged},
		"an empty hash":                   {good[:strings.LastIndex(good, "&")] + "&vnp_SecureHash=", providers.ErrForged},
		"half a hash":                     {good[:len(good)-64], providers.ErrForged},
		"only foreign fields":             {"a=b", providers.ErrMalformed},
		"nothing":                         {"", providers.ErrMalformed},
		"too long":                        {good + "&x=" + strings.Repeat("y", maxQuery), providers.ErrMalformed},
		"semicolons are no separators":    {strings.ReplaceAll(good, "&", ";"), providers.ErrForged},
		"an empty field beside, as in §3": {good + "&vnp_Bill_City=", nil},
	} {
		_, err := p.Verify(context.Background(), providers.Callback{Method: "GET", RawQuery: c.raw})
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestSignedFieldsThatCannotBeRead(t *testing.T) {
	p := testProvider(t)
	for name, over := range map[string]map[string]string{
		"part of a đồng":  {"vnp_Amount": "12500050"},
		"a point":         {"vnp_Amount": "125000.00"},
		"minus":           {"vnp_Amount": "-12500000"},
		"thirteen digits": {"vnp_Amount": "1250000000000"},
		"no amount":       {"vnp_Amount": ""},
		"no reference":    {"vnp_TxnRef": ""},
		"no code":         {"vnp_ResponseCode": ""},
		"no status":       {"vnp_TransactionStatus": ""},
		"a long code":     {"vnp_ResponseCode": "000"},
		"a long info":     {"vnp_OrderInfo": strings.Repeat("x", 256)},
	} {
		c := ipn("SECRETKEYFORTESTVECTORS000000001", over)
		if ns, err := p.Verify(context.Background(), c); !errors.Is(err, providers.ErrMalformed) {
			t.Errorf("%s: %v %v", name, ns, err)
		}
	}
}

func TestANoticeSaysWhatTheCallSaid(t *testing.T) {
	p := testProvider(t)
	ns, err := p.Verify(context.Background(), ipn("SECRETKEYFORTESTVECTORS000000001", nil))
	want := providers.Notice{Reference: "FG202601150001", Outcome: providers.Succeeded, Code: "00", Amount: 125000, Transaction: "14226112"}
	if err != nil || !ns[0].PaidAt.Equal(time.Date(2026, 1, 15, 3, 31, 12, 0, time.UTC)) {
		t.Fatalf("%+v %v", ns, err)
	}
	ns[0].PaidAt = time.Time{}
	if !reflect.DeepEqual(ns[0], want) {
		t.Errorf("%+v", ns[0])
	}
	ns, _ = p.Verify(context.Background(), ipn("SECRETKEYFORTESTVECTORS000000001", map[string]string{"vnp_TransactionNo": "0", "vnp_ResponseCode": "24", "vnp_TransactionStatus": "02"}))
	if ns[0].Transaction != "" || ns[0].Code != "24" || ns[0].Reason != providers.ReasonPayerCancelled {
		t.Errorf("%+v", ns[0])
	}
}

func TestVectorsOfQueryAnswers(t *testing.T) {
	p := testProvider(t)
	want := map[string]string{
		"querydr-response-paid": "succeeded", "querydr-response-promo": "succeeded", "querydr-response-pending": "pending",
		"querydr-response-refund-txn-05": "error", "querydr-response-tampered": "error", "querydr-response-not-found-signed": "not_found",
	}
	for _, c := range cases(t) {
		if c.Kind != "query_response" {
			continue
		}
		n, err := p.queryAnswer(testPayment(), 200, c.Input)
		got := string(n.Outcome)
		if err != nil {
			got = "error"
			if !errors.Is(err, providers.ErrUncertain) {
				t.Errorf("%s: %v", c.ID, err)
			}
		}
		if got != want[c.ID] {
			t.Errorf("%s: %s %v, want %s", c.ID, got, err, want[c.ID])
		}
	}
}

func TestQueryAnswersThatProveNothing(t *testing.T) {
	p := testProvider(t)
	request, _ := p.queryBody(testPayment(), "", "R1", time.Now())
	cred := testAccount().Credentials[0]
	_, good := sayAnswer(cred, queryPath, request, providertest.Say{})
	resign := func(over map[string]any) []byte {
		m := map[string]any{}
		_ = json.Unmarshal(good, &m)
		for k, v := range over {
			m[k] = v
		}
		b, _ := json.Marshal(m)
		o, _ := providers.ParseObject(b, maxAnswer)
		m["vnp_SecureHash"] = sign(ordered(queryResponseOrder(), func(n string) string { s, _ := o.Text(n); return s }), []byte(cred["hash_secret"]))
		b, _ = json.Marshal(m)
		return b
	}
	for name, c := range map[string]struct {
		body []byte
		want error
	}{
		"the right answer":      {good, nil},
		"numbers as numbers":    {resign(map[string]any{"vnp_Amount": 12500000, "vnp_TransactionNo": 14226112, "vnp_PayDate": 20260115103112}), nil},
		"null promotion":        {resign(map[string]any{"vnp_PromotionCode": nil}), nil},
		"another reference":     {resign(map[string]any{"vnp_TxnRef": "FG202601150002"}), providers.ErrUncertain},
		"another terminal":      {resign(map[string]any{"vnp_TmnCode": "FEEGATE2"}), providers.ErrUncertain},
		"a refund's row":        {resign(map[string]any{"vnp_TransactionType": "03"}), providers.ErrUncertain},
		"another command":       {resign(map[string]any{"vnp_Command": "refund"}), providers.ErrUncertain},
		"amount of nothing":     {resign(map[string]any{"vnp_Amount": "0"}), providers.ErrUncertain},
		"part of a đồng":        {resign(map[string]any{"vnp_Amount": "12500001"}), providers.ErrUncertain},
		"a success unsigned":    {[]byte(strings.Replace(string(good), "vnp_SecureHash", "vnp_X", 1)), providers.ErrUncertain},
		"91 for another":        {[]byte(`{"vnp_ResponseCode":"91","vnp_TxnRef":"OTHER"}`), providers.ErrUncertain},
		"a field that nests":    {[]byte(`{"vnp_ResponseCode":["00"]}`), providers.ErrMalformed},
		"changed after signing": {[]byte(strings.Replace(string(good), "12500000", "12500100", 1)), providers.ErrUncertain},
	} {
		_, err := p.queryAnswer(testPayment(), 200, c.body)
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := p.queryAnswer(testPayment(), 400, good); !errors.Is(err, providers.ErrUncertain) {
		t.Errorf("a success under status 400: %v", err)
	}
}

func TestLookupSendsTheSignedQuery(t *testing.T) {
	p := testProvider(t)
	at := time.Date(2026, 1, 15, 17, 30, 0, 0, time.UTC) // past midnight in Vietnam
	b, err := p.queryBody(testPayment(), "14226112", "q1", at)
	var r queryRequest
	if err != nil || json.Unmarshal(b, &r) != nil {
		t.Fatal(err)
	}
	if r.TransactionDate != "20260115103000" || r.CreateDate != "20260116003000" || r.IPAddr != "203.0.113.10" || len(r.RequestID) > 32 || r.TransactionNo != "14226112" {
		t.Errorf("%+v", r)
	}
	if !verify(r.canonical(), r.SecureHash, p.secrets) {
		t.Error("the signature does not verify")
	}
}

func FuzzVerify(f *testing.F) {
	p := testProvider(f)
	f.Add(ipn("SECRETKEYFORTESTVECTORS000000001", nil).RawQuery)
	for _, s := range []string{"", "vnp_", "&&==", "vnp_Amount=%", "vnp_SecureHash=00&vnp_A=%F0%28", "vnp_TxnRef=a;vnp_TxnRef=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		ns, err := p.Verify(context.Background(), providers.Callback{Method: "GET", RawQuery: raw})
		if err == nil {
			// Whatever was accepted must read the same through the standard parser, vnp_ names only.
			q, _ := url.ParseQuery(raw)
			if len(ns) != 1 || q.Get("vnp_TxnRef") != ns[0].Reference {
				t.Fatalf("%q: %+v", raw, ns)
			}
		} else if !errors.Is(err, providers.ErrForged) && !errors.Is(err, providers.ErrMalformed) {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}

func FuzzQueryAnswer(f *testing.F) {
	p := testProvider(f)
	_, good := sayAnswer(testAccount().Credentials[0], queryPath, []byte(`{"vnp_TmnCode":"FEEGATE1","vnp_TxnRef":"FG202601150001"}`), providertest.Say{})
	for _, s := range []string{string(good), "{}", "[]", "null", `{"vnp_ResponseCode":"91"}`, `{"vnp_ResponseCode":00}`, `{"a":{"b":[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := p.queryAnswer(testPayment(), 200, b)
		if err == nil && n.Outcome != providers.NotFound && string(b) != string(good) {
			o, _ := providers.ParseObject(b, maxAnswer)
			if s, _ := o.Text("vnp_SecureHash"); len(s) != 128 {
				t.Fatalf("an unsigned answer moved money: %s %+v", b, n)
			}
		}
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
