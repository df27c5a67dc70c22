package casso

import (
	"context"
	"encoding/hex"
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

func TestVectors(t *testing.T) {
	v := readVectors(t)
	for _, c := range v.Cases {
		t.Run(c.ID, func(t *testing.T) {
			a, now := testAccount(), testNow()
			a.Credentials = []map[string]string{v.Credentials}
			if c.Key != "" {
				a.Credentials = []map[string]string{{CredentialKey: c.Key}}
			}
			h := http.Header{}
			for name, value := range c.Headers {
				h.Set(name, value)
			}
			if m := headerParts.FindStringSubmatch(h.Get(headerSignature)); m != nil {
				n, _ := strconv.ParseInt(m[1], 10, 64)
				now = time.UnixMilli(n)
			}
			ns, err := build(t, a, now).Verify(context.Background(), providers.Callback{Method: "POST", Header: h, Body: c.Body})
			if strings.HasPrefix(c.Expect, "reject") {
				if !errors.Is(err, providers.ErrForged) || len(ns) != 0 {
					t.Errorf("%v %v", ns, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(c.Body), "THU_NGHIEM") {
				if len(ns) != 0 {
					t.Errorf("a trial call tells of money: %+v", ns)
				}
				return
			}
			if len(ns) != 1 || c.ExpectRef != nil && ns[0].Reference != strings.Join(c.ExpectRef, " ") {
				t.Fatalf("%+v, want the reference %v", ns, c.ExpectRef)
			}
			n := ns[0]
			if out := strings.Contains(string(c.Body), "-11000"); n.Transfer.Out != out || (n.Payer == nil) != out || !out && (n.Payer.Account != "8888888888" || n.Payer.Bank != "970415") {
				t.Errorf("out %v, payer %+v", n.Transfer.Out, n.Payer)
			}
			if n.Amount != 1250000 && n.Amount != 11000 || n.Transfer.Account != "0123456789" || n.Transaction == "" || n.Transaction != n.Transfer.Reference {
				t.Errorf("%+v %+v", n, n.Transfer)
			}
		})
	}
}

// However Casso writes what it signs, the signature holds; the same text signed with another key does not.
func TestEachWayToWriteWhatIsSigned(t *testing.T) {
	body, _ := providers.CompactJSON(map[string]any{"error": 0, "data": movement(map[string]any{"description": "Phí/lệ phí <1> & đất\u2028 PHX22222223A4"})})
	pretty, _ := json.MarshalIndent(json.RawMessage(body), "", "  ")
	stamp := strconv.FormatInt(testNow().UnixMilli(), 10)
	p := build(t, testAccount(), testNow())
	seen := map[string]bool{}
	for i, text := range canonicals(stamp, pretty) {
		seen[text] = true
		for key, want := range map[string]bool{testKey: true, "another": false} {
			h := http.Header{}
			h.Set(headerSignature, "t="+stamp+",v1="+hex.EncodeToString(mac(key, text)))
			ns, err := p.Verify(context.Background(), providers.Callback{Method: "POST", Header: h, Body: pretty})
			if (err == nil) != want || (len(ns) == 1) != want {
				t.Errorf("way %d with %s: %v %v", i, key, ns, err)
			}
		}
	}
	if len(seen) != 3 {
		t.Errorf("the ways are not three: %v", seen)
	}
}

func TestTheSecretsOfAnAccountSayWhichGenerationCalls(t *testing.T) {
	v2 := webhook(map[string]string{CredentialKey: testKey}, movement(nil))
	old := providers.Callback{Method: "POST", Body: v2.Body, Header: http.Header{"Secure-Token": {"the-token"}}}
	mixed := providers.Callback{Method: "POST", Body: v2.Body, Header: http.Header{"Secure-Token": {"the-token"}}}
	mixed.Header.Set(headerSignature, "t=1772698000123,v1="+strings.Repeat("0", 128))
	for name, c := range map[string]struct {
		cred map[string]string
		call providers.Callback
		want bool
	}{
		"V2":                              {map[string]string{CredentialKey: testKey}, v2, true},
		"V2 wanted, token given":          {map[string]string{CredentialKey: testKey}, old, false},
		"token":                           {map[string]string{CredentialToken: "the-token"}, old, true},
		"token wanted, signature given":   {map[string]string{CredentialToken: "the-token"}, v2, false},
		"another token":                   {map[string]string{CredentialToken: "the-token2"}, old, false},
		"a wrong signature, a good token": {map[string]string{CredentialKey: testKey, CredentialToken: "the-token"}, mixed, false},
		"both set up, token":              {map[string]string{CredentialKey: testKey, CredentialToken: "the-token"}, old, true},
	} {
		a := testAccount()
		a.Credentials = []map[string]string{c.cred}
		if ns, err := build(t, a, testNow()).Verify(context.Background(), c.call); (err == nil) != c.want || err != nil && !errors.Is(err, providers.ErrForged) || (len(ns) == 1) != c.want {
			t.Errorf("%s: %v %v", name, ns, err)
		}
	}
	a := testAccount()
	a.Credentials = []map[string]string{{CredentialAPI: "x"}}
	if _, err := New(a, providers.Deps{}); !errors.Is(err, providers.ErrConfig) {
		t.Errorf("no secret at all: %v", err)
	}
}

func TestTheTimeOfSigning(t *testing.T) {
	c := webhook(testAccount().Credentials[0], movement(nil))
	for off, want := range map[time.Duration]bool{0: true, 5 * time.Minute: true, -5 * time.Minute: true, 301 * time.Second: false, -301 * time.Second: false} {
		if _, err := build(t, testAccount(), testNow().Add(off)).Verify(context.Background(), c); (err == nil) != want {
			t.Errorf("%v later: %v", off, err)
		}
	}
	seconds := strconv.FormatInt(testNow().Unix(), 10) // some write seconds
	c.Header.Set(headerSignature, "t="+seconds+",v1="+hex.EncodeToString(mac(testKey, canonicals(seconds, c.Body)[0])))
	if _, err := build(t, testAccount(), testNow()).Verify(context.Background(), c); err != nil {
		t.Errorf("seconds: %v", err)
	}
	for _, h := range []string{"", "t=1772698000123", "v1=00,t=1", "t=x,v1=" + strings.Repeat("0", 128)} {
		c.Header.Set(headerSignature, h)
		if _, err := build(t, testAccount(), testNow()).Verify(context.Background(), c); !errors.Is(err, providers.ErrForged) {
			t.Errorf("%q: %v", h, err)
		}
	}
}

func TestWhatAnAuthenticCallMaySay(t *testing.T) {
	p := build(t, testAccount(), testNow())
	cred := testAccount().Credentials[0]
	verify := func(body any) ([]providers.Notice, error) { return p.Verify(context.Background(), signed(cred, body)) }
	for name, body := range map[string]any{
		"an error": map[string]any{"error": 1, "data": movement(nil)}, "no data": map[string]any{"error": 0}, "no error": map[string]any{"data": movement(nil)},
		"an amount of nothing": map[string]any{"error": 0, "data": movement(map[string]any{"amount": 0})}, "a part of a đồng": map[string]any{"error": 0, "data": movement(map[string]any{"amount": 1.5})},
		"no id": map[string]any{"error": 0, "data": movement(map[string]any{"id": nil})}, "no time": map[string]any{"error": 0, "data": movement(map[string]any{"transactionDateTime": "soon"})},
		"one bad of two": map[string]any{"error": 0, "data": []any{movement(nil), movement(map[string]any{"amount": "x"})}}, "data of another kind": map[string]any{"error": 0, "data": "x"},
	} {
		if ns, err := verify(body); !errors.Is(err, providers.ErrMalformed) || len(ns) > 0 {
			t.Errorf("%s: %v %v", name, ns, err)
		}
	}
	ns, err := verify(map[string]any{"error": 0, "data": []any{movement(nil), movement(map[string]any{"id": 0}), movement(map[string]any{"id": 3, "reference": "", "virtualAccountNumber": "0123456789", "accountNumber": "1"})}})
	if err != nil || len(ns) != 2 || ns[1].Transaction != "casso:3" || ns[1].Transfer.Account != "0123456789" {
		t.Errorf("several, one of them a trial: %+v %v", ns, err)
	}
}

func TestTheListIsReadPageByPage(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		if r.Header.Get("Authorization") != "Apikey FAKE_CASSO_API_KEY" {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		n, _ := strconv.Atoi(r.URL.Query().Get("page"))
		// The last row of each page comes again on the next one: something came meanwhile.
		rows := []map[string]any{}
		for i := range 3 {
			rows = append(rows, movement(map[string]any{"id": n*2 + i, "reference": fmt.Sprint("FT", n*2+i)}))
		}
		_, _ = rw.Write(page(n, 3, rows...))
	}))
	defer server.Close()
	a := testAccount()
	a.BaseURL = server.URL
	p := build(t, a, testNow())
	ns, next, err := p.Transfers(context.Background(), "2026-02-20")
	var ids []string
	for _, n := range ns {
		ids = append(ids, n.Transfer.ID)
	}
	if err != nil || !slices.Equal(ids, []string{"2", "3", "4", "5", "6", "7", "8"}) || next != "2026-03-04" || len(asked) != 3 || !strings.Contains(asked[0], "fromDate=2026-02-20") {
		t.Errorf("%v %q %v, asked %q", ids, next, err, asked)
	}
	if _, _, err := p.Transfers(context.Background(), "2026-03-09"); err != nil || !strings.Contains(asked[3], "fromDate=2026-03-04") {
		t.Errorf("a cursor in the future: %v, asked %q", err, asked[3])
	}
}

func TestWhatAListMayAnswer(t *testing.T) {
	for body, want := range map[string]error{
		string(page(1, 1)):                                          nil,
		string(page(1, 0)):                                          nil, // no rows, no pages
		`{"error":401,"message":"Unauthorized"}`:                    providers.ErrConfig,
		`{"error":500,"message":"x"}`:                               providers.ErrUncertain,
		`{"error":0,"data":null}`:                                   providers.ErrUncertain,
		`{"error":0,"data":{"page":1,"totalPages":1}}`:              providers.ErrUncertain,
		string(page(2, 2)):                                          providers.ErrUncertain, // not the page that was asked for
		string(page(1, 1, movement(map[string]any{"amount": "x"}))): providers.ErrUncertain,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(body)) }))
		a := testAccount()
		a.BaseURL = server.URL
		if ns, _, err := build(t, a, testNow()).Transfers(context.Background(), ""); !errors.Is(err, want) || len(ns) != 0 {
			t.Errorf("%s: %v %v", body, ns, err)
		}
		server.Close()
	}
	a := testAccount()
	delete(a.Credentials[0], CredentialAPI)
	if _, _, err := build(t, a, testNow()).Transfers(context.Background(), ""); !errors.Is(err, providers.ErrConfig) {
		t.Errorf("without a key: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	cred := testAccount().Credentials[0]
	for _, over := range []map[string]any{nil, {"amount": -1}, {"id": 0}, {"description": "đ\u2028\x00"}} {
		f.Add(webhook(cred, movement(over)).Body)
	}
	f.Add([]byte(`{"error":0,"data":[{"id":6789,"tid":"FT","amount":1,"when":"2026-03-05"}]}`))
	f.Add([]byte(`{"error":0,"data":{"id":1,"id":2}}`))
	p := build(f, testAccount(), testNow())
	f.Fuzz(func(t *testing.T, body []byte) {
		if ns, err := p.Verify(context.Background(), providers.Callback{Method: "POST", Body: body}); len(ns) > 0 || !errors.Is(err, providers.ErrForged) {
			t.Fatalf("unsigned: %v %v", ns, err)
		}
		stamp := strconv.FormatInt(testNow().UnixMilli(), 10)
		h := http.Header{}
		h.Set(headerSignature, fmt.Sprintf("t=%s,v1=%x", stamp, mac(testKey, stamp+"."+string(body))))
		ns, err := p.Verify(context.Background(), providers.Callback{Method: "POST", Header: h, Body: body})
		if err != nil && (!errors.Is(err, providers.ErrMalformed) && !errors.Is(err, providers.ErrForged) || len(ns) > 0) {
			t.Fatalf("%v %v", ns, err)
		}
		for _, n := range ns {
			if n.Amount <= 0 || n.Transfer == nil || n.Transfer.ID == "" || n.Transfer.ID == "0" || n.Transaction == "" || n.PaidAt.IsZero() {
				t.Fatalf("%+v", n)
			}
		}
	})
}

func FuzzList(f *testing.F) {
	f.Add(page(1, 1, listed()...))
	f.Add([]byte(`{"error":0,"data":{"page":1,"totalPages":9,"records":[]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, _, err := readList(body, 1)
		if err != nil && (!errors.Is(err, providers.ErrMalformed) && !errors.Is(err, providers.ErrConfig) || rows != nil) {
			t.Fatalf("%v %v", rows, err)
		}
	})
}
