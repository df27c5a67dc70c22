package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAPanicIsAProblem(t *testing.T) {
	var logs strings.Builder
	h := New(Deps{Log: slog.New(slog.NewJSONHandler(&logs, nil)), Now: time.Now, Ready: func(context.Context) error { panic("out of order") }})
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
