package console

import (
	"html/template"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/reconciliation"
	"feegate/reconciliation/adoption"
)

// word is a state as a word with its shape; the class adds a colour.
type word struct {
	Class, Shape string
	Word         text
}

// kinds say what a discrepancy of a kind is called, what it means, and what is usually done about it: what the documentation says too.
var kinds = func() map[string]reconciliation.Guide {
	out := map[string]reconciliation.Guide{}
	for _, g := range reconciliation.Guides() {
		out[g.Kind] = g
	}
	return out
}()

var actions = map[string]text{
	reconciliation.RecordPayment: "Ghi nhận khoản nộp", reconciliation.CarryForward: "Chuyển sang ngày sau", reconciliation.RefundPayer: "Hoàn cho người nộp",
	reconciliation.ClaimFromProvider: "Yêu cầu nhà cung cấp trả", reconciliation.WriteOff: "Xóa khoản lệch", reconciliation.AcceptMatch: "Chấp nhận là cùng một giao dịch",
	reconciliation.Explain: "Giải thích",
}

var states = map[string]word{
	"open": {"bad", "○", "Chưa xử lý"}, "investigating": {"warn", "◐", "Đang xử lý"}, "resolved": {"good", "●", "Đã xử lý"},
	"proposed": {"warn", "◐", "Chờ duyệt"}, "done": {"good", "●", "Đã thực hiện"}, "rejected": {"bad", "✕", "Bị từ chối"},
	gateway.PaymentCreated: {"warn", "○", "Mới tạo"}, gateway.PaymentPending: {"warn", "◐", "Chờ kết quả"}, gateway.PaymentSucceeded: {"good", "●", "Thành công"},
	gateway.PaymentFailed: {"bad", "✕", "Không thành công"}, gateway.PaymentExpired: {"bad", "✕", "Hết hạn"}, gateway.PaymentReversed: {"bad", "↩", "Bị thu hồi"},
	gateway.RefundRequested: {"warn", "○", "Chờ duyệt"}, gateway.RefundApproved: {"warn", "◐", "Đã duyệt"}, gateway.RefundSubmitted: {"warn", "◐", "Đã gửi yêu cầu hoàn"},
	gateway.OrderPaid: {"good", "●", "Đã nộp"}, gateway.OrderNoPaymentNeeded: {"good", "●", "Không phải nộp"}, gateway.OrderCancelled: {"bad", "✕", "Đã hủy"},
	gateway.OrderSuperseded: {"bad", "✕", "Đã thay bằng yêu cầu khác"}, gateway.OrderPartlyRefunded: {"warn", "◐", "Hoàn một phần"}, gateway.OrderRefunded: {"warn", "◌", "Đã hoàn"},
	"matched": {"good", "●", "Đã đối soát"}, "closed": {"good", "●", "Đã khóa sổ"}, "signed": {"good", "●", "Đã ký"}, "reopened": {"warn", "◐", "Được mở lại"},
	"unapproved": {"warn", "○", "Chờ duyệt"},
	adoption.Met: {"good", "●", "Đạt"}, adoption.NotMet: {"bad", "✕", "Chưa đạt"}, adoption.NotEnoughData: {"warn", "◌", "Chưa đủ dữ liệu"},
}

// orderStates differ from the others' where one word has two meanings.
func orderState(s string) word {
	switch s {
	case gateway.OrderOpen:
		return word{"warn", "○", "Chưa nộp"}
	case gateway.OrderExpired:
		return word{"bad", "✕", "Hết hạn"}
	}
	return state(s)
}

func dayOpen(s string) word {
	if s == "open" {
		return word{"warn", "○", "Chưa đối soát"}
	}
	return state(s)
}

func state(s string) word {
	if w, ok := states[s]; ok {
		return w
	}
	return word{"", "·", text(s)}
}

var sources = map[string]text{"callback": "nhà cung cấp báo", "return": "người nộp quay lại", "lookup": "feegate hỏi lại", "checkout": "trang nộp tiền",
	"settlement": "tệp đối soát", "person": "người có thẩm quyền", "clock": "đến hạn", "submission": "gửi yêu cầu hoàn"}

var reasons = map[string]text{"payer_cancelled": "người nộp hủy", "insufficient_funds": "số dư không đủ", "limit_exceeded": "vượt hạn mức", "not_enrolled": "chưa đăng ký thanh toán trực tuyến",
	"wrong_details": "sai thông tin thẻ hoặc tài khoản", "account_locked": "tài khoản bị khóa", "authentication_failed": "xác thực không thành công", "bank_maintenance": "ngân hàng bảo trì",
	"issuer_rejected": "ngân hàng từ chối", "account_restricted": "tài khoản bị hạn chế", "expired": "hết thời gian", "suspicious": "đang bị kiểm tra", "configuration": "lỗi thiết lập",
	"technical": "lỗi kỹ thuật", "unknown_code": "kết quả chưa rõ"}

var evidenceWords = map[string]text{"confirmed": "đã khớp tệp đối soát", "provisional": "chờ đối soát", "disputed": "đang lệch", "reversed": "bị thu hồi", "none": "chưa có chứng cứ",
	"overdue": "quá hạn đối soát"}

// becauseWords name what was recorded between two closed reports.
var becauseWords = map[string]text{"payment": "khoản nộp", "settlement_line": "dòng đối soát", "match_ended": "bỏ khớp dòng", "payout": "tiền về", "statement": "sao kê", "deposit": "giấy nộp tiền", "refund": "hoàn tiền", "reversal": "bị thu hồi",
	"discrepancy": "sai lệch", "dossier": "hồ sơ", "payer": "tài khoản nộp"}

var brands = map[string]text{"vnpay": "VNPAY", "momo": "MoMo", "zalopay": "ZaloPay", "payos": "payOS", "sepay": "VietQR (SePay)", "casso": "VietQR (Casso)", "vietqr": "VietQR", "dvcqg": "Cổng DVCQG"}

var channels = map[string]text{"portal_checkout": "Trang nộp tiền", "officer_proxy": "Cán bộ nộp thay", "treasury_epay": "Cổng DVCQG", "qr_counter_self": "QR tại quầy", "qr_remote": "QR trên trang nộp tiền", "transfer_ref": "Chuyển khoản", "transfer_unref": "Chuyển khoản không mã", "counter": "Tại quầy"}

// officerRoles are who stands behind what an honesty rule found.
var officerRoles = map[string]text{"payer": "người nộp", "officer": "cán bộ", "counter": "quầy một cửa", "program": "phần mềm gọi", "case_system": "hệ thống xử lý hồ sơ", "provider": "nhà cung cấp",
	"agency": "đơn vị", "outside": "bên ngoài", "account": "tài khoản", "person": "người chốt báo cáo", "schedule": "lịch tự động", "evidence": "chứng cứ mới", "admin": "quản trị", "approver": "người duyệt",
	"definition": "định nghĩa", "target": "chỉ tiêu"}

// tourWords say in two sentences what a page is, for who comes by it on the demo's tour.
var tourWords = map[string]text{
	"today":     "Đây là buổi sáng của người đối soát: hôm qua có bao nhiêu tài khoản khớp, lệch vì đâu, và việc gì đang chờ bạn. Mở một ngày để thấy ba cột feegate, nhà cung cấp, ngân hàng, và từng đồng chênh lệch có tên.",
	"rate":      "Đây là tỷ lệ nộp trực tuyến mà lãnh đạo cam kết, tính chỉ trên khoản đã có chứng cứ. Bấm vào bất kỳ con số nào để xuống đến từng khoản nộp tạo nên nó, và in cả trang trên một tờ A4.",
	"providers": "Đây là nơi người vận hành thấy ngân hàng, ví nào đang chạy, và ngắt lúc nào trong 24 giờ qua. Khi có sự cố, ngắt bằng tay hoặc báo bảo trì, có lý do, và người nộp thấy ngay.",
}

// notices are what a page says after an act, by ?done=.
var notices = map[string]text{"proposed": "Đã ghi đề nghị. Người duyệt khác sẽ quyết định.", "resolved": "Đã thực hiện.", "approved": "Đã duyệt.", "rejected": "Đã từ chối.",
	"requested": "Đã đề nghị hoàn tiền. Người duyệt khác sẽ quyết định.", "matched": "Đã đối soát lại ngày này.", "matched_by_person": "Đã ghép.",
	"closed": "Đã khóa sổ ngày này. Một người duyệt khác sẽ ký.", "signed": "Đã ký. Số liệu ngày này không đổi được nữa.", "reopen-asked": "Đã ghi yêu cầu mở lại. Một người ở vai trò kia phải đồng ý.",
	"reopen-approve": "Đã mở lại ngày này.", "reopen-reject": "Yêu cầu mở lại đã được bỏ.",
	"layout": "Đã xác nhận cách đọc các cột.", "listed": "Đã lập danh sách. Hãy tải tệp và gửi ngân hàng.", "paid_back": "Đã ghi: ngân hàng đã chuyển.",
	"catalogue": "Danh mục đã thay đổi.", "target": "Đã ghi đề nghị chỉ tiêu. Một người khác sẽ quyết định.",
	"password": "Đã đổi mật khẩu. Hãy đăng nhập bằng mật khẩu mới.", "otp-ended": "Đã tắt mã xác thực. Hãy đăng nhập lại.", "others-ended": "Đã đăng xuất mọi nơi khác.", "otp-roles": "Đã ghi vai trò bắt buộc có mã xác thực.",
	"ran":      "Đã chạy xong một lượt.",
	"override": "Đã đặt. Các tiến trình khác theo trong vài giây.", "maintenance": "Đã báo bảo trì.", "maintenance-ended": "Đã kết thúc đợt bảo trì.", "replay": "Đang gửi lại.",
	"user-changed": "Đã thực hiện.", "client": "Đã thêm phần mềm gọi.", "key-revoked": "Đã thu hồi khóa.",
	"account-opened": "Đã mở tài khoản. Hãy đăng ký địa chỉ nhận tin ở nhà cung cấp, và nhờ người duyệt quyết định tài khoản thụ hưởng.", "account-changed": "Đã đổi điều khoản.", "secret-rotated": "Đã thay khóa. Hãy đổi ở nhà cung cấp trước khi khóa cũ hết.", "secret-ended": "Khóa cũ không còn được nhận.",
	"returned":      "Đã ghi: ngân hàng trả lại. Khoản này chờ lập danh sách mới.",
	"report-closed": "Đã chốt báo cáo. Một người khác sẽ duyệt.", "report-same": "Không có gì mới từ lần chốt trước: đây là lần đó.", "report-approved": "Đã duyệt báo cáo."}

// Problems that the console alone gives.
const (
	problemForbidden = "forbidden"
	problemCSRF      = "csrf"
	problemInternal  = "internal"
	problemPeople    = "people-state"
	problemWait      = "too-many-requests"
)

type meaning struct {
	status     int
	what, next text
}

var meanings = map[string]meaning{
	problemForbidden:                  {http.StatusForbidden, "Bạn không có quyền mở trang này", "Nếu công việc của bạn cần trang này, hãy liên hệ quản trị viên để được cấp vai trò."},
	problemCSRF:                       {http.StatusForbidden, "Biểu mẫu đã cũ", "Chưa có gì thay đổi. Hãy mở lại trang và làm lại."},
	problemInternal:                   {http.StatusInternalServerError, "Hệ thống gặp lỗi", "Lỗi đã được ghi lại. Hãy thử lại sau ít phút."},
	problemPeople:                     {http.StatusConflict, "Chưa thực hiện được", "Chưa có gì thay đổi."},
	problemWait:                       {http.StatusTooManyRequests, "Sai quá nhiều lần", "Chưa có gì thay đổi."},
	gateway.ProblemNotFound:           {http.StatusNotFound, "Không tìm thấy", "Hãy kiểm tra lại mã, hoặc tìm ở trang Tìm."},
	gateway.ProblemInvalid:            {http.StatusUnprocessableEntity, "Chưa thực hiện được", "Hãy quay lại và sửa những chỗ sau."},
	gateway.ProblemSecondPerson:       {http.StatusForbidden, "Cần người khác quyết định", "Người đề nghị không được tự duyệt. Hãy nhờ một người duyệt khác."},
	gateway.ProblemPaymentState:       {http.StatusConflict, "Trạng thái giao dịch không cho phép", "Hãy mở lại giao dịch để xem trạng thái hiện tại."},
	gateway.ProblemRefundState:        {http.StatusConflict, "Trạng thái hoàn tiền không cho phép", "Hãy mở lại giao dịch để xem trạng thái hiện tại."},
	gateway.ProblemAvailableChanged:   {http.StatusConflict, "Số tiền có thể hoàn đã thay đổi", "Chưa có gì được hoàn. Hãy mở lại giao dịch và đề nghị lại."},
	gateway.ProblemOrderState:         {http.StatusConflict, "Trạng thái yêu cầu nộp phí không cho phép", "Hãy mở lại trang để xem trạng thái hiện tại."},
	gateway.ProblemUnavailable:        {http.StatusServiceUnavailable, "Nhà cung cấp tạm thời không phục vụ", "Hãy thử lại sau ít phút."},
	gateway.ProblemKeyInFlight:        {http.StatusConflict, "Yêu cầu này đang được xử lý", "Hãy chờ vài giây rồi mở lại trang."},
	gateway.ProblemKeyReused:          {http.StatusConflict, "Biểu mẫu này đã được gửi với nội dung khác", "Hãy mở lại trang và làm lại."},
	reconciliation.ProblemConflict:    {http.StatusConflict, "Tệp mâu thuẫn với tệp đã nhập", "Chưa có gì được nhập. Nếu đây là tệp sửa, hãy chọn “thay cho tệp đã nhập”."},
	reconciliation.ProblemDayClosed:   {http.StatusConflict, "Ngày đối soát đã khóa sổ", "Giao dịch và kết quả khớp của ngày này không đổi được nữa."},
	reconciliation.ProblemDayNotReady: {http.StatusConflict, "Chưa khóa sổ được ngày này", "Hãy mở lại trang của ngày: những việc còn thiếu được nêu ở mục Khóa sổ và ký."},
	reconciliation.ProblemDayState:    {http.StatusConflict, "Trạng thái ngày đối soát không cho phép", "Hãy mở lại trang để xem trạng thái hiện tại."},
	reconciliation.ProblemDayChanged:  {http.StatusConflict, "Số liệu đã khác lúc khóa sổ", "Chưa ký. Hãy xin mở lại ngày này và tìm nguyên nhân."},
	adoption.ProblemReportOpen:        {http.StatusConflict, "Kỳ báo cáo chưa kết thúc", "Chưa có gì được chốt. Hãy chọn kỳ đã qua."},
	adoption.ProblemReportBusy:        {http.StatusConflict, "Đang có dữ liệu được ghi", "Chưa có gì được chốt. Hãy thử lại sau ít phút."},
	adoption.ProblemReportState:       {http.StatusConflict, "Đã có người thực hiện trước", "Hãy mở lại danh sách báo cáo để xem."},
	adoption.ProblemProvinceOnly:      {http.StatusForbidden, "Chỉ dành cho người phụ trách toàn tỉnh", "Báo cáo được chốt và duyệt cho toàn tỉnh. Biểu mẫu của cơ quan bạn có ở trang Báo cáo."},
	gateway.ProblemProposalState:      {http.StatusConflict, "Trạng thái đề nghị không cho phép", "Đề nghị đã được quyết định, hoặc đã quá ngày bắt đầu có hiệu lực. Hãy mở lại trang."},
	gateway.ProblemProposalExists:     {http.StatusConflict, "Đã có, hoặc đang có đề nghị như vậy", "Chưa có gì thay đổi. Hãy xem danh sách."},
	gateway.ProblemAccountChanged:     {http.StatusConflict, "Tài khoản vừa được người khác đổi", "Chưa có gì thay đổi. Hãy mở lại trang và làm lại."},
	gateway.ProblemSecretState:        {http.StatusConflict, "Khóa của tài khoản không còn như lúc mở trang", "Chưa có gì thay đổi. Hãy mở lại trang của tài khoản để xem khóa nào đang dùng."},
	gateway.ProblemBeneficiaryState:   {http.StatusConflict, "Trạng thái đề nghị thụ hưởng không cho phép", "Đề nghị đã được quyết định, hoặc đang có đề nghị khác chờ duyệt. Hãy mở lại trang."},
	reconciliation.ProblemResolution:  {http.StatusConflict, "Trạng thái sai lệch không cho phép", "Hãy mở lại sai lệch để xem trạng thái hiện tại."},
}

func meaningOf(name string) meaning {
	if m, ok := meanings[name]; ok {
		return m
	}
	return meaning{http.StatusConflict, "Chưa thực hiện được", "Chưa có gì thay đổi. Hãy mở lại trang và thử lại."}
}

func or[S ~string](m map[string]S) func(string) text {
	return func(key string) text {
		if s, ok := m[key]; ok {
			return text(s)
		}
		return text(key)
	}
}

// monthName writes a month for people: 3/2026; what is none stays.
func monthName(s string) string {
	t, err := time.Parse("2006-01", s)
	if err != nil {
		return s
	}
	return t.Format("1/2006")
}

// rounded rounds an estimate, half up; what is no number stays.
func rounded(s string, decimals int) string {
	if r, ok := new(big.Rat).SetString(s); ok {
		return r.FloatString(decimals)
	}
	return s
}

// percent writes an exact fraction for people: 43,2 %.
func percent(r *adoption.Rate) string {
	if r == nil || r.Denominator == 0 {
		return "—"
	}
	return strings.Replace(new(big.Rat).SetFrac64(100*r.Numerator, r.Denominator).FloatString(1), ".", ",", 1) + "\u00a0%"
}

// count writes a number for people: 19.275.
func count(n any) string {
	var v int64
	switch x := n.(type) {
	case int64:
		v = x
	case int:
		v = int64(x)
	}
	return strings.TrimSuffix(vnd.Signed(v).Format(), " ₫")
}

// width is a fraction as a bar's length out of 100.
func width(r adoption.Rate) string {
	if r.Denominator == 0 || r.Numerator < 0 {
		return "0"
	}
	return new(big.Rat).SetFrac64(100*r.Numerator, r.Denominator).FloatString(2)
}

func hundredths(h adoption.Hundredths) string {
	b, _ := h.MarshalJSON() // digits: it cannot fail
	return strings.Replace(string(b), ".", ",", 1)
}

// told reads the detail of a payment's history: the provider's code, in most.
func (s speech) told(detail string) string {
	if code, ok := strings.CutPrefix(detail, "code "); ok {
		return s.Sayf("mã %s", code)
	}
	return detail
}

// fact is one side of a pair, for the template.
func fact(p pair, value any) any {
	_, at := value.(time.Time)
	_, maybe := value.(*time.Time)
	return struct {
		Money, Time bool
		Value       any
	}{p.Money && value != nil, at || maybe, value}
}

// words are what the templates call, in a language.
func (c *Console) words(s speech) template.FuncMap {
	return template.FuncMap{"lang": func() string { return s.Code }, "either": s.either, "plain": plain.Replace, "verdict": adoption.VerdictWords, "otherlang": s.other, "money": page.Money, "time": page.Time, "date": page.Day, "asset": c.assets.URL, "state": state, "orderstate": orderState, "daystate": dayOpen,
		"kind":   s.guide,
		"action": or(actions), "adjustment": or(adjustmentWords), "figure": or(frozenWords), "source": or(sources), "reason": or(reasons), "brand": or(brands), "channel": or(channels),
		"percent": percent, "span": s.span, "width": width, "hundredths": hundredths, "q": url.QueryEscape,
		"deref": func(s *string) string {
			if s == nil {
				return ""
			}
			return *s
		},
		"count": count, "fact": fact, "line": s.line, "operation": or(operationWords), "breakermode": or(overrideWords), "checked": or(checkedWords), "purpose": or(purposeWords), "month": monthName, "sideof": func(side map[string]*int64, name string) string {
			if n := side[name]; n != nil {
				return count(*n)
			}
			return "—"
		},
		"field": s.field, "scopeword": or(scopeWords), "said": s.known, "deed": deed, "two": reconciliation.NeedsTwo, "noted": s.noted, "told": s.told, "evidenceword": or(evidenceWords),
		"hundredthsDot": func(h adoption.Hundredths) string { return strings.Replace(hundredths(h), ",", ".", 1) },
		"dong":          func(n int64) string { return page.Money(vnd.Signed(n)) },
		"role":          or(roles),
		"rawquery":      func(q string) template.URL { return template.URL(q) }, // a query as it stands in an address
		"officerrole":   or(officerRoles),
		"number":        func(n *int64) int64 { return *n },
		"sectionword":   or(sectionWords()), "changeword": or(map[string]string{"added": "thêm", "changed": "sửa", "ended": "hết hiệu lực"}), "modeword": or(modeWords()), "faultword": s.fault,
		"facts": s.facts, "proposal": proposal, "parameters": s.parameters, "targetpercent": targetPercent,
		"amount": func(a *vnd.Amount) vnd.Amount {
			if a == nil {
				return 0
			}
			return *a
		},
		"ledgertype":  or(ledgerTypes),
		"matchreason": s.matchReason,
		"standing": func(s string) word {
			if w, ok := standings[s]; ok {
				return w
			}
			return word{"", "·", text(s)}
		},
		"bucket": or(bucketWords), "because": or(becauseWords),
		"comma": func(s string) string { return strings.Replace(s, ".", ",", 1) },
		"round": func(s string) string {
			n, err := strconv.ParseInt(rounded(s, 0), 10, 64)
			if err != nil {
				return s
			}
			return count(n)
		},
		"tenth":   func(s string) string { return strings.Replace(rounded(s, 1), ".", ",", 1) },
		"deref64": func(n *int64) int64 { return *n },
		"rateof":  func(r adoption.Rate) *adoption.Rate { return &r }}
}
