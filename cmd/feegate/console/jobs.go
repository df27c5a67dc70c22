package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/gateway/feed"
	"feegate/gateway/identity"
)

// running are those who see the work in the background.
var running = []identity.Role{identity.Operator, identity.Admin}

func (c *Console) mountJobs(mux *http.ServeMux) {
	c.on(mux, "GET /console/jobs", running, c.jobs)
	c.on(mux, "POST /console/jobs/run", operating, c.runJob)
	c.on(mux, "POST /console/webhooks/{id}/test", sending, c.testWebhook)
}

// jobWords say what the work in the background does.
var jobWords = map[string]text{"sweep": "Hỏi kết quả các khoản đang chờ", "refunds": "Gửi và hỏi các khoản hoàn", "expire": "Đóng các yêu cầu đã hết hạn", "documents": "Lấy chứng từ của nhà cung cấp",
	"statements": "Ghi nhận tiền về từ sao kê", "transfers": "Lấy giao dịch chuyển khoản", "unmatched": "Xác định giao dịch chưa rõ", "slips": "Ghép giấy nộp tiền", "missed": "Đánh dấu tệp đến muộn", "days": "Đối soát ngày có thay đổi",
	"late": "Điều chỉnh sau khóa sổ", "reports": "Lập báo cáo định kỳ", "payers": "Tìm tài khoản nộp thay", "flags": "So cờ với Cổng quốc gia", "aggregates": "Cộng dồn số liệu tỷ lệ", "sums": "Kiểm lại số cộng dồn",
	"overrides": "Nhận lệnh của người vận hành", "probes": "Thử nhà cung cấp đang ngừng", "calls": "Ghi số lần gọi nhà cung cấp", "housekeeping": "Dọn dẹp", "audit": "Niêm phong nhật ký", "sessions": "Dọn phiên đăng nhập"}

func wrong(field, detail string) error {
	return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: field, Detail: detail}}}
}

// why reads the reason of an act; none is done without one.
func (v *visit) why() (string, error) {
	text := strings.TrimSpace(v.r.PostForm.Get("reason"))
	if n := utf8.RuneCountInString(text); n < 1 || n > maxNote || strings.ContainsFunc(text, unicode.IsControl) {
		return "", wrong("Lý do", "hãy ghi vì sao, tối đa 500 ký tự trên một dòng")
	}
	return text, nil
}

// deed audits an act with its reason. An act that is not on record is not done: who asks for it hears of the failure.
func (v *visit) deed(action, object string, detail map[string]any) error {
	return v.c.Identity.Audit(v.r.Context(), nil, v.actor(), action, object, detail)
}

// testWebhook sends an event that means nothing; what came back stands with the deliveries.
func (c *Console) testWebhook(v *visit) error {
	s, err := v.standing()
	if err != nil {
		return err
	}
	why, err := v.why()
	if err != nil {
		return err
	}
	if err := v.deed("webhook.tested", s.ID, map[string]any{"reason": why}); err != nil {
		return err
	}
	if _, err := c.Endpoints.Test(v.r.Context(), s.ClientID, s.ID); err != nil {
		return err
	}
	return v.back("/console/webhooks/" + url.PathEscape(s.ID) + "#deliveries")
}

// trouble is something that does not work well now, for the morning's page.
type trouble struct {
	Path, What, Why string
	Says            word
}

// troubles are the providers and endpoints that the person may see and that need a hand.
func (v *visit) troubles() ([]trouble, error) {
	var out []trouble
	ctx := v.r.Context()
	if v.may(append([]identity.Role{identity.Auditor}, watching...)...) {
		entries, err := v.c.Accounts.ForAgency(ctx, "")
		if err != nil {
			return nil, err
		}
		agencies, err := v.c.Gateway.Agencies(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !v.sees(e) {
				continue
			}
			r := v.providerRow(e, past{now: v.c.Now()}, agencies)
			if r.Word.Class == "good" {
				continue
			}
			why := strings.Join(r.Problems, ". ")
			if why != "" {
				why += ". "
			}
			for _, ci := range r.Circuits {
				if ci.State.Class != "good" {
					why += v.in.Say(or(operationWords)(ci.Operation)) + ": " + strings.ToLower(v.in.Say(ci.State.Word)) + ". "
				}
			}
			out = append(out, trouble{"/console/providers/" + url.PathEscape(r.Place.ID), string(or(brands)(r.Place.Provider)) + " · " + r.Place.Agency, why, r.Word})
		}
	}
	if !v.may(append([]identity.Role{identity.Auditor}, hooking...)...) || !v.session.Principal.AllAgencies() {
		return out, nil
	}
	all, err := v.c.Endpoints.Standings(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.Status != feed.Active {
			t := trouble{Path: "/console/webhooks/" + url.PathEscape(e.ID), What: v.in.Sayf("Webhook của %s", e.Client), Says: endpointWord(&e.Endpoint)}
			if e.FailingSince != nil {
				t.Why = v.in.Sayf("Lỗi từ %s", page.Time(*e.FailingSince))
			}
			out = append(out, t)
		}
	}
	return out, nil
}

// Jobs is the work in the background.
type Jobs interface {
	Jobs() []Job
	Run(ctx context.Context, name string) (done int, known bool, err error)
}

// Job is a kind of work, and how it went in this process since it began.
type Job struct {
	Name             string
	Every            time.Duration
	Workers          int
	Runs, Failures   int64
	Done             int64 // pieces of work
	LastAt, WorkedAt time.Time
	Took             time.Duration
	Failing          bool // the last time
	FailedAt         time.Time
	Error            string
}

type jobRow struct {
	Job
	Title text
	Says  word
}

func (c *Console) jobs(v *visit) error {
	if err := v.everywhere(); err != nil {
		return err
	}
	d := struct {
		Waits    gateway.Backlog
		Rows     []jobRow
		Operates bool
		Failing  int
	}{Operates: v.may(operating...)}
	var err error
	if d.Waits, err = c.Gateway.Backlog(v.r.Context()); err != nil {
		return err
	}
	for _, j := range c.Jobs.Jobs() {
		r := jobRow{j, or(jobWords)(j.Name), word{"good", "●", "Chạy tốt"}}
		switch {
		case j.Failing:
			r.Says = word{"bad", "✕", "Lỗi, sẽ chạy lại"}
			d.Failing++
		case j.Runs == 0:
			r.Says = word{"muted", "○", "Chưa đến lượt"}
		}
		d.Rows = append(d.Rows, r)
	}
	return v.show(http.StatusOK, "jobs", "Công việc nền", d)
}

// runJob does one turn of a job now, rather than when it is due.
func (c *Console) runJob(v *visit) error {
	if err := v.everywhere(); err != nil {
		return err
	}
	why, err := v.why()
	if err != nil {
		return err
	}
	name, known := v.r.PostForm.Get("job"), false
	for _, j := range c.Jobs.Jobs() {
		known = known || j.Name == name
	}
	if !known {
		return &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	if err := v.deed("job.run", name, map[string]any{"reason": why}); err != nil {
		return err
	}
	if _, _, err := c.Jobs.Run(v.r.Context(), name); err != nil {
		c.Log.Error("work run by hand", "job", name, "error", err)
		return v.back("/console/jobs")
	}
	return v.back("/console/jobs?done=ran")
}

// span writes how often in words: 10 giây, 1 phút, 1 giờ.
func (t speech) span(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return t.Sayf("%d\u00a0giờ", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return t.Sayf("%d\u00a0phút", d/time.Minute)
	case d >= time.Second:
		return t.Sayf("%d\u00a0giây", d/time.Second)
	}
	return fmt.Sprintf("%d\u00a0ms", d/time.Millisecond)
}
