package console

import (
	"net/http"
	"strconv"
	"strings"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/reconciliation"
)

// roles of a bank's movement, and how it stands.
var roles = map[string]text{"payout": "Nhà cung cấp trả về", "deposit": "Nộp tiền mặt", "payment": "Người nộp chuyển khoản", "refund": "Hoàn tiền", "reversal": "Ngân hàng thu hồi", "fee": "Phí ngân hàng", "interest": "Lãi tiền gửi",
	"outflow": "Đơn vị chi ra", "unmatched": "Chưa rõ của ai"}

var standings = map[string]word{"matched": {"good", "●", "Đã khớp"}, "explained": {"good", "◌", "Đã rõ lý do"}, "open": {"bad", "○", "Chưa rõ"}, "no_money": {"", "·", "Không có tiền"}}

var payoutRules = map[string]text{reconciliation.PayoutNamed: "nội dung ghi rõ tài khoản và ngày", reconciliation.PayoutAmount: "nội dung ghi nhà cung cấp, số tiền chỉ khớp đúng những ngày này", reconciliation.PayoutPerson: "người đối soát chấp nhận"}

// matchReason is what speaks for a proposal, as people read it: the rooms say it in English.
func (t speech) matchReason(s string) string {
	if t.english() {
		return s
	}
	for en, vi := range map[string]string{"the sum is the net of these days": "số tiền bằng đúng thực nhận của những ngày này", "the two sums together are the net of this day": "hai khoản cộng lại bằng đúng thực nhận của ngày này",
		"the text names the provider": "nội dung ghi tên nhà cung cấp", "booked within three days": "ghi sổ trong ba ngày", "no other days come to it": "không còn ngày nào khác khớp số tiền",
		"the sum is the slip's, and it was booked about then": "đúng số tiền trên giấy nộp, ghi sổ gần ngày đó", "the same sum; the numbers differ": "cùng số tiền, khác mã", "within ten minutes": "cách nhau không quá mười phút",
		"no other payment has this sum": "không khoản nộp nào khác có số tiền này"} {
		s = strings.ReplaceAll(s, en, vi)
	}
	return s
}

type bankData struct {
	Filter    reconciliation.BankFilter
	Items     []reconciliation.BankLine
	Proposals []matchRow
	Roles     []string
	Next      string
	Work      bool
}

type matchRow struct {
	reconciliation.Match
	Place place
}

// bank lists the movements of the bank accounts, what each is, and what may belong together.
func (c *Console) bank(v *visit) error {
	q := v.r.URL.Query()
	d := bankData{Work: v.may(identity.Finance), Roles: []string{"payout", "deposit", "payment", "refund", "reversal", "fee", "interest", "outflow", "unmatched"},
		Filter: reconciliation.BankFilter{BankAccount: q.Get("bank_account"), From: q.Get("from"), To: q.Get("to"), Standing: q.Get("standing"), Role: q.Get("role"), After: q.Get("after"), Limit: v.rows()}}
	if !q.Has("from") {
		d.Filter.From = c.date(7)
	}
	var err error
	if d.Items, d.Next, err = c.Reconciler.BankLines(v.r.Context(), v.caller(), d.Filter); err != nil {
		return err
	}
	if d.Next != "" {
		q.Set("after", d.Next)
		d.Next = "?" + q.Encode()
	}
	all, err := v.places()
	if err != nil {
		return err
	}
	matches, err := c.Reconciler.ProposedMatches(v.r.Context(), v.caller(), "")
	if err != nil {
		return err
	}
	for _, m := range matches {
		d.Proposals = append(d.Proposals, matchRow{m, find(all, m.AccountID)})
	}
	return v.show(http.StatusOK, "bank", "Ngân hàng", d)
}

type creditData struct {
	*reconciliation.Credit
	Rule   text
	Places map[string]place
}

// credit is one movement: the payments that it is made of, and those missing in it.
func (c *Console) credit(v *visit) error {
	id, err := strconv.ParseInt(v.r.PathValue("line"), 10, 64)
	if err != nil {
		return &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	k, err := c.Reconciler.Credit(v.r.Context(), v.caller(), id)
	if err != nil {
		return err
	}
	if err := c.Identity.Audit(v.r.Context(), nil, v.actor(), "bank_line.read", v.r.PathValue("line"), nil); err != nil { // its text may name people
		return err
	}
	d := creditData{Credit: k, Places: map[string]place{}}
	if k.Payout != nil {
		d.Rule = payoutRules[k.Payout.Rule]
		all, err := v.places()
		if err != nil {
			return err
		}
		for _, day := range k.Payout.Days {
			d.Places[day.AccountID] = find(all, day.AccountID)
		}
	}
	return v.show(http.StatusOK, "credit", "Một khoản tiền về", d)
}

// acceptMatch accepts what was proposed.
func (c *Console) acceptMatch(v *visit) error {
	if _, err := c.Reconciler.Accept(v.r.Context(), v.caller(), v.r.PostForm.Get("account"), v.r.PathValue("id"), strings.TrimSpace(v.r.PostForm.Get("note"))); err != nil {
		return err
	}
	v.audit("match.accepted", v.r.PathValue("id"))
	return v.back("/console/bank?done=matched_by_person")
}
