package reconciliation

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/providers"
)

func wallet(id, provider, terminal string) *account.Entry {
	return &account.Entry{Account: account.Account{ID: id, Provider: provider, Terminal: terminal}}
}

func TestWhatABanksTextSaysOfAPayout(t *testing.T) {
	sepay := wallet("acc_s", "sepay", "0123456789")
	sepay.Account.Registration = providers.Registration{Transfers: true}
	accounts := []*account.Entry{wallet("acc_v", "vnpay", "FEEGATE1"), wallet("acc_m", "momo", "FEEGATE-MOMO"), wallet("acc_m2", "momo", "FEEGATEMOMO2"), sepay}
	for text, want := range map[string]string{
		"VNPAY FEEGATE1 TT GD NGAY 10/03/2026":                           "acc_v  2026-03-10",
		"TT feegate1 cho ngày 10.03.2026, 11-03-2026":                    "acc_v  2026-03-10 2026-03-11",
		"FEEGATE1 TU 09/03/2026 DEN NGAY 11/03/2026":                     "acc_v  2026-03-09 2026-03-10 2026-03-11",
		"FEEGATE1 20260309-20260310":                                     "acc_v  2026-03-09 2026-03-10",
		"FEEGATE1 10032026":                                              "acc_v  2026-03-10",
		"FEEGATE1 2026-03-10":                                            "acc_v  2026-03-10",
		"FEEGATE-MOMO ky 1":                                              "acc_m ",
		"VNPAY TRA TIEN":                                                 " vnpay",
		"MOMO TRA TIEN 10/03/2026":                                       " momo 2026-03-10",
		"FEEGATE12 TT GD NGAY 10/03/2026":                                " ",      // another terminal's name is in none
		"FEEGATE1 VA FEEGATE-MOMO":                                       " ",      // two of them: a person says
		"0123456789 NGUYEN VAN A":                                        " ",      // payers pay into it
		"FEEGATE1 NGAY 13/03/2026":                                       "acc_v ", // after the booking
		"FEEGATE1 NGAY 31/02/2026":                                       "acc_v ",
		"FEEGATE1 NGAY 10/03/2025":                                       "acc_v ", // a year before
		"FEEGATE1 HD 123456789012 NGAY 10/03/2026 GHI SO 12/03/2026":     "acc_v  2026-03-10 2026-03-12",
		strings.Repeat("x", 5000) + " FEEGATE1 10/03/2026 to 12/03/2026": "acc_v  2026-03-10 2026-03-11 2026-03-12",
	} {
		h := hintOf(text, "2026-03-12", accounts)
		if got := strings.TrimRight(h.Account+" "+h.Provider+" "+strings.Join(h.Days, " "), " "); got != strings.TrimRight(want, " ") {
			t.Errorf("%.60q says %q, want %q", text, got, want)
		}
	}
}

func shown(all []payout) string {
	var out []string
	for _, p := range all {
		s := p.Rule + ":"
		for _, c := range p.Credits {
			s += fmt.Sprintf(" %d", c.ID)
		}
		for _, d := range p.Days {
			s += " " + d.AccountID + d.Date[8:]
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func TestPayoutsByRule(t *testing.T) {
	day := func(account string, d int, net vnd.Signed) settledDay {
		return settledDay{AccountID: account, Provider: "vnpay", Date: fmt.Sprintf("2026-03-%02d", d), Net: net}
	}
	credit := func(id int64, amount vnd.Signed, account string, days ...string) bankCredit {
		c := bankCredit{ID: id, BankAccount: "1", Amount: amount, BookedOn: "2026-03-12", Account: account}
		for _, d := range days {
			c.Days = append(c.Days, "2026-03-"+d)
		}
		return c
	}
	waits := day("v", 10, 100)
	waits.Waits = true
	for name, c := range map[string]struct {
		days    []settledDay
		credits []bankCredit
		want    string
	}{
		"one to one, whatever the sum":           {[]settledDay{day("v", 10, 100)}, []bankCredit{credit(1, 90, "v", "10")}, "named: 1 v10"},
		"several days":                           {[]settledDay{day("v", 9, 100), day("v", 10, 50)}, []bankCredit{credit(1, 150, "v", "09", "10")}, "named: 1 v09 v10"},
		"one day in two parts":                   {[]settledDay{day("v", 10, 100)}, []bankCredit{credit(1, 60, "v", "10"), credit(2, 40, "v", "10")}, "named: 1 2 v10"},
		"a day whose file has not come waits":    {[]settledDay{waits, day("v", 9, 10)}, []bankCredit{credit(1, 110, "v", "09", "10")}, ""},
		"a day on which nothing was":             {[]settledDay{day("v", 9, 10)}, []bankCredit{credit(1, 10, "v", "09", "10")}, "named: 1 v09"},
		"money taken back":                       {[]settledDay{day("v", 10, -100)}, []bankCredit{credit(1, -100, "v", "10")}, "named: 1 v10"},
		"no day named, one run comes to it":      {[]settledDay{day("v", 9, 70), day("v", 10, 50), day("v", 11, 60)}, []bankCredit{credit(1, 110, "v")}, "amount: 1 v10 v11"},
		"no day named, two runs come to it":      {[]settledDay{day("v", 10, 100), day("v", 11, 100)}, []bankCredit{credit(1, 100, "v")}, ""},
		"no day named, two credits could be it":  {[]settledDay{day("v", 10, 100)}, []bankCredit{credit(1, 100, "v"), credit(2, 100, "v")}, ""},
		"a named one goes first":                 {[]settledDay{day("v", 10, 100), day("v", 11, 100)}, []bankCredit{credit(1, 100, "v"), credit(2, 100, "v", "10")}, "amount: 1 v11; named: 2 v10"},
		"nobody's name, equal sum: never guess":  {[]settledDay{day("v", 10, 100)}, []bankCredit{credit(1, 100, "")}, ""},
		"too long ago":                           {[]settledDay{day("v", 1, 100)}, []bankCredit{credit(1, 100, "v")}, ""},
		"the day of the booking is not over yet": {[]settledDay{day("v", 12, 100)}, []bankCredit{credit(1, 100, "v")}, ""},
	} {
		if got := shown(payoutsOf(c.days, c.credits)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Nothing is paid out twice or by two, and the order in which the rows come changes nothing.
func TestPayoutsAreExclusiveWhateverTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var days []settledDay
		for d := range rapid.IntRange(0, 8).Draw(t, "days") {
			for _, account := range []string{"v", "w"} {
				days = append(days, settledDay{AccountID: account, Provider: "vnpay", Date: fmt.Sprintf("2026-03-%02d", d+1), Net: vnd.Signed(rapid.IntRange(-1, 3).Draw(t, "net") * 100), Waits: rapid.IntRange(0, 9).Draw(t, "waits") == 0})
			}
		}
		var credits []bankCredit
		for n := range rapid.IntRange(0, 8).Draw(t, "credits") {
			c := bankCredit{ID: int64(n + 1), BankAccount: "1", Amount: vnd.Signed(rapid.IntRange(-2, 6).Draw(t, "amount") * 100), BookedOn: fmt.Sprintf("2026-03-%02d", rapid.IntRange(2, 12).Draw(t, "booked")),
				Account: rapid.SampledFrom([]string{"v", "w", ""}).Draw(t, "account"), Provider: rapid.SampledFrom([]string{"", "vnpay"}).Draw(t, "provider")}
			for range rapid.IntRange(0, 2).Draw(t, "named") {
				c.Days = append(c.Days, fmt.Sprintf("2026-03-%02d", rapid.IntRange(1, 9).Draw(t, "day")))
			}
			slices.Sort(c.Days)
			c.Days = slices.Compact(c.Days)
			credits = append(credits, c)
		}
		first := payoutsOf(slices.Clone(days), slices.Clone(credits))
		used := map[string]bool{}
		once := func(what string) {
			if used[what] {
				t.Fatalf("%s is used twice: %s", what, shown(first))
			}
			used[what] = true
		}
		for _, p := range first {
			for _, c := range p.Credits {
				once(fmt.Sprint("credit ", c.ID))
			}
			for _, d := range p.Days {
				if d.Waits {
					t.Fatalf("%s waits and is paid", d.Date)
				}
				once(d.AccountID + d.Date)
			}
			if p.Rule == PayoutAmount && p.sum() != p.net() {
				t.Fatalf("found by a sum that is not: %s", shown(first))
			}
		}
		if again := shown(payoutsOf(rapid.Permutation(days).Draw(t, "days' order"), rapid.Permutation(credits).Draw(t, "credits' order"))); again != shown(first) {
			t.Fatalf("%s, in another order %s", shown(first), again)
		}
	})
}

func TestSumsOfOneTwoOrThree(t *testing.T) {
	lines := []ExplainingLine{{ID: "a", Amount: 10}, {ID: "b", Amount: 20}, {ID: "c", Amount: 30}, {ID: "d", Amount: -30}, {ID: "e", Amount: 1000}}
	for sum, want := range map[vnd.Signed]string{30: "c ab", 60: "abc", 1000: "e cde", 7: "", 1030: "ce abe", -20: "ad"} {
		var got []string
		for _, found := range sumsTo(lines, sum) {
			s := ""
			for _, l := range found {
				s += l.ID
			}
			got = append(got, s)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%d: %v, want %s", sum, got, want)
		}
	}
}
