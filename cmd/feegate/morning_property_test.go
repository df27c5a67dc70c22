package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"feegate/gateway/identity"
)

// The whole morning through HTTP, against the truth that the simulator recorded: whatever was lost, invented, altered, doubled or moved in the files, in
// whatever order and in however many files they came, twice: every difference is found again and named, and nothing else is; no line is matched twice; every
// đồng of every line is matched, explained or open.

// mornings is a street whose two wallets pay out to one bank account, and what must be found on its days.
type mornings struct {
	*street
	rt      *rapid.T
	finance string
	bank    string
	first   time.Time
	serial  *int
	want    map[string]int // kind, account, day, effect, effect at the bank
	uploads []upload
	closing *string // of the bank's last statement; nil before the first
	closed  *string // of this one
	lines   int
}

// upload is one file on its way in.
type upload struct {
	settles, date string // the account and day of a settlement file; "" of a statement
	body          string
}

// changes are what the simulator says it did to a file.
type changes struct {
	File    string `json:"file"`
	Changes []struct {
		Kind      string `json:"kind"`
		Reference string `json:"reference"`
		Was       int    `json:"was"`
		Is        int    `json:"is"`
	} `json:"changes"`
}

func (m *mornings) expect(kind, account, day string, effect, bank int) {
	m.want[fmt.Sprintf("%s %s %s %d %d", kind, account, day, effect, bank)]++
}

func (m *mornings) spoilt(t *testing.T, address string) changes {
	t.Helper()
	r := m.send(http.MethodGet, m.sim+address+"&explain=true", nil, nil)
	if r.status != 200 {
		t.Fatalf("%s: %d %s", address, r.status, r.body)
	}
	var c changes
	if err := json.Unmarshal(r.body, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func feeOf(amount int) int { return (amount*110 + 5000) / 10000 }

// filed is an account's day: the rows of its spoilt file, the header first, and what they come to.
type filed struct {
	account, date string
	rows          []string
	touched       []string // references that something was done to
	net, doubled  int
}

// file makes an account's payments of a day and its spoilt file.
func (m *mornings) file(t *testing.T, account, terminal, date string) *filed {
	f := &filed{account: account, date: date}
	n := rapid.IntRange(0, 4).Draw(m.rt, "payments of "+account+" on "+date)
	m.take(account, *m.serial, n)
	*m.serial += n
	lose, alter, double := 0, 0, 0
	if n > 0 {
		lose = rapid.IntRange(0, 1).Draw(m.rt, "lost")
		alter = rapid.IntRange(0, min(1, n-lose)).Draw(m.rt, "altered")
		double = rapid.IntRange(0, min(1, n-lose-alter)).Draw(m.rt, "doubled")
	}
	c := m.spoilt(t, fmt.Sprintf("/control/%s/settlement?account=%s&date=%s&lose=%d&alter=%d&double=%d&invent=%d&seed=%d", strings.Split(account, "_")[1], terminal, date, lose, alter, double,
		rapid.IntRange(0, 1).Draw(m.rt, "invented"), rapid.IntRange(1, 1000).Draw(m.rt, "seed")))
	f.net = n * (50000 - feeOf(50000))
	for _, x := range c.Changes {
		f.touched = append(f.touched, x.Reference)
		switch x.Kind {
		case "lost":
			m.expect("missing_at_provider", account, date, x.Was, 0)
			f.net -= x.Was - feeOf(x.Was)
		case "altered":
			m.expect("amount_mismatch", account, date, x.Was-x.Is, 0)
			f.net += x.Is - feeOf(x.Is) - (x.Was - feeOf(x.Was))
		case "invented":
			m.expect("missing_at_gateway", account, date, -x.Is, 0)
			f.net += x.Is - feeOf(x.Is)
		case "doubled":
			m.expect("duplicate_line", account, date, -x.Was, x.Was-feeOf(x.Was))
			f.net += x.Was - feeOf(x.Was)
			f.doubled += x.Was - feeOf(x.Was)
		default:
			t.Fatalf("the simulator did %q", x.Kind)
		}
	}
	f.rows = slices.DeleteFunc(strings.SplitAfter(strings.TrimRight(c.File, "\r\n")+"\n", "\n"), func(r string) bool { return r == "" || strings.HasPrefix(r, "TOTAL") })
	return f
}

// moveLine lets a line that nothing was done to come with the next day's file.
func (m *mornings) moveLine(from, to *filed) {
	if len(from.rows) < 3 || len(to.rows) < 2 || !rapid.Bool().Draw(m.rt, "a line moves") {
		return
	}
	for i := 1; i < len(from.rows); i++ {
		if slices.ContainsFunc(from.touched, func(ref string) bool { return strings.Contains(from.rows[i], ref) }) {
			continue
		}
		to.rows = append(to.rows, from.rows[i])
		from.rows = slices.Delete(from.rows, i, i+1)
		from.net -= 50000 - feeOf(50000)
		to.net += 50000 - feeOf(50000)
		m.expect("late", from.account, from.date, 50000, 0)
		m.expect("late", to.account, to.date, -50000, 0)
		return
	}
}

// parts hands a file in as one or two, the second with all that the first had, and maybe each of them twice.
func (m *mornings) parts(f *filed) {
	account, date, rows := f.account, f.date, f.rows
	if len(rows) == 1 {
		rows = append(rows, "TOTAL,0,0,0,0\n")
	} else if len(rows) > 2 && rapid.Bool().Draw(m.rt, "in two parts") {
		cut := rapid.IntRange(2, len(rows)-1).Draw(m.rt, "first part")
		m.uploads = append(m.uploads, upload{account, date, strings.Join(rows[:cut], "")})
	}
	m.uploads = append(m.uploads, upload{account, date, strings.Join(rows, "")})
}

// paidBy hands in the bank's file of both accounts' payouts, spoilt too, and gives what each day was paid by it.
func (m *mornings) paidBy(t *testing.T) map[string]int {
	t.Helper()
	from, to := m.first.AddDate(0, 0, 1).Format(time.DateOnly), m.first.AddDate(0, 0, 3).Format(time.DateOnly)
	address := "/control/bank/statement?account=" + m.bank + "&date=" + from + "&to=" + to
	count := strings.Count(m.spoilt(t, address).File, " GD NGAY ")
	lose, alter, double := 0, 0, 0
	if count > 0 {
		lose = rapid.IntRange(0, 1).Draw(m.rt, "payouts lost")
		alter = rapid.IntRange(0, min(1, count-lose)).Draw(m.rt, "payouts altered")
		double = rapid.IntRange(0, min(1, count-lose-alter)).Draw(m.rt, "payouts doubled")
	}
	c := m.spoilt(t, fmt.Sprintf("%s&lose=%d&alter=%d&double=%d&invent=%d&seed=%d", address, lose, alter, double, rapid.IntRange(0, 1).Draw(m.rt, "credits invented"), rapid.IntRange(1, 1000).Draw(m.rt, "bank seed")))
	paid := map[string]int{}
	for _, row := range strings.Split(c.File, "\r\n") {
		cells := strings.Split(row, ";")
		switch {
		case strings.HasPrefix(row, "Số dư đầu kỳ"):
			if m.closing != nil && *m.closing != cells[1] {
				m.expect("statement_gap", "acc_momo_7", from, 0, 0)
				m.expect("statement_gap", "acc_vnpay_7", from, 0, 0)
			}
		case strings.HasPrefix(row, "Số dư cuối kỳ"):
			*m.closed = cells[1]
		}
		if len(cells) < 7 || !strings.HasPrefix(cells[2], "FT") {
			continue
		}
		amount, err := strconv.Atoi(strings.ReplaceAll(cells[4], ".", ""))
		if err != nil {
			t.Fatal(row)
		}
		words := strings.Fields(cells[6])
		if words[len(words)-2] != "NGAY" { // nobody's
			m.expect("bank_unmatched", "acc_momo_7", cells[1][6:10]+"-"+cells[1][3:5]+"-"+cells[1][:2], 0, -amount)
			continue
		}
		of, err := time.Parse("02/01/2006", words[len(words)-1])
		if err != nil {
			t.Fatal(row)
		}
		paid["acc_"+strings.ToLower(words[0])+"_7 "+of.Format(time.DateOnly)] += amount
	}
	m.uploads = append(m.uploads, upload{"", "", c.File})
	return paid
}

// hand imports all files, in any order, some of them twice; of one day's files the longer one comes later.
func (m *mornings) hand(t *testing.T) (imports []string) {
	t.Helper()
	order := rapid.Permutation(m.uploads).Draw(m.rt, "order")
	for i := range order {
		for j := i + 1; j < len(order); j++ {
			if order[i].settles == order[j].settles && order[i].date == order[j].date && len(order[i].body) > len(order[j].body) {
				order[i], order[j] = order[j], order[i]
			}
		}
	}
	for _, u := range order {
		for status := 201; ; status = 200 {
			r := m.statementFile(m.finance, "", u.body)
			if u.settles != "" {
				r = m.uploadTo(m.finance, "/v1/settlements", "account_id", u.settles, "date", u.date, "file", u.body)
			}
			id := m.ok(r, status)["id"].(string)
			if status == 201 {
				imports = append(imports, id)
			}
			if status == 200 || !rapid.Bool().Draw(m.rt, "twice") {
				break
			}
		}
	}
	m.move(12 * 24 * time.Hour) // what is not paid by now is missed, over whatever holidays
	for n := 1; n > 0; {
		if _, err := m.app.reconciler.MarkDue(t.Context(), 1000); err != nil {
			t.Fatal(err)
		}
		var err error
		if n, err = m.app.reconciler.MatchDue(t.Context(), 1000); err != nil {
			t.Fatal(err)
		}
	}
	return imports
}

// check holds what was found to the truth.
func (m *mornings) check(t *testing.T, imports []string) {
	t.Helper()
	got := map[string]int{}
	from, to := m.first.Format(time.DateOnly), m.first.AddDate(0, 0, 5).Format(time.DateOnly)
	for _, account := range []string{"acc_vnpay_7", "acc_momo_7"} {
		for _, d := range m.list(m.finance, "account_id="+account+"&from="+from+"&to="+to) {
			if d["status"] == "resolved" { // what was named on the way and healed by what came
				continue
			}
			got[fmt.Sprintf("%s %s %s %.0f %.0f", d["kind"], account, d["date"], d["effect"], d["bank_effect"])]++
		}
		for d := range 4 {
			date := m.first.AddDate(0, 0, d).Format(time.DateOnly)
			day := m.dayOf(m.finance, account, date)
			if bank := day["bank_side"].(map[string]any); day["unexplained_difference"] != 0.0 || bank["unexplained_difference"] != 0.0 {
				m.rt.Errorf("%s of %s is not explained: %s", account, date, side(day))
			}
		}
	}
	if !maps.Equal(got, m.want) {
		for _, k := range slices.Sorted(maps.Keys(m.want)) {
			if got[k] != m.want[k] {
				m.rt.Errorf("%s: found %d times, in truth %d", k, got[k], m.want[k])
			}
		}
		for _, k := range slices.Sorted(maps.Keys(got)) {
			if m.want[k] == 0 {
				m.rt.Errorf("%s: found and not true", k)
			}
		}
	}
	seen, sum := map[string]bool{}, map[string]float64{}
	for _, id := range imports {
		for _, i := range m.ok(m.as(m.finance, http.MethodGet, "/v1/imports/"+id+"/lines?limit=200", "", nil), 200)["items"].([]any) {
			l := i.(map[string]any)
			standing, _ := l["standing"].(string)
			sum[standing] += l["amount"].(float64)
			if p, _ := l["payment_id"].(string); p != "" && l["net"] != nil {
				if seen[p] {
					m.rt.Errorf("%s is matched twice", p)
				}
				seen[p] = true
			}
		}
		imp := m.ok(m.as(m.finance, http.MethodGet, "/v1/imports/"+id, "", nil), 200)
		m.lines += int(imp["added"].(float64))
	}
	for standing := range sum {
		if !slices.Contains([]string{"matched", "explained", "open"}, standing) {
			m.rt.Errorf("%.0f đ are %q", sum[standing], standing)
		}
	}
	if n := m.count(`SELECT coalesce(sum(CASE WHEN to_account LIKE 'clearing:acc_%_7' THEN amount ELSE 0 END) - sum(CASE WHEN from_account LIKE 'clearing:acc_%_7' THEN amount ELSE 0 END), 0) FROM moves`); n != m.difference(t) {
		m.rt.Errorf("clearing holds %d, the days' differences are %d", n, m.difference(t))
	}
}

// difference is what all days of both accounts differ by, gross: what clearing holds.
func (m *mornings) difference(t *testing.T) int {
	t.Helper()
	return m.count(`SELECT (SELECT coalesce(sum(received_amount), 0) FROM payments WHERE status = 'succeeded' AND account_id LIKE 'acc_%_7')
		- (SELECT coalesce(sum(amount), 0) FROM settlement_lines WHERE superseded_at IS NULL AND success AND account_id LIKE 'acc_%_7')`)
}

func TestEveryMorningFindsTheTruth(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	finance := s.person("mai", []identity.Role{identity.Finance})
	serial, runs := 0, 0
	var closing *string
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > 25 && !rt.Failed() { // each is a whole week over HTTP
			return
		}
		var closed string
		m := &mornings{street: s, rt: rt, finance: finance, bank: bank, serial: &serial, want: map[string]int{}, first: s.world.Now(), closing: closing, closed: &closed}
		days := map[string][]*filed{}
		for d := range 2 {
			date := m.first.AddDate(0, 0, d).Format(time.DateOnly)
			days["acc_vnpay_7"] = append(days["acc_vnpay_7"], m.file(t, "acc_vnpay_7", "FEEGATE7", date))
			days["acc_momo_7"] = append(days["acc_momo_7"], m.file(t, "acc_momo_7", "FEEGATEMOMO7", date))
			s.move(24 * time.Hour)
		}
		paid := m.paidBy(t)
		for _, account := range []string{"acc_vnpay_7", "acc_momo_7"} {
			m.moveLine(days[account][0], days[account][1])
			for _, f := range days[account] {
				m.parts(f)
				if left := f.net - paid[account+" "+f.date] - f.doubled; left > 0 {
					m.expect("bank_short", account, f.date, 0, left)
				} else if left < 0 {
					m.expect("bank_over", account, f.date, 0, left)
				}
			}
		}
		m.check(t, m.hand(t))
		closing = &closed
	})
}
