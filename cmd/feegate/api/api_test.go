package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

func TestAPanicIsAProblem(t *testing.T) {
	var logs strings.Builder
	h, err := New(Deps{Log: slog.New(slog.NewJSONHandler(&logs, nil)), Now: time.Now, Ready: func(context.Context) error { panic("out of order") }})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodGet, "/readyz?secret=1", nil)
	req.Header.Set("X-Request-Id", "given-1")
	h.ServeHTTP(rec, req)
	var d document
	if err := json.Unmarshal(rec.Body.Bytes(), &d); err != nil || rec.Code != 500 || d.Type != "urn:feegate:problem:internal" || d.Request != "given-1" {
		t.Errorf("%d %s %v", rec.Code, rec.Body, err)
	}
	if !strings.Contains(logs.String(), "out of order") || strings.Contains(rec.Body.String(), "out of order") || strings.Contains(logs.String(), "secret=1") {
		t.Errorf("log %s\nanswer %s", logs.String(), rec.Body)
	}
	rec = httptest.NewRecorder()
	req.Header.Set("X-Request-Id", "a\nb")
	h.ServeHTTP(rec, req)
	if got := rec.Header().Get("X-Request-Id"); got == "" || strings.Contains(got, "\n") {
		t.Errorf("request id %q", got)
	}
}

func TestHoldsNUL(t *testing.T) {
	for in, want := range map[string]bool{`{"a":"\u0000"}`: true, `{"a":"\\u0000"}`: false, `{"a":"\\\u0000"}`: true, `{"a":"x"}`: false, `{"\u0000":1}`: true} {
		if got := holdsNUL([]byte(in)); got != want {
			t.Errorf("%s: %v", in, got)
		}
	}
}

func TestEveryProblemHasTwoTitles(t *testing.T) {
	for name, m := range problems {
		if m.title == "" || m.viet == "" || m.status < 400 {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestTooManyRequestsOfOneAreRefusedAndNotOfOthers(t *testing.T) {
	s := &server{Deps: Deps{Log: slog.New(slog.DiscardHandler)}}
	l := newLimiter(0.001, 3)
	ask := func(who string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		c, _ := gin.CreateTestContext(rec)
		c.Request = httptest.NewRequest(http.MethodGet, "/", nil)
		s.admit(c, l, who)
		return rec
	}
	for i := range 3 {
		if rec := ask("a"); rec.Code != http.StatusOK || rec.Header().Get("RateLimit") != fmt.Sprintf(`"default";r=%d;t=1`, 2-i) {
			t.Errorf("%d: %d %v", i, rec.Code, rec.Header())
		}
	}
	if rec := ask("a"); rec.Code != http.StatusTooManyRequests || rec.Header().Get("Retry-After") != "1" || !strings.Contains(rec.Body.String(), "too-many-requests") {
		t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	if rec := ask("b"); rec.Code != http.StatusOK {
		t.Errorf("another caller: %d", rec.Code)
	}
}
