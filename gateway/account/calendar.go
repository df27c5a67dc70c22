package account

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Calendar says when a provider settles a day: on the Days-th settling day after it.
type Calendar struct {
	Weekdays []int    `json:"weekdays"` // on which it settles; 1 is Monday, 7 Sunday
	Days     int      `json:"days"`
	Holidays []string `json:"holidays"` // YYYY-MM-DD on which it does not settle
}

// EveryDay is the calendar of those who said nothing: the next day, each day.
func EveryDay() Calendar {
	return Calendar{Weekdays: []int{1, 2, 3, 4, 5, 6, 7}, Days: 1, Holidays: []string{}}
}

const maxHolidays = 200

// check says what is wrong with a calendar, and puts it in order.
func (c *Calendar) check(f *faults) {
	slices.Sort(c.Weekdays)
	if slices.Sort(c.Holidays); c.Holidays == nil {
		c.Holidays = []string{}
	}
	c.Holidays = slices.Compact(c.Holidays)
	if len(c.Weekdays) == 0 || len(slices.Compact(slices.Clone(c.Weekdays))) != len(c.Weekdays) || c.Weekdays[0] < 1 || c.Weekdays[len(c.Weekdays)-1] > 7 {
		f.add("calendar.weekdays", "must be one or more of 1 (Monday) to 7 (Sunday), each once")
	}
	if c.Days < 0 || c.Days > 10 {
		f.add("calendar.days", "must be 0 to 10")
	}
	if len(c.Holidays) > maxHolidays {
		f.add("calendar.holidays", "must be at most %d days", maxHolidays)
	}
	for i, h := range c.Holidays[:min(len(c.Holidays), maxHolidays)] {
		if !isDate(h) {
			f.add(fmt.Sprintf("calendar.holidays[%d]", i), "must be a day, 2026-04-30 say")
		}
	}
}

func isDate(s string) bool {
	t, err := time.Parse(time.DateOnly, s)
	return err == nil && t.Year() >= 2000 && t.Year() < 2200
}

var clockTime = regexp.MustCompile(`^([01]\d|2[0-3]):[0-5]\d$`)
