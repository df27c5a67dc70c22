package reconciliation

import (
	"fmt"
	"strings"
	"time"

	"feegate/gateway/account"
	"feegate/gateway/vnd"
)

// Letter is a trace request as an official letter (công văn), in Vietnamese: what it says, apart from how it is set. It names no payer.
type Letter struct {
	State, Motto string // quốc hiệu, tiêu ngữ
	Authority    string // who writes
	Number       string // the registry fills it in
	Subject      string // V/v …
	PlaceDate    string
	To           string
	Opening      []string // paragraphs before the facts
	Table        LetterTable
	Ask          []string // what is asked for, and by when
	Receivers    []string // nơi nhận
	Signer       string   // whose signature
	Code         string   // to quote in the answer
}

// LetterTable holds the facts of both sides; a row that differs is marked.
type LetterTable struct {
	Head []string
	Rows []LetterRow
}

// LetterRow is one fact.
type LetterRow struct {
	Cells  []string
	Differ bool
}

func letter(k *Case, t Trace, a *account.Account, agency, asker string) *Letter {
	asked := t.AskedAt.In(vietnam)
	l := &Letter{State: "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", Motto: "Độc lập - Tự do - Hạnh phúc", Authority: agency,
		Number: "Số: ........../.........", Subject: "V/v tra soát giao dịch ngày " + viDay(k.Date),
		PlaceDate: fmt.Sprintf(".............., ngày %02d tháng %02d năm %d", asked.Day(), asked.Month(), asked.Year()), To: t.AskedOf,
		Signer: "THỦ TRƯỞNG ĐƠN VỊ", Code: fmt.Sprintf("%s/%d", k.ID, t.N), Receivers: []string{"Như trên;", "Lưu: VT, KT."}}
	l.Opening = []string{
		fmt.Sprintf("Qua đối soát thanh toán trực tuyến phí, lệ phí thủ tục hành chính ngày %s của điểm thu %s (%s), chúng tôi nhận thấy %s. Số tiền: %s.",
			viDay(k.Date), a.Terminal, strings.ToUpper(a.Provider), finding(k.Kind), money(k.Amount)),
		"Số liệu của hai bên như sau:"}
	l.Table = letterFacts(k)
	l.Ask = []string{t.Question,
		fmt.Sprintf("Đề nghị quý đơn vị kiểm tra và trả lời bằng văn bản chậm nhất ngày %s, ghi rõ mã tra soát ở cuối văn bản này, kèm chứng từ (nếu có).", viDay(t.Due))}
	if asker != "" {
		l.Ask = append(l.Ask, "Đầu mối liên hệ: "+asker+".")
	}
	l.Ask = append(l.Ask, "Trân trọng cảm ơn sự phối hợp của quý đơn vị./.")
	return l
}

// letterFacts lays both records side by side. A payer's words and account are in neither.
func letterFacts(k *Case) LetterTable {
	t := LetterTable{Head: []string{"Nội dung", "Số liệu của chúng tôi", "Số liệu của quý đơn vị"}}
	add := func(name, ours, theirs string) {
		if ours == "" {
			ours = "không có"
		}
		if theirs == "" {
			theirs = "không có"
		}
		t.Rows = append(t.Rows, LetterRow{[]string{name, ours, theirs}, k.Ours != nil && k.Line != nil && ours != theirs})
	}
	var ours, theirs struct{ amount, reference, transaction, at, status string }
	if o := k.Ours; o != nil {
		amount := o.Amount
		if amount == 0 {
			amount = o.Requested
		}
		ours.amount, ours.reference, ours.transaction, ours.status = money(vnd.Signed(amount)), o.Reference, o.Transaction, statusWord(o.Status)
		if o.EffectiveAt != nil {
			ours.at = viTime(*o.EffectiveAt)
		}
	}
	if l := k.Line; l != nil {
		theirs.amount, theirs.reference, theirs.transaction, theirs.status, theirs.at = money(vnd.Signed(l.Amount)), l.Reference, l.Transaction, l.Status, viTime(l.At)
	}
	if tr := k.Transfer; tr != nil {
		theirs.amount, theirs.transaction, theirs.at, theirs.reference = money(vnd.Signed(tr.Amount)), tr.BankReference, viTime(tr.At), tr.Reference
	}
	if b := k.Bank; b != nil && k.Transfer == nil {
		t.Head = []string{"Nội dung", "Số liệu của chúng tôi", "Sao kê ngân hàng"}
		add("Số tiền", ours.amount, money(b.Amount))
		add("Mã giao dịch", ours.transaction, b.Reference)
		add("Ngày ghi sổ", "", viDay(b.BookedOn))
		add("Tài khoản", "", b.BankAccount)
		return t
	}
	if k.Ours == nil && k.Line == nil && k.Transfer == nil { // about the day as a whole
		t.Rows = append(t.Rows, LetterRow{Cells: []string{"Số tiền chênh lệch của ngày", money(k.Amount), ""}})
		return t
	}
	add("Số tiền", ours.amount, theirs.amount)
	add("Mã tham chiếu", ours.reference, theirs.reference)
	add("Mã giao dịch", ours.transaction, theirs.transaction)
	add("Thời gian", ours.at, theirs.at)
	if k.Transfer != nil {
		add("Tài khoản nhận", "", k.Transfer.BankAccount)
		return t
	}
	add("Trạng thái", ours.status, theirs.status)
	t.Rows[len(t.Rows)-1].Differ = false // each has words of its own
	if k.Line != nil {
		add("Dòng trong tệp đối soát", "", fmt.Sprintf("%d, ngày %s", k.Line.LineNo, viDay(k.Line.Date)))
		t.Rows[len(t.Rows)-1].Differ = false
	}
	return t
}

func statusWord(s string) string {
	switch s {
	case "succeeded":
		return "thành công"
	case "reversed":
		return "đã bị thu hồi"
	case "failed", "expired":
		return "không thành công"
	}
	return "chưa có kết quả"
}

func money(v vnd.Signed) string { return strings.Replace(v.Format(), " ₫", " đồng", 1) }

func viDay(iso string) string {
	t, err := time.Parse(time.DateOnly, iso)
	if err != nil {
		return iso
	}
	return t.Format("02/01/2006")
}

func viTime(t time.Time) string { return t.In(vietnam).Format("15:04 02/01/2006") }

// finding is what a letter says to whom it asks: ours is who writes, theirs who reads.
func finding(kind string) string {
	switch kind {
	case "missing_at_provider":
		return "một khoản nộp đã được ghi nhận thành công nhưng không có trong tệp đối soát của quý đơn vị"
	case "missing_at_gateway":
		return "tệp đối soát của quý đơn vị có một giao dịch mà hệ thống của chúng tôi không ghi nhận"
	case "amount_mismatch":
		return "số tiền của cùng một giao dịch ở hai bên khác nhau"
	case "status_mismatch":
		return "trạng thái của cùng một giao dịch ở hai bên khác nhau"
	case "duplicate_line":
		return "tệp đối soát của quý đơn vị có một giao dịch được ghi nhiều lần"
	case "fee_mismatch":
		return "phí dịch vụ trong tệp đối soát khác biểu phí đã thỏa thuận"
	case "wrong_account":
		return "giao dịch được quyết toán vào tài khoản khác với tài khoản thụ hưởng đã đăng ký"
	case "refund_unmatched":
		return "một khoản hoàn tiền chỉ có ở một bên"
	case "late":
		return "giao dịch được quyết toán vào ngày khác với ngày phát sinh"
	case "surplus":
		return "số tiền đã nhận nhiều hơn số phải nộp"
	case "in_doubt":
		return "giao dịch chưa có kết quả cuối cùng từ quý đơn vị"
	case "reversal":
		return "một giao dịch đã báo thành công lại bị thu hồi"
	case "file_missing":
		return "chưa nhận được tệp đối soát của ngày này"
	case "statement_gap":
		return "sao kê tài khoản không liên tục với sao kê trước đó"
	case "bank_short":
		return "số tiền về tài khoản ngân hàng ít hơn số quý đơn vị đã quyết toán"
	case "bank_over":
		return "số tiền về tài khoản ngân hàng nhiều hơn số quý đơn vị đã quyết toán"
	}
	return "một khoản tiền về tài khoản chưa xác định được thuộc giao dịch nào"
}
