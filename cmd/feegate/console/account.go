package console

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/gateway/identity"
)

const accountPath = "/console/account"

// mountAccount adds what everybody may do to their own account, also who may do nothing else yet.
func (c *Console) mountAccount(mux *http.ServeMux) {
	all := identity.Roles()
	c.on(mux, "GET "+accountPath, all, c.account)
	c.on(mux, "POST "+accountPath+"/password", all, c.changePassword)
	c.on(mux, "POST "+accountPath+"/otp", all, c.enrolOTP)
	c.on(mux, "POST "+accountPath+"/otp/confirm", all, c.confirmOTP)
	c.on(mux, "POST "+accountPath+"/otp/end", all, c.endOTP)
	c.on(mux, "POST "+accountPath+"/sessions/end", all, c.endOthers)
}

// own says that a page or act is one that nobody is held from.
func own(pattern string) bool {
	_, path, _ := strings.Cut(pattern, " ")
	return path == accountPath || strings.HasPrefix(path, accountPath+"/") || path == "/console/sign-out"
}

// roleWords name what people do.
var roleWords = map[string]text{"finance": "đối soát", "approver": "duyệt, ký", "reporter": "xem báo cáo", "operator": "vận hành", "admin": "quản trị", "auditor": "kiểm tra, chỉ xem", "portal_admin": "quản trị khóa của một cổng"}

// scopeWords name what keys may do.
var scopeWords = map[string]text{"orders:write": "tạo yêu cầu nộp phí", "orders:read": "xem yêu cầu và giao dịch", "refunds:request": "đề nghị hoàn tiền", "webhooks:write": "đăng ký nhận tin", "dossiers:write": "báo tình trạng hồ sơ",
	"counter:write": "ghi tiền thu tại quầy", "catalogue:write": "thay danh mục", "reports:read": "xem số liệu tổng hợp"}

// sentence is a problem that is told in the words it came with.
type sentence struct {
	name string
	said text
	with []any
}

func (s *sentence) Error() string { return s.name + ": " + fmt.Sprintf(string(s.said), s.with...) }

// personProblem turns what the room of people says into a sentence.
func personProblem(err error) error {
	var wrong *identity.InvalidError
	var locked *identity.LockedError
	switch {
	case errors.As(err, &wrong):
		return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: wrong.Field, Detail: personFault(wrong)}}}
	case errors.As(err, &locked):
		return &sentence{problemWait, "Hãy thử lại sau %d phút.", []any{int(locked.RetryAfter.Minutes()) + 1}}
	case errors.Is(err, identity.ErrNotFound):
		return &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	for known, said := range map[error]text{
		identity.ErrTaken:          "Đã có người dùng tên này: hãy lấy tên khác.",
		identity.ErrOwnRights:      "Không ai tự đổi quyền của mình: hãy nhờ một quản trị khác.",
		identity.ErrLastAdmin:      "Đây là quản trị cuối cùng của toàn tỉnh: hãy thêm một quản trị khác trước.",
		identity.ErrOutside:        "Người này đăng nhập qua hệ thống định danh của tỉnh: mật khẩu và mã xác thực do hệ thống đó giữ.",
		identity.ErrEnded:          "Khóa này đã hết hạn, hoặc đã có khóa khác thay.",
		identity.ErrBadCredentials: "Mật khẩu hiện tại không đúng.",
	} {
		if errors.Is(err, known) {
			return &sentence{problemPeople, said, nil}
		}
	}
	return err
}

// personFault says what is wrong with a field, and what to do.
func personFault(e *identity.InvalidError) string {
	switch {
	case e.Field == "password" && strings.Contains(e.Detail, "stolen"):
		return "có trong danh sách mật khẩu đã bị lộ: hãy lấy mật khẩu khác"
	case e.Field == "password" && strings.Contains(e.Detail, "another than before"):
		return "phải khác mật khẩu cũ"
	case e.Field == "password":
		return "quá dễ đoán hoặc ngắn hơn 12 ký tự: hãy ghép vài từ không liên quan với nhau, đừng dùng tên, ngày sinh hay dãy phím"
	case e.Field == "otp" && strings.Contains(e.Detail, "moment"):
		return "mã không đúng: hãy xem giờ trên điện thoại có đúng không, rồi nhập mã mới nhất"
	case e.Field == "otp":
		return "mã xác thực đã được bật, hoặc chưa có gì để xác nhận: hãy mở lại trang"
	}
	return string(or(map[string]string{"name": "cần 1 đến 100 ký tự", "roles": "cần ít nhất một vai trò; quản trị cổng không kèm vai trò khác", "client_id": "quản trị cổng cần một cổng, người khác thì không",
		"scopes": "cần ít nhất một quyền", "expires_at": "phải sau hôm nay", "overlap_hours": "từ 0 đến 720 giờ", "source_system": "1 đến 40 chữ cái không dấu, số, dấu chấm, gạch", "mode": "chọn thật hoặc thử; một hệ thống chỉ có một chế độ"})(e.Field))
}

type accountData struct {
	Name                 string
	Roles                []text
	Agencies             []string
	Held                 identity.Held
	OTP, Outside, Needed bool
	Left                 int
	Pending              *identity.Enrolment
	QR                   template.HTML
	Sessions             []identity.Work
	Told                 []string // recovery codes, once
}

func (c *Console) account(v *visit) error { return c.showAccount(v, nil) }

func (c *Console) showAccount(v *visit, told []string) error {
	ctx, p := v.r.Context(), &v.session.Principal
	u, err := c.Identity.User(ctx, p.ID)
	if err != nil {
		return err
	}
	d := accountData{Name: u.Name, Agencies: u.Agencies, Held: p.Held, OTP: u.OTP, Outside: u.Outside, Told: told}
	for _, r := range u.Roles {
		d.Roles = append(d.Roles, or(roleWords)(string(r)))
	}
	if told != nil {
		d.Held = ""
	}
	if d.Left, err = c.Identity.RecoveryLeft(ctx, p.ID); err != nil {
		return err
	}
	if d.Sessions, err = c.Identity.Sessions(ctx, p.ID, v.token); err != nil {
		return err
	}
	if !u.OTP && !u.Outside {
		if d.Pending, err = c.Identity.PendingOTP(ctx, p.ID); err != nil {
			return err
		}
	}
	if d.Pending != nil {
		if d.QR, err = page.QR(d.Pending.URL, v.in.Say("Mã QR để ứng dụng xác thực trên điện thoại đọc")); err != nil {
			return err
		}
	}
	return v.show(http.StatusOK, "account", "Tài khoản của tôi", d)
}

// changePassword ends every session, this one too: who knows the new password signs in with it.
func (c *Console) changePassword(v *visit) error {
	if v.r.PostForm.Get("password") != v.r.PostForm.Get("again") {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "again", Detail: "phải giống mật khẩu mới"}}}
	}
	if err := c.Identity.ChangePassword(v.r.Context(), v.actor(), v.r.PostForm.Get("old"), v.r.PostForm.Get("password")); err != nil {
		return personProblem(err)
	}
	http.SetCookie(v.w, c.cookie("", -1))
	return v.back("/console/sign-in?done=password")
}

func (c *Console) enrolOTP(v *visit) error {
	if _, err := c.Identity.EnrolOTP(v.r.Context(), v.actor()); err != nil {
		return personProblem(err)
	}
	return v.back(accountPath + "#otp")
}

// confirmOTP shows the recovery codes in its answer: they are nowhere to be seen again.
func (c *Console) confirmOTP(v *visit) error {
	codes, err := c.Identity.ConfirmOTP(v.r.Context(), v.actor(), v.r.PostForm.Get("code"), v.token)
	if err != nil {
		return personProblem(err)
	}
	return c.showAccount(v, codes)
}

func (c *Console) endOTP(v *visit) error {
	if err := c.Identity.OwnPassword(v.r.Context(), v.actor(), v.r.PostForm.Get("old")); err != nil {
		return personProblem(err)
	}
	if err := c.Identity.DropOTP(v.r.Context(), v.actor(), v.session.Principal.ID); err != nil {
		return personProblem(err)
	}
	http.SetCookie(v.w, c.cookie("", -1))
	return v.back("/console/sign-in?done=otp-ended")
}

func (c *Console) endOthers(v *visit) error {
	if err := c.Identity.EndSessions(v.r.Context(), v.actor(), v.session.Principal.ID, v.token); err != nil {
		return personProblem(err)
	}
	return v.back(accountPath + "?done=others-ended")
}
