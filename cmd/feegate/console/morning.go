package console

import (
	"net/http"

	"feegate/gateway/identity"
	"feegate/reconciliation"
)

// verdict is the day in one word: both of its sides count, and what differs is named.
func verdict(d *reconciliation.Day) word {
	provider, bank := d.Unexplained != 0, d.BankSide.Unexplained != 0
	switch {
	case d.Late() && d.Discrepancies["file_missing"] > 0:
		return word{"bad", "✕", "Thiếu tệp, quá giờ"}
	case d.Late():
		return word{"warn", "◌", "Chưa có tệp"}
	case provider && bank && !d.Waits():
		return word{"bad", "✕", "Lệch cả hai bên"}
	case provider:
		return word{"bad", "✕", "Lệch với nhà cung cấp"}
	case d.Waits() && !d.GrossAgrees():
		return word{"warn", "✕", "Lệch, chờ tiền về"}
	case d.Waits():
		return word{"warn", "◌", "Chờ tiền về ngân hàng"}
	case bank:
		return word{"bad", "✕", "Lệch với ngân hàng"}
	case !d.Agrees():
		return word{"warn", "✕", "Lệch, đã rõ lý do"}
	}
	return word{"good", "✓", "Khớp"}
}

type todayData struct {
	Span                     int
	From, To                 string
	Rows                     []dayRow
	Differ, Late, Waits      int
	Open                     []reconciliation.Heap // by kind, what is overdue first
	Total                    reconciliation.Heap
	Overdue                  []discrepancyRow
	Missing                  int // files that should have come
	Proposals                int
	Waiting                  []waiting
	Decides, MayUpload, Work bool
	WaitingForMe             int
	Confirm                  []layoutRow
	Troubles                 []trouble
	ID                       string // of an import: none
}

// mostOverdue is how many overdue discrepancies stand on the morning's page; the list has them all.
const mostOverdue = 10

func (c *Console) today(v *visit) error {
	span := 3
	switch v.r.URL.Query().Get("days") {
	case "7":
		span = 7
	case "31":
		span = 31
	}
	ctx, who := v.r.Context(), v.caller()
	d := todayData{Span: span, From: c.date(span), To: c.date(0), Decides: v.may(identity.Approver), MayUpload: v.may(identity.Finance), Work: v.may(identity.Finance)}
	all, err := v.places()
	if err != nil {
		return err
	}
	days, err := c.Reconciler.Period(ctx, who, d.From, c.date(1)) // today is not over
	if err != nil {
		return err
	}
	d.Rows = rows(days, all)
	for i := range d.Rows {
		switch r := &d.Rows[i]; {
		case r.Late():
			d.Late++
		case r.Waits() && r.GrossAgrees():
			d.Waits++
		case !r.Agrees():
			d.Differ++
		}
	}
	if err := v.openCases(&d, all); err != nil {
		return err
	}
	matches, err := c.Reconciler.ProposedMatches(ctx, who, "")
	if err != nil {
		return err
	}
	d.Proposals = len(matches)
	layouts, err := c.Reconciler.Layouts(ctx, who)
	if err != nil {
		return err
	}
	for _, l := range layouts {
		if l.ConfirmedAt == nil {
			d.Confirm = append(d.Confirm, layoutRow{l, columnsOf(l.Described)})
		}
	}
	if d.Waiting, err = v.waiting(); err != nil {
		return err
	}
	for _, w := range d.Waiting {
		if d.Decides && !w.Mine {
			d.WaitingForMe++
		}
	}
	if d.Troubles, err = v.troubles(); err != nil {
		return err
	}
	return v.show(http.StatusOK, "today", "Hôm nay", d)
}

// openCases reads the unresolved discrepancies by kind, and those that are overdue one by one.
func (v *visit) openCases(d *todayData, all []place) error {
	f := reconciliation.Filter{Status: reconciliation.Unresolved, Sort: "deadline", Limit: mostOverdue}
	sum, err := v.c.Reconciler.Summarise(v.r.Context(), v.caller(), f)
	if err != nil {
		return err
	}
	d.Open, d.Total = sum.ByKind, sum.Total
	for _, h := range sum.ByKind {
		if h.Name == "file_missing" {
			d.Missing = h.Count
		}
	}
	if d.Total.Overdue == 0 {
		return nil
	}
	f.Overdue = true
	items, _, err := v.c.Reconciler.Discrepancies(v.r.Context(), v.caller(), f)
	for _, i := range items {
		d.Overdue = append(d.Overdue, discrepancyRow{i, find(all, i.AccountID), v.who(given(i.Owner))})
	}
	return err
}
