package forms

import (
	"context"
	"strings"
	"time"

	"feegate/reconciliation/adoption"
)

// bm01 is the rate by agency, or by another grouping.
func (m *Maker) bm01(ctx context.Context, a Ask, f *Form) error {
	q := a.Question
	if q.GroupBy == "" {
		q.GroupBy = "agency"
	}
	report, err := m.reporter.Adoption(ctx, q)
	if err != nil {
		return err
	}
	before := q
	before.From, before.To = previous(q.From, q.To)
	earlier, err := m.reporter.Adoption(ctx, before)
	if err != nil {
		return err
	}
	was := map[string]adoption.Rate{}
	for _, row := range earlier.Rows {
		was[row.Group.Code] = row.Rates.Transactions
	}
	t := &Table{Columns: []Column{
		{"stt", "STT", Index, 8, false}, {"code", "Mã", Text, 16, false}, {"name", groupName(q.GroupBy), Text, 34, false},
		{"dossiers_due", "Hồ sơ phải thu", Count, 10, true}, {"dossiers_paid", "Hồ sơ đã thu", Count, 10, true}, {"closed_unpaid", "Đóng chưa thu", Count, 10, true},
		{"transactions", "Giao dịch tính", Count, 10, true}, {"online", "Trực tuyến đã xác nhận", Count, 10, true}, {"online_provisional", "Trực tuyến tạm tính", Count, 10, true},
		{"qr_counter", "Tại quầy QR (đã xác nhận)", Count, 10, true}, {"noncash_other", "POS, không tiền mặt khác", Count, 10, true}, {"cash", "Tiền mặt", Count, 10, true}, {"proxy", "Nộp hộ", Count, 10, true},
		{"mixed_incomplete", "Hỗn hợp, nộp thiếu", Count, 10, true}, {"unproven", "Chưa chứng minh", Count, 10, true},
		{"rate", "R_txn %", Percent, 11, false}, {"rate_upper", "R_txn_upper %", Percent, 11, false}, {"rate_dossiers", "R_dos %", Percent, 11, false},
		{"target", "Chỉ tiêu %", Text, 12, false}, {"status", "Đạt / chưa đạt", Text, 24, false}, {"rate_before", "Kỳ trước %", Percent, 11, false}, {"change", "Tăng/giảm (điểm %)", Points, 11, false},
	}, Empty: "Không phát sinh giao dịch trong kỳ."}
	if !ofDossiers(q.GroupBy) {
		t.Columns = drop(t.Columns, "dossiers_due", "dossiers_paid", "closed_unpaid", "rate_dossiers", "target", "status")
	}
	for i := range report.Rows {
		row := &report.Rows[i]
		t.Rows = append(t.Rows, pick(t.Columns, rateCells(row, was[row.Group.Code], row.Group.Code, row.Group.Name)))
	}
	t.number()
	t.Total = pick(t.Columns, rateCells(&report.Total, earlier.Total.Rates.Transactions, "", "Cộng"))
	f.Tables = append(f.Tables, t)
	f.Notes = append(f.Notes, "R_txn: đơn thu nộp trực tuyến, đã khớp với đối soát của nhà cung cấp, trên mọi đơn thu có tiền trong kỳ. R_txn_upper: kể cả khoản chờ đối soát. R_dos: hồ sơ mà mọi khoản đều trực tuyến, đã xác nhận.",
		"Tổng là tổng các số đếm, không phải trung bình các tỷ lệ. Mẫu số bằng 0: không phát sinh. Chỉ tiêu so trên phân số, không trên số đã làm tròn.")
	return nil
}

func ofDossiers(groupBy string) bool { return groupBy != "provider" && groupBy != "channel" }

// rateCells are a row's cells by their columns' keys.
func rateCells(row *adoption.Row, was adoption.Rate, code, name string) map[string]any {
	r := &row.Rates
	out := map[string]any{"code": code, "name": name, "transactions": r.Transactions.Denominator, "online": r.Transactions.Numerator, "online_provisional": row.Buckets["online_provisional"],
		"qr_counter": r.Transactions.Numerator - r.TransactionsRemote.Numerator, "noncash_other": row.Buckets["noncash_other"], "cash": row.Buckets["cash"], "proxy": row.Buckets["proxy"],
		"mixed_incomplete": row.Buckets["mixed"] + row.Buckets["incomplete"], "unproven": row.Buckets["unproven"], "rate": r.Transactions, "rate_upper": r.TransactionsUpper, "rate_before": was}
	if r.Dossiers != nil {
		unpaid := *row.Side["closed_unpaid"]
		out["dossiers_due"], out["dossiers_paid"], out["closed_unpaid"], out["rate_dossiers"] = r.Dossiers.Denominator, r.Dossiers.Denominator-unpaid, unpaid, *r.Dossiers
	}
	if r.Transactions.Denominator > 0 && was.Denominator > 0 {
		out["change"] = hundredths(r.Transactions) - hundredths(was)
	}
	var target, status []string
	for _, t := range row.Targets {
		h, _ := t.Percent.MarshalJSON() // digits: it cannot fail
		target, status = append(target, strings.ReplaceAll(string(h), ".", ",")), append(status, statusName(t.Status))
	}
	out["target"], out["status"] = strings.Join(target, "; "), strings.Join(status, "; ")
	return out
}

func statusName(status string) string {
	return map[string]string{adoption.Met: "Đạt", adoption.NotMet: "Chưa đạt", adoption.NotEnoughData: "Chưa đủ dữ liệu"}[status]
}

// hundredths is a rate in hundredths of a percent, half-up, as its percent is shown.
func hundredths(r adoption.Rate) int64 {
	return (r.Numerator*20_000 + r.Denominator) / (2 * r.Denominator)
}

func groupName(groupBy string) string {
	return map[string]string{"agency": "Đơn vị", "procedure": "Thủ tục", "field": "Lĩnh vực", "commune": "Xã, phường", "provider": "Nhà cung cấp", "channel": "Kênh", "day": "Ngày", "month": "Tháng", "quarter": "Quý", "year": "Năm"}[groupBy]
}

// previous is the period of the same length before: whole months before whole months.
func previous(from, to string) (string, string) {
	f, err := time.Parse(time.DateOnly, from)
	if err != nil {
		return from, to // the question was read before
	}
	t, err := time.Parse(time.DateOnly, to)
	if err != nil {
		return from, to
	}
	if next := t.AddDate(0, 0, 1); f.Day() == 1 && next.Day() == 1 {
		months := (next.Year()-f.Year())*12 + int(next.Month()) - int(f.Month())
		return f.AddDate(0, -months, 0).Format(time.DateOnly), f.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	days := int(t.Sub(f).Hours()/24) + 1
	return f.AddDate(0, 0, -days).Format(time.DateOnly), f.AddDate(0, 0, -1).Format(time.DateOnly)
}

// pick lays cells out in the order of the columns.
func pick(columns []Column, cells map[string]any) []any {
	out := make([]any, len(columns))
	for i, c := range columns {
		out[i] = cells[c.Key]
	}
	return out
}

func drop(columns []Column, keys ...string) []Column {
	out := make([]Column, 0, len(columns))
next:
	for _, c := range columns {
		for _, k := range keys {
			if c.Key == k {
				continue next
			}
		}
		out = append(out, c)
	}
	return out
}
