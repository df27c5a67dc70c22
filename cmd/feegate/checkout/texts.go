package checkout

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers"
)

// text is one sentence in both languages.
type text struct{ vi, en string }

// languages that the pages speak; the first is the one that they begin with.
var languages = []string{"vi", "en"}

// texts is every word of the pages. %s are filled in order.
var texts = map[string]text{
	"title":       {"Nộp phí, lệ phí", "Pay a fee"},
	"brand":       {"Nộp phí, lệ phí", "Fee payment"},
	"other":       {"English", "Tiếng Việt"},
	"zone":        {"Mọi giờ trên trang này là giờ Việt Nam.", "All times on this page are Vietnam time (UTC+7)."},
	"busy":        {"Hệ thống đang bận. Vui lòng thử lại sau ít phút; tiền đã nộp không bị mất.", "The system is busy. Please try again in a few minutes; money already paid is not lost."},
	"too-many":    {"Bạn gửi quá nhiều yêu cầu. Vui lòng chờ một lát rồi thử lại.", "Too many requests. Please wait a moment and try again."},
	"unread":      {"Yêu cầu không đọc được. Hãy mở lại trang này.", "The request could not be read. Please open this page again."},
	"dossier":     {"Hồ sơ", "Dossier"},
	"agency":      {"Đơn vị thu", "Collected by"},
	"procedure":   {"Thủ tục", "Procedure"},
	"fees":        {"Các khoản phải nộp", "What you pay for"},
	"fees.of":     {"Các khoản của yêu cầu này", "What this request was for"},
	"fees.paid":   {"Các khoản đã nộp", "What you paid for"},
	"total":       {"Tổng cộng", "Total"},
	"paid-so-far": {"Đã nộp", "Paid so far"},
	"left":        {"Còn phải nộp", "Still to pay"},
	"kind.phi":    {"phí", "fee"},
	"kind.le_phi": {"lệ phí", "charge"},
	"kind.nvtc":   {"nghĩa vụ tài chính", "financial obligation"},
	"order":       {"Mã yêu cầu nộp phí", "Payment request"},
	"valid-until": {"Yêu cầu có hiệu lực đến %s.", "This request is valid until %s."},
	"back":        {"Quay lại hồ sơ", "Back to your dossier"},
	"call":        {"Cần giúp, hãy liên hệ %s và đọc mã yêu cầu nộp phí ở cuối trang.", "For help, contact %s and quote the payment request at the foot of the page."},

	"choose.title":    {"Nộp %s", "Pay %s"},
	"choose.ways":     {"Chọn cách nộp", "Choose how to pay"},
	"choose.none":     {"Hiện chưa có cách nộp trực tuyến nào dùng được. Hãy thử lại sau, hoặc nộp tại quầy của đơn vị thu.", "No online way to pay works at the moment. Please try again later, or pay at the agency's counter."},
	"choose.partly":   {"Bạn đã nộp %s. Số còn lại nộp ở đây.", "You have paid %s. The rest is paid here."},
	"choose.leave":    {"Bạn sẽ chuyển sang trang của nhà cung cấp dịch vụ thanh toán, rồi quay lại đây. Với mã VietQR, bạn ở lại trang này.", "You will go to the payment provider's page and then come back here. With a VietQR code you stay on this page."},
	"way.vnpay":       {"VNPAY: thẻ, tài khoản ngân hàng, mã QR", "VNPAY: card, bank account, QR code"},
	"way.momo":        {"Ví MoMo", "MoMo wallet"},
	"way.zalopay":     {"Ví ZaloPay, thẻ, tài khoản ngân hàng, mã QR", "ZaloPay wallet, card, bank account, QR code"},
	"way.sepay":       {"Chuyển khoản ngân hàng bằng mã VietQR", "Bank transfer with a VietQR code"},
	"way.casso":       {"Chuyển khoản ngân hàng bằng mã VietQR", "Bank transfer with a VietQR code"},
	"way.vietqr":      {"Chuyển khoản ngân hàng bằng mã VietQR", "Bank transfer with a VietQR code"},
	"way.payos":       {"Chuyển khoản VietQR qua payOS", "VietQR bank transfer through payOS"},
	"way.dvcqg":       {"Cổng Dịch vụ công quốc gia", "National Public Service Portal"},
	"way.maintenance": {"Đang bảo trì đến %s", "Under maintenance until %s"},
	"way.down":        {"Tạm thời không dùng được, thử lại sau %d phút", "Not available at the moment, try again in %d minutes"},
	"way.closed":      {"Tạm thời không dùng được", "Not available at the moment"},
	"way.outside":     {"Chỉ nhận từ %s đến %s mỗi lần", "Takes only %s to %s at a time"},

	"waiting.title":   {"Đang chờ ngân hàng xác nhận", "Waiting for the bank to confirm"},
	"waiting.usual":   {"Thường mất dưới 1 phút. Bạn có thể đóng trang này: tiền đã nộp không bị mất, kết quả sẽ được cập nhật vào hồ sơ.", "This usually takes less than a minute. You may close this page: money already paid is not lost, and the result will appear on your dossier."},
	"waiting.long":    {"Đừng nộp lại. Nếu tài khoản của bạn đã bị trừ tiền, khoản này sẽ được ghi nhận: chúng tôi đang hỏi lại ngân hàng.", "Do not pay again. If your account was debited, the payment will be recorded: we are asking the bank again."},
	"waiting.ten":     {"Chúng tôi vẫn đang chờ kết quả từ %s. Trang này tự cập nhật; đóng trang cũng không mất gì.", "We are still waiting for word from %s. This page updates by itself; closing it loses nothing."},
	"waiting.left":    {"Lần nộp này còn hiệu lực", "This attempt stays open for"},
	"waiting.until":   {"đến %s", "until %s"},
	"waiting.over":    {"Thời gian của lần nộp này đã hết. Nếu bạn đã nộp, kết quả sẽ có sau ít phút; nếu chưa nộp, hãy chọn cách khác.", "The time for this attempt has run out. If you have paid, the result will be here in a few minutes; if not, choose another way."},
	"waiting.reopen":  {"Mở lại trang thanh toán", "Open the payment page again"},
	"waiting.app":     {"Mở ứng dụng", "Open the app"},
	"waiting.another": {"Tôi chưa nộp, chọn cách khác", "I have not paid, choose another way"},
	"waiting.ask":     {"Tôi đã nộp, hỏi lại ngay", "I have paid, ask again now"},

	"transfer.title":   {"Quét mã để nộp %s", "Scan the code to pay %s"},
	"transfer.typed":   {"Chuyển khoản %s", "Transfer %s"}, // where there is no code
	"transfer.left":    {"Mã còn hiệu lực", "The code is valid for"},
	"transfer.ask":     {"Tôi đã chuyển khoản", "I have made the transfer"},
	"transfer.app":     {"Mở ứng dụng ngân hàng", "Open the bank's app"},
	"copy":             {"Sao chép", "Copy"},
	"copied":           {"Đã sao chép", "Copied"},
	"transfer.scan":    {"Mở ứng dụng ngân hàng và quét mã này. Số tiền và nội dung đã có sẵn trong mã: đừng sửa.", "Open your bank's app and scan this code. Amount and content are in it: do not change them."},
	"transfer.code":    {"Mã VietQR: chuyển %s, nội dung %s", "VietQR code: transfer %s with the content %s"},
	"transfer.type":    {"Không quét được? Chuyển khoản với thông tin này", "Cannot scan? Transfer with these details"},
	"transfer.bank":    {"Ngân hàng", "Bank"},
	"transfer.account": {"Số tài khoản", "Account number"},
	"transfer.name":    {"Tên tài khoản", "Account name"},
	"transfer.amount":  {"Số tiền", "Amount"},
	"transfer.content": {"Nội dung chuyển khoản", "Transfer content"},
	"transfer.exact":   {"Giữ nguyên nội dung chuyển khoản, không thêm gì. Nhờ nó chúng tôi nhận ra khoản của bạn.", "Keep the transfer content exactly as it is and add nothing: by it we recognise your payment."},
	"transfer.wait":    {"Trang này tự cập nhật khi tiền về, thường trong 1 phút. Bạn có thể đóng trang: tiền đã chuyển không bị mất.", "This page updates by itself when the money arrives, usually within a minute. You may close it: money transferred is not lost."},
	"transfer.save":    {"Trên cùng một điện thoại? Chụp màn hình mã này rồi chọn ảnh trong ứng dụng ngân hàng.", "On the same phone? Take a screenshot of the code and pick the picture in your bank's app."},
	"transfer.part":    {"Đã nhận %s. Mã dưới đây là cho phần còn lại.", "%s has arrived. The code below is for the rest."},

	"doubt.title":   {"Chưa có kết quả cuối cùng", "There is no final result yet"},
	"doubt.what":    {"Đừng nộp lại ngay. Nếu tài khoản đã bị trừ, khoản này sẽ được ghi nhận; nếu không, bạn nộp lại sau.", "Do not pay again yet. If your account was debited, the payment will be recorded; if not, you can pay later."},
	"doubt.ask":     {"Hỏi lại", "Ask again"},
	"doubt.despite": {"Vẫn nộp bằng cách khác", "Pay another way all the same"},
	"doubt.cost":    {"Nếu cả hai cùng thành công, khoản thừa được hoàn lại.", "If both succeed, the surplus is refunded."},
	"asked":         {"Chúng tôi vừa hỏi lại. Trang này hiện kết quả mới nhất.", "We have just asked again. This page shows the newest result."},

	"paid.title":        {"Đã nộp %s", "Paid %s"},
	"paid.what":         {"Khoản thu của hồ sơ đã được ghi nhận. Bạn không phải nộp lại.", "The payment is recorded on your dossier. You need not pay again."},
	"paid.before":       {"Khoản này đã được nộp trước đó; không có gì bị trừ thêm.", "This had been paid before; nothing more was taken."},
	"paid.at":           {"Thời gian nộp", "Paid at"},
	"paid.way":          {"Cách nộp", "Paid by"},
	"paid.number":       {"Mã giao dịch", "Transaction number"},
	"paid.late":         {"Tiền đến sau khi yêu cầu hết hạn và vẫn được ghi nhận.", "The money came after the request had expired and is recorded all the same."},
	"paid.words":        {"Bằng chữ", "In words (Vietnamese)"},
	"paid.each":         {"Số tiền", "Amount"},
	"paid.attempts":     {"Các lần nộp", "Your payments"},
	"paid.print":        {"In xác nhận thanh toán", "Print this confirmation"},
	"paid.pdf":          {"Xác nhận thanh toán (PDF)", "Confirmation of payment (PDF, in Vietnamese)"},
	"paid.confirm":      {"Xác nhận thanh toán này không phải là biên lai. Biên lai điện tử do cơ quan thu phát hành.", "This confirmation of payment is not a receipt. The agency issues the electronic receipt."},
	"receipts.none":     {"Số biên lai sẽ hiện ở đây khi cơ quan thu gửi tới.", "The receipt's number will stand here once the agency has sent it."},
	"receipts":          {"Biên lai điện tử do cơ quan thu phát hành", "Electronic receipts issued by the agency"},
	"receipt.line":      {"ký hiệu %s, số %s", "series %s, number %s"},
	"refunded":          {"Đã hoàn %s về tài khoản đã nộp.", "%s was refunded to the account that paid."},
	"pdf.title":         {"XÁC NHẬN THANH TOÁN", "CONFIRMATION OF PAYMENT"},
	"pdf.no-receipt":    {"(không phải là biên lai)", "(not a receipt)"},
	"pdf.foot":          {"feegate · %s · lập lúc %s", "feegate · %s · written at %s"},
	"pdf.fee":           {"Khoản thu", "Fee"},
	"pdf.kind":          {"Loại", "Kind"},
	"pdf.amount":        {"Số tiền (đ)", "Amount (VND)"},
	"pdf.payments":      {"Tiền đã nhận", "Money received"},
	"pdf.applied":       {"Bù từ khoản nộp thừa", "Moved from a surplus"},
	"pdf.sum":           {"Đã nộp cho hồ sơ này: %s. Bằng chữ: %s.", "Paid on this dossier: %s. In words: %s."},
	"pdf.receipts.none": {"Cơ quan thu chưa gửi số biên lai.", "The agency has not sent a receipt's number yet."},
	"refund-full":       {"Đã hoàn lại %s", "%s was refunded"},
	"surplus":           {"Bạn đã nộp thừa %s. Khoản thừa %s sẽ được hoàn về tài khoản đã nộp.", "You have paid %s too much. The surplus of %s will be refunded to the account that paid."},
	"surplus.call":      {"Nếu sau 7 ngày làm việc chưa nhận được, hãy liên hệ %s.", "If it has not arrived after 7 working days, contact %s."},
	"money.checked":     {"Tiền đã nhận của yêu cầu này: %s.", "Money received for this request: %s."},

	"declined.title":  {"Chưa thu được tiền", "The payment did not go through"},
	"declined.money":  {"Tài khoản của bạn không bị trừ tiền.", "Your account was not debited."},
	"declined.again":  {"Chọn cách nộp khác", "Choose another way"},
	"declined.code":   {"Mã kết quả", "Result"},
	"expired.attempt": {"Lần nộp trước đã hết thời gian.", "The earlier attempt ran out of time."},
	"expired.money":   {"Nếu tài khoản của bạn đã bị trừ tiền, khoản này vẫn được ghi nhận.", "If your account was debited, the payment will still be recorded."},

	"expired.title":    {"Yêu cầu nộp phí đã hết hạn", "This payment request has expired"},
	"expired.what":     {"Nếu bạn đã chuyển khoản trước đó, tiền vẫn được ghi nhận.", "If you transferred money before, it will still be recorded."},
	"expired.next":     {"Để có yêu cầu mới, hãy mở lại hồ sơ của bạn trên cổng dịch vụ công và chọn nộp phí.", "For a new request, open your dossier on the public service portal again and choose to pay."},
	"cancelled.title":  {"Yêu cầu nộp phí đã bị hủy", "This payment request was cancelled"},
	"cancelled.what":   {"Cơ quan xử lý hồ sơ đã hủy yêu cầu này. Bạn không phải nộp. Tiền đã nộp, nếu có, được hoàn lại.", "The agency cancelled this request. You need not pay. Money already paid, if any, is refunded."},
	"superseded.title": {"Yêu cầu này đã được thay bằng yêu cầu khác", "This request was replaced by another"},
	"superseded.what":  {"Hãy nộp theo yêu cầu mới của hồ sơ. Tiền đã nộp theo yêu cầu này, nếu có, không bị mất.", "Please pay the dossier's new request. Money paid on this one, if any, is not lost."},
	"nothing.title":    {"Hồ sơ này không phải nộp phí", "There is nothing to pay"},
	"nothing.what":     {"Bạn được miễn toàn bộ khoản thu. Không cần làm gì thêm ở đây.", "You are exempt from the whole fee. There is nothing more to do here."},
	"missing.title":    {"Không tìm thấy yêu cầu nộp phí", "Payment request not found"},
	"missing.what":     {"Hãy kiểm tra lại đường dẫn, hoặc mở lại từ trang hồ sơ của bạn.", "Please check the link, or open it again from your dossier."},

	"problem.payment-in-doubt":      {"Lần nộp trước chưa có kết quả cuối cùng. Đừng nộp lại ngay: nếu tài khoản đã bị trừ, khoản này sẽ được ghi nhận.", "The earlier attempt has no final result yet. Do not pay again: if your account was debited, the payment will be recorded."},
	"problem.provider-unavailable":  {"Cách nộp này tạm thời không dùng được. Tài khoản của bạn không bị trừ tiền; hãy chọn cách khác.", "This way to pay is not available at the moment. Your account was not debited; please choose another."},
	"problem.amount-outside-limits": {"Số tiền này ngoài hạn mức của cách nộp đã chọn. Hãy chọn cách khác.", "The amount is outside the limits of this way to pay. Please choose another."},
	"problem.order-expiring":        {"Yêu cầu sắp hết hạn, không thể bắt đầu lần nộp mới. Hãy lấy yêu cầu mới từ hồ sơ.", "The request is about to expire and no new attempt can start. Please get a new request from your dossier."},
	"problem.too-many-payments":     {"Đã có quá nhiều lần nộp đang chờ kết quả. Hãy chờ ít phút rồi mở lại trang này.", "Too many attempts are waiting for a result. Please wait a few minutes and open this page again."},
	"problem.order-state":           {"Yêu cầu này không còn chờ nộp. Trang dưới đây là trạng thái hiện tại; không có gì bị trừ thêm.", "This request is no longer waiting to be paid. Below is its state now; nothing more was taken."},
	"problem.any":                   {"Không thể bắt đầu nộp phí. Tài khoản của bạn không bị trừ tiền; hãy thử lại hoặc chọn cách khác.", "The payment could not be started. Your account was not debited; please try again or choose another way."},

	"status.created":   {"Đang bắt đầu", "Starting"},
	"status.pending":   {"Đang chờ kết quả", "Waiting for the result"},
	"status.succeeded": {"Đã thu được tiền", "Paid"},
	"status.failed":    {"Chưa thu được tiền", "Not paid"},
	"status.expired":   {"Hết thời gian", "Ran out of time"},
	"status.reversed":  {"Nhà cung cấp đã trả lại tiền cho bạn", "The provider gave the money back to you"},

	"reason.":                      {"Ngân hàng hoặc ví chưa thu được tiền.", "The bank or wallet did not take the money."},
	"reason.payer_cancelled":       {"Bạn đã hủy lần nộp này.", "You cancelled this attempt."},
	"reason.insufficient_funds":    {"Số dư không đủ.", "There is not enough money in the account."},
	"reason.limit_exceeded":        {"Vượt hạn mức giao dịch của tài khoản.", "The account's transaction limit is exceeded."},
	"reason.not_enrolled":          {"Thẻ hoặc tài khoản chưa đăng ký thanh toán trực tuyến.", "The card or account is not enrolled for online payment."},
	"reason.wrong_details":         {"Thông tin thẻ hoặc tài khoản không đúng.", "The card or account details are wrong."},
	"reason.account_locked":        {"Thẻ hoặc tài khoản đang bị khóa.", "The card or account is locked."},
	"reason.authentication_failed": {"Xác thực không thành công, ví dụ sai OTP hoặc mật khẩu.", "Authentication failed, for instance a wrong OTP or password."},
	"reason.bank_maintenance":      {"Ngân hàng đang bảo trì.", "The bank is under maintenance."},
	"reason.issuer_rejected":       {"Ngân hàng phát hành từ chối giao dịch.", "The issuing bank refused the transaction."},
	"reason.account_restricted":    {"Tài khoản bị hạn chế giao dịch.", "The account is restricted."},
	"reason.expired":               {"Hết thời gian chờ thanh toán.", "The time to pay ran out."},
	"reason.suspicious":            {"Nhà cung cấp đang kiểm tra giao dịch này.", "The provider is checking this transaction."},
	"reason.configuration":         {"Cách nộp này đang gặp lỗi thiết lập ở phía chúng tôi.", "This way to pay is not set up rightly on our side."},
	"reason.technical":             {"Có lỗi kỹ thuật ở nhà cung cấp dịch vụ thanh toán.", "The payment provider had a technical fault."},
	"reason.unknown_code":          {"Nhà cung cấp trả về một kết quả chưa rõ.", "The provider gave a result that is not known."},
}

// reasons is the closed list of why a payment did not succeed; each has a sentence above.
var reasons = []providers.Reason{providers.ReasonNone, providers.ReasonPayerCancelled, providers.ReasonInsufficientFunds, providers.ReasonLimitExceeded,
	providers.ReasonNotEnrolled, providers.ReasonWrongDetails, providers.ReasonAccountLocked, providers.ReasonAuthentication, providers.ReasonBankMaintenance,
	providers.ReasonIssuerRejected, providers.ReasonAccountRestricted, providers.ReasonExpired, providers.ReasonSuspicious, providers.ReasonConfiguration,
	providers.ReasonTechnical, providers.ReasonUnknownCode}

// statuses of a payment; each has a sentence above.
var statuses = []string{gateway.PaymentCreated, gateway.PaymentPending, gateway.PaymentSucceeded, gateway.PaymentFailed, gateway.PaymentExpired, gateway.PaymentReversed}

// speak gives a language's texts: the key's sentence with its places filled; a key that is not there is a defect that tests find.
func speak(lang string) func(key string, fill ...any) string {
	return func(key string, fill ...any) string {
		t, ok := texts[key]
		if !ok {
			return key
		}
		s := t.vi
		if lang == "en" {
			s = t.en
		}
		if len(fill) > 0 {
			s = fmt.Sprintf(s, fill...)
		}
		return s
	}
}

// money writes an amount as the language does: 120.000 ₫, or 120,000 ₫ in English.
func money(lang string) func(any) string {
	if lang == "en" {
		return func(a any) string { return strings.ReplaceAll(page.Money(a), ".", ",") }
	}
	return page.Money
}

// words are what the templates call in a language.
func words(lang string) template.FuncMap {
	t := speak(lang)
	or := func(prefix, key, otherwise string) string {
		if _, ok := texts[prefix+key]; ok {
			return t(prefix + key)
		}
		return otherwise
	}
	return template.FuncMap{"copies": func(name, value string) copied { return copied{t(name), value} },
		"digits": func(a vnd.Amount) string { return strconv.FormatInt(int64(a), 10) }, "t": t, "money": money(lang), "lang": func() string { return lang },
		"reason": func(r string) string { return or("reason.", r, t("reason.unknown_code")) },
		"way":    func(provider string) string { return or("way.", provider, strings.ToUpper(provider)) },
		"kind":   func(k string) string { return or("kind.", k, k) },
		"sentence": func(problem string) string {
			return or("problem.", problem, t("problem.any"))
		}}
}
