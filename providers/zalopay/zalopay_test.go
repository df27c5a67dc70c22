package zalopay

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"feegate/providers"
	"feegate/providers/providertest"
)

func testProvider(t testing.TB, now time.Time, change ...func(*providers.Account)) *provider {
	a := testAccount()
	for _, c := range change {
		c(&a)
	}
	p, err := New(a, providers.Deps{Now: func() time.Time { return now }, HTTP: func(providers.Operation) *http.Client { return http.DefaultClient }})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*provider)
}

type vectorFile struct {
	Cases []struct {
		providertest.VectorCase
		Query string
	}
	Classify []struct {
		Op    string
		HTTP  int
		Body  json.RawMessage
		Class string
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
	p := testProvider(t, begun())
	want := map[string]providers.Notice{
		"callback-ok": {Reference: "PHX22222224J6", Outcome: providers.Succeeded, Code: "1", Amount: 1250000, Transaction: "260305000000124",
			PaidAt: time.UnixMilli(1772701265000).UTC(), Payer: &providers.Payer{Kind: "zalopay", Account: "FAKE-user-token", Masked: "…oken"}},
		"callback-spaces-and-string-zp-trans-id": {Reference: "PHX22222223A4", Outcome: providers.Succeeded, Code: "1", Amount: 50000, Transaction: "260305000000123",
			PaidAt: time.UnixMilli(1772701300000).UTC(), Payer: &providers.Payer{Kind: "zalopay", Account: "FAKE", Masked: "…"}},
		"redirect-checksum": {Reference: "PHX22222224J6", Outcome: providers.Pending, Code: "1", Amount: 1250000},
	}
	n := 0
	for _, c := range vectors(t).Cases {
		var cb providers.Callback
		switch c.Kind {
		case "callback":
			var in struct{ Body json.RawMessage }
			_ = json.Unmarshal(c.Input, &in)
			cb = providers.Callback{Method: "POST", Body: in.Body}
		case "redirect":
			cb = providers.Callback{Method: "GET", Return: true, RawQuery: c.Query}
		default:
			continue
		}
		n++
		ns, err := p.Verify(context.Background(), cb)
		if c.Expect.SignatureValid != nil && !*c.Expect.SignatureValid {
			if !errors.Is(err, providers.ErrForged) || ns != nil {
				t.Errorf("%s: %v %v", c.ID, ns, err)
			}
			continue
		}
		if err != nil || len(ns) != 1 || !reflect.DeepEqual(ns[0], want[c.ID]) {
			t.Errorf("%s: %+v %v", c.ID, ns, err)
		}
		if c.Expect.HTTPStatus != 0 {
			r := p.Answer(providers.Result{Verdict: providers.VerdictRecorded})
			var got, asked map[string]any
			_ = json.Unmarshal(r.Body, &got)
			_ = json.Unmarshal(c.Expect.Body, &asked)
			if r.Status != c.Expect.HTTPStatus || len(asked) == 0 || !reflect.DeepEqual(got, asked) {
				t.Errorf("%s: answered %d %s", c.ID, r.Status, r.Body)
			}
		}
	}
	if n != 5 {
		t.Errorf("%d vectors of incoming calls", n)
	}
}

// answering plays ZaloPay with one answer and gives the adapter on it.
func answering(t *testing.T, now time.Time, h func(path string, form url.Values) (int, string)) *provider {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		form, err := url.ParseQuery(string(b))
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("not a form: %s %s", r.Header, b)
		}
		status, body := h(r.URL.Path, form)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return testProvider(t, now, func(a *providers.Account) { a.BaseURL = s.URL })
}

// class is a result in the words of the vectors.
func class(outcome providers.Outcome, err error) string {
	switch {
	case errors.Is(err, providers.ErrConfig):
		return "config"
	case errors.Is(err, providers.ErrUncertain):
		return "uncertain"
	case err != nil:
		return "outside the classes: " + err.Error()
	}
	return string(outcome)
}

func TestVectorsOfAnswers(t *testing.T) {
	all := vectors(t).Classify
	if len(all) < 22 {
		t.Errorf("only %d answers", len(all))
	}
	for i, c := range all {
		p := answering(t, begun().Add(5*time.Minute), func(string, url.Values) (int, string) { return c.HTTP, string(c.Body) })
		ctx, got := context.Background(), ""
		switch c.Op {
		case "create":
			_, err := p.Checkout(ctx, testPayment())
			got = class(providers.Pending, err)
		case "query":
			n, err := p.Lookup(ctx, testPayment())
			got = class(n.Outcome, err)
		case "refund":
			n, err := p.Refund(ctx, testPayment(), testRefund())
			got = class(n.Outcome, err)
		case "query_refund":
			n, err := p.LookupRefund(ctx, testPayment(), testRefund())
			got = class(n.Outcome, err)
		default:
			t.Fatalf("operation %q", c.Op)
		}
		if got != c.Class {
			t.Errorf("answer %d, %s %d %s: %s, want %s", i, c.Op, c.HTTP, c.Body, got, c.Class)
		}
	}
}

func TestCreateAsItIsSent(t *testing.T) {
	p := testProvider(t, begun().Add(time.Second))
	pay := testPayment()
	pay.Method, pay.Description = providers.MethodQR, "Phí <1> & lệ\r\nphí"
	f, err := p.createForm(pay, p.deps.Now())
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"app_id": {"900001"}, "app_trans_id": {"260305_PHX22222223A4"}, "app_user": {"feegate"}, "app_time": {"1772701200000"}, "amount": {"50000"}, "item": {"[]"},
		"embed_data":  {`{"redirecturl":"https://portal.example/returns/zalopay/acc_test","preferred_payment_method":["vietqr"]}`},
		"description": {"Phí <1> & lệ phí"}, "bank_code": {""}, "callback_url": {"https://portal.example/callbacks/zalopay/acc_test"}, "expire_duration_seconds": {"900"},
		"mac": f["mac"],
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("%v\nwant %v", f, want)
	}
	if !verifiedBy(createText(f.Get), f.Get("mac"), testKey1) {
		t.Error("the mac is not of what is sent")
	}
}

func verifiedBy(text, signature, key string) bool { return sign(text, key) == signature }

func TestCreateByMethodAndTime(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*providers.Payment)
		now    time.Duration // after the payment began
		ways   string        // or "" = not sent
		expire string
		err    error
	}{
		"any":                      {func(*providers.Payment) {}, 0, `[]`, "900", nil},
		"wallet":                   {func(p *providers.Payment) { p.Method = providers.MethodWallet }, 0, `["zalopay_wallet"]`, "900", nil},
		"atm":                      {func(p *providers.Payment) { p.Method = providers.MethodATM }, 0, `["domestic_card","account"]`, "900", nil},
		"card":                     {func(p *providers.Payment) { p.Method = providers.MethodCard }, 0, `["international_card"]`, "900", nil},
		"a transfer":               {func(p *providers.Payment) { p.Method = providers.MethodTransfer }, 0, "", "", providers.ErrRefused},
		"an order of six minutes":  {func(p *providers.Payment) { p.ExpiresAt = p.CreatedAt.Add(6*time.Minute + 900*time.Millisecond) }, 0, `[]`, "360", nil},
		"an order of two minutes":  {func(p *providers.Payment) { p.ExpiresAt = p.CreatedAt.Add(2 * time.Minute) }, 0, `[]`, "300", nil},
		"an order of sixty days":   {func(p *providers.Payment) { p.ExpiresAt = p.CreatedAt.Add(60 * 24 * time.Hour) }, 0, `[]`, "2592000", nil},
		"an order that has ended":  {func(p *providers.Payment) { p.ExpiresAt = p.CreatedAt.Add(time.Minute) }, time.Minute, "", "", providers.ErrRefused},
		"sent ten minutes later":   {func(*providers.Payment) {}, 10 * time.Minute, `[]`, "900", nil},
		"sent a quarter later":     {func(p *providers.Payment) { p.ExpiresAt = p.CreatedAt.Add(time.Hour) }, 15 * time.Minute, "", "", providers.ErrNotSent},
		"before midnight, in time": {func(p *providers.Payment) { *p = at(*p, 23, 59, 50) }, 9 * time.Second, `[]`, "900", nil},
		"over midnight":            {func(p *providers.Payment) { *p = at(*p, 23, 59, 50) }, 11 * time.Second, "", "", providers.ErrNotSent},
		"no amount":                {func(p *providers.Payment) { p.Amount = 0 }, 0, "", "", providers.ErrRefused},
		"a reference of 34":        {func(p *providers.Payment) { p.Reference = strings.Repeat("A", 34) }, 0, "", "", providers.ErrRefused},
		"a reference with a sign":  {func(p *providers.Payment) { p.Reference = "A_1" }, 0, "", "", providers.ErrRefused},
	} {
		pay := testPayment()
		c.change(&pay)
		p := testProvider(t, pay.CreatedAt.Add(c.now))
		f, err := p.createForm(pay, p.deps.Now())
		if c.err != nil {
			if !errors.Is(err, c.err) {
				t.Errorf("%s: %v %v", name, f, err)
			}
			continue
		}
		if err != nil || !strings.HasSuffix(f.Get("embed_data"), `"preferred_payment_method":`+c.ways+`}`) || f.Get("expire_duration_seconds") != c.expire {
			t.Errorf("%s: %v %v", name, f, err)
		}
	}
	for name, change := range map[string]func(*providers.Account){
		"no callback address":     func(a *providers.Account) { a.CallbackURL = "" },
		"no return address":       func(a *providers.Account) { a.ReturnURL = "" },
		"an endless return":       func(a *providers.Account) { a.ReturnURL += strings.Repeat("x", maxEmbed) },
		"a return of other signs": func(a *providers.Account) { a.ReturnURL += strings.Repeat("ệ", maxEmbed/3) },
	} {
		if _, err := testProvider(t, begun(), change).createForm(testPayment(), begun()); !errors.Is(err, providers.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// at is a payment begun at an hour of Vietnam's clock.
func at(p providers.Payment, hour, minute, second int) providers.Payment {
	p.CreatedAt = time.Date(2026, 3, 5, hour, minute, second, 0, zone())
	p.ExpiresAt = p.CreatedAt.Add(15 * time.Minute)
	return p
}

func TestIdsAreOfVietnamsDay(t *testing.T) {
	pay := testPayment()
	pay.Reference, pay.CreatedAt = "PHX226BQ5243D", time.UnixMilli(1772731800000).UTC() // 17:30 of the day before in UTC
	if got := orderID(pay); got != "260306_PHX226BQ5243D" {
		t.Errorf("order %s", got)
	}
	p := testProvider(t, begun())
	if got := p.refundID(providers.Refund{Reference: "R1", CreatedAt: pay.CreatedAt}); got != "260306_900001_R1" {
		t.Errorf("refund %s", got)
	}
	for id, want := range map[string]string{
		"260306_PHX226BQ5243D": "PHX226BQ5243D", "260306_": "260306_", "PHX": "PHX", "26030x_A": "26030x_A", "2603061_A": "2603061_A", "260306_A_B": "260306_A_B",
	} {
		if got := referenceOf(id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	for id, want := range map[string]string{"260306_900001_R1": "R1", "260306_900002_R1": "260306_900002_R1", "R1": "R1", "260306_900001_": "260306_900001_"} {
		if got := refundReferenceOf("900001", id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

func TestWhatAnAnswerMeansDependsOnAge(t *testing.T) {
	pay := testPayment()
	short := pay
	short.ExpiresAt = short.CreatedAt.Add(time.Minute) // ZaloPay keeps it for five
	for _, c := range []struct {
		pay  providers.Payment
		sub  string
		at   time.Duration
		want providers.Outcome
	}{
		{pay, "-49", 15 * time.Minute, providers.Pending}, {pay, "-49", 15*time.Minute + time.Second, providers.Expired},
		{short, "-49", 2 * time.Minute, providers.Pending}, {short, "-49", 5*time.Minute + time.Second, providers.Expired},
		{pay, "-63", 14 * time.Minute, providers.Pending}, {pay, "-63", 16 * time.Minute, providers.Declined},
		{pay, "-101", 2 * time.Minute, providers.Uncertain}, {pay, "-101", 2*time.Minute + time.Second, providers.Failed},
		{pay, "-77777", 16 * time.Minute, providers.Uncertain}, {pay, "-77777", 30 * time.Minute, providers.Uncertain},
		{pay, "-77777", 30*time.Minute + time.Second, providers.Failed},
		{pay, "-54", time.Second, providers.Expired}, {pay, "-217", time.Second, providers.Declined},
	} {
		p := answering(t, c.pay.CreatedAt.Add(c.at), func(string, url.Values) (int, string) {
			return 200, `{"return_code":2,"sub_return_code":` + c.sub + `}`
		})
		n, err := p.Lookup(context.Background(), c.pay)
		if err != nil || n.Outcome != c.want || n.Code != c.sub {
			t.Errorf("%s after %v: %+v %v, want %s", c.sub, c.at, n, err, c.want)
		}
	}
	for _, c := range []struct {
		sub  string
		at   time.Duration
		want providers.Outcome
	}{
		{"-101", 5 * time.Minute, providers.Uncertain}, {"-101", 5*time.Minute + time.Second, providers.Failed},
		{"-21", time.Minute, providers.Uncertain}, {"-21", time.Hour, providers.Failed}, {"-77777", 1000 * time.Hour, providers.Uncertain},
	} {
		r := testRefund()
		p := answering(t, r.CreatedAt.Add(c.at), func(string, url.Values) (int, string) {
			return 200, `{"return_code":2,"sub_return_code":` + c.sub + `}`
		})
		if n, err := p.LookupRefund(context.Background(), pay, r); err != nil || n.Outcome != c.want {
			t.Errorf("refund %s after %v: %+v %v, want %s", c.sub, c.at, n, err, c.want)
		}
	}
}

func TestSuccessesThatProveNothing(t *testing.T) {
	for name, body := range map[string]string{
		"no transaction":     `{"return_code":1,"sub_return_code":1,"amount":50000}`,
		"transaction 0":      `{"return_code":1,"sub_return_code":1,"amount":50000,"zp_trans_id":0}`,
		"no amount":          `{"return_code":1,"sub_return_code":1,"zp_trans_id":1}`,
		"amount 0":           `{"return_code":1,"sub_return_code":1,"zp_trans_id":1,"amount":0}`,
		"half an amount":     `{"return_code":1,"sub_return_code":1,"zp_trans_id":1,"amount":0.5}`,
		"a nested amount":    `{"return_code":1,"sub_return_code":1,"zp_trans_id":1,"amount":[50000]}`,
		"a code of words":    `{"return_code":"ok","zp_trans_id":1,"amount":50000}`,
		"a code of fraction": `{"return_code":1.0,"zp_trans_id":1,"amount":50000}`,
		"a sub of words":     `{"return_code":1,"sub_return_code":"no","zp_trans_id":1,"amount":50000}`,
	} {
		p := answering(t, begun(), func(string, url.Values) (int, string) { return 200, body })
		if n, err := p.Lookup(context.Background(), testPayment()); !errors.Is(err, providers.ErrUncertain) {
			t.Errorf("%s: %+v %v", name, n, err)
		}
	}
	good := `{"return_code":1,"sub_return_code":1,"amount":50000,"zp_trans_id":"260305000000123","server_time":1772701265000,"order_url":"https://x.example/"}`
	p := answering(t, begun(), func(string, url.Values) (int, string) { return 202, good })
	if _, err := p.Lookup(context.Background(), testPayment()); !errors.Is(err, providers.ErrUncertain) {
		t.Errorf("under another status: %v", err)
	}
	if _, err := p.Checkout(context.Background(), testPayment()); !errors.Is(err, providers.ErrUncertain) {
		t.Errorf("a create under another status: %v", err)
	}
}

func TestRefundAsItIsSent(t *testing.T) {
	r := testRefund()
	var sent []url.Values
	p := answering(t, r.CreatedAt.Add(time.Minute), func(_ string, f url.Values) (int, string) {
		sent = append(sent, f)
		return 200, `{"return_code":1,"sub_return_code":1,"refund_id":260305000000900}`
	})
	n, err := p.Refund(context.Background(), testPayment(), r)
	if err != nil || n.Outcome != providers.Pending || n.Transaction != "260305000000900" {
		t.Errorf("%+v %v", n, err)
	}
	r.SentBefore = true
	if _, err := p.Refund(context.Background(), testPayment(), r); err != nil || sent[0].Encode() != sent[1].Encode() {
		t.Errorf("again: %v\n%v %v", sent, err, r)
	}
	f := sent[0]
	if f.Get("m_refund_id") != "260305_900001_RF0000000001" || f.Get("zp_trans_id") != "260305000000123" || f.Get("amount") != "20000" ||
		f.Has("refund_fee_amount") || !verifiedBy(refundText(f.Get), f.Get("mac"), testKey1) {
		t.Errorf("%v", f)
	}
}

func TestARefundThatCannotBeSent(t *testing.T) {
	r := testRefund()
	for name, c := range map[string]struct {
		change func(*providers.Payment, *providers.Refund)
		now    time.Time
	}{
		"no transaction":           {func(p *providers.Payment, _ *providers.Refund) { p.Transaction = "" }, r.CreatedAt},
		"a transaction of letters": {func(p *providers.Payment, _ *providers.Refund) { p.Transaction = "A1" }, r.CreatedAt},
		"a transaction of sixteen": {func(p *providers.Payment, _ *providers.Refund) { p.Transaction = strings.Repeat("1", 16) }, r.CreatedAt},
		"the payment's reference":  {func(p *providers.Payment, r *providers.Refund) { r.Reference = p.Reference }, r.CreatedAt},
		"a reference of 32":        {func(_ *providers.Payment, r *providers.Refund) { r.Reference = strings.Repeat("A", 32) }, r.CreatedAt},
		"no amount":                {func(_ *providers.Payment, r *providers.Refund) { r.Amount = 0 }, r.CreatedAt},
		"of another day":           {func(*providers.Payment, *providers.Refund) {}, r.CreatedAt.Add(24 * time.Hour)},
	} {
		pay, r := testPayment(), testRefund()
		c.change(&pay, &r)
		if _, err := testProvider(t, c.now).Refund(context.Background(), pay, r); !errors.Is(err, providers.ErrNotSent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCancelIsOffUntilItsAddressIsGiven(t *testing.T) {
	asked := 0
	body := `{"return_code":1,"sub_return_code":1}`
	on := answering(t, begun(), func(path string, f url.Values) (int, string) {
		asked++
		if path != "/v2/cancel" || f.Get("app_trans_id") != "260305_PHX22222223A4" || !verifiedBy(orderText(f.Get, testKey1), f.Get("mac"), testKey1) {
			t.Errorf("%s %v", path, f)
		}
		return 200, body
	})
	err := on.Cancel(context.Background(), testPayment())
	if asked != 0 || !errors.Is(err, providers.ErrNotSent) || !strings.Contains(err.Error(), "cancelling is off") {
		t.Errorf("without an address: %v, asked %d times", err, asked)
	}
	on.account.URLs = map[string]string{PurposeCancel: on.account.BaseURL + "/v2/cancel"}
	if err := on.Cancel(context.Background(), testPayment()); err != nil {
		t.Errorf("confirmed: %v", err)
	}
	for _, body = range []string{`{"return_code":2,"sub_return_code":-101}`, `{"return_code":2,"sub_return_code":-402}`, `{"return_code":3}`, `{}`, `<html>`} {
		if err := on.Cancel(context.Background(), testPayment()); !errors.Is(err, providers.ErrUncertain) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestTheAnswerToARepeatedCallbackIsASetting(t *testing.T) {
	for setting, want := range map[string]string{"": `"return_code":2,`, "2": `"return_code":2,`, "1": `"return_code":1,`, "3": ""} {
		a := testAccount()
		a.Settings = map[string]string{SettingDuplicate: setting}
		p, err := New(a, providers.Deps{})
		if want == "" {
			if !errors.Is(err, providers.ErrConfig) {
				t.Errorf("%q: %v", setting, err)
			}
			continue
		}
		if err != nil || !strings.Contains(string(p.Answer(providers.Result{Verdict: providers.VerdictDuplicate}).Body), want) {
			t.Errorf("%q: %v", setting, err)
		}
	}
}

func TestAnswersToCallbacks(t *testing.T) {
	p := testProvider(t, begun())
	for verdict, want := range map[providers.Verdict]string{
		providers.VerdictRecorded: "200 1", providers.VerdictAmountMismatch: "200 1", providers.VerdictUnknownPayment: "200 1", providers.VerdictNothing: "200 1",
		providers.VerdictDuplicate: "200 2", providers.VerdictFailed: "200 0", providers.VerdictForged: "200 -1", providers.VerdictMalformed: "200 -1",
		providers.VerdictWrongMethod: "405 -1",
	} {
		r := p.Answer(providers.Result{Verdict: verdict})
		var a struct {
			Code    json.Number `json:"return_code"`
			Message string      `json:"return_message"`
		}
		if err := json.Unmarshal(r.Body, &a); err != nil || strings.Join([]string{http.StatusText(r.Status), string(a.Code)}, " ") != strings.Replace(strings.Replace(want, "200", "OK", 1), "405", "Method Not Allowed", 1) || a.Message == "" {
			t.Errorf("%s: %d %s, want %s", verdict, r.Status, r.Body, want)
		}
	}
}
