package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
)

// taken is a page's table as its two files hold it, the one that has a column of a name: the column's values.
func (o *officer) taken(address, column string) map[string][]string {
	o.s.t.Helper()
	link := "?"
	if strings.Contains(address, "?") {
		link = "&"
	}
	out := map[string][]string{}
	read := func(as string, rows [][]string) {
		at := -1
		for _, row := range rows {
			switch i := slices.Index(row, column); {
			case at < 0 && i >= 0:
				at = i
			case at >= 0 && len(row) > at:
				out[as] = append(out[as], row[at])
			case at >= 0 && len(row) > 0:
				out[as] = append(out[as], "")
			}
		}
	}
	c := o.get(address + link + "as=csv")
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(c.body, []byte("\ufeff"))))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil || c.status != http.StatusOK {
		o.s.t.Fatalf("%s: %d %v %.300s", address, c.status, err, c.body)
	}
	read("csv", rows)
	x := o.get(address + link + "as=xlsx")
	book, err := excelize.OpenReader(bytes.NewReader(x.body))
	if err != nil {
		o.s.t.Fatalf("%s: %d %v", address, x.status, err)
	}
	defer book.Close()
	for _, sheet := range book.GetSheetList() {
		rows, err := book.GetRows(sheet, excelize.Options{RawCellValue: true})
		if err != nil {
			o.s.t.Fatal(err)
		}
		if len(out["xlsx"]) == 0 {
			read("xlsx", rows)
		}
	}
	return out
}

// A list that goes on over pages is whole in its files, each row once, by the filter that the page has.
func TestAListIsWholeInItsFiles(t *testing.T) {
	const n = 430 // more than two pages of those that a file is made of
	s := newStreet(t)
	s.mayHook()
	bank := s.paidOut()
	now, admin := s.world.Now(), dbtest.Admin(t, s.db)
	for _, query := range []string{
		`INSERT INTO discrepancies (id, account_id, date, kind, subject, amount, effect, recorded_at) SELECT 'dis_' || i, 'acc_momo_7', '2026-03-09', 'missing_at_provider', i::text, 100000 + i, 0, $1::timestamptz FROM generate_series(1, 430) i`,
		`INSERT INTO discrepancies (id, account_id, date, kind, subject, amount, effect, recorded_at) SELECT 'dis_other_' || i, 'acc_momo_7', '2026-03-09', 'late', i::text, 900000 + i, 0, $1::timestamptz FROM generate_series(1, 60) i`,
		`INSERT INTO procedures (code, name, field_code) SELECT '9.' || i, 'Thủ tục thứ ' || i || coalesce(left($1::timestamptz::text, 0), ''), 'HT' FROM generate_series(1000, 1429) i`,
	} {
		if _, err := admin.ExecContext(t.Context(), query, now); err != nil {
			t.Fatal(err)
		}
	}
	if r := s.call(http.MethodPost, "/v1/webhook-endpoints", "", map[string]any{"url": s.sim + "/hook", "types": []string{"order.*"}}); r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	hook := s.one(`SELECT id FROM webhook_endpoints`)
	if _, err := admin.ExecContext(t.Context(), `INSERT INTO deliveries (attempted_at, endpoint_id, number, event_id, attempt, status) SELECT $1, $2, i, 'evt_' || i, 1, 200 FROM generate_series(1, 430) i`, now, hook); err != nil {
		t.Fatal(err) // all at one moment: a page that ends within it loses none
	}
	for i := range n {
		if err := s.app.people.Audit(t.Context(), nil, identity.System(), "job.run", fmt.Sprintf("thing-%d", 1000+i), nil); err != nil {
			t.Fatal(err)
		}
	}
	lines := make([][3]string, n)
	for i := range lines {
		lines[i] = [3]string{fmt.Sprintf("FT%d", 1000+i), fmt.Sprint(70000 + i), "khong ro"}
	}
	mai := s.officer("mai", []identity.Role{identity.Finance})
	if r := mai.upload("", mai.token(), map[string]string{"kind": "statement"}, "s.csv", stated(bank, 1000000, lines...)); r.status != http.StatusOK || !strings.Contains(string(r.body), "Đã nhập") {
		t.Fatalf("%d %s", r.status, r.body)
	}
	numbers := func(first int, format string) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf(format, first+i))
		}
		return out
	}
	o := s.browser().in(s.everybody())
	for _, c := range []struct {
		address, column string
		want            []string
	}{
		{"/console/discrepancies?kind=missing_at_provider", "Số tiền", numbers(100001, "%d")},
		{"/console/discrepancies?kind=missing_at_provider&sort=age&after=x", "", nil}, // a page that is none is no file
		{"/console/catalogue?q=Thủ+tục+thứ", "Thủ tục", numbers(1000, "Thủ tục thứ %[1]d 9.%[1]d")},
		{"/console/webhooks/" + hook, "Sự kiện", numbers(1, "%d")},
		{"/console/audit?action=job.run", "Về", numbers(1000, "thing-%d")},
		{"/console/bank?from=", "Mã của ngân hàng", numbers(1000, "FT%d")},
	} {
		if c.column == "" {
			if r := o.get(c.address + "&as=csv"); r.status != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d", c.address, r.status)
			}
			continue
		}
		if p := plainly(o.get(c.address)); !strings.Contains(p, "Cả danh sách theo bộ lọc này, mọi trang: CSV · XLSX") {
			t.Errorf("%s does not say what its files hold", c.address)
		}
		for as, got := range o.taken(c.address, c.column) {
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("%s as %s: %d rows, want %d; %v", c.address, as, len(got), len(c.want), firstApart(got, c.want))
			}
		}
	}
	// The link stands for the whole list on its later pages too; who may not open the page gets no file of it.
	second := o.get("/console/discrepancies?kind=missing_at_provider")
	if at := hrefOf(t, second, `rel="next"`); !strings.Contains(string(o.get("/console/discrepancies"+at).body), `href="/console/discrepancies?as=csv&amp;kind=missing_at_provider"`) {
		t.Errorf("the second page, %s, offers something else", at)
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'audit.read'`); n < 6 {
		t.Errorf("%d looks at the audit are on record", n)
	}
	if got := o.taken("/console/users", "Tên")["csv"]; len(got) != 2 || !strings.Contains(plainly(o.get("/console/users")), "Các bảng trên trang này: CSV") {
		t.Errorf("a list without pages: %v", got)
	}
}

// firstApart are the first values where two sorted lists part.
func firstApart(a, b []string) string {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return fmt.Sprintf("%q and then %q", a[i], append(slices.Clone(b[min(i, len(b)):]), "nothing")[0])
		}
	}
	return fmt.Sprintf("nothing and then %q", append(slices.Clone(b[len(a):]), "nothing")[0])
}

// hrefOf is where the link with an attribute leads.
func hrefOf(t *testing.T, r reply, with string) string {
	t.Helper()
	for _, part := range strings.Split(string(r.body), "<a ")[1:] {
		tag, _, _ := strings.Cut(part, ">")
		if strings.Contains(tag, with) {
			_, href, _ := strings.Cut(tag, `href="`)
			href, _, _ = strings.Cut(href, `"`)
			return strings.ReplaceAll(href, "&amp;", "&")
		}
	}
	t.Fatalf("no link with %s", with)
	return ""
}

// What stands behind a figure, and what a rule found, is whole in its files as well: they add up to the figure.
func TestTheEvidenceIsWholeInItsFiles(t *testing.T) {
	const n = 210
	x := bare(t)
	for i := range n {
		x.counter(fmt.Sprint(i), x.order(fmt.Sprint("O", i), 1000+i, 50000, "phi", false), 50000, "transfer", "")
	}
	x.at("2026-03-20 09:00")
	boss := x.officer("lãnh đạo", []identity.Role{identity.Reporter})
	as := "&as_of=" + x.world.Now().In(time.FixedZone("", 7*3600)).Format("2006-01-02T15:04")
	for _, got := range boss.taken("/console/rate/evidence?figure=transactions.denominator&"+inMarch+as, "Hồ sơ") {
		slices.Sort(got)
		if got = slices.Compact(got); len(got) != n {
			t.Errorf("%d dossiers, want %d", len(got), n)
		}
	}
	for _, got := range boss.taken("/console/exceptions/G2?"+inMarch+as, "Hồ sơ, khoản nộp") {
		slices.Sort(got)
		if len(got) != n || len(slices.Compact(got)) != n {
			t.Errorf("%d findings, want %d", len(got), n)
		}
	}
}
