package payos

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"feegate/providers"
	"feegate/providers/providertest"
	"feegate/providers/vietqr"
)

func build(t testing.TB, a providers.Account) *provider {
	t.Helper()
	p, err := providers.NewRegistry(Registration()).New(Name, a, providers.Deps{HTTP: func(providers.Operation) *http.Client { return http.DefaultClient }, Now: testNow})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*provider)
}

// at makes the adapter against a server that answers so.
func at(t *testing.T, h http.HandlerFunc) *provider {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	a := testAccount()
	a.BaseURL = server.URL
	return build(t, a)
}

func TestVectors(t *testing.T) {
	v := readVectors(t)
	for _, c := range v.Cases {
		if c.Op != "webhook" {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			ns, err := build(t, testAccount()).Verify(context.Background(), providers.Callback{Method: "POST", Body: c.Input})
			if c.Expect == "reject" {
				if !errors.Is(err, providers.ErrForged) || len(ns) != 0 {
					t.Errorf("%v %v", ns, err)
				}
				return
			}
			if err != nil || len(ns) != 1 {
				t.Fatalf("%v %v", ns, err)
			}
			n := ns[0]
			if n.Amount != 50000 && n.Amount != 49000 || !strings.HasPrefix(n.Transfer.ID, linkID+":FT2606400000") || n.Transaction != n.Transfer.Reference ||
				!n.PaidAt.Equal(time.Date(2026, 3, 5, 9, 21, 5, 0, time.UTC)) || n.Transfer.Account != "12345678" {
				t.Errorf("%+v %+v", n, n.Transfer)
			}
			// The number and the content of the published samples are of two payments: no program chooses.
			if n.Reference != "" || !n.Transfer.Ambiguous {
				t.Errorf("reference %q", n.Reference)
			}
			if payer := strings.Contains(c.ID, "unicode"); (n.Payer != nil) != payer || payer && n.Payer.Account != "0987654321" {
				t.Errorf("payer %+v", n.Payer)
			}
		})
	}
}

// payOS takes an address only if its sample is answered with success.
func TestTheSampleThatTriesAnAddress(t *testing.T) {
	for _, c := range readVectors(t).Cases {
		if c.ID != "published-doc-example" {
			continue
		}
		a := testAccount()
		a.Credentials[0][CredentialChecksum] = c.Key
		p := build(t, a)
		body, _ := providers.CompactJSON(map[string]any{"code": "00", "desc": "success", "success": true, "data": json.RawMessage(c.Input), "signature": *c.Signature})
		ns, err := p.Verify(context.Background(), providers.Callback{Method: "POST", Body: body})
		if err != nil || len(ns) != 0 {
			t.Errorf("%v %v", ns, err)
		}
		if r := p.Answer(providers.Result{Verdict: providers.VerdictNothing}); r.Status != 200 || string(r.Body) != `{"success":true}` {
			t.Errorf("%+v", r)
		}
		if _, err := build(t, testAccount()).Verify(context.Background(), providers.Callback{Method: "POST", Body: body}); !errors.Is(err, providers.ErrForged) {
			t.Errorf("signed with another key: %v", err)
		}
		return
	}
	t.Error("the sample is not among the vectors")
}

func TestWhatACreateSendsAndGives(t *testing.T) {
	var sent []map[string]any
	p := at(t, func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var m map[string]any
		_ = json.Unmarshal(b, &m)
		sent = append(sent, m)
		if r.Header.Get("x-client-id") != "fake-client-id" || r.Header.Get("x-api-key") != "fake-api-key" || r.Method != http.MethodPost {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		if len(m["description"].(string)) > 9 { // not linked
			_, _ = rw.Write([]byte(`{"code":"20","desc":"Mô tả tối đa 9 kí tự","data":null}`))
			return
		}
		_, body := sayAnswer(testAccount().Credentials[0], r.URL.Path, b, providertest.Say{})
		_, _ = rw.Write(body)
	})
	r, err := p.Checkout(context.Background(), testPayment())
	if err != nil || r.URL != "https://pay.payos.vn/web/"+linkID || r.QRPayload == "" || r.Transfer.AccountNumber != "V3CAS0001" || !strings.HasPrefix(r.Transfer.Content, "CSX1Y2Z3 ") {
		t.Fatalf("%+v %v", r, err)
	}
	if len(sent) != 2 || sent[0]["description"] != testReference() || sent[1]["description"] != testReference()[3:11] || sent[0]["orderCode"] != 260305001.0 ||
		sent[0]["expiredAt"] != float64(testNow().Add(time.Hour).Unix()) || len(sent[0]) != 7 {
		t.Errorf("%v", sent)
	}
}

func TestTooManyCalls(t *testing.T) {
	p := at(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "30")
		rw.WriteHeader(http.StatusTooManyRequests)
	})
	_, err := p.Checkout(context.Background(), testPayment())
	var refused *providers.RefusedError
	if !errors.As(err, &refused) || refused.RetryAfter != 30*time.Second || !errors.Is(err, providers.ErrRefused) {
		t.Errorf("create: %v", err)
	}
	if _, err := p.Lookup(context.Background(), testPayment()); !errors.Is(err, providers.ErrUncertain) {
		t.Errorf("look-up: %v", err)
	}
	if err := p.Cancel(context.Background(), testPayment()); !errors.Is(err, providers.ErrUncertain) {
		t.Errorf("cancel: %v", err)
	}
}

func TestAnAnswerMustBeOfWhatWasAskedAndRightlySigned(t *testing.T) {
	good := func(over map[string]any) map[string]any {
		m := map[string]any{"bin": "970422", "accountNumber": "V1", "accountName": "X", "amount": 50000, "description": "x", "orderCode": 260305001, "paymentLinkId": linkID,
			"status": "PENDING", "checkoutUrl": "https://pay.payos.vn/web/1", "qrCode": "0002"}
		maps.Copy(m, over)
		return m
	}
	key := testAccount().Credentials[0][CredentialChecksum]
	for name, c := range map[string]struct {
		body []byte
		want error
	}{
		"right":          {envelope(key, codeOK, good(nil)), nil},
		"signed wrongly": {envelope("another", codeOK, good(nil)), providers.ErrUncertain},
		"another number": {envelope(key, codeOK, good(map[string]any{"orderCode": 1})), providers.ErrUncertain},
		"another amount": {envelope(key, codeOK, good(map[string]any{"amount": 1})), providers.ErrUncertain},
		"no address":     {envelope(key, codeOK, good(map[string]any{"checkoutUrl": "javascript:alert(1)"})), providers.ErrUncertain},
		"no data":        {[]byte(`{"code":"00","desc":"success","data":null}`), providers.ErrUncertain},
	} {
		p := at(t, func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(c.body) })
		if r, err := p.Checkout(context.Background(), testPayment()); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %+v %v", name, r, err)
		}
	}
	unsigned, _ := json.Marshal(map[string]any{"code": "00", "data": good(nil)})
	p := at(t, func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(unsigned) })
	if _, err := p.Checkout(context.Background(), testPayment()); err != nil {
		t.Errorf("an answer without a signature: %v", err)
	}
}

func TestALookUpTellsEachTransferAsItsWebhookDid(t *testing.T) {
	rows := []any{transfer(nil), transfer(map[string]any{"reference": "FT2", "amount": 7000, "transactionDateTime": "2026-03-05T16:30:00+07:00", "counterAccountNumber": "0987654321", "counterAccountBankId": "970415"}),
		transfer(map[string]any{"reference": nil, "amount": 1, "transactionDateTime": "2026-03-05T16:31:00+07:00"})}
	cred := testAccount().Credentials[0]
	body := envelope(cred[CredentialChecksum], codeOK, map[string]any{"id": linkID, "orderCode": 260305001, "amount": 50000, "amountPaid": 57001, "amountRemaining": 0, "status": "PAID", "transactions": rows})
	p := at(t, func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(body) })
	n, err := p.Lookup(context.Background(), testPayment())
	if err != nil || n.Outcome != providers.Succeeded || n.Amount != 57001 || len(n.Parts) != 3 || n.Transaction != linkID {
		t.Fatalf("%+v %v", n, err)
	}
	for i, over := range []map[string]any{nil, {"reference": "FT2", "amount": 7000, "transactionDateTime": "2026-03-05 16:30:00", "counterAccountNumber": "0987654321", "counterAccountBankId": "970415"},
		{"reference": nil, "amount": 1, "transactionDateTime": "2026-03-05 16:31:00"}} {
		ns, err := p.Verify(context.Background(), webhook(cred, over))
		if err != nil {
			t.Fatal(err)
		}
		got, want := n.Parts[i], ns[0]
		if *got.Transfer != *want.Transfer || got.Amount != want.Amount || got.Reference != testReference() || got.Reference != want.Reference || got.Transaction != want.Transaction || !got.PaidAt.Equal(want.PaidAt) {
			t.Errorf("transfer %d: look-up %+v %+v, webhook %+v %+v", i, got, got.Transfer, want, want.Transfer)
		}
	}
	if n.Parts[1].Payer == nil || n.Parts[0].Payer != nil || n.Parts[2].Transaction != "payos:"+n.Parts[2].Transfer.ID {
		t.Errorf("%+v", n.Parts)
	}
	empty := envelope(cred[CredentialChecksum], codeOK, map[string]any{"id": linkID, "orderCode": 260305001, "amount": 50000, "amountPaid": 50000, "status": "PAID", "transactions": []any{}})
	q := at(t, func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(empty) })
	if n, err := q.Lookup(context.Background(), testPayment()); !errors.Is(err, providers.ErrUncertain) {
		t.Errorf("paid by nothing: %+v %v", n, err)
	}
}

func TestAReturnIsOnlyAHint(t *testing.T) {
	p := build(t, testAccount())
	get := func(q string) ([]providers.Notice, error) {
		return p.Verify(context.Background(), providers.Callback{Method: "GET", Return: true, RawQuery: q})
	}
	for _, status := range []string{"PAID", "CANCELLED", "PENDING", "x"} {
		ns, err := get("code=00&id=" + linkID + "&cancel=true&status=" + status + "&orderCode=260305001")
		if err != nil || len(ns) != 1 || ns[0].Outcome != providers.Uncertain || !ns[0].Doubt || ns[0].Reference != testReference() || ns[0].Amount != 0 || ns[0].Transfer != nil {
			t.Errorf("%s: %+v %v", status, ns, err)
		}
	}
	for _, q := range []string{"", "orderCode=", "orderCode=x", "orderCode=1&orderCode=2", "orderCode=9007199254740991", "%zz"} {
		if ns, err := get(q); !errors.Is(err, providers.ErrMalformed) || len(ns) > 0 {
			t.Errorf("%q: %v %v", q, ns, err)
		}
	}
}

func TestMoneyOfWhomItIs(t *testing.T) {
	a := testAccount()
	cred := a.Credentials[0]
	verify := func(a providers.Account, over map[string]any) providers.Notice {
		ns, err := build(t, a).Verify(context.Background(), webhook(cred, over))
		if err != nil || len(ns) != 1 {
			t.Fatalf("%v: %v %v", over, ns, err)
		}
		return ns[0]
	}
	// An account that is not linked has eight characters of payOS and ours, or nothing: the number alone says whose it is.
	if n := verify(a, map[string]any{"description": "CS123"}); n.Reference != testReference() || n.Transfer.Ambiguous {
		t.Errorf("%+v", n)
	}
	if n := verify(a, map[string]any{"description": "CS123 PHX22222223A4"}); n.Reference != "" || !n.Transfer.Ambiguous {
		t.Errorf("number against content: %+v", n)
	}
	if n := verify(a, map[string]any{"orderCode": 9007199254740991, "description": "x"}); n.Reference != "" || n.Transfer.Ambiguous {
		t.Errorf("a number of somebody else's: %+v", n)
	}
	if n := verify(a, map[string]any{"code": "01"}); n.Outcome != providers.Uncertain || n.Transfer != nil || !n.Doubt {
		t.Errorf("another code: %+v", n)
	}
	b := a
	b.Beneficiary.Number = "V3CAS0001"
	if n := verify(b, nil); n.Transfer.Account != "V3CAS0001" {
		t.Errorf("%+v", n.Transfer)
	}
	b.Beneficiary = providers.Beneficiary{}
	if n := verify(b, nil); n.Transfer.Account != "" {
		t.Errorf("%+v", n.Transfer)
	}
	for _, ref := range []string{"", "FG1", "PHX2222222222"} { // the last is 0, which payOS does not take
		pay := testPayment()
		pay.Reference = ref
		if _, err := build(t, a).Checkout(context.Background(), pay); !errors.Is(err, providers.ErrConfig) {
			t.Errorf("%q: %v", ref, err)
		}
	}
	ref, _ := vietqr.NewReference("", time.Time{})
	if n, err := orderCode(ref); err != nil || referenceOf(json.Number(strings.TrimSpace(uintText(n))).String()) != ref {
		t.Errorf("%s: %d %v", ref, n, err)
	}
}

func uintText(n uint64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func FuzzVerify(f *testing.F) {
	cred := testAccount().Credentials[0]
	for _, over := range []map[string]any{nil, {"reference": nil}, {"orderCode": 123, "description": "VQRIO123"}, {"x": []any{map[string]any{"b": nil}}}, {"code": "01"}} {
		f.Add(webhook(cred, over).Body)
	}
	f.Add([]byte(`{"code":"00","data":{},"signature":"00"}`))
	p := build(f, testAccount())
	f.Fuzz(func(t *testing.T, body []byte) {
		ns, err := p.Verify(context.Background(), providers.Callback{Method: "POST", Body: body})
		if err != nil && (len(ns) > 0 || !errors.Is(err, providers.ErrForged) && !errors.Is(err, providers.ErrMalformed)) {
			t.Fatalf("%v %v", ns, err)
		}
		m, err := readMessage(body, maxBody)
		if err != nil || m.data == nil {
			return
		}
		if again := canonicalData(m.data); again != canonicalData(m.data) {
			t.Fatal("the signed text changes")
		}
		n, err := p.notice(m)
		if err == nil && n.Outcome == providers.Succeeded && (n.Amount <= 0 || n.Transfer == nil || n.Transaction == "") {
			t.Fatalf("%+v", n)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	cred := testAccount().Credentials[0]
	_, paid := sayAnswer(cred, path+"/260305001", nil, providertest.Say{})
	f.Add(paid)
	f.Add([]byte(`{"code":"101","desc":"x","data":null}`))
	p := build(f, testAccount())
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := p.readAnswer(200, body)
		if err != nil {
			return
		}
		n, err := p.readGet(a, testReference(), 260305001)
		if err == nil && n.Outcome == providers.Succeeded && (n.Amount == 0 || len(n.Parts) == 0) {
			t.Fatalf("%+v", n)
		}
	})
}
