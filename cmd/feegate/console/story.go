package console

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/reconciliation"
)

// verdictWords say what was made of a message.
var verdictWords = map[string]word{"recorded": {"good", "✓", "Xác thực, đã ghi"}, "duplicate": {"good", "✓", "Xác thực, trùng tin trước"}, "amount_mismatch": {"bad", "✕", "Xác thực, sai số tiền"},
	"unknown_payment": {"warn", "○", "Không biết giao dịch này"}, "forged": {"bad", "✕", "Không xác thực được, bỏ qua"}, "malformed": {"bad", "✕", "Không đọc được, bỏ qua"},
	"wrong_method": {"bad", "✕", "Sai cách gọi, bỏ qua"}, "failed": {"warn", "!", "feegate lỗi, mời gửi lại"}, "nothing": {"good", "○", "Xác thực, không nói về tiền"}}

var heardWords = map[string]text{"callback": "Nhà cung cấp báo:", "return": "Người nộp quay lại mang theo tin:"}

var outcomeWords = map[string]word{"succeeded": {"good", "●", "Thành công"}, "failed": {"bad", "✕", "Không thành công"}, "pending": {"warn", "◐", "Chờ kết quả"}, "expired": {"bad", "✕", "Hết hạn"},
	"uncertain": {"warn", "!", "Không rõ"}, "not_found": {"warn", "○", "Không có giao dịch này"}, "reversed": {"bad", "↩", "Bị thu hồi"}}

var ruleWords = map[string]text{"transaction": "theo mã giao dịch", "reference": "theo mã tham chiếu", "person": "do người ghép"}

// said adds to a payment's moments what was heard and asked about it, and what the reconciliation did; with raw, the messages as received.
func (v *visit) said(p *gateway.PaymentView, raw bool) ([]moment, error) {
	heard, asked, err := v.c.Gateway.Said(v.r.Context(), v.caller(), p, raw)
	if err != nil {
		return nil, err
	}
	events, err := v.c.Reconciler.Story(v.r.Context(), v.caller(), p.ID)
	if err != nil {
		return nil, err
	}
	var out []moment
	// before gives the time of what a word changed, which is judged a moment before the word is kept: the word stands before its consequence.
	before := func(at time.Time, source string) time.Time {
		for _, h := range p.History {
			if d := at.Sub(h.RecordedAt); h.Source == source && d >= 0 && d < time.Second {
				return h.RecordedAt
			}
		}
		return at
	}
	for _, h := range heard {
		m := heardMoment(&h)
		m.At = before(h.At, h.Kind)
		out = append(out, m)
	}
	for _, a := range asked {
		m := moment{At: before(a.At, "lookup"), What: "feegate hỏi lại:", Says: outcomeWords[a.Outcome], By: fmt.Sprintf("%d ms", a.TookMS), Detail: a.Detail}
		if m.Says.Word == "" {
			m.Says = word{"warn", "○", text(a.Outcome)}
		}
		if a.Object != p.ID {
			m.What = "feegate hỏi về khoản hoàn:"
		}
		if a.Code != "" {
			m.Detail = strings.TrimSpace(v.in.Sayf("mã %s", a.Code) + " " + a.Detail)
		}
		out = append(out, m)
	}
	for i := range events {
		out = append(out, v.happened(&events[i]))
	}
	exports, err := v.c.Reconciler.Exports(v.r.Context(), v.caller(), p.ID)
	if err != nil {
		return nil, err
	}
	for i := len(exports) - 1; i >= 0; i-- { // in the order of time
		out = append(out, v.left(&exports[i]))
	}
	return out, nil
}

// left is a moment at which a payment went into a paper or a file, for people to read.
func (v *visit) left(e *reconciliation.Export) moment {
	m := moment{At: e.At, By: v.closedBy(e.By)}
	day := "/console/days/" + url.PathEscape(e.From) + "?account=" + url.QueryEscape(e.Account)
	inside := v.in.Sayf("lần %d; trong số đã khóa có khoản này", e.N)
	if e.Refund {
		inside = v.in.Sayf("lần %d; trong số đã khóa có khoản hoàn của giao dịch này", e.N)
	}
	report := fmt.Sprintf("/console/reports/%s/%s/%d", e.From, e.To, e.N)
	switch e.What {
	case "listed":
		m.What, m.Link = "Khoản hoàn vào danh sách gửi ngân hàng", "/console/refunds/lists/"+url.PathEscape(e.List)
	case "taken":
		m.What, m.Link = "Tải tệp danh sách hoàn gửi ngân hàng", "/console/refunds/lists/"+url.PathEscape(e.List)
	case "closed":
		m.What, m.Link, m.Detail = v.says("Khóa sổ ngày %s", vietDate(e.From)), day, inside
	case "signed":
		m.What, m.Link, m.Detail = v.says("Ký biên bản ngày %s", vietDate(e.From)), day, inside
	case "reported":
		m.What, m.Link = v.says("Chốt báo cáo %s đến %s, lần %d", vietDate(e.From), vietDate(e.To), e.N), report
		m.Detail = v.in.Say("ngày nộp thuộc kỳ này, và khoản này đã được ghi nhận lúc chốt")
	case "approved":
		m.What, m.Link = v.says("Duyệt báo cáo %s đến %s, lần %d", vietDate(e.From), vietDate(e.To), e.N), report
	}
	return m
}

// happened is a deed of the reconciliation for people to read.
func (v *visit) happened(e *reconciliation.Event) moment {
	m := moment{At: e.At, By: v.who(e.By), Detail: e.Note}
	if e.Discrepancy != "" {
		m.Link = "/console/discrepancies/" + url.PathEscape(e.Discrepancy)
	}
	switch e.What {
	case "matched":
		m.What, m.Says = text(v.in.Sayf("Dòng %d của tệp đối soát", e.Line)), word{"good", "●", text(v.in.Sayf("Khớp %s", or(ruleWords)(e.Detail)))}
	case "unmatched":
		m.What, m.Says = text(v.in.Sayf("Dòng %d của tệp đối soát", e.Line)), word{"warn", "○", "Bỏ ghép"}
	case "found":
		m.What, m.Says = "Thấy sai lệch:", word{"bad", "○", text(v.in.guide(e.Detail).Name)}
	case "healed":
		m.What, m.Says = text(v.in.guide(e.Detail).Name)+":", word{"good", "●", "Tự hết khi số liệu khớp"}
	case "resolved":
		m.What, m.Says = text(v.in.guide(e.Detail).Name)+":", state(e.What)
	default: // of a resolution
		m.What, m.Says = text(v.in.Say(or(actions)(e.Detail)))+":", state(e.What)
	}
	if e.Import != "" {
		m.Link = "/console/imports/" + url.PathEscape(e.Import)
	}
	return m
}
