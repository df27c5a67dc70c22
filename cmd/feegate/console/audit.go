package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/identity"
)

// auditing are the roles that read the audit, besides the auditor's own.
var auditing = []identity.Role{identity.Admin}

// auditWords name what was done; what has none is said by [speech.deed].
var auditWords = map[string]text{"attachment.read": "xem giấy tờ đính kèm", "document.read": "xem chứng từ của nhà cung cấp", "account.checked": "thử tài khoản thu", "account.secret.rotated": "thay khóa tài khoản thu", "account.secret.revoked": "kết thúc khóa cũ của tài khoản thu", "account.beneficiary.proposed": "đề nghị tài khoản thụ hưởng", "account.beneficiary.approved": "duyệt tài khoản thụ hưởng", "account.beneficiary.rejected": "từ chối tài khoản thụ hưởng", "audit.read": "xem nhật ký", "audit.verified": "kiểm tra nhật ký", "bank_line.read": "xem người chuyển của dòng sao kê", "callback.read": "xem tin của nhà cung cấp nguyên văn", "client.created": "tạo phần mềm gọi",
	"day.closed": "khóa sổ ngày", "discrepancy.attached": "đính kèm vào sai lệch", "holiday.removed": "bỏ ngày nghỉ", "holiday.set": "đặt ngày nghỉ", "key.created": "tạo khóa", "key.rotated": "thay khóa", "otp.roles-set": "đặt vai trò cần mã xác thực", "session.all-closed": "đăng xuất mọi nơi", "user.enabled": "mở khóa người dùng", "user.otp-enrolled": "bật mã xác thực", "user.otp-ended": "tắt mã xác thực", "key.revoked": "thu hồi khóa", "layout.confirmed": "xác nhận cột sao kê",
	"match.accepted": "chấp nhận ghép", "payout.ended": "bỏ ghép tiền về", "provider.maintenance": "báo bảo trì nhà cung cấp", "provider.maintenance.ended": "kết thúc bảo trì", "provider.override": "đặt tay nhà cung cấp", "webhook.replayed": "gửi lại webhook", "refund_destination.read": "xem tài khoản nhận hoàn",
	"refund_list.read": "xem danh sách hoàn", "report.approved": "duyệt báo cáo", "report.closed": "chốt báo cáo", "report.scheduled": "đặt lịch báo cáo", "report.unscheduled": "bỏ lịch báo cáo", "session.closed": "đăng xuất",
	"session.opened": "đăng nhập", "session.refused": "đăng nhập không thành công", "settlement.imported": "nhập tệp đối soát", "statement.imported": "nhập sao kê", "user.created": "tạo người dùng", "user.disabled": "khóa người dùng",
	"user.password-changed": "đổi mật khẩu", "user.roles-changed": "đổi vai trò", "job.run": "chạy ngay một công việc", "webhook.tested": "gửi thử tin", "webhook.deleted": "xóa địa chỉ nhận tin", "webhook.rotated": "đổi khóa địa chỉ nhận tin"}

// auditRow is one deed for people to read.
type auditRow struct {
	At                    time.Time
	Who, ID, Action, Code string
	Object, Link, Address string
	Why                   string
	Rest                  []string
}

type auditData struct {
	Object, Actor, Action, From, To string
	Actions                         []action
	Rows                            []auditRow
	Next                            string
	Seals                           *identity.Seals
}

type action struct{ Code, Name string }

// audit is who did what, narrowed by what stands in the address; with verify it also hashes every row again. The look is in it.
func (c *Console) audit(v *visit) error {
	if len(v.session.Principal.Agencies) > 0 {
		return &gateway.Problem{Name: problemForbidden}
	}
	ctx, q := v.r.Context(), v.r.URL.Query()
	d := auditData{Object: strings.TrimSpace(q.Get("object")), Actor: strings.TrimSpace(q.Get("actor")), Action: q.Get("action"), From: q.Get("from"), To: q.Get("to")}
	if strings.ContainsRune(d.Object+d.Actor+d.Action, 0) {
		return &gateway.Problem{Name: gateway.ProblemInvalid}
	}
	for code, name := range auditWords {
		d.Actions = append(d.Actions, action{code, v.in.Say(text(name))})
	}
	slices.SortFunc(d.Actions, func(a, b action) int { return cmp.Compare(a.Name, b.Name) })
	f := identity.Filter{Object: d.Object, Action: d.Action, Limit: v.rows()}
	f.After, _ = strconv.ParseInt(q.Get("after"), 10, 64) // what is no number begins at the top
	var err error
	if f.Actor, err = v.idOf(d.Actor); err != nil {
		return err
	}
	if f.From, err = startOf(d.From, "Từ ngày", 0); err != nil {
		return err
	}
	if f.To, err = startOf(d.To, "Đến ngày", 1); err != nil {
		return err
	}
	rows, next, err := c.Identity.Look(ctx, v.actor(), f)
	if err != nil {
		return err
	}
	for i := range rows {
		d.Rows = append(d.Rows, v.auditRow(&rows[i]))
	}
	narrowed := url.Values{}
	for name, value := range map[string]string{"object": d.Object, "actor": d.Actor, "action": d.Action, "from": d.From, "to": d.To} {
		if value != "" {
			narrowed.Set(name, value)
		}
	}
	if next > 0 {
		narrowed.Set("after", strconv.FormatInt(next, 10))
		d.Next = "?" + narrowed.Encode()
	}
	if q.Get("verify") != "" {
		if d.Seals, err = c.Identity.Verify(ctx); err == nil {
			err = c.Identity.Audit(ctx, nil, v.actor(), "audit.verified", "", map[string]any{"intact": d.Seals.Intact})
		}
		if err != nil {
			return err
		}
	}
	return v.show(http.StatusOK, "audit", "Nhật ký", d)
}

// idOf takes a person's name for their id; anything else is an id already.
func (v *visit) idOf(actor string) (string, error) {
	if actor == "" {
		return "", nil
	}
	people, err := v.c.Identity.Users(v.r.Context())
	if err != nil {
		return "", err
	}
	for _, u := range people {
		if u.Name == actor {
			return u.ID, nil
		}
	}
	return actor, nil
}

// startOf is when a day begins, so many days later; no day is no limit.
func startOf(day, field string, later int) (time.Time, error) {
	if day == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, day, vietnam)
	if err != nil {
		return t, &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: field, Detail: "phải là một ngày"}}}
	}
	return t.AddDate(0, 0, later), nil
}

// particular is a particular of a deed for people to read: a list is its parts between commas, nothing is nothing.
func particular(value any) string {
	if list, ok := value.([]any); ok {
		parts := make([]string, len(list))
		for i, one := range list {
			parts[i] = particular(one)
		}
		return strings.Join(parts, ", ")
	}
	said, err := json.Marshal(value)
	if err != nil || value == nil {
		return ""
	}
	return strings.Trim(string(said), `"`)
}

func (v *visit) auditRow(r *identity.Record) auditRow {
	out := auditRow{At: r.RecordedAt, Who: v.who(r.Actor), ID: r.Actor, Action: v.in.deed(r.Action), Code: r.Action, Object: r.Object, Address: r.Address}
	if r.ActorKind == identity.KindSystem && r.Actor == "feegate" {
		out.Who = v.in.Say("hệ thống")
	}
	if strings.HasPrefix(r.Object, "usr_") {
		out.Object = v.who(r.Object)
	} else if v.reads() {
		for prefix, at := range map[string]string{"dis_": "/console/discrepancies/", "pay_": "/console/payments/", "imp_": "/console/imports/"} {
			if strings.HasPrefix(r.Object, prefix) {
				out.Link = at + url.PathEscape(r.Object)
			}
		}
	}
	detail := map[string]any{}
	_ = json.Unmarshal(r.Detail, &detail) // what is no object says nothing
	for name, value := range detail {
		if name == "reason" || name == "note" {
			out.Why = fmt.Sprint(value)
			continue
		}
		if said := particular(value); said != "" {
			out.Rest = append(out.Rest, name+": "+said)
		}
	}
	slices.Sort(out.Rest)
	return out
}
