package document

import (
	"bytes"
	_ "embed" // the typeface
	"fmt"
	"strconv"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
)

//go:embed fonts/BienbanSerif-Regular.ttf
var serif []byte

//go:embed fonts/BienbanSerif-Bold.ttf
var serifBold []byte

// A4 in millimetres.
const (
	short  = 210.0
	long   = 297.0
	margin = 18.0
	bottom = 18.0
)

// LineHeight is that of running text, in millimetres.
const LineHeight = 5.6

// Sheet is a PDF being written, with a typeface of its own that has every Vietnamese letter. Width is what the text has, in millimetres.
type Sheet struct {
	*fpdf.Fpdf
	Width  float64
	Size   float64 // of a table's letters, in points
	height float64
	left   float64
}

// NewSheet begins a document on A4, upright or lying; at is its time, in its properties, and foot stands at the left below every page.
func NewSheet(upright bool, title, foot string, at time.Time) *Sheet {
	p := &Sheet{Width: short - 2*margin, Size: 10, height: long, left: margin}
	way := "P"
	if !upright {
		p.left, p.height, way = 12, short, "L"
		p.Width = long - 2*p.left
	}
	p.Fpdf = fpdf.New(way, "mm", "A4", "")
	p.SetMargins(p.left, 15, p.left)
	p.SetAutoPageBreak(true, bottom)
	p.AddUTF8FontFromBytes("serif", "", serif)
	p.AddUTF8FontFromBytes("serif", "B", serifBold)
	p.SetTitle(title, true)
	p.SetCreator("feegate", true)
	p.SetLang("vi-VN")
	p.SetCreationDate(at.UTC())
	p.SetModificationDate(at.UTC())
	p.AliasNbPages("{pages}")
	p.SetFooterFunc(func() {
		p.SetY(-13)
		p.SetFont("serif", "", 9)
		p.CellFormat(p.Width/2, 5, foot, "", 0, "L", false, 0, "")
		p.CellFormat(p.Width/2, 5, fmt.Sprintf("Trang %d/{pages}", p.PageNo()), "", 0, "R", false, 0, "")
	})
	p.AddPage()
	return p
}

// Bytes ends the document.
func (p *Sheet) Bytes() ([]byte, error) {
	var out bytes.Buffer
	if err := p.Output(&out); err != nil {
		return nil, fmt.Errorf("writing a PDF: %w", err)
	}
	return out.Bytes(), nil
}

// Motto writes quốc hiệu and tiêu ngữ.
func (p *Sheet) Motto() {
	p.Centred("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "B", 12)
	p.Centred("Độc lập – Tự do – Hạnh phúc", "B", 12)
	x, y := p.GetXY()
	middle := p.left + p.Width/2
	p.Line(middle-22, y+1, middle+22, y+1)
	p.SetXY(x, y+5)
}

// Facts writes the document's head, a line each.
func (p *Sheet) Facts(facts []Fact) {
	for _, f := range facts {
		p.SetFont("serif", "", 11)
		p.CellFormat(46, LineHeight, f.Name+":", "", 0, "L", false, 0, "")
		size := 11.0
		if len(f.Value) == 64 { // a hash, on one line
			size = 8.5
		}
		p.SetFont("serif", "", size)
		p.MultiCell(p.Width-46, LineHeight, f.Value, "", "L", false)
	}
	p.Ln(3)
}

// Text writes a paragraph.
func (p *Sheet) Text(text string) {
	p.SetFont("serif", "", 11)
	p.MultiCell(p.Width, LineHeight, text, "", "L", false)
}

// Warn writes a line that nobody misses.
func (p *Sheet) Warn(text string) {
	p.SetTextColor(164, 14, 38)
	p.Centred(text, "B", 13)
	p.SetTextColor(0, 0, 0)
}

// Centred writes a line in the middle; style is "" or "B".
func (p *Sheet) Centred(text, style string, size float64) {
	p.SetFont("serif", style, size)
	p.CellFormat(p.Width, size*0.5, text, "", 1, "C", false, 0, "")
}

// Column is one of a table: its name, its share of the width, and where its text stands.
type Column struct {
	Name  string
	Width float64
	Align string
}

// Columns reads columns written "name|width|align".
func Columns(of ...string) []Column {
	out := make([]Column, len(of))
	for i, text := range of {
		part := append(strings.Split(text, "|"), "", "")
		width, err := strconv.ParseFloat(part[1], 64)
		if err != nil {
			width = 1
		}
		out[i] = Column{part[0], width, part[2]}
	}
	return out
}

// least is the smallest letter that a table shrinks to.
const least = 4.5

// widths shares the width out: as the columns ask, but no number and no word of the head is broken. Where they do not fit, the letters get smaller.
func (p *Sheet) widths(columns []Column, rows [][]string) []float64 {
	var all float64
	for _, c := range columns {
		all += c.Width
	}
	for {
		p.SetFont("serif", "B", p.Size)
		out, need := make([]float64, len(columns)), make([]float64, len(columns))
		var lack, spare float64
		for i, c := range columns {
			whole := strings.Fields(c.Name)
			for _, row := range rows {
				if c.Align == "R" && i < len(row) {
					whole = append(whole, row[i])
				}
			}
			for _, text := range whole {
				need[i] = max(need[i], p.GetStringWidth(text)+2*p.GetCellMargin()+0.2)
			}
			out[i] = c.Width / all * p.Width
			lack, spare = lack+max(0, need[i]-out[i]), spare+max(0, out[i]-need[i])
		}
		if lack > spare/2 && p.Size > least { // texts need some room too
			p.Size -= 0.5
			continue
		}
		for i := range out {
			if out[i] < need[i] {
				out[i] += (need[i] - out[i]) * min(1, spare/lack)
			} else if spare > 0 {
				out[i] -= (out[i] - need[i]) * min(1, lack/spare)
			}
		}
		return out
	}
}

// Grid writes a table; a row that does not fit begins a new page, under the same head.
func (p *Sheet) Grid(columns []Column, rows [][]string, strong func(int) bool) {
	size := p.Size
	widths := p.widths(columns, rows)
	defer func() { p.Size = size }()
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = c.Name
	}
	var row func(cells []string, style string, fill bool)
	row = func(cells []string, style string, fill bool) {
		p.SetFont("serif", style, p.Size)
		lines := 1
		split := make([][]string, len(cells))
		for i, text := range cells {
			split[i] = p.SplitText(text, widths[i])
			lines = max(lines, len(split[i]))
		}
		height := float64(lines)*0.46*p.Size + 1.4
		if p.GetY()+height > p.height-20 {
			p.AddPage()
			if !fill {
				row(head, "B", true)
				p.SetFont("serif", style, p.Size)
			}
		}
		x, y := p.left, p.GetY()
		for i, c := range columns {
			w := widths[i]
			if fill {
				p.SetFillColor(232, 236, 240)
				p.Rect(x, y, w, height, "F")
			}
			p.Rect(x, y, w, height, "D")
			for n, text := range split[i] {
				p.SetXY(x, y+0.7+float64(n)*0.46*p.Size)
				p.CellFormat(w, 0.46*p.Size, text, "", 0, c.Align, false, 0, "")
			}
			x += w
		}
		p.SetXY(p.left, y+height)
	}
	row(head, "B", true)
	for n, cells := range rows {
		style := ""
		if strong != nil && strong(n) {
			style = "B"
		}
		row(cells, style, false)
	}
}

// Heading begins a part.
func (p *Sheet) Heading(text string) {
	if p.GetY() > p.height-50 {
		p.AddPage()
	}
	p.Ln(4)
	p.SetFont("serif", "B", 12)
	p.CellFormat(p.Width, 7, text, "", 1, "L", false, 0, "")
}

// ListOr writes a table with its sum, or a sentence where it is empty.
func (p *Sheet) ListOr(rows [][]string, none string, sum []string, columns []Column) {
	if len(rows) == 0 {
		p.SetFont("serif", "", 11)
		p.CellFormat(p.Width, LineHeight, none, "", 1, "L", false, 0, "")
		return
	}
	rows = append(rows, sum)
	p.Grid(columns, rows, func(n int) bool { return n == len(rows)-1 })
}

// Sign leaves room for names under a document, a block each.
func (p *Sheet) Sign(blocks []string) {
	if p.GetY() > p.height-bottom-40 {
		p.AddPage()
	}
	p.Ln(6)
	p.SetFont("serif", "", 11)
	p.CellFormat(p.Width, 6, "............, ngày ...... tháng ...... năm ..........", "", 1, "R", false, 0, "")
	w := p.Width / float64(len(blocks))
	p.SetFont("serif", "B", 9.5)
	for _, who := range blocks {
		p.CellFormat(w, 6, who, "", 0, "C", false, 0, "")
	}
	p.Ln(5)
	p.SetFont("serif", "", 9.5)
	for range blocks {
		p.CellFormat(w, 6, "(ký, ghi rõ họ tên)", "", 0, "C", false, 0, "")
	}
	p.Ln(24)
}
