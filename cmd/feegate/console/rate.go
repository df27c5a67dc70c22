package console

import (
	"html/template"
	"net/http"
	"slices"

	"feegate/gateway/identity"
	"feegate/reconciliation/adoption"
)

// figureWords name the figures whose evidence the page links to.
var figureWords = map[string]text{
	"transactions": "Giao dịch trực tuyến", "transactions.denominator": "Mọi lượt nộp", "transactions_upper": "Trực tuyến, kể cả chưa đối soát",
	"transactions_remote": "Trực tuyến từ xa", "bank_proven": "Có chứng từ ngân hàng", "dossiers": "Hồ sơ nộp trực tuyến trọn vẹn", "dossiers.denominator": "Hồ sơ đã nộp",
	"coverage": "Hồ sơ có đủ dữ liệu", "coverage.denominator": "Hồ sơ đã đóng phải nộp phí",
}

var bucketWords = map[string]text{"online": "Trực tuyến, đã đối soát", "online_provisional": "Trực tuyến, chờ đối soát", "mixed": "Nửa trực tuyến, nửa tại quầy",
	"incomplete": "Nộp chưa đủ", "proxy": "Cán bộ nộp thay", "unproven": "Chưa có chứng cứ", "noncash_other": "Không tiền mặt khác", "cash": "Tiền mặt"}

type rateData struct {
	*adoption.Report
	Scope      *scope
	Ranked     []adoption.Row
	Buckets    []bucketRow
	Exceptions *exceptionCount // nil: they were not counted in time
	Trend      *trendData
	Movers     []adoption.Mover
	Reads      bool         // may open payments
	Query      template.URL // escaped already
}

type bucketRow struct {
	Code  string
	Name  text
	Count int64
}

// maxMovers is how many procedures the page names; Nhìn tới has them all.
const maxMovers = 5

func (c *Console) rate(v *visit) error {
	s, err := v.scope()
	if err != nil {
		return err
	}
	q := s.question()
	q.GroupBy = "agency"
	report, err := c.Adoption.Adoption(v.r.Context(), q)
	if err != nil {
		return err
	}
	counted := c.counting(v.r.Context(), s.asked())
	d := rateData{Report: report, Scope: s, Ranked: slices.Clone(report.Rows), Reads: v.reads(), Query: s.Query()}
	slices.SortStableFunc(d.Ranked, func(a, b adoption.Row) int { // highest first; those on whom nothing is known last
		x, y := a.Rates.Transactions, b.Rates.Transactions
		switch {
		case x.Denominator == 0 || y.Denominator == 0:
			return int(min(1, y.Denominator) - min(1, x.Denominator))
		case x.Numerator*y.Denominator > y.Numerator*x.Denominator:
			return -1
		case x.Numerator*y.Denominator < y.Numerator*x.Denominator:
			return 1
		}
		return 0
	})
	for _, b := range adoption.Buckets() {
		d.Buckets = append(d.Buckets, bucketRow{b, bucketWords[b], report.Total.Buckets[b]})
	}
	if d.Trend, err = c.trend(v.r.Context(), v.in, q, report.Total.Targets); err != nil {
		return err
	}
	if s.AsOf == "" { // looking ahead is from today, as known now
		who := v.caller()
		who.Agencies = s.sees()
		ahead, err := c.Adoption.Outlook(v.r.Context(), who)
		if err != nil {
			return err
		}
		d.Movers = ahead.Movers[:min(maxMovers, len(ahead.Movers))]
	}
	if d.Exceptions, err = counted(); err != nil {
		return err
	}
	v.known = &known{report.Definition, report.AsOf}
	return v.show(http.StatusOK, "rate", "Tỷ lệ thanh toán trực tuyến", d)
}

// reads says that the person may open single payments and orders.
func (v *visit) reads() bool {
	return v.may(append([]identity.Role{identity.Auditor}, reading...)...)
}

type evidenceData struct {
	*adoption.List
	Scope        *scope
	Name, Bucket text
	Group        string
	Reads        bool
	Next         string
	Back         string
}

func (c *Console) evidence(v *visit) error {
	s, err := v.scope()
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	b := adoption.Behind{Question: s.question(), Figure: q.Get("figure"), Bucket: q.Get("bucket"), After: q.Get("after"), Limit: v.rows()}
	if b.Given = q.Has("group"); b.Given {
		b.GroupBy, b.Group = "agency", q.Get("group")
	}
	list, err := c.Adoption.Evidence(v.r.Context(), b)
	if err != nil {
		return err
	}
	d := evidenceData{List: list, Name: figureWords[list.Figure], Group: b.Group, Bucket: bucketWords[b.Bucket], Reads: v.reads(), Scope: s, Back: "/console/rate?" + string(s.Query())}
	if d.Name == "" {
		d.Name = text(list.Figure)
	}
	if b.Given {
		agencies, err := c.Gateway.Agencies(v.r.Context())
		if err != nil {
			return err
		}
		if n := agencies[b.Group]; n != "" {
			d.Group = n
		}
	}
	if list.Next != nil {
		q.Set("after", *list.Next)
		d.Next = "?" + q.Encode()
	}
	v.known = &known{list.Definition, list.AsOf}
	return v.show(http.StatusOK, "evidence", "Chứng cứ của tỷ lệ", d)
}
