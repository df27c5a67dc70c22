package console

import (
	"cmp"
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/reconciliation"
)

// closers are who has to do with the end of a day.
var closers = []identity.Role{identity.Finance, identity.Approver, identity.Admin}

// reopeners open a closed day again, one of each.
var reopeners = []identity.Role{identity.Admin, identity.Approver}

// mountClosing adds the end of a day: close, sign, minutes, and open it again.
func (c *Console) mountClosing(mux *http.ServeMux) {
	c.on(mux, "GET /console/closings", closers, c.closings)
	c.on(mux, "GET /console/closings/{date}", closers, c.closingPage)
	c.on(mux, "POST /console/days/{date}/close", working, c.dayDeed("day.closed", "closed", c.Reconciler.CloseDay))
	c.on(mux, "POST /console/days/{date}/sign", deciding, c.dayDeed("day.signed", "signed", c.Reconciler.SignDay))
	c.on(mux, "POST /console/closings/{date}/reopen", reopeners, c.askReopen)
	c.on(mux, "POST /console/closings/{date}/reopen/{decision}", reopeners, c.decideReopen)
	c.on(mux, "GET /console/days/{date}/minutes.xlsx", reading, c.minutes("date", c.Reconciler.DayMinutes, xlsxKind))
	c.on(mux, "GET /console/days/{date}/minutes.pdf", reading, c.minutes("date", c.Reconciler.DayMinutes, pdfKind))
	c.on(mux, "GET /console/months/{month}/minutes.xlsx", reading, c.minutes("month", c.Reconciler.MonthMinutes, xlsxKind))
	c.on(mux, "GET /console/months/{month}/minutes.pdf", reading, c.minutes("month", c.Reconciler.MonthMinutes, pdfKind))
}

// closing is the end of a day, as a page shows it.
type closing struct {
	*reconciliation.DayDetail
	Closer, Signer    string
	Lacks             []lack
	MayClose, MaySign bool
	Mine              bool // closed by who looks: another person signs
	Landed, Left      []reconciliation.Adjustment
	Month             string
	ChainBroken       string
}

// lack is one thing that keeps a day from being closed, in words; Discrepancy is where it can be mended, Name what that is called.
type lack struct{ Says, Discrepancy, Name string }

var ofDiscrepancy = regexp.MustCompile(`^discrepancies\[(dis_[A-Za-z0-9_-]+)\]\.(\w+)$`)

var lackWords = map[string]text{
	"date": "Ngày chưa kết thúc: khóa sổ được từ 0 giờ ngày hôm sau.", "file": "Có giao dịch nhưng chưa có tệp đối soát nào của ngày này.",
	"statement":                        "Dòng sao kê của ngày còn đang được ghi nhận: chưa biết mỗi khoản là của ai. Đợi một phút rồi thử lại.",
	"unexplained_difference":           "Còn chênh lệch chưa giải thích được giữa feegate và nhà cung cấp.",
	"bank_side.unexplained_difference": "Còn chênh lệch chưa giải thích được giữa quyết toán và ngân hàng.",
	"statement_gap":                    "Sao kê ngân hàng bị đứt quãng: tải sao kê còn thiếu.",
	"owner":                            "chưa có người phụ trách", "deadline": "chưa có hạn xử lý", "action": "chưa có hướng xử lý", "resolution": "còn đề nghị chờ người khác duyệt",
}

// lacks puts what is missing into words, one line for each discrepancy.
func (t speech) lacks(missing []gateway.FieldError) []lack {
	var out []lack
	at := map[string]int{}
	for _, f := range missing {
		m := ofDiscrepancy.FindStringSubmatch(f.Field)
		if m == nil {
			words, ok := lackWords[f.Field]
			says := t.Say(text(words))
			if !ok {
				says = f.Field + ": " + f.Detail
			}
			out = append(out, lack{Says: says})
			continue
		}
		if n, seen := at[m[1]]; seen {
			out[n].Says += ", " + t.Say(text(lackWords[m[2]]))
			continue
		}
		at[m[1]] = len(out)
		kind, _, _ := strings.Cut(f.Detail, " ")
		name := t.Say("Sai lệch")
		if slices.Contains(reconciliation.Kinds(), kind) {
			name = t.guide(kind).Name
		}
		out = append(out, lack{t.Say(text(lackWords[m[2]])), m[1], name})
	}
	return out
}

// lacking is the problem of a day that is not ready, with what is missing in words.
func (t speech) lacking(p *gateway.Problem) *gateway.Problem {
	out := &gateway.Problem{Name: p.Name}
	for _, l := range t.lacks(p.Fields) {
		out.Fields = append(out.Fields, gateway.FieldError{Field: cmp.Or(l.Name, t.Say("Ngày đối soát")), Detail: l.Says})
	}
	return out
}

func (v *visit) closing(account, date string) (*closing, error) {
	ctx := v.r.Context()
	d, err := v.c.Reconciler.DayDetail(ctx, v.caller(), account, date)
	if err != nil {
		return nil, err
	}
	k := &closing{DayDetail: d, Lacks: v.in.lacks(d.Missing), Month: date[:7], MayClose: v.may(identity.Finance) && !d.Closed(), MaySign: v.may(identity.Approver) && d.Status == "closed"}
	if d.ClosedBy != nil {
		k.Closer, k.Mine = v.who(*d.ClosedBy), *d.ClosedBy == v.session.Principal.ID
	}
	if d.SignedBy != nil {
		k.Signer = v.who(*d.SignedBy)
	}
	if b := d.Chain.Break; b != nil {
		k.ChainBroken = b.What
	}
	k.Landed, k.Left, err = v.c.Reconciler.Adjustments(ctx, v.caller(), account, date)
	return k, err
}

// dayDeed does something to a day and goes back to its page.
func (c *Console) dayDeed(deed, done string, do func(context.Context, gateway.Caller, string, string) (*reconciliation.DayDetail, error)) func(*visit) error {
	return func(v *visit) error {
		date, id := v.r.PathValue("date"), v.r.PostForm.Get("account")
		if _, err := do(v.r.Context(), v.caller(), id, date); err != nil {
			return err
		}
		v.audit(deed, id+"/"+date)
		return v.back("/console/days/" + date + "?account=" + id + "&done=" + done)
	}
}

type versionRow struct {
	reconciliation.DayVersion
	Closer, Signer string
	Diff           []reconciliation.FigureChange
}

type closingData struct {
	*closing
	Date, ID  string
	Place     place
	Rows      []versionRow
	Asker     string
	MayReopen bool
	Agree     bool // may agree to what another asked for
	MineAsked bool
	Reads     bool // may open the day's own page
}

// closingPage shows how a day was closed and signed, each version with what changed, and opens it again.
func (c *Console) closingPage(v *visit) error {
	date, id := v.r.PathValue("date"), v.r.URL.Query().Get("account")
	at, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	k, err := v.closing(id, date)
	if err != nil {
		return err
	}
	all, err := v.places()
	if err != nil {
		return err
	}
	d := closingData{closing: k, Date: date, ID: id, Place: find(all, id), MayReopen: v.may(reopeners...) && k.Closed() && k.Reopening == nil, Reads: v.may(append(reading, identity.Auditor)...)}
	for _, n := range k.Versions {
		row := versionRow{DayVersion: n, Closer: v.who(n.ClosedBy)}
		if n.SignedBy != nil {
			row.Signer = v.who(*n.SignedBy)
		}
		if n.N > 1 {
			full, err := c.Reconciler.DayVersion(v.r.Context(), v.caller(), id, date, n.N, 0)
			if err != nil {
				return err
			}
			row.Diff = full.Diff[:min(len(full.Diff), mostParts)]
		}
		d.Rows = append(d.Rows, row)
	}
	if o := k.Reopening; o != nil {
		other := identity.Admin
		if o.AskedAs == string(identity.Admin) {
			other = identity.Approver
		}
		d.Asker, d.MineAsked = v.who(o.AskedBy), o.AskedBy == v.session.Principal.ID
		d.Agree = !d.MineAsked && v.may(other)
		d.MayReopen = v.may(reopeners...)
	}
	return v.show(http.StatusOK, "closing", text(v.in.Sayf("Khóa sổ ngày %s", at.Format("02/01/2006"))), d)
}

func (c *Console) askReopen(v *visit) error {
	date, id := v.r.PathValue("date"), v.r.PostForm.Get("account")
	if _, err := c.Reconciler.AskReopen(v.r.Context(), v.caller(), reconciliation.ReopenRoles(v.session.Principal.Roles), id, date, v.r.PostForm.Get("reason")); err != nil {
		return err
	}
	v.audit("day.reopen.asked", id+"/"+date)
	return v.back("/console/closings/" + date + "?account=" + id + "&done=reopen-asked")
}

func (c *Console) decideReopen(v *visit) error {
	date, id, decision := v.r.PathValue("date"), v.r.PostForm.Get("account"), v.r.PathValue("decision")
	deed, ok := map[string]string{"approve": "day.reopened", "reject": "day.reopen.rejected"}[decision]
	if !ok {
		return &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	if _, err := c.Reconciler.DecideReopen(v.r.Context(), v.caller(), reconciliation.ReopenRoles(v.session.Principal.Roles), id, date, decision == "approve"); err != nil {
		return err
	}
	v.audit(deed, id+"/"+date)
	return v.back("/console/closings/" + date + "?account=" + id + "&done=reopen-" + decision)
}

type closingsData struct {
	Span  int
	Rows  []closingRow
	Reads bool
}

type closingRow struct {
	reconciliation.DayState
	Place          place
	Closer, Signer string
}

// closings lists how far the days of the last weeks have come.
func (c *Console) closings(v *visit) error {
	d := closingsData{Span: 31, Reads: v.may(append(reading, identity.Auditor)...)}
	all, err := v.places()
	if err != nil {
		return err
	}
	for after := ""; ; {
		items, next, err := c.Reconciler.DayStates(v.r.Context(), v.caller(), reconciliation.StateFilter{From: c.date(d.Span), To: c.date(0), Limit: 200, After: after})
		if err != nil {
			return err
		}
		for _, s := range items {
			row := closingRow{DayState: s, Place: find(all, s.AccountID)}
			if s.Closed() {
				row.Closer = v.who(*s.ClosedBy)
			}
			if s.Status == "signed" {
				row.Signer = v.who(*s.SignedBy)
			}
			d.Rows = append([]closingRow{row}, d.Rows...)
		}
		if after = next; next == "" {
			break
		}
	}
	return v.show(http.StatusOK, "closings", "Khóa sổ", d)
}

// kindOfFile is how the minutes are written.
type kindOfFile struct {
	ending, mime string
	write        func(*reconciliation.Minutes) ([]byte, error)
}

var (
	xlsxKind = kindOfFile{".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", (*reconciliation.Minutes).XLSX}
	pdfKind  = kindOfFile{".pdf", "application/pdf", (*reconciliation.Minutes).PDF}
)

// minutes sends the minutes of a day or a month.
func (c *Console) minutes(when string, of func(context.Context, gateway.Caller, string, string) (*reconciliation.Minutes, error), kind kindOfFile) func(*visit) error {
	return func(v *visit) error {
		m, err := of(v.r.Context(), v.caller(), v.r.URL.Query().Get("account"), v.r.PathValue(when))
		if err != nil {
			return err
		}
		b, err := kind.write(m)
		if err != nil {
			return err
		}
		return v.send("bien-ban-doi-soat-"+m.Account.ID+"-"+v.r.PathValue(when)+kind.ending, kind.mime, b)
	}
}

var adjustmentWords = map[string]text{"late_payment": "Khoản nộp biết muộn", "late_refund": "Hoàn tiền biết muộn", "reversal": "Bị thu hồi sau khi khóa sổ", "late_line": "Sao kê có muộn", "reopened": "Trả về ngày mở lại"}

// frozenWords are the figures whose change people ask about; others keep their technical name.
var frozenWords = map[string]text{"payments.count": "feegate: số giao dịch", "payments.amount": "feegate: tổng tiền", "settled.count": "Nhà cung cấp: số giao dịch", "settled.amount": "Nhà cung cấp: tổng tiền",
	"settled.fee": "Phí dịch vụ", "settled.net": "Thực nhận", "bank.count": "Ngân hàng: số báo có", "bank.amount": "Ngân hàng: tổng tiền", "matched.count": "Số giao dịch khớp", "matched.amount": "Tiền đã khớp",
	"difference": "Chênh lệch", "explained_difference": "Đã giải thích", "bank_side.difference": "Chênh lệch phía ngân hàng", "bank_side.explained_difference": "Đã giải thích phía ngân hàng",
	"adjustments.count": "Số điều chỉnh", "adjustments.amount": "Tiền điều chỉnh"}
