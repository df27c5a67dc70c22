package console

import (
	"regexp"
	"strconv"
	"time"

	"feegate/cmd/feegate/page"
	"feegate/gateway/account"
)

var (
	holidayField = regexp.MustCompile(`^calendar\.holidays\[\d+\]$`)
	percentText  = regexp.MustCompile(`^(\d{1,4})(?:[.,](\d{1,2}))?\s*%?$`)
)

// methodWords name the ways to pay.
var methodWords = map[string]text{"qr": "mã QR", "wallet": "ví điện tử", "atm": "thẻ nội địa", "card": "thẻ quốc tế", "transfer": "chuyển khoản"}

// weekdayWords are the days of a week from Monday on.
var weekdayWords = [...]text{"thứ hai", "thứ ba", "thứ tư", "thứ năm", "thứ sáu", "thứ bảy", "chủ nhật"}

// settingWords name what else the providers of this program may need to know; what has none is called as the provider calls it.
var settingWords = map[string]text{"mapping": "Ánh xạ của nền tảng", "treasury": "Kho bạc", "treasury_account": "Tài khoản ở kho bạc"}

// purposeWords name for what a provider may be called at an address of its own.
var purposeWords = map[string]text{"create": "tạo giao dịch", "pay": "mở trang thanh toán", "init": "tạo giao dịch", "query": "tra cứu", "get": "tra cứu", "refund": "hoàn tiền", "refund_query": "tra cứu hoàn tiền", "query_refund": "tra cứu hoàn tiền", "transactions": "đọc danh sách chuyển khoản",
	"cancel": "hủy giao dịch"}

// resultWords name what a check found.
var resultWords = map[string]word{account.ResultWorks: {"good", "●", "Hoạt động"}, account.ResultWrongKeys: {"bad", "✕", "Khóa hoặc thiết lập sai"}, account.ResultNotReachable: {"bad", "✕", "Không kết nối được"},
	account.ResultUnclear: {"warn", "◐", "Chưa rõ"}, account.ResultNotTried: {"warn", "○", "Không thử"}}

// checkedWords name what was tried.
var checkedWords = map[string]text{"set_up": "Chuẩn bị", "lookup": "Tra cứu", "transfers": "Danh sách chuyển khoản", "checkout": "Tạo giao dịch"}

// resultNext says what to do about what a check found.
var resultNext = map[string]text{account.ResultWrongKeys: "Hãy hỏi lại nhà cung cấp về khóa và mã điểm thu, rồi thay khóa.", account.ResultNotReachable: "Hãy xem địa chỉ của tài khoản và đường mạng ra ngoài.",
	account.ResultUnclear: "Hãy chờ ít phút rồi thử lại; nếu vẫn vậy, gọi nhà cung cấp."}

type translation struct {
	is   *regexp.Regexp
	said string // $1, $2 are what stands in it: days, moments and numbers as people write them
}

// merchantFaults say what is wrong with a field of an account, by the store's and the providers' words.
var merchantFaults = []translation{
	{regexp.MustCompile(`^must be (\d+) to (\d+) characters on one line$`), "cần $1 đến $2 ký tự, trên một dòng"},
	{regexp.MustCompile(`^must be at most (\d+) characters on one line$`), "tối đa $1 ký tự, trên một dòng"},
	{regexp.MustCompile(`^must be live or test$`), "hãy chọn thật hoặc thử"},
	{regexp.MustCompile(`^must be an address such as .*$`), "phải là địa chỉ dạng https://api.example.vn, không có tên người dùng, dấu hỏi hay dấu thăng"},
	{regexp.MustCompile(`^must be https$`), "phải bắt đầu bằng https"},
	{regexp.MustCompile(`^is none of this provider's: .*$`), "nhà cung cấp này không có mục đó"},
	{regexp.MustCompile(`^must name at least one of phi, le_phi, nvtc$`), "hãy chọn ít nhất một loại"},
	{regexp.MustCompile(`^must be of (.*), each once$`), "hãy chọn trong danh sách"},
	{regexp.MustCompile(`^nvtc goes to another beneficiary than .*$`), "nghĩa vụ tài chính về nơi thụ hưởng khác phí, lệ phí: tài khoản thu khoản này không thu khoản khác"},
	{regexp.MustCompile(`^this provider lets the payer choose: leave them out$`), "nhà cung cấp này để người nộp tự chọn: không chọn gì ở đây"},
	{regexp.MustCompile(`^must be 0 or within the provider's limits, (\d+) to (\d+)$`), "phải trong giới hạn của nhà cung cấp, từ $1 đến $2 đồng, hoặc để trống"},
	{regexp.MustCompile(`^is less than min_amount$`), "nhỏ hơn số tiền ít nhất"},
	{regexp.MustCompile(`^bps must be 0 to 10000, and min not above max$`), "phần trăm phải từ 0 đến 100, và phí ít nhất không lớn hơn phí nhiều nhất"},
	{regexp.MustCompile(`^must be a day, \d{4}-\d\d-\d\d say.*$`), "phải là một ngày, ví dụ 31/01/2026"},
	{regexp.MustCompile(`^must be a day from today on; .*$`), "phải từ hôm nay trở đi: quá khứ không đổi được"},
	{regexp.MustCompile(`^must be after valid_from: .*$`), "phải sau ngày bắt đầu: đây là ngày đầu tiên không còn hiệu lực"},
	{regexp.MustCompile(`^says from when, but there is no tariff$`), "có ngày mà không có mức phí"},
	{regexp.MustCompile(`^must be a time of day, .*$`), "phải là giờ trong ngày, ví dụ 17:30"},
	{regexp.MustCompile(`^must be one or more of 1 \(Monday\) .*$`), "hãy chọn ít nhất một ngày trong tuần"},
	{regexp.MustCompile(`^must be at most (\d+) days$`), "tối đa $1 ngày"},
	{regexp.MustCompile(`^must be (\d+) to (\d+)$`), "phải từ $1 đến $2"},
	{regexp.MustCompile(`^must be (\d+) to (\d+) milliseconds$`), "phải từ $1 đến $2 mili giây"},
	{regexp.MustCompile(`^is no operation of this provider$`), "nhà cung cấp này không có thao tác đó"},
	{regexp.MustCompile(`^is missing$`), "còn thiếu"},
	{regexp.MustCompile(`^is empty: leave it out$`), "đang trống"},
	{regexp.MustCompile(`^must be on one line, without blanks around it$`), "phải trên một dòng, không có dấu cách ở đầu và cuối"},
	{regexp.MustCompile(`^is not the account's terminal$`), "không phải mã điểm thu của tài khoản này"},
	{regexp.MustCompile(`^must be (\d+) to (\d+) letters and digits$`), "cần $1 đến $2 chữ cái không dấu và chữ số"},
	{regexp.MustCompile(`^there is an account of this terminal at this provider$`), "mã này đã có tài khoản thu ở nhà cung cấp này"},
	{regexp.MustCompile(`^are those that sign now$`), "đang là khóa dùng để ký: hãy nhập khóa mới"},
	{regexp.MustCompile(`^is the beneficiary in force$`), "đang là tài khoản thụ hưởng"},
	{regexp.MustCompile(`^must be the version of the account .*$`), "biểu mẫu thiếu số phiên bản: hãy mở lại trang"},
	{regexp.MustCompile(`^(".*") is not a bank known by six digits, code or name$`), "không có ngân hàng $1: hãy ghi mã sáu chữ số, tên viết tắt hoặc tên ngân hàng"},
	{regexp.MustCompile(`^(".*") is not the account's terminal (".*"): .*$`), "$1 khác số tài khoản $2 của tài khoản thu này: số khác là một tài khoản thu khác, hãy mở tài khoản mới"},
	{regexp.MustCompile(`^is not a number of at most nine digits$`), "phải là số, nhiều nhất chín chữ số"},
	{regexp.MustCompile(`^the platform publishes no address: .*$`), "nền tảng không công bố địa chỉ: hãy ghi địa chỉ chung, hoặc địa chỉ riêng cho từng việc"},
	{regexp.MustCompile(`^.* holds a character that no hashed value may hold$`), "có ký tự không được dùng trong giá trị đem ký"},
	{regexp.MustCompile(`^the account has no beneficiary: .*$`), "cần ngân hàng và số tài khoản thụ hưởng"},
	{regexp.MustCompile(`^.*'s calls need (\S+) \(.*\) or (\S+)$`), "cần khóa $1 hoặc $2 để nhận tin của nhà cung cấp"},
}

// merchantFault says what is wrong with a field, as people read it; what has no words is told with the provider's own after ours.
func (t speech) merchantFault(detail string) string {
	if t.english() {
		return t.Say(text(detail))
	}
	if said, ok := translated(merchantFaults, detail); ok {
		return said
	}
	if said := t.fault(detail); said != detail {
		return said
	}
	return "không dùng được: " + detail
}

// standstills say why an account takes no payments.
var standstills = []translation{
	{regexp.MustCompile(`^no beneficiary is approved: .*$`), "chưa có tài khoản thụ hưởng được duyệt: một người duyệt cần quyết định về đề nghị"},
	{regexp.MustCompile(`^its beneficiary is in force from (\S+) on$`), "tài khoản thụ hưởng có hiệu lực từ $1"},
	{regexp.MustCompile(`^it is in force from (\S+) on$`), "có hiệu lực từ $1"},
	{regexp.MustCompile(`^it ended: it was in force until before (\S+)$`), "đã hết hiệu lực từ $1"},
}

// standstill says why an account takes no payments, as people read it; what has no words stands as the room says it, in English.
func (t speech) standstill(problem string) string {
	if t.english() {
		return problem
	}
	if said, ok := translated(standstills, problem); ok {
		return said
	}
	return problem
}

func translated(words []translation, detail string) (string, bool) {
	for _, w := range words {
		if m := w.is.FindStringSubmatch(detail); m != nil {
			return filledIn.ReplaceAllStringFunc(w.said, func(at string) string { return written(m[at[1]-'0']) }), true
		}
	}
	return "", false
}

var filledIn = regexp.MustCompile(`\$[1-9]`)

// written is a day, a moment or a number as people write it; anything else stays.
func written(s string) string {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return count(n)
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return page.Time(t)
	}
	return page.Day(s)
}
