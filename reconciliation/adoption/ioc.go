package adoption

import (
	"context"
	"time"
)

// IOCSchema names the shape of the operations centre's feed: what is in it stays where it is; more may come.
const IOCSchema = "feegate-ioc-1"

// IOC is the feed of the operations centre (Trung tâm Điều hành thông minh): the head figures of the periods that are under way and of the last month that
// is over, each counted from payments, never from other percentages.
type IOC struct {
	Schema     string      `json:"schema"`
	AsOf       time.Time   `json:"as_of"`
	Definition string      `json:"definition"`
	Periods    []IOCPeriod `json:"periods"`
	Agencies   []IOCRow    `json:"agencies"` // of the month under way
}

// IOCPeriod is one period's head figures. Revision is the last closed report of exactly this period, null where there is none.
type IOCPeriod struct {
	Name     string  `json:"name"` // month, quarter, year: up to today; last_month
	From     string  `json:"from"`
	To       string  `json:"to"`
	Revision *int    `json:"revision"`
	SHA256   *string `json:"sha256"`
	Enough   bool    `json:"enough_data"`
	IOCRow
}

// IOCRow is the head figures of BM-01.
type IOCRow struct {
	Group              *Group           `json:"group"`
	Transactions       Rate             `json:"transactions"` // the headline
	TransactionsUpper  Rate             `json:"transactions_upper"`
	TransactionsRemote Rate             `json:"transactions_remote"`
	Dossiers           *Rate            `json:"dossiers"`
	Amount             Rate             `json:"amount"`
	Coverage           *Rate            `json:"coverage"`
	BankProven         Rate             `json:"bank_proven"`
	Buckets            map[string]int64 `json:"buckets"`
	ClosedUnpaid       int64            `json:"closed_unpaid"`
	Targets            []Target         `json:"targets"`
}

func iocRow(row Row) IOCRow {
	r := row.Rates
	out := IOCRow{Group: row.Group, Transactions: r.Transactions, TransactionsUpper: r.TransactionsUpper, TransactionsRemote: r.TransactionsRemote, Dossiers: r.Dossiers, Amount: r.Amount,
		Coverage: r.Coverage, BankProven: r.BankProven, Buckets: row.Buckets, Targets: row.Targets}
	if n := row.Side["closed_unpaid"]; n != nil {
		out.ClosedUnpaid = *n
	}
	return out
}

// IOC makes the feed for those who see these agencies; none: the province.
func (r *Reporter) IOC(ctx context.Context, agencies []string) (*IOC, error) {
	now := r.now().In(zone)
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	month := today.AddDate(0, 0, 1-today.Day())
	quarter := time.Date(today.Year(), (today.Month()-1)/3*3+1, 1, 0, 0, 0, 0, time.UTC)
	feed := &IOC{Schema: IOCSchema, Periods: []IOCPeriod{}, Agencies: []IOCRow{}}
	for _, p := range []struct {
		name     string
		from, to time.Time
	}{{"month", month, today}, {"quarter", quarter, today}, {"year", time.Date(today.Year(), 1, 1, 0, 0, 0, 0, time.UTC), today}, {"last_month", month.AddDate(0, -1, 0), month.AddDate(0, 0, -1)}} {
		q := Question{From: p.from.Format(time.DateOnly), To: p.to.Format(time.DateOnly), Agencies: agencies}
		if p.name == "month" {
			q.GroupBy = "agency"
		}
		report, err := r.Adoption(ctx, q)
		if err != nil {
			return nil, err
		}
		one := IOCPeriod{Name: p.name, From: q.From, To: q.To, IOCRow: iocRow(report.Total)}
		one.Enough = one.Coverage.Denominator > 0 && one.Coverage.reaches(Hundredths(report.Parameters.CoverageGate)*100)
		if p.name == "month" {
			feed.AsOf, feed.Definition = report.AsOf, report.Definition
			for _, row := range report.Rows {
				feed.Agencies = append(feed.Agencies, iocRow(row))
			}
		}
		closed, _, err := r.Revisions(ctx, q.From, q.To, "", 1)
		if err != nil {
			return nil, err
		}
		if len(closed) > 0 {
			one.Revision, one.SHA256 = &closed[0].Revision, &closed[0].SHA256
		}
		feed.Periods = append(feed.Periods, one)
	}
	return feed, nil
}
