package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/gateway/vnd"
)

type paymentData struct {
	*gateway.PaymentView
	OrderView   *gateway.OrderView // nil where the payment belongs to none
	Agency      string
	Refunds     []refundRow
	Work        bool // may ask for a refund
	AccountName place
	Timeline    []moment
	Raw         bool // messages are shown as received
}

// moment is one thing that happened to a payment or its money.
type moment struct {
	At                time.Time
	What              text
	State, By, Detail string
	Says              word   // where it is no state of a payment
	Link, Raw         string // where more stands; a message as received
}

// timeline puts everything that happened into one row of time.
func (v *visit) timeline(p *gateway.PaymentView, raw bool) ([]moment, error) {
	out := []moment{{At: p.CreatedAt, What: "Bắt đầu lần nộp"}}
	said, err := v.said(p, raw)
	if err != nil {
		return nil, err
	}
	out = append(out, said...)
	for _, h := range p.History {
		out = append(out, moment{At: h.RecordedAt, State: h.To, By: v.in.Say(or(sources)(h.Source)), Detail: v.in.told(h.Detail)})
	}
	for i := range p.Refunds {
		r := &p.Refunds[i]
		what := text(v.in.Sayf("Hoàn %s:", page.Money(r.Amount)))
		out = append(out, moment{At: r.RequestedAt, What: what, State: gateway.RefundRequested, By: v.who(r.RequestedBy)})
		if r.DecidedAt != nil && r.DecidedBy != nil {
			decided := gateway.RefundApproved
			if r.Status == gateway.RefundRejected {
				decided = r.Status
			}
			out = append(out, moment{At: *r.DecidedAt, What: what, State: decided, By: v.who(*r.DecidedBy)})
		}
		if r.SubmittedAt != nil {
			out = append(out, moment{At: *r.SubmittedAt, What: what, State: gateway.RefundSubmitted})
		}
		if r.RecordedAt != nil && r.Status == gateway.RefundSucceeded {
			by := v.in.Say("nhà cung cấp")
			if r.Manual {
				by = v.in.Say("ngân hàng")
			}
			out = append(out, moment{At: *r.RecordedAt, What: what, State: r.Status, By: by})
		}
	}
	slices.SortStableFunc(out, func(a, b moment) int { return a.At.Compare(b.At) })
	return out, nil
}

type refundRow struct {
	gateway.RefundView
	By, DecidedByName string
	Decide, Mine      bool
	To                *gateway.Destination // where it goes, where that is another account than it came from
}

func (c *Console) payment(v *visit) error {
	p, err := c.Gateway.Payment(v.r.Context(), v.caller(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	d := paymentData{PaymentView: p, Work: v.may(identity.Finance) && p.Status == gateway.PaymentSucceeded && p.RefundableAmount > 0}
	if d.Raw = v.r.URL.Query().Get("raw") == "1"; d.Raw { // what was received may name the payer
		if err := c.Identity.Audit(v.r.Context(), nil, v.actor(), "callback.read", p.ID, nil); err != nil {
			return err
		}
	}
	if d.Timeline, err = v.timeline(p, d.Raw); err != nil {
		return err
	}
	all, err := v.places()
	if err != nil {
		return err
	}
	if p.AccountID != nil {
		d.AccountName = find(all, *p.AccountID)
	}
	if p.Order != "" {
		if d.OrderView, err = c.Gateway.Order(v.r.Context(), v.caller(), p.Order); err != nil && gateway.ProblemName(err) != gateway.ProblemNotFound {
			return err
		}
	}
	me := v.session.Principal.ID
	for _, r := range p.Refunds {
		row := refundRow{RefundView: r, By: v.who(r.RequestedBy), Mine: r.RequestedBy == me}
		if r.DecidedBy != nil {
			row.DecidedByName = v.who(*r.DecidedBy)
		}
		row.Decide = r.Status == gateway.RefundRequested && v.may(identity.Approver) && !row.Mine
		d.Refunds = append(d.Refunds, row)
	}
	if err := v.destinations(d.Refunds); err != nil {
		return err
	}
	return v.show(http.StatusOK, "payment", "Giao dịch", d)
}

// typed reads an amount as people type it: 120.000, 120 000 ₫.
func typed(s string) (*vnd.Amount, error) {
	digits := strings.NewReplacer(".", "", " ", "", "\u00a0", "", "₫", "", "đ", "").Replace(strings.TrimSpace(s))
	a, err := vnd.Parse(digits)
	if err != nil {
		return nil, &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "Số tiền", Detail: "là số nguyên đồng, ví dụ 120.000"}}}
	}
	return &a, nil
}

func (c *Console) requestRefund(v *visit) error {
	id, f := v.r.PathValue("id"), v.r.PostForm
	k, err := v.keyed()
	if err != nil {
		return err
	}
	amount, err := typed(f.Get("amount"))
	if err != nil {
		return err
	}
	available, err := typed(f.Get("available"))
	if err != nil {
		return err
	}
	in := gateway.NewRefund{Amount: amount, Available: available, Reason: strings.TrimSpace(f.Get("reason"))}
	to := gateway.Destination{Bank: strings.TrimSpace(f.Get("to_bank")), AccountNumber: strings.ToUpper(strings.ReplaceAll(f.Get("to_account"), " ", "")), AccountName: strings.TrimSpace(f.Get("to_name")), Evidence: strings.TrimSpace(f.Get("to_evidence"))}
	if to != (gateway.Destination{}) {
		in.To = &to
	}
	if _, err := c.Gateway.RequestRefund(v.r.Context(), v.caller(), k, id, in); err != nil {
		return err
	}
	return v.back("/console/payments/" + url.PathEscape(id) + "?done=requested")
}

// maxNote is how much a person may say about a decision.
const maxNote = 500

func (c *Console) decideRefund(v *visit) error {
	approve, err := v.decision()
	if err != nil {
		return err
	}
	note := strings.TrimSpace(v.r.PostForm.Get("note"))
	if len([]rune(note)) > maxNote {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "Ghi chú", Detail: "tối đa 500 ký tự"}}}
	}
	decide := c.Gateway.RejectRefund
	if approve {
		decide = c.Gateway.ApproveRefund
	}
	r, err := decide(v.r.Context(), v.caller(), v.r.PathValue("id"), note)
	if err != nil {
		return err
	}
	return v.back("/console/payments/" + url.PathEscape(r.Payment) + done(approve))
}
