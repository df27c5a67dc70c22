package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"feegate/gateway/identity"
)

// why gives the reason that the audit has of an action on an object.
func (s *street) why(action, object string) string {
	s.t.Helper()
	return s.one(`SELECT coalesce(max(detail ->> 'reason'), 'not audited') FROM audit WHERE action = '` + action + `' AND object = '` + object + `'`)
}

// The work in the background: what there is, a turn by hand, and a failure that is seen until it is over.
func TestJobsAtTheConsole(t *testing.T) {
	s := newStreet(t)
	s.started("momo")
	op, root := s.officer("op", []identity.Role{identity.Operator}), s.officer("root", []identity.Role{identity.Admin})
	op.shows(op.get("/console/jobs"), 200, "1 khoản chờ kết quả", "○ Chưa đến lượt", "Chạy ngay", "30 giây", "1 giờ")
	if page := plainly(root.get("/console/jobs")); strings.Contains(page, "Chạy ngay") {
		t.Error("who reads alone is offered an act")
	}
	if r := op.act("/console/jobs/run", url.Values{"job": {"sweep"}, "reason": {""}}); r.status != http.StatusUnprocessableEntity {
		t.Errorf("without a reason: %d", r.status)
	}
	if r := op.act("/console/jobs/run", url.Values{"job": {"nirgends"}, "reason": {"x"}}); r.status != http.StatusNotFound {
		t.Errorf("no such job: %d", r.status)
	}
	op.acted(op.act("/console/jobs/run", url.Values{"job": {"audit"}, "reason": {"trước khi kiểm tra"}}), "/console/jobs?done=ran")
	if why := s.why("job.run", "audit"); why != "trước khi kiểm tra" {
		t.Errorf("the audit says %q", why)
	}
	op.shows(op.get("/console/jobs"), 200, "● Chạy tốt", "0 công việc đang lỗi")
	fails := true
	s.app.jobs.set([]job{{"sessions", time.Hour, 1, func(context.Context, int) (int, error) {
		if fails {
			return 0, errors.New("no answer")
		}
		return 3, nil
	}}})
	if r := op.act("/console/jobs/run", url.Values{"job": {"sessions"}, "reason": {"thử"}}); r.status != http.StatusSeeOther || r.header.Get("Location") != "/console/jobs" {
		t.Errorf("%d to %q", r.status, r.header.Get("Location"))
	}
	op.shows(op.get("/console/jobs"), 200, "✕ Lỗi, sẽ chạy lại", "no answer", "1 công việc đang lỗi")
	fails = false
	if _, _, err := s.app.jobs.Run(t.Context(), "sessions"); err != nil {
		t.Fatal(err)
	}
	op.shows(op.get("/console/jobs"), 200, "0 công việc đang lỗi")
}

// A test event verifies like any other and changes nothing of the endpoint; each act has its reason on record; the morning shows what is paused.
func TestATestEventAndTheMorningsTroubles(t *testing.T) {
	s := newStreet(t)
	heard, bodies := make(chan http.Header, 10), make(chan []byte, 10)
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		heard <- r.Header
		bodies <- b
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(portal.Close)
	if _, err := s.db.ExecContext(t.Context(), `UPDATE api_keys SET scopes = scopes || ARRAY['webhooks:write']`); err != nil {
		t.Fatal(err)
	}
	made := s.ok(s.call(http.MethodPost, "/v1/webhook-endpoints", "", `{"url":"`+portal.URL+`"}`), 201)
	id := made["id"].(string)
	path := "/console/webhooks/" + id
	op := s.officer("op", []identity.Role{identity.Operator})
	for _, act := range []string{"/test", "/replay"} {
		if r := op.act(path+act, url.Values{"reason": {" "}, "number": {"1"}}); r.status != http.StatusUnprocessableEntity || len(heard) != 0 {
			t.Errorf("%s without a reason: %d", act, r.status)
		}
	}
	op.acted(op.act(path+"/test", url.Values{"reason": {"cổng nói không nhận được"}}), path+"#deliveries")
	header, body := <-heard, <-bodies
	verify, err := standardwebhooks.NewWebhook(made["secret"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if err := verify.Verify(body, header); err != nil || !strings.Contains(string(body), "webhook_endpoint.test") {
		t.Errorf("%v %s", err, body)
	}
	op.shows(op.get(path), 200, "✕ 500", "● Nhận được")
	if why := s.why("webhook.tested", id); why != "cổng nói không nhận được" {
		t.Errorf("the audit says %q", why)
	}
	both := s.officer("both", []identity.Role{identity.Operator, identity.Finance})
	if page := plainly(both.get("/console/today")); strings.Contains(page, "Không chạy tốt lúc này") {
		t.Error("trouble where there is none")
	}
	if _, err := s.db.ExecContext(t.Context(), `UPDATE webhook_endpoints SET status = 'paused', failing_since = $1, next_probe_at = $1`, s.world.Now()); err != nil {
		t.Fatal(err)
	}
	both.acted(both.act("/console/providers/acc_momo/override", url.Values{"operation": {"checkout"}, "mode": {"open"}, "reason": {"sự cố"}}), "/console/providers/acc_momo?done=override")
	both.shows(both.get("/console/today"), 200, "Không chạy tốt lúc này", "Webhook của", "◐ Tạm ngừng", "tạo giao dịch: ngắt.")
	mai := s.officer("mai", []identity.Role{identity.Finance})
	if page := plainly(mai.get("/console/today")); strings.Contains(page, "Webhook của") || !strings.Contains(page, "tạo giao dịch: ngắt.") {
		t.Error("finance sees providers, and no endpoints")
	}
	elsewhere := s.officer("tra", []identity.Role{identity.Auditor}, "H10.99")
	if page := plainly(elsewhere.get("/console/today")); strings.Contains(page, "Không chạy tốt lúc này") {
		t.Error("what belongs to others is shown")
	}
}
