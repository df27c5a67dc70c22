package reconciliation

import (
	"bytes"
	_ "embed" // the typeface
	"fmt"

	"codeberg.org/go-pdf/fpdf"

	"feegate/gateway/vnd"
)

//go:embed fonts/BienbanSerif-Regular.ttf
var serif []byte

//go:embed fonts/BienbanSerif-Bold.ttf
var serifBold []byte

// The page: A4 upright, its lines in millimetres.
const (
	pageMargin = 18.0
	pageWidth  = 210.0 - 2*pageMargin
	lineHeight = 5.6
)

// sheet is a PDF being written.
type sheet struct {
	*fpdf.Fpdf
}

// PDF writes the minutes to be printed and signed, with a typeface of its own that has every Vietnamese letter.
func (m *Minutes) PDF() ([]byte, error) {
	p := &sheet{fpdf.New("P", "mm", "A4", "")}
	p.SetMargins(pageMargin, 15, pageMargin)
	p.SetAutoPageBreak(true, 18)
	p.AddUTF8FontFromBytes("serif", "", serif)
	p.AddUTF8FontFromBytes("serif", "B", serifBold)
	p.SetTitle(m.title()+" "+m.period(), true)
	p.SetCreator("feegate", true)
	p.SetLang("vi-VN")
	p.SetCreationDate(m.AsOf.UTC())
	p.SetModificationDate(m.AsOf.UTC())
	p.AliasNbPages("{pages}")
	p.SetFooterFunc(func() {
		p.SetY(-13)
		p.SetFont("serif", "", 9)
		p.CellFormat(pageWidth/2, 5, MinutesDefinition+" · số liệu lúc "+vietTime(&m.AsOf), "", 0, "L", false, 0, "")
		p.CellFormat(pageWidth/2, 5, fmt.Sprintf("Trang %d/{pages}", p.PageNo()), "", 0, "R", false, 0, "")
	})
	p.AddPage()
	p.top(m)
	p.summary(m)
	p.details(m)
	p.signatures(m)
	var out bytes.Buffer
	if err := p.Output(&out); err != nil {
		return nil, fmt.Errorf("writing the minutes: %w", err)
	}
	return out.Bytes(), nil
}

func (p *sheet) centred(text, style string, size float64) {
	p.SetFont("serif", style, size)
	p.CellFormat(pageWidth, size*0.5, text, "", 1, "C", false, 0, "")
}

func (p *sheet) top(m *Minutes) {
	p.centred("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "B", 12)
	p.centred("Độc lập – Tự do – Hạnh phúc", "B", 12)
	x, y := p.GetXY()
	p.Line(105-22, y+1, 105+22, y+1)
	p.SetXY(x, y+5)
	p.centred(m.title(), "B", 15)
	p.centred(m.period(), "", 12)
	if !m.Signed() {
		p.SetTextColor(164, 14, 38)
		p.centred(Draft, "B", 13)
		p.SetTextColor(0, 0, 0)
	}
	p.Ln(3)
	for _, f := range m.head() {
		p.SetFont("serif", "", 11)
		p.CellFormat(46, lineHeight, f.name+":", "", 0, "L", false, 0, "")
		size := 11.0
		if len(f.value) == 64 { // a hash, on one line
			size = 8.5
		}
		p.SetFont("serif", "", size)
		p.MultiCell(pageWidth-46, lineHeight, f.value, "", "L", false)
	}
	p.Ln(3)
}

// column is one of a table: its name, its share of the width, and where its text stands.
type pdfColumn struct {
	name  string
	width float64
	align string
}

// grid writes a table; a row that does not fit begins a new page, under the same head.
func (p *sheet) grid(columns []pdfColumn, rows [][]string, strong func(int) bool) {
	var all float64
	for _, c := range columns {
		all += c.width
	}
	row := func(cells []string, style string, fill bool) {
		p.SetFont("serif", style, 10)
		lines := 1
		split := make([][]string, len(cells))
		for i, text := range cells {
			split[i] = p.SplitText(text, columns[i].width/all*pageWidth-2)
			lines = max(lines, len(split[i]))
		}
		height := float64(lines)*4.6 + 1.4
		if p.GetY()+height > 297-20 {
			p.AddPage()
		}
		x, y := pageMargin, p.GetY()
		for i, c := range columns {
			w := c.width / all * pageWidth
			if fill {
				p.SetFillColor(232, 236, 240)
				p.Rect(x, y, w, height, "F")
			}
			p.Rect(x, y, w, height, "D")
			for n, text := range split[i] {
				p.SetXY(x, y+0.7+float64(n)*4.6)
				p.CellFormat(w, 4.6, text, "", 0, c.align, false, 0, "")
			}
			x += w
		}
		p.SetXY(pageMargin, y+height)
	}
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = c.name
	}
	row(head, "B", true)
	for n, cells := range rows {
		style := ""
		if strong != nil && strong(n) {
			style = "B"
		}
		page := p.PageNo()
		if p.GetY() > 297-30 {
			p.AddPage()
		}
		if p.PageNo() != page {
			row(head, "B", true)
		}
		row(cells, style, false)
	}
}

func (p *sheet) heading(text string) {
	if p.GetY() > 297-50 {
		p.AddPage()
	}
	p.Ln(4)
	p.SetFont("serif", "B", 12)
	p.CellFormat(pageWidth, 7, text, "", 1, "L", false, 0, "")
}

// said writes an amount as the minutes have it: 1.250.000, in đồng.
func said(n vnd.Signed) string { s := []rune(n.Format()); return string(s[:len(s)-2]) }

func (p *sheet) summary(m *Minutes) {
	rows := m.rows()
	cells := make([][]string, 0, len(rows))
	for _, f := range rows {
		count := ""
		if f.count != nil {
			count = said(vnd.Signed(*f.count))
		}
		cells = append(cells, []string{f.name, count, said(f.amount)})
	}
	p.grid([]pdfColumn{{"Chỉ tiêu", 95, "L"}, {"Số giao dịch", 30, "R"}, {"Số tiền (đ)", 45, "R"}}, cells, func(n int) bool { return rows[n].strong })
	p.Ln(2)
	p.SetFont("serif", "", 11)
	p.MultiCell(pageWidth, lineHeight, "Tổng thu theo feegate bằng chữ: "+m.Total.Payments.Amount.Words()+".", "", "L", false)
	p.MultiCell(pageWidth, lineHeight, "Thực nhận theo quyết toán bằng chữ: "+m.Total.Settled.Net.Words()+".", "", "L", false)
}

func (p *sheet) details(m *Minutes) {
	if m.Month {
		p.heading("Từng ngày")
		var rows [][]string
		for i := range m.Days {
			d := &m.Days[i]
			rows = append(rows, []string{vietDay(d.DayState.Date), statusName(d.Status), said(d.Payments.Amount), said(d.Settled.Amount), said(d.Settled.Net), said(d.Bank.Amount), said(d.Unexplained), said(d.BankSide.Unexplained)})
		}
		t := &m.Total
		rows = append(rows, []string{"Cộng", "", said(t.Payments.Amount), said(t.Settled.Amount), said(t.Settled.Net), said(t.Bank.Amount), said(t.Unexplained), said(t.BankSide.Unexplained)})
		p.grid([]pdfColumn{{"Ngày", 22, "L"}, {"Trạng thái", 24, "L"}, {"feegate", 25, "R"}, {"Nhà cung cấp", 25, "R"}, {"Thực nhận", 25, "R"}, {"Ngân hàng", 25, "R"}, {"Chưa rõ", 20, "R"}, {"Chưa rõ, NH", 20, "R"}}, rows, func(n int) bool { return n == len(rows)-1 })
		var names [][]string
		for i := range m.Days {
			if d := &m.Days[i]; d.Status == daySigned {
				names = append(names, []string{vietDay(d.DayState.Date), itoa(d.Version), m.name(d.ClosedBy), m.name(d.SignedBy), *d.SHA256})
			}
		}
		if len(names) > 0 {
			p.heading("Bản ký của từng ngày")
			p.grid([]pdfColumn{{"Ngày", 21, "L"}, {"Lần", 10, "R"}, {"Người lập", 28, "L"}, {"Người ký", 28, "L"}, {"SHA-256", 87, "L"}}, names, nil)
		}
	}
	p.heading("Danh sách chênh lệch còn mở")
	var open [][]string
	var sum vnd.Signed
	for _, n := range m.Open() {
		due := ""
		if n.Deadline != nil {
			due = vietDay(*n.Deadline)
		}
		open = append(open, []string{vietDay(n.Date), kindName(n.Kind), said(n.Amount), actionName(n.Action), m.name(n.Owner), due})
		sum += n.Amount
	}
	p.listOr(open, "Không có chênh lệch nào còn mở.", []string{"Cộng", "", said(sum), "", "", ""},
		[]pdfColumn{{"Ngày", 22, "L"}, {"Sai lệch", 40, "L"}, {"Số tiền (đ)", 28, "R"}, {"Hướng xử lý", 36, "L"}, {"Người phụ trách", 30, "L"}, {"Hạn", 22, "L"}})
	p.heading("Danh sách hoàn tiền")
	var refunds [][]string
	for i := range m.Refunds {
		f := &m.Refunds[i]
		refunds = append(refunds, []string{vietTime(&f.EffectiveAt), said(vnd.Signed(f.Amount)), f.Transaction, m.name(&f.RequestedBy), m.name(f.DecidedBy)})
	}
	p.listOr(refunds, "Không có khoản hoàn nào trong kỳ.", []string{"Cộng", said(m.refunded()), "", "", ""},
		[]pdfColumn{{"Lúc hoàn", 32, "L"}, {"Số tiền (đ)", 28, "R"}, {"Mã giao dịch NCC", 40, "L"}, {"Người đề nghị", 36, "L"}, {"Người duyệt", 36, "L"}})
	if all := m.Adjusted(); len(all) > 0 {
		p.heading("Điều chỉnh của ngày đã khóa sổ")
		var rows [][]string
		for _, a := range all {
			rows = append(rows, []string{vietDay(a.Date), vietDay(a.ForDate), adjustmentName(a.Kind), said(a.Amount), a.Item})
		}
		p.listOr(rows, "", []string{"Cộng", "", "", said(signedOf(all)), ""}, []pdfColumn{{"Tính vào", 22, "L"}, {"Của ngày", 22, "L"}, {"Lý do", 44, "L"}, {"Số tiền (đ)", 28, "R"}, {"Giao dịch", 58, "L"}})
	}
}

// listOr writes a table with its sum, or a sentence where it is empty.
func (p *sheet) listOr(rows [][]string, none string, sum []string, columns []pdfColumn) {
	if len(rows) == 0 {
		p.SetFont("serif", "", 11)
		p.CellFormat(pageWidth, lineHeight, none, "", 1, "L", false, 0, "")
		return
	}
	rows = append(rows, sum)
	p.grid(columns, rows, func(n int) bool { return n == len(rows)-1 })
}

func (p *sheet) signatures(m *Minutes) {
	if p.GetY() > 297-70 {
		p.AddPage()
	}
	p.Ln(6)
	p.SetFont("serif", "", 11)
	p.CellFormat(pageWidth, 6, "............, ngày ...... tháng ...... năm ..........", "", 1, "R", false, 0, "")
	blocks := signatureBlocks()
	w := pageWidth / float64(len(blocks))
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
	if len(m.Days) == 1 {
		p.CellFormat(w, 6, m.name(m.Days[0].ClosedBy), "", 0, "C", false, 0, "")
		p.CellFormat(w, 6, m.name(m.Days[0].SignedBy), "", 0, "C", false, 0, "")
	}
}
