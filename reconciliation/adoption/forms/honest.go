package forms

import (
	"context"
	"slices"
	"strings"
	"time"

	"feegate/reconciliation/adoption"
	"feegate/reconciliation/adoption/honesty"
)

func (a *Ask) honest() honesty.Question {
	return honesty.Question{From: a.From, To: a.To, AsOf: a.AsOf, Agencies: a.Agencies}
}

// bm02 is which fee-bearing procedures can be paid online.
func (m *Maker) bm02(ctx context.Context, a Ask, f *Form) error {
	on := a.To
	if known := f.Head.AsOf.Format(time.DateOnly); known < on { // of a period under way: as it stands
		on = known
	}
	e, err := m.book.Enabled(ctx, on, a.From, a.To, a.AsOf, a.Agencies)
	if err != nil {
		return err
	}
	sum := &Table{Title: "Tổng hợp", Columns: []Column{{"stt", "STT", Index, 8, false}, {"what", "Chỉ tiêu", Text, 60, false}, {"numerator", "Số TTHC", Count, 16, false}, {"denominator", "TTHC có nghĩa vụ tài chính", Count, 20, false}, {"rate", "%", Percent, 14, false}, {"target", "Chỉ tiêu %", Text, 14, false}, {"status", "Đạt / chưa đạt", Text, 22, false}}}
	sum.Rows = [][]any{{nil, "Đã triển khai thanh toán trực tuyến (A)", e.Rates.Enabled.Numerator, e.Rates.Enabled.Denominator, e.Rates.Enabled, "100", statusName(e.Target.Status)},
		{nil, "Có phát sinh giao dịch trực tuyến (A_live)", e.Rates.Live.Numerator, e.Rates.Live.Denominator, e.Rates.Live, nil, nil}}
	list := &Table{Title: "Từng thủ tục", Columns: []Column{{"stt", "STT", Index, 8, false}, {"code", "Mã TTHC", Text, 16, false}, {"name", "Tên TTHC", Text, 50, false}, {"field", "Lĩnh vực", Text, 24, false}, {"enabled", "Đã triển khai", Text, 14, false},
		{"payments", "Giao dịch trực tuyến trong kỳ", Count, 18, true}, {"reason", "Lý do chưa triển khai", Text, 50, false}}, Empty: "Không có TTHC nào có nghĩa vụ tài chính."}
	for _, p := range e.Items {
		yes := "chưa"
		if p.Enabled {
			yes = "có"
		}
		list.Rows = append(list.Rows, []any{nil, p.Code, p.Name, p.Field, yes, p.Payments, p.BecauseVI})
	}
	f.Tables = append(f.Tables, sum.number(), list.number().totals("Cộng", nil))
	f.Notes = append(f.Notes, "Đã triển khai: mọi đơn vị thực hiện có tài khoản đang dùng, người thụ hưởng được duyệt, cho mọi loại khoản thu, và gần đây nhà cung cấp đã nhận một lần thanh toán. Cờ đặt tay không tính.")
	return nil
}

// bm06 is exemptions and reductions.
func (m *Maker) bm06(ctx context.Context, a Ask, f *Form) error {
	e, err := m.book.Exemptions(ctx, a.honest())
	if err != nil {
		return err
	}
	t := &Table{Title: "Theo nhóm đối tượng", Columns: []Column{{"stt", "STT", Index, 8, false}, {"group", "Nhóm đối tượng hoặc căn cứ", Text, 60, false}, {"type", "Hình thức", Text, 14, false}, {"count", "Số đơn", Count, 14, true}, {"forgone", "Số tiền không thu (đ)", Money, 22, true}, {"evidence", "Có căn cứ riêng %", Percent, 16, false}},
		Empty: "Không có khoản miễn, giảm nào trong kỳ."}
	var with, all int64
	for _, g := range e.Rows {
		t.Rows = append(t.Rows, []any{nil, g.Group, map[string]string{"exempt": "Miễn", "reduced": "Giảm"}[g.Type], g.Count, g.Forgone, g.Evidence})
		with, all = with+g.Evidence.Numerator, all+g.Evidence.Denominator
	}
	u := &Table{Title: "Theo đơn vị và bên lập đơn", Columns: []Column{{"stt", "STT", Index, 8, false}, {"code", "Mã", Text, 16, false}, {"name", "Đơn vị", Text, 50, false}, {"by", "Bên lập đơn", Text, 30, false}, {"exempt", "Số đơn miễn hết", Count, 16, true}, {"orders", "Số đơn", Count, 14, true}, {"share", "Tỷ lệ miễn %", Percent, 14, false}},
		Empty: "Không có đơn nào trong kỳ."}
	var exempt, orders int64
	for _, x := range e.Units {
		u.Rows = append(u.Rows, []any{nil, x.Agency.Code, x.Agency.Name, x.By, x.Share.Numerator, x.Share.Denominator, x.Share})
		exempt, orders = exempt+x.Share.Numerator, orders+x.Share.Denominator
	}
	f.Tables = append(f.Tables, t.number().totals("Cộng", map[string]any{"evidence": adoption.RateOf(with, all)}), u.number().totals("Cộng", map[string]any{"share": adoption.RateOf(exempt, orders)}))
	return nil
}

// bm07 is the exceptions by rule, agency and role: nobody's name.
func (m *Maker) bm07(ctx context.Context, a Ask, f *Form) error {
	x, err := m.book.Annex(ctx, a.honest())
	if err != nil {
		return err
	}
	t := &Table{Title: "Theo quy tắc", Columns: []Column{{"rule", "Quy tắc", Text, 12, false}, {"title", "Nội dung", Text, 60, false}, {"count", "Số phát hiện", Count, 16, true}, {"amount", "Số tiền (đ)", Money, 22, true}, {"means", "Ý nghĩa", Text, 90, false}}}
	for _, r := range x.Rules {
		t.Rows = append(t.Rows, []any{r.ID, r.TitleVI, r.Count, r.Amount, r.MeansVI})
	}
	u := &Table{Title: "Theo đơn vị và vai trò", Columns: []Column{{"stt", "STT", Index, 8, false}, {"rule", "Quy tắc", Text, 12, false}, {"code", "Mã", Text, 16, false}, {"name", "Đơn vị", Text, 50, false}, {"role", "Vai trò", Text, 24, false}, {"count", "Số phát hiện", Count, 16, true}, {"amount", "Số tiền (đ)", Money, 22, true}},
		Empty: "Không có phát hiện nào."}
	for _, r := range x.Rows {
		u.Rows = append(u.Rows, []any{nil, r.Rule, r.Agency.Code, r.Agency.Name, roleName(r.Role), r.Count, r.Amount})
	}
	f.Tables = append(f.Tables, t.totals("", nil), u.number().totals("Cộng", nil))
	return nil
}

func roleName(role string) string {
	if n, ok := map[string]string{"counter": "quầy", "officer": "cán bộ", "payer": "người nộp", "provider": "nhà cung cấp", "program": "phần mềm lập đơn", "case_system": "hệ thống giải quyết", "agency": "đơn vị", "account": "tài khoản", "outside": "bên ngoài",
		"definition": "định nghĩa", "target": "chỉ tiêu", "person": "người lập", "schedule": "theo lịch", "evidence": "điều biết thêm"}[role]; ok {
		return n
	}
	return role
}

func causeName(cause string) string {
	return map[string]string{"start_time": "Tính theo lúc bắt đầu xử lý, không theo lúc nộp", "provisional": "Chưa đối soát", "proxy": "Nộp hộ", "mixed": "Nửa trực tuyến", "flag_sent_wrong": "Cờ gửi sai", "exempt_not_zero": "Miễn mà Gia khác 0", "not_explained": "Chưa giải thích"}[cause]
}

// bm08 is the gap to the national figure, by cause.
func (m *Maker) bm08(ctx context.Context, a Ask, f *Form) error {
	n, err := m.book.National(ctx, a.honest())
	if err != nil {
		return err
	}
	t := &Table{Title: "Ba chỉ số, dựng lại từ chứng cứ", Columns: []Column{{"id", "Chỉ số", Text, 12, false}, {"name", "Tên", Text, 70, false}, {"numerator", "Tử số", Count, 14, false}, {"denominator", "Mẫu số", Count, 14, false}, {"rate", "%", Percent, 14, false}, {"points", "Điểm", Text, 12, false}, {"max", "Tối đa", Text, 12, false}}}
	for _, i := range n.Indicators {
		t.Rows = append(t.Rows, []any{i.ID, i.NameVI, i.Rate.Numerator, i.Rate.Denominator, i.Rate, strings.Replace(i.Points, ".", ",", 1), i.MaxPoints})
	}
	u := &Table{Title: "Chênh lệch với Cổng DVCQG", Columns: []Column{{"stt", "STT", Index, 8, false}, {"code", "Mã", Text, 16, false}, {"name", "Đơn vị", Text, 36, false}, {"side", "Số liệu", Text, 26, false}, {"ours", "Của ta", Count, 12, false}, {"theirs", "Của họ", Count, 12, false}, {"gap", "Chênh", Count, 12, false}}, Empty: "Không có hồ sơ nào trong kỳ."}
	for _, c := range honesty.Causes() {
		u.Columns = append(u.Columns, Column{c, causeName(c), Count, 14, false})
	}
	add := func(g honesty.GapRow, name string) {
		for _, s := range []struct {
			says string
			of   honesty.GapSides
		}{{"hồ sơ trực tuyến", g.Numerator}, {"hồ sơ có phí", g.Denominator}} {
			row := []any{nil, g.Agency.Code, name, s.says, s.of.Ours, known(s.of.Theirs), known(s.of.Gap)}
			for _, c := range honesty.Causes() {
				if v, ok := s.of.Causes[c]; ok {
					row = append(row, v)
				} else {
					row = append(row, nil)
				}
			}
			u.Rows = append(u.Rows, row)
		}
	}
	for _, g := range n.Gap.Rows {
		add(g, g.Agency.Name)
	}
	add(n.Gap.Total, "Toàn tỉnh")
	f.Tables = append(f.Tables, t, u.number())
	f.Notes = append(f.Notes, "Tổng điểm dựng lại: "+strings.Replace(n.Points, ".", ",", 1)+" trên "+n.MaxPoints+".")
	if n.Gap.Official == nil {
		f.Notes = append(f.Notes, "Chưa nhập số liệu chính thức của kỳ này: không có gì để so.")
	} else {
		f.Notes = append(f.Notes, "Số liệu chính thức: "+n.Gap.Official.Source+", SHA-256 "+n.Gap.Official.SHA256+".")
	}
	if !slices.ContainsFunc(n.Gap.Rows, func(g honesty.GapRow) bool { return g.Missing > 0 }) && n.Gap.Total.Missing == 0 {
		return nil
	}
	f.Notes = append(f.Notes, "Có dòng chính thức để trống: trống không phải là 0, và không được cộng.")
	return nil
}

// known is a count, or nothing where it is not known: which is not 0.
func known(n *int64) any {
	if n == nil {
		return nil
	}
	return *n
}
