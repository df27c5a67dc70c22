package breaker

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"feegate/providers"
)

// The tests here speak TCP: what "written" means can only be seen there.

func client(t *testing.T, timeout time.Duration) *http.Client {
	tr := newTransport(4)
	t.Cleanup(tr.CloseIdleConnections)
	return New(Settings{Transport: tr, Failures: 1000}).Client("acc", providers.OpCheckout, timeout)
}

func send(c *http.Client, url string) error {
	return providers.PostJSON(context.Background(), c, url, []byte(`{"a":1}`), func(int, []byte) error { return nil })
}

func TestARefusedConnectionIsNotSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	if err := send(client(t, 5*time.Second), "http://"+addr); !errors.Is(err, providers.ErrNotSent) || errors.Is(err, providers.ErrUncertain) {
		t.Errorf("%v", err)
	}
}

func TestAFailedHandshakeIsNotSent(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler()) // a certificate that nobody trusts
	s.Config.ErrorLog = nil
	defer s.Close()
	if err := send(client(t, 5*time.Second), s.URL); !errors.Is(err, providers.ErrNotSent) {
		t.Errorf("%v", err)
	}
}

func TestAHandshakeThatHangsIsNotSent(t *testing.T) {
	addr := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	if err := send(client(t, 50*time.Millisecond), "https://"+addr); !errors.Is(err, providers.ErrNotSent) {
		t.Errorf("%v", err)
	}
}

func TestAfterTheHeaderEverythingIsUncertain(t *testing.T) {
	for name, handle := range map[string]func(net.Conn){
		"reset after the request": func(c net.Conn) { _, _ = http.ReadRequest(bufio.NewReader(c)) },
		"no answer":               func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"garbage": func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "garbage\r\n\r\n")
		},
		"half a body": func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr := listen(t, handle)
			if err := send(client(t, 300*time.Millisecond), "http://"+addr); !errors.Is(err, providers.ErrUncertain) || errors.Is(err, providers.ErrNotSent) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A server that closes a kept connection after the next request is where Go's transport would send a second time.
func TestAStaleConnectionSendsNoSecondRequest(t *testing.T) {
	var requests atomic.Int32
	addr := listen(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		for i := range 2 {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			requests.Add(1)
			if i == 1 {
				return // heard, and closed without a word
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	for _, idempotencyKey := range []bool{false, true} {
		requests.Store(0)
		c := client(t, 5*time.Second)
		if err := send(c, "http://"+addr); err != nil {
			t.Fatal(err)
		}
		req, _ := http.NewRequest(http.MethodPost, "http://"+addr, strings.NewReader(`{}`)) // with a GetBody
		if idempotencyKey {
			req.Header.Set("Idempotency-Key", "k") // which makes Go's transport think that it may repeat
		}
		resp, err := c.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if !errors.Is(err, providers.ErrUncertain) || requests.Load() != 2 {
			t.Errorf("%v after %d requests", err, requests.Load())
		}
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	var calls atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	if err := send(client(t, 5*time.Second), s.URL); !errors.Is(err, providers.ErrUncertain) || calls.Load() != 1 {
		t.Errorf("%v, %d calls", err, calls.Load())
	}
}

// listen serves each connection with handle and closes it afterwards.
func listen(t *testing.T, handle func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { handle(c); _ = c.Close() }()
		}
	}()
	return l.Addr().String()
}
