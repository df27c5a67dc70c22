package forms

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"feegate/reconciliation/adoption"
	"feegate/reconciliation/document"
)

// Report writes a report as a workbook: the cells of its CSV, its numbers as numbers and its percentages as percentages.
func Report(r *adoption.Report) ([]byte, error) {
	var raw bytes.Buffer
	if err := r.WriteCSV(&raw); err != nil {
		return nil, err
	}
	lines, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(raw.String(), "\ufeff"))).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("writing the report: %w", err)
	}
	const sheet = "Tỷ lệ trực tuyến"
	b := &book{Book: document.NewBook(sheet)}
	defer b.Close()
	b.percents()
	for n, line := range lines {
		for i, text := range line {
			percent := n > 0 && strings.HasSuffix(lines[0][i], "_percent")
			number, numeric := strconv.ParseInt(text, 10, 64)
			share, shared := strconv.ParseFloat(text, 64)
			switch {
			case n == 0:
				b.Put(sheet, i+1, 1, text, b.Head)
			case percent && shared == nil:
				b.Put(sheet, i+1, n+1, share/100, b.percent)
			case i > 6 && numeric == nil: // after the code and the name, which are texts whatever they look like
				b.Put(sheet, i+1, n+1, number, b.Money)
			default:
				b.Put(sheet, i+1, n+1, text, b.Plain)
			}
		}
	}
	b.Print(sheet, false, strings.ReplaceAll(r.Definition+" · "+r.Period.From+" – "+r.Period.To+" · "+document.Time(&r.AsOf), "&", "&&"))
	return b.Bytes("Tỷ lệ thanh toán trực tuyến "+r.Period.From+" – "+r.Period.To, r.AsOf)
}
