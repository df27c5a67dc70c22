package reconciliation_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/providers/sim"
)

// due is when a day's file is missed, as the database says.
func (m *morning) due(day string) string {
	m.t.Helper()
	return m.text(`SELECT to_char(settlement_due($1, $2) AT TIME ZONE 'UTC' + interval '7 hours', 'YYYY-MM-DD HH24:MI')`, acc, day)
}

// terms changes the account as an admin does.
func (m *morning) terms(c account.Change) {
	m.t.Helper()
	e, err := m.accounts.Get(m.t.Context(), acc)
	if err != nil {
		m.t.Fatal(err)
	}
	c.Version = e.Account.Version
	by := account.By{ID: "test", Record: func(context.Context, sqlx.ExtContext, string, string, map[string]any) error { return nil }}
	if err := m.accounts.Change(m.t.Context(), acc, c, by); err != nil {
		m.t.Fatal(err)
	}
}

func TestAFileIsDueByTheAccountsCalendar(t *testing.T) {
	m := newMorning(t)
	workdays, at := []int{1, 2, 3, 4, 5}, func(s string) *string { return &s }
	for name, c := range map[string]struct {
		cutoff   *string
		calendar *account.Calendar
		day      string
		want     string
	}{
		"as it was before anybody said":                  {nil, nil, "2026-03-10", "2026-03-11 07:30"},
		"on a Friday, working days":                      {nil, &account.Calendar{Weekdays: workdays, Days: 1}, "2026-03-13", "2026-03-16 07:30"},
		"on a Saturday, working days":                    {nil, &account.Calendar{Weekdays: workdays, Days: 1}, "2026-03-14", "2026-03-16 07:30"},
		"two working days, with a cut-off":               {at("17:30"), &account.Calendar{Weekdays: workdays, Days: 2}, "2026-03-12", "2026-03-17 07:30"},
		"over a holiday":                                 {at("00:00"), &account.Calendar{Weekdays: workdays, Days: 1, Holidays: []string{"2026-04-30", "2026-05-01"}}, "2026-04-29", "2026-05-04 07:30"},
		"the same day":                                   {nil, &account.Calendar{Weekdays: workdays, Days: 0}, "2026-03-10", "2026-03-11 07:30"},
		"the same day, which is no day of it":            {nil, &account.Calendar{Weekdays: workdays, Days: 0}, "2026-03-14", "2026-03-16 07:30"},
		"over Tết, of an account that settles every day": {nil, nil, "2026-02-13", "2026-02-23 07:30"},
		"before a day made good":                         {nil, nil, "2026-04-24", "2026-04-28 07:30"},
		"once a week":                                    {nil, &account.Calendar{Weekdays: []int{1}, Days: 2}, "2026-03-10", "2026-03-23 07:30"},
	} {
		everyDay, midnight := account.EveryDay(), "00:00"
		m.terms(account.Change{Calendar: &everyDay, Cutoff: &midnight})
		m.terms(account.Change{Calendar: c.calendar, Cutoff: c.cutoff})
		if got := m.due(c.day); got != c.want {
			t.Errorf("%s: %s is due %s, want %s", name, c.day, got, c.want)
		}
	}
}

// Counted by hand, day by day, it is the same.
func TestDueDaysCountedByHand(t *testing.T) {
	m := newMorning(t)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var off []string
	if err := m.db.SelectContext(t.Context(), &off, `SELECT date::text FROM holidays`); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		c := account.Calendar{Days: rapid.IntRange(0, 10).Draw(t, "days"), Weekdays: rapid.SliceOfNDistinct(rapid.IntRange(1, 7), 1, 7, rapid.ID[int]).Draw(t, "weekdays")}
		day := start.AddDate(0, 0, rapid.IntRange(0, 400).Draw(t, "day"))
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 30), 0, 8, rapid.ID[int]).Draw(t, "holidays") {
			c.Holidays = append(c.Holidays, day.AddDate(0, 0, n).Format(time.DateOnly))
		}
		settles := func(d time.Time) bool {
			weekday := (int(d.Weekday())+6)%7 + 1
			return slices.Contains(c.Weekdays, weekday) && !slices.Contains(c.Holidays, d.Format(time.DateOnly))
		}
		want, left := day, c.Days
		if c.Days == 0 {
			for !settles(want) {
				want = want.AddDate(0, 0, 1)
			}
		}
		for left > 0 {
			if want = want.AddDate(0, 0, 1); settles(want) {
				left--
			}
		}
		// Missed at half past seven of the first working day after the day itself by which it is settled and its cut-off has passed.
		cutoff := rapid.SampledFrom([]string{"00:00", "07:30", "07:31", "17:30"}).Draw(t, "cutoff")
		missed := want
		if cutoff > "07:30" || missed.Equal(day) {
			missed = missed.AddDate(0, 0, 1)
		}
		for missed.Weekday() == time.Saturday || missed.Weekday() == time.Sunday || slices.Contains(off, missed.Format(time.DateOnly)) {
			missed = missed.AddDate(0, 0, 1)
		}
		m.terms(account.Change{Calendar: &c, Cutoff: &cutoff})
		if got := m.due(day.Format(time.DateOnly)); got != missed.Format(time.DateOnly)+" 07:30" {
			t.Fatalf("%s is due %s, counted %s", day.Format(time.DateOnly), got, missed.Format(time.DateOnly))
		}
	})
}

func TestAMissingFileIsNamedWhenItIsDue(t *testing.T) {
	m := newMorning(t) // Tuesday the 10th, 9 o'clock
	m.paid(1, 2, 50000, true)
	cutoff := "17:30"
	m.terms(account.Change{Cutoff: &cutoff, Calendar: &account.Calendar{Weekdays: []int{1, 2, 3, 4, 5}, Days: 3, Holidays: []string{"2026-03-12"}}}) // settles on Monday the 16th
	for _, step := range []struct {
		at   time.Time
		want map[string]int
	}{
		{time.Date(2026, 3, 12, 9, 0, 0, 0, sim.Zone()), map[string]int{}}, // by the old rule it would be due
		{time.Date(2026, 3, 17, 7, 29, 0, 0, sim.Zone()), map[string]int{}},
		{time.Date(2026, 3, 17, 7, 31, 0, 0, sim.Zone()), map[string]int{"file_missing": 1}},
	} {
		if err := m.world.Clock().Set(step.at); err != nil {
			t.Fatal(err)
		}
		if err := m.r.Match(t.Context(), acc, day); err != nil {
			t.Fatal(err)
		}
		if d := m.day(); !maps.Equal(d.Discrepancies, step.want) {
			t.Errorf("at %s: %v, want %v", step.at, d.Discrepancies, step.want)
		}
	}
}

func TestFeesAreHeldToTheTariffOfTheirDay(t *testing.T) {
	m := newMorning(t)
	m.paid(1, 2, 50000, true)
	m.terms(account.Change{Tariff: &vnd.Tariff{BPS: 200}, TariffFrom: "2026-03-11"}) // of tomorrow: today's stays
	if _, err := m.in(m.file(sim.Changes{})); err != nil {
		t.Fatal(err)
	}
	if d := m.day(); len(d.Discrepancies) != 0 {
		t.Errorf("before the new tariff: %v", d.Discrepancies)
	}
	m.terms(account.Change{Tariff: &vnd.Tariff{BPS: 200}, TariffFrom: day})
	if err := m.r.Match(t.Context(), acc, day); err != nil {
		t.Fatal(err)
	}
	if d := m.day(); !maps.Equal(d.Discrepancies, map[string]int{"fee_mismatch": 2}) {
		t.Errorf("under the new tariff: %v", d.Discrepancies)
	}
}
