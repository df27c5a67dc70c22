package forms

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"feegate/reconciliation/adoption"
	"feegate/reconciliation/document"
)

// MarshalJSON writes rows and total as objects by the columns' keys; a percentage is its fraction.
func (t *Table) MarshalJSON() ([]byte, error) {
	object := func(row []any) map[string]any {
		o := make(map[string]any, len(row))
		for i, c := range t.Columns {
			v := row[i]
			if n, ok := v.(int64); ok && c.Kind == Points {
				v = points(n)
			}
			o[c.Key] = v
		}
		return o
	}
	rows := make([]map[string]any, len(t.Rows))
	for i, row := range t.Rows {
		rows[i] = object(row)
	}
	var total map[string]any
	if t.Total != nil {
		total = object(t.Total)
	}
	return json.Marshal(struct {
		Title   string           `json:"title"`
		Columns []Column         `json:"columns"`
		Rows    []map[string]any `json:"rows"`
		Total   map[string]any   `json:"total"`
	}{t.Title, t.Columns, rows, total})
}

// points writes hundredths of a point: 250 is 2.50.
func points(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%02d", sign, n/100, n%100)
}

// WriteCSV writes a form's tables one after the other, each with its own head, an empty line between: UTF-8 with a byte order mark, for spreadsheets.
// Percentages have two decimals.
func (f *Form) WriteCSV(w io.Writer) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return fmt.Errorf("writing %s: %w", f.ID, err)
	}
	out := csv.NewWriter(w)
	for i, t := range f.Tables {
		if i > 0 {
			_ = out.Write(nil) // an empty line; a failure stays for Error
		}
		head := make([]string, len(t.Columns))
		for n, c := range t.Columns {
			head[n] = c.Key
		}
		_ = out.Write(head)
		rows := t.Rows
		if t.Total != nil {
			rows = append(rows[:len(rows):len(rows)], t.Total)
		}
		for _, row := range rows {
			line := make([]string, len(row))
			for n, v := range row {
				line[n] = cellText(t.Columns[n].Kind, v)
			}
			_ = out.Write(line)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("writing %s: %w", f.ID, err)
	}
	return nil
}

func cellText(kind Kind, v any) string {
	switch x := v.(type) {
	case int64:
		if kind == Points {
			return points(x)
		}
		return strconv.FormatInt(x, 10)
	case string:
		return document.Harmless(x)
	case adoption.Rate:
		if x.Percent == nil {
			return ""
		}
		return *x.Percent
	}
	return ""
}

// shown is a cell as it is printed: 1.234.567 · 43,2 · 31/12/2026.
func shown(kind Kind, v any) string {
	switch x := v.(type) {
	case int64:
		if kind == Points {
			s := strings.ReplaceAll(oneDecimal(x), ".", ",")
			if x > 0 {
				s = "+" + s
			}
			return s
		}
		return document.Number(x)
	case string:
		if kind == Date {
			return document.Day(x)
		}
		return x
	case adoption.Rate:
		if x.Denominator == 0 {
			return NothingHappened
		}
		return strings.ReplaceAll(oneDecimal(exactTenths(x)*10), ".", ",")
	}
	return ""
}

// NothingHappened is what stands for a rate of nothing: neither 0 nor 100 %.
const NothingHappened = "không phát sinh"

// exactTenths is a rate in tenths of a percent, half-up.
func exactTenths(r adoption.Rate) int64 {
	return (r.Numerator*2000 + r.Denominator) / (2 * r.Denominator)
}

// oneDecimal writes hundredths with one decimal, half away from zero.
func oneDecimal(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	n = (n + 5) / 10
	return fmt.Sprintf("%s%d.%d", sign, n/10, n%10)
}

// facts are the head's lines.
func (f *Form) facts() []document.Fact {
	h := &f.Head
	revision := "chưa chốt: số liệu còn thay đổi"
	if h.Revision != nil {
		revision = strconv.Itoa(*h.Revision)
	}
	label := shown(Percent, h.Coverage)
	if h.Coverage.Denominator > 0 {
		label += " %"
	}
	if !h.Enough {
		label += " – CHƯA ĐỦ DỮ LIỆU"
	}
	who := "toàn tỉnh"
	if len(h.Agencies) > 0 {
		who = strings.Join(h.Agencies, ", ")
	}
	p := h.Parameters
	out := []document.Fact{
		document.Line("Kỳ báo cáo", "Từ ngày "+document.Day(h.From)+" đến hết ngày "+document.Day(h.To)+", giờ Việt Nam"),
		document.Line("Phạm vi", who),
		document.Line("Số liệu biết đến", document.Time(&h.AsOf)),
		document.Line("Định nghĩa", fmt.Sprintf("%s (độ phủ tối thiểu %d %%; nộp hộ: %d hồ sơ trong %d ngày)", h.Definition, p.CoverageGate, p.PayerDossiers, p.PayerDays)),
		document.Line("Độ phủ dữ liệu C", label),
		document.Line("Lần chốt", revision),
	}
	if h.SHA256 != nil {
		out = append(out, document.Line("SHA-256", *h.SHA256))
	}
	name := func(by *string) string {
		if by == nil {
			return "chưa có"
		}
		return *by
	}
	out = append(out, document.Line("Người lập", name(h.PreparedBy)+at(document.Time(h.PreparedAt))), document.Line("Người duyệt", name(h.ApprovedBy)+at(document.Time(h.ApprovedAt))))
	return out
}

func at(t string) string {
	if t == "" {
		return ""
	}
	return ", " + t
}

// Draft is what a form says of itself that was not closed and approved.
const Draft = "BẢN NHÁP – CHƯA CHỐT HOẶC CHƯA DUYỆT"

// Final says that two people, or the schedule and a person, stand behind the figures.
func (f *Form) Final() bool { return f.Head.Revision != nil && f.Head.ApprovedBy != nil }

func (f *Form) foot() string {
	return f.ID + " · " + f.Head.Definition + " · số liệu biết đến " + document.Time(&f.Head.AsOf)
}
