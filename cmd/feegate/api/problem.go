package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/reconciliation"
	"feegate/reconciliation/adoption"
)

// Problems that the edge alone gives.
const (
	problemUnreadable   = "unreadable"
	problemTooLarge     = "too-large"
	problemMediaType    = "unsupported-media-type"
	problemKeyMissing   = "idempotency-key-missing"
	problemUnauthorised = "unauthorised"
	problemForbidden    = "forbidden"
	problemMethod       = "method-not-allowed"
	problemTooMany      = "too-many-requests"
	problemInternal     = "internal"
)

type meaning struct {
	status      int
	title, viet string
}

// problems is the closed list: what each name means to the caller.
var problems = map[string]meaning{
	problemUnreadable:                 {http.StatusBadRequest, "The request cannot be read", "Không đọc được yêu cầu"},
	problemTooLarge:                   {http.StatusRequestEntityTooLarge, "The request is too large", "Yêu cầu quá lớn"},
	problemMediaType:                  {http.StatusUnsupportedMediaType, "The body must be JSON", "Nội dung phải là JSON"},
	problemKeyMissing:                 {http.StatusBadRequest, "An Idempotency-Key is required", "Thiếu Idempotency-Key"},
	problemUnauthorised:               {http.StatusUnauthorized, "Who is calling is not known", "Không xác định được bên gọi"},
	problemForbidden:                  {http.StatusForbidden, "The key may not do this", "Khóa không có quyền này"},
	problemMethod:                     {http.StatusMethodNotAllowed, "This method is not taken here", "Phương thức không được hỗ trợ"},
	problemTooMany:                    {http.StatusTooManyRequests, "Too many requests", "Quá nhiều yêu cầu, vui lòng thử lại sau"},
	problemInternal:                   {http.StatusInternalServerError, "Something went wrong here", "Hệ thống gặp lỗi"},
	gateway.ProblemInvalid:            {http.StatusUnprocessableEntity, "The request is not valid", "Yêu cầu không hợp lệ"},
	gateway.ProblemNotFound:           {http.StatusNotFound, "Not found", "Không tìm thấy"},
	gateway.ProblemReferenceUsed:      {http.StatusConflict, "The reference was used before", "Mã tham chiếu đã được sử dụng"},
	gateway.ProblemFeeAlreadyOpen:     {http.StatusConflict, "Another order asks for this fee", "Khoản thu này đang có yêu cầu thanh toán khác"},
	gateway.ProblemFeeAlreadyPaid:     {http.StatusConflict, "This fee is paid", "Khoản thu này đã được thanh toán"},
	gateway.ProblemMixed:              {http.StatusUnprocessableEntity, "One order, two beneficiaries", "Một yêu cầu có hai đơn vị thụ hưởng"},
	gateway.ProblemKeyReused:          {http.StatusUnprocessableEntity, "The Idempotency-Key was used for something else", "Idempotency-Key đã dùng cho yêu cầu khác"},
	gateway.ProblemKeyInFlight:        {http.StatusConflict, "A call with this Idempotency-Key is in flight", "Yêu cầu cùng Idempotency-Key đang được xử lý"},
	gateway.ProblemOrderState:         {http.StatusConflict, "The order's state does not allow this", "Trạng thái yêu cầu không cho phép"},
	gateway.ProblemAmountOutside:      {http.StatusUnprocessableEntity, "The amount is outside the account's limits", "Số tiền ngoài hạn mức"},
	gateway.ProblemTooManyPayments:    {http.StatusConflict, "Too many payments are under way", "Có quá nhiều giao dịch đang thực hiện"},
	gateway.ProblemOrderExpiring:      {http.StatusConflict, "The order is about to expire", "Yêu cầu sắp hết hạn"},
	gateway.ProblemPaymentInDoubt:     {http.StatusConflict, "An earlier payment has no final result", "Giao dịch trước chưa có kết quả cuối cùng"},
	gateway.ProblemUnavailable:        {http.StatusServiceUnavailable, "The provider is not available", "Đơn vị thanh toán tạm thời không phục vụ"},
	gateway.ProblemOrderPartlyPaid:    {http.StatusConflict, "Money has been paid on the order", "Yêu cầu đã được thanh toán một phần"},
	gateway.ProblemAccountUnsuited:    {http.StatusUnprocessableEntity, "No suitable account", "Không có tài khoản phù hợp"},
	gateway.ProblemPaymentState:       {http.StatusConflict, "The payment's state does not allow this", "Trạng thái giao dịch không cho phép"},
	gateway.ProblemRefundState:        {http.StatusConflict, "The refund's state does not allow this", "Trạng thái hoàn tiền không cho phép"},
	gateway.ProblemAvailableChanged:   {http.StatusPreconditionFailed, "Another amount is available", "Số tiền khả dụng đã thay đổi"},
	gateway.ProblemSecondPerson:       {http.StatusForbidden, "Another person must decide", "Cần người khác phê duyệt"},
	gateway.ProblemApplicationState:   {http.StatusConflict, "The application's state does not allow this", "Trạng thái đề nghị phân bổ không cho phép"},
	gateway.ProblemReceiptRecorded:    {http.StatusConflict, "The receipt is recorded otherwise", "Biên lai đã được ghi nhận khác"},
	reconciliation.ProblemConflict:    {http.StatusConflict, "The file contradicts an earlier one", "Tệp đối soát mâu thuẫn với tệp đã nhập"},
	reconciliation.ProblemDayClosed:   {http.StatusConflict, "The day is closed", "Ngày đối soát đã khóa sổ"},
	reconciliation.ProblemDayNotReady: {http.StatusConflict, "The day cannot be closed yet", "Chưa thể khóa sổ ngày này"},
	reconciliation.ProblemDayState:    {http.StatusConflict, "The day's state does not allow this", "Trạng thái ngày đối soát không cho phép"},
	reconciliation.ProblemDayChanged:  {http.StatusConflict, "The day no longer comes to what was closed", "Số liệu ngày này đã khác lúc khóa sổ"},
	reconciliation.ProblemResolution:  {http.StatusConflict, "The discrepancy's state does not allow this", "Trạng thái chênh lệch không cho phép"},
	gateway.ProblemReceiptUsed:        {http.StatusConflict, "The receipt was recorded before", "Biên lai này đã được ghi nhận"},
	gateway.ProblemAccountChanged:     {http.StatusConflict, "The account was changed meanwhile", "Tài khoản đã được người khác thay đổi"},
	gateway.ProblemAccountExists:      {http.StatusConflict, "There is an account of this terminal", "Mã điểm thu này đã có tài khoản"},
	gateway.ProblemSecretState:        {http.StatusConflict, "The account's secrets do not allow this", "Trạng thái khóa của tài khoản không cho phép"},
	gateway.ProblemBeneficiaryState:   {http.StatusConflict, "The proposal's state does not allow this", "Trạng thái đề nghị thụ hưởng không cho phép"},
	adoption.ProblemReportOpen:        {http.StatusConflict, "The period has not ended", "Kỳ báo cáo chưa kết thúc"},
	adoption.ProblemReportBusy:        {http.StatusConflict, "Something long is being written", "Đang có dữ liệu được ghi, vui lòng thử lại sau"},
	adoption.ProblemReportState:       {http.StatusConflict, "Somebody was there before", "Đã có người thực hiện trước"},
	adoption.ProblemProvinceOnly:      {http.StatusForbidden, "For people who see all agencies", "Chỉ dành cho người phụ trách toàn tỉnh"},
	problemPeople:                     {http.StatusConflict, "The person or the key does not allow this", "Trạng thái người dùng hoặc khóa không cho phép"},
	gateway.ProblemProposalState:      {http.StatusConflict, "The proposal's state does not allow this", "Trạng thái đề nghị không cho phép"},
	gateway.ProblemProposalExists:     {http.StatusConflict, "There is such a thing, or a proposal of it", "Đã có, hoặc đã có đề nghị như vậy"},
	gateway.ProblemSlipUsed:           {http.StatusConflict, "The deposit slip was recorded before", "Giấy nộp tiền này đã được ghi nhận"},
}

// document is RFC 9457, with the ids that help.
type document struct {
	Type     string               `json:"type"`
	Title    string               `json:"title"`
	TitleVI  string               `json:"title_vi"`
	Status   int                  `json:"status"`
	Detail   string               `json:"detail,omitempty"`
	Errors   []gateway.FieldError `json:"errors,omitempty"`
	Order    string               `json:"order,omitempty"`
	Accounts []string             `json:"accounts,omitempty"`
	Request  string               `json:"request"`
}

// refuse answers with a problem. What is no *gateway.Problem is our own fault: logged in full, told without detail.
func (s *server) refuse(c *gin.Context, err error) { s.refuseWith(c, err, nil) }

func (s *server) refuseWith(c *gin.Context, err error, accounts []string) {
	id := c.GetString(requestIDKey)
	var p *gateway.Problem
	if !errors.As(err, &p) {
		s.Log.ErrorContext(c.Request.Context(), "failed", "request", id, "route", c.FullPath(), "error", err)
		p = &gateway.Problem{Name: problemInternal, Detail: "it was logged under the request's id"}
	}
	m, known := problems[p.Name]
	if !known {
		s.Log.ErrorContext(c.Request.Context(), "a problem outside the closed list", "request", id, "name", p.Name)
		p, m = &gateway.Problem{Name: problemInternal}, problems[problemInternal]
	}
	if m.status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", `Bearer realm="feegate"`)
	}
	body, err := json.Marshal(document{"urn:feegate:problem:" + p.Name, m.title, m.viet, m.status, p.Detail, p.Fields, p.Order, accounts, id})
	if err != nil { // strings alone: it cannot be
		s.Log.ErrorContext(c.Request.Context(), "writing a problem", "request", id, "error", err)
	}
	c.Abort()
	c.Data(m.status, "application/problem+json", body)
}

func retryAfter(c *gin.Context, seconds int) { c.Header("Retry-After", strconv.Itoa(max(1, seconds))) }
