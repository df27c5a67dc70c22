package adoption

import (
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func steady(months int, n, d int64) (out []Month) {
	for range months {
		out = append(out, Month{"", rate(n, d)})
	}
	return out
}

// What is needed is enough, and one payment less is not: on the exact fraction.
func TestWhatIsNeededReachesTheTargetAndNotAHairLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		soFar := rate(0, rapid.Int64Range(0, 5000).Draw(t, "so far"))
		soFar.Numerator = rapid.Int64Range(0, soFar.Denominator).Draw(t, "online")
		pace := rate(0, rapid.Int64Range(0, 3000).Draw(t, "pace"))
		pace.Numerator = rapid.Int64Range(0, pace.Denominator).Draw(t, "pace online")
		aim := &Aim{Percent: Hundredths(rapid.Int64Range(1, 10_000).Draw(t, "target"))}
		days := rapid.Int64Range(0, 366).Draw(t, "days")
		c := ahead(nil, nil, soFar, pace, aim, days, 10)
		all := soFar.Denominator + c.Expected
		usual := int64(0)
		if pace.Denominator > 0 {
			usual = c.Expected * pace.Numerator / pace.Denominator
		}
		switch {
		case all == 0:
			if c.OutReach || c.Needed != nil {
				t.Fatalf("of nothing: %+v", c)
			}
		case c.OutReach:
			if rate(soFar.Numerator+c.Expected, all).reaches(aim.Percent) {
				t.Fatalf("all online would do: %+v", c)
			}
		default:
			reached := rate(soFar.Numerator+usual+*c.More, all)
			if !reached.reaches(aim.Percent) {
				t.Fatalf("%d more are not enough: %+v", *c.More, c)
			}
			if *c.More > 0 && rate(reached.Numerator-1, all).reaches(aim.Percent) {
				t.Fatalf("%d more are too many: %+v", *c.More, c)
			}
		}
	})
}

func TestTheForecastIsHonest(t *testing.T) {
	aim := &Aim{Percent: 5000}
	if c := ahead(nil, steady(2, 60, 100), rate(120, 200), rate(180, 300), aim, 60, 10); c.Forecast != nil || c.Verdict != NotEnoughData || c.Reason == "" {
		t.Errorf("two months say nothing: %+v", c)
	}
	if c := ahead(nil, steady(12, 6, 10), rate(72, 120), rate(18, 30), aim, 60, 10); c.Forecast != nil {
		t.Errorf("months of ten say nothing: %+v", c)
	}
	if c := ahead(nil, steady(12, 9000, 10000), rate(90000, 100000), rate(27000, 30000), aim, 60, 10); c.Verdict != "on_track" || c.Forecast.Likely != "90.00" || *c.More != 0 {
		t.Errorf("steadily above: %+v %+v", c, c.Forecast)
	}
	if c := ahead(nil, steady(12, 1000, 10000), rate(10000, 100000), rate(3000, 30000), aim, 60, 10); c.Verdict != "off_track" || !c.OutReach {
		t.Errorf("steadily far below: %+v", c)
	}
	if c := ahead(nil, steady(6, 50, 100), rate(300, 600), rate(150, 300), aim, 60, 10); c.Verdict != "uncertain" {
		t.Errorf("on the line: %+v", c)
	}
	// The more months scatter, the wider the bounds; never narrower than chance.
	width := func(trend []Month) float64 {
		low, _, high, _ := forecast(trend, 10, 60)
		return high - low
	}
	calm := steady(8, 500, 1000)
	wild := steady(8, 500, 1000)
	for i := range wild {
		wild[i].Rate = rate(500+int64(i%2*300)-150, 1000)
	}
	if width(wild) <= width(calm) || width(calm) < 2*students[5]*math.Sqrt(0.25/1000) {
		t.Errorf("calm %f, wild %f", width(calm), width(wild))
	}
	// Bounds stay between 0 and 100 %, in order, whatever the months were.
	rapid.Check(t, func(t *rapid.T) {
		var trend []Month
		for range rapid.IntRange(3, 12).Draw(t, "months") {
			d := rapid.Int64Range(30, 5000).Draw(t, "paid")
			trend = append(trend, Month{"", rate(rapid.Int64Range(0, d).Draw(t, "online"), d)})
		}
		low, likely, high, enough := forecast(trend, rapid.Int64Range(1, 31).Draw(t, "day"), rapid.Int64Range(0, 366).Draw(t, "left"))
		if !enough || low < 0 || high > 1 || low > likely || likely > high || math.IsNaN(low+likely+high) {
			t.Fatalf("%f %f %f %v", low, likely, high, enough)
		}
	})
}

func TestMoversAreRankedByWhatIsOfflineAndGoesEasily(t *testing.T) {
	row := func(code string, n, d int64) Row {
		return Row{Group: &Group{code, code}, Rates: Rates{TransactionsUpper: rate(n, d)}}
	}
	rep := &Report{Rows: []Row{row("all online", 50, 50), row("never", 0, 200), row("half", 100, 200), row("small", 1, 2)}, Total: row("", 151, 452)}
	got := movers(rep)
	if len(got) != 3 || got[0].Group.Code != "half" || got[1].Group.Code != "never" || got[2].Group.Code != "small" {
		t.Fatalf("%+v", got)
	}
	if gain, _ := strconv.ParseFloat(got[0].Gain, 64); got[0].Offline != 100 || gain < 49 || gain > 50 {
		t.Errorf("%+v", got[0])
	}
	if len(movers(&Report{})) != 0 {
		t.Error("nothing moves nothing")
	}
}
