package console

import (
	"regexp"
	"strconv"
	"strings"

	"feegate/gateway/vnd"
)

// said is a sentence that a room says to programs, and how people read it; $1 … are what it is about.
type said struct {
	pattern *regexp.Regexp
	vi      string
}

// sentences are what can be wrong or odd with a file, a resolution or a refund. What is not here is shown as the room says it.
var sentences = func() (out []said) {
	amount := regexp.QuoteMeta(vnd.ErrAmount.Error())
	const quoted = `("(?:[^"\\]|\\.)*")`
	for _, s := range append(statementSentences(quoted), [][2]string{
		{`a blank line between rows`, `dòng trống giữa các dòng dữ liệu`},
		{`a row after the TOTAL of line (\d+)`, `có dòng sau dòng TOTAL (dòng $1)`},
		{`the file is UTF-16.*`, `tệp ở dạng UTF-16; hãy lưu lại bằng “CSV UTF-8”`},
		{`the file is a ZIP or XLSX.*`, `tệp là ZIP hoặc XLSX; hãy lưu lại bằng “CSV UTF-8”`},
		{`the file is empty.*`, `tệp rỗng, không có cả dòng tiêu đề`},
		{`the header has (\d+) columns, column (\d+) is missing \(columns are separated by "(.)"\)`, `dòng tiêu đề có $1 cột, thiếu cột thứ $2 (các cột phải ngăn bằng dấu “$3”)`},
		{`the header has (\d+) columns, column (\d+) is missing`, `dòng tiêu đề có $1 cột, thiếu cột thứ $2`},
		{`the header has a column too many: ` + quoted, `dòng tiêu đề thừa cột $1`},
		{`column (\d+) of the header is ` + quoted + ` \(columns are separated by "(.)"\)`, `cột thứ $1 của dòng tiêu đề lại là $2 (các cột phải ngăn bằng dấu “$3”)`},
		{`column (\d+) of the header is ` + quoted, `cột thứ $1 của dòng tiêu đề lại là $2`},
		{`(\d+) fields, the header has (\d+)`, `có $1 ô, dòng tiêu đề có $2`},
		{`(\d+) fields, want TOTAL.*`, `dòng TOTAL có $1 ô; phải là TOTAL, số dòng, tổng tiền, phí, thực nhận`},
		{quoted + ` is neither (\S+) nor (\S+)`, `$1 không phải $2 cũng không phải $3`},
		{quoted + `: ` + amount + ` \(a minus sign is allowed\)`, `$1 không phải số nguyên đồng (được có dấu trừ)`},
		{quoted + `: ` + amount, `$1 không phải số nguyên đồng, chỉ gồm chữ số`},
		{`is (-?\d+), but amount and fee make (-?\d+)`, `là $1, nhưng số tiền và phí tính ra $2`},
		{`the sums of the file are beyond what can be counted`, `tổng của tệp lớn quá mức có thể tính`},
		{`is (-?\d+), the rows above make (-?\d+)`, `là $1, nhưng các dòng trên cộng lại là $2`},
		{`not UTF-8.*`, `không phải UTF-8 (có thể là mã cũ như Windows-1258); hãy lưu lại bằng “CSV UTF-8”`},
		{`field (\d+), ` + quoted + `: would be run as a formula by a spreadsheet`, `ô thứ $1, $2: bảng tính sẽ chạy nội dung này như công thức`},
		{`field (\d+), ` + quoted + `: control characters are not allowed`, `ô thứ $1, $2: có ký tự điều khiển`},
		{`is not a (?:date|time) as (\S+(?: HH:mm:ss)?)`, `không phải ngày giờ dạng $1`},
		{`is empty`, `bị trống`},
		{`is (\S+), this account's is (\S+)`, `là $1, trong khi của tài khoản này là $2`},
		{`the file has (\d+) rows`, `tệp có $1 dòng`},
		{`the file's rows add up to (-?\d+)`, `các dòng của tệp cộng lại là $1`},
		{`the file has no rows.*`, `tệp không có dòng nào; ngày không có giao dịch cần dòng TOTAL,0,0,0,0 hoặc số dòng theo bảng kê là 0`},
		{`every row is of another day than (\S+)`, `mọi dòng đều thuộc ngày khác $1`},
		{`a row of (\S+)`, `dòng thuộc ngày $1`},
		{`its status is (.*), no money moved`, `trạng thái $1: không có tiền chuyển`},
		{`it was paid into an account that is not this account's beneficiary`, `tiền vào tài khoản không phải tài khoản thụ hưởng đã đăng ký`},
		{`the same row stands in this file before`, `dòng này đã có ở trên trong cùng tệp`},
		{`row (.*) of (imp_\S+) is changed`, `dòng $1 của tệp đã nhập bị đổi`},
		{`row (.*) of (imp_\S+) is missing`, `dòng $1 của tệp đã nhập không còn trong tệp này`},
		{`takes too long to look through: choose a shorter period`, `kỳ dài quá, xem không kịp: hãy chọn kỳ ngắn hơn`},
		{`must be a date like (\S+)`, `phải là ngày, ví dụ $1`},
		{`must say why, in 1 to (\d+) characters`, `phải ghi lý do, tối đa $1 ký tự`},
		{`must be a day that is over`, `phải là ngày đã qua`},
		{`the period has not ended: its figures still grow`, `kỳ chưa kết thúc, số liệu còn thay đổi`},
		{`is missing`, `còn thiếu`},
		{`at most (\d+) characters`, `tối đa $1 ký tự`},
		{`must be at least 1`, `ít nhất là 1 ₫`},
		{`goes with record_payment alone`, `chỉ dùng khi ghi nhận khoản nộp`},
		{`goes with accept_match, which needs it`, `cần cho việc chấp nhận là cùng một giao dịch, và chỉ cho việc đó`},
		{`there is no such order`, `không có yêu cầu nộp phí này`},
		{`the money came into an account that may not take this order's fees`, `tài khoản đã nhận tiền không được thu các khoản của yêu cầu này`},
		{`(\w+) is for a settlement line without a payment that succeeded here, not for \w+`, `chỉ dùng khi tệp có dòng mà feegate không có khoản nộp thành công`},
		{`(\w+) makes no sense for \w+`, `việc này không hợp với loại sai lệch này`},
		{`(\w+) is not for a transfer that is \w+`, `việc này không dùng cho khoản chuyển khoản này`},
		{`(\w+) moves money, and there is none in this discrepancy: its effect is 0`, `sai lệch này không làm chênh tiền: không có gì để yêu cầu trả hay xóa`},
		{`record the money first .*`, `hãy ghi nhận khoản tiền trước, không kèm yêu cầu nộp phí: khi đó là tiền thừa và hoàn được`},
		{`accept_match names a payment for each: it goes one by one`, `mỗi sai lệch cần một mã giao dịch riêng: hãy làm từng cái`},
		{`the discrepancy is resolved`, `sai lệch này đã xử lý xong`},
		{`the discrepancy is not resolved`, `sai lệch này chưa được xử lý, không có gì để mở lại`},
		{`the discrepancy is resolved: nothing is left to do; the proposal can be rejected`, `sai lệch này đã tự hết: chỉ còn có thể từ chối đề nghị`},
		{`the records agree by now: there is nothing to reopen`, `số liệu hai bên đã khớp, không có gì để mở lại`},
		{`the day (\S+) is closed: .*`, `ngày $1 đã khóa sổ`},
		{`resolution (\d+) waits for another person's decision`, `đề nghị số $1 đang chờ người khác duyệt`},
		{`a resolution of it waits for another person's decision`, `đang có đề nghị chờ người khác duyệt`},
		{`nothing is proposed for it`, `không có đề nghị nào đang chờ duyệt`},
		{`another person has decided: this resolution is done`, `người khác đã duyệt đề nghị này`},
		{`another person has decided: this resolution is rejected`, `người khác đã từ chối đề nghị này`},
		{`who proposed a resolution cannot decide on it`, `người đề nghị không được tự duyệt`},
		{`(.+) has taken it up`, `$1 đã nhận việc này`},
		{`it is nobody's any more`, `việc này không còn của ai`},
		{`is not a person known here who may work on this account`, `không phải người được làm việc với tài khoản này`},
		{`is past`, `đã qua`},
		{`must say something, in 1 to (\d+) characters`, `phải có nội dung, tối đa $1 ký tự`},
		{`a trace request waits for its answer already`, `đang có yêu cầu tra soát chờ trả lời`},
		{`no trace request waits for an answer`, `không có yêu cầu tra soát nào đang chờ trả lời`},
		{`there is no such trace request: ask first`, `chưa có yêu cầu tra soát; hãy ghi yêu cầu trước`},
		{`there is no such discrepancy`, `không có sai lệch này`},
		{`must be PDF, PNG, JPEG, .*`, `phải là PDF, PNG, JPEG, XLSX, DOCX không có macro, hoặc văn bản UTF-8; loại tệp xét theo nội dung`},
		{`at most (\d+) MiB`, `tối đa $1 MiB`},
		{`it has (\d+) attachments, and may have no more`, `đã có $1 tệp đính kèm, không thêm được nữa`},
		{`must name 1 to (\d+) discrepancies`, `phải chọn từ 1 đến $1 sai lệch`},
		{`is given twice`, `bị trùng`},
		{`is of another kind than the first, which is \w+`, `khác loại với sai lệch đầu tiên được chọn; hãy lọc theo loại rồi chọn`},
		{`is of another provider or agency than the first`, `thuộc nhà cung cấp hoặc cơ quan khác với sai lệch đầu tiên được chọn`},
		{`the discrepancy has no settlement line to record`, `sai lệch này không có dòng nào trong tệp để ghi nhận`},
		{`must be the next of an earlier answer`, `địa chỉ trang không đúng; hãy mở lại danh sách`},
		{`there is no such payment into this account`, `tài khoản này không có giao dịch đó`},
		{`the payment is matched with another line`, `giao dịch đã khớp với dòng khác`},
		{`the payment is of (\S+), the line of (\S+)`, `giao dịch là $1 ₫, dòng trong tệp là $2 ₫`},
		{`the settlement line stands no more, or is matched`, `dòng trong tệp không còn, hoặc đã khớp`},
	}...) {
		out = append(out, said{regexp.MustCompile(`(?s)^` + s[0] + `$`), s[1]})
	}
	return out
}()

// line is what is wrong or odd, as people read it: the rooms say it in English.
func (t speech) line(detail string) string {
	if t.english() {
		return t.Say(text(detail))
	}
	for _, s := range sentences {
		if s.pattern.MatchString(detail) {
			return s.pattern.ReplaceAllString(detail, s.vi)
		}
	}
	return detail
}

// known is the sentence where there is one, and nothing where what was said has none.
func (t speech) known(detail string) string {
	if said := t.line(detail); said != detail || t.english() {
		return said
	}
	return ""
}

var chosen = regexp.MustCompile(`^ids\[(\d{1,3})\]$`)

// field is a field as people know it; ids[3] is the fourth that was ticked.
func (t speech) field(name string) string {
	if m := chosen.FindStringSubmatch(name); m != nil {
		n, _ := strconv.Atoi(m[1])
		return t.Sayf("Sai lệch thứ %d được chọn", n+1)
	}
	return t.Say(or(fieldNames)(name))
}

// deed is what a row of a discrepancy's history was.
func deed(what string) text {
	return or(map[string]string{"assigned": "Được giao", "noted": "Ghi chú", "attached": "Kèm tệp", "asked": "Tra soát", "answered": "Trả lời tra soát", "reopened": "Được mở lại",
		"proposed": "Đề nghị", "done": "Thực hiện", "approved": "Đã duyệt", "rejected": "Bị từ chối", "": "Đối soát"})(what)
}

// fields of forms and files whose names are not the provider's own.
var fieldNames = map[string]text{"file": "Tệp", "date": "Ngày", "account_id": "Tài khoản", "terminal": "Mã điểm thu", "expected_lines": "Số dòng theo bảng kê", "note": "Lý do",
	"reason": "Lý do", "amount": "Số tiền", "available": "Số có thể hoàn", "order_id": "Mã yêu cầu nộp phí", "payment_id": "Mã giao dịch", "action": "Việc cần làm", "deadline": "Hạn",
	"from": "Từ ngày", "to": "Đến ngày", "kind": "Loại", "status": "Tình trạng", "replaces": "Thay cho",
	"owner": "Người phụ trách", "due": "Hạn trả lời", "asked_of": "Nơi nhận", "question": "Nội dung hỏi", "answer": "Câu trả lời", "min_amount": "Số tiền từ", "sort": "Sắp xếp", "after": "Trang",
	"ids": "Sai lệch được chọn", "bank_account": "Số tài khoản", "layout": "Các cột", "header": "Dòng tiêu đề", "encoding": "Mã chữ", "closing balance": "Số dư cuối kỳ", "total": "Dòng tổng", "currency": "Loại tiền", "format": "Loại tệp",
	"booking date": "Ngày hạch toán", "value date": "Ngày hiệu lực", "reference": "Mã của ngân hàng", "debit": "Tiền ra", "credit": "Tiền vào", "debit, credit": "Tiền ra, tiền vào", "balance": "Số dư", "fee": "Phí", "vat": "Thuế",
	"to.bank": "Ngân hàng nhận", "to.account_number": "Số tài khoản nhận", "to.account_name": "Tên chủ tài khoản", "to.evidence": "Căn cứ", "agency_code": "Cơ quan", "refunds": "Khoản hoàn", "bank_reference": "Mã của ngân hàng", "paid_at": "Thời điểm chuyển", "password": "Mật khẩu", "again": "Nhập lại mật khẩu mới", "otp": "Mã xác thực", "name": "Tên", "roles": "Vai trò", "scopes": "Quyền", "client_id": "Cổng", "expires_at": "Hạn", "overlap_hours": "Khóa cũ còn dùng",
	"source_system": "Hệ thống nguồn", "mode": "Chế độ", "agencies": "Cơ quan phụ trách", "digits": "Số cuối của tài khoản", "operation": "Thao tác", "number": "Sự kiện số", "standing": "Tình trạng", "role": "Là khoản", "as_of": "Theo dữ liệu biết đến"}

// noted reads what the rooms note in a history: proposed X: why, approved X, rejected X, X: why.
func (t speech) noted(note string) string {
	verb, rest := text("%s"), note
	for en, vi := range map[string]text{"proposed ": "đề nghị: %s", "approved ": "duyệt: %s", "rejected ": "từ chối: %s"} {
		if after, ok := strings.CutPrefix(note, en); ok {
			verb, rest = vi, after
		}
	}
	name, why, more := strings.Cut(rest, ": ")
	act, known := actions[name]
	if !known {
		return note
	}
	out := t.Sayf(verb, text(act))
	if more {
		out += ". " + why
	}
	return out
}
