package reconciliation

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"feegate/gateway/vnd"
)

// How a payout was found.
const (
	PayoutNamed  = "named"  // the bank's text names the terminal and the days
	PayoutAmount = "amount" // it names terminal or provider, and its sum is that of one run of days alone
	PayoutPerson = "person" // a person said so
)

// settledDay is a day of an account that its provider owes us, or we owe it: what its files say, net of fees and refunds.
type settledDay struct {
	AccountID string     `db:"account_id"`
	Provider  string     `db:"provider"`
	Date      string     `db:"date"`
	Net       vnd.Signed `db:"net"`
	Closed    bool       `db:"closed"`
	Waits     bool       `db:"waits"` // it has payments and no file yet
}

func (d *settledDay) key() accountDay { return accountDay{d.AccountID, d.Date} }

// bankCredit is a line of the bank that may be a payout; below 0 the provider takes money back.
type bankCredit struct {
	ID          int64      `db:"id"`
	BankAccount string     `db:"bank_account"`
	Amount      vnd.Signed `db:"amount"`
	BookedOn    string     `db:"booked_on"`
	Account     string     `db:"hint_account"`
	Provider    string     `db:"hint_provider"`
	Days        []string   `db:"-"`
}

// payout is some credits that pay some days out.
type payout struct {
	Rule    string
	Bank    string
	Days    []settledDay
	Credits []bankCredit
}

// identity is what makes two payouts one: their lines, their days, and what these come to.
func (p *payout) identity() string {
	var b strings.Builder
	b.WriteString(p.Rule)
	for _, c := range p.Credits {
		b.WriteString("|" + vnd.Signed(c.ID).String())
	}
	for _, d := range p.Days {
		b.WriteString("|" + d.AccountID + " " + d.Date + " " + d.Net.String())
	}
	return b.String()
}

func (p *payout) sum() (s vnd.Signed) {
	for _, c := range p.Credits {
		s += c.Amount
	}
	return s
}

func (p *payout) net() (s vnd.Signed) {
	for _, d := range p.Days {
		s += d.Net
	}
	return s
}

func (p *payout) lines() (ids []int64) {
	for _, c := range p.Credits {
		ids = append(ids, c.ID)
	}
	return ids
}

func (p *payout) sort() {
	slices.SortFunc(p.Days, func(a, b settledDay) int {
		return cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(a.AccountID, b.AccountID))
	})
	slices.SortFunc(p.Credits, func(a, b bankCredit) int { return cmp.Compare(a.ID, b.ID) })
}

// payoutsOf says which credits pay which days out, by what the bank's text says: the answer depends on the rows alone, not on when they came.
// What is not certain is left out.
func payoutsOf(days []settledDay, credits []bankCredit) []payout {
	at := map[accountDay]int{}
	for i := range days {
		at[days[i].key()] = i
	}
	taken := make([]bool, len(days))
	out, rest := named(days, credits, at, taken)
	return append(out, bySum(days, rest, taken)...)
}

// named takes together what the texts tie together: a credit names its days, and two credits may name the same one. A day whose file has not
// come keeps all that is tied to it waiting.
func named(days []settledDay, credits []bankCredit, at map[accountDay]int, taken []bool) (out []payout, rest []bankCredit) {
	group := make([]int, len(days)) // union-find over days
	for i := range group {
		group[i] = i
	}
	find := func(i int) int {
		for group[i] != i {
			group[i] = group[group[i]]
			i = group[i]
		}
		return i
	}
	waits, of := map[int]bool{}, map[int][]bankCredit{}
	first := make([]int, len(credits))
	for n, c := range credits {
		first[n] = -1
		if c.Account == "" {
			continue
		}
		for _, d := range c.Days {
			i, known := at[accountDay{c.Account, d}]
			if !known {
				continue // nothing happened on it
			}
			if first[n] < 0 {
				first[n] = i
			} else {
				group[find(i)] = find(first[n])
			}
		}
	}
	for i := range days {
		if days[i].Waits {
			waits[find(i)] = true
		}
	}
	for n, c := range credits {
		switch {
		case first[n] < 0 && len(c.Days) == 0:
			rest = append(rest, c)
		case first[n] >= 0:
			of[find(first[n])] = append(of[find(first[n])], c)
		}
	}
	for root, cs := range of {
		if waits[root] {
			continue
		}
		p := payout{Rule: PayoutNamed, Bank: cs[0].BankAccount, Credits: cs}
		for i := range days {
			if find(i) == root {
				p.Days = append(p.Days, days[i])
				taken[i] = true
			}
		}
		p.sort()
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b payout) int { return cmp.Compare(a.Credits[0].ID, b.Credits[0].ID) })
	return out, rest
}

// A payout of several days covers at most so many, the last of them so long before it is booked.
const (
	maxRun    = 7
	runWithin = 10
)

// run is some days in a row of one account.
type run struct{ from, to int }

// runsOf gives the runs of days that come to a credit's sum.
func runsOf(days []settledDay, order []int, c *bankCredit, taken []bool) (out []run) {
	oldest := before(c.BookedOn, runWithin)
	for i := range order {
		var sum vnd.Signed
		for j := i; j < len(order) && j < i+maxRun; j++ {
			d := &days[order[j]]
			if taken[order[j]] || d.Waits || d.AccountID != days[order[i]].AccountID || d.Date >= c.BookedOn {
				break
			}
			if sum += d.Net; sum == c.Amount && d.Date >= oldest && d.Net != 0 && days[order[i]].Net != 0 {
				out = append(out, run{i, j})
			}
		}
	}
	return out
}

func before(day string, n int) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.AddDate(0, 0, -n).Format(time.DateOnly)
}

// inOrder is the days' order: by account, then by date.
func inOrder(days []settledDay) []int {
	order := make([]int, len(days))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(days[a].AccountID, days[b].AccountID), cmp.Compare(days[a].Date, days[b].Date))
	})
	return order
}

// bySum takes the credits that name an account or a provider and no day: where one run of days alone comes to the sum, and no other such credit
// could mean any of these days.
func bySum(days []settledDay, credits []bankCredit, taken []bool) (out []payout) {
	order := inOrder(days)
	all := make([][]run, len(credits))
	for n := range credits {
		c := &credits[n]
		for _, r := range runsOf(days, order, c, taken) {
			if d := &days[order[r.from]]; d.AccountID == c.Account || c.Account == "" && d.Provider == c.Provider {
				all[n] = append(all[n], r)
			}
		}
	}
	for n, c := range credits {
		if len(all[n]) != 1 {
			continue
		}
		r, alone := all[n][0], true
		for m := range credits {
			for _, o := range all[m] {
				if m != n && o.from <= r.to && r.from <= o.to {
					alone = false
				}
			}
		}
		if !alone {
			continue
		}
		p := payout{Rule: PayoutAmount, Bank: c.BankAccount, Credits: []bankCredit{c}}
		for i := r.from; i <= r.to; i++ {
			p.Days = append(p.Days, days[order[i]])
		}
		p.sort()
		out = append(out, p)
	}
	return out
}
