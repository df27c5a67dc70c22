package main

import (
	"fmt"
	"html"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
	"feegate/reconciliation/adoption"
	"feegate/reconciliation/adoption/honesty"
)

// elsewhere adds an agency with one fee that was paid in cash at its counter.
func (x *example) elsewhere(row, agency string, dossier int) {
	x.t.Helper()
	if _, err := x.db.ExecContext(x.t.Context(), `INSERT INTO agencies (code, name, position) VALUES ($1, 'UBND phường Khác', 99) ON CONFLICT DO NOTHING`, agency); err != nil {
		x.t.Fatal(err)
	}
	order := x.made(x.call(http.MethodPost, "/v1/orders", row, map[string]any{"reference": row, "dossier_code": dossierOf(dossier), "procedure_code": "1.001", "agency_code": agency, "amount": 70000,
		"lines": []any{map[string]any{"fee_code": row, "kind": "phi", "name": "Khoản thu", "quantity": 1, "unit_amount": 70000, "gross": 70000, "net": 70000}}}))
	x.counter(row, order, 70000, "cash", row[1:])
}

var hrefs = regexp.MustCompile(`href="(/console/(?:rate|exceptions)[^"]*)"`)

// The rate as it was known at a time, of one agency: the page, its file, its evidence, its trend and what it links to speak of the same, and say so.
func TestTheRateAsItWasKnown(t *testing.T) {
	x := newExample(t, false, false)
	x.app.desk.CountWithin = time.Minute // whatever the machine is busy with
	x.elsewhere("E7001", "H10.77", 77)   // in April
	x.at("2026-04-12 09:00")
	x.settle("acc_momo", "momo", "FEEGATEMOMO", "2026-03-11")
	x.at("2026-04-15 09:00")
	boss := x.officer("lãnh đạo", []identity.Role{identity.Reporter})
	boss.shows(boss.get("/console/rate?"+inMarch), 200, "60,0 % 6 / 10 lượt nộp", "toàn tỉnh, kỳ 01/03/2026 đến 31/03/2026, theo dữ liệu biết đến 15/04/2026 09:00")
	asked := inMarch + "&agency=H10.12&as_of=2026-04-10T23%3A59"
	page := boss.get("/console/rate?" + asked)
	boss.shows(page, 200, "50,0 % 5 / 10 lượt nộp", "3/2026 50,0 % 5 10 60,0 %", "và những cơ quan đã nhập vào, kỳ 01/03/2026 đến 31/03/2026, theo dữ liệu biết đến 10/04/2026 23:59")
	if body := string(page.body); !strings.Contains(body, `name="as_of" type="datetime-local" value="2026-04-10T23:59"`) || !strings.Contains(body, `<option value="H10.12" selected>`) || strings.Contains(plainly(page), "Thủ tục nên làm trước") {
		t.Error("the form does not stand as it was asked, or today's outlook stands beside what was known before")
	}
	links := 0
	for _, m := range hrefs.FindAllStringSubmatch(string(page.body), -1) {
		u, err := url.Parse(html.UnescapeString(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		if q := u.Query(); u.RawQuery != "" && (q.Get("agency") != "H10.12" || q.Get("as_of") != "2026-04-10T23:59" || q.Get("from") != "2026-03-01" || q.Get("to") != "2026-03-31") {
			t.Errorf("%s asks something else", u)
		}
		if u.RawQuery != "" {
			links++
		}
	}
	if links < 10 {
		t.Errorf("%d links", links)
	}
	boss.shows(boss.get("/console/rate/evidence?figure=transactions&"+asked), 200, "Giao dịch trực tuyến: 5", "H10.12", "theo dữ liệu biết đến 10/04/2026 23:59")
	boss.shows(boss.get("/console/rate/evidence?figure=transactions&"+inMarch), 200, "Giao dịch trực tuyến: 6")
	file := boss.get("/console/rate.csv?" + asked)
	api := x.as(x.reporter, http.MethodGet, "/v1/reports/adoption.csv?"+inMarch+"&group_by=agency&as_of=2026-04-10T23:59:00%2B07:00", "", nil)
	if strings.TrimPrefix(string(file.body), "\ufeff") != strings.TrimPrefix(string(api.body), "\ufeff") || !strings.Contains(file.header.Get("Content-Disposition"), "biet-den_20260410-2359") {
		t.Errorf("%v\n%s\n%s", file.header, file.body, api.body)
	}

	// The other agency's is its own alone; it has nothing in March.
	boss.shows(boss.get("/console/rate?"+inMarch+"&agency=H10.77"), 200, "— 0 / 0 lượt nộp", "đơn vị UBND phường Khác H10.77")
	boss.shows(boss.get("/console/rate?from=2026-04-01&to=2026-04-30&agency=H10.77"), 200, "0,0 % 0 / 1 lượt nộp")

	// How many exceptions there are stands beside the rate: as many as their page and the API count.
	sum := read[honesty.Annex](x, x.reporter, "/v1/exceptions/summary?"+inMarch)
	rules, found := 0, int64(0)
	for _, r := range sum.Rules {
		if found += r.Count; r.Count > 0 {
			rules++
		}
	}
	if rules == 0 || found <= int64(rules) {
		t.Fatalf("%d findings of %d rules prove nothing", found, rules)
	}
	boss.shows(boss.get("/console/rate?"+inMarch), 200, fmt.Sprintf("%d ngoại lệ, theo %d trong 15 quy tắc", found, rules))
	boss.shows(boss.get("/console/exceptions?"+inMarch+"&agency=H10.77"), 200, "Không có trường hợp nào trong kỳ này", "đơn vị UBND phường Khác H10.77")
	if page := string(boss.get("/console/exceptions?" + asked).body); !strings.Contains(page, "value=\"2026-04-10T23:59\"") || !strings.Contains(page, "/console/rate?"+strings.ReplaceAll(inMarch, "&", "&amp;")+"&amp;agency=H10.12&amp;as_of=2026-04-10T23%3A59") {
		t.Error("the exceptions' page forgets what was asked")
	}

	// Where they cannot be counted in time, the page does not wait, and says so, for a while.
	x.app.desk.CountWithin = time.Nanosecond
	boss.shows(boss.get("/console/rate?"+inMarch), 200, "60,0 % 6 / 10 lượt nộp", "ngoại lệ: chưa đếm, mở để đếm")
	x.app.desk.CountWithin = time.Minute
	boss.shows(boss.get("/console/rate?"+inMarch), 200, "ngoại lệ: chưa đếm, mở để đếm")
	x.move(11 * time.Minute)
	boss.shows(boss.get("/console/rate?"+inMarch), 200, fmt.Sprintf("%d ngoại lệ", found))

	// Who sees some agencies chooses among them; what is wrong is named.
	some := x.officer("xã", []identity.Role{identity.Reporter}, "H10.77")
	if page := string(some.get("/console/rate").body); strings.Contains(page, `<option value="H10.12"`) || !strings.Contains(page, `<option value="H10.77"`) {
		t.Error("somebody chooses among agencies that they may not see")
	}
	for _, path := range []string{"/console/rate", "/console/rate.csv", "/console/rate/evidence", "/console/exceptions", "/console/exceptions/G2"} {
		for query, field := range map[string]string{"as_of=gestern": "Theo dữ liệu biết đến", "as_of=2026-02-30T10:00": "Theo dữ liệu biết đến", "agency=H10.00": "Cơ quan", "agency=%00": "Cơ quan"} {
			boss.shows(boss.get(path+"?"+query), 422, field+" :")
		}
		some.shows(some.get(path+"?agency=H10.12"), 422, "Cơ quan : không có trong các cơ quan mà bạn được xem")
	}
}

var (
	rateRows = regexp.MustCompile(`(?s)<tr[^>]*><td data-name="Cơ quan">.*?</tr>`)
	codeOf   = regexp.MustCompile(`<span class="muted small">([^<]+)</span>`)
	rects    = regexp.MustCompile(`<rect class="([a-z]+)"([^>]*)/>`)
	cells    = regexp.MustCompile(`(?s)<td class="num" data-name="([^"]+)">(.*?)</td>`)
	tags     = regexp.MustCompile(`<[^>]*>`)
	sides    = regexp.MustCompile(` ([a-z]+)="([0-9.]+)"`)
	aims     = regexp.MustCompile(`<line class="aim" x1="[0-9]+" y1="([0-9.]+)"[^>]*/><text[^>]*>([0-9]+) %</text>`)
	axis     = regexp.MustCompile(`<line class="axis" x1="[0-9]+" y1="([0-9.]+)"`)
	months   = regexp.MustCompile(`(?s)<tr><td data-name="Tháng">([^<]+)</td>.*?</tr>`)
	named    = regexp.MustCompile(`(?s)(<rect class="upper"[^>]*/><rect class="part"[^>]*/>)<text class="on"[^>]*>([^<]+)</text><text[^>]*>([0-9/]+)</text>`)
)

// drawn are the numbers of a picture's rectangle; what is not said is 0.
func drawn(t *testing.T, attributes string) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, m := range sides.FindAllStringSubmatch(attributes, -1) {
		n, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		out[m[1]] = n
	}
	return out
}

func cellsOf(row string) map[string]string {
	out := map[string]string{}
	for _, m := range cells.FindAllStringSubmatch(row, -1) {
		out[m[1]] = strings.ReplaceAll(strings.TrimSpace(tags.ReplaceAllString(m[2], "")), "\u00a0", " ")
	}
	return out
}

// shareOf is an exact fraction in percent.
func shareOf(r adoption.Rate) float64 { return 100 * float64(r.Numerator) / float64(r.Denominator) }

// written is a fraction as pages write it.
func written(r adoption.Rate) string {
	return strings.Replace(strconv.FormatFloat(shareOf(r), 'f', 1, 64), ".", ",", 1) + " %"
}

// What the rate's page draws is what the API says: each agency's bar, each month's column, and the tables beside them.
func TestThePicturesAreTheFigures(t *testing.T) {
	x := newExample(t, false, false)
	x.elsewhere("E7001", "H10.77", 77)
	x.pay("April", x.order("April", 78, 90000, "phi", false), "momo", nil) // waits for its file
	x.at("2026-04-15 09:00")
	boss := x.officer("lãnh đạo", []identity.Role{identity.Reporter})
	page := string(boss.get("/console/rate?from=2026-03-01&to=2026-04-30").body)
	near := func(what string, got, want, by float64) {
		t.Helper()
		if math.Abs(got-want) > by {
			t.Errorf("%s is drawn as %v, the API says %v", what, got, want)
		}
	}

	agencies := x.reportOf("?from=2026-03-01&to=2026-04-30&group_by=agency")
	rows := rateRows.FindAllString(page, -1)
	if len(rows) != len(agencies.Rows) || len(rows) != 2 {
		t.Fatalf("%d bars, %d agencies", len(rows), len(agencies.Rows))
	}
	before := 100.0
	for _, row := range rows {
		code := codeOf.FindStringSubmatch(row)[1]
		var r adoption.Row
		for _, a := range agencies.Rows {
			if a.Group.Code == code {
				r = a
			}
		}
		if r.Group == nil {
			t.Fatalf("the API has no %s", code)
		}
		bars, targets := map[string]float64{}, 0
		for _, m := range rects.FindAllStringSubmatch(row, -1) {
			at := drawn(t, m[2])
			if m[1] == "target" {
				near("a target of "+code, at["x"], float64(r.Targets[targets].Percent)/100, 0)
				targets++
				continue
			}
			near("the beginning of "+m[1]+" of "+code, at["x"], 0, 0)
			bars[m[1]] = at["width"]
		}
		near("the ground of "+code, bars["rest"], 100, 0)
		near("the rate of "+code, bars["part"], shareOf(r.Rates.Transactions), 0.005)
		near("the upper bound of "+code, bars["upper"], shareOf(r.Rates.TransactionsUpper), 0.005)
		if c := cellsOf(row); targets != len(r.Targets) || c["Tỷ lệ"] != written(r.Rates.Transactions) || c["Trực tuyến"] != fmt.Sprint(r.Rates.Transactions.Numerator) || c["Mọi lượt"] != fmt.Sprint(r.Rates.Transactions.Denominator) || c["Cận trên"] != written(r.Rates.TransactionsUpper) {
			t.Errorf("%s: %v and %d targets, the API says %+v", code, c, targets, r.Rates)
		}
		if bars["part"] > before {
			t.Errorf("%s stands below a lower one", code)
		}
		before = bars["part"]
	}

	monthly := x.reportOf("?from=2025-05-01&to=2026-04-30&group_by=month")
	foot, err := strconv.ParseFloat(axis.FindStringSubmatch(page)[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	var unit float64 // of the picture's height, for one percent
	for n, m := range aims.FindAllStringSubmatch(page, -1) {
		y, percent := drawn(t, ` y="`+m[1]+`"`)["y"], drawn(t, ` p="`+m[2]+`"`)["p"]
		if n == 0 {
			unit = (foot - y) / percent
		}
		near("the target "+m[2], (foot-y)/unit, percent, 0.1)
	}
	if unit <= 0 {
		t.Fatal("no target is drawn: there is no scale")
	}
	columns, beside := named.FindAllStringSubmatch(page, -1), map[string]map[string]string{}
	for _, m := range months.FindAllStringSubmatch(page, -1) {
		beside[m[1]] = cellsOf(m[0])
	}
	if len(columns) != len(monthly.Rows) || len(columns) != 2 || len(beside) != 2 {
		t.Fatalf("%d columns, %d rows, %d months", len(columns), len(beside), len(monthly.Rows))
	}
	for n, r := range monthly.Rows { // the API has them in order
		year, month, _ := strings.Cut(r.Group.Code, "-")
		name := strings.TrimPrefix(month, "0") + "/" + year
		if columns[n][3] != name || strings.ReplaceAll(columns[n][2], "\u00a0", " ") != written(r.Rates.Transactions) {
			t.Errorf("the column of %s says %v", name, columns[n][2:])
		}
		for _, m := range rects.FindAllStringSubmatch(columns[n][1], -1) {
			at, want := drawn(t, m[2]), r.Rates.Transactions
			if m[1] == "upper" {
				want = r.Rates.TransactionsUpper
			}
			near("the column "+m[1]+" of "+name, at["height"]/unit, shareOf(want), 0.1)
			near("the foot of "+m[1]+" of "+name, at["y"]+at["height"], foot, 0.11)
		}
		if c := beside[name]; c["Tỷ lệ"] != written(r.Rates.Transactions) || c["Trực tuyến"] != fmt.Sprint(r.Rates.Transactions.Numerator) || c["Mọi lượt"] != fmt.Sprint(r.Rates.Transactions.Denominator) || c["Cận trên"] != written(r.Rates.TransactionsUpper) {
			t.Errorf("beside the column of %s: %v, the API says %+v", name, c, r.Rates)
		}
	}
}
