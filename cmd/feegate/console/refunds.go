package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/gateway/vnd"
	"feegate/reconciliation/document"
)

type refundsData struct {
	Asked   []askedRefund
	Waiting []listable
	Lists   []listRow
	Next    string
	Work    bool
}

// askedRefund is a refund that somebody must decide on.
type askedRefund struct {
	gateway.RefundView
	By   string
	Mine bool
}

// listable are the refunds of an agency that wait for a list.
type listable struct {
	Code, Agency string
	Amount       vnd.Amount
	Items        []listableRow
}

type listableRow struct {
	gateway.ListableRefund
	Ticked bool
}

type listRow struct {
	gateway.RefundList
	Agency, By string
}

// refunds shows what must go back to people: what waits for a decision, what waits for a list, and the lists.
func (c *Console) refunds(v *visit) error {
	ctx, who, me := v.r.Context(), v.caller(), v.session.Principal.ID
	d := refundsData{Work: v.may(identity.Finance)}
	agencies, err := c.Gateway.Agencies(ctx)
	if err != nil {
		return err
	}
	asked, err := c.Gateway.RefundsIn(ctx, who, mostWaiting, gateway.RefundRequested)
	if err != nil {
		return err
	}
	for _, r := range asked {
		d.Asked = append(d.Asked, askedRefund{r, v.who(r.RequestedBy), r.RequestedBy == me})
	}
	waiting, err := c.Gateway.RefundsToList(ctx, who, gateway.MaxRefundList)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, r := range waiting {
		if n := len(d.Waiting); n == 0 || d.Waiting[n-1].Code != r.AgencyCode {
			d.Waiting = append(d.Waiting, listable{Code: r.AgencyCode, Agency: cmp.Or(agencies[r.AgencyCode], r.AgencyCode)})
		}
		l := &d.Waiting[len(d.Waiting)-1]
		ticked := r.Status == gateway.RefundApproved && !seen[r.Payment] // one at a time of a payment
		seen[r.Payment] = true
		l.Items = append(l.Items, listableRow{r, ticked})
		l.Amount += r.Amount
	}
	lists, next, err := c.Gateway.RefundLists(ctx, who, "", v.r.URL.Query().Get("after"), v.rows())
	if err != nil {
		return err
	}
	for _, l := range lists {
		d.Lists = append(d.Lists, listRow{l, cmp.Or(agencies[l.AgencyCode], l.AgencyCode), v.who(l.CreatedBy)})
	}
	if next != "" {
		d.Next = v.with("after", next)
	}
	return v.show(http.StatusOK, "refunds", "Hoàn tiền", d)
}

// makeList puts the refunds that were ticked into a list for the bank.
func (c *Console) makeList(v *visit) error {
	k, err := v.keyed()
	if err != nil {
		return err
	}
	in := gateway.NewRefundList{AgencyCode: v.r.PostForm.Get("agency"), Refunds: v.r.PostForm["refund"]}
	if len(in.Refunds) == 0 {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "refunds", Detail: "chưa chọn khoản nào"}}}
	}
	a, err := c.Gateway.CreateRefundList(v.r.Context(), v.caller(), k, in)
	if err != nil {
		return err
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(a.Body, &made); err != nil {
		return err
	}
	return v.back("/console/refunds/lists/" + url.PathEscape(made.ID) + "?done=listed")
}

type refundListData struct {
	*gateway.RefundList
	Agency, By string
	Mine       bool // listed by who looks: another person says what the bank did
	Now        string
	Tells      bool
}

// list reads one list; whoever looks is noted before anything is shown, and as what they take it: "" is the page.
func (v *visit) list(as string) (*gateway.RefundList, error) {
	id := v.r.PathValue("id")
	l, err := v.c.Gateway.RefundList(v.r.Context(), v.caller(), id)
	if err != nil {
		return nil, err
	}
	looked := map[string]any{"transfers": l.Count}
	if as != "" {
		looked["as"] = as
	}
	return l, v.c.Identity.Audit(v.r.Context(), nil, v.actor(), "refund_list.read", id, looked)
}

// refundList shows a list with what the bank did about each of its transfers; accounts by their last digits alone.
func (c *Console) refundList(v *visit) error {
	l, err := v.list(v.as())
	if err != nil {
		return err
	}
	for i := range l.Items {
		if l.Items[i].AccountNumber != "" {
			l.Items[i].AccountNumber = gateway.MaskedAccount(l.Items[i].AccountNumber)
		}
	}
	agencies, err := c.Gateway.Agencies(v.r.Context())
	if err != nil {
		return err
	}
	d := refundListData{RefundList: l, Agency: cmp.Or(agencies[l.AgencyCode], l.AgencyCode), By: v.who(l.CreatedBy), Mine: l.CreatedBy == v.session.Principal.ID, Now: c.Now().In(vietnam).Format(instant)}
	d.Tells = !d.Mine && v.may(identity.Finance, identity.Approver)
	return v.show(http.StatusOK, "refund-list", "Danh sách hoàn tiền", d)
}

// refundListCSV is the list as the bank needs it, accounts and names in clear.
func (c *Console) refundListCSV(v *visit) error {
	l, err := v.list("csv")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := newSheet(&b)
	_ = w.Write([]string{"STT", "Số tài khoản", "Tên người nhận", "Ngân hàng", "Số tiền", "Nội dung chuyển khoản", "Mã hồ sơ", "Mã khoản hoàn", "Trả lại cho giao dịch", "Từ tài khoản"}) // a buffer takes all
	for _, i := range l.Items {
		_ = w.Write([]string{strconv.Itoa(i.N), document.Harmless(i.AccountNumber), document.Harmless(i.AccountName), document.Harmless(i.Bank), i.Amount.String(), document.Harmless(i.Content), document.Harmless(i.DossierCode), i.Refund, document.Harmless(i.SourceReference), document.Harmless(strings.TrimSpace(i.SourceBank + " " + i.SourceAccount))})
	}
	w.Flush()
	return v.file("hoan-tien_"+l.ID+".csv", b.Bytes())
}

// tellRefund records what the bank did about a transfer of a list: it went out, or it came back.
func (c *Console) tellRefund(v *visit) error {
	id, f := v.r.PathValue("id"), v.r.PostForm
	done := ""
	switch f.Get("outcome") {
	case "paid":
		at, err := time.ParseInLocation(instant, f.Get("paid_at"), vietnam)
		if err != nil {
			return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "paid_at", Detail: "phải là ngày và giờ"}}}
		}
		if _, err := c.Gateway.ConfirmRefund(v.r.Context(), v.caller(), id, gateway.NewConfirmation{BankReference: strings.TrimSpace(f.Get("bank_reference")), PaidAt: &at}); err != nil {
			return err
		}
		done = "paid_back"
	case "returned":
		if _, err := c.Gateway.ReturnRefund(v.r.Context(), v.caller(), id, strings.TrimSpace(f.Get("note"))); err != nil {
			return err
		}
		done = "returned"
	default:
		return &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	v.audit("refund."+done, id)
	to := "/console/refunds"
	if list := f.Get("list"); strings.HasPrefix(list, "rfl_") && !strings.ContainsAny(list, "/?#\\") {
		to += "/lists/" + list
	}
	return v.back(to + "?done=" + done)
}

// destinations reads where the refunds of a payment go, for who works on them or decides: their looks are noted.
func (v *visit) destinations(rows []refundRow) error {
	for i := range rows {
		r := &rows[i]
		if r.ToAccount == "" || r.Status == gateway.RefundSucceeded || r.Status == gateway.RefundRejected {
			continue
		}
		d, err := v.c.Gateway.RefundDestination(v.r.Context(), v.caller(), r.ID)
		if err != nil {
			return err
		}
		if d == nil {
			continue
		}
		if err := v.c.Identity.Audit(v.r.Context(), nil, v.actor(), "refund_destination.read", r.ID, nil); err != nil {
			return err
		}
		r.To = d
	}
	return nil
}
