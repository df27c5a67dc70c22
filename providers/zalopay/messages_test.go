package zalopay

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"feegate/providers"
)

func TestCallbacksThatAreRefused(t *testing.T) {
	p := testProvider(t, begun())
	cred := testAccount().Credentials[0]
	good := string(signedCall(cred, nil).Body)
	post := func(body string) providers.Callback {
		return providers.Callback{Method: http.MethodPost, Body: []byte(body)}
	}
	over := func(name string, v any) providers.Callback { return signedCall(cred, map[string]any{name: v}) }
	rightly := func(text string) providers.Callback { return call(text, sign(text, testKey2)) }
	for name, c := range map[string]struct {
		c    providers.Callback
		want error
	}{
		"fine":                           {post(good), nil},
		"fine, with blanks":              {post(" " + good + "\n"), nil},
		"without a type":                 {post(strings.Replace(good, `,"type":1`, "", 1)), nil},
		"a transaction as text":          {over("zp_trans_id", "260305000000123"), nil},
		"no transaction":                 {over("zp_trans_id", 0), nil},
		"a field that nobody knows":      {over("promotion", "x"), nil},
		"a channel that nobody knows":    {over("channel", 99), nil},
		"of another order":               {over("app_trans_id", "XYZ"), nil},
		"data as an object":              {post(strings.Replace(good, `"data":"`, `"data":{"a":"`, 1)), providers.ErrMalformed},
		"data as a number":               {post(`{"data":1,"mac":"` + sign("1", testKey2) + `","type":1}`), providers.ErrMalformed},
		"no data":                        {post(`{"mac":"` + sign("", testKey2) + `","type":1}`), providers.ErrMalformed},
		"no mac":                         {post(`{"data":"{}","type":1}`), providers.ErrForged},
		"half a mac":                     {post(strings.Replace(good, `"mac":"`, `"mac":"zz`, 1)), providers.ErrForged},
		"signed with the request's key":  {call(data(nil), sign(data(nil), testKey1)), providers.ErrForged},
		"written anew after signing":     {call(strings.Replace(data(nil), ":", ": ", 1), sign(data(nil), testKey2)), providers.ErrForged},
		"a name twice in data":           {rightly(strings.Replace(data(nil), "{", `{"amount":1,`, 1)), providers.ErrMalformed},
		"a name twice around it":         {post(strings.Replace(good, "{", `{"type":1,`, 1)), providers.ErrMalformed},
		"data that is no object":         {rightly("[]"), providers.ErrMalformed},
		"data of nothing":                {rightly("{}"), providers.ErrForged}, // of no app is not of ours
		"another app":                    {over("app_id", 900002), providers.ErrForged},
		"no order":                       {over("app_trans_id", ""), providers.ErrMalformed},
		"an order of 41":                 {over("app_trans_id", strings.Repeat("1", 41)), providers.ErrMalformed},
		"a transaction of 65":            {over("zp_trans_id", strings.Repeat("1", 65)), providers.ErrMalformed},
		"amount 0":                       {over("amount", 0), providers.ErrMalformed},
		"a negative amount":              {over("amount", -50000), providers.ErrMalformed},
		"part of a đồng":                 {over("amount", 50000.5), providers.ErrMalformed},
		"an amount in exponents":         {rightly(strings.Replace(data(nil), `"amount":50000`, `"amount":5e4`, 1)), providers.ErrMalformed},
		"a nested amount":                {over("amount", []int{50000}), providers.ErrMalformed},
		"more than 64 KiB":               {post(strings.Replace(good, "{", `{"x":"`+strings.Repeat("x", 64<<10)+`",`, 1)), providers.ErrMalformed},
		"not UTF-8":                      {post(strings.Replace(good, "feegate", "fee\xffgate", 1)), providers.ErrMalformed},
		"a form":                         {providers.Callback{Method: http.MethodPost, Body: []byte(good), Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}, providers.ErrMalformed},
		"a GET where a call belongs":     {providers.Callback{Method: http.MethodGet, RawQuery: "a=b"}, providers.ErrWrongMethod},
		"a POST where a return does":     {providers.Callback{Method: http.MethodPost, Body: []byte(good), Return: true}, providers.ErrWrongMethod},
		"a return":                       {signedReturn(cred, nil), nil},
		"a return, its field twice":      {providers.Callback{Method: http.MethodGet, Return: true, RawQuery: signedReturn(cred, nil).RawQuery + "&amount=1"}, providers.ErrMalformed},
		"a return without a bank's name": {providers.Callback{Method: http.MethodGet, Return: true, RawQuery: strings.Replace(signedReturn(cred, nil).RawQuery, "bankcode=&", "", 1)}, providers.ErrMalformed},
		"a return of another amount":     {providers.Callback{Method: http.MethodGet, Return: true, RawQuery: strings.Replace(signedReturn(cred, nil).RawQuery, "amount=5", "amount=6", 1)}, providers.ErrForged},
		"a return of another app":        {signedReturn(cred, map[string]string{"appid": "900002"}), providers.ErrForged},
		"a return of no order":           {signedReturn(cred, map[string]string{"apptransid": ""}), providers.ErrMalformed},
		"a return with a status of text": {signedReturn(cred, map[string]string{"status": "paid"}), providers.ErrMalformed},
		"a return with the other key":    {signedReturn(map[string]string{"key2": testKey1}, nil), providers.ErrForged},
	} {
		ns, err := p.Verify(context.Background(), c.c)
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) || (err == nil) != (len(ns) == 1) {
			t.Errorf("%s: %+v %v, want %v", name, ns, err, c.want)
		}
	}
}

func TestACallAboutAnAgreementTellsOfNoMoney(t *testing.T) {
	c := signedCall(testAccount().Credentials[0], nil)
	c.Body = []byte(strings.Replace(string(c.Body), `"type":1`, `"type":2`, 1))
	if ns, err := testProvider(t, begun()).Verify(context.Background(), c); err != nil || len(ns) != 0 {
		t.Errorf("%+v %v", ns, err)
	}
}

// A discount is ZaloPay's own: what the payer owes us is paid in full.
func TestADiscountTakesNothingOff(t *testing.T) {
	ns, err := testProvider(t, begun()).Verify(context.Background(), signedCall(testAccount().Credentials[0], map[string]any{"discount_amount": 5000}))
	if err != nil || ns[0].Amount != 50000 {
		t.Errorf("%+v %v", ns, err)
	}
}

func TestNewRefusesAHalfAccount(t *testing.T) {
	for name, change := range map[string]func(*providers.Account){
		"no secret":           func(a *providers.Account) { a.Credentials = nil },
		"no key for calls":    func(a *providers.Account) { a.Credentials[0]["key2"] = "" },
		"keys of another app": func(a *providers.Account) { a.Terminal = "900009" },
		"an app of letters":   func(a *providers.Account) { a.Terminal, a.Credentials[0]["app_id"] = "APP", "APP" },
		"an app of ten digits": func(a *providers.Account) {
			a.Terminal, a.Credentials[0]["app_id"] = "1234567890", "1234567890"
		},
	} {
		a := testAccount()
		change(&a)
		if _, err := New(a, providers.Deps{}); !errors.Is(err, providers.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheTablesSayNothingTwice(t *testing.T) {
	for name, codes := range map[string][]string{"payments": sorted(payments()), "creations": sorted(creations()), "refunds": sorted(refunds()), "states": sorted(refundStates())} {
		for _, c := range codes {
			if !integer(c) {
				t.Errorf("%s: %q is no code", name, c)
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	p := testProvider(f, begun())
	f.Add(signedCall(testAccount().Credentials[0], nil).Body, signedReturn(testAccount().Credentials[0], nil).RawQuery)
	for _, s := range []string{"", "{}", "null", `{"data":"{}","mac":"00"}`, `{"data":{"b":[]}}`, "{\"data\":\"\xff\"}", "appid=1&appid=2", "checksum=%zz"} {
		f.Add([]byte(s), s)
	}
	f.Fuzz(func(t *testing.T, body []byte, query string) {
		for _, c := range []providers.Callback{{Method: "POST", Body: body}, {Method: "GET", Return: true, RawQuery: query}} {
			ns, err := p.Verify(context.Background(), c)
			for _, n := range ns {
				if err != nil || n.Reference == "" || n.Amount <= 0 || c.Return && n.Outcome == providers.Succeeded {
					t.Fatalf("%+v %v", n, err)
				}
			}
			if err != nil && !errors.Is(err, providers.ErrForged) && !errors.Is(err, providers.ErrMalformed) {
				t.Fatal(err)
			}
		}
	})
}

// FuzzData lets what is signed be anything: the key does not make a message readable.
func FuzzData(f *testing.F) {
	p := testProvider(f, begun())
	for _, s := range []string{data(nil), "", "{}", `{"app_id":900001}`, `{"app_id":900001,"app_trans_id":"260305_A","amount":9223372036854775808}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ns, err := p.Verify(context.Background(), call(text, sign(text, testKey2)))
		if err == nil && (len(ns) != 1 || !ns[0].Amount.Valid() || ns[0].Amount <= 0 || ns[0].Reference == "") {
			t.Fatalf("%+v", ns)
		}
	})
}

func FuzzAnswers(f *testing.F) {
	for _, c := range vectors(f).Classify {
		f.Add([]byte(c.Body), int64(300))
	}
	f.Fuzz(func(t *testing.T, b []byte, seconds int64) {
		a, err := readAnswer(b)
		if err != nil {
			return
		}
		age := time.Duration(seconds%(1<<30)) * time.Second
		if r, err := readCreate(a); err == nil && (r.URL == "" || a.ret != "1") {
			t.Fatalf("%+v of %s", r, b)
		}
		if n, err := readQuery(a, testPayment(), begun().Add(age)); err == nil && n.Outcome == providers.Succeeded && (a.ret != "1" || n.Amount <= 0 || n.Transaction == "") {
			t.Fatalf("%+v of %s", n, b)
		}
		if n, err := readRefund(a, true); err == nil && (n.Outcome == providers.Succeeded || n.Outcome == providers.Failed) {
			t.Fatalf("a second sending is told %+v by %s", n, b)
		}
		if n, err := readRefundQuery(a, age); err == nil && n.Outcome == providers.Succeeded && a.ret != "1" {
			t.Fatalf("%+v of %s", n, b)
		}
	})
}

func FuzzSettlement(f *testing.F) {
	p := testProvider(f, begun())
	f.Add([]byte(goodSettlement))
	f.Fuzz(func(t *testing.T, b []byte) {
		for l, err := range p.ParseSettlement(strings.NewReader(string(b))) {
			if err == nil && l.Type != providers.LineTotal && (l.Key == "" || l.Date == "" || l.Reference == "" || !l.Amount.Valid()) {
				t.Fatalf("%+v", l)
			}
		}
	})
}
