package forms

import (
	"errors"
	"strings"

	"feegate/reconciliation/document"
)

// errNone: a document of nothing.
var errNone = errors.New("there is no form to write")

// PDF writes forms on A4 lying, each beginning on a page of its own.
func PDF(forms []*Form) ([]byte, error) {
	if len(forms) == 0 {
		return nil, errNone
	}
	title, foot := forms[0].Title, forms[0].foot()
	if len(forms) > 1 {
		title = "Biểu mẫu báo cáo"
		foot = strings.TrimPrefix(foot, forms[0].ID+" · ")
	}
	p := document.NewSheet(false, title, foot, forms[0].Head.MadeAt)
	for i, f := range forms {
		if i > 0 {
			p.AddPage()
		}
		p.Motto()
		p.Centred(f.ID+". "+f.Title, "B", 15)
		if !f.Final() {
			p.Warn(Draft)
		}
		p.Ln(2)
		p.Facts(f.facts())
		for _, t := range f.Tables {
			f.grid(p, t)
		}
		p.Ln(2)
		for _, w := range f.Words {
			p.Text(w)
		}
		for _, n := range f.Notes {
			p.Text(n)
		}
		p.Sign([]string{"NGƯỜI LẬP BIỂU", "NGƯỜI DUYỆT", "THỦ TRƯỞNG ĐƠN VỊ"})
	}
	return p.Bytes()
}

func (f *Form) grid(p *document.Sheet, t *Table) {
	if t.Title != "" {
		p.Heading(t.Title)
	}
	if len(t.Rows) == 0 && t.Empty != "" {
		p.Text(t.Empty)
		return
	}
	columns := make([]document.Column, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = document.Column{Name: c.Name, Width: c.Width, Align: "R"}
		if c.Kind == Text || c.Kind == Date {
			columns[i].Align = "L"
		}
	}
	rows := [][]string{}
	line := func(row []any) []string {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = shown(t.Columns[i].Kind, v)
		}
		return cells
	}
	for _, row := range t.Rows {
		rows = append(rows, line(row))
	}
	last := -1
	if t.Total != nil {
		last = len(rows)
		rows = append(rows, line(t.Total))
	}
	size := p.Size
	switch {
	case len(columns) > 16:
		p.Size = 6.5
	case len(columns) > 11:
		p.Size = 8
	default:
		p.Size = 9
	}
	p.Grid(columns, rows, func(n int) bool { return n == last })
	p.Size = size
}
