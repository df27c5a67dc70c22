package reconciliation

import (
	"fmt"

	"feegate/gateway/vnd"
	"feegate/reconciliation/document"
)

// sheet is the PDF being written.
type sheet struct{ *document.Sheet }

// PDF writes the minutes to be printed and signed, with a typeface of its own that has every Vietnamese letter.
func (m *Minutes) PDF() ([]byte, error) {
	p := &sheet{document.NewSheet(true, m.title()+" "+m.period(), MinutesDefinition+" · số liệu lúc "+document.Time(&m.AsOf), m.AsOf)}
	p.top(m)
	p.summary(m)
	p.details(m)
	p.signatures(m)
	raw, err := p.Bytes()
	if err != nil {
		return nil, fmt.Errorf("writing the minutes: %w", err)
	}
	return raw, nil
}

func (p *sheet) top(m *Minutes) {
	p.Motto()
	p.Centred(m.title(), "B", 15)
	p.Centred(m.period(), "", 12)
	if !m.Signed() {
		p.Warn(Draft)
	}
	p.Ln(3)
	p.Facts(m.head())
}

// said writes an amount as the minutes have it: 1.250.000, in đồng.
func said(n vnd.Signed) string { return document.Number(int64(n)) }

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
	p.Grid(document.Columns("Chỉ tiêu|95|L", "Số giao dịch|30|R", "Số tiền (đ)|45|R"), cells, func(n int) bool { return rows[n].strong })
	p.Ln(2)
	p.Text("Tổng thu theo feegate bằng chữ: " + m.Total.Payments.Amount.Words() + ".")
	p.Text("Thực nhận theo quyết toán bằng chữ: " + m.Total.Settled.Net.Words() + ".")
}

func (p *sheet) details(m *Minutes) {
	if m.Month {
		p.Heading("Từng ngày")
		var rows [][]string
		for i := range m.Days {
			d := &m.Days[i]
			rows = append(rows, []string{document.Day(d.DayState.Date), statusName(d.Status), said(d.Payments.Amount), said(d.Settled.Amount), said(d.Settled.Net), said(d.Bank.Amount), said(d.Unexplained), said(d.BankSide.Unexplained)})
		}
		t := &m.Total
		rows = append(rows, []string{"Cộng", "", said(t.Payments.Amount), said(t.Settled.Amount), said(t.Settled.Net), said(t.Bank.Amount), said(t.Unexplained), said(t.BankSide.Unexplained)})
		p.Grid(document.Columns("Ngày|22|L", "Trạng thái|24|L", "feegate|25|R", "Nhà cung cấp|25|R", "Thực nhận|25|R", "Ngân hàng|25|R", "Chưa rõ|20|R", "Chưa rõ, NH|20|R"), rows, func(n int) bool { return n == len(rows)-1 })
		var names [][]string
		for i := range m.Days {
			if d := &m.Days[i]; d.Status == daySigned {
				names = append(names, []string{document.Day(d.DayState.Date), itoa(d.Version), m.name(d.ClosedBy), m.name(d.SignedBy), *d.SHA256})
			}
		}
		if len(names) > 0 {
			p.Heading("Bản ký của từng ngày")
			p.Grid(document.Columns("Ngày|21|L", "Lần|10|R", "Người lập|28|L", "Người ký|28|L", "SHA-256|87|L"), names, nil)
		}
	}
	p.Heading("Danh sách chênh lệch còn mở")
	var open [][]string
	var sum vnd.Signed
	for _, n := range m.Open() {
		due := ""
		if n.Deadline != nil {
			due = document.Day(*n.Deadline)
		}
		open = append(open, []string{document.Day(n.Date), kindName(n.Kind), said(n.Amount), actionName(n.Action), m.name(n.Owner), due})
		sum += n.Amount
	}
	p.ListOr(open, "Không có chênh lệch nào còn mở.", []string{"Cộng", "", said(sum), "", "", ""},
		document.Columns("Ngày|22|L", "Sai lệch|40|L", "Số tiền (đ)|28|R", "Hướng xử lý|36|L", "Người phụ trách|30|L", "Hạn|22|L"))
	p.Heading("Danh sách hoàn tiền")
	var refunds [][]string
	for i := range m.Refunds {
		f := &m.Refunds[i]
		refunds = append(refunds, []string{document.Time(&f.EffectiveAt), said(vnd.Signed(f.Amount)), f.Transaction, m.name(&f.RequestedBy), m.name(f.DecidedBy)})
	}
	p.ListOr(refunds, "Không có khoản hoàn nào trong kỳ.", []string{"Cộng", said(m.refunded()), "", "", ""},
		document.Columns("Lúc hoàn|32|L", "Số tiền (đ)|28|R", "Mã giao dịch NCC|40|L", "Người đề nghị|36|L", "Người duyệt|36|L"))
	if all := m.Adjusted(); len(all) > 0 {
		p.Heading("Điều chỉnh của ngày đã khóa sổ")
		var rows [][]string
		for _, a := range all {
			rows = append(rows, []string{document.Day(a.Date), document.Day(a.ForDate), adjustmentName(a.Kind), said(a.Amount), a.Item})
		}
		p.ListOr(rows, "", []string{"Cộng", "", "", said(signedOf(all)), ""}, document.Columns("Tính vào|22|L", "Của ngày|22|L", "Lý do|44|L", "Số tiền (đ)|28|R", "Giao dịch|58|L"))
	}
}

func (p *sheet) signatures(m *Minutes) {
	blocks := signatureBlocks()
	p.Sign(blocks)
	if len(m.Days) == 1 {
		w := p.Width / float64(len(blocks))
		p.CellFormat(w, 6, m.name(m.Days[0].ClosedBy), "", 0, "C", false, 0, "")
		p.CellFormat(w, 6, m.name(m.Days[0].SignedBy), "", 0, "C", false, 0, "")
	}
}
