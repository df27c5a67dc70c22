package forms

import (
	"context"
	"slices"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/reconciliation"
	"feegate/reconciliation/adoption"
)

func kindName(kind string) string {
	return map[string]string{"phi": "Phí", "le_phi": "Lệ phí", "nvtc": "Nghĩa vụ tài chính"}[kind]
}

// bm03 is the period's money by kind.
func (m *Maker) bm03(ctx context.Context, a Ask, f *Form) error {
	kinds, err := m.reporter.Amounts(ctx, a.Question)
	if err != nil {
		return err
	}
	t := &Table{Columns: []Column{{"stt", "STT", Index, 8, false}, {"kind", "Loại", Text, 30, false}, {"gross", "Theo biểu mức thu (đ)", Money, 22, true}, {"reduced", "Miễn, giảm (đ)", Money, 20, true},
		{"net", "Phải nộp (đ)", Money, 22, true}, {"paid", "Đã nộp (đ)", Money, 22, true}, {"refunded", "Đã hoàn (đ)", Money, 20, true}, {"collected", "Còn lại (đ)", Money, 22, true},
		{"online", "Trực tuyến đã xác nhận (đ)", Money, 22, true}, {"other", "Khác (đ)", Money, 22, true}, {"rate", "R_amt %", Percent, 14, false}}}
	var all adoption.KindAmounts
	for _, k := range kinds {
		t.Rows = append(t.Rows, []any{nil, kindName(k.Kind), k.Gross, k.Reduced, k.Net, k.Paid, k.Refunded, k.Collected, k.Online, k.Other(), adoption.RateOf(k.Online, k.Collected)})
		all.Collected, all.Online = all.Collected+k.Collected, all.Online+k.Online
	}
	f.Tables = append(f.Tables, t.number().totals("Cộng", map[string]any{"rate": adoption.RateOf(all.Online, all.Collected)}))
	f.Words = append(f.Words, "Tổng thu còn lại bằng chữ: "+vnd.Signed(all.Collected).Words()+".", "Trong đó trực tuyến đã xác nhận: "+vnd.Signed(all.Online).Words()+".")
	f.Notes = append(f.Notes, "Tính trên các đơn thu có tiền trong kỳ, kể cả đơn đã hoàn hết. Tiền của đơn thu nhiều loại được chia theo tỷ lệ các khoản. Tiền thừa không nằm trong biểu này.")
	return nil
}

func providerName(provider string) string {
	if n, ok := map[string]string{"vnpay": "VNPAY", "momo": "MoMo", "zalopay": "ZaloPay", "payos": "payOS", "sepay": "VietQR (SePay)", "casso": "VietQR (Casso)", "vietqr": "VietQR", "dvcqg": "Cổng DVCQG", "counter": "Tại quầy"}[provider]; ok {
		return n
	}
	return provider
}

// bm04 is the reconciliation by day and provider.
func (m *Maker) bm04(ctx context.Context, a Ask, f *Form) error {
	who := gateway.Caller{Person: true, Actor: a.Caller.Actor, Mode: "live", Agencies: a.Caller.Agencies}
	days, err := m.reconciler.Period(ctx, who, a.From, a.To)
	if err != nil {
		return err
	}
	cares, err := m.reconciler.Cares(ctx, who, a.From, a.To)
	if err != nil {
		return err
	}
	accounts, err := m.accounts.ForAgency(ctx, "")
	if err != nil {
		return err
	}
	of := map[string]string{}
	for _, e := range accounts {
		if e.Account.Mode == "live" {
			of[e.Account.ID] = e.Account.Provider
		}
	}
	type line struct {
		day   reconciliation.Day
		care  reconciliation.Care
		kinds map[string]int64
	}
	lines, keys := map[string]*line{}, []string{}
	at := func(date, account string) *line {
		if of[account] == "" {
			return nil
		}
		key := date + "|" + of[account]
		if lines[key] == nil {
			lines[key], keys = &line{kinds: map[string]int64{}}, append(keys, key)
		}
		return lines[key]
	}
	for _, d := range days {
		if l := at(d.Date, d.AccountID); l != nil {
			l.day.Payments.Count, l.day.Payments.Amount = l.day.Payments.Count+d.Payments.Count, l.day.Payments.Amount+d.Payments.Amount
			l.day.Settled.Count, l.day.Settled.Amount = l.day.Settled.Count+d.Settled.Count, l.day.Settled.Amount+d.Settled.Amount
			l.day.Matched.Count, l.day.Difference, l.day.Unexplained = l.day.Matched.Count+d.Matched.Count, l.day.Difference+d.Difference, l.day.Unexplained+d.Unexplained
		}
	}
	named := []string{}
	for _, c := range cares {
		l := at(c.Date, c.AccountID)
		if l == nil {
			continue
		}
		l.care.Named, l.care.Resolved, l.care.Overdue, l.care.PaidOut = l.care.Named+c.Named, l.care.Resolved+c.Resolved, l.care.Overdue+c.Overdue, l.care.PaidOut+c.PaidOut
		if c.Hours != nil && (l.care.Hours == nil || *c.Hours > *l.care.Hours) {
			l.care.Hours = c.Hours
		}
		for k, n := range c.ByKind {
			l.kinds[k] += n
			if !slices.Contains(named, k) {
				named = append(named, k)
			}
		}
	}
	slices.Sort(keys)
	slices.Sort(named)
	t := &Table{Columns: []Column{{"stt", "STT", Index, 8, false}, {"date", "Ngày", Date, 16, false}, {"provider", "Nhà cung cấp", Text, 20, false}, {"ours_count", "Số GD ta", Count, 12, true}, {"theirs_count", "Số GD họ", Count, 12, true},
		{"ours", "Tiền ta (đ)", Money, 20, true}, {"theirs", "Tiền họ (đ)", Money, 20, true}, {"matched", "Khớp", Count, 12, true}, {"difference", "Lệch (đ)", Money, 18, true}, {"unexplained", "Chưa giải thích (đ)", Money, 18, true}}}
	for _, k := range named {
		t.Columns = append(t.Columns, Column{k, reconciliation.GuideTo(k).Name, Count, 12, true})
	}
	t.Columns = append(t.Columns, Column{"resolved", "Đã xử lý", Count, 12, true}, Column{"overdue", "Quá hạn", Count, 12, true}, Column{"paid_out", "Về tài khoản thụ hưởng (đ)", Money, 20, true}, Column{"hours", "Độ trễ (giờ)", Hours, 12, false})
	t.Empty = "Không có ngày nào phát sinh trong kỳ."
	for _, key := range keys {
		l := lines[key]
		row := []any{nil, key[:10], providerName(key[11:]), l.day.Payments.Count, l.day.Settled.Count, int64(l.day.Payments.Amount), int64(l.day.Settled.Amount), l.day.Matched.Count, int64(l.day.Difference), int64(l.day.Unexplained)}
		for _, k := range named {
			row = append(row, l.kinds[k])
		}
		var hours any
		if l.care.Hours != nil {
			hours = *l.care.Hours
		}
		t.Rows = append(t.Rows, append(row, l.care.Resolved, l.care.Overdue, l.care.PaidOut, hours))
	}
	f.Tables = append(f.Tables, t.number().totals("Cộng", nil))
	f.Notes = append(f.Notes, "Số liệu đối soát là của lúc lập biểu, không phải của thời điểm chốt: sai lệch được xử lý sau đó đã nằm trong biểu.",
		"Độ trễ: từ hết ngày giao dịch đến hết ngày ngân hàng báo có, theo ngày ghi sổ của ngân hàng; quy định là 24 giờ.")
	return nil
}

// bm05 is refunds and traces.
func (m *Maker) bm05(ctx context.Context, a Ask, f *Form) error {
	refunds, traces, err := m.reporter.Refunds(ctx, a.Question)
	if err != nil {
		return err
	}
	t := &Table{Title: "Hoàn tiền đề nghị trong kỳ", Columns: []Column{{"stt", "STT", Index, 8, false}, {"provider", "Nhà cung cấp", Text, 30, false}, {"status", "Tình trạng", Text, 30, false}, {"count", "Số khoản", Count, 14, true}, {"amount", "Số tiền (đ)", Money, 22, true}},
		Empty: "Không có đề nghị hoàn tiền nào trong kỳ."}
	for _, r := range refunds {
		t.Rows = append(t.Rows, []any{nil, providerName(r.Provider), map[string]string{"requested": "Chờ duyệt", "approved": "Đã duyệt", "rejected": "Từ chối", "submitted": "Đã gửi, chờ kết quả", "failed": "Không thành công", "succeeded": "Đã hoàn"}[r.Status], r.Count, r.Amount})
	}
	u := &Table{Title: "Tra soát gửi trong kỳ", Columns: []Column{{"stt", "STT", Index, 8, false}, {"kind", "Sai lệch", Text, 40, false}, {"asked", "Đã hỏi", Count, 14, true}, {"answered", "Đã trả lời", Count, 14, true}, {"overdue", "Quá hạn", Count, 14, true}, {"amount", "Số tiền (đ)", Money, 22, true}},
		Empty: "Không có tra soát nào trong kỳ."}
	for _, r := range traces {
		u.Rows = append(u.Rows, []any{nil, reconciliation.GuideTo(r.Kind).Name, r.Asked, r.Answered, r.Overdue, r.Money})
	}
	f.Tables = append(f.Tables, t.number().totals("Cộng", nil), u.number().totals("Cộng", nil))
	return nil
}

// bm09 is the layouts that officers know.
func (m *Maker) bm09(ctx context.Context, a Ask, f *Form) error {
	agencies, err := m.reporter.Dossiers766(ctx, a.Question)
	if err != nil {
		return err
	}
	x := &Table{Title: "Biểu a. Hồ sơ có nghĩa vụ tài chính", Columns: []Column{{"stt", "STT", Index, 8, false}, {"code", "Mã định danh", Text, 18, false}, {"name", "Tên đơn vị", Text, 36, false}, {"due", "Tổng HS có nghĩa vụ tài chính", Count, 16, true},
		{"national", "Số HS đã TTTT cổng DVCQG", Count, 16, true}, {"rate", "Tỷ lệ TTTT (%)", Percent, 14, false}, {"direct_rate", "Tỷ lệ TT trực tiếp (%)", Percent, 14, false}, {"confirmed", "TTTT đã xác nhận (mọi cổng)", Count, 16, true}, {"provisional", "TTTT tạm tính", Count, 14, true}}, Empty: "Không phát sinh hồ sơ phải thu trong kỳ."}
	y := &Table{Title: "Biểu b. Hồ sơ thu phí, lệ phí", Columns: []Column{{"stt", "STT", Index, 8, false}, {"name", "Tên đơn vị", Text, 36, false}, {"due", "Hồ sơ thu phí", Count, 14, true}, {"direct", "Trực tiếp", Count, 14, true}, {"online", "Trực tuyến", Count, 14, true}, {"rate", "Tỷ lệ (%)", Percent, 14, false},
		{"phi", "Phí (VNĐ)", Money, 20, true}, {"le_phi", "Lệ phí (VNĐ)", Money, 20, true}, {"sum", "Tổng số (VNĐ)", Money, 22, true}, {"confirmed", "Đã xác nhận", Count, 14, true}, {"provisional", "Tạm tính", Count, 14, true}}, Empty: x.Empty}
	var due, online, provisional, direct, money int64
	for _, g := range agencies {
		x.Rows = append(x.Rows, []any{nil, g.Code, g.Name, g.Due, g.National, adoption.RateOf(g.Online, g.Due), adoption.RateOf(g.Direct(), g.Due), g.Online, g.Provisional})
		y.Rows = append(y.Rows, []any{nil, g.Name, g.Due, g.Direct(), g.Online + g.Provisional, adoption.RateOf(g.Online, g.Due), g.Phi, g.LePhi, g.Phi + g.LePhi, g.Online, g.Provisional})
		due, online, provisional, direct, money = due+g.Due, online+g.Online, provisional+g.Provisional, direct+g.Direct(), money+g.Phi+g.LePhi
	}
	f.Tables = append(f.Tables, x.number().totals("Cộng", map[string]any{"rate": adoption.RateOf(online, due), "direct_rate": adoption.RateOf(direct, due)}),
		y.number().totals("Cộng", map[string]any{"rate": adoption.RateOf(online, due)}))
	f.Words = append(f.Words, "Tổng số phí, lệ phí bằng chữ: "+vnd.Signed(money).Words()+".")
	f.Notes = append(f.Notes, "Tỷ lệ TTTT chỉ tính hồ sơ mà mọi khoản đều trực tuyến và đã xác nhận bằng đối soát; khoản chờ đối soát ở cột tạm tính. Hồ sơ đóng chưa thu nằm trong tổng.")
	return nil
}
