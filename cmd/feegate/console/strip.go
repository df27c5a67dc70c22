package console

import (
	"fmt"
	"time"

	"feegate/gateway"
	"feegate/providers"
	"feegate/providers/breaker"
	"feegate/reconciliation/adoption"
)

// A strip is a day: 96 quarters of an hour, the last of them the one that it is now. Above stands the breaker, below are the calls.
const (
	quarters    = int(24 * time.Hour / breaker.Quarter)
	quarterWide = 3
	stripWidth  = quarters * quarterWide
	stripHigh   = 20
	callsHigh   = 12  // of a quarter in which every call failed
	callsLow    = 3   // of one in which none did: lower than any failure, higher than no call
	nothingHigh = 0.8 // of one without a call
)

// stretch is a part of the last day in which the breaker was not closed.
type stretch struct {
	X, Y, Width, Height, Class string
}

// bar is a quarter of the last day, or several in a row without a failure.
type bar struct {
	X, Y, Width, Height, Class, Says string
}

// lastDay is what became of an operation's calls in all processes, over the last day.
type lastDay struct {
	Calls, Failed int64
	Median, P95   string // milliseconds
	Bars          []bar
	Says          string
}

// Share writes the share of the failed ones for people.
func (d *lastDay) Share() string {
	return percent(&adoption.Rate{Numerator: d.Failed, Denominator: d.Calls})
}

// stripFrom is when a strip that ends now begins.
func stripFrom(now time.Time) time.Time {
	return now.UTC().Truncate(breaker.Quarter).Add(-time.Duration(quarters-1) * breaker.Quarter)
}

// strip draws the breaker's last day from its changes; what nobody noted was closed.
func (in speech) strip(changes []gateway.ProviderChange, accountID, operation string, now time.Time) (out []stretch, says string) {
	from := stripFrom(now)
	at := func(when time.Time) float64 { return max(0, when.Sub(from).Hours()) / 24 * float64(stripWidth) }
	state, begun, open := "closed", from, time.Duration(0)
	end := func(until time.Time) {
		if until.After(begun) && state != "closed" {
			s := stretch{fmt.Sprintf("%.2f", at(begun)), "0", fmt.Sprintf("%.2f", max(0.8, at(until)-at(begun))), "6", state}
			if state == "half_open" {
				s.Y, s.Height = "3", "3"
			}
			out, open = append(out, s), open+until.Sub(begun)
		}
	}
	cuts := 0
	for _, ch := range changes {
		if ch.AccountID != accountID || ch.Operation != operation {
			continue
		}
		if ch.Since.After(from) {
			end(ch.Since)
			begun = ch.Since
			if ch.State == "open" {
				cuts++
			}
		}
		state = ch.State
	}
	end(now)
	if open == 0 {
		return out, in.Say("24 giờ qua: thông suốt")
	}
	return out, in.Sayf("24 giờ qua: ngắt %d lần, cộng %d phút không thông", cuts, int(open.Minutes()+0.5))
}

// operationOf names an operation of an account.
type operationOf struct {
	Account   string
	Operation providers.Operation
}

// byOperation sorts tallies to whom they are of.
func byOperation(tallies []breaker.Tally) map[operationOf][]breaker.Tally {
	out := map[operationOf][]breaker.Tally{}
	for _, t := range tallies {
		key := operationOf{t.Account, t.Operation}
		out[key] = append(out[key], t)
	}
	return out
}

// dayOf adds up an operation's tallies and draws them; those outside the day are left out.
func (in speech) dayOf(tallies []breaker.Tally, now time.Time) lastDay {
	from := stripFrom(now)
	var each [quarters]breaker.Tally
	var took breaker.Times
	d := lastDay{}
	for _, t := range tallies {
		n := int(t.Quarter.Sub(from) / breaker.Quarter)
		if t.Quarter.Before(from) || n >= quarters {
			continue
		}
		each[n].Failed += t.Failed
		each[n].Took.Add(t.Took)
		took.Add(t.Took)
		d.Calls, d.Failed = d.Calls+t.Calls(), d.Failed+t.Failed
	}
	d.Median, d.P95 = within(&took, 50), within(&took, 95)
	d.Says = in.Say("chưa gọi lần nào")
	if d.Calls > 0 {
		d.Says = in.Sayf("gọi %s lần, lỗi %s lần (%s)", count(d.Calls), count(d.Failed), d.Share())
	}
	d.Bars = in.barsOf(&each, from)
	return d
}

// barsOf draws quarters: the higher, the more of the calls failed. What is alike and tells nothing is drawn as one.
func (in speech) barsOf(each *[quarters]breaker.Tally, from time.Time) (out []bar) {
	begun := 0
	for n := range each {
		class, high, says := in.lookOf(&each[n], from.Add(time.Duration(n)*breaker.Quarter))
		if class == "failed" || n+1 == quarters || classOf(&each[n+1]) != class {
			out = append(out, bar{fmt.Sprint(begun * quarterWide), fmt.Sprintf("%.1f", stripHigh-high), fmt.Sprint((n + 1 - begun) * quarterWide), fmt.Sprintf("%.1f", high), class, says})
			begun = n + 1
		}
	}
	return out
}

// classOf says which of three a quarter is.
func classOf(t *breaker.Tally) string {
	switch {
	case t.Calls() == 0:
		return "none"
	case t.Failed == 0:
		return "answered"
	}
	return "failed"
}

// lookOf says how high a quarter is, and of one with failures what it was, in words.
func (in speech) lookOf(t *breaker.Tally, at time.Time) (class string, high float64, says string) {
	class = classOf(t)
	switch class {
	case "none":
		return class, nothingHigh, ""
	case "answered":
		return class, callsLow, ""
	}
	share := lastDay{Calls: t.Calls(), Failed: t.Failed}
	return class, callsLow + (callsHigh-callsLow)*float64(t.Failed)/float64(t.Calls()),
		in.Sayf("Từ %s, 15 phút: gọi %s lần, lỗi %s lần (%s)", at.In(vietnam).Format("15:04"), count(share.Calls), count(share.Failed), share.Share())
}

// within writes a percentile for people, in milliseconds: the bound that it does not exceed.
func within(t *breaker.Times, percent int64) string {
	bound, over := t.Within(percent)
	switch {
	case over:
		return "> " + count(bound.Milliseconds())
	case bound == 0:
		return "—"
	}
	return "≤ " + count(bound.Milliseconds())
}
