package console

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"time"

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
	Ranked  []adoption.Row
	Buckets []bucketRow
	Trend   *trendData
	Movers  []adoption.Mover
	Reads   bool         // may open payments
	Query   template.URL // escaped already
}

type bucketRow struct {
	Code  string
	Name  text
	Count int64
}

// maxMovers is how many procedures the page names; Nhìn tới has them all.
const maxMovers = 5

// period reads ?from= and ?to=: this month up to today where absent.
func (v *visit) period() adoption.Question {
	q := v.r.URL.Query()
	out := adoption.Question{From: q.Get("from"), To: q.Get("to"), Cut: q.Get("cut"), Agencies: v.session.Principal.Agencies}
	now := v.c.Now().In(vietnam)
	if out.To == "" {
		out.To = now.Format(time.DateOnly)
	}
	if out.From == "" {
		out.From = now.AddDate(0, 0, 1-now.Day()).Format(time.DateOnly)
	}
	return out
}

func (c *Console) rate(v *visit) error {
	q := v.period()
	q.GroupBy = "agency"
	report, err := c.Adoption.Adoption(v.r.Context(), q)
	if err != nil {
		return err
	}
	d := rateData{Report: report, Ranked: slices.Clone(report.Rows), Reads: v.reads(), Query: template.URL("from=" + url.QueryEscape(q.From) + "&to=" + url.QueryEscape(q.To) + "&cut=" + url.QueryEscape(report.Cut))}
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
	ahead, err := c.Adoption.Outlook(v.r.Context(), v.caller())
	if err != nil {
		return err
	}
	d.Movers = ahead.Movers[:min(maxMovers, len(ahead.Movers))]
	return v.show(http.StatusOK, "rate", "Tỷ lệ thanh toán trực tuyến", d)
}

// reads says that the person may open single payments and orders.
func (v *visit) reads() bool {
	return v.may(append([]identity.Role{identity.Auditor}, reading...)...)
}

type evidenceData struct {
	*adoption.List
	Name, Bucket text
	Group        string
	Reads        bool
	Next         string
	Back         string
}

func (c *Console) evidence(v *visit) error {
	q := v.r.URL.Query()
	b := adoption.Behind{Question: v.period(), Figure: q.Get("figure"), Bucket: q.Get("bucket"), After: q.Get("after"), Limit: pageSize}
	if b.Given = q.Has("group"); b.Given {
		b.GroupBy, b.Group = "agency", q.Get("group")
	}
	list, err := c.Adoption.Evidence(v.r.Context(), b)
	if err != nil {
		return err
	}
	d := evidenceData{List: list, Name: figureWords[list.Figure], Group: b.Group, Bucket: bucketWords[b.Bucket], Reads: v.reads(),
		Back: "/console/rate?from=" + url.QueryEscape(b.From) + "&to=" + url.QueryEscape(b.To) + "&cut=" + url.QueryEscape(list.Cut)}
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
	return v.show(http.StatusOK, "evidence", "Chứng cứ của tỷ lệ", d)
}
