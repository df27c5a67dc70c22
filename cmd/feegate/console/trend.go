package console

import (
	"context"
	"fmt"
	"time"

	"feegate/reconciliation/adoption"
)

// The trend's picture, in the units of its SVG: columns from 0 to 100 % over months, the targets as lines.
const (
	trendMonths = 12
	trendTop    = 20  // where 100 % is: the share of a full column stands above it
	trendFoot   = 150 // where 0 % is
	trendLeft   = 50
	trendStep   = 54
)

// trendMonth is a month of the trend, ready to be drawn.
type trendMonth struct {
	Month, Name                       string // 2026-03; 3/2026
	Rate, Upper                       adoption.Rate
	X, Middle, Y, Height, UpperY, Top string
	UpperHeight                       string
	Running                           bool // the month is not over
}

// line is a target across the trend.
type line100 struct {
	Percent adoption.Hundredths
	Y       string
}

type trendData struct {
	Columns []trendMonth
	Lines   []line100
	Width   int
	Says    string // the picture in a sentence, for who does not see it
}

// trend is the rate by month over the year that ends with the period, within what the person may see. Months without any payment stand as
// gaps: nothing was measured.
func (c *Console) trend(ctx context.Context, in speech, q adoption.Question, targets []adoption.Target) (*trendData, error) {
	last, err := time.Parse(time.DateOnly, q.To)
	if err != nil {
		return nil, fmt.Errorf("the trend of a period that ends on %q: %w", q.To, err)
	}
	first := last.AddDate(0, 0, 1-last.Day()).AddDate(0, 1-trendMonths, 0)
	q.From, q.GroupBy = first.Format(time.DateOnly), "month"
	report, err := c.Adoption.Adoption(ctx, q)
	if err != nil {
		return nil, err
	}
	now := report.AsOf.In(vietnam).Format("2006-01")
	known := map[string]adoption.Rates{}
	for _, row := range report.Rows {
		known[row.Group.Code] = row.Rates
	}
	out := &trendData{Width: trendLeft + trendMonths*trendStep + 60}
	at := func(r *adoption.Rate) (y, height string) {
		share := 0.0
		if r.Denominator > 0 {
			share = float64(r.Numerator) / float64(r.Denominator)
		}
		h := share * (trendFoot - trendTop)
		return fmt.Sprintf("%.1f", trendFoot-h), fmt.Sprintf("%.1f", h)
	}
	var begun, ended *trendMonth
	for n := range trendMonths {
		m := first.AddDate(0, n, 0)
		col := trendMonth{Month: m.Format("2006-01"), Name: fmt.Sprintf("%d/%d", m.Month(), m.Year()), X: fmt.Sprint(trendLeft + n*trendStep + 9), Middle: fmt.Sprint(trendLeft + n*trendStep + trendStep/2)}
		if rates, ok := known[col.Month]; ok {
			col.Rate, col.Upper = rates.Transactions, rates.TransactionsUpper
		}
		col.Y, col.Height = at(&col.Rate)
		col.UpperY, col.UpperHeight = at(&col.Upper)
		var top float64
		if _, err := fmt.Sscan(col.UpperY, &top); err != nil {
			return nil, fmt.Errorf("drawing the trend: %w", err)
		}
		col.Top, col.Running = fmt.Sprintf("%.1f", top-4), col.Month >= now
		out.Columns = append(out.Columns, col)
		if c := &out.Columns[n]; c.Rate.Denominator > 0 {
			if begun == nil {
				begun = c
			}
			ended = c
		}
	}
	for _, t := range targets {
		r := adoption.Rate{Numerator: int64(t.Percent), Denominator: 10000}
		y, _ := at(&r)
		out.Lines = append(out.Lines, line100{t.Percent, y})
	}
	out.Says = in.Say("Chưa có tháng nào có lượt nộp.")
	if begun != nil {
		out.Says = in.Sayf("Tháng %s: %s; tháng %s: %s.", begun.Name, percent(&begun.Rate), ended.Name, percent(&ended.Rate))
	}
	return out, nil
}
