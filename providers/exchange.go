package providers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"unicode/utf8"
)

// MaxAnswer is how much of a provider's answer is read.
const MaxAnswer = 1 << 20

// PostJSON sends one JSON request and hands status and body of the answer to read. It sends once: nothing repeats it.
//
// The error is ErrNotSent or ErrUncertain by what is known of the sending; a 5xx is ErrUncertain whatever its body says.
// An error of read is returned as it is; where it is ErrMalformed it becomes ErrUncertain and is reported to the breaker
// as an unreadable answer.
func PostJSON(ctx context.Context, c *http.Client, address string, body []byte, read func(status int, body []byte) error) error {
	return post(ctx, c, address, "application/json; charset=UTF-8", body, read)
}

// PostForm is PostJSON for a form; the answer is JSON all the same.
func PostForm(ctx context.Context, c *http.Client, address string, form url.Values, read func(status int, body []byte) error) error {
	return post(ctx, c, address, "application/x-www-form-urlencoded", []byte(form.Encode()), read)
}

func post(ctx context.Context, c *http.Client, address, contentType string, body []byte, read func(status int, body []byte) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: the provider's address is not a URL", ErrConfig)
	}
	req.GetBody = nil // what cannot be read again cannot be sent again, by redirect or by a stale connection
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/json")
	return exchange(c, req, func(status int, _ http.Header, body []byte) error { return read(status, body) })
}

// exchange sends what was made ready, once, and reads the answer.
func exchange(c *http.Client, req *http.Request, read func(status int, header http.Header, body []byte) error) error {
	resp, err := c.Do(req)
	if err != nil {
		return sendError(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return sendError(err)
	case resp.StatusCode >= 500:
		return fmt.Errorf("%w: HTTP status %d", ErrUncertain, resp.StatusCode)
	case len(answer) > MaxAnswer:
		err = fmt.Errorf("%w: the answer is longer than %d KiB", ErrMalformed, MaxAnswer>>10)
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		err = fmt.Errorf("%w: HTTP status %d", ErrMalformed, resp.StatusCode)
	default:
		err = read(resp.StatusCode, resp.Header, answer)
	}
	if errors.Is(err, ErrMalformed) {
		if u, ok := resp.Body.(interface{ Unreadable() }); ok {
			u.Unreadable()
		}
		return fmt.Errorf("%w: HTTP status %d: %s", ErrUncertain, resp.StatusCode, err.Error())
	}
	return err
}

// sendError classifies an error of sending. The breaker's client has done so already, knowing whether a header was
// written; without it only a failed dial is known to have sent nothing.
func sendError(err error) error {
	if errors.Is(err, ErrNotSent) || errors.Is(err, ErrUncertain) {
		return err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	return fmt.Errorf("%w: %w", ErrUncertain, err)
}

// Object is a flat view of a JSON object: members as they came, names exact.
type Object map[string]json.RawMessage

// ParseObject reads exactly one JSON object. A name given twice is refused: two readers would see two different messages
// under one signature. The error is ErrMalformed.
func ParseObject(b []byte, limit int) (Object, error) {
	bad := func(why string) (Object, error) { return nil, fmt.Errorf("%w: %s", ErrMalformed, why) }
	if len(b) > limit {
		return bad("too long")
	}
	if !utf8.Valid(b) {
		return bad("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return bad("not a JSON object")
	}
	o := Object{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return bad("not JSON")
		}
		key, ok := name.(string)
		if !ok {
			return bad("not JSON")
		}
		if _, twice := o[key]; twice {
			return bad("a name occurs twice")
		}
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return bad("not JSON")
		}
		o[key] = v
	}
	if _, err := dec.Token(); err != nil {
		return bad("not JSON")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return bad("something follows the JSON object")
	}
	return o, nil
}

// Text gives a scalar member as text: a string's characters, a number's digits as received (never through a float),
// true and false as words, "" for null and for what is absent. An array or object is ErrMalformed.
func (o Object) Text(name string) (string, error) {
	raw := o[name]
	if len(raw) == 0 {
		return "", nil
	}
	switch raw[0] {
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return "", fmt.Errorf("%w: %s is not a string", ErrMalformed, name)
		}
		return s, nil
	case 'n':
		return "", nil
	case '[', '{':
		return "", fmt.Errorf("%w: %s is not a plain value", ErrMalformed, name)
	}
	return string(raw), nil
}

// Texts gives several members as text, in order.
func (o Object) Texts(names ...string) ([]string, error) {
	out := make([]string, len(names))
	for i, n := range names {
		s, err := o.Text(n)
		if err != nil {
			return nil, err
		}
		out[i] = s
	}
	return out, nil
}

// CompactJSON is v as JSON without HTML escapes and without a line end: the same bytes for the same value.
func CompactJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
