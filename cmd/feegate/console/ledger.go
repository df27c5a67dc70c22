package console

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/reconciliation"
)

// headings are what the records hold under, as people say it, in the page's order. A debt of ours is written as what we owe: the other way round.
var headings = []struct {
	Name string
	Says text
	owed bool
}{
	{"clearing", "Chờ quyết toán", false}, {"receivable", "Phải thu nhà cung cấp", false}, {"bank", "Tiền ở ngân hàng", false}, {"fee", "Phí dịch vụ", false}, {"refund_payable", "Phải hoàn", true}, {"surplus", "Tiền thừa", true},
	{"claim", "Đang đòi", false}, {"written_off", "Đã xóa", false},
}

// counterHeadings are those of an agency's counter.
var counterHeadings = []struct {
	Name string
	Says text
	owed bool
}{{"cash", "Tiền mặt ở quầy", false}, {"counter", "Thẻ, chuyển khoản tại quầy", false}, {"bank", "Đã nộp ngân hàng", false}, {"refund_payable", "Phải hoàn", true}, {"surplus", "Tiền thừa", true}}

// instant is the form's way to write a time; the zone is Vietnam's.
const instant = "2006-01-02T15:04"

type ledgerRow struct {
	Place  place
	Agency string
	Cells  []vnd.Signed
	empty  bool
}

type ledgerData struct {
	At, Asked         string // as the form has it, and as the address has it: "" is now
	When              time.Time
	Heads, CountHeads []text
	Rows, Counters    []ledgerRow
	Sum               []vnd.Signed
}

// at reads the instant that is asked for: now where none is, and never later.
func (v *visit) at() (time.Time, error) {
	q, now := v.r.URL.Query().Get("at"), v.c.Now()
	if q == "" {
		return now, nil
	}
	t, err := time.ParseInLocation(instant, q, vietnam)
	if err != nil {
		if t, err = time.ParseInLocation(instant+":05", q, vietnam); err != nil {
			return now, &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "Thời điểm", Detail: "phải là ngày và giờ"}}}
		}
	}
	if t.After(now) {
		return now, &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "Thời điểm", Detail: "lies in the future"}}}
	}
	return t, nil
}

// balances puts what the accounts hold into rows: one for each merchant account, and one for each agency's counter.
func (v *visit) balances() (*ledgerData, error) {
	at, err := v.at()
	if err != nil {
		return nil, err
	}
	d := &ledgerData{At: at.In(vietnam).Format(instant), Asked: v.r.URL.Query().Get("at"), When: at, Sum: make([]vnd.Signed, len(headings))}
	items, err := v.c.Reconciler.AccountBalances(v.r.Context(), v.caller(), at)
	if err != nil {
		return nil, err
	}
	all, err := v.places()
	if err != nil {
		return nil, err
	}
	agencies, err := v.c.Gateway.Agencies(v.r.Context())
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		d.Rows = append(d.Rows, ledgerRow{Place: p, Cells: make([]vnd.Signed, len(headings)), empty: true})
	}
	for _, h := range headings {
		d.Heads = append(d.Heads, h.Says)
	}
	for _, h := range counterHeadings {
		d.CountHeads = append(d.CountHeads, h.Says)
	}
	for _, b := range items {
		heads, list := headings, &d.Rows
		at := slices.IndexFunc(d.Rows, func(r ledgerRow) bool { return b.AccountID != "" && r.Place.ID == b.AccountID })
		if at < 0 {
			heads, list = counterHeadings, &d.Counters
			name := cmp.Or(agencies[b.Agency], b.Agency, v.in.Say("Không rõ cơ quan"))
			if at = slices.IndexFunc(d.Counters, func(r ledgerRow) bool { return r.Agency == name }); at < 0 {
				at = len(d.Counters)
				d.Counters = append(d.Counters, ledgerRow{Agency: name, Cells: make([]vnd.Signed, len(heads))})
			}
		}
		for n, h := range heads {
			if h.Name != b.Heading {
				continue
			}
			amount := b.Balance
			if h.owed {
				amount = -amount
			}
			(*list)[at].Cells[n] += amount
			(*list)[at].empty = false
			if list == &d.Rows {
				d.Sum[n] += amount
			}
		}
	}
	d.Rows = slices.DeleteFunc(d.Rows, func(r ledgerRow) bool { return r.empty })
	return d, nil
}

// ledger shows what every account holds at an instant.
func (c *Console) ledger(v *visit) error {
	d, err := v.balances()
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "ledger", "Sổ tiền", d)
}

func (c *Console) ledgerCSV(v *visit) error {
	d, err := v.balances()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := newSheet(&b)
	_ = w.Write(append(v.in.heads("Nhà cung cấp", "Tài khoản", "Cơ quan"), v.in.heads(d.Heads...)...)) // a buffer takes all
	for _, r := range d.Rows {
		_ = w.Write(append([]string{string(or(brands)(r.Place.Provider)), r.Place.Terminal, r.Place.Agency}, digitsOf(r.Cells)...))
	}
	if len(d.Counters) > 0 {
		_ = w.Write(append(v.in.heads("Quầy", "", "Cơ quan"), v.in.heads(d.CountHeads...)...))
		for _, r := range d.Counters {
			_ = w.Write(append([]string{v.in.Say("Quầy"), "", r.Agency}, digitsOf(r.Cells)...))
		}
	}
	w.Flush()
	return v.file("so-tien_"+d.When.In(vietnam).Format("2006-01-02_1504")+".csv", b.Bytes())
}

func digitsOf(amounts []vnd.Signed) []string {
	out := make([]string, 0, len(amounts))
	for _, a := range amounts {
		out = append(out, a.String())
	}
	return out
}

type clearingData struct {
	Place      place
	Asked      string
	When       time.Time
	Items      []reconciliation.LedgerLine
	Sum        vnd.Signed
	Next, File string
}

// ledgerTypes are what leaves something on an account's clearing.
var ledgerTypes = map[string]text{"payment": "Khoản nộp chưa quyết toán", "refund": "Khoản hoàn chưa quyết toán", "settlement_line": "Dòng của nhà cung cấp, feegate không có"}

// clearing lists what an account's clearing is made of, line by line.
func (c *Console) clearing(v *visit) error {
	at, err := v.at()
	if err != nil {
		return err
	}
	all, err := v.places()
	if err != nil {
		return err
	}
	id := v.r.PathValue("account")
	items, next, sum, err := c.Reconciler.ClearingLines(v.r.Context(), v.caller(), id, at, v.r.URL.Query().Get("after"), v.rows())
	if err != nil {
		return err
	}
	d := clearingData{Place: find(all, id), Asked: v.r.URL.Query().Get("at"), When: at, Items: items, Sum: sum}
	d.File = "/console/ledger/" + url.PathEscape(id) + "/clearing.csv?at=" + url.QueryEscape(v.r.URL.Query().Get("at"))
	if next != "" {
		d.Next = v.with("after", next)
	}
	return v.show(http.StatusOK, "clearing", "Chờ quyết toán", d)
}

func (c *Console) clearingCSV(v *visit) error {
	at, err := v.at()
	if err != nil {
		return err
	}
	items, next, sum, err := c.Reconciler.ClearingLines(v.r.Context(), v.caller(), v.r.PathValue("account"), at, "", mostExported)
	if err != nil {
		return err
	}
	if next != "" {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "Bộ lọc", Detail: "quá nhiều dòng để tải một lần; hãy chọn thời điểm sau khi nhập tệp đối soát"}}}
	}
	var b bytes.Buffer
	w := newSheet(&b)
	_ = w.Write(v.in.heads("Là", "Mã", "Mã tham chiếu", "Phát sinh lúc", "Biết lúc", "Số tiền")) // a buffer takes all
	for _, l := range items {
		_ = w.Write([]string{v.in.Say(or(ledgerTypes)(l.Type)), l.ID, l.Reference, l.EffectiveAt.In(vietnam).Format(time.DateTime), l.RecordedAt.In(vietnam).Format(time.DateTime), l.Amount.String()})
	}
	_ = w.Write([]string{v.in.Say("Cộng"), "", "", "", "", sum.String()})
	w.Flush()
	return v.file("cho-quyet-toan_"+at.In(vietnam).Format("2006-01-02_1504")+".csv", b.Bytes())
}
