package console

import "strings"

// A deed's code is the thing and what became of it: those that have no sentence of their own in auditWords are said from these two.
var (
	auditThings = map[string]text{"account": "tài khoản thu", "allowance": "giới hạn người nộp", "catalogue": "danh mục", "day": "ngày đối soát", "definition": "định nghĩa tỷ lệ", "discrepancy": "sai lệch",
		"receipt": "biên lai", "refund": "hoàn tiền", "refund_list": "danh sách hoàn tiền", "report": "báo cáo", "surplus": "tiền thừa", "target": "chỉ tiêu", "user": "người dùng", "key": "khóa", "webhook": "địa chỉ nhận tin",
		"provider": "nhà cung cấp", "layout": "mẫu sao kê", "session": "phiên đăng nhập", "match": "ghép", "statement": "sao kê", "settlement": "tệp đối soát", "order": "yêu cầu nộp", "payment": "lần nộp"}
	auditDeeds = map[string]text{"accept_match": "chấp nhận ghép", "answered": "ghi trả lời tra soát của", "applied": "áp dụng", "approved": "duyệt", "asked": "gửi tra soát", "assigned": "giao", "carry_forward": "chuyển sang ngày sau",
		"changed": "đổi", "claim_from_provider": "đòi nhà cung cấp,", "closed": "khóa", "created": "lập", "declined": "nhà cung cấp từ chối,", "deleted": "xóa", "done": "xong", "ended": "kết thúc", "explain": "giải trình", "failed": "không thành công,", "noted": "ghi chú",
		"paid_back": "ghi ngân hàng đã chuyển,", "pending": "đang chờ,", "proposed": "đề nghị", "read": "xem", "record_payment": "ghi nhận khoản nộp,", "recorded": "ghi", "refund_payer": "hoàn cho người nộp,", "rejected": "từ chối", "reopened": "mở lại",
		"requested": "đề nghị", "resolved": "xử lý xong", "retried": "gửi lại", "returned": "ghi ngân hàng trả lại,", "reversed": "đảo", "signed": "ký", "submitted": "gửi", "succeeded": "thành công,", "told": "ghi kết quả", "uncertain": "chưa rõ kết quả,", "write_off": "xóa sổ"}
)

// deed says what was done. A code that nobody gave words to is a deed on its thing, at least: the code stands below it.
func (t speech) deed(code string) string {
	if said, ok := auditWords[code]; ok {
		return t.Say(text(said))
	}
	parts := strings.Split(code, ".")
	out := []string{}
	for _, deed := range parts[1:] {
		if said, ok := auditDeeds[deed]; ok {
			out = append(out, t.Say(text(said)))
		}
	}
	if len(out) == 0 {
		out = []string{t.Say("việc khác với")}
	}
	thing, ok := auditThings[parts[0]]
	if !ok {
		thing = "dữ liệu"
	}
	return strings.Join(out, " ") + " " + t.Say(text(thing))
}
