package reconciliation

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"feegate/gateway/account"
	"feegate/reconciliation/statement"
)

// hint is what a bank's line says of itself: whose payout it is, and of which days. A sum of money says nothing.
type hint struct {
	Account  string   // the merchant account whose terminal it names
	Provider string   // that it names, where no terminal is
	Days     []string // YYYY-MM-DD, in order
}

// hintWithin is how long before its booking the days of a payout may lie.
const hintWithin = 60

// hintOf reads a line's text. accounts are those whose money comes into the bank account.
func hintOf(text, booked string, accounts []*account.Entry) hint {
	var h hint
	words := " " + statement.Fold(text) + " "
	var named, ofProvider []*account.Entry
	for _, e := range accounts {
		if e.Account.Registration.Transfers {
			continue // payers pay into it: nobody pays it out
		}
		if t := statement.Fold(e.Account.Terminal); t != "" && strings.Contains(words, " "+t+" ") {
			named = append(named, e)
		}
		if strings.Contains(words, " "+strings.ToUpper(e.Account.Provider)+" ") {
			ofProvider = append(ofProvider, e)
		}
	}
	switch {
	case len(named) == 1:
		h.Account = named[0].Account.ID
	case len(named) > 1: // two accounts in one text: a person says
	case len(ofProvider) == 1:
		h.Provider = ofProvider[0].Account.Provider
	case len(ofProvider) > 1:
		h.Provider = ofProvider[0].Account.Provider
	}
	if h.Account == "" && h.Provider == "" {
		return h
	}
	h.Days = daysIn(text, booked)
	return h
}

var (
	aDay  = regexp.MustCompile(`\b(?:(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})|(\d{4})-(\d{2})-(\d{2})|(\d{2})(\d{2})(20\d{2})|(20\d{2})(\d{2})(\d{2}))\b`)
	until = regexp.MustCompile(`(?i)^\s*(?:-|–|den|đến|to)\s*(?:ngay|ngày)?\s*$`)
)

// daysIn finds the days that a text names, before its booking: one, several, or a range.
func daysIn(text, booked string) []string {
	last, err := time.Parse(time.DateOnly, booked)
	if err != nil {
		return nil
	}
	var days []time.Time
	ranged := false
	end := 0
	for _, m := range aDay.FindAllStringSubmatchIndex(text, -1) {
		part := func(n int) string {
			if m[2*n] < 0 {
				return ""
			}
			return text[m[2*n]:m[2*n+1]]
		}
		var y, mo, d string
		switch {
		case part(3) != "":
			d, mo, y = part(1), part(2), part(3)
		case part(4) != "":
			y, mo, d = part(4), part(5), part(6)
		case part(9) != "":
			d, mo, y = part(7), part(8), part(9)
		default:
			y, mo, d = part(10), part(11), part(12)
		}
		t, err := time.Parse("2006-1-2", y+"-"+strings.TrimLeft(mo, "0")+"-"+strings.TrimLeft(d, "0"))
		if err != nil || t.After(last) || t.Before(last.AddDate(0, 0, -hintWithin)) {
			continue
		}
		if len(days) == 1 && until.MatchString(text[end:m[0]]) && t.After(days[0]) {
			ranged = true
		}
		days, end = append(days, t), m[1]
	}
	if ranged && len(days) == 2 {
		for t := days[0].AddDate(0, 0, 1); t.Before(days[len(days)-1]); t = t.AddDate(0, 0, 1) {
			days = append(days, t)
		}
	}
	var out []string
	for _, t := range days {
		out = append(out, t.Format(time.DateOnly))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
