package sepay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"feegate/providers"
)

func build(t testing.TB, a providers.Account, now time.Time) *provider {
	t.Helper()
	p, err := providers.NewRegistry(Registration()).New(Name, a, providers.Deps{
		HTTP: func(providers.Operation) *http.Client { return http.DefaultClient }, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*provider)
}

// The account has both secrets here, as one that is moving from the key to the signature.
func TestVectors(t *testing.T) {
	v := readVectors(t)
	a := testAccount()
	a.Credentials = []map[string]string{v.Credentials}
	for _, c := range v.Cases {
		t.Run(c.ID, func(t *testing.T) {
			p := build(t, a, time.Unix(c.Now, 0))
			h := http.Header{}
			for name, value := range c.Headers {
				h.Set(name, value)
			}
			bodies := c.Deliveries
			if len(bodies) == 0 {
				bodies = []string{c.RawBody}
			} else {
				h.Set("Authorization", "Apikey "+v.Credentials[CredentialKey]) // the case shows none
			}
			var ids []string
			for _, body := range bodies {
				ns, err := p.Verify(context.Background(), providers.Callback{Method: "POST", Header: h, Body: []byte(body)})
				if strings.HasPrefix(c.Expect, "reject") {
					if !errors.Is(err, providers.ErrForged) || len(ns) != 0 {
						t.Errorf("%+v %v", ns, err)
					}
					continue
				}
				if err != nil || len(ns) != 1 {
					t.Fatalf("%+v %v", ns, err)
				}
				n := ns[0]
				ids = append(ids, n.Transfer.ID)
				if c.ExpectRef != nil && (n.Reference != strings.Join(c.ExpectRef, " ")) {
					t.Errorf("reference %q, want %v", n.Reference, c.ExpectRef)
				}
				if n.Transfer.Out != strings.Contains(body, `"out"`) {
					t.Errorf("out is %v", n.Transfer.Out)
				}
			}
			if len(ids) == 2 && ids[0] != ids[1] {
				t.Errorf("one movement has the ids %v", ids)
			}
			if c.Answer != nil {
				verdict := providers.VerdictRecorded
				if c.Answer.Status == 401 {
					verdict = providers.VerdictForged
				}
				r := p.Answer(providers.Result{Verdict: verdict})
				var got, want any
				if json.Unmarshal(r.Body, &got) != nil || json.Unmarshal(c.Answer.Body, &want) != nil || fmt.Sprint(got) != fmt.Sprint(want) || r.Status != c.Answer.Status {
					t.Errorf("answer %d %s", r.Status, r.Body)
				}
			}
		})
	}
}

func TestTheSecretsOfAnAccountSayHowSePayProvesItself(t *testing.T) {
	signed := webhook(map[string]string{CredentialSecret: testSecret}, movement(nil))
	keyed := providers.Callback{Method: "POST", Body: signed.Body, Header: http.Header{"Authorization": {"APIKEY the-key"}}}
	both := providers.Callback{Method: "POST", Body: signed.Body, Header: signed.Header.Clone()}
	both.Header.Set("Authorization", "Apikey the-key")
	both.Header.Set(headerSignature, "sha256="+strings.Repeat("0", 64))
	for name, c := range map[string]struct {
		cred map[string]string
		call providers.Callback
		want bool
	}{
		"signature":                     {map[string]string{CredentialSecret: testSecret}, signed, true},
		"signature wanted, key given":   {map[string]string{CredentialSecret: testSecret}, keyed, false},
		"key":                           {map[string]string{CredentialKey: "the-key"}, keyed, true},
		"key wanted, signature given":   {map[string]string{CredentialKey: "the-key"}, signed, false},
		"another key":                   {map[string]string{CredentialKey: "the-key2"}, keyed, false},
		"both set up, signature":        {map[string]string{CredentialKey: "the-key", CredentialSecret: testSecret}, signed, true},
		"both set up, key":              {map[string]string{CredentialKey: "the-key", CredentialSecret: testSecret}, keyed, true},
		"a wrong signature, a good key": {map[string]string{CredentialKey: "the-key", CredentialSecret: testSecret}, both, false},
		"nothing":                       {map[string]string{CredentialKey: "the-key"}, providers.Callback{Method: "POST", Body: signed.Body}, false},
	} {
		a := testAccount()
		a.Credentials = []map[string]string{c.cred}
		ns, err := build(t, a, testNow()).Verify(context.Background(), c.call)
		if (err == nil) != c.want || err != nil && !errors.Is(err, providers.ErrForged) || (len(ns) == 1) != c.want {
			t.Errorf("%s: %v %v", name, ns, err)
		}
	}
	a := testAccount()
	a.Credentials = []map[string]string{{CredentialToken: "x"}}
	if _, err := New(a, providers.Deps{}); !errors.Is(err, providers.ErrConfig) || !strings.Contains(err.Error(), CredentialSecret) {
		t.Errorf("no secret at all: %v", err)
	}
}

func TestTheTimeOfSigningIsHeldToFiveMinutes(t *testing.T) {
	c := webhook(testAccount().Credentials[0], movement(nil))
	for off, want := range map[time.Duration]bool{0: true, 5 * time.Minute: true, -5 * time.Minute: true, 301 * time.Second: false, -301 * time.Second: false} {
		if _, err := build(t, testAccount(), testNow().Add(off)).Verify(context.Background(), c); (err == nil) != want {
			t.Errorf("%v later: %v", off, err)
		}
	}
}

func TestWhatAnAuthenticCallMaySay(t *testing.T) {
	p := build(t, testAccount(), testNow())
	verify := func(over map[string]any) ([]providers.Notice, error) {
		return p.Verify(context.Background(), webhook(testAccount().Credentials[0], movement(over)))
	}
	for name, over := range map[string]map[string]any{
		"a part of a đồng": {"transferAmount": 1.5}, "nothing": {"transferAmount": 0}, "less than nothing": {"transferAmount": -5}, "words": {"transferAmount": "many"},
		"no direction": {"transferType": ""}, "another direction": {"transferType": "both"}, "no id": {"id": nil}, "words for an id": {"id": "x"}, "no time": {"transactionDate": ""},
		"an object for a text": {"content": map[string]any{}},
	} {
		if ns, err := verify(over); !errors.Is(err, providers.ErrMalformed) || len(ns) > 0 {
			t.Errorf("%s: %v %v", name, ns, err)
		}
	}
	for _, amount := range []any{json.RawMessage("1250000"), json.RawMessage("1250000.0"), "1250000", "1250000.00"} {
		if ns, err := verify(map[string]any{"transferAmount": amount}); err != nil || ns[0].Amount != 1250000 {
			t.Errorf("%s: %v %v", amount, ns, err)
		}
	}
	if ns, err := verify(map[string]any{"id": 0}); err != nil || len(ns) != 0 {
		t.Errorf("a trial: %v %v", ns, err)
	}
	if ns, err := verify(map[string]any{"accountNumber": "999", "subAccount": "0123456789"}); err != nil || ns[0].Transfer.Account != "0123456789" {
		t.Errorf("the virtual account that the payer was shown: %v %v", ns, err)
	}
	if ns, err := verify(map[string]any{"code": "PHX22222224J6"}); err != nil || ns[0].Reference != "" || !ns[0].Transfer.Ambiguous {
		t.Errorf("SePay's word against ours: %v %v", ns, err)
	}
	if ns, err := verify(map[string]any{"referenceCode": nil}); err != nil || ns[0].Transaction != "sepay:92704" || ns[0].Transfer.Reference != "" {
		t.Errorf("no number of the bank: %v %v", ns, err)
	}
	ns, err := verify(nil)
	if err != nil || !ns[0].PaidAt.Equal(time.Date(2026, 3, 5, 7, 2, 37, 0, time.UTC)) || ns[0].Transaction != "MBVCB.3278907687" || ns[0].Payer != nil {
		t.Errorf("%+v %v", ns, err)
	}
	form := webhook(testAccount().Credentials[0], movement(nil))
	form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if _, err := p.Verify(context.Background(), form); !errors.Is(err, providers.ErrMalformed) {
		t.Errorf("a form: %v", err)
	}
}

// bank plays SePay's list over so many movements, the newest or the oldest first.
func bank(t *testing.T, count int, newestFirst bool) (*provider, *[]string) {
	var asked []string
	start := time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		asked = append(asked, r.URL.RawQuery)
		if r.Header.Get("Authorization") != "Bearer FAKE_SEPAY_API_TOKEN" || q.Get("account_number") != "0123456789" {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		since, _ := strconv.Atoi(q.Get("since_id"))
		limit, _ := strconv.Atoi(q.Get("limit"))
		var rows []map[string]any
		for id := 1; id <= count; id++ {
			at := start.Add(time.Duration(id/3) * time.Second).In(time.FixedZone("", 7*3600)).Format(time.DateTime) // three in each second
			last := q.Get("transaction_date_max")
			if id >= since && (last == "" || at <= last) && at >= q.Get("transaction_date_min") {
				rows = append(rows, movement(map[string]any{"id": id, "transactionDate": at, "referenceCode": fmt.Sprint("FT", id)}))
			}
		}
		if newestFirst {
			rows = rows[max(0, len(rows)-limit):]
			_, _ = rw.Write(list(rows...))
			return
		}
		rows = rows[:min(limit, len(rows))]
		slices.Reverse(rows)
		_, _ = rw.Write(list(rows...))
	}))
	t.Cleanup(server.Close)
	a := testAccount()
	a.BaseURL = server.URL
	return build(t, a, start.Add(24*time.Hour)), &asked
}

func TestALongListIsReadWholeWhicheverWayRoundItIs(t *testing.T) {
	for _, newestFirst := range []bool{true, false} {
		p, asked := bank(t, 2500, newestFirst)
		var ids []string
		cursor := ""
		for range 5 {
			ns, next, err := p.Transfers(context.Background(), cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range ns {
				if !slices.Contains(ids, n.Transfer.ID) {
					ids = append(ids, n.Transfer.ID)
				}
			}
			cursor = next
		}
		if len(ids) != 2500 || cursor != "2500" || ids[0] != "1" || !slices.IsSortedFunc(ids, func(a, b string) int { x, _ := strconv.Atoi(a); y, _ := strconv.Atoi(b); return x - y }) {
			t.Errorf("newest first %v: %d movements, up to %s", newestFirst, len(ids), cursor)
		}
		if !strings.Contains((*asked)[0], "transaction_date_min=2026-03-04") || !strings.Contains((*asked)[len(*asked)-1], "since_id=2500") {
			t.Errorf("asked %q … %q", (*asked)[0], (*asked)[len(*asked)-1])
		}
	}
}

func TestWhatAListMayAnswer(t *testing.T) {
	for body, want := range map[string]error{
		`{"status":200,"error":null,"transactions":[]}`:                                                               nil,
		`{"status":200,"transactions":null}`:                                                                          providers.ErrUncertain,
		`{"status":429,"error":"too many","transactions":[]}`:                                                         providers.ErrUncertain,
		`{"status":200,"transactions":[{}]}`:                                                                          providers.ErrUncertain,
		`{"status":200,"transactions":[{"id":"99999999999999999999"}]}`:                                               providers.ErrUncertain,
		`{"status":200,"transactions":[{"id":"1","amount_in":"5","amount_out":"5","transaction_date":"2026-03-05"}]}`: providers.ErrUncertain,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(body)) }))
		a := testAccount()
		a.BaseURL = server.URL
		ns, next, err := build(t, a, testNow()).Transfers(context.Background(), "")
		if !errors.Is(err, want) || len(ns) != 0 || next != "" {
			t.Errorf("%s: %v %q %v", body, ns, next, err)
		}
		server.Close()
	}
	for status, want := range map[int]error{401: providers.ErrConfig, 403: providers.ErrConfig, 429: providers.ErrUncertain, 500: providers.ErrUncertain} {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) }))
		a := testAccount()
		a.BaseURL = server.URL
		if _, _, err := build(t, a, testNow()).Transfers(context.Background(), "5"); !errors.Is(err, want) {
			t.Errorf("status %d: %v", status, err)
		}
		server.Close()
	}
	a := testAccount()
	delete(a.Credentials[0], CredentialToken)
	if _, _, err := build(t, a, testNow()).Transfers(context.Background(), ""); !errors.Is(err, providers.ErrConfig) || errors.Is(err, providers.ErrUncertain) {
		t.Errorf("without a token: %v", err)
	}
	zero := list(movement(map[string]any{"id": 7, "transferAmount": 0}))
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(zero) }))
	defer server.Close()
	b := testAccount()
	b.BaseURL = server.URL
	if ns, next, err := build(t, b, testNow()).Transfers(context.Background(), ""); err != nil || len(ns) != 0 || next != "7" {
		t.Errorf("a row of nothing: %v %q %v", ns, next, err)
	}
}

func FuzzVerify(f *testing.F) {
	cred := testAccount().Credentials[0]
	for _, over := range []map[string]any{nil, {"transferType": "out"}, {"id": 0}, {"transferAmount": "1.50"}, {"content": "đ\u2028\x00"}} {
		f.Add(webhook(cred, movement(over)).Body)
	}
	f.Add([]byte(`{"id":1,"id":2}`))
	p := build(f, testAccount(), testNow())
	f.Fuzz(func(t *testing.T, body []byte) {
		if ns, err := p.Verify(context.Background(), providers.Callback{Method: "POST", Body: body}); len(ns) > 0 || !errors.Is(err, providers.ErrForged) {
			t.Fatalf("unsigned: %v %v", ns, err)
		}
		stamp := strconv.FormatInt(testNow().Unix(), 10)
		h := http.Header{}
		h.Set(headerTime, stamp)
		h.Set(headerSignature, fmt.Sprintf("sha256=%x", mac(testSecret, stamp, body)))
		ns, err := p.Verify(context.Background(), providers.Callback{Method: "POST", Header: h, Body: body})
		if err != nil && (!errors.Is(err, providers.ErrMalformed) || len(ns) > 0) {
			t.Fatalf("%v %v", ns, err)
		}
		for _, n := range ns {
			if n.Amount <= 0 || n.Transfer == nil || n.Transfer.ID == "" || n.Transaction == "" || n.PaidAt.IsZero() {
				t.Fatalf("%+v", n)
			}
		}
	})
}

func FuzzList(f *testing.F) {
	f.Add(list(listed()...))
	f.Add([]byte(`{"status":200,"transactions":[]}`))
	f.Add([]byte(`{"status":"200","transactions":[{"id":"1"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, err := readList(body)
		if err != nil && (!errors.Is(err, providers.ErrMalformed) || rows != nil) {
			t.Fatalf("%v %v", rows, err)
		}
	})
}
