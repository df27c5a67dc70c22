package console

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"feegate/gateway"
	"feegate/providers/breaker"
)

// A quarter is as high as the share of its calls that failed; one without a call is a line; what is alike is drawn once.
func TestAStripOfCalls(t *testing.T) {
	now := time.Date(2026, 3, 10, 17, 7, 0, 0, vietnam)
	from := stripFrom(now)
	if want := time.Date(2026, 3, 9, 17, 15, 0, 0, vietnam); !from.Equal(want) {
		t.Fatalf("it begins at %s", from)
	}
	at := func(n int, failed int64, took breaker.Times) breaker.Tally {
		return breaker.Tally{Quarter: from.Add(time.Duration(n) * breaker.Quarter), Failed: failed, Took: took}
	}
	for name, c := range map[string]struct {
		tallies []breaker.Tally
		drawn   string // class, place and height of each
		says    string
		median  string
		p95     string
	}{
		"nothing":         {nil, "none 0+288 0.8", "chưa gọi lần nào", "—", "—"},
		"all answered":    {[]breaker.Tally{at(0, 0, breaker.Times{3}), at(1, 0, breaker.Times{1})}, "answered 0+6 3.0, none 6+282 0.8", "gọi 4 lần, lỗi 0 lần (0,0 %)", "≤ 100", "≤ 100"},
		"all failed":      {[]breaker.Tally{at(95, 4, breaker.Times{})}, "none 0+285 0.8, failed 285+3 12.0", "gọi 4 lần, lỗi 4 lần (100,0 %)", "—", "—"},
		"one of 31":       {[]breaker.Tally{at(1, 1, breaker.Times{30})}, "none 0+3 0.8, failed 3+3 3.3, none 6+282 0.8", "gọi 31 lần, lỗi 1 lần (3,2 %)", "≤ 100", "≤ 100"},
		"two beside":      {[]breaker.Tally{at(0, 1, breaker.Times{1}), at(1, 1, breaker.Times{0, 0, 0, 0, 0, 0, 0, 1})}, "failed 0+3 7.5, failed 3+3 7.5, none 6+282 0.8", "gọi 4 lần, lỗi 2 lần (50,0 %)", "≤ 100", "> 10.000"},
		"of one quarter":  {[]breaker.Tally{at(0, 1, breaker.Times{}), at(0, 0, breaker.Times{1})}, "failed 0+3 7.5, none 3+285 0.8", "gọi 2 lần, lỗi 1 lần (50,0 %)", "≤ 100", "≤ 100"},
		"outside the day": {[]breaker.Tally{at(-1, 5, breaker.Times{5}), at(96, 5, breaker.Times{5})}, "none 0+288 0.8", "chưa gọi lần nào", "—", "—"},
		"many":            {[]breaker.Tally{at(0, 0, breaker.Times{0, 0, 0, 0, 0, 1234})}, "answered 0+3 3.0, none 3+285 0.8", "gọi 1.234 lần, lỗi 0 lần (0,0 %)", "≤ 5.000", "≤ 5.000"},
	} {
		t.Run(name, func(t *testing.T) {
			d := vietnamese.dayOf(c.tallies, now)
			var drawn []string
			for _, b := range d.Bars {
				drawn = append(drawn, fmt.Sprintf("%s %s+%s %s", b.Class, b.X, b.Width, b.Height))
				if (b.Class == "failed") != (b.Says != "") {
					t.Errorf("%s says %q", b.Class, b.Says)
				}
			}
			if got := strings.Join(drawn, ", "); got != c.drawn {
				t.Errorf("drawn %s, want %s", got, c.drawn)
			}
			if got := strings.ReplaceAll(d.Says, "\u00a0", " "); got != c.says || d.Median != c.median || d.P95 != c.p95 {
				t.Errorf("says %q, %s, %s", got, d.Median, d.P95)
			}
		})
	}
}

// The breaker stands above: nothing while it was closed, each other state its own shape.
func TestAStripOfABreaker(t *testing.T) {
	now := time.Date(2026, 3, 10, 17, 0, 0, 0, vietnam)
	change := func(state string, ago time.Duration) gateway.ProviderChange {
		return gateway.ProviderChange{AccountID: "a", Operation: "lookup", State: state, Since: now.Add(-ago)}
	}
	for name, c := range map[string]struct {
		changes []gateway.ProviderChange
		drawn   string
		says    string
	}{
		"nothing noted":       {nil, "", "24 giờ qua: thông suốt"},
		"open for an hour":    {[]gateway.ProviderChange{change("open", 2*time.Hour), change("closed", time.Hour)}, "open 6", "24 giờ qua: ngắt 1 lần, cộng 60 phút không thông"},
		"open since long ago": {[]gateway.ProviderChange{change("open", 100*time.Hour)}, "open 6", "24 giờ qua: ngắt 0 lần, cộng 1425 phút không thông"},
		"finding out":         {[]gateway.ProviderChange{change("open", 30*time.Minute), change("half_open", 10*time.Minute), change("closed", 5*time.Minute)}, "open 6, half_open 3", "24 giờ qua: ngắt 1 lần, cộng 25 phút không thông"},
	} {
		t.Run(name, func(t *testing.T) {
			out, says := vietnamese.strip(c.changes, "a", "lookup", now)
			var drawn []string
			for _, s := range out {
				drawn = append(drawn, s.Class+" "+s.Height)
			}
			if got := strings.Join(drawn, ", "); got != c.drawn || says != c.says {
				t.Errorf("%s; %s", got, says)
			}
		})
	}
}
