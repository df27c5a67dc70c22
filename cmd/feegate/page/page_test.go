package page

import (
	"net/http"
	"testing"
	"time"

	"feegate/gateway/vnd"
)

func TestWhereAVisitorComesFrom(t *testing.T) {
	v, err := NewVisitors([]string{"10.0.0.0/8", "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ peer, told, want string }{
		{"203.0.113.9:1", "", "203.0.113.9"},
		{"203.0.113.9:1", "198.51.100.7", "203.0.113.9"}, // nobody's word about themselves
		{"10.1.2.3:1", "198.51.100.7", "198.51.100.7"},
		{"10.1.2.3:1", "1.2.3.4, 198.51.100.7", "198.51.100.7"}, // the first was forged
		{"10.1.2.3:1", "198.51.100.7, 192.0.2.1", "198.51.100.7"},
		{"10.1.2.3:1", "rubbish", "10.1.2.3"},
		{"[2001:db8::1]:1", "198.51.100.7", "2001:db8::1"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
		if c.told != "" {
			r.Header.Set("X-Forwarded-For", c.told)
		}
		if got := v.Address(r); got != c.want {
			t.Errorf("%s told %q: %s, want %s", c.peer, c.told, got, c.want)
		}
	}
	if _, err := NewVisitors([]string{"nonsense"}); err == nil {
		t.Error("nonsense is trusted")
	}
}

func TestHowMoneyAndTimeAreWritten(t *testing.T) {
	at := time.Date(2026, 3, 9, 18, 5, 0, 0, time.UTC)
	for got, want := range map[string]string{Money(vnd.Amount(1250000)): "1.250.000\u00a0₫", Money(vnd.Signed(-5)): "−5\u00a0₫", Time(at): "10/03/2026 01:05",
		Time(&at): "10/03/2026 01:05", Time((*time.Time)(nil)): "", Time(time.Time{}): "", Day("2026-03-09"): "09/03/2026", Day("<b>"): "<b>"} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
