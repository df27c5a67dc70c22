package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// A portal that gave an endpoint hears of its order by a signed webhook, and finds the same in the feed.
func TestAPortalHearsOfItsOrder(t *testing.T) {
	s := newStreet(t)
	heard := make(chan http.Header, 10)
	bodies := make(chan []byte, 10)
	portal := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		heard <- r.Header
		bodies <- b
	}))
	t.Cleanup(portal.Close)
	if _, err := s.db.ExecContext(t.Context(), `UPDATE api_keys SET scopes = scopes || ARRAY['webhooks:write']`); err != nil {
		t.Fatal(err)
	}
	endpoint := s.call(http.MethodPost, "/v1/webhook-endpoints", "", `{"url":"`+portal.URL+`","types":["order.created"]}`).get(t)
	ctx, cancel := context.WithCancel(t.Context())
	working := s.app.work(ctx, 20*time.Millisecond)
	defer working.Wait()
	defer cancel()
	order := s.call(http.MethodPost, "/v1/orders", "k-feed", anOrder("R-feed")).get(t)
	header, body := <-heard, <-bodies
	verify, err := standardwebhooks.NewWebhook(endpoint["secret"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if err := verify.Verify(body, header); err != nil {
		t.Errorf("the signature: %v", err)
	}
	if !strings.Contains(string(body), order["id"].(string)) || strings.Contains(string(body), "Nguyễn") {
		t.Errorf("the event: %s", body)
	}
	events := s.call(http.MethodGet, "/v1/events?after=0&types=order.created", "", nil).get(t)
	if items := events["items"].([]any); len(items) != 1 || items[0].(map[string]any)["data"].(map[string]any)["id"] != order["id"] {
		t.Errorf("the feed: %v", events)
	}
}
