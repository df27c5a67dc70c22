package providers

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestParseObjectIsStrict(t *testing.T) {
	for text, ok := range map[string]bool{
		`{}`: true, ` {"a":1,"b":{"a":2}} ` + "\n": true, `{"a":[{"a":1},{"a":2}]}`: true,
		``: false, `null`: false, `[]`: false, `"a"`: false, `1`: false, `{"a":1,"a":1}`: false, `{"a":1,"\u0061":2}`: false, `{"a":1}{}`: false,
		`{"a":1} x`: false, `{"a":}`: false, `{"a":01}`: false, `{"a":1`: false, `{a:1}`: false, `{"a":"` + "\xff" + `"}`: false, `{"a":NaN}`: false,
		`{"a":"` + strings.Repeat("x", 200) + `"}`: false,
	} {
		if _, err := ParseObject([]byte(text), 100); (err == nil) != ok || (!ok && !errors.Is(err, ErrMalformed)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestTextKeepsDigitsAsReceived(t *testing.T) {
	o, err := ParseObject([]byte(`{"big":9007199254740993,"exp":1e5,"s":"\u0048\u1ed3 & <","n":null,"t":true,"a":[1],"e":""}`), 200)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"big": "9007199254740993", "exp": "1e5", "s": "Hồ & <", "n": "", "absent": "", "t": "true", "e": ""} {
		if got, err := o.Text(name); err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", name, got, err, want)
		}
	}
	if _, err := o.Texts("big", "a"); !errors.Is(err, ErrMalformed) {
		t.Errorf("an array as text: %v", err)
	}
}

func TestAPlainClientStillTellsNotSentFromUncertain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	read := func(int, []byte) error { return nil }
	if err := PostJSON(context.Background(), http.DefaultClient, "http://"+l.Addr().String(), nil, read); !errors.Is(err, ErrNotSent) {
		t.Errorf("nobody listens: %v", err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer s.Close()
	if err := PostJSON(context.Background(), http.DefaultClient, s.URL, nil, read); !errors.Is(err, ErrUncertain) {
		t.Errorf("reset: %v", err)
	}
	if err := PostJSON(context.Background(), http.DefaultClient, "://", nil, read); !errors.Is(err, ErrConfig) {
		t.Errorf("no address: %v", err)
	}
}

func TestCompactJSONLeavesTextAlone(t *testing.T) {
	b, err := CompactJSON(map[string]string{"a": "phí & lệ phí <b>"})
	if err != nil || string(b) != `{"a":"phí & lệ phí <b>"}` {
		t.Errorf("%s %v", b, err)
	}
}

func TestRegistrySaysWhatAnAccountLacks(t *testing.T) {
	reg := NewRegistry(Registration{Name: "x", Credentials: []string{"id", "key"}, New: func(Account, Deps) (Provider, error) { return nil, nil }})
	for name, c := range map[string]struct {
		provider string
		creds    []map[string]string
		lacks    string
	}{
		"unknown":        {"y", nil, "not known"},
		"no secret":      {"x", nil, "no active secret"},
		"a field":        {"x", []map[string]string{{"id": "1", "key": "k"}, {"id": "1"}}, "credentials.key: is missing"},
		"nothing at all": {"x", []map[string]string{{"id": "1", "key": "k"}}, ""},
	} {
		_, err := reg.New(c.provider, Account{Credentials: c.creds}, Deps{})
		if (c.lacks == "") != (err == nil) || err != nil && (!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.lacks)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a provider registered twice was let through")
		}
	}()
	NewRegistry(Registration{Name: "x"}, Registration{Name: "x"})
}

func FuzzParseObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1,"a":2}`, `{"a":{"b":[1,"2",null]}}`, `[`, `{"\ud800":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := ParseObject(b, 1<<16)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		var m map[string]json.RawMessage
		if json.Unmarshal(b, &m) != nil || len(m) != len(o) {
			t.Fatalf("%q is read as %v, by others as %v", b, o, m)
		}
		for name := range o {
			_, _ = o.Text(name)
		}
	})
}

func TestAFormIsSentAsOne(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.PostFormValue("a") != "1 & ệ" {
			t.Errorf("%v %v", r.Header, r.PostForm)
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("x"))
	}))
	defer s.Close()
	seen := 0
	if err := PostForm(context.Background(), http.DefaultClient, s.URL, url.Values{"a": {"1 & ệ"}}, func(status int, b []byte) error {
		if seen++; status != http.StatusTeapot || string(b) != "x" {
			t.Errorf("%d %s", status, b)
		}
		return nil
	}); err != nil || seen != 1 {
		t.Errorf("%d %v", seen, err)
	}
}
