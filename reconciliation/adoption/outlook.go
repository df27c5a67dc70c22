package adoption

import (
	"context"
	"math"
	"math/big"
	"slices"
	"sort"
	"time"

	"feegate/gateway"
)

// The numbers of the looking ahead. docs/adoption.md says the method in words.
const (
	outlookMonths  = 12 // complete months that the trend is read from, at most
	outlookLeast   = 3  // and at least
	outlookUnits   = 30 // paid orders that a month must have to say anything
	paceDays       = 90 // the pace of payments: paid orders of the last so many days
	easePrior      = 10 // paid orders' worth of the province's rate that a procedure's own rate is mixed with
	moversShown    = 10
	intervalWidth  = 90 // percent
	reasonFew      = "fewer than 3 complete months with 30 paid orders each"
	reasonFewVI    = "chưa đủ 3 tháng trọn vẹn có từ 30 đơn thu"
	reasonNoneLeft = "the period is over"
)

// Outlook is where the rate is going: for the province and each agency, against the next target.
type Outlook struct {
	Definition string    `json:"definition"`
	On         string    `json:"on"`
	AsOf       time.Time `json:"as_of"`
	Target     *Aim      `json:"target"` // null: there is none
	Province   Course    `json:"province"`
	Agencies   []Course  `json:"agencies"`
	Movers     []Mover   `json:"movers"` // procedures that would move the province's rate most
	Interval   int       `json:"interval_percent"`
}

// Aim is the target that is looked at: the next one, over the year in which it takes effect; where none is to come the highest in force, over this year.
type Aim struct {
	Percent Hundredths `json:"percent"`
	From    string     `json:"from"` // the period over which it is measured
	To      string     `json:"to"`
}

// Course is what one agency, or the province, has done and would have to do.
type Course struct {
	Group     *Group  `json:"group"`
	Trend     []Month `json:"trend"` // complete months, the oldest first
	SoFar     Rate    `json:"so_far"`
	Expected  int64   `json:"expected"`     // paid orders still to come, at the pace of the last 90 days
	Needed    *string `json:"needed"`       // percent of what is to come that must be online; null: no target, nothing to come, or out of reach
	OutReach  bool    `json:"out_of_reach"` // even all online would not do
	More      *int64  `json:"more"`         // how many more online payments than at the rate of the last 90 days; 0: it is enough as it is
	Forecast  *Spread `json:"forecast"`     // null: not enough data
	Verdict   string  `json:"verdict"`      // on_track, uncertain, off_track, not_enough_data
	VerdictVI string  `json:"verdict_vi"`
	Reason    string  `json:"reason,omitempty"`
}

// Month is one of the trend.
type Month struct {
	Month string `json:"month"`
	Rate  Rate   `json:"rate"`
}

// Spread is the rate at the period's end: most likely, and the bounds between which it ends in 9 of 10 cases if the past goes on. Percent, two decimals.
type Spread struct {
	Low, Likely, High string
}

// MarshalJSON writes the bounds by name.
func (s Spread) MarshalJSON() ([]byte, error) {
	return []byte(`{"low":"` + s.Low + `","likely":"` + s.Likely + `","high":"` + s.High + `"}`), nil
}

// Mover is a procedure with payments that are not online yet.
type Mover struct {
	Group   Group  `json:"group"`
	Offline int64  `json:"offline"` // paid orders of the last 90 days that were not online in any way
	Rate    Rate   `json:"rate"`    // online, confirmed or not, of the last 90 days
	Ease    string `json:"ease"`    // 0.00 … 1.00: the share that goes online already, mixed with the province's
	Gain    string `json:"gain"`    // offline × ease: paid orders in 90 days
}

// Outlook looks ahead from today.
func (r *Reporter) Outlook(ctx context.Context, c gateway.Caller) (*Outlook, error) {
	now := r.now().In(zone)
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	aim, err := r.aim(ctx, today)
	if err != nil {
		return nil, err
	}
	o := &Outlook{On: today.Format(time.DateOnly), Target: aim, Agencies: []Course{}, Movers: []Mover{}, Interval: intervalWidth}
	ask := func(from, to time.Time, by string) (*Report, error) {
		q := Question{From: from.Format(time.DateOnly), To: to.Format(time.DateOnly), GroupBy: by, Agencies: c.Agencies}
		if o.AsOf.IsZero() {
			rep, err := r.Adoption(ctx, q)
			if err == nil {
				o.AsOf, o.Definition = rep.AsOf, rep.Definition
			}
			return rep, err
		}
		return r.Adoption(ctx, q)
	}
	pace, err := ask(today.AddDate(0, 0, 1-paceDays), today, "agency")
	if err != nil {
		return nil, err
	}
	soFar := &Report{}
	last := today
	if aim != nil {
		from, to := mustDay(aim.From), mustDay(aim.To)
		last = to
		if end := min(today.Unix(), to.Unix()); from.Unix() <= end {
			if soFar, err = ask(from, time.Unix(end, 0).UTC(), "agency"); err != nil {
				return nil, err
			}
		}
	}
	first := today.AddDate(0, 0, 1-today.Day())
	months := make([]*Report, outlookMonths)
	names := make([]string, outlookMonths)
	for i := range months {
		from := first.AddDate(0, i-outlookMonths, 0)
		names[i] = from.Format("2006-01")
		if months[i], err = ask(from, from.AddDate(0, 1, -1), "agency"); err != nil {
			return nil, err
		}
	}
	daysLeft := int64(last.Sub(today).Hours() / 24)
	course := func(code string, g *Group) Course {
		trend := []Month{}
		for i, m := range months {
			trend = append(trend, Month{names[i], headlineOf(m, code)})
		}
		for len(trend) > 0 && trend[0].Rate.Denominator == 0 {
			trend = trend[1:]
		}
		return ahead(g, trend, headlineOf(soFar, code), headlineOf(pace, code), aim, daysLeft, int64(today.Day()))
	}
	o.Province = course("", nil)
	codes := map[string]string{}
	for _, rep := range append(slices.Clone(months), pace, soFar) {
		for _, row := range rep.Rows {
			codes[row.Group.Code] = row.Group.Name
		}
	}
	ordered := make([]string, 0, len(codes))
	for code := range codes {
		ordered = append(ordered, code)
	}
	sort.Strings(ordered)
	for _, code := range ordered {
		o.Agencies = append(o.Agencies, course(code, &Group{code, codes[code]}))
	}
	procedures, err := ask(today.AddDate(0, 0, 1-paceDays), today, "procedure")
	if err != nil {
		return nil, err
	}
	o.Movers = movers(procedures)
	return o, nil
}

func mustDay(day string) time.Time {
	t, _ := time.Parse(time.DateOnly, day) // written by us
	return t
}

// headlineOf is the headline of an agency in a report, or of all.
func headlineOf(rep *Report, code string) Rate {
	if code == "" {
		return rep.Total.Rates.Transactions
	}
	for _, row := range rep.Rows {
		if row.Group.Code == code {
			return row.Rates.Transactions
		}
	}
	return Rate{}
}

// ahead works one course out. Paid orders to come: the pace of 90 days, times the days left.
func ahead(g *Group, trend []Month, soFar, pace Rate, aim *Aim, daysLeft, dayOfMonth int64) Course {
	c := Course{Group: g, Trend: trend, SoFar: soFar, Verdict: NotEnoughData}
	if daysLeft > 0 {
		c.Expected = (pace.Denominator*daysLeft + paceDays/2) / paceDays
	}
	if aim != nil {
		c.need(aim, pace)
	}
	low, likely, high, enough := forecast(trend, dayOfMonth, daysLeft)
	switch {
	case !enough:
		c.Reason = reasonFew
	case soFar.Denominator+c.Expected == 0:
		c.Reason = reasonNoneLeft
	default:
		end := func(p float64) float64 {
			return (float64(soFar.Numerator) + p*float64(c.Expected)) / float64(soFar.Denominator+c.Expected)
		}
		l, m, h := end(low), end(likely), end(high)
		c.Forecast = &Spread{percentOf(l), percentOf(m), percentOf(h)}
		if aim != nil {
			goal := float64(aim.Percent) / 10_000
			switch {
			case l >= goal:
				c.Verdict = "on_track"
			case h < goal:
				c.Verdict = "off_track"
			default:
				c.Verdict = "uncertain"
			}
		}
	}
	c.VerdictVI = map[string]string{"on_track": "Đúng hướng: kể cả cận dưới cũng đạt", "uncertain": "Chưa chắc: chỉ tiêu nằm giữa hai cận", "off_track": "Không đạt nếu cứ như hiện nay: kể cả cận trên cũng không đạt",
		NotEnoughData: "Chưa đủ dữ liệu: " + reasonFewVI}[c.Verdict]
	return c
}

// need says what of the paid orders to come must be online. Whole numbers all the way: the least numerator that reaches the target.
func (c *Course) need(aim *Aim, pace Rate) {
	all := c.SoFar.Denominator + c.Expected
	must := (all*int64(aim.Percent) + 9_999) / 10_000 // rounded up: not a hair below the target
	missing := max(0, must-c.SoFar.Numerator)
	var usual int64
	if pace.Denominator > 0 {
		usual = c.Expected * pace.Numerator / pace.Denominator
	}
	if all == 0 || c.Expected == 0 && missing > 0 {
		c.OutReach = all > 0
		return
	}
	if missing > c.Expected {
		c.OutReach = true
		return
	}
	needed := "0.00"
	if c.Expected > 0 {
		needed = percent(missing, c.Expected)
	}
	more := max(0, missing-usual)
	c.Needed, c.More = &needed, &more
}

// students are the two-sided 90 % quantiles of Student's t by degrees of freedom, from 1.
var students = [...]float64{6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782}

// forecast fits a straight line through the months' rates, weighted by their paid orders, and reads it off at the middle of what is left, with the bounds of a
// new observation: the scatter of the months around the line, and never less than chance alone would give. Months with few paid orders say nothing.
func forecast(trend []Month, dayOfMonth, daysLeft int64) (low, likely, high float64, enough bool) {
	var x, y, w []float64
	for i, m := range trend {
		if m.Rate.Denominator >= outlookUnits {
			x, y, w = append(x, float64(i-len(trend))), append(y, float64(m.Rate.Numerator)/float64(m.Rate.Denominator)), append(w, float64(m.Rate.Denominator))
		}
	}
	if len(x) < outlookLeast {
		return 0, 0, 0, false
	}
	var sw, sx, sy float64
	for i := range x {
		sw, sx, sy = sw+w[i], sx+w[i]*x[i], sy+w[i]*y[i]
	}
	mx, my := sx/sw, sy/sw
	var sxx, sxy float64
	for i := range x {
		sxx, sxy = sxx+w[i]*(x[i]-mx)*(x[i]-mx), sxy+w[i]*(x[i]-mx)*(y[i]-my)
	}
	slope := sxy / sxx // months differ, so this is not 0
	var scatter float64
	for i := range x {
		d := y[i] - my - slope*(x[i]-mx)
		scatter += w[i] * d * d
	}
	free := len(x) - 2
	scatter = max(scatter/float64(free), my*(1-my)) // per paid order: a month of n has this over n
	at := (float64(dayOfMonth) + float64(daysLeft)/2) / 30.4
	n := sw / float64(len(x)) // what is left is as large as a usual month
	spread := students[min(free, len(students))-1] * math.Sqrt(scatter*(1/n+1/sw+(at-mx)*(at-mx)/sxx))
	within := func(p float64) float64 { return min(1, max(0, p)) }
	likely = my + slope*(at-mx)
	return within(likely - spread), within(likely), within(likely + spread), true
}

func percentOf(p float64) string { return percent(int64(math.Round(p*1_000_000)), 1_000_000) }

// movers ranks procedures by what they have offline times how easily it goes online.
func movers(rep *Report) []Mover {
	all := rep.Total.Rates.TransactionsUpper
	if all.Denominator == 0 {
		return []Mover{}
	}
	type ranked struct {
		Mover
		gain float64
	}
	var list []ranked
	for _, row := range rep.Rows {
		up := row.Rates.TransactionsUpper
		offline := up.Denominator - up.Numerator
		if offline == 0 {
			continue
		}
		ease := (float64(up.Numerator) + easePrior*float64(all.Numerator)/float64(all.Denominator)) / (float64(up.Denominator) + easePrior)
		gain := float64(offline) * ease
		list = append(list, ranked{Mover{*row.Group, offline, up, decimal2(ease), decimal2(gain)}, gain})
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].gain > list[j].gain })
	out := []Mover{}
	for _, m := range list[:min(len(list), moversShown)] {
		out = append(out, m.Mover)
	}
	return out
}

// decimal2 writes a number with two decimals.
func decimal2(f float64) string {
	return big.NewRat(int64(math.Round(f*100)), 100).FloatString(2)
}

// VerdictWords says a verdict in English, for people.
func VerdictWords(verdict string) string {
	return map[string]string{"on_track": "On track: even the lower bound reaches it", "uncertain": "Not sure yet: the target lies between the bounds", "off_track": "Not reached if all goes on like this: even the upper bound does not",
		NotEnoughData: "Not enough data: fewer than 3 whole months of 30 orders"}[verdict]
}
