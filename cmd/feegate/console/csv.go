package console

import (
	"bytes"
	"encoding/csv"
	"regexp"
	"strconv"

	"feegate/gateway"
	"feegate/reconciliation/document"
)

// mostExported is how many rows an export may have; more needs a narrower filter.
const mostExported = 10000

// sheet writes rows whose texts a spreadsheet takes for texts, whoever wrote them: an agency's or officer's name, a reference of a file.
type sheet struct{ *csv.Writer }

func newSheet(b *bytes.Buffer) sheet { return sheet{csv.NewWriter(b)} }

var digits = regexp.MustCompile(`^-?[0-9]+$`)

// Write adds a row; a number below nothing stays one.
func (s sheet) Write(row []string) error {
	out := make([]string, len(row))
	for i, v := range row {
		if out[i] = v; !digits.MatchString(v) {
			out[i] = document.Harmless(v)
		}
	}
	return s.Writer.Write(out)
}

// file sends a CSV that spreadsheets open rightly: UTF-8 with its mark.
func (v *visit) file(name string, body []byte) error {
	return v.send(name, "text/csv; charset=utf-8", append([]byte("\ufeff"), bytes.TrimPrefix(body, []byte("\ufeff"))...))
}

// send sends a file to be kept.
func (v *visit) send(name, mime string, body []byte) error {
	h := v.w.Header()
	h.Set("Content-Type", mime)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; form-action 'self'")
	_, err := v.w.Write(body)
	return err
}

// discrepanciesCSV is the list that the page shows by its filter, to its end.
func (c *Console) discrepanciesCSV(v *visit) error {
	f, _ := v.filter()
	f.After, f.Limit = "", 200
	all, err := v.places()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := newSheet(&b)
	_ = w.Write(v.in.heads("Mã", "Ngày", "Loại", "Nhà cung cấp", "Tài khoản", "Cơ quan", "Số tiền", "Làm chênh", "Tình trạng", "Giao dịch", "Người phụ trách", "Hạn", "Quá hạn", "Tuổi (ngày)")) // a buffer takes all
	for n := 0; ; {
		items, next, err := c.Reconciler.Discrepancies(v.r.Context(), v.caller(), f)
		if err != nil {
			return err
		}
		for _, d := range items {
			p, late := find(all, d.AccountID), ""
			if d.Overdue {
				late = "x"
			}
			_ = w.Write([]string{d.ID, d.Date, v.in.guide(d.Kind).Name, string(or(brands)(p.Provider)), p.Terminal, p.Agency, d.Amount.String(), d.Effect.String(), v.in.Say(state(d.Status).Word), given(d.PaymentID),
				v.who(given(d.Owner)), given(d.Deadline), late, strconv.Itoa(d.AgeDays)})
		}
		if n += len(items); n > mostExported {
			return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "Bộ lọc", Detail: "quá nhiều dòng để tải một lần; hãy thu hẹp theo ngày hoặc tài khoản"}}}
		}
		if next == "" {
			break
		}
		f.After = next
	}
	w.Flush()
	return v.file("sai-lech.csv", b.Bytes())
}

// rateCSV is the report as the API gives it.
func (c *Console) rateCSV(v *visit) error {
	s, err := v.scope()
	if err != nil {
		return err
	}
	q := s.question()
	q.GroupBy = "agency"
	report, err := c.Adoption.Adoption(v.r.Context(), q)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := report.WriteCSV(&b); err != nil {
		return err
	}
	name := "ty-le_" + report.Period.From + "_" + report.Period.To
	if s.AsOf != "" {
		name += "_biet-den_" + report.AsOf.In(vietnam).Format("20060102-1504")
	}
	return v.file(name+".csv", b.Bytes())
}
