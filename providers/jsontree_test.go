package providers

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTreesAreWrittenInOrder(t *testing.T) {
	in := `{"b":{"z":1.50,"a":[3,{"y":null,"x":true}]},"a":"Hồ sơ/<&> \"\\\u2028\u0001\t😀","e":{},"n":[]}`
	v, err := ParseTree([]byte(in), 1<<10)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := SortedJSON(v, JavaScript), "{\"a\":\"Hồ sơ/<&> \\\"\\\\\u2028\\u0001\\t😀\",\"b\":{\"a\":[3,{\"x\":true,\"y\":null}],\"z\":1.50},\"e\":{},\"n\":[]}"; got != want {
		t.Errorf("JavaScript\n got %s\nwant %s", got, want)
	}
	if got, want := SortedJSON(v, PHP), `{"a":"H\u1ed3 s\u01a1\/<&> \"\\\u2028\u0001\t\ud83d\ude00","b":{"a":[3,{"x":true,"y":null}],"z":1.50},"e":{},"n":[]}`; got != want {
		t.Errorf("PHP\n got %s\nwant %s", got, want)
	}
}

func TestWhatIsNoTreeIsRefused(t *testing.T) {
	for _, in := range []string{"", "{", "[", `{"a":1,"a":2}`, `{"x":{"a":1,"a":2}}`, `{} {}`, "\xff", strings.Repeat("[", 40) + strings.Repeat("]", 40), `{"a"}`, `[1,]`, strings.Repeat(" ", 200) + "1"} {
		if v, err := ParseTree([]byte(in), 100); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v %v", in, v, err)
		}
	}
}

func FuzzParseTree(f *testing.F) {
	for _, s := range []string{`{}`, `{"b":[1,2.50,{"a":null}],"a":"\u2028\ud83d"}`, `[[[]]]`, `"x"`, `{"a":1,"a":1}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseTree([]byte(s), 1<<16)
		if err != nil {
			return
		}
		for _, e := range []Escaping{JavaScript, PHP} {
			text := SortedJSON(v, e)
			again, err := ParseTree([]byte(text), 1<<20)
			if err != nil || SortedJSON(again, e) != text {
				t.Fatalf("%q is written as %q: %v", s, text, err)
			}
		}
	})
}

func TestHowLongToWait(t *testing.T) {
	now := time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "30", 30 * time.Second}, {"Retry-After", "Thu, 05 Mar 2026 00:01:00 GMT", time.Minute}, {"Retry-After", "soon", 0}, {"Retry-After", "-5", 0},
		{"Retry-After", "99999999", 0}, {"X-RateLimit-Reset", "12", 12 * time.Second}, {"X-RateLimit-Reset", "1772668845", 45 * time.Second}, {"X-RateLimit-Reset", "1", time.Second}, {"Date", "5", 0},
	} {
		h := http.Header{}
		h.Set(c.name, c.value)
		if got := RetryAfter(h, now); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
