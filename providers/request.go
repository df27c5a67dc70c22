package providers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Request is a call with headers of its own, where PostJSON does not do. A body goes out as JSON.
type Request struct {
	Method string
	URL    string
	Header map[string]string
	Body   []byte // nil = none
}

// Send sends a request with PostJSON's guarantees and hands the answer's headers to read as well.
func Send(ctx context.Context, c *http.Client, r Request, read func(status int, header http.Header, body []byte) error) error {
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		return fmt.Errorf("%w: the provider's address is not a URL", ErrConfig)
	}
	req.GetBody = nil // as in PostJSON
	req.Header.Set("Accept", "application/json")
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, v := range r.Header {
		req.Header.Set(name, v)
	}
	return exchange(c, req, read)
}

// RetryAfter reads how long to wait from an answer that says "too many": seconds, or a time. 0 = it does not say, or says what
// nobody would wait for.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.Atoi(v); err == nil {
		return sane(time.Duration(n) * time.Second)
	}
	if t, err := http.ParseTime(v); err == nil {
		return sane(t.Sub(now))
	}
	if n, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64); err == nil && n > 0 { // a time, or seconds from now
		if n < 1_000_000_000 {
			return sane(time.Duration(n) * time.Second)
		}
		return sane(time.Unix(n, 0).Sub(now))
	}
	return 0
}

func sane(d time.Duration) time.Duration {
	if d < 0 || d > 24*time.Hour {
		return 0
	}
	return d
}
